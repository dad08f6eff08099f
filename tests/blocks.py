"""Fenced blocks of Markdown documents, and what executing each kind of them means.

A comment right above a block directs its test, `<!-- key: value; key: value -->`. Keys: KINDS says which kind of block takes which.
"""
from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import pathlib
import re
import subprocess
import textwrap

import postgast
import psycopg
import pytest

from senior_backend.postgres import connection

FENCE = re.compile(r"(?:^<!-- (?P<directive>[\w-]+: .*?) -->\n)?^(?P<indent> *)```(?P<kind>[^\n`]*)\n(?P<code>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
# kind -> directives. output, never: texts that the printed rows hold in this order, or not; fails: SQLSTATE of the last statement; since: major version;
# needs: extension; name: file that other blocks import; driver: tests/drivers file that calls its exports; node: oldest Node.js; server: block that answers;
# answers: request to the example API; scaffold: what is scaffolded around it; output-of: see test_references.OUTPUTS
KINDS = {
    "sql": {"output", "never", "fails", "since", "needs"}, "ts": {"name", "driver", "scaffold", "node"}, "http": {"server"}, "json": {"answers", "scaffold"},
    "bash": {"command"}, "text": {"output-of"},
}


@dataclasses.dataclass(frozen=True)
class Block:
    """where: document:line of the fence."""
    where: str
    kind: str
    code: str
    directives: dict[str, str]

    @property
    def name(self) -> str:
        return self.directives.get("name", f"block{self.where.rsplit(':')[-1]}.ts")

    def texts(self, key: str) -> list[str]:
        return [text.strip() for text in self.directives.get(key, "").split(" | ") if text.strip()]


def blocks_of(name: str, text: str) -> list[Block]:
    found = []
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start("kind")) + 1
        directives = dict(part.split(": ", 1) for part in (match["directive"] or "").split("; ") if part)
        found.append(Block(f"{name}:{line}", match["kind"], textwrap.dedent(match["code"]), directives))
    return found


# --- SQL

def applies(block: Block, major: int, has_contrib: bool) -> bool:
    return major >= int(block.directives.get("since", 0)) and (has_contrib or "needs" not in block.directives)


def run_sql(url: str, blocks: list[Block]) -> None:
    """The blocks of a document, one after the other in one database, as its reader would."""
    with contextlib.closing(connection.connect(url)) as session:
        for block in blocks:
            printed, state = executed(session, block)
            assert state == block.directives.get("fails"), f"{block.where}: SQLSTATE {state}: {printed[-1]}"
            check_output(block, "\n".join(printed))
            session.execute("ROLLBACK")
            session.execute("RESET ALL")
            session.execute("RESET ROLE")


def executed(session: psycopg.Connection, block: Block) -> tuple[list[str], str | None]:
    """The rows as lines of values, and the SQLSTATE of the statement that failed (it must be the last)."""
    printed: list[str] = []
    statements = postgast.split(block.code)
    for number, statement in enumerate(statements, 1):
        try:
            cursor = session.execute(statement)
        except psycopg.Error as error:
            assert number == len(statements), f"{block.where}: {statement}: {error}"
            return [*printed, str(error)], error.sqlstate
        while True:
            printed += ["\t".join(map(str, row)) for row in cursor.fetchall()] if cursor.description else []
            if not cursor.nextset():
                break
    return printed or [""], None


def check_output(block: Block, text: str) -> None:
    at = 0
    for expected in block.texts("output"):
        found = text.find(expected, at)
        assert found >= 0, f"{block.where}: no {expected!r} after position {at} of:\n{text}"
        at = found + len(expected)
    for unwanted in block.texts("never"):
        assert unwanted not in text, f"{block.where}: {unwanted!r} in:\n{text}"


# --- TypeScript

def write_modules(folder: pathlib.Path, blocks: list[Block]) -> None:
    for block in blocks:
        (folder / block.name).write_text(block.code, encoding="utf-8")


def run_node(node: pathlib.Path, script: pathlib.Path, environment: dict[str, str], where: str) -> None:
    done = subprocess.run([str(node), script.name], cwd=script.parent, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    assert done.returncode == 0 and not done.stderr, f"{where}: exit {done.returncode}\n{done.stdout}{done.stderr}"


# --- HTTP: requests and the answers they must get; "..." stands for anything, {{key}} for the value of that key in the answer before

START = re.compile(r"^(?=(?:[A-Z]+ /\S* HTTP/1\.1|HTTP/1\.1 \d{3}.*)$)", re.MULTILINE)


def messages(code: str) -> list[tuple[str, dict[str, str], str]]:
    """(start line, fields, body) of each message."""
    found = []
    for text in filter(str.strip, START.split(code)):
        head, _, body = text.partition("\n\n")
        start, *lines = head.strip().splitlines()
        found.append((start, dict(line.split(": ", 1) for line in lines), body.strip()))
    return found


def run_http(block: Block, port: int) -> None:
    given = messages(block.code)
    assert len(given) >= 2 and len(given) % 2 == 0, f"{block.where}: requests and answers in turn"
    before: object = None
    for (request, fields, body), (status, expected, content) in zip(given[::2], given[1::2]):
        request, fields, body = (filled(text, before) for text in (request, json.dumps(fields), body))
        method, target, _ = request.split(" ")
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        with contextlib.closing(client):
            client.request(method, target, body.encode() or None, json.loads(fields))
            answer = client.getresponse()
            text = answer.read().decode()
        where = f"{block.where}: {request}"
        assert f"HTTP/1.1 {answer.status} {answer.reason}" == status, f"{where}: {answer.status} {answer.reason} {text}"
        for field, value in expected.items():
            assert like(value, answer.getheader(field)), f"{where}: {field}: {answer.getheader(field)}"
        before = json.loads(text) if text.startswith("{") else text
        assert like(json.loads(content) if content.startswith("{") else content, before), f"{where}: {text}"


def filled(text: str, before: object) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: str(next(values(before, match[1]))), text)


def values(node: object, key: str):
    for child_key, child in node.items() if isinstance(node, dict) else ():
        if child_key == key:
            yield child
        yield from values(child, key)


def like(expected: object, actual: object) -> bool:
    if isinstance(expected, dict):
        return isinstance(actual, dict) and expected.keys() == actual.keys() and all(like(value, actual[key]) for key, value in expected.items())
    if isinstance(expected, list):
        return isinstance(actual, list) and len(expected) == len(actual) and all(map(like, expected, actual))
    if isinstance(expected, str) and "..." in expected:
        return actual is not None and re.fullmatch(".*".join(map(re.escape, expected.split("..."))), str(actual)) is not None
    return expected == actual


# --- shell: our scripts are parsed by their own parsers, everything else is run in a folder of its own

def run_shell(block: Block, parse, folder: pathlib.Path) -> None:
    for command in re.sub(r"\\\n\s*", " ", block.code).splitlines():
        if "scripts/" in command and command.startswith(("python ", "python3 ", "uv run ")):
            parse(block.where, command)
        elif command.startswith("make "):
            run_command(f"make -n {command[5:]}", pathlib.Path(__file__).resolve().parents[1], block.where)
        elif command and not command.startswith("#"):
            run_command(command, folder, block.where)


def run_command(command: str, folder: pathlib.Path, where: str) -> None:
    done = subprocess.run(["bash", "-euc", command], cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
    if done.returncode:
        pytest.fail(f"{where}: {command}: exit {done.returncode}\n{done.stdout}{done.stderr}")
