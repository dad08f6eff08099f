"""Comparisons (their statistics, verdicts and baselines), and api_load_tester as its users meet it: options, console, JSON, pages."""
from __future__ import annotations

import copy
import dataclasses
import html.parser
import itertools
import json
import math
import os
import pytest
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from conftest import CACHE, ROOT, Result, in_process, run_script
from hypothesis import given, strategies as st
from node_server import locked

from senior_backend.console import CommandError
from senior_backend.load import baseline, command, options, report as page
from senior_backend.load.limit import Finding
from senior_backend.load.measure import Books, Client, Measurement, Part, Recorder, merged
from senior_backend.load.plan import Plan, Target
from senior_backend.load.verdicts import Comparison, Ranks, compare, judged, score_interval, share_difference_interval, sign_flip_p_value, student_t, unrejected

PLAN = Plan([Target("http://a/"), Target("http://b/")], mode="compare", concurrency=40)


def two_runs(seed: int, ratio: float = 1.0, per_block: int = 400, drift: float = 0.1, broken: tuple[float, float] = (0.0, 0.0)) -> list[Measurement]:
    """Two arms of 20 blocks: lognormal latencies (median 5 ms, sigma 0.3) times a drift common to both, B's longer by the ratio; a few stalls."""
    source, arms = random.Random(seed), [Measurement(Target(url)) for url in ("http://a/", "http://b/")]
    for _ in range(20):
        level, stall = 5000 * math.exp(source.gauss(0, drift)), source.random() < 0.05
        for arm in arms:
            arm.blocks.append(Part(seconds=0.5))
        for number in range(per_block):
            which = source.random() < 0.5
            block = arms[which].blocks[-1]
            if source.random() < broken[which]:
                block.failed, block.broken = block.failed + 1, block.broken + 1
                continue
            wait = 100_000 - 1000 * number if stall and number < 100 else 0
            block.histogram.add(round(level * math.exp(source.gauss(0, 0.3)) * (ratio if which else 1) + wait))
            block.answered += 1
    return arms


def verdicts(seed: int, ratio: float = 1.0, **options) -> dict[str, str]:
    return {name: metric.verdict for name, metric in compare(PLAN, *two_runs(seed, ratio, **options)).metrics.items()}


def test_false_verdicts_and_power():
    """Of 60 comparisons of equals at most 2 say otherwise (1 in 100 is aimed at); +10 % at p50 is always seen, +5 % nearly always."""
    equal = [verdicts(seed) for seed in range(60)]
    assert sum(bool({"faster", "slower"} & set(one.values())) for one in equal) <= 2
    assert all(verdicts(1000 + seed, 1.10)["latency_p50"] == "slower" for seed in range(20))
    assert sum(verdicts(2000 + seed, 1.05)["latency_p50"] == "slower" for seed in range(30)) >= 26


def test_figures_are_those_of_the_report_and_the_interval_holds_the_difference():
    a, b = two_runs(5, 1.08)
    for name, percent in (("latency_p50", 50), ("latency_p95", 95), ("latency_p99", 99)):
        metric = compare(PLAN, a, b).metrics[name]
        whole = [merged(block.histogram for block in arm.blocks).percentile_ms(percent) for arm in (a, b)]
        assert (metric.a, metric.b) == (pytest.approx(whole[0], abs=0.002), pytest.approx(whole[1], abs=0.002))
        assert metric.difference == pytest.approx(100 * (metric.b / metric.a - 1))
        lower, upper = metric.interval
        assert (lower is None or lower <= metric.difference) and (upper is None or metric.difference <= upper)


def test_few_requests_are_inconclusive():
    found = compare(PLAN, *two_runs(9, per_block=1))
    assert {metric.verdict for metric in found.metrics.values()} == {"inconclusive"}
    assert any("blocks of time" in reason for reason in found.reasons)


def test_a_silent_target_is_inconclusive_not_an_error():
    found = compare(PLAN, *two_runs(10, broken=(0.0, 1.0)))
    assert found.metrics["latency_p50"].verdict == "inconclusive" and found.metrics["latency_p50"].b is None
    assert found.metrics["error_rate"].verdict == "slower" and compare(PLAN, *two_runs(8)).metrics["error_rate"].verdict == "no difference"
    assert json.loads(json.dumps(found.as_json()))["metrics"]["latency_p50"]["interval"] == [None, None]


