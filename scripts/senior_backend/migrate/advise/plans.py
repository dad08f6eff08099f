"""What a plan says about the relations it reads: which conditions, which order, which columns. The planner has expanded views, flattened subqueries and resolved every name."""
from __future__ import annotations

import dataclasses
import functools
import re
from typing import Any, Callable, Iterator

from senior_backend.postgres import trees
from senior_backend.postgres.quote import ident

Name = tuple[str, str]
CONDITIONS = ("Filter", "Index Cond", "Recheck Cond", "Join Filter", "Hash Cond", "Merge Cond")
SORTED = {"Sort": "Sort Key", "Incremental Sort": "Sort Key", "Merge Append": "Sort Key", "Aggregate": "Group Key", "Group": "Group Key"}
FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "@>": "<@", "<@": "@>", "&&": "&&"}
RANGES = ("<", "<=", ">", ">=")
SUBPLAN = re.compile(r"\((?:hashed )?(?:SubPlan|InitPlan) \d+\)(?:\.col\d+)?|\b(?:hashed )?(?:SubPlan|InitPlan) \d+\b|\$\d+")
EXTREME = ("min", "max")


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """Of an index. text: a column or an expression, without its table; columns: what it is made of; suffix: operator class, direction."""
    text: str
    columns: tuple[str, ...]
    suffix: str = ""

    @property
    def plain(self) -> bool:
        return len(self.columns) == 1 and self.text == ident(self.columns[0])


@dataclasses.dataclass(frozen=True, slots=True)
class Condition:
    """kind: equal, among, range, prefix, search, null, present, true, unequal. value: as SQL, "" where it comes from another relation (others). text: the whole, as a predicate."""
    kind: str
    keys: tuple[Key, ...]
    operator: str = ""
    value: str = ""
    text: str = ""
    others: frozenset[str] = frozenset()


Order = tuple[Key, ...]


@dataclasses.dataclass
class Access:
    """How a statement reads one relation. branches: alternatives of an OR; orders: what rows are sorted or grouped by; used: columns that it needs of it at all; locked: rows are locked or changed."""
    table: Name
    alias: str
    conditions: list[Condition] = dataclasses.field(default_factory=list)
    branches: list[list[list[Condition]]] = dataclasses.field(default_factory=list)
    orders: list[Order] = dataclasses.field(default_factory=list)
    used: set[str] = dataclasses.field(default_factory=set)
    locked: bool = False


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    waiting = [plan]
    while waiting:
        one = waiting.pop()
        yield one
        waiting += one.get("Plans", ())


def indexes_in(plan: dict[str, Any]) -> set[str]:
    return {one["Index Name"] for one in nodes(plan) if "Index Name" in one}


def accesses(plan: dict[str, Any]) -> list[Access]:
    """Of a plan made with VERBOSE and without indexes, so that each condition and each order is there to see."""
    found: dict[str, Access] = {}
    for node in nodes(plan):
        if "Relation Name" in node and "Alias" in node:
            found.setdefault(node["Alias"], Access((node.get("Schema", "public"), node["Relation Name"]), node["Alias"]))
    for node in nodes(plan):
        kind = node["Node Type"]
        for field in CONDITIONS:
            if field in node:
                take_condition(node[field], found)
        if kind in SORTED and SORTED[kind] in node:
            take_order(node[SORTED[kind]], found)
        if kind == "Aggregate" and "Group Key" not in node:
            take_extremes(node.get("Output", ()), found)
        if node is plan or "Relation Name" not in node:
            for text in node.get("Output", ()):
                use(expression(text), found)
        if kind in ("ModifyTable", "LockRows"):
            for one in found.values():
                one.locked = True
    return list(found.values())


@functools.lru_cache(4096)
def expression(text: str) -> Any:
    """The tree of an expression in a plan, None for what is no SQL."""
    return parsed(f"SELECT {text}", lambda select: select.target_list[0].res_target.val)


def parsed(sql: str, part: Callable[[Any], Any]) -> Any:
    try:
        return part(trees.parse(SUBPLAN.sub("NULL", sql))[0])
    except trees.postgast().PgQueryError:
        return None


def kind_of(node: Any) -> str:
    return trees.kind_of(trees.unwrapped(node))


def columns_in(node: Any) -> list[tuple[str, str]]:
    """(alias, column) of all columns in an expression, alias "" where none stands there; subqueries left out."""
    if node is None or kind_of(node) == "SubLink":
        return []
    return [(one.fields[-2].string.sval if len(one.fields) > 1 else "", one.fields[-1].string.sval) for one in trees.nodes(node, "ColumnRef")
            if kind_of(one.fields[-1]) == "String"]


def use(node: Any, found: dict[str, Access]) -> None:
    for alias, column in columns_in(node) if node is not None else ():
        if alias in found:
            found[alias].used.add(column)


def sql_of(node: Any) -> str:
    """An expression as SQL, without the names of tables."""
    copy = type(node)()
    copy.CopyFrom(node)
    for one in trees.nodes(copy, "ColumnRef"):
        del one.fields[:-1]
    return trees.expression(copy)


def key_of(node: Any, found: dict[str, Access]) -> tuple[str, Key] | None:
    """(alias, key) of an expression over columns of one relation."""
    inner = trees.unwrapped(node)
    if kind_of(node) == "TypeCast" and kind_of(inner.arg) == "ColumnRef" and inner.type_name.names[-1].string.sval == "text":
        node = inner.arg            # varchar shown as text: the same index serves; of other types the cast stays in Condition.text alone
    columns = columns_in(node)
    aliases = {alias for alias, _ in columns}
    if len(aliases) != 1 or not aliases <= found.keys():
        return None
    alias, names = aliases.pop(), tuple(sorted(column for _, column in columns))
    text = sql_of(node)
    return alias, Key(text if kind_of(node) in ("ColumnRef", "FuncCall") else f"({text})", names)


