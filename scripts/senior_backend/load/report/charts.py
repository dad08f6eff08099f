"""Charts as inline SVG: coordinates computed here, colours and fonts left to the page's style sheet."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from html import escape

from senior_backend.load.compare.verdicts import Metric
from senior_backend.load.measure.measurement import Histogram, Part, add

CURVE_POINTS = 72
MOST_BARS = 50


@dataclasses.dataclass(frozen=True)
class Frame:
    """The plotting area inside a picture, in SVG units."""

    width: int = 720
    height: int = 260
    left: int = 62
    right: int = 14
    top: int = 10
    bottom: int = 30

    def x(self, share: float) -> float:
        return self.left + share * (self.width - self.left - self.right)

    def y(self, share: float) -> float:
        return self.height - self.bottom - share * (self.height - self.top - self.bottom)

    def picture(self, label: str, parts: Sequence[str]) -> str:
        wide = ' class="wide"' if self.width > 600 else ""
        return f'<svg{wide} viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'

    def rows(self, ticks: Sequence[tuple[float, str]]) -> list[str]:
        """Horizontal grid lines with their labels; ticks: (share of the height, text)."""
        return [
            f'<line class="{"grid" if share else "axis"}" x1="{self.x(0):.0f}" x2="{self.x(1):.0f}" y1="{self.y(share):.1f}" y2="{self.y(share):.1f}"/>'
            f'<text x="{self.left - 8}" y="{self.y(share) + 4:.1f}" text-anchor="end">{escape(text)}</text>'
            for share, text in ticks
        ]

    def columns(self, ticks: Sequence[tuple[float, str]], lines: bool = False) -> list[str]:
        """Labels below the plotting area."""
        marks = []
        for share, text in ticks:
            anchor = "start" if share < 0.02 else "end" if share > 0.98 else "middle"
            if lines:
                marks.append(f'<line class="grid" x1="{self.x(share):.1f}" x2="{self.x(share):.1f}" y1="{self.y(0):.1f}" y2="{self.y(1):.1f}"/>')
            marks.append(f'<text x="{self.x(share):.1f}" y="{self.height - 8}" text-anchor="{anchor}">{escape(text)}</text>')
        return marks

    def line(self, points: Sequence[tuple[float, float]], style: str) -> str:
        return f'<path class="{style}" d="M{"L".join(f"{self.x(x):.1f} {self.y(y):.1f}" for x, y in points)}"/>' if points else ""


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
    ticks: list[tuple[float, str]]

    @classmethod
    def of(cls, lowest: float, highest: float) -> Scale:
        """Linear; logarithmic when the values span more than a factor of 25."""
        if lowest <= 0 or highest / lowest <= 25:
            values = nice_ticks(highest)
            return cls(lambda value: value / values[-1], [(value / values[-1], milliseconds(value)) for value in values])
        low, high = math.floor(math.log10(lowest)), math.ceil(math.log10(highest) - 1e-9)
        return cls(
            lambda value: (math.log10(max(value, 10**low)) - low) / (high - low), [((power - low) / (high - low), milliseconds(10.0**power)) for power in range(low, high + 1)]
        )


def percentile_chart(series: Sequence[tuple[str, Histogram, str]]) -> str:
    """Latency by percentile, the tail stretched out: each further nine takes as much room. series: (name, latencies, class of the line)."""
    frame = Frame(width=980, height=310)
    series = [entry for entry in series if entry[1]]
    if not series:
        return ""
    nines = max(1.0, math.log10(max(histogram.total for _, histogram, _ in series)))
    curves = [(name, curve(histogram, nines), style) for name, histogram, style in series]
    values = [value for _, points, _ in curves for _, value in points if value > 0]
    scale = Scale.of(min(values, default=0.0), max(values, default=0.0))
    marks = [(math.log10(1 / (1 - percent / 100)) / nines, f"{percent:g} %") for percent in (0, 50, 90, 99, 99.9, 99.99, 99.999) if math.log10(1 / (1 - percent / 100)) <= nines]
    lines = [frame.line([(x, scale.share(value)) for x, value in points], style) for _, points, style in curves]
    return frame.picture("Latency by percentile", [*frame.rows(scale.ticks), *frame.columns(marks, lines=True), *lines])


def curve(histogram: Histogram, nines: float) -> list[tuple[float, float]]:
    """(share of the width, milliseconds) up to the percentile that one request of all stands for."""
    own = math.log10(histogram.total)
    tails = [own * place / (CURVE_POINTS - 1) for place in range(CURVE_POINTS)] if own else [0.0]
    return list(zip([tail / nines for tail in tails], histogram.percentiles_ms([100 * (1 - 10**-tail) for tail in tails])))


def grouped(timeline: Sequence[Part]) -> list[Part]:
    """The seconds, several joined into one when there are more than fit."""
    size = math.ceil(len(timeline) / MOST_BARS) or 1
    joined = []
    for begin in range(0, len(timeline), size):
        whole = Part()
        for part in timeline[begin : begin + size]:
            length = whole.seconds + part.seconds
            add(whole, part)
            whole.seconds = length
        joined.append(whole)
    return joined


def rate_chart(timeline: Sequence[Part], ok: Callable[[Part], int]) -> str:
    """Ended requests per second, those that failed in their own colour. ok: how many answers of a Part are ok."""
    frame = Frame(width=480, height=190, left=54)
    parts = grouped(timeline)
    total_s = sum(part.seconds for part in parts) or 1.0
    bars, at, highest = [], 0.0, 0.0
    for part in parts:
        # a last piece of a few milliseconds says nothing about a rate
        failed, ended = (count / part.seconds if part.seconds > 0.05 else 0.0 for count in (part.failed, ok(part) + part.failed))
        bars.append((at, part.seconds, ended, failed))
        highest = max(highest, bars[-1][2])
        at += part.seconds
    ticks = nice_ticks(highest, 3)
    drawn = []
    for begin, seconds, ended, failed in bars:
        title = f"<title>{begin:g} s: {ended:,.0f}/s, {failed:,.0f}/s failed</title>"
        drawn.append(
            f"<g>{title}{bar(frame, begin / total_s, seconds / total_s, failed / ticks[-1], ended / ticks[-1], 'ok')}"
            f"{bar(frame, begin / total_s, seconds / total_s, 0, failed / ticks[-1], 'failed')}</g>"
        )
    return frame.picture("Requests per second over time", [*frame.rows([(value / ticks[-1], f"{value:,.6g}") for value in ticks]), *drawn, *frame.columns(time_marks(total_s))])


def bar(frame: Frame, begin: float, width: float, low: float, high: float, style: str) -> str:
    if high <= low:
        return ""
    gap = min(1.5, 0.15 * (frame.x(width) - frame.x(0)))
    return (
        f'<rect class="{style}" x="{frame.x(begin) + gap / 2:.1f}" y="{frame.y(high):.1f}" width="{frame.x(begin + width) - frame.x(begin) - gap:.1f}" '
        f'height="{frame.y(low) - frame.y(high):.1f}"/>'
    )


def time_marks(total_s: float) -> list[tuple[float, str]]:
    return [(value / total_s, f"{value:g} s") for value in nice_ticks(total_s, 5) if value <= total_s * 1.0001]


def latency_chart(timeline: Sequence[Part]) -> str:
    """p50 and p99 of the answers that came in each second."""
    frame = Frame(width=480, height=190, left=54)
    parts = grouped(timeline)
    total_s = sum(part.seconds for part in parts) or 1.0
    points, at = [], 0.0
    for part in parts:
        if part.histogram:
            points.append(((at + part.seconds / 2) / total_s, *part.histogram.percentiles_ms([50, 99])))
        at += part.seconds
    if not points:
        return ""
    scale = Scale.of(min(p50 for _, p50, _ in points), max(p99 for _, _, p99 in points))
    lines = [frame.line([(point[0], scale.share(point[which])) for point in points], style) for which, style in ((1, "s2"), (2, "s1"))]
    return frame.picture("Latency over time", [*frame.rows(scale.ticks), *lines, *frame.columns(time_marks(total_s))])


def interval_chart(metric: Metric) -> str:
    """One row of a comparison: the interval (to the edge where it has no end) and the difference, no difference in the middle."""
    if metric.difference is None or metric.interval == (None, None):
        return ""
    frame = Frame(width=240, height=26, left=2, right=2, top=0, bottom=0)
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
