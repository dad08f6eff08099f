"""What an exchange has shown, as an OpenAPI operation."""
from __future__ import annotations

import http
import json
import re
from typing import Any

from senior_backend.routes import comments
from senior_backend.routes.exchange import INFRASTRUCTURE, Exchange, Use
from senior_backend.routes.frameworks import Endpoint
from senior_backend.routes.generated import LOCATIONS
from senior_backend.routes.libraries import inner_of
from senior_backend.routes.schemas import Components, Schema, plain, shape
from senior_backend.routes.types import joined
from senior_backend.routes.values import UNDEFINED, Arr, Fn, Obj, Unknown, Value, options

WITHOUT_BODY = ("get", "head")
FASTIFY_PARTS = {"querystring": "query", "query": "query", "params": "path", "headers": "header", "body": "body"}
DOCUMENTED = ("summary", "description", "tags", "operationId", "deprecated", "security", "externalDocs")
INFERRED = "x-inferred"         # marks what is known by use alone, until the document is written
STATUS = re.compile(r"[1-5](?:[0-9]{2}|[xX]{2})|default")


class Writer:
    """Turns exchanges into operations; components gathers the named schemas."""

    def __init__(self, it: Any, components: Components, shared: dict[str, Any]):
        self.it, self.components, self.shared = it, components, shared

    def operation(self, endpoint: Endpoint, exchange: Exchange, template: str, patterns: dict[str, str]) -> dict:
        declared = self.declared(endpoint)
        made = self.described(endpoint, declared)
        parameters = self.parameters(exchange, declared, template, patterns)
        if parameters:
            made["parameters"] = parameters
        body = self.body(endpoint, exchange, declared)
        if body:
            made["requestBody"] = body
        made["responses"] = self.responses(exchange, declared)
        if exchange.credentials:
            made.setdefault("security", [{name: [] for name in exchange.credentials}])
        elif exchange.assumed:
            made["x-assumed-security"] = list(dict.fromkeys(exchange.assumed))
        return made

    def own_operation(self, entry: Any) -> dict:
        """An entry of a generated route table."""
        given = entry.definition
        made: dict = {}
        handler = given.get("handler")
        if type(handler) is Fn and handler.comment is not None:
            text = comments.above(handler.comment)
            made = comments.operation(re.sub(r"(?m)^[A-Z]+ /\S*$", "", text).strip())
        if isinstance(given.get("tag"), str):
            made["tags"] = [given["tag"]]
        made["operationId"] = given.get("operationId", "")
        parameters = [self.own_parameter(location, name, part, given) for key, location in LOCATIONS.items() for name, part in self.own_members(given, key).items()]
        if parameters:
            made["parameters"] = parameters
        bodies = given.get("bodies")
        if type(bodies) is Obj:
            told = own_comments(entry.node, "bodies")
            made["requestBody"] = {**({"description": told[""]} if told.get("") else {}), **({"required": True} if given.get("bodyRequired") is True else {}), "content": self.contents(bodies, told, "")}
        replies, headers, told = given.get("replies"), given.get("replyHeaders"), own_comments(entry.node, "replies")
        made["responses"] = {status: self.own_response(status, contents, told) for status, contents in (replies.props if type(replies) is Obj else {}).items()}
        for status, whole in (headers.props if type(headers) is Obj else {}).items():
            members = inner_of(whole).parts if isinstance(whole, Schema) else {}
            made["responses"].setdefault(status, {"description": ""})["headers"] = {name: self.own_header(part) for name, part in members.items()}
        if type(given.get("security")) is Arr:
            made["security"] = plain(given["security"])
        return made

    def own_members(self, given: dict, key: str) -> dict[str, Schema]:
        parts = given.get("parameters")
        whole = parts.props.get(key) if type(parts) is Obj else None
        return inner_of(whole).parts if isinstance(whole, Schema) and inner_of(whole).kind == "object" else {}

    def own_parameter(self, location: str, name: str, part: Schema, given: dict) -> dict:
        schema = part.render(self.components)
        made: dict = {"name": name, "in": location, **({"required": True} if not part.optional else {})}
        made.update({key: schema.pop(key) for key in ("description", "deprecated", "example") if key in schema})
        styles = plain(given["styles"]) if type(given.get("styles")) is Obj else {}
        style = styles.get({"header": "headers", "cookie": "cookies"}.get(location, location), {}).get(name, {})
        if style.get("content"):
            return {**made, "content": {"application/json": {"schema": schema}}}
        return {**made, **style, "schema": schema}

    def own_header(self, part: Schema) -> dict:
        schema = part.render(self.components)
        description = {"description": schema.pop("description")} if "description" in schema else {}
        return {**description, **({"required": True} if not part.optional else {}), "schema": schema}

    def contents(self, contents: Obj, told: dict, under: str) -> dict:
        made = {}
        for name, content in contents.props.items():
            if hasattr(content, "codec"):
                made[name] = {"schema": content.schema.render(self.components)} if content.schema is not None else {}
                notes = told.get(f"{under}{name}", "")
                encodings = {field: dict(style) for field, style in content.styles.items()}
                for field, kind in re.findall(r'(?m)^@encoding ("(?:[^"\\]|\\.)*") (.*)$', notes):
                    encodings.setdefault(json.loads(field), {}).update({"style": "deepObject", "explode": True} if kind == '{"style": "deepObject"}' else {"contentType": kind})
                made[name].update({"encoding": encodings} if encodings else {})
                made[name].update(example_in(notes))
        return made

    def own_response(self, status: str, contents: Any, told: dict) -> dict:
        media = self.contents(contents, told, status + " ") if type(contents) is Obj else {}
        return {"description": told.get(status, ""), **({"content": media} if media else {})}

    # descriptions
    def described(self, endpoint: Endpoint, declared: dict) -> dict:
        own = endpoint.layer.handlers[-1] if endpoint.layer.handlers else None
        text = {}
        if type(own) is Fn and own.comment is not None:
            text = comments.operation(comments.above(own.comment))
        text = {**text, **comments.operation(route_comment(endpoint.layer.node))}
        text.update({name: plain(declared[name]) for name in DOCUMENTED if name in declared})
        name = own.name if type(own) is Fn else ""
        if "operationId" not in text and re.fullmatch(r"[A-Za-z_$][\w$]*", name or "") and name not in ("handler", "default", "constructor"):
            text["x-handler"] = name
        return text

    # Fastify's schema option
    def declared(self, endpoint: Endpoint) -> dict:
        given = endpoint.layer.options
        found = given.props.get("schema") if type(given) is Obj else None
        return found.props if type(found) is Obj else {}

    def schema_of(self, value: Any) -> dict:
        """A schema of zod or TypeBox, or JSON Schema as an object."""
        if isinstance(value, Schema):
            return value.render(self.components)
        if type(value) is Arr or isinstance(value, Unknown):
            return {}
        return self.referring(plain(value, self.components)) if type(value) is Obj else {}

    def referring(self, schema: Any, root: str = "") -> Any:
        """With Fastify's references to shared schemas as references to components; nullable as a type."""
        if isinstance(schema, list):
            return [self.referring(item, root) for item in schema]
        if not isinstance(schema, dict):
            return schema
        made = {name: self.referring(member, root) for name, member in schema.items() if name not in ("$id", "nullable", "definitions", "$defs")}
        reference = schema.get("$ref")
        if isinstance(reference, str):
            made["$ref"] = self.target(reference, root)
        if schema.get("nullable") is True and isinstance(made.get("type"), str):
            made["type"] = [made["type"], "null"]
        return made

    def target(self, reference: str, root: str) -> str:
        if reference.startswith("#/components/"):
            return reference
        name, _, pointer = reference.partition("#")
        name = name or root
        if name not in self.shared:
            return reference
        if pointer.startswith(("/definitions/", "/$defs/")):
            inner = pointer.rpartition("/")[2]
            home = plain(self.shared[name], self.components)
            schema = (home.get("definitions") or home.get("$defs") or {}).get(inner, {})
            return self.components.reference(("shared", name, inner), inner, lambda: self.referring(schema, name))["$ref"]
        return self.shared_reference(name)

    def shared_reference(self, name: str) -> str:
        wish = re.sub(r"\.(?:json|schema)$|\W+$", "", name.rstrip("#/").rpartition("/")[2]) or "schema"
        return self.components.reference(("shared", name, ""), re.sub(r"[^A-Za-z0-9._-]", "_", wish), lambda: self.referring(plain(self.shared[name], self.components), name))["$ref"]

    # parameters
    def parameters(self, exchange: Exchange, declared: dict, template: str, patterns: dict[str, str]) -> list[dict]:
        found: dict[tuple, dict] = {}
        for location in ("path", "query", "header", "cookie"):
            for name, (schema, required) in self.members(exchange, declared, location).items():
                if location == "header" and name.lower() in INFRASTRUCTURE or location == "path" and name not in patterns:
                    continue
                found[location, name] = parameter(location, name, schema, required)
        for name, pattern in patterns.items():
            known = found.get(("path", name), {}).get("schema") or {"type": "string", INFERRED: True}
            if pattern and known.get("type") == "string" and "pattern" not in known:
                known = {**known, "pattern": pattern}
            found["path", name] = parameter("path", name, known, True)
        order = {name: index for index, name in enumerate(re.findall(r"\{([^{}]*)\}", template))}
        return sorted(found.values(), key=lambda made: (made["in"] != "path", order.get(made["name"], 0) if made["in"] == "path" else 0))

    def members(self, exchange: Exchange, declared: dict, location: str) -> dict[str, tuple[dict, bool]]:
        """name -> (schema, required) of a location, by what says most: a schema, a type, the code."""
        given = next((declared[name] for name, place in FASTIFY_PARTS.items() if place == location and name in declared), None)
        whole = exchange.uses.get((location, ()))
        if given is not None:
            return self.split(self.components.expanded(self.schema_of(given)))
        if whole and whole.schema is not None:
            return self.split(self.whole(whole.schema))
        found = {}
        if whole and whole.type is not None:
            found = self.split(self.components.expanded(self.it.types.schema(whole.type)))
            if found or location != "path":
                return found
        for (place, path), use in exchange.uses.items():
            if place == location and len(path) == 1:
                found[path[0]] = (self.used(exchange, location, path, use) or {"type": "string", INFERRED: True}, use.required)
        return found

    def whole(self, schema: Schema) -> dict:
        """A schema written out, so that its members become parameters."""
        inner = inner_of(schema)
        return self.merged(inner.render(self.components, whole=True))

    def merged(self, schema: dict) -> dict:
        schema = self.components.expanded(schema)
        if "allOf" not in schema:
            return schema
        parts = [self.merged(part) for part in schema["allOf"]]
        return {"type": "object", "properties": {name: member for part in parts for name, member in part.get("properties", {}).items()}, "required": [name for part in parts for name in part.get("required", [])]}

    def split(self, schema: dict) -> dict[str, tuple[dict, bool]]:
        schema = self.merged(schema) if isinstance(schema, dict) else {}
        members = schema.get("properties")
        if members is None and schema and "type" not in schema and all(isinstance(member, dict) for member in schema.values()):
            members = {name: {key: value for key, value in member.items() if key != "required" or not isinstance(value, bool)} for name, member in schema.items()}     # Fastify 4: bare members
        required = schema.get("required", [])
        return {name: (member if isinstance(member, dict) else {}, name in required if isinstance(required, list) else False) for name, member in (members or {}).items()}

    def used(self, exchange: Exchange, location: str, path: tuple, use: Use) -> dict:
        """The schema of a part of the request by how the code uses it."""
        if use.schema is not None:
            return use.schema.render(self.components)
        if use.type is not None:
            return self.it.types.schema(use.type)
        schema = self.inferred(exchange, location, path, use)
        return {**schema, INFERRED: True} if schema and not use.keywords else schema

    def inferred(self, exchange: Exchange, location: str, path: tuple, use: Use) -> dict:
        schema = dict(use.keywords)
        if use.kinds and "type" not in schema:
            schema["type"] = use.kinds[0] if len(use.kinds) == 1 or use.kinds[0] in ("integer", "array") else "number" if set(use.kinds) == {"integer", "number"} else use.kinds[-1]
        inner = self.children(exchange, location, path)
        if "[]" in inner and schema.get("type", "array") == "array":
            schema = {"type": "array", **({"items": self.used(exchange, location, (*path, "[]"), inner["[]"])} if self.used(exchange, location, (*path, "[]"), inner["[]"]) else {}), **schema}
        elif inner and schema.get("type", "object") == "object" and location == "body" and "[]" not in inner:
            schema = {**self.object(exchange, location, path, inner), **schema}
        if use.default is not UNDEFINED and use.default is not None and use.default != "":
            schema = {"type": type_of(use.default), **schema, "default": use.default} if "type" not in schema or schema["type"] == type_of(use.default) else schema
        return schema

    def children(self, exchange: Exchange, location: str, path: tuple) -> dict[str, Use]:
        return {key[1][-1]: use for key, use in exchange.uses.items() if key[0] == location and len(key[1]) == len(path) + 1 and key[1][:-1] == path}

    def object(self, exchange: Exchange, location: str, path: tuple, inner: dict[str, Use]) -> dict:
        required = [name for name, use in inner.items() if use.required]
        return {"type": "object", **({"required": required} if required else {}), "properties": {name: self.used(exchange, location, (*path, name), use) for name, use in inner.items()}}

    # body
    def body(self, endpoint: Endpoint, exchange: Exchange, declared: dict) -> dict | None:
        whole = exchange.uses.get(("body", ()))
        inner = self.children(exchange, "body", ())
        if "body" in declared:
            schema = self.schema_of(declared["body"])
        elif whole and (whole.schema is not None or whole.type is not None):
            schema = whole.schema.render(self.components) if whole.schema is not None else self.it.types.schema(whole.type)
            if whole.schema is None:
                schema = self.with_required(schema, inner)
        elif inner and endpoint.method not in WITHOUT_BODY or whole and whole.own and endpoint.method not in (*WITHOUT_BODY, "delete") or exchange.media:
            schema = self.used(exchange, "body", (), whole or Use([])) if whole or inner else {}
        else:
            return None
        content_type = next(iter(sorted(exchange.media)), "application/json")
        made: dict = {"content": {content_type: {"schema": schema} if schema else {}}}
        expanded = self.merged(schema) if schema else {}
        if expanded.get("required") or "body" in declared or whole and whole.schema is not None and not whole.schema.optional:
            made = {"required": True, **made}
        return made

    def with_required(self, schema: dict, inner: dict[str, Use]) -> dict:
        """A body's type with the members that the code insists on."""
        needed = [name for name, use in inner.items() if use.required]
        if not needed or "properties" not in schema:
            return schema
        missing = [name for name in needed if name in schema["properties"] and name not in schema.get("required", [])]
        return {**schema, "required": [*schema.get("required", []), *missing]} if missing else schema

    # responses
    def responses(self, exchange: Exchange, declared: dict) -> dict:
        made: dict = {}
        given = declared.get("response", declared.get("responses"))
        for status, value in given.props.items() if type(given) is Obj else ():
            code = str(status).upper() if str(status) != "default" else "default"
            if STATUS.fullmatch(code):
                made[code] = self.declared_response(code, value)
        for answer in exchange.answers:
            if str(answer.status) not in made and not covered(made, answer.status):
                same = [other for other in exchange.answers if other.status == answer.status]
                made[str(answer.status)] = self.response(exchange, answer.status, same)
        return dict(sorted(made.items())) or {"default": {"description": "What is answered could not be read"}}

    def declared_response(self, code: str, value: Any) -> dict:
        props = value.props if type(value) is Obj else {}
        text = props.get("description")
        made = {"description": text if isinstance(text, str) and "type" not in props else phrase(code)}
        if type(props.get("content")) is Obj:
            made["content"] = {name: {"schema": self.schema_of(media.props.get("schema"))} for name, media in props["content"].props.items() if type(media) is Obj}
            return made
        schema = self.schema_of(value)
        if isinstance(schema.get("description"), str):
            made["description"] = schema.pop("description")
        if schema and not (schema == {"type": "null"}) and code not in ("204", "304"):
            made["content"] = {"application/json": {"schema": schema}}
        return made

    def response(self, exchange: Exchange, status: int, answers: list) -> dict:
        made: dict = {"description": phrase(str(status))}
        content: dict[str, list] = {}
        for answer in answers:
            for body in options(answer.body):
                content_type = answer.content_type or type_of_body(body, exchange.framework)
                if content_type and body is not UNDEFINED and not (body is None and content_type != "application/json"):
                    schema = shape(self.it, self.components, body)
                    schema = {**schema, INFERRED: True} if type(body) in (Obj, Arr) else schema
                    if not schema and exchange.reply_type is not None and 200 <= status < 300 and content_type == "application/json":
                        schema = self.it.types.schema(exchange.reply_type)
                    content.setdefault(content_type, []).append(schema)
        if content and status not in (204, 304):
            made["content"] = {name: {"schema": schema} if (schema := combined(found)) else {} for name, found in content.items()}
        return made


