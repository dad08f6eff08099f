"""A migration file: which format it has, its statements up or down, and which of them share a transaction."""
from __future__ import annotations

import dataclasses
import hashlib
import itertools
import pathlib
import re
from typing import Iterable

from senior_backend.console import CommandError, ExitCode
from senior_backend.migrate.apply.statements import CLOSING, OPENING, Statement, refuse
from senior_backend.postgres.lexer import COPY_DATA, Lexer, Piece
from senior_backend.postgres.sql_files import COMMAND, INCLUDES, RELATIVE, FileReader, Script, sections
from senior_backend.postgres.trees import parse, postgast

UP, DOWN = "up", "down"


# tools that keep both directions in one file: what tells it, and what takes a direction out of its transaction
FORMATS = {
    "goose": (r"\+goose\s+up\b", r"\+goose\s+no\s+transaction\b"),
    "dbmate": (r"migrate:up\b", r"migrate:{way}\b.*\btransaction\s*:\s*false"),
    "sql-migrate": (r"\+migrate\s+up\b", r"\+migrate\s+{way}\s+notransaction\b"),
}
# how tools name the files of the two directions: (migration, its rollback, rollback, its migration)
PAIRS = (
    (r"(.*)\.up\.sql", r"\1.down.sql", r"(.*)\.down\.sql", r"\1.up.sql"),
    (r"up\.sql", r"down.sql", r"down\.sql", r"up.sql"),
    (r"V(.*__.*)\.sql", r"U\1.sql", r"U(.*__.*)\.sql", r"V\1.sql"),
    (r"(.*)\.sql", r"\1_rollback.sql", r"(.*)_rollback\.sql", r"\1.sql"),
)
SHARED_NAMES = re.compile(r"(up|down|migration|structure|schema)\.sql")
HARMLESS = frozenset("echo qecho warn restrict unrestrict pset timing x set unset".split())
MARK = re.compile(rb"^-- hazard data-loss: (.*)$", re.M)          # see output.script
TEMPLATE = re.compile(r"\{\{.*?\}\}|\$\{\w+\}|<%.*?%>")


@dataclasses.dataclass(frozen=True)
class Group:
    """Statements that stand or fall together. begin, end: the file's own BEGIN and COMMIT (or ROLLBACK), None where the tool writes them."""
    statements: tuple[Statement, ...]
    begin: Statement | None = None
    end: Statement | None = None

    @property
    def transactional(self) -> bool:
        return self.begin is not None or len(self.counted) != 1 or self.counted[0].transactional

    @property
    def counted(self) -> tuple[Statement, ...]:
        return tuple(one for one in self.statements if one.number)


@dataclasses.dataclass(frozen=True)
class Issue:
    """A fault of the transaction commands: what psql would only warn of."""
    statement: Statement
    message: str


@dataclasses.dataclass(frozen=True)
class Migration:
    """name: what the history calls it (a rollback carries the name of what it takes back); checksum: SHA-256 of the file with line ends made one."""
    name: str
    path: pathlib.Path
    direction: str
    format: str
    checksum: str
    groups: tuple[Group, ...]
    issues: tuple[Issue, ...]

    @property
    def statements(self) -> list[Statement]:
        return [one for group in self.groups for one in group.counted]


def read(path: pathlib.Path, direction: str) -> Migration:
    """The file as one migration. CommandError exit 2 when it holds no statement or cannot be understood, exit 3 when it holds one that is never run."""
    text = contents(path)
    name = next((name for name, (up, _) in FORMATS.items() if says(text, up)), "plain")
    whole = name != "plain" and not says(text, FORMATS[name][1].replace("{way}", direction))
    script = Script(str(path))
    marked = len(sections(text.encode())) > 1
    MigrationReader(script, path, path.parent.resolve(), direction=direction if marked else UP).read()
    numbers = itertools.count(1)
    statements = [made if made.control else dataclasses.replace(made, number=next(numbers)) for made in map(understood, script.statements)]
    if all(one.control for one in statements):
        raise CommandError(f"{path}: no statement {f'to go {direction} ({name})' if marked else 'in this file'}", "expected SQL, each statement ended by a semicolon", identifier="NO_STATEMENTS")
    for one in statements:
        refuse(one)
    groups, issues = grouped(statements, whole)
    return Migration(name_of(path), path, direction, name, hashlib.sha256(text.encode()).hexdigest(), tuple(groups), tuple(issues))


def says(text: str, mark: str) -> bool:
    return re.search(rf"^\s*--\s*{mark}", text, re.M | re.I) is not None


def two_ways(text: str) -> bool:
    return any(way == DOWN for _, _, way in sections(text.encode()))


def contents(path: pathlib.Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}", "give the path of a file with SQL statements", identifier="FILE") from None
    except UnicodeDecodeError as error:
        raise CommandError(f"{path}: byte {error.start} is not UTF-8", "save the file as UTF-8", identifier="FILE") from None


