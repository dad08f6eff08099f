"""Migrations: which tool keeps them where, how many, and which lose data, block a live database or have no way back; and the tables that SQL makes. The one
way from the documents to the parsers of migrate and postgres.

Statements, their losses and the safe forms are those of migrate/apply; tables are those of the catalogue that postgres/parsed reads.
Without the package postgast nothing of SQL is told, and the documents say so.
For files that are not SQL, CALLS says which calls are dangerous, and under which condition.
"""
from __future__ import annotations

import dataclasses
import importlib.util
import pathlib
import re
from typing import Any, Iterable, Iterator

from senior_backend.console import CommandError
from senior_backend.dependencies import REQUIREMENTS
from senior_backend.docs.detect.code import arguments, blanked
from senior_backend.docs.facts import Facts
from senior_backend.docs.tree import Lines, Tree

SQL_TOOLS = {"prisma", "drizzle", "goose", "dbmate", "sql-migrate", "flyway", "golang-migrate", "diesel", "sql"}
Hazard = tuple[str, str, str, int]      # kind, object, message, line
COMPUTED = "the default is computed for every row while reads and writes wait"
# what an action of ALTER TABLE, or a constraint, costs a table that is in use -> (kind, message)
COSTS = {
    "AlterColumnType": ("rewrite", "a changed type may rewrite the table while reads and writes wait"),
    "SetNotNull": ("blocks-reads", "SET NOT NULL reads the whole table while reads and writes wait"),
    **dict.fromkeys(("SetLogged", "SetUnLogged", "SetTableSpace", "SetAccessMethod"), ("rewrite", "copies the table while reads and writes wait")),
    "CONSTR_FOREIGN": ("blocks-writes", "the foreign key is checked against every row while it holds a lock"),
    **dict.fromkeys(
        ("CONSTR_CHECK", "CONSTR_UNIQUE", "CONSTR_PRIMARY", "CONSTR_EXCLUSION"),
        ("blocks-reads", "the constraint is checked against every row while reads and writes wait"),
    ),
}
STEADY = {"now", "current_timestamp", "transaction_timestamp", "statement_timestamp"}
TABLE = re.compile(r"create\s+(?:unlogged\s+)?table\s+(?:if\s+not\s+exists\s+)?((?:\"[^\"]+\"|[\w$]+)(?:\s*\.\s*(?:\"[^\"]+\"|[\w$]+))?)", re.I)


def available(facts: Facts) -> bool:
    """Whether SQL can be read; noted when it cannot."""
    if importlib.util.find_spec("postgast") is not None:
        return True
    facts.missing(f"SQL was not read: the package postgast is not installed (python -m pip install '{REQUIREMENTS['postgast']}')")
    facts.lacking.append("postgast")
    return False


def hazards(tree: Tree, facts: Facts, files: list[str]) -> dict[str, list[Hazard]]:
    """File -> its hazards. What is no SQL of PostgreSQL is noted."""
    found: dict[str, list[Hazard]] = {}
    failed: list[str] = []
    if available(facts):
        from senior_backend.migrate.apply import script

        for name in filter(tree.read, files):
            try:
                found[name] = list(told([group.statements for group in script.read(tree.root / name, script.UP).groups]))
            except CommandError as error:
                failed += [error.message.replace(f"{tree.root}/", "")] if error.identifier != "NO_STATEMENTS" else []
    if failed:
        facts.missing(f"{len(failed)} of {len(files)} migrations were not understood as SQL of PostgreSQL, the first: {failed[0]}")
    return found


def hazards_of_text(facts: Facts, text: str) -> list[Hazard]:
    """Of SQL that stands in other code; nothing when it cannot be parsed."""
    if not available(facts):
        return []
    from senior_backend.migrate.apply import statements

    try:
        return list(told([[statements.Statement(text, "", 1, 1, node)] for node in statements.parse(text)]))
    except statements.postgast().PgQueryError:
        return []


def table_of(node: Any) -> str:
    return ".".join(filter(None, (node.relation.schemaname, node.relation.relname))) if "relation" in node.DESCRIPTOR.fields_by_name else ""


