"""Secrets out of what is shown or kept: URL credentials, and headers and query parameters whose names say so."""

from __future__ import annotations

import re
import urllib.parse

MASK = "***"
SECRET_HEADER = re.compile(r"authorization|cookie|token|secret|password|api-?key|session", re.IGNORECASE)
SECRET_PARAMETER = re.compile(r"token|secret|passw|api_?-?key|signature|credential|^(?:sig|auth|key|pwd|jwt)$", re.IGNORECASE)


def masked_url(url: str) -> str:
    """The URL with user and password, and the values of query parameters that hold secrets, as ***."""
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return MASK
    location = f"{MASK}@{parts.netloc.rpartition('@')[2]}" if "@" in parts.netloc else parts.netloc
    query = "&".join(masked_parameter(pair) for pair in parts.query.split("&")) if parts.query else ""
    return urllib.parse.urlunsplit((parts.scheme, location, parts.path, query, parts.fragment))


def masked_parameter(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return f"{name}={MASK}" if equals and SECRET_PARAMETER.search(urllib.parse.unquote(name)) else pair


def masked_header(name: str, value: str) -> str:
    """The header's value, or *** (after the scheme of an Authorization) when it is a secret."""
    if not SECRET_HEADER.search(name):
        return value
    scheme, blank, _ = value.partition(" ")
    return f"{scheme} {MASK}" if blank and name.lower().endswith("authorization") else MASK
