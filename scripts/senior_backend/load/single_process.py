"""The load from this process alone, and what every process needs around its loop."""

from __future__ import annotations

import contextlib
import gc
import signal
import time
from collections.abc import Callable

from senior_backend.load.closed_model import ClosedLoop
from senior_backend.load.loop import Loop
from senior_backend.load.measurement import Measurement, Snapshot
from senior_backend.load.open_model import OpenLoop
from senior_backend.load.origins import Address
from senior_backend.load.plan import Origin, Plan

Progress = Callable[[Snapshot], None]


def new_loop(plan: Plan, *arguments, **options) -> Loop:
    return (OpenLoop if plan.model == "open" else ClosedLoop)(plan, *arguments, **options)


def preparation_s(plan: Plan) -> float:
    """How long connections may take to come up before the clock starts; later ones count as part of their request."""
    return min(plan.timeout_s, max(0.75, plan.duration_s / 10))


def run_here(plan: Plan, addresses: dict[Origin, Address], progress: Progress | None) -> list[Measurement]:
    """The whole load from this process. Ctrl-C ends it early and orderly; a second one at once."""
    loop = new_loop(plan, 0, addresses, progress)
    with stop_on_interrupt(lambda: setattr(loop, "stopped", True)), without_garbage_collection():
        loop.prepare(preparation_s(plan))
        return loop.run(time.perf_counter_ns())


@contextlib.contextmanager
def stop_on_interrupt(stop: Callable[[], None]):
    """The first Ctrl-C calls stop() instead of raising; the next one raises KeyboardInterrupt as always."""

    def first(number, frame):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop()

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
def without_garbage_collection():
    """A collection in the middle of a run would show as latency; the loop makes no cycles."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
