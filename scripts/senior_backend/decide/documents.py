"""A decision for people: Markdown on the console, an architecture decision record (MADR), and what has changed since an older decision.

Texts from profiles and answers are data: they are written so that no Markdown or HTML in them takes effect.
"""
from __future__ import annotations

import json
import pathlib
import re
from typing import Any, Callable

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


def table(heads: str, rows: list[list[Any]]) -> list[str]:
    """A table with these heads ("A | B"); no lines without rows."""
    lines = [heads, " | ".join("---" for _ in heads.split(" | ")), *(" | ".join(map(plain, row)) for row in rows)]
    return [f"| {line} |" for line in lines] + [""] if rows else []


def items(lines: list[str]) -> list[str]:
    """A list, one line each."""
    return [f"- {line}" for line in lines] + [""] if lines else []


def outcome_text(outcome: dict[str, Any]) -> str:
    what = outcome["profile"] or " and ".join(outcome.get("tied", ())) or outcome["code"]
    return f"{outcome['status']}: {what}" + (f" ({outcome['code']})" if outcome["code"] and outcome["code"] != what else "")


# Sections


def since_lines(decision: Decision) -> list[str]:
    changed = [f"{plain(one['what'])}: {plain(one['from'])} -> {plain(one['to'])}" for one in decision.get("since", ())]
    return items(changed or (["Nothing has changed."] if "since" in decision else []))


def kill_lines(decision: Decision) -> list[str]:
    return items([f"**{plain(one['code'])}** (question {one['question']}): {plain(one['message'])}. Cleared by {plain('; or '.join(one['clears']))}. "
                  f"Source: {plain(one['source'])}" for one in decision["kills"]])


def question_lines(decision: Decision) -> list[str]:
    return items([f"{plain(one['ask'])} Flag: `{one['flag']}`, for example `{one['example']}`" + (" (breaks the tie)" if one.get("breaks_tie") else "")
                  for one in decision["missing"] or decision["open_questions"]])


def gate_lines(decision: Decision) -> list[str]:
    rows = [[one["profile"], gate["input"], gate["value"], gate["required"], f"{spoken(gate['distance'])} {gate['unit']}".strip(), gate["source"]]
            for one in decision["gates"] for gate in one["failing"]]
    passed = ", ".join(one["profile"] for one in decision["gates"] if one["passed"]) or "none"
    return ([f"Passed all gates: {plain(passed)}.", ""] if decision["gates"] else []) + table("Profile | Failing gate | Value | Required | Distance | Source", rows)


def point_lines(decision: Decision) -> list[str]:
    rows = []
    for one in decision["points"]:
        for item in one["items"]:
            reason = f"{item['wanted']}: {item['reason']}" if item["met"] else f"{'not stated' if item['met'] is None else 'not met'}: {item['wanted']}"
            rows.append([one["profile"], item["input"], f"{item['points']} of {item['of']}", reason, item["kind"], item["source"]])
    totals = ", ".join(f"{plain(one['profile'])} {one['total']}" for one in decision["points"])
    return ([f"{totals}.", ""] if totals else []) + table("Profile | Input | Points | Reason | Kind | Source", rows)


def anti_lines(decision: Decision) -> list[str]:
    return items([f"Not {plain(one['avoid'])}" + (f": {plain(one['instead'])}" if one["instead"] else "") for one in decision["anti_patterns"]])


def sensitivity_lines(decision: Decision) -> list[str]:
    found = decision["sensitivity"]
    lines = table("Input | From | To | Outcome then", [[one["input"], one["from"], one["to"], outcome_text(one["outcome"])] for one in found["flips"]])
    if found["pair"]:
        both = " and ".join(f"{plain(one['input'])} to {plain(one['to'])}" for one in found["pair"]["changes"])
        lines += [f"No single change leads to another proposal; the smallest pair: {both} gives {plain(outcome_text(found['pair']['outcome']))}.", ""]
    return lines + items([f"Were {plain(one['input'])} worth {one['to']} points instead of {one['from']}, {plain(one['leader'])} would lead." for one in found["weights"]])


def pick_row(one: dict[str, Any]) -> list[str]:
    support = "" if one["supported_until"] is None else one["supported_until"] + ("" if one["supported"] else ": PAST ITS SUPPORT")
    return [one["concern"], one["pick"] + ("" if one["for"] == "all" else f" (for {one['for']})"), support, one["source"]]


