"""Managed blocks: the parts of a document that are written again; all around them is a person's and stays byte for byte.

A block stands between <!-- senior-backend:begin NAME DIGEST --> and <!-- senior-backend:end NAME -->. The digest tells a block as it was written from one
that a person has edited; white space and the length of dashes do not count, so that a formatter is not taken for an edit.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re

MARK = re.compile(rb"^[ \t]*<!-- senior-backend:(?:begin (?P<begin>[\w.-]+) (?P<digest>[0-9a-f]{12})|end (?P<end>[\w.-]+)) -->[ \t]*(?P<line>\r?\n|\Z)", re.M)
LINE = "\0"  # stands before and after the number of a line in texts that are to be written
NEW_HEAD = b"<!-- senior-backend:new: blocks that were edited by hand; merge them, or run again with --force -->\n\n"


class Broken(Exception):
    """Marks that do not pair; the text says where."""


@dataclasses.dataclass
class Merged:
    """kept: blocks that a person edited; changed: blocks whose text differs by more than numbers of lines; missing: blocks that are nowhere in the document."""

    data: bytes
    kept: list[str]
    changed: list[str]
    missing: list[str]


def even(data: bytes) -> bytes:
    """Text by which blocks are compared."""
    return re.sub(rb"\s+", b"", re.sub(rb"-{2,}", b"--", data))


def digest(data: bytes) -> bytes:
    return hashlib.sha256(even(data)).hexdigest()[:12].encode()


def plain(text: str) -> bytes:
    return text.replace(LINE, "").encode()


def alike(data: bytes, text: str) -> bool:
    """Whether a block says what the text says, but for numbers of lines: code that moves is no drift.

    >>> alike(b"see `a.py:12`", "see `a.py:\\0007\\0`"), alike(b"`postgres:15`", "`postgres:16`")
    (True, False)
    """
    return re.fullmatch(rb"\d+".join(map(re.escape, re.split(rb"\0\d+\0", even(text.encode())))), even(data)) is not None


def parse(data: bytes) -> list[tuple[str, re.Match, re.Match]]:
    """(name, its begin, its end) of the blocks of a document; Broken when a mark has no partner."""
    marks = list(MARK.finditer(data))
    for number, mark in enumerate(marks):
        partner = marks[number ^ 1] if number ^ 1 < len(marks) else None
        if (mark["begin"] is None) != bool(number % 2) or partner is None or (mark["begin"] or mark["end"]) != (partner["begin"] or partner["end"]):
            raise Broken(f"line {data.count(bytes([10]), 0, mark.start()) + 1}: the mark of block {(mark['begin'] or mark['end']).decode()} has no partner")
    return [(begin["begin"].decode(), begin, end) for begin, end in zip(marks[::2], marks[1::2])]


def written(name: str, text: str, newline: bytes = b"\n") -> bytes:
    """A block with its marks."""
    body, key = plain(text), name.encode()
    return (b"<!-- senior-backend:begin %s %s -->\n%s<!-- senior-backend:end %s -->\n" % (key, digest(body), body, key)).replace(b"\n", newline)


def people(data: bytes) -> str:
    """What stands outside of blocks."""
    try:
        for _, begin, end in reversed(parse(data)):
            data = data[: begin.start()] + data[end.end() :]
    except Broken:
        return ""
    return data.decode("utf-8", "replace")


def merge(data: bytes, texts: dict[str, str], force: bool) -> Merged:
    """The document with its blocks written again.

    Edited blocks are kept unless forced; blocks that a person took out stay out, unless forced: then they stand at the end. Broken: see parse.
    """
    found = parse(data)
    merged = Merged(data, [], [], [name for name in texts if name not in {name for name, _, _ in found}])
    for name, begin, end in reversed(found):
        body, text = data[begin.end() : end.start()], texts.get(name)
        if text is None or even(plain(text)) == even(body):
            continue
        if digest(body) != begin["digest"] and not force:
            merged.kept.insert(0, name)
            continue
        if not alike(body, text):
            merged.changed.insert(0, name)
        fresh = written(name, text, begin["line"])
        merged.data = merged.data[: begin.start()] + (fresh if end["line"] else fresh.rstrip(b"\r\n")) + merged.data[end.end() :]
    if force and merged.missing and found:
        newline = found[0][1]["line"]
        merged.data = merged.data.rstrip() + b"".join(newline * 2 + written(name, texts[name], newline).rstrip() for name in merged.missing) + newline
        merged.changed += merged.missing
    return merged


def ours(data: bytes) -> bool:
    """Whether a NAME.new is as it was written."""
    try:
        return data.startswith(NEW_HEAD) and all(digest(data[begin.end() : end.start()]) == begin["digest"] for _, begin, end in parse(data))
    except Broken:
        return False
