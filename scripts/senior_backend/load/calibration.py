"""How fast a blocking engine can be on this machine: the same slots against a tiny server of our own that answers at once."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator

from senior_backend.console import CommandError, ExitCode
from senior_backend.load.measurement import Measurement
from senior_backend.load.plan import Plan, Target

WARMUP_S, CALIBRATION_S = 0.5, 1.0
TRUE_SHARE = 0.5  # of the ceiling; beyond it requests wait for each other in the client for as long as they take


@dataclasses.dataclass(frozen=True)
class Ceiling:
    """What the engine does with this many slots when the server costs nothing. p99_ms: what the client alone adds at full speed."""

    slots: int
    rate_per_s: float
    p50_ms: float
    p99_ms: float

    def lines(self, engine: str) -> list[str]:
        return [
            f"engine {engine}: {self.slots} slots reach {self.rate_per_s:,.0f} requests/s on this machine against a server that answers at once, and then add "
            f"{self.p50_ms:.1f} ms (p50) and {self.p99_ms:.1f} ms (p99) of their own; "
            f"above {TRUE_SHARE * self.rate_per_s:,.0f} requests/s its figures are the client's, not the target's"
        ]


def measure(plan: Plan, run: Callable[[Plan], list[Measurement]]) -> Ceiling:
    """run: the engine without its calibration."""
    with instant_server() as port:
        trial = Plan(
            [Target(f"http://127.0.0.1:{port}/")],
            concurrency=plan.concurrency,
            duration_s=CALIBRATION_S,
            warmup_s=WARMUP_S,
            timeout_s=5.0,
            cookies=plan.cookies,
        )
        found = run(trial)[0]
    p50_ms, p99_ms = found.latency.percentiles_ms((50, 99))
    return Ceiling(plan.concurrency, found.requests_per_second, p50_ms, p99_ms)


def judge(measurement: Measurement, ceiling: Ceiling, engine: str, all_per_s: float) -> None:
    """Say so in the measurement when the run came too close to the ceiling; all_per_s: of all targets that shared the schedule."""
    if ceiling.rate_per_s and all_per_s > TRUE_SHARE * ceiling.rate_per_s:
        measurement.client.reason = (
            f"engine {engine} ran at {all_per_s / ceiling.rate_per_s:.0%} of the {ceiling.rate_per_s:,.0f} requests/s that it reaches "
            f"against a server that answers at once; the engine raw goes further"
        )
        measurement.client.saturated = True


@contextlib.contextmanager
def instant_server() -> Iterator[int]:
    """A server in a process of its own on 127.0.0.1; gives its port."""
    server = subprocess.Popen(
        [sys.executable, str(pathlib.Path(__file__).with_name("instant_server.py"))], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        port = server.stdout.readline().strip()
        if not port.isdigit():
            raise CommandError(
                "the server for the calibration did not start", "run again; if it stays so, use --engine raw", ExitCode.ENVIRONMENT, "CALIBRATION"
            )
        yield int(port)
    finally:
        server.stdin.close()  # its end of input is its signal to end
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        server.stdout.close()
