"""The path patterns of Express 4 and 5, Fastify and Koa as OpenAPI templates."""
from __future__ import annotations

import re

NAME = re.compile(r"[A-Za-z0-9_$]+")
MOST_TEMPLATES = 8


class Unreadable(Exception):
    """A pattern that no template can say."""


def templates(pattern: str, framework: str) -> list[tuple[str, dict[str, str]]]:
    """[(template, {parameter: regular expression or ""})]: several where parts are optional. Raises Unreadable."""
    found = [("", {})]
    at = 0
    while at < len(pattern):
        pieces, at = piece(pattern, at, framework, len(found[0][1]))
        found = [(text + addition, {**parameters, **more}) if addition is not None else (shortened(text), parameters) for text, parameters in found for addition, more in pieces]
        if len(found) > MOST_TEMPLATES:
            raise Unreadable("too many optional parts")
    return [(text, parameters) for text, parameters in found]


def shortened(text: str) -> str:
    """Without an optional last parameter its slash is not there either."""
    return text[:-1] if text.endswith("/") else text


def piece(pattern: str, at: int, framework: str, count: int) -> tuple[list, int]:
    """What stands at a place: [(text or None for nothing, parameters)], and the place after it."""
    letter = pattern[at]
    if letter == ":" and framework == "fastify" and pattern[at:at + 2] == "::":
        return [(":", {})], at + 2
    if letter == ":":
        return parameter(pattern, at, framework)
    if letter == "*":
        named = NAME.match(pattern, at + 1) if framework != "fastify" else None
        name = named[0] if named else "wildcard"
        return [(f"{{{name}}}", {name: ""})], named.end() if named else at + 1
    if letter == "{" and framework != "fastify":
        end = closing(pattern, at, "{", "}")
        inner = templates(pattern[at + 1:end - 1], framework)
        return [*inner, ("", {})], end
    if letter == "(":
        end = closing(pattern, at, "(", ")")
        name = "wildcard" if pattern[at + 1:end - 1] in (".*", ".+", "[^]*") else f"group{count + 1}"
        optional = pattern[end:end + 1] in ("?", "*")
        if pattern[end:end + 1] in ("?", "*", "+"):
            end += 1
        return [(f"{{{name}}}", {name: ""}), *([(None, {})] if optional else [])], end
    if letter == "\\" and at + 1 < len(pattern):
        return [(pattern[at + 1], {})], at + 2
    if letter in "?+[]" and framework != "fastify":
        raise Unreadable(f"{letter!r} makes a part of it optional or repeated")
    return [(letter, {})], at + 1


def parameter(pattern: str, at: int, framework: str) -> tuple[list, int]:
    found = NAME.match(pattern, at + 1)
    if not found:
        quoted = re.compile(r'"((?:[^"\\]|\\.)*)"').match(pattern, at + 1)
        if not quoted:
            raise Unreadable("':' without a name")
        return [(f"{{{quoted[1]}}}", {quoted[1]: ""})], quoted.end()
    name, end, expression = found[0], found.end(), ""
    if pattern[end:end + 1] == "(":
        stop = closing(pattern, end, "(", ")")
        expression, end = pattern[end + 1:stop - 1], stop
    modifier = pattern[end:end + 1] if pattern[end:end + 1] in ("?", "*", "+") else ""
    if modifier == "*" and framework == "fastify" or modifier and framework == "express" and pattern[end:end + 2] == "*/":
        modifier = ""
    pieces = [(f"{{{name}}}", {name: anchored(expression)})]
    return pieces + ([(None, {})] if modifier in ("?", "*") else []), end + len(modifier)


def anchored(expression: str) -> str:
    """The whole value has to fit."""
    bare = expression.removeprefix("^").removesuffix("$")
    return f"^{bare}$" if bare and "|" not in bare else f"^(?:{bare})$" if bare else ""


def closing(pattern: str, at: int, opens: str, closes: str) -> int:
    """The place after the bracket that closes the one at a place."""
    depth, index = 0, at
    while index < len(pattern):
        if pattern[index] == "\\":
            index += 1
        elif pattern[index] == opens:
            depth += 1
        elif pattern[index] == closes:
            depth -= 1
            if not depth:
                return index + 1
        index += 1
    raise Unreadable(f"{opens!r} is never closed")


def joined(prefix: str, path: str) -> str:
    """A pattern below a prefix, without a slash at its end."""
    whole = f"{prefix.rstrip('/')}/{path.lstrip('/')}" if path not in ("", "/") else prefix
    whole = re.sub(r"/{2,}", "/", whole if whole.startswith(("/", "{", "*", ":")) else "/" + whole)
    return whole.rstrip("/") or "/"


def covers(prefix: str, path: str, exact: bool = False) -> bool:
    """Whether a middleware at a pattern sees requests for another pattern; exact: only for the path itself (all), not below it."""
    if not any(letter in prefix for letter in ":*({"):
        return path == prefix or not exact and (prefix == "/" or path.startswith(prefix + "/"))
    wanted, given = [[part for part in text.split("/") if part] for text in (prefix, path)]
    for index, part in enumerate(wanted):
        if part.startswith(("*", "(.*", "{*")) or part == "{/*splat}":
            return len(given) > index or part.startswith("{")
        if index >= len(given) or not (part.startswith(":") or part == given[index]):
            return False
    return not exact or len(wanted) == len(given)
