"""backend_decision_engine.py as it is called: what it refuses and how, what it prints and writes, files of others; and the texts that speak of it."""
from __future__ import annotations

import argparse
import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import threading

import pytest
from conftest import ROOT, Result, run_script

from senior_backend.decide import command, inputs, profiles, rules
from senior_backend.load import options as load_options

SEED = command.SEED.split()[2:]
STATED = ["--slo", "99.5", "--error-budget-owner", "Grace Hopper", "--rpo-minutes", "15", "--rto-minutes", "60"]
SCHEMA = json.loads((ROOT / "assets/decide/decision.schema.json").read_text(encoding="utf-8"))
# a profile in the first format, as an organisation may still have it
FIRST = {
    "profile_name": "kotlin-spring", "description": "our JVM teams", "version": "1.2",
    "constraints": {"team_size_min": 3, "team_size_max": 40, "tenancy": "shared-multi-tenant", "data_sensitivity_tier_max": "pii",
                    "pattern": "modular monolith", "qps_p99_min": 0, "platform_team_exists": False, "admin_panel_needed": False},
    "stack": {"language": "Kotlin 2", "framework": "Spring Boot", "database": "PostgreSQL"}, "anti_recommendations": ["reflection at start"], "named_approver_chain": ["CTO"],
    "canon_references": ["Our handbook"],
    "success_thresholds": {"p50_api_latency_ms": 90, "p95_api_latency_ms": 300, "p99_api_latency_ms": 700, "uptime_target": 0.995, "test_coverage_min": 80,
                           "security_scan_severity_max": "medium", "rpo_minutes_max": 15, "rto_minutes_max": 60, "throughput_rps_min": 200},
}


def run(*arguments: object, **more: object) -> Result:
    return run_script("backend_decision_engine", *arguments, **more)


def decided(*arguments: object, code: int = 0, **more: object) -> dict:
    done = run(*arguments, "--output", "json", **more)
    assert done.code == done.report["exit_code"] == code and not list(inputs.violations(done.report, SCHEMA, SCHEMA)), done.err + done.out[:500]
    return done.report


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
    assert {one["input"] for one in made["open_questions"]} == {"slo", "error_budget_owner", "rpo_minutes", "rto_minutes"}
    assert made["stack"] and made["anti_patterns"] and made["approvers"]
    assert decided(*SEED, *STATED)["outcome"]["status"] == "recommended" and decided(*SEED, *STATED)["targets"]["rto_minutes"] == {"value": 60, "source": "--rto-minutes"}
    assert all(row["source"] and row["formula"] and row["numbers"] for row in made["arithmetic"])
    assert any("unknown: run api_load_tester.py" in str(row["result"]) for row in made["arithmetic"])
    assert {run(*SEED, "--json", env={**os.environ, "PYTHONHASHSEED": seed}).out for seed in "12"} == {json.dumps(made, indent=2) + "\n"}, "the same inputs give the same bytes"


def test_all_that_is_missing_is_named_at_once():
    done = run("--json")
    made = done.report
    assert done.code == 3 and made["outcome"]["code"] == "MISSING_INPUT" and made["outcome"]["approved"] is False and not made["targets"]
    assert [one["input"] for one in made["missing"]] == ["read_write_ratio", "qps_p99", "tenancy", "data_sensitivity", "pattern"]
    assert all(one["flag"] in made["error"]["message"] and one["example"] in made["error"]["hint"] and one["ask"].endswith("?") for one in made["missing"])
    assert "read-write-ratio 20" in run().out and run().code == 3


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
    text = run(*SEED, *more).out
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
        report = done.report
        assert done.code == 2 and report["error"]["code"] == "INPUT_VALUE" and flag in report["error"]["message"] and "expected" in report["error"]["message"], (flag, value)
    both = run(*SEED, "--qps-p99", "0", "--pattern", "modular-monlith")
    assert "--qps-p99 0" in both.err and 'did you mean "modular-monolith"?' in both.err


