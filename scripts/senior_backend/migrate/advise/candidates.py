"""Indexes that could help: what one statement's use of one relation suggests, how big they would be, and how they are written."""
from __future__ import annotations

import collections
import dataclasses
import functools
import itertools
import math
import re
from typing import Callable, Iterable, Iterator, Sequence

from senior_backend.migrate.advise.facts import PAGE, Column, Facts, Relation
from senior_backend.migrate.advise.plans import Access, Condition, Key
from senior_backend.migrate.advise.values import UNEVEN, Scenario
from senior_backend.postgres.quote import ident, listed, literal, qualified

Name = tuple[str, str]
MOST, MOST_KEYS, MOST_INCLUDED, MOST_INCLUDED_BYTES = 40, 5, 4, 64
SELECTIVE, RARE, COMMON = 0.7, 0.25, 0.9         # shares of the rows: where a partial index saves something; what may be its subject; what hides the others
CHEAP = 12.0            # in the planner's units: a statement that costs less is left as it is, and so is a table that is read whole for less
POSTING = 6             # bytes of an entry in a gin index whose keys repeat
MANY = 100              # different values of another column that is looked up: then that is what finds the rows
BRIN_CORRELATION, BRIN_PAGES, PAGES_PER_RANGE = 0.95, 1000, 32
WILD = re.compile(r"[%_\\]")
CONSTANT = re.compile(r"'|(?<![\w\"])\d")
STRING = re.compile(r"'((?:[^']|'')*)'")
ARRAY, RANGE, GEOMETRY = "A", "R", re.compile(r"(?:geometry|geography|point|box|polygon|circle)\b")
# operator -> what its operand must be, access method, operator class
SEARCHES: tuple[tuple[str, Callable[[Column], bool], str, str], ...] = (
    ("~~ ~~* ~ ~* % %> <%", lambda column: column.category == "S", "gin", " gin_trgm_ops"),
    ("@> @? @@", lambda column: column.type == "jsonb", "gin", " jsonb_path_ops"),
    ("? ?| ?&", lambda column: column.type == "jsonb", "gin", ""),
    ("@@", lambda column: column.type == "tsvector", "gin", ""),
    ("@> <@ &&", lambda column: column.category == ARRAY, "gin", ""),
    ("@> ? ?| ?&", lambda column: column.type == "hstore", "gin", ""),
    ("&& @> <@ << >> -|-", lambda column: column.category == RANGE, "gist", ""),
    ("<< <<= >> >>= &&", lambda column: column.type in ("inet", "cidr"), "gist", " inet_ops"),
    ("&& @> <@ ~ <<", lambda column: GEOMETRY.match(column.type) is not None, "gist", ""),
)


@dataclasses.dataclass(frozen=True)
class Candidate:
    """where: of a partial index, as SQL, over where_columns; assumed: a constant in it is no more than what the statistics suggest."""
    table: Name
    keys: tuple[Key, ...]
    method: str = "btree"
    include: tuple[str, ...] = ()
    where: str = ""
    where_columns: tuple[str, ...] = ()
    assumed: bool = False
    options: str = ""

    def __hash__(self) -> int:
        return self._hash

    @functools.cached_property
    def _hash(self) -> int:
        return hash((self.table, self.keys, self.include, self.where))

    @property
    def columns(self) -> list[str]:
        return list(dict.fromkeys(column for key in self.keys for column in key.columns))

    @property
    def extension(self) -> str:
        return "pg_trgm" if any("gin_trgm_ops" in key.suffix for key in self.keys) else ""

    @property
    def shape(self) -> str:
        """As people write it: (user_id, created_at DESC) WHERE ..."""
        using = f"USING {self.method} " if self.method != "btree" else ""
        include = f" INCLUDE ({listed(self.include)})" if self.include else ""
        options = f" WITH ({self.options})" if self.options else ""
        return f"{using}({', '.join(key.text + key.suffix for key in self.keys)}){include}{options}{f' WHERE {self.where}' if self.where else ''}"

    def sql(self, name: str, concurrently: bool = False, table: Name | None = None, only: bool = False) -> str:
        head = f"CREATE INDEX {'CONCURRENTLY ' * concurrently}{ident(name)} ON {'ONLY ' * only}"
        return f"{head}{qualified(*(table or self.table))} {self.shape}"

    def simple_name(self) -> str:
        kind = {"gin": "trgm" if self.extension else "gin", "gist": "gist", "brin": "brin"}.get(self.method, "")
        partial = [word for word in words(self.where) if word not in self.columns or word not in self.where_columns]
        return re.sub(r"\W+", "_", "_".join(filter(None, [self.table[1], *(key.columns[0] if key.plain else "_".join(words(key.text)) for key in self.keys), *partial, kind]))).strip("_")


