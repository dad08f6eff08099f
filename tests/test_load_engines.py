"""The engines requests and locust, and the scripts for k6 and Locust that people run on their own."""

from __future__ import annotations

import importlib.util
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

import pytest
from conftest import CACHE, ROOT
from node_server import locked
from web_server import web_server

from senior_backend.console import CommandError
from senior_backend.load.engine import locust_engine, threads
from senior_backend.load.plan import export
from senior_backend.load.measure.recorders import Books
from senior_backend.load.measure.measurement import Client, Measurement, plain, restored
from senior_backend.load.plan.model import Plan, Stage, Target

LOAD_TESTER = ROOT / "scripts" / "api_load_tester.py"


@pytest.fixture
def server():
    with web_server() as running:
        yield running


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


def test_requests_engine_counts_as_the_server_does(server):
    found = sent(server, "/wait", concurrency=4, duration_s=0.6)
    assert server.seen["GET /wait"] == found.accounting.started > 20
    assert list(found.statuses) == [200] and found.latency.min_ms >= 20
    assert found.client.cpu_s > 0 and found.engine == "requests"


def test_redirects_are_answers_unless_followed(server):
    assert list(sent(server, "/moved").statuses) == [302]
    assert list(sent(server, "/moved", follow_redirects=True).statuses) == [200]
    assert set(sent(server, "/loop", follow_redirects=True, duration_s=0.2).errors) == {"too many redirects"}


def test_cookies_are_kept_only_when_asked(server):
    assert set(sent(server, "/cookie").statuses) == {401}
    kept = sent(server, "/cookie", cookies=True)
    assert kept.statuses[401].total == 2 and kept.statuses[200].total > 2


def test_digest(server):
    assert list(sent(server, "/digest", digest=("u", "p")).statuses) == [200]
    assert list(sent(server, "/digest", digest=("u", "wrong")).statuses) == [401]


def test_proxy_sees_the_whole_url(server):
    plan = Plan([Target("http://nowhere.invalid/x")], concurrency=1, duration_s=0.2, proxy=server.url, timeout_s=2.0)
    assert list(closed_books(threads.run_slots(plan, None)[0]).statuses) == [200]
    assert server.seen["GET http://nowhere.invalid/x"] > 0


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/truncated", "truncated body"), ("/dropped", "connection closed before answer"), ("/garbage", "malformed answer: status line"), ("/slow", "timeout response")],
)
def test_faults_have_the_names_of_the_raw_engine(server, path, kind):
    found = sent(server, path, timeout_s=0.5)
    assert set(found.errors) == {kind} and not found.statuses


def test_refused_port_and_dead_name():
    plan = Plan([Target("http://127.0.0.1:9/")], concurrency=1, duration_s=0.1, timeout_s=1.0)
    assert set(threads.run_slots(plan, None)[0].errors) == {"connect refused"}
    with pytest.raises(CommandError, match="cannot be reached"):
        threads.run_plan(plan)


def test_body_headers_and_data(server):
    target = {"method": "POST", "headers": [("X-Who", "{{who}}")], "body": b'{"who": "{{who}}", "n": {{n}}}'}
    sent(server, "/ok?q={{who}}", data=[{"who": 'a "b" &', "n": 7}], **target)
    headers, body = server.last
    assert json.loads(body) == {"who": 'a "b" &', "n": 7} and headers["X-Who"] == 'a "b" &' and headers["Content-Type"] == "application/json"
    assert server.seen["POST /ok?q=a%20%22b%22%20%26"] > 0


def test_open_model_sends_at_its_rate_and_counts_waiting(server):
    found = sent(server, "/wait", model="open", rate_per_s=50.0, concurrency=4, duration_s=1.0)
    assert found.accounting.started + found.accounting.never_sent == 50 and found.accounting.started >= 45
    slow = sent(server, "/wait", model="open", rate_per_s=200.0, concurrency=1, duration_s=1.0)
    assert slow.accounting.started + slow.accounting.never_sent == 200 and slow.accounting.never_sent > 100
    assert slow.latency.percentile_ms(90) > 400 > slow.service.percentile_ms(50)


