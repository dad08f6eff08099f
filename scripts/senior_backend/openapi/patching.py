"""A changed document written into its old text: what did not change keeps its comments, order and style."""
from __future__ import annotations

from typing import Any

from senior_backend.dependencies import require
from senior_backend.json_text import SyntaxProblem
from senior_backend.openapi.writing import as_json, as_yaml, block, scalar
from senior_backend.openapi.yaml12 import parse_yaml


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
