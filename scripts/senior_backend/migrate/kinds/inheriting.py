"""Partitions and inheritance: which table takes what over from which, attaching and detaching."""
from __future__ import annotations

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


def same_constraint(fact: Fact, catalogue: Catalogue, links: list[Fact]) -> bool:
    """Whether a parent has this check or foreign key, under this name: tying and untying leaves the child with it."""
    theirs = (catalogue.get(Id("constraint", (*parent_of(link).name, fact.id.name[2]))) for link in links)
    return fact.attributes["type"] in "cf" and any(one and one.attributes["definition"] == fact.attributes["definition"] for one in theirs)


def loosened(table: Id, context: Context) -> list[Fact]:
    """The ties that a table loses."""
    return [link for link in links_of(table, context.old) if link.id in context.gone]


def tied(table: Id, context: Context) -> list[Fact]:
    """The ties that a table gets."""
    return [link for link in links_of(table, context.new) if link.id in context.fresh]


def missing_checks(link: Fact, context: Context) -> list[str]:
    """Checks of the parent that a table must have before it is tied, as clauses."""
    table = table_of(link.id)
    checks = [one for one in context.new.parts(parent_of(link), "constraint") if one.attributes["type"] == "c" and " NO INHERIT" not in one.attributes["definition"]]
    lacking = [one for one in checks if not any(Id("constraint", (*table.name, one.id.name[2])) in side for side in (context.old, context.new))]
    return [f"CONSTRAINT {ident(one.id.name[2])} {one.attributes['definition']}" for one in lacking]


def add_checks(link: Fact, context: Context) -> list[Step]:
    return [alter_table(link.id, f"ADD {clause}") for clause in missing_checks(link, context)]


def left_over(link: Fact, context: Context) -> list[Step]:
    """What a table keeps from its parent and is not wanted."""
    table = table_of(link.id)
    kept = [one for one in context.old.parts(parent_of(link), "constraint") if one.attributes["type"] in "cf" and " NO INHERIT" not in one.attributes["definition"]]
    unwanted = [one for one in kept if not any(Id("constraint", (*table.name, one.id.name[2])) in side for side in (context.old, context.new))]
    return [Step(f"ALTER TABLE {qualified(*table.name)} DROP CONSTRAINT {ident(one.id.name[2])}") for one in unwanted]


def attach(fact: Fact, context: Context) -> list[Step]:
    parent, table = parent_of(fact), table_of(fact.id)
    hazards = blocks("blocks-reads", table, "the rows are checked against the bounds") if table not in context.fresh else ()
    first = [] if table in context.fresh else add_checks(fact, context)
    return [*first, Step(f"ALTER TABLE {qualified(*parent.name)} ATTACH PARTITION {qualified(*table.name)} {fact.attributes['bound']}", hazards=hazards)]


def detach(fact: Fact, context: Context) -> list[Step]:
    """Not CONCURRENTLY: that would leave a check of the bounds behind, and the plain form needs its lock for a moment only."""
    return [Step(f"ALTER TABLE {qualified(*parent_of(fact).name)} DETACH PARTITION {qualified(*table_of(fact.id).name)}"), *left_over(fact, context)]


def inherit(fact: Fact, context: Context) -> list[Step]:
    return [*add_checks(fact, context), Step(f"ALTER TABLE {qualified(*fact.id.name[:2])} INHERIT {qualified(*fact.id.name[2:])}")]


def disinherit(fact: Fact, context: Context) -> list[Step]:
    return [Step(f"ALTER TABLE {qualified(*fact.id.name[:2])} NO INHERIT {qualified(*fact.id.name[2:])}"), *left_over(fact, context)]


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


PARTITION = Kind(attach, detach, follows=comes_after)
# an heir's place among the parents' heirs cannot be seen
INHERITANCE = Kind(inherit, disinherit, lambda before, after, context: Alteration(()), follows=comes_after)
