"""What has been applied: one row for each statement of each run, written in the transaction of the statement where it has one."""
from __future__ import annotations

import contextlib
import dataclasses
import datetime
import itertools
import json
from typing import TYPE_CHECKING, Any, Iterator

from senior_backend import dependencies
from senior_backend.console import VERSION, CommandError, ExitCode
from senior_backend.migrate.apply.script import DOWN, UP, Migration
from senior_backend.migrate.apply.statements import Statement
from senior_backend.postgres import quote
from senior_backend.postgres.live import HISTORY as SCHEMA

if TYPE_CHECKING:
    import psycopg

TABLE = f"{SCHEMA}.statements"          # the schema's name is no likely one of a user, whose search_path would lead into it
PENDING, RUNNING, DONE, FAILED = "pending", "running", "done", "failed"
CREATE = f"""
create schema if not exists {SCHEMA};
create table if not exists {TABLE} (
    run bigint not null,
    file text not null,
    direction text not null check (direction in ('{UP}', '{DOWN}')),
    file_checksum text not null,
    statement integer not null,
    line integer not null,
    statement_checksum text not null,
    state text not null default '{PENDING}' check (state in ('{PENDING}', '{RUNNING}', '{DONE}', '{FAILED}')),
    started_at timestamptz,
    finished_at timestamptz,
    error text,
    before jsonb,
    server_process integer,
    applied_by text not null default session_user,
    tool_version text not null,
    primary key (run, statement)
);
comment on table {TABLE} is 'Written by senior-backend, database_migration_tool.py --migrate: one row for each statement of each run'"""


@dataclasses.dataclass(frozen=True)
class Row:
    """One statement of a run, as recorded. before: what was seen ahead of a statement that has no transaction (see convergence)."""
    run: int
    file: str
    direction: str
    file_checksum: str
    statement: int
    line: int
    statement_checksum: str
    state: str
    started_at: datetime.datetime | None
    finished_at: datetime.datetime | None
    error: str | None
    before: Any
    applied_by: str
    tool_version: str


@dataclasses.dataclass
class Run:
    """One attempt to bring a file to its end, over as many calls as it takes."""
    number: int
    rows: list[Row]

    @property
    def head(self) -> Row:
        return self.rows[0]

    @property
    def done(self) -> int:
        return sum(row.state == DONE for row in self.rows)

    @property
    def complete(self) -> bool:
        return self.done == len(self.rows)

    @property
    def state(self) -> str:
        """What a person wants to know: applied, rolled back, or how it stands."""
        if self.complete:
            return "applied" if self.head.direction == UP else "rolled back"
        word = next((row.state for row in self.rows if row.state in (FAILED, RUNNING)), PENDING)
        return {FAILED: "failed", RUNNING: "interrupted", PENDING: "unfinished"}[word]

    def as_json(self) -> dict[str, Any]:
        times = [time for row in self.rows for time in (row.started_at, row.finished_at) if time]
        failure = next((row for row in self.rows if row.error and row.state != DONE), None)
        return {"file": self.head.file, "direction": self.head.direction, "state": self.state, "statements": len(self.rows), "done": self.done, "checksum": self.head.file_checksum,
                "started_at": min(times).isoformat() if times else None, "finished_at": max(times).isoformat() if times else None, "applied_by": self.head.applied_by,
                "tool_version": self.rows[-1].tool_version, "run": self.number, "error": failure and {"statement": failure.statement, "line": failure.line, "message": failure.error}}


@contextlib.contextmanager
def permitted(session: psycopg.Connection) -> Iterator[None]:
    """CommandError exit 4 when the user may not make, read or write the history."""
    try:
        yield
    except dependencies.require("psycopg").errors.InsufficientPrivilege as error:
        user = quote.ident(session.info.user)
        raise CommandError(f"{user} may not use the history table {TABLE}: {error.diag.message_primary}",
                           f"let an owner of the database run: CREATE SCHEMA IF NOT EXISTS {SCHEMA} AUTHORIZATION {user}; where it is there: "
                           f"GRANT USAGE ON SCHEMA {SCHEMA} TO {user}; GRANT ALL ON {TABLE} TO {user}", ExitCode.ENVIRONMENT, "PRIVILEGES") from None


def exists(session: psycopg.Connection) -> bool:
    return session.execute("select to_regclass(%s) is not null", [TABLE]).fetchone()[0]


