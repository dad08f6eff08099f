"""What a parsed pattern does: whether matching it can take exponential time, and texts that match it.

The expression becomes a position automaton (Glushkov) in which an edge counts how many ways lead along it. A loop that can read one word
in two ways is exponential (Weber and Seidl 1991: the criteria EDA and IDA). Loops that can follow each other on one word multiply: the
degree is the length of such a chain, the search for the start of a match counted as one loop. What comes after a loop must be able to
fail, else nothing is ever tried again. Lookarounds count as assertions here, and their bodies are judged by themselves.
"""
from __future__ import annotations

import dataclasses
import string
from typing import Iterator

from senior_backend.scaffold.values.regex import syntax
from senior_backend.scaffold.values.regex.syntax import Anchor, Backreference, Chars, Choice, Group, Look, Node, Ranges, Repeat, Sequence, walk

POSITION_LIMIT = 300
STEP_LIMIT = 60_000                    # about 50 ms
MANY = 12                              # repetitions of a group that are as bad as no end
COPIES = 2                             # of what is repeated a bounded number of times
END: Ranges = ((syntax.LAST + 1, syntax.LAST + 1),)
FREE, ASSERTING, STARTING, NEVER = 0, 1, 2, 3      # how the empty text is matched: always, after an assertion, at the start only, not at all


class TooLarge(Exception):
    """The automaton or the search in it is beyond its limit."""


@dataclasses.dataclass(slots=True)
class Part:
    """A piece of the expression in the automaton: how its empty match is had, and its first and last positions, each with how they are reached."""
    empty: int
    first: dict[int, int]
    last: dict[int, int]


def danger(tree: Node) -> str:
    """"exponential", "polynomial" (cubic or worse, or quadratic without a need) or ""."""
    bodies = [look.item for look in walk(tree) if isinstance(look, Look)]
    found = {judged(tree, anchored=False), *(judged(Sequence([body]), anchored=True) for body in bodies)}
    return next((name for name in ("exponential", "polynomial") if name in found), "")


def judged(tree: Node, anchored: bool) -> str:
    repeats = [node for node in walk(tree) if isinstance(node, Repeat)]
    if not any(endless(repeat) for repeat in repeats):
        return ""
    try:
        return Automaton(tree, anchored).danger()
    except TooLarge:
        return "exponential" if any(nested(repeat) for repeat in repeats) else ""


def endless(repeat: Repeat) -> bool:
    """Without end, or repeated so often, with a choice of how, that it makes no difference."""
    if repeat.high is None or isinstance(repeat.item, Chars):
        return repeat.high is None
    return repeat.high >= MANY and (repeat.high > repeat.low or any(isinstance(node, Repeat) and endless(node) for node in walk(repeat.item)))


def nested(repeat: Repeat) -> bool:
    """A loop whose whole body, but for what may be left out, is a loop: the plainest form of the exponential ones."""
    body = repeat.item.item if isinstance(repeat.item, Group) else repeat.item
    items = body.items if isinstance(body, Sequence) else [body]
    needed = [item for item in items if not (isinstance(item, Repeat) and item.low == 0)]
    return endless(repeat) and (len(needed) == 1 and isinstance(needed[0], Repeat) and endless(needed[0]) or not needed and any(endless(item) for item in items))


