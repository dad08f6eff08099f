"""Kinds of the whole database (queries/database.sql): schemas, extensions, languages, access methods, transforms, statistics objects, foreign data, publications, subscriptions."""
from __future__ import annotations

import re

from senior_backend.migrate.kinds import tables
from senior_backend.migrate.kinds.altering import Change, altered, altering, drop, foreign_options, simple, written
from senior_backend.migrate.kinds.types import stored
from senior_backend.migrate.steps import Alteration, Context, Hazard, Kind, Step
from senior_backend.postgres.model import Fact
from senior_backend.postgres.quote import ident, listed, literal, qualified, target

AM_TYPES = {"t": "TABLE", "i": "INDEX"}


# --- extensions, languages
def extension(fact: Fact, context: Context) -> str:
    schema, version = fact.attributes["schema"], fact.attributes.get("version")
    said = ([f"SCHEMA {ident(schema)}"] if schema != "pg_catalog" else []) + ([f"VERSION {literal(version)}"] if version else [])
    return f"{target(fact.id)}{' WITH ' if said else ''}{' '.join(said)}"


def alter_extension(before: Fact, after: Fact, context: Context) -> Alteration | None:
    """No script leads back to an earlier version, and some extensions stay where they are: those are made again, unless columns hold values of their types."""
    old, new = before.attributes, after.attributes
    moved, updated = old["schema"] != new["schema"], old.get("version") != new.get("version")
    back = updated and "version" in new and ("version" not in old or numbers(old["version"]) > numbers(new["version"]))
    kept = stored(after.id, context.old)
    if (back or moved and "fixed" in old) and not kept:
        return None
    steps = altered(after, [f"SET SCHEMA {ident(new['schema'])}"] if moved else [])
    if updated and not back:
        lasting = Hazard("irreversible", after.id, f"the extension {after.id.name[0]} cannot go back to its earlier version while columns hold values of its types")
        version = f" TO {literal(new['version'])}" if "version" in new else ""
        steps.append(Step(f"ALTER {target(after.id)} UPDATE{version}", hazards=(lasting,) if kept else ()))
    return Alteration(tuple(steps))


def numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


def language(fact: Fact, context: Context) -> str:
    rest = "".join(f" {key.upper()} {fact.attributes[key]}" for key in ("handler", "inline", "validator") if key in fact.attributes)
    return f"{'TRUSTED ' if fact.attributes['trusted'] else ''}{target(fact.id)}{rest}"


def transform(fact: Fact, context: Context) -> str:
    return f"{target(fact.id)} ({', '.join(f'{key.upper()} SQL WITH FUNCTION {fact.attributes[key]}' for key in ('from', 'to') if key in fact.attributes)})"


# --- foreign data
def made_with_options(fact: Fact, said: str = "") -> str:
    options = foreign_options({}, fact.attributes.get("options"), fact, adding="")
    return f"{said}{' ' if options else ''}{options}"


def function(word: str) -> Change:
    return lambda old, new, fact: f"{word} {new}" if new else f"NO {word}"


WRAPPER: dict[str, Change] = {"handler": function("HANDLER"), "validator": function("VALIDATOR"), "options": foreign_options}


def wrapper(fact: Fact, context: Context) -> str:
    return f"{target(fact.id)}{made_with_options(fact, ''.join(f' {key.upper()} {fact.attributes[key]}' for key in ('handler', 'validator') if key in fact.attributes))}"


def server(fact: Fact, context: Context) -> str:
    said = "".join(f" {key.upper()} {literal(fact.attributes[key])}" for key in ("type", "version") if key in fact.attributes)
    return f"{target(fact.id)}{made_with_options(fact, f'{said} FOREIGN DATA WRAPPER ' + ident(fact.attributes['wrapper']))}"


def create_foreign_table(fact: Fact, context: Context) -> list[Step]:
    return tables.made(fact, context, "FOREIGN TABLE", made_with_options(fact, f"\nSERVER {ident(fact.attributes['server'])}"), [])


# --- publications
PUBLISHING = {"publish": lambda value: f"publish = {literal(value)}", "via_root": lambda value: f"publish_via_partition_root = {'true' if value else 'false'}",
              "generated": lambda value: f"publish_generated_columns = {'stored' if value else 'none'}"}
PUBLICATION: dict[str, Change] = {key: lambda old, new, fact, write=write: f"SET ({write(new)})" for key, write in PUBLISHING.items()}


def publication(fact: Fact, context: Context) -> str:
    what = "ALL TABLES" if fact.attributes.get("all_tables") else ", ".join(member(one) for one in context.folded.get(fact.id, ()))
    settings = [write(fact.attributes.get(key)) for key, write in PUBLISHING.items() if key != "generated" or key in fact.attributes]
    return f"{target(fact.id)}{f' FOR {what}' if what else ''} WITH ({', '.join(settings)})"


