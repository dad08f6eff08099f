"""The search for a rate limit: ask as fast as the connections allow until an answer is a refusal, then keep asking and see when answers come through; and
from these answers to the limit's figures: rate, burst, and whether it lets requests through evenly or by windows."""

from __future__ import annotations

import bisect
import dataclasses
import email.utils
import random
import re
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from senior_backend.load.engine.connections import Connection, Pool, Request, reach_all
from senior_backend.load.engine.loop import Loop, clock_ns
from senior_backend.load.engine.raw import check_books, stop_on_interrupt
from senior_backend.load.measure import Measurement
from senior_backend.load.plan import Plan

LIMIT_HEADER = re.compile(r"(?:x-)?rate-?limit[\w-]*|retry-after", re.IGNORECASE)
FIRST_PAUSE_S, SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.002, 0.00025, 0.02  # between the questions of all connections together, while refused
AFTER_FAILURE_S, LAST_ANSWERS_S = 0.05, 0.25  # before the next attempt when one has failed; for the answers that are out when a phase ends
ENOUGH_ACCEPTED, ENOUGH_WINDOWS, ENOUGH_S = 200, 4, 3.0
FRESH_CONNECTIONS = 5
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
        return {
            "Status": str(self.status),
            "Rate": rate,
            "Burst": f"{self.burst} requests",
            "First refusal": f"after {self.first_429_after} requests, {self.first_429_after_s:.2f} s",
            "Pattern": self.pattern + (f" of {self.window_s:.4g} s" if self.window_s else "") or "not known",
            "Holds per": self.scope or "not known",
            "Retry-After": "none" if self.retry_after_s is None else f"{self.retry_after_s:g} s",
            "Headers": ", ".join(f"{name}: {value}" for name, value in self.headers.items()) or "none",
        }

    @property
    def summary(self) -> str:
        return "" if self.found else f"none found: {self.accepted:,} requests went through, up to {self.tried_per_s or 0:,.0f}/s"

    def lines(self) -> list[str]:
        said = [f"{name + ':':15}{value}" for name, value in self.rows().items()] or [self.summary]
        return ["RATE LIMIT", *(f"  {line}" for line in (*said, *(f"note: {note}" for note in self.notes)))]


def find(plan: Plan, progress: Callable[[str], None] = lambda text: None) -> tuple[Finding, Measurement]:
    """Search at the plan's first target for at most plan.duration_s; Ctrl-C ends it with what is known then. Unreachable when nobody is there."""
    interrupted: list[bool] = []
    with stop_on_interrupt(interrupted):
        search = Search(plan, 0, reach_all(plan), None, lambda: bool(interrupted))
        search.tell = progress
        measurements = search.run(time.perf_counter_ns())
        check_books(plan, measurements)
        return search.finding, measurements[0]


