"""What an exchange has shown, as an OpenAPI operation."""
from __future__ import annotations

import http
import re
from typing import Any

from senior_backend.routes import notation
from senior_backend.routes.exchange import ANY_STATUS, INFRASTRUCTURE, LOCATIONS, Exchange, Use
from senior_backend.routes.frameworks import Endpoint
from senior_backend.routes.libraries import inner_of
from senior_backend.routes.schemas import Components, Schema, plain
from senior_backend.routes.types import joined
from senior_backend.routes.values import UNDEFINED, Arr, Fn, Obj, Unknown, Value, options

WITHOUT_BODY = ("get", "head")
DOCUMENTED = ("summary", "description", "tags", "operationId", "deprecated", "security", "externalDocs")
INFERRED = "x-inferred"         # marks what is known by use alone, until the document is written
STATUS = re.compile(r"[1-5](?:[0-9]{2}|[xX]{2})|default")
CLASSES = {"1": "Informational", "2": "Success", "3": "Redirection", "4": "Client error", "5": "Server error"}


class Writer:
    """Turns exchanges into operations; components gathers the named schemas; shared: Fastify's shared schemas by their $id."""

    def __init__(self, it: Any, components: Components, shared: dict[str, Any]):
        self.it, self.components, self.shared = it, components, shared

    def operation(self, endpoint: Endpoint, exchange: Exchange, patterns: dict[str, str]) -> dict:
        """patterns: the parameters of the path, in its order, and the regular expressions that they have to fit."""
        given = endpoint.layer.options.props.get("schema") if type(endpoint.layer.options) is Obj else None
        declared = given.props if type(given) is Obj else {}
        parameters, body = self.parameters(exchange, declared, patterns), self.body(endpoint.method, exchange, declared)
        made = {**self.described(endpoint, exchange, declared), **({"parameters": parameters} if parameters else {}), **({"requestBody": body} if body else {}), "responses": self.responses(exchange, declared)}
        for response in made["responses"].values() if endpoint.method == "head" else ():
            response.pop("content", None)
        if exchange.credentials:
            made.setdefault("security", [{name: [] for name in exchange.credentials}])
        elif exchange.assumed:
            made["x-assumed-security"] = list(dict.fromkeys(exchange.assumed))
        return made

    def described(self, endpoint: Endpoint, exchange: Exchange, declared: dict) -> dict:
        own = endpoint.layer.handlers[-1] if endpoint.layer.handlers else None
        while type(own) is Fn and not own.name and len(inner := exchange.delegates.pop(own.node.id, {})) == 1:      # a wrapper
            own = next(iter(inner.values()))
        text = notation.operation(notation.above(own.comment)) if type(own) is Fn and own.comment is not None else {}
        text.update({**notation.operation(route_comment(endpoint.layer.node)), **{name: plain(declared[name]) for name in DOCUMENTED if name in declared}})
        name = own.name if type(own) is Fn else ""
        if re.fullmatch(r"[A-Za-z_$][\w$]*", name or "") and name not in ("handler", "default", "constructor"):
            text["x-handler"] = name
        return text

    # Fastify's schemas
    def schema_of(self, value: Any) -> dict:
        """A schema of zod or TypeBox, or JSON Schema as an object."""
        return value.render(self.components) if isinstance(value, Schema) else self.referring(plain(value, self.components)) if type(value) is Obj else {}

    def referring(self, schema: Any, root: str = "") -> Any:
        """With Fastify's references to shared schemas as references to components; nullable as a type."""
        if isinstance(schema, list):
            return [self.referring(item, root) for item in schema]
        if not isinstance(schema, dict):
            return schema
        made = {name: self.referring(member, root) for name, member in schema.items() if name not in ("$id", "nullable", "definitions", "$defs")}
        if isinstance(schema.get("$ref"), str):
            made["$ref"] = self.target(schema["$ref"], root)
        return {**made, "type": [made["type"], "null"]} if schema.get("nullable") is True and isinstance(made.get("type"), str) else made

    def target(self, reference: str, root: str) -> str:
        name, _, pointer = reference.partition("#")
        name = name or root
        if name not in self.shared or reference.startswith("#/components/"):
            return reference
        if isinstance(self.shared[name], Schema) and not pointer:
            return self.shared[name].render(self.components).get("$ref", reference)
        inner = pointer.rpartition("/")[2] if pointer.startswith(("/definitions/", "/$defs/")) else ""
        wish = re.sub(r"\.(?:json|schema)$|\W+$", "", name.rstrip("#/").rpartition("/")[2]) or "schema"

        def render() -> Any:
            whole = plain(self.shared[name], self.components)
            return self.referring((whole.get("definitions") or whole.get("$defs") or {}).get(inner, {}) if inner else whole, name)
        return self.components.reference(("shared", name, inner), inner or re.sub(r"[^A-Za-z0-9._-]", "_", wish), render)["$ref"]

    # parameters
    def parameters(self, exchange: Exchange, declared: dict, patterns: dict[str, str]) -> list[dict]:
        found = {("path", name): parameter("path", name, {"type": "string", INFERRED: True}, True) for name in patterns}
        for location in ("path", "query", "header", "cookie"):
            for name, (schema, required) in self.members(exchange, declared, location).items():
                if not (location == "header" and (name.lower() in INFRASTRUCTURE or passing(exchange, name)) or location == "path" and name not in patterns):
                    found[location, name] = parameter(location, name, schema, required)
        for name, pattern in patterns.items():
            schema = found["path", name]["schema"]
            if pattern and schema.get("type") == "string":
                schema.setdefault("pattern", pattern)
        return list(found.values())

    def members(self, exchange: Exchange, declared: dict, location: str) -> dict[str, tuple[dict, bool]]:
        """name -> (schema, required) of a location, by what says most: a schema, a type, the code."""
        given = next((declared[name] for name, place in LOCATIONS.items() if place == location and name in declared), None)
        whole = exchange.uses.get((location, ()))
        if given is not None:
            return self.split(self.schema_of(given))
        if whole and whole.schema is not None:
            return self.split(inner_of(whole.schema).render(self.components, whole=True))
        found = self.split(self.it.types.schema(whole.type)) if whole and whole.type is not None else {}
        if found or whole and whole.type is not None and location != "path":
            return found
        return {path[0]: (self.used(exchange, location, path, use) or {"type": "string", INFERRED: True}, use.required) for (place, path), use in list(exchange.uses.items()) if place == location and len(path) == 1}

    def merged(self, schema: Any) -> dict:
        """An object schema with its references followed and the parts of allOf together."""
        schema = self.components.expanded(schema)
        if not isinstance(schema, dict) or "allOf" not in schema:
            return schema if isinstance(schema, dict) else {}
        parts = [self.merged(part) for part in schema["allOf"]]
        return {"type": "object", "properties": {name: member for part in parts for name, member in part.get("properties", {}).items()}, "required": [name for part in parts for name in part.get("required", [])]}

    def split(self, schema: dict) -> dict[str, tuple[dict, bool]]:
        schema = self.merged(schema)
        members, required = schema.get("properties"), schema.get("required")
        if members is None and "type" not in schema and all(isinstance(member, dict) for member in schema.values()):
            members = schema                    # Fastify 4: bare members
        return {name: (member if isinstance(member, dict) else {}, isinstance(required, list) and name in required) for name, member in (members or {}).items()}

    def used(self, exchange: Exchange, location: str, path: tuple, use: Use) -> dict:
        """The schema of a part of the request by how the code uses it."""
        if use.schema is not None:
            return use.schema.render(self.components)
        if use.type is not None:
            return self.it.types.schema(use.type)
        schema, inner = dict(use.keywords), {key[1][-1]: other for key, other in exchange.uses.items() if key[0] == location and key[1] and key[1][:-1] == path and len(key[1]) == len(path) + 1}
        if use.kinds and "type" not in schema:
            schema["type"] = use.kinds[0] if len(use.kinds) == 1 or use.kinds[0] in ("integer", "array") else "number" if set(use.kinds) == {"integer", "number"} else use.kinds[-1]
        if "[]" in inner and schema.get("type", "array") == "array":
            items = self.used(exchange, location, (*path, "[]"), inner["[]"])
            schema = {"type": "array", **({"items": items} if items else {}), **schema}
        elif inner and schema.get("type", "object") == "object" and location == "body" and "[]" not in inner:
            required = [name for name, member in inner.items() if member.required]
            schema = {"type": "object", **({"required": required} if required else {}), "properties": {name: self.used(exchange, location, (*path, name), member) for name, member in inner.items()}, **schema}
        if use.default not in (UNDEFINED, None, "") and schema.get("type", type_of(use.default)) in (type_of(use.default), "number" if type_of(use.default) == "integer" else ""):
            schema = {"type": type_of(use.default), **schema, "default": use.default}
        return {**schema, INFERRED: True} if schema and not use.keywords else schema

    # body
    def body(self, method: str, exchange: Exchange, declared: dict) -> dict | None:
        whole, inner = exchange.uses.get(("body", ())), {key[1][0]: use for key, use in exchange.uses.items() if key[0] == "body" and len(key[1]) == 1}
        checked = whole is not None and whole.schema is not None
        if "body" in declared:
            schema = self.schema_of(declared["body"])
        elif checked:
            schema = whole.schema.render(self.components)
        elif whole and whole.type is not None:
            schema = self.it.types.schema(whole.type)
            missing = [name for name, use in inner.items() if use.required and name in schema.get("properties", {}) and name not in schema.get("required", [])]
            schema = {**schema, "required": [*schema.get("required", []), *missing]} if missing else schema
        elif inner and method not in WITHOUT_BODY or whole and whole.own and method not in (*WITHOUT_BODY, "delete") or exchange.media:
            schema = self.used(exchange, "body", (), whole or Use())
        else:
            return None
        required = self.merged(schema).get("required") or "body" in declared or checked and not whole.schema.optional
        return {**({"required": True} if required else {}), "content": {min(exchange.media, default="application/json"): {"schema": schema} if schema else {}}}

    # responses
    def responses(self, exchange: Exchange, declared: dict) -> dict:
        given, made = declared.get("response", declared.get("responses")), {}
        for status, value in given.props.items() if type(given) is Obj else ():
            code = str(status).upper() if str(status) != "default" else "default"
            if STATUS.fullmatch(code):
                made[code] = self.declared_response(code, value)
        for status in dict.fromkeys(answer.status for answer in exchange.answers):
            code = "default" if status == ANY_STATUS else str(status)
            if code not in made and f"{code[0]}XX" not in made:
                made[code] = self.response(exchange, status, code)
        return dict(sorted(made.items())) or {"default": {"description": "What is answered could not be read"}}

    def declared_response(self, code: str, value: Any) -> dict:
        content = value.props.get("content") if type(value) is Obj else None
        schema = {} if type(content) is Obj else self.schema_of(value)
        description = value.props.get("description") if type(content) is Obj else schema.pop("description", None)
        made = {"description": description if isinstance(description, str) else phrase(code)}
        if type(content) is Obj:
            made["content"] = {name: {"schema": self.schema_of(media.props.get("schema"))} for name, media in content.props.items() if type(media) is Obj}
        elif schema and schema != {"type": "null"} and code not in ("204", "304"):
            made["content"] = {"application/json": {"schema": schema}}
        return made

    def response(self, exchange: Exchange, status: int, code: str) -> dict:
        content: dict[str, list] = {}
        for content_type, body in ((answer.content_type, body) for answer in exchange.answers if answer.status == status for body in options(answer.body) if body is not UNDEFINED):
            content_type = content_type or type_of_body(body, exchange.framework)
            if content_type and (body is not None or content_type == "application/json"):
                schema = self.components.shape(self.it, body)
                told = self.it.types.schema(exchange.reply_type) if exchange.reply_type is not None and 200 <= status < 300 and content_type == "application/json" else {}
                schema = told if told and (not schema or "$ref" in told) else {**schema, INFERRED: True} if type(body) in (Obj, Arr) and "$ref" not in schema else schema
                content.setdefault(content_type, []).append(schema)
        made = {name: {"schema": schema} if (schema := joined(found)) else {} for name, found in content.items() if status not in (204, 304)}
        return {"description": phrase(code), **({"content": made} if made else {})}


