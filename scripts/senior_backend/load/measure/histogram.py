"""Exact, mergeable histograms of durations: a plain mapping {whole microseconds: count}."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping


class Histogram(dict):
    """{microseconds: count}. Nothing is rounded into buckets, so merging and percentiles are exact to the microsecond."""

    def add(self, microseconds: int, count: int = 1) -> None:
        self[microseconds] = self.get(microseconds, 0) + count

    def merge(self, other: Mapping[int, int]) -> Histogram:
        for microseconds, count in other.items():
            self[microseconds] = self.get(microseconds, 0) + count
        return self

    @property
    def total(self) -> int:
        """How many durations it holds."""
        return sum(self.values())

    def percentile_ms(self, percent: float) -> float:
        """The smallest duration that `percent` of all do not exceed (nearest rank), in milliseconds; 0.0 when empty."""
        return self.percentiles_ms([percent])[0]

    def percentiles_ms(self, percents: Iterable[float]) -> list[float]:
        """percentile_ms for several ascending percents in one pass."""
        total = self.total
        wanted = [max(1, math.ceil(round(total * percent / 100, 6))) for percent in percents]
        if not total:
            return [0.0] * len(wanted)
        found, below, ordered = [], 0, iter(sorted(self.items()))
        microseconds = 0
        for rank in wanted:
            while below < rank:
                microseconds, count = next(ordered)
                below += count
            found.append(microseconds / 1000)
        return found

    @property
    def mean_ms(self) -> float:
        total = self.total
        return sum(microseconds * count for microseconds, count in self.items()) / total / 1000 if total else 0.0

    @property
    def stddev_ms(self) -> float:
        """Standard deviation of the sample."""
        total = self.total
        if total < 2:
            return 0.0
        mean = sum(microseconds * count for microseconds, count in self.items()) / total
        return math.sqrt(sum(count * (microseconds - mean) ** 2 for microseconds, count in self.items()) / (total - 1)) / 1000

    @property
    def min_ms(self) -> float:
        return min(self) / 1000 if self else 0.0

    @property
    def max_ms(self) -> float:
        return max(self) / 1000 if self else 0.0


def merged(histograms: Iterable[Mapping[int, int]]) -> Histogram:
    """One histogram of all."""
    whole = Histogram()
    for histogram in histograms:
        whole.merge(histogram)
    return whole
