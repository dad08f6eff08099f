"""The workload: what the server counted, or what a file holds. Statements that differ in their constants alone are one."""
from __future__ import annotations

import dataclasses
import pathlib
import re
from typing import TYPE_CHECKING, Any, Iterable, Iterator

from senior_backend import dependencies
from senior_backend.console import CommandError
from senior_backend.migrate.analyze import workload
from senior_backend.migrate.analyze.schema import shown
from senior_backend.migrate.apply.script import contents
from senior_backend.postgres.lexer import Lexer, Unfinished
from senior_backend.postgres.quote import ident, qualified
from senior_backend.postgres.trees import nodes

if TYPE_CHECKING:
    import psycopg

    from senior_backend.migrate.advise.facts import Facts, Name
    from senior_backend.migrate.analyze.schema import ForeignKey

MOST_LITERALS = 5
READ = ("select_stmt", "update_stmt", "delete_stmt", "insert_stmt", "merge_stmt")
WRAPPED = {"prepare_stmt": "query", "declare_cursor_stmt": "query", "explain_stmt": "query", "copy_stmt": "query", "create_table_as_stmt": "query"}
NUMBERS, LISTS = re.compile(r"\$\d+"), re.compile(r"(?<=[\[(])\$(?:, \$)+(?=[\])])")
QUESTION = re.compile(r"('(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")|\?")


@dataclasses.dataclass
class Statement:
    """text: canonical SQL with $n for what was a constant (of a file: as it stands). literals: the same as it was sent, where that was seen. total: ms of all calls, None where nobody measured.

    rows: of all calls, None unknown; note: what a person must know of it.
    """
    text: str
    tree: Any
    calls: int
    total: float | None = None
    rows: int | None = None
    literals: list[str] = dataclasses.field(default_factory=list)
    note: str = ""

    @property
    def kind(self) -> str:
        return self.tree.stmts[0].stmt.WhichOneof("node").removesuffix("_stmt")

    @property
    def node(self) -> Any:
        stmt = self.tree.stmts[0].stmt
        return getattr(stmt, stmt.WhichOneof("node"))

    @property
    def mean(self) -> float | None:
        return self.total / max(self.calls, 1) if self.total is not None else None

    @property
    def shown(self) -> str:
        """Without its constants, on one line."""
        return workload.cut(workload.masked(self.text))

    def names(self) -> Iterator[tuple[str, str]]:
        """(schema, name) of all relations it names; schema "" where it leaves that to search_path."""
        with_names = {one.ctename for one in nodes(self.tree, "CommonTableExpr")}
        named = nodes(self.tree, "RangeVar")
        return ((one.schemaname, one.relname) for one in named if one.schemaname or one.relname not in with_names)


def counted(session: psycopg.Connection[Any], sent: Iterable[str]) -> tuple[list[Statement] | None, str]:
    """Of pg_stat_statements, and what lacks there. sent: texts with constants, as other sessions show them."""
    rows, missing = workload.counted(session)
    if rows is None:
        return None, missing
    found: dict[str, Statement] = {}
    for text, calls, total, _, count in rows:
        one = statement(text)
        if one is None:
            continue
        same = found.setdefault(fingerprint(one.text), one)
        same.calls, same.total, same.rows = same.calls + calls, (same.total or 0.0) + total, (same.rows or 0) + count
    for text in sent:
        one = statement(text)
        if one and (same := found.get(fingerprint(one.text))) and "$" not in one.text:
            same.literals = list(dict.fromkeys([*same.literals, one.text]))[:MOST_LITERALS]
    return list(found.values()), missing


