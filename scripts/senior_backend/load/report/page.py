"""The report as one self-contained page: no scripts, nothing fetched, everything that came from outside escaped."""

from __future__ import annotations

import dataclasses
import pathlib
import string
from collections.abc import Iterable, Sequence
from html import escape

from senior_backend.console import VERSION
from senior_backend.load.report.charts import interval_chart, latency_chart, milliseconds, percentile_chart, rate_chart
from senior_backend.load.compare.verdicts import SAME, Comparison
from senior_backend.load.measure.measurement import Histogram, Measurement, Part
from senior_backend.load.plan.messages import masked_url
from senior_backend.load.plan.model import Plan
from senior_backend.load.limit.analysis import Finding

ASSETS = pathlib.Path(__file__).resolve().parents[4] / "assets" / "load"
MOST_TARGETS, MOST_COMPARISONS, MOST_ROWS, LONGEST_TEXT, LONGEST_SENTENCE = 4, 2, 10, 200, 330  # texts in bytes; they keep the page below 100 kB
PERCENTS = (50.0, 90.0, 95.0, 99.0, 99.9)
METRIC_NAMES = {
    "latency_p50": "Latency p50",
    "latency_p95": "Latency p95",
    "latency_p99": "Latency p99",
    "requests_per_second": "Requests per second",
    "error_rate": "Failed requests",
}


@dataclasses.dataclass(frozen=True)
class Extras:
    """What a page can hold beside the measurements."""

    comparisons: Sequence[Comparison] = ()
    finding: Finding | None = None
    recommendations: Sequence[str] = ()
    recorded_at: str = ""


def render(plan: Plan, measurements: Sequence[Measurement], extras: Extras = Extras()) -> str:
    """The whole page, below 100 kB."""
    sections = [*map(comparison_section, extras.comparisons[:MOST_COMPARISONS])]
    if extras.finding:
        sections.append(finding_section(extras.finding))
    if len(measurements) > 1:
        sections.append(overview_section(plan, measurements))
    sections += [target_section(plan, measurement, place, len(measurements) > 1) for place, measurement in enumerate(measurements[:MOST_TARGETS])]
    if extras.recommendations:
        sections.append(f"<section><h2>Recommendations</h2>{bullets(extras.recommendations)}</section>")
    names = list(dict.fromkeys(map(name, measurements)))
    heading = [*names[:2], *([f"and {len(names) - 2} more"] if len(names) > 2 else [])]
    footer = f"api_load_tester {VERSION}" + (f", measured {text(extras.recorded_at)}" if extras.recorded_at else "") + ". Percentiles are over complete answers of any status."
    return string.Template(asset("report.html")).substitute(
        title=text(f"Load test: {', '.join(heading)}"),
        heading="<br>".join(map(text, heading)),
        plan=text(plan_line(plan, measurements)),
        style=asset("report.css"),
        sections="\n".join(sections),
        footer=footer,
    )


def asset(file: str) -> str:
    return (ASSETS / file).read_text(encoding="utf-8")


def text(value: object, longest: int = LONGEST_TEXT) -> str:
    """Escaped, control characters as a replacement mark, and cut when it is longer than a page should show."""
    plain = "".join(character if character.isprintable() else "\ufffd" for character in str(value))
    pieces, length = [], 0
    for piece in map(escape, plain):
        length += len(piece.encode("utf-8", "replace"))
        if length > longest:
            return "".join(pieces) + "..."
        pieces.append(piece)
    return "".join(pieces)


def name(measurement: Measurement) -> str:
    return f"{measurement.target.method} {masked_url(measurement.target.url)}"


def plan_line(plan: Plan, measurements: Sequence[Measurement]) -> str:
    load = (
        f"{plan.rate_per_s:g} requests/s at constant arrivals, up to {plan.concurrency} connections"
        if plan.model == "open" and plan.rate_per_s
        else f"{plan.concurrency} connections"
    )
    if plan.stages:
        load += " in stages " + ", ".join(f"{stage.seconds:g} s to {stage.value:g}" for stage in plan.stages[:8])
    parts = [load, f"{plan.duration_s:g} s" + (" each" if plan.mode == "sequence" and len(plan.targets) > 1 else ""), f"engine {measurements[0].engine}" if measurements else ""]
    if plan.workers > 1:
        parts.append(f"{plan.workers} worker processes")
    if any(measurement.interrupted for measurement in measurements):
        parts.append("interrupted before its end")
    return ", ".join(filter(None, parts))


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numeric: Sequence[int] = ()) -> str:
    """Cells are HTML; numeric: the columns set flush right."""

    def cells(tag: str, row: Sequence[str]) -> str:
        return "<tr>" + "".join(f"<{tag}{' class=n' if place in numeric else ''}>{cell}</{tag}>" for place, cell in enumerate(row)) + "</tr>"

    return f'<div class="scroll"><table>{cells("th", head)}{"".join(cells("td", row) for row in rows)}</table></div>'


