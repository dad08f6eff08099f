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
HEAD = re.compile(r"^func (?:\([^)]*\)\s*)?(\w+)([^{]*)\{", re.M)
USED = re.compile(r"(?<![\w.])(\w+)\.Use\s*\(")
DEEPEST, MOST_CALLERS = 5, 50       # functions that hand a router on to one another; callers of one
Handed = dict[str, list[tuple[str, list[str]]]]       # function -> (prefix, guards) of the routers that it is given
PARAMETER = re.compile(r"\{(\w+)(?:\.\.\.|:[^{}]*)?\}|(?<=/):(\w+)\??|(?<=/)\*(\w*)")


class Scope:
    """Part of a file in which a name is a router: its prefix, and the guards that its users named so far."""

    def __init__(self, begin: int, end: int, name: str, prefix: str, guards: list[str]):
        self.begin, self.end, self.name, self.prefix, self.guards = begin, end, name, prefix, guards


def read(files: list[Source]) -> None:
    """Adds the routes of Go files. A function that is given a router stands below the prefixes of its callers, where its name is that of one function alone."""
    heads = [head for one in files for head in HEAD.findall(one.code)]
    names = [name for name, rest in heads if ROUTER.search(rest)]
    takers = {name for name in names if [other for other, _ in heads].count(name) == 1}
    handed: Handed = {}
    for _ in range(DEEPEST if takers else 0):
        found: Handed = {}
        for one in files:
            walk(one, takers, handed, found, False)
        if found == handed:
            break
        handed = found
    for one in files:
        walk(one, takers, handed, {}, True)


def walk(one: Source, takers: set[str], handed: Handed, found: Handed, telling: bool) -> None:
    """The calls of one file in their order: adds its routes when telling, else what it hands to takers to found."""
    code, end = one.code, len(one.code)
    scopes = [Scope(made.end(), end, made[1], "", []) for made in MADE.finditer(code)] + [Scope(0, end, "http", "", [])]
    for head in HEAD.finditer(code):
        close = code.find("\n}", head.end())
        for router in ROUTER.finditer(head[0]):
            scopes += [Scope(head.end(), close if close > 0 else end, router[1], *given) for given in handed.get(head[1]) or [("", [])]]
    kinds = [(CALL, 2), (USED, 1)] + ([(re.compile(rf"(?<!func )(?<![\w)] )\b({'|'.join(sorted(takers))})\s*\("), 0)] if takers and not telling else [])
    for start, call, named in sorted(((call.start(), call, named) for pattern, named in kinds for call in pattern.finditer(code)), key=lambda event: event[0]):
        given, close = arguments(code, call.end() - 1)
        if not named:
            hand_over(one, call[1], given, scopes, found)
            continue
        for scope in closest(scopes, call[named], start):
            if named == 1:
                scope.guards = scope.guards + guards(code, given)
            elif call[4] in ("Route", "Group", "Mount"):
                nested(one, call, scope, given, scopes)
            elif telling and (scope.name != "http" or call[4].startswith("Handle")):
                tell(one, call, scope, given, close)


def closest(scopes: list[Scope], name: str, place: int) -> list[Scope]:
    """What a name is at a place: several when its function is called with several routers."""
    inner = [scope for scope in scopes if scope.begin <= place < scope.end and scope.name == name]
    begin = max((scope.begin for scope in inner), default=0)
    return [scope for scope in inner if scope.begin == begin]


def hand_over(one: Source, taker: str, given: list[tuple[int, int]], scopes: list[Scope], found: Handed) -> None:
    """Notes the routers among the arguments of a call: a name, or name.Group("/prefix")."""
    for begin, end in given:
        router = re.match(r"\s*(\w+)\s*(?:\.\s*Group\s*(\())?", one.code[begin:end])
        below = arguments(one.code, begin + router.start(2))[0] if router and router[2] else []
        prefix = one.literal(below[0]) if below else ""
        if router and prefix is not None and (router[2] or router.end() == len(one.code[begin:end].rstrip())):
            for scope in closest(scopes, router[1], begin):
                context = (joined(scope.prefix, prefix).rstrip("/"), scope.guards + guards(one.code, below))
                if context not in found.setdefault(taker, []) and len(found[taker]) < MOST_CALLERS:
                    found[taker].append(context)


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
            re.match(r"([A-Z]+) (\S+)$", path), re.match(r"\s*\.Methods\(\s*(?:\"|http\.Method)(\w+)", one.text[close : close + 200])
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
