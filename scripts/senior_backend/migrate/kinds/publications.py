"""Publications with their tables and schemas, and subscriptions."""
from __future__ import annotations

from senior_backend.migrate.kinds.foreign_data import written
from senior_backend.migrate.naming import target
from senior_backend.migrate.steps import Alteration, Context, Hazard, Kind, Step
from senior_backend.postgres.model import Fact
from senior_backend.postgres.quote import ident, listed, literal, qualified


# what an option of a subscription is when nobody says otherwise, where that is not false
USUAL = {"synchronous_commit": "off", "streaming": "off", "origin": "any", "password_required": "true"}


def settings(attributes: dict) -> str:
    given = f"publish = {literal(attributes['publish'])}, publish_via_partition_root = {'true' if attributes.get('via_root') else 'false'}"
    return given + (f", publish_generated_columns = stored" if "generated" in attributes else "")


def create(fact: Fact, context: Context) -> list[Step]:
    parts = context.folded.get(fact.id, ())
    members = [member(one) for one in parts]
    what = "ALL TABLES" if fact.attributes.get("all_tables") else ", ".join(members)
    return [Step(f"CREATE {target(fact.id)}{f' FOR {what}' if what else ''} WITH ({settings(fact.attributes)})")]


def drop(fact: Fact, context: Context) -> list[Step]:
    return [Step(f"DROP {target(fact.id)}")]


def alter(before: Fact, after: Fact, context: Context) -> Alteration | None:
    if before.attributes.get("all_tables") != after.attributes.get("all_tables"):
        return None
    none = ", publish_generated_columns = none" if "generated" in before.attributes and "generated" not in after.attributes else ""
    return Alteration((Step(f"ALTER {target(after.id)} SET ({settings(after.attributes)}{none})"),))


def member(fact: Fact) -> str:
    """A table or schema of a publication, as FOR and ADD take it."""
    if fact.id.kind == "publication_schema":
        return f"TABLES IN SCHEMA {ident(fact.id.name[1])}"
    columns, where = fact.attributes.get("columns"), fact.attributes.get("where")
    return f"TABLE ONLY {qualified(*fact.id.name[1:])}{f' ({listed(columns)})' if columns else ''}{f' WHERE ({where})' if where else ''}"


def add(fact: Fact, context: Context) -> list[Step]:
    return [Step(f"ALTER PUBLICATION {ident(fact.id.name[0])} ADD {member(fact)}")]


def remove(fact: Fact, context: Context) -> list[Step]:
    what = f"TABLES IN SCHEMA {ident(fact.id.name[1])}" if fact.id.kind == "publication_schema" else f"TABLE ONLY {qualified(*fact.id.name[1:])}"
    return [Step(f"ALTER PUBLICATION {ident(fact.id.name[0])} DROP {what}")]


def create_subscription(fact: Fact, context: Context) -> list[Step]:
    """Made without a connection and switched off: its slot and tables are for people to set up."""
    attributes = fact.attributes
    slot = literal(attributes["slot"]) if "slot" in attributes else "NONE"
    later = Hazard("irreversible", fact.id, "made switched off and without a connection: create its slot on the publisher, then ENABLE it and REFRESH PUBLICATION")
    said = {"connect": "false", "enabled": "false", "slot_name": slot, **{name: literal(value) for name, value in attributes["options"].items()}}
    return [Step(f"CREATE {target(fact.id)} CONNECTION {written(attributes['connection'], fact.id, 'connection')} PUBLICATION {listed(attributes['publications'])}\n"
                 f"  WITH ({', '.join(f'{name} = {value}' for name, value in said.items())})", hazards=(later,))]


def drop_subscription(fact: Fact, context: Context) -> list[Step]:
    """Its slot stays on the publisher: dropping that too would need a connection, outside of any transaction."""
    name = target(fact.id)
    slot = fact.attributes.get("slot")
    left = (Hazard("irreversible", fact.id, f"the slot {slot} stays on the publisher and keeps its log until it is dropped there"),) if slot else ()
    return [*([Step(f"ALTER {name} DISABLE"), Step(f"ALTER {name} SET (slot_name = NONE)")] if slot else []), Step(f"DROP {name}", hazards=left)]


def alter_subscription(before: Fact, after: Fact, context: Context) -> Alteration | None:
    old, new = before.attributes, after.attributes
    if old["options"].get("two_phase") != new["options"].get("two_phase"):
        return None
    said = [f"CONNECTION {written(new['connection'], after.id, 'connection')}"] if old["connection"] != new["connection"] else []
    said += [f"SET PUBLICATION {listed(new['publications'])} WITH (refresh = false)"] if old["publications"] != new["publications"] else []
    if old.get("slot") != new.get("slot"):
        said += ["DISABLE", f"SET (slot_name = {literal(new['slot']) if 'slot' in new else 'NONE'})"]
    had, has = old["options"], new["options"]
    changed = {name: has.get(name, USUAL.get(name, "false")) for name in sorted(had.keys() | has.keys()) if had.get(name) != has.get(name)}
    said += [f"SET ({', '.join(f'{name} = {literal(value)}' for name, value in changed.items())})"] if changed else []
    return Alteration(tuple(Step(f"ALTER {target(after.id)} {text}") for text in said))


PUBLICATION = Kind(create, drop, alter, ("publication_table", "publication_schema"))
MEMBER = Kind(add, remove, lambda before, after, context: Alteration((*remove(before, context), *add(after, context))))
SUBSCRIPTION = Kind(create_subscription, drop_subscription, alter_subscription)
