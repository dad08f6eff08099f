"""The operations of a document's paths, and what is wrong with path templates."""
from __future__ import annotations

import difflib
import re
from typing import Any

from senior_backend.openapi.document import Document
from senior_backend.openapi.kinds import kind, quoted
from senior_backend.openapi.media import MediaReader
from senior_backend.openapi.model import METHODS, MISSING, Body, Operation, Parameter, Response, SecurityScheme
from senior_backend.openapi.parameters import ParameterReader
from senior_backend.openapi.security import read_requirements
from senior_backend.openapi.source import Source

PATH_FIELDS = frozenset(("summary", "description", "servers", "parameters", "$ref"))
WITHOUT_BODY = ("get", "head", "delete")
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
URI_TEMPLATE = re.compile(r"[.;/?&+#]?([^{}*]+)\*?")      # RFC 6570 operators, which OpenAPI replaced by style and explode


class OperationReader:
    """Reads paths in the document's order. Subclasses say where other versions of OpenAPI keep things."""

    def __init__(self, source: Source, schemes: dict[str, SecurityScheme]):
        self.source, self.schemes, self.report = source, schemes, source.report
        self.parameters, self.media = ParameterReader(source), MediaReader(source)
        self.everywhere = read_requirements(source, source.root.root, schemes)
        self.shapes: dict[tuple[str, str], str] = {}
        self.ids: dict[str, str] = {}
        self.own_servers: dict | None = None

    def read(self) -> list[Operation]:
        found: list[Operation] = []
        root = self.source.root
        for path, _ in self.source.entries(root.root, "paths"):
            problem = template_problem(path)
            if problem:
                self.report.error(f"the path {quoted_path(path)} cannot be served: {problem}", root.root["paths"], path)
            elif "?" in path or "#" in path:
                self.report.warn(f"the path {quoted_path(path)} is left out: what follows ? or # is not part of a path", root.root["paths"], path)
            else:
                found.extend(self.path_item(path, root.root["paths"], root))
        if self.own_servers is not None:
            self.report.warn("servers of paths and operations are left out: the routes answer on every server", self.own_servers, "servers")
        return found

    def path_item(self, path: str, paths: dict, document: Document) -> list[Operation]:
        target = self.source.target(paths, path, document, f"the path {quoted_path(path)}", vital=True)
        if target is None:
            return []
        node, document = target.node, target.document
        if "$ref" in paths[path] and len(paths[path]) > 1:
            node = self.report.stands_for({**node, **{field: value for field, value in paths[path].items() if field != "$ref"}}, paths[path])
        self.note_servers(node)
        shared = self.parameter_list(node, document)
        found = []
        for field, value in node.items():
            method = field.lower()
            if method in METHODS and field == method:
                if type(value) is dict:
                    found.append(self.operation(path, method, value, shared, document))
                elif value is not None:
                    self.report.error(f"an operation must be a mapping, not {kind(value)}", node, field)
            elif field in ("query", "additionalOperations"):
                self.report.warn(f"{field} is left out: the servers cannot route such methods", node, field)
            elif field not in PATH_FIELDS and not method.startswith("x-"):
                self.report.warn(f"{quoted(field)} is left out: expected a method, one of {', '.join(METHODS)}", node, field)
        return [operation for operation in found if operation is not None]

    def operation(self, path: str, method: str, node: dict, shared: list[Parameter], document: Document) -> Operation | None:
        source = self.source
        security = read_requirements(source, node, self.schemes) if "security" in node else self.everywhere
        if not self.unique(path, method, node) or security is None:
            return None
        parameters = self.merged(shared, self.parameter_list(node, document))
        body, responses = self.body(node, document), self.media.all_responses(node, document)
        self.note_servers(node)
        if node.get("callbacks"):
            self.report.warn("callbacks are left out: the server does not call anybody", node, "callbacks")
        if body is not None and method in WITHOUT_BODY:
            self.report.warn(f"a body has no defined meaning for {method.upper()}; it is read all the same", node)
        path = without_operators(path, {parameter.name for parameter in parameters if parameter.location == "path"})
        return Operation(method, path, self.operation_id(node), self.tag(node), source.text(node, "summary"), source.text(node, "description"), source.switch(node, "deprecated"),
                         self.fitted(path, node, parameters), body, responses, security, source.switch(node, "x-closed-query"), node)

    # parts of an operation
    def parameter_list(self, node: dict, document: Document) -> list[Parameter]:
        listed = self.source.sequence(node, "parameters")
        found: dict[tuple[str, str], Parameter] = {}
        for index in range(len(listed)):
            parameter = self.parameters.read(listed, index, document)
            if parameter is not None and identity(parameter) in found:
                self.report.warn(f"the {parameter.location} parameter {quoted(parameter.name)} is listed twice: the first one counts", listed, index)
            elif parameter is not None:
                found[identity(parameter)] = parameter
        return list(found.values())

    def merged(self, shared: list[Parameter], own: list[Parameter]) -> list[Parameter]:
        """The path item's parameters, replaced by the operation's of the same name and place."""
        return list({identity(parameter): parameter for parameter in [*shared, *own]}.values())

    def fitted(self, path: str, node: dict, parameters: list[Parameter]) -> list[Parameter]:
        """The parameters with exactly the path's placeholders among them."""
        names = placeholders(path)
        declared = [parameter.name for parameter in parameters if parameter.location == "path"]
        for name in [name for name in declared if name not in names]:
            near = difflib.get_close_matches(name, names, 1)
            self.report.warn(f"the path {quoted_path(path)} has no placeholder for its parameter {quoted(name)}: it is left out", node, hint=f"did you mean {quoted(near[0])}?" if near else "")
        for name in [name for name in names if name not in declared]:
            self.report.warn(f"the parameter {quoted(name)} of the path {quoted_path(path)} is not declared: it is read as text", node)
            parameters = [*parameters, Parameter(name, "path", True, {"type": "string"}, "simple", False, "", False, None, MISSING, node)]
        return [parameter for parameter in parameters if parameter.location != "path" or parameter.name in names]

    def body(self, node: dict, document: Document) -> Body | None:
        return self.media.body(node, document) if node.get("requestBody") is not None else None

    def operation_id(self, node: dict) -> str | None:
        written = self.source.text(node, "operationId")
        if written and self.ids.setdefault(written, written) is not written:
            self.report.warn(f"the operationId {quoted(written)} is used more than once", node, "operationId")
        return written or None

    def tag(self, node: dict) -> str:
        for index, tag in enumerate(self.source.sequence(node, "tags")):
            if type(tag) is str and tag.strip():
                return tag
            self.report.warn(f"a tag must be text, not {kind(tag)}: it is left out", node["tags"], index)
        return "default"

    def unique(self, path: str, method: str, node: dict) -> bool:
        other = self.shapes.setdefault((method, shape(path)), path)
        if other != path:
            self.report.error(f"the paths {quoted_path(other)} and {quoted_path(path)} are the same to a router", node, hint="give both as one path")
        return other == path

    def note_servers(self, node: dict) -> None:
        if node.get("servers") and self.own_servers is None and node["servers"] != self.source.root.root.get("servers"):
            self.own_servers = node


