"""Load test of @@title@@

    @@variables@@locust -f @@file@@ --headless

Written by api_load_tester --export locust; yours to change from here on.@@secrets@@@@notes@@
"""
from __future__ import annotations

import base64
import json
import os
import pathlib
import random
import re
import urllib.parse

from locust import HttpUser, LoadTestShape, constant, constant_throughput, events, task

# requests: how often each is chosen (weight) and what it is; headers in "secrets" take their values from the environment.
# rows: a file of JSON Lines; {{field}} in URL, headers and body is filled from one of them. expect_status None: everything below 400.
# stages: (seconds, users at their end), each a straight ramp from the users before, `first` at the start; each user sends `per_second` requests, None: without pause.
# p99_ms, failed: the most that is allowed (share of all requests); None: not judged.
PLAN = @@plan@@
FILE = PLAN["rows"] and pathlib.Path(__file__).parent / PLAN["rows"]
ROWS = [json.loads(line) for line in FILE.read_text("utf-8-sig").splitlines() if line.strip()] if FILE else []


class Visitor(HttpUser):
    host = @@host@@
    wait_time = constant(0) if PLAN["per_second"] is None else constant_throughput(PLAN["per_second"])

    @task
    def request(self) -> None:
        one = random.choices(PLAN["requests"], [request["weight"] for request in PLAN["requests"]])[0]
        row = random.choice(ROWS) if ROWS else {}
        url = fill(one["url"], row, lambda value: urllib.parse.quote(plain(value), safe=""))
        headers = {key: fill(value, row, plain) for key, value in one["headers"].items()} | {key: os.environ[name] for key, name in one["secrets"].items()}
        body = one["body"]
        data = base64.b64decode(one["base64"]) if one["base64"] else body and fill(body, row, inside_json if body.lstrip()[:1] in ("{", "[") else plain).encode()
        options = {"timeout": PLAN["timeout_s"], "verify": PLAN["verify_tls"], "allow_redirects": PLAN["follow_redirects"]}
        with self.client.request(one["method"], url, headers=headers, data=data, name=one["name"], catch_response=True, **options) as answer:
            if answer.status_code == PLAN["expect_status"] or (PLAN["expect_status"] is None and 0 < answer.status_code < 400):
                answer.success()
            else:
                answer.failure(f"HTTP {answer.status_code}" if answer.status_code else str(answer.error))


class Stages(LoadTestShape):
    def tick(self) -> tuple[int, float] | None:
        seconds, before = self.get_run_time(), PLAN["first"]
        for length, users in PLAN["stages"]:
            if seconds < length:
                return max(1, round(before + (users - before) * seconds / length)), 1000
            seconds, before = seconds - length, users
        return None


@events.quitting.add_listener
def judge(environment, **_) -> None:
    """Exit code 1 when the run misses its targets."""
    total, p99_ms, failed = environment.stats.total, PLAN["p99_ms"], PLAN["failed"]
    late = p99_ms is not None and (total.get_response_time_percentile(0.99) or 0) > p99_ms
    environment.process_exit_code = int(total.num_requests == 0 or late or (failed is not None and total.fail_ratio > failed))


def fill(text: str, row: dict, encode) -> str:
    return re.sub(r"\{\{\s*([^{}\s]+)\s*\}\}", lambda found: encode(row[found[1]]), text) if row else text


def plain(value) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def inside_json(value) -> str:
    return json.dumps(value)[1:-1] if isinstance(value, str) else json.dumps(value)
