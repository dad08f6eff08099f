"""Stored runs as a baseline: reading them, and what a new run says against them.

Runs made one after the other differ by more than the noise within each: other neighbours on the machine, another state of
caches and network. So intervals are made of the spread BETWEEN runs. What the stored runs show of it is combined with
what is typical (TYPICAL_SPREAD, counted as TYPICAL_WEIGHT runs), so that one stored run gives a wide interval and ten a
narrow one; never less than the spread within the new run.
"""
from __future__ import annotations

import dataclasses
import datetime
import json
import math
import os
import platform
import statistics
from collections.abc import Sequence
from typing import Any

from senior_backend.console import CommandError
from senior_backend.load.verdicts import QUANTILES, Comparison, Interval, Metric, judged, share_difference_interval, student_t, unknown
from senior_backend.load.measure import Measurement
from senior_backend.load.options import file_text
from senior_backend.load.plan import Plan, masked_url

ALPHA = 0.02  # of any false verdict, split over the five metrics
TYPICAL_SPREAD = {"latency_p50": 0.05, "latency_p95": 0.08, "latency_p99": 0.15, "requests_per_second": 0.05, "error_rate": 0.0005}
TYPICAL_WEIGHT = 4
MARGINS = {"latency_p50": 10.0, "latency_p95": 15.0, "latency_p99": 25.0, "requests_per_second": 10.0, "error_rate": 0.5}
STALE = datetime.timedelta(hours=1)
METHOD = (
    "sequential: this run against {runs}, made at another time; intervals from the spread between runs (Student's t, {degrees} degrees of freedom: "
    "{runs} and a typical spread counted as {weight}); Bonferroni over the five metrics"
)


# What a report keeps for later


def record(plan: Plan, measurements: Sequence[Measurement]) -> dict[str, Any]:
    """The key "run" of a report: when, on what host, with what plan, and how much each result's figures varied within the run. No headers or bodies, which may
    hold secrets."""
    kept = ("mode", "model", "concurrency", "workers", "rate_per_s", "stages", "duration_s", "warmup_s", "timeout_s")
    described = {name: getattr(plan, name) for name in kept} | {"stages": [[stage.seconds, stage.value] for stage in plan.stages or []]}
    targets = [f"{target.method} {masked_url(target.url)}" for target in plan.targets]
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    return {
        "recorded_at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "host": {"name": platform.node(), "system": system, "cpus": os.cpu_count() or 0, "python": platform.python_version()},
        "plan": {"targets": targets, "engine": measurements[0].engine, **described},
        "spread": [within_run(measurement) for measurement in measurements],
    }


def within_run(measurement: Measurement) -> dict[str, float]:
    """{metric: standard error of its logarithm}, from the parts of the run."""
    parts = [part.histogram for part in measurement.blocks if part.histogram]
    if len(parts) < 2:
        return {}
    figures = {name: [part.percentile_ms(percent) for part in parts] for name, percent in QUANTILES.items()}
    figures["requests_per_second"] = [part.total for part in parts]
    return {name: round(statistics.stdev(map(math.log, values)) / math.sqrt(len(values)), 6) for name, values in figures.items() if min(values) > 0}


# Reading


@dataclasses.dataclass(frozen=True)
class Baseline:
    """Reports of earlier runs, oldest first."""

    source: str
    runs: list[dict[str, Any]]


HINT = "a baseline is a report of this target, written with --output baseline.json"


def unusable(message: str) -> CommandError:
    return CommandError(message, HINT, identifier="BASELINE")


def read(path: str) -> Baseline:
    """One report, a JSON list of reports, or reports written one after the other in one file; CommandError when it is none of these."""
    values = json_values(file_text("--compare", path, HINT), path)
    runs = [run for value in values for run in (value if isinstance(value, list) else [value])]
    for number, run in enumerate(runs, 1):
        check_run(run, f"{path}, run {number}")
    if not runs:
        raise unusable(f"the baseline {path} holds no run")
    return Baseline(path, sorted(runs, key=lambda run: str((run.get("run") or {}).get("recorded_at", ""))))


