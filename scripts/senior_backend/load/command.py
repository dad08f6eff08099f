"""api_load_tester: the order of its work."""
from __future__ import annotations

import argparse
import json
import os
import pathlib
from typing import Any

from senior_backend import console
from senior_backend.console import CommandError, Console, ExitCode, Outcome
from senior_backend.load import report
from senior_backend.load.assessment import judge_client
from senior_backend.load.expectations import Judgement, judge, limits_from
from senior_backend.load.inputs import plan_from, usage
from senior_backend.load.masking import masked_url
from senior_backend.load.measurement import Accounting, Measurement
from senior_backend.load.options import TOOL, parser
from senior_backend.load.origins import Unreachable
from senior_backend.load.plan import Plan
from senior_backend.load.progress import ProgressLine, progress_line

UNREACHED = ("connect ", "dns", "tls ", "timeout connect", "timeout tls")


def main(argv: list[str] | None = None) -> int:
    return console.run(TOOL, parser(), load_test, argv)


def load_test(arguments: argparse.Namespace, out: Console) -> Outcome:
    take_urls_from_options(arguments)
    plan = plan_from(arguments)
    limits = limits_from(arguments)
    for path in (arguments.output, arguments.html):
        check_writable(path)
    line = progress_line(out)
    try:
        measurements = run_engine(arguments, plan, out, line)
    except Unreachable as failure:
        failure.data = {"results": [report.result(plan, never_reached(failure))]}
        raise
    finally:
        if line:
            line.close()
    judge_client(plan, measurements)
    judgements = [one for measurement in measurements for one in judge(measurement, limits, plan.expect_status)]
    p99_limit = next((limit.most for limit in limits if limit.name == "p99_ms"), None)
    data = {"results": [report.result(plan, measurement) for measurement in measurements], "expectations": [one.as_json() for one in judgements]}
    lines = [line for measurement in measurements for line in (*report.lines(plan, measurement, p99_limit, out.verbose), "")][:-1]
    lines += ["", "EXPECTATIONS", *(f"  {one.line()}" for one in judgements)] if judgements else []
    return ended(Outcome(data, lines), measurements, judgements)


def take_urls_from_options(arguments: argparse.Namespace) -> None:
    """`--compare URL` and `--mix URL`: argparse takes the URL for the option's own value."""
    for name, empty in (("compare", True), ("mix", "")):
        value = getattr(arguments, name)
        if isinstance(value, str) and "://" in value:
            arguments.urls.insert(0, value)
            setattr(arguments, name, empty)


def run_engine(arguments: argparse.Namespace, plan: Plan, out: Console, line: ProgressLine | None) -> list[Measurement]:
    from senior_backend.load.engine_raw import run_plan
    return run_plan(plan, line)


def check_writable(path: str | None) -> None:
    """Fail before the load, not after it."""
    if path is None:
        return
    folder = pathlib.Path(path).absolute().parent
    if not folder.is_dir() or pathlib.Path(path).is_dir() or not os.access(folder, os.W_OK):
        raise CommandError(f"{path} cannot be written: {folder} is {'no folder' if not folder.is_dir() else 'not writable'}", "give a path in an existing folder", identifier="OUTPUT")


def ended(outcome: Outcome, measurements: list[Measurement], judgements: list[Judgement]) -> Outcome:
    """The outcome with the exit code that the run deserves. A run in which nothing was answered is never a success."""
    silent = next((measurement for measurement in measurements if not measurement.latency), None)
    if any(measurement.interrupted for measurement in measurements):
        return with_error(outcome, ExitCode.INTERRUPTED, "INTERRUPTED", "interrupted: the report is about what was measured until then")
    if silent:
        kinds = ", ".join(f"{kind} ({count:,})" for kind, count in silent.errors.items()) or f"{silent.accounting.in_flight:,} requests still without an answer at the end"
        unreached = bool(silent.errors) and all(kind.startswith(UNREACHED) for kind in silent.errors)
        return with_error(outcome, ExitCode.ENVIRONMENT if unreached else ExitCode.FOUND, "NO_ANSWER", f"no request to {masked_url(silent.target.url)} was answered: {kinds}")
    outcome.code = ExitCode.DONE if all(one.holds for one in judgements) else ExitCode.FOUND
    return outcome


def with_error(outcome: Outcome, code: ExitCode, identifier: str, message: str) -> Outcome:
    hint = "" if code == ExitCode.INTERRUPTED else "see whether the target runs and answers: curl -v URL"
    return Outcome({**outcome.data, "error": {"code": identifier, "message": message, "hint": hint}}, [*outcome.lines, "", message], code)


def never_reached(failure: Unreachable) -> Measurement:
    """The books of a run that ended with the attempt to see whether somebody is there."""
    return Measurement(failure.target, Accounting(started=1, failed=1), errors={failure.kind: 1})
