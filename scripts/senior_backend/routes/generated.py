"""The servers that the scaffolder writes: their route tables, and the validators in which they say more than zod has words for."""
from __future__ import annotations

import json
import re
from typing import Any, Callable

from senior_backend.routes import notation
from senior_backend.routes.builtins import native
from senior_backend.routes.libraries import ZOD, inner_of
from senior_backend.routes.schemas import Components, Schema, as_schema, plain
from senior_backend.routes.values import UNDEFINED, Arr, Fn, Native, Obj, Value

MANIFEST = ".senior-backend.json"
LOCATIONS = {"path": "path", "query": "query", "headers": "header", "cookies": "cookie"}
EXPORTED = re.compile(r"^export (?:interface|type) (\w+)", re.MULTILINE)
ENCODING = re.compile(r'(?m)^@encoding ("(?:[^"\\]|\\.)*") (.*)$')
NOTES = ("description", "deprecated", "example")


class Made(Value):
    """Something that these servers are made of: a check, a format, a content type, a security scheme, an entry of a route table."""
    __slots__ = ("value", "place", "node", "apply", "mark")

    def __init__(self, value: Any = None, place: tuple = ("", 0), node: Any = None, apply: Callable | None = None, mark: str = ""):
        self.value, self.place, self.node, self.mark = value, place, node, mark
        if apply:
            self.apply = apply          # what check() of zod calls


class Formats(Value):
    """formats['date']: a format as a function."""

    def get(self, it, name, node):
        return Made(name, mark="format")


# validators
def keyword(name: str) -> Native:
    return native(lambda it, value=True, *rest: Made(apply=lambda schema: schema.inherit(**{name: value})))


def requiring(it: Any, schema: Any, names: list) -> Schema:
    made = derived(as_schema(ZOD, schema))
    made.keywords["required"] = [*made.keywords.get("required", []), *(name for name in names if isinstance(name, str))]
    return made


def derived(schema: Schema) -> Schema:
    """A copy that still refers to the schema by its name."""
    return Schema(ZOD, "lazy", {}, lambda: schema, schema.optional) if schema.name or schema.id else schema.copy()


def discriminated(it: Any, name: Any = UNDEFINED, branches: Any = UNDEFINED) -> Schema:
    parts: dict[Any, Schema] = {}
    for function in branches.props.values() if type(branches) is Obj else ():
        parts.setdefault(function.node.text if type(function) is Fn else b"", Schema(ZOD, "lazy", {}, lambda function=function: it.call(function, UNDEFINED, [], None)))
    made = Schema(ZOD, "union", {}, list(parts.values()))
    made.rest = True
    return made


def without(it: Any, members: Any = UNDEFINED, schema: Any = UNDEFINED) -> Any:
    """The schema with the members that are dropped from what clients send."""
    if type(members) is not Obj or not isinstance(schema, Schema) or schema.kind != "object":
        return schema
    return schema.copy(parts={**schema.parts, **{name: as_schema(ZOD, member) for name, member in members.props.items()}})


def keywords(it: Any, data: Any = UNDEFINED, *rest: Any) -> Made:
    def apply(schema: Schema) -> Schema:
        made = derived(schema)
        made.further.append(lambda components: as_data(it, data, components))
        return made
    return Made(apply=apply)


def as_data(it: Any, value: Any, components: Components) -> Any:
    """JSON Schema that was written as data."""
    if type(value) is Arr:
        return [as_data(it, item, components) for item in value.items]
    if type(value) is not Obj:
        return value.value if isinstance(value, Made) else None if isinstance(value, Value) else value
    if "source" in value.props and value.cls is not None:
        return value.props["source"].replace("\\/", "/")
    made = {}
    for name, member in value.props.items():
        if name == "$ref" and isinstance(member, str):
            made.update(it.generated.get(member, Schema(ZOD, "scalar")).render(components))
        elif name == "patternProperties":
            made[name] = dict(as_data(it, pair, components) for pair in it.items(member))
        else:
            made[name] = as_data(it, member, components)
    return made


def scheme(define: Callable) -> Native:
    """A security scheme: what its function says, and the comment above it."""
    def work(it: Any, this: Any, a: list, node: Any) -> Made:
        description, tags = notation.parsed(notation.above(node.parent)) if node is not None else ("", {})
        made = {"type": "oauth2", "flows": json.loads(tags["flows"])} if "flows" in tags else {"type": "openIdConnect", "openIdConnectUrl": tags["openIdConnectUrl"]} if "openIdConnectUrl" in tags else define(*a)
        return Made({**made, **({"bearerFormat": tags["bearerFormat"]} if "bearerFormat" in tags else {}), **({"description": description} if description else {})}, mark="scheme")
    return Native(work)


