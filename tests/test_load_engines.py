"""When requests go out and which: the models, stages, warm-up, mixes, rows of data, processes; the engines requests and locust; the scripts for k6 and Locust."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys

import pytest
from conftest import CACHE, ROOT, Result, run_script
from load_server import Server
from node_server import locked

from senior_backend.console import CommandError
from senior_backend.load import assessment, plan as schedule
from senior_backend.load.engine import locust_engine, threads
from senior_backend.load.engine.raw import BooksDoNotClose, check_books, run_plan
from senior_backend.load.measure import Accounting, Books, Client, Histogram, Measurement, Stall, overlaps, plain, restored
from senior_backend.load.plan import Plan, Stage, Target, Wanted, message, script


def plan_for(server, *paths: str, **options) -> Plan:
    return Plan([Target(server.url + path) for path in paths], **{"concurrency": 4, "duration_s": 0.4, "timeout_s": 2.0, **options})


def test_arrivals_of_stages_follow_the_integral_of_the_rate():
    even = Plan([Target("http://a/")], model="open", rate_per_s=4.0, duration_s=2.0, workers=2, concurrency=2)
    assert sorted(due for worker in (0, 1) for due in itertools.takewhile(lambda due: due < schedule.NEVER, schedule.arrivals(even, worker))) == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75]
    plan = Plan([Target("http://a/")], model="open", stages=[Stage(2, 10), Stage(1, 10), Stage(0, 40), Stage(2, 0)], duration_s=5)
    due = [schedule.arrival_time(plan, number) for number in range(plan.scheduled)]
    assert plan.scheduled == 10 + 10 + 40
    assert due == sorted(due) and due[-1] < 5
    assert [sum(begin <= time < begin + 1 for time in due) for begin in range(5)] == pytest.approx([2.5, 7.5, 10, 30, 10], abs=1.01)


def test_open_model_counts_latency_from_the_intended_time(server):
    """One connection and answers of 20 ms let 50 requests through a second; 200 are due: the last waits for all before it."""
    (measurement,) = run_plan(plan_for(server, "/slow", model="open", rate_per_s=200.0, concurrency=1, timeout_s=0.5))
    books = measurement.accounting
    assert books.started + books.never_sent == 80 and books.never_sent > 0 and measurement.client.waited > 40
    assert measurement.latency.max_ms > 500 and measurement.latency.percentile_ms(50) > 100
    assert 20 <= measurement.service.min_ms and measurement.service.percentile_ms(50) < 60
    assert measurement.requests_per_second < 60


def test_closed_model_hides_that_and_says_when_it_stood_still():
    latency = Histogram({10_000: 1000, 2_000_000: 10})
    measurement = Measurement(Target("http://a/"), latency=latency, answered=1010, seconds=10.0, client=Client(stalls=[Stall(3.0, 2.0), Stall(6.0, 0.09)]))
    stalls = assessment.stalls_of(Plan([measurement.target]), measurement)
    assert (stalls.count, stalls.longest_s) == (1, 2.0)
    # at 126/s another 252 would have come in the 2 s, waiting 1 s on average
    assert measurement.latency.percentile_ms(95) == 10 and 1800 < stalls.felt_p99_ms <= 2000
    assert assessment.stalls_of(Plan([measurement.target], model="open"), measurement) is None
    assert overlaps([Stall(1, 2), Stall(5, 1)], [Stall(2, 4)]) == [Stall(2, 1), Stall(5, 1)]


def test_warm_up_is_not_counted(server):
    server.truth()
    (measurement,) = run_plan(plan_for(server, "/slow", model="open", rate_per_s=100.0, warmup_s=0.5, duration_s=0.5))
    assert measurement.accounting.started == measurement.latency.total == 50
    assert server.truth()["/slow"][0] == 100
    (measurement,) = run_plan(plan_for(server, "/slow", warmup_s=0.3))
    read = server.truth()["/slow"][0]
    assert measurement.accounting.ok == measurement.accounting.started and read * 0.4 < measurement.accounting.started < read


def test_stages_of_connections(server):
    (measurement,) = run_plan(plan_for(server, "/slow", stages=[Stage(0.0, 8), Stage(0.6, 0)], duration_s=0.6, concurrency=8))
    first, second = (sum(block.answered for block in measurement.blocks[half : half + 10]) for half in (0, 10))
    assert measurement.accounting.in_flight == 0 and first > 1.7 * second > 0


def test_mix_by_weight(server):
    server.truth()
    measurements = run_plan(plan_for(server, "/ok", "/cookie", mode="mix", concurrency=4))
    truth = server.truth()
    assert [one.accounting.started for one in measurements] == [truth[path][0] for path in ("/ok", "/cookie")]
    targets = [Target(server.url + "/ok", weight=3), Target(server.url + "/cookie")]
    three, one = (measurement.accounting.started for measurement in run_plan(Plan(targets, mode="mix", concurrency=2, duration_s=0.4)))
    assert 2.2 < three / one < 4


def test_targets_of_several_origins_share_the_connections(server):
    other = Server()
    try:
        for model in ({}, {"model": "open", "rate_per_s": 300.0, "concurrency": 2}):
            measurements = run_plan(Plan([Target(server.url + "/ok"), Target(other.url + "/slow")], mode="compare", **{"concurrency": 3, "duration_s": 0.4, **model}))
            assert all(measurement.accounting.ok == measurement.accounting.started > 5 for measurement in measurements)
    finally:
        other.stop()


def test_several_processes(server):
    server.truth()
    snapshots = []
    plan = plan_for(server, "/slow", model="open", rate_per_s=100.0, concurrency=6, workers=3, duration_s=1.2)
    (measurement,) = run_plan(plan, snapshots.append)
    assert measurement.accounting.started == measurement.accounting.ok == server.truth()["/slow"][0] == plan.scheduled
    assert measurement.client.workers == 3 and [snapshot.seconds for snapshot in snapshots] == [1.0, 1.2]
    assert snapshots[0].answered == measurement.timeline[0].answered


def test_rows_of_data_fill_url_header_and_body():
    target = Target("http://a/items/{{id}}?q={{ q }}", "POST", [("X-Name", "{{q}}")], b'{"q": "{{q}}", "id": {{id}}}')
    head, _, body = message(target, {"id": 7, "q": 'a "b"/\u00e9'}).partition(b"\r\n\r\n")
    assert head.decode().splitlines()[0] == "POST /items/7?q=a%20%22b%22%2F%C3%A9 HTTP/1.1"
    assert 'X-Name: a "b"/\u00e9' in head.decode().splitlines()
    assert json.loads(body) == {"q": 'a "b"/\u00e9', "id": 7} and f"Content-Length: {len(body)}".encode() in head
    with pytest.raises(ValueError):
        message(target, {"id": 7, "q": "a\r\nX-Evil: 1"})


def test_default_headers():
    assert message(Target("http://[::1]:81")).startswith(b"GET / HTTP/1.1\r\nHost: [::1]:81\r\n")
    assert b"\r\nHost: b\r\n" in (own := message(Target("https://a/", headers=[("host", "b")])).replace(b"host", b"Host")) and own.count(b"Host") == 1
    assert b"\r\nContent-Length: 0\r\n" in message(Target("http://a/", "POST"))
    for body, kind in ((b'{"a": 1}', b"application/json"), (b"a=1&b=2", b"application/x-www-form-urlencoded"), (b"\0", b"application/octet-stream")):
        assert b"Content-Type: " + kind in message(Target("http://a/", "POST", body=body))


def test_books_that_do_not_close_are_a_fault():
    plan = Plan([Target("http://a/")])
    with pytest.raises(BooksDoNotClose):
        check_books(plan, [Measurement(plan.targets[0], Accounting(started=3, ok=1, failed=1))])
    with pytest.raises(BooksDoNotClose):
        check_books(Plan(plan.targets, model="open", rate_per_s=1.0), [Measurement(plan.targets[0], Accounting(started=1, in_flight=1, never_sent=1))])


def test_percentiles_are_exact():
    values = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3]
    histogram = Histogram()
    for value in values:
        histogram.add(value * 1000)
    assert histogram.percentiles_ms([0, 10, 50, 90, 100]) == [1, 1, 3, 6, 9]
    assert (histogram.mean_ms, histogram.stddev_ms) == (3.9, pytest.approx(2.4698, abs=1e-3))
    assert Histogram().percentiles_ms([50, 99]) == [0.0, 0.0]


# the engine requests


def closed_books(measurement: Measurement) -> Measurement:
    books = measurement.accounting
    assert books.started == books.ok + books.failed + books.in_flight
    assert measurement.latency.total + sum(measurement.errors.values()) == books.ok + books.failed
    assert sum(block.answered for block in measurement.blocks) == measurement.answered == sum(second.answered for second in measurement.timeline)
    return measurement


def sent(server, path: str, **plan) -> Measurement:
    """One run of the engine's slots, without its calibration."""
    target = Target(server.url + path, **{key: plan.pop(key) for key in ("method", "body", "headers") if key in plan})
    return closed_books(threads.run_slots(Plan([target], **{"concurrency": 2, "duration_s": 0.4, "timeout_s": 2.0, **plan}), None)[0])


