"""Swagger 2.0: parameters, bodies and responses read into the same model as those of OpenAPI 3."""
from __future__ import annotations

from typing import Any

from senior_backend.openapi.document import Document
from senior_backend.openapi.operations import MediaReader, OperationReader, ParameterReader, content_type_of
from senior_backend.openapi.model import MISSING, Body, Encoding, MediaType, Schema, kind, quoted
from senior_backend.openapi.source import Source

SCHEMA_FIELDS = ("type", "format", "items", "default", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength", "minLength", "pattern", "maxItems", "minItems",
                 "uniqueItems", "enum", "multipleOf", "x-nullable")
STYLES = {"csv": ("form", False), "multi": ("form", True), "ssv": ("spaceDelimited", False), "pipes": ("pipeDelimited", False)}
URLENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
BODY_PLACES = ("body", "formData")


def schema_of(source: Source, node: dict, document: Document) -> Schema:
    """The schema that a parameter or header of Swagger 2.0 is itself."""
    made = source.report.stands_for({field: node[field] for field in SCHEMA_FIELDS if field in node}, node)
    return source.schemas.at({"schema": made}, "schema", document)


class Parameters2(ParameterReader):
    def elsewhere(self, node: dict, name: str, location: Any) -> None:
        if type(location) is not str or location not in BODY_PLACES:
            super().elsewhere(node, name, location)

    def style(self, node: dict, location: str) -> tuple[str, bool]:
        style, explode = collection_style(self.source, node)
        if location in ("query", "formData"):
            return style, explode
        if style != "form" or explode:
            self.source.report.warn(f"collectionFormat is read as csv for {location} parameters", node, "collectionFormat")
        return ("form" if location == "cookie" else "simple"), False

    def schema(self, node: dict, document: Document) -> tuple[Schema, str | None]:
        return schema_of(self.source, node, document), None


def collection_style(source: Source, node: dict) -> tuple[str, bool]:
    written = node.get("collectionFormat", "csv")
    if type(written) is str and written in STYLES:
        return STYLES[written] if node.get("type") == "array" else ("form", False)
    source.report.warn(f"collectionFormat {kind(written)} is read as csv", node, "collectionFormat")
    return STYLES["csv"]


class Media2(MediaReader):
    def produces(self, operation: dict) -> list[str]:
        return content_types(self.source, operation, "produces")

    def memo(self, operation: dict) -> Any:
        return tuple(self.produces(operation))

    def response_content(self, node: dict, document: Document, operation: dict) -> list[MediaType]:
        if node.get("schema") is None:
            return []
        is_file = type(node["schema"]) is dict and node["schema"].get("type") == "file"
        schema = self.source.schemas.at(node, "schema", document)
        examples = {content_type_of(name): value for name, value in self.source.mapping(node, "examples").items()}
        types = self.produces(operation) or ["application/octet-stream" if is_file else "application/json"]
        return [MediaType(content_type, schema, {}, examples.get(content_type, MISSING), node) for content_type in types]

    def header_schema(self, node: dict, document: Document) -> Schema:
        return schema_of(self.source, node, document)


def content_types(source: Source, operation: dict, field: str) -> list[str]:
    """consumes or produces of an operation, or of the document."""
    holder = operation if operation.get(field) is not None else source.root.root
    found: dict[str, None] = {}
    for index, written in enumerate(source.sequence(holder, field)):
        content_type = content_type_of(written) if type(written) is str else ""
        if content_type:
            found[content_type] = None
        else:
            source.report.error(f"{kind(written)} is no media type: expected for example application/json", holder[field], index)
    return list(found)


class Operations2(OperationReader):
    def __init__(self, source: Source, schemes: dict):
        super().__init__(source, schemes)
        self.parameters, self.media = Parameters2(source), Media2(source)
        self.path_body: list[tuple[dict, Document]] = []

    def path_item(self, path: str, paths: dict, document: Document) -> list:
        self.path_body = []
        target = self.source.target(paths, path, document, f"the path {quoted(path)}", vital=True)
        if target is not None:
            self.path_body = self.body_parameters(target.node, target.document)
        return super().path_item(path, paths, document)

    def body_parameters(self, node: dict, document: Document) -> list[tuple[dict, Document]]:
        """The parameters in body and formData of an operation or path item."""
        listed = node.get("parameters")
        targets = [self.source.target(listed, index, document, "a parameter") for index in range(len(listed))] if type(listed) is list else []
        return [(target.node, target.document) for target in targets if target is not None and target.node.get("in") in BODY_PLACES]

    def body(self, node: dict, document: Document) -> Body | None:
        merged = {(parameter["in"], str(parameter.get("name")) if parameter["in"] == "formData" else ""): (parameter, owner)
                  for parameter, owner in [*self.path_body, *self.body_parameters(node, document)]}
        whole = [found for found in merged.values() if found[0]["in"] == "body"]
        fields = [found for found in merged.values() if found[0]["in"] == "formData"]
        if whole and fields:
            self.report.error("an operation cannot have parameters in body and in formData", node, "parameters")
        if whole:
            return self.whole_body(*whole[0], content_types(self.source, node, "consumes") or ["application/json"])
        return self.form_body(node, fields) if fields else None

    def whole_body(self, parameter: dict, document: Document, types: list[str]) -> Body:
        schema = self.source.schemas.at(parameter, "schema", document) if parameter.get("schema") is not None else None
        media = [MediaType(content_type, schema, {}, parameter.get("x-example", MISSING), parameter) for content_type in types]
        return Body(self.source.switch(parameter, "required"), self.source.text(parameter, "description"), media, parameter)

    def form_body(self, node: dict, fields: list[tuple[dict, Document]]) -> Body:
        schema: dict = self.report.stands_for({"type": "object", "properties": {}}, node)
        encoding: dict[str, Encoding] = {}
        required = []
        for parameter, document in fields:
            name = parameter.get("name")
            if type(name) is not str:
                self.report.error("a parameter must have a name", parameter)
                continue
            made = schema_of(self.source, parameter, document)
            if type(made) is dict and self.source.text(parameter, "description"):
                made["description"] = parameter["description"]
            schema["properties"][name] = made
            encoding[name] = Encoding(None, *collection_style(self.source, parameter))
            if self.source.switch(parameter, "required"):
                required.append(name)
        if required:
            schema["required"] = required
        with_file = any(parameter.get("type") == "file" for parameter, _ in fields)
        types = [written for written in content_types(self.source, node, "consumes") if written in (URLENCODED, MULTIPART)] or [MULTIPART if with_file else URLENCODED]
        types = [MULTIPART] if with_file and URLENCODED in types and MULTIPART in types else types
        return Body(bool(required), "", [MediaType(content_type, schema, encoding, MISSING, node) for content_type in types], node)


def servers_of(source: Source) -> list[str]:
    """The URLs that host, basePath and schemes make."""
    root = source.root.root
    host, base = source.text(root, "host"), source.text(root, "basePath")
    if not host:
        return [base] if base else []
    schemes = [scheme for scheme in source.sequence(root, "schemes") if type(scheme) is str]
    return [f"{scheme}://{host}{base}" for scheme in schemes or ["https"]]
