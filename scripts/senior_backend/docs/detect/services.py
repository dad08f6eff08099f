"""Which services a project holds, by their manifests: language, runtime, framework and the packages that they declare."""
from __future__ import annotations

import dataclasses
import functools
import json
import pathlib
import re
import tomllib
from typing import Any, Iterator

from senior_backend.docs.facts import Fact, Facts
from senior_backend.docs.tree import ASIDE, Tree, line_of

CATALOGUE = pathlib.Path(__file__).resolve().parents[4] / "assets" / "docs" / "libraries.json"
ECOSYSTEMS = {"node": "npm", "python": "pypi", "go": "go", "rust": "crates"}
# the file that a runtime's version stands in -> (runtime, the version in it)
VERSION_FILES = {".nvmrc": ("node", r"\s*v?(\S+)"), ".node-version": ("node", r"\s*v?(\S+)"), ".python-version": ("python", r"\s*(\d\S*)"), "runtime.txt": ("python", r"\s*python-(\S+)"),
                 "rust-toolchain": ("rust", r"\s*(\d\S*|stable|nightly)\s*$"), "rust-toolchain.toml": ("rust", r'channel\s*=\s*"([^"]+)'), ".ruby-version": ("ruby", r"\s*(?:ruby-)?(\d\S*)")}
# manifests of languages whose code is not read: (file name, language, framework, the place that proves it and its version)
OTHERS = (("Gemfile", "ruby", "rails", r"""gem ['"]rails['"](?:, *['"]([^'"]+))?"""), ("Gemfile", "ruby", "sinatra", r"""gem ['"]sinatra['"](?:, *['"]([^'"]+))?"""),
          ("pom.xml", "java", "spring-boot", r"<artifactId>spring-boot-starter(?:-parent|-web|-webflux)?</artifactId>(?:\s*<version>([^<$]+))?"), ("pom.xml", "java", "quarkus", r"<artifactId>quarkus-(?:bom|rest|resteasy)[\w-]*</artifactId>"),
          ("build.gradle", "java", "spring-boot", r"""org\.springframework\.boot['"]?\)? +version +['"]([^'"]+)"""), ("build.gradle.kts", "kotlin", "spring-boot", r"""org\.springframework\.boot"\) +version +"([^"]+)"""),
          ("build.gradle.kts", "kotlin", "ktor", r"io\.ktor[:.\w-]*(?:\") version \"([^\"]+)|io\.ktor:ktor-server"), ("composer.json", "php", "laravel", r'"laravel/framework": *"([^"]+)'), ("composer.json", "php", "symfony", r'"symfony/framework-bundle": *"([^"]+)'),
          ("mix.exs", "elixir", "phoenix", r"\{:phoenix, *\"([^\"]+)"))
LOCKS = {"package-lock.json": r'"node_modules/{}": \{{\s*"version": "([^"]+)"', "yarn.lock": r'^"?{}@[^\n]*:\n +version:? "?([^"\n]+)', "pnpm-lock.yaml": r"^ +'?{}'?:\n +specifier: [^\n]*\n +version: ([^\s(]+)",
         "poetry.lock": r'^name = "{}"\nversion = "([^"]+)"', "uv.lock": r'^name = "{}"\nversion = "([^"]+)"', "Cargo.lock": r'^name = "{}"\nversion = "([^"]+)"', "Pipfile.lock": r'"{}": \{{[^{{}}]*?"version": "==([^"]+)"'}
REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*\(?([^;#@)]*)")
GO_REQUIRE = re.compile(r"^\s*(?:require\s+)?([\w.-]+\.\w+/\S+|[\w.-]+/\S+)\s+(v\S+)(?:\s*//\s*(indirect))?", re.M)


@dataclasses.dataclass
class Dependency:
    version: str
    file: str
    line: int


@dataclasses.dataclass
class Service:
    """folder: its path with a slash at the end, "" for the root; kind: backend, frontend or library."""
    folder: str
    language: str
    name: str
    manifest: str
    line: int
    version: str = ""
    dependencies: dict[str, Dependency] = dataclasses.field(default_factory=dict)
    frameworks: list[str] = dataclasses.field(default_factory=list)
    kind: str = "library"
    data: dict[str, Any] = dataclasses.field(default_factory=dict)


@functools.cache
def catalogue() -> dict[str, dict[str, list[tuple[str, str]]]]:
    """ecosystem -> package -> [(category, what is imported)]; a package that ends with "=" is part of a standard library or of another package."""
    made: dict[str, dict[str, list[tuple[str, str]]]] = {}
    for ecosystem, categories in json.loads(CATALOGUE.read_text(encoding="utf-8")).items():
        packages = made.setdefault(ecosystem, {})
        for category, names in categories.items():
            for name in names.split():
                package, given, module = name.partition("=")
                default = package.replace("-", "_") if ecosystem in ("pypi", "crates") and not given else package
                packages.setdefault(package, []).append((category, module or default))
    return made


def read(tree: Tree, facts: Facts) -> list[Service]:
    """All services, deepest folder first."""
    found: dict[tuple[str, str], Service] = {}

    def service(path: str, language: str, name: str = "", line: int = 1, version: str = "", data: dict | None = None) -> Service:
        folder = path[:len(path) - len(path.rpartition("/")[2])]
        made = found.setdefault((folder, language), Service(folder, language, "", path, line))
        if name and not made.name:
            made.name, made.manifest, made.line, made.version = name, path, line, version
        made.data |= data or {}
        return made

    for path in tree.named("package.json"):
        if not ASIDE.search(path):
            node_service(tree, facts, path, service)
    for path in tree.named("pyproject.toml", "Pipfile", "setup.cfg", "setup.py") + [name for name in tree.matching(r"(?:^|/)requirements[\w.-]*\.(?:txt|in)$|(?:^|/)requirements/[\w.-]+\.(?:txt|in)$", "txt in")]:
        if not ASIDE.search(path):
            python_service(tree, facts, path, service)
    for path in tree.named("go.mod"):
        go_service(tree.read(path), path, service)
    for path in tree.named("Cargo.toml"):
        rust_service(tree, facts, path, service)
    other_services(tree, service)
    if not any(language == "python" for _, language in found):
        without_manifest(tree, service)
    services = sorted(found.values(), key=lambda one: (-one.folder.count("/"), one.folder, one.language))
    for one in services:
        one.name = one.name or one.folder.rstrip("/").rpartition("/")[2] or pathlib.Path(tree.root).name
        classify(one)
    return services


def object_of(tree: Tree, facts: Facts, path: str, load: Any) -> tuple[dict[str, Any], str]:
    text = tree.read(path)
    try:
        value = load(text)
    except (ValueError, RecursionError):
        facts.missing(f"{path} was not understood: it is not {'JSON' if path.endswith('json') else 'TOML'}")
        return {}, text
    return (value if isinstance(value, dict) else {}), text


def table(value: Any, *keys: str) -> dict[str, Any]:
    """A table within tables; empty where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def node_service(tree: Tree, facts: Facts, path: str, service: Any) -> None:
    data, text = object_of(tree, facts, path, json.loads)
    made = service(path, "node", str(data.get("name") or ""), line_of(text, r'"name"\s*:'), str(data.get("version") or ""), data)
    for section in ("devDependencies", "optionalDependencies", "dependencies"):
        start = max(text.find(f'"{section}"'), 0)
        for name, version in table(data, section).items():
            if section != "devDependencies" or any(category != "tests" for category, _ in catalogue()["npm"].get(name, ())):
                made.dependencies[name] = Dependency(str(version), path, line_of(text, rf'"{re.escape(name)}"\s*:', start))


def python_service(tree: Tree, facts: Facts, path: str, service: Any) -> None:
    name = path.rpartition("/")[2]
    if name == "pyproject.toml" or name == "Pipfile":
        data, text = object_of(tree, facts, path, tomllib.loads)
        project, poetry = table(data, "project"), table(data, "tool", "poetry")
        if name == "pyproject.toml" and not project and not poetry:
            return
        title = str(project.get("name") or poetry.get("name") or "")
        made = service(path, "python", title, line_of(text, r"^name\s*="), str(project.get("version") or poetry.get("version") or ""), data)
        listed = [one for group in (project.get("dependencies"), *table(project, "optional-dependencies").values()) if isinstance(group, list) for one in group if isinstance(one, str)]
        named = {**table(data, "packages"), **table(poetry, "dependencies")}
        declared = [(found[1], found[2].strip()) for one in listed if (found := REQUIREMENT.match(one))]
        declared += [(key, value if isinstance(value, str) else str(table(named, key).get("version", ""))) for key, value in named.items()]
    else:
        text = tree.read(path)
        if name.startswith("setup"):
            text = "\n".join(line if re.match(r"""\s*['"]?[A-Za-z][\w.-]*(?:\[[\w,]*\])?\s*(?:[<>=!~]=?[^'"]*)?['"]?,?\s*$""", line) else "" for line in text.split("\n"))
        lines = [line.strip().strip("'\",") for line in text.split("\n")]
        declared = [(found[1], found[2].strip()) for line in lines if not line.startswith(("#", "-", "[")) and (found := REQUIREMENT.match(line))]
        made = service(path[:-len(name)].removesuffix("requirements/") + name, "python")
    for key, version in declared:
        package = re.sub(r"[-_.]+", "-", key).lower()
        if package not in made.dependencies:
            loose = re.escape(package).replace(r"\-", "[-_.]")
            made.dependencies[package] = Dependency(version, path, line_of(text, rf"(?i)(?:^\s*|['\"])({loose})\s*(?:\[|[<>=!~;\s'\",]|$)"))


def without_manifest(tree: Tree, service: Any) -> None:
    """Python code that names a framework and has no manifest: the first such file stands for it."""
    for path in tree.with_suffix("py"):
        if match := re.search(r"^(?:from|import)\s+(fastapi|flask|django|starlette|sanic|falcon|bottle)\b", text := tree.read(path), re.M):
            made = service("app.py", "python")
            made.manifest, made.line = path, text.count("\n", 0, match.start()) + 1
            made.dependencies[match[1]] = Dependency("", path, made.line)
            return


def go_service(text: str, path: str, service: Any) -> None:
    module = re.search(r"^module\s+(\S+)", text, re.M)
    made = service(path, "go", module[1] if module else "", line_of(text, r"^module"), data={"go": (re.search(r"^go\s+(\S+)", text, re.M) or ["", ""])[1]})
    for found in GO_REQUIRE.finditer(text):
        if not found[3]:
            made.dependencies[found[1]] = Dependency(found[2], path, text.count("\n", 0, found.start(1)) + 1)


def rust_service(tree: Tree, facts: Facts, path: str, service: Any) -> None:
    data, text = object_of(tree, facts, path, tomllib.loads)
    package = table(data, "package")
    if not package:
        return
    version = package.get("version")
    made = service(path, "rust", str(package.get("name") or ""), line_of(text, r"^name\s*="), version if isinstance(version, str) else "", data)
    for name, value in table(data, "dependencies").items():
        made.dependencies[name] = Dependency(value if isinstance(value, str) else str(table(data, "dependencies", name).get("version") or "workspace"), path, line_of(text, rf"^(?:dependencies\.)?{re.escape(name)}\s*[.=]"))


def other_services(tree: Tree, service: Any) -> None:
    for name, language, framework, pattern in OTHERS:
        for path in tree.named(name):
            found = re.search(pattern, text := tree.read(path))
            made = service(path, language)
            if found:
                made.dependencies[framework] = Dependency((found.lastindex and found[1]) or "", path, text.count("\n", 0, found.start()) + 1)
                made.frameworks.append(framework)
    for path in tree.with_suffix("csproj"):
        text = tree.read(path)
        made = service(path, "dotnet", path.rpartition("/")[2].removesuffix(".csproj"))
        if 'Sdk="Microsoft.NET.Sdk.Web"' in text:
            made.frameworks.append("aspnetcore")
            made.dependencies["aspnetcore"] = Dependency((re.search(r"<TargetFramework>([^<]+)", text) or ["", ""])[1], path, line_of(text, "Sdk.Web"))


def categories(service: Service, package: str) -> list[tuple[str, str]]:
    known = catalogue().get(ECOSYSTEMS.get(service.language, ""), {})
    if service.language == "go":
        package = re.sub(r"/v\d+$|\.v\d+$", "", package) if package not in known else package
        return known.get(package) or next((known[one] for one in known if package.startswith(one + "/")), [])
    return known.get(package, [])


def classify(service: Service) -> None:
    kinds = {name: {category for category, _ in categories(service, name)} for name in service.dependencies}
    service.frameworks += [name for name, found in kinds.items() if "framework" in found]
    found = set().union(*kinds.values()) if kinds else set()
    if service.frameworks:
        service.kind = "backend"
    elif "frontend" in found:
        service.kind = "frontend"
    elif found & {"queue", "server", "jobs", "database", "orm"}:
        service.kind = "backend"


def owner(services: list[Service], path: str, language: str = "") -> Service | None:
    """The service whose folder a file lies in, the deepest."""
    fitting = [one for one in services if path.startswith(one.folder)]
    return next((one for one in fitting if one.language == language), None) if language else fitting[0] if fitting else None


def tell(tree: Tree, facts: Facts, services: list[Service], imports: dict[tuple[str, str], Fact | tuple]) -> None:
    """The facts of all services. imports: (folder of the service, what is imported) -> (file and line of the import, file and line of its use or None)."""
    for service in services:
        if service.kind == "library" and not any(folder == service.folder for folder, _ in imports):
            continue
        value = {"name": service.name, "folder": service.folder.rstrip("/") or ".", "language": service.language, "kind": service.kind, "version": service.version}
        facts.add("service", f"{value['folder']}:{service.language}", value, service.manifest, service.line)
        if service.kind != "frontend":
            tell_runtimes(tree, facts, service)
            tell_libraries(tree, facts, service, imports)


def tell_runtimes(tree: Tree, facts: Facts, service: Service) -> None:
    def told(name: str, version: Any, file: str, pattern: str) -> None:
        if isinstance(version, str) and version:
            facts.add("runtime", f"{service.name}:{name}:{version}", {"service": service.name, "name": name, "version": version}, file, line_of(tree.read(file), pattern))

    data, manifest = service.data, service.manifest
    if service.language == "node":
        for name, version in table(data, "engines").items():
            told(name, version, manifest, r'"engines"')
        manager = data.get("packageManager")
        if isinstance(manager, str) and "@" in manager:
            told(manager.partition("@")[0], manager.partition("@")[2].partition("+")[0], manifest, r'"packageManager"')
    elif service.language == "python":
        told("python", table(data, "project").get("requires-python"), manifest, r"^requires-python")
        told("python", table(data, "tool", "poetry", "dependencies").get("python"), manifest, r"^python\s*=")
        told("python", table(data, "requires").get("python_version"), service.folder + "Pipfile", r"^python_version") if "requires" in data else None
    elif service.language == "go":
        told("go", data.get("go"), manifest, r"^go\s")
    elif service.language == "rust":
        told("rust", table(data, "package").get("rust-version"), manifest, r"^rust-version")
    for name, (runtime, pattern) in VERSION_FILES.items():
        if runtime == service.language and service.folder + name in tree.by_name.get(name, ()):
            told(runtime, (re.search(pattern, tree.read(service.folder + name)) or ["", ""])[1], service.folder + name, pattern)


def tell_libraries(tree: Tree, facts: Facts, service: Service, imports: dict) -> None:
    def used(module: str) -> tuple:
        reach = (place for (folder, name), place in imports.items() if folder == service.folder and (name == module or name.startswith((module + "/", module + "."))))
        return min(reach, key=lambda place: (place[1] is None, place[0]), default=(None, None))

    for name, declared in service.dependencies.items():
        found = {}
        for category, module in categories(service, name):
            found.setdefault(category, module if service.language != "go" else re.sub(r"/v\d+$", "", name))
        for category, module in found.items():
            imported, use = used(module)
            if category == "framework":
                short = name if service.language != "go" else re.sub(r"/v\d+$", "", name).rpartition("/")[2]
                value = {"service": service.name, "name": short, "version": declared.version, "locked": locked(tree, service, name), "imported": imported and f"{imported[0]}:{imported[1]}"}
                facts.add("framework", f"{service.name}:{name}", value, declared.file, declared.line)
            elif category != "frontend":
                library(facts, service, name, category, declared.version, locked(tree, service, name), imported, use, (declared.file, declared.line))
    for name, listed in catalogue().get(ECOSYSTEMS.get(service.language, ""), {}).items():      # parts of a standard library or of a framework
        for category, module in listed:
            if module == name and name not in service.dependencies and part(service, name) and (place := used(name))[0]:
                library(facts, service, name, category, "", "", *place, place[0])


def part(service: Service, name: str) -> bool:
    """Whether an import is a part of the standard library or of a declared package."""
    if service.language == "go":
        return "." not in name.partition("/")[0] or any(name.startswith(one + "/") for one in service.dependencies)
    return service.language == "python" and (name == "logging" or "." in name)


def library(facts: Facts, service: Service, name: str, category: str, version: str, fixed: str, imported: Any, use: Any, place: tuple[str, int]) -> None:
    value = {"service": service.name, "name": name, "category": category, "version": version, "locked": fixed, "imported": imported and f"{imported[0]}:{imported[1]}", "used": use and f"{use[0]}:{use[1]}"}
    facts.add("library", f"{service.name}:{category}:{name}", value, *place)


@functools.lru_cache(maxsize=8)
def lock_text(tree: Tree, path: str) -> str:
    """Lock files are longer than sources."""
    try:
        return (tree.root / path).read_text(encoding="utf-8", errors="replace") if (tree.root / path).stat().st_size < 32 << 20 else ""
    except OSError:
        return ""


def locked(tree: Tree, service: Service, name: str) -> str:
    """The version that a lock file fixes, of the service's folder or one above."""
    folders = [service.folder]
    while folders[-1]:
        folders.append(folders[-1].rstrip("/").rpartition("/")[0] + "/" if "/" in folders[-1].rstrip("/") else "")
    for folder in folders:
        for lock, pattern in LOCKS.items():
            if folder + lock in tree.by_name.get(lock, ()):
                found = re.search(pattern.format(re.escape(name)), lock_text(tree, folder + lock), re.M)
                if found:
                    return found[1]
    return ""


def scanned(services: list[Service], names: list[str], language: str) -> Iterator[tuple[str, Service]]:
    """Sources with the service that they belong to, without those of frontends."""
    for name in names:
        service = owner(services, name, language)
        if service and service.kind != "frontend":
            yield name, service