def content(codec: str) -> Native:
    def work(it: Any, this: Any, a: list, node: Any) -> Made:
        return Made((next((given for given in a if isinstance(given, Schema)), None), next((plain(given) for given in a[1:] if type(given) is Obj), {})), mark="content")
    return Native(work)


def route(it: Any, this: Any, a: list, node: Any) -> Any:
    return Made(a[0].props, it.place(node), node, mark="route") if a and type(a[0]) is Obj else UNDEFINED


def mounted(it: Any, app: Any = UNDEFINED, routes: Any = UNDEFINED, service: Any = UNDEFINED, *rest: Any) -> Any:
    schemes = service.props.get("schemes") if type(service) is Obj else None
    it.schemes.update({name: given.value for name, given in (schemes.props if type(schemes) is Obj else {}).items() if isinstance(given, Made)})
    for entry in it.items(routes):
        if isinstance(entry, Made) and hasattr(app, "layers"):
            given = entry.value
            app.add(it, "own", (str(given.get("method", "GET")).lower(),), [given.get("path", "/")], [given.get("handler", UNDEFINED)], entry.node, options=entry)
            app.layers[-1].place = entry.place
    return UNDEFINED


FILES: dict[str, dict[str, Any]] = {
    "json-schema.ts": {
        **{name: keyword(name) for name in "minLength maxLength multipleOf minItems maxItems uniqueItems minProperties maxProperties".split()}, "required": native(lambda it, name=UNDEFINED: Made(apply=lambda schema: requiring(it, schema, [name]))),
        "object": native(lambda it: Made(apply=lambda schema: schema.inherit(type="object"))), "int64": native(lambda it: Schema(ZOD, "scalar", {"type": "integer", "format": "int64"})),
        "equals": native(lambda it, values=UNDEFINED: Schema(ZOD, "scalar", {"enum": plain(values)})), **dict.fromkeys(("whenObject", "whenArray", "whenString", "whenNumber"), native(lambda it, schema=UNDEFINED: as_schema(ZOD, schema).copy(untyped=True))),
        "allOf": native(lambda it, parts=UNDEFINED: Schema(ZOD, "intersection", {}, [as_schema(ZOD, part) for part in it.items(parts)])), "requiring": native(lambda it, schema=UNDEFINED, names=UNDEFINED: requiring(it, schema, it.items(names))),
        "without": native(without), "discriminated": native(discriminated), "keywords": native(keywords), "jsonSchema": native(lambda it, data=UNDEFINED, *rest: Schema(ZOD, "raw", {}, lambda components: as_data(it, data, components)))},
    "formats.ts": {"format": keyword("format"), "formats": Formats()}, "mount.ts": {"mount": native(mounted)}, "xml.ts": {}, "xml-shapes.ts": {},
    "credentials.ts": {"bearer": scheme(lambda *rest: {"type": "http", "scheme": "bearer"}), "basic": scheme(lambda *rest: {"type": "http", "scheme": "basic"}), "certificate": scheme(lambda *rest: {"type": "mutualTLS"}),
                       "authorizationScheme": scheme(lambda name="", *rest: {"type": "http", "scheme": name}), "apiKey": scheme(lambda location="header", name="", *rest: {"type": "apiKey", "in": location, "name": name})},
    "runtime.ts": {"route": Native(route), **{codec: content(codec) for codec in ("json", "form", "multipart", "text", "binary", "xml")}}}


# the document
def described(it: Any, sources: Any, folder: str) -> None:
    """What index.ts says of the API as a whole; types.ts has the components in the document's order."""
    types, wholes = sources.files.get(folder + "types.ts"), it.types.components.wholes
    order = {it.generated[name].id: place for place, name in enumerate(EXPORTED.findall(types.source.decode())) if name in it.generated} if types else {}
    for name in sorted(wholes, key=lambda name: order.get(name, len(order))):
        wholes[name] = wholes.pop(name)
    found = plain(sources.load(folder + "index.ts").export(it, "apiDescription")) if folder + "index.ts" in sources.files else None
    if isinstance(found, dict):
        it.about["info"] = {"title": "", "version": "", **{name: found[name] for name in ("title", "version", "description") if name in found}}
        it.about.update({"servers": [{"url": url} for url in found["servers"]]} if "servers" in found else {})
        it.about.update({"tags": [{"name": name, "description": text} for name, text in found["tags"].items()]} if "tags" in found else {})


