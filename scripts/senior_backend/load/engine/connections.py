"""From URL to socket, and HTTP/1.1 answers read exactly (RFC 9112): where each ends, whether its connection can be used again, and what is wrong with it."""
from __future__ import annotations

import dataclasses
import errno
import re
import select
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Generator

from senior_backend.console import CommandError, ExitCode
from senior_backend.load.measure import Recorder
from senior_backend.load.plan import Origin, Plan, Target

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


Address = tuple[int, tuple]  # family, socket address

# Before any load


class Unreachable(CommandError):
    """Nobody answers at an origin: its target, and the kind of failure as the report names it."""

    def __init__(self, target: Target, kind: str, reason: str):
        hint = next((hint for begin, hint in HINTS.items() if kind.startswith(begin)), "check host, port and network")
        super().__init__(f"{target.origin.scheme}://{target.origin.authority} cannot be reached: {reason}", hint, ExitCode.ENVIRONMENT, "UNREACHABLE")
        self.target, self.kind = target, kind


HINTS = {
    "connect refused": "start the server, or correct host and port",
    "dns": "check the host name",
    "tls ": "give a certificate that this machine trusts, or --no-verify-ssl for a test server",
}


def reach_all(plan: Plan) -> dict[Origin, Address]:
    """One working address for each origin of the plan. Raises Unreachable."""
    limit = time.monotonic() + min(plan.timeout_s, plan.duration_s + plan.drain_s)
    found: dict[Origin, Address] = {}
    for target in plan.targets:
        if target.origin not in found:
            found[target.origin] = reach(target, plan.verify_tls, limit)
    return found


def reach(target: Target, verify: bool, limit: float) -> Address:
    """The first address, in the resolver's order, that takes a connection (and shakes hands)."""
    origin, failure, during = target.origin, OSError("no address"), "connect"
    for family, address in resolve(target, limit):
        during = "connect"
        try:
            with socket.socket(family) as probe:
                probe.settimeout(max(0.05, limit - time.monotonic()))
                probe.connect(address)
                if origin.scheme == "https":
                    during = "tls"
                    with tls_context(verify).wrap_socket(probe, server_hostname=origin.host):
                        pass
            return family, address
        except OSError as error:
            failure = error
    kind = error_kind(failure, during)
    raise Unreachable(target, kind, f"{kind} ({failure})") from failure


