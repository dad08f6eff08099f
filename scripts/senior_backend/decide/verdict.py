"""From input values to exactly one outcome.

Inputs fall into groups that have nothing to do with each other. Within a group only the class of each value counts: on which side of (or on) each
threshold that any profile names. The effect of a group is computed once per class: which kill criteria apply, which profiles pass its gates, which points
they earn. An outcome is the sum of the effects, so that every class of inputs has one, and a hundred thousand answers cost little more than reading them.
"""
from __future__ import annotations

import bisect
import dataclasses
from typing import Any

from senior_backend.decide.inputs import DEFAULT_SLO, DEFAULT_WINDOW, budget_micro, micro
from senior_backend.decide.profiles import Profile
from senior_backend.decide.rules import EVENT_TEAM, KILLS, MICROSERVICES_TEAM, NO_PROFILE, SETS, TIE, UNSTATED, WEIGHTS, Fit

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
