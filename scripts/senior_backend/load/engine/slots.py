"""Slots that send one request at a time and block for its answer: threads of the engine "requests", users of the engine "locust".

A slot asks for its next order, sends it with whatever sender it was given, and notes what came of it. Nothing here knows threads
from greenlets; `time` and `threading` are enough for both.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from senior_backend.load.plan import schedule
from senior_backend.load.measure.recorders import Collector
from senior_backend.load.measure.histogram import Histogram
from senior_backend.load.measure.measurement import Measurement, Snapshot
from senior_backend.load.plan.model import Plan

IDLE_S = 0.02  # between looks of a slot that the stages do not want now


class Broken(Exception):
    """A request that ended without a complete answer; the text is the kind of failure."""


class Sender(Protocol):
    def send(self, target: int, row: Mapping[str, Any] | None) -> tuple[int, int]:
        """(status, bytes of the body) of a complete answer. Raises Broken."""


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """A request to send. due_s: intended send time since the run began, None in the closed model."""

    target: int
    row: Mapping[str, Any] | None
    due_s: float | None


class Slots:
    """One process's share of a run: begin(), work(...) in every slot, then finish()."""

    def __init__(self, plan: Plan, worker: int, engine: str):
        self.plan, self.worker = plan, worker
        self.collectors = [Collector(plan, target, engine) for target in plan.targets]
        self.orders = schedule.request_stream(plan, worker, lambda target, row: (target, row))
        self.arrivals = schedule.arrivals(plan, worker) if plan.model == "open" else None
        self.lag, self.due_taken, self.waited = Histogram(), 0, 0
        self.lock, self.ended, self.stopped = threading.Lock(), False, False
        self.end_s = plan.warmup_s + plan.duration_s
        self.began = self.cpu_s = 0.0

    def begin(self) -> None:
        self.began, self.cpu_s = time.perf_counter(), time.process_time()

    def now_s(self) -> float:
        return time.perf_counter() - self.began

    def work(self, number: int, sender: Sender) -> None:
        """Send one order after the other until there are no more."""
        while (order := self.next_order(number)) is not None:
            self.carry_out(order, sender)

    def next_order(self, number: int) -> Order | None:
        """What this slot is to send now (waiting for its time), None when the run is over."""
        while not self.over():
            if self.arrivals is not None:
                return self.next_due()
            if self.wanted(number):
                with self.lock:
                    return Order(*next(self.orders), None)
            time.sleep(IDLE_S)
        return None

    def over(self) -> bool:
        return self.stopped or self.now_s() >= self.end_s

    def wanted(self, number: int) -> bool:
        """Whether the stages have use for this slot now. Slots are shared out over the workers."""
        if not self.plan.stages or self.now_s() < self.plan.warmup_s:
            return True
        return number < schedule.share(schedule.connections_at(self.plan, self.now_s() - self.plan.warmup_s), self.worker, self.plan.workers)

    def next_due(self) -> Order | None:
        with self.lock:
            due_s = next(self.arrivals, schedule.NEVER)
            if due_s == schedule.NEVER:
                return None
            order = Order(*next(self.orders), due_s)
            early = due_s - self.now_s()
            self.waited += early < -0.001
        while early > 0 and not self.stopped:
            time.sleep(min(early, 0.2))
            early = due_s - self.now_s()
        if self.over():
            return None
        if due_s >= self.plan.warmup_s:
            with self.lock:
                self.due_taken += 1
        return order

    def carry_out(self, order: Order, sender: Sender) -> None:
        sent_s = self.now_s()
        begin_s = sent_s if order.due_s is None else order.due_s
        counted = begin_s >= self.plan.warmup_s
        collector = self.collectors[order.target]
        if counted:
            with self.lock:
                collector.start(sent_s - self.plan.warmup_s)
                self.lag.add(round((sent_s - begin_s) * 1e6))
        kind, status, size = "", 0, 0
        try:
            status, size = sender.send(order.target, order.row)
        except Broken as failure:
            kind = str(failure)
        done_s = self.now_s()
        with self.lock:
            if not counted or self.ended:
                return
            if kind:
                collector.failure(done_s - self.plan.warmup_s, kind, done_s - sent_s)
            else:
                collector.answer(done_s - self.plan.warmup_s, status, done_s - begin_s, done_s - sent_s, size)

    def snapshot(self, before: int) -> Snapshot:
        """The run so far; before: answered at the last snapshot, a second ago."""
        with self.lock:
            seen = [collector.measurement for collector in self.collectors]
            at_s = min(self.plan.duration_s, max(0.0, self.now_s() - self.plan.warmup_s))
            last = Histogram()
            for collector in self.collectors:
                last.merge(collector.second(at_s - 1).histogram)
            answered = sum(one.answered for one in seen)
            return Snapshot(seen[0].target.url, at_s, self.plan.duration_s, answered, sum(one.accounting.failed for one in seen), max(0, answered - before), last.percentile_ms(99))

    def finish(self, interrupted: bool) -> list[Measurement]:
        """Close the books: what is not answered by now was in flight."""
        with self.lock:
            self.ended = True
            seconds = min(self.plan.duration_s, max(0.001, self.now_s() - self.plan.warmup_s))
            cpu_s = time.process_time() - self.cpu_s
            never_sent = 0
            if self.arrivals is not None and not interrupted:
                measured = sum(due >= self.plan.warmup_s for due in iter(schedule.arrivals(self.plan, self.worker).__next__, schedule.NEVER))
                never_sent = measured - sum(collector.measurement.accounting.started for collector in self.collectors)
            for place, collector in enumerate(self.collectors):
                self.close(collector.measurement, seconds, never_sent if place == 0 else 0, interrupted)
            client = self.collectors[0].measurement.client
            client.cpu_s, client.busiest, client.lag, client.waited = cpu_s, min(1.0, cpu_s / (seconds + self.plan.warmup_s)), self.lag, self.waited
            for collector in self.collectors[1:]:
                collector.measurement.client = client
            return [collector.measurement for collector in self.collectors]

    def close(self, seen: Measurement, seconds: float, never_sent: int, interrupted: bool) -> None:
        books = seen.accounting
        books.in_flight = books.started - books.ok - books.failed
        books.never_sent = never_sent
        seen.seconds, seen.interrupted = seconds, interrupted


def wait_for(slots: Slots, alive: Sequence[Any], progress) -> bool:
    """Stay until the run is over and its last answers are in, or drain_s has passed; True when Ctrl-C ended it. alive: threads (or what has is_alive())."""
    interrupted, answered = False, 0
    try:
        while not slots.over() and any(worker.is_alive() for worker in alive):
            time.sleep(min(1.0, max(0.01, slots.end_s - slots.now_s())))
            if progress:
                snapshot = slots.snapshot(answered)
                answered = snapshot.answered
                progress(snapshot)
    except KeyboardInterrupt:
        slots.stopped = interrupted = True
    until = time.perf_counter() + slots.plan.drain_s
    while any(worker.is_alive() for worker in alive) and time.perf_counter() < until:
        time.sleep(0.01)
    return interrupted
