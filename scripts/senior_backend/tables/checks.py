"""CHECK constraints as keywords of JSON Schema: what a check says of one column, as far as both languages mean the same by it.

A keyword may say less than the check (the database still refuses the rest), never more: a row that is there must fit the document.
"""
from __future__ import annotations

import re
from typing import Any, Callable, Iterator, Mapping

from senior_backend import dependencies
from senior_backend.postgres.parsed_text import strings
from senior_backend.postgres.treatment import enum

Limits = dict[str, Any]
LOOSE = ("NOT VALID", "NO INHERIT", "NOT ENFORCED")         # rows may be there that do not fit
LENGTHS = {"length": ("minLength", "maxLength"), "char_length": ("minLength", "maxLength"), "character_length": ("minLength", "maxLength"), "octet_length": ("", "maxLength"),
           "cardinality": ("minItems", "maxItems"), "array_length": ("", "maxItems")}          # of an empty array it is null, and the check holds
HARMLESS = frozenset(("text", "varchar", "numeric", "float8", "int8"))          # casts behind which a value still compares as before
TRIMS = ("btrim", "ltrim", "rtrim")
MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "<>": "<>"}
# regular expressions that ECMAScript reads as PostgreSQL does but for the dot: no classes by name or locale, no options, no look-around, no back references
SAME_REGEX = re.compile(r"(?:[^\\\[\](){}*+?|^$]|\\[-.*+?^$()\[\]{}|\\/]|\\d|\[\^?(?:[^\\\[\]]|\\[-.\]\[^/])+\]|\((?:\?:)?|[)|^$]|(?<=[^|(^])[*+?]|\{\d+(?:,\d*)?\})*\Z")


def narrowed(definition: str, kinds: Mapping[str, Any]) -> Iterator[tuple[str, Limits]]:
    """(column, keywords) for each part of a check that says something about one column. definition: as pg_get_constraintdef gives it; kinds: column -> Kind, "value" for a domain."""
    if definition.rstrip(")").rstrip().endswith(LOOSE) or any(definition.endswith(word) for word in LOOSE):
        return
    postgast = dependencies.require("postgast")
    try:
        tree = postgast.parse(f"SELECT {definition.removeprefix('CHECK ')}").stmts[0].stmt.select_stmt.target_list[0].res_target.val
    except (postgast.PgQueryError, IndexError):
        return
    for part in conjuncts(tree):
        name, limits = Reader(kinds).read(part)
        if name and limits:
            yield name, limits


def conjuncts(node: Any) -> Iterator[Any]:
    if node.WhichOneof("node") == "bool_expr" and enum(node.bool_expr, "boolop") == "AND_EXPR":
        for one in node.bool_expr.args:
            yield from conjuncts(one)
    else:
        yield node


class Reader:
    def __init__(self, kinds: Mapping[str, Any]):
        self.kinds = kinds

    def read(self, node: Any) -> tuple[str, Limits]:
        """The column that an expression is about, and its keywords; ("", {}) when it says what no keyword can."""
        which = node.WhichOneof("node")
        if which == "bool_expr" and enum(node.bool_expr, "boolop") == "OR_EXPR":
            tested = {self.column(one.null_test.arg) for one in node.bool_expr.args if is_null_test(one)}
            name, limits = self.alternatives([self.read(one) for one in node.bool_expr.args if not is_null_test(one)])
            return (name, limits) if tested <= {name} else ("", {})
        if which != "a_expr":
            return "", {}
        given, kind = node.a_expr, enum(node.a_expr, "kind")
        operator = given.name[-1].string.sval
        if kind == "AEXPR_OP":
            return self.comparison(given.lexpr, operator, given.rexpr)
        if kind in ("AEXPR_IN", "AEXPR_OP_ANY") and operator == "=":
            return self.one_of(given.lexpr, items(given.rexpr))
        if kind == "AEXPR_BETWEEN":
            low, high = given.rexpr.list.items
            (name, least), (_, most) = self.comparison(given.lexpr, ">=", low), self.comparison(given.lexpr, "<=", high)
            return name, {**least, **most}
        return (self.pattern(given.lexpr, like(constant(given.rexpr)))) if kind == "AEXPR_LIKE" and operator == "~~" else ("", {})

    def alternatives(self, found: list[tuple[str, Limits]]) -> tuple[str, Limits]:
        """One part left, or equalities with the same column."""
        if len(found) == 1:
            return found[0]
        if len({name for name, _ in found}) == 1 and all(set(limits) == {"enum"} for _, limits in found):
            return found[0][0], {"enum": list(dict.fromkeys(value for _, limits in found for value in limits["enum"]))}
        return "", {}

    def comparison(self, left: Any, operator: str, right: Any) -> tuple[str, Limits]:
        value = constant(right)
        if value is None:
            left, operator, value = right, MIRRORED.get(operator, ""), constant(left)
        if value is None or not operator:
            return "", {}
        if operator == "~":
            return self.pattern(left, regex(value))
        if operator == "~~":
            return self.pattern(left, like(value))
        if operator == "=" and left.WhichOneof("node") == "func_call" and function(left) == "jsonb_typeof":
            return self.column(left.func_call.args[0]), ({"type": value} if value in ("object", "array", "string", "number", "boolean") else {})
        if operator == "=":
            return self.one_of(left, [right if constant(right) is not None else left])
        if operator == "<>":
            return self.column(left), ({"minLength": 1} if value == "" and self.is_text(self.column(left), "padded") else {})
        return self.bound(left, operator, value)

    def bound(self, left: Any, operator: str, value: Any) -> tuple[str, Limits]:
        if not isinstance(value, (int, float)):
            return "", {}
        least = operator in (">", ">=")
        if left.WhichOneof("node") == "func_call":
            keyword = LENGTHS.get(function(left), ("", ""))[0 if least else 1]
            inner = trimmed(left.func_call.args[0]) if least else left.func_call.args[0]
            steps = {">": 1, "<": -1}.get(operator, 0)
            name = self.column(inner)
            measured = name and (self.kinds[name].group == "text" if keyword.endswith("Length") else self.kinds[name].codec.startswith("array("))
            return name, ({keyword: max(int(value) + steps, 0)} if keyword and measured and value == int(value) and int(value) + steps < 10**6 else {})
        name = self.column(left)
        if not name or self.kinds[name].group != "number":
            return "", {}
        strict = "exclusive" if operator in ("<", ">") else ""
        return name, {f"{strict}{'Minimum' if least else 'Maximum'}" if strict else "minimum" if least else "maximum": value}

    def one_of(self, left: Any, values: list[Any]) -> tuple[str, Limits]:
        name, found = self.column(left), [constant(one) for one in values]
        fits = (int, float) if name and self.kinds[name].group == "number" and self.kinds[name].schema.get("type") == "integer" else str
        if not name or not found or not all(isinstance(one, fits) for one in found) or fits is str and not self.is_text(name, "padded"):
            return "", {}
        return name, {"enum": found}

    def pattern(self, left: Any, pattern: str | None) -> tuple[str, Limits]:
        name = self.column(left)
        return (name, {"pattern": pattern}) if name and pattern is not None and self.is_text(name) else ("", {})

    def is_text(self, name: str, *more: str) -> bool:
        """Whether it is compared as a text of JSON is: not without regard to case, not in another spelling. more: further codecs that do."""
        return bool(name) and self.kinds[name].codec in ("text", *more) and self.kinds[name].group == "text" and self.kinds[name].literal

    def column(self, node: Any) -> str:
        """The name of the column that a node is, also where it is cast to what compares alike."""
        while node.WhichOneof("node") == "type_cast" and not node.type_cast.type_name.typmods and strings(node.type_cast.type_name.names)[-1] in HARMLESS:
            node = node.type_cast.arg
        name = node.column_ref.fields[-1].string.sval if node.WhichOneof("node") == "column_ref" and len(node.column_ref.fields) == 1 else ""
        return name if name in self.kinds else ""


