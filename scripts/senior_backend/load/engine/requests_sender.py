"""Requests by the package `requests`: redirects, cookies, digest, proxies, and the names of what can go wrong."""

from __future__ import annotations

import errno
import http.client
import http.cookiejar
import os
import socket
import ssl
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

from senior_backend.load.plan.messages import as_text, default_headers, fill, filled_body, header_text
from senior_backend.load.engine.addresses import error_kind
from senior_backend.load.plan.model import Plan
from senior_backend.load.engine.slots import Broken

READ_SIZE = 65536


class RequestsSender:
    """A session with its own connections and, if the plan wants them, cookies. `requests` must be importable."""

    def __init__(self, plan: Plan):
        import requests

        self.requests, self.plan = requests, plan
        self.session = requests.Session()
        self.session.trust_env = False  # no proxies or passwords that the plan does not name
        self.session.headers.clear()
        self.session.verify = (ca_bundle() or True) if plan.verify_tls else False
        if not plan.cookies:
            self.session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        if plan.proxy:
            self.session.proxies = {"http": plan.proxy, "https": plan.proxy}
        if plan.digest:
            self.session.auth = requests.auth.HTTPDigestAuth(*plan.digest)

    def send(self, target: int, row: Mapping[str, Any] | None) -> tuple[int, int]:
        """(status, bytes of the body) of the last answer of a chain of redirects or of a digest exchange. Raises Broken."""
        deadline = time.monotonic() + self.plan.timeout_s
        try:
            with self.session.request(**self.arguments(target, row), timeout=self.plan.timeout_s, stream=True, allow_redirects=self.plan.follow_redirects) as answer:
                return answer.status_code, body_size(answer.raw, deadline)
        except (self.requests.RequestException, OSError, http.client.HTTPException) as error:
            raise Broken(kind_of(error)) from error
        except Exception as error:
            if type(error).__module__.partition(".")[0] != "urllib3":  # raw reads raise urllib3's own
                raise
            raise Broken(kind_of(error)) from error

    def arguments(self, number: int, row: Mapping[str, Any] | None) -> dict[str, Any]:
        target, row = self.plan.targets[number], row or {}
        body = filled_body(target.body, row) if target.body is not None else None
        headers = {name: value for name, value in default_headers(target, body) if name not in ("Host", "Content-Length")}
        given = [(name, fill(value, row, header_text)) for name, value in target.headers]
        headers = {name: value for name, value in headers.items() if name.lower() not in {name.lower() for name, _ in given}}
        for name, value in given:
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return {
            "method": target.method,
            "url": fill(target.url, row, lambda value: urllib.parse.quote(as_text(value), safe="")),
            "headers": {name: value.encode("utf-8") for name, value in headers.items()},
            "data": body,
        }

    def close(self) -> None:
        self.session.close()


def ca_bundle() -> str | None:
    """The system's certificates, which the engine raw trusts too."""
    paths = ssl.get_default_verify_paths()
    return next((path for path in (paths.cafile, paths.capath) if path and os.path.exists(path)), None)


def body_size(raw: Any, deadline: float) -> int:
    """Read a body as it comes. Raises Broken when the whole request takes longer than it may."""
    size = 0
    while data := raw.read1(READ_SIZE, decode_content=False):
        size += len(data)
        if time.monotonic() > deadline:
            raise Broken("timeout response")
    missing = getattr(raw, "length_remaining", None)
    if missing:
        raise Broken("truncated body")
    return size


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it wraps, outermost first."""
    seen, waiting = set(), [error]
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = [one.__cause__, one.__context__, getattr(one, "reason", None), *(one.args if isinstance(one.args, tuple) else ())]
        waiting += [candidate for candidate in inner if isinstance(candidate, BaseException)]


BY_NAME = {
    "ProxyError": "proxy",
    "ConnectTimeout": "timeout connect",
    "ConnectTimeoutError": "timeout connect",
    "ReadTimeout": "timeout response",
    "ReadTimeoutError": "timeout response",
    "TooManyRedirects": "too many redirects",
    "NameResolutionError": "dns",
    "IncompleteRead": "truncated body",
    "InvalidChunkLength": "malformed answer: chunk size",
    "RemoteDisconnected": "connection closed before answer",
    "BadStatusLine": "malformed answer: status line",
    "LineTooLong": "malformed answer: head over 64 kB",
    "InvalidHeader": "malformed answer: header line",
    "UnknownProtocol": "malformed answer: not HTTP",
}


def kind_of(error: BaseException) -> str:
    """The name under which the report counts it, the same as the engine raw's where it can be told."""
    chain = list(causes(error))
    for one in chain:
        if type(one).__name__ in BY_NAME:
            return BY_NAME[type(one).__name__]
    for one in reversed(chain):
        if isinstance(one, socket.gaierror):
            return "dns"
        if isinstance(one, ssl.SSLError):
            return error_kind(one, "tls")
        if isinstance(one, TimeoutError):
            return "timeout response"
        if isinstance(one, OSError) and one.errno:
            return error_kind(one, "answer" if one.errno in (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED) else "connect")
    return f"requests: {type(error).__name__}"
