"""What a run says about itself: whether the client was the limit, what stalls hide in the closed model, how long a run must be; and what it advises."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

from senior_backend.load.measure.measurement import Client, Histogram, Measurement, Stall, merged
from senior_backend.load.plan.model import Plan

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


def one_after_the_other(plan: Plan, run: Callable[[Plan], list[Measurement]]) -> list[Measurement]:
    """What run() measures of each URL by itself, or of all together where they share a schedule, its client judged. Ctrl-C ends the row."""
    parts = [dataclasses.replace(plan, targets=[target]) for target in plan.targets] if plan.mode == "sequence" else [plan]
    measurements: list[Measurement] = []
    for part in parts:
        found = run(part)
        judge_client(part, found)
        measurements += found
        if found[0].interrupted:
            break
    return measurements


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


DEFAULT_P99_MS = 200.0
SHARE_WAITED = 0.01  # of the requests, above which it is worth a word that they waited for a connection
OF_KIND = {
    "HTTP 429": "the target limits the rate: see --expect-rate-limit",
    "timeout response": "answers took longer than --timeout",
    "client out of ports": "this machine ran out of local ports: the target closes each connection (no keep-alive)",
    "client out of files": "this machine allows no more open files: raise ulimit -n or lower --concurrency",
    "connection closed before answer": "the target closes connections without a word: its keep-alive timeout is short, or it is overloaded",
}


def recommendations(plan: Plan, measurement: Measurement, p99_limit_ms: float | None) -> list[str]:
    """Advice, most important first; empty when there is none."""
    said = [client_advice(measurement), stall_advice(plan, measurement), waiting_advice(plan, measurement), latency_advice(measurement, p99_limit_ms)]
    return [text for text in (*said, *failure_advice(measurement, plan.expect_status), length_advice(plan, measurement)) if text]


def client_advice(measurement: Measurement) -> str:
    if not measurement.client.saturated:
        return ""
    return f"the client was the limit: {measurement.client.reason}. The target may be faster than this shows: use --workers, another machine, or less load"


def stall_advice(plan: Plan, measurement: Measurement) -> str:
    stalls = stalls_of(plan, measurement)
    if not stalls:
        return ""
    return (
        f"{stalls.count} stall{'s' if stalls.count > 1 else ''} of up to {stalls.longest_s:.2f} s, in which no connection could ask: users who do not wait "
        f"for each other would have felt a p99 of at least {stalls.felt_p99_ms:.0f} ms; measure it with --rate {max(1, round(measurement.requests_per_second))}"
    )


def waiting_advice(plan: Plan, measurement: Measurement) -> str:
    waited, never_sent = measurement.client.waited, measurement.accounting.never_sent
    if not never_sent and waited <= SHARE_WAITED * measurement.accounting.started:
        return ""
    return (
        f"{waited:,} requests were due while all {plan.concurrency} connections were taken, {never_sent:,} were never sent: "
        "the target is slower than the rate, or --concurrency is too low for it"
    )


def latency_advice(measurement: Measurement, p99_limit_ms: float | None) -> str:
    limit, p99_ms = p99_limit_ms or DEFAULT_P99_MS, measurement.latency.percentile_ms(99)
    if p99_ms <= limit:
        return ""
    return f"p99 is {p99_ms:.0f} ms, above the {'limit' if p99_limit_ms else 'advised'} {limit:g} ms: look for slow queries, missing indexes and missing caching"


def failure_advice(measurement: Measurement, expect_status: int | None) -> list[str]:
    failures = measurement.failures(expect_status)
    said = [f"{kind}: {OF_KIND[kind]}" for kind in failures if kind in OF_KIND]
    server = sum(count for kind, count in failures.items() if kind.startswith("HTTP 5"))
    said += [f"{server:,} answers were server errors: see the target's log"] if server else []
    return said + (["no request succeeded"] if failures and not measurement.accounting.ok else [])


def length_advice(plan: Plan, measurement: Measurement) -> str:
    needed_s = recommended_duration_s(measurement)
    if not needed_s or needed_s <= plan.duration_s * 1.05:
        return ""
    return f"p99 rests on {measurement.latency.total // 100:,} slower answers: --duration {math.ceil(needed_s)} gives {TAIL}, for a p99 good to about 10 %"
