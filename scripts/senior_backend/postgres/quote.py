"""Names and values as SQL text, and what things are called in statements. Everything that comes from a database or a file passes through here on its way into a statement."""
from __future__ import annotations

import re
from typing import Iterable

from senior_backend.postgres.model import Id

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
# where the word is not the kind's own name in capitals
WORDS = {"enum": "TYPE", "composite_type": "TYPE", "range_type": "TYPE", "base_type": "TYPE", "attribute": "COLUMN", "domain_constraint": "CONSTRAINT",
         "fdw": "FOREIGN DATA WRAPPER", "ts_config": "TEXT SEARCH CONFIGURATION", "ts_dictionary": "TEXT SEARCH DICTIONARY", "ts_parser": "TEXT SEARCH PARSER", "ts_template": "TEXT SEARCH TEMPLATE"}
ON_TABLE = ("constraint", "trigger", "rule", "policy", "domain_constraint")


def ident(name: str) -> str:
    """One identifier, quoted where Postgres would quote it.

    >>> ident("users"), ident("Order By"), ident("user"), ident('a"b')
    ('users', '"Order By"', '"user"', '"a""b"')
    """
    if PLAIN.match(name) and name not in KEYWORDS:
        return name
    return '"' + name.replace('"', '""') + '"'


def unquoted(name: str) -> str:
    """The name that one identifier stands for."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


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


def word(kind: str) -> str:
    return WORDS.get(kind) or kind.replace("_", " ").upper()


def target(identity: Id) -> str:
    """Word and name.

    >>> target(Id("function", ("public", "f", "integer, text"))), target(Id("constraint", ("s", "Orders", "pk")))
    ('FUNCTION public.f(integer, text)', 'CONSTRAINT pk ON s."Orders"')
    >>> target(Id("operator", ("s", "+", "NONE", "integer"))), target(Id("aggregate", ("s", "n", "")))
    ('OPERATOR s.+ (NONE, integer)', 'AGGREGATE s.n(*)')
    """
    return f"{word(identity.kind)} {called(identity)}"


def called(identity: Id) -> str:
    """The name alone, as it stands after the word."""
    kind, name = identity
    if kind in ("function", "procedure", "aggregate"):
        return f"{qualified(*name[:2])}({name[2] or ('*' if kind == 'aggregate' else '')})"
    if kind in ON_TABLE:
        return f"{ident(name[2])} ON {'DOMAIN ' if kind == 'domain_constraint' else ''}{qualified(*name[:2])}"
    if kind == "operator":
        return f"{ident(name[0])}.{name[1]} ({name[2]}, {name[3]})"
    if kind in ("operator_class", "operator_family"):
        return f"{qualified(*name[:2])} USING {ident(name[2])}"
    if kind == "cast":
        return f"({name[0]} AS {name[1]})"
    if kind == "transform":
        return f"FOR {name[0]} LANGUAGE {ident(name[1])}"
    if kind == "user_mapping":
        return f"FOR {role(name[1])} SERVER {ident(name[0])}"
    return qualified(*name)


def role(name: str) -> str:
    """A role as statements take it; the name public (which no role can have) means everybody."""
    return "PUBLIC" if name == "public" else ident(name)
