"""Partitions and inheritance: which table takes what over from which, attaching and detaching."""
from __future__ import annotations

from typing import Container

from senior_backend.migrate.kinds.altering import alter_table, blocks, table_of
from senior_backend.migrate.steps import Alteration, Context, Kind, Step
from senior_backend.postgres.model import Catalogue, Fact, Id
from senior_backend.postgres.quote import ident, qualified

LINKS = ("partition", "inheritance")


def parent_of(link: Fact) -> Id:
    """The table that a partition or an heir takes its columns from."""
    return Id("table", tuple(link.attributes["of"]) if link.id.kind == "partition" else link.id.name[2:])


def links_of(table: Id, catalogue: Catalogue) -> list[Fact]:
    return catalogue.parts(table, *LINKS) if table in catalogue else []


def links_to(table: Id, catalogue: Catalogue) -> list[Fact]:
    """The ties of the tables that take its columns over."""
    return [catalogue[one] for one in catalogue.dependants(table) if one.kind in LINKS and one.name[:2] != table.name]


def stays_linked(link: Fact, context: Context) -> bool:
    """Whether the tie exists on both sides, so that what is done to the parent reaches the child by itself."""
    before = context.old.get(link.id)
    return link.id not in context.fresh and before is not None and parent_of(before) == parent_of(link)


def from_parents(fact: Fact, catalogue: Catalogue, context: Context) -> list[Fact]:
    """The same column (or constraint) of the parents that the table is tied to before and after."""
    parents = [parent_of(link) for link in links_of(table_of(fact.id), catalogue) if stays_linked(link, context)]
    found = (catalogue.get(Id(fact.id.kind, (*parent.name, fact.id.name[2]))) for parent in parents)
    return [one for one in found if one]


def left_by_tie(fact: Fact, catalogue: Catalogue, changed: Container[Id]) -> bool:
    """Whether a parent by one of the changed ties has this check or foreign key, under this name: tying and untying leaves the child with it."""
    links = (link for link in links_of(table_of(fact.id), catalogue) if link.id in changed)
    theirs = (catalogue.get(Id("constraint", (*parent_of(link).name, fact.id.name[2]))) for link in links)
    return fact.attributes["type"] in "cf" and any(one and one.attributes["definition"] == fact.attributes["definition"] for one in theirs)


def of_parent_alone(link: Fact, types: str, catalogue: Catalogue, context: Context) -> list[Fact]:
    """The parent's constraints of these types that its heirs take over, and that the table has under this name on neither side."""
    found = (one for one in catalogue.parts(parent_of(link), "constraint") if one.attributes["type"] in types and " NO INHERIT" not in one.attributes["definition"])
    return [one for one in found if not any(Id("constraint", (*link.id.name[:2], one.id.name[2])) in side for side in (context.old, context.new))]


def missing_checks(link: Fact, context: Context) -> list[str]:
    """Checks of the parent that a table must have before it is tied, as clauses."""
    return [f"CONSTRAINT {ident(one.id.name[2])} {one.attributes['definition']}" for one in of_parent_alone(link, "c", context.new, context)]


def tie(link: Fact, context: Context) -> list[Step]:
    table, parent = table_of(link.id), parent_of(link)
    first = [alter_table(table, f"ADD {clause}") for clause in missing_checks(link, context)]
    if link.id.kind == "inheritance":
        return [*first, alter_table(table, f"INHERIT {qualified(*parent.name)}")]
    attach = f"ATTACH PARTITION {qualified(*table.name)} {link.attributes['bound']}"
    if table in context.fresh:
        return [alter_table(parent, attach)]
    return [*first, alter_table(parent, attach, blocks("blocks-reads", table, "the rows are checked against the bounds"))]


def untie(link: Fact, context: Context) -> list[Step]:
    """Without what the table keeps from its parent and is not wanted. Not CONCURRENTLY: that would leave a check of the bounds behind, and the plain form needs its lock for a moment only."""
    table, parent = table_of(link.id), parent_of(link)
    undone = alter_table(table, f"NO INHERIT {qualified(*parent.name)}") if link.id.kind == "inheritance" else alter_table(parent, f"DETACH PARTITION {qualified(*table.name)}")
    return [undone, *(alter_table(table, f"DROP CONSTRAINT {ident(one.id.name[2])}") for one in of_parent_alone(link, "cf", context.old, context))]


def tied_columns(link: Fact, catalogue: Catalogue) -> list[Id]:
    """The columns on both ends of a tie: they change before it is made and after it is undone."""
    tables = (table_of(link.id), parent_of(link)) if link.id.kind in LINKS else ()
    return [column.id for table in tables for column in catalogue.parts(table, "column")]


def kept_apart(link: Fact, catalogue: Catalogue) -> list[Id]:
    """What changes only after a tie is undone: the columns, and the checks and foreign keys of the parent, of which the table keeps copies."""
    checks = catalogue.parts(parent_of(link), "constraint") if link.id.kind in LINKS else []
    return tied_columns(link, catalogue) + [one.id for one in checks if one.attributes["type"] in "cf"]


def comes_after(link: Fact, catalogue: Catalogue, made: bool) -> list[Id]:
    """What a table needs for being tied: columns, checks, and the indexes that become part of the parent's, without which attaching would build others."""
    parts = catalogue.parts(table_of(link.id), "index", "constraint") if made else []
    ready = [one.id for one in parts if one.id.kind == "constraint" and one.attributes["type"] == "c" or catalogue.parts(one.id, "index_partition")]
    return ready + (tied_columns(link, catalogue) if made else [])


# an heir's place among the parents' heirs cannot be seen
KINDS = {"partition": Kind(tie, untie, follows=comes_after), "inheritance": Kind(tie, untie, lambda before, after, context: Alteration(()), follows=comes_after)}
