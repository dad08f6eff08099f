"""TypeScript's types as JSON Schema, and what they say of members, items and results."""
from __future__ import annotations

import dataclasses
from typing import Any

from senior_backend.routes.comments import annotations
from senior_backend.routes.values import UNDEFINED, Cls, Obj, Unknown

DEEPEST = 24                # aliases that lead to aliases, objects within objects
SCALARS = {"string": {"type": "string"}, "number": {"type": "number"}, "boolean": {"type": "boolean"}, "bigint": {"type": "integer"}, "object": {"type": "object"}, "null": {"type": "null"},
           "true": {"const": True}, "false": {"const": False}, "never": {"not": {}}}
NAMED = {"Date": {"type": "string", "format": "date-time"}, "Buffer": {"type": "string", "format": "binary"}, "URL": {"type": "string", "format": "uri"}, "String": {"type": "string"},
         "Number": {"type": "number"}, "Boolean": {"type": "boolean"}, "ObjectId": {"type": "string"}}
TRANSPARENT = frozenset(("Promise", "Readonly", "NonNullable", "Awaited", "PromiseLike", "Required", "DeepPartial", "Jsonify", "Document", "HydratedDocument", "WithId"))
LISTS = frozenset(("Array", "ReadonlyArray", "Set", "Iterable", "AsyncIterable"))
SAME = frozenset(("filter", "slice", "sort", "reverse", "concat", "toSorted", "toReversed"))
ITEM = frozenset(("find", "findLast", "at", "pop", "shift"))
TEXT = frozenset(("trim", "toLowerCase", "toUpperCase", "toString", "slice", "replace", "replaceAll", "padStart", "padEnd", "toISOString", "toFixed", "join", "substring", "normalize"))


@dataclasses.dataclass(frozen=True, slots=True)
class Type:
    """A type as it is written, with what its parameters stand for; or, with fixed, a JSON Schema."""
    node: Any
    scope: Any
    bindings: dict
    fixed: Any = None


@dataclasses.dataclass(slots=True)
class Member:
    type: Type
    optional: bool
    notes: dict


