"""Example values: they satisfy their schemas, hold only what is declared, and are found quickly."""
import json
import types

import pytest
from hypothesis import given, settings, strategies as st

from senior_backend.scaffold.values.examples import Examples, Unsatisfiable
from senior_backend.scaffold.values.satisfaction import same

SCALARS = st.one_of(
    st.builds(lambda low, more: {"type": "string", "minLength": low, "maxLength": low + more}, st.integers(0, 30), st.integers(0, 9)),
    st.sampled_from(["date", "date-time", "email", "uuid", "ipv4", "uri", "byte", "hostname"]).map(lambda name: {"type": "string", "format": name}),
    st.sampled_from(["^[a-z]{3}-[0-9]+$", "^(?=.*[A-Z])(?=.*\\d).{8,}$", "x+y", "^[^a]$", "^(red|green)$", "\\bfoo\\b"]).map(lambda pattern: {"type": "string", "pattern": pattern}),
    st.builds(lambda low, more, step: {"type": "integer", "minimum": low, "maximum": low + more + step, "multipleOf": step}, st.integers(-50, 50), st.integers(0, 9), st.integers(1, 9)),
    st.builds(lambda low, more: {"type": "number", "exclusiveMinimum": low, "exclusiveMaximum": low + more}, st.integers(-9, 9), st.floats(0.01, 5)),
    st.lists(st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3)), min_size=1, max_size=4).map(lambda values: {"enum": values}),
    st.sampled_from([{"type": "boolean"}, {"type": ["integer", "null"]}, {}, True]),
)


def containers(inner):
    members = st.dictionaries(st.sampled_from("abcd"), inner, max_size=3)
    objects = st.builds(lambda members, needed, more: {"type": "object", "properties": members, "required": sorted(set(needed) & members.keys()), "additionalProperties": more},
                        members, st.sets(st.sampled_from("abcd")), st.sampled_from([True, False]))
    arrays = st.builds(lambda item, low, more: {"type": "array", "items": item, "minItems": low, "maxItems": low + more}, inner, st.integers(0, 3), st.integers(0, 2))
    return st.one_of(objects, arrays, st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"anyOf": parts}), members.map(lambda members: {"allOf": [{"properties": members}, {"type": "object"}]}))


def examples(schemas: dict | None = None) -> Examples:
    return Examples(types.SimpleNamespace(schemas=schemas or {}))


@settings(max_examples=300, deadline=None)
@given(st.recursive(SCALARS, containers, max_leaves=8))
def test_examples_satisfy_their_schema(schema):
    made = examples()
    value = made.of(schema, "response")
    assert made.satisfies(value, schema, "response")
    assert same(value, examples().of(json.loads(json.dumps(schema)), "response"))


@pytest.mark.parametrize("schema, value", [
    ({"type": "string", "examples": ["Ada"]}, "Ada"),
    ({"type": "string", "examples": [7], "default": "x"}, "x"),
    ({"type": "string", "examples": ["not a date"], "format": "date"}, "2026-01-31"),
    ({"const": {"a": 1}}, {"a": 1}),
    ({"type": ["string", "null"], "enum": [None, "b"]}, None),
    ({"type": "string", "pattern": "^[A-Z]{2}$"}, "AB"),
    ({"type": "object", "properties": {"a": {"type": "string"}}, "examples": [{"a": "x", "b": 1}]}, {"a": "text"}),
    ({"type": "object", "required": ["tag"], "properties": {}}, {"tag": "text"}),
    ({"type": "array", "items": {"type": "integer"}, "uniqueItems": True, "minItems": 3}, [1, 2, 3]),
    ({"type": "number", "multipleOf": 0.1, "minimum": 0.25}, 0.3),
    ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, 0.5),
    ({"type": "object", "minProperties": 2, "additionalProperties": {"type": "integer"}}, {"key1": 1, "key2": 1}),
    ({"type": "integer", "not": {"const": 1}}, 2),
])
def test_what_is_chosen(schema, value):
    made = examples()
    chosen = made.of(schema, "response")
    assert made.satisfies(chosen, schema, "response")
    if schema.get("oneOf") is None:
        assert same(chosen, value)


def test_recursion_ends_where_it_may():
    tree = {"type": "object", "required": ["value"], "properties": {"value": {"type": "integer"}, "children": {"type": "array", "items": {"$ref": "Tree"}}, "parent": {"$ref": "Tree"}}}
    chain = {"type": "object", "required": ["next"], "properties": {"next": {"anyOf": [{"$ref": "Chain"}, {"type": "null"}]}}}
    endless = {"type": "object", "required": ["self"], "properties": {"self": {"$ref": "Endless"}}}
    made = examples({"Tree": tree, "Chain": chain, "Endless": endless, "Loop": {"$ref": "Loop"}})
    assert made.of({"$ref": "Tree"}, "response") == {"value": 1, "children": []}
    assert made.of({"$ref": "Chain"}, "response") == {"next": None}
    for key in ("Endless", "Loop"):
        with pytest.raises(Unsatisfiable):
            made.of({"$ref": key}, "response")


def test_discriminators_name_their_branch():
    schemas = {"Cat": {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string"}, "lives": {"type": "integer"}}}, "Dog": {"type": "object", "required": ["bark"], "properties": {"bark": {"type": "string"}}}}
    union = {"oneOf": [{"$ref": "Cat"}, {"$ref": "Dog"}], "discriminator": {"propertyName": "kind", "mapping": {"cat": "Cat", "dog": "Dog"}}}
    assert examples(schemas).of(union, "response") == {"kind": "cat", "lives": 1}
    assert not examples(schemas).satisfies({"kind": "cow", "lives": 1}, union, "response")
    views = {"type": "object", "required": ["id", "word"], "properties": {"id": {"type": "integer", "readOnly": True}, "word": {"type": "string", "writeOnly": True}}}
    assert (examples().of(views, "request"), examples().of(views, "response")) == ({"word": "text"}, {"id": 1})


@pytest.mark.parametrize("schema", [False, {"type": "string", "pattern": "$a"}, {"allOf": [{"type": "string"}, {"type": "integer"}]}, {"type": "integer", "minimum": 2, "maximum": 1},
                                    {"type": "array", "minItems": 10 ** 9}, {"type": "string", "minLength": 10 ** 9}])
def test_what_cannot_be_found_is_said(schema):
    with pytest.raises(Unsatisfiable):
        examples().of(schema, "response")
