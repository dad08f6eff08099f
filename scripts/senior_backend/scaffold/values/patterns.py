"""JSON Schema patterns: what the source means in ECMAScript, whether it may be run on text from outside, and whether it occurs in a text."""
from __future__ import annotations

import dataclasses
import functools
import re

from senior_backend.scaffold.values.regex.ambiguity import danger
from senior_backend.scaffold.values.regex.syntax import Anchor, Backreference, Chars, Choice, Group, Look, Node, NotARegex, Parsed, Repeat, Sequence, parse

SLASHED = re.compile(r"/\^.*\$/[a-z]*\Z", re.DOTALL)
WORD_EDGE = "(?:(?<=[0-9A-Za-z_])(?![0-9A-Za-z_])|(?<![0-9A-Za-z_])(?=[0-9A-Za-z_]))"
# texts that long are not tried on patterns that may backtrack without end
LENGTH_LIMIT = {"": 100_000, "polynomial": 300, "exponential": 20}


@dataclasses.dataclass(frozen=True, slots=True)
class Pattern:
    """expression: a TypeScript regular expression literal, or None when there is none with this meaning; problem says why.
    danger: "exponential" or "polynomial" when a text can be found on which it takes that long, else "".
    """
    expression: str | None
    problem: str
    danger: str
    parsed: Parsed | None = dataclasses.field(default=None, repr=False, compare=False)


@functools.cache
def check_pattern(source: str) -> Pattern:
    """The pattern as ECMA-262 has it, with the flag u and not anchored."""
    try:
        if SLASHED.match(source):
            raise NotARegex("it stands between the slashes of a literal, behind which ^ matches nothing")
        parsed = parse(source)
    except NotARegex as error:
        return Pattern(None, str(error), "")
    return Pattern(f"/{parsed.text}/{parsed.flags}u", "", danger(parsed.tree), parsed)


def matches(source: str, text: str) -> bool | None:
    """Whether the pattern occurs in the text; None when that cannot be told here."""
    expression = translated(source)
    if expression is None or len(text) > LENGTH_LIMIT[check_pattern(source).danger]:
        return None
    return expression.search(text) is not None


@functools.cache
def translated(source: str) -> re.Pattern[str] | None:
    """The pattern for Python's engine; None when that cannot say it."""
    parsed = check_pattern(source).parsed
    try:
        return None if parsed is None or "m" in parsed.flags else re.compile(python(parsed.tree))
    except (LookupError, re.error, OverflowError):
        return None


def python(node: Node) -> str:
    """Raises LookupError for a property whose members are not known."""
    if isinstance(node, Chars):
        if node.ranges is None:
            raise LookupError
        return "[" + "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in node.ranges) + "]" if node.ranges else "(?!)"
    if isinstance(node, Sequence):
        return "".join(map(python, node.items))
    if isinstance(node, Choice):
        return "(?:" + "|".join(map(python, node.items)) + ")"
    if isinstance(node, Repeat):
        return f"(?:{python(node.item)}){{{node.low},{'' if node.high is None else node.high}}}{'?' if node.lazy else ''}"
    if isinstance(node, Group):
        return f"(?P<{node.name}>{python(node.item)})" if node.name.isascii() and node.name.isidentifier() else f"({python(node.item)})"
    if isinstance(node, Look):
        return f"(?{'<' if node.behind else ''}{'!' if node.negative else '='}{python(node.item)})"
    if isinstance(node, Backreference):
        return f"(?P={node.target})" if isinstance(node.target, str) else f"(?:\\{node.target})"
    return {"^": r"\A", "$": r"\Z", "b": WORD_EDGE, "B": f"(?!{WORD_EDGE})"}[node.kind] if isinstance(node, Anchor) else ""