class Automaton:
    def __init__(self, tree: Node, anchored: bool):
        self.sets: list[Ranges] = []
        self.edges: list[dict[int, int]] = []
        self.steps = 0
        part = self.part(tree)
        self.search = -1
        if not anchored and part.first and any(how < STARTING for how in part.first.values()):
            self.search = self.position(syntax.ANY)
            part = self.join(self.looped(Part(NEVER, {self.search: FREE}, {self.search: FREE}), FREE), part)
        self.accepting = {position for position, how in part.last.items() if how == FREE}
        self.masks = masks(self.sets)

    def position(self, ranges: Ranges) -> int:
        if len(self.sets) >= POSITION_LIMIT:
            raise TooLarge
        self.sets.append(ranges)
        self.edges.append({})
        return len(self.sets) - 1

    def part(self, node: Node) -> Part:
        if isinstance(node, Chars):
            position = self.position(syntax.ANY if node.ranges is None else node.ranges)
            return Part(NEVER, {position: FREE}, {position: FREE})
        if isinstance(node, Sequence):
            return self.sequence([self.part(item) for item in node.items])
        if isinstance(node, Choice):
            parts = [self.part(branch) for branch in node.items]
            return Part(min(part.empty for part in parts), merged([part.first for part in parts]), merged([part.last for part in parts]))
        if isinstance(node, Repeat):
            return self.repeat(node)
        if isinstance(node, Group):
            return self.part(node.item)
        if isinstance(node, Anchor) and node.kind == "$":
            position = self.position(END)
            return Part(NEVER, {position: FREE}, {position: FREE})
        if isinstance(node, Anchor) and node.kind == "^":
            return Part(STARTING, {}, {})
        return Part(ASSERTING, {}, {})         # assertions; a backreference is taken for an empty one

    def sequence(self, parts: list[Part]) -> Part:
        whole = Part(FREE, {}, {})
        for part in parts:
            whole = self.join(whole, part)
        return whole

    def join(self, left: Part, right: Part) -> Part:
        self.link(left.last, right.first)
        return Part(NEVER if NEVER in (left.empty, right.empty) else max(left.empty, right.empty),
                    merged([left.first, through(right.first, left.empty)]), merged([right.last, through(left.last, right.empty)]))

    def link(self, last: dict[int, int], first: dict[int, int]) -> None:
        self.spend(len(last) * len(first))
        for source, left in last.items():
            for target, how in first.items():
                if how < STARTING and left < STARTING:
                    self.edges[source][target] = self.edges[source].get(target, 0) + 1

    def repeat(self, node: Repeat) -> Part:
        if endless(node):
            copies = [self.part(node.item) for _ in range(1 if node.low <= 1 else COPIES)]
            copies[-1] = self.looped(copies[-1], FREE if node.low == 0 else copies[-1].empty)
            return self.sequence(copies)
        if node.high == 0:
            return Part(FREE, {}, {})
        needed = [self.part(node.item) for _ in range(min(node.low, COPIES))]
        optional = [self.part(node.item) for _ in range(min((node.high or 0) - node.low, COPIES))]
        tail = Part(FREE, {}, {})
        for part in reversed(optional):
            tail = self.join(part, tail)
            tail.empty = FREE
        return self.sequence([*needed, tail])

    def looped(self, part: Part, empty: int) -> Part:
        self.link(part.last, part.first)
        return Part(min(part.empty, empty), part.first, part.last)

    def spend(self, steps: int) -> None:
        self.steps += steps
        if self.steps > STEP_LIMIT:
            raise TooLarge

    def danger(self) -> str:
        loops = [loop for loop in self.loops() if not loop & self.accepting]
        if any(self.ambiguous(loop) for loop in loops):
            return "exponential"
        return "polynomial" if self.chained(loops) else ""

    def loops(self) -> list[set[int]]:
        """The sets of positions that lead to each other."""
        reach = [sum(1 << target for target in targets) for targets in self.edges]
        for middle in range(len(reach)):
            reach = [one | reach[middle] if one >> middle & 1 else one for one in reach]
        found: dict[tuple[int, ...], set[int]] = {}
        for position, targets in enumerate(reach):
            if targets >> position & 1:
                loop = tuple(other for other in range(len(reach)) if targets >> other & 1 and reach[other] >> position & 1)
                found[loop] = set(loop)
        return list(found.values())

    def ambiguous(self, loop: set[int]) -> bool:
        """Whether two different ways inside the loop lead from one position back to it on the same word."""
        inside = {source: [(target, count) for target, count in self.edges[source].items() if target in loop] for source in loop}
        if any(count > 1 for targets in inside.values() for _, count in targets):
            return True
        pending = [(one, two) for targets in inside.values() for one, _ in targets for two, _ in targets if one < two and self.masks[one] & self.masks[two]]
        seen = set(pending)
        while pending:
            one, two = pending.pop()
            self.spend(len(inside[one]) * len(inside[two]))
            for left, _ in inside[one]:
                for right, _ in inside[two]:
                    if left == right:
                        return True
                    pair = (left, right) if left < right else (right, left)
                    if pair not in seen and self.masks[left] & self.masks[right]:
                        seen.add(pair)
                        pending.append(pair)
        return False

    def chained(self, loops: list[set[int]]) -> bool:
        """Whether three loops follow each other on one word, or two without anything needed between them."""
        following = {index: [] for index in range(len(loops))}
        for one, left in enumerate(loops):
            for two, right in enumerate(loops):
                if one != two and self.handed_over(left, right):
                    following[one].append(two)
        beside = any(self.search not in loops[one] and any(target in loops[two] and self.masks[target] & self.reads(loops[one]) for source in loops[one] for target in self.edges[source])
                     for one, targets in following.items() for two in targets)
        return beside or any(following[two] for targets in following.values() for two in targets)

    def reads(self, loop: set[int]) -> int:
        found = 0
        for position in loop:
            found |= self.masks[position]
        return found

    def handed_over(self, left: set[int], right: set[int]) -> bool:
        """Whether a word leads from p to p, from p to q and from q to q, with p in the one loop and q in the other."""
        if not self.reads(left) & self.reads(right):
            return False
        for p in left:
            for q in right:
                if self.common_word(p, q, left, right):
                    return True
        return False

    def common_word(self, p: int, q: int, left: set[int], right: set[int]) -> bool:
        seen = {(p, p, q)}
        pending = [(p, p, q)]
        while pending:
            one, middle, two = pending.pop()
            self.spend(1 + len(self.edges[one]) * len(self.edges[middle]))
            for a in self.edges[one]:
                for b in self.edges[middle] if a in left else ():
                    shared = self.masks[a] & self.masks[b]
                    for c in self.edges[two] if shared else ():
                        if c not in right or not shared & self.masks[c] or (a, b, c) in seen:
                            continue
                        if (a, b, c) == (p, q, q):
                            return True
                        seen.add((a, b, c))
                        pending.append((a, b, c))
        return False


