"""The catalogue of a live database: all queries of queries/*.sql in one round trip, one snapshot, with every name qualified."""
from __future__ import annotations

import contextlib
import gc
import json
import pathlib
import re
import select
from sys import intern
from typing import TYPE_CHECKING, Any, Iterator

from senior_backend import dependencies
from senior_backend.postgres.links import Links
from senior_backend.postgres.model import Catalogue, Fact, Id

if TYPE_CHECKING:
    import psycopg
    from psycopg.pq.abc import PGresult

QUERIES = pathlib.Path(__file__).parent / "queries"
FACTS = {"tables": False, "types": True, "code": True, "database": True, "security": True}          # query files, and whether their parts are one statement
HISTORY = "senior_backend_history"          # what --migrate has applied: this tool's own, and no part of anybody's schema
CHUNK = 1000
HANGING = ("comment", "grant", "security_label")
named = tuple.__new__           # an Id twice as fast as by its own constructor
# the settings that deparsed expressions depend on
SETTINGS = """begin isolation level repeatable read read only; set local search_path = ''; set local quote_all_identifiers = off; set local standard_conforming_strings = on;
set local datestyle = 'ISO, MDY'; set local intervalstyle = 'postgres'; set local timezone = 'UTC'; set local extra_float_digits = 1; set local bytea_output = 'hex';
set local statement_timeout = 0; set local jit = off"""
CONDITION = re.compile(r"^-- if (?:version (>=|<) (\d+)|(no )?superuser)\n(.*?)^-- end if\n", re.M | re.S)
# A part as two columns of text, who the fact is and its attributes in canonical form, with its address. What the part does not name is found in `usual`.
PART = """select found.* from (values (null::text, null::text[], 0, null::oid, null::oid, 0, null::json, null::oid)) usual(parent_kind, parent_name, rank, class, object, sub, needs, belongs)
cross join lateral (
select json_build_array(kind, name, parent_kind, parent_name, rank, (object::bigint << 32) | (class::bigint << 16) | coalesce(sub, 0), needs)::text as head,
  jsonb_strip_nulls(to_jsonb(facts) - '{{kind,name,parent_kind,parent_name,rank,class,object,sub,needs,belongs}}'::text[])::text as attributes, class::oid, object, belongs
from ({}) facts) found"""           # the two shifts have one precedence with |
# nothing is read that came with an extension
OWN = """with {}select head, attributes from ({}) found where not exists (select from pg_depend where classid = class and objid = object and deptype = 'e')
  and not exists (select from pg_depend where classid = 'pg_class'::regclass and objid = belongs and deptype = 'e')"""


def read(connection: psycopg.Connection[Any], source: str = "") -> Catalogue:
    """Everything that the database holds. connection: in autocommit mode, outside a transaction, its encoding UTF8; source: what people call it, without a password.

    A query file is a `with` that its parts share, and the parts, all separated by empty lines. A part gives rows of kind and name, and, where they are not as usual:
    parent_kind and parent_name; rank (among its siblings); class, object and sub, the address that pg_depend knows it by; needs, [[kind, [name, ...]], ...], what must
    exist before and pg_depend does not know; belongs, the relation without which it would not be. All other columns are attributes.
    kind "unhandled": the name says what no fact stands for. parent_kind '@': the parent is the fact at this address, or what the column there belongs to; its kind and
    name (or parent_name, where that is given) come before the row's own name.
    """
    version, superuser = connection.info.server_version, connection.info.parameter_status("is_superuser") == "on"
    catalogue = Catalogue(source, version)
    reading = Reading(catalogue.facts)
    statements = ["select current_user", *fact_queries(version, superuser), query("dependencies", version, superuser)]
    with uncollected():
        found = results(connection, ";\n".join([SETTINGS, *statements, "commit"]))
        catalogue.role = str(next(found).get_value(0, 0), "utf-8")
        for _, rows in zip(statements[1:-1], found):
            reading.take(rows)
        links = str(next(found).get_value(0, 0) or b"", "ascii")
        for _ in found:         # to the end of the transaction
            pass
    catalogue.unhandled = reading.unhandled + reading.hang()
    reading.leave_out(HISTORY)
    catalogue.links = Links(links, reading.id_of)
    return catalogue


