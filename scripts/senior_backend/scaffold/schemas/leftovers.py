"""JSON Schema as data for the interpreter in json-schema.ts, for what zod has no words for."""
from __future__ import annotations

from senior_backend.openapi.model import Schema
from senior_backend.scaffold.schemas.facts import ANNOTATIONS, APPLICATORS
from senior_backend.scaffold.schemas.scalars import FORMATS, usable_pattern
from senior_backend.scaffold.schemas.shape import LINE_LENGTH, nested
from senior_backend.scaffold.typescript import key, literal, string
from senior_backend.scaffold.views import LISTS, MAPS, SINGLES

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
