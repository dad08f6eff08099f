"""What a value of a document is, in the words of people who write documents, and what differs between the versions of OpenAPI."""
from __future__ import annotations

import dataclasses
import re
from typing import Any

WORDS = {dict: "a mapping", list: "a list", str: "text", int: "a number", float: "a number", bool: "true or false", type(None): "empty"}
SHOWN = 40          # characters of a value that a message repeats
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def kind(value: Any) -> str:
    """"a list", "the number 3", "the text 'abc'", ... for messages."""
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) in (int, float):
        return f"the number {value}"
    return f"the text {quoted(value)}" if type(value) is str else WORDS.get(type(value), "something else")


def quoted(text: str) -> str:
    """A text of the document within a message: in quotes, short, on one line."""
    shown = text if len(text) <= SHOWN else text[:SHOWN] + "..."
    return "'" + UNPRINTABLE.sub(" ", shown) + "'"


NEWEST = re.compile(r"3\.[0-2](?:\.\d+)?(?:-.+)?")
KNOWN = "expected swagger: '2.0', or openapi: 3.0.x, 3.1.x or 3.2.x"


@dataclasses.dataclass(frozen=True, slots=True)
class Dialect:
    version: str                       # as written
    swagger: bool                      # Swagger 2.0
    old_schemas: bool                  # 2.0 and 3.0: nullable, siblings of $ref are ignored
    components: tuple[str, ...]        # where schemas with names stand


def dialect_of(root: dict) -> Dialect | tuple[str, str | None]:
    """The dialect of a document, or what is wrong with its version and the key that it is about."""
    if "swagger" in root:
        version = str(root["swagger"])
        return Dialect(version, True, True, ("definitions",)) if version in ("2.0", "2") else (f"the version of Swagger is {kind(root['swagger'])}: {KNOWN}", "swagger")
    if "openapi" not in root:
        return f"this is no OpenAPI document: the version is missing ({KNOWN})", None
    written: Any = root["openapi"]
    version = str(written)
    if type(written) in (str, float) and NEWEST.fullmatch(version):
        return Dialect(version, False, version.startswith("3.0"), ("components", "schemas"))
    return f"the version of OpenAPI is {kind(written)}: {KNOWN}", "openapi"
