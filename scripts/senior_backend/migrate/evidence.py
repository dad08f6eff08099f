"""What a hazard means on the live database: values counted, rows and bytes of the tables touched. Reads only, and gives up early."""
from __future__ import annotations

import time
from typing import TYPE_CHECKING, Callable, Iterable, Sequence

from senior_backend import dependencies
from senior_backend.migrate.renames import Rename, original, original_sql
from senior_backend.migrate.sources import Side
from senior_backend.migrate.steps import Hazard, Step
from senior_backend.postgres.model import Catalogue, Id

if TYPE_CHECKING:
    import psycopg

PROBE_MS, TOTAL_SECONDS = 2000, 10.0
NO_SERVER = "not measured (source is a file)"
SIZES = """select n.nspname, c.relname, c.reltuples, pg_total_relation_size(c.oid) from pg_class c join pg_namespace n on n.oid = c.relnamespace
join unnest(%s::text[], %s::text[]) wanted(schema, name) on n.nspname = wanted.schema and c.relname = wanted.name where c.relkind in ('r', 'm', 'p')"""
HOLDERS = ("table", "materialized_view")


def gather(side: Side, steps: Sequence[Step], renames: Sequence[Rename] = ()) -> Callable[[Hazard], str]:
    """The evidence for each hazard of these steps, in words. renames: what the live database still has under its old name."""
    hazards = list(dict.fromkeys(hazard for step in steps for hazard in step.hazards))
    if side.connection is None:
        return lambda hazard: NO_SERVER
    holders = {hazard: holder(side.catalogue, original(hazard.object, renames)) for hazard in hazards}
    sizes = measured_sizes(side.connection, filter(None, holders.values()))
    deadline = time.monotonic() + TOTAL_SECONDS
    found = {}
    for hazard in hazards:
        size = sizes.get(holders[hazard], "")
        found[hazard] = counted(side.connection, original_sql(hazard.probe, renames), hazard, size, deadline) if hazard.probe else size or "nothing to measure"
    return lambda hazard: found.get(hazard, "not measured")


def holder(catalogue: Catalogue, identity: Id) -> Id | None:
    """The table or materialized view that holds the rows in question."""
    while identity.kind not in HOLDERS:
        fact = catalogue.get(identity)
        if fact is None or fact.parent is None:
            return None
        identity = fact.parent
    return identity


def measured_sizes(connection: psycopg.Connection, tables: Iterable[Id]) -> dict[Id, str]:
    names = sorted({table.name for table in tables})
    if not names:
        return {}
    rows = connection.execute(SIZES, [[name[0] for name in names], [name[1] for name in names]]).fetchall()
    return {Id(kind, (schema, name)): in_words(tuples, size) for schema, name, tuples, size in rows for kind in HOLDERS}


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
        return f"not counted ({str(error).splitlines()[0]}){size and ', ' + size}"
    return f"{number:,} {hazard.unit}".strip() + (f", {size}" if size and hazard.kind == "rewrite" else "")
