"""What can only be made anew and holds values: a table's rows are kept beside and come back; an old type (or collation) steps aside until the columns have moved to the new one."""
from __future__ import annotations

from typing import Container

from senior_backend.migrate.kinds.altering import alter_column, column_of, count_rows, estimated, fails, lost_values, rewrites, table_of, type_called
from senior_backend.migrate.kinds.columns import conversion, loses_precision, needs_rebuild, using
from senior_backend.migrate.kinds.inheriting import from_parents
from senior_backend.migrate.kinds.sequences import LIMITS, go_on_after
from senior_backend.migrate.steps import Context, Hazard, Step
from senior_backend.postgres.model import Catalogue, Fact, Id
from senior_backend.postgres.quote import ident, listed, literal, qualified, target, word

MOVABLE = ("enum", "domain", "composite_type", "range_type", "collation")


def free_name(identity: Id, suffix: str, context: Context) -> str:
    """A name of the same schema that neither side knows."""
    taken = {one.name[1] for side in (context.old, context.new) for one in side.facts if len(one.name) == 2 and one.name[0] == identity.name[0]}
    name = identity.name[1].encode()[:55].decode(errors="ignore") + suffix
    while name in taken:
        name += "_"
    return name


# --- tables
def possible(table: Id, old: Catalogue, gone: Container[Id], fresh: Container[Id]) -> bool:
    """Whether a table that is made anew takes its rows along: those of a partitioned table do when all its partitions go, else they stay where they are."""
    if table.kind != "table" or "partitioned" not in old[table].attributes:
        return table.kind == "table"
    partitions = [Id("table", link.name) for link in old.dependants(table) if link.kind == "partition" and link.name != table.name]
    return all(one in gone and one not in fresh and possible(one, old, gone, fresh) for one in partitions)


def saved(table: Id, context: Context) -> bool:
    """Whether the rows of a table that is dropped come back: into itself, or into what it is a partition of."""
    link = context.old.get(Id("partition", table.name))
    if link and saved(Id("table", tuple(link.attributes["of"])), context):
        return True
    return table in context.gone and table in context.fresh and table in context.new and possible(table, context.old, context.gone, context.fresh)


def shared_columns(table: Id, context: Context) -> list[tuple[Fact, Fact]]:
    pairs = ((context.old.get(after.id), after) for after in context.new.parts(table, "column"))
    return [(before, after) for before, after in pairs if before and "generated" not in before.attributes and "generated" not in after.attributes]


def kept_rows(table: Id, context: Context) -> str:
    return qualified(table.name[0], free_name(table, "__rows", context))


def keep(table: Id, context: Context) -> list[Step]:
    """Copy the rows out, before anything of the table goes."""
    columns = listed(before.id.name[2] for before, _ in shared_columns(table, context))
    only = "" if "partitioned" in context.old[table].attributes else "ONLY "
    message = f"{'.'.join(table.name)} is made anew: every row is copied out and back"
    lost = [part.id for part in context.old.parts(table, "column") if part.id not in context.new and "generated" not in part.attributes]
    hazards = (estimated("rewrite", table, message), estimated("blocks-reads", table, f"{message}, while the table is locked"), *map(lost_values, lost))
    return [Step(f"LOCK {target(table)} IN ACCESS EXCLUSIVE MODE"),
            Step(f"CREATE TABLE {kept_rows(table, context)} AS SELECT {columns} FROM {only}{qualified(*table.name)}", hazards=hazards)]


def refill(table: Id, context: Context) -> list[Step]:
    """Copy the rows back; sequences go on after them."""
    pairs, kept = shared_columns(table, context), kept_rows(table, context)
    columns = listed(after.id.name[2] for _, after in pairs)
    values = ", ".join(converted(before, after) for before, after in pairs)
    overriding = " OVERRIDING SYSTEM VALUE" if any("identity" in after.attributes for _, after in pairs) else ""
    message = f"fails where a kept row does not suit the new {'.'.join(table.name)}"
    steps = [Step(f"INSERT INTO {qualified(*table.name)} ({columns}){overriding} SELECT {values} FROM {kept}", hazards=fails(table, message, count_rows(table), "rows"))]
    for _, after in pairs:
        sequence = sequence_of(after, context)
        steps += [go_on_after(after.id, *sequence)] if sequence and after.attributes["type"] in LIMITS else []
    return [*steps, Step(f"DROP TABLE {kept}")]


