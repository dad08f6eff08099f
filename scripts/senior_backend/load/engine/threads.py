"""Slots that send one request at a time and block for its answer, and the engine "requests" made of them: a thread and a session for each connection. For
redirects, cookies,
digest and proxies; slow, and it knows how slow: it first measures itself against a tiny server of its own that answers at once.
Slots know no threads from greenlets: the engine "locust" uses them too.
"""
from __future__ import annotations

import contextlib
import dataclasses
import errno
import http.client
import http.cookiejar
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from senior_backend.console import CommandError, ExitCode
from senior_backend.dependencies import require
from senior_backend.load.engine.connections import error_kind, reach_all
from senior_backend.load.assessment import one_after_the_other
from senior_backend.load.measure import Books, Client, Measurement, Progress
from senior_backend.load.plan import NEVER, Plan, Row, Target, arrivals, connections_at, filled_body, filled_url, headers_of, request_stream, share

IDLE_S = 0.02  # between looks of a slot that the stages do not want now
READ_SIZE = 65536
Order = tuple[int, Row, float | None]  # number of the target, row of data, intended send time since the run began (None in the closed model)


class Slots:
    """One process's share of a run: begin(), work() in every slot, and wait() meanwhile."""

    def __init__(self, plan: Plan, worker: int, engine: str, progress: Progress | None = None):
        self.plan, self.worker = plan, worker
        self.books, self.client = Books(plan, engine, progress), Client()
        self.orders = request_stream(plan, worker, lambda target, row: (target, row))
        self.arrivals = arrivals(plan, worker) if plan.model == "open" else None
        self.lock, self.ended, self.stopped = threading.Lock(), False, False
        self.end_s = plan.warmup_s + plan.duration_s
        self.working, self.in_flight = 0, [0] * len(plan.targets)
        self.began = self.cpu_s = 0.0

    def begin(self, slots: int) -> None:
        self.senders = [RequestsSender(self.plan) for _ in range(slots)]
        self.working, self.began, self.cpu_s = slots, time.perf_counter(), time.process_time()

    def now_s(self) -> float:
        return time.perf_counter() - self.began

    def work(self, number: int) -> None:
        """Send one order after the other until there are no more."""
        try:
            while (order := self.next_order(number)) is not None:
                self.carry_out(order, self.senders[number])
        finally:
            self.senders[number].session.close()
            with self.lock:
                self.working -= 1

    def next_order(self, number: int) -> Order | None:
        """What this slot is to send now (waiting for its time), None when the run is over."""
        while not self.over():
            if self.arrivals is not None:
                return self.next_due()
            if self.wanted(number):
                with self.lock:
                    return *next(self.orders), None
            time.sleep(IDLE_S)
        return None

    def over(self) -> bool:
        return self.stopped or self.now_s() >= self.end_s

    def wanted(self, number: int) -> bool:
        """Whether the stages have use for this slot now. Slots are shared out over the workers."""
        return not self.plan.stages or number < share(connections_at(self.plan, self.now_s()), self.worker, self.plan.workers)

    def next_due(self) -> Order | None:
        with self.lock:
            due_s = next(self.arrivals, NEVER)
            if due_s == NEVER:
                return None
            order = *next(self.orders), due_s
            early = due_s - self.now_s()
            self.client.waited += early < -0.001
        while early > 0 and not self.stopped:
            time.sleep(min(early, 0.2))
            early = due_s - self.now_s()
        return None if self.over() else order

    def carry_out(self, order: Order, sender: RequestsSender) -> None:
        number, row, due_s = order
        sent_s, recorder = self.now_s(), self.books.recorders[number]
        begin_s = sent_s if due_s is None else due_s
        counted = begin_s >= self.plan.warmup_s
        if counted:
            with self.lock:
                recorder.started += 1
                self.in_flight[number] += 1
                self.client.lag.add(round((sent_s - begin_s) * 1e6))
        kind, status, size = "", 0, 0
        try:
            status, size = sender.send(number, row)
        except Broken as failure:
            kind = str(failure)
        done_s = self.now_s()
        with self.lock:
            if not counted or self.ended:
                return
            self.in_flight[number] -= 1
            if kind:
                recorder.failure(kind, done_s - sent_s)
            else:
                recorder.answer(status, round((done_s - begin_s) * 1e6), round((done_s - sent_s) * 1e6), size)

    def wait(self) -> list[Measurement]:
        """Stay until the run is over and its last answers are in, or drain_s has passed; Ctrl-C ends it. Gives the measurements."""
        try:
            while not self.over():
                edge_s = self.plan.warmup_s + self.books.next_edge_ns / 1e9
                time.sleep(min(0.2, max(0.001, min(edge_s, self.end_s) - self.now_s())))
                with self.lock:
                    self.books.pour((self.now_s() - self.plan.warmup_s) * 1e9)
        except KeyboardInterrupt:
            self.stopped = True
        with self.lock:
            self.books.end()
        until = time.perf_counter() + self.plan.drain_s
        while self.working and time.perf_counter() < until:
            time.sleep(0.01)
        return self.finish()

    def finish(self) -> list[Measurement]:
        """Close the books: what is not answered by now was in flight."""
        with self.lock:
            self.ended = True
            seconds = min(self.plan.duration_s, max(0.001, self.now_s() - self.plan.warmup_s))
            self.client.cpu_s = time.process_time() - self.cpu_s
            self.client.busiest = min(1.0, self.client.cpu_s / (seconds + self.plan.warmup_s))
            never_sent = 0
            if self.arrivals is not None and not self.stopped:
                due = iter(arrivals(self.plan, self.worker).__next__, NEVER)
                never_sent = sum(due_s >= self.plan.warmup_s for due_s in due) - sum(recorder.started for recorder in self.books.recorders)
            return self.books.close(dict(enumerate(self.in_flight)), {0: never_sent}, seconds, self.stopped, self.client)


