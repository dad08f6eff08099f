"""Sequences (but those of identity columns) and which column they belong to."""
from __future__ import annotations

from senior_backend.migrate.steps import Context, Kind, Step
from senior_backend.postgres.model import Fact
from senior_backend.postgres.quote import qualified


def options(attributes: dict) -> str:
    """All options of a sequence, spelled out."""
    cycle = "CYCLE" if attributes["cycle"] else "NO CYCLE"
    return (f"INCREMENT BY {attributes['increment']} MINVALUE {attributes['minimum']} MAXVALUE {attributes['maximum']} "
            f"START WITH {attributes['start']} CACHE {attributes['cache']} {cycle}")


def create(fact: Fact, context: Context) -> list[Step]:
    return [Step(f"CREATE SEQUENCE {qualified(*fact.id.name)} AS {fact.attributes['type']} {options(fact.attributes)}")]


def drop(fact: Fact, context: Context) -> list[Step]:
    return [Step(f"DROP SEQUENCE {qualified(*fact.id.name)}")]


def own(fact: Fact, context: Context) -> list[Step]:
    return [Step(f"ALTER SEQUENCE {qualified(*fact.id.name)} OWNED BY {qualified(*fact.attributes['column'])}")]


def disown(fact: Fact, context: Context) -> list[Step]:
    return [Step(f"ALTER SEQUENCE {qualified(*fact.id.name)} OWNED BY NONE")]


KIND = Kind(create, drop)
OWNER = Kind(own, disown)
