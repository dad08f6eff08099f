"""What is to be sent: targets, how many at a time or per second, for how long, and what an answer has to be."""

from __future__ import annotations

import dataclasses
import urllib.parse
from typing import Any


@dataclasses.dataclass(slots=True)
class Target:
    """One URL and the request that goes there. URL, header values and body may hold {{field}}, filled from Plan.data."""

    url: str
    method: str = "GET"
    headers: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    body: bytes | None = None
    weight: int = 1

    @property
    def origin(self) -> Origin:
        return Origin.of(self.url)


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """What one connection can serve: scheme, host (no brackets) and port."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname or ""
        return cls(parts.scheme, host if host.isascii() else host.encode("idna").decode("ascii"), parts.port or (443 if parts.scheme == "https" else 80))

    @property
    def authority(self) -> str:
        """host[:port] as the Host header names it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"


@dataclasses.dataclass(frozen=True, slots=True)
class Stage:
    """A straight ramp: from the value before to `value` (requests/s or connections) in `seconds`."""

    seconds: float
    value: float


@dataclasses.dataclass(slots=True)
class Plan:
    """A whole run. Each URL of mode "sequence" gets warmup_s + duration_s of its own; the other modes share one schedule."""

    targets: list[Target]
    concurrency: int = 10
    workers: int = 1
    duration_s: float = 10.0
    warmup_s: float = 0.0
    timeout_s: float = 30.0
    model: str = "closed"  # "closed": a slot sends when its answer has come; "open": requests go out at their time
    rate_per_s: float | None = None  # open model: of all targets and workers together
    stages: list[Stage] | None = None  # of the rate, from rate_per_s or 0 (open), or of the connections in use, from 0 (closed); their sum is duration_s
    mode: str = "sequence"  # "sequence" | "mix" (by weight, at random) | "compare" (two targets, one or the other at random)
    expect_status: int | None = None  # an answer with it is ok, also at 400 and above
    verify_tls: bool = True
    data: list[dict[str, Any]] | None = None
    follow_redirects: bool = False  # these four: engine "requests" only
    cookies: bool = False  # a cookie jar per slot
    proxy: str | None = None
    digest: tuple[str, str] | None = None  # user, password
    seed: int = 0
    blocks: int = 20  # equal parts of duration_s that the comparison is made over

    @property
    def drain_s(self) -> float:
        """How long answers are waited for after the end."""
        return min(self.timeout_s, 2.0)

    @property
    def scheduled(self) -> int | None:
        """Open model: how many requests duration_s has room for; None in the closed model."""
        if self.model != "open":
            return None
        if self.stages:
            before, area = self.rate_per_s or 0.0, 0.0
            for stage in self.stages:
                area += stage.seconds * (before + stage.value) / 2
                before = stage.value
            return int(area + 1e-6)
        return int((self.rate_per_s or 0.0) * self.duration_s + 1e-6)
