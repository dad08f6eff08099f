"""The servers that the scaffolder writes: their route tables, and the validators in which they say more than zod has words for."""
from __future__ import annotations

import json
import re
from typing import Any, Callable

from senior_backend.routes import comments
from senior_backend.routes.builtins import native
from senior_backend.routes.libraries import ZOD
from senior_backend.routes.schemas import Components, Schema, as_schema, plain
from senior_backend.routes.values import UNDEFINED, Arr, Fn, Native, Obj, Unknown, Value

MANIFEST = ".senior-backend.json"
OPERATIONS_BELOW = b"// What follows belongs to one operation each."
LOCATIONS = {"path": "path", "query": "query", "headers": "header", "cookies": "cookie"}
EXPORTED = re.compile(r"^export (?:interface|type) (\w+)", re.MULTILINE)
CODECS = ("json", "form", "multipart", "text", "binary", "xml")


def named(it: Any, schema: Schema, name: str, declarator: Any) -> Schema:
    """An export of validators.ts: a component, or what belongs to one operation."""
    module, base = it.module, name.removesuffix("Schema")
    below = module.file.source.find(OPERATIONS_BELOW)
    if 0 <= below < declarator.start_byte:
        it.generated[base] = schema
        return schema
    component, view = schema.keywords.pop("component", base), schema.keywords.pop("view", "")
    if schema.id:
        alias = schema
        schema = Schema(ZOD, "lazy", {}, lambda: alias)
    schema.id = component
    it.generated[base] = schema
    if not view:
        it.types.components.wholes[component] = schema
    return schema


class Check(Value):
    """What check() of zod takes."""
    __slots__ = ("apply",)

    def __init__(self, apply: Callable[[Schema], Schema]):
        self.apply = apply


class Format(Value):
    """A format as a function."""
    __slots__ = ("name",)

    def __init__(self, name: str):
        self.name = name


class Formats(Value):
    def get(self, it, name, node):
        return Format(name)


class Content(Value):
    """A codec with the schema of what it reads and writes."""
    __slots__ = ("codec", "schema", "styles")

    def __init__(self, codec: str, arguments: list):
        self.codec = codec
        self.schema = next((argument for argument in arguments if isinstance(argument, Schema)), None)
        self.styles = next((plain(argument) for argument in arguments[1:] if type(argument) is Obj), {})


class Scheme(Value):
    __slots__ = ("definition",)

    def __init__(self, definition: dict):
        self.definition = definition


def keyword(name: str) -> Native:
    return native(lambda it, value=True, *rest: Check(lambda schema: schema.inherit(**{name: value})))


def required_member(it: Any, name: Any = UNDEFINED) -> Check:
    return Check(lambda schema: with_required(schema, [name]))


def with_required(schema: Schema, names: list) -> Schema:
    made = derived(schema)
    made.keywords["required"] = [*made.keywords.get("required", []), *(name for name in names if isinstance(name, str))]
    return made


def derived(schema: Schema) -> Schema:
    """A copy that still refers to the schema by its name."""
    return Schema(ZOD, "lazy", {}, lambda: schema, schema.optional) if schema.name or schema.id else schema.copy()


def untyped(it: Any, schema: Any = UNDEFINED) -> Schema:
    made = as_schema(ZOD, schema).copy()
    made.untyped = True
    return made


def discriminated(it: Any, name: Any = UNDEFINED, branches: Any = UNDEFINED) -> Schema:
    parts: list[Schema] = []
    for function in branches.props.values() if type(branches) is Obj else ():
        part = Schema(ZOD, "lazy", {}, lambda function=function: it.call(function, UNDEFINED, [], None))
        part.key = function.node.text if type(function) is Fn else b""
        if part.key not in [other.key for other in parts]:
            parts.append(part)
    made = Schema(ZOD, "union", {}, parts)
    made.rest = True
    return made


def all_of(it: Any, parts: Any = UNDEFINED) -> Schema:
    return Schema(ZOD, "intersection", {}, [as_schema(ZOD, part) for part in it.items(parts)])


def raw(it: Any, data: Any = UNDEFINED, *rest: Any) -> Schema:
    return Schema(ZOD, "raw", {}, lambda components: as_data(it, data, components))


def keywords(it: Any, data: Any = UNDEFINED, *rest: Any) -> Check:
    def apply(schema: Schema) -> Schema:
        made = derived(schema)
        made.further.append(lambda components: as_data(it, data, components))
        return made
    return Check(apply)


def as_data(it: Any, value: Any, components: Components) -> Any:
    """JSON Schema that was written as data."""
    if type(value) is Arr:
        return [as_data(it, item, components) for item in value.items]
    if type(value) is not Obj:
        return value.name if isinstance(value, Format) else None if isinstance(value, Value) else value
    if "source" in value.props and value.cls is not None:
        return pattern(value)
    made = {}
    for name, member in value.props.items():
        if name == "$ref" and isinstance(member, str):
            made.update(it.generated.get(member, Schema(ZOD, "scalar")).render(components))
        elif name == "patternProperties":
            made[name] = {pattern(pair.items[0]): as_data(it, pair.items[1], components) for pair in it.items(member)}
        else:
            made[name] = as_data(it, member, components)
    return made


