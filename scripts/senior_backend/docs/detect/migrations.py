"""Migrations: which tool keeps them where, how many, and which lose data, block a live database or have no way back."""
from __future__ import annotations

import ast
import dataclasses
import re
import warnings
from typing import Callable, Iterator

from senior_backend.docs.detect import sql
from senior_backend.docs.detect.javascript import blanked, closing
from senior_backend.docs.facts import Facts
from senior_backend.docs.tree import Tree, line_of

Hazard = tuple[str, str, str, int]                      # kind, object, message, line
GO_AND_OTHERS = (("goose", r"^--\s*\+goose\s+up\b", r"^--\s*\+goose\s+down\b"), ("dbmate", r"^--\s*migrate:up\b", r"^--\s*migrate:down\b"), ("sql-migrate", r"^--\s*\+migrate\s+up\b", r"^--\s*\+migrate\s+down\b"))
NUMBERED = re.compile(r"(?:^|/)(?:\d{3,}|[VvRU]\d[\d._]*__|\d+[_-])[^/]*\.sql$|(?:^|/)R__[^/]*\.sql$")
FOLDERS = re.compile(r"(?i)(?:^|/)(?:migrations?|migrate|db/changes|changelog|versions|schema-?changes)/")


@dataclasses.dataclass
class Kept:
    """The migrations of one tool in one folder. back: the files that have a way back; hazards: file -> what is wrong with it."""
    tool: str
    folder: str
    files: list[str] = dataclasses.field(default_factory=list)
    back: set[str] = dataclasses.field(default_factory=set)
    hazards: dict[str, list[Hazard]] = dataclasses.field(default_factory=dict)
    note: str = ""


def read(tree: Tree, facts: Facts) -> list[Kept]:
    """All migrations; adds their facts."""
    found: dict[tuple[str, str], Kept] = {}
    for suffixes, pattern, take in READERS:
        for name in tree.matching(pattern, suffixes):
            take(tree, found, name)
    for (tool, _), kept in found.items():
        if tool in sql.TOOLS:
            kept.hazards |= sql.hazards(tree, facts, kept.files)
        elif tool == "alembic":
            heads(tree, kept)
    for kept in found.values():
        tell(facts, kept)
    return list(found.values())


def kept(found: dict, tool: str, folder: str, name: str, back: bool) -> Kept:
    made = found.setdefault((tool, folder), Kept(tool, folder))
    made.files.append(name)
    if back:
        made.back.add(name)
    return made


def folder_of(name: str) -> str:
    return name.rpartition("/")[0]


def tell(facts: Facts, one: Kept) -> None:
    lacking = [name for name in one.files if name not in one.back]
    latest = max(one.files)
    value = {"tool": one.tool, "folder": one.folder or ".", "count": len(one.files), "irreversible": len(lacking), "latest": latest[len(one.folder):].lstrip("/"), "note": one.note}
    facts.add("migrations", f"{one.tool}:{one.folder}", value, latest, 1)
    for name in one.files:
        said = {kind for kind, _, _, _ in one.hazards.get(name, ())}
        if name in lacking and "irreversible" not in said and one.tool not in ("prisma", "drizzle"):
            hazard(facts, one, name, ("irreversible", name.rpartition("/")[2], "has no way back", 1))
        for found in one.hazards.get(name, ()):
            hazard(facts, one, name, found)


def hazard(facts: Facts, one: Kept, name: str, found: Hazard) -> None:
    kind, target, message, line = found
    facts.add("migration-hazard", f"{name}:{kind}:{target}", {"tool": one.tool, "hazard": kind, "object": target, "message": message}, name, line)


