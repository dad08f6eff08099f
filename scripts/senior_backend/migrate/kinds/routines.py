"""Functions, procedures, event triggers."""
from __future__ import annotations

from itertools import zip_longest
from typing import Any, Iterator

from senior_backend.migrate.naming import target
from senior_backend.migrate.steps import Alteration, Context, Kind, Step
from senior_backend.postgres.model import Fact
from senior_backend.postgres.quote import ident, literal

STATES = {"O": "ENABLE", "D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}


def create(fact: Fact, context: Context) -> list[Step]:
    return [Step(fact.attributes["definition"])]


def drop(fact: Fact, context: Context) -> list[Step]:
    return [Step(f"DROP {target(fact.id)}")]


def alter(before: Fact, after: Fact, context: Context) -> Alteration | None:
    return Alteration((Step(after.attributes["definition"]),)) if replaceable(before.attributes, after.attributes) else None


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


def create_event_trigger(fact: Fact, context: Context) -> list[Step]:
    attributes = fact.attributes
    when = f"\n  WHEN TAG IN ({', '.join(map(literal, attributes['tags']))})" if "tags" in attributes else ""
    steps = [Step(f"CREATE {target(fact.id)} ON {attributes['event']}{when}\n  EXECUTE FUNCTION {attributes['function']}()")]
    return steps + ([state(fact)] if attributes["enabled"] != "O" else [])


def alter_event_trigger(before: Fact, after: Fact, context: Context) -> Alteration | None:
    if {**before.attributes, "enabled": ""} != {**after.attributes, "enabled": ""}:
        return None
    return Alteration((state(after),))


def state(fact: Fact) -> Step:
    return Step(f"ALTER EVENT TRIGGER {ident(fact.id.name[0])} {STATES[fact.attributes['enabled']]}")


ROUTINE = Kind(create, drop, alter)
EVENT_TRIGGER = Kind(create_event_trigger, drop, alter_event_trigger)