def parameter(location: str, name: str, schema: dict, required: bool) -> dict:
    made: dict = {"name": name, "in": location, **({"required": True} if required or location == "path" else {})}
    if isinstance(schema.get("description"), str) and "$ref" not in schema:
        made["description"] = schema["description"]
        schema = {key: value for key, value in schema.items() if key != "description"}
    return {**made, "schema": dict(schema)}


def passing(exchange: Exchange, name: str) -> bool:
    """Whether a header is only looked at on the way, by what stands in front of many routes."""
    use = exchange.uses.get(("header", (name.lower(),)))
    return use is not None and not use.own and not use.required


def type_of(value: Any) -> str:
    return "boolean" if isinstance(value, bool) else "integer" if isinstance(value, int) else "number" if isinstance(value, float) else "string"


def type_of_body(body: Any, framework: str) -> str | None:
    if isinstance(body, str):
        return "text/html" if framework == "express" or framework == "koa" and body.startswith("<") else "text/plain"
    return "application/json" if not isinstance(body, Value) or isinstance(body, (Obj, Arr, Schema)) or isinstance(body, Unknown) and body.type is not None else None


def phrase(code: str) -> str:
    """What a status means, in the words of HTTP."""
    try:
        return http.HTTPStatus(int(code)).phrase
    except ValueError:
        return "Any other answer" if code == "default" else CLASSES.get(code[0], code)


def route_comment(node: Any) -> str:
    """The JSDoc comment of the statement that registers a route, when it registers no other; or the one inside a chain."""
    if node is None:
        return ""
    callee = node.children[0]
    inside = [child for child in callee.named_children if child.type == "comment"]
    if inside:
        return notation.block(inside[-1])
    statement = node.parent.parent if node.parent is not None and node.parent.type == "await_expression" else node.parent
    chained = callee.type == "member_expression" and callee.children[0].type == "call_expression"
    return notation.above(statement) if not chained and statement is not None and statement.type == "expression_statement" else ""
