"""Schemas of validation libraries as values, and the JSON Schema that they stand for; the named ones among the components of the document."""
from __future__ import annotations

import re
from typing import Any, Callable

from senior_backend.routes.types import enumeration, joined, nullable
from senior_backend.routes.values import UNDEFINED, Arr, Fn, Getter, Native, Obj, Unknown, Value, Varying, function_at

OPERATIONS_BELOW = b"// What follows belongs to one operation each."
NAMED_KINDS = frozenset(("object", "union", "intersection", "enum", "lazy"))
NAME_ENDINGS = re.compile(r"(?:_?[sS]chema|DTO|Dto|_?[vV]alidator)$")


class Components:
    """The named schemas of a document. wholes: of generated servers, the schemas of which there are variants for requests and responses."""

    def __init__(self) -> None:
        self.schemas: dict[str, Any] = {}
        self.names: dict[Any, str] = {}
        self.wholes: dict[str, Schema] = {}

    def reference(self, key: Any, wish: str, render: Callable[[], Any]) -> dict:
        """A reference to what stands under a key; rendered when it is first asked for."""
        if key not in self.names:
            name, number = wish, 2
            while name in self.schemas:
                name, number = f"{wish}{number}", number + 1
            self.names[key], self.schemas[name] = name, {}
            self.schemas[name] = render()
        return {"$ref": "#/components/schemas/" + self.names[key]}

    def expanded(self, schema: Any) -> Any:
        """What a reference leads to."""
        for _ in range(16):
            if not isinstance(schema, dict) or "$ref" not in schema:
                break
            schema = self.schemas.get(schema["$ref"].rpartition("/")[2], {})
        return schema

    def shape(self, it: Any, value: Any, depth: int = 0) -> dict:
        """The JSON Schema that values like this one fit."""
        if not isinstance(value, Value):
            return {"type": "null"} if value is None else {"type": "boolean" if isinstance(value, bool) else "integer" if isinstance(value, int) else "number" if isinstance(value, float) else "string"}
        if isinstance(value, Schema):
            return value.render(self)
        if type(value) in (Unknown, Varying) and value.type:
            return it.types.schema(value.type)
        if type(value) is Arr and depth < 9:
            items = {} if value.open else joined([self.shape(it, item, depth + 1) for item in value.items])
            return {"type": "array", **({"items": items} if items else {})}
        if type(value) is Obj and value.type is not None and "$ref" in (told := it.types.schema(value.type)):
            return told
        if type(value) is Obj and depth < 9:
            members = {str(name): member for name, member in value.props.items() if member is not UNDEFINED and type(member) not in (Fn, Native, Getter)}
            certain = [name for name, member in members.items() if not isinstance(member, Value) or type(member) in (Obj, Arr, Varying)]
            properties = {name: self.shape(it, member, depth + 1) for name, member in members.items()}
            return {"type": "object", **({"required": certain} if certain else {}), **({"properties": properties} if properties else {})}
        return joined([self.shape(it, option, depth + 1) for option in value.options if option is not UNDEFINED]) if hasattr(value, "options") else {}


class Schema(Value):
    """A schema of zod, TypeBox or Joi.

    kind: scalar, enum, object, array, record, tuple, union, intersection, lazy (parts: a function that gives it), getter (a member that is one) or raw (parts: a function of the
    components). parts: its Schemas, for objects by name; keywords: what else JSON Schema says of it. optional: as a member it may be absent. rest: for objects what other members
    must be (False: there are none), for unions the discriminator, or True for exactly one. untyped: values of other types pass. further: functions of the components that give keywords.
    """
    __slots__ = ("kind", "keywords", "parts", "optional", "rest", "name", "library", "nulls", "id", "notes", "untyped", "further", "key")

    def __init__(self, library: Any, kind: str, keywords: dict | None = None, parts: Any = None, optional: bool = False):
        self.library, self.kind, self.keywords, self.parts, self.optional = library, kind, keywords or {}, parts, optional
        self.rest, self.nulls, self.name, self.id, self.notes, self.untyped, self.further, self.key = None, False, "", "", (), False, [], None

    def copy(self, **changes: Any) -> Schema:
        """The same without its name."""
        made = Schema(self.library, self.kind, dict(self.keywords), self.parts, self.optional)
        made.rest, made.nulls, made.notes, made.untyped, made.further = self.rest, self.nulls, self.notes, self.untyped, list(self.further)
        for name, value in changes.items():
            setattr(made, name, value)
        return made

    def inherit(self, **keywords: Any) -> Schema:
        return self.copy(keywords={**self.keywords, **keywords})

    def named(self, it: Any, name: str, declarator: Any) -> Schema:
        if it.depth == 0 and not it.calls:
            if it.sources.holds_validators(it.module.name):
                return self.exported(it, name, declarator)
            self.name = self.name or name
        return self

    def exported(self, it: Any, name: str, declarator: Any) -> Schema:
        """An export of a generated validators.ts: a component, or what belongs to one operation."""
        made, base, below = self, name.removesuffix("Schema"), it.module.file.source.find(OPERATIONS_BELOW)
        if not 0 <= below < declarator.start_byte:
            component, view = self.keywords.pop("component", base), self.keywords.pop("view", "")
            made = Schema(self.library, "lazy", {}, lambda: self) if self.id else self
            made.id = component
            if not view:
                it.types.components.wholes[component] = made
        it.generated[base] = made
        return made

    def get(self, it, name, node):
        found = self.library.member(self, name)
        return found if found is not None else function_at(self, name)

    def invoke(self, it, name, arguments, node):
        return self.library.method(it, self, name, arguments)

    def spread(self, it, made):
        made.open = True

    # JSON Schema
    def render(self, components: Components, whole: bool = False) -> dict:
        """whole: even a named schema is written out."""
        if not whole and self.id:
            return components.reference(("id", self.id), self.id, lambda: components.wholes.get(self.id, self).render(components, True))
        if not whole and self.name and self.kind in NAMED_KINDS:
            wish = NAME_ENDINGS.sub("", self.name) or self.name
            return components.reference(("schema", id(self)), wish[:1].upper() + wish[1:], lambda: self.render(components, True))
        return nullable(self.plain(components)) if self.nulls else self.plain(components)

    def plain(self, components: Components) -> dict:
        made = RENDERERS[self.kind](self, components) if self.kind in RENDERERS else {}
        for part in (self.keywords, *(work(components) for work in self.further)):
            made = {**made, **part, **({"required": list(dict.fromkeys([*made["required"], *part["required"]]))} if "required" in made and "required" in part else {})}
        if self.untyped:
            made.pop("type", None)
        if self.notes:
            made["$comment"] = "; ".join(dict.fromkeys(self.notes))
        if self.kind == "intersection" and "discriminator" in made and "allOf" in made:
            next((part for part in made["allOf"] if "oneOf" in part or "anyOf" in part), made)["discriminator"] = made.pop("discriminator")
        return made


