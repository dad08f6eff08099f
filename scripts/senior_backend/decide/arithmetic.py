"""The figures behind a decision: each row its formula, its numbers, its result and where they come from. What nobody has stated or measured stays unknown."""
from __future__ import annotations

import dataclasses
import math
import pathlib
from typing import Any

from senior_backend.console import CommandError
from senior_backend.decide import json_files
from senior_backend.decide.inputs import DEFAULT_SLO, DEFAULT_WINDOW, Answers, budget_micro, minutes

RUN_THE_TESTER = "unknown: run api_load_tester.py with --output load.json, then give --measured load.json"
BYTES, CONNECTIONS, RESERVED = 1024, 100, 3
UTILISATION = 0.6                       # policy: of what one instance carried in the load test, so that queues stay short
BURNS = ((0.02, 1, "page: 2 % of the budget in 1 hour, with a 5 minute window"), (0.05, 6, "page: 5 % of the budget in 6 hours, with a 30 minute window"),
         (0.10, 72, "ticket: 10 % of the budget in 3 days, with a 6 hour window"))
SRE = "Google's SRE Workbook, Alerting on SLOs (read as retold at velobot-wiki.pages.dev: slo-burn-rate-multi-window-alerting-playbook)"
POSTGRES = "PostgreSQL documentation, Connections and Authentication: max_connections is typically 100, superuser_reserved_connections 3"
TOO_MANY = "does not fit when each request holds a connection throughout: hold it for the query only, or put a pooler before the database"
SLOWER_ANSWERS = 100                    # as many as api_load_tester.py asks for beyond a percentile, for about 10 % accuracy


@dataclasses.dataclass(frozen=True, slots=True)
class Measured:
    """What a load test found. rps: requests per second of the slowest URL on one instance; p99_ms: the highest p99 of all; file: its name."""
    rps: float
    p99_ms: float
    file: str


def measured(path: str) -> Measured:
    """The JSON report of api_load_tester.py --output. Raises CommandError INPUT_FILE when it holds no answered run."""
    report, _ = json_files.read_object(pathlib.Path(path), "the load test's report")
    results = report.get("results") if report.get("tool") == "api_load_tester" else None
    results = [result for result in results if isinstance(result, dict)] if isinstance(results, list) else []
    figures = [(result.get("requests_per_second"), result.get("latency_p99"), result.get("successful_requests")) for result in results]
    if not figures or not all(type(value) in (int, float) and 0 < value < math.inf for row in figures for value in row):
        raise CommandError(f"--measured {path}: no report of api_load_tester.py in which every URL was answered", "python scripts/api_load_tester.py URL --output load.json",
                           identifier="INPUT_FILE")
    return Measured(min(rps for rps, _, _ in figures), max(p99 for _, p99, _ in figures), pathlib.Path(path).name)


