"""The plan as a script for k6 or Locust, for those who run their own. Secrets in headers become environment variables."""

from __future__ import annotations

import base64
import dataclasses
import json
import pathlib
import re
from typing import Any
from urllib.parse import urlsplit

from senior_backend.load.plan.messages import SECRET_HEADER, headers_of, masked_url
from senior_backend.load.plan.model import Plan, Target

PLAIN_KEY = re.compile(r"[A-Za-z_]\w*")
ASSETS = pathlib.Path(__file__).resolve().parents[4] / "assets" / "load"


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What the script is to judge by, and the file that the rows of data are read from, relative to the script; None: the rows stand in it."""

    p99_ms: float | None = None
    max_error_share: float | None = None
    data_path: str | None = None


def script(kind: str, plan: Plan, file: str, wanted: Wanted = Wanted()) -> str:
    """kind: "k6" or "locust"; file: its name, for the comment on how to run it."""
    return k6_script(plan, file, wanted) if kind == "k6" else locust_script(plan, file, wanted)


def filled(asset: str, values: dict[str, str]) -> str:
    """The template with every @@name@@ replaced, in one pass: what a value holds is never looked at again."""
    text = (ASSETS / asset).read_text(encoding="utf-8")
    return re.sub(r"@@(\w+)@@", lambda found: values[found[1]], text)


def names(plan: Plan) -> list[str]:
    """What the requests are called in the runner's statistics: method and path, without secrets, each once."""
    found: list[str] = []
    for target in plan.targets:
        parts = urlsplit(masked_url(target.url))
        name = f"{target.method} {parts.path or '/'}" + (f"?{parts.query}" if parts.query else "")
        found.append(name if name not in found else f"{name} on {parts.netloc.rpartition('@')[2]} ({len(found) + 1})")
    return found


def header_values(target: Target) -> dict[str, str]:
    return dict(headers_of(target, None, target.body, ("host", "content-length", "user-agent")))


def variable(name: str) -> str:
    """The environment variable that holds a secret header: X-Api-Key -> X_API_KEY."""
    return re.sub(r"\W", "_", name).upper()


def secret_variables(plan: Plan) -> list[str]:
    return sorted({variable(name) for target in plan.targets for name, _ in target.headers if SECRET_HEADER.search(name)})


def text_of(body: bytes | None) -> str | None:
    """The body as text; None when it is no UTF-8 (or there is none)."""
    try:
        return None if body is None else body.decode("utf-8")
    except UnicodeDecodeError:
        return None


def comment_safe(text: str) -> str:
    return "".join(character if character.isascii() and character.isprintable() else "?" for character in text)


def title(plan: Plan) -> str:
    shown = [f"{target.method} {masked_url(target.url)}" for target in plan.targets[:5]]
    return comment_safe(", ".join(shown) + (f" and {len(plan.targets) - 5} more" if len(plan.targets) > 5 else ""))


# k6


def js(value: Any) -> str:
    """A JSON value as JavaScript; ASCII only, so that no character can end a line or a string."""
    return json.dumps(value, ensure_ascii=True)


