"""Sends the requests of the search for a rate limit: few connections, each answer noted with its time, refused ones followed by a pause."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import selectors
import socket
import ssl
import time
from collections.abc import Callable

from senior_backend.load.engine.http1 import AnswerReader, HeadCache, Malformed
from senior_backend.load.plan.messages import message
from senior_backend.load.engine.addresses import Address, error_kind, reach, tls_context
from senior_backend.load.plan.model import Plan

REFUSALS = (429, 503)  # 503 counts when it carries Retry-After
READ_SIZE = 65536
AFTER_FAILURE_S = 0.05  # before the next attempt when one has failed outright
STILL_WAITING = "in flight at the end"


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """A request that ended. Times in seconds since the search began; connection: a number that is new for every new connection; kind: "" or how it failed."""

    sent_s: float
    done_s: float
    connection: int
    status: int
    refused: bool
    size: int = 0
    kind: str = ""

    @property
    def accepted(self) -> bool:
        return not self.refused and not self.kind


class Line:
    """A connection with at most one request under way."""

    def __init__(self, number: int, connected: socket.socket, reader: AnswerReader):
        self.number, self.socket, self.reader = number, connected, reader
        self.sent_s, self.rest, self.waiting = 0.0, b"", False


class Probe:
    """Connections to the plan's first target and the answers that came over them. Use as a context manager."""

    def __init__(self, plan: Plan):
        self.plan, self.target = plan, plan.targets[0]
        self.bytes = message(self.target, (plan.data or [None])[0])
        self.address: Address = reach(self.target, plan.verify_tls, time.monotonic() + min(plan.timeout_s, plan.duration_s))
        self.context = tls_context(plan.verify_tls) if self.target.origin.scheme == "https" else None
        self.cache = HeadCache(self.target.method == "HEAD")
        self.numbers, self.selector = itertools.count(1), selectors.DefaultSelector()
        self.lines: set[Line] = set()
        self.answers: list[Answer] = []
        self.heads: dict[int, bytes] = {}
        self.began, self.stopped = time.monotonic(), False

    def __enter__(self) -> Probe:
        return self

    def __exit__(self, *_) -> None:
        for line in list(self.lines):
            self.drop(line)
        self.selector.close()

    def now(self) -> float:
        return time.monotonic() - self.began

    def connect(self) -> Line:
        """A new connection. OSError when there is none to be had."""
        connected = socket.socket(self.address.family)
        try:
            connected.settimeout(self.plan.timeout_s)
            connected.connect(self.address.sockaddr)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.context:
                connected = self.context.wrap_socket(connected, server_hostname=self.target.origin.host)
        except OSError:
            connected.close()
            raise
        connected.setblocking(False)
        line = Line(next(self.numbers), connected, AnswerReader(self.cache))
        self.lines.add(line)
        return line

    def drop(self, line: Line) -> None:
        if line.waiting:
            self.selector.unregister(line.socket)
        line.waiting = False
        line.socket.close()
        self.lines.discard(line)

    def run(self, connections: int, until_s: float, gap_s: Callable[[], float], finished: Callable[[], bool]) -> None:
        """Keep this many connections asking until the time has come or it is finished: at once after an answer; refused ones wait in a queue, of which
        one may ask every gap_s()."""
        asked = sorted(self.lines, key=lambda line: line.number)[:connections]
        queue: collections.deque[Line | None] = collections.deque([*asked, *[None] * (connections - len(asked))])
        next_s = self.now()
        while not (self.stopped or finished()) and self.now() < until_s:
            while queue and next_s <= self.now():
                next_s = max(next_s, self.now() - gap_s()) + gap_s()
                if self.ask(queue.popleft()):
                    queue.append(None)
                    next_s = max(next_s, self.now() + AFTER_FAILURE_S)
            wait = min(until_s, next_s if queue else until_s) - self.now()
            for key, _ in self.selector.select(wait if wait > 0.001 else 0):  # select() rounds up to milliseconds
                line, answer = key.data, self.read(key.data)
                if answer and answer.accepted and line in self.lines:
                    answer = self.ask(line)
                if answer:
                    queue.append(line if line in self.lines else None)
            for line in self.late():
                self.end(line, 0, kind="timeout response")
                queue.append(None)
        self.give_up()

    def once(self, line: Line | None = None) -> tuple[Answer, Line | None]:
        """One request, over a new connection unless one is given, and the connection if it can be used again."""
        failure = self.ask(line)
        if failure:
            return failure, None
        line = next(candidate for candidate in self.lines if candidate.waiting)
        answer, until = None, self.now() + self.plan.timeout_s
        while answer is None and self.now() < until:
            for key, _ in self.selector.select(max(0.0, until - self.now())):
                answer = self.read(key.data)
        return answer or self.end(line, 0, kind="timeout response"), line if line in self.lines else None

    def ask(self, line: Line | None) -> Answer | None:
        """Send a request; gives the Answer when that failed already."""
        begin = self.now()
        try:
            line = line or self.connect()
        except OSError as error:
            return self.note(Answer(begin, self.now(), 0, 0, False, kind=error_kind(error, "connect")))
        line.sent_s, line.rest, line.waiting = self.now(), self.bytes, True
        line.reader.reset()
        self.selector.register(line.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, line)
        return self.write(line)

    def write(self, line: Line) -> Answer | None:
        try:
            line.rest = line.rest[line.socket.send(line.rest) :]
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except OSError as error:
            return self.end(line, 0, kind=error_kind(error, "answer"))
        if not line.rest:
            self.selector.modify(line.socket, selectors.EVENT_READ, line)
        return None

    def read(self, line: Line) -> Answer | None:
        """Go on with a connection that is ready; gives the Answer when its request has ended."""
        if line.rest:
            failure = self.write(line)
            if failure or line.rest:
                return failure
        try:
            data = line.socket.recv(READ_SIZE)
            complete = line.reader.feed(data) if data else line.reader.end() is None
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except Malformed as error:
            return self.end(line, 0, kind=f"malformed answer: {error}")
        except OSError as error:
            return self.end(line, 0, kind=error_kind(error, "answer"))
        if complete:
            return self.end(line, line.reader.head.status, keep=bool(data) and line.reader.head.keep_alive and not line.reader.surplus)
        return None if data else self.end(line, 0, kind=line.reader.end() or "")

    def end(self, line: Line, status: int, keep: bool = False, kind: str = "") -> Answer:
        refused = status == 429 or status in REFUSALS and b"\nretry-after:" in line.reader.first_head.lower()
        answer = self.note(Answer(line.sent_s, self.now(), line.number, status, refused, line.reader.received, kind))
        if status:
            self.heads.setdefault(status, line.reader.first_head)
        if keep:
            self.selector.unregister(line.socket)
            line.waiting = False
        else:
            self.drop(line)
        return answer

    def note(self, answer: Answer) -> Answer:
        self.answers.append(answer)
        return answer

    def late(self) -> list[Line]:
        limit = self.now() - self.plan.timeout_s
        return [line for line in self.lines if line.waiting and line.sent_s < limit]

    def give_up(self) -> None:
        """Close the connections that still wait for an answer, after a moment for it to come."""
        until = self.now() + min(0.25, self.plan.timeout_s)
        while any(line.waiting for line in self.lines) and self.now() < until:
            for key, _ in self.selector.select(max(0.0, until - self.now())):
                self.read(key.data)
        for line in [line for line in self.lines if line.waiting]:
            self.end(line, 0, kind=STILL_WAITING)
