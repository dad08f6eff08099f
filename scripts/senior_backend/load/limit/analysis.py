"""From the answers of a search to a rate limit's figures: rate, burst, and whether it lets requests through evenly or by windows."""

from __future__ import annotations

import bisect
import dataclasses
import email.utils
import re
import statistics
from collections.abc import Sequence
from typing import Any

QUESTIONS_IN_GAP = 5  # refusals that must lie between two windows


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """A request that ended. Times in seconds since the search began; kind: "" or how it failed."""

    sent_s: float
    done_s: float
    status: int
    refused: bool
    kind: str = ""

    @property
    def accepted(self) -> bool:
        return not self.refused and not self.kind


@dataclasses.dataclass
class Finding:
    """What was found. Counts are requests; *_s seconds since the search began (retry_after_s: what the server asks for).

    pattern: "steady" (a token or leaky bucket, or a window that slides evenly), "window" (so many, then none until the next window), "" when unknown;
    scope: "client" or "connection"; rate_source: "measured", "headers" or ""; at_most_per_s: a bound when there is no rate;
    tried_per_s: accepted rate reached without refusal.
    """

    found: bool = False
    rate_per_s: float | None = None
    burst: int | None = None
    retry_after_s: float | None = None
    first_429_after: int | None = None
    first_429_after_s: float | None = None
    status: int | None = None
    pattern: str = ""
    window_s: float | None = None
    scope: str = ""
    rate_source: str = ""
    at_most_per_s: float | None = None
    tried_per_s: float | None = None
    retry_after_holds: bool | None = None
    accepted: int = 0
    refused: int = 0
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    notes: list[str] = dataclasses.field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {name: round(value, 3) if isinstance(value, float) else value for name, value in dataclasses.asdict(self).items()}

    def rows(self) -> dict[str, str]:
        """{what: figure} for people; empty when there is no limit."""
        if not self.found:
            return {}
        rate = f"{self.rate_per_s:,.4g}/s ({self.rate_source})" if self.rate_per_s else f"not known, at most {self.at_most_per_s:,.4g}/s" if self.at_most_per_s else "not known"
        asked = "none" if self.retry_after_s is None else f"{self.retry_after_s:g} s" + {True: " (then answered)", False: " (still refused then)", None: ""}[self.retry_after_holds]
        return {
            "Status": str(self.status),
            "Rate": rate,
            "Burst": f"{self.burst} requests",
            "First refusal": f"after {self.first_429_after} requests, {self.first_429_after_s:.2f} s",
            "Pattern": self.pattern + (f" of {self.window_s:.4g} s" if self.window_s else "") or "not known",
            "Holds per": self.scope or "not known",
            "Retry-After": asked,
            "Headers": ", ".join(f"{name}: {value}" for name, value in self.headers.items()) or "none",
        }

    @property
    def summary(self) -> str:
        return "" if self.found else f"none found: {self.accepted:,} requests went through, up to {self.tried_per_s or 0:,.0f}/s"

    def lines(self) -> list[str]:
        said = [f"{name + ':':15}{value}" for name, value in self.rows().items()] or [self.summary]
        return ["RATE LIMIT", *(f"  {line}" for line in (*said, *(f"note: {note}" for note in self.notes)))]


def retry_after(fields: dict[str, str]) -> float | None:
    """Seconds, from either form of the header; None when there is none that can be read."""
    value = fields.get("retry-after", "")
    if re.fullmatch(r"\d+(\.\d+)?", value):
        return float(value)
    try:
        at, now = (email.utils.parsedate_to_datetime(text) for text in (value, fields.get("date", "")))
        return max(0.0, (at - now).total_seconds())
    except (TypeError, ValueError):
        return None


def from_headers(finding: Finding) -> None:
    """The rate that a RateLimit-Policy declares ("100;w=60", "default";q=100;w=60)."""
    for name, value in finding.headers.items():
        quota, window = re.search(r"(?:^|;\s*q=)(\d+)", value), re.search(r";\s*w=(\d+)", value)
        if quota and window and int(window[1]):
            finding.rate_per_s, finding.window_s, finding.rate_source = int(quota[1]) / int(window[1]), float(window[1]), "headers"
            return


def before_refusal(answers: Sequence[Answer]) -> tuple[Answer | None, int]:
    """The first refusal, and how many requests sent before it had come were let through."""
    first = min((answer for answer in answers if answer.refused), key=lambda answer: answer.done_s, default=None)
    return first, sum(answer.accepted and answer.sent_s < first.done_s for answer in answers) if first else 0


