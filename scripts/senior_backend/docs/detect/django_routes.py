"""Routes of Django and of Django REST framework: from the root urls.py down, with the methods of the views and who guards them."""
from __future__ import annotations

import ast
import re

from senior_backend.docs.detect.python_code import Module, Project, literals
from senior_backend.docs.detect.python_routes import METHODS, add_route, joined
from senior_backend.docs.facts import AUTH_NAME

GENERIC = {"ListAPIView": ["GET"], "CreateAPIView": ["POST"], "RetrieveAPIView": ["GET"], "UpdateAPIView": ["PUT", "PATCH"], "DestroyAPIView": ["DELETE"], "ListCreateAPIView": ["GET", "POST"],
           "RetrieveUpdateAPIView": ["GET", "PUT", "PATCH"], "RetrieveDestroyAPIView": ["GET", "DELETE"], "RetrieveUpdateDestroyAPIView": ["GET", "PUT", "PATCH", "DELETE"],
           "TemplateView": ["GET"], "ListView": ["GET"], "DetailView": ["GET"], "RedirectView": ["GET"], "CreateView": ["GET", "POST"], "UpdateView": ["GET", "POST"], "DeleteView": ["GET", "POST"], "FormView": ["GET", "POST"]}
# what a viewset serves: action -> (method, whether of one object)
ACTIONS = {"list": ("GET", False), "create": ("POST", False), "retrieve": ("GET", True), "update": ("PUT", True), "partial_update": ("PATCH", True), "destroy": ("DELETE", True)}
MIXINS = {"ListModelMixin": ["list"], "CreateModelMixin": ["create"], "RetrieveModelMixin": ["retrieve"], "UpdateModelMixin": ["update", "partial_update"], "DestroyModelMixin": ["destroy"],
          "ModelViewSet": list(ACTIONS), "ReadOnlyModelViewSet": ["list", "retrieve"]}
GROUP = re.compile(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)|\((?!\?)(?:[^()]|\([^()]*\))*\)")


def template(path: str, expression: bool) -> str:
    """
    >>> template("users/<int:pk>/", False), template(r"^articles/(?P<year>[0-9]{4})/$", True)
    ('users/{pk}/', 'articles/{year}/')
    """
    if not expression:
        return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path)
    path = GROUP.sub(lambda found: "{%s}" % (found[1] or "arg"), path.lstrip("^"))
    return re.sub(r"\\(.)", r"\1", re.sub(r"/\?\$?$|\$$|\\Z$", lambda end: "/" if end[0].startswith("/") else "", path))


