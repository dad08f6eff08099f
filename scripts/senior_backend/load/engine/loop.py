"""The event loop of one process: opens connections, carries requests to their end, and books each exactly once. The models of load build on it."""

from __future__ import annotations

import collections
import contextlib
import ssl
import time
from collections.abc import Callable, Iterator, Sequence

from senior_backend.load.engine.connections import (
    CONNECTING, HANDSHAKE, IDLE, READABLE, SENDING, WAITING, WOULD_BLOCK, WRITABLE, Address, Connection, HeadCache, Malformed, Pool, Request, error_kind,
    new_poller, tls_context,
)
from senior_backend.load.measure import Books, Client, Measurement, Progress, Stall
from senior_backend.load.plan import Origin, Plan, message, request_stream, share

RECEIVE_BYTES = 65536
ROOM_BEYOND = 64  # after the longest answer expected, so that bytes which do not belong to it are seen
TICK_NS = 10_000_000
STALL_NS = 100_000_000  # shorter silences are not worth a word
KEPT_STALLS = 1000
CONNECTING_AT_ONCE = 128  # before the start; a listen backlog holds 128 on many systems
TIMEOUT_KINDS = {CONNECTING: "timeout connect", HANDSHAKE: "timeout tls", SENDING: "timeout response", WAITING: "timeout response"}
clock_ns = time.perf_counter_ns


