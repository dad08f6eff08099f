"""Routes of FastAPI, Starlette and Flask: objects that hold routes, how they are mounted on one another, and who guards them."""
from __future__ import annotations

import ast
import dataclasses
import functools
import re
from typing import Iterable

from senior_backend.docs.detect.python_code import Module, Project, literals
from senior_backend.docs.facts import AUTH_NAME, Facts

METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
HOLDERS = {"FastAPI": "", "APIRouter": "prefix", "Starlette": "", "Flask": "", "Blueprint": "url_prefix", "APIBlueprint": "url_prefix", "Namespace": "path", "Api": "prefix", "APIFlask": "", "NinjaAPI": "", "Router": "prefix", "Quart": "", "Litestar": ""}
ROOTS = {"FastAPI", "Starlette", "Flask", "APIFlask", "Quart"}
PARAMETER = re.compile(r"<(?:[^<>:]*:)?(\w+)>|\{(\w+):[^{}]*\}")
Key = tuple[str, str]                                   # path of the module, name in it


@dataclasses.dataclass
class Local:
    """A route as it stands at its holder."""
    methods: list[str]
    path: str
    file: str
    line: int
    handler: str
    guards: list[str]


@dataclasses.dataclass
class Holder:
    """kind: the class; mounts: (holder, prefix or None, guards), the prefix of Flask replaces the holder's own."""
    kind: str
    prefix: str
    module: Module
    line: int
    guards: list[str]
    routes: list[Local] = dataclasses.field(default_factory=list)
    mounts: list[tuple[Key, str | None, list[str]]] = dataclasses.field(default_factory=list)
    mounted: bool = False


def plain(path: str) -> str:
    """The path as OpenAPI writes it.

    >>> plain("/users/<int:id>/<name>"), plain("/files/{path:path}")
    ('/users/{id}/{name}', '/files/{path}')
    """
    return PARAMETER.sub(lambda found: "{%s}" % (found[1] or found[2]), path)


def joined(*parts: str) -> str:
    """One path of prefixes and a path.

    >>> joined("/api", "", "/users"), joined("/api", "/"), joined("", ""), joined("", "api", "x")
    ('/api/users', '/api/', '/', '/api/x')
    """
    path = ""
    for part in filter(None, parts):
        path = path.rstrip("/") + "/" + part.lstrip("/")
    return path or "/"


def add_route(facts: Facts, service: str, framework: str, method: str, path: str, handler: str, guards: Iterable[str], place: tuple[str, int]) -> None:
    value = {"service": service, "framework": framework, "method": method.upper(), "path": path, "handler": handler, "guards": list(dict.fromkeys(guards))}
    facts.add("route", f"{value['method']} {path}", value, *place)


