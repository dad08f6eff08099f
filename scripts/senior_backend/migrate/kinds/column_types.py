"""Changing the type of a column: whether Postgres converts by itself, whether rows are written anew, what stands in the way."""
from __future__ import annotations

import re

from senior_backend.migrate.kinds.altering import alter_column, blocks, column_of, fails, rewrites, table_of
from senior_backend.migrate.steps import Hazard, Step
from senior_backend.postgres.model import Fact
from senior_backend.postgres.quote import qualified

NUMBERS = ["smallint", "integer", "bigint", "numeric", "real", "double precision"]
TEXTS = frozenset(("text", "character varying", "character", "name", '"char"'))
MODIFIER = re.compile(r"\(([\d,]+)\)")
# source -> targets that an assignment reaches without USING (pg_cast, castcontext a or i), besides those among NUMBERS and to texts
ASSIGNED = {
    "date": ("timestamp without time zone", "timestamp with time zone"), "timestamp without time zone": ("date", "time without time zone", "timestamp with time zone"),
    "timestamp with time zone": ("date", "time without time zone", "time with time zone", "timestamp without time zone"),
    "time without time zone": ("interval", "time with time zone"),
    "interval": ("time without time zone",), "json": ("jsonb",), "jsonb": ("json",), "cidr": ("inet",), "inet": ("cidr",), "bit": ("bit varying",), "bit varying": ("bit",),
    "money": ("numeric",), "numeric": ("money",), "integer": ("money", "oid"), "bigint": ("money", "oid"), "oid": ("integer", "bigint"), "macaddr": ("macaddr8",), "xml": (),
}
# what needs the word of the user: an explicit cast exists
EXPLICIT = {("integer", "boolean"), ("boolean", "integer"), ("integer", "bit"), ("bigint", "bit"), ("bit", "integer"), ("bit", "bigint"), ("jsonb", "boolean")}
EXPLICIT |= {("jsonb", one) for one in NUMBERS}
# what ALTER COLUMN TYPE refuses to take along: it must be dropped before and made again
REFUSED = frozenset(("view", "materialized_view", "rule", "trigger", "policy", "function", "procedure", "publication", "publication_table", "statistics"))


def base(name: str) -> str:
    """A type without its modifier.

    >>> base("character varying(80)"), base("timestamp(3) without time zone")
    ('character varying', 'timestamp without time zone')
    """
    return MODIFIER.sub("", name).strip()


def modifier(name: str) -> tuple[int, ...]:
    found = MODIFIER.search(name)
    return tuple(map(int, found[1].split(","))) if found else ()


def conversion(old: str, new: str) -> str:
    """"assignment" (no USING), "cast" (USING x::new) or "text" (through the text form, which any type has)."""
    before, after = base(old), base(new)
    if before == after or after in TEXTS and not before.endswith("[]") or before in NUMBERS and after in NUMBERS or after in ASSIGNED.get(before, ()):
        return "assignment"
    if before.endswith("[]") and after.endswith("[]"):
        return {"assignment": "assignment", "cast": "cast"}.get(conversion(before[:-2], after[:-2]), "cast" if before[:-2] in TEXTS else "text")
    return "cast" if before in TEXTS or after in TEXTS or (before, after) in EXPLICIT else "text"


def using(column: str, old: str, new: str) -> str:
    """What follows TYPE."""
    if old.endswith("[]") < new.endswith("[]") and conversion(old, new[:-2]) != "text":
        return f" USING CASE WHEN {column} IS NOT NULL THEN ARRAY[{column}]::{new} END"
    how = conversion(old, new)
    return {"assignment": "", "cast": f" USING {column}::{new}", "text": f" USING {column}::text::{new}"}[how]


def keeps_rows(old: str, new: str) -> bool:
    """Whether the stored form stays as it is: only the catalogue changes.

    >>> keeps_rows("character varying(80)", "text"), keeps_rows("numeric(8,2)", "numeric(10,2)"), keeps_rows("integer", "bigint")
    (True, True, False)
    """
    before, after, had, has = base(old), base(new), modifier(old), modifier(new)
    if {before, after} <= {"text", "character varying"}:
        return not has or bool(had) and had[0] <= has[0]
    if before != after:
        return (before, after) == ("cidr", "inet")
    if before == "numeric":
        return not has or bool(had) and had[1:] == has[1:] and had[0] <= has[0]
    return before not in ("character", "bit") and (not has or bool(had) and had <= has)


def may_fail(old: str, new: str) -> bool:
    """Whether a value of the old type may have no place in the new one."""
    before, after = base(old), base(new)
    if before == after:
        return bool(modifier(new)) and not keeps_rows(old, new) and before not in ("timestamp without time zone", "timestamp with time zone", "time without time zone", "interval")
    if before in NUMBERS and after in NUMBERS:
        return NUMBERS.index(after) < NUMBERS.index(before) or bool(modifier(new))
    return bool(modifier(new)) if after in TEXTS else not (after == "json" and before == "jsonb" or after in ASSIGNED.get(before, ()))


def loses_precision(old: str, new: str) -> bool:
    before, after = base(old), base(new)
    fewer = bool(modifier(new)) and before == after and (not modifier(old) or modifier(new) < modifier(old))
    fractions = before in ("numeric", "real", "double precision") and after in ("smallint", "integer", "bigint") or before == "double precision" and after == "real"
    shorter = before.startswith(("time", "interval")) or before == "numeric" and modifier(new)[1:] < modifier(old)[1:]
    return fractions or before.startswith("timestamp") and after in ("date", "time without time zone") or fewer and shorter


def needs_rebuild(dependant: Fact, old: str, new: str) -> bool:
    """Whether something that uses the column must be dropped before its type changes. Indexes and constraints are rebuilt by Postgres itself,
    but a foreign key or a default only where the new type still suits it."""
    kind = dependant.id.kind
    if kind == "column":
        return "generated" in dependant.attributes
    if kind == "constraint" and dependant.attributes["type"] == "f" or kind == "default":
        return base(old) != base(new) and not {base(old), base(new)} <= {"smallint", "integer", "bigint"}
    return kind in REFUSED


def change_type(before: Fact, after: Fact) -> Step:
    old, new = before.attributes["type"], after.attributes["type"]
    collate = f" COLLATE {after.attributes['collation']}" if "collation" in after.attributes else ""
    return alter_column(after, f"TYPE {new}{collate}{'' if old == new else using(column_of(after.id), old, new)}", hazards(after, old, new))


def hazards(fact: Fact, old: str, new: str) -> tuple[Hazard, ...]:
    table, name = table_of(fact.id), ".".join(fact.id.name)
    found: tuple[Hazard, ...] = ()
    if old == new:
        return blocks("blocks-reads", table, f"indexes on {name} are built anew for its new collation")
    if not keeps_rows(old, new):
        found += rewrites(table, f"{name} changes from {old} to {new}")
    probe = f"SELECT count({column_of(fact.id)}) FROM {qualified(*table.name)}"
    if may_fail(old, new):
        found += fails(fact.id, f"fails where a value of {name} does not fit {new}", probe, "non-null values")
    if loses_precision(old, new):
        found += (Hazard("data-loss", fact.id, f"values of {name} are rounded or cut to {new}", probe, "non-null values"),)
    return found
