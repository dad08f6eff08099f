"""What a run says about itself: whether the client was the limit, what stalls hide in the closed model, how long a run must be, whether what was demanded
holds; and what it advises."""
from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any

from senior_backend.load.measure import Client, Histogram, Measurement, Stall, merged
from senior_backend.load.options import PERCENTILES, Limit
from senior_backend.load.plan import Plan, masked_url

BUSY = 0.9  # share of a processor above which waiting in the client shows in the latencies
LATE_MS = 5.0  # 99th percentile of the send lag
STALL_S, STALL_TIMES_MEDIAN = 0.1, 10
TAIL = 100  # answers above a percentile for it to be good to about 10 %
STALL_POINTS = 200
DEFAULT_P99_MS = 200.0
SHARE_WAITED = 0.01  # of the requests, above which it is worth a word that they waited for a connection
OF_KIND = {
    "HTTP 429": "the target limits the rate: see --expect-rate-limit",
    "timeout response": "answers took longer than --timeout",
    "client out of ports": "this machine ran out of local ports: the target closes each connection (no keep-alive)",
    "client out of files": "this machine allows no more open files: raise ulimit -n or lower --concurrency",
    "connection closed before answer": "the target closes connections without a word: its keep-alive timeout is short, or it is overloaded",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Stalls:
    """Times without any answer in the closed model. felt_p99_ms: what users who come at the same rate, not waiting for each other, would have felt at least."""

    count: int
    longest_s: float
    total_s: float
    felt_p99_ms: float


def one_after_the_other(plan: Plan, run: Callable[[Plan], list[Measurement]]) -> list[Measurement]:
    """What run() measures of each URL by itself, or of all together where they share a schedule, its client judged. Ctrl-C ends the row."""
    parts = [dataclasses.replace(plan, targets=[target]) for target in plan.targets] if plan.mode == "sequence" else [plan]
    measurements: list[Measurement] = []
    for part in parts:
        found = run(part)
        client = found[0].client
        client.reason = client.reason or limit_of_client(part, client, merged(measurement.latency for measurement in found))
        client.saturated = bool(client.reason)
        measurements += found
        if found[0].interrupted:
            break
    return measurements


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


def recommended_duration_s(measurement: Measurement) -> float | None:
    """How long a run at this rate must be for p99 to rest on TAIL answers above it; None when nothing was answered."""
    rate = measurement.requests_per_second
    return TAIL / 0.01 / rate if rate else None


def judge(measurement: Measurement, limits: list[Limit], expect_status: int | None) -> list[dict[str, Any]]:
    """{url, name, wanted, found, holds, source} for each expectation. Latency limits fail when nothing was answered."""
    books, found = measurement.accounting, []
    if expect_status is not None:
        had_it = measurement.statuses.get(expect_status, Histogram()).total
        found.append(("status", expect_status, 100 * had_it / books.ended if books.ended else 0.0, 0 < had_it == books.ended, "--expect-status"))
    for limit in limits:
        if limit.name in PERCENTILES:
            value, known = measurement.latency.percentile_ms(PERCENTILES[limit.name]), bool(measurement.latency)
        else:
            value, known = 100 * books.failed / books.ended if books.ended else 100.0, True
        found.append((limit.name, limit.most, value, known and value <= limit.most, limit.source))
    return [
        {"url": masked_url(measurement.target.url), "name": name, "wanted": wanted, "found": round(value, 4), "holds": holds, "source": source}
        for name, wanted, value, holds, source in found
    ]


def judgement_line(one: dict[str, Any]) -> str:
    relation, unit = ("every answer", " % of the requests") if one["name"] == "status" else ("<=", "")
    return f"{'holds' if one['holds'] else 'FAILED'}: {one['name']} {relation} {one['wanted']:g} ({one['source']}): {one['found']:.2f}{unit}"


def recommendations(plan: Plan, measurement: Measurement, p99_limit_ms: float | None) -> list[str]:
    """Advice, most important first; empty when there is none."""
    return [*advice_on_load(plan, measurement, p99_limit_ms), *advice_on_failures(measurement, plan.expect_status), *advice_on_length(plan, measurement)]


def advice_on_load(plan: Plan, measurement: Measurement, p99_limit_ms: float | None) -> Iterator[str]:
    client, books, stalls = measurement.client, measurement.accounting, stalls_of(plan, measurement)
    limit_ms, p99_ms = p99_limit_ms or DEFAULT_P99_MS, measurement.latency.percentile_ms(99)
    if client.saturated:
        yield f"the client was the limit: {client.reason}. The target may be faster than this shows: use --workers, another machine, or less load"
    if stalls:
        yield (
            f"{stalls.count} stall{'s' if stalls.count > 1 else ''} of up to {stalls.longest_s:.2f} s, in which no connection could ask: users who do not wait "
            f"for each other would have felt a p99 of at least {stalls.felt_p99_ms:.0f} ms; measure it with --rate {max(1, round(measurement.requests_per_second))}"
        )
    if books.never_sent or client.waited > SHARE_WAITED * books.started:
        yield (
            f"{client.waited:,} requests were due while all {plan.concurrency} connections were taken, {books.never_sent:,} were never sent: "
            "the target is slower than the rate, or --concurrency is too low for it"
        )
    if p99_ms > limit_ms:
        which = "limit" if p99_limit_ms else "advised"
        yield f"p99 is {p99_ms:.0f} ms, above the {which} {limit_ms:g} ms: look for slow queries, missing indexes and missing caching"


def advice_on_failures(measurement: Measurement, expect_status: int | None) -> Iterator[str]:
    failures = measurement.failures(expect_status)
    yield from (f"{kind}: {OF_KIND[kind]}" for kind in failures if kind in OF_KIND)
    server = sum(count for kind, count in failures.items() if kind.startswith("HTTP 5"))
    if server:
        yield f"{server:,} answers were server errors: see the target's log"
    if failures and not measurement.accounting.ok:
        yield "no request succeeded"


def advice_on_length(plan: Plan, measurement: Measurement) -> Iterator[str]:
    needed_s = recommended_duration_s(measurement)
    if needed_s and needed_s > plan.duration_s * 1.05:
        yield f"p99 rests on {measurement.latency.total // 100:,} slower answers: --duration {math.ceil(needed_s)} gives {TAIL}, for a p99 good to about 10 %"
