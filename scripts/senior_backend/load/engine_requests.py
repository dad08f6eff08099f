"""The engine "requests": a thread and a session for each connection. For redirects, cookies, digest and proxies; slow, and it knows how slow."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable

from senior_backend.dependencies import require
from senior_backend.load import calibration
from senior_backend.load.assessment import judge_client
from senior_backend.load.measurement import Measurement, Snapshot
from senior_backend.load.origins import reach_all
from senior_backend.load.plan import Plan
from senior_backend.load.requests_sender import RequestsSender
from senior_backend.load.slots import Slots, wait_for

ENGINE = "requests"


def needed(plan: Plan) -> str:
    """Why the plan cannot be run by the engine raw; "" when it can."""
    reasons = [
        (plan.follow_redirects, "redirects are to be followed"),
        (plan.cookies, "cookies are to be kept"),
        (plan.proxy, "it goes through a proxy"),
        (plan.digest, "digest authentication is asked for"),
    ]
    return " and ".join(reason for wanted, reason in reasons if wanted)


def run_plan(plan: Plan, progress: Callable[[Snapshot], None] | None = None, say: Callable[[str], None] = lambda line: None) -> list[Measurement]:
    """Calibrate, send the load, judge; one measurement per target, in their order. say: takes lines for people about the engine's limits.

    Raises CommandError when `requests` is missing, Unreachable when an origin does not answer (with a proxy, that is for the proxy to find out).
    """
    require("requests")
    if not plan.proxy:
        reach_all(plan)
    plan = dataclasses.replace(plan, workers=1)
    ceiling = calibration.measure(plan, lambda trial: run_slots(trial, None))
    for line in ceiling.lines(ENGINE):
        say(line)
    measurements: list[Measurement] = []
    for part in parts(plan):
        found = run_slots(part, progress)
        for measurement in found:
            calibration.judge(measurement, ceiling, ENGINE, sum(one.requests_per_second for one in found))
        judge_client(part, found)
        measurements += found
        if found[0].interrupted:
            break
    return measurements


def parts(plan: Plan) -> list[Plan]:
    """What runs one after the other."""
    return [dataclasses.replace(plan, targets=[target]) for target in plan.targets] if plan.mode == "sequence" else [plan]


def run_slots(plan: Plan, progress: Callable[[Snapshot], None] | None) -> list[Measurement]:
    slots = Slots(plan, 0, ENGINE)
    threads = [threading.Thread(target=work, args=(slots, number, RequestsSender(plan)), daemon=True) for number in range(plan.concurrency)]
    slots.begin()
    for thread in threads:
        thread.start()
    return slots.finish(wait_for(slots, threads, progress))


def work(slots: Slots, number: int, sender: RequestsSender) -> None:
    try:
        slots.work(number, sender)
    finally:
        sender.close()
