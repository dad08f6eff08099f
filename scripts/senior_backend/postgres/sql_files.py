"""SQL files and folders of them, as statements with their places.

Taken: what psql takes (pg_dump's output too), folders of migrations (the way up of each) and of schema files. Left out with a note: psql's \\commands that only
concern the session. Refused: commands that reach outside of the folder or run programs.
"""
from __future__ import annotations

import codecs
import contextlib
import dataclasses
import mmap
import pathlib
import re

from senior_backend.console import CommandError, ExitCode
from senior_backend.postgres.lexer import COPY_DATA, Lexer, Piece, Unfinished

DOWN_FILES = re.compile(r"(?:^|[._-])(?:down|rollback|revert|undo)\.sql$|^U\d[\w.]*__", re.IGNORECASE)
WAY = rb"^[ \t]*--[ \t]*(?:\+[ \t]*(?:goose|migrate|micrate)[ \t]+|migrate:|rambler[ \t]+)(up|down)\b|^--[ \t]*(up|down)[ \t]+migration\b"
MARKERS = re.compile(WAY, re.MULTILINE | re.IGNORECASE)
DUMP = re.compile(rb"PostgreSQL database dump|SELECT pg_catalog\.set_config\('search_path', ''")
DATA = re.compile(rb"(?:insert|update|delete|merge|truncate)\b|" + COPY_DATA.pattern, re.IGNORECASE)
NEWLINE = b"\n"
SETTING = re.compile(r"set\s+(?:session\s+|local\s+)?(standard_conforming_strings|client_encoding)\s*(?:=|\bto\b)\s*'?([\w-]+)'?\s*\Z", re.IGNORECASE)
CODECS = {"utf8": "utf-8", "unicode": "utf-8", "sql_ascii": "utf-8", "euc_jp": "euc_jp", "euc_kr": "euc_kr", "sjis": "shift_jis", "big5": "big5", "gbk": "gbk", "gb18030": "gb18030", "koi8r": "koi8_r",
          **{f"latin{number}": f"iso8859_{part}" for number, part in zip(range(1, 11), (1, 2, 3, 4, 9, 10, 13, 14, 15, 16))}, **{f"win{number}": f"cp{number}" for number in range(1250, 1259)}}
COMMAND = re.compile(r"\\([A-Za-z_]+|\S)[ \t]*(.*)", re.DOTALL)
INCLUDES, RELATIVE = ("i", "include", "ir", "include_relative"), ("ir", "include_relative")
SESSION = frozenset("""c connect set unset echo qecho warn restrict unrestrict pset timing x a t f h H encoding conninfo prompt password copyright cd
d dt di ds dv dm df dn dT dx du dp l z g ; bind parse errverbose""".split())
KINDS = {b"PGDMP": ("a pg_dump archive", "turn it into SQL: pg_restore -s -f schema.sql FILE"), b"\x1f\x8b": ("compressed (gzip)", "unpack it: gunzip FILE"),
         b"PK\x03\x04": ("a zip file", "unpack it"), b"SQLite format 3": ("a SQLite database", "give a file of PostgreSQL's SQL")}


@dataclasses.dataclass(frozen=True, slots=True)
class Statement:
    """One statement without its semicolon. file: as the user may call it; line: of its first word, from 1."""
    text: str
    file: str = ""
    line: int = 0

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


@dataclasses.dataclass
class Script:
    """All statements of a file or folder in order. notes: what was left out, with its place; files: how many were read; dump: whether pg_dump wrote one of them."""
    source: str
    statements: list[Statement] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    files: int = 0
    dump: bool = False


def read(path: pathlib.Path | str) -> Script:
    """The script of a file, or of all *.sql of a folder in natural order. CommandError exit 2 with file:line for what cannot be taken."""
    path = pathlib.Path(path)
    script = Script(str(path))
    if not path.exists():
        raise CommandError(f"{path}: no such file or folder", "give a .sql file, a folder of them, or a postgresql:// URL", identifier="NO_SUCH_FILE")
    files = migration_files(path, script.notes) if path.is_dir() else [path]
    if not files:
        raise CommandError(f"{path}: no *.sql file below this folder", "give a folder that holds .sql files, or one file", identifier="NO_SQL_FILES")
    root = path if path.is_dir() else path.parent
    for file in files:
        FileReader(script, file, root.resolve()).read()
    return script


