"""What is wrong with a schema as it is defined: the rules as data, and what finds the places that they speak of."""
from __future__ import annotations

import functools
import graphlib
import re
from typing import Any, Callable, Iterable, Iterator, NamedTuple

from senior_backend.migrate.analyze.schema import Index, Schema, Table, shown
from senior_backend.postgres.model import Fact, Id
from senior_backend.postgres.quote import ident, listed, qualified

ERROR, WARNING, SUGGESTION = SEVERITIES = ("error", "warning", "suggestion")
REFERENCE = "references/database_findings.md"
LONG_CHAIN, MOST_NAMED = 3, 5


class Rule(NamedTuple):
    """message, suggestion, evidence (facts and measured figures) and sql (a statement that mends it, where one does) are formats over what the finder gives."""
    code: str
    severity: str
    category: str
    message: str
    suggestion: str
    evidence: str
    sql: str = ""


class Finding:
    """table: the name for people, "" for the database. values: for the formats; those that are told apart from them: object (what exactly), severity (where it is not the rule's)."""

    def __init__(self, rule: Rule, table: Table | str, values: dict[str, Any]):
        self.rule, self.values = rule, values
        self.table, values["table_sql"] = (table.name, table.sql) if isinstance(table, Table) else (table, "")
        self.object, self.severity = values.get("object", ""), values.pop("severity", "") or rule.severity

    def told(self, text: str, **more: str) -> str:
        return text.format(table=self.table, **self.values, **more)

    @functools.cached_property
    def sql(self) -> str:
        return self.told(self.rule.sql)

    @property
    def message(self) -> str:
        return self.told(self.rule.message)

    @property
    def suggestion(self) -> str:
        return self.told(self.rule.suggestion, sql=self.sql)

    @property
    def evidence(self) -> str:
        return self.told(self.rule.evidence)

    def as_json(self) -> dict[str, Any]:
        return {"severity": self.severity, "category": self.rule.category, "table": self.table, "message": self.message, "suggestion": self.suggestion, "code": self.rule.code,
                "evidence": self.evidence, "reference": f"{REFERENCE}#{self.rule.code}", "object": self.object, **({"sql": self.sql} if self.sql else {})}


RULES: dict[str, Rule] = {}


def known(*rules: Rule) -> None:
    RULES.update((rule.code, rule) for rule in rules)


def found(code: str, table: Table | str, **values: Any) -> Finding:
    return Finding(RULES[code], table, values)