def test_open_model_compares_what_was_answered_of_the_rate():
    plan = Plan(PLAN.targets, mode="compare", model="open", rate_per_s=800, concurrency=40)
    metric = compare(plan, *two_runs(11, broken=(0.0, 0.1))).metrics["requests_per_second"]
    assert metric.a == pytest.approx(400) and metric.b == pytest.approx(360, rel=0.05) and metric.verdict == "slower"


@pytest.mark.parametrize("interval, verdict", [((1.0, 8.0), "slower"), ((-8.0, -1.0), "faster"), ((-2.0, 2.0), "no difference"), ((1.0, 2.0), "no difference"), ((-1.0, 8.0), "inconclusive"),
                                               ((None, 2.0), "inconclusive"), ((4.0, None), "slower")])
def test_verdict_of_an_interval(interval, verdict):
    assert judged("latency_p50", 1.0, 1.0, 0.0, interval, 3.0).verdict == verdict
    assert verdict != "slower" or judged("requests_per_second", 1.0, 1.0, 0.0, interval, 3.0).verdict == "faster"


# Stored runs


def report(p50: float = 5.0, url: str = "http://a/", failed: int = 0, recorded_at: str = "2026-01-01T10:00:00+00:00", **plan) -> dict:
    result = {"target_url": url, "method": "GET", "total_requests": 4000, "failed_requests": failed, "latency_p50": p50, "latency_p95": 2 * p50, "latency_p99": 3 * p50,
              "requests_per_second": 2000 / p50}
    return {"results": [result], "run": {"recorded_at": recorded_at, "host": {"name": "h", "cpus": 2}, "plan": {"concurrency": 40, **plan}, "spread": [{"latency_p50": 0.005}]}}


def stored(tmp_path, text: str) -> baseline.Baseline:
    path = tmp_path / "baseline.json"
    path.write_text(text, encoding="utf-8")
    return baseline.read(path)


@pytest.mark.parametrize("text, said", [("", "holds no run"), ("[]", "holds no run"), ("{", "not JSON"), ('{"a": 1}', "not a report"), ('{"results": []}', "not a report"), ("[1]", "not a report"),
                                        ('{"results": [{"target_url": "u"}]}', "without a usable"), ("[" * 100_000, "not JSON")])
def test_what_is_no_baseline_is_refused(tmp_path, text, said):
    with pytest.raises(CommandError, match=said) as refused:
        stored(tmp_path, text)
    assert "--output" in refused.value.hint


def test_one_stored_run_says_little_and_several_more(tmp_path):
    one = baseline.compare(report(6.0), stored(tmp_path, json.dumps(report(5.0))))[0]
    assert one.metrics["latency_p50"].verdict == "inconclusive"
    many = baseline.compare(report(6.0), stored(tmp_path, json.dumps([report(5.0 + 0.02 * n) for n in range(10)])))[0]
    assert many.metrics["latency_p50"].verdict == "slower"
    limited = report(50.0)
    limited["results"][0]["client"] = {"saturated": True, "reason": "its busiest process used 99% of a processor"}
    assert baseline.compare(limited, stored(tmp_path, "\n".join(json.dumps(report(5.0), indent=2) for _ in range(3))))[0].reasons == ["in this run the client was the limit: its busiest process used 99% of a processor"]
    assert baseline.compare(report(20.0), stored(tmp_path, json.dumps(report(5.0))))[0].slower[:1] == ["latency_p50"]


def test_warnings_name_what_differs(tmp_path):
    old = stored(tmp_path, json.dumps(report(recorded_at="2026-01-01T10:00:00+00:00")))
    new = report(recorded_at="2026-01-04T10:00:00+00:00", concurrency=80)
    new["run"]["host"] = {"name": "other", "cpus": 2}
    said = "\n".join(baseline.compare(new, old)[0].warnings)
    assert "name: h, now other" in said and "concurrency: 40, now 80" in said and "3 days old" in said and "holds 1 run" in said and "different times" in said


