"""What stops a decision (kill criteria), what a profile demands (gates) and what it is good at (fits), as rules over inputs; and what each fit weighs."""
from __future__ import annotations

import dataclasses
from typing import Any, Callable

from senior_backend.decide.inputs import DEFAULT_SLO, DEFAULT_WINDOW, INPUTS, budget_micro, minutes

Values = dict[str, Any]
# Policy: how many points a fit on an input is worth. What a team must live with every day weighs most; what is changed in a week weighs 1.
WEIGHTS = {
    "language_preference": 4, "needs_admin_panel": 4, "pattern": 3, "team_size": 3, "tenancy": 2, "interaction": 2, "qps_p99": 2, "read_write_ratio": 2, "slo": 2, "p99_ms": 2,
    "rpo_minutes": 1, "rto_minutes": 1, "platform_team": 1, "measured_p99_ms": 1, "measured_rps": 1,
}
MICROSERVICES_TEAM, EVENT_TEAM = 30, 20             # engineers
OWNED_TIERS = ("phi", "pci", "regulated")
NO_PROFILE, MISSING, TIE, UNSTATED = "NO_PROFILE_FITS", "MISSING_INPUT", "TIE", "UNSTATED_ANSWERS"
ADD_A_PROFILE = "copy profiles/node-express.json into a folder of your own, change it, check it with --profiles-dir DIR --check-profiles, decide with --profiles-dir DIR"


# Kill criteria: where one applies nothing is recommended


@dataclasses.dataclass(frozen=True, slots=True)
class Kill:
    """One criterion. inputs: those it reads; applies(values, offered); message(values) says what is wrong; clears: what lifts it.

    offered: {input: the values that the loaded profiles take together, None where one of them takes anything}.
    """
    code: str
    inputs: tuple[str, ...]
    applies: Callable[[Values, dict[str, frozenset[str] | None]], bool]
    message: Callable[[Values], str]
    clears: tuple[str, ...]
    source: str

    @property
    def question(self) -> int:
        return INPUTS[self.inputs[0]].question


def too_small(values: Values, least: int) -> bool:
    return values["team_size"] is None or values["team_size"] < least


def team(values: Values) -> str:
    return "a team whose size is not stated" if values["team_size"] is None else f"a team of {values['team_size']}"


def over_budget(values: Values) -> str:
    slo, window = values["slo"] or DEFAULT_SLO, values["slo_window_days"] or DEFAULT_WINDOW
    said = "" if values["slo"] is not None else ", the default: --slo is not stated"
    budget = f"{minutes(values['error_budget']):g} minutes (SLO {slo:g} % over {window} days{said})"
    return f"an RTO of {values['rto_minutes']:g} minutes is above the error budget of {budget}: one outage breaks the SLO"


def without_profile(code: str, name: str, noun: str) -> Kill:
    """No profile takes the value of an input."""
    return Kill(code, (name,), lambda values, offered: None not in (offered[name], values[name]) and values[name] not in offered[name],
                lambda values: f"no profile covers the {noun} {values[name]}", (f"a {INPUTS[name].flag} that a profile covers (--list-profiles)", ADD_A_PROFILE),
                "the loaded profiles")


