"""Sequences, which column each belongs to, and identity columns, whose sequences are a part of them."""
from __future__ import annotations

from typing import Any

from senior_backend.migrate.kinds.altering import alter_column, altered, set_again
from senior_backend.migrate.steps import Alteration, Context, Hazard, Kind, Step
from senior_backend.postgres.model import Catalogue, Fact, Id
from senior_backend.postgres.quote import ident, literal, qualified, target

LIMITS = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}
SERIALS = {"smallint": "smallserial", "integer": "serial", "bigint": "bigserial"}
WORDS = {"increment": "INCREMENT BY", "minimum": "MINVALUE", "maximum": "MAXVALUE", "start": "START WITH", "cache": "CACHE"}


def usual(kind: str, increment: int) -> dict[str, Any]:
    """The options of a sequence that says nothing but its type and step."""
    most = LIMITS.get(kind, LIMITS["bigint"])
    low, high = (1, most) if increment > 0 else (-most - 1, -1)
    return {"increment": 1, "minimum": low, "maximum": high, "start": low if increment > 0 else high, "cache": 1, "cycle": False}


def options(wanted: dict[str, Any], given: dict[str, Any] | None = None) -> list[str]:
    """The options that are not as they would be by themselves: those of `given`, or without it the usual ones.

    >>> options({"type": "bigint", "increment": 5, "minimum": 10, "maximum": 2**63 - 1, "start": 10, "cache": 1, "cycle": False})
    ['INCREMENT BY 5', 'MINVALUE 10']
    """
    by_itself = given or {**usual(wanted["type"], wanted["increment"]), "start": wanted["minimum" if wanted["increment"] > 0 else "maximum"]}
    said = [f"{word} {wanted[key]}" for key, word in WORDS.items() if wanted[key] != by_itself[key]]
    return said + ([("CYCLE" if wanted["cycle"] else "NO CYCLE")] if wanted["cycle"] != by_itself["cycle"] else [])


def create(fact: Fact, context: Context) -> list[Step]:
    attributes = fact.attributes
    words = [f"CREATE {'UNLOGGED ' if attributes.get('persistence') == 'u' else ''}{target(fact.id)}"]
    words += [f"AS {attributes['type']}"] if attributes["type"] != "bigint" else []
    return [Step(" ".join(words + options(attributes)))]


def drop(fact: Fact, context: Context) -> list[Step]:
    hazard = Hazard("irreversible", fact.id, f"the position of {'.'.join(fact.id.name)} is lost", f"SELECT last_value FROM {qualified(*fact.id.name)}", "is its last value")
    return [Step(f"DROP {target(fact.id)}", hazards=(hazard,))]


def alter(before: Fact, after: Fact, context: Context) -> Alteration:
    old, new = before.attributes, after.attributes
    said = [f"AS {new['type']}"] if old["type"] != new["type"] else []
    said = [" ".join(said + options(new, old))] if said or options(new, old) else []
    if old.get("persistence") != new.get("persistence"):
        said.append(f"SET {'UNLOGGED' if 'persistence' in new else 'LOGGED'}")
    return Alteration(tuple(altered(after, said)))


def own(fact: Fact, context: Context) -> list[Step]:
    """A new sequence of a column that has values goes on after them."""
    column, sequence = Id("column", tuple(fact.attributes["column"])), context.new[Id("sequence", fact.id.name)]
    steps = altered(sequence, [f"OWNED BY {qualified(*column.name)}"])
    if sequence.id in context.fresh and sequence.id not in context.old and column not in context.fresh and context.new[column].attributes["type"] in LIMITS:
        steps.append(go_on_after(column, fact.id.name, sequence.attributes))
    return steps


def go_on_after(column: Id, sequence: tuple[str, ...] | list[str], attributes: dict[str, Any]) -> Step:
    """Set a sequence to what comes after the column's values."""
    start, step, name = attributes["start"], attributes["increment"], ident(column.name[2])
    most, further = ("max", "greatest") if step > 0 else ("min", "least")
    following = f"{further}(coalesce({most}({name}) + {step}, {start}), {start})"
    return Step(f"SELECT pg_catalog.setval({literal(qualified(*sequence))}, {following}, false) FROM {qualified(*column.name[:2])}")


def disown(fact: Fact, context: Context) -> list[Step]:
    return [Step(f"ALTER SEQUENCE {qualified(*fact.id.name)} OWNED BY NONE")]


def serial(column: Id, catalogue: Catalogue) -> Id | None:
    """The sequence of a column that can be written as serial: everything about it is as serial makes it."""
    default = catalogue.get(Id("default", column.name))
    schema, table, name = column.name
    sequence = catalogue.get(Id("sequence", (schema, f"{table}_{name}_seq")))
    if not default or not sequence or len(sequence.id.name[1].encode()) > 63:
        return None
    owner, host, mine = catalogue.get(Id("sequence_owner", sequence.id.name)), catalogue.get(Id("table", (schema, table))), sequence.attributes
    kind = catalogue[column].attributes["type"]
    as_usual = usual(kind, 1).items() <= mine.items() and mine["type"] == kind and kind in SERIALS and catalogue[column].attributes.get("not_null")
    called = default.attributes["expression"].replace('"', "").endswith(f"nextval('{schema}.{sequence.id.name[1]}'::regclass)")
    owned = owner is not None and tuple(owner.attributes["column"]) == column.name and host is not None and host.attributes.get("owner") == mine.get("owner")
    return sequence.id if as_usual and called and owned else None


def written_by(fact: Fact, catalogue: Catalogue) -> Id | None:
    """The column whose `serial` makes the sequence and its ownership."""
    owner = catalogue.get(Id("sequence_owner", fact.id.name))
    column = Id("column", tuple(owner.attributes["column"])) if owner else None
    return column if column and column in catalogue and serial(column, catalogue) == Id("sequence", fact.id.name) else None


# --- identity columns
def mode(identity: dict[str, Any]) -> str:
    return "ALWAYS" if identity["always"] else "BY DEFAULT"


def identity_clause(fact: Fact) -> str:
    """GENERATED ... AS IDENTITY (what is not usual). The usual name of a sequence that is too long is cut in the server's own way, so it is spelled out."""
    identity, (schema, table, column) = fact.attributes["identity"], fact.id.name
    name = f"{table}_{column}_seq"
    said = [] if identity["sequence"] == [schema, name] and len(name.encode()) < 64 else [f"SEQUENCE NAME {qualified(*identity['sequence'])}"]
    said += options({**identity, "type": fact.attributes["type"]})
    return f"GENERATED {mode(identity)} AS IDENTITY" + (f" ({' '.join(said)})" if said else "")


def change_identity(before: Fact, after: Fact) -> list[Step]:
    """A column that becomes one goes on after the highest value that it holds."""
    old, new = before.attributes.get("identity"), after.attributes.get("identity")
    if old == new:
        return []
    if not new:
        return [alter_column(after, "DROP IDENTITY")]
    if not old:
        return [alter_column(after, f"ADD {identity_clause(after)}"), go_on_after(after.id, new["sequence"], new)]
    said = [f"SET GENERATED {mode(new)}"] if old["always"] != new["always"] else []
    said += [f"SET {option}" for option in options({**new, "type": after.attributes["type"]}, old)]
    return [*([Step(f"ALTER SEQUENCE {qualified(*old['sequence'])} RENAME TO {ident(new['sequence'][1])}")] if old["sequence"] != new["sequence"] else []),
            *([alter_column(after, " ".join(said))] if said else [])]


KINDS = {"sequence": Kind(create, drop, alter, within=written_by), "sequence_owner": set_again(own, disown, within=written_by)}
