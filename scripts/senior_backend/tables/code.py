"""What relations are in TypeScript: tables.ts, which describes them to table.ts and list.ts, and the first text of their handlers."""
from __future__ import annotations

import re

from senior_backend.openapi.model import Api
from senior_backend.postgres.quote import qualified
from senior_backend.scaffold.generate import asset
from senior_backend.scaffold.typescript import RESERVED, Names, camel, comment, distinct, flat_literal, key, literal
from senior_backend.scaffold.plan import Implementation
from senior_backend.scaffold.writing.writer import import_line
from senior_backend.tables.document import Document, Operation, Resource
from senior_backend.tables.relations import Relation

HEADER = "// Generated from the database: change that and generate again, not this file.\n"
ASSETS = ("database.ts", "list.ts", "table.ts", "values.ts")
PACKAGES, DEV_PACKAGES = {"pg": "^8.23.0"}, {"@types/pg": "^8.20.0"}
STRINGS = re.compile(r"'(?:[^'\\]|\\.)*'|/\*.*?\*/", re.DOTALL)
IDEMPOTENCY_TABLE = "api_idempotency_keys"
IDEMPOTENCY = """-- What idempotency.ts keeps: apply it with database_migration_tool.py --migrate, or psql. The role of DATABASE_URL needs the four rights on it.
CREATE TABLE {table} (
  scope text NOT NULL,
  key text NOT NULL,
  fingerprint text NOT NULL,
  reply text,
  made timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (scope, key)
);
-- rows older than a day count for nothing: DELETE FROM {table} WHERE made < now() - interval '1 day';
CREATE INDEX ON {table} (made);
"""


