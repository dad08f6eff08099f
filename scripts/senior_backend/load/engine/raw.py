"""The engine "raw": event loops on plain sockets, standard library only, in this process or in several that start together."""

from __future__ import annotations

import contextlib
import gc
import signal
import time
from collections.abc import Iterator

try:
    import resource
except ImportError:  # Windows
    resource = None

from senior_backend.console import CommandError, ExitCode
from senior_backend.load.engine.connections import Address, reach_all
from senior_backend.load.engine.loop import Loop
from senior_backend.load.engine.models import ClosedLoop, OpenLoop
from senior_backend.load.measure.assessment import one_after_the_other
from senior_backend.load.measure.measurement import Measurement, Snapshot, added_up
from senior_backend.load.measure.recorders import Progress
from senior_backend.load.plan.model import Origin, Plan

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
