"""Primary keys, unique and exclusion constraints, foreign keys, checks; indexes, what marks them, and which of them make up a partitioned index."""
from __future__ import annotations

import re
from typing import Any

from senior_backend.migrate.kinds.altering import Change, alter_table, altered, blocks, changed_options, count_rows, fails, said, table_of
from senior_backend.migrate.kinds.inheriting import left_by_tie
from senior_backend.migrate.steps import Alteration, Context, Hazard, Kind, Step
from senior_backend.postgres.model import Catalogue, Fact, Id
from senior_backend.postgres.quote import ident, listed, qualified, target

NOT_VALID = " NOT VALID"
UNCHECKED = (NOT_VALID, " NOT ENFORCED")
# PRIMARY KEY (a) INCLUDE (b) WITH (fillfactor='70') DEFERRABLE, in parts
KEY = re.compile(r"(?P<kind>PRIMARY KEY|UNIQUE)(?P<nulls> NULLS NOT DISTINCT)? (?P<columns>\([^()]*\))(?P<include> INCLUDE \([^()]*\))?"
                 r"(?P<with> WITH \([^()]*\))?(?P<rest>(?: DEFERRABLE| INITIALLY DEFERRED)*)\Z")
TIMING = re.compile(r"( DEFERRABLE)?( INITIALLY DEFERRED)?( NOT ENFORCED)?( NOT VALID)?\Z")
STORAGE = re.compile(r" WITH \((?:[^()']|'[^']*')*\)")
HEAD = re.compile(r"CREATE (UNIQUE )?INDEX ")


# --- constraints
def clause(fact: Fact) -> str:
    attributes = fact.attributes
    space = f" USING INDEX TABLESPACE {ident(attributes['tablespace'])}" if "tablespace" in attributes else ""
    definition = attributes["definition"]
    if space and (timing := TIMING.search(definition)):
        definition = definition[:timing.start()] + space + definition[timing.start():]
    return f"CONSTRAINT {ident(fact.id.name[2])} {definition}"


def create(fact: Fact, context: Context) -> list[Step]:
    fresh = fact.parent in context.fresh
    if not fresh and left_by_tie(fact, context.old, context.gone):
        return []
    steps = online(fact, context) if context.online and not fresh else None
    return [*(steps or added(fact, context, () if fresh else hazards(fact))), *mark(fact)]


def partitioned(fact: Fact, context: Context) -> bool:
    return fact.parent in context.new and "partitioned" in context.new[fact.parent].attributes


def added(fact: Fact, context: Context, dangers: tuple[Hazard, ...] = (), suffix: str = "") -> list[Step]:
    return [alter_table(fact.id, f"ADD {clause(fact)}{suffix}", dangers, only=fact.attributes["type"] in "pux" and partitioned(fact, context))]


def online(fact: Fact, context: Context) -> list[Step] | None:
    """The form that lets others read and write meanwhile, where there is one: unchecked and then validated, or through an index that is built beside them."""
    kind, name, definition, whole = fact.attributes["type"], ident(fact.id.name[2]), fact.attributes["definition"], not partitioned(fact, context)
    if kind in "cf" and not definition.endswith(UNCHECKED) and (kind == "c" or whole):
        return [*added(fact, context, suffix=NOT_VALID), alter_table(fact.id, f"VALIDATE CONSTRAINT {name}", failing(fact))]
    parts = KEY.match(definition)
    if kind not in "pu" or not whole or not parts:
        return None
    space = f" TABLESPACE {ident(fact.attributes['tablespace'])}" if "tablespace" in fact.attributes else ""
    rest = "".join(parts[one] or "" for one in ("columns", "include", "nulls", "with"))
    index = f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {qualified(*fact.id.name[:2])} {rest}{space}"
    return [Step(index, transactional=False, hazards=failing(fact)), alter_table(fact.id, f"ADD CONSTRAINT {name} {parts['kind']} USING INDEX {name}{parts['rest']}")]


def failing(fact: Fact) -> tuple[Hazard, ...]:
    """What rows make it fail, counted where the definition says enough."""
    kind, name, definition = fact.attributes["type"], fact.id.name[2], fact.attributes["definition"]
    if definition.endswith(UNCHECKED):
        return ()
    table = qualified(*fact.id.name[:2])
    if kind == "c":
        condition = definition.removeprefix("CHECK ").removesuffix(" NO INHERIT")
        return fails(fact.id, f"fails where a row does not satisfy {name}", count_rows(table_of(fact.id), f"NOT {condition}"), "rows that do not")
    if kind in "pu":
        columns = listed(fact.attributes["columns"])
        known = " AND ".join(f"{ident(one)} IS NOT NULL" for one in fact.attributes["columns"])
        probe = f"SELECT count(*) FROM (SELECT FROM {table} WHERE {known} GROUP BY {columns} HAVING count(*) > 1) repeated"
        return fails(fact.id, f"fails where values of {name} are not unique", probe, "values that occur more than once")
    return fails(fact.id, f"fails where a row has no match for {name}" if kind == "f" else f"fails where rows exclude each other under {name}")