def combined(found: list[dict]) -> dict:
    return {} if {} in found else joined(found)


def covered(made: dict, status: int) -> bool:
    return f"{status // 100}XX" in made


def parameter(location: str, name: str, schema: dict, required: bool) -> dict:
    made: dict = {"name": name, "in": location}
    if required or location == "path":
        made["required"] = True
    description = schema.get("description")
    if isinstance(description, str) and "$ref" not in schema:
        made["description"] = description
        schema = {key: value for key, value in schema.items() if key != "description"}
    return {**made, "schema": schema}


def type_of(value: Any) -> str:
    return "boolean" if isinstance(value, bool) else "integer" if isinstance(value, int) else "number" if isinstance(value, float) else "string"


def type_of_body(body: Any, framework: str) -> str | None:
    if isinstance(body, str):
        return "text/html" if framework == "express" or framework == "koa" and body.startswith("<") else "text/plain"
    return "application/json" if body is not UNDEFINED and (not isinstance(body, Value) or type(body) in (Obj, Arr) or isinstance(body, Schema) or isinstance(body, Unknown) and body.type is not None) else None


def phrase(code: str) -> str:
    """What a status means, in the words of HTTP."""
    classes = {"1": "Informational", "2": "Success", "3": "Redirection", "4": "Client error", "5": "Server error"}
    try:
        return http.HTTPStatus(int(code)).phrase
    except ValueError:
        return "Any other answer" if code == "default" else classes[code[0]] if code[0] in classes else code


