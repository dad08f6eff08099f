"""Charts as inline SVG: coordinates computed here, colours and fonts left to the page's style sheet."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Sequence
from html import escape

from senior_backend.load.compare.verdicts import Metric
from senior_backend.load.measure.measurement import Histogram, Part, add

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
