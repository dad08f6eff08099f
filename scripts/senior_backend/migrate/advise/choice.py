"""Which of the possible indexes are worth having: the set that makes the whole workload cheapest, writes and size counted."""
from __future__ import annotations

import contextlib
import dataclasses
import math
import statistics
import time
from typing import Iterable, Sequence

from senior_backend import dependencies
from senior_backend.migrate.advise.candidates import CHEAP, Candidate, Maker
from senior_backend.migrate.advise.facts import Facts, Name
from senior_backend.migrate.advise.plans import Access, accesses
from senior_backend.migrate.advise.stage import Stage
from senior_backend.migrate.advise.statements import Statement
from senior_backend.migrate.advise.values import Chooser, Scenario
from senior_backend.postgres.connection import told

FEW_CALLS, CLEARLY = 5, 3.0
OVERHEAD = 2.0          # cost units of a call that finds its row at once: parsing, locks, the answer
MS_PER_UNIT = 0.006         # where nothing was measured: of a cached sequential scan on the machine this was written on
ENTRY_MS, SEARCH_ENTRY_MS = 0.006, 0.08         # measured: writing one entry of a btree, of a trigram index
# an index that takes some share of all new bytes must save as large a share of the time that is left, times this and the logarithm of the whole gain
SIZE_WEIGHT = 0.06
COLUMN_WEIGHT = 0.004         # the same for each column more than one
LEAST_RATIO = 1.2
NEGLIGIBLE = 0.001
LEAST_GAIN = 0.2        # of a statement's time
MOST_ROUNDS = 12


@dataclasses.dataclass
class Query:
    """A statement as it is explained. cost: without new indexes, in the units of the planner when most pages are cached; real: as the server's own settings have it."""
    statement: Statement
    scenario: Scenario
    tables: frozenset[Name]
    cost: float
    real: float
    accesses: list[Access]
    candidates: list[Candidate] = dataclasses.field(default_factory=list)
    total: float = 0.0
    calls: float = 0.0
    rate: float = MS_PER_UNIT
    known: list[tuple[frozenset[Candidate], frozenset[Candidate], float]] = dataclasses.field(default_factory=list)

    def time(self, cost: float) -> float:
        """Of all calls, in ms: in proportion to the cost, or what such a cost takes elsewhere, if that is less (the planner underestimates what expensive functions take)."""
        if cost >= self.cost:
            return self.total * (cost + OVERHEAD) / (self.cost + OVERHEAD)
        return min(self.total * (cost + OVERHEAD) / (self.cost + OVERHEAD), self.calls * self.rate * (cost + OVERHEAD))