class Code:
    def __init__(self, document: Document, api: Api):
        self.document, self.names, self.choices = document, Names(api), document.choices
        self.nested = [one for one in document.operations if one.owner]
        self.variables = distinct({one.relation.id: f"{camel(one.base)}Table" for one in document.resources}, RESERVED, "Table")
        self.related = distinct({one.name: one.name[4].lower() + one.name[5:] for one in self.nested}, RESERVED | set(self.variables.values()), "Rows")

    # --- tables.ts
    def tables(self) -> str:
        text = "\n".join([*map(self.table, self.document.resources), *map(self.relation, self.nested)])
        imports = import_line("./list.ts", ["type Related"]) * bool(self.nested) + import_line("./table.ts", ["type Name"] * self.choices.idempotency + ["type Table"])
        if self.choices.idempotency:
            text = f"/** See idempotency.sql. */\nexport const idempotencyTable: Name = {flat_literal([self.choices.schema, IDEMPOTENCY_TABLE])};\n\n{text}"
        codecs = sorted(set(re.findall(r"\b\w+\b(?!:)", STRINGS.sub("", text))) & set(re.findall(r"^export (?:const|function) (\w+)", asset("values.ts"), re.MULTILINE)))
        return HEADER + imports + "import type * as rows from './types.ts';\n" + import_line("./values.ts", codecs) * bool(codecs) + "\n" + text

    def table(self, resource: Resource) -> str:
        relation = resource.relation
        columns = {one.name: one for one in relation.columns.values() if one.read or one.insert or one.update}
        known = {name: names for name, names in sorted(relation.constraints.items()) if all(relation.columns[one].shown for one in names)}
        lists = {"hidden": [name for name, one in columns.items() if not one.shown], "replaced": [one.name for one in relation.changed] if relation.may("replace") else [],
                 "sort": relation.sort if relation.key else [], "nullable": [name for name in relation.sort if relation.columns[name].nullable and relation.key]}
        text = member("name", list(relation.id.name)) + member("path", resource.segment)
        text += "  columns: {\n" + "".join(f"    {key(name)}: {one.kind.codec},\n" for name, one in columns.items()) + "  },\n" + member("key", relation.key)
        text += "".join(member(name, names) for name, names in lists.items() if names)
        if not relation.key:
            text += member("pages", "ctid" if relation.placed else [one.name for one in relation.shown if one.kind.ordered])
        if relation.version:
            column = relation.columns[relation.version]
            marks = {"onCreate": column.required, "required": self.choices.require_if_match}
            text += member("version", {"column": column.name, "next": "counter" if column.kind.is_whole else "clock", **{mark: True for mark, is_set in marks.items() if is_set}})
        text += "  parent: true,\n" * (relation.parent and not relation.only_read) + member("constraints", {} if relation.only_read else known)
        about = comment("\n\n".join(filter(None, (relation.name, relation.comment))))
        return f"{about}export const {self.variables[relation.id]}: Table<rows.{self.names.schema(resource.base)}> = {{\n{text}}};\n"

    def relation(self, operation: Operation) -> str:
        listed, owner, near = operation.resource.relation, operation.owner.relation, operation.links[-1]
        linked, columns = pairs(near, owner), self.document.by_id[near.table].relation.columns
        kinds = [(columns[ours].kind, owner.columns[theirs].kind) for ours, theirs in linked]
        text = f"  table: {self.variables[listed.id]},\n  owner: {self.variables[owner.id]},\n" + member("pairs", linked)
        if {theirs for _, theirs in linked} - set(owner.key) or any(ours.group == "number" and ours.schema != theirs.schema for ours, theirs in kinds):
            text += "  lookedUp: true,\n"
        if len(operation.links) > 1:
            text += member("through", {"name": list(near.table.name), "pairs": pairs(operation.links[0], listed)})
        return f"export const {self.related[operation.name]}: Related<rows.{self.names.schema(operation.resource.base)}> = {{\n{text}}};\n"

    # --- handlers
    def implementations(self) -> dict[str, Implementation]:
        return {operation.name: self.implementation(operation) for operation in self.document.operations}

    def implementation(self, operation: Operation) -> Implementation:
        """One call of table.ts or list.ts, and what the answer needs besides its row."""
        action, relation = operation.action, operation.resource.relation
        subject = self.related[operation.name] if operation.owner else self.variables[relation.id]
        function = {"list": "listRows", "nested": "listRelated"}.get(action, f"{action}Row")
        conditional = bool(relation.version) and action in ("replace", "patch", "delete")
        once = action == "create" and self.choices.idempotency
        given = {"path": action not in ("list", "create"), "query": operation.lists, "body": action in ("create", "replace", "patch"), "headers": conditional or once}
        arguments = [subject, *[path_expression(operation.owner or operation.resource)] * given["path"], *(part for part in ("query", "body") if given[part]),
                     *["headers['If-Match']"] * conditional, *["session"] * once]
        call = f"await {function}({', '.join(arguments)})"
        imports = {"./tables.ts": [subject], "./list.ts" if operation.lists else "./table.ts": [function]}
        tells = {"Location": (action == "create", "locationOf"), "ETag": (bool(relation.version) and not operation.lists and action != "delete", "etagOf")}
        headers = {name: helper for name, (there, helper) in tells.items() if there}
        imports["./table.ts"] = [*imports.get("./table.ts", []), *headers.values()]
        parts = [part for part, there in given.items() if there]
        if action == "delete":
            return Implementation(imports, parts, False, f"{{\n  {call};\n  return {{ status: 204 }};\n}}")
        if not headers:
            return Implementation(imports, parts, False, f"({{\n  status: 200,\n  body: {call},\n}})")
        written = ", ".join(f"{name}: {helper}({subject}, row)" for name, helper in headers.items())
        status = 201 if action == "create" else 200
        body = f"const row = {call};\n  return {{ status: {status}, headers: {{ {written} }}, body: row }};\n"
        if not once:
            return Implementation(imports, parts, False, f"{{\n  {body}}}")
        inner = body.replace("\n  ", "\n    ")
        return Implementation({**imports, "./idempotency.ts": ["once"]}, parts, True, f"\n  once(context, headers['Idempotency-Key'], body, async (session) => {{\n    {inner}  }})")


def member(name: str, value: object) -> str:
    return f"  {name}: {literal(value, '  ')},\n"


def pairs(link: object, target: Relation) -> list[list[str]]:
    """Columns of a foreign key and what they refer to."""
    return [list(pair) for pair in zip(link.columns, link.target_columns or target.key)]


def path_expression(resource: Resource) -> str:
    """The key as table.ts takes it, by the columns' names."""
    if resource.parameters == resource.relation.key:
        return "path"
    return "{ " + ", ".join(f"{key(column)}: path.{name}" for name, column in zip(resource.parameters, resource.relation.key)) + " }"


def idempotency_sql(schema: str) -> str:
    return IDEMPOTENCY.format(table=qualified(schema, IDEMPOTENCY_TABLE))
