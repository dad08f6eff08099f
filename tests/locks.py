"""Which locks a statement takes, whether it rewrites the table and reads all of its rows: measured on a running server."""
from __future__ import annotations

import contextlib
import dataclasses
import threading
import time

import psycopg

from senior_backend.postgres import connection

# what the statements of the guide's table are about; "was" and "valid CHECK" in their notes are columns and constraints of this
SETUP = """
CREATE TABLE customers (id bigint PRIMARY KEY);
INSERT INTO customers SELECT generate_series(1, 100);
CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id bigint NOT NULL, total_cents bigint NOT NULL,
  created_at timestamptz NOT NULL, note text, short varchar(20), small int, checked int, CONSTRAINT there CHECK (checked IS NOT NULL));
INSERT INTO orders (customer_id, total_cents, created_at, short, small, checked)
  SELECT 1 + n % 100, n, timestamptz '2026-01-01' + n * interval '1 s', 'x', n, n FROM generate_series(1, 500) n;
CREATE INDEX orders_created ON orders (created_at);
CREATE UNIQUE INDEX orders_unique ON orders (total_cents);
ALTER TABLE orders ADD CONSTRAINT later CHECK (total_cents >= 0) NOT VALID, ADD CONSTRAINT fk_later FOREIGN KEY (customer_id) REFERENCES customers NOT VALID;
CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TABLE metrics (at int NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE metrics_old PARTITION OF metrics FOR VALUES FROM (0) TO (100);
CREATE TABLE metrics_new (at int NOT NULL, CHECK (at >= 200 AND at < 300));
CREATE MATERIALIZED VIEW totals AS SELECT customer_id, sum(total_cents) FROM orders GROUP BY 1;
CREATE UNIQUE INDEX ON totals (customer_id);
"""
STATE = "SELECT pg_relation_filenode(%(table)s::regclass), (SELECT seq_tup_read FROM {view} WHERE relid = %(table)s::regclass)"
HELD = "SELECT relation::regclass::text, mode FROM pg_locks WHERE locktype = 'relation' AND granted AND pid = pg_backend_pid()"
WAITED = "SELECT mode FROM pg_locks WHERE NOT granted AND relation = %s::regclass"
STRENGTH = [f"{mode}Lock" for mode in "AccessShare RowShare RowExclusive ShareUpdateExclusive Share ShareRowExclusive Exclusive AccessExclusive".split()]
WAIT_S = 20


@dataclasses.dataclass(frozen=True)
class Effect:
    """lock: mode on the table; elsewhere: {other table: mode}; rewrites: it has a new file; reads: its rows were read from the beginning."""
    lock: str
    elsewhere: dict[str, str]
    rewrites: bool
    reads: bool


def strongest(modes: list[str]) -> str:
    return max(modes, key=STRENGTH.index)


def measure(url: str, statement: str, table: str, others: list[str]) -> Effect:
    """In a transaction that is rolled back, or, for statements that refuse one, by what they wait for while others hold locks."""
    with contextlib.closing(connection.connect(url)) as session:
        try:
            return in_transaction(session, statement, table, others)
        except psycopg.errors.ActiveSqlTransaction:
            session.execute("ROLLBACK")
        return by_waiting(url, session, statement, table, others)


def in_transaction(session: psycopg.Connection, statement: str, table: str, others: list[str]) -> Effect:
    state = STATE.format(view="pg_stat_xact_all_tables")
    session.execute("BEGIN")
    before = session.execute(state, {"table": table}).fetchone()
    session.execute(statement)
    after = session.execute(state, {"table": table}).fetchone()
    held: dict[str, list[str]] = {}
    for relation, mode in session.execute(HELD).fetchall():
        held.setdefault(relation, []).append(mode)
    session.execute("ROLLBACK")
    return Effect(strongest(held[table]), {other: strongest(held[other]) for other in others}, before[0] != after[0], (after[1] or 0) > (before[1] or 0))


def by_waiting(url: str, session: psycopg.Connection, statement: str, table: str, others: list[str]) -> Effect:
    def state() -> tuple:
        session.execute("SELECT pg_stat_clear_snapshot()")
        return session.execute(STATE.format(view="pg_stat_all_tables"), {"table": table}).fetchone()

    def run() -> None:
        with contextlib.closing(connection.connect(url)) as worker:
            worker.execute(statement)
            worker.execute("SELECT pg_stat_force_next_flush()")

    before, waited = state(), {}
    with contextlib.ExitStack() as stack:
        holders = {}
        for name, mode in {**{other: "ACCESS SHARE" for other in others}, table: "SHARE ROW EXCLUSIVE"}.items():
            holders[name] = stack.enter_context(contextlib.closing(connection.connect(url)))
            holders[name].execute(f"BEGIN; LOCK TABLE {name} IN {mode} MODE")
        worker = threading.Thread(target=run)
        worker.start()
        for name in [table, *others]:
            deadline = time.monotonic() + WAIT_S
            while not (found := session.execute(WAITED, [name]).fetchall()) and time.monotonic() < deadline:
                time.sleep(0.01)
            waited[name] = strongest([mode for mode, in found])
            holders[name].execute("ROLLBACK")
        worker.join(WAIT_S)
    after = state()
    return Effect(waited[table], {other: waited[other] for other in others}, before[0] != after[0], (after[1] or 0) > (before[1] or 0))
