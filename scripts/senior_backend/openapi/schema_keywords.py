"""The keywords of schemas: what kind of value each must have, which hold further schemas, and how old spellings are rewritten as JSON Schema 2020-12."""
from __future__ import annotations

from typing import Any, Callable

from senior_backend.openapi.model import kind, quoted
from senior_backend.openapi.references import DocumentReport

TYPES = frozenset(("string", "integer", "number", "boolean", "object", "array", "null"))
SINGLE = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "unevaluatedItems", "unevaluatedProperties", "contentSchema")
LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
MAPS = ("properties", "patternProperties", "dependentSchemas")
NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minContains", "maxContains")
TEXTS = ("format", "pattern", "contentEncoding", "contentMediaType")
NOTES = ("title", "description", "$comment")
SWITCHES = ("uniqueItems", "readOnly", "writeOnly", "deprecated")
ANNOTATIONS = frozenset((*NOTES, "deprecated", "example", "examples", "default", "externalDocs", "xml", "summary"))
COMPOSITIONS = ("allOf", "anyOf", "oneOf", "not")
STAY_OUTSIDE = ANNOTATIONS | {"readOnly", "writeOnly"}
Problem = Callable[[Any], str]          # what is wrong with a value; "" when nothing is


def must_be(what: str, holds: Callable[[Any], bool]) -> Problem:
    return lambda value: "" if holds(value) else f"must be {what}, not {kind(value)}"


number_problem = must_be("a number", lambda value: type(value) in (int, float))
list_problem = must_be("a list", lambda value: type(value) is list)


def positive_problem(value: Any) -> str:
    return number_problem(value) or ("" if value > 0 else f"must be more than 0, not {value}")


def enum_problem(value: Any) -> str:
    return "" if type(value) is list and value else "must name at least one value" if type(value) is list else f"must be a list of values, not {kind(value)}"


def names_problem(value: Any) -> str:
    if type(value) is not list:
        return f"must be a list of property names, not {kind(value)}"
    wrong = [name for name in value if type(name) is not str]
    return f"must be a list of property names; {kind(wrong[0])} is none" if wrong else ""


def name_lists_problem(value: Any) -> str:
    if type(value) is not dict:
        return f"must be a mapping of lists of property names, not {kind(value)}"
    return next((f"of {quoted(str(name))} {problem}" for name, names in value.items() if (problem := names_problem(names))), "")


def type_problem(value: Any) -> str:
    """Of a type that is not simply the name of one."""
    names = value if type(value) is list else [value]
    wrong = [name for name in names if type(name) is not str or name not in TYPES]
    if not wrong and names:
        return ""
    return f"must be one of {', '.join(sorted(TYPES))}, not {kind(wrong[0]) if wrong else 'an empty list'}"


PROBLEMS: dict[str, Problem] = {
    **dict.fromkeys(NUMBERS, number_problem), "multipleOf": positive_problem, "enum": enum_problem, "required": names_problem, "dependentRequired": name_lists_problem, "type": type_problem,
    **dict.fromkeys(COUNTS, must_be("a whole number from 0", lambda value: type(value) in (int, float) and value == int(value) >= 0)),
    **dict.fromkeys(TEXTS, must_be("text", lambda value: type(value) is str)), **dict.fromkeys(SWITCHES, must_be("true or false", lambda value: type(value) is bool)), "examples": list_problem,
}


# old spellings: Swagger 2.0, OpenAPI 3.0, and old habits in newer documents
def allow_null(schema: dict, report: DocumentReport) -> dict | None:
    """Make a schema accept null as well. Gives the mapping that its keywords were moved to, when they were moved."""
    if "$ref" in schema or any(keyword in schema for keyword in COMPOSITIONS):
        return wrap_with_null(schema, report)
    written = schema.get("type")
    if type(written) is str and written != "null":
        schema["type"] = [written, "null"]
    elif type(written) is list and "null" not in written:
        schema["type"] = [*written, "null"]
    if type(schema.get("enum")) is list and None not in schema["enum"]:
        schema["enum"] = report.stands_for([*schema["enum"], None], schema)
    return None


def wrap_with_null(schema: dict, report: DocumentReport) -> dict:
    inner = {keyword: value for keyword, value in schema.items() if keyword not in STAY_OUTSIDE and not keyword.startswith("x-")}
    for keyword in inner:
        del schema[keyword]
    null = report.stands_for({"type": "null"}, schema)
    schema["anyOf"] = report.stands_for([report.stands_for(inner, schema), null], schema)
    return inner


def lift_bound(schema: dict, keyword: str, bound: str) -> None:
    """exclusiveMinimum: true beside minimum: 3 becomes exclusiveMinimum: 3."""
    if schema.pop(keyword) and type(schema.get(bound)) in (int, float):
        schema[keyword] = schema.pop(bound)


def lift_items(schema: dict) -> None:
    """items: [a, b] of older drafts becomes prefixItems."""
    schema["prefixItems"] = schema.pop("items")
    if "additionalItems" in schema:
        schema["items"] = schema.pop("additionalItems")


def lift_example(schema: dict, keyword: str, report: DocumentReport) -> None:
    value: Any = schema.pop(keyword)
    if "examples" not in schema:
        schema["examples"] = report.stands_for([value], schema)
