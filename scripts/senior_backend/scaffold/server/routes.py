"""<tag>.routes.ts, one tag's routes as a typed table; <tag>.handlers.ts, a person's handlers as they are first written; security.ts, which ties the
document's schemes to hooks."""
from __future__ import annotations

import json
import re

from senior_backend.openapi.model import MISSING, Api, MediaType, Operation, Parameter, Response, SecurityScheme
from senior_backend.scaffold.typescript import Names, comment, key, literal, string
from senior_backend.scaffold.plan import BodyPlan, Implementation, OperationPlan, Options, OwnedBlock, OwnedFile, ReplyPlan
from senior_backend.scaffold.schemas.facts import nested
from senior_backend.scaffold.server.shapes import ErrorShapes, XmlShapes
from senior_backend.scaffold.values.examples import Examples, Unsatisfiable
from senior_backend.scaffold.writing.writer import import_line

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


HOOKS_HEADER = """// Who may call: one hook per security scheme of the API document. This file is yours; generating again only appends.
// A hook gets the credential that a request carries (requests without one are refused before), and gives who it stands for:
// context.principal in the handlers. It gives undefined for a credential that is not valid (401), and throws forbidden() for a
// valid one that does not suffice, for example when it lacks one of context.scopes (403).
"""
FLOWS = {"accessCode": "authorizationCode", "application": "clientCredentials", "password": "password"}        # Swagger 2.0's names
FLOW_MEMBERS = ("authorizationUrl", "tokenUrl", "refreshUrl", "scopes")
# (hook type, what the stub takes from the credential, who it stands for in the accepting stub)
KINDS = {
    "bearer": ("BearerHook", "token", "token"), "basic": ("BasicHook", "user", "user"), "apiKey": ("ApiKeyHook", "key", "key"),
    "certificate": ("CertificateHook", "", "'certificate'"), "authorization": ("AuthorizationHook", "value", "value"),
}


def used_schemes(api: Api) -> list[SecurityScheme]:
    """The schemes that some operation asks for, in the document's order."""
    used = {key for operation in api.operations for requirement in operation.security for key in requirement}
    return [scheme for key, scheme in api.security_schemes.items() if key in used]


def hook_kind(scheme: SecurityScheme) -> str:
    if scheme.kind == "http" and scheme.scheme not in ("bearer", "basic"):
        return "authorization"
    return {"apiKey": "apiKey", "mutualTLS": "certificate"}.get(scheme.kind) or (scheme.scheme if scheme.kind == "http" else "bearer")


def write_security(api: Api, names: Names) -> str:
    """security.ts, generated."""
    schemes = used_schemes(api)
    entries = "".join(f"{comment(described(scheme), '  ')}  {key(scheme.key)}: {scheme_expression(scheme, names.scheme(scheme.key))},\n" for scheme in schemes)
    helpers = sorted({"authorizationScheme" if (kind := hook_kind(scheme)) == "authorization" else kind for scheme in schemes})
    principals = " | ".join(f"PrincipalOf<typeof hooks.{names.scheme(scheme.key)}>" for scheme in schemes)
    return (f"{HEADER}import {{ {', '.join([*helpers, 'type PrincipalOf', 'type Schemes'])} }} from './credentials.ts';\nimport * as hooks from './security.handlers.ts';\n\n"
            f"/** Who is asking: what the hooks give. */\nexport type Principal = {principals};\n\n/** The security schemes of the API document. */\n"
            f"export const schemes: Schemes<Principal> = {{\n{entries}}};\n")


def described(scheme: SecurityScheme) -> str:
    """What the document says of a scheme besides how its credential is sent."""
    node, notes = scheme.node, [scheme.description.strip()]
    if scheme.kind == "oauth2":
        notes.append("@flows " + json.dumps(node["flows"] if "flows" in node else {FLOWS.get(node.get("flow"), "implicit"): {name: node[name] for name in FLOW_MEMBERS if name in node}}))
    elif scheme.kind == "openIdConnect":
        notes.append(f"@openIdConnectUrl {node.get('openIdConnectUrl', '')}")
    elif isinstance(node.get("bearerFormat"), str):
        notes.append(f"@bearerFormat {node['bearerFormat']}")
    return "\n\n".join(note for note in notes if note)


