"""The engine "requests": a thread and a session for each connection. For redirects, cookies, digest and proxies; slow, and it knows how slow: it first
measures itself against a tiny server of its own that answers at once."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

from senior_backend.console import CommandError, ExitCode
from senior_backend.dependencies import require
from senior_backend.load.engine.connections import reach_all
from senior_backend.load.engine.slots import Slots
from senior_backend.load.measure.assessment import one_after_the_other
from senior_backend.load.measure.measurement import Measurement
from senior_backend.load.measure.recorders import Progress
from senior_backend.load.plan.model import Plan, Target

WARMUP_S, CALIBRATION_S = 0.5, 1.0
TRUE_SHARE = 0.5  # of the ceiling; beyond it requests wait for each other in the client for as long as they take
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"ok":true}'


def run_plan(plan: Plan, progress: Progress | None = None, say: Callable[[str], None] = lambda line: None) -> list[Measurement]:
    """Calibrate, send the load, judge; one measurement per target, in their order. say: takes lines for people about the engine's limits.

    Raises CommandError when `requests` is missing, Unreachable when an origin does not answer (with a proxy, that is for the proxy to find out).
    """
    require("requests")
    if not plan.proxy:
        reach_all(plan)
    plan = dataclasses.replace(plan, workers=1)
    ceiling = calibrated(plan)
    say(ceiling.line())

    def run(part: Plan) -> list[Measurement]:
        found = run_slots(part, progress)
        ceiling.judge(found)
        return found

    return one_after_the_other(plan, run)


def run_slots(plan: Plan, progress: Progress | None) -> list[Measurement]:
    slots = Slots(plan, 0, "requests", progress)
    slots.begin(plan.concurrency)
    for number in range(plan.concurrency):
        threading.Thread(target=slots.work, args=(number,), daemon=True).start()
    return slots.wait()


# How fast it can be on this machine


@dataclasses.dataclass(frozen=True)
class Ceiling:
    """What the engine does with this many slots when the server costs nothing. p50_ms, p99_ms: what the client alone adds at full speed."""

    slots: int
    rate_per_s: float
    p50_ms: float
    p99_ms: float

    def line(self) -> str:
        return (
            f"engine requests: {self.slots} slots reach {self.rate_per_s:,.0f} requests/s on this machine against a server that answers at once, and then add "
            f"{self.p50_ms:.1f} ms (p50) and {self.p99_ms:.1f} ms (p99) of their own; "
            f"above {TRUE_SHARE * self.rate_per_s:,.0f} requests/s its figures are the client's, not the target's"
        )

    def judge(self, measurements: list[Measurement]) -> None:
        """Say so in measurements that shared a schedule when they came too close to the ceiling."""
        rate = sum(measurement.requests_per_second for measurement in measurements)
        if self.rate_per_s and rate > TRUE_SHARE * self.rate_per_s:
            for measurement in measurements:
                measurement.client.reason = (
                    f"engine requests ran at {rate / self.rate_per_s:.0%} of the {self.rate_per_s:,.0f} requests/s that it reaches "
                    "against a server that answers at once; the engine raw goes further"
                )


def calibrated(plan: Plan) -> Ceiling:
    with instant_server() as port:
        targets = [Target(f"http://127.0.0.1:{port}/")]
        (found,) = run_slots(Plan(targets, concurrency=plan.concurrency, duration_s=CALIBRATION_S, warmup_s=WARMUP_S, timeout_s=5.0, cookies=plan.cookies), None)
    return Ceiling(plan.concurrency, found.requests_per_second, *found.latency.percentiles_ms((50, 99)))


@contextlib.contextmanager
def own_process(code: str, ending_s: float, **options) -> Iterator[subprocess.Popen]:
    """Code of ours in a Python of its own, with pipes for stdin and stdout; its end of input is its signal to end, and it is killed when it does not."""
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, sys.argv[1]); {code}", str(pathlib.Path(__file__).resolve().parents[3])]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", **options)
    try:
        yield process
    finally:
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(ending_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


@contextlib.contextmanager
def instant_server() -> Iterator[int]:
    """A server in a process of its own on 127.0.0.1; gives its port."""
    with own_process(f"from {__name__} import serve_at_once; serve_at_once()", 5) as server:
        port = server.stdout.readline().strip()
        if not port.isdigit():
            raise CommandError("the server for the calibration did not start", "run again; if it stays so, use --engine raw", ExitCode.ENVIRONMENT, "CALIBRATION")
        yield int(port)


def serve_at_once() -> None:
    """Answer every request at once, until the input ends; prints the port first."""
    import asyncio  # only this process needs it

    class Instant(asyncio.Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:  # one answer for each end of a head; requests of the calibration have no body
            self.transport.write(ANSWER * data.count(b"\r\n\r\n"))

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Instant, "127.0.0.1", 0, backlog=1024)
        sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)

    asyncio.run(serve())
