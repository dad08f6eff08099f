"""What a live server counted (statistics.sql), and what is wrong by these figures. Rows of tables are never read."""
from __future__ import annotations

import dataclasses
import datetime
import json
import pathlib
import re
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator

from senior_backend import dependencies
from senior_backend.migrate.analyze.rules import ERROR, RULES, SUGGESTION, WARNING, Finding, Rule, some
from senior_backend.migrate.analyze.schema import Index, Schema, Table, shown
from senior_backend.postgres import live
from senior_backend.postgres.model import Id
from senior_backend.postgres.quote import qualified

if TYPE_CHECKING:
    import psycopg

STATISTICS = pathlib.Path(__file__).with_name("statistics.sql")
PART = re.compile(r"^-- part (\w+).*\n", re.M)
MEGABYTE, DAY = 1 << 20, 86400.0
BIG_BYTES, BIG_ROWS, MANY_SCANS = 8 * MEGABYTE, 10_000, 50           # where reading a whole table starts to be felt
UNUSED_BYTES, BLOAT_BYTES, BLOAT_SHARE, WIDE_BYTES = MEGABYTE, 16 * MEGABYTE, 0.4, 1000
NEAR_END, AT_END = 0.5, 0.8
FREEZE_LIMIT = 2_000_000_000
PAGE_HEAD, ROW_HEAD, LINE_POINTER = 24, 23, 4            # bytes, of PostgreSQL's page layout
# part of statistics.sql -> the findings that lack without it
NEEDED = {
    "server": "statistics age, transaction id age, connections, replicas", "settings": "settings that hurt, autovacuum thresholds", "checkpoints": "checkpoint-requests",
    "tables": "row counts, seq-scan-big-table, stale-statistics, autovacuum-behind, transaction-id-age", "sizes": "table sizes, unused-index, bloat", "indexes": "unused-index",
    "sequences": "sequence-exhaustion", "widths": "bloat, wide-column",
}

RULES.update((rule.code, rule) for rule in (
    Rule("unused-index", SUGGESTION, "indexes", "index {object} ({size}) was never used: 0 scans in {age}{replicas}",
         "{sql}, after a full business cycle and a look at each replica"),
    Rule("seq-scan-big-table", WARNING, "performance", "read as a whole {scans} times, {rows} rows each time",
         "--suggest-indexes finds what is lacking; see the slow queries on this table"),
    Rule("sequence-exhaustion", WARNING, "capacity", "{object} has used {percent:.1f} % of {limit:,} ({type}){date}",
         "change the column, and each that references it, to bigint before it ends"),
    Rule("stale-statistics", WARNING, "maintenance", "{changed:,} of about {rows:,} rows changed since the last ANALYZE", "{sql}"),
    Rule("no-statistics", WARNING, "maintenance", "never analyzed: the planner guesses", "{sql}"),
    Rule("no-statistics-at-all", ERROR, "maintenance", "{count} of {all} tables that hold rows were never analyzed, as after an upgrade or a restore",
         "run vacuumdb --analyze-in-stages"),
    Rule("bloat", SUGGESTION, "maintenance", "about {share:.0%} of {size} seems to be free space (estimated from column widths)",
         "measure with pgstattuple_approx; then VACUUM, or pg_repack"),
    Rule("autovacuum-behind", WARNING, "maintenance", "{dead:,} dead rows, autovacuum was due at {due:,} (last: {last})",
         "{sql}; then look for long transactions and a lower autovacuum_vacuum_scale_factor for this table"),
    Rule("transaction-id-age", WARNING, "maintenance", "the oldest transaction id is {age:,} old, {percent:.0f} % of the way to the forced stop",
         "VACUUM the oldest tables; end old transactions, prepared ones and unused replication slots"),
    Rule("wide-column", SUGGESTION, "performance", "column {column} takes {width:,} bytes in the average row", "move it to a table of its own, or never SELECT * here"),
    Rule("setting", WARNING, "settings", "{name} = {value}: {why}", "{fix}"),
    Rule("checkpoint-requests", WARNING, "settings", "{requested:,} of {all:,} checkpoints came early because max_wal_size ({wal}) was full",
         "raise max_wal_size until most checkpoints come by time"),
    Rule("connections-near-limit", WARNING, "settings", "{clients} of {most} connections are in use",
         "put a pooler (pgbouncer) in front, and keep the sum of the pools' sizes below max_connections"),
))
Settings = dict[str, Any]
# name, whether the value hurts, severity, why, what to do
SETTINGS: tuple[tuple[str, Callable[[Settings], bool], str, str, str], ...] = (
    ("fsync", lambda is_: is_["fsync"] == "off", ERROR, "a crash of the machine can destroy the database", "switch it on"),
    ("full_page_writes", lambda is_: is_["full_page_writes"] == "off", ERROR, "a crash can leave torn pages", "switch it on"),
    ("zero_damaged_pages", lambda is_: is_["zero_damaged_pages"] == "on", ERROR, "damaged pages are emptied in silence", "switch it off"),
    ("autovacuum", lambda is_: is_["autovacuum"] == "off", ERROR, "dead rows stay, statistics age, transaction ids run out", "switch it on"),
    ("track_counts", lambda is_: is_["track_counts"] == "off", ERROR, "autovacuum is blind without these counters", "switch it on"),
    ("password_encryption", lambda is_: is_["password_encryption"] == "md5", WARNING, "md5 password hashes are weak, and leave PostgreSQL",
     "scram-sha-256, and set the passwords anew"),
    ("max_connections", lambda is_: is_["max_connections"] > 500, WARNING, "that many backends cost memory and snapshots", "a pooler with 2 to 4 connections per core behind it"),
    ("work_mem", lambda is_: is_["work_mem"] * is_["max_connections"] > 64 << 30, WARNING, "one sort in each connection would take more than 64 GiB",
     "lower it, and raise it for the roles that need it"),
    ("shared_buffers", lambda is_: is_["shared_buffers"] <= 128 * MEGABYTE < is_["bytes"] / 8, SUGGESTION, "the default, for tables and indexes of more than 1 GiB",
     "a quarter of the machine's memory"),
    ("idle_in_transaction_session_timeout", lambda is_: is_["idle_in_transaction_session_timeout"] == 0, SUGGESTION,
     "a forgotten transaction holds locks and stops vacuum for ever", "5min, at least for the application's role"),
)


