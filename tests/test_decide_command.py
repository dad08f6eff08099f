"""backend_decision_engine.py as it is called: what it refuses and how, what it prints and writes, files of others, speed."""
from __future__ import annotations

import argparse
import http.server
import json
import os
import pathlib
import re
import resource
import subprocess
import sys
import threading
import time

import pytest

from senior_backend.decide import command, inputs, json_files, profiles, rules
from senior_backend.load import options as load_options

ROOT = pathlib.Path(__file__).resolve().parents[1]
DOOR = ROOT / "scripts" / "backend_decision_engine.py"
SEED = command.SEED.split()[2:]
STATED = ["--slo", "99.5", "--error-budget-owner", "Grace Hopper", "--rpo-minutes", "15", "--rto-minutes", "60"]
SCHEMA = json.loads((ROOT / "assets/decide/decision.schema.json").read_text(encoding="utf-8"))
# a profile in the first format, as an organisation may still have it
FIRST = {
    "profile_name": "kotlin-spring", "description": "our JVM teams", "version": "1.2",
    "constraints": {"team_size_min": 3, "team_size_max": 40, "tenancy": "shared-multi-tenant", "data_sensitivity_tier_max": "pii",
                                                                                                      "pattern": "modular monolith", "qps_p99_min": 0,
                                                                                                      "platform_team_exists": False, "admin_panel_needed": False},
    "stack": {"language": "Kotlin 2", "framework": "Spring Boot", "database": "PostgreSQL"}, "anti_recommendations": ["reflection at start"], "named_approver_chain": ["CTO"],
    "canon_references": ["Our handbook"],
    "success_thresholds": {"p50_api_latency_ms": 90, "p95_api_latency_ms": 300, "p99_api_latency_ms": 700, "uptime_target": 0.995, "test_coverage_min": 80,
                           "security_scan_severity_max": "medium", "rpo_minutes_max": 15,
                           "rto_minutes_max": 60, "throughput_rps_min": 200},
}


def run(*arguments: object, cwd: pathlib.Path | None = None, python: object = sys.executable, **more: object) -> subprocess.CompletedProcess:
    return subprocess.run([str(python), str(DOOR), *map(str, arguments)], cwd=cwd, capture_output=True, text=True, encoding="utf-8", stdin=subprocess.DEVNULL, **more)


def decided(*arguments: object, code: int = 0, **more: object) -> dict:
    done = run(*arguments, "--output", "json", **more)
    assert done.returncode == code, done.stderr + done.stdout[:500]
    made = json.loads(done.stdout)
    assert made["exit_code"] == code and not list(json_files.violations(made, SCHEMA, SCHEMA))
    return made


def write(folder: pathlib.Path, name: str, data: object) -> pathlib.Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(data if isinstance(data, str) else json.dumps(data, indent=1), encoding="utf-8")
    return path


def changed(name: str, **more: object) -> dict:
    """A built-in profile as data with other top-level keys."""
    return {**json.loads((profiles.BUILT_IN / f"{name}.json").read_text(encoding="utf-8")), **more}


def test_the_seed_command_gives_node_express_with_every_figure_and_its_source():
    made = decided(*SEED)
    assert made["outcome"] == {"status": "provisional", "code": "UNSTATED_ANSWERS", "profile": "node-express", "runner_up": None, "approved": False}
    assert {name: one["value"] for name, one in made["targets"].items()} == {"p50_ms": 80, "p95_ms": 250, "p99_ms": 600, "uptime": 99.5, "rpo_minutes": 15, "rto_minutes": 60}
    assert all(one["source"] == "profile node-express 2.0.0" for one in made["targets"].values())
    assert {one["input"] for one in made["open_questions"]} == {"slo", "error_budget_owner", "rpo_minutes",
                                                                "rto_minutes"} and made["stack"] and made["anti_patterns"] and made["approvers"]
    assert decided(*SEED, *STATED)["outcome"]["status"] == "recommended" and decided(*SEED, *STATED)["targets"]["rto_minutes"] == {"value": 60, "source": "--rto-minutes"}
    assert all(row["source"] and row["formula"] and row["numbers"] for row in made["arithmetic"]) and any("unknown: run api_load_tester.py" in str(row["result"])
        for row in made["arithmetic"])


