"""The statements that pg_stat_statements counted: which are slow, which table and column lacks an index, which are sent once for each row of another."""
from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any, Iterator

from senior_backend import dependencies
from senior_backend.migrate.analyze.measured import BIG_BYTES, Statistics
from senior_backend.migrate.analyze.rules import SUGGESTION, WARNING, Finding, Rule, found, known
from senior_backend.migrate.analyze.schema import Schema, Table
from senior_backend.postgres.model import Id
from senior_backend.postgres.quote import listed, qualified
from senior_backend.postgres.trees import nodes, postgast, symbol, words

if TYPE_CHECKING:
    import psycopg

MOST_STATEMENTS, MOST_FINDINGS, SHOWN = 500, 20, 160
SLOW_MS, HEAVY_SHARE, HEAVY_MS, FELT_MS = 100.0, 0.2, 10.0, 5.0
N1_RATIO, N1_CALLS, FEW_ROWS, MANY_ROWS = 10, 50, 100, 5
ENABLE = "shared_preload_libraries = 'pg_stat_statements', restart, CREATE EXTENSION pg_stat_statements"
UTILITY = r"^\s*(create|alter|drop|grant|revoke|comment|set|reset|show|begin|commit|rollback|savepoint|release|copy|vacuum|analyze|truncate|lock|deallocate|discard|explain)\M"
READ = re.compile(r"(?:/\*.*?\*/|--[^\n]*\n|[\s(])*(?:select|with|insert|update|delete|merge|prepare|declare)\b", re.I | re.S)

known(
    Rule("slow-query", WARNING, "queries", "{mean:.0f}ms on average, {calls:,} calls, {total:.1f}s in all: {query}", "{fix}", "{figures}, {share:.0%} of all time"),
    Rule("missing-index", WARNING, "indexes", "no index begins with {columns}, which a query of {mean:.0f}ms on average looks up", "{sql}, after --suggest-indexes has measured it",
         "{figures}: {query}", "CREATE INDEX CONCURRENTLY ON {table_sql} ({columns_sql})"),
    Rule("n-plus-one", WARNING, "queries", "sent {ratio:,.0f} times for each call of another query: {child}",
         "fetch them in one query (JOIN, or = ANY($1)), or eager loading of the ORM; the other query: {parent}", "{figures}; the other: {others}"),
)


@dataclasses.dataclass
class Statement:
    """Counted by the server: calls, total and mean time in ms, rows. text: without literals. tables and filters: what it reads and looks up by equality."""
    text: str
    calls: int
    total: float
    mean: float
    rows: int
    tables: set[Id] = dataclasses.field(default_factory=set)
    filters: dict[Id, set[str]] = dataclasses.field(default_factory=dict)
    writes: bool = False

    @property
    def rows_per_call(self) -> float:
        return self.rows / max(self.calls, 1)

    def figures(self) -> str:
        return f"{self.calls:,} calls, mean {self.mean:.2f} ms, total {self.total / 1000:.1f} s, {self.rows_per_call:.1f} rows per call"

    def as_json(self) -> dict[str, Any]:
        return {"query": self.text, "calls": self.calls, "mean_ms": round(self.mean, 3), "total_ms": round(self.total, 3), "rows": self.rows,
                "tables": sorted(".".join(one.name) for one in self.tables)}


@dataclasses.dataclass
class Workload:
    """statements: by total time, None where nobody counts them; missing: why."""
    statements: list[Statement] | None
    missing: list[str]

    def mean_of(self, table: Id, columns: list[str]) -> float | None:
        """Of the most expensive statement that looks these columns up; None where none was seen."""
        return next((one.mean for one in self.statements or () if set(columns) <= one.filters.get(table, set())), None)