def scheme_expression(scheme: SecurityScheme, name: str) -> str:
    kind = hook_kind(scheme)
    if kind == "apiKey":
        return f"apiKey('{scheme.location}', {string(scheme.parameter)}, hooks.{name})"
    if kind == "authorization":
        return f"authorizationScheme({string(scheme.scheme)}, hooks.{name})"
    return f"{kind}(hooks.{name})"


def security_hooks(api: Api, names: Names, with_app: bool) -> OwnedFile:
    """security.handlers.ts: with an app hooks that let everybody with a credential in, else hooks that refuse."""
    return OwnedFile(HOOKS_HEADER, [hook_block(scheme, names.scheme(scheme.key), with_app) for scheme in used_schemes(api)])


def hook_block(scheme: SecurityScheme, name: str, with_app: bool) -> OwnedBlock:
    hook, taken, subject = KINDS[hook_kind(scheme)]
    if with_app:
        note = "Demo: accepts every credential of this kind. Check it before anybody else can reach this server."
        body = f"({{ {taken} }}) => ({{ subject: {subject} }})" if taken else f"() => ({{ subject: {subject} }})"
    else:
        note, body = "Refuses everybody until it checks the credential.", "() => undefined"
    text = comment("\n\n".join(part for part in (scheme.description.strip(), note) if part)) + f"export const {name}: {hook}<{{ subject: string }}> = {body};\n"
    return OwnedBlock(name, {"./runtime.ts": [f"type {hook}"]}, text)


TAG_LIKE = re.compile(r"(?m)^@(?=\w)")         # what JSDoc would take for a tag
HANDLERS_HEADER = "// What the API does. This file is yours; generating again only appends handlers for new operations.\n"


def handler_files(api: Api, names: Names, plans: list[OperationPlan], options: Options) -> dict[str, OwnedFile]:
    """The handlers of each tag: what is known of them, else with an app they answer examples, else 501."""
    examples = Examples(api) if options.with_app else None
    found: dict[str, OwnedFile] = {}
    for plan in plans:
        file = found.setdefault(f"{names.tag(plan.tag).file}.handlers.ts", OwnedFile(HANDLERS_HEADER, []))
        file.blocks.append(handler_block(plan, examples, options.implementations.get(plan.operation.operation_id or "")))
    return found


def handler_block(plan: OperationPlan, examples: Examples | None, known: Implementation | None) -> OwnedBlock:
    secured = bool(plan.operation.security)
    imports = {"./runtime.ts": ["type Handler"], "./types.ts": [f"type {plan.request_type}", f"type {plan.reply_type}"]}
    if secured:
        imports["./security.ts"] = ["type Principal"]
    reply = example_reply(plan, examples) if examples and not known else None
    if known:
        imports |= {module: names + imports.get(module, []) for module, names in known.imports.items()}
        body = f"({{ {', '.join(known.parts)} }}{', context' * known.context}) => {known.body}".replace("=> \n", "=>\n")
    elif reply is None:
        imports["./runtime.ts"].append("notImplemented")
        body = f"() => {{\n  throw notImplemented({string(plan.operation.operation_id or plan.name)});\n}}"
    else:
        body = f"{'(_request, context)' if 'context.' in reply[1] else '()'} => ({reply[0]})"
    principal = f", {principal_type(plan.operation)}" if secured else ""
    text = f"{documentation(plan)}export const {plan.name}: Handler<{plan.request_type}, {plan.reply_type}{principal}> = async {body};\n"
    return OwnedBlock(plan.name, imports, text)


