"""Triggers, rules and policies: what tables and views do by themselves."""
from __future__ import annotations

from senior_backend.migrate.kinds.routines import STATES
from senior_backend.migrate.naming import role, target
from senior_backend.migrate.steps import Alteration, Context, Kind, Step
from senior_backend.postgres.model import Fact, Id
from senior_backend.postgres.quote import ident, qualified

OR_REPLACE_TRIGGER = 140000
COMMANDS = {"r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE", "*": "ALL"}


def drop(fact: Fact, context: Context) -> list[Step]:
    return [Step(f"DROP {target(fact.id)}")]


def switched(identity: Id, enabled: str, word: str) -> Step:
    """word: TRIGGER or RULE; enabled: O (origin), D (disabled), R (replica), A (always)."""
    return Step(f"ALTER TABLE {qualified(*identity.name[:2])} {STATES[enabled]} {word} {ident(identity.name[2])}")


def create_trigger(fact: Fact, context: Context) -> list[Step]:
    enabled = fact.attributes["enabled"]
    return [Step(fact.attributes["definition"])] + ([switched(fact.id, enabled, "TRIGGER")] if enabled != "O" else [])


def alter_trigger(before: Fact, after: Fact, context: Context) -> Alteration | None:
    """CREATE OR REPLACE TRIGGER leaves the trigger enabled, on all partitions."""
    old, new = before.attributes, after.attributes
    if old["definition"] == new["definition"]:
        return Alteration((switched(after.id, new["enabled"], "TRIGGER"),))
    if old["constraint"] or new["constraint"] or min(context.old.server_version, context.new.server_version) < OR_REPLACE_TRIGGER:
        return None
    first, *rest = create_trigger(after, context)
    return Alteration((Step(first.sql.replace("CREATE TRIGGER", "CREATE OR REPLACE TRIGGER", 1)), *rest), lambda dependant: dependant.id.kind == "trigger_state")


def set_state(fact: Fact, context: Context) -> list[Step]:
    return [switched(fact.id, fact.attributes["enabled"], "TRIGGER")]


def reset_state(fact: Fact, context: Context) -> list[Step]:
    return [switched(fact.id, fact.attributes["inherited"], "TRIGGER")]


def create_rule(fact: Fact, context: Context) -> list[Step]:
    enabled = fact.attributes["enabled"]
    return [Step(fact.attributes["definition"])] + ([switched(fact.id, enabled, "RULE")] if enabled != "O" else [])


def alter_rule(before: Fact, after: Fact, context: Context) -> Alteration:
    """CREATE OR REPLACE RULE keeps the state."""
    old, new = before.attributes, after.attributes
    steps = [Step(new["definition"].replace("CREATE RULE", "CREATE OR REPLACE RULE", 1))] if old["definition"] != new["definition"] else []
    return Alteration((*steps, *([switched(after.id, new["enabled"], "RULE")] if old["enabled"] != new["enabled"] else [])))


def create_policy(fact: Fact, context: Context) -> list[Step]:
    attributes = fact.attributes
    kind = "" if attributes["permissive"] else " AS RESTRICTIVE"
    command = f" FOR {COMMANDS[attributes['command']]}" if attributes["command"] != "*" else ""
    to = f" TO {', '.join(map(role, attributes['roles']))}" if attributes["roles"] != ["public"] else ""
    return [Step(f"CREATE {target(fact.id)}{kind}{command}{to}{conditions(attributes)}")]


def conditions(attributes: dict) -> str:
    return "".join(f"\n  {words} ({attributes[name]})" for name, words in (("using", "USING"), ("check", "WITH CHECK")) if name in attributes)


def alter_policy(before: Fact, after: Fact, context: Context) -> Alteration | None:
    """What it is for cannot be altered, and an expression cannot be taken away."""
    old, new = before.attributes, after.attributes
    if any(old[name] != new[name] for name in ("command", "permissive")) or any(name in old and name not in new for name in ("using", "check")):
        return None
    to = f" TO {', '.join(map(role, new['roles']))}" if old["roles"] != new["roles"] else ""
    changed = {name: new[name] for name in ("using", "check") if old.get(name) != new.get(name)}
    return Alteration((Step(f"ALTER {target(after.id)}{to}{conditions(changed)}"),))


TRIGGER = Kind(create_trigger, drop, alter_trigger)
TRIGGER_STATE = Kind(set_state, reset_state, lambda before, after, context: Alteration(tuple(set_state(after, context))))
RULE = Kind(create_rule, drop, alter_rule)
POLICY = Kind(create_policy, drop, alter_policy)
