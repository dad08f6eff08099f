"""The files of a folder: which are sources, how they are parsed, and what an import leads to."""
from __future__ import annotations

import itertools
import json
import os
import pathlib
import posixpath
import re
from typing import Any, Iterator

from senior_backend.console import CommandError, ExitCode
from senior_backend.dependencies import require
from senior_backend.routes.generated import FILES, MANIFEST
from senior_backend.routes.modules import Module
from senior_backend.routes.values import Arr, Obj, Unknown

ENDINGS = (".ts", ".js", ".mts", ".mjs", ".cts", ".cjs", ".tsx", ".jsx")
CONFIGS = ("tsconfig.json", "jsconfig.json", "tsconfig.base.json")
SKIPPED = frozenset("node_modules bower_components dist coverage test tests __tests__ __mocks__ e2e cypress".split())
OUTPUT = SKIPPED | frozenset("built bundle bundles build out vendor public static tmp docs".split())      # skipped beside package.json; below src they may hold routes
NOT_SOURCES = re.compile(r"(?:\.|-|_)(?:test|spec|min|bundle|stories)\.[cm]?[jt]sx?$|\.d\.[cm]?ts$|^\.|^(?:jest|vite|vitest|webpack|rollup|next|nuxt|vue|tailwind|postcss|eslint|prettier|babel|tsup|playwright|cypress|ecosystem|karma)\.config\.[cm]?[jt]s$")
LARGEST, MOST_FILES, MOST_TEXTS = 2 << 20, 20_000, 50       # bytes of one file; what is larger was not written by people
LONG_LINE = 5_000                           # characters per line on average that only minified files have
ROUTING = re.compile(rb"express|[fF]astify|\b[kK]oa\b|[rR]outer|\.listen\(|\.register\(")
IMPORTED = re.compile(rb"""(?:\bfrom|\brequire\(|\bimport\(?)\s*['"]([^'"\n]+)""")
COMMENT_OR_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|/\*.*?\*/|,(?=\s*[}\]])', re.DOTALL)


class File:
    """A source file; tree is parsed when it is first asked for."""
    __slots__ = ("name", "source", "parser", "parsed")

    def __init__(self, name: str, source: bytes, parser: Any):
        self.name, self.source, self.parser, self.parsed = name, source, parser, None

    @property
    def tree(self) -> Any:
        if self.parsed is None:
            self.parsed = self.parser.parse(self.source)
        return self.parsed


