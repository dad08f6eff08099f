"""Routes of Go: net/http, chi, gin, echo, fiber, gorilla/mux.

What is registered in the body of Route("/x", func(r ...) {...}) or at r := parent.Group("/x") stands below /x.
"""

from __future__ import annotations

import re

from senior_backend.docs.detect.code import Source, arguments
from senior_backend.docs.detect.python import add_route, joined
from senior_backend.docs.detect.services import bare
from senior_backend.docs.facts import AUTH_NAME

VERBS = "GET POST PUT PATCH DELETE HEAD OPTIONS Get Post Put Patch Delete Head Options Handle HandleFunc Any All Method".replace(" ", "|")
CALL = re.compile(rf"(?<![\w.])(?:(\w+)\s*:?=\s*)?(\w[\w.]*?)((?:\.With\([^()\n]*\))?)\.(Route|Group|Mount|{VERBS})\s*\(")
MADE = re.compile(
    r"(?<![\w.])(\w+)\s*:?=\s*(?:chi\.New(?:Router|Mux)|gin\.(?:New|Default)|echo\.New|fiber\.New|mux\.NewRouter|http\.NewServeMux|httprouter\.New)\("
)
ROUTER = re.compile(
    r"(\w+)\s+\*?(?:chi\.(?:Router|Mux)|gin\.(Engine|RouterGroup|IRouter)|echo\.(?:Echo|Group)|fiber\.(?:App|Router)|mux\.Router|http\.ServeMux)\b"
)
PARAMETER = re.compile(r"\{(\w+)(?:\.\.\.|:[^{}]*)?\}|(?<=/):(\w+)\??|(?<=/)\*(\w*)")


class Scope:
    """Part of a file in which a name is a router: its prefix, and the guards that its users named so far."""

    def __init__(self, begin: int, end: int, name: str, prefix: str, guards: list[str]):
        self.begin, self.end, self.name, self.prefix, self.guards = begin, end, name, prefix, guards


def read(one: Source) -> None:
    """Adds the routes of one file."""
    code, end = one.code, len(one.code)
    scopes = [Scope(found.end(), end, found[1], "", []) for found in MADE.finditer(code)] + [Scope(0, end, "http", "", [])]
    for head in re.finditer(r"^func [^{]*\{", code, re.M):
        close = code.find("\n}", head.end())
        scopes += [Scope(head.end(), close if close > 0 else end, found[1], "", []) for found in ROUTER.finditer(head[0])]
    events = [(found.start(), found, True) for found in CALL.finditer(code)] + [
        (found.start(), found, False) for found in re.finditer(r"(?<![\w.])(\w+)\.Use\s*\(", code)
    ]
    for start, found, route in sorted(events, key=lambda event: event[0]):
        inner = [scope for scope in scopes if scope.begin <= start < scope.end and scope.name == (found[2] if route else found[1])]
        scope = max(inner, key=lambda scope: scope.begin, default=None)
        given, close = arguments(code, found.end() - 1)
        if scope is None:
            continue
        if not route:
            scope.guards = scope.guards + guards(code, given)
        elif found[4] in ("Route", "Group", "Mount"):
            nested(one, found, scope, given, scopes)
        elif scope.name != "http" or found[4].startswith("Handle"):
            tell(one, found, scope, given, close)


def guards(code: str, given: list[tuple[int, int]]) -> list[str]:
    return [name for begin, end in given if "func(" not in code[begin:end] for name in re.findall(r"[\w.]+", code[begin:end]) if AUTH_NAME.search(name)]


def nested(one: Source, found: re.Match, scope: Scope, given: list[tuple[int, int]], scopes: list[Scope]) -> None:
    inline = next((span for span in given if re.match(r"\s*func\s*\(", one.code[slice(*span)])), None)
    prefix = "" if inline is given[0] else one.literal(given[0]) if given else ""
    if prefix is None or found[4] == "Mount":
        one.facts.missing(
            f"{one.path}:{one.lines.of(found.start())}: what {found[4]} puts below a prefix could not be followed: it is told without it, or not at all"
        )
        return
    prefix, named = joined(scope.prefix, prefix).rstrip("/"), scope.guards + guards(one.code, given) + re.findall(r"[\w.]+", found[3])[1:]
    if inline:
        name = re.match(r"\s*func\s*\(\s*(\w+)", one.code[slice(*inline)])
        scopes.append(Scope(*inline, name[1] if name else "", prefix, named))
    elif found[1]:
        scopes.append(Scope(found.end(), scope.end, found[1], prefix, named))


def tell(one: Source, found: re.Match, scope: Scope, given: list[tuple[int, int]], close: int) -> None:
    texts = [one.literal(span) for span in given]
    method, shift = found[4].upper(), 1 if found[4] == "Method" or found[4] == "Handle" and len(given) > 2 else 0
    if len(given) < 2 + shift or texts[shift] is None:
        return
    path = texts[shift]
    if shift:
        method = (texts[0] or "ANY").upper()
    elif method in ("HANDLE", "HANDLEFUNC", "ANY", "ALL"):
        named, tail = (
            re.match(r"([A-Z]+) (\S+)$", path),
            re.match(r"\s*\.Methods\(\s*(?:\"|http\.Method)(\w+)", one.text[close : close + 200]),
        )  # net/http since Go 1.22; gorilla
        method, path = (named[1], named[2]) if named else (tail[1].upper() if tail else "ANY", path)
    full = joined(scope.prefix, path if path.startswith("/") or not path else "/" + path.partition("/")[2]).removesuffix("{$}")
    full = full.rstrip("/") if scope.prefix and path == "/" else full
    full = PARAMETER.sub(lambda one: "{%s}" % (one[1] or one[2] or one[3] or "wildcard"), full)
    handlers = given[1 + shift :]
    named = (
        scope.guards
        + [name for name in re.findall(r"[\w.]+", found[3])[1:] if AUTH_NAME.search(name)]
        + guards(one.code, handlers[:-1])
        + guards(one.code, [span for span in handlers[-1:] if ")(" in one.code[slice(*span)] or one.code[slice(*span)].count("(") > 1])
    )
    framework = next((bare(name).rpartition("/")[2] for name in one.service.frameworks), "net/http")
    add_route(one.facts, one.service.name, framework, method, full, " ".join(one.text[slice(*given[-1])].split()), named, one.place(found.start(2)))