known(
    Rule("fk-without-index", WARNING, "indexes", "foreign key {object} ({columns}) has no usable index: each delete or key change in {target} reads all of {table}", "{sql}",
         "{indexes} indexes, none begins with ({columns})", "CREATE INDEX{concurrently} ON {table_sql} ({columns_sql})"),
    Rule("no-primary-key", ERROR, "keys", "no primary key", "add one: an identity column, or the columns that tell rows apart ({unique})", "{columns} columns, {indexes} indexes"),
    Rule("duplicate-index", WARNING, "indexes", "index {object} is the same as {other}: it costs writes and finds nothing more", "{sql}", "{object} ({keys}), {other} ({other_keys})", "{drop}"),
    Rule("redundant-index", WARNING, "indexes", "index {object} is the beginning of {other}, which finds the same", "{sql} once no query orders or covers by it alone",
         "{object} ({keys}), {other} ({other_keys})", "{drop}"),
    Rule("invalid-index", ERROR, "indexes", "index {object} is invalid: it is written and never read", "{sql}, then build it again with CREATE INDEX CONCURRENTLY",
         "pg_index.indisvalid is false", "DROP INDEX CONCURRENTLY {index_sql}"),
    Rule("invalid-constraint", WARNING, "constraints", "constraint {object} was never validated: old rows may break it", "{sql}", "NOT VALID",
         "ALTER TABLE {of_sql} VALIDATE CONSTRAINT {object_sql}"),
    Rule("fk-type-mismatch", WARNING, "types", "foreign key {object}: {column} is {type}, {target} is {target_type}", "give both columns one type", "{type} and {target_type}"),
    Rule("nullable-unique", WARNING, "constraints", "unique {object} ({columns}) lets rows with NULL in {nullable} repeat",
         "make them NOT NULL, or use NULLS NOT DISTINCT (PostgreSQL 15), or a partial unique index", "nullable: {nullable}"),
    Rule("cascade-chain", WARNING, "constraints", "one DELETE goes on by CASCADE over {depth} levels to {count} tables ({path})",
         "use RESTRICT where a chain should end, and delete in batches by the application", "{count} tables over {depth} levels"),
    Rule("cascade-cycle", WARNING, "constraints", "foreign keys with ON DELETE CASCADE form a ring: {path}", "break it with SET NULL or RESTRICT: one DELETE may empty all of them",
         "{count} foreign keys"),
    Rule("timestamp-without-time-zone", WARNING, "types", "timestamp without time zone: {columns}",
         "use timestamptz: these values change their meaning with the TimeZone of whoever wrote them", "{typed}"),
    Rule("time-with-time-zone", SUGGESTION, "types", "time with time zone: {columns}", "use timestamptz, or time and a zone's name: an offset without a date is no zone", "{typed}"),
    Rule("money-type", WARNING, "types", "type money: {columns}", "use numeric(12,2) and a currency column: money's output and precision depend on lc_monetary", "{typed}"),
    Rule("float-money", ERROR, "types", "amounts of money as binary fractions: {columns}", "use numeric(12,2), or integers of the smallest unit: float loses cents", "{typed}"),
    Rule("char-type", SUGGESTION, "types", "char(n), padded with blanks: {columns}", "use text with a CHECK on its length, or varchar(n)", "{typed}"),
    Rule("json-type", SUGGESTION, "types", "json: {columns}", "use jsonb: it is indexed and compared, json is text", "{typed}"),
    Rule("text-for-date", SUGGESTION, "types", "dates as text: {columns}", "use timestamptz or date: text is neither checked nor sorted as time", "{typed}"),
    Rule("text-for-uuid", SUGGESTION, "types", "UUIDs as text: {columns}", "use uuid: 16 bytes instead of 37 in the table and in each index", "{typed}"),
    Rule("serial-column", SUGGESTION, "keys", "serial instead of an identity column: {columns}",
         "use GENERATED BY DEFAULT AS IDENTITY: its sequence goes with the column, without grants of its own", "a sequence that belongs to the column"),
    Rule("small-key", SUGGESTION, "keys", "primary key {columns} ends at {limit}", "use bigint while the table is small: later it is a rewrite", "{type}, filled by a sequence"),
    Rule("rls-without-policy", WARNING, "security", "row level security is on and no policy is there: nobody but the owner sees a row", "add policies, or switch it off",
         "row level security on, 0 policies"),
    Rule("policy-without-rls", ERROR, "security", "policies {columns} do nothing: row level security is off", "{sql}", "{count} policies", "ALTER TABLE {table_sql} ENABLE ROW LEVEL SECURITY"),
    Rule("public-grant", WARNING, "security", "everybody (PUBLIC) may {privileges}{on_columns}", "{sql}, and grant to the roles that need it", "granted to PUBLIC: {privileges}",
         "REVOKE {revoked} ON {table_sql} FROM PUBLIC"),
    Rule("definer-without-search-path", WARNING, "security", "function {object} runs as its owner with the caller's search_path", "{sql}", "SECURITY DEFINER and no SET search_path",
         "ALTER {kind} {object} SET search_path = pg_catalog, pg_temp"),
    Rule("unlogged-table", WARNING, "durability", "unlogged: empty after a crash, and absent on replicas", "{sql}, unless the rows can be made again", "relpersistence u",
         "ALTER TABLE {table_sql} SET LOGGED"),
    Rule("autovacuum-off", WARNING, "maintenance", "autovacuum is switched off for this table", "{sql}", "autovacuum_enabled=false", "ALTER TABLE {table_sql} RESET (autovacuum_enabled)"),
)


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
AUTOVACUUM_OFF = re.compile(r"autovacuum_enabled=(false|off|0|no)$", re.I)


def check(schema: Schema) -> list[Finding]:
    return [finding for find in FINDERS for finding in find(schema)]


def foreign_key_indexes(schema: Schema) -> Iterator[Finding]:
    for key in schema.foreign_keys:
        table = schema.tables[key.table]
        if not table.served(key.columns):
            yield found("fk-without-index", table, object=key.name, columns=", ".join(key.columns), columns_sql=listed(key.columns), target=shown(key.target.name), key=(key.table, key.columns),
                        indexes=len(table.indexes), concurrently="" if table.partitioned else " CONCURRENTLY")


def primary_keys(schema: Schema) -> Iterator[Finding]:
    for table in schema.roots():
        if not table.primary:
            unique = [index for index in table.indexes if index.unique and not index.predicate and all(name and table.columns[name].get("not_null") for name in index.columns)]
            yield found("no-primary-key", table, unique=f"{unique[0].name} has them" if unique else "no unique index over NOT NULL columns says which", columns=len(table.columns),
                        indexes=len(table.indexes), severity=WARNING if unique else "")


