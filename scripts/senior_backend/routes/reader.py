"""From a folder of sources to the operations that they serve. Sources are read with tree-sitter and never run."""
from __future__ import annotations

import pathlib
import re
import sys
from typing import Any

from senior_backend.routes import builtins
from senior_backend.routes.answering import answered
from senior_backend.openapi.syntax import SyntaxProblem
from senior_backend.openapi.yaml12 import parse_yaml
from senior_backend.routes.comments import documented
from senior_backend.routes.expressions import EXPRESSIONS
from senior_backend.routes.frameworks import PACKAGES, Endpoint, Router, endpoints
from senior_backend.routes.generated import described
from senior_backend.routes.interpreter import Interpreter
from senior_backend.routes.model import Found, Route, Unresolved
from senior_backend.routes.operations import Writer
from senior_backend.routes.paths import Unreadable, templates
from senior_backend.routes.schemas import Components, Schema
from senior_backend.routes.sources import Sources
from senior_backend.routes.statements import HOISTED, STATEMENTS
from senior_backend.routes.types import Types
from senior_backend.routes.values import Cls, Fn, Obj, Unknown

DEEPEST = 12_000            # frames of Python: routers are written as one long chain of calls
APP_NAMES = {"fastify": "fastify", "instance": "fastify", "app": "", "server": "", "router": "", "api": "", "express": "express", "koa": "koa"}
APP_TYPES = {"FastifyInstance": "fastify", "Express": "express", "Application": "express", "Router": "", "IRouter": "express", "Koa": "koa"}
MAKES_ROUTES = re.compile(rb"\b(?:Router|express|fastify|Fastify|Koa)\s*\(|\.(?:route|register)\(")


