"""What a hazard means on the live database: values counted, rows and bytes of the tables touched. Reads only, and gives up early."""
from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Callable, Sequence

from senior_backend import dependencies
from senior_backend.migrate.renames import Rename, original, original_sql
from senior_backend.migrate.sources import Side
from senior_backend.migrate.steps import Hazard, Step
from senior_backend.postgres.connection import told
from senior_backend.postgres.model import Catalogue, Id

if TYPE_CHECKING:
    import psycopg

PROBE_MS, TOTAL_SECONDS = 2000, 10.0
NO_SERVER = "not measured (source is a file)"
BIG_ROWS, BIG_BYTES = 1_000_000, 64 << 20          # from here on a pass over a table takes long enough to be noticed by everybody who waits
SIZE = """
select coalesce(sum(greatest(c.reltuples, 0)) filter (where c.relkind <> 'p'), 0)::float8, coalesce(sum(pg_total_relation_size(c.oid)), 0)::int8, bool_or(c.reltuples < 0 and pg_relation_size(c.oid) > 0)
from pg_class r join pg_namespace n on n.oid = r.relnamespace, pg_class c
where n.nspname = %s and r.relname = %s and (c.oid = r.oid or c.oid in (select relid from pg_partition_tree(r.oid)))"""           # not to_regclass: it asks for rights on the schema
HOLDERS = ("table", "materialized_view")


def gather(side: Side, steps: Sequence[Step], renames: Sequence[Rename] = ()) -> Callable[[Hazard], str]:
    """The evidence for each hazard of these steps, in words. renames: what the live database still has under its old name."""
    hazards = list(dict.fromkeys(hazard for step in steps for hazard in step.hazards))
    if side.connection is None:
        return lambda hazard: NO_SERVER
    deadline, sizes, found = time.monotonic() + TOTAL_SECONDS, {None: ""}, {}
    for hazard in hazards:
        table = holder(side.catalogue, original(hazard.object, renames))
        if table not in sizes:
            sizes[table] = size(side.connection, table.name).words if time.monotonic() < deadline else ""
        found[hazard] = counted(side.connection, original_sql(hazard.probe, renames), hazard, sizes[table], deadline) if hazard.probe else sizes[table] or "nothing to measure"
    return lambda hazard: found.get(hazard, "not measured")


def holder(catalogue: Catalogue, identity: Id) -> Id | None:
    """The table or materialized view that holds the rows in question."""
    while identity.kind not in HOLDERS:
        fact = catalogue.get(identity)
        if fact is None or fact.parent is None:
            return None
        identity = fact.parent
    return identity


@dataclasses.dataclass(frozen=True)
class Size:
    """Rows as the server estimates them, bytes with indexes; unknown: never analyzed."""
    rows: float
    bytes: int
    unknown: bool = False

    @property
    def big(self) -> bool:
        return self.rows >= BIG_ROWS or self.bytes >= BIG_BYTES

    @property
    def words(self) -> str:
        return in_words(-1 if self.unknown else self.rows, self.bytes)


def size(session: psycopg.Connection, relation: tuple[str, ...]) -> Size:
    """Of a table with its partitions; relation: schema and name."""
    return Size(*session.execute(SIZE, relation).fetchone())


def in_words(tuples: float, size: int) -> str:
    """Rows as the server estimates them, bytes as they are.

    >>> in_words(1234567.0, 250_000_000), in_words(-1, 8192)
    ('about 1,234,567 rows, 238 MB', 'rows not counted yet, 8 kB')
    """
    rows = f"about {tuples:,.0f} rows" if tuples >= 0 else "rows not counted yet"
    unit = next((unit for unit in (("GB", 1 << 30), ("MB", 1 << 20)) if size >= unit[1]), ("kB", 1 << 10))
    return f"{rows}, {size / unit[1]:,.0f} {unit[0]}"


def counted(connection: psycopg.Connection, probe: str, hazard: Hazard, size: str, deadline: float) -> str:
    psycopg = dependencies.require("psycopg")
    milliseconds = min(PROBE_MS, int(1000 * (deadline - time.monotonic())))
    if milliseconds < 10:
        return f"not counted (the time for counting was used up){size and ', ' + size}"
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(f"SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = {milliseconds}; SET LOCAL lock_timeout = 500; SET LOCAL search_path = ''")
            number = connection.execute(probe).fetchone()[0]
    except psycopg.errors.QueryCanceled:
        return f"not counted within {milliseconds / 1000:.1f} s{size and ', ' + size}"
    except psycopg.Error as error:
        return f"not counted ({told(error)}){size and ', ' + size}"
    return f"{number:,} {hazard.unit}".strip() + (f", {size}" if size and hazard.kind == "rewrite" else "")
