"""What is known of a project: facts with their places, and what could not be read. Values of secrets never become facts."""
from __future__ import annotations

import dataclasses
import re
from typing import Any, Iterator

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
