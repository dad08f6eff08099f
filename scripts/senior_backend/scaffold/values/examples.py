"""Example values of schemas: what the document declares when that is right, else values made from the keywords."""
from __future__ import annotations

import itertools
import math
from typing import Any, Iterator

from senior_backend.openapi.model import Api, Schema
from senior_backend.scaffold.values.patterns import SAMPLES, check_pattern
from senior_backend.scaffold.values.satisfaction import Checker, Contradiction, Flat, same
from senior_backend.scaffold.values.regex.ambiguity import samples
from senior_backend.scaffold.plan import View, Views

VARIANTS = 6                           # of a whole value that are tried before giving up
COMBINATIONS = 24                      # of branches of anyOf and oneOf
STEP_LIMIT = 4000                      # schemas looked at for one example
CHECKS_PER_STEP = 5
DEPTH_LIMIT = 24
OPTIONAL_DEPTH = 2                     # levels of objects whose optional properties are filled in
SIZE_LIMIT = 2000                      # of arrays and objects that a document asks for
TEXT_LIMIT = 20_000
VIEWS = {"request": View.REQUEST, "response": View.RESPONSE, "whole": View.WHOLE}


class Unsatisfiable(Exception):
    """No example was found: none exists, or it would be too large or too hard to find."""


class Examples:
    """view is "request" (without readOnly properties), "response" (without writeOnly ones) or "whole"."""

    def __init__(self, api: Api):
        views = Views(api)
        self.makers = {name: Maker(views, view) for name, view in VIEWS.items()}

    def of(self, schema: Schema, view: str) -> Any:
        """A value that satisfies the schema and holds only properties that it declares. Always the same one. Raises Unsatisfiable."""
        return self.makers[view].example(schema)

    def satisfies(self, value: Any, schema: Schema, view: str) -> bool:
        return self.makers[view].open.satisfies(value, schema)


