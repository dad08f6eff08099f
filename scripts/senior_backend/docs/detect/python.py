"""Python sources as syntax trees, never run: modules and names across them; the routes of FastAPI and Flask, where they are mounted and who guards them."""

from __future__ import annotations

import ast
import dataclasses
import functools
import re
import warnings
from typing import Any, Iterable, Iterator

from senior_backend.docs.detect.code import Source
from senior_backend.docs.facts import AUTH_NAME, Facts

METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
ROOTS = {"FastAPI", "Flask", "APIFlask", "Quart"}
HOLDERS = {
    **dict.fromkeys(ROOTS, ""),
    "APIRouter": "prefix",
    "Blueprint": "url_prefix",
    "APIBlueprint": "url_prefix",
    "Api": "prefix",
}  # class -> its argument with the prefix
MOUNTS = {"include_router": "prefix", "register_blueprint": "url_prefix", "mount": ""}
Function = (ast.FunctionDef, ast.AsyncFunctionDef)


def parsed(facts: Facts, path: str, text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        facts.missing(f"{path}:{getattr(error, 'lineno', None) or 1} was not understood: it is not Python 3 that this interpreter reads")
        return None


@dataclasses.dataclass(eq=False)
class Module:
    """One source. imports: local name -> dotted thing; constants: name -> expression that it is given."""

    path: str
    name: str
    service: str
    nodes: list[ast.AST]
    imports: dict[str, str] = dataclasses.field(default_factory=dict)
    constants: dict[str, ast.expr] = dataclasses.field(default_factory=dict)

    def dotted(self, node: ast.AST | None) -> str:
        """a.b.c of a name or attribute (of a call: of what is called), with imported names in full; empty for anything else."""
        parts: list[str] = []
        while isinstance(node, (ast.Attribute, ast.Call)):
            parts, node = (parts, node.func) if isinstance(node, ast.Call) else ([node.attr, *parts], node.value)
        return ".".join([self.imports.get(node.id, node.id), *parts]) if isinstance(node, ast.Name) else ""

    def last(self, node: ast.AST | None) -> str:
        return self.dotted(node).rpartition(".")[2]


class Project:
    """The modules in which anything is looked for, and names across them."""

    def __init__(self, facts: Facts, sources: dict[str, Source]):
        self.facts, self.modules = facts, dict[str, Module]()
        for path, one in sources.items():
            if one.service.language == "python" and (tree := parsed(facts, path, one.text)):
                self.take(path, one.service.name, tree)
        self.by_name = {module.name: module for module in self.modules.values()}
        for name, module in list(self.by_name.items()):  # as seen from folders on the search path
            for tail in re.finditer(r"\.", name):
                self.by_name.setdefault(name[tail.end() :], module)

    def take(self, path: str, service: str, tree: ast.Module) -> None:
        package = path[:-3].replace("/", ".")
        module = self.modules[path] = Module(path, package.removesuffix(".__init__"), service, list(ast.walk(tree)))
        for node in module.nodes:
            if isinstance(node, ast.Import):
                module.imports |= {
                    alias.asname or alias.name.partition(".")[0]: alias.name if alias.asname else alias.name.partition(".")[0] for alias in node.names
                }
            elif isinstance(node, ast.ImportFrom):
                origin = ".".join([*(package.split(".")[: -node.level] if node.level else ()), *([node.module] if node.module else ())])
                module.imports |= {alias.asname or alias.name: f"{origin}.{alias.name}" for alias in node.names}
        module.constants = assigned(tree)

    def thing(self, module: Module, node: ast.AST | None) -> tuple[Module, str] | None:
        """The module and the name in it that an expression means: router, users.router, package.users.router."""
        dotted = module.dotted(node)
        if "." not in dotted:
            return (module, dotted) if dotted else None
        for _ in range(5):  # names that a package passes on
            origin, _, name = dotted.rpartition(".")
            found = self.by_name.get(origin)
            if found is None or name not in found.imports or name in found.constants:
                return found and (found, name)
            dotted = found.imports[name]
        return None

    def definition(self, module: Module, node: ast.AST | None) -> tuple[Module, Any] | None:
        """The class or function that an expression means, with its module."""
        found = self.thing(module, node)
        return next(((found[0], one) for one in found[0].nodes if isinstance(one, (ast.ClassDef, *Function)) and one.name == found[1]), None) if found else None

    def text(self, module: Module, node: ast.AST | None, depth: int = 0) -> str | None:
        """The string that an expression is, as far as constants tell; None when they do not."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, (ast.JoinedStr, ast.BinOp)) and depth < 8:
            parts = (
                [one.value if isinstance(one, ast.FormattedValue) else one for one in node.values]
                if isinstance(node, ast.JoinedStr)
                else [node.left, node.right]
            )
            texts = [self.text(module, one, depth + 1) for one in parts]
            return None if None in texts else "".join(texts)
        if isinstance(node, (ast.Name, ast.Attribute)) and depth < 8:
            found = self.thing(module, node)
            if found and found[1] in found[0].constants:
                return self.text(found[0], found[0].constants[found[1]], depth + 1)
            return self.settings.get(node.attr) if isinstance(node, ast.Attribute) else None
        return None

    @functools.cached_property
    def settings(self) -> dict[str, str | None]:
        """Literal defaults of the fields of settings classes; None for a name that has two."""
        found: dict[str, str | None] = {}
        for module in self.modules.values():
            for node in module.nodes:
                if isinstance(node, ast.ClassDef) and any("Settings" in module.dotted(base) for base in node.bases):
                    for name, value in assigned(node).items():
                        if isinstance(value, ast.Constant) and isinstance(value.value, str):
                            found[name] = None if name in found else value.value
        return found


def assigned(node: ast.AST) -> dict[str, ast.expr]:
    """name -> expression, of the assignments in a body."""
    pairs = [
        (one.targets[0] if isinstance(one, ast.Assign) else one.target, one.value)
        for one in node.body
        if isinstance(one, (ast.Assign, ast.AnnAssign)) and one.value is not None
    ]
    return {target.id: value for target, value in pairs if isinstance(target, ast.Name)}


def words(node: ast.AST | None) -> dict[str, ast.expr]:
    return {one.arg: one.value for one in getattr(node, "keywords", ()) if one.arg}


def literals(node: ast.AST | None) -> list[str]:
    return [one.value for one in getattr(node, "elts", ()) if isinstance(one, ast.Constant) and isinstance(one.value, str)]


def joined(*parts: str) -> str:
    """One path of prefixes and a path.

    >>> joined("/api", "", "/users"), joined("/api", "/"), joined("", ""), joined("", "api", "x")
    ('/api/users', '/api/', '/', '/api/x')
    """
    path = ""
    for part in filter(None, parts):
        path = path.rstrip("/") + "/" + part.lstrip("/")
    return path or "/"


def plain(path: str) -> str:
    """The path as OpenAPI writes it.

    >>> plain("/users/<int:id>/<name>"), plain("/files/{path:path}")
    ('/users/{id}/{name}', '/files/{path}')
    """
    return re.sub(r"<(?:[^<>:]*:)?(\w+)>|\{(\w+):[^{}]*\}", lambda found: "{%s}" % (found[1] or found[2]), path)


def class_methods(node: ast.AST) -> list[str]:
    return [one.name.upper() for one in node.body if isinstance(one, Function) and one.name in METHODS] or ["ANY"]


def add_route(facts: Facts, service: str, framework: str, method: str, path: str, handler: str, guards: Iterable[str], place: tuple[str, int]) -> None:
    value = {"service": service, "framework": framework, "method": method.upper(), "path": path, "handler": handler[:80], "guards": list(dict.fromkeys(guards))}
    facts.add("route", f"{value['method']} {path}", value, *place)


@dataclasses.dataclass
class Holder:
    """What holds routes.

    routes: (methods, path, place, handler, guards); mounts: (holder, prefix or None, guards), a prefix of Flask replaces the holder's own.
    """

    kind: str
    prefix: str
    module: Module
    line: int
    guards: list[str]
    routes: list[tuple] = dataclasses.field(default_factory=list)
    mounts: list[tuple] = dataclasses.field(default_factory=list)
    mounted: bool = False


class Routes:
    """Reads the routes of FastAPI and Flask in one project."""

    def __init__(self, project: Project):
        self.project, self.facts, self.holders = project, project.facts, dict[tuple[str, str], Holder]()
        modules = [module for module in project.modules.values() if re.search("fastapi|flask|quart", " ".join(module.imports.values()))]
        for module in modules:
            for node in module.nodes:
                if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Call) and (kind := module.last(node.value)) in HOLDERS:
                    target, given = node.targets[0] if isinstance(node, ast.Assign) else node.target, words(node.value)
                    self.holders[module.path, ast.unparse(target)] = Holder(
                        kind, self.prefix(module, given.get(HOLDERS[kind])) or "", module, node.lineno, self.guards(module, given.get("dependencies"))
                    )
        for module in project.modules.values():
            for node in module.nodes:
                if isinstance(node, (*Function, ast.ClassDef)):
                    self.decorated(module, node)
                elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and (holder := self.holder(module, node.func.value)):
                    self.called(module, node, holder)

    def key(self, module: Module, node: ast.AST) -> tuple[str, str]:
        found = self.project.thing(module, node)
        local = (module.path, ast.unparse(node))
        return local if local in self.holders or not found else (found[0].path, found[1])

    def holder(self, module: Module, node: ast.AST) -> Holder | None:
        return self.holders.get(self.key(module, node)) if isinstance(node, (ast.Name, ast.Attribute)) else None

    def prefix(self, module: Module, given: ast.expr | None) -> str | None:
        text = self.project.text(module, given)
        if given is not None and text is None and not isinstance(given, ast.Constant):
            self.facts.missing(f"{module.path}:{given.lineno}: the prefix {ast.unparse(given)[:60]} is only known at run time: its routes are told without it")
        return text

    def decorated(self, module: Module, node: Any) -> None:
        for one in node.decorator_list:
            holder = self.holder(module, one.func.value if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute) else getattr(one, "value", one))
            name, given = module.last(one), words(one)
            if holder and name == "before_request" and AUTH_NAME.search(node.name):
                holder.guards.append(node.name)
            elif holder and isinstance(one, ast.Call) and name in (*METHODS, "route", "api_route", "websocket"):
                path = self.project.text(module, one.args[0] if one.args else given.get("path") or given.get("rule"))
                if path is None:
                    self.facts.missing(f"{module.path}:{one.lineno}: the path of {node.name} is only known at run time: the route is left out")
                    continue
                methods = (
                    [name]
                    if name in (*METHODS, "websocket")
                    else class_methods(node)
                    if isinstance(node, ast.ClassDef)
                    else literals(given.get("methods")) or ["GET"]
                )
                holder.routes.append(
                    (methods, path, (module.path, one.lineno), node.name, [*self.guards(module, given.get("dependencies")), *self.guards_of(module, node)])
                )

    def called(self, module: Module, node: ast.Call, holder: Holder) -> None:
        name, given = node.func.attr, words(node)
        if name in MOUNTS and node.args:
            inner = given.get("app") or node.args[1 if name == "mount" and len(node.args) > 1 else 0]
            prefix = self.project.text(module, node.args[0]) if name == "mount" else self.prefix(module, given.get(MOUNTS[name]))
            if (key := self.key(module, inner)) in self.holders:
                self.holders[key].mounted = True
                holder.mounts.append((key, prefix, self.guards(module, given.get("dependencies"))))
            elif name != "mount":
                self.facts.missing(
                    f"{module.path}:{node.lineno}: {ast.unparse(inner)[:60]} could not be followed: what it holds is told without its prefix, or not at all"
                )
        elif name in ("add_url_rule", "add_api_route", "add_resource") and len(node.args) + len(given) > 1:
            view = given.get("view_func") or node.args[0 if name == "add_resource" else -1]
            made = self.project.definition(module, view.func.value if isinstance(view, ast.Call) and isinstance(view.func, ast.Attribute) else view)
            methods = literals(given.get("methods")) or (class_methods(made[1]) if made and isinstance(made[1], ast.ClassDef) else ["GET"])
            for one in node.args[1:] if name == "add_resource" else node.args[:1]:
                if (path := self.project.text(module, one)) is not None:
                    holder.routes.append((methods, path, (module.path, node.lineno), ast.unparse(view), self.guards(module, given.get("dependencies"))))
        elif name == "before_request" and node.args and AUTH_NAME.search(guard := ast.unparse(node.args[0])):
            holder.guards.append(guard)

    # --- who guards a route: by the names of what it depends on
    def guards(self, module: Module, node: ast.AST | None) -> list[str]:
        """Names of dependencies in an expression that speak of who calls."""
        calls = (
            [one for one in ast.walk(node) if isinstance(one, ast.Call) and one.args and module.last(one) in ("Depends", "Security")]
            if node is not None
            else []
        )
        return [name[:80] for one in calls if AUTH_NAME.search(name := ast.unparse(getattr(one.args[0], "func", one.args[0])))]

    def guards_of(self, module: Module, node: Any) -> list[str]:
        bare = [getattr(one, "func", one) for one in node.decorator_list]
        found = [name for one in bare if AUTH_NAME.search(name := ast.unparse(one)) and not self.holder(module, getattr(one, "value", one))]
        if isinstance(node, ast.ClassDef):
            return found + [name for name in map(ast.unparse, getattr(assigned(node).get("decorators"), "elts", ())) if AUTH_NAME.search(name)]
        found += self.guards(module, node.args)
        return found + [name for one in (*node.args.args, *node.args.kwonlyargs) for name in self.aliases.get(module.last(one.annotation), ())]

    @functools.cached_property
    def aliases(self) -> dict[str, list[str]]:
        """Names of Annotated[..., Depends(...)] types, with the dependencies that speak of who calls."""
        return {
            name: guards
            for module in self.project.modules.values()
            for name, value in module.constants.items()
            if isinstance(value, ast.Subscript) and (guards := self.guards(module, value))
        }

    # --- what is served
    def tell(self) -> None:
        loose = [key for key, holder in self.holders.items() if not holder.mounted]
        roots = [key for key in loose if self.holders[key].kind in (*ROOTS, "Api")] or loose
        for key in roots:
            for service, framework, method, *rest in self.serve(key, "", [], ()):
                add_route(self.facts, service, framework, method, *rest)
        for key in loose:
            if key not in roots and self.holders[key].routes:
                self.facts.missing(
                    f"{key[0]}:{self.holders[key].line}: the routes of {key[1]} ({len(self.holders[key].routes)}) are mounted nowhere that could be "
                    f"followed: they are left out"
                )

    def serve(self, key: tuple[str, str], prefix: str, guards: list[str], above: tuple) -> Iterator[tuple]:
        holder = self.holders[key]
        if key in above:
            return
        fast = self.holders[above[0] if above else key].kind in ("FastAPI", "APIRouter")
        base, guards = (
            joined(prefix, holder.prefix if fast or not above else "").rstrip("/"), guards + holder.guards
        )  # of a mounted blueprint it stands in prefix
        for methods, path, place, handler, own in holder.routes:
            for method in methods:
                yield holder.module.service, "fastapi" if fast else "flask", method, joined(base, plain(path)), handler, guards + own, place
        for inner, given, more in holder.mounts:
            given = self.holders[inner].prefix if given is None and not fast else given
            yield from self.serve(inner, joined(base, given or "").rstrip("/"), guards + more, (*above, key))
