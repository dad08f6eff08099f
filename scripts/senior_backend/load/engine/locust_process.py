"""What runs under Locust, in a process of its own: importing Locust replaces sockets and threads for the whole process.

The first line of stdin is the job, a JSON object with "role" ("local", "master", "worker"), "host", "port", and, but for a worker,
"plan" and "workers"; a further line or its end means: stop. stdout gets one JSON object per line: {"snapshot": {...}},
and at the end {"measurements": [...]}, {"error": text}, or from a worker {"sent": requests}.
Messages between master and workers go over Locust's own connection.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from typing import Any

import gevent
import gevent.event
from locust import User, task
from locust.env import Environment
from locust.exception import StopUser

from senior_backend.load.measure.measurement import Measurement, Snapshot, added_up, plain, restored
from senior_backend.load.plan.model import Plan
from senior_backend.load.engine.requests_sender import RequestsSender
from senior_backend.load.engine.slots import Slots, wait_for

READY_S, REPORT_S = 30.0, 15.0  # for local workers to connect; for the last reports to come in
REMOTE_READY_S = 600.0


def tell(**message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


class Share:
    """This process's part of the load: users that wait for the start, then work as slots."""

    def __init__(self, plan: Plan):
        self.plan, self.users = plan, 0
        self.slots: Slots | None = None
        self.started = gevent.event.Event()
        self.present: list[Presence] = []

    def start(self, worker: int, workers: int) -> None:
        self.plan.workers = workers
        self.slots = Slots(self.plan, worker, "locust")
        self.slots.begin()
        self.started.set()

    def stop(self) -> None:
        if self.slots:
            self.slots.stopped = True

    def measure(self, progress) -> list[dict[str, Any]]:
        interrupted = wait_for(self.slots, self.present, progress) or self.slots.stopped
        return plain(self.slots.finish(interrupted))


class Presence:
    """A user, as far as the end of the run is concerned."""

    def __init__(self):
        self.working = True

    def is_alive(self) -> bool:
        return self.working


def user_class(share: Share) -> type[User]:
    class SlotUser(User):
        def on_start(self) -> None:
            self.number = len(share.present)
            self.presence = Presence()
            share.present.append(self.presence)
            self.sender = RequestsSender(share.plan)

        @task
        def work(self) -> None:
            share.started.wait()
            try:
                share.slots.work(self.number, self.sender)
            finally:
                self.presence.working = False
                self.sender.close()
            raise StopUser

    return SlotUser


def local(job: dict[str, Any]) -> None:
    plan = restored(Plan, job["plan"])
    share = Share(plan)
    runner = Environment(user_classes=[user_class(share)]).create_local_runner()
    runner.start(plan.concurrency, spawn_rate=max(1, plan.concurrency))
    until = time.monotonic() + READY_S
    while len(share.present) < plan.concurrency and time.monotonic() < until:
        gevent.sleep(0.02)
    listen_for_stop(share.stop)
    share.start(0, 1)
    tell(measurements=share.measure(lambda snapshot: tell(snapshot=plain(snapshot))))
    runner.quit()


