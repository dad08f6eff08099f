"""Running a migration's groups one after the other, each recorded as it is done, so that a run that ends anywhere can be taken up there."""
from __future__ import annotations

import contextlib
import datetime
import random
import time
from typing import TYPE_CHECKING, Any, Callable, Iterator

from senior_backend import dependencies
from senior_backend.console import CommandError, Console, ExitCode
from senior_backend.migrate.apply import convergence, history, losses
from senior_backend.migrate.apply.script import Group, Migration
from senior_backend.migrate.apply.session import watched
from senior_backend.migrate.apply.statements import Statement
from senior_backend.postgres import connection

if TYPE_CHECKING:
    import psycopg

ATTEMPTS, FIRST_PAUSE, LONGEST_PAUSE = 8, 0.5, 15.0
FEW = 100           # statements that are told one by one
RETRIED = {"55P03": "the lock was not to be had in time", "40P01": "deadlock", "40001": "serialization failure"}
NO_TRANSACTION = {"25001", "2D000"}         # "cannot run inside a transaction block", "invalid transaction termination"
AS_OURSELVES = {"role": "set local role none", "session_authorization": "set local session authorization default"}


class Executor:
    """One migration on one session. statements: those that this call has run, their seconds with the waiting for locks; skipped: how many were done before."""

    def __init__(self, session: psycopg.Connection, url: str, migration: Migration, run: history.Run, may_lose: bool, console: Console):
        self.session, self.url, self.migration, self.run, self.may_lose, self.console = session, url, migration, run, may_lose, console
        self.psycopg = dependencies.require("psycopg")
        self.rows = {row.statement: row for row in run.rows}
        self.set_by_file: set[str] = set()
        self.statements: list[dict[str, Any]] = []
        self.skipped = 0
        session.add_notice_handler(self.notice)

    def notice(self, diagnostic: Any) -> None:
        tell = self.console.detail if diagnostic.severity_nonlocalized in ("NOTICE", "INFO", "DEBUG", "LOG") else self.console.progress
        tell(f"  {diagnostic.severity}: {diagnostic.message_primary}")

    def run_all(self) -> None:
        for group in self.migration.groups:
            if all(self.rows[one.number].state == history.DONE for one in group.counted):
                for one in replay(self.session, group):
                    self.remember(one)
                self.skipped += len(group.counted)
            elif group.transactional:
                self.repeated(group.counted[0], lambda group=group: self.in_transaction(group))
            else:
                self.alone(group.counted[0])

    def remember(self, statement: Statement) -> None:
        if statement.kind == "VariableSetStmt":
            self.set_by_file.add(statement.node.name)

    def in_transaction(self, group: Group) -> None:
        taken: list[tuple[Statement, datetime.datetime, float]] = []
        undone = bool(group.end and group.end.control == "ROLLBACK")
        self.execute(group.begin, "begin")
        for one in group.statements:
            started, clock = datetime.datetime.now(datetime.UTC), time.monotonic()
            self.execute(one)
            taken.append((one, started, time.monotonic() - clock))
        if undone:
            self.execute(group.end)
            self.execute(None, "begin")
        self.as_ourselves()
        for one, started, _ in taken:
            if one.number:
                history.mark(self.session, self.run.number, one.number, history.DONE, started)
        self.execute(None if undone else group.end, "commit")
        for one, _, seconds in taken:
            self.finished(one, seconds, True)

    def execute(self, statement: Statement | None, text: str = "") -> None:
        try:
            if statement and statement.number:
                with watched(self.url, self.session.info.backend_pid, self.console, statement.place), self.guarded(statement):
                    send(self.session, statement)
                self.remember(statement)
            else:
                self.session.execute(statement.text if statement else text)
        except self.psycopg.Error as error:
            error.statement = statement
            raise

    @contextlib.contextmanager
    def guarded(self, statement: Statement) -> Iterator[None]:
        """Code that nobody has read (DO, functions) is looked after: when data is gone behind it that nobody allowed to be lost, its transaction is undone."""
        guards = statement.opaque and not self.may_lose and self.session.info.transaction_status == self.psycopg.pq.TransactionStatus.INTRANS
        before = losses.holdings(self.session) if guards else {}
        yield
        lost = losses.gone(before, losses.holdings(self.session)) if guards else ()
        if lost:
            self.session.rollback()
            raise history.refusal(f"{statement.place}: statement {statement.number} destroys data, and was undone: {'; '.join(lost)}\n  {statement.headline}",
                                  "when that is meant: --allow-hazards data-loss", "DATA_LOSS", hazards=[losses.lossy(statement, "", words, "measured") for words in lost])

    def as_ourselves(self) -> None:
        """The history is written by the user who connected, whatever role the file has taken; the setting ends with the transaction."""
        for name in self.set_by_file & AS_OURSELVES.keys():
            self.session.execute(AS_OURSELVES[name])

    def recorded(self, statement: Statement, state: str, **more: Any) -> None:
        with self.session.transaction():
            self.as_ourselves()
            history.mark(self.session, self.run.number, statement.number, state, **more)

    def repeated(self, first: Statement, work: Callable[[], None]) -> None:
        """Do it until it gets its locks, with growing pauses in which others get theirs; every other failure ends the run."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return work()
            except self.psycopg.Error as error:
                statement = getattr(error, "statement", None) or first
                self.clear(statement, error)
                if error.sqlstate in NO_TRANSACTION and self.is_alone(statement):
                    return self.alone(statement)
                if error.sqlstate not in RETRIED or attempt == ATTEMPTS:
                    raise self.failure(statement, error, attempt) from None
                pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1)) * random.uniform(0.75, 1.25)
                self.console.progress(f"  {statement.place}: {RETRIED[error.sqlstate]}; attempt {attempt + 1} of {ATTEMPTS} in {pause:.1f} s")
                time.sleep(pause)

    def is_alone(self, statement: Statement) -> bool:
        return any(group.counted == (statement,) and not group.begin for group in self.migration.groups)

    def clear(self, statement: Statement, error: Exception) -> None:
        """Leave the failed transaction. CommandError when there is no session any more."""
        if self.session.broken or self.session.closed:
            raise self.lost(statement, error)
        self.session.rollback()

    def alone(self, statement: Statement) -> None:
        """A statement without a transaction: noted before, looked for after."""
        row = self.rows[statement.number]
        if row.state in (history.RUNNING, history.FAILED):
            found = convergence.settle(self.session, statement, row.before, self.console)
            if found is convergence.Found.DONE:
                self.recorded(statement, history.DONE)
                return self.finished(statement, 0.0, False)
            if found is convergence.Found.UNKNOWN and row.state == history.RUNNING:
                raise self.undecidable(statement)
        self.repeated(statement, lambda: self.once(statement))

    def once(self, statement: Statement) -> None:
        before = convergence.note(self.session, statement, self.console)
        self.recorded(statement, history.RUNNING, before=before)
        clock = time.monotonic()
        try:
            with self.patience():
                self.execute(statement)
        except self.psycopg.Error:
            if not (self.session.broken or self.session.closed):
                self.session.rollback()
                convergence.settle(self.session, statement, before, self.console)
            raise
        self.recorded(statement, history.DONE)
        self.finished(statement, time.monotonic() - clock, False)

    @contextlib.contextmanager
    def patience(self) -> Iterator[None]:
        """CONCURRENTLY works long, and waits for old transactions, without keeping anybody from reading or writing: no time limits, unless the file has set its own."""
        kept = {name: self.session.execute("select current_setting(%s)", [name]).fetchone()[0] for name in ("lock_timeout", "statement_timeout") if name not in self.set_by_file}
        for name in kept:
            self.session.execute("select set_config(%s, '0', false)", [name])
        try:
            yield
        finally:
            for setting in kept.items() if not self.session.broken else ():
                self.session.execute("select set_config(%s, %s, false)", setting)

    def finished(self, statement: Statement, seconds: float, transactional: bool) -> None:
        if statement.number:
            tell = self.console.progress if len(self.rows) <= FEW or seconds > 1 or statement.number % FEW == 0 else self.console.detail
            tell(f"  done {statement.number}/{len(self.rows)} in {seconds:.1f} s: {statement.headline}")
            self.statements.append({"number": statement.number, "line": statement.line, "sql": statement.headline, "seconds": round(seconds, 3), "transactional": transactional})

    def failure(self, statement: Statement, error: Any, attempts: int) -> CommandError:
        """What went wrong, where, what the database holds now, and what to do."""
        message = connection.told(error)
        first = min([one.number for group in self.migration.groups if statement in group.statements for one in group.counted] or [statement.number])
        if statement.number:
            with contextlib.suppress(self.psycopg.Error):          # the failure itself is what has to be told
                self.recorded(statement, history.FAILED, error=message)
        line = statement.line + statement.text[: int(error.diag.statement_position or 1) - 1].count("\n")
        waited = error.sqlstate in RETRIED
        text = f"{statement.file}:{line}: statement {statement.number} of {len(self.rows)} failed{f' {attempts} times' if waited else ''}: {message}\n  {statement.headline}\n{self.standing(first - 1)}"
        hint = "run the same command again when the other sessions are done" if waited else "correct the file from this statement on, then run the same command again: what is done is not run twice"
        return CommandError(text, hint, ExitCode.ENVIRONMENT if waited else ExitCode.UNUSABLE, "LOCK_TIMEOUT" if waited else "STATEMENT_FAILED",
                            {"file": self.migration.name, "statement": statement.number, "line": line, "sqlstate": error.sqlstate, "done": first - 1, "total": len(self.rows)})

    def standing(self, done: int) -> str:
        kept = f"statements 1 to {done} are applied and recorded" if done > 1 else "statement 1 is applied and recorded" if done else "nothing of the file is applied"
        return f"{kept}; of this one nothing is left"

    def lost(self, statement: Statement, error: Exception) -> CommandError:
        return CommandError(f"{statement.place}: the connection broke during statement {statement.number} of {len(self.rows)}: {' '.join(str(error).split())}\n"
                            "what was committed is recorded; whether this statement was, the next run finds out", "run the same command again", ExitCode.ENVIRONMENT, "CONNECTION_LOST")

    def undecidable(self, statement: Statement) -> CommandError:
        where = f"where run = {self.run.number} and statement = {statement.number}"
        return CommandError(f"{statement.place}: the last run was cut off in statement {statement.number}, and nothing shows whether it is done: {statement.headline}",
                            f"look at the database, then say so: update {history.TABLE} set state = 'done' {where}  (or 'pending', to run it again)", ExitCode.REFUSED, "STATE_UNKNOWN")


def send(session: psycopg.Connection, statement: Statement) -> None:
    if statement.kind == "CopyStmt" and statement.node.is_from and not statement.node.filename:
        with session.cursor() as cursor, cursor.copy(statement.text) as rows:
            rows.write(statement.rows)
    else:
        session.execute(statement.text)


def replay(session: psycopg.Connection, group: Group) -> list[Statement]:
    """Settings that statements of an earlier call have left in their session are made again in this one."""
    settings = [one for one in group.statements if one.sets_session and not (group.end and group.end.control == "ROLLBACK")]
    for one in settings:
        session.execute(one.text)
    return settings
