r"""A parser of ECMAScript regular expressions as they are with the flag u (ECMA-262, 22.2.1), which also knows what other dialects write.

What is only valid without u (needless escapes such as `\_`, a bare `{` or `]`) and what other engines have and ECMAScript can say in
other words (`\A`, `(?P<n>`, `[[:alpha:]]`) is rewritten; `Parsed.strict` tells whether nothing had to be.
"""
from __future__ import annotations

import dataclasses
import re

from senior_backend.scaffold.values.regex import code_points
from senior_backend.scaffold.values.regex.code_points import Ranges
from senior_backend.scaffold.values.regex.property_names import SCRIPTS, is_property
from senior_backend.scaffold.values.regex.spelling import SYNTAX_CHARACTERS, safe, written
from senior_backend.scaffold.values.regex.tree import Anchor, Backreference, Chars, Choice, Group, Look, Node, Repeat, Sequence

DEPTH_LIMIT = 100                      # of nested groups
CONTROLS = {"f": 0x0C, "n": 0x0A, "r": 0x0D, "t": 0x09, "v": 0x0B}
CLASS_ESCAPES = {"d": code_points.DIGITS, "s": code_points.SPACE, "w": code_points.WORD}
POSIX_CLASSES = {
    "alpha": "a-zA-Z", "digit": "0-9", "alnum": "a-zA-Z0-9", "upper": "A-Z", "lower": "a-z", "space": r"\t-\r ", "blank": r"\t ", "punct": r"!-\/:-@\[-`{-~",
    "xdigit": "0-9A-Fa-f", "word": r"\w", "cntrl": r"\x00-\x1f\x7f", "print": " -~", "graph": "!-~", "ascii": r"\x00-\x7f",
}
# constructs of Perl, Python, Java, .NET and Ruby that no ECMAScript expression says simply
FOREIGN_GROUPS = (
    ("(?>", "atomic groups"), ("(?(", "conditional groups"), ("(?R", "recursion"), ("(?0", "recursion"), ("(?1", "recursion"), ("(?&", "recursion"), ("(?|", "branch reset groups"),
    ("(?P>", "recursion"), ("(?'", "groups named with quotes"), ("(*", "verbs like (*UTF8)"),
)
FOREIGN_ESCAPES = {"G": r"\G", "K": r"\K", "R": r"\R", "X": r"\X", "Q": r"quoting by \Q", "E": r"quoting by \E", "N": r"\N", "H": r"\H", "<": r"word borders by \<", ">": r"word borders by \>"}
QUANTIFIER = re.compile(r"([*+?]|\{(\d+)(,?)(\d*)\})(\??)", re.ASCII)
SPACED_QUANTIFIER = re.compile(r"\{ *\d+ *(, *\d* *)?\}", re.ASCII)
NAME = re.compile(r"(?:[^>\\]|\\u[0-9a-fA-F]{4}|\\u\{[0-9a-fA-F]+\})+(?=>)")
INLINE_FLAGS = re.compile(r"\(\?([a-zA-Z]*)(-[a-zA-Z]*)?([):])")
POSIX_CLASS = re.compile(r"\[:(\^?)([a-z]+):\](?=(?:[^\]\\]|\\.)*\])")
PROPERTY = re.compile(r"\{(\^?)(?:([A-Za-z_]+)=)?([A-Za-z0-9_&]+)\}|([LMNPSZC])")
REFERENCE = re.compile(r"[1-9][0-9]*")
SURROGATE_PAIR = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
CODE_POINT = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]+)\})")
PERL_CODE_POINT = re.compile(r"\\x\{([0-9a-fA-F]{1,6})\}")
CONTROL = re.compile(r"\\c([A-Za-z])")
NULL = re.compile(r"\\0(?![0-9])")


class NotARegex(ValueError):
    """The source is no regular expression that ECMAScript can hold; the message says why."""


@dataclasses.dataclass(slots=True)
class NamedGroup:
    name: str
    written_at: int                    # index of its opening in Parser.out
    alternatives: tuple[tuple[int, int], ...]


@dataclasses.dataclass(slots=True)
class Parsed:
    tree: Node
    text: str                          # valid with the flag u; between slashes it is a literal
    flags: str                         # inline flags of the start: "i", "s", "m"; u not included
    strict: bool                       # the source itself is valid with the flag u
    notes: list[str]                   # rewritten habits that the author may not have meant so


