"""Bodies that the document declares: of errors, filled from what failed, and of XML, which names and places their elements."""
from __future__ import annotations

import json
import re

from senior_backend.openapi.model import Api, Schema
from senior_backend.scaffold.typescript import Names, comment, key, literal, pascal, string
from senior_backend.scaffold.plan import OperationPlan, OwnedBlock, OwnedFile, ReplyPlan
from senior_backend.scaffold.values.examples import Examples, Unsatisfiable
from senior_backend.scaffold.values.satisfaction import Contradiction, Flat

ERRORS_HEADER = """// The error bodies that the API document declares: what clients get for errors that the server finds by itself (400, 401, 404, ...)
// and for every HttpError that a handler throws. This file is yours; generating again only appends shapes for new bodies.
"""
TYPE_NAME = re.compile(r"[A-Z][A-Za-z0-9_$]*\Z")
RUNTIME_TYPES = frozenset(["ErrorShape", "ReplyBody"])
# the likeliest first: of several in one body the first holds the message
MESSAGES = "message errormessage msg usermessage errordescription detail details description text summary title error reason".split()
CODES = frozenset("code errorcode error type name kind key slug title status reason".split())
STATUSES = frozenset("status statuscode httpstatus httpstatuscode code errorcode".split())
REQUEST_IDS = frozenset("requestid traceid correlationid instanceid".split())
FIELDS = frozenset("field path name parameter param pointer location property source target key".split())
FIELD_LISTS = frozenset("errors details fields violations fielderrors validationerrors invalidparams causes".split())
TIMES = frozenset("timestamp time date".split())


class ErrorShapes:
    """The error bodies of all operations, each distinct one with a function; examples fill what no field of an error stands for."""

    def __init__(self, api: Api, names: Names, plans: list[OperationPlan]):
        self.api, self.names, self.examples = api, names, Examples(api)
        self.functions: dict[tuple[str, str], str] = {}      # (type, schema) -> name
        self.blocks: list[OwnedBlock] = []
        self.taken: set[str] = set()
        self.by_plan = {id(plan): self.plan_shapes(plan) for plan in plans}

    def of(self, plan: OperationPlan) -> dict[str, str]:
        """{status, range or "default": name of the function}."""
        return self.by_plan[id(plan)]

    def file(self) -> OwnedFile:
        return OwnedFile(ERRORS_HEADER, self.blocks)

    def plan_shapes(self, plan: OperationPlan) -> dict[str, str]:
        has_success = any(reply.response.status[0] in "23" for reply in plan.replies)
        found: dict[str, str] = {}
        for reply in plan.replies:
            status = reply.response.status
            is_error = status[0] in "45" or status == "default" and has_success
            if is_error and status not in found and reply.codec in ("json", "text") and reply.media is not None and (name := self.shape(plan, reply)):
                found[status] = name
        return found

    def shape(self, plan: OperationPlan, reply: ReplyPlan) -> str:
        """The name of the function for a reply's body, '' when nothing is known about it."""
        schema = reply.media.schema
        if schema is None or isinstance(schema, bool):
            return ""
        identity = (reply.type_expression, json.dumps(schema, sort_keys=True, default=str))
        if identity not in self.functions:
            body = self.body(schema)
            self.functions[identity] = self.add(plan, reply, body) if body else ""
        return self.functions[identity]

    def body(self, schema: Schema) -> str:
        try:
            return Filler(self.api, self.examples).fill(schema, self.examples.of(schema, "response"), "", 1)
        except Unsatisfiable:
            self.api.report.warn("no value satisfies this error body, so such errors are answered in the common form", schema)
            return ""

    def add(self, plan: OperationPlan, reply: ReplyPlan, body: str) -> str:
        is_named = TYPE_NAME.match(reply.type_expression) is not None
        wish = reply.type_expression if is_named else pascal(reply.response.component or f"{plan.type_name} {reply.response.status}")
        name = next(candidate for candidate in (f"as{wish}", *(f"as{wish}{number}" for number in range(2, len(self.taken) + 3))) if candidate not in self.taken)
        self.taken.add(name)
        imports = {"./runtime.ts": ["type ErrorShape"]}
        if is_named and reply.type_expression not in RUNTIME_TYPES:
            imports["./types.ts"], body_type = [f"type {reply.type_expression}"], reply.type_expression
        elif reply.type_expression in ("string", "unknown"):
            body_type = reply.type_expression
        else:
            imports["./runtime.ts"].append("type ReplyBody")
            imports["./types.ts"], body_type = [f"type {plan.reply_type}"], f"ReplyBody<{plan.reply_type}, {sample_status(plan, reply.response.status)}>"
        used = [part for part in ("status", "code", "message", "details", "requestId") if re.search(rf"(?<![\w.'\"]){part}(?![\w'\"]|:)", body)]
        parameter = f"({{ {', '.join(used)} }})" if used else "()"
        value = f"({body})" if body.startswith("{") else body
        self.blocks.append(OwnedBlock(name, imports, f"{comment(reply.response.description)}export const {name}: ErrorShape<{body_type}> = {parameter} => {value};\n"))
        return name


