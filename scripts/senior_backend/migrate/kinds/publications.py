"""Publications with their tables and schemas, and subscriptions."""
from __future__ import annotations

from senior_backend.migrate.naming import target
from senior_backend.migrate.steps import Alteration, Context, Kind, Step
from senior_backend.postgres.model import Fact
from senior_backend.postgres.quote import ident, listed, literal, qualified


def settings(attributes: dict) -> str:
    given = f"publish = {literal(attributes['publish'])}, publish_via_partition_root = {'true' if attributes.get('via_root') else 'false'}"
    return given + (f", publish_generated_columns = {attributes['generated']}" if "generated" in attributes else "")


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
    return Alteration((Step(f"ALTER {target(after.id)} SET ({settings(after.attributes)})"),))


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


PUBLICATION = Kind(create, drop, alter, ("publication_table", "publication_schema"))
MEMBER = Kind(add, remove, lambda before, after, context: Alteration((*remove(before, context), *add(after, context))))
