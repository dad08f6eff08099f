"""The report as one self-contained page: no scripts, nothing fetched, everything that came from outside escaped."""

from __future__ import annotations

import dataclasses
import pathlib
import string
from collections.abc import Iterable, Sequence
from html import escape

from senior_backend.console import VERSION
from senior_backend.load.compare.verdicts import SAME, Comparison
from senior_backend.load.limit import Finding
from senior_backend.load.measure.measurement import Histogram, Measurement, Part
from senior_backend.load.plan.messages import masked_url
from senior_backend.load.plan.model import Plan
from senior_backend.load.report.charts import interval_chart, latency_chart, milliseconds, percentile_chart, rate_chart

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
    several = len(measurements) > 1
    sections = [*map(comparison_section, extras.comparisons[:MOST_COMPARISONS])]
    sections += [finding_section(extras.finding)] if extras.finding else []
    sections += [overview_section(measurements)] if several else []
    sections += [target_section(plan, measurement, place, several) for place, measurement in enumerate(measurements[:MOST_TARGETS])]
    sections += [f"<section><h2>Recommendations</h2>{bullets(extras.recommendations)}</section>"] if extras.recommendations else []
    names = list(dict.fromkeys(map(name, measurements)))
    heading = [*names[:2], *([f"and {len(names) - 2} more"] if len(names) > 2 else [])]
    measured = f", measured {text(extras.recorded_at)}" if extras.recorded_at else ""
    return string.Template(asset("report.html")).substitute(
        title=text(f"Load test: {', '.join(heading)}"),
        heading="<br>".join(map(text, heading)),
        plan=text(plan_line(plan, measurements)),
        style=asset("report.css"),
        sections="\n".join(sections),
        footer=f"api_load_tester {VERSION}{measured}. Percentiles are over complete answers of any status.",
    )


def asset(file: str) -> str:
    return (ASSETS / file).read_text(encoding="utf-8")


# Pieces of HTML


def text(value: object, longest: int = LONGEST_TEXT) -> str:
    """Escaped, control characters as a replacement mark, and cut when it is longer than a page should show."""
    pieces, length = [], 0
    for character in str(value):
        pieces.append(escape(character) if character.isprintable() else "\ufffd")
        length += len(pieces[-1].encode("utf-8", "replace"))
        if length > longest:
            return "".join(pieces[:-1]) + "..."
    return "".join(pieces)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numeric: Sequence[int] = ()) -> str:
    """Cells are HTML; numeric: the columns set flush right."""

    def cells(tag: str, row: Sequence[str]) -> str:
        return "<tr>" + "".join(f"<{tag}{' class=n' if place in numeric else ''}>{cell}</{tag}>" for place, cell in enumerate(row)) + "</tr>"

    return f'<div class="scroll"><table>{cells("th", head)}{"".join(cells("td", row) for row in rows)}</table></div>'


def bullets(lines: Iterable[str]) -> str:
    items = "".join(f"<li>{text(line, LONGEST_SENTENCE)}</li>" for line in list(lines)[:MOST_ROWS])
    return f'<ul class="notes">{items}</ul>' if items else ""


def notices(lines: Iterable[str]) -> str:
    return "".join(f'<p class="notice">{text(line, LONGEST_SENTENCE)}</p>' for line in lines)


def legend(**entries: str) -> str:
    """entries: style of the key -> what it stands for."""
    return '<p class="legend">' + "".join(f'<span><span class="key {style.replace("_", "-")}"></span>{meaning}</span>' for style, meaning in entries.items()) + "</p>"


def name(measurement: Measurement) -> str:
    return f"{measurement.target.method} {masked_url(measurement.target.url)}"


def keyed(measurement: Measurement, place: int) -> str:
    return f'<span class="key k{place}"></span>{text(name(measurement))}'


def share(part: int, whole: int) -> str:
    return f"{part / whole:.2%}" if whole else "-"


def times(histogram: Histogram, *percents: float) -> list[str]:
    return [milliseconds(value) for value in histogram.percentiles_ms(percents)]


# Sections