def sample_status(plan: OperationPlan, status: str) -> int:
    """A number that stands for a status of the reply type: itself, or for a range and "default" one that is not declared otherwise."""
    if status.isdigit():
        return int(status)
    declared = {reply.response.status for reply in plan.replies}
    first = {"4": range(400, 500), "5": range(500, 600)}.get(status[0], [*range(500, 600), *range(400, 500)])
    return next((number for number in first if str(number) not in declared and (status != "default" or f"{number // 100}XX" not in declared)), 500)


class Filler:
    """Writes an example as an expression in which the fields of an error stand where their names say so."""

    def __init__(self, api: Api, examples: Examples):
        self.api, self.examples = api, examples

    def fill(self, schema: Schema, example, name: str, depth: int) -> str:
        schema = self.target(schema)
        if isinstance(example, dict) and depth < 8:
            return self.fill_object(schema, example, depth)
        if isinstance(example, list) and simple(name) in FIELD_LISTS:
            return self.fill_list(schema, depth) or literal(example)
        return mapped(name, schema, set()) or literal(example, "  " * depth)

    def fill_object(self, schema: dict, example: dict, depth: int) -> str:
        properties, required = self.properties(schema, example)
        siblings = {simple(name) for name in properties}
        members = []
        for name in dict.fromkeys([*example, *properties]):
            own = self.target(properties.get(name, {}))
            is_nested = isinstance(example.get(name), (dict, list))
            value = "" if is_nested else mapped(name, own, siblings)
            if not value and name in example and (is_nested or name in required or name not in properties):
                value = self.fill(own, example[name], name, depth + 1)
            if value:
                members.append(key(name) if value == name else f"{key(name)}: {value}")
        flat = f"{{ {', '.join(members)} }}" if members else "{}"
        indent = "  " * depth
        return flat if len(flat) <= 90 and "\n" not in flat else "{\n" + "".join(f"{indent}{member},\n" for member in members) + indent[2:] + "}"

    def fill_list(self, schema: dict, depth: int) -> str:
        """All failing fields, each as an item; '' when items cannot hold them, or there must be some."""
        items = self.target(schema.get("items", {}))
        if schema.get("minItems") or schema.get("maxItems") is not None:
            return ""
        if is_plain_text(items):
            return "details.map((problem) => `${problem.field}: ${problem.message}`)"
        properties, required = self.properties(items)
        names = {name: expression for name, part in properties.items() if (expression := item_member(name, self.target(part)))}
        if not names or any(name not in names for name in required):
            return ""
        members = ", ".join(f"{key(name)}: {expression}" for name, expression in names.items())
        return f"details.map((problem) => ({{ {members} }}))"

    def properties(self, schema: dict, example=None, depth: int = 0) -> tuple[dict[str, Schema], set[str]]:
        """Properties and required names, with those of allOf and of the branches that an example takes."""
        properties, required = dict(schema.get("properties") or {}), set(schema.get("required") or [])
        parts = list(schema.get("allOf") or [])
        for keyword in ("anyOf", "oneOf"):
            parts += [branch for branch in schema.get(keyword) or [] if example is not None and self.examples.satisfies(example, branch, "response")][:1]
        for part in parts if depth < 8 else []:
            more, needed = self.properties(self.target(part), example, depth + 1)
            properties = {**more, **properties}
            required |= needed
        return properties, required

    def target(self, schema: Schema) -> dict:
        for _ in range(16):
            if not isinstance(schema, dict) or "$ref" not in schema:
                break
            schema = self.api.schemas.get(schema["$ref"], {})
        return schema if isinstance(schema, dict) else {}


