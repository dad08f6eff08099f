"""The engine "locust": the plan on Locust's master and workers, for loads past one machine.

Importing Locust replaces sockets and threads for the whole process, so it runs in processes of their own. The first line of their stdin is the job, a JSON
object with "role" ("master" or "worker"), "host", "port", and for a master "plan" and "workers"; a further line or its end means: stop. stdout gets one JSON
object per line: {"snapshot": {...}}, and at the end {"measurements": [...]}, {"error": text}, or from a worker {"sent": requests}.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from senior_backend.console import CommandError, Console, ExitCode, Outcome
from senior_backend.dependencies import REQUIREMENTS, remedy
from senior_backend.load.engine.connections import reach_all
from senior_backend.load.engine.threads import Slots, own_process
from senior_backend.load.assessment import one_after_the_other
from senior_backend.load.measure import Measurement, Progress, Snapshot, added_up, plain, restored
from senior_backend.load.plan import Plan, share

MASTER_PORT = 5557
ENDING_S = 10.0
READY_S, REMOTE_READY_S, REPORT_S = 30.0, 600.0, 15.0  # for workers to connect, here and from other machines; for the last reports to come in


def check_installed() -> None:
    """CommandError with the command that installs Locust."""
    if importlib.util.find_spec("locust") is None:
        raise CommandError(
            f"the package {REQUIREMENTS['locust']} is not installed for {sys.executable}", remedy(REQUIREMENTS["locust"]), ExitCode.ENVIRONMENT, "MISSING_DEPENDENCY"
        )


def failed(message: str, hint: str) -> CommandError:
    return CommandError(message, hint, ExitCode.ENVIRONMENT, "LOCUST")


def run_plan(plan: Plan, progress: Progress | None = None, remote_workers: int | None = None, say: Callable[[str], None] = lambda line: None) -> list[Measurement]:
    """One measurement per target, in their order. plan.workers processes here, or remote_workers that come with --worker-of from other machines.

    Raises CommandError when Locust is missing or a worker is lost, Unreachable when an origin does not answer.
    """
    check_installed()
    if not plan.proxy:
        reach_all(plan)
    if remote_workers and remote_workers > plan.concurrency:
        raise CommandError(
            f"--master {remote_workers} is more than --concurrency {plan.concurrency}: a worker without a connection has nothing to do", "more connections", identifier="USAGE"
        )
    return one_after_the_other(plan, lambda part: run_part(part, progress, remote_workers, say))


def run_part(plan: Plan, progress: Progress | None, remote_workers: int | None, say: Callable[[str], None]) -> list[Measurement]:
    host, port = ("*", MASTER_PORT) if remote_workers else ("127.0.0.1", free_port())
    if remote_workers:
        say(
            f"waiting for {remote_workers} workers on port {MASTER_PORT}: on each machine run api_load_tester.py --worker-of {socket.gethostname()}; "
            f"anyone who reaches the port can join, so keep it in a trusted network"
        )
    with contextlib.ExitStack() as running:
        master = running.enter_context(locust({"role": "master", "host": host, "port": port, "plan": plain(plan), "workers": remote_workers or plan.workers}))
        for _ in range(0 if remote_workers else plan.workers):
            running.enter_context(locust({"role": "worker", "host": host, "port": port}))
        return measured(master, progress)


def measured(process: subprocess.Popen, progress: Progress | None) -> list[Measurement]:
    """Read what the master tells until it has measured; Ctrl-C asks it to stop and goes on reading."""
    while True:
        try:
            line = process.stdout.readline()
        except KeyboardInterrupt:
            with contextlib.suppress(OSError):
                process.stdin.write("stop\n")
                process.stdin.flush()
            continue
        message = json.loads(line) if line.startswith("{") else {}
        if not line or "error" in message:
            reason = message.get("error") or f"its process ended with code {process.wait()}"
            raise failed(f"Locust did not finish: {reason}", "what Locust says stands above; --engine raw needs no Locust")
        if "snapshot" in message and progress:
            progress(Snapshot(**message["snapshot"]))
        if "measurements" in message:
            return restored(list[Measurement], message["measurements"])


def work_for(host: str, workers: int, out: Console) -> Outcome:
    """Be worker processes of the master on that host until it ends; Ctrl-C leaves it."""
    check_installed()
    out.progress(f"working for the Locust master on {host}:{MASTER_PORT} until it ends")
    sent = 0
    with contextlib.ExitStack() as running:
        processes = [running.enter_context(locust({"role": "worker", "host": host, "port": MASTER_PORT})) for _ in range(workers)]
        for process in processes:
            sent += sum(json.loads(line)["sent"] for line in process.stdout if line.startswith('{"sent"'))
            if process.wait() != 0:
                raise failed(f"Locust ended with code {process.returncode}: is a master waiting on {host}:{MASTER_PORT}?", "start the master first: --engine locust --master N")
    return Outcome({"results": [], "master": host, "requests_sent": sent}, [f"Worked for {host}: {sent:,} requests sent; the report is with the master"])


@contextlib.contextmanager
def locust(job: dict[str, Any]) -> Iterator[subprocess.Popen]:
    """A process under Locust that has got its job."""
    with own_process(f"import locust; from {__name__} import main; main()", ENDING_S, start_new_session=True) as process:
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        yield process


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# What runs under Locust: its master and workers carry the messages, with names (load_...) that keep them apart from its own; the slots are greenlets of the workers


def main() -> None:
    logging.getLogger("locust").setLevel(logging.ERROR)
    job = json.loads(sys.stdin.readline())
    (Master if job["role"] == "master" else Worker)(job).run()


def tell(**message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def listen_for_stop(stop: Callable[[], None]) -> None:
    """Call stop() when stdin has another line or ends."""
    import gevent

    def listen() -> None:
        gevent.get_hub().threadpool.apply(sys.stdin.readline)
        stop()

    gevent.spawn(listen)


class Master:
    """Waits for its workers, gives them the plan and so starts them together, adds up what they measured."""

    def __init__(self, job: dict[str, Any]):
        from locust.env import Environment

        self.plan, self.wanted = restored(Plan, job["plan"]), job["workers"]
        self.limit_s = REMOTE_READY_S if job["host"] == "*" else READY_S
        self.ready: list[str] = []
        self.reports: dict[str, list[Measurement]] = {}
        self.snapshots: dict[str, Snapshot] = {}
        self.stopped = False
        self.runner = Environment().create_master_runner(job["host"], job["port"])
        self.runner.register_message("load_hello", lambda environment, msg, **_: self.ready.append(msg.node_id))
        self.runner.register_message("load_progress", lambda environment, msg, **_: self.snapshots.__setitem__(msg.node_id, restored(Snapshot, msg.data)))
        self.runner.register_message("load_measured", self.on_measured)
        listen_for_stop(self.stop)

    def on_measured(self, environment: Any, msg: Any, **_) -> None:
        self.reports[msg.node_id] = restored(list[Measurement], json.loads(msg.data["text"]))

    def stop(self) -> None:
        self.stopped = True
        self.runner.send_message("load_end", {})

    def run(self) -> None:
        error = self.carry_out()
        tell(error=error) if error else tell(measurements=plain(added_up(list(self.reports.values()))))
        self.runner.quit()

    def carry_out(self) -> str:
        """The whole run; gives what went wrong."""
        plan = self.plan
        if not self.until(lambda: self.stopped or len(self.ready) >= self.wanted, self.limit_s) or self.stopped:
            return f"{len(self.ready)} of {self.wanted} workers came " + ("until it was stopped" if self.stopped else f"within {self.limit_s:g} s")
        plan.workers = len(self.ready)
        for place, node in enumerate(self.ready):
            self.runner.send_message("load_go", {"worker": place, "plan": json.dumps(plain(plan))}, client_id=node)
        if not self.until(lambda: len(self.reports) >= plan.workers, plan.warmup_s + plan.duration_s + plan.drain_s + REPORT_S):
            return f"{plan.workers - len(self.reports)} of {plan.workers} workers did not report what they measured"
        return ""

    def until(self, done: Callable[[], bool], limit_s: float) -> bool:
        """Whether it came to be done in time; once a second what the workers told goes on."""
        end, next_s = time.monotonic() + limit_s, time.monotonic() + 1
        while not done() and time.monotonic() < end:
            time.sleep(0.05)
            if self.snapshots and time.monotonic() >= next_s:
                next_s += 1
                tell(snapshot=plain(Snapshot.together(list(self.snapshots.values()))))
        return done()


class Worker:
    """Connects to a master and does what it says, until it says quit."""

    def __init__(self, job: dict[str, Any]):
        from locust.env import Environment

        self.slots, self.runner = None, None
        listen_for_stop(self.leave)
        self.runner = Environment().create_worker_runner(job["host"], job["port"])
        self.runner.register_message("load_go", self.on_go, concurrent=True)
        self.runner.register_message("load_end", self.on_end, concurrent=True)
        self.runner.send_message("load_hello", {})

    def on_go(self, environment: Any, msg: Any, **_) -> None:
        import gevent

        plan, worker = restored(Plan, json.loads(msg.data["plan"])), msg.data["worker"]
        count = share(plan.concurrency, worker, plan.workers)
        self.slots = Slots(plan, worker, "locust", lambda snapshot: self.runner.send_message("load_progress", plain(snapshot)))
        self.slots.begin(count)
        for number in range(count):
            gevent.spawn(self.slots.work, number)
        measured = plain(self.slots.wait())
        self.runner.send_message("load_measured", {"text": json.dumps(measured)})
        tell(sent=sum(one["accounting"]["started"] for one in measured))

    def on_end(self, environment: Any = None, msg: Any = None, **_) -> None:
        if self.slots:
            self.slots.stopped = True

    def leave(self) -> None:
        if self.runner is None:  # still looking for the master, in a loop of Locust's that nothing ends
            os._exit(0)
        self.on_end()
        self.runner.quit()

    def run(self) -> None:
        self.runner.greenlet.join()
