"""--verify: a copy of the tables on the scratch server, or of a sample of their rows; the indexes are built there, and the statements run before and after. Never on the target."""
from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, Sequence

from senior_backend import dependencies
from senior_backend.migrate.advise.choice import Choice, Query
from senior_backend.migrate.advise.facts import PAGE, Facts, Relation
from senior_backend.migrate.advise.plans import indexes_in
from senior_backend.migrate.advise.report import Suggestion
from senior_backend.migrate.advise.stage import built, session
from senior_backend.postgres import connection, scratch
from senior_backend.postgres.model import Catalogue
from senior_backend.postgres.quote import listed, qualified

if TYPE_CHECKING:
    import psycopg

MOST_BYTES = 1 << 29            # of tables that are copied whole
SIZES = "SELECT relname, pg_relation_size(oid) FROM pg_class WHERE oid = to_regclass(%s) OR oid IN (SELECT relid FROM pg_partition_tree(to_regclass(%s)))"
RUNS, STATEMENT_SECONDS, SECONDS = 3, 30, 240


class Copy:
    """share: of the rows that were copied, 1.0 all; empty: materialized views, whose rows are not."""

    def __init__(self, server: scratch.Server, stack: contextlib.ExitStack, catalogue: Catalogue, facts: Facts, choice: Choice, words: set[str]):
        self.choice, self.deadline = choice, time.monotonic() + SECONDS
        names = {one.name for one in facts.relations.values() if any(one.root in query.tables for query in choice.queries)}
        name, made, _ = built(server, stack, catalogue, facts, names, words, keys=False)
        self.relations = [facts.relations[one] for one in sorted(names) if facts.relations[one].kind == "r"]
        self.empty = {one for one in names if facts.relations[one].kind == "m"}
        self.share = min(1.0, MOST_BYTES / max(sum(one.pages for one in self.relations) * PAGE, 1))
        self.admin = stack.enter_context(contextlib.closing(connection.connect(server.url(name))))
        self.session = session(stack, server.loader_url(name), facts, made, {})
        self.session.execute(f"SET statement_timeout = '{STATEMENT_SECONDS}s'")

    def fill(self, target: psycopg.Connection[Any]) -> None:
        """target: it is only read, in one transaction."""
        target.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '120s'")
        for one in self.relations:
            self.fill_table(target, one)
        target.execute("COMMIT")
        self.admin.execute("VACUUM ANALYZE")

    def fill_table(self, target: psycopg.Connection[Any], one: Relation) -> None:
        name = qualified(*one.name)
        columns = listed(row[0] for row in self.admin.execute("SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 "
                                                              "AND NOT attisdropped AND attgenerated = '' ORDER BY attnum", [name]))
        if not columns:
            return
        sample = f" TABLESAMPLE SYSTEM ({max(100 * self.share, 0.01):.4f}) REPEATABLE (1)" if self.share < 1 else ""
        with target.cursor() as source, self.session.cursor() as goal:
            with source.copy(f"COPY (SELECT {columns} FROM ONLY {name}{sample}) TO STDOUT") as out, goal.copy(f"COPY {name} ({columns}) FROM STDIN") as into:
                for block in out:
                    into.write(block)

    def times(self, queries: Sequence[Query]) -> dict[int, tuple[float, set[str]]]:
        """By the statement's identity: the fastest of some runs in ms, and the indexes used. What cannot be run is left out."""
        found: dict[int, tuple[float, set[str]]] = {}
        for query in queries:
            with contextlib.suppress(dependencies.require("psycopg").Error):
                runs = [self.run(query) for _ in range(RUNS) if time.monotonic() < self.deadline]
                if runs:
                    found[id(query)] = min(runs, key=lambda run: run[0])
        return found

    def run(self, query: Query) -> tuple[float, set[str]]:
        with self.session.transaction(force_rollback=True):
            answer = self.session.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {query.scenario.sql}").fetchone()[0][0]
        return answer["Execution Time"], indexes_in(answer["Plan"])

    def verify(self, suggestions: Sequence[Suggestion]) -> list[Suggestion]:
        """Fill in what was measured; gives those that no statement used on a whole copy."""
        new = [one for one in suggestions if one.candidate]
        helped = {one.index: [query for query in self.choice.gains(one.candidate) if not query.tables & self.empty] for one in new}
        queries = list({id(query): query for found in helped.values() for query in found}.values())
        before = self.times(queries)
        built = {one.index: self.build(one) for one in suggestions if one.action != "drop"}
        self.admin.execute("VACUUM ANALYZE")
        after = self.times(queries)
        for one in new:
            self.tell(one, helped[one.index], before, after, built[one.index])
        return [one for one in new if self.share == 1 and one.measured and not one.measured["used"]]

    def build(self, one: Suggestion) -> tuple[dict[str, int], float]:
        """Bytes of the index, or of its parts, by name; and the seconds it took."""
        clock = time.monotonic()
        with self.session.transaction():
            self.session.execute("SET LOCAL statement_timeout = 0")
            self.session.execute(one.candidate.sql(one.index) if one.candidate else one.sql)
        name = qualified(one.candidate.table[0], one.index) if one.candidate else None
        return dict(self.admin.execute(SIZES, [name, name]).fetchall()), time.monotonic() - clock

    def tell(self, one: Suggestion, queries: Sequence[Query], before: dict[int, Any], after: dict[int, Any], built: tuple[dict[str, int], float]) -> None:
        measured = [query for query in queries if id(query) in before and id(query) in after]
        if not measured:
            return
        one.measured = {"rows": "all" if self.share == 1 else f"a sample of {self.share:.2%}", "size_bytes": sum(built[0].values()),
                        "build_seconds": round(built[1], 2), "used": any(built[0].keys() & after[id(query)][1] for query in measured),
                        "before_ms": round(sum(before[id(query)][0] for query in measured), 3),
                        "after_ms": round(sum(after[id(query)][0] for query in measured), 3)}
