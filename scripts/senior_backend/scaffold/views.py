"""What a schema is to a request and to a response: readOnly members are not part of requests, writeOnly ones not of responses."""
from __future__ import annotations

import enum

from senior_backend.openapi.model import Api, Schema


class View(enum.Enum):
    """The side from which a schema is read; the value is the suffix of the names of its variant."""
    WHOLE = ""
    REQUEST = "Request"
    RESPONSE = "Response"


HIDDEN_BY = {View.REQUEST: "readOnly", View.RESPONSE: "writeOnly", View.WHOLE: ""}
LISTS = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
MAPS = frozenset(("properties", "patternProperties", "dependentSchemas"))
SINGLES = frozenset(("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "unevaluatedItems", "unevaluatedProperties"))


class Views:
    """Which schemas have variants, and the graph of references between schemas."""

    def __init__(self, api: Api):
        self.schemas = api.schemas
        self.references: dict[str, list[str]] = {}
        marked: dict[str, set[str]] = {"readOnly": set(), "writeOnly": set()}
        for key, schema in api.schemas.items():
            self.references[key] = references(schema, marks := set())
            for mark in marks:
                marked[mark].add(key)
        self.varied = {view: self.reaching(marked.get(mark, set())) for view, mark in HIDDEN_BY.items()}

    def reaching(self, targets: set[str]) -> set[str]:
        """The keys from which a reference path leads into targets, and targets themselves."""
        sources: dict[str, list[str]] = {}
        for key, found in self.references.items():
            for target in found:
                sources.setdefault(target, []).append(key)
        reached, pending = set(targets), list(targets)
        while pending:
            fresh = [key for key in sources.get(pending.pop(), ()) if key not in reached]
            reached.update(fresh)
            pending.extend(fresh)
        return reached

    def of(self, key: str, view: View) -> View:
        """The view under which the schema is written when it is seen from `view`."""
        return view if key in self.varied[view] else View.WHOLE

    def used_by(self, keys: list[str]) -> set[str]:
        """The keys and all that they refer to, directly or not."""
        found, pending = set(keys), list(keys)
        while pending:
            fresh = [key for key in self.references.get(pending.pop(), ()) if key not in found]
            found.update(fresh)
            pending.extend(fresh)
        return found

    def hidden(self, schema: Schema, view: View) -> bool:
        """Whether a member with this schema is not part of the view; the mark may stand at the schema that it refers to."""
        mark = HIDDEN_BY[view]
        for _ in range(16):
            if not mark or not isinstance(schema, dict):
                return False
            if schema.get(mark) is True:
                return True
            schema = self.schemas.get(schema["$ref"]) if "$ref" in schema else None
        return False


def references(schema: Schema, marks: set[str]) -> list[str]:
    """The keys that a schema refers to, in order of appearance; adds the marks readOnly and writeOnly that it carries."""
    found: dict[str, None] = {}
    pending = [schema]
    while pending:
        node = pending.pop()
        if not isinstance(node, dict):
            continue
        for keyword, value in node.items():
            if keyword == "$ref":
                found[value] = None
            elif keyword in SINGLES:
                pending.append(value)
            elif keyword in MAPS:
                pending.extend(value.values())
            elif keyword in LISTS:
                pending.extend(value)
            elif value is True and (keyword == "readOnly" or keyword == "writeOnly"):
                marks.add(keyword)
    return list(found)
