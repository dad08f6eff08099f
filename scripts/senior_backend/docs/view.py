"""What documents are made with: managed blocks, Markdown in which nothing from a project is markup, selections of facts, and the questions that no file answers.

A block stands between <!-- senior-backend:begin NAME DIGEST --> and <!-- senior-backend:end NAME -->. The digest tells a block as it was written from one
that a person has edited; white space and the length of dashes do not count, so that a formatter is not taken for an edit.
"""
from __future__ import annotations

import dataclasses
import hashlib
import re
from typing import Any, Callable, Iterable

from senior_backend.decide.documents import plain
from senior_backend.docs.facts import Fact, Facts
from senior_backend.docs.tree import glob

MARK = re.compile(rb"^[ \t]*<!-- senior-backend:(?:begin (?P<begin>[\w.-]+) (?P<digest>[0-9a-f]{12})|end (?P<end>[\w.-]+)) -->[ \t]*(?P<line>\r?\n|\Z)", re.M)
LINE = "\0"  # stands before and after the number of a line in texts that are to be written
NEW_HEAD = b"<!-- senior-backend:new: blocks that were edited by hand; merge them, or run again with --force -->\n\n"


class Broken(Exception):
    """Marks that do not pair; the text says where."""


@dataclasses.dataclass
class Merged:
    """kept: blocks that a person edited; changed: blocks whose text differs by more than numbers of lines; missing: blocks that are nowhere in the document."""

    data: bytes
    kept: list[str]
    changed: list[str]
    missing: list[str]


def even(data: bytes) -> bytes:
    """Text by which blocks are compared."""
    return re.sub(rb"\s+", b"", re.sub(rb"-{2,}", b"--", data))


def digest(data: bytes) -> bytes:
    return hashlib.sha256(even(data)).hexdigest()[:12].encode()


def spaced(text: str) -> bytes:
    return text.replace(LINE, "").encode()


def alike(data: bytes, text: str) -> bool:
    """Whether a block says what the text says, but for numbers of lines: code that moves is no drift.

    >>> alike(b"see `a.py:12`", "see `a.py:\\0007\\0`"), alike(b"`postgres:15`", "`postgres:16`")
    (True, False)
    """
    return re.fullmatch(rb"\d+".join(map(re.escape, re.split(rb"\0\d+\0", even(text.encode())))), even(data)) is not None


def parse(data: bytes) -> list[tuple[str, re.Match, re.Match]]:
    """(name, its begin, its end) of the blocks of a document; Broken when a mark has no partner."""
    marks = list(MARK.finditer(data))
    for number, mark in enumerate(marks):
        partner = marks[number ^ 1] if number ^ 1 < len(marks) else None
        if (mark["begin"] is None) != bool(number % 2) or partner is None or (mark["begin"] or mark["end"]) != (partner["begin"] or partner["end"]):
            raise Broken(f"line {data.count(bytes([10]), 0, mark.start()) + 1}: the mark of block {(mark['begin'] or mark['end']).decode()} has no partner")
    return [(begin["begin"].decode(), begin, end) for begin, end in zip(marks[::2], marks[1::2])]


def written(name: str, text: str, newline: bytes = b"\n") -> bytes:
    """A block with its marks."""
    body, key = spaced(text), name.encode()
    return (b"<!-- senior-backend:begin %s %s -->\n%s<!-- senior-backend:end %s -->\n" % (key, digest(body), body, key)).replace(b"\n", newline)


def people(data: bytes) -> str:
    """What stands outside of blocks."""
    try:
        for _, begin, end in reversed(parse(data)):
            data = data[: begin.start()] + data[end.end() :]
    except Broken:
        return ""
    return data.decode("utf-8", "replace")


def merge(data: bytes, texts: dict[str, str], force: bool) -> Merged:
    """The document with its blocks written again.

    Edited blocks are kept unless forced; blocks that a person took out stay out, unless forced: then they stand at the end. Broken: see parse.
    """
    found = parse(data)
    merged = Merged(data, [], [], [name for name in texts if name not in {name for name, _, _ in found}])
    for name, begin, end in reversed(found):
        body, text = data[begin.end() : end.start()], texts.get(name)
        if text is None or even(spaced(text)) == even(body):
            continue
        if digest(body) != begin["digest"] and not force:
            merged.kept.insert(0, name)
            continue
        if not alike(body, text):
            merged.changed.insert(0, name)
        fresh = written(name, text, begin["line"])
        merged.data = merged.data[: begin.start()] + (fresh if end["line"] else fresh.rstrip(b"\r\n")) + merged.data[end.end() :]
    if force and merged.missing and found:
        newline = found[0][1]["line"]
        merged.data = merged.data.rstrip() + b"".join(newline * 2 + written(name, texts[name], newline).rstrip() for name in merged.missing) + newline
        merged.changed += merged.missing
    return merged


