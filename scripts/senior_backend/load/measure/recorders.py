"""Books while the load runs, kept cheap for the event loop: counts are noted as they come, and poured into seconds and blocks when these are over."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Callable, Mapping

from senior_backend.load.measure.measurement import Client, Histogram, Measurement, Part, Snapshot, add, merged
from senior_backend.load.plan.model import NEVER, Plan, Target

KNOWN_ANSWERS, KNOWN_BYTES = 256, 4096
SEEN_ONCE = 4096
Progress = Callable[[Snapshot], None]


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
    edges = sorted({*range(1_000_000_000, whole, 1_000_000_000), *(whole * number // plan.blocks for number in range(1, plan.blocks)), whole})
    return [Slice(end, (end - 1) // 1_000_000_000, min(plan.blocks - 1, (end - 1) * plan.blocks // whole)) for end in edges]


class Recorder:
    """One target's counts. The engine itself adds to `started` and to the counts of `known` answers; all else comes through methods."""

    __slots__ = ("target", "plan", "engine", "measurement", "known", "seen", "started", "drained_started", "statuses", "errors", "broken_s", "service", "received")

    def __init__(self, target: Target, plan: Plan, engine: str = "raw"):
        self.target, self.plan, self.engine = target, plan, engine
        self.restart()

    def restart(self) -> None:
        """Forget all counts (the end of a warm-up)."""
        seconds = [Part(min(1.0, self.plan.duration_s - begin)) for begin in range(max(1, math.ceil(self.plan.duration_s)))]
        blocks = [Part(self.plan.duration_s / self.plan.blocks) for _ in range(self.plan.blocks)]
        self.measurement = Measurement(self.target, timeline=seconds, blocks=blocks, engine=self.engine)
        self.started = self.drained_started = 0
        self.known: dict[bytes, KnownAnswer] = {}
        self.seen: set[int] = set()
        self.fresh()

    def fresh(self) -> None:
        self.statuses: dict[int, Histogram] = collections.defaultdict(Histogram)
        self.errors: dict[str, int] = {}
        self.broken_s, self.received = 0.0, 0
        self.service = Histogram()

    def answer(self, status: int, latency_us: int, service_us: int, size: int) -> None:
        """A complete answer."""
        self.statuses[status].add(latency_us)
        self.service.add(service_us)
        self.received += size

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
        self.measurement.notes[kind] = self.measurement.notes.get(kind, 0) + 1

    def drain(self, piece: Slice | None) -> Part:
        """Pour the counts since the last call into the measurement; piece None: after the end of the duration. Gives the counts of this call."""
        self.pour_known()
        measurement, statuses = self.measurement, {status: histogram.total for status, histogram in self.statuses.items()}
        refused = sum(count for status, count in statuses.items() if not measurement.is_ok(status, self.plan.expect_status))
        answered, broken, latency = sum(statuses.values()), sum(self.errors.values()), merged(self.statuses.values())
        counts = Part(0.0, self.started - self.drained_started, answered, broken + refused, broken, self.broken_s, latency, statuses)
        if piece:
            measurement.answered += answered
            add(measurement.timeline[piece.second], counts)
            add(measurement.blocks[piece.block], counts)
        add(measurement, Measurement(self.target, statuses=self.statuses, latency=latency, service=self.service, errors=self.errors, bytes_received=self.received))
        self.drained_started = self.started
        self.fresh()
        return counts

    def pour_known(self) -> None:
        """Take over the counts of known answers; those that did not come in this slice are forgotten."""
        for data, known in list(self.known.items()):
            if not known.counts:
                del self.known[data]
                continue
            self.statuses[known.status].merge(known.counts)
            self.service.merge(known.services or known.counts)
            self.received += known.size * sum(known.counts.values())
            known.counts.clear()
            known.services.clear()
        self.seen.clear()

    def close(self, in_flight: int, never_sent: int, seconds: float, interrupted: bool, client: Client) -> Measurement:
        """The finished measurement, its books closed."""
        self.drain(None)
        measurement, books = self.measurement, self.measurement.accounting
        measurement.client, measurement.seconds, measurement.interrupted = client, seconds, interrupted
        books.started, books.in_flight, books.never_sent = self.started, in_flight, never_sent
        books.failed = sum(measurement.failures(self.plan.expect_status).values())
        books.ok = measurement.latency.total + sum(measurement.errors.values()) - books.failed
        if seconds < self.plan.duration_s:
            del measurement.timeline[max(1, math.ceil(seconds)) :]
            measurement.timeline[-1].seconds = seconds - len(measurement.timeline) + 1
        return measurement


class Books:
    """The recorders of all targets of one process. progress: told about every second that is over."""

    def __init__(self, plan: Plan, engine: str = "raw", progress: Progress | None = None):
        self.plan, self.progress = plan, progress
        self.recorders = [Recorder(target, plan, engine) for target in plan.targets]
        self.slices, self.second = collections.deque(slices_of(plan)), Part()

    @property
    def next_edge_ns(self) -> float:
        """When the slice under way ends, since the start of the duration."""
        return self.slices[0].end_ns if self.slices else NEVER

    def pour(self, elapsed_ns: float) -> bool:
        """Pour the counts into the slices that are over, this long after the start of the duration; whether one was."""
        over = elapsed_ns >= self.next_edge_ns
        while elapsed_ns >= self.next_edge_ns:
            self.drain(self.slices.popleft())
        return over

    def drain(self, piece: Slice) -> None:
        for recorder in self.recorders:
            add(self.second, recorder.drain(piece))
        if self.progress and (not self.slices or self.slices[0].second != piece.second):
            at_s, second, self.second = piece.end_ns / 1e9, self.second, Part()
            rate, p99_ms = second.answered / (at_s - piece.second), second.histogram.percentile_ms(99)
            self.progress(Snapshot(self.plan.targets[0].url, at_s, self.plan.duration_s, second.answered, second.failed, rate, p99_ms))

    def end(self) -> None:
        """The duration is over, or ended before its time."""
        if self.slices:
            self.drain(self.slices[0])
            self.slices.clear()

    def close(self, in_flight: Mapping[int, int], never_sent: Mapping[int, int], seconds: float, interrupted: bool, client: Client) -> list[Measurement]:
        """The finished measurements. in_flight, never_sent: {number of the target: requests}."""
        return [recorder.close(in_flight.get(number, 0), never_sent.get(number, 0), seconds, interrupted, client) for number, recorder in enumerate(self.recorders)]