class Planning:
    """Explains statements on the stand-in. deadline: of time.monotonic()."""

    def __init__(self, stage: Stage, facts: Facts, deadline: float):
        self.stage, self.facts, self.deadline = stage, facts, deadline
        self.failed: list[tuple[Statement, str]] = []

    def queries(self, statements: Iterable[Statement]) -> list[Query]:
        found = [query for one in statements for query in self.explained_as(one)]
        rates = [one.statement.mean / (one.cost + OVERHEAD) for one in found if one.statement.mean]
        rate = statistics.median(rates) if rates else MS_PER_UNIT
        for one in found:
            counted = one.statement.total if one.statement.total is not None else one.statement.calls * rate * (one.cost + OVERHEAD)
            one.total, one.calls, one.rate = counted * one.scenario.weight, one.statement.calls * one.scenario.weight, rate
        return found

    def explained_as(self, statement: Statement) -> list[Query]:
        """With each set of constants that it may have had; none for what no index makes faster, and for what cannot be explained."""
        if statement.kind == "insert" and not statement.node.select_stmt.select_stmt.from_clause:
            return []
        if time.monotonic() > self.deadline:
            self.failed.append((statement, "there was no time left for it"))
            return []
        try:
            return [self.query(statement, one) for one in self.scenarios(statement)]
        except dependencies.require("psycopg").Error as error:
            self.failed.append((statement, told(error)))
            return []

    def query(self, statement: Statement, scenario: Scenario) -> Query:
        plan, cached = self.stage.plan(scenario.sql), self.stage.plan(scenario.sql, self.stage.cached)
        seen = accesses(self.stage.plan(scenario.sql, self.stage.bare))
        for one in seen:
            relation = self.facts.relations.get(one.table)
            one.table = relation.root if relation else one.table
        made = Query(statement, scenario, frozenset(one.table for one in seen), cached["Total Cost"], plan["Total Cost"], seen)
        made.known.append((frozenset(), frozenset(), made.cost))
        return made

    def scenarios(self, statement: Statement) -> list[Scenario]:
        """As it was sent where that was seen. Else by the rows that were counted, as far as they tell; else a rare and a common value, each for half of the calls."""
        if statement.literals or "$" not in statement.text:
            sent = statement.literals or [statement.text]
            return [Scenario(one, weight=1 / len(sent)) for one in sent]
        try:
            types = self.stage.types(statement.text)
        except dependencies.require("psycopg").Error:
            types = []
        chooser = Chooser(statement, types, self.facts)
        all, uneven = chooser.scenarios(), chooser.uneven()
        if all[0].blurred:
            statement.note = "constants within what is compared are hidden; --workload FILE with the statement as it is sent shows them"
        top = self.stage.plan(all[0].sql)["Node Type"]
        per_call = statement.rows / max(statement.calls, 1) if statement.rows is not None else None
        unfilled = per_call is not None and top == "Limit" and statement.calls >= FEW_CALLS and abs(per_call - round(per_call)) > 0.01
        says = per_call is not None and (top not in ("Limit", "Aggregate") or unfilled)         # a limit that was always reached says nothing
        if uneven and says and self.countable(all[0]):
            rare, common = (self.distance(one, per_call) for one in uneven)
            if max(rare, common) >= CLEARLY * min(rare, common):
                return [dataclasses.replace(uneven[0], trusted=True) if rare < common else uneven[1]]
        if says and not uneven and (first := self.distance(all[0], per_call)) > CLEARLY:
            best = min(all, key=lambda one: self.distance(one, per_call))
            return [best if self.distance(best, per_call) * CLEARLY < first else all[0]]
        if not uneven:
            return all[:1]
        if not says and chooser.takes_turns():
            return [dataclasses.replace(uneven[0], trusted=True)]
        return [dataclasses.replace(one, weight=0.5) for one in uneven]

    def countable(self, scenario: Scenario) -> bool:
        """Whether the planner's number of rows is worth something: one relation, and no expression, of which it has no statistics."""
        found = accesses(self.stage.plan(scenario.sql, self.stage.bare))
        return len(found) == 1 and all(key.plain for one in found[0].conditions for key in one.keys)

    def distance(self, scenario: Scenario, counted: float) -> float:
        """How many times more or fewer rows the planner expects than were counted for each call."""
        plan = self.stage.plan(scenario.sql)
        rows, counted = max((plan["Plans"][0] if plan["Node Type"] in ("ModifyTable", "Limit") else plan)["Plan Rows"], 0.5), max(counted, 0.5)
        return max(rows / counted, counted / rows)

    def explain(self, query: Query, wanted: frozenset[Candidate]) -> tuple[frozenset[Candidate], float]:
        """Which of the candidates the server would use, and what the statement costs with these. wanted: on tables of the statement."""
        for shown, used, cost in query.known:
            if used <= wanted <= shown:
                return used, cost
        used, cost = frozenset(), query.cost
        with contextlib.suppress(dependencies.require("psycopg").Error):            # planning may take longer than it is given
            self.stage.show(query.tables, wanted)
            found = self.stage.used(self.stage.plan(query.scenario.sql))
            if found and found != wanted:
                self.stage.show(query.tables, found)
            used, cost = found, self.stage.cost(query.scenario.sql) if found else query.cost
        query.known.append((wanted, used, cost))
        return used, cost


