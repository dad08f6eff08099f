"""What a comparison says of B against A: per metric two figures, a difference, its interval, and one of four verdicts."""

from __future__ import annotations

import dataclasses

FASTER, SLOWER, SAME, OPEN = "faster", "slower", "no difference", "inconclusive"
OPPOSITE = {FASTER: SLOWER, SLOWER: FASTER}
UNITS = {"latency_p50": "ms", "latency_p95": "ms", "latency_p99": "ms", "requests_per_second": "/s", "error_rate": "%"}
MORE_IS = dict.fromkeys(UNITS, SLOWER) | {"requests_per_second": FASTER}  # what B is when its figure is the greater one; for error_rate "slower" means: fails more
Interval = tuple[float | None, float | None]


@dataclasses.dataclass(frozen=True)
class Metric:
    """A figure of A and of B, their difference with its interval (percent of A; error_rate: percentage points), and the verdict on B.

    a, b: milliseconds, requests per second, or the share of failed requests (0 to 1). None: the runs cannot tell.
    margin: an interval within +- margin is "no difference".
    """

    a: float | None
    b: float | None
    difference: float | None
    interval: Interval
    verdict: str
    margin: float
    reason: str = ""

    def as_json(self) -> dict:
        data = {
            "a": rounded(self.a, 6),
            "b": rounded(self.b, 6),
            "difference_percent": rounded(self.difference, 3),
            "interval": [rounded(end, 3) for end in self.interval],
            "verdict": self.verdict,
            "margin": self.margin,
        }
        return data | ({"reason": self.reason} if self.reason else {})


def rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """alpha: the chance that any metric gets a false "faster" or "slower"; a, b: what was compared, for people."""

    method: str
    alpha: float
    a: str
    b: str
    metrics: dict[str, Metric]
    warnings: list[str] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def reasons(self) -> list[str]:
        """Why metrics are inconclusive."""
        return list(dict.fromkeys(metric.reason for metric in self.metrics.values() if metric.reason))

    @property
    def slower(self) -> list[str]:
        """The metrics in which B is slower (or fails more)."""
        return [name for name, metric in self.metrics.items() if metric.verdict == SLOWER]

    def as_json(self) -> dict:
        return {
            "a": self.a,
            "b": self.b,
            "method": self.method,
            "alpha": self.alpha,
            "metrics": {name: metric.as_json() for name, metric in self.metrics.items()},
            "warnings": self.warnings,
            "notes": self.notes,
        }

    def lines(self) -> list[str]:
        """The table that the console shows."""
        rows = [("", "A", "B", "difference", "interval", "verdict on B")]
        rows += [
            (name, figure(name, metric.a), figure(name, metric.b), signed(name, metric.difference), span(name, metric.interval), metric.verdict)
            for name, metric in self.metrics.items()
        ]
        widths = [max(map(len, column)) for column in zip(*rows)]
        table = ["  " + "  ".join(cell.ljust(width) if place in (0, 5) else cell.rjust(width) for place, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in rows]
        margins = ", ".join(f"{name} {metric.margin:g} {'points' if name == 'error_rate' else '%'}" for name, metric in self.metrics.items())
        notes = [f'  "no difference": the interval lies within +- {margins}', f'  chance of any false "faster" or "slower": {self.alpha:.0%}']
        return [
            "COMPARISON",
            f"  A: {self.a}",
            f"  B: {self.b}",
            *table,
            *notes,
            *(f"  inconclusive: {reason}" for reason in self.reasons),
            *(f"  {note}" for note in self.notes),
            *(f"  warning: {warning}" for warning in self.warnings),
        ]


def figure(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2%}" if name == "error_rate" else f"{value:,.{2 if value < 100 else 1}f} {UNITS[name]}"


def signed(name: str, percent: float | None) -> str:
    if percent is None:
        return "-"
    digits = 2 if name == "error_rate" else 1
    return f"{round(percent, digits) + 0.0:+.{digits}f} {'points' if name == 'error_rate' else '%'}"  # + 0.0 makes a plain 0 of -0


def span(name: str, interval: Interval) -> str:
    digits = 2 if name == "error_rate" else 1
    low, high = ("unbounded" if end is None else f"{end:+.{digits}f}" for end in interval)
    return "-" if interval == (None, None) else f"{low} .. {high}"


def judged(name: str, a: float, b: float, difference: float, interval: Interval, margin: float, objection: str = "") -> Metric:
    """The Metric with its verdict. objection: why nothing can be concluded, whatever the interval."""
    lower, upper = interval
    verdict, reason = OPEN, objection
    if objection:
        pass
    elif lower is not None and upper is not None and -margin <= lower and upper <= margin:
        verdict = SAME
    elif lower is not None and lower > 0:
        verdict = MORE_IS[name]
    elif upper is not None and upper < 0:
        verdict = OPPOSITE[MORE_IS[name]]
    elif interval == (None, None):
        reason = "too few blocks of time hold requests that slow: no bound on the difference"
    else:
        reason = "the interval holds both no difference and one beyond the margin"
    return Metric(a, b, difference, interval, verdict, margin, reason)


def unknown(a: float | None, b: float | None, margin: float, reason: str) -> Metric:
    return Metric(a, b, None, (None, None), OPEN, margin, reason)
