"""A stand-in for the target that plans as the target would: its schema without a row, its planner's statistics and settings, and files of the true sizes.

The planner looks at statistics, at the number of rows in pg_class and at the length of the files. So the tables here hold nothing but are as long (sparse files cost no
disk), and every kind of index can be made in a moment, shown to the planner, and hidden again. Nothing of this touches the target.
"""
from __future__ import annotations

import collections
import contextlib
import dataclasses
import itertools
import os
import pathlib
from typing import TYPE_CHECKING, Any, Collection, Iterable

from senior_backend import dependencies
from senior_backend.console import CommandError
from senior_backend.migrate import closure, plan
from senior_backend.migrate.advise import candidates as shapes
from senior_backend.migrate.advise.candidates import Candidate
from senior_backend.migrate.advise.facts import PAGE, Facts, Name, Relation
from senior_backend.migrate.advise.plans import indexes_in, nodes
from senior_backend.migrate.analyze.rules import some
from senior_backend.migrate.analyze.schema import shown
from senior_backend.migrate.bench import Bench
from senior_backend.postgres import connection, live, quote, scratch
from senior_backend.postgres.model import Catalogue, Fact, Id

if TYPE_CHECKING:
    import psycopg

MOST_BUILT = 5000           # indexes, each partition's counted: some 10 s
SEGMENT = 131072            # pages in each file of a table
PARTS = ("column", "attribute", "constraint", "index", "partition", "index_partition", "inheritance")
NAMED = ("view", "materialized_view", "function", "aggregate", "enum", "domain", "composite_type", "range_type")
LEFT_OUT = ("owner", "tablespace", "row_security", "force_row_security")
FIXED = {"max_parallel_workers_per_gather": "0", "jit": "off", "statement_timeout": "20s", "plan_cache_mode": "auto"}
LEAST_MISSES = 0.05            # the planner's cost of a page that is in memory, as a share of one that is not
BARE = {"enable_indexscan": "off", "enable_indexonlyscan": "off", "enable_bitmapscan": "off", "enable_mergejoin": "off"}
ROW = 0.015             # cost units of a row that is looked at and compared
PREFIX = "senior_backend_candidate_"


