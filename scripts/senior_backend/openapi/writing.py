"""A document as text: YAML that every reader of 1.1 and 1.2 takes the same way, or JSON. Keys keep the order they have."""
from __future__ import annotations

import json
import math
import re
from typing import Any

# plain text that is text to every reader: it begins like a word or a path, and holds neither ": " nor " #"
PLAIN = re.compile(r"[A-Za-z_/$](?:[A-Za-z0-9_./@()*+%=&!?;'{}\[\]\-]|,(?=[ A-Za-z])|:(?=[^\s,\[\]{}])| (?=[^ #]))*|[0-9]+\.[0-9]+\.[0-9]+")
OTHER_MEANING = re.compile(r"(?i)y|n|yes|no|on|off|true|false|null|.*:")
ESCAPED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]")
SURROGATE = re.compile("[\ud800-\udfff]")
NOT_IN_BLOCKS = re.compile(ESCAPED.pattern + r"|[ \t]+(?:\n|\Z)|\A\n*\Z|\A\n")
LONGEST_KEY = 1000          # characters; YAML allows 1024 for a key that stands before its colon


def document_text(document: dict, name: str) -> str:
    """The text of a document (mappings, lists, text, numbers, booleans, None), JSON when the name ends in .json, else YAML."""
    return as_json(document) if name.lower().endswith(".json") else as_yaml(document)


def as_json(value: Any) -> str:
    return SURROGATE.sub("\ufffd", json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)) + "\n"


def as_yaml(value: Any) -> str:
    return "".join(block(value, "", "")).removeprefix("\n").lstrip(" ")


def block(value: Any, indent: str, gap: str = " ") -> list[str]:
    """What follows "key:" or "-" up to and with the end of line; nested lines begin with indent."""
    if isinstance(value, dict) and value:
        lines = ["\n"]
        for key, inner in value.items():
            written = scalar(str(key), None)
            lines.append(f"{indent}{written}:" if len(written) < LONGEST_KEY else f"{indent}? {written}\n{indent}:")
            lines.extend(block(inner, indent + "  "))
        return lines
    if isinstance(value, (list, tuple)) and value:
        lines = ["\n"]
        for inner in value:
            first, *rest = block(inner, indent + "  ")
            if first == "\n":       # a nested collection begins on the line of its dash
                first, rest = " " + rest[0].removeprefix(indent + "  "), rest[1:]
            lines.extend((f"{indent}-", first, *rest))
        return lines
    return [f"{gap}{scalar(value, indent)}\n"]


def scalar(value: Any, indent: str | None) -> str:
    """A value on one line, or as a block of lines that are indented; indent None: on one line in any case."""
    if isinstance(value, str):
        return text(value, indent)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return float_text(value)
    return "{}" if isinstance(value, dict) else "[]" if isinstance(value, (list, tuple)) else str(value)


def float_text(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"{value} is no number of JSON")
    written = repr(value)
    return written if "." in written else written.replace("e", ".0e")       # 1e+16 is text to YAML 1.1


def text(value: str, indent: str | None) -> str:
    if PLAIN.fullmatch(value) and not OTHER_MEANING.fullmatch(value):
        return value
    if "\n" in value and indent is not None and not NOT_IN_BLOCKS.search(value):
        return literal(value, indent)
    if "\n" in value or ESCAPED.search(value):
        return ESCAPED.sub(replaced, json.dumps(value, ensure_ascii=False))
    return "'" + value.replace("'", "''") + "'"


def literal(value: str, indent: str) -> str:
    """A block scalar: lines as they are, after | with what says how it ends and, when it begins with blanks, its indentation."""
    body = value.rstrip("\n")
    ends = len(value) - len(body)
    head = "|" + ("2" if value[0] in " \t" else "") + ("-" if ends == 0 else "" if ends == 1 else "+")
    lines = [f"{indent}{line}" if line else "" for line in body.split("\n")]
    return "\n".join([head, *lines, *[""] * max(0, ends - 1)])


def replaced(found: re.Match) -> str:
    return "\ufffd" if SURROGATE.fullmatch(found[0]) else f"\\u{ord(found[0]):04x}"
