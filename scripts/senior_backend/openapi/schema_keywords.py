"""The keywords of schemas: what kind of value each must have, and which hold further schemas."""
from __future__ import annotations

from typing import Any, Callable

from senior_backend.openapi.kinds import kind, quoted

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


def number_problem(value: Any) -> str:
    return "" if type(value) in (int, float) else f"must be a number, not {kind(value)}"


def positive_problem(value: Any) -> str:
    return number_problem(value) or ("" if value > 0 else f"must be more than 0, not {value}")


def count_problem(value: Any) -> str:
    whole = type(value) is int or type(value) is float and value.is_integer()
    return "" if whole and value >= 0 else f"must be a whole number from 0, not {kind(value)}"


def text_problem(value: Any) -> str:
    return "" if type(value) is str else f"must be text, not {kind(value)}"


def switch_problem(value: Any) -> str:
    return "" if type(value) is bool else f"must be true or false, not {kind(value)}"


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


def list_problem(value: Any) -> str:
    return "" if type(value) is list else f"must be a list, not {kind(value)}"


def type_problem(value: Any) -> str:
    """Of a type that is not simply the name of one."""
    names = value if type(value) is list else [value]
    wrong = [name for name in names if type(name) is not str or name not in TYPES]
    if not wrong and names:
        return ""
    return f"must be one of {', '.join(sorted(TYPES))}, not {kind(wrong[0]) if wrong else 'an empty list'}"


PROBLEMS: dict[str, Callable[[Any], str]] = {
    **dict.fromkeys(NUMBERS, number_problem), "multipleOf": positive_problem, **dict.fromkeys(COUNTS, count_problem), **dict.fromkeys(TEXTS, text_problem),
    **dict.fromkeys(SWITCHES, switch_problem), "enum": enum_problem, "required": names_problem, "dependentRequired": name_lists_problem, "type": type_problem, "examples": list_problem,
}
