"""Parsed regular expressions."""
from __future__ import annotations

import dataclasses
from typing import Iterator

from senior_backend.scaffold.values.regex.code_points import Ranges


@dataclasses.dataclass(slots=True, eq=False)
class Chars:
    """One code point of a set; ranges is None for a property whose members are not known here."""
    ranges: Ranges | None


@dataclasses.dataclass(slots=True, eq=False)
class Sequence:
    items: list[Node]


@dataclasses.dataclass(slots=True, eq=False)
class Choice:
    branches: list[Node]


@dataclasses.dataclass(slots=True, eq=False)
class Repeat:
    item: Node
    low: int
    high: int | None                   # None: without end
    lazy: bool


@dataclasses.dataclass(slots=True, eq=False)
class Group:
    """A capturing group."""
    item: Node
    number: int
    name: str


@dataclasses.dataclass(slots=True, eq=False)
class Look:
    item: Node
    behind: bool
    negative: bool


@dataclasses.dataclass(slots=True, eq=False)
class Anchor:
    kind: str                          # "^", "$", "b" or "B"


@dataclasses.dataclass(slots=True, eq=False)
class Backreference:
    target: int | str                  # number or name of the group


Node = Chars | Sequence | Choice | Repeat | Group | Look | Anchor | Backreference


def children(node: Node) -> list[Node]:
    if isinstance(node, Sequence):
        return node.items
    if isinstance(node, Choice):
        return node.branches
    return [node.item] if isinstance(node, (Repeat, Group, Look)) else []


def walk(tree: Node) -> Iterator[Node]:
    """All nodes, each before what is inside it, in the order of the expression."""
    pending = [tree]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(children(node)))
