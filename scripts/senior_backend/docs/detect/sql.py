"""SQL files: what their statements do to a live database, and the tables that they make. The one way from the documents to the parsers of the rooms migrate and postgres.

Statements and their losses are those of migrate/apply (script, statements, and the safe forms of rules); tables are those of the catalogue that postgres/parsed reads.
Without the package postgast nothing of SQL is told, and the documents say so.
"""
from __future__ import annotations

import importlib.util
import pathlib
import re
from typing import Any, Iterable, Iterator

from senior_backend.console import CommandError
from senior_backend.dependencies import REQUIREMENTS
from senior_backend.docs.facts import Facts
from senior_backend.docs.tree import Tree

TOOLS = {"prisma", "drizzle", "goose", "dbmate", "sql-migrate", "flyway", "golang-migrate", "diesel", "sql"}
Hazard = tuple[str, str, str, int]
MISSING = f"SQL was not read: the package postgast is not installed (python -m pip install '{REQUIREMENTS['postgast']}')"
# what an action of ALTER TABLE costs on a table that is in use -> (kind, message)
ACTIONS = {"AlterColumnType": ("rewrite", "a changed type may rewrite the table while reads and writes wait"), "SetNotNull": ("blocks-reads", "SET NOT NULL reads the whole table while reads and writes wait"),
           "SetLogged": ("rewrite", "rewrites the table"), "SetUnLogged": ("rewrite", "rewrites the table"), "SetTableSpace": ("rewrite", "copies the table while reads and writes wait"), "SetAccessMethod": ("rewrite", "rewrites the table")}
CONSTRAINTS = {"CONSTR_CHECK": "blocks-reads", "CONSTR_FOREIGN": "blocks-writes", "CONSTR_UNIQUE": "blocks-reads", "CONSTR_PRIMARY": "blocks-reads", "CONSTR_EXCLUSION": "blocks-reads"}


def available(facts: Facts) -> bool:
    """Whether SQL can be read; noted when it cannot."""
    if importlib.util.find_spec("postgast") is not None:
        return True
    facts.missing(MISSING)
    facts.lacking.append("postgast")
    return False


def hazards(tree: Tree, facts: Facts, files: list[str]) -> dict[str, list[Hazard]]:
    """File -> its hazards. What is no SQL of PostgreSQL is noted."""
    if not available(facts):
        return {}
    from senior_backend.migrate.apply import script

    found: dict[str, list[Hazard]] = {}
    failed: list[str] = []
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
        nodes = statements.parse(text)
    except statements.postgast().PgQueryError:
        return []
    return list(told([[statements.Statement(number, text, "", 1, node)] for number, node in enumerate(nodes, 1)]))


def told(groups: Iterable[Iterable[Any]]) -> Iterator[Hazard]:
    """The hazards of one file's statements, those of one transaction in a group; of tables that the file makes itself there are none."""
    made: set[str] = set()
    proven: set[str] = set()            # tables of which a constraint was validated: SET NOT NULL may need no scan
    for group in groups:
        unproven: set[str] = set()      # constraints that this transaction adds without looking at the rows
        for one in group:
            if one.kind == "CreateStmt":
                made.add(node_table(one.node))
            for loss in one.losses:
                if loss.name[-1] not in made:
                    target = ".".join([*loss.name, *filter(None, [loss.column])])
                    yield "data-loss", target, f"a type that may cut values ({loss.becomes})" if loss.kind == "values" else f"{loss.kind} {target}: lost", one.line
            if node_table(one.node) not in made:
                yield from ((*hazard, one.line) for hazard in costs(one, proven, unproven))


def node_table(node: Any) -> str:
    return node.relation.relname if "relation" in node.DESCRIPTOR.fields_by_name else ""