def converted(before: Fact, after: Fact) -> str:
    name, old, new = ident(after.id.name[2]), before.attributes["type"], after.attributes["type"]
    return name if old == new else using(name, old, new).removeprefix(" USING ") or name


def sequence_of(column: Fact, context: Context) -> tuple[tuple[str, ...], dict] | None:
    """The sequence that gives the column its values: (name, options)."""
    identity = column.attributes.get("identity")
    if identity:
        return tuple(identity["sequence"]), identity
    owner = next((one for one in context.new.dependants(column.id) if one.kind == "sequence_owner"), None)
    return (owner.name, context.new[Id("sequence", owner.name)].attributes) if owner else None


# --- types
def holds(user: Fact, needed: Id) -> bool:
    """Whether the column must outlive what it needs, since its values would be lost. A generated column can be computed again."""
    return user.id.kind == "column" and needed.kind in MOVABLE and "generated" not in user.attributes


def in_the_way(user: Fact) -> bool:
    """Whether what uses a column must be gone while it moves."""
    return needs_rebuild(user, "", "the new type")


def aside(identity: Id, context: Context) -> str:
    """The name that an old type has meanwhile."""
    return free_name(identity, "__old", context)


def retire(fact: Fact, context: Context) -> list[Step]:
    """Give up the name, and what a domain checks: that may need what is dropped next."""
    name = aside(fact.id, context)
    steps = [f"ALTER {target(fact.id)} RENAME TO {ident(name)}"]
    if fact.id.kind == "range_type":
        steps += retire_functions(fact, name, context)
    checks = [f"DROP CONSTRAINT {ident(part.id.name[2])}" for part in context.old.parts(fact.id, "domain_constraint")] + (["DROP DEFAULT"] if fact.attributes.get("default") else [])
    return [Step(text) for text in (*steps, *(f"ALTER DOMAIN {qualified(fact.id.name[0], name)} {text}" for text in checks))]


def retire_functions(fact: Fact, name: str, context: Context) -> list[str]:
    """The functions that make ranges, and the type of many ranges with its function."""
    (schema, called), subtype = fact.id.name, fact.attributes["subtype"]
    steps = [f"ALTER FUNCTION {qualified(schema, called)}({subtype}, {subtype}{more}) RENAME TO {ident(name)}" for more in ("", ", text")]
    if "multirange" not in fact.attributes:
        return steps
    multirange = (schema, fact.attributes["multirange"])
    other = ident(aside(Id("range_type", multirange), context))
    return [*steps, f"ALTER TYPE {qualified(*multirange)} RENAME TO {other}", f"ALTER FUNCTION {qualified(*multirange)}() RENAME TO {other}"]


def bury(fact: Fact, context: Context) -> list[Step]:
    return [Step(f"DROP {word(fact.id.kind)} {qualified(fact.id.name[0], aside(fact.id, context))}")]


def move(before: Fact, after: Fact, context: Context) -> list[Step]:
    """The column takes the new type; a partition's moves with its parent's. Nothing where its type has another name now: that change moves it."""
    keys = ("type", "collation")
    if any(before.attributes.get(key) != after.attributes.get(key) for key in keys) or from_parents(after, context.new, context):
        return []
    kind, table = after.attributes["type"], table_of(after.id)
    if after.parent and after.parent.kind == "foreign_table":
        return [alter_column(after, f"TYPE {kind}")]
    hazards = (*rewrites(table, f"{'.'.join(after.id.name)} moves to the new {kind}"), *misfits(after, context))
    if "collation" in after.attributes:
        return [alter_column(after, f"TYPE {kind} COLLATE {after.attributes['collation']}", hazards)]
    if composite := reshaped(kind.removesuffix("[]"), context):
        return move_rows(after, composite, hazards, context)
    through = through_type(kind, context)
    if through != "text" and loses_precision(*bases(kind, context)):
        hazards += (Hazard("data-loss", after.id, f"values of {'.'.join(after.id.name)} are rounded or cut to {through}", count_rows(table), "rows"),)
    array = "[]" if kind.endswith("[]") else ""
    return [alter_column(after, f"TYPE {kind} USING {column_of(after.id)}::{through}{array}::{kind}", hazards)]


