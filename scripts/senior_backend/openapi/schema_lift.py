"""Schemas of Swagger 2.0 and OpenAPI 3.0, and old habits in newer documents, rewritten in place as JSON Schema 2020-12."""
from __future__ import annotations

from typing import Any

from senior_backend.openapi.places import DocumentReport
from senior_backend.openapi.schema_keywords import ANNOTATIONS

COMPOSITIONS = ("allOf", "anyOf", "oneOf", "not")
STAY_OUTSIDE = ANNOTATIONS | {"readOnly", "writeOnly"}


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
