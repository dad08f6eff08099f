"""Names and values as SQL text. Everything that comes from a database or a file passes through here on its way into a statement."""
from __future__ import annotations

import re
from typing import Iterable

PLAIN = re.compile(r"[a-z_][a-z0-9_]*\Z")
# pg_get_keywords() of PostgreSQL 18 where catcode is not U: what quote_ident quotes
KEYWORDS = frozenset("""
all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case cast char character check coalesce collate collation column concurrently
constraint create cross current_catalog current_date current_role current_schema current_time current_timestamp current_user dec decimal default deferrable desc distinct do else end
except exists extract false fetch float for foreign freeze from full grant greatest group grouping having ilike in initially inner inout int integer intersect interval into is isnull join
json json_array json_arrayagg json_exists json_object json_objectagg json_query json_scalar json_serialize json_table json_value lateral leading least left like limit localtime localtimestamp
merge_action national natural nchar none normalize not notnull null nullif numeric offset on only or order out outer overlaps overlay placing position precision primary real references
returning right row select session_user setof similar smallint some substring symmetric system_user table tablesample then time timestamp to trailing treat trim true union unique user using
values varchar variadic verbose when where window with xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable
""".split())


def ident(name: str) -> str:
    """One identifier, quoted where Postgres would quote it.

    >>> ident("users"), ident("Order By"), ident("user"), ident('a"b')
    ('users', '"Order By"', '"user"', '"a""b"')
    """
    if PLAIN.match(name) and name not in KEYWORDS:
        return name
    return '"' + name.replace('"', '""') + '"'


def qualified(*parts: str) -> str:
    """A dotted name.

    >>> qualified("public", "Users")
    'public."Users"'
    """
    return ".".join(map(ident, parts))


def listed(names: Iterable[str]) -> str:
    return ", ".join(map(ident, names))


def literal(text: str) -> str:
    """A string constant that is read alike whatever standard_conforming_strings says.

    >>> literal("it's"), literal("a" + chr(92) + "b")
    ("'it''s'", "E'a\\\\\\\\b'")
    """
    quoted = text.replace("'", "''")
    return "E'" + quoted.replace("\\", "\\\\") + "'" if "\\" in quoted else f"'{quoted}'"