@pytest.mark.parametrize("path, plan, statuses, errors", [
    ("/slow", {}, {200}, set()), ("/redirect", {}, {302}, set()), ("/redirect", {"follow_redirects": True}, {200}, set()),
    ("/loop", {"follow_redirects": True, "duration_s": 0.2}, set(), {"too many redirects"}), ("/session", {}, {401}, set()), ("/session", {"cookies": True}, {200, 401}, set()),
    ("/digest", {"digest": ("u", "p")}, {200}, set()), ("/digest", {"digest": ("u", "wrong")}, {401}, set()), ("/truncated", {}, set(), {"truncated body"}),
    ("/drop", {}, set(), {"connection closed before answer"}), ("/not-http", {}, set(), {"malformed answer: status line"}), ("/trickle", {"timeout_s": 0.5}, set(), {"timeout response"}),
])
def test_what_is_counted(server, path, plan, statuses, errors):
    server.truth()
    found = sent(server, path, **plan)
    assert (set(found.statuses), set(found.errors)) == (statuses, errors) and found.client.cpu_s > 0 and found.engine == "requests"
    if "follow_redirects" not in plan and path != "/digest":
        assert server.truth()[path][0] == found.accounting.started > 1
    if "cookies" in plan:
        assert found.statuses[401].total == 2 < found.statuses[200].total


