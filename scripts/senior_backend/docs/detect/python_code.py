"""Python sources, read with ast and never run: modules and their names, imports, environment, calls to other systems, jobs, pools."""
from __future__ import annotations

import ast
import dataclasses
import functools
import re
import warnings
from typing import Any, Iterator

from senior_backend.docs.detect.services import Service, catalogue, scanned
from senior_backend.docs.facts import Facts, host_of
from senior_backend.docs.tree import Tree

Place = tuple[str, int]
HTTP_CALLS = {"get", "post", "put", "patch", "delete", "head", "options", "request", "stream"}
# what is called -> what holds when no timeout is given ("none", or the library's own)
CLIENTS = {**{f"requests.{name}": "none" for name in HTTP_CALLS}, **{f"httpx.{name}": "5 s (httpx)" for name in HTTP_CALLS}, "httpx.Client": "5 s (httpx)", "httpx.AsyncClient": "5 s (httpx)",
           "urllib.request.urlopen": "none", "aiohttp.ClientSession": "300 s (aiohttp)", "http.client.HTTPConnection": "none", "http.client.HTTPSConnection": "none"}
POOLS = {"pool_size", "max_overflow", "maxconn", "max_size", "max_pool_size", "maxPoolSize", "minconn", "min_size", "pool_timeout", "max_connections"}
POOL_MAKERS = re.compile(r"(?i)engine|pool|client|connect|redis")
ENV_CALLS = re.compile(r"(?:^|\.)(?:environ\.get|environ\.setdefault|environ\.pop|getenv|(?:d?env|config|environ)(?:\.(?:str|int|bool|list|url|db|db_url|json|float|tuple|dict|cache_url|cache|path|email_url))?)$")
INTERESTING = tuple("""environ getenv env( config( Settings requests httpx urlopen aiohttp HTTPConnection HTTPSConnection FastAPI APIRouter Starlette Flask Blueprint urlpatterns Router( APIView ViewSet models. declarative
__tablename__ SQLModel Mapped elery shared_task scheduler dramatiq UploadFile FILES .files SIGTERM add_resource pool MIDDLEWARE allow_origins ALLOW_ALL Depends Annotated permission_classes""".split())


@dataclasses.dataclass(eq=False)
class Module:
    """One source. imports: local name -> dotted thing; constants: name -> literal value."""
    path: str
    name: str
    service: Service
    tree: ast.Module
    imports: dict[str, str] = dataclasses.field(default_factory=dict)
    constants: dict[str, Any] = dataclasses.field(default_factory=dict)

    def dotted(self, node: ast.AST) -> str:
        """a.b.c of a name or attribute, with imported names in full; empty for anything else."""
        parts = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        return ".".join([self.imports.get(node.id, node.id), *reversed(parts)])

    @functools.cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))