@pytest.mark.parametrize("pattern, size, profile, figures", [
    ("modular-monolith", 8, "node-express", (80, 250, 600, 99.5, 15, 60)), ("modular-monolith", 8, "fastapi-python", (60, 200, 500, 99.5, 15, 60)),
    ("modular-monolith", 8, "django-monolith", (100, 350, 800, 99.0, 15, 120)),
    ("extracted-service", 40, "go-or-rust-microservice", (20, 80, 200, 99.9, 5, 15)),
])
def test_the_four_profiles(pattern, size, profile, figures):
    language = {"node-express": "typescript", "fastapi-python": "python", "django-monolith": "python"}.get(profile, "rust")
    made = decided("--team-size", size, "--qps-p99", 1500 if size > 30 else 50, "--read-write-ratio", 20, "--tenancy", "shared-multi-tenant", "--data-sensitivity", "internal",
                   "--pattern", pattern,
                   "--language-preference", language, "--platform-team", str(size > 30).lower(), "--needs-admin-panel", str("django" in profile).lower())
    assert made["outcome"]["profile"] == profile and tuple(one["value"] for one in made["targets"].values()) == figures
    assert any("PostgreSQL" in pick["pick"] for pick in made["stack"])


def test_all_that_is_missing_is_named_at_once():
    done = run("--json")
    made = json.loads(done.stdout)
    assert done.returncode == 3 and made["outcome"]["code"] == "MISSING_INPUT" and made["outcome"]["approved"] is False and not made["targets"]
    assert [one["input"] for one in made["missing"]] == ["read_write_ratio", "qps_p99", "tenancy", "data_sensitivity", "pattern"]
    assert all(one["flag"] in made["error"]["message"] and one["example"] in made["error"]["hint"] and one["ask"].endswith("?") for one in made["missing"])
    assert "read-write-ratio 20" in run().stdout and run().returncode == 3


@pytest.mark.parametrize("code, more", [
    ("MICROSERVICES_UNSTAFFED", ["--pattern", "microservices"]), ("EVENT_DRIVEN_UNSTAFFED", ["--interaction", "event"]),
    ("COMPLIANCE_OWNER_MISSING", ["--data-sensitivity", "phi"]),
    ("COMPLIANCE_OWNER_MISSING", ["--data-sensitivity", "pci"]), ("RTO_EXCEEDS_ERROR_BUDGET", ["--slo", "99.99", "--rto-minutes", "60"]),
    ("PATTERN_WITHOUT_PROFILE", ["--pattern", "serverless"]),
    ("LANGUAGE_WITHOUT_PROFILE", ["--language-preference", "java"]), ("NO_PROFILE_FITS", ["--team-size", "200"]),
])
def test_refusals_recommend_nothing_and_say_what_clears_them(code, more):
    made = decided(*SEED, *more, code=3)
    assert made["outcome"]["code"] == made["error"]["code"] == code and made["outcome"]["profile"] is None and not made["targets"] and not made["stack"] and not made["approvers"]
    assert made["error"]["hint"] and (code == "NO_PROFILE_FITS" or made["kills"][0]["clears"] and made["kills"][0]["source"] and 1 <= made["kills"][0]["question"] <= 7)
    text = run(*SEED, *more).stdout
    assert code in text and "## Targets" not in text and "## Stack" not in text
    if code.endswith("_WITHOUT_PROFILE"):
        assert "gives node-express" in made["error"]["hint"] and "copy profiles/" in " ".join(made["kills"][0]["clears"])


