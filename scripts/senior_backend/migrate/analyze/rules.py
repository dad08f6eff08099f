"""What is wrong with a schema as it is defined: the rules as data, and what finds the places that they speak of."""
from __future__ import annotations

import dataclasses
import functools
import re
from typing import Any, Callable, Iterable, Iterator, NamedTuple

from senior_backend.migrate.analyze.schema import Index, Schema, Table, shown
from senior_backend.postgres.model import Fact, Id
from senior_backend.postgres.quote import ident, listed, qualified

ERROR, WARNING, SUGGESTION = SEVERITIES = ("error", "warning", "suggestion")
REFERENCE = "references/database_findings.md"
LONG_CHAIN, MOST_NAMED = 3, 5


class Rule(NamedTuple):
    """message and suggestion are formats over what the finder gives."""
    code: str
    severity: str
    category: str
    message: str
    suggestion: str


@dataclasses.dataclass(slots=True)
class Finding:
    """table: the name for people, "" for the database; object: what exactly; evidence: facts and measured figures; sql: a statement that mends it, where one does."""
    rule: Rule
    table: str
    values: dict[str, Any]
    evidence: str
    object: str = ""
    sql: str = ""
    severity: str = ""

    def __post_init__(self) -> None:
        self.severity = self.severity or self.rule.severity

    @property
    def message(self) -> str:
        return self.rule.message.format(table=self.table, object=self.object, **self.values)

    @property
    def suggestion(self) -> str:
        return self.rule.suggestion.format(table=self.table, object=self.object, sql=self.sql, **self.values)

    def as_json(self) -> dict[str, Any]:
        return {"severity": self.severity, "category": self.rule.category, "table": self.table, "message": self.message, "suggestion": self.suggestion, "code": self.rule.code,
                "evidence": self.evidence,
                "reference": f"{REFERENCE}#{self.rule.code}", "object": self.object, **({"sql": self.sql} if self.sql else {})}


RULES = {rule.code: rule for rule in (
    Rule("fk-without-index", WARNING, "indexes", "foreign key {object} ({columns}) has no usable index: each delete or key change in {target} reads all of {table}", "{sql}"),
    Rule("no-primary-key", ERROR, "keys", "no primary key", "add one: an identity column, or the columns that tell rows apart ({unique})"),
    Rule("duplicate-index", WARNING, "indexes", "index {object} is the same as {other}: it costs writes and finds nothing more", "{sql}"),
    Rule("redundant-index", WARNING, "indexes", "index {object} is the beginning of {other}, which finds the same", "{sql} once no query orders or covers by it alone"),
    Rule("invalid-index", ERROR, "indexes", "index {object} is invalid: it is written and never read", "{sql}, then build it again with CREATE INDEX CONCURRENTLY"),
    Rule("invalid-constraint", WARNING, "constraints", "constraint {object} was never validated: old rows may break it", "{sql}"),
    Rule("fk-type-mismatch", WARNING, "types", "foreign key {object}: {column} is {type}, {target} is {target_type}", "give both columns one type"),
    Rule("nullable-unique", WARNING, "constraints", "unique {object} ({columns}) lets rows with NULL in {nullable} repeat",
         "make them NOT NULL, or use NULLS NOT DISTINCT (PostgreSQL 15), or a partial unique index"),
    Rule("cascade-chain", WARNING, "constraints", "one DELETE goes on by CASCADE over {depth} levels to {count} tables ({path})",
         "use RESTRICT where a chain should end, and delete in batches by the application"),
    Rule("cascade-cycle", WARNING, "constraints", "foreign keys with ON DELETE CASCADE form a ring: {path}",
         "break it with SET NULL or RESTRICT: one DELETE may empty all of them"),
    Rule("timestamp-without-time-zone", WARNING, "types", "timestamp without time zone: {columns}",
         "use timestamptz: these values change their meaning with the TimeZone of whoever wrote them"),
    Rule("time-with-time-zone", SUGGESTION, "types", "time with time zone: {columns}", "use timestamptz, or time and a zone's name: an offset without a date is no zone"),
    Rule("money-type", WARNING, "types", "type money: {columns}", "use numeric(12,2) and a currency column: money's output and precision depend on lc_monetary"),
    Rule("float-money", ERROR, "types", "amounts of money as binary fractions: {columns}", "use numeric(12,2), or integers of the smallest unit: float loses cents"),
    Rule("char-type", SUGGESTION, "types", "char(n), padded with blanks: {columns}", "use text with a CHECK on its length, or varchar(n)"),
    Rule("json-type", SUGGESTION, "types", "json: {columns}", "use jsonb: it is indexed and compared, json is text"),
    Rule("text-for-date", SUGGESTION, "types", "dates as text: {columns}", "use timestamptz or date: text is neither checked nor sorted as time"),
    Rule("text-for-uuid", SUGGESTION, "types", "UUIDs as text: {columns}", "use uuid: 16 bytes instead of 37 in the table and in each index"),
    Rule("serial-column", SUGGESTION, "keys", "serial instead of an identity column: {columns}",
         "use GENERATED BY DEFAULT AS IDENTITY: its sequence goes with the column, without grants of its own"),
    Rule("small-key", SUGGESTION, "keys", "primary key {columns} ends at {limit}", "use bigint while the table is small: later it is a rewrite"),
    Rule("rls-without-policy", WARNING, "security", "row level security is on and no policy is there: nobody but the owner sees a row", "add policies, or switch it off"),
    Rule("policy-without-rls", ERROR, "security", "policies {columns} do nothing: row level security is off", "{sql}"),
    Rule("public-grant", WARNING, "security", "everybody (PUBLIC) may {privileges}", "{sql}, and grant to the roles that need it"),
    Rule("definer-without-search-path", WARNING, "security", "function {object} runs as its owner with the caller's search_path", "{sql}"),
    Rule("unlogged-table", WARNING, "durability", "unlogged: empty after a crash, and absent on replicas", "{sql}, unless the rows can be made again"),
    Rule("autovacuum-off", WARNING, "maintenance", "autovacuum is switched off for this table", "{sql}"),
)}


