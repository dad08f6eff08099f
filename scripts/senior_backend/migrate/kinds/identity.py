"""Identity columns: their options as SQL, making a column one, changing it, and taking it back."""
from __future__ import annotations

from typing import Any

from senior_backend.migrate.kinds.altering import alter_table, column_of
from senior_backend.migrate.kinds.sequences import go_on_after, options
from senior_backend.migrate.steps import Step
from senior_backend.postgres.model import Fact
from senior_backend.postgres.quote import ident, qualified


def mode(identity: dict[str, Any]) -> str:
    return "ALWAYS" if identity["always"] else "BY DEFAULT"


def clause(fact: Fact) -> str:
    """GENERATED ... AS IDENTITY (what is not usual)."""
    identity = fact.attributes["identity"]
    said = options({**identity, "type": fact.attributes["type"]})
    schema, table, column = fact.id.name
    if identity["sequence"] != [schema, usual_name(table, column)]:
        said.insert(0, f"SEQUENCE NAME {qualified(*identity['sequence'])}")
    return f"GENERATED {mode(identity)} AS IDENTITY" + (f" ({' '.join(said)})" if said else "")


def usual_name(table: str, column: str) -> str:
    """The name that Postgres gives to a column's sequence; too long ones are cut in its own way, so they are spelled out."""
    name = f"{table}_{column}_seq"
    return name if len(name.encode()) < 64 else ""


def become(fact: Fact) -> list[Step]:
    """Make a column an identity column that goes on after the highest value it holds."""
    identity = fact.attributes["identity"]
    return [alter_table(fact.id, f"ALTER COLUMN {column_of(fact.id)} ADD {clause(fact)}"), go_on_after(fact.id, identity["sequence"], identity)]


def change(before: Fact, after: Fact) -> list[Step]:
    old, new = before.attributes.get("identity"), after.attributes.get("identity")
    column = column_of(after.id)
    if old and not new:
        return [alter_table(after.id, f"ALTER COLUMN {column} DROP IDENTITY")]
    if new and not old:
        return become(after)
    if not old or not new or old == new:
        return []
    steps = []
    if old["sequence"] != new["sequence"]:
        steps.append(Step(f"ALTER SEQUENCE {qualified(*old['sequence'])} RENAME TO {ident(new['sequence'][1])}"))
    said = [f"SET GENERATED {mode(new)}"] if old["always"] != new["always"] else []
    said += [f"SET {option}" for option in options({**new, "type": after.attributes["type"]}, {**old, "type": before.attributes["type"]})]
    return steps + ([alter_table(after.id, f"ALTER COLUMN {column} {' '.join(said)}")] if said else [])