def words(expression: str) -> list[str]:
    """What a name takes from an expression.

    >>> words("status = 'pending'::text"), words("NOT seen AND deleted_at IS NULL"), words("lower(email::text)")
    (['status', 'pending'], ['not', 'seen', 'deleted_at', 'null'], ['lower', 'email'])
    """
    return [word for word in re.findall(r"\w+", re.sub(r'::(?:"[^"]*"|[a-z_. ])+', "", expression).lower()) if word not in ("is", "and")]


class Maker:
    """popularity: how many statements look each key of a table up by equality; it comes first where a statement leaves the choice, so that one index serves more of them."""

    def __init__(self, facts: Facts, accesses: Iterable[Access], repeated: set[tuple[Name, str]]):
        self.facts, self.varied = facts, repeated
        self.popularity: collections.Counter[tuple[Name, str]] = collections.Counter()
        for access in accesses:
            self.popularity.update({(access.table, key.text) for one in access.conditions if one.kind in ("equal", "among") for key in one.keys})

    def candidates(self, access: Access, scenario: Scenario) -> list[Candidate]:
        relation = self.facts.relations.get(access.table)
        if relation is None or relation.root not in self.facts.relations:
            return []
        root = self.facts.relations[relation.root]
        relation = root if root.columns else relation
        if root.pages + root.rows / 100 < CHEAP:
            return []
        made: dict[Candidate, None] = {}
        for conditions in [access.conditions, *([*access.conditions, *branch] for branches in access.branches for branch in branches)]:
            made.update(dict.fromkeys(itertools.islice(Shapes(self, relation, access, conditions, scenario).all(), MOST)))
        return list(made)


