r"""Regular expressions of ECMAScript as they are with the flag u (ECMA-262, 22.2.1): parsed, and spelled as literals of a source file.

What is valid only without u (needless escapes such as `\_`, a bare `{` or `]`) and what other engines spell otherwise (`\A`, `(?P<n>`, `(?i)` at the start) is
rewritten; `Parsed.strict` tells whether nothing had to be.
"""
from __future__ import annotations

import dataclasses
import re
from typing import Iterator

from senior_backend.scaffold.typescript import UNSAFE
from senior_backend.scaffold.values.regex import code_points
from senior_backend.scaffold.values.regex.code_points import Ranges

DEPTH_LIMIT = 100                      # of nested groups
SYNTAX_CHARACTERS = frozenset("^$\\.*+?()[]{}|/")
CONTROLS = {"f": 0x0C, "n": 0x0A, "r": 0x0D, "t": 0x09, "v": 0x0B}
SETS = {"d": code_points.DIGITS, "s": code_points.SPACE, "w": code_points.WORD}
OPENINGS = ("(?:", "(?=", "(?!", "(?<=", "(?<!")
ELSEWHERE = {"A": "^", "Z": "$", "z": "$"}             # what other engines write for the ends of the text
FLAGS = re.compile(r"(\^?)\(\?([ims]+)\)")
QUANTIFIER = re.compile(r"([*+?]|\{(\d+)(,?)(\d*)\})(\??)", re.ASCII)
SPACED_QUANTIFIER = re.compile(r"\{ *\d+ *(, *\d* *)?\}", re.ASCII)
NAME = re.compile(r"(?:[^>\\]|\\u[0-9a-fA-F]{4}|\\u\{[0-9a-fA-F]+\})+(?=>)")
PROPERTY = re.compile(r"\{(?:([A-Za-z_]+)=)?([A-Za-z0-9_]+)\}")
REFERENCE = re.compile(r"[1-9][0-9]*")
SURROGATE_PAIR = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
CODE_POINT = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]+)\})")
CONTROL = re.compile(r"\\c([A-Za-z])")
NULL = re.compile(r"\\0(?![0-9])")


class NotARegex(ValueError):
    """The source is no regular expression that ECMAScript can hold; the message says why."""


@dataclasses.dataclass(slots=True, eq=False)
class Chars:
    """One code point of a set; ranges is None for a property whose members are not known here."""
    ranges: Ranges | None


@dataclasses.dataclass(slots=True, eq=False)
class Sequence:
    items: list[Node]


@dataclasses.dataclass(slots=True, eq=False)
class Choice:
    items: list[Node]


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


def walk(tree: Node) -> Iterator[Node]:
    """All nodes, each before what is inside it, in the order of the expression."""
    pending = [tree]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(node.items) if isinstance(node, (Sequence, Choice)) else [node.item] if isinstance(node, (Repeat, Group, Look)) else ())


@dataclasses.dataclass(slots=True)
class Parsed:
    tree: Node
    text: str                          # valid with the flag u; between slashes it is a literal
    flags: str                         # of the start: "i", "s", "m"; u not included
    strict: bool                       # the source itself is valid with the flag u


def parse(source: str) -> Parsed:
    """Raises NotARegex."""
    source = source.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    flags = FLAGS.match(source)
    return Parser(flags[1] + source[flags.end():] if flags else source, flags[2] if flags else "").parse()


