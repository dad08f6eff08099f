"""What is known of a project: facts with their places, what could not be read, and results of the other scripts. Values of secrets never become facts.

Each keeps its file and its date; all stay in facts.json for later runs.
"""
from __future__ import annotations

import bisect
import dataclasses
import functools
import hashlib
import json
import math
import os
import pathlib
import re
from typing import Any, Iterator

from senior_backend.console import CommandError, ExitCode
from senior_backend.decide import inputs

SECRETS = re.compile(
    r"\b(?:(?:sk|pk|rk)_(?:live|test)_\w{8,}|whsec_\w{12,}|gh[pousr]_\w{16,}|github_pat_\w+|glpat-[\w-]{16,}|xox[a-z]-[\w-]{8,}|(?:AKIA|ASIA)[0-9A-Z]{12,}"
    r"|AIza[\w-]{20,}|npm_[A-Za-z0-9]{30,})"
    r"|eyJ[\w-]{5,}\.[\w.-]+|-----BEGIN.*|(?<=://)[^/\s@]*:[^/\s@]*(?=@)|\b[0-9a-fA-F]{32,}\b"
    r"|\b(?=(?:\w*?\d){5})(?=(?:\w*?[a-z]){5})(?=(?:\w*?[A-Z]){5})(?![A-Za-z_]+\d+\b|\d+_?[A-Za-z_]+\b)\w{40,}\b"
    r"|(?i:(?<=password=)|(?<=passwd=)|(?<=secret=)|(?<=token=)|(?<=api_key=)|(?<=apikey=)|(?<=bearer ))[^\s&;,'\"]+",
    re.S,
)
SECRET_NAME = re.compile(r"(?i)secret|password|passwd|token|private_?key|api_?key|access_?key|credential|(?:^|_)(?:key|pwd|pass|salt)$")
AUTH_NAME = re.compile(
    r"(?i)auth(?!ors?(?:_|\b))|jwt|login|token|permission|current_?(?:active_?)?(?:super_?)?user|(?:require|check|ensure|has|verify|needs?)_?(?:logged|user"
    r"|role|admin|scope|access|session)"
    r"|staff|superuser|(?:admin|owner|member)_?(?:required|only)|is_?admin|api_?key|bearer|guard|protect|passport|credential|oidc|signature|role"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Fact:
    """id: kind and what tells it from its likes; value: JSON, its keys depend on the kind; file: below the target, "/" between; line: from 1."""

    id: str
    kind: str
    value: dict[str, Any]
    file: str
    line: int

    def __getitem__(self, key: str) -> Any:
        return self.value.get(key)


class Facts:
    """All facts of one run. unread: what could not be read and why, told in the documents; routes_read: whether the routes of every backend were looked for."""

    def __init__(self) -> None:
        self._facts: dict[str, Fact] = {}
        self._last: dict[str, int] = {}
        self.unread: list[str] = []
        self.routes_read = True
        self.lacking: list[str] = []  # modules that were needed and are not installed

    def add(self, kind: str, key: str, value: dict[str, Any], file: str, line: int) -> Fact:
        """A further fact with the same kind and key gets a number behind its id."""
        name = unique = masked(f"{kind}:{key}")
        while unique in self._facts:
            self._last[name] = self._last.get(name, 1) + 1
            unique = f"{name}#{self._last[name]}"
        fact = self._facts[unique] = Fact(unique, kind, masked(value), file, max(line, 1))
        return fact

    def of(self, *kinds: str) -> list[Fact]:
        return [fact for fact in self._facts.values() if fact.kind in kinds]

    def missing(self, what: str) -> None:
        if what not in self.unread:
            self.unread.append(what)

    def sort(self) -> None:
        """By kind, file, line: the order in which they were found says nothing."""
        self._facts = {fact.id: fact for fact in sorted(self, key=lambda fact: (fact.kind, fact.file, fact.line, fact.id))}
        self.unread.sort()

    def __iter__(self) -> Iterator[Fact]:
        return iter(self._facts.values())

    def __len__(self) -> int:
        return len(self._facts)

    def totals(self) -> dict[str, int]:
        kinds = [fact.kind for fact in self]
        return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def masked(value: Any) -> Any:
    """The value with everything that looks like a secret replaced.

    >>> masked({"url": "postgres://app:hunter2@db/shop", "names": ["sk_live_0123456789abcdef"]})
    {'url': 'postgres://***@db/shop', 'names': ['***']}
    """
    if isinstance(value, str):
        return SECRETS.sub("***", value)
    if isinstance(value, dict):
        return {key: masked(one) for key, one in value.items()}
    return [masked(one) for one in value] if isinstance(value, list) else value


def host_of(text: str) -> str:
    """The host that a URL begins with, else nothing: paths and queries may be secrets.

    >>> host_of("https://hooks.example.com/services/T0/s3cret"), host_of("/local")
    ('hooks.example.com', '')
    """
    found = re.match(r"(?:https?|wss?|grpc)://(?:[^/\s@]*@)?(\[[0-9a-f:]+\]|[\w.-]+)(?::\d+)?(?=[/?#]|$)", text)
    return found[1] if found else ""


SCHEMA = pathlib.Path(__file__).resolve().parents[3] / "assets" / "decide" / "decision.schema.json"
# kind -> (tool, how such a file is made)
KINDS = {
    "decision": ("backend_decision_engine", "--answers answers.json --output json > decision.json"),
    "load": ("api_load_tester", "URL --output load.json"),
    "migration": ("database_migration_tool", "schema.sql --analyze --json > analysis.json"),
}
FIGURES = (
    "requests_per_second", "latency_avg", "latency_p50", "latency_p95", "latency_p99", "total_requests", "failed_requests", "concurrency", "duration_seconds"
)
MODES = {"up_sql": "compare", "dry_run": "dry run", "issues_detail": "analyze", "suggestions_count": "suggest indexes"}
LISTED = 200


def read(kind: str, path: pathlib.Path, target: pathlib.Path) -> dict[str, Any]:
    """{file, date, sha256, data} of one result. CommandError exit 2 when it is none of that kind; the file is told below target, else by its name alone."""
    found, content = inputs.read_object(path, f"the file of --{kind}")
    tool, made = KINDS[kind]
    try:
        if found.get("tool") != tool or found.get("error"):
            raise ValueError(
                f"it is of {json.dumps(found.get('tool'))[:60]}" + (f" and holds the error {found['error']['code']}" if found.get("error") else "")
            )
        data, date = {"decision": decision, "load": load, "migration": migration}[kind](found)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        problem = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise CommandError(f"--{kind} {path}: expected a result of {tool}.py: {problem}", f"python scripts/{tool}.py {made}", identifier="INPUT_FILE") from None
    resolved = path.resolve()
    name = resolved.relative_to(target).as_posix() if resolved.is_relative_to(target) else path.name
    return {"file": name, "date": date, "sha256": hashlib.sha256(content.encode()).hexdigest(), "data": masked(data)}


def decision(found: dict[str, Any]) -> tuple[dict[str, Any], str]:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    for pointer, problem in inputs.violations(found, schema, schema):
        raise ValueError(f"{'.'.join(map(str, pointer)) or 'the whole'}: {problem}")
    if not found["points"]:
        raise ValueError(f"it recommends nothing ({found['outcome']['code']}), and a decision that was refused fills no document")
    return found, found["as_of"]


def load(found: dict[str, Any]) -> tuple[dict[str, Any], str]:
    results = [
        {"url": address(one["target_url"]), "method": str(one["method"]), "model": str(one.get("model") or ""), **{name: one[name] for name in FIGURES}}
        for one in found["results"]
        if one["successful_requests"]
    ]
    if not results or not all(type(one[name]) in (int, float) and 0 <= one[name] < math.inf for one in results for name in FIGURES):
        raise ValueError("no URL in it was answered, or a figure is no number")
    return {"results": results, "rate_limit": found.get("rate_limit")}, str((found.get("run") or {}).get("recorded_at") or "")


def address(url: str) -> str:
    """Host and path of a URL, without credentials and query."""
    rest = url.partition("://")[2].partition("?")[0].partition("#")[0]
    return f"{host_of(url)}/{rest.partition('/')[2]}" if host_of(url) else rest


def migration(found: dict[str, Any]) -> tuple[dict[str, Any], str]:
    mode = next((mode for key, mode in MODES.items() if key in found), None)
    if mode is None:
        raise ValueError("it is not the JSON of --analyze, --compare, --suggest-indexes or --migrate --dry-run")
    source = str(found.get("file") or found.get("source") or "")

    def rows(listed: Any, names: dict[str, str]) -> list[dict[str, str]]:
        return [{name: str(one.get(key) or "") for name, key in names.items()} for one in (listed if isinstance(listed, list) else ())[:LISTED]]

    findings = rows(found.get("issues_detail"), {name: name for name in ("severity", "table", "message", "suggestion")})
    findings += [{**one, "severity": "suggestion"} for one in rows(found.get("suggestions"), {"table": "table", "message": "reason", "suggestion": "sql"})]
    return {
        "mode": mode,
        "source": source if "://" in source else named[1] if (named := re.search(r"\bdbname=(\S+)", source)) else source.replace("\\", "/").rpartition("/")[2],
        "verified": found.get("verified"), "findings": findings,
        "hazards": rows(found.get("hazards"), {name: name for name in ("kind", "object", "message", "evidence")}),
        "changes": [f"{one['action']} {one['kind']} {one['name']}" for one in found.get("changes", ())[:LISTED]]
    }, ""


def gather(given: dict[str, list[str]], stored: dict[str, list], target: pathlib.Path) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """kind -> its results: what was given, else what an earlier run kept; and warnings. A kept file below target that has changed is read again."""
    warnings: list[str] = []
    found = {
        kind: [read(kind, pathlib.Path(path), target) for path in paths] or [again(kind, one, target, warnings) for one in stored.get(kind, ())]
        for kind, paths in given.items()
    }
    return {kind: listed for kind, listed in found.items() if listed}, warnings


def again(kind: str, one: dict[str, Any], target: pathlib.Path, warnings: list[str]) -> dict[str, Any]:
    path = target / one["file"]
    try:
        if (
            not path.resolve().is_relative_to(target)
            or not path.is_file()
            or hashlib.sha256(path.read_text(encoding="utf-8-sig").encode()).hexdigest() == one["sha256"]
        ):
            return one
        return read(kind, path, target)
    except (CommandError, OSError, ValueError) as error:
        warnings.append(f"{one['file']} has changed and cannot be read ({getattr(error, 'message', error)}): what it said before is kept")
        return one


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
