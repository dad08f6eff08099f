"""The tables of a project: from schema.prisma, SQL, SQLAlchemy and SQLModel, Django, Drizzle, TypeORM, Knex; a table that two sources name is told by the first."""

from __future__ import annotations

import ast
import dataclasses
import re
from typing import Any, Iterator

from senior_backend.docs.detect import entities, migrations
from senior_backend.docs.detect.code import Source
from senior_backend.docs.detect.django import Routes as DjangoRoutes
from senior_backend.docs.detect.migrations import Kept
from senior_backend.docs.detect.python import Module, Project, assigned, words
from senior_backend.docs.facts import Facts
from senior_backend.docs.tree import Tree

SCHEMA_FILES = r"(?i)(?:^|/)(?:schema|structure|init|tables|database|create_tables|ddl)[\w.-]*\.sql$"

PERSONAL = re.compile(
    r"(?i)e_?mail|phone|mobile|(?:first|last|full|sur|given|family|user)_?name|^name$|address|street|postal|zip_?code|birth|dob|gender|ssn|passport"
    r"|national_id|tax_id|iban"
    r"|card_?(?:number|no|holder)|ip_?addr|latitude|longitude|salary|diagnos|health|password|secret|token"
)


@dataclasses.dataclass
class Table:
    """columns: {name, type, null, key}; links: (columns, table, its columns, line)."""

    name: str
    source: str
    file: str
    line: int
    columns: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    links: list[tuple[list[str], str, list[str], int]] = dataclasses.field(default_factory=list)

    def column(self, name: str, kind: str, null: bool, key: bool = False) -> None:
        self.columns.append({"name": name, "type": kind, "null": null, "key": "PK" if key else ""})


def read(tree: Tree, facts: Facts, project: Project, sources: dict[str, Source], kept: list[Kept]) -> None:
    found: dict[str, Table] = {}
    for reader in (prisma(tree), sql_tables(tree, facts, kept, found), sqlalchemy(project), django(project), of_node(sources)):
        for one in reader:
            found.setdefault(one.name, one)
    for one in found.values():
        linked = {name for columns, *_ in one.links for name in columns}
        for column in one.columns:
            column["key"] = ", ".join(filter(None, [column["key"], "FK" if column["name"] in linked else ""]))
        personal = [column["name"] for column in one.columns if PERSONAL.search(column["name"])]
        facts.add("table", one.name, {"name": one.name, "source": one.source, "columns": one.columns, "personal": personal}, one.file, one.line)
        for columns, target, others, line in one.links:
            facts.add(
                "relation", f"{one.name}.{','.join(columns)}:{target}", {"from": one.name, "columns": columns, "to": target, "to_columns": others}, one.file,
                line
            )


def mapped(name: str, text: str, mark: str) -> str:
    """The name that @map or @@map gives."""
    found = re.search(rf"(?<!@){mark}\(\s*(?:name:\s*)?\"([^\"]+)", text)
    return found[1] if found else name


def prisma(tree: Tree) -> Iterator[Table]:
    for path in tree.matching("", "prisma"):
        text = re.sub(r"//[^\n]*", lambda found: " " * len(found[0]), tree.read(path))
        models = {found[1]: (found[2], text.count("\n", 0, found.start()) + 1) for found in re.finditer(r"^model\s+(\w+)\s*\{(.*?)^\}", text, re.M | re.S)}
        names = {name: mapped(name, body, "@@map") for name, (body, _) in models.items()}
        fields = {
            name: {field: mapped(field, rest, "@map") for field, rest in re.findall(r"^[ \t]+(\w+)[ \t]+([^\n]+)", body, re.M)}
            for name, (body, _) in models.items()
        }
        for name, (body, line) in models.items():
            table, keys = Table(names[name], "prisma", path, line), re.findall(r"\w+", "".join(re.findall(r"@@id\(\s*(?:fields:\s*)?\[([^\]]*)\]", body)))
            for number, one in enumerate(body.split("\n")):
                found = re.match(r"\s+(\w+)\s+(\w+)(\[\])?(\?)?(.*)", one)
                own, others = (
                    re.findall(r"\w+", "".join(re.findall(rf"{part}:\s*\[([^\]]*)\]", found[5]))) if found else [] for part in ("fields", "references")
                )
                if found and found[2] in models and own:
                    table.links.append(
                        ([fields[name].get(each, each) for each in own], names[found[2]], [fields[found[2]].get(each, each) for each in others], line + number)
                    )
                elif found and found[2] not in models:
                    table.column(fields[name][found[1]], found[2] + (found[3] or ""), bool(found[4]), "@id" in found[5] or found[1] in keys)
            yield table


