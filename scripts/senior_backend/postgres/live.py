"""The catalogue of a live database: all queries of queries/*.sql in one round trip, one snapshot, with every name qualified."""
from __future__ import annotations

import json
import pathlib
import re
from array import array
from sys import intern
from typing import TYPE_CHECKING, Any, Iterator

from senior_backend.postgres.links import Links
from senior_backend.postgres.model import Catalogue, Fact, Id

if TYPE_CHECKING:
    import psycopg

QUERIES = pathlib.Path(__file__).parent / "queries"
DEPENDENCIES = "dependencies"
# the settings that deparsed expressions depend on
SETTINGS = """begin isolation level repeatable read read only; set local search_path = ''; set local quote_all_identifiers = off; set local standard_conforming_strings = on;
set local datestyle = 'ISO, MDY'; set local intervalstyle = 'postgres'; set local timezone = 'UTC'; set local extra_float_digits = 1; set local bytea_output = 'hex'; set local statement_timeout = 0;
set local jit = off"""
CONDITION = re.compile(r"^-- if version (>=|<) (\d+)\n(.*?)^-- end if\n", re.M | re.S)
EXTRA = re.compile(r"\bas extra\b", re.I)


def read(connection: psycopg.Connection[Any], source: str = "") -> Catalogue:
    """Everything that the database holds. connection: in autocommit mode, outside a transaction; source: what people call it, without a password.

    A query file gives rows of kind, name, attributes, parent_kind, parent_name, position, class, object, sub and, when it says `as extra`, extra:
    [[kind, [name, ...]], ...], things that must exist before and that pg_depend does not know. class is null for a fact that pg_depend does not know.
    """
    version = connection.info.server_version
    names = sorted(path.stem for path in QUERIES.glob("*.sql") if path.stem != DEPENDENCIES)
    catalogue = Catalogue(source, version)
    addresses = array("q")
    with connection.cursor() as cursor:
        cursor.execute(";\n".join([SETTINGS, "select current_user", *(facts_query(name, version) for name in names), query(DEPENDENCIES, version), "commit"]))
        while cursor.description is None:
            cursor.nextset()
        catalogue.role = cursor.fetchone()[0]
        for name in names:
            cursor.nextset()
            for fact, address in facts_of(cursor, name, catalogue.facts):
                if catalogue.facts.setdefault(fact.id, fact) is not fact:
                    raise AssertionError(f"queries/{name}.sql gives {fact.id} twice")
                addresses.append(address)
        cursor.nextset()
        catalogue.links = Links(cursor.fetchone()[0] or "", addresses, catalogue.facts.keys())
        while cursor.nextset():
            pass
    return catalogue


def facts_of(rows: Any, query: str, known: dict[Id, Fact]) -> Iterator[tuple[Fact, int]]:
    """Facts with their addresses. Equal strings are one string, equal names of parents one name: half of the memory of a big schema."""
    loads = json.loads
    for head, attributes in rows:
        kind, name, parent_kind, parent_name, order, address, extra = loads(head)
        parent = None
        if name is None or None in name or parent_kind and not parent_name:
            raise AssertionError(f"queries/{query}.sql gives a fact without a name: {head}")
        if parent_kind:
            parent = Id(intern(parent_kind), tuple(map(intern, parent_name)))
            parent = known[parent].id if parent in known else parent
        depends = tuple(Id(intern(one), tuple(map(intern, parts))) for one, parts in extra or ())
        yield Fact(Id(intern(kind), tuple(map(intern, name))), intern(attributes), parent, depends, order or 0), address or 0


def facts_query(name: str, version: int) -> str:
    """The query of a file as two columns of text: who it is, and its attributes in canonical form."""
    text = query(name, version)
    extra = "extra" if EXTRA.search(text) else "null"
    address = "object::bigint << 32 | class::bigint << 16 | coalesce(sub, 0)"
    return f"select json_build_array(kind, name, parent_kind, parent_name, position, {address}, {extra})::text, attributes::jsonb::text from (\n{text}\n) facts"


def query(name: str, version: int) -> str:
    """The text of queries/NAME.sql for a server_version_num: lines between `-- if version >= 170000` (or <) and `-- end if` only where that holds."""
    def chosen(found: re.Match[str]) -> str:
        return found[3] if (version >= int(found[2])) == (found[1] == ">=") else ""

    text = CONDITION.sub(chosen, (QUERIES / f"{name}.sql").read_text("utf-8"))
    return text.strip().rstrip(";")
