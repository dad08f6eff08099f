"""A server with a rate limit, for the tests: limited_server.py KIND RATE BURST [--per-connection] [--headers]. Prints its port, ends with its input.

KIND: token (bucket of BURST, RATE/s), fixed (BURST per window of BURST/RATE seconds), sliding (at most BURST within any such window), none.
"""

from __future__ import annotations

import collections
import contextlib
import math
import pathlib
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n%s\r\nok"
REFUSED = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: %d\r\nContent-Length: 0\r\n%s\r\n"


class Limit:
    def __init__(self, kind: str, rate: float, burst: int):
        self.kind, self.rate, self.burst, self.window_s = kind, rate, burst, burst / rate
        self.tokens, self.at = float(burst), time.monotonic()
        self.window, self.used = 0, 0
        self.admitted: collections.deque[float] = collections.deque()

    def admits(self) -> bool:
        return getattr(self, self.kind)(time.monotonic())

    def none(self, now: float) -> bool:
        return True

    def token(self, now: float) -> bool:
        self.tokens, self.at = min(self.burst, self.tokens + (now - self.at) * self.rate), now
        admitted = self.tokens >= 1
        self.tokens -= admitted
        return admitted

    def fixed(self, now: float) -> bool:
        window = int(now / self.window_s)
        self.used = self.used if window == self.window else 0
        self.window = window
        self.used += 1
        return self.used <= self.burst

    def sliding(self, now: float) -> bool:
        while self.admitted and self.admitted[0] <= now - self.window_s:
            self.admitted.popleft()
        admitted = len(self.admitted) < self.burst
        if admitted:
            self.admitted.append(now)
        return admitted


def serve(kind: str, rate: float, burst: int, per_connection: bool, headers: bool) -> None:
    selector, whole = selectors.DefaultSelector(), Limit(kind, rate, burst)
    extra = b"RateLimit-Policy: %d;w=%d\r\nX-RateLimit-Limit: %d\r\n" % (burst, round(burst / rate), burst) if headers else b""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        print(listener.getsockname()[1], flush=True)
        while True:
            for key, _ in selector.select():
                if key.fileobj is listener:
                    connection, _ = listener.accept()
                    selector.register(connection, selectors.EVENT_READ, Limit(kind, rate, burst) if per_connection else whole)
                elif key.data is None:
                    return
                else:
                    answer(selector, key.fileobj, key.data, extra)


def answer(selector: selectors.BaseSelector, connection: socket.socket, limit: Limit, extra: bytes) -> None:
    with contextlib.suppress(OSError):
        data = connection.recv(65536)
        if data:
            for _ in range(data.count(b"\r\n\r\n")):
                connection.sendall(OK % extra if limit.admits() else REFUSED % (math.ceil(1 / limit.rate), extra))
            return
    selector.unregister(connection)
    connection.close()


@contextlib.contextmanager
def limited(kind: str, rate: float, burst: int, *flags: str) -> Iterator[str]:
    """A running server; gives its URL."""
    command = [sys.executable, str(pathlib.Path(__file__)), kind, str(rate), str(burst), *flags]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}/"
        server.stdin.close()


if __name__ == "__main__":
    serve(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), "--per-connection" in sys.argv, "--headers" in sys.argv)
