"""Schemas, extensions, languages, access methods, transforms, casts, collations, conversions, extended statistics."""
from __future__ import annotations

import re
from typing import Any

from senior_backend.migrate.kinds.simple import by_name, options, simple
from senior_backend.migrate.kinds.types import stored
from senior_backend.migrate.steps import Alteration, Context, Hazard, Kind, Step
from senior_backend.postgres.model import Fact, Id
from senior_backend.postgres.quote import ident, literal, qualified

PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin"}
CONTEXTS = {"e": "", "a": " AS ASSIGNMENT", "i": " AS IMPLICIT"}
AM_TYPES = {"t": "TABLE", "i": "INDEX"}


def alter_schema(before: Fact, after: Fact, context: Context) -> Alteration:
    """The owner; without one it is public, whose owner is then initdb's."""
    owner = after.attributes.get("owner") or ("pg_database_owner" if context.old.server_version >= 150000 else context.old.role)
    return Alteration((Step(f"ALTER SCHEMA {by_name(after.id)} OWNER TO {ident(owner)}"),))


def create_schema(fact: Fact, context: Context) -> list[Step]:
    owner = fact.attributes.get("owner")
    return [Step(f"CREATE SCHEMA {by_name(fact.id)}" + (f" AUTHORIZATION {ident(owner)}" if owner and owner != context.old.role else ""))]


def create_extension(fact: Fact, context: Context) -> list[Step]:
    schema, version = fact.attributes["schema"], fact.attributes.get("version")
    words = [f"SCHEMA {ident(schema)}"] if schema != "pg_catalog" else []
    words += [f"VERSION {literal(version)}"] if version else []
    return [Step(f"CREATE EXTENSION {by_name(fact.id)}{' WITH ' if words else ''}{' '.join(words)}")]


def alter_extension(before: Fact, after: Fact, context: Context) -> Alteration | None:
    """No script leads back to an earlier version, and some extensions stay where they are: those are made again, unless columns hold values of their types."""
    old, new = before.attributes, after.attributes
    moved, updated = old["schema"] != new["schema"], old.get("version") != new.get("version")
    back = updated and "version" in new and ("version" not in old or numbers(old["version"]) > numbers(new["version"]))
    kept = stored(after.id, context.old)
    if (back or moved and "fixed" in old) and not kept:
        return None
    steps = [Step(f"ALTER EXTENSION {by_name(after.id)} SET SCHEMA {ident(new['schema'])}")] if moved else []
    if updated and not back:
        lasting = Hazard("irreversible", after.id, f"the extension {after.id.name[0]} cannot go back to its earlier version while columns hold values of its types")
        target = f" TO {literal(new['version'])}" if "version" in new else ""
        steps.append(Step(f"ALTER EXTENSION {by_name(after.id)} UPDATE{target}", hazards=(lasting,) if kept else ()))
    return Alteration(tuple(steps))


def numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


def language(fact: Fact, context: Context) -> str:
    attributes = fact.attributes
    rest = "".join(f" {word} {attributes[key]}" for word, key in (("HANDLER", "handler"), ("INLINE", "inline"), ("VALIDATOR", "validator")) if key in attributes)
    return f"{'TRUSTED ' if attributes['trusted'] else ''}LANGUAGE {by_name(fact.id)}{rest}"


def transform_name(identity: Id) -> str:
    return f"FOR {identity.name[0]} LANGUAGE {ident(identity.name[1])}"


def transform(fact: Fact, context: Context) -> str:
    both = (("FROM", "from"), ("TO", "to"))
    return f"TRANSFORM {transform_name(fact.id)} ({', '.join(f'{word} SQL WITH FUNCTION {fact.attributes[key]}' for word, key in both if key in fact.attributes)})"


def cast_name(identity: Id) -> str:
    return f"({identity.name[0]} AS {identity.name[1]})"


def cast(fact: Fact, context: Context) -> str:
    attributes = fact.attributes
    how = {"f": f"WITH FUNCTION {attributes.get('function')}", "i": "WITH INOUT", "b": "WITHOUT FUNCTION"}[attributes["method"]]
    return f"CAST {cast_name(fact.id)} {how}{CONTEXTS[attributes['context']]}"


def collation(fact: Fact, context: Context) -> str:
    attributes = fact.attributes
    texts = {"LC_COLLATE": attributes.get("collate"), "LC_CTYPE": attributes.get("ctype"), "LOCALE": attributes.get("locale"), "RULES": attributes.get("rules")}
    if attributes["provider"] != "c":       # a server before 15 keeps the locale of ICU in both
        texts["LOCALE"] = texts["LOCALE"] or texts["LC_COLLATE"]
        del texts["LC_COLLATE"], texts["LC_CTYPE"]
    said = {"PROVIDER": PROVIDERS[attributes["provider"]], "DETERMINISTIC": None if attributes["deterministic"] else "false"}
    return f"COLLATION {by_name(fact.id)} ({options({**said, **{name: literal(text) for name, text in texts.items() if text}})})"


def conversion(fact: Fact, context: Context) -> str:
    attributes = fact.attributes
    return f"{'DEFAULT ' if attributes['default'] else ''}CONVERSION {by_name(fact.id)} FOR {literal(attributes['from'])} TO {literal(attributes['to'])} FROM {attributes['function']}"


def create_statistics(fact: Fact, context: Context) -> list[Step]:
    target = fact.attributes.get("target")
    made = STATISTICS_BASE.create(fact, context)
    return made + ([Step(f"ALTER STATISTICS {by_name(fact.id)} SET STATISTICS {target}")] if target is not None else [])


def change_statistics(before: dict[str, Any], after: dict[str, Any]) -> list[str] | None:
    return [f"SET STATISTICS {after.get('target', -1)}"] if before["definition"] == after["definition"] else None


STATISTICS_BASE = simple("STATISTICS", lambda fact, context: fact.attributes["definition"].removeprefix("CREATE "), change_statistics)

SCHEMA = Kind(create_schema, lambda fact, context: [Step(f"DROP SCHEMA {by_name(fact.id)}")], alter_schema)
EXTENSION = Kind(create_extension, lambda fact, context: [Step(f"DROP EXTENSION {by_name(fact.id)}")], alter_extension)
LANGUAGE = simple("LANGUAGE", language)
ACCESS_METHOD = simple("ACCESS METHOD", lambda fact, context: f"ACCESS METHOD {by_name(fact.id)} TYPE {AM_TYPES[fact.attributes['type']]} HANDLER {fact.attributes['handler']}")
TRANSFORM = simple("TRANSFORM", transform, named=transform_name)
CAST = simple("CAST", cast, named=cast_name)
COLLATION = simple("COLLATION", collation)
CONVERSION = simple("CONVERSION", conversion)
STATISTICS = Kind(create_statistics, STATISTICS_BASE.drop, STATISTICS_BASE.alter)
