"""Routes: of Express, Fastify and Koa through the reader of routes, of Django (from the root urls.py down), Django REST framework and Go (net/http, chi, gin,
echo, fiber, gorilla/mux); API documents; and where code, document and probes disagree.

What is registered in the body of Route("/x", func(r ...) {...}) or at r := parent.Group("/x") stands below /x.
"""
from __future__ import annotations

import ast
import importlib.util
import re
from typing import Any, Iterator
from urllib.parse import urlsplit

from senior_backend.console import CommandError
from senior_backend.dependencies import REQUIREMENTS
from senior_backend.docs.detect.code import Source, arguments
from senior_backend.docs.detect.python import METHODS, Function, Module, Project, add_route, assigned, joined, literals, plain, words
from senior_backend.docs.detect.services import Service, bare, owner
from senior_backend.docs.facts import AUTH_NAME, Fact, Facts
from senior_backend.docs.tree import ASIDE, Tree
from senior_backend.openapi.model import Problem
from senior_backend.openapi.operations import shape

GENERIC = {
    "List": ["GET"],
    "Create": ["POST"],
    "Retrieve": ["GET"],
    "Update": ["PUT", "PATCH"],
    "Destroy": ["DELETE"],
}  # parts of names like RetrieveUpdateAPIView
FORMS = {
    "TemplateView": ["GET"],
    "ListView": ["GET"],
    "DetailView": ["GET"],
    "RedirectView": ["GET"],
    **dict.fromkeys(("CreateView", "UpdateView", "DeleteView", "FormView"), ["GET", "POST"]),
}
# what a viewset serves: action -> (method, whether of one object)
ACTIONS = {
    "list": ("GET", False),
    "create": ("POST", False),
    "retrieve": ("GET", True),
    "update": ("PUT", True),
    "partial_update": ("PATCH", True),
    "destroy": ("DELETE", True),
}
MIXINS = {
    "ListModelMixin": ["list"],
    "CreateModelMixin": ["create"],
    "RetrieveModelMixin": ["retrieve"],
    "UpdateModelMixin": ["update", "partial_update"],
    "DestroyModelMixin": ["destroy"],
    "ModelViewSet": list(ACTIONS),
    "ReadOnlyModelViewSet": ["list", "retrieve"],
}
GROUP = re.compile(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)|\((?!\?)(?:[^()]|\([^()]*\))*\)")


def template(path: str) -> str:
    """A regular expression of a path as OpenAPI writes it.

    >>> template(r"^articles/(?P<year>[0-9]{4})/$")
    'articles/{year}/'
    """
    path = GROUP.sub(lambda found: "{%s}" % (found[1] or "arg"), path.lstrip("^"))
    return re.sub(r"\\(.)", r"\1", re.sub(r"(/?)\??(?:\$|\\Z)$", r"\1", path))


