"""A decision for people: Markdown on the console, an architecture decision record (MADR), and what has changed since an older decision.

Texts from profiles and answers are data: they are written so that no Markdown or HTML in them takes effect.
"""
from __future__ import annotations

import json
import pathlib
import re
from typing import Any

from senior_backend.console import CommandError, ExitCode
from senior_backend.decide.decision import spoken
from senior_backend.decide.inputs import INPUTS
from senior_backend.decide.json_files import read_object

Decision = dict[str, Any]
SPECIAL = re.compile(r"([\\`*{}\[\]<>|&#]|(?<![a-zA-Z0-9])_|_(?![a-zA-Z0-9]))")        # an underscore within a word is no markup


def plain(value: Any) -> str:
    """Any value as text in which nothing is markup, on one line.

    >>> plain("<b>|`x`")
    '\\\\<b\\\\>\\\\|\\\\`x\\\\`'
    """
    return SPECIAL.sub(r"\\\1", " ".join(spoken(value).split()))


def table(heads: list[str], rows: list[list[Any]]) -> list[str]:
    return ["| " + " | ".join(line) + " |" for line in (heads, ["---"] * len(heads), *([plain(cell) for cell in row] for row in rows))] + [""]


def outcome_text(outcome: dict[str, Any]) -> str:
    what = outcome["profile"] or " and ".join(outcome.get("tied", ())) or outcome["code"]
    return f"{outcome['status']}: {what}" + (f" ({outcome['code']})" if outcome["code"] and outcome["code"] != what else "")


def markdown(decision: Decision) -> list[str]:
    """The whole decision, section by section; a section without entries is left out."""
    outcome = decision["outcome"]
    lines = [f"# {plain(outcome_text(outcome))}", "", "Approved: no. A person named under Approvers must."]
    lines += [f"Runner-up, within 15 % of the points: {plain(outcome['runner_up'])}."] if outcome["runner_up"] else []
    lines += ["", *([f"> {plain(decision['error']['message'])}", ">", f"> {plain(decision['error']['hint'])}", ""] if "error" in decision else [])]
    for title, section in SECTIONS:
        body = section(decision)
        lines += [f"## {title}", "", *body] if body else []
    return lines[:-1]


def section_targets(decision: Decision) -> list[str]:
    return table(["Target", "Value", "Source"], [[name, one["value"], one["source"]] for name, one in decision["targets"].items()]) if decision["targets"] else []


def section_missing(decision: Decision) -> list[str]:
    asked = decision["missing"] or decision["open_questions"]
    return [f"{number}. {plain(one['ask'])} Flag: `{one['flag']}`, for example `{one['example']}`" + (" (breaks the tie)" if one.get("breaks_tie") else "") for number, one in enumerate(asked, 1)] + [""] if asked else []


def section_kills(decision: Decision) -> list[str]:
    return [f"- **{plain(one['code'])}** (question {one['question']}): {plain(one['message'])}. Cleared by {plain('; or '.join(one['clears']))}. Source: {plain(one['source'])}" for one in decision["kills"]] + [""] if decision["kills"] else []


def section_gates(decision: Decision) -> list[str]:
    rows = [[one["profile"], gate["input"], gate["value"], gate["required"], f"{spoken(gate['distance'])} {gate['unit']}".strip(), gate["source"]] for one in decision["gates"] for gate in one["failing"]]
    passed = [f"Passed all gates: {plain(', '.join(one['profile'] for one in decision['gates'] if one['passed']) or 'none')}.", ""] if decision["gates"] else []
    return passed + (table(["Profile", "Failing gate", "Value", "Required", "Distance", "Source"], rows) if rows else [])


def section_points(decision: Decision) -> list[str]:
    rows = [[one["profile"], item["input"], f"{item['points']} of {item['of']}", f"{item['wanted']}: {item['reason']}" if item["met"] else f"{'not stated' if item['met'] is None else 'not met'}: {item['wanted']}", item["kind"], item["source"]] for one in decision["points"] for item in one["items"]]
    totals = [", ".join(f"{plain(one['profile'])} {one['total']}" for one in decision["points"]) + ".", ""] if rows else []
    return totals + table(["Profile", "Input", "Points", "Reason", "Kind", "Source"], rows) if rows else []


def section_arithmetic(decision: Decision) -> list[str]:
    return table(["Figure", "Formula", "Numbers", "Result", "Source"], [[row["name"], row["formula"], row["numbers"], f"{spoken(row['result'])} {row['unit']}".strip(), row["source"]] for row in decision["arithmetic"]])