def told(groups: Iterable[Iterable[Any]]) -> Iterator[Hazard]:
    """The hazards of one file's statements, those of one transaction in a group; of tables that the file makes itself there are none."""
    made: set[str] = set()
    proven: set[str] = set()  # tables of which a constraint was validated: SET NOT NULL may need no scan
    for group in groups:
        unproven: set[str] = set()  # constraints that this transaction adds without looking at the rows
        for one in group:
            if one.kind == "CreateStmt":
                made.add(one.node.relation.relname)
            for loss in one.losses:
                if loss.name[-1] not in made:
                    target = ".".join([*loss.name, *filter(None, [loss.column])])
                    yield (
                        "data-loss", target, f"a type that may cut values ({loss.becomes})" if loss.kind == "values" else f"{loss.kind} {target}: lost",
                        one.line
                    )
            if table_of(one.node).rpartition(".")[2] not in made:
                for kind, target, message, key in costs(one, proven, unproven):
                    from senior_backend.migrate.apply.rules import SAFE

                    yield kind, target, f"{message}. Instead: {SAFE[key]}" if key in SAFE else message, one.line


def costs(one: Any, proven: set[str], unproven: set[str]) -> Iterator[tuple[str, str, str, str]]:
    """(kind, object, message, key of the safe form): what a statement costs a table that is in use."""
    from senior_backend.migrate.apply.rules import fills, required_column
    from senior_backend.migrate.apply.statements import commands, concurrently, function_name, postgast, symbol, unwrapped, words

    node, kind, table = one.node, one.kind, table_of(one.node) or "?"
    if kind == "IndexStmt" and not node.concurrent:
        yield "blocks-writes", table, "builds an index: writes wait until it is done", kind
    elif kind == "RenameStmt" and symbol(node, "rename_type") in ("OBJECT_TABLE", "OBJECT_COLUMN"):
        yield "breaks-callers", table, "the old name is gone at once: code that runs meanwhile fails", "-"
    elif kind == "UpdateStmt" and not node.HasField("where_clause"):
        yield "backfill", table, "changes every row in one statement: locks them all until it is done", "-"
    elif kind in ("ClusterStmt", "ReindexStmt", "RefreshMatViewStmt") and not (
        getattr(node, "concurrent", False) or kind == "ReindexStmt" and concurrently(node)
    ):
        yield "blocks-reads", table, f"{kind.removesuffix('Stmt').upper()} keeps others out until it is done", kind
    for each in commands(node) if kind == "AlterTableStmt" and symbol(node, "objtype") == "OBJECT_TABLE" else ():
        action, new = each.action, each.definition
        if action == "ValidateConstraint":
            proven.add(table)
            if each.name in unproven:
                yield "blocks-writes", table, f"the constraint {each.name} is validated while its transaction still holds the lock that adding it took", action
        elif action == "AddConstraint" and new.skip_validation:
            unproven.add(new.conname)
        elif action == "AddConstraint" and not new.indexname and (key := symbol(new, "contype")) in COSTS:
            yield *(COSTS[key][0], table, COSTS[key][1]), key
        elif action in COSTS and not (action == "SetNotNull" and table in proven):
            yield COSTS[action][0], f"{table}.{each.name}" if each.name else table, COSTS[action][1], action
        elif action == "AddColumn":
            target, rules = f"{table}.{new.colname}", list(map(unwrapped, new.constraints))
            calls = {function_name(part) for rule in rules for _, part in postgast().walk(rule) if type(part).__name__ == "FuncCall"}
            kinds = {symbol(rule, "contype") for rule in rules}
            if required_column(each):
                yield "fails-on-data", target, "a required column without a default: fails when the table has rows", "-"
            elif fills(each) and (calls - STEADY or kinds & {"CONSTR_IDENTITY", "CONSTR_GENERATED"} or words(new.type_name.names)[-1].endswith("serial")):
                yield "rewrite", target, COMPUTED, action
            if kinds & {"CONSTR_UNIQUE", "CONSTR_PRIMARY"}:
                yield *(COSTS["CONSTR_UNIQUE"][0], target, COSTS["CONSTR_UNIQUE"][1]), "CONSTR_UNIQUE"


