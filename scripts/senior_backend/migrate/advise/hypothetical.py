"""hypopg on the target itself: indexes that exist in one session's planner alone. For where there is no stand-in, and to ask the target about what the stand-in has chosen."""
from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Collection, Sequence

from senior_backend import dependencies
from senior_backend.migrate.advise import candidates as shapes
from senior_backend.migrate.advise.candidates import Candidate
from senior_backend.migrate.advise.facts import PAGE, Facts, Name
from senior_backend.migrate.advise.stage import BARE, FIXED, Stage
from senior_backend.postgres import connection, quote

if TYPE_CHECKING:
    import psycopg

READ_ONLY = {"default_transaction_read_only": "on", "lock_timeout": "2s"}
METHODS = ("btree", "brin")


class Hypothetical(Stage):
    """url: the target, which is only asked to explain."""

    def __init__(self, url: str, facts: Facts, stack: contextlib.ExitStack):
        self._start(stack, facts)
        schema = quote.ident(facts.server["hypopg"])
        self._reset, self._new = f"SELECT {schema}.hypopg_reset()", f"SELECT indexname FROM {schema}.hypopg_create_index(%s)"
        self._made: dict[psycopg.Connection[Any], frozenset[Candidate]] = {}
        self.real, self.cached, self.bare = (stack.enter_context(contextlib.closing(connection.connect(url, **FIXED, **READ_ONLY, **more)))
                                             for more in ({}, self.memory_costs(), BARE))
        for one in (self.real, self.cached, self.bare):
            one.prepare_threshold = None
        self.text = self.real.execute("SHOW server_version").fetchone()[0].split(" ")[0]

    def plan(self, sql: str, on: psycopg.Connection[Any] | None = None) -> dict[str, Any]:
        session = on or self.real
        wanted = frozenset() if session is self.bare else frozenset(self._shown)
        if self._made.get(session, frozenset()) != wanted:
            session.execute(self._reset)
            for one in wanted:
                self._owner[self._create(session, one)] = one
            self._made[session] = wanted
        return super().plan(sql, session)

    def _create(self, session: psycopg.Connection[Any], one: Candidate) -> str:
        return session.execute(self._new, [one.sql("hypothetical")]).fetchone()[0]

    def make(self, wanted: Collection[Candidate]) -> None:
        """Those that hypopg can stand for."""
        for one in wanted:
            if one.method in METHODS and one not in self.candidates:
                with contextlib.suppress(dependencies.require("psycopg").Error):
                    self._create(self.bare, one)
                    self.candidates[one] = []
                    self.bytes[one] = PAGE * shapes.pages(one, self.facts.relations[one.table], self.share(one.table, one.where), {})
        self.bare.execute(self._reset)

    def spelled(self, one: Candidate) -> Candidate:
        return one

    def show(self, tables: Collection[Name], wanted: Collection[Candidate]) -> None:
        self._shown = {one for one in self._shown if one.table not in tables} | {one for one in wanted if one in self.candidates}


def asked(target: Hypothetical, chosen: Sequence[Candidate], statements: dict[Candidate, list[str]]) -> set[Candidate]:
    """Those that the target's own planner takes for one of their statements."""
    target.make(chosen)
    target.show({one.table for one in target.candidates}, target.candidates)
    found: set[Candidate] = set()
    for one in target.candidates:
        with contextlib.suppress(dependencies.require("psycopg").Error):
            if any(one in target.used(target.plan(sql)) for sql in statements[one]):
                found.add(one)
    return found
