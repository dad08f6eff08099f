"""types.ts and validators.ts: the interfaces and the zod schemas of a document."""
from __future__ import annotations

import re

from senior_backend.openapi.model import Api, Response
from senior_backend.scaffold.typescript import Names, comment, key
from senior_backend.scaffold.plan import BodyPlan, OperationPlan, ReplyPlan, View
from senior_backend.scaffold.schemas import scalars
from senior_backend.scaffold.schemas.facts import nested
from senior_backend.scaffold.schemas.walk import Declaration, Understanding, content_type_expression, understand

STATUSES = {
    "InformationalStatus": (100, 101, 102, 103),
    "SuccessStatus": (200, 201, 202, 203, 204, 205, 206, 207, 208, 226),
    "RedirectStatus": (300, 301, 302, 303, 304, 305, 307, 308),
    "ClientErrorStatus": (400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418, 421, 422, 423, 424, 425, 426, 428, 429, 431, 451),
    "ServerErrorStatus": (500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511),
}
RANGES = dict(zip(("1XX", "2XX", "3XX", "4XX", "5XX"), STATUSES))
ERRORS = "ErrorStatus"
BODILESS = frozenset(("101", "103", "204", "205", "304"))


def write_types(api: Api, names: Names, plans: list[OperationPlan]) -> str:
    """The text of types.ts: components in the document's order, then per operation its parameters, bodies, request and reply."""
    understanding = understand(names)
    components = [understanding.components[name] for key in api.schemas for name in variants(names, key) if name in understanding.components]
    operations = [type_statement(declaration) for declaration in understanding.operations if declaration.typed]
    for plan in plans:
        operations.append(request_statement(plan))
        operations.append(reply_statement(understanding, plan))
    statuses = status_unions(understanding.statuses)
    return comment(f"{api.title} {api.version}") + "\n" + statuses + "\n".join([*map(type_statement, components), *operations])


def variants(names: Names, key: str) -> list[str]:
    return list(dict.fromkeys(names.schema(key, view) for view in View))


def type_statement(declaration: Declaration) -> str:
    shape, head = declaration.shape, comment(declaration.description)
    if shape.bases:
        return f"{head}export interface {declaration.name} extends {', '.join(shape.bases)} {shape.body}\n"
    if shape.braced:
        return f"{head}export interface {declaration.name} {shape.type}\n"
    space = "" if shape.type.startswith("\n") else " "
    return f"{head}export type {declaration.name} ={space}{shape.type};\n"


def request_statement(plan: OperationPlan) -> str:
    """`export interface GetUserRequest { ... }`, a union when the bodies differ by content type."""
    parts = [(part, ending) for part, ending, validator in (
        ("path", "Path", plan.path_validator), ("query", "Query", plan.query_validator), ("headers", "Headers", plan.headers_validator), ("cookies", "Cookies", plan.cookies_validator)) if validator]
    members = [f"{part}: {plan.type_name}{ending}" for part, ending in parts]
    variants = body_variants(plan)
    if len(variants) < 2:
        return f"export interface {plan.request_type} {block(members + (variants[0] if variants else []))}\n"
    return f"export type {plan.request_type} =\n" + "\n".join(f"  | {{ {'; '.join(members + variant)} }}" for variant in variants) + ";\n"


def body_variants(plan: OperationPlan) -> list[list[str]]:
    """The members `contentType` and `body`, once per type of body."""
    by_type: dict[str, list[BodyPlan]] = {}
    for body in plan.bodies:
        by_type.setdefault(body.type_expression, []).append(body)
    optional = "" if plan.body_required else "?"
    if len(plan.bodies) == 1 and not plan.bodies[0].media.content_type.endswith("*"):
        return [[f"body{optional}: {nested(plan.bodies[0].type_expression)}"]]
    variants = []
    for expression, bodies in by_type.items():
        kinds = " | ".join(dict.fromkeys(content_type_expression(body.media.content_type) for body in bodies))
        variants.append([f"contentType{optional}: {kinds}", f"body{optional}: {nested(expression)}"])
    return variants


def block(members: list[str]) -> str:
    return "{\n" + "".join(f"  {member};\n" for member in members) + "}" if members else "{}"


