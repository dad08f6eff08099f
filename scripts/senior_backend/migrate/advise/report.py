"""From chosen indexes to suggestions: names, statements, evidence, and the pair of migration files."""
from __future__ import annotations

import dataclasses
import hashlib
from typing import Any, Iterable, Iterator, Sequence

from senior_backend.console import VERSION
from senior_backend.migrate import output
from senior_backend.migrate.advise.candidates import Candidate
from senior_backend.migrate.advise.choice import Choice, Query
from senior_backend.migrate.advise.facts import PAGE, Facts
from senior_backend.migrate.advise.plans import Key
from senior_backend.migrate.analyze import rules
from senior_backend.migrate.analyze.schema import Index, Schema, column_of, shown
from senior_backend.migrate.kinds.constraints import HEAD
from senior_backend.migrate.steps import Step
from senior_backend.postgres.model import Catalogue, Id
from senior_backend.postgres.quote import ident, qualified

MOST_BYTES, MOST_QUERIES = 63, 5
NO_EVIDENCE = "no evidence: a guess from the schema; whether rows are looked up by it, or deleted from the other table, was not seen"
NAMED = ("table", "index", "constraint", "view", "materialized_view", "sequence", "foreign_table", "composite_type")
PURPOSE = {"gin": "finds what is in {keys}", "gist": "finds what overlaps {keys}", "brin": "skips the stretches of the table that {keys} rules out"}


@dataclasses.dataclass
class Suggestion:
    """action: create, drop, extension. queries: the statements it helps, with figures; measured: what --verify found. up, down: as steps of a migration; candidate: of a new index."""
    action: str
    table: str
    columns: list[str]
    reason: str
    sql: str
    evidence: str
    index: str = ""
    guess: bool = False
    bytes: int | None = None
    queries: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    writers: str = ""
    measured: dict[str, Any] | None = None
    up: list[Step] = dataclasses.field(default_factory=list)
    down: list[Step] = dataclasses.field(default_factory=list)
    candidate: Candidate | None = None

    def as_json(self) -> dict[str, Any]:
        names = ("action", "table", "columns", "reason", "sql", "evidence", "index", "guess", "queries", "writers", "measured")
        return {**{name: getattr(self, name) for name in names}, "size_bytes": self.bytes}


class Names:
    """Names that nobody has in a schema, as PostgreSQL would choose them."""

    def __init__(self, catalogue: Catalogue):
        self.taken = {(one.name[0], one.name[-1]) for one in catalogue.facts if one.kind in NAMED}

    def free(self, schema: str, wanted: str) -> str:
        name, number = cut(wanted, "_idx"), 1
        while (schema, name) in self.taken:
            number += 1
            name = cut(wanted, f"_idx{number}")
        self.taken.add((schema, name))
        return name


def cut(wanted: str, end: str) -> str:
    """At most 63 bytes, told apart by a digest where something is lost.

    >>> cut("orders_user_id", "_idx"), len(cut("o" * 80, "_idx"))
    ('orders_user_id_idx', 63)
    """
    if len((wanted + end).encode()) <= MOST_BYTES:
        return wanted + end
    end = "_" + hashlib.sha256(wanted.encode()).hexdigest()[:6] + end
    return wanted.encode()[:MOST_BYTES - len(end)].decode(errors="ignore") + end


