"""Go sources, read by their words: routes of net/http, chi, gin, echo, fiber and gorilla/mux, environment, calls to other systems, jobs, pools; and the environment of Rust."""
from __future__ import annotations

import re
from typing import Iterator

from senior_backend.docs.detect.javascript import arguments, closing
from senior_backend.docs.detect.python_routes import add_route, joined
from senior_backend.docs.detect.services import Service, scanned
from senior_backend.docs.facts import AUTH_NAME, Facts, host_of
from senior_backend.docs.tree import Lines, Tree

TOKEN = re.compile(r"""(?P<comment>//[^\n]*|/\*.*?\*/)|"(?:\\.|[^"\\\n])*"|`[^`]*`|'(?:\\.|[^'\\\n])+'""", re.S)
IMPORTS = re.compile(r'^import\s*(?:\((.*?)^\)|([^\n]*))', re.M | re.S)
ENV = re.compile(r"""\b(?:os\.(?:Getenv|LookupEnv)|viper\.(?:BindEnv|GetString|GetInt))\(\s*"([A-Z][A-Z0-9_]+)"|`[^`\n]*\b(?:env|envconfig):"([A-Z][A-Z0-9_]+)""")
ROUTE = re.compile(r"(?<![\w.])([\w.]+(?:\([^()\n]*\))?)\.(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS|Get|Post|Put|Patch|Delete|Head|Options|Handle|HandleFunc|Any|All|Method|Handler|HandlerFunc)\s*\(")
SCOPE = re.compile(r"(?<![\w.])(?:(\w+)\s*:?=\s*)?([\w.]+(?:\.With\([^()\n]*\))?)\.(Route|Group|PathPrefix|Mount)\s*\(")
MADE = re.compile(r"(?<![\w.])(\w+)\s*:?=\s*(?:chi\.New(?:Router|Mux)\(|gin\.(?:New|Default)\(|echo\.New\(|fiber\.New\(|mux\.NewRouter\(|http\.NewServeMux\(|httprouter\.New\()")
PARAMETER = re.compile(r"\{(\w+)(?:\.\.\.|:[^{}]*)?\}|(?<=/):(\w+)\??|(?<=/)\*(\w*)")
CLIENT = re.compile(r"(?<![\w.])(http\.(?:Get|Post|PostForm|Head)\(|http\.DefaultClient\b|(?:&|=\s*)http\.Client\{|new\(http\.Client\))")
POOL = re.compile(r"\.(SetMaxOpenConns|SetMaxIdleConns)\(\s*(\d+)\s*\)|\.(MaxConns|MaxOpenConns|PoolSize)\s*=\s*(\d+)|\b(MaxConns|PoolSize|MaxOpenConns)\s*:\s*(\d+)")


def words(text: str, strings: bool) -> str:
    def blank(found: re.Match) -> str:
        return re.sub(r"[^\n]", " ", found[0]) if found["comment"] or strings else found[0]
    return TOKEN.sub(blank, text)


def read(tree: Tree, facts: Facts, services: list[Service], variables: dict[str, list]) -> dict[tuple[str, str], tuple]:
    """Places of imports by (folder of the service, import path); Go does not compile when one is not used."""
    places: dict[tuple[str, str], tuple] = {}
    for path, service in scanned(services, tree.with_suffix("go"), "go"):
        source = Source(path, service, tree.read(path), facts)
        for name, line in source.imports():
            places.setdefault((service.folder, name), ((path, line), (path, line)))
        for found in ENV.finditer(source.text):
            variables.setdefault(found[1] or found[2], []).append((service, path, source.lines.of(found.start()), False))
        source.tell()
    for path, service in scanned(services, tree.with_suffix("rs"), "rust"):
        text = tree.read(path)
        for found in re.finditer(r'\b(?:env::var(?:_os)?|env!|option_env!|dotenvy?::var)\(\s*"([A-Z][A-Z0-9_]+)"', text):
            variables.setdefault(found[1], []).append((service, path, text.count("\n", 0, found.start()) + 1, False))
        for found in re.finditer(r"^\s*(?:pub\s+)?use\s+(\w+)", text, re.M):
            line = text.count("\n", 0, found.start(1)) + 1
            places.setdefault((service.folder, found[1]), ((path, line), (path, line)))
    return places