class DjangoRoutes:
    """Reads one project, of all its urls.py those that a root reaches."""

    def __init__(self, project: Project):
        self.project, self.facts, self.seen, self.default = project, project.facts, set[str](), list[str]()

    def tell(self) -> None:
        urls = {module.path: module for module in self.project.modules.values() if "urlpatterns" in module.constants}
        roots, included = [], set()
        for module in self.project.modules.values():
            roots += [found] if (found := self.project.by_name.get(self.project.text(module, module.constants.get("ROOT_URLCONF")) or "")) else []
            rest = module.constants.get("REST_FRAMEWORK")
            for key, value in zip(getattr(rest, "keys", ()), getattr(rest, "values", ())) if isinstance(rest, ast.Dict) else ():
                if self.project.text(module, key) == "DEFAULT_PERMISSION_CLASSES":
                    self.default = [one.rpartition(".")[2] for one in literals(value) if not one.endswith("AllowAny")]
            included |= {
                found.path for node in module.nodes if isinstance(node, ast.Call) and module.last(node) == "include" and (found := self.included(module, node))
            }
        for module in dict.fromkeys(roots or [module for path, module in urls.items() if path not in included]):
            self.patterns(module, "", ())
        for path in sorted(urls.keys() - self.seen):
            self.facts.missing(f"{path}:1: no root of Django's URLs reaches this file: its routes are left out")

    def included(self, module: Module, node: ast.Call) -> Module | None:
        argument = node.args[0] if node.args else None
        argument = argument.elts[0] if isinstance(argument, ast.Tuple) and argument.elts else argument
        return self.project.by_name.get(self.project.text(module, argument) or module.dotted(argument))

    def patterns(self, module: Module, prefix: str, above: tuple[str, ...]) -> None:
        if module.path not in above:
            self.seen.add(module.path)
            for node in module.nodes:
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target if isinstance(node, (ast.AugAssign, ast.AnnAssign)) else None
                if getattr(target, "id", "") == "urlpatterns" and node.value is not None:
                    self.listed(module, node.value, prefix, (*above, module.path))

    def listed(self, module: Module, node: ast.AST, prefix: str, above: tuple[str, ...]) -> None:
        """What stands in a list of patterns: patterns, other lists, the urls of a router."""
        if isinstance(node, (ast.BinOp, ast.List, ast.Tuple)):
            for one in (node.left, node.right) if isinstance(node, ast.BinOp) else node.elts:
                self.listed(module, getattr(one, "value", one) if isinstance(one, ast.Starred) else one, prefix, above)
        elif isinstance(node, ast.Name) and node.id in module.constants:
            self.listed(module, module.constants[node.id], prefix, above)
        elif isinstance(node, ast.Attribute) and node.attr == "urls":
            self.router(module, node.value, prefix)
        elif isinstance(node, ast.Call) and (name := module.last(node)) in ("path", "re_path", "url") and len(node.args) > 1:
            text, view = self.project.text(module, node.args[0]), node.args[1]
            if text is None:
                self.facts.missing(f"{module.path}:{node.lineno}: the path is only known at run time: the route is left out")
                return
            self.one(module, view, prefix + (plain(text) if name == "path" else template(text)), above, node.lineno)
        elif isinstance(node, ast.Call) and module.last(node) in ("i18n_patterns", "format_suffix_patterns"):
            for one in node.args:
                self.listed(module, one, prefix + ("{language}/" if module.last(node) == "i18n_patterns" else ""), above)

    def one(self, module: Module, view: ast.AST, path: str, above: tuple[str, ...], line: int) -> None:
        if isinstance(view, ast.Call) and module.last(view) == "include":
            if inner := self.included(module, view):
                self.patterns(inner, path, above)
            elif view.args:
                self.listed(module, view.args[0], path, above)
        elif module.dotted(view) == "django.contrib.admin.site.urls":
            self.add(module, "ANY", path, "django.contrib.admin", ["django.contrib.admin"], line)
        elif isinstance(view, ast.Attribute) and view.attr == "urls":
            self.router(module, view.value, path)
        else:
            self.view(module, view, path, line)

    def add(self, module: Module, method: str, path: str, handler: str, guards: list[str], line: int) -> None:
        add_route(self.facts, module.service, "django", method, joined(path), handler, guards, (module.path, line))

    def view(self, module: Module, view: ast.AST, path: str, line: int) -> None:
        guards: list[str] = []
        while isinstance(view, ast.Call) and view.args and module.last(view) != "as_view":  # login_required(view)
            guards += [name] if AUTH_NAME.search(name := ast.unparse(view.func)) else []
            view = view.args[0]
        node = view.func.value if isinstance(view, ast.Call) and isinstance(view.func, ast.Attribute) else view
        found = self.project.definition(module, node)
        if found and isinstance(found[1], ast.ClassDef):
            mapped = view.args[0] if isinstance(view, ast.Call) and view.args else None
            methods = [self.project.text(module, key) or "ANY" for key in mapped.keys] if isinstance(mapped, ast.Dict) else self.methods(*found)
            guards += self.guards(*found)
        else:
            methods, more = function_of(found[1] if found else None)
            guards += more
        for method in methods or ["ANY"]:
            self.add(module, method, path, ast.unparse(node), guards, line)

    def family(self, module: Module, node: ast.ClassDef, depth: int = 0) -> Iterator[tuple[str, Module, Any]]:
        """(name, module, class) of a class and all its bases; of those that are not the project's only the name."""
        if not depth:
            yield node.name, module, node
        for base in node.bases if depth < 6 else ():
            found = self.project.definition(module, base)
            inner = found if found and isinstance(found[1], ast.ClassDef) else None
            yield module.last(base), inner[0] if inner else module, inner[1] if inner else None
            yield from self.family(*inner, depth + 1) if inner else ()

    def methods(self, module: Module, node: ast.ClassDef) -> list[str]:
        found: list[str] = []
        for name, _, made in self.family(module, node):
            found += FORMS.get(name, ()) if not made else [one.name.upper() for one in made.body if isinstance(one, Function) and one.name in METHODS]
            if not made and name.endswith("APIView"):
                found += [method for part, methods in GENERIC.items() if part in name for method in methods]
        return list(dict.fromkeys(found))

    def guards(self, module: Module, node: ast.ClassDef) -> list[str]:
        family = list(self.family(module, node))
        found = [name for name, _, made in family[1:] if AUTH_NAME.search(name) or name == "UserPassesTestMixin"]
        for _, _, made in family:
            given = assigned(made).get("permission_classes") if made else None
            if given is not None:
                return found + [name for name in map(ast.unparse, getattr(given, "elts", ())) if not name.endswith("AllowAny")]
            found += [name for one in getattr(made, "decorator_list", ()) if AUTH_NAME.search(name := ast.unparse(one))]
        return found + (self.default if any(name.endswith(("APIView", "ViewSet")) for name, _, _ in family) else [])

    def router(self, module: Module, node: ast.AST, prefix: str) -> None:
        """The viewsets that are registered at a router."""
        found = self.project.thing(module, node)
        for call in found[0].nodes if found else ():
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute)
                and call.func.attr == "register"
                and getattr(call.func.value, "id", "") == found[1]
                and len(call.args) > 1
            ):
                text, made = self.project.text(found[0], call.args[0]), self.project.definition(found[0], call.args[1])
                if text is None or not made:
                    self.facts.missing(f"{found[0].path}:{call.lineno}: the viewset or its path could not be followed: its routes are left out")
                else:
                    self.viewset(found[0], call.lineno, made, prefix + template(text) + "/")

    def viewset(self, module: Module, line: int, found: tuple[Module, ast.ClassDef], path: str) -> None:
        origin, node = found
        guards, family = self.guards(origin, node), list(self.family(origin, node))
        fields = {name: value for _, _, made in reversed(family) if made for name, value in assigned(made).items()}
        lookup = self.project.text(origin, fields.get("lookup_url_kwarg")) or self.project.text(origin, fields.get("lookup_field")) or "pk"
        allowed = [one.upper() for one in literals(fields.get("http_method_names"))]
        functions = [(where, one) for _, where, made in family if made for one in made.body if isinstance(one, Function)]
        actions = {action for name, _, _ in family for action in MIXINS.get(name, ())} | {one.name for _, one in functions}
        for action, (method, single) in ACTIONS.items():
            if action in actions and (not allowed or method in allowed):
                self.add(module, method, path + (f"{{{lookup}}}/" if single else ""), f"{node.name}.{action}", guards, line)
        for where, one in functions:
            for given in (words(decorator) for decorator in one.decorator_list if where.last(decorator) == "action"):
                own = [name for name in map(ast.unparse, getattr(given.get("permission_classes"), "elts", ())) if not name.endswith("AllowAny")]
                full = (
                    path
                    + (f"{{{lookup}}}/" if getattr(given.get("detail"), "value", False) else "")
                    + template(self.project.text(where, given.get("url_path")) or one.name)
                    + "/"
                )
                for method in literals(given.get("methods")) or ["GET"]:
                    self.add(where, method, full, f"{node.name}.{one.name}", own if "permission_classes" in given else guards, one.lineno)


