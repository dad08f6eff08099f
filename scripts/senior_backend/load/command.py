"""api_load_tester: the order of its work, and how a run ends."""

from __future__ import annotations

import argparse
import os
import pathlib
from typing import Any

from senior_backend import console
from senior_backend.console import Console, ExitCode, Outcome
from senior_backend.load.engine.connections import Unreachable
from senior_backend.load.assessment import judge, judgement_line, recommendations
from senior_backend.load.measure import Accounting, Measurement
from senior_backend.load.options import TOOL, Limit, limits_from, parser, plan_from, usage
from senior_backend.load.plan import Plan, Wanted, masked_url, script
from senior_backend.load import output
from senior_backend.load.output import ProgressLine, check_writable, progress_line, write_report, write_text

UNREACHED = ("connect ", "dns", "tls ", "timeout connect", "timeout tls")


def main(argv: list[str] | None = None) -> int:
    return console.run(TOOL, parser(), load_test, argv)


def load_test(arguments: argparse.Namespace, out: Console) -> Outcome:
    if arguments.worker_of:
        return work_for_master(arguments, out)
    take_urls_from_options(arguments)
    plan = plan_from(arguments)
    if arguments.export:
        return export_plan(arguments, plan)
    limits, baseline = limits_from(arguments), baseline_from(arguments)
    for path in (arguments.output, arguments.html):
        check_writable(path)
    line = progress_line(out)
    try:
        finding, measurements = run(arguments, plan, out, line)
    except Unreachable as failure:
        failure.data = {"results": [output.rounded(output.figures(plan, Measurement(failure.target, Accounting(started=1, failed=1), errors={failure.kind: 1})))]}
        raise
    finally:
        if line:
            line.close()
    return reported(arguments, out, plan, limits, baseline, finding, measurements)


def take_urls_from_options(arguments: argparse.Namespace) -> None:
    """`--compare URL` and `--mix URL`: argparse takes the URL for the option's own value."""
    for name, empty in (("compare", True), ("mix", "")):
        value = getattr(arguments, name)
        if isinstance(value, str) and "://" in value:
            arguments.urls.insert(0, value)
            setattr(arguments, name, empty)


def baseline_from(arguments: argparse.Namespace):
    """The stored runs of --compare FILE, read before any load; None without."""
    if not isinstance(arguments.compare, str):
        return None
    from senior_backend.load import baseline

    return baseline.read(arguments.compare)


def run(arguments: argparse.Namespace, plan: Plan, out: Console, line: ProgressLine | None) -> tuple[Any, list[Measurement]]:
    """Send the load: (what was found about a rate limit or None, measurements)."""
    if arguments.expect_rate_limit:
        from senior_backend.load import limit

        finding, measurement = limit.find(plan, out.detail)
        return finding, [measurement]
    engine = engine_for(arguments, plan, out)
    if engine == "raw":
        from senior_backend.load.engine import raw

        return None, raw.run_plan(plan, line)
    if engine == "requests":
        from senior_backend.load.engine import threads

        return None, threads.run_plan(plan, line, out.progress)
    from senior_backend.load.engine import locust_engine

    return None, locust_engine.run_plan(plan, line, arguments.master, out.progress)


def engine_for(arguments: argparse.Namespace, plan: Plan, out: Console) -> str:
    """The engine asked for, or the first that can do what is asked for; its choice is told with the reason."""
    asked = ", ".join(f"--{name}".replace("_", "-") for name in ("follow_redirects", "cookies", "proxy", "digest") if getattr(plan, name))
    engine = arguments.engine or ("requests" if asked else "locust" if arguments.master else "raw")
    if asked and engine != "requests":
        raise usage(f"--engine {engine} cannot do {asked}", "leave out --engine, or use --engine requests")
    if engine == "requests" and plan.workers > 1:
        raise usage(f"--workers {plan.workers}: engine requests is one process", "leave out --workers, or use --engine raw or locust")
    if arguments.master and engine != "locust":
        raise usage(f"--master {arguments.master}: expected the number of workers to wait for, with --engine locust")
    if asked and not arguments.engine:
        out.progress(f"engine requests, for {asked}: slower than raw, since its threads share one processor")
    schemes = {target.origin.scheme for target in plan.targets}
    if engine == "raw" and any(f"{scheme}_proxy" in map(str.lower, os.environ) for scheme in schemes):
        out.detail("a proxy is set in the environment; it is not used without --proxy URL")
    return engine


