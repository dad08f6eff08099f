"""Tables and partitioned tables."""
from __future__ import annotations

from typing import Any

from senior_backend.migrate.kinds import anew, columns, constraints
from senior_backend.migrate.kinds.altering import Change, altered, alter_table, changed_options, count_rows, rewrites, said
from senior_backend.migrate.kinds.inheriting import links_of, missing_checks, parent_of
from senior_backend.migrate.steps import Alteration, Context, Hazard, Kind, Step
from senior_backend.postgres.model import Fact, Id
from senior_backend.postgres.quote import ident, qualified, target

PARTS = ("column", "constraint", "inheritance")
# whether a table is partitioned, and how, cannot be altered
FIXED = ("partitioned", "key_types")
# attribute -> what ALTER TABLE says, and why it writes all rows anew
REWRITING = {
    "persistence": (lambda new: "SET UNLOGGED" if new else "SET LOGGED", "the table moves into or out of the log"),
    "method": (lambda new: f"SET ACCESS METHOD {ident(new or 'heap')}", "the access method changes"),
    "tablespace": (lambda new: f"SET TABLESPACE {ident(new or 'pg_default')}", "the tablespace changes"),
}
SETTINGS: dict[str, Change] = {
    "of": lambda old, new, fact: f"OF {new}" if new else "NOT OF", "row_security": lambda old, new, fact: f"{'ENABLE' if new else 'DISABLE'} ROW LEVEL SECURITY",
    "force_row_security": lambda old, new, fact: f"{'FORCE' if new else 'NO FORCE'} ROW LEVEL SECURITY",
    "replica_identity": lambda old, new, fact: f"REPLICA IDENTITY {(new or 'default').upper()}",
}


def create(fact: Fact, context: Context) -> list[Step]:
    unlogged = "UNLOGGED " if fact.attributes.get("persistence") == "u" else ""
    return made(fact, context, f"{unlogged}TABLE", suffix(fact.attributes), altered(fact, said({}, fact.attributes, SETTINGS, fact) or []))


def made(fact: Fact, context: Context, word: str, suffix: str, settings: list[Step]) -> list[Step]:
    """One CREATE TABLE (word: TABLE, FOREIGN TABLE) with everything that can be said in it, then what can only be altered."""
    written = context.folded.get(fact.id, ())
    heirs = [part for part in written if part.id.kind == "inheritance"]
    inherited = [part for part in written if part.attributes.get("inherited") and heirs]
    parts = [columns.definition(one, context) for one in written if one.id.kind == "column" and one not in inherited]
    parts += [constraints.clause(one) for one in written if one.id.kind == "constraint"]
    parts += [check for link in links_of(fact.id, context.new) if link.id.kind == "partition" for check in missing_checks(link, context)]
    inside = ",\n".join("  " + part for part in parts)
    sql = f"CREATE {word} {qualified(*fact.id.name)} (" + (f"\n{inside}\n" if inside else "") + ")"
    if heirs:
        sql += f"\nINHERITS ({', '.join(qualified(*parent_of(one).name) for one in heirs)})"
    steps = [Step(sql + suffix), *settings]
    for column in (part for part in written if part.id.kind == "column"):
        parents = [parent for one in heirs if (parent := context.new.get(Id("column", (*parent_of(one).name, column.id.name[2]))))]
        steps += columns.differences(parents[0], column, context) if column in inherited and parents else columns.settings({}, column, context)
    return steps


def suffix(attributes: dict[str, Any]) -> str:
    """What follows the columns."""
    sql = f"\nPARTITION BY {attributes['partitioned']}" if "partitioned" in attributes else ""
    sql += f"\nUSING {ident(attributes['method'])}" if "method" in attributes else ""
    sql += f"\nWITH ({', '.join(attributes['options'])})" if "options" in attributes else ""
    return sql + (f"\nTABLESPACE {ident(attributes['tablespace'])}" if "tablespace" in attributes else "")


def drop(fact: Fact, context: Context) -> list[Step]:
    lost = Hazard("data-loss", fact.id, f"all rows of {'.'.join(fact.id.name)} are lost", count_rows(fact.id), "rows")
    return [Step(f"DROP {target(fact.id)}", hazards=() if anew.saved(fact.id, context) else (lost,))]


def alter(before: Fact, after: Fact, context: Context) -> Alteration | None:
    old, new = before.attributes, after.attributes
    if any(old.get(key) != new.get(key) for key in FIXED) or old.get("method") != new.get("method") and context.old.server_version < 150000:
        return None
    if any(name not in old.get("inherited", ()) and Id("column", (*after.id.name, name)) in context.old for name in new.get("inherited", ())):
        return None         # a column of its own cannot become one that is only inherited
    steps = [alter_table(after.id, say(new.get(key)), rewrites(after.id, why)) for key, (say, why) in REWRITING.items() if old.get(key) != new.get(key)]
    return Alteration((*steps, *altered(after, said(old, new, {"options": changed_options, **SETTINGS}, after) or [])))


KINDS = {"table": Kind(create, drop, alter, PARTS)}