def one_type(*wanted: str) -> Callable[[str, str], bool]:
    return lambda name, type: type in wanted


MONEY = re.compile(r"(^|_)(price|amount|cost|total|subtotal|balance|salary|fee|fees|tax|discount|revenue|payment|money|cents|usd|eur)(_(usd|eur|gross|net|amount|total))?$", re.I)
TEXT = re.compile(r"text$|character varying|varchar")
# code -> whether a column's name and type are meant
COLUMN_RULES: dict[str, Callable[[str, str], bool]] = {
    "timestamp-without-time-zone": lambda name, type: bool(re.match(r"timestamp(\(\d\))? without time zone$", type)),
    "time-with-time-zone": lambda name, type: bool(re.match(r"time(\(\d\))? with time zone$", type)),
    "money-type": one_type("money"),
    "float-money": lambda name, type: type in ("real", "double precision") and MONEY.search(name) is not None,
    "char-type": lambda name, type: bool(re.match(r"(character\((?!1\))\d+\)|bpchar)$", type)),
    "json-type": one_type("json"),
    "text-for-date": lambda name, type: TEXT.match(type) is not None and re.search(r"_(at|date|timestamp|datetime)$", name, re.I) is not None,
    "text-for-uuid": lambda name, type: TEXT.match(type) is not None and re.search(r"(^|_)(uuid|guid)$", name, re.I) is not None,
}
SMALL = {"smallint": "32,767", "integer": "2,147,483,647"}
DEFINER, SETS_PATH = re.compile(r"^ (?:[A-Z ]+ )?SECURITY DEFINER", re.M), re.compile(r"^ SET search_path ", re.M)


def check(schema: Schema) -> list[Finding]:
    return [finding for find in FINDERS for finding in find(schema)]


