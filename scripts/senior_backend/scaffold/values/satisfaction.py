"""Whether a value satisfies a schema, and schemas flattened to one level to make values of."""
from __future__ import annotations

import dataclasses
import fractions
from typing import Any, Iterator

from senior_backend.openapi.model import Schema
from senior_backend.scaffold.plan import View, Views
from senior_backend.scaffold.values import patterns
from senior_backend.scaffold.values.patterns import matches

DEPTH_LIMIT = 60
STEP_LIMIT = 20_000                    # about 0.1 s
RANGES = {"int32": (-2 ** 31, 2 ** 31 - 1), "int64": (-2 ** 63, 2 ** 63 - 1)}
SAFE_INTEGER = 2 ** 53 - 1             # beyond it JavaScript does not hold every whole number


class Exhausted(Exception):
    """The schema has more branches within branches than can be looked at."""


class Failed(Exception):
    """The value does not satisfy the schema, or that cannot be told."""


@dataclasses.dataclass(slots=True)
class Seen:
    """What of an object or array was looked at by a schema: the names and positions; stated are the names that types have a member for."""
    names: set[str]
    items: set[int]
    stated: set[str]
    declared: bool = False             # whether any schema names properties

    def add(self, other: Seen) -> None:
        self.names |= other.names
        self.items |= other.items
        self.stated |= other.stated
        self.declared |= other.declared