def hazards(fact: Fact) -> tuple[Hazard, ...]:
    """Of the plain form, which holds a lock while all rows are read or an index is built."""
    kind, name = fact.attributes["type"], fact.id.name[2]
    if fact.attributes["definition"].endswith(UNCHECKED):
        return ()
    found = failing(fact) + blocks("blocks-writes" if kind == "f" else "blocks-reads", table_of(fact.id), f"{name} is checked")
    if kind == "f" and tuple(fact.attributes["references"]) != fact.id.name[:2]:
        found += blocks("blocks-writes", Id("table", tuple(fact.attributes["references"])), f"{name} is checked")
    return found


def drop(fact: Fact, context: Context) -> list[Step]:
    if left_by_tie(fact, context.new, context.fresh):
        return []
    return [alter_table(fact.id, f"DROP CONSTRAINT {ident(fact.id.name[2])}")]


def alter(before: Fact, after: Fact, context: Context) -> Alteration | None:
    old, new = before.attributes, after.attributes
    name, steps = ident(after.id.name[2]), []
    if old["definition"] != new["definition"]:
        if old["definition"] == new["definition"] + NOT_VALID:
            steps.append(alter_table(after.id, f"VALIDATE CONSTRAINT {name}", failing(after)))
        elif new["type"] == "f" and timeless(old["definition"]) == timeless(new["definition"]):
            steps.append(alter_table(after.id, f"ALTER CONSTRAINT {name} {timing(new['definition'])}"))
        else:
            return None
    if old.get("tablespace") != new.get("tablespace"):
        steps.append(index_moves(Id("index", (after.id.name[0], after.id.name[2])), new.get("tablespace"), table_of(after.id)))
    return Alteration((*steps, *mark(after, before)))


def timeless(definition: str) -> str | None:
    """A foreign key without when it is checked; None where it says more than that at its end."""
    found = TIMING.search(definition)
    return definition[:found.start()] if found and not found[3] and not found[4] else None


def timing(definition: str) -> str:
    found = TIMING.search(definition)
    return (found[0] if found else "").strip() or "NOT DEFERRABLE"


def folds(fact: Fact) -> bool:
    """Whether CREATE TABLE can say it: unchecked constraints and marks of an index need statements of their own."""
    attributes = fact.attributes
    return not attributes["definition"].endswith(NOT_VALID) and "clustered" not in attributes and "replica_identity" not in attributes


def within(fact: Fact, catalogue: Catalogue) -> Id | None:
    """The table, unless another key has the same columns: CREATE TABLE takes two such keys for one."""
    mine = fact.attributes.get("columns")
    others = (one for one in catalogue.parts(fact.parent, "constraint") if one.id != fact.id and one.attributes.get("columns") == mine) if mine else ()
    return None if any((one.attributes["type"], one.id) < (fact.attributes["type"], fact.id) for one in others) else fact.parent


def comes_after(fact: Fact, catalogue: Catalogue, made: bool) -> list[Id]:
    """A key of a partitioned table comes after the partitions, and is good for foreign keys when it is complete."""
    if fact.attributes["type"] in "pux":
        return partitions(fact, catalogue, made)
    keys = [one for one in catalogue.depends(fact.id) if one.kind in ("index", "constraint")] if made and fact.attributes["type"] == "f" else []
    return [link for key in keys for link in catalogue.dependants(key) if link.kind == "index_partition"]


# --- indexes
def create_index(fact: Fact, context: Context) -> list[Step]:
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


def drop_index(fact: Fact, context: Context) -> list[Step]:
    concurrently = context.online and " ON ONLY " not in fact.attributes["definition"]
    links = (context.old[one] for one in context.old.dependants(fact.id) if one.kind == "index_partition" and one.name != fact.id.name)
    cascade = " CASCADE" if any(link.parent.kind == "constraint" for link in links) else ""       # otherwise a key that is part of it would hold it
    return [Step(f"DROP INDEX {'CONCURRENTLY ' if concurrently else ''}{qualified(*fact.id.name)}{cascade}", transactional=not concurrently)]


def alter_index(before: Fact, after: Fact, context: Context) -> Alteration | None:
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
    "constraint": Kind(create, drop, alter, folds=folds, within=within, follows=comes_after),
    "index": Kind(create_index, drop_index, alter_index, follows=partitions),
    # a partition's index goes with the index it is part of, or stays when the partition is detached
    "index_partition": Kind(attach, lambda fact, context: [], follows=lambda fact, catalogue, made: [Id("partition", catalogue[fact.parent].parent.name)]),
}
