"""Text from documents as TypeScript: the only way by which names, strings and descriptions reach generated code."""
from __future__ import annotations

import json
import re

IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*\Z")
RESERVED = frozenset("""
abstract any arguments as asserts async await bigint boolean break case catch class const continue debugger declare default delete do else enum eval export extends
false finally for from function get global if implements import in infer instanceof interface is keyof let module namespace never new null number object of out
override package private protected public readonly require return satisfies set static string super switch symbol this throw true try type typeof undefined unique
unknown using var void while with yield
""".split())
# characters that end a line or reorder text inside a literal or comment, and lone surrogates, which UTF-8 cannot hold
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]")
PLAIN_STRING = re.compile(r"[ !#-&(-\[\]-~]*\Z")


def string(text: str) -> str:
    r"""A single-quoted literal.

    >>> string("it's ${x}")
    "'it\\'s ${x}'"
    """
    if PLAIN_STRING.match(text):
        return f"'{text}'"
    text = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return "'" + UNSAFE.sub(escape, text) + "'"


def escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def key(name: str) -> str:
    """A property key: bare where the language allows, computed for __proto__ (which would set the prototype).

    >>> key("name"), key("first-name"), key("__proto__")
    ('name', "'first-name'", "['__proto__']")
    """
    if name == "__proto__":
        return "['__proto__']"
    return name if IDENTIFIER.match(name) else string(name)


def literal(value, indent: str = "") -> str:
    """A JSON value as an expression; containers that do not fit into a line are broken over several, indented by `indent`."""
    flat = flat_literal(value)
    if len(flat) + len(indent) <= 120 or not isinstance(value, (dict, list)) or not value:
        return flat
    inner = indent + "  "
    if isinstance(value, list):
        return "[\n" + "".join(f"{inner}{literal(item, inner)},\n" for item in value) + indent + "]"
    return "{\n" + "".join(f"{inner}{key(str(name))}: {literal(item, inner)},\n" for name, item in value.items()) + indent + "}"


def flat_literal(value) -> str:
    if isinstance(value, str):
        return string(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(flat_literal, value)) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key(str(name))}: {flat_literal(item)}" for name, item in value.items()) + " }" if value else "{}"
    return number(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else json.dumps(value)


def number(value: int | float) -> str:
    """The shortest literal that JavaScript reads as the same number; what no double can hold becomes +-Infinity."""
    if isinstance(value, int):
        return str(value) if abs(value) < 10 ** 21 else js_float(float(value) if abs(value) < 10 ** 308 else float("inf") * (1 if value > 0 else -1))
    return str(int(value)) if value.is_integer() and abs(value) < 10 ** 21 else js_float(value)


def js_float(value: float) -> str:
    return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(repr(value)) or repr(value)


def comment(text: str, indent: str = "", width: int = 120) -> str:
    """A JSDoc comment with its line end, or '' for a blank text. Nothing in the text can close it.

    >>> comment("Ends */ here")
    '/** Ends *\\\\/ here */\\n'
    """
    lines = [UNSAFE.sub(" ", line).rstrip() for line in text.replace("*/", "*\\/").replace("\r", "").split("\n")]
    while lines and not lines[0].strip():
        lines.pop(0)
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        return ""
    lines[0] = lines[0].strip()
    if len(lines) == 1 and len(lines[0]) + len(indent) + 7 <= width:
        return f"{indent}/** {lines[0]} */\n"
    return f"{indent}/**\n" + "".join(f"{indent} * {line}".rstrip() + "\n" for line in lines) + f"{indent} */\n"
