"""Comments and security labels."""
from __future__ import annotations

from senior_backend.migrate.naming import target
from senior_backend.migrate.steps import Alteration, Context, Kind, Step
from senior_backend.postgres.model import Fact, Id
from senior_backend.postgres.quote import ident, literal


def comment(fact: Fact, text: str) -> Step:
    kind, *name = fact.id.name
    return Step(f"COMMENT ON {target(Id(kind, tuple(name)))} IS {text}")


def set_comment(fact: Fact, context: Context) -> list[Step]:
    return [comment(fact, literal(fact.attributes["text"]))]


def drop_comment(fact: Fact, context: Context) -> list[Step]:
    return [comment(fact, "NULL")]


def uncommented(extension: Fact, context: Context) -> list[Step]:
    """CREATE EXTENSION comments on it, unless it has nothing to say."""
    identity = Id("comment", ("extension", *extension.id.name))
    return [] if identity in context.new else [Step(f"COMMENT ON {target(extension.id)} IS NULL")]


def label(fact: Fact, text: str) -> Step:
    kind, *name, provider = fact.id.name
    return Step(f"SECURITY LABEL FOR {ident(provider)} ON {target(Id(kind, tuple(name)))} IS {text}")


def set_label(fact: Fact, context: Context) -> list[Step]:
    return [label(fact, literal(fact.attributes["label"]))]


def drop_label(fact: Fact, context: Context) -> list[Step]:
    return [label(fact, "NULL")]


COMMENT = Kind(set_comment, drop_comment, lambda before, after, context: Alteration(tuple(set_comment(after, context))))
SECURITY_LABEL = Kind(set_label, drop_label, lambda before, after, context: Alteration(tuple(set_label(after, context))))