def reported(arguments: argparse.Namespace, out: Console, plan: Plan, limits: list[Limit], baseline, finding, measurements: list[Measurement]) -> Outcome:
    """Everything that is said about the run, on the console and in files."""
    from senior_backend.load import baseline as stored

    judgements = [one for measurement in measurements for one in judge(measurement, limits, plan.expect_status)]
    p99_ms = next((limit.most for limit in limits if limit.name == "p99_ms"), None)
    advice = [recommendations(plan, measurement, p99_ms) if finding is None else [] for measurement in measurements]
    figures = [output.figures(plan, measurement) for measurement in measurements]
    data: dict[str, Any] = {"results": list(map(output.rounded, figures)), "run": stored.record(plan, measurements)}
    comparisons = compared(plan, measurements, data, baseline, stored)
    data |= {"comparison": comparisons[0].as_json()} if comparisons else {}
    data |= {"comparisons": [one.as_json() for one in comparisons]} if len(comparisons) > 1 else {}
    data |= {"rate_limit": finding.as_json()} if finding else {}
    data |= {"expectations": judgements, "recommendations": [text for texts in advice for text in texts]}
    sections = [output.lines(plan, measurement, told, texts, out.verbose) for measurement, told, texts in zip(measurements, figures, advice)]
    sections += [one.lines() for one in (*comparisons, finding) if one]
    sections += [["EXPECTATIONS", *(f"  {judgement_line(one)}" for one in judgements)]] if judgements else []
    slower = arguments.fail_on == "slower" and any(one.slower for one in comparisons)
    found = any(one.accounting.ok for one in measurements) if finding is None else finding.found
    holds = found and not slower and all(one["holds"] for one in judgements)
    outcome = ended(Outcome(data, [line for section in sections for line in (*section, "")][:-1]), measurements, holds)
    if arguments.html:
        from senior_backend.load import report as page

        write_text(arguments.html, page.render(plan, measurements, page.Extras(comparisons, finding, data["recommendations"], data["run"]["recorded_at"])))
    if arguments.output:
        write_report(arguments.output, outcome, measurements)
    return outcome


def compared(plan: Plan, measurements: list[Measurement], data: dict[str, Any], baseline, stored) -> list:
    """What was asked to be compared, as far as there are answers on both sides."""
    if baseline:
        return stored.compare(data, baseline)
    if plan.mode != "compare":
        return []
    from senior_backend.load import verdicts

    return [verdicts.compare(plan, *measurements)]


def ended(outcome: Outcome, measurements: list[Measurement], holds: bool) -> Outcome:
    """The outcome with the exit code that the run deserves, and the error that it carries. A run in which nothing was answered is never a success."""
    silent = next((measurement for measurement in measurements if not measurement.latency), None)
    if any(measurement.interrupted for measurement in measurements):
        code, identifier, message, hint = ExitCode.INTERRUPTED, "INTERRUPTED", "interrupted: the report is about what was measured until then", ""
    elif silent:
        unreached = bool(silent.errors) and all(kind.startswith(UNREACHED) for kind in silent.errors)
        code, identifier, hint = ExitCode.ENVIRONMENT if unreached else ExitCode.FOUND, "NO_ANSWER", "see whether the target runs and answers: curl -v URL"
        message = f"no request to {masked_url(silent.target.url)} was answered: {what_happened(silent)}"
    else:
        return Outcome(outcome.data, outcome.lines, ExitCode.DONE if holds else ExitCode.FOUND)
    return Outcome({**outcome.data, "error": {"code": identifier, "message": message, "hint": hint}}, [*outcome.lines, "", message], code)


def what_happened(silent: Measurement) -> str:
    if not silent.accounting.started:
        return "none was sent, the load was too little or too short"
    kinds = ", ".join(f"{kind} ({count:,})" for kind, count in silent.errors.items())
    return kinds or f"{silent.accounting.in_flight:,} requests still without an answer at the end"


def work_for_master(arguments: argparse.Namespace, out: Console) -> Outcome:
    """Be a worker of a Locust master on another machine until it is done."""
    if arguments.urls:
        raise usage("--worker-of takes its plan from the master: no URL belongs there", "give URLs and load where --master is given")
    from senior_backend.load.engine import locust_engine

    return locust_engine.work_for(arguments.worker_of, arguments.workers, out)


def export_plan(arguments: argparse.Namespace, plan: Plan) -> Outcome:
    """Write the plan, with what is demanded of it, as a script for another tool; nothing is sent."""
    kind, path = arguments.export
    if kind not in ("k6", "locust"):
        raise usage(f"--export {kind}: expected k6 or locust", "--export k6 load.js")
    check_writable(path)
    most = {limit.name: limit.most for limit in limits_from(arguments)}
    failed = most.get("error_rate_percent")
    data = os.path.relpath(arguments.data, pathlib.Path(path).absolute().parent) if arguments.data else None
    wanted = Wanted(most.get("p99_ms"), None if failed is None else failed / 100, data)
    write_text(path, script(kind, plan, pathlib.Path(path).name, wanted))
    return Outcome({"results": [], "exported": {"kind": kind, "file": path}}, [f"Wrote {path}: the plan as a script for {kind}"])
