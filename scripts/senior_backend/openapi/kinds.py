"""What a value of a document is, in the words of people who write documents."""
from __future__ import annotations

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
