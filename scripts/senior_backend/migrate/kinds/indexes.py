"""Indexes, and which of them make up a partitioned index."""
from __future__ import annotations

from senior_backend.migrate.steps import Context, Kind, Step
from senior_backend.postgres.model import Fact
from senior_backend.postgres.quote import qualified


def create(fact: Fact, context: Context) -> list[Step]:
    text = fact.attributes["definition"]
    if context.live(fact.parent):
        return [Step(text.replace("INDEX ", "INDEX CONCURRENTLY ", 1), transactional=False)]
    return [Step(text)]


def drop(fact: Fact, context: Context) -> list[Step]:
    return [Step(f"DROP INDEX {qualified(*fact.id.name)}")]


def attach(fact: Fact, context: Context) -> list[Step]:
    return [Step(f"ALTER INDEX {qualified(*fact.attributes['of'])} ATTACH PARTITION {qualified(*fact.id.name)}")]


KIND = Kind(create, drop)
PARTITION = Kind(attach, lambda fact, context: [])
