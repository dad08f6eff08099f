"""A server for the engines' tests, in threads of the test's process: redirects, cookies, digest, faults, and a proxy's view."""

from __future__ import annotations

import collections
import contextlib
import hashlib
import http.server
import re
import threading
import time
from collections.abc import Iterator

DIGEST = 'Digest realm="r", nonce="n", qop="auth", algorithm=MD5'
FIELD = re.compile(r'(\w+)="?([^",]+)"?')


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.lock:
            self.server.seen[f"{self.command} {self.path}"] += 1
            self.server.last = (dict(self.headers), self.body)
        path = "/proxied" if self.path.startswith("http://") else self.path.partition("?")[0]
        getattr(self, path.strip("/").replace("/", "_"), self.ok)()

    do_GET = do_POST = do_HEAD = do

    def reply(self, status: int, body: bytes = b"ok", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def ok(self) -> None:
        self.reply(200)

    def wait(self) -> None:
        time.sleep(0.02)
        self.reply(200)

    def missing(self) -> None:
        self.reply(404)

    def moved(self) -> None:
        self.reply(302, b"", Location="/ok")

    def loop(self) -> None:
        self.reply(302, b"", Location="/loop")

    def cookie(self) -> None:
        self.reply(200 if "session=1" in self.headers.get("Cookie", "") else 401, b"", Set_Cookie="session=1")

    def digest(self) -> None:
        fields = dict(FIELD.findall(self.headers.get("Authorization", "")))

        def md5(*parts: str) -> str:
            return hashlib.md5(":".join(parts).encode()).hexdigest()

        wanted = md5(md5("u", "r", "p"), "n", fields.get("nc", ""), fields.get("cnonce", ""), "auth", md5(self.command, self.path))
        self.reply(200) if fields.get("response") == wanted else self.reply(401, b"", WWW_Authenticate=DIGEST)

    def truncated(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
        self.close_connection = True

    def dropped(self) -> None:
        self.close_connection = True

    def garbage(self) -> None:
        self.wfile.write(b"what is this\r\n\r\n")
        self.close_connection = True

    def slow(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        for _ in range(30):
            self.wfile.write(b"x")
            time.sleep(0.1)
        self.close_connection = True

    def proxied(self) -> None:
        self.reply(200, b"by the proxy")

    def log_message(self, *_) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock, self.seen, self.last = threading.Lock(), collections.Counter(), ({}, b"")
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request, client_address) -> None:
        """Clients that leave are part of the tests."""


@contextlib.contextmanager
def web_server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
