"""Data that a migration destroys: what its statements say, and what is gone after those whose text does not say it."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from senior_backend.migrate.apply.script import Migration
from senior_backend.migrate.apply.statements import Loss, Statement
from senior_backend.migrate.evidence import size
from senior_backend.migrate.kinds.columns import TEXTS, base, loses_precision, modifier
from senior_backend.postgres import quote

if TYPE_CHECKING:
    import psycopg

TYPES = """
select format_type(atttypid, atttypmod), format_type(to_regtype(%s::text), null) from pg_attribute where attrelid = %s::regclass and attname = %s and not attisdropped"""
HOLDINGS = """
select c.oid::regclass::text, (select count(*) from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped)::int, pg_relation_size(c.oid) > 0, coalesce(s.n_tup_del, 0)
from pg_class c left join pg_stat_xact_user_tables s on s.relid = c.oid
where c.relkind in ('r', 'p') and c.relpersistence <> 't' and c.relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)"""
NAMED = """
select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relname = %s and (%s::text is null or n.nspname = %s) and c.relkind in ('r', 'p', 'm', 'f') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"""


def losses(session: psycopg.Connection, migration: Migration, done: int) -> list[dict[str, Any]]:
    """The data-loss hazards of the statements behind the first `done`: what they destroy of that which is there now and was not made by the file itself."""
    made: set[str] = set()
    found = []
    for statement in migration.statements:
        for loss in statement.losses if statement.number > done else ():
            evidence = "" if loss.name[-1] in made else held_by(session, loss)
            if evidence:
                found.append(lossy(statement, quote.qualified(*loss.name), f"{loss}: lost", evidence))
        if statement.number > done and statement.marked and not statement.losses:
            found.append(lossy(statement, "", statement.marked, "as the file itself says"))
        made |= creates(statement)
    return found


def lossy(statement: Statement, target: str, message: str, evidence: str) -> dict[str, Any]:
    return {"kind": "data-loss", "statement": statement.headline, "object": target, "evidence": evidence, "message": message, "severity": "error", "place": statement.place, "number": statement.number}


def creates(statement: Statement) -> set[str]:
    """Names of tables that a statement makes for certain."""
    node = statement.node
    if statement.kind == "CreateStmt" and not node.if_not_exists:
        return {node.relation.relname}
    if statement.kind == "CreateTableAsStmt" and not node.if_not_exists:
        return {node.into.rel.relname}
    return {node.into_clause.rel.relname} if statement.kind == "SelectStmt" and node.HasField("into_clause") else set()


def held_by(session: psycopg.Connection, loss: Loss) -> str:
    """How much is there to lose; empty when the table or column does not exist."""
    if loss.kind not in ("table", "column", "rows", "values"):
        return "not measured"
    *schema, name = loss.name
    rows = session.execute(NAMED, [name, *(schema[-1:] or [None]) * 2]).fetchall()
    if loss.column:
        rows = [row for row in rows if touches(session, row, loss)]
    return "; ".join(size(session, row).words for row in rows)


def touches(session: psycopg.Connection, table: tuple[str, str], loss: Loss) -> bool:
    """Whether the column is there, and its new type, if that is what it gets, has less room than the old one."""
    found = session.execute(TYPES, [loss.becomes.partition("(")[0] or None, quote.qualified(*table), loss.column]).fetchone()
    if not found or not loss.becomes or loss.by == "constant":
        return found is not None
    old, new = found[0], (found[1] or "") + "".join(loss.becomes.partition("(")[1:])
    cuts = loss.by == "cast" and base(new) in TEXTS and modifier(new) and modifier(old)[:1] != modifier(new)
    return bool(cuts) or loses_precision(old, new)


def holdings(session: psycopg.Connection) -> dict[str, tuple[int, bool, int]]:
    """Every table's number of columns, whether it has any rows on disk, and how many this transaction has deleted."""
    return {row[0]: row[1:] for row in session.execute(HOLDINGS)}


def gone(before: dict[str, tuple[int, bool, int]], after: dict[str, tuple[int, bool, int]]) -> tuple[str, ...]:
    """What data there was before and is no more, in words."""
    words = []
    for name, (columns, filled, deleted) in before.items():
        now = after.get(name)
        if now is None:
            words.append(f"the table {name} is gone")
        elif now[0] < columns:
            words.append(f"{columns - now[0]} columns of {name} are gone")
        elif filled and not now[1] or now[2] > deleted:
            words.append(f"rows of {name} are gone")
    return tuple(words)
