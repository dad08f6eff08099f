"""What documents are made with: Markdown in which nothing from a project is markup, owners, and the questions that no file answers."""
from __future__ import annotations

import dataclasses
import re
from typing import Any, Iterable

from senior_backend.decide.documents import plain
from senior_backend.docs.blocks import LINE
from senior_backend.docs.facts import Fact, Facts
from senior_backend.docs.tree import glob

SHOWN = 6
ROLES = {"architecture": "tech lead", "api": "API owner", "data": "data owner", "database": "database owner", "slo": "product manager and on-call lead", "operations": "on-call lead", "security": "security lead", "platform": "platform team",
         "product": "product manager", "capacity": "tech lead with the platform team"}


def code(value: Any) -> str:
    """A code span of any text, also within a table.

    >>> code("a|b `c`")
    '`` a\\\\|b `c` ``'
    """
    text = re.sub(r"[\x00-\x1f\x7f]+", " ", str(value)).strip().replace("|", "\\|") or " "
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def text(value: Any) -> str:
    return plain(re.sub(r"[\x00-\x1f\x7f]+", " ", str(value)))


def at(file: str, line: int) -> str:
    """A place; its line is marked, see blocks.alike."""
    return code(f"{file}:{line}").replace(f":{line}`", f":{LINE}{line}{LINE}`")


def table(heads: str, rows: list[list[str]], none: str = "") -> list[str]:
    """A table of cells that are markup already, with these heads ("A | B"); the other text without rows."""
    lines = [heads, " | ".join("---" for _ in heads.split(" | ")), *(" | ".join(row) for row in rows)]
    return [f"| {line} |" for line in lines] + [""] if rows else [none, ""] if none else []


def bounded(rows: list[Any], limit: int) -> tuple[list[Any], str]:
    """The first rows, and a sentence about the others."""
    return (rows, "") if len(rows) <= limit else (rows[:limit], f"{len(rows) - limit} more stand in `facts.json`.")


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

    def as_json(self) -> dict[str, str]:
        return dataclasses.asdict(self)


class View:
    """Facts and results for one run of rendering. people: document -> what people wrote around its blocks."""

    def __init__(self, facts: Facts, inputs: dict[str, list[dict[str, Any]]], people: dict[str, str]):
        self.facts, self.inputs, self.people = facts, inputs, people
        self.unknowns: dict[str, Unknown] = {}
        self.answered: dict[str, str] = {}
        self.document = ""
        self._owners = [(re.compile(glob(fact["pattern"].rstrip("/")) + r"(?:/.*)?\Z"), fact["owners"]) for fact in facts.of("owner")]

    def of(self, *kinds: str) -> list[Fact]:
        return self.facts.of(*kinds)

    def libraries(self, *categories: str, used: bool = False) -> list[Fact]:
        return [fact for fact in self.of("library") if fact["category"] in categories and (fact["used"] or not used)]

    @property
    def decision(self) -> dict[str, Any]:
        return self.inputs["decision"][0]["data"] if self.inputs.get("decision") else {}

    @property
    def runs(self) -> list[dict[str, Any]]:
        return [result for one in self.inputs.get("load", ()) for result in one["data"]["results"]]

    def source(self, kind: str) -> str:
        """Where a result comes from, with its date."""
        return "; ".join(f"{code(one['file'])} ({'dated ' + text(one['date']) if one['date'] else 'the file gives no date'})" for one in self.inputs.get(kind, ()))

    def owner(self, path: str) -> str:
        """Names from CODEOWNERS for a path (the last rule that fits counts); empty when nobody is named."""
        return " ".join(map(code, next((names for pattern, names in reversed(self._owners) if pattern.match(path)), [])))

    def unknown(self, identity: str, question: str, role: str, how: str = "", brief: bool = False) -> str:
        """A question: UNKNOWN, who answers, and (unless brief) how; or that a person has answered it in this document."""
        found = re.search(rf"^[ \t]*(?:[-*][ \t]+)?`?{re.escape(identity)}`?[ \t]*:[ \t]*(\S.*)$", self.people.get(self.document, ""), re.M)
        if found:
            self.answered[identity] = self.document
            return f"Answered by people in this document ({code(identity)})."
        question += "" if question.endswith((".", "?")) else "."
        self.unknowns[identity] = Unknown(identity, self.document, question, ROLES[role], how)
        return f"UNKNOWN ({code(identity)}): {question} Ask: {ROLES[role]}." + (f" Find out: {code(how)}" if how and not brief else "")


def places(facts: Iterable[Fact], limit: int = SHOWN) -> str:
    """Their places, the first few; of a package that is used, the place where it is."""
    listed = list(facts)
    shown = dict.fromkeys(where(fact["used"]) if fact.kind == "library" and fact["used"] else at(fact.file, fact.line) for fact in listed[:limit])
    return ", ".join(shown) + (f" and {len(listed) - limit} more" if len(listed) > limit else "")


def where(value: str | None) -> str:
    """A place that is a fact's value."""
    return at(value.rpartition(":")[0], int(value.rpartition(":")[2])) if value else "-"
