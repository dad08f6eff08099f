"""backend_decision_engine: its options, the order of its work, and which specialist skills are installed."""
from __future__ import annotations

import argparse
import json
import pathlib
import re
import sys
from typing import Any, Iterator

from senior_backend import console
from senior_backend.console import CommandError, Console, ExitCode, Outcome
from senior_backend.decide.inputs import INPUTS, KINDS, Answers, from_flags, from_object, from_text, missing, nothing
from senior_backend.decide.profiles import ASSETS, BUNDLE, Profile, load
from senior_backend.decide.rules import MISSING
from senior_backend.decide.verdict import Engine, Verdict

TOOL = "backend_decision_engine"
SEED = ("python scripts/backend_decision_engine.py --team-size 8 --qps-p99 50 --read-write-ratio 20 --tenancy shared-multi-tenant --data-sensitivity pii "
        "--pattern modular-monolith --language-preference typescript")
EXAMPLES = [
    SEED,
    "python scripts/backend_decision_engine.py --answers answers.json --output json",
    "python scripts/backend_decision_engine.py --answers answers.json --adr docs/adr/0007-backend.md --measured load.json",
    "python scripts/backend_decision_engine.py --answers answers.json --what-if team-size=12,16,25,40 --since decision.json",
    "python scripts/backend_decision_engine.py --answers many.jsonl --json-lines",
    "python scripts/backend_decision_engine.py --profiles-dir our-profiles --check-profiles",
]
EXIT_CODES = {
    0: "a profile is recommended, or provisionally so; a list or a clean check was asked for",
    1: "--check-profiles found something",
    2: "the arguments, an answer or a file cannot be used",
    3: "refused or a tie: a human must decide (missing answers, a kill criterion, no profile that fits)",
    4: "a file cannot be written",
    70: "a fault of this program",
    130: "interrupted",
}
GROUPS = ("the arithmetic only", "question 1: traffic", "question 2: tenancy", "question 3: interaction", "question 4: data", "question 5: cut, team and language",
          "question 6: loss and recovery", "question 7: objective")
FLAG = {"action": "store_true"}
OTHERS: dict[str, list[tuple[str, str, dict[str, Any]]]] = {                                    # title of a group -> (flag, help, what else argparse is to know)
    "answers and figures from files": [
        ("--answers", "a JSON object of answers; its keys are the flags with underscores; flags count more", {"metavar": "FILE"}),
        ("--json-lines", "--answers holds one object per line; one outcome per line is printed", FLAG),
        ("--measured", "report of api_load_tester.py --output, measured on one instance", {"metavar": "LOAD.json"}),
        ("--profiles-dir", "further profiles beside the four built-in ones", {"metavar": "DIR"}),
        ("--as-of", "the day (YYYY-MM-DD) on which support of the stack's picks is judged (default: the latest review of a profile)", {"metavar": "DATE"}),
    ],
    "output": [
        ("--output", "json is the same as --json (default: markdown)", {"choices": ["markdown", "json"]}),
        ("--adr", "also write an architecture decision record (MADR, status proposed); nothing is written when nothing is recommended", {"metavar": "FILE"}),
        ("--what-if", "a table of the outcomes with these values; may be given several times", {"action": "append", "default": [], "metavar": "INPUT=A,B,..."}),
        ("--since", "say what has changed since an older decision's JSON", {"metavar": "OLD.json"}),
    ],
    "instead of a decision": [
        ("--sample", "decide with a full set of sample answers", FLAG),
        ("--list-profiles", "the loaded profiles and what they are for", FLAG),
        ("--check-profiles", "contradictions, dominated and unreachable profiles, picks past their support", FLAG),
        ("--composition", "which specialist skills are installed, and what this bundle does for the others", FLAG),
    ],
}
INSTEAD = ("--list-profiles", "--check-profiles", "--composition")
SAMPLE = BUNDLE / "examples" / "bookshop-answers.json"


def parser() -> argparse.ArgumentParser:
    made = console.argument_parser(TOOL, "Decide a backend's architecture from seven answers: deterministic, every number with its source, never approved by itself.", EXAMPLES,
                                   EXIT_CODES)
    for question in (*range(1, len(GROUPS)), 0):
        group = made.add_argument_group(GROUPS[question])
        for one in (one for one in INPUTS.values() if one.question == question):
            told = one.help + (" (required)" if one.required else "") + (": " + ", ".join(one.choices) if one.choices else "")
            group.add_argument(one.flag, metavar=KINDS[one.kind].metavar, help=told)
    for title, options in OTHERS.items():
        group = made.add_argument_group(title)
        group = group.add_mutually_exclusive_group() if title == "instead of a decision" else group
        for flag, told, more in options:
            group.add_argument(flag, help=told, **more)
    return made


def main(argv: list[str] | None = None) -> int:
    argv = list(sys.argv[1:] if argv is None else argv)
    if "--output=json" in argv or ("--output", "json") in zip(argv, argv[1:]):
        argv.append("--json")           # console.run looks for it before anything is parsed
    return console.run(TOOL, parser(), run, argv)


