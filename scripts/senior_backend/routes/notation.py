"""The small languages within sources: path patterns of Express 4 and 5, Fastify and Koa, and the comments of JSDoc."""
from __future__ import annotations

import functools
import re
import textwrap
from typing import Any

NAME = re.compile(r"[A-Za-z0-9_$]+")
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
WILD = re.compile(r"[:*({]")
MOST_TEMPLATES = 8
BLOCK = re.compile(r"/\*\*(.*?)\*/", re.DOTALL)
STAR = re.compile(r"(?<=\n)[ \t]*\*(?: |$)?|^[ \t]+$", re.MULTILINE)
TAG = re.compile(r"^@(\w+)[ \t]*(.*(?:\n(?!@\w).*)*)", re.MULTILINE)
NUMBERS = ("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "multipleOf")
HOLDERS = ("export_statement", "lexical_declaration", "expression_statement", "variable_declaration")


# path patterns
class Unreadable(Exception):
    """A pattern that no template can say."""


def templates(pattern: str, framework: str) -> list[tuple[str, dict[str, str]]]:
    """[(template, {parameter: regular expression or ""})]: several where parts are optional. Raises Unreadable."""
    found, at = [("", {})], 0
    while at < len(pattern):
        pieces, at = piece(pattern, at, framework, len(found[0][1]))
        # without an optional last parameter its slash is not there either
        found = [(text.removesuffix("/"), known) if addition is None else (text + addition, {**known, **more}) for text, known in found for addition, more in pieces]
        if len(found) > MOST_TEMPLATES:
            raise Unreadable("too many optional parts")
    return found


def piece(pattern: str, at: int, framework: str, count: int) -> tuple[list, int]:
    """What stands at a place: [(text or None for nothing, parameters)], and the place after it."""
    letter, fastify = pattern[at], framework == "fastify"
    if letter == ":" and not (fastify and pattern[at + 1:at + 2] == ":"):
        return parameter(pattern, at, framework)
    if letter == "*":
        named = None if fastify else NAME.match(pattern, at + 1)
        name = named[0] if named else "wildcard"
        return [(f"{{{name}}}", {name: ""})], named.end() if named else at + 1
    if letter == "{" and not fastify:
        end = closing(pattern, at, "{", "}")
        return [*templates(pattern[at + 1:end - 1], framework), ("", {})], end
    if letter == "(":
        end = closing(pattern, at, "(", ")")
        name = "wildcard" if pattern[at + 1:end - 1] in (".*", ".+", "[^]*") else f"group{count + 1}"
        modifier = pattern[end:end + 1]
        return [(f"{{{name}}}", {name: ""}), *([(None, {})] if modifier in ("?", "*") else [])], end + (modifier in ("?", "*", "+"))
    if letter in "\\:" and at + 1 < len(pattern):
        return [(pattern[at + 1], {})], at + 2
    if letter in "?+[]" and not fastify:
        raise Unreadable(f"{letter!r} makes a part of it optional or repeated")
    return [(letter, {})], at + 1


def parameter(pattern: str, at: int, framework: str) -> tuple[list, int]:
    found = NAME.match(pattern, at + 1) or QUOTED.match(pattern, at + 1)
    if not found:
        raise Unreadable("':' without a name")
    name, end, expression = found[found.lastindex or 0], found.end(), ""
    if pattern[end:end + 1] == "(":
        stop = closing(pattern, end, "(", ")")
        expression, end = pattern[end + 1:stop - 1].removeprefix("^").removesuffix("$"), stop
    expression = "" if expression in ("*", ".*") else expression
    modifier = pattern[end:end + 1] if pattern[end:end + 1] in ("?", "*", "+") and not (framework == "fastify" and pattern[end] == "*") else ""
    whole = f"^(?:{expression})$" if "|" in expression else f"^{expression}$" if expression else ""
    return [(f"{{{name}}}", {name: whole}), *([(None, {})] if modifier in ("?", "*") else [])], end + len(modifier)


def closing(pattern: str, at: int, opens: str, closes: str) -> int:
    """The place after the bracket that closes the one at a place."""
    depth, index = 0, at
    while index < len(pattern):
        if pattern[index] == "\\":
            index += 1
        else:
            depth += (pattern[index] == opens) - (pattern[index] == closes)
            if not depth:
                return index + 1
        index += 1
    raise Unreadable(f"{opens!r} is never closed")


def joined(prefix: str, path: str) -> str:
    """A pattern below a prefix, without a slash at its end."""
    whole = f"{prefix.rstrip('/')}/{path.lstrip('/')}" if path not in ("", "/") else prefix
    whole = re.sub(r"/{2,}", "/", whole if whole.startswith(("/", "{", "*", ":")) else "/" + whole)
    return whole.rstrip("/") or "/"


@functools.lru_cache(maxsize=4096)
def is_wild(prefix: str) -> bool:
    return WILD.search(prefix) is not None


def covers(prefix: str, path: str, exact: bool = False) -> bool:
    """Whether a middleware at a pattern sees requests for another pattern; exact: only for the path itself (all), not below it."""
    if prefix == "/" and not exact:
        return True
    if path.startswith(prefix):
        if len(path) == len(prefix) or path[len(prefix)] == "/" and not exact:
            return True
    if not is_wild(prefix):
        return False
    wanted, given = [[part for part in text.split("/") if part] for text in (prefix, path)]
    for index, part in enumerate(wanted):
        if part.startswith(("*", "(.*", "{*")):
            return len(given) > index or part.startswith("{")
        if index >= len(given) or not (part.startswith(":") or part == given[index]):
            return False
    return not exact or len(wanted) == len(given)


# comments
def above(node: Any) -> str:
    """The text of the JSDoc comment right above a node, "" when there is none."""
    while node is not None:
        before = node.prev_named_sibling
        if before is not None:
            return block(before) if before.type == "comment" else ""
        node = node.parent if node.parent is not None and node.parent.type in HOLDERS else None
    return ""


def block(comment: Any) -> str:
    found = BLOCK.fullmatch(comment.text.decode())
    return STAR.sub("", found[1]).replace("*\\/", "*/").strip() if found else ""


def parsed(text: str) -> tuple[str, dict[str, str]]:
    """(the text before the tags, {tag: its text})."""
    at = re.search(r"^@\w", text, re.MULTILINE)
    return (text[:at.start()] if at else text).strip(), {found[1]: found[2].strip() for found in TAG.finditer(text)}


def documented(source: str) -> list[tuple[str, int]]:
    """The YAML of the blocks that begin with @openapi or @swagger, and their lines."""
    found = []
    for comment in BLOCK.finditer(source):
        for part in re.split(r"^[ \t]*@(?=\w)", STAR.sub("", comment[1]), flags=re.MULTILINE)[1:]:
            word, _, rest = part.partition("\n")
            if word.strip() in ("openapi", "swagger"):
                found.append((textwrap.dedent(rest), source.count("\n", 0, comment.start()) + 1))
    return found


def operation(text: str) -> dict:
    """summary, description, deprecated, tags, operationId as a comment gives them."""
    body, tags = parsed(text)
    first, _, rest = body.partition("\n\n" if "\n\n" in body else "\n")
    made: dict = {"summary": tags.get("summary") or " ".join(first.split()), "description": tags.get("description") or tags.get("desc") or rest.strip(), "operationId": tags.get("operationId"), "deprecated": "deprecated" in tags}
    made["tags"] = [tag.strip() for tag in re.split(r"[,\n]", tags.get("tag") or tags.get("tags") or "") if tag.strip()]
    return {name: re.sub(r"(?m)^\\@", "@", value) if isinstance(value, str) else value for name, value in made.items() if value}


def annotations(node: Any) -> dict:
    """Keywords of JSON Schema as the comment above a member or type gives them."""
    body, tags = parsed(above(node))
    made: dict = {"description": tags.get("description") or body, **{name: tags.get(name) for name in ("format", "pattern")}, "deprecated": "deprecated" in tags}
    made.update({name: int(tags[name]) for name in NUMBERS if re.fullmatch(r"-?\d+", tags.get(name, ""))})
    return {name: value for name, value in made.items() if value or value == 0 and name in NUMBERS}