def json_values(text: str, path: str) -> list[Any]:
    """The JSON values of a text that holds one or several."""
    decoder, values, place = json.JSONDecoder(), [], 0
    while place < len(text):
        if text[place].isspace() or text[place] == "\ufeff":
            place += 1
            continue
        try:
            value, place = decoder.raw_decode(text, place)
        except (json.JSONDecodeError, RecursionError) as error:
            line = text.count("\n", 0, getattr(error, "pos", place)) + 1
            raise unusable(f"{path}:{line}: not JSON: {getattr(error, 'msg', 'nested too deeply')}") from error
        values.append(value)
    return values


def check_run(run: Any, where: str) -> None:
    results = run.get("results") if isinstance(run, dict) else None
    if not isinstance(results, list) or not results or not all(isinstance(result, dict) for result in results):
        raise unusable(f'{where}: not a report of this program (expected an object with a list "results")')
    numbers = ("total_requests", "failed_requests", *QUANTILES, "requests_per_second")
    for result in results:
        missing = [name for name in ("target_url", *numbers) if name not in result] or [name for name in numbers if not isinstance(result[name], (int, float))]
        if missing:
            raise unusable(f"{where}: a result without a usable {', '.join(missing)}")


# Comparing


def compare(report: dict[str, Any], baseline: Baseline) -> list[Comparison]:
    """The results of a new report (its keys "results" and "run"), each against the stored ones of the same target."""
    return [compare_result(report, place, baseline) for place in range(len(report["results"]))]


def compare_result(report: dict[str, Any], place: int, baseline: Baseline) -> Comparison:
    new, count = report["results"][place], len(report["results"])
    old = [found for run in baseline.runs if (found := matching(run["results"], new, place, count))]
    if not old:
        known = sorted({f"{result.get('method', 'GET')} {result['target_url']}" for run in baseline.runs for result in run["results"]})
        raise unusable(f"{baseline.source} has no run of {new.get('method', 'GET')} {new['target_url']}; it has: {', '.join(known[:5])}")
    within, objection = dict(enumerate(report["run"]["spread"])).get(place, {}), limited_by_client(old, new)
    metrics = {name: relative_metric(name, [result[name] for result in old], new[name], within.get(name, 0.0), objection) for name in MARGINS if name != "error_rate"}
    metrics["error_rate"] = error_metric(old, new, objection)
    runs = "one stored run" if len(old) == 1 else f"{len(old)} stored runs"
    method = METHOD.format(runs=runs, degrees=TYPICAL_WEIGHT + len(old) - 1, weight=TYPICAL_WEIGHT)
    return Comparison(method, ALPHA, f"{baseline.source} ({runs} of {old[-1]['target_url']})", new["target_url"], metrics, warnings(report["run"], baseline, old, new))


def matching(results: list[dict[str, Any]], new: dict[str, Any], place: int, count: int) -> dict[str, Any] | None:
    """The result of the same method and URL; where there is none, the one in the same place of a report of as many."""
    same = [result for result in results if (result["target_url"], result.get("method")) == (new["target_url"], new.get("method"))]
    return same[0] if same else results[place] if len(results) == count else None


def limited_by_client(old: list[dict[str, Any]], new: dict[str, Any]) -> str:
    """Why no verdict can be had: figures of a load tester that was itself the limit are not the target's."""
    told = [("this run", new.get("client")), *(("a stored run", result.get("client")) for result in old)]
    return next((f"in {noun} the client was the limit: {client.get('reason')}" for noun, client in told if client and client.get("saturated")), "")