def foreign_key_indexes(schema: Schema) -> Iterator[Finding]:
    for key in schema.foreign_keys:
        table = schema.tables[key.table]
        if not table.served(key.columns):
            where = " CONCURRENTLY" if "partitioned" not in table.fact.attributes else ""
            yield Finding(RULES["fk-without-index"], table.name, {"columns": ", ".join(key.columns), "target": shown(key.target.name), "key": (key.table, key.columns)},
                          f"{len(table.indexes)} indexes, none begins with ({', '.join(key.columns)})",
                          key.name, f"CREATE INDEX{where} ON {table.sql} ({listed(key.columns)})")


def primary_keys(schema: Schema) -> Iterator[Finding]:
    for table in schema.roots():
        if not table.primary:
            unique = [index for index in table.indexes if index.unique and not index.predicate and all(name and table.columns[name].get("not_null") for name in index.columns)]
            yield Finding(RULES["no-primary-key"], table.name, {"unique": f"{unique[0].name} has them" if unique else "no unique index over NOT NULL columns says which"},
                          f"{len(table.columns)} columns, {len(table.indexes)} indexes", severity=WARNING if unique else "")


def needless_indexes(schema: Schema) -> Iterator[Finding]:
    """Each index is compared with those that would stay; of equal ones the keys of constraints stay, then unique ones, then the first by name."""
    for table in schema.tables.values():
        kept: list[Index] = []
        for index in sorted(table.indexes, key=lambda one: (not one.valid, one.constraint != "p", not one.constraint, not one.unique, not one.pinned, -len(one.keys), one.name)):
            kept.append(index)
            if index.attached or not index.valid or index.constraint in ("p", "x"):
                continue
            other = next((one for one in kept[:-1] if one.valid and same(index, one)), None) or next((one for one in table.indexes if one is not index and one.valid
                                                                                                      and begins(index, one)), None)
            if other:
                kept.pop()
                yield needless(table, index, other)


def needless(table: Table, index: Index, other: Index) -> Finding:
    code = "duplicate-index" if same(index, other) else "redundant-index"
    drop = f"ALTER TABLE {table.sql} DROP CONSTRAINT {ident(index.name)}" if index.constraint else f"DROP INDEX CONCURRENTLY {qualified(index.schema, index.name)}"
    sql = drop if "partitioned" not in table.fact.attributes else drop.replace(" CONCURRENTLY", "")
    return Finding(RULES[code], table.name, {"other": other.name}, f"{index.name} ({', '.join(index.keys)}), {other.name} ({', '.join(other.keys)})", index.name, sql)


def same(index: Index, other: Index) -> bool:
    """Whether the other does all that the index does."""
    return (index.method, index.keys, index.predicate) == (other.method, other.keys, other.predicate) and set(index.include) <= {*other.include, *filter(None, other.columns)} and \
        (not index.unique or other.unique and index.nulls_equal == other.nulls_equal)


def begins(index: Index, other: Index) -> bool:
    wide = {*other.include, *filter(None, other.columns)}
    return index.method == other.method == "btree" and not index.unique and not index.pinned and not other.attached and index.predicate == other.predicate and \
        len(index.keys) < len(other.keys) and other.keys[:len(index.keys)] == index.keys and set(index.include) <= wide


def unproven(schema: Schema) -> Iterator[Finding]:
    for table in schema.tables.values():
        for index in table.indexes:
            if not index.valid:
                yield Finding(RULES["invalid-index"], table.name, {}, "pg_index.indisvalid is false", index.name, f"DROP INDEX CONCURRENTLY {qualified(index.schema, index.name)}")
    for fact in schema.catalogue.of_kind("constraint"):
        if fact.attributes["definition"].endswith(" NOT VALID"):
            name = fact.id.name
            yield Finding(RULES["invalid-constraint"], shown(name[:2]), {}, "NOT VALID", name[2], f"ALTER TABLE {qualified(*name[:2])} VALIDATE CONSTRAINT {ident(name[2])}")


def key_types(schema: Schema) -> Iterator[Finding]:
    for key in schema.foreign_keys:
        target = schema.tables.get(key.target)
        for column, referenced in zip(key.columns, key.target_columns if target else ()):
            own, other = (plain(one.columns.get(name, {}).get("type", "")) for one, name in ((schema.tables[key.table], column), (target, referenced)))
            if own and other and own != other:
                yield Finding(RULES["fk-type-mismatch"], shown(key.table.name), {"column": column, "type": own, "target": f"{shown(key.target.name)}.{referenced}",
                                                                                 "target_type": other}, f"{own} and {other}", key.name)


