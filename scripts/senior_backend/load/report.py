"""The report as one self-contained page: charts as inline SVG, no scripts, nothing fetched, everything that came from outside escaped."""
from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import pathlib
import string
from collections.abc import Callable, Iterable, Sequence
from html import escape

from senior_backend.console import VERSION
from senior_backend.load.verdicts import SAME, Comparison, Metric
from senior_backend.load.limit import Finding
from senior_backend.load.measure import Histogram, Measurement, Part, add
from senior_backend.load.plan import Plan, masked_url

CURVE_POINTS = 72
MOST_BARS = 50
Ticks = Sequence[tuple[float, str]]  # share of the height or width, text


@dataclasses.dataclass(frozen=True)
class Frame:
    """The plotting area inside a picture, in SVG units."""

    width: int
    height: int
    left: int
    right: int = 14
    top: int = 10
    bottom: int = 30

    def x(self, share: float) -> float:
        return self.left + share * (self.width - self.left - self.right)

    def y(self, share: float) -> float:
        return self.height - self.bottom - share * (self.height - self.top - self.bottom)

    def picture(self, label: str, parts: Sequence[str], rows: Ticks = (), columns: Ticks = (), lines: bool = False) -> str:
        """rows: grid lines with their labels, below the parts; columns: labels below the plotting area, with grid lines too when `lines`."""
        grid, marks = [], []
        for share, text in rows:
            ends = f'x1="{self.x(0):.0f}" x2="{self.x(1):.0f}" y1="{self.y(share):.1f}" y2="{self.y(share):.1f}"'
            grid.append(f'<line class="{"grid" if share else "axis"}" {ends}/><text x="{self.left - 8}" y="{self.y(share) + 4:.1f}" text-anchor="end">{escape(text)}</text>')
        for share, text in columns:
            anchor = "start" if share < 0.02 else "end" if share > 0.98 else "middle"
            ends = f'x1="{self.x(share):.1f}" x2="{self.x(share):.1f}" y1="{self.y(0):.1f}" y2="{self.y(1):.1f}"'
            marks.append(f'<line class="grid" {ends}/>' if lines else "")
            marks.append(f'<text x="{self.x(share):.1f}" y="{self.height - 8}" text-anchor="{anchor}">{escape(text)}</text>')
        drawn = [*grid, *marks, *parts] if lines else [*grid, *parts, *marks]
        wide = ' class="wide"' if self.width > 600 else ""
        return f'<svg{wide} viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{escape(label)}">{"".join(drawn)}</svg>'

    def line(self, points: Sequence[tuple[float, float]], style: str) -> str:
        return f'<path class="{style}" d="M{"L".join(f"{self.x(x):.1f} {self.y(y):.1f}" for x, y in points)}"/>' if points else ""

    def bar(self, begin: float, width: float, low: float, high: float, style: str) -> str:
        gap = min(1.5, 0.15 * (self.x(width) - self.x(0)))
        place = f'x="{self.x(begin) + gap / 2:.1f}" y="{self.y(high):.1f}" width="{self.x(begin + width) - self.x(begin) - gap:.1f}" height="{self.y(low) - self.y(high):.1f}"'
        return f'<rect class="{style}" {place}/>' if high > low else ""


OVER_TIME = Frame(480, 190, 54)


def milliseconds(value: float) -> str:
    """A latency in the unit that reads best."""
    if value >= 1000:
        return f"{value / 1000:,.3g} s"
    return f"{value:,.0f} ms" if value >= 100 else f"{value:.3g} ms" if value >= 0.1 or not value else f"{value * 1000:.3g} us"


def nice_ticks(highest: float, about: int = 4) -> list[float]:
    """0 and round steps up to the first one not below the highest value."""
    if highest <= 0:
        return [0.0, 1.0]
    raw = highest / about
    power = 10 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    return [step * number for number in range(math.ceil(highest / step - 1e-9) + 1)]


@dataclasses.dataclass(frozen=True)
class Scale:
    """From a latency in ms to a share of the height, with the labelled places."""

    share: Callable[[float], float]
    ticks: Ticks

    @classmethod
    def of(cls, lowest: float, highest: float) -> Scale:
        """Linear; logarithmic when the values span more than a factor of 25."""
        if lowest <= 0 or highest / lowest <= 25:
            values = nice_ticks(highest)
            return cls(lambda value: value / values[-1], [(value / values[-1], milliseconds(value)) for value in values])
        low, high = math.floor(math.log10(lowest)), math.ceil(math.log10(highest) - 1e-9)
        ticks = [((power - low) / (high - low), milliseconds(10.0**power)) for power in range(low, high + 1)]
        return cls(lambda value: (math.log10(max(value, 10**low)) - low) / (high - low), ticks)


def percentile_chart(series: Sequence[tuple[Histogram, str]]) -> str:
    """Latency by percentile, the tail stretched out: each further nine takes as much room. series: (latencies, class of the line)."""
    series = [entry for entry in series if entry[0]]
    if not series:
        return ""
    nines = max(1.0, math.log10(max(histogram.total for histogram, _ in series)))
    curves = [(curve(histogram, nines), style) for histogram, style in series]
    values = [value for points, _ in curves for _, value in points if value > 0]
    scale, frame = Scale.of(min(values, default=0.0), max(values, default=0.0)), Frame(980, 310, 62)
    places = {percent: math.log10(1 / (1 - percent / 100)) / nines for percent in (0, 50, 90, 99, 99.9, 99.99, 99.999)}
    lines = [frame.line([(x, scale.share(value)) for x, value in points], style) for points, style in curves]
    return frame.picture("Latency by percentile", lines, scale.ticks, [(place, f"{percent:g} %") for percent, place in places.items() if place <= 1], lines=True)