@dataclasses.dataclass
class Statistics:
    """parts: name of a part -> its rows; missing: parts that could not be read, with the reason and what lacks."""
    parts: dict[str, list[dict[str, Any]]]
    missing: list[str]
    tables: dict[Id, dict[str, Any]] = dataclasses.field(init=False)
    index_bytes: dict[tuple[str, str], int] = dataclasses.field(init=False)
    settings: Settings = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.tables = {Id("table", (one["schema"], one["name"])): one for one in self.parts.get("tables", ())}
        sizes = self.parts.get("sizes", ())
        for one in sizes:
            if not one["index"]:
                self.tables.setdefault(Id("table", (one["schema"], one["name"])), {}).update(bytes=one["bytes"], heap_bytes=one["heap_bytes"])
        self.index_bytes = {(one["schema"], one["name"]): one["bytes"] for one in sizes if one["index"]}
        self.settings = {one["name"]: in_bytes(one["setting"], one["unit"]) for one in self.parts.get("settings", ())}
        self.settings["bytes"] = sum(one["bytes"] for one in sizes)
        for one in self.tables.values():
            one["rows"] = rows_of(one)

    @property
    def server(self) -> dict[str, Any]:
        return (self.parts.get("server") or [{}])[0]

    def rows(self) -> int | None:
        """Of all tables, as the server counts them; None where it counted none."""
        known = [one["rows"] for one in self.tables.values() if one["rows"] is not None]
        return sum(known) if known else None

    def age(self) -> str:
        seconds = self.server.get("statistics_age")
        return f"{seconds / DAY:.1f} days" if seconds is not None else "a time that is unknown (the statistics were never reset)"


def rows_of(table: dict[str, Any]) -> int | None:
    """The counters' figure; after a crash or a restore, the planner's; None where there is neither."""
    if table.get("live"):
        return table["live"]
    if table.get("heap_bytes") == 0:
        return 0
    return max(int(table["estimate"]), 0) if table.get("estimate", -1) >= 0 and (table.get("estimate") or table.get("analyzed")) else None


def in_bytes(setting: str, unit: str | None) -> Any:
    """Numbers as numbers, memory in bytes.

    >>> in_bytes("16384", "8kB"), in_bytes("on", None), in_bytes("100", None), in_bytes("0.2", None)
    (134217728, 'on', 100, 0.2)
    """
    if not re.fullmatch(r"-?\d+(\.\d+)?", setting):
        return setting
    factor = re.fullmatch(r"(\d*)([kMGB]+)", unit or "")
    scale = int(factor[1] or 1) * {"B": 1, "kB": 1 << 10, "MB": MEGABYTE, "GB": 1 << 30}[factor[2]] if factor else 1
    return (float(setting) if "." in setting else int(setting)) * scale


