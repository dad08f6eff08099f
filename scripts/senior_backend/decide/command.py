"""backend_decision_engine: the order of its work."""
from __future__ import annotations

import argparse
import json
import pathlib
import re
import sys
from typing import Any

from senior_backend import console
from senior_backend.console import CommandError, Console, ExitCode, Outcome
from senior_backend.decide.inputs import INPUTS, Answers, from_flags, from_object, from_text, missing, nothing, value_of
from senior_backend.decide.options import TOOL, parser
from senior_backend.decide.profiles import Profile, load
from senior_backend.decide.rules import MISSING
from senior_backend.decide.verdict import Engine, Verdict

SAMPLE = {
    "read_write_ratio": 20, "qps_p99": 50, "tenancy": "shared-multi-tenant", "interaction": "queue", "data_sensitivity": "pii", "compliance_owner": "Ada Lovelace",
    "pattern": "modular-monolith", "team_size": 8,
    "platform_team": False, "language_preference": "typescript", "needs_admin_panel": False, "rpo_minutes": 15, "rto_minutes": 60, "slo": 99.5, "slo_window_days": 30,
    "error_budget_owner": "Grace Hopper",
}


def main(argv: list[str] | None = None) -> int:
    argv = list(sys.argv[1:] if argv is None else argv)
    if "--output=json" in argv or ("--output", "json") in zip(argv, argv[1:]):
        argv.append("--json")           # console.run looks for it before anything is parsed
    return console.run(TOOL, parser(), run, argv)


def run(arguments: argparse.Namespace, out: Console) -> Outcome:
    refuse_contradictions(arguments)
    if arguments.composition:
        return composition()
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
    if arguments.json_lines:
        return many(arguments, engine, measured, out)
    return one(arguments, engine, measured, as_of)


def usage(message: str, hint: str) -> CommandError:
    return CommandError(message, hint, identifier="USAGE")


def refuse_contradictions(arguments: argparse.Namespace) -> None:
    if arguments.json and arguments.output == "markdown":
        raise usage("--json and --output markdown: only one can be printed", "leave one of them out")
    if arguments.json_lines and not arguments.answers:
        raise usage("--json-lines says how --answers FILE is read, and there is no --answers", "--answers many.jsonl --json-lines")
    single = [flag for flag, given in (("--adr", arguments.adr), ("--what-if", arguments.what_if), ("--since", arguments.since), ("--sample", arguments.sample)) if given]
    stated = [item.flag for item in INPUTS.values() if getattr(arguments, item.name) is not None]
    if arguments.json_lines and single + stated:
        raise usage(f"{(single + stated)[0]} is about one decision, --json-lines about many", "put the answers into the lines, or leave out --json-lines")
    instead = [flag for flag, given in (("--list-profiles", arguments.list_profiles), ("--check-profiles", arguments.check_profiles), ("--composition", arguments.composition))
               if given]
    deciding = single + stated + [flag for flag, given in (("--answers", arguments.answers), ("--measured", arguments.measured)) if given]
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


def composition() -> Outcome:
    from senior_backend.decide.composition import lines, report

    found = report()
    return Outcome({"composition": found}, lines(found))


def listed(profiles: list[Profile]) -> Outcome:
    rows = [{"profile_name": one.name, "version": one.version, "format": one.format, "file": str(one.path), "description": one.description, "constraints": one.constraints,
             "success_thresholds": one.thresholds}
            for one in profiles]
    lines = []
    for profile in profiles:
        lines += [f"{profile.name} {profile.version}".rstrip() + f": {profile.description}", *(f"  {gate.input}: {gate.required}" for gate in profile.gates), ""]
    return Outcome({"profiles": rows}, lines[:-1])


def checked(engine: Engine, as_of: str) -> Outcome:
    from senior_backend.decide.profile_checks import check

    found = check(engine, as_of)
    lines = [finding.line() for finding in found] + [f"{len(engine.profiles)} profiles checked as of {as_of}, {len(found)} findings"]
    return Outcome({"checked": len(engine.profiles), "as_of": as_of, "findings": [finding.as_json() for finding in found]}, lines, ExitCode.FOUND if found else ExitCode.DONE)


def one(arguments: argparse.Namespace, engine: Engine, measured: Any, as_of: str) -> Outcome:
    """Decide once, and write what was asked for."""
    from senior_backend.decide import decision, documents

    answers = Answers({**nothing(), **SAMPLE}, dict.fromkeys(SAMPLE, "--sample")) if arguments.sample else from_flags(arguments)
    answers.values.update(load_values(measured))
    made = decision.decide(decision.Case(engine, answers, measured, as_of))
    if arguments.what_if:
        made["what_if"] = what_ifs(arguments.what_if, engine, answers)
    if arguments.since:
        made["since"] = documents.since(pathlib.Path(arguments.since), made)
    error = decision.failure(made)
    if error:
        made["error"] = error
    elif arguments.adr:
        documents.write_adr(pathlib.Path(arguments.adr), made)
    return Outcome(made, documents.markdown(made), ExitCode.REFUSED if error else ExitCode.DONE)


def load_values(measured: Any) -> dict[str, float]:
    return {} if measured is None else {"measured_p99_ms": measured.p99_ms, "measured_rps": measured.rps}


def what_ifs(texts: list[str], engine: Engine, answers: Answers) -> list[dict[str, Any]]:
    """One row for each value of each --what-if."""
    from senior_backend.decide import sensitivity

    rows = []
    for text in texts:
        name, _, listed_values = text.partition("=")
        item = INPUTS.get(name.removeprefix("--").replace("-", "_"))
        if item is None or item not in sensitivity.JUDGED:
            raise usage(f"--what-if {text}: no input {name} that the outcome rests on",
                        "--what-if team-size=16,25,40; inputs: " + ", ".join(one.flag[2:] for one in sensitivity.JUDGED))
        try:
            tried = [value_of(item, from_text(item, value.strip())) for value in listed_values.split(",")]
        except ValueError as error:
            raise usage(f"--what-if {text}: expected {item.expected}", f"--what-if {item.flag[2:]}={item.example}") from error
        if lacking := [one.flag for one in missing({**answers.values, item.name: tried[0]})]:
            raise usage(f"--what-if {text}: not stated: {', '.join(lacking)}", "state what is required first")
        rows += sensitivity.table(engine, answers.values, item, tried)
    return rows


def many(arguments: argparse.Namespace, engine: Engine, measured: Any, out: Console) -> Outcome:
    """One outcome per line of answers; a line that cannot be used has an error in its place."""
    from senior_backend.decide import json_files

    path = pathlib.Path(arguments.answers)
    text = json_files.read_text(path, "the answers file")
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
    from senior_backend.decide.json_files import Duplicate, parse

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