def simple(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def is_plain_text(schema: dict) -> bool:
    """Whether any text will do."""
    kinds = schema.get("type")
    limits = ("enum", "const", "format", "pattern", "maxLength", "not", "oneOf", "anyOf", "allOf", "if", "readOnly", "writeOnly")
    return "string" in ([kinds] if isinstance(kinds, str) else kinds or []) and not any(word in schema for word in limits) and schema.get("minLength", 0) <= 1


def is_plain_number(schema: dict) -> bool:
    return schema.get("type") in ("integer", "number") and not any(word in schema for word in ("enum", "const", "multipleOf", "exclusiveMaximum", "not", "oneOf", "anyOf", "allOf", "writeOnly")) \
        and schema.get("minimum", 0) <= 400 and schema.get("maximum", 600) >= 599


def mapped(name: str, schema: dict, siblings: set[str]) -> str:
    """What of an error a field stands for, by its name and type; '' when nothing does."""
    word = simple(name)
    if is_plain_number(schema) and word in STATUSES:
        return "status"
    if schema.get("type") == "string" and schema.get("format") == "date-time" and word in TIMES:
        return "new Date().toISOString()"
    if not is_plain_text(schema):
        return ""
    if word in REQUEST_IDS:
        return "requestId"
    if word == "status" or word == "statuscode":
        return "String(status)"
    likeliest = next((candidate for candidate in MESSAGES if candidate in siblings), word)
    if word in CODES and (word not in MESSAGES or word != likeliest):
        return "code"
    return "message" if word in MESSAGES or not siblings else ""


def item_member(name: str, schema: dict) -> str:
    word = simple(name)
    if not is_plain_text(schema):
        return ""
    return "problem.field" if word in FIELDS else "problem.message" if word in MESSAGES else "code" if word in CODES else ""


HEADER = "/** How the schemas of XML bodies are written: the xml hints of the document. */\nimport type { XmlShape } from './xml.ts';\n"
DEPTH_LIMIT = 30


class XmlShapes:
    """Gathers the shapes that routes ask for; a schema that is referred to becomes a constant of its own, so that recursion ends.

    codec(schema) -> "xmlCodec(PetXml, 'Pet')", an expression of routes; names_used -> the constants that it mentions; text() -> xml-shapes.ts.
    """

    def __init__(self, api: Api, names: Names):
        self.api, self.names = api, names
        self.wanted: dict[str, None] = {}

    def constant(self, schema_key: str) -> str:
        self.wanted[schema_key] = None
        return f"{self.names.schema(schema_key)}Xml"

    def codec(self, schema: Schema) -> str:
        """The codec of a body with this schema, for `xml(...)` in routes; its root element is named like the schema unless a hint says otherwise."""
        root = self.root_name(schema)
        return f"xmlCodec({self.shape(schema, 0, bare=True)}{', ' + string(root) if root else ''})"

    def constants(self, schema: Schema) -> list[str]:
        """The names that codec(schema) mentions, for its import."""
        found = XmlShapes(self.api, self.names)
        found.codec(schema)
        return sorted(f"{self.names.schema(schema_key)}Xml" for schema_key in found.wanted)

    def root_name(self, schema: Schema) -> str:
        if not isinstance(schema, dict):
            return ""
        if "$ref" in schema:
            return schema["$ref"]
        return self.root_name(schema["items"]) if "items" in schema else ""

    def text(self) -> str:
        """The module, with all shapes that were asked for and those that they refer to."""
        written: dict[str, str] = {}
        while pending := [schema_key for schema_key in self.wanted if schema_key not in written]:
            for schema_key in pending:
                written[schema_key] = self.literal(self.api.schemas[schema_key], 0)
        constants = (f"\nexport const {self.names.schema(schema_key)}Xml: XmlShape = {written[schema_key]};\n" for schema_key in self.api.schemas if schema_key in written)
        return HEADER + "".join(constants)

    def shape(self, schema: Schema, depth: int, bare: bool = False) -> str:
        """A shape by name, where the schema is a reference, or in place. Names inside shapes are thunks, since they may not be there yet."""
        if isinstance(schema, dict) and "$ref" in schema and schema["$ref"] in self.api.schemas and "xml" not in schema:
            return self.constant(schema["$ref"]) if bare else f"() => {self.constant(schema['$ref'])}"
        return self.literal(schema, depth)

    def literal(self, schema: Schema, depth: int) -> str:
        flat = self.gathered(schema)
        kind = shape_type(flat)
        fields = [f"type: '{kind}'"]
        if "null" in flat.order:
            fields.append("nullable: true")
        fields += hints(self.xml_of(schema))
        if kind == "object" and flat.properties and depth < DEPTH_LIMIT:
            members = [f"{key(name)}: {self.shape(parts[0], depth + 1)}" for name, parts in flat.properties.items()]
            fields.append("properties: " + braced(members, depth + 1))
        if kind == "object" and (required := [name for name in flat.required if name in flat.properties]):
            fields.append(f"required: [{', '.join(map(string, required))}]")
        items = flat.all_of("items")
        if kind == "array" and items and depth < DEPTH_LIMIT:
            fields.append(f"items: {self.shape(items[0], depth + 1)}")
        return braced(fields, depth)

    def gathered(self, schema: Schema) -> Flat:
        """The keywords of a schema and of all its branches: XML only needs to know what may stand there."""
        flat = self.flattened(schema)
        for branches in flat.choices:
            for branch in branches:
                other = self.flattened(branch)
                for name, parts in other.properties.items():
                    flat.properties.setdefault(name, parts)
                flat.order.extend(name for name in other.order if name not in flat.order)
                flat.gathered.setdefault("items", []).extend(other.all_of("items"))
        return flat

    def flattened(self, schema: Schema) -> Flat:
        try:
            return Flat().add(schema, self.api.schemas)
        except Contradiction:
            return Flat()

    def xml_of(self, schema: Schema) -> dict:
        """The hints of a schema: its own, or those of the schema that it refers to."""
        for _ in range(16):
            if not isinstance(schema, dict):
                return {}
            if isinstance(schema.get("xml"), dict):
                return schema["xml"]
            schema = self.api.schemas.get(schema["$ref"]) if "$ref" in schema else None
        return {}


def shape_type(flat: Flat) -> str:
    types = {"number" if name == "integer" else name for name in flat.order} - {"null"}
    if len(types) == 1:
        return types.pop()
    return "object" if not types and flat.properties else "any"


def hints(xml: dict) -> list[str]:
    texts = [f"{name}: {string(xml[name])}" for name in ("name", "prefix", "namespace") if isinstance(xml.get(name), str) and xml[name]]
    return texts + [f"{name}: true" for name in ("attribute", "wrapped") if xml.get(name) is True]


def braced(fields: list[str], depth: int) -> str:
    """Fields of a literal in one line, or one below the other where they do not fit."""
    flat = f"{{ {', '.join(fields)} }}"
    if len(flat) <= 100 and "\n" not in flat:
        return flat
    inner = "  " * (depth + 1)
    return "{\n" + "".join(f"{inner}{field},\n" for field in fields) + "  " * depth + "}"