def ours(data: bytes) -> bool:
    """Whether a NAME.new is as it was written."""
    try:
        return data.startswith(NEW_HEAD) and all(digest(data[begin.end() : end.start()]) == begin["digest"] for _, begin, end in parse(data))
    except Broken:
        return False


SHOWN = 6
CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
STORES = re.compile(
    r"(?i)(?:^|/)(?:postgres|postgis|timescale|mysql|mariadb|mongo|redis|valkey|memcached|rabbitmq|kafka|nats|elasticsearch|opensearch|clickhouse|minio"
    r"|cassandra)"
)
FLOWS = re.compile(
    r"(?i)checkout|pay(?:ment|out)?s?\b|transfer|refund|sign-?up|register|login|sign-?in|reset|password|invite|coupon|vote|booking|order|withdraw|redeem"
    r"|otp|verify|subscribe"
)
CONFIGURATION = re.compile(r"(?i)(?:^|[/_-])(?:env|config|settings)[\w.-]*(?:/|:)")  # where values are checked that no client sends
ROLE = re.compile(r"(?i)admin|role|permission|scope|staff|superuser|owner|policy|acl|rbac")
# what selections may ask of a fact beside its values
DERIVED: dict[str, Callable[[Fact], Any]] = {
    "open": lambda fact: (
        not fact["guards"] and not re.search(r"(?i)/(?:\w*health\w*|livez?|readyz?|ping|status|metrics|docs|openapi\.json)(?:/|$)", fact["path"])
    ),
    "writes": lambda fact: fact["method"] in ("POST", "PUT", "PATCH", "DELETE"),
    "single": lambda fact: "{" in fact["path"],
    "flow": lambda fact: fact["method"] != "GET" and FLOWS.search(fact["path"]),
    "sensitive": lambda fact: fact["method"] == "DELETE" or re.search(r"(?i)/(?:admin|internal|manage|debug|actuator|root|staff)(?:/|$)", fact["path"]),
    "role": lambda fact: any(map(ROLE.search, fact["guards"])),
    "store": lambda fact: STORES.search(fact["image"]),
    "published": lambda fact: any(":" in port and not port.startswith(("127.0.0.1:", "localhost:", "[::1]:")) for port in fact["ports"]),
    "endless": lambda fact: fact["timeout"] in ("none", "not known"),
    "late": lambda fact: not fact["target"] and not re.search(r"\.create$|Client|Session|extend$", fact["call"]),
    "service-like": lambda fact: fact["type"] in ("Deployment", "StatefulSet", "DaemonSet"),
    "input": lambda fact: fact["used"] and not CONFIGURATION.search(fact["used"]),
    "ns": lambda fact: f" -n {fact['namespace']}" if fact["namespace"] else "",
    "file": lambda fact: fact.file,
}


def code(value: Any) -> str:
    """A code span of any text, also within a table.

    >>> code("a|b `c`")
    '`` a\\\\|b `c` ``'
    """
    text = CONTROL.sub(" ", str(value)).strip().replace("|", "\\|") or " "
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"


def text(value: Any) -> str:
    return plain(CONTROL.sub(" ", str(value)))


def at(file: str, line: int) -> str:
    return code(f"{file}:{line}").replace(f":{line}`", f":{LINE}{line}{LINE}`")


def where(value: str | None) -> str:
    """A place that is a fact's value."""
    return at(value.rpartition(":")[0], int(value.rpartition(":")[2])) if value else "-"


def places(facts: Iterable[Fact], limit: int = SHOWN) -> str:
    """Their places, the first few; of a package that is used, the place where it is."""
    listed = list(facts)
    shown = dict.fromkeys(where(fact["used"]) if fact.kind == "library" and fact["used"] else at(fact.file, fact.line) for fact in listed[:limit])
    return ", ".join(shown) + (f" and {len(listed) - limit} more" if len(listed) > limit else "") or "-"


def table(heads: Iterable[str], rows: list[list[str]], limit: int = 200) -> list[str]:
    """A table of cells that are markup already; nothing without rows, and no more rows than limit."""
    heads = list(heads)
    lines = [f"| {' | '.join(row)} |" for row in [heads, ["---"] * len(heads), *rows[:limit]]]
    return [*lines, "", *([f"{len(rows) - limit} more stand in `facts.json`.", ""] if len(rows) > limit else [])] if rows else []


def identifier(name: str) -> str:
    """A name that Mermaid takes."""
    return re.sub(r"\W", "_", name, flags=re.A) or "x"


def label(value: str) -> str:
    """Text within quotes of Mermaid."""
    return re.sub(r"[\"<>&#;`{}\[\]|\\\x00-\x1f]", " ", value).strip()[:60] or "x"


