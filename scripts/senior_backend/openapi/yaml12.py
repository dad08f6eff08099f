"""YAML by the core rules of version 1.2.

PyYAML's own loaders follow YAML 1.1 (`on` is true, dates are objects) and take ten times as long.
"""
from __future__ import annotations

import json
import math
import re
from typing import Any

from senior_backend.dependencies import require
from senior_backend.json_text import DEPTH_LIMIT, NODE_LIMIT, SyntaxProblem
from senior_backend.openapi.model import quoted

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


# plain text that is text to every reader: it begins like a word or a path, and holds neither ": " nor " #"
PLAIN = re.compile(r"[A-Za-z_/$](?:[A-Za-z0-9_./@()*+%=&!?;'{}\[\]\-]|,(?=[ A-Za-z])|:(?=[^\s,\[\]{}])| (?=[^ #]))*|[0-9]+\.[0-9]+\.[0-9]+")
OTHER_MEANING = re.compile(r"(?i)y|n|yes|no|on|off|true|false|null|.*:")
ESCAPED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]")
SURROGATE = re.compile("[\ud800-\udfff]")
NOT_IN_BLOCKS = re.compile(ESCAPED.pattern + r"|[ \t]+(?:\n|\Z)|\A\n*\Z|\A\n")
LONGEST_KEY = 1000          # characters; YAML allows 1024 for a key that stands before its colon


def document_text(document: dict, name: str) -> str:
    """The text of a document (mappings, lists, text, numbers, booleans, None), JSON when the name ends in .json, else YAML."""
    return as_json(document) if name.lower().endswith(".json") else as_yaml(document)


def as_json(value: Any) -> str:
    return SURROGATE.sub("\ufffd", json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)) + "\n"


def as_yaml(value: Any) -> str:
    return "".join(block(value, "", "")).removeprefix("\n").lstrip(" ")


def block(value: Any, indent: str, gap: str = " ") -> list[str]:
    """What follows "key:" or "-" up to and with the end of line; nested lines begin with indent."""
    if isinstance(value, dict) and value:
        lines = ["\n"]
        for key, inner in value.items():
            written = scalar(str(key), None)
            lines.append(f"{indent}{written}:" if len(written) < LONGEST_KEY else f"{indent}? {written}\n{indent}:")
            lines.extend(block(inner, indent + "  "))
        return lines
    if isinstance(value, (list, tuple)) and value:
        lines = ["\n"]
        for inner in value:
            first, *rest = block(inner, indent + "  ")
            if first == "\n":       # a nested collection begins on the line of its dash
                first, rest = " " + rest[0].removeprefix(indent + "  "), rest[1:]
            lines.extend((f"{indent}-", first, *rest))
        return lines
    return [f"{gap}{scalar(value, indent)}\n"]


def scalar(value: Any, indent: str | None) -> str:
    """A value on one line, or as a block of lines that are indented; indent None: on one line in any case."""
    if isinstance(value, str):
        return text(value, indent)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return float_text(value)
    return "{}" if isinstance(value, dict) else "[]" if isinstance(value, (list, tuple)) else str(value)


def float_text(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"{value} is no number of JSON")
    written = repr(value)
    return written if "." in written else written.replace("e", ".0e")       # 1e+16 is text to YAML 1.1


def text(value: str, indent: str | None) -> str:
    if PLAIN.fullmatch(value) and not OTHER_MEANING.fullmatch(value):
        return value
    if "\n" in value and indent is not None and not NOT_IN_BLOCKS.search(value):
        return literal(value, indent)
    if "\n" in value or ESCAPED.search(value):
        return ESCAPED.sub(replaced, json.dumps(value, ensure_ascii=False))
    return "'" + value.replace("'", "''") + "'"


def literal(value: str, indent: str) -> str:
    """A block scalar: lines as they are, after | with what says how it ends and, when it begins with blanks, its indentation."""
    body = value.rstrip("\n")
    ends = len(value) - len(body)
    head = "|" + ("2" if value[0] in " \t" else "") + ("-" if ends == 0 else "" if ends == 1 else "+")
    lines = [f"{indent}{line}" if line else "" for line in body.split("\n")]
    return "\n".join([head, *lines, *[""] * max(0, ends - 1)])


def replaced(found: re.Match) -> str:
    return "\ufffd" if SURROGATE.fullmatch(found[0]) else f"\\u{ord(found[0]):04x}"