def through_type(kind: str, context: Context) -> str:
    """What values pass through on their way to the new type: what a domain is over, where Postgres converts to that by itself, else text."""
    before, after = bases(kind, context)
    return after if before and after and "." not in before + after and conversion(before, after) == "assignment" else "text"


def bases(kind: str, context: Context) -> tuple[str, str]:
    """What a domain is over, finally, on either side; "" for other types."""
    return tuple(over(kind.removesuffix("[]"), side) for side in (context.old, context.new))


def over(kind: str, catalogue: Catalogue) -> str:
    domain = type_called("domain", kind, catalogue)
    return over(domain.attributes["type"], catalogue) or domain.attributes["type"] if domain else ""


def misfits(column: Fact, context: Context) -> tuple[Hazard, ...]:
    """Values that the new type may lack."""
    kind = column.attributes["type"]
    old, new = (type_called("enum", kind, side) for side in (context.old, context.new))
    if not old or not new:
        return fails(column.id, f"fails where a value of {'.'.join(column.id.name)} is none of the new {kind}")
    gone = ", ".join(literal(label) for label in old.attributes["labels"] if label not in new.attributes["labels"])
    return fails(column.id, f"fails where {'.'.join(column.id.name)} is {gone}", count_rows(table_of(column.id), f"{column_of(column.id)}::text IN ({gone})"), "rows") if gone else ()


def reshaped(kind: str, context: Context) -> Id | None:
    """The composite type whose attributes have other places: its text form does not say which value is which."""
    old, new = (type_called("composite_type", kind, side) for side in (context.old, context.new))
    return new.id if old and new and old.attributes["order"] != new.attributes["order"] else None


def row_of(value: str, composite: Id, context: Context) -> str:
    """A value of the old composite type, attribute by attribute."""
    fields = []
    for new in context.new.parts(composite, "attribute"):
        kind, old = new.attributes["type"], context.old.get(new.id)
        field = f"({value}).{ident(new.id.name[2])}"
        fields.append("NULL" if old is None else field if old.attributes["type"] == kind and "." not in kind else f"{field}::{'text[]' if kind.endswith('[]') else 'text'}::{kind}")
    return f"CASE WHEN {value} IS NOT DISTINCT FROM NULL THEN NULL ELSE ROW({', '.join(fields)})::{qualified(*composite.name)} END"


def move_rows(column: Fact, composite: Id, hazards: tuple[Hazard, ...], context: Context) -> list[Step]:
    name, kind = column_of(column.id), column.attributes["type"]
    if not kind.endswith("[]"):
        return [alter_column(column, f"TYPE {kind} USING {row_of(name, composite, context)}", hazards)]
    old = f"{qualified(composite.name[0], aside(composite, context))}[]"
    helper = qualified(composite.name[0], f"move_{composite.name[1]}"[:63])
    body = f"SELECT CASE WHEN $1 IS NOT NULL THEN ARRAY(SELECT {row_of('$1[i]', composite, context)} FROM pg_catalog.generate_subscripts($1, 1) i ORDER BY i) END"
    return [Step(f"CREATE FUNCTION {helper}({old}) RETURNS {kind} LANGUAGE sql AS {literal(body)}"),
            alter_column(column, f"TYPE {kind} USING {helper}({name})", hazards), Step(f"DROP FUNCTION {helper}({old})")]
