"""The bytes of requests: from a target and a row of data to an HTTP/1.1 message."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Mapping
from typing import Any

from senior_backend.console import VERSION
from senior_backend.load.plan.model import Origin, Target

FIELD = re.compile(r"\{\{\s*([^{}\s]+)\s*\}\}")
METHODS_WITH_LENGTH = ("POST", "PUT", "PATCH")
URL_SAFE = "/:?#[]@!$&'()*+,;=-._~%"


def fields_of(target: Target) -> set[str]:
    """Names of all {{field}} in a target."""
    texts = [target.url, *(value for _, value in target.headers), (target.body or b"").decode("utf-8", "replace")]
    return {name for text in texts for name in FIELD.findall(text)}


def message(target: Target, row: Mapping[str, Any] | None = None) -> bytes:
    """The request as it is sent. Values of the row are percent-encoded in the URL, escaped in a JSON body, and refused in a header when they break its line."""
    row = row or {}
    path = request_path(fill(target.url, row, lambda value: urllib.parse.quote(as_text(value), safe="")))
    headers = [(name, fill(value, row, header_text)) for name, value in target.headers]
    body = filled_body(target.body, row) if target.body is not None else None
    given = {name.lower() for name, _ in headers}
    lines = [f"{target.method} {path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in default_headers(target, body) if name.lower() not in given]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + (body or b"")


def default_headers(target: Target, body: bytes | None) -> list[tuple[str, str]]:
    headers = [("Host", Origin.of(target.url).authority), ("User-Agent", f"api-load-tester/{VERSION}"), ("Accept", "*/*")]
    if body:
        headers.append(("Content-Type", content_type(body)))
    if body or target.method in METHODS_WITH_LENGTH:
        headers.append(("Content-Length", str(len(body or b""))))
    return headers


def content_type(body: bytes) -> str:
    """What a body without a Content-Type of its own looks like."""
    if is_json(body):
        return "application/json"
    return "application/x-www-form-urlencoded" if re.fullmatch(rb"[\w.%+*-]+=[^\s]*", body) else "application/octet-stream"


def is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def request_path(url: str) -> str:
    """Path and query, percent-encoded where a URL must be."""
    parts = urllib.parse.urlsplit(url)
    path = urllib.parse.quote(parts.path, safe=URL_SAFE) or "/"
    return path + ("?" + urllib.parse.quote(parts.query, safe=URL_SAFE) if parts.query else "")


def fill(text: str, row: Mapping[str, Any], encode) -> str:
    return FIELD.sub(lambda found: encode(row[found[1]]), text) if "{{" in text else text


def filled_body(body: bytes, row: Mapping[str, Any]) -> bytes:
    """Text in a JSON body goes in escaped, other values as JSON; in other bodies the plain text."""
    if b"{{" not in body:
        return body
    text = body.decode("utf-8")
    looks_json = text.lstrip()[:1] in ("{", "[")
    return fill(text, row, json_text if looks_json else as_text).encode("utf-8")


def json_text(value: Any) -> str:
    """A value inside a JSON document: a string without its quotes (they stand in the template), anything else as JSON."""
    return json.dumps(value)[1:-1] if isinstance(value, str) else json.dumps(value)


def header_text(value: Any) -> str:
    text = as_text(value)
    if re.search(r"[\r\n\0]", text):
        raise ValueError(f"the value {text!r} would break a header line")
    return text


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
