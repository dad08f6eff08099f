"""Indexes, what marks them, and which of them make up a partitioned index."""
from __future__ import annotations

import re
from typing import Any

from senior_backend.migrate.kinds.altering import blocks, changed_options, fails
from senior_backend.migrate.steps import Alteration, Context, Hazard, Kind, Step
from senior_backend.postgres.model import Catalogue, Fact, Id
from senior_backend.postgres.quote import ident, qualified

STORAGE = re.compile(r" WITH \((?:[^()']|'[^']*')*\)")
HEAD = re.compile(r"CREATE (UNIQUE )?INDEX ")


def create(fact: Fact, context: Context) -> list[Step]:
    attributes, table = fact.attributes, fact.parent
    text = attributes["definition"]
    if "tablespace" in attributes:
        head, where, condition = text.partition(" WHERE ")
        text = f"{head} TABLESPACE {ident(attributes['tablespace'])}{where}{condition}"
    steps = settings({}, fact)
    if not context.live(table):
        return [Step(text, hazards=hazards(fact, context)), *steps, *mark(fact, context)]
    if " ON ONLY " in text:
        return [Step(text), *steps, *mark(fact, context)]
    return [Step(HEAD.sub(lambda found: f"{found[0]}CONCURRENTLY ", text, count=1), transactional=False, hazards=unique(fact)), *steps, *mark(fact, context)]


def hazards(fact: Fact, context: Context) -> tuple[Hazard, ...]:
    if fact.parent in context.fresh or " ON ONLY " in fact.attributes["definition"]:
        return ()
    return (*unique(fact), *blocks("blocks-writes", table_id(fact), f"{fact.id.name[1]} is built"))


def unique(fact: Fact) -> tuple[Hazard, ...]:
    return fails(fact.id, f"fails where values of {fact.id.name[1]} are not unique") if fact.attributes.get("unique") else ()


def table_id(fact: Fact) -> Id:
    return fact.parent or Id("table", (fact.id.name[0], fact.attributes["table"]))


def drop(fact: Fact, context: Context) -> list[Step]:
    partitioned = " ON ONLY " in fact.attributes["definition"]
    concurrently = context.online and not partitioned
    links = (context.old[one] for one in context.old.dependants(fact.id) if one.kind == "index_partition" and one.name != fact.id.name)
    cascade = " CASCADE" if any(link.parent.kind == "constraint" for link in links) else ""       # otherwise a key that is part of it would hold it
    return [Step(f"DROP INDEX {'CONCURRENTLY ' if concurrently else ''}{qualified(*fact.id.name)}{cascade}", transactional=not concurrently)]


def alter(before: Fact, after: Fact, context: Context) -> Alteration | None:
    old, new = before.attributes, after.attributes
    if old.get("invalid") or STORAGE.sub("", old["definition"], count=1) != STORAGE.sub("", new["definition"], count=1):
        return None
    name, steps = qualified(*after.id.name), []
    if old.get("tablespace") != new.get("tablespace"):
        steps.append(Step(f"ALTER INDEX {name} SET TABLESPACE {ident(new.get('tablespace', 'pg_default'))}", hazards=blocks("blocks-reads", table_id(after), "the index moves")))
    return Alteration((*steps, *settings(old, after), *mark(after, context, before)))


def settings(old: dict[str, Any], fact: Fact) -> list[Step]:
    """Storage parameters (of an index that is there) and statistics targets of its columns."""
    new, name, said = fact.attributes, qualified(*fact.id.name), []
    if old:
        said += changed_options(old.get("options", []), new.get("options", []))
    targets, given = new.get("statistics", {}), old.get("statistics", {})
    said += [f"ALTER COLUMN {number} SET STATISTICS {targets.get(number, -1)}" for number in sorted({*targets, *given}, key=int) if targets.get(number) != given.get(number)]
    return [Step(f"ALTER INDEX {name} {text}") for text in said]


def mark(fact: Fact, context: Context, before: Fact | None = None) -> list[Step]:
    """Whether an index, also that of a constraint, clusters its table or tells rows apart in replication."""
    old, new = before.attributes if before else {}, fact.attributes
    table, index, steps = qualified(*table_id(fact).name), ident(fact.id.name[-1]), []
    if old.get("clustered") != new.get("clustered"):
        steps.append(Step(f"ALTER TABLE {table} " + (f"CLUSTER ON {index}" if new.get("clustered") else "SET WITHOUT CLUSTER")))
    if old.get("replica_identity") != new.get("replica_identity"):
        steps.append(Step(f"ALTER TABLE {table} REPLICA IDENTITY " + (f"USING INDEX {index}" if new.get("replica_identity") else "DEFAULT")))
    return steps


def attach(fact: Fact, context: Context) -> list[Step]:
    return [Step(f"ALTER INDEX {qualified(*fact.attributes['of'])} ATTACH PARTITION {qualified(*fact.id.name)}")]


def partitions(fact: Fact, catalogue: Catalogue, made: bool) -> list[Id]:
    """The partitions of the table: its index comes after them, so that they do not get indexes of their own choice."""
    return [one for one in catalogue.dependants(fact.parent) if one.kind == "partition" and one.name != fact.parent.name] if made and fact.parent in catalogue else []


KIND = Kind(create, drop, alter, follows=partitions)
# a partition's index goes with the index it is part of, or stays when the partition is detached
PARTITION = Kind(attach, lambda fact, context: [], lambda before, after, context: None, follows=lambda fact, catalogue, made: [Id("partition", catalogue[fact.parent].parent.name)])
