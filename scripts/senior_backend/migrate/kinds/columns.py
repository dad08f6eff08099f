"""Columns and their defaults."""
from __future__ import annotations

from senior_backend.migrate.steps import Alteration, Context, Hazard, Kind, Step
from senior_backend.postgres.model import Fact, Id
from senior_backend.postgres.quote import ident, qualified


def alter_table(identity: Id, rest: str) -> str:
    return f"ALTER TABLE {qualified(*identity.name[:2])} {rest}"


def definition(fact: Fact, context: Context) -> str:
    """The column as CREATE TABLE and ADD COLUMN take it."""
    attributes = fact.attributes
    text = f"{ident(fact.id.name[2])} {attributes['type']}"
    if "collation" in attributes:
        text += f" COLLATE {attributes['collation']}"
    for default in context.folded.get(fact.id, ()):
        text += f" DEFAULT {default.attributes['expression']}"
    if "generated" in attributes:
        text += f" GENERATED ALWAYS AS {attributes['expression']} {'STORED' if attributes['generated'] == 's' else 'VIRTUAL'}"
    if "identity" in attributes:
        text += f" GENERATED {'ALWAYS' if attributes['identity']['always'] else 'BY DEFAULT'} AS IDENTITY"
    return text + (" NOT NULL" if attributes.get("not_null") else "")


def create(fact: Fact, context: Context) -> list[Step]:
    return [Step(alter_table(fact.id, f"ADD COLUMN {definition(fact, context)}"))]


def drop(fact: Fact, context: Context) -> list[Step]:
    probe = f"select count({ident(fact.id.name[2])}) from {qualified(*fact.id.name[:2])}"
    message = f"the values of {'.'.join(fact.id.name)} are lost"
    return [Step(alter_table(fact.id, f"DROP COLUMN {ident(fact.id.name[2])}"), hazards=(Hazard("data-loss", fact.id, message, probe, "non-null values"),))]


def alter(before: Fact, after: Fact, context: Context) -> Alteration | None:
    column, old, new = ident(after.id.name[2]), before.attributes, after.attributes
    steps = []
    retyped = old["type"] != new["type"] or old.get("collation") != new.get("collation")
    if retyped:
        collate = f" COLLATE {new['collation']}" if "collation" in new else ""
        steps.append(Step(alter_table(after.id, f"ALTER COLUMN {column} TYPE {new['type']}{collate} USING {column}::{new['type']}")))
    if old.get("not_null") != new.get("not_null"):
        steps.append(Step(alter_table(after.id, f"ALTER COLUMN {column} {'SET' if new.get('not_null') else 'DROP'} NOT NULL")))
    return Alteration(tuple(steps), lambda dependant: retyped and dependant.id.kind not in ("comment", "grant", "sequence_owner"))


def set_default(fact: Fact, context: Context) -> list[Step]:
    return [Step(alter_table(fact.id, f"ALTER COLUMN {ident(fact.id.name[2])} SET DEFAULT {fact.attributes['expression']}"))]


def drop_default(fact: Fact, context: Context) -> list[Step]:
    return [Step(alter_table(fact.id, f"ALTER COLUMN {ident(fact.id.name[2])} DROP DEFAULT"))]


KIND = Kind(create, drop, alter, ("default",))
DEFAULT = Kind(set_default, drop_default, lambda before, after, context: Alteration(tuple(set_default(after, context))))