def function_of(node: Any) -> tuple[list[str], list[str]]:
    """(methods, guards) that the decorators of a view name."""
    methods, guards = [], []
    for one in getattr(node, "decorator_list", ()):
        name, given = ast.unparse(getattr(one, "func", one)).rpartition(".")[2], getattr(one, "args", ())
        if name in ("api_view", "require_http_methods"):
            methods = literals(given[0] if given else None) or ["GET"]
        elif name.startswith("require_"):
            methods = [name.removeprefix("require_").replace("safe", "GET")]
        elif name == "permission_classes":
            guards += [text for each in getattr(given[0] if given else None, "elts", ()) if not (text := ast.unparse(each)).endswith("AllowAny")]
        elif AUTH_NAME.search(name):
            guards.append(name)
    return methods, guards


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


def go_routes(files: list[Source]) -> None:
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


FOLLOWED = {"express", "fastify", "koa"}
READ = FOLLOWED | {"fastapi", "flask", "django", "djangorestframework", "gin", "chi", "echo", "fiber", "mux", "httprouter"}
DOCUMENT = r"(?i)(?:^|/)(?:[\w.-]*(?:openapi|swagger)[\w.-]*|api|spec)\.(?:ya?ml|json)$"
HEALTH = re.compile(
    r"(?i)^/(?:[\w.-]+/)*_?(?:health\w*|health-check|livez?|liveness|readyz?|readiness|ping|heartbeat|status)(?:/(?:live\w*|ready\w*|readiness|startup))?/?$"
)
LOGIN = re.compile(r"(?i)log-?in|sign-?in|sign-?up|register|token|session|auth|password|webhook")
CHAINED = re.compile(r"(?:([\w$]+)\s*)?\.\s*([\w$]+)\s*(?:<[^<>()]*>)?\(")


