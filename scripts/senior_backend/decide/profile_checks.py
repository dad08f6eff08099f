"""--check-profiles: contradictions within a profile, profiles that another one always beats or that no input leads to, picks past their support."""
from __future__ import annotations

import collections
import itertools
from typing import Any, Iterator, Sequence

from senior_backend.decide.inputs import DEFAULT_SLO, DEFAULT_WINDOW, INPUTS, Input, around, budget_micro, micro, minutes
from senior_backend.decide.profiles import Profile
from senior_backend.decide.verdict import BITS, GROUPS, NOTHING, Effect, Engine, Values, derive

NOT_ABOVE = (                           # within success_thresholds and constraints: the first is at most the second
    ("p50_api_latency_ms", "p95_api_latency_ms"), ("p95_api_latency_ms", "p99_api_latency_ms"), ("team_size_min", "team_size_max"), ("qps_p99_min", "qps_p99_max"),
    ("uptime_target", "slo_max"),
    ("rpo_minutes_min", "rpo_minutes_max"), ("rto_minutes_min", "rto_minutes_max"), ("p99_ms_min", "p99_api_latency_ms"),
)


Finding = dict[str, Any]                # kind (contradiction, dominated, unreachable, support), profile, place (file:line), message


def check(engine: Engine, as_of: str) -> list[Finding]:
    found = [finding for profile in engine.profiles for finding in (*contradictions(profile), *ended_support(profile, as_of))]
    groups = [effects(engine, index) for index in range(len(GROUPS))]
    reached = leading(engine, groups)
    for profile in engine.profiles:
        stronger = next((other.name for other in engine.profiles if other is not profile and dominates(engine, groups, other, profile)), None)
        if profile.name not in reached:
            why = f"{stronger} passes wherever it does and always earns as much or more" if stronger else "its gates exclude each other, or others earn more wherever it passes"
            found.append(finding("dominated" if stronger else "unreachable", profile, ("constraints",), f"no input leads to {profile.name}: {why}"))
        elif stronger:
            found.append(finding("dominated", profile, ("constraints",), f"{profile.name} can at best tie: {stronger} passes wherever it does and never earns less"))
    return found


def finding(kind: str, profile: Profile, pointer: tuple, message: str) -> Finding:
    return {"kind": kind, "profile": profile.name, "place": profile.place(*pointer), "message": message}


def contradictions(profile: Profile) -> Iterator[Finding]:
    figures = {**profile.constraints, **profile.thresholds}
    for low, high in NOT_ABOVE:
        if None not in (figures.get(low), figures.get(high)) and figures[low] > figures[high]:
            section = "constraints" if low in profile.constraints else "success_thresholds"
            yield finding("contradiction", profile, (section, low), f"{low} {figures[low]:g} is above {high} {figures[high]:g}")
    budget, rto = budget_micro(figures["uptime_target"], DEFAULT_WINDOW), figures["rto_minutes_max"]
    if micro(rto) > budget:
        yield finding("contradiction", profile, ("success_thresholds", "rto_minutes_max"),
                      f"rto_minutes_max {rto:g} is above the error budget of {minutes(budget):g} minutes (uptime_target {figures['uptime_target']:g} over {DEFAULT_WINDOW} days)")
    for index, fit in enumerate(profile.fits):
        if fit.rule.key.startswith("fits[") and not earnable(profile, fit.rule.input, fit.rule):
            yield finding("contradiction", profile, ("fits", index), f"{fit.rule.key}: no {fit.rule.input} that passes the gates is {fit.rule.required}")


def earnable(profile: Profile, name: str, rule: Any) -> bool:
    """Whether some value passes the profile's gates on an input and meets the rule."""
    gates = [gate for gate in profile.gates if gate.input == name and hasattr(gate, "accepts")]
    values = INPUTS[name].choices or (True, False) if rule.among else [edge for one in (*gates, rule) for edge in one.edges(name)]
    return any(rule.accepts(value) and all(gate.accepts(value) for gate in gates) for value in values)


