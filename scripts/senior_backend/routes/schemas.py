"""Schemas of validation libraries as values, and the JSON Schema that they stand for; the named ones among the components of the document."""
from __future__ import annotations

import re
from typing import Any, Callable

from senior_backend.routes.types import Type, enumeration, joined, nullable
from senior_backend.routes.values import UNDEFINED, Arr, Fn, Getter, Native, Obj, Unknown, Value, options

NAMED_KINDS = frozenset(("object", "union", "intersection", "enum", "lazy"))
NAME_ENDINGS = re.compile(r"(?:_?[sS]chema|DTO|Dto|_?[vV]alidator)$")


class Components:
    """The named schemas of a document."""

    def __init__(self) -> None:
        self.schemas: dict[str, Any] = {}
        self.names: dict[Any, str] = {}
        self.wholes: dict[str, Schema] = {}         # of generated servers: the schemas of which there are variants for requests and responses

    def reference(self, key: Any, wish: str, render: Callable[[], Any]) -> dict:
        """A reference to what stands under a key; rendered when it is first asked for."""
        if key not in self.names:
            name, number = wish, 2
            while name in self.schemas:
                name, number = f"{wish}{number}", number + 1
            self.names[key] = name
            self.schemas[name] = {}
            self.schemas[name] = render()
        return {"$ref": "#/components/schemas/" + self.names[key]}

    def expanded(self, schema: Any) -> Any:
        """What a reference leads to."""
        for _ in range(16):
            if not isinstance(schema, dict) or "$ref" not in schema:
                break
            schema = self.schemas.get(schema["$ref"].rpartition("/")[2], {})
        return schema

    def shape(self, it: Any, value: Any) -> Any:
        """The JSON Schema that values like this one fit."""
        return value.render(self) if isinstance(value, Schema) else shape(it, self, value)


def shape(it: Any, components: Components, value: Any, depth: int = 0) -> dict:
    if isinstance(value, bool):
        return {"type": "boolean"}
    if value is None:
        return {"type": "null"}
    if isinstance(value, (int, float)):
        return {"type": "integer" if isinstance(value, int) else "number"}
    if isinstance(value, str):
        return {"type": "string"}
    if type(value) is Unknown:
        return it.types.schema(value.type) if value.type else {}
    if hasattr(value, "known_schema"):
        return value.known_schema()
    if depth > 8:
        return {}
    if type(value) is Arr:
        items = joined([shape(it, components, item, depth + 1) for item in value.items]) if value.items and not value.open else {}
        return {"type": "array", "items": items} if items else {"type": "array"}
    if type(value) is Obj:
        members = {str(name): member for name, member in value.props.items() if member is not UNDEFINED and type(member) not in (Fn, Native, Getter)}
        certain = [name for name, member in members.items() if not isinstance(member, Value) or type(member) in (Obj, Arr)]
        made = {"type": "object", **({"required": certain} if certain else {}), "properties": {name: shape(it, components, member, depth + 1) for name, member in members.items()}}
        return made if members else {"type": "object"}
    found = [shape(it, components, option, depth + 1) for option in options(value) if option is not UNDEFINED] if hasattr(value, "options") else []
    return joined(found) if found and {} not in found else {}


