"""What came of a run, per target: books that close, answers by status, latencies, what the client knows about itself; and its way between processes."""

from __future__ import annotations

import base64
import dataclasses
import types
import typing
from typing import Any

from senior_backend.load.measure.histogram import Histogram
from senior_backend.load.plan.model import Target


@dataclasses.dataclass(slots=True)
class Accounting:
    """started = ok + failed + in_flight. never_sent (open model): scheduled, but no connection was free for it in time."""

    started: int = 0
    ok: int = 0
    failed: int = 0
    in_flight: int = 0
    never_sent: int = 0

    def add(self, other: Accounting) -> None:
        for field in dataclasses.fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))

    def as_json(self) -> dict[str, int]:
        return dataclasses.asdict(self)


@dataclasses.dataclass(slots=True)
class BlockCounts:
    """One of Plan.blocks equal parts of the duration. histogram: latencies of complete answers; answered = its total; failed: every ended request
    that is not ok; broken: the failed ones without a complete answer, broken_s: how long those were under way in all."""

    histogram: Histogram = dataclasses.field(default_factory=Histogram)
    answered: int = 0
    failed: int = 0
    seconds: float = 0.0
    broken: int = 0
    broken_s: float = 0.0

    def add(self, other: BlockCounts) -> None:
        self.histogram.merge(other.histogram)
        self.answered += other.answered
        self.failed += other.failed
        self.seconds = max(self.seconds, other.seconds)
        self.broken += other.broken
        self.broken_s += other.broken_s


@dataclasses.dataclass(slots=True)
class Second:
    """One second of the duration (the last may be shorter). started: requests begun in it; answered, failed, statuses, histogram: those that ended in it."""

    seconds: float = 1.0
    started: int = 0
    answered: int = 0
    failed: int = 0
    histogram: Histogram = dataclasses.field(default_factory=Histogram)
    statuses: dict[int, int] = dataclasses.field(default_factory=dict)

    def add(self, other: Second) -> None:
        self.seconds = max(self.seconds, other.seconds)
        self.started += other.started
        self.answered += other.answered
        self.failed += other.failed
        self.histogram.merge(other.histogram)
        add_counts(self.statuses, other.statuses)


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

    def add(self, other: Client) -> None:
        """Another process of the same run."""
        self.cpu_s += other.cpu_s
        self.busiest = max(self.busiest, other.busiest)
        self.workers += other.workers
        self.lag.merge(other.lag)
        self.waited += other.waited
        self.stalls = overlaps(self.stalls, other.stalls)


@dataclasses.dataclass(slots=True)
class Measurement:
    """What came of one target.

    statuses: latencies of complete answers by status; latency: of all of them (open model: from the intended send time); service: from the sending itself;
    errors: requests that ended without a complete answer, by kind; seconds: length of the measured time; answered: complete answers within it;
    first_seen: status -> (requests ended before it, seconds since the start); heads: status -> text of the first head that carried it;
    notes: things about the answers that are no failure, by kind ("extra bytes after the answer").
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
    blocks: list[BlockCounts] = dataclasses.field(default_factory=list)
    timeline: list[Second] = dataclasses.field(default_factory=list)
    client: Client = dataclasses.field(default_factory=Client)
    interrupted: bool = False
    engine: str = "raw"
    first_seen: dict[int, tuple[int, float]] = dataclasses.field(default_factory=dict)
    heads: dict[int, str] = dataclasses.field(default_factory=dict)
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

    def add(self, other: Measurement) -> None:
        """The same target measured by another process at the same time."""
        self.accounting.add(other.accounting)
        for status, histogram in other.statuses.items():
            self.statuses.setdefault(status, Histogram()).merge(histogram)
        self.latency.merge(other.latency)
        self.service.merge(other.service)
        add_counts(self.errors, other.errors)
        add_counts(self.notes, other.notes)
        self.bytes_received += other.bytes_received
        self.seconds = max(self.seconds, other.seconds)
        self.answered += other.answered
        add_pairwise(self.blocks, other.blocks)
        add_pairwise(self.timeline, other.timeline)
        self.interrupted = self.interrupted or other.interrupted
        for status, seen in other.first_seen.items():
            self.first_seen[status] = min(seen, self.first_seen.get(status, seen), key=lambda one: one[1])
        for status, head in other.heads.items():
            self.heads.setdefault(status, head)


def add_counts(counts: dict, more: dict) -> None:
    for key, count in more.items():
        counts[key] = counts.get(key, 0) + count


def add_pairwise(parts: list, others: list) -> None:
    """Add the parts of one list to those of the other, place by place; the longer one's rest is kept."""
    for part, other in zip(parts, others):
        part.add(other)
    parts.extend(others[len(parts) :])


def overlaps(stalls: list[Stall], others: list[Stall]) -> list[Stall]:
    """The times that lie in both lists."""
    common = []
    for one in stalls:
        for other in others:
            begin, end = max(one.at_s, other.at_s), min(one.at_s + one.seconds, other.at_s + other.seconds)
            if begin < end:
                common.append(Stall(begin, end - begin))
    return common


@dataclasses.dataclass(slots=True)
class Snapshot:
    """What an engine tells about a run under way, once a second: counts of the run so far, rate and p99 of the last second."""

    target: str
    seconds: float
    total_s: float
    answered: int = 0
    failed: int = 0
    rate_per_s: float = 0.0
    p99_ms: float = 0.0

    @classmethod
    def together(cls, parts: list[Snapshot]) -> Snapshot:
        """What several processes told about the same second. Its p99 is the worst of theirs."""
        sums = {name: sum(getattr(part, name) for part in parts) for name in ("answered", "failed", "rate_per_s")}
        return dataclasses.replace(parts[0], p99_ms=max(part.p99_ms for part in parts), **sums)


def added_up(shares: list[list[Measurement]]) -> list[Measurement]:
    """The measurements of several processes that worked on the same targets at the same time, as those of one. Client is one object for all targets of a process."""
    whole, *others = shares
    client = whole[0].client
    for other in others:
        client.add(other[0].client)
        for mine, theirs in zip(whole, other, strict=True):
            mine.add(theirs)
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
        return Histogram(restored(dict[int, int], data))
    if outer is dict:
        return {inner[0](key): restored(inner[1], value) for key, value in data.items()}
    if outer is list:
        return [restored(inner[0], value) for value in data]
    if outer is tuple:
        return tuple(map(restored, inner, data))
    return base64.b64decode(data) if kind is bytes else data