def test_a_tie_names_the_question_that_breaks_it():
    answers = ["--team-size", 8, "--qps-p99", 50, "--read-write-ratio", 20, "--tenancy", "shared-multi-tenant", "--data-sensitivity", "pii", "--pattern", "modular-monolith",
               "--platform-team", "false"]
    made = decided(*answers, code=3)
    assert made["outcome"]["status"] == "tie" and made["outcome"]["tied"] == ["fastapi-python", "node-express"] and made["outcome"]["profile"] is None
    breaker = next(one for one in made["open_questions"] if one["breaks_tie"])
    assert breaker["flag"] in made["error"]["hint"] and decided(*answers, "--language-preference", "python")["outcome"]["profile"] == "fastapi-python"
    assert any(flip["input"] == breaker["input"] and flip["outcome"]["profile"] for flip in made["sensitivity"]["flips"])


BAD_VALUES = [("--team-size", "-3"), ("--team-size", "8.5"), ("--team-size", "many"), ("--qps-p99", "0"), ("--qps-p99", "nan"), ("--read-write-ratio", "nan"),
              ("--read-write-ratio", "inf"), ("--read-write-ratio", "-1"),
              ("--tenancy", "shared"), ("--data-sensitivity", "secret"), ("--pattern", "modular"), ("--platform-team", "yes"), ("--slo", "100"), ("--slo", "0.995"),
              ("--rto-minutes", "0"), ("--rpo-minutes", "-1"),
              ("--p99-ms", "inf"), ("--slo-window-days", "0"), ("--compliance-owner", " "), ("--dependencies", "99.9,x"), ("--error-budget-owner", "a\nb")]


def test_bad_values_are_named_together_with_what_is_expected():
    for flag, value in BAD_VALUES:
        done = run(*SEED, flag, value, "--json")
        report = json.loads(done.stdout)
        assert done.returncode == 2 and report["error"]["code"] == "INPUT_VALUE" and flag in report["error"]["message"] and "expected" in report["error"]["message"], (flag, value)
    both = run(*SEED, "--qps-p99", "0", "--pattern", "modular-monlith")
    assert "--qps-p99 0" in both.stderr and 'did you mean "modular-monolith"?' in both.stderr


@pytest.mark.parametrize("text, says", [
    ('{"team_size": 8,\n "team_sise": 9}', ':2: unknown key "team_sise" (did you mean "team_size"?)'),
    ('{"qps_p99": 5,\n\n"qps_p99": 6}', ':3: the key "qps_p99" is given twice'), ('{"team_size": NaN}', "NaN is no number"),
    ('{"team_size": 8,', ":1: not JSON"), ("[1]", ":1: expected a JSON object"), ('{\n"qps_p99": "50"}', ":2: qps_p99 \"50\": expected a whole number"),
    ('{"team_size": true}', "expected a whole number"),
    ('{"measured_rps": 5}', "unknown key"), ("\xff", "not UTF-8"), ('{"slo": 1e999}', "expected a number"), ("{" * 3000, "not JSON"),
])
def test_bad_answers_are_found_at_their_line(tmp_path, text, says):
    (tmp_path / "answers.json").write_bytes(text.encode("latin-1"))
    done = run("--answers", "answers.json", "--json", cwd=tmp_path)
    assert done.returncode == 2 and says in json.loads(done.stdout)["error"]["message"].replace("answers.json", "")


def test_flags_count_more_than_answers(tmp_path):
    answers = {flag[2:].replace("-", "_"): json.loads(value) if value[0].isdigit() else value for flag, value in zip(SEED[::2], SEED[1::2])}
    write(tmp_path, "answers.json", {**answers, "slo": 99.5, "error_budget_owner": None})
    made = decided("--answers", "answers.json", "--team-size", 11, cwd=tmp_path)
    assert made["inputs"]["team_size"] == {"value": 11, "source": "--team-size"} and made["targets"]["uptime"] == {"value": 99.5,
        "source": "answers.json: slo"} and made["inputs"]["error_budget_owner"]["value"] is None
    assert run("--answers", "nowhere.json").returncode == 2


def test_same_inputs_same_bytes(tmp_path):
    texts = {run(*SEED, *more, env={**os.environ, "PYTHONHASHSEED": seed}, cwd=folder).stdout for seed, folder in (("1", tmp_path), ("2", ROOT)) for more in [["--output", "json"]]}
    assert "profile node-express 2.0.0 (format 2)" in run(*SEED, "-v").stderr and len(texts) == 1 and texts == {run(*SEED, "--json").stdout}


