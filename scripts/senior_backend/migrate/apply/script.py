"""A migration file: which format it has, its statements up or down, and which of them share a transaction."""
from __future__ import annotations

import dataclasses
import hashlib
import pathlib
import re
from typing import Iterable, Iterator

from senior_backend.console import CommandError, ExitCode
from senior_backend.migrate.apply.statements import CLOSING, OPENING, Statement, refuse
from senior_backend.postgres.lexer import COPY_DATA, Lexer, Unfinished
from senior_backend.postgres.sql_files import COMMAND, INCLUDES, RELATIVE
from senior_backend.postgres.trees import parse, postgast

UP, DOWN = "up", "down"


@dataclasses.dataclass(frozen=True)
class Format:
    """How other tools keep both directions in one file. plain: the line that takes a section out of its transaction."""
    name: str
    up: re.Pattern
    down: re.Pattern
    plain: re.Pattern


def form(name: str, up: str, down: str, plain: str) -> Format:
    return Format(name, *(re.compile(rf"^\s*--\s*{pattern}", re.M | re.I) for pattern in (up, down, plain)))


FORMATS = (
    form("goose", r"\+goose\s+up\b", r"\+goose\s+down\b", r"\+goose\s+no\s+transaction\b"),
    form("dbmate", r"migrate:up\b", r"migrate:down\b", r"migrate:(?:up|down)\b.*\btransaction\s*:\s*false"),
    form("sql-migrate", r"\+migrate\s+up\b", r"\+migrate\s+down\b", r"\+migrate\s+(?:up|down)\s+notransaction\b"),
)
# how tools name the files of the two directions: (migration, its rollback, rollback, its migration)
PAIRS = (
    (r"(.*)\.up\.sql", r"\1.down.sql", r"(.*)\.down\.sql", r"\1.up.sql"),
    (r"up\.sql", r"down.sql", r"down\.sql", r"up.sql"),
    (r"V(.*__.*)\.sql", r"U\1.sql", r"U(.*__.*)\.sql", r"V\1.sql"),
    (r"(.*)\.sql", r"\1_rollback.sql", r"(.*)_rollback\.sql", r"\1.sql"),
)
SHARED_NAMES = re.compile(r"(up|down|migration|structure|schema)\.sql")
HARMLESS = frozenset("echo qecho warn restrict unrestrict pset timing x set unset".split())
NEWLINE = b"\n"
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
    form = next((one for one in FORMATS if one.up.search(text)), None)
    section, whole = cut(text, form, direction) if form else (text, False)
    statements = list(Reader(path.parent).read(path, section))
    counted = [one for one in statements if one.number]
    if not counted:
        raise CommandError(f"{path}: no statement {f'to go {direction} ({form.name})' if form else 'in this file'}", "expected SQL, each statement ended by a semicolon", identifier="NO_STATEMENTS")
    for one in statements:
        refuse(one)
    groups, issues = grouped(statements, whole)
    return Migration(name_of(path), path, direction, form.name if form else "plain", hashlib.sha256(text.encode()).hexdigest(), tuple(groups), tuple(issues))


def contents(path: pathlib.Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}", "give the path of a file with SQL statements", identifier="FILE") from None
    except UnicodeDecodeError as error:
        raise CommandError(f"{path}: byte {error.start} is not UTF-8", "save the file as UTF-8", identifier="FILE") from None


class Reader:
    """Statements of a file and of those it includes, which lie below root, the first one's folder."""

    def __init__(self, root: pathlib.Path):
        self.root, self.number = root.resolve(), 0

    def read(self, path: pathlib.Path, text: str, above: tuple[pathlib.Path, ...] = ()) -> Iterator[Statement]:
        data = text.encode()
        lexer, counted, line, last = Lexer(data), 0, 1, 0
        above += (path.resolve(),)
        try:
            for piece in lexer.pieces():
                line += data.count(b"\n", counted, piece.start)
                counted = piece.start
                words = data[piece.start:piece.end].decode().rstrip()
                if piece.command:
                    yield from self.command(path, line, words, above)
                else:
                    rows = data[piece.end + 1:lexer.data_end(piece.end)].partition(b"\n")[2].rpartition(b"\\.")[0] if COPY_DATA.match(data, piece.start, piece.end) else b""
                    marks = [found[1].decode() for found in MARK.finditer(data, last, piece.start)]
                    yield self.statement(path, line, words, rows, "; ".join(marks))
                last = piece.end
        except Unfinished as error:
            raise CommandError(f"{path}:{data.count(NEWLINE, 0, error.place) + 1}: this {error.what} never ends", "close it, or see where an earlier quote is missing", identifier="SQL_SYNTAX") from None

    def statement(self, path: pathlib.Path, line: int, text: str, rows: bytes, marked: str) -> Statement:
        try:
            nodes = parse(text)
        except postgast().PgQueryError as error:
            at = line + text.encode()[: max(0, error.cursorpos - 1)].count(b"\n")
            hint = "fill in the template first: it is not SQL yet" if TEMPLATE.search(text) else "correct the statement"
            raise CommandError(f"{path}:{at}: {error.message}", hint, identifier="SQL_SYNTAX") from None
        made = Statement(0, text, str(path), line, nodes[0], rows, marked)
        if made.control:
            return made
        self.number += 1
        return dataclasses.replace(made, number=self.number)

    def command(self, path: pathlib.Path, line: int, text: str, above: tuple[pathlib.Path, ...]) -> Iterator[Statement]:
        """A \\command of psql: files are included, what only concerns psql's own output is left out, all others are refused."""
        name, rest = COMMAND.match(text).groups()
        if name in INCLUDES:
            target = ((path.parent if name in RELATIVE else self.root) / rest.strip().strip("'")).resolve()
            if not target.is_relative_to(self.root) or target in above:
                why = "includes itself" if target in above else f"lies outside of {self.root}"
                raise CommandError(f"{path}:{line}: {rest.strip()} {why}", "files are included from below the migration's folder only", ExitCode.REFUSED, "OUTSIDE_FOLDER")
            yield from self.read(target, contents(target), above)
        elif name not in HARMLESS:
            raise CommandError(f"{path}:{line}: \\{name} is a command of psql, not SQL, and not run in a migration", "write it as SQL, or run this file with psql", ExitCode.REFUSED, "PSQL_COMMAND")


def cut(text: str, form: Format, direction: str) -> tuple[str, bool]:
    """The section of one direction, the lines of the others emptied so that line numbers stay; and whether it is one transaction."""
    marks = sorted([(found.start(), UP) for found in form.up.finditer(text)] + [(found.start(), DOWN) for found in form.down.finditer(text)])
    ends = [start for start, _ in marks[1:]] + [len(text)]
    section = "\n" * text.count("\n", 0, marks[0][0])
    for (start, kind), end in zip(marks, ends):
        section += text[start:end] if kind == direction else "\n" * text.count("\n", start, end)
    whole_file = form.name == "goose" and form.plain.search(text)
    return section, not (whole_file or form.plain.search(section))


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
    if any(re.fullmatch(back, path.name) for _, _, back, _ in PAIRS) or any(one.down.search(contents(path)) for one in FORMATS):
        return path
    tried = [path.with_name(re.sub(forward, back, path.name)) for forward, back, _, _ in PAIRS if re.fullmatch(forward, path.name)]
    for one in tried:
        if one.is_file():
            return one
    raise CommandError(f"{path} has no rollback: there is no {' and no '.join(one.name for one in tried)} beside it", "give the rollback file itself", identifier="NO_ROLLBACK")
