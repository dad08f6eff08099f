"""CHECK constraints as keywords of JSON Schema: what a check says of one column, as far as both languages mean the same by it.

A keyword may say less than the check (the database still refuses the rest), never more: a row that is there must fit the document.
"""
from __future__ import annotations

import re
from typing import Any, Iterator, Mapping

from senior_backend import dependencies
from senior_backend.postgres.parsed_text import strings
from senior_backend.postgres.treatment import enum

Limits = dict[str, Any]
Said = tuple[str, Limits]               # a column and what is said of it; NOTHING when no keyword can say it
NOTHING: Said = ("", {})
LOOSE = re.compile(r" (NOT VALID|NO INHERIT|NOT ENFORCED)\)*\Z")         # rows may be there that do not fit
LENGTHS = {**dict.fromkeys(("length", "char_length", "character_length"), ("minLength", "maxLength")), "octet_length": ("", "maxLength"), "cardinality": ("minItems", "maxItems"),
           "array_length": ("", "maxItems")}           # of an empty array it is null, and the check holds
HARMLESS = frozenset(("text", "varchar", "numeric", "float8", "int8"))          # casts behind which a value still compares as before
NUMBERS = frozenset(("int2", "int4", "numeric", "float4", *HARMLESS)) - {"text", "varchar"}
MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "<>": "<>"}
JSON_TYPES = ("object", "array", "string", "number", "boolean")
# regular expressions that ECMAScript reads as PostgreSQL does but for the dot: no classes by name or locale, no options, no look-around, no back references
SAME_REGEX = re.compile(r"(?:[^\\\[\](){}*+?|^$]|\\[-.*+?^$()\[\]{}|\\/]|\\d|\[\^?(?:[^\\\[\]]|\\[-.\]\[^/])+\]|\((?:\?:)?|[)|^$]|(?<=[^|(^])[*+?]|\{\d+(?:,\d*)?\})*\Z")
REGEX_PARTS = re.compile(r"\\.|\[\^?(?:\\.|[^\]])+\]|\.")


def narrowed(definition: str, kinds: Mapping[str, Any]) -> Iterator[Said]:
    """(column, keywords) for each part of a check that says something about one column. definition: as pg_get_constraintdef gives it; kinds: column -> Kind, "value" for a domain."""
    postgast = dependencies.require("postgast")
    try:
        tree = postgast.parse(f"SELECT {definition.removeprefix('CHECK ')}").stmts[0].stmt.select_stmt.target_list[0].res_target.val
    except (postgast.PgQueryError, IndexError):
        return
    reader = Reader(kinds)
    for part in conjuncts(tree) if not LOOSE.search(definition) else ():
        name, limits = reader.read(part)
        if name and limits:
            yield name, limits


def conjuncts(node: Any) -> Iterator[Any]:
    if is_kind(node, "bool_expr") and enum(node.bool_expr, "boolop") == "AND_EXPR":
        for one in node.bool_expr.args:
            yield from conjuncts(one)
    else:
        yield node