class MigrationReader(FileReader):
    """All statements of a file, with their rows and hazards. What only concerns psql's own output is left out, its other commands are refused."""
    refusal = ExitCode.REFUSED
    last = 0

    def read(self) -> None:
        self.take(contents(self.path).encode())

    def piece(self, piece: Piece, lexer: Lexer) -> bool:
        text, last, self.last = self.text(piece), self.last, piece.end
        if piece.command:
            return self.command(*COMMAND.match(text).groups())
        copies = COPY_DATA.match(self.data, piece.start, piece.end)
        rows = self.data[piece.end + 1:lexer.data_end(piece.end)].partition(b"\n")[2].rpartition(b"\\.")[0] if copies else b""
        marks = "; ".join(found[1].decode() for found in MARK.finditer(self.data, last, piece.start))
        self.script.statements.append(Statement(text, str(self.path), self.line, rows=rows, marked=marks))
        return False

    def command(self, name: str, rest: str) -> bool:
        if name in INCLUDES:
            self.include(rest, name in RELATIVE)
        elif name not in HARMLESS:
            raise self.error(self.counted, f"\\{name} is a command of psql, not SQL, and not run in a migration", "write it as SQL, or run this file with psql", "PSQL_COMMAND", self.refusal)
        return False


def understood(found: Statement) -> Statement:
    try:
        return dataclasses.replace(found, node=parse(found.text)[0])
    except postgast().PgQueryError as error:
        line = found.line + found.text.encode()[: max(0, error.cursorpos - 1)].count(b"\n")
        hint = "fill in the template first: it is not SQL yet" if TEMPLATE.search(found.text) else "correct the statement"
        raise CommandError(f"{found.file}:{line}: {error.message}", hint, identifier="SQL_SYNTAX") from None


def grouped(statements: Iterable[Statement], whole: bool) -> tuple[list[Group], list[Issue]]:
    """As psql would run them: each by itself, but for BEGIN ... COMMIT. whole: the format says that all are one transaction.

    Neighbours of a statement that means nothing outside a transaction (SET LOCAL, LOCK TABLE) or makes what only its session sees (temporary tables)
    become one transaction with it.
    """
    groups: list[Group] = []
    issues: list[Issue] = []
    begin: Statement | None = None
    loose: list[Statement] = []

    def flush(end: Statement | None = None) -> None:
        nonlocal begin, loose
        together = begin or whole or any(one.wants_transaction for one in loose)
        groups.extend([Group(tuple(loose), begin, end)] if loose and together else [Group((one,)) for one in loose])
        begin, loose = None, []

    for one in statements:
        if one.control in OPENING:
            if begin:
                issues.append(Issue(one, f"BEGIN within the transaction that line {begin.line} began"))
                continue
            flush()
            begin = one
        elif one.control in CLOSING:
            if begin:
                flush(one)
            else:
                issues.append(Issue(one, f"{one.control} without a BEGIN before it"))
        elif not one.transactional and not begin and not whole:
            flush()
            groups.append(Group((one,)))
        else:
            loose.append(one)
            if begin and not one.transactional:
                issues.append(Issue(one, f"cannot run in the transaction that line {begin.line} began"))
            elif whole and not one.transactional:
                issues.append(Issue(one, "cannot run in a transaction, and the file's format makes all its statements one"))
    if begin:
        issues.append(Issue(begin, "BEGIN without COMMIT: all that follows would be undone"))
    flush()
    return groups, issues


def name_of(path: pathlib.Path) -> str:
    """up.sql in a folder of its own goes by the folder's name too; a rollback goes by its migration's.

    >>> name_of(pathlib.Path("db/1_add_users.sql")), name_of(pathlib.Path("/m/2024_init/down.sql")), name_of(pathlib.Path("7.down.sql"))
    ('1_add_users.sql', '2024_init/up.sql', '7.up.sql')
    """
    name = next((re.sub(back, forward, path.name) for _, _, back, forward in PAIRS if re.fullmatch(back, path.name)), path.name)
    return f"{path.absolute().parent.name}/{name}" if SHARED_NAMES.fullmatch(name) else name


def rollback_of(path: pathlib.Path) -> pathlib.Path:
    """The file that takes a migration back: itself when it is one or holds both directions, else its neighbour. CommandError exit 2 when there is none."""
    if any(re.fullmatch(back, path.name) for _, _, back, _ in PAIRS) or two_ways(contents(path)):
        return path
    tried = [path.with_name(re.sub(forward, back, path.name)) for forward, back, _, _ in PAIRS if re.fullmatch(forward, path.name)]
    for one in tried:
        if one.is_file():
            return one
    raise CommandError(f"{path} has no rollback: there is no {' and no '.join(one.name for one in tried)} beside it", "give the rollback file itself", identifier="NO_ROLLBACK")
