"""Plausible values for the parameters of a statement, since pg_stat_statements keeps no constants: from the statistics of the column that each is compared with.

They go into EXPLAIN on the stand-in and nowhere else, but for the constant of a partial index.
"""
from __future__ import annotations

import dataclasses
import itertools
import json
import math
import os
import re
from typing import Any, Iterator, Sequence

from senior_backend.migrate.advise.facts import Column, Facts, Relation
from senior_backend.migrate.advise.plans import columns_in, kind_of
from senior_backend.migrate.advise.statements import Statement
from senior_backend.postgres.quote import literal
from senior_backend.postgres.trees import nodes, symbol, words

Name = tuple[str, str]
PARAMETER = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(\d+)\b")
LIMIT, ELEMENTS, BEGINNING, UNEVEN = 20, 4, 4, 0.5
FEW_DOCUMENTS, ALIKE, UNIQUE = 30, 3.0, 0.9         # of a sample; times more or fewer rows; share of a key's values from which on all are taken for different
# where in the column's values a bound lies, as a share: (lower bound, upper bound) of a range; the first is tried first
SPANS = ((0.95, 0.97), (0.995, 0.997), (0.5, 0.8))
FORMS = {">": "lower", ">=": "lower", "<": "upper", "<=": "upper", "=": "equal", "<>": "equal", "@@": "words", "~~": "like", "!~~": "like", "~~*": "contains",
         "!~~*": "contains", "~": "part", "~*": "part", "%": "part"}
TIMES = ("timestamp", "date")
WORDS = {"date_trunc": "'day'", "extract": "'day'", "date_part": "'day'", "timezone": "'UTC'"}            # function -> what its first argument may be
TEXTS = ("text", "character varying", "character", "bpchar", "citext", "name", "tsquery", "tsvector")
NUMBERS = ("bigint", "integer", "smallint", "numeric", "real", "double precision")


@dataclasses.dataclass(frozen=True)
class Use:
    """What a parameter is compared with. form: equal, among, lower, upper, like, contains, part, limit, offset, words, holds, key (of a JSON document), more (of a
    sum, whose first part says all), or a constant as SQL. paged: the answer is ordered by the column; before: so long before now; plain: the column itself, no expression.
    """
    form: str
    relation: Relation | None = None
    column: Column | None = None
    paged: bool = False
    before: bool = False
    plain: bool = False


@dataclasses.dataclass(frozen=True)
class Scenario:
    """A statement that can be explained. assumed: (table, column) of constants that were chosen here; trusted: something speaks for them; blurred: some
    stand within what is compared (coalesce(a, $1)), so that no index can be made of that; keyed: the key of a JSON document was chosen too; weight: the share of the calls that it stands for.
    """
    sql: str
    assumed: frozenset[tuple[Name, str]] = frozenset()
    trusted: bool = False
    blurred: bool = False
    keyed: bool = False
    weight: float = 1.0