def node_routes(tree: Tree, facts: Facts, services: list[Service]) -> None:
    wanted = [one for one in services if one.language == "node" and FOLLOWED & set(one.frameworks)]
    lacking = [name for name in ("tree_sitter", "tree_sitter_typescript") if importlib.util.find_spec(name) is None] if wanted else []
    if lacking:
        facts.routes_read = False
        facts.lacking += lacking
        facts.missing(
            f"routes of {', '.join(sorted(one.name for one in wanted))} were not read: tree-sitter is not installed (python -m pip install "
            f"{REQUIREMENTS['tree_sitter']})"
        )
    sources: dict[str, Source] = {}
    for service in wanted if not lacking else ():
        from senior_backend.routes import reader

        try:
            found = reader.read(tree.root / service.folder)
        except Exception as error:  # whatever a reader of code stumbles over, the rest of the project is there
            facts.missing(f"routes of {service.name} were not read: {getattr(error, 'message', '') or type(error).__name__}".replace(f"{tree.root}/", ""))
            continue
        for route in found.operations:
            path = service.folder + route.file
            if owner(services, path, "node") is service and not ASIDE.search(path):
                sources[path] = sources.get(path) or Source(path, service, tree.read(path), facts)
                line, guards = registered(sources[path], route.line, route.method)
                responses, security = route.operation.get("responses", {}), [name for each in route.operation.get("security", ()) for name in each]
                if not guards and (security or not LOGIN.search(route.path)):  # a guard further up, which the reader has followed
                    guards = security or ["answers 401"] * ("401" in responses)
                framework = next(name for name in service.frameworks if name in FOLLOWED)
                add_route(facts, service.name, framework, route.method, route.path, str(route.operation.get("operationId") or ""), guards, (path, line))
        for one in found.unresolved:
            facts.missing(f"{service.folder}{one.file}:{one.line}: {one.message}")
    for service in services:
        names = {bare(one).rpartition("/")[2] if service.language == "go" else one for one in service.frameworks}
        if service.kind == "backend" and names and not any(route["service"] == service.name for route in facts.of("route")):
            facts.routes_read = False
            why = "they may be registered in a way that is not followed" if READ & names else "not a framework whose routes this tool reads"
            facts.missing(f"no route of {service.name} was found ({', '.join(sorted(names))}): {why}")


def registered(source: Source, line: int, method: str) -> tuple[int, list[str]]:
    """The line of the call that registers a route in the statement that begins at a line, and the names that speak of who calls: among its arguments, and

    of use() calls of its router before it.
    """
    start = source.lines.starts[line - 2] + 1 if line > 1 else 0
    call = first = CHAINED.search(source.code, start, start + 400)
    found: list[str] = []
    while call and call[2].lower() not in (method, "del" if method == "delete" else method):
        found += names(source, call.end() - 1) if call[2] == "all" else []
        behind = arguments(source.code, call.end() - 1)[1]
        call = CHAINED.match(source.code, re.compile(r"\s*").match(source.code, behind).end())
    call = call or first
    if not call:
        return line, []
    found += names(source, call.end() - 1)
    for use in re.finditer(rf"(?<![\w$.]){re.escape(first[1])}\s*\.\s*(?:use|addHook)\s*\(", source.code[:start]) if first[1] else ():
        given = arguments(source.code, use.end() - 1)[0]
        if given and not source.text[slice(*given[0])].strip().startswith(("'/", '"/', "`/")):
            found += names(source, use.end() - 1)
    return source.lines.of(call.start(2)), found


