"""Schemas with their references and allOf parts gathered into one list of keywords each, for making values."""
from __future__ import annotations

import dataclasses
from typing import Any, Iterator

from senior_backend.openapi.model import Schema
from senior_backend.scaffold.values.satisfaction import of_type, same

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