class Checker:
    """closed: objects may only hold declared properties, as TypeScript asks of literals."""

    def __init__(self, views: Views, view: View, closed: bool = False):
        self.views, self.view, self.closed, self.steps = views, view, closed, 0
        self.open = Checker(views, view) if closed else self       # decides conditions: what is not stated does not make them false

    def satisfies(self, value: Any, schema: Schema) -> bool:
        """False also when it would take too long to tell."""
        self.steps = self.open.steps = 0
        try:
            self.whole(value, schema, 0)
        except (Failed, Exhausted):
            return False
        return True

    def whole(self, value: Any, schema: Schema, depth: int) -> None:
        """A value at a place of its own."""
        seen = self.check(value, schema, depth)
        if self.closed and isinstance(value, dict) and seen.declared and not (seen.names | seen.stated).issuperset(value):
            raise Failed

    def check(self, value: Any, schema: Schema, depth: int) -> Seen:
        seen = Seen(set(), set(), set())
        self.steps += 1
        if self.steps > STEP_LIMIT:
            raise Exhausted
        if isinstance(schema, bool) or depth > DEPTH_LIMIT:
            require(schema is True)
            return seen
        if "$ref" in schema:
            require(schema["$ref"] in self.views.schemas)
            seen.add(self.check(value, self.views.schemas[schema["$ref"]], depth + 1))
        require("$dynamicRef" not in schema and of_types(value, schema.get("type")))
        if "const" in schema:
            require(same(value, schema["const"]))
        if "enum" in schema:
            require(any(same(value, allowed) for allowed in schema["enum"]))
        if isinstance(value, str):
            check_text(value, schema)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            check_number(value, schema)
        self.compositions(value, schema, seen, depth + 1)
        if isinstance(value, dict):
            self.check_object(value, schema, seen, depth + 1)
        elif isinstance(value, list):
            self.check_array(value, schema, seen, depth + 1)
        return seen

    def holding(self, value: Any, schema: Schema, depth: int) -> Seen | None:
        try:
            return self.check(value, schema, depth)
        except Failed:
            return None

    def compositions(self, value: Any, schema: dict, seen: Seen, depth: int) -> None:
        for part in schema.get("allOf", ()):
            seen.add(self.check(value, part, depth))
        chosen = chosen_branch(value, schema)
        if chosen:
            seen.add(self.check(value, {"$ref": chosen}, depth))
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema and not chosen:
                found = [result for part in schema[keyword] if (result := self.holding(value, part, depth)) is not None]
                require(len(found) > 0)
                if keyword == "oneOf":
                    require(len(found) == 1 and (not self.closed or sum(self.open.holding(value, part, depth) is not None for part in schema[keyword]) == 1))
                for result in found:
                    seen.add(result)
        if "not" in schema:
            require(self.open.holding(value, schema["not"], depth) is None)
        if "if" in schema:
            result = self.open.holding(value, schema["if"], depth)
            if result is not None:
                seen.add(result)
            seen.add(self.check(value, schema.get("else" if result is None else "then", True), depth))

    def check_object(self, value: dict, schema: dict, seen: Seen, depth: int) -> None:
        properties, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
        visible = {name: part for name, part in properties.items() if not self.views.hidden(part, self.view)} if properties else properties
        for name in schema.get("required", ()):
            require(name in value or name in properties and name not in visible)
        seen.stated.update(name for name in schema.get("required", ()) if name not in properties)
        require(schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", len(value)))
        seen.declared |= bool(properties)
        for name, member in value.items():
            parts = [visible[name]] if name in visible else []
            parts += [part for pattern, part in patterns.items() if matched(pattern, name)]
            if not parts and name not in properties and "additionalProperties" in schema:
                parts = [schema["additionalProperties"]]
            for part in parts:
                self.whole(member, part, depth)
            if parts and not (self.closed and parts == [True] and name not in visible):
                seen.names.add(name)
            if "propertyNames" in schema:
                self.whole(name, schema["propertyNames"], depth)
        self.dependencies(value, schema, seen, depth)
        if "unevaluatedProperties" in schema:
            for name in value:
                if name not in seen.names:
                    self.whole(value[name], schema["unevaluatedProperties"], depth)
            seen.names |= value.keys()

    def dependencies(self, value: dict, schema: dict, seen: Seen, depth: int) -> None:
        for name, needed in schema.get("dependentRequired", {}).items():
            require(name not in value or value.keys() >= set(needed))
        for name, part in schema.get("dependentSchemas", {}).items():
            if name in value:
                seen.add(self.check(value, part, depth))

    def check_array(self, value: list, schema: dict, seen: Seen, depth: int) -> None:
        require(schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)))
        if schema.get("uniqueItems"):
            require(not any(same(one, other) for index, one in enumerate(value) for other in value[:index]))
        prefix = schema.get("prefixItems", [])
        for index, item in enumerate(value):
            if index < len(prefix) or "items" in schema:
                self.whole(item, prefix[index] if index < len(prefix) else schema["items"], depth)
                seen.items.add(index)
        if "contains" in schema:
            found = {index for index, item in enumerate(value) if self.open.holding(item, schema["contains"], depth) is not None}
            require(schema.get("minContains", 1) <= len(found) <= schema.get("maxContains", len(found)))
            seen.items |= found
        if "unevaluatedItems" in schema:
            for index, item in enumerate(value):
                if index not in seen.items:
                    self.whole(item, schema["unevaluatedItems"], depth)
            seen.items |= set(range(len(value)))


def chosen_branch(value: Any, schema: dict) -> str:
    """The key of the branch of oneOf or anyOf that the discriminator names for the value; "" when it names none. Raises Failed for a name without a branch."""
    if "discriminator" not in schema or not isinstance(value, dict):
        return ""
    mapping = schema["discriminator"].get("mapping") or {}
    name = value.get(schema["discriminator"]["propertyName"])
    branches = {part["$ref"] for keyword in ("oneOf", "anyOf") for part in schema.get(keyword, ()) if isinstance(part, dict) and "$ref" in part}
    if not mapping or not branches or not isinstance(name, str):
        return ""
    require(mapping.get(name) in branches)
    return mapping[name]


def require(holds: bool) -> None:
    if not holds:
        raise Failed


def of_types(value: Any, types: str | list[str] | None) -> bool:
    if types is None:
        return True
    return any(of_type(value, name) for name in ([types] if isinstance(types, str) else types))


def of_type(value: Any, name: str) -> bool:
    if name in ("integer", "number"):
        return isinstance(value, (int, float)) and not isinstance(value, bool) and (name == "number" or float(value).is_integer())
    return isinstance(value, {"string": str, "boolean": bool, "null": type(None), "object": dict, "array": list}.get(name, ()))