class Project:
    """The modules that anything is looked for in, and names across them."""

    def __init__(self, tree: Tree, facts: Facts, services: list[Service]):
        self.source, self.facts, self.modules = tree, facts, dict[str, Module]()
        self.places: dict[tuple[str, str], tuple] = {}
        known = re.compile(r"^[ \t]*(?:from|import)[ \t]+(?:%s)\b" % "|".join(sorted({re.escape(module.partition(".")[0]) for found in catalogue()["pypi"].values() for _, module in found})), re.M)
        for path, service in scanned(services, tree.with_suffix("py"), "python"):
            text = tree.read(path)
            if any(word in text for word in INTERESTING) or known.search(text):
                self.take(path, service, text)
        self.by_name = {module.name: module for module in self.modules.values()}
        for module in list(self.by_name.values()):
            parts = module.name.split(".")
            for start in range(1, len(parts)):          # as seen from folders on the search path
                self.by_name.setdefault(".".join(parts[start:]), module)

    def take(self, path: str, service: Service, text: str) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                parsed = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            self.facts.missing(f"{path}:{getattr(error, 'lineno', None) or 1} was not understood: it is not Python 3 that this interpreter reads")
            return
        package = path[:-3].replace("/", ".")
        name = package.removesuffix(".__init__")
        module = self.modules[path] = Module(path, name, service, parsed)
        for node in module.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    module.imports[alias.asname or alias.name.partition(".")[0]] = alias.name if alias.asname else alias.name.partition(".")[0]
                    self.imported(module, node, alias.name, alias.asname or alias.name.partition(".")[0])
            elif isinstance(node, ast.ImportFrom):
                above = package.split(".")[:-node.level] if node.level else []
                origin = ".".join([*above, *([node.module] if node.module else [])])
                for alias in node.names:
                    module.imports[alias.asname or alias.name] = f"{origin}.{alias.name}"
                    if not node.level:
                        self.imported(module, node, f"{origin}.{alias.name}", alias.asname or alias.name)
        for node in parsed.body:
            if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None and isinstance(target := (node.targets[0] if isinstance(node, ast.Assign) else node.target), ast.Name):
                module.constants[target.id] = node.value

    def imported(self, module: Module, node: ast.AST, name: str, local: str) -> None:
        if name.partition(".")[0] not in top_names():
            return
        use = next((one.lineno for one in module.nodes if isinstance(one, ast.Name) and one.id == local and isinstance(one.ctx, ast.Load)), None)
        key, place = (module.service.folder, name), ((module.path, node.lineno), use and (module.path, use))
        if key not in self.places or self.places[key][1] is None and use:
            self.places[key] = place

    def module(self, dotted: str) -> Module | None:
        return self.by_name.get(dotted)

    def thing(self, module: Module, node: ast.AST) -> tuple[Module, str] | None:
        """The module and the name in it that an expression means: router, users.router, package.users.router."""
        dotted = module.dotted(node)
        if not dotted:
            return None
        if "." not in dotted:
            return module, dotted
        for _ in range(5):                              # names that a package passes on
            origin, _, name = dotted.rpartition(".")
            found = self.module(origin)
            if found is None:
                return None
            if name not in found.imports or name in found.constants:
                return found, name
            dotted = found.imports[name]
        return None

    def text(self, module: Module, node: ast.AST | None, depth: int = 0) -> str | None:
        """The string that an expression is, as far as constants tell; None when they do not."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if depth > 8:
            return None
        if isinstance(node, ast.JoinedStr):
            parts = [self.text(module, one.value if isinstance(one, ast.FormattedValue) else one, depth + 1) for one in node.values]
            return None if None in parts else "".join(parts)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self.text(module, node.left, depth + 1), self.text(module, node.right, depth + 1)
            return None if left is None or right is None else left + right
        if isinstance(node, (ast.Name, ast.Attribute)):
            found = self.thing(module, node)
            if found and found[1] in found[0].constants:
                return self.text(found[0], found[0].constants[found[1]], depth + 1)
            if isinstance(node, ast.Attribute):
                return self.settings.get(node.attr)
        return None

    @functools.cached_property
    def settings(self) -> dict[str, str | None]:
        """Literal defaults of the fields of settings classes; None for a name that has two."""
        found: dict[str, str | None] = {}
        for _, _, field in self.settings_fields:
            if isinstance(field.value, ast.Constant) and isinstance(field.value.value, str):
                found[field.target.id] = field.value.value if field.target.id not in found else None
        return found

    @functools.cached_property
    def settings_fields(self) -> list[tuple[Module, str, ast.AnnAssign]]:
        """(module, prefix of the variables, field) of the classes that pydantic fills from the environment."""
        classes = [(module, node) for module in self.modules.values() for node in module.nodes if isinstance(node, ast.ClassDef)]
        names = {"BaseSettings"}
        for _ in range(3):
            names |= {node.name for module, node in classes if any(module.dotted(base).rpartition(".")[2] in names for base in node.bases)}
        found = []
        for module, node in classes:
            if node.name in names:
                prefix = next((word.value.value for one in ast.walk(node) for word in (one.keywords if isinstance(one, ast.Call) else ()) if word.arg == "env_prefix" and isinstance(word.value, ast.Constant)), "")
                prefix = prefix or next((one.value.value for one in ast.walk(node) if isinstance(one, ast.Assign) and isinstance(one.value, ast.Constant) and getattr(one.targets[0], "id", "") == "env_prefix"), "")
                found += [(module, str(prefix), field) for field in node.body if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and field.target.id != "model_config" and "ClassVar" not in ast.dump(field.annotation)]
        return found


@functools.cache
def top_names() -> frozenset[str]:
    return frozenset(module.partition(".")[0] for found in catalogue()["pypi"].values() for _, module in found)


def read(tree: Tree, facts: Facts, services: list[Service], variables: dict[str, list]) -> Project:
    """The project; adds the facts of its code. variables: name of an environment variable -> [(service, file, line, whether a literal stands in for it)]."""
    project = Project(tree, facts, services)
    for module in project.modules.values():
        settings_module = module.path.rpartition("/")[2].startswith("settings") or "/settings/" in module.path
        for node in module.nodes:
            if isinstance(node, ast.Call):
                call(project, module, node, variables)
            elif isinstance(node, ast.Subscript) and module.dotted(node.value).endswith("environ") and (name := project.text(module, node.slice)):
                variables.setdefault(name, []).append((module.service, module.path, node.lineno, False))
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                function(project, module, node)
            elif isinstance(node, ast.Attribute) and node.attr in ("FILES", "files") and module.dotted(node.value).rpartition(".")[2] == "request":
                facts.add("upload", f"{module.path}:{node.attr}", {"service": module.service.name, "via": f"request.{node.attr}"}, module.path, node.lineno)
            elif settings_module and isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.partition(".")[0] in top_names():
                key = (module.service.folder, node.value)
                project.places.setdefault(key, ((module.path, node.lineno), (module.path, node.lineno)))
        if settings_module:
            for name, value in module.constants.items():
                if name in ("CORS_ALLOW_ALL_ORIGINS", "CORS_ORIGIN_ALLOW_ALL") and getattr(value, "value", None) is True:
                    facts.add("cors-open", module.path, {"service": module.service.name, "origin": "*"}, module.path, value.lineno)
    for module, prefix, field in project.settings_fields:
        alias = next((text for word in (field.value.keywords if isinstance(field.value, ast.Call) else ()) if word.arg in ("validation_alias", "alias", "env") and (text := project.text(module, word.value))), None)
        name, literal = alias or (prefix + field.target.id).upper(), field.value
        literal = literal.args[0] if isinstance(literal, ast.Call) and literal.args else next((word.value for word in literal.keywords if word.arg == "default"), None) if isinstance(literal, ast.Call) else literal
        variables.setdefault(name, []).append((module.service, module.path, field.lineno, isinstance(literal, ast.Constant) and isinstance(literal.value, str) and bool(literal.value)))
    return project


def call(project: Project, module: Module, node: ast.Call, variables: dict[str, list]) -> None:
    name = module.dotted(node.func)
    facts, service, words = project.facts, module.service, {word.arg: word.value for word in node.keywords if word.arg}
    if ENV_CALLS.search(name) and node.args and re.fullmatch(r"[A-Z][A-Z0-9_]+", text := project.text(module, node.args[0]) or ""):
        default = node.args[1] if len(node.args) > 1 else words.get("default")
        variables.setdefault(text, []).append((service, module.path, node.lineno, isinstance(default, ast.Constant) and isinstance(default.value, str) and bool(default.value)))
    elif name in CLIENTS or name.endswith((".ClientSession", ".urlopen")) and name.partition(".")[0] in ("aiohttp", "urllib"):
        outbound(project, module, node, name, words)
    elif isinstance(node.func, ast.Attribute) and node.func.attr in HTTP_CALLS and isinstance(node.func.value, ast.Name) and node.func.value.id in sessions(module):
        outbound(project, module, node, "requests.Session." + node.func.attr, words)
    for word in POOLS & words.keys():
        if isinstance(size := words[word], ast.Constant) and isinstance(size.value, int) and POOL_MAKERS.search(name):
            facts.add("pool", f"{service.name}:{word}:{module.path}", {"service": service.name, "setting": word, "size": size.value, "of": name.rpartition(".")[2]}, module.path, size.lineno)
    if "allow_origins" in words and isinstance(words["allow_origins"], (ast.List, ast.Tuple)) and any(project.text(module, one) == "*" for one in words["allow_origins"].elts):
        facts.add("cors-open", module.path, {"service": service.name, "origin": "*", "credentials": getattr(words.get("allow_credentials"), "value", False) is True}, module.path, words["allow_origins"].lineno)
    if name.endswith("add_job") and "apscheduler" in str(module.imports.values()):
        schedule = " ".join(f"{key}={value.value}" for key, value in words.items() if isinstance(value, ast.Constant) and key in ("hour", "minute", "second", "hours", "minutes", "seconds", "day", "day_of_week", "days", "weeks"))
        facts.add("job", f"cron:{module.path}:{schedule}", {"service": service.name, "type": "cron", "name": module.dotted(node.args[0]) if node.args else "", "schedule": schedule}, module.path, node.lineno)
    if name in ("signal.signal", "loop.add_signal_handler") and node.args and module.dotted(node.args[0]).endswith("SIGTERM"):
        facts.add("shutdown", f"{service.name}:SIGTERM", {"service": service.name, "signal": "SIGTERM"}, module.path, node.lineno)


@functools.lru_cache(maxsize=4)
def sessions(module: Module) -> frozenset[str]:
    """Names that hold a requests.Session."""
    made = set()
    for node in module.nodes:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and module.dotted(node.value.func) in ("requests.Session", "requests.session"):
            made |= {one.id for one in node.targets if isinstance(one, ast.Name)}
    return frozenset(made)


def outbound(project: Project, module: Module, node: ast.Call, name: str, words: dict[str, ast.expr]) -> None:
    given = words.get("timeout")
    timeout = CLIENTS.get(name, "none") if given is None else "none" if isinstance(given, ast.Constant) and given.value is None else "set"
    if name.endswith("ClientSession") and given is None:
        timeout = "300 s (aiohttp)"
    url = words.get("url") or words.get("base_url") or (node.args[1] if name.endswith(".request") and len(node.args) > 1 else node.args[0] if node.args else None)
    value = {"service": module.service.name, "call": name, "target": target_of(project, module, url), "timeout": timeout}
    project.facts.add("outbound", f"{module.path}:{name}:{value['target'] or ''}", value, module.path, node.lineno)


def target_of(project: Project, module: Module, node: ast.AST | None) -> str | None:
    """The host of a URL, "env NAME", or None when it is put together at run time."""
    if isinstance(node, ast.JoinedStr) and node.values:
        first = node.values[0]
        head = project.text(module, first.value if isinstance(first, ast.FormattedValue) else first)
        return host_of(head + ("/" if len(node.values) > 1 and isinstance(first, ast.FormattedValue) else "")) or None if head else None
    if isinstance(node, (ast.Subscript, ast.Call)):
        found = re.search(r"(?:environ\[|getenv\(|environ\.get\()['\"]([A-Z][A-Z0-9_]+)", ast.unparse(node))
        return f"env {found[1]}" if found else None
    text = project.text(module, node)
    return host_of(text) or None if text else None


def function(project: Project, module: Module, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    """Tasks, scheduled functions, uploads: what decorators and parameters say."""
    facts, service = project.facts, module.service
    for one in node.decorator_list:
        name = module.dotted(one.func if isinstance(one, ast.Call) else one)
        last = name.rpartition(".")[2]
        if last in ("shared_task", "actor") or last in ("task", "periodic_task", "job") and re.search(r"(?i)celery|huey|app|dramatiq|taskiq|broker|rq", name):
            facts.add("job", f"worker:{module.name}.{node.name}", {"service": service.name, "type": "worker", "name": f"{module.name}.{node.name}", "schedule": ""}, module.path, node.lineno)
        elif last == "scheduled_job":
            facts.add("job", f"cron:{module.name}.{node.name}", {"service": service.name, "type": "cron", "name": f"{module.name}.{node.name}", "schedule": schedule_of(one)}, module.path, node.lineno)
    for parameter in (*node.args.args, *node.args.kwonlyargs):
        if parameter.annotation is not None and "UploadFile" in ast.unparse(parameter.annotation):
            facts.add("upload", f"{module.path}:{node.name}", {"service": service.name, "via": "UploadFile"}, module.path, parameter.lineno)


def schedule_of(node: ast.AST) -> str:
    return " ".join(f"{word.arg}={word.value.value}" for word in getattr(node, "keywords", ()) if isinstance(word.value, ast.Constant) and word.arg)


def beat(project: Project) -> None:
    """The schedules of Celery's beat."""
    for module in project.modules.values():
        for node in module.nodes:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict) and module.dotted(node.targets[0]).rpartition(".")[2].lower() in ("beat_schedule", "celery_beat_schedule", "celerybeat_schedule"):
                for key, value in zip(node.value.keys, node.value.values):
                    name = project.text(module, key) if key else None
                    if name and isinstance(value, ast.Dict):
                        schedule = next((ast.unparse(one) for part, one in zip(value.keys, value.values) if part is not None and project.text(module, part) == "schedule"), "")
                        project.facts.add("job", f"cron:{name}", {"service": module.service.name, "type": "cron", "name": name, "schedule": schedule}, module.path, key.lineno)


def literals(node: ast.AST | None) -> Iterator[str]:
    """The strings of a list or tuple."""
    return (one.value for one in getattr(node, "elts", ()) if isinstance(one, ast.Constant) and isinstance(one.value, str))