def test_warmup_and_stages_are_not_more_than_asked(server):
    found = sent(server, "/wait", warmup_s=0.3, duration_s=0.4)
    assert server.seen["GET /wait"] > found.accounting.started > 0
    staged = sent(server, "/wait", stages=[Stage(0.5, 4), Stage(0.0, 0), Stage(0.3, 0)], duration_s=0.8, concurrency=4)
    assert staged.accounting.started > 0 and staged.timeline[0].started > 0


def test_mix_chooses_by_weight(server):
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


def run_tester(python: str, *arguments: object, **options) -> subprocess.CompletedProcess:
    return subprocess.run([python, str(LOAD_TESTER), *map(str, arguments)], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=90, **options)


def same_report(server, done: subprocess.CompletedProcess, workers: int) -> None:
    assert done.returncode == 0, done.stderr
    (result,) = json.loads(done.stdout)["results"]
    books = result["accounting"]
    assert books["started"] == books["ok"] + books["failed"] + books["in_flight"] == server.seen["GET /wait"]
    assert books["ok"] > 40 and result["engine"] == "locust" and result["client"]["workers"] == workers
    assert result["status_codes"] == {"200": result["total_requests"]} and 20 <= result["latency_p50"] < 200


@pytest.mark.parametrize("workers", [1, 2])
def test_locust_engine_gives_the_same_report(server, locust_python, workers):
    """One worker runs locally; two run under a master on 127.0.0.1."""
    same_report(server, run_tester(locust_python, server.url + "/wait", "--engine", "locust", "--workers", workers, "-c", 4, "-d", 1.5, "-t", 2, "--json"), workers)


