"""The files of a project: without what is vendored, ignored, linked, too large or not text."""
from __future__ import annotations

import bisect
import functools
import os
import pathlib
import re
from typing import Iterator

from senior_backend.console import CommandError, ExitCode
from senior_backend.docs.facts import Facts

SKIPPED = frozenset("""node_modules bower_components jspm_packages vendor third_party site-packages __pycache__ venv .venv virtualenv .tox .nox .eggs dist build out target obj coverage htmlcov
.git .hg .svn .next .nuxt .output .svelte-kit .turbo .cache .parcel-cache .mypy_cache .pytest_cache .ruff_cache .hypothesis .gradle .terraform .serverless .idea .vscode .yarn .pnpm-store
.claude .agents .codex .gemini .cursor""".split())
ASIDE = re.compile(r"(?:^|/)(?:tests?|__tests__|__mocks__|specs?|e2e|fixtures?|testdata|examples?|samples?|benchmarks?|stories|docs?)/|(?:^|/)(?:test_[^/]*\.py|conftest\.py|[^/]*(?:_test\.(?:py|go)|"
                   r"[.-](?:test|spec|stories|d)\.[cm]?[jt]sx?))$")
SOURCES = frozenset("js ts mjs cjs mts cts jsx tsx py go rs rb java kt php cs css scss html svg png jpg sql json md txt yaml yml".split())
LIMIT = 1 << 20          # bytes; larger sources are generated or data


class Tree:
    """files: all that may be read, relative to the root with "/" between, sorted."""

    def __init__(self, root: pathlib.Path, facts: Facts, without: pathlib.Path | None = None):
        """without: a folder that is not looked at, the one that is written to. CommandError exit 4 when the root cannot be read."""
        self.root, self.facts, self.without = root, facts, str(without) if without else ""
        try:
            self.files = sorted(self.walk(str(root), "", ()))
        except OSError as error:
            raise CommandError(f"{root} cannot be read: {error.strerror}", "give yourself the right to read the folder", ExitCode.ENVIRONMENT) from error

    def walk(self, folder: str, prefix: str, rules: tuple) -> Iterator[str]:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
        ignoring = next((entry for entry in entries if entry.name == ".gitignore" and entry.is_file(follow_symlinks=False)), None)
        if ignoring and (more := ignore_rules(self.read(f"{prefix}.gitignore"), prefix)):
            rules = (*rules, more)
        folders = []
        for entry in entries:
            name = prefix + entry.name
            if entry.is_symlink() or not entry.name.isprintable():
                continue
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in SKIPPED and entry.path != self.without and not ignored(name + "/", rules) and not os.path.exists(os.path.join(entry.path, "pyvenv.cfg")):
                    folders.append((entry.path, name + "/"))
            elif entry.is_file(follow_symlinks=False) and not ignored(name, rules):
                yield name
        for path, name in folders:
            try:
                yield from self.walk(path, name, rules)
            except PermissionError:
                self.facts.missing(f"{name} cannot be read: permission denied")

    def read(self, name: str) -> str:
        """The text of a file; empty for what is too large, binary or cannot be read (the latter is noted)."""
        try:
            descriptor = os.open(self.root / name, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
            with open(descriptor, "rb") as file:
                data = file.read(LIMIT + 1)
        except OSError as error:
            self.facts.missing(f"{name} cannot be read: {error.strerror}")
            return ""
        if len(data) > LIMIT or b"\0" in data[:4096]:
            if len(data) > LIMIT and name.rpartition(".")[2] in ("py", "ts", "js", "go", "sql", "yaml", "yml", "prisma", "toml"):
                self.facts.missing(f"{name} was not read: it has more than {LIMIT >> 20} MB")
            return ""
        return data.decode("utf-8-sig", "replace").replace("\r\n", "\n")

    @functools.cached_property
    def by_name(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in self.files:
            found.setdefault(name.rpartition("/")[2], []).append(name)
        return found

    def named(self, *names: str) -> list[str]:
        return sorted(path for name in names for path in self.by_name.get(name, ()))

    @functools.cached_property
    def by_suffix(self) -> dict[str, list[str]]:
        """What stands behind the last dot of the name -> paths; "" also for names without a dot."""
        found: dict[str, list[str]] = {}
        for path in self.files:
            found.setdefault(path.rpartition("/")[2].rpartition(".")[2] if "." in path.rpartition("/")[2] else "", []).append(path)
        return found

    def with_suffix(self, suffixes: str, code: bool = True) -> list[str]:
        """Paths that end so ("js ts"), sorted; code: without tests, examples and documents."""
        found = [path for suffix in suffixes.split() for path in self.by_suffix.get(suffix, ())]
        return sorted(path for path in found if not ASIDE.search(path)) if code else sorted(found)

    def matching(self, pattern: str, suffixes: str = "", code: bool = True) -> list[str]:
        """Paths that a pattern fits, of those with the suffixes; without them, of all but the usual sources."""
        search = re.compile(pattern).search
        return [path for path in self.with_suffix(suffixes or " ".join(self.by_suffix.keys() - SOURCES), code) + (self.by_suffix.get("", []) if not suffixes else []) if search(path)]


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
    anchored = "/" in pattern
    made = ""
    for part in re.findall(r"\*\*/|/\*\*|\*+|\?|\[!?[^\]/]+\]|\\.|.", pattern.lstrip("/"), re.S):
        made += {"**/": "(?:.*/)?", "/**": "/.*", "?": "[^/]"}.get(part) or ("[^/]*" if part[0] == "*" else part.replace("[!", "[^", 1).replace("\\", "\\\\") if len(part) > 2 else re.escape(part[-1]))
    return made if anchored else f"(?:.*/)?{made}"


def ignore_rules(text: str, prefix: str) -> list[tuple[bool, re.Pattern]]:
    """The rules of a .gitignore in prefix, the last first: (whether it ignores, what it matches). Neighbours of one kind are one expression."""
    made: list[tuple[bool, list[str]]] = []
    for line in text.split("\n"):
        line = re.sub(r"(?<!\\)\s+$", "", line)
        if not line or line.startswith("#"):
            continue
        ignores, pattern = not line.startswith("!"), line.lstrip("!") if line.startswith("!") else line
        expression = glob(pattern.rstrip("/")) + ("/" if pattern.endswith("/") else "/?")
        if not made or made[-1][0] != ignores:
            made.append((ignores, []))
        made[-1][1].append(expression)
    rules = []
    for ignores, expressions in reversed(made):
        try:
            rules.append((ignores, re.compile(re.escape(prefix) + "(?:" + "|".join(expressions) + r")\Z")))
        except re.error:
            continue
    return rules


def ignored(name: str, rules: tuple) -> bool:
    for level in reversed(rules):
        for ignores, pattern in level:
            if pattern.match(name):
                return ignores
    return False