def of_file(path: pathlib.Path) -> tuple[list[Statement], list[str]]:
    """Of a file of SQL, and notes about what was left out. CommandError exit 2 when nothing in it reads or changes rows."""
    found: dict[str, Statement] = {}
    notes: list[str] = []
    for line, text in pieces(path):
        try:
            one = statement(text, strict=True)
        except ValueError as error:
            notes.append(f"{path}:{line}: left out: {error}")
            continue
        same = found.setdefault(fingerprint(one.text), one)
        same.calls += 1
        same.literals = list(dict.fromkeys([*same.literals, *([one.text] if "$" not in one.text else [])]))[:MOST_LITERALS]
    if not found:
        raise CommandError(f"{path}: no statement that reads or changes rows" + (f" ({notes[0]})" if notes else ""),
                           "give a file of SELECT, INSERT, UPDATE and DELETE statements, each ended by a semicolon", identifier="NO_STATEMENTS")
    return list(found.values()), notes


def pieces(path: pathlib.Path) -> Iterator[tuple[int, str]]:
    data = contents(path).encode()
    lexer = Lexer(data)
    try:
        for piece in lexer.pieces():
            if not piece.command:
                yield data.count(b"\n", 0, piece.start) + 1, data[piece.start:piece.end].decode().strip()
    except Unfinished as error:
        line = data.count(b"\n", 0, error.place) + 1
        hint = "close it, or see where an earlier quote is missing"
        raise CommandError(f"{path}:{line}: this {error.what} never ends", hint, identifier="SQL_SYNTAX") from None


def statement(text: str, strict: bool = False) -> Statement | None:
    """None, or ValueError when strict, for what cannot be parsed or neither reads nor changes rows."""
    postgast = dependencies.require("postgast")
    try:
        tree = parsed(text)
        if len(tree.stmts) != 1:
            raise ValueError("not one statement")
        node = tree.stmts[0].stmt
        name = node.WhichOneof("node")
        if name in WRAPPED and getattr(node, name).HasField(WRAPPED[name]):
            node.CopyFrom(type(node).FromString(getattr(getattr(node, name), WRAPPED[name]).SerializeToString()))
        if node.WhichOneof("node") not in READ:
            raise ValueError("it neither reads nor changes rows")
        return Statement(postgast.deparse(tree), tree, 0)
    except (ValueError, postgast.PgQueryError) as error:
        if strict:
            raise ValueError(str(error)) from None
        return None


def parsed(text: str) -> Any:
    """With ? as a parameter too, where the text is no SQL otherwise."""
    postgast = dependencies.require("postgast")
    try:
        return postgast.parse(text)
    except postgast.PgQueryError:
        numbers = iter(range(1, 10_000))
        with_numbers = QUESTION.sub(lambda found: found[1] or f"${next(numbers)}", text)
        if with_numbers == text:
            raise
        return postgast.parse(with_numbers)


def fingerprint(text: str) -> str:
    """The text without its constants, lists of any length alike. (libpg_query's own fingerprint takes tables for equal whose names differ in digits.)"""
    return LISTS.sub("$", NUMBERS.sub("$", workload.masked(text)))


def checks(found: Iterable[Statement], keys: Iterable[ForeignKey], facts: Facts) -> list[Statement]:
    """What deletes look up in the tables that refer to theirs, once for each row. keys: all foreign keys."""
    deleted: dict[Name, int] = {}
    for one in found:
        if one.kind == "delete" and (relation := facts.find(one.node.relation.schemaname, one.node.relation.relname)):
            deleted[relation.root] = deleted.get(relation.root, 0) + (one.rows if one.rows is not None else one.calls)
    return lookups(deleted, keys)


def lookups(deleted: dict[Name, int], keys: Iterable[ForeignKey]) -> list[Statement]:
    """deleted: rows by table."""
    made = []
    for key in keys:
        if rows := deleted.get(key.target.name):
            condition = " AND ".join(f"x.{ident(column)} = ${number}" for number, column in enumerate(key.columns, 1))
            one = statement(f"SELECT 1 FROM {qualified(*key.table.name)} x WHERE {condition} FOR KEY SHARE OF x", strict=True)
            one.calls, one.note = rows, f"what deleting a row of {shown(key.target.name)} looks up for the foreign key {key.name}"
            made.append(one)
    return made