class Search(Loop):
    """The phases of one search. at_once, waiting: slots that may ask now, and those that take turns, one at next_ns."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.answers: list[Answer] = []
        self.heads: dict[int, str] = {}
        self.random = random.Random(self.plan.seed)
        self.pool = next(iter(self.pools.values()))
        self.fresh = Pool(self.pool.origin, self.pool.address, self.pool.tls)
        self.at_once = self.waiting = self.next_ns = self.begin_place = 0
        self.checked_s, self.enough, self.pause_s = 0.0, False, FIRST_PAUSE_S
        self.exhausted: Connection | None = None  # the first that was refused

    # Asking

    def now_s(self) -> float:
        return (clock_ns() - self.start_ns) / 1e9

    def complete(self, connection: Connection, data: bytes, now: int) -> None:
        status, head = connection.reader.head.status, connection.reader.first_head.decode("latin-1")
        refused = status == 429 or status == 503 and "\nretry-after:" in head.lower()
        self.heads.setdefault(status, head)
        self.exhausted = self.exhausted or (connection if refused else None)
        self.answers.append(Answer((connection.sent - self.start_ns) / 1e9, (now - self.start_ns) / 1e9, status, refused))
        super().complete(connection, data, now)

    def book_failure(self, request: Request, due: int, kind: str, under_way_s: float, failed_to_connect: bool) -> None:
        self.answers.append(Answer(self.now_s() - under_way_s, self.now_s(), 0, False, kind))
        self.next_ns = max(self.next_ns, clock_ns() + round(AFTER_FAILURE_S * 1e9))
        super().book_failure(request, due, kind, under_way_s, failed_to_connect)

    def released(self, now: int, failed_to_connect: bool) -> None:
        if self.answers[-1].accepted:
            self.at_once += 1
        else:
            self.waiting += 1

    def turn(self, until_ns: int) -> None:
        """One round of events."""
        now = clock_ns()
        if now >= self.next_tick:
            self.tick(now)
        events = self.poller.wait((min(until_ns, self.next_tick) - now) / 1e9)
        now = clock_ns()
        for descriptor, happened in events:
            self.attend(self.connections[descriptor], happened, now)

    def turn_until(self, until_s: float, done: Callable[[], bool]) -> None:
        while self.running and not done() and self.now_s() < until_s:
            self.turn(self.start_ns + round(until_s * 1e9))

    def ask(self, slots: int, until_s: float, pause_s: Callable[[], float], finished: Callable[[], bool]) -> None:
        """Keep this many slots asking until the time has come or it is finished: at once after an answer; refused ones take turns, one every pause_s()."""
        self.at_once, self.waiting, self.next_ns = 0, slots, clock_ns()
        until_ns = self.start_ns + round(until_s * 1e9)
        while self.running and not finished() and (now := clock_ns()) < until_ns:
            count, self.at_once = self.at_once, 0
            while self.waiting and self.next_ns <= now:
                pause_ns = round(pause_s() * 1e9)
                self.next_ns = max(self.next_ns, now - pause_ns) + pause_ns
                self.waiting, count = self.waiting - 1, count + 1
            for _ in range(count):
                self.begin(next(self.stream), 0)
            self.turn(now if self.at_once else min(until_ns, self.next_ns if self.waiting else until_ns))
        self.turn_until(self.now_s() + LAST_ANSWERS_S, lambda: not self.active)

    def once(self, pool: Pool) -> bool:
        """One request over a connection of this pool; whether it was let through."""
        request, before = next(self.stream), len(self.answers)
        self.begin(Request(request.payload, request.recorder, pool, request.heads), 0)
        self.turn_until(self.plan.duration_s, lambda: len(self.answers) > before)
        return len(self.answers) > before and self.answers[-1].accepted

    def drop_idle(self, pool: Pool) -> None:
        while pool.idle:
            self.discard(pool.idle.pop())

    # The phases

    def serve(self) -> None:
        slots, end_s = self.plan.concurrency, self.plan.duration_s
        self.ask(slots, end_s, lambda: 0.0, lambda: any(answer.refused for answer in self.answers[-slots - 8 :]))
        first, accepted = before_refusal(self.answers)
        if first:
            self.tell(f"first refusal after {accepted} requests; measuring the rate")
            scope = self.scope()
            if scope == "connection":
                self.begin_place, slots = len(self.answers), 1
                self.drop_idle(self.pool)
            self.ask(slots, 0.9 * end_s, lambda: self.pause_s * self.random.uniform(0.5, 1.5), self.measured)
            self.finding = analyse(self.answers[self.begin_place :])
            self.finding.scope = scope
            self.describe(self.finding, first, accepted)
        else:
            self.finding = self.nothing()
        self.finding.accepted, self.finding.refused = (sum(getattr(answer, name) for answer in self.answers) for name in ("accepted", "refused"))
        if self.running:
            self.stop(clock_ns())

    def nothing(self) -> Finding:
        accepted = sum(answer.accepted for answer in self.answers)
        notes = [] if accepted else ["no request was answered"]
        if accepted and self.plan.concurrency < 50:
            notes = [f"{self.plan.concurrency} connections: more (--concurrency) or a longer --duration reach further"]
        return Finding(tried_per_s=accepted / max(0.001, self.now_s()), notes=notes)

    def scope(self) -> str:
        """While the first connections are refused, ask over fresh ones in turn with an old one."""
        fresh, old = [], []
        self.pool.idle.sort(key=lambda connection: connection is self.exhausted)  # the last of them is used
        while self.running and len(fresh) < FRESH_CONNECTIONS and self.now_s() < 0.8 * self.plan.duration_s:
            fresh.append(self.once(self.fresh))
            self.drop_idle(self.fresh)
            old.append(self.once(self.pool))
        if len(fresh) < 3:
            return ""
        return "connection" if statistics.fmean(fresh) >= 0.8 and statistics.fmean(old) <= 0.5 else "client"

    def measured(self) -> bool:
        """Four times a second: adapt the pause to the rate seen so far, and see whether more would teach anything."""
        now = self.now_s()
        if now < self.checked_s + 0.25:
            return self.enough
        self.checked_s = now
        seen = analyse(self.answers[self.begin_place :])
        if seen.rate_per_s:
            share = 0.3 if (seen.burst or 0) > 2 else 0.1  # of the time between two that come through; a limit that saves nothing up must be asked often
            self.pause_s = min(LONGEST_PAUSE_S, max(SHORTEST_PAUSE_S, share / seen.rate_per_s))
        limited_s = now - (now if seen.first_429_after_s is None else seen.first_429_after_s)
        taught = limited_s >= ENOUGH_WINDOWS * seen.window_s if seen.window_s else seen.accepted >= ENOUGH_ACCEPTED
        self.enough = taught and limited_s >= ENOUGH_S
        return self.enough

    def describe(self, finding: Finding, first: Answer, accepted: int) -> None:
        """What the first refusal said, and what is worth knowing beside the figures."""
        finding.found, finding.status, finding.first_429_after, finding.first_429_after_s = True, first.status, accepted, first.done_s
        refusal = fields_of(self.heads[first.status])
        ordinary = next((fields_of(head) for status, head in self.heads.items() if status != first.status), {})
        finding.headers = {name: value for name, value in {**refusal, **ordinary, **refusal}.items() if LIMIT_HEADER.fullmatch(name)}
        finding.retry_after_s = retry_after(refusal)
        if finding.rate_per_s is None:
            from_headers(finding)
        if finding.rate_per_s is None:
            waited_s = self.now_s() - first.done_s
            finding.notes.append(f"no request came through again within {waited_s:.1f} s: a --duration longer than the limit's window shows its rate")
        if not accepted:
            finding.notes.append("the very first request was refused: an earlier run may have used up the limit, so the burst is not known")
            finding.burst = None


# What heads say


def fields_of(head: str) -> dict[str, str]:
    """{name in lower case: value}."""
    return {name.strip().lower(): value.strip() for name, colon, value in (line.partition(":") for line in head.splitlines()[1:]) if colon}


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
    for value in finding.headers.values():
        quota, window = re.search(r"(?:^|;\s*q=)(\d+)", value), re.search(r";\s*w=(\d+)", value)
        if quota and window and int(window[1]):
            finding.rate_per_s, finding.window_s, finding.rate_source = int(quota[1]) / int(window[1]), float(window[1]), "headers"
            return


# What the times of answers say


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
    gaps = {place: accepted[place] - accepted[place - 1] for place in range(max(1, before), len(accepted))}
    longest = max(gaps.values())
    long = [place for place, gap in gaps.items() if gap > longest / 2]
    crowded = len(gaps) + 1 >= 2 * len(long)
    asked = all(bisect.bisect(refusals, accepted[place]) - bisect.bisect(refusals, accepted[place - 1]) >= QUESTIONS_IN_GAP for place in long)
    return long if crowded and asked and sum(map(gaps.get, long)) > 0.4 * sum(gaps.values()) else []


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
    pairs = list(zip(after, after[1:]))
    last = [(before, refusals[place - 1]) for before, now in pairs if (place := bisect.bisect_left(refusals, now))]
    not_yet = sorted(refusal - before for before, refusal in last if refusal > before)
    over = sorted(now - before for before, now in pairs)
    return (not_yet[int(0.95 * (len(not_yet) - 1))] + over[int(0.05 * len(over))]) / 2 if not_yet else None