def documentation(plan: OperationPlan) -> str:
    operation = plan.operation
    summary, description = (TAG_LIKE.sub(r"\\@", text.strip()) for text in (operation.summary, operation.description))
    description = "" if description == summary else description
    plain, route = summary and "\n" not in summary, f"{operation.method.upper()} {operation.path}"
    parts = [summary, description, route] if plain else [route, summary and f"@summary {summary}", description and f"@description {description}"]
    return comment("\n\n".join(part for part in [*parts, "@deprecated" if operation.deprecated else ""] if part))


def example_reply(plan: OperationPlan, examples: Examples) -> tuple[str, str] | None:
    """An object literal that satisfies the declared response, and its content type's expression; None when there is none."""
    offered = success(plan.replies)
    if offered is None:
        return None
    response, replies = offered
    try:
        members, chosen = [f"status: {status_number(response.status)}"], contents(replies)
        if chosen:
            content_type = content_type_expression(chosen, len(replies) > 1)
            members += [f"contentType: {content_type}"] * bool(content_type)
            members.append(f"body: {body_expression(chosen[0], examples)}")
        headers = [f"{key(header.name)}: {literal(examples.of(header.schema, 'response'), '    ')}" for header in response.headers if header.required]
    except Unsatisfiable:
        return None
    members += [f"headers: {{ {', '.join(headers)} }}"] * bool(headers)
    flat = f"{{ {', '.join(members)} }}"
    text = flat if len(flat) <= 80 and "\n" not in flat else "{\n" + "".join(f"  {member},\n" for member in members) + "}"
    return text, members[1] if chosen and members[1].startswith("contentType") else ""


def success(replies: list[ReplyPlan]) -> tuple[Response, list[ReplyPlan]] | None:
    """The first successful response, or what is declared instead of one, with its contents."""
    statuses = list(dict.fromkeys(reply.response.status for reply in replies))
    for wanted in ("2", "d", "3", "1", ""):
        for status in sorted(status for status in statuses if status.lower().startswith(wanted)):
            own = [reply for reply in replies if reply.response.status == status]
            return own[0].response, own
    return None


def status_number(status: str) -> int:
    return int(status) if status.isdigit() else 200 if status == "default" else int(status[0]) * 100


def contents(replies: list[ReplyPlan]) -> list[ReplyPlan]:
    """The contents that one body can stand for: JSON and the likes of it when there is any."""
    with_content = [reply for reply in replies if reply.media is not None]
    first = next((reply for reply in with_content if reply.codec == "json"), with_content[0] if with_content else None)
    structured = ("json", "xml", "form")
    return [reply for reply in with_content if first and reply.type_expression == first.type_expression and (reply.codec == first.codec or {reply.codec, first.codec} <= set(structured))]


def content_type_expression(chosen: list[ReplyPlan], several: bool) -> str:
    """What the reply says about its content type, '' where it need not: one that the client likes."""
    is_range = chosen[0].media.content_type.endswith("*")
    if not several and (not is_range or chosen[0].codec == "json"):
        return ""
    types = list(dict.fromkeys(string(concrete_type(reply)) for reply in chosen))
    return types[0] if len(types) == 1 else f"context.preferred({', '.join(types)})"


def concrete_type(reply: ReplyPlan) -> str:
    """A type inside a range."""
    content_type = reply.media.content_type
    if not content_type.endswith("*"):
        return content_type
    if reply.codec == "json":
        return "application/json"
    kind = content_type.partition("/")[0]
    return {"image": "image/png", "text": "text/plain", "audio": "audio/mpeg", "video": "video/mp4", "*": "application/octet-stream"}.get(kind, f"{kind}/octet-stream")


def body_expression(reply: ReplyPlan, examples: Examples) -> str:
    schema = reply.media.schema
    if reply.codec == "binary":
        return "new TextEncoder().encode('example')"
    if reply.codec == "text" and reply.validator is None:
        return "'example'"
    if schema is None:
        return "{}"
    return literal(examples.of(schema, "response"), "  ")