class Broken(Exception):
    """A request that ended without a complete answer; the text is the kind of failure."""


class RequestsSender:
    """A session with its own connections and, if the plan wants them, cookies. `requests` must be importable."""

    def __init__(self, plan: Plan):
        import requests

        self.requests, self.plan = requests, plan
        self.session = requests.Session()
        self.session.trust_env = False  # no proxies or passwords that the plan does not name
        self.session.headers.clear()
        self.session.verify = (ca_bundle() or True) if plan.verify_tls else False
        if not plan.cookies:
            self.session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        if plan.proxy:
            self.session.proxies = {"http": plan.proxy, "https": plan.proxy}
        if plan.digest:
            self.session.auth = requests.auth.HTTPDigestAuth(*plan.digest)

    def send(self, target: int, row: Row) -> tuple[int, int]:
        """(status, bytes of the body) of the last answer of a chain of redirects or of a digest exchange. Raises Broken."""
        deadline = time.monotonic() + self.plan.timeout_s
        try:
            with self.session.request(**self.arguments(target, row), timeout=self.plan.timeout_s, stream=True, allow_redirects=self.plan.follow_redirects) as answer:
                return answer.status_code, body_size(answer.raw, deadline)
        except Broken:
            raise
        except Exception as error:
            ours = isinstance(error, (self.requests.RequestException, OSError, http.client.HTTPException))
            if not ours and type(error).__module__.partition(".")[0] != "urllib3":  # raw reads raise urllib3's own
                raise
            raise Broken(kind_of(error)) from error

    def arguments(self, number: int, row: Row) -> dict[str, Any]:
        target = self.plan.targets[number]
        body, headers = filled_body(target, row), {}
        for name, value in headers_of(target, row, body, ("host", "content-length")):
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return {"method": target.method, "url": filled_url(target, row), "headers": {name: value.encode("utf-8") for name, value in headers.items()}, "data": body}


def ca_bundle() -> str | None:
    """The system's certificates, which the engine raw trusts too."""
    paths = ssl.get_default_verify_paths()
    return next((path for path in (paths.cafile, paths.capath) if path and os.path.exists(path)), None)


def body_size(raw: Any, deadline: float) -> int:
    """Read a body as it comes. Raises Broken when the whole request takes longer than it may."""
    size = 0
    while data := raw.read1(READ_SIZE, decode_content=False):
        size += len(data)
        if time.monotonic() > deadline:
            raise Broken("timeout response")
    if getattr(raw, "length_remaining", None):
        raise Broken("truncated body")
    return size


# The names of what can go wrong: the same as the engine raw's where it can be told

BY_NAME = {
    "ProxyError": "proxy",
    "ConnectTimeout": "timeout connect",
    "ConnectTimeoutError": "timeout connect",
    "ReadTimeout": "timeout response",
    "ReadTimeoutError": "timeout response",
    "TooManyRedirects": "too many redirects",
    "NameResolutionError": "dns",
    "IncompleteRead": "truncated body",
    "InvalidChunkLength": "malformed answer: chunk size",
    "RemoteDisconnected": "connection closed before answer",
    "BadStatusLine": "malformed answer: status line",
    "LineTooLong": "malformed answer: head over 64 kB",
    "InvalidHeader": "malformed answer: header line",
    "UnknownProtocol": "malformed answer: not HTTP",
}


