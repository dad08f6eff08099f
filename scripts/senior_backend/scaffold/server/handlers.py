"""<tag>.handlers.ts: a person's handlers, as they are first written."""
from __future__ import annotations

import re

from senior_backend.openapi.model import Api, Response
from senior_backend.scaffold.values.examples import Examples, Unsatisfiable
from senior_backend.scaffold.names import Names
from senior_backend.scaffold.plan import Implementation, OperationPlan, Options, OwnedBlock, OwnedFile, ReplyPlan
from senior_backend.scaffold.server.routes import principal_type
from senior_backend.scaffold.typescript import comment, key, literal, string

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
