#!/usr/bin/env python3
"""Makes .venv with the packages of a requirements file: python3 .ci/environment.py requirements.txt [more.txt ...]

What is there is added to, so that several sets of requirements share it. Works where Python comes without ensurepip or pip (Debian without python3-venv): pip is then fetched from the package index as one file.
Does nothing when .venv already holds these requirements. Exit code 4, with what to install, when there is no way.
"""
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
INDEX = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple")
ADVICE = "install Python's own tools (Debian, Ubuntu: apt-get install python3-venv python3-pip), then run make again"


def main(files):
    if sys.version_info < (3, 11):
        sys.exit(fail(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]} ({sys.executable})", "run make with PYTHON=python3.11 or newer"))
    stamp = VENV / "requirements.sha256"
    done = stamp.read_text().split() if stamp.exists() else []
    wanted = [hashlib.sha256((sys.version + pathlib.Path(name).read_text(encoding="utf-8")).encode()).hexdigest() for name in files]
    if not set(wanted) <= set(done):
        problems = make_environment(files)
        if problems:
            sys.exit(fail("no virtual environment could be made in .venv:\n" + "\n".join(f"  {problem}" for problem in problems), ADVICE))
        stamp.write_text("\n".join(sorted({*done, *wanted})))


def make_environment(files):
    """[] when .venv stands, else what each way failed with."""
    problems = []
    requirements = [word for name in files for word in ("-r", name)]
    if is_same_python() and run(python(), "-m", "pip", "install", "--quiet", *requirements) is None:
        return []
    for way in (with_venv, with_fetched_pip):
        shutil.rmtree(VENV, ignore_errors=True)
        problem = way(requirements)
        if problem is None:
            return []
        problems.append(f"{way.__name__.replace('_', ' ')}: {problem}")
    shutil.rmtree(VENV, ignore_errors=True)
    return problems


def is_same_python():
    return python().exists() and subprocess.run([python(), "-c", "import sys; print(sys.version)"], capture_output=True, text=True).stdout.strip() == sys.version


def with_venv(requirements):
    return run(sys.executable, "-m", "venv", VENV) or run(python(), "-m", "pip", "install", "--quiet", *requirements)


def with_fetched_pip(requirements):
    """A pip wheel runs without being installed."""
    problem = run(sys.executable, "-m", "venv", "--without-pip", VENV)
    if problem:
        return problem
    try:
        with tempfile.TemporaryDirectory() as folder:
            wheel = fetch_pip(pathlib.Path(folder))
            return run(python(), wheel / "pip", "install", "--quiet", *requirements)
    except (OSError, ValueError) as error:
        return f"pip could not be fetched from {INDEX}: {error}"


def fetch_pip(folder):
    """The newest released pip wheel of the index, as a file in folder."""
    page = f"{INDEX.rstrip('/')}/pip/"
    with urllib.request.urlopen(page, timeout=60) as answer:
        links = re.findall(r'href="([^"]+/)?(pip-([\d.]+)-py3-none-any\.whl)([^"]*)"', answer.read().decode())
    if not links:
        raise ValueError("no wheel of pip is listed there")
    prefix, name, _, suffix = max(links, key=lambda link: [int(part) for part in link[2].split(".")])
    target = folder / name
    with urllib.request.urlopen(urllib.parse.urljoin(page, prefix + name + suffix), timeout=60) as answer:
        data = answer.read()
    expected = re.search(r"sha256=([0-9a-f]{64})", suffix)
    if expected and hashlib.sha256(data).hexdigest() != expected[1]:
        raise ValueError(f"{name} is not what the index says it is")
    target.write_bytes(data)
    return target


def python():
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def run(*command):
    """None when the command succeeds, else its last line."""
    done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    said = (done.stderr.strip() or done.stdout.strip() or f"exit {done.returncode}").splitlines()
    return None if done.returncode == 0 else said[-1]


def fail(problem, advice):
    sys.stderr.write(f"error: {problem}\nhint: {advice}\n")
    return 4


if __name__ == "__main__":
    main(sys.argv[1:])