def relative_metric(name: str, old: list[float], new: float, within: float, objection: str) -> Metric:
    if not new or not all(old):
        return unknown(name, statistics.fmean(old) or None, new or None, MARGINS[name], "a run gave no complete answer")
    logs = [math.log(value) for value in old]
    centre = statistics.fmean(logs)
    half = half_width(logs, TYPICAL_SPREAD[name], within)
    difference = math.log(new) - centre
    ends: Interval = tuple(100 * math.expm1(difference + sign * half) for sign in (-1, 1))
    return judged(name, math.exp(centre), new, 100 * math.expm1(difference), ends, MARGINS[name], objection)


def half_width(values: list[float], typical: float, within: float) -> float:
    """Half the interval of (new value - mean of the values), where the new one comes from the same source as they do."""
    count = len(values)
    degrees = TYPICAL_WEIGHT + count - 1
    squares = TYPICAL_WEIGHT * typical**2 + (count - 1) * (statistics.variance(values) if count > 1 else 0.0)
    spread = math.sqrt(max(squares / degrees, within**2))
    return student_t(1 - ALPHA / len(MARGINS) / 2, degrees) * spread * math.sqrt(1 + 1 / count)


def error_metric(old: list[dict[str, Any]], new: dict[str, Any], objection: str) -> Metric:
    name = "error_rate"
    ended = [(int(result["failed_requests"]), int(result["total_requests"])) for result in (*old, new)]
    if not all(total for _, total in ended):
        return unknown(name, None, None, MARGINS[name], "a run ended no request")
    shares = [failed / total for failed, total in ended]
    difference = shares[-1] - statistics.fmean(shares[:-1])
    half = half_width(shares[:-1], TYPICAL_SPREAD[name], 0.0)
    pooled = tuple(map(sum, zip(*ended[:-1])))
    counted = share_difference_interval(pooled, ended[-1], ALPHA / len(MARGINS))
    ends = (100 * min(difference - half, counted[0]), 100 * max(difference + half, counted[1]))
    return judged(name, statistics.fmean(shares[:-1]), shares[-1], 100 * difference, ends, MARGINS[name], objection)


def warnings(now: dict[str, Any], baseline: Baseline, old: list[dict[str, Any]], new: dict[str, Any]) -> list[str]:
    """What speaks against taking a difference for the target's own. now: the new report's "run"."""
    records = [run.get("run") or {} for run in baseline.runs]
    found = [f"the baseline's target is {result['target_url']}, not {new['target_url']}" for result in old if result["target_url"] != new["target_url"]][:1]
    for part, noun in (("host", "on another host or system"), ("plan", "with another plan")):
        stated = [(key, value) for record in records for key, value in (record.get(part) or {}).items()]
        changed = sorted({f"{key}: {shown(value)}, now {shown(now[part].get(key))}" for key, value in stated if value != now[part].get(key)})
        if changed:
            found.append(f"the baseline was made {noun} ({'; '.join(changed[:4])}{'; ...' if len(changed) > 4 else ''})")
    if not all(records):
        found.append("the baseline does not say when, where and with what plan it was made")
    age = elapsed(records[-1].get("recorded_at"), now["recorded_at"])
    if age is not None and age > STALE:
        found.append(f"the baseline's newest run is {in_words(age)} old: what changed since then besides the target is not known")
    if len(old) < 3:
        found.append(f"the baseline holds {len(old)} run{'s' if len(old) > 1 else ''}: five or more make the interval narrower (several reports in one file)")
    return [*found, "runs at different times: to compare two versions exactly, run both and give both URLs with --compare"]


def shown(value: Any) -> str:
    return str(value if not isinstance(value, list) else ", ".join(map(str, value)) or "none")[:80]


def elapsed(before: str | None, after: str) -> datetime.timedelta | None:
    try:
        return datetime.datetime.fromisoformat(after) - datetime.datetime.fromisoformat(before or "")
    except (ValueError, TypeError):
        return None


def in_words(age: datetime.timedelta) -> str:
    hours = age.total_seconds() / 3600
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hour{'s' if hours >= 1.5 else ''}"