def member(fact: Fact, bare: bool = False) -> str:
    """A table or schema of a publication, as FOR and ADD take it; bare: as DROP does."""
    if fact.id.kind == "publication_schema":
        return f"TABLES IN SCHEMA {ident(fact.id.name[1])}"
    columns, where = (None if bare else fact.attributes.get(key) for key in ("columns", "where"))
    return f"TABLE ONLY {qualified(*fact.id.name[1:])}{f' ({listed(columns)})' if columns else ''}{f' WHERE ({where})' if where else ''}"


def add(fact: Fact, context: Context) -> list[Step]:
    return [Step(f"ALTER {target(fact.parent)} ADD {member(fact)}")]


def remove(fact: Fact, context: Context) -> list[Step]:
    return [Step(f"ALTER {target(fact.parent)} DROP {member(fact, bare=True)}")]


# --- subscriptions
# what an option is when nobody says otherwise, where that is not false
USUAL = {"synchronous_commit": "off", "streaming": "off", "origin": "any", "password_required": "true"}


def slot(name: str | None) -> str:
    return literal(name) if name else "NONE"


def create_subscription(fact: Fact, context: Context) -> list[Step]:
    """Made without a connection and switched off: its slot and tables are for people to set up."""
    attributes = fact.attributes
    later = Hazard("irreversible", fact.id, "made switched off and without a connection: create its slot on the publisher, then ENABLE it and REFRESH PUBLICATION")
    said = {"connect": "false", "enabled": "false", "slot_name": slot(attributes.get("slot")), **{name: literal(value) for name, value in attributes["options"].items()}}
    return [Step(f"CREATE {target(fact.id)} CONNECTION {written(attributes['connection'], fact.id, 'connection')} PUBLICATION {listed(attributes['publications'])}\n"
                 f"  WITH ({', '.join(f'{name} = {value}' for name, value in said.items())})", hazards=(later,))]


def drop_subscription(fact: Fact, context: Context) -> list[Step]:
    """Its slot stays on the publisher: dropping that too would need a connection, outside of any transaction."""
    name = fact.attributes.get("slot")
    left = (Hazard("irreversible", fact.id, f"the slot {name} stays on the publisher and keeps its log until it is dropped there"),) if name else ()
    return [*altered(fact, ["DISABLE", "SET (slot_name = NONE)"] if name else []), Step(f"DROP {target(fact.id)}", hazards=left)]


def subscribed(had: dict[str, str], has: dict[str, str], fact: Fact) -> str | None:
    if had.get("two_phase") != has.get("two_phase"):
        return None
    changed = {name: has.get(name, USUAL.get(name, "false")) for name in sorted(had.keys() | has.keys()) if had.get(name) != has.get(name)}
    return f"SET ({', '.join(f'{name} = {literal(value)}' for name, value in changed.items())})"


SUBSCRIPTION: dict[str, Change] = {
    "connection": lambda old, new, fact: f"CONNECTION {written(new, fact.id, 'connection')}", "publications": lambda old, new, fact: f"SET PUBLICATION {listed(new)} WITH (refresh = false)",
    "slot": lambda old, new, fact: ["DISABLE", f"SET (slot_name = {slot(new)})"], "options": subscribed}

KINDS = {
    "schema": simple(lambda fact, context: target(fact.id)),
    "extension": Kind(simple(extension).create, drop, alter_extension),
    "language": simple(language),
    "access_method": simple(lambda fact, context: f"{target(fact.id)} TYPE {AM_TYPES[fact.attributes['type']]} HANDLER {fact.attributes['handler']}"),
    "transform": simple(transform),
    "statistics": simple(lambda fact, context: fact.attributes["definition"].removeprefix("CREATE "),
                         {"target": lambda old, new, fact: f"SET STATISTICS {-1 if new is None else new}"}, {"target": None}),
    "fdw": simple(wrapper, WRAPPER),
    # type and wrapper are for good, and a version cannot be taken away
    "server": simple(server, {"version": lambda old, new, fact: f"VERSION {literal(new)}" if new else None, "options": foreign_options}),
    "user_mapping": simple(lambda fact, context: f"{target(fact.id)}{made_with_options(fact)}", {"options": foreign_options}),
    "foreign_table": Kind(create_foreign_table, drop, altering({"options": foreign_options}), tables.PARTS),
    "publication": simple(publication, PUBLICATION, parts=("publication_table", "publication_schema")),
    **dict.fromkeys(("publication_table", "publication_schema"), Kind(add, remove, lambda before, after, context: Alteration((*remove(before, context), *add(after, context))))),
    "subscription": Kind(create_subscription, drop_subscription, altering(SUBSCRIPTION)),
}