class Sources:
    """skipped: (file, why); configs: package.json and the like by name; generated: folders that the scaffolder wrote."""

    def __init__(self, folder: pathlib.Path, packages: dict):
        self.root, self.packages, self.loaded, self.modules = folder, packages, {}, {}
        self.files: dict[str, File] = {}
        self.skipped: list[tuple[str, str]] = []
        self.configs: dict[str, Any] = {}
        self.resolved: dict[tuple[str, str], str | None] = {}
        self.closest: dict[tuple[str, str, str], tuple[str, dict]] = {}
        self.known_aliases: dict[str, list[tuple[str, str, list]]] = {}
        self.generated: set[str] = set()
        self.it: Any = None
        tree_sitter, grammar = require("tree_sitter"), require("tree_sitter_typescript")
        self.parsers = [tree_sitter.Parser(tree_sitter.Language(language())) for language in (grammar.language_tsx, grammar.language_typescript)]
        self.gather()
        self.workspace = {config["name"]: posixpath.dirname(name) for name, config in self.configs.items() if name.endswith("package.json") and isinstance(config.get("name"), str)}

    # the files of the folder
    def gather(self) -> None:
        try:
            names = sorted(self.walk())
        except OSError as error:
            raise CommandError(f"{self.root} cannot be read: {error.strerror or error}", "name a folder with the sources of a server", ExitCode.ENVIRONMENT) from error
        for name in names:
            (self.read_config if name.endswith(".json") else self.read)(name)

    def walk(self) -> list[str]:
        found = []
        for folder, folders, files in os.walk(self.root):
            here = pathlib.Path(folder).relative_to(self.root).as_posix()
            skipped = OUTPUT if here == "." or "package.json" in files else SKIPPED
            folders[:] = sorted(name for name in folders if name not in skipped and not name.startswith("."))
            start = "" if here == "." else here + "/"
            if MANIFEST in files:
                self.generated.add(start)
            found += [start + name for name in files if name.endswith(ENDINGS) and not NOT_SOURCES.search(name) or name == "package.json" or name in CONFIGS]
        return found

    def read(self, name: str) -> None:
        path, why = os.path.join(self.root, name), ""
        try:
            if os.path.islink(path) and not pathlib.Path(path).resolve().is_relative_to(self.root.resolve()) or not os.path.isfile(path):
                return
            with open(path, "rb") as file:
                source = file.read(LARGEST + 1)
        except OSError as error:
            self.skipped.append((name, f"it cannot be read: {error.strerror or error}"))
            return
        try:
            source = source.decode("utf-16").encode() if source[:2] in (b"\xff\xfe", b"\xfe\xff") else source.decode("utf-8", "replace").encode()
        except UnicodeDecodeError:
            why = "it is not text"
        why = why or (f"it has more than {LARGEST >> 20} MB" if len(source) > LARGEST else "it is not text" if b"\0" in source else "it is minified" if len(source) / (source.count(b"\n") + 1) > LONG_LINE else "")
        if why:
            self.skipped.append((name, why))
        else:
            self.files[name] = File(name, source, self.parsers[name.rpartition(".")[2] in ("ts", "mts", "cts")])

    def read_config(self, name: str) -> None:
        try:
            text = (self.root / name).read_text(encoding="utf-8-sig")
            config = json.loads(COMMENT_OR_TEXT.sub(lambda found: found[0] if found[0][0] == '"' else "", text))
        except (OSError, ValueError, RecursionError):
            return
        if isinstance(config, dict):
            self.configs[name] = config

    # what imports lead to
    def module(self, it: Any, importer: File, specifier: str) -> Any:
        """The module, or the value of a package: Unknown with its name when nothing is known of it."""
        name = self.resolve(importer.name, specifier)
        if name is not None:
            return self.known(name) or self.load(name)
        if specifier.startswith((".", "/")):
            config = self.configs.get(posixpath.normpath(posixpath.join(posixpath.dirname(importer.name), specifier)))
            return Unknown(why=specifier) if config is None else as_value(config)
        bare = specifier.removeprefix("node:")
        if bare not in self.loaded:
            self.loaded[bare] = self.packages[bare](it) if bare in self.packages else Unknown(why=bare)
        return self.loaded[bare]

    def known(self, name: str) -> Any:
        """What is known of a file without reading it: the runtime of generated servers."""
        folder, base = name[:name.rfind("/") + 1], name.rpartition("/")[2]
        return Obj(dict(FILES[base]), open=True) if base in FILES and folder in self.generated else None

    def holds_validators(self, name: str) -> bool:
        return name.rpartition("/")[2] == "validators.ts" and name[:name.rfind("/") + 1] in self.generated

    def load(self, name: str) -> Module:
        if name not in self.modules:
            self.modules[name] = Module(self.files[name], self.it)
        return self.modules[name]

    def resolve(self, importer: str, specifier: str) -> str | None:
        """The file that an import leads to; None when it leads out of the folder."""
        key = importer.rpartition("/")[0], specifier
        if key not in self.resolved:
            self.resolved[key] = next((found for wish in self.wishes(*key) if (found := self.file(wish))), None)
        return self.resolved[key]

    def wishes(self, folder: str, specifier: str) -> list[str]:
        """The paths that a specifier may stand for: relative ones, and those that configs and the workspace give."""
        if specifier.startswith((".", "/")):
            return [posixpath.normpath(posixpath.join(folder, specifier)) if specifier.startswith(".") else specifier.lstrip("/")]
        found: list[str] = []
        for root, pattern, targets in self.aliases(folder):
            start, star, end = pattern.partition("*")
            if specifier == pattern or star and specifier.startswith(start) and specifier.endswith(end):
                found += [posixpath.normpath(posixpath.join(root, target.replace("*", specifier[len(start):len(specifier) - len(end)]))) for target in targets if isinstance(target, str)]
        package = next((name for name in self.workspace if specifier == name or specifier.startswith(name + "/")), None)
        return found + [posixpath.join(self.workspace[package], part, specifier[len(package) + 1:]) for part in ("", "src")] if package is not None else found

    def file(self, path: str) -> str | None:
        path = "" if path == "." else path.rstrip("/")
        start, dot, ending = path.rpartition(".")
        wishes = [path, *(path + ending for ending in ENDINGS)]
        wishes += [f"{start}.{ending.replace('js', 'ts')}", f"{start}.tsx"] if dot and ending in ("js", "mjs", "cjs", "jsx") else []
        index = f"{path}/index" if path else "index"
        return next((wish for wish in wishes if wish in self.files), None) or next((index + ending for ending in ENDINGS if index + ending in self.files), None)

    def aliases(self, folder: str) -> list[tuple[str, str, list]]:
        """(folder, pattern, targets) of paths and baseUrl in tsconfig.json, of imports and _moduleAliases in package.json."""
        if folder not in self.known_aliases:
            self.known_aliases[folder] = list(self.configured(folder))
        return self.known_aliases[folder]

    def configured(self, folder: str) -> Iterator[tuple[str, str, list]]:
        for name in CONFIGS if self.configs else ():
            base, options = self.nearest(folder, name, "compilerOptions")
            root = posixpath.join(base, options["baseUrl"] if isinstance(options.get("baseUrl"), str) else ".")
            paths = options.get("paths")
            yield from ((root, pattern, targets) for pattern, targets in (paths.items() if isinstance(paths, dict) else ()) if isinstance(targets, list))
            yield from [(root, "*", ["*"])] if "baseUrl" in options else []
        base, imports = self.nearest(folder, "package.json", "imports")
        yield from ((base, pattern, list(target.values()) if isinstance(target, dict) else [target]) for pattern, target in imports.items())
        base, imports = self.nearest(folder, "package.json", "_moduleAliases")
        yield from ((base, pattern + end, [target + end]) for pattern, target in imports.items() if isinstance(target, str) for end in ("", "/*"))

    def nearest(self, folder: str, name: str, member: str) -> tuple[str, dict]:
        """The folder and a member of the closest config above a folder that has it."""
        key = folder, name, member
        if key not in self.closest:
            found = self.configs.get(f"{folder}/{name}" if folder else name, {}).get(member)
            self.closest[key] = (folder, found) if isinstance(found, dict) else self.nearest(folder.rpartition("/")[0], name, member) if folder else ("", {})
        return self.closest[key]

    def relevant(self) -> list[str]:
        """The files that have to do with routes, and those that import such files."""
        found = {name for name, file in self.files.items() if ROUTING.search(file.source)}
        imports = {name: {target for text in IMPORTED.findall(file.source) if (target := self.resolve(name, text.decode("utf-8", "replace")))} for name, file in self.files.items()}
        while more := {name for name, targets in imports.items() if name not in found and targets & found}:
            found |= more
        names = [name for name in self.files if name in found]
        self.skipped += [(name, f"more than {MOST_FILES} files that have to do with routes: the rest is not read") for name in names[MOST_FILES:MOST_FILES + 1]]
        return names[:MOST_FILES]

    def texts(self, pattern: str) -> list[tuple[str, str]]:
        """(name, text) of the YAML files in the folder that a pattern names."""
        if ".." in pattern or not pattern.endswith((".yaml", ".yml")):
            return []
        bases = {self.root, *(self.root / posixpath.dirname(name) for name in self.configs if name.endswith("package.json"))}
        found = sorted(itertools.islice((path for base in sorted(bases) for path in base.glob(pattern.lstrip("/").removeprefix("./"))), MOST_TEXTS))
        return [(path.relative_to(self.root).as_posix(), path.read_text(encoding="utf-8", errors="replace")) for path in found if path.is_file() and not path.is_symlink() and path.stat().st_size <= LARGEST]

    def inside(self, path: str) -> list[str]:
        """The files below a folder, relative to it."""
        start = path.strip("/") + "/" if path.strip("/") else ""
        return [name[len(start):] for name in self.files if name.startswith(start)]

    def listing(self, path: str) -> list[str] | None:
        """The names in a folder, as far as they are sources or folders with sources."""
        return list(dict.fromkeys(name.partition("/")[0] for name in self.inside(path))) or None

    def below(self, path: str) -> list[tuple[str, Module]] | None:
        """(name relative to a folder, module) of all sources below it."""
        return [(name, self.load(posixpath.join(path.strip("/"), name))) for name in self.inside(path)] or None


def as_value(data: Any) -> Any:
    if isinstance(data, dict):
        return Obj({name: as_value(member) for name, member in data.items()})
    return Arr([as_value(item) for item in data]) if isinstance(data, list) else data