def example_in(notes: str) -> dict:
    _, found, text = notes.partition("@example ")
    try:
        return {"example": json.loads(text)} if found else {}
    except ValueError:
        return {}


def own_comments(node: Any, member: str) -> dict[str, str]:
    """The JSDoc comments at a member of the object that route() gets ("") and at its entries: "200", "200 application/json"."""
    found: dict[str, str] = {}

    def gather(pair: Any, name: str, depth: int) -> None:
        found[name] = comments.above(pair)
        value = pair.child_by_field_name("value")
        for inner in value.named_children if value.type == "object" and depth < 2 else ():
            if inner.type == "pair":
                gather(inner, f"{name} {inner.child_by_field_name('key').text.decode().strip(chr(39))}".strip(), depth + 1)
    for pair in node.child_by_field_name("arguments").named_children[0].named_children if node is not None else ():
        if pair.type == "pair" and pair.child_by_field_name("key").text.decode() == member:
            gather(pair, "", 0)
    return found


def route_comment(node: Any) -> str:
    """The JSDoc comment of the statement that registers a route, when it registers no other; or the one inside a chain."""
    if node is None:
        return ""
    callee = node.child_by_field_name("function")
    inside = [child for child in callee.named_children if child.type == "comment"] if callee else []
    if inside:
        found = comments.BLOCK.fullmatch(inside[-1].text.decode("utf-8", "replace"))
        return comments.plain(found[1]) if found else ""
    owner = callee.child_by_field_name("object") if callee and callee.type == "member_expression" else None
    if owner is not None and owner.type == "call_expression" or node.parent is None or node.parent.type not in ("expression_statement", "await_expression"):
        return ""
    return comments.above(node.parent if node.parent.type == "expression_statement" else node.parent.parent)
