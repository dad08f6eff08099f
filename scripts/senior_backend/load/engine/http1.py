"""HTTP/1.1 answers read exactly (RFC 9112): where each ends, whether its connection can be used again, and what is wrong with it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Generator

CHUNKED, UNTIL_CLOSE = -1, -2
MAX_HEAD = 65536
MAX_CHUNK_LINE = 8192
CACHED_HEADS = 512
HEAD_END = re.compile(rb"\r?\n\r?\n")
STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: .*)?")
FRAMING_FIELD = re.compile(rb"\n(connection|content-length|transfer-encoding)[ \t]*:(.*)")  # of a head in lower case
CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;.*)?")
WITHOUT_BODY = (204, 304)
Pieces = Generator[None, bytes, None]


class Malformed(Exception):
    """The bytes are no HTTP/1.x answer; the text says what is wrong in three words or so."""


@dataclasses.dataclass(frozen=True, slots=True)
class Head:
    """framing: length of the body in bytes, CHUNKED or UNTIL_CLOSE."""

    status: int
    framing: int
    keep_alive: bool


def parse_head(head: bytes, to_head_request: bool = False) -> Head:
    """The head of an answer, up to but without its empty line. Raises Malformed."""
    first, *lines = head.split(b"\n")
    status_line = STATUS_LINE.fullmatch(first.rstrip(b"\r"))
    if not status_line:
        raise Malformed("status line")
    if not all(b":" in line or line[:1] in (b" ", b"\t") for line in lines):  # a folded line belongs to the one before, which is none of ours
        raise Malformed("header line")
    tokens: dict[bytes, list[bytes]] = {b"connection": [], b"content-length": [], b"transfer-encoding": []}
    for name, value in FRAMING_FIELD.findall(head.lower()):
        tokens[name] += [token.strip() for token in value.split(b",")]
    status, length, codings = int(status_line[2]), body_length(tokens[b"content-length"]), tokens[b"transfer-encoding"]
    keep_alive = b"close" not in tokens[b"connection"] and (status_line[1] == b"1" or b"keep-alive" in tokens[b"connection"])
    if to_head_request or status in WITHOUT_BODY or status < 200:
        return Head(status, 0, keep_alive)
    if codings:
        # a length beside a transfer coding is overruled by it, and the connection is not to be trusted further
        framing = CHUNKED if codings[-1] == b"chunked" else UNTIL_CLOSE
        return Head(status, framing, keep_alive and length is None and framing == CHUNKED)
    return Head(status, UNTIL_CLOSE, False) if length is None else Head(status, length, keep_alive)


def body_length(lengths: list[bytes]) -> int | None:
    """The one length that all Content-Length fields name; Malformed when one is no number or two differ."""
    if not all(length.isdigit() and len(length) < 19 for length in lengths):
        raise Malformed("content length")
    if len(set(map(int, lengths))) > 1:
        raise Malformed("two content lengths")
    return int(lengths[0]) if lengths else None


class HeadCache:
    """Heads by their bytes: a server sends few different ones, so each is parsed once. One cache per kind of method (HEAD or not)."""

    def __init__(self, to_head_request: bool):
        self.to_head_request = to_head_request
        self.heads: dict[bytes, Head] = {}

    def parse(self, head: bytes) -> Head:
        found = self.heads.get(head)
        if found is None:
            found = parse_head(head, self.to_head_request)
            if len(self.heads) >= CACHED_HEADS:
                self.heads.clear()
            self.heads[head] = found
        return found


class AnswerReader:
    """Reads one answer from pieces as they come. After feed() said True: head, first_head (its bytes), received (bytes), surplus (bytes after the end)."""

    __slots__ = ("cache", "head", "first_head", "received", "surplus", "until_close", "steps", "data", "at")

    def __init__(self, cache: HeadCache):
        self.reset(cache)

    def reset(self, cache: HeadCache) -> None:
        """Be ready for the next answer."""
        self.cache, self.head, self.first_head, self.until_close, self.steps = cache, None, b"", False, None
        self.received = self.surplus = self.at = 0
        self.data = b""

    def feed(self, data: bytes) -> bool:
        """Whether the answer is complete. Raises Malformed."""
        if not self.received and self.whole_with_known_head(data):
            return True
        self.received += len(data)
        try:
            if self.steps is None:
                self.data, self.steps = data, self.read()
                next(self.steps)
            else:
                self.steps.send(data)
        except StopIteration:
            self.surplus = len(self.data) - self.at
            return True
        return False

    def whole_with_known_head(self, data: bytes) -> bool:
        """The common case made short: exactly one answer, its head seen before (so there is no empty line within it), its length given."""
        end = data.find(b"\r\n\r\n")
        head = self.cache.heads.get(data[:end])
        if head is None or head.framing < 0 or head.status < 200 or len(data) != end + 4 + head.framing:
            return False
        self.head, self.first_head, self.received = head, data[:end], len(data)
        return True

    def end(self) -> str | None:
        """What the end of the connection means here: None when it completes the answer, else the kind of failure."""
        if self.until_close:
            return None
        if not self.received:
            return "connection closed before answer"
        return "truncated head" if self.head is None else "truncated body"

    # The steps: generators that are sent the next piece when they need one. What is read lies in data before `at`.

    def read(self) -> Pieces:
        while self.head is None:
            text = yield from self.read_head()
            head = self.cache.parse(text)
            if head.status == 101:
                raise Malformed("unasked 101 upgrade")
            if head.status >= 200:
                self.head, self.first_head = head, text
        if head.framing == UNTIL_CLOSE:
            self.until_close = True
            while True:
                yield
        if head.framing != CHUNKED:
            yield from self.skip(head.framing)
            return
        while size := (yield from self.read_chunk_size()):
            yield from self.skip(size)
            if (yield from self.read_line(2, "chunk end")):
                raise Malformed("chunk end")
        while (yield from self.read_line(MAX_HEAD, "trailer")):
            pass

    def read_head(self) -> Generator[None, bytes, bytes]:
        searched = self.at
        while not (end := HEAD_END.search(self.data, searched)):
            if not self.data.startswith(b"HTTP/1."[: len(self.data) - self.at], self.at):
                raise Malformed("not HTTP")
            searched = max(0, len(self.data) - self.at - 3)  # what was searched need not be again
            yield from self.more(MAX_HEAD, "head over 64 kB")
        text, self.at = self.data[self.at : end.start()], end.end()
        if not text.startswith(b"HTTP/1."):
            raise Malformed("not HTTP")
        if len(text) > MAX_HEAD:
            raise Malformed("head over 64 kB")
        return text

    def more(self, limit: int, what: str) -> Pieces:
        """Another piece behind what is not read yet, which must not be longer than the limit."""
        if len(self.data) - self.at > limit:
            raise Malformed(what)
        rest = self.data[self.at :]
        self.data, self.at = rest + (yield), 0

    def skip(self, count: int) -> Pieces:
        while (here := len(self.data) - self.at) < count:
            count -= here
            self.data, self.at = (yield), 0
        self.at += count

    def read_line(self, limit: int, what: str) -> Generator[None, bytes, bytes]:
        while (end := self.data.find(b"\n", self.at)) < 0:
            yield from self.more(limit, what)
        line, self.at = self.data[self.at : end].removesuffix(b"\r"), end + 1
        if len(line) > limit:
            raise Malformed(what)
        return line

    def read_chunk_size(self) -> Generator[None, bytes, int]:
        size = CHUNK_SIZE.fullmatch((yield from self.read_line(MAX_CHUNK_LINE, "chunk size")))
        if not size:
            raise Malformed("chunk size")
        return int(size[1], 16)
