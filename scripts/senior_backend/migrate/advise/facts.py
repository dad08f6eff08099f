"""What is known of the target without looking at its rows: sizes, counters, settings, and the planner's statistics of the columns that matter."""
from __future__ import annotations

import dataclasses
import pathlib
from typing import TYPE_CHECKING, Any, Iterable

from senior_backend import dependencies
from senior_backend.migrate.analyze import measured
from senior_backend.migrate.analyze.rules import TEXT, some
from senior_backend.migrate.analyze.schema import Schema, Table, shown
from senior_backend.postgres.model import Id

if TYPE_CHECKING:
    import psycopg

QUERIES = pathlib.Path(__file__).with_name("queries.sql")
NEEDED = {
    "relations": "sizes and write counters", "indexes": "sizes of indexes", "server": "settings of the database", "settings": "planner settings",
    "unusable": "indexes that cannot be used yet",
    "activity": "statements as they were sent",
}
PAGE, IMAGINED = 8192, 100_000
GUESSED_ROW, GUESSED_DIFFERENT = 100, 200           # bytes; what PostgreSQL takes for values that it knows nothing of
Name = tuple[str, str]


@dataclasses.dataclass(slots=True)
class Column:
    """As pg_stats has it. distinct: their number, or minus their share of the rows, 0 unknown; values and shares: the most common; bounds: of the others, in equal parts.

    elements: the most common of arrays; each: how many there are in the average row.
    """
    name: str
    type: str
    category: str = ""
    not_null: bool = False
    nulls: float = 0.0
    width: int = 16
    distinct: float = 0.0
    values: list[str] = dataclasses.field(default_factory=list)
    shares: list[float] = dataclasses.field(default_factory=list)
    bounds: list[str] = dataclasses.field(default_factory=list)
    elements: list[str] = dataclasses.field(default_factory=list)
    each: float = 0.0
    correlation: float = 0.0
    known: bool = False

    def different(self, rows: float) -> float:
        if not self.distinct:
            return min(rows, GUESSED_DIFFERENT) or 1
        return max(self.distinct if self.distinct > 0 else -self.distinct * rows, 1)

    @property
    def listed(self) -> bool:
        """Whether all its values are known, and few."""
        return bool(self.values) and not self.bounds and len(self.values) <= 30 and self.distinct > 0


@dataclasses.dataclass(slots=True)
class Relation:
    """A table, a partition, or a materialized view. root: the partitioned table that it is a part of, or itself. visible: the share of pages that an index-only scan need not look at."""
    oid: int
    name: Name
    kind: str
    root: Name
    pages: int
    rows: float
    raw: dict[str, Any]
    columns: dict[str, Column] = dataclasses.field(default_factory=dict)