class Types:
    STRING, NUMBER = Type(None, None, {}, {"type": "string"}), Type(None, None, {}, {"type": "number"})

    def __init__(self, it: Any, components: Any):
        self.it, self.components = it, components
        self.depth = 0

    # names
    def declared(self, scope: Any, name: str, hops: int = 0) -> tuple[list, Any] | Any:
        """The declarations of a type and their scope; or the value (a class, an enum) that the name stands for; None."""
        from senior_backend.routes.modules import Import, Module, Namespace
        holder = scope.holder("type " + name)
        if holder:
            return holder.vars["type " + name], holder
        holder = scope.holder(name)
        if holder is None or holder.parent is None:
            return None
        found = holder.vars[name]
        if type(found) is not Import:
            return found
        module = self.it.sources.module(self.it, holder.module.file, found.specifier)
        if not isinstance(module, Module):
            return None
        return Namespace(module) if found.name == "*" else self.exported(module, found.name, hops)

    def exported(self, module: Any, name: str, hops: int) -> Any:
        from senior_backend.routes.modules import Import, Module
        if hops > DEEPEST:
            return None
        module.run(self.it)
        found = module.exports.get("type " + name, module.exports.get(name))
        if type(found) is tuple:
            return self.declared(found[0], found[1].removeprefix("type "), hops + 1)
        if type(found) is Import:
            target = self.it.sources.module(self.it, module.file, found.specifier)
            return self.exported(target, found.name, hops + 1) if isinstance(target, Module) else None
        for specifier in module.stars if found is None else ():
            target = self.it.sources.module(self.it, module.file, specifier)
            declared = self.exported(target, name, hops + 1) if isinstance(target, Module) else None
            if declared is not None:
                return declared
        return found if found is not None else self.declared(module.scope, name, hops + 1) if module.scope.holder("type " + name) else None

    def bound(self, type_: Type, name: str) -> Type | None:
        return type_.bindings.get(name)

    def parts(self, type_: Type) -> tuple[str, list[Type]]:
        """The name of a (generic) type and its arguments; "" for one without a name."""
        node = type_.node
        if node.type == "generic_type":
            written = node.child_by_field_name("type_arguments")
            return (node.child_by_field_name("name") or node.named_children[0]).text.decode(), [Type(child, type_.scope, type_.bindings) for child in written.named_children]
        return (node.text.decode() if node.type in ("type_identifier", "nested_type_identifier") else ""), []

    def resolve(self, type_: Type, hops: int = 0) -> Type:
        """The type with its aliases and parameters followed: one with a structure, or with fixed."""
        if type_ is None or type_.fixed is not None or type_.node is None or hops > DEEPEST:
            return type_
        node = type_.node
        if node.type in ("parenthesized_type", "readonly_type", "type_annotation") and node.named_children:
            return self.resolve(Type(node.named_children[0], type_.scope, type_.bindings), hops + 1)
        if node.type == "lookup_type":
            return self.resolve(self.looked_up(type_), hops + 1)
        if node.type == "type_query":
            return self.of_value(self.it.evaluate(node.named_children[0], type_.scope))
        name, arguments = self.parts(type_)
        if not name:
            return type_
        if name in type_.bindings:
            return self.resolve(type_.bindings[name], hops + 1)
        if name in ("z.infer", "z.output", "z.input", "Static", "z.TypeOf", "Infer", "InferType", "FromSchema", "infer") and arguments:
            return self.resolve(arguments[0], hops + 1)
        declared = self.declared(type_.scope, name) if "." not in name else None
        if type(declared) is tuple:
            return self.opened(declared, arguments, hops)
        if declared is not None and not isinstance(declared, Unknown):
            return self.of_value(declared)
        return self.resolve(arguments[0], hops + 1) if name in TRANSPARENT and arguments else type_

    def opened(self, declared: tuple, arguments: list[Type], hops: int) -> Type:
        nodes, scope = declared
        node = nodes[0]
        bindings = {}
        parameters = node.child_by_field_name("type_parameters")
        for index, parameter in enumerate(parameters.named_children if parameters else ()):
            default = parameter.child_by_field_name("value")
            given = arguments[index] if index < len(arguments) else Type(default.named_children[0], scope, {}) if default and default.named_children else Type(None, None, {}, {})
            bindings[parameter.child_by_field_name("name").text.decode()] = given
        if node.type == "type_alias_declaration":
            return self.resolve(Type(node.child_by_field_name("value"), scope, bindings), hops + 1)
        return Type(node, scope, bindings)

    def of_value(self, value: Any) -> Type:
        """typeof x, a class, or an enum."""
        if type(value) is Unknown and value.type:
            return self.resolve(value.type)
        if isinstance(value, Cls):
            return Type(None, None, {}, value)
        if type(value) is Obj and value.props and all(isinstance(member, (str, int)) for member in value.props.values()):
            return Type(None, None, {}, {"enum": list(dict.fromkeys(value.props.values()))})
        return Type(None, None, {}, self.components.shape(self.it, value))

    def looked_up(self, type_: Type) -> Type:
        owner, index = (Type(child, type_.scope, type_.bindings) for child in type_.node.named_children[:2])
        if index.node.type == "predefined_type":
            return self.item(owner) or Type(None, None, {}, {})
        return next((self.member(owner, name) for name in self.names(index)), None) or Type(None, None, {}, {})

    def names(self, type_: Type) -> list[str]:
        """The literals of a union: names of members."""
        schema = self.schema(type_)
        return [value for value in schema.get("enum", [schema["const"]] if "const" in schema else []) if isinstance(value, str)]

    # what values of a type have
    def members(self, type_: Type) -> dict[str, Type]:
        return {name: member.type for name, member in (self.object(type_) or {}).items()}

    def member(self, type_: Type, name: Any) -> Type | None:
        found = self.object(type_)
        if found is None or name not in found:
            return self.item(type_) if isinstance(name, int) else None
        return found[name].type

    def item(self, type_: Type) -> Type | None:
        type_ = self.resolve(type_)
        if type_ is None:
            return None
        if type_.fixed is not None or type_.node is None:
            items = type_.fixed.get("items") if isinstance(type_.fixed, dict) else None
            return Type(None, None, {}, items) if isinstance(items, dict) else None
        if type_.node.type == "array_type":
            return Type(type_.node.named_children[0], type_.scope, type_.bindings)
        name, arguments = self.parts(type_)
        return arguments[-1] if name in (*LISTS, "Map", "Record") and arguments else None

    def result(self, type_: Type, name: str, arguments: list) -> Type | None:
        """What a method call gives."""
        if name in TEXT:
            return self.STRING
        item = self.item(type_)
        if item is not None:
            list_name, inner = self.parts(self.resolve(type_)) if self.resolve(type_).node is not None else ("", [])
            if name == "get" and list_name == "Map" or name in ITEM:
                return item
            if name in SAME:
                return type_
            if name == "values" and list_name == "Map":
                return Type(None, None, {}, {"type": "array", "items": self.schema(item)})
        found = (self.object(type_) or {}).get(name)
        return self.returned(found.type) if found else None

    def returned(self, type_: Type) -> Type | None:
        type_ = self.resolve(type_)
        if type_ is None or type_.node is None:
            return None
        annotation = type_.node.child_by_field_name("return_type")
        if annotation is None:
            return None
        return self.resolve(Type(annotation.named_children[0] if annotation.type == "type_annotation" and annotation.named_children else annotation, type_.scope, type_.bindings))

    # objects
    def object(self, type_: Type, hops: int = 0) -> dict[str, Member] | None:
        """The members of an object type; None for what is none."""
        type_ = self.resolve(type_)
        if type_ is None or hops > DEEPEST:
            return None
        if type_.fixed is not None or type_.node is None:
            return self.of_class(type_.fixed) if isinstance(type_.fixed, Cls) else self.of_schema(type_.fixed)
        kind = type_.node.type
        if kind in ("object_type", "interface_body"):
            return self.signatures(type_.node, type_)
        if kind == "interface_declaration":
            found: dict[str, Member] = {}
            for clause in type_.node.named_children:
                if clause.type in ("extends_type_clause", "extends_clause"):
                    for base in clause.named_children:
                        found.update(self.object(Type(base, type_.scope, type_.bindings), hops + 1) or {})
            return {**found, **self.signatures(type_.node.child_by_field_name("body"), type_)}
        if kind == "intersection_type":
            parts = [self.object(Type(child, type_.scope, type_.bindings), hops + 1) for child in type_.node.named_children]
            return {name: member for part in parts for name, member in (part or {}).items()} if any(part is not None for part in parts) else None
        return self.utility(*self.parts(type_), hops)

    def utility(self, name: str, arguments: list[Type], hops: int) -> dict[str, Member] | None:
        found = self.object(arguments[0], hops + 1) if arguments and name in ("Partial", "Required", "Pick", "Omit") else None
        if found is None:
            return None
        if name in ("Partial", "Required"):
            return {key: Member(member.type, name == "Partial", member.notes) for key, member in found.items()}
        names = self.names(arguments[1]) if len(arguments) > 1 else []
        return {key: member for key, member in found.items() if (key in names) == (name == "Pick")}

    def signatures(self, body: Any, type_: Type) -> dict[str, Member]:
        found = {}
        for child in body.named_children if body else ():
            if child.type in ("property_signature", "method_signature"):
                name, annotation = child.child_by_field_name("name"), child.child_by_field_name("type")
                optional = any(part.type == "?" for part in child.children)
                inner = Type(annotation.named_children[0], type_.scope, type_.bindings) if annotation else Type(child if child.type == "method_signature" else None, type_.scope, type_.bindings, None if child.type == "method_signature" else {})
                found[name.text.decode().strip("'\"")] = Member(inner, optional, annotations(child))
        return found

    def of_class(self, cls: Cls) -> dict[str, Member]:
        found = self.of_class(cls.parent) if isinstance(cls.parent, Cls) else {}
        for name, node in cls.fields:
            annotation = node.child_by_field_name("type")
            inner = Type(annotation.named_children[0], cls.scope, {}) if annotation else Type(None, None, {}, {})
            found[name] = Member(inner, any(part.type == "?" for part in node.children), annotations(node))
        return found

    def of_schema(self, schema: Any) -> dict[str, Member] | None:
        schema = self.components.expanded(schema) if isinstance(schema, dict) else schema
        if not isinstance(schema, dict) or "properties" not in schema:
            return None
        return {name: Member(Type(None, None, {}, inner), name not in schema.get("required", ()), {}) for name, inner in schema["properties"].items()}

    # JSON Schema
    def schema(self, type_: Type | None) -> dict:
        """The schema of a type; {} when nothing is known of it."""
        if type_ is None or self.depth > DEEPEST:
            return {}
        self.depth += 1
        try:
            return self.named(type_) if type_.node is not None and type_.fixed is None else self.fixed(type_)
        finally:
            self.depth -= 1

    def fixed(self, type_: Type) -> dict:
        if isinstance(type_.fixed, Cls):
            return self.object_schema(self.of_class(type_.fixed)) if type_.fixed.fields else {}
        return type_.fixed if isinstance(type_.fixed, dict) else {}

    def named(self, type_: Type) -> dict:
        """Interfaces, and aliases of objects and unions, are referred to by their names; generic ones are written out."""
        name, arguments = self.parts(type_)
        if name in type_.bindings:
            return self.schema(type_.bindings[name])
        declared = self.declared(type_.scope, name) if name and "." not in name else None
        if type(declared) is tuple and not arguments:
            node = declared[0][0]
            if node.type == "interface_declaration" or node.child_by_field_name("value").type in ("object_type", "union_type", "intersection_type"):
                if node.child_by_field_name("type_parameters") is None:
                    return self.components.reference(("type", node.id), name, lambda: {**annotations(node), **self.structure(self.resolve(type_))})
        if isinstance(declared, Cls) and declared.fields and not arguments:
            return self.components.reference(("class", id(declared)), name, lambda: self.object_schema(self.of_class(declared)))
        resolved = self.resolve(type_)
        return self.structure(resolved) if resolved.node is not None and resolved.fixed is None else self.fixed(resolved)

    def structure(self, type_: Type) -> dict:
        node, inner = type_.node, lambda child: Type(child, type_.scope, type_.bindings)
        if node is None or type_.fixed is not None:
            return self.fixed(type_)
        kind = node.type
        if kind == "predefined_type":
            return dict(SCALARS.get(node.text.decode(), {}))
        if kind == "literal_type":
            return self.literal(node, type_)
        if kind == "template_literal_type":
            return {"type": "string"}
        if kind == "union_type":
            return self.union(type_)
        if kind == "array_type":
            return {"type": "array", "items": self.schema(inner(node.named_children[0]))}
        if kind == "tuple_type":
            return {"type": "array", "prefixItems": [self.schema(inner(child)) for child in node.named_children], "minItems": len(node.named_children), "maxItems": len(node.named_children)}
        if kind == "index_type_query":
            return {"type": "string", "enum": list(self.object(inner(node.named_children[-1])) or {})} if self.object(inner(node.named_children[-1])) else {"type": "string"}
        if kind == "intersection_type":
            return self.intersection(type_)
        if kind in ("generic_type", "type_identifier"):
            return self.generic(type_)
        members = self.object(type_)
        return self.object_schema(members, self.index(type_)) if members is not None else {}

    def generic(self, type_: Type) -> dict:
        name, arguments = self.parts(type_)
        if name in LISTS and arguments:
            return {"type": "array", "items": self.schema(arguments[0])}
        if name in ("Record", "Map") and len(arguments) == 2:
            return {"type": "object", "additionalProperties": self.schema(arguments[1])}
        members = self.object(type_)
        return self.object_schema(members) if members is not None else dict(NAMED.get(name, {}))

    def literal(self, node: Any, type_: Type) -> dict:
        value = self.it.evaluate(node.named_children[0], type_.scope) if node.named_children else UNDEFINED
        return {"type": "null"} if value is None else {"const": value} if isinstance(value, (str, int, float, bool)) else {}

    def union(self, type_: Type) -> dict:
        pending, found = [type_.node], []
        while pending:
            node = pending.pop()
            if node.type == "union_type":
                pending.extend(reversed(node.named_children))
            elif node.text not in (b"undefined", b"void"):
                found.append(self.schema(Type(node, type_.scope, type_.bindings)))
        return joined(found)

    def intersection(self, type_: Type) -> dict:
        parts = [self.schema(Type(child, type_.scope, type_.bindings)) for child in type_.node.named_children]
        if any("$ref" in part for part in parts):
            return {"allOf": parts}
        members = self.object(type_)
        return self.object_schema(members) if members is not None else {"allOf": parts}

    def index(self, type_: Type) -> dict | None:
        body = type_.node.child_by_field_name("body") or type_.node
        for child in body.named_children:
            if child.type == "index_signature":
                annotation = child.child_by_field_name("type")
                return self.schema(Type(annotation.named_children[0], type_.scope, type_.bindings)) if annotation else {}
        return None

    def object_schema(self, members: dict[str, Member], index: dict | None = None) -> dict:
        members = {name: member for name, member in members.items() if member.type.node is None or member.type.node.type not in ("method_signature", "function_type")}
        made: dict = {"type": "object"}
        required = [name for name, member in members.items() if not member.optional]
        if required:
            made["required"] = required
        if members:
            made["properties"] = {name: noted(self.schema(member.type), member.notes) for name, member in members.items()}
        if index is not None:
            made["additionalProperties"] = index or True
        return made


