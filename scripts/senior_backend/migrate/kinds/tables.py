"""Tables, partitioned tables and partitions, inheritance."""
from __future__ import annotations

from senior_backend.migrate.kinds import columns, constraints
from senior_backend.migrate.steps import Alteration, Context, Hazard, Kind, Step
from senior_backend.postgres.model import Fact, Id
from senior_backend.postgres.quote import ident, qualified


def rows_of(table: Id) -> str:
    return f"select count(*) from {qualified(*table.name)}"


def create(fact: Fact, context: Context) -> list[Step]:
    attributes = fact.attributes
    written = context.folded.get(fact.id, ())
    parts = [columns.definition(one, context) for one in written if one.id.kind == "column"]
    parts += [constraints.clause(one) for one in written if one.id.kind == "constraint"]
    inside = ",\n".join("  " + part for part in parts)
    unlogged = "UNLOGGED " if attributes.get("persistence") == "u" else ""
    sql = f"CREATE {unlogged}TABLE {qualified(*fact.id.name)} (" + (f"\n{inside}\n" if inside else "") + ")"
    if "partitioned" in attributes:
        sql += f"\nPARTITION BY {attributes['partitioned']}"
    if "method" in attributes:
        sql += f" USING {ident(attributes['method'])}"
    if "options" in attributes:
        sql += f" WITH ({', '.join(attributes['options'])})"
    if "tablespace" in attributes:
        sql += f" TABLESPACE {ident(attributes['tablespace'])}"
    return [Step(sql)]


def drop(fact: Fact, context: Context) -> list[Step]:
    message = f"all rows of {'.'.join(fact.id.name)} are lost"
    return [Step(f"DROP TABLE {qualified(*fact.id.name)}", hazards=(Hazard("data-loss", fact.id, message, rows_of(fact.id), "rows"),))]


def attach(fact: Fact, context: Context) -> list[Step]:
    return [Step(f"ALTER TABLE {qualified(*fact.attributes['of'])} ATTACH PARTITION {qualified(*fact.id.name)} {fact.attributes['bound']}")]


def detach(fact: Fact, context: Context) -> list[Step]:
    return [Step(f"ALTER TABLE {qualified(*fact.attributes['of'])} DETACH PARTITION {qualified(*fact.id.name)}")]


def inherit(fact: Fact, context: Context) -> list[Step]:
    schema, table, *parent = fact.id.name
    return [Step(f"ALTER TABLE {qualified(schema, table)} INHERIT {qualified(*parent)}")]


def disinherit(fact: Fact, context: Context) -> list[Step]:
    schema, table, *parent = fact.id.name
    return [Step(f"ALTER TABLE {qualified(schema, table)} NO INHERIT {qualified(*parent)}")]


KIND = Kind(create, drop, lambda before, after, context: Alteration(()), ("column", "constraint"))
PARTITION = Kind(attach, detach)
INHERITANCE = Kind(inherit, disinherit)