def size(bytes: int | float) -> str:
    """For people.

    >>> size(5), size(3 << 20), size(1536 << 20)
    ('5 B', '3.0 MB', '1.5 GB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if bytes < 1024:
            break
        bytes /= 1024
    else:
        unit = "TB"
    return f"{bytes:.0f} B" if unit == "B" else f"{bytes:.1f} {unit}"


def read(session: psycopg.Connection[Any]) -> Statistics:
    missing: list[str] = []
    return Statistics(gather(session, STATISTICS.read_text("utf-8"), NEEDED, missing), missing)


def gather(session: psycopg.Connection[Any], text: str, needed: dict[str, str], missing: list[str]) -> dict[str, list[dict[str, Any]]]:
    """All parts of a text in one round trip; one by one where one of them is refused: missing gets the reason, and what lacks for it by needed."""
    pieces = PART.split(live.suited(text, session.info.server_version, False))
    queries = {name: f"SELECT json_agg(part)::text FROM (\n{query}) part" for name, query in zip(pieces[1::2], pieces[2::2])}
    session.execute("SET statement_timeout = '30s'; SET lock_timeout = '2s'; SET search_path = pg_catalog; SET default_transaction_read_only = on")
    try:
        return dict(zip(queries, batch(session, list(queries.values()))))
    except dependencies.require("psycopg").Error:
        return {name: alone for name, query in queries.items() if (alone := one_part(session, query, needed[name], missing)) is not None}


def batch(session: psycopg.Connection[Any], queries: list[str]) -> list[list[dict[str, Any]]]:
    cursor = session.execute(";\n".join(queries))
    found = []
    while True:
        found.append(json.loads(cursor.fetchone()[0] or "[]"))
        if not cursor.nextset():
            return found


def one_part(session: psycopg.Connection[Any], query: str, lacking: str, missing: list[str]) -> list[dict[str, Any]] | None:
    try:
        return batch(session, [query])[0]
    except dependencies.require("psycopg").Error as error:
        missing.append(f"{lacking}: not assessed, the server says: {(error.diag.message_primary or str(error)).strip()} (GRANT pg_monitor lets a role read statistics)")
        return None


def check(schema: Schema, statistics: Statistics) -> list[Finding]:
    return [finding for find in FINDERS for finding in find(schema, statistics)]


def measured_tables(schema: Schema, statistics: Statistics) -> Iterator[tuple[Table, dict[str, Any]]]:
    return ((schema.tables[identity], one) for identity, one in statistics.tables.items() if identity in schema.tables and "live" in one)


def unused_indexes(schema: Schema, statistics: Statistics) -> Iterator[Finding]:
    """Not those that keep a rule (unique, keys), nor those that serve a foreign key: a cascade may need them once a year."""
    never = {(one["schema"], one["name"]) for one in statistics.parts.get("indexes", ()) if one["scans"] == 0}
    replicas = statistics.server.get("replicas") or 0
    told = f", not counting {replicas} replicas" if replicas else ""
    told += ", on this standby alone" if statistics.server.get("standby") else ""
    for table in schema.tables.values():
        for index in table.indexes:
            bytes = statistics.index_bytes.get((index.schema, index.name), 0)
            if (index.schema, index.name) in never and bytes >= UNUSED_BYTES and not (index.unique or index.constraint or index.pinned or index.attached
                                                                                      or keeps_foreign_key(table, index)):
                yield Finding(RULES["unused-index"], table.name, {"size": size(bytes), "age": statistics.age(), "replicas": told},
                              f"idx_scan 0, {bytes} bytes, statistics of {statistics.age()}{told}", index.name,
                              f"DROP INDEX CONCURRENTLY {qualified(index.schema, index.name)}")


def keeps_foreign_key(table: Table, index: Index) -> bool:
    return any(index.serves(key.columns) and not any(one.serves(key.columns) for one in table.indexes if one is not index) for key in table.foreign_keys)


def sequential_scans(schema: Schema, statistics: Statistics) -> Iterator[Finding]:
    for table, one in measured_tables(schema, statistics):
        scans, rows = one["seq_scan"] or 0, one["rows"] or 0
        average = (one["seq_rows"] or 0) / scans if scans else 0
        if scans >= MANY_SCANS and rows >= BIG_ROWS and average >= rows / 2 and one.get("heap_bytes", one["pages"] * 8192) >= BIG_BYTES:
            yield Finding(RULES["seq-scan-big-table"], table.name, {"scans": f"{scans:,}", "rows": f"{average:,.0f}"},
                          f"seq_scan {scans}, seq_tup_read {one['seq_rows']}, idx_scan {one['idx_scan'] or 0}, about {rows} rows, in {statistics.age()}")


def sequences(schema: Schema, statistics: Statistics) -> Iterator[Finding]:
    """A sequence ends where its column's type does, if that is earlier. The date: by the inserts that the table had since the statistics began."""
    owners = {fact.id.name: tuple(fact.attributes["column"]) for fact in schema.catalogue.of_kind("sequence_owner")}
    owners |= {tuple(column["identity"]["sequence"]): (*table.fact.id.name, name) for table in schema.tables.values() for name, column in table.columns.items()
               if "identity" in column}
    limits = {"smallint": 2**15 - 1, "integer": 2**31 - 1}
    for one in statistics.parts.get("sequences", ()):
        if not one["readable"] or one["increment_by"] < 0:
            continue
        column = owners.get((one["schema"], one["name"]), ())
        table = schema.tables.get(Id("table", column[:2]))
        type = table.columns.get(column[2], {}).get("type", one["type"]) if table else one["type"]
        limit = min(one["max_value"], limits.get(type, one["max_value"]))
        used = one["last_value"] / limit
        if used >= NEAR_END:
            yield Finding(RULES["sequence-exhaustion"], shown(column[:2]), {"percent": used * 100, "limit": limit, "type": type, "date": end_date(one, limit, statistics, table)},
                          f"last_value {one['last_value']} of {limit}", shown(column or (one["schema"], one["name"])), severity=ERROR if used >= AT_END else "")


