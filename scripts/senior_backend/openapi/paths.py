"""Path templates: what is wrong with them, and when two of them are the same to a router."""
from __future__ import annotations

import re

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
URI_TEMPLATE = re.compile(r"[.;/?&+#]?([^{}*]+)\*?")      # RFC 6570 operators, which OpenAPI replaced by style and explode


def template_problem(path: str) -> str:
    """Why no router can serve the template; "" when it can."""
    names = PLACEHOLDER.findall(path)
    if not path.startswith("/"):
        return "a path must begin with /"
    if set("{}") & set(PLACEHOLDER.sub("", path)):
        return "its braces do not match"
    if "" in names:
        return "a placeholder has no name"
    if len(set(names)) != len(names):
        return "it names a placeholder twice"
    if "}{" in path:
        return "two placeholders touch: nobody could tell where one ends"
    return ""


def placeholders(path: str) -> list[str]:
    return PLACEHOLDER.findall(path)


def shape(path: str) -> str:
    """The template without the names of its placeholders: /users/{}."""
    return PLACEHOLDER.sub("{}", path)


def without_operators(path: str, declared: set[str]) -> str:
    """The template with {.id}, {;id} and {id*} written as {id}, where id is what is declared."""
    def plain(match: re.Match) -> str:
        inner = URI_TEMPLATE.fullmatch(match[1])
        return f"{{{inner[1]}}}" if match[1] not in declared and inner and inner[1] in declared else match[0]
    return PLACEHOLDER.sub(plain, path)