def needless_indexes(schema: Schema) -> Iterator[Finding]:
    """Each index is compared with those that would stay; of equal ones the keys of constraints stay, then unique ones, then the first by name."""
    for table in schema.tables.values():
        kept: list[Index] = []
        for index in sorted(table.indexes, key=lambda one: (not one.valid, one.constraint != "p", not one.constraint, not one.unique, not one.pinned, -len(one.keys), one.name)):
            kept.append(index)
            if index.attached or not index.valid or index.constraint in ("p", "x"):
                continue
            equal = next((one for one in kept[:-1] if one.valid and same(index, one)), None)
            other = equal or next((one for one in table.indexes if one is not index and one.valid and begins(index, one)), None)
            if other:
                kept.pop()
                yield found("duplicate-index" if equal else "redundant-index", table, object=index.name, keys=", ".join(index.keys), other=other.name, other_keys=", ".join(other.keys),
                            drop=dropped(table, index))


def dropped(table: Table, index: Index) -> str:
    if index.constraint:
        return f"ALTER TABLE {table.sql} DROP CONSTRAINT {ident(index.name)}"
    return f"DROP INDEX {'' if table.partitioned else 'CONCURRENTLY '}{qualified(index.schema, index.name)}"


def same(index: Index, other: Index) -> bool:
    """Whether the other does all that the index does."""
    return (index.method, index.keys, index.predicate) == (other.method, other.keys, other.predicate) and set(index.include) <= other.holds and \
        (not index.unique or other.unique and index.nulls_equal == other.nulls_equal)


def begins(index: Index, other: Index) -> bool:
    return index.method == other.method == "btree" and not index.unique and not index.pinned and not other.attached and index.predicate == other.predicate and \
        len(index.keys) < len(other.keys) and other.keys[:len(index.keys)] == index.keys and set(index.include) <= other.holds


def unproven(schema: Schema) -> Iterator[Finding]:
    for table in schema.tables.values():
        yield from (found("invalid-index", table, object=index.name, index_sql=qualified(index.schema, index.name)) for index in table.indexes if not index.valid)
    for fact in schema.catalogue.of_kind("constraint"):
        if fact.attributes["definition"].endswith(" NOT VALID"):
            *table, name = fact.id.name
            yield found("invalid-constraint", shown(table), object=name, of_sql=qualified(*table), object_sql=ident(name))


def key_types(schema: Schema) -> Iterator[Finding]:
    for key in schema.foreign_keys:
        target = schema.tables.get(key.target)
        for column, referenced in zip(key.columns, key.target_columns if target else ()):
            own, other = (plain(one.columns.get(name, {}).get("type", "")) for one, name in ((schema.tables[key.table], column), (target, referenced)))
            if own and other and own != other:
                yield found("fk-type-mismatch", shown(key.table.name), object=key.name, column=column, type=own, target=f"{shown(key.target.name)}.{referenced}", target_type=other)


def plain(type: str) -> str:
    """Types that hold the same values are one."""
    return re.sub(r"\(.*?\)", "", type).replace("character varying", "text")


def nullable_unique(schema: Schema) -> Iterator[Finding]:
    for table in schema.roots():
        for index in table.indexes:
            nullable = [name for name in index.columns if name and not table.columns[name].get("not_null")]
            if index.unique and len(index.columns) > 1 and nullable and not index.nulls_equal and not index.predicate:
                yield found("nullable-unique", table, object=index.name, columns=", ".join(index.keys), nullable=", ".join(nullable))


def cascades(schema: Schema) -> Iterator[Finding]:
    follows: dict[Id, list[Id]] = {}
    for key in schema.foreign_keys:
        if " ON DELETE CASCADE" in key.rest and key.table != key.target and key.target in schema.tables:
            follows.setdefault(key.target, []).append(key.table)
    below = {table for tables in follows.values() for table in tables}
    for start in sorted(follows.keys() - below):
        came, waiting = {start: [start]}, [start]           # by breadth: the last one is one of the farthest
        for table in waiting:
            for child in follows.get(table, ()):
                if child not in came:
                    came[child] = [*came[table], child]
                    waiting.append(child)
        path = came[waiting[-1]]
        if len(path) > LONG_CHAIN:
            yield found("cascade-chain", schema.tables[start], depth=len(path) - 1, count=len(came) - 1, path=arrows(path))
    for ring in rings(follows):
        yield found("cascade-cycle", schema.tables[ring[0]], path=arrows(ring), count=len(ring) - 1)


