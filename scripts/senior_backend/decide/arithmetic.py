"""The figures behind a decision: each row its formula, its numbers, its result and where they come from. What nobody has stated or measured stays unknown."""
from __future__ import annotations

import dataclasses
import math
import pathlib
import re
from typing import Any, Iterator

from senior_backend.console import CommandError
from senior_backend.decide import inputs
from senior_backend.decide.inputs import DEFAULT_SLO, DEFAULT_WINDOW, Answers, budget_micro, minutes

BYTES, CONNECTIONS, RESERVED = 1024, 100, 3
UTILISATION = 0.6                       # policy: of what one instance carried in the load test, so that queues stay short
BURNS = ((0.02, 1, "page: 2 % of the budget in 1 hour, with a 5 minute window"), (0.05, 6, "page: 5 % of the budget in 6 hours, with a 30 minute window"),
         (0.10, 72, "ticket: 10 % of the budget in 3 days, with a 6 hour window"))
SRE = "Google's SRE Workbook, Alerting on SLOs (read as retold at velobot-wiki.pages.dev: slo-burn-rate-multi-window-alerting-playbook)"
POSTGRES = "PostgreSQL documentation, Connections and Authentication: max_connections is typically 100, superuser_reserved_connections 3"
TOO_MANY = "does not fit when each request holds a connection throughout: hold it for the query only, or put a pooler before the database"
SLOWER_ANSWERS = 100                    # as many as api_load_tester.py asks for beyond a percentile, for about 10 % accuracy
Row = dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Measured:
    """What a load test found. rps: requests per second of the slowest URL on one instance; p99_ms: the highest p99 of all; file: its name."""
    rps: float
    p99_ms: float
    file: str


def measured(path: str) -> Measured:
    """The JSON report of api_load_tester.py --output. Raises CommandError INPUT_FILE when it holds no answered run."""
    report, _ = inputs.read_object(pathlib.Path(path), "the load test's report")
    results = report.get("results") if report.get("tool") == "api_load_tester" else None
    results = [result for result in results if isinstance(result, dict)] if isinstance(results, list) else []
    figures = [(result.get("requests_per_second"), result.get("latency_p99"), result.get("successful_requests")) for result in results]
    if not figures or not all(type(value) in (int, float) and 0 < value < math.inf for row in figures for value in row):
        raise CommandError(f"--measured {path}: no report of api_load_tester.py in which every URL was answered", "python scripts/api_load_tester.py URL --output load.json",
                           identifier="INPUT_FILE")
    return Measured(min(rps for rps, _, _ in figures), max(p99 for _, p99, _ in figures), pathlib.Path(path).name)


def row(name: str, formula: str, numbers: list[Any], result: float | str, unit: str, source: str) -> Row:
    """One row. formula: what has to be filled in stands in braces, numbers: with what, in that order (None: unknown); a float is rounded to six digits."""
    shown = iter("?" if number is None else f"{number:g}" if isinstance(number, float) else str(number) for number in numbers)
    if isinstance(result, float):
        result = float(f"{result:.6g}")
        result = int(result) if result == int(result) else result
    return {"name": name, "formula": re.sub(r"[{}]", "", formula), "numbers": re.sub(r"\{.*?\}", lambda _: next(shown), formula), "result": result, "unit": unit,
             "source": source}


def rows(answers: Answers, targets: dict[str, dict[str, Any]], load: Measured | None) -> list[Row]:
    """All rows. targets: those of the decision, {} when nothing is recommended: then an SLO that is not stated counts as the default."""
    values = answers.values
    target = {"uptime": values["slo"] or DEFAULT_SLO, **{name: values[name] for name in ("rto_minutes", "rpo_minutes", "p99_ms")}, "p50_ms": None}
    target |= {name: one["value"] for name, one in targets.items()}
    return [*reliability(target, values["slo_window_days"] or DEFAULT_WINDOW, values["qps_p99"]), *traffic(values, target["rpo_minutes"]),
            *(capacity(values, target, load) if values["qps_p99"] is not None else ()), availability(values["dependencies"], target["uptime"], answers.source("dependencies"))]


def reliability(target: dict[str, Any], window: int, qps: int | None) -> Iterator[Row]:
    uptime, rto = target["uptime"], target["rto_minutes"]
    budget, share = minutes(budget_micro(uptime, window)), (100 - uptime) / 100
    yield row("error budget", "{window days} x 1440 x (100 - {SLO}) / 100", [window, uptime], budget, "minutes", "definition of an error budget")
    if qps is not None:
        yield row("error budget in requests, at most", "{QPS} x {window days} x 86400 x (100 - {SLO}) / 100", [qps, window, uptime],
                  math.floor(round(qps * window * 86400 * share, 6)), "requests", "the p99 of QPS for the mean: an upper bound")
    for part, hours, meaning in BURNS:
        burn = part * window * 24 / hours
        yield row(f"burn rate, {meaning}", "{share of the budget} x {window hours} / {alert hours}", [part, window * 24, hours], burn,
                  f"x budget = {float(f'{burn * share * 100:.4g}'):g} % of requests failing", SRE)
    known = rto is not None
    yield row("RTO against the budget", "{RTO} / {error budget}", [rto, budget], rto / budget if known else "unknown: state --rto-minutes",
              "of the budget goes with one outage" if known else "", "arithmetic" if known else "question 6")


