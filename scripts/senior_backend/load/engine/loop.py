"""The event loop of one process: opens connections, carries requests to their end, and books each exactly once. The two models of load build on it."""

from __future__ import annotations

import collections
import ssl
import time
from collections.abc import Callable, Iterator

from senior_backend.load.plan import schedule
from senior_backend.load.engine.connections import (
    CONNECTING,
    Connection,
    ConnectionFailed,
    EVENTS_PER_POLL,
    HANDSHAKE,
    IDLE,
    Pool,
    READABLE,
    Request,
    SENDING,
    WAITING,
    WOULD_BLOCK,
    WRITABLE,
    new_poller,
)
from senior_backend.load.measure.histogram import Histogram
from senior_backend.load.engine.http1 import HeadCache, Malformed
from senior_backend.load.measure.measurement import Client, Measurement, Second, Snapshot, Stall
from senior_backend.load.plan.messages import message
from senior_backend.load.engine.addresses import Address, error_kind, tls_context
from senior_backend.load.plan.model import Origin, Plan
from senior_backend.load.measure.recorders import Recorder, Slice, slices_of

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

    def __init__(
        self, plan: Plan, worker: int, addresses: dict[Origin, Address], progress: Callable[[Snapshot], None] | None = None, asked_to_stop: Callable[[], bool] | None = None
    ):
        self.plan, self.worker, self.progress, self.asked_to_stop = plan, worker, progress, asked_to_stop
        self.slots = schedule.share(plan.concurrency, worker, plan.workers)
        self.poller = new_poller()
        self.connections: dict[int, Connection] = {}
        tls = tls_context(plan.verify_tls) if any(target.origin.scheme == "https" for target in plan.targets) else None
        self.pools = {target.origin: Pool(target.origin, addresses[target.origin], tls if target.origin.scheme == "https" else None) for target in plan.targets}
        self.recorders = [Recorder(target, plan) for target in plan.targets]
        self.caches = {False: HeadCache(False), True: HeadCache(True)}
        self.stream: Iterator[Request] = schedule.request_stream(plan, worker, self.make_request)
        self.active = 0  # requests begun and not ended
        self.running, self.stopped = True, False
        self.receive_bytes = RECEIVE_BYTES  # asked for at the begin of an answer: small buffers make 4 % more requests per second
        self.lag, self.waited = Histogram(), 0
        self.stalls: list[Stall] = []

    def make_request(self, number: int, row: dict | None) -> Request:
        target = self.plan.targets[number]
        return Request(message(target, row), self.recorders[number], self.pools[target.origin], self.caches[target.method == "HEAD"])

    # What the models of load add: how many connections to have at the start, the loop itself, what follows an ended request, and their own housekeeping.

    def wanted_at_start(self) -> int:
        raise NotImplementedError

    def serve(self) -> None:
        raise NotImplementedError

    def released(self, now: int, failed_to_connect: bool) -> None:
        raise NotImplementedError

    def tend(self, now: int) -> None:
        raise NotImplementedError

    def unsent(self) -> list[Request]:
        """Requests that were due and have not been begun."""
        return []

    def rebook_waiting(self, rebooked: Callable[[Request], Request]) -> None:
        """Replace the requests that were due and have not been begun (the end of a warm-up)."""

    # The course of a run

    def prepare(self, limit_s: float) -> None:
        """Open the connections that the start will need, some at a time, for at most limit_s."""
        each = -(-self.wanted_at_start() // len(self.pools))
        todo = [pool for pool in self.pools.values() for _ in range(each)]
        limit = clock_ns() + round(limit_s * 1e9)
        while clock_ns() < limit and not self.stopped:
            opening = sum(connection.phase in (CONNECTING, HANDSHAKE) for connection in self.connections.values())
            for _ in range(min(len(todo), CONNECTING_AT_ONCE - opening)):
                self.open(todo.pop())
            if not todo and not opening:
                return
            for descriptor, events in self.poller.poll(0.01, EVENTS_PER_POLL):
                self.attend(self.connections[descriptor], events, clock_ns())

    def run(self, start_ns: int) -> list[Measurement]:
        """The whole course from warm-up to the last answer; measurements in the order of the targets."""
        plan = self.plan
        self.measure_ns = start_ns + round(plan.warmup_s * 1e9)
        self.end_ns = self.measure_ns + round(plan.duration_s * 1e9)
        self.limit_ns = self.end_ns + round(plan.drain_s * 1e9)
        self.start_ns, self.timeout_ns = start_ns, round(plan.timeout_s * 1e9)
        self.sweep_every_ns = min(100_000_000, max(5_000_000, self.timeout_ns // 100))
        self.slices, self.warming, self.second = collections.deque(slices_of(plan)), plan.warmup_s > 0, Second(0.0)
        self.next_sweep = self.next_tick = self.last_event = start_ns
        for recorder in self.recorders:
            recorder.origin_ns = self.measure_ns
        while clock_ns() < start_ns and not self.stopped:
            time.sleep(min(0.01, max(0.0, (start_ns - clock_ns()) / 1e9)))
        self.cpu_begin_s = time.process_time()
        self.serve()
        return self.finish()

    def tick(self, now: int) -> bool:
        """Housekeeping, some hundred times a second. False when the run is over."""
        if self.warming and now >= self.measure_ns:
            self.end_warmup()
        while self.slices and not self.warming and now >= self.measure_ns + self.slices[0].end_ns:
            self.pour(self.slices.popleft())
        if now >= self.next_sweep:
            self.sweep(now)
        if self.running and (self.stopped or now >= self.end_ns):
            self.stop(now)
        self.tend(now)
        edges = [self.measure_ns] if self.warming else [self.measure_ns + self.slices[0].end_ns] if self.slices else []
        self.next_tick = min([now + TICK_NS, *edges])
        return self.running or not (self.stopped or now >= self.limit_ns or not (self.active or self.unsent()))

    def end_warmup(self) -> None:
        """From here on it counts. What is under way belongs to the warm-up: its end goes into books that nobody reads."""
        self.warming = False
        for recorder in self.recorders:
            recorder.restart()
        unread = {id(recorder): Recorder(recorder.target, self.plan) for recorder in self.recorders}

        def rebooked(request: Request) -> Request:
            return request.booked_in(unread[id(request.recorder)])

        for connection in self.connections.values():
            if connection.request:
                connection.request = rebooked(connection.request)
        self.rebook_waiting(rebooked)
        self.lag, self.waited, self.stalls = Histogram(), 0, []
        self.cpu_begin_s = time.process_time()

    def pour(self, piece: Slice) -> None:
        for recorder in self.recorders:
            self.second.add(recorder.drain(piece))
        longest = max((len(data) for recorder in self.recorders for data in recorder.known), default=RECEIVE_BYTES)
        self.receive_bytes = min(RECEIVE_BYTES, longest + ROOM_BEYOND)
        at_s = piece.end_ns / 1e9
        if self.progress and (not self.slices or self.slices[0].second != piece.second):
            length = at_s - piece.second
            self.progress(
                Snapshot(
                    self.plan.targets[0].url,
                    at_s,
                    self.plan.duration_s,
                    self.second.answered,
                    self.second.failed,
                    self.second.answered / length,
                    self.second.histogram.percentile_ms(99),
                )
            )
            self.second = Second(0.0)

    def stop(self, now: int) -> None:
        """Begin nothing more."""
        self.running = False
        self.cpu_s = time.process_time() - self.cpu_begin_s
        if self.warming:  # stopped by the person before it counted: then the warm-up is all there is
            self.warming, self.measure_ns = False, self.start_ns
        if self.slices:
            self.pour(self.slices[0])
            self.slices.clear()
        self.measured_s = min(self.plan.duration_s, (now - self.measure_ns) / 1e9)

    def sweep(self, now: int) -> None:
        """End the requests whose time is up, and see whether somebody wants the run to stop."""
        self.next_sweep = now + self.sweep_every_ns
        oldest = now - self.timeout_ns
        for connection in list(self.connections.values()):
            if connection.begun <= oldest and connection.phase != IDLE:
                self.fail(connection, TIMEOUT_KINDS[connection.phase])
        if self.asked_to_stop and self.asked_to_stop():
            self.stopped = True

    def finish(self) -> list[Measurement]:
        under_way = collections.Counter(id(connection.request.recorder) for connection in self.connections.values() if connection.request)
        unsent = collections.Counter(id(request.recorder) for request in self.unsent())
        client = Client(self.cpu_s, min(1.0, self.cpu_s / self.measured_s) if self.measured_s > 0 else 0.0, 1, self.lag, self.waited, stalls=self.stalls)
        measurements = []
        for recorder in self.recorders:
            measurement = recorder.close(under_way[id(recorder)], unsent[id(recorder)], max(0.0, self.measured_s), self.stopped)
            measurement.client = client
            measurements.append(measurement)
        for connection in list(self.connections.values()):
            self.discard(connection)
        self.poller.close()
        return measurements

    def silence(self, now: int) -> None:
        """Something came after a long time of nothing."""
        if self.active and not self.warming and len(self.stalls) < KEPT_STALLS and self.last_event >= self.measure_ns:
            self.stalls.append(Stall((self.last_event - self.measure_ns) / 1e9, (now - self.last_event) / 1e9))

    # One connection's life

    def open(self, pool: Pool, request: Request | None = None) -> Connection | None:
        """A connection on its way up, for a request or to be idle; None when that fails at once (the request has then failed)."""
        try:
            connection = Connection(pool, self.caches[False])
        except ConnectionFailed as failure:
            pool.refused += 1
            if request:
                self.book_failure(request, str(failure), 0.0, True)
            return None
        connection.request, connection.begun = request, clock_ns()
        self.connections[connection.descriptor] = connection
        self.poller.watch(connection.descriptor, WRITABLE)
        return connection

    def begin(self, request: Request, due: int) -> None:
        """Send a request on an idle connection, or on a new one when it is up."""
        request.recorder.started += 1
        self.active += 1
        idle = request.pool.idle
        connection = idle.pop() if idle else self.open(request.pool, request)
        if connection is None:
            return
        connection.request = request
        if connection.phase == IDLE:
            connection.begun = connection.sent = clock_ns()
            self.transmit(connection)
        connection.due = due or connection.begun

    def transmit(self, connection: Connection) -> None:
        connection.phase, connection.untouched = WAITING, True
        try:
            count = connection.send(connection.request.payload)
        except OSError as error:
            count = error
        if count != connection.request.size:
            self.send_rest(connection, count)

    def send_rest(self, connection: Connection, count: int | OSError) -> None:
        """A request did not go out in one piece: `count` bytes of it, or an error."""
        connection.untouched = False
        connection.reader.reset(connection.request.heads)
        if isinstance(count, OSError) and not isinstance(count, WOULD_BLOCK):
            connection.usable = False  # the server has left: what it said before that, or its end, is about to be read
            return
        connection.unsent = memoryview(connection.request.payload)[0 if isinstance(count, OSError) else count :]
        connection.phase = SENDING
        self.poller.change(connection.descriptor, READABLE | WRITABLE)

    def attend(self, connection: Connection, events: int, now: int) -> None:
        """Something happened on a connection that is not simply waiting for an answer of which nothing has come."""
        phase = connection.phase
        if phase == WAITING:
            self.read_on(connection, now)
        elif phase == IDLE:
            self.disturbed(connection)
        elif phase == SENDING:
            if events & WRITABLE and connection.write():
                connection.phase = WAITING
                self.poller.change(connection.descriptor, READABLE)
            if events & ~WRITABLE:
                self.read_on(connection, now)
        else:
            self.come_up(connection)

    def come_up(self, connection: Connection) -> None:
        """The next step of connecting or of the TLS handshake; in the end the waiting request goes out."""
        try:
            if connection.phase == CONNECTING:
                connection.connected()
            wants_read = connection.shake_hands() if connection.phase == HANDSHAKE else True
        except ConnectionFailed as failure:
            connection.pool.refused += 1
            self.fail(connection, str(failure))
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
            self.recorders[0].note("bytes that no request asked for")
        connection.pool.idle.remove(connection)
        self.discard(connection)

    def read_on(self, connection: Connection, now: int) -> None:
        data = self.receive(connection, now)
        if data is not None:
            self.received(connection, data, now)

    def receive(self, connection: Connection, now: int) -> bytes | None:
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
        if isinstance(error, ssl.SSLEOFError):
            self.fail(connection, connection.ending() or "truncated body")
        else:
            self.fail(connection, error_kind(error, "answer"))

    def received(self, connection: Connection, data: bytes, now: int) -> None:
        """Bytes of an answer, b"" at the connection's end."""
        if connection.untouched:
            connection.untouched = False
            connection.reader.reset(connection.request.heads)
        while data is not None:
            if not data:
                kind = connection.ending()
                return self.fail(connection, kind) if kind else self.complete(connection, data, now)
            try:
                if connection.reader.feed(data):
                    return self.complete(connection, data, now)
            except Malformed as fault:
                return self.fail(connection, f"malformed answer ({fault})")
            cut = len(data) == self.receive_bytes < RECEIVE_BYTES  # longer than those before it
            if cut:
                self.receive_bytes = RECEIVE_BYTES
            data = self.receive(connection, now) if cut or connection.more_decrypted() else None

    def complete(self, connection: Connection, data: bytes, now: int) -> None:
        """A whole answer is here; `data` is its last piece."""
        reader, recorder = connection.reader, connection.request.recorder
        head = reader.head
        recorder.first_of_status(head.status, reader.first_head, now)
        recorder.answer(head.status, (now - connection.due) // 1000, (now - connection.sent) // 1000, reader.received - reader.surplus)
        usable = head.keep_alive and connection.usable and not connection.unsent and not reader.surplus
        if reader.surplus:
            recorder.note("bytes after the answer's end")
        self.active -= 1
        if usable:
            if reader.received == len(data):
                recorder.remember(data, head.status)
            self.rest(connection)
        else:
            self.discard(connection)
        self.released(now, False)

    def fail(self, connection: Connection, kind: str) -> None:
        """The connection is of no more use, and the request on it (if any) has failed."""
        request, coming_up = connection.request, connection.phase in (CONNECTING, HANDSHAKE)
        self.discard(connection)
        if request:
            self.book_failure(request, kind, (clock_ns() - connection.begun) / 1e9, coming_up)

    def book_failure(self, request: Request, kind: str, under_way_s: float, failed_to_connect: bool) -> None:
        request.recorder.failure(kind, under_way_s)
        self.active -= 1
        self.released(clock_ns(), failed_to_connect)

    def discard(self, connection: Connection) -> None:
        del self.connections[connection.descriptor]
        self.poller.forget(connection.descriptor)
        connection.close()
