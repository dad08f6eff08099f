"""What would change the outcome: the nearest value of each input, the smallest pair where no single input does it, the weights that swap ranks.

Exact: an outcome is constant between the thresholds that profiles and kill criteria name, so only the grid values beside thresholds are tried.
"""
from __future__ import annotations

import itertools
from typing import Any, Iterator

from senior_backend.decide.inputs import DEFAULT_SLO, DEFAULT_WINDOW, INPUTS, Input, around, minutes
from senior_backend.decide.profiles import Profile
from senior_backend.decide.rules import KILLS, MEETS, WEIGHTS
from senior_backend.decide.verdict import GROUPS, Engine, Values, Verdict, derive, points_of

SOMEBODY = "a named person"
JUDGED = tuple(one for one in INPUTS.values() if any(one.name in group for group in GROUPS))


def flips(engine: Engine, values: Values) -> list[dict[str, Any]]:
    """[{input, from, to, outcome}]: for a number the nearest value below and above that changes the outcome, for a choice each one that does."""
    now = engine.judge(dict(values)).signature
    found = []
    for one in JUDGED:
        for way in ways(engine, values, one):
            tried = ((value, engine.judge({**values, one.name: value})) for value in way)
            found += [{"input": one.name, "from": values[one.name], "to": value, "outcome": brief(verdict)} for value, verdict in tried if verdict.signature != now][:1]
    return found


def ways(engine: Engine, values: Values, one: Input) -> list[list[Any]]:
    """The values to try, each way from the present one outwards; the first of each way that changes the outcome counts."""
    now = values[one.name]
    if one.kind in ("choice", "flag"):
        return [[value] for value in (one.choices or (True, False)) if value != now]
    if one.kind == "text":
        return [[SOMEBODY if now is None else None]]
    tried = around(one, thresholds(engine, values, one.name), one.step)
    start = in_effect(engine, values, one.name) if now is None else now
    if start is None:
        return [tried]
    return [[value for value in reversed(tried) if value < start], ([start] if now is None else []) + [value for value in tried if value > start]]


def in_effect(engine: Engine, values: Values, name: str) -> float | None:
    """What counts while a number is not stated: the target of the profile in the lead, the default of the window."""
    if name == "slo_window_days":
        return DEFAULT_WINDOW
    leader, (key, _) = engine.judge(dict(values)).profile, MEETS.get(name, (None, False))
    return next((profile.thresholds.get(key) for profile in engine.profiles if profile.name == leader), None)


def thresholds(engine: Engine, values: Values, name: str) -> Iterator[float]:
    """Where the outcome may change along one input while the others stay."""
    yield from engine.edges[name]
    derive(values)
    slo, window, rto = values["slo"], values["slo_window_days"] or DEFAULT_WINDOW, values["rto_minutes"]
    if name == "rto_minutes":
        yield values["error_budget"] / 1_000_000
    elif name in ("slo", "slo_window_days"):
        kept = [minutes(int(edge)) for edge in engine.edges["error_budget"]] + ([rto] if rto is not None else [])
        for least in kept:
            yield 100 - least * 100 / (window * 1440) if name == "slo" else least * 100 / (1440 * (100 - (slo or DEFAULT_SLO)))


def brief(verdict: Verdict) -> dict[str, Any]:
    return {"status": verdict.status, "code": verdict.code, "profile": verdict.profile, **({"tied": list(verdict.tied)} if verdict.tied else {})}


def smallest_pair(engine: Engine, values: Values, single: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The cheapest change of two inputs that brings about a proposal, or another one, when no single input does; None otherwise.

    The cost of a choice or a name is 1, of a number the share by which it changes.
    """
    now = engine.judge(dict(values))
    profile = now.profile
    if any(flip["outcome"]["profile"] not in (None, profile) for flip in single):
        return None
    options = {one.name: sorted(effects(engine, values, one), key=lambda option: option[0]) for one in JUDGED}
    obstacles = in_the_way(engine, {**values}, now)
    best: tuple[float, dict[str, Any], Verdict] | None = None
    for first, second in itertools.combinations(options, 2):
        if not any(all(first in touched or second in touched for touched in needed) for needed in obstacles):
            continue
        for cost_a, a in options[first]:
            for cost_b, b in options[second]:
                if best is not None and cost_a + cost_b >= best[0]:
                    break
                verdict = engine.judge({**values, first: a, second: b})
                if verdict.profile not in (None, profile):
                    best = (cost_a + cost_b, {first: a, second: b}, verdict)
    if best is None:
        return None
    return {"changes": [{"input": name, "from": values[name], "to": value} for name, value in best[1].items()], "outcome": brief(best[2])}


def in_the_way(engine: Engine, values: Values, now: Verdict) -> list[list[tuple[str, ...]]]:
    """For each profile that is not in the lead, the inputs of every kill and failing gate: a change must touch each of them to bring it about."""
    derive(values)
    kills = [kill.inputs for kill in KILLS if kill.code in now.kills]
    return [[*kills, *(gate.inputs for gate in profile.gates if not gate.holds(values))] for profile in engine.profiles if profile.name != now.profile]


def effects(engine: Engine, values: Values, one: Input) -> list[tuple[float, Any]]:
    """(cost, value) for each way an input can be changed; of a number the nearest value in each class, both ways."""
    now, seen, kept = values[one.name], {engine.class_of(one.name, values[one.name])}, []
    for way in ways(engine, values, one):
        for value in way:
            near = engine.class_of(one.name, value)
            if one.name in ("slo", "rto_minutes", "slo_window_days") or near not in seen:
                seen.add(near)
                kept.append((abs(value - now) / max(abs(now), 1) if one.kind in ("integer", "number") and now is not None else 1.0, value))
    return kept


def swaps(engine: Engine, values: Values, verdict: Verdict) -> list[dict[str, Any]]:
    """[{weight, input, from, to, leader}]: the nearest whole weight of one input with which another profile would lead."""
    if verdict.profile is None:
        return []
    by_name = {profile.name: profile for profile in engine.profiles}
    matches = {name: matched(by_name[name], values) for name, _ in verdict.ranking}
    score = dict(verdict.ranking)
    found = []
    for name, weight in WEIGHTS.items():
        for other in (other for other, _ in verdict.ranking if other != verdict.profile):
            ahead, more = score[verdict.profile] - score[other], matches[verdict.profile].get(name, 0) - matches[other].get(name, 0)
            target = weight - ahead // more - 1 if more > 0 else weight + ahead // -more + 1 if more else -1
            if target >= 0:
                found.append({"input": name, "from": weight, "to": target, "leader": other})
    return found


def matched(profile: Profile, values: Values) -> dict[str, int]:
    """How many fits of a profile on each input are met."""
    met: dict[str, int] = {}
    for fit, earned in points_of(profile, values):
        met[fit.rule.input] = met.get(fit.rule.input, 0) + (earned > 0)
    return met
