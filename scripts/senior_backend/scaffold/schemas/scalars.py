"""Strings, numbers and enumerations as types and zod expressions."""
from __future__ import annotations

from senior_backend.scaffold.schemas.facts import kind_of
from senior_backend.scaffold.values.patterns import check_pattern
from senior_backend.scaffold.schemas.shape import NEVER, Rank, Shape, call
from senior_backend.scaffold.typescript import flat_literal, key, number, string

# what assets/scaffold/formats.ts can tell; other formats are annotations
FORMATS = frozenset((
    "date-time", "date", "time", "duration", "email", "idn-email", "hostname", "idn-hostname", "ipv4", "ipv6", "uri", "uri-reference", "iri", "iri-reference", "uuid",
    "uri-template", "json-pointer", "relative-json-pointer", "regex"))
SAFE_INTEGER = 2 ** 53 - 1
ROOT_MEMBERS = frozenset((
    "__proto__", "constructor", "toString", "toLocaleString", "valueOf", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable",
    "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__"))
NUMBER_LIMITS = (("minimum", "min"), ("maximum", "max"), ("exclusiveMinimum", "gt"), ("exclusiveMaximum", "lt"))


def string_shape(walk, schema: dict) -> Shape:
    if walk.is_binary(schema):
        return walk.binary_shape()
    zod, checks = "z.string()", []
    low, high = schema.get("minLength"), schema.get("maxLength")
    if low == 1:
        zod += ".min(1)"
    elif low:
        checks.append(f"{walk.helper('minLength')}({number(low)})")
    if high is not None:
        checks.append(f"{walk.helper('maxLength')}({number(high)})")
    zod = call(f"{zod}.check", checks, "", "") if checks else zod
    if "pattern" in schema and (expression := usable_pattern(walk, schema)):
        zod += f".regex({expression})"
    if schema.get("format") in FORMATS:
        zod += f".check({walk.helper('format')}({string(schema['format'])}))"
    return Shape("string", zod)


def usable_pattern(walk, schema: dict) -> str | None:
    """The pattern as a RegExp expression; None, and a warning, when Node cannot hold it or it can take exponential time."""
    pattern = check_pattern(schema["pattern"])
    if pattern.expression is None:
        walk.warn(f"pattern is not checked: {pattern.problem}", schema, "pattern")
        return None
    if pattern.danger == "exponential":
        walk.warn("pattern is not checked: it can take exponential time on long texts", schema, "pattern")
        return None
    if pattern.danger:
        walk.warn("pattern can take long on long texts" + ("" if "maxLength" in schema else "; a maxLength would bound it"), schema, "pattern")
    return pattern.expression


def number_shape(walk, schema: dict, integer: bool) -> Shape:
    zod = integer_expression(walk, schema) if integer else "z.number()"
    for keyword, method in NUMBER_LIMITS:
        limit = schema.get(keyword)
        if limit is not None and not (integer and abs(limit) > SAFE_INTEGER and implied(keyword, limit)):
            zod += f".{method}({number(limit)})"
    step = schema.get("multipleOf")
    if step is None:
        return Shape("number", zod)
    if integer and float(step).is_integer():
        return Shape("number", zod if step == 1 else f"{zod}.multipleOf({number(step)})")
    return Shape("number", f"{zod}.check({walk.helper('multipleOf')}({number(step)}))")


def integer_expression(walk, schema: dict) -> str:
    """z.int() stops at 2**53; an int64 may go on."""
    if schema.get("format") == "int64":
        return f"{walk.helper('int64')}()"
    return "z.int32()" if schema.get("format") == "int32" else "z.int()"


def implied(keyword: str, limit: float) -> bool:
    """Whether every integer that JavaScript holds exactly keeps the limit."""
    return limit < 0 if keyword.endswith("inimum") else limit > 0


def values_shape(walk, values: list) -> Shape:
    """One of these JSON values."""
    texts = list(dict.fromkeys(map(flat_literal, values)))
    if not texts:
        return NEVER
    text = " | ".join(dict.fromkeys(value_type(value) for value in values))
    rank = Rank.UNION if len(texts) > 1 else Rank.ATOM
    text = text if len(text) <= 100 else "".join(f"\n  | {value_type(value)}" for value in values)
    if any(isinstance(value, (dict, list)) for value in values):
        return Shape(text, call(f"{walk.helper('equals')}<{text}>", texts), rank)
    return Shape(text, plain_values(values), rank)


def plain_values(values: list) -> str:
    rest = [value for value in values if value is not None]
    ending = ".nullable()" if rest and len(rest) < len(values) else ""
    texts = list(dict.fromkeys(map(flat_literal, rest)))
    if not texts:
        return "z.null()"
    if len(texts) > 1 and all(isinstance(value, str) and value not in ROOT_MEMBERS for value in rest):
        return call("z.enum", texts) + ending
    return (f"z.literal({texts[0]})" if len(texts) == 1 else call("z.literal", texts)) + ending


def value_type(value) -> str:
    """The literal type of a JSON value."""
    if isinstance(value, dict):
        return "{ " + "; ".join(f"{key(name)}: {value_type(member)}" for name, member in value.items()) + " }" if value else "{ [key: string]: never }"
    if isinstance(value, list):
        return "[" + ", ".join(map(value_type, value)) + "]"
    text = flat_literal(value)
    return "number" if text.endswith("Infinity") else text


def admitted_values(schema: dict, kinds: frozenset[str]) -> list:
    """The values of enum and const that the schema's other plain keywords let through."""
    values = schema["enum"] if "enum" in schema else [schema["const"]]
    if "enum" in schema and "const" in schema:
        values = [value for value in values if flat_literal(value) == flat_literal(schema["const"])]
    types = schema.get("type")
    integers_only = types == "integer" or isinstance(types, list) and "integer" in types and "number" not in types
    return [value for value in values if kind_of(value) in kinds and not (integers_only and isinstance(value, float) and not value.is_integer()) and within_limits(schema, value)]


def within_limits(schema: dict, value) -> bool:
    if isinstance(value, str):
        return schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
    if kind_of(value) != "number":
        return True
    return (schema.get("minimum", value) <= value <= schema.get("maximum", value)
            and ("exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"]) and ("exclusiveMaximum" not in schema or value < schema["exclusiveMaximum"]))
