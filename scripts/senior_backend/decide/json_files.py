"""JSON files of people: read with the line of every value, duplicates refused, and held to a JSON Schema without any package."""
from __future__ import annotations

import json
import pathlib
import re
from typing import Any, Iterator

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