def end_date(sequence: dict[str, Any], limit: int, statistics: Statistics, table: Table | None) -> str:
    seconds = statistics.server.get("statistics_age")
    inserted = statistics.tables.get(table.fact.id, {}).get("inserted") if table else None
    if not inserted or not seconds or seconds < DAY:
        return ""
    days = (limit - sequence["last_value"]) / sequence["increment_by"] / (inserted / (seconds / DAY))
    return f", ends about {datetime.date.today() + datetime.timedelta(days=days):%Y-%m-%d} at the rate of the last {seconds / DAY:.0f} days" if days < 36500 else ""


def planner_statistics(schema: Schema, statistics: Statistics) -> Iterator[Finding]:
    filled = [(table, one) for table, one in measured_tables(schema, statistics) if (one["live"] or one.get("heap_bytes", 0) > 0)]
    never = [(table, one) for table, one in filled if one["estimate"] < 0 and not one["analyzed"]]
    if len(never) > 4 and len(never) * 2 > len(filled):
        yield Finding(RULES["no-statistics-at-all"], "", {"count": len(never), "all": len(filled)}, some(table.name for table, _ in never))
    else:
        for table, one in never:
            if one["rows"] is None or one["rows"] > 1000:
                yield Finding(RULES["no-statistics"], table.name, {}, f"reltuples {one['estimate']}, no analyze recorded", sql=f"ANALYZE {table.sql}")
    threshold, factor = (statistics.settings.get(f"autovacuum_analyze_{name}", usual) for name, usual in (("threshold", 50), ("scale_factor", 0.1)))
    for table, one in filled:
        rows, changed = one["rows"] or 0, one["modified"] or 0
        if one["analyzed"] and changed > max(2 * (threshold + factor * rows), 1000):
            yield Finding(RULES["stale-statistics"], table.name, {"changed": changed, "rows": rows}, f"n_mod_since_analyze {changed}, due at {threshold + factor * rows:.0f}",
                          sql=f"ANALYZE {table.sql}")


