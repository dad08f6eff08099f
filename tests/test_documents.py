"""SKILL.md, README.md and the references speak of commands, flags and files that exist, and of all of them."""
from __future__ import annotations

import argparse
import pathlib
import re
import shlex
import subprocess

import pytest

from senior_backend.console import CommandError
from senior_backend.decide import command as decide_options
from senior_backend.docs import command as docs_command
from senior_backend.load import options
from senior_backend.migrate import options as migrate_options
from senior_backend.scaffold import command

ROOT = pathlib.Path(__file__).resolve().parents[1]
PATHS = sorted({path for pattern in ("*.md", "references/*.md", "agents/**/*.md", "commands/*.md") for path in ROOT.glob(pattern)})
DOCUMENTS = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in PATHS}
PARSERS = {"api_scaffolder.py": command.parser(), "api_load_tester.py": options.parser(), "database_migration_tool.py": migrate_options.parser(), "backend_decision_engine.py": decide_options.parser(),
           "scaffold_backend_docs.py": docs_command.parser()}
INVOCATION = re.compile(r"""(?:python3?|uv run) +(?:<this skill>/|[^\s"'`]*?)scripts/(\w+\.py)((?: [^\n`|&;>]*)?)""")
ELSEWHERE = {"--omit=dev", "--noEmit"}      # flags of npm and tsc


def invocations() -> list[tuple[str, str, str]]:
    return [(name, script, rest.strip()) for name, text in DOCUMENTS.items() for script, rest in INVOCATION.findall(re.sub(r"\\\n\s*", " ", text))]


def flags(parser: argparse.ArgumentParser) -> set[str]:
    return {flag for action in parser._actions if action.help != argparse.SUPPRESS for flag in action.option_strings if flag.startswith("--")}


def test_every_command_in_the_documents_is_accepted():
    found = invocations()
    assert len(found) > 5
    for where, script, rest in found:
        try:
            PARSERS[script].parse_args(shlex.split(rest, comments=True))
        except CommandError as error:
            pytest.fail(f"{where}: {script} {rest}: {error.message}")


def test_every_flag_in_the_documents_exists_and_every_flag_is_explained():
    known = set().union(*map(flags, PARSERS.values()))
    claimed = {flag for text in DOCUMENTS.values() for span in re.findall(r"`([^`\n]+)`", text) if span.startswith("-") for flag in re.findall(r"(?<![\w-])--[a-z][\w=-]*", span)}
    assert claimed - ELSEWHERE <= known and known <= claimed


def test_every_link_leads_somewhere():
    links = [(name, target) for name, text in DOCUMENTS.items() for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)]
    assert len(links) > 5
    assert [(name, target) for name, target in links if not (ROOT / name).parent.joinpath(target).exists()] == []


def test_help_examples_are_accepted():
    for script, parser in PARSERS.items():
        examples = re.findall(rf"^  python scripts/{re.escape(script)} (.+)$", parser.epilog, re.MULTILINE)
        assert len(examples) >= 3
        for example in examples:
            parser.parse_args(shlex.split(example))


@pytest.mark.parametrize("name, expected", [("demo", "make demo"), ("test", "make test")])
def test_readme_has_the_two_commands(name, expected):
    block = re.search(rf"<!-- command: {name} -->\n```bash\n(.*?)\n```", DOCUMENTS["README.md"], re.DOTALL)
    assert block[1] == expected
    done = subprocess.run(["make", "-n", name], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