def unquoted(text: str) -> list[str]:
    return [one.strip().replace('"', "") for one in text.split(",") if one.strip()]


def sql_tables(tree: Tree, facts: Facts, kept: list[Kept], known: dict[str, Table]) -> Iterator[Table]:
    groups = [one.files for one in kept if one.tool in migrations.SQL_TOOLS and (one.tool != "prisma" or not known)]
    groups += [[name] for name in tree.matching(SCHEMA_FILES, "sql") if not any(name in one.files for one in kept)]
    for catalogue, made, files in ((*read_, files) for files in groups if (read_ := migrations.tables(tree, facts, files))):
        for fact in catalogue.of_kind("table"):
            schema, name = fact.id.name
            table, keys = Table(name if schema == "public" else f"{schema}.{name}", "sql", *made.get(name, (files[0], 1))), []
            for text in (part.attributes.get("definition", "") for part in catalogue.parts(fact.id, "constraint")):
                if found := re.match(r"PRIMARY KEY \(([^)]*)\)", text):
                    keys = unquoted(found[1])
                elif found := re.match(r"FOREIGN KEY \(([^)]*)\) REFERENCES ((?:\"[^\"]+\"|[\w.])+)\s*(?:\(([^)]*)\))?", text):
                    table.links.append((unquoted(found[1]), unquoted(found[2])[0].removeprefix("public."), unquoted(found[3] or ""), table.line))
            for part in catalogue.parts(fact.id, "column"):
                table.column(part.id.name[-1], part.attributes.get("type", ""), not part.attributes.get("not_null"), part.id.name[-1] in keys)
            yield table


def of_node(sources: dict[str, Source]) -> Iterator[Table]:
    for one in entities.declared(sources):
        table = Table(one.name, one.source, one.file, one.line, links=one.links)
        for column in one.columns:
            table.column(*column)
        yield table


def sqlalchemy(project: Project) -> Iterator[Table]:
    for module, node in ((module, node) for module in project.modules.values() for node in module.nodes if isinstance(node, ast.ClassDef)):
        values = assigned(node)
        name = project.text(module, values.get("__tablename__")) or (
            node.name.lower() if getattr(words(node).get("table"), "value", False) is True else ""
        )  # SQLModel
        name = name or (entities.snake(node.name) if any(module.dotted(base).endswith("db.Model") for base in node.bases) else "")  # Flask-SQLAlchemy
        table = Table(name, "sqlalchemy", module.path, node.lineno)
        for one in node.body if name else ():
            target, annotation = (
                (one.target, ast.unparse(one.annotation))
                if isinstance(one, ast.AnnAssign)
                else (one.targets[0], "")
                if isinstance(one, ast.Assign)
                else (None, "")
            )
            call = one.value if target is not None and isinstance(one.value, ast.Call) else None
            made = module.last(call) in ("Column", "mapped_column", "Field")
            if (
                isinstance(target, ast.Name)
                and not target.id.startswith("__")
                and (made or annotation and not call)
                and "ClassVar" not in annotation
                and not (annotation and not made and "list[" in annotation.lower())
            ):
                column(project, module, table, target.id, call if made else None, annotation)
        if name:
            yield table


