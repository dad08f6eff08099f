"""Two targets in one schedule, each request sent to A or B at random: paired tests over blocks of time.

For an assumed ratio B / A, B's figures are divided by it and, block by block, what is left of a difference is taken; if
the ratio is right, that is chance alone (verdicts.sign_flip_p_value). The interval holds every ratio that this test
does not reject, and the ratio seen. For a latency quantile the difference is in how many requests of A and of B lie above
the quantile common to both: over the whole run, the figure that the report shows; for the median block by block, the
calm blocks counting most, so that moments in which the machine was busy with other things do not drown it. Only what
differs between the arms within the same moment counts as noise.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

from senior_backend.load.compare.verdicts import QUANTILES, Comparison, Interval, Metric, Ranks, judged, root, share_difference_interval, sign_flip_p_value, unknown, unrejected
from senior_backend.load.measure.measurement import Measurement, Part, merged
from senior_backend.load.plan.messages import masked_url
from senior_backend.load.plan.model import Plan

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