def merged(parts: list[dict[int, int]]) -> dict[int, int]:
    whole: dict[int, int] = {}
    for part in parts:
        for position, how in part.items():
            whole[position] = min(how, whole.get(position, NEVER))
    return whole


def through(positions: dict[int, int], empty: int) -> dict[int, int]:
    """The positions as reached through a piece that matches the empty text."""
    return {} if empty == NEVER else {position: max(how, empty) for position, how in positions.items()}


def masks(sets: list[Ranges]) -> list[int]:
    """A number for every set, so that two sets overlap where their numbers share a bit."""
    starts = sorted({edge for ranges in sets for low, high in ranges for edge in (low, high + 1)})
    bit = {start: 1 << index for index, start in enumerate(starts)}
    found = []
    for ranges in sets:
        mask = 0
        for low, high in ranges:
            mask |= bit[high + 1] - bit[low]
        found.append(mask)
    return found


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
        self.wanted = [node.ranges for look in looks_ahead(tree) for node in walk(look.item) if isinstance(node, Chars) and node.ranges and syntax.size(node.ranges) < 1000]
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
        kinds = [kind for kind in ("".join(letter for letter in kind if syntax.contains(ranges, ord(letter))) for kind in KINDS) if kind]
        if kinds:
            kind = kinds[self.variant % len(kinds)]
            return kind[(index + self.variant) % len(kind)]
        point = next((low for low, high in ranges if not 0xD800 <= low <= 0xDFFF), ranges[0][0])
        return chr(point)


def looks_ahead(tree: Node) -> list[Look]:
    return [node for node in walk(tree) if isinstance(node, Look) and not node.negative and not node.behind]


def common_letter(one: Ranges, other: Ranges) -> str:
    return next((letter for kind in KINDS for letter in kind if syntax.contains(one, ord(letter)) and syntax.contains(other, ord(letter))), "")