def test_results_find_their_own_target(tmp_path):
    old = report(5.0, "http://a/")
    old["results"].append(report(50.0, "http://b/")["results"][0])
    new = copy.deepcopy(old)
    new["results"].reverse()
    assert [round(one.metrics["latency_p50"].a, 6) for one in baseline.compare(new, stored(tmp_path, json.dumps(old)))] == [50.0, 5.0]
    with pytest.raises(CommandError, match="no run of GET http://c/"):
        baseline.compare(report(url="http://c/"), stored(tmp_path, json.dumps(old)))


# Statistics: exactness of p-values, coverage of intervals, quantiles, Student's t


def by_enumeration(differences: list[int]) -> float:
    sums = [abs(sum(sign * difference for sign, difference in zip(signs, differences))) for signs in itertools.product((1, -1), repeat=len(differences))]
    return sum(one >= abs(sum(differences)) for one in sums) / len(sums)


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=9))
def test_p_value_is_the_share_of_all_sign_patterns(differences):
    assert sign_flip_p_value(differences) == pytest.approx(by_enumeration(differences))


def test_interval_is_where_the_test_does_not_reject():
    noise = random.Random(3)
    values = [0.3 + noise.gauss(0, 0.1) for _ in range(16)]

    def p_value(shift: float) -> float:
        return sign_flip_p_value([value - shift for value in values])

    lower, upper = unrejected(p_value, sum(values) / 16, 0.01)
    assert p_value(lower) <= 0.01 < p_value(lower + 0.001) and p_value(upper) <= 0.01 < p_value(upper - 0.001)
    assert unrejected(lambda shift: 1.0, 0.0, 0.01) == (None, None), "no data bounds this end"


