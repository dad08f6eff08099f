"""Parameters of OpenAPI 3: each read once, however many operations refer to it."""
from __future__ import annotations

from typing import Any

from senior_backend.openapi.document import Document
from senior_backend.openapi.kinds import kind, quoted
from senior_backend.openapi.media import content_type_of
from senior_backend.openapi.model import Parameter, Schema
from senior_backend.openapi.source import Source

STYLES = {"path": ("simple", "label", "matrix"), "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"), "header": ("simple",), "cookie": ("form", "cookie")}
RESERVED_HEADERS = frozenset(("accept", "content-type", "authorization"))       # OpenAPI: such parameters are ignored


class ParameterReader:
    def __init__(self, source: Source):
        self.source = source
        self.known: dict[int, Parameter | None] = {}    # by the id of the node

    def read(self, container: list, index: int, document: Document) -> Parameter | None:
        """The parameter at container[index]; None when it is unusable (told) or not one that is read here."""
        target = self.source.target(container, index, document, "a parameter")
        if target is None:
            return None
        if target.tokens and not ("name" in target.node or "in" in target.node):
            self.source.report.warn("the reference leads to something that is no parameter: it is left out", container[index], "$ref")
            return None
        if id(target.node) not in self.known:
            self.known[id(target.node)] = self.made(target.node, target.document)
        return self.known[id(target.node)]

    def made(self, node: dict, document: Document) -> Parameter | None:
        report, name, location = self.source.report, node.get("name"), node.get("in")
        if type(name) is not str or not name:
            report.error("a parameter must have a name" if name is None else f"the name of a parameter must be text, not {kind(name)}", node, "name" if "name" in node else None)
            return None
        if type(location) is not str or location not in STYLES:
            return self.elsewhere(node, name, location)
        required = self.source.switch(node, "required")
        if location == "header" and name.lower() in RESERVED_HEADERS:
            if required:
                report.warn(f"OpenAPI ignores header parameters named {name}: it is left out", node, "name")
            return None
        if location == "path" and not required:
            report.warn(f"the path parameter {quoted(name)} is required, whether the document says so or not", node)
        style, explode = self.style(node, location)
        schema, content_type = self.schema(node, document)
        return Parameter(name, location, required or location == "path", schema, style, explode, self.source.text(node, "description"), self.source.switch(node, "deprecated"),
                         content_type, self.source.example(node, document), node)

    def elsewhere(self, node: dict, name: str, location: Any) -> None:
        if location == "querystring":
            self.source.report.warn(f"the parameter {quoted(name)} is left out: in: querystring is not read", node, "in")
            return
        expected = "expected path, query, header or cookie"
        problem = f"the parameter {quoted(name)} must say where it is in" if location is None else f"{quoted(location)} is no place for a parameter" if type(location) is str else f"in must be text, not {kind(location)}"
        self.source.report.error(f"{problem}: {expected}", node, "in" if "in" in node else None)

    def style(self, node: dict, location: str) -> tuple[str, bool]:
        style = self.source.text(node, "style") or STYLES[location][0]
        if style not in STYLES[location]:
            self.source.report.warn(f"the style {quoted(style)} does not exist for {location} parameters: read as {STYLES[location][0]}", node, "style")
            style = STYLES[location][0]
        style = "form" if style == "cookie" else style
        return style, self.source.switch(node, "explode", style == "form")

    def schema(self, node: dict, document: Document) -> tuple[Schema, str | None]:
        """The schema, and the content type of a parameter that is a serialised document."""
        if "schema" in node:
            return self.source.schemas.at(node, "schema", document), None
        for written in self.source.mapping(node, "content"):
            target = self.source.target(node["content"], written, document, "a media type")
            if target is not None:
                schema = self.source.schemas.at(target.node, "schema", target.document) if "schema" in target.node else True
                return schema, content_type_of(written) or None
        return True, None
