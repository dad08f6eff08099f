"""How a command ends: exit codes, what goes to which stream, and consoles that are narrow, closed or cut off."""
from __future__ import annotations

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest
from conftest import ROOT, in_process

from senior_backend import console
from senior_backend.console import STATUS, VERSION, CommandError, ExitCode, Outcome

DOOR = ROOT / "scripts" / "api_scaffolder.py"
DOCUMENT = {"openapi": "3.1.0", "info": {"title": "Caf\u00e9 \u2603", "version": "1"}, "paths": {
    "/notes": {"get": {"operationId": "listNotes", "responses": {"200": {"description": "all"}}}}}}


def ended(command, *argv: str) -> tuple[int, str, str]:
    done = in_process("tool", console.argument_parser("tool", "Does a thing.", ["tool.py x"], {0: "done"}), command, *argv)
    return done.code, done.out, done.err


def raising(error: BaseException):
    def command(_arguments, _console):
        raise error
    return command


@pytest.mark.parametrize("code", list(ExitCode))
def test_every_exit_code_has_its_status_and_one_json_object(code):
    command = (lambda *_: Outcome({"items": 3}, ["3 items"], code)) if code in STATUS else raising(CommandError("it is broken", "mend it", code, "BROKEN"))
    exit_code, out, err = ended(command, "--json")
    report = json.loads(out)
    assert exit_code == report["exit_code"] == int(code) and report["status"] == STATUS.get(code, "error") and (report["tool"], report["version"]) == ("tool", VERSION)
    if code in STATUS:
        assert report["items"] == 3 and not err
    else:
        assert report["error"] == {"code": "BROKEN", "message": "it is broken", "hint": "mend it"} and err == "error: it is broken\nhint: mend it\n"


def test_wrong_arguments_are_an_error_like_any_other():
    code, out, err = ended(lambda *_: Outcome({}, []), "--json", "--no-such-flag")
    assert code == 2 and json.loads(out)["error"]["code"] == "USAGE" and "--no-such-flag" in err and "--help" in err


def test_ctrl_c():
    assert ended(lambda *_: Outcome({}, ["one", "two"])) == (0, "one\ntwo\n", "")
    code, out, err = ended(raising(KeyboardInterrupt()), "--json")
    assert code == 130 and json.loads(out)["error"]["code"] == "INTERRUPTED" and err == "error: interrupted\n"


def test_a_bug_leaves_a_log_and_no_traceback_on_the_console():
    code, out, err = ended(raising(ZeroDivisionError("oops")), "--json")
    log = pathlib.Path(re.search(r"is in (\S+\.log)", err)[1])
    try:
        assert code == 70 and json.loads(out)["error"]["code"] == "BUG" and "Traceback" not in out + err and "ZeroDivisionError: oops" in err
        assert "Traceback" in log.read_text(encoding="utf-8") and log.stat().st_mode & 0o077 == 0
    finally:
        log.unlink()


def test_control_characters_of_documents_do_not_reach_the_terminal():
    _, _, err = ended(raising(CommandError("tag \x1b[2J\u202eevil\x9b1m is odd\tthere")))
    assert err == "error: tag \\x1b[2J\\u202eevil\\x9b1m is odd\tthere\n"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_any_console_encoding(door, tmp_path, encoding):
    (tmp_path / "openapi.json").write_text(json.dumps(DOCUMENT), encoding="utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, str(DOOR), "openapi.json", "-v"], cwd=tmp_path, env=environment, capture_output=True, encoding=encoding)
    assert done.returncode == 0 and "- GET /notes (listNotes)" in done.stdout
    assert {"ascii": "Caf\\xe9 \\u2603", "cp1252": "Caf\u00e9 \\u2603", "utf-8": "Caf\u00e9 \u2603"}[encoding] in done.stderr


@pytest.mark.parametrize("shell", ["exec 0<&-; exec \"$@\"", "exec 1>&-; exec \"$@\"", "exec 2>&-; exec \"$@\"", "exec 0<&- 1>&- 2>&-; exec \"$@\"", "set -o pipefail; \"$@\" --json | true"])
def test_closed_streams(tmp_path, shell):
    (tmp_path / "openapi.json").write_text(json.dumps(DOCUMENT))
    done = subprocess.run(["bash", "-c", shell, "bash", sys.executable, str(DOOR), "openapi.json"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr and (tmp_path / "generated" / "types.ts").exists()


def test_ctrl_c_in_a_real_run_writes_nothing(tmp_path):
    item = DOCUMENT["paths"]["/notes"]["get"]
    many = {**DOCUMENT, "paths": {f"/notes/{number}": {"get": {**item, "operationId": f"note{number}"}} for number in range(20_000)}}
    (tmp_path / "openapi.json").write_text(json.dumps(many))
    running = subprocess.Popen([sys.executable, str(DOOR), "openapi.json", "--output", "out"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))      # a shell ignores it for what runs in the background
    time.sleep(0.7)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130 and not out and "Traceback" not in err and not (tmp_path / "out").exists()


def test_json_is_alone_on_stdout_whatever_happens(door, tmp_path):
    (tmp_path / "good.json").write_text(json.dumps(DOCUMENT))
    (tmp_path / "bad.json").write_text('{"openapi": "3.1.0"')
    for arguments, code in ((["good.json"], 0), (["good.json", "--check"], 0), (["bad.json"], 2), (["missing.json"], 2), (["good.json", "-f", "hapi"], 2), ([], 2), (["good.json", "-o", "bad.json"], None)):
        done = door(*arguments, "--json", cwd=tmp_path)
        report = done.report
        assert report["exit_code"] == done.code and report["tool"] == "api_scaffolder" and (code is None or done.code == code), arguments
        assert ("error" in report) == (done.code > 1) and ("error" not in report or len(report["error"]["message"]) > 10 and report["error"]["hint"])