@given(st.dictionaries(st.integers(1, 10**6), st.integers(1, 50), min_size=1, max_size=40), st.floats(0.001, 0.999))
def test_quantile_and_count_are_inverse(counts, share):
    ranks = Ranks(counts)
    x = ranks.quantile(share)
    assert ranks.count_below(x) == pytest.approx(share * ranks.total, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(("share", "degrees", "expected"), [(0.975, 1, 12.706), (0.975, 4, 2.776), (0.998, 4, 5.951), (0.995, 19, 2.861), (0.025, 10, -2.228), (0.5, 3, 0.0)])
def test_student_t(share, degrees, expected):
    assert student_t(share, degrees) == pytest.approx(expected, abs=0.002)


def test_wilson_interval_matches_the_published_example():
    assert score_interval(0, 20, 0.05) == pytest.approx((0.0, 0.1611), abs=2e-4)
    assert share_difference_interval((56, 70), (48, 80), 0.05) == pytest.approx((-0.3339, -0.0524), abs=2e-4)  # Newcombe 1998, method 10
    assert score_interval(0, 0, 0.05) == (0.0, 1.0)


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


HOSTILE = "<script>alert(1)</script>\" onload='x' &amp; \u202e\x00"


def measured(plan: Plan, target: Target, factor: float = 1.0, seed: int = 1) -> Measurement:
    source, books = random.Random(seed), Books(dataclasses.replace(plan, targets=[target]))
    (recorder,) = books.recorders
    for number in range(int(plan.duration_s * 100)):
        books.pour(number * 10_000_000)
        recorder.started += 1
        if number % 50 == 0:
            recorder.failure("timeout response", 0.1)
        else:
            latency_us = round(5000 * factor * source.lognormvariate(0, 0.3))
            recorder.answer(503 if number % 49 == 0 else 200, latency_us, latency_us, 150)
    books.end()
    return books.close({}, {}, plan.duration_s, False, Client())[0]


class Reader(html.parser.HTMLParser):
    """Tags in order; checks that they nest."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.handle_startendtag(tag, attributes)
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    assert not reader.open
    return reader


@pytest.fixture
def compared() -> str:
    plan = Plan([Target("http://a.example/v1"), Target("http://a.example/v2")], mode="compare", concurrency=40, duration_s=10)
    measurements = [measured(plan, plan.targets[0]), measured(plan, plan.targets[1], 1.3, seed=2)]
    return page.render(plan, measurements, page.Extras([compare(plan, *measurements)], recommendations=["use an index"], recorded_at="2026-01-01"))


def test_page_is_whole_small_and_fetches_nothing(compared):
    reader = read(compared)
    said = " ".join(reader.text)
    for expected in ("GET http://a.example/v1", "slower", "Latency p50", "HTTP 503", "timeout response", "use an index", "Started 1,000 = ok", "measured 2026-01-01"):
        assert expected in said
    assert len(compared.encode()) < 100_000
    assert "script" not in reader.tags and "link" not in reader.tags and "img" not in reader.tags
    assert not [value for name, value in reader.attributes if name in ("src", "href") or name.startswith("on")]
    assert "url(" not in compared and "@import" not in compared and "default-src 'none'" in compared
    assert reader.tags.count("svg") >= 6


def test_everything_from_outside_is_escaped():
    plan = Plan([Target("http://user:hunter2@a.example/?api_key=s3cret" + HOSTILE, method="GET" + HOSTILE)], duration_s=2)
    seen = measured(plan, plan.targets[0])
    seen.errors[HOSTILE] = 3
    seen.notes[HOSTILE] = 1
    seen.client.saturated, seen.client.reason = True, HOSTILE
    finding = Finding(found=True, status=429, first_429_after=1, first_429_after_s=0.1, headers={"retry-after": HOSTILE}, notes=[HOSTILE])
    comparison = Comparison(HOSTILE, 0.01, HOSTILE, HOSTILE, {}, [HOSTILE], [HOSTILE])
    text = page.render(plan, [seen], page.Extras([comparison], finding, [HOSTILE], HOSTILE))
    reader = read(text)
    assert "hunter2" not in text and "s3cret" not in text and "***" in text
    assert "<script" not in text and "\u202e" not in text and "\x00" not in text
    assert "script" not in reader.tags and not [name for name, _ in reader.attributes if name.startswith("on")]
    assert "".join(reader.text).count("alert(1)") >= 8


def test_long_runs_and_many_targets_stay_small():
    plan = Plan([Target("http://a.example/" + "x" * 2000 + str(number)) for number in range(30)], duration_s=900, mode="mix")
    measurements = [Recorder(target, plan).measurement for target in plan.targets]
    for number, seen in enumerate(measurements):
        for place, second in enumerate(seen.timeline):
            second.answered = second.started = 1000 + place
            second.statuses = {200: second.answered}
            second.histogram.add(1000 * (1 + number) + place, second.answered)
            seen.latency.merge(second.histogram)
        seen.errors = {f"kind {kind} {HOSTILE * 50}": kind for kind in range(200)}
    notes = [HOSTILE * 50] * 50
    text = page.render(plan, measurements, page.Extras([Comparison(HOSTILE * 50, 0.01, "a" * 999, "b" * 999, {}, notes, notes)] * 30, None, notes))
    read(text)
    assert len(text.encode()) < 100_000
    assert "26 more targets" in text and "more kinds" in text


def test_run_without_an_answer_has_a_page():
    plan = Plan([Target("http://a.example/")], duration_s=1)
    seen = Recorder(plan.targets[0], plan).measurement
    assert "No request ended" in page.render(plan, [seen])


def chromium() -> str | None:
    """On the PATH, or Debian's package, which is installed when we are root there."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome-headless-shell")
    if not any(map(shutil.which, names)) and shutil.which("apt-get") and os.geteuid() == 0:
        command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", "chromium"]
        with locked(CACHE / "chromium.lock"):
            subprocess.run(command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, stdin=subprocess.DEVNULL, capture_output=True)
    return next(filter(None, map(shutil.which, names)), None)


def test_page_in_a_browser(compared, tmp_path):
    """In headless Chromium every chart is in the document and nothing is blocked (its policy forbids scripts), and the picture is no empty sheet."""
    browser = chromium() or pytest.skip("no Chromium on this machine, and none can be installed")
    page, picture = tmp_path / "page.html", tmp_path / "page.png"
    page.write_text(compared, encoding="utf-8")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--window-size=1100,1600", f"--user-data-dir={tmp_path / 'profile'}"]
    for flags in (["--dump-dom"], [f"--screenshot={picture}"]):
        done = subprocess.run([*command, *flags, page.as_uri()], capture_output=True, text=True, timeout=60, env={**os.environ, "HOME": str(tmp_path)})
        assert done.returncode == 0 and "Content Security Policy" not in done.stderr
        assert flags != ["--dump-dom"] or done.stdout.count("<svg") == compared.count("<svg")
    assert picture.stat().st_size > 30_000