def is_null_test(node: Any) -> bool:
    return node.WhichOneof("node") == "null_test" and enum(node.null_test, "nulltesttype") == "IS_NULL"


def function(node: Any) -> str:
    return strings(node.func_call.funcname)[-1]


def trimmed(node: Any) -> Any:
    """What is trimmed is at least as long as what is left of it."""
    while node.WhichOneof("node") == "type_cast":
        node = node.type_cast.arg
    return node.func_call.args[0] if node.WhichOneof("node") == "func_call" and function(node) in TRIMS and len(node.func_call.args) == 1 else node


def items(node: Any) -> list[Any]:
    while node.WhichOneof("node") == "type_cast":
        node = node.type_cast.arg
    return list({"list": lambda: node.list.items, "a_array_expr": lambda: node.a_array_expr.elements}.get(node.WhichOneof("node"), list)())


def constant(node: Any) -> Any:
    """The number or text that a node is; None for all else. Texts that are cast to numbers are numbers."""
    casts: list[str] = []
    while node.WhichOneof("node") == "type_cast":
        casts, node = [*casts, strings(node.type_cast.type_name.names)[-1]], node.type_cast.arg
    if node.WhichOneof("node") == "a_expr" and enum(node.a_expr, "kind") == "AEXPR_OP" and node.a_expr.name[-1].string.sval == "-" and not node.a_expr.HasField("lexpr"):
        value = constant(node.a_expr.rexpr)
        return -value if isinstance(value, (int, float)) else None
    if node.WhichOneof("node") != "a_const" or node.a_const.isnull:
        return None
    which = node.a_const.WhichOneof("val")
    value: Any = {"ival": lambda: node.a_const.ival.ival, "fval": lambda: number(node.a_const.fval.fval), "sval": lambda: node.a_const.sval.sval}.get(which or "ival", lambda: None)()
    return number(value) if isinstance(value, str) and set(casts) & {"int2", "int4", "int8", "numeric", "float4", "float8", "integer", "bigint"} else value


def number(text: str) -> int | float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return None if value != value or abs(value) == float("inf") else int(text) if re.fullmatch(r"[+-]?\d+", text) else value


def regex(pattern: Any) -> str | None:
    """A POSIX expression for ECMAScript, None when the two may read it differently."""
    if not isinstance(pattern, str) or not SAME_REGEX.match(pattern) or pattern.startswith("***"):
        return None
    return compiled(re.sub(r"\\.|\[\^?(?:\\.|[^\]])+\]|\.", lambda found: {".": r"[\s\S]", r"\d": "[0-9]"}.get(found[0], found[0]), pattern))


def like(pattern: Any) -> str | None:
    r"""A LIKE pattern as a regular expression.

    >>> like("ab%"), like("a.%c"), like("50\\%")
    ('^ab', '^a\\.[\\s\\S]*c$', None)
    """
    if not isinstance(pattern, str) or "\\" in pattern:
        return None
    text = "".join({"%": r"[\s\S]*", "_": r"[\s\S]"}.get(letter, re.sub(r"([.*+?^${}()|\[\]\\/-])", r"\\\1", letter)) for letter in pattern)
    return f"^{text}$".removesuffix(r"[\s\S]*$")


def compiled(pattern: str) -> str | None:
    try:
        re.compile(pattern)
    except re.error:
        return None
    return pattern
