"""Managed blocks: the parts of a document that are written again; all around them is a person's and stays byte for byte.

A block stands between two lines, <!-- senior-backend:begin NAME DIGEST --> and <!-- senior-backend:end NAME -->. The digest tells a block as it was written from one that a person has edited;
white space and the length of table rules do not count, so that a formatter is not taken for an edit.
"""
from __future__ import annotations

import dataclasses
import hashlib
import re

MARK = re.compile(rb"^[ \t]*<!-- senior-backend:(begin|end) ([\w.-]+)(?: ([0-9a-f]{12}))? -->[ \t]*(\r?\n|\Z)", re.M)
LINE = "\0"             # stands before and after the number of a line in texts that are to be written
NEW_HEAD = b"<!-- senior-backend:new: the text of blocks that were edited by hand; merge them, or run again with --force -->"


@dataclasses.dataclass
class Block:
    """begin, end: of its text, without the lines of the marks; mark: begin of its first line."""
    name: str
    digest: str
    mark: int
    begin: int
    end: int
    newline: bytes


@dataclasses.dataclass
class Merged:
    """kept: {block: why}; changed: blocks whose text differs by more than line numbers; missing: blocks that are nowhere in the document."""
    data: bytes
    kept: dict[str, str]
    changed: list[str]
    missing: list[str]


class Broken(Exception):
    """Marks that do not pair; the text says where."""


def even(data: bytes) -> bytes:
    """Text by which blocks are compared."""
    return re.sub(rb"\s+", b"", re.sub(rb"-{2,}", b"--", data))


def digest(data: bytes) -> str:
    return hashlib.sha256(even(data)).hexdigest()[:12]


def plain(text: str) -> bytes:
    """A text as it stands in a document."""
    text = text.replace(LINE, "").rstrip("\n")
    return text.encode() + b"\n" if text else b""


def alike(data: bytes, text: str) -> bool:
    """Whether a block says what the text says, but for numbers of lines: code that moves is no drift.

    >>> alike(b"see `a.py:12`", "see `a.py:\0007\0`"), alike(b"`postgres:15`", "`postgres:16`")
    (True, False)
    """
    parts = re.split(rb"\0\d+\0", even(text.encode()))
    return re.fullmatch(rb"\d+".join(map(re.escape, parts)), even(data)) is not None


def parse(data: bytes) -> list[Block]:
    """The blocks of a document; Broken when a mark has no partner."""
    found: list[Block] = []
    open_: Block | None = None
    for mark in MARK.finditer(data):
        kind, name, line = mark[1], mark[2].decode(), data.count(b"\n", 0, mark.start()) + 1
        if kind == b"begin":
            if open_ or not mark[3]:
                raise Broken(f"line {line}: the block {open_.name if open_ else name} {'has no end before this mark' if open_ else 'has no digest'}")
            open_ = Block(name, mark[3].decode(), mark.start(), mark.end(), 0, mark[4] or b"\n")
        elif open_ is None or open_.name != name:
            raise Broken(f"line {line}: the end of block {name} has no begin")
        else:
            open_.end = mark.start()
            found.append(open_)
            open_ = None
    if open_:
        raise Broken(f"line {data.count(bytes([10]), 0, open_.mark) + 1}: the block {open_.name} has no end")
    return found


def written(name: str, text: str, newline: bytes = b"\n") -> bytes:
    """A block with its marks."""
    body = plain(text)
    made = b"<!-- senior-backend:begin %s %s -->\n%s<!-- senior-backend:end %s -->\n" % (name.encode(), digest(body).encode(), body, name.encode())
    return made.replace(b"\n", newline)


def people(data: bytes) -> str:
    """What stands outside of blocks."""
    try:
        blocks = parse(data)
    except Broken:
        return ""
    places = [0, *(place for block in blocks for place in (block.mark, block.end)), len(data)]
    return b"\n".join(data[begin:end] for begin, end in zip(places[::2], places[1::2])).decode("utf-8", "replace")


def merge(data: bytes, texts: dict[str, str], force: bool) -> Merged:
    """The document with its blocks written again. Edited blocks are kept unless forced; blocks that a person took out stay out, unless forced: then they stand at the end."""
    blocks = parse(data)
    made, last = b"", 0
    merged = Merged(b"", {}, [], [name for name in texts if name not in {block.name for block in blocks}])
    for block in blocks:
        body = data[block.begin:block.end]
        new = texts.get(block.name)
        if new is None or even(plain(new)) == even(body):
            continue
        edited = digest(body) != block.digest
        if edited and not force:
            merged.kept[block.name] = "was edited by hand"
            continue
        if edited or not alike(body, new):
            merged.changed.append(block.name)
        tail = data[block.end:]
        end = block.end + MARK.match(tail).end()
        fresh = written(block.name, new, block.newline)
        made += data[last:block.mark] + (fresh if data[block.end:end].endswith(b"\n") else fresh.rstrip(b"\r\n"))
        last = end
    made += data[last:]
    if force and merged.missing:
        newline = blocks[0].newline if blocks else b"\n"
        made = made.rstrip() + newline + b"".join(newline + written(name, texts[name], newline) for name in merged.missing)
        merged.changed += merged.missing
    merged.data = made
    return merged


def beside(texts: dict[str, str]) -> bytes:
    """The content of NAME.new: blocks that were kept out of NAME."""
    return NEW_HEAD + b"\n\n" + b"\n".join(written(name, text) for name, text in texts.items())


def ours(data: bytes) -> bool:
    """Whether a NAME.new is as it was written."""
    try:
        return data.startswith(NEW_HEAD) and all(digest(data[block.begin:block.end]) == block.digest for block in parse(data))
    except Broken:
        return False