def run(arguments: argparse.Namespace, out: Console) -> Outcome:
    refuse_contradictions(arguments)
    if arguments.composition:
        found = composition()
        return Outcome({"composition": found}, composition_lines(found))
    profiles = load(arguments.profiles_dir)
    as_of = day(arguments.as_of) or max(profile.reviewed for profile in profiles)
    if arguments.list_profiles:
        return listed(profiles)
    for profile in profiles:
        out.detail(f"profile {profile.name} {profile.version} (format {profile.format}): {profile.path}, {len(profile.gates)} gates, {len(profile.fits)} fits")
    engine = Engine(profiles)
    if arguments.check_profiles:
        return checked(engine, as_of)
    measured = figures(arguments)
    return many(arguments, engine, measured, out) if arguments.json_lines else one(arguments, engine, measured, as_of)


def usage(message: str, hint: str) -> CommandError:
    return CommandError(message, hint, identifier="USAGE")


def refuse_contradictions(arguments: argparse.Namespace) -> None:
    def given(*flags: str) -> list[str]:
        return [flag for flag in flags if getattr(arguments, flag[2:].replace("-", "_")) not in (None, False, [])]

    stated, instead = given(*(one.flag for one in INPUTS.values())), given(*INSTEAD)
    single = given("--adr", "--what-if", "--since", "--sample") + stated
    deciding = single + given("--answers", "--measured")
    if arguments.json and arguments.output == "markdown":
        raise usage("--json and --output markdown: only one can be printed", "leave one of them out")
    if arguments.json_lines and not arguments.answers:
        raise usage("--json-lines says how --answers FILE is read, and there is no --answers", "--answers many.jsonl --json-lines")
    if arguments.json_lines and single:
        raise usage(f"{single[0]} is about one decision, --json-lines about many", "put the answers into the lines, or leave out --json-lines")
    if instead and deciding:
        raise usage(f"{deciding[0]} is about a decision, and {instead[0]} makes none", f"leave out {instead[0]}, or {deciding[0]}")
    if arguments.sample and (arguments.answers or stated):
        raise usage("--sample brings its own answers", f"leave out --sample, or {stated[0] if stated else '--answers'}")


def day(text: str | None) -> str | None:
    if text is not None and not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", text):
        raise usage(f"--as-of {text}: expected a day as YYYY-MM-DD", "--as-of 2027-01-31")
    return text


def figures(arguments: argparse.Namespace) -> Any:
    if arguments.measured is None:
        return None
    from senior_backend.decide.arithmetic import measured

    return measured(arguments.measured)


def listed(profiles: list[Profile]) -> Outcome:
    rows = [{"profile_name": one.name, "version": one.version, "format": one.format, "file": str(one.path), "description": one.description, "constraints": one.constraints,
             "success_thresholds": one.thresholds}
            for one in profiles]
    lines = []
    for profile in profiles:
        lines += [f"{profile.name} {profile.version}".rstrip() + f": {profile.description}", *(f"  {gate.input}: {gate.required}" for gate in profile.gates), ""]
    return Outcome({"profiles": rows}, lines[:-1])


def checked(engine: Engine, as_of: str) -> Outcome:
    from senior_backend.decide.verdict import check

    found = check(engine, as_of)
    lines = [f"{one['place']}: {one['kind']}: {one['message']}" for one in found] + [f"{len(engine.profiles)} profiles checked as of {as_of}, {len(found)} findings"]
    return Outcome({"checked": len(engine.profiles), "as_of": as_of, "findings": found}, lines, ExitCode.FOUND if found else ExitCode.DONE)


def one(arguments: argparse.Namespace, engine: Engine, measured: Any, as_of: str) -> Outcome:
    """Decide once, and write what was asked for."""
    from senior_backend.decide import documents

    sample = json.loads(SAMPLE.read_text(encoding="utf-8")) if arguments.sample else {}
    answers = Answers({**nothing(), **sample}, dict.fromkeys(sample, "--sample")) if sample else from_flags(arguments)
    answers.values.update(load_values(measured))
    made = documents.decide(documents.Case(engine, answers, measured, as_of))
    if arguments.what_if:
        made["what_if"] = [row for text in arguments.what_if for row in what_if(text, engine, answers)]
    if arguments.since:
        made["since"] = documents.since(pathlib.Path(arguments.since), made)
    error = documents.failure(made)
    if error:
        made["error"] = error
    elif arguments.adr:
        documents.write_adr(pathlib.Path(arguments.adr), made)
    return Outcome(made, documents.markdown(made), ExitCode.REFUSED if error else ExitCode.DONE)


def load_values(measured: Any) -> dict[str, float]:
    return {} if measured is None else {"measured_p99_ms": measured.p99_ms, "measured_rps": measured.rps}