def section_sensitivity(decision: Decision) -> list[str]:
    found = decision["sensitivity"]
    lines = table(["Input", "From", "To", "Outcome then"], [[one["input"], one["from"], one["to"], outcome_text(one["outcome"])] for one in found["flips"]]) if found["flips"] else []
    if found["pair"]:
        lines += ["No single change leads to another proposal; the smallest pair: " + " and ".join(f"{plain(one['input'])} to {plain(one['to'])}" for one in found["pair"]["changes"])
                  + f" gives {plain(outcome_text(found['pair']['outcome']))}.", ""]
    for one in found["weights"]:
        lines.append(f"- Were {plain(one['input'])} worth {one['to']} points instead of {one['from']}, {plain(one['leader'])} would lead.")
    return lines + ([""] if found["weights"] else [])


def section_compliance(decision: Decision) -> list[str]:
    rows = [[one["id"], one["control"], one["evidence"], "; ".join(f"{clause['clause']} ({'verified' if clause['verified'] else 'unverified'})" for clause in one["clauses"]) or "practice"] for one in decision["compliance"]]
    return table(["Control", "What", "Evidence to collect", "Clauses"], rows) if rows else []


def section_stack(decision: Decision) -> list[str]:
    rows = [[one["concern"], one["pick"] + ("" if one["for"] == "all" else f" (for {one['for']})"), "" if one["supported_until"] is None else one["supported_until"] + ("" if one["supported"] else ": PAST ITS SUPPORT"), one["source"]] for one in decision["stack"]]
    return table(["Concern", "Pick", "Supported until", "Source"], rows) if rows else []


def section_anti(decision: Decision) -> list[str]:
    return [f"- Not {plain(one['avoid'])}" + (f": {plain(one['instead'])}" if one["instead"] else "") for one in decision["anti_patterns"]] + [""] if decision["anti_patterns"] else []


def section_approvers(decision: Decision) -> list[str]:
    return table(["Action", "Approvers"], [[one["action"], ", ".join(one["approvers"])] for one in decision["approvers"]]) if decision["approvers"] else []


def section_since(decision: Decision) -> list[str]:
    return [f"- {plain(one['what'])}: {plain(one['from'])} -> {plain(one['to'])}" for one in decision["since"]] + [""] if decision.get("since") else ["Nothing has changed.", ""] if "since" in decision else []


def section_what_if(decision: Decision) -> list[str]:
    return table(["Input", "Value", "Outcome"], [[one["input"], one["value"], outcome_text(one["outcome"])] for one in decision["what_if"]]) if decision.get("what_if") else []


SECTIONS = (
    ("Changed since then", section_since), ("What if", section_what_if), ("Kill criteria", section_kills), ("Questions to answer", section_missing), ("Targets", section_targets), ("Gates", section_gates),
    ("Points", section_points), ("Stack", section_stack), ("Anti-patterns", section_anti), ("Approvers", section_approvers), ("Arithmetic", section_arithmetic), ("Compliance floor", section_compliance),
    ("What would change the outcome", section_sensitivity),
)


