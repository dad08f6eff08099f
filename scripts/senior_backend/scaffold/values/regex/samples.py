"""Texts that a parsed expression matches, made by walking it."""
from __future__ import annotations

import string
from typing import Iterator

from senior_backend.scaffold.values.regex import code_points
from senior_backend.scaffold.values.regex.code_points import Ranges
from senior_backend.scaffold.values.regex.syntax import Backreference, Chars, Choice, Group, Look, Node, Repeat, Sequence, walk

ENDLESS = 1 << 40
LENGTH_LIMIT = 20_000
# the characters that an example is best made of, kind by kind
KINDS = (string.ascii_lowercase, "123456789", string.ascii_uppercase, "0", "-_. /:@+=,;!#$%&'()*?[]{}<>|~^`\"\\", "\t\n\r")
VARIANTS = 12


def samples(tree: Node, low: int, high: int | None) -> Iterator[str]:
    """Texts of low to high code points that the expression probably matches, the most readable first. Lookarounds are only guessed at: check them."""
    sampler = Sampler(tree)
    shortest, longest = sampler.lengths(tree)
    start = max(low, shortest)
    for variant in range(VARIANTS):
        size = min(start + variant // 3, longest, LENGTH_LIMIT)
        text = sampler.sample(tree, size, variant)
        if len(text) < low:
            filling = (string.ascii_lowercase * (low // 26 + 1))[:low - len(text)] if low <= LENGTH_LIMIT else ""
            text = filling + text if variant % 2 else text + filling
        if low <= len(text) and (high is None or len(text) <= high):
            yield text


class Sampler:
    def __init__(self, tree: Node):
        self.known: dict[int, tuple[int, int]] = {}
        self.wanted = [node.ranges for look in looks_ahead(tree) for node in walk(look.item) if isinstance(node, Chars) and node.ranges and code_points.size(node.ranges) < 1000]
        self.captured: dict[int | str, str] = {}
        self.written = self.variant = 0

    def sample(self, tree: Node, size: int, variant: int) -> str:
        self.captured, self.written, self.variant = {}, 0, variant
        return self.write(tree, size)

    def lengths(self, node: Node) -> tuple[int, int]:
        """(shortest, longest) that the node can match, in code points."""
        if id(node) not in self.known:
            self.known[id(node)] = self.measure(node)
        return self.known[id(node)]

    def measure(self, node: Node) -> tuple[int, int]:
        if isinstance(node, Chars):
            return 1, 1
        if isinstance(node, Sequence):
            pairs = [self.lengths(item) for item in node.items]
            return sum(low for low, _ in pairs), min(sum(high for _, high in pairs), ENDLESS)
        if isinstance(node, Choice):
            pairs = [self.lengths(branch) for branch in node.items]
            return min(low for low, _ in pairs), max(high for _, high in pairs)
        if isinstance(node, Repeat):
            low, high = self.lengths(node.item)
            return min(low * node.low, ENDLESS), min(high * (ENDLESS if node.high is None else node.high), ENDLESS)
        return self.lengths(node.item) if isinstance(node, Group) else (0, 0)

    def write(self, node: Node, size: int) -> str:
        """A text for the node, of `size` code points where it can be."""
        if isinstance(node, Chars):
            return self.letter(node.ranges)
        if isinstance(node, Sequence):
            return self.spread(node.items, size)
        if isinstance(node, Choice):
            fitting = [branch for branch in node.items if self.lengths(branch)[0] <= size <= self.lengths(branch)[1]]
            choices = fitting or [min(node.items, key=lambda branch: self.lengths(branch)[0])]
            return self.write(choices[self.variant % len(choices)], size)
        if isinstance(node, Repeat):
            return self.spread([node.item] * self.count(node, size), size)
        if isinstance(node, Group):
            text = self.write(node.item, size)
            self.captured[node.number] = self.captured[node.name] = text
            return text
        return self.captured.get(node.target, "") if isinstance(node, Backreference) else ""

    def spread(self, items: list[Node], size: int) -> str:
        """The items one after the other, what is beyond their shortest lengths given to those that can take it, the last first."""
        shares = [self.lengths(item)[0] for item in items]
        left = size - sum(shares)
        for index in reversed(range(len(items))):
            more = max(min(left, self.lengths(items[index])[1] - shares[index]), 0)
            shares[index] += more
            left -= more
        return "".join(self.write(item, share) for item, share in zip(items, shares))

    def count(self, node: Repeat, size: int) -> int:
        low, high = self.lengths(node.item)
        needed = -(-size // high) if high else 0
        most = size // low if low else max(needed, node.low)
        return min(max(min(needed, most), node.low), LENGTH_LIMIT, LENGTH_LIMIT if node.high is None else node.high)

    def letter(self, ranges: Ranges | None) -> str:
        index, self.written = self.written, self.written + 1
        if ranges is None or not ranges:
            return "a"
        if index < len(self.wanted):
            common = common_letter(ranges, self.wanted[(index + self.variant) % len(self.wanted)])
            if common:
                return common
        kinds = [kind for kind in ("".join(letter for letter in kind if code_points.contains(ranges, ord(letter))) for kind in KINDS) if kind]
        if kinds:
            kind = kinds[self.variant % len(kinds)]
            return kind[(index + self.variant) % len(kind)]
        point = next((low for low, high in ranges if not 0xD800 <= low <= 0xDFFF), ranges[0][0])
        return chr(point)


def looks_ahead(tree: Node) -> list[Look]:
    return [node for node in walk(tree) if isinstance(node, Look) and not node.negative and not node.behind]


def common_letter(one: Ranges, other: Ranges) -> str:
    return next((letter for kind in KINDS for letter in kind if code_points.contains(one, ord(letter)) and code_points.contains(other, ord(letter))), "")
