"""Primary keys, unique and exclusion constraints, foreign keys, checks."""
from __future__ import annotations

from senior_backend.migrate.steps import Context, Kind, Step
from senior_backend.postgres.model import Fact
from senior_backend.postgres.quote import ident, qualified


def clause(fact: Fact) -> str:
    return f"CONSTRAINT {ident(fact.id.name[2])} {fact.attributes['definition']}"


def create(fact: Fact, context: Context) -> list[Step]:
    return [Step(f"ALTER TABLE {qualified(*fact.id.name[:2])} ADD {clause(fact)}")]


def drop(fact: Fact, context: Context) -> list[Step]:
    return [Step(f"ALTER TABLE {qualified(*fact.id.name[:2])} DROP CONSTRAINT {ident(fact.id.name[2])}")]


KIND = Kind(create, drop, folds=lambda fact: not fact.attributes["definition"].endswith(" NOT VALID"))
