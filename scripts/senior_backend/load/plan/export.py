"""The plan as a script for k6 or Locust, for those who run their own: data in a script that is always the same. Secrets in headers become environment variables."""

from __future__ import annotations

import base64
import dataclasses
import json
import pathlib
import pprint
import re
from typing import Any
from urllib.parse import urlsplit

from senior_backend.load.plan.messages import SECRET_HEADER, headers_of, masked_url
from senior_backend.load.plan.model import Plan, Target, ramps

ASSETS = pathlib.Path(__file__).resolve().parents[4] / "assets" / "load"


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What the script is to judge by, and the file that the rows of data are read from, relative to the script."""

    p99_ms: float | None = None
    max_error_share: float | None = None
    data_path: str | None = None


def script(kind: str, plan: Plan, file: str, wanted: Wanted = Wanted()) -> str:
    """kind: "k6" or "locust"; file: its name, for the comment on how to run it."""
    shown = ", ".join(f"{target.method} {masked_url(target.url)}" for target in plan.targets[:5]) + (f" and {len(plan.targets) - 5} more" if len(plan.targets) > 5 else "")
    secrets = sorted({variable(name) for target in plan.targets for name, _ in target.headers if SECRET_HEADER.search(name)})
    told = f"\nSecrets come from the environment: {', '.join(secrets)}." if secrets else ""
    data = {
        "requests": [request(target, name) for target, name in zip(plan.targets, names(plan))],
        "rows": wanted.data_path,
        "timeout_s": plan.timeout_s,
        "expect_status": plan.expect_status,
        "follow_redirects": plan.follow_redirects,
    }
    values = {"title": comment_safe(shown), "file": comment_safe(file)}
    if kind == "k6":
        values |= {"variables": "".join(f"-e {name}=... " for name in secrets), "secrets": told.replace("\n", "\n// ")}
        return filled("k6.js", {**values, "plan": json.dumps(data, indent=2), "options": json.dumps(k6_options(plan, wanted), indent=2)})
    origin = urlsplit(min(target.url for target in plan.targets))
    plan_text = pprint.pformat(data | locust_options(plan, wanted), width=140, sort_dicts=False).encode("ascii", "backslashreplace").decode()
    values |= {"variables": "".join(f"{name}=... " for name in secrets), "secrets": told, "notes": locust_notes(plan)}
    return filled("locustfile.py", {**values, "plan": plan_text, "host": ascii(f"{origin.scheme}://{origin.netloc}")})


def filled(asset: str, values: dict[str, str]) -> str:
    """The template with every @@name@@ replaced, in one pass: what a value holds is never looked at again."""
    return re.sub(r"@@(\w+)@@", lambda found: values[found[1]], (ASSETS / asset).read_text(encoding="utf-8"))


def names(plan: Plan) -> list[str]:
    """What the requests are called in the runner's statistics: method and path, without secrets, each once."""
    found: list[str] = []
    for target in plan.targets:
        parts = urlsplit(masked_url(target.url))
        name = f"{target.method} {parts.path or '/'}" + (f"?{parts.query}" if parts.query else "")
        found.append(name if name not in found else f"{name} on {parts.netloc} ({len(found) + 1})")
    return found


def request(target: Target, name: str) -> dict[str, Any]:
    """One request as data: its body as text, or as base64 when it is none; secret headers by the variable that holds them."""
    headers = dict(headers_of(target, None, target.body, ("host", "content-length", "user-agent")))
    secrets = {key: variable(key) for key in headers if SECRET_HEADER.search(key)}
    try:
        body, binary = target.body and target.body.decode("utf-8"), None
    except UnicodeDecodeError:
        body, binary = None, base64.b64encode(target.body).decode("ascii")
    own = {key: value for key, value in headers.items() if key not in secrets}
    return {"weight": target.weight, "name": name, "method": target.method, "url": target.url, "headers": own, "secrets": secrets, "body": body or None, "base64": binary}


def variable(name: str) -> str:
    """The environment variable that holds a secret header: X-Api-Key -> X_API_KEY."""
    return re.sub(r"\W", "_", name).upper()