class Routes:
    """Reads one project."""

    def __init__(self, project: Project):
        self.project, self.facts, self.holders = project, project.facts, dict[Key, Holder]()
        for module in project.modules.values():
            if re.search("fastapi|flask|starlette|quart|ninja|restx|litestar", " ".join(module.imports.values())):
                self.find_holders(module)
        for module in project.modules.values():
            self.find_routes(module)

    def find_holders(self, module: Module) -> None:
        for node in module.nodes:
            if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Call):
                kind = module.dotted(node.value.func).rpartition(".")[2]
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                if kind in HOLDERS and isinstance(target, (ast.Name, ast.Attribute)):
                    prefix = self.word(module, node.value, HOLDERS[kind]) or ""
                    self.holders[module.path, ast.unparse(target)] = Holder(kind, prefix, module, node.lineno, self.guards(module, self.expression(node.value, "dependencies")))

    def find_routes(self, module: Module) -> None:
        for node in module.nodes:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                for decorator in node.decorator_list:
                    if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute):
                        self.decorated(module, node, decorator)
                    elif isinstance(decorator, ast.Attribute) and decorator.attr == "before_request" and AUTH_NAME.search(node.name):
                        if holder := self.holder(module, decorator.value):
                            holder.guards.append(node.name)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                self.called(module, node)
            elif isinstance(node, ast.Call) and module.dotted(node.func) in ("starlette.routing.Route", "fastapi.routing.APIRoute") and len(node.args) > 1:
                path, methods = self.project.text(module, node.args[0]), self.expression(node, "methods")
                if path is not None:
                    for method in literals(methods) if methods else ["GET"]:
                        add_route(self.facts, module.service.name, "starlette", method, joined(plain(path)), ast.unparse(node.args[1])[:80], [], (module.path, node.lineno))

    def expression(self, node: ast.Call, name: str) -> ast.expr | None:
        return next((word.value for word in node.keywords if word.arg == name), None) if name else None

    def word(self, module: Module, node: ast.Call, name: str) -> str | None:
        given = self.expression(node, name)
        if given is None:
            return None
        text = self.project.text(module, given)
        if text is None and not (isinstance(given, ast.Constant) and given.value is None):
            self.facts.missing(f"{module.path}:{given.lineno}: the prefix {ast.unparse(given)[:60]} is only known at run time: its routes are told without it")
        return text

    def key(self, module: Module, node: ast.AST) -> Key | None:
        if (module.path, text := ast.unparse(node)) in self.holders:
            return module.path, text
        found = self.project.thing(module, node)
        return (found[0].path, found[1]) if found else None

    def holder(self, module: Module, node: ast.AST) -> Holder | None:
        key = self.key(module, node)
        return self.holders.get(key) if key else None

    def decorated(self, module: Module, node: ast.AST, decorator: ast.Call) -> None:
        name, holder = decorator.func.attr, self.holder(module, decorator.func.value)
        if holder is None or name not in (*METHODS, "route", "api_route", "websocket", "websocket_route"):
            return
        path = self.project.text(module, decorator.args[0]) if decorator.args else self.word(module, decorator, "path") or self.word(module, decorator, "rule") or ""
        if path is None:
            self.facts.missing(f"{module.path}:{decorator.lineno}: the path of {node.name} is only known at run time: the route is left out")
            return
        methods = self.expression(decorator, "methods")
        found = [name.upper()] if name in METHODS else ["WEBSOCKET"] if name.startswith("websocket") else [one.upper() for one in literals(methods)] or ["GET"]
        if isinstance(node, ast.ClassDef):
            found = class_methods(node)
        guards = self.guards(module, self.expression(decorator, "dependencies")) + self.guards_of(module, node)
        holder.routes.append(Local(found, path, module.path, decorator.lineno, node.name, guards))

    def called(self, module: Module, node: ast.Call) -> None:
        name, holder = node.func.attr, self.holder(module, node.func.value)
        if holder is None:
            return
        if name in ("include_router", "register_blueprint", "mount", "add_router", "add_namespace", "include_api") and node.args:
            at_path = name in ("mount", "add_router")
            inner = node.args[1] if at_path and len(node.args) > 1 else self.expression(node, "app") or node.args[0]
            prefix = self.project.text(module, node.args[0]) if at_path else self.word(module, node, "url_prefix" if name == "register_blueprint" else "path" if name == "add_namespace" else "prefix")
            key = self.key(module, inner)
            if key in self.holders:
                self.holders[key].mounted = True
                holder.mounts.append((key, prefix, self.guards(module, self.expression(node, "dependencies"))))
            elif name != "mount":
                self.facts.missing(f"{module.path}:{node.lineno}: {ast.unparse(inner)[:60]} could not be followed: what it holds is told without its prefix, or not at all")
        elif name in ("add_url_rule", "add_api_route", "add_route") and node.args and (path := self.project.text(module, node.args[0])) is not None:
            methods, view = self.expression(node, "methods"), self.expression(node, "view_func") or (node.args[-1] if len(node.args) > 1 else None)
            made = self.view_class(module, view)
            found = [one.upper() for one in literals(methods)] or (class_methods(made) if made else ["GET"])
            holder.routes.append(Local(found, path, module.path, node.lineno, ast.unparse(view)[:80] if view else "", self.guards(module, self.expression(node, "dependencies"))))
        elif name == "add_resource" and len(node.args) > 1 and (made := self.class_of(module, node.args[0])):
            for one in node.args[1:]:
                if (path := self.project.text(module, one)) is not None:
                    holder.routes.append(Local(class_methods(made), path, module.path, node.lineno, made.name, []))
        elif name == "before_request" and node.args and AUTH_NAME.search(guard := ast.unparse(node.args[0])):
            holder.guards.append(guard)

    def view_class(self, module: Module, view: ast.AST | None) -> ast.ClassDef | None:
        """The class of X.as_view(...)."""
        return self.class_of(module, view.func.value) if isinstance(view, ast.Call) and isinstance(view.func, ast.Attribute) and view.func.attr == "as_view" else None

    def class_of(self, module: Module, node: ast.AST) -> ast.ClassDef | None:
        found = self.project.thing(module, node)
        return next((one for one in found[0].nodes if isinstance(one, ast.ClassDef) and one.name == found[1]), None) if found else None

    # --- who guards a route: by the names of what it depends on
    def guards(self, module: Module, node: ast.AST | None) -> list[str]:
        """Names of dependencies in an expression that speak of who calls."""
        found = []
        for one in ast.walk(node) if node is not None else ():
            if isinstance(one, ast.Call) and module.dotted(one.func).rpartition(".")[2] in ("Depends", "Security") and one.args:
                name = ast.unparse(one.args[0].func if isinstance(one.args[0], ast.Call) else one.args[0])
                if AUTH_NAME.search(name):
                    found.append(name[:80])
        return found

    def guards_of(self, module: Module, node: ast.AST) -> list[str]:
        found = [name for one in node.decorator_list if AUTH_NAME.search(name := ast.unparse(one.func if isinstance(one, ast.Call) else one)) and self.holder(module, getattr(one.func if isinstance(one, ast.Call) else one, "value", one)) is None]
        if isinstance(node, ast.ClassDef):
            inner = [one for one in node.body if isinstance(one, ast.Assign) and getattr(one.targets[0], "id", "") in ("decorators", "method_decorators")]
            return found + [name for one in inner for name in map(ast.unparse, getattr(one.value, "elts", ())) if AUTH_NAME.search(name)]
        for parameter in (*node.args.args, *node.args.kwonlyargs):
            for expression in (parameter.annotation, *node.args.defaults, *node.args.kw_defaults):
                found += self.guards(module, expression)
            if isinstance(parameter.annotation, (ast.Name, ast.Attribute)):
                found += self.aliases.get(module.dotted(parameter.annotation).rpartition(".")[2], [])
        return found

    @functools.cached_property
    def aliases(self) -> dict[str, list[str]]:
        """Names of Annotated[..., Depends(...)] types, with the dependencies that speak of who calls."""
        return {name: guards for module in self.project.modules.values() for name, value in module.constants.items() if isinstance(value, ast.Subscript) and (guards := self.guards(module, value))}

    # --- what is served
    def tell(self) -> None:
        roots = [key for key, holder in self.holders.items() if holder.kind in ROOTS and not holder.mounted]
        for key in roots or [key for key, holder in self.holders.items() if not holder.mounted]:
            self.serve(key, "", [], (), "fastapi" if self.holders[key].kind in ("FastAPI", "APIRouter") else self.holders[key].kind.lower())
        for key, holder in self.holders.items():
            if roots and not holder.mounted and key not in roots and holder.routes and holder.kind != "Api":
                self.facts.missing(f"{holder.module.path}:{holder.line}: the routes of {key[1]} ({len(holder.routes)}) are mounted nowhere that could be followed: they are left out")
        for key, holder in self.holders.items():
            if holder.kind == "Api" and not holder.mounted and roots:                       # flask-restful: bound to its app by its constructor
                self.serve(key, "", [], (), "flask")

    def serve(self, key: Key, prefix: str, guards: list[str], above: tuple[Key, ...], framework: str) -> None:
        holder = self.holders[key]
        if key in above:
            return
        own = holder.prefix if not above or framework != "flask" else ""        # of a mounted blueprint it stands in prefix
        for route in holder.routes:
            for method in route.methods:
                add_route(self.facts, holder.module.service.name, framework, method, joined(prefix, own, plain(route.path)),
                          route.handler, [*guards, *holder.guards, *route.guards], (route.file, route.line))
        for inner, given, more in holder.mounts:
            if framework == "flask":
                given = self.holders[inner].prefix if given is None else given
            self.serve(inner, joined(prefix, own, given or "").rstrip("/"), [*guards, *holder.guards, *more], (*above, key), framework)


def class_methods(node: ast.ClassDef) -> list[str]:
    return [one.name.upper() for one in node.body if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)) and one.name in METHODS] or ["ANY"]
