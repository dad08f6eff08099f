"""What is written for each operation: the names that types.ts, validators.ts and the routes share."""
from __future__ import annotations

import dataclasses

from senior_backend.openapi.model import MediaType, Operation, Response


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
