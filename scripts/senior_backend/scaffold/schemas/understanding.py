"""All declarations of types.ts and validators.ts, made once for both files."""
from __future__ import annotations

import dataclasses
import functools

from senior_backend.openapi.model import Api, MediaType, Schema
from senior_backend.scaffold.names import Names
from senior_backend.scaffold.schemas.facts import Facts
from senior_backend.scaffold.schemas.media import codec_of
from senior_backend.scaffold.schemas.shape import Shape
from senior_backend.scaffold.schemas.walk import Shared, Walk
from senior_backend.scaffold.typescript import literal
from senior_backend.scaffold.views import View, references


@dataclasses.dataclass(slots=True)
class Declaration:
    """A type of types.ts and its validator: export `name` and export `name`Schema."""
    name: str
    shape: Shape
    description: str
    typed: bool = True                 # False: the validator alone is declared; its type is an expression
    validated: bool = True             # False: the type alone is declared


class Understanding:
    """Walks the components in an order in which validators can be declared; operations are added by planning."""

    def __init__(self, api: Api, names: Names):
        self.api, self.names = api, names
        self.facts = Facts(api, names.views)
        self.shared = Shared(api.report)
        self.shared.endless = endless_references(api.schemas)
        self.walks = {view: Walk(names, self.facts, view, self.shared) for view in View}
        for walk in self.walks.values():
            walk.whole = self.walks[View.WHOLE]
        self.binary = binary_components(api, names)
        self.components = {declaration.name: declaration for key, view in self.order() for declaration in [self.component(key, view)]}
        self.operations: list[Declaration] = []
        self.statements: list[str] = []        # types of requests and replies, in the order of the operations
        self.statuses: set[str] = set()        # status unions that replies refer to

    def order(self) -> list[tuple[str, View]]:
        """(key, view) of every declaration, referred-to ones first wherever there is no cycle."""
        used = {View.WHOLE: set(self.api.schemas), View.REQUEST: self.names.views.used_by(request_roots(self.api)), View.RESPONSE: self.names.views.used_by(response_roots(self.api))}
        return [(key, view) for view in View for key in self.sorted_keys(used[view]) if self.names.views.of(key, view) is view]

    def sorted_keys(self, wanted: set[str]) -> list[str]:
        graph, done = self.names.views.references, {}
        for root in self.api.schemas:
            work = [(root, iter(graph[root]))] if root in wanted and root not in done else []
            entered = {root}
            while work:
                key, targets = work[-1]
                fresh = next((target for target in targets if target not in done and target not in entered), None)
                if fresh is None:
                    done[key] = None
                    work.pop()
                else:
                    entered.add(fresh)
                    work.append((fresh, iter(graph[fresh])))
        return list(done)

    def component(self, key: str, view: View) -> Declaration:
        walk, schema, name = self.walks[view], self.api.schemas[key], self.names.schema(key, view)
        walk.component, walk.binary = key, self.binary.get(key, "string")
        shape = walk.shape(schema)
        walk.component, walk.binary = "", "string"
        if shape.deferred:
            shape = dataclasses.replace(shape, zod=f"z.lazy(() => {shape.noted})", meta="")
        if name != key:
            own = {"component": key, **({"view": view.value.lower()} if view.value else {})}
            shape = dataclasses.replace(shape, zod=shape.noted, meta=literal(own))
        if shape.members is not None and (shape.bases or shape.braced):
            self.shared.interfaces[name] = shape.members
        self.shared.declared.add(name)
        return Declaration(name, shape, text_of(schema))


def text_of(schema: Schema) -> str:
    """The description of a declaration."""
    if not isinstance(schema, dict):
        return ""
    lines = [schema.get("description") or schema.get("title") or ""]
    return "\n".join([*filter(None, lines), *(["@deprecated"] if schema.get("deprecated") is True else [])])


def media_of_requests(api: Api) -> list[MediaType]:
    return [media for operation in api.operations if operation.body for media in operation.body.media]


def media_of_responses(api: Api) -> list[MediaType]:
    return [media for operation in api.operations for response in operation.responses for media in response.media]


def keys_in(media_types: list[MediaType]) -> list[str]:
    return [key for media in media_types if isinstance(media.schema, dict) for key in references(media.schema, set())]


def request_roots(api: Api) -> list[str]:
    parameters = [key for operation in api.operations for parameter in operation.parameters if isinstance(parameter.schema, dict) for key in references(parameter.schema, set())]
    return keys_in(media_of_requests(api)) + parameters


def response_roots(api: Api) -> list[str]:
    return keys_in(media_of_responses(api))


def binary_components(api: Api, names: Names) -> dict[str, str]:
    """Components that are read from multipart bodies -> "file", or "both" when they are also read or written otherwise."""
    requests = media_of_requests(api)
    multipart = [media for media in requests if codec_of(media.content_type, media.schema) == "multipart"]
    if not multipart:
        return {}
    files = names.views.used_by(keys_in(multipart))
    others = names.views.used_by(keys_in([media for media in requests if media not in multipart]) + response_roots(api))
    return {key: "both" if key in others else "file" for key in files}


@functools.lru_cache(maxsize=1)
def understand(names: Names) -> Understanding:
    """The understanding of an api; the same object for the same names."""
    return Understanding(names.api, names)


def endless_references(schemas: dict[str, Schema]) -> set[tuple[str, str]]:
    """The pairs (component, what it refers to) that have to be cut: those inside allOf first, since alternatives carry the types."""
    inward = {key: direct(schema, ("allOf",)) for key, schema in schemas.items()}
    every = {key: direct(schema, ("allOf", "oneOf", "anyOf")) for key, schema in schemas.items()}
    if not any(every.values()):
        return set()
    cut = {(source, target) for source, target in within_cycles(every) if target in inward[source]}
    left = {key: [target for target in targets if (key, target) not in cut] for key, targets in every.items()}
    return cut | within_cycles(left)


def direct(schema: Schema, keywords: tuple[str, ...]) -> list[str]:
    found, pending = [], [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            if "$ref" in node:
                found.append(node["$ref"])
            for keyword in keywords:
                pending.extend(node.get(keyword, ()))
    return found


def within_cycles(graph: dict[str, list[str]]) -> set[tuple[str, str]]:
    """The edges from whose end a path leads back to their start."""
    return {(source, target) for source, targets in graph.items() for target in targets if source in reached(graph, target)}


def reached(graph: dict[str, list[str]], start: str) -> set[str]:
    found, pending = {start}, [start]
    while pending:
        fresh = [target for target in graph[pending.pop()] if target not in found]
        found.update(fresh)
        pending.extend(fresh)
    return found
