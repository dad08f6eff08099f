"""Routes of Express, Fastify and Koa through the reader of routes; API documents; and where code, document and probes disagree."""
from __future__ import annotations

import importlib.util
import re
from urllib.parse import urlsplit

from senior_backend.console import CommandError
from senior_backend.dependencies import REQUIREMENTS
from senior_backend.docs.detect.code import Source, arguments
from senior_backend.docs.detect.python import add_route
from senior_backend.docs.detect.services import Service, bare, owner
from senior_backend.docs.facts import AUTH_NAME, Fact, Facts
from senior_backend.docs.tree import ASIDE, Tree
from senior_backend.openapi.model import Problem
from senior_backend.openapi.operations import shape

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
