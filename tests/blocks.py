"""Fenced blocks of Markdown documents, and what executing each kind of them means; and which locks a statement takes, measured on a running server.

A comment right above a block directs its test, `<!-- key: value; key: value -->`. Keys: KINDS says which kind of block takes which.
"""
from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import pathlib
import postgast
import psycopg
import pytest
import re
import subprocess
import textwrap
import threading
import time

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


# what the statements of the guide's table are about; "was" and "valid CHECK" in their notes are columns and constraints of this
SETUP = """
CREATE TABLE customers (id bigint PRIMARY KEY);
INSERT INTO customers SELECT generate_series(1, 100);
CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id bigint NOT NULL, total_cents bigint NOT NULL,
  created_at timestamptz NOT NULL, note text, short varchar(20), small int, checked int, CONSTRAINT there CHECK (checked IS NOT NULL));
INSERT INTO orders (customer_id, total_cents, created_at, short, small, checked)
  SELECT 1 + n % 100, n, timestamptz '2026-01-01' + n * interval '1 s', 'x', n, n FROM generate_series(1, 500) n;
CREATE INDEX orders_created ON orders (created_at);
CREATE UNIQUE INDEX orders_unique ON orders (total_cents);
ALTER TABLE orders ADD CONSTRAINT later CHECK (total_cents >= 0) NOT VALID, ADD CONSTRAINT fk_later FOREIGN KEY (customer_id) REFERENCES customers NOT VALID;
CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TABLE metrics (at int NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE metrics_old PARTITION OF metrics FOR VALUES FROM (0) TO (100);
CREATE TABLE metrics_new (at int NOT NULL, CHECK (at >= 200 AND at < 300));
CREATE MATERIALIZED VIEW totals AS SELECT customer_id, sum(total_cents) FROM orders GROUP BY 1;
CREATE UNIQUE INDEX ON totals (customer_id);
"""
STATE = "SELECT pg_relation_filenode(%(table)s::regclass), (SELECT seq_tup_read FROM {view} WHERE relid = %(table)s::regclass)"
HELD = "SELECT relation::regclass::text, mode FROM pg_locks WHERE locktype = 'relation' AND granted AND pid = pg_backend_pid()"
WAITED = "SELECT mode FROM pg_locks WHERE NOT granted AND relation = %s::regclass"
STRENGTH = [f"{mode}Lock" for mode in "AccessShare RowShare RowExclusive ShareUpdateExclusive Share ShareRowExclusive Exclusive AccessExclusive".split()]
WAIT_S = 20


@dataclasses.dataclass(frozen=True)
class Effect:
    """lock: mode on the table; elsewhere: {other table: mode}; rewrites: it has a new file; reads: its rows were read from the beginning."""
    lock: str
    elsewhere: dict[str, str]
    rewrites: bool
    reads: bool


def strongest(modes: list[str]) -> str:
    return max(modes, key=STRENGTH.index)


def measure(url: str, statement: str, table: str, others: list[str]) -> Effect:
    """In a transaction that is rolled back, or, for statements that refuse one, by what they wait for while others hold locks."""
    with contextlib.closing(connection.connect(url)) as session:
        try:
            return in_transaction(session, statement, table, others)
        except psycopg.errors.ActiveSqlTransaction:
            session.execute("ROLLBACK")
        return by_waiting(url, session, statement, table, others)


def in_transaction(session: psycopg.Connection, statement: str, table: str, others: list[str]) -> Effect:
    state = STATE.format(view="pg_stat_xact_all_tables")
    session.execute("BEGIN")
    before = session.execute(state, {"table": table}).fetchone()
    session.execute(statement)
    after = session.execute(state, {"table": table}).fetchone()
    held: dict[str, list[str]] = {}
    for relation, mode in session.execute(HELD).fetchall():
        held.setdefault(relation, []).append(mode)
    session.execute("ROLLBACK")
    return Effect(strongest(held[table]), {other: strongest(held[other]) for other in others}, before[0] != after[0], (after[1] or 0) > (before[1] or 0))


def by_waiting(url: str, session: psycopg.Connection, statement: str, table: str, others: list[str]) -> Effect:
    def state() -> tuple:
        session.execute("SELECT pg_stat_clear_snapshot()")
        return session.execute(STATE.format(view="pg_stat_all_tables"), {"table": table}).fetchone()

    def run() -> None:
        with contextlib.closing(connection.connect(url)) as worker:
            worker.execute(statement)
            worker.execute("SELECT pg_stat_force_next_flush()")

    before, waited = state(), {}
    with contextlib.ExitStack() as stack:
        holders = {}
        for name, mode in {**{other: "ACCESS SHARE" for other in others}, table: "SHARE ROW EXCLUSIVE"}.items():
            holders[name] = stack.enter_context(contextlib.closing(connection.connect(url)))
            holders[name].execute(f"BEGIN; LOCK TABLE {name} IN {mode} MODE")
        worker = threading.Thread(target=run)
        worker.start()
        for name in [table, *others]:
            deadline = time.monotonic() + WAIT_S
            while not (found := session.execute(WAITED, [name]).fetchall()) and time.monotonic() < deadline:
                time.sleep(0.01)
            waited[name] = strongest([mode for mode, in found])
            holders[name].execute("ROLLBACK")
        worker.join(WAIT_S)
    after = state()
    return Effect(waited[table], {other: waited[other] for other in others}, before[0] != after[0], (after[1] or 0) > (before[1] or 0))
