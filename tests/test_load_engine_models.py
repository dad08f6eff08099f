"""When requests go out and which: the two models, stages, warm-up, mixes, rows of data, and the same over several processes."""

from __future__ import annotations

import itertools
import json

import pytest
from load_server import Server
from senior_backend.load.measure import assessment
from senior_backend.load.plan import model as schedule
from senior_backend.load.engine.raw import BooksDoNotClose, check_books, run_plan
from senior_backend.load.measure.measurement import Accounting, Client, Histogram, Measurement, Stall, overlaps
from senior_backend.load.plan.messages import message
from senior_backend.load.plan.model import Plan, Stage, Target


@pytest.fixture(scope="module")
def server():
    running = Server()
    yield running
    running.stop()


def plan_for(server, *paths: str, **options) -> Plan:
    return Plan([Target(server.url + path) for path in paths], **{"concurrency": 4, "duration_s": 0.4, "timeout_s": 2.0, **options})


def test_constant_arrivals():
    plan = Plan([Target("http://a/")], model="open", rate_per_s=4.0, duration_s=2.0, workers=2, concurrency=2)
    shares = [list(itertools.takewhile(lambda due: due < schedule.NEVER, schedule.arrivals(plan, worker))) for worker in (0, 1)]
    assert sorted(shares[0] + shares[1]) == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75] and len(shares[0]) == plan.scheduled / 2


def test_arrivals_of_stages_follow_the_integral_of_the_rate():
    plan = Plan([Target("http://a/")], model="open", stages=[Stage(2, 10), Stage(1, 10), Stage(0, 40), Stage(2, 0)], duration_s=5)
    due = [schedule.arrival_time(plan, number) for number in range(plan.scheduled)]
    assert plan.scheduled == 10 + 10 + 40
    assert due == sorted(due) and due[-1] < 5
    assert [sum(begin <= time < begin + 1 for time in due) for begin in range(5)] == pytest.approx([2.5, 7.5, 10, 30, 10], abs=1.01)


def test_connections_of_stages():
    plan = Plan([Target("http://a/")], stages=[Stage(10, 20), Stage(10, 20), Stage(10, 0)])
    assert [schedule.connections_at(plan, seconds) for seconds in (0, 5, 10, 15, 25, 30)] == [0, 10, 20, 20, 10, 0]


def test_open_model_counts_latency_from_the_intended_time(server):
    """One connection and answers of 20 ms let 50 requests through a second; 200 are due: the last waits for all before it."""
    (measurement,) = run_plan(plan_for(server, "/slow", model="open", rate_per_s=200.0, concurrency=1, timeout_s=0.5))
    books = measurement.accounting
    assert books.started + books.never_sent == 80 and books.never_sent > 0 and measurement.client.waited > 40
    assert measurement.latency.max_ms > 500 and measurement.latency.percentile_ms(50) > 100
    assert 20 <= measurement.service.min_ms and measurement.service.percentile_ms(50) < 60
    assert measurement.requests_per_second < 60


def test_closed_model_hides_that_and_says_when_it_stood_still():
    latency = Histogram({10_000: 1000, 2_000_000: 10})
    measurement = Measurement(Target("http://a/"), latency=latency, answered=1010, seconds=10.0, client=Client(stalls=[Stall(3.0, 2.0), Stall(6.0, 0.09)]))
    stalls = assessment.stalls_of(Plan([measurement.target]), measurement)
    assert (stalls.count, stalls.longest_s) == (1, 2.0)
    # at 126/s another 252 would have come in the 2 s, waiting 1 s on average
    assert measurement.latency.percentile_ms(95) == 10 and 1800 < stalls.felt_p99_ms <= 2000
    assert assessment.stalls_of(Plan([measurement.target], model="open"), measurement) is None
    assert overlaps([Stall(1, 2), Stall(5, 1)], [Stall(2, 4)]) == [Stall(2, 1), Stall(5, 1)]


def test_warm_up_is_not_counted(server):
    server.truth()
    (measurement,) = run_plan(plan_for(server, "/slow", model="open", rate_per_s=100.0, warmup_s=0.5, duration_s=0.5))
    assert measurement.accounting.started == measurement.latency.total == 50
    assert server.truth()["/slow"][0] == 100
    (measurement,) = run_plan(plan_for(server, "/slow", warmup_s=0.3))
    read = server.truth()["/slow"][0]
    assert measurement.accounting.ok == measurement.accounting.started and read * 0.4 < measurement.accounting.started < read


def test_stages_of_connections(server):
    (measurement,) = run_plan(plan_for(server, "/slow", stages=[Stage(0.0, 8), Stage(0.6, 0)], duration_s=0.6, concurrency=8))
    first, second = (sum(block.answered for block in measurement.blocks[half : half + 10]) for half in (0, 10))
    assert measurement.accounting.in_flight == 0 and first > 1.7 * second > 0