def column(project: Project, module: Module, table: Table, name: str, call: ast.Call | None, annotation: str) -> None:
    given, inner = words(call), re.sub(r"^(?:\w+\.)*Mapped\[(.*)\]$", r"\1", annotation)
    places = list(call.args) if call else []
    if places and isinstance(places[0], ast.Constant) and isinstance(places[0].value, str):
        name = places.pop(0).value
    links = [one for one in places if module.last(one) == "ForeignKey"]
    kinds = [module.last(one) for one in places if one not in links and module.last(one) not in ("", "Sequence", "Identity", "Computed", "CheckConstraint")]
    target = project.text(module, links[0].args[0] if links and links[0].args else given.get("foreign_key"))
    null, key = getattr(given.get("nullable"), "value", None), getattr(given.get("primary_key"), "value", False) is True
    optional = "Optional[" in inner or "None" in inner
    kind = kinds[0] if kinds else re.sub(r"^(?:\w+\.)*Optional\[(.*)\]$|\s*\|\s*None|None\s*\|\s*", r"\1", inner).strip()
    table.column(name, kind, bool(null if null is not None else optional if annotation else not key), key)
    if target and "." in target:
        table.links.append(([name], target.rpartition(".")[0], [target.rpartition(".")[2]], (links[0] if links else call).lineno))


def django(project: Project) -> Iterator[Table]:
    routes, found = DjangoRoutes(project), dict[str, Table]()
    waiting: list[tuple[Table, str, str, int]] = []
    user = next((text for module in project.modules.values() if (text := project.text(module, module.constants.get("AUTH_USER_MODEL")))), "")
    for module, node in (
        (module, node)
        for module in project.modules.values()
        for node in module.nodes
        if isinstance(node, ast.ClassDef) and "django" in str(module.imports.values())
    ):
        family = list(routes.family(module, node))
        meta = assigned(next((one for one in node.body if isinstance(one, ast.ClassDef) and one.name == "Meta"), ast.Module(body=[], type_ignores=[])))
        if not {"Model", "AbstractUser"} & {name for name, _, _ in family} or any(
            getattr(meta.get(word), "value", False) is True for word in ("abstract", "proxy")
        ):
            continue
        parts = [part for part in module.name.split(".") if part != "models"]
        app = module.name.split(".models")[0].rpartition(".")[2] if ".models" in module.name else parts[-2] if len(parts) > 1 else ""
        table = found[node.name.lower()] = Table(
            project.text(module, meta.get("db_table")) or f"{app}_{node.name.lower()}".lstrip("_"), "django", module.path, node.lineno
        )
        fields = {
            name: (where, value)
            for _, where, made in reversed(family)
            if made
            for name, value in assigned(made).items()
            if isinstance(value, ast.Call) and re.search(r"Field$|^ForeignKey$", where.last(value))
        }
        if not any("primary_key" in words(value) for _, value in fields.values()):
            table.column("id", "BigAutoField", False, True)
        for name, (where, value) in fields.items():
            kind, given = where.last(value), words(value)
            target = given.get("to") or (value.args[0] if value.args else None)
            if kind in ("ForeignKey", "OneToOneField") and target is not None:
                name, text = (
                    project.text(where, given.get("db_column")) or f"{name}_id", (project.text(where, target) or ast.unparse(target)).rpartition(".")[2]
                )
                waiting.append(
                    (table, name, node.name if text == "self" else user.rpartition(".")[2] or "auth_user" if text == "AUTH_USER_MODEL" else text, value.lineno)
                )
            if kind != "ManyToManyField":
                table.column(name, kind, getattr(given.get("null"), "value", False) is True, "primary_key" in given)
    for table, name, target, line in waiting:
        table.links.append(([name], found[target.lower()].name if target.lower() in found else target.lower(), ["id"], line))
    yield from found.values()
