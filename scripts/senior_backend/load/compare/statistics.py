"""Paired block tests: exact sign-flip p-values, and intervals made of all the effects that such a test does not reject.

Requests went to A or B by the toss of a coin, so if A and B are alike, swapping the two labels within a block of time
changes nothing in the distribution of what was seen, however much the machine drifted or stalled. Hence each block's
difference B - A may have its sign flipped, and the share of the 2**n sign patterns that give a sum at least as large as
the one seen is an exact p-value.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

WIDEST = math.log(1000)  # an effect beyond a factor of 1000 is not searched for
LEAST = 0.01  # microseconds: 0 has no logarithm
RESOLUTION = 1e-4  # intervals end within 0.01 % of where the test stops rejecting


def sign_flip_p_value(differences: Sequence[float]) -> float:
    """Two-sided exact p-value of sum(differences) being 0 when each sign is a coin toss; 1.0 when nothing differs.

    At most 24 differences (merge neighbouring blocks beyond that): the 2**n sums are counted as pairs of two halves.
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


def unrejected(p_value: Callable[[float], float], estimate: float, alpha: float, first_step: float = 0.005) -> tuple[float | None, float | None]:
    """The effects around the estimate whose p-value is above alpha: (lower, upper), None for an end beyond WIDEST."""
    return tuple(boundary(p_value, estimate, alpha, direction * first_step) for direction in (-1, 1))


def root(falling: Callable[[float], float], near: float, step: float = 0.005) -> float:
    """Where a function that never rises changes its sign; `near` when it does not within WIDEST of it."""
    direction = 1 if falling(near) > 0 else -1
    inside = outside = near
    while falling(outside) * direction > 0:
        inside, outside = outside, outside + direction * step
        step *= 2
        if abs(outside - near) > WIDEST:
            return near
    while abs(outside - inside) > RESOLUTION:
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if falling(middle) * direction > 0 else (inside, middle)
    return (inside + outside) / 2


def boundary(p_value: Callable[[float], float], estimate: float, alpha: float, step: float) -> float | None:
    inside = estimate
    while p_value(inside + step) > alpha:
        inside += step
        step *= 2
        if abs(inside + step - estimate) > WIDEST:
            return None
    outside = inside + step
    while abs(outside - inside) > RESOLUTION:
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if p_value(middle) > alpha else (inside, middle)
    return outside


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


def student_t(share: float, degrees: float) -> float:
    """The value below which the share of Student's t distribution lies."""
    low, high = -1e4, 1e4
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if student_t_below(middle, degrees) < share else (low, middle)
    return (low + high) / 2


def student_t_below(t: float, degrees: float) -> float:
    tail = incomplete_beta(degrees / 2, 0.5, degrees / (degrees + t * t)) / 2
    return 1 - tail if t > 0 else tail


def incomplete_beta(a: float, b: float, x: float) -> float:
    """Regularised incomplete beta function by Lentz's continued fraction (Numerical Recipes 6.4)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(b, a, 1 - x)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, 300):
        for numerator in (m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))):
            d = 1 / (1 + numerator * d)
            c = 1 + numerator / c
            fraction *= c * d
        if abs(c * d - 1) < 1e-12:
            break
    return front * fraction
