"""Views and materialized views."""
from __future__ import annotations

import re
from typing import Any, Callable, Iterable

from senior_backend.migrate.kinds.altering import changed_options
from senior_backend.migrate.naming import target
from senior_backend.migrate.steps import Alteration, Context, Kind, Step
from senior_backend.postgres.model import Catalogue, Fact, Id
from senior_backend.postgres.quote import ident, literal, qualified

STORAGE = {"p": "PLAIN", "e": "EXTERNAL", "x": "EXTENDED", "m": "MAIN"}
COMPRESSION = {"p": "pglz", "l": "lz4"}
ROUTINES = ("function", "procedure")
READ = (*ROUTINES, "table", "foreign_table", "view", "materialized_view")


def parameters(options: list[str] | None) -> str:
    """Options in the order that the catalog has them."""
    return ", ".join(f"{name}={literal(value)}" for name, _, value in (one.partition("=") for one in options or ()))


def created(fact: Fact, prefix: str) -> Step:
    options = parameters(fact.attributes.get("options"))
    return Step(f"{prefix} {qualified(*fact.id.name)}{f' WITH ({options})' if options else ''} AS\n{fact.attributes['definition']}")


def create_view(fact: Fact, context: Context) -> list[Step]:
    return [created(fact, "CREATE VIEW")]


def alter_view(before: Fact, after: Fact, context: Context) -> Alteration | None:
    """CREATE OR REPLACE can add columns at the end, and change nothing else about them."""
    old, new = before.attributes, after.attributes
    if old["columns"] != new["columns"][:len(old["columns"])]:
        return None
    if old["definition"] != new["definition"] or len(old["columns"]) != len(new["columns"]):
        return Alteration((created(after, "CREATE OR REPLACE VIEW"),))
    return Alteration(tuple(relation_options(before, after)))


def relation_options(before: Fact, after: Fact) -> list[Step]:
    return [Step(f"ALTER {target(after.id)} {change}") for change in changed_options(before.attributes.get("options", []), after.attributes.get("options", []))]


def drop(fact: Fact, context: Context) -> list[Step]:
    return [Step(f"DROP {target(fact.id)}")]


def create_materialized(fact: Fact, context: Context) -> list[Step]:
    attributes = fact.attributes
    options = parameters(attributes.get("options"))
    sql = f"CREATE MATERIALIZED VIEW {qualified(*fact.id.name)}"
    sql += f" USING {ident(attributes['method'])}" if "method" in attributes else ""
    sql += f" WITH ({options})" if options else ""
    sql += f" TABLESPACE {ident(attributes['tablespace'])}" if "tablespace" in attributes else ""
    sql += f" AS\n{attributes['definition']}" + ("" if attributes["populated"] else "\nWITH NO DATA")
    return [Step(sql), *changed_settings({}, attributes.get("settings", {}), fact)]


def alter_materialized(before: Fact, after: Fact, context: Context) -> Alteration | None:
    old, new = before.attributes, after.attributes
    if any(old.get(name) != new.get(name) for name in ("definition", "columns", "method")):
        return None
    steps = relation_options(before, after) + changed_settings(old.get("settings", {}), new.get("settings", {}), after)
    if old.get("tablespace") != new.get("tablespace"):
        steps.append(Step(f"ALTER {target(after.id)} SET TABLESPACE {ident(new.get('tablespace', 'pg_default'))}"))
    if old["populated"] != new["populated"]:
        steps.append(Step(f"REFRESH {target(after.id)}" + ("" if new["populated"] else " WITH NO DATA")))
    return Alteration(tuple(steps))


def evaluated(fact: Fact, catalogue: Catalogue, made: bool) -> Iterable[Id]:
    """What the query of a materialized view runs into as it is filled: routines and relations that the bodies of its functions name, which the server does not know of."""
    reached, users = closure(fact.id, catalogue.depends, READ), closure(fact.id, catalogue.dependants, None)
    if not made or not fact.attributes["populated"] or not any(one.kind in ROUTINES for one in reached):
        return ()
    named: dict[str, list[Id]] = {}
    for other in catalogue.of_kind(*READ):
        named.setdefault(other.id.name[1], []).append(other.id)
    waiting, found = list(reached), set(reached)
    while waiting:
        one = waiting.pop()
        words = set(re.findall(r"\w+", catalogue[one].attributes["definition"])) if one.kind in ROUTINES else set()
        more = {other for word in words & named.keys() for other in named[word]}.union(closure(one, catalogue.depends, READ)) - found
        found |= more
        waiting += more
    return found - users


def closure(identity: Id, follow: Callable[[Id], Iterable[Id]], kinds: tuple[str, ...] | None) -> set[Id]:
    """All of these kinds that can be reached, itself included."""
    found, waiting = {identity}, [identity]
    while waiting:
        more = {one for one in follow(waiting.pop()) if kinds is None or one.kind in kinds} - found
        found |= more
        waiting += more
    return found


def changed_settings(old: dict[str, Any], new: dict[str, Any], fact: Fact) -> list[Step]:
    """Storage, compression, statistics targets and options of single columns."""
    steps = []
    for column in sorted(old.keys() | new.keys()):
        steps += [Step(f"ALTER {target(fact.id)} ALTER COLUMN {ident(column)} {change}") for change in changes_of_column(old.get(column, {}), new.get(column, {}))]
    return steps


def changes_of_column(had: dict[str, Any], has: dict[str, Any]) -> list[str]:
    changes = []
    if had.get("storage") != has.get("storage"):
        changes.append(f"SET STORAGE {STORAGE[has.get('storage') or had['usual_storage']]}")
    if had.get("compression") != has.get("compression"):
        changes.append(f"SET COMPRESSION {COMPRESSION.get(has.get('compression', ''), 'default')}")
    if had.get("statistics") != has.get("statistics"):
        changes.append(f"SET STATISTICS {has.get('statistics', -1)}")
    changes += changed_options(had.get("options", []), has.get("options", []))
    return changes


VIEW = Kind(create_view, drop, alter_view)
MATERIALIZED = Kind(create_materialized, drop, alter_materialized, follows=evaluated)