class Parser:
    def __init__(self, source: str, flags: str):
        self.source, self.flags, self.at, self.strict = source, "".join(sorted(set(flags))), 0, not flags
        self.edits: list[tuple[int, int, str]] = []        # (start, end, what is written instead)
        self.groups, self.depth = 0, 0
        self.names: set[str] = set()
        self.references: list[Backreference] = []

    def parse(self) -> Parsed:
        tree = self.choice()
        if self.at < len(self.source):
            raise NotARegex(f"the ) at position {self.at + 1} closes no group")
        for reference in self.references:
            if reference.target not in self.names if isinstance(reference.target, str) else reference.target > self.groups:
                raise NotARegex(f"\\{reference.target if isinstance(reference.target, int) else f'k<{reference.target}>'} refers to no group")
        text, end = [], 0
        for start, after, new in sorted(self.edits):
            text += [self.source[end:start], new]
            end = after
        return Parsed(tree, "".join([*text, self.source[end:]]) or "(?:)", self.flags, self.strict)

    def edit(self, start: int, new: str, strict: bool = False) -> None:
        """What was read from start on is written otherwise; strict: it is valid as it is, and only no text for a source file."""
        self.edits.append((start, self.at, new))
        self.strict &= strict

    def eat(self, text: str) -> bool:
        if self.source.startswith(text, self.at):
            self.at += len(text)
            return True
        return False

    def choice(self) -> Node:
        branches = [self.sequence()]
        while self.eat("|"):
            branches.append(self.sequence())
        return branches[0] if len(branches) == 1 else Choice(branches)

    def sequence(self) -> Node:
        items: list[Node] = []
        while self.at < len(self.source) and self.source[self.at] not in "|)":
            items.append(self.quantified(self.term()))
        return items[0] if len(items) == 1 else Sequence(items)

    def term(self) -> Node:
        """The next atom or assertion."""
        start, letter = self.at, self.source[self.at]
        if letter in "([\\":
            return self.group() if letter == "(" else self.character_class() if letter == "[" else self.escape()
        if letter in "*+?" or letter == "{" and QUANTIFIER.match(self.source, start):
            raise NotARegex(f"nothing to repeat before the {letter} at position {start + 1}")
        self.at += 1
        if letter in "^$":
            return Anchor(letter)
        if letter == ".":
            return Chars(code_points.ANY if "s" in self.flags else code_points.complement(code_points.LINE_ENDS))
        if letter in "{}]":
            if spaced := SPACED_QUANTIFIER.match(self.source, start):
                raise NotARegex(f"{spaced[0]} is read as text: a quantifier holds no blanks")
            self.edit(start, "\\" + letter)
        elif (text := spelled(letter)) != letter:
            self.edit(start, text, strict=True)
        return self.chars(((ord(letter), ord(letter)),))

    def chars(self, ranges: Ranges | None) -> Chars:
        return Chars(code_points.both_cases(ranges) if ranges and "i" in self.flags else ranges)

    def quantified(self, item: Node) -> Node:
        match = QUANTIFIER.match(self.source, self.at)
        if not match:
            return item
        if isinstance(item, (Anchor, Look)) or QUANTIFIER.match(self.source, match.end()):
            raise NotARegex(f"nothing to repeat before the {match[0]} at position {self.at + 1}" if isinstance(item, (Anchor, Look)) else f"JavaScript has no possessive or doubled quantifiers such as {match[0]}+")
        self.at = match.end()
        low, high = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(match[1]) or (int(match[2][:12]), int(match[4][:12]) if match[4] else None if match[3] else int(match[2][:12]))
        if high is not None and high < low:
            raise NotARegex(f"the numbers of {match[0]} are out of order")
        return Repeat(item, low, high, bool(match[5]))

    def group(self) -> Node:
        start = self.at
        for opening in OPENINGS:
            if self.eat(opening):
                item = self.closed(start)
                return Sequence([item]) if opening == "(?:" else Look(item, "<" in opening, "!" in opening)
        if self.eat("(?P<"):
            self.edit(start, "(?<")
            return self.capturing(start, self.group_name(start))
        if self.eat("(?<"):
            return self.capturing(start, self.group_name(start))
        if self.source.startswith(("(?", "(*"), start):
            raise NotARegex(f"the group at position {start + 1}, {self.source[start:start + 4]}, is not one that JavaScript knows")
        self.at += 1
        return self.capturing(start, "")

    def capturing(self, start: int, name: str) -> Group:
        self.groups += 1
        if name in self.names:
            raise NotARegex(f"two groups are named {name}")
        self.names |= {name} - {""}
        number = self.groups
        return Group(self.closed(start), number, name)

    def closed(self, start: int) -> Node:
        self.depth += 1
        if self.depth > DEPTH_LIMIT:
            raise NotARegex(f"groups are nested deeper than {DEPTH_LIMIT}")
        item = self.choice()
        self.depth -= 1
        if not self.eat(")"):
            raise NotARegex(f"the group at position {start + 1} is not closed")
        return item

    def group_name(self, start: int) -> str:
        match = NAME.match(self.source, self.at)
        name = re.sub(r"\\u\{?([0-9a-fA-F]+)\}?", lambda found: chr(min(int(found[1], 16), code_points.LAST)), match[0]) if match else ""
        name = name.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        if not match or not is_name(name):
            raise NotARegex(f"the group at position {start + 1} has no valid name")
        self.at = match.end() + 1
        return name

    def escape(self) -> Node:
        """Outside classes: an assertion, a reference, a set or a character."""
        start, letter = self.at, self.source[self.at + 1:self.at + 2]
        if letter and letter in "bBAZz":
            self.at += 2
            if letter in ELSEWHERE:
                self.edit(start, ELSEWHERE[letter])
            return Anchor(ELSEWHERE.get(letter, letter))
        if letter == "k":
            self.at += 2
            if not self.eat("<"):
                raise NotARegex("\\k is not followed by the <name> of a group")
            return self.reference(self.group_name(start))
        if digits := REFERENCE.match(self.source, self.at + 1):
            self.at = digits.end()
            return self.reference(int(digits[0][:9]))
        return self.chars(self.escaped_set(in_class=False))

    def reference(self, target: int | str) -> Backreference:
        self.references.append(Backreference(target))
        return self.references[-1]

    def escaped_set(self, in_class: bool) -> Ranges | None:
        """What a backslash and what follows it stand for; None for a property that is valid but not known here."""
        letter = self.source[self.at + 1:self.at + 2]
        if not letter:
            raise NotARegex("\\ at the end of the pattern")
        if letter.lower() in SETS:
            self.at += 2
            return SETS[letter] if letter.islower() else code_points.complement(SETS[letter.lower()])
        if letter in "pP":
            match = PROPERTY.match(self.source, self.at + 2)
            if not match or not code_points.is_property(match[1] or "", match[2]):
                raise NotARegex(f"{self.source[self.at:match.end() if match else self.at + 12]} names no Unicode property that JavaScript knows")
            self.at = match.end()
            ranges = code_points.of_property(match[1] or "", match[2])
            return code_points.complement(ranges) if letter == "P" and ranges is not None else ranges
        point = self.escaped_character(letter, in_class)
        return ((point, point),)

    def escaped_character(self, letter: str, in_class: bool) -> int:
        r"""The code point of \n, \x41, \u{1F600}, \cA, \0, \/ and the like."""
        start = self.at
        point, self.at = self.numeric_escape()
        if point is None:
            self.at = start + 2
            if in_class and letter in "-b" or letter in SYNTAX_CHARACTERS:
                return 8 if letter == "b" else ord(letter)
            if letter.isascii() and letter.isalnum():
                raise NotARegex(f"\\{letter} has no meaning in JavaScript")
            point = ord(letter)
            self.edit(start, spelled(letter))
        return point

    def numeric_escape(self) -> tuple[int | None, int]:
        """(code point, end) of an escape by name or number; (None, 0) when it is none."""
        source, at = self.source, self.at
        if source[at + 1] in CONTROLS:
            return CONTROLS[source[at + 1]], at + 2
        if match := SURROGATE_PAIR.match(source, at):
            return 0x10000 + ((int(match[1], 16) - 0xD800) << 10) + int(match[2], 16) - 0xDC00, match.end()
        if match := CODE_POINT.match(source, at):
            point = int(match[1] or match[2] or match[3], 16)
            if point > code_points.LAST:
                raise NotARegex(f"{match[0]} is beyond the last code point")
            return point, match.end()
        if match := CONTROL.match(source, at) or NULL.match(source, at):
            return ord(match[0][-1]) % 32 if match[0] != "\\0" else 0, match.end()
        return None, 0

    def character_class(self) -> Chars:
        start = self.at
        self.at += 1
        negative = self.eat("^")
        ranges: list[tuple[int, int]] | None = []
        while not self.eat("]"):
            if self.at >= len(self.source):
                raise NotARegex(f"the class at position {start + 1} is not closed")
            found = self.class_range(start)
            ranges = None if ranges is None or found is None else [*ranges, *found]
        if "[" in self.source[start + 1:self.at - 1].replace("\\[", "") and self.source.startswith("]", self.at):
            raise NotARegex(f"the class {self.source[start:self.at]} ends at its first ], so that the ] after it would stand for itself")
        members = self.chars(None if ranges is None else code_points.union(ranges)).ranges
        return Chars(code_points.complement(members) if negative and members is not None else members)

    def class_range(self, start: int) -> Ranges | None:
        """One member or range of a class."""
        low = self.class_member()
        dash, follows = self.at, self.source[self.at:self.at + 2]
        if len(follows) < 2 or follows[0] != "-" or follows[1] == "]":
            return low
        self.at += 1
        high = self.class_member()
        if low is None or high is None or code_points.size(low) != 1 or code_points.size(high) != 1:
            self.edits.append((dash, dash + 1, "\\-"))
            self.strict = False
            return None if low is None or high is None else (*low, (0x2D, 0x2D), *high)
        if high[0][0] < low[0][0]:
            raise NotARegex(f"the range {self.source[dash - 1:dash + 2]} in the class at position {start + 1} is out of order")
        return ((low[0][0], high[0][0]),)

    def class_member(self) -> Ranges | None:
        start, letter = self.at, self.source[self.at]
        if letter == "\\":
            return self.escaped_set(in_class=True)
        self.at += 1
        if letter == "/" or letter == "-" and not self.strict or UNSAFE.match(letter):
            self.edit(start, spelled(letter) if letter != "-" else "\\-", strict=True)
        return ((ord(letter), ord(letter)),)


def spelled(letter: str) -> str:
    """A character that stands for itself, as a literal of a source file may hold it: escaped when it has a meaning, ends a line or reorders text."""
    if letter in SYNTAX_CHARACTERS:
        return "\\" + letter
    if not UNSAFE.match(letter):
        return letter
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(letter) or (f"\\u{{{ord(letter):x}}}" if "\ud800" <= letter <= "\udfff" else f"\\u{ord(letter):04x}")


def is_name(name: str) -> bool:
    return bool(name) and all(letter == "$" or letter.isidentifier() or index and (letter in "\u200c\u200d" or ("a" + letter).isidentifier()) for index, letter in enumerate(name))
