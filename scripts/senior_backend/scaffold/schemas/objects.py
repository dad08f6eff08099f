"""Objects, arrays, and the parameters of one location (path, query, header, cookie) as types and zod expressions."""
from __future__ import annotations

import dataclasses

from senior_backend.openapi.model import MISSING, Parameter, Schema
from senior_backend.scaffold.schemas.facts import APPLICATORS, KINDS, UNKNOWN, Shape, atom, call, checked, kind_of, nested, says_nothing
from senior_backend.scaffold.schemas.scalars import ROOT_MEMBERS, SAFE_INTEGER
from senior_backend.scaffold.schemas.scalars import notes
from senior_backend.scaffold.typescript import comment, flat_literal, key, literal, number

WIDEST_INDEX = 3


def object_shape(walk, schema: dict) -> Shape:
    """An object with the members, required names and further members that the schema states."""
    properties, required = schema.get("properties", {}), dict.fromkeys(schema.get("required", ()))
    patterns = schema.get("patternProperties")
    extra = additional(schema)
    members = [(name, properties.get(name, extra), name in required) for name in [*properties, *(name for name in required if name not in properties)]]
    members = [member for member in members if not walk.hides(member[1])]
    exact = not (patterns and extra is not True) and not any(name in ROOT_MEMBERS for name, _, _ in members)
    shape = with_members(walk, members, extra, patterns) if members else without_members(walk, extra, patterns)
    shape.exact &= exact
    return checked(shape, size_checks(walk, schema))


def additional(schema: dict) -> Schema:
    """What members must be that the object does not name."""
    extra = schema.get("additionalProperties", True)
    if extra is True and "unevaluatedProperties" in schema and "additionalProperties" not in schema and alone(schema):
        extra = schema["unevaluatedProperties"]
    return True if isinstance(extra, dict) and says_nothing(extra) else extra


def alone(schema: dict) -> bool:
    """Whether nothing beside its own keywords can deal with members and items, so that unevaluated ones are just the further ones."""
    return APPLICATORS.isdisjoint(schema) and "patternProperties" not in schema and "contains" not in schema


def without_members(walk, extra: Schema, patterns: dict | None) -> Shape:
    if extra is False and not patterns:
        return Shape("{ [key: string]: never }", "z.strictObject({})")
    values = [walk.shape(pattern) for pattern in (patterns or {}).values()]
    if extra is False or extra is True and not values:
        return Shape(f"{{ [key: string]: {nested(index_type(values or [UNKNOWN]))} }}", "z.record(z.string(), z.unknown())")
    value = walk.shape(extra)
    typed = index_type([value, *values])
    return Shape(f"{{ [key: string]: {nested(typed)} }}", f"z.record(z.string(), {value.noted})", deferred=value.deferred)


def with_members(walk, members: list[tuple[str, Schema, bool]], extra: Schema, patterns: dict | None) -> Shape:
    types, zods, shapes, exact = [], [], [], True
    for name, member, required in members:
        shape = walk.shape(member)
        exact &= shape.exact
        shapes.append(shape)
        zod, written = shape.noted if required else f"{shape.noted}.exactOptional()", key(name)
        types.append(f"{walk.documentation(member)}  {written}{'' if required else '?'}: {nested(shape.type)};\n")
        zods.append(f"  get {written}() {{ return {nested(zod)}; }},\n" if shape.deferred else f"  {written}: {nested(zod)},\n")
    names = frozenset(name for name, _, _ in members)
    function, ending, deferred = ("z.strictObject" if extra is False else "z.looseObject" if extra is True else "z.object"), "", False
    if not isinstance(extra, bool):
        value = walk.shape(extra)
        ending, deferred, names = f".catchall({value.noted})", value.deferred, None
        loose = any(not required for _, _, required in members)
        types.append(f"  [key: string]: {nested(index_type([value, *shapes], loose))};\n")
    elif patterns and extra is False:
        names = None
        types.append(f"  [key: string]: {nested(index_type([*map(walk.shape, patterns.values()), *shapes], True))};\n")
    return Shape("{\n" + "".join(types) + "}", f"{function}({{\n{''.join(zods)}}}){ending}", deferred=deferred, members=names)


