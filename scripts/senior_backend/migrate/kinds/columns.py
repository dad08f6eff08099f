"""Columns and their defaults; changing their types: whether Postgres converts by itself, whether rows are written anew, what stands in the way."""
from __future__ import annotations

import re
from typing import Any

from senior_backend.migrate.kinds import sequences
from senior_backend.migrate.kinds.altering import (
    alter_column, alter_table, blocks, column_of, column_settings, count_rows, fails, foreign_options, has_children, lost_values, rewrites, set_again, table_of, type_called,
)
from senior_backend.migrate.kinds.inheriting import from_parents, links_to, stays_linked
from senior_backend.migrate.steps import Alteration, Context, Hazard, Kind, Step
from senior_backend.postgres.model import Catalogue, Fact, Id
from senior_backend.postgres.quote import ident, qualified

VOLATILE = ("nextval(", "random(", "gen_random_uuid(", "uuid_generate", "clock_timestamp(", "timeofday(", " serial", "bigserial")
NOT_NULL = ("not_null", "not_null_name", "not_null_no_inherit", "not_null_not_valid")
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


def definition(fact: Fact, context: Context) -> str:
    """The column as CREATE TABLE and ADD COLUMN take it."""
    attributes, written = fact.attributes, {part.id.kind: part for part in context.folded.get(fact.id, ())}
    if "sequence" in written:
        return f"{column_of(fact.id)} {sequences.SERIALS[attributes['type']]}"
    text = f"{column_of(fact.id)} {attributes['type']}"
    if "fdw_options" in attributes:
        text += f" {foreign_options({}, attributes['fdw_options'], fact, adding='')}"
    if "collation" in attributes:
        text += f" COLLATE {attributes['collation']}"
    if "default" in written:
        text += f" DEFAULT {written['default'].attributes['expression']}"
    if "generated" in attributes:
        expression = attributes["expression"]
        text += f" GENERATED ALWAYS AS {expression if expression.startswith('(') else f'({expression})'} {'STORED' if attributes['generated'] == 's' else 'VIRTUAL'}"
    if "identity" in attributes:
        text += f" {sequences.identity_clause(fact)}"
    return text + not_null(fact, context)


def in_primary_key(fact: Fact, context: Context) -> bool:
    """Whether the primary key that is written along says not null."""
    keys = (one for one in context.folded.get(table_of(fact.id), ()) if one.id.kind == "constraint" and one.attributes["type"] == "p")
    return any(fact.id.name[2] in key.attributes["columns"] for key in keys)


def not_null(fact: Fact, context: Context) -> str:
    attributes = fact.attributes
    if not attributes.get("not_null") or attributes.get("not_null_not_valid") or "not_null_name" not in attributes and in_primary_key(fact, context):
        return ""
    name = f" CONSTRAINT {ident(attributes['not_null_name'])}" if "not_null_name" in attributes else ""
    return f"{name} NOT NULL" + (" NO INHERIT" if attributes.get("not_null_no_inherit") else "")


def create(fact: Fact, context: Context) -> list[Step]:
    if attribute_of(fact, context.new) in context.fresh:
        return settings({}, fact, context)
    inherited, table, name = from_parents(fact, context.new, context), table_of(fact.id), ".".join(fact.id.name)
    if any(one.id in context.fresh for one in inherited):
        return differences(inherited[0], fact, context)
    hazards: tuple[Hazard, ...] = ()
    text, generated = definition(fact, context), fact.attributes.get("generated")
    if table in context.fresh:
        pass
    elif "identity" in fact.attributes or generated == "s" or any(word in text for word in VOLATILE):
        hazards = rewrites(table, f"{name} gets a value of its own in each row")
    elif text.endswith("NOT NULL") and " DEFAULT " not in text and generated != "v":
        hazards = fails(fact.id, f"fails unless {'.'.join(table.name)} is empty: the new column has no default and may not be null", count_rows(table), "rows")
    return [alter_table(fact.id, f"ADD COLUMN {text}", hazards), *settings({}, fact, context)]


def attribute_of(fact: Fact, catalogue: Catalogue) -> Id | None:
    """What gives a column of a typed table its being: changed there, it changes here."""
    typed = catalogue[table_of(fact.id)].attributes.get("of") if table_of(fact.id) in catalogue else None
    composite = type_called("composite_type", typed, catalogue) if typed else None
    return Id("attribute", (*composite.id.name, fact.id.name[2])) if composite else None


def drop(fact: Fact, context: Context) -> list[Step]:
    if attribute_of(fact, context.old) in context.gone or any(one.id in context.gone for one in from_parents(fact, context.old, context)):
        return []
    heirs = [Id("column", (*link.id.name[:2], fact.id.name[2])) for link in links_to(table_of(fact.id), context.old) if stays_linked(link, context)]
    kept = any(one in context.new for one in heirs)         # an heir that keeps the column as its own
    hazards = () if "generated" in fact.attributes else (lost_values(fact.id),)
    return [alter_table(fact.id, f"DROP COLUMN {column_of(fact.id)}", hazards, only=kept),
            *(alter_table(one, f"DROP COLUMN {column_of(one)}") for one in heirs if kept and one in context.old and one not in context.new)]