class Writer:
    """Suggestions of one run."""

    def __init__(self, facts: Facts, catalogue: Catalogue, schema: Schema):
        self.facts, self.schema, self.names = facts, schema, Names(catalogue)
        self.confirmed: set[Candidate] = set()

    def chosen(self, choice: Choice, found: Sequence[Candidate]) -> Iterator[Suggestion]:
        extensions: set[str] = set()
        for one in found:
            if one.extension and not self.facts.server.get("trigrams") and one.extension not in extensions:
                extensions.add(one.extension)
                yield extension(one, self.facts.imagined)
            yield self.create(choice, one)

    def create(self, choice: Choice, one: Candidate) -> Suggestion:
        queries = sorted(choice.gains(one), key=lambda query: -query.total)
        told = [figures(choice, query) for query in {id(query.statement): query for query in reversed(queries)}.values()]
        before, after = sum(query.total for query in queries), sum(query.time(choice.now(query)[1]) for query in queries)
        whole = sum(query.total for query in choice.queries) or 1.0
        rows = [f"{row['calls']:,} call{'s' * (row['calls'] != 1)}{mean(row)}, planner's cost {row['cost_before']:,.0f} -> {row['cost_after']:,.0f}" for row in told[:MOST_QUERIES]]
        evidence = "; ".join([f"{len(told)} statement{'s' * (len(told) != 1)}", *rows])
        if self.facts.imagined:
            evidence = f"no figure was measured: planned with {self.facts.relations[one.table].rows:,.0f} rows in each table; {evidence}"
        else:
            evidence += f"; together {before / whole:.1%} of the workload's time, then about {after / whole:.1%}"
            evidence += "; the database's own planner takes it too (asked with hypopg)" if one in self.confirmed else ""
        made = self.statement(choice.stage.spelled(one), reason(one, queries), evidence)
        made.guess, made.bytes, made.queries, made.writers, made.candidate = self.facts.imagined, choice.stage.bytes[one], told, writers(choice, one), one
        return made

    def statement(self, one: Candidate, reason: str, evidence: str) -> Suggestion:
        schema, table = one.table
        name, relation = self.names.free(schema, one.simple_name()), self.facts.relations[one.table]
        one = placed(one, self.facts)
        sql = one.sql(name, concurrently=relation.kind != "p" and not self.facts.imagined)
        up = [step(sql)] if relation.kind != "p" else list(self.by_partition(one, name))
        down = [step(f"DROP INDEX {'CONCURRENTLY ' * (' CONCURRENTLY ' in sql)}{qualified(schema, name)}")]
        return Suggestion("create", shown(one.table), one.columns, reason, sql, evidence, name, up=up, down=down)

    def by_partition(self, one: Candidate, name: str) -> Iterator[Step]:
        """A partitioned index without blocking writers: each partition's own, then joined. Where partitions have partitions: the plain statement."""
        parts = [relation for relation in self.facts.relations.values() if relation.root == one.table and relation.name != one.table]
        if any(relation.kind == "p" for relation in parts) or self.facts.imagined:
            yield step(one.sql(name))
            return
        yield step(one.sql(name, only=True))
        for relation in parts:
            own = self.names.free(relation.name[0], one.simple_name().replace(one.table[1], relation.name[1], 1))
            yield step(one.sql(own, concurrently=True, table=relation.name))
            yield step(f"ALTER INDEX {qualified(one.table[0], name)} ATTACH PARTITION {qualified(relation.name[0], own)}")

    def redundant(self, new: Iterable[Suggestion]) -> Iterator[Suggestion]:
        """Indexes that others of the database, or the new ones, make needless."""
        mine = {one.index for one in new}
        for one in new:
            if one.candidate and (table := self.schema.tables.get(Id("table", one.candidate.table))):
                table.indexes.append(as_index(one.candidate, one.index))
        for finding in rules.needless_indexes(self.schema):
            if finding.object not in mine and "DROP CONSTRAINT" not in finding.sql:
                yield self.drop(finding, finding.values["other"] in mine)

    def drop(self, finding: rules.Finding, replaced: bool) -> Suggestion:
        index = next(one for table in self.schema.tables.values() for one in table.indexes if finding.sql.endswith(f" {qualified(one.schema, one.name)}"))
        name = (index.schema, index.name)
        again, known, sql = self.schema.catalogue[Id("index", name)].attributes["definition"], self.facts.indexes.get(name), finding.sql
        if self.facts.imagined:
            sql = sql.replace(" CONCURRENTLY", "")
        elif "CONCURRENTLY" in sql:
            again = HEAD.sub(lambda found: f"{found[0]}CONCURRENTLY ", again, count=1)
        reason = finding.message + "; the new index does its work" * replaced
        return Suggestion("drop", finding.table, [name for name in index.columns if name], reason, sql, finding.evidence, index.name,
                          bytes=known["pages"] * PAGE if known and not self.facts.imagined else None, up=[step(sql)], down=[step(again)])

    def guesses(self, made: Sequence[Suggestion]) -> Iterator[Suggestion]:
        """Foreign keys without an index: nothing was seen that needs one. made: what is suggested already."""
        known = {(one.table, tuple(one.columns)) for one in made}
        for finding in rules.foreign_key_indexes(self.schema):
            table, columns = finding.values["key"]
            relation = self.facts.relations.get(table.name)
            here = (shown(relation.root), tuple(columns)) if relation else None
            if relation and here not in known and (self.facts.imagined or relation.pages >= 128):
                known.add(here)
                one = Candidate(relation.root, tuple(Key(ident(name), (name,)) for name in columns))
                yield dataclasses.replace(self.statement(one, finding.message, NO_EVIDENCE), guess=True)


def step(sql: str) -> Step:
    return Step(sql, transactional=" CONCURRENTLY " not in sql)


