"""Primary keys, unique and exclusion constraints, foreign keys, checks."""
from __future__ import annotations

import re

from senior_backend.migrate.kinds.altering import alter_table, blocks, count_rows, fails, table_of
from senior_backend.migrate.kinds.indexes import index_moves, mark, partitions
from senior_backend.migrate.kinds.inheriting import left_by_tie
from senior_backend.migrate.steps import Alteration, Context, Hazard, Kind, Step
from senior_backend.postgres.model import Catalogue, Fact, Id
from senior_backend.postgres.quote import ident, listed, qualified

NOT_VALID = " NOT VALID"
UNCHECKED = (NOT_VALID, " NOT ENFORCED")
# PRIMARY KEY (a) INCLUDE (b) WITH (fillfactor='70') DEFERRABLE, in parts
KEY = re.compile(r"(?P<kind>PRIMARY KEY|UNIQUE)(?P<nulls> NULLS NOT DISTINCT)? (?P<columns>\([^()]*\))(?P<include> INCLUDE \([^()]*\))?"
                 r"(?P<with> WITH \([^()]*\))?(?P<rest>(?: DEFERRABLE| INITIALLY DEFERRED)*)\Z")
TIMING = re.compile(r"( DEFERRABLE)?( INITIALLY DEFERRED)?( NOT ENFORCED)?( NOT VALID)?\Z")


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


KINDS = {"constraint": Kind(create, drop, alter, folds=folds, within=within, follows=comes_after)}