class Facts:
    """missing: what could not be asked, and what lacks for it. imagined: of a file, where nothing was measured."""

    def __init__(self, parts: dict[str, list[dict[str, Any]]], path: str, missing: list[str], imagined: bool = False):
        self.parts, self.path, self.missing, self.imagined = parts, path, missing, imagined
        self.sql = dict(zip(*[iter(measured.PART.split(QUERIES.read_text("utf-8"))[1:])] * 2))
        self.relations = {(one["schema"], one["name"]): relation(one) for one in parts.get("relations", ())}
        self.by_oid = {one.oid: one for one in self.relations.values()}
        self.indexes = {(one["schema"], one["name"]): one for one in parts.get("indexes", ())}
        self.statistics: list[dict[str, Any]] = []
        self._indexes: dict[int, list[dict[str, Any]]] = {}
        self._by_name: dict[str, list[Relation]] = {}
        for one in self.indexes.values():
            self._indexes.setdefault(one["table"], []).append(one)
        for one in self.relations.values():
            self._by_name.setdefault(one.name[1], []).append(one)
            if one.root != one.name and (root := self.relations.get(one.root)):
                root.pages, root.rows = root.pages + one.pages, root.rows + one.rows
                for name in ("inserted", "updated", "hot", "deleted"):
                    root.raw[name] += one.raw[name]

    @classmethod
    def read(cls, session: psycopg.Connection[Any]) -> Facts:
        """session: it is made read-only."""
        missing: list[str] = []
        path = session.execute("SHOW search_path").fetchone()[0]
        text = QUERIES.read_text("utf-8").partition("-- part columns\n")[0]
        return cls(measured.gather(session, text, NEEDED, missing), path, missing)

    @classmethod
    def imagine(cls, schema: Schema) -> Facts:
        """Of tables that nobody has counted: IMAGINED rows each."""
        counters = dict.fromkeys(("visible", "inserted", "updated", "hot", "deleted"), 0)
        pages, relations, indexes = IMAGINED // 60, [], []
        for number, (one, table) in enumerate(schema.tables.items(), 1):
            root = root_of(schema, table)
            relations.append({"oid": number, "schema": one.name[0], "name": one.name[1], "kind": "p" if "partitioned" in table.fact.attributes else "r",
                              "root_schema": root[0], "root_name": root[1], "pages": pages, "rows": IMAGINED, "pages_then": pages, **counters})
            indexes += [{"oid": 0, "table": number, "schema": index.schema, "name": index.name, "pages": pages // 4, "rows": IMAGINED, "valid": index.valid,
                         "unique": index.unique, "partial": bool(index.predicate), "method": index.method, "columns": [name or "" for name in index.columns]}
                        for index in table.indexes]
        facts = cls({"relations": relations, "indexes": indexes, "server": [{"trigrams_possible": True}]}, "public", [], True)
        for one in facts.relations.values():
            columns = schema.tables[Id("table", one.name)].columns
            types = {name: attributes["type"] for name, attributes in columns.items()}
            one.columns = {name: Column(name, type, "A" if type.endswith("]") else "S" if TEXT.match(type) else "") for name, type in types.items()}
        return facts

    def find(self, schema: str, name: str) -> Relation | None:
        """The relation of a name in a statement: by its schema, else the first of search_path, else the only one of this name."""
        if schema:
            return self.relations.get((schema, name))
        named = self._by_name.get(name, [])
        order = [one.strip().strip('"') for one in self.path.split(",")]
        return next((self.relations[place, name] for place in order if (place, name) in self.relations), named[0] if len(named) == 1 else None)

    def indexes_of(self, relation: Relation) -> list[dict[str, Any]]:
        return self._indexes.get(relation.oid, [])

    @property
    def server(self) -> dict[str, Any]:
        return (self.parts.get("server") or [{}])[0]

    @property
    def miss_share(self) -> float:
        """Of the blocks that were asked for, how many were not in the cache."""
        hits, fetched = self.server.get("hits") or 0, self.server.get("fetched") or 0
        return 1 - hits / fetched if fetched > 10_000 else 0.05

    def learn(self, session: psycopg.Connection[Any], names: Iterable[Name]) -> None:
        """Read columns and their statistics; of all partitions, and of the expressions in indexes."""
        roots = {self.relations[name].root for name in names if name in self.relations}
        tables = {one.oid for one in self.relations.values() if one.root in roots}
        indexes = [one["oid"] for one in self.indexes.values() if one["table"] in tables]
        try:
            cursor = session.execute(self.sql["columns"], [[*tables, *indexes]])
        except dependencies.require("psycopg").errors.InsufficientPrivilege:
            cursor = session.execute(self.sql["columns"].replace(" pg_stats s ", " (select (null::pg_stats).*) s "), [[*tables, *indexes]])
        heads = [column.name for column in cursor.description]
        self.statistics = [dict(zip(heads, row)) for row in cursor]
        for one in self.statistics:
            owner = self.by_oid.get(one["oid"])
            if owner and (one["name"] not in owner.columns or one["inherited"] == (owner.kind == "p")):
                owner.columns[one["name"]] = column(one)
        filled = [one for one in self.by_oid.values() if one.oid in tables and one.rows > 0]
        blank = [shown(one.name) for one in filled if not any(column.known for column in one.columns.values())]
        if blank:
            self.missing.append(f"statistics of {some(blank)}: never analyzed, or not to be read by this role (GRANT SELECT); the planner's defaults stand in")


def root_of(schema: Schema, table: Table) -> Name:
    while table.partition_of and (above := schema.tables.get(table.partition_of)):
        table = above
    return table.fact.id.name


def relation(row: dict[str, Any]) -> Relation:
    """Rows by the planner's last count, as much more as the table has grown since."""
    pages, then = row["pages"], row["pages_then"]
    rows = row["rows"] * (pages / then if then and row["kind"] != "p" else 1) if row["rows"] >= 0 else pages * PAGE / GUESSED_ROW
    root = (row["root_schema"], row["root_name"])
    return Relation(row["oid"], (row["schema"], row["name"]), row["kind"], root, pages, 0 if row["kind"] == "p" else rows, row)


def column(row: dict[str, Any]) -> Column:
    given = {name: row[name] for name in ("nulls", "width", "distinct", "values", "shares", "bounds", "elements", "correlation") if row[name] is not None}
    each = (row["element_counts"] or [0.0])[-1]
    return Column(row["name"], row["type"], row["category"], row["not_null"], each=each, known=row["nulls"] is not None, **given)