def test_proxy_sees_the_whole_url(server):
    server.truth()
    plan = Plan([Target("http://nowhere.invalid/x")], concurrency=1, duration_s=0.2, proxy=server.url, timeout_s=2.0)
    assert list(closed_books(threads.run_slots(plan, None)[0]).statuses) == [200] and server.truth()["/x"][2].startswith("GET http://nowhere.invalid/x ")


def test_refused_port_and_dead_name():
    plan = Plan([Target("http://127.0.0.1:9/")], concurrency=1, duration_s=0.1, timeout_s=1.0)
    assert set(threads.run_slots(plan, None)[0].errors) == {"connect refused"}
    with pytest.raises(CommandError, match="cannot be reached"):
        threads.run_plan(plan)


def test_body_headers_and_data(server):
    server.truth()
    target = {"method": "POST", "headers": [("X-Who", "{{who}}")], "body": b'{"who": "{{who}}", "n": {{n}}}'}
    sent(server, "/ok?q={{who}}", data=[{"who": 'a "b" &', "n": 7}], **target)
    line, head, body = server.truth()["/ok"][2:]
    assert json.loads(body) == {"who": 'a "b" &', "n": 7} and 'X-Who: a "b" &' in head and "Content-Type: application/json" in head and line.startswith("POST /ok?q=a%20%22b%22%20%26 ")


