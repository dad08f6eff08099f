"""Several processes with one event loop each: started together at one moment, their measurements added up."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import signal
import time
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait

from senior_backend.console import CommandError, ExitCode
from senior_backend.load.measurement import Measurement, Snapshot
from senior_backend.load.origins import Address
from senior_backend.load.plan import Origin, Plan
from senior_backend.load.single_process import Progress, new_loop, preparation_s, stop_on_interrupt

START_DELAY_S = 0.02  # for the message with the start time to reach every process


def run_in_processes(plan: Plan, addresses: dict[Origin, Address], progress: Progress | None) -> list[Measurement]:
    """The load shared by plan.workers processes. They are spawned, not forked: the same on every system, and no threads are lost."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    interrupted = []
    with stop_on_interrupt(lambda: interrupted.append(True)):
        try:
            for number in range(plan.workers):
                ours, theirs = context.Pipe()
                process = context.Process(target=work, args=(theirs, plan, number, addresses, progress is not None), daemon=True)
                process.start()
                theirs.close()
                pipes.append(ours)
                processes.append(process)
            for pipe in pipes:
                expect(pipe, "ready")
            start = time.perf_counter_ns() + round(START_DELAY_S * 1e9)
            for pipe in pipes:
                pipe.send(start)
            shares = gather(plan, pipes, progress, interrupted)
        finally:
            for process in processes:
                process.join(2)
                if process.is_alive():
                    process.kill()
    return added_up(shares)


def work(pipe: Pipe, plan: Plan, number: int, addresses: dict[Origin, Address], tell: bool) -> None:
    """One process: prepares, says so, waits for the start, sends snapshots and in the end its measurements."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and tells us
    gc.disable()
    loop = new_loop(plan, number, addresses, (lambda snapshot: pipe.send(snapshot)) if tell else None, pipe.poll)
    loop.prepare(preparation_s(plan))
    pipe.send("ready")
    pipe.send(loop.run(pipe.recv()))


def expect(pipe: Pipe, what: str) -> None:
    try:
        if pipe.recv() != what:
            raise EOFError
    except EOFError:
        raise lost() from None


def lost() -> CommandError:
    return CommandError(
        "a worker process ended before its share of the load was done", "try fewer --workers, or look for a memory limit", ExitCode.ENVIRONMENT, "WORKER_LOST"
    )


def gather(plan: Plan, pipes: list[Pipe], progress: Progress | None, interrupted: list) -> list[list[Measurement]]:
    """The measurements of every process; on the way their snapshots become one progress line a second."""
    shares, open_pipes, told, seconds = [], list(pipes), False, {}
    while open_pipes:
        if interrupted and not told:
            told = True
            for pipe in open_pipes:
                with contextlib.suppress(OSError):
                    pipe.send("stop")
        for pipe in wait(open_pipes, 0.1):
            try:
                message = pipe.recv()
            except EOFError:
                raise lost() from None
            if isinstance(message, Snapshot):
                report_together(seconds, message, plan.workers, progress)
            else:
                shares.append(message)
                open_pipes.remove(pipe)
    return shares


def report_together(seconds: dict[float, list[Snapshot]], snapshot: Snapshot, workers: int, progress: Progress) -> None:
    """Pass a second on when every process has told about it. Its p99 is the worst of theirs."""
    told = seconds.setdefault(snapshot.seconds, [])
    told.append(snapshot)
    if len(told) == workers:
        del seconds[snapshot.seconds]
        progress(
            Snapshot(
                snapshot.target,
                snapshot.seconds,
                snapshot.total_s,
                sum(one.answered for one in told),
                sum(one.failed for one in told),
                sum(one.rate_per_s for one in told),
                max(one.p99_ms for one in told),
            )
        )


def added_up(shares: list[list[Measurement]]) -> list[Measurement]:
    """One measurement per target. The client's own figures are one object for all targets of a process: added once."""
    first, *others = shares
    client = first[0].client
    for share in others:
        client.add(share[0].client)
        for measurement, part in zip(first, share):
            measurement.add(part)
    for measurement in first:
        measurement.client = client
    return first
