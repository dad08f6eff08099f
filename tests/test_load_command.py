"""The load tester as people and programs run it: what it refuses before any load, what it prints, its JSON, its exit codes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from conftest import ROOT, Result, in_process, run_script
from senior_backend.load import command, options

RESULT_KEYS = set("""target_url method duration_seconds concurrency total_requests successful_requests failed_requests requests_per_second latency_min latency_avg latency_p50 latency_p90
    latency_p95 latency_p99 latency_max latency_stddev errors_by_type status_codes total_bytes_received throughput_mbps accounting""".split())


def run(*arguments: object, **options) -> Result:
    return run_script("api_load_tester", *arguments, **options)


def run_json(*arguments: object, code: int = 0) -> dict:
    done = run(*arguments, "--json")
    assert done.code == done.report["exit_code"] == code, (done.err, done.report.get("error"))
    return done.report


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_json_of_a_run(server):
    report = run_json(server.url + "/ok", "-c", 4, "-d", 0.5)
    (result,) = report["results"]
    assert (report["tool"], report["status"]) == ("api_load_tester", "success") and RESULT_KEYS <= set(result)
    assert result["accounting"] == {"started": result["total_requests"], "ok": result["successful_requests"], "failed": 0, "in_flight": 0, "never_sent": 0}
    assert result["status_codes"] == {"200": result["total_requests"]} and result["status_latencies"]["200"]["p99"] == result["latency_p99"]
    assert result["requests_per_second"] == pytest.approx(result["total_requests"] / 0.5, rel=0.05)
    assert result["latency_min"] <= result["latency_p50"] <= result["latency_p90"] <= result["latency_p95"] <= result["latency_p99"] <= result["latency_max"]


def test_console(server):
    done = run(server.url + "/503", "-d", "500ms", "-v")
    words = ["Target:", "Method:", "Duration:", "Concurrency:", "THROUGHPUT", "Total requests:", "Requests/sec:", "Successful:", "Failed:", "LATENCY (ms)", "Min:", "Avg:", "P50:", "P90:", "P95:",
             "P99:", "Max:", "StdDev:", "ERRORS", "HTTP 503:", "TRANSFER", "RECOMMENDATIONS"]
    places = [done.out.find(word) for word in words]
    assert done.code == 1 and -1 not in places and places == sorted(places)
    assert done.out.isascii() and done.err == ""  # no terminal: no progress line


@pytest.mark.parametrize("arguments, said", [
    ([], "no URL"), (["nonsense"], "not an http:// or https:// URL"), (["ftp://a/"], "not an http:// or https:// URL"), (["http://"], "no host"), (["http://a:0/"], "port 0"),
    (["http://a:99999/"], "ort"), (["http://a b/"], "blanks"), (["URL", "-H", "no colon s3cret"], "no colon"), (["URL", "-H", "A: b\r\nX-Evil: s3cret"], "line break"),
    (["URL", "-H", "A B: s3cret"], "--header 1"), (["URL", "-H", "Content-Length: 3"], "Content-Length"), (["URL", "-b", "@missing-file"], "missing-file"),
    (["URL", "-c", "0"], "--concurrency 0"), (["URL", "-c", "-5"], "--concurrency -5"), (["URL", "-d", "0"], "--duration 0"), (["URL", "-d", "-1"], "--duration"),
    (["URL", "-d", "x"], "--duration x"), (["URL", "-t", "0"], "--timeout 0"), (["URL", "-t", "60", "-d", "10"], "longer than the test"), (["URL", "--rate", "0"], "--rate 0"),
    (["URL", "--rate", "nan"], "--rate nan"), (["URL", "--workers", "0"], "--workers 0"), (["URL", "--workers", "9", "-c", "4"], "--workers 9"),
    (["URL", "--stages", "10:5,x"], "--stages"), (["URL", "--stages", "10s:5", "-d", "3"], "--duration"), (["URL", "-m", "G ET"], "--method"),
    (["URL", "--compare"], "two URLs"), (["URL", "--compare", "missing.json"], "missing.json"), (["URL", "--mix"], "--mix"), (["URL", "URL", "--mix", "1,0"], "--mix 1,0"),
    (["URL", "--data", "missing.jsonl"], "missing.jsonl"), (["URL", "--targets", "missing.json"], "missing.json"), (["URL", "-o", "no/such/folder/x.json"], "no/such/folder"),
    (["URL", "--fail-on", "slower"], "--compare"), (["URL", "--follow-redirects", "--engine", "raw"], "--follow-redirects"), (["URL", "--p99-ms", "-1"], "--p99-ms"),
    (["URL", "--max-error-rate", "101"], "--max-error-rate 101"), (["URL/{{id}}"], "--data"), (["URL", "-o", "x.html", "--html", "./x.html"], "same file"),
    (["URL", "--engine", "requests", "--workers", "2"], "one process"), (["URL", "--worker-of", "127.0.0.1"], "no URL"),
    (["URL", "--expect-rate-limit", "--compare", "URL"], "several URLs"), (["URL", "--expect-rate-limit", "--rate", "5", "--warmup", "1"], "--rate, --warmup"),
    (["URL", "--expect-rate-limit", "--engine", "locust"], "--engine locust"), (["URL", "--unknown"], "--unknown"),
])
def test_bad_input_is_refused_before_any_load(server, arguments, said):
    server.truth()
    done = in_process(options.TOOL, options.parser(), command.load_test, *(argument.replace("URL", server.url + "/ok") for argument in arguments), "--json")
    assert done.code == 2 and said in done.report["error"]["message"] and done.report["status"] == "error"
    assert "s3cret" not in done.out + done.err and not server.truth()


def test_nobody_there_is_the_environment():
    for url, kind in ((f"http://127.0.0.1:{free_port()}/", "connect refused"), ("http://no-such-host.invalid/", "dns")):
        report = run_json(url, "-d", 1, code=4)
        assert report["results"][0]["errors_by_type"] == {kind: 1} and report["results"][0]["accounting"]["started"] == 1
        assert report["error"]["code"] == "UNREACHABLE"


def test_no_answer_is_no_success(server):
    report = run_json(server.url + "/drop", "-d", 0.3, code=1)
    assert report["error"]["code"] == "NO_ANSWER" and "connection closed before answer" in report["error"]["message"]
    assert run_json(server.url + "/hang", "-d", 0.3, "-c", 2, "-t", 0.5, code=1)["results"][0]["errors_by_type"] == {"timeout response": 2}


def test_secrets_are_masked_everywhere(server, tmp_path):
    url = server.url.replace("http://", "http://user:hush@") + "/cookie?access_token=hush&page=2"
    secrets = ["-H", "Authorization: Bearer hush", "-H", "Cookie: session=hush", "-H", "X-Api-Key: hush"]
    files = [tmp_path / "report.json", tmp_path / "page.html"]
    done = run(url, *secrets, "-d", 0.3, "-v", "-o", files[0], "--html", files[1])
    assert done.code == 0 and "page=2" in done.out and "Bearer ***" in done.out
    for text in (done.out, done.err, *(file.read_text(encoding="utf-8") for file in files), json.dumps(run_json(url, *secrets, "-d", 0.2))):
        assert "hush" not in text and "aHVzaA" not in text
    assert "Authorization: Bearer hush" in server.truth()["/cookie"][3]
    run(url, "-d", 0.2)
    assert "Authorization: Basic dXNlcjpodXNo" in server.truth()["/cookie"][3]


def test_expectations(server, tmp_path):
    assert run_json(server.url + "/400", "-d", 0.2, "--expect-status", 400)["results"][0]["failed_requests"] == 0
    assert run_json(server.url + "/ok", "-d", 0.2, "--expect-status", 201, code=1)["status"] == "findings"
    assert run_json(server.url + "/slow", "-d", 0.2, "--p99-ms", 5, code=1)["expectations"][0]["holds"] is False
    assert run_json(server.url + "/slow", "-d", 0.2, "--p99-ms", 5000)["expectations"][0]["holds"] is True
    run_json(server.url + "/503", "-d", 0.2, "--max-error-rate", 1, code=1)
    decision = tmp_path / "decision.json"
    decision.write_text(json.dumps({"targets": {"p50_ms": {"value": 5, "source": "profile"}, "p99_ms": {"value": 5000}, "uptime": {"value": 99.5}}}))
    expectations = {one["name"]: one["holds"] for one in run_json(server.url + "/slow", "-d", 0.2, "--targets", decision, code=1)["expectations"]}
    assert expectations == {"p50_ms": False, "p99_ms": True, "error_rate_percent": True}
    decision.write_text("{}")
    run_json(server.url + "/ok", "--targets", decision, code=2)


def test_compare_two_urls_and_stored_runs(server, tmp_path):
    page, stored = tmp_path / "page.html", tmp_path / "baseline.json"
    arguments = [server.url + "/ok", server.url + "/slow", "--compare", "-d", 1, "-c", 4]
    report = run_json(*arguments, "--fail-on", "slower", "--html", page, code=1)
    metric = report["comparison"]["metrics"]["latency_p50"]
    assert metric["verdict"] == "slower" and metric["b"] > 20 > metric["a"] and len(report["results"]) == 2
    assert set(report["comparison"]["metrics"]) == {"latency_p50", "latency_p95", "latency_p99", "requests_per_second", "error_rate"}
    assert "slower" in page.read_text(encoding="utf-8") and "COMPARISON" in run("--compare", *arguments[:2], "-d", 0.5).out
    run(server.url + "/slow", "-d", 0.5, "-o", stored)
    assert sum(second["answered"] for second in json.loads(stored.read_text())["results"][0]["timeline"]) > 0
    report = run_json(server.url + "/slow", "-d", 0.5, "--compare", stored, "--fail-on", "slower")
    assert report["comparison"]["method"].startswith("sequential")
    assert {metric["verdict"] for metric in report["comparison"]["metrics"].values()} <= {"inconclusive", "no difference"}


def test_rows_body_and_mix(server, tmp_path):
    rows, body = tmp_path / "rows.jsonl", tmp_path / "body.json"
    rows.write_text('{"id": 1}\n\n{"id": 2}\n')
    body.write_text('{"id": {{id}}}')
    server.truth()
    run_json(server.url + "/row-{{id}}", "--data", rows, "-b", f"@{body}", "-m", "post", "-d", 0.2)
    truth = server.truth()
    assert {path: counted[4] for path, counted in truth.items()} == {"/row-1": '{"id": 1}', "/row-2": '{"id": 2}'} and truth["/row-1"][2].startswith("POST ")
    rows.write_text('{"id": 1}\n{"no": 2}\n')
    assert "row 2" in run_json(server.url + "/{{id}}", "--data", rows, code=2)["error"]["message"]
    rows.write_text('{"id": 1}\n{"id"\n')
    assert f"{rows}:2" in run_json(server.url + "/{{id}}", "--data", rows, code=2)["error"]["message"]
    assert len(run_json(server.url + "/ok", server.url + "/204", "--mix", "3,1", "-d", 0.3)["results"]) == 2


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to send to a process on Windows")
@pytest.mark.parametrize("workers", [1, 2])
def test_interrupted_runs_report_what_they_measured(server, workers):
    process = subprocess.Popen([sys.executable, str(ROOT / "scripts/api_load_tester.py"), server.url + "/slow", "-d", "30", "--json", "--workers", str(workers)], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, start_new_session=True)
    server.truth()
    begin = time.monotonic()
    while server.truth().get("/slow", [0])[0] < 20 and time.monotonic() < begin + 20:
        time.sleep(0.05)
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=20)
    report = json.loads(out)
    (result,) = report["results"]
    assert process.returncode == report["exit_code"] == 130 and result["interrupted"] and "Traceback" not in err
    assert 0.3 < result["duration_seconds"] < 20 and result["successful_requests"] > 20
    assert result["accounting"]["started"] == result["accounting"]["ok"] + result["accounting"]["in_flight"]


def test_terminal_progress(server):
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    done = subprocess.run([sys.executable, str(ROOT / "scripts/api_load_tester.py"), server.url + "/ok", "-d", "1.2"], stdout=subprocess.PIPE, stderr=theirs, stdin=subprocess.DEVNULL)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert done.returncode == 0 and "requests/s" in shown and "p99" in shown and "0 errors" in shown
