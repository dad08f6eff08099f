"""Where statements are tried out: one database of the scratch server, and who runs them there.

On our own server they run as normal users, so that functions which came from a file or another database cannot reach out of the server. Statements of the kinds that
only a superuser may run, and that run no functions, get that right for their own duration.
"""
from __future__ import annotations

import contextlib
import dataclasses
import re
import time
from typing import TYPE_CHECKING, Iterator, Sequence

from senior_backend import dependencies
from senior_backend.migrate import closure, diff, plan
from senior_backend.migrate.output import grouped
from senior_backend.migrate.steps import Step
from senior_backend.postgres import connection, live, quote, scratch
from senior_backend.postgres.cluster import ADMINISTRATOR, LOADER
from senior_backend.postgres.loading import MISSING_EXTENSION, check_library, extension_hint
from senior_backend.postgres.model import Catalogue
from senior_backend.postgres.quote import unquoted

if TYPE_CHECKING:
    import psycopg

FOR_SUPERUSERS = re.compile(
    r"(CREATE|ALTER|DROP|COMMENT ON) (OR REPLACE )?(TRUSTED |PROCEDURAL |DEFAULT )*(EXTENSION|EVENT TRIGGER|LANGUAGE|FOREIGN DATA WRAPPER|ACCESS METHOD|PUBLICATION|SUBSCRIPTION|TEXT SEARCH (PARSER|TEMPLATE)|CAST"
    r"|OPERATOR (CLASS|FAMILY)|TYPE|TRANSFORM)\b|SECURITY LABEL\b|(CREATE|ALTER) (OR REPLACE )?(FUNCTION|PROCEDURE|ROUTINE)\b(?!.* DEFAULT )(?=.*(LANGUAGE internal\b|\b(LEAKPROOF|SUPPORT)\b))", re.S | re.I)
INTERNAL = re.compile(r"LANGUAGE internal\b.*\bAS (\$\w*\$|')(?P<source>\w+)\1", re.S | re.I)
NEW_OWNER = re.compile(r"(EVENT TRIGGER|FOREIGN DATA WRAPPER) .* OWNER TO (?P<owner>.+)\Z", re.S)
ALWAYS = "SELECT EXISTS (SELECT FROM pg_event_trigger WHERE evtenabled IN ('A', 'R'))"


class Failed(Exception):
    """A statement (step) that the scratch server refuses, or a result that is not what it should be (differences)."""

    def __init__(self, reason: str, differences: Sequence[str] = (), step: Step | None = None):
        super().__init__(reason)
        self.differences, self.step = list(differences), step


class Bench:
    """name: the database; stack: closes the connections; path: the search_path of its sessions; deadline: of time.monotonic(), for all that runs here."""

    def __init__(self, server: scratch.Server, name: str, stack: contextlib.ExitStack, path: str = "", deadline: float | None = None):
        self.server, self.name, self.stack, self.path, self.deadline, self.role = server, name, stack, path, deadline, LOADER
        if server.own:          # event triggers of the schema do not fire: they would run with those rights
            server.admin.execute(f"ALTER DATABASE {quote.ident(name)} SET session_replication_role = replica")
        self.connection = self._connect(server.loader_url(name))

    def _connect(self, url: str) -> psycopg.Connection:
        opened = self.stack.enter_context(contextlib.closing(connection.connect(url, check_function_bodies="off")))
        if self.path:
            opened.execute("SELECT set_config('search_path', %s, false)", [self.path])
        return opened

    def become(self, role: str) -> None:
        """Run what follows as the role that will run it on the live database, with the rights of all other roles here."""
        if role == self.role or not self.server.own:
            return
        if role == ADMINISTRATOR:
            raise Failed(f"the role {role} is the scratch server's own superuser; connect as another")
        name, secret = quote.ident(role), quote.literal(self.server.address["password"])
        self.server.admin.execute(f"REVOKE {name} FROM {LOADER}; GRANT {LOADER} TO {name}; ALTER ROLE {name} LOGIN PASSWORD {secret}")
        self.connection, self.role = self._connect(self.server.url_as(role, self.name)), role

    def run(self, steps: Sequence[Step]) -> None:
        """In the transactions of the migration's file; Failed names the statement that the server refuses."""
        psycopg = dependencies.require("psycopg")
        for group in grouped(steps):
            step = group[0]
            self._hurry()
            try:
                with self.connection.transaction() if step.transactional else contextlib.nullcontext():
                    for step in group:
                        with self.rights(step.sql):
                            self.connection.execute(step.sql)
            except psycopg.Error as error:
                missing = MISSING_EXTENSION.search(str(error))
                advice = f"; {extension_hint(missing[1] or missing[2], self.server)}" if missing else ""
                raise Failed(f"{str(error).strip()} (in: {step.sql[:500]}){advice}", step=step) from None

    def _hurry(self) -> None:
        if self.deadline is not None:
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise Failed("there was not enough time to try it out")
            self.connection.execute(f"SET statement_timeout = {int(1000 * left) + 1}")

    @contextlib.contextmanager
    def rights(self, sql: str) -> Iterator[None]:
        if not (self.server.own and FOR_SUPERUSERS.match(sql)):
            yield
            return
        internal, owner = INTERNAL.search(sql), NEW_OWNER.search(sql)
        if internal:
            check_library(self.connection, "internal", internal["source"])
        with self.server.superusers(*dict.fromkeys([self.role, *([unquoted(owner["owner"])] if owner else [])])):
            if self.connection.execute(ALWAYS).fetchone()[0]:
                raise Failed("there are event triggers that fire always: they would run with a superuser's rights here")
            yield


class Trial(Bench, contextlib.AbstractContextManager):
    """A database of its own, with a live one's schema, in its role. whole: with all of the schema, however big."""

    def __init__(self, server: scratch.Server, old: Catalogue, new: Catalogue, path: str, whole: bool = False, deadline: float | None = None):
        stack = contextlib.ExitStack()
        try:
            super().__init__(server, stack.enter_context(server.database()), stack, path, deadline)
            self.empty = live.read(self.connection)
            self.old, self.new = (old, new) if whole else closure.scope(old, new, self.empty.facts)
            server.ensure_roles(closure.roles(self.old, self.new))
        except BaseException:
            stack.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def build(self) -> None:
        """Make the source's schema, and be who will run the migration."""
        try:
            self.run(plan.migration(self.empty, self.old))
        except Failed as failure:
            raise Failed(f"the source's schema cannot be made on the scratch server: {failure}") from None
        self.become(self.old.role)

    def unlike(self, expected: Catalogue) -> list[str]:
        """How the database differs from a catalogue, in words."""
        return diff.described(diff.compare(live.read(self.connection), expected))

    def changed(self, steps: Sequence[Step]) -> Catalogue:
        """The source as the server has it after some statements. Failed when the copy was not equal to the source before them."""
        differences = self.unlike(self.old)
        if differences:
            raise Failed(f"the copy on the scratch server is not equal to the source: {'; '.join(differences[:3])}", differences)
        return self.after(steps)

    def after(self, steps: Sequence[Step]) -> Catalogue:
        self.run(steps)
        return dataclasses.replace(live.read(self.connection), source=self.old.source, role=self.old.role, stated=self.old.stated, server_version=self.old.server_version)