def test_open_model_sends_at_its_rate_and_counts_waiting(server):
    found = sent(server, "/slow", model="open", rate_per_s=50.0, concurrency=4, duration_s=1.0)
    assert found.accounting.started + found.accounting.never_sent == 50 and found.accounting.started >= 45
    slow = sent(server, "/slow", model="open", rate_per_s=200.0, concurrency=1, duration_s=1.0)
    assert slow.accounting.started + slow.accounting.never_sent == 200 and slow.accounting.never_sent > 100
    assert slow.latency.percentile_ms(90) > 400 > slow.service.percentile_ms(50)


def test_warmup_stages_and_weights(server):
    server.truth()
    found = sent(server, "/slow", warmup_s=0.3, duration_s=0.4)
    assert server.truth()["/slow"][0] > found.accounting.started > 0
    staged = sent(server, "/slow", stages=[Stage(0.5, 4), Stage(0.0, 0), Stage(0.3, 0)], duration_s=0.8, concurrency=4)
    assert staged.accounting.started > 0 and staged.timeline[0].started > 0
    plan = Plan([Target(server.url + "/a", weight=3), Target(server.url + "/b")], mode="mix", concurrency=4, duration_s=0.8, timeout_s=2.0)
    often, seldom = map(closed_books, threads.run_slots(plan, None))
    assert 2 < often.accounting.started / seldom.accounting.started < 4.5


def test_calibration_knows_when_the_client_is_the_limit(server):
    said: list[str] = []
    found = threads.run_plan(Plan([Target(server.url + "/ok")], concurrency=4, duration_s=0.5, timeout_s=2.0), say=said.append)[0]
    assert "requests/s on this machine" in said[0]
    ceiling = threads.Ceiling(4, 1000.0, 1.0, 5.0)
    for answered, said in ((499, ""), (900, "90%")):
        found.answered, found.seconds, found.client.reason = answered, 1.0, ""
        ceiling.judge([found])
        assert bool(found.client.reason) == bool(said) and said in found.client.reason


def test_measurements_and_plans_survive_the_way_between_processes():
    plan = Plan([Target("http://a/", "POST", [("A", "b")], b"\xff\x00", 2)], stages=[Stage(1.0, 2.0)], digest=("u", "p"), data=[{"a": 1}])
    assert restored(Plan, json.loads(json.dumps(plain(plan)))) == plan
    books = Books(plan, "locust")
    (recorder,) = books.recorders
    recorder.started = 2
    recorder.answer(200, 100_000, 100_000, 5)
    recorder.failure("dns", 0.1)
    books.pour(1e9)
    (measurement,) = books.close({}, {}, 10.0, False, Client())
    assert restored(Measurement, json.loads(json.dumps(plain(measurement)))) == measurement


# Locust


@pytest.fixture(scope="session")
def locust_python() -> str:
    """An interpreter that has Locust: this one, or that of an environment of its own in the cache, made by one test process at a time."""
    if importlib.util.find_spec("locust"):
        return sys.executable
    folder = CACHE / "locust"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    with locked(CACHE / "locust.lock"):
        for command in ([sys.executable, "-m", "venv", folder], [python, "-m", "pip", "install", "-q", "locust", "requests"]):
            if python.exists() and not subprocess.run([python, "-c", "import locust"], capture_output=True).returncode:
                break
            if subprocess.run(command, capture_output=True).returncode:
                pytest.skip(f"Locust cannot be installed: {' '.join(map(str, command))}")
    return str(python)


def run_tester(*arguments: object, **options) -> Result:
    return run_script("api_load_tester", *arguments, "--json", timeout=90, **options)


def same_report(server, done: Result, workers: int) -> int:
    """Requests that were sent, as the server counts them too."""
    assert done.code == 0, done.err
    (result,) = done.report["results"]
    books = result["accounting"]
    assert books["started"] == books["ok"] + books["failed"] + books["in_flight"] == server.truth()["/slow"][0]
    assert books["ok"] > 40 and result["engine"] == "locust" and result["client"]["workers"] == workers
    assert result["status_codes"] == {"200": result["total_requests"]} and 20 <= result["latency_p50"] < 200
    return books["started"]