def control_row(one: dict[str, Any]) -> list[str]:
    clauses = [f"{clause['clause']} ({'verified' if clause['verified'] else 'unverified'})" for clause in one["clauses"]]
    return [one["id"], one["control"], one["evidence"], "; ".join(clauses) or "practice"]


def figure_row(one: dict[str, Any]) -> list[str]:
    return [one["name"], one["formula"], one["numbers"], f"{spoken(one['result'])} {one['unit']}".strip(), one["source"]]


def rows_of(key: str, heads: str, row: Callable[[dict[str, Any]], list[Any]]) -> Callable[[Decision], list[str]]:
    """A section that is a table of the decision's entries under a key."""
    return lambda decision: table(heads, [row(one) for one in decision.get(key, ())])


# in their order; one without entries is left out
SECTIONS: dict[str, Callable[[Decision], list[str]]] = {
    "Changed since then": since_lines,
    "What if": rows_of("what_if", "Input | Value | Outcome", lambda one: [one["input"], one["value"], outcome_text(one["outcome"])]),
    "Kill criteria": kill_lines,
    "Questions to answer": question_lines,
    "Targets": lambda decision: table("Target | Value | Source", [[name, one["value"], one["source"]] for name, one in decision["targets"].items()]),
    "Gates": gate_lines,
    "Points": point_lines,
    "Stack": rows_of("stack", "Concern | Pick | Supported until | Source", pick_row),
    "Anti-patterns": anti_lines,
    "Approvers": rows_of("approvers", "Action | Approvers", lambda one: [one["action"], ", ".join(one["approvers"])]),
    "Arithmetic": rows_of("arithmetic", "Figure | Formula | Numbers | Result | Source", figure_row),
    "Compliance floor": rows_of("compliance", "Control | What | Evidence to collect | Clauses", control_row),
    "What would change the outcome": sensitivity_lines,
}


def markdown(decision: Decision) -> list[str]:
    """The whole decision, section by section."""
    outcome, error = decision["outcome"], decision.get("error")
    lines = [f"# {plain(outcome_text(outcome))}", "", "Approved: no. A person named under Approvers must."]
    lines += [f"Runner-up, within 15 % of the points: {plain(outcome['runner_up'])}.", ""] if outcome["runner_up"] else [""]
    if error:
        lines += [f"> {plain(error['message'])}", ">", f"> {plain(error['hint'])}", ""]
    for title, section in SECTIONS.items():
        body = section(decision)
        lines += [f"## {title}", "", *body] if body else []
    return lines[:-1]


# The record


def adr(decision: Decision) -> str:
    """A record in the form of MADR: status proposed, named deciders, every section filled."""
    name, inputs = decision["outcome"]["profile"], decision["inputs"]
    named = sorted({one["value"] for one in (inputs["compliance_owner"], inputs["error_budget_owner"]) if one["value"]})
    deciders = sorted({person for one in decision["approvers"] for person in one["approvers"]})
    head = {"status": "proposed", "date": decision["as_of"], "decision-makers": ", ".join(deciders), "consulted": ", ".join(named) or "nobody yet: see the open questions",
            "informed": "everyone who works on the system"}
    stated = [[key, one["value"], one["source"]] for key, one in inputs.items() if one["value"] is not None]
    references = [f"[{plain(one['title'])}]({one['url']})" if one["url"] else plain(one["title"]) for one in decision["references"]]

    def sections(*titles: str) -> list[str]:
        return [line for title in titles for line in SECTIONS[title](decision)]

    lines = [
        "---", *(f"{key}: {json.dumps(value)}" for key, value in head.items()), "---", f"# Build on the profile {plain(name)}", "",
        "## Context and Problem Statement", "", "A backend is to be built or rebuilt. Which cut of the code, which stack and which targets suit these answers?", "",
        *table("Answer | Value | Source", stated),
        "## Decision Drivers", "", *sections("Targets"),
        "## Considered Options", "", *items(sorted((plain(one["profile"]) for one in decision["gates"]), key=lambda option: option != plain(name))),
        "## Decision Outcome", "", *outcome_lines(decision),
        "### Consequences", "", *consequence_lines(decision), *sections("Stack", "Anti-patterns"),
        "### Confirmation", "", "Load tests with `api_load_tester.py --targets`, timed restores, and this evidence:", "", *sections("Compliance floor"),
        "## Pros and Cons of the Options", "",
        *(line for one in decision["gates"] for line in (f"### {plain(one['profile'])}", "", *option_lines(decision, one))),
        "## More Information", "", *sections("Approvers", "Questions to answer", "Arithmetic", "What would change the outcome"), *items(references),
    ]
    return "\n".join(lines)


