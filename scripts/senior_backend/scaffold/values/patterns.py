"""JSON Schema patterns as TypeScript: what the source means in ECMAScript, and whether it may be run on text from outside."""
from __future__ import annotations

import dataclasses
import functools
import re

from senior_backend.scaffold.values.regex.ambiguity import danger
from senior_backend.scaffold.values.regex.syntax import NotARegex, Parsed, parse

# /^...$/i: read as text it could match nothing, since ^ stands behind a slash
SLASHED = re.compile(r"/(\^.*\$)/([a-z]*)\Z", re.DOTALL)


@dataclasses.dataclass(frozen=True, slots=True)
class Pattern:
    """expression: a TypeScript regular expression literal, or None when there is none with this meaning.
    problem: why there is none, or what about it the author may not have meant; "" when all is well.
    danger: "exponential" or "polynomial" when a text can be found on which it takes that long, else "".
    """
    expression: str | None
    problem: str
    danger: str
    parsed: Parsed | None = dataclasses.field(default=None, repr=False, compare=False)


@functools.cache
def check_pattern(source: str) -> Pattern:
    """The pattern as ECMA-262 has it, with the flag u and not anchored."""
    slashed = SLASHED.match(source)
    flags = slashed[2] if slashed else ""
    if set(flags) - set("imsu"):
        return Pattern(None, f"the flags {flags} do not belong to a pattern", "")
    try:
        parsed = parse(slashed[1] if slashed else source, flags.replace("u", ""))
    except NotARegex as error:
        return Pattern(None, str(error), "")
    notes = [*parsed.notes, *(["the slashes around the pattern are taken for those of a JavaScript literal"] if slashed else [])]
    return Pattern(f"/{parsed.text}/{''.join(sorted({*parsed.flags, 'u'}))}", "; ".join(notes), danger(parsed.tree), parsed)
