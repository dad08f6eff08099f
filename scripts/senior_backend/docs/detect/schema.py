"""The tables of a project: from schema.prisma, SQL, SQLAlchemy and SQLModel, Django, Drizzle and TypeORM; a table that two sources name is told by the first."""
from __future__ import annotations

import ast
import dataclasses
import re
from typing import Any, Iterator

from senior_backend.docs.detect import sql
from senior_backend.docs.detect.django_routes import Routes as Django
from senior_backend.docs.detect.javascript import Source, arguments, closing
from senior_backend.docs.detect.migrations import Kept
from senior_backend.docs.detect.python_code import Module, Project
from senior_backend.docs.facts import Facts
from senior_backend.docs.tree import Tree

SCHEMA_FILES = re.compile(r"(?i)(?:^|/)(?:schema|structure|init|tables|database|create_tables|ddl)[\w.-]*\.sql$")
SQLALCHEMY = {"Column", "mapped_column", "Field"}


@dataclasses.dataclass
class Table:
    """columns: {name, type, null, key: "PK", "FK", "PK, FK" or ""}; links: (columns, table, its columns, line)."""
    name: str
    source: str
    file: str
    line: int
    columns: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    links: list[tuple[list[str], str, list[str], str, int]] = dataclasses.field(default_factory=list)

    def column(self, name: str, kind: str, null: bool, key: bool = False) -> None:
        self.columns.append({"name": name, "type": kind, "null": null, "key": "PK" if key else ""})


def read(tree: Tree, facts: Facts, project: Project, sources: dict[str, Source], kept: list[Kept]) -> None:
    found: dict[str, Table] = {}
    readers = (prisma(tree), sql_tables(tree, facts, kept, found), python_models(project), drizzle(sources), typeorm(sources))
    for one in (table for reader in readers for table in reader):
        found.setdefault(one.name, one)
    for one in found.values():
        linked = {name for columns, _, _, _, _ in one.links for name in columns}
        for column in one.columns:
            column["key"] = ", ".join(filter(None, [column["key"], "FK" if column["name"] in linked else ""]))
        facts.add("table", one.name, {"name": one.name, "source": one.source, "columns": one.columns}, one.file, one.line)
        for columns, target, others, file, line in one.links:
            facts.add("relation", f"{one.name}.{','.join(columns)}:{target}", {"from": one.name, "columns": columns, "to": target, "to_columns": others}, file, line)


# --- Prisma
def prisma(tree: Tree) -> Iterator[Table]:
    for path in tree.with_suffix("prisma"):
        text = re.sub(r"//[^\n]*", lambda found: " " * len(found[0]), tree.read(path))
        models = [(found[1], found[2], text.count("\n", 0, found.start()) + 1) for found in re.finditer(r"^model\s+(\w+)\s*\{(.*?)^\}", text, re.M | re.S)]
        names = {name: (re.search(r"@@map\(\s*(?:name:\s*)?\"([^\"]+)", body) or ["", name])[1] for name, body, _ in models}
        columns = {name: {field: (re.search(r"@map\(\s*(?:name:\s*)?\"([^\"]+)", rest) or ["", field])[1] for field, rest in re.findall(r"^[ \t]+(\w+)[ \t]+([^\n]+)", body, re.M)} for name, body, _ in models}
        for name, body, line in models:
            table = Table(names[name], "prisma", path, line)
            keys = set(re.findall(r"\w+", (re.search(r"@@id\(\s*(?:fields:\s*)?\[([^\]]*)\]", body) or ["", ""])[1]))
            for number, text_line in enumerate(body.split("\n")):
                found = re.match(r"\s+(\w+)\s+(\w+)(\[\])?(\?)?(.*)", text_line)
                if not found or found[2] in names and not (link := re.search(r"@relation\(.*?fields:\s*\[([^\]]*)\].*?references:\s*\[([^\]]*)\]|@relation\(.*?references:\s*\[([^\]]*)\].*?fields:\s*\[([^\]]*)\]", found[5])):
                    continue
                if found[2] in names:
                    own, others = re.findall(r"\w+", link[1] or link[4]), re.findall(r"\w+", link[2] or link[3])
                    table.links.append(([columns[name].get(one, one) for one in own], names[found[2]], [columns[found[2]].get(one, one) for one in others], path, line + number))
                else:
                    table.column(columns[name][found[1]], found[2] + (found[3] or ""), bool(found[4]), "@id" in found[5] or found[1] in keys)
            yield table