def results(connection: psycopg.Connection[Any], statements: str) -> Iterator[PGresult]:
    """Several statements in one round trip: the results that have rows, in order and each as soon as it is there, so that the reader works while the server does.

    connection: not in the middle of anything; statements: separated by semicolons, without parameters. psycopg.Error as usual.
    """
    psycopg = dependencies.require("psycopg")
    server = connection.pgconn
    server.send_query(statements.encode(connection.info.encoding))
    while server.flush():
        readable, _, _ = select.select([server.socket], [server.socket], [])
        if readable:
            server.consume_input()
    failed = None
    while (result := next_result(server)) is not None:
        if result.status == psycopg.pq.ExecStatus.TUPLES_OK and not failed:
            yield result
        elif result.status == psycopg.pq.ExecStatus.FATAL_ERROR:
            failed = failed or result
    if failed:
        raise psycopg.errors.error_from_result(failed, connection.info.encoding)


def next_result(server: Any) -> PGresult | None:
    while server.is_busy():
        select.select([server.socket], [], [])
        server.consume_input()
    return server.get_result()


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
        self.last, self.last_name = Id("", ()), [""]

    def take(self, rows: PGresult) -> None:
        """rows: heads and attributes, as PART gives them; heads are parsed many at a time, which takes half as long."""
        cell = rows.get_value
        for start in range(0, rows.ntuples, CHUNK):
            numbers = range(start, min(start + CHUNK, rows.ntuples))
            heads = json.loads(b"[" + b",".join([cell(number, 0) for number in numbers]) + b"]")
            for head, number in zip(heads, numbers):
                self._take(head, intern(str(cell(number, 1), "utf-8")))

    def _take(self, head: list[Any], attributes: str) -> None:
        kind, name, parent_kind, parent_name, order, address, extra = head
        if parent_kind == "@":
            self.hanging.append((kind, [address, parent_name, name, order], attributes))
            return
        if kind == "unhandled":
            self.unhandled += name
            return
        parent = self._known(parent_kind, parent_name) if parent_kind else None
        depends = tuple([self._known(*one) for one in extra]) if extra else ()
        identity = named(Id, (intern(kind), tuple(map(intern, name))))
        if identity in self.facts:
            raise AssertionError(f"the queries give {identity} twice")
        self.facts[identity] = Fact(identity, attributes, parent, depends, order or 0)
        if address:
            self.id_of[address] = identity

    def _known(self, kind: str, name: list[str]) -> Id:
        """The name of something else: mostly that of the row before."""
        if name != self.last_name or kind != self.last.kind:
            key = (kind, tuple(name))
            fact = self.facts.get(key)          # type: ignore[call-overload]
            self.last, self.last_name = fact.id if fact else Id(intern(kind), tuple(map(intern, name))), name
        return self.last

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
            self.facts[identity] = Fact(identity, attributes, parent, (), order or 0)
        return lost

    def leave_out(self, schema: str) -> None:
        """Forget a schema and all that is in it."""
        if Id("schema", (schema,)) not in self.facts:
            return
        for identity in [one for one in self.facts if schema in one.name[:2] and (one.name[0] == schema or one.kind in HANGING)]:
            del self.facts[identity]


def fact_queries(version: int, superuser: bool) -> Iterator[str]:
    """The query files as statements: where there can be many rows, one for each part, so that the first are read while the others are made."""
    shared = query("shared", version, superuser)
    for name, together in FACTS.items():
        head, *parts = re.split(r"\n\s*\n", query(name, version, superuser))
        shared_here = shared + head.partition("\nwith ")[2].join((",\n", "\n") if "\nwith " in head else ("\n", ""))
        wrapped = map(PART.format, parts)
        yield from (OWN.format(shared_here, text) for text in (["\nunion all\n".join(wrapped)] if together else wrapped))


def query(name: str, version: int, superuser: bool) -> str:
    """The text of queries/NAME.sql for a server and a user."""
    return suited((QUERIES / f"{name}.sql").read_text("utf-8"), version, superuser).strip()


def suited(text: str, version: int, superuser: bool) -> str:
    """SQL for a server_version_num and a user: lines between `-- if version >= 170000` (or <), `-- if superuser` or `-- if no superuser` and `-- end if` only where that holds."""
    def chosen(found: re.Match[str]) -> str:
        holds = (version >= int(found[2])) == (found[1] == ">=") if found[1] else superuser == (found[3] is None)
        return found[4] if holds else ""

    return CONDITION.sub(chosen, text)
