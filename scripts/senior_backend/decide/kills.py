"""Kill criteria: what stops a decision before any profile is looked at. Where one applies nothing is recommended."""
from __future__ import annotations

import dataclasses
from typing import Any, Callable

from senior_backend.decide.inputs import DEFAULT_SLO, DEFAULT_WINDOW, INPUTS, minutes

Values = dict[str, Any]
MICROSERVICES_TEAM, EVENT_TEAM = 30, 20             # engineers
OWNED_TIERS = ("phi", "pci", "regulated")
NO_PROFILE, MISSING, TIE, UNSTATED = "NO_PROFILE_FITS", "MISSING_INPUT", "TIE", "UNSTATED_ANSWERS"
ADD_A_PROFILE = "copy profiles/node-express.json into a folder of your own, change it, check it with --profiles-dir DIR --check-profiles, decide with --profiles-dir DIR"


@dataclasses.dataclass(frozen=True, slots=True)
class Offered:
    """What the loaded profiles offer; None where one of them takes anything."""
    patterns: frozenset[str] | None
    languages: frozenset[str] | None


@dataclasses.dataclass(frozen=True, slots=True)
class Kill:
    """One criterion. inputs: those it reads; applies(values, offered); message(values) says what is wrong; clears: what lifts it."""
    code: str
    inputs: tuple[str, ...]
    applies: Callable[[Values, Offered], bool]
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


def platform(values: Values) -> str:
    return "and a platform team" if values["platform_team"] else "and no platform team (or none stated)"


def over_budget(values: Values) -> str:
    slo, window = values["slo"] or DEFAULT_SLO, values["slo_window_days"] or DEFAULT_WINDOW
    said = "" if values["slo"] is not None else ", the default: --slo is not stated"
    budget = f"{minutes(values['error_budget']):g} minutes (SLO {slo:g} % over {window} days{said})"
    return f"an RTO of {values['rto_minutes']:g} minutes is above the error budget of {budget}: one outage breaks the SLO"


KILLS = (
    Kill("MICROSERVICES_UNSTAFFED", ("pattern", "team_size", "platform_team"),
         lambda values, _: values["pattern"] == "microservices" and (too_small(values, MICROSERVICES_TEAM) or values["platform_team"] is not True),
         lambda values: f"microservices with {team(values)} {platform(values)}",
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
    Kill("RTO_EXCEEDS_ERROR_BUDGET", ("slo", "rto_minutes", "slo_window_days"),
         lambda values, _: values["over_budget"],
         over_budget, ("an --rto-minutes within the budget", "an --slo whose budget holds the RTO"),
         "arithmetic: error budget = window x 1440 x (100 - SLO) / 100"),
    Kill("PATTERN_WITHOUT_PROFILE", ("pattern",),
         lambda values, offered: offered.patterns is not None and values["pattern"] is not None and values["pattern"] not in offered.patterns,
         lambda values: f"no profile covers the pattern {values['pattern']}", ("a --pattern that a profile covers (--list-profiles)", ADD_A_PROFILE), "the loaded profiles"),
    Kill("LANGUAGE_WITHOUT_PROFILE", ("language_preference",),
         lambda values, offered: offered.languages is not None and values["language_preference"] is not None and values["language_preference"] not in offered.languages,
         lambda values: f"no profile covers the language {values['language_preference']}", ("a --language-preference that a profile covers (--list-profiles)", ADD_A_PROFILE),
         "the loaded profiles"),
)
REFUSALS = (MISSING, *(kill.code for kill in KILLS), NO_PROFILE)