def kind_of(error: BaseException) -> str:
    """The name under which the report counts it."""
    chain = list(causes(error))
    named = next((BY_NAME[type(one).__name__] for one in chain if type(one).__name__ in BY_NAME), "")
    if named:
        return named
    for one in reversed(chain):
        if isinstance(one, socket.gaierror):
            return "dns"
        if isinstance(one, (ssl.SSLError, TimeoutError)):
            return error_kind(one, "tls" if isinstance(one, ssl.SSLError) else "answer")
        if isinstance(one, OSError) and one.errno:
            return error_kind(one, "answer" if one.errno in (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED) else "connect")
    return f"requests: {type(error).__name__}"


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it wraps, outermost first."""
    seen, waiting = [], [error]
    while waiting:
        one = waiting.pop(0)
        if one not in seen:
            seen.append(one)
            yield one
            inner = [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
            waiting += [candidate for candidate in inner if isinstance(candidate, BaseException)]


WARMUP_S, CALIBRATION_S = 0.5, 1.0
TRUE_SHARE = 0.5  # of the ceiling; beyond it requests wait for each other in the client for as long as they take
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"ok":true}'


def run_plan(plan: Plan, progress: Progress | None = None, say: Callable[[str], None] = lambda line: None) -> list[Measurement]:
    """Calibrate, send the load, judge; one measurement per target, in their order. say: takes lines for people about the engine's limits.

    Raises CommandError when `requests` is missing, Unreachable when an origin does not answer (with a proxy, that is for the proxy to find out).
    """
    require("requests")
    if not plan.proxy:
        reach_all(plan)
    plan = dataclasses.replace(plan, workers=1)
    ceiling = calibrated(plan)
    say(ceiling.line())

    def run(part: Plan) -> list[Measurement]:
        found = run_slots(part, progress)
        ceiling.judge(found)
        return found

    return one_after_the_other(plan, run)


def run_slots(plan: Plan, progress: Progress | None) -> list[Measurement]:
    slots = Slots(plan, 0, "requests", progress)
    slots.begin(plan.concurrency)
    for number in range(plan.concurrency):
        threading.Thread(target=slots.work, args=(number,), daemon=True).start()
    return slots.wait()


# How fast it can be on this machine


@dataclasses.dataclass(frozen=True)
class Ceiling:
    """What the engine does with this many slots when the server costs nothing. p50_ms, p99_ms: what the client alone adds at full speed."""

    slots: int
    rate_per_s: float
    p50_ms: float
    p99_ms: float

    def line(self) -> str:
        return (
            f"engine requests: {self.slots} slots reach {self.rate_per_s:,.0f} requests/s on this machine against a server that answers at once, and then add "
            f"{self.p50_ms:.1f} ms (p50) and {self.p99_ms:.1f} ms (p99) of their own; "
            f"above {TRUE_SHARE * self.rate_per_s:,.0f} requests/s its figures are the client's, not the target's"
        )

    def judge(self, measurements: list[Measurement]) -> None:
        """Say so in measurements that shared a schedule when they came too close to the ceiling."""
        rate = sum(measurement.requests_per_second for measurement in measurements)
        if self.rate_per_s and rate > TRUE_SHARE * self.rate_per_s:
            for measurement in measurements:
                measurement.client.reason = (
                    f"engine requests ran at {rate / self.rate_per_s:.0%} of the {self.rate_per_s:,.0f} requests/s that it reaches "
                    "against a server that answers at once; the engine raw goes further"
                )


def calibrated(plan: Plan) -> Ceiling:
    with instant_server() as port:
        targets = [Target(f"http://127.0.0.1:{port}/")]
        (found,) = run_slots(Plan(targets, concurrency=plan.concurrency, duration_s=CALIBRATION_S, warmup_s=WARMUP_S, timeout_s=5.0, cookies=plan.cookies), None)
    return Ceiling(plan.concurrency, found.requests_per_second, *found.latency.percentiles_ms((50, 99)))


@contextlib.contextmanager
def own_process(code: str, ending_s: float, **options) -> Iterator[subprocess.Popen]:
    """Code of ours in a Python of its own, with pipes for stdin and stdout; its end of input is its signal to end, and it is killed when it does not."""
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, sys.argv[1]); {code}", str(pathlib.Path(__file__).resolve().parents[3])]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", **options)
    try:
        yield process
    finally:
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(ending_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


@contextlib.contextmanager
def instant_server() -> Iterator[int]:
    """A server in a process of its own on 127.0.0.1; gives its port."""
    with own_process(f"from {__name__} import serve_at_once; serve_at_once()", 5) as server:
        port = server.stdout.readline().strip()
        if not port.isdigit():
            raise CommandError("the server for the calibration did not start", "run again; if it stays so, use --engine raw", ExitCode.ENVIRONMENT, "CALIBRATION")
        yield int(port)


def serve_at_once() -> None:
    """Answer every request at once, until the input ends; prints the port first."""
    import asyncio  # only this process needs it

    class Instant(asyncio.Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:  # one answer for each end of a head; requests of the calibration have no body
            self.transport.write(ANSWER * data.count(b"\r\n\r\n"))

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Instant, "127.0.0.1", 0, backlog=1024)
        sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)

    asyncio.run(serve())