def parse(source: str, flags: str = "") -> Parsed:
    """Raises NotARegex."""
    source = source.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    if "[:" not in source:
        return Parser(source, flags).parse()
    try:
        if (parsed := Parser(source, flags).parse()).strict:
            return parsed
    except NotARegex:
        pass                           # the classes of POSIX may make it one
    return Parser(source, flags, posix=True).parse()


class Parser:
    def __init__(self, source: str, flags: str = "", posix: bool = False):
        self.source, self.posix, self.at, self.out = source, posix, 0, []
        self.flags, self.strict, self.notes = flags, True, []
        self.groups, self.depth = 0, 0
        self.alternatives: tuple[tuple[int, int], ...] = ()    # (start of the choice, start of its branch) of all choices around
        self.named: list[NamedGroup] = []
        self.references: list[Backreference] = []
        self.total_groups = count_groups(source)

    def parse(self) -> Parsed:
        tree = self.choice()
        if self.at < len(self.source):
            raise NotARegex(f"the ) at position {self.at + 1} closes no group")
        known = {group.name for group in self.named}
        for reference in self.references:
            if isinstance(reference.target, str) and reference.target not in known:
                raise NotARegex(f"\\k<{reference.target}> refers to no group")
        self.drop_repeated_names()
        return Parsed(tree, "".join(self.out) or "(?:)", self.flags, self.strict, self.notes)

    def rewrite(self, note: str = "") -> None:
        """What follows is not ECMAScript with the flag u and is put in other words."""
        self.strict = False
        if note and note not in self.notes:
            self.notes.append(note)

    def drop_repeated_names(self) -> None:
        """Names that stand in several alternatives are new in ES2025: such groups are left unnamed."""
        names = [group.name for group in self.named]
        repeated = {name for name in names if names.count(name) > 1}
        if any(reference.target in repeated for reference in self.references):
            raise NotARegex("two groups have the same name, which Node.js before 23 refuses")
        for group in self.named:
            if group.name in repeated:
                self.out[group.written_at] = "("

    def eat(self, text: str) -> bool:
        if self.source.startswith(text, self.at):
            self.at += len(text)
            return True
        return False

    def choice(self) -> Node:
        branches, outer, start = [], self.alternatives, self.at
        while True:
            self.alternatives = (*outer, (start, self.at))
            branches.append(self.sequence())
            if not self.eat("|"):
                break
            self.out.append("|")
        self.alternatives = outer
        return branches[0] if len(branches) == 1 else Choice(branches)

    def sequence(self) -> Node:
        items: list[Node] = []
        while self.at < len(self.source) and self.source[self.at] not in "|)":
            start = len(self.out)
            item = self.term()
            if item is not None:
                items.append(self.quantified(item, start))
        return items[0] if len(items) == 1 else Sequence(items)

    def term(self) -> Node | None:
        """The next atom or assertion; None for what leaves nothing behind (comments, flags)."""
        letter = self.source[self.at]
        if letter == "(":
            return self.group()
        if letter == "[":
            return self.character_class()
        if letter == "\\":
            return self.escape()
        self.at += 1
        if letter in "^$":
            self.out.append(letter)
            return Anchor(letter)
        if letter == ".":
            self.out.append(letter)
            return Chars(code_points.ANY if "s" in self.flags else code_points.complement(code_points.LINE_ENDS))
        if letter in "*+?" or letter == "{" and QUANTIFIER.match(self.source, self.at - 1):
            raise NotARegex(f"nothing to repeat before the {letter} at position {self.at}")
        if letter in "{}]":
            spaced = SPACED_QUANTIFIER.match(self.source, self.at - 1)
            self.rewrite(f"{spaced[0]} is read as text: a quantifier holds no blanks" if spaced else "")
        return self.literal(ord(letter))

    def literal(self, point: int) -> Chars:
        self.out.append(written(point))
        return self.one(point)

    def one(self, point: int) -> Chars:
        return self.chars(((point, point),))

    def chars(self, ranges: Ranges | None) -> Chars:
        return Chars(code_points.both_cases(ranges) if ranges and "i" in self.flags else ranges)

    def quantified(self, item: Node, start: int) -> Node:
        match = QUANTIFIER.match(self.source, self.at)
        if not match:
            return item
        if isinstance(item, Anchor) or isinstance(item, Look) and item.behind:
            raise NotARegex(f"nothing to repeat before the {match[0]} at position {self.at + 1}")
        if isinstance(item, Look):
            self.rewrite()
            self.out[start] = "(?:" + self.out[start]
            self.out.append(")")
        self.at = match.end()
        self.out.append(match[0])
        if self.source.startswith("+", self.at):
            raise NotARegex(f"possessive quantifiers such as {match[0]}+ do not exist in JavaScript")
        if QUANTIFIER.match(self.source, self.at):
            raise NotARegex(f"nothing to repeat at position {self.at + 1}")
        if match[2] is None:
            low, high = {"*": (0, None), "+": (1, None), "?": (0, 1)}[match[1]]
        else:
            low = int(match[2][:12])
            high = low if not match[3] else int(match[4][:12]) if match[4] else None
        if high is not None and high < low:
            raise NotARegex(f"the numbers of {match[0]} are out of order")
        return Repeat(item, low, high, bool(match[5]))

    def group(self) -> Node | None:
        start = self.at
        if self.eat("(?#"):
            return self.comment(start)
        for opening, meaning in FOREIGN_GROUPS:
            if self.source.startswith(opening, start):
                raise NotARegex(f"JavaScript has no {meaning}")
        if self.eat("(?P="):
            return self.python_reference()
        for opening in ("(?:", "(?=", "(?!", "(?<=", "(?<!"):
            if self.eat(opening):
                self.out.append(opening)
                item = self.closed(start)
                return Sequence([item]) if opening == "(?:" else Look(item, "<" in opening, "!" in opening)
        if self.eat("(?P<"):
            self.rewrite()
            return self.capturing(start, self.group_name(start))
        if self.eat("(?<"):
            return self.capturing(start, self.group_name(start))
        if self.source.startswith("(?", start):
            return self.inline_flags(start)
        self.at += 1
        return self.capturing(start, "")

    def capturing(self, start: int, name: str) -> Group:
        self.groups += 1
        number = self.groups
        if name:
            if any(group.name == name and not exclusive(group.alternatives, self.alternatives) for group in self.named):
                raise NotARegex(f"two groups are named {name}")
            self.named.append(NamedGroup(name, len(self.out), self.alternatives))
        self.out.append(f"(?<{name}>" if name else "(")
        return Group(self.closed(start), number, name)

    def closed(self, start: int) -> Node:
        self.depth += 1
        if self.depth > DEPTH_LIMIT:
            raise NotARegex(f"groups are nested deeper than {DEPTH_LIMIT}")
        item = self.choice()
        self.depth -= 1
        if not self.eat(")"):
            raise NotARegex(f"the group at position {start + 1} is not closed")
        self.out.append(")")
        return item

    def comment(self, start: int) -> None:
        self.rewrite()
        self.out.append("(?:)")
        end = self.source.find(")", self.at)
        if end < 0:
            raise NotARegex(f"the comment at position {start + 1} is not closed")
        self.at = end + 1

    def group_name(self, start: int) -> str:
        match = NAME.match(self.source, self.at)
        name = re.sub(r"\\u\{?([0-9a-fA-F]+)\}?", lambda found: chr(min(int(found[1], 16), code_points.LAST)), match[0]) if match else ""
        name = name.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        if not match or not is_name(name):
            raise NotARegex(f"the group at position {start + 1} has no valid name")
        self.at = match.end() + 1
        return name

    def inline_flags(self, start: int) -> None:
        """(?i) and the like at the very start become flags of the whole expression."""
        match = INLINE_FLAGS.match(self.source, start)
        if not match:
            raise NotARegex(f"the group at position {start + 1} is not one that JavaScript knows")
        first = not "".join(self.out).strip("^") and not self.depth and match[3] == ")" and "|" not in self.out
        if not first or match[2] or set(match[1]) - set("imsu"):
            raise NotARegex(f"inline flags such as {match[0]} do not exist in every JavaScript")
        self.rewrite()
        self.flags = "".join(sorted(set(self.flags + match[1].replace("u", ""))))
        self.at = match.end()

    def python_reference(self) -> Backreference:
        self.rewrite()
        end = self.source.find(")", self.at)
        name, self.at = self.source[self.at:end], end + 1
        if end < 0 or not is_name(name):
            raise NotARegex("(?P= is not followed by the name of a group")
        return self.reference(name, f"\\k<{name}>")

    def reference(self, target: int | str, text: str) -> Backreference:
        self.out.append(text)
        self.references.append(Backreference(target))
        return self.references[-1]

    def escape(self) -> Node:
        """Outside classes: an assertion, a reference, a set or a character."""
        letter = self.source[self.at + 1:self.at + 2]
        if letter and letter in "bB":
            self.at += 2
            self.out.append("\\" + letter)
            return Anchor(letter)
        if letter and letter in "AZz":
            self.rewrite()
            self.at += 2
            self.out.append("^" if letter == "A" else "$")
            return Anchor(self.out[-1])
        if letter == "k":
            self.at += 2
            if not self.eat("<"):
                raise NotARegex("\\k is not followed by the <name> of a group")
            name = self.group_name(self.at - 3)
            return self.reference(name, f"\\k<{name}>")
        if digits := REFERENCE.match(self.source, self.at + 1):
            if int(digits[0][:9]) > self.total_groups:
                raise NotARegex(f"\\{digits[0]} refers to no group")
            self.at = digits.end()
            return self.reference(int(digits[0]), f"\\{digits[0]}")
        return self.chars(self.escaped_set(in_class=False))

    def escaped_set(self, in_class: bool) -> Ranges | None:
        """What a backslash and what follows it stand for, written to `out`; None for a property that is valid but not known here."""
        letter = self.source[self.at + 1:self.at + 2]
        if not letter:
            raise NotARegex("\\ at the end of the pattern")
        if letter.lower() in CLASS_ESCAPES:
            self.at += 2
            self.out.append("\\" + letter)
            ranges = CLASS_ESCAPES[letter.lower()]
            return ranges if letter.islower() else code_points.complement(ranges)
        if letter in "pP":
            return self.property(letter == "P")
        if letter == "h":
            self.rewrite()
            self.at += 2
            self.out.append(r"\t\p{Zs}\u180e" if in_class else r"[\t\p{Zs}\u180e]")
            return code_points.HORIZONTAL_SPACE
        point = self.escaped_character(in_class)
        return ((point, point),)

    def property(self, negative: bool) -> Ranges | None:
        match = PROPERTY.match(self.source, self.at + 2)
        if not match:
            raise NotARegex(f"{self.source[self.at:self.at + 12]} names no Unicode property")
        hat, name, value = match[1] or "", match[2] or "", match[3] or match[4]
        if match[4] or hat or value == "L&":
            self.rewrite()
            value = "LC" if value == "L&" else value
        if not name and value in SCRIPTS and not is_property("", value):
            self.rewrite()
            name = "Script"
        if not is_property(name, value):
            raise NotARegex(f"{self.source[self.at:match.end()]} names no Unicode property that JavaScript knows")
        self.at = match.end()
        negative = negative is not bool(hat)
        self.out.append(f"\\{'P' if negative else 'p'}{{{name + '=' if name else ''}{value}}}")
        ranges = code_points.of_property(name, value)
        return code_points.complement(ranges) if negative and ranges is not None else ranges

    def escaped_character(self, in_class: bool) -> int:
        """The code point of \\n, \\x41, \\u{1F600}, \\cA, \\0, \\/ and the like, written to `out`."""
        point, end = self.numeric_escape()
        letter = self.source[self.at + 1]
        if point is None and letter in SYNTAX_CHARACTERS or in_class and letter == "-":
            point, end = ord(letter), self.at + 2
            self.out.append("\\" + letter)
        elif point is None and in_class and letter == "b":
            point, end = 8, self.at + 2
            self.out.append("\\b")
        elif point is not None:
            self.out.append(self.source[self.at:end] if self.source[self.at + 1] != "x" or self.source[self.at + 2:self.at + 3] != "{" else f"\\u{{{point:x}}}")
        else:
            point, end = self.needless_escape(letter), self.at + 2
            self.out.append(written(point))
        self.at = end
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
        if match := PERL_CODE_POINT.match(source, at):
            self.rewrite()
            return min(int(match[1], 16), code_points.LAST), match.end()
        if match := CONTROL.match(source, at):
            return ord(match[1]) % 32, match.end()
        if match := NULL.match(source, at):
            return 0, match.end()
        return None, 0

    def needless_escape(self, letter: str) -> int:
        """The character that an escape without a meaning stands for."""
        if letter in FOREIGN_ESCAPES:
            raise NotARegex(f"JavaScript has no {FOREIGN_ESCAPES[letter]}")
        if letter in "xuc" or letter.isdigit():
            raise NotARegex(f"{self.source[self.at:self.at + 6]} is not a valid escape")
        if letter in "kBAZz":
            raise NotARegex(f"\\{letter} has no meaning in a class")
        self.rewrite()
        if letter in "ae":
            return {"a": 7, "e": 27}[letter]
        if letter.isascii() and letter.isalpha():
            self.rewrite(f"\\{letter} is read as the letter {letter}")
        return ord(letter)

    def character_class(self) -> Chars:
        start = self.at
        self.at += 1
        negative = self.eat("^")
        self.out.append("[^" if negative else "[")
        ranges: list[tuple[int, int]] | None = []
        while not self.eat("]"):
            if self.at >= len(self.source):
                raise NotARegex(f"the class at position {start + 1} is not closed")
            found = self.posix_class() or self.class_range(start)
            ranges = None if ranges is None or found is None else [*ranges, *found]
        self.out.append("]")
        self.warn_nested(start)
        members = None if ranges is None else code_points.union(ranges)
        members = self.chars(members).ranges
        return Chars(code_points.complement(members) if negative and members is not None else members)

    def warn_nested(self, start: int) -> None:
        inside = self.source[start + 1:self.at - 1]
        if "[" in inside.replace("\\[", "") and self.source.startswith("]", self.at):
            self.rewrite(f"the class {self.source[start:self.at]} ends at its first ], so that the ] after it stands for itself")

    def posix_class(self) -> Ranges | None:
        """[:alpha:] inside a class."""
        match = POSIX_CLASS.match(self.source, self.at) if self.posix else None
        if not match or match[2] not in POSIX_CLASSES:
            return None
        if match[1]:
            raise NotARegex(f"JavaScript has no {match[0]}")
        self.rewrite()
        self.at = match.end()
        text = POSIX_CLASSES[match[2]]
        self.out.append(text)
        return Parser(f"[{text}]").character_class().ranges

    def class_range(self, start: int) -> Ranges | None:
        """One member or range of a class."""
        low = self.class_member()
        follows = self.source[self.at:self.at + 2]
        if len(follows) < 2 or follows[0] != "-" or follows[1] == "]":
            return low
        self.at += 1
        dash = len(self.out)
        self.out.append("-")
        high = self.class_member()
        if low is None or high is None or code_points.size(low) != 1 or code_points.size(high) != 1:
            self.rewrite()
            self.out[dash] = "\\-"
            return None if low is None or high is None else (*low, (0x2D, 0x2D), *high)
        if high[0][0] < low[0][0]:
            raise NotARegex(f"the range {self.out[dash - 1]}-{self.out[dash + 1]} in the class at position {start + 1} is out of order")
        return ((low[0][0], high[0][0]),)

    def class_member(self) -> Ranges | None:
        letter = self.source[self.at]
        if letter == "\\":
            return self.escaped_set(in_class=True)
        self.at += 1
        point = ord(letter)
        self.out.append("\\" + letter if letter == "/" or letter == "-" and not self.strict else safe(letter))
        return ((point, point),)


def exclusive(one: tuple[tuple[int, int], ...], other: tuple[tuple[int, int], ...]) -> bool:
    """Whether two places, known by the alternatives around them, can never both take part in a match."""
    different = next((pair for pair in zip(one, other) if pair[0] != pair[1]), None)
    return different is not None and different[0][0] == different[1][0]


def count_groups(source: str) -> int:
    """The number of capturing groups, classes and escapes left out."""
    plain = re.sub(r"\\[\s\S]|\[(?:[^\]\\]|\\[\s\S])*\]", "x", source)
    return len(re.findall(r"\((?!\?)|\(\?P?<(?![=!])", plain))


def is_name(name: str) -> bool:
    return bool(name) and all(letter == "$" or letter.isidentifier() or index and (letter in "\u200c\u200d" or ("a" + letter).isidentifier()) for index, letter in enumerate(name))