# --- files of SQL
def sql_file(tree: Tree, found: dict, name: str) -> bool:
    base, folder = name.rpartition("/")[2], folder_of(name)
    if base == "migration.sql" and "/migrations/" in name:
        kept(found, "prisma", folder.rpartition("/")[0], name, False).note = "Prisma writes no way back: take a change back by a further migration"
        return True
    text = tree.read(name)
    for tool, up, down in GO_AND_OTHERS:
        if re.search(up, text, re.M | re.I):
            section = re.split(down, text, maxsplit=1, flags=re.M | re.I)
            kept(found, tool, folder, name, len(section) > 1 and bool(re.search(r"^\s*[A-Za-z]", re.sub(r"--[^\n]*", "", section[1]), re.M)))
            return True
    if re.search(r"(?:^|/)meta/_journal\.json$", folder + "/meta/_journal.json") and f"{folder}/meta/_journal.json" in tree.by_name.get("_journal.json", ()):
        kept(found, "drizzle", folder, name, False).note = "drizzle-kit writes no way back: take a change back by a further migration"
    elif re.match(r"[VR][\d._]*__", base):
        kept(found, "flyway", folder, name, f"{folder}/U{base[1:]}".lstrip("/") in tree.by_name.get("U" + base[1:], ()) or base[0] == "R")
    elif base.endswith(".up.sql"):
        kept(found, "golang-migrate", folder, name, name[:-6] + "down.sql" in tree.by_name.get(base[:-6] + "down.sql", ()))
    elif base == "up.sql":
        kept(found, "diesel", folder.rpartition("/")[0], name, f"{folder}/down.sql" in tree.by_name.get("down.sql", ()))
    elif FOLDERS.search(name) and NUMBERED.search(name) and not re.search(r"(?:^U[\d._]+__|(?:[._-](?:down|rollback|undo|revert))\.sql$)", base):
        stem = base[:-4]
        kept(found, "sql", folder, name, any(f"{folder}/{other}".lstrip("/") in tree.by_name.get(other, ()) for other in (f"{stem}_rollback.sql", f"{stem}.down.sql", f"{stem}.rollback.sql", f"{stem}_down.sql", f"{stem}.undo.sql")))
    else:
        return False
    return True


# --- Python
def parsed(tree: Tree, name: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(tree.read(name))
    except (SyntaxError, ValueError, RecursionError):
        tree.facts.missing(f"{name} was not understood: it is not Python 3 that this interpreter reads")
        return None


def python_file(tree: Tree, found: dict, name: str) -> bool:
    text = tree.read(name)
    if re.search(r"^down_revision\b", text, re.M) and (module := parsed(tree, name)):
        alembic(tree.facts, found, name, module)
    elif re.search(r"class Migration\(\s*(?:migrations\.)?Migration", text) and (module := parsed(tree, name)):
        django(found, name, module)
    else:
        return False
    return True


def strings(node: ast.AST) -> list[str]:
    return [one.value for one in getattr(node, "args", ()) if isinstance(one, ast.Constant) and isinstance(one.value, str)]


def word(node: ast.Call, name: str) -> ast.expr | None:
    return next((one.value for one in node.keywords if one.arg == name), None)


def false(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def alembic(facts: Facts, found: dict, name: str, module: ast.Module) -> None:
    functions = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}
    values = {getattr(target, "id", ""): node.value for node in module.body if isinstance(node, (ast.Assign, ast.AnnAssign)) for target in ([node.target] if isinstance(node, ast.AnnAssign) else node.targets)}
    revision = getattr(values.get("revision"), "value", None) or name.rpartition("/")[2]
    down = functions.get("downgrade")
    back = down is not None and any(isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) for node in ast.walk(down)) and not any(isinstance(node, ast.Raise) for node in down.body)
    upgrade = functions.get("upgrade")
    empty = upgrade is not None and not any(isinstance(node, ast.Call) for node in ast.walk(upgrade))       # a merge of two heads
    one = kept(found, "alembic", folder_of(name), name, back or empty)
    hazards = one.hazards[name] = []
    if not back and not empty:
        hazards.append(("irreversible", str(revision), "downgrade() does nothing" if down else "there is no downgrade()", down.lineno if down else 1))
    calls = [node for node in ast.walk(upgrade) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)] if upgrade else []
    made = {strings(node)[0] for node in calls if node.func.attr == "create_table" and strings(node)}
    for node in sorted(calls, key=lambda node: node.lineno):
        hazards += ((*told, node.lineno) for told in operation(facts, node, node.func.attr, strings(node), made))


