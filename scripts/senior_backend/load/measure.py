"""What came of a run, per target: exact latencies, books that close, what the client knows about itself; how such counts are added up, and their way between
processes; and the books while the load runs, kept cheap for the event loop: counts are noted as they come, and poured into seconds and blocks when these
are over."""
from __future__ import annotations

import base64
import bisect
import collections
import dataclasses
import functools
import itertools
import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from senior_backend.load.plan import NEVER, Plan, Target

class Histogram(dict):
    """Durations as {whole microseconds: count}. Nothing is rounded into buckets, so merging and percentiles are exact to the microsecond."""

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
        """percentile_ms for several percents in one pass."""
        durations = sorted(self)
        reached = list(itertools.accumulate(map(self.get, durations)))
        ranks = [max(1, math.ceil(round(reached[-1] * percent / 100, 6))) if reached else 0 for percent in percents]
        return [durations[bisect.bisect_left(reached, rank)] / 1000 if rank else 0.0 for rank in ranks]

    @property
    def mean_ms(self) -> float:
        total = self.total
        return sum(microseconds * count for microseconds, count in self.items()) / total / 1000 if total else 0.0

    @property
    def stddev_ms(self) -> float:
        """Standard deviation of the sample."""
        total, mean = self.total, self.mean_ms * 1000
        return math.sqrt(sum(count * (microseconds - mean) ** 2 for microseconds, count in self.items()) / (total - 1)) / 1000 if total > 1 else 0.0

    @property
    def min_ms(self) -> float:
        return min(self, default=0) / 1000

    @property
    def max_ms(self) -> float:
        return max(self, default=0) / 1000


def merged(histograms: Iterable[Mapping[int, int]]) -> Histogram:
    """One histogram of all."""
    return functools.reduce(Histogram.merge, histograms, Histogram())


@dataclasses.dataclass(slots=True)
class Accounting:
    """started = ok + failed + in_flight. never_sent (open model): scheduled, but no connection was free for it in time."""

    started: int = 0
    ok: int = 0
    failed: int = 0
    in_flight: int = 0
    never_sent: int = 0

    @property
    def ended(self) -> int:
        return self.ok + self.failed


@dataclasses.dataclass(slots=True)
class Part:
    """A second of the duration (the last may be shorter), or one of Plan.blocks. started: requests begun in it; all else is about those that ended in it.

    histogram: latencies of complete answers; answered: their number; failed: every request that is not ok; broken: the failed ones without a complete answer,
    broken_s: how long those were under way in all.
    """

    seconds: float = 0.0
    started: int = 0
    answered: int = 0
    failed: int = 0
    broken: int = 0
    broken_s: float = 0.0
    histogram: Histogram = dataclasses.field(default_factory=Histogram)
    statuses: dict[int, int] = dataclasses.field(default_factory=dict)

    @property
    def ended(self) -> int:
        return self.answered + self.broken

    @property
    def slot_s(self) -> float:
        """Connection time spent on those that ended."""
        return sum(microseconds * count for microseconds, count in self.histogram.items()) / 1e6 + self.broken_s


@dataclasses.dataclass(slots=True)
class Stall:
    """A time in which requests were under way and none was answered. at_s: since the start of the duration."""

    at_s: float
    seconds: float


@dataclasses.dataclass(slots=True)
class Client:
    """The load tester itself during the duration; one for all targets of a shared schedule.

    cpu_s: CPU seconds of its processes; busiest: share of one processor that the busiest process used, 0 to 1;
    lag: from the moment a request could go (intended time with a connection free; closed model: the answer before it) to its sending;
    waited: open model, requests that were due while no connection was free.
    """

    cpu_s: float = 0.0
    busiest: float = 0.0
    workers: int = 1
    lag: Histogram = dataclasses.field(default_factory=Histogram)
    waited: int = 0
    saturated: bool = False
    reason: str = ""
    stalls: list[Stall] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(slots=True)