def analyse(answers: Sequence[Answer]) -> Finding:
    """Rate, burst and pattern from answers of a time in which it was asked faster than allowed."""
    accepted, refusals = (sorted(answer.done_s for answer in answers if getattr(answer, name)) for name in ("accepted", "refused"))
    finding = Finding(accepted=len(accepted))
    first, before = before_refusal(answers)
    if first is None:
        return finding
    after = accepted[before:]
    finding.first_429_after_s, finding.burst = first.done_s, before
    if len(after) < 2:
        waited = max(answer.done_s for answer in answers) - first.done_s
        finding.at_most_per_s = (len(after) + max(1, before)) / waited if waited > 0 else None
        return finding
    starts = window_starts(accepted, before, refusals)
    if starts:
        by_window(finding, accepted, starts, refusals)
    else:
        steadily(finding, accepted, before, refusals)
    return finding


def window_starts(accepted: list[float], before: int, refusals: list[float]) -> list[int]:
    """Indexes of the first answers of windows after the first refusal; none when they come evenly.

    In windows several come at once, then none for many questions, and nearly all time lies in these gaps. Evenly spaced ones have gaps alike.
    """
    gaps = [(accepted[place] - accepted[place - 1], place) for place in range(max(1, before), len(accepted))]
    longest = max(gap for gap, _ in gaps)
    long = [(gap, place) for gap, place in gaps if gap > longest / 2]
    crowded = len(gaps) + 1 >= 2 * len(long)
    asked = all(bisect.bisect(refusals, accepted[place]) - bisect.bisect(refusals, accepted[place - 1]) >= QUESTIONS_IN_GAP for _, place in long)
    return [place for _, place in long] if crowded and asked and sum(gap for gap, _ in long) > 0.4 * sum(gap for gap, _ in gaps) else []


def by_window(finding: Finding, accepted: list[float], starts: list[int], refusals: list[float]) -> None:
    """Figures of the windows seen whole: from one start to the next."""
    finding.pattern = "window"
    times = [accepted[place] for place in starts]
    sizes = [end - begin for begin, end in zip(starts, starts[1:])]
    if sizes:
        finding.window_s = statistics.median(end - begin for begin, end in zip(times, times[1:]))
        finding.rate_per_s, finding.burst = sum(sizes) / (times[-1] - times[0]), round(statistics.median(sizes))
    else:  # one start alone: a window that began with the first request, or a fixed one met in its middle
        last = len(accepted) - starts[0] if refusals[-1] > accepted[-1] else 0
        finding.burst = max(finding.burst or 0, last)
        finding.window_s = times[0] - accepted[0] if starts[0] else None
        finding.rate_per_s = finding.burst / finding.window_s if finding.window_s else None
        finding.notes.append("only one further window was seen: a longer --duration makes the rate certain")
    finding.rate_source = "measured" if finding.rate_per_s else ""


def steadily(finding: Finding, accepted: list[float], before: int, refusals: list[float]) -> None:
    """Figures of a limit that lets requests through one by one."""
    after = accepted[before:]
    finding.pattern, finding.rate_source = "steady", "measured"
    spacing = (after[-1] - after[0]) / (len(after) - 1)
    until_refusal = refusals[0] - accepted[0] if before else 0.0
    if before - until_refusal / spacing < 1.5:
        spacing = spacing_without_savings(after, refusals) or spacing
    finding.rate_per_s = 1 / spacing
    finding.burst = max(1, round(before - until_refusal / spacing)) if before else None


def spacing_without_savings(after: list[float], refusals: list[float]) -> float | None:
    """The time between two when nothing is saved up: what waits for the next question is lost to the limit, so the mean is too long. It was over when a
    question came through and not yet at the last refusal before that: the tightest of these bounds, but for the 5 % that chance may have moved."""
    not_yet, over = [], []
    for before, now in zip(after, after[1:]):
        place = bisect.bisect_left(refusals, now) - 1
        if place >= 0 and refusals[place] > before:
            not_yet.append(refusals[place] - before)
        over.append(now - before)
    if not not_yet:
        return None
    not_yet.sort()
    over.sort()
    return (not_yet[int(0.95 * (len(not_yet) - 1))] + over[int(0.05 * len(over))]) / 2