class Maker:
    def __init__(self, views: Views, view: View):
        self.views, self.view, self.schemas = views, view, views.schemas
        self.open, self.closed = Checker(views, view), Checker(views, view, closed=True)
        self.stack: set[str] = set()
        self.steps = 0
        self.known: dict[tuple[str, int], Any] = {}

    def example(self, schema: Schema) -> Any:
        self.stack, self.steps = set(), 0
        for variant in range(VARIANTS):
            try:
                value = self.make(schema, variant, 0)
            except Unsatisfiable:
                continue
            if self.right(value, schema):
                return value
        raise Unsatisfiable("no example was found")

    def right(self, value: Any, schema: Schema) -> bool:
        found = self.closed.satisfies(value, schema)
        self.steps += self.closed.steps // CHECKS_PER_STEP
        return found

    def make(self, schema: Schema, variant: int, depth: int) -> Any:
        """A value for a place of its own. depth counts the objects around it."""
        self.steps += 1
        if depth > DEPTH_LIMIT or self.steps > STEP_LIMIT:
            raise Unsatisfiable("too deep")
        key = schema.get("$ref") if isinstance(schema, dict) and len(schema) == 1 else None
        if key is None or variant:
            return self.from_keywords(schema, variant, depth)
        memo = key, min(depth, OPTIONAL_DEPTH)
        if memo not in self.known:
            self.known[memo] = self.from_keywords(schema, variant, depth)
        return self.known[memo]

    def from_keywords(self, schema: Schema, variant: int, depth: int) -> Any:
        try:
            flat = Flat().add(schema, self.schemas)
        except Contradiction:
            raise Unsatisfiable("its parts contradict each other") from None
        if variant == 0:
            for value in flat.hints:
                if self.right(value, schema):
                    return value
        for combined in self.combinations(flat, 0):
            if self.stack & combined.keys:
                continue               # a schema inside itself never leads to the smallest value
            self.stack |= combined.keys
            try:
                for value in self.values(combined, variant, depth):
                    if not combined.needs_check or self.right(value, schema):
                        return value
            finally:
                self.stack -= combined.keys
        raise Unsatisfiable("no value was found")

    def combinations(self, flat: Flat, level: int) -> Iterator[Flat]:
        """The schema with one branch of each of its choices added, and of the choices that these bring."""
        if not flat.choices:
            yield flat
            return
        for branches in itertools.islice(itertools.product(*flat.choices), COMBINATIONS):
            self.steps += 1
            if self.steps > STEP_LIMIT or level > DEPTH_LIMIT:
                return
            combined = flat.copy()
            try:
                for branch in branches:
                    combined.add(branch, self.schemas)
            except Contradiction:
                continue
            yield from self.combinations(combined, level + 1)

    def values(self, flat: Flat, variant: int, depth: int) -> Iterator[Any]:
        """Values of the types that the schema allows, by its plain keywords."""
        if flat.values is not None:
            allowed = flat.allowed_values()
            yield from allowed[variant % len(allowed):] + allowed[:variant % len(allowed)] if allowed else ()
            return
        for name in flat.wanted_types():
            try:
                yield from self.of_type(name, flat, variant, depth)
            except Unsatisfiable:
                continue

    def of_type(self, name: str, flat: Flat, variant: int, depth: int) -> Iterator[Any]:
        if name == "object":
            return self.objects(flat, variant, depth)
        if name == "array":
            return self.arrays(flat, variant, depth)
        if name == "string":
            return texts(flat, variant)
        if name in ("integer", "number"):
            return numbers(flat, variant, name == "integer" or "integer" in flat.order and "number" not in flat.order)
        return iter([None] if name == "null" else [variant % 2 == 0, variant % 2 == 1])

    def objects(self, flat: Flat, variant: int, depth: int) -> Iterator[dict]:
        """With the optional properties, and without them."""
        if depth < OPTIONAL_DEPTH:
            yield self.object(flat, variant, depth, optional=True)
        yield self.object(flat, variant, depth, optional=False)

    def object(self, flat: Flat, variant: int, depth: int, optional: bool) -> dict:
        made: dict[str, Any] = {}
        required = self.needed(flat)
        for name, parts in flat.properties.items():
            if any(self.views.hidden(part, self.view) for part in parts):
                continue
            if name in required:
                made[name] = self.make(joined([*parts, *self.by_pattern(flat, name)]), variant, depth + 1)
            elif optional and len(made) < flat.limits.get("maxProperties", SIZE_LIMIT):
                self.add_optional(made, name, joined([*parts, *self.by_pattern(flat, name)]), variant, depth)
        for name in required:
            if name not in made and not any(self.views.hidden(part, self.view) for part in flat.properties.get(name, ())):
                made[name] = self.make(self.other_member(flat, name), variant, depth + 1)
        self.fill(made, flat, variant, depth)
        return made

    def needed(self, flat: Flat) -> dict[str, None]:
        """The required properties, and those that they require in turn."""
        needed = dict(flat.required)
        for _ in range(len(flat.needs) and 8):
            for rules in flat.needs:
                for name, more in rules.items():
                    if name in needed:
                        needed.update(dict.fromkeys(more))
        return needed

    def add_optional(self, made: dict, name: str, schema: Schema, variant: int, depth: int) -> None:
        try:
            made[name] = self.make(schema, variant, depth + 1)
        except Unsatisfiable:
            pass                       # a member that may be left out is left out

    def by_pattern(self, flat: Flat, name: str) -> list[Schema]:
        return [part for patterns in flat.all_of("patternProperties") for pattern, part in patterns.items() if self.open.satisfies(name, {"pattern": pattern})]

    def other_member(self, flat: Flat, name: str) -> Schema:
        """What a property that is not declared by name must be."""
        return joined(self.by_pattern(flat, name) or [part for keyword in ("additionalProperties", "unevaluatedProperties") for part in flat.all_of(keyword)])

    def fill(self, made: dict, flat: Flat, variant: int, depth: int) -> None:
        """Further members, up to minProperties: those declared first, then made-up names."""
        least = flat.limits.get("minProperties", 0)
        if least > SIZE_LIMIT:
            raise Unsatisfiable("too many properties")
        for name, parts in flat.properties.items():
            if len(made) < least and name not in made and not any(self.views.hidden(part, self.view) for part in parts):
                self.add_optional(made, name, joined(parts), variant, depth)
        names = self.member_names(flat)
        while len(made) < least:
            name = next(names, None)
            if name is None:
                raise Unsatisfiable("no further property is allowed")
            if name not in made and name not in flat.properties:
                made[name] = self.make(self.other_member(flat, name), variant, depth + 1)

    def member_names(self, flat: Flat) -> Iterator[str]:
        """Names that propertyNames allow and that a pattern of patternProperties, if any, takes."""
        patterns = [pattern for group in flat.all_of("patternProperties") for pattern in group]
        rules = joined(flat.all_of("propertyNames"))
        for number in range(4 * SIZE_LIMIT):
            if rules is not True:
                try:
                    yield self.make(joined([{"type": "string"}, rules]), number, 0)
                except Unsatisfiable:
                    return
            elif patterns:
                yield from itertools.islice(pattern_texts([patterns[0]], number, number + 40), 3)
            else:
                yield f"key{number + 1}"

    def arrays(self, flat: Flat, variant: int, depth: int) -> Iterator[list]:
        least, most = flat.limits.get("minItems", 0), flat.limits.get("maxItems", SIZE_LIMIT)
        if least > SIZE_LIMIT:
            raise Unsatisfiable("too many items")
        prefix = max(flat.all_of("prefixItems"), key=len, default=[])
        wanted = flat.limits.get("minContains", 1) if flat.all_of("contains") else 0
        for size in dict.fromkeys(max(least, min(most, size)) for size in (max(1 + variant // 2, wanted, len(prefix)), len(prefix) + wanted, wanted, 0)):
            try:
                yield self.array(flat, size, wanted, variant, depth)
            except Unsatisfiable:
                continue

    def array(self, flat: Flat, size: int, wanted: int, variant: int, depth: int) -> list:
        made: list[Any] = []
        prefixes, attempt = flat.all_of("prefixItems"), 0
        while len(made) < size:
            index = len(made)
            parts = [prefix[index] for prefix in prefixes if index < len(prefix)] or flat.all_of("items")
            held = flat.all_of("contains") if index >= size - wanted else []
            item = self.make(joined([*parts, *held]), variant + attempt, depth + 1)
            if flat.limits.get("uniqueItems") and any(same(item, other) for other in made):
                attempt += 1
                if attempt > 4 * size + 20:
                    raise Unsatisfiable("no further item is different")
                continue
            made.append(item)
            attempt += 1 if flat.limits.get("uniqueItems") else 0
        return made


def joined(parts: list[Schema]) -> Schema:
    """One schema for all of the parts."""
    parts = [part for part in parts if part is not True]
    return True if not parts else parts[0] if len(parts) == 1 else {"allOf": parts}


def texts(flat: Flat, variant: int) -> Iterator[str]:
    low, high = flat.limits.get("minLength", 0), flat.limits.get("maxLength")
    if low > TEXT_LIMIT or high is not None and high < low:
        raise Unsatisfiable("too long")
    patterns, formats = flat.all_of("pattern"), flat.all_of("format")
    for name in formats:
        known = SAMPLES.get(name, ())
        yield from [*known[variant % len(known):], *known[:variant % len(known)]] if known else ()
        yield from longer_format(name, low, variant)
    if patterns:
        yield from itertools.islice(pattern_texts(patterns, low, high), variant, None)
        if variant:
            yield from pattern_texts(patterns, low + variant, high)
    yield plain_text(low, high, variant)


def pattern_texts(patterns: list[str], low: int, high: int | None) -> Iterator[str]:
    for pattern in patterns:
        parsed = check_pattern(pattern).parsed
        if parsed is not None:
            yield from samples(parsed.tree, low, high)


def longer_format(name: str, low: int, variant: int) -> Iterator[str]:
    """Addresses of at least that length, and different ones by the variant."""
    filling = "a" * max(low - 20, 1) + (str(variant) if variant else "")
    shapes = {"email": f"{filling[:60]}@example.com", "uri": f"https://example.com/{filling}", "hostname": f"{filling[:60]}.example.com", "uri-reference": f"/{filling}",
              "uuid": f"3f2b8c1e-9d4a-4e6f-8b7a-{variant:012x}", "date-time": f"2026-01-{variant % 28 + 1:02}T10:20:30Z", "date": f"2026-01-{variant % 28 + 1:02}", "ipv4": f"192.0.2.{variant % 255}",
              "ipv6": f"2001:db8::{variant:x}", "time": f"10:20:{variant % 60:02}Z", "duration": f"P{variant + 1}D", "byte": "YWJj" * (low // 4 + 1 + variant)}
    if name in shapes and (variant or low > 12):
        yield shapes[name]


def plain_text(low: int, high: int | None, variant: int) -> str:
    text = f"text{variant + 1}" if variant else "text"
    text += "abcdefghijklmnopqrstuvwxyz" * ((low - len(text)) // 26 + 1) if len(text) < low else ""
    size = max(low, min(len(text), 5 + variant // 10))
    text = text[:size] if len(text) > size else text
    if high is not None and len(text) > high:
        return "" if high == 0 else (chr(97 + variant % 26) + text)[:high] if high < 5 else text[:high]
    return text


def numbers(flat: Flat, variant: int, whole: bool) -> Iterator[int | float]:
    """Numbers within the limits, small ones first; those that multipleOf refuses are among them."""
    low = max(flat.limits.get("minimum", -math.inf), flat.limits.get("exclusiveMinimum", -math.inf))
    high = min(flat.limits.get("maximum", math.inf), flat.limits.get("exclusiveMaximum", math.inf))
    steps = [step for step in flat.all_of("multipleOf") if step > 0]
    step = max(steps, default=1)
    if all(isinstance(each, int) for each in steps) and steps:
        step = math.lcm(*steps)
    start = max(1, math.ceil(low / step)) if low > -math.inf else 1
    start = min(start, math.floor(high / step)) if high < math.inf else start
    nearby = [start + variant, start + variant + 1, start - variant - 1, 0, start]
    between = [(low + high) / 2] if math.isfinite(low) and math.isfinite(high) else [low + 0.5] if math.isfinite(low) else [high - 0.5] if math.isfinite(high) else [start + variant + 0.5]
    edges = [edge for edge in (low, high) if math.isfinite(edge)]
    for value in [*(multiple(count, step) for count in nearby), *edges, *([] if whole else [*between, *(edge + (high - low) / (variant + 3) for edge in edges[:1] if high < math.inf)])]:
        number = int(value) if float(value).is_integer() else value
        if low <= number <= high and (not whole or isinstance(number, int)) and number not in (flat.limits.get("exclusiveMinimum"), flat.limits.get("exclusiveMaximum")):
            yield number


def multiple(count: int, step: int | float) -> int | float:
    """count steps, as decimals have it: 3 * 0.1 is 0.3."""
    return count * step if isinstance(step, int) else round(count * step, 12)
