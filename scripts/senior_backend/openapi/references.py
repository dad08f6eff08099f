"""References, and where problems stand: file, line and pointer of the very objects that they are about, looked up only when there is a problem."""
from __future__ import annotations

import dataclasses
import difflib
import os
import pathlib
import re
from typing import Any, Container, Iterator
from urllib.parse import unquote

from senior_backend.console import CommandError
from senior_backend.json_text import json_lines
from senior_backend.openapi.document import Document, load
from senior_backend.openapi.model import Place, Problem, Report, quoted

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
HINT_LIMIT = 20             # nearest names that are looked up: each takes 20 ms where there are 1,000 names
HINT_NAMES = 1000
CHAIN_LIMIT = 100           # references that lead to references, in one place
# segments of pointers that say how a schema is reached and nothing about what it is
STRUCTURE = frozenset(("components", "schemas", "definitions", "$defs", "properties", "paths", "responses", "content", "schema", "parameters", "requestBodies", "requestBody", "headers", "allOf", "anyOf", "oneOf"))
HOMES = (("components", "schemas"), ("definitions",), ("$defs",))
NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.]+")


class Dangling(Exception):
    """A reference leads nowhere. Real documents have such gaps, so that alone does not make one unusable; `refused` ones do: they lead where they must not.

    absent: nothing stands there anyway.
    """

    def __init__(self, message: str, hint: str = "", refused: bool = False, absent: bool = False):
        super().__init__(message)
        self.message, self.hint, self.refused, self.absent = message, hint, refused, absent


@dataclasses.dataclass(slots=True)
class Target:
    """What a reference leads to."""
    document: Document
    tokens: tuple[str, ...]             # of the pointer within the document
    node: Any


class References:
    """Resolves references; every file is read once."""

    def __init__(self, root: Document, documents: list[Document]):
        self.folder = pathlib.Path(os.path.realpath(root.path.parent))
        self.documents = documents
        self.by_path = {root.path: root}
        self.failures: dict[pathlib.Path, Dangling] = {}
        self.hints = 0
        self.targets: dict[tuple[int, str], Target] = {}
        self.anchors: dict[int, dict[str, tuple]] = {}
        self.moved: dict[int, Any] = {}             # id of a schema -> the mapping that its keywords were moved to
        self.keyed: set[int] = set()                # ids of schemas whose $ref is a key already
        self.named: dict[str, Target] = {}          # key -> what it stands for
        self.open: set[tuple[int, str]] = set()     # being resolved

    def resolve(self, reference: str, document: Document) -> Target:
        """Raises Dangling."""
        place = (id(document), reference)
        if place not in self.targets:
            if place in self.open:
                raise Dangling("the references lead in a circle", refused=True)
            self.open.add(place)
            try:
                location, _, fragment = reference.partition("#")
                self.targets[place] = self.within(self.file(location, document) if location else document, unquote(fragment), reference)
            finally:
                self.open.discard(place)
        return self.targets[place]

    def follow(self, node: Any, document: Document) -> Target:
        """What a node is after all references that it consists of; Target.tokens are those of the first one. Raises Dangling."""
        first: tuple[str, ...] = ()
        for _ in range(CHAIN_LIMIT):
            if type(node) is not dict or type(node.get("$ref")) is not str:
                return Target(document, first, node)
            target = self.resolve(node["$ref"], document)
            first, node, document = first or target.tokens, target.node, target.document
        raise Dangling("the references lead in a circle", refused=True)

    # files
    def file(self, location: str, document: Document) -> Document:
        path = self.allowed_path(unquote(location), document)
        if path in self.failures:
            raise self.failures[path]
        if path not in self.by_path:
            try:
                self.by_path[path] = load(path, os.path.normpath(os.path.join(os.path.dirname(document.name), unquote(location))))
            except CommandError as error:
                self.failures[path] = Dangling(f"the file of the reference {quoted(location)} cannot be used: {error.message}", error.hint, refused=os.path.exists(path))
                raise self.failures[path] from error
            self.documents.append(self.by_path[path])
        return self.by_path[path]

    def allowed_path(self, location: str, document: Document) -> pathlib.Path:
        """The real path of a file below the folder of the root document."""
        if SCHEME.match(location) or location.startswith(("/", "\\")) or "\\" in location or "\0" in location:
            raise Dangling(f"the reference {quoted(location)} is not followed: only files below the folder of the document are", "copy the file next to the document and refer to it by a relative path", refused=True)
        path = pathlib.Path(os.path.realpath(document.path.parent / location))
        if not path.is_relative_to(self.folder):
            raise Dangling(f"the reference {quoted(location)} is not followed: it leads out of the folder of the document", "move the file below that folder", refused=True, absent=not os.path.exists(path))
        return path

    # pointers
    def within(self, document: Document, fragment: str, reference: str) -> Target:
        if fragment and not fragment.startswith("/"):
            return self.anchor(document, fragment, reference)
        tokens = tuple(token.replace("~1", "/").replace("~0", "~") for token in fragment.split("/")[1:])
        node, owner = document.root, document
        for number, token in enumerate(tokens):
            node, owner = self.step(node, owner, token, reference)
        return Target(owner, tokens, node)

    def step(self, node: Any, document: Document, token: str, reference: str, chain: int = 0) -> tuple[Any, Document]:
        """One level down; through a reference when the level is one."""
        if type(node) is dict:
            if token in node:
                return node[token], document
            if id(node) in self.moved:
                return self.step(self.moved[id(node)], document, token, reference, chain)
            if type(node.get("$ref")) is str and chain < CHAIN_LIMIT:
                target = self.named[node["$ref"]] if id(node) in self.keyed else self.resolve(node["$ref"], document)
                return self.step(target.node, target.document, token, reference, chain + 1)
        elif type(node) is list and token.isdecimal() and int(token) < len(node):
            return node[int(token)], document
        near: list[str] = []
        if type(node) is dict and self.hints < HINT_LIMIT:
            near = difflib.get_close_matches(token, list(node)[:HINT_NAMES], 1)
            self.hints += 1
        raise Dangling(f"the reference {quoted(reference)} leads nowhere: there is no {quoted(token)}", f"did you mean {quoted(near[0])}?" if near else "")

    def anchor(self, document: Document, name: str, reference: str) -> Target:
        if id(document) not in self.anchors:
            self.anchors[id(document)] = find_anchors(document.root)
        if name not in self.anchors[id(document)]:
            raise Dangling(f"the reference {quoted(reference)} leads nowhere: no schema has that $anchor", "write it as a pointer: #/components/schemas/NAME")
        tokens, node = self.anchors[id(document)][name]
        return Target(document, tokens, node)