def index_type(shapes: list[Shape], optional: bool = False) -> str:
    """The type of an index signature beside members of these types; `unknown` when the union would be long."""
    texts = list(dict.fromkeys(shape.type for shape in shapes))
    if len(texts) > WIDEST_INDEX or any("\n" in text for text in texts[1:]) or "unknown" in texts:
        return "unknown"
    return " | ".join([*texts, "undefined"] if optional else texts)


def size_checks(walk, schema: dict) -> list[str]:
    found = []
    if schema.get("minProperties"):
        found.append(f"{walk.helper('minProperties')}({number(schema['minProperties'])})")
    if "maxProperties" in schema:
        found.append(f"{walk.helper('maxProperties')}({number(schema['maxProperties'])})")
    return found


def array_shape(walk, schema: dict) -> Shape:
    shape = tuple_shape(walk, schema) if schema.get("prefixItems") else list_shape(walk, schema)
    return checked(shape, [f"{walk.helper('uniqueItems')}()"] if schema.get("uniqueItems") is True else [])


def items_of(schema: dict) -> Schema:
    """What the items after the prefix must be."""
    return schema.get("items", schema.get("unevaluatedItems", True) if alone(schema) else True)


def list_shape(walk, schema: dict) -> Shape:
    item = walk.shape(items_of(schema))
    low, high = schema.get("minItems"), schema.get("maxItems")
    zod = f"z.array({item.noted})" + (f".min({number(low)})" if low else "") + (f".max({number(high)})" if high is not None and high <= SAFE_INTEGER else "")
    return Shape(f"{atom(item)}[]", zod, deferred=item.deferred, exact=item.exact)


def tuple_shape(walk, schema: dict) -> Shape:
    """JSON Schema's tuples may end early: elements are required only as far as minItems reaches."""
    prefix = [walk.shape(item) for item in schema["prefixItems"]]
    rest, low, high = items_of(schema), schema.get("minItems", 0), schema.get("maxItems")
    types = [atom(shape) + ("" if place < low else "?") if place >= low else shape.type for place, shape in enumerate(prefix)]
    zod = call("z.tuple", [shape.noted if place < low else f"{shape.noted}.exactOptional()" for place, shape in enumerate(prefix)])
    deferred, exact = any(shape.deferred for shape in prefix), all(shape.exact for shape in prefix)
    if rest is not False:
        further = walk.shape(rest)
        zod, deferred = f"{zod}.rest({further.noted})", deferred or further.deferred
        types.append(f"...{atom(further)}[]")
    checks = [f"{walk.helper('minItems')}({number(low)})"] if low > len(prefix) else []
    checks += [f"{walk.helper('maxItems')}({number(high)})"] if high is not None else []
    # zod fills a missing element with undefined, which a schema for any value accepts
    exact = exact and not any(walk.facts.kinds(item) == KINDS for item in schema["prefixItems"][:low])
    return checked(Shape(f"[{', '.join(types)}]", zod, deferred=deferred, exact=exact), checks)


def documentation(schema: Schema) -> str:
    """The JSDoc of a member: its title and description, deprecation and format."""
    if not isinstance(schema, dict):
        return ""
    text = schema.get("description") or schema.get("title") or ""
    format_name = schema.get("format")
    if schema.get("deprecated") is not True and not format_name:
        return comment(text, "  ") if text else ""
    lines = [text] if text else []
    if format_name and isinstance(format_name, str):
        lines.append(f"@format {format_name}")
    if schema.get("deprecated") is True:
        lines.append("@deprecated")
    return comment("\n".join(lines), "  ")


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