def test_what_if_and_since(tmp_path):
    old = write(tmp_path, "old.json", run(*SEED, "--output=json").stdout)
    made = decided(*SEED, "--team-size", 14, "--slo", "99.9", "--what-if", "team-size=12,16,25,40", "--what-if", "language-preference=python,java", "--since", old)
    assert [(row["value"], row["outcome"]["profile"] or row["outcome"]["code"]) for row in made["what_if"]] == [(12, "node-express"), (16, "NO_PROFILE_FITS"),
        (25, "NO_PROFILE_FITS"), (40, "NO_PROFILE_FITS"),
                                                                                                             ("python", "fastapi-python"), ("java", "LANGUAGE_WITHOUT_PROFILE")]
    whats = {one["what"]: (one["from"], one["to"]) for one in made["since"]}
    assert whats["inputs.team_size"] == (8, 14) and whats["targets.uptime"] == (99.5, 99.9) and whats["targets.rto_minutes"] == (60, 43) and "outcome.profile" not in whats
    assert decided(*SEED, "--since", old)["since"] == [] and "Nothing has changed." in run(*SEED, "--since", old).stdout
    odd = write(tmp_path, "odd.json", {"outcome": {"profile": 3}, "inputs": {}, "targets": [1], "points": {"a": 2}, "profiles": "x", "stack": [4]})
    assert run(*SEED, "--since", odd).returncode == 0
    for bad in (["--what-if", "team-size=x"], ["--what-if", "shoe-size=4"], ["--what-if", "bytes-per-write=4"], ["--since", DOOR], ["--as-of", "tomorrow"],
                ["--json", "--output", "markdown"], ["--json-lines"], ["--sample"],
                ["--list-profiles"], ["--check-profiles", "--composition"]):
        assert run(*SEED, *bad).returncode == 2, bad


def test_the_record_is_whole_and_never_rewritten(tmp_path):
    done = run(*SEED, *STATED, "--adr", "0001.md", cwd=tmp_path)
    text = (tmp_path / "0001.md").read_text(encoding="utf-8")
    assert done.returncode == 0 and 'status: "proposed"' in text and "Grace Hopper" in re.search(r"decision-makers: (.*)", text)[1]
    heads = re.findall(r"^##+ (.+)$", text, re.MULTILINE)
    for wanted in ("Context and Problem Statement", "Decision Drivers", "Considered Options", "Decision Outcome", "Consequences", "Confirmation", "Pros and Cons of the Options",
                   "More Information"):
        assert wanted in heads
    assert not re.search(r"^##+ (?!Pros).+\n+(#|\Z)", text, re.MULTILINE)          # no section is empty
    assert run(*SEED, *STATED, "--adr", "0001.md", cwd=tmp_path).returncode == 0
    other = run(*SEED, "--adr", "0001.md", cwd=tmp_path)
    assert other.returncode == 2 and "superseded" in other.stderr and (tmp_path / "0001.md").read_text(encoding="utf-8") == text
    assert run(*SEED, "--pattern", "serverless", "--adr", "0002.md", cwd=tmp_path).returncode == 3 and not (tmp_path / "0002.md").exists()
    assert run(*SEED, "--adr", "no/folder/a.md", cwd=tmp_path).returncode == 4