KILLS = (
    Kill("MICROSERVICES_UNSTAFFED", ("pattern", "team_size", "platform_team"),
         lambda values, _: values["pattern"] == "microservices" and (too_small(values, MICROSERVICES_TEAM) or values["platform_team"] is not True),
         lambda values: f"microservices with {team(values)} and {'a' if values['platform_team'] else 'no'} platform team{'' if values['platform_team'] else ' (or none stated)'}",
         (f"--team-size of at least {MICROSERVICES_TEAM} together with --platform-team true", "--pattern modular-monolith"),
         "policy; why: Azure Architecture Center, Microservices architecture style, Challenges (management, skill set)"),
    Kill("EVENT_DRIVEN_UNSTAFFED", ("interaction", "team_size"),
         lambda values, _: values["interaction"] == "event" and too_small(values, EVENT_TEAM),
         lambda values: f"event-driven interaction with {team(values)}",
         (f"--team-size of at least {EVENT_TEAM}", "--interaction queue: a queue with one consumer per job"),
         "policy; why: Azure Architecture Center, Event-driven architecture style, Challenges (guaranteed delivery, order, exactly once)"),
    Kill("COMPLIANCE_OWNER_MISSING", ("data_sensitivity", "compliance_owner"),
         lambda values, _: values["data_sensitivity"] in OWNED_TIERS and values["compliance_owner"] is None,
         lambda values: f"{values['data_sensitivity']} data and nobody is named who answers for compliance", ("--compliance-owner NAME",),
         "45 CFR 164.308(a)(2), assigned security responsibility; for cards and other regulated data by the same reasoning: policy"),
    Kill("RTO_EXCEEDS_ERROR_BUDGET", ("slo", "rto_minutes", "slo_window_days"), lambda values, _: values["over_budget"], over_budget,
         ("an --rto-minutes within the budget", "an --slo whose budget holds the RTO"), "arithmetic: error budget = window x 1440 x (100 - SLO) / 100"),
    without_profile("PATTERN_WITHOUT_PROFILE", "pattern", "pattern"),
    without_profile("LANGUAGE_WITHOUT_PROFILE", "language_preference", "language"),
)
REFUSALS = (MISSING, *(kill.code for kill in KILLS), NO_PROFILE)


# Gates and fits


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """A demand on one input: a range (both ends included) or a set of values. key: where the profile states it.

    What is not stated passes, except that a yes must be said.
    """
    input: str
    low: float | None = None
    high: float | None = None
    among: tuple = ()
    key: str = ""

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)

    def accepts(self, value: Any) -> bool:
        """Whether a stated value meets it."""
        if self.among:
            return value in self.among
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def holds(self, values: Values) -> bool:
        value = values[self.input]
        return True not in self.among if value is None else self.accepts(value)

    def edges(self, name: str) -> list[float]:
        """The numbers at which the rule may change its mind about an input."""
        return [edge for edge in (self.low, self.high) if edge is not None] if name == self.input else []

    @property
    def required(self) -> str:
        if self.among:
            return " or ".join(str(one).lower() if isinstance(one, bool) else one for one in self.among)
        if self.low is not None and self.high is not None:
            return f"{self.low:g} to {self.high:g}"
        return f"at least {self.low:g}" if self.low is not None else f"at most {self.high:g}"

    @property
    def unit(self) -> str:
        return {"team_size": "engineers", "qps_p99": "requests/s", "slo": "%", "rpo_minutes": "minutes", "rto_minutes": "minutes", "p99_ms": "ms"}.get(self.input, "")

    def value(self, values: Values) -> Any:
        return values[self.input]

    def distance(self, values: Values) -> float | str:
        """How far a value that fails is from passing: a number in the input's unit, or for a choice what it would have to be."""
        value = values[self.input]
        return f"has to be {self.required}" if self.among else round(self.low - value if self.low is not None and value < self.low else value - self.high, 6)


@dataclasses.dataclass(frozen=True, slots=True)
class BudgetRule:
    """The error budget must hold the shortest RTO that the profile can reach: `least` minutes. Without --slo the profile's own uptime counts."""
    uptime: float
    least: float
    key: str
    input: str = "slo"
    unit: str = "minutes"

    @property
    def inputs(self) -> tuple[str, ...]:
        return ("slo", "slo_window_days")

    def budget(self, values: Values) -> int:
        return values["error_budget"] if values["slo"] is not None else budget_micro(self.uptime, values["slo_window_days"] or DEFAULT_WINDOW)

    def holds(self, values: Values) -> bool:
        return self.budget(values) >= self.least * 1_000_000

    def edges(self, name: str) -> list[float]:
        if name == "error_budget":
            return [self.least * 1_000_000]
        return [self.least * 1_000_000 / budget_micro(self.uptime, 1)] if name == "slo_window_days" else []

    @property
    def required(self) -> str:
        return f"an error budget of at least {self.least:g} minutes, the shortest RTO of the profile"

    def value(self, values: Values) -> float:
        return minutes(self.budget(values))

    def distance(self, values: Values) -> float:
        return minutes(int(self.least * 1_000_000) - self.budget(values))


