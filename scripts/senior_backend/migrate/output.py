"""A migration as text and as files."""
from __future__ import annotations

import contextlib
import datetime
import os
import pathlib
import re
from typing import Callable, Iterable, Sequence

from senior_backend.console import CommandError, ExitCode
from senior_backend.migrate.steps import Hazard, Step

LINE_BREAKS = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029]+")
SETTINGS = ("SET lock_timeout = '5s';", "SET statement_timeout = 0;", "SET check_function_bodies = off;")
RESETS = ("RESET lock_timeout;", "RESET statement_timeout;", "RESET check_function_bodies;")
VALIDATES = re.compile(r"ALTER (TABLE|DOMAIN) [^;]* VALIDATE CONSTRAINT ")
NAME_CHARACTERS = 60
RETRY = ("A lock is waited for at most 5 s, so that nobody is held up behind a statement that waits. After a lock timeout run the",
         "file again from that transaction on; those before it are done. --migrate does that by itself.")


def comment(text: str) -> str:
    """One comment line, whatever the text holds.

    >>> comment("users" + chr(10) + "; drop table users")
    '-- users ; drop table users'
    """
    return "-- " + LINE_BREAKS.sub(" ", text)


def script(head: Iterable[str], steps: Sequence[Step], told: Callable[[Hazard], str]) -> str:
    """The file's text: head as comments, settings, statements in transactions, each hazard above its statement; empty without steps. told: a hazard in words."""
    if not steps:
        return ""
    lines = [*map(comment, head), *map(comment, RETRY), "", *SETTINGS, ""]
    for group in grouped(steps):
        transactional = group[0].transactional
        lines += ["BEGIN;", ""] if transactional else [comment("This statement cannot run in a transaction.")]
        for step in group:
            lines += [*(comment(f"hazard {hazard.kind}: {told(hazard)}") for hazard in step.hazards), f"{step.sql};", ""]
        lines += ["COMMIT;", ""] if transactional else []
    return "\n".join([*lines, *RESETS, ""])


def grouped(steps: Iterable[Step]) -> list[list[Step]]:
    """Statements that run in one transaction; one that cannot run in any is alone, and so is one that reads all rows to validate: no lock of others may be held meanwhile."""
    groups: list[list[Step]] = []
    open_group = False
    for step in steps:
        validates = VALIDATES.match(step.sql) is not None
        if open_group and step.transactional and not validates:
            groups[-1].append(step)
        else:
            groups.append([step])
        open_group = step.transactional and not step.commit_after and not validates
    return groups


def safe_name(words: str) -> str:
    """A part of a file name.

    >>> safe_name("add Users.E-Mail ../x")
    'add_users_e_mail_x'
    """
    return re.sub("[^a-z0-9]+", "_", words.lower()).strip("_")[:NAME_CHARACTERS].rstrip("_") or "schema"


def check_folder(name: str | None) -> None:
    """Say before the work that the files cannot be written after it."""
    if name is None:
        return
    place = pathlib.Path(name).absolute()
    existing = next(one for one in (place, *place.parents) if one.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise CommandError(f"--output {name}: {existing} is {'no folder that you may write to' if existing.is_dir() else 'no folder'}", "give a folder for the migration files",
                           ExitCode.ENVIRONMENT if existing.is_dir() else ExitCode.UNUSABLE, "CANNOT_WRITE")


def write_pair(folder: str, what_changed: str, up: str, down: str, now: datetime.datetime | None = None) -> list[str]:
    """Both files under names that nobody has, or none of them; gives their paths."""
    place = pathlib.Path(folder)
    moment = now or datetime.datetime.now(datetime.timezone.utc)
    try:
        place.mkdir(parents=True, exist_ok=True)
        while True:
            stem = f"{moment:%Y%m%d%H%M%S}_{safe_name(what_changed)}_migration"
            paths = [place / f"{stem}.sql", place / f"{stem}_rollback.sql"]
            if create_all(dict(zip(paths, (up, down)))):
                return list(map(str, paths))
            moment += datetime.timedelta(seconds=1)
    except OSError as error:
        raise CommandError(f"cannot write to {folder}: {error.strerror or error}; no file was left", "free space, change the folder's permissions, or choose another --output",
                           ExitCode.ENVIRONMENT, "CANNOT_WRITE") from error


def create_all(texts: dict[pathlib.Path, str]) -> bool:
    """Make the files; False, and none of them there, when one of the names is taken."""
    made = []
    try:
        for path, text in texts.items():
            with path.open("x", encoding="utf-8", newline="\n") as stream:
                made.append(path)
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
    except BaseException as error:
        for path in made:
            with contextlib.suppress(OSError):
                path.unlink()
        if isinstance(error, FileExistsError):
            return False
        raise
    return True
