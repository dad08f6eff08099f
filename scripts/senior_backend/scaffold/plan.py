"""What is generated, as decided before a line is written: the frameworks, the plan of every operation, and the views of schemas, as sent and as received."""
from __future__ import annotations

import dataclasses
import enum

from senior_backend.openapi.model import Api, MediaType, Operation, Response, Schema

@dataclasses.dataclass(frozen=True, slots=True)
class Framework:
    """One framework. Of assets/scaffold mount-NAME.ts becomes mount.ts, of variants.txt there app-NAME.ts becomes app.ts."""
    name: str                          # as given to --framework
    server: str                        # the file that becomes server.ts
    app: tuple[str, str, str]          # the type that registerRoutes takes, how it is imported, from where
    mounted: tuple[str, ...]           # what index.ts passes on from mount.ts
    dependencies: dict[str, str]       # npm package -> version range
    dev_dependencies: dict[str, str]


FRAMEWORKS = {made.name: made for made in (
    Framework("express", "server-node.ts", ("IRouter", "{ IRouter }", "express"), ("errorHandler", "notFound"), {"express": "^5.1.0"}, {"@types/express": "^5.0.3"}),
    Framework("fastify", "server-fastify.ts", ("FastifyInstance", "{ FastifyInstance }", "fastify"), ("errorHandler", "notFound"), {"fastify": "^5.6.0"}, {}),
    Framework("koa", "server-node.ts", ("Koa", "Koa", "koa"), ("errorHandler",), {"@koa/router": "^15.0.0", "koa": "^3.0.0"}, {"@types/koa": "^3.0.0"}),
)}


@dataclasses.dataclass(slots=True)
class BodyPlan:
    """One content type of a request body."""
    media: MediaType
    codec: str                         # "json" | "form" | "multipart" | "text" | "binary" | "xml"
    type_expression: str               # TypeScript type of the decoded body as seen from types.ts ("NewUser", "string", "Uint8Array")
    validator: str | None              # export of validators.ts that checks it; None: not checked (no schema, binary, ...)


@dataclasses.dataclass(slots=True)
class ReplyPlan:
    """One status and content type of a response; content_type None when the document declares no body."""
    response: Response
    media: MediaType | None
    codec: str
    type_expression: str
    validator: str | None


@dataclasses.dataclass(slots=True)
class OperationPlan:
    operation: Operation
    name: str                          # function name of the handler, unique: "getUser"
    type_name: str                     # prefix of its types, unique: "GetUser"
    tag: str                           # key of the names of its tag
    path_validator: str | None         # exports of validators.ts: "GetUserPathSchema", ...
    query_validator: str | None
    headers_validator: str | None
    cookies_validator: str | None
    bodies: list[BodyPlan]
    body_required: bool
    replies: list[ReplyPlan]
    reply_headers: dict[str, str]      # status -> export of validators.ts that checks the headers of the reply

    @property
    def request_type(self) -> str:
        return f"{self.type_name}Request"

    @property
    def reply_type(self) -> str:
        return f"{self.type_name}Reply"


@dataclasses.dataclass(frozen=True, slots=True)
class Implementation:
    """What a handler does, where that is known. imports: as those of OwnedBlock; parts: of the request that it takes ("path", "body"); context: whether it takes that too; body: what follows =>."""
    imports: dict[str, list[str]]
    parts: list[str]
    context: bool
    body: str


@dataclasses.dataclass(frozen=True)
class Options:
    """framework: a key of FRAMEWORKS; errors: "envelope" | "problem"; implementations: by operationId; dependencies, dev_dependencies: npm packages besides the usual ones."""
    framework: str
    with_app: bool
    errors: str
    implementations: dict[str, Implementation] = dataclasses.field(default_factory=dict)
    dependencies: dict[str, str] = dataclasses.field(default_factory=dict)
    dev_dependencies: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(slots=True)
class OwnedBlock:
    """One exported thing of a file that belongs to a person."""
    name: str                          # the exported name; the block is appended when the file exports no such name
    imports: dict[str, list[str]]      # module -> imported names ("type GetUserReply" for types)
    text: str                          # TypeScript, ends with a line end


@dataclasses.dataclass(slots=True)
class OwnedFile:
    """A file that is created once and afterwards only appended to."""
    header: str                        # comment at the top, ends with a line end
    blocks: list[OwnedBlock]


class View(enum.Enum):
    """The side from which a schema is read; the value is the suffix of the names of its variant."""
    WHOLE = ""
    REQUEST = "Request"
    RESPONSE = "Response"


HIDDEN_BY = {View.REQUEST: "readOnly", View.RESPONSE: "writeOnly", View.WHOLE: ""}
LISTS = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
MAPS = frozenset(("properties", "patternProperties", "dependentSchemas"))
SINGLES = frozenset(("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "unevaluatedItems", "unevaluatedProperties"))


class Views:
    """Which schemas have variants, and the graph of references between schemas."""

    def __init__(self, api: Api):
        self.schemas = api.schemas
        self.references: dict[str, list[str]] = {}
        marked: dict[str, set[str]] = {"readOnly": set(), "writeOnly": set()}
        for key, schema in api.schemas.items():
            self.references[key] = references(schema, marks := set())
            for mark in marks:
                marked[mark].add(key)
        self.varied = {view: self.reaching(marked.get(mark, set())) for view, mark in HIDDEN_BY.items()}

    def reaching(self, targets: set[str]) -> set[str]:
        """The keys from which a reference path leads into targets, and targets themselves."""
        sources: dict[str, list[str]] = {}
        for key, found in self.references.items():
            for target in found:
                sources.setdefault(target, []).append(key)
        reached, pending = set(targets), list(targets)
        while pending:
            fresh = [key for key in sources.get(pending.pop(), ()) if key not in reached]
            reached.update(fresh)
            pending.extend(fresh)
        return reached

    def of(self, key: str, view: View) -> View:
        """The view under which the schema is written when it is seen from `view`."""
        return view if key in self.varied[view] else View.WHOLE

    def used_by(self, keys: list[str]) -> set[str]:
        """The keys and all that they refer to, directly or not."""
        found, pending = set(keys), list(keys)
        while pending:
            fresh = [key for key in self.references.get(pending.pop(), ()) if key not in found]
            found.update(fresh)
            pending.extend(fresh)
        return found

    def hidden(self, schema: Schema, view: View) -> bool:
        """Whether a member with this schema is not part of the view; the mark may stand at the schema that it refers to."""
        mark = HIDDEN_BY[view]
        for _ in range(16):
            if not mark or not isinstance(schema, dict):
                return False
            if schema.get(mark) is True:
                return True
            schema = self.schemas.get(schema["$ref"]) if "$ref" in schema else None
        return False


def references(schema: Schema, marks: set[str]) -> list[str]:
    """The keys that a schema refers to, in order of appearance; adds the marks readOnly and writeOnly that it carries."""
    found: dict[str, None] = {}
    pending = [schema]
    while pending:
        node = pending.pop()
        if not isinstance(node, dict):
            continue
        for keyword, value in node.items():
            if keyword == "$ref":
                found[value] = None
            elif keyword in SINGLES:
                pending.append(value)
            elif keyword in MAPS:
                pending.extend(value.values())
            elif keyword in LISTS:
                pending.extend(value)
            elif value is True and (keyword == "readOnly" or keyword == "writeOnly"):
                marks.add(keyword)
    return list(found)