def noted(schema: dict, notes: dict) -> dict:
    return {**schema, **notes} if notes else schema


def joined(found: list[dict]) -> dict:
    """One of several schemas: literals become an enum, null a further type."""
    unique = [schema for index, schema in enumerate(found) if schema not in found[:index]]
    values = [schema["const"] for schema in unique if set(schema) == {"const"}]
    rest = [schema for schema in unique if set(schema) != {"const"}]
    if set(values) == {True, False} and all(isinstance(value, bool) for value in values):
        rest, values = [{"type": "boolean"}, *rest], []
    if values:
        rest.insert(0, enumeration(values))
    null = {"type": "null"} in rest
    rest = [schema for schema in rest if schema != {"type": "null"}] if null else rest
    if null and len(rest) == 1:
        return nullable(rest[0])
    return {} if not rest and not null or {} in rest else rest[0] if len(rest) == 1 and not null else {"anyOf": [*rest, *([{"type": "null"}] if null else [])]}


def enumeration(values: list) -> dict:
    """The schema of a few literal values."""
    kinds = {"boolean" if isinstance(value, bool) else "string" if isinstance(value, str) else "integer" if isinstance(value, int) else "number" for value in values}
    if len(values) == 1:
        return {"const": values[0]}
    return {"type": kinds.pop(), "enum": values} if len(kinds) == 1 else {"enum": values}


OUTSIDE = ("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "xml", "externalDocs")


def nullable(schema: dict) -> dict:
    if not schema:
        return {}
    kind = schema.get("type")
    if isinstance(kind, str) and kind != "null" and not {"const", "anyOf", "oneOf", "allOf", "$ref", "not"} & schema.keys():
        return {**schema, "type": [kind, "null"], **({"enum": [*schema["enum"], None]} if "enum" in schema else {})}
    if isinstance(kind, list):
        return schema if "null" in kind else {**schema, "type": [*kind, "null"]}
    notes = {name: schema[name] for name in OUTSIDE if name in schema}
    rest = {name: value for name, value in schema.items() if name not in notes}
    return {"anyOf": [*(rest["anyOf"] if set(rest) == {"anyOf"} else [rest]), {"type": "null"}], **notes}
