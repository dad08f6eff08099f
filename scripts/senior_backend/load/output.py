"""Results for people and for programs: the keys of the JSON object, the console's text made of them, the progress line, files."""
from __future__ import annotations

import dataclasses
import json
import os
import pathlib
from typing import Any

from senior_backend.console import STATUS, VERSION, CommandError, Console, ExitCode, Outcome, write
from senior_backend.load.assessment import recommended_duration_s, stalls_of
from senior_backend.load.measure import Histogram, Measurement, Part, Snapshot
from senior_backend.load.options import TOOL
from senior_backend.load.plan import Plan, masked_header, masked_url

PERCENTS = (50, 90, 95, 99)
WIDTH = 22


def rounded(value: Any) -> Any:
    """Figures as an entry of "results" has them: to three digits."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return round(value, 3) if isinstance(value, float) else value


def figures(plan: Plan, measurement: Measurement) -> dict[str, Any]:
    """What is told about one target. Latencies in milliseconds, of complete answers of any status."""
    books, target, client = measurement.accounting, measurement.target, measurement.client
    stalls, needed_s = stalls_of(plan, measurement), recommended_duration_s(measurement)
    statuses = {str(status): histogram for status, histogram in sorted(measurement.statuses.items())}
    data = {
        "target_url": masked_url(target.url),
        "method": target.method,
        "duration_seconds": measurement.seconds,
        "concurrency": plan.concurrency,
        "total_requests": books.ended,
        "successful_requests": books.ok,
        "failed_requests": books.failed,
        "requests_per_second": measurement.requests_per_second,
        **latencies(measurement.latency),
        "errors_by_type": measurement.failures(plan.expect_status),
        "status_codes": {status: histogram.total for status, histogram in statuses.items()},
        "status_latencies": {status: {"count": histogram.total, **p50_and_p99(histogram)} for status, histogram in statuses.items()},
        "total_bytes_received": measurement.bytes_received,
        "throughput_mbps": measurement.bytes_received * 8e-6 / measurement.seconds if measurement.seconds else 0.0,
        "accounting": dataclasses.asdict(books),
        "model": plan.model,
        "engine": measurement.engine,
        "interrupted": measurement.interrupted,
        "notes": measurement.notes,
        "client": {
            "workers": client.workers,
            "cpu_seconds": client.cpu_s,
            "busiest": client.busiest,
            **{f"send_lag_{name}_ms": value for name, value in p50_and_p99(client.lag).items()},
            "waited_for_connection": client.waited,
            "saturated": client.saturated,
            "reason": client.reason,
        },
        "stalls": dataclasses.asdict(stalls) if stalls else None,
        "recommended_duration_seconds": round(needed_s, 1) if needed_s else None,
    }
    if plan.model == "open":
        data |= {"scheduled": books.started + books.never_sent, "service": latencies(measurement.service, "")}
    return data


def latencies(histogram: Histogram, prefix: str = "latency_") -> dict[str, float]:
    ranked = dict(zip((f"p{percent}" for percent in PERCENTS), histogram.percentiles_ms(PERCENTS)))
    found = {"min": histogram.min_ms, "avg": histogram.mean_ms, **ranked, "max": histogram.max_ms, "stddev": histogram.stddev_ms}
    return {prefix + name: value for name, value in found.items()}


def p50_and_p99(histogram: Histogram) -> dict[str, float]:
    return dict(zip(("p50", "p99"), histogram.percentiles_ms((50, 99))))


def second(number: int, part: Part) -> dict[str, Any]:
    """One of "timeline", in the report that is kept in a file."""
    counts = {"second": number, "started": part.started, "answered": part.answered, "failed": part.failed}
    return {**counts, **p50_and_p99(part.histogram), "status_codes": {str(status): count for status, count in sorted(part.statuses.items())}}


# The console's report: title of a section -> (name, form of the value) of its rows, filled from the figures

THROUGHPUT = {
    "Total requests": "{total_requests:,}",
    "Requests/sec": "{requests_per_second:,.1f}",
    "Successful": "{successful_requests:,} ({share_ok:.1f}%)",
    "Failed": "{failed_requests:,}",
}
TRANSFER = {"Bytes received": "{total_bytes_received:,}", "Throughput": "{throughput_mbps:,.2f} Mbit/s"}
CLIENT = {"CPU": "{cpu_seconds:.2f} s, busiest process {busiest:.0%} of a processor", "Send lag p99": "{send_lag_p99_ms:.2f} ms"}
LATENCIES = {"Min": "min", "Avg": "avg", "P50": "p50", "P90": "p90", "P95": "p95", "P99": "p99", "Max": "max", "StdDev": "stddev"}


def lines(plan: Plan, measurement: Measurement, data: dict[str, Any], advice: list[str], verbose: bool) -> list[str]:
    """The console's report of one target. data: its figures()."""
    books = data["accounting"]
    share_ok = 100 * books["ok"] / data["total_requests"] if data["total_requests"] else 0
    left = {"In flight at the end": books["in_flight"], "Never sent": books["never_sent"]}
    failures = dict(sorted(data["errors_by_type"].items(), key=lambda one: (-one[1], one[0])))
    sections = {
        "=== Load Test Report ===": head(plan, measurement, data, verbose),
        "THROUGHPUT": rows(THROUGHPUT, {**data, "share_ok": share_ok}) + counted({name: count for name, count in left.items() if count}),
        **latency_table(data),
        "ERRORS": counted(failures),
    }
    if verbose:
        accounting = counted({name.replace("_", " ").capitalize(): count for name, count in books.items()})
        sections |= {"TRANSFER": rows(TRANSFER, data), "ACCOUNTING": accounting, "CLIENT": rows(CLIENT, data["client"])}
    sections |= {"NOTES": counted(data["notes"]), "RECOMMENDATIONS": [f"  - {text}" for text in advice or ["none"]]}
    return [line for title, body in sections.items() if body for line in ("", title, *body)][1:]