class Shapes:
    """The indexes for one set of conditions that hold together."""

    def __init__(self, maker: Maker, relation: Relation, access: Access, conditions: Sequence[Condition], scenario: Scenario):
        self.maker, self.relation, self.access, self.scenario, self.table = maker, relation, access, scenario, relation.root
        self.conditions = [one for one in conditions if not (scenario.blurred and any(map(has_constant, one.keys)))]

    def all(self) -> Iterator[Candidate]:
        yield from self.searches()
        for equal in self.equalities():
            for keys in self.tails(equal):
                if keys and not self.covered_by_key(keys):
                    yield from self.variants(keys[:MOST_KEYS])
        yield from self.ranges_by_block()

    def of_kind(self, *kinds: str) -> list[Condition]:
        return [one for one in self.conditions if one.kind in kinds]

    def different(self, key: Key) -> float:
        """What part of the rows one of its values finds, as a number of parts."""
        column = self.relation.columns.get(key.columns[0]) if key.columns else None
        if column and any(one.keys[0] == key for one in self.of_kind("null")):
            return 1 / max(column.nulls, 1e-6)
        return column.different(self.relation.rows) if column and key.plain else self.relation.rows / 10

    def equalities(self) -> Iterator[tuple[Key, ...]]:
        """What is looked up by equality: constants alone, and with the columns that join each other relation, in two orders; lists left out, since they break an order; nothing."""
        constant = list(dict.fromkeys(one.keys[0] for one in self.of_kind("equal", "among", "null", "true") if not one.others))
        single = [key for key in constant if not any(one.keys[0] == key for one in self.of_kind("among"))]
        joins: dict[frozenset[str], list[Key]] = {}
        for one in self.of_kind("equal"):
            if one.others:
                joins.setdefault(one.others, []).append(one.keys[0])
        groups = [constant, single, *([*constant, *(key for key in keys if key not in constant)] for keys in joins.values()), *joins.values()]
        for keys in dict.fromkeys(map(tuple, groups)):
            popular = tuple(sorted(keys, key=lambda key: (-self.maker.popularity[self.table, key.text], -self.different(key), key.text)))
            selective = tuple(sorted(keys, key=lambda key: (-self.different(key), key.text)))
            yield from dict.fromkeys((popular, selective))
        if len(constant) > 1:
            yield from ((key,) for key in constant)
        yield ()

    def tails(self, equal: tuple[Key, ...]) -> Iterator[tuple[Key, ...]]:
        """After the equalities: what orders, then what bounds."""
        texts = {key.text for key in equal}
        ranges = [keys for one in self.of_kind("range") if not one.others and (keys := tuple(key for key in one.keys if key.text not in texts))]
        ranges += [(dataclasses.replace(one.keys[0], suffix=pattern_class(self.column(one.keys[0]))),) for one in self.of_kind("search") if prefix_of(one)]
        ranges = list(dict.fromkeys(ranges))
        orders = [rest for order in self.access.orders if (rest := tuple(key for key in order if key.text not in texts))]
        for order in orders:
            held = {key.text for key in order}
            yield equal + order
            yield from (equal + order + keys for keys in ranges if not held & {key.text for key in keys})
            yield from (equal + keys + order for keys in ranges if not held & {key.text for key in keys})
        yield from (equal + keys for keys in ranges)
        yield equal

    def column(self, key: Key) -> Column | None:
        return self.relation.columns.get(key.columns[0]) if len(key.columns) == 1 else None

    def covered_by_key(self, keys: tuple[Key, ...]) -> bool:
        """Whether what is looked up names at most one row anyway, or an index begins with these keys already."""
        columns = [key.columns[0] if key.plain else "" for key in keys]
        usual = not any("NULLS" in key.suffix or "_ops" in key.suffix for key in keys) and len({key.suffix for key in keys}) == 1
        whole = [one for one in self.maker.facts.indexes_of(self.relation) if one["valid"] and not one["partial"] and one["columns"]]
        return any(one["unique"] and one["columns"] == columns[:len(one["columns"])] or usual and one["method"] == "btree" and one["columns"][:len(columns)] == columns
                   for one in whole)

    def variants(self, keys: tuple[Key, ...]) -> Iterator[Candidate]:
        plain = Candidate(self.table, keys, assumed=self.scenario.keyed and any(map(has_constant, keys)))
        yield plain
        partial = list(self.partial(keys))
        yield from partial
        for one in (plain, *partial):
            held = {*one.columns, *one.where_columns}
            rest = sorted(self.access.used - held)
            width = sum(column.width if column else MOST_INCLUDED_BYTES + 1 for column in map(self.relation.columns.get, rest))
            if 0 < len(rest) <= MOST_INCLUDED and not self.access.locked and width <= MOST_INCLUDED_BYTES:
                yield dataclasses.replace(one, include=tuple(rest))

    def partial(self, keys: tuple[Key, ...]) -> Iterator[Candidate]:
        """With conditions that each call shares, where these leave many rows out; a column that is constant then is no key."""
        usable = [(self.without_common(one), share) for one in self.conditions if (share := self.share(one)) is not None and share <= SELECTIVE]
        usable.sort(key=lambda pair: (pair[1], pair[0].text))
        for chosen in dict.fromkeys((tuple(one for one, _ in usable), tuple(one for one, _ in usable[:1]))):
            constant = {one.keys[0].text for one in chosen if one.kind not in ("present", "unequal")}
            rest = tuple(key for key in keys if key.text not in constant) or keys
            if chosen:
                columns = tuple(sorted({column for one in chosen for column in one.keys[0].columns}))
                where = " AND ".join(one.text for one in chosen)
                yield Candidate(self.table, rest, where=where, where_columns=columns, assumed=any(map(self.supposed, chosen)))
        for key in keys:
            column = self.column(key)
            kinds = {one.kind for one in self.conditions if one.keys[0].text == key.text}
            if key.plain and column and column.nulls >= 1 - SELECTIVE and kinds and "null" not in kinds:
                yield Candidate(self.table, keys, where=f"{key.text} IS NOT NULL", where_columns=key.columns)

    def without_common(self, condition: Condition) -> Condition:
        """A constant that is not known, of a column with several rare values: all but the common one."""
        column = self.column(condition.keys[0])
        if not column or not self.supposed(condition) or len(column.values) < 3 or condition.kind == "unequal":
            return condition
        common = column.values[column.shares.index(max(column.shares))]
        return dataclasses.replace(condition, kind="unequal", operator="<>", text=f"{condition.keys[0].text} <> {literal(common)}::{column.type}")

    def supposed(self, condition: Condition) -> bool:
        return condition.kind not in ("null", "present") and (self.table, condition.keys[0].columns[0]) in self.scenario.assumed

    def share(self, condition: Condition) -> float | None:
        """The rows that it leaves, as a share; None where it is no constant of the application."""
        column = self.column(condition.keys[0])
        if column is None or condition.others or not condition.keys[0].plain or (self.table, column.name) in self.maker.varied:
            return None
        if condition.kind in ("null", "present"):
            return column.nulls if condition.kind == "null" else 1 - column.nulls
        if condition.kind not in ("true", "equal", "among", "unequal") or not column.listed:
            return None
        shares = dict(zip(column.values, column.shares))
        named = shares.get("t", 0.0) if condition.kind == "true" else sum(shares.get(value, 0.0) for value in constants(condition.value))
        left = 1 - named if condition.kind == "unequal" or condition.text.startswith("NOT ") else named
        others = [one for one in self.of_kind("equal") if one.keys != condition.keys and not one.others and not self.supposed(one) and self.different(one.keys[0]) > MANY]
        if self.supposed(condition):
            sure = self.scenario.trusted and not others and max(column.shares) >= COMMON
            return left if sure and left <= 1 - max(column.shares) + 1e-6 else None
        rare = left <= RARE and not others and max(column.shares) >= UNEVEN         # of an even column each value is asked for in its turn
        return left if rare or condition.kind in ("unequal", "true") else None

    def searches(self) -> Iterator[Candidate]:
        for one in self.of_kind("search", "range"):
            column = self.column(one.keys[0])
            known = column if column and one.keys[0].plain else Column("", typed(one.keys[0].text, column))
            if not one.keys[0].plain and known.type == "text":
                known.category = "S"
            for operators, holds, method, opclass in SEARCHES:
                if one.operator in operators.split() and known and holds(known) and (opclass != " gin_trgm_ops" or searchable(one)):
                    yield Candidate(self.table, (dataclasses.replace(one.keys[0], suffix=opclass),), method)
                    break

    def ranges_by_block(self) -> Iterator[Candidate]:
        """Where rows lie on the disk as the column grows, the bounds of each stretch of pages say enough."""
        for one in self.of_kind("range"):
            column = self.column(one.keys[0])
            if column and one.keys[0].plain and abs(column.correlation) >= BRIN_CORRELATION and self.relation.pages >= BRIN_PAGES and self.relation.kind != "p":
                yield Candidate(self.table, (one.keys[0],), "brin", options=f"pages_per_range = {PAGES_PER_RANGE}")


