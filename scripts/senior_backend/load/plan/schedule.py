"""When requests go and which: intended send times of the open model, connections in use over time, and the stream of requests."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from senior_backend.load.plan.model import Plan

Request = TypeVar("Request")
CACHED_ROWS = 20_000
NEVER = float("inf")


def arrivals(plan: Plan, worker: int) -> Iterator[float]:
    """Intended send times of this worker's share, in seconds since the start (of the warm-up, which goes at the rate of the rest); ends with infinity."""
    warm = int((plan.rate_per_s or 0) * plan.warmup_s + 1e-6)
    for number in range(worker, warm + plan.scheduled, plan.workers):
        yield number / plan.rate_per_s if number < warm else plan.warmup_s + arrival_time(plan, number - warm)
    yield NEVER


def first_rate(plan: Plan) -> float:
    """Requests per second at the start of the open model."""
    return plan.rate_per_s or plan.stages[0].value


def arrival_time(plan: Plan, number: int) -> float:
    """When the request of this number (from 0) is due: the time at which the rate's integral reaches it."""
    if not plan.stages:
        return number / plan.rate_per_s
    begin, rate, left = 0.0, plan.rate_per_s or 0.0, float(number)
    for stage in plan.stages:
        area = stage.seconds * (rate + stage.value) / 2
        if left < area:
            return begin + time_to_area(rate, stage.value, stage.seconds, left)
        left -= area
        begin, rate = begin + stage.seconds, stage.value
    return begin


def time_to_area(rate: float, final: float, seconds: float, area: float) -> float:
    """The t at which a ramp from rate to final in `seconds` has let `area` requests through."""
    slope = (final - rate) / seconds
    # the root of slope/2 t^2 + rate t = area in the form that is stable for small slopes
    return 2 * area / (rate + math.sqrt(max(0.0, rate * rate + 2 * slope * area))) if area else 0.0


def connections_at(plan: Plan, seconds: float) -> int:
    """Closed model with stages: how many connections are in use at a time since the start of the duration."""
    before = 0.0
    for stage in plan.stages:
        if seconds < stage.seconds:
            return round(before + (stage.value - before) * seconds / stage.seconds)
        seconds -= stage.seconds
        before = stage.value
    return round(before)


def share(total: int, worker: int, workers: int) -> int:
    """This worker's part of a total."""
    return total // workers + (worker < total % workers)


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
    if len(rows) <= CACHED_ROWS:
        return itertools.cycle([make(row) for row in rows])
    return map(make, itertools.cycle(rows))


def at_random(streams: list[Iterator[Request]], weights: list[int] | None, source: random.Random) -> Iterator[Request]:
    while True:
        for stream in source.choices(streams, weights, k=256):
            yield next(stream)