def operation(facts: Facts, node: ast.Call, name: str, given: list[str], made: set[str]) -> Iterator[tuple[str, str, str]]:
    """What is dangerous about one operation of Alembic."""
    table = (given[1] if name in ("create_index", "create_unique_constraint", "create_foreign_key", "create_check_constraint", "drop_constraint") and len(given) > 1 else given[0] if given else "?")
    if name == "drop_table":
        yield "data-loss", table, "the rows are lost"
    elif name == "drop_column":
        yield "data-loss", ".".join(given[:2]), "the values of the column are lost"
    elif table in made:
        return
    elif name == "create_index" and not getattr(word(node, "postgresql_concurrently"), "value", False):
        yield "blocks-writes", table, "builds an index without postgresql_concurrently: writes wait until it is done"
    elif name in ("create_unique_constraint", "create_check_constraint", "create_foreign_key") and not getattr(word(node, "postgresql_not_valid"), "value", False):
        yield "blocks-writes", table, f"{name} checks every row while it holds a lock"
    elif name == "alter_column" and word(node, "type_") is not None:
        yield "rewrite", ".".join(given[:2]), "a changed type may rewrite the table while reads and writes wait"
    elif name == "alter_column" and false(word(node, "nullable")):
        yield "blocks-reads", ".".join(given[:2]), "SET NOT NULL reads the whole table while reads and writes wait"
    elif name == "add_column" and len(node.args) > 1 and isinstance(node.args[1], ast.Call) and false(word(node.args[1], "nullable")) and word(node.args[1], "server_default") is None:
        yield "fails-on-data", table, "a required column without a server default: fails when the table has rows"
    elif name in ("rename_table",) or name == "alter_column" and word(node, "new_column_name") is not None:
        yield "breaks-callers", table, "the old name is gone at once: code that runs meanwhile fails"
    elif name in ("execute",) and given:
        yield from ((kind, target, message) for kind, target, message, _ in sql.hazards_of_text(facts, given[0]))


def heads(tree: Tree, one: Kept) -> None:
    text = {name: tree.read(name) for name in one.files}
    below = {found for each in text.values() for line in re.findall(r"^down_revision\b[^=\n]*=\s*(.+(?:\n\s+.+)*)", each, re.M) for found in re.findall(r"['\"]([\w-]+)['\"]", line)}
    own = {found for each in text.values() for found in re.findall(r"^revision\b[^=\n]*=\s*['\"]([\w-]+)", each, re.M)}
    if len(own - below) > 1:
        one.note = f"{len(own - below)} heads: {', '.join(sorted(own - below))}; alembic upgrade head refuses until they are merged"


