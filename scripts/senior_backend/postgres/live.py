"""The catalogue of a live database: all queries of queries/*.sql in one round trip, one snapshot, with every name qualified."""
from __future__ import annotations

import contextlib
import gc
import json
import pathlib
import re
from sys import intern
from typing import TYPE_CHECKING, Any, Iterator

from senior_backend.postgres.links import Links
from senior_backend.postgres.model import Catalogue, Fact, Id

if TYPE_CHECKING:
    import psycopg

QUERIES = pathlib.Path(__file__).parent / "queries"
DEPENDENCIES = "dependencies"
HISTORY = "senior_backend_history"          # what --migrate has applied: this tool's own, and no part of anybody's schema
HANGING = ("comment", "grant", "security_label")
# the settings that deparsed expressions depend on
SETTINGS = """begin isolation level repeatable read read only; set local search_path = ''; set local quote_all_identifiers = off; set local standard_conforming_strings = on;
set local datestyle = 'ISO, MDY'; set local intervalstyle = 'postgres'; set local timezone = 'UTC'; set local extra_float_digits = 1; set local bytea_output = 'hex';
set local statement_timeout = 0; set local jit = off"""
CONDITION = re.compile(r"^-- if (?:version (>=|<) (\d+)|(no )?superuser)\n(.*?)^-- end if\n", re.M | re.S)
EXTRA = re.compile(r"\bas extra\b", re.I)


def read(connection: psycopg.Connection[Any], source: str = "") -> Catalogue:
    """Everything that the database holds. connection: in autocommit mode, outside a transaction; source: what people call it, without a password.

    A query file gives rows of kind, name, attributes, parent_kind, parent_name, position, class, object, sub and, when it says `as extra`, extra:
    [[kind, [name, ...]], ...], things that must exist before and that pg_depend does not know. class is null for a fact that pg_depend does not know.
    kind "unhandled": the name says what no fact stands for. parent_kind '@': the parent is the fact at this address, or what the column there belongs to; its kind and name (or parent_name, where that is given) come before the row's own name.
    """
    version, superuser = connection.info.server_version, connection.info.parameter_status("is_superuser") == "on"
    names = sorted(path.stem for path in QUERIES.glob("*.sql") if path.stem != DEPENDENCIES)
    catalogue = Catalogue(source, version)
    reading = Reading(catalogue.facts)
    with uncollected(), connection.cursor() as cursor:
        cursor.execute(";\n".join([SETTINGS, "select current_user", *(facts_query(name, version, superuser) for name in names), query(DEPENDENCIES, version, superuser), "commit"]))
        while cursor.description is None:
            cursor.nextset()
        catalogue.role = cursor.fetchone()[0]
        for name in names:
            cursor.nextset()
            reading.take(cursor, name)
        cursor.nextset()
        links = cursor.fetchone()[0] or ""
        while cursor.nextset():
            pass
    catalogue.unhandled = reading.unhandled + reading.hang()
    reading.leave_out(HISTORY)
    catalogue.links = Links(links, reading.id_of)
    return catalogue


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Without garbage collection: it would look again and again through 100,000 new facts, none of which is in a circle."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


class Reading:
    """Rows become facts. Equal strings are one string, equal names of parents one name: half of the memory of a big schema."""

    def __init__(self, facts: dict[Id, Fact]):
        self.facts = facts
        self.id_of: dict[int, Id] = {}          # address -> fact, as far as pg_depend knows it
        self.hanging: list[tuple[str, list, str]] = []
        self.unhandled: list[str] = []

    def take(self, rows: Any, query: str) -> None:
        loads = json.loads
        for head, attributes in rows:
            kind, name, parent_kind, parent_name, order, address, extra = loads(head)
            if parent_kind == "@":
                self.hanging.append((kind, [address, parent_name, name, order], attributes))
                continue
            if kind == "unhandled":
                self.unhandled += name
                continue
            parent = self._known(parent_kind, parent_name) if parent_kind else None
            depends = tuple(self._known(*one) for one in extra or ())
            fact = Fact(Id(intern(kind), tuple(map(intern, name))), intern(attributes), parent, depends, order or 0)
            if self.facts.setdefault(fact.id, fact) is not fact:
                raise AssertionError(f"queries/{query}.sql gives {fact.id} twice")
            if address:
                self.id_of[address] = fact.id

    def _known(self, kind: str, name: list[str]) -> Id:
        identity = Id(intern(kind), tuple(map(intern, name)))
        fact = self.facts.get(identity)
        return fact.id if fact else identity

    def hang(self) -> list[str]:
        """Make the facts that hang on an address; gives those whose address means nothing that was read."""
        lost = []
        for kind, (address, parent_name, name, order), attributes in self.hanging:
            address = address or 0
            parent = self.id_of.get(address) or self.id_of.get(address & ~0xffff)
            if parent is None and (address or not parent_name):
                lost.append(f"{kind} of {'.'.join(parent_name) if parent_name else f'the object at {address >> 16 & 0xffff}.{address >> 32}'}")
                continue
            identity = Id(intern(kind), tuple(map(intern, [*(parent_name or (parent.kind, *parent.name)), *name])))
            self.facts[identity] = Fact(identity, intern(attributes), parent, (), order or 0)
        return lost

    def leave_out(self, schema: str) -> None:
        """Forget a schema and all that is in it."""
        for identity in [one for one in self.facts if schema in one.name[:2] and (one.name[0] == schema or one.kind in HANGING)]:
            del self.facts[identity]


def facts_query(name: str, version: int, superuser: bool) -> str:
    """The query of a file as two columns of text: who it is, and its attributes in canonical form."""
    text = query(name, version, superuser)
    extra = "extra" if EXTRA.search(text) else "null"
    address = "(object::bigint << 32) | (class::bigint << 16) | coalesce(sub, 0)"        # the two operators have one precedence
    return f"select json_build_array(kind, name, parent_kind, parent_name, position, {address}, {extra})::text, attributes::jsonb::text from (\n{text}\n) facts"


def query(name: str, version: int, superuser: bool) -> str:
    """The text of queries/NAME.sql for a server and a user, without its last semicolon."""
    return suited((QUERIES / f"{name}.sql").read_text("utf-8"), version, superuser).strip().rstrip(";")


def suited(text: str, version: int, superuser: bool) -> str:
    """SQL for a server_version_num and a user: lines between `-- if version >= 170000` (or <), `-- if superuser` or `-- if no superuser` and `-- end if` only where that holds."""
    def chosen(found: re.Match[str]) -> str:
        holds = (version >= int(found[2])) == (found[1] == ">=") if found[1] else superuser == (found[3] is None)
        return found[4] if holds else ""

    return CONDITION.sub(chosen, text)