@pytest.mark.parametrize("text, says", [
    ('{"team_size": 8,\n "team_sise": 9}', ':2: unknown key "team_sise" (did you mean "team_size"?)'),
    ('{"qps_p99": 5,\n\n"qps_p99": 6}', ':3: the key "qps_p99" is given twice'), ('{"team_size": NaN}', "NaN is not JSON"),
    ('{"team_size": 8,', ":1: not JSON"), ("[1]", ":1: expected a JSON object"), ('{\n"qps_p99": "50"}', ":2: qps_p99 \"50\": expected a whole number"),
    ('{"team_size": true}', "expected a whole number"),
    ('{"measured_rps": 5}', "unknown key"), ("\xff", "not UTF-8"), ('{"slo": 1e999}', "too large"), ("[" * 3000, "levels deep"),
])
def test_bad_answers_are_found_at_their_line(tmp_path, text, says):
    (tmp_path / "answers.json").write_bytes(text.encode("latin-1"))
    done = run("--answers", "answers.json", "--json", cwd=tmp_path)
    assert done.code == 2 and says in done.report["error"]["message"].replace("answers.json", "")


def test_flags_count_more_than_answers(tmp_path):
    answers = {flag[2:].replace("-", "_"): json.loads(value) if value[0].isdigit() else value for flag, value in zip(SEED[::2], SEED[1::2])}
    write(tmp_path, "answers.json", {**answers, "slo": 99.5, "error_budget_owner": None})
    made = decided("--answers", "answers.json", "--team-size", 11, cwd=tmp_path)
    assert made["inputs"]["team_size"] == {"value": 11, "source": "--team-size"} and made["targets"]["uptime"] == {"value": 99.5,
        "source": "answers.json: slo"} and made["inputs"]["error_budget_owner"]["value"] is None
    assert run("--answers", "nowhere.json").code == 2


def test_what_if_and_since(tmp_path):
    old = write(tmp_path, "old.json", run(*SEED, "--output=json").out)
    made = decided(*SEED, "--team-size", 14, "--slo", "99.9", "--what-if", "team-size=12,16,25,40", "--what-if", "language-preference=python,java", "--since", old)
    assert [(row["value"], row["outcome"]["profile"] or row["outcome"]["code"]) for row in made["what_if"]] == [(12, "node-express"), (16, "NO_PROFILE_FITS"),
        (25, "NO_PROFILE_FITS"), (40, "NO_PROFILE_FITS"),
                                                                                                             ("python", "fastapi-python"), ("java", "LANGUAGE_WITHOUT_PROFILE")]
    whats = {one["what"]: (one["from"], one["to"]) for one in made["since"]}
    assert whats["inputs.team_size"] == (8, 14) and whats["targets.uptime"] == (99.5, 99.9) and whats["targets.rto_minutes"] == (60, 43) and "outcome.profile" not in whats
    assert decided(*SEED, "--since", old)["since"] == [] and "Nothing has changed." in run(*SEED, "--since", old).out
    odd = write(tmp_path, "odd.json", {"outcome": {"profile": 3}, "inputs": {}, "targets": [1], "points": {"a": 2}, "profiles": "x", "stack": [4]})
    assert run(*SEED, "--since", odd).code == 0
    for bad in (["--what-if", "team-size=x"], ["--what-if", "shoe-size=4"], ["--what-if", "bytes-per-write=4"], ["--since", __file__], ["--as-of", "tomorrow"],
                ["--json", "--output", "markdown"], ["--json-lines"], ["--sample"],
                ["--list-profiles"], ["--check-profiles", "--composition"]):
        assert run(*SEED, *bad).code == 2, bad


