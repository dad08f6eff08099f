"""Books of one target while the load runs: a Recorder kept cheap for the event loop, a Collector for the engines in which a request costs much more than noting it."""

from __future__ import annotations

import collections
import dataclasses
import math

from senior_backend.load.measure.histogram import Histogram
from senior_backend.load.measure.measurement import BlockCounts, Measurement, Second, add_counts
from senior_backend.load.plan.model import Plan, Target

KNOWN_ANSWERS, KNOWN_BYTES = 256, 4096
SEEN_ONCE = 4096


class KnownAnswer:
    """An answer whose very bytes came before: complete, connection usable again. counts and services: {microseconds: count} since the last slice."""

    __slots__ = ("status", "size", "counts", "services")

    def __init__(self, status: int, size: int):
        self.status, self.size = status, size
        self.counts: dict[int, int] = collections.defaultdict(int)
        self.services: dict[int, int] = collections.defaultdict(int)


@dataclasses.dataclass(frozen=True, slots=True)
class Slice:
    """A piece of the measured time that lies in one second and one block. end_ns: since the start of the duration."""

    end_ns: int
    second: int
    block: int


def slices_of(plan: Plan) -> list[Slice]:
    """The measured time cut at every second and at every edge of a block."""
    whole = round(plan.duration_s * 1e9)
    seconds = range(1_000_000_000, whole, 1_000_000_000)
    blocks = [whole * number // plan.blocks for number in range(1, plan.blocks)]
    edges = sorted({*seconds, *blocks, whole})
    return [Slice(end, (end - 1) // 1_000_000_000, min(plan.blocks - 1, (end - 1) * plan.blocks // whole)) for end in edges]


class Recorder:
    """One target's counts. The loop itself adds to `started` and to the counts of `known` answers; all else comes through methods."""

    __slots__ = ("target", "plan", "measurement", "known", "seen", "started", "drained_started", "statuses", "errors", "broken_s", "service", "received", "origin_ns")

    def __init__(self, target: Target, plan: Plan):
        self.target, self.plan = target, plan
        self.known: dict[bytes, KnownAnswer] = {}
        self.seen: set[int] = set()
        self.origin_ns = 0
        self.restart()

    def restart(self) -> None:
        """Forget all counts (the end of a warm-up)."""
        seconds = [Second(min(1.0, self.plan.duration_s - begin)) for begin in range(max(1, -int(-self.plan.duration_s // 1)))]
        blocks = [BlockCounts(seconds=self.plan.duration_s / self.plan.blocks) for _ in range(self.plan.blocks)]
        self.measurement = Measurement(self.target, timeline=seconds, blocks=blocks)
        self.started = self.drained_started = 0
        self.known.clear()
        self.fresh()

    def fresh(self) -> None:
        self.statuses: dict[int, Histogram] = {}
        self.errors: dict[str, int] = {}
        self.broken_s = 0.0
        self.service = Histogram()
        self.received = 0

    def answer(self, status: int, latency_us: int, service_us: int, size: int) -> None:
        """A complete answer."""
        histogram = self.statuses.get(status)
        if histogram is None:
            histogram = self.statuses[status] = Histogram()
        histogram[latency_us] = histogram.get(latency_us, 0) + 1
        self.service[service_us] = self.service.get(service_us, 0) + 1
        self.received += size

    def first_of_status(self, status: int, head: bytes, now_ns: int) -> None:
        """Keep what the first answer of a status looked like and when it came."""
        measurement = self.measurement
        if status not in measurement.heads:
            measurement.heads[status] = head.decode("latin-1")
            measurement.first_seen[status] = (self.ended(), (now_ns - self.origin_ns) / 1e9)

    def ended(self) -> int:
        """Requests that have ended so far."""
        live = sum(sum(known.counts.values()) for known in self.known.values()) + sum(histogram.total for histogram in self.statuses.values()) + sum(self.errors.values())
        return live + self.measurement.latency.total + sum(self.measurement.errors.values())

    def remember(self, data: bytes, status: int) -> None:
        """Know this answer from its second coming on, so that answers which never repeat cost little."""
        if len(data) > KNOWN_BYTES or data in self.known or len(self.known) >= KNOWN_ANSWERS:
            return
        if hash(data) in self.seen:
            self.known[data] = KnownAnswer(status, len(data))
        elif len(self.seen) < SEEN_ONCE:
            self.seen.add(hash(data))

    def failure(self, kind: str, under_way_s: float) -> None:
        """A request that ended without a complete answer."""
        self.broken_s += under_way_s
        self.errors[kind] = self.errors.get(kind, 0) + 1

    def note(self, kind: str) -> None:
        add_counts(self.measurement.notes, {kind: 1})

    def drain(self, piece: Slice | None) -> Second:
        """Pour the counts since the last call into the measurement; piece None: after the end of the duration. Gives the counts of this call."""
        self.pour_known()
        measurement, plan = self.measurement, self.plan
        counts = Second(0.0, self.started - self.drained_started)
        for status, histogram in self.statuses.items():
            measurement.statuses.setdefault(status, Histogram()).merge(histogram)
            measurement.latency.merge(histogram)
            counts.histogram.merge(histogram)
            counts.statuses[status] = histogram.total
        counts.answered = sum(counts.statuses.values())
        refused = sum(count for status, count in counts.statuses.items() if not measurement.is_ok(status, plan.expect_status))
        counts.failed = sum(self.errors.values()) + refused
        measurement.service.merge(self.service)
        add_counts(measurement.errors, self.errors)
        measurement.bytes_received += self.received
        self.drained_started = self.started
        if piece:
            measurement.answered += counts.answered
            measurement.timeline[piece.second].add(counts)
            measurement.blocks[piece.block].add(BlockCounts(counts.histogram, counts.answered, counts.failed, 0.0, sum(self.errors.values()), self.broken_s))
        self.fresh()
        return counts

    def pour_known(self) -> None:
        """Take over the counts of known answers; those that did not come in this slice are forgotten."""
        for data, known in list(self.known.items()):
            if not known.counts:
                del self.known[data]
                continue
            histogram = self.statuses.setdefault(known.status, Histogram())
            histogram.merge(known.counts)
            self.service.merge(known.services or known.counts)
            self.received += known.size * sum(known.counts.values())
            known.counts.clear()
            known.services.clear()
        self.seen.clear()

    def close(self, in_flight: int, never_sent: int, seconds: float, interrupted: bool) -> Measurement:
        """The finished measurement, its books closed."""
        self.drain(None)
        measurement, books = self.measurement, self.measurement.accounting
        books.started, books.in_flight, books.never_sent = self.started, in_flight, never_sent
        for status, histogram in measurement.statuses.items():
            if measurement.is_ok(status, self.plan.expect_status):
                books.ok += histogram.total
            else:
                books.failed += histogram.total
        books.failed += sum(measurement.errors.values())
        measurement.seconds, measurement.interrupted = seconds, interrupted
        if interrupted:
            del measurement.timeline[max(1, math.ceil(seconds)) :]
            measurement.timeline[-1].seconds = seconds - len(measurement.timeline) + 1
        return measurement


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
