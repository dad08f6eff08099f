"""Operations of a document: paths, parameters, bodies, answers and security as the model has them."""
from __future__ import annotations

import difflib
import re
from typing import Any

from senior_backend.openapi.document import Document
from senior_backend.openapi.model import METHODS, MISSING, Body, Encoding, Header, MediaType, Operation, Parameter, Response, Schema, SecurityScheme, kind, quoted
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


KINDS = ("apiKey", "http", "oauth2", "openIdConnect", "mutualTLS")
KEY_PLACES = ("header", "query", "cookie")


def read_schemes(source: Source) -> dict[str, SecurityScheme]:
    holder = source.root.root if source.dialect.swagger else source.mapping(source.root.root, "components")
    field = "securityDefinitions" if source.dialect.swagger else "securitySchemes"
    found = {}
    for key in source.mapping(holder, field):
        target = source.target(holder[field], key, source.root, "a security scheme")
        scheme = read_scheme(source, key, target.node) if target else None
        if scheme:
            found[key] = scheme
    return found


def read_scheme(source: Source, key: str, node: dict) -> SecurityScheme | None:
    written, name, location, scheme = node.get("type"), "", "", ""
    if source.dialect.swagger and written == "basic":
        written, scheme = "http", "basic"
    elif type(written) is not str or written not in KINDS:
        source.report.error(f"the type of a security scheme must be one of {', '.join(KINDS)}, not {kind(written)}", node, "type" if "type" in node else None)
        return None
    elif written == "http":
        scheme = source.text(node, "scheme").lower()
    elif written == "apiKey":
        location, name = source.text(node, "in"), source.text(node, "name")
        if location not in KEY_PLACES or not name:
            source.report.error(f"the apiKey {quoted(key)} must have a name and be in one of {', '.join(KEY_PLACES)}", node, "in" if location and location not in KEY_PLACES else None)
            return None
    if written == "http" and not scheme:
        source.report.error(f"the security scheme {quoted(key)} of type http must name its scheme, for example bearer", node)
        return None
    return SecurityScheme(key, written, location, name, scheme, source.text(node, "description"), node)


def read_requirements(source: Source, node: dict, schemes: dict[str, SecurityScheme]) -> list[dict[str, list[str]]] | None:
    """What node["security"] requires; None when it is unusable: what is left out must not open a door."""
    found, usable = [], True
    for index, requirement in enumerate(source.sequence(node, "security")):
        if type(requirement) is not dict:
            source.report.error(f"a security requirement must be a mapping of schemes, not {kind(requirement)}", node["security"], index)
            usable = False
            continue
        unknown = [name for name in requirement if name not in schemes]
        if unknown:
            source.report.error(f"there is no security scheme {quoted(unknown[0])}", requirement, unknown[0], f"known are: {', '.join(schemes)}" if schemes else "")
        usable = usable and not unknown
        found.append({name: scopes_of(scopes) for name, scopes in requirement.items()})
    if node.get("security") is not None and type(node["security"]) is not list:
        usable = False
    return found if usable else None


def scopes_of(written: Any) -> list[str]:
    return [scope for scope in written if type(scope) is str] if type(written) is list else []


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
