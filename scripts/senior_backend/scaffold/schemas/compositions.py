"""allOf, oneOf and anyOf as types and zod expressions; inline parts of allOf are taken into the schema itself where they can be."""
from __future__ import annotations

import dataclasses

from senior_backend.openapi.model import Schema
from senior_backend.scaffold.schemas.facts import ANNOTATIONS, UNKNOWN, Role, Shape, call, intersection_type, nested, union
from senior_backend.scaffold.schemas.scalars import ROOT_MEMBERS
from senior_backend.scaffold.typescript import flat_literal, key, string

DEEPEST = 16       # levels of allOf to look into
MERGED = frozenset(("type", "properties", "required", "allOf"))


def all_of(walk, schema: dict, parts: list[Shape]) -> Shape:
    """Values that are right for every part."""
    parts = list({part.zod: part for part in parts}.values())
    if len(parts) < 2:
        return parts[0] if parts else UNKNOWN
    typed, rank = intersection_type(parts)
    deferred, exact = any(part.deferred for part in parts), all(part.exact for part in parts)
    # zod's intersection accepts a member that one of two closed objects names and gives back what one part dropped;
    # tsc cannot prove an intersection whose parts declare the same member, once optional and once not
    if walk.facts.closed(schema) or walk.drops_members(schema) or shares_members(walk, schema):
        generic = "" if typed == "unknown" else f"<{typed}>"
        walk.shared.casts.append(typed)
        zod = call(f"{walk.helper('allOf')}{generic}", [part.noted for part in parts])
    else:
        zod = parts[0].noted + "".join(f".and({part.noted})" for part in parts[1:])
    return interface(walk, parts, Shape(typed, zod, rank, deferred, exact))


def shares_members(walk, schema: dict) -> bool:
    """Whether two of the schemas that it is composed of declare the same member."""
    own = {keyword: value for keyword, value in schema.items() if keyword == "properties" or keyword == "required"}
    choices = [{keyword: schema[keyword]} for keyword in ("oneOf", "anyOf") if keyword in schema]
    seen: set[str] = set()
    for part in [*sources(schema), own, *choices]:
        names = {*walk.facts.members(part, walk.view), *(part.get("required", ()) if isinstance(part, dict) else ())}
        if not seen.isdisjoint(names):
            return True
        seen |= names
    return False


def sources(schema: dict) -> list[Schema]:
    """The reference and the parts of allOf."""
    return [*([{"$ref": schema["$ref"]}] if "$ref" in schema else []), *schema.get("allOf", ())]


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
    chosen = by_discriminator(walk, schema, branches, shapes, assume)
    if chosen:
        return chosen
    exclusive = keyword == "oneOf" and len(shapes) > 1 and not disjoint(walk, branches)
    if exclusive and any(shape.zod == "z.null()" for shape in shapes):
        zods = [shape.noted for shape in shapes]
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


def by_discriminator(walk, schema: dict, branches: list[Schema], shapes: list[Shape], assume: str) -> Shape | None:
    """Branches chosen by a member that all of them require; None when no member tells them apart for sure."""
    if len(branches) < 2 or not all(isinstance(branch, dict) for branch in branches):
        return None
    discriminator = schema.get("discriminator")
    if assume != "object" and any(walk.facts.kinds(branch) != {"object"} for branch in branches):
        return None
    names = [discriminator["propertyName"]] if discriminator else literal_members(walk, branches[0])
    for name in names:
        chosen = by_literals(walk, branches, name) or discriminator and by_mapping(walk, discriminator, branches)
        if chosen and name not in ROOT_MEMBERS and all(requires(walk, branch, name) for branch in branches):
            entries = "".join(f"  {key(value)}: () => {nested(shapes[place].noted)},\n" for value, place in chosen.items())
            whole = union(shapes)
            return Shape(whole.type, f"{walk.helper('discriminated')}({string(name)}, {{\n{entries}}})", whole.rank, exact=whole.exact)
    return None


def literal_members(walk, schema: Schema) -> list[str]:
    """Members of a branch that hold one of a few values."""
    return [name for name, member in walk.facts.target(schema).get("properties", {}).items() if literals(walk, member)]


def literals(walk, schema: Schema) -> list[str]:
    """The values of enum or const as JavaScript's String() gives them; none when some are not scalars."""
    schema = walk.facts.target(schema)
    if not isinstance(schema, dict):
        return []
    values = schema["enum"] if "enum" in schema else [schema["const"]] if "const" in schema else []
    if any(value is None or isinstance(value, (dict, list)) for value in values):
        return []
    return [value if isinstance(value, str) else flat_literal(value) for value in values]


def by_literals(walk, branches: list[Schema], name: str) -> dict[str, int] | None:
    """value -> place of the branch that it stands for, when the branches' values for the member have nothing in common."""
    chosen: dict[str, int] = {}
    for place, branch in enumerate(branches):
        found = literals(walk, member(walk, branch, name))
        if not found or not chosen.keys().isdisjoint(found):
            return None
        chosen.update(dict.fromkeys(found, place))
    return None if "__proto__" in chosen else chosen


def by_mapping(walk, discriminator: dict, branches: list[Schema]) -> dict[str, int] | None:
    """The same by the discriminator's mapping, where the member is a string and every branch is mapped."""
    places = {branch.get("$ref"): place for place, branch in enumerate(branches)}
    if len(places) < len(branches) or any(walk.facts.kinds(member(walk, branch, discriminator["propertyName"])) != {"string"} for branch in branches):
        return None
    chosen = {value: places[target] for value, target in discriminator.get("mapping", {}).items() if target in places}
    return chosen if len(set(chosen.values())) == len(branches) and "__proto__" not in chosen else None


def member(walk, schema: Schema, name: str, depth: int = 0) -> Schema:
    """How a member is declared by a schema or by what it is composed of."""
    schema = walk.facts.target(schema)
    if not isinstance(schema, dict) or depth > DEEPEST:
        return True
    if name in schema.get("properties", ()):
        return schema["properties"][name]
    found = (member(walk, part, name, depth + 1) for part in [*schema.get("allOf", ()), *([{"$ref": schema["$ref"]}] if "$ref" in schema else [])])
    return next((declared for declared in found if declared is not True), True)


def requires(walk, schema: Schema, name: str, depth: int = 0) -> bool:
    """Whether every value must be an object with this member."""
    if not isinstance(schema, dict) or depth > DEEPEST:
        return False
    if name in schema.get("required", ()):
        return True
    if "$ref" in schema and requires(walk, walk.facts.schemas[schema["$ref"]], name, depth + 1):
        return True
    return any(requires(walk, part, name, depth + 1) for part in schema.get("allOf", ()))


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