class Routes:
    """Reads one project, of all its urls.py those that a root reaches."""

    def __init__(self, project: Project):
        self.project, self.facts = project, project.facts
        self.seen: set[str] = set()
        self.default: list[str] = []

    def tell(self) -> None:
        urls = {module.path: module for module in self.project.modules.values() if "urlpatterns" in module.constants or any(isinstance(node, ast.AugAssign) and getattr(node.target, "id", "") == "urlpatterns" for node in module.nodes)}
        roots = []
        for module in self.project.modules.values():
            if text := self.project.text(module, module.constants.get("ROOT_URLCONF")):
                roots += [found] if (found := self.project.module(text)) else []
                rest = module.constants.get("REST_FRAMEWORK")
                if isinstance(rest, ast.Dict):
                    self.default = [one.rpartition(".")[2] for key, value in zip(rest.keys, rest.values) if self.project.text(module, key) == "DEFAULT_PERMISSION_CLASSES" for one in literals(value)]
        included = {found.path for module in urls.values() for node in module.nodes if isinstance(node, ast.Call) and module.dotted(node.func).rpartition(".")[2] == "include" and (found := self.included(module, node))}
        for module in dict.fromkeys(roots or [module for path, module in urls.items() if path not in included]):
            self.patterns(module, "", ())
        for path in sorted(urls.keys() - self.seen):
            self.facts.missing(f"{path}:1: no root of Django's URLs reaches this file: its routes are left out")

    def included(self, module: Module, node: ast.Call) -> Module | None:
        argument = node.args[0] if node.args else None
        if isinstance(argument, ast.Tuple) and argument.elts:
            argument = argument.elts[0]
        text = self.project.text(module, argument)
        return self.project.module(text or module.dotted(argument)) if argument is not None and (text or module.dotted(argument)) else None

    def patterns(self, module: Module, prefix: str, above: tuple[str, ...]) -> None:
        if module.path in above:
            return
        self.seen.add(module.path)
        for node in module.tree.body:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target if isinstance(node, (ast.AugAssign, ast.AnnAssign)) else None
            if getattr(target, "id", "") == "urlpatterns" and node.value is not None:
                self.listed(module, node.value, prefix, (*above, module.path))

    def listed(self, module: Module, node: ast.AST, prefix: str, above: tuple[str, ...]) -> None:
        if isinstance(node, ast.BinOp):
            self.listed(module, node.left, prefix, above)
            self.listed(module, node.right, prefix, above)
        elif isinstance(node, (ast.List, ast.Tuple)):
            for one in node.elts:
                self.listed(module, one.value if isinstance(one, ast.Starred) else one, prefix, above)
        elif isinstance(node, ast.Name) and node.id in module.constants:
            self.listed(module, module.constants[node.id], prefix, above)
        elif isinstance(node, ast.Attribute) and node.attr == "urls":
            self.router(module, node.value, prefix)
        elif isinstance(node, ast.Call):
            name = module.dotted(node.func).rpartition(".")[2]
            if name in ("path", "re_path", "url") and len(node.args) > 1:
                self.one(module, node, name != "path", prefix, above)
            elif name in ("i18n_patterns", "format_suffix_patterns"):
                for one in node.args:
                    self.listed(module, one, prefix + ("{language}/" if name == "i18n_patterns" else ""), above)

    def one(self, module: Module, node: ast.Call, expression: bool, prefix: str, above: tuple[str, ...]) -> None:
        text = self.project.text(module, node.args[0])
        if text is None:
            self.facts.missing(f"{module.path}:{node.lineno}: the path is only known at run time: the route is left out")
            return
        path, view = prefix + template(text, expression), node.args[1]
        if isinstance(view, ast.Call) and module.dotted(view.func).rpartition(".")[2] == "include":
            if inner := self.included(module, view):
                self.patterns(inner, path, above)
            elif isinstance(view.args[0] if view.args else None, (ast.List, ast.Attribute, ast.Name)):
                self.listed(module, view.args[0], path, above)
        elif isinstance(view, ast.Attribute) and view.attr == "urls":
            if module.dotted(view) == "django.contrib.admin.site.urls":
                self.add(module, "ANY", path, "django.contrib.admin", ["django.contrib.admin"], node.lineno)
            else:
                self.router(module, view.value, path)
        else:
            self.view(module, view, path, node.lineno)

    def add(self, module: Module, method: str, path: str, handler: str, guards: list[str], line: int) -> None:
        add_route(self.facts, module.service.name, "django", method, joined(path), handler, guards, (module.path, line))

    def view(self, module: Module, view: ast.AST, path: str, line: int) -> None:
        guards = []
        while isinstance(view, ast.Call) and not (isinstance(view.func, ast.Attribute) and view.func.attr == "as_view") and view.args:
            wrapper = ast.unparse(view.func)
            guards += [wrapper] if AUTH_NAME.search(wrapper) else []
            view = view.args[0]
        node = view.func.value if isinstance(view, ast.Call) and isinstance(view.func, ast.Attribute) else view
        found = self.project.thing(module, node)
        made = self.definition(found)
        if isinstance(made, ast.ClassDef):
            mapped = view.args[0] if isinstance(view, ast.Call) and view.args and isinstance(view.args[0], ast.Dict) else None
            methods = [self.project.text(module, key).upper() for key in mapped.keys] if mapped else self.methods(found[0], made)
            guards += self.guards(found[0], made)
        else:
            methods, more = function_of(made)
            guards += more
        for method in methods or ["ANY"]:
            self.add(module, method, path, ast.unparse(node)[:80], guards, line)

    def definition(self, found: tuple[Module, str] | None) -> ast.AST | None:
        return next((one for one in found[0].tree.body if isinstance(one, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and one.name == found[1]), None) if found else None

    def bases(self, module: Module, node: ast.ClassDef, depth: int = 0) -> list[tuple[str, Module, ast.ClassDef | None]]:
        """Names of all base classes, with their sources where they are the project's."""
        made = []
        for base in node.bases if depth < 6 else ():
            found = self.project.thing(module, base)
            inner = self.definition(found)
            made.append((ast.unparse(base).rpartition(".")[2], found[0] if found else module, inner if isinstance(inner, ast.ClassDef) else None))
            if isinstance(inner, ast.ClassDef):
                made += self.bases(found[0], inner, depth + 1)
        return made

    def family(self, module: Module, node: ast.ClassDef) -> list[tuple[Module, ast.ClassDef]]:
        return [(module, node), *((origin, inner) for _, origin, inner in self.bases(module, node) if inner)]

    def methods(self, module: Module, node: ast.ClassDef) -> list[str]:
        own = [one.name.upper() for _, made in self.family(module, node) for one in made.body if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)) and one.name in METHODS]
        given = [method for name, _, _ in self.bases(module, node) for method in GENERIC.get(name, ())]
        return list(dict.fromkeys([*given, *own]))

    def guards(self, module: Module, node: ast.ClassDef) -> list[str]:
        found = [name for name, _, _ in self.bases(module, node) if AUTH_NAME.search(name) or name in ("LoginRequiredMixin", "UserPassesTestMixin")]
        for _, made in self.family(module, node):
            for one in made.body:
                if isinstance(one, ast.Assign) and getattr(one.targets[0], "id", "") == "permission_classes":
                    return found + [name for name in map(ast.unparse, getattr(one.value, "elts", ())) if not name.endswith("AllowAny")]
            found += [name for one in made.decorator_list if AUTH_NAME.search(name := ast.unparse(one))]
        rest = any(name.endswith(("APIView", "ViewSet")) for name, _, _ in self.bases(module, node))
        return found + [name for name in self.default if rest and name != "AllowAny"]

    def router(self, module: Module, node: ast.AST, prefix: str) -> None:
        """The viewsets that are registered at a router."""
        found = self.project.thing(module, node)
        if found is None:
            return
        origin, name = found
        for call in origin.nodes:
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "register" and getattr(call.func.value, "id", "") == name and len(call.args) > 1:
                text, target = self.project.text(origin, call.args[0]), self.project.thing(origin, call.args[1])
                made = self.definition(target)
                if text is None or not isinstance(made, ast.ClassDef):
                    self.facts.missing(f"{origin.path}:{call.lineno}: the viewset or its path could not be followed: its routes are left out")
                    continue
                self.viewset(origin, call.lineno, target[0], made, prefix + template(text, "(" in text) + "/")

    def viewset(self, module: Module, line: int, origin: Module, node: ast.ClassDef, path: str) -> None:
        guards, family = self.guards(origin, node), self.family(origin, node)
        fields = {one.targets[0].id: one.value for _, made in reversed(family) for one in made.body if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name)}
        lookup = self.project.text(origin, fields.get("lookup_url_kwarg")) or self.project.text(origin, fields.get("lookup_field")) or "pk"
        allowed = [one.upper() for one in literals(fields.get("http_method_names"))]
        actions = {action for name, _, _ in self.bases(origin, node) for action in MIXINS.get(name, ())} | {one.name for _, made in family for one in made.body if isinstance(one, ast.FunctionDef) and one.name in ACTIONS}
        for action, (method, single) in ACTIONS.items():
            if action in actions and (not allowed or method in allowed):
                self.add(module, method, path + (f"{{{lookup}}}/" if single else ""), f"{node.name}.{action}", guards, line)
        for where, made in family:
            for one in made.body:
                for decorator in getattr(one, "decorator_list", ()):
                    if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).rpartition(".")[2] == "action":
                        words = {word.arg: word.value for word in decorator.keywords}
                        tail = self.project.text(where, words.get("url_path")) or one.name
                        own = [ast.unparse(each) for each in getattr(words.get("permission_classes"), "elts", ())]
                        for method in list(literals(words.get("methods"))) or ["GET"]:
                            full = path + (f"{{{lookup}}}/" if getattr(words.get("detail"), "value", False) else "") + template(tail, "(" in tail) + "/"
                            add_route(self.facts, where.service.name, "django", method, joined(full), f"{node.name}.{one.name}", [name for name in own if not name.endswith("AllowAny")] if "permission_classes" in words else guards, (where.path, one.lineno))


def function_of(node: ast.AST | None) -> tuple[list[str], list[str]]:
    """(methods, guards) that the decorators of a view name."""
    methods, guards = [], []
    for one in getattr(node, "decorator_list", ()):
        name = ast.unparse(one.func if isinstance(one, ast.Call) else one).rpartition(".")[2]
        if name in ("api_view", "require_http_methods") and isinstance(one, ast.Call):
            methods = [method.upper() for method in literals(one.args[0] if one.args else None)] or ["GET"]
        elif name in ("require_GET", "require_safe", "require_POST"):
            methods = ["POST" if name == "require_POST" else "GET"]
        elif name == "permission_classes" and isinstance(one, ast.Call):
            guards += [text for each in getattr(one.args[0] if one.args else None, "elts", ()) if not (text := ast.unparse(each)).endswith("AllowAny")]
        elif AUTH_NAME.search(name):
            guards.append(name)
    return methods, guards
