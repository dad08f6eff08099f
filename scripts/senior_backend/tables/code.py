"""What relations are in TypeScript: tables.ts, which describes them to table.ts and list.ts, and the first text of their handlers."""
from __future__ import annotations

from typing import Any, Iterable

from senior_backend.openapi.model import Api
from senior_backend.scaffold.names import Names, camel, distinct
from senior_backend.scaffold.plan import Implementation
from senior_backend.scaffold.typescript import RESERVED, comment, flat_literal, key, literal, string
from senior_backend.scaffold.writing.owned import import_line
from senior_backend.tables.document import Document, Operation, Resource
from senior_backend.tables.relations import ForeignKey, Relation

HEADER = "// Generated from the database: change that and generate again, not this file.\n"
ASSETS = ("database.ts", "list.ts", "table.ts", "values.ts")
PACKAGES = {"pg": "^8.23.0"}
DEV_PACKAGES = {"@types/pg": "^8.20.0"}
CODECS = "array bigint boolean bytea composite date float hstore integer interval json money multirange padded range real safeInteger sureJson text time timestamp timestamptz timetz".split()
IDEMPOTENCY_TABLE = "api_idempotency_keys"
WIDTH = 118


class Code:
    def __init__(self, document: Document, api: Api, main_schema: str):
        self.document, self.names, self.main_schema = document, Names(api), main_schema
        wishes = {one.relation.id: f"{camel(one.word)}Table" for one in document.resources}
        self.variables = {identity: name for identity, name in distinct(wishes, RESERVED, "Table").items()}
        related = {one.name: one.name[4].lower() + one.name[5:] for one in document.operations if one.owner}
        self.related = distinct(related, RESERVED | set(self.variables.values()), "Rows")

    # --- tables.ts
    def tables(self) -> str:
        entries = [self.table(one) for one in self.document.resources] + [self.relation(one) for one in self.document.operations if one.owner]
        text = "\n".join(entries)
        codecs = [name for name in CODECS if f" {name}" in text or f"({name}" in text]
        used = sorted({one for one in codecs if any(mark + one + end in text for mark in (": ", "(", ", ") for end in (",", "(", ")"))})
        idempotency = f"\n/** See idempotency.sql. */\nexport const idempotencyTable: Name = {flat_literal([self.main_schema, IDEMPOTENCY_TABLE])};\n" if self.document.choices.idempotency else ""
        imports = [("./list.ts", ["type Related"]) if any(one.owner for one in self.document.operations) else ("", []), ("./table.ts", ["type Name"] * bool(idempotency) + ["type Table"]),
                   ("./values.ts", used)]
        return HEADER + "".join(import_line(module, names) for module, names in imports if names) + "import type * as rows from './types.ts';\n" + idempotency + "\n" + text

    def table(self, resource: Resource) -> str:
        relation = resource.relation
        columns = {one.name: one for one in relation.columns.values() if one.read or one.insert}
        members = [f"name: {flat_literal(list(relation.id.name))}", f"path: {string(resource.segment)}",
                   "columns: {\n" + "".join(f"    {key(name)}: {one.kind.codec},\n" for name, one in columns.items()) + "  }", names_member("key", relation.key),
                   names_member("hidden", [name for name, one in columns.items() if not one.shown]), names_member("replaced", [one.name for one in relation.replaced] if relation.can_replace else []),
                   names_member("sort", relation.sort if relation.key else []), names_member("nullable", [name for name in relation.sort if relation.columns[name].nullable and relation.key]),
                   self.pages(relation), self.version(relation), "parent: true" if relation.parent and not relation.reason else "", self.constraints(relation)]
        text = "".join(f"  {member},\n" for member in members if member and not member.endswith(": []") or member == "key: []")
        about = comment("\n\n".join(filter(None, (relation.table, relation.comment))))
        return f"{about}export const {self.variables[relation.id]}: Table<rows.{self.names.schema(resource.schema)}> = {{\n{text}}};\n"

    def pages(self, relation: Relation) -> str:
        if relation.key:
            return ""
        if relation.id.kind == "table" and not relation.partitioned and not relation.parent:
            return "pages: 'ctid'"
        return names_member("pages", [one.name for one in relation.columns.values() if one.shown and one.kind.ordered])

    def version(self, relation: Relation) -> str:
        if not relation.version:
            return ""
        column = relation.columns[relation.version]
        marks = {"onCreate": column.required, "required": self.document.choices.require_if_match}
        given = {"column": column.name, "next": "counter" if column.kind.is_whole else "clock", **{mark: True for mark, is_set in marks.items() if is_set}}
        return f"version: {flat_literal(given)}"

    def constraints(self, relation: Relation) -> str:
        known = {name: columns for name, columns in sorted(relation.constraints.items()) if columns and all(relation.columns[one].shown for one in columns)} if not relation.reason else {}
        return f"constraints: {literal(known, '  ')}"

    def relation(self, operation: Operation) -> str:
        resource, owner, link = operation.resource, operation.owner, operation.links[-1]
        members = [f"table: {self.variables[resource.relation.id]}", f"owner: {self.variables[owner.relation.id]}", f"pairs: {flat_literal(self.pairs(link, owner.relation))}"]
        if operation.action == "through":
            far = operation.links[0]
            pairs = flat_literal(self.pairs(far, resource.relation))
            members.append(f"through: {{ name: {flat_literal(list(far.table.name))}, pairs: {pairs} }}")
        type_name = self.names.schema(resource.schema)
        return f"export const {self.related[operation.name]}: Related<rows.{type_name}> = {{\n" + "".join(f"  {member},\n" for member in members) + "};\n"

    def pairs(self, link: ForeignKey, target: Relation) -> list[list[str]]:
        """Columns of the foreign key and what they refer to."""
        return [list(pair) for pair in zip(link.columns, link.target_columns or target.key)]

    # --- handlers
    def implementations(self) -> dict[str, Implementation]:
        return {operation.name: self.implementation(operation) for operation in self.document.operations}

    def implementation(self, operation: Operation) -> Implementation:
        relation, table = operation.resource.relation, self.variables[operation.resource.relation.id]
        etag, address = bool(relation.version), path_expression(operation.owner or operation.resource)
        match = ", headers['If-Match']" if etag and operation.action in ("replace", "patch", "delete") else ""
        verb = {"list": "listRows", "nested": "listRelated", "through": "listRelated"}.get(operation.action, f"{operation.action}Row")
        arguments = {"list": f"{table}, query", "create": f"{table}, body", "get": f"{table}, {address}", "delete": f"{table}, {address}{match}",
                     "replace": f"{table}, {address}, body{match}", "patch": f"{table}, {address}, body{match}"}.get(operation.action) or f"{self.related[operation.name]}, {address}, query"
        used = [part for part in ("path", "query", "headers", "body") if part in {"list": "query", "create": "body"}.get(operation.action, f"path {'query' if operation.owner else ''} "
                f"{'body' if operation.action in ('replace', 'patch') else ''} {'headers' if match else ''}").split()]
        imports = {"./tables.ts": [self.related[operation.name] if operation.owner else table], "./list.ts" if verb in ("listRows", "listRelated") else "./table.ts": [verb]}
        if operation.action == "create":
            return self.creation(operation, table, imports)
        if operation.action == "delete":
            return Implementation(imports, used, False, f"{{\n  await {verb}({arguments});\n  return {{ status: 204 }};\n}}")
        if etag and not operation.owner and operation.action != "list":
            imports["./table.ts"].append("etagOf")
            return Implementation(imports, used, False, f"{{\n  const row = await {verb}({arguments});\n  return {{ status: 200, headers: {{ ETag: etagOf({table}, row) }}, body: row }};\n}}")
        return Implementation(imports, used, False, f"({{\n  status: 200,\n  body: await {verb}({arguments}),\n}})")

    def creation(self, operation: Operation, table: str, imports: dict[str, list[str]]) -> Implementation:
        relation, once = operation.resource.relation, self.document.choices.idempotency
        headers = [f"Location: locationOf({table}, row)"] * bool(relation.key) + [f"ETag: etagOf({table}, row)"] * bool(relation.version)
        imports["./table.ts"] += ["locationOf"] * bool(relation.key) + ["etagOf"] * bool(relation.version)
        reply = f"return {{ status: 201, headers: {{ {', '.join(headers)} }}, body: row }};"
        if not once:
            return Implementation(imports, ["body"], False, f"{{\n  const row = await createRow({table}, body);\n  {reply}\n}}")
        imports["./idempotency.ts"] = ["once"]
        inner = f"async (session) => {{\n    const row = await createRow({table}, body, session);\n    {reply}\n  }}"
        return Implementation(imports, ["headers", "body"], True, f"\n  once(context, headers['Idempotency-Key'], body, {inner})")


def path_expression(resource: Resource) -> str:
    """The key as table.ts takes it, by the columns' names."""
    if resource.parameters == resource.relation.key:
        return "path"
    return "{ " + ", ".join(f"{key(column)}: path.{name}" for name, column in zip(resource.parameters, resource.relation.key)) + " }"


def names_member(name: str, names: Iterable[str]) -> str:
    return f"{name}: {literal(list(names), '  ')}"


def idempotency_sql(schema: str) -> str:
    from senior_backend.postgres.quote import qualified
    table = qualified(schema, IDEMPOTENCY_TABLE)
    return (f"-- What idempotency.ts keeps: apply it with database_migration_tool.py --migrate, or psql. The role of DATABASE_URL needs the four rights on it.\n"
            f"CREATE TABLE {table} (\n  scope text NOT NULL,\n  key text NOT NULL,\n  fingerprint text NOT NULL,\n  reply text,\n  made timestamptz NOT NULL DEFAULT now(),\n"
            f"  PRIMARY KEY (scope, key)\n);\n-- rows older than a day count for nothing: DELETE FROM {table} WHERE made < now() - interval '1 day';\nCREATE INDEX ON {table} (made);\n")
