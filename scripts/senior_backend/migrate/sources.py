"""The two sides of a comparison, read at the same time; and the scratch server, started meanwhile."""
from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import threading
from typing import TYPE_CHECKING, Any, Callable, Generic, TypeVar

from senior_backend.console import CommandError, ExitCode
from senior_backend.postgres import connection, live, scratch
from senior_backend.postgres.model import Catalogue, Fact

if TYPE_CHECKING:
    import psycopg

Given = TypeVar("Given")


class Background(Generic[Given]):
    """A function's run in a thread of its own. result(): what it gave, or what it raised."""

    def __init__(self, work: Callable[..., Given], *arguments: Any):
        self._given: Given | None = None
        self._raised: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(work, arguments), daemon=True)
        self._thread.start()

    def _run(self, work: Callable[..., Given], arguments: tuple) -> None:
        try:
            self._given = work(*arguments)
        except BaseException as error:
            self._raised = error

    def result(self) -> Given:
        self._thread.join()
        if self._raised:
            raise self._raised
        return self._given


class Workshop(contextlib.AbstractContextManager):
    """The scratch server of one run. It is started once, by whoever asks first; start() does not wait for it."""

    def __init__(self, shadow: str | None):
        self.shadow = shadow
        self._stack = contextlib.ExitStack()
        self._lock = threading.Lock()
        self._starting: Background[scratch.Server] | None = None

    def start(self, like: int = 0) -> None:
        """like: server_version_num of the database that it stands for."""
        with self._lock:
            self._starting = self._starting or Background(lambda: self._stack.enter_context(scratch.server(self.shadow, like)))

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
    """One side of a comparison. path: its search_path; connection: to the live database, None for files."""
    catalogue: Catalogue
    path: str = ""
    connection: psycopg.Connection | None = None


def read_both(source: str, target: str, workshop: Workshop, prove: bool, stack: contextlib.ExitStack) -> tuple[Side, Side]:
    """source, target: a URL, or the path of a SQL file or a folder. prove: the scratch server will be needed, so start it as soon as its version is known."""
    reading = Background(read, target, workshop, False, stack)
    old = read(source, workshop, prove, stack)
    new = reading.result()
    for side in (old, new):
        refuse_unhandled(side.catalogue)
    return old, new


def read(place: str, workshop: Workshop, prove: bool, stack: contextlib.ExitStack) -> Side:
    if "://" in place:
        return read_live(place, workshop, prove, stack)
    return read_files(pathlib.Path(place), workshop)


def read_live(url: str, workshop: Workshop, prove: bool, stack: contextlib.ExitStack) -> Side:
    opened = stack.enter_context(contextlib.closing(connection.connect(url)))
    if prove:
        workshop.start(opened.info.server_version)
    path = opened.execute("SHOW search_path").fetchone()[0]
    return Side(live.read(opened, connection.masked(url)), path, opened)


def read_files(path: pathlib.Path, workshop: Workshop) -> Side:
    raise CommandError("files: not yet")


def refuse_unhandled(catalogue: Catalogue) -> None:
    """A kind of object that nothing here stands for must not be passed over in silence."""
    if catalogue.unhandled:
        more = f" and {len(catalogue.unhandled) - 5} more" if len(catalogue.unhandled) > 5 else ""
        raise CommandError(f"{catalogue.source} holds what this tool cannot compare: {', '.join(catalogue.unhandled[:5])}{more}",
                           "compare copies of both sides without these objects, and bring them over by hand", ExitCode.REFUSED, "UNHANDLED_KIND")


def agree(old: Catalogue, new: Catalogue) -> list[str]:
    """Both sides are to be made by one role. Where a file is compared with a live database and never speaks of owners or of privileges, it agrees with the database on them:
    gives notes that say so.
    """
    old.role = new.role = new.role if old.stated is not None and new.stated is None else old.role
    notes = []
    for file, other in ((old, new), (new, old)):
        if file.stated is None or other.stated is not None:
            continue
        if "owner" not in file.stated:
            adopt_owners(file, other)
            notes.append(f"owners were not compared: {file.source} names none")
        if "grant" not in file.stated:
            adopt_grants(file, other)
            notes.append(f"privileges were not compared: {file.source} grants none")
    return notes


def adopt_owners(file: Catalogue, other: Catalogue) -> None:
    for identity, fact in list(file.facts.items()):
        if "owner" in fact.attributes:
            known = other.get(identity)
            owner = known.attributes.get("owner", other.role) if known else other.role
            file.facts[identity] = Fact(fact.id, {**fact.attributes, "owner": owner}, fact.parent, fact.depends, fact.order)


def adopt_grants(file: Catalogue, other: Catalogue) -> None:
    for fact in list(file.of_kind("grant", "default_privilege")):
        del file.facts[fact.id]
    for fact in other.of_kind("grant", "default_privilege"):
        if fact.parent is None or fact.parent in file:
            file.facts[fact.id] = fact
