"""The two models of load. Closed: each slot sends its next request when the answer to the last has come. Open: requests go out at their intended times,
whatever becomes of the answers, as long as a connection is free."""

from __future__ import annotations

import collections
import heapq
from collections.abc import Sequence

from senior_backend.load.engine.connections import Request
from senior_backend.load.engine.loop import Loop, clock_ns
from senior_backend.load.plan.model import NEVER, arrivals, connections_at, ramps, share

FIRST_PAUSE_NS, LONGEST_PAUSE_NS = 10_000_000, 200_000_000  # of a slot whose connection was refused
BEGUN_AT_ONCE = 256  # of the open model, before answers are looked at again


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
        more = share(connections_at(self.plan, seconds), self.worker, self.plan.workers) - (self.alive - self.retiring)
        taken_back = min(max(more, 0), self.retiring)
        new = max(more, 0) - taken_back
        self.retiring += max(-more, 0) - taken_back
        self.free += new
        self.alive += new

    def feed(self, now: int) -> float:
        """Begin the waiting requests and one on every free slot. Slots whose request fails at once come again in the next round only."""
        if self.free or self.pending:
            pending, free = self.pending, self.free
            self.pending, self.free = [], 0
            if self.running:
                for request in pending:
                    self.begin(request, 0)
                for _ in range(free):
                    self.begin(next(self.stream), 0)
        return 0 if self.free or self.pending else 0.01


class OpenLoop(Loop):
    """next_due: when the next request is to go; backlog: (due, request) of those for which no connection was free."""

    chained = False

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.arrivals = arrivals(self.plan, self.worker)
        self.backlog: collections.deque[tuple[int, Request]] = collections.deque()

    def wanted_at_start(self) -> int:
        _, _, first, last = next(ramps(self.plan))
        return min(self.slots, 2 + int((first or last) / self.plan.workers / 10))  # enough for answers that take 100 ms

    def serve(self) -> None:
        self.advance()
        super().serve()

    def released(self, now: int, failed_to_connect: bool) -> None:
        """A connection became free, or is gone: what waits for one goes out, as far as no new one is needed."""
        while self.backlog and self.backlog[0][1].pool.idle:
            due, request = self.backlog.popleft()
            self.begin(request, due)

    def tend(self, now: int) -> None:
        if self.stopped:
            self.next_due = NEVER
        while not self.running and self.next_due < NEVER:  # due just before the end
            self.launch(now)

    def unsent(self) -> Sequence[tuple[int, Request]]:
        return self.backlog

    def end_warmup(self) -> None:
        while self.next_due < self.measure_ns:
            self.launch(self.measure_ns - 1)
        super().end_warmup()

    def advance(self) -> None:
        seconds = next(self.arrivals)
        self.next_due = NEVER if seconds == NEVER else self.start_ns + round(seconds * 1e9)

    def feed(self, now: int) -> float:
        if self.next_due <= now or self.backlog:
            self.launch(now)
        return (min(self.next_due, self.next_tick) - clock_ns()) / 1e9

    def launch(self, now: int) -> None:
        """Begin what is due, oldest first."""
        for _ in range(BEGUN_AT_ONCE):
            if self.next_due > now:
                break
            due, request = self.next_due, next(self.stream)
            self.advance()
            if self.backlog or not self.room_for(request):
                self.client.waited += 1
                self.backlog.append((due, request))
                continue
            self.begin(request, due)
            self.client.lag.add((clock_ns() - due) // 1000)
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