def test_locust_master_waits_for_workers_of_other_machines(server, locust_python):
    """One master and two workers that find it, as on three machines."""
    with socket.socket() as probe:
        if not probe.connect_ex(("127.0.0.1", locust_engine.MASTER_PORT)):
            pytest.skip(f"port {locust_engine.MASTER_PORT} is taken")
    command = [locust_python, str(LOAD_TESTER), "--worker-of", "127.0.0.1", "--workers", "2", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as helper:
        done = run_tester(locust_python, server.url + "/wait", "--engine", "locust", "--master", 2, "-c", 4, "-d", 1.5, "-t", 2, "--json")
        report = json.loads(helper.communicate(timeout=30)[0])
    same_report(server, done, 2)
    assert report["requests_sent"] == server.seen["GET /wait"] and report["exit_code"] == helper.returncode == 0


def test_locust_is_asked_for_with_the_command_that_installs_it(server):
    if importlib.util.find_spec("locust"):
        pytest.skip("Locust is installed here")
    done = run_tester(sys.executable, server.url, "--engine", "locust", "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == answer["exit_code"] == 4
    assert answer["error"]["code"] == "MISSING_DEPENDENCY" and "locust" in answer["error"]["hint"]
    with pytest.raises(CommandError):
        locust_engine.check_installed()


# Scripts for others

HOSTILE = "a\"'`${x}\\\n</script>\u2028 @@url@@ {{ field"


def exported(tmp_path: pathlib.Path, kind: str, plan: Plan, wanted: export.Wanted = export.Wanted()) -> pathlib.Path:
    file = tmp_path / {"k6": "load.js", "locust": "locustfile.py"}[kind]
    file.write_text(export.script(kind, plan, file.name, wanted), encoding="utf-8")
    return file


def exported_plan(url: str, **options) -> Plan:
    targets = [
        Target(f"{url}/ok?x=1", "POST", [("Authorization", "Bearer s3cret"), ("X-Odd", 'it\'s "odd"')], HOSTILE.encode(), 3),
        Target(f"{url}/missing", headers=[("Accept", "text/plain")]),
    ]
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


def run_k6(tmp_path: pathlib.Path, plan: Plan, wanted: export.Wanted = export.Wanted()) -> dict:
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
    ran = run_k6(tmp_path, exported_plan("http://127.0.0.1:1"), export.Wanted(250.0, 0.01))
    posts = [request for request in ran["sent"] if request[0] == "POST"]
    assert 240 < len(posts) < 350
    method, url, body, params = posts[0]
    assert (url, body, params["timeout"], params["redirects"]) == ("http://127.0.0.1:1/ok?x=1", HOSTILE, "5s", 0)
    assert params["headers"]["Authorization"] == "Bearer from environment" and params["headers"]["X-Odd"] == 'it\'s "odd"'
    assert ran["options"]["scenarios"]["load"] == {"executor": "constant-vus", "vus": 3, "duration": "2s", "startTime": "0s", "gracefulStop": "2s"}
    assert ran["options"]["thresholds"] == {"http_req_duration{scenario:load}": ["p(99)<=250"], "http_req_failed{scenario:load}": ["rate<=0.01"]}


def test_k6_script_of_open_stages_with_data_and_binary_body(tmp_path):
    plan = Plan(
        [Target("http://h/{{field}}", "PUT", [("X", "{{field}}")], b'{"f": "{{field}}"}'), Target("http://h/b", "PUT", [], b"\xff\xfe")],
        mode="mix",
        model="open",
        rate_per_s=0.5,
        stages=[Stage(10, 20.0)],
        data=[{"field": 'a b"c'}],
        concurrency=9,
        duration_s=10,
        expect_status=201,
    )
    ran = run_k6(tmp_path, plan, export.Wanted(data_path="rows.jsonl"))
    url, body, params = next(request[1:] for request in ran["sent"] if request[1] != "http://h/b")
    assert url == "http://h/a%20b%22c" and json.loads(body) == {"f": 'a b"c'} and params["headers"]["X"] == 'a b"c'
    assert (
        ran["options"]["scenarios"]["load"] | {"executor": "ramping-arrival-rate", "timeUnit": "1m", "startRate": 30, "maxVUs": 9, "stages": [{"duration": "10s", "target": 1200}]}
        == ran["options"]["scenarios"]["load"]
    )
    assert ran["options"]["thresholds"] == {"checks{scenario:load}": ["rate==1"]}


def test_k6_script_tests_urls_one_after_the_other(tmp_path):
    plan = Plan([Target("http://h/1"), Target("http://h/2")], duration_s=5, warmup_s=1)
    scenarios = run_k6(tmp_path, plan)["options"]["scenarios"]
    assert [(name, one["startTime"], one["env"]["TARGET"]) for name, one in scenarios.items()] == [
        ("warmup_1", "0s", "0"),
        ("load_1", "1s", "0"),
        ("warmup_2", "8s", "1"),
        ("load_2", "9s", "1"),
    ]


@pytest.mark.parametrize("kind", ["k6", "locust"])
def test_scripts_hold_no_secrets(tmp_path, kind):
    text = exported(tmp_path, kind, exported_plan("http://h")).read_text(encoding="utf-8")
    assert "s3cret" not in text and "AUTHORIZATION" in text and text.isascii()


def test_locust_script_runs_and_judges(server, locust_python, tmp_path):
    plan = exported_plan(server.url, duration_s=3.0)
    file = exported(tmp_path, "locust", plan, export.Wanted(p99_ms=5000, max_error_share=0.05))
    begin = time.monotonic()
    done = subprocess.run(
        [locust_python, "-m", "locust", "-f", str(file), "--headless", "--only-summary", "--exit-code-on-error", "0"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "AUTHORIZATION": "Bearer from environment"},
    )
    assert done.returncode == 1, done.stderr  # a quarter of the requests gets a 404
    assert time.monotonic() - begin < 30
    assert server.seen["POST /ok?x=1"] > server.seen["GET /missing"] > 0
    assert "POST /ok?x=1" in done.stderr + done.stdout and "HTTP 404" in done.stderr + done.stdout