@dataclasses.dataclass(frozen=True, slots=True)
class Fit:
    """What earns points: a rule that a stated value meets. kind: sourced, policy or measured."""
    rule: Rule
    reason: str
    source: str
    kind: str = "policy"

    def earned(self, values: Values, weights: dict[str, int]) -> int:
        value = values[self.rule.input]
        return weights[self.rule.input] if value is not None and self.rule.accepts(value) else 0


RANGES = (                                          # input, the constraint that is its least value, the one that is its greatest
    ("team_size", "team_size_min", "team_size_max"), ("qps_p99", "qps_p99_min", "qps_p99_max"), ("slo", None, "slo_max"), ("rpo_minutes", "rpo_minutes_min", None),
    ("rto_minutes", "rto_minutes_min", None), ("p99_ms", "p99_ms_min", None),
)
SETS = {"pattern": "pattern", "tenancy": "tenancy", "language_preference": "languages", "interaction": "interactions"}          # input -> the constraint that lists its values
DEMANDS = {"platform_team": "platform_team_exists", "needs_admin_panel": "admin_panel_needed"}
MEETS = {                                           # what is asked -> the profile's own target, and whether that must be at most what is asked
    "slo": ("uptime_target", False), "rpo_minutes": ("rpo_minutes_max", True), "rto_minutes": ("rto_minutes_max", True), "p99_ms": ("p99_api_latency_ms", True),
}
PROVES = {"measured_p99_ms": ("p99_api_latency_ms", False), "measured_rps": ("throughput_rps_min", True)}


def gates_of(constraints: dict[str, Any], thresholds: dict[str, Any]) -> list[Rule | BudgetRule]:
    """The hard gates of a profile, in the order of RANGES, SETS and DEMANDS."""
    gates: list[Rule | BudgetRule] = []
    for name, low, high in RANGES:
        keys = [key for key in (low, high) if constraints.get(key) is not None]
        if keys:
            gates.append(Rule(name, constraints.get(low), constraints.get(high), key=" and ".join(keys)))
    gates += [Rule(name, among=tuple(constraints[key]), key=key) for name, key in SETS.items() if constraints.get(key)]
    gates += [Rule(name, among=(True,), key=key) for name, key in DEMANDS.items() if constraints.get(key)]
    if constraints.get("rto_minutes_min") and "uptime_target" in thresholds:
        gates.append(BudgetRule(thresholds["uptime_target"], constraints["rto_minutes_min"], "rto_minutes_min"))
    return gates


def target_fits(thresholds: dict[str, Any]) -> list[Fit]:
    """Points for targets of the profile that meet what is asked, and for what a load test has measured."""
    fits = []
    for name, (key, least) in {**MEETS, **PROVES}.items():
        if key in thresholds:
            target = thresholds[key]
            rule = Rule(name, low=target, key=key) if least else Rule(name, high=target, key=key)
            if name in MEETS:
                fits.append(Fit(rule, f"the profile's own {key} of {target:g} meets what is asked", f"success_thresholds.{key}"))
            else:
                fits.append(Fit(rule, f"the load test meets the profile's {key} of {target:g}", f"--measured against success_thresholds.{key}", "measured"))
    return fits


def stated_fits(entries: list[dict[str, Any]], name: str) -> list[Fit]:
    """The fits that the profile of this name states itself; one without a source is its policy."""
    policy = f"policy of profile {name}"
    return [Fit(rule_of(entry, f"fits[{index}]"), entry["reason"], entry.get("source", policy), entry.get("kind", "policy")) for index, entry in enumerate(entries)]


def rule_of(entry: dict[str, Any], key: str) -> Rule:
    """A rule from the keys input, min, max, values of a profile."""
    return Rule(entry["input"], entry.get("min"), entry.get("max"), tuple(entry.get("values", ())), key)


def fits_of_constraints(constraints: dict[str, Any]) -> list[Fit]:
    """What a profile in the first format is good at: what it demands, since it says nothing else."""
    return [Fit(rule, f"the profile is made for {rule.required}", f"constraints.{rule.key}") for rule in gates_of(constraints, {}) if rule.input not in MEETS]
