"""Bodies and responses of OpenAPI 3."""
from __future__ import annotations

import re
from typing import Any

from senior_backend.openapi.document import Document
from senior_backend.openapi.kinds import kind, quoted
from senior_backend.openapi.model import Body, Encoding, Header, MediaType, Response, Schema
from senior_backend.openapi.source import Source

CONTENT_TYPE = re.compile(r"[a-z0-9!#$&^_.+*-]+/[a-z0-9!#$&^_.+*-]+")
STATUS = re.compile(r"[1-5](?:[0-9]{2}|[xX]{2})|default")
COMPONENT_HOMES = (("components", "responses"), ("responses",))


def content_type_of(written: str) -> str:
    """A media type in lower case, without parameters; "" when it is none."""
    bare = written.partition(";")[0].strip().lower()
    return bare if CONTENT_TYPE.fullmatch(bare) else ""


class MediaReader:
    def __init__(self, source: Source):
        self.source = source
        self.bodies: dict[int, Body] = {}
        self.responses: dict[tuple, Response] = {}

    def body(self, container: dict, document: Document) -> Body | None:
        target = self.source.target(container, "requestBody", document, "requestBody", vital=True)
        if target is None:
            return None
        node = target.node
        if id(node) not in self.bodies:
            if "content" not in node:
                self.source.report.error("a requestBody must have content: a mapping of media types", node)
            self.bodies[id(node)] = Body(self.source.switch(node, "required"), self.source.text(node, "description"), self.content(node, target.document), node)
        return self.bodies[id(node)]

    def content(self, node: dict, document: Document) -> list[MediaType]:
        found: dict[str, MediaType] = {}
        left_out: dict[str, str] = {}
        for written, _ in self.source.entries(node, "content"):
            content_type = content_type_of(written)
            if not content_type:
                self.source.report.error(f"{quoted(written)} is no media type: expected for example application/json", node["content"], written)
            elif content_type in found:
                left_out[written] = content_type
            else:
                target = self.source.target(node["content"], written, document, "a media type")
                if target is not None:
                    found[content_type] = self.media_type(content_type, target.node, target.document)
        if left_out:
            told = ", ".join(sorted(set(left_out.values())))
            self.source.report.warn(f"{len(left_out)} media types that differ only in their parameters are left out: {told} is read once", node["content"], next(iter(left_out)))
        return list(found.values())

    def media_type(self, content_type: str, node: dict, document: Document) -> MediaType:
        for keyword in ("itemSchema", "itemEncoding", "prefixEncoding"):
            if keyword in node:
                self.source.report.warn(f"{keyword} is left out: streams of items are not read", node, keyword)
        schema = self.source.schemas.at(node, "schema", document) if node.get("schema") is not None else None
        return MediaType(content_type, schema, self.encodings(node), self.source.example(node, document), node)

    def encodings(self, node: dict) -> dict[str, Encoding]:
        found = {}
        for field, written in self.source.mapping(node, "encoding").items():
            if type(written) is not dict:
                self.source.report.error(f"an encoding must be a mapping, not {kind(written)}", node["encoding"], field)
                continue
            style = self.source.text(written, "style") or "form"
            found[field] = Encoding(self.source.text(written, "contentType").lower() or None, style, self.source.switch(written, "explode", style == "form"))
        return found

    def all_responses(self, operation: dict, document: Document) -> list[Response]:
        if operation.get("responses") is None:
            self.source.report.warn("the operation declares no responses", operation)
        found: dict[str, Response] = {}
        for written, _ in self.source.entries(operation, "responses"):
            status = written.upper() if written != "default" else written
            if not STATUS.fullmatch(written):
                self.source.report.error(f"{quoted(written)} is no status: expected 100 to 599, 1XX to 5XX, or default", operation["responses"], written)
            elif status not in found:
                response = self.response(status, operation["responses"], written, document, operation)
                if response is not None:
                    found[status] = response
        return list(found.values())

    def response(self, status: str, container: dict, key: str, document: Document, operation: dict) -> Response | None:
        target = self.source.target(container, key, document, "a response", spare=True)
        if target is None:
            return None
        component = target.tokens[-1] if target.tokens[:-1] in COMPONENT_HOMES else None
        memo = (id(target.node), status, component, self.memo(operation))
        if memo not in self.responses:
            node = target.node
            if node.get("links"):
                self.source.report.warn("links are left out", node, "links")
            self.responses[memo] = Response(status, self.source.text(node, "description"), self.response_content(node, target.document, operation),
                                            self.headers(node, target.document), component, node)
        return self.responses[memo]

    def memo(self, operation: dict) -> Any:
        """What of an operation decides how its responses are read."""
        return None

    def response_content(self, node: dict, document: Document, operation: dict) -> list[MediaType]:
        return self.content(node, document)

    def headers(self, node: dict, document: Document) -> list[Header]:
        found = []
        for name in self.source.mapping(node, "headers"):
            target = self.source.target(node["headers"], name, document, "a header", spare=True)
            if target is not None and name.lower() != "content-type":
                found.append(Header(name, self.source.switch(target.node, "required"), self.header_schema(target.node, target.document), self.source.text(target.node, "description")))
        return found

    def header_schema(self, node: dict, document: Document) -> Schema:
        return self.source.schemas.at(node, "schema", document) if node.get("schema") is not None else True
