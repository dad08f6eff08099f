"""Relations as an OpenAPI document: their schemas, and the operations on lists, rows, and what hangs on rows."""
from __future__ import annotations

import dataclasses
import re
import urllib.parse
from typing import Any, Iterator

from senior_backend.postgres.model import Id
from senior_backend.scaffold.typescript import numbered
from senior_backend.tables.kinds import SHARED, Kinds, Schema, component_key, nullable, reference
from senior_backend.tables.relations import Column, ForeignKey, Relation

RESERVED = ("limit", "cursor", "sort", "filter", "__proto__")
PLAIN_NAME = re.compile(r"(?!__proto__\Z)\w[\w-]*\Z", re.ASCII)
TEXT = {"type": "string"}
ACTIONS = {          # action -> method, summary, statuses besides 400, 401 and 403, what is answered
    "list": ("get", "The rows of {}", ("404",), "A page of rows."), "create": ("post", "A new row of {}", ("409", "422"), "The new row."), "get": ("get", "A row of {}", ("404",), "The row."),
    "replace": ("put", "Replace a row of {}", ("404", "409", "422"), "The row as it is now."), "patch": ("patch", "Change columns of a row of {}", ("404", "409", "422"), "The row as it is now."),
    "delete": ("delete", "Delete a row of {}", ("404", "409", "422"), "It is deleted."), "nested": ("get", "The rows of {} that belong to a row of {}", ("404",), "A page of rows."),
}
BODIES = {"create": "New{}", "replace": "{}Replacement", "patch": "{}Patch"}
PARAMETERS = {          # component -> name, place, description, schema
    "Limit": ("limit", "query", "The most rows that one page holds.", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}),
    "Cursor": ("cursor", "query", "Where the page begins: nextCursor of the page before, given with the same sort.", {**TEXT, "maxLength": 8192, "pattern": r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{11}$"}),
    "IfMatch": ("If-Match", "header", "The ETag of the row that the change is meant for: it is refused (412) when the row was changed meanwhile.", {**TEXT, "maxLength": 1000}),
    "IdempotencyKey": ("Idempotency-Key", "header", "A new one for each row that is to be made: repeated within a day, it gives the first answer again.", {**TEXT, "minLength": 1, "maxLength": 255}),
}
RESPONSES = {
    "400": ("BadRequest", "The request does not fit this document; all failing fields are named."), "401": ("Unauthorized", "No credential, or one that is not valid."),
    "403": ("Forbidden", "The credential, or the role of the database, does not allow this."), "404": ("NotFound", "There is no such row, or no page behind this cursor."),
    "409": ("Conflict", "Another row has this value already, the row that this refers to is missing, or other rows refer to this one."), "412": ("PreconditionFailed", "The row was changed meanwhile: If-Match does not hold."),
    "422": ("Unprocessable", "The database refuses these values: a rule is broken, or it has no place for them."),
    "428": ("PreconditionRequired", "Changes need the header If-Match."), "default": ("Failure", "Anything else; 503 when the database does not answer in time."),
}


def record(required: str, **properties: Schema) -> Schema:
    return {"type": "object", "required": required.split(), "properties": properties}


PROBLEMS = {"type": "array", "items": record("field message", field=TEXT, message=TEXT)}
ERRORS = {
    "envelope": ("application/json", record("error meta", error=record("code message", code=TEXT, message=TEXT, details=PROBLEMS), meta=record("requestId", requestId=TEXT))),
    "problem": ("application/problem+json", record("title status", type=TEXT, title=TEXT, status={"type": "integer"}, detail=TEXT, code=TEXT, errors=PROBLEMS, requestId=TEXT)),
}


@dataclasses.dataclass(frozen=True)
class Choices:
    """What the flags decide about the document. errors: "envelope" | "problem"; schema: the one whose tables are named without it."""
    title: str
    schema: str
    errors: str
    require_if_match: bool
    idempotency: bool


@dataclasses.dataclass
class Resource:
    """A relation and what it is called. segment: its part of a path; base: the start of its components' names and the end of its operations'."""
    relation: Relation
    segment: str
    base: str
    tag: str

    @property
    def parameters(self) -> list[str]:
        """The names of its key in paths: the columns' own where a template can hold them."""
        names = self.relation.key
        return names if all(map(PLAIN_NAME.match, names)) else [f"key{number}" for number in range(1, len(names) + 1)]

    @property
    def row_path(self) -> str:
        return "/".join((f"/{self.segment}", *(f"{{{name}}}" for name in self.parameters)))


@dataclasses.dataclass
class Operation:
    """action: a key of ACTIONS. owner, links: of nested ones, the row that the listed rows belong to, and the foreign keys from it or from the join table (to the listed rows, to the owner)."""
    name: str
    action: str
    path: str
    resource: Resource
    owner: Resource | None = None
    links: tuple[ForeignKey, ...] = ()

    @property
    def lists(self) -> bool:
        return self.action in ("list", "nested")


class Document:
    """root: the document; operations: in its order; unindexed: tables of which a nested list reads all rows, and why."""

    def __init__(self, relations: list[Relation], kinds: Kinds, choices: Choices):
        self.kinds, self.choices = kinds, choices
        self.resources = name_resources(relations, choices.schema, kinds.taken)
        self.by_id = {one.relation.id: one for one in self.resources}
        self.names: set[str] = set()
        self.unindexed: list[tuple[Id, str]] = []
        rows = [operation for resource in self.resources for operation in self.row_operations(resource)]
        self.links: dict[Id, list[tuple[Resource, tuple[ForeignKey, ...], str]]] = {}
        self.find_links()
        self.operations = rows + [operation for owner in self.resources if owner.relation.key for operation in self.nested_operations(owner)]
        self.parameters, self.responses, self.schemas = dict[str, Any](), dict[str, Any](), dict[str, Schema]()
        self.root = self.build()

    def build(self) -> dict[str, Any]:
        paths: dict[str, dict[str, Any]] = {}
        for operation in self.operations:
            paths.setdefault(operation.path, {})[ACTIONS[operation.action][0]] = self.operation(operation)
        for resource in self.resources:
            self.row_schemas(resource)
        self.schemas |= {**self.kinds.components, "ErrorBody": ERRORS[self.choices.errors][1]}
        return {
            "openapi": "3.1.0", "info": {"title": self.choices.title, "version": "1.0.0", "description": "Rows of the database's tables. Made from the database: change that, and generate again."},
            "security": [{"bearerAuth": []}], "tags": [{"name": one.tag, **about(one.relation.comment)} for one in self.resources], "paths": paths,
            "components": {"securitySchemes": {"bearerAuth": {"type": "http", "scheme": "bearer"}}, "parameters": self.parameters, "responses": self.responses, "schemas": self.schemas},
        }

    # --- which operations there are
    def claimed(self, wish: str) -> str:
        name = next(one for one in numbered(wish) if one.lower() not in self.names)
        self.names.add(name.lower())
        return name

    def row_operations(self, resource: Resource) -> Iterator[Operation]:
        for action in ("list", "create", "get", "replace", "patch", "delete"):
            if resource.relation.may(action):
                yield Operation(self.claimed(action + resource.base), action, f"/{resource.segment}" if action in ("list", "create") else resource.row_path, resource)

    def find_links(self) -> None:
        """Which rows refer to those of a table: (listed, foreign keys, how it is told from others of the same name), direct ones first."""
        for resource in self.resources:
            for link in resource.relation.foreign_keys:
                self.links.setdefault(link.target, []).append((resource, (link,), "-".join(link.columns)))
        for join in self.resources:
            pair = join.relation.joined
            for near, far in (pair, pair[::-1]) if pair else ():
                if far.target in self.by_id:
                    self.links[near.target].append((self.by_id[far.target], (far, near), f"{join.segment}-{'-'.join(near.columns)}"))

    def nested_operations(self, owner: Resource) -> Iterator[Operation]:
        """Later foreign keys of one table to another are told apart by their columns, later join tables by their name: the first keeps its path when others come."""
        taken: set[str] = set()
        for resource, links, by in self.links.get(owner.relation.id, ()):
            first = resource.segment not in taken
            segment = resource.segment if first else f"{resource.segment}-by-{urllib.parse.quote(by, safe='-_~%')}"
            taken.add(segment)
            relation, columns = resource.relation, links[0].columns
            if len(links) == 1 and not any(index.serves(columns) for index in relation.indexes):
                self.unindexed.append((relation.id, f"no index finds its rows by {', '.join(columns)}: {owner.row_path}/{segment} reads the whole table"))
            name = self.claimed(f"list{resource.base}Of{owner.base}" + ("" if first else f"By{component_key(by, set())}"))
            yield Operation(name, "nested", f"{owner.row_path}/{segment}", resource, owner, links)

    # --- operations
    def operation(self, given: Operation) -> dict[str, Any]:
        resource, relation = given.resource, given.resource.relation
        _, summary, statuses, _ = ACTIONS[given.action]
        parameters = self.path_parameters(given.owner or resource) if "{" in given.path else []
        if given.lists:
            parameters += self.list_parameters(resource, given.action == "list")
        if relation.version and given.action in ("replace", "patch", "delete"):
            parameters.append(self.parameter("IfMatch", *PARAMETERS["IfMatch"]))
            statuses += ("412", "428") if self.choices.require_if_match else ("412",)
        if given.action == "create" and self.choices.idempotency:
            parameters.append(self.parameter("IdempotencyKey", *PARAMETERS["IdempotencyKey"]))
        body = {"requestBody": {"required": True, "content": content(reference(BODIES[given.action].format(resource.base)))}} if given.action in BODIES else {}
        through = f" through {'.'.join(given.links[0].table.name)}" if len(given.links) > 1 else f" by {', '.join(given.links[0].columns)}" if given.links else ""
        return {"operationId": given.name, "tags": [resource.tag], "summary": summary.format(relation.name, given.owner.relation.name if given.owner else "") + through,
                **({"parameters": parameters} if parameters else {}), **({"x-closed-query": True} if given.lists else {}), **body, "responses": self.success(given) | {status: self.response(status) for status in ("400", "401", "403", *statuses, "default")}}

    def response(self, status: str) -> Schema:
        name, text = RESPONSES[status]
        self.responses[name] = {"description": text, "content": content(reference("ErrorBody"), ERRORS[self.choices.errors][0])}
        return {"$ref": f"#/components/responses/{name}"}

    def success(self, given: Operation) -> dict[str, Any]:
        answer: dict[str, Any] = {"description": ACTIONS[given.action][3]}
        if given.action == "delete":
            return {"204": answer}
        tells = {"Location": ("Where the row is.", given.action == "create"), "ETag": ("Stands for this state of the row; for If-Match.", bool(given.resource.relation.version) and not given.lists)}
        headers = {name: {"description": text, "required": True, "schema": TEXT} for name, (text, there) in tells.items() if there}
        return {"201" if given.action == "create" else "200": answer | ({"headers": headers} if headers else {}) | {"content": content(reference(f"{given.resource.base}{'Page' * given.lists}"))}}

    def parameter(self, component: str, name: str, place: str, text: str, schema: Schema) -> Schema:
        self.parameters[component] = parameter(name, place, text, schema)
        return {"$ref": f"#/components/parameters/{component}"}

    def path_parameters(self, resource: Resource) -> list[Schema]:
        columns = [resource.relation.columns[name] for name in resource.relation.key]
        return [{**parameter(name, "path", one.comment, in_path(one, one.schema)), "required": True} for name, one in zip(resource.parameters, columns)]

    def list_parameters(self, resource: Resource, filtered: bool) -> list[Schema]:
        """Filters are for the list of all rows: that of the rows of another row is a filter already."""
        relation, parameters = resource.relation, [self.parameter(name, *PARAMETERS[name]) for name in ("Limit", "Cursor")]
        if relation.key:
            text = f"The order, - for the other way round; ties by {', '.join(relation.key)}. By {relation.key[0]} when it is not given."
            orders = dict.fromkeys(order for name in relation.sort for order in (name, f"-{name}"))      # `--` may be a column, or `-` the other way round
            parameters.append(self.parameter(f"{resource.base}Sort", "sort", "query", text, {**TEXT, "enum": list(orders)}))
        return parameters + [one for name in relation.equal * filtered for one in filters(relation.columns[name], name in relation.sort)]

    # --- schemas
    def row_schemas(self, resource: Resource) -> None:
        relation, base = resource.relation, resource.base
        rows = {one.name: value(one) for one in relation.shown}
        self.schemas[base] = {**about(relation.comment), "type": "object", "required": list(rows), "properties": rows}
        cursor = {"description": "cursor of the next page; null on the last one.", "type": ["string", "null"]}
        self.schemas[f"{base}Page"] = record("items nextCursor", items={"type": "array", "items": reference(base)}, nextCursor=cursor)
        changed = {one.name: given(one) for one in relation.changed}
        kept = {name: {**schema, "readOnly": True} for name, schema in rows.items() if name not in changed}
        made = {one.name: in_path(one, given(one)) if one.name in relation.key else given(one) for one in relation.created}
        whole = {name: changed.get(name) or kept[name] for name in relation.columns if name in changed or name in kept}
        for action, properties, required in (("create", made, relation.created), ("replace", whole, relation.changed), ("patch", changed, [])):
            if relation.may(action):
                names = [one.name for one in required if one.required]
                self.schemas[BODIES[action].format(base)] = {"type": "object", **({"required": names} if names else {}), "properties": properties, "additionalProperties": False,
                                                             **({"minProperties": 1} if action == "patch" else {})}


def filters(column: Column, ranged: bool) -> Iterator[Schema]:
    name = f"filter[{column.name}]" if column.name in RESERVED or "[" in column.name else column.name           # list.ts has the same rule
    schema = {key: value for key, value in column.schema.items() if key != "description"}
    several = {"type": "array", "items": schema, "minItems": 1, "maxItems": 20}
    yield parameter(name, "query", f"Rows whose {column.name} is one of these.", schema if column.kind.group == "boolean" else several)
    if ranged and column.kind.group in ("number", "time"):
        yield parameter(f"{name}[min]", "query", f"Rows whose {column.name} is this or more.", schema)
        yield parameter(f"{name}[max]", "query", f"Rows whose {column.name} is this or less.", schema)
    if ranged and column.nullable:
        yield parameter(f"{name}[null]", "query", f"Rows that have no {column.name} (true), or have one (false).", {"type": "boolean"})


def parameter(name: str, place: str, text: str, schema: Schema) -> Schema:
    return {"name": name, "in": place, **about(text), "schema": schema}


def content(schema: Schema, media: str = "application/json") -> Schema:
    return {media: {"schema": schema}}


def about(text: str) -> Schema:
    return {"description": text} if text else {}


def value(column: Column) -> Schema:
    schema = {**about(column.comment), **column.schema}
    return nullable(schema) if column.nullable else schema


def given(column: Column) -> Schema:
    """What a client may send for it."""
    return {**value(column), **({"writeOnly": True} if column.secret else {})}


def in_path(column: Column, schema: Schema) -> Schema:
    """An empty text has no place in a path."""
    if column.kind.group != "text":
        return schema
    return {"allOf": [schema, {**TEXT, "minLength": 1}]} if "$ref" in schema else {"minLength": 1, **schema}


def name_resources(relations: list[Relation], main_schema: str, taken: set[str]) -> list[Resource]:
    """Names for all: those of the main schema come first and need no schema in front."""
    taken.update(name.lower() for name in (*SHARED, "ErrorBody"))
    segments: set[str] = set()
    named = {}
    for relation in sorted(relations, key=lambda one: one.id.name[0] != main_schema):
        schema, name = relation.id.name
        label = name if schema == main_schema else f"{schema}.{name}"
        segment = urllib.parse.quote(label, safe="-_.~") if label.strip(".") else f"table-{len(label)}"
        segment = next(one for one in numbered(segment) if one not in segments)
        segments.add(segment)
        base = next(one for one in numbered(component_key(label, set())) if not family(one) & taken)
        taken |= family(base)
        named[relation.id] = Resource(relation, segment, base, label)
    return [named[relation.id] for relation in relations]


def family(base: str) -> set[str]:
    return {one.format(base).lower() for one in ("{}", "{}Page", *BODIES.values())}