def names(source: Source, bracket: int) -> list[str]:
    """Of the arguments that are names, calls or options, those that speak of who calls; not of functions that stand there in full."""
    found = []
    for text in (source.code[slice(*span)].strip() for span in arguments(source.code, bracket)[0]):
        if "=>" in text or re.match(r"(?:async\s+)?function\b", text):
            text = " ".join(re.findall(r"(?:preHandler|onRequest|preValidation)\s*:\s*(\[[^\]]*\]|[\w$.]+)", text)) if text.startswith("{") else ""
        found += [name for name in re.findall(r"[\w$]+(?:\.[\w$]+)*", text) if AUTH_NAME.search(name)]
    return found


def documents(tree: Tree, facts: Facts) -> list[tuple[Fact, set[str]]]:
    """(operation, prefixes that the document's servers put before its path) of all API documents."""
    from senior_backend.openapi.reader import read_api

    found = []
    named = tree.matching(DOCUMENT, "yaml yml json")
    for path in named + [
        path for path in tree.matching("", "yaml yml") if path not in named and re.search(r"^(?:openapi|swagger):", tree.read(path)[:2000], re.M)
    ]:
        if not re.search(r"['\"]?(?:openapi|swagger)['\"]?\s*:\s*['\"]?[23]", tree.read(path)[:20_000] or "openapi: 3"):
            continue
        try:
            api = read_api(tree.root / path, lenient=True, need_operations=False)
        except CommandError as error:
            facts.missing(f"{path} was not understood: {error.message.splitlines()[0]}".replace(f"{tree.root}/", ""))
            continue
        value = {
            "title": api.title, "version": api.version, "spec": api.spec_version, "operations": len(api.operations),
            "security": sorted(f"{one.key} ({one.kind})" for one in api.security_schemes.values())
        }
        facts.add("openapi", path, value, path, 1)
        prefixes = {"", *(urlsplit(server).path.rstrip("/") for server in api.servers)}
        for one, place in zip(api.operations, api.report.located([Problem("", one.node) for one in api.operations])):
            value = {"method": one.method.upper(), "path": one.path, "id": one.operation_id or "", "secured": bool(one.security), "deprecated": one.deprecated}
            found.append((facts.add("operation", f"{path}:{value['method']} {one.path}", value, path, place.line), prefixes))
    return found


def same(path: str) -> str:
    return shape(path).rstrip("/") or "/"


def compare(facts: Facts, operations: list[tuple[Fact, set[str]]]) -> None:
    """Health endpoints, and the drift between routes, API documents and probes."""
    routes = facts.of("route")
    for one in routes:
        if one["method"] in ("GET", "ANY", "HEAD") and HEALTH.match(one["path"]):
            facts.add(
                "health-endpoint", f"{one['method']} {one['path']}", {"service": one["service"], "method": one["method"], "path": one["path"]}, one.file,
                one.line
            )
    served, documented = {(one["method"], same(one["path"])) for one in routes}, set[tuple[str, str]]()

    def disagree(what: str, method: str, path: str, place: Fact) -> None:
        facts.add("drift", f"{what}:{method} {path}", {"what": what, "method": method, "path": path}, place.file, place.line)

    for operation, prefixes in operations:
        tried = {(method, same(prefix + operation["path"])) for prefix in prefixes for method in (operation["method"], "ANY")}
        documented |= tried
        if routes and facts.routes_read and not tried & served:
            disagree("not-in-code", operation["method"], operation["path"], operation)
    for one in routes if operations else ():
        if (one["method"], same(one["path"])) not in documented and one["method"] not in ("OPTIONS", "HEAD", "WEBSOCKET"):
            disagree("not-in-document", one["method"], one["path"], one)
    paths = {path for method, path in served if method in ("GET", "ANY", "HEAD")}
    for one, kind in ((one, kind) for one in facts.of("container") for kind in ("liveness", "readiness", "startup")):
        if (one[kind] or "").startswith("/") and paths and facts.routes_read and same(one[kind]) not in paths:
            disagree(f"{kind}-probe-without-route", "GET", one[kind], one)