class Loop:
    """One process's part of a plan. worker: its number, from 0; asked_to_stop() is looked at some times a second. All times are perf_counter nanoseconds."""

    chained = True  # whether the end of a request is followed by the next one at once

    def __init__(
        self, plan: Plan, worker: int, addresses: dict[Origin, Address], progress: Progress | None = None, asked_to_stop: Callable[[], bool] = lambda: False
    ):
        self.plan, self.worker, self.asked_to_stop = plan, worker, asked_to_stop
        self.slots = share(plan.concurrency, worker, plan.workers)
        self.poller = new_poller()
        self.connections: dict[int, Connection] = {}
        tls = tls_context(plan.verify_tls) if any(target.origin.scheme == "https" for target in plan.targets) else None
        self.pools = {target.origin: Pool(target.origin, addresses[target.origin], tls if target.origin.scheme == "https" else None) for target in plan.targets}
        self.books = Books(plan, "raw", progress)
        self.caches = {False: HeadCache(False), True: HeadCache(True)}
        self.stream: Iterator[Request] = request_stream(plan, worker, self.make_request)
        self.active = 0  # requests begun and not ended
        self.running, self.stopped = True, False
        self.receive_bytes = RECEIVE_BYTES  # asked for at the begin of an answer: small buffers make 4 % more requests per second
        self.client = Client()

    def make_request(self, number: int, row: dict | None) -> Request:
        target = self.plan.targets[number]
        return Request(message(target, row), self.books.recorders[number], self.pools[target.origin], self.caches[target.method == "HEAD"])

    # What the models of load add

    def wanted_at_start(self) -> int:
        """How many connections to have at the start."""

    def feed(self, now: int) -> float:
        """Begin what is to be begun; gives how many seconds may be waited for events."""

    def released(self, now: int, failed_to_connect: bool) -> None:
        """What follows an ended request."""

    def tend(self, now: int) -> None:
        """Housekeeping of their own."""

    def unsent(self) -> Sequence[tuple[int, Request]]:
        """(due, request) of those that have not been begun."""
        return ()

    # The course of a run

    def prepare(self, limit_s: float) -> None:
        """Open the connections that the start will need, some at a time, for at most limit_s."""
        each = -(-self.wanted_at_start() // len(self.pools))
        todo = [pool for pool in self.pools.values() for _ in range(each)]
        limit = clock_ns() + round(limit_s * 1e9)
        while clock_ns() < limit and not self.asked_to_stop():
            opening = sum(connection.phase in (CONNECTING, HANDSHAKE) for connection in self.connections.values())
            for _ in range(min(len(todo), CONNECTING_AT_ONCE - opening)):
                with contextlib.suppress(OSError):
                    self.open(todo.pop())
            if not todo and not opening:
                return
            for descriptor, events in self.poller.poll(0.01):
                self.attend(self.connections[descriptor], events, clock_ns())

    def run(self, start_ns: int) -> list[Measurement]:
        """The whole course from warm-up to the last answer; measurements in the order of the targets."""
        plan = self.plan
        self.measure_ns = start_ns + round(plan.warmup_s * 1e9)
        self.end_ns = self.measure_ns + round(plan.duration_s * 1e9)
        self.limit_ns = self.end_ns + round(plan.drain_s * 1e9)
        self.start_ns = self.counted_ns = start_ns  # what was due before counted_ns belongs to the warm-up: its end is booked nowhere
        self.timeout_ns, self.warming = round(plan.timeout_s * 1e9), plan.warmup_s > 0
        self.next_sweep = self.next_tick = self.last_event = start_ns
        time.sleep(max(0, start_ns - clock_ns()) / 1e9)
        self.cpu_begin_s = time.process_time()
        self.serve()
        return self.finish()

    def serve(self) -> None:
        # Everything that happens for each request stands in this one loop, with few attribute lookups and no calls of ours: 0.9 of wrk's speed depend on it.
        connections, stream, clock, would_block, chained = self.connections, self.stream, clock_ns, WOULD_BLOCK, self.chained
        wait = self.poller.poll if chained else self.poller.wait
        now = clock()
        while now < self.next_tick or self.tick(now):
            events = wait(self.feed(now))
            now = clock()
            if not events:
                continue
            if now - self.last_event > STALL_NS:
                self.silence(now)
            going_on, expected = chained and self.running and not self.retiring, self.receive_bytes
            for descriptor, happened in events:
                connection = connections[descriptor]
                if not connection.untouched:
                    self.attend(connection, happened, now)
                    continue
                try:
                    data = connection.recv(expected)
                except would_block:
                    continue
                except OSError as error:
                    self.broken(connection, error)
                    continue
                request, due = connection.request, connection.due
                answer = request.recorder.known.get(data)
                if answer is None or chained and connection.sent != due:
                    self.received(connection, data, now)
                    continue
                answer.counts[(now - due) // 1000] += 1
                if not going_on:
                    if not chained:
                        answer.services[(now - connection.sent) // 1000] += 1
                    self.active -= 1
                    self.rest(connection)
                    self.released(now, False)
                    continue
                request = next(stream)
                if request.pool is not connection.pool:
                    self.active -= 1
                    self.rest(connection)
                    self.begin_or_wait(request)
                    continue
                request.recorder.started += 1
                connection.request = request
                connection.begun = connection.sent = connection.due = clock()
                try:
                    count = connection.send(request.payload)
                except OSError as error:
                    count = error
                if count != request.size:
                    self.send_rest(connection, count)
            self.last_event = now
            if chained:
                lag, behind = self.client.lag, (clock() - now) // 1000
                lag[behind] = lag.get(behind, 0) + 1

    def tick(self, now: int) -> bool:
        """Housekeeping, some hundred times a second. False when the run is over."""
        if self.warming and now >= self.measure_ns:
            self.end_warmup()
        if not self.warming and self.books.pour(now - self.measure_ns):
            longest = max((len(data) for recorder in self.books.recorders for data in recorder.known), default=RECEIVE_BYTES)
            self.receive_bytes = min(RECEIVE_BYTES, longest + ROOM_BEYOND)
        if now >= self.next_sweep:
            self.sweep(now)
        if self.running and (self.stopped or now >= self.end_ns):
            self.stop(now)
        self.tend(now)
        self.next_tick = min(now + TICK_NS, self.measure_ns + (0 if self.warming else self.books.next_edge_ns))
        return self.running or not (self.stopped or now >= self.limit_ns or not (self.active or self.unsent()))

    def end_warmup(self) -> None:
        """From here on it counts, but for what is under way."""
        self.warming, self.counted_ns = False, clock_ns() if self.chained else self.measure_ns
        for recorder in self.books.recorders:
            recorder.restart()
        for connection in self.connections.values():
            if connection.untouched:
                connection.touch()
        self.client = Client()
        self.cpu_begin_s = time.process_time()

    def stop(self, now: int) -> None:
        """Begin nothing more."""
        self.running = False
        self.client.cpu_s = time.process_time() - self.cpu_begin_s
        if self.warming:  # stopped by the person before it counted: then the warm-up is all there is
            self.warming, self.measure_ns = False, self.start_ns
        self.books.end()
        self.measured_s = max(0.0, min(self.plan.duration_s, (now - self.measure_ns) / 1e9))

    def sweep(self, now: int) -> None:
        """End the requests whose time is up, and see whether somebody wants the run to stop."""
        self.next_sweep = now + min(100_000_000, max(5_000_000, self.timeout_ns // 100))
        oldest = now - self.timeout_ns
        for connection in list(self.connections.values()):
            if connection.begun <= oldest and connection.phase != IDLE:
                self.fail(connection, TIMEOUT_KINDS[connection.phase])
        self.stopped = self.stopped or self.asked_to_stop()

    def finish(self) -> list[Measurement]:
        recorders = self.books.recorders
        under_way = [(connection.due, connection.request) for connection in self.connections.values() if connection.request]
        in_flight, never_sent = (
            collections.Counter(recorders.index(request.recorder) for due, request in requests if due >= self.counted_ns) for requests in (under_way, self.unsent())
        )
        self.client.busiest = min(1.0, self.client.cpu_s / self.measured_s) if self.measured_s else 0.0
        for connection in list(self.connections.values()):
            self.discard(connection)
        self.poller.close()
        return self.books.close(in_flight, never_sent, self.measured_s, self.stopped, self.client)

    def silence(self, now: int) -> None:
        """Something came after a long time of nothing."""
        stalls = self.client.stalls
        if self.active and not self.warming and len(stalls) < KEPT_STALLS and self.last_event >= self.measure_ns:
            stalls.append(Stall((self.last_event - self.measure_ns) / 1e9, (now - self.last_event) / 1e9))

    # One connection's life

    def open(self, pool: Pool) -> Connection:
        """A connection on its way up. OSError when that fails at once."""
        try:
            connection = Connection(pool, self.caches[False])
        except OSError:
            pool.refused += 1
            raise
        connection.begun = clock_ns()
        self.connections[connection.descriptor] = connection
        self.poller.watch(connection.descriptor, WRITABLE)
        return connection

    def begin(self, request: Request, due: int) -> None:
        """Send a request on an idle connection, or on a new one when it is up. due: when it was meant to go; 0: now."""
        if not due or due >= self.counted_ns:
            request.recorder.started += 1
        self.active += 1
        idle = request.pool.idle
        try:
            connection = idle.pop() if idle else self.open(request.pool)
        except OSError as error:
            self.book_failure(request, due or clock_ns(), error_kind(error, "connect"), 0.0, True)
            return
        connection.request = request
        if connection.phase != IDLE:
            connection.due = due or connection.begun
            return
        connection.begun = connection.sent = clock_ns()
        connection.due = due or connection.begun
        self.transmit(connection)

    def transmit(self, connection: Connection) -> None:
        connection.phase, connection.untouched = WAITING, True
        if connection.due < self.counted_ns:
            connection.touch()
        try:
            count = connection.send(connection.request.payload)
        except OSError as error:
            count = error
        if count != connection.request.size:
            self.send_rest(connection, count)

    def send_rest(self, connection: Connection, count: int | OSError) -> None:
        """A request did not go out in one piece: `count` bytes of it, or an error."""
        connection.touch()
        if isinstance(count, OSError) and not isinstance(count, WOULD_BLOCK):
            connection.usable = False  # the server has left: what it said before that, or its end, is about to be read
            return
        connection.unsent = memoryview(connection.request.payload)[0 if isinstance(count, OSError) else count :]
        connection.phase = SENDING
        self.poller.change(connection.descriptor, READABLE | WRITABLE)

    def attend(self, connection: Connection, events: int, now: int) -> None:
        """Something happened on a connection that is not simply waiting for an answer of which nothing has come."""
        phase = connection.phase
        if phase in (CONNECTING, HANDSHAKE):
            self.come_up(connection)
        elif phase == IDLE:
            self.disturbed(connection)
        else:
            if phase == SENDING and events & WRITABLE and connection.write():
                connection.phase = WAITING
                self.poller.change(connection.descriptor, READABLE)
            if phase == WAITING or events & ~WRITABLE:
                data = self.receive(connection)
                if data is not None:
                    self.received(connection, data, now)

    def come_up(self, connection: Connection) -> None:
        """The next step of connecting or of the TLS handshake; in the end the waiting request goes out."""
        try:
            if connection.phase == CONNECTING:
                connection.connected()
            wants_read = connection.shake_hands() if connection.phase == HANDSHAKE else True
        except OSError as error:
            connection.pool.refused += 1
            self.fail(connection, error_kind(error, "tls" if connection.phase == HANDSHAKE else "connect"))
            return
        self.poller.change(connection.descriptor, READABLE if wants_read else WRITABLE)
        if connection.phase != IDLE:
            return
        connection.pool.refused = 0
        if connection.request:
            connection.sent = clock_ns()
            self.transmit(connection)
        else:
            self.rest(connection)

    def rest(self, connection: Connection) -> None:
        connection.phase, connection.untouched, connection.request = IDLE, False, None
        connection.pool.idle.append(connection)

    def disturbed(self, connection: Connection) -> None:
        """Bytes or an end on an idle connection: it is not used again. TLS' own messages are no bytes."""
        try:
            data = connection.recv(RECEIVE_BYTES)
        except WOULD_BLOCK:
            return
        except OSError:
            data = b""
        if data:
            self.books.recorders[0].note("bytes that no request asked for")
        connection.pool.idle.remove(connection)
        self.discard(connection)

    def receive(self, connection: Connection) -> bytes | None:
        """The bytes that are here, b"" at the end; None when there are none yet or the request has ended by this."""
        try:
            return connection.recv(RECEIVE_BYTES)
        except WOULD_BLOCK:
            return None
        except OSError as error:
            self.broken(connection, error)
            return None

    def broken(self, connection: Connection, error: OSError) -> None:
        """Reading failed. A TLS connection that ends without a goodbye may have lost the rest of an answer that only the end delimits."""
        if connection.untouched:
            connection.touch()
        self.fail(connection, connection.reader.end() or "truncated body" if isinstance(error, ssl.SSLEOFError) else error_kind(error, "answer"))

    def received(self, connection: Connection, data: bytes, now: int) -> None:
        """Bytes of an answer, b"" at the connection's end."""
        if connection.untouched:
            connection.touch()
        while data is not None:
            if not data:
                kind = connection.reader.end()
                return self.fail(connection, kind) if kind else self.complete(connection, data, now)
            try:
                if connection.reader.feed(data):
                    return self.complete(connection, data, now)
            except Malformed as fault:
                return self.fail(connection, f"malformed answer ({fault})")
            cut = len(data) == self.receive_bytes < RECEIVE_BYTES  # longer than those before it
            if cut:
                self.receive_bytes = RECEIVE_BYTES
            data = self.receive(connection) if cut or connection.more_decrypted() else None

    def complete(self, connection: Connection, data: bytes, now: int) -> None:
        """A whole answer is here; `data` is its last piece."""
        reader, recorder = connection.reader, connection.request.recorder
        usable = reader.head.keep_alive and connection.usable and not connection.unsent and not reader.surplus
        if connection.due >= self.counted_ns:
            recorder.answer(reader.head.status, (now - connection.due) // 1000, (now - connection.sent) // 1000, reader.received - reader.surplus)
            if reader.surplus:
                recorder.note("bytes after the answer's end")
            if usable and reader.received == len(data):
                recorder.remember(data, reader.head.status)
        self.active -= 1
        if usable:
            self.rest(connection)
        else:
            self.discard(connection)
        self.released(now, False)

    def fail(self, connection: Connection, kind: str) -> None:
        """The connection is of no more use, and the request on it (if any) has failed."""
        request, coming_up = connection.request, connection.phase in (CONNECTING, HANDSHAKE)
        self.discard(connection)
        if request:
            self.book_failure(request, connection.due, kind, (clock_ns() - connection.begun) / 1e9, coming_up)

    def book_failure(self, request: Request, due: int, kind: str, under_way_s: float, failed_to_connect: bool) -> None:
        if due >= self.counted_ns:
            request.recorder.failure(kind, under_way_s)
        self.active -= 1
        self.released(clock_ns(), failed_to_connect)

    def discard(self, connection: Connection) -> None:
        del self.connections[connection.descriptor]
        self.poller.forget(connection.descriptor)
        connection.close()
