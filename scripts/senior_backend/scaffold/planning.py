"""What each operation gets: names, codecs, types and validators of its parameters, bodies and replies."""
from __future__ import annotations

import dataclasses

from senior_backend.openapi.model import MISSING, Api, Body, MediaType, Operation, Parameter, Response, Schema
from senior_backend.scaffold.schemas.media import codec_of
from senior_backend.scaffold.names import Names, pascal
from senior_backend.scaffold.schemas.objects import parameters_shape
from senior_backend.scaffold.plan import BodyPlan, OperationPlan, ReplyPlan
from senior_backend.scaffold.schemas.shape import Shape, UNKNOWN
from senior_backend.scaffold.schemas.understanding import Declaration, Understanding, text_of, understand
from senior_backend.scaffold.views import View

PARTS = (("path", "Path"), ("query", "Query"), ("header", "Headers"), ("cookie", "Cookies"))


def plan_operations(api: Api, names: Names) -> list[OperationPlan]:
    """One plan per operation, in the document's order; their types and validators become part of the understanding."""
    planner = Planner(understand(names))
    return [planner.plan(operation) for operation in api.operations]


class Planner:
    def __init__(self, understanding: Understanding):
        self.understanding, self.names = understanding, understanding.names
        self.shared_contents: dict[tuple[int, str], tuple[str, str | None]] = {}

    def plan(self, operation: Operation) -> OperationPlan:
        type_name = self.names.operation_type(operation)
        validators = [self.parameters(operation, location, type_name + part) for location, part in PARTS]
        bodies = self.bodies(operation.body, type_name) if operation.body else []
        replies = [reply for response in operation.responses for reply in self.replies(operation, response, type_name)]
        headers = {response.status: self.reply_headers(response, type_name) for response in operation.responses if response.headers}
        return OperationPlan(operation, self.names.operation(operation), type_name, operation.tag, *validators, bodies, bool(operation.body and operation.body.required), replies, headers)

    def parameters(self, operation: Operation, location: str, name: str) -> str | None:
        parameters = [parameter for parameter in operation.parameters if parameter.location == location]
        if not parameters:
            return None
        self.declare(Declaration(name, parameters_shape(self.understanding.walks[View.REQUEST], parameters), ""))
        return f"{name}Schema"

    def reply_headers(self, response: Response, type_name: str) -> str:
        memory = (id(response.node), "headers")
        if memory not in self.shared_contents:
            prefix = pascal(response.component) if response.component and pascal(response.component) else type_name + status_name(response.status)
            name = self.names.claim(f"{prefix}Headers")
            headers = [Parameter(header.name, "header", header.required, header.schema, "simple", False, header.description, False, None, MISSING, response.node) for header in response.headers]
            self.declare(Declaration(name, parameters_shape(self.understanding.walks[View.RESPONSE], headers), "", typed=False))
            self.shared_contents[memory] = "", f"{name}Schema"
        return self.shared_contents[memory][1]

    def bodies(self, body: Body, type_name: str) -> list[BodyPlan]:
        plans = []
        for media in body.media:
            codec = codec_of(media.content_type, media.schema)
            name = f"{type_name}{pascal(codec) if len(body.media) > 1 else ''}Body"
            plans.append(BodyPlan(media, codec, *self.content(media, codec, View.REQUEST, name)))
        return plans

    def replies(self, operation: Operation, response: Response, type_name: str) -> list[ReplyPlan]:
        if not response.media or operation.method == "head":
            return [ReplyPlan(response, None, "", "unknown", None)]
        plans = []
        for media in response.media:
            codec = codec_of(media.content_type, media.schema)
            prefix = pascal(response.component) if response.component and pascal(response.component) else type_name + status_name(response.status)
            name = f"{prefix}{pascal(codec) if len(response.media) > 1 else ''}Body"
            memory = (id(media.schema), codec)
            if not response.component or memory not in self.shared_contents:
                self.shared_contents[memory] = self.content(media, codec, View.RESPONSE, name)
            plans.append(ReplyPlan(response, media, codec, *self.shared_contents[memory]))
        return plans

    def content(self, media: MediaType, codec: str, view: View, name: str) -> tuple[str, str | None]:
        """Type expression and validator of what one content type holds."""
        if codec == "binary":
            if media.content_type.startswith("multipart/"):
                self.understanding.shared.report.warn(f"{media.content_type} is handed over as bytes: only multipart/form-data is taken apart", media.node)
            return "Uint8Array", None
        if codec == "text":
            return self.text_content(media, view, name)
        if media.schema is None:
            return "unknown", None
        return self.structured_content(media, codec, view, name)

    def text_content(self, media: MediaType, view: View, name: str) -> tuple[str, str | None]:
        """Text is checked when its schema is about strings."""
        kinds = self.understanding.facts.kinds(media.schema if media.schema is not None else True)
        if not isinstance(media.schema, dict) or kinds != {"string"}:
            return "string", None
        return self.structured_content(media, "text", view, name)

    def structured_content(self, media: MediaType, codec: str, view: View, name: str) -> tuple[str, str | None]:
        schema, walk = media.schema, self.understanding.walks[view]
        target = self.understanding.facts.target(schema)
        forgotten = view is View.REQUEST and forgets_type(target, self.understanding.facts.kinds(schema))
        if forgotten:
            walk.warn("read as an object although it has properties but no type; add `type: object`", target)
        walk.binary, walk.inline = "file" if codec == "multipart" else "string", True
        shape = walk.shape(schema, "object" if forgotten else "")
        walk.binary, walk.inline = "string", False
        if isinstance(schema, dict) and "$ref" in schema and len(schema) == 1:
            if not forgotten:
                return shape.type, shape.zod
            shape = dataclasses.replace(shape, zod=f"{shape.zod}.check({walk.helper('object')}())")
        return self.declared_content(schema, shape, name)

    def declared_content(self, schema: Schema, shape: Shape, name: str) -> tuple[str, str | None]:
        if shape.type == "unknown" and shape.zod == UNKNOWN.zod:
            return "unknown", None
        named = "\n" in shape.type
        name = self.names.claim(name)
        self.declare(Declaration(name, shape, text_of(schema), typed=named))
        return (name if named else shape.type), f"{name}Schema"

    def declare(self, declaration: Declaration) -> None:
        self.understanding.operations.append(declaration)


def forgets_type(schema: Schema, kinds: frozenset[str]) -> bool:
    return isinstance(schema, dict) and "properties" in schema and "type" not in schema and kinds != {"object"}


def status_name(status: str) -> str:
    return "Default" if status == "default" else status[0] + status[1:].lower()
