"""Statements without a transaction: what is noted ahead of them, and what a run that was cut off has left of them."""
from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

from senior_backend.console import CommandError, Console, ExitCode
from senior_backend.migrate.apply.statements import Command, Statement, concurrently
from senior_backend.postgres import quote
from senior_backend.postgres.trees import relation_name, unwrapped, words

if TYPE_CHECKING:
    import psycopg

INDEXES = """
select i.indexrelid::int8, c.oid::regclass::text, i.indisvalid and i.indisready, c.relname, p.pid
from pg_index i join pg_class c on c.oid = i.indexrelid left join pg_stat_progress_create_index p on p.index_relid = i.indexrelid"""
ON_TABLE = f"{INDEXES} where i.indrelid = to_regclass(%s) and c.relkind = 'i'"
LEFT_BY_REINDEX = f"{INDEXES} where not i.indisvalid and c.relname ~ '_cc(new|old)[0-9]*$'"
DETACHED = """
select coalesce((select case when {pending} then 'pending' else 'attached' end from pg_inherits where inhparent = to_regclass(%s) and inhrelid = to_regclass(%s)), 'detached')"""
SAFE_TO_REPEAT = {"VacuumStmt", "ClusterStmt", "ReindexStmt", "AlterSubscriptionStmt"}


class Found(enum.Enum):
    """What became of a statement that was cut off."""
    DONE = "done"
    AGAIN = "again"
    UNKNOWN = "unknown"


def note(session: psycopg.Connection, statement: Statement, console: Console) -> dict[str, Any]:
    """What to remember ahead of a statement, so that its traces can be told from what was there. An invalid index in the way of the one to be built is dropped."""
    if statement.kind == "IndexStmt":
        for index in indexes(session, statement):
            if statement.node.idxname and index[3] == statement.node.idxname and not index[2]:
                drop(session, index, console)
        return {"indexes": [row[0] for row in indexes(session, statement)]}
    if statement.kind == "ReindexStmt":
        return {"indexes": [row[0] for row in session.execute(LEFT_BY_REINDEX)]}
    return {}


def settle(session: psycopg.Connection, statement: Statement, before: dict[str, Any], console: Console) -> Found:
    """Look for what a statement has left, tidy up half of it, and say whether it is done."""
    node, known = statement.node, set((before or {}).get("indexes", []))
    if statement.kind == "IndexStmt":
        return settle_index(session, statement, known, console)
    if statement.kind == "ReindexStmt":
        for index in session.execute(LEFT_BY_REINDEX).fetchall():
            if index[0] not in known and concurrently(node):
                drop(session, index, console)
        return Found.AGAIN
    if statement.kind == "DropStmt":
        names = [quote.qualified(*words(unwrapped(one).items)) for one in node.objects]
        gone = all(session.execute("select to_regclass(%s) is null", [name]).fetchone()[0] for name in names)
        return Found.DONE if gone else Found.AGAIN
    if statement.kind == "AlterTableStmt":
        return settle_detach(session, statement, statement.actions[0])
    if statement.kind in ("CreateSubscriptionStmt", "DropSubscriptionStmt"):
        there = session.execute("select exists (select from pg_subscription s join pg_database d on d.oid = subdbid where datname = current_database() and subname = %s)", [node.subname]).fetchone()[0]
        return Found.DONE if there == (statement.kind == "CreateSubscriptionStmt") else Found.AGAIN
    return Found.AGAIN if statement.kind in SAFE_TO_REPEAT else Found.UNKNOWN


def indexes(session: psycopg.Connection, statement: Statement) -> list[tuple[Any, ...]]:
    """The indexes of the table that a CREATE INDEX names: (oid, name, valid, bare name, pid of the session that builds it)."""
    return session.execute(ON_TABLE, [quote.qualified(*relation_name(statement.node.relation))]).fetchall()


def settle_index(session: psycopg.Connection, statement: Statement, known: set[int], console: Console) -> Found:
    found = Found.AGAIN
    for index in indexes(session, statement):
        if index[0] in known or statement.node.idxname not in ("", index[3]):
            continue
        if index[2]:
            console.progress(f"  {statement.place}: the index {index[1]} was finished by the run that was cut off")
            found = Found.DONE
        else:
            drop(session, index, console)
    return found


def drop(session: psycopg.Connection, index: tuple[Any, ...], console: Console) -> None:
    """Remove an invalid index. CommandError exit 4 while another session builds it."""
    _, name, _, _, builder = index
    if builder:
        raise CommandError(f"the index {name} is being built by pid {builder}", f"run this again when it is done, or end it: SELECT pg_terminate_backend({builder})", ExitCode.ENVIRONMENT, "LOCKED")
    console.progress(f"  dropping the invalid index {name} that an unfinished build left")
    session.execute(f"drop index concurrently if exists {name}")


def settle_detach(session: psycopg.Connection, statement: Statement, command: Command) -> Found:
    parent, part = (quote.qualified(*relation_name(one)) for one in (statement.node.relation, command.definition.name))
    pending = "inhdetachpending" if session.info.server_version >= 140000 else "false"
    state = session.execute(DETACHED.format(pending=pending), [parent, part]).fetchone()[0]
    if state == "pending":
        session.execute(f"alter table {parent} detach partition {part} finalize")
    return Found.AGAIN if state == "attached" else Found.DONE
