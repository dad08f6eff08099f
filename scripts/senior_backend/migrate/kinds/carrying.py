"""A table that can only be made anew (partitioned or not, heir of another): its rows are kept beside, and come back into the new one."""
from __future__ import annotations

from typing import Container

from senior_backend.migrate.kinds import column_types
from senior_backend.migrate.kinds.altering import count_rows, estimated_rows, fails
from senior_backend.migrate.kinds.sequences import LIMITS, go_on_after
from senior_backend.migrate.steps import Context, Hazard, Step
from senior_backend.postgres.model import Catalogue, Fact, Id
from senior_backend.postgres.quote import ident, listed, qualified


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


def kept_name(table: Id, context: Context) -> str:
    """Where the rows are meanwhile: a name that neither side knows."""
    schema, name = table.name[0], table.name[1].encode()[:56].decode(errors="ignore") + "__rows"
    while any(Id(kind, (schema, name)) in side for kind in ("table", "view", "index", "sequence") for side in (context.old, context.new)):
        name += "_"
    return qualified(schema, name)


def shared_columns(table: Id, context: Context) -> list[tuple[Fact, Fact]]:
    pairs = ((context.old.get(after.id), after) for after in context.new.parts(table, "column"))
    return [(before, after) for before, after in pairs if before and "generated" not in before.attributes and "generated" not in after.attributes]


def keep(table: Id, context: Context) -> list[Step]:
    """Copy the rows out, before anything of the table goes."""
    columns = listed(before.id.name[2] for before, _ in shared_columns(table, context))
    only = "" if "partitioned" in context.old[table].attributes else "ONLY "
    message = f"{'.'.join(table.name)} is made anew: every row is copied out and back"
    dangers = {"rewrite": message, "blocks-reads": f"{message}, while the table is locked"}
    hazards = tuple(Hazard(kind, table, text, estimated_rows(table), "rows (estimated)") for kind, text in dangers.items())
    lost = [part for part in context.old.parts(table, "column") if part.id not in context.new and "generated" not in part.attributes]
    for part in lost:
        probe = count_rows(table, f"{ident(part.id.name[2])} IS NOT NULL")
        hazards += (Hazard("data-loss", part.id, f"the values of {'.'.join(part.id.name)} are lost", probe, "non-null values"),)
    return [Step(f"LOCK TABLE {qualified(*table.name)} IN ACCESS EXCLUSIVE MODE"),
            Step(f"CREATE TABLE {kept_name(table, context)} AS SELECT {columns} FROM {only}{qualified(*table.name)}", hazards=hazards)]


def refill(table: Id, context: Context) -> list[Step]:
    """Copy the rows back; sequences go on after them."""
    pairs, kept = shared_columns(table, context), kept_name(table, context)
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
    return name if old == new else column_types.using(name, old, new).removeprefix(" USING ") or name


def sequence_of(column: Fact, context: Context) -> tuple[tuple[str, ...], dict] | None:
    """The sequence that gives the column its values: (name, options)."""
    identity = column.attributes.get("identity")
    if identity:
        return tuple(identity["sequence"]), identity
    owners = (context.new[one] for one in context.new.dependants(column.id) if one.kind == "sequence_owner")
    return next(((owner.id.name, context.new[Id("sequence", owner.id.name)].attributes) for owner in owners), None)
