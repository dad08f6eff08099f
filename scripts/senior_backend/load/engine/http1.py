"""HTTP/1.1 answers read exactly (RFC 9112): where each ends, whether its connection can be used again, and what is wrong with it."""

from __future__ import annotations

import dataclasses
import re

CHUNKED, UNTIL_CLOSE = -1, -2
MAX_HEAD = 65536
MAX_CHUNK_LINE = 8192
CACHED_HEADS = 512
HEAD_END = re.compile(rb"\r?\n\r?\n")
STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: .*)?")
CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;.*)?")
WITHOUT_BODY = (204, 304)


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
    status = int(status_line[2])
    fields = interesting_fields(lines)
    connection = {token.strip() for value in fields[b"connection"] for token in value.lower().split(b",")}
    keep_alive = b"close" not in connection and (status_line[1] == b"1" or b"keep-alive" in connection)
    length = body_length(fields[b"content-length"])
    codings = [coding.strip() for value in fields[b"transfer-encoding"] for coding in value.lower().split(b",")]
    if to_head_request or status in WITHOUT_BODY or status < 200:
        return Head(status, 0, keep_alive)
    if codings:
        # a length beside a transfer coding is overruled by it, and the connection is not to be trusted further
        framing = CHUNKED if codings[-1] == b"chunked" else UNTIL_CLOSE
        return Head(status, framing, keep_alive and length is None and framing == CHUNKED)
    if length is None:
        return Head(status, UNTIL_CLOSE, False)
    return Head(status, length, keep_alive)


def interesting_fields(lines: list[bytes]) -> dict[bytes, list[bytes]]:
    """Values of the fields that decide about framing, in order."""
    fields: dict[bytes, list[bytes]] = {b"connection": [], b"content-length": [], b"transfer-encoding": []}
    for line in lines:
        if line[:1] in (b" ", b"\t"):
            continue  # obsolete line folding: none of these fields may use it
        name, colon, value = line.partition(b":")
        if not colon:
            raise Malformed("header line")
        values = fields.get(name.strip().lower())
        if values is not None:
            values.append(value.strip())
    return fields


def body_length(values: list[bytes]) -> int | None:
    """The one length that all Content-Length fields name; Malformed when one is no number or two differ."""
    lengths = {length.strip() for value in values for length in value.split(b",")}
    if not lengths:
        return None
    if not all(length.isdigit() and len(length) < 19 for length in lengths):
        raise Malformed("content length")
    if len({int(length) for length in lengths}) > 1:
        raise Malformed("two content lengths")
    return int(lengths.pop())


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
    """Reads one answer from pieces as they come. After feed() said True: head, received (bytes), surplus (bytes after the end).

    missing: bytes that the body or chunk still lacks; within the head, how much of it is here already.
    """

    __slots__ = ("cache", "head", "received", "surplus", "buffer", "missing", "step", "first_head")

    def __init__(self, cache: HeadCache):
        self.cache = cache
        self.reset()

    def reset(self, cache: HeadCache | None = None) -> None:
        """Be ready for the next answer."""
        self.cache = cache or self.cache
        self.head: Head | None = None
        self.first_head = b""
        self.received = self.surplus = self.missing = 0
        self.buffer = b""
        self.step = self.read_head

    def feed(self, data: bytes) -> bool:
        """Whether the answer is complete. Raises Malformed."""
        if not self.received and self.whole_with_known_head(data):
            return True
        self.received += len(data)
        if self.buffer:
            data = self.buffer + data
        at: int | None = 0
        while at is not None:
            step = self.step
            at = step(data, at)
            if self.step is None:
                self.surplus = len(data) - (at or 0)
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
        if self.step == self.read_until_close:
            return None
        if not self.received:
            return "connection closed before answer"
        return "truncated head" if self.head is None else "truncated body"

    # Each step takes the data and where to go on; it gives where the next step goes on, or None when more data is needed
    # (what it still needs of this data is then in self.buffer). The last one sets self.step to None.

    def read_head(self, data: bytes, at: int) -> int | None:
        end = HEAD_END.search(data, at + max(0, self.missing - 3))  # what was searched before need not be again
        if not end:
            if not data.startswith(b"HTTP/1."[: len(data) - at], at):
                raise Malformed("not HTTP")
            if len(data) - at > MAX_HEAD:
                raise Malformed("head over 64 kB")
            self.buffer = data[at:]
            self.missing = len(self.buffer)
            return None
        text = data[at : end.start()]
        if not text.startswith(b"HTTP/1."):
            raise Malformed("not HTTP")
        if len(text) > MAX_HEAD:
            raise Malformed("head over 64 kB")
        head = self.cache.parse(text)
        self.buffer, self.missing = b"", 0
        if head.status < 200:
            if head.status == 101:
                raise Malformed("unasked 101 upgrade")
            return end.end()
        self.head, self.first_head, self.missing = head, text, max(0, head.framing)
        self.step = {CHUNKED: self.read_chunk_size, UNTIL_CLOSE: self.read_until_close}.get(head.framing, self.read_length if head.framing else None)
        return end.end()

    def read_length(self, data: bytes, at: int) -> int | None:
        return self.read_counted(data, at, None)

    def read_chunk_data(self, data: bytes, at: int) -> int | None:
        return self.read_counted(data, at, self.read_chunk_end)

    def read_counted(self, data: bytes, at: int, then) -> int | None:
        self.buffer = b""
        here = len(data) - at
        if here < self.missing:
            self.missing -= here
            return None
        at += self.missing
        self.missing, self.step = 0, then
        return at

    def read_until_close(self, data: bytes, at: int) -> int | None:
        self.buffer = b""
        return None

    def read_line(self, data: bytes, at: int, limit: int, what: str) -> int:
        """Where the line that begins at `at` ends (its line feed), or -1 when it is not all here."""
        end = data.find(b"\n", at)
        if (end if end >= 0 else len(data)) - at > limit:
            raise Malformed(what)
        self.buffer = data[at:] if end < 0 else b""
        return end

    def read_chunk_size(self, data: bytes, at: int) -> int | None:
        end = self.read_line(data, at, MAX_CHUNK_LINE, "chunk size")
        if end < 0:
            return None
        size = CHUNK_SIZE.fullmatch(data, at, end - 1 if data[end - 1 : end] == b"\r" else end)
        if not size:
            raise Malformed("chunk size")
        self.missing = int(size[1], 16)
        self.step = self.read_chunk_data if self.missing else self.read_trailer
        return end + 1

    def read_chunk_end(self, data: bytes, at: int) -> int | None:
        end = self.read_line(data, at, 2, "chunk end")
        if end < 0:
            return None
        if data[at:end] not in (b"", b"\r"):
            raise Malformed("chunk end")
        self.step = self.read_chunk_size
        return end + 1

    def read_trailer(self, data: bytes, at: int) -> int | None:
        end = self.read_line(data, at, MAX_HEAD, "trailer")
        if end < 0:
            return None
        if data[at:end] in (b"", b"\r"):
            self.step = None
        return end + 1
