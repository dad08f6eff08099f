"""The raw engine: answers read exactly, in whatever pieces they come; books that close and are those of the server; failures by their names; rate limits found."""
from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time

import pytest
from hypothesis import given, settings, strategies as st
from load_server import BROKEN, COMPLETE, Server

from senior_backend.load import limit as limit_search
from senior_backend.load.engine import connections
from senior_backend.load.engine.connections import AnswerReader, HeadCache, Malformed, Unreachable
from senior_backend.load.engine.raw import run_plan
from senior_backend.load.limit import retry_after
from senior_backend.load.measure import Measurement
from senior_backend.load.plan import Plan, Target

BODY = b'{"a": 1}'
GET, HEAD = HeadCache(False), HeadCache(True)
# bytes -> (status, bytes after the end, connection usable)
ANSWERS = {
    b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n" + BODY: (200, 0, True),
    b"HTTP/1.1 200 OK\r\nContent-Length: 8, 8\r\ncontent-length:8\r\n\r\n" + BODY: (200, 0, True),
    b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n": (200, 0, True),
    b"HTTP/1.1 200 OK\nContent-Length: 8\n\n" + BODY: (200, 0, True),
    b"HTTP/1.1 200 OK\nContent-Length: 8\n\nab\r\n\r\ncd": (200, 0, True),
    b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n" + BODY + b"EXTRA": (200, 5, True),
    b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 8\r\n\r\n" + BODY: (200, 0, False),
    b"HTTP/1.0 200 OK\r\nContent-Length: 8\r\n\r\n" + BODY: (200, 0, False),
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 8\r\n\r\n" + BODY: (200, 0, True),
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 8\r\n\r\n" + BODY: (201, 0, True),
    b"HTTP/1.1 204 No Content\r\n\r\n": (204, 0, True),
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 150\r\n\r\n": (304, 0, True),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n3;n=v\r\nabc\r\n00A\r\n0123456789\r\n0\r\nX: y\r\n\r\n": (200, 0, True),
    b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3\nabc\n0\n\n": (200, 0, True),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n": (200, 0, False),
    b"HTTP/1.1 200 OK\r\nX-Long: " + b"y" * 6_000 + b"\r\nContent-Length: 8\r\n\r\n" + BODY: (200, 0, True),
    b"HTTP/1.1 200 OK\r\nX-Folded: a\r\n b\r\nContent-Length: 8\r\n\r\n" + BODY: (200, 0, True),
}
MALFORMED = {
    b"\0\1\2": "not HTTP",
    b"EXTRAHTTP/1.1 200 OK\r\n\r\n": "not HTTP",
    b"\r\nHTTP/1.1 200 OK\r\n\r\n": "not HTTP",
    b"HTTP/1.1 abc OK\r\n\r\n": "status line",
    b"HTTP/2.0 200 OK\r\n\r\n": "not HTTP",
    b"HTTP/1.1 0200 OK\r\n\r\n": "status line",
    b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n": "header line",
    b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n": "content length",
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n": "content length",
    b"HTTP/1.1 200 OK\r\nContent-Length: +8\r\n\r\n": "content length",
    b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\nContent-Length: 9\r\n\r\n": "two content lengths",
    b"HTTP/1.1 200 OK\r\nContent-Length: 8, 9\r\n\r\n": "two content lengths",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n": "chunk size",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\nabc": "chunk size",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n": "chunk end",
    b"HTTP/1.1 101 Switching\r\n\r\n": "unasked 101 upgrade",
    b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000: "head over 64 kB",
}


def read(pieces: list[bytes], cache: HeadCache = GET) -> AnswerReader | None:
    """The reader after a whole answer, None when it wants more. What comes after the end belongs to the surplus."""
    reader = AnswerReader(cache)
    for number, piece in enumerate(pieces):
        if reader.feed(piece):
            reader.surplus += sum(map(len, pieces[number + 1 :]))
            return reader
    return None


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 400), max_size=12))
def test_answers_end_where_they_end_in_whatever_pieces(lengths):
    for answer, expected in ANSWERS.items():
        edges = [min(len(answer), sum(lengths[:number])) for number in range(len(lengths) + 1)]
        for pieces in ([answer[begin:end] for begin, end in zip(edges, [*edges[1:], len(answer)]) if begin < end], [answer[place : place + 1] for place in range(len(answer))]):
            reader = read(pieces)
            assert reader and (reader.head.status, reader.surplus, reader.head.keep_alive) == expected, answer[:40]


@pytest.mark.parametrize("answer", [answer for answer, (_, surplus, _) in ANSWERS.items() if not surplus], ids=lambda answer: answer[:40])
def test_no_answer_is_complete_before_its_end(answer):
    for length in range(len(answer)):
        assert read([answer[:length]]) is None


@pytest.mark.parametrize("data", MALFORMED, ids=lambda data: data[:40])
def test_malformed(data):
    with pytest.raises(Malformed, match=f"^{MALFORMED[data]}$"):
        read([data])
    with pytest.raises(Malformed):
        read([data[place : place + 1] for place in range(min(len(data), 66_000))] if len(data) < 1000 else [data[:40_000], data[40_000:]])