# --- SQL
def sql_tables(tree: Tree, facts: Facts, kept: list[Kept], known: dict[str, Table]) -> Iterator[Table]:
    groups = [one.files for one in kept if one.tool in sql.TOOLS and (one.tool != "prisma" or not known)]
    groups += [[name] for name in tree.matching(SCHEMA_FILES.pattern, "sql") if not any(name in group for group in groups) and not re.search(r"migrations?/", name)]
    for files in groups:
        read_files = sql.tables(tree, facts, files)
        if read_files is None:
            continue
        catalogue, made = read_files
        for fact in catalogue.of_kind("table"):
            name = fact.id.name[-1]
            table = Table(fact.id.name[-1] if fact.id.name[0] == "public" else ".".join(fact.id.name), "sql", *made.get(name, (files[0], 1)))
            keys: set[str] = set()
            for part in catalogue.parts(fact.id, "constraint"):
                text = part.attributes.get("definition", "")
                if found := re.match(r"PRIMARY KEY \(([^)]*)\)", text):
                    keys |= set(unquoted(found[1]))
                elif found := re.match(r"FOREIGN KEY \(([^)]*)\) REFERENCES ((?:\"[^\"]+\"|[\w.])+)\s*(?:\(([^)]*)\))?", text):
                    table.links.append((unquoted(found[1]), unquoted(found[2])[0].removeprefix("public."), unquoted(found[3] or ""), table.file, table.line))
            for part in catalogue.parts(fact.id, "column"):
                table.column(part.id.name[-1], part.attributes.get("type", ""), not part.attributes.get("not_null"), part.id.name[-1] in keys)
            yield table


def unquoted(text: str) -> list[str]:
    return [one.strip().replace('"', "") for one in text.split(",") if one.strip()]


# --- Python
def python_models(project: Project) -> Iterator[Table]:
    django = Django(project)
    tables: dict[str, str] = {}
    waiting: list[tuple[Table, list[str], str, int]] = []
    for module in project.modules.values():
        for node in module.nodes:
            if isinstance(node, ast.ClassDef):
                yield from sqlalchemy(project, module, node)
                bases = {name for name, _, _ in django.bases(module, node)} if "django" in str(module.imports.values()) else set()
                if "Model" in bases or "AbstractUser" in bases:
                    table = django_model(project, module, node, waiting)
                    if table:
                        tables[node.name.lower()] = table.name
                        yield table
            elif isinstance(node, ast.Call) and module.dotted(node.func).endswith(("sqlalchemy.Table", ".db.Table")) and len(node.args) > 1 and (name := project.text(module, node.args[0])):
                table = Table(name, "sqlalchemy", module.path, node.lineno)
                for one in node.args:
                    if isinstance(one, ast.Call) and one.args and module.dotted(one.func).endswith("Column"):
                        column(project, module, table, project.text(module, one.args[0]) or "?", one, "")
                yield table
    for table, columns, target, line in waiting:
        table.links.append((columns, tables.get(target.lower(), target.lower()), ["id"], table.file, line))