class Stage:
    """server: where it is made; names: the tables that matter; words: all words of the statements, which may name views, functions and types. CommandError or Failed when it cannot be made."""

    def __init__(self, server: scratch.Server, stack: contextlib.ExitStack, catalogue: Catalogue, facts: Facts, names: Iterable[Name], words: set[str]):
        self._start(stack, facts)
        self.name, self.catalogue, self.lacking = built(server, stack, catalogue, facts, set(names), words)
        self.server, self.text = server, server.text
        self.admin = stack.enter_context(contextlib.closing(connection.connect(server.url(self.name))))
        self.folder = pathlib.Path(self.admin.execute("SHOW data_directory").fetchone()[0])
        self._files: dict[str, int] = {}
        self._paths = {(row[0], row[1]): row[2] for row in self.admin.execute(
            "SELECT n.nspname, c.relname, pg_relation_filepath(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE c.relkind IN ('r', 'm', 'i') AND c.oid >= 16384")}
        self._furnish()
        self._open()

    def _start(self, stack: contextlib.ExitStack, facts: Facts) -> None:
        self.stack, self.facts = stack, facts
        self.candidates: dict[Candidate, list[int]] = {}
        self.bytes: dict[Candidate, int] = {}
        self._owner: dict[str, Candidate] = {}
        self._shown: set[Candidate] = set()
        self._shares: dict[tuple[Name, str], float] = {}

    def _furnish(self) -> None:
        """Statistics of columns, sizes of tables and of the indexes that are there."""
        oids = {one.oid: one.name for one in self.facts.relations.values()} | {one["oid"]: name for name, one in self.facts.indexes.items()}
        given = [one for one in self.facts.statistics if one["inherited"] or one["nulls"] is not None and oids[one["oid"]] in self._paths]
        lost = []
        for one in given:
            try:
                self.admin.execute(self.facts.sql["furnish"], {**one, "relation": quote.qualified(*oids[one["oid"]])})
            except dependencies.require("psycopg").Error:
                lost.append(f"{shown(oids[one['oid']])}.{one['name']}")
        self.facts.missing += [f"statistics of {some(lost)}: the stand-in cannot hold their values"] if lost else []
        with self.admin.cursor() as cursor:
            broken = [[quote.qualified(*name)] for name, one in self.facts.indexes.items() if not one["valid"] and name in self._paths]
            cursor.executemany("UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(%s)", broken)
        self._size()

    def _size(self) -> None:
        relations = [(one.raw["pages_then"] or one.pages, one.raw["rows"], one.raw["visible"], one.pages, one.name)
                     for one in self.facts.relations.values() if one.kind != "p"]
        indexes = [(one["pages"], one["rows"], 0, one["pages"], name) for name, one in self.facts.indexes.items()]
        known = [row for row in relations + indexes if row[4] in self._paths]
        with self.admin.cursor() as cursor:
            cursor.executemany("UPDATE pg_class SET relpages = %s, reltuples = %s, relallvisible = %s WHERE oid = to_regclass(%s)",
                               [(*row[:3], quote.qualified(*row[4])) for row in known])
        for *_, pages, name in known:
            self._lengthen(self._paths[name], pages)

    def _lengthen(self, path: str, pages: int) -> None:
        """Make a relation's files as long as so many pages, whatever they were."""
        first, needed = self.folder / path, max(1, -(-pages // SEGMENT))
        for number in range(max(needed, self._files.get(path, 1))):
            part = first if number == 0 else first.with_name(f"{first.name}.{number}")
            if number >= needed:
                part.unlink()
                continue
            with open(part, "r+b" if number < self._files.get(path, 1) else "x+b") as stream:
                stream.truncate(PAGE * min(SEGMENT, pages - number * SEGMENT))
            if number and os.name != "nt":
                os.chmod(part, 0o600)
                os.chown(part, first.stat().st_uid, first.stat().st_gid)
        self._files[path] = needed

    def _open(self) -> None:
        """Sessions that have not looked at a file before: real plans as the target does, cached as if most pages were in memory, bare without indexes."""
        known = {row[0] for row in self.admin.execute("SELECT name FROM pg_settings")}
        settings = {one["name"]: one["setting"] for one in self.facts.parts.get("settings", ()) if one["name"] in known}
        self.real, self.cached, self.bare = (self._session(settings | more) for more in ({}, self.memory_costs(), BARE))

    def _session(self, settings: dict[str, str]) -> psycopg.Connection[Any]:
        return session(self.stack, self.server.loader_url(self.name), self.facts, self.catalogue, settings)

    def memory_costs(self) -> dict[str, str]:
        given = {one["name"]: one["setting"] for one in self.facts.parts.get("settings", ())}
        factor = max(LEAST_MISSES, min(1.0, self.facts.miss_share))
        return {name: str(float(given.get(name, usual)) * factor) for name, usual in (("seq_page_cost", 1), ("random_page_cost", 4))}

    def types(self, sql: str) -> list[str]:
        """Of the parameters of a statement, as the server infers them."""
        self.real.execute(f"PREPARE senior_backend_types AS {sql}", prepare=False)
        try:
            return self.real.execute("SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = 'senior_backend_types'").fetchone()[0]
        finally:
            self.real.execute("DEALLOCATE senior_backend_types")

    def plan(self, sql: str, on: psycopg.Connection[Any] | None = None) -> dict[str, Any]:
        return (on or self.real).execute(f"EXPLAIN (VERBOSE, FORMAT JSON) {sql}").fetchone()[0][0]["Plan"]

    def cost(self, sql: str) -> float:
        """With most pages cached. What a brin index leaves to be read lies together; the planner takes it for scattered (PostgreSQL 15: 3,900 for what a btree does in 230 and as many ms)."""
        plan = self.plan(sql, self.cached)
        page = float(self.memory_costs()["seq_page_cost"])
        for node in nodes(plan):
            index = (node.get("Plans") or [{}])[0]
            one = self._owner.get(index.get("Index Name", ""))
            if one and one.method == "brin" and node["Node Type"] == "Bitmap Heap Scan" and node["Total Cost"] <= plan["Total Cost"]:
                relation = self.facts.relations[node["Schema"], node["Relation Name"]]
                pages = relation.pages * index["Plan Rows"] / max(relation.rows, 1) + 2 * shapes.PAGES_PER_RANGE
                plan["Total Cost"] -= max(0.0, node["Total Cost"] - index["Total Cost"] - pages * page - index["Plan Rows"] * ROW)
        return plan["Total Cost"]

    def used(self, plan: dict[str, Any]) -> frozenset[Candidate]:
        return frozenset(self._owner[name] for name in indexes_in(plan) if name in self._owner)

    def share(self, table: Name, predicate: str) -> float:
        """Of the rows that a predicate leaves, as the planner estimates it."""
        key = (table, predicate)
        if predicate and key not in self._shares:
            whole, part = (self.plan(f"SELECT 1 FROM {quote.qualified(*table)}{where}", self.bare)["Plan Rows"] for where in ("", f" WHERE {predicate}"))
            self._shares[key] = min(1.0, part / max(whole, 1))
        return self._shares[key] if predicate else 1.0

    def make(self, wanted: Collection[Candidate]) -> None:
        """Build what can be built, hidden. The tables are short meanwhile: there is nothing to read then."""
        psycopg = dependencies.require("psycopg")
        parts = collections.Counter(one.root for one in self.facts.relations.values())
        sizes = itertools.accumulate(parts[one.table] for one in wanted)
        new = [one for one, built in zip(wanted, sizes) if one not in self.candidates and built <= MOST_BUILT]
        shares = {one: self.share(one.table, one.where) for one in new}
        for one in (self.real, self.cached, self.bare):
            one.close()
        roots = {one.table for one in new}
        for one in self.facts.relations.values():
            if one.root in roots and one.name in self._paths:
                self._lengthen(self._paths[one.name], 0)
        with contextlib.closing(self._session({})) as builder:
            for number, one in enumerate(new, len(self.candidates)):
                with contextlib.suppress(psycopg.Error):
                    builder.execute(one.sql(f"{PREFIX}{number}"))
                    self._owner[f"{PREFIX}{number}"] = one
            self._register(shares, builder)
        self._size()
        self._open()

    def _register(self, shares: dict[Candidate, float], session: psycopg.Connection[Any]) -> None:
        for top, name, oid, schema, table, path in self.admin.execute(self.facts.sql["children"]).fetchall():
            one = self._owner[top]
            if one not in shares:
                continue
            self._owner[name] = one
            self.candidates.setdefault(one, []).append(oid)
            relation, root = self.facts.relations[schema, table], self.facts.relations[one.table]
            if relation.kind == "p":
                continue
            widths = self._explain_expressions(one, oid, root, session)
            pages = shapes.pages(one, relation if relation.columns else root, shares[one], widths)
            self.bytes[one] = self.bytes.get(one, 0) + pages * PAGE
            self._lengthen(path, pages)
            self.admin.execute("UPDATE pg_class SET relpages = %s, reltuples = %s WHERE oid = %s", [pages, relation.rows * shares[one], oid])
        self._toggle(shares)

    def _explain_expressions(self, one: Candidate, oid: int, relation: Relation, session: psycopg.Connection[Any]) -> dict[str, int]:
        """Statistics of expressions, made from those of their column: without them the planner takes 200 different values for granted. Gives their widths."""
        widths: dict[str, int] = {}
        for number, key in enumerate(one.keys, 1):
            column = relation.columns.get(key.columns[0]) if len(key.columns) == 1 and not key.plain else None
            if column is None or not column.known or one.method != "btree":
                continue
            query = self.facts.sql["expression"].format(expression=key.text, column=quote.ident(column.name), type=column.type)
            names = {"schema": relation.name[0], "table": relation.name[1], "name": column.name}
            try:
                sampled, different, nulls, width = session.execute(query, names).fetchone()
            except dependencies.require("psycopg").Error:
                continue
            if sampled > 10:
                many = different > 0.9 * sampled * (1 - nulls)
                widths[key.text] = width
                self.admin.execute("INSERT INTO pg_statistic SELECT %s, %s, false, %s, %s, %s, 0,0,0,0,0, 0,0,0,0,0, 0,0,0,0,0",
                                   [oid, number, nulls, width, column.distinct if many else max(different, 1)])
        return widths

    def spelled(self, one: Candidate) -> Candidate:
        """With the names of schemas that the target's search_path does not lead to, as ours does."""
        oid = min(self.candidates[one])         # of a partitioned table: its own index, the first that was made
        self.admin.execute("SELECT set_config('search_path', %s, false)", [self.facts.path])
        near, far = (session.execute(self.facts.sql["spelled"], [len(one.keys), oid]).fetchone() for session in (self.admin, self.real))
        keys = tuple(key if text == other else dataclasses.replace(key, text=text) for key, text, other in zip(one.keys, near[0], far[0]))
        return dataclasses.replace(one, keys=keys, where=one.where if near[1] == far[1] else near[1])

    def show(self, tables: Collection[Name], wanted: Collection[Candidate]) -> None:
        """Let the planner see these candidates of these tables, and no others."""
        wanted = {one for one in wanted if one in self.candidates}
        hide = {one for one in self._shown if one.table in tables} - wanted
        self._toggle(hide | wanted - self._shown)
        self._shown = self._shown - hide | wanted

    def _toggle(self, changed: Iterable[Candidate]) -> None:
        if oids := [oid for one in changed for oid in self.candidates.get(one, ())]:
            self.admin.execute("UPDATE pg_index SET indisvalid = NOT indisvalid WHERE indexrelid = ANY(%s)", [oids])


def built(server: scratch.Server, stack: contextlib.ExitStack, catalogue: Catalogue, facts: Facts, names: set[Name], words: set[str],
          keys: bool = True) -> tuple[str, Catalogue, set[str]]:
    """A database with the part of the schema that the statements speak of: its name, what is in it, and the extensions that it lacks. keys: with foreign keys."""
    name = database(server, stack, facts)
    with contextlib.ExitStack() as inner:
        bench = Bench(server, name, inner)
        empty = live.read(bench.connection)
        made, lacking = cut(catalogue, empty, names, words, {row[0] for row in server.admin.execute("SELECT name FROM pg_available_extensions")}, keys)
        bench.run(plan.migration(empty, made))
    if facts.server.get("trigrams") or facts.server.get("trigrams_possible"):
        with contextlib.suppress(dependencies.require("psycopg").Error), contextlib.closing(connection.connect(server.url(name))) as admin:
            admin.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")         # not with every installation; then its indexes cannot be built
    return name, made, lacking


def database(server: scratch.Server, stack: contextlib.ExitStack, facts: Facts) -> str:
    """With the target's locale, since it decides which index serves LIKE; the nearest that there is."""
    collate = facts.server.get("collate")
    nearest = [("C.UTF-8", "C.UTF-8")] if collate not in (None, "C", "POSIX") else []
    for collate, ctype in ([(collate, facts.server.get("ctype"))] if collate else []) + nearest:
        with contextlib.suppress(CommandError):
            return stack.enter_context(server.database(locale=f" LC_COLLATE {quote.literal(collate)} LC_CTYPE {quote.literal(ctype)}"))
    return stack.enter_context(server.database())


def session(stack: contextlib.ExitStack, url: str, facts: Facts, catalogue: Catalogue, settings: dict[str, str]) -> psycopg.Connection[Any]:
    """As the owner of a database of ours, who finds what the target's users find."""
    opened = stack.enter_context(contextlib.closing(connection.connect(url, **settings | FIXED)))
    opened.prepare_threshold = None
    schemas = quote.listed(sorted({fact.id.name[0] for fact in catalogue.of_kind("schema")}))
    opened.execute("SELECT set_config('search_path', %s, false)", [", ".join(filter(None, (facts.path, schemas)))])
    return opened


def cut(catalogue: Catalogue, empty: Catalogue, names: set[Name], words: set[str], extensions: set[str], keys: bool) -> tuple[Catalogue, set[str]]:
    """The part of the schema that the statements speak of, with all that it needs; and the extensions that this needs and that are not to be had: what depends on them is left out."""
    wanted = {Id(kind, name) for name in names for kind in ("table", "materialized_view") if Id(kind, name) in catalogue}
    wanted |= {fact.id for fact in catalogue.of_kind(*NAMED) if fact.id.name[min(1, len(fact.id.name) - 1)] in words}
    wanted |= closure.needed(catalogue, wanted)
    tables = {one for one in wanted if one.kind in ("table", "materialized_view")}
    grown = None
    while grown != len(wanted):
        grown = len(wanted)
        for fact in catalogue.of_kind(*PARTS):
            if fact.parent in wanted and fact.id not in wanted and keeps(fact, tables if keys else set()):
                wanted.add(fact.id)
        wanted |= closure.needed(catalogue, wanted)
    lacking = {one.name[0] for one in wanted if one.kind == "extension"} - extensions
    lost = closure.reached([Id("extension", (name,)) for name in lacking], catalogue, catalogue.dependants)
    made = closure.cut(catalogue, (wanted - lost) | set(empty.facts))
    made.facts = {identity: plain(fact) for identity, fact in made.facts.items()}
    return made, lacking


def keeps(fact: Fact, tables: set[Id]) -> bool:
    if fact.id.kind != "constraint":
        return True
    kind = fact.attributes["type"]
    return kind in "pux" or kind == "f" and Id("table", tuple(fact.attributes["references"])) in tables


def plain(fact: Fact) -> Fact:
    """Without owner and tablespace, which the stand-in has not, and row security, which would hide all rows from whoever asks there."""
    if not any(name in fact.text for name in LEFT_OUT):
        return fact
    return Fact(fact.id, {name: value for name, value in fact.attributes.items() if name not in LEFT_OUT}, fact.parent, fact.depends, fact.order)
