"""--migrate, --rollback, --status and --dry-run: the order of their work."""
from __future__ import annotations

import argparse
import contextlib
import pathlib
from typing import Any

from senior_backend.console import CommandError, Console, ExitCode, Outcome
from senior_backend.migrate.apply import history, rules, script
from senior_backend.migrate.apply.executor import Executor
from senior_backend.migrate.apply.script import DOWN, UP, Migration
from senior_backend.migrate.apply.session import opened
from senior_backend.migrate.steps import HAZARDS
from senior_backend.postgres import connection as connections

DATA_LOSS = "data-loss"


def run(arguments: argparse.Namespace, console: Console) -> Outcome:
    if arguments.status:
        return status(arguments.connection)
    allowed = allowed_hazards(arguments.allow_hazards)
    path = pathlib.Path(arguments.migrate) if arguments.migrate else script.rollback_of(pathlib.Path(arguments.rollback))
    migration = script.read(path, UP if arguments.migrate else DOWN)
    if arguments.dry_run:
        from senior_backend.migrate.apply import rehearsal

        return rehearsal.run(arguments, migration, console)
    return apply(arguments.connection, migration, allowed, console)


def allowed_hazards(text: str | None) -> set[str]:
    kinds = {word.strip() for word in (text or "").split(",") if word.strip()}
    if unknown := kinds - set(HAZARDS):
        raise CommandError(f"--allow-hazards {', '.join(sorted(unknown))}: expected some of {', '.join(HAZARDS)}", "--allow-hazards data-loss", identifier="USAGE")
    return kinds


def apply(url: str, migration: Migration, allowed: set[str], console: Console) -> Outcome:
    if migration.issues:
        raise CommandError("\n".join(f"{issue.statement.place}: {issue.message}" for issue in migration.issues), "correct the transaction commands of the file", identifier="TRANSACTIONS")
    with opened(url, console) as session:
        known = history.runs(session, migration.name)
        last = known[-1] if known else None
        finished = already(last, migration)
        if finished:
            return finished
        hazards = []
        if not (resumes := last is not None and not last.complete):
            hazards = checked(session, migration, 0, allowed)
            history.create(session)
            last = history.begin(session, migration)
        elif last.head.file_checksum != migration.checksum:
            hazards = checked(session, migration, last.done, allowed)
            last = history.replace_tail(session, last, migration)
        if resumes:
            console.progress(f"taking up {migration.name}: {last.done} of {len(last.rows)} statements were done before")
        done = Executor(session, url, migration, last, console).run_all()
    word = "applied" if migration.direction == UP else "rolled back"
    data = {"file": migration.name, "direction": migration.direction, "state": word, "run": last.number, "applied": len(done.statements), "skipped": done.skipped, "total": len(last.rows),
            "statements": done.statements, "hazards": hazards}
    return Outcome(data, [f"{migration.name} is {word}: {len(done.statements)} of {len(last.rows)} statements now" + (f", {done.skipped} before" if done.skipped else "")])


def already(last: history.Run | None, migration: Migration) -> Outcome | None:
    """The answer when there is nothing left to do, None when there is. CommandError exit 3 where the history contradicts what is asked."""
    up = migration.direction == UP
    if last is None or last.complete and last.head.direction != migration.direction:
        if last is None and not up:
            raise refusal(f"{migration.name} was never applied here by this tool, so there is nothing to take back", "--status lists what was applied", "NOT_APPLIED")
        return None
    if last.head.direction != migration.direction:
        if not up and not last.done:
            raise refusal(f"nothing of {migration.name} is applied ({last.state})", "--status lists what was applied", "NOT_APPLIED")
        raise refusal(f"{migration.name}: {last.done} of {len(last.rows)} statements of its {'rollback' if up else 'migration'} are done, the rest is not",
                      f"finish that first: --{'rollback' if up else 'migrate'} FILE", "UNFINISHED")
    same = [row.statement_checksum for row in last.rows][: last.done] == [one.checksum for one in migration.statements][: last.done]
    if not same or last.complete and last.head.file_checksum != migration.checksum:
        raise refusal(f"{migration.path} was changed after {last.done} of its statements were applied ({last.rows[0].file_checksum[:12]} then, {migration.checksum[:12]} now)",
                      "put the change into a new migration, and this file back as it was", "CHANGED")
    if not last.complete:
        return None
    word = "applied" if up else "rolled back"
    when = max(row.finished_at for row in last.rows)
    data = {"file": migration.name, "direction": migration.direction, "state": word, "run": last.number, "applied": 0, "skipped": last.done, "total": len(last.rows), "statements": [], "hazards": []}
    return Outcome(data, [f"{migration.name} was {word} on {when:%Y-%m-%d %H:%M}: nothing to do"])


def refusal(message: str, hint: str, identifier: str, **data: Any) -> CommandError:
    return CommandError(message, hint, ExitCode.REFUSED, identifier, data)


def checked(session: Any, migration: Migration, done: int, allowed: set[str]) -> list[dict[str, Any]]:
    """The losses of data that the statements still to run bring about; CommandError exit 3 unless they are allowed."""
    hazards = rules.losses(session, migration, done)
    if hazards and DATA_LOSS not in allowed:
        places = "\n".join(f"  {one['place']}: {one['message']} ({one['evidence']})" for one in hazards)
        raise refusal(f"{migration.path} destroys data:\n{places}", "when that is meant: --allow-hazards data-loss", "DATA_LOSS", hazards=hazards)
    return hazards


def status(url: str) -> Outcome:
    with contextlib.closing(connections.connect(url, default_transaction_read_only="on")) as session:
        runs = history.runs(session)
    latest = {run.head.file: run for run in runs}
    lines = [f"{run.state:12} {run.done:>4}/{len(run.rows):<4} {max((row.finished_at for row in run.rows if row.finished_at), default=None) or '':%Y-%m-%d %H:%M}  {file}"
             for file, run in latest.items()]
    return Outcome({"migrations": [run.as_json() for run in latest.values()], "history": len(runs)}, lines or ["no migration was applied here by this tool"])
