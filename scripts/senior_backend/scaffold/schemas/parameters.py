"""The parameters of one location (path, query, header, cookie) as one object."""
from __future__ import annotations

import dataclasses

from senior_backend.openapi.model import MISSING, Parameter, Schema
from senior_backend.scaffold.schemas.facts import kind_of
from senior_backend.scaffold.schemas.shape import Shape, nested
from senior_backend.scaffold.schemas.walk import notes
from senior_backend.scaffold.typescript import comment, flat_literal, key, literal


def parameters_shape(walk, parameters: list[Parameter]) -> Shape:
    """`{ limit: number }` with `z.object({ limit: z.int().default(20) })`: what is not declared is dropped."""
    types, zods = [], []
    for parameter in parameters:
        shape, default = walk.shape(parameter.schema), default_of(walk, parameter)
        if default is not None and shape.meta and "$ref" not in parameter.schema:
            shape = dataclasses.replace(shape, meta=notes(parameter.schema, ("default",)))
        given = parameter.required or default is not None
        written = key(parameter.name)
        ending = "" if parameter.required else f".default({default})" if default is not None else ".exactOptional()"
        types.append(f"{describe(walk, parameter)}  {written}{'' if given else '?'}: {nested(shape.type)};\n")
        zods.append(f"  {written}: {nested(shape.noted + ending + own_notes(parameter))},\n")
    return Shape("{\n" + "".join(types) + "}", "z.object({\n" + "".join(zods) + "})", members=frozenset(parameter.name for parameter in parameters))


def own_notes(parameter: Parameter) -> str:
    """What the document says of the parameter itself."""
    notes = {"description": parameter.description, "deprecated": parameter.deprecated, **({} if parameter.example is MISSING else {"example": parameter.example})}
    notes = {name: value for name, value in notes.items() if value or name == "example"}
    return f".meta({literal(notes)})" if notes else ""


def describe(walk, parameter: Parameter) -> str:
    if not parameter.description and not parameter.deprecated:
        return walk.documentation(parameter.schema)
    return comment("\n".join([*filter(None, [parameter.description]), *(["@deprecated"] if parameter.deprecated else [])]), "  ")


def default_of(walk, parameter: Parameter) -> str | None:
    """The default as an expression, when the parameter may be left out and the default is of the schema's type."""
    if parameter.required:
        return None
    schema = parameter.schema
    for _ in range(16):
        if not isinstance(schema, dict):
            return None
        if "default" in schema or "$ref" not in schema:
            break
        schema = walk.facts.schemas[schema["$ref"]]
    value = schema.get("default")
    if value is None:
        return None
    if not fits(walk, value, parameter.schema):
        walk.warn("the default is not applied: it is not of the schema's type", schema, "default")
        return None
    return literal(value)


def fits(walk, value, schema: Schema) -> bool:
    """Whether a default is a value of the schema's type, as far as the compiler asks."""
    if isinstance(schema, bool):
        return schema
    types = schema.get("type")
    integers_only = types == "integer"
    if kind_of(value) not in walk.facts.kinds(schema) or kind_of(value) == "object" or integers_only and isinstance(value, float) and not value.is_integer():
        return False
    if any(keyword in schema and flat_literal(value) not in map(flat_literal, schema[keyword] if keyword == "enum" else [schema[keyword]]) for keyword in ("enum", "const")):
        return False
    if "$ref" in schema and not fits(walk, value, walk.facts.schemas[schema["$ref"]]):
        return False
    if isinstance(value, list) and ("prefixItems" in schema or not all(fits(walk, item, schema.get("items", True)) for item in value)):
        return False
    if not all(fits(walk, value, part) for part in schema.get("allOf", ())):
        return False
    return all(any(fits(walk, value, part) for part in schema[keyword]) for keyword in ("anyOf", "oneOf") if keyword in schema)
