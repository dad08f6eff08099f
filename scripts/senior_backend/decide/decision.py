"""One decision, whole: the outcome with everything that led to it, as one JSON object that is the same for the same inputs and profiles."""
from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

from senior_backend.decide import arithmetic, sensitivity
from senior_backend.decide.inputs import DEFAULT_WINDOW, INPUTS, QUESTIONS, TIERS, Answers, Input, budget_micro, minutes, missing
from senior_backend.decide.profiles import ASSETS, Profile, tier_index
from senior_backend.decide.rules import KILLS, MISSING, NO_PROFILE, TIE, WEIGHTS, rule_of
from senior_backend.decide.verdict import RESTS_ON, Engine, Values, Verdict, derive, points_of

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
    single = [] if lacking else sensitivity.flips(case.engine, values)
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
        "sensitivity": {"flips": single, "pair": None if lacking else sensitivity.smallest_pair(case.engine, values, single),
                        "weights": sensitivity.swaps(case.engine, values, verdict)},
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
