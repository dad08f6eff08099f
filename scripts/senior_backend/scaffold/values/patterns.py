"""Which patterns and formats a text has to match, checked here as the generated code will check them."""
from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime
import functools
import ipaddress
import re
from typing import Callable

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


SAMPLES: dict[str, tuple[str, ...]] = {
    "date-time": ("2026-01-31T10:20:30Z", "2026-01-31T10:20:30.123Z", "2026-01-31T10:20:30.123456Z"),
    "date": ("2026-01-31",),
    "time": ("10:20:30Z", "10:20:30.123Z"),
    "duration": ("P3DT4H", "P1D", "P3DT4H5M6S"),
    "email": ("ada@example.com", "a@b.co", "ada.lovelace.of.london@mail.example.com"),
    "idn-email": ("ada@example.com", "a@b.co"),
    "hostname": ("example.com", "a.co", "www.department.example.com"),
    "idn-hostname": ("example.com", "a.co"),
    "ipv4": ("192.0.2.1", "1.1.1.1"),
    "ipv6": ("2001:db8::1", "::1"),
    "uri": ("https://example.com/", "https://example.com/a/b", "a:b"),
    "uri-reference": ("/a/b", "a", "https://example.com/a/b"),
    "iri": ("https://example.com/", "https://example.com/a/b", "a:b"),
    "iri-reference": ("/a/b", "a", "https://example.com/a/b"),
    "uuid": ("3f2b8c1e-9d4a-4e6f-8b7a-1c2d3e4f5a6b",),
    "uri-template": ("/users/{id}", "{id}"),
    "json-pointer": ("/a/0", ""),
    "relative-json-pointer": ("0", "1/a"),
    "regex": ("^[a-z]+$", "a"),
    "byte": ("dGV4dA==", "YQ==", "YSBsb25nZXIgdGV4dA=="),
    "base64": ("dGV4dA==", "YQ=="),
    "base64url": ("dGV4dA", "YQ"),
}
LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
HOSTNAME = rf"(?!.{{254}})(?!(?:.*\.)?..--){LABEL}(?:\.{LABEL})*"
REFERENCE_LETTER = r"(?:[\w.~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})"
TIME_PART = r"T(?:\d+H(?:\d+M(?:\d+S)?)?|\d+M(?:\d+S)?|\d+S)"
URI = rf"[A-Za-z][A-Za-z0-9+.-]*:(?://(?:{HOSTNAME}(?::\d{{1,5}})?)?(?:/{REFERENCE_LETTER}*|(?=[?#]|\Z))|(?!//){REFERENCE_LETTER}*){REFERENCE_LETTER}*(?:\#{REFERENCE_LETTER}*)?"
REFERENCE = rf"(?:{URI}|(?!//)(?![^/?]*:){REFERENCE_LETTER}*(?:\#{REFERENCE_LETTER}*)?)"
VARIABLES = r"\{[+#./;?&]?\w+\*?(?:,\w+\*?)*\}"
POINTER = r"(?:/(?:[^~/]|~[01])*)*"
SHAPES = {name: re.compile(f"(?:{shape})\\Z", re.ASCII) for name, shape in {
    "date": r"\d{4}-\d\d-\d\d",
    "time": r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    "duration": rf"P(?:\d+W|(?:\d+Y(?:\d+M(?:\d+D)?)?|\d+M(?:\d+D)?|\d+D)(?:{TIME_PART})?|{TIME_PART})",
    "email": rf"(?!.{{65,}}@)[\w!#$%&'*+/=?^`{{|}}~-]+(?:\.[\w!#$%&'*+/=?^`{{|}}~-]+)*@{HOSTNAME}",
    "hostname": HOSTNAME,
    "uri": URI,
    "uri-reference": REFERENCE,
    "uuid": "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    "uri-template": rf"(?:[!#-$&-;=?-\[\]_a-z~]|%[0-9A-Fa-f]{{2}}|{VARIABLES})*",
    "json-pointer": POINTER,
    "relative-json-pointer": rf"(?:0|[1-9]\d*)(?:\#|{POINTER})",
    "base64url": r"(?:[\w-]{4})*(?:[\w-]{2}(?:==)?|[\w-]{3}=?)?",
}.items()}


def is_date(text: str) -> bool:
    if not SHAPES["date"].match(text):
        return False
    try:
        return bool(datetime.date.fromisoformat(text))
    except ValueError:
        return False


def is_date_time(text: str) -> bool:
    return text[10:11] in ("T", "t") and is_date(text[:10]) and bool(SHAPES["time"].match(text[11:]))


def is_address(kind: type[ipaddress.IPv4Address] | type[ipaddress.IPv6Address]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            return text.isascii() and "%" not in text and bool(str(kind(text)))
        except ValueError:
            return False
    return check


def is_base64(text: str) -> bool:
    try:
        return base64.b64decode(text, validate=True) is not None
    except (binascii.Error, ValueError):
        return False


def is_regex(text: str) -> bool:
    parsed = check_pattern(text).parsed
    return parsed is not None and parsed.strict


CHECKS: dict[str, Callable[[str], bool]] = {
    **{name: lambda text, shape=shape: bool(shape.match(text)) for name, shape in SHAPES.items()},
    "date": is_date, "date-time": is_date_time, "byte": is_base64, "base64": is_base64, "regex": is_regex,
    "ipv4": is_address(ipaddress.IPv4Address), "ipv6": is_address(ipaddress.IPv6Address),
}
CHECKS |= {"idn-email": CHECKS["email"], "idn-hostname": CHECKS["hostname"], "iri": CHECKS["uri"], "iri-reference": CHECKS["uri-reference"]}


def holds(name: str, text: str) -> bool:
    """Whether a text is surely of the format; formats that are not known hold always."""
    check = CHECKS.get(name)
    return check is None or check(text)