def plan_line(plan: Plan, measurements: Sequence[Measurement]) -> str:
    load = f"{plan.concurrency} connections"
    if plan.model == "open" and plan.rate_per_s:
        load = f"{plan.rate_per_s:g} requests/s at constant arrivals, up to {load}"
    if plan.stages:
        load += " in stages " + ", ".join(f"{stage.seconds:g} s to {stage.value:g}" for stage in plan.stages[:8])
    parts = [load, f"{plan.duration_s:g} s" + (" each" if plan.mode == "sequence" and len(plan.targets) > 1 else ""), f"engine {measurements[0].engine}"]
    parts += [f"{plan.workers} worker processes"] if plan.workers > 1 else []
    parts += ["interrupted before its end"] if any(measurement.interrupted for measurement in measurements) else []
    return ", ".join(parts)


def comparison_section(comparison: Comparison) -> str:
    rows = []
    for metric in comparison.metrics.values():
        style = "same" if metric.verdict == SAME else metric.verdict
        rows.append([METRIC_NAMES[metric.name], *metric.cells(), interval_chart(metric), f'<span class="verdict {style}">{metric.verdict}</span>'])
    notes = [
        f'"No difference" means that the whole interval lies within the margin (the grey band): {comparison.margins(METRIC_NAMES)}.',
        f'The chance of any false "faster" or "slower" among these verdicts is {comparison.alpha:.0%}.',
        *(f"Inconclusive: {reason}." for reason in comparison.reasons),
        *comparison.notes,
    ]
    return (
        f"<section><h2>Comparison: B against A</h2><p class=about>A: {text(comparison.a)}<br>B: {text(comparison.b)}<br>"
        f"Method: {text(comparison.method, LONGEST_SENTENCE)}</p>{table(['Metric', 'A', 'B', 'Difference', 'Interval', '', 'Verdict on B'], rows, (1, 2, 3, 4))}"
        f"{notices(comparison.warnings[:MOST_ROWS])}{bullets(notes)}</section>"
    )


def finding_section(finding: Finding) -> str:
    summary = f"<p class=about>{text(finding.summary)}</p>" if finding.summary else ""
    rows = [[text(label), text(value)] for label, value in finding.rows().items()]
    return f"<section><h2>Rate limit</h2>{summary}{table(['', ''], rows) if rows else ''}{bullets(finding.notes)}</section>"


def overview_section(measurements: Sequence[Measurement]) -> str:
    shown = list(enumerate(measurements[:MOST_TARGETS]))
    chart = percentile_chart([(measurement.latency, f"s{place}") for place, measurement in shown])
    rows = [
        [keyed(one, place), f"{one.requests_per_second:,.1f}", *times(one.latency, 50, 99), share(one.accounting.failed, one.accounting.ended)] for place, one in shown
    ]
    more = f"<p class=about>{len(measurements) - len(shown)} more targets are in the JSON report.</p>" if len(measurements) > len(shown) else ""
    side_by_side = table(["Target", "Requests/s", "p50", "p99", "Failed"], rows, (1, 2, 3, 4))
    return f'<section><h2>Targets side by side</h2>{side_by_side}<h3>Latency by percentile</h3><div class="scroll">{chart}</div>{more}</section>'


def target_section(plan: Plan, measurement: Measurement, place: int, several: bool) -> str:
    client, stalls = measurement.client, measurement.client.stalls
    doubts = [f"The load tester was the limit: {client.reason}"] if client.saturated else []
    if stalls:
        doubts.append(
            f"Nothing was answered for {max(stall.seconds for stall in stalls):.2f} s at a time ({len(stalls)} such times). "
            "Requests that users would have sent then are missing from the percentiles; --rate counts them."
        )
    parts = [key_figures(measurement), notices(doubts), curves(plan, measurement, place, several), over_time(plan, measurement), outcomes(plan, measurement), books(plan, measurement)]
    return f"<section><h2>{keyed(measurement, place) if several else 'Result'}</h2>{''.join(parts)}</section>"