def row(name: str, value: str) -> str:
    return f"  {name + ':':<{WIDTH}} {value}"


def rows(forms: dict[str, str], data: dict[str, Any]) -> list[str]:
    return [row(name, form.format_map(data)) for name, form in forms.items()]


def counted(counts: dict[str, int]) -> list[str]:
    return [row(name, f"{count:,}") for name, count in counts.items()]


def head(plan: Plan, measurement: Measurement, data: dict[str, Any], verbose: bool) -> list[str]:
    load = f"{plan.concurrency} connections" + (f", {plan.workers} workers" if plan.workers > 1 else "")
    if plan.stages:
        load = "stages " + ", ".join(f"{stage.seconds:g}s:{stage.value:g}" for stage in plan.stages) + (" requests/s" if plan.model == "open" else " connections")
    said = [
        row("Target", data["target_url"]),
        row("Method", data["method"]),
        row("Duration", f"{measurement.seconds:.1f} s" + (f" of {plan.duration_s:g} (interrupted)" if measurement.interrupted else "")),
        row("Concurrency", load),
    ]
    if plan.model == "open":
        rate = "by stages" if plan.stages else f"{plan.rate_per_s:g} requests/s"
        said.append(row("Rate", f"{rate} (latency from the intended send time)"))
    if verbose:
        said += [row("Header", f"{name}: {masked_header(name, value)}") for name, value in measurement.target.headers]
        said.append(row("Engine", measurement.engine))
    return said


def latency_table(data: dict[str, Any]) -> dict[str, list[str]]:
    if not data["status_codes"]:
        return {"LATENCY (ms)": ["  no answer came"]}
    service = data.get("service")
    title = f"LATENCY (ms){'':{WIDTH - 12}}    {'from intent':>10}  {'service':>10}" if service else "LATENCY (ms)"
    said = [row(shown, f"{data[f'latency_{name}']:>10,.2f}" + (f"  {service[name]:>10,.2f}" if service else "")) for shown, name in LATENCIES.items()]
    by_status = [f"  status {status}: {one['count']:,}, p50 {one['p50']:,.2f}, p99 {one['p99']:,.2f}" for status, one in data["status_latencies"].items()]
    return {title: said + (by_status if len(by_status) > 1 else [])}


# Files


def check_writable(path: str | None) -> None:
    """Fail before the load, not after it."""
    if path is None:
        return
    place = pathlib.Path(path).absolute()
    reason = "it is a folder" if place.is_dir() else "no permission" if not os.access(place if place.exists() else place.parent, os.W_OK) else ""
    reason = reason if place.parent.is_dir() else f"there is no folder {place.parent}"
    if reason:
        raise CommandError(f"{path} cannot be written: {reason}", "give a path in an existing folder that you may write to", ExitCode.UNUSABLE, "OUTPUT")


def write_text(path: str, text: str) -> None:
    try:
        pathlib.Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}", "the load has been sent; run again with another path", ExitCode.ENVIRONMENT, "OUTPUT") from error


def write_report(path: str, outcome: Outcome, measurements: list[Measurement]) -> None:
    """What --json prints, and every second of the run."""
    timelines = [[second(number, part) for number, part in enumerate(measurement.timeline)] for measurement in measurements]
    results = [{**result, "timeline": timeline} for result, timeline in zip(outcome.data["results"], timelines)]
    head = {"tool": TOOL, "version": VERSION, "status": STATUS.get(outcome.code, "error"), "exit_code": int(outcome.code)}
    write_text(path, json.dumps({**head, **outcome.data, "results": results}, indent=2) + "\n")


class ProgressLine:
    """Call it with each Snapshot; close() leaves the line behind."""

    def __init__(self, console: Console):
        self.console, self.width = console, 0

    def __call__(self, snapshot: Snapshot) -> None:
        rates = f"{snapshot.rate_per_s:,.0f} requests/s  p99 {snapshot.p99_ms:,.1f} ms  {snapshot.failed:,} errors"
        shown = f"{snapshot.seconds:.0f} of {snapshot.total_s:g} s  {rates}  {masked_url(snapshot.target)}"[:110]
        write(self.console.err, "\r" + shown.ljust(self.width))
        self.width = len(shown)

    def close(self) -> None:
        if self.width:
            write(self.console.err, "\n")


def progress_line(console: Console) -> ProgressLine | None:
    """A progress line when stderr is a terminal."""
    return ProgressLine(console) if getattr(console.err, "isatty", lambda: False)() else None
