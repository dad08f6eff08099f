"""TypeScript's types as JSON Schema, and what they say of members, items and results."""
from __future__ import annotations

import dataclasses
from typing import Any

from senior_backend.routes.modules import Import, Module, Namespace
from senior_backend.routes.notation import annotations
from senior_backend.routes.values import UNDEFINED, Cls, Obj, Unknown

DEEPEST = 24                # aliases that lead to aliases, objects within objects
SCALARS = {"string": {"type": "string"}, "number": {"type": "number"}, "boolean": {"type": "boolean"}, "bigint": {"type": "integer"}, "object": {"type": "object"}, "never": {"not": {}}}
NAMED = {"Date": {"type": "string", "format": "date-time"}, "Buffer": {"type": "string", "format": "binary"}, "URL": {"type": "string", "format": "uri"}, "ObjectId": {"type": "string"}}
# types that stand for their first argument
TRANSPARENT = frozenset("Promise Readonly NonNullable Awaited PromiseLike DeepPartial Jsonify Document HydratedDocument WithId z.infer z.output z.input z.TypeOf Static Infer InferType FromSchema infer".split())
LISTS = frozenset(("Array", "ReadonlyArray", "Set", "Iterable", "AsyncIterable"))
SAME = frozenset(("filter", "slice", "sort", "reverse", "concat", "toSorted", "toReversed"))
ITEM = frozenset(("find", "findLast", "at", "pop", "shift"))
TEXT = frozenset("trim toLowerCase toUpperCase toString replace replaceAll padStart padEnd toISOString toFixed join substring normalize".split())
FUNCTIONS = ("method_signature", "function_type")
OUTSIDE = ("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "xml", "externalDocs")


@dataclasses.dataclass(frozen=True, slots=True)
class Type:
    """A type as it is written, with what its parameters stand for; or, with fixed, a JSON Schema or a class."""
    node: Any
    scope: Any
    bindings: dict
    fixed: Any = None

    def at(self, node: Any) -> Type:
        return Type(node, self.scope, self.bindings)


@dataclasses.dataclass(slots=True)
class Member:
    type: Type
    optional: bool
    notes: dict


def of_schema(schema: Any) -> Type:
    return Type(None, None, {}, schema)


class Types:
    STRING, NUMBER = of_schema({"type": "string"}), of_schema({"type": "number"})

    def __init__(self, it: Any, components: Any):
        self.it, self.components, self.depth = it, components, 0

    # names
    def declared(self, scope: Any, name: str, hops: int = 0) -> Any:
        """(the declarations of a type, their scope); or the value (a class, an enum) that the name stands for; None."""
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
        return None if not isinstance(module, Module) else Namespace(module) if found.name == "*" else self.exported(module, found.name, hops)

    def exported(self, module: Module, name: str, hops: int) -> Any:
        if hops > DEEPEST:
            return None
        module.run(self.it)
        found = module.exports.get("type " + name, module.exports.get(name))
        if type(found) is tuple:
            return self.declared(found[0], found[1].removeprefix("type "), hops + 1)
        wanted = [(found.specifier, found.name)] if type(found) is Import else [(specifier, name) for specifier in module.stars] if found is None else []
        for specifier, other in wanted:
            target = self.it.sources.module(self.it, module.file, specifier)
            declared = self.exported(target, other, hops + 1) if isinstance(target, Module) else None
            if declared is not None:
                return declared
        return found if not wanted and found is not None else self.declared(module.scope, name, hops + 1) if module.scope.holder("type " + name) else None

    def parts(self, type_: Type) -> tuple[str, list[Type]]:
        """The name of a (generic) type and its arguments; "" for one without a name."""
        node = type_.node
        if node.type == "generic_type":
            return node.named_children[0].text.decode(), [type_.at(child) for child in node.child_by_field_name("type_arguments").named_children]
        return (node.text.decode() if node.type in ("type_identifier", "nested_type_identifier") else ""), []

    def resolve(self, type_: Type | None, hops: int = 0) -> Type | None:
        """The type with its aliases and parameters followed: one with a structure, or with fixed."""
        if type_ is None or type_.fixed is not None or type_.node is None or hops > DEEPEST:
            return type_
        node = type_.node
        if node.type in ("parenthesized_type", "readonly_type", "type_annotation") and node.named_children:
            return self.resolve(type_.at(node.named_children[0]), hops + 1)
        if node.type == "lookup_type":
            return self.resolve(self.looked_up(type_), hops + 1)
        if node.type == "type_query":
            return self.of_value(self.it.evaluate(node.named_children[0], type_.scope))
        name, arguments = self.parts(type_)
        if name in type_.bindings:
            return self.resolve(type_.bindings[name], hops + 1)
        declared = self.declared(type_.scope, name) if name and "." not in name else None
        if type(declared) is tuple:
            return self.opened(declared, arguments, hops)
        if declared is not None and not isinstance(declared, Unknown):
            return self.of_value(declared)
        return self.resolve(arguments[0], hops + 1) if name in TRANSPARENT and arguments else type_

    def opened(self, declared: tuple, arguments: list[Type], hops: int) -> Type | None:
        node, scope = declared[0][0], declared[1]
        parameters, bindings = node.child_by_field_name("type_parameters"), {}
        for index, parameter in enumerate(parameters.named_children if parameters else ()):
            default = parameter.child_by_field_name("value")
            given = arguments[index] if index < len(arguments) else Type(default.named_children[0], scope, {}) if default and default.named_children else of_schema({})
            bindings[parameter.child_by_field_name("name").text.decode()] = given
        alias = node.type == "type_alias_declaration"
        return self.resolve(Type(node.child_by_field_name("value"), scope, bindings), hops + 1) if alias else Type(node, scope, bindings)

    def of_value(self, value: Any) -> Type | None:
        """typeof x, a class, or an enum."""
        if type(value) is Unknown and value.type:
            return self.resolve(value.type)
        if type(value) is Obj and value.props and all(isinstance(member, (str, int)) for member in value.props.values()):
            return of_schema({"enum": list(dict.fromkeys(value.props.values()))})
        return of_schema(value if isinstance(value, Cls) else self.components.shape(self.it, value))

    def looked_up(self, type_: Type) -> Type:
        owner, index = map(type_.at, type_.node.named_children[:2])
        found = [self.item(owner)] if index.node.type == "predefined_type" else [self.member(owner, name) for name in self.names(index)]
        return next(filter(None, found), of_schema({}))

    def names(self, type_: Type) -> list[str]:
        """The literals of a union: names of members."""
        schema = self.schema(type_)
        return [value for value in schema.get("enum", [schema["const"]] if "const" in schema else []) if isinstance(value, str)]

    # what values of a type have
    def members(self, type_: Type) -> dict[str, Type]:
        return {name: member.type for name, member in (self.object(type_) or {}).items()}

    def member(self, type_: Type, name: Any) -> Type | None:
        return self.members(type_).get(name) or (self.item(type_) if isinstance(name, int) else None)

    def item(self, type_: Type) -> Type | None:
        type_ = self.resolve(type_)
        if type_ is None or type_.node is None:
            items = type_.fixed.get("items") if type_ is not None and isinstance(type_.fixed, dict) else None
            return of_schema(items) if isinstance(items, dict) else None
        if type_.node.type == "array_type":
            return type_.at(type_.node.named_children[0])
        name, arguments = self.parts(type_)
        return arguments[-1] if name in (*LISTS, "Map", "Record") and arguments else None

    def result(self, type_: Type, name: str) -> Type | None:
        """What a method call gives."""
        item, whole = self.item(type_), self.resolve(type_)
        if item is not None:
            is_map = whole.node is not None and self.parts(whole)[0] == "Map"
            if name in ITEM or name == "get" and is_map:
                return item
            if name in SAME:
                return type_
            if name == "values" and is_map:
                return of_schema({"type": "array", "items": self.schema(item)})
        found = None if name in TEXT else (self.object(type_) or {}).get(name)
        return self.STRING if name in TEXT else self.returned(found.type) if found else None

    def returned(self, type_: Type) -> Type | None:
        type_ = self.resolve(type_)
        annotation = type_.node.child_by_field_name("return_type") if type_ is not None and type_.node is not None else None
        return self.resolve(type_.at(annotation)) if annotation is not None else None

    # objects
    def object(self, type_: Type, hops: int = 0) -> dict[str, Member] | None:
        """The members of an object type; None for what is none."""
        type_ = self.resolve(type_)
        if type_ is None or hops > DEEPEST:
            return None
        if type_.node is None:
            return self.of_class(type_.fixed) if isinstance(type_.fixed, Cls) else self.of_properties(type_.fixed)
        kind, node = type_.node.type, type_.node
        if kind in ("object_type", "interface_body"):
            return self.signatures(node, type_)
        if kind == "interface_declaration":
            bases = [self.object(type_.at(base), hops + 1) or {} for clause in node.named_children if clause.type in ("extends_type_clause", "extends_clause") for base in clause.named_children]
            return {name: member for part in (*bases, self.signatures(node.child_by_field_name("body"), type_)) for name, member in part.items()}
        if kind == "intersection_type":
            parts = [self.object(type_.at(child), hops + 1) for child in node.named_children]
            return {name: member for part in parts for name, member in (part or {}).items()} if any(part is not None for part in parts) else None
        name, arguments = self.parts(type_)
        found = self.object(arguments[0], hops + 1) if arguments and name in ("Partial", "Required", "Pick", "Omit") else None
        if found is None or name in ("Partial", "Required"):
            return found and {key: Member(member.type, name == "Partial", member.notes) for key, member in found.items()}
        names = self.names(arguments[1]) if len(arguments) > 1 else []
        return {key: member for key, member in found.items() if (key in names) == (name == "Pick")}

    def signatures(self, body: Any, type_: Type) -> dict[str, Member]:
        found = {}
        for child in body.named_children if body else ():
            if child.type in ("property_signature", "method_signature"):
                annotation = child.child_by_field_name("type")
                inner = type_.at(annotation.named_children[0]) if annotation else type_.at(child) if child.type == "method_signature" else of_schema({})
                found[child.child_by_field_name("name").text.decode().strip("'\"")] = Member(inner, is_optional(child), annotations(child))
        return found

    def of_class(self, cls: Cls) -> dict[str, Member]:
        found = self.of_class(cls.parent) if isinstance(cls.parent, Cls) else {}
        for name, node in cls.fields:
            annotation = node.child_by_field_name("type")
            keywords, optional = self.it.builtins.decorated(self.it, node, cls.scope)
            found[name] = Member(Type(annotation.named_children[0], cls.scope, {}) if annotation else of_schema({}), optional or is_optional(node), {**annotations(node), **keywords})
        return found

    def of_properties(self, schema: Any) -> dict[str, Member] | None:
        schema = self.components.expanded(schema)
        if not isinstance(schema, dict) or "properties" not in schema:
            return None
        return {name: Member(of_schema(inner), name not in schema.get("required", ()), {}) for name, inner in schema["properties"].items()}

    # JSON Schema
    def schema(self, type_: Type | None) -> dict:
        """The schema of a type; {} when nothing is known of it."""
        if type_ is None or self.depth > DEEPEST:
            return {}
        self.depth += 1
        try:
            return self.named(type_) if type_.node is not None else self.structure(type_)
        finally:
            self.depth -= 1

    def named(self, type_: Type) -> dict:
        """Interfaces, and aliases of objects and unions, are referred to by their names; generic ones are written out."""
        name, arguments = self.parts(type_)
        if name in type_.bindings:
            return self.schema(type_.bindings[name])
        declared = self.declared(type_.scope, name) if name and "." not in name and not arguments else None
        if type(declared) is tuple:
            node = declared[0][0]
            if (node.type == "interface_declaration" or node.child_by_field_name("value").type in ("object_type", "union_type", "intersection_type")) and node.child_by_field_name("type_parameters") is None:
                return self.components.reference(("type", node.id), name, lambda: {**annotations(node), **self.structure(self.resolve(type_))})
        return self.instance(declared) if isinstance(declared, Cls) and declared.fields else self.structure(self.resolve(type_))

    def instance(self, cls: Cls) -> dict:
        return self.components.reference(("class", id(cls)), cls.name, lambda: self.object_schema(self.of_class(cls)))

    def structure(self, type_: Type) -> dict:
        node = type_.node
        if node is None:
            return self.instance(type_.fixed) if isinstance(type_.fixed, Cls) and type_.fixed.fields else type_.fixed if isinstance(type_.fixed, dict) else {}
        kind, children = node.type, node.named_children
        if kind == "predefined_type":
            return dict(SCALARS.get(node.text.decode(), {}))
        if kind == "literal_type":
            value = self.it.evaluate(children[0], type_.scope) if children else UNDEFINED
            return {"type": "null"} if value is None else {"const": value} if isinstance(value, (str, int, float)) else {}
        if kind == "template_literal_type":
            return {"type": "string"}
        if kind == "union_type":
            return self.union(type_)
        if kind == "array_type":
            return {"type": "array", "items": self.schema(type_.at(children[0]))}
        if kind == "tuple_type":
            return {"type": "array", "prefixItems": [self.schema(type_.at(child)) for child in children], "minItems": len(children), "maxItems": len(children)}
        if kind == "index_type_query":
            members = self.object(type_.at(children[-1]))
            return {"type": "string", **({"enum": list(members)} if members else {})}
        if kind == "intersection_type":
            parts = [self.schema(type_.at(child)) for child in children]
            members = None if any("$ref" in part for part in parts) else self.object(type_)
            return {"allOf": parts} if members is None else self.object_schema(members)
        return self.generic(type_)

    def generic(self, type_: Type) -> dict:
        name, arguments = self.parts(type_)
        if name in LISTS and arguments:
            return {"type": "array", "items": self.schema(arguments[0])}
        if name in ("Record", "Map") and len(arguments) == 2:
            return {"type": "object", "additionalProperties": self.schema(arguments[1])}
        members = self.object(type_)
        return dict(NAMED.get(name, {})) if members is None else self.object_schema(members, self.index(type_))

    def union(self, type_: Type) -> dict:
        pending, found = [type_.node], []
        while pending:
            node = pending.pop()
            if node.type == "union_type":
                pending.extend(reversed(node.named_children))
            elif node.text not in (b"undefined", b"void"):
                found.append(self.schema(type_.at(node)))
        return joined(found)

    def index(self, type_: Type) -> dict | None:
        body = type_.node.child_by_field_name("body") or type_.node
        found = next((child.child_by_field_name("type") for child in body.named_children if child.type == "index_signature"), None)
        return self.schema(type_.at(found.named_children[0])) if found else None

    def object_schema(self, members: dict[str, Member], index: dict | None = None) -> dict:
        members = {name: member for name, member in members.items() if member.type.node is None or member.type.node.type not in FUNCTIONS}
        required = [name for name, member in members.items() if not member.optional]
        properties = {name: {**self.schema(member.type), **member.notes} for name, member in members.items()}
        return {"type": "object", **({"required": required} if required else {}), **({"properties": properties} if properties else {}), **({"additionalProperties": index or True} if index is not None else {})}


def is_optional(node: Any) -> bool:
    return any(part.type == "?" for part in node.children)


def joined(found: list[dict]) -> dict:
    """One of several schemas: literals become an enum, null a further type."""
    unique = [schema for index, schema in enumerate(found) if schema not in found[:index]]
    values = [schema["const"] for schema in unique if set(schema) == {"const"}]
    null, rest = {"type": "null"} in unique, [schema for schema in unique if set(schema) != {"const"} and schema != {"type": "null"}]
    if len(values) == 2 and all(isinstance(value, bool) for value in values):
        rest, values = [{"type": "boolean"}, *rest], []
    rest = [enumeration(values), *rest] if values else rest
    if null and len(rest) == 1:
        return nullable(rest[0])
    return {} if {} in rest or not rest and not null else rest[0] if len(rest) == 1 else {"anyOf": [*rest, *([{"type": "null"}] if null else [])]} if rest else {"type": "null"}


def enumeration(values: list) -> dict:
    """The schema of a few literal values."""
    kinds = {"boolean" if isinstance(value, bool) else "string" if isinstance(value, str) else "integer" if isinstance(value, int) else "number" for value in values}
    return {"const": values[0]} if len(values) == 1 else {"type": kinds.pop(), "enum": values} if len(kinds) == 1 else {"enum": values}


def nullable(schema: dict) -> dict:
    """The schema that takes null as well; its annotations stay outside."""
    if not schema:
        return {}
    kinds = schema["type"] if isinstance(schema.get("type"), list) else [schema.get("type")]
    if kinds != [None] and kinds != ["null"] and not {"const", "anyOf", "oneOf", "allOf", "$ref", "not"} & schema.keys():
        return {**schema, "type": [*kinds, *(["null"] if "null" not in kinds else [])], **({"enum": [*schema["enum"], None]} if "enum" in schema and None not in schema["enum"] else {})}
    notes = {name: schema[name] for name in OUTSIDE if name in schema}
    rest = {name: value for name, value in schema.items() if name not in notes}
    return {"anyOf": [*(rest["anyOf"] if set(rest) == {"anyOf"} else [rest]), {"type": "null"}], **notes}