def identity(parameter: Parameter) -> tuple[str, str]:
    """What makes two parameters the same; names of headers have no case."""
    return (parameter.location, parameter.name.lower() if parameter.location == "header" else parameter.name)


def quoted_path(path: str) -> str:
    return quoted(path) if len(path) <= 40 else f"'{path[:200]}'"


def template_problem(path: str) -> str:
    """Why no router can serve the template; "" when it can."""
    names = PLACEHOLDER.findall(path)
    if not path.startswith("/"):
        return "a path must begin with /"
    if set("{}") & set(PLACEHOLDER.sub("", path)):
        return "its braces do not match"
    if "" in names:
        return "a placeholder has no name"
    if len(set(names)) != len(names):
        return "it names a placeholder twice"
    if "}{" in path:
        return "two placeholders touch: nobody could tell where one ends"
    return ""


def placeholders(path: str) -> list[str]:
    return PLACEHOLDER.findall(path)


def shape(path: str) -> str:
    """The template without the names of its placeholders: /users/{}."""
    return PLACEHOLDER.sub("{}", path)


def without_operators(path: str, declared: set[str]) -> str:
    """The template with {.id}, {;id} and {id*} written as {id}, where id is what is declared."""
    def plain(match: re.Match) -> str:
        inner = URI_TEMPLATE.fullmatch(match[1])
        return f"{{{inner[1]}}}" if match[1] not in declared and inner and inner[1] in declared else match[0]
    return PLACEHOLDER.sub(plain, path)
