"""From input values to exactly one outcome, and what would change it; and --check-profiles: contradictions within a profile, profiles that another one always beats or that no input leads to, picks past their support.

Inputs fall into groups that have nothing to do with each other. Within a group only the class of each value counts: on which side of (or on) each
threshold that any profile names. The effect of a group is computed once per class: which kill criteria apply, which profiles pass its gates, which points
they earn. An outcome is the sum of the effects, so that every class of inputs has one, and a hundred thousand answers cost little more than reading them.
Exact: an outcome is constant between the thresholds that profiles and kill criteria name, so only the grid values beside thresholds are tried.
"""
from __future__ import annotations

import bisect
import collections
import dataclasses
import itertools
from typing import Any, Iterator, Sequence

from senior_backend.decide.inputs import DEFAULT_SLO, DEFAULT_WINDOW, INPUTS, Input, around, budget_micro, micro, minutes
from senior_backend.decide.profiles import Profile
from senior_backend.decide.rules import EVENT_TEAM, KILLS, MEETS, MICROSERVICES_TEAM, NO_PROFILE, SETS, TIE, UNSTATED, WEIGHTS, Fit

Values = dict[str, Any]
Effect = tuple[int, int, int, int]          # bits of kills, bits of profiles that pass, points (BITS per profile), 1 when an answer that targets or gates rest on is open
NOTHING: Effect = (0, -1, 0, 0)
BITS = 16
RUNNER_UP_PERCENT = 15
GROUPS = (
    ("pattern", "team_size", "platform_team", "interaction"), ("slo", "rto_minutes", "slo_window_days", "error_budget", "over_budget"), ("data_sensitivity", "compliance_owner"),
    ("language_preference",), ("tenancy",), ("qps_p99",), ("read_write_ratio",), ("needs_admin_panel",), ("rpo_minutes",), ("p99_ms",), ("error_budget_owner",),
    ("measured_p99_ms",), ("measured_rps",),
)
RESTS_ON = ("team_size", "language_preference", "slo", "error_budget_owner", "rpo_minutes", "rto_minutes")       # unstated: the outcome is provisional
TEXTS = ("compliance_owner", "error_budget_owner")


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """One outcome. ranking: (profile, points) of those that pass all gates, best first; tied: the profiles that share the first place of a tie."""
    status: str
    code: str | None
    profile: str | None = None
    runner_up: str | None = None
    tied: tuple[str, ...] = ()
    ranking: tuple[tuple[str, int], ...] = ()
    kills: tuple[str, ...] = ()

    @property
    def signature(self) -> tuple:
        """What makes two outcomes the same to the person who asks."""
        return self.status, self.code, self.profile, self.tied

    def as_json(self) -> dict[str, Any]:
        tied = {"tied": list(self.tied)} if self.tied else {}
        return {"status": self.status, "code": self.code, "profile": self.profile, "runner_up": self.runner_up, "approved": False, **tied}


