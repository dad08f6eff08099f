"""Routes of Django, from the root urls.py down, and of Django REST framework."""
from __future__ import annotations

import ast
import re
from typing import Any, Iterator

from senior_backend.docs.detect.python import METHODS, Function, Module, Project, add_route, assigned, joined, literals, plain, words
from senior_backend.docs.facts import AUTH_NAME

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


class Routes:
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