def adr(decision: Decision) -> str:
    """A record in the form of MADR: status proposed, every section filled."""
    outcome, inputs = decision["outcome"], decision["inputs"]
    name, others = outcome["profile"], [one for one in decision["gates"] if one["profile"] != outcome["profile"]]
    deciders = sorted({person for one in decision["approvers"] for person in one["approvers"]})
    consulted = sorted({value for value in (inputs["compliance_owner"]["value"], inputs["error_budget_owner"]["value"]) if value}) or ["nobody yet: see the open questions"]
    stated = [(key, one) for key, one in inputs.items() if one["value"] is not None]
    head = {"status": "proposed", "date": decision["as_of"], "decision-makers": ", ".join(deciders), "consulted": ", ".join(consulted), "informed": "everyone who works on the system"}
    lines = ["---", *(f"{key}: {json.dumps(value)}" for key, value in head.items()), "---", f"# Build on the profile {plain(name)}", "", "## Context and Problem Statement", "",
             "A backend is to be built or rebuilt. Which cut of the code, which stack and which targets suit these answers?", "", *table(["Answer", "Value", "Source"], [[key, one["value"], one["source"]] for key, one in stated]),
             "## Decision Drivers", "", *section_targets(decision), "## Considered Options", "", f"* {plain(name)}", *(f"* {plain(one['profile'])}" for one in others), "", "## Decision Outcome", ""]
    score = next(one for one in decision["points"] if one["profile"] == name)
    lines += [f'Chosen option: "{plain(name)}", because it passes all its gates and earns {score["total"]} points' + (f", with {plain(outcome['runner_up'])} within 15 %" if outcome["runner_up"] else "") + ". "
              + ("It is provisional: open questions remain (see More Information). " if outcome["status"] == "provisional" else "") + "It is proposed, not approved.", "", "### Consequences", ""]
    lines += [f"* Good, because {plain(item['reason'])}" for item in score["items"] if item["points"]] + [f"* Bad, because nothing speaks for it on {plain(item['input'])}: {plain(item['wanted'])} would" for item in score["items"] if not item["points"]]
    lines += ["", *section_stack(decision), *section_anti(decision), "### Confirmation", "", "Load tests with `api_load_tester.py --targets`, timed restores, and the evidence below.", "", *section_compliance(decision)]
    lines += ["## Pros and Cons of the Options", ""]
    for one in decision["gates"]:
        lines += [f"### {plain(one['profile'])}", "", *pros_and_cons(decision, one), ""]
    lines += ["## More Information", "", *section_approvers(decision), *section_missing(decision), *section_arithmetic(decision), *section_sensitivity(decision)]
    return "\n".join(lines + [f"* [{plain(one['title'])}]({one['url']})" if one["url"] else f"* {plain(one['title'])}" for one in decision["references"]]) + "\n"


def pros_and_cons(decision: Decision, gates: dict[str, Any]) -> list[str]:
    score = next((one for one in decision["points"] if one["profile"] == gates["profile"]), None)
    if score is None:
        return [f"* Bad, because {plain(gate['input'])} is {plain(gate['value'])} and has to be {plain(gate['required'])}" for gate in gates["failing"]]
    return [f"* Good, because it passes {gates['checked']} gates", *(f"* {'Good' if item['points'] else 'Neutral'}, because of {plain(item['input'])}: {item['points']} of {item['of']} points ({plain(item['reason'])})" for item in score["items"])]


def write_adr(path: pathlib.Path, decision: Decision) -> None:
    """Write the record; one that says something else already stays. Raises CommandError OUTPUT."""
    text = adr(decision)
    try:
        if path.exists():
            if path.read_text(encoding="utf-8") != text:
                raise CommandError(f"--adr {path}: there is already another text", "records are superseded, not rewritten: give the new one a name of its own", identifier="OUTPUT")
            return
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"--adr {path}: cannot be written ({getattr(error, 'strerror', None) or error})", "give a path in a folder that you may write to", ExitCode.ENVIRONMENT, "OUTPUT") from error


def since(path: pathlib.Path, decision: Decision) -> list[dict[str, Any]]:
    """[{what, from, to}]: what differs from an older decision's JSON. Raises CommandError INPUT_FILE when that is none."""
    old, _ = read_object(path, "the older decision")
    if not isinstance(old.get("outcome"), dict) or not isinstance(old.get("inputs"), dict):
        raise CommandError(f"--since {path}: no decision in it (no outcome, no inputs)", "python scripts/backend_decision_engine.py ... --output json > decision.json", identifier="INPUT_FILE")
    before, after = facts(old), facts(decision)
    return [{"what": name, "from": before.get(name), "to": after.get(name)} for name in {**after, **before} if before.get(name) != after.get(name)]


def facts(decision: Decision) -> dict[str, Any]:
    """What two decisions are compared by: one flat mapping."""
    def entries(key: str) -> list[dict[str, Any]]:
        return [one for one in decision.get(key) or [] if isinstance(one, dict)]

    def values(key: str) -> dict[str, Any]:
        return {f"{key}.{name}": one.get("value") for name, one in (decision.get(key) or {}).items() if isinstance(one, dict)}
    outcome = {f"outcome.{name}": value for name, value in decision["outcome"].items() if not isinstance(value, list)}
    return {**outcome, **{name: value for name, value in values("inputs").items() if name.partition(".")[2] in INPUTS}, **values("targets"),
            **{f"points of {one.get('profile')}": one.get("total") for one in entries("points")}, **{f"profile {one.get('profile_name')}": one.get("version") for one in entries("profiles")},
            **{f"control {one.get('id')}": "required" for one in entries("compliance")}, **{f"pick for {one.get('concern')} ({one.get('for')})": one.get("pick") for one in entries("stack")}}