class Engine:
    """The loaded profiles, ready to judge."""

    def __init__(self, profiles: list[Profile], weights: dict[str, int] = WEIGHTS):
        self.profiles, self.weights = profiles, weights
        self.offered = {name: offer(profiles, key) for name, key in SETS.items()}
        self.edges = {name: sorted({edge for profile in profiles for rule in rules_of(profile) for edge in rule.edges(name)}) for group in GROUPS for name in group}
        self.edges["team_size"] = sorted({*self.edges["team_size"], MICROSERVICES_TEAM, EVENT_TEAM})
        self.effects: list[dict[tuple, Effect]] = [{} for _ in GROUPS]
        self.verdicts: dict[Effect, Verdict] = {}
        self.masks: dict[int, int] = {}

    def judge(self, values: Values) -> Verdict:
        """The one outcome of these values; the required ones are stated."""
        derive(values)
        kills, passing, points, open_ = NOTHING
        for index in range(len(GROUPS)):
            more_kills, still_passing, more_points, more_open = self.effect(index, values)
            kills, passing, points, open_ = kills | more_kills, passing & still_passing, points + more_points, open_ | more_open
        state = self.settled(kills, passing, points, open_)
        verdict = self.verdicts.get(state)
        if verdict is None:
            verdict = self.verdicts[state] = self.conclude(*state)
        return verdict

    def settled(self, kills: int, passing: int, points: int, open_: int) -> Effect:
        """The sum without what no longer counts: anything beside a kill, points of profiles that have failed a gate."""
        return (kills, 0, 0, 0) if kills else (0, passing, points & self.kept(passing), open_)

    def kept(self, passing: int) -> int:
        """The bits of points of the profiles that pass."""
        if passing not in self.masks:
            self.masks[passing] = sum(((1 << BITS) - 1) << number * BITS for number in range(len(self.profiles)) if passing >> number & 1)
        return self.masks[passing]

    def effect(self, index: int, values: Values) -> Effect:
        """The effect of a group, computed once for each class of its values."""
        key, known = tuple([self.class_of(name, values[name]) for name in GROUPS[index]]), self.effects[index]
        effect = known.get(key)
        if effect is None:
            effect = known[key] = self.compute(GROUPS[index], values)
        return effect

    def class_of(self, name: str, value: Any) -> Any:
        """Two values of one class lead to the same effect: even numbers are between thresholds, odd ones on them."""
        if value is None:
            return None
        edges = self.edges[name]
        if edges:
            return bisect.bisect_left(edges, value) + bisect.bisect_right(edges, value)
        return True if name in TEXTS or type(value) in (int, float) else value

    def compute(self, group: tuple[str, ...], values: Values) -> Effect:
        kills = sum(1 << number for number, kill in enumerate(KILLS) if kill.inputs[0] in group and kill.applies(values, self.offered))
        passing = points = 0
        for number, profile in enumerate(self.profiles):
            passing |= all(gate.holds(values) for gate in profile.gates if gate.input in group) << number
            points += sum(fit.earned(values, self.weights) for fit in profile.fits if fit.rule.input in group) << number * BITS
        return kills, passing, points, int(any(values[name] is None for name in group if name in RESTS_ON))

    def conclude(self, kills: int, passing: int, points: int, open_: int) -> Verdict:
        """What the summed effects amount to."""
        if kills:
            codes = tuple(kill.code for number, kill in enumerate(KILLS) if kills >> number & 1)
            return Verdict("refused", codes[0], kills=codes)
        earned = [(profile.name, points >> number * BITS & (1 << BITS) - 1) for number, profile in enumerate(self.profiles) if passing >> number & 1]
        if not earned:
            return Verdict("refused", NO_PROFILE)
        ranking = tuple(sorted(earned, key=lambda entry: (-entry[1], entry[0])))
        (best, most), others = ranking[0], ranking[1:]
        tied = tuple(name for name, score in ranking if score == most)
        if len(tied) > 1:
            return Verdict("tie", TIE, tied=tied, ranking=ranking)
        runner_up = others[0][0] if others and (most - others[0][1]) * 100 <= RUNNER_UP_PERCENT * most else None
        return Verdict("provisional" if open_ else "recommended", UNSTATED if open_ else None, best, runner_up, ranking=ranking)


def derive(values: Values) -> None:
    """What follows from the SLO, its window and the RTO together: the error budget (millionths of a minute), and whether the RTO is above it."""
    slo, rto = values["slo"], values["rto_minutes"]
    budget = values["error_budget"] = budget_micro(DEFAULT_SLO if slo is None else slo, values["slo_window_days"] or DEFAULT_WINDOW)
    values["over_budget"] = rto is not None and micro(rto) > budget


def rules_of(profile: Profile) -> list:
    return [*profile.gates, *(fit.rule for fit in profile.fits)]


def offer(profiles: list[Profile], key: str) -> frozenset[str] | None:
    """What the profiles take together; None when one of them takes anything."""
    taken = [profile.constraints.get(key) for profile in profiles]
    return frozenset(value for values in taken for value in values) if all(taken) else None


def points_of(profile: Profile, values: Values, weights: dict[str, int] = WEIGHTS) -> list[tuple[Fit, int]]:
    """What a profile earns, fit by fit."""
    return [(fit, fit.earned(values, weights)) for fit in profile.fits]


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


NOT_ABOVE = (                           # within success_thresholds and constraints: the first is at most the second
    ("p50_api_latency_ms", "p95_api_latency_ms"), ("p95_api_latency_ms", "p99_api_latency_ms"), ("team_size_min", "team_size_max"), ("qps_p99_min", "qps_p99_max"),
    ("uptime_target", "slo_max"),
    ("rpo_minutes_min", "rpo_minutes_max"), ("rto_minutes_min", "rto_minutes_max"), ("p99_ms_min", "p99_api_latency_ms"),
)


Finding = dict[str, Any]                # kind (contradiction, dominated, unreachable, support), profile, place (file:line), message


def check(engine: Engine, as_of: str) -> list[Finding]:
    found = [finding for profile in engine.profiles for finding in (*contradictions(profile), *ended_support(profile, as_of))]
    groups = [classes_of(engine, index) for index in range(len(GROUPS))]
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


def classes_of(engine: Engine, index: int) -> dict[Effect, int]:
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