def render_object(s: Schema, components: Components) -> dict:
    parts = {name: part.parts() if part.kind == "getter" else part for name, part in s.parts.items()}
    members = {name: part.render(components) for name, part in parts.items() if isinstance(part, Schema) and part.kind != "forbidden"}
    required = [name for name in members if not parts[name].optional]
    rest = {} if s.rest is None else {"additionalProperties": s.rest.render(components) if isinstance(s.rest, Schema) else s.rest}
    return {"type": "object", **({"required": required} if required else {}), **({"properties": members} if members else {}), **rest}


def render_array(s: Schema, components: Components) -> dict:
    items = s.parts.render(components) if s.parts is not None else {}
    return {"type": "array", **({"items": items} if items else {})}


def render_record(s: Schema, components: Components) -> dict:
    key, value = s.parts
    names = key.render(components) if key is not None else {}
    return {"type": "object", "additionalProperties": value.render(components), **({} if names in ({}, {"type": "string"}) else {"propertyNames": names})}


def render_tuple(s: Schema, components: Components) -> dict:
    items = [part.render(components) for part in s.parts]
    return {"type": "array", "prefixItems": items, "minItems": len(items), **({"maxItems": len(items)} if s.rest is None else {"items": s.rest.render(components)})}


def render_union(s: Schema, components: Components) -> dict:
    parts = [part.render(components) for part in s.parts]
    made = {"oneOf": parts} if s.rest else joined(parts)
    return {**made, "discriminator": {"propertyName": s.rest}} if isinstance(s.rest, str) and all("$ref" in part for part in parts) else made


def render_intersection(s: Schema, components: Components) -> dict:
    parts = [part.render(components) for part in s.parts]
    apart = not any("$ref" in part for part in parts) and sum(map(len, parts)) == len({name for part in parts for name in part})
    return {name: value for part in parts for name, value in part.items()} if apart else {"allOf": parts}


def render_lazy(s: Schema, components: Components) -> dict:
    inner = s.parts()
    return inner.render(components) if isinstance(inner, Schema) else {}


def render_raw(s: Schema, components: Components) -> dict:
    found = s.parts(components)
    return found if isinstance(found, dict) else {} if found else {"not": {}}


RENDERERS = {"object": render_object, "array": render_array, "record": render_record, "tuple": render_tuple, "union": render_union, "intersection": render_intersection, "lazy": render_lazy, "raw": render_raw}


def as_schema(library: Any, value: Any) -> Schema:
    """A value where a schema is expected; what cannot be followed admits anything."""
    if isinstance(value, Schema):
        return value
    if type(value) is Obj and not value.open and "type" in value.props:
        return Schema(library, "scalar", plain(value))
    made = Schema(library, "scalar")
    made.notes = ("a schema that is not known",) if isinstance(value, Value) else ()
    return made


def plain(value: Any, components: Components | None = None) -> Any:
    """A value of the sources as data: dicts, lists and scalars; what is not known is left out."""
    if type(value) is Obj:
        return {name: plain(member, components) for name, member in value.props.items() if known(member)}
    if type(value) is Arr:
        return [plain(item, components) for item in value.items if known(item)]
    return value.render(components or Components()) if isinstance(value, Schema) else None if isinstance(value, Value) else value


def known(value: Any) -> bool:
    return not isinstance(value, Value) or isinstance(value, (Obj, Arr, Schema))


def literals(value: Any) -> list:
    """The scalars of a list or an enum."""
    found = value.items if type(value) is Arr else value.props.values() if type(value) is Obj else []
    return list(dict.fromkeys(item for item in found if not isinstance(item, Value)))


def enumerated(library: Any, values: list) -> Schema:
    """One of a few values, null among them or not."""
    rest = [value for value in values if value is not None]
    made = Schema(library, "enum", enumeration(rest)) if rest else Schema(library, "scalar", {"type": "null"})
    made.nulls = None in values and len(values) > 1
    return made


def validation(it: Any, schema: Schema, arguments: list, throws: Any) -> Any:
    """A schema applied to something: noted when it is a part of the request. Gives what was checked."""
    value = arguments[0] if arguments else UNDEFINED
    if it.exchange:
        it.exchange.validate(it, value, schema)
        if throws is not None:
            it.catchers[-1].append(throws)
    return value
