"""From URL to socket: whether somebody is there at all, which sockets are ready, and one connection opened without blocking. The loop says when."""

from __future__ import annotations

import errno
import select
import selectors
import socket
import ssl
import threading
import time

from senior_backend.console import CommandError, ExitCode
from senior_backend.load.engine.http1 import AnswerReader, HeadCache
from senior_backend.load.measure.recorders import Recorder
from senior_backend.load.plan.model import Origin, Plan, Target

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
