"""The closed model: each slot sends its next request when the answer to the last has come."""

from __future__ import annotations

import heapq

from senior_backend.load import schedule
from senior_backend.load.connections import WOULD_BLOCK, Request
from senior_backend.load.loop import RECEIVE_BYTES, STALL_NS, Loop, clock_ns
from senior_backend.load.poller import EVENTS_PER_POLL

FIRST_PAUSE_NS, LONGEST_PAUSE_NS = 10_000_000, 200_000_000  # of a slot whose connection was refused


class ClosedLoop(Loop):
    """free: slots that are to begin a request at once; pending: requests of slots that need a new connection; pauses: when paused slots go on (a heap);
    alive: all slots; retiring: of these, to be given up."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.free = self.alive = 0 if self.plan.stages else self.slots
        self.pending: list[Request] = []
        self.pauses: list[int] = []
        self.retiring = 0

    def wanted_at_start(self) -> int:
        return self.alive

    def released(self, now: int, failed_to_connect: bool) -> None:
        if not self.running:
            return
        if failed_to_connect:
            refused = max(pool.refused for pool in self.pools.values())
            heapq.heappush(self.pauses, now + min(LONGEST_PAUSE_NS, FIRST_PAUSE_NS << min(refused, 8)))
        elif self.retiring:
            self.retiring -= 1
            self.alive -= 1
        else:
            self.begin_or_wait(next(self.stream))

    def begin_or_wait(self, request: Request) -> None:
        """Begin at once where a connection is idle. One that must be opened waits until this round of events is through: its descriptor may be named in it."""
        if request.pool.idle:
            self.begin(request, 0)
        else:
            self.pending.append(request)

    def tend(self, now: int) -> None:
        while self.pauses and self.pauses[0] <= now:
            heapq.heappop(self.pauses)
            self.free += 1
        if self.plan.stages and self.running:
            self.follow_stages((now - self.measure_ns) / 1e9)

    def follow_stages(self, seconds: float) -> None:
        """Give up slots or take new ones, so that as many are alive as the stages want now."""
        wanted = schedule.share(schedule.connections_at(self.plan, seconds), self.worker, self.plan.workers)
        more = wanted - (self.alive - self.retiring)
        taken_back = min(max(more, 0), self.retiring)
        new = max(more, 0) - taken_back
        self.retiring += max(-more, 0) - taken_back
        self.free += new
        self.alive += new

    def fill(self) -> None:
        """Begin the waiting requests and one on every free slot. Slots whose request fails at once come again in the next round only."""
        pending, free = self.pending, self.free
        self.pending, self.free = [], 0
        if self.running:
            for request in pending:
                self.begin(request, 0)
            for _ in range(free):
                self.begin(next(self.stream), 0)

    def serve(self) -> None:
        # Everything that happens for each request stands in this one loop, with few attribute lookups and no calls of ours: 0.9 of wrk's speed depend on it.
        poll, connections, stream, clock, would_block = self.poller.poll, self.connections, self.stream, clock_ns, WOULD_BLOCK
        now = clock()
        while True:
            if now >= self.next_tick:
                if not self.tick(now):
                    return
                lag = self.lag
            if self.free or self.pending:
                self.fill()
            events = poll(0 if self.free or self.pending else 0.01, EVENTS_PER_POLL)
            now = clock()
            if not events:
                continue
            if now - self.last_event > STALL_NS:
                self.silence(now)
            going_on = self.running and not self.retiring
            for descriptor, happened in events:
                connection = connections[descriptor]
                if not connection.untouched:
                    self.attend(connection, happened, now)
                    continue
                try:
                    data = connection.recv(RECEIVE_BYTES)
                except would_block:
                    continue
                except OSError as error:
                    self.broken(connection, error)
                    continue
                request, begun = connection.request, connection.begun
                answer = request.recorder.known.get(data)
                if answer is None or connection.sent != begun:
                    self.received(connection, data, now)
                    continue
                answer.counts[(now - begun) // 1000] += 1
                if not going_on:
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
            behind = (clock() - now) // 1000
            lag[behind] = lag.get(behind, 0) + 1
