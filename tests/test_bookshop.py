"""The example API and the demo: what a newcomer runs first."""
from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
BOOKSHOP = ROOT / "examples" / "bookshop.yaml"


@pytest.mark.parametrize("framework", ["express", "fastify", "koa"])
def test_the_example_compiles_without_warnings(scaffold, compile_ts, framework):
    result, folder = scaffold(BOOKSHOP, "--with-app", "-f", framework)
    assert result.code == 0 and result.report["warnings"] == [] and result.report["routes_count"] == 17
    assert [compile_ts(folder, version) for version in ("5.9", "7")] == [[], []]


def test_the_same_document_gives_the_same_bytes(door, tmp_path):
    outputs = []
    for seed in "1234":
        folder = tmp_path / seed
        assert door(BOOKSHOP, "--output", folder, "--with-app", env={**os.environ, "PYTHONHASHSEED": seed}).code == 0
        outputs.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert all(output == outputs[0] for output in outputs) and len(outputs[0]) > 20


def test_the_demo_comes_out_as_expected(tmp_path):
    done = subprocess.run([sys.executable, str(ROOT / "examples" / "demo.py"), str(tmp_path / "demo")], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NOT AS EXPECTED" not in done.stdout and done.stdout.isascii() and "Everything came out as expected." in done.stdout