class Choice:
    """writes: rows written per table: (inserted, updated, columns that updates change with their rows)."""

    def __init__(self, planning: Planning, queries: Sequence[Query], writes: Writes):
        self.planning, self.queries, self.writes, self.stage = planning, queries, writes, planning.stage
        self.by_table: dict[Name, list[Query]] = {}
        for one in queries:
            for table in one.tables:
                self.by_table.setdefault(table, []).append(one)
        self.pool: set[Candidate] = set()
        self.chosen: set[Candidate] = set()
        self._near: dict[frozenset[Name], frozenset[Candidate]] = {}

    def run(self) -> list[Candidate]:
        """Twice to where no move helps: the price of a byte is known only when the indexes that nobody needs are gone."""
        self.gather()
        for _ in range(2):
            self.set_price()
            for _ in range(MOST_ROUNDS):
                if not self.round():
                    break
        while idle := [one for one in self.chosen if not self.gains(one)]:
            self.change({min(idle, key=lambda one: (self.saved(one), one.shape))}, set())
        return sorted(self.chosen, key=lambda one: (-self.saved(one), one.shape))

    def set_price(self) -> None:
        """In ms: the logarithm of all that is saved, times the share of all bytes, makes large gains and small ones comparable."""
        self.left = sum(one.time(self.now(one)[1]) for one in self.queries)
        weight = math.log(max(sum(one.total for one in self.queries) / max(self.left, 1e-9), LEAST_RATIO))
        self.column_price = COLUMN_WEIGHT * weight * self.left
        self.price = SIZE_WEIGHT * weight * self.left / max(sum(self.stage.bytes[one] for one in self.chosen), 1)

    def now(self, query: Query) -> tuple[frozenset[Candidate], float]:
        """Which of the chosen indexes a statement uses, and what it costs."""
        return self.planning.explain(query, self.near(query))

    def near(self, query: Query) -> frozenset[Candidate]:
        """The chosen indexes on the tables of a statement."""
        if query.tables not in self._near:
            self._near[query.tables] = frozenset(one for one in self.chosen if one.table in query.tables)
        return self._near[query.tables]

    def change(self, without: set[Candidate], extra: set[Candidate]) -> None:
        self.chosen = self.chosen - without | extra
        touched = {one.table for one in without | extra}
        self._near = {tables: near for tables, near in self._near.items() if not tables & touched}

    def gather(self) -> None:
        """What the planner would take for each statement alone: of plain indexes, of partial ones too, of all."""
        for query in self.queries:
            groups = [lambda one: not one.include and not one.where, lambda one: not one.include, lambda one: True]
            for number, group in enumerate(groups):
                used, _ = self.planning.explain(query, frozenset(one for one in query.candidates if group(one)))
                self.pool |= used.union(other for one in used for other in query.candidates if simpler(other, one) or other.method == "brin")
                if number == 1:
                    self.chosen |= used

    def round(self) -> bool:
        """Take out, exchange or add what makes the whole better; whether anything did."""
        moved = False
        for one in sorted(self.chosen, key=lambda one: (-self.stage.bytes[one], one.shape)):
            if one in self.chosen:
                moved |= self.best([({one}, set()), *(({one}, {other}) for other in self.rivals(one))])
        for one in sorted(self.pool - self.chosen, key=lambda one: one.shape):
            moved |= self.best([(set(), {one})])
        return moved

    def rivals(self, one: Candidate) -> list[Candidate]:
        """What else could serve the statements that use it, where the exchange may be worth a look."""
        users = [query for query in self.by_table[one.table] if one in self.now(query)[0]]
        time = sum(query.time(self.now(query)[1]) for query in users)
        others = {other for query in users for other in query.candidates if other in self.pool and other.table == one.table and other not in self.chosen}
        return sorted((other for other in others if time + self.burden(one) - self.burden(other) > NEGLIGIBLE * self.left), key=lambda other: other.shape)

    def best(self, moves: list[tuple[set[Candidate], set[Candidate]]]) -> bool:
        if time.monotonic() > self.planning.deadline:
            return False
        value, number = max((self.value(without, extra), -number) for number, (without, extra) in enumerate(moves))
        if value > 1e-9:
            self.change(*moves[-number])
        return value > 1e-9

    def value(self, without: set[Candidate], extra: set[Candidate]) -> float:
        """Milliseconds that an exchange saves over the whole workload, with a price on bytes. All are on one table."""
        asked = self.by_table[next(iter(without | extra)).table]
        reading = sum(one.time(self.now(one)[1]) - one.time(self.planning.explain(one, self.near(one) - without | extra)[1]) for one in asked)
        cost = sum(self.burden(one) for one in without) - sum(self.burden(one) for one in extra)
        return reading + cost

    def burden(self, one: Candidate) -> float:
        more_columns = len(one.keys) + len(one.include) - 1
        return self.writes.milliseconds(one, self.stage.share(one.table, one.where)) + self.price * self.stage.bytes[one] + self.column_price * more_columns

    def gains(self, one: Candidate) -> list[Query]:
        """The statements that it makes faster by more than a little."""
        return [query for query in self.by_table[one.table]
                if one in self.now(query)[0] and query.time(self.now(query)[1]) <= (1 - LEAST_GAIN) * query.time(self.without(query, one))]

    def saved(self, one: Candidate) -> float:
        return sum(query.time(self.without(query, one)) - query.time(self.now(query)[1]) for query in self.by_table[one.table])

    def without(self, query: Query, one: Candidate) -> float:
        return self.planning.explain(query, self.near(query) - {one})[1]


