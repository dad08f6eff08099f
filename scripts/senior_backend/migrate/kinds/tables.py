"""Tables and partitioned tables."""
from __future__ import annotations

from typing import Any

from senior_backend.migrate.kinds import carrying, columns, constraints
from senior_backend.migrate.kinds.altering import alter_table, changed_options, count_rows, rewrites
from senior_backend.migrate.kinds.inheriting import links_of, missing_checks, parent_of
from senior_backend.migrate.steps import Alteration, Context, Hazard, Kind, Step
from senior_backend.postgres.model import Fact, Id
from senior_backend.postgres.quote import ident, qualified

# whether a table is partitioned, and how, cannot be altered
FIXED = ("partitioned", "key_types")


def create(fact: Fact, context: Context) -> list[Step]:
    unlogged = "UNLOGGED " if fact.attributes.get("persistence") == "u" else ""
    return made(fact, context, f"{unlogged}TABLE", suffix(fact.attributes), settings({}, fact, context))


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
        parents = [parent for one in heirs if (parent := context.new.get(column.id._replace(name=(*parent_of(one).name, column.id.name[2]))))]
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
    return [Step(f"DROP TABLE {qualified(*fact.id.name)}", hazards=() if carrying.saved(fact.id, context) else (lost,))]


def alter(before: Fact, after: Fact, context: Context) -> Alteration | None:
    old, new = before.attributes, after.attributes
    if any(old.get(key) != new.get(key) for key in FIXED) or old.get("method") != new.get("method") and context.old.server_version < 150000:
        return None
    if any(name not in old.get("inherited", ()) and Id("column", (*after.id.name, name)) in context.old for name in new.get("inherited", ())):
        return None         # a column of its own cannot become one that is only inherited
    steps = []
    if old.get("persistence") != new.get("persistence"):
        steps.append(alter_table(after.id, f"SET {'UNLOGGED' if 'persistence' in new else 'LOGGED'}", rewrites(after.id, "the table moves into or out of the log")))
    if old.get("method") != new.get("method"):
        steps.append(alter_table(after.id, f"SET ACCESS METHOD {ident(new.get('method', 'heap'))}", rewrites(after.id, "the access method changes")))
    if old.get("tablespace") != new.get("tablespace"):
        steps.append(alter_table(after.id, f"SET TABLESPACE {ident(new.get('tablespace', 'pg_default'))}", rewrites(after.id, "the tablespace changes")))
    steps += [alter_table(after.id, text) for text in changed_options(old.get("options", []), new.get("options", []))]
    return Alteration(tuple(steps + settings(old, after, context)))


def settings(old: dict[str, Any], fact: Fact, context: Context) -> list[Step]:
    """What ALTER TABLE says about a table, new or old."""
    new, said = fact.attributes, []
    if old.get("of") != new.get("of"):
        said.append(f"OF {new['of']}" if "of" in new else "NOT OF")
    if old.get("row_security") != new.get("row_security"):
        said.append(f"{'ENABLE' if new.get('row_security') else 'DISABLE'} ROW LEVEL SECURITY")
    if old.get("force_row_security") != new.get("force_row_security"):
        said.append(f"{'FORCE' if new.get('force_row_security') else 'NO FORCE'} ROW LEVEL SECURITY")
    if old.get("replica_identity") != new.get("replica_identity"):
        said.append(f"REPLICA IDENTITY {new.get('replica_identity', 'default').upper()}")
    return [alter_table(fact.id, text) for text in said]


KIND = Kind(create, drop, alter, ("column", "constraint", "inheritance"))