class Reader:
    def __init__(self, kinds: Mapping[str, Any]):
        self.kinds = kinds

    def read(self, node: Any) -> Said:
        if is_kind(node, "bool_expr") and enum(node.bool_expr, "boolop") == "OR_EXPR":
            return self.alternatives(list(node.bool_expr.args))
        if not is_kind(node, "a_expr"):
            return NOTHING
        given, kind = node.a_expr, enum(node.a_expr, "kind")
        operator = given.name[-1].string.sval
        if kind == "AEXPR_BETWEEN":
            (name, least), (_, most) = (self.comparison(given.lexpr, way, end) for way, end in zip((">=", "<="), given.rexpr.list.items))
            return name, {**least, **most}
        if kind in ("AEXPR_IN", "AEXPR_OP_ANY"):
            return self.one_of(given.lexpr, items(given.rexpr)) if operator == "=" else NOTHING
        return self.comparison(given.lexpr, operator, given.rexpr) if kind in ("AEXPR_OP", "AEXPR_LIKE") else NOTHING

    def alternatives(self, parts: list[Any]) -> Said:
        """Null, or something that is said; or equalities with one column."""
        nulls = [one for one in parts if is_kind(one, "null_test") and enum(one.null_test, "nulltesttype") == "IS_NULL"]
        found = [self.read(one) for one in parts if one not in nulls]
        names = {name for name, _ in found} | {self.column(one.null_test.arg) for one in nulls}
        if len(names) != 1 or len(found) > 1 and any(set(limits) != {"enum"} for _, limits in found):
            return NOTHING
        return found[0] if len(found) == 1 else (found[0][0], {"enum": list(dict.fromkeys(value for _, limits in found for value in limits["enum"]))})

    def comparison(self, left: Any, operator: str, right: Any) -> Said:
        value = constant(right)
        if value is None:
            left, operator, value = right, MIRRORED.get(operator, ""), constant(left)
        if value is None:
            return NOTHING
        name = self.column(left)
        if operator in ("~", "~~"):
            pattern = regex(value) if operator == "~" else like(value)
            return (name, {"pattern": pattern}) if pattern and self.is_text(name) else NOTHING
        if operator == "=":
            if called(left) == "jsonb_typeof":
                return self.column(left.func_call.args[0]), {"type": value} if value in JSON_TYPES else {}
            return self.one_of(left, [right if constant(right) is not None else left])
        if operator == "<>":
            return name, {"minLength": 1} if value == "" and self.is_text(name, "padded") else {}
        return self.bound(left, operator, value) if operator and isinstance(value, (int, float)) else NOTHING

    def bound(self, left: Any, operator: str, value: int | float) -> Said:
        least, strict = operator[0] == ">", "=" not in operator
        if called(left) in LENGTHS:
            keyword, limit = LENGTHS[called(left)][not least], value + strict * (1 if least else -1)
            name = self.column(trimmed(left.func_call.args[0]) if least else left.func_call.args[0])
            measured = name and (self.kinds[name].group == "text" if "Length" in keyword else self.kinds[name].codec.startswith("array("))
            return (name, {keyword: int(limit)}) if keyword and measured and limit == int(limit) and 0 <= limit < 10**6 else NOTHING
        name, keyword = self.column(left), "minimum" if least else "maximum"
        return (name, {f"exclusive{keyword.title()}" if strict else keyword: value}) if name and self.kinds[name].group == "number" else NOTHING

    def one_of(self, left: Any, values: list[Any]) -> Said:
        name, found = self.column(left), [constant(one) for one in values]
        fits: Any = (int, float) if name and self.kinds[name].schema.get("type") == "integer" else str
        return (name, {"enum": found}) if found and all(isinstance(one, fits) for one in found) and (fits is not str or self.is_text(name, "padded")) else NOTHING

    def is_text(self, name: str, *more: str) -> bool:
        """Whether it is compared as a text of JSON is: not without regard to case, not in another spelling. more: further codecs that do."""
        return bool(name) and self.kinds[name].codec in ("text", *more) and self.kinds[name].group == "text" and self.kinds[name].literal

    def column(self, node: Any) -> str:
        """The name of the column that a node is, also where it is cast to what compares alike."""
        while is_kind(node, "type_cast") and not node.type_cast.type_name.typmods and strings(node.type_cast.type_name.names)[-1] in HARMLESS:
            node = node.type_cast.arg
        name = node.column_ref.fields[-1].string.sval if is_kind(node, "column_ref") and len(node.column_ref.fields) == 1 else ""
        return name if name in self.kinds else ""


def is_kind(node: Any, kind: str) -> bool:
    return node.WhichOneof("node") == kind


def bare(node: Any) -> Any:
    while is_kind(node, "type_cast"):
        node = node.type_cast.arg
    return node


def called(node: Any) -> str:
    return strings(node.func_call.funcname)[-1] if is_kind(node, "func_call") else ""


def trimmed(node: Any) -> Any:
    """What is trimmed is at least as long as what is left of it."""
    inner = bare(node)
    return inner.func_call.args[0] if called(inner) in ("btrim", "ltrim", "rtrim") and len(inner.func_call.args) == 1 else node


def items(node: Any) -> list[Any]:
    node = bare(node)
    return list(node.list.items if is_kind(node, "list") else node.a_array_expr.elements if is_kind(node, "a_array_expr") else ())


def constant(node: Any) -> Any:
    """The number or text that a node is; None for all else. Texts that are cast to numbers are numbers."""
    casts, inner = set(), node
    while is_kind(inner, "type_cast"):
        casts.add(strings(inner.type_cast.type_name.names)[-1])
        inner = inner.type_cast.arg
    if is_kind(inner, "a_expr") and inner.a_expr.name[-1].string.sval == "-" and not inner.a_expr.HasField("lexpr"):
        value = constant(inner.a_expr.rexpr)
        return -value if isinstance(value, (int, float)) else None
    if not is_kind(inner, "a_const") or inner.a_const.isnull:
        return None
    which = inner.a_const.WhichOneof("val") or "ival"
    if which == "sval" and not casts & NUMBERS:
        return inner.a_const.sval.sval
    return inner.a_const.ival.ival if which == "ival" else number(getattr(getattr(inner.a_const, which), which)) if which in ("fval", "sval") else None


def number(text: str) -> int | float | None:
    if not re.fullmatch(r"[+-]?\d+(\.\d*)?(e[+-]?\d+)?", text, re.IGNORECASE):
        return None
    return int(text) if text.lstrip("+-").isdigit() else float(text)


def regex(pattern: Any) -> str | None:
    """A POSIX expression for ECMAScript, None when the two may read it differently."""
    if not isinstance(pattern, str) or not SAME_REGEX.match(pattern) or pattern.startswith("***"):
        return None
    return REGEX_PARTS.sub(lambda found: {".": r"[\s\S]", r"\d": "[0-9]"}.get(found[0], found[0]), pattern)


def like(pattern: Any) -> str | None:
    r"""A LIKE pattern as a regular expression.

    >>> like("ab%"), like("a.%c"), like("50\\%")
    ('^ab', '^a\\.[\\s\\S]*c$', None)
    """
    if not isinstance(pattern, str) or "\\" in pattern:
        return None
    text = re.sub(r"[.*+?^${}()|\[\]/]", lambda found: "\\" + found[0], pattern)
    return f"^{text}$".replace("%", r"[\s\S]*").replace("_", r"[\s\S]").removesuffix(r"[\s\S]*$")