def test_the_record_is_whole_and_never_rewritten(tmp_path):
    done = run(*SEED, *STATED, "--adr", "0001.md", cwd=tmp_path)
    text = (tmp_path / "0001.md").read_text(encoding="utf-8")
    assert done.code == 0 and 'status: "proposed"' in text and "Grace Hopper" in re.search(r"decision-makers: (.*)", text)[1]
    heads = re.findall(r"^##+ (.+)$", text, re.MULTILINE)
    for wanted in ("Context and Problem Statement", "Decision Drivers", "Considered Options", "Decision Outcome", "Consequences", "Confirmation", "Pros and Cons of the Options",
                   "More Information"):
        assert wanted in heads
    assert not re.search(r"^##+ (?!Pros).+\n+(#|\Z)", text, re.MULTILINE)          # no section is empty
    assert run(*SEED, *STATED, "--adr", "0001.md", cwd=tmp_path).code == 0
    other = run(*SEED, "--adr", "0001.md", cwd=tmp_path)
    assert other.code == 2 and "superseded" in other.err and (tmp_path / "0001.md").read_text(encoding="utf-8") == text
    assert run(*SEED, "--pattern", "serverless", "--adr", "0002.md", cwd=tmp_path).code == 3 and not (tmp_path / "0002.md").exists()
    assert run(*SEED, "--adr", "no/folder/a.md", cwd=tmp_path).code == 4


def test_profiles_of_an_organisation(tmp_path):
    write(tmp_path, "ours/kotlin-spring.json", FIRST)
    java = decided(*SEED, "--language-preference", "kotlin", "--profiles-dir", "ours", cwd=tmp_path)
    assert java["outcome"]["profile"] == "kotlin-spring" and java["targets"]["uptime"]["value"] == 99.5
    assert java["stack"][0]["pick"] == "Kotlin 2" and java["approvers"][0]["approvers"] == ["CTO"]
    assert any(one["format"] == 1 for one in java["profiles"])
    assert decided(*SEED, "--profiles-dir", "ours", cwd=tmp_path)["outcome"]["profile"] == "node-express"          # a profile more changes nothing for the others
    listed = run("--list-profiles", "--json", "--profiles-dir", "ours", cwd=tmp_path).report["profiles"]
    assert [one["profile_name"] for one in listed] == ["django-monolith", "fastapi-python", "go-or-rust-microservice", "kotlin-spring",
                                                       "node-express"] and "team_size: 3 to 40" in run("--list-profiles", "--profiles-dir", "ours", cwd=tmp_path).out
    assert run("--check-profiles", "--profiles-dir", "ours", cwd=tmp_path).code == 0
    (tmp_path / "none").mkdir()
    assert [run(*SEED, "--profiles-dir", folder, cwd=tmp_path).code for folder in ("none", "nowhere")] == [2, 2]


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
    message = done.report["error"]["message"]
    assert done.code == 2 and says in message and re.search(r"bad\.json:\d+: ", message) and run("--check-profiles", "--profiles-dir", "ours", cwd=tmp_path).code == 2


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
    found = {(one["kind"], one["profile"], re.sub(r".*/", "", one["place"]).partition(":")[0]) for one in done.report["findings"]}
    assert done.code == 1 and {("contradiction", "rto", "rto.json"), ("contradiction", "order", "order.json"), ("contradiction", "empty", "empty.json"),
                                     ("unreachable", "empty", "empty.json"), ("support", "old", "old.json"),
                                     ("dominated", "weak", "weak.json"), ("contradiction", "useless", "useless.json")} <= found
    later = run("--check-profiles", "--as-of", "2031-01-01", "--json")
    assert later.code == 1 and {one["kind"] for one in json.loads(later.out)["findings"]} == {"support"} and run("--check-profiles").code == 0
    assert any(pick["supported"] is False for pick in decided(*SEED, "--as-of", "2029-01-01")["stack"])


def test_texts_of_profiles_and_names_stay_texts(tmp_path):
    evil = "<script>alert(1)</script> `rm -rf /` $(id) ${HOME} | [x](javascript:1) **b**"
    data = changed("node-express", profile_name="evil", description=evil, anti_recommendations=[{"avoid": evil, "instead": evil}],
                   stack=[{"concern": evil, "pick": evil, "source": evil}], named_approver_chain={evil: [evil]},
                   canon_references=[{"title": evil, "url": "https://example.org/"}], constraints={**changed("node-express")["constraints"], "languages": ["java"]})
    write(tmp_path, "ours/evil.json", data)
    done = run(*SEED, "--language-preference", "java", "--profiles-dir", "ours", "--compliance-owner", evil, "--adr", "a.md", cwd=tmp_path)
    record = (tmp_path / "a.md").read_text(encoding="utf-8")
    assert done.code == 0 and "evil" in done.out and "\\<script\\>" in done.out
    for text in (done.out, re.sub(r"^[\w-]+: \".*\"$", "", record, flags=re.MULTILINE)):
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
        assert run(*SEED, "--measured", write(tmp_path, "bad.json", text)).code == 2