def pattern(value: Obj) -> str:
    return value.props["source"].replace("\\/", "/")


def without(it: Any, members: Any = UNDEFINED, schema: Any = UNDEFINED) -> Any:
    """The schema with the members that are dropped from what clients send."""
    if type(members) is not Obj or not isinstance(schema, Schema) or schema.kind != "object":
        return schema
    return schema.copy(parts={**schema.parts, **{name: as_schema(ZOD, member) for name, member in members.props.items()}})


JSON_SCHEMA = {
    **{name: keyword(name) for name in ("minLength", "maxLength", "multipleOf", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties")},
    "required": native(required_member), "object": native(lambda it: Check(lambda schema: schema.inherit(type="object"))), "int64": native(lambda it: Schema(ZOD, "scalar", {"type": "integer", "format": "int64"})),
    "equals": native(lambda it, values=UNDEFINED: Schema(ZOD, "scalar", {"enum": plain(values)})), **{name: native(untyped) for name in ("whenObject", "whenArray", "whenString", "whenNumber")},
    "allOf": native(all_of), "requiring": native(lambda it, schema=UNDEFINED, names=UNDEFINED: with_required(as_schema(ZOD, schema), it.items(names))),
    "without": native(without), "discriminated": native(discriminated), "keywords": native(keywords), "jsonSchema": native(raw)}
FORMATS = {"format": keyword("format"), "formats": Formats()}


def scheme(define: Callable) -> Native:
    """A security scheme: what its function says, and the comment above it."""
    def work(it: Any, this: Any, arguments: list, node: Any) -> Scheme:
        description, tags = comments.parsed(comments.above(node.parent)) if node is not None else ("", {})
        made = define(*arguments)
        if "flows" in tags:
            made = {"type": "oauth2", "flows": json.loads(tags["flows"])}
        elif "openIdConnectUrl" in tags:
            made = {"type": "openIdConnect", "openIdConnectUrl": tags["openIdConnectUrl"]}
        elif "bearerFormat" in tags:
            made["bearerFormat"] = tags["bearerFormat"]
        return Scheme({**made, **({"description": description} if description else {})})
    return Native(work)


CREDENTIALS = {
    "bearer": scheme(lambda *rest: {"type": "http", "scheme": "bearer"}), "basic": scheme(lambda *rest: {"type": "http", "scheme": "basic"}),
    "authorizationScheme": scheme(lambda name="", *rest: {"type": "http", "scheme": name}), "certificate": scheme(lambda *rest: {"type": "mutualTLS"}),
    "apiKey": scheme(lambda location="header", name="", *rest: {"type": "apiKey", "in": location, "name": name})}
class Entry(Value):
    """An entry of a route table."""
    __slots__ = ("definition", "place", "node")

    def __init__(self, definition: Obj, place: tuple, node: Any):
        self.definition, self.place, self.node = definition.props, place, node


def route(it: Any, this: Any, arguments: list, node: Any) -> Any:
    return Entry(arguments[0], it.place(node), node) if arguments and type(arguments[0]) is Obj else UNDEFINED


RUNTIME = {"route": Native(route), **{codec: Native(lambda it, this, arguments, node, codec=codec: Content(codec, arguments)) for codec in CODECS}}


def described(it: Any, sources: Any, folder: str) -> None:
    """What index.ts says of the API as a whole; types.ts has the components in the document's order."""
    types, wholes = sources.files.get(folder + "types.ts"), it.types.components.wholes
    order = {it.generated[name].id: place for place, name in enumerate(EXPORTED.findall(types.source.decode("utf-8", "replace"))) if name in it.generated} if types else {}
    for name in sorted(wholes, key=lambda name: order.get(name, len(order))):
        wholes[name] = wholes.pop(name)
    found = plain(sources.load(folder + "index.ts").export(it, "apiDescription")) if folder + "index.ts" in sources.files else None
    if isinstance(found, dict):
        it.about.update({"info": {name: found.get(name, "") for name in ("title", "version", "description") if name != "description" or name in found}})
        it.about.update({"servers": [{"url": url} for url in found["servers"]]} if "servers" in found else {})
        it.about.update({"tags": [{"name": name, "description": text} for name, text in found["tags"].items()]} if "tags" in found else {})


def mounted(it: Any, app: Any = UNDEFINED, routes: Any = UNDEFINED, service: Any = UNDEFINED, *rest: Any) -> Any:
    schemes = service.props.get("schemes") if type(service) is Obj else None
    it.schemes.update({name: scheme.definition for name, scheme in (schemes.props if type(schemes) is Obj else {}).items() if isinstance(scheme, Scheme)})
    for entry in it.items(routes):
        if isinstance(entry, Entry) and hasattr(app, "layers"):
            given = entry.definition
            app.add(it, "own", (str(given.get("method", "GET")).lower(),), [given.get("path", "/")], [given.get("handler", UNDEFINED)], entry.node, options=entry)
            app.layers[-1].place = entry.place
    return UNDEFINED


FILES = {"json-schema.ts": JSON_SCHEMA, "formats.ts": FORMATS, "credentials.ts": CREDENTIALS, "runtime.ts": RUNTIME, "mount.ts": {"mount": native(mounted)}, "xml.ts": {}, "xml-shapes.ts": {}}
