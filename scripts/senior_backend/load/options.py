"""The options of api_load_tester, and the Plan and the limits that they ask for. Everything that can be wrong with them is found here, before anything is sent."""

from __future__ import annotations

import argparse
import base64
import dataclasses
import functools
import json
import math
import pathlib
import re
import sys
import urllib.parse
from collections.abc import Callable
from typing import Any

from senior_backend import console
from senior_backend.console import CommandError
from senior_backend.load.plan import FIELD, Plan, Stage, Target, fields_of, masked_url, message

TOOL = "api_load_tester"
EXAMPLES = [
    "python scripts/api_load_tester.py https://api.example.com/users --concurrency 50 --duration 30",
    "python scripts/api_load_tester.py https://api.example.com/users --rate 200 --p99-ms 250 --max-error-rate 0.1",
    'python scripts/api_load_tester.py https://api.example.com/orders -m POST -H "Authorization: Bearer $TOKEN" -b @order.json -c 100',
    "python scripts/api_load_tester.py https://api.example.com/v1/users https://api.example.com/v2/users --compare --fail-on slower",
    "python scripts/api_load_tester.py https://api.example.com/users --compare baseline.json --output run.json",
    "python scripts/api_load_tester.py https://api.example.com/login --concurrency 20 --expect-rate-limit",
    "python scripts/api_load_tester.py https://api.example.com/items/{{id}} --data items.jsonl --stages 10s:20/s,30s:200/s,10s:0/s",
]
EXIT_CODES = {
    0: "done, and what was expected holds",
    1: "an expectation failed, no rate limit was found, B is slower (--fail-on slower), or no request was answered",
    2: "the arguments or a file cannot be used",
    4: "the target cannot be reached, or something is missing on this machine",
    70: "a fault of this program",
    130: "interrupted: the report is about what was measured until then",
}
DEFAULT_CONCURRENCY, DEFAULT_DURATION_S, DEFAULT_TIMEOUT_S, DRAIN_S = 10, 10.0, 30.0, 2.0
ABOVE_0 = sys.float_info.min
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
SECONDS = re.compile(r"(\d+\.?\d*|\.\d+)(ms|s|m|h)?")
UNIT_S = {None: 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
LONGEST_S = 24 * 3600.0
PERCENTILES = {"p50_ms": 50, "p95_ms": 95, "p99_ms": 99}


def usage(message: str, hint: str = "see: python scripts/api_load_tester.py --help") -> CommandError:
    return CommandError(message, hint, identifier="USAGE")


def unusable(message: str, hint: str) -> CommandError:
    return CommandError(message, hint, identifier="INPUT_FILE")


# Values of single options: functions of the option's name and its text


def number(expected: str, low: float, high: float = sys.float_info.max, kind: type = float) -> Callable[[str, str], Any]:
    """A number from low to high, both included."""

    def read(option: str, text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise usage(f"{option} {text}: expected {expected}")
        return value

    return read


def count(expected: str = "1 or more") -> Callable[[str, str], int]:
    return number(expected, 1, kind=int)


def seconds(low: float = ABOVE_0) -> Callable[[str, str], float]:
    """A length of time: 30, 30s, 500ms, 5m, 1h."""

    def read(option: str, text: str) -> float:
        found = SECONDS.fullmatch(text.strip())
        length = float(found[1]) * UNIT_S[found[2]] if found else -1.0
        if not low <= length <= LONGEST_S:
            raise usage(f"{option} {text}: expected a time above 0 and up to 24h", "for example 30, 30s or 5m")
        return length

    return read


def method(option: str, text: str) -> str:
    if not TOKEN.fullmatch(text) or text.upper() == "CONNECT":
        raise usage(f"{option} {text!r} is no HTTP method that can be load tested", "GET, POST, PUT, PATCH, DELETE, HEAD or OPTIONS")
    return text.upper()


def proxy(option: str, text: str) -> str:
    if not re.match(r"(https?|socks5h?)://[^/\s]+", text):
        raise usage(f"{option} {masked_url(text)} is not a URL", "for example --proxy http://127.0.0.1:3128")
    return text


def user_and_password(option: str, text: str) -> tuple[str, str]:
    user, colon, password = text.partition(":")
    if not colon:
        raise usage(f"{option} is not USER:PASSWORD")
    return user, password


def as_given(option: str, text: str) -> str:
    return text


# title of a group -> (names, help) of its flags; (names, help, metavar, function that reads the value, what else argparse is to know) of its other options
OPTIONS: dict[str, list[tuple]] = {
    "request": [
        ("-m --method", "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS, ... (default: GET)", None, method, {"default": "GET"}),
        ("-b --body", "body, or @FILE", None, as_given),
        ("-H --header", "may be given several times", "'NAME: VALUE'", as_given, {"action": "append", "default": []}),
        ("--data", "one JSON object per line; {{field}} in URL, header values and body is filled from one line after the other", "FILE.jsonl", as_given),
        ("-t --timeout", "seconds for a whole request, connecting included (default: 30)", "S", number("a number of seconds above 0", ABOVE_0)),
        ("--no-verify-ssl", "accept any certificate"),
        ("--follow-redirects", "follow them (engine requests); otherwise a redirect is an answer"),
        ("--cookies", "each connection keeps the cookies it gets (engine requests)"),
        ("--proxy", "send through a proxy (engine requests)", "URL", proxy),
        ("--digest", "HTTP digest authentication (engine requests)", "USER:PASSWORD", user_and_password),
    ],
    "load": [
        ("-c --concurrency", "connections at a time (default: 10)", "N", count()),
        ("-d --duration", "seconds, per URL when they are tested one after the other; 30, 30s, 5m (default: 10)", "S", seconds()),
        (
            "--rate",
            "send R requests per second whatever the answers do (open model); latency counts from the intended send time",
            "R",
            number("a number above 0, in requests per second", ABOVE_0),
        ),
        (
            "--stages",
            "ramps instead of --duration: 10s:20,30s:200,10s:0 goes from 0 to 20 connections in 10 s, ...; "
            "of requests per second when values end in /s, or when --rate gives the rate to start from",
            "S:N,...",
            as_given,
        ),
        ("--warmup", "seconds of load that are not counted, before the rest", "S", seconds(0), {"default": "0"}),
        ("--mix", "all URLs in one load, chosen at random; 3,1: the first three times as often", "WEIGHTS", as_given, {"nargs": "?", "const": ""}),
        ("--workers", "processes that share the connections (default: 1)", "N", count(), {"default": 1}),
        ("--seed", "of all random choices (default: 0)", "N", number("a whole number", -math.inf, kind=int), {"default": 0}),
    ],
    "expectations (exit 1 when one does not hold)": [
        ("--expect-status", "every answer has this status; it counts as success, also at 400 and above", "N", number("a status from 100 to 999", 100, 999, int)),
        ("--p99-ms", "p99 is at most this (200 is advised when it is not given, without consequences)", "MS", number("a number above 0", ABOVE_0)),
        ("--max-error-rate", "at most this share of the requests fails", "PERCENT", number("a number of percent from 0 to 100", 0, 100)),
        ("--targets", "p50_ms, p95_ms, p99_ms and uptime from backend_decision_engine's JSON", "DECISION.json", as_given),
        ("--expect-rate-limit", "find the target's rate limit: rate, burst, Retry-After, per connection or per client"),
    ],
    "comparison": [
        ("--compare", "two URLs against each other in one schedule, or the URLs against stored reports", "BASELINE.json", as_given, {"nargs": "?", "const": True}),
        ("--fail-on", "exit 1 when B (this run) is slower, or fails more, than A (the baseline)", None, as_given, {"choices": ["slower"]}),
    ],
    "output": [
        ("-o --output", "write the whole report as JSON; it is a baseline for the next run", "FILE", as_given),
        ("--html", "write the report as one self-contained page", "FILE", as_given),
    ],
    "engines": [
        ("--engine", "raw: event loop on sockets (default); requests: threads; locust: several machines", None, as_given, {"choices": ["raw", "requests", "locust"]}),
        ("--master", "engine locust: wait for N workers from other machines", "N", count("the number of workers to wait for, with --engine locust")),
        ("--worker-of", "engine locust: work for the master on that machine", "HOST", as_given),
        ("--export", "write the plan as a script for k6 or Locust and send nothing", ("k6|locust", "FILE"), as_given, {"nargs": 2}),
    ],
}


def parser() -> argparse.ArgumentParser:
    made = console.argument_parser(TOOL, "Load test an HTTP API: requests per second, true latencies, errors by kind, comparisons with statistics.", EXAMPLES, EXIT_CODES)
    made.add_argument("urls", nargs="*", metavar="URL", help="what to request; several are tested one after the other (or see --mix, --compare)")
    for title, options in OPTIONS.items():
        group = made.add_argument_group(title)
        for names, told, *value in options:
            names = names.split()
            if value:
                metavar, read, *more = value
                group.add_argument(*names, help=told, metavar=metavar, type=functools.partial(read, names[-1]), **dict(*more))
            else:
                group.add_argument(*names, help=told, action="store_true")
    return made


# The plan


def plan_from(arguments: argparse.Namespace) -> Plan:
    """The plan that the arguments ask for. Raises CommandError."""
    stages, of_rate = stages_from(arguments)
    plan = Plan(
        targets_from(arguments),
        concurrency_from(arguments, stages if not of_rate else None),
        duration_s=sum(stage.seconds for stage in stages) if stages else arguments.duration or DEFAULT_DURATION_S,
        warmup_s=arguments.warmup,
        timeout_s=arguments.timeout or DEFAULT_TIMEOUT_S,
        model="open" if of_rate or arguments.rate is not None else "closed",
        rate_per_s=arguments.rate,
        stages=stages,
        mode="compare" if arguments.compare is True else "mix" if arguments.mix is not None else "sequence",
        verify_tls=not arguments.no_verify_ssl,
        data=rows_from(arguments.data) if arguments.data else None,
        **{name: getattr(arguments, name) for name in ("workers", "expect_status", "follow_redirects", "cookies", "proxy", "digest", "seed")},
    )
    check_together(arguments, plan)
    check_fields(plan, arguments.data)
    return plan


def targets_from(arguments: argparse.Namespace) -> list[Target]:
    if not arguments.urls:
        raise usage("no URL given: expected http://... or https://...", "python scripts/api_load_tester.py https://api.example.com/users")
    headers = [header_from(text, number) for number, text in enumerate(arguments.header, 1)]
    body, weights = body_from(arguments.body), weights_from(arguments.mix, len(arguments.urls))
    return [target_from(url, Target("", arguments.method, headers, body, weight)) for url, weight in zip(arguments.urls, weights)]


def target_from(url: str, target: Target) -> Target:
    """The target with its URL. User and password of the URL become a header, so that no later message can show them."""
    shown, example = masked_url(url), "for example http://127.0.0.1:8080/users"
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
        (parts.hostname or "").encode("idna")
    except ValueError as error:
        raise usage(f"{shown} is not a URL: {error}", f"{example}; a port is a number from 1 to 65535") from error
    if parts.scheme not in ("http", "https"):
        raise usage(f"{shown} is not an http:// or https:// URL", example)
    if not parts.hostname or re.search(r"[\s\x00-\x1f\x7f]", FIELD.sub("", url)) or "{{" in parts.netloc:
        raise usage(f"{shown} is not a URL: {'it holds blanks or control characters' if parts.hostname else 'it names no host'}", example)
    if port == 0:
        raise usage(f"{shown}: port 0 cannot be connected to", "give the port that the server listens on")
    headers = target.headers
    if parts.username is not None and not any(name.lower() == "authorization" for name, _ in headers):
        pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        headers = [*headers, ("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())]
    plain = urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
    return dataclasses.replace(target, url=plain, headers=headers)


def header_from(text: str, number: int) -> tuple[str, str]:
    """Name and value. The message never shows the value: it may be a secret."""
    name, colon, value = text.partition(":")
    name, place = name.strip(), f"--header {number}"
    if not colon or not TOKEN.fullmatch(name):
        raise usage(f"{place} is not 'Name: value'" + ("" if colon else ": it has no colon"), "for example --header 'Accept: application/json'")
    if re.search(r"[\r\n\0]", text):
        raise usage(f"{place} ({name}) holds a line break", "a header is one line; for two headers give --header twice")
    if name.lower() in ("content-length", "transfer-encoding"):
        raise usage(f"{place}: {name} is set from the body", "leave it out")
    return name, value.strip()


def body_from(given: str | None) -> bytes | None:
    if (given or "").startswith("@"):
        return file_bytes("--body", given[1:], "a body that itself begins with @ comes from a file")
    return None if given is None else given.encode("utf-8", "surrogateescape")


def weights_from(mix: str | None, count: int) -> list[int]:
    if not mix:
        return [1] * count
    weights = [int(part) if part.strip().isdigit() else 0 for part in mix.split(",")]
    if len(weights) != count or min(weights) < 1:
        raise usage(f"--mix {mix}: expected {count} whole numbers from 1 on, one for each URL", "for example --mix 3,1 for two URLs")
    return weights


def stages_from(arguments: argparse.Namespace) -> tuple[list[Stage] | None, bool]:
    """Stages and whether they are of the rate."""
    if arguments.stages is None:
        return None, False
    if arguments.duration is not None:
        raise usage("--stages and --duration exclude each other: the stages say how long the test is")
    stages, of_rate = [], arguments.rate is not None
    for text in arguments.stages.split(","):
        length, colon, value = text.strip().partition(":")
        found = re.fullmatch(r"(\d+(?:\.\d+)?)(/s)?", value.strip())
        if not colon or not found:
            raise usage(f"--stages {arguments.stages}: {text.strip()!r} is not SECONDS:VALUE", "for example --stages 10s:20,30s:200,10s:0")
        of_rate = of_rate or bool(found[2])
        stages.append(Stage(seconds(0)("--stages", length), float(found[1])))
    if not any(stage.seconds for stage in stages) or not any(stage.value for stage in stages):
        raise usage(f"--stages {arguments.stages}: no time or no load in it", "for example --stages 10s:20,30s:200,10s:0")
    return stages, of_rate


def concurrency_from(arguments: argparse.Namespace, stages: list[Stage] | None) -> int:
    if stages and arguments.concurrency is not None:
        raise usage("--stages of connections and --concurrency exclude each other", "for stages of requests per second write 10s:20/s")
    return max(1, round(max(stage.value for stage in stages))) if stages else arguments.concurrency or DEFAULT_CONCURRENCY


def check_together(arguments: argparse.Namespace, plan: Plan) -> None:
    """Options that fit only with others."""
    test_s, given = plan.warmup_s + plan.duration_s, arguments.timeout or 0
    for wrong, *said in (
        # a timeout that no request can reach before the run is over would never be reported
        (
            given > test_s + DRAIN_S,
            f"--timeout {given:g} is longer than the test: {test_s:g} s, and {DRAIN_S:g} s of waiting for the last answers; it would never be reached",
            f"use --timeout {min(given, test_s):g}, or a longer --duration",
        ),
        (
            plan.mode == "compare" and len(plan.targets) != 2,
            f"--compare without a file compares two URLs, {len(plan.targets)} given",
            "--compare baseline.json compares with a stored report",
        ),
        (
            arguments.mix is not None and (len(plan.targets) < 2 or arguments.compare is True),
            "--mix chooses between several URLs, and is not a comparison",
            "give two or more URLs, without a bare --compare",
        ),
        (plan.stages and plan.warmup_s, "--stages and --warmup exclude each other", "let the first stage be the warm-up"),
        (plan.model == "open" and plan.scheduled < 1, f"the rate lets no request through in {plan.duration_s:g} s", "a higher --rate or a longer --duration"),
        (
            arguments.output and arguments.html and pathlib.Path(arguments.output).absolute() == pathlib.Path(arguments.html).absolute(),
            f"--output and --html name the same file, {arguments.html}",
        ),
        (arguments.expect_rate_limit and unfit_for_search(arguments, plan), unfit_for_search(arguments, plan), "give it --concurrency and --duration only"),
        (arguments.fail_on and not arguments.compare, "--fail-on needs --compare", "add --compare with two URLs, or --compare baseline.json"),
        (
            plan.workers > plan.concurrency,
            f"--workers {plan.workers} is more than --concurrency {plan.concurrency}: a worker without a connection has nothing to do",
            "fewer workers, or more connections",
        ),
    ):
        if wrong:
            raise usage(*said)


def unfit_for_search(arguments: argparse.Namespace, plan: Plan) -> str:
    """The search for a rate limit chooses its own load: what would shape another is refused, not ignored."""
    names = ("rate", "stages", "mix", "compare", "master", "follow_redirects", "cookies", "proxy", "digest")
    given = [f"--{name}".replace("_", "-") for name in names if getattr(arguments, name) not in (None, False)]
    given += ["--workers"] * (plan.workers > 1) + ["--warmup"] * (plan.warmup_s > 0) + [f"--engine {arguments.engine}"] * (arguments.engine not in (None, "raw"))
    given += ["several URLs"] * (len(plan.targets) > 1)
    return f"--expect-rate-limit asks one URL as fast as it is let, and does not go with {', '.join(given)}" if given else ""


# Files


def file_bytes(option: str, path: str, hint: str) -> bytes:
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise unusable(f"{option} {path}: the file cannot be read ({error.strerror})", hint) from error


def file_text(option: str, path: str, hint: str) -> str:
    """A UTF-8 file, with or without byte order mark."""
    try:
        return file_bytes(option, path, hint).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise unusable(f"{option} {path}: the file is not UTF-8 text (byte {error.start})", hint) from error


def rows_from(path: str) -> list[dict[str, Any]]:
    """The rows of a JSON Lines file."""
    rows = []
    for number, line in enumerate(file_text("--data", path, "one JSON object per line, UTF-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            raise unusable(f"{path}:{number}: not JSON: {error}", "one JSON object per line") from error
        if not isinstance(rows[-1], dict):
            raise unusable(f"{path}:{number}: not a JSON object", 'one JSON object per line, for example {"id": 7}')
    if not rows:
        raise unusable(f"--data {path}: the file holds no rows", "one JSON object per line")
    return rows


def check_fields(plan: Plan, path: str | None) -> None:
    """Every {{field}} has a value in every row, and every value fits its place."""
    used = {name for target in plan.targets for name in fields_of(target)}
    if used and not plan.data:
        raise usage(f"{{{{{min(used)}}}}} stands in URL, header or body, but no --data is given", "--data FILE.jsonl, one JSON object per line, fills it")
    for number, row in enumerate(plan.data or [], 1):
        missing = sorted(used - set(row))
        if missing:
            raise unusable(f"{path}, row {number}: no value for {{{{{missing[0]}}}}}", f"the row has: {', '.join(sorted(row)) or 'nothing'}")
        try:
            for target in plan.targets:
                message(target, row)
        except ValueError as error:
            raise unusable(f"{path}, row {number}: {error}", "headers are one line each") from error
    if plan.data and not used:
        raise usage("--data is given, but no {{field}} stands in URL, header or body", 'write {{name}} where the value of "name" is to go')


# Limits


@dataclasses.dataclass(frozen=True, slots=True)
class Limit:
    """A figure that must not exceed `most`. name: p50_ms, p95_ms, p99_ms or error_rate_percent; source: the option or file that set it."""

    name: str
    most: float
    source: str


def limits_from(arguments: argparse.Namespace) -> list[Limit]:
    """All limits that were asked for; those of options count more than a decision's. Raises CommandError for a targets file that cannot be used."""
    asked = {"p99_ms": ("--p99-ms", arguments.p99_ms), "error_rate_percent": ("--max-error-rate", arguments.max_error_rate)}
    own = [Limit(name, most, option) for name, (option, most) in asked.items() if most is not None]
    stated = limits_of_decision(arguments.targets) if arguments.targets else []
    return [limit for limit in stated if limit.name not in {one.name for one in own}] + own


def limits_of_decision(path: str) -> list[Limit]:
    """Latency targets and the uptime (as the share that may fail) of a decision's JSON."""
    hint = "python scripts/backend_decision_engine.py ... --output json > decision.json"
    try:
        decision = json.loads(file_text("--targets", path, hint))
    except ValueError as error:
        raise unusable(f"--targets {path}: not JSON: {error}", hint) from error
    targets = decision.get("targets") if isinstance(decision, dict) else None
    values = {name: value_of(target) for name, target in (targets if isinstance(targets, dict) else {}).items()}
    limits = [Limit(name, values[name], path) for name in PERCENTILES if values.get(name) is not None]
    if values.get("uptime") is not None:
        limits.append(Limit("error_rate_percent", round(100 - values["uptime"], 6), path))
    if not limits:
        raise unusable(f'--targets {path}: no targets in it: expected {{"targets": {{"p99_ms": {{"value": 250}}}}}}', "the JSON of backend_decision_engine.py carries them")
    return limits


def value_of(target: Any) -> float | None:
    value = target.get("value") if isinstance(target, dict) else target
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