def counted(session: psycopg.Connection[Any]) -> tuple[list[tuple[Any, ...]] | None, str]:
    """Statements that read or write rows, by total time: (text, calls, total ms, mean ms, rows); None, and why there are none; what of them is hidden."""
    try:
        found = session.execute("SELECT nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'pg_stat_statements'").fetchone()
        if not found:
            return None, f"not assessable without pg_stat_statements; to enable it: {ENABLE}"
        rows = session.execute(f"""SELECT query, sum(calls)::bigint, sum(total_exec_time), sum(total_exec_time) / greatest(sum(calls), 1), sum(rows)::bigint
            FROM {qualified(found[0], 'pg_stat_statements')}
            WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND query !~* '{UTILITY}' GROUP BY queryid, query ORDER BY 3 DESC LIMIT {MOST_STATEMENTS}""").fetchall()
    except dependencies.require("psycopg").Error as error:
        said = (error.diag.message_primary or str(error)).strip()
        return None, f"not assessable, pg_stat_statements says: {said}; to enable it: {ENABLE}; ALTER EXTENSION pg_stat_statements UPDATE after an upgrade"
    hidden = sum(row[0] is None or row[0] == "<insufficient privilege>" for row in rows)
    return [row for row in rows if row[0] and READ.match(row[0])], f"{hidden} statements of other roles are not assessed (GRANT pg_read_all_stats)" if hidden else ""


def read(session: psycopg.Connection[Any], schema: Schema) -> Workload:
    rows, missing = counted(session)
    reader = Reader(schema)
    found = None if rows is None else [one for text, *figures in rows if (one := reader.statement(text, *figures))]
    return Workload(found, [f"slow queries and N+1: {missing}"] if missing else [])


class Reader:
    """What a statement reads. A name without a schema is looked for in public first, then wherever there is only one."""

    def __init__(self, schema: Schema):
        self.schema = schema
        self.by_name: dict[str, list[Id]] = {}
        for one in schema.tables:
            self.by_name.setdefault(one.name[1], []).append(one)

    def statement(self, text: str, calls: int, total: float, mean: float, rows: int) -> Statement | None:
        """None for a statement that reads no table of this schema (the catalogs, what is cut off)."""
        try:
            text = masked(text)
        except postgast().PgQueryError:
            return None
        tree = postgast().parse(text)
        made = Statement(text, calls, total, mean, rows)
        made.writes = any(nodes(tree, "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"))
        aliases: dict[str, Id] = {}
        for node in nodes(tree, "RangeVar"):
            if table := self.table(node):
                aliases[node.alias.aliasname or node.relname] = table
                made.tables.add(table)
        for node in nodes(tree, "A_Expr"):
            if words(node.name) == ("=",) or symbol(node, "kind") in ("AEXPR_OP_ANY", "AEXPR_IN"):
                self.looked_up(node, aliases, made)
        return made if made.tables else None

    def table(self, node: Any) -> Id | None:
        if node.schemaname:
            named = Id("table", (node.schemaname, node.relname))
            return named if named in self.schema.tables else None
        found = self.by_name.get(node.relname, [])
        return next((one for one in found if one.name[0] == "public"), found[0] if len(found) == 1 else None)

    def looked_up(self, node: Any, aliases: dict[str, Id], made: Statement) -> None:
        """A column that is equal to a parameter or a constant."""
        sides = (node.lexpr, node.rexpr)
        for one, other in (sides, sides[::-1]):
            if one.WhichOneof("node") == "column_ref" and other.WhichOneof("node") in ("param_ref", "a_const", "type_cast", "list", "a_array_expr"):
                *prefix, column = [part.string.sval for part in one.column_ref.fields]
                owners = [aliases[prefix[-1]]] if prefix and prefix[-1] in aliases else [] if prefix else [table for table in set(aliases.values())
                                                                                                           if column in self.schema.tables[table].columns]
                if len(owners) == 1:
                    made.filters.setdefault(owners[0], set()).add(column)


def check(schema: Schema, statistics: Statistics, workload: Workload) -> list[Finding]:
    statements = workload.statements or []
    return [*missing_indexes(schema, statistics, statements), *slow(schema, statements), *n_plus_one(schema, statements)]


