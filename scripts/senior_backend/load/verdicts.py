"""The statistics of comparisons, and what they allow to be said of B against A: per metric two figures, a difference, its interval, and one of four verdicts;
and two targets in one schedule, each request sent to A or B at random.

Paired block tests: requests went to A or B by the toss of a coin, so if A and B are alike, swapping the two labels within a block of time changes nothing
in the distribution of what was seen, however much the machine drifted or stalled. Hence each block's difference B - A may have its sign flipped, and the
share of the 2**n sign patterns that give a sum at least as large as the one seen is an exact p-value. An interval holds all the effects that such a test
does not reject.

For an assumed ratio B / A, B's figures are divided by it and, block by block, what is left of a difference is taken; if
the ratio is right, that is chance alone (sign_flip_p_value). The interval holds every ratio that this test
does not reject, and the ratio seen. For a latency quantile the difference is in how many requests of A and of B lie above
the quantile common to both: over the whole run, the figure that the report shows; for the median block by block, the
calm blocks counting most, so that moments in which the machine was busy with other things do not drown it. Only what
differs between the arms within the same moment counts as noise.
"""
from __future__ import annotations

import bisect
import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

from senior_backend.load.measure import Measurement, Part, merged
from senior_backend.load.plan import Plan, masked_url

WIDEST = math.log(1000)  # an effect beyond a factor of 1000 is not searched for
LEAST = 0.01  # microseconds: 0 has no logarithm
RESOLUTION = 1e-4  # intervals end within 0.01 % of where the test stops rejecting
FIRST_STEP = 0.005
ANGLES = 20_000


def sign_flip_p_value(differences: Sequence[float]) -> float:
    """Two-sided exact p-value of sum(differences) being 0 when each sign is a coin toss; 1.0 when nothing differs.

    At most some 24 differences: the 2**n sums are counted as pairs of two halves.
    """
    present = [abs(difference) for difference in differences if difference]
    observed = abs(math.fsum(differences))
    if not present or not observed:
        return 1.0
    threshold = observed - 1e-9 * math.fsum(present)  # sums that differ by rounding alone are the same
    middle = len(present) // 2
    left, right = signed_sums(present[:middle]), sorted(signed_sums(present[middle:]))
    reached = sum(len(right) - bisect.bisect_left(right, threshold - part) for part in left)
    return min(1.0, 2 * reached / 2 ** len(present))


def signed_sums(values: Sequence[float]) -> list[float]:
    sums = [0.0]
    for value in values:
        sums = [part + value for part in sums] + [part - value for part in sums]
    return sums


def unrejected(p_value: Callable[[float], float], estimate: float, alpha: float) -> tuple[float | None, float | None]:
    """The effects around the estimate whose p-value is above alpha: (lower, upper), None for an end beyond WIDEST."""
    ends = (edge(lambda effect: p_value(effect) > alpha, estimate, step) for step in (-FIRST_STEP, FIRST_STEP))
    return tuple(end and end[1] for end in ends)


def root(falling: Callable[[float], float], near: float) -> float:
    """Where a function that never rises changes its sign; `near` when it does not within WIDEST of it."""
    direction = 1 if falling(near) > 0 else -1
    found = edge(lambda x: falling(x) * direction > 0, near, direction * FIRST_STEP) if falling(near) else None
    return sum(found) / 2 if found else near


def edge(holds: Callable[[float], bool], start: float, step: float) -> tuple[float, float] | None:
    """The (last place where it holds, first where it does not) of what holds at the start, going from there in steps that double; None within WIDEST of it."""
    inside = start
    while holds(inside + step):
        inside += step
        step *= 2
        if abs(inside + step - start) > WIDEST:
            return None
    outside = inside + step
    while abs(outside - inside) > RESOLUTION:
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if holds(middle) else (inside, middle)
    return inside, outside