def migration_files(folder: pathlib.Path, notes: list[str]) -> list[pathlib.Path]:
    """The *.sql files below a folder that lead up, in the order they are applied in: sqitch.plan's, else by name with numbers as numbers. The others are noted."""
    for plan in (folder / "sqitch.plan", folder.parent / "sqitch.plan"):
        if plan.is_file() and (plan.parent == folder or folder.name == "deploy"):
            names = re.findall(r"^(?![%@#+-])(\S+)", plan.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
            return [plan.parent / "deploy" / f"{name}.sql" for name in dict.fromkeys(names)]
    found = [path.relative_to(folder) for path in folder.rglob("*.sql") if path.is_file()]
    found = [path for path in found if not any(part.startswith(".") for part in path.parts)]
    kept = [path for path in found if not DOWN_FILES.search(path.name)]
    notes += [f"{folder / path}: left out, a way down" for path in sorted(set(found) - set(kept))]
    return [folder / path for path in sorted(kept, key=lambda path: [(path.name.startswith("R__"), 0), *map(natural, path.parts)])]


def natural(text: str) -> list[tuple[int, int | str]]:
    """A sort key by which 2 comes before 10.

    >>> sorted(["V10__b.sql", "V2__a.sql"], key=natural)
    ['V2__a.sql', 'V10__b.sql']
    """
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", text)]


class FileReader:
    """Reads one file into a script. root: the folder that \\i may not leave; above: the files that include this one; direction: which of the ways in a file is taken."""
    refusal = ExitCode.UNUSABLE

    def __init__(self, script: Script, path: pathlib.Path, root: pathlib.Path, above: tuple[pathlib.Path, ...] = (), direction: str = "up"):
        self.script, self.path, self.root, self.above, self.direction = script, path, root, (*above, path.resolve()), direction
        self.codec, self.counted, self.line, self.left_out = "utf-8", 0, 1, 0

    def read(self) -> None:
        self.script.files += 1
        try:
            with open(self.path, "rb") as stream:
                head = stream.read(16)
                with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) if head else contextlib.nullcontext(b"") as data:
                    self.take(plain(self.path, data, head))
        except OSError as error:
            raise CommandError(f"{self.path}: cannot be read: {error.strerror}", "check the path and its permissions", identifier="NO_SUCH_FILE") from None
        if self.left_out:
            self.script.notes.append(f"{self.path}: {self.left_out} statements that only change rows are left out")

    def take(self, data: bytes | mmap.mmap) -> None:
        self.data = data
        self.script.dump |= DUMP.search(data, 0, 4096) is not None
        lexer, start = Lexer(data), len(codecs.BOM_UTF8) if data[:3] == codecs.BOM_UTF8 else 0
        spans = [(begin, end) for begin, end, way in sections(data, start) if way == self.direction]
        try:
            for piece in lexer.pieces(start):
                if any(begin <= piece.start < end for begin, end in spans) and self.piece(piece, lexer):
                    break
        except Unfinished as error:
            raise self.error(error.place, f"this {error.what} never ends", "close it, or see where an earlier quote is missing", "SQL_SYNTAX") from None

    def piece(self, piece: Piece, lexer: Lexer) -> bool:
        """Take a statement or \\command; True when it ends the file."""
        if piece.command:
            return self.command(*COMMAND.match(self.text(piece)).groups())
        if DATA.match(self.data, piece.start, piece.end):
            self.left_out += 1
        else:
            self.statement(self.text(piece), lexer)
        return False

    def statement(self, text: str, lexer: Lexer) -> None:
        setting = SETTING.match(text) if text[:3].lower() == "set" else None
        if setting and setting[1].lower() == "client_encoding":
            self.codec = CODECS.get(setting[2].lower().replace("-", ""), self.codec)         # what is sent is always UTF-8
            return
        if setting:
            lexer.conforming = setting[2].lower() in ("on", "true", "yes", "1")
        self.script.statements.append(Statement(text, str(self.path), self.line))

    def text(self, piece: Piece) -> str:
        """A piece as text; sets the line it is on."""
        raw = self.data[piece.start:piece.end]
        self.line += self.data[self.counted:piece.start].count(b"\n")
        self.counted = piece.start
        try:
            return raw.decode(self.codec).rstrip()
        except UnicodeDecodeError as error:
            raise self.error(piece.start + error.start, f"byte 0x{raw[error.start]:02X} is not {self.codec.upper()}",
                             "save the file as UTF-8 (iconv -f LATIN1 -t UTF-8), or say SET client_encoding = '...' at its top", "ENCODING") from None

    def command(self, name: str, rest: str) -> bool:
        """Obey, leave out or refuse a \\command; True when it ends the file."""
        if name in INCLUDES:
            self.include(rest, name in RELATIVE)
        elif name in SESSION and not (name == "g" and rest.strip()):
            self.script.notes.append(f"{self.path}:{self.line}: \\{name} is left out")
        elif name != "q":
            raise self.error(self.counted, f"\\{name} of psql is not taken from a file" if name.isalpha() or name == "!" else "a backslash outside of quotes", "remove it: programs, files and "
                             "conditions of psql are not run here", "PSQL_COMMAND")
        return name == "q"

    def include(self, argument: str, relative: bool) -> None:
        name = argument.strip().strip("'\"")
        places = [self.path.parent / name] if relative else [self.root / name, self.path.parent / name, pathlib.Path(name)]
        target = next((place.resolve() for place in places if place.is_file()), places[0].resolve())
        if not target.is_relative_to(self.root):
            raise self.error(self.counted, f"{name} is outside of {self.root}", "files are included from below the folder of the first file only", "OUTSIDE_FOLDER", self.refusal)
        if target in self.above:
            raise self.error(self.counted, f"{name} includes itself", "remove one of the \\i lines", "INCLUDE_CIRCLE", self.refusal)
        if not target.is_file():
            raise self.error(self.counted, f"{name}: no such file", "check the path; \\ir is relative to the file it stands in", "NO_SUCH_FILE")
        type(self)(self.script, self.shown(target), self.root, self.above).read()

    def shown(self, target: pathlib.Path) -> pathlib.Path:
        """An included file by the name the user would use."""
        base = pathlib.Path(self.script.source)
        return (base if base.is_dir() else base.parent) / target.relative_to(self.root)

    def error(self, offset: int, message: str, hint: str, identifier: str, code: ExitCode = ExitCode.UNUSABLE) -> CommandError:
        line = self.data[:offset].count(b"\n") + 1
        return CommandError(f"{self.path}:{line}: {message}", hint, code, identifier)