def same(one: Any, other: Any) -> bool:
    """Equality of JSON: 1 is 1.0, but not true."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    return one == other


def matched(pattern: str, text: str) -> bool:
    found = matches(pattern, text)
    require(found is not None)
    return bool(found)


def check_text(value: str, schema: dict) -> None:
    require(schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)))
    require("format" not in schema or patterns.holds(schema["format"], value))
    require("pattern" not in schema or matched(schema["pattern"], value))


def check_number(value: int | float, schema: dict) -> None:
    require("minimum" not in schema or value >= schema["minimum"])
    require("maximum" not in schema or value <= schema["maximum"])
    require("exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"])
    require("exclusiveMaximum" not in schema or value < schema["exclusiveMaximum"])
    if "multipleOf" in schema:
        require(fractions.Fraction(str(value)) % fractions.Fraction(str(schema["multipleOf"])) == 0)
    if schema.get("format") in RANGES:
        low, high = RANGES[schema["format"]]
        require(low <= value <= high)
    require(isinstance(value, float) or abs(value) <= SAFE_INTEGER or "const" in schema or "enum" in schema)


TYPES = ("object", "string", "integer", "number", "array", "boolean", "null")
LARGEST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains")
SMALLEST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains")
NUMBER_LIMITS = frozenset(("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"))
GATHERED = ("pattern", "format", "multipleOf", "items", "prefixItems", "contains", "propertyNames", "additionalProperties", "patternProperties", "unevaluatedProperties")
CHECKED = frozenset(("not", "if", "oneOf", "anyOf", "contains", "uniqueItems", "propertyNames", "patternProperties", "dependentSchemas", "dependentRequired", "minProperties", "maxProperties",
                     "unevaluatedProperties", "unevaluatedItems", "pattern", "format", "multipleOf", "const", "enum", "discriminator", "prefixItems"))


class Contradiction(Exception):
    """No value can satisfy the parts together."""


@dataclasses.dataclass(slots=True)
class Flat:
    """All parts that a value must satisfy. choices: groups of schemas, one of each group to be added."""
    types: set[str] = dataclasses.field(default_factory=lambda: set(TYPES))
    order: list[str] = dataclasses.field(default_factory=list)         # the types in the order in which the document names them
    values: list[Any] | None = None                                    # of const and enum
    hints: list[Any] = dataclasses.field(default_factory=list)         # of examples and default
    limits: dict[str, Any] = dataclasses.field(default_factory=dict)
    gathered: dict[str, list] = dataclasses.field(default_factory=dict)
    properties: dict[str, list[Schema]] = dataclasses.field(default_factory=dict)
    required: dict[str, None] = dataclasses.field(default_factory=dict)
    needs: list[dict[str, list[str]]] = dataclasses.field(default_factory=list)
    keys: set[str] = dataclasses.field(default_factory=set)            # of the schemas that were referred to
    choices: list[list[Schema]] = dataclasses.field(default_factory=list)
    simple: bool = True                                                # a value made by the keywords needs no check
    parts: int = 0                                                     # schemas that were added

    def all_of(self, keyword: str) -> list:
        return self.gathered.get(keyword, [])

    def add(self, schema: Schema, schemas: dict[str, Schema]) -> Flat:
        """Raises Contradiction."""
        pending = [schema]
        while pending:
            part = pending.pop(0)
            if isinstance(part, bool):
                if not part:
                    raise Contradiction
                continue
            self.add_keywords(part)
            key = part.get("$ref")
            if key is not None and key not in self.keys:
                self.keys.add(key)
                pending.insert(0, schemas.get(key, False))
            pending[:0] = part.get("allOf", ())
        return self

    def add_keywords(self, part: dict) -> None:
        self.parts += any(keyword not in ("$ref", "allOf") for keyword in part)
        if "type" in part:
            self.narrow([part["type"]] if isinstance(part["type"], str) else part["type"])
        if "const" in part or "enum" in part:
            allowed = [part["const"]] if "const" in part else part["enum"]
            self.values = allowed if self.values is None else [value for value in self.values if any(same(value, other) for other in allowed)]
        self.hints.extend([*part.get("examples", ()), *([part["default"]] if "default" in part else [])])
        for keywords, better in ((LARGEST, max), (SMALLEST, min)):
            for keyword in keywords:
                if keyword in part:
                    limit = part[keyword] if keyword in NUMBER_LIMITS else int(part[keyword])
                    self.limits[keyword] = better(limit, self.limits.get(keyword, limit))
        for keyword in GATHERED:
            if keyword in part:
                self.gathered.setdefault(keyword, []).append(part[keyword])
        for name, member in part.get("properties", {}).items():
            self.properties.setdefault(name, []).append(member)
        self.required.update(dict.fromkeys(part.get("required", ())))
        if "dependentRequired" in part:
            self.needs.append(part["dependentRequired"])
        self.add_choices(part)
        self.limits["uniqueItems"] = self.limits.get("uniqueItems", False) or part.get("uniqueItems", False)
        self.simple = self.simple and CHECKED.isdisjoint(part)

    def add_choices(self, part: dict) -> None:
        for keyword in ("oneOf", "anyOf"):
            if keyword in part:
                self.choices.append(list(discriminated(part, keyword)))
        if "if" in part:
            self.choices.append([part.get("else", True), {"allOf": [part["if"], part.get("then", True)]}])
        for name, schema in part.get("dependentSchemas", {}).items():
            self.choices.append([{"properties": {name: False}}, schema])

    def narrow(self, types: list[str]) -> None:
        if "number" in types:
            types = [*types, "integer"]
        self.types &= set(types)
        self.order = [name for name in (self.order or types) if name in self.types]
        if not self.types:
            raise Contradiction

    @property
    def needs_check(self) -> bool:
        """Whether a value made by the keywords may still be wrong: further members that one part refuses may be another's own."""
        return not self.simple or self.parts > 1 and any(more is not True for more in self.all_of("additionalProperties"))

    def copy(self) -> Flat:
        return Flat(set(self.types), list(self.order), self.values, list(self.hints), dict(self.limits), {keyword: list(found) for keyword, found in self.gathered.items()},
                    {name: list(parts) for name, parts in self.properties.items()}, dict(self.required), list(self.needs), set(self.keys), [], self.simple, self.parts)

    def wanted_types(self) -> list[str]:
        """The types in the order in which values of them are tried; null comes last."""
        order = [*self.order, *(name for name in self.guessed_types() if name not in self.order)]
        return sorted((name for name in order if name in self.types), key=lambda name: name == "null")

    def guessed_types(self) -> list[str]:
        """What the keywords of a schema without a type are about comes first."""
        about = {"object": bool(self.properties or self.required or self.all_of("additionalProperties")), "array": bool(self.all_of("items") or "minItems" in self.limits),
                 "string": bool(self.all_of("pattern") or self.all_of("format") or "minLength" in self.limits), "number": "minimum" in self.limits or "maximum" in self.limits}
        return sorted(("string", "integer", "number", "boolean", "object", "array", "null"), key=lambda name: not about.get(name))

    def allowed_values(self) -> list[Any]:
        return [value for value in self.values or () if any(of_type(value, name) for name in self.types)]


def discriminated(part: dict, keyword: str) -> Iterator[Schema]:
    """The branches of oneOf or anyOf, each with what the discriminator asks of it."""
    discriminator = part.get("discriminator") or {}
    names: dict[str, str] = {}
    for value, key in (discriminator.get("mapping") or {}).items():
        names.setdefault(key, value)
    for branch in part[keyword]:
        value = names.get(branch.get("$ref")) if isinstance(branch, dict) else None
        if value is not None:
            name = discriminator["propertyName"]
            yield {"allOf": [branch], "properties": {name: {"enum": [value, *plain_values(value)]}}, "required": [name]}
        else:
            yield branch


def plain_values(text: str) -> list[Any]:
    """The boolean or number that a key of a mapping may stand for."""
    if text in ("true", "false"):
        return [text == "true"]
    return [int(text)] if text.isdecimal() and text.isascii() and len(text) < 16 else []
