"""From a folder of sources to the operations that they serve. Sources are read with tree-sitter and never run."""
from __future__ import annotations

import contextlib
import gc
import pathlib
import re
import sys
from typing import Any, Iterator

from senior_backend.json_text import SyntaxProblem
from senior_backend.openapi.operations import shape
from senior_backend.openapi.yaml12 import parse_yaml
from senior_backend.routes import builtins, generated
from senior_backend.routes.answering import answered
from senior_backend.routes.document import Found, Route, renamed
from senior_backend.routes.expressions import EXPRESSIONS
from senior_backend.routes.frameworks import PACKAGES, Endpoint, Router, endpoints
from senior_backend.routes.interpreter import Interpreter
from senior_backend.routes.libraries import decorated
from senior_backend.routes.notation import Unreadable, documented, templates
from senior_backend.routes.operations import Writer
from senior_backend.routes.schemas import Components, Schema
from senior_backend.routes.sources import Sources
from senior_backend.routes.statements import HOISTED, STATEMENTS
from senior_backend.routes.types import Types
from senior_backend.routes.values import Cls, Fn, Obj, Unknown

DEEPEST = 12_000            # frames of Python: routers are written as one long chain of calls
APP_NAMES = {"fastify": "fastify", "instance": "fastify", "app": "", "server": "", "router": "", "api": "", "express": "express", "koa": "koa"}
APP_TYPES = {"FastifyInstance": "fastify", "Express": "express", "Application": "express", "Router": "", "IRouter": "express", "Koa": "koa"}
MAKES_ROUTES = re.compile(rb"\b(?:Router|express|fastify|Fastify|Koa)\s*\(|\.(?:route|register)\(")


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Python's search for unreachable cycles put off: it took a quarter of the time, and found nothing."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@uncollected()
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
        self.sources, self.components = Sources(folder, PACKAGES), Components()
        self.it = self.sources.it = Interpreter(self.sources, builtins.globals_(), EXPRESSIONS, STATEMENTS, HOISTED)
        self.it.builtins, self.it.types = builtins.Builtins(decorated), Types(self.it, self.components)

    def read(self) -> Found:
        it, sources = self.it, self.sources
        for name in sources.relevant():
            if sources.known(name) is None:
                sources.load(name).run(it)
        self.call_the_uncalled()
        routes, annotations = self.routes(), self.annotations()
        for folder in sorted(sources.generated):
            generated.described(it, sources, folder)
        for schema in list(self.components.wholes.values()):
            schema.render(self.components)          # a generated server exports all components
        for name, why in sources.skipped:
            it.tell(f"left out: {why}", (name, 0))
        for name, file in sources.files.items():
            if file.parsed is not None and file.parsed.root_node.has_error:
                it.tell("the file has syntax errors: what stands around them may be missing", (name, first_error(file.parsed.root_node)))
        unresolved = sorted(it.unresolved.values(), key=lambda place: (place.file, place.line, place.message))
        return Found(routes, unresolved, sorted(sources.files), self.components.schemas, it.schemes, sources.configs.get("package.json", {}), sources.root.resolve().name, it.about, list(self.components.wholes), annotations)

    def annotations(self) -> list:
        """The @openapi and @swagger blocks of the sources, and the YAML files that swagger-jsdoc is given."""
        told = [(text, name, line) for name, file in self.sources.files.items() if b"@openapi" in file.source or b"@swagger" in file.source for text, line in documented(file.source.decode())]
        found = []
        for text, name, line in [*((text, name, 0) for pattern in dict.fromkeys(self.it.documents) for name, text in self.sources.texts(pattern)), *told]:
            try:
                block = parse_yaml(text)[0]
            except SyntaxProblem as problem:
                self.it.tell(f"the @openapi block here is left out: {problem.message}", (name, line + problem.line))
                continue
            found += [(block, (name, line))] if isinstance(block, dict) else []
        return found

    def routes(self) -> list[Route]:
        shared = {name: value for value in self.it.shared_schemas if isinstance(name := value.id if isinstance(value, Schema) else value.props.get("$id") if type(value) is Obj else None, str)}
        writer, found, homes = Writer(self.it, self.components, shared), {}, {}
        for endpoint in endpoints(self.it):
            exchange, place = None, endpoint.layer.place
            for template, patterns in self.templates_of(endpoint):
                home = homes.setdefault(shape(template), template)          # templates that differ in names alone are one path
                if (endpoint.method, home) in found:
                    if home != template:
                        self.it.tell(f"{endpoint.method.upper()} {template} is the same to OpenAPI as {home}: it is left out", place)
                    continue
                exchange = exchange or (answered(self.it, endpoint) if endpoint.layer.kind != "own" else generated.Entry(endpoint.layer.options, self.components))
                if getattr(exchange, "passed_on", False):
                    break
                found[endpoint.method, home] = Route(endpoint.method, home, *place, renamed(self.written(writer, endpoint, exchange, patterns), template, home))
        return list(found.values())

    def written(self, writer: Writer, endpoint: Endpoint, exchange: Any, patterns: dict) -> dict:
        try:
            if isinstance(exchange, generated.Entry):
                return exchange.operation()
            self.it.schemes.update(exchange.credentials)
            return writer.operation(endpoint, exchange, patterns)
        except RecursionError:
            self.it.tell("schemas follow one another without an end: what this route reads and answers is left out", endpoint.layer.place)
            return {"responses": {}}

    def templates_of(self, endpoint: Endpoint) -> list:
        try:
            return [(endpoint.path, {})] if endpoint.layer.kind == "own" else templates(endpoint.path, endpoint.framework)
        except Unreadable as problem:
            self.it.tell(f"the path {endpoint.path!r} cannot be said in a template: {problem}", endpoint.layer.place)
            return []

    # functions that nothing here calls: those who use this code do
    def call_the_uncalled(self) -> None:
        it = self.it
        for module in list(self.sources.modules.values()):
            for name in module.names(it):
                value = module.export(it, name) if not name.startswith("type ") else None
                it.module = module
                if type(value) is Fn and value.node.id not in it.called and (MAKES_ROUTES.search(value.node.text) or any(framework_of(parameter) is not None for parameter in parameters(value)[:1])):
                    it.guarded(lambda value=value: it.call(value, Unknown(), [self.argument(parameter) for parameter in parameters(value)], None))
                elif isinstance(value, Cls) and id(value) not in it.called and value.scope is not None and any(MAKES_ROUTES.search(node.text) for node in [*(node for _, node in value.fields), *([value.constructor.node] if value.constructor else [])]):
                    it.guarded(lambda value=value: value.new(it, [], None))
        it.module = None

    def argument(self, parameter: Any) -> Any:
        framework, known = framework_of(parameter), self.sources.configs.get("package.json", {}).get("dependencies", {})
        if framework is None:
            return Unknown()
        return Router(self.it, framework or next((name for name in ("express", "fastify", "koa") if isinstance(known, dict) and name in known), "express"), False, parameter)


def parameters(function: Fn) -> list:
    written = function.node.child_by_field_name("parameters")
    return [child for child in written.named_children if child.type != "comment"] if written else [found] if (found := function.node.child_by_field_name("parameter")) else []


def framework_of(parameter: Any) -> str | None:
    """The framework whose app a parameter is by its type or name, "" when that does not say which; None for other parameters."""
    annotation = parameter.child_by_field_name("type")
    if annotation is not None:
        return next((framework for name, framework in APP_TYPES.items() if re.search(rf"\b{name}\b", annotation.text.decode())), None)
    return APP_NAMES.get((parameter.child_by_field_name("pattern") or parameter).text.decode())


def first_error(node: Any) -> int:
    inner = None if node.is_error else next((child for child in node.children if child.has_error or child.is_error or child.is_missing), None)
    return node.start_point[0] + 1 if inner is None else first_error(inner)
