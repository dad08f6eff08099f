"""One decision, whole, as a JSON object that is the same for the same inputs and profiles; as Markdown; as an architecture decision record (MADR); and what
has changed since an older one.

Texts from profiles and answers are data: they are written so that no Markdown or HTML in them takes effect.
"""
from __future__ import annotations

import dataclasses
import json
import math
import pathlib
import re
from typing import Any, Callable

from senior_backend.console import CommandError, ExitCode
from senior_backend.decide import arithmetic
from senior_backend.decide.verdict import RESTS_ON, Engine, Values, Verdict, derive, flips, points_of, smallest_pair, swaps
from senior_backend.decide.inputs import DEFAULT_WINDOW, INPUTS, QUESTIONS, TIERS, Answers, Input, budget_micro, minutes, missing, read_object
from senior_backend.decide.profiles import ASSETS, Profile, tier_index
from senior_backend.decide.rules import KILLS, MISSING, NO_PROFILE, TIE, WEIGHTS, rule_of

LATENCIES = {name: f"{name[:3]}_api_latency_ms" for name in ("p50_ms", "p95_ms", "p99_ms")}


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """What a decision is made from. as_of: the day (YYYY-MM-DD) on which support of the stack's picks is judged."""
    engine: Engine
    answers: Answers
    load: arithmetic.Measured | None
    as_of: str

    @property
    def values(self) -> Values:
        return self.answers.values


def decide(case: Case) -> dict[str, Any]:
    """The decision's keys, in the order of the contract."""
    values, lacking = case.values, missing(case.values)
    verdict = Verdict("refused", MISSING) if lacking else case.engine.judge(values)
    profile = next((one for one in case.engine.profiles if one.name == verdict.profile), None)
    targets = targets_of(profile, case) if profile else {}
    judged = not lacking and not verdict.kills
    single = [] if lacking else flips(case.engine, values)
    return {
        "outcome": verdict.as_json(),
        "inputs": {name: {"value": values[name], "source": case.answers.source(name)} for name in INPUTS},
        "targets": targets,
        "success_thresholds": profile.thresholds if profile else {},
        "kills": [kill_json(code, case) for code in verdict.kills],
        "gates": [gates_json(one, values) for one in case.engine.profiles] if judged else [],
        "points": [points_json(case, name, total) for name, total in verdict.ranking],
        "arithmetic": arithmetic.rows(case.answers, targets, case.load),
        "compliance": compliance(values["data_sensitivity"]),
        "stack": stack(profile, values, case.as_of) if profile else [],
        "anti_patterns": profile.anti if profile else [],
        "approvers": approvers(profile, values) if profile else [],
        "sensitivity": {"flips": single, "pair": None if lacking else smallest_pair(case.engine, values, single),
                        "weights": swaps(case.engine, values, verdict)},
        "missing": [missing_json(one) for one in lacking],
        "open_questions": [] if lacking else open_questions(case, verdict, single),
        "nearest": [] if verdict.profile or verdict.tied else [flip for flip in single if flip["outcome"]["profile"]],
        "references": profile.references if profile else [],
        "profiles": [{"profile_name": one.name, "version": one.version, "format": one.format} for one in case.engine.profiles],
        "as_of": case.as_of,
    }