def test_many_answers_one_outcome_per_line(tmp_path):
    lines = [json.dumps({"team_size": 1 + number % 40, "qps_p99": 1 + 7 * number % 6000, "read_write_ratio": number % 97, "tenancy": inputs.TENANCIES[number % 3], "data_sensitivity": "pii",
                         "pattern": "modular-monolith", "language_preference": inputs.LANGUAGES[number % 4], "slo": 99.5, "rto_minutes": 1 + number % 200, "rpo_minutes": 15,
                         "error_budget_owner": "Grace"}) for number in range(2000)]
    done = run("--answers", write(tmp_path, "many.jsonl", "\n".join(lines) + "\n"), "--json-lines")
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert done.code == 0 and [row["line"] for row in rows] == list(range(1, 2001)) and {row["outcome"]["status"] for row in rows} == {"recommended", "refused"}
    for number in (0, 5, 1234):
        assert run("--answers", write(tmp_path, "one.json", lines[number]), "--json").report["outcome"] == rows[number]["outcome"]
    some = write(tmp_path, "some.jsonl", lines[50] + '\n\n{"team_size": 0}\nnonsense\n{}\n')
    mixed = run("--answers", some, "--json-lines")
    assert mixed.code == 2 and [row.get("error", {}).get("code") or row["outcome"]["status"] for row in map(json.loads, mixed.out.splitlines())] == [
        rows[50]["outcome"]["status"], "INPUT_VALUE", "INPUT_VALUE", "refused"]
    assert "some.jsonl:3: team_size 0: expected" in mixed.err and len(run("--answers", some, "--json-lines", "--json").report["outcomes"]) == 4
    assert run("--answers", write(tmp_path, "empty.jsonl", "\n"), "--json-lines").code == 2


