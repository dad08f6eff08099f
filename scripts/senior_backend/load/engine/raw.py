"""The engine "raw": event loops on plain sockets, standard library only, in this process or in several that start together; and the two models of load,
closed (the next request
goes when the answer to the last has come) and open (requests go at their intended times, whatever becomes of the answers)."""
from __future__ import annotations

import collections
import contextlib
import gc
import heapq
import signal
import time
from collections.abc import Iterator, Sequence

from senior_backend.console import CommandError, ExitCode
from senior_backend.load.engine.connections import Address, Request, reach_all
from senior_backend.load.engine.loop import Loop, clock_ns
from senior_backend.load.assessment import one_after_the_other
from senior_backend.load.measure import Measurement, Progress, Snapshot, added_up
from senior_backend.load.plan import NEVER, Origin, Plan, arrivals, connections_at, ramps, share

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


try:
    import resource
except ImportError:  # Windows
    resource = None


OWN_FILES = 64
START_DELAY_S = 0.02  # for the message with the start time to reach every process


class BooksDoNotClose(Exception):
    """A fault of this program: requests were lost or counted twice."""


def run_plan(plan: Plan, progress: Progress | None = None) -> list[Measurement]:
    """Send the load; one measurement per target, in their order. Raises Unreachable before any load when an origin does not answer."""
    allow_open_files(-(-plan.concurrency // plan.workers) * len({target.origin for target in plan.targets}) + OWN_FILES)
    addresses = reach_all(plan)

    def run(part: Plan) -> list[Measurement]:
        measurements = (run_here if plan.workers == 1 else run_in_processes)(part, addresses, progress)
        check_books(part, measurements)
        return measurements

    return one_after_the_other(plan, run)


def check_books(plan: Plan, measurements: list[Measurement]) -> None:
    """started = ok + failed + in_flight for each target; open model: scheduled = started + never_sent, over the targets of the schedule."""
    for measurement in measurements:
        books, answers, errors = measurement.accounting, measurement.latency.total, sum(measurement.errors.values())
        if books.started != books.ended + books.in_flight or answers + errors != books.ended:
            raise BooksDoNotClose(f"{measurement.target.url}: {books}, {answers} answers, {errors} errors")
    placed = sum(measurement.accounting.started + measurement.accounting.never_sent for measurement in measurements)
    if plan.model == "open" and placed != plan.scheduled and not measurements[0].interrupted:
        raise BooksDoNotClose(f"{measurements[0].target.url}: {plan.scheduled} scheduled, {placed} started or never sent")


def allow_open_files(needed: int) -> None:
    """Raise this process's limit of open files as far as its hard limit allows; CommandError when that is not enough."""
    if resource is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise CommandError(
                f"{needed} open files are needed for this many connections, this machine allows {hard}",
                "lower --concurrency, spread it over more --workers, or raise ulimit -n",
                ExitCode.ENVIRONMENT,
                "OPEN_FILES",
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def prepared(plan: Plan, *arguments) -> Loop:
    """A loop whose connections are up, as far as they came up in a moment; later ones count as part of their request."""
    loop = (OpenLoop if plan.model == "open" else ClosedLoop)(plan, *arguments)
    loop.prepare(min(plan.timeout_s, max(0.75, plan.duration_s / 10)))
    return loop


def run_here(plan: Plan, addresses: dict[Origin, Address], progress: Progress | None) -> list[Measurement]:
    """The whole load from this process. Ctrl-C ends it early and orderly; a second one at once."""
    interrupted: list[bool] = []
    with stop_on_interrupt(interrupted), without_garbage_collection():
        return prepared(plan, 0, addresses, progress, lambda: bool(interrupted)).run(time.perf_counter_ns())


@contextlib.contextmanager
def stop_on_interrupt(interrupted: list[bool]) -> Iterator[None]:
    """The first Ctrl-C is noted in the list instead of raising; the next one raises KeyboardInterrupt as always."""

    def first(number, frame):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        interrupted.append(True)

    try:
        before = signal.signal(signal.SIGINT, first)
    except ValueError:  # not the main thread: nobody sends signals here
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def without_garbage_collection() -> Iterator[None]:
    """A collection in the middle of a run would show as latency; the loop makes no cycles."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


# Several processes, spawned, not forked: the same on every system, and no threads are lost


def run_in_processes(plan: Plan, addresses: dict[Origin, Address], progress: Progress | None) -> list[Measurement]:
    """The load shared by plan.workers processes."""
    import multiprocessing  # takes a while, and most runs need none

    context = multiprocessing.get_context("spawn")
    pipes, processes, interrupted = [], [], []
    with stop_on_interrupt(interrupted):
        try:
            for number in range(plan.workers):
                ours, theirs = context.Pipe()
                process = context.Process(target=work, args=(theirs, plan, number, addresses, progress is not None), daemon=True)
                process.start()
                theirs.close()
                pipes.append(ours)
                processes.append(process)
            for pipe in pipes:
                receive(pipe)  # it is ready
            start = time.perf_counter_ns() + round(START_DELAY_S * 1e9)
            for pipe in pipes:
                pipe.send(start)
            return added_up(gather(pipes, progress, interrupted))
        finally:
            for process in processes:
                process.join(2)
                if process.is_alive():
                    process.kill()


def work(pipe, plan: Plan, number: int, addresses: dict[Origin, Address], tell: bool) -> None:
    """One process: prepares, says so, waits for the start, sends snapshots and in the end its measurements."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and tells us
    gc.disable()
    loop = prepared(plan, number, addresses, pipe.send if tell else None, pipe.poll)
    pipe.send("ready")
    pipe.send(loop.run(pipe.recv()))


def receive(pipe):
    try:
        return pipe.recv()
    except EOFError:
        raise CommandError(
            "a worker process ended before its share of the load was done", "try fewer --workers, or look for a memory limit", ExitCode.ENVIRONMENT, "WORKER_LOST"
        ) from None


def gather(pipes: list, progress: Progress | None, interrupted: list[bool]) -> list[list[Measurement]]:
    """The measurements of every process; on the way, what all have told about a second becomes one Snapshot."""
    from multiprocessing.connection import wait

    shares, open_pipes, told, seconds = [], list(pipes), False, {}
    while open_pipes:
        if interrupted and not told:
            told = True
            for pipe in open_pipes:
                with contextlib.suppress(OSError):
                    pipe.send("stop")
        for pipe in wait(open_pipes, 0.1):
            message = receive(pipe)
            if not isinstance(message, Snapshot):
                shares.append(message)
                open_pipes.remove(pipe)
                continue
            parts = seconds.setdefault(message.seconds, [])
            parts.append(message)
            if len(parts) == len(pipes):
                progress(Snapshot.together(seconds.pop(message.seconds)))
    return shares
