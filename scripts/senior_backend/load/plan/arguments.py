"""From arguments to a Plan. Everything that can be wrong with them is found here, before anything is sent."""

from __future__ import annotations

import argparse
import base64
import json
import math
import pathlib
import re
import urllib.parse
from typing import Any

from senior_backend.console import CommandError
from senior_backend.load.plan.messages import FIELD, fields_of, masked_url, message
from senior_backend.load.plan.model import Plan, Stage, Target

DEFAULT_CONCURRENCY, DEFAULT_DURATION_S, DEFAULT_TIMEOUT_S, DRAIN_S = 10, 10.0, 30.0, 2.0
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
SECONDS = re.compile(r"(\d+\.?\d*|\.\d+)(ms|s|m|h)?")
UNIT_S = {None: 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
FRAMING_HEADERS = ("content-length", "transfer-encoding")
LONGEST_S = 24 * 3600.0


def usage(message: str, hint: str = "see: python scripts/api_load_tester.py --help") -> CommandError:
    return CommandError(message, hint, identifier="USAGE")


def plan_from(arguments: argparse.Namespace) -> Plan:
    """The plan that the arguments ask for. Raises CommandError."""
    stages, of_rate = stages_from(arguments)
    duration_s = sum(stage.seconds for stage in stages) if stages else seconds("--duration", arguments.duration, DEFAULT_DURATION_S)
    warmup_s = seconds("--warmup", arguments.warmup, 0.0, may_be_zero=True)
    data = rows_from(arguments.data) if arguments.data else None
    plan = Plan(
        targets_from(arguments),
        concurrency_from(arguments, stages if not of_rate else None),
        positive_number("--workers", arguments.workers),
        duration_s,
        warmup_s,
        timeout_from(arguments, warmup_s + duration_s),
        "open" if of_rate or arguments.rate is not None else "closed",
        rate_from(arguments),
        stages,
        mode_from(arguments),
        arguments.expect_status,
        not arguments.no_verify_ssl,
        data,
        arguments.follow_redirects,
        arguments.cookies,
        proxy_from(arguments),
        digest_from(arguments),
        arguments.seed,
    )
    check_together(arguments, plan)
    check_fields(plan, arguments.data)
    return plan


def targets_from(arguments: argparse.Namespace) -> list[Target]:
    if not arguments.urls:
        raise usage("no URL given: expected http://... or https://...", "python scripts/api_load_tester.py https://api.example.com/users")
    method = arguments.method.upper()
    if not TOKEN.fullmatch(method) or method == "CONNECT":
        raise usage(f"--method {arguments.method!r} is no HTTP method that can be load tested", "GET, POST, PUT, PATCH, DELETE, HEAD or OPTIONS")
    headers = [header_from(text, number) for number, text in enumerate(arguments.header, 1)]
    body = body_from(arguments.body)
    weights = weights_from(arguments.mix, len(arguments.urls))
    return [target_from(url, method, headers, body, weight) for url, weight in zip(arguments.urls, weights)]


def target_from(url: str, method: str, headers: list[tuple[str, str]], body: bytes | None, weight: int) -> Target:
    """User and password of the URL become a header, so that no later message can show them."""
    shown = masked_url(url)
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
        (parts.hostname or "").encode("idna")
    except ValueError as error:
        raise usage(f"{shown} is not a URL: {error}", "for example http://127.0.0.1:8080/users; a port is a number from 1 to 65535") from error
    if parts.scheme not in ("http", "https"):
        raise usage(f"{shown} is not an http:// or https:// URL", "for example http://127.0.0.1:8080/users")
    if not parts.hostname or re.search(r"[\s\x00-\x1f\x7f]", FIELD.sub("", url)) or "{{" in parts.netloc:
        raise usage(f"{shown} is not a URL: {'it holds blanks or control characters' if parts.hostname else 'it names no host'}", "for example http://127.0.0.1:8080/users")
    if port == 0:
        raise usage(f"{shown}: port 0 cannot be connected to", "give the port that the server listens on")
    if parts.username is not None and not any(name.lower() == "authorization" for name, _ in headers):
        pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        headers = [*headers, ("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())]
    plain = urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, ""))
    return Target(plain, method, headers, body, weight)


def header_from(text: str, number: int) -> tuple[str, str]:
    """Name and value. The message never shows the value: it may be a secret."""
    name, colon, value = text.partition(":")
    place = f"--header {number}"
    if not colon or not TOKEN.fullmatch(name.strip()):
        raise usage(f"{place} is not 'Name: value'" + ("" if colon else ": it has no colon"), "for example --header 'Accept: application/json'")
    if re.search(r"[\r\n\0]", text):
        raise usage(f"{place} ({name.strip()}) holds a line break", "a header is one line; for two headers give --header twice")
    if name.strip().lower() in FRAMING_HEADERS:
        raise usage(f"{place}: {name.strip()} is set from the body", "leave it out")
    return name.strip(), value.strip()


def unusable(message: str, hint: str) -> CommandError:
    return CommandError(message, hint, identifier="INPUT_FILE")


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


def body_from(given: str | None) -> bytes | None:
    if given is None or not given.startswith("@"):
        return None if given is None else given.encode("utf-8", "surrogateescape")
    return file_bytes("--body", given[1:], "a body that itself begins with @ comes from a file")


def rows_from(path: str) -> list[dict[str, Any]]:
    """The rows of a JSON Lines file."""
    rows = []
    for number, line in enumerate(file_text("--data", path, "one JSON object per line, UTF-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise unusable(f"{path}:{number}: not JSON: {error}", "one JSON object per line") from error
        if not isinstance(row, dict):
            raise unusable(f"{path}:{number}: not a JSON object", 'one JSON object per line, for example {"id": 7}')
        rows.append(row)
    if not rows:
        raise unusable(f"--data {path}: the file holds no rows", "one JSON object per line")
    return rows


def check_fields(plan: Plan, path: str | None) -> None:
    """Every {{field}} has a value in every row, and every value fits its place."""
    used = {name for target in plan.targets for name in fields_of(target)}
    if used and not plan.data:
        raise usage(f"{{{{{min(used)}}}}} stands in URL, header or body, but no --data is given", "--data FILE.jsonl, one JSON object per line, fills it")
    for number, row in enumerate(plan.data or [], 1):
        missing = sorted(set(used) - set(row))
        if missing:
            raise unusable(f"{path}, row {number}: no value for {{{{{missing[0]}}}}}", f"the row has: {', '.join(sorted(row)) or 'nothing'}")
        for target in plan.targets:
            try:
                message(target, row)
            except ValueError as error:
                raise unusable(f"{path}, row {number}: {error}", "headers are one line each") from error
    if plan.data and not used:
        raise usage("--data is given, but no {{field}} stands in URL, header or body", 'write {{name}} where the value of "name" is to go')


def positive_number(option: str, value: int) -> int:
    if value <= 0:
        raise usage(f"{option} {value}: expected 1 or more")
    return value


def seconds(option: str, text: str | None, default: float, may_be_zero: bool = False) -> float:
    """A length of time: 30, 30s, 500ms, 5m, 1h."""
    if text is None:
        return default
    found = SECONDS.fullmatch(text.strip())
    length = float(found[1]) * UNIT_S[found[2]] if found else -1.0
    if length < 0 or (length == 0 and not may_be_zero) or length > LONGEST_S:
        raise usage(f"{option} {text}: expected a time above 0 and up to 24h", "for example 30, 30s or 5m")
    return length


def timeout_from(arguments: argparse.Namespace, test_s: float) -> float:
    """A timeout that no request can reach before the run is over would never be reported: refused when it was asked for, shortened by nobody otherwise."""
    given = arguments.timeout
    if given is None:
        return DEFAULT_TIMEOUT_S
    if not (math.isfinite(given) and given > 0):
        raise usage(f"--timeout {given:g}: expected a number of seconds above 0")
    if given > test_s + DRAIN_S:
        raise usage(
            f"--timeout {given:g} is longer than the test: {test_s:g} s, and {DRAIN_S:g} s of waiting for the last answers; it would never be reached",
            f"use --timeout {min(given, test_s):g}, or a longer --duration",
        )
    return given


def rate_from(arguments: argparse.Namespace) -> float | None:
    rate = arguments.rate
    if rate is not None and not (math.isfinite(rate) and rate > 0):
        raise usage(f"--rate {rate:g}: expected a number above 0, in requests per second")
    return rate


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
        stages.append(Stage(seconds("--stages", length, 0.0, may_be_zero=True), float(found[1])))
    if not any(stage.seconds for stage in stages) or not any(stage.value for stage in stages):
        raise usage(f"--stages {arguments.stages}: no time or no load in it", "for example --stages 10s:20,30s:200,10s:0")
    return stages, of_rate


def concurrency_from(arguments: argparse.Namespace, stages: list[Stage] | None) -> int:
    if stages:
        if arguments.concurrency is not None:
            raise usage("--stages of connections and --concurrency exclude each other", "for stages of requests per second write 10s:20/s")
        return max(1, round(max(stage.value for stage in stages)))
    return positive_number("--concurrency", DEFAULT_CONCURRENCY if arguments.concurrency is None else arguments.concurrency)


def weights_from(mix: str | None, count: int) -> list[int]:
    if not mix:
        return [1] * count
    try:
        weights = [int(part) for part in mix.split(",")]
    except ValueError:
        weights = []
    if len(weights) != count or min(weights) < 1:
        raise usage(f"--mix {mix}: expected {count} whole numbers from 1 on, one for each URL", "for example --mix 3,1 for two URLs")
    return weights


def mode_from(arguments: argparse.Namespace) -> str:
    if arguments.compare is True:
        return "compare"
    return "mix" if arguments.mix is not None else "sequence"


def proxy_from(arguments: argparse.Namespace) -> str | None:
    if arguments.proxy is not None and not re.match(r"(https?|socks5h?)://[^/\s]+", arguments.proxy):
        raise usage(f"--proxy {masked_url(arguments.proxy)} is not a URL", "for example --proxy http://127.0.0.1:3128")
    return arguments.proxy


def digest_from(arguments: argparse.Namespace) -> tuple[str, str] | None:
    if arguments.digest is None:
        return None
    user, colon, password = arguments.digest.partition(":")
    if not colon:
        raise usage("--digest is not USER:PASSWORD")
    return user, password


def check_together(arguments: argparse.Namespace, plan: Plan) -> None:
    """Options that fit only with others."""
    if plan.mode == "compare" and len(plan.targets) != 2:
        raise usage(f"--compare without a file compares two URLs, {len(plan.targets)} given", "--compare baseline.json compares with a stored report")
    if arguments.mix is not None and (len(plan.targets) < 2 or arguments.compare is True):
        raise usage("--mix chooses between several URLs, and is not a comparison", "give two or more URLs, without a bare --compare")
    if plan.stages and plan.warmup_s:
        raise usage("--stages and --warmup exclude each other", "let the first stage be the warm-up")
    if plan.model == "open" and plan.scheduled < 1:
        raise usage(f"the rate lets no request through in {plan.duration_s:g} s", "a higher --rate or a longer --duration")
    if arguments.expect_status is not None and not 100 <= arguments.expect_status <= 999:
        raise usage(f"--expect-status {arguments.expect_status}: expected a status from 100 to 999")
    if arguments.p99_ms is not None and not (math.isfinite(arguments.p99_ms) and arguments.p99_ms > 0):
        raise usage(f"--p99-ms {arguments.p99_ms:g}: expected a number above 0")
    if arguments.max_error_rate is not None and not 0 <= arguments.max_error_rate <= 100:
        raise usage(f"--max-error-rate {arguments.max_error_rate:g}: expected a number of percent from 0 to 100")
    if arguments.output and arguments.html and pathlib.Path(arguments.output).absolute() == pathlib.Path(arguments.html).absolute():
        raise usage(f"--output and --html name the same file, {arguments.html}")
    if arguments.expect_rate_limit:
        check_search(arguments, plan)
    if arguments.fail_on and not arguments.compare:
        raise usage("--fail-on needs --compare", "add --compare with two URLs, or --compare baseline.json")
    if plan.workers > plan.concurrency:
        raise usage(
            f"--workers {plan.workers} is more than --concurrency {plan.concurrency}: a worker without a connection has nothing to do", "fewer workers, or more connections"
        )


def check_search(arguments: argparse.Namespace, plan: Plan) -> None:
    """The search for a rate limit chooses its own load: what would shape another is refused, not ignored."""
    names = ("rate", "stages", "mix", "compare", "master", "follow_redirects", "cookies", "proxy", "digest")
    given = [f"--{name}".replace("_", "-") for name in names if getattr(arguments, name) not in (None, False)]
    given += ["--workers"] * (plan.workers > 1) + ["--warmup"] * (plan.warmup_s > 0) + [f"--engine {arguments.engine}"] * (arguments.engine not in (None, "raw"))
    given += ["several URLs"] * (len(plan.targets) > 1)
    if given:
        raise usage(f"--expect-rate-limit asks one URL as fast as it is let, and does not go with {', '.join(given)}", "give it --concurrency and --duration only")