def vacuum(schema: Schema, statistics: Statistics) -> Iterator[Finding]:
    for table, one in measured_tables(schema, statistics):
        own = dict(option.split("=", 1) for option in one["options"] or ())
        threshold, factor = (float(own.get(f"autovacuum_vacuum_{name}", statistics.settings.get(f"autovacuum_vacuum_{name}", usual))) for name,
                             usual in (("threshold", 50), ("scale_factor", 0.2)))
        due = int(threshold + factor * max(one["estimate"], 0))
        if (one["dead"] or 0) > max(2 * due, 1000):
            yield Finding(RULES["autovacuum-behind"], table.name, {"dead": one["dead"], "due": due, "last": one["vacuumed"] or "never"},
                          f"n_dead_tup {one['dead']}, last vacuum {one['vacuumed'] or 'never'}",
                          sql=f"VACUUM (ANALYZE) {table.sql}")
    server = statistics.server
    ages = [(server.get(name), statistics.settings.get(setting, usual)) for name, setting, usual in
            (("transaction_age", "autovacuum_freeze_max_age", 2e8), ("multixact_age", "autovacuum_multixact_freeze_max_age", 4e8))]
    for age, freeze in ages:
        if age and age > max(1.5 * freeze, 3e8):
            oldest = sorted(measured_tables(schema, statistics), key=lambda pair: -(pair[1]["transaction_age"] or 0))[:3]
            yield Finding(RULES["transaction-id-age"], "", {"age": age, "percent": age / FREEZE_LIMIT * 100},
                          f"age {age}; oldest tables: {', '.join(table.name for table, _ in oldest)}",
                          severity=ERROR if age > FREEZE_LIMIT / 2 else "")


def widths(schema: Schema, statistics: Statistics) -> Iterator[Finding]:
    """Bloat: pages that rows of the sampled widths would fill, against those that the table has. Large values kept apart make it wrong."""
    for one in statistics.parts.get("widths", ()):
        identity = Id("table", (one["schema"], one["name"]))
        table, counted = schema.tables.get(identity), statistics.tables.get(identity, {})
        rows = counted.get("rows")
        if not table or not rows or "heap_bytes" not in counted:
            continue
        if one["widest"] >= WIDE_BYTES and rows >= BIG_ROWS:
            yield Finding(RULES["wide-column"], table.name, {"column": one["widest_column"], "width": one["widest"]}, f"avg_width {one['widest']}, about {rows} rows")
        if one["columns"] < len(table.columns):
            continue
        fill = next((int(option[11:]) for option in counted["options"] or () if option.startswith("fillfactor=")), 100) / 100
        head = ROW_HEAD + (len(table.columns) + 7) // 8 * one["nulls"]
        row = -(-head // 8) * 8 + -(-one["width"] // 8) * 8 + LINE_POINTER + 8          # 8: what alignment between columns may add
        heap = counted["heap_bytes"]
        spare = heap - rows * row / ((8192 - PAGE_HEAD) / 8192) / fill
        if spare >= BLOAT_BYTES and spare / heap >= BLOAT_SHARE:
            yield Finding(RULES["bloat"], table.name, {"share": spare / heap, "size": size(heap)}, f"estimated: {rows} rows of about {row:.0f} bytes in {heap} bytes")


def settings(schema: Schema, statistics: Statistics) -> Iterator[Finding]:
    held, server = statistics.settings, statistics.server
    if "max_connections" not in held:
        return
    raw = {one["name"]: f"{one['setting']}{' x ' + one['unit'] if one['unit'] and one['unit'][0].isdigit() else ' ' + one['unit'] if one['unit'] else ''}"
           for one in statistics.parts["settings"]}
    for name, hurts, severity, why, fix in SETTINGS:
        if hurts(held):
            yield Finding(RULES["setting"], "", {"name": name, "value": raw[name], "why": why, "fix": fix}, f"pg_settings: {raw[name]}", name, severity=severity)
    for one in statistics.parts.get("checkpoints", ()):
        if one["requested"] > max(one["timed"], 20):
            yield Finding(RULES["checkpoint-requests"], "", {"requested": one["requested"], "all": one["requested"] + one["timed"], "wal": size(held["max_wal_size"])},
                          f"requested {one['requested']}, timed {one['timed']}")
    if server.get("clients", 0) >= 0.8 * held["max_connections"]:
        yield Finding(RULES["connections-near-limit"], "", {"clients": server["clients"], "most": held["max_connections"]},
                      f"{server['clients']} client backends, max_connections {held['max_connections']}")


def unreadable(statistics: Statistics) -> Iterable[str]:
    hidden = [shown((one["schema"], one["name"])) for one in statistics.parts.get("sequences", ()) if not one["readable"]]
    return [f"sequence-exhaustion: not assessed for {some(hidden)}: no privilege on the sequence"] if hidden else []


FINDERS = (unused_indexes, sequential_scans, sequences, planner_statistics, vacuum, widths, settings)