def arrows(path: list[Id]) -> str:
    return " -> ".join(shown(one.name) for one in path[:MOST_NAMED + 3])


def rings(follows: dict[Id, list[Id]]) -> Iterator[list[Id]]:
    """Rings that have no table in common; each begins and ends with the same one."""
    while True:
        try:
            graphlib.TopologicalSorter(follows).prepare()
            return
        except graphlib.CycleError as error:
            ring = error.args[1][::-1]
            yield ring
            follows = {table: [child for child in children if child not in ring] for table, children in follows.items() if table not in ring}


def columns(schema: Schema) -> Iterator[Finding]:
    """One finding for a table and rule, with all its columns."""
    chosen = functools.lru_cache(maxsize=None)(lambda name, type: tuple(code for code, meant in COLUMN_RULES.items() if meant(name, type)))
    for table in schema.roots():
        places: dict[str, list[tuple[str, str]]] = {}
        for name, attributes in table.columns.items():
            for code in chosen(name, attributes["type"]):
                places.setdefault(code, []).append((name, attributes["type"]))
        for code, pairs in places.items():
            yield found(code, table, columns=some(name for name, _ in pairs), typed=some(map(" ".join, pairs)))


def serials(schema: Schema) -> Iterator[Finding]:
    owned: dict[tuple, list[str]] = {}
    for fact in schema.catalogue.of_kind("sequence_owner"):
        *table, column = fact.attributes["column"]
        owned.setdefault(tuple(table), []).append(column)
    for table in schema.roots():
        own = owned.get(table.fact.id.name, [])
        if own:
            yield found("serial-column", table, columns=some(own))
        key = table.primary[0] if len(table.primary) == 1 else ""
        type = table.columns.get(key, {}).get("type")
        if type in SMALL and (key in own or "identity" in table.columns[key]) and not any(one.columns == table.primary for one in table.foreign_keys):
            yield found("small-key", table, columns=key, limit=SMALL[type], type=type)


def security(schema: Schema) -> Iterator[Finding]:
    policies: dict[Id, list[str]] = {}
    for fact in schema.catalogue.of_kind("policy"):
        policies.setdefault(fact.parent, []).append(fact.id.name[2])
    for identity, table in schema.tables.items():
        on, own = table.fact.attributes.get("row_security"), policies.get(identity)
        if on and not own:
            yield found("rls-without-policy", table)
        if own and not on:
            yield found("policy-without-rls", table, columns=some(own), count=len(own))
    for fact in schema.catalogue.of_kind("grant"):
        table = schema.tables.get(Id("table", fact.id.name[1:3])) if fact.id.name[0] in ("table", "column") and fact.id.name[-1] == "public" else None
        if table:
            yield public_grant(table, fact)


def public_grant(table: Table, fact: Fact) -> Finding:
    privileges = sorted({entry[2] for entry in fact.attributes["entries"]})
    names = f" ({ident(fact.id.name[3])})" if fact.id.name[0] == "column" else ""
    return found("public-grant", table, privileges=", ".join(privileges), on_columns=names, revoked=", ".join(one + names for one in privileges),
                 severity=ERROR if set(privileges) - {"SELECT", "REFERENCES"} else "")


def definers(schema: Schema) -> Iterator[Finding]:
    for fact in schema.catalogue.of_kind("function", "procedure"):
        head = re.split(r"^(?:AS |BEGIN ATOMIC)", fact.attributes.get("definition", ""), maxsplit=1, flags=re.M)[0]
        if DEFINER.search(head) and not SETS_PATH.search(head):
            yield found("definer-without-search-path", "", object=f"{qualified(*fact.id.name[:2])}({fact.id.name[2]})", kind=fact.id.kind.upper())


def table_settings(schema: Schema) -> Iterator[Finding]:
    for table in schema.tables.values():
        if table.fact.attributes.get("persistence") == "u":
            yield found("unlogged-table", table)
        if any(map(AUTOVACUUM_OFF.match, table.fact.attributes.get("options", ()))):
            yield found("autovacuum-off", table)


def some(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    found = list(names)
    return ", ".join(found[:MOST_NAMED]) + (f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else "")


FINDERS = (foreign_key_indexes, primary_keys, needless_indexes, unproven, key_types, nullable_unique, cascades, columns, serials, security, definers, table_settings)