def outcome_lines(decision: Decision) -> list[str]:
    outcome, best = decision["outcome"], decision["points"][0]
    close = f", with {plain(outcome['runner_up'])} within 15 %" if outcome["runner_up"] else ""
    open_ = " It is provisional: open questions remain, see More Information." if outcome["status"] == "provisional" else ""
    return [f'Chosen option: "{plain(best["profile"])}", because it passes all its gates and earns {best["total"]} points{close}.{open_} It is proposed, not approved.', ""]


def consequence_lines(decision: Decision) -> list[str]:
    """What speaks for the chosen profile, and what was stated and does not."""
    won = decision["points"][0]["items"]
    return items([f"Good, because of {plain(item['input'])}: {plain(item['reason'])}" for item in won if item["met"]]
                 + [f"Bad, because of {plain(item['input'])}: {plain(item['wanted'])} would suit it" for item in won if item["met"] is False])


def option_lines(decision: Decision, gates: dict[str, Any]) -> list[str]:
    score = next((one for one in decision["points"] if one["profile"] == gates["profile"]), None)
    if score is None:
        return items([f"Bad, because {plain(gate['input'])} is {plain(gate['value'])} and has to be {plain(gate['required'])}" for gate in gates["failing"]])
    return items([f"Good, because it passes {gates['checked']} gates", *(f"{'Good' if item['points'] else 'Neutral'}, because of {plain(item['input'])}: "
                  f"{item['points']} of {item['of']} points" for item in score["items"])])


def write_adr(path: pathlib.Path, decision: Decision) -> None:
    """Write the record; one that says something else already stays. Raises CommandError OUTPUT."""
    text = adr(decision)
    try:
        if not path.exists():
            path.write_text(text, encoding="utf-8", newline="\n")
        elif path.read_text(encoding="utf-8") != text:
            raise CommandError(f"--adr {path}: there is already another text", "records are superseded, not rewritten: give the new one a name of its own", identifier="OUTPUT")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"--adr {path}: cannot be written ({getattr(error, 'strerror', None) or error})", "give a path in a folder that you may write to",
                           ExitCode.ENVIRONMENT, "OUTPUT") from error


# What has changed


def since(path: pathlib.Path, decision: Decision) -> list[dict[str, Any]]:
    """[{what, from, to}]: what differs from an older decision's JSON. Raises CommandError INPUT_FILE when that is none."""
    old, _ = read_object(path, "the older decision")
    if not isinstance(old.get("outcome"), dict) or not isinstance(old.get("inputs"), dict):
        raise CommandError(f"--since {path}: no decision in it (no outcome, no inputs)", "python scripts/backend_decision_engine.py ... --output json > decision.json",
                           identifier="INPUT_FILE")
    before, after = facts(old), facts(decision)
    return [{"what": name, "from": before.get(name), "to": after.get(name)} for name in {**after, **before} if before.get(name) != after.get(name)]


def facts(decision: Decision) -> dict[str, Any]:
    """What two decisions are compared by: one flat mapping. An old one may hold anything: what has not the expected form is left out."""
    lists = {
        "points": lambda one: (f"points of {one.get('profile')}", one.get("total")),
        "profiles": lambda one: (f"profile {one.get('profile_name')}", one.get("version")),
        "compliance": lambda one: (f"control {one.get('id')}", "required"),
        "stack": lambda one: (f"pick for {one.get('concern')} ({one.get('for')})", one.get("pick")),
    }
    made = {f"outcome.{name}": value for name, value in decision["outcome"].items() if not isinstance(value, list)}
    for key in ("inputs", "targets"):
        found = decision.get(key)
        made |= {f"{key}.{name}": one.get("value") for name, one in (found if isinstance(found, dict) else {}).items()
                 if isinstance(one, dict) and (key != "inputs" or name in INPUTS)}
    for key, fact in lists.items():
        found = decision.get(key)
        made |= dict(fact(one) for one in (found if isinstance(found, list) else ()) if isinstance(one, dict))
    return made
