"""A type (or collation) made anew under columns that hold values of it: the old one steps aside, the columns move over with what they hold, the old one goes."""
from __future__ import annotations

from senior_backend.migrate.kinds import column_types
from senior_backend.migrate.kinds.altering import alter_table, column_of, count_rows, fails, rewrites, table_of
from senior_backend.migrate.kinds.inheriting import from_parents
from senior_backend.migrate.steps import Context, Hazard, Step
from senior_backend.postgres.model import Catalogue, Fact, Id
from senior_backend.postgres.quote import ident, literal, qualified

MOVABLE = {"enum": "TYPE", "domain": "DOMAIN", "composite_type": "TYPE", "range_type": "TYPE", "collation": "COLLATION"}
SUFFIX = "__old"


def holds(user: Fact, needed: Id) -> bool:
    """Whether the column must outlive what it needs, since its values would be lost. A generated column can be computed again."""
    return user.id.kind == "column" and needed.kind in MOVABLE and "generated" not in user.attributes


def in_the_way(user: Fact) -> bool:
    """Whether what uses a column must be gone while it moves."""
    return column_types.needs_rebuild(user, "", "the new type")


def aside(identity: Id, context: Context) -> str:
    """The name that an old type has meanwhile: one that neither side knows."""
    taken = {one.name[1] for side in (context.old, context.new) for one in side.facts if len(one.name) == 2 and one.name[0] == identity.name[0]}
    name = identity.name[1].encode()[:58].decode(errors="ignore") + SUFFIX
    while name in taken:
        name += "_"
    return name


def retire(fact: Fact, context: Context) -> list[Step]:
    """Give up the name, and what a domain checks: that may need what is dropped next."""
    noun, schema, name = MOVABLE[fact.id.kind], fact.id.name[0], aside(fact.id, context)
    steps = [f"ALTER {noun} {qualified(*fact.id.name)} RENAME TO {ident(name)}"]
    if fact.id.kind == "range_type":
        steps += retire_functions(fact, name, context)
    steps += [f"ALTER DOMAIN {qualified(schema, name)} DROP CONSTRAINT {ident(part.id.name[2])}" for part in context.old.parts(fact.id, "domain_constraint")]
    steps += [f"ALTER DOMAIN {qualified(schema, name)} DROP DEFAULT"] if fact.attributes.get("default") else []
    return [Step(text) for text in steps]


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
    return [Step(f"DROP {MOVABLE[fact.id.kind]} {qualified(fact.id.name[0], aside(fact.id, context))}")]


def move(before: Fact, after: Fact, context: Context) -> list[Step]:
    """The column takes the new type; a partition's moves with its parent's. Nothing where its type has another name now: that change moves it."""
    keys = ("type", "collation")
    if any(before.attributes.get(key) != after.attributes.get(key) for key in keys) or from_parents(after, context.new, context):
        return []
    kind, table = after.attributes["type"], table_of(after.id)
    if after.parent and after.parent.kind == "foreign_table":
        return [alter_table(after.id, f"ALTER COLUMN {column_of(after.id)} TYPE {kind}")]
    hazards = (*rewrites(table, f"{'.'.join(after.id.name)} moves to the new {kind}"), *misfits(after, context))
    composite = composite_of(kind, context)
    if "collation" in after.attributes:
        return [alter_table(after.id, f"ALTER COLUMN {column_of(after.id)} TYPE {kind} COLLATE {after.attributes['collation']}", hazards)]
    if composite and composite.name in reshaped(context):
        return move_rows(after, composite, hazards, context)
    through = through_type(kind, context)
    if through != "text" and column_types.loses_precision(*bases(kind, context)):
        hazards += (Hazard("data-loss", after.id, f"values of {'.'.join(after.id.name)} are rounded or cut to {through}", count_rows(table), "rows"),)
    array = "[]" if kind.endswith("[]") else ""
    return [alter_table(after.id, f"ALTER COLUMN {column_of(after.id)} TYPE {kind} USING {column_of(after.id)}::{through}{array}::{kind}", hazards)]


def through_type(kind: str, context: Context) -> str:
    """What values pass through on their way to the new type: what a domain is over, where Postgres converts to that by itself, else text."""
    before, after = bases(kind, context)
    return after if before and after and "." not in before + after and column_types.conversion(before, after) == "assignment" else "text"


def bases(kind: str, context: Context) -> tuple[str, str]:
    """What a domain is over, finally, on either side; "" for other types."""
    return tuple(over(kind.removesuffix("[]"), side) for side in (context.old, context.new))


def over(kind: str, catalogue: Catalogue) -> str:
    domain = next((fact for fact in catalogue.of_kind("domain") if qualified(*fact.id.name) == kind), None)
    return over(domain.attributes["type"], catalogue) or domain.attributes["type"] if domain else ""


def misfits(column: Fact, context: Context) -> tuple[Hazard, ...]:
    """Values that the new type may lack."""
    kind = column.attributes["type"]
    enum = next((Id("enum", one.id.name) for one in context.new.of_kind("enum") if qualified(*one.id.name) == kind), None)
    if enum is None or enum not in context.old:
        return fails(column.id, f"fails where a value of {'.'.join(column.id.name)} is none of the new {kind}")
    gone = [label for label in context.old[enum].attributes["labels"] if label not in context.new[enum].attributes["labels"]]
    probe = count_rows(table_of(column.id), f"{column_of(column.id)}::text IN ({', '.join(map(literal, gone))})")
    return fails(column.id, f"fails where {'.'.join(column.id.name)} is {', '.join(map(literal, gone))}", probe, "rows") if gone else ()


def composite_of(kind: str, context: Context) -> Id | None:
    return next((fact.id for fact in context.new.of_kind("composite_type") if qualified(*fact.id.name) == kind.removesuffix("[]") and fact.id in context.old), None)


def reshaped(context: Context) -> set[tuple[str, ...]]:
    """Composite types whose attributes have other places: their text form does not say which value is which."""
    both = ((context.old.get(fact.id), fact) for fact in context.new.of_kind("composite_type"))
    return {after.id.name for before, after in both if before and before.attributes["order"] != after.attributes["order"]}


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
        return [alter_table(column.id, f"ALTER COLUMN {name} TYPE {kind} USING {row_of(name, composite, context)}", hazards)]
    old = f"{qualified(composite.name[0], aside(composite, context))}[]"
    helper = qualified(composite.name[0], f"move_{composite.name[1]}"[:63])
    body = f"SELECT CASE WHEN $1 IS NOT NULL THEN ARRAY(SELECT {row_of('$1[i]', composite, context)} FROM pg_catalog.generate_subscripts($1, 1) i ORDER BY i) END"
    return [Step(f"CREATE FUNCTION {helper}({old}) RETURNS {kind} LANGUAGE sql AS {literal(body)}"),
            alter_table(column.id, f"ALTER COLUMN {name} TYPE {kind} USING {helper}({name})", hazards), Step(f"DROP FUNCTION {helper}({old})")]