class Sheet:
    """Rows in the making."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def row(self, name: str, formula: str, numbers: str, result: float | str | None, unit: str, source: str) -> None:
        """One row; a float is rounded to what it can tell: six digits, integers stay."""
        if isinstance(result, float):
            result = float(f"{result:.6g}")
            result = int(result) if result == int(result) else result
        self.rows.append({"name": name, "formula": formula, "numbers": numbers, "result": result, "unit": unit, "source": source})


def rows(answers: Answers, targets: dict[str, dict[str, Any]], load: Measured | None) -> list[dict[str, Any]]:
    """All rows. targets: those of the decision, {} when nothing is recommended: then an SLO that is not stated counts as the default."""
    sheet, values = Sheet(), answers.values
    target = {name: one["value"] for name, one in targets.items()}
    target = {"uptime": values["slo"] or DEFAULT_SLO, "rto_minutes": values["rto_minutes"], "rpo_minutes": values["rpo_minutes"], "p99_ms": values["p99_ms"], "p50_ms": None,
              **target}
    window = values["slo_window_days"] or DEFAULT_WINDOW
    reliability(sheet, target, window, values["qps_p99"])
    traffic(sheet, values, target)
    capacity(sheet, values, target, load)
    availability(sheet, values, target, answers.source("dependencies"))
    return sheet.rows


def reliability(sheet: Sheet, target: dict[str, Any], window: int, qps: int | None) -> None:
    uptime, rto = target["uptime"], target["rto_minutes"]
    budget = minutes(budget_micro(uptime, window))
    share = (100 - uptime) / 100
    sheet.row("error budget", "window days x 1440 x (100 - SLO) / 100", f"{window} x 1440 x (100 - {uptime:g}) / 100", budget, "minutes", "definition of an error budget")
    if qps is not None:
        sheet.row("error budget in requests, at most", "QPS x window days x 86400 x (100 - SLO) / 100", f"{qps} x {window} x 86400 x (100 - {uptime:g}) / 100",
                  math.floor(round(qps * window * 86400 * share, 6)),
                  "requests", "the p99 of QPS for the mean: an upper bound")
    for part, hours, meaning in BURNS:
        burn = part * window * 24 / hours
        sheet.row(f"burn rate, {meaning}", "share of the budget x window hours / alert hours", f"{part:g} x {window * 24} / {hours}", burn,
                  f"x budget = {float(f'{burn * share * 100:.4g}'):g} % of requests failing", SRE)
    if rto is None:
        sheet.row("RTO against the budget", "RTO / error budget", f"? / {budget:g}", "unknown: state --rto-minutes", "", "question 6")
    else:
        sheet.row("RTO against the budget", "RTO / error budget", f"{rto:g} / {budget:g}", rto / budget, "of the budget goes with one outage", "arithmetic")


def traffic(sheet: Sheet, values: dict[str, Any], target: dict[str, Any]) -> None:
    qps, ratio, rpo = values["qps_p99"], values["read_write_ratio"], target["rpo_minutes"]
    if qps is None or ratio is None:
        sheet.row("writes", "QPS / (1 + reads per write)", "?", "unknown: state --qps-p99 and --read-write-ratio", "", "question 1")
        return
    writes = qps / (1 + ratio)
    sheet.row("writes", "QPS / (1 + reads per write)", f"{qps} / (1 + {ratio:g})", writes, "writes/s at the p99", "question 1")
    sheet.row("reads", "QPS - writes", f"{qps} - {writes:.6g}", qps - writes, "reads/s at the p99", "question 1")
    if rpo is None:
        sheet.row("writes lost", "writes/s x RPO x 60", f"{writes:.6g} x ? x 60", "unknown: state --rpo-minutes", "", "question 6")
    else:
        sheet.row("writes lost, at most", "writes/s x RPO x 60", f"{writes:.6g} x {rpo:g} x 60", math.ceil(round(writes * rpo * 60, 6)), "writes, when it happens at the peak",
                  "arithmetic")
    size = values["bytes_per_write"] or BYTES
    sheet.row("storage growth, at most", "writes/s x bytes per write x 31536000 / 1e9", f"{writes:.6g} x {size} x 31536000 / 1e9", writes * size * 31_536_000 / 1e9, "GB per year",
              "--bytes-per-write" if values["bytes_per_write"] else f"assumption: {BYTES} bytes per write; state --bytes-per-write")


def capacity(sheet: Sheet, values: dict[str, Any], target: dict[str, Any], load: Measured | None) -> None:
    qps, p99, p50 = values["qps_p99"], target["p99_ms"], target["p50_ms"]
    if qps is None:
        return
    for name, latency in (("requests in flight, typical", p50), ("requests in flight, at most", p99)):
        if latency is not None:
            sheet.row(name, "Little's law: L = QPS x latency / 1000", f"{qps} x {latency:g} / 1000", qps * latency / 1000, "requests",
                      "Little's law with the latency target in place of the mean")
    needed = None
    if load is None:
        sheet.row("instances", "ceil(QPS / (0.6 x measured requests/s)) + 1", f"{qps} / (0.6 x ?) + 1", RUN_THE_TESTER, "", "--measured")
    else:
        needed = math.ceil(qps / (UTILISATION * load.rps)) + 1
        sheet.row("instances", "ceil(QPS / (0.6 x measured requests/s)) + 1", f"ceil({qps} / (0.6 x {load.rps:g})) + 1", needed, "instances, one of which may fail",
                  f"{load.file}, slowest URL; 0.6: policy")
        sheet.row("measured p99 against the target", "measured p99 / target p99", f"{load.p99_ms:g} / {p99:g}" if p99 else f"{load.p99_ms:g} / ?",
                  load.p99_ms / p99 if p99 else "unknown: no target",
                  "of the target" if p99 else "", load.file)
    pools(sheet, values["max_connections"], needed, qps * p99 / 1000 if p99 is not None else None)
    seconds = math.ceil(SLOWER_ANSWERS / 0.01 / qps)
    sheet.row("length of the load test", "100 slower answers / (1 - 0.99) / QPS", f"100 / 0.01 / {qps}", seconds, "seconds at this rate, for a p99 good to about 10 %",
              "api_load_tester.py's own rule")


def pools(sheet: Sheet, limit: int | None, instances: int | None, in_flight: float | None) -> None:
    room = (limit or CONNECTIONS) - RESERVED
    shared = instances or 2
    source = POSTGRES if limit is None else "--max-connections; 3 are reserved for superusers (PostgreSQL)"
    source += "" if instances else "; 2 instances: the least that survives the loss of one"
    sheet.row("connections per instance, at most", "(max_connections - 3) / instances", f"({limit or CONNECTIONS} - {RESERVED}) / {shared}", room // shared,
              "connections in each pool", source)
    if in_flight is not None:
        sheet.row("requests in flight against connections", "requests in flight / (max_connections - 3)", f"{in_flight:g} / {room}", in_flight / room,
                  "fits" if in_flight <= room else TOO_MANY, "arithmetic")


def availability(sheet: Sheet, values: dict[str, Any], target: dict[str, Any], source: str) -> None:
    uptime, others = target["uptime"], values["dependencies"]
    if others is None:
        sheet.row("serial availability", "SLO ^ (1 / 2): service and database in series", f"({uptime:g} / 100) ^ (1 / 2) x 100", 100 * math.sqrt(uptime / 100),
                  "% that each of the two needs", "assumption: one dependency; state --dependencies")
        return
    product = math.prod(share / 100 for share in others)
    own = uptime / product
    sheet.row("serial availability", "SLO / product of the dependencies", f"{uptime:g} / ({' x '.join(f'{share:g} %' for share in others)})", own,
              "% that the service itself needs" if own <= 100 else "% is more than there is: the dependencies alone break the SLO", source)