def reply_statement(understanding: Understanding, plan: OperationPlan) -> str:
    """`export type GetUserReply = { status: 200; body: User } | ...`."""
    if not plan.replies:
        return f"export type {plan.reply_type} = {{ status: number; data?: unknown }};\n"
    variants = list(dict.fromkeys(reply_variant(understanding, plan, reply) for reply in plan.replies))
    if len(variants) == 1:
        return f"export type {plan.reply_type} = {variants[0]};\n"
    return f"export type {plan.reply_type} =\n" + "\n".join(f"  | {nested(variant)}" for variant in variants) + ";\n"


def reply_variant(understanding: Understanding, plan: OperationPlan, reply: ReplyPlan) -> str:
    members = [f"status: {status_expression(understanding, plan, reply.response.status)}"]
    if reply.media is not None:
        choices = sum(other.response is reply.response for other in plan.replies)
        if choices > 1 or reply.media.content_type.endswith("*") and reply.codec != "json":
            members.append(f"contentType: {content_type_expression(reply.media.content_type)}")
    headers = headers_member(understanding, reply.response)
    members += [headers] if headers else []
    if reply.media is not None:
        members.append(f"body: {reply.type_expression}")
    elif plan.operation.method != "head" and reply.response.status not in BODILESS:
        members.append("data?: unknown")
    flat = f"{{ {'; '.join(members)} }}"
    return flat if "\n" not in flat else block([nested(member) for member in members])


def status_expression(understanding: Understanding, plan: OperationPlan, status: str) -> str:
    """A number; for a range or default the statuses that are not declared by themselves."""
    declared = {reply.response.status for reply in plan.replies}
    if status.isdigit():
        return str(int(status))
    if status == "default":
        if not any(other[0] in "23" for other in declared):
            return "number"
        name, without = ERRORS, [other for other in declared if other[0] in "45"]
    else:
        name, without = RANGES[status.upper()], [other for other in declared if other.isdigit() and other[0] == status[0]]
    understanding.statuses.add(name)
    ranges = [RANGES[other.upper()] for other in without if not other.isdigit()]
    understanding.statuses.update(ranges)
    texts = sorted(str(int(other)) for other in without if other.isdigit()) + sorted(ranges)
    return f"Exclude<{name}, {' | '.join(texts)}>" if texts else name


def headers_member(understanding: Understanding, response: Response) -> str:
    if not response.headers:
        return ""
    walk, members = understanding.walks[View.RESPONSE], []
    for header in response.headers:
        shape = walk.shape(header.schema)
        members.append(f"{key(header.name)}{'' if header.required else '?'}: {shape.type}")
    return f"headers{'' if any(header.required for header in response.headers) else '?'}: {{ {'; '.join(members)} }}"


def status_unions(wanted: set[str]) -> str:
    """The status unions that replies refer to."""
    if ERRORS in wanted:
        wanted = wanted | {"ClientErrorStatus", "ServerErrorStatus"}
    text = ""
    for name, codes in STATUSES.items():
        if name in wanted:
            text += f"export type {name} =\n" + "".join(f"  | {' | '.join(map(str, codes[start:start + 12]))}\n" for start in range(0, len(codes), 12)).rstrip() + ";\n\n"
    return text + (f"export type {ERRORS} = ClientErrorStatus | ServerErrorStatus;\n\n" if ERRORS in wanted else "")


FORMAT_HELPERS = ("format", "formats")
# assigning a ZodObject to ZodType<T> makes tsc compare all of zod: 36 s for a document of 700 schemas, against 3 s when it looks at the output alone
TYPED = """/** The compiler proves that a schema gives T by its output alone, which is many times quicker than comparing zod's classes. */
const typed = <T>(schema: { _zod: { output: T } }) => schema as z.ZodType<T>;

"""
OPERATIONS_BELOW = "// What follows belongs to one operation each.\n"
SIMPLE = re.compile(r"(?:z\.(?:string|number|int|int32|boolean|unknown)\(\)(?!.*\.nullable)|jsonSchema\b|\w+Schema\Z)")
TOKENS = re.compile(r"'(?:[^'\\]|\\.)*'|([^\W\d]\w*)")


