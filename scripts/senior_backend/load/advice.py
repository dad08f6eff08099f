"""What a report advises after a run."""

from __future__ import annotations

import math

from senior_backend.load.assessment import TAIL, recommended_duration_s, stalls_of
from senior_backend.load.measurement import Measurement
from senior_backend.load.plan import Plan

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
    return (
        f"p99 is {p99_ms:.0f} ms, above the {'limit' if p99_limit_ms else 'advised'} {limit:g} ms: look for slow queries, missing indexes and missing caching"
    )


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