def tables(tree: Tree, facts: Facts, files: list[str]) -> tuple[Any, dict[str, tuple[str, int]]] | None:
    """The catalogue that SQL files make in their natural order, and where each table is made; None when they cannot be read."""
    if not available(facts):
        return None
    from senior_backend.postgres import parsed, sql_files

    script = sql_files.Script("")
    try:
        for name in sorted(files, key=lambda name: (name.rpartition("/")[2].startswith("R__"), sql_files.natural(re.sub(r"(?<=\d)-(?=\d)", "", name)))):
            sql_files.FileReader(script, tree.root / name, (tree.root / name).parent, ()).read()
        catalogue = parsed.read(script)
    except (CommandError, LookupError) as error:  # a migration may name what no file makes
        facts.missing(
            f"the schema of {files[0].rpartition('/')[0] or files[0]} was not understood as SQL of PostgreSQL: {getattr(error, 'message', error)}".replace(
                f"{tree.root}/", ""
            )
        )
        return None
    made: dict[str, tuple[str, int]] = {}
    for one in script.statements:
        if found := TABLE.match(one.text):
            name = re.split(r"\s*\.\s*", found[1])[-1]
            made.setdefault(name.strip('"') if name.startswith('"') else name.lower(), (pathlib.Path(one.file).relative_to(tree.root).as_posix(), one.line))
    return catalogue, made


MARKED = (("goose", r"^--\s*\+goose\s+"), ("dbmate", r"^--\s*migrate:"), ("sql-migrate", r"^--\s*\+migrate\s+"))
NUMBERED = re.compile(r"(?i)(?:^|/)(?:migrations?|migrate|changelog|versions)/(?:[^/]+/)*(?:\d{3,}|\d+[_-])[^/]*\.sql$")
DOWN = re.compile(r"(?i)^U[\d._]+__|[._-](?:down|rollback|undo|revert)\.sql$|^down\.sql$")
NO_WAY_BACK = {
    "prisma": "Prisma writes no way back: take a change back by a further migration",
    "drizzle": "drizzle-kit writes no way back: take a change back by a further migration",
}
# tool -> (apply, take back the latest)
TOOLS = {
    "prisma": ("npx prisma migrate deploy", ""),
    "drizzle": ("npx drizzle-kit migrate", ""),
    "knex": ("npx knex migrate:latest", "npx knex migrate:rollback"),
    "typeorm": ("npx typeorm migration:run", "npx typeorm migration:revert"),
    "sequelize": ("npx sequelize-cli db:migrate", "npx sequelize-cli db:migrate:undo"),
    "node-pg-migrate": ("npx node-pg-migrate up", "npx node-pg-migrate down"),
    "alembic": ("alembic upgrade head", "alembic downgrade -1"),
    "django": ("python manage.py migrate", "python manage.py migrate APP NUMBER"),
    "flyway": ("flyway migrate", "flyway undo"),
    "golang-migrate": ("migrate -path {} up", "migrate -path {} down 1"),
    "goose": ("goose -dir {} up", "goose -dir {} down"),
    "dbmate": ("dbmate up", "dbmate down"),
    "sql-migrate": ("sql-migrate up", "sql-migrate down"),
    "rails": ("bin/rails db:migrate", "bin/rails db:rollback"),
    "diesel": ("diesel migration run", "diesel migration revert"),
}
OURS = "python scripts/database_migration_tool.py --connection $DATABASE_URL --"
ROWS, VALUES, NAMES = "the rows are lost", "the values of the column are lost", "the old name is gone at once: code that runs meanwhile fails"
INDEX, CHANGES, CHECKS = (
    "builds an index while writes wait", "a changed type may rewrite the table while reads and writes wait", "checks every row while it holds a lock"
)
# tool -> (call, what its arguments must hold, what they must not, kind, message, which arguments name the object)
CALLS: dict[str, tuple[tuple[str, str, str, str, str, tuple[int, ...]], ...]] = {
    "alembic": (
        (r"op\.drop_table", "", "", "data-loss", ROWS, (0,)), (r"op\.drop_column", "", "", "data-loss", VALUES, (0, 1)),
        (r"op\.create_index", "", "postgresql_concurrently", "blocks-writes", INDEX, (1,)),
        (r"op\.create_(?:unique_constraint|check_constraint|foreign_key)", "", "postgresql_not_valid", "blocks-writes", CHECKS, (1,)),
        (r"op\.alter_column", r"\btype_\s*=", "", "rewrite", CHANGES, (0, 1)),
        (r"op\.alter_column", r"nullable\s*=\s*False", "", "blocks-reads", "SET NOT NULL reads the whole table while reads and writes wait", (0, 1)),
        (r"op\.rename_table|op\.alter_column(?=[^;]*?new_column_name)", "", "", "breaks-callers", NAMES, (0,)),
        (
            r"op\.add_column", r"nullable\s*=\s*False", "server_default", "fails-on-data",
            "a required column without a server default: fails when the table has rows", (0,)
        )
    ),
    "django": (
        (r"\bRunPython|\bRunSQL", "", r"reverse_|,", "irreversible", "has no reverse", ()), (r"\bDeleteModel", "", "", "data-loss", ROWS, (0,)),
        (r"\bRemoveField", "", "", "data-loss", VALUES, (0, 1)), (r"\bRename(?:Field|Model)|\bAlterModelTable", "", "", "breaks-callers", NAMES, (0,)),
        (r"\bAdd(?:Index|Constraint)|\bAlterUniqueTogether", "", "", "blocks-writes", f"{INDEX} (AddIndexConcurrently does not block)", (0,)),
        (r"\bAlterField", "", "", "rewrite", CHANGES, (0, 1))
    ),
    "script": (
        (r"\.dropTable(?:IfExists)?", "", "", "data-loss", ROWS, (0,)), (r"\.(?:dropColumns?|removeColumn)", "", "", "data-loss", VALUES, (0, 1)),
        (r"\.renameColumn", "", "", "breaks-callers", NAMES, (0,)),
        (r"(?:[qQ]ueryInterface|pgm|queryRunner)\.(?:addIndex|createIndex)", "", r"concurrently\s*:\s*true", "blocks-writes", INDEX, (0,)),
        (r"\.(?:changeColumn|alterColumn)", "", "", "rewrite", CHANGES, (0, 1))
    ),
}
MADE = re.compile(r"(?:create_table|createTable|CreateModel)\(\s*(?:name\s*=\s*)?['\"`](\w+)")
RAW = re.compile(r"(?:op\.execute|\.query|\.raw|pgm\.sql)\(\s*(?:sa\.text\(|text\()?\s*(\"\"\"|'''|['\"`])(.*?)\1", re.S)
RUBY = (
    (r"^\s*remove_columns?\s+:(\w+),\s*:(\w+)", "data-loss", VALUES),
    (r"^\s*drop_table\s+:(\w+)", "data-loss", ROWS),
    (r"^\s*add_index\s+:(\w+)(?![^\n]*concurrently)", "blocks-writes", INDEX),
    (r"^\s*rename_column\s+:(\w+)", "breaks-callers", NAMES),
)


