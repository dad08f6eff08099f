"""A server with one kind of good or bad HTTP behaviour per path, which counts what it read: python load_server.py [CERTIFICATE KEY].

Prints its ports (plain, TLS or 0) on one line. /truth answers {path: [requests read, complete answers sent, last request line, last head, last body]}
and clears it. As a proxy it answers for every host. /limit/KIND/RATE/BURST is limited: token (a bucket of BURST, RATE/s), fixed (BURST per window of
BURST/RATE seconds), sliding (at most BURST within any such window) or none; ?own limits each connection for itself, ?headers tells the limit.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import hashlib
import json
import math
import re
import socket
import ssl
import struct
import subprocess
import sys
import time
import urllib.request

BODY = b'{"ok":true}'


def answer(status: bytes = b"200 OK", headers: bytes = b"", body: bytes = BODY) -> bytes:
    return b"HTTP/1.1 " + status + b"\r\nContent-Length: %d\r\n" % len(body) + headers + b"\r\n" + body


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
# path -> what is done for a request: bytes are sent, numbers are seconds of waiting, CLOSE and RESET end the connection
CLOSE, RESET = "close", "reset"
COMPLETE = {
    "/ok": [answer()],
    "/chunked": [CHUNKED + b'5\r\n{"ok"\r\n', b"6;x=y\r\n:true}\r\n0\r\nX-Trailer: 1\r\n\r\n"],
    "/early-hints": [b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + answer()],
    "/204": [b"HTTP/1.1 204 No Content\r\n\r\n"],
    "/304": [b"HTTP/1.1 304 Not Modified\r\nContent-Length: 50\r\n\r\n"],
    "/line-feeds": [answer().replace(b"\r\n", b"\n")],
    "/big": [answer(body=b"z" * 300_000)],
    "/closing": [answer(headers=b"Connection: close\r\n"), CLOSE],
    "/until-close": [b"HTTP/1.0 200 OK\r\n\r\n" + BODY, CLOSE],
    "/surplus": [answer() + b"EXTRA"],
    "/redirect": [answer(b"302 Found", b"Location: /ok\r\n", b"")],
    "/503": [answer(b"503 Service Unavailable")],
    "/400": [answer(b"400 Bad Request")],
    "/slow": [0.02, answer()],
    "/cookie": [answer(headers=b"Set-Cookie: session=hush\r\n")],
    "/loop": [answer(b"302 Found", b"Location: /loop\r\n", b"")],
    "/missing": [answer(b"404 Not Found")],
}
BROKEN = {
    "/drop": [CLOSE],
    "/reset": [RESET],
    "/half-head": [b"HTTP/1.1 200", CLOSE],
    "/truncated": [answer()[:-4], CLOSE],
    "/truncated-chunk": [CHUNKED + b"ff\r\nabc", CLOSE],
    "/bad-chunk": [CHUNKED + b"zz\r\nabc\r\n0\r\n\r\n"],
    "/not-http": [b"\0\1\2 what is this\r\n\r\n"],
    "/bad-status": [b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n"],
    "/bad-length": [b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n" + BODY],
    "/two-lengths": [b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\nContent-Length: 5\r\n\r\n" + BODY],
    "/hang": [30.0],
    "/trickle": [b"HTTP/1.1 200 OK\r\n", 0.1, b"A: b\r\n", 0.1, b"C: d\r\n", 30.0],
}
UNKNOWN = answer(b"401 Unauthorized", b'Set-Cookie: session=hush\r\nWWW-Authenticate: Digest realm="r", nonce="n", qop="auth", algorithm=MD5\r\n')
truth: dict[str, list] = {}


def knows(path: str, line: str, head: str) -> bool:
    """Whether a request shows what its path asks for: a cookie that was set, or the answer of user u with password p."""
    fields = dict(re.findall(r'(\w+)="?([^",\r]+)"?', "".join(re.findall("Authorization: Digest (.*)", head))))

    def md5(*parts: str) -> str:
        return hashlib.md5(":".join(parts).encode()).hexdigest()

    if path == "/digest":
        return fields.get("response") == md5(md5("u", "r", "p"), "n", fields.get("nc", ""), fields.get("cnonce", ""), "auth", md5(*line.split(" ")[:2]))
    return path != "/session" or "session=hush" in head


class Limit:
    """The 200 or 429 that a rate limit gives each request."""

    def __init__(self, kind: str, rate: float, burst: int):
        self.kind, self.rate, self.burst, self.window_s = kind, rate, burst, burst / rate
        self.tokens, self.at, self.window, self.used = float(burst), time.monotonic(), 0, 0
        self.admitted: collections.deque[float] = collections.deque()

    def answer(self, told: bool) -> bytes:
        headers = f"RateLimit-Policy: {self.burst};w={self.window_s:.0f}\r\nX-RateLimit-Limit: {self.burst}\r\n".encode() if told else b""
        return answer(headers=headers) if self.admits(time.monotonic()) else answer(b"429 Too Many Requests", b"Retry-After: %d\r\n" % math.ceil(1 / self.rate) + headers, b"")

    def admits(self, now: float) -> bool:
        if self.kind == "token":
            self.tokens, self.at = min(self.burst, self.tokens + (now - self.at) * self.rate), now
            self.tokens -= (admitted := self.tokens >= 1)
            return admitted
        if self.kind == "fixed":
            window = int(now / self.window_s)
            self.used, self.window = (self.used if window == self.window else 0) + 1, window
            return self.used <= self.burst
        while self.admitted and self.admitted[0] <= now - self.window_s:
            self.admitted.popleft()
        if self.kind == "none" or len(self.admitted) >= self.burst:
            return self.kind == "none"
        self.admitted.append(now)
        return True


limits: dict[str, Limit] = {}


def limited(target: str, connection: dict[str, Limit]) -> bytes:
    kind, rate, burst = target.partition("?")[0].split("/")[2:]
    known = connection if "own" in target else limits
    limit = known.setdefault(target, Limit(kind, float(rate), int(burst)))
    return limit.answer("headers" in target)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    own: dict[str, Limit] = {}
    with contextlib.suppress(asyncio.IncompleteReadError, OSError, ssl.SSLError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("utf-8")
            length = next((int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length:")), 0)
            body = (await reader.readexactly(length)).decode("utf-8")
            line = head.splitlines()[0]
            path = re.sub("^http://[^/]*", "", line.split(" ")[1].split("?")[0])
            if path.startswith("/limit/"):
                writer.write(limited(line.split(" ")[1], own))
                continue
            if path == "/truth":
                writer.write(answer(body=json.dumps(truth).encode()))
                truth.clear()
                continue
            if await act(path, [line, head, body], writer):
                break
    writer.close()


async def act(path: str, request: list[str], writer: asyncio.StreamWriter) -> bool:
    """Do what the path stands for; whether the connection is over."""
    counted = truth.setdefault(path, [0, 0, "", "", ""])
    counted[0] += 1
    counted[2:] = request
    for step in COMPLETE.get(path) or BROKEN.get(path) or [answer() if knows(path, *request[:2]) else UNKNOWN]:
        if isinstance(step, float):
            await asyncio.sleep(step)
        elif step == RESET:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            return True
        elif step == CLOSE:
            counted[1] += path in COMPLETE
            return True
        elif request[0].startswith("HEAD "):
            writer.write(step.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
        else:
            writer.write(step)
            await writer.drain()
    counted[1] += path not in BROKEN
    return False


async def main(*certificate: str) -> None:
    ports = [0, 0]
    listeners = [await asyncio.start_server(serve, "127.0.0.1", 0, backlog=512)]
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        listeners.append(await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context, backlog=512))
    for number, listener in enumerate(listeners):
        ports[number] = listener.sockets[0].getsockname()[1]
    print(*ports, flush=True)
    await asyncio.gather(*(listener.serve_forever() for listener in listeners))


class Server:
    """The server in a process of its own: url, tls_url ("" without a certificate), truth()."""

    def __init__(self, *certificate: str):
        self.process = subprocess.Popen([sys.executable, __file__, *certificate], stdout=subprocess.PIPE, text=True)
        self.port, tls_port = map(int, self.process.stdout.readline().split())
        self.url = f"http://127.0.0.1:{self.port}"
        self.tls_url = f"https://127.0.0.1:{tls_port}" if tls_port else ""

    def truth(self) -> dict[str, list]:
        """What was read since the last call."""
        with urllib.request.urlopen(self.url + "/truth", timeout=10) as got:
            return json.load(got)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(*sys.argv[1:]))