def costs(one: Any, proven: set[str], unproven: set[str]) -> Iterator[tuple[str, str, str]]:
    """What a statement costs a table that is in use."""
    from senior_backend.migrate.apply.statements import commands, concurrently, relation_name, symbol

    node, kind = one.node, one.kind
    table = ".".join(relation_name(node.relation)) if node_table(node) else "?"
    if kind == "IndexStmt" and not node.concurrent:
        yield "blocks-writes", table, safe("builds an index: writes wait until it is done", kind)
    elif kind == "AlterTableStmt" and symbol(node, "objtype") == "OBJECT_TABLE":
        for command in commands(node):
            if command.action == "ValidateConstraint":
                proven.add(table)
                if command.name in unproven:
                    yield "blocks-writes", table, safe(f"the constraint {command.name} is validated while its transaction still holds the lock that adding it took", command.action)
            elif command.action == "AddConstraint" and command.definition.skip_validation:
                unproven.add(command.definition.conname)
            if command.action != "SetNotNull" or table not in proven:
                yield from action(table, command)
    elif kind == "RenameStmt" and symbol(node, "rename_type") in ("OBJECT_TABLE", "OBJECT_COLUMN"):
        yield "breaks-callers", table, "the old name is gone at once: code that runs meanwhile fails"
    elif kind == "UpdateStmt" and not node.HasField("where_clause"):
        yield "backfill", table, "changes every row in one statement: locks them all until it is done"
    elif kind in ("ClusterStmt", "ReindexStmt", "RefreshMatViewStmt") and not (getattr(node, "concurrent", False) or kind == "ReindexStmt" and concurrently(node)):
        yield "blocks-reads", table, safe(f"{kind.removesuffix('Stmt').upper()} keeps others out until it is done", kind)


def action(table: str, command: Any) -> Iterator[tuple[str, str, str]]:
    from senior_backend.migrate.apply.rules import fills, required_column
    from senior_backend.migrate.apply.statements import symbol, unwrapped

    if command.action in ACTIONS:
        kind, message = ACTIONS[command.action]
        yield kind, f"{table}.{command.name}" if command.name else table, safe(message, command.action)
    elif command.action == "AddColumn":
        if required_column(command):
            yield "fails-on-data", f"{table}.{command.definition.colname}", "a required column without a default: fails when the table has rows"
        elif fills(command) and volatile(command):
            yield "rewrite", f"{table}.{command.definition.colname}", safe("the default is computed for every row while reads and writes wait", "AddColumn")
        if any(symbol(unwrapped(one), "contype") in ("CONSTR_UNIQUE", "CONSTR_PRIMARY") for one in command.definition.constraints):
            yield "blocks-reads", f"{table}.{command.definition.colname}", safe("builds a unique index while reads and writes wait", "CONSTR_UNIQUE")
    elif command.action == "AddConstraint":
        kind = symbol(command.definition, "contype")
        if kind in CONSTRAINTS and not command.definition.skip_validation and not command.definition.indexname:
            yield CONSTRAINTS[kind], table, safe(f"the constraint {command.definition.conname or 'without a name'} is checked against every row while it holds a lock", kind)


def volatile(command: Any) -> bool:
    """Whether the default of a new column is worked out row by row: a call other than now() and its like, a sequence, a generated value."""
    from senior_backend.migrate.apply.statements import function_name, postgast, symbol, unwrapped, words

    if words(command.definition.type_name.names)[-1].endswith("serial"):
        return True
    for one in map(unwrapped, command.definition.constraints):
        calls = [function_name(node) for _, node in postgast().walk(one) if type(node).__name__ == "FuncCall"]
        if symbol(one, "contype") in ("CONSTR_IDENTITY", "CONSTR_GENERATED") or any(name not in ("now", "current_timestamp", "transaction_timestamp", "statement_timestamp") for name in calls):
            return True
    return False


def safe(message: str, key: str) -> str:
    """The message, and the form that does not do it."""
    from senior_backend.migrate.apply.rules import SAFE

    return f"{message}. Instead: {SAFE[key]}" if key in SAFE else message


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
    except (CommandError, LookupError) as error:        # a migration may name what no file makes
        facts.missing(f"the schema of {files[0].rpartition('/')[0] or files[0]} was not understood as SQL of PostgreSQL: {getattr(error, 'message', error)}".replace(str(tree.root) + "/", ""))
        return None
    made: dict[str, tuple[str, int]] = {}
    for one in script.statements:
        found = re.match(r"create\s+(?:unlogged\s+)?table\s+(?:if\s+not\s+exists\s+)?((?:\"[^\"]+\"|[\w$]+)(?:\s*\.\s*(?:\"[^\"]+\"|[\w$]+))?)", one.text, re.I)
        if found:
            name = re.split(r"\s*\.\s*", found[1])[-1]
            made.setdefault(name.strip('"') if name.startswith('"') else name.lower(), (pathlib.Path(one.file).relative_to(tree.root).as_posix(), one.line))
    return catalogue, made
