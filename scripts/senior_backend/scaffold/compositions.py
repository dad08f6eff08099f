"""allOf, oneOf and anyOf as types and zod expressions."""
from __future__ import annotations

import dataclasses

from senior_backend.openapi.model import Schema
from senior_backend.scaffold.roles import Role
from senior_backend.scaffold.shape import Shape, UNKNOWN, call, intersection_type, union
from senior_backend.scaffold.typescript import key, string


def all_of(walk, schema: dict, parts: list[Shape]) -> Shape:
    """Values that are right for every part."""
    if len(parts) < 2:
        return parts[0] if parts else UNKNOWN
    typed, rank = intersection_type(parts)
    deferred, exact = any(part.deferred for part in parts), all(part.exact for part in parts)
    if walk.facts.closed(schema):
        # zod's intersection accepts a member that one of two closed objects names
        zod = call(walk.helper("allOf"), [part.zod for part in parts])
    else:
        zod = parts[0].zod + "".join(f".and({part.zod})" for part in parts[1:])
    return interface(walk, parts, Shape(typed, zod, rank, deferred, exact))


def apart(schema: dict) -> tuple[dict, list[str]]:
    """The schema without the required names that it declares no member for, and those names."""
    elsewhere = [name for name in schema.get("required", ()) if name not in schema.get("properties", ())]
    if not elsewhere:
        return schema, []
    return {**schema, "required": [name for name in schema["required"] if name not in elsewhere]}, elsewhere


def interface(walk, parts: list[Shape], shape: Shape) -> Shape:
    """Interfaces and one object that says nothing about their members can be written as `interface A extends B { ... }`."""
    own = [part for part in parts if part.braced]
    bases = [part.type for part in parts if not part.braced]
    if len(own) > 1 or not all(base in walk.shared.interfaces for base in bases):
        return shape
    seen: set[str] = set()
    for names in [*(walk.shared.interfaces[base] for base in bases), *(part.members for part in own)]:
        if names is None or not seen.isdisjoint(names):
            return shape
        seen |= names
    return dataclasses.replace(shape, bases=tuple(bases), body=own[0].type if own else "{}", members=frozenset(seen))


def alternatives(walk, schema: dict, keyword: str, assume: str) -> Shape:
    """oneOf as z.xor (z.union where no value can be right twice) or by its discriminator; anyOf as z.union."""
    branches = schema[keyword]
    shapes = [walk.shape(branch, assume, Role.BRANCH) for branch in branches]
    chosen = by_discriminator(walk, schema, branches, shapes)
    if chosen:
        return chosen
    exclusive = keyword == "oneOf" and len(shapes) > 1 and not disjoint(walk, branches)
    if exclusive and any(shape.zod == "z.null()" for shape in shapes):
        zods = [shape.zod for shape in shapes]
        return dataclasses.replace(union(shapes), zod=call("z.xor", zods))
    return union(shapes, "z.xor" if exclusive else "z.union")


def disjoint(walk, branches: list[Schema]) -> bool:
    """Whether no JSON type is admitted by two branches."""
    seen: frozenset[str] = frozenset()
    for branch in branches:
        kinds = walk.facts.kinds(branch)
        if seen & kinds:
            return False
        seen |= kinds
    return True


def by_discriminator(walk, schema: dict, branches: list[Schema], shapes: list[Shape]) -> Shape | None:
    """Branches chosen by a member that all of them require; None when that cannot be relied on."""
    discriminator = schema.get("discriminator")
    if not discriminator or not all(isinstance(branch, dict) and "$ref" in branch for branch in branches):
        return None
    name, chosen = discriminator["propertyName"], {}
    by_key = {branch["$ref"]: shape for branch, shape in zip(branches, shapes)}
    for value, target in discriminator.get("mapping", {}).items():
        if target in by_key:
            chosen[value] = by_key[target]
    if {shape.type for shape in chosen.values()} != {shape.type for shape in shapes} or not all(requires(walk, branch, name, 0) for branch in branches):
        return None
    entries = "".join(f"  {key(str(value))}: () => {shape.zod},\n" for value, shape in chosen.items())
    whole = union(shapes)
    return Shape(whole.type, f"{walk.helper('discriminated')}({string(name)}, {{\n{entries}}})", whole.rank)


def requires(walk, schema: Schema, name: str, depth: int) -> bool:
    """Whether every value must be an object with this member."""
    if not isinstance(schema, dict) or depth > 16:
        return False
    if name in schema.get("required", ()):
        return True
    if "$ref" in schema and requires(walk, walk.facts.schemas[schema["$ref"]], name, depth + 1):
        return True
    return any(requires(walk, part, name, depth + 1) for part in schema.get("allOf", ()))
