"""How a run ends: its exit code, and the error it carries when nothing was answered or a person stopped it."""

from __future__ import annotations

from senior_backend.console import ExitCode, Outcome
from senior_backend.load.masking import masked_url
from senior_backend.load.measurement import Accounting, Measurement
from senior_backend.load.origins import Unreachable

UNREACHED = ("connect ", "dns", "tls ", "timeout connect", "timeout tls")


def ended(outcome: Outcome, measurements: list[Measurement], holds: bool) -> Outcome:
    """The outcome with the exit code that the run deserves. A run in which nothing was answered is never a success."""
    silent = next((measurement for measurement in measurements if not measurement.latency), None)
    if any(measurement.interrupted for measurement in measurements):
        return with_error(outcome, ExitCode.INTERRUPTED, "INTERRUPTED", "interrupted: the report is about what was measured until then", "")
    if silent:
        unreached = bool(silent.errors) and all(kind.startswith(UNREACHED) for kind in silent.errors)
        message = f"no request to {masked_url(silent.target.url)} was answered: {what_happened(silent)}"
        return with_error(
            outcome, ExitCode.ENVIRONMENT if unreached else ExitCode.FOUND, "NO_ANSWER", message, "see whether the target runs and answers: curl -v URL"
        )
    outcome.code = ExitCode.DONE if holds else ExitCode.FOUND
    return outcome


def what_happened(silent: Measurement) -> str:
    kinds = ", ".join(f"{kind} ({count:,})" for kind, count in silent.errors.items())
    return kinds or f"{silent.accounting.in_flight:,} requests still without an answer at the end"


def with_error(outcome: Outcome, code: ExitCode, identifier: str, message: str, hint: str) -> Outcome:
    """The report stands, and says what went wrong."""
    return Outcome({**outcome.data, "error": {"code": identifier, "message": message, "hint": hint}}, [*outcome.lines, "", message], code)


def never_reached(failure: Unreachable) -> Measurement:
    """The books of a run that ended with the attempt to see whether somebody is there."""
    return Measurement(failure.target, Accounting(started=1, failed=1), errors={failure.kind: 1})
