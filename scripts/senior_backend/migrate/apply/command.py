"""--migrate, --rollback, --status and --dry-run: the order of their work."""
from __future__ import annotations

import argparse
import contextlib
import pathlib
from typing import Any

from senior_backend.console import CommandError, Console, Outcome
from senior_backend.migrate.apply import history, losses, script
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
        last, finished = history.standing(history.runs(session, migration.name), migration)
        if last and last.complete:
            return told(migration, last, [], finished, [])
        hazards = checked(session, migration, finished, allowed) if last is None or last.head.file_checksum != migration.checksum else []
        if last is None:
            history.create(session)
            last = history.begin(session, migration)
        else:
            console.progress(f"taking up {migration.name}: {finished} of {len(last.rows)} statements were done before")
            last = last if last.head.file_checksum == migration.checksum else history.replace_tail(session, last, migration)
        done = Executor(session, url, migration, last, DATA_LOSS in allowed, console)
        done.run_all()
        return told(migration, last, done.statements, done.skipped, hazards)


def told(migration: Migration, run: history.Run, statements: list[dict[str, Any]], skipped: int, hazards: list[dict[str, Any]]) -> Outcome:
    word = "applied" if migration.direction == UP else "rolled back"
    data = {"file": migration.name, "direction": migration.direction, "state": word, "run": run.number, "applied": len(statements), "skipped": skipped, "total": len(run.rows),
            "statements": statements, "hazards": hazards}
    if not statements:
        when = max(row.finished_at for row in run.rows if row.finished_at)
        return Outcome(data, [f"{migration.name} was {word} on {when:%Y-%m-%d %H:%M}: nothing to do"])
    return Outcome(data, [f"{migration.name} is {word}: {len(statements)} of {len(run.rows)} statements now" + (f", {skipped} before" if skipped else "")])


def checked(session: Any, migration: Migration, done: int, allowed: set[str]) -> list[dict[str, Any]]:
    """The losses of data that the statements still to run bring about; CommandError exit 3 unless they are allowed."""
    hazards = losses.losses(session, migration, done)
    if hazards and DATA_LOSS not in allowed:
        places = "\n".join(f"  {one['place']}: {one['message']} ({one['evidence']})" for one in hazards)
        raise history.refusal(f"{migration.path} destroys data:\n{places}", "when that is meant: --allow-hazards data-loss", "DATA_LOSS", hazards=hazards)
    return hazards


def status(url: str) -> Outcome:
    with contextlib.closing(connections.connect(url, default_transaction_read_only="on")) as session:
        runs = history.runs(session)
    latest = {run.head.file: run for run in runs}
    lines = [f"{run.state:12} {run.done:>4}/{len(run.rows):<4} {max((row.finished_at for row in run.rows if row.finished_at), default=None) or '':%Y-%m-%d %H:%M}  {file}"
             for file, run in latest.items()]
    return Outcome({"migrations": [run.as_json() for run in latest.values()], "history": len(runs)}, lines or ["no migration was applied here by this tool"])
