"""The search for a rate limit: ask as fast as the connections allow until an answer is a refusal, then keep asking and see when answers come through."""

from __future__ import annotations

import math
import random
import re
import statistics
from collections.abc import Callable, Sequence

from senior_backend.load.measure.recorders import Collector
from senior_backend.load.measure.measurement import Measurement
from senior_backend.load.plan.model import Plan
from senior_backend.load.limit.analysis import Finding, analyse, from_headers, retry_after
from senior_backend.load.limit.probe import STILL_WAITING, Answer, Probe
from senior_backend.load.engine.raw import stop_on_interrupt

LIMIT_HEADER = re.compile(r"(?:x-)?rate-?limit[\w-]*|retry-after", re.IGNORECASE)
FIRST_PAUSE_S, SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.002, 0.00025, 0.02  # between the questions of all connections together, while refused
ENOUGH_ACCEPTED, ENOUGH_WINDOWS, ENOUGH_S = 200, 4, 3.0
FRESH_CONNECTIONS = 5


def find(plan: Plan, progress: Callable[[str], None] = lambda text: None) -> tuple[Finding, Measurement]:
    """Search at the plan's first target for at most plan.duration_s; Ctrl-C ends it with what is known then. Unreachable when nobody is there."""
    with Probe(plan) as probe, stop_on_interrupt(lambda: setattr(probe, "stopped", True)):
        finding = Search(plan, probe, progress).run()
        return finding, measurement(plan, probe)


