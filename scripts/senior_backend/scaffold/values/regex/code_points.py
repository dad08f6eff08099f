"""Sets of code points as sorted tuples of inclusive ranges, and the sets that regular expressions name."""
from __future__ import annotations

import functools
import unicodedata
from typing import Callable, Iterable, Iterator

from senior_backend.scaffold.values.regex.property_names import BINARY_PROPERTIES, CATEGORIES, CATEGORY_NAMES, SCRIPTS

Ranges = tuple[tuple[int, int], ...]

LAST = 0x10FFFF
ANY: Ranges = ((0, LAST),)
DIGITS: Ranges = ((0x30, 0x39),)
WORD: Ranges = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
SPACE: Ranges = ((0x09, 0x0D), (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF))
LINE_ENDS: Ranges = ((0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029))
HORIZONTAL_SPACE: Ranges = ((0x09, 0x09), (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x180E, 0x180E), (0x2000, 0x200A), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000))
# Unicode assigns nothing between the last ideographs and the tags, and only private use after them
UNASSIGNED, PRIVATE = (0x323B0, 0xDFFFF), (0xF0000, LAST)


def union(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """The same code points as sorted ranges that neither overlap nor touch."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(high, merged[-1][1])
        else:
            merged.append((low, high))
    return tuple(merged)


def complement(ranges: Ranges) -> Ranges:
    found, start = [], 0
    for low, high in ranges:
        if low > start:
            found.append((start, low - 1))
        start = high + 1
    return tuple([*found, (start, LAST)] if start <= LAST else found)


def contains(ranges: Ranges, point: int) -> bool:
    return any(low <= point <= high for low, high in ranges)


def size(ranges: Ranges) -> int:
    return sum(high - low + 1 for low, high in ranges)


def both_cases(ranges: Ranges) -> Ranges:
    """The ranges with the other case of their letters; large sets are only folded within ASCII."""
    added = list(ranges)
    for low, high in ranges:
        if high - low > 2000:
            low, high = max(low, 0x41), min(high, 0x7A)
        for point in range(low, high + 1):
            letter = chr(point)
            added.extend((ord(other), ord(other)) for other in (letter.lower(), letter.upper()) if len(other) == 1 and other != letter)
    return union(added)


def where(holds: Callable[[str], bool]) -> Iterator[tuple[int, int]]:
    for start, end in ((0, UNASSIGNED[0] - 1), (0xE0000, 0xE01FF)):
        low = None
        for point in range(start, end + 2):
            if point <= end and holds(chr(point)):
                low = point if low is None else low
            elif low is not None:
                yield low, point - 1
                low = None


@functools.cache
def category(code: str) -> Ranges:
    """A general category by its short name: "Lu", or a group of them: "L", "LC"."""
    wanted = frozenset(("Lu", "Ll", "Lt")) if code == "LC" else frozenset(name for name in CATEGORIES if name.startswith(code))
    edges = ([UNASSIGNED, (0xE0200, 0xEFFFF)] if "Cn" in wanted else []) + ([PRIVATE] if "Co" in wanted else [])
    return union([*where(lambda letter: unicodedata.category(letter) in wanted), *edges])


@functools.cache
def script(name: str) -> Ranges:
    """The letters of a script, as far as their Unicode names say it."""
    prefix = {"HAN": "CJK UNIFIED IDEOGRAPH"}.get(name.upper(), name.upper().replace("_", " ")) + ("" if name == "Han" else " ")
    return union(where(lambda letter: unicodedata.name(letter, "").startswith(prefix)))


BINARY: dict[str, Callable[[str], bool]] = {
    "Alphabetic": lambda letter: letter.isalpha() or unicodedata.category(letter) == "Nl",
    "Lowercase": str.islower,
    "Uppercase": str.isupper,
    "White_Space": lambda letter: ord(letter) in (0x85, *range(9, 14)) or unicodedata.category(letter) in ("Zs", "Zl", "Zp"),
    "ID_Start": str.isidentifier,
    "ID_Continue": lambda letter: ("a" + letter).isidentifier(),
}


@functools.cache
def of_property(name: str, value: str) -> Ranges | None:
    r"""The set that \p{name=value} (or \p{value}, then name is "") names; None when it is valid but unknown here."""
    if not name and value in ("Any", "ASCII", "ASCII_Hex_Digit", "AHex"):
        return {"Any": ANY, "ASCII": ((0, 0x7F),)}.get(value, ((0x30, 0x39), (0x41, 0x46), (0x61, 0x66)))
    if name in ("", "gc", "General_Category") and value in CATEGORY_NAMES:
        return category(CATEGORY_NAMES[value])
    if name:
        return script(SCRIPTS[value]) if SCRIPTS[value] not in ("Common", "Inherited", "Unknown") else None
    test = BINARY.get(BINARY_PROPERTIES[value])
    return union(where(test)) if test else None
