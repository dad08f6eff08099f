"""Parsed expressions run on text by Python's own engine."""
from __future__ import annotations

import functools
import re

from senior_backend.scaffold.values.patterns import Pattern, check_pattern
from senior_backend.scaffold.values.regex.code_points import Ranges
from senior_backend.scaffold.values.regex.tree import Anchor, Backreference, Chars, Choice, Group, Look, Node, Repeat, Sequence

WORD_EDGE = "(?:(?<=[0-9A-Za-z_])(?![0-9A-Za-z_])|(?<![0-9A-Za-z_])(?=[0-9A-Za-z_]))"
# texts that long are not tried on patterns that may backtrack without end
LENGTH_LIMIT = {"": 100_000, "polynomial": 300, "exponential": 20}


class Untranslatable(Exception):
    """Python cannot say what the expression says."""


def matches(source: str, text: str) -> bool | None:
    """Whether the pattern occurs in the text; None when that cannot be told here."""
    expression, pattern = translated(source), check_pattern(source)
    if expression is None or len(text) > LENGTH_LIMIT[pattern.danger]:
        return None
    return expression.search(text) is not None


@functools.cache
def translated(source: str) -> re.Pattern[str] | None:
    pattern: Pattern = check_pattern(source)
    if pattern.parsed is None or "m" in pattern.parsed.flags:
        return None
    try:
        return re.compile(python(pattern.parsed.tree))
    except (Untranslatable, re.error, OverflowError):
        return None


def python(node: Node) -> str:
    if isinstance(node, Chars):
        return one_of(node.ranges)
    if isinstance(node, Sequence):
        return "".join(map(python, node.items))
    if isinstance(node, Choice):
        return "(?:" + "|".join(map(python, node.branches)) + ")"
    if isinstance(node, Repeat):
        high = "" if node.high is None else node.high
        return f"(?:{python(node.item)}){{{node.low},{high}}}{'?' if node.lazy else ''}"
    if isinstance(node, Group):
        return f"(?P<{node.name}>{python(node.item)})" if node.name.isascii() and node.name.isidentifier() else f"({python(node.item)})"
    if isinstance(node, Look):
        return f"(?{'<' if node.behind else ''}{'!' if node.negative else '='}{python(node.item)})"
    if isinstance(node, Anchor):
        return {"^": r"\A", "$": r"\Z", "b": WORD_EDGE, "B": f"(?!{WORD_EDGE})"}[node.kind]
    return backreference(node)


def backreference(node: Backreference) -> str:
    if isinstance(node.target, str) and not (node.target.isascii() and node.target.isidentifier()):
        raise Untranslatable
    return f"(?P={node.target})" if isinstance(node.target, str) else f"(?:\\{node.target})"


def one_of(ranges: Ranges | None) -> str:
    if ranges is None:
        raise Untranslatable
    if not ranges:
        return "(?!)"
    return "[" + "".join(f"\\U{low:08x}" if low == high else f"\\U{low:08x}-\\U{high:08x}" for low, high in ranges) + "]"
