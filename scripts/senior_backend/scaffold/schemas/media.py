"""Content types: which codec reads and writes them, and how they look as TypeScript types."""
from __future__ import annotations

import re

from senior_backend.openapi.model import Schema
from senior_backend.scaffold.typescript import string

TOKEN = re.compile(r"[a-z0-9!#$&^_.+-]+\Z")


def codec_of(content_type: str, schema: Schema | None) -> str:
    """"json", "form", "multipart", "text", "xml" or "binary"."""
    kind, _, subtype = content_type.partition("/")
    if subtype == "json" or subtype.endswith("+json"):
        return "json"
    if content_type == "application/x-www-form-urlencoded":
        return "form"
    if content_type == "multipart/form-data" or content_type == "multipart/*":
        return "multipart"
    if subtype == "xml" or subtype.endswith("+xml"):
        return "text" if schema is None or says_text(schema) else "xml"
    if kind == "text":
        return "text"
    return "json" if content_type in ("*/*", "application/*") and not says_text(schema) else "binary"


def says_text(schema: Schema | None) -> bool:
    """Whether the schema is about a text or raw bytes, not about a structure."""
    return not isinstance(schema, dict) or schema.get("type") == "string" or not schema


def content_type_expression(content_type: str) -> str:
    """The type of the header's value: a literal, or a template where it is a range."""
    kind, _, subtype = content_type.partition("/")
    if subtype != "*":
        return string(content_type)
    return f"`{kind}/${{string}}`" if TOKEN.match(kind) and kind != "*" else "string"
