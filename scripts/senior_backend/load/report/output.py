"""Results for people and for programs: the console's text, the progress line, the keys of the JSON object, files."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
from typing import Any

from senior_backend.console import CommandError, Console, ExitCode, Outcome, STATUS, VERSION, write
from senior_backend.load.measure.assessment import recommended_duration_s, stalls_of
from senior_backend.load.measure.measurement import Histogram, Measurement, Snapshot
from senior_backend.load.options import TOOL
from senior_backend.load.plan.messages import masked_header, masked_url
from senior_backend.load.plan.model import Plan

PERCENTS = (50, 90, 95, 99)
WIDTH = 22


def result(plan: Plan, measurement: Measurement) -> dict[str, Any]:
    """One entry of "results". Latencies in milliseconds, of complete answers of any status."""
    books, target = measurement.accounting, measurement.target
    stalls, needed_s = stalls_of(plan, measurement), recommended_duration_s(measurement)
    data = {
        "target_url": masked_url(target.url),
        "method": target.method,
        "duration_seconds": round(measurement.seconds, 3),
        "concurrency": plan.concurrency,
        "total_requests": books.ok + books.failed,
        "successful_requests": books.ok,
        "failed_requests": books.failed,
        "requests_per_second": round(measurement.requests_per_second, 3),
        **latencies(measurement.latency),
        "errors_by_type": measurement.failures(plan.expect_status),
        "status_codes": {str(status): histogram.total for status, histogram in sorted(measurement.statuses.items())},
        "status_latencies": {str(status): status_latency(histogram) for status, histogram in sorted(measurement.statuses.items())},
        "total_bytes_received": measurement.bytes_received,
        "throughput_mbps": round(measurement.bytes_received * 8e-6 / measurement.seconds, 3) if measurement.seconds else 0.0,
        "accounting": dataclasses.asdict(books),
        "model": plan.model,
        "engine": measurement.engine,
        "interrupted": measurement.interrupted,
        "notes": measurement.notes,
        "client": client(measurement),
        "stalls": stalls.as_json() if stalls else None,
        "recommended_duration_seconds": round(needed_s, 1) if needed_s else None,
    }
    if plan.model == "open":
        data |= {"scheduled": books.started + books.never_sent, "service": latencies(measurement.service, "")}
    return data


def latencies(histogram: Histogram, prefix: str = "latency_") -> dict[str, float]:
    figures = dict(zip((f"p{percent}" for percent in PERCENTS), histogram.percentiles_ms(PERCENTS)))
    figures = {"min": histogram.min_ms, "avg": histogram.mean_ms, **figures, "max": histogram.max_ms, "stddev": histogram.stddev_ms}
    return {prefix + name: round(value, 3) for name, value in figures.items()}


def status_latency(histogram: Histogram) -> dict[str, Any]:
    p50, p99 = histogram.percentiles_ms((50, 99))
    return {"count": histogram.total, "p50": p50, "p99": p99}


def client(measurement: Measurement) -> dict[str, Any]:
    told = measurement.client
    lag50, lag99 = told.lag.percentiles_ms((50, 99))
    return {
        "workers": told.workers,
        "cpu_seconds": round(told.cpu_s, 3),
        "busiest": round(told.busiest, 3),
        "send_lag_p50_ms": lag50,
        "send_lag_p99_ms": lag99,
        "waited_for_connection": told.waited,
        "saturated": told.saturated,
        "reason": told.reason,
    }


def timeline(measurement: Measurement) -> list[dict[str, Any]]:
    """Second by second, for the report that is kept in a file."""
    rows = []
    for number, second in enumerate(measurement.timeline):
        p50, p99 = second.histogram.percentiles_ms((50, 99))
        rows.append(
            {
                "second": number,
                "started": second.started,
                "answered": second.answered,
                "failed": second.failed,
                "p50": p50,
                "p99": p99,
                "status_codes": {str(status): count for status, count in sorted(second.statuses.items())},
            }
        )
    return rows


def lines(plan: Plan, measurement: Measurement, advice: list[str], verbose: bool) -> list[str]:
    """The console's report of one target."""
    said = [*head(plan, measurement, verbose), "", *throughput(measurement), "", *latency_table(plan, measurement)]
    failures = measurement.failures(plan.expect_status)
    if failures:
        said += ["", "ERRORS", *(row(kind, f"{count:,}") for kind, count in sorted(failures.items(), key=lambda one: (-one[1], one[0])))]
    if verbose:
        said += ["", *transfer(measurement), "", *books(measurement), "", *about_client(measurement)]
    said += [*(["", "NOTES", *(row(kind, f"{count:,}") for kind, count in measurement.notes.items())] if measurement.notes else [])]
    return [*said, "", "RECOMMENDATIONS", *(f"  - {text}" for text in advice or ["none"])]


def row(name: str, value: str) -> str:
    return f"  {name + ':':<{WIDTH}} {value}"


def head(plan: Plan, measurement: Measurement, verbose: bool) -> list[str]:
    target = measurement.target
    load = f"{plan.concurrency} connections" + (f", {plan.workers} workers" if plan.workers > 1 else "")
    if plan.stages:
        load = "stages " + ", ".join(f"{stage.seconds:g}s:{stage.value:g}" for stage in plan.stages) + (" requests/s" if plan.model == "open" else " connections")
    rows = [
        row("Target", masked_url(target.url)),
        row("Method", target.method),
        row("Duration", f"{measurement.seconds:.1f} s" + (f" of {plan.duration_s:g} (interrupted)" if measurement.interrupted else "")),
        row("Concurrency", load),
    ]
    if plan.model == "open":
        rows.append(
            row(
                "Rate",
                f"{plan.rate_per_s:g} requests/s (latency from the intended send time)"
                if plan.rate_per_s and not plan.stages
                else "by stages (latency from the intended send time)",
            )
        )
    if verbose:
        rows += [row("Header", f"{name}: {masked_header(name, value)}") for name, value in target.headers]
        rows += [row("Engine", measurement.engine)]
    return ["=== Load Test Report ===", *rows]