def ended_support(profile: Profile, as_of: str) -> Iterator[Finding]:
    for language, picks in profile.stacks.items():
        key = f"stack_{language}" if language else "stack"
        for index, pick in enumerate(picks):
            if pick.get("supported_until") and pick["supported_until"] < as_of:
                yield finding("support", profile, (key, index), f"{pick['pick']} is supported until {pick['supported_until']} only (as of {as_of})")


def dominates(engine: Engine, groups: list[dict[Effect, int]], strong: Profile, weak: Profile) -> bool:
    """Whether `strong` passes wherever `weak` does and never earns less there. Groups are independent: the least lead is the sum of the least leads."""
    first, second = engine.profiles.index(strong), engine.profiles.index(weak)
    lead = 0
    for some in groups:
        passing = [effect for effect in some if effect[1] >> second & 1 and not effect[3]]
        if not passing or not all(effect[1] >> first & 1 for effect in passing):
            return False
        lead += min(points(effect, first) - points(effect, second) for effect in passing)
    return lead >= 0


def points(effect: Effect, number: int) -> int:
    return effect[2] >> number * BITS & (1 << BITS) - 1


def leading(engine: Engine, groups: list[dict[Effect, int]]) -> set[str]:
    """The profiles that some answers lead to, alone or in a tie; answers that leave nothing open, since what is not stated passes gates."""
    verdicts = (engine.conclude(*state) for state in states(engine, groups) if not state[3])
    return {name for verdict in verdicts for name in (verdict.profile, *verdict.tied) if name}


def states(engine: Engine, groups: list[dict[Effect, int]]) -> dict[Effect, int]:
    """Every sum of effects that inputs can bring about -> how many classes of inputs do. Group by group, equal sums merged: billions of classes, thousands of sums."""
    summed: dict[Effect, int] = {NOTHING: 1}
    for some in groups:
        wider: dict[Effect, int] = {}
        for (kills, passing, earned, open_), count in summed.items():
            for effect, times in some.items():
                state = engine.settled(kills | effect[0], passing & effect[1], earned + effect[2], open_ | effect[3])
                wider[state] = wider.get(state, 0) + count * times
        summed = wider
    return summed


def effects(engine: Engine, index: int) -> dict[Effect, int]:
    """The effects of one group -> how many classes of its inputs have it. Every class is met: its values are tried on and on both sides of each threshold."""
    for values in group_values(engine, GROUPS[index]):
        derive(values)
        engine.effect(index, values)
    return collections.Counter(engine.effects[index].values())


def group_values(engine: Engine, group: tuple[str, ...]) -> Iterator[Values]:
    """Values of a group's inputs such that every class has one. SLO, window and RTO depend on each other: there every window is tried."""
    rest = dict.fromkeys(("slo", "slo_window_days", "rto_minutes"))
    if "slo" not in group:
        for combination in itertools.product(*(values_of(engine, name) for name in group)):
            yield {**rest, **dict(zip(group, combination))}
        return
    for window in (None, *range(1, 367)):
        crossings = [100 - least / 1_000_000 * 100 / ((window or DEFAULT_WINDOW) * 1440) for least in engine.edges["error_budget"]]
        for slo in values_of(engine, "slo", crossings):
            budget = budget_micro(DEFAULT_SLO if slo is None else slo, window or DEFAULT_WINDOW) / 1_000_000
            for rto in values_of(engine, "rto_minutes", [budget]):
                yield {"slo": slo, "slo_window_days": window, "rto_minutes": rto}


def values_of(engine: Engine, name: str, more_edges: Sequence[float] = ()) -> list[Any]:
    """A value of each class of an input: a millionth beside each edge where it is no whole number."""
    one = INPUTS.get(name, Input(name, "number", 0, "", "", 0, 1e9))
    if one.kind == "text":
        found = ["somebody"]
    elif one.kind in ("choice", "flag"):
        found = [*(one.choices or (True, False))]
    else:
        found = around(one, [*engine.edges[name], *more_edges], 1 if one.kind == "integer" else 1e-6)
    return found if one.required else [None, *found]
