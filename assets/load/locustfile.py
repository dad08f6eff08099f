@@title@@
from __future__ import annotations

import json
import os
import random
import re
import urllib.parse

from locust import HttpUser, LoadTestShape, @@wait@@, events, task

# (weight, name, method, URL, headers, body); {{field}} is filled from ROWS
REQUESTS = @@requests@@
ROWS = @@rows@@
STAGES = @@stages@@     # (seconds, users at their end), each a straight ramp
TIMEOUT_S = @@timeout@@
EXPECTED_STATUS = @@expected@@       # None: everything below 400
MOST_P99_MS = @@p99@@
MOST_FAILED = @@failed@@      # share of all requests; None: not judged


class Visitor(HttpUser):
    host = @@host@@
    wait_time = @@wait_time@@

    @task
    def request(self) -> None:
        _, name, method, url, headers, body = random.choices(REQUESTS, [request[0] for request in REQUESTS])[0]
        row = random.choice(ROWS) if ROWS else {}
        url = fill(url, row, lambda value: urllib.parse.quote(plain(value), safe=""))
        headers = {key: fill(value, row, plain) for key, value in headers.items()}
        if isinstance(body, str):
            body = fill(body, row, inside_json if body.lstrip()[:1] in ("{", "[") else plain).encode()
        with self.client.request(method, url, headers=headers, data=body, name=name, timeout=TIMEOUT_S, verify=@@verify@@, allow_redirects=@@redirects@@, catch_response=True) as answer:
            if answer.status_code == EXPECTED_STATUS or (EXPECTED_STATUS is None and 0 < answer.status_code < 400):
                answer.success()
            else:
                answer.failure(f"HTTP {answer.status_code}" if answer.status_code else str(answer.error))


class Stages(LoadTestShape):
    def tick(self) -> tuple[int, float] | None:
        seconds, before = self.get_run_time(), @@first@@
        for length, users in STAGES:
            if seconds < length:
                return max(1, round(before + (users - before) * seconds / length)), 1000
            seconds, before = seconds - length, users
        return None


@events.quitting.add_listener
def judge(environment, **_) -> None:
    """Exit code 1 when the run misses its targets."""
    total = environment.stats.total
    p99 = total.get_response_time_percentile(0.99) or 0
    missed = total.num_requests == 0 or (MOST_P99_MS is not None and p99 > MOST_P99_MS) or (MOST_FAILED is not None and total.fail_ratio > MOST_FAILED)
    environment.process_exit_code = 1 if missed else 0


def fill(text: str, row: dict, encode) -> str:
    return re.sub(r"\{\{\s*([^{}\s]+)\s*\}\}", lambda found: encode(row[found[1]]), text)


def plain(value) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def inside_json(value) -> str:
    return json.dumps(value)[1:-1] if isinstance(value, str) else json.dumps(value)
