"""Which services a project holds, by their manifests: language, runtime, framework and the packages that they declare."""

from __future__ import annotations

import dataclasses
import functools
import json
import pathlib
import re
import tomllib
from typing import Any

from senior_backend.docs.facts import Facts
from senior_backend.docs.tree import Tree, line_of

CATALOGUE = pathlib.Path(__file__).resolve().parents[4] / "assets" / "docs" / "libraries.json"
Place = tuple[str, int]
Imports = dict[tuple[str, str], tuple[Place, Place | None]]  # (folder of the service, what is imported) -> where it is imported and used
# file that holds a runtime's version -> (language, the version in it)
VERSION_FILES = {
    ".nvmrc": ("node", r"v?(\S+)"),
    ".node-version": ("node", r"v?(\S+)"),
    ".python-version": ("python", r"(\d\S*)"),
    "runtime.txt": ("python", r"python-(\S+)"),
    "rust-toolchain.toml": ("rust", r'channel\s*=\s*"([^"]+)'),
}
LOCKS = {
    "package-lock.json": r'"node_modules/{}": \{{\s*"version": "([^"]+)"',
    "yarn.lock": r'^"?{}@[^\n]*:\n +version:? "?([^"\n]+)',
    "pnpm-lock.yaml": r"^ +'?{}'?:\n +specifier: [^\n]*\n +version: ([^\s(]+)",
    "Pipfile.lock": r'"{}": \{{[^{{}}]*?"version": "==([^"]+)"',
    **dict.fromkeys(("poetry.lock", "uv.lock", "Cargo.lock"), r'^name = "{}"\nversion = "([^"]+)"'),
}
REQUIREMENT = re.compile(r"\s*['\"]?([A-Za-z][\w.-]*)\s*(?:\[[^\]]*\])?\s*\(?([^;#@)'\"]*)")
GO_REQUIRE = re.compile(r"^\s*(?:require\s+)?([\w.-]+/\S+)\s+(v\S+)(?!.*// indirect)", re.M)
SIDE = re.compile(r"(?i)(?:^|/)(?:env|config|settings|seeds?|migrations?|alembic|scripts?|tools?)[\w.-]*(?:/|$)")  # uses elsewhere say more
BACKEND = {"framework", "queue", "server", "jobs", "database", "orm"}


@dataclasses.dataclass
class Service:
    """folder: its path with a slash at the end, "" for the root; packages: name -> (version, file, line); kind: backend, frontend or library."""

    folder: str
    language: str
    manifest: str
    name: str = ""
    line: int = 1
    version: str = ""
    packages: dict[str, tuple[str, str, int]] = dataclasses.field(default_factory=dict)
    frameworks: list[str] = dataclasses.field(default_factory=list)
    kind: str = "library"
    data: dict[str, Any] = dataclasses.field(default_factory=dict)

    def categories(self, package: str) -> list[tuple[str, str]]:
        known = catalogue().get(self.language, {})
        package = bare(package) if self.language == "go" else package
        return known.get(package, [])


@functools.cache
def catalogue() -> dict[str, dict[str, list[tuple[str, str]]]]:
    """language -> package -> [(category, what is imported)]"""
    made: dict[str, dict[str, list[tuple[str, str]]]] = {}
    for language, groups in json.loads(CATALOGUE.read_text(encoding="utf-8")).items():
        for category, names in groups.items():
            for package, given, module in (name.partition("=") for name in names.split()):
                default = package.replace("-", "_") if language in ("python", "rust") and not given else package
                made.setdefault(language, {}).setdefault(package, []).append((category, module or default))
    return made


def bare(module: str) -> str:
    """A path of Go without its major version."""
    return re.sub(r"[/.]v\d+$", "", module)


def folder_of(path: str) -> str:
    return path[: path.rfind("/") + 1]


