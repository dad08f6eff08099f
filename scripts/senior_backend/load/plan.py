"""What is to be sent, how many at a time or per second, for how long, and what an answer has to be; from that, which request goes when, the HTTP/1.1 message
that is sent (no secrets in what is shown of it), and the plan as a script for k6 or Locust: data in a script that is always the same."""
from __future__ import annotations

import base64
import dataclasses
import itertools
import json
import math
import pathlib
import pprint
import random
import re
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from senior_backend.console import VERSION

Request = TypeVar("Request")
CACHED_ROWS = 20_000
NEVER = math.inf


@dataclasses.dataclass(slots=True)
class Target:
    """One URL and the request that goes there. URL, header values and body may hold {{field}}, filled from Plan.data."""

    url: str
    method: str = "GET"
    headers: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    body: bytes | None = None
    weight: int = 1

    @property
    def origin(self) -> Origin:
        return Origin.of(self.url)


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """What one connection can serve: scheme, host (no brackets) and port."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname or ""
        return cls(parts.scheme, host if host.isascii() else host.encode("idna").decode("ascii"), parts.port or (443 if parts.scheme == "https" else 80))

    @property
    def authority(self) -> str:
        """host[:port] as the Host header names it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"


@dataclasses.dataclass(frozen=True, slots=True)
class Stage:
    """A straight ramp: from the value before to `value` (requests/s or connections) in `seconds`."""

    seconds: float
    value: float


@dataclasses.dataclass(slots=True)
class Plan:
    """A whole run. Each URL of mode "sequence" gets warmup_s + duration_s of its own; the other modes share one schedule."""

    targets: list[Target]
    concurrency: int = 10
    workers: int = 1
    duration_s: float = 10.0
    warmup_s: float = 0.0
    timeout_s: float = 30.0
    model: str = "closed"  # "closed": a slot sends when its answer has come; "open": requests go out at their time
    rate_per_s: float | None = None  # open model: of all targets and workers together
    stages: list[Stage] | None = None  # of the rate, from rate_per_s or 0 (open), or of the connections in use, from 0 (closed); their sum is duration_s
    mode: str = "sequence"  # "sequence" | "mix" (by weight, at random) | "compare" (two targets, one or the other at random)
    expect_status: int | None = None  # an answer with it is ok, also at 400 and above
    verify_tls: bool = True
    data: list[dict[str, Any]] | None = None
    follow_redirects: bool = False  # these four: engine "requests" only
    cookies: bool = False  # a cookie jar per slot
    proxy: str | None = None
    digest: tuple[str, str] | None = None  # user, password
    seed: int = 0
    blocks: int = 20  # equal parts of duration_s that the comparison is made over

    @property
    def drain_s(self) -> float:
        """How long answers are waited for after the end."""
        return min(self.timeout_s, 2.0)

    @property
    def scheduled(self) -> int | None:
        """Open model: how many requests duration_s has room for; None in the closed model."""
        return int(sum(seconds * (first + last) / 2 for _, seconds, first, last in ramps(self)) + 1e-6) if self.model == "open" else None


# When requests go


def ramps(plan: Plan) -> Iterator[tuple[float, float, float, float]]:
    """(begin in seconds since the start of the duration, length, value there, value at the end) of each stage; a constant rate is one."""
    begin_s, value = 0.0, plan.rate_per_s or 0.0
    for stage in plan.stages or [Stage(plan.duration_s, value)]:
        yield begin_s, stage.seconds, value, stage.value
        begin_s, value = begin_s + stage.seconds, stage.value


def arrivals(plan: Plan, worker: int) -> Iterator[float]:
    """Intended send times of this worker's share, in seconds since the start (of the warm-up, which goes at the rate of the rest); ends with infinity."""
    warm = int((plan.rate_per_s or 0) * plan.warmup_s + 1e-6)
    for number in range(worker, warm + plan.scheduled, plan.workers):
        yield number / plan.rate_per_s if number < warm else plan.warmup_s + arrival_time(plan, number - warm)
    yield NEVER


def arrival_time(plan: Plan, number: int) -> float:
    """When the request of this number (from 0) is due: the time at which the rate's integral reaches it."""
    if not plan.stages:
        return number / plan.rate_per_s
    left = float(number)
    for begin_s, seconds, first, last in ramps(plan):
        area = seconds * (first + last) / 2
        if left < area:
            slope = (last - first) / seconds
            # the root of slope/2 t^2 + first t = left in the form that is stable for small slopes
            return begin_s + (2 * left / (first + math.sqrt(max(0.0, first * first + 2 * slope * left))) if left else 0.0)
        left -= area
    return plan.duration_s


def connections_at(plan: Plan, seconds: float) -> int:
    """Closed model with stages: how many connections are in use at a time since the start of the duration."""
    for begin_s, length, first, last in ramps(plan):
        if seconds < begin_s + length:
            return round(first + (last - first) * (seconds - begin_s) / length)
    return round(plan.stages[-1].value)


def share(total: int, worker: int, workers: int) -> int:
    """This worker's part of a total."""
    return total // workers + (worker < total % workers)


# Which requests go


def request_stream(plan: Plan, worker: int, make: Callable[[int, dict[str, Any] | None], Request]) -> Iterator[Request]:
    """Endless requests. make(target number, row of data or None) builds one; what can be built before is built once."""
    streams = [rows_of(plan, worker, lambda row, target=target: make(target, row)) for target in range(len(plan.targets))]
    if len(streams) == 1:
        return streams[0]
    return at_random(streams, [target.weight for target in plan.targets] if plan.mode == "mix" else None, random.Random(f"{plan.seed}/{worker}"))