class Measurement:
    """What came of one target.

    statuses: latencies of complete answers by status; latency: of all of them (open model: from the intended send time); service: from the sending itself;
    errors: requests that ended without a complete answer, by kind; seconds: length of the measured time; answered: complete answers within it;
    blocks: Plan.blocks equal parts of it, timeline: its seconds; notes: things about the answers that are no failure, by kind ("extra bytes after the answer").
    """

    target: Target
    accounting: Accounting = dataclasses.field(default_factory=Accounting)
    statuses: dict[int, Histogram] = dataclasses.field(default_factory=dict)
    latency: Histogram = dataclasses.field(default_factory=Histogram)
    service: Histogram = dataclasses.field(default_factory=Histogram)
    errors: dict[str, int] = dataclasses.field(default_factory=dict)
    bytes_received: int = 0
    seconds: float = 0.0
    answered: int = 0
    blocks: list[Part] = dataclasses.field(default_factory=list)
    timeline: list[Part] = dataclasses.field(default_factory=list)
    client: Client = dataclasses.field(default_factory=Client)
    interrupted: bool = False
    engine: str = "raw"
    notes: dict[str, int] = dataclasses.field(default_factory=dict)

    @property
    def requests_per_second(self) -> float:
        """Complete answers per second of the measured time; answers that came after its end count in the latencies alone."""
        return self.answered / self.seconds if self.seconds else 0.0

    def is_ok(self, status: int, expect_status: int | None) -> bool:
        return status < 400 or status == expect_status

    def failures(self, expect_status: int | None) -> dict[str, int]:
        """Every ended request that is not ok, by kind: "HTTP 503", "connect refused", ... Adds up to accounting.failed."""
        answers = {f"HTTP {status}": histogram.total for status, histogram in sorted(self.statuses.items()) if not self.is_ok(status, expect_status)}
        return {**answers, **dict(sorted(self.errors.items()))}


@dataclasses.dataclass(slots=True)
class Snapshot:
    """What an engine tells about the last second of a run under way (p99_ms: of several processes the worst)."""

    target: str
    seconds: float
    total_s: float
    answered: int = 0
    failed: int = 0
    rate_per_s: float = 0.0
    p99_ms: float = 0.0

    @classmethod
    def together(cls, parts: list[Snapshot]) -> Snapshot:
        """What several processes told about the same second."""
        return functools.reduce(add, parts[1:], dataclasses.replace(parts[0]))


GREATEST = ("seconds", "total_s", "busiest", "p99_ms")  # of what went on at the same time the greatest counts; other numbers are added


def add(mine: Any, other: Any) -> Any:
    """Add what another process counted at the same time (or the next part) to a dataclass of this file, field by field; gives it."""
    for field in dataclasses.fields(mine):
        setattr(mine, field.name, together(field.name, getattr(mine, field.name), getattr(other, field.name)))
    return mine


def together(name: str, mine: Any, other: Any) -> Any:
    if name == "stalls":
        return overlaps(mine, other)
    if not other:
        return mine
    if name in GREATEST:
        return max(mine, other)
    if isinstance(mine, Histogram):
        return mine.merge(other)
    if isinstance(mine, dict):
        return mine | {key: together("", mine[key], value) if key in mine else value for key, value in other.items()}
    if isinstance(mine, list):
        return [*map(add, mine, other), *mine[len(other) :], *other[len(mine) :]]
    if isinstance(mine, (Accounting, Part)):
        return add(mine, other)
    return mine + other if isinstance(mine, (int, float)) and not isinstance(mine, bool) else mine or other


def overlaps(stalls: list[Stall], others: list[Stall]) -> list[Stall]:
    """The times that lie in both lists."""
    pairs = ((max(one.at_s, other.at_s), min(one.at_s + one.seconds, other.at_s + other.seconds)) for one in stalls for other in others)
    return [Stall(begin, end - begin) for begin, end in pairs if begin < end]


def added_up(shares: list[list[Measurement]]) -> list[Measurement]:
    """The measurements of several processes that worked on the same targets at the same time, as those of one. Client is one object for all targets of a process."""
    whole, *others = shares
    client = functools.reduce(add, (other[0].client for other in others), whole[0].client)
    for other in others:
        list(map(add, whole, other))
    for measurement in whole:
        measurement.client = client
    return whole


# Plans and measurements as plain JSON data, to go from process to process and from machine to machine


def plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return [plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def restored(kind: Any, data: Any) -> Any:
    """The value of a type (dataclasses, lists, tuples, dicts, `... | None`) that plain() made this of."""
    outer, inner = typing.get_origin(kind), typing.get_args(kind)
    if data is None or kind is Any:
        return data
    if outer is types.UnionType:
        return restored(inner[0], data)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{name: restored(hints[name], value) for name, value in data.items()})
    if kind is Histogram:
        return Histogram({int(key): count for key, count in data.items()})
    if outer is dict:
        return {inner[0](key): restored(inner[1], value) for key, value in data.items()}
    if outer is list:
        return [restored(inner[0], value) for value in data]
    if outer is tuple:
        return tuple(map(restored, inner, data))
    return base64.b64decode(data) if kind is bytes else data


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