def plain(path: pathlib.Path, data: bytes | mmap.mmap, head: bytes) -> bytes | mmap.mmap:
    """The file's text in an encoding that keeps ASCII; CommandError when it is no text."""
    for start, (what, hint) in KINDS.items():
        if head.startswith(start):
            raise CommandError(f"{path} is {what}, no SQL text", hint.replace("FILE", path.name), identifier="NOT_SQL")
    for mark, codec in ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if head.startswith(mark):
            try:
                return data[:].decode(codec).encode()
            except UnicodeDecodeError as error:
                raise CommandError(f"{path}: byte {error.start} is not {codec.upper()}", "save the file as UTF-8", identifier="ENCODING") from None
    zero = data.find(b"\0")
    if zero >= 0:
        raise CommandError(f"{path}:{data[:zero].count(NEWLINE) + 1}: a zero byte: this is no SQL text", "give a text file (pg_dump -s writes one)", identifier="NOT_SQL")
    return data


def sections(data: bytes | mmap.mmap, start: int = 0) -> list[tuple[int, int, str]]:
    """The parts of a file by the way that they lead ("up", "down"), as offsets: what stands above a migration tool's first mark leads up."""
    marks = [(start, "up"), *((mark.start(), (mark[1] or mark[2]).lower().decode()) for mark in MARKERS.finditer(data)), (len(data), "")]
    return [(begin, end, way) for (begin, way), (end, _) in zip(marks, marks[1:])]
