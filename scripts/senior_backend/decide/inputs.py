"""What the engine is asked with: the inputs, the seven questions they answer, and reading them from flags and answers files, with the line of every value."""
from __future__ import annotations

import argparse
import dataclasses
import json
import math
import pathlib
import re
from typing import Any, Callable, Iterable, Iterator

from senior_backend.console import CommandError
from senior_backend.json_text import SyntaxProblem, json_lines, parse_json

Pointer = tuple[str | int, ...]
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}
BOUNDS: dict[str, tuple] = {                                   # keyword -> (types it speaks of, whether a value breaks it, what is expected)
    "minimum": ((int, float), lambda value, bound: value < bound, "at least {}"), "maximum": ((int, float), lambda value, bound: value > bound, "at most {}"),
    "minLength": (str, lambda value, bound: len(value) < bound, "at least {} characters"), "maxLength": (str, lambda value, bound: len(value) > bound, "at most {} characters"),
    "minItems": (list, lambda value, bound: len(value) < bound, "at least {} entries"), "minProperties": (dict, lambda value, bound: len(value) < bound, "at least {} keys"),
    "pattern": (str, lambda value, bound: not re.search(bound, value), "text that matches {}"),
}


class Duplicate(ValueError):
    """A key given twice in one object."""


def read_text(path: pathlib.Path, what: str) -> str:
    """The text of a file (UTF-8, with or without a mark). Raises CommandError INPUT_FILE."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CommandError(f"{path}: {what} cannot be read ({error.strerror})", "give the path of a file that is there", identifier="INPUT_FILE") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{path}: {what} is not UTF-8 text (byte {error.start})", "save it as UTF-8", identifier="INPUT_FILE") from error


def read_object(path: pathlib.Path, what: str) -> tuple[dict[str, Any], str]:
    """(the object of a JSON file, its text). Raises CommandError INPUT_FILE with file and line: not JSON, NaN, a key given twice, no object."""
    text = read_text(path, what)
    try:
        value, duplicates = parse_json(text)
    except SyntaxProblem as problem:
        raise broken(path, problem.line, problem.message, what) from None
    if duplicates:
        mapping, name = duplicates[0]
        place = next(pointer for pointer, node in nodes(value) if node is mapping)
        raise broken(path, line_of(text, (*place, name)), f'the key "{name}" is given twice', what)
    if type(value) is not dict:
        raise broken(path, 1, "expected a JSON object", what)
    return value, text


def broken(path: pathlib.Path | str, line: int, problem: str, what: str) -> CommandError:
    return CommandError(f"{path}:{line}: {problem}", f"mend {what} at that line", identifier="INPUT_FILE")


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        raise Duplicate(next(name for name in names if names.count(name) > 1))
    return made


def refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


# refuses NaN, Infinity and keys given twice; one decoder, since making one costs more than reading a line
parse = json.JSONDecoder(object_pairs_hook=unique, parse_constant=refuse).decode


def line_of(text: str, pointer: Pointer) -> int:
    """The line of an entry of a JSON text that is known to parse, or of the nearest thing around it."""
    lines = json_lines(text, [pointer])
    return next(lines[pointer[:length]] for length in range(len(pointer), -1, -1) if pointer[:length] in lines)


def nodes(value: Any, pointer: Pointer = ()) -> Iterator[tuple[Pointer, Any]]:
    yield pointer, value
    for key, entry in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from nodes(entry, (*pointer, key))


def suggestion(name: str, known: Any) -> str:
    """' (did you mean ...?)' for a name that is nearly one of the known ones."""
    from difflib import get_close_matches

    near = get_close_matches(str(name).lower().replace("-", "_"), [str(one) for one in known], 1, 0.6)
    return f' (did you mean "{near[0]}"?)' if near else ""


def violations(value: Any, schema: dict[str, Any], root: dict[str, Any], pointer: Pointer = ()) -> Iterator[tuple[Pointer, str]]:
    """(pointer, what is wrong) for each place where the value breaks the schema: the keywords of JSON Schema that the schemas of this project use."""
    if "$ref" in schema:
        yield from violations(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root, pointer)
    if "anyOf" in schema:
        tried = [list(violations(value, option, root, pointer)) for option in schema["anyOf"]]
        yield from min(tried, key=lambda found: (len(found[0][0]) <= len(pointer), len(found)) if found else (False, 0))
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(isinstance(value, TYPES[one]) and not (isinstance(value, bool) and one in ("integer", "number")) for one in types):
        yield pointer, f"expected {' or '.join(types)}, found {shown(value)}"
        return
    if "enum" in schema and value not in schema["enum"] or "const" in schema and value != schema["const"]:
        allowed = schema.get("enum", [schema.get("const")])
        yield pointer, f"expected {', '.join(map(shown, allowed))}, found {shown(value)}{suggestion(value, allowed) if isinstance(value, str) else ''}"
    for keyword, (kinds, breaks, expected) in BOUNDS.items():
        if keyword in schema and isinstance(value, kinds) and not isinstance(value, bool) and breaks(value, schema[keyword]):
            yield pointer, f"expected {expected.format(schema[keyword])}, found {shown(value)}"
    if isinstance(value, dict):
        yield from object_violations(value, schema, root, pointer)
    if isinstance(value, list) and "items" in schema:
        for index, entry in enumerate(value):
            yield from violations(entry, schema["items"], root, (*pointer, index))


def object_violations(value: dict, schema: dict, root: dict, pointer: Pointer) -> Iterator[tuple[Pointer, str]]:
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    yield from ((pointer, f'the key "{name}" is missing') for name in schema.get("required", ()) if name not in value)
    for name, entry in value.items():
        place = (*pointer, name)
        fitting = [known[name]] if name in known else [patterns[pattern] for pattern in patterns if re.search(pattern, name)]
        others = schema.get("additionalProperties", True)
        if not fitting and others is False:
            yield place, f'unknown key "{name}"{suggestion(name, known)}'
        for one in fitting or ([others] if isinstance(others, dict) else []):
            yield from violations(entry, one, root, place)


def shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


DEFAULT_SLO, DEFAULT_WINDOW = 99.5, 30          # percent and days; what a budget is reckoned with while nobody has said otherwise
TENANCIES = ("single-tenant", "shared-multi-tenant", "isolated-multi-tenant")
TIERS = ("public", "internal", "pii-only", "pii", "phi", "pci", "regulated")
PATTERNS = ("monolith", "modular-monolith", "domain-bounded-services", "microservices", "serverless", "extracted-service")
LANGUAGES = ("typescript", "python", "go", "rust", "java", "kotlin", "dotnet")
INTERACTIONS = ("sync", "queue", "event")


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """What an input can be. expected: for people, with the input's own bounds; from_text(text) may raise ValueError; kept: the form of an accepted value."""
    metavar: str
    expected: str
    from_text: Callable[[str], Any]
    accepts: Callable[[Input, Any], bool]
    kept: Callable[[Any], Any] = lambda value: value