def test_on_bare_python_it_imports_no_package_and_no_other_room(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    done = run(*SEED, python=tmp_path / "bare" / "bin" / "python", env={**os.environ, "PYTHONPROFILEIMPORTTIME": "1"})
    assert done.code == 0 and "senior_backend.decide" in done.err and not re.search(r"\| +(yaml|requests|psycopg|senior_backend\.(load|openapi|scaffold|postgres|migrate))", done.err)


def test_sample_and_composition(tmp_path):
    assert decided("--sample")["outcome"]["status"] == "recommended" and run("--sample").out.startswith("# recommended: node-express")
    home = tmp_path / "home"
    write(home, ".claude/skills/slo-architect/SKILL.md", "---\nname: slo-architect\n---\n")
    write(home, ".claude/plugins/cache/market/tools/1.0.0/skills/migration-architect/SKILL.md", "x")
    write(tmp_path, "project/.agents/skills/grill-me/SKILL.md", "x")
    (tmp_path / "project/.agents/skills/senior-security").mkdir()                          # a folder without SKILL.md is no skill
    done = run("--composition", "--json", cwd=tmp_path / "project", env={**os.environ, "HOME": str(home)})
    found = {name: folder for row in done.report["composition"] for name, folder in row["installed"].items()}
    assert set(found) == {"slo-architect", "migration-architect", "grill-me"} and found["grill-me"].endswith("project/.agents/skills/grill-me")
    rows = done.report["composition"]
    assert [row["order"] for row in rows] == list(range(1, 15)) and rows[0]["concern"] == "SLO" and all(row["here"] for row in rows)


def test_every_code_is_in_the_published_schema():
    assert set(SCHEMA["$defs"]["code"]["enum"]) == {None, rules.TIE, rules.UNSTATED, *rules.REFUSALS}


# codes, flags and questions in the texts are those of the engine

QUESTIONS, MAP, AGENT, COMMAND = ((ROOT / name).read_text(encoding="utf-8") for name in (
    "references/forcing_questions.md", "references/composition_map.md", "agents/engineering/cs-backend-engineer.md", "commands/backend-review.md"))
PARTS = re.findall(r"^## (\d)\. (.+)\n\n((?:(?!## ).*\n)+)", QUESTIONS, re.MULTILINE)
SKILLS = set("""api-design-reviewer database-designer database-schema-designer migration-architect slo-architect observability-designer ci-cd-pipeline-builder senior-security
    adversarial-reviewer ra-qm-team karpathy-coder grill-me dependency-auditor api-test-suite-builder chaos-engineering feature-flags-architect""".split())


def point(body: str, name: str) -> str:
    """One point of a question, its further lines included."""
    return re.search(rf"^- \*\*{name}\*\*: ((?:.+\n)(?:  .+\n)*)", body, re.MULTILINE)[1].strip()


def test_the_seven_questions_are_the_engines():
    assert [int(number) for number, _, _ in PARTS] == list(range(1, 8)) == list(inputs.QUESTIONS)
    for question, (_, ask, body) in zip(inputs.QUESTIONS, PARTS):
        assert ask == inputs.QUESTIONS[question] and len(point(body, "Recommended")) > 20
        assert set(re.findall(r"`(--[\w-]+)`", point(body, "Flags"))) == {one.flag for one in inputs.INPUTS.values() if one.question == question}
        assert tuple(re.findall(r"`([A-Z_]+)`", point(body, "Kill criterion"))) == tuple(kill.code for kill in rules.KILLS if kill.question == question)
        assert len(point(body, "Why")) > 60 and re.search(r"\[[^]]+\]\(https://[^)]+\)", point(body, "Sources"))


def test_codes_and_thresholds_are_the_engines():
    assert set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+|TIE)`", QUESTIONS)) == {*rules.REFUSALS, rules.TIE, rules.UNSTATED}
    bodies = {ask: body for _, ask, body in PARTS}
    assert f"fewer than {rules.EVENT_TEAM} engineers" in bodies[inputs.QUESTIONS[3]] and f"without {rules.MICROSERVICES_TEAM} engineers" in bodies[inputs.QUESTIONS[5]]
    for slo, minutes in re.findall(r"(\d+(?:\.\d+)?) %(?: leaves)? (\d+(?:\.\d+)?)", point(bodies[inputs.QUESTIONS[7]], "Why")):
        assert inputs.budget_micro(float(slo), inputs.DEFAULT_WINDOW) == inputs.micro(float(minutes))


def test_required_inputs_are_told_at_the_head():
    told = re.findall(r"`(--[\w-]+)`", re.search(r"`MISSING_INPUT`\): ((?:.|\n)+?)\. Without", QUESTIONS)[1])
    assert told == [one.flag for one in inputs.INPUTS.values() if one.required]


def test_the_map_is_the_engines():
    rows = json.loads((ROOT / "assets/decide/composition.json").read_text(encoding="utf-8"))
    told = [[cell.strip() for cell in line.strip("|").split("|")] for line in MAP.splitlines() if re.match(r"\| \d", line)]
    assert told == [[str(row["order"]), row["concern"], ", ".join(f"`{name}`" for name in row["skills"]), row["here"]] for row in rows]
    assert {name for row in rows for name in row["skills"]} == SKILLS
    paths = [path for row in rows for path in re.findall(r"references/\w+\.md", row["here"])]
    assert paths and all((ROOT / path).exists() for path in paths)


def test_the_agent_and_the_command_grill():
    for needed in ("one question a turn", "at most 200 words", "references/forcing_questions.md", "references/composition_map.md", "scripts/backend_decision_engine.py",
                   "--answers backend-answers.json", "the SLO first"):
        assert needed in AGENT, needed
    assert "context: fork" in COMMAND and "agent: cs:cs-backend-engineer" in COMMAND and "backend-answers.json" in COMMAND and "200 words" in COMMAND