class Schema(Value):
    """A schema of zod, TypeBox or Joi.

    kind: scalar, enum, object, array, record, tuple, union, intersection or lazy; parts: its Schemas, for objects by name;
    keywords: what else JSON Schema says of it. optional: as a member it may be absent.
    """
    __slots__ = ("kind", "keywords", "parts", "optional", "rest", "name", "library", "nulls", "id", "notes", "untyped", "further", "key")

    def __init__(self, library: Any, kind: str, keywords: dict | None = None, parts: Any = None, optional: bool = False):
        self.library, self.kind, self.keywords, self.parts, self.optional = library, kind, keywords or {}, parts, optional
        self.rest: Any = None           # objects: None, or what other members must be (False: none)
        self.nulls = False
        self.name = self.id = ""
        self.notes: tuple = ()
        self.untyped = False            # values of other types pass
        self.further: list = []         # functions of the components that give more keywords
        self.key: Any = None            # for telling branches apart

    def copy(self, **changes: Any) -> Schema:
        made = Schema(self.library, self.kind, dict(self.keywords), self.parts, self.optional)
        made.rest, made.nulls, made.notes, made.id, made.untyped, made.further = self.rest, self.nulls, self.notes, "", self.untyped, list(self.further)
        for name, value in changes.items():
            setattr(made, name, value)
        return made

    def inherit(self, **keywords: Any) -> Schema:
        """With further keywords; a named schema with only a description stays known by its name."""
        made = self.copy(keywords={**self.keywords, **keywords})
        return made

    def named(self, it: Any, name: str, type_: Any, declarator: Any) -> Schema:
        if it.depth == 0 and not it.calls:
            if it.sources.holds_validators(it.module.name):
                from senior_backend.routes.generated import named
                return named(it, self, name, declarator)
            self.name = self.name or name
        return self

    def get(self, it, name, node):
        found = self.library.member(self, name)
        return found if found is not None else Native(lambda it, this, arguments, node: self.invoke(it, name, arguments, node))

    def invoke(self, it, name, arguments, node):
        return self.library.method(it, self, name, arguments)

    def spread(self, it, made):
        made.open = True

    def item(self, it):
        return Unknown()

    # JSON Schema
    def render(self, components: Components, whole: bool = False) -> dict:
        """whole: even a named schema is written out."""
        if not whole and (self.id or self.name and self.kind in NAMED_KINDS):
            if self.id:
                return components.reference(("id", self.id), self.id, lambda: components.wholes.get(self.id, self).render(components, True))
            wish = NAME_ENDINGS.sub("", self.name) or self.name
            return components.reference(("schema", id(self)), wish[:1].upper() + wish[1:], lambda: self.render(components, True))
        return self.annulled(self.plain(components))

    def annulled(self, schema: dict) -> dict:
        return nullable(schema) if self.nulls else schema

    def plain(self, components: Components) -> dict:
        made = getattr(self, "render_" + self.kind)(components)
        for part in (self.keywords, *(work(components) for work in self.further)):
            made = {**made, **part, **({"required": list(dict.fromkeys([*made["required"], *part["required"]]))} if "required" in made and "required" in part else {})}
        if self.untyped:
            made.pop("type", None)
        if self.notes:
            made["$comment"] = "; ".join(dict.fromkeys(self.notes))
        if self.kind == "intersection" and "discriminator" in made and "allOf" in made:
            part = next((part for part in made["allOf"] if "oneOf" in part or "anyOf" in part), made)
            part["discriminator"] = made.pop("discriminator")
        return made

    def render_scalar(self, components: Components) -> dict:
        return {}

    render_enum = render_scalar

    def render_object(self, components: Components) -> dict:
        parts = {name: part.parts() if part.kind == "getter" else part for name, part in self.parts.items()}
        members = {name: part.render(components) for name, part in parts.items() if isinstance(part, Schema)}
        required = [name for name, part in parts.items() if isinstance(part, Schema) and not part.optional]
        made: dict = {"type": "object", **({"required": required} if required else {}), **({"properties": members} if members else {})}
        if self.rest is not None:
            made["additionalProperties"] = self.rest.render(components) if isinstance(self.rest, Schema) else self.rest
        return made

    def render_array(self, components: Components) -> dict:
        items = self.parts.render(components) if self.parts is not None else {}
        return {"type": "array", "items": items} if items else {"type": "array"}

    def render_record(self, components: Components) -> dict:
        key, value = self.parts
        names = key.render(components) if key is not None else {}
        made = {"type": "object", "additionalProperties": value.render(components) if value is not None else True}
        return made if names in ({}, {"type": "string"}) else {**made, "propertyNames": names}

    def render_tuple(self, components: Components) -> dict:
        items = [part.render(components) for part in self.parts]
        made = {"type": "array", "prefixItems": items, "minItems": len(items)}
        return {**made, "maxItems": len(items)} if self.rest is None else {**made, "items": self.rest.render(components)}

    def render_union(self, components: Components) -> dict:
        parts = [part.render(components) for part in self.parts]
        made = {"oneOf": parts} if self.rest else joined(parts)
        return {**made, "discriminator": {"propertyName": self.rest}} if isinstance(self.rest, str) and all("$ref" in part for part in parts) else made

    def render_intersection(self, components: Components) -> dict:
        parts = [part.render(components) for part in self.parts]
        if not any("$ref" in part for part in parts) and sum(map(len, parts)) == len({name for part in parts for name in part}):
            return {name: value for part in parts for name, value in part.items()}
        return {"allOf": parts}

    def render_raw(self, components: Components) -> dict:
        found = self.parts(components)
        return found if isinstance(found, dict) else {} if found else {"not": {}}

    def render_lazy(self, components: Components) -> dict:
        inner = self.parts()
        return inner.render(components) if isinstance(inner, Schema) else {}


def scalar(library: Any, **keywords: Any) -> Schema:
    return Schema(library, "scalar", keywords)


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
    if isinstance(value, Schema):
        return value.render(components or Components())
    return None if isinstance(value, Value) else value


def known(value: Any) -> bool:
    return not isinstance(value, Value) or isinstance(value, (Obj, Arr, Schema))


def literals(value: Any) -> list:
    """The scalars of a list or an enum."""
    found = value.items if type(value) is Arr else value.props.values() if type(value) is Obj else []
    return list(dict.fromkeys(item for item in found if not isinstance(item, Value)))


def enumerated(library: Any, values: list) -> Schema:
    """One of a few values, null among them or not."""
    made = Schema(library, "enum", enumeration([value for value in values if value is not None])) if any(value is not None for value in values) else scalar(library, type="null")
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
