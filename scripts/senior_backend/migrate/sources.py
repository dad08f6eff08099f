"""The two sides of a comparison, read at the same time; and the scratch server, started meanwhile."""
from __future__ import annotations

import contextlib
import dataclasses
import gc
import pathlib
import re
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from senior_backend.console import CommandError, ExitCode
from senior_backend.postgres import binaries, connection, live, loading, scratch, sql_files
from senior_backend.postgres.model import Catalogue

if TYPE_CHECKING:
    import psycopg

Given = TypeVar("Given")
CONNINFO = re.compile(r"\s*\w+\s*=")


def background(work: Callable[..., Given], *arguments: Any) -> Future[Given]:
    """A function's run in a thread of its own, which does not keep the process alive. result(): what it gave, or what it raised."""
    future: Future[Given] = Future()

    def run() -> None:
        try:
            future.set_result(work(*arguments))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


class Workshop(contextlib.AbstractContextManager):
    """The scratch server of one run. It is started once, by whoever asks first; start() does not wait for it."""

    def __init__(self, shadow: str | None):
        self.shadow = shadow
        self._stack = contextlib.ExitStack()
        self._lock = threading.Lock()
        self._starting: Future[scratch.Server] | None = None

    def start(self, like: int = 0) -> None:
        """like: server_version_num of the database that it stands for."""
        with self._lock:
            self._starting = self._starting or background(lambda: self._stack.enter_context(scratch.server(self.shadow, like)))

    def server(self, like: int = 0) -> scratch.Server:
        """CommandError exit 4 where none can be had."""
        self.start(like)
        return self._starting.result()

    def __exit__(self, *_: object) -> None:
        if self._starting:
            with contextlib.suppress(CommandError):
                self._starting.result()
        self._stack.close()


@dataclasses.dataclass
class Side:
    """One side of a comparison. path: its search_path; connection: to the live database, None for files; notes and statements: about the files."""
    catalogue: Catalogue
    path: str = ""
    connection: psycopg.Connection | None = None
    notes: list[str] = dataclasses.field(default_factory=list)
    statements: int = 0


def read_both(source: str, target: str, workshop: Workshop, prove: bool, stack: contextlib.ExitStack) -> tuple[Side, Side]:
    """source, target: a connection string, or the path of a SQL file or a folder. prove: the scratch server will be needed; it is one like the live source, or the live target.

    stack: what closes the connections.
    """
    connections = [stack.enter_context(contextlib.closing(connection.connect(place))) if is_connection(place) else None for place in (source, target)]
    like = next((one.info.server_version for one in connections if one), 0)
    if prove and like:
        workshop.start(like)
    reading = background(read, target, connections[1], workshop, like)
    old = read(source, connections[0], workshop, like)
    new = reading.result()
    gc.freeze()                 # all this stays to the end: collections need not look through it again and again
    for side in (old, new):
        refuse_unhandled(side.catalogue)
    refuse_nothing(old, new)
    return old, new


def is_connection(place: str) -> bool:
    """Whether a text names a database, not a file.

    >>> is_connection("postgres://db/shop"), is_connection("host=db dbname=shop"), is_connection("schema/v2.sql")
    (True, True, False)
    """
    return "://" in place or CONNINFO.match(place) is not None and not pathlib.Path(place).exists()


def read(place: str, opened: psycopg.Connection | None, workshop: Workshop, like: int) -> Side:
    if opened is None:
        return read_files(pathlib.Path(place), workshop, like)
    path = opened.execute("SHOW search_path").fetchone()[0]
    return Side(live.read(opened, connection.masked(place)), path, opened)


def read_files(path: pathlib.Path, workshop: Workshop, like: int) -> Side:
    """Through the scratch server; by parser alone where there is none, as long as the other side is not live: the two spell expressions differently."""
    script = sql_files.read(path)
    try:
        program = None if workshop.shadow else binaries.find(like)
    except CommandError:
        if like:
            raise
        from senior_backend.postgres import parsed

        return Side(parsed.read(script), notes=[*script.notes, f"{path} was read by parser alone: there is no PostgreSQL to try things out on"], statements=len(script.statements))
    catalogue = loading.catalogue_of(script, lambda: workshop.server(like), program, allow_empty=True)
    return Side(catalogue, notes=script.notes, statements=len(script.statements))


def refuse_nothing(old: Side, new: Side) -> None:
    """One side may be empty, or both when they are about what is no part of a schema (roles); two sides that say nothing were not what was meant."""
    makes = [loading.made_something(side.catalogue) for side in (old, new)]
    for side, made in zip((old, new), makes):
        if not side.connection and not made:
            if not any(makes) and not side.statements:
                raise CommandError(f"{side.catalogue.source}: nothing was understood: the file has no statement", "give a file with CREATE statements of PostgreSQL (pg_dump -s writes one)",
                                   identifier="NOTHING_UNDERSTOOD")
            side.notes.append(f"{side.catalogue.source} makes no object")


def refuse_unhandled(catalogue: Catalogue) -> None:
    """A kind of object that nothing here stands for must not be passed over in silence."""
    if catalogue.unhandled:
        more = f" and {len(catalogue.unhandled) - 5} more" if len(catalogue.unhandled) > 5 else ""
        raise CommandError(f"{catalogue.source} holds what this tool cannot compare: {', '.join(catalogue.unhandled[:5])}{more}",
                           "compare copies of both sides without these objects, and bring them over by hand", ExitCode.REFUSED, "UNHANDLED_KIND")
