"""What a run says about itself: whether the client was the limit, what stalls hide in the closed model, and how long a run must be."""

from __future__ import annotations

import dataclasses
import math

from senior_backend.load.histogram import Histogram, merged
from senior_backend.load.measurement import Client, Measurement, Stall
from senior_backend.load.plan import Plan

BUSY = 0.9  # share of a processor above which waiting in the client shows in the latencies
LATE_MS = 5.0  # 99th percentile of the send lag
STALL_S, STALL_TIMES_MEDIAN = 0.1, 10
TAIL = 100  # answers above a percentile for it to be good to about 10 %
STALL_POINTS = 200


@dataclasses.dataclass(frozen=True, slots=True)
class Stalls:
    """Times without any answer in the closed model. felt_p99_ms: what users who come at the same rate, not waiting for each other, would have felt at least."""

    count: int
    longest_s: float
    total_s: float
    felt_p99_ms: float

    def as_json(self) -> dict[str, float]:
        return {name: round(value, 3) for name, value in dataclasses.asdict(self).items()}


def judge_client(plan: Plan, measurements: list[Measurement]) -> None:
    """Set saturated and reason of every client whose engine has not done so."""
    for client in {id(measurement.client): measurement.client for measurement in measurements}.values():
        own = [measurement for measurement in measurements if measurement.client is client]
        client.reason = client.reason or limit_of_client(plan, client, merged(measurement.latency for measurement in own))
        client.saturated = bool(client.reason)


def limit_of_client(plan: Plan, client: Client, latency: Histogram) -> str:
    """Why the client was the limit; "" when it was not."""
    late_ms = client.lag.percentile_ms(99)
    if client.busiest > BUSY:
        return f"its busiest process used {client.busiest:.0%} of a processor"
    if late_ms > LATE_MS and (plan.model == "open" or late_ms > latency.percentile_ms(50) / 4):
        cause = "so many answers came at once, or other programs use this machine's processors"
        return f"1 % of its requests went out {late_ms:.1f} ms late or more ({cause})"
    return ""


def stalls_of(plan: Plan, measurement: Measurement) -> Stalls | None:
    """The stalls of a closed-model run; None when there are none. (In the open model the latencies hold them already.)"""
    least_s = max(STALL_S, STALL_TIMES_MEDIAN * measurement.latency.percentile_ms(50) / 1000)
    stalls = [stall for stall in measurement.client.stalls if stall.seconds >= least_s]
    if plan.model == "open" or not stalls or not measurement.answered:
        return None
    total_s = sum(stall.seconds for stall in stalls)
    rate = measurement.answered / max(measurement.seconds - total_s, 0.001)
    return Stalls(len(stalls), max(stall.seconds for stall in stalls), total_s, felt(measurement.latency, stalls, rate).percentile_ms(99))


def felt(latency: Histogram, stalls: list[Stall], rate: float) -> Histogram:
    """The measured latencies and those of requests that would have come during the stalls at this rate, each waiting for its stall's end."""
    whole = Histogram(latency)
    for stall in stalls:
        missed = rate * stall.seconds
        for point in range(STALL_POINTS):
            count = math.floor(missed * (point + 1) / STALL_POINTS) - math.floor(missed * point / STALL_POINTS)
            if count:
                whole.add(round(stall.seconds * 1e6 * (point + 0.5) / STALL_POINTS), count)
    return whole


def recommended_duration_s(measurement: Measurement, percent: float = 99.0) -> float | None:
    """How long a run at this rate must be for a percentile to rest on TAIL answers above it; None when nothing was answered."""
    rate = measurement.requests_per_second
    return TAIL / (1 - percent / 100) / rate if rate else None
