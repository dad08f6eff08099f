"""Relations as an OpenAPI document: their schemas, and the operations on lists, rows, and what hangs on rows."""
from __future__ import annotations

import dataclasses
import re
import urllib.parse
from typing import Any, Iterator

from senior_backend.postgres.model import Id
from senior_backend.tables.kinds import SHARED, Kinds, Schema, component_key, nullable
from senior_backend.tables.relations import Column, ForeignKey, Relation

RESERVED = ("limit", "cursor", "sort", "filter", "__proto__")
PLAIN_NAME = re.compile(r"(?!__proto__\Z)\w[\w-]*\Z", re.ASCII)
MOST_VALUES, MOST_ROWS, USUAL_ROWS = 100, 100, 20
PARAMETERS = {
    "Limit": {"name": "limit", "in": "query", "description": "The most rows that one page holds.", "schema": {"type": "integer", "minimum": 1, "maximum": MOST_ROWS, "default": USUAL_ROWS}},
    "Cursor": {"name": "cursor", "in": "query", "description": "Where the page begins: nextCursor of the page before, given with the same sort.",
               "schema": {"type": "string", "maxLength": 8192, "pattern": r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{11}$"}},
    "IfMatch": {"name": "If-Match", "in": "header", "description": "The ETag of the row that the change is meant for: it is refused (412) when the row was changed meanwhile.",
                "schema": {"type": "string", "maxLength": 1000}},
    "IdempotencyKey": {"name": "Idempotency-Key", "in": "header", "description": "A new one for each row that is to be made: repeated within a day, it gives the first answer again.",
                       "schema": {"type": "string", "minLength": 1, "maxLength": 255}},
}
RESPONSES = {
    "400": ("BadRequest", "The request does not fit this document; all failing fields are named."), "401": ("Unauthorized", "No credential, or one that is not valid."),
    "403": ("Forbidden", "The credential, or the role of the database, does not allow this."), "404": ("NotFound", "There is no such row."),
    "409": ("Conflict", "Another row has this value already, or other rows refer to this one."), "412": ("PreconditionFailed", "The row was changed meanwhile: If-Match does not hold."),
    "422": ("Unprocessable", "The database refuses these values: a row that is referred to is missing, or a rule is broken."),
    "428": ("PreconditionRequired", "Changes need the header If-Match."), "default": ("Failure", "Anything else; 503 when the database does not answer in time."),
}
FIELD_PROBLEM = {"type": "object", "required": ["field", "message"], "properties": {"field": {"type": "string"}, "message": {"type": "string"}}}
ERRORS = {
    "envelope": ("application/json", {"type": "object", "required": ["error", "meta"], "properties": {
        "error": {"type": "object", "required": ["code", "message"], "properties": {"code": {"type": "string"}, "message": {"type": "string"}, "details": {"type": "array", "items": FIELD_PROBLEM}}},
        "meta": {"type": "object", "required": ["requestId"], "properties": {"requestId": {"type": "string"}}}}}),
    "problem": ("application/problem+json", {"type": "object", "required": ["title", "status"], "properties": {
        "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"}, "detail": {"type": "string"}, "code": {"type": "string"},
        "errors": {"type": "array", "items": FIELD_PROBLEM}, "requestId": {"type": "string"}}}),
}


@dataclasses.dataclass(frozen=True)
class Choices:
    """What the flags decide about the document. errors: "envelope" | "problem"."""
    title: str
    errors: str
    require_if_match: bool
    idempotency: bool


@dataclasses.dataclass
class Resource:
    """A relation and what it is called. segment: its part of a path; schema: the start of its components' names; word: the end of its operations' names."""
    relation: Relation
    segment: str
    schema: str
    word: str
    tag: str

    @property
    def parameters(self) -> list[str]:
        """The names of its key in paths: the columns' own where a template can hold them."""
        names = self.relation.key
        return names if all(map(PLAIN_NAME.match, names)) and len(set(names)) == len(names) else [f"key{number}" for number in range(1, len(names) + 1)]

    @property
    def row_path(self) -> str:
        return "/".join((f"/{self.segment}", *(f"{{{name}}}" for name in self.parameters)))


@dataclasses.dataclass
class Operation:
    """One operation and what its handler does: list, get, create, replace, patch, delete, nested (rows that refer to another) or through (rows that a join table ties to another).

    owner, links: of nested and through; links are the foreign keys followed from the list's rows to the owner.
    """
    name: str
    method: str
    path: str
    action: str
    resource: Resource
    owner: Resource | None = None
    links: tuple[ForeignKey, ...] = ()


class Document:
    """root: the document; operations: in its order."""

    def __init__(self, relations: list[Relation], kinds: Kinds, choices: Choices, main_schema: str):
        self.kinds, self.choices = kinds, choices
        self.resources = name_resources(relations, main_schema, kinds.taken)
        self.by_id = {one.relation.id: one for one in self.resources}
        self.names: set[str] = set()
        self.unindexed: list[tuple[Id, str]] = []
        rows = [operation for resource in self.resources for operation in self.row_operations(resource)]
        self.operations = rows + [operation for resource in self.resources for operation in self.nested_operations(resource)]
        self.schemas: dict[str, Schema] = {}
        self.used: set[str] = set()
        self.parameters = dict(PARAMETERS)
        self.root = self.build()

    def build(self) -> dict[str, Any]:
        paths: dict[str, dict[str, Any]] = {}
        for operation in self.operations:
            paths.setdefault(operation.path, {})[operation.method] = self.operation(operation)
        for resource in self.resources:
            self.row_schemas(resource)
        media, error = ERRORS[self.choices.errors]
        responses = {name: {"description": text, "content": {media: {"schema": {"$ref": "#/components/schemas/ErrorBody"}}}} for name, text in RESPONSES.values() if name in self.used}
        parameters = {name: parameter for name, parameter in self.parameters.items() if name in self.used}
        return {
            "openapi": "3.1.0", "info": {"title": self.choices.title, "version": "1.0.0", "description": "Rows of the database's tables. Made from the database: change that, and generate again."},
            "security": [{"bearerAuth": []}], "tags": [{"name": one.tag, **({"description": one.relation.comment} if one.relation.comment else {})} for one in self.resources],
            "paths": paths, "components": {"securitySchemes": {"bearerAuth": {"type": "http", "scheme": "bearer"}}, "parameters": parameters, "responses": responses,
                                           "schemas": {**self.schemas, **self.kinds.components, "ErrorBody": error}},
        }

    # --- which operations there are
    def claimed(self, name: str) -> str:
        wish, number = name, 1
        while name.lower() in self.names:
            number += 1
            name = f"{wish}{number}"
        self.names.add(name.lower())
        return name

    def row_operations(self, resource: Resource) -> Iterator[Operation]:
        relation = resource.relation
        offered = {"list": ("get", True), "create": ("post", relation.can_create), "get": ("get", bool(relation.key)), "replace": ("put", relation.can_replace),
                   "patch": ("patch", relation.can_update), "delete": ("delete", relation.can_delete)}
        for action, (method, there) in offered.items():
            if there:
                path = f"/{resource.segment}" if action in ("list", "create") else resource.row_path
                yield Operation(self.claimed(action + resource.word), method, path, action, resource)

    def nested_operations(self, owner: Resource) -> Iterator[Operation]:
        """Lists of the rows that refer to a row, and of those that a join table ties to it."""
        taken: set[str] = set()
        if not owner.relation.key:
            return
        for resource in self.resources:
            for link in [one for one in resource.relation.foreign_keys if one.target == owner.relation.id]:
                yield self.nested(owner, resource, (link,), taken)
        for join in self.resources:
            for near, far in self.ends(join, owner):
                yield self.nested(owner, self.by_id[far.target], (far, near), taken, join)

    def ends(self, join: Resource, owner: Resource) -> Iterator[tuple[ForeignKey, ForeignKey]]:
        """The foreign key to the owner and the one to the other side."""
        pair = join.relation.joined
        for near, far in (pair, pair[::-1]) if pair else ():
            if near.target == owner.relation.id and far.target in self.by_id:
                yield near, far

    def nested(self, owner: Resource, resource: Resource, links: tuple[ForeignKey, ...], taken: set[str], join: Resource | None = None) -> Operation:
        """Later foreign keys of one table to another are told apart by their columns, later join tables by their name: the first keeps its path when others come."""
        segment, by = resource.segment, "-".join(links[-1].columns)
        if segment in taken:
            segment = f"{segment}-by-{urllib.parse.quote(f'{join.segment}-{by}' if join else by, safe='-_~')}"
        taken.add(segment)
        if not join and not resource.relation.serves(links[0].columns):
            self.unindexed.append((resource.relation.id, f"no index finds its rows by {', '.join(links[0].columns)}: {owner.row_path}/{segment} reads the whole table"))
        name = f"list{resource.word}Of{owner.word}" + ("" if segment == resource.segment else "By" + component_key(("", join.schema if join else "_".join(links[0].columns)), set()))
        return Operation(self.claimed(name), "get", f"{owner.row_path}/{segment}", "through" if join else "nested", resource, owner, links)

    # --- operations
    def operation(self, given: Operation) -> dict[str, Any]:
        resource, listing = given.resource, given.action in ("list", "nested", "through")
        relation, owner = resource.relation, given.owner or resource
        parameters = self.path_parameters(owner) if "{" in given.path else []
        parameters += self.list_parameters(resource, given.action == "list") if listing else []
        body, responses = {}, self.success(given, listing)
        statuses = ["400", "401", "403", *(["404"] if parameters and "{" in given.path else [])]
        if given.action in ("create", "replace", "patch"):
            component = {"create": f"New{resource.schema}", "replace": f"{resource.schema}Replacement", "patch": f"{resource.schema}Patch"}[given.action]
            body = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{component}"}}}}}
        if given.action in ("create", "replace", "patch", "delete"):
            statuses += ["409", "422"]
        if given.action in ("replace", "patch", "delete") and relation.version:
            parameters.append(self.parameter("IfMatch"))
            statuses += ["412"] + ["428"] * self.choices.require_if_match
        if given.action == "create" and self.choices.idempotency:
            parameters.append(self.parameter("IdempotencyKey"))
        for status in (*statuses, "default"):
            name = RESPONSES[status][0]
            self.used.add(name)
            responses[status] = {"$ref": f"#/components/responses/{name}"}
        return {"operationId": given.name, "tags": [resource.tag], "summary": summary(given), **({"parameters": parameters} if parameters else {}), **body, "responses": responses}

    def success(self, given: Operation, listing: bool) -> dict[str, Any]:
        if given.action == "delete":
            return {"204": {"description": "It is deleted."}}
        schema = {"$ref": f"#/components/schemas/{given.resource.schema}{'Page' if listing else ''}"}
        headers = {}
        if given.action == "create" and given.resource.relation.key:
            headers["Location"] = {"description": "Where the row is.", "required": True, "schema": {"type": "string"}}
        if given.resource.relation.version and not listing:
            headers["ETag"] = {"description": "Stands for this state of the row; for If-Match.", "required": True, "schema": {"type": "string"}}
        text = {"create": "The new row.", "get": "The row."}.get(given.action, "A page of rows." if listing else "The row as it is now.")
        return {"201" if given.action == "create" else "200": {"description": text, **({"headers": headers} if headers else {}), "content": {"application/json": {"schema": schema}}}}

    def parameter(self, name: str) -> dict[str, str]:
        self.used.add(name)
        return {"$ref": f"#/components/parameters/{name}"}

    def path_parameters(self, resource: Resource) -> list[dict[str, Any]]:
        made = []
        for name, column in zip(resource.parameters, (resource.relation.columns[name] for name in resource.relation.key)):
            schema = in_path(column, described(column, column.schema))
            text = schema.pop("description", "")
            made.append({"name": name, "in": "path", "required": True, **({"description": text} if text else {}), "schema": schema})
        return made

    def list_parameters(self, resource: Resource, filtered: bool) -> list[dict[str, Any]]:
        """Filters are for the list of all rows: that of the rows of another row is a filter already."""
        relation, parameters = resource.relation, [self.parameter("Limit"), self.parameter("Cursor")]
        if relation.key:
            text = f"The order, - for the other way round; ties by {', '.join(relation.key)}. By {relation.key[0]} when it is not given."
            orders = [order for name in relation.sort for order in (name, f"-{name}")]
            self.parameters[f"{resource.schema}Sort"] = {"name": "sort", "in": "query", "description": text, "schema": {"type": "string", "enum": orders}}
            parameters.append(self.parameter(f"{resource.schema}Sort"))
        return parameters + [one for name in relation.equal * filtered for one in self.filters(relation.columns[name], name in relation.sort)]

    def filters(self, column: Column, ranged: bool) -> Iterator[dict[str, Any]]:
        name = filter_name(column.name)
        schema = {key: value for key, value in column.schema.items() if key != "description"}
        many = {"type": "array", "items": schema, "minItems": 1, "maxItems": MOST_VALUES}
        yield {"name": name, "in": "query", "description": f"Rows whose {column.name} is one of these.", "schema": schema if column.kind.group == "boolean" else many}
        if ranged and column.kind.group in ("number", "time"):
            yield {"name": f"{name}[min]", "in": "query", "description": f"Rows whose {column.name} is this or more.", "schema": schema}
            yield {"name": f"{name}[max]", "in": "query", "description": f"Rows whose {column.name} is this or less.", "schema": schema}
        if column.nullable and ranged:
            yield {"name": f"{name}[null]", "in": "query", "description": f"Rows that have no {column.name} (true), or have one (false).", "schema": {"type": "boolean"}}

    # --- schemas
    def row_schemas(self, resource: Resource) -> None:
        relation, base = resource.relation, resource.schema
        shown = [one for one in relation.columns.values() if one.shown]
        self.schemas[base] = {**about(relation.comment), "type": "object", "required": [one.name for one in shown], "properties": {one.name: value(one) for one in shown}}
        self.schemas[f"{base}Page"] = {"type": "object", "required": ["items", "nextCursor"], "properties": {
            "items": {"type": "array", "items": {"$ref": f"#/components/schemas/{base}"}},
            "nextCursor": {"description": "cursor of the next page; null on the last one.", "type": ["string", "null"]}}}
        if relation.can_create:
            written = [one for one in relation.written if one.insert]
            self.schemas[f"New{base}"] = closed({one.name: given(one, one.name in relation.key) for one in written}, [one.name for one in written if one.required])
        if relation.can_replace:
            kept = {one.name: {**value(one), "readOnly": True} for one in shown if one not in relation.replaced}
            properties = {one.name: given(one) if one in relation.replaced else kept[one.name] for one in relation.columns.values() if one in relation.replaced or one.name in kept}
            self.schemas[f"{base}Replacement"] = closed(properties, [one.name for one in relation.replaced if one.required])
        if relation.can_update:
            self.schemas[f"{base}Patch"] = {**closed({one.name: given(one) for one in relation.replaced}, []), "minProperties": 1}


def closed(properties: dict[str, Schema], required: list[str]) -> Schema:
    return {"type": "object", **({"required": required} if required else {}), "properties": properties, "additionalProperties": False}


def value(column: Column) -> Schema:
    schema = described(column, column.schema)
    return nullable(schema) if column.nullable else schema


def given(column: Column, is_key: bool = False) -> Schema:
    """What a client may send for it."""
    return {**(in_path(column, value(column)) if is_key else value(column)), **({"writeOnly": True} if column.secret else {})}


def in_path(column: Column, schema: Schema) -> Schema:
    """An empty text has no place in a path."""
    return {"minLength": 1, **schema} if column.kind.group == "text" else schema


def described(column: Column, schema: Schema) -> Schema:
    return {**about(column.comment), **schema} if column.comment else dict(schema)


def about(text: str) -> dict[str, str]:
    return {"description": text} if text else {}


def filter_name(column: str) -> str:
    """The parameter that filters by a column; table.ts has the same rule."""
    return f"filter[{column}]" if column in RESERVED or "[" in column else column


def summary(given: Operation) -> str:
    table = given.resource.relation.table
    if given.owner:
        how = f" by {', '.join(given.links[-1].columns)}" if given.action == "nested" else " through " + ".".join(given.links[0].table.name)
        return f"The rows of {table} that belong to a row of {given.owner.relation.table}{how}"
    return {"list": f"The rows of {table}", "create": f"A new row of {table}", "get": f"A row of {table}", "replace": f"Replace a row of {table}", "patch": f"Change columns of a row of {table}",
            "delete": f"Delete a row of {table}"}[given.action]


def name_resources(relations: list[Relation], main_schema: str, taken: set[str]) -> list[Resource]:
    """Names for all: those of the main schema come first and need no schema in front."""
    taken.update(name.lower() for name in (*SHARED, "ErrorBody"))
    segments: set[str] = set()
    named = {}
    for relation in sorted(relations, key=lambda one: one.id.name[0] != main_schema):
        schema, name = relation.id.name
        label = name if schema == main_schema else f"{schema}.{name}"
        segment = urllib.parse.quote(label, safe="-_.~") if label.strip(".") else f"table-{len(label)}"
        segment = next(one for one in (segment, *(f"{segment}-{number}" for number in range(2, len(relations) + 2))) if one not in segments)
        segments.add(segment)
        base = family((schema, name) if schema == main_schema else (schema, f"{schema} {name}"), taken)
        named[relation.id] = Resource(relation, segment, base, base, label)
    return [named[relation.id] for relation in relations]


def family(name: tuple[str, str], taken: set[str]) -> str:
    """The start of the names of a resource's schemas, none of which is taken."""
    number, tried = 1, component_key(name, set())
    base = tried
    while names_of(base) & taken:
        number += 1
        base = f"{tried}{number}"
    taken.update(names_of(base))
    return base


def names_of(base: str) -> set[str]:
    return {one.lower() for one in (base, f"{base}Page", f"New{base}", f"{base}Replacement", f"{base}Patch")}