def extension(one: Candidate, imagined: bool) -> Suggestion:
    sql = f"CREATE EXTENSION IF NOT EXISTS {one.extension}"
    return Suggestion("extension", shown(one.table), one.columns, f"the index on {', '.join(one.columns)} that follows needs it", sql,
                      "pg_extension does not list it; it is among those that can be installed", guess=imagined, up=[step(sql)])


def placed(one: Candidate, facts: Facts) -> Candidate:
    """With the schema of pg_trgm's operator class, where the search_path does not lead there."""
    schema = facts.server.get("trigrams")
    if not one.extension or not schema or schema == "public":
        return one
    return dataclasses.replace(one, keys=tuple(dataclasses.replace(key, suffix=f" {qualified(schema, 'gin_trgm_ops')}") for key in one.keys))


def as_index(one: Candidate, name: str) -> Index:
    keys = [key.text + key.suffix for key in one.keys]
    return Index(name, one.table[0], one.method, keys, list(map(column_of, keys)), list(one.include), f"({one.where})" if one.where else "", False)


def figures(choice: Choice, query: Query) -> dict[str, Any]:
    """Times are the server's own; the estimate is in proportion to the planner's cost with a cached table."""
    _, after = choice.now(query)
    choice.stage.show(query.tables, choice.near(query))
    real = choice.stage.plan(query.scenario.sql)["Total Cost"]
    one, mean = query.statement, query.statement.mean
    told = {"query": one.shown, "calls": one.calls, "total_ms": one.total, "mean_ms": mean, "estimated_mean_ms": mean and query.time(after) / max(query.calls, 1e-9),
            "cost_before": query.real, "cost_after": real, **({"note": one.note} if one.note else {})}
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in told.items()}


def mean(row: dict[str, Any]) -> str:
    return "" if row["mean_ms"] is None else f", mean {row['mean_ms']:.2f} ms -> about {row['estimated_mean_ms']:.2f} ms"


def reason(one: Candidate, queries: Sequence[Query]) -> str:
    names = [key.text for key in one.keys]
    if one.method in PURPOSE:
        text = PURPOSE[one.method].format(keys=", ".join(names))
    else:
        seen = [found for query in queries for access in query.accesses if access.table == one.table
                for found in (*access.conditions, *(found for branches in access.branches for branch in branches for found in branch))]
        looked_up = {key.text for found in seen if found.kind not in ("range", "search", "unequal", "present") for key in found.keys}
        equal, rest = ([name for name in names if (name in looked_up) == wanted] for wanted in (True, False))
        text = " and ".join([f"finds rows by {', '.join(equal)}"] * bool(equal) + [f"gives them {'' if equal else 'in the '}order{'ed' if equal else ''} or bounded by {', '.join(rest)}"] * bool(rest))
    text += f"; only rows with {one.where}" if one.where else ""
    text += f"; holds {', '.join(one.include)}, so that the table itself is not read" if one.include else ""
    return text + ("; the constant in it comes from the column's statistics: see that it is the one your statements ask for" if one.assumed else "")


def writers(choice: Choice, one: Candidate) -> str:
    inserted, updated = choice.writes.entries(one)
    counted = choice.planning.facts.relations[one.table].raw
    told = [f"{inserted:,} rows inserted" if inserted else "", f"{updated:,} updates that change its columns, which are not HOT any more" if updated else ""]
    seen = " and ".join(filter(None, told))
    text = f"in this workload: {seen}" if seen else "no statement of this workload writes to it"
    if counted["inserted"] or counted["updated"]:
        hot = f", {counted['hot'] / counted['updated']:.0%} of them HOT" if counted["updated"] else ""
        text += f"; the table's counters: {counted['inserted']:,} inserts, {counted['updated']:,} updates{hot}, {counted['deleted']:,} deletes"
    return text


def pair(source: str, suggestions: Sequence[Suggestion]) -> tuple[str, str, str]:
    """What changed in a few words, the migration, its rollback."""
    new = [one for one in suggestions if one.action == "create"]
    words = (f"index {new[0].table}" if new else f"drop index {suggestions[0].index}") + (f" and {len(suggestions) - 1} more" if len(suggestions) > 1 else "")
    made = []
    for title, steps in (("migration", [one.up for one in suggestions]), ("rollback", [one.down for one in reversed(suggestions)])):
        head = [f"senior-backend {VERSION}, {title}: {words}", f"for {source}, by --suggest-indexes"]
        made.append(output.script(head, [each for own in steps for each in own], lambda hazard: hazard.message))
    return words, made[0], made[1]
