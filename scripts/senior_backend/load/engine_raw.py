"""The engine "raw": event loops on plain sockets, standard library only."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

try:
    import resource
except ImportError:  # Windows
    resource = None

from senior_backend.console import CommandError, ExitCode
from senior_backend.load.assessment import judge_client
from senior_backend.load.measurement import Measurement, Snapshot
from senior_backend.load.origins import reach_all
from senior_backend.load.plan import Plan
from senior_backend.load.single_process import run_here

OWN_FILES = 64


class BooksDoNotClose(Exception):
    """A fault of this program: requests were lost or counted twice."""


def run_plan(plan: Plan, progress: Callable[[Snapshot], None] | None = None) -> list[Measurement]:
    """Send the load; one measurement per target, in their order. Raises Unreachable before any load when an origin does not answer."""
    allow_open_files(-(-plan.concurrency // plan.workers) * len({target.origin for target in plan.targets}) + OWN_FILES)
    addresses = reach_all(plan)
    if plan.mode == "sequence" and len(plan.targets) > 1:
        measurements: list[Measurement] = []
        for target in plan.targets:
            measurements += run_one(dataclasses.replace(plan, targets=[target]), addresses, progress)
            if measurements[-1].interrupted:
                break
    else:
        measurements = run_one(plan, addresses, progress)
    check_books(plan, measurements)
    judge_client(plan, measurements)
    return measurements


def run_one(plan: Plan, addresses: dict, progress: Callable[[Snapshot], None] | None) -> list[Measurement]:
    if plan.workers == 1:
        return run_here(plan, addresses, progress)
    from senior_backend.load.workers import run_in_processes  # multiprocessing takes a while to import

    return run_in_processes(plan, addresses, progress)


def check_books(plan: Plan, measurements: list[Measurement]) -> None:
    """started = ok + failed + in_flight for each target; open model: scheduled = started + never_sent, over the targets of one schedule."""
    for measurement in measurements:
        books, answers, errors = measurement.accounting, measurement.latency.total, sum(measurement.errors.values())
        if books.started != books.ok + books.failed + books.in_flight or answers + errors != books.ok + books.failed:
            raise BooksDoNotClose(f"{measurement.target.url}: {books}, {answers} answers, {errors} errors")
    schedules = [[measurement] for measurement in measurements] if plan.mode == "sequence" else [measurements]
    for together in schedules if plan.model == "open" else []:
        placed = sum(measurement.accounting.started + measurement.accounting.never_sent for measurement in together)
        if placed != plan.scheduled and not together[0].interrupted:
            raise BooksDoNotClose(f"{together[0].target.url}: {plan.scheduled} scheduled, {placed} started or never sent")


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
