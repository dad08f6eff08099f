"""Measurements filled request by request, for the engines in which a request costs much more than the noting of it."""

from __future__ import annotations

import math

from senior_backend.load.histogram import Histogram
from senior_backend.load.measurement import BlockCounts, Measurement, Second
from senior_backend.load.plan import Plan, Target


class Collector:
    """One target as one thread or process sees it; `measurement`s of several are merged with Measurement.add. Times in seconds since the duration began."""

    def __init__(self, plan: Plan, target: Target, engine: str):
        self.plan, self.engine = plan, engine
        seconds = [Second(min(1.0, plan.duration_s - begin)) for begin in range(max(1, math.ceil(plan.duration_s)))]
        blocks = [BlockCounts(seconds=plan.duration_s / plan.blocks) for _ in range(plan.blocks)]
        self.measurement = Measurement(target, timeline=seconds, blocks=blocks, seconds=plan.duration_s, engine=engine)

    def start(self, at_s: float) -> None:
        """A request begun within the duration."""
        self.measurement.accounting.started += 1
        self.second(at_s).started += 1

    def second(self, at_s: float) -> Second:
        return self.measurement.timeline[min(len(self.measurement.timeline) - 1, max(0, int(at_s)))]

    def block(self, at_s: float) -> BlockCounts:
        return self.measurement.blocks[min(self.plan.blocks - 1, max(0, int(at_s / self.plan.duration_s * self.plan.blocks)))]

    def answer(self, at_s: float, status: int, latency_s: float, service_s: float, size: int) -> None:
        """A complete answer; what comes after the end of the duration counts in the latencies alone."""
        seen, latency_us = self.measurement, round(latency_s * 1e6)
        ok = seen.is_ok(status, self.plan.expect_status)
        if status not in seen.first_seen:
            seen.first_seen[status] = (seen.accounting.ok + seen.accounting.failed, at_s)
        seen.statuses.setdefault(status, Histogram()).add(latency_us)
        seen.latency.add(latency_us)
        seen.service.add(round(service_s * 1e6))
        seen.bytes_received += size
        seen.accounting.ok += ok
        seen.accounting.failed += not ok
        if at_s <= self.plan.duration_s:
            second = self.second(at_s)
            second.statuses[status] = second.statuses.get(status, 0) + 1
            for part in (second, self.block(at_s)):
                part.answered += 1
                part.failed += not ok
                part.histogram.add(latency_us)
            seen.answered += 1

    def failure(self, at_s: float, kind: str, latency_s: float) -> None:
        """A request that ended without a complete answer."""
        seen = self.measurement
        seen.errors[kind] = seen.errors.get(kind, 0) + 1
        seen.accounting.failed += 1
        if at_s <= self.plan.duration_s:
            self.second(at_s).failed += 1
            block = self.block(at_s)
            block.failed += 1
            block.broken += 1
            block.broken_s += latency_s
