"""Where statements begin and end in a text for psql.

psql's own rules, since only they know its \\commands and the data after COPY ... FROM stdin, where any SQL parser stops: quotes of all kinds, dollar quotes, nested
comments, parentheses, BEGIN ATOMIC bodies. Works on the file's bytes (a mapped file as well), so that a dump of 100 MB costs no more than the statements that are taken.
"""
from __future__ import annotations

import mmap
import re
from typing import Iterator, NamedTuple

END = rb"(\Z)"          # of the text, where a quote was to end: the only group that ever takes part
STRING = rb"'[^']*+(?:''[^']*+)*+(?:'|" + END + rb")"
ESCAPED = rb"'[^'\\]*+(?:(?:\\.|'')[^'\\]*+)*+(?:'|" + END + rb")"
NAME = rb'"[^"]*+(?:""[^"]*+)*+(?:"|' + END + rb")"
BEFORE = rb"(?<![\w$\x80-\xff])"
WORDS = rb"|" + BEFORE + rb"(?:begin\s+atomic|case|end)(?![\w$\x80-\xff])"


def tokens(conforming: bool, words: bool) -> re.Pattern[bytes]:
    """What can hide or end a statement; words: also what opens and closes a BEGIN ATOMIC body."""
    plain = STRING if conforming else ESCAPED
    pattern = rb"--[^\n]*+|/\*|" + BEFORE + rb"[eE]" + ESCAPED + rb"|" + plain + rb"|" + NAME + rb"|" + BEFORE + rb"\$(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*+)?\$|[();\\]"
    return re.compile(pattern + (WORDS if words else b""), re.DOTALL | re.IGNORECASE)


TOKENS = {(conforming, words): tokens(conforming, words) for conforming in (True, False) for words in (True, False)}
BLANK = re.compile(rb"(?:[\s;]++|--[^\n]*+|(/\*))")
COMMENT_EDGE = re.compile(rb"/\*|\*/")
BODY = re.compile(rb"create\s+(?:or\s+replace\s+)?(?:function|procedure)\b", re.IGNORECASE)
COPY_DATA = re.compile(rb"copy\b(?s:.)*\bfrom\s+stdin\b", re.IGNORECASE)
DATA_END = re.compile(rb"^\\\.\r?$", re.MULTILINE)
LINE_END = re.compile(rb"\r?\n|\Z")


class Unfinished(Exception):
    """A quote or comment that never ends. place: the offset where it began; what: what it is."""

    def __init__(self, place: int, what: str):
        super().__init__(what)
        self.place, self.what = place, what


class Piece(NamedTuple):
    """A statement, or a \\command of psql. start, end: offsets; the semicolon is left out."""
    start: int
    end: int
    command: bool


class Lexer:
    """The pieces of a text one after the other. conforming: whether plain strings take backslashes as they are; whoever reads `SET standard_conforming_strings` sets it."""

    def __init__(self, data: bytes | mmap.mmap):
        self.data, self.size, self.conforming = data, len(data), True

    def pieces(self, start: int = 0) -> Iterator[Piece]:
        position = start
        while (position := self.skip_blank(position)) < self.size:
            if self.data[position:position + 1] == b"\\":
                end = self.line_end(position)
                yield Piece(position, end, True)
                position = end
                continue
            end, after = self.statement_end(position)
            yield Piece(position, end, False)
            if self.data[position:position + 4].lower() == b"copy" and COPY_DATA.match(self.data, position, end):
                after = self.data_end(after)
            position = after

    def skip_blank(self, position: int) -> int:
        """Past white space, comments and empty statements."""
        while found := BLANK.match(self.data, position):
            position = self.comment_end(found.start()) if found[1] else found.end()
        return position

    def line_end(self, position: int) -> int:
        return LINE_END.search(self.data, position).start()

    def comment_end(self, start: int) -> int:
        """Behind a comment, which may hold others."""
        depth, position = 0, start
        while found := COMMENT_EDGE.search(self.data, position):
            depth += 1 if found[0] == b"/*" else -1
            position = found.end()
            if depth == 0:
                return position
        raise Unfinished(start, "comment")

    def data_end(self, position: int) -> int:
        """Behind the rows that follow a COPY ... FROM stdin; the rest of the text when their end is missing."""
        found = DATA_END.search(self.data, position)
        return found.end() if found else self.size

    def statement_end(self, start: int) -> tuple[int, int]:
        """Where the statement that begins at start ends, and where the next may begin."""
        words = BODY.match(self.data, start) is not None
        tokens, position, parentheses, bodies = TOKENS[self.conforming, words], start, 0, 0
        while found := tokens.search(self.data, position):
            token, position = found[0], found.end()
            if found.lastindex:
                raise Unfinished(found.start(), "quoted name" if token[:1] == b'"' else "string")
            first = token[:1]
            if first == b";":
                if parentheses <= 0 and bodies == 0:
                    return found.start(), position
            elif first in b"()":
                parentheses += 1 if first == b"(" else -1
            elif first == b"\\":
                return found.start(), found.start()
            elif token == b"/*":
                position = self.comment_end(found.start())
            elif first == b"$":
                position = self.dollar_end(found.start(), token, position)
            elif first in b"bB":
                bodies += 1
            elif bodies and first in b"cCeE":
                bodies += 1 if first in b"cC" else -1
        return self.size, self.size

    def dollar_end(self, start: int, tag: bytes, position: int) -> int:
        end = self.data.find(tag, position)
        if end < 0:
            raise Unfinished(start, f"{tag.decode('utf-8', 'replace')} quote")
        return end + len(tag)