def table(value: Any, *keys: str) -> dict[str, Any]:
    """A table within tables; empty where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def word(value: Any) -> str:
    return value if isinstance(value, str) else ""


class Reader:
    """Reads all manifests of a tree."""

    def __init__(self, tree: Tree, facts: Facts):
        self.tree, self.facts, self.found = tree, facts, dict[tuple[str, str], Service]()

    def service(self, path: str, language: str, data: dict[str, Any] | None = None, name: Any = "", version: Any = "", pattern: str = "") -> Service:
        made = self.found.setdefault((folder_of(path), language), Service(folder_of(path), language, path))
        if word(name) and not made.name:
            made.name, made.manifest, made.version, made.line = name, path, word(version), line_of(self.tree.read(path), pattern)
        made.data |= data or {}
        return made

    def object(self, path: str) -> dict[str, Any]:
        try:
            value = (json.loads if path.endswith("json") else tomllib.loads)(self.tree.read(path))
            return value if isinstance(value, dict) else {}
        except (ValueError, RecursionError):
            self.facts.missing(f"{path} was not understood: it is not {'JSON' if path.endswith('json') else 'TOML'}")
            return {}

    def read(self) -> list[Service]:
        """All services, deepest folder first."""
        for path in self.tree.named("package.json"):
            self.node(path)
        for path in self.tree.named("pyproject.toml", "Pipfile", "setup.py", "setup.cfg") + self.tree.matching(
            r"(?:^|/)requirements(?:[\w.-]*\.(?:txt|in)$|/[\w.-]+\.(?:txt|in)$)", "txt in"
        ):
            self.python(path)
        for path in self.tree.named("go.mod"):
            text = self.tree.read(path)
            made = self.service(
                path, "go", {"go": line[1] if (line := re.search(r"^go\s+(\S+)", text, re.M)) else ""}, (re.findall(r"^module\s+(\S+)", text, re.M) or [""])[0],
                "", r"^module"
            )
            made.packages |= {found[1]: (found[2], path, text.count("\n", 0, found.start(1)) + 1) for found in GO_REQUIRE.finditer(text)}
        for path in self.tree.named("Cargo.toml"):
            data = self.object(path)
            if package := table(data, "package"):
                made = self.service(path, "rust", data, package.get("name"), package.get("version"), r"^name\s*=")
                for name, value in table(data, "dependencies").items():
                    self.declare(made, path, name, word(value) or word(table(value).get("version")), rf"^(?:dependencies\.)?{re.escape(name)}\s*[.=]")
        if not any(language == "python" for _, language in self.found):
            self.without_manifest()
        services = sorted(self.found.values(), key=lambda one: (-one.folder.count("/"), one.folder, one.language))
        for one in services:
            one.name = one.name or one.folder.rstrip("/").rpartition("/")[2] or self.tree.root.name
            kinds = {category for name in one.packages for category, _ in one.categories(name)}
            one.frameworks = [name for name in one.packages if any(category == "framework" for category, _ in one.categories(name))]
            one.kind = "backend" if one.frameworks else "frontend" if "frontend" in kinds else "backend" if kinds & BACKEND else "library"
        return services

    def declare(self, made: Service, path: str, name: str, version: str, pattern: str, start: int = 0) -> None:
        made.packages.setdefault(name, (version, path, line_of(self.tree.read(path), pattern, start)))

    def node(self, path: str) -> None:
        data, text = self.object(path), self.tree.read(path)
        made = self.service(path, "node", data, data.get("name"), data.get("version"), r'"name"\s*:')
        for section in ("dependencies", "optionalDependencies", "devDependencies"):
            for name, version in table(data, section).items():
                self.declare(made, path, name, word(version), rf'"{re.escape(name)}"\s*:', max(text.find(f'"{section}"'), 0))

    def python(self, path: str) -> None:
        name, text = path.rpartition("/")[2], self.tree.read(path)
        data = self.object(path) if name in ("pyproject.toml", "Pipfile") else {}
        project, poetry = table(data, "project"), table(data, "tool", "poetry")
        if name == "pyproject.toml" and not project and not poetry:
            return
        made = self.service(
            path.replace("requirements/", ""), "python", data, project.get("name") or poetry.get("name"), project.get("version") or poetry.get("version"),
            r"^name\s*="
        )
        if data:
            named = {**table(data, "packages"), **table(poetry, "dependencies")}
            listed = [
                one for group in (project.get("dependencies"), *table(project, "optional-dependencies").values()) if isinstance(group, list) for one in group
            ]
            lines = [*map(word, listed), *(f"{key} {word(value) or word(table(value).get('version'))}" for key, value in named.items())]
        else:
            lines = [
                line
                for line in text.split("\n")
                if not line.lstrip().startswith(("#", "-", "["))
                and (name[:5] != "setup" or re.match(r"\s*['\"]?[A-Za-z][\w.-]*(?:\[.*\])?[<>=~!\d., ]*['\"]?,?$", line))
            ]
        for found in filter(None, map(REQUIREMENT.match, lines)):
            package = re.sub(r"[-_.]+", "-", found[1]).lower()
            self.declare(
                made, path, package, found[2].strip(" ,"), r"(?i)(?:^\s*|['\"])(%s)(?=[\s\[<>=!~;'\",]|$)" % re.escape(package).replace(r"\-", "[-_.]")
            )

    def without_manifest(self) -> None:
        """Python code that names a framework and has no manifest: the first such file stands for it."""
        for path in self.tree.matching(r"", "py"):
            if match := re.search(r"^(?:from|import)\s+(fastapi|flask|django|starlette)\b", self.tree.read(path), re.M):
                made = self.found["", "python"] = Service("", "python", path, "", line_of(self.tree.read(path), match.re.pattern))
                made.packages[match[1]] = ("", path, made.line)
                return


def owner(services: list[Service], path: str, language: str) -> Service | None:
    """The service of a language whose folder a file lies in, the deepest."""
    return next((one for one in services if one.language == language and path.startswith(one.folder)), None)


def tell(tree: Tree, facts: Facts, services: list[Service], imports: Imports) -> None:
    """The facts of all services that have anything to do with a backend."""
    for one in services:
        if one.kind == "library" and not any(folder == one.folder for folder, _ in imports):
            continue
        folder = one.folder.rstrip("/") or "."
        facts.add(
            "service", f"{folder}:{one.language}", {"name": one.name, "folder": folder, "language": one.language, "kind": one.kind, "version": one.version},
            one.manifest, one.line
        )
        if one.kind != "frontend":
            for name, version, file, pattern in runtimes(tree, one):
                facts.add(
                    "runtime", f"{one.name}:{name}:{version}", {"service": one.name, "name": name, "version": version}, file, line_of(tree.read(file), pattern)
                )
            libraries(tree, facts, one, imports)


def runtimes(tree: Tree, one: Service) -> list[tuple[str, str, str, str]]:
    """(name, version, file, pattern of its line)"""
    data, manifest = one.data, one.manifest
    manager = word(data.get("packageManager")).partition("+")[0].partition("@")
    found = [(name, word(version), manifest, '"engines"') for name, version in table(data, "engines").items()] + [
        (manager[0], manager[2], manifest, '"packageManager"')
    ]
    found += [
        ("python", word(table(data, "project").get("requires-python")), manifest, "^requires-python"),
        ("python", word(table(data, "tool", "poetry", "dependencies").get("python")), manifest, r"^python\s*="),
        ("python", word(table(data, "requires").get("python_version")), one.folder + "Pipfile", "^python_version"),
        ("go", word(data.get("go")), manifest, r"^go\s"), ("rust", word(table(data, "package").get("rust-version")), manifest, "^rust-version")
    ]
    for name, (language, pattern) in VERSION_FILES.items():
        if language == one.language and one.folder + name in tree:
            found.append((language, (re.findall(pattern, tree.read(one.folder + name)) or [""])[0], one.folder + name, pattern))
    return [row for row in found if row[1]]


def libraries(tree: Tree, facts: Facts, one: Service, imports: Imports) -> None:
    def used(module: str) -> tuple[Place | None, Place | None]:
        reach = [
            place for (folder, name), place in imports.items() if folder == one.folder and (name == module or name.startswith((module + "/", module + ".")))
        ]
        return min(reach, key=lambda place: (place[1] is None, bool(SIDE.search(place[0][0])), place[0]), default=(None, None))

    def library(name: str, category: str, version: str, module: str, place: Place | None) -> None:
        imported, use = used(module)
        value = {
            "service": one.name, "name": name, "category": category, "version": version, "locked": locked(tree, one, name) if version else "",
            "imported": imported and "%s:%d" % imported, "used": use and "%s:%d" % use
        }
        if category == "framework":
            value["name"] = bare(name).rpartition("/")[2] if one.language == "go" else name
        if place or imported:
            facts.add("framework" if category == "framework" else "library", f"{one.name}:{category}:{name}", value, *(place or imported))

    for name, (version, *place) in one.packages.items():
        for category, module in one.categories(name):
            if category not in ("frontend", "tests"):
                library(name, category, version, bare(name) if one.language == "go" else module, tuple(place))
    for name, listed in catalogue().get(one.language, {}).items():  # parts of a standard library or of a declared package
        for category, module in listed:
            if (
                module == name
                and name not in one.packages
                and (
                    "." in name
                    if one.language == "python"
                    else one.language == "go" and ("." not in name.partition("/")[0] or any(name.startswith(known + "/") for known in one.packages))
                )
            ):
                library(name, category, "", name, None)


def locked(tree: Tree, one: Service, name: str) -> str:
    """The version that a lock file fixes, of the service's folder or one above."""
    folder = one.folder
    while True:
        for lock, pattern in LOCKS.items():
            if folder + lock in tree and (found := re.search(pattern.format(re.escape(name)), lock_text(tree.root / (folder + lock)), re.M)):
                return found[1]
        if not folder:
            return ""
        folder = folder_of(folder.rstrip("/"))


@functools.lru_cache(maxsize=8)
def lock_text(path: pathlib.Path) -> str:
    """Lock files are longer than sources."""
    try:
        return path.read_text(encoding="utf-8", errors="replace") if path.stat().st_size < 32 << 20 else ""
    except OSError:
        return ""