def comment_safe(text: str) -> str:
    """What can end neither a comment nor a Python string."""
    return "".join(character if character.isascii() and character.isprintable() and character not in '"\\' else "?" for character in text)


def k6_options(plan: Plan, wanted: Wanted) -> dict[str, Any]:
    """Scenarios (one for each URL when they are tested one after the other), thresholds on what is not warm-up."""
    apart = plan.mode == "sequence" and len(plan.targets) > 1
    limits = {"http_req_duration": (wanted.p99_ms, "p(99)<={:g}"), "http_req_failed": (wanted.max_error_share, "rate<={:g}"), "checks": (plan.expect_status, "rate==1")}
    scenarios: dict[str, Any] = {}
    thresholds: dict[str, list[str]] = {}
    begin = 0.0
    for place in range(len(plan.targets) if apart else 1):
        named, suffix = ({"env": {"TARGET": str(place)}}, f"_{place + 1}") if apart else ({}, "")
        if plan.warmup_s:
            scenarios[f"warmup{suffix}"] = {**k6_load(plan, plan.warmup_s), "startTime": f"{begin:g}s", "gracefulStop": "0s", **named}
            begin += plan.warmup_s
        scenarios[f"load{suffix}"] = {**k6_load(plan, plan.duration_s), "startTime": f"{begin:g}s", "gracefulStop": f"{plan.drain_s:g}s", **named}
        begin += plan.duration_s + plan.drain_s
        thresholds |= {f"{metric}{{scenario:load{suffix}}}": [form.format(limit)] for metric, (limit, form) in limits.items() if limit is not None}
    return {
        "scenarios": scenarios,
        "thresholds": thresholds,
        "insecureSkipTLSVerify": not plan.verify_tls,
        "noCookiesReset": plan.cookies,
        "summaryTrendStats": ["min", "avg", "p(50)", "p(90)", "p(95)", "p(99)", "max"],
    }


def k6_load(plan: Plan, seconds: float) -> dict[str, Any]:
    # k6 counts arrivals in whole numbers: per minute where the rate is not one per second
    whole = all(value == int(value) for _, _, first, last in ramps(plan) for value in (first, last))
    unit, factor = ("1s", 1) if whole or plan.model != "open" else ("1m", 60)
    stages = [{"duration": f"{stage.seconds:g}s", "target": round(stage.value * factor)} for stage in plan.stages or []]
    if plan.model == "open":
        slots = {"timeUnit": unit, "preAllocatedVUs": plan.concurrency, "maxVUs": plan.concurrency}
        if stages:
            return {"executor": "ramping-arrival-rate", "startRate": round((plan.rate_per_s or 0) * factor), "stages": stages, **slots}
        return {"executor": "constant-arrival-rate", "rate": max(1, round(plan.rate_per_s * factor)), "duration": f"{seconds:g}s", **slots}
    if stages:
        return {"executor": "ramping-vus", "startVUs": 0, "stages": stages}
    return {"executor": "constant-vus", "vus": plan.concurrency, "duration": f"{seconds:g}s"}


def locust_options(plan: Plan, wanted: Wanted) -> dict[str, Any]:
    """With stages of the rate, one user for each request per second."""
    stages = [(stage.seconds, round(stage.value)) for stage in plan.stages] if plan.stages else [(plan.warmup_s + plan.duration_s, plan.concurrency)]
    first = plan.rate_per_s or 0 if plan.stages else plan.concurrency
    per_second = None if plan.model == "closed" else 1 if plan.stages else plan.rate_per_s / plan.concurrency
    return {
        "verify_tls": plan.verify_tls,
        "stages": stages,
        "first": first,
        "per_second": per_second,
        "p99_ms": wanted.p99_ms,
        "failed": wanted.max_error_share,
    }


def locust_notes(plan: Plan) -> str:
    rate = "\nA Locust user waits for its answer before it sends again: when the target is slow, the rate falls behind, unlike with api_load_tester --rate."
    return (rate if plan.model == "open" else "") + ("\nAll URLs are requested side by side, chosen at random." if plan.mode == "sequence" and len(plan.targets) > 1 else "")