def plain(type: str) -> str:
    """Types that hold the same values are one."""
    return re.sub(r"\(.*?\)", "", type).replace("character varying", "text")


def nullable_unique(schema: Schema) -> Iterator[Finding]:
    for table in schema.roots():
        for index in table.indexes:
            nullable = [name for name in index.columns if name and not table.columns[name].get("not_null")]
            if index.unique and len(index.columns) > 1 and nullable and not index.nulls_equal and not index.predicate:
                yield Finding(RULES["nullable-unique"], table.name, {"columns": ", ".join(index.keys), "nullable": ", ".join(nullable)}, f"nullable: {', '.join(nullable)}",
                              index.name)


def cascades(schema: Schema) -> Iterator[Finding]:
    follows: dict[Id, list[Id]] = {}
    for key in schema.foreign_keys:
        if " ON DELETE CASCADE" in key.rest and key.table != key.target and key.target in schema.tables:
            follows.setdefault(key.target, []).append(key.table)
    below = {table for tables in follows.values() for table in tables}
    for start in sorted(follows.keys() - below):
        path, reached, _ = deepest(start, follows)
        if len(path) > LONG_CHAIN:
            text = " -> ".join(shown(one.name) for one in path[:MOST_NAMED + 3])
            yield Finding(RULES["cascade-chain"], shown(start.name), {"depth": len(path) - 1, "count": len(reached) - 1, "path": text},
                          f"{len(reached) - 1} tables over {len(path) - 1} levels")
    ringed: set[Id] = set()
    for start in on_rings(follows):
        if start not in ringed:
            ring = deepest(start, follows)[2]
            ringed |= set(ring)
            yield Finding(RULES["cascade-cycle"], shown(start.name), {"path": " -> ".join(shown(one.name) for one in ring[:MOST_NAMED + 3])}, f"{len(ring) - 1} foreign keys")


def on_rings(follows: dict[Id, list[Id]]) -> Iterator[Id]:
    """A table of each ring, by one walk in depth."""
    done: dict[Id, bool] = {}
    for root in sorted(follows):
        stack = [(root, iter(follows[root]))] if root not in done else []
        done.setdefault(root, False)
        while stack:
            table, children = stack[-1]
            if (child := next(children, None)) is None:
                done[table] = True
                stack.pop()
            elif child not in done:
                done[child] = False
                stack.append((child, iter(follows.get(child, ()))))
            elif not done[child]:
                yield child


def deepest(start: Id, follows: dict[Id, list[Id]]) -> tuple[list[Id], set[Id], list[Id]]:
    """By breadth: a path to one of the farthest tables, all that are reached, and a ring through start ([] without one)."""
    came: dict[Id, Id | None] = {start: None}
    waiting, last, ring = [start], start, []
    for table in waiting:
        last = table
        for child in follows.get(table, ()):
            if child == start and not ring:
                ring = [*way(table, came), start]
            if child not in came:
                came[child] = table
                waiting.append(child)
    return way(last, came), set(came), ring


def way(table: Id | None, came: dict[Id, Id | None]) -> list[Id]:
    steps = []
    while table:
        steps.append(table)
        table = came[table]
    return steps[::-1]


def columns(schema: Schema) -> Iterator[Finding]:
    """One finding for a table and rule, with all its columns."""
    chosen = functools.lru_cache(maxsize=None)(lambda name, type: tuple(code for code, meant in COLUMN_RULES.items() if meant(name, type)))
    for table in schema.roots():
        found: dict[str, list[str]] = {}
        for name, attributes in table.columns.items():
            for code in chosen(name, attributes["type"]):
                found.setdefault(code, []).append(f"{name} {attributes['type']}")
        for code, places in found.items():
            yield Finding(RULES[code], table.name, {"columns": some([one.partition(" ")[0] for one in places])}, some(places))


