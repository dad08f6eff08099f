"""types.ts: what people read first."""
from __future__ import annotations

import pytest

from written import compare_golden, document, write

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