def sqlalchemy(project: Project, module: Module, node: ast.ClassDef) -> Iterator[Table]:
    values = {one.targets[0].id: one.value for one in node.body if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name)}
    name = project.text(module, values.get("__tablename__"))
    if name is None and any(word.arg == "table" and getattr(word.value, "value", False) is True for word in node.keywords):
        name = node.name.lower()                        # SQLModel
    if name is None and any(module.dotted(base).endswith(("db.Model",)) for base in node.bases):
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", node.name).lower()          # Flask-SQLAlchemy
    if not name:
        return
    table = Table(name, "sqlalchemy", module.path, node.lineno)
    for one in node.body:
        target = one.target if isinstance(one, ast.AnnAssign) else one.targets[0] if isinstance(one, ast.Assign) else None
        if not isinstance(target, ast.Name) or target.id.startswith("__"):
            continue
        annotation = ast.unparse(one.annotation) if isinstance(one, ast.AnnAssign) else ""
        called = module.dotted(one.value.func).rpartition(".")[2] if isinstance(one.value, ast.Call) else ""
        if called in ("relationship", "Relationship", "association_proxy", "column_property", "synonym", "declared_attr") or "ClassVar" in annotation or not annotation and called not in SQLALCHEMY:
            continue
        column(project, module, table, target.id, one.value if called in SQLALCHEMY else None, annotation)
    yield table


def column(project: Project, module: Module, table: Table, name: str, call: ast.Call | None, annotation: str) -> None:
    words = {word.arg: word.value for word in call.keywords} if call else {}
    inner = re.sub(r"^(?:\w+\.)*Mapped\[(.*)\]$", r"\1", annotation)
    given = [one for one in (call.args if call else ()) if not isinstance(one, ast.Constant)]
    if call and call.args and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str):
        name = call.args[0].value
    links = [one for one in given if isinstance(one, ast.Call) and module.dotted(one.func).endswith("ForeignKey")]
    kinds = [ast.unparse(one.func if isinstance(one, ast.Call) else one).rpartition(".")[2] for one in given if one not in links and not module.dotted(getattr(one, "func", one)).endswith(("Sequence", "Identity", "Computed", "CheckConstraint"))]
    target = project.text(module, links[0].args[0]) if links and links[0].args else project.text(module, words.get("foreign_key"))
    null = getattr(words.get("nullable"), "value", None)
    key = getattr(words.get("primary_key"), "value", False) is True
    optional = "Optional[" in inner or "None" in inner
    kind = (kinds or [re.sub(r"^(?:\w+\.)*Optional\[(.*)\]$", r"\1", inner).replace("| None", "").replace("None |", "").strip()])[0]
    table.column(name, kind, bool(null if null is not None else optional if annotation else not key), key)
    if target and "." in target:
        table.links.append(([name], target.rpartition(".")[0], [target.rpartition(".")[2]], table.file, links[0].lineno if links else call.lineno))


def django_model(project: Project, module: Module, node: ast.ClassDef, waiting: list) -> Table | None:
    meta = next((one for one in node.body if isinstance(one, ast.ClassDef) and one.name == "Meta"), None)
    values = {one.targets[0].id: one.value for one in (meta.body if meta else ()) if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name)}
    if getattr(values.get("abstract"), "value", False) is True or getattr(values.get("proxy"), "value", False) is True:
        return None
    app = [part for part in module.name.split(".") if part != "models"]
    parts = module.name.split(".")
    app = parts[parts.index("models") - 1] if "models" in parts and parts.index("models") else parts[-2] if len(parts) > 1 else ""
    table = Table(project.text(module, values.get("db_table")) or f"{app}_{node.name.lower()}".lstrip("_"), "django", module.path, node.lineno)
    fields = [(one.targets[0].id, one.value) for one in node.body if isinstance(one, ast.Assign) and isinstance(one.value, ast.Call) and isinstance(one.targets[0], ast.Name)]
    fields = [(name, call, module.dotted(call.func).rpartition(".")[2]) for name, call in fields]
    fields = [(name, call, kind) for name, call, kind in fields if kind.endswith("Field") or kind in ("ForeignKey",)]
    words = [{word.arg: word.value for word in call.keywords} for _, call, _ in fields]
    if not any("primary_key" in one for one in words):
        table.column("id", "BigAutoField", False, True)
    for (name, call, kind), given in zip(fields, words):
        if kind in ("ManyToManyField", "GenericRelation"):
            continue
        null = getattr(given.get("null"), "value", False) is True
        if kind in ("ForeignKey", "OneToOneField"):
            target = given.get("to") or (call.args[0] if call.args else None)
            text = (project.text(module, target) or ast.unparse(target) if target is not None else "?").rpartition(".")[2]
            name = project.text(module, given.get("db_column")) or f"{name}_id"
            waiting.append((table, [name], node.name if text == "self" else "user" if text == "AUTH_USER_MODEL" else text, call.lineno))
        table.column(name, kind, null, "primary_key" in given)
    return table