def targets_of(profile: Profile, case: Case) -> dict[str, dict[str, Any]]:
    """p50_ms, p95_ms, p99_ms, uptime, rpo_minutes, rto_minutes: each {value, source}. What the user stated wins; the rest follows from it."""
    values, thresholds, own = case.values, profile.thresholds, f"profile {profile.name} {profile.version}".rstrip()

    def target(key: str, name: str) -> dict[str, Any]:
        return {"value": thresholds[key], "source": own} if values[name] is None else {"value": values[name], "source": case.answers.source(name)}

    made = {name: {"value": thresholds[key], "source": own} for name, key in LATENCIES.items()} | {"p99_ms": target(LATENCIES["p99_ms"], "p99_ms")}
    asked, usual = made["p99_ms"]["value"], thresholds[LATENCIES["p99_ms"]]
    if asked < usual:
        source = f"{own}, scaled by {asked:g} / {usual:g} ({made['p99_ms']['source']})"
        made |= {name: {"value": max(1, math.floor(made[name]["value"] * asked / usual)), "source": source} for name in ("p50_ms", "p95_ms")}
    made |= {"uptime": target("uptime_target", "slo"), **{name: target(f"{name}_max", name) for name in ("rpo_minutes", "rto_minutes")}}
    uptime, rto = made["uptime"], made["rto_minutes"]
    budget = minutes(budget_micro(uptime["value"], values["slo_window_days"] or DEFAULT_WINDOW))
    if rto["value"] > budget:
        why = f"error budget of {budget:g} minutes ({uptime['value']:g} %, {uptime['source']}); {rto['value']:g} ({rto['source']}) would be above it"
        made["rto_minutes"] = {"value": math.floor(budget), "source": why}
    return made


def kill_json(code: str, case: Case) -> dict[str, Any]:
    kill = next(one for one in KILLS if one.code == code)
    return {"code": code, "question": kill.question, "message": kill.message(case.values), "clears": list(kill.clears), "source": kill.source}


def gates_json(profile: Profile, values: Values) -> dict[str, Any]:
    """Every failing gate of a profile with its distance."""
    derive(values)
    failing = [{"input": gate.input, "required": gate.required, "value": gate.value(values), "distance": gate.distance(values),
                "unit": gate.unit,
                "source": f"profile {profile.name}: constraints.{gate.key}"} for gate in profile.gates if not gate.holds(values)]
    return {"profile": profile.name, "passed": not failing, "checked": len(profile.gates), "failing": failing}


def points_json(case: Case, name: str, total: int) -> dict[str, Any]:
    profile = next(one for one in case.engine.profiles if one.name == name)
    items = [{"input": fit.rule.input, "points": earned, "of": case.engine.weights[fit.rule.input], "met": None if case.values[fit.rule.input] is None else earned > 0,
              "wanted": fit.rule.required, "reason": fit.reason, "source": fit.source, "kind": fit.kind}
             for fit, earned in points_of(profile, case.values, case.engine.weights)]
    return {"profile": name, "total": total, "items": items}


def compliance(tier: str | None) -> list[dict[str, Any]]:
    """The controls of a data tier and of all tiers below it, with the clauses that apply to it. A higher tier never has fewer.

    verified: the clause's text was opened at the source when the control was written.
    """
    data = json.loads((ASSETS / "controls.json").read_text(encoding="utf-8"))
    below = closure(data["tiers"], tier) if tier else set()
    made = []
    for one in (one for one in data["controls"] if one["tier"] in below):
        sources = [(clause, data["sources"][name]) for clause, name in one["clauses"].items()]
        clauses = [{"clause": clause, "verified": source["verified"], "source": source["where"]} for clause, source in sources if source["tier"] in below]
        made.append({"id": one["id"], "control": one["control"], "evidence": one["evidence"], "clauses": clauses})
    return made


def closure(tiers: dict[str, list[str]], tier: str) -> set[str]:
    """A tier and all below it: phi and pci stand beside each other, regulated above both."""
    return {tier}.union(*(closure(tiers, lower) for lower in tiers[tier]))


def stack(profile: Profile, values: Values, as_of: str) -> list[dict[str, Any]]:
    """The picks for the language, those first that hold for all; supported: whether the pick is within its support on that day, None when no date is known."""
    language = values["language_preference"]
    chosen = [name for name in profile.stacks if not name or name == language] or list(profile.stacks)
    picks = []
    for name in chosen:
        for pick in profile.stacks[name]:
            when = pick.get("when")
            if when is None or values[when["input"]] is not None and rule_of(when, "when").accepts(values[when["input"]]):
                until = pick.get("supported_until")
                picks.append({"concern": pick["concern"], "pick": pick["pick"], "for": name or "all", "supported_until": until,
                              "supported": None if until is None else as_of <= until,
                              "source": pick.get("source", f"policy of profile {profile.name}")})
    return picks


