"""<tag>.routes.ts: one tag's routes as a typed table."""
from __future__ import annotations

import json

from senior_backend.openapi.model import MISSING, Api, MediaType, Operation, Parameter
from senior_backend.scaffold.server.error_shapes import ErrorShapes
from senior_backend.scaffold.names import Names
from senior_backend.scaffold.writing.owned import import_line
from senior_backend.scaffold.plan import BodyPlan, OperationPlan, ReplyPlan
from senior_backend.scaffold.schemas.shape import nested
from senior_backend.scaffold.typescript import comment, key, string
from senior_backend.scaffold.server.xml_shapes import XmlShapes

HEADER = "// Generated from the API document: change the document, not this file.\n"
LOCATIONS = {"path": "path", "query": "query", "header": "headers", "cookie": "cookies"}
USUAL_STYLE = {"path": ("simple", False), "query": ("form", True), "header": ("simple", False), "cookie": ("form", True)}
SCALARS = ("string", "integer", "number", "boolean")


def write_routes(api: Api, names: Names, plans: list[OperationPlan], tag: str, shapes: ErrorShapes, xml: XmlShapes) -> str:
    """The module of one tag; plans are those of all tags."""
    own = [plan for plan in plans if plan.tag == tag]
    tables = [RouteTable(api, names, plan, shapes, xml) for plan in own]
    principal = "Principal" if any(plan.operation.security for plan in own) else "unknown"
    bodies = "".join(table.text() for table in tables)
    imports = {
        "./runtime.ts": sorted({"route", "type Route", *(codec for table in tables for codec in table.codecs)}, key=lambda name: (name.removeprefix("type ").lower(), name)),
        "./types.ts": sorted(f"type {name}" for plan in own for name in (plan.request_type, plan.reply_type)),
        "./validators.ts": sorted({validator for table in tables for validator in table.validators}),
    }
    lines = [HEADER]
    lines += ["import * as errors from './errors.handlers.ts';\n"] * any(table.has_errors for table in tables)
    lines.append(f"import * as handlers from './{names.tag(tag).file}.handlers.ts';\n")
    lines.append(import_line("./runtime.ts", imports["./runtime.ts"]))
    lines += ["import type { Principal } from './security.ts';\n"] * (principal == "Principal")
    lines += [import_line(module, imports[module]) for module in ("./types.ts", "./validators.ts") if imports[module]]
    if any("xml" in table.codecs for table in tables):
        lines.append("import { xmlCodec } from './xml.ts';\n")
        constants = sorted({constant for table in tables for constant in table.xml_constants})
        lines += [import_line("./xml-shapes.ts", constants)] * bool(constants)
    table_type = f"Route<{principal}>" if principal != "unknown" else "Route"
    return "".join(lines) + f"\nexport const routes: readonly {table_type}[] = [\n{bodies}];\n"