KINDS = {
    "integer": Kind("N", "a whole number from {0.low:,.0f} to {0.high:,.0f}", int, lambda one, raw: type(raw) is int and one.low <= raw <= one.high),
    "number": Kind("X", "a number from {0.low:,g} to {0.high:,g}", float, lambda one, raw: type(raw) in (int, float) and one.low <= raw <= one.high,
                   lambda value: int(value) if value == int(value) else value),
    "choice": Kind("WHICH", "one of {1}", str, lambda one, raw: raw in one.choices),
    "flag": Kind("true|false", "true or false", lambda text: {"true": True, "false": False}.get(text), lambda one, raw: type(raw) is bool),
    "text": Kind("NAME", "a name of 1 to 200 characters", str, lambda one, raw: type(raw) is str and raw.strip() != "" and len(raw) <= 200 and raw.isprintable(), str.strip),
    "list": Kind("PERCENT,...", "percentages from {0.low:g} to {0.high:g}", lambda text: [float(part) for part in text.split(",")],
                 lambda one, raw: type(raw) is list and raw != [] and all(type(part) in (int, float) and one.low <= part <= one.high for part in raw)),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Input:
    """One input. kind: a key of KINDS; question: 1 to 7, 0 when only the arithmetic reads it.

    low, high: what is accepted, both included; step: the grid on which nearest flips are looked for.
    """
    name: str
    kind: str
    question: int
    example: str
    help: str
    low: float = 0
    high: float = 0
    choices: tuple[str, ...] = ()
    required: bool = False
    step: float = 1

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def expected(self) -> str:
        return KINDS[self.kind].expected.format(self, ", ".join(self.choices))


INPUTS = {one.name: one for one in (
    Input("read_write_ratio", "number", 1, "20", "reads per write", 0, 1e6, required=True, step=0.01),
    Input("qps_p99", "integer", 1, "50", "requests per second that 99 %% of the seconds of the year from now stay below", 1, 1e9, required=True),
    Input("tenancy", "choice", 2, "shared-multi-tenant", "how tenants share the system", choices=TENANCIES, required=True),
    Input("interaction", "choice", 3, "sync", "answers at once, work through a queue, or events that many read", choices=INTERACTIONS),
    Input("data_sensitivity", "choice", 4, "pii", "the most sensitive data it holds", choices=TIERS, required=True),
    Input("compliance_owner", "text", 4, '"Ada Lovelace"', "who answers for compliance; PHI, PCI and regulated data need one"),
    Input("pattern", "choice", 5, "modular-monolith", "how the code is cut and deployed", choices=PATTERNS, required=True),
    Input("team_size", "integer", 5, "8", "engineers who build and run it", 1, 100_000),
    Input("platform_team", "flag", 5, "false", "there is a team that runs the platform for the others"),
    Input("language_preference", "choice", 5, "typescript", "the language that the team knows best", choices=LANGUAGES),
    Input("needs_admin_panel", "flag", 5, "false", "people edit the data through an admin panel"),
    Input("rpo_minutes", "number", 6, "15", "minutes of writes that may be lost", 0, 525_600),
    Input("rto_minutes", "number", 6, "60", "minutes until it serves again", 0.01, 525_600),
    Input("slo", "number", 7, "99.5", f"share of good requests, in percent (a budget is reckoned with {DEFAULT_SLO} until it is given)", 50, 99.9999, step=0.001),
    Input("slo_window_days", "integer", 7, "30", f"days over which the SLO counts (default: {DEFAULT_WINDOW})", 1, 366),
    Input("error_budget_owner", "text", 7, '"Grace Hopper"', "who decides what the error budget is spent on"),
    Input("p99_ms", "number", 7, "600", "milliseconds within which 99 %% of the answers must come", 1, 3_600_000),
    Input("bytes_per_write", "integer", 0, "1024", "bytes that one write adds, indexes included (default: 1024, an assumption)", 1, 1e9),
    Input("max_connections", "integer", 0, "100", "max_connections of the database (default: 100, PostgreSQL's own)", 5, 1e6),
    Input("dependencies", "list", 0, "99.95,99.9", "availability in percent of what every request needs besides this service", 50, 100),
)}
MEASURED = ("measured_p99_ms", "measured_rps")      # come from --measured only

QUESTIONS = {
    1: "How many reads per write are there, and what is the p99 of requests per second one year from now?",
    2: "Do tenants share one database, have their own, or is there only one tenant?",
    3: "Does the caller wait for the result, is work queued, or do many consumers read events?",
    4: "What is the most sensitive data it will ever hold, and who answers for it?",
    5: "Which cut of the code can this team build and run, in which language, with whose platform?",
    6: "How many minutes of writes may be lost, and after how many minutes must it serve again?",
    7: "Which SLO do users get, and who decides what its error budget is spent on?",
}


@dataclasses.dataclass(slots=True)
class Answers:
    """What was answered: every input's value (None: not stated) and where each stated one comes from."""
    values: dict[str, Any]
    sources: dict[str, str]

    def source(self, name: str) -> str:
        return self.sources.get(name, "not stated")


def nothing() -> dict[str, Any]:
    return dict.fromkeys((*INPUTS, *MEASURED))


def from_flags(arguments: argparse.Namespace) -> Answers:
    """The flags' values over those of --answers. Raises CommandError that names everything wrong at once."""
    answers = from_file(pathlib.Path(arguments.answers)) if arguments.answers and not arguments.json_lines else Answers(nothing(), {})
    problems = []
    for one in INPUTS.values():
        raw = getattr(arguments, one.name)
        if raw is not None:
            try:
                answers.values[one.name], answers.sources[one.name] = from_text(one, raw), one.flag
            except ValueError:
                problems.append(f"{one.flag} {raw}: expected {one.expected}{guess(one, raw)}")
    if problems:
        raise unusable(problems)
    return answers


def from_file(path: pathlib.Path) -> Answers:
    """One JSON object of answers; its keys are the flags' names with underscores."""
    stated, text = read_object(path, "the answers file")
    values, problems = from_object(stated)
    if problems:
        raise unusable([f"{path}:{line_of(text, (name,))}: {problem}" for name, problem in problems])
    return Answers(values, {name: f"{path.name}: {name}" for name in stated if stated[name] is not None})


def from_object(stated: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """(values, [(key, what is wrong with it)]) of an object of answers."""
    values, problems = nothing(), []
    for name, raw in stated.items():
        one = INPUTS.get(name)
        if one is None:
            problems.append((name, f'unknown key "{name}"{suggestion(name, INPUTS)}'))
        elif raw is not None:
            try:
                values[name] = value_of(one, raw)
            except ValueError:
                problems.append((name, f"{name} {shown(raw)}: expected {one.expected}{guess(one, raw)}"))
    return values, problems


def unusable(problems: list[str]) -> CommandError:
    return CommandError("\n".join(problems), "mend what is named; --help says what each input takes", identifier="INPUT_VALUE")


def guess(one: Input, raw: Any) -> str:
    return suggestion(raw, one.choices) if one.kind == "choice" and isinstance(raw, str) else ""


def value_of(one: Input, raw: Any) -> Any:
    """The value when the input accepts it. Raises ValueError."""
    kind = KINDS[one.kind]
    if not kind.accepts(one, raw):
        raise ValueError(raw)
    return kind.kept(raw)


def from_text(one: Input, text: str) -> Any:
    """The value that a flag's text stands for. Raises ValueError."""
    return value_of(one, KINDS[one.kind].from_text(text))


def missing(values: dict[str, Any]) -> list[Input]:
    """The required inputs that nobody has stated, in the order of the questions."""
    return [one for one in INPUTS.values() if one.required and values[one.name] is None]


def micro(value: float) -> int:
    """Millionths, so that percentages and minutes are compared exactly."""
    return round(value * 1_000_000)


def budget_micro(slo: float, window_days: int) -> int:
    """The error budget of an SLO in millionths of a minute: window x 1440 x (100 - SLO) / 100.

    >>> budget_micro(99.5, 30) / 1e6, budget_micro(99.9, 30) / 1e6
    (216.0, 43.2)
    """
    return window_days * 1440 * (100_000_000 - micro(slo)) // 100


def minutes(value_micro: int) -> float:
    value = value_micro / 1_000_000
    return int(value) if value == int(value) else value


def around(one: Input, edges: Iterable[float], step: float) -> list[float]:
    """The least and greatest value of a number and, as far as it accepts them, those of a grid that lie on and beside each edge."""
    per = round(1 / step)
    near = {number if per == 1 else number / per for edge in edges for number in range(math.floor(edge * per) - 1, math.floor(edge * per) + 3)}
    tried = {int(value) if value == int(value) else round(value, 6) for value in near | {one.low, one.high}}
    return sorted(value for value in tried if one.low <= value <= one.high)