def test_profiles_of_an_organisation(tmp_path):
    write(tmp_path, "ours/kotlin-spring.json", FIRST)
    java = decided(*SEED, "--language-preference", "kotlin", "--profiles-dir", "ours", cwd=tmp_path)
    assert java["outcome"]["profile"] == "kotlin-spring" and java["targets"]["uptime"]["value"] == 99.5
    assert java["stack"][0]["pick"] == "Kotlin 2" and java["approvers"][0]["approvers"] == ["CTO"]
    assert any(one["format"] == 1 for one in java["profiles"])
    assert decided(*SEED, "--profiles-dir", "ours", cwd=tmp_path)["outcome"]["profile"] == "node-express"          # a profile more changes nothing for the others
    listed = json.loads(run("--list-profiles", "--json", "--profiles-dir", "ours", cwd=tmp_path).stdout)["profiles"]
    assert [one["profile_name"] for one in listed] == ["django-monolith", "fastapi-python", "go-or-rust-microservice", "kotlin-spring",
                                                       "node-express"] and "team_size: 3 to 40" in run("--list-profiles", "--profiles-dir", "ours", cwd=tmp_path).stdout
    assert run("--check-profiles", "--profiles-dir", "ours", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("data, says", [
    ({**FIRST, "stak": {}}, 'unknown key "stak" (did you mean "stack"?)'),
    ({**FIRST, "constraints": {"team_size_mim": 3}}, 'constraints.team_size_mim: unknown key "team_size_mim" (did you mean "team_size_min"?)'),
    ({**FIRST, "constraints": {"pattern": "modular"}}, 'constraints.pattern: expected monolith'),
    ({**FIRST, "profile_name": "node-express"}, 'profile_name "node-express" is taken'),
    ({"profile_name": "x"}, 'the key "constraints" is missing'), (changed("node-express", profile_name="b", reviewed="soon"), "reviewed: expected text that matches"),
    ("{", "not JSON"),
    (changed("node-express", profile_name="c", constraints={"pattern": ["mono"], "team_size_max": -1}), "constraints.team_size_max: expected at least 1"),
    ('{"profile_name": "a",\n "profile_name": "b"}', ":2: the key"),
    (changed("node-express", profile_name="d", fits=[{"input": "pattern", "min": 3, "reason": "r", "source": "s", "kind": "policy"}]), "fits.0: pattern takes values"),
    (changed("node-express", profile_name="e", fits=[{"input": "qps_p99", "values": ["x"], "reason": "r", "source": "s", "kind": "policy"}]), "fits.0: qps_p99 takes min, max or both"),
    (changed("node-express", profile_name="f", stack=[{"concern": "c", "pick": "p", "source": "s", "when": {"input": "tenancy", "values": ["shared"]}}]), "stack.0.when.values.0: expected one of"),
    ({**FIRST, "profile_name": "../../x"}, "profile_name: expected text that matches"),
])
def test_bad_profiles_are_found_at_their_line_and_key(tmp_path, data, says):
    write(tmp_path, "ours/bad.json", data)
    done = run(*SEED, "--profiles-dir", "ours", "--json", cwd=tmp_path)
    message = json.loads(done.stdout)["error"]["message"]
    assert done.returncode == 2 and says in message and re.search(r"bad\.json:\d+: ", message) and run("--check-profiles", "--profiles-dir", "ours", cwd=tmp_path).returncode == 2


def test_an_empty_or_absent_folder_of_profiles_is_no_success(tmp_path):
    (tmp_path / "none").mkdir()
    for folder in ("none", "nowhere"):
        assert run(*SEED, "--profiles-dir", folder, cwd=tmp_path).returncode == 2


def test_check_profiles_finds_what_is_planted(tmp_path):
    thresholds = changed("node-express")["success_thresholds"]
    planted = {
        "rto": changed("node-express", profile_name="rto", success_thresholds={**thresholds, "uptime_target": 99.9}),
        "order": changed("node-express", profile_name="order", success_thresholds={**thresholds, "p95_api_latency_ms": 700}),
        "empty": changed("node-express", profile_name="empty", constraints={**changed("node-express")["constraints"], "team_size_min": 20}),
        "old": changed("django-monolith", profile_name="old", stack=[{"concern": "runtime", "pick": "Python 3.9", "supported_until": "2025-10-31", "source": "s"}]),
        "weak": changed("node-express", profile_name="weak", fits=changed("node-express")["fits"][:3]),
        "useless": changed("node-express", profile_name="useless", fits=[{"input": "team_size", "min": 90, "reason": "r", "source": "s", "kind": "policy"}]),
    }
    for name, data in planted.items():
        write(tmp_path, f"ours/{name}.json", data)
    done = run("--check-profiles", "--profiles-dir", "ours", "--json", cwd=tmp_path)
    found = {(one["kind"], one["profile"], re.sub(r".*/", "", one["place"]).partition(":")[0]) for one in json.loads(done.stdout)["findings"]}
    assert done.returncode == 1 and {("contradiction", "rto", "rto.json"), ("contradiction", "order", "order.json"), ("contradiction", "empty", "empty.json"),
                                     ("unreachable", "empty", "empty.json"), ("support", "old", "old.json"),
                                     ("dominated", "weak", "weak.json"), ("contradiction", "useless", "useless.json")} <= found
    later = run("--check-profiles", "--as-of", "2031-01-01", "--json")
    assert later.returncode == 1 and {one["kind"] for one in json.loads(later.stdout)["findings"]} == {"support"} and run("--check-profiles").returncode == 0
    assert any(pick["supported"] is False for pick in decided(*SEED, "--as-of", "2029-01-01")["stack"])


def test_texts_of_profiles_and_names_stay_texts(tmp_path):
    evil = "<script>alert(1)</script> `rm -rf /` $(id) ${HOME} | [x](javascript:1) **b**"
    data = changed("node-express", profile_name="evil", description=evil, anti_recommendations=[{"avoid": evil, "instead": evil}],
                   stack=[{"concern": evil, "pick": evil, "source": evil}], named_approver_chain={evil: [evil]},
                   canon_references=[{"title": evil, "url": "https://example.org/"}], constraints={**changed("node-express")["constraints"], "languages": ["java"]})
    write(tmp_path, "ours/evil.json", data)
    done = run(*SEED, "--language-preference", "java", "--profiles-dir", "ours", "--compliance-owner", evil, "--adr", "a.md", cwd=tmp_path)
    record = (tmp_path / "a.md").read_text(encoding="utf-8")
    assert done.returncode == 0 and "evil" in done.stdout and "\\<script\\>" in done.stdout
    for text in (done.stdout, re.sub(r"^[\w-]+: \".*\"$", "", record, flags=re.MULTILINE)):
        assert "<script" not in text.replace("\\<", "") and "`rm" not in text.replace("\\`", "") and "](javascript" not in text.replace("\\]", "")


def test_a_real_load_test_feeds_the_decision_and_the_decision_the_load_test(tmp_path):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tester = [sys.executable, str(ROOT / "scripts/api_load_tester.py"), f"http://127.0.0.1:{server.server_port}/", "-d", "1", "-c", "2"]
    try:
        subprocess.run([*tester, "--output", "load.json"], cwd=tmp_path, check=True, capture_output=True)
        made = decided(*SEED, "--measured", "load.json", cwd=tmp_path)
        rows = {row["name"]: row for row in made["arithmetic"]}
        assert rows["instances"]["result"] >= 2 and "load.json" in rows["instances"]["source"] and any(item["kind"] == "measured" and item["points"]
            for item in made["points"][0]["items"])
        path = write(tmp_path, "decision.json", made)
        judged = json.loads(subprocess.run([*tester, "--targets", path, "--json"], cwd=tmp_path, capture_output=True, text=True).stdout)
    finally:
        server.shutdown()
        server.server_close()
    assert {(one["name"], one["wanted"]) for one in judged["expectations"]} == {("p50_ms", 80), ("p95_ms", 250), ("p99_ms", 600), ("error_rate_percent", 0.5)}
    assert [limit.name for limit in load_options.limits_from(argparse.Namespace(targets=str(path), p99_ms=None, max_error_rate=None))] == ["p50_ms", "p95_ms", "p99_ms",
        "error_rate_percent"]
    for text in ("{}", '{"tool": "api_load_tester", "results": []}',
                 '{"tool": "api_load_tester", "results": [{"requests_per_second": 0, "latency_p99": 1, "successful_requests": 0}]}'):
        assert run(*SEED, "--measured", write(tmp_path, "bad.json", text)).returncode == 2


def test_many_answers_one_outcome_per_line(tmp_path):
    lines = [json.dumps({"team_size": 1 + number % 40, "qps_p99": 1 + 7 * number % 6000, "read_write_ratio": number % 97, "tenancy": inputs.TENANCIES[number % 3],
                         "data_sensitivity": "pii", "pattern": "modular-monolith",
                         "language_preference": inputs.LANGUAGES[number % 4], "slo": 99.5, "rto_minutes": 1 + number % 200, "rpo_minutes": 15, "error_budget_owner": "Grace"})
                         for number in range(20_000)]
    write(tmp_path, "many.jsonl", "\n".join(lines) + "\n")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = run("--answers", "many.jsonl", "--json-lines", cwd=tmp_path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert done.returncode == 0 and [row["line"] for row in rows] == list(range(1, 20_001)) and {row["outcome"]["status"] for row in rows} == {"recommended", "refused"}
    assert 20_000 / seconds > 20_000, f"{20_000 / seconds:.0f} outcomes per second of processor time, start included"
    for number in (0, 5, 77, 1234):
        single = write(tmp_path, "one.json", lines[number])
        assert json.loads(run("--answers", single, "--json").stdout)["outcome"] == rows[number]["outcome"]
    write(tmp_path, "some.jsonl", lines[50] + '\n\n{"team_size": 0}\nnonsense\n{}\n')
    mixed = run("--answers", "some.jsonl", "--json-lines", cwd=tmp_path)
    assert mixed.returncode == 2 and [json.loads(line).get("error", {}).get("code") or json.loads(line)["outcome"]["status"]
                                      for line in mixed.stdout.splitlines()] == [rows[50]["outcome"]["status"], "INPUT_VALUE", "INPUT_VALUE", "refused"]
    assert "some.jsonl:3: team_size 0: expected" in mixed.stderr and len(json.loads(run("--answers", "some.jsonl", "--json-lines", "--json", cwd=tmp_path).stdout)["outcomes"]) == 4
    assert run("--answers", write(tmp_path, "empty.jsonl", "\n"), "--json-lines").returncode == 2


def test_one_call_is_quick_on_bare_python_and_imports_no_package(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    python = tmp_path / "bare" / "bin" / "python"
    run(*SEED, python=python)           # what it compiles is kept
    times = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        assert run(*SEED, python=python).returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(min(time.perf_counter() - started, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime))
    assert min(times) <= 0.15, f"{min(times):.3f} s"
    traced = subprocess.run([str(python), "-X", "importtime", str(DOOR), *SEED], capture_output=True, text=True).stderr
    assert not re.search(r"\| +(yaml|requests|psycopg|senior_backend\.(load|openapi|scaffold|postgres|migrate))", traced)


def test_sample_and_composition(tmp_path):
    assert decided("--sample")["outcome"]["status"] == "recommended" and run("--sample").stdout.startswith("# recommended: node-express")
    home = tmp_path / "home"
    write(home, ".claude/skills/slo-architect/SKILL.md", "---\nname: slo-architect\n---\n")
    write(home, ".claude/plugins/cache/market/tools/1.0.0/skills/migration-architect/SKILL.md", "x")
    write(tmp_path, "project/.agents/skills/grill-me/SKILL.md", "x")
    (tmp_path / "project/.agents/skills/senior-security").mkdir()                          # a folder without SKILL.md is no skill
    done = run("--composition", "--json", cwd=tmp_path / "project", env={**os.environ, "HOME": str(home)})
    found = {name: folder for row in json.loads(done.stdout)["composition"] for name, folder in row["installed"].items()}
    assert set(found) == {"slo-architect", "migration-architect", "grill-me"} and found["grill-me"].endswith("project/.agents/skills/grill-me")
    rows = json.loads(done.stdout)["composition"]
    assert [row["order"] for row in rows] == list(range(1, 15)) and rows[0]["concern"] == "SLO" and all(row["here"] for row in rows)


def test_every_code_is_in_the_published_schema():
    assert set(SCHEMA["$defs"]["code"]["enum"]) == {None, rules.TIE, rules.UNSTATED, *rules.REFUSALS}
