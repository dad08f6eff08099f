"""The search for a rate limit, against servers whose limit is known, and its reading of answers."""

from __future__ import annotations

import time

import pytest
from limited_server import limited

from senior_backend.load import limit as limit_search
from senior_backend.load.plan.model import Plan, Target
from senior_backend.load.limit import Answer, analyse, retry_after


def search(url: str, connections: int = 10, seconds: float = 6.0):
    begin = time.monotonic()
    finding, measured = limit_search.find(Plan([Target(url)], concurrency=connections, duration_s=seconds, timeout_s=5.0))
    assert time.monotonic() - begin < seconds + 1.5
    books = measured.accounting
    assert books.started == books.ok + books.failed + books.in_flight
    assert finding.accepted == books.ok
    return finding


@pytest.mark.parametrize(
    ("kind", "rate", "burst", "pattern"), [("token", 100, 20, "steady"), ("token", 20, 1, "steady"), ("fixed", 100, 80, "window"), ("sliding", 60, 40, "window")]
)
def test_rate_and_burst(kind, rate, burst, pattern):
    with limited(kind, rate, burst) as url:
        finding = search(url)
    assert finding.found and finding.status == 429
    assert finding.rate_per_s == pytest.approx(rate, rel=0.05)
    assert abs(finding.burst - burst) <= 3
    assert (finding.pattern, finding.scope, finding.rate_source) == (pattern, "client", "measured")
    assert finding.retry_after_s == 1.0
    assert 0 < finding.first_429_after <= 2 * burst + 3  # a fixed window may end while the first burst goes on


def test_limit_of_each_connection():
    with limited("token", 50, 10, "--per-connection") as url:
        finding = search(url)
    assert finding.scope == "connection"
    assert finding.rate_per_s == pytest.approx(50, rel=0.05)
    assert abs(finding.burst - 10) <= 3


def test_no_limit_is_found_where_there_is_none():
    with limited("none", 1, 1) as url:
        finding = search(url, seconds=1.0)
    assert not finding.found and finding.rate_per_s is None
    assert finding.accepted > 100 and finding.tried_per_s > 100
    assert "none found" in "\n".join(finding.lines())


def test_window_longer_than_the_search_takes_its_rate_from_the_headers():
    with limited("sliding", 1, 30, "--headers") as url:
        finding = search(url, seconds=1.5)
    assert (finding.found, finding.burst, finding.rate_source) == (True, 30, "headers")
    assert finding.rate_per_s == 1.0 and finding.window_s == 30
    assert finding.headers == {"retry-after": "1", "ratelimit-policy": "30;w=30", "x-ratelimit-limit": "30"}


def test_window_longer_than_the_search_without_headers_is_said_to_be_unknown():
    with limited("sliding", 1, 30) as url:
        finding = search(url, seconds=1.5)
    assert finding.found and finding.rate_per_s is None and finding.burst == 30
    assert any("--duration" in note for note in finding.notes)


def answers(accepted: list[float], refused: list[float]) -> list[Answer]:
    return [Answer(at - 0.001, at, 200, False) for at in accepted] + [Answer(at - 0.001, at, 429, True) for at in refused]


def test_evenly_spaced_answers_are_steady():
    finding = analyse(answers([0.001 * n for n in range(10)] + [0.1 * n for n in range(1, 30)], [0.012 + 0.013 * n for n in range(220)]))
    assert finding.pattern == "steady" and finding.burst == 10
    assert finding.rate_per_s == pytest.approx(10, rel=0.01)


def test_crowds_with_gaps_are_windows():
    crowds = [window + 0.002 * n for window in (0.0, 0.7, 1.7, 2.7, 3.7) for n in range(25)]
    finding = analyse(answers(crowds, [at for at in (0.06 + 0.01 * n for n in range(400)) if at % 1.0 > 0.8 or 0.1 < at % 1 < 0.69]))
    assert finding.pattern == "window" and finding.burst == 25
    assert finding.rate_per_s == pytest.approx(25, rel=0.01) and finding.window_s == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:30 GMT", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:30 GMT"}, None),
    ],
)
def test_retry_after(fields, seconds):
    assert retry_after(fields) == seconds