def django(found: dict, name: str, module: ast.Module) -> None:
    one = kept(found, "django", folder_of(name), name, True)
    app, hazards = folder_of(folder_of(name)).rpartition("/")[2], one.hazards.setdefault(name, [])
    calls = [node for node in ast.walk(module) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    made = {getattr(word(node, "name"), "value", None) or (strings(node) or [""])[0] for node in calls if node.func.attr == "CreateModel"}
    for node in calls:
        kind, model = node.func.attr, str(getattr(word(node, "model_name"), "value", None) or (strings(node) or ["?"])[0])
        field = str(getattr(word(node, "name"), "value", None) or (strings(node)[1:2] or [""])[0])
        if kind in ("RunPython", "RunSQL") and word(node, "reverse_code") is None and word(node, "reverse_sql") is None and len(node.args) < 2:
            hazards.append(("irreversible", name.rpartition("/")[2], f"{kind} without a reverse", node.lineno))
            one.back.discard(name)
        elif kind == "DeleteModel":
            hazards.append(("data-loss", f"{app}.{field or model}", "the rows are lost", node.lineno))
        elif kind == "RemoveField":
            hazards.append(("data-loss", f"{app}.{model}.{field}", "the values of the column are lost", node.lineno))
        elif kind in ("RenameField", "RenameModel", "AlterModelTable"):
            hazards.append(("breaks-callers", f"{app}.{model}", "the old name is gone at once: code that runs meanwhile fails", node.lineno))
        elif model.lower() in {each.lower() for each in made if each}:
            continue
        elif kind in ("AddIndex", "AddConstraint", "AlterUniqueTogether", "AlterIndexTogether"):
            hazards.append(("blocks-writes", f"{app}.{model}", f"{kind} works on the whole table while writes wait (AddIndexConcurrently does not block)", node.lineno))
        elif kind == "AlterField":
            hazards.append(("rewrite", f"{app}.{model}.{field}", "a changed field may rewrite or read the whole table while it waits for nobody", node.lineno))


# --- JavaScript, TypeScript, Ruby
def script_file(tree: Tree, found: dict, name: str) -> bool:
    text = blanked(tree.read(name))
    up, down = re.search(r"\bup\s*(?:=|:|\()", text), re.search(r"\bdown\s*(?:=|:|\()", text)
    if not up or not re.search(r"knex|queryInterface|QueryInterface|MigrationInterface|createTable|pgm\b|schema\.", text):
        return False
    tool = "typeorm" if re.search(r"MigrationInterface|QueryRunner", text) else "sequelize" if re.search(r"[qQ]ueryInterface", text) else "node-pg-migrate" if re.search(r"\bpgm\b", text) else "knex"
    body = body_of(text, down.end()) if down else ""
    one = kept(found, tool, folder_of(name), name, bool(re.search(r"[.(]", body.replace("async", ""))) and not re.match(r"\W*throw\b", body))
    first = body_of(text, up.end())
    offset = text.find(first, up.end()) if first else 0
    hazards = one.hazards.setdefault(name, [])
    made = set(re.findall(r"createTable\(\s*['\"`]([\w.]+)", first))
    for pattern, kind, message in SCRIPTED:
        for hit in re.finditer(pattern, first):
            target = ".".join(filter(None, hit.groups())) or "?"
            if hit.groups() and hit[1] in made:
                continue
            hazards.append((kind, target, message, text.count("\n", 0, offset + hit.start()) + 1))
    for hit in re.finditer(r"(?:query|raw|sql)\(\s*(['\"`])((?:\\.|(?!\1).)*)\1", first, re.S):
        hazards += [(kind, target, message, text.count("\n", 0, offset + hit.start()) + 1) for kind, target, message, _ in sql.hazards_of_text(tree.facts, re.sub(r"\\(.)", r"\1", hit[2]))]
    return True


SCRIPTED = ((r"\.dropTable(?:IfExists)?\(\s*['\"`]([\w.]+)", "data-loss", "the rows are lost"), (r"\.dropColumns?\(\s*['\"`]([\w.]+)['\"`](?:\s*,\s*['\"`](\w+))?", "data-loss", "the values of the column are lost"),
            (r"\.removeColumn\(\s*['\"`]([\w.]+)['\"`]\s*,\s*['\"`](\w+)", "data-loss", "the values of the column are lost"), (r"\.renameColumn\(\s*['\"`]([\w.]+)", "breaks-callers", "the old name is gone at once: code that runs meanwhile fails"),
            (r"(?:queryInterface|pgm)\.(?:addIndex|createIndex)\(\s*['\"`]([\w.]+)['\"`](?![^;]*concurrently\s*:\s*true)", "blocks-writes", "builds an index while writes wait"),
            (r"\.changeColumn\(\s*['\"`]([\w.]+)['\"`]\s*,\s*['\"`](\w+)", "rewrite", "a changed type may rewrite the table while reads and writes wait"))


def body_of(text: str, start: int) -> str:
    """The braces that follow."""
    code = blanked(text, True)
    begin = code.find("{", code.find(")", start) if code.find(")", start) >= 0 else start)
    return text[begin:closing(code, begin)] if begin >= 0 else ""


def rails_file(tree: Tree, found: dict, name: str) -> bool:
    text = re.sub(r"(?m)^\s*#.*$", "", tree.read(name))
    if "ActiveRecord::Migration" not in text:
        return False
    change = "def change" in text
    one = kept(found, "rails", folder_of(name), name, change and not re.search(r"\bexecute\b|remove_column\s+:\w+,\s*:\w+\s*$|IrreversibleMigration", text, re.M) or bool(re.search(r"def down\b(?!\s*\n\s*(?:end|raise))", text)))
    for pattern, kind, message in ((r"^\s*remove_columns?\s+:(\w+),\s*:(\w+)", "data-loss", "the values of the column are lost"), (r"^\s*drop_table\s+:(\w+)", "data-loss", "the rows are lost"),
                                   (r"^\s*add_index\s+:(\w+)(?![^\n]*concurrently)", "blocks-writes", "builds an index while writes wait (algorithm: :concurrently does not)"),
                                   (r"^\s*rename_column\s+:(\w+)", "breaks-callers", "the old name is gone at once: code that runs meanwhile fails")):
        for hit in re.finditer(pattern, re.split(r"def down\b", text)[0], re.M):
            if hit[1] not in re.findall(r"create_table\s+:(\w+)", text):
                one.hazards.setdefault(name, []).append((kind, ".".join(hit.groups()), message, line_of(text[:hit.end()] + "\0", "\0")))
    return True


READERS: tuple[tuple[str, str, Callable[[Tree, dict, str], bool]], ...] = (
    ("sql", r"\.sql$", sql_file), ("py", r"(?:^|/)(?:versions|migrations)/[^/]+\.py$", python_file), ("js ts cjs mjs cts mts", r"(?i)(?:^|/)[\w-]*migrations?/(?:[^/]+/)*[^/]*\.[cm]?[jt]s$", script_file),
    ("rb", r"(?:^|/)db/migrate/[^/]+\.rb$", rails_file),
)
