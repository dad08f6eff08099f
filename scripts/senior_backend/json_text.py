"""JSON texts: parsed with the duplicates found, and searched for the lines of pointers."""
from __future__ import annotations

import collections
import json
import math
import re
from json.decoder import scanstring
from typing import Any

DEPTH_LIMIT = 200           # levels; the deepest document met has 110, and readers further on use the stack
NODE_LIMIT = 3_000_000      # values; a value takes about 100 bytes, and 500 MB must do
BLANKS = re.compile(r"[ \t\n\r]*")
SURROGATE = re.compile("[\ud800-\udfff]")
SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


class SyntaxProblem(Exception):
    """A text cannot be read. line counts from 1."""

    def __init__(self, message: str, line: int = 1, hint: str = ""):
        super().__init__(message)
        self.message, self.line, self.hint = message, line, hint


def parse_json(text: str) -> tuple[Any, list[tuple[dict, str]]]:
    """The value of a JSON text, and the mappings that give a key twice (the last one counts). Raises SyntaxProblem."""
    if text.count(",") + text.count("{") + text.count("[") > NODE_LIMIT:
        raise SyntaxProblem(f"the file holds more than {NODE_LIMIT} values")
    duplicates: list[tuple[dict, str]] = []

    def mapping(pairs: list[tuple[str, Any]]) -> dict:
        made = dict(pairs)
        if len(made) != len(pairs):
            counts = collections.Counter(name for name, _ in pairs)
            duplicates.extend((made, name) for name in made if counts[name] > 1)
        return made
    try:
        root = json.loads(text, object_pairs_hook=mapping, parse_constant=refuse_constant, parse_float=finite)
    except json.JSONDecodeError as error:
        raise SyntaxProblem(f"not JSON: {error.msg}, column {error.colno}", error.lineno) from None
    except RecursionError:
        raise SyntaxProblem(f"nested more than {DEPTH_LIMIT} levels deep") from None
    except ValueError as error:
        raise SyntaxProblem("a number has too many digits" if "digits" in str(error) else str(error)) from None
    refuse_depth(root)
    if SURROGATE_ESCAPE.search(text):
        refuse_surrogates(text)
    return root, duplicates


def refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {text[:40]} is too large")
    return value


def refuse_depth(root: Any) -> None:
    """Level by level, so that no text can exhaust the stack."""
    level, depth = [root] if type(root) in (dict, list) else [], 0
    while level:
        depth += 1
        if depth > DEPTH_LIMIT:
            raise SyntaxProblem(f"nested more than {DEPTH_LIMIT} levels deep")
        level = [value for node in level for value in (node.values() if type(node) is dict else node) if type(value) is dict or type(value) is list]


def refuse_surrogates(text: str) -> None:
    """Half of a surrogate pair is no character: it could not be written to any file."""
    for number, line in enumerate(text.split("\n"), 1):
        for start in re.finditer(r'"', line) if SURROGATE_ESCAPE.search(line) else ():
            try:
                value, _ = scanstring(line, start.end())
            except ValueError:
                continue
            if SURROGATE.search(value):
                raise SyntaxProblem("half of a surrogate pair (\\ud800 to \\udfff) is not a character", number)


def json_lines(text: str, pointers: list[tuple]) -> dict[tuple, int]:
    """The line of each pointer (a tuple of keys and indexes) that the text holds: the line of an entry's key, or of a list's value."""
    wanted: dict = {}
    for pointer in pointers:
        node = wanted
        for token in pointer:
            node = node.setdefault(token, {})
    search = LineSearch(text)
    start = BLANKS.match(text).end()
    search.lines[()] = text.count("\n", 0, start) + 1
    search.value(start, wanted, ())
    return search.lines


class LineSearch:
    """One walk over a JSON text that is known to be right; what is not wanted is skipped by the C scanner of the json module."""

    def __init__(self, text: str):
        self.text, self.lines = text, {}
        self.position, self.line = 0, 1
        self.skip = json.JSONDecoder().scan_once

    def value(self, position: int, wanted: dict, pointer: tuple) -> int:
        """Walk over the value at position; gives the position behind it."""
        opening = self.text[position]
        if not wanted or opening not in "{[":
            return self.skip(self.text, position)[1]
        return self.mapping(position, wanted, pointer) if opening == "{" else self.sequence(position, wanted, pointer)

    def mapping(self, position: int, wanted: dict, pointer: tuple) -> int:
        position = self.after_blanks(position + 1)
        while self.text[position] == '"':
            start = position
            key, position = scanstring(self.text, position + 1)
            position = self.after_blanks(self.after_blanks(position) + 1)
            position = self.entry(key, start, position, wanted, pointer)
        return position + 1

    def sequence(self, position: int, wanted: dict, pointer: tuple) -> int:
        position, index = self.after_blanks(position + 1), 0
        while self.text[position] != "]":
            position = self.entry(index, position, position, wanted, pointer)
            index += 1
        return position + 1

    def entry(self, token: str | int, start: int, position: int, wanted: dict, pointer: tuple) -> int:
        if token in wanted:
            path = (*pointer, token)
            self.line += self.text.count("\n", self.position, start)
            self.position = start
            self.lines[path] = self.line
            position = self.value(position, wanted[token], path)
        else:
            position = self.skip(self.text, position)[1]
        position = self.after_blanks(position)
        return self.after_blanks(position + 1) if self.text[position] == "," else position

    def after_blanks(self, position: int) -> int:
        return BLANKS.match(self.text, position).end()