def js_block(value: Any, indent: str = "") -> str:
    """The same over several lines, as a person would lay it out: what fits stays on one line, keys are quoted only where they must be."""
    if not isinstance(value, (dict, list)):
        return js(value)
    if isinstance(value, dict):
        inner = [f"{key if PLAIN_KEY.fullmatch(key) else js(key)}: {js_block(part, indent + '  ')}" for key, part in value.items()]
    else:
        inner = [js_block(part, indent + "  ") for part in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    line = ", ".join(inner)
    if len(line) < 90 and "\n" not in line:
        return f"{{ {line} }}" if isinstance(value, dict) and inner else f"{opening}{line}{closing}"
    return opening + "".join(f"\n{indent}  {part}," for part in inner) + f"\n{indent}{closing}"


def k6_script(plan: Plan, file: str, wanted: Wanted) -> str:
    binary = any(target.body is not None and text_of(target.body) is None for target in plan.targets)
    secrets = secret_variables(plan)
    return filled(
        "k6.js",
        {
            "title": title(plan),
            "file": comment_safe(file) if not secrets else " ".join([*(f"-e {name}=..." for name in secrets), comment_safe(file)]),
            "secrets": f"\n// Secrets come from the environment: {', '.join(secrets)}." if secrets else "",
            "imports": "\nimport encoding from 'k6/encoding';" if binary else "",
            "requests": k6_requests(plan),
            "options": js_block(k6_options(plan, wanted)),
            "rows": k6_rows(plan, wanted),
            "functions": k6_functions(plan),
            "expected": "{ min: 200, max: 399 }" + (f", {plan.expect_status}" if plan.expect_status is not None else ""),
            "choice": "filled(choose(), rows[Math.floor(Math.random() * rows.length)])" if plan.data else "choose()",
            "timeout": js(f"{plan.timeout_s:g}s"),
            "redirects": "10" if plan.follow_redirects else "0",
            "check": (
                f"{js(f'status is {plan.expect_status}')}: ({{ status }}) => status === {plan.expect_status}"
                if plan.expect_status is not None
                else "'status below 400': ({ status }) => status > 0 && status < 400"
            ),
        },
    )


def k6_requests(plan: Plan) -> str:
    """The array of requests, secrets as __ENV, bodies that are no text as decoded base64."""
    rows = []
    for target, name in zip(plan.targets, names(plan)):
        headers = ", ".join(f"{js(key)}: {f'__ENV.{variable(key)}' if SECRET_HEADER.search(key) else js(value)}" for key, value in header_values(target).items())
        text = text_of(target.body)
        body = "null" if target.body is None else js(text) if text is not None else f"encoding.b64decode({js(base64.b64encode(target.body).decode('ascii'))})"
        rows.append(
            f"  {{\n    weight: {target.weight}, name: {js(name)},\n    method: {js(target.method)}, url: {js(target.url)},\n"
            f"    headers: {{ {headers} }},\n    body: {body},\n  }},\n"
        )
    return f"[\n{''.join(rows)}]"


def k6_rows(plan: Plan, wanted: Wanted) -> str:
    if not plan.data:
        return ""
    source = f"open({js(wanted.data_path)}).split('\\n').filter((line) => line.trim()).map((line) => JSON.parse(line))" if wanted.data_path else js(plan.data)
    return f"// {{{{field}}}} in URL, headers and body is filled from one of these.\nconst rows = {source};\n"


def k6_functions(plan: Plan) -> str:
    choose = """
function choose() {
  if (__ENV.TARGET !== undefined) return requests[Number(__ENV.TARGET)];
  let left = Math.random() * requests.reduce((sum, { weight }) => sum + weight, 0);
  return requests.find(({ weight }) => (left -= weight) < 0) || requests[requests.length - 1];
}
"""
    fill = """
function fill(text, row, encode) {
  return text.replace(/\\{\\{\\s*([^{}\\s]+)\\s*\\}\\}/g, (_, field) => encode(row[field]));
}

// The request with values of the row in place of {{field}}: encoded in the URL, escaped in a JSON body.
function filled(request, row) {
  const encoded = (value) => encodeURIComponent(plain(value));
  const inBody = /^\\s*[{[]/.test(request.body) ? insideJson : plain;
  return Object.assign({}, request, {
    url: fill(request.url, row, encoded),
    body: typeof request.body === 'string' ? fill(request.body, row, inBody) : request.body,
    headers: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, fill(value, row, plain)])),
  });
}

function plain(value) {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function insideJson(value) {
  return typeof value === 'string' ? JSON.stringify(value).slice(1, -1) : JSON.stringify(value);
}
"""
    return choose + (fill if plan.data else "")


def k6_options(plan: Plan, wanted: Wanted) -> dict[str, Any]:
    """Scenarios (one for each URL when they are tested one after the other), thresholds on what is not warm-up."""
    apart = plan.mode == "sequence" and len(plan.targets) > 1
    scenarios: dict[str, Any] = {}
    begin = 0.0
    for place in range(len(plan.targets) if apart else 1):
        named = {"env": {"TARGET": str(place)}} if apart else {}
        suffix = f"_{place + 1}" if apart else ""
        if plan.warmup_s:
            scenarios[f"warmup{suffix}"] = {**k6_load(dataclasses.replace(plan, stages=None), plan.warmup_s), "startTime": f"{begin:g}s", "gracefulStop": "0s", **named}
            begin += plan.warmup_s
        scenarios[f"load{suffix}"] = {**k6_load(plan, plan.duration_s), "startTime": f"{begin:g}s", "gracefulStop": f"{plan.drain_s:g}s", **named}
        begin += plan.duration_s + plan.drain_s
    thresholds: dict[str, list[str]] = {}
    for scenario in (name for name in scenarios if name.startswith("load")):
        if wanted.p99_ms is not None:
            thresholds[f"http_req_duration{{scenario:{scenario}}}"] = [f"p(99)<={wanted.p99_ms:g}"]
        if wanted.max_error_share is not None:
            thresholds[f"http_req_failed{{scenario:{scenario}}}"] = [f"rate<={wanted.max_error_share:g}"]
        if plan.expect_status is not None:
            thresholds[f"checks{{scenario:{scenario}}}"] = ["rate==1"]
    return {
        "scenarios": scenarios,
        "thresholds": thresholds,
        "insecureSkipTLSVerify": not plan.verify_tls,
        "noCookiesReset": plan.cookies,
        "summaryTrendStats": ["min", "avg", "p(50)", "p(90)", "p(95)", "p(99)", "max"],
    }


def k6_load(plan: Plan, seconds: float) -> dict[str, Any]:
    # k6 counts arrivals in whole numbers: per minute where the rate is not one per second
    unit, factor = ("1s", 1) if all(value == int(value) for value in (plan.rate_per_s or 0, *(stage.value for stage in plan.stages or []))) else ("1m", 60)
    stages = [{"duration": f"{stage.seconds:g}s", "target": round(stage.value * (factor if plan.model == "open" else 1))} for stage in plan.stages or []]
    if plan.model == "open":
        slots = {"timeUnit": unit, "preAllocatedVUs": plan.concurrency, "maxVUs": plan.concurrency}
        if stages:
            return {"executor": "ramping-arrival-rate", "startRate": round((plan.rate_per_s or 0) * factor), "stages": stages, **slots}
        return {"executor": "constant-arrival-rate", "rate": max(1, round((plan.rate_per_s or 1) * factor)), "duration": f"{seconds:g}s", **slots}
    if stages:
        return {"executor": "ramping-vus", "startVUs": 0, "stages": stages}
    return {"executor": "constant-vus", "vus": plan.concurrency, "duration": f"{seconds:g}s"}


# Locust


def locust_script(plan: Plan, file: str, wanted: Wanted) -> str:
    secrets = secret_variables(plan)
    origins = sorted({f"{urlsplit(target.url).scheme}://{urlsplit(target.url).netloc.rpartition('@')[2]}" for target in plan.targets})
    return filled(
        "locustfile.py",
        {
            "title": locust_docstring(plan, file, secrets),
            "requests": locust_requests(plan),
            "rows": locust_rows(plan, wanted),
            "stages": locust_stages(plan),
            "timeout": f"{plan.timeout_s:g}",
            "expected": repr(plan.expect_status),
            "p99": repr(wanted.p99_ms),
            "failed": repr(wanted.max_error_share),
            "host": ascii(origins[0]),
            "wait": "constant" if plan.model == "closed" else "constant_throughput",
            "wait_time": locust_wait(plan),
            "first": f"{plan.rate_per_s or 0:g}" if plan.stages else str(plan.concurrency),
            "verify": repr(plan.verify_tls),
            "redirects": repr(plan.follow_redirects),
        },
    )


def locust_docstring(plan: Plan, file: str, secrets: list[str]) -> str:
    lines = [
        f"Load test of {title(plan)}",
        "",
        f"    {''.join(f'{name}=... ' for name in secrets)}locust -f {comment_safe(file)} --headless",
        "",
        "Written by api_load_tester --export locust; yours to change from here on.",
    ]
    if secrets:
        lines.append(f"Secrets come from the environment: {', '.join(secrets)}.")
    if plan.model == "open":
        lines.append("A Locust user waits for its answer before it sends again: when the target is slow, the rate falls behind, unlike with api_load_tester --rate.")
    if plan.mode == "sequence" and len(plan.targets) > 1:
        lines.append("All URLs are requested side by side, chosen at random.")
    text = "\n".join(lines).replace("\\", "\\\\").replace('"', '\\"')
    return f'"""{text}\n"""'


def locust_requests(plan: Plan) -> str:
    rows = []
    for target, name in zip(plan.targets, names(plan)):
        headers = ", ".join(f"{ascii(key)}: {f'os.environ[{ascii(variable(key))}]' if SECRET_HEADER.search(key) else ascii(value)}" for key, value in header_values(target).items())
        text = text_of(target.body)
        rows.append(
            f"    ({target.weight}, {ascii(name)}, {ascii(target.method)}, {ascii(target.url)},\n     {{{headers}}}, {ascii(text if text is not None else target.body)}),\n"
        )
    return f"[\n{''.join(rows)}]"


def locust_rows(plan: Plan, wanted: Wanted) -> str:
    if not plan.data:
        return "[]"
    return (
        f'[json.loads(line) for line in open(os.path.join(os.path.dirname(__file__), {ascii(wanted.data_path)}), encoding="utf-8-sig") if line.strip()]'
        if wanted.data_path
        else ascii(plan.data)
    )


def locust_stages(plan: Plan) -> str:
    # with stages of the rate, one user for each request per second
    stages = [(stage.seconds, round(stage.value)) for stage in plan.stages] if plan.stages else [(plan.warmup_s + plan.duration_s, plan.concurrency)]
    return "[" + ", ".join(f"({seconds:g}, {users})" for seconds, users in stages) + "]"


def locust_wait(plan: Plan) -> str:
    if plan.model == "closed":
        return "constant(0)"
    return "constant_throughput(1)" if plan.stages else f"constant_throughput({(plan.rate_per_s or 0) / plan.concurrency:g})"
