"""Pieces of regular expressions as they are written into TypeScript."""
from __future__ import annotations

import re

SYNTAX_CHARACTERS = frozenset("^$\\.*+?()[]{}|/")
# characters that end a line or reorder text inside a literal, and lone surrogates
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]")


def written(point: int) -> str:
    """A code point that stands for itself, outside and inside classes."""
    letter = chr(point)
    return "\\" + letter if letter in SYNTAX_CHARACTERS else safe(letter)


def safe(letter: str) -> str:
    """A character as it may stand in a literal of a source file."""
    return UNSAFE.sub(hexadecimal, letter)


def hexadecimal(match: re.Match[str]) -> str:
    point = ord(match[0])
    if 0xD800 <= point <= 0xDFFF:
        return f"\\u{{{point:x}}}"
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(match[0]) or f"\\u{point:04x}"
