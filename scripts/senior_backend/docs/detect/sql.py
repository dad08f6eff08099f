"""SQL: what its statements do to a live database, and the tables that they make. The one way from the documents to the parsers of migrate and postgres.

Statements, their losses and the safe forms are those of migrate/apply; tables are those of the catalogue that postgres/parsed reads.
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
        return list(told([[statements.Statement(1, text, "", 1, node)] for node in statements.parse(text)]))
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
                        "data-loss",
                        target,
                        f"a type that may cut values ({loss.becomes})" if loss.kind == "values" else f"{loss.kind} {target}: lost",
                        one.line,
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