def curve(histogram: Histogram, nines: float) -> list[tuple[float, float]]:
    """(share of the width, milliseconds) up to the percentile that one request of all stands for."""
    own = math.log10(histogram.total)
    tails = [own * place / (CURVE_POINTS - 1) for place in range(CURVE_POINTS)] if own else [0.0]
    return list(zip([tail / nines for tail in tails], histogram.percentiles_ms([100 * (1 - 10**-tail) for tail in tails])))


def grouped(timeline: Sequence[Part]) -> list[Part]:
    """The seconds, several joined into one when there are more than fit."""
    size = math.ceil(len(timeline) / MOST_BARS) or 1
    groups = [timeline[begin : begin + size] for begin in range(0, len(timeline), size)]
    return [dataclasses.replace(functools.reduce(add, group, Part()), seconds=sum(part.seconds for part in group)) for group in groups]


def placed(timeline: Sequence[Part]) -> tuple[list[tuple[float, Part]], float, Ticks]:
    """((begin in seconds, part) of what is drawn, length in seconds, labels of the time)."""
    parts = grouped(timeline)
    *begins, total_s = itertools.accumulate((part.seconds for part in parts), initial=0.0)
    total_s = total_s or 1.0
    return list(zip(begins, parts)), total_s, [(value / total_s, f"{value:g} s") for value in nice_ticks(total_s, 5) if value <= total_s * 1.0001]


def rate_chart(timeline: Sequence[Part], ok: Callable[[Part], int]) -> str:
    """Ended requests per second, those that failed in their own colour. ok: how many answers of a Part are ok."""
    parts, total_s, times = placed(timeline)
    # a last piece of a few milliseconds says nothing about a rate
    rates = [[count / part.seconds if part.seconds > 0.05 else 0.0 for count in (ok(part) + part.failed, part.failed)] for _, part in parts]
    ticks, bars = nice_ticks(max((ended for ended, _ in rates), default=0.0), 3), []
    for (begin, part), (ended, failed) in zip(parts, rates):
        title = f"<title>{begin:g} s: {ended:,.0f}/s, {failed:,.0f}/s failed</title>"
        spans = ((failed, ended, "ok"), (0, failed, "failed"))
        bars.append(f"<g>{title}{''.join(OVER_TIME.bar(begin / total_s, part.seconds / total_s, low / ticks[-1], high / ticks[-1], style) for low, high, style in spans)}</g>")
    return OVER_TIME.picture("Requests per second over time", bars, [(value / ticks[-1], f"{value:,.6g}") for value in ticks], times)


def latency_chart(timeline: Sequence[Part]) -> str:
    """p50 and p99 of the answers that came in each second."""
    parts, total_s, times = placed(timeline)
    points = [((begin + part.seconds / 2) / total_s, *part.histogram.percentiles_ms([50, 99])) for begin, part in parts if part.histogram]
    if not points:
        return ""
    scale = Scale.of(min(p50 for _, p50, _ in points), max(p99 for _, _, p99 in points))
    lines = [OVER_TIME.line([(point[0], scale.share(point[which])) for point in points], style) for which, style in ((1, "s2"), (2, "s1"))]
    return OVER_TIME.picture("Latency over time", lines, scale.ticks, times)


def interval_chart(metric: Metric) -> str:
    """One row of a comparison: the interval (to the edge where it has no end) and the difference, no difference in the middle."""
    if metric.difference is None or metric.interval == (None, None):
        return ""
    frame = Frame(240, 26, 2, 2, 0, 0)
    reach = 1.05 * max(abs(value) for value in (*metric.interval, metric.difference, metric.margin * 1.5) if value is not None)
    low, high = (edge if end is None else end for end, edge in zip(metric.interval, (-reach, reach)))

    def x(value: float) -> float:
        return frame.x((value / reach + 1) / 2)

    style = metric.verdict if metric.verdict in ("faster", "slower") else ""
    return frame.picture(
        f"difference {metric.difference:+.1f}, interval {low:+.1f} to {high:+.1f}",
        [
            f'<rect class="margin" x="{x(-metric.margin):.1f}" width="{x(metric.margin) - x(-metric.margin):.1f}" y="3" height="20"/>',
            f'<line class="zero" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="1" y2="25"/>',
            f'<line class="span {style}" x1="{x(low):.1f}" x2="{x(high):.1f}" y1="13" y2="13"/>',
            f'<circle class="dot" cx="{x(metric.difference):.1f}" cy="13" r="3.5"/>',
        ],
    )


ASSETS = pathlib.Path(__file__).resolve().parents[3] / "assets" / "load"
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
    return string.Template((ASSETS / "report.html").read_text(encoding="utf-8")).substitute(
        title=text(f"Load test: {', '.join(heading)}"),
        heading="<br>".join(map(text, heading)),
        plan=text(plan_line(plan, measurements)),
        sections="\n".join(sections),
        footer=f"api_load_tester {VERSION}{measured}. Percentiles are over complete answers of any status.",
    )


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
