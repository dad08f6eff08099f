"""Routes of Express, Fastify and Koa through the reader of routes, API documents, and where code, document and probes disagree."""
from __future__ import annotations

import importlib.util
import re
from urllib.parse import urlsplit

from senior_backend.console import CommandError
from senior_backend.dependencies import REQUIREMENTS
from senior_backend.docs.detect import javascript
from senior_backend.docs.detect.python_routes import add_route
from senior_backend.docs.detect.services import Service, owner
from senior_backend.docs.facts import Fact, Facts
from senior_backend.docs.tree import Tree
from senior_backend.openapi.model import Problem
from senior_backend.openapi.paths import shape

READ_BY_REASON = {"express", "fastify", "koa"}
READ_ELSEWHERE = {"fastapi", "flask", "django", "starlette", "quart", "gin", "chi", "echo", "fiber", "mux", "httprouter", "net/http", "djangorestframework"}
DOCUMENT = re.compile(r"(?i)(?:^|/)[\w.-]*(?:openapi|swagger)[\w.-]*\.(?:ya?ml|json)$|(?:^|/)(?:api|spec)\.(?:ya?ml|json)$")
LOGIN = re.compile(r"(?i)log-?in|sign-?in|sign-?up|register|token|session|auth|password|webhook")
HEALTH = re.compile(r"(?i)^/(?:[\w.-]+/)*_?(?:health\w*|health-check|livez?|liveness|readyz?|readiness|ping|heartbeat|status)(?:/(?:live\w*|ready\w*|readiness|liveness|startup))?/?$")


def node_routes(tree: Tree, facts: Facts, services: list[Service], sources: dict[str, javascript.Source]) -> None:
    wanted = [one for one in services if one.language == "node" and READ_BY_REASON & set(one.frameworks)]
    if not wanted:
        return
    lacking = [name for name in ("tree_sitter", "tree_sitter_typescript") if importlib.util.find_spec(name) is None]
    if lacking:
        facts.routes_read = False
        facts.lacking += lacking
        packages = [REQUIREMENTS[name] for name in ("tree_sitter", "tree_sitter_typescript")]
        facts.missing(f"routes of {', '.join(sorted(one.name for one in wanted))} were not read: tree-sitter is not installed (python -m pip install {' '.join(map(repr, packages))})")
        return
    from senior_backend.routes import reader

    for service in wanted:
        try:
            found = reader.read(tree.root / service.folder)
        except CommandError as error:
            facts.missing(f"routes of {service.name} were not read: {error.message.replace(str(tree.root) + '/', '')}")
            continue
        framework = next(name for name in service.frameworks if name in READ_BY_REASON)
        for route in found.operations:
            path = service.folder + route.file
            if owner(services, path, "node") is service and path in sources:
                line, guards = javascript.registered(sources[path], route.line, route.method)
                if not guards and (route.operation.get("security") or not LOGIN.search(route.path)):        # a guard further up, which the reader has followed
                    guards = [name for each in route.operation.get("security", ()) for name in each] or [f"answers {status}" for status in ("401", "403") if status in route.operation.get("responses", {})]
                add_route(facts, service.name, framework, route.method, route.path, str(route.operation.get("operationId") or ""), guards, (path, line))
        for one in found.unresolved:
            facts.missing(f"{service.folder}{one.file}:{one.line}: {one.message}")


def unread_frameworks(facts: Facts, services: list[Service]) -> None:
    for service in services:
        names = [one if service.language != "go" else re.sub(r"/v\d+$", "", one).rpartition("/")[2] for one in service.frameworks]
        if service.kind == "backend" and names and not READ_ELSEWHERE & set(names) and not READ_BY_REASON & set(names):
            facts.routes_read = False
            facts.missing(f"routes of {service.name} were not read: {', '.join(names)} is not a framework whose routes this tool reads")


def documents(tree: Tree, facts: Facts) -> list[tuple[Fact, set[str]]]:
    """(operation, prefixes that the document's servers put before its path) of all API documents."""
    from senior_backend.openapi.reader import read_api

    found = []
    for path in tree.matching(DOCUMENT.pattern, "yaml yml json"):
        if not re.search(r"['\"]?(?:openapi|swagger)['\"]?\s*:\s*['\"]?[23]", tree.read(path)[:20_000] or "openapi: 3"):
            continue
        try:
            api = read_api(tree.root / path, lenient=True, need_operations=False)
        except CommandError as error:
            facts.missing(f"{path} was not understood: {error.message.splitlines()[0].replace(str(tree.root) + '/', '')}")
            continue
        facts.add("openapi", path, {"title": api.title, "version": api.version, "spec": api.spec_version, "operations": len(api.operations), "security": sorted(f"{one.key} ({one.kind})" for one in api.security_schemes.values())}, path, 1)
        prefixes = {"", *(urlsplit(server).path.rstrip("/") if "://" in server else server.rstrip("/") for server in api.servers)}
        places = api.report.located([Problem("", operation.node) for operation in api.operations])
        for operation, place in zip(api.operations, places):
            value = {"method": operation.method.upper(), "path": operation.path, "id": operation.operation_id or "", "secured": bool(operation.security), "deprecated": operation.deprecated}
            found.append((facts.add("operation", f"{path}:{value['method']} {operation.path}", value, path, place.line), prefixes))
    return found


def same(path: str) -> str:
    return shape(path).rstrip("/") or "/"


def drift(facts: Facts, operations: list[tuple[Fact, set[str]]]) -> None:
    routes = facts.of("route")
    served = {(route["method"], same(route["path"])) for route in routes}
    documented: set[tuple[str, str]] = set()
    for operation, prefixes in operations:
        tried = {(operation["method"], same(prefix + operation["path"])) for prefix in prefixes} | {("ANY", same(prefix + operation["path"])) for prefix in prefixes}
        documented |= tried
        if routes and facts.routes_read and not tried & served:
            disagree(facts, "not-in-code", operation["method"], operation["path"], operation)
    if operations:
        for route in routes:
            if (route["method"], same(route["path"])) not in documented and route["method"] not in ("OPTIONS", "HEAD", "WEBSOCKET"):
                disagree(facts, "not-in-document", route["method"], route["path"], route)
    paths = {same(route["path"]) for route in routes if route["method"] in ("GET", "ANY", "HEAD")}
    for one in facts.of("container"):
        for kind in ("liveness", "readiness", "startup"):
            probe = one[kind]
            if probe and probe.startswith("/") and paths and facts.routes_read and same(probe) not in paths:
                disagree(facts, f"{kind}-probe-without-route", "GET", probe, one)


def disagree(facts: Facts, what: str, method: str, path: str, place: Fact) -> None:
    facts.add("drift", f"{what}:{method} {path}", {"what": what, "method": method, "path": path}, place.file, place.line)


def health(facts: Facts) -> None:
    for route in facts.of("route"):
        if route["method"] in ("GET", "ANY", "HEAD") and HEALTH.match(route["path"]):
            facts.add("health-endpoint", f"{route['method']} {route['path']}", {"service": route["service"], "method": route["method"], "path": route["path"]}, route.file, route.line)