# --- TypeScript
def drizzle(sources: dict[str, Source]) -> Iterator[Table]:
    variables: dict[str, str] = {}
    made: list[tuple[Table, list[tuple[str, str, str, int]]]] = []
    for source in sources.values():
        for found in re.finditer(r"(?:const\s+(\w+)\s*=\s*)(?:\w+\.)?(?:pg|mysql|sqlite)?[tT]able\(\s*(['\"`])([\w.]+)\2\s*,", source.text):
            if "drizzle-orm" not in source.text:
                break
            given = arguments(source.code, source.code.index("(", found.start()))
            if len(given) < 2:
                continue
            variables[found[1]] = found[3]
            table, links = Table(found[3], "drizzle", *source.place(found.start())), []
            body = source.text[given[1][0]:given[1][1]]
            for begin, end in arguments(source.code, given[1][0] + source.code[given[1][0]:given[1][1]].index("{")) if "{" in body else ():
                text = source.text[begin:end].strip()
                field = re.match(r"(\w+)\s*:\s*(\w+)\(\s*(?:(['\"`])([^'\"`]+)\3)?", text)
                if field:
                    table.column(field[4] or field[1], field[2], ".notNull()" not in text and ".primaryKey(" not in text, ".primaryKey(" in text)
                    if link := re.search(r"\.references\(\s*\(\)(?:\s*:\s*\w+)?\s*=>\s*(\w+)\.(\w+)", text):
                        links.append((field[4] or field[1], link[1], link[2], source.lines.of(begin + source.text[begin:end].index(text[:1]) + link.start())))
            made.append((table, links))
    for table, links in made:
        table.links = [([name], variables.get(target, target), [other], table.file, line) for name, target, other, line in links]
        yield table


def typeorm(sources: dict[str, Source]) -> Iterator[Table]:
    found: dict[str, Table] = {}
    waiting: list[tuple[Table, str, str, int]] = []
    for source in sources.values():
        for entity in re.finditer(r"@Entity\(\s*(?:\{[^}]*?name:\s*)?(?:(['\"`])([\w.]+)\1)?[^)]*\)\s*(?:@\w+\([^)]*\)\s*)*export\s+(?:default\s+)?(?:abstract\s+)?class\s+(\w+)[^{]*\{", source.text):
            end = closing(source.code, entity.end() - 1)
            table = found[entity[3]] = Table(entity[2] or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", entity[3]).lower(), "typeorm", *source.place(entity.start()))
            for field in re.finditer(r"@(PrimaryGeneratedColumn|PrimaryColumn|Column|CreateDateColumn|UpdateDateColumn|DeleteDateColumn|ManyToOne|OneToOne|JoinColumn)\((.*?)\)\s*(?:@\w+\([^\n]*\)\s*)*(?:public\s+|readonly\s+)*(\w+)([?!]?)\s*:\s*([^;=\n]+)", source.text[entity.end():end], re.S):
                if field[1] in ("ManyToOne", "OneToOne", "JoinColumn"):
                    target = re.search(r"=>\s*(\w+)", field[2])
                    if target and field[1] == "ManyToOne":
                        name = (re.search(r"@JoinColumn\(\s*\{[^}]*name:\s*['\"`](\w+)", field[0]) or ["", field[3] + "Id"])[1]
                        waiting.append((table, name, target[1], source.lines.of(entity.end() + field.start())))
                else:
                    named = re.search(r"name:\s*['\"`](\w+)", field[2])
                    table.column(named[1] if named else field[3], " ".join(field[5].split()), "nullable: true" in field[2] or field[4] == "?", field[1].startswith("Primary"))
    for table, name, target, line in waiting:
        table.links.append(([name], found[target].name if target in found else target.lower(), ["id"], table.file, line))
    yield from found.values()
