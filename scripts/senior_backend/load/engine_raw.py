"""The engine "raw": event loops on plain sockets, standard library only."""
from __future__ import annotations

import dataclasses
from typing import Callable

from senior_backend.load.assessment import judge_client
from senior_backend.load.measurement import Measurement, Snapshot
from senior_backend.load.origins import reach_all
from senior_backend.load.plan import Plan
from senior_backend.load.single_process import run_here


class BooksDoNotClose(Exception):
    """A fault of this program: requests were lost or counted twice."""


def run_plan(plan: Plan, progress: Callable[[Snapshot], None] | None = None) -> list[Measurement]:
    """Send the load; one measurement per target, in their order. Raises Unreachable before any load when an origin does not answer."""
    addresses = reach_all(plan)
    if plan.mode == "sequence" and len(plan.targets) > 1:
        measurements: list[Measurement] = []
        for target in plan.targets:
            measurements += run_one(dataclasses.replace(plan, targets=[target]), addresses, progress)
            if measurements[-1].interrupted:
                break
    else:
        measurements = run_one(plan, addresses, progress)
    for measurement in measurements:
        check_books(measurement)
    judge_client(plan, measurements)
    return measurements


def run_one(plan: Plan, addresses: dict, progress: Callable[[Snapshot], None] | None) -> list[Measurement]:
    if plan.workers == 1:
        return run_here(plan, addresses, progress)
    from senior_backend.load.workers import run_in_processes      # multiprocessing takes a while to import
    return run_in_processes(plan, addresses, progress)


def check_books(measurement: Measurement) -> None:
    books = measurement.accounting
    answers = sum(histogram.total for histogram in measurement.statuses.values())
    if books.started != books.ok + books.failed + books.in_flight:
        raise BooksDoNotClose(f"{measurement.target.url}: started {books.started}, ok {books.ok} + failed {books.failed} + in flight {books.in_flight}")
    if answers != measurement.latency.total or answers + sum(measurement.errors.values()) != books.ok + books.failed:
        raise BooksDoNotClose(f"{measurement.target.url}: {answers} answers and {sum(measurement.errors.values())} errors, ok {books.ok} + failed {books.failed}")
