"""The api model: the one form between everything that is read (OpenAPI documents, tables, routes) and everything that is written.

Schemas are plain JSON Schema 2020-12 (dict or bool) whatever the source spoke: `nullable`, boolean `exclusiveMinimum`, `type: file`
and the like are lifted by the reader. A schema that refers to another holds {"$ref": KEY}, KEY being a key of Api.schemas; references
form a graph and are never expanded. `discriminator` is {"propertyName": str, "mapping": {value: KEY}} with the mapping completed.
"""
from __future__ import annotations

import dataclasses
import re
from typing import Any

Schema = dict | bool
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


@dataclasses.dataclass(slots=True)
class Parameter:
    """One path, query, header or cookie parameter; style and explode are always filled in with OpenAPI's defaults."""
    name: str
    location: str                      # "path" | "query" | "header" | "cookie"
    required: bool
    schema: Schema
    style: str                         # form, spaceDelimited, pipeDelimited, deepObject, simple, label, matrix
    explode: bool
    description: str
    deprecated: bool
    content_type: str | None           # set when the value is a serialised document ("application/json")
    example: Any                       # MISSING when the document gives none
    node: Any                          # where it stands in the source, for messages


@dataclasses.dataclass(slots=True)
class Encoding:
    """How one field of a form or multipart body is written."""
    content_type: str | None
    style: str                         # "form" unless the document says otherwise
    explode: bool


@dataclasses.dataclass(slots=True)
class MediaType:
    """One content type of a body or response. schema is None when the document gives none."""
    content_type: str                  # as written, lower case, without parameters ("application/json", "image/*")
    schema: Schema | None
    encoding: dict[str, Encoding]      # form and multipart fields that the document describes
    example: Any                       # MISSING when the document gives none
    node: Any


@dataclasses.dataclass(slots=True)
class Body:
    required: bool
    description: str
    media: list[MediaType]
    node: Any


@dataclasses.dataclass(slots=True)
class Header:
    name: str
    required: bool
    schema: Schema
    description: str


@dataclasses.dataclass(slots=True)
class Response:
    status: str                        # "200", "4XX", "default"
    description: str
    media: list[MediaType]             # empty: the document declares no body
    headers: list[Header]
    component: str | None              # name under components.responses when it was a reference
    node: Any


@dataclasses.dataclass(slots=True)
class Operation:
    method: str                        # lower case, one of METHODS
    path: str                          # the document's template: "/users/{id}"
    operation_id: str | None           # as written
    tag: str                           # the first tag, or "default"
    summary: str
    description: str
    deprecated: bool
    parameters: list[Parameter]        # the path item's merged in
    body: Body | None
    responses: list[Response]
    security: list[dict[str, list[str]]]   # any of these, each all of {scheme: scopes}; empty: open to all
    closed_query: bool                 # x-closed-query: query parameters that are not declared are refused
    node: Any


@dataclasses.dataclass(slots=True)
class SecurityScheme:
    key: str                           # name under components.securitySchemes
    kind: str                          # "apiKey" | "http" | "oauth2" | "openIdConnect" | "mutualTLS"
    location: str                      # apiKey: "header" | "query" | "cookie"; else ""
    parameter: str                     # apiKey: name of the header, query or cookie parameter; else ""
    scheme: str                        # http: "bearer", "basic", ... lower case; else ""
    description: str
    node: Any


@dataclasses.dataclass(slots=True)
class Api:
    title: str
    version: str
    description: str
    spec_version: str                  # "2.0", "3.0.3", "3.1.0" ... as written
    operations: list[Operation]        # in the document's order
    schemas: dict[str, Schema]         # component name -> schema; schemas that are only reachable by reference are here too
    security_schemes: dict[str, SecurityScheme]
    tags: dict[str, str]               # tag -> description
    servers: list[str]
    report: Report


class Missing:
    """The absence of a value where None is a value."""

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING = Missing()


@dataclasses.dataclass(slots=True)
class Problem:
    """Something to tell about the source; node is the very object (dict or list) of the loaded document that it is about."""
    message: str
    node: Any
    key: str | int | None = None       # the entry of node that it is about, when it is a scalar
    hint: str = ""


@dataclasses.dataclass(slots=True)
class Place:
    """A problem with its place found: file as the user named it, line from 1 (0 when unknown), JSON pointer ("#/paths/~1users")."""
    file: str
    line: int
    pointer: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message} ({self.pointer})" if self.line else f"{self.file}: {self.message} ({self.pointer})"

    def as_json(self) -> dict:
        return {"file": self.file, "line": self.line, "pointer": self.pointer, "message": self.message, **({"hint": self.hint} if self.hint else {})}


class Report:
    """Gathers problems while reading and writing; places are looked up once, at the end, and only when there are any.

    errors: what makes the source unusable (or, under --lenient, what was left out); warnings: what is not expressed or not as the user may think.
    """

    def __init__(self) -> None:
        self.errors: list[Problem] = []
        self.warnings: list[Problem] = []

    def error(self, message: str, node: Any = None, key: str | int | None = None, hint: str = "") -> None:
        self.errors.append(Problem(message, node, key, hint))

    def warn(self, message: str, node: Any = None, key: str | int | None = None, hint: str = "") -> None:
        self.warnings.append(Problem(message, node, key, hint))

    def located(self, problems: list[Problem]) -> list[Place]:
        """The problems with file, line and pointer. A source overrides this with what it knows."""
        return [Place("", 0, "", problem.message, problem.hint) for problem in problems]


# values of a document in the words of people who write documents
WORDS = {dict: "a mapping", list: "a list", str: "text", int: "a number", float: "a number", bool: "true or false", type(None): "empty"}
SHOWN = 40          # characters of a value that a message repeats
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def kind(value: Any) -> str:
    """"a list", "the number 3", "the text 'abc'", ... for messages."""
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) in (int, float):
        return f"the number {value}"
    return f"the text {quoted(value)}" if type(value) is str else WORDS.get(type(value), "something else")


def quoted(text: str) -> str:
    """A text of the document within a message: in quotes, short, on one line."""
    shown = text if len(text) <= SHOWN else text[:SHOWN] + "..."
    return "'" + UNPRINTABLE.sub(" ", shown) + "'"