def key_figures(measurement: Measurement) -> str:
    books, latency = measurement.accounting, measurement.latency
    figures = {
        "Requests/s": f"{measurement.requests_per_second:,.1f}",
        **dict(zip(("p50", "p95", "p99"), times(latency, 50, 95, 99))),
        "Slowest": milliseconds(latency.max_ms),
        "Requests": f"{books.started:,}",
        "Failed": share(books.failed, books.ended),
    }
    bad = "Failed" if books.failed else ""
    return '<dl class="figures">' + "".join(f'<div class="{"bad" if label == bad else ""}"><dt>{label}</dt><dd>{value}</dd></div>' for label, value in figures.items()) + "</dl>"


def curves(plan: Plan, measurement: Measurement, place: int, several: bool) -> str:
    """Percentiles as a table, and drawn unless the chart of all targets shows the same."""
    other = place + 1
    series = {"latency": (measurement.latency, f"s{place}")}
    keys = ""
    if plan.model == "open" and measurement.service and measurement.service != measurement.latency:
        series["service time"] = (measurement.service, f"s{other} dash")
        keys = legend(**{f"k{place}": "from the intended send time", f"k{other}": "service time (dashed): from the sending itself"})
    rows = [[label, *times(one, *PERCENTS), milliseconds(one.max_ms), milliseconds(one.mean_ms)] for label, (one, _) in series.items() if one]
    chart = f'{keys}<div class="scroll">{percentile_chart(list(series.values()))}</div>' if keys or not several else ""
    return f"<h3>Latency by percentile</h3>{chart}{table(['', *(f'p{percent:g}' for percent in PERCENTS), 'max', 'mean'], rows, range(1, 8))}" if rows else ""


def over_time(plan: Plan, measurement: Measurement) -> str:
    def ok(part: Part) -> int:
        return sum(count for status, count in part.statuses.items() if measurement.is_ok(status, plan.expect_status))

    if not measurement.timeline:
        return ""
    latency = latency_chart(measurement.timeline)
    left = f"<div><h3>Requests per second</h3>{legend(ok_key='ok', failed_key='failed')}{rate_chart(measurement.timeline, ok)}</div>"
    right = f"<div><h3>Latency</h3>{legend(k1='p99', k2='p50 of each second')}{latency}</div>" if latency else ""
    return f'<div class="pair">{left}{right}</div>'


def outcomes(plan: Plan, measurement: Measurement) -> str:
    """Statuses and failures, most frequent first."""
    ended = measurement.accounting.ended
    rows = [(histogram.total, f"HTTP {status}", measurement.is_ok(status, plan.expect_status), histogram) for status, histogram in measurement.statuses.items()]
    rows += [(count, kind, False, None) for kind, count in measurement.errors.items()]
    rows.sort(key=lambda row: (-row[0], row[1]))
    shown = []
    for count, kind, ok, histogram in rows[:MOST_ROWS]:
        bar = f'<span class="bar{"" if ok else " failed"}" style="width:{max(1, round(110 * count / max(1, ended)))}px"></span>'
        shown.append([text(kind), f"{count:,}", share(count, ended), bar, *(times(histogram, 50, 99) if histogram else ("-", "-"))])
    if len(rows) > MOST_ROWS:
        rest = sum(row[0] for row in rows[MOST_ROWS:])
        shown.append([f"{len(rows) - MOST_ROWS} more kinds", f"{rest:,}", share(rest, ended), "", "", ""])
    return "<h3>How requests ended</h3>" + (table(["", "Requests", "Share", "", "p50", "p99"], shown, (1, 2, 4, 5)) if shown else "<p class=about>No request ended.</p>")


def books(plan: Plan, measurement: Measurement) -> str:
    account, client = measurement.accounting, measurement.client
    lines = [f"Started {account.started:,} = ok {account.ok:,} + failed {account.failed:,} + in flight at the end {account.in_flight:,}."]
    lines += [f"Never sent, for want of a free connection in time: {account.never_sent:,}."] if plan.model == "open" else []
    lag = f"; requests left {milliseconds(client.lag.percentile_ms(99))} (p99) after they could" if client.lag else ""
    lines += [f"The load tester used {client.cpu_s:.2f} s of CPU{lag}."] if client.cpu_s else []
    return bullets([*lines, *(f"{kind}: {count:,}" for kind, count in measurement.notes.items())])
