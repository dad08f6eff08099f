"""Sockets: which are ready, and one connection opened without blocking, TLS shaken hands, a request written, an answer read. The loop says when."""

from __future__ import annotations

import errno
import select
import selectors
import socket
import ssl
import time

from senior_backend.load.engine.addresses import Address, error_kind
from senior_backend.load.engine.http1 import AnswerReader, HeadCache
from senior_backend.load.measure.recorders import Recorder
from senior_backend.load.plan.model import Origin

READABLE, WRITABLE = 1, 4  # EPOLLIN and EPOLLOUT
EVENTS_PER_POLL = 1024


class EpollPoller:
    """Level-triggered epoll. poll() gives (file descriptor, events) pairs, at once or after whole milliseconds."""

    def __init__(self):
        self.epoll = select.epoll()
        self.watch, self.change, self.forget = self.epoll.register, self.epoll.modify, self.epoll.unregister
        self.poll = self.epoll.poll
        self.close = self.epoll.close

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        """Like poll(), but its limit is exact: epoll counts in milliseconds, select() on its descriptor in microseconds."""
        if seconds > 0:
            select.select([self.epoll], [], [], seconds)
        return self.poll(0, EVENTS_PER_POLL)


class SelectorPoller:
    """The same over selectors.DefaultSelector (kqueue, select)."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.forget, self.close = self.selector.unregister, self.selector.close

    def watch(self, descriptor: int, events: int) -> None:
        self.selector.register(descriptor, selector_events(events))

    def change(self, descriptor: int, events: int) -> None:
        self.selector.modify(descriptor, selector_events(events))

    def poll(self, seconds: float, limit: int = EVENTS_PER_POLL) -> list[tuple[int, int]]:
        if not self.selector.get_map():
            time.sleep(max(0.0, seconds))  # select() of Windows refuses to wait for nothing
            return []
        return [(key.fd, READABLE if events & selectors.EVENT_READ else WRITABLE) for key, events in self.selector.select(seconds)]

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        return self.poll(max(0.0, seconds))


def selector_events(events: int) -> int:
    return (selectors.EVENT_READ if events & READABLE else 0) | (selectors.EVENT_WRITE if events & WRITABLE else 0)


def new_poller() -> EpollPoller | SelectorPoller:
    return EpollPoller() if hasattr(select, "epoll") else SelectorPoller()


CONNECTING, HANDSHAKE, IDLE, SENDING, WAITING, CLOSED = range(6)
WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
IN_PROGRESS = (0, errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", errno.EINPROGRESS))


class ConnectionFailed(Exception):
    """The text is the kind of failure as the report names it."""


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

    def booked_in(self, recorder: Recorder) -> Request:
        """The same request, its end booked elsewhere."""
        return Request(self.payload, recorder, self.pool, self.heads)


class Connection:
    """untouched: waits for an answer of which no byte has come. Times in nanoseconds: due (intended), begun (a connection was sought), sent."""

    __slots__ = ("pool", "socket", "descriptor", "recv", "send", "phase", "untouched", "request", "due", "begun", "sent", "reader", "unsent", "usable")

    def __init__(self, pool: Pool, heads: HeadCache):
        self.pool, self.request, self.unsent = pool, None, None
        self.phase, self.untouched, self.usable = CONNECTING, False, True
        self.due = self.begun = self.sent = 0
        self.reader = AnswerReader(heads)
        try:
            self.socket = socket.socket(pool.address.family, socket.SOCK_STREAM)
        except OSError as error:
            raise ConnectionFailed(error_kind(error, "connect")) from error
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.descriptor = self.socket.fileno()
        code = self.socket.connect_ex(pool.address.sockaddr)
        if code not in IN_PROGRESS:
            self.socket.close()
            raise ConnectionFailed(error_kind(OSError(code, ""), "connect"))

    def connected(self) -> None:
        """The socket became writable: ConnectionFailed when that was a refusal."""
        code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise ConnectionFailed(error_kind(OSError(code, ""), "connect"))
        self.phase = IDLE
        if self.pool.tls:
            self.socket = self.pool.tls.wrap_socket(self.socket, server_hostname=self.pool.origin.host, do_handshake_on_connect=False, suppress_ragged_eofs=False)
            self.phase = HANDSHAKE
        self.recv, self.send = self.socket.recv, self.socket.send

    def shake_hands(self) -> bool:
        """Go on with the TLS handshake. False: it wants to write first (True: to read, or it is done and the phase is IDLE)."""
        try:
            self.socket.do_handshake()
        except ssl.SSLWantReadError:
            return True
        except ssl.SSLWantWriteError:
            return False
        except OSError as error:
            raise ConnectionFailed(error_kind(error, "tls")) from error
        self.recv, self.send = self.socket.read, self.socket.write  # one call less than recv and send
        self.phase = IDLE
        return True

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

    def ending(self) -> str | None:
        """What the end of the connection makes of the request: None when it completes the answer, else the kind of failure."""
        return "connection closed before answer" if self.untouched else self.reader.end()

    def more_decrypted(self) -> bool:
        """Whether TLS holds bytes that the socket will not announce any more."""
        return self.pool.tls is not None and self.socket.pending() > 0

    def close(self) -> None:
        self.phase, self.untouched = CLOSED, False
        self.socket.close()
