"""The engine "locust": the plan on Locust's master and workers, for loads past one machine. Locust itself runs in processes of its own."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

from senior_backend.console import CommandError, Console, ExitCode, Outcome
from senior_backend.dependencies import REQUIREMENTS, remedy
from senior_backend.load.engine.addresses import reach_all
from senior_backend.load.engine.threads import own_process
from senior_backend.load.measure.assessment import one_after_the_other
from senior_backend.load.measure.measurement import Measurement, Snapshot, plain, restored
from senior_backend.load.plan.model import Plan

MASTER_PORT = 5557
ENDING_S = 10.0


def check_installed() -> None:
    """CommandError with the command that installs Locust. Not imported here: that would replace this process's sockets."""
    if importlib.util.find_spec("locust") is None:
        raise CommandError(
            f"the package {REQUIREMENTS['locust']} is not installed for {sys.executable}", remedy(REQUIREMENTS["locust"]), ExitCode.ENVIRONMENT, "MISSING_DEPENDENCY"
        )


def run_plan(
    plan: Plan, progress: Callable[[Snapshot], None] | None = None, remote_workers: int | None = None, say: Callable[[str], None] = lambda line: None
) -> list[Measurement]:
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


def run_part(plan: Plan, progress, remote_workers: int | None, say) -> list[Measurement]:
    job: dict[str, Any] = {"role": "local", "host": "", "port": 0, "plan": plain(plan), "workers": 1}
    if remote_workers:
        say(
            f"waiting for {remote_workers} workers on port {MASTER_PORT}: on each machine run api_load_tester.py --worker-of {socket.gethostname()}; "
            f"anyone who reaches the port can join, so keep it in a trusted network"
        )
        job |= {"role": "master", "host": "*", "port": MASTER_PORT, "workers": remote_workers}
    elif plan.workers > 1:
        job |= {"role": "master", "host": "127.0.0.1", "port": free_port(), "workers": plan.workers}
    with contextlib.ExitStack() as running:
        main = running.enter_context(locust(job))
        if plan.workers > 1 and not remote_workers:
            for _ in range(plan.workers):
                running.enter_context(locust({"role": "worker", "host": "127.0.0.1", "port": job["port"]}))
        return measured(main, progress)


def measured(process: subprocess.Popen, progress) -> list[Measurement]:
    """Read what the process tells until it has measured; Ctrl-C asks it to stop and goes on reading."""
    while True:
        try:
            message = next_message(process)
        except KeyboardInterrupt:
            with contextlib.suppress(OSError):
                process.stdin.write("stop\n")
                process.stdin.flush()
            continue
        if "snapshot" in message and progress:
            progress(Snapshot(**message["snapshot"]))
        if "measurements" in message:
            return restored(list[Measurement], message["measurements"])


def next_message(process: subprocess.Popen) -> dict[str, Any]:
    line = process.stdout.readline()
    message = json.loads(line) if line.startswith("{") else {}
    if not line or "error" in message:
        process.wait() if not line else None
        raise CommandError(
            f"Locust did not finish: {message.get('error') or f'its process ended with code {process.returncode}'}",
            "what Locust says stands above; --engine raw needs no Locust",
            ExitCode.ENVIRONMENT,
            "LOCUST",
        )
    return message


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
                raise CommandError(
                    f"Locust ended with code {process.returncode}: is a master waiting on {host}:{MASTER_PORT}?",
                    "start the master first: --engine locust --master N",
                    ExitCode.ENVIRONMENT,
                    "LOCUST",
                )
    return Outcome({"results": [], "master": host, "requests_sent": sent}, [f"Worked for {host}: {sent:,} requests sent; the report is with the master"])


@contextlib.contextmanager
def locust(job: dict[str, Any]) -> Iterator[subprocess.Popen]:
    """A process under Locust that has got its job; its end of input makes it stop, and it is killed when it does not."""
    process = subprocess.Popen(
        own_process("senior_backend.load.engine.locust_process", "main"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", start_new_session=True
    )
    try:
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        yield process
    finally:
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(ENDING_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