def bullets(lines: Iterable[str]) -> str:
    items = "".join(f"<li>{text(line, LONGEST_SENTENCE)}</li>" for line in list(lines)[:MOST_ROWS])
    return f'<ul class="notes">{items}</ul>' if items else ""


def comparison_section(comparison: Comparison) -> str:
    rows = []
    for metric_name, metric in comparison.metrics.items():
        style = "same" if metric.verdict == SAME else metric.verdict
        rows.append(
            [
                METRIC_NAMES[metric_name],
                *metric.cells(),
                interval_chart(metric),
                f'<span class="verdict {text(style)}">{text(metric.verdict)}</span>',
            ]
        )
    notes = [
        f'"No difference" means that the whole interval lies within the margin (the grey band): {comparison.margins(METRIC_NAMES)}.',
        f'The chance of any false "faster" or "slower" among these verdicts is {comparison.alpha:.0%}.',
        *(f"Inconclusive: {reason}." for reason in comparison.reasons),
        *comparison.notes,
    ]
    warnings = "".join(f'<p class="notice">{text(warning, LONGEST_SENTENCE)}</p>' for warning in comparison.warnings[:MOST_ROWS])
    return (
        f"<section><h2>Comparison: B against A</h2><p class=about>A: {text(comparison.a)}<br>B: {text(comparison.b)}<br>"
        f"Method: {text(comparison.method, LONGEST_SENTENCE)}</p>"
        + table(["Metric", "A", "B", "Difference", "Interval", "", "Verdict on B"], rows, (1, 2, 3, 4))
        + warnings
        + bullets(notes)
        + "</section>"
    )


def finding_section(finding: Finding) -> str:
    summary = f"<p class=about>{text(finding.summary)}</p>" if finding.summary else ""
    rows = [[text(label), text(value)] for label, value in finding.rows().items()]
    return f"<section><h2>Rate limit</h2>{summary}{table(['', ''], rows) if rows else ''}{bullets(finding.notes)}</section>"


def overview_section(plan: Plan, measurements: Sequence[Measurement]) -> str:
    shown = measurements[:MOST_TARGETS]
    chart = percentile_chart([(measurement.latency, f"s{place}") for place, measurement in enumerate(shown)])
    rows = [
        [
            f'<span class="key k{place}"></span>{text(name(measurement))}',
            f"{measurement.requests_per_second:,.1f}",
            *(milliseconds(value) for value in measurement.latency.percentiles_ms([50, 99])),
            share(measurement.accounting.failed, measurement.accounting.ok + measurement.accounting.failed),
        ]
        for place, measurement in enumerate(shown)
    ]
    more = f"<p class=about>{len(measurements) - len(shown)} more targets are in the JSON report.</p>" if len(measurements) > len(shown) else ""
    return (
        "<section><h2>Targets side by side</h2>"
        + table(["Target", "Requests/s", "p50", "p99", "Failed"], rows, (1, 2, 3, 4))
        + f'<h3>Latency by percentile</h3><div class="scroll">{chart}</div>'
        + more
        + "</section>"
    )


def share(part: int, whole: int) -> str:
    return f"{part / whole:.2%}" if whole else "-"


def target_section(plan: Plan, measurement: Measurement, place: int, several: bool) -> str:
    heading = f'<h2><span class="key k{place}"></span>{text(name(measurement))}</h2>' if several else "<h2>Result</h2>"
    latencies = curves(plan, measurement, place, several)
    ends = outcomes(plan, measurement) + books(plan, measurement)
    return f"<section>{heading}{key_figures(measurement)}{notices(measurement)}{latencies}{over_time(plan, measurement)}{ends}</section>"


def key_figures(measurement: Measurement) -> str:
    ended = measurement.accounting.ok + measurement.accounting.failed
    p50, p95, p99 = measurement.latency.percentiles_ms([50, 95, 99])
    figures = [
        ("Requests/s", f"{measurement.requests_per_second:,.1f}", ""),
        ("p50", milliseconds(p50), ""),
        ("p95", milliseconds(p95), ""),
        ("p99", milliseconds(p99), ""),
        ("Slowest", milliseconds(measurement.latency.max_ms), ""),
        ("Requests", f"{measurement.accounting.started:,}", ""),
        ("Failed", share(measurement.accounting.failed, ended), "bad" if measurement.accounting.failed else ""),
    ]
    return '<dl class="figures">' + "".join(f'<div class="{style}"><dt>{label}</dt><dd>{value}</dd></div>' for label, value, style in figures) + "</dl>"