class Chooser:
    """The parameters of one statement. types: by number, as the server infers them; none where it cannot, and the compared columns tell."""

    def __init__(self, statement: Statement, types: Sequence[str], facts: Facts):
        self.statement, self.types, self.facts = statement, types, facts
        self.aliases: dict[str, Relation] = {}
        for one in nodes(statement.tree, "RangeVar"):
            if relation := facts.find(one.schemaname, one.relname):
                self.aliases[one.alias.aliasname or one.relname] = facts.relations.get(relation.root, relation)
        self.ordered = {text for one in nodes(statement.tree, "SortBy") for _, text in columns_in(one.node)}
        self.uses = {number: use for number, use in self._uses()}
        self.keys = {number: key for number, use in self.uses.items() if use.form == "key" and (key := self._key(use))}

    def scenarios(self) -> list[Scenario]:
        """The likeliest first; all of one statement differ."""
        assumed = frozenset((use.relation.root, use.column.name) for use in self.uses.values() if use.relation and use.column)
        pairs = itertools.product(range(len(SPANS)), range(3))
        return [Scenario(sql, assumed, blurred=self.blurred(), keyed=bool(self.keys)) for sql in dict.fromkeys(itertools.starmap(self.filled, pairs))]

    def filled(self, span: int, place: int) -> str:
        return PARAMETER.sub(lambda found: self.value(int(found[1]), span, place) if found[1] else found[0], self.statement.text)

    def uneven(self) -> tuple[Scenario, Scenario] | None:
        """With a rare and with the common value, where a parameter stands for one of a few values of which one is much more common than the rest."""
        if not any(use.form == "equal" and use.column and use.column.listed and max(use.column.shares) >= UNEVEN for use in self.uses.values()):
            return None
        one = self.scenarios()[0]
        return dataclasses.replace(one, sql=self.filled(0, 0)), dataclasses.replace(one, sql=self.filled(0, 1))

    def blurred(self) -> bool:
        sides = (side for one in nodes(self.statement.tree, "A_Expr") for side in (one.lexpr, one.rexpr))
        known = {*self.keys, *(number for number, type in enumerate(self.types, 1) if type == "regconfig")}
        return any(columns_in(side) and not known.issuperset(parameters(side)) for side in sides)

    def takes_turns(self) -> bool:
        """Whether it looks like the reader of a queue, who asks for the few that wait: rows are locked, or the first ones come first."""
        node = self.statement.node
        ascending = self.statement.kind == "select" and not any(symbol(one.sort_by, "sortby_dir") == "SORTBY_DESC" for one in node.sort_clause)
        return ascending and (bool(node.locking_clause) or node.HasField("limit_count") and bool(node.sort_clause))

    def _uses(self) -> Iterator[tuple[int, Use]]:
        for one in nodes(self.statement.tree, "A_Expr", "SelectStmt", "FuncCall"):
            given = []
            if kind_of(one) == "A_Expr":
                yield from self._compared(one)
            elif kind_of(one) == "SelectStmt":
                given = [("limit", one.limit_count), ("offset", one.limit_offset)]
            elif one.args and (form := WORDS.get(words(one.funcname)[-1])):
                given = [(form, one.args[0])]
            yield from ((number, Use(form)) for form, node in given for number in parameters(node))

    def _compared(self, one: Any) -> Iterator[tuple[int, Use]]:
        operator, kind = one.name[-1].string.sval if one.name else "", symbol(one, "kind")
        sides = ((one.lexpr, one.rexpr, operator), (one.rexpr, one.lexpr, {"<": ">", ">": "<", "<=": ">=", ">=": "<="}.get(operator, operator)))
        for left, right, meaning in sides:
            names, numbers = columns_in(left), parameters(right)
            if operator in ("->", "->>") and kind_of(left) == "ColumnRef":
                yield from ((number, self._use("key", left)) for number in numbers)
                return
            if not names or not numbers or operator in ("->", "->>") or columns_in(right) and operator != "@@":
                continue
            if kind in ("AEXPR_BETWEEN", "AEXPR_BETWEEN_SYM"):
                for form_, item in zip(("lower", "upper"), right.list.items):
                    yield from ((number, self._use(form_, left, item)) for number in parameters(item))
                return
            if kind_of(left) == "RowExpr" and kind_of(right) == "RowExpr":
                for item, other in zip(left.row_expr.args, right.row_expr.args):
                    yield from ((number, self._use(form(meaning), item, other)) for number in parameters(other))
                return
            among = kind == "AEXPR_OP_ANY" and kind_of(right) != "A_ArrayExpr"
            use = self._use("among" if among else form(meaning), left, right)
            yield from ((number, use if place == 0 or use.form not in ("lower", "upper") else Use("more")) for place, number in enumerate(numbers))
            if operator == "@@":
                yield from ((number, self._use("words", left)) for number in parameters(left))
            return

    def _use(self, form: str, node: Any, value: Any = None) -> Use:
        for alias, name in columns_in(node):
            relation = self.aliases.get(alias) if alias in self.aliases else next((one for one in self.aliases.values() if name in one.columns), None)
            if relation and name in relation.columns:
                return Use(form, relation, relation.columns[name], name in self.ordered, before_now(value), kind_of(node) == "ColumnRef")
        return Use(form)

    def value(self, number: int, span: int, place: int) -> str:
        """As SQL. What is compared with nothing known is a value that the planner cannot look into; where no type is known either, a constant that takes the type it meets."""
        use, typed = self.uses.get(number, Use("")), number <= len(self.types)
        type = self.types[number - 1] if typed else "" if use.column is None else use.column.type + "[]" * (use.form == "among")
        type = re.sub(r"^character(?! varying)", "bpchar", type)         # without its length it would be one letter
        unknown = f"(SELECT NULL::{type})" if typed else "'1'"
        if number in self.keys:
            return literal(self.keys[number])
        if use.form in ("limit", "offset"):
            return str(self._limit()) if use.form == "limit" else "0"
        if use.form == "more" and type in ("interval", *NUMBERS):
            return f"'0'::{type}"
        if type == "regconfig":
            return f"'{self._setting('default_text_search_config', 'english')}'::regconfig"
        if use.form.startswith("'"):
            return use.form
        if use.column is None or not typed and not use.plain or family(type) != family(use.column.type) and type != "interval":
            return unknown
        text = self._chosen(use, type, SPANS[span], place)
        if text is None:
            return unknown
        if type == "interval" and use.column.type.startswith(TIMES):
            return f"(now() - {literal(text)}::timestamptz)" if use.before else f"({literal(text)}::timestamptz - now())"
        return f"{literal(text)}::{type}" if typed else text if family(type) == "number" and re.fullmatch(r"\d+(\.\d+)?", text) else literal(text)

    def _setting(self, name: str, usual: str) -> str:
        return next((one["setting"] for one in self.facts.parts.get("settings", ()) if one["name"] == name), usual)

    def _limit(self) -> int:
        per_call = (self.statement.rows or 0) / max(self.statement.calls, 1)
        return math.ceil(per_call) if per_call >= 1 else LIMIT

    def _chosen(self, use: Use, type: str, span: tuple[float, float], place: int) -> str | None:
        column = use.column
        if use.form in ("lower", "upper") or type == "interval":
            share = 0.5 if use.paged and self.statement.node.DESCRIPTOR.name == "SelectStmt" and self._one_sided(use) else span[use.form == "upper"]
            return at(column, share if use.form == "lower" or self._bounded(use) else 1 - share)
        if use.form in ("like", "contains", "part", "words") and column.type != "tsvector":
            return pattern(use.form, typical(column, place), typical(column, place + 1), column)
        if column.type == "tsvector" or column.elements and use.form != "equal":
            element = column.elements[len(column.elements) // 2] if column.elements else None
            return element if not type.endswith("[]") else array([element]) if element is not None else None
        if column.type == "jsonb" and type == "jsonb":
            return part_of_document(typical(column, place))
        if type.endswith("[]"):
            return array([value for value in (typical(column, place + number) for number in range(ELEMENTS)) if value is not None])
        return typical(column, place)

    def _key(self, use: Use) -> str | None:
        """The key of a document that is compared and nothing else, where the values of one alone are as frequent as the rows that were counted say."""
        statement, compared = self.statement, [one for one in nodes(self.statement.tree, "A_Expr") if one.name[-1].string.sval not in ("->", "->>")]
        whole = len(compared) == 1 and len(self.aliases) == 1 and not any(nodes(statement.tree, "SubLink", "NullTest", "FuncCall")) and (
            statement.kind != "select" or not statement.node.HasField("limit_count") and not statement.node.group_clause)
        if not whole or not use.column or statement.rows is None:
            return None
        counted = max(statement.rows / max(statement.calls, 1), 1)
        fitting = [key for key, most, exact in document_keys(use.column) if counted <= ALIKE * most * use.relation.rows and not (exact and counted * ALIKE < most * use.relation.rows)]
        return fitting[0] if len(fitting) == 1 else None

    def _bounded(self, use: Use) -> bool:
        """Whether the column has a lower bound too."""
        return any(other.column is use.column and other.form == "lower" for other in self.uses.values())

    def _one_sided(self, use: Use) -> bool:
        return len({other.form for other in self.uses.values() if other.column is use.column}) == 1


def family(type: str) -> str:
    """Types whose constants are written alike.

    >>> family("character varying"), family("bigint[]"), family("uuid")
    ('text', 'number', 'uuid')
    """
    base = type.removesuffix("[]").split("(")[0].rpartition(".")[2].strip('"')
    return "text" if base in TEXTS else "number" if base in NUMBERS else "time" if base.startswith(TIMES) else base


def form(operator: str) -> str:
    return FORMS.get(operator, "holds")


def parameters(node: Any) -> list[int]:
    return [one.number for one in nodes(node, "ParamRef")] if node is not None and kind_of(node) != "SubLink" else []


def before_now(node: Any) -> bool:
    """Whether an expression takes something away (now() - $1)."""
    return node is not None and any(words(one.name) == ("-",) for one in nodes(node, "A_Expr"))


def at(column: Column, share: float) -> str | None:
    """The value below which this share of the values lies."""
    bounds = column.bounds or sorted(column.values)
    return bounds[min(len(bounds) - 1, int(share * len(bounds)))] if bounds else None


def typical(column: Column, place: int) -> str | None:
    """A value that is asked for by equality: of few values one of the middle, of many none of the most common; then others."""
    if column.listed:
        middle = len(column.values) // 2
        return [column.values[middle], column.values[0], column.values[-1]][place] if place < 3 else column.values[place % len(column.values)]
    if column.bounds and (place == 0 or not column.values):
        return column.bounds[(len(column.bounds) // 2 + 7 * place) % len(column.bounds)]
    return column.values[(place - bool(column.bounds)) % len(column.values)] if column.values else None


def pattern(form: str, value: str | None, other: str | None, column: Column) -> str | None:
    """LIKE without more: a beginning where the values are codes or names in one word, a part where they are text; ILIKE: a part. Parts of two values, since one of the
    histogram's own would seem more frequent than it is.
    """
    clean, more = (re.sub(r"[%_\\]", "", one or "") for one in (value, other))
    if len(clean) < 3:
        return None
    if form == "words":
        return max(re.findall(r"\w+", clean) or [clean], key=len)
    if form == "like" and one_word(column):
        return f"{clean[:len(os.path.commonprefix(column.bounds or column.values)) + BEGINNING]}%"
    middle = "".join(re.sub(r"\W", "", one[max(0, len(one) // 2 - 2):])[:3] for one in (clean, more))
    return middle if form == "part" else f"%{middle}%"


def one_word(column: Column) -> bool:
    values = column.bounds or column.values
    return sum(" " in value for value in values) * 5 < len(values)


def part_of_document(text: str | None) -> str | None:
    """One key of a JSON object, with a value next to its own, which the histogram would make seem more frequent than it is."""
    try:
        document = json.loads(text or "")
    except ValueError:
        return None
    pairs = [(key, value) for key, value in document.items() if isinstance(value, (str, int, float))] if isinstance(document, dict) else []
    return next((json.dumps({key: value if isinstance(value, bool) else value + "x" if isinstance(value, str) else value + 1}) for key, value in pairs), None)


def document_keys(column: Column) -> Iterator[tuple[str, float, bool]]:
    """Of a sample of JSON objects: key, the share of rows that one of its values finds, and whether that is it, not the most that it can be."""
    documents = [json.loads(text) for text in (*column.bounds, *column.values) if text.startswith("{")]
    found: dict[str, list[str]] = {}
    for document in documents if len(documents) >= FEW_DOCUMENTS else ():
        for key, value in document.items():
            found.setdefault(key, []).append(json.dumps(value))
    for key, values in found.items():
        yield key, len(values) / len(documents) / len(set(values)), len(set(values)) < UNIQUE * len(values)


def array(values: Sequence[str]) -> str:
    quoted = ('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in dict.fromkeys(values))
    return "{" + ",".join(quoted) + "}"
