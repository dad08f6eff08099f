"""Where problems stand: file, line and pointer of the very objects that they are about, looked up only when there is a problem."""
from __future__ import annotations

import dataclasses
import re
from typing import Any, Iterator

from senior_backend.openapi.document import Document
from senior_backend.json_text import json_lines
from senior_backend.openapi.model import Place, Problem, Report

YAML_KEY = re.compile(r"""(?:\? +)?(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<plain>[^"'#\s].*?))\s*:(?:\s|$)""")
YAML_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


@dataclasses.dataclass(slots=True)
class Spot:
    """Where a problem stands: its pointer, and the nearest container that was in the document from the start, with the key in it."""
    document: Document
    tokens: tuple
    container: int                     # id
    key: str | int | None


class DocumentReport(Report):
    """The problems of an api that was read from documents."""

    def __init__(self) -> None:
        super().__init__()
        self.documents: list[Document] = []
        self.stand_ins: dict[int, tuple[Any, Any]] = {}     # id of a container that the reader made -> (it, the one in the document that it stands for)
        self.entries: dict[int, tuple[int, Any, Document]] = {}

    def stands_for(self, made: Any, original: Any) -> Any:
        """Messages about `made`, and about what is found only in it, are placed at `original`."""
        self.stand_ins[id(made)] = (made, original)
        return made

    def located(self, problems: list[Problem]) -> list[Place]:
        if problems and not self.entries:
            self.find_entries()
        spots = [self.spot(problem) for problem in problems]
        lines = self.find_lines(spots)
        return [Place(spot.document.name, line, pointer(spot.tokens), problem.message, problem.hint) for problem, spot, line in zip(problems, spots, lines)]

    def find_entries(self) -> None:
        """For every container: the container that holds it, under which key, in which document."""
        for document in self.documents:
            self.enter(document.root, (0, None, document), document)
        for made, original in list(self.stand_ins.values()):
            if id(made) not in self.entries and id(original) in self.entries:
                self.enter(made, (id(original), STANDS_FOR, self.entries[id(original)][2]), self.entries[id(original)][2])

    def enter(self, root: Any, entry: tuple, document: Document) -> None:
        entries, stand_ins = self.entries, self.stand_ins
        entries[id(root)] = entry
        pending = [root]
        while pending:
            container = pending.pop()
            holder = id(container)
            for key, value in container.items() if type(container) is dict else enumerate(container) if type(container) is list else ():
                if (type(value) is dict or type(value) is list) and id(value) not in entries:
                    entries[id(value)] = (id(stand_ins[id(value)][1]), STANDS_FOR, document) if id(value) in stand_ins else (holder, key, document)
                    pending.append(value)

    def spot(self, problem: Problem) -> Spot:
        key = problem.key
        tokens: list = [] if key is None else [key]
        holder = id(problem.node)
        if holder not in self.entries and holder in self.stand_ins:
            holder = id(self.stand_ins[holder][1])
        if holder not in self.entries:
            return Spot(self.documents[0], (), id(self.documents[0].root), None)
        document, nearest = self.entries[holder][2], holder
        if type(problem.node) in (dict, list) and key is not None:
            value = problem.node.get(key) if type(problem.node) is dict else problem.node[key]
            nearest, key = (id(value), None) if id(value) in (document.marks or ()) else (holder, key)
        while holder:
            holder, token, _ = self.entries[holder]
            if holder and token is not STANDS_FOR:
                tokens.append(token)
            nearest = nearest if document.marks is None or nearest in document.marks else holder
        return Spot(document, tuple(reversed(tokens)), nearest, key)

    def find_lines(self, spots: list[Spot]) -> list[int]:
        found = {}
        for document in self.documents:
            wanted = [spot for spot in spots if spot.document is document]
            if wanted:
                found[document] = JsonLines(document, wanted) if document.marks is None else YamlLines(document)
        return [found[spot.document].line(spot) for spot in spots]


STANDS_FOR = object()       # in place of the key of a container that stands for the one that holds it


def pointer(tokens: tuple) -> str:
    """"#/paths/~1users/get"."""
    return "#" + "".join("/" + str(token).replace("~", "~0").replace("/", "~1") for token in tokens)


class JsonLines:
    """Lines by a second walk over the text."""

    def __init__(self, document: Document, spots: list[Spot]):
        self.lines = json_lines(document.text, [spot.tokens for spot in spots])

    def line(self, spot: Spot) -> int:
        tokens = spot.tokens
        while tokens not in self.lines:
            tokens = tokens[:-1]
        return self.lines[tokens]


class YamlLines:
    """Lines by the marks that were kept of every container; those of scalars are found by the indentation of their container."""

    def __init__(self, document: Document):
        self.document, self.rows = document, []
        self.scanned: dict[tuple, dict[str | int, int]] = {}

    def line(self, spot: Spot) -> int:
        if spot.container not in self.document.marks:
            return 1
        entry, row, column = self.document.marks[spot.container]
        if spot.key is None:
            return entry + 1
        self.rows = self.rows or YAML_BREAK.split(self.document.text)
        place = (row, column, type(spot.key))
        if place not in self.scanned:
            self.scanned[place] = dict(self.items(row, column) if type(spot.key) is int else self.keys(row, column))
        return self.scanned[place].get(spot.key, row) + 1

    def block(self, first: int, column: int) -> Iterator[tuple[int, str]]:
        """The rows on which an entry of the block collection that begins at (first, column) may stand. None of a collection written in one line is found."""
        for row in range(first, len(self.rows)):
            text = self.rows[row]
            indent = len(text) - len(text.lstrip(" "))
            if row == first or indent == column:
                yield row, text
            elif indent < column and text.strip() and text[indent] != "#":
                return

    def items(self, first: int, column: int) -> Iterator[tuple[int, int]]:
        return enumerate(row for row, text in self.block(first, column) if text[column:column + 1] == "-")

    def keys(self, first: int, column: int) -> Iterator[tuple[str, int]]:
        for row, text in self.block(first, column):
            found = YAML_KEY.match(text, column)
            if found:
                yield found["double"] or found["single"] or found["plain"] or "", row
