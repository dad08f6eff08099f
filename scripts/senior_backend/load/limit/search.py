"""The search for a rate limit: ask as fast as the connections allow until an answer is a refusal, then keep asking and see when answers come through."""

from __future__ import annotations

import random
import re
import statistics
import time
from collections.abc import Callable

from senior_backend.load.engine.connections import Connection, Pool, Request, reach_all
from senior_backend.load.engine.loop import Loop, clock_ns
from senior_backend.load.engine.raw import check_books, stop_on_interrupt
from senior_backend.load.limit.analysis import Answer, Finding, analyse, before_refusal, from_headers, retry_after
from senior_backend.load.measure.measurement import Measurement
from senior_backend.load.plan.model import Plan

LIMIT_HEADER = re.compile(r"(?:x-)?rate-?limit[\w-]*|retry-after", re.IGNORECASE)
FIRST_PAUSE_S, SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.002, 0.00025, 0.02  # between the questions of all connections together, while refused
AFTER_FAILURE_S, LAST_ANSWERS_S = 0.05, 0.25  # before the next attempt when one has failed; for the answers that are out when a phase ends
ENOUGH_ACCEPTED, ENOUGH_WINDOWS, ENOUGH_S = 200, 4, 3.0
FRESH_CONNECTIONS = 5


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
        self.at_once = self.waiting = self.next_ns = 0
        self.checked_s, self.enough, self.pause_s = 0.0, False, FIRST_PAUSE_S

    # Asking

    def now_s(self) -> float:
        return (clock_ns() - self.start_ns) / 1e9

    def complete(self, connection: Connection, data: bytes, now: int) -> None:
        status, head = connection.reader.head.status, connection.reader.first_head.decode("latin-1")
        refused = status == 429 or status == 503 and "\nretry-after:" in head.lower()
        self.heads.setdefault(status, head)
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
        self.turn_until(self.end_s, lambda: len(self.answers) > before)
        return len(self.answers) > before and self.answers[-1].accepted

    def drop_idle(self, pool: Pool) -> None:
        while pool.idle:
            self.discard(pool.idle.pop())

    # The phases

    def serve(self) -> None:
        self.end_s, slots, begin = self.plan.duration_s, self.plan.concurrency, 0
        self.ask(slots, self.end_s, lambda: 0.0, lambda: any(answer.refused for answer in self.answers[-self.plan.concurrency - 8 :]))
        whole = list(self.answers)
        if any(answer.refused for answer in whole):
            self.tell(f"first refusal after {sum(answer.accepted for answer in whole)} requests; measuring the rate")
            scope = self.scope()
            if scope == "connection":
                begin, slots = len(self.answers), 1
                self.drop_idle(self.pool)
            self.begin_place = begin
            self.ask(slots, 0.9 * self.end_s, lambda: self.pause_s * self.random.uniform(0.5, 1.5), self.measured)
            self.finding = analyse(self.answers[begin:])
            self.finding.scope = scope
            self.describe(self.finding, whole)
            self.check_retry_after(self.finding)
            self.finding.accepted, self.finding.refused = (sum(getattr(answer, name) for answer in self.answers) for name in ("accepted", "refused"))
        else:
            self.finding = self.nothing()
        if self.running:
            self.stop(clock_ns())

    def nothing(self) -> Finding:
        accepted = sum(answer.accepted for answer in self.answers)
        finding = Finding(accepted=accepted, tried_per_s=accepted / max(0.001, self.now_s()))
        if not accepted:
            finding.notes.append("no request was answered")
        elif self.plan.concurrency < 50:
            finding.notes.append(f"{self.plan.concurrency} connections: more (--concurrency) or a longer --duration reach further")
        return finding

    def scope(self) -> str:
        """While the first connections are refused, ask over fresh ones in turn with an old one."""
        fresh, old = [], []
        while self.running and len(fresh) < FRESH_CONNECTIONS and self.now_s() < 0.8 * self.end_s:
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

    def describe(self, finding: Finding, whole: list[Answer]) -> None:
        """What the first refusal said, and what is worth knowing beside the figures."""
        first, finding.first_429_after = before_refusal(whole)
        finding.found, finding.status, finding.first_429_after_s = True, first.status, first.done_s
        refusal = fields_of(self.heads[first.status])
        ordinary = next((fields_of(head) for status, head in self.heads.items() if status != first.status), {})
        finding.headers = {name: value for name, value in {**refusal, **ordinary, **refusal}.items() if LIMIT_HEADER.fullmatch(name)}
        finding.retry_after_s = retry_after(refusal)
        if finding.rate_per_s is None:
            from_headers(finding)
        if finding.rate_per_s is None:
            finding.notes.append(
                f"no request came through again within {self.now_s() - finding.first_429_after_s:.1f} s: a --duration longer than the limit's window shows its rate"
            )
        if finding.first_429_after == 0:
            finding.notes.append("the very first request was refused: an earlier run may have used up the limit, so the burst is not known")
            finding.burst = None

    def check_retry_after(self, finding: Finding) -> None:
        """Wait as long as the server asks, if there is time, and ask once more."""
        wait_s = finding.retry_after_s
        if wait_s is not None and self.now_s() + wait_s + 0.1 <= self.end_s:
            self.turn_until(self.now_s() + wait_s, lambda: False)
            if self.running:
                finding.retry_after_holds = self.once(self.pool)


def fields_of(head: str) -> dict[str, str]:
    """{name in lower case: value}."""
    return {name.strip().lower(): value.strip() for name, colon, value in (line.partition(":") for line in head.splitlines()[1:]) if colon}
