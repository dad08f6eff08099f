"""The raw engine against every kind of answer and fault: its books close and are those of the server, and failures have their names."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time

import pytest
from load_server import BROKEN, COMPLETE, Server
from senior_backend.load.engine import connections
from senior_backend.load.engine.raw import run_plan
from senior_backend.load.measure.measurement import Measurement
from senior_backend.load.engine.connections import Unreachable
from senior_backend.load.plan.model import Plan, Target

KINDS = {
    "/drop": "connection closed before answer",
    "/reset": "connection reset",
    "/half-head": "truncated head",
    "/truncated": "truncated body",
    "/truncated-chunk": "truncated body",
    "/bad-chunk": "malformed answer (chunk size)",
    "/not-http": "malformed answer (not HTTP)",
    "/bad-status": "malformed answer (status line)",
    "/bad-length": "malformed answer (content length)",
    "/two-lengths": "malformed answer (two content lengths)",
    "/hang": "timeout response",
    "/trickle": "timeout response",
}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> tuple[str, str]:
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("certificate")
    files = str(folder / "certificate.pem"), str(folder / "key.pem")
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-out",
            files[0],
            "-keyout",
            files[1],
        ],
        check=True,
        capture_output=True,
    )
    return files


@pytest.fixture(scope="module")
def server():
    running = Server()
    yield running
    running.stop()


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
    status = {"/204": 204, "/304": 304, "/redirect": 302, "/503": 503, "/400": 400}.get(path, 200)
    assert set(measurement.statuses) == {status} and not measurement.errors and books.in_flight == 0
    assert (books.failed if status >= 400 else books.ok) == books.started
    assert measurement.latency.total == measurement.service.total == books.started


@pytest.mark.parametrize("path", BROKEN)
def test_faults_have_names(server, path):
    server.truth()
    begin = time.monotonic()
    measurement = sent(server.url + path)
    assert time.monotonic() - begin < 0.2 + 0.5 + 1
    assert set(measurement.errors) == {KINDS[path]} and not measurement.statuses
    assert measurement.accounting.started == server.truth()[path][0] == measurement.accounting.failed


def test_bytes_after_the_end_cost_the_connection_not_the_answer(server):
    measurement = sent(server.url + "/surplus")
    assert measurement.notes == {"bytes after the answer's end": measurement.accounting.ok}


@pytest.mark.parametrize("tls", [False, True])
def test_answers_longer_than_those_before(tls_server, tls):
    """What is received at once follows the answers known; longer ones come whole all the same."""
    url = tls_server.tls_url if tls else tls_server.url
    targets = [Target(url + "/ok", weight=20), Target(url + "/big")]
    short, long = run_plan(Plan(targets, mode="mix", concurrency=3, duration_s=0.6, timeout_s=2.0, verify_tls=False))
    assert short.accounting.ok == short.accounting.started > 50 and long.accounting.ok == long.accounting.started > 5
    assert not short.errors and not long.errors and long.bytes_received > 300_000 * long.accounting.ok


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "DELETE"])
def test_methods(server, method):
    server.truth()
    assert sent(server.url + "/ok?x=1", method=method).accounting.failed == 0
    assert server.truth()["/ok"][2] == f"{method} /ok?x=1 HTTP/1.1"


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


def test_plain_http_where_tls_is_expected(server):
    with pytest.raises(Unreachable) as refused:
        sent(server.url.replace("http", "https") + "/ok")
    assert refused.value.kind == "timeout tls"


def test_nobody_there():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(Unreachable) as refused:
            sent(f"http://127.0.0.1:{unused.getsockname()[1]}/")
    assert refused.value.kind == "connect refused"
    with pytest.raises(Unreachable) as unknown:
        sent("http://no-such-host.invalid/")
    assert unknown.value.kind == "dns"


def test_a_server_that_leaves_is_not_asked_in_a_hot_loop():
    """Slots whose connection is refused pause; the processor rests meanwhile."""
    running = Server()
    threading.Timer(0.3, running.process.kill).start()
    measurement = sent(running.url + "/slow", duration_s=1.2, concurrency=4)
    running.stop()
    refused = measurement.errors["connect refused"]
    assert 4 <= refused <= 100 and measurement.client.busiest < 0.5
    assert measurement.accounting.ok > 20
