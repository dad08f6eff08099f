"""The files of a project that may be read: what is ignored, installed or generated is passed over, links are never followed; and places in their texts."""
from __future__ import annotations

import bisect
import functools
import os
import pathlib
import re
from typing import Iterator

from senior_backend.console import CommandError, ExitCode
from senior_backend.docs.facts import Facts

SKIPPED = frozenset(
    """node_modules bower_components vendor third_party site-packages __pycache__ venv .venv .tox .nox dist build out target obj coverage htmlcov
.git .hg .svn .next .nuxt .output
.turbo .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis .gradle .terraform .serverless .idea .vscode .yarn .claude .agents .codex .gemini
.cursor""".split()
)
ASIDE = re.compile(
    r"(?:^|/)(?:public|static|built|tests?|__tests__|__mocks__|specs?|e2e|fixtures?|testdata|examples?|samples?|benchmarks?|stories|docs?)/"
    r"|(?:^|/)(?:test_[^/]*\.py|conftest\.py|[^/]*(?:_test\.(?:py|go)|[.-](?:test|spec|stories|min|d)\.[cm]?[jt]sx?))$"
)
SOURCES = frozenset("js ts mjs cjs mts cts jsx tsx py go rs rb java kt php cs css scss html svg png jpg sql json md txt yaml yml".split())
LIMIT = 1 << 20  # bytes; larger sources are generated or data


class Tree:
    """files: all that may be read, relative to the root with "/" between, sorted."""

    def __init__(self, root: pathlib.Path, facts: Facts, without: pathlib.Path | None = None):
        """without: a folder that is not looked at, the one that is written to. CommandError exit 4 when the root cannot be read."""
        self.root, self.facts, self.without = root, facts, str(without)
        self.read = functools.lru_cache(maxsize=16)(self.load)
        try:
            self.files = sorted(self.walk(str(root), "", ()))
        except OSError as error:
            raise CommandError(f"{root} cannot be read: {error.strerror}", "give yourself the right to read the folder", ExitCode.ENVIRONMENT) from error

    def walk(self, folder: str, prefix: str, rules: tuple) -> Iterator[str]:
        with os.scandir(folder) as listing:
            entries = sorted((entry for entry in listing if not entry.is_symlink() and entry.name.isprintable()), key=lambda entry: entry.name)
        if any(entry.name == ".gitignore" for entry in entries):
            rules = (*rules, ignore_rules(self.read(f"{prefix}.gitignore"), prefix))
        for entry in entries:
            name = prefix + entry.name
            if entry.is_file() and not ignored(name, rules):
                yield name
            elif (
                entry.is_dir()
                and entry.name not in SKIPPED
                and entry.path != self.without
                and not ignored(name + "/", rules)
                and not os.path.exists(entry.path + "/pyvenv.cfg")
            ):
                try:
                    yield from self.walk(entry.path, name + "/", rules)
                except PermissionError:
                    self.facts.missing(f"{name}/ cannot be read: permission denied")

    def load(self, name: str) -> str:
        """The text of a file; empty, and noted, for what is too large or cannot be read; empty for what is no text."""
        try:
            with open(os.open(self.root / name, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)), "rb") as file:
                data = file.read(LIMIT + 1)
        except OSError as error:
            self.facts.missing(f"{name} cannot be read: {error.strerror}")
            return ""
        if len(data) > LIMIT:
            self.facts.missing(f"{name} was not read: it has more than {LIMIT >> 20} MB")
        return "" if len(data) > LIMIT or b"\0" in data[:4096] else data.decode("utf-8-sig", "replace").replace("\r\n", "\n")

    @functools.cached_property
    def by_name(self) -> dict[str, list[str]]:
        return grouped(self.files, lambda path: path.rpartition("/")[2])

    @functools.cached_property
    def by_suffix(self) -> dict[str, list[str]]:
        return grouped(self.files, lambda path: path.rpartition("/")[2].rpartition(".")[2] if "." in path.rpartition("/")[2] else "")

    def __contains__(self, path: str) -> bool:
        return path in self.by_name.get(path.rpartition("/")[2], ())

    def named(self, *names: str) -> list[str]:
        return sorted(path for name in names for path in self.by_name.get(name, ()) if not ASIDE.search(path))

    def matching(self, pattern: str, suffixes: str = "", aside: bool = False) -> list[str]:
        """Paths that a pattern fits, of those that end so ("js ts"; none: of all but the usual sources); aside: also tests, examples and documents."""
        search = re.compile(pattern).search
        wanted = suffixes.split() or self.by_suffix.keys() - SOURCES
        return sorted(path for suffix in wanted for path in self.by_suffix.get(suffix, ()) if search(path) and (aside or not ASIDE.search(path)))


def grouped(paths: list[str], key) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in paths:
        found.setdefault(key(path), []).append(path)
    return found


class Lines:
    """Line numbers of places in a text."""

    def __init__(self, text: str):
        self.starts = [found.start() for found in re.finditer("\n", text)]

    def of(self, place: int) -> int:
        return bisect.bisect_left(self.starts, place) + 1


def line_of(text: str, pattern: str, start: int = 0) -> int:
    """The line of the first place that the pattern (multi-line) finds; 1 when there is none."""
    found = re.compile(pattern, re.M).search(text, start)
    return text.count("\n", 0, found.start(found.lastindex or 0)) + 1 if found else 1


def glob(pattern: str) -> str:
    """A pattern of .gitignore or CODEOWNERS, without its slash at the end, as a regular expression for paths below its folder.

    >>> bool(re.fullmatch(glob("/src/**/gen"), "src/a/b/gen")), bool(re.fullmatch(glob("*.log"), "a/b.log")), bool(re.fullmatch(glob("/x"), "a/x"))
    (True, True, False)
    """
    made = "" if "/" in pattern else "(?:.*/)?"
    for part in re.findall(r"\*\*/|/\*\*|\*+|\?|\[!?[^\]/]+\]|\\.|.", pattern.lstrip("/"), re.S):
        one = {"**/": "(?:.*/)?", "/**": "/.*", "?": "[^/]"}.get(part) or ("[^/]*" if part[0] == "*" else "")
        made += one or (part.replace("[!", "[^", 1).replace("\\", "\\\\") if len(part) > 2 else re.escape(part[-1]))
    return made


def ignore_rules(text: str, prefix: str) -> list[tuple[bool, re.Pattern]]:
    """The rules of a .gitignore in prefix, the last first: (whether it ignores, what it matches). Neighbours of one kind are one expression."""
    made: list[tuple[bool, list[str]]] = []
    for line in re.findall(r"^(?!#)\S.*?(?=(?<!\\)\s*$)", text, re.M):
        ignores, pattern = not line.startswith("!"), line.removeprefix("!")
        if not made or made[-1][0] != ignores:
            made.append((ignores, []))
        made[-1][1].append(glob(pattern.rstrip("/")) + ("/" if pattern.endswith("/") else "/?"))
    rules = []
    for ignores, expressions in reversed(made):
        try:
            rules.append((ignores, re.compile(re.escape(prefix) + "(?:" + "|".join(expressions) + r")\Z")))
        except re.error:
            continue
    return rules


def ignored(name: str, rules: tuple) -> bool:
    return next((ignores for level in reversed(rules) for ignores, pattern in level if pattern.match(name)), False)