class RouteTable:
    """One operation's entry, and what it needs imported."""

    def __init__(self, api: Api, names: Names, plan: OperationPlan, shapes: ErrorShapes, xml: XmlShapes):
        self.api, self.names, self.plan, self.operation, self.xml = api, names, plan, plan.operation, xml
        self.errors = shapes.of(plan)
        self.has_errors = bool(self.errors)
        self.codecs: set[str] = set()
        self.validators: set[str] = set()
        self.xml_constants: set[str] = set()

    def text(self) -> str:
        operation, plan = self.operation, self.plan
        principal = f", {principal_type(operation)}" if operation.security else ""
        members = [
            f"method: '{operation.method.upper()}'", f"path: {string(operation.path)}", f"operationId: {string(operation.operation_id or plan.name)}",
            f"tag: {string(operation.tag)}" if operation.tag != "default" else "", self.parameters(), self.styles(), self.closed_query(), self.bodies(), "bodyRequired: true" if plan.bodies and plan.body_required else "",
            self.replies(), self.reply_headers(), self.security(), self.error_shapes(), f"handler: handlers.{plan.name}",
        ]
        inner = "".join("    " + member.replace("\n", "\n    ") + ",\n" for member in members if member)
        return f"  route<{plan.request_type}, {plan.reply_type}{principal}>({{\n{inner}  }}),\n"

    def parameters(self) -> str:
        plan = self.plan
        parts = {"path": plan.path_validator, "query": plan.query_validator, "headers": plan.headers_validator, "cookies": plan.cookies_validator}
        self.validators.update(validator for validator in parts.values() if validator)
        given = [f"{part}: {validator}" for part, validator in parts.items() if validator]
        return f"parameters: {{ {', '.join(given)} }}" if given else ""

    def closed_query(self) -> str:
        """The names that are declared besides the parameters: credentials that are sent in the query."""
        if not self.operation.closed_query:
            return ""
        schemes = [self.api.security_schemes[key] for each in self.operation.security for key in each if key in self.api.security_schemes]
        names = sorted({scheme.parameter for scheme in schemes if scheme.location == "query"})
        return f"closedQuery: [{', '.join(map(string, names))}]"

    def styles(self) -> str:
        unusual: dict[str, list[str]] = {}
        for parameter in self.operation.parameters:
            if style := self.style(parameter):
                unusual.setdefault(LOCATIONS[parameter.location], []).append(f"{key(parameter.name)}: {style}")
        return braced("styles", [f"{part}: {{ {', '.join(entries)} }}" for part, entries in unusual.items()]) if unusual else ""

    def style(self, parameter: Parameter) -> str:
        """How the parameter is written, '' where that is the usual way or makes no difference."""
        style, explode = USUAL_STYLE[parameter.location]
        if parameter.content_type is not None:
            is_json = parameter.content_type.endswith(("/json", "+json"))
            return f"{{ style: '{style}', explode: {str(explode).lower()}, content: 'json' }}" if is_json else ""
        is_marked = parameter.style in ("label", "matrix", "deepObject")
        if (parameter.style, parameter.explode) == (style, explode) or not is_marked and self.is_scalar(parameter.schema):
            return ""
        return f"{{ style: '{parameter.style}', explode: {str(parameter.explode).lower()} }}"

    def is_scalar(self, schema) -> bool:
        for _ in range(8):
            if not isinstance(schema, dict) or "$ref" not in schema:
                break
            schema = self.api.schemas.get(schema["$ref"])
        return isinstance(schema, dict) and schema.get("type") in SCALARS

    def bodies(self) -> str:
        if not self.plan.bodies:
            return ""
        return comment(self.operation.body.description) + braced("bodies", [self.documented(body) for body in self.plan.bodies])

    def replies(self) -> str:
        statuses: dict[str, list[ReplyPlan]] = {}
        for reply in self.plan.replies:
            statuses.setdefault(reply.response.status, []).append(reply)
        return braced("replies", [comment(replies[0].response.description) + entry_of(status_key(status), [self.documented(reply) for reply in replies if reply.media is not None])
                                  for status, replies in statuses.items()])

    def reply_headers(self) -> str:
        headers = self.plan.reply_headers
        self.validators.update(headers.values())
        return braced("replyHeaders", [f"{status_key(status)}: {validator}" for status, validator in headers.items()]) if headers else ""

    def documented(self, content: BodyPlan | ReplyPlan) -> str:
        """A content type with its codec, and above it the document's example and how parts of a form are encoded."""
        media = content.media
        notes = [f"@encoding {json.dumps(name)} {encoding.content_type or json.dumps({'style': encoding.style})}" for name, encoding in media.encoding.items()
                 if encoding.content_type or encoding.style == "deepObject"]
        notes += [f"@example {json.dumps(media.example, indent=2)}"] if media.example is not MISSING else []
        return comment("\n".join(notes)) + f"{string(media.content_type)}: {self.content(content)}"

    def content(self, content: BodyPlan | ReplyPlan) -> str:
        self.codecs.add(content.codec)
        if content.validator:
            self.validators.add(content.validator)
        arguments = [content.validator] if content.validator else []
        if content.codec == "xml":
            arguments.insert(0, self.xml.codec(content.media.schema))
            self.xml_constants.update(self.xml.constants(content.media.schema))
        elif content.codec in ("form", "multipart") and content.validator and (fields := field_styles(content.media)):
            arguments.append(fields)
        return f"{content.codec}({', '.join(arguments)})"

    def security(self) -> str:
        if not self.operation.security:
            return ""
        return f"security: [{', '.join(self.requirement(requirement) for requirement in self.operation.security)}]"

    def requirement(self, requirement: dict[str, list[str]]) -> str:
        schemes = [f"{key(scheme)}: [{', '.join(map(string, scopes))}]" for scheme, scopes in requirement.items()]
        return f"{{ {', '.join(schemes)} }}" if schemes else "{}"

    def error_shapes(self) -> str:
        entries = [f"{status_key(status)}: errors.{name}" for status, name in self.errors.items()]
        return f"errors: {{ {', '.join(entries)} }}" if entries else ""


def principal_type(operation: Operation) -> str:
    """The principal of a secured operation; there may be none when it is open to all as well."""
    return "Principal | undefined" if {} in operation.security else "Principal"


def status_key(status: str) -> str:
    """
    >>> status_key("200"), status_key("4xx"), status_key("default")
    ('200', "'4XX'", 'default')
    """
    return status if status.isdigit() or status == "default" else string(status.upper())


def braced(name: str, entries: list[str]) -> str:
    """A member whose value is an object, on one line when it fits."""
    line = f"{name}: {{ {', '.join(entries)} }}"
    return line if len(line) <= 114 and "\n" not in line else f"{name}: {{\n" + "".join(f"  {nested(entry)},\n" for entry in entries) + "}"


def entry_of(name: str, entries: list[str]) -> str:
    return braced(name, entries) if any("\n" in entry for entry in entries) else f"{name}: {{ {', '.join(entries)} }}" if entries else f"{name}: {{}}"


def field_styles(media: MediaType) -> str:
    """Fields whose arrays or objects are not simply repeated or bracketed."""
    unusual = [f"{key(name)}: {{ style: '{encoding.style}', explode: {str(encoding.explode).lower()} }}" for name, encoding in media.encoding.items()
               if encoding.style in ("form", "spaceDelimited", "pipeDelimited") and not (encoding.explode and encoding.style == "form") and encoding.content_type is None]
    return f"{{ {', '.join(unusual)} }}" if unusual else ""
