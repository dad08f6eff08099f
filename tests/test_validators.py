"""types.ts, what people read first, and validators.ts in a real Node.js: values are judged as JSON Schema judges them."""
from __future__ import annotations

import pytest
from written import compare_golden, decide, document, write

REF = "#/components/schemas/"
SHAPES = {
    "Pet": {"type": "object", "description": "An animal.", "required": ["id", "kind"], "properties": {
        "id": {"type": "integer", "format": "int64", "readOnly": True}, "kind": {"enum": ["cat", "dog"]}, "owner": {"$ref": REF + "Person"}, "first-name": {"type": ["string", "null"]},
        "born": {"type": "string", "format": "date", "deprecated": True, "description": "Ends */ here"}}},
    "Person": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "maxLength": 64}, "password": {"type": "string", "writeOnly": True}, "pets": {"type": "array", "items": {"$ref": REF + "Pet"}}}},
    "Dog": {"allOf": [{"$ref": REF + "Animal"}, {"type": "object", "properties": {"barks": {"type": "boolean"}}}]},
    "Animal": {"type": "object", "required": ["legs"], "properties": {"legs": {"type": "integer", "minimum": 0}, "tail": {"type": "string"}}},
    "Tailed": {"allOf": [{"$ref": REF + "Animal"}, {"required": ["tail"]}]},
    "Tree": {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": REF + "Tree"}}}},
    "Json": {"oneOf": [{"type": "string"}, {"type": "number"}, {"type": "object", "additionalProperties": {"$ref": REF + "Json"}}, {"type": "array", "items": {"$ref": REF + "Json"}}]},
    "Scores": {"type": "object", "properties": {"name": {"type": "string"}}, "additionalProperties": {"type": "number"}},
    "Point": {"type": "array", "prefixItems": [{"type": "number"}, {"type": "number"}], "minItems": 1, "items": False},
    "Shape": {"oneOf": [{"$ref": REF + "Circle"}, {"$ref": REF + "Square"}]},
    "Circle": {"type": "object", "required": ["kind"], "properties": {"kind": {"const": "circle"}, "radius": {"type": "number", "multipleOf": 0.01}}},
    "Square": {"type": "object", "required": ["kind"], "additionalProperties": False, "properties": {"kind": {"const": "square"}}},
    "Vehicle": {"oneOf": [{"$ref": REF + "Car"}], "properties": {"wheels": {"type": "integer"}}},
    "Car": {"allOf": [{"$ref": REF + "Vehicle"}, {"type": "object", "properties": {"doors": {"type": "integer"}}}]},
    "Money": {"type": "object", "properties": {"amount": {"type": "number"}}, "unevaluatedProperties": False, "not": {"required": ["free"]}},
}
JSON = "application/json"
PATHS = {"/pets/{id}": {
    "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
    "get": {"operationId": "getPet", "parameters": [
        {"name": "limit", "in": "query", "schema": {"type": "integer", "default": 20}}, {"name": "sort", "in": "query", "schema": {"type": "string", "default": 1}},
        {"name": "X-Trace", "in": "header", "schema": {"type": "string"}}, {"name": "session", "in": "cookie", "required": True, "schema": {"type": "string"}}],
        "responses": {"200": {"description": "", "headers": {"X-Left": {"required": True, "schema": {"type": "integer"}}}, "content": {JSON: {"schema": {"$ref": REF + "Pet"}}, "text/csv": {}}},
                      "204": {"description": ""}, "404": {"description": "", "content": {JSON: {"schema": {"type": "object", "properties": {"why": {"type": "string"}}}}}},
                      "4XX": {"description": ""}, "default": {"description": ""}}},
    "put": {"operationId": "putPet", "requestBody": {"required": True, "content": {
        JSON: {"schema": {"$ref": REF + "Pet"}}, "application/octet-stream": {}, "multipart/form-data": {"schema": {"type": "object", "properties": {"photo": {"type": "string", "format": "binary"}}}}}},
        "responses": {"200": {"description": "", "content": {"image/*": {}}}}},
    "head": {"operationId": "headPet", "responses": {"200": {"description": "", "content": {JSON: {"schema": {"$ref": REF + "Pet"}}}}}},
    "patch": {"operationId": "patchPerson", "requestBody": {"content": {JSON: {"schema": {"properties": {"name": {"type": "string"}}}}}},
              "responses": {"201": {"description": "", "content": {JSON: {"schema": {"$ref": REF + "Person"}}}}}},
}}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write(document(SHAPES, PATHS), tmp_path_factory.mktemp("types"))


def test_types_are_what_they_were(made):
    compare_golden("types.ts.txt", made.types)
    assert not [word for word in (" any", "<any") if word in made.types + made.validators]


@pytest.mark.parametrize("version", ["5.9", "7"])
def test_types_and_validators_agree_for_the_compiler(made, tmp_path, compile_ts, version):
    assert compile_ts(made.save(tmp_path / "out"), version) == []


def test_what_is_not_done_is_said(made):
    assert any("the default is not applied" in warning for warning in made.warnings)
    assert any("no type" in warning for warning in made.warnings)


