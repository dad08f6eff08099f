"""B against A from one schedule in which each request went to A or B at random: per metric an interval and a verdict.

Quantiles: for an assumed ratio B / A, B's times are divided by it and, block by block, the requests of A and of B above
the common quantile are counted; if the ratio is right, the counts differ by chance alone (statistics.sign_flip_p_value).
The interval holds every ratio that this test does not reject. So the figure compared is the one the report shows (the
quantile of the whole run), and only what varies between the arms within the same moment counts as noise.
"""
from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence

from senior_backend.load.statistics import Ranks, share_difference_interval, sign_flip_p_value, unrejected

FAMILY_ALPHA = 0.01     # chance that any of a comparison's five metrics gets a false "faster" or "slower"
MOST_BLOCKS, FEWEST_BLOCKS = 20, 12     # exact p-values need 2**(n/2) steps; below 12 blocks 0.2 % cannot be reached even when all agree but one
QUANTILES = {"latency_p50": 0.50, "latency_p95": 0.95, "latency_p99": 0.99}
# differences within these are "no difference": percent of A, for error_rate percentage points
MARGINS = {"latency_p50": 3.0, "latency_p95": 5.0, "latency_p99": 10.0, "requests_per_second": 3.0, "error_rate": 0.5}
METRICS = tuple(MARGINS)
FASTER, SLOWER, SAME, OPEN = "faster", "slower", "no difference", "inconclusive"


@dataclasses.dataclass(frozen=True)
class Block:
    """What one arm saw in one span of time. counts: {microseconds: answers}; slot_s: seconds that connections spent on its requests."""
    counts: dict[int, int]
    answered: int
    failed: int
    ended: int
    slot_s: float


@dataclasses.dataclass(frozen=True)
class Metric:
    """A figure of A and of B, their difference with its interval (percent of A; percentage points for error_rate), and the verdict on B.

    difference and the interval's ends are None where the run cannot tell (no answers, or too few to bound it).
    """
    a: float | None
    b: float | None
    difference: float | None
    interval: tuple[float | None, float | None]
    verdict: str
    margin: float
    reason: str = ""

    def as_json(self) -> dict:
        ends = [None if end is None else round(end, 3) for end in self.interval]
        data = {"a": rounded(self.a), "b": rounded(self.b), "difference_percent": rounded(self.difference, 3), "interval": ends, "verdict": self.verdict, "margin": self.margin}
        return data | ({"reason": self.reason} if self.reason else {})


def rounded(value: float | None, digits: int = 6) -> float | None:
    return None if value is None else round(value, digits)


def compare(a: Sequence[Block], b: Sequence[Block], pace: "Pace", margins: dict[str, float] | None = None) -> dict[str, Metric]:
    """{metric: Metric} for the blocks of the two arms, in the same order of time."""
    pairs = merged(list(zip(a, b, strict=True)))
    alpha = FAMILY_ALPHA / len(METRICS)
    margins = MARGINS | (margins or {})
    found = {name: quantile_metric(pairs, share, alpha, margins[name]) for name, share in QUANTILES.items()}
    found["requests_per_second"] = throughput_metric(pairs, pace, alpha, margins["requests_per_second"])
    found["error_rate"] = error_metric(pairs, alpha, margins["error_rate"])
    return found


@dataclasses.dataclass(frozen=True)
class Pace:
    """How requests were sent: connections (closed model), or the requests/s offered to each arm (open model)."""
    connections: int
    offered_per_s: float | None = None


def merged(pairs: list[tuple[Block, Block]]) -> list[tuple[Block, Block]]:
    """Neighbours joined until there are at most MOST_BLOCKS."""
    while len(pairs) > MOST_BLOCKS:
        joined = [tuple(map(join, *pairs[i:i + 2])) for i in range(0, len(pairs) - 1, 2)]
        pairs = joined + pairs[len(joined) * 2:]
    return pairs


def join(one: Block, other: Block) -> Block:
    counts = dict(one.counts)
    for value, count in other.counts.items():
        counts[value] = counts.get(value, 0) + count
    return Block(counts, one.answered + other.answered, one.failed + other.failed, one.ended + other.ended, one.slot_s + other.slot_s)


def verdict(lower: float | None, upper: float | None, margin: float, more_is: str, informative: int) -> tuple[str, str]:
    """(verdict, reason) from an interval; more_is: the verdict when B's figure is the greater one; informative: blocks that saw both arms."""
    if informative < FEWEST_BLOCKS:
        return OPEN, f"only {informative} blocks of time saw both targets; {FEWEST_BLOCKS} are needed"
    if lower is not None and upper is not None and -margin <= lower and upper <= margin:
        return SAME, ""
    if lower is not None and lower > 0:
        return more_is, ""
    if upper is not None and upper < 0:
        return {FASTER: SLOWER, SLOWER: FASTER}[more_is], ""
    return OPEN, ""


# quantiles of latency

def quantile_metric(pairs: list[tuple[Block, Block]], share: float, alpha: float, margin: float) -> Metric:
    ranks = [(Ranks(a.counts), Ranks(b.counts)) for a, b in pairs]
    both = [pair for pair in ranks if pair[0].total and pair[1].total]
    all_a, all_b = (Ranks(functools.reduce(join, arm).counts) for arm in zip(*pairs))
    figures = [arm.quantile(share) if arm.total else None for arm in (all_a, all_b)]
    if None in figures:
        return Metric(*(in_ms(figure) for figure in figures), None, (None, None), OPEN, margin, "a target without a complete answer")
    estimate = math.log(max(figures[1], 0.5) / max(figures[0], 0.5))

    @functools.cache
    def p_value(log_ratio: float) -> float:
        return sign_flip_p_value(quantile_differences(both, all_a, all_b, share, math.exp(log_ratio)))

    ends = percents(p_value, estimate, alpha)
    return Metric(*(in_ms(figure) for figure in figures), in_percent(estimate), ends, *verdict(*ends, margin, SLOWER, len(both)), *()) if False else \
        with_verdict(in_ms(figures[0]), in_ms(figures[1]), in_percent(estimate), ends, margin, SLOWER, len(both))