def rows_of(plan: Plan, worker: int, make: Callable[[dict[str, Any] | None], Request]) -> Iterator[Request]:
    """One target's requests: the rows of data in order, each worker its own share of them, over and over."""
    if not plan.data:
        return itertools.repeat(make(None))
    rows = plan.data[worker :: plan.workers] or plan.data
    return itertools.cycle([make(row) for row in rows]) if len(rows) <= CACHED_ROWS else map(make, itertools.cycle(rows))


def at_random(streams: list[Iterator[Request]], weights: list[int] | None, source: random.Random) -> Iterator[Request]:
    while True:
        for stream in source.choices(streams, weights, k=256):
            yield next(stream)


Row = Mapping[str, Any] | None
FIELD = re.compile(r"\{\{\s*([^{}\s]+)\s*\}\}")
URL_SAFE = "/:?#[]@!$&'()*+,;=-._~%"
MASK = "***"
SECRET_HEADER = re.compile(r"authorization|cookie|token|secret|password|api-?key|session", re.IGNORECASE)
SECRET_PARAMETER = re.compile(r"token|secret|passw|api_?-?key|signature|credential|^(?:sig|auth|key|pwd|jwt)$", re.IGNORECASE)


def fields_of(target: Target) -> set[str]:
    """Names of all {{field}} in a target."""
    texts = [target.url, *(value for _, value in target.headers), (target.body or b"").decode("utf-8", "replace")]
    return {name for text in texts for name in FIELD.findall(text)}


def message(target: Target, row: Row = None) -> bytes:
    """The request as it is sent. Values of the row are percent-encoded in the URL, escaped in a JSON body, and refused in a header when they break its line."""
    body = filled_body(target, row)
    lines = [f"{target.method} {request_path(filled_url(target, row))} HTTP/1.1", *(f"{name}: {value}" for name, value in headers_of(target, row, body))]
    return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + (body or b"")


def headers_of(target: Target, row: Row, body: bytes | None, without: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """The target's own headers, and before them those that every request has; `without`: of these, names in lower case to leave out."""
    own = [(name, fill(value, row, header_text)) for name, value in target.headers]
    usual = [("Host", Origin.of(target.url).authority), ("User-Agent", f"api-load-tester/{VERSION}"), ("Accept", "*/*")]
    usual += [("Content-Type", content_type(body))] if body else []
    usual += [("Content-Length", str(len(body or b"")))] if body or target.method in ("POST", "PUT", "PATCH") else []
    given = {*without, *(name.lower() for name, _ in own)}
    return [(name, value) for name, value in usual if name.lower() not in given] + own


def content_type(body: bytes) -> str:
    """What a body without a Content-Type of its own looks like."""
    try:
        json.loads(body)
    except ValueError:
        return "application/x-www-form-urlencoded" if re.fullmatch(rb"[\w.%+*-]+=[^\s]*", body) else "application/octet-stream"
    return "application/json"


def request_path(url: str) -> str:
    """Path and query, percent-encoded where a URL must be."""
    parts = urllib.parse.urlsplit(url)
    path = urllib.parse.quote(parts.path, safe=URL_SAFE) or "/"
    return path + ("?" + urllib.parse.quote(parts.query, safe=URL_SAFE) if parts.query else "")


def fill(text: str, row: Row, encode: Callable[[Any], str]) -> str:
    return FIELD.sub(lambda found: encode(row[found[1]]), text) if row is not None and "{{" in text else text


def filled_url(target: Target, row: Row) -> str:
    return fill(target.url, row, lambda value: urllib.parse.quote(as_text(value), safe=""))


def filled_body(target: Target, row: Row) -> bytes | None:
    """Text in a JSON body goes in escaped, other values as JSON; in other bodies the plain text."""
    if row is None or b"{{" not in (target.body or b""):
        return target.body
    text = target.body.decode("utf-8")
    return fill(text, row, json_text if text.lstrip()[:1] in ("{", "[") else as_text).encode("utf-8")


def json_text(value: Any) -> str:
    """A value inside a JSON document: a string without its quotes (they stand in the template), anything else as JSON."""
    return json.dumps(value)[1:-1] if isinstance(value, str) else json.dumps(value)


def header_text(value: Any) -> str:
    text = as_text(value)
    if re.search(r"[\r\n\0]", text):
        raise ValueError(f"the value {text!r} would break a header line")
    return text


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


# What may be shown


def masked_url(url: str) -> str:
    """The URL with user and password, and the values of query parameters that hold secrets, as ***."""
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return MASK
    location = f"{MASK}@{parts.netloc.rpartition('@')[2]}" if "@" in parts.netloc else parts.netloc
    return urllib.parse.urlunsplit(parts._replace(netloc=location, query="&".join(map(masked_parameter, parts.query.split("&")))))


def masked_parameter(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return f"{name}={MASK}" if equals and SECRET_PARAMETER.search(urllib.parse.unquote(name)) else pair


def masked_header(name: str, value: str) -> str:
    """The header's value, or *** (after the scheme of an Authorization) when it is a secret."""
    if not SECRET_HEADER.search(name):
        return value
    scheme, blank, _ = value.partition(" ")
    return f"{scheme} {MASK}" if blank and name.lower().endswith("authorization") else MASK


ASSETS = pathlib.Path(__file__).resolve().parents[3] / "assets" / "load"


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