def test_mix_by_weight(server):
    server.truth()
    measurements = run_plan(plan_for(server, "/ok", "/cookie", mode="mix", concurrency=4))
    truth = server.truth()
    assert [one.accounting.started for one in measurements] == [truth[path][0] for path in ("/ok", "/cookie")]
    targets = [Target(server.url + "/ok", weight=3), Target(server.url + "/cookie")]
    three, one = (measurement.accounting.started for measurement in run_plan(Plan(targets, mode="mix", concurrency=2, duration_s=0.4)))
    assert 2.2 < three / one < 4


def test_targets_of_several_origins_share_the_connections(server):
    other = Server()
    try:
        for model in ({}, {"model": "open", "rate_per_s": 300.0, "concurrency": 2}):
            measurements = run_plan(Plan([Target(server.url + "/ok"), Target(other.url + "/slow")], mode="compare", **{"concurrency": 3, "duration_s": 0.4, **model}))
            assert all(measurement.accounting.ok == measurement.accounting.started > 5 for measurement in measurements)
    finally:
        other.stop()


def test_one_after_the_other(server):
    server.truth()
    first, second = run_plan(plan_for(server, "/ok", "/503", duration_s=0.2))
    truth = server.truth()
    assert (first.accounting.ok, second.accounting.failed) == (truth["/ok"][0], truth["/503"][0])
    assert second.failures(None) == {"HTTP 503": second.accounting.failed} and not second.failures(503)


def test_several_processes(server):
    server.truth()
    snapshots = []
    plan = plan_for(server, "/slow", model="open", rate_per_s=100.0, concurrency=6, workers=3, duration_s=1.2)
    (measurement,) = run_plan(plan, snapshots.append)
    assert measurement.accounting.started == measurement.accounting.ok == server.truth()["/slow"][0] == plan.scheduled
    assert measurement.client.workers == 3 and [snapshot.seconds for snapshot in snapshots] == [1.0, 1.2]
    assert snapshots[0].answered == measurement.timeline[0].answered


def test_rows_of_data_fill_url_header_and_body():
    target = Target("http://a/items/{{id}}?q={{ q }}", "POST", [("X-Name", "{{q}}")], b'{"q": "{{q}}", "id": {{id}}}')
    head, _, body = message(target, {"id": 7, "q": 'a "b"/\u00e9'}).partition(b"\r\n\r\n")
    assert head.decode().splitlines()[0] == "POST /items/7?q=a%20%22b%22%2F%C3%A9 HTTP/1.1"
    assert 'X-Name: a "b"/\u00e9' in head.decode().splitlines()
    assert json.loads(body) == {"q": 'a "b"/\u00e9', "id": 7} and f"Content-Length: {len(body)}".encode() in head
    with pytest.raises(ValueError):
        message(target, {"id": 7, "q": "a\r\nX-Evil: 1"})


def test_rows_are_used_in_turn(server):
    server.truth()
    plan = plan_for(server, "/row-{{n}}", data=[{"n": number} for number in range(3)], concurrency=1, duration_s=0.2)
    run_plan(plan)
    counts = [server_count[0] for server_count in server.truth().values()]
    assert len(counts) == 3 and max(counts) - min(counts) <= 1


def test_default_headers():
    assert message(Target("http://[::1]:81")).startswith(b"GET / HTTP/1.1\r\nHost: [::1]:81\r\n")
    assert b"\r\nHost: b\r\n" in (own := message(Target("https://a/", headers=[("host", "b")])).replace(b"host", b"Host")) and own.count(b"Host") == 1
    assert b"\r\nContent-Length: 0\r\n" in message(Target("http://a/", "POST"))
    for body, kind in ((b'{"a": 1}', b"application/json"), (b"a=1&b=2", b"application/x-www-form-urlencoded"), (b"\0", b"application/octet-stream")):
        assert b"Content-Type: " + kind in message(Target("http://a/", "POST", body=body))


def test_books_that_do_not_close_are_a_fault():
    plan = Plan([Target("http://a/")])
    with pytest.raises(BooksDoNotClose):
        check_books(plan, [Measurement(plan.targets[0], Accounting(started=3, ok=1, failed=1))])
    with pytest.raises(BooksDoNotClose):
        check_books(Plan(plan.targets, model="open", rate_per_s=1.0), [Measurement(plan.targets[0], Accounting(started=1, in_flight=1, never_sent=1))])


def test_percentiles_are_exact():
    values = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3]
    histogram = Histogram()
    for value in values:
        histogram.add(value * 1000)
    assert histogram.percentiles_ms([0, 10, 50, 90, 100]) == [1, 1, 3, 6, 9]
    assert (histogram.mean_ms, histogram.stddev_ms) == (3.9, pytest.approx(2.4698, abs=1e-3))
    assert Histogram().percentiles_ms([50, 99]) == [0.0, 0.0]