def read(folder: pathlib.Path) -> Found:
    """The operations of all sources below the folder."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, DEEPEST))
    try:
        return Reader(pathlib.Path(folder)).read()
    finally:
        sys.setrecursionlimit(limit)


class Reader:
    def __init__(self, folder: pathlib.Path):
        self.sources = Sources(folder, PACKAGES)
        self.it = it = Interpreter(self.sources, builtins.globals_(), EXPRESSIONS, STATEMENTS, HOISTED)
        self.sources.it = it
        self.components = Components()
        it.builtins, it.types = builtins.Builtins(), Types(it, self.components)
        it.routers, it.shared_schemas, it.strategies, it.generics, it.called, it.variables, it.schemes, it.generated, it.about, it.annotations = [], [], {}, [], set(), set(), {}, {}, {}, []

    def read(self) -> Found:
        it = self.it
        for name in self.sources.relevant():
            if self.sources.known(name) is None:
                self.sources.load(name).run(it)
        self.call_the_uncalled()
        found = self.routes()
        self.read_annotations()
        for folder in sorted(self.sources.generated):
            described(it, self.sources, f"{folder}/" if folder else "")
        for schema in list(self.components.wholes.values()):
            schema.render(self.components)          # a generated server exports all components
        for name, why in self.sources.skipped:
            it.tell(f"left out: {why}", (name, 0))
        for name, file in self.sources.files.items():
            if file.parsed is not None and file.parsed.root_node.has_error:
                it.tell("the file has syntax errors: what stands around them may be missing", (name, first_error(file.parsed.root_node)))
        return Found(found, sorted(it.unresolved.values(), key=lambda place: (place.file, place.line, place.message)), sorted(self.sources.files), self.components.schemas, self.credentials, self.sources.package(),
                     self.sources.root.resolve().name, it.about, list(self.components.wholes), it.annotations)

    def read_annotations(self) -> None:
        """The @openapi and @swagger blocks of the sources."""
        it = self.it
        for name, file in self.sources.files.items():
            for text, line in documented(file.source.decode("utf-8", "replace")) if b"@openapi" in file.source or b"@swagger" in file.source else ():
                try:
                    block = parse_yaml(text)[0]
                except SyntaxProblem as problem:
                    it.tell(f"the @openapi block here is left out: {problem.message}", (name, line + problem.line))
                    continue
                if isinstance(block, dict):
                    it.annotations.append((block, (name, line)))

    def routes(self) -> list[Route]:
        self.credentials: dict[str, dict] = self.it.schemes
        writer = Writer(self.it, self.components, self.shared())
        found: dict[tuple, Route] = {}
        for endpoint in endpoints(self.it):
            exchange = None
            for template, patterns in self.templates_of(endpoint):
                if (endpoint.method, template) in found:
                    continue
                file, line = endpoint.layer.place
                if endpoint.layer.kind == "own":
                    found[endpoint.method, template] = Route(endpoint.method, template, file, line, writer.own_operation(endpoint.layer.options))
                    continue
                exchange = exchange or answered(self.it, endpoint)
                if exchange.passed_on:
                    break
                self.credentials.update(exchange.credentials)
                found[endpoint.method, template] = Route(endpoint.method, template, file, line, self.written(writer, endpoint, exchange, template, patterns))
        return list(found.values())

    def written(self, writer: Writer, endpoint: Endpoint, exchange: Any, template: str, patterns: dict) -> dict:
        try:
            return writer.operation(endpoint, exchange, template, patterns)
        except RecursionError:
            self.it.tell("schemas follow one another without an end: what this route reads and answers is left out", endpoint.layer.place)
            return {"responses": {}}

    def templates_of(self, endpoint: Endpoint) -> list:
        try:
            if endpoint.layer.kind == "own":
                return [(endpoint.path, {})]
            return templates(endpoint.path, endpoint.framework)
        except Unreadable as problem:
            self.it.tell(f"the path {endpoint.path!r} cannot be said in a template: {problem}", endpoint.layer.place)
            return []

    def shared(self) -> dict[str, Any]:
        """Fastify's shared schemas by their $id."""
        found = {}
        for value in self.it.shared_schemas:
            name = value.id if isinstance(value, Schema) else value.props.get("$id") if type(value) is Obj else None
            if isinstance(name, str):
                found[name] = value
        return found

    # functions that nothing here calls: those who use this code do
    def call_the_uncalled(self) -> None:
        for module in list(self.sources.modules.values()):
            for name in module.names(self.it):
                value = module.export(self.it, name) if not name.startswith("type ") else None
                if type(value) is Fn and value.node.id not in self.it.called and MAKES_ROUTES.search(value.node.text) or type(value) is Fn and self.takes_app(value) and value.node.id not in self.it.called:
                    self.call_it(value)
                elif isinstance(value, Cls) and id(value) not in self.it.called and value.scope is not None and any(MAKES_ROUTES.search(node.text) for _, node in value.fields) | bool(value.constructor and MAKES_ROUTES.search(value.constructor.node.text)):
                    self.it.guarded(lambda value=value: value.new(self.it, [], None), None)

    def takes_app(self, function: Fn) -> bool:
        return any(framework_of(parameter) is not None for parameter in parameters(function)[:1])

    def argument(self, parameter: Any) -> Any:
        framework = framework_of(parameter)
        if framework is None:
            return Unknown()
        known = self.sources.package().get("dependencies", {})
        framework = framework or next((name for name in ("express", "fastify", "koa") if isinstance(known, dict) and name in known), "express")
        return Router(self.it, framework, False, parameter)

    def call_it(self, function: Fn) -> None:
        self.it.module = function.scope.module
        self.it.guarded(lambda: self.it.call(function, Unknown(), [self.argument(parameter) for parameter in parameters(function)], None), function.node)
        self.it.module = None


def parameters(function: Fn) -> list:
    written = function.node.child_by_field_name("parameters")
    return [child for child in written.named_children if child.type != "comment"] if written else [found] if (found := function.node.child_by_field_name("parameter")) else []


def framework_of(parameter: Any) -> str | None:
    """The framework whose app a parameter is by its type or name, "" when that does not say which; None for other parameters."""
    annotation = parameter.child_by_field_name("type")
    if annotation is not None:
        return next((framework for name, framework in APP_TYPES.items() if re.search(rf"\b{name}\b", annotation.text.decode())), None)
    pattern = parameter.child_by_field_name("pattern") or parameter
    return APP_NAMES.get(pattern.text.decode())


def first_error(node: Any) -> int:
    while True:
        inner = next((child for child in node.children if child.has_error or child.is_error or child.is_missing), None)
        if inner is None or node.is_error:
            return node.start_point[0] + 1
        node = inner