def simpler(one: Candidate, other: Candidate) -> bool:
    """Whether it has a part of the other's keys, or goes without its condition or its included columns."""
    same = one.table == other.table and one.method == other.method and one != other
    return same and one.keys == other.keys[:len(one.keys)] and one.where in ("", other.where) and set(one.include) <= set(other.include)


class Writes:
    """What writers pay, in ms over the workload."""

    def __init__(self, statements: Iterable[Statement], facts: Facts):
        self.inserted: dict[Name, int] = {}
        self.updated: dict[Name, list[tuple[frozenset[str], int]]] = {}
        self.facts = facts
        for one in statements:
            relation = facts.find(one.node.relation.schemaname, one.node.relation.relname) if one.kind in ("insert", "update") else None
            if relation and one.kind == "insert":
                self.inserted[relation.root] = self.inserted.get(relation.root, 0) + self.rows(one)
            elif relation:
                self.updated.setdefault(relation.root, []).append((frozenset(target.res_target.name for target in one.node.target_list), self.rows(one)))

    @staticmethod
    def rows(one: Statement) -> int:
        return one.rows if one.rows is not None else one.calls

    def entries(self, one: Candidate) -> tuple[int, int]:
        """Rows inserted; rows updated so that the index gets a new entry: where one of its columns changes, or other indexes change anyway."""
        columns = {*one.columns, *one.include, *one.where_columns}
        return self.inserted.get(one.table, 0), sum(rows for changed, rows in self.updated.get(one.table, ()) if changed & columns)

    def milliseconds(self, one: Candidate, share: float) -> float:
        inserted, updated = self.entries(one)
        entry = SEARCH_ENTRY_MS if one.method in ("gin", "gist") else ENTRY_MS / 10 if one.method == "brin" else ENTRY_MS
        others = len(self.facts.indexes_of(self.facts.relations[one.table]))
        return entry * (inserted * share + updated * (share + others))         # an update that was HOT before now writes to all other indexes too


def propose(planning: Planning, queries: Sequence[Query]) -> None:
    """Give each statement its candidates, and build them all."""
    maker = Maker(planning.facts, [access for one in queries for access in one.accesses], varied(queries))
    for one in queries:
        if one.cost > CHEAP:
            one.candidates = list(dict.fromkeys(made for access in one.accesses for made in maker.candidates(access, one.scenario)))
    planning.stage.make(list(dict.fromkeys(made for one in queries for made in one.candidates)))
    for one in queries:
        one.candidates = [made for made in one.candidates if made in planning.stage.bytes]


def varied(queries: Iterable[Query]) -> set[tuple[Name, str]]:
    """(table, column) that one statement was seen to compare with several constants: it is a parameter of the application."""
    seen: dict[tuple[int, Name, str], set[str]] = {}
    for query in queries:
        for access in query.accesses if len(query.statement.literals) > 1 else ():
            for one in access.conditions:
                if one.value and one.keys[0].plain:
                    seen.setdefault((id(query.statement), access.table, one.keys[0].columns[0]), set()).add(one.value)
    return {(table, column) for (_, table, column), values in seen.items() if len(values) > 1}