def alter(before: Fact, after: Fact, context: Context) -> Alteration | None:
    old, new = before.attributes, after.attributes
    generation = regenerated(before, after, context.old.server_version)
    if generation is None:
        return None
    inherited = from_parents(after, context.new, context)
    reached = any((parent := context.old.get(one.id)) and parent.attributes["type"] != one.attributes["type"] for one in inherited)
    retyped = (old["type"], old.get("collation")) != (new["type"], new.get("collation"))
    steps = [change_type(before, after)] if retyped and not reached and not attribute_of(after, context.new) else []
    steps += generation
    identity = sequences.change_identity(before, after)
    # a column stops being an identity before its type or null changes, and becomes one after
    steps = steps + change_not_null(before, after, inherited, context) + identity if "identity" in new else identity + steps + change_not_null(before, after, inherited, context)
    steps += settings({**old, "storage": None} if retyped else old, after, context)           # a new type brings its own
    return Alteration(tuple(steps), lambda dependant: retyped and needs_rebuild(dependant, old["type"], new["type"]))


def regenerated(before: Fact, after: Fact, version: int) -> list[Step] | None:
    """Statements that change how a column is generated; None when it must be made anew."""
    old, new = before.attributes, after.attributes
    if (old.get("generated"), old.get("expression")) == (new.get("generated"), new.get("expression")):
        return []
    if old.get("generated") == "s" and "generated" not in new:
        return [alter_column(after, "DROP EXPRESSION")]
    if version < 170000 or old.get("generated") != new.get("generated"):
        return None
    return [alter_column(after, f"SET EXPRESSION AS ({new['expression']})", rewrites(table_of(after.id), "the expression changes"))]


def change_not_null(before: Fact, after: Fact, inherited: list[Fact], context: Context) -> list[Step]:
    old, new = before.attributes, after.attributes
    if all(old.get(key) == new.get(key) for key in NOT_NULL):
        return []
    if any((parent := context.old.get(one.id)) and parent.attributes.get("not_null") != one.attributes.get("not_null") == new.get("not_null") for one in inherited):
        return []
    column, table, name = column_of(after.id), table_of(after.id), ".".join(after.id.name)
    if not new.get("not_null"):
        return [alter_column(after, "DROP NOT NULL")]
    if old.get("not_null"):
        return renamed_not_null(before, after)
    failing = fails(after.id, f"fails where {name} is null", count_rows(table, f"{column} IS NULL"), "rows with null")
    if not context.live(table):
        return [alter_column(after, "SET NOT NULL", (*failing, *blocks("blocks-reads", table, "all rows are read")))]
    check = ident(f"{after.id.name[2]}_is_not_null"[:63])
    return [alter_table(after.id, f"ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID"), alter_table(after.id, f"VALIDATE CONSTRAINT {check}", failing),
            alter_column(after, "SET NOT NULL"), alter_table(after.id, f"DROP CONSTRAINT {check}")]


def renamed_not_null(before: Fact, after: Fact) -> list[Step]:
    """PostgreSQL 18: not null has a name and can be left unchecked."""
    (_, table, column), old, new = after.id.name, before.attributes, after.attributes
    had, has = (ident(one.get("not_null_name", f"{table}_{column}_not_null"[:63])) for one in (old, new))
    texts = [f"RENAME CONSTRAINT {had} TO {has}"] if had != has else []
    texts += [f"VALIDATE CONSTRAINT {has}"] if old.get("not_null_not_valid") and not new.get("not_null_not_valid") else []
    if old.get("not_null_no_inherit") != new.get("not_null_no_inherit"):
        texts.append(f"ALTER CONSTRAINT {has} {'NO INHERIT' if new.get('not_null_no_inherit') else 'INHERIT'}")
    return [alter_table(after.id, text) for text in texts]


def settings(old: dict[str, Any], fact: Fact, context: Context) -> list[Step]:
    """What is said about a column besides what it holds."""
    said = column_settings(old, fact.attributes, fact)
    if old and old.get("fdw_options") != fact.attributes.get("fdw_options"):
        said.append(foreign_options(old.get("fdw_options"), fact.attributes.get("fdw_options"), fact))
    only = bool(said) and has_children(table_of(fact.id), context)
    return [alter_column(fact, text, only=only) for text in said]


def differences(parent: Fact, fact: Fact, context: Context) -> list[Step]:
    """What a column that came from a parent has otherwise."""
    steps = settings(parent.attributes, fact, context)
    if fact.attributes.get("not_null") and not parent.attributes.get("not_null"):
        steps.append(alter_column(fact, "SET NOT NULL"))
    mine, given = ([part.attributes["expression"] for part in context.new.parts(one.id, "default")] for one in (fact, parent))
    if mine != given:
        steps.append(alter_column(fact, f"SET DEFAULT {mine[0]}" if mine else "DROP DEFAULT"))
    return steps


def set_default(fact: Fact, context: Context) -> list[Step]:
    return [alter_column(fact, f"SET DEFAULT {fact.attributes['expression']}", only=has_children(table_of(fact.id), context))]


def drop_default(fact: Fact, context: Context) -> list[Step]:
    return [alter_column(fact, "DROP DEFAULT", only=has_children(table_of(fact.id), context))]


# --- types
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
    return alter_column(after, f"TYPE {new}{collate}{'' if old == new else using(column_of(after.id), old, new)}", type_hazards(after, old, new))


def type_hazards(fact: Fact, old: str, new: str) -> tuple[Hazard, ...]:
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


KINDS = {"column": Kind(create, drop, alter, ("default", "sequence", "sequence_owner")), "default": set_again(set_default, drop_default)}
