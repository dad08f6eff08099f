"""The options of api_load_tester."""

from __future__ import annotations

import argparse

from senior_backend import console

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


def parser() -> argparse.ArgumentParser:
    made = console.argument_parser(TOOL, "Load test an HTTP API: requests per second, true latencies, errors by kind, comparisons with statistics.", EXAMPLES, EXIT_CODES)
    made.add_argument("urls", nargs="*", metavar="URL", help="what to request; several are tested one after the other (or see --mix, --compare)")
    for add in (add_request, add_load, add_expectations, add_comparison, add_output, add_engines):
        add(made)
    return made


def add_request(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group("request")
    group.add_argument("-m", "--method", default="GET", help="GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS, ... (default: GET)")
    group.add_argument("-b", "--body", help="body, or @FILE")
    group.add_argument("-H", "--header", action="append", default=[], metavar="'NAME: VALUE'", help="may be given several times")
    group.add_argument("--data", metavar="FILE.jsonl", help="one JSON object per line; {{field}} in URL, header values and body is filled from one line after the other")
    group.add_argument("-t", "--timeout", type=float, metavar="S", help="seconds for a whole request, connecting included (default: 30)")
    group.add_argument("--no-verify-ssl", action="store_true", help="accept any certificate")
    group.add_argument("--follow-redirects", action="store_true", help="follow them (engine requests); otherwise a redirect is an answer")
    group.add_argument("--cookies", action="store_true", help="each connection keeps the cookies it gets (engine requests)")
    group.add_argument("--proxy", metavar="URL", help="send through a proxy (engine requests)")
    group.add_argument("--digest", metavar="USER:PASSWORD", help="HTTP digest authentication (engine requests)")


def add_load(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group("load")
    group.add_argument("-c", "--concurrency", type=int, metavar="N", help="connections at a time (default: 10)")
    group.add_argument("-d", "--duration", metavar="S", help="seconds, per URL when they are tested one after the other; 30, 30s, 5m (default: 10)")
    group.add_argument("--rate", type=float, metavar="R", help="send R requests per second whatever the answers do (open model); latency counts from the intended send time")
    group.add_argument(
        "--stages",
        metavar="S:N,...",
        help="ramps instead of --duration: 10s:20,30s:200,10s:0 goes from 0 to 20 connections in 10 s, ...; "
        "of requests per second when values end in /s, or when --rate gives the rate to start from",
    )
    group.add_argument("--warmup", metavar="S", default="0", help="seconds of load that are not counted, before the rest")
    group.add_argument("--mix", nargs="?", const="", metavar="WEIGHTS", help="all URLs in one load, chosen at random; 3,1: the first three times as often")
    group.add_argument("--workers", type=int, default=1, metavar="N", help="processes that share the connections (default: 1)")
    group.add_argument("--seed", type=int, default=0, metavar="N", help="of all random choices (default: 0)")


def add_expectations(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group("expectations (exit 1 when one does not hold)")
    group.add_argument("--expect-status", type=int, metavar="N", help="every answer has this status; it counts as success, also at 400 and above")
    group.add_argument("--p99-ms", type=float, metavar="MS", help="p99 is at most this (200 is advised when it is not given, without consequences)")
    group.add_argument("--max-error-rate", type=float, metavar="PERCENT", help="at most this share of the requests fails")
    group.add_argument("--targets", metavar="DECISION.json", help="p50_ms, p95_ms, p99_ms and uptime from backend_decision_engine's JSON")
    group.add_argument("--expect-rate-limit", action="store_true", help="find the target's rate limit: rate, burst, Retry-After, per connection or per client")


def add_comparison(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group("comparison")
    group.add_argument("--compare", nargs="?", const=True, metavar="BASELINE.json", help="two URLs against each other in one schedule, or the URLs against stored reports")
    group.add_argument("--fail-on", choices=["slower"], help="exit 1 when B (this run) is slower, or fails more, than A (the baseline)")


def add_output(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group("output")
    group.add_argument("-o", "--output", metavar="FILE", help="write the whole report as JSON; it is a baseline for the next run")
    group.add_argument("--html", metavar="FILE", help="write the report as one self-contained page")


def add_engines(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group("engines")
    group.add_argument("--engine", choices=["raw", "requests", "locust"], help="raw: event loop on sockets (default); requests: threads; locust: several machines")
    group.add_argument("--master", type=int, metavar="N", help="engine locust: wait for N workers from other machines")
    group.add_argument("--worker-of", metavar="HOST", help="engine locust: work for the master on that machine")
    group.add_argument("--export", nargs=2, metavar=("k6|locust", "FILE"), help="write the plan as a script for k6 or Locust and send nothing")