def traffic(values: dict[str, Any], rpo: float | None) -> Iterator[Row]:
    qps, ratio, size = values["qps_p99"], values["read_write_ratio"], values["bytes_per_write"]
    formula = "{QPS} / (1 + {reads per write})"
    if qps is None or ratio is None:
        yield row("writes", formula, [qps, ratio], "unknown: state --qps-p99 and --read-write-ratio", "", "question 1")
        return
    writes = qps / (1 + ratio)
    yield row("writes", formula, [qps, ratio], writes, "writes/s at the p99", "question 1")
    yield row("reads", "{QPS} - {writes}", [qps, writes], qps - writes, "reads/s at the p99", "question 1")
    if rpo is None:
        yield row("writes lost", "{writes/s} x {RPO} x 60", [writes, rpo], "unknown: state --rpo-minutes", "", "question 6")
    else:
        yield row("writes lost, at most", "{writes/s} x {RPO} x 60", [writes, rpo], math.ceil(round(writes * rpo * 60, 6)), "writes, when it happens at the peak", "arithmetic")
    yield row("storage growth, at most", "{writes/s} x {bytes per write} x 31536000 / 1e9", [writes, size or BYTES], writes * (size or BYTES) * 31_536_000 / 1e9, "GB per year",
              "--bytes-per-write" if size else f"assumption: {BYTES} bytes per write; state --bytes-per-write")


def capacity(values: dict[str, Any], target: dict[str, Any], load: Measured | None) -> Iterator[Row]:
    qps, p99, limit = values["qps_p99"], target["p99_ms"], values["max_connections"]
    for name, latency in (("requests in flight, typical", target["p50_ms"]), ("requests in flight, at most", p99)):
        if latency is not None:
            yield row(name, "{Little's law: L = }{QPS} x {latency} / 1000", ["", qps, latency], qps * latency / 1000, "requests", "Little's law with the latency target in place of the mean")
    formula, needed = "ceil({QPS} / (0.6 x {measured requests/s})) + 1", None
    if load is None:
        yield row("instances", formula, [qps, None], "unknown: run api_load_tester.py with --output load.json, then give --measured load.json", "", "--measured")
    else:
        needed = math.ceil(qps / (UTILISATION * load.rps)) + 1
        yield row("instances", formula, [qps, load.rps], needed, "instances, one of which may fail", f"{load.file}, slowest URL; 0.6: policy")
        yield row("measured p99 against the target", "{measured p99} / {target p99}", [load.p99_ms, p99], load.p99_ms / p99 if p99 else "unknown: no target",
                  "of the target" if p99 else "", load.file)
    room = (limit or CONNECTIONS) - RESERVED
    source = POSTGRES if limit is None else "--max-connections; 3 are reserved for superusers (PostgreSQL)"
    source += "" if needed else "; 2 instances: the least that survives the loss of one"
    yield row("connections per instance, at most", "({max_connections} - 3) / {instances}", [limit or CONNECTIONS, needed or 2], room // (needed or 2), "connections in each pool",
              source)
    if p99 is not None:
        in_flight = qps * p99 / 1000
        yield row("requests in flight against connections", "{requests in flight} / {(max_connections - 3)}", [in_flight, room], in_flight / room,
                  "fits" if in_flight <= room else TOO_MANY, "arithmetic")
    yield row("length of the load test", "{100 slower answers} / {(1 - 0.99)} / {QPS}", [SLOWER_ANSWERS, 0.01, qps], math.ceil(SLOWER_ANSWERS / 0.01 / qps),
              "seconds at this rate, for a p99 good to about 10 %", "api_load_tester.py's own rule")


def availability(others: list[float] | None, uptime: float, source: str) -> Row:
    if others is None:
        return row("serial availability", "{SLO ^ (1 / 2): service and database in series}", [f"({uptime:g} / 100) ^ (1 / 2) x 100"], 100 * math.sqrt(uptime / 100), "% that each of the two needs",
                   "assumption: one dependency; state --dependencies")
    product = math.prod(share / 100 for share in others)
    own = uptime / product
    return row("serial availability", "{SLO} / {product of the dependencies}", [uptime, f"({' x '.join(f'{share:g} %' for share in others)})"], own,
               "% that the service itself needs" if own <= 100 else "% is more than there is: the dependencies alone break the SLO", source)