def resolve(target: Target, limit: float) -> list[Address]:
    """A host's addresses, asked for in a thread so that a dead resolver cannot hold us up."""
    origin, answers = target.origin, []

    def ask() -> None:
        try:
            answers.append(socket.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answers.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(max(0.05, limit - time.monotonic()))
    answer = answers[0] if answers else TimeoutError("the resolver does not answer")
    if isinstance(answer, Exception):
        raise Unreachable(target, "dns", f"the name {origin.host} does not resolve ({answer})")
    return [(family, address) for family, _, _, _, address in answer]


def tls_context(verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context() if verify else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


CONNECT_ERRORS = {
    errno.ECONNREFUSED: "connect refused",
    errno.ETIMEDOUT: "timeout connect",
    errno.EHOSTUNREACH: "connect unreachable",
    errno.ENETUNREACH: "connect unreachable",
    errno.EADDRNOTAVAIL: "client out of ports",
    errno.EMFILE: "client out of files",
    errno.ENFILE: "client out of files",
    errno.EACCES: "connect forbidden",
    errno.EPERM: "connect forbidden",
}
CERTIFICATE_ERRORS = {10: "tls certificate expired", 9: "tls certificate not yet valid", 62: "tls certificate for another host", 64: "tls certificate for another host"}


def error_kind(error: OSError, during: str) -> str:
    """The name under which a failed system call is reported. during: "connect", "tls" or "answer"."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return CERTIFICATE_ERRORS.get(error.verify_code, "tls certificate not trusted")
    if isinstance(error, TimeoutError):
        return f"timeout {'response' if during == 'answer' else during}"
    if during == "answer":
        return "tls broken" if isinstance(error, ssl.SSLError) else "connection reset"
    if during == "tls":
        return "tls handshake"
    return CONNECT_ERRORS.get(error.errno, f"connect {errno.errorcode.get(error.errno or 0, 'failed')}")


# Which sockets are ready

READABLE, WRITABLE = 1, 4  # EPOLLIN and EPOLLOUT


class EpollPoller:
    """Level-triggered epoll. poll(seconds) gives (file descriptor, events) pairs, at once or after whole milliseconds."""

    def __init__(self):
        self.epoll = select.epoll()
        self.watch, self.change, self.forget = self.epoll.register, self.epoll.modify, self.epoll.unregister
        self.poll, self.close = self.epoll.poll, self.epoll.close

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        """Like poll(), but its limit is exact: epoll counts in milliseconds, select() on its descriptor in microseconds."""
        if seconds > 0:
            select.select([self.epoll], [], [], seconds)
        return self.poll(0)


class SelectorPoller:
    """The same over selectors.DefaultSelector (kqueue, select)."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.forget, self.close, self.wait = self.selector.unregister, self.selector.close, self.poll

    def watch(self, descriptor: int, events: int) -> None:
        self.selector.register(descriptor, selector_events(events))

    def change(self, descriptor: int, events: int) -> None:
        self.selector.modify(descriptor, selector_events(events))

    def poll(self, seconds: float) -> list[tuple[int, int]]:
        if not self.selector.get_map():
            time.sleep(max(0.0, seconds))  # select() of Windows refuses to wait for nothing
            return []
        ready = self.selector.select(max(0.0, seconds))
        return [(key.fd, READABLE if events & selectors.EVENT_READ else WRITABLE) for key, events in ready]


def selector_events(events: int) -> int:
    return (selectors.EVENT_READ if events & READABLE else 0) | (selectors.EVENT_WRITE if events & WRITABLE else 0)


def new_poller() -> EpollPoller | SelectorPoller:
    return EpollPoller() if hasattr(select, "epoll") else SelectorPoller()


# Connections

CONNECTING, HANDSHAKE, IDLE, SENDING, WAITING, CLOSED = range(6)
WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
IN_PROGRESS = (0, errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", errno.EINPROGRESS))


class Pool:
    """The connections to one origin. idle: ready ones, the last used at the end; refused: failed attempts since one succeeded."""

    __slots__ = ("origin", "address", "tls", "idle", "refused")

    def __init__(self, origin: Origin, address: Address, tls: ssl.SSLContext | None):
        self.origin, self.address, self.tls = origin, address, tls
        self.idle: list[Connection] = []
        self.refused = 0


class Request:
    """A message ready to be sent, and whose it is."""

    __slots__ = ("payload", "size", "recorder", "pool", "heads")

    def __init__(self, payload: bytes, recorder: Recorder, pool: Pool, heads: HeadCache):
        self.payload, self.size, self.recorder, self.pool, self.heads = payload, len(payload), recorder, pool, heads


class Connection:
    """untouched: waits for an answer of which no byte has come. Times in nanoseconds: due (intended), begun (a connection was sought), sent.

    OSError when it fails at once, as from connected() and shake_hands()."""

    __slots__ = ("pool", "socket", "descriptor", "recv", "send", "phase", "untouched", "request", "due", "begun", "sent", "reader", "unsent", "usable")

    def __init__(self, pool: Pool, heads: HeadCache):
        self.pool, self.request, self.unsent = pool, None, None
        self.phase, self.untouched, self.usable = CONNECTING, False, True
        self.due = self.begun = self.sent = 0
        self.reader = AnswerReader(heads)
        family, address = pool.address
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.descriptor = self.socket.fileno()
        code = self.socket.connect_ex(address)
        if code not in IN_PROGRESS:
            self.socket.close()
            raise OSError(code, "")

    def connected(self) -> None:
        """The socket became writable: OSError when that was a refusal."""
        code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, "")
        self.phase = IDLE
        if self.pool.tls:
            self.socket = self.pool.tls.wrap_socket(self.socket, server_hostname=self.pool.origin.host, do_handshake_on_connect=False, suppress_ragged_eofs=False)
            self.phase = HANDSHAKE
        self.recv, self.send = self.socket.recv, self.socket.send

    def shake_hands(self) -> bool:
        """Go on with the TLS handshake. False: it wants to write first (True: to read, or it is done and the phase is IDLE)."""
        try:
            self.socket.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as wanted:
            return isinstance(wanted, ssl.SSLWantReadError)
        self.recv, self.send = self.socket.read, self.socket.write  # one call less than recv and send
        self.phase = IDLE
        return True

    def touch(self) -> None:
        """The answer is to be read piece by piece from here on."""
        self.untouched = False
        self.reader.reset(self.request.heads)

    def write(self) -> bool:
        """Send what is left of the request; whether all is sent. A broken connection counts as sent: the answer, or its end, tells."""
        try:
            sent = self.send(self.unsent)
        except WOULD_BLOCK:
            return False
        except OSError:
            sent, self.usable = len(self.unsent), False
        self.unsent = self.unsent[sent:] if sent < len(self.unsent) else None
        return self.unsent is None

    def more_decrypted(self) -> bool:
        """Whether TLS holds bytes that the socket will not announce any more."""
        return self.pool.tls is not None and self.socket.pending() > 0

    def close(self) -> None:
        self.phase, self.untouched = CLOSED, False
        self.socket.close()