def find_anchors(root: Any) -> dict[str, tuple[tuple[str, ...], Any]]:
    """name -> (pointer, node) of every $anchor of a document."""
    found: dict[str, tuple[tuple[str, ...], Any]] = {}
    pending: list[tuple[tuple[str, ...], Any]] = [((), root)]
    seen: set[int] = set()
    while pending:
        tokens, node = pending.pop()
        if type(node) not in (dict, list) or id(node) in seen:
            continue
        seen.add(id(node))
        for keyword in ("$anchor", "$dynamicAnchor") if type(node) is dict else ():
            if type(node.get(keyword)) is str:
                found.setdefault(node[keyword], (tokens, node))
        pending.extend(((*tokens, str(key)), value) for key, value in (node.items() if type(node) is dict else enumerate(node)))
    return found


def derived_key(path: pathlib.Path, in_root: bool, tokens: tuple[str, ...], taken: Container[str]) -> str:
    """A key for what stands at the pointer `tokens` of a file."""
    own = tidy("_".join(telling(tokens)))
    stem = tidy(path.name.split(".")[0])
    wishes = [own or stem, own if in_root else f"{stem}_{own}" if own else f"{tidy(path.parent.name)}_{stem}"]
    for wish in wishes:
        if wish and wish not in taken:
            return wish
    base = wishes[-1] or "schema"
    return next(key for number in range(2, 1 << 30) if (key := f"{base}_{number}") not in taken)


def telling(tokens: tuple[str, ...]) -> list[str]:
    """The segments of a pointer that say what it leads to."""
    for home in HOMES:
        if tokens[:-1] == home:
            return [tokens[-1]]
    told = ["item" if token == "items" else token for token in tokens if token not in STRUCTURE]
    return told or list(tokens[-1:])


def tidy(text: str) -> str:
    return NOT_IN_NAMES.sub("_", text).strip("_.")


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