def approvers(profile: Profile, values: Values) -> list[dict[str, Any]]:
    """Who must approve what: the profile's roles, and by name those whom the answers name. Nothing is ever approved here."""
    chain = [{"action": action, "approvers": list(people)} for action, people in profile.approvers.items()]
    named = ("error_budget_owner", "spend the error budget"), ("compliance_owner", "hold data of the tier " + str(values["data_sensitivity"]))
    chain += [{"action": action, "approvers": [values[name]]} for name, action in named if values[name] is not None]
    if TIERS.index(values["data_sensitivity"]) > tier_index(profile):
        chain.append({"action": f"use the profile above {TIERS[tier_index(profile)]}, the tier up to which it was reviewed",
                      "approvers": [values["compliance_owner"] or "security lead"]})
    return chain


def open_questions(case: Case, verdict: Verdict, single: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is still to be asked: first what breaks a tie, then what targets and gates rest on."""
    breaker = tie_breaker(case.values, single) if verdict.code == TIE else []
    names = breaker + [name for name in RESTS_ON if case.values[name] is None and name not in breaker]
    return [{**missing_json(INPUTS[name]), "breaks_tie": name in breaker} for name in names]


def tie_breaker(values: Values, single: list[dict[str, Any]]) -> list[str]:
    """The input one of whose values ends the tie with a profile in front: not yet stated before stated, then what weighs most; [] when none does."""
    ending = {flip["input"] for flip in single if flip["outcome"]["profile"]}
    return sorted(ending, key=lambda name: (values[name] is not None, -WEIGHTS.get(name, 0), list(INPUTS).index(name)))[:1]


def missing_json(one: Input) -> dict[str, Any]:
    return {"input": one.name, "question": one.question, "ask": QUESTIONS[one.question], "flag": one.flag, "example": f"{one.flag} {one.example}", "expected": one.expected}


def failure(decision: dict[str, Any]) -> dict[str, str] | None:
    """{code, message, hint} when a human must decide first."""
    outcome = decision["outcome"]
    if outcome["status"] not in ("refused", "tie"):
        return None
    code = outcome["code"]
    if code == MISSING:
        return {"code": code, "message": "not stated: " + ", ".join(one["flag"] for one in decision["missing"]),
                "hint": "for example: " + " ".join(one["example"] for one in decision["missing"])}
    if code == TIE:
        asked = next((one for one in decision["open_questions"] if one["breaks_tie"]), None)
        return {"code": code, "message": "tie: " + " and ".join(outcome["tied"]),
                "hint": f"answer {asked['flag']}: {asked['ask']}" if asked else "no single answer breaks it: choose, and write down why"}
    if code == NO_PROFILE:
        closest = min(decision["gates"], key=lambda one: len(one["failing"]))
        lacks = "; ".join(f"{gate['input']} {gate['value']}: {gate['required']}" for gate in closest["failing"])
        return {"code": code, "message": f"no profile passes its gates; {closest['profile']} comes nearest: {lacks}", "hint": hint(decision) or f"see gates; {KILLS[-1].clears[1]}"}
    return {"code": code, "message": "; ".join(kill["message"] for kill in decision["kills"]), "hint": hint(decision) or "; ".join(decision["kills"][0]["clears"])}


def hint(decision: dict[str, Any]) -> str:
    """The nearest single change that leads to a proposal."""
    near = decision["nearest"][:3]
    return "nearest alternative: " + ", or ".join(f"{INPUTS[one['input']].flag} {spoken(one['to'])} gives {one['outcome']['profile']}" for one in near) if near else ""


def spoken(value: Any) -> str:
    """A value as people read it."""
    if value is None:
        return "not stated"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.10g}" if isinstance(value, (int, float)) else str(value)


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