@dataclasses.dataclass(frozen=True)
class Unknown:
    """A question that the project's files do not answer. id: by which a person answers it; how: what finds the answer."""

    id: str
    document: str
    question: str
    who: str
    how: str


class View:
    """Facts and results for one run of rendering. people: document -> what people wrote around its blocks."""

    def __init__(self, facts: Facts, inputs: dict[str, list[dict[str, Any]]], people: dict[str, str]):
        self.facts, self.inputs, self.people, self.document = facts, inputs, people, ""
        self.unknowns: dict[str, Unknown] = {}
        self.answered: dict[str, str] = {}
        self.threats: list[Any] = []
        self.titles: dict[str, str] = {}
        self._owners = [(re.compile(glob(fact["pattern"].rstrip("/")) + r"(?:/.*)?\Z"), fact["owners"]) for fact in facts.of("owner")]
        self._selected: dict[str, list[Fact]] = {}

    def select(self, wanted: str) -> list[Fact]:
        """The facts that a selection means: KIND TERM ... / KIND ...; a term is KEY, !KEY, KEY=VALUE or LIST~VALUE, "*" stands for all routes being read."""
        if wanted not in self._selected:
            found: dict[str, Fact] = {}
            for kind, *terms in (part.split() for part in wanted.split(" / ")):
                if "*" not in terms or self.facts.routes_read:
                    found |= {fact.id: fact for fact in self.facts.of(kind) if all(term == "*" or holds(fact, term) for term in terms)}
            self._selected[wanted] = list(found.values())
        return self._selected[wanted]

    @property
    def decision(self) -> dict[str, Any]:
        return self.inputs["decision"][0]["data"] if self.inputs.get("decision") else {}

    @property
    def runs(self) -> list[dict[str, Any]]:
        return [result for one in self.inputs.get("load", ()) for result in one["data"]["results"]]

    def source(self, kind: str) -> str:
        """Where a result comes from, with its date."""
        return "; ".join(
            f"{code(one['file'])} ({'dated ' + text(one['date']) if one['date'] else 'the file gives no date'})" for one in self.inputs.get(kind, ())
        )

    def owner(self, path: str) -> str:
        """Names from CODEOWNERS for a path (the last rule that fits counts); empty when nobody is named."""
        return " ".join(map(code, next((names for pattern, names in reversed(self._owners) if pattern.match(path)), [])))

    def unknown(self, identity: str, who: str, question: str, how: str = "", brief: bool = False) -> str:
        """A question: UNKNOWN, who answers, and (unless brief) how; or that a person has answered it in this document."""
        if re.search(rf"^[ \t]*(?:[-*][ \t]+)?`?{re.escape(identity)}`?[ \t]*:[ \t]*\S", self.people.get(self.document, ""), re.M):
            self.answered[identity] = self.document
            return f"Answered by people in this document ({code(identity)})."
        question += "" if question.endswith((".", "?")) else "."
        self.unknowns[identity] = Unknown(identity, self.document, question, who, how)
        return f"UNKNOWN ({code(identity)}): {question} Ask: {who}." + (f" Find out: {code(how)}" if how and not brief else "")

    def cell(self, fact: Fact, expression: str) -> str:
        """A cell: KEY as code, ~KEY as text, #KEY a list's length, ?KEY yes or no, @ the fact's place, @KEY a place that is a value, ^ who owns the file,

        =TEXT as code with {KEY} in it.
        """
        mark, key = (expression[0], expression[1:]) if expression[0] in "~#?@^=" else ("", expression)
        if mark == "=":
            return code(re.sub(r"\{([\w-]+)\}", lambda found: str(attribute(fact, found[1]) or ""), key))
        if mark == "@":
            return where(fact[key]) if key else at(fact.file, fact.line)
        if mark == "^":
            return self.owner(fact.file) or self.unknown("data.owner", "data owner", "who owns the tables that CODEOWNERS gives to nobody?", brief=True)
        value = attribute(fact, key)
        if mark in ("#", "?"):
            return str(len(value or ())) if mark == "#" else {None: "not stated"}.get(value, "yes" if value else "no")
        if mark == "~":
            return text(value) if value not in (None, "") else "-"
        if isinstance(value, dict):
            return ", ".join(f"{text(name)} {code(one)}" for name, one in value.items()) or "-"
        return ", ".join(map(code, value)) or "-" if isinstance(value, list) else "-" if value in (None, "") else code(value)


def attribute(fact: Fact, key: str) -> Any:
    return DERIVED[key](fact) if key in DERIVED else fact[key]


def holds(fact: Fact, term: str) -> bool:
    """Whether a term of a selection holds for a fact."""
    key, mark, wanted = re.fullmatch(r"!?([\w-]+)([=~]?)(.*)", term).groups()
    value = attribute(fact, key)
    found = str(value) == wanted if mark == "=" else wanted in (value or ()) if mark == "~" else bool(value)
    return found != term.startswith("!")