class Entry:
    """An entry of a route table as an operation."""

    def __init__(self, made: Made, components: Components):
        self.given, self.components = made.value, components
        self.told = {member: comments_at(made.node, member) for member in ("bodies", "replies")}

    def props(self, name: str) -> dict:
        found = self.given.get(name)
        return found.props if type(found) is Obj else {}

    def operation(self) -> dict:
        given, handler = self.given, self.given.get("handler")
        comment = notation.above(handler.comment) if type(handler) is Fn and handler.comment is not None else ""
        made = {**notation.operation(re.sub(r"(?m)^[A-Z]+ /\S*$", "", comment).strip()), **({"tags": [given["tag"]]} if isinstance(given.get("tag"), str) else {}), "operationId": given.get("operationId", "")}
        made.update({"x-closed-query": True} if "closedQuery" in given else {})
        parameters = [self.parameter(key, location, name, part) for key, location in LOCATIONS.items() for name, part in members(self.props("parameters").get(key)).items()]
        made.update({"parameters": parameters} if parameters else {})
        if "bodies" in given:
            description, required = self.told["bodies"].get("", ""), given.get("bodyRequired") is True
            made["requestBody"] = {**({"description": description} if description else {}), **({"required": True} if required else {}), "content": self.contents(self.props("bodies"), "bodies", "")}
        made["responses"] = {status: self.response(status, contents) for status, contents in self.props("replies").items()}
        for status, whole in self.props("replyHeaders").items():
            made["responses"].setdefault(status, {"description": ""})["headers"] = {name: self.noted(part) for name, part in members(whole).items()}
        return {**made, **({"security": plain(given["security"])} if type(given.get("security")) is Arr else {})}

    def noted(self, part: Schema) -> dict:
        """A parameter's or header's own notes, and its schema."""
        schema = part.render(self.components)
        return {**{key: schema.pop(key) for key in NOTES if key in schema}, **({"required": True} if not part.optional else {}), "schema": schema}

    def parameter(self, key: str, location: str, name: str, part: Schema) -> dict:
        made, style = {"name": name, "in": location, **self.noted(part)}, (plain(self.props("styles").get(key)) or {}).get(name, {})
        if not style.get("content"):
            return {**made, **style}
        schema = made.pop("schema")
        return {**made, "content": {"application/json": {"schema": schema}}}

    def contents(self, contents: dict, member: str, under: str) -> dict:
        made = {}
        for name, found in contents.items():
            if isinstance(found, Made):
                schema, styles = found.value
                notes, encodings = self.told[member].get(under + name, ""), {field: dict(style) for field, style in styles.items()}
                for field, kind in ENCODING.findall(notes):
                    encodings.setdefault(json.loads(field), {}).update({**json.loads(kind), "explode": True} if kind.startswith("{") else {"contentType": kind})
                made[name] = {**({"schema": schema.render(self.components)} if schema is not None else {}), **({"encoding": encodings} if encodings else {}), **example_in(notes)}
        return made

    def response(self, status: str, contents: Any) -> dict:
        media = self.contents(contents.props, "replies", status + " ") if type(contents) is Obj else {}
        return {"description": self.told["replies"].get(status, ""), **({"content": media} if media else {})}


def members(whole: Any) -> dict[str, Schema]:
    return inner_of(whole).parts if isinstance(whole, Schema) and inner_of(whole).kind == "object" else {}


def example_in(notes: str) -> dict:
    _, found, text = notes.partition("@example ")
    try:
        return {"example": json.loads(text)} if found else {}
    except ValueError:
        return {}


def comments_at(node: Any, member: str) -> dict[str, str]:
    """The JSDoc comments at a member of the object that route() gets ("") and at its entries: "200", "200 application/json"."""
    found: dict[str, str] = {}

    def gather(pair: Any, name: str, depth: int) -> None:
        found[name], value = notation.above(pair), pair.child_by_field_name("value")
        for inner in value.named_children if value.type == "object" and depth < 2 else ():
            if inner.type == "pair":
                gather(inner, f"{name} {inner.child_by_field_name('key').text.decode().strip(chr(39))}".strip(), depth + 1)
    for pair in node.child_by_field_name("arguments").named_children[0].named_children if node is not None else ():
        if pair.type == "pair" and pair.child_by_field_name("key").text.decode() == member:
            gather(pair, "", 0)
    return found