@dataclasses.dataclass
class Kept:
    """The migrations of one tool in one folder. back: the files that have a way back; hazards: file -> what is wrong with it."""

    tool: str
    folder: str
    files: list[str] = dataclasses.field(default_factory=list)
    back: set[str] = dataclasses.field(default_factory=set)
    hazards: dict[str, list[Hazard]] = dataclasses.field(default_factory=dict)
    note: str = ""


class Reader:
    def __init__(self, tree: Tree, facts: Facts):
        self.tree, self.facts, self.found = tree, facts, dict[tuple[str, str], Kept]()

    def read(self) -> list[Kept]:
        """All migrations; adds their facts."""
        for name in self.tree.matching("", "sql"):
            self.sql(name)
        for name in self.tree.matching(r"(?:^|/)(?:versions|migrations)/[^/]+\.py$", "py"):
            self.python(name, self.tree.read(name))
        for name in self.tree.matching(r"(?i)(?:^|/)[\w-]*migrations?/(?:[^/]+/)*[^/]*$", "js ts cjs mjs cts mts"):
            self.script(name, self.tree.read(name))
        for name in self.tree.matching(r"(?:^|/)db/migrate/[^/]+$", "rb"):
            self.ruby(name, re.sub(r"(?m)^\s*#.*$", "", self.tree.read(name)))
        for one in self.found.values():
            if one.tool in SQL_TOOLS:
                one.hazards |= hazards(self.tree, self.facts, one.files)
            one.note = NO_WAY_BACK.get(one.tool, "") or (self.heads(one) if one.tool == "alembic" else "")
            self.tell(one)
        return list(self.found.values())

    def tell(self, one: Kept) -> None:
        lacking, latest = [name for name in one.files if name not in one.back], max(one.files)
        value = {
            "tool": one.tool,
            "folder": one.folder or ".",
            "count": len(one.files),
            "irreversible": len(lacking),
            "latest": latest[len(one.folder) :].lstrip("/"),
            "note": one.note,
            **{
                key: command.format(one.folder)
                for key, command in zip(("apply", "revert"), TOOLS.get(one.tool, (f"{OURS}migrate FILE", f"{OURS}rollback FILE")))
            },
        }
        self.facts.add("migrations", f"{one.tool}:{one.folder}", value, latest, 1)
        for name in one.files:
            said = one.hazards.get(name, [])
            if name in lacking and not one.note.endswith("further migration") and not any(kind == "irreversible" for kind, *_ in said):
                said = [("irreversible", name.rpartition("/")[2], "has no way back", 1), *said]
            for kind, target, message, line in said:
                self.facts.add(
                    "migration-hazard", f"{name}:{kind}:{target}", {"tool": one.tool, "hazard": kind, "object": target, "message": message}, name, line
                )

    def keep(self, tool: str, folder: str, name: str, back: bool) -> Kept:
        made = self.found.setdefault((tool, folder), Kept(tool, folder))
        made.files.append(name)
        if back:
            made.back.add(name)
        return made

    def sql(self, name: str) -> None:
        folder, _, base = name.rpartition("/")
        outer, text = folder.rpartition("/")[0], self.tree.read(name)

        def beside(*others: str) -> bool:
            return any(f"{folder}/{other}".lstrip("/") in self.tree for other in others)

        for tool, mark in MARKED:
            if re.search(mark + r"up\b", text, re.M | re.I):
                down = re.split(mark + r"down\b", text, maxsplit=1, flags=re.M | re.I)[1:]
                self.keep(tool, folder, name, bool(down) and bool(re.search(r"^\s*[A-Za-z]", re.sub(r"--[^\n]*", "", down[0]), re.M)))
                return
        if base == "migration.sql" and "/migrations/" in name:
            self.keep("prisma", outer, name, False)
        elif f"{folder}/meta/_journal.json" in self.tree:
            self.keep("drizzle", folder, name, False)
        elif re.match(r"[VR][\d._]*__", base):
            self.keep("flyway", folder, name, base[0] == "R" or beside("U" + base[1:]))
        elif base.endswith(".up.sql"):
            self.keep("golang-migrate", folder, name, beside(base[:-6] + "down.sql"))
        elif base == "up.sql":
            self.keep("diesel", outer, name, beside("down.sql"))
        elif NUMBERED.search(name) and not DOWN.search(base):
            self.keep("sql", folder, name, beside(*(base[:-4] + tail + ".sql" for tail in ("_rollback", ".down", ".rollback", "_down", ".undo"))))

    def python(self, name: str, text: str) -> None:
        text = blanked(text, "python")
        if down := re.search(r"^down_revision\b", text, re.M):
            up, down = (re.search(rf"^def {way}\(.*?(?=^\S|\Z)", text, re.M | re.S) for way in ("upgrade", "downgrade"))
            merges = bool(up) and not re.search(r"\w\(", up[0].partition(":")[2])
            back = bool(down) and bool(re.search(r"\w\.\w+\(", down[0])) and "raise " not in down[0]
            one = self.keep("alembic", name.rpartition("/")[0], name, back or merges)
            one.hazards[name] = list(self.called("alembic", text, *(up.span() if up else (0, 0)), ""))
            if not back and not merges:
                revision = (re.findall(r"^revision\b[^=\n]*=\s*['\"]([\w-]+)", text, re.M) or [name])[0]
                one.hazards[name].append(
                    (
                        "irreversible", revision, "downgrade() does nothing" if down else "there is no downgrade()",
                        text.count("\n", 0, down.start()) + 1 if down else 1
                    )
                )
        elif re.search(r"class Migration\(\s*(?:migrations\.)?Migration", text):
            one, app = self.keep("django", name.rpartition("/")[0], name, True), name.split("/")[-3] if name.count("/") > 1 else ""
            one.hazards[name] = [
                (kind, target or name.rpartition("/")[2], message, line) for kind, target, message, line in self.called("django", text, 0, len(text), app)
            ]
            if any(kind == "irreversible" for kind, *_ in one.hazards[name]):
                one.back.discard(name)

    def script(self, name: str, text: str) -> None:
        text = blanked(text)
        up, down = (re.search(rf"\b{way}\s*(?:=|:|\()", text) for way in ("up", "down"))
        if up and re.search(r"knex|[qQ]ueryInterface|MigrationInterface|createTable|\bpgm\b|schema\.", text):
            tool = (
                "typeorm"
                if re.search(r"MigrationInterface|QueryRunner", text)
                else "sequelize"
                if re.search(r"[qQ]ueryInterface", text)
                else "node-pg-migrate"
                if re.search(r"\bpgm\b", text)
                else "knex"
            )
            ends = sorted([found.start() for found in (up, down) if found] + [len(text)])
            body = text[down.end() : ends[ends.index(down.start()) + 1]].partition("{")[2] if down else ""
            folder = (re.match(r"(?i)(?:.*/)?[\w-]*migrations?(?=/)", name) or [name.rpartition("/")[0]])[0]
            one = self.keep(tool, folder, name, bool(re.search(r"\w\.\w+", body)) and not re.match(r"\s*throw\b", body))
            one.hazards[name] = list(self.called("script", text, up.end(), ends[ends.index(up.start()) + 1], ""))

    def ruby(self, name: str, text: str) -> None:
        if "ActiveRecord::Migration" in text:
            hard = re.search(r"\bexecute\b|IrreversibleMigration|remove_column\s+:\w+,\s*:\w+\s*$", text, re.M)
            one = self.keep(
                "rails", name.rpartition("/")[0], name, "def change" in text and not hard or bool(re.search(r"def down\b(?!\s*\n\s*(?:end|raise))", text))
            )
            made = set(re.findall(r"create_table\s+:(\w+)", text))
            one.hazards[name] = [
                (kind, ".".join(hit.groups()), message, text.count("\n", 0, hit.start(1)) + 1)
                for pattern, kind, message in RUBY
                for hit in re.finditer(pattern, text.partition("def down")[0], re.M)
                if hit[1] not in made
            ]

    def called(self, tool: str, text: str, begin: int, end: int, app: str) -> Iterator[Hazard]:
        """The hazards of the calls in a part of a text, in its order; of tables that the file makes itself there are none but losses."""
        code, lines, made, found = (
            blanked(text, "node" if tool == "script" else "python", True), Lines(text), {one.lower() for one in MADE.findall(text, begin, end)}, []
        )
        for pattern, must, never, kind, message, named in CALLS[tool]:
            for hit in re.compile(rf"({pattern})\(").finditer(code, begin, end):
                given, close = arguments(code, hit.end() - 1)
                words, parts = text[hit.end() : close - 1], [text[slice(*span)].strip() for span in given]
                texts = [
                    part.partition("=")[2].strip("'\" ")
                    if re.match(r"(?:model_name|name)\s*=", part)
                    else part.strip("'\"`")
                    if part[:1] in ("'", '"', "`")
                    else ""
                    for part in parts
                ]
                target = ".".join(filter(None, [app if named else "", *(texts[place] for place in named if place < len(texts))]))
                if (
                    re.search(must, words)
                    and not (never and re.search(never, words.rstrip(", \n")))
                    and (texts[named[0]] if named and named[0] < len(texts) else "").lower() not in made - {""}
                ):
                    found.append((hit.start(), (kind, target or ("?" if named else ""), message, lines.of(hit.start()))))
        for hit in RAW.finditer(text, begin, end):
            found += [(hit.start(), (kind, target, message, lines.of(hit.start()))) for kind, target, message, _ in hazards_of_text(self.facts, hit[2])]
        return (hazard for _, hazard in sorted(found, key=lambda one: one[0]))

    def heads(self, one: Kept) -> str:
        texts = [self.tree.read(name) for name in one.files]
        below = {
            found
            for text in texts
            for line in re.findall(r"^down_revision\b[^=\n]*=\s*(.+(?:\n\s+.+)*)", text, re.M)
            for found in re.findall(r"['\"]([\w-]+)['\"]", line)
        }
        open_ = sorted({found for text in texts for found in re.findall(r"^revision\b[^=\n]*=\s*['\"]([\w-]+)", text, re.M)} - below)
        return f"{len(open_)} heads: {', '.join(open_)}; alembic upgrade head refuses until they are merged" if len(open_) > 1 else ""
