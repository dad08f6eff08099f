"""Foreign data wrappers, servers, user mappings, foreign tables. Secrets in options are known by their hash only and never written."""
from __future__ import annotations

from typing import Any

from senior_backend.console import CommandError, ExitCode
from senior_backend.migrate.kinds import tables
from senior_backend.migrate.naming import target
from senior_backend.migrate.steps import Alteration, Context, Kind, Step
from senior_backend.postgres.model import Fact, Id
from senior_backend.postgres.quote import ident, literal


def written(value: Any, identity: Id, option: str) -> str:
    """The option's value as a constant; refused for a secret."""
    if isinstance(value, dict):
        raise CommandError(f"the {option} of {identity} is a secret, which no migration file may hold: this change cannot be written",
                           f"make {target(identity)} the same on both sides by hand, then compare again", ExitCode.REFUSED, "SECRET_OPTION")
    return literal(value)


def options(fact: Fact) -> str:
    given = fact.attributes.get("options")
    return f" OPTIONS ({', '.join(f'{ident(name)} {written(value, fact.id, name)}' for name, value in given.items())})" if given else ""


def changed_options(before: Fact, after: Fact) -> str:
    old, new = (one.attributes.get("options", {}) for one in (before, after))
    changes = [f"DROP {ident(name)}" for name in old if name not in new]
    changes += [f"{'SET' if name in old else 'ADD'} {ident(name)} {written(value, after.id, name)}" for name, value in new.items() if old.get(name) != value]
    return f" OPTIONS ({', '.join(changes)})" if changes else ""


def drop(fact: Fact, context: Context) -> list[Step]:
    return [Step(f"DROP {target(fact.id)}")]


def create_wrapper(fact: Fact, context: Context) -> list[Step]:
    return [Step(f"CREATE {target(fact.id)}{functions({}, fact.attributes)}{options(fact)}")]


def functions(old: dict[str, Any], new: dict[str, Any]) -> str:
    changes = [(name.upper(), new.get(name)) for name in ("handler", "validator") if old.get(name) != new.get(name)]
    return "".join(f" {word} {function}" if function else f" NO {word}" for word, function in changes)


def alter_wrapper(before: Fact, after: Fact, context: Context) -> Alteration:
    return Alteration((Step(f"ALTER {target(after.id)}{functions(before.attributes, after.attributes)}{changed_options(before, after)}"),))


def create_server(fact: Fact, context: Context) -> list[Step]:
    attributes = fact.attributes
    words = "".join(f" {word} {literal(attributes[word.lower()])}" for word in ("TYPE", "VERSION") if word.lower() in attributes)
    return [Step(f"CREATE {target(fact.id)}{words} FOREIGN DATA WRAPPER {ident(attributes['wrapper'])}{options(fact)}")]


def alter_server(before: Fact, after: Fact, context: Context) -> Alteration | None:
    """Type and wrapper are for good, and a version cannot be taken away."""
    old, new = before.attributes, after.attributes
    if any(old.get(name) != new.get(name) for name in ("type", "wrapper")) or "version" in old and "version" not in new:
        return None
    version = f" VERSION {literal(new['version'])}" if old.get("version") != new.get("version") else ""
    return Alteration((Step(f"ALTER {target(after.id)}{version}{changed_options(before, after)}"),))


def create_mapping(fact: Fact, context: Context) -> list[Step]:
    return [Step(f"CREATE {target(fact.id)}{options(fact)}")]


def alter_mapping(before: Fact, after: Fact, context: Context) -> Alteration:
    return Alteration((Step(f"ALTER {target(after.id)}{changed_options(before, after)}"),))


def create_table(fact: Fact, context: Context) -> list[Step]:
    return tables.made(fact, context, "FOREIGN TABLE", f"\nSERVER {ident(fact.attributes['server'])}{options(fact)}", [])


def alter_table(before: Fact, after: Fact, context: Context) -> Alteration | None:
    if before.attributes["server"] != after.attributes["server"]:
        return None
    return Alteration((Step(f"ALTER {target(after.id)}{changed_options(before, after)}"),))


WRAPPER = Kind(create_wrapper, drop, alter_wrapper)
SERVER = Kind(create_server, drop, alter_server)
USER_MAPPING = Kind(create_mapping, drop, alter_mapping)
FOREIGN_TABLE = Kind(create_table, drop, alter_table, tables.KIND.parts)