def create(session: psycopg.Connection) -> None:
    """The history's schema and table."""
    with permitted(session), session.transaction():
        if not exists(session):
            session.execute(CREATE)


def runs(session: psycopg.Connection, file: str | None = None) -> list[Run]:
    """All runs in order, of one file or of all; empty where nothing was ever recorded."""
    columns = ", ".join(one.name for one in dataclasses.fields(Row))
    with permitted(session):
        rows = session.execute(f"select {columns} from {TABLE} where %s::text is null or file = %s order by run, statement", [file, file]).fetchall() if exists(session) else []
    found: dict[int, Run] = {}
    for row in itertools.starmap(Row, rows):
        found.setdefault(row.run, Run(row.run, [])).rows.append(row)
    return list(found.values())


def begin(session: psycopg.Connection, migration: Migration) -> Run:
    """A new run with all its statements pending."""
    with permitted(session), session.transaction():
        number = session.execute(f"select coalesce(max(run), 0) + 1 from {TABLE}").fetchone()[0]
        write(session, number, migration, migration.statements)
    return runs(session, migration.name)[-1]


def write(session: psycopg.Connection, number: int, migration: Migration, statements: list[Statement]) -> None:
    rows = [(number, migration.name, migration.direction, migration.checksum, one.number, one.line, one.checksum, VERSION) for one in statements]
    with session.cursor() as cursor:
        cursor.executemany(f"insert into {TABLE} (run, file, direction, file_checksum, statement, line, statement_checksum, tool_version) values (%s, %s, %s, %s, %s, %s, %s, %s)", rows)


def replace_tail(session: psycopg.Connection, run: Run, migration: Migration) -> Run:
    """The file was corrected behind what is done: the rows of the rest are those of the file as it is now."""
    with permitted(session), session.transaction():
        session.execute(f"delete from {TABLE} where run = %s and state <> '{DONE}'", [run.number])
        session.execute(f"update {TABLE} set file_checksum = %s where run = %s", [migration.checksum, run.number])
        write(session, run.number, migration, migration.statements[run.done:])
    return runs(session, migration.name)[-1]


def mark(session: psycopg.Connection, run: int, statement: int, state: str, started: datetime.datetime | None = None, error: str | None = None, before: dict[str, Any] | None = None) -> None:
    """In the statement's own transaction, where it has one. started: where it is known only now."""
    running = state == RUNNING
    session.execute(f"""update {TABLE} set state = %s, started_at = coalesce(%s, case when %s then clock_timestamp() else started_at end),
        finished_at = case when not %s then clock_timestamp() end, error = %s, before = coalesce(%s, before), server_process = case when %s then pg_backend_pid() else server_process end, tool_version = %s where run = %s and statement = %s""",
                    [state, started, running, running, error, None if before is None else json.dumps(before), running, VERSION, run, statement])


def standing(known: list[Run], migration: Migration) -> tuple[Run | None, int]:
    """The run to go on with and how many statements of it are done; None where a new one begins. CommandError exit 3 where the history contradicts what is asked."""
    up, last = migration.direction == UP, known[-1] if known else None
    if last is None and not up:
        raise refusal(f"{migration.name} was never applied here by this tool, so there is nothing to take back", "--status lists what was applied", "NOT_APPLIED")
    if last is None or last.complete and last.head.direction != migration.direction:
        return None, 0
    if last.head.direction != migration.direction:
        if not up and not last.done:
            raise refusal(f"nothing of {migration.name} is applied ({last.state})", "--status lists what was applied", "NOT_APPLIED")
        raise refusal(f"{migration.name}: {last.done} of {len(last.rows)} statements of its {'rollback' if up else 'migration'} are done, the rest is not",
                      f"finish that first: --{'rollback' if up else 'migrate'} FILE", "UNFINISHED")
    same = [row.statement_checksum for row in last.rows][: last.done] == [one.checksum for one in migration.statements][: last.done]
    if not same or last.complete and last.head.file_checksum != migration.checksum:
        raise refusal(f"{migration.path} was changed after {last.done} of its statements were applied ({last.head.file_checksum[:12]} then, {migration.checksum[:12]} now)",
                      "put the change into a new migration, and this file back as it was", "CHANGED")
    return last, last.done


def refusal(message: str, hint: str, identifier: str, **data: Any) -> CommandError:
    return CommandError(message, hint, ExitCode.REFUSED, identifier, data)
