"""What was demanded of a run and whether it holds; how it ends: its exit code, and the error it carries when nothing was answered or a person stopped it."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import Any

from senior_backend.console import ExitCode, Outcome
from senior_backend.load.engine.connections import Unreachable
from senior_backend.load.measure.measurement import Accounting, Measurement
from senior_backend.load.plan.arguments import file_text, unusable
from senior_backend.load.plan.messages import masked_url

PERCENTILES = {"p50_ms": 50, "p95_ms": 95, "p99_ms": 99}


@dataclasses.dataclass(frozen=True, slots=True)
class Limit:
    """A figure that must not exceed `most`. name: p50_ms, p95_ms, p99_ms or error_rate_percent; source: the option or file that set it."""

    name: str
    most: float
    source: str


@dataclasses.dataclass(frozen=True, slots=True)
class Judgement:
    url: str
    name: str
    wanted: float
    found: float
    holds: bool
    source: str

    def as_json(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "found": round(self.found, 4)}

    def line(self) -> str:
        relation = "every answer" if self.name == "status" else "<="
        shown = f"{self.found:.2f} % of the requests" if self.name == "status" else f"{self.found:.2f}"
        return f"{'holds' if self.holds else 'FAILED'}: {self.name} {relation} {self.wanted:g} ({self.source}): {shown}"


def limits_from(arguments: argparse.Namespace) -> list[Limit]:
    """All limits that were asked for. Raises CommandError for a targets file that cannot be used."""
    limits = limits_of_decision(arguments.targets) if arguments.targets else []
    if arguments.p99_ms is not None:
        limits = [limit for limit in limits if limit.name != "p99_ms"] + [Limit("p99_ms", arguments.p99_ms, "--p99-ms")]
    if arguments.max_error_rate is not None:
        limits = [limit for limit in limits if limit.name != "error_rate_percent"] + [Limit("error_rate_percent", arguments.max_error_rate, "--max-error-rate")]
    return limits


def limits_of_decision(path: str) -> list[Limit]:
    """Latency targets and the uptime (as the share that may fail) of a decision's JSON."""
    hint = "python scripts/backend_decision_engine.py ... --output json > decision.json"
    try:
        decision = json.loads(file_text("--targets", path, hint))
    except ValueError as error:
        raise unusable(f"--targets {path}: not JSON: {error}", hint) from error
    targets = decision.get("targets") if isinstance(decision, dict) else None
    values = {name: number(target) for name, target in (targets if isinstance(targets, dict) else {}).items()}
    limits = [Limit(name, values[name], path) for name in PERCENTILES if values.get(name) is not None]
    if values.get("uptime") is not None:
        limits.append(Limit("error_rate_percent", round(100 - values["uptime"], 6), path))
    if not limits:
        raise unusable(f'--targets {path}: no targets in it: expected {{"targets": {{"p99_ms": {{"value": 250}}}}}}', "the JSON of backend_decision_engine.py carries them")
    return limits


def number(target: Any) -> float | None:
    value = target.get("value") if isinstance(target, dict) else target
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def judge(measurement: Measurement, limits: list[Limit], expect_status: int | None) -> list[Judgement]:
    """One judgement for each expectation. Latency limits fail when nothing was answered."""
    url, books = measurement.target.url, measurement.accounting
    ended = books.ok + books.failed
    judgements = []
    if expect_status is not None:
        had_it = measurement.statuses[expect_status].total if expect_status in measurement.statuses else 0
        judgements.append(Judgement(url, "status", expect_status, 100 * had_it / ended if ended else 0.0, 0 < had_it == ended, "--expect-status"))
    for limit in limits:
        if limit.name in PERCENTILES:
            found = measurement.latency.percentile_ms(PERCENTILES[limit.name])
            judgements.append(Judgement(url, limit.name, limit.most, found, bool(measurement.latency) and found <= limit.most, limit.source))
        else:
            found = 100 * books.failed / ended if ended else 100.0
            judgements.append(Judgement(url, limit.name, limit.most, found, found <= limit.most, limit.source))
    return judgements


UNREACHED = ("connect ", "dns", "tls ", "timeout connect", "timeout tls")


def ended(outcome: Outcome, measurements: list[Measurement], holds: bool) -> Outcome:
    """The outcome with the exit code that the run deserves. A run in which nothing was answered is never a success."""
    silent = next((measurement for measurement in measurements if not measurement.latency), None)
    if any(measurement.interrupted for measurement in measurements):
        return with_error(outcome, ExitCode.INTERRUPTED, "INTERRUPTED", "interrupted: the report is about what was measured until then", "")
    if silent:
        unreached = bool(silent.errors) and all(kind.startswith(UNREACHED) for kind in silent.errors)
        message = f"no request to {masked_url(silent.target.url)} was answered: {what_happened(silent)}"
        return with_error(outcome, ExitCode.ENVIRONMENT if unreached else ExitCode.FOUND, "NO_ANSWER", message, "see whether the target runs and answers: curl -v URL")
    outcome.code = ExitCode.DONE if holds else ExitCode.FOUND
    return outcome


def what_happened(silent: Measurement) -> str:
    if not silent.accounting.started:
        return "none was sent, the load was too little or too short"
    kinds = ", ".join(f"{kind} ({count:,})" for kind, count in silent.errors.items())
    return kinds or f"{silent.accounting.in_flight:,} requests still without an answer at the end"


def with_error(outcome: Outcome, code: ExitCode, identifier: str, message: str, hint: str) -> Outcome:
    """The report stands, and says what went wrong."""
    return Outcome({**outcome.data, "error": {"code": identifier, "message": message, "hint": hint}}, [*outcome.lines, "", message], code)


def never_reached(failure: Unreachable) -> Measurement:
    """The books of a run that ended with the attempt to see whether somebody is there."""
    return Measurement(failure.target, Accounting(started=1, failed=1), errors={failure.kind: 1})
