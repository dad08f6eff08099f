"""The search for a rate limit, against servers whose limit is known, and its reading of answers."""

from __future__ import annotations

import time

import pytest
from senior_backend.load.limit import search as limit_search
from senior_backend.load.plan.model import Plan, Target
from senior_backend.load.limit.analysis import retry_after


def search(server, limit: str, seconds: float = 6.0):
    begin = time.monotonic()
    finding, measured = limit_search.find(Plan([Target(f"{server.url}/limit/{limit}")], concurrency=10, duration_s=seconds, timeout_s=5.0))
    assert time.monotonic() - begin < seconds + 1.5
    books = measured.accounting
    assert books.started == books.ok + books.failed + books.in_flight
    assert finding.accepted == books.ok
    return finding


@pytest.mark.parametrize("limit, scope, pattern", [("token/100/20", "client", "steady"), ("token/20/1", "client", "steady"), ("token/50/10?own", "connection", "steady"),
                                                   ("fixed/100/80", "client", "window"), ("sliding/60/40", "client", "window")])
def test_rate_and_burst(server, limit, scope, pattern):
    finding, (rate, burst) = search(server, limit), map(int, limit.partition("?")[0].split("/")[1:])
    assert finding.found and finding.status == 429 and finding.rate_per_s == pytest.approx(rate, rel=0.05) and abs(finding.burst - burst) <= 3
    assert (finding.pattern, finding.scope, finding.rate_source, finding.retry_after_s) == (pattern, scope, "measured", 1.0)
    assert scope == "connection" or 0 < finding.first_429_after <= 2 * burst + 3  # a fixed window may end while the first burst goes on


def test_no_limit_is_found_where_there_is_none(server):
    finding = search(server, "none/1/1", 1.0)
    assert not finding.found and finding.rate_per_s is None
    assert finding.accepted > 100 and finding.tried_per_s > 100
    assert "none found" in "\n".join(finding.lines())


def test_window_longer_than_the_search_takes_its_rate_from_the_headers(server):
    finding = search(server, "sliding/1/30?headers", 1.5)
    assert (finding.found, finding.burst, finding.rate_source) == (True, 30, "headers")
    assert finding.rate_per_s == 1.0 and finding.window_s == 30
    assert finding.headers == {"retry-after": "1", "ratelimit-policy": "30;w=30", "x-ratelimit-limit": "30"}
    finding = search(server, "sliding/1/30", 1.5)
    assert finding.found and finding.rate_per_s is None and finding.burst == 30
    assert any("--duration" in note for note in finding.notes)


@pytest.mark.parametrize("fields, seconds", [
    ({"retry-after": "7"}, 7.0), ({}, None), ({"retry-after": "soon"}, None), ({"retry-after": "Wed, 21 Oct 2015 07:28:30 GMT", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 30.0),
    ({"retry-after": "Wed, 21 Oct 2015 07:28:30 GMT"}, None)])
def test_retry_after(fields, seconds):
    assert retry_after(fields) == seconds