def constants(value: str) -> list[str]:
    """The values of a constant or an array of them, as the statistics spell them.

    >>> constants("'done'::text"), constants("5"), constants("'{a,b}'::text[]")
    (['done'], ['5'], ['a', 'b'])
    """
    found = STRING.match(value)
    text = found[1].replace("''", "'") if found else value.split("::")[0]
    return [one.strip('"') for one in text[1:-1].split(",")] if text.startswith("{") and text.endswith("}") else [{"true": "t", "false": "f"}.get(text, text)]


def has_constant(key: Key) -> bool:
    return not key.plain and CONSTANT.search(key.text) is not None and "regconfig" not in key.text


def pattern(condition: Condition) -> str:
    found = STRING.match(condition.value)
    return found[1] if found else ""


def prefix_of(condition: Condition) -> str:
    """What a LIKE pattern begins with, where the rest is open."""
    text = pattern(condition)
    return WILD.split(text)[0] if condition.operator == "~~" and WILD.search(text) else ""


def searchable(condition: Condition) -> bool:
    """Whether a pattern holds three letters in a row, the least that a trigram index can look up, and is no mere beginning."""
    return not prefix_of(condition) and re.search(r"\w{3}", pattern(condition)) is not None


def pattern_class(column: Column | None) -> str:
    return " varchar_pattern_ops" if column and column.type.startswith("character varying") else " text_pattern_ops"


def typed(text: str, column: Column | None) -> str:
    """The type of an expression, as far as its outermost function says it."""
    if text.startswith("to_tsvector("):
        return "tsvector"
    return "jsonb" if column and column.type == "jsonb" and "->" in text and "->>" not in text else "text"


def pages(candidate: Candidate, relation: Relation, share: float, known: dict[str, int]) -> int:
    """Estimated size. share: of the rows that a partial index holds; known: widths of expressions. Measured on PostgreSQL 15: within a third for btree."""
    rows = max(relation.rows * share, 1)
    columns = [relation.columns.get(name) for name in (*(key.columns[0] for key in candidate.keys if key.columns), *candidate.include)]
    widths = [column.width if column else 16 for column in columns]
    for place, key in enumerate(candidate.keys[:len(widths)]):
        widths[place] = known.get(key.text, widths[place])
    if candidate.method == "brin":
        return 3 + relation.pages // PAGES_PER_RANGE // 200
    if candidate.method == "gin":
        if columns[0] and columns[0].each:
            return 2 + math.ceil(rows * columns[0].each * POSTING / PAGE)
        words = candidate.extension or "to_tsvector" in candidate.keys[0].text
        return 2 + math.ceil(rows * max(sum(widths), 4) * (3.0 if words else 1.0) / PAGE)
    data = sum(math.ceil(width / 4) * 4 for width in widths)
    entry = 8 + math.ceil(data / 8) * 8 + 4
    different = 1.0
    for key in candidate.keys:
        column = relation.columns.get(key.columns[0]) if key.columns else None
        different *= column.different(relation.rows) if column else rows
    repeats = rows / min(max(different, 1), rows)
    if candidate.include or repeats < 2 or candidate.method != "btree":
        return 1 + math.ceil(rows * entry / (PAGE * (0.89 if candidate.method == "btree" else 0.35)))
    return 1 + math.ceil(rows * (6 + entry / min(repeats, 100)) / (PAGE * 0.89))