# validators

# schema, values that are right, values that are wrong
CASES = [
    ({"type": "integer"}, [1, 1.0, -3], [1.5, "1", True, None]),
    ({"type": "integer", "format": "int32"}, [2 ** 31 - 1], [2 ** 31]),
    ({"type": "number", "multipleOf": 0.01}, [0.07, 1.13, 4.35, 1e22], [0.075, 1e-3]),
    ({"type": "string", "minLength": 2, "maxLength": 2}, ["ab", "💩💩"], ["💩", "abc"]),
    ({"minLength": 2}, ["ab", 1, None, {}], ["a"]),
    ({"properties": {"a": {"type": "integer"}}, "required": ["a"]}, [{"a": 1}, "text", [], 12], [{}, {"a": "1"}]),
    ({"type": "object", "required": ["toString", "a"], "properties": {"toString": {"type": "string"}}}, [{"toString": "x", "a": None}], [{"a": 1}, {"toString": 1, "a": 1}]),
    ({"type": "object", "properties": {"__proto__": {"type": "number"}, "constructor": {"type": "number"}}}, [{}, {"__proto__": 1}], [{"__proto__": "x"}, {"constructor": "x"}]),
    ({"enum": [{"a": [1, 2]}, None, 6, "x"]}, [{"a": [1, 2]}, None, 6.0, "x"], [{"a": [2, 1]}, False, "6"]),
    ({"enum": ["__proto__", "b"]}, ["__proto__", "b"], ["constructor"]),
    ({"const": False}, [False], [0, None, ""]),
    ({"type": ["string", "null"]}, ["", None], [0]),
    ({"type": "array", "uniqueItems": True}, [[1, "1", True], [{"a": 1, "b": 2}, {"a": 2, "b": 1}]], [[1, 1.0], [{"a": 1, "b": 2}, {"b": 2, "a": 1}]]),
    ({"prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False}, [[], [1], [1, "a"], "x"], [["a"], [1, "a", 2]]),
    ({"contains": {"const": 1}, "minContains": 2}, [[1, 2, 1], 3], [[1, 2], []]),
    ({"oneOf": [{"type": "integer"}, {"minimum": 2}]}, [1, 2.5], [3, 1.5]),
    ({"anyOf": [{"required": ["a"]}, {"required": ["b"]}], "type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}, [{"a": ""}, {"b": ""}], [{}, {"a": 1}]),
    ({"allOf": [{"type": "object", "properties": {"a": {}}, "additionalProperties": False}, {"type": "object", "properties": {"b": {}}, "additionalProperties": False}]}, [{}], [{"a": 1}, {"b": 1}]),
    ({"allOf": [{"properties": {"a": {"minimum": 2}}}, {"properties": {"a": {"maximum": 4}}, "required": ["a"]}], "type": "object"}, [{"a": 3}], [{"a": 1}, {"a": 5}, {}]),
    ({"not": {"type": ["integer", "object"]}}, ["x", 1.5], [1, {}]),
    ({"if": {"properties": {"a": {"const": 1}}, "required": ["a"]}, "then": {"required": ["b"]}, "else": {"required": ["c"]}}, [{"a": 1, "b": 0}, {"c": 0}], [{"a": 1}, {"a": 2}]),
    ({"dependentRequired": {"a": ["b"]}}, [{"a": 1, "b": 1}, {}], [{"a": 1}]),
    ({"type": "object", "patternProperties": {"^n": {"type": "number"}}, "properties": {"s": {"type": "string"}}, "additionalProperties": False}, [{"n1": 1, "s": ""}], [{"n1": ""}, {"x": 1}]),
    ({"type": "object", "propertyNames": {"maxLength": 2}}, [{"ab": 1}], [{"abc": 1}]),
    ({"type": "object", "additionalProperties": {"type": "number"}, "properties": {"s": {"type": "string"}}}, [{"s": "", "x": 1}], [{"x": ""}]),
    ({"type": "object", "minProperties": 1, "maxProperties": 2}, [{"a": 1}], [{}, {"a": 1, "b": 1, "c": 1}]),
    ({"allOf": [{"properties": {"a": True}}], "properties": {"b": True}, "unevaluatedProperties": False}, [{"a": 1, "b": 1}, 1], [{"c": 1}]),
    ({"type": "string", "format": "date-time"}, ["2024-02-29T12:00:00Z"], ["2023-02-29T12:00:00Z", "now"]),
    ({"type": "string", "format": "made-up"}, ["anything"], [1]),
    ({"type": "string", "pattern": "^\\p{L}+$"}, ["äß"], ["a1"]),
    ({"$ref": REF + "S0", "minimum": 5}, [5], [4, "5"]),
]


@pytest.fixture(scope="module")
def schemas() -> dict:
    return {f"S{number}": schema for number, (schema, _, _) in enumerate(CASES)}


def test_values_are_judged_as_json_schema_judges_them(schemas, node, link_modules, tmp_path):
    made = write(document(schemas), tmp_path / "in")
    folder = made.save(tmp_path / "out")
    link_modules(folder)
    asked = [(made.exports[f"S{number}"], value, right) for number, (_, good, bad) in enumerate(CASES) for right, values in ((True, good), (False, bad)) for value in values]
    verdicts = decide(node, folder, [(name, value) for name, value, _ in asked])
    assert [(name, value, right) for (name, value, right), verdict in zip(asked, verdicts) if verdict["right"] is not right] == []


def test_cases_compile(schemas, compile_ts, tmp_path):
    assert compile_ts(write(document(schemas), tmp_path / "in").save(tmp_path / "out")) == []


BASE = {"type": "object", "required": ["id", "name"], "properties": {"id": {"type": "integer", "readOnly": True}, "name": {"type": "string"}}}
BODY = {"required": True, "content": {"application/json": {"schema": {"$ref": REF + "Dog"}}}}
VARIANTS = {"Base": BASE, "Dog": {"allOf": [{"$ref": REF + "Base"}, {"type": "object", "properties": {"age": {"type": "integer"}, "friend": {"$ref": REF + "Dog"}}}]}}


def test_read_only_members_of_a_request_are_dropped_wherever_they_are_declared(node, link_modules, compile_ts, tmp_path):
    made = write(document(VARIANTS, {"/dogs": {"post": {"operationId": "addDog", "requestBody": BODY, "responses": {"201": {"description": ""}}}}}), tmp_path / "in")
    folder = made.save(tmp_path / "out")
    link_modules(folder)
    verdict, = decide(node, folder, [("DogRequestSchema", {"id": "sent", "name": "Rex", "age": 3, "friend": {"id": 5, "name": "Fido"}, "more": True})])
    assert verdict["data"] == {"name": "Rex", "age": 3, "friend": {"name": "Fido"}, "more": True}
    assert compile_ts(folder) == []


DISCRIMINATED = {
    "Event": {"oneOf": [{"$ref": REF + "Sent"}, {"$ref": REF + "Read"}], "discriminator": {"propertyName": "kind", "mapping": {"sent": REF + "Sent", "read": REF + "Read"}}},
    "Sent": {"type": "object", "required": ["kind", "to"], "properties": {"kind": {"type": "string"}, "to": {"type": "string"}}},
    "Read": {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string"}, "at": {"type": "string", "format": "date-time"}}},
    "Switch": {"oneOf": [{"type": "object", "required": ["on"], "properties": {"on": {"const": True}, "volts": {"type": "number"}}}, {"type": "object", "required": ["on"], "properties": {"on": {"const": False}}}]},
}


def test_alternatives_are_chosen_by_their_discriminator_and_the_message_says_what_is_wrong_there(node, link_modules, tmp_path):
    made = write(document(DISCRIMINATED), tmp_path / "in")
    folder = made.save(tmp_path / "out")
    link_modules(folder)
    verdicts = decide(node, folder, [("EventSchema", {"kind": "sent", "to": "x"}), ("EventSchema", {"kind": "read", "at": "late"}), ("EventSchema", {"kind": "lost"}), ("EventSchema", {}),
                                     ("SwitchSchema", {"on": True, "volts": "x"}), ("SwitchSchema", {"on": "true"})])
    assert [verdict["right"] for verdict in verdicts] == [True, False, False, False, False, False]
    assert verdicts[1]["issues"][0].startswith("at: ") and len(verdicts[1]["issues"]) == 1
    assert verdicts[2]["issues"] == ["kind: must be one of: sent, read"]
    assert verdicts[4]["issues"][0].startswith("volts: ")


def test_declarations_stand_before_their_use_even_in_cycles(node, link_modules, compile_ts, tmp_path):
    cyclic = {"A": {"anyOf": [{"$ref": REF + "B"}, {"type": "string"}]}, "B": {"type": "array", "items": {"$ref": REF + "A"}}, "C": {"type": "object", "additionalProperties": {"$ref": REF + "C"}},
              "P": {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string"}}, "oneOf": [{"$ref": REF + "K"}]},
              "K": {"allOf": [{"$ref": REF + "P"}, {"type": "object", "properties": {"extra": {"$ref": REF + "P"}}}]}, "Self": {"allOf": [{"$ref": REF + "Self"}]}}
    made = write(document(cyclic), tmp_path / "in")
    folder = made.save(tmp_path / "out")
    assert compile_ts(folder) == []
    verdicts = decide(node, folder, [("ASchema", [["x"], []]), ("ASchema", [[1]]), ("CSchema", {"a": {"b": {}}}), ("CSchema", {"a": 1}), ("KSchema", {"kind": "k", "extra": {"kind": "k"}}), ("KSchema", {"extra": {}})])
    assert [verdict["right"] for verdict in verdicts] == [True, False, True, False, True, False]


def test_patterns_that_node_cannot_run_safely_are_left_out_and_said(tmp_path):
    made = write(document({"Slow": {"type": "string", "pattern": "^(a+)+$"}, "Broken": {"type": "string", "pattern": "(a"}}), tmp_path)
    assert ".regex(" not in made.validators
    assert len([warning for warning in made.warnings if warning.startswith("pattern is not checked")]) == 2