def serials(schema: Schema) -> Iterator[Finding]:
    owned: dict[tuple, list[str]] = {}
    for fact in schema.catalogue.of_kind("sequence_owner"):
        *table, column = fact.attributes["column"]
        owned.setdefault(tuple(table), []).append(column)
    for table in schema.roots():
        if found := owned.get(table.fact.id.name):
            yield Finding(RULES["serial-column"], table.name, {"columns": some(found)}, "a sequence that belongs to the column")
        type = table.columns.get(table.primary[0], {}).get("type") if len(table.primary) == 1 else None
        referencing = any(key.columns == table.primary for key in table.foreign_keys)
        if type in SMALL and not referencing and (table.primary[0] in (found or ()) or "identity" in table.columns[table.primary[0]]):
            yield Finding(RULES["small-key"], table.name, {"columns": table.primary[0], "limit": SMALL[type]}, f"{type}, filled by a sequence")


def security(schema: Schema) -> Iterator[Finding]:
    policies: dict[Id, list[str]] = {}
    for fact in schema.catalogue.of_kind("policy"):
        policies.setdefault(fact.parent, []).append(fact.id.name[2])
    for identity, table in schema.tables.items():
        on, own = table.fact.attributes.get("row_security"), policies.get(identity)
        if on and not own:
            yield Finding(RULES["rls-without-policy"], table.name, {}, "row level security on, 0 policies")
        if own and not on:
            yield Finding(RULES["policy-without-rls"], table.name, {"columns": some(own)}, f"{len(own)} policies", sql=f"ALTER TABLE {table.sql} ENABLE ROW LEVEL SECURITY")
    for fact in schema.catalogue.of_kind("grant"):
        table = schema.tables.get(Id("table", fact.id.name[1:3])) if fact.id.name[0] in ("table", "column") and fact.id.name[-1] == "public" else None
        if table:
            yield public_grant(table, fact)


def public_grant(table: Table, fact: Fact) -> Finding:
    privileges = sorted({entry[2] for entry in fact.attributes["entries"]})
    kind, words = fact.id.name[0], ", ".join(privileges)
    names = f" ({ident(fact.id.name[3])})" if kind == "column" else ""
    revoke = f"REVOKE {', '.join(one + names for one in privileges)} ON {table.sql} FROM PUBLIC"
    return Finding(RULES["public-grant"], table.name, {"privileges": words + names}, f"granted to PUBLIC: {words}", sql=revoke, severity=ERROR
                   if set(privileges) - {"SELECT", "REFERENCES"} else "")


def definers(schema: Schema) -> Iterator[Finding]:
    for fact in schema.catalogue.of_kind("function", "procedure"):
        head = re.split(r"^(?:AS |BEGIN ATOMIC)", fact.attributes.get("definition", ""), maxsplit=1, flags=re.M)[0]
        if DEFINER.search(head) and not SETS_PATH.search(head):
            name = f"{qualified(*fact.id.name[:2])}({fact.id.name[2]})"
            yield Finding(RULES["definer-without-search-path"], "", {}, "SECURITY DEFINER and no SET search_path", name,
                          f"ALTER {fact.id.kind.upper()} {name} SET search_path = pg_catalog, pg_temp")


def table_settings(schema: Schema) -> Iterator[Finding]:
    for table in schema.tables.values():
        if table.fact.attributes.get("persistence") == "u":
            yield Finding(RULES["unlogged-table"], table.name, {}, "relpersistence u", sql=f"ALTER TABLE {table.sql} SET LOGGED")
        if any(re.match(r"autovacuum_enabled=(false|off|0|no)$", option, re.I) for option in table.fact.attributes.get("options", ())):
            yield Finding(RULES["autovacuum-off"], table.name, {}, "autovacuum_enabled=false", sql=f"ALTER TABLE {table.sql} RESET (autovacuum_enabled)")


def some(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    found = list(names)
    return ", ".join(found[:MOST_NAMED]) + (f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else "")


FINDERS = (foreign_key_indexes, primary_keys, needless_indexes, unproven, key_types, nullable_unique, cascades, columns, serials, security, definers, table_settings)