class Search:
    """The phases of one search."""

    def __init__(self, plan: Plan, probe: Probe, progress: Callable[[str], None]):
        self.plan, self.probe, self.progress = plan, probe, progress
        self.end_s, self.random = plan.duration_s, random.Random(plan.seed)
        self.checked_s, self.enough, self.pause_now = 0.0, False, FIRST_PAUSE_S

    def run(self) -> Finding:
        probe, connections = self.probe, self.plan.concurrency
        probe.run(connections, self.end_s, lambda: 0.0, self.refused)
        if not any(answer.refused for answer in probe.answers):
            return self.nothing()
        self.progress(f"first refusal after {sum(answer.accepted for answer in probe.answers)} requests; measuring the rate")
        whole = list(probe.answers)
        scope = self.scope()
        begin = 0
        if scope == "connection":
            begin, connections = len(probe.answers), 1
            for line in list(probe.lines):
                probe.drop(line)
        self.begin = begin
        probe.run(connections, 0.9 * self.end_s, lambda: self.pause_now * self.random.uniform(0.5, 1.5), self.measured)
        finding = analyse(probe.answers[begin:])
        finding.scope = scope
        self.describe(finding, whole)
        self.check_retry_after(finding)
        finding.accepted, finding.refused = sum(answer.accepted for answer in probe.answers), sum(answer.refused for answer in probe.answers)
        return finding

    def refused(self) -> bool:
        return bool(self.probe.answers) and any(answer.refused for answer in self.probe.answers[-self.plan.concurrency - 8 :])

    def nothing(self) -> Finding:
        accepted = [answer for answer in self.probe.answers if answer.accepted]
        finding = Finding(accepted=len(accepted), tried_per_s=len(accepted) / max(0.001, self.probe.now()))
        if not accepted:
            finding.notes.append("no request was answered")
        elif self.plan.concurrency < 50:
            finding.notes.append(f"{self.plan.concurrency} connections: more (--concurrency) or a longer --duration reach further")
        return finding

    def scope(self) -> str:
        """While the first connections are refused, ask over fresh ones in turn with an old one."""
        old = next(iter(sorted(self.probe.lines, key=lambda line: line.number)), None)
        heard = {"old": [], "fresh": []}
        for _ in range(FRESH_CONNECTIONS):
            if self.probe.stopped or self.probe.now() > 0.8 * self.end_s:
                break
            answer, line = self.probe.once()
            heard["fresh"].append(answer.accepted)
            if line:
                self.probe.drop(line)
            answer, old = self.probe.once(old)
            heard["old"].append(answer.accepted)
        if len(heard["fresh"]) < 3:
            return ""
        return "connection" if statistics.fmean(heard["fresh"]) >= 0.8 and statistics.fmean(heard["old"]) <= 0.5 else "client"

    def measured(self) -> bool:
        """Four times a second: adapt the pause to the rate seen so far, and see whether more would teach anything."""
        now = self.probe.now()
        if now < self.checked_s + 0.25:
            return self.enough
        self.checked_s = now
        seen = analyse(self.probe.answers[self.begin :])
        if seen.rate_per_s:
            share = 0.3 if (seen.burst or 0) > 2 else 0.1  # of the time between two that come through; a limit that saves nothing up must be asked often
            self.pause_now = min(LONGEST_PAUSE_S, max(SHORTEST_PAUSE_S, share / seen.rate_per_s))
        limited_s = now - (now if seen.first_429_after_s is None else seen.first_429_after_s)
        taught = limited_s >= ENOUGH_WINDOWS * seen.window_s if seen.window_s else seen.accepted >= ENOUGH_ACCEPTED
        self.enough = taught and limited_s >= ENOUGH_S
        return self.enough

    def describe(self, finding: Finding, whole: Sequence[Answer]) -> None:
        """What the first refusal said, and what is worth knowing beside the figures."""
        first = next(place for place, answer in enumerate(whole) if answer.refused)
        finding.found, finding.status = True, whole[first].status
        finding.first_429_after = sum(answer.accepted for answer in whole[:first])
        finding.first_429_after_s = whole[first].done_s
        head = self.probe.heads[finding.status].decode("latin-1")
        fields = {name.strip().lower(): value.strip() for name, colon, value in (line.partition(":") for line in head.splitlines()[1:]) if colon}
        ordinary = next((text.decode("latin-1") for status, text in self.probe.heads.items() if status != finding.status), "")
        finding.headers = {name: value for name, value in fields.items() if LIMIT_HEADER.fullmatch(name)}
        for line in ordinary.splitlines()[1:]:
            name, _, value = line.partition(":")
            if LIMIT_HEADER.fullmatch(name.strip()):
                finding.headers.setdefault(name.strip().lower(), value.strip())
        finding.retry_after_s = retry_after(fields)
        if finding.rate_per_s is None:
            from_headers(finding)
        if finding.rate_per_s is None:
            finding.notes.append(
                f"no request came through again within {self.probe.now() - finding.first_429_after_s:.1f} s: a --duration longer than the limit's window shows its rate"
            )
        if finding.first_429_after == 0:
            finding.notes.append("the very first request was refused: an earlier run may have used up the limit, so the burst is not known")
            finding.burst = None

    def check_retry_after(self, finding: Finding) -> None:
        """Wait as long as the server asks, if there is time, and ask once more."""
        wait = finding.retry_after_s
        if wait is None or self.probe.stopped or self.probe.now() + wait + 0.1 > self.end_s:
            return
        until = self.probe.now() + wait
        self.probe.run(0, until, lambda: 0.0, lambda: False)
        if self.probe.stopped:
            return
        finding.retry_after_holds = self.probe.once()[0].accepted


def measurement(plan: Plan, probe: Probe) -> Measurement:
    """The search's answers as a Measurement, for the report's results."""
    collector = Collector(plan, plan.targets[0], "raw")
    for answer in probe.answers:
        collector.start(answer.sent_s)
        if answer.kind == STILL_WAITING:
            collector.measurement.accounting.in_flight += 1
        elif answer.kind:
            collector.failure(answer.done_s, answer.kind, answer.done_s - answer.sent_s)
        else:
            collector.answer(answer.done_s, answer.status, answer.done_s - answer.sent_s, answer.done_s - answer.sent_s, answer.size)
    found = collector.measurement
    found.seconds = max(0.001, min(plan.duration_s, probe.now()))
    found.timeline = found.timeline[: math.ceil(found.seconds)]
    found.timeline[-1].seconds = found.seconds - (len(found.timeline) - 1)
    found.interrupted = probe.stopped
    found.heads = {status: head.decode("latin-1") for status, head in probe.heads.items()}
    return found