def test_no_body_after_head_requests():
    assert read([b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"], HEAD).surplus == 0
    assert read([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"], HEAD).surplus == 0


@pytest.mark.parametrize("data, kind", [
    (b"", "connection closed before answer"),
    (b"HTTP/1.1 20", "truncated head"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nabc", "truncated body"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nabc", "truncated body"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", "truncated body"),
    (b"HTTP/1.1 200 OK\r\n\r\nabc", None),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc", None),
])
def test_the_end_of_the_connection(data, kind):
    reader = AnswerReader(GET)
    assert not (data and reader.feed(data))
    assert reader.end() == kind


# over real sockets

KINDS = {
    "/drop": "connection closed before answer", "/reset": "connection reset", "/half-head": "truncated head", "/truncated": "truncated body", "/truncated-chunk": "truncated body",
    "/bad-chunk": "malformed answer (chunk size)", "/not-http": "malformed answer (not HTTP)", "/bad-status": "malformed answer (status line)", "/bad-length": "malformed answer (content length)",
    "/two-lengths": "malformed answer (two content lengths)", "/hang": "timeout response", "/trickle": "timeout response",
}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> tuple[str, str]:
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("certificate")
    files = str(folder / "certificate.pem"), str(folder / "key.pem")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost -out".split()
    subprocess.run([*command, files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


@pytest.fixture(scope="module")
def tls_server(certificate):
    running = Server(*certificate)
    yield running
    running.stop()


def sent(url: str, **plan) -> Measurement:
    target = Target(url, **{key: plan.pop(key) for key in ("method", "body", "headers") if key in plan})
    (measurement,) = run_plan(Plan([target], **{"concurrency": 3, "duration_s": 0.2, "timeout_s": 0.5, **plan}))
    books = measurement.accounting
    assert books.started == books.ok + books.failed + books.in_flight > 0
    assert sum(measurement.failures(plan.get("expect_status")).values()) == books.failed
    begun_in_time = sum(second.started for second in measurement.timeline)
    assert begun_in_time <= books.started and (begun_in_time == books.started or plan.get("model") == "open")
    return measurement


@pytest.mark.parametrize("model", [{}, {"model": "open", "rate_per_s": 200.0}], ids=["closed", "open"])
@pytest.mark.parametrize("path", COMPLETE)
def test_answers(server, path, model):
    server.truth()
    measurement = sent(server.url + path, **model)
    read, complete, *_ = server.truth()[path]
    books = measurement.accounting
    assert (books.started, sum(histogram.total for histogram in measurement.statuses.values())) == (read, complete)
    status = {"/204": 204, "/304": 304, "/redirect": 302, "/loop": 302, "/503": 503, "/400": 400, "/missing": 404}.get(path, 200)
    assert set(measurement.statuses) == {status} and not measurement.errors and books.in_flight == 0
    assert (books.failed if status >= 400 else books.ok) == books.started
    assert measurement.latency.total == measurement.service.total == books.started
    assert measurement.notes == ({"bytes after the answer's end": books.ok} if path == "/surplus" else {})


@pytest.mark.parametrize("path", BROKEN)
def test_faults_have_names(server, path):
    server.truth()
    begin = time.monotonic()
    measurement = sent(server.url + path)
    assert time.monotonic() - begin < 0.2 + 0.5 + 1
    assert set(measurement.errors) == {KINDS[path]} and not measurement.statuses
    assert measurement.accounting.started == server.truth()[path][0] == measurement.accounting.failed


@pytest.mark.parametrize("tls", [False, True])
def test_answers_longer_than_those_before(tls_server, tls):
    """What is received at once follows the answers known; longer ones come whole all the same."""
    url = tls_server.tls_url if tls else tls_server.url
    targets = [Target(url + "/ok", weight=20), Target(url + "/big")]
    short, long = run_plan(Plan(targets, mode="mix", concurrency=3, duration_s=0.6, timeout_s=2.0, verify_tls=False))
    assert short.accounting.ok == short.accounting.started > 50 and long.accounting.ok == long.accounting.started > 5
    assert not short.errors and not long.errors and long.bytes_received > 300_000 * long.accounting.ok


def test_large_bodies_go_out_whole_and_an_early_answer_counts(server):
    body = b"b" * 3_000_000
    server.truth()
    measurement = sent(server.url + "/ok", method="POST", body=body, concurrency=2)
    assert measurement.accounting.ok == server.truth()["/ok"][0]


def test_the_same_through_selectors(server, monkeypatch):
    monkeypatch.delattr(connections.select, "epoll", raising=False)
    for path, failed in (("/ok", False), ("/chunked", False), ("/drop", True)):
        books = sent(server.url + path).accounting
        assert (books.failed if failed else books.ok) == books.started
    assert sent(server.url + "/ok", model="open", rate_per_s=100.0).accounting.ok == 20


def test_tls(tls_server, certificate, monkeypatch):
    for path in ("/ok", "/big", "/chunked", "/closing"):
        measurement = sent(tls_server.tls_url + path, verify_tls=False)
        assert measurement.accounting.ok == measurement.accounting.started
    with pytest.raises(Unreachable) as refused:
        sent(tls_server.tls_url + "/ok")
    assert refused.value.kind == "tls certificate not trusted"
    monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
    assert sent(tls_server.tls_url.replace("127.0.0.1", "localhost") + "/ok").accounting.failed == 0
    with pytest.raises(Unreachable) as refused:
        sent(tls_server.tls_url + "/ok")
    assert refused.value.kind == "tls certificate for another host"


def test_where_nobody_answers(server):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        for url, kind in ((server.url.replace("http", "https"), "timeout tls"), (f"http://127.0.0.1:{unused.getsockname()[1]}", "connect refused"), ("http://no-such-host.invalid", "dns")):
            with pytest.raises(Unreachable) as refused:
                sent(url + "/")
            assert refused.value.kind == kind


def test_a_server_that_leaves_is_not_asked_in_a_hot_loop():
    """Slots whose connection is refused pause; the processor rests meanwhile."""
    running = Server()
    threading.Timer(0.3, running.process.kill).start()
    measurement = sent(running.url + "/slow", duration_s=1.2, concurrency=4)
    running.stop()
    refused = measurement.errors["connect refused"]
    assert 4 <= refused <= 100 and measurement.client.busiest < 0.5
    assert measurement.accounting.ok > 20


# rate limits


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