class Master:
    """Waits for its workers, gives them the plan, starts them together, adds up what they measured."""

    def __init__(self, job: dict[str, Any]):
        self.plan = restored(Plan, job["plan"])
        self.wanted, self.remote = job["workers"], job["host"] == "*"
        self.ready: list[str] = []
        self.reports: dict[str, list[dict[str, Any]]] = {}
        self.snapshots: dict[str, Snapshot] = {}
        self.stopped = False
        # the class counts users and is not run here
        self.environment = Environment(user_classes=[user_class(Share(self.plan))])
        self.runner = self.environment.create_master_runner(job["host"], job["port"])
        self.runner.register_message("load_hello", lambda environment, msg, **_: self.ready.append(msg.node_id))
        self.runner.register_message("load_progress", lambda environment, msg, **_: self.snapshots.__setitem__(msg.node_id, restored(Snapshot, msg.data)))
        self.runner.register_message("load_measured", lambda environment, msg, **_: self.reports.__setitem__(msg.node_id, json.loads(msg.data["text"])))
        listen_for_stop(self.stop)

    def stop(self) -> None:
        self.stopped = True
        self.runner.send_message("load_end", {})

    def run(self) -> None:
        error = self.carry_out()
        tell(error=error) if error else tell(measurements=self.whole())
        self.runner.quit()

    def carry_out(self) -> str:
        """The whole run; gives what went wrong."""
        limit_s = REMOTE_READY_S if self.remote else READY_S
        if not self.until(lambda: len(self.ready) >= self.wanted, limit_s):
            return f"{len(self.ready)} of {self.wanted} workers came " + ("until it was stopped" if self.stopped else f"within {limit_s:g} s")
        text = json.dumps(plain(self.plan))
        for node in self.ready:
            self.runner.send_message("load_plan", {"text": text}, client_id=node)
        self.runner.start(self.plan.concurrency, spawn_rate=max(1, self.plan.concurrency))
        if not self.until(lambda: sum(client.user_count for client in self.runner.clients.values()) >= self.plan.concurrency, READY_S):
            return f"the workers did not start {self.plan.concurrency} users within {READY_S:g} s"
        # the larger shares first, as the slots are shared out
        for place, node in enumerate(sorted(self.ready, key=lambda node: -self.runner.clients[node].user_count)):
            self.runner.send_message("load_go", {"worker": place, "workers": len(self.ready)}, client_id=node)
        total_s = self.plan.warmup_s + self.plan.duration_s
        limit_s = total_s + self.plan.drain_s + REPORT_S
        if not self.until(lambda: len(self.reports) >= len(self.ready), limit_s, progress=True):
            return f"{len(self.ready) - len(self.reports)} of {len(self.ready)} workers did not report what they measured"
        return ""

    def until(self, done, limit_s: float, progress: bool = False) -> bool:
        end, next_s = time.monotonic() + limit_s, time.monotonic() + 1
        while not done() and time.monotonic() < end:
            gevent.sleep(0.05)
            if self.stopped and not progress:
                return False
            if progress and time.monotonic() >= next_s and self.snapshots:
                next_s += 1
                tell(snapshot=plain(Snapshot.together(list(self.snapshots.values()))))
        return done()

    def whole(self) -> list[dict[str, Any]]:
        return plain(added_up([restored(list[Measurement], report) for report in self.reports.values()]))


class Worker:
    """Connects to a master and does what it says, until it says quit."""

    def __init__(self, job: dict[str, Any]):
        # the plan comes later; the class must be there when the master starts its users
        self.share = Share(Plan([]))
        self.runner = None
        listen_for_stop(self.leave)
        self.runner = Environment(user_classes=[user_class(self.share)]).create_worker_runner(job["host"], job["port"])
        for kind in ("plan", "go", "end"):  # the prefix keeps them apart from Locust's own
            self.runner.register_message(f"load_{kind}", getattr(self, f"on_{kind}"), concurrent=True)
        self.runner.send_message("load_hello", {})

    def on_plan(self, environment, msg, **_) -> None:
        self.share.plan = restored(Plan, json.loads(msg.data["text"]))

    def on_go(self, environment, msg, **_) -> None:
        self.share.start(msg.data["worker"], msg.data["workers"])
        measured = self.share.measure(lambda snapshot: self.runner.send_message("load_progress", plain(snapshot)))
        self.runner.send_message("load_measured", {"text": json.dumps(measured)})
        tell(sent=sum(one["accounting"]["started"] for one in measured))

    def on_end(self, environment, msg, **_) -> None:
        self.share.stop()

    def leave(self) -> None:
        if self.runner is None:  # still looking for the master, in a loop of Locust's that nothing ends
            os._exit(0)
        self.share.stop()
        self.runner.quit()

    def run(self) -> None:
        self.runner.greenlet.join()


def listen_for_stop(stop) -> None:
    """Call stop() when stdin has another line or ends."""

    def listen() -> None:
        gevent.get_hub().threadpool.apply(sys.stdin.readline)
        stop()

    gevent.spawn(listen)


def main() -> None:
    logging.getLogger("locust").setLevel(logging.ERROR)
    job = json.loads(sys.stdin.readline())
    {"local": local, "master": lambda job: Master(job).run(), "worker": lambda job: Worker(job).run()}[job["role"]](job)


if __name__ == "__main__":
    main()
