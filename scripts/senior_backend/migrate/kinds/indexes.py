"""Indexes, what marks them, and which of them make up a partitioned index."""
from __future__ import annotations

import re
from typing import Any

from senior_backend.migrate.kinds.altering import Change, alter_table, altered, blocks, changed_options, fails, said
from senior_backend.migrate.steps import Alteration, Context, Kind, Step
from senior_backend.postgres.model import Catalogue, Fact, Id
from senior_backend.postgres.quote import ident, qualified, target

STORAGE = re.compile(r" WITH \((?:[^()']|'[^']*')*\)")
HEAD = re.compile(r"CREATE (UNIQUE )?INDEX ")


def create(fact: Fact, context: Context) -> list[Step]:
    text, live = fact.attributes["definition"], context.live(fact.parent)
    if "tablespace" in fact.attributes:
        head, where, condition = text.partition(" WHERE ")
        text = f"{head} TABLESPACE {ident(fact.attributes['tablespace'])}{where}{condition}"
    unique = fails(fact.id, f"fails where values of {fact.id.name[1]} are not unique") if fact.attributes.get("unique") else ()
    if " ON ONLY " in text or fact.parent in context.fresh:
        made = Step(text)
    elif live:
        made = Step(HEAD.sub(lambda found: f"{found[0]}CONCURRENTLY ", text, count=1), transactional=False, hazards=unique)
    else:
        made = Step(text, hazards=(*unique, *blocks("blocks-writes", table_id(fact), f"{fact.id.name[1]} is built")))
    return [made, *altered(fact, settings({}, {"statistics": fact.attributes.get("statistics", {})}, fact)), *mark(fact)]


def table_id(fact: Fact) -> Id:
    return fact.parent or Id("table", (fact.id.name[0], fact.attributes["table"]))


def drop(fact: Fact, context: Context) -> list[Step]:
    concurrently = context.online and " ON ONLY " not in fact.attributes["definition"]
    links = (context.old[one] for one in context.old.dependants(fact.id) if one.kind == "index_partition" and one.name != fact.id.name)
    cascade = " CASCADE" if any(link.parent.kind == "constraint" for link in links) else ""       # otherwise a key that is part of it would hold it
    return [Step(f"DROP INDEX {'CONCURRENTLY ' if concurrently else ''}{qualified(*fact.id.name)}{cascade}", transactional=not concurrently)]


def alter(before: Fact, after: Fact, context: Context) -> Alteration | None:
    old, new = before.attributes, after.attributes
    if old.get("invalid") or STORAGE.sub("", old["definition"], count=1) != STORAGE.sub("", new["definition"], count=1):
        return None
    moved = [index_moves(after.id, new.get("tablespace"), table_id(after))] if old.get("tablespace") != new.get("tablespace") else []
    return Alteration((*moved, *altered(after, settings(old, new, after)), *mark(after, before)))


def index_moves(index: Id, space: str | None, table: Id) -> Step:
    return Step(f"ALTER {target(index)} SET TABLESPACE {ident(space or 'pg_default')}", hazards=blocks("blocks-reads", table, "the index moves"))


def settings(old: dict[str, Any], new: dict[str, Any], fact: Fact) -> list[str]:
    """Storage parameters (of an index that is there) and statistics targets of its columns."""
    targets, given = new.get("statistics", {}), old.get("statistics", {})
    return changed_options(old.get("options"), new.get("options")) + [
        f"ALTER COLUMN {number} SET STATISTICS {targets.get(number, -1)}" for number in sorted({*targets, *given}, key=int) if targets.get(number) != given.get(number)]


def mark(fact: Fact, before: Fact | None = None) -> list[Step]:
    """Whether an index, also that of a constraint, clusters its table or tells rows apart in replication."""
    index = ident(fact.id.name[-1])
    marks: dict[str, Change] = {"clustered": lambda old, new, _: f"CLUSTER ON {index}" if new else "SET WITHOUT CLUSTER",
                                "replica_identity": lambda old, new, _: f"REPLICA IDENTITY {f'USING INDEX {index}' if new else 'DEFAULT'}"}
    return [alter_table(table_id(fact), text) for text in said(before.attributes if before else {}, fact.attributes, marks, fact) or ()]


def attach(fact: Fact, context: Context) -> list[Step]:
    return [Step(f"ALTER INDEX {qualified(*fact.attributes['of'])} ATTACH PARTITION {qualified(*fact.id.name)}")]


def partitions(fact: Fact, catalogue: Catalogue, made: bool) -> list[Id]:
    """The partitions of the table: its index comes after them, so that they do not get indexes of their own choice."""
    return [one for one in catalogue.dependants(fact.parent) if one.kind == "partition" and one.name != fact.parent.name] if made and fact.parent in catalogue else []


KINDS = {
    "index": Kind(create, drop, alter, follows=partitions),
    # a partition's index goes with the index it is part of, or stays when the partition is detached
    "index_partition": Kind(attach, lambda fact, context: [], follows=lambda fact, catalogue, made: [Id("partition", catalogue[fact.parent].parent.name)]),
}
