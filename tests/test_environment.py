"""Setting up .venv where Python comes without pip: pip is fetched from the package index, and only what the index vouches for is run."""
from __future__ import annotations

import contextlib
import hashlib
import http.server
import importlib.util
import pathlib
import subprocess
import threading

import pytest

SCRIPT = pathlib.Path(__file__).resolve().parents[1] / ".ci" / "environment.py"


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """.ci/environment.py as a module, its .venv in a folder of its own."""
    spec = importlib.util.spec_from_file_location("environment", SCRIPT)
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


def test_every_way_fails_says_how_and_what_to_install(environment, tmp_path, monkeypatch, capsys):
    (tmp_path / "requirements.txt").write_text("")
    monkeypatch.setattr(environment, "INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setattr(environment, "run", lambda *command: "No module named ensurepip" if "--without-pip" not in command else None)
    monkeypatch.setattr(environment.shutil, "which", lambda name: None)
    with pytest.raises(SystemExit) as ended:
        environment.main([str(tmp_path / "requirements.txt")])
    said = capsys.readouterr().err
    assert ended.value.code == 4 and "No module named ensurepip" in said and "pip could not be fetched" in said and "apt-get install python3-venv" in said


def test_a_second_set_of_requirements_is_added_to_the_first(environment, tmp_path, monkeypatch):
    installed = []
    real = environment.run
    monkeypatch.setattr(environment, "run", lambda *command: installed.append(command[-1]) if "install" in command else real(*command))
    for name, text in (("a.txt", "# a\n"), ("b.txt", "# b\n")):
        (tmp_path / name).write_text(text)
    a, b = str(tmp_path / "a.txt"), str(tmp_path / "b.txt")
    environment.main([a])
    kept = tmp_path / ".venv" / "kept"
    kept.touch()
    environment.main([a, b])
    environment.main([a])
    environment.main([b])
    assert installed == [a, b] and kept.exists()


def test_pip_from_the_index_installs(environment, tmp_path):
    """Against the real index, where there is one."""
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("PyYAML>=6\n")
    problem = environment.with_fetched_pip(["-r", str(requirements)])
    if problem:
        pytest.skip(f"no package index can be reached: {problem}")
    assert subprocess.run([environment.python(), "-c", "import yaml; print(yaml.safe_load('a: 1'))"], capture_output=True, text=True).stdout == "{'a': 1}\n"