ARGUMENTS = ["--engine", "locust", "-c", 4, "-d", 1.5, "-t", 2]


@pytest.mark.parametrize("workers", [1, 2])
def test_locust_engine_gives_the_same_report(server, locust_python, workers):
    """One worker runs locally; two run under a master on 127.0.0.1."""
    server.truth()
    same_report(server, run_tester(server.url + "/slow", *ARGUMENTS, "--workers", workers, python=locust_python), workers)


def test_locust_master_waits_for_workers_of_other_machines(server, locust_python):
    """One master and two workers that find it, as on three machines."""
    with socket.socket() as probe:
        if not probe.connect_ex(("127.0.0.1", locust_engine.MASTER_PORT)):
            pytest.skip(f"port {locust_engine.MASTER_PORT} is taken")
    server.truth()
    command = [locust_python, str(ROOT / "scripts/api_load_tester.py"), "--worker-of", "127.0.0.1", "--workers", "2", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as helper:
        done = run_tester(server.url + "/slow", *ARGUMENTS, "--master", 2, python=locust_python)
        report = json.loads(helper.communicate(timeout=30)[0])
    assert report["requests_sent"] == same_report(server, done, 2) and report["exit_code"] == helper.returncode == 0


def test_locust_is_asked_for_with_the_command_that_installs_it(server):
    if importlib.util.find_spec("locust"):
        pytest.skip("Locust is installed here")
    done = run_tester(server.url, "--engine", "locust")
    assert done.code == done.report["exit_code"] == 4 and done.report["error"]["code"] == "MISSING_DEPENDENCY" and "locust" in done.report["error"]["hint"]


# Scripts for others

HOSTILE = "a\"'`${x}\\\n</script>\u2028 @@url@@ {{ field"


def exported(tmp_path: pathlib.Path, kind: str, plan: Plan, wanted: Wanted = Wanted()) -> pathlib.Path:
    file = tmp_path / {"k6": "load.js", "locust": "locustfile.py"}[kind]
    file.write_text(script(kind, plan, file.name, wanted), encoding="utf-8")
    return file


def exported_plan(url: str, **options) -> Plan:
    targets = [Target(f"{url}/ok?x=1", "POST", [("Authorization", "Bearer s3cret"), ("X-Odd", 'it\'s "odd"')], HOSTILE.encode(), 3), Target(f"{url}/missing", headers=[("Accept", "text/plain")])]
    return Plan(targets, **{"concurrency": 3, "duration_s": 2.0, "timeout_s": 5.0, "mode": "mix", **options})


K6_STUBS = {
    "package.json": '{"name": "k6", "type": "module", "exports": {".": "./k6.js", "./http": "./http.js", "./encoding": "./encoding.js"}}',
    "k6.js": "export const check = (answer, tests) => Object.values(tests).every((test) => test(answer));",
    "encoding.js": "export default { b64decode: (text) => new Uint8Array(Buffer.from(text, 'base64')).buffer };",
    "http.js": "export default { sent: [], setResponseCallback() {}, expectedStatuses: (...all) => all,\n"
    "  request(...request) { this.sent.push(request); return { status: 200 }; } };",
}
K6_DRIVER = """
globalThis.__ENV = { AUTHORIZATION: 'Bearer from environment' };
globalThis.open = () => '{"field": "a b\\\\"c"}\\n';
const script = await import('./load.mjs');
const http = (await import('k6/http')).default;
for (let n = 0; n < 400; n++) script.default();
console.log(JSON.stringify({ options: script.options, sent: http.sent }));
"""


def run_k6(tmp_path: pathlib.Path, plan: Plan, wanted: Wanted = Wanted()) -> dict:
    """The script run by Node with k6's modules replaced by ones that note what they are asked."""
    node = shutil.which("node") or pytest.skip("no Node.js on this machine")
    exported(tmp_path, "k6", plan, wanted).rename(tmp_path / "load.mjs")
    (tmp_path / "node_modules" / "k6").mkdir(parents=True)
    for name, text in K6_STUBS.items():
        (tmp_path / "node_modules" / "k6" / name).write_text(text, encoding="utf-8")
    (tmp_path / "driver.mjs").write_text(K6_DRIVER, encoding="utf-8")
    done = subprocess.run([node, "driver.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_k6_script_sends_what_the_plan_says(tmp_path):
    ran = run_k6(tmp_path, exported_plan("http://127.0.0.1:1"), Wanted(250.0, 0.01))
    posts = [request for request in ran["sent"] if request[0] == "POST"]
    assert 240 < len(posts) < 350
    method, url, body, params = posts[0]
    assert (url, body, params["timeout"], params["redirects"]) == ("http://127.0.0.1:1/ok?x=1", HOSTILE, "5s", 0)
    assert params["headers"]["Authorization"] == "Bearer from environment" and params["headers"]["X-Odd"] == 'it\'s "odd"'
    assert ran["options"]["scenarios"]["load"] == {"executor": "constant-vus", "vus": 3, "duration": "2s", "startTime": "0s", "gracefulStop": "2s"}
    assert ran["options"]["thresholds"] == {"http_req_duration{scenario:load}": ["p(99)<=250"], "http_req_failed{scenario:load}": ["rate<=0.01"]}


def test_k6_script_of_open_stages_with_data_and_binary_body(tmp_path):
    targets = [Target("http://h/{{field}}", "PUT", [("X", "{{field}}")], b'{"f": "{{field}}"}'), Target("http://h/b", "PUT", [], b"\xff\xfe")]
    plan = Plan(targets, mode="mix", model="open", rate_per_s=0.5, stages=[Stage(10, 20.0)], data=[{"field": 'a b"c'}], concurrency=9, duration_s=10, expect_status=201)
    ran = run_k6(tmp_path, plan, Wanted(data_path="rows.jsonl"))
    url, body, params = next(request[1:] for request in ran["sent"] if request[1] != "http://h/b")
    assert url == "http://h/a%20b%22c" and json.loads(body) == {"f": 'a b"c'} and params["headers"]["X"] == 'a b"c'
    wanted = {"executor": "ramping-arrival-rate", "timeUnit": "1m", "startRate": 30, "maxVUs": 9, "stages": [{"duration": "10s", "target": 1200}]}
    assert ran["options"]["scenarios"]["load"] | wanted == ran["options"]["scenarios"]["load"]
    assert ran["options"]["thresholds"] == {"checks{scenario:load}": ["rate==1"]}


def test_k6_script_tests_urls_one_after_the_other(tmp_path):
    plan = Plan([Target("http://h/1"), Target("http://h/2")], duration_s=5, warmup_s=1)
    scenarios = run_k6(tmp_path, plan)["options"]["scenarios"]
    assert [(name, one["startTime"], one["env"]["TARGET"]) for name, one in scenarios.items()] == [
        ("warmup_1", "0s", "0"), ("load_1", "1s", "0"), ("warmup_2", "8s", "1"), ("load_2", "9s", "1")]


def test_scripts_hold_no_secrets(tmp_path):
    for kind in ("k6", "locust"):
        text = exported(tmp_path, kind, exported_plan("http://h")).read_text(encoding="utf-8")
        assert "s3cret" not in text and "AUTHORIZATION" in text and text.isascii()


def test_locust_script_runs_and_judges(server, locust_python, tmp_path):
    plan = exported_plan(server.url, duration_s=3.0)
    file = exported(tmp_path, "locust", plan, Wanted(p99_ms=5000, max_error_share=0.05))
    server.truth()
    command = [locust_python, "-m", "locust", "-f", str(file), "--headless", "--only-summary", "--exit-code-on-error", "0"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, env={**os.environ, "AUTHORIZATION": "Bearer from environment"})
    assert done.returncode == 1, done.stderr  # a quarter of the requests gets a 404
    truth = server.truth()
    assert truth["/ok"][0] > truth["/missing"][0] > 0 and "Authorization: Bearer from environment" in truth["/ok"][3]
    assert "POST /ok?x=1" in done.stderr + done.stdout and "HTTP 404" in done.stderr + done.stdout