class Source:
    """One file. text: without comments; code: without strings too."""

    def __init__(self, path: str, service: Service, raw: str, facts: Facts):
        self.path, self.service, self.facts, self.lines = path, service, facts, Lines(raw)
        self.text, self.code = words(raw, False), words(raw, True)
        if service.kind == "library" and re.search(r"\bhttp\.(?:Server\{|ListenAndServe)", self.code):
            service.kind = "backend"
            if not service.frameworks:
                service.frameworks.append("net/http")

    def imports(self) -> Iterator[tuple[str, int]]:
        for block in IMPORTS.finditer(self.text):
            for found in re.finditer(r'"([^"\n]+)"', block[0]):
                yield found[1], self.lines.of(block.start() + found.start())

    def literal(self, span: tuple[int, int]) -> str | None:
        found = re.fullmatch(r'\s*["`]([^"`]*)["`]\s*', self.text[span[0]:span[1]])
        return found[1] if found else None

    def tell(self) -> None:
        facts, service = self.facts, self.service.name
        for found in CLIENT.finditer(self.code):
            offset, call = found.start(1), found[1].strip("&({= ").replace("new(", "").rstrip(")")
            rest = self.code[found.end() - 1:closing(self.code, found.end() - 1)] if found[1].endswith("{") else ""
            given = arguments(self.code, found.end() - 1)[:1] if found[1].endswith("(") else []
            target = host_of(self.literal(given[0]) or "") or None if given else None
            timeout = "set" if "Timeout:" in rest or rest and re.search(r"\bTimeout\s*=", self.code[found.end():found.end() + 400]) else "none"
            facts.add("outbound", f"{self.path}:{call}:{target or ''}", {"service": service, "call": call, "target": target, "timeout": timeout}, self.path, self.lines.of(offset))
        for found in re.finditer(r'\.(?:AddFunc|AddJob)\(\s*"([^"]+)"', self.text):
            facts.add("job", f"cron:{self.path}:{found[1]}", {"service": service, "type": "cron", "name": "AddFunc", "schedule": found[1]}, self.path, self.lines.of(found.start()))
        for found in POOL.finditer(self.code):
            name, size = found[1] or found[3] or found[5], found[2] or found[4] or found[6]
            facts.add("pool", f"{service}:{name}:{self.path}", {"service": service, "setting": name, "size": int(size), "of": name}, self.path, self.lines.of(found.start(found.lastindex)))
        for found in re.finditer(r"\.(FormFile|ParseMultipartForm|MultipartReader|MultipartForm)\(", self.code):
            facts.add("upload", f"{self.path}:{found[1]}", {"service": service, "via": found[1]}, self.path, self.lines.of(found.start(1)))
        for found in re.finditer(r"\bsyscall\.SIGTERM\b", self.code):
            facts.add("shutdown", f"{service}:SIGTERM", {"service": service, "signal": "SIGTERM"}, self.path, self.lines.of(found.start()))
        for found in re.finditer(r'(?:AllowedOrigins|AllowOrigins)\s*[:=]\s*(?:\[\]string\{)?\s*"\*"|AllowAllOrigins\s*[:=]\s*true|cors\.AllowAll\(', self.text):
            facts.add("cors-open", self.path, {"service": service, "origin": "*", "credentials": False}, self.path, self.lines.of(found.start()))
        if re.search(r'"(?:net/http|github\.com/(?:go-chi|gin-gonic|labstack|gofiber|gorilla/mux|julienschmidt)[^"]*)"', self.text):
            self.routes()

    # --- routes: what is registered in the body of Route("/x", func(r ...) { ... }) or at r := parent.Group("/x") stands below /x
    def routes(self) -> None:
        made = {found[1]: ("", []) for found in MADE.finditer(self.code)}
        bodies: list[tuple[int, int, str, str, list[str]]] = []                            # begin, end, name within, prefix, guards
        for found in SCOPE.finditer(self.code):
            given = arguments(self.code, found.end() - 1)
            prefix = "" if found[3] == "Group" and given and "func" in self.code[given[0][0]:given[0][1]] else self.literal(given[0]) if given else ""
            if prefix is None or found[3] == "Mount":
                self.facts.missing(f"{self.path}:{self.lines.of(found.start())}: what {found[3]} puts below a prefix could not be followed: it is told without it, or not at all")
                continue
            above, guards = self.scope(found.start(), found[2].partition(".With")[0], made, bodies)
            inline = next(((begin, end) for begin, end in given if re.match(r"\s*func\s*\(", self.code[begin:end])), None)
            guards = guards + self.guards(found.end() - 1) + self.chained(found[2])
            if inline:
                name = re.match(r"\s*func\s*\(\s*(\w+)", self.code[inline[0]:inline[1]])
                bodies.append((*inline, name[1] if name else "", joined(above, prefix).rstrip("/"), guards))
            elif found[1]:
                made[found[1]] = (joined(above, prefix).rstrip("/"), guards)
        for found in ROUTE.finditer(self.code):
            receiver, kind = found[1].partition(".With")[0].partition("(")[0], found[2]
            if receiver not in made and not (receiver == "http" and kind.startswith("Handle")) and not any(begin < found.start() < end and name == receiver for begin, end, name, _, _ in bodies) and not self.is_parameter(receiver, found.start()):
                continue
            self.route(found, receiver, kind, made, bodies)

    def is_parameter(self, name: str, offset: int) -> bool:
        """Whether the function around has a router as this parameter."""
        head = self.code.rfind("\nfunc ", 0, offset)
        return head >= 0 and bool(re.search(rf"[(,]\s*{re.escape(name)}\s+\*?(?:chi\.(?:Router|Mux)|gin\.(?:Engine|RouterGroup|IRouter|IRoutes)|echo\.(?:Echo|Group)|fiber\.(?:App|Router)|mux\.Router|http\.ServeMux)\b", self.code[head:self.code.find("{", head)]))

    def route(self, found: re.Match, receiver: str, kind: str, made: dict, bodies: list) -> None:
        given = arguments(self.code, found.end() - 1)
        texts = [self.literal(one) for one in given]
        if len(given) < 2 or texts[0] is None:
            return
        method, path, handler = kind.upper(), texts[0], self.text[given[-1][0]:given[-1][1]].strip()
        if kind in ("Method", "Handle", "HandlerFunc", "Handler") and len(given) > 2 and texts[1] is not None:
            method, path = (texts[0] or "ANY").upper(), texts[1]
        elif kind in ("Handle", "HandleFunc", "Any", "All", "Handler"):
            named = re.match(r"([A-Z]+) (\S+)$", path)                                     # net/http since Go 1.22
            method, path = (named[1], named[2]) if named else ("ANY", path)
            tail = re.match(r"\s*\.Methods\(([^()]*)\)", self.text[closing(self.code, found.end() - 1):][:200])
            method = "/".join(re.findall(r'"(\w+)"|Method(\w+)', tail[1])[0]).strip("/").upper() if tail and re.search(r'"\w+"|Method\w+', tail[1]) else method
        prefix, guards = self.scope(found.start(), receiver, made, bodies)
        path = PARAMETER.sub(lambda one: "{%s}" % (one[1] or one[2] or one[3] or "wildcard"), joined(prefix, path if path.startswith("/") or not path else "/" + path.partition("/")[2]).removesuffix("{$}"))
        handlers = [self.code[begin:end] for begin, end in given[1:]]
        guards = guards + self.chained(found[1]) + [name for text in handlers if "func(" not in text for name in re.findall(r"[\w.]+", text) if AUTH_NAME.search(name) and len(handlers) + text.count("(") > 1]
        if len(path) > 1 and path.endswith("/") and prefix and texts[0] == "/":
            path = path.rstrip("/")
        add_route(self.facts, self.service.name, (self.service.frameworks or ["net/http"])[0].removesuffix("/v5").rpartition("/")[2], method, path, " ".join(handler.split())[:80], guards, (self.path, self.lines.of(found.start())))

    def scope(self, offset: int, receiver: str, made: dict, bodies: list) -> tuple[str, list[str]]:
        """Prefix and guards of a router at a place: of the innermost body whose parameter it is, else of its variable."""
        around = [(begin, prefix, guards) for begin, end, name, prefix, guards in bodies if begin < offset < end and name == receiver]
        begin, prefix, guards = max(around, default=(0, *made.get(receiver, ("", []))))
        begin = begin or self.code.rfind("\nfunc ", 0, offset) + 1
        uses = [name for use in re.finditer(rf"(?<![\w.]){re.escape(receiver)}\.Use\s*\(", self.code[:offset]) if use.start() > begin and self.inside(use.start(), receiver, bodies) == (max(around)[0] if around else 0)
                for name in self.guards(use.end() - 1)]
        return prefix, [*guards, *uses]

    def inside(self, offset: int, receiver: str, bodies: list) -> int:
        return max((begin for begin, end, name, _, _ in bodies if begin < offset < end and name == receiver), default=0)

    def guards(self, bracket: int) -> list[str]:
        return [name for begin, end in arguments(self.code, bracket) if "func(" not in self.code[begin:end] for name in re.findall(r"[\w.]+", self.code[begin:end]) if AUTH_NAME.search(name)]

    def chained(self, receiver: str) -> list[str]:
        """Those of r.With(...)."""
        return [name for name in re.findall(r"[\w.]+", receiver.partition(".With(")[2]) if AUTH_NAME.search(name)]
