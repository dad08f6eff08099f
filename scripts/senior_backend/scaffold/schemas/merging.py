"""allOf whose parts are plain objects, as one object: what people mean by it, and what reads best."""
from __future__ import annotations

from senior_backend.openapi.model import Schema
from senior_backend.scaffold.schemas.facts import ANNOTATIONS

MERGED = frozenset(("type", "properties", "required", "allOf"))


def merged(schema: dict, object_only: bool) -> dict:
    """The schema with its inline object parts taken into its own properties; two schemas for one member both hold.

    object_only: the values are objects for sure, so that parts with and without `type: object` mean the same.
    """
    inline, rest = [], []
    for part in schema.get("allOf", ()):
        collect(part, object_only, inline, rest)
    own = plain(schema, object_only, ("oneOf", "anyOf", "$ref", "not", "minProperties", "maxProperties", "additionalProperties")) and schema.get("additionalProperties", True) is True
    if not inline or not own and len(inline) < 2 and rest == schema["allOf"]:
        return schema
    parts = [schema, *inline] if own else inline
    whole = {"properties": properties(parts), "required": list(dict.fromkeys(name for part in parts for name in part.get("required", ())))}
    if object_only or any("type" in part for part in parts):
        whole["type"] = "object"
    if own:
        return {**{keyword: value for keyword, value in schema.items() if keyword != "allOf"}, **whole, **({"allOf": rest} if rest else {})}
    return {**schema, "allOf": [*rest, whole]}


def collect(part: Schema, object_only: bool, inline: list[dict], rest: list[Schema]) -> None:
    if not plain(part, object_only):
        rest.append(part)
        return
    inline.append(part)
    for inner in part.get("allOf", ()):
        collect(inner, object_only, inline, rest)


def plain(schema: Schema, object_only: bool, further: tuple[str, ...] = ()) -> bool:
    """Whether it speaks of members alone."""
    if not isinstance(schema, dict) or schema.get("type", "object") != "object" or not object_only and "type" in schema:
        return False
    return all(keyword in MERGED or keyword in ANNOTATIONS or keyword in further or keyword.startswith("x-") for keyword in schema)


def properties(parts: list[dict]) -> dict[str, Schema]:
    found: dict[str, Schema] = {}
    for part in parts:
        for name, schema in part.get("properties", {}).items():
            if name not in found or found[name] is True or found[name] == {}:
                found[name] = schema
            elif schema not in (True, {}) and schema != found[name]:
                found[name] = {"allOf": [found[name], schema]}
    return found