def notices(measurement: Measurement) -> str:
    """What casts doubt on the figures."""
    client = measurement.client
    found = [f"The load tester was the limit: {client.reason}"] if client.saturated else []
    if client.stalls:
        longest = max(stall.seconds for stall in client.stalls)
        found.append(
            f"Nothing was answered for {longest:.2f} s at a time ({len(client.stalls)} such times). "
            "Requests that users would have sent then are missing from the percentiles; --rate counts them."
        )
    return "".join(f'<p class="notice">{text(line, LONGEST_SENTENCE)}</p>' for line in found)


def curves(plan: Plan, measurement: Measurement, place: int, several: bool) -> str:
    """Percentiles as a table, and drawn unless the chart of all targets shows the same."""
    both = plan.model == "open" and measurement.service and measurement.service != measurement.latency
    series: list[tuple[str, Histogram, str]] = [("latency", measurement.latency, f"s{place}")] + (
        [("service time", measurement.service, f"s{(place + 1) % 6} dash")] if both else []
    )
    legend = (
        (
            f'<p class="legend"><span><span class="key k{place}"></span>from the intended send time</span>'
            f'<span><span class="key k{(place + 1) % 6}"></span>service time (dashed): '
            "from the sending itself</span></p>"
        )
        if both
        else ""
    )
    rows = [
        [label, *(milliseconds(value) for value in histogram.percentiles_ms(PERCENTS)), milliseconds(histogram.max_ms), milliseconds(histogram.mean_ms)]
        for label, histogram, _ in series
        if histogram
    ]
    chart = f'{legend}<div class="scroll">{percentile_chart([entry[1:] for entry in series])}</div>' if both or not several else ""
    return f"<h3>Latency by percentile</h3>{chart}{table(['', *(f'p{percent:g}' for percent in PERCENTS), 'max', 'mean'], rows, range(1, 8))}" if rows else ""


def over_time(plan: Plan, measurement: Measurement) -> str:
    def ok(second: Part) -> int:
        return sum(count for status, count in second.statuses.items() if measurement.is_ok(status, plan.expect_status))

    if not measurement.timeline:
        return ""
    latency = latency_chart(measurement.timeline)
    left = (
        '<div><h3>Requests per second</h3><p class="legend"><span><span class="key ok-key"></span>ok</span>'
        '<span><span class="key failed-key"></span>failed</span></p>'
        f"{rate_chart(measurement.timeline, ok)}</div>"
    )
    right = (
        (f'<div><h3>Latency</h3><p class="legend"><span><span class="key k1"></span>p99</span><span><span class="key k2"></span>p50 of each second</span></p>{latency}</div>')
        if latency
        else ""
    )
    return f'<div class="pair">{left}{right}</div>'


def outcomes(plan: Plan, measurement: Measurement) -> str:
    """Statuses and failures, most frequent first."""
    ended = measurement.accounting.ok + measurement.accounting.failed
    rows = [(histogram.total, f"HTTP {status}", measurement.is_ok(status, plan.expect_status), histogram) for status, histogram in measurement.statuses.items()]
    rows += [(count, kind, False, Histogram()) for kind, count in measurement.errors.items()]
    rows.sort(key=lambda row: (-row[0], row[1]))
    shown = [
        [
            text(kind),
            f"{count:,}",
            share(count, ended),
            f'<span class="bar{"" if ok else " failed"}" style="width:{max(1, round(110 * count / max(1, ended)))}px"></span>',
            *((milliseconds(value) for value in histogram.percentiles_ms([50, 99])) if histogram else ("-", "-")),
        ]
        for count, kind, ok, histogram in rows[:MOST_ROWS]
    ]
    if len(rows) > MOST_ROWS:
        rest = sum(row[0] for row in rows[MOST_ROWS:])
        shown.append([f"{len(rows) - MOST_ROWS} more kinds", f"{rest:,}", share(rest, ended), "", "", ""])
    return "<h3>How requests ended</h3>" + (table(["", "Requests", "Share", "", "p50", "p99"], shown, (1, 2, 4, 5)) if shown else "<p class=about>No request ended.</p>")


def books(plan: Plan, measurement: Measurement) -> str:
    account, client = measurement.accounting, measurement.client
    lines = [f"Started {account.started:,} = ok {account.ok:,} + failed {account.failed:,} + in flight at the end {account.in_flight:,}."]
    if plan.model == "open":
        lines.append(f"Never sent, for want of a free connection in time: {account.never_sent:,}.")
    if client.cpu_s:
        lag = f"; requests left {milliseconds(client.lag.percentile_ms(99))} (p99) after they could" if client.lag else ""
        lines.append(f"The load tester used {client.cpu_s:.2f} s of CPU{lag}.")
    lines += [f"{kind}: {count:,}" for kind, count in measurement.notes.items()]
    return bullets(lines)
