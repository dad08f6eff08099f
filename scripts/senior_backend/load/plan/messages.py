"""From a target and a row of data to the HTTP/1.1 message that is sent, and to what may be shown of it: no secrets."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any

from senior_backend.console import VERSION
from senior_backend.load.plan.model import Origin, Target

Row = Mapping[str, Any] | None
FIELD = re.compile(r"\{\{\s*([^{}\s]+)\s*\}\}")
URL_SAFE = "/:?#[]@!$&'()*+,;=-._~%"
MASK = "***"
SECRET_HEADER = re.compile(r"authorization|cookie|token|secret|password|api-?key|session", re.IGNORECASE)
SECRET_PARAMETER = re.compile(r"token|secret|passw|api_?-?key|signature|credential|^(?:sig|auth|key|pwd|jwt)$", re.IGNORECASE)


def fields_of(target: Target) -> set[str]:
    """Names of all {{field}} in a target."""
    texts = [target.url, *(value for _, value in target.headers), (target.body or b"").decode("utf-8", "replace")]
    return {name for text in texts for name in FIELD.findall(text)}


def message(target: Target, row: Row = None) -> bytes:
    """The request as it is sent. Values of the row are percent-encoded in the URL, escaped in a JSON body, and refused in a header when they break its line."""
    body = filled_body(target, row)
    lines = [f"{target.method} {request_path(filled_url(target, row))} HTTP/1.1", *(f"{name}: {value}" for name, value in headers_of(target, row, body))]
    return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + (body or b"")


def headers_of(target: Target, row: Row, body: bytes | None, without: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """The target's own headers, and before them those that every request has; `without`: of these, names in lower case to leave out."""
    own = [(name, fill(value, row, header_text)) for name, value in target.headers]
    usual = [("Host", Origin.of(target.url).authority), ("User-Agent", f"api-load-tester/{VERSION}"), ("Accept", "*/*")]
    usual += [("Content-Type", content_type(body))] if body else []
    usual += [("Content-Length", str(len(body or b"")))] if body or target.method in ("POST", "PUT", "PATCH") else []
    given = {*without, *(name.lower() for name, _ in own)}
    return [(name, value) for name, value in usual if name.lower() not in given] + own


def content_type(body: bytes) -> str:
    """What a body without a Content-Type of its own looks like."""
    try:
        json.loads(body)
    except ValueError:
        return "application/x-www-form-urlencoded" if re.fullmatch(rb"[\w.%+*-]+=[^\s]*", body) else "application/octet-stream"
    return "application/json"


def request_path(url: str) -> str:
    """Path and query, percent-encoded where a URL must be."""
    parts = urllib.parse.urlsplit(url)
    path = urllib.parse.quote(parts.path, safe=URL_SAFE) or "/"
    return path + ("?" + urllib.parse.quote(parts.query, safe=URL_SAFE) if parts.query else "")


def fill(text: str, row: Row, encode: Callable[[Any], str]) -> str:
    return FIELD.sub(lambda found: encode(row[found[1]]), text) if row is not None and "{{" in text else text


def filled_url(target: Target, row: Row) -> str:
    return fill(target.url, row, lambda value: urllib.parse.quote(as_text(value), safe=""))


def filled_body(target: Target, row: Row) -> bytes | None:
    """Text in a JSON body goes in escaped, other values as JSON; in other bodies the plain text."""
    if row is None or b"{{" not in (target.body or b""):
        return target.body
    text = target.body.decode("utf-8")
    return fill(text, row, json_text if text.lstrip()[:1] in ("{", "[") else as_text).encode("utf-8")


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


# What may be shown


def masked_url(url: str) -> str:
    """The URL with user and password, and the values of query parameters that hold secrets, as ***."""
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return MASK
    location = f"{MASK}@{parts.netloc.rpartition('@')[2]}" if "@" in parts.netloc else parts.netloc
    return urllib.parse.urlunsplit(parts._replace(netloc=location, query="&".join(map(masked_parameter, parts.query.split("&")))))


def masked_parameter(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return f"{name}={MASK}" if equals and SECRET_PARAMETER.search(urllib.parse.unquote(name)) else pair


def masked_header(name: str, value: str) -> str:
    """The header's value, or *** (after the scheme of an Authorization) when it is a secret."""
    if not SECRET_HEADER.search(name):
        return value
    scheme, blank, _ = value.partition(" ")
    return f"{scheme} {MASK}" if blank and name.lower().endswith("authorization") else MASK
