"""YAML by the core rules of version 1.2, built from the parser's events: only what OpenAPI documents may hold.

PyYAML's own loaders follow YAML 1.1 (`on` is true, dates are objects) and take ten times as long.
"""
from __future__ import annotations

import math
import re
from typing import Any

from senior_backend.dependencies import require
from senior_backend.openapi.kinds import quoted
from senior_backend.json_text import DEPTH_LIMIT, NODE_LIMIT, SyntaxProblem

ALIASED_LIMIT = 250_000     # values that aliases may repeat; as many as GitHub's whole document has
CONTAINER_LIMIT = 750_000   # mappings and lists; eight times GitHub's, about 300 bytes each with its mark
CONSTANTS = {word: value for words, value in ((("null", "Null", "NULL", "~", ""), None), (("true", "True", "TRUE"), True), (("false", "False", "FALSE"), False)) for word in words}
NUMBER_START = frozenset("0123456789+-.")
INTEGER, OCTAL, HEXADECIMAL = re.compile(r"[-+]?[0-9]+"), re.compile(r"0o[0-7]+"), re.compile(r"0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
NOT_A_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
TAG = "tag:yaml.org,2002:"
MAPPING_TAGS, SEQUENCE_TAGS = (None, TAG + "map"), (None, TAG + "seq")
MERGE = object()            # stands for the key << until the mapping is complete


def parse_yaml(text: str) -> tuple[Any, dict[int, tuple], list[tuple[dict, str]]]:
    """The value of a YAML text, where its containers begin, and the mappings that give a key twice. Raises SyntaxProblem."""
    yaml = require("yaml")
    try:
        return Builder(yaml, getattr(yaml, "CLoader", yaml.Loader)(text)).build()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        message = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
        line = mark.line + 1 if mark else text.count("\n", 0, getattr(error, "position", 0)) + 1
        if "nesting depth" in message:          # libyaml since 0.2.6 stops at a depth of its own before the events reach us
            raise SyntaxProblem(f"nested more than {DEPTH_LIMIT} levels deep", line) from None
        raise SyntaxProblem(f"not YAML: {message}" + (f", column {mark.column + 1}" if mark else ""), line) from None


def number(text: str) -> Any:
    if INTEGER.fullmatch(text):
        return integer(text, 10)
    if OCTAL.fullmatch(text):
        return integer(text[2:], 8)
    if HEXADECIMAL.fullmatch(text):
        return integer(text[2:], 16)
    if FLOAT.fullmatch(text) and math.isfinite(value := float(text)):
        return value
    if NOT_A_NUMBER.fullmatch(text) or FLOAT.fullmatch(text):
        raise SyntaxProblem(f"{quoted(text)} is no number of JSON", hint="put it in quotes when it is meant as text")
    return text


def integer(digits: str, base: int) -> int:
    try:
        return int(digits, base)
    except ValueError:
        raise SyntaxProblem("a number has too many digits") from None


class Builder:
    """Turns events into dicts, lists and scalars; aliases give the very same object again."""

    def __init__(self, yaml: Any, parser: Any):
        self.yaml, self.parser = yaml, parser
        self.marks: dict[int, tuple[int, int, int]] = {}
        self.duplicates: list[tuple[dict, str]] = []
        self.anchors: dict[str, tuple[Any, str | None]] = {}    # name -> (value, text when it is a scalar)
        self.sizes: dict[str, int] = {}                         # name -> values in it, known once it is complete
        self.weight = self.aliased = 0                          # values met, with aliases counted as if they were written out

    def build(self) -> tuple[Any, dict[int, tuple], list]:
        events, get = self.yaml.events, self.parser.get_event
        get()
        if type(get()) is events.StreamEndEvent:
            raise SyntaxProblem("the file holds no YAML document")
        root = self.content(events, get)
        get()
        extra = get()
        if type(extra) is not events.StreamEndEvent:
            raise SyntaxProblem("the file holds more than one YAML document", extra.start_mark.line + 1)
        return root, self.marks, self.duplicates

    def content(self, events: Any, get: Any) -> Any:
        """The node that begins with the next event. One loop with its state in locals: here the time of reading goes."""
        scalar, mapping, sequence, alias = events.ScalarEvent, events.MappingStartEvent, events.SequenceStartEvent, events.AliasEvent
        marks, outer, top, constants = self.marks, [], [], CONSTANTS
        container, in_mapping, key, key_mark = top, False, None, None
        while True:
            event = get()
            kind = type(event)
            if kind is scalar:
                text = value = event.value
                if event.implicit[0]:
                    value = constants.get(text, text)
                    if value is text and text[0] in NUMBER_START:
                        value = self.located(number, text, event)
                elif event.tag is not None:
                    value = self.located(tagged, event, event)
                if event.anchor is not None:
                    self.anchors[event.anchor], self.sizes[event.anchor] = (value, text), 1
            elif kind is mapping or kind is sequence:
                made = {} if kind is mapping else []
                self.begin(event, made, in_mapping and key is None, len(outer), MAPPING_TAGS if kind is mapping else SEQUENCE_TAGS)
                mark = event.start_mark
                marks[id(made)] = (key_mark.line if in_mapping else mark.line, mark.line, mark.column)
                if in_mapping:
                    container[key] = made
                else:
                    container.append(made)
                outer.append((container, in_mapping, event.anchor, self.weight))
                container, in_mapping, key = made, kind is mapping, None
                continue
            elif kind is alias:
                value, text = self.aliased_value(event)
            else:
                done = container
                container, in_mapping, anchor, weight = outer.pop()
                self.end(event, done, anchor, weight)
                key = None
                if container is top:
                    return top[0]
                continue
            if not in_mapping:
                container.append(value)
                if container is top:
                    return value
            elif key is None:
                key, key_mark = self.key(event, text, container), event.start_mark
            else:
                container[key] = value
                key = None

    def located(self, work: Any, argument: Any, event: Any) -> Any:
        try:
            return work(argument)
        except SyntaxProblem as problem:
            raise SyntaxProblem(problem.message, event.start_mark.line + 1, problem.hint) from None

    def begin(self, event: Any, made: Any, as_key: bool, depth: int, tags: tuple) -> None:
        line = event.start_mark.line + 1
        if as_key:
            raise SyntaxProblem("a mapping's key must be text", line)
        if len(self.marks) > CONTAINER_LIMIT:
            raise SyntaxProblem(f"the file holds more than {CONTAINER_LIMIT} mappings and lists", line)
        if depth >= DEPTH_LIMIT:
            raise SyntaxProblem(f"nested more than {DEPTH_LIMIT} levels deep", line)
        if event.tag not in tags:
            raise SyntaxProblem(f"the tag {quoted(event.tag)} is not part of YAML's core", line, "write the value itself")
        if event.anchor is not None:
            self.anchors[event.anchor] = (made, None)
            self.sizes.pop(event.anchor, None)

    def end(self, event: Any, done: Any, anchor: str | None, weight: int) -> None:
        self.weight += len(done) + 1
        if self.weight - self.aliased > NODE_LIMIT:
            raise SyntaxProblem(f"the file holds more than {NODE_LIMIT} values", event.start_mark.line + 1)
        if type(done) is dict and MERGE in done:
            merge(done, event.start_mark.line + 1)
        if anchor is not None:
            self.sizes[anchor] = self.weight - weight

    def key(self, event: Any, text: str | None, container: dict) -> Any:
        if text is None:
            raise SyntaxProblem("a mapping's key must be text", event.start_mark.line + 1)
        if text in container:
            self.duplicates.append((container, text))
        return MERGE if text == "<<" and getattr(event, "implicit", (False,))[0] else text

    def aliased_value(self, event: Any) -> tuple[Any, str | None]:
        """What an alias stands for, and its text when it is a scalar."""
        name, line = event.anchor, event.start_mark.line + 1
        if name not in self.anchors:
            raise SyntaxProblem(f"the alias {quoted('*' + name)} has no anchor before it", line)
        if name not in self.sizes:
            raise SyntaxProblem(f"the alias {quoted('*' + name)} stands within its own anchor", line)
        self.weight += self.sizes[name]
        self.aliased += self.sizes[name]
        if self.aliased > ALIASED_LIMIT:
            raise SyntaxProblem(f"aliases repeat more than {ALIASED_LIMIT} values", line)
        return self.anchors[name]


def tagged(event: Any) -> Any:
    """The value of a scalar with a tag."""
    text, name = event.value, event.tag.removeprefix(TAG)
    if event.tag in ("!", TAG + "str"):
        return text
    value = CONSTANTS.get(text, text)
    value = number(text) if value is text and text[:1] in NUMBER_START else value
    if (name == "null" and value is None) or (name == "bool" and type(value) is bool) or (name == "int" and type(value) is int):
        return value
    if name == "float" and type(value) in (int, float):
        return float(value)
    if event.tag.startswith(TAG) and name in ("null", "bool", "int", "float"):
        raise SyntaxProblem(f"{quoted(text)} is not of its tag !!{name}")
    raise SyntaxProblem(f"the tag {quoted(event.tag)} is not part of YAML's core", hint="write the value itself")


def merge(mapping: dict, line: int) -> None:
    """Fill in what the key << refers to: a mapping or a list of mappings, of which the first that has a key counts."""
    given = mapping.pop(MERGE)
    for source in given if type(given) is list else [given]:
        if type(source) is not dict:
            raise SyntaxProblem("the key << must refer to a mapping", line)
        for key, value in source.items():
            mapping.setdefault(key, value)
