"""Code and queries (queries/code.sql): routines, event triggers, views and materialized views, rules, triggers, policies."""
from __future__ import annotations

import re
from itertools import zip_longest
from typing import Any, Iterable, Iterator

from senior_backend.migrate.closure import reached
from senior_backend.migrate.kinds.altering import Change, altered, altering, changed_options, column_settings, drop, set_again, simple
from senior_backend.migrate.steps import Alteration, Context, Kind, Step
from senior_backend.postgres.model import Catalogue, Fact, Id
from senior_backend.postgres.quote import ident, literal, qualified, role, target

STATES = {"O": "ENABLE", "D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}
COMMANDS = {"r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE", "*": "ALL"}
OR_REPLACE_TRIGGER = 140000
ROUTINES = ("function", "procedure")
READ = (*ROUTINES, "table", "foreign_table", "view", "materialized_view")


def as_defined(fact: Fact, context: Context) -> list[Step]:
    return [Step(fact.attributes["definition"])]


# --- routines, event triggers
def alter_routine(before: Fact, after: Fact, context: Context) -> Alteration | None:
    return Alteration(tuple(as_defined(after, context))) if replaceable(before.attributes, after.attributes) else None


def replaceable(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether CREATE OR REPLACE can do it: same result, no argument renamed, no default taken away (https://www.postgresql.org/docs/current/sql-createfunction.html, Notes)."""
    if any(old.get(name) != new.get(name) for name in ("result", "window")) or new["defaults"] < old["defaults"]:
        return False
    if old.get("polymorphic") and old["arguments"] != new["arguments"]:
        return False
    return all(kept(had, has) for had, has in zip_longest(arguments(old), arguments(new), fillvalue=("", "i", "")))


def arguments(attributes: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(name or "", mode, type of an output or "") of each; nothing where no argument has a name or is an output."""
    names, modes, types = (attributes.get(part) or [] for part in ("names", "modes", "types"))
    for name, mode, type_ in zip_longest(names, modes, types, fillvalue=""):
        yield name, mode or "i", type_ if mode in ("o", "t", "b") else ""


def kept(had: tuple[str, str, str], has: tuple[str, str, str]) -> bool:
    return had[1:] == has[1:] and (had[0] == has[0] or not had[0] and had[1] in ("i", "v"))


def event_trigger(fact: Fact, context: Context) -> str:
    attributes = fact.attributes
    when = f"\n  WHEN TAG IN ({', '.join(map(literal, attributes['tags']))})" if "tags" in attributes else ""
    return f"{target(fact.id)} ON {attributes['event']}{when}\n  EXECUTE FUNCTION {attributes['function']}()"


# --- views
def created(fact: Fact, head: str, tail: str = "") -> Step:
    """head, tail: what stands around the options, given as the catalog has them."""
    options = ", ".join(f"{name}={literal(value)}" for name, _, value in (one.partition("=") for one in fact.attributes.get("options", ())))
    return Step(f"{head}{f' WITH ({options})' if options else ''}{tail} AS\n{fact.attributes['definition']}")


def create_view(fact: Fact, context: Context) -> list[Step]:
    return [created(fact, f"CREATE {target(fact.id)}")]


def alter_view(before: Fact, after: Fact, context: Context) -> Alteration | None:
    """CREATE OR REPLACE can add columns at the end, and change nothing else about them."""
    old, new = before.attributes, after.attributes
    if old["columns"] != new["columns"][:len(old["columns"])]:
        return None
    if old["definition"] != new["definition"] or len(old["columns"]) != len(new["columns"]):
        return Alteration((created(after, f"CREATE OR REPLACE {target(after.id)}"),))
    return altering({"options": changed_options})(before, after, context)


def create_materialized(fact: Fact, context: Context) -> list[Step]:
    attributes = fact.attributes
    method, space = (f" {word} {ident(attributes[key])}" if key in attributes else "" for word, key in (("USING", "method"), ("TABLESPACE", "tablespace")))
    made = created(fact, f"CREATE {target(fact.id)}{method}", space)
    return [made if attributes["populated"] else Step(f"{made.sql}\nWITH NO DATA"), *altered(fact, settings_of_columns({}, attributes.get("settings"), fact))]


def settings_of_columns(old: dict[str, Any] | None, new: dict[str, Any] | None, fact: Fact) -> list[str]:
    old, new = old or {}, new or {}
    return [f"ALTER COLUMN {ident(column)} {text}" for column in sorted(old.keys() | new.keys()) for text in column_settings(old.get(column, {}), new.get(column, {}), fact)]


MATERIALIZED: dict[str, Change] = {"options": changed_options, "settings": settings_of_columns, "tablespace": lambda old, new, fact: f"SET TABLESPACE {ident(new or 'pg_default')}",
                                   "populated": lambda old, new, fact: []}


def alter_materialized(before: Fact, after: Fact, context: Context) -> Alteration | None:
    made, populated = altering(MATERIALIZED)(before, after, context), after.attributes["populated"]
    refresh = [Step(f"REFRESH {target(after.id)}" + ("" if populated else " WITH NO DATA"))] if before.attributes["populated"] != populated else []
    return made and Alteration((*made.steps, *refresh))


def evaluated(fact: Fact, catalogue: Catalogue, made: bool) -> Iterable[Id]:
    """What the query of a materialized view runs into as it is filled: routines and relations that the bodies of its functions name, which the server does not know of."""
    if not made or not fact.attributes["populated"]:
        return ()
    named: dict[str, list[Id]] = {}
    for other in catalogue.of_kind(*READ):
        named.setdefault(other.id.name[1], []).append(other.id)

    def runs_into(one: Id) -> list[Id]:
        words = set(re.findall(r"\w+", catalogue[one].attributes["definition"])) if one.kind in ROUTINES else set()
        return [*(other for other in catalogue.depends(one) if other.kind in READ), *(other for word in sorted(words & named.keys()) for other in named[word])]

    found = reached([fact.id], catalogue, runs_into)
    return found - reached([fact.id], catalogue, catalogue.dependants) if any(one.kind in ROUTINES for one in found) else ()


# --- rules and triggers
def switched(fact: Fact, state: str) -> list[Step]:
    """state: O (origin), D (disabled), R (replica), A (always)."""
    word = "RULE" if fact.id.kind == "rule" else "TRIGGER"
    return [Step(f"ALTER TABLE {qualified(*fact.id.name[:2])} {STATES[state]} {word} {ident(fact.id.name[2])}")]


def create_on_table(fact: Fact, context: Context) -> list[Step]:
    enabled = fact.attributes["enabled"]
    return as_defined(fact, context) + (switched(fact, enabled) if enabled != "O" else [])


def replaced(fact: Fact) -> Step:
    return Step(fact.attributes["definition"].replace("CREATE ", "CREATE OR REPLACE ", 1))


def alter_trigger(before: Fact, after: Fact, context: Context) -> Alteration | None:
    """CREATE OR REPLACE TRIGGER leaves the trigger enabled, on all partitions."""
    old, new = before.attributes, after.attributes
    if old["definition"] == new["definition"]:
        return Alteration(tuple(switched(after, new["enabled"])))
    if old["constraint"] or new["constraint"] or min(context.old.server_version, context.new.server_version) < OR_REPLACE_TRIGGER:
        return None
    return Alteration((replaced(after), *create_on_table(after, context)[1:]), lambda dependant: dependant.id.kind == "trigger_state")


def alter_rule(before: Fact, after: Fact, context: Context) -> Alteration:
    """CREATE OR REPLACE RULE keeps the state."""
    old, new = before.attributes, after.attributes
    steps = [replaced(after)] if old["definition"] != new["definition"] else []
    return Alteration((*steps, *(switched(after, new["enabled"]) if old["enabled"] != new["enabled"] else [])))


# --- policies
def policy(fact: Fact, context: Context) -> str:
    attributes = fact.attributes
    command = f" FOR {COMMANDS[attributes['command']]}" if attributes["command"] != "*" else ""
    to = f" {to_roles(attributes['roles'])}" if attributes["roles"] != ["public"] else ""
    return f"{target(fact.id)}{'' if attributes['permissive'] else ' AS RESTRICTIVE'}{command}{to}{conditions(attributes)}"


def to_roles(roles: list[str]) -> str:
    return f"TO {', '.join(map(role, roles))}"


def conditions(attributes: dict[str, Any]) -> str:
    return "".join(f"\n  {words} ({attributes[name]})" for name, words in (("using", "USING"), ("check", "WITH CHECK")) if name in attributes)


# what a policy is for cannot be altered, and an expression cannot be taken away
POLICY: dict[str, Change] = {"roles": lambda old, new, fact: to_roles(new), "using": lambda old, new, fact: new and f"USING ({new})", "check": lambda old, new, fact: new and f"WITH CHECK ({new})"}

KINDS = {
    **dict.fromkeys(ROUTINES, Kind(as_defined, drop, alter_routine)),
    "view": Kind(create_view, drop, alter_view),
    "materialized_view": Kind(create_materialized, drop, alter_materialized, follows=evaluated),
    "rule": Kind(create_on_table, drop, alter_rule),
    "trigger": Kind(create_on_table, drop, alter_trigger),
    "trigger_state": set_again(lambda fact, context: switched(fact, fact.attributes["enabled"]), lambda fact, context: switched(fact, fact.attributes["inherited"])),
    "policy": simple(policy, POLICY),
    "event_trigger": simple(event_trigger, {"enabled": lambda old, new, fact: STATES[new]}, {"enabled": "O"}),
}
