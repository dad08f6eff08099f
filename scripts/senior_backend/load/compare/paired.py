"""Two targets in one schedule, each request sent to A or B at random: paired tests over blocks of time.

For an assumed ratio B / A, B's figures are divided by it and, block by block, what is left of a difference is taken; if
the ratio is right, that is chance alone (statistics.sign_flip_p_value). The interval holds every ratio that this test
does not reject, and the ratio seen. For a latency quantile the difference is in how many requests of A and of B lie above
the quantile common to both: over the whole run, the figure that the report shows; for the median block by block, the
calm blocks counting most, so that moments in which the machine was busy with other things do not drown it. Only what
differs between the arms within the same moment counts as noise.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence

from senior_backend.load.compare.verdicts import Comparison, Interval, Metric, judged, unknown
from senior_backend.load.measure.measurement import Histogram, Measurement, Part, add
from senior_backend.load.plan.messages import masked_url
from senior_backend.load.plan.model import Plan
from senior_backend.load.compare.statistics import Ranks, root, share_difference_interval, sign_flip_p_value, unrejected

# chance of a false "faster" or "slower", by metric: 1 % in all (Bonferroni), most of it for the figure that needs the fewest requests
ALPHAS = {"latency_p50": 0.004, "latency_p95": 0.0015, "latency_p99": 0.0015, "requests_per_second": 0.0015, "error_rate": 0.0015}
# an interval within +- these is "no difference": percent of A, for error_rate percentage points
MARGINS = {"latency_p50": 3.0, "latency_p95": 5.0, "latency_p99": 10.0, "requests_per_second": 3.0, "error_rate": 0.5}
QUANTILES = {"latency_p50": 0.50, "latency_p95": 0.95, "latency_p99": 0.99}
NARROWEST = 0.001  # of the middle fifth of a block's latencies, as a logarithm
MOST_BLOCKS = 20  # exact p-values take 2**(blocks / 2) steps
FEWEST_BLOCKS = 12  # with fewer, the smallest p-value there is lies too close to what a verdict needs
METHOD = "each request went to A or B at random in one schedule; exact sign-flip tests over paired blocks of time, inverted for the intervals; Bonferroni over the five metrics"
CLOSED_NOTE = "requests_per_second: what the connections would carry if all their time went to this one target, at the latencies measured"
OPEN_NOTE = "requests_per_second: the rate offered to each target times the share of it that was answered"


@dataclasses.dataclass(frozen=True)
class Block:
    """What one arm saw in one span of time. ended: complete answers and broken requests; failed: those of them that are not ok;
    slot_s: connection time spent on them."""

    histogram: Histogram
    ended: int
    failed: int
    slot_s: float

    @classmethod
    def of(cls, counts: Part) -> Block:
        slot_s = sum(microseconds * count for microseconds, count in counts.histogram.items()) / 1e6 + counts.broken_s
        return cls(counts.histogram, counts.answered + counts.broken, counts.failed, slot_s)


Pairs = Sequence[tuple[Block, Block]]


def compare(plan: Plan, a: Measurement, b: Measurement) -> Comparison:
    """B against A after a run with Plan.mode "compare"."""
    pairs = [tuple(map(Block.of, pair)) for pair in merged(list(zip(a.blocks, b.blocks)))]
    offered_per_s = (plan.scheduled or 0) / plan.duration_s / 2 if plan.model == "open" else None
    metrics = {name: latency_metric(name, pairs, share) for name, share in QUANTILES.items()}
    metrics["requests_per_second"] = throughput_metric(pairs, plan.concurrency, offered_per_s)
    metrics["error_rate"] = error_metric(pairs)
    return Comparison(
        METHOD, round(sum(ALPHAS.values()), 6), masked_url(a.target.url), masked_url(b.target.url), metrics, notes=[OPEN_NOTE if offered_per_s is not None else CLOSED_NOTE]
    )


def merged(pairs: list[tuple[Part, Part]]) -> list[tuple[Part, Part]]:
    """Neighbours joined until there are at most MOST_BLOCKS."""
    while len(pairs) > MOST_BLOCKS:
        pairs = [tuple(map(joined, zip(*pairs[i : i + 2]))) for i in range(0, len(pairs), 2)]
    return pairs


def joined(blocks: tuple[Part, ...]) -> Part:
    whole = Part()
    for block in blocks:
        add(whole, block)
    return whole


def objection(blocks: int) -> str:
    return "" if blocks >= FEWEST_BLOCKS else f"only {blocks} blocks of time hold answers of both, {FEWEST_BLOCKS} are needed"


def ratio_interval(differences: Callable[[float], list[float]], log_ratio: float, alpha: float) -> Interval:
    """The ratios B / A that are not rejected, in percent above 1, with the one seen.
    differences(ratio): what is left per block when B is divided by the ratio."""

    @functools.cache
    def left(assumed: float) -> list[float]:
        return differences(math.exp(assumed))

    def p_value(assumed: float) -> float:
        return sign_flip_p_value(left(assumed))

    lower, upper = unrejected(p_value, root(lambda assumed: math.fsum(left(assumed)), log_ratio), alpha)
    held = [log_ratio] + ([0.0] if p_value(0.0) > alpha else [])
    return tuple(None if end is None else 100 * math.expm1(choose(end, *held)) for end, choose in ((lower, min), (upper, max)))


def latency_metric(name: str, pairs: Pairs, share: float) -> Metric:
    whole_a, whole_b = (Ranks(joined_histogram(arm)) for arm in (list(zip(*pairs)) or [(), ()]))
    a, b = (whole.quantile(share) if whole.total else None for whole in (whole_a, whole_b))
    if a is None or b is None:
        return unknown(a and a / 1000, b and b / 1000, MARGINS[name], "a target gave no complete answer")
    blocks = [(Ranks(one.histogram), Ranks(other.histogram)) for one, other in pairs if one.histogram and other.histogram]
    excess = functools.partial(excess_within_blocks, blocks) if share == 0.5 else functools.partial(excess_of_b, blocks, whole_a, whole_b, share)
    interval = ratio_interval(excess, math.log(b / a), ALPHAS[name])
    return judged(name, a / 1000, b / 1000, 100 * (b / a - 1), interval, MARGINS[name], objection(len(blocks)))


def joined_histogram(blocks: Sequence[Block]) -> Histogram:
    whole = Histogram()
    for block in blocks:
        whole.merge(block.histogram)
    return whole


def excess_of_b(blocks: Sequence[tuple[Ranks, Ranks]], whole_a: Ranks, whole_b: Ranks, share: float, ratio: float) -> list[float]:
    """Per block, by how much more of B's requests than of A's lie above the quantile common to A and B / ratio (Mantel-Haenszel weights)."""
    x = common_quantile(whole_a, whole_b, share, ratio)
    return [(a.count_below(x) * b.total - b.count_below(x * ratio) * a.total) / (a.total + b.total) for a, b in blocks]


def excess_within_blocks(blocks: Sequence[tuple[Ranks, Ranks]], ratio: float) -> list[float]:
    """Per block, by how much more of B's requests than of A's lie above its own common median, divided by how widely its middle fifth is spread."""
    found = []
    for a, b in blocks:
        low, median, high = (common_quantile(a, b, share, ratio) for share in (0.4, 0.5, 0.6))
        above = (a.count_below(median) * b.total - b.count_below(median * ratio) * a.total) / (a.total + b.total)
        found.append(above / max(NARROWEST, math.log(high / low)))
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
    name = "requests_per_second"
    blocks = [tuple((arm.histogram.total, arm.slot_s if offered_per_s is None else arm.ended) for arm in pair) for pair in pairs if pair[0].ended and pair[1].ended]
    a, b = (done_per([pair[arm] for pair in blocks], connections if offered_per_s is None else offered_per_s) for arm in (0, 1))
    if not (a and b):
        return unknown(a, b, MARGINS[name], "a target gave no complete answer")
    interval = ratio_interval(functools.partial(surplus_of_b, blocks), math.log(b / a), ALPHAS[name])
    return judged(name, a, b, 100 * (b / a - 1), interval, MARGINS[name], objection(len(blocks)))


def done_per(work: Sequence[tuple[float, float]], scale: float) -> float:
    spent = math.fsum(spent for _, spent in work)
    return scale * math.fsum(done for done, _ in work) / spent if spent else 0.0


def surplus_of_b(blocks: Sequence[tuple[tuple[float, float], tuple[float, float]]], ratio: float) -> list[float]:
    return [(done_b / ratio * spent_a - done_a * spent_b) / ((spent_a + spent_b) or 1) for (done_a, spent_a), (done_b, spent_b) in blocks]


def error_metric(pairs: Pairs) -> Metric:
    """Shares of failed requests; the interval is the wider of the block test's and Newcombe's, which holds for rare failures too."""
    name = "error_rate"
    alpha, margin = ALPHAS[name], MARGINS[name]
    blocks = [((a.failed, a.ended), (b.failed, b.ended)) for a, b in pairs if a.ended and b.ended]
    if not blocks:
        return unknown(None, None, margin, "a target ended no request")
    (failed_a, ended_a), (failed_b, ended_b) = (tuple(map(sum, zip(*(pair[arm] for pair in blocks)))) for arm in (0, 1))
    a, b = failed_a / ended_a, failed_b / ended_b
    tested = unrejected(lambda shift: sign_flip_p_value(failures_more_of_b(blocks, shift)), b - a, alpha)
    counted = share_difference_interval((failed_a, ended_a), (failed_b, ended_b), alpha)
    held = [end for end in (*tested, *counted) if end is not None] + ([0.0] if sign_flip_p_value(failures_more_of_b(blocks, 0.0)) > alpha else [])
    return judged(name, a, b, 100 * (b - a), (100 * min(held), 100 * max(held)), margin, objection(len(blocks)))


def failures_more_of_b(blocks: Sequence[tuple[tuple[int, int], tuple[int, int]]], shift: float) -> list[float]:
    return [((failed_b - shift * ended_b) * ended_a - failed_a * ended_b) / (ended_a + ended_b) for (failed_a, ended_a), (failed_b, ended_b) in blocks]
