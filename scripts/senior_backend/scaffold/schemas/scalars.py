"""Strings, numbers and enumerations as types and zod expressions, and the checks for keywords that no zod expression says."""
from __future__ import annotations

from senior_backend.openapi.model import Schema
from senior_backend.scaffold.plan import LISTS, MAPS, SINGLES
from senior_backend.scaffold.schemas.facts import ANNOTATIONS, APPLICATORS, LINE_LENGTH, NEVER, Rank, Shape, call, kind_of, nested
from senior_backend.scaffold.typescript import flat_literal, key, literal, number, string
from senior_backend.scaffold.values.patterns import check_pattern

NOTED = ("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "discriminator", "externalDocs", "xml", "contentEncoding", "contentMediaType")
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


NOTES = ("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly")
# keywords that are checked by the interpreter on top of a zod expression, with those that they cannot do without
ON_TOP = {
    "not": (), "if": ("then", "else"), "dependentRequired": (), "dependentSchemas": (), "propertyNames": (), "patternProperties": (), "contains": ("minContains", "maxContains"),
}
# what limits the values of an enum or const further
BESIDE_VALUES = frozenset((
    "pattern", "multipleOf", "items", "prefixItems", "minItems", "maxItems", "uniqueItems", "properties", "required", "additionalProperties", "minProperties", "maxProperties"))
NUMBERS_AND_NAMES = frozenset((
    "type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "minItems", "maxItems", "uniqueItems",
    "minContains", "maxContains", "minProperties", "maxProperties", "required", "dependentRequired"))


def interpreted_whole(schema: dict) -> bool:
    """Whether it depends on what its parts evaluated, so that parts cannot be checked one by one."""
    members = schema.get("unevaluatedProperties", True) is not True and "additionalProperties" not in schema
    items = schema.get("unevaluatedItems", True) is not True and "items" not in schema
    return (members or items) and not (APPLICATORS.isdisjoint(schema) and "patternProperties" not in schema and "contains" not in schema)


def on_top(schema: dict) -> dict:
    """The keywords of a schema that are left to the interpreter."""
    left: dict = {}
    for keyword, companions in ON_TOP.items():
        if keyword in schema:
            left[keyword] = schema[keyword]
            left.update({name: schema[name] for name in companions if name in schema})
    return left


def data(walk, schema: Schema) -> str:
    """A schema as a TypeScript value: references by name, patterns as regular expressions."""
    if isinstance(schema, bool):
        return "true" if schema else "false"
    entries = []
    for keyword, value in schema.items():
        if keyword in ANNOTATIONS:
            text = literal(value) if keyword in NOTES else ""
        else:
            text = keyword_data(walk, schema, keyword, value)
        if text:
            entries.append(f"{key(keyword)}: {text}")
    return braces(entries)


def keyword_data(walk, schema: dict, keyword: str, value) -> str | None:
    if keyword == "$ref":
        return string(walk.definition(value))
    if keyword == "pattern":
        return usable_pattern(walk, schema)
    if keyword == "format":
        return walk.format_data(value) if value in FORMATS else string(value)
    if keyword == "patternProperties":
        return pattern_members(walk, value)
    if keyword in MAPS:
        return braces([f"{key(name)}: {'true' if walk.hides(member) else data(walk, member)}" for name, member in value.items()])
    if keyword in LISTS:
        return brackets([data(walk, part) for part in value])
    if keyword in SINGLES:
        return data(walk, value)
    if keyword == "required":
        value = [name for name in value if not walk.hides(schema.get("properties", {}).get(name, True))]
    return literal(value) if keyword in NUMBERS_AND_NAMES else None


def pattern_members(walk, patterns: dict) -> str:
    pairs = []
    for source, member in patterns.items():
        expression = usable_pattern(walk, {"pattern": source})
        if expression:
            pairs.append(f"[{expression}, {data(walk, member)}]")
    return brackets(pairs)


def braces(entries: list[str]) -> str:
    return broken("{ ", entries, " }") if entries else "{}"


def brackets(entries: list[str]) -> str:
    return broken("[", entries, "]")


def broken(before: str, entries: list[str], after: str) -> str:
    flat = before + ", ".join(entries) + after
    if len(flat) <= LINE_LENGTH and "\n" not in flat:
        return flat
    return before.strip() + "\n" + "".join(f"  {nested(entry)},\n" for entry in entries) + after.strip()


def notes(schema: dict, without: tuple = ()) -> str:
    """What zod has no words for, as the argument of meta(): annotations, and keywords that nothing checks."""
    kept = {keyword: schema[keyword] for keyword in NOTED if keyword in schema and keyword not in without}
    if "format" in schema and not checked_format(schema):
        kept["format"] = schema["format"]
    if "pattern" in schema and not stated_pattern(schema["pattern"]):
        kept["pattern"] = schema["pattern"]
    return literal(kept) if kept else ""


def checked_format(schema: dict) -> bool:
    kind, name = schema.get("type", "string"), schema["format"]
    return "enum" not in schema and "const" not in schema and (name in FORMATS and "string" in kind or name in ("int32", "int64") and kind == "integer")


def stated_pattern(source: str) -> bool:
    """Whether the expression that checks a pattern spells it as the document does."""
    pattern = check_pattern(source)
    usable = pattern.expression is not None and not pattern.problem and pattern.danger != "exponential"
    return usable and pattern.expression.rpartition("/")[0][1:].replace("\\/", "/") == source.replace("\\/", "/")