def what_if(text: str, engine: Engine, answers: Answers) -> list[dict[str, Any]]:
    """One row for each value of a --what-if."""
    from senior_backend.decide.verdict import JUDGED

    name, _, values = text.partition("=")
    item = INPUTS.get(name.removeprefix("--").replace("-", "_"))
    if item is None or item not in JUDGED:
        raise usage(f"--what-if {text}: no input {name} that the outcome rests on", "--what-if team-size=16,25,40; inputs: " + ", ".join(one.flag[2:] for one in JUDGED))
    try:
        tried = [from_text(item, value.strip()) for value in values.split(",")]
    except ValueError as error:
        raise usage(f"--what-if {text}: expected {item.expected}", f"--what-if {item.flag[2:]}={item.example}") from error
    if lacking := [one.flag for one in missing({**answers.values, item.name: tried[0]})]:
        raise usage(f"--what-if {text}: not stated: {', '.join(lacking)}", "state what is required first")
    return [{"input": item.name, "value": value, "outcome": engine.judge({**answers.values, item.name: value}).as_json()} for value in tried]


# Many answers


def many(arguments: argparse.Namespace, engine: Engine, measured: Any, out: Console) -> Outcome:
    """One outcome per line of answers; a line that cannot be used has an error in its place."""
    from senior_backend.decide import inputs

    path = pathlib.Path(arguments.answers)
    text = inputs.read_text(path, "the answers file")
    measured_values, said, lines, faults = load_values(measured), {}, [], []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            verdict = judged(line, engine, measured_values)
            if isinstance(verdict, str):
                faults.append(f"{path}:{number}: {verdict}")
                lines.append(json.dumps({"line": number, "error": {"code": "INPUT_VALUE", "message": faults[-1]}}))
            else:
                if id(verdict) not in said:
                    said[id(verdict)] = (json.dumps({"outcome": verdict.as_json()})[1:], verdict)
                lines.append(f'{{"line": {number}, {said[id(verdict)][0]}')
    if not lines:
        raise CommandError(f"{path}: no answers in it", "one JSON object per line", identifier="INPUT_FILE")
    for fault in faults[:20]:
        out.progress(fault)
    out.progress(f"{len(lines) - len(faults)} outcomes, {len(faults)} lines that cannot be used")
    data: dict[str, Any] = {"outcomes": [json.loads(line) for line in lines]} if arguments.json else {}
    if faults:
        data["error"] = {"code": "INPUT_VALUE", "message": faults[0], "hint": "mend the lines that have an error"}
    return Outcome(data, lines, ExitCode.UNUSABLE if faults else ExitCode.DONE)


MISSED = Verdict("refused", MISSING)


def judged(line: str, engine: Engine, measured: dict[str, float]) -> Verdict | str:
    """The outcome of one line, or what is wrong with it."""
    from senior_backend.decide.inputs import Duplicate, parse

    try:
        stated = parse(line)
    except Duplicate as error:
        return f'the key "{error}" is given twice'
    except (ValueError, RecursionError) as error:
        return f"not JSON: {error}"
    if type(stated) is not dict:
        return "expected a JSON object"
    values, problems = from_object(stated)
    if problems:
        return "; ".join(problem for _, problem in problems)
    return MISSED if missing(values) else engine.judge({**values, **measured})


# Which specialist skills are really installed, and what this bundle does itself for the others

# below the project's folder and below the home folder: where agents look for skills
SKILL_FOLDERS = (".claude/skills", ".agents/skills", ".codex/skills", ".gemini/skills")
PLUGIN_PATTERNS = ("cache/*/*/skills", "cache/*/*/*/skills", "marketplaces/*/skills", "marketplaces/*/*/skills", "marketplaces/*/plugins/*/skills")


def places() -> Iterator[pathlib.Path]:
    """The folders that hold skills, those of plugins included, and the one that this bundle itself is installed in."""
    try:
        homes = [pathlib.Path.cwd(), pathlib.Path.home()]
    except RuntimeError:                # no home folder is known
        homes = [pathlib.Path.cwd()]
    yield from (home / folder for home in homes for folder in SKILL_FOLDERS)
    for pattern in PLUGIN_PATTERNS:
        yield from sorted((homes[-1] / ".claude/plugins").glob(pattern))
    if BUNDLE.parent.as_posix().endswith(tuple(f"/{folder}" for folder in SKILL_FOLDERS)):
        yield BUNDLE.parent


def composition() -> list[dict[str, Any]]:
    """[{concern, order, skills, installed: {skill: its folder}, here}] in the order in which specialists are asked."""
    folders = list(places())[::-1]
    rows = json.loads((ASSETS / "composition.json").read_text(encoding="utf-8"))
    installed = [{name: str(folder / name) for name in row["skills"] for folder in folders if (folder / name / "SKILL.md").is_file()} for row in rows]
    return [{"concern": row["concern"], "order": row["order"], "skills": row["skills"], "installed": found, "here": row["here"]} for row, found in zip(rows, installed)]


def composition_lines(found: list[dict[str, Any]]) -> list[str]:
    return [f"{row['order']:2}. {row['concern']}: " + (", ".join(f"{name} ({folder})" for name, folder in row["installed"].items())
                                                       or f"{' or '.join(row['skills'])} not installed; here: {row['here']}") for row in found]
