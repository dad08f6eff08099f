"""What is to be sent, how many at a time or per second, for how long, and what an answer has to be; and from that: which request goes when."""

from __future__ import annotations

import dataclasses
import itertools
import math
import random
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

Request = TypeVar("Request")
CACHED_ROWS = 20_000
NEVER = math.inf


@dataclasses.dataclass(slots=True)
class Target:
    """One URL and the request that goes there. URL, header values and body may hold {{field}}, filled from Plan.data."""

    url: str
    method: str = "GET"
    headers: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    body: bytes | None = None
    weight: int = 1

    @property
    def origin(self) -> Origin:
        return Origin.of(self.url)


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """What one connection can serve: scheme, host (no brackets) and port."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname or ""
        return cls(parts.scheme, host if host.isascii() else host.encode("idna").decode("ascii"), parts.port or (443 if parts.scheme == "https" else 80))

    @property
    def authority(self) -> str:
        """host[:port] as the Host header names it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"


@dataclasses.dataclass(frozen=True, slots=True)
class Stage:
    """A straight ramp: from the value before to `value` (requests/s or connections) in `seconds`."""

    seconds: float
    value: float


@dataclasses.dataclass(slots=True)
class Plan:
    """A whole run. Each URL of mode "sequence" gets warmup_s + duration_s of its own; the other modes share one schedule."""

    targets: list[Target]
    concurrency: int = 10
    workers: int = 1
    duration_s: float = 10.0
    warmup_s: float = 0.0
    timeout_s: float = 30.0
    model: str = "closed"  # "closed": a slot sends when its answer has come; "open": requests go out at their time
    rate_per_s: float | None = None  # open model: of all targets and workers together
    stages: list[Stage] | None = None  # of the rate, from rate_per_s or 0 (open), or of the connections in use, from 0 (closed); their sum is duration_s
    mode: str = "sequence"  # "sequence" | "mix" (by weight, at random) | "compare" (two targets, one or the other at random)
    expect_status: int | None = None  # an answer with it is ok, also at 400 and above
    verify_tls: bool = True
    data: list[dict[str, Any]] | None = None
    follow_redirects: bool = False  # these four: engine "requests" only
    cookies: bool = False  # a cookie jar per slot
    proxy: str | None = None
    digest: tuple[str, str] | None = None  # user, password
    seed: int = 0
    blocks: int = 20  # equal parts of duration_s that the comparison is made over

    @property
    def drain_s(self) -> float:
        """How long answers are waited for after the end."""
        return min(self.timeout_s, 2.0)

    @property
    def scheduled(self) -> int | None:
        """Open model: how many requests duration_s has room for; None in the closed model."""
        return int(sum(seconds * (first + last) / 2 for _, seconds, first, last in ramps(self)) + 1e-6) if self.model == "open" else None


# When requests go


def ramps(plan: Plan) -> Iterator[tuple[float, float, float, float]]:
    """(begin in seconds since the start of the duration, length, value there, value at the end) of each stage; a constant rate is one."""
    begin_s, value = 0.0, plan.rate_per_s or 0.0
    for stage in plan.stages or [Stage(plan.duration_s, value)]:
        yield begin_s, stage.seconds, value, stage.value
        begin_s, value = begin_s + stage.seconds, stage.value


def arrivals(plan: Plan, worker: int) -> Iterator[float]:
    """Intended send times of this worker's share, in seconds since the start (of the warm-up, which goes at the rate of the rest); ends with infinity."""
    warm = int((plan.rate_per_s or 0) * plan.warmup_s + 1e-6)
    for number in range(worker, warm + plan.scheduled, plan.workers):
        yield number / plan.rate_per_s if number < warm else plan.warmup_s + arrival_time(plan, number - warm)
    yield NEVER


def arrival_time(plan: Plan, number: int) -> float:
    """When the request of this number (from 0) is due: the time at which the rate's integral reaches it."""
    if not plan.stages:
        return number / plan.rate_per_s
    left = float(number)
    for begin_s, seconds, first, last in ramps(plan):
        area = seconds * (first + last) / 2
        if left < area:
            slope = (last - first) / seconds
            # the root of slope/2 t^2 + first t = left in the form that is stable for small slopes
            return begin_s + (2 * left / (first + math.sqrt(max(0.0, first * first + 2 * slope * left))) if left else 0.0)
        left -= area
    return plan.duration_s


def connections_at(plan: Plan, seconds: float) -> int:
    """Closed model with stages: how many connections are in use at a time since the start of the duration."""
    for begin_s, length, first, last in ramps(plan):
        if seconds < begin_s + length:
            return round(first + (last - first) * (seconds - begin_s) / length)
    return round(plan.stages[-1].value)


def share(total: int, worker: int, workers: int) -> int:
    """This worker's part of a total."""
    return total // workers + (worker < total % workers)


# Which requests go


def request_stream(plan: Plan, worker: int, make: Callable[[int, dict[str, Any] | None], Request]) -> Iterator[Request]:
    """Endless requests. make(target number, row of data or None) builds one; what can be built before is built once."""
    streams = [rows_of(plan, worker, lambda row, target=target: make(target, row)) for target in range(len(plan.targets))]
    if len(streams) == 1:
        return streams[0]
    return at_random(streams, [target.weight for target in plan.targets] if plan.mode == "mix" else None, random.Random(f"{plan.seed}/{worker}"))


def rows_of(plan: Plan, worker: int, make: Callable[[dict[str, Any] | None], Request]) -> Iterator[Request]:
    """One target's requests: the rows of data in order, each worker its own share of them, over and over."""
    if not plan.data:
        return itertools.repeat(make(None))
    rows = plan.data[worker :: plan.workers] or plan.data
    return itertools.cycle([make(row) for row in rows]) if len(rows) <= CACHED_ROWS else map(make, itertools.cycle(rows))


def at_random(streams: list[Iterator[Request]], weights: list[int] | None, source: random.Random) -> Iterator[Request]:
    while True:
        for stream in source.choices(streams, weights, k=256):
            yield next(stream)
