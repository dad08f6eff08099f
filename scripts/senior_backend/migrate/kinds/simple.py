"""Kinds that follow one pattern: CREATE with a definition, DROP by name, an owner, and what a few ALTER statements can change."""
from __future__ import annotations

from typing import Any, Callable

from senior_backend.migrate.steps import Alteration, Context, Kind, Step
from senior_backend.postgres.model import Fact, Id
from senior_backend.postgres.quote import ident, qualified

Named = Callable[[Id], str]
# attributes before and after -> what follows ALTER <noun> <name>, None when it must be made anew
Change = Callable[[dict[str, Any], dict[str, Any]], list[str] | None]


def by_name(identity: Id) -> str:
    return qualified(*identity.name)


def using_method(identity: Id) -> str:
    """Operator classes and families: the last part of the name is the access method."""
    return f"{qualified(*identity.name[:2])} USING {ident(identity.name[2])}"


def made_anew(before: dict[str, Any], after: dict[str, Any]) -> None:
    return None


def given_to(noun: str, name: str, fact: Fact, context: Context) -> list[Step]:
    """The owner of something new, where it is not who makes it."""
    owner = fact.attributes.get("owner")
    return [Step(f"ALTER {noun} {name} OWNER TO {ident(owner)}")] if owner and owner != context.old.role else []


def simple(noun: str, definition: Callable[[Fact, Context], str], change: Change = made_anew, named: Named = by_name, parts: tuple[str, ...] = ()) -> Kind:
    """A kind made by CREATE <definition>, removed by DROP <noun> <name>."""
    def create(fact: Fact, context: Context) -> list[Step]:
        return [Step(f"CREATE {definition(fact, context)}"), *given_to(noun, named(fact.id), fact, context)]

    def drop(fact: Fact, context: Context) -> list[Step]:
        return [Step(f"DROP {noun} {named(fact.id)}")]

    def alter(before: Fact, after: Fact, context: Context) -> Alteration | None:
        old, new = dict(before.attributes), dict(after.attributes)
        was, owner = old.pop("owner", None), new.pop("owner", None)
        changes = change(old, new) if old != new else []
        if changes is None:
            return None
        head = f"ALTER {noun} {named(after.id)}"
        steps = [Step(f"{head} {text}") for text in changes]
        return Alteration((*steps, *([Step(f"{head} OWNER TO {ident(owner)}")] if owner and owner != was else [])))

    return Kind(create, drop, alter, parts)


def options(pairs: dict[str, Any]) -> str:
    """name = value, ... of those that have a value; the values are SQL."""
    return ", ".join(f"{name} = {value}" for name, value in pairs.items() if value is not None)