def write_validators(api: Api, names: Names, plans: list[OperationPlan]) -> tuple[str, set[str]]:
    """The text of validators.ts, and which of json-schema.ts and formats.ts it imports."""
    understanding = understand(names)
    components, operations = ([declaration for declaration in group if declaration.validated] for group in (understanding.components.values(), understanding.operations))
    declarations = [*components, *operations]
    statements = [*map(validator_statement, components), *[OPERATIONS_BELOW] * bool(operations), *map(validator_statement, operations)]
    definitions = definitions_statement(understanding)
    helpers = understanding.shared.helpers
    files = {"json-schema.ts"} if helpers.difference(FORMAT_HELPERS) else set()
    files |= {"formats.ts"} if helpers.intersection(FORMAT_HELPERS) else set()
    return imports(understanding, declarations) + TYPED + definitions + "\n".join(statements), files


def exported_schemas(api: Api, names: Names) -> dict[str, str]:
    """{name of a component schema: name of its validator}."""
    return {key: f"{names.schema(key)}Schema" for key in api.schemas}


def validator_statement(declaration: Declaration) -> str:
    annotation = declaration.name if declaration.typed else declaration.shape.type
    zod = declaration.shape.zod
    meta = f".meta({declaration.shape.meta})" if declaration.shape.meta else ""
    cast = next((helper for helper in ("jsonSchema", "allOf") if zod.startswith(f"{helper}<{declaration.shape.type}>(")), None)
    if cast == "jsonSchema" and meta:           # what meta() belongs to is not inferred from the annotation
        zod = f"jsonSchema<{annotation}>" + zod[len(cast) + len(declaration.shape.type) + 2:]
    elif cast:
        zod = cast + (f"<{annotation}>" if cast == "allOf" else "") + zod[len(cast) + len(declaration.shape.type) + 2:]
    zod = zod if cast == "jsonSchema" or SIMPLE.match(zod) else f"typed<{annotation}>({zod})"
    return f"export const {declaration.name}Schema: z.ZodType<{annotation}> = {zod}{meta};\n"


def definitions_statement(understanding: Understanding) -> str:
    """The schemas that interpreted ones refer to, as data; writing one may add others."""
    shared, written = understanding.shared, {}
    while len(written) < len(shared.wanted):
        for name, (component, view) in list(shared.wanted.items()):
            if name not in written:
                written[name] = ""
                written[name] = scalars.data(understanding.walks[view], understanding.api.schemas[component])
    if not written:
        return ""
    shared.helpers.add("type Definitions")
    return "const definitions: Definitions = {\n" + "".join(f"  {name}: {nested(text)},\n" for name, text in sorted(written.items())) + "};\n\n"


def imports(understanding: Understanding, declarations: list[Declaration]) -> str:
    helpers = understanding.shared.helpers
    schema_helpers, format_helpers = sorted(helpers.difference(FORMAT_HELPERS)), sorted(helpers.intersection(FORMAT_HELPERS))
    text = "import * as z from 'zod';\n"
    text += f"import {{ {', '.join(format_helpers)} }} from './formats.ts';\n" if format_helpers else ""
    text += import_list("import", schema_helpers, "./json-schema.ts") if schema_helpers else ""
    types = used_types(understanding, declarations)
    return text + (import_list("import type", types, "./types.ts") if types else "") + "\n"


def import_list(keyword: str, names: list[str], module: str) -> str:
    flat = f"{keyword} {{ {', '.join(names)} }} from '{module}';\n"
    return flat if len(flat) <= 120 else f"{keyword} {{\n" + "".join(f"  {name},\n" for name in names) + f"}} from '{module}';\n"


def used_types(understanding: Understanding, declarations: list[Declaration]) -> list[str]:
    """The types of types.ts that annotations and casts speak of."""
    exported = {declaration.name for declaration in [*understanding.components.values(), *understanding.operations] if declaration.typed}
    used = {declaration.name for declaration in declarations if declaration.typed}
    for text in [*(declaration.shape.type for declaration in declarations if not declaration.typed), *understanding.shared.casts]:
        used.update(exported.intersection(TOKENS.findall(text)))
    return sorted(used)