class Ranks:
    """Values in whole microseconds with their counts, as a distribution that is continuous: a value v stands for [v - 0.5, v + 0.5)."""

    def __init__(self, counts: dict[int, int]):
        self.values = sorted(counts)
        self.counts = [counts[value] for value in self.values]
        self.below = list(itertools.accumulate(self.counts, initial=0))
        self.total = self.below[-1]

    def count_below(self, x: float) -> float:
        """How many are below x, a value that x lies within counted in part."""
        index = bisect.bisect_left(self.values, x - 0.5)
        if index == len(self.values):
            return self.total
        part = x - (self.values[index] - 0.5)
        return self.below[index] + (self.counts[index] * part if part > 0 else 0)

    def quantile(self, share: float) -> float:
        """The x above 0 below which the share of all lies; ValueError when there is nothing."""
        if not self.total:
            raise ValueError("no values")
        wanted = share * self.total
        index = min(bisect.bisect_left(self.below, wanted, 1), len(self.values)) - 1
        return max(LEAST, self.values[index] - 0.5 + (wanted - self.below[index]) / self.counts[index])


def score_interval(failures: int, trials: int, alpha: float) -> tuple[float, float]:
    """Wilson's interval of a share; (0, 1) when there were no trials."""
    if not trials:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(1 - alpha / 2)
    share, scale = failures / trials, 1 + z * z / trials
    centre = (share + z * z / (2 * trials)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return max(0.0, centre - half), min(1.0, centre + half)


def share_difference_interval(a: tuple[int, int], b: tuple[int, int], alpha: float) -> tuple[float, float]:
    """Newcombe's interval of the difference of two shares, B - A; a and b are (failures, trials)."""
    (low_a, high_a), (low_b, high_b) = score_interval(*a, alpha), score_interval(*b, alpha)
    share_a, share_b = (failures / trials if trials else 0.5 for failures, trials in (a, b))
    difference = share_b - share_a
    return (difference - math.hypot(share_b - low_b, high_a - share_a), difference + math.hypot(high_b - share_b, share_a - low_a))


@functools.cache
def student_t(share: float, degrees: int) -> float:
    """The value below which the share of Student's t distribution lies: sqrt(degrees) tan(angle), where the angle's density goes with cos(angle) ** (degrees - 1)."""
    weights = [math.cos((number + 0.5) / ANGLES * math.pi / 2) ** (degrees - 1) for number in range(ANGLES)]
    reached = list(itertools.accumulate(weights, initial=0.0))
    wanted = abs(2 * share - 1) * reached[-1]
    place = bisect.bisect_left(reached, wanted, 1) - 1
    angle = (place + (wanted - reached[place]) / weights[place]) / ANGLES * math.pi / 2
    return math.copysign(math.sqrt(degrees) * math.tan(angle), share - 0.5)


# Verdicts

FASTER, SLOWER, SAME, OPEN = "faster", "slower", "no difference", "inconclusive"
QUANTILES = {"latency_p50": 50, "latency_p95": 95, "latency_p99": 99}
Interval = tuple[float | None, float | None]


@dataclasses.dataclass(frozen=True)
class Metric:
    """A figure of A and of B, their difference with its interval (percent of A; error_rate: percentage points), and the verdict on B.

    a, b: milliseconds, requests per second, or the share of failed requests (0 to 1). None: the runs cannot tell.
    margin: an interval within +- margin is "no difference".
    """

    name: str
    a: float | None
    b: float | None
    difference: float | None
    interval: Interval
    verdict: str
    margin: float
    reason: str = ""

    def as_json(self) -> dict:
        a, b = rounded(6, self.a, self.b)
        difference, *interval = rounded(3, self.difference, *self.interval)
        data = {"a": a, "b": b, "difference_percent": difference, "interval": interval, "verdict": self.verdict, "margin": self.margin}
        return data | ({"reason": self.reason} if self.reason else {})

    def cells(self) -> list[str]:
        """A, B, difference and interval as people read them."""
        digits, unit = (2, "points") if self.name == "error_rate" else (1, "%")
        low, high = ("unbounded" if end is None else f"{end:+.{digits}f}" for end in self.interval)
        difference = "-" if self.difference is None else f"{round(self.difference, digits) + 0.0:+.{digits}f} {unit}"  # + 0.0 makes a plain 0 of -0
        return [self.figure(self.a), self.figure(self.b), difference, "-" if self.interval == (None, None) else f"{low} .. {high}"]

    def figure(self, value: float | None) -> str:
        if value is None:
            return "-"
        return f"{value:.2%}" if self.name == "error_rate" else f"{value:,.{2 if value < 100 else 1}f} {'ms' if self.name in QUANTILES else '/s'}"


def rounded(digits: int, *values: float | None) -> list[float | None]:
    return [None if value is None else round(value, digits) for value in values]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """alpha: the chance that any metric gets a false "faster" or "slower"; a, b: what was compared, for people."""

    method: str
    alpha: float
    a: str
    b: str
    metrics: dict[str, Metric]
    warnings: list[str] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def reasons(self) -> list[str]:
        """Why metrics are inconclusive."""
        return list(dict.fromkeys(metric.reason for metric in self.metrics.values() if metric.reason))

    @property
    def slower(self) -> list[str]:
        """The metrics in which B is slower (or fails more)."""
        return [name for name, metric in self.metrics.items() if metric.verdict == SLOWER]

    def margins(self, names: dict[str, str] | None = None) -> str:
        return ", ".join(f"{(names or {}).get(name, name)} {metric.margin:g} {'points' if name == 'error_rate' else '%'}" for name, metric in self.metrics.items())

    def as_json(self) -> dict:
        metrics = {name: metric.as_json() for name, metric in self.metrics.items()}
        return {"a": self.a, "b": self.b, "method": self.method, "alpha": self.alpha, "metrics": metrics, "warnings": self.warnings, "notes": self.notes}

    def lines(self) -> list[str]:
        """The table that the console shows."""
        rows = [["", "A", "B", "difference", "interval", "verdict on B"], *([name, *metric.cells(), metric.verdict] for name, metric in self.metrics.items())]
        widths = [max(map(len, column)) for column in zip(*rows)]
        table = ["  ".join(cell.ljust(width) if place in (0, 5) else cell.rjust(width) for place, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in rows]
        said = [
            f"A: {self.a}",
            f"B: {self.b}",
            *table,
            f'"no difference": the interval lies within +- {self.margins()}',
            f'chance of any false "faster" or "slower": {self.alpha:.0%}',
            *(f"inconclusive: {reason}" for reason in self.reasons),
            *self.notes,
            *(f"warning: {warning}" for warning in self.warnings),
        ]
        return ["COMPARISON", *(f"  {line}" for line in said)]


def judged(name: str, a: float, b: float, difference: float, interval: Interval, margin: float, objection: str = "") -> Metric:
    """The Metric with its verdict. objection: why nothing can be concluded, whatever the interval."""
    lower, upper = interval
    more, less = (FASTER, SLOWER) if name == "requests_per_second" else (SLOWER, FASTER)  # what B is when its figure is the greater or the smaller one
    verdict, reason = OPEN, objection
    if objection:
        pass
    elif lower is not None and upper is not None and -margin <= lower and upper <= margin:
        verdict = SAME
    elif lower is not None and lower > 0:
        verdict = more
    elif upper is not None and upper < 0:
        verdict = less
    elif interval == (None, None):
        reason = "too few blocks of time hold requests that slow: no bound on the difference"
    else:
        reason = "the interval holds both no difference and one beyond the margin"
    return Metric(name, a, b, difference, interval, verdict, margin, reason)


def unknown(name: str, a: float | None, b: float | None, margin: float, reason: str) -> Metric:
    return Metric(name, a, b, None, (None, None), OPEN, margin, reason)


# chance of a false "faster" or "slower", by metric: 1 % in all (Bonferroni), most of it for the figure that needs the fewest requests
ALPHAS = {"latency_p50": 0.004, "latency_p95": 0.0015, "latency_p99": 0.0015, "requests_per_second": 0.0015, "error_rate": 0.0015}
# an interval within +- these is "no difference": percent of A, for error_rate percentage points
MARGINS = {"latency_p50": 3.0, "latency_p95": 5.0, "latency_p99": 10.0, "requests_per_second": 3.0, "error_rate": 0.5}
NARROWEST = 0.001  # of the middle fifth of a block's latencies, as a logarithm
FEWEST_BLOCKS = 12  # with fewer, the smallest p-value there is lies too close to what a verdict needs
METHOD = "each request went to A or B at random in one schedule; exact sign-flip tests over paired blocks of time, inverted for the intervals; Bonferroni over the five metrics"
CLOSED_NOTE = "requests_per_second: what the connections would carry if all their time went to this one target, at the latencies measured"
OPEN_NOTE = "requests_per_second: the rate offered to each target times the share of it that was answered"
Pairs = Sequence[tuple[Part, Part]]
Counted = tuple[float, float]  # how many of something, among how many


def compare(plan: Plan, a: Measurement, b: Measurement) -> Comparison:
    """B against A after a run with Plan.mode "compare"."""
    pairs = list(zip(a.blocks, b.blocks))
    offered_per_s = (plan.scheduled or 0) / plan.duration_s / 2 if plan.model == "open" else None
    metrics = [latency_metric(name, pairs, percent / 100) for name, percent in QUANTILES.items()]
    metrics += [throughput_metric(pairs, plan.concurrency, offered_per_s), error_metric(pairs)]
    note = CLOSED_NOTE if offered_per_s is None else OPEN_NOTE
    named = {metric.name: metric for metric in metrics}
    return Comparison(METHOD, round(sum(ALPHAS.values()), 6), masked_url(a.target.url), masked_url(b.target.url), named, notes=[note])


def objection(blocks: int) -> str:
    return "" if blocks >= FEWEST_BLOCKS else f"only {blocks} blocks of time hold answers of both, {FEWEST_BLOCKS} are needed"


def ratio_metric(name: str, a: float, b: float, unit: float, blocks: int, differences: Callable[[float], list[float]]) -> Metric:
    """Its interval: the ratios B / A that are not rejected, in percent above 1, with the one seen.
    differences(ratio): what is left per block when B is divided by the ratio."""

    @functools.cache
    def left(assumed: float) -> list[float]:
        return differences(math.exp(assumed))

    def p_value(assumed: float) -> float:
        return sign_flip_p_value(left(assumed))

    log_ratio = math.log(b / a)
    lower, upper = unrejected(p_value, root(lambda assumed: math.fsum(left(assumed)), log_ratio), ALPHAS[name])
    held = [log_ratio] + ([0.0] if p_value(0.0) > ALPHAS[name] else [])
    interval: Interval = tuple(None if end is None else 100 * math.expm1(choose(end, *held)) for end, choose in ((lower, min), (upper, max)))
    return judged(name, a / unit, b / unit, 100 * (b / a - 1), interval, MARGINS[name], objection(blocks))


def excess(a: Counted, b: Counted) -> float:
    """By how much more of B's than of A's have something, weighted by their numbers (Mantel-Haenszel)."""
    return (b[0] * a[1] - a[0] * b[1]) / ((a[1] + b[1]) or 1)


def latency_metric(name: str, pairs: Pairs, share: float) -> Metric:
    whole_a, whole_b = (Ranks(merged(pair[arm].histogram for pair in pairs)) for arm in (0, 1))
    a, b = (whole.quantile(share) if whole.total else None for whole in (whole_a, whole_b))
    if a is None or b is None:
        return unknown(name, a and a / 1000, b and b / 1000, MARGINS[name], "a target gave no complete answer")
    blocks = [(Ranks(one.histogram), Ranks(other.histogram)) for one, other in pairs if one.histogram and other.histogram]
    if share == 0.5:
        return ratio_metric(name, a, b, 1000, len(blocks), functools.partial(above_median, blocks))

    def above_quantile(ratio: float) -> list[float]:
        x = common_quantile(whole_a, whole_b, share, ratio)
        return [above(one, other, x, ratio) for one, other in blocks]

    return ratio_metric(name, a, b, 1000, len(blocks), above_quantile)


def above(a: Ranks, b: Ranks, x: float, ratio: float) -> float:
    """By how much more of B / ratio than of A lies above x."""
    return -excess((a.count_below(x), a.total), (b.count_below(x * ratio), b.total))


def above_median(blocks: Sequence[tuple[Ranks, Ranks]], ratio: float) -> list[float]:
    """Per block, by how much more of B's requests than of A's lie above its own common median, divided by how widely its middle fifth is spread."""
    found = []
    for a, b in blocks:
        low, median, high = (common_quantile(a, b, share, ratio) for share in (0.4, 0.5, 0.6))
        found.append(above(a, b, median, ratio) / max(NARROWEST, math.log(high / low)))
    return found


def common_quantile(a: Ranks, b: Ranks, share: float, ratio: float) -> float:
    """The x at which the mean of A's and of B / ratio's distribution functions is the share."""
    low, high = sorted((a.quantile(share), b.quantile(share) / ratio))
    for _ in range(40):
        x = (low + high) / 2
        if a.count_below(x) / a.total + b.count_below(x * ratio) / b.total < 2 * share:
            low = x
        else:
            high = x
    return high


def throughput_metric(pairs: Pairs, connections: int, offered_per_s: float | None) -> Metric:
    """Sent at random to A or B, both get the same number of requests; so, in the closed model, what the connections would carry if all their time
    went to this target (Little's law: answers per second of connection time), and in the open model the offered rate times the share answered."""
    name, scale = "requests_per_second", connections if offered_per_s is None else offered_per_s
    blocks = [tuple((arm.answered, arm.slot_s if offered_per_s is None else arm.ended) for arm in pair) for pair in pairs if pair[0].ended and pair[1].ended]
    sums = [[math.fsum(pair[arm][part] for pair in blocks) for part in (0, 1)] for arm in (0, 1)]
    a, b = (scale * done / spent if spent else 0.0 for done, spent in sums)
    if not (a and b):
        return unknown(name, a, b, MARGINS[name], "a target gave no complete answer")
    return ratio_metric(name, a, b, 1, len(blocks), lambda ratio: [excess(one, (done / ratio, spent)) for one, (done, spent) in blocks])


def error_metric(pairs: Pairs) -> Metric:
    """Shares of failed requests; the interval is the wider of the block test's and Newcombe's, which holds for rare failures too."""
    name = "error_rate"
    blocks = [((a.failed, a.ended), (b.failed, b.ended)) for a, b in pairs if a.ended and b.ended]
    if not blocks:
        return unknown(name, None, None, MARGINS[name], "a target ended no request")

    def p_value(shift: float) -> float:
        return sign_flip_p_value([excess(one, (failed - shift * ended, ended)) for one, (failed, ended) in blocks])

    whole_a, whole_b = (tuple(map(sum, zip(*(pair[arm] for pair in blocks)))) for arm in (0, 1))
    a, b = whole_a[0] / whole_a[1], whole_b[0] / whole_b[1]
    tested, counted = unrejected(p_value, b - a, ALPHAS[name]), share_difference_interval(whole_a, whole_b, ALPHAS[name])
    held = [end for end in (*tested, *counted) if end is not None] + ([0.0] if p_value(0.0) > ALPHAS[name] else [])
    return judged(name, a, b, 100 * (b - a), (100 * min(held), 100 * max(held)), MARGINS[name], objection(len(blocks)))