def take_condition(text: str, found: dict[str, Access]) -> None:
    node = expression(text)
    use(node, found)
    for part in parts(node, "AND_EXPR") if node else ():
        alternatives = parts(part, "OR_EXPR")
        if len(alternatives) > 1:
            take_branches(alternatives, found)
        else:
            for alias, one in conditions(part, found):
                if one not in found[alias].conditions:
                    found[alias].conditions.append(one)


def take_branches(alternatives: list[Any], found: dict[str, Access]) -> None:
    read = [[pair for part in parts(one, "AND_EXPR") for pair in conditions(part, found)] for one in alternatives]
    for alias in set.intersection(*({alias for alias, _ in pairs} for pairs in read)) if read else ():
        branches = [[one for other, one in pairs if other == alias] for pairs in read]
        if branches not in found[alias].branches:
            found[alias].branches.append(branches)


def parts(node: Any, kind: str) -> list[Any]:
    inner = trees.unwrapped(node)
    if kind_of(node) == "BoolExpr" and trees.symbol(inner, "boolop") == kind:
        return [one for arg in inner.args for one in parts(arg, kind)]
    return [node]


def conditions(node: Any, found: dict[str, Access]) -> list[tuple[str, Condition]]:
    """What one part of an AND says, for each relation that an index may be looked up in."""
    inner, name = trees.unwrapped(node), kind_of(node)
    if name == "NullTest":
        return single(inner.arg, "null" if trees.symbol(inner, "nulltesttype") == "IS_NULL" else "present", node, found)
    if name == "BoolExpr" and len(inner.args) == 1:
        return single(inner.args[0], "true", node, found) if kind_of(inner.args[0]) == "ColumnRef" else []
    if name in ("ColumnRef", "BooleanTest"):
        return single(node if name == "ColumnRef" else inner.arg, "true", node, found)
    return compared(inner, node, found) if name == "A_Expr" else []


def single(argument: Any, kind: str, whole: Any, found: dict[str, Access]) -> list[tuple[str, Condition]]:
    made = key_of(argument, found)
    return [(made[0], Condition(kind, (made[1],), kind, "true", sql_of(whole)))] if made else []


def compared(inner: Any, whole: Any, found: dict[str, Access]) -> list[tuple[str, Condition]]:
    operator, form = trees.words(inner.name)[-1], trees.symbol(inner, "kind")
    if form in ("AEXPR_OP_ANY", "AEXPR_OP_ALL"):
        kind = "among" if form == "AEXPR_OP_ANY" and operator == "=" else "unequal" if operator == "<>" else ""
        return one_side(kind, operator, inner.lexpr, inner.rexpr, whole, found) if kind else []
    if form != "AEXPR_OP" or not inner.HasField("lexpr"):
        return []
    if kind_of(inner.lexpr) == "RowExpr":
        return rows_compared(operator, inner, whole, found)
    kind = "equal" if operator == "=" else "range" if operator in RANGES else "unequal" if operator in ("<>", "!=") else "search"
    back = FLIPPED.get(operator)
    return one_side(kind, operator, inner.lexpr, inner.rexpr, whole, found) + (one_side(kind, back, inner.rexpr, inner.lexpr, whole, found) if back else [])


def one_side(kind: str, operator: str, left: Any, right: Any, whole: Any, found: dict[str, Access]) -> list[tuple[str, Condition]]:
    made = key_of(left, found)
    if not made:
        return []
    others = frozenset(alias for alias, _ in columns_in(right))
    if made[0] in others:
        return []
    constant = not others
    return [(made[0], Condition(kind, (made[1],), operator, sql_of(right) if constant else "", sql_of(whole) if constant else "", others))]


def rows_compared(operator: str, inner: Any, whole: Any, found: dict[str, Access]) -> list[tuple[str, Condition]]:
    """(a, b) < (x, y): the columns in their order."""
    made = [key_of(one, found) for one in trees.unwrapped(inner.lexpr).args]
    if operator not in RANGES or None in made or len({one[0] for one in made}) != 1 or columns_in(inner.rexpr):
        return []
    return [(made[0][0], Condition("range", tuple(key for _, key in made), operator, sql_of(inner.rexpr), sql_of(whole)))]


def take_order(texts: list[str], found: dict[str, Access]) -> None:
    """The keys that belong to the relation of the first one, as far as they go."""
    taken: list[tuple[str, Key]] = []
    for text in texts:
        item = parsed(f"SELECT 1 ORDER BY {text}", lambda select: select.sort_clause[0].sort_by)
        use(item and item.node, found)
        made = item and key_of(item.node, found)
        if not made or taken and made[0] != taken[0][0]:
            break
        down, nulls = trees.symbol(item, "sortby_dir") == "SORTBY_DESC", trees.symbol(item, "sortby_nulls").removeprefix("SORTBY_NULLS_")
        suffix = " DESC" * down + (f" NULLS {nulls}" if nulls == ("LAST" if down else "FIRST") else "")
        taken.append((made[0], dataclasses.replace(made[1], suffix=suffix)))
    if taken and (order := tuple(key for _, key in taken)) not in found[taken[0][0]].orders:
        found[taken[0][0]].orders.append(order)


def take_extremes(outputs: list[str], found: dict[str, Access]) -> None:
    """min() and max() are the first of an order."""
    for text in outputs:
        node = expression(text)
        call = node and trees.unwrapped(node)
        if trees.kind_of(call) == "FuncCall" and trees.words(call.funcname)[-1] in EXTREME and len(call.args) == 1:
            made = key_of(call.args[0], found)
            if made and (made[1],) not in found[made[0]].orders:
                found[made[0]].orders.append((made[1],))