def patched_yaml(text: str, old: Any, new: Any) -> tuple[str, bool]:
    """(the text that says `new`, whether the old text was kept where it could be). old: what the text says."""
    yaml = require("yaml")
    try:
        root = yaml.compose(text, Loader=getattr(yaml, "CLoader", yaml.Loader))
        edits: list[tuple[int, int, str]] = []
        Patch(text, edits).value(root, old, new, 0)
        for start, end, replacement in sorted(edits, reverse=True):
            text = text[:start] + replacement + text[end:]
        if parse_yaml(text)[0] == new:
            return text, True
    except (yaml.YAMLError, SyntaxProblem, Unpatchable, IndexError, RecursionError):
        pass
    return as_yaml(new), False


def patched_json(text: str, new: Any) -> str:
    """JSON with the indentation of the old text."""
    import json
    line = next((line for line in text.splitlines()[1:] if line.strip()), "  ")
    width = len(line) - len(line.lstrip())
    made = as_json(new)
    return made if width == 2 else json.dumps(json.loads(made), indent=line[:width] or None, ensure_ascii=False) + "\n"


class Unpatchable(Exception):
    """The text is written in a way that cannot be changed piecemeal."""


class Patch:
    def __init__(self, text: str, edits: list):
        self.text, self.edits = text, edits

    def value(self, node: Any, old: Any, new: Any, indent: int) -> None:
        """Note the edits that turn a node into a new value; raises Unpatchable when its holder has to be written anew."""
        if old == new and type(old) is type(new):
            return
        kind = type(node).__name__
        if kind == "MappingNode" and isinstance(new, dict) and new and not node.flow_style:
            self.mapping(node, old, new)
        elif kind == "SequenceNode" and isinstance(new, list) and not node.flow_style and len(new) >= len(old) and old:
            self.sequence(node, old, new)
        else:
            raise Unpatchable

    def mapping(self, node: Any, old: dict, new: dict) -> None:
        column = node.start_mark.column
        entries = {key.value: (key, value) for key, value in node.value}
        if len(entries) != len(old) or any(key not in entries for key in map(str, old)):
            raise Unpatchable
        for name, was in old.items():
            key, value = entries[str(name)]
            if name not in new:
                start = self.line_start(key.start_mark.index)
                if self.text[start:key.start_mark.index].strip():
                    raise Unpatchable           # the first entry of a mapping that stands behind a dash
                self.edits.append((start, self.line_end(self.end(value)), ""))
                continue
            try:
                self.value(value, was, new[name], column)
            except Unpatchable:
                written = scalar(str(name), None)
                self.edits.append((key.start_mark.index, self.content_end(value), (written + ":" + "".join(block(new[name], " " * (column + 2)))).rstrip("\n")))
        added = {name: value for name, value in new.items() if name not in old}
        if added:
            at = self.line_end(self.end(node))
            text = "".join(block(added, " " * column)).removeprefix("\n")
            self.edits.append((at, at, ("" if self.text[:at].endswith("\n") or not at else "\n") + text))

    def sequence(self, node: Any, old: list, new: list) -> None:
        for item, was, now in zip(node.value, old, new):
            self.value(item, was, now, item.start_mark.column)
        if len(new) > len(old):
            column = self.text[self.line_start(node.start_mark.index):node.start_mark.index + 1].find("-")
            if column < 0:
                raise Unpatchable
            at = self.line_end(self.end(node))
            text = "".join(block(new[len(old):], " " * column)).removeprefix("\n")
            self.edits.append((at, at, ("" if self.text[:at].endswith("\n") else "\n") + text))

    def end(self, node: Any) -> int:
        """The place after the last character of what a node says; the marks of block collections reach to the next token."""
        kind = type(node).__name__
        if kind == "ScalarNode" or node.flow_style or not node.value:
            return node.end_mark.index
        last = node.value[-1]
        return self.end(last[1] if kind == "MappingNode" else last)

    def content_end(self, node: Any) -> int:
        end = self.end(node)
        while end > 0 and self.text[end - 1] in " \t\n\r" and type(node).__name__ != "ScalarNode" or end > 0 and self.text[end - 1] in "\n\r":
            end -= 1
        return end

    def line_start(self, at: int) -> int:
        return self.text.rfind("\n", 0, at) + 1

    def line_end(self, at: int) -> int:
        """The place after the line break of the line in which something ends; block scalars end behind theirs."""
        if at and self.text[at - 1] == "\n":
            return at
        found = self.text.find("\n", at)
        return len(self.text) if found < 0 else found + 1
