"""The open model: requests go out at their intended times, whatever becomes of the answers, as long as a connection is free."""

from __future__ import annotations

import collections
from collections.abc import Callable

from senior_backend.load import schedule
from senior_backend.load.connections import IDLE, WOULD_BLOCK, Request
from senior_backend.load.loop import RECEIVE_BYTES, STALL_NS, Loop, clock_ns

BEGUN_AT_ONCE = 256  # before answers are looked at again


class OpenLoop(Loop):
    """next_due: when the next request is to go; backlog: (due, request) of those for which no connection was free."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.arrivals = schedule.arrivals(self.plan, self.worker)
        self.backlog: collections.deque[tuple[int, Request]] = collections.deque()

    def wanted_at_start(self) -> int:
        return min(self.slots, 2 + int(schedule.first_rate(self.plan) / self.plan.workers / 10))  # enough for answers that take 100 ms

    def released(self, now: int, failed_to_connect: bool) -> None:
        """A connection became free, or is gone: what waits for one goes out, as far as no new one is needed."""
        while self.backlog and self.backlog[0][1].pool.idle:
            due, request = self.backlog.popleft()
            self.begin(request, due)

    def tend(self, now: int) -> None:
        if self.stopped:
            self.next_due = schedule.NEVER
        while not self.running and self.next_due < schedule.NEVER:  # due just before the end
            self.launch(now)

    def unsent(self) -> list[Request]:
        return [request for _, request in self.backlog]

    def end_warmup(self) -> None:
        while self.next_due < self.measure_ns:
            self.launch(self.measure_ns - 1)
        super().end_warmup()

    def rebook_waiting(self, rebooked: Callable[[Request], Request]) -> None:
        self.backlog = collections.deque((due, rebooked(request)) for due, request in self.backlog)

    def advance(self) -> None:
        seconds = next(self.arrivals)
        self.next_due = schedule.NEVER if seconds == schedule.NEVER else self.start_ns + round(seconds * 1e9)

    def launch(self, now: int) -> None:
        """Begin what is due, oldest first."""
        for _ in range(BEGUN_AT_ONCE):
            if self.next_due > now:
                break
            due, request = self.next_due, next(self.stream)
            self.advance()
            if self.backlog or not self.room_for(request):
                self.waited += 1
                self.backlog.append((due, request))
                continue
            self.begin(request, due)
            behind = (clock_ns() - due) // 1000
            self.lag[behind] = self.lag.get(behind, 0) + 1
        while self.backlog and self.room_for(self.backlog[0][1]):
            due, request = self.backlog.popleft()
            self.begin(request, due)

    def room_for(self, request: Request) -> bool:
        """Whether a connection is idle or may be opened; at the limit an idle one to somewhere else is given up for it."""
        if request.pool.idle or len(self.connections) < self.slots:
            return True
        other = next((pool for pool in self.pools.values() if pool.idle), None)
        if other is None:
            return False
        self.discard(other.idle.pop(0))
        return True

    def serve(self) -> None:
        # One loop without calls of ours for the answers that came before in the same bytes, like the closed model's.
        wait, connections, clock, would_block = self.poller.wait, self.connections, clock_ns, WOULD_BLOCK
        self.advance()
        now = clock()
        while True:
            if now >= self.next_tick and not self.tick(now):
                return
            if self.next_due <= now or self.backlog:
                self.launch(now)
            events = wait((min(self.next_due, self.next_tick) - clock()) / 1e9)
            now = clock()
            if not events:
                continue
            if now - self.last_event > STALL_NS:
                self.silence(now)
            self.last_event = now
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
                answer = connection.request.recorder.known.get(data)
                if answer is None:
                    self.received(connection, data, now)
                    continue
                answer.counts[(now - connection.due) // 1000] += 1
                answer.services[(now - connection.sent) // 1000] += 1
                self.active -= 1
                connection.phase, connection.untouched, connection.request = IDLE, False, None
                connection.pool.idle.append(connection)
                if self.backlog:
                    self.released(now, False)