def missing_indexes(schema: Schema, statistics: Statistics, statements: list[Statement]) -> Iterator[Finding]:
    """Of tables that are not small, where none of the columns that a statement looks up is the first of an index."""
    told: set[tuple[Id, tuple[str, ...]]] = set()
    for one in statements:
        for table_id, columns in one.filters.items():
            table, wanted = schema.tables[table_id], tuple(sorted(columns))
            lacking = not any(begins(table, column) for column in columns) and not any(list(wanted) == sorted(key.columns) for key in table.foreign_keys)
            if lacking and one.mean >= FELT_MS and (table_id, wanted) not in told and statistics.tables.get(table_id, {}).get("heap_bytes", 0) >= BIG_BYTES / 8:
                told.add((table_id, wanted))
                yield found("missing-index", table, columns=", ".join(wanted), columns_sql=listed(wanted), mean=one.mean, names=list(wanted), figures=one.figures(), query=cut(one.text))


def begins(table: Table, column: str) -> bool:
    return all(begins(one, column) for one in table.partitions) if table.partitions else any(index.leads_with(column) for index in table.indexes)


def slow(schema: Schema, statements: list[Statement]) -> Iterator[Finding]:
    whole = sum(one.total for one in statements) or 1.0
    slowest = [one for one in statements if one.mean >= SLOW_MS or one.total / whole >= HEAVY_SHARE and one.mean >= HEAVY_MS]
    for one in slowest[:MOST_FINDINGS]:
        lacking = [f"{schema.tables[table].name} ({', '.join(sorted(columns))})" for table, columns in one.filters.items()
                   if not any(begins(schema.tables[table], column) for column in columns)]
        fix = f"no index begins with what it looks up: {'; '.join(lacking)}" if lacking else "EXPLAIN (ANALYZE, BUFFERS) shows where its time goes"
        yield found("slow-query", ", ".join(sorted(schema.tables[table].name for table in one.tables)), mean=one.mean, calls=one.calls, total=one.total / 1000, query=cut(one.text), fix=fix,
                    figures=one.figures(), share=one.total / whole, severity="" if one.mean >= SLOW_MS else SUGGESTION)


def n_plus_one(schema: Schema, statements: list[Statement]) -> Iterator[Finding]:
    """A lookup by one column that a foreign key joins to what another query lists, sent about as often as that gave rows."""
    pairs = {(key.table, tuple(key.columns), key.target) for key in schema.foreign_keys} | {(key.target, tuple(key.target_columns), key.table) for key in schema.foreign_keys}
    parents = [one for one in statements if not one.writes and one.rows_per_call >= MANY_ROWS]
    for child in statements:
        if child.writes or child.calls < N1_CALLS or child.rows_per_call > FEW_ROWS or len(child.tables) != 1 or not child.filters:
            continue
        (table, columns), = child.filters.items()
        near = [one for one in parents if one is not child and child.calls >= N1_RATIO * one.calls and 0.5 * one.rows <= child.calls <= 2 * one.rows
                and any((table, tuple(sorted(columns)), other) in pairs for other in one.tables)]
        if near:
            parent = min(near, key=lambda one: abs(one.rows - child.calls))
            yield found("n-plus-one", schema.tables[table], ratio=child.calls / parent.calls, child=cut(child.text), parent=cut(parent.text), figures=child.figures(), others=parent.figures())


def masked(text: str) -> str:
    """A statement on one line, with parameters where it has constants and without its comments; PgQueryError for what is no SQL.

    >>> masked("select 'a''b', 5 /* of Bo */ from t where id = $1")
    'SELECT $2, $3 FROM t WHERE id = $1'
    """
    return " ".join(postgast().deparse(postgast().parse(postgast().normalize(text))).split())


def cut(text: str) -> str:
    return text if len(text) <= SHOWN else text[:SHOWN - 3] + "..."