def throughput(measurement: Measurement) -> list[str]:
    books = measurement.accounting
    ended = books.ok + books.failed
    rows = [
        row("Total requests", f"{ended:,}"),
        row("Requests/sec", f"{measurement.requests_per_second:,.1f}"),
        row("Successful", f"{books.ok:,} ({100 * books.ok / ended if ended else 0:.1f}%)"),
        row("Failed", f"{books.failed:,}"),
    ]
    rows += [row("In flight at the end", f"{books.in_flight:,}")] if books.in_flight else []
    rows += [row("Never sent", f"{books.never_sent:,}")] if books.never_sent else []
    return ["THROUGHPUT", *rows]


def latency_table(plan: Plan, measurement: Measurement) -> list[str]:
    if not measurement.latency:
        return ["LATENCY (ms)", "  no answer came"]
    names = {"Min": "min", "Avg": "avg", "P50": "p50", "P90": "p90", "P95": "p95", "P99": "p99", "Max": "max", "StdDev": "stddev"}
    figures = latencies(measurement.latency, "")
    service = latencies(measurement.service, "") if plan.model == "open" else {}
    rows = [row(shown, f"{figures[name]:>10,.2f}" + (f"  {service[name]:>10,.2f}" if service else "")) for shown, name in names.items()]
    title = f"LATENCY (ms){'':{WIDTH - 12}}    {'from intent':>10}  {'service':>10}" if service else "LATENCY (ms)"
    by_status = [
        f"  status {status}: {histogram.total:,}, p50 {histogram.percentile_ms(50):,.2f}, p99 {histogram.percentile_ms(99):,.2f}"
        for status, histogram in sorted(measurement.statuses.items())
    ]
    return [title, *rows, *(by_status if len(by_status) > 1 else [])]


def transfer(measurement: Measurement) -> list[str]:
    mbps = measurement.bytes_received * 8e-6 / measurement.seconds if measurement.seconds else 0.0
    return ["TRANSFER", row("Bytes received", f"{measurement.bytes_received:,}"), row("Throughput", f"{mbps:,.2f} Mbit/s")]


def books(measurement: Measurement) -> list[str]:
    return ["ACCOUNTING", *(row(name.replace("_", " ").capitalize(), f"{count:,}") for name, count in dataclasses.asdict(measurement.accounting).items())]


def about_client(measurement: Measurement) -> list[str]:
    told = measurement.client
    return ["CLIENT", row("CPU", f"{told.cpu_s:.2f} s, busiest process {told.busiest:.0%} of a processor"), row("Send lag p99", f"{told.lag.percentile_ms(99):.2f} ms")]


def check_writable(path: str | None) -> None:
    """Fail before the load, not after it."""
    if path is None:
        return
    place = pathlib.Path(path).absolute()
    if not place.parent.is_dir():
        raise cannot_write(path, f"there is no folder {place.parent}")
    if place.is_dir() or not os.access(place if place.exists() else place.parent, os.W_OK):
        raise cannot_write(path, "it is a folder" if place.is_dir() else "no permission")


def cannot_write(path: str, reason: str) -> CommandError:
    return CommandError(f"{path} cannot be written: {reason}", "give a path in an existing folder that you may write to", ExitCode.UNUSABLE, "OUTPUT")


def write_text(path: str, text: str) -> None:
    try:
        pathlib.Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}", "the load has been sent; run again with another path", ExitCode.ENVIRONMENT, "OUTPUT") from error


def whole_report(outcome: Outcome, measurements: list[Measurement]) -> dict[str, Any]:
    """What --json prints, and every second of the run."""
    results = [{**result, "timeline": timeline(measurement)} for result, measurement in zip(outcome.data["results"], measurements)]
    return {"tool": TOOL, "version": VERSION, "status": STATUS.get(outcome.code, "error"), "exit_code": int(outcome.code), **outcome.data, "results": results}


def write_report(path: str, outcome: Outcome, measurements: list[Measurement]) -> None:
    write_text(path, json.dumps(whole_report(outcome, measurements), indent=2) + "\n")


class ProgressLine:
    """Call it with each Snapshot; close() leaves the line behind."""

    def __init__(self, console: Console):
        self.console, self.width = console, 0

    def __call__(self, snapshot: Snapshot) -> None:
        rates = f"{snapshot.rate_per_s:,.0f} requests/s  p99 {snapshot.p99_ms:,.1f} ms  {snapshot.failed:,} errors"
        self.show(f"{snapshot.seconds:.0f} of {snapshot.total_s:g} s  {rates}  {masked_url(snapshot.target)}")

    def show(self, text: str) -> None:
        shown = text[:110]
        write(self.console.err, "\r" + shown.ljust(self.width))
        self.width = len(shown)

    def close(self) -> None:
        if self.width:
            write(self.console.err, "\n")
            self.width = 0


def progress_line(console: Console) -> ProgressLine | None:
    """A progress line when stderr is a terminal."""
    return ProgressLine(console) if getattr(console.err, "isatty", lambda: False)() else None
