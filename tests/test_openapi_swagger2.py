"""Swagger 2.0 documents give the same model as the OpenAPI 3 documents that say the same."""
import json

import pytest

from senior_backend.console import CommandError
from senior_backend.openapi.model import MISSING
from senior_backend.openapi.reader import read_api

OK = {"200": {"description": "ok"}}


@pytest.fixture
def read(tmp_path):
    def make(paths, **rest):
        (tmp_path / "api.json").write_text(json.dumps({"swagger": "2.0", "info": {"title": "t", "version": "1"}, "paths": paths, **rest}, indent=1))
        return read_api(tmp_path / "api.json")
    return make


def warnings(api) -> dict[str, str]:
    return {place.pointer: place.message for place in api.report.located(api.report.warnings)}


def test_parameters(read):
    listed = [{"name": "ids", "in": "query", "type": "array", "items": {"type": "integer"}, "collectionFormat": "multi"}, {"name": "csv", "in": "query", "type": "array", "items": {"type": "string"}},
              {"name": "ssv", "in": "query", "type": "array", "items": {}, "collectionFormat": "ssv"}, {"name": "pipes", "in": "query", "type": "array", "items": {}, "collectionFormat": "pipes"},
              {"name": "tsv", "in": "query", "type": "array", "items": {}, "collectionFormat": "tsv"}, {"name": "H", "in": "header", "type": "string", "x-nullable": True, "x-example": "e"},
              {"$ref": "#/parameters/id"}, {"name": "n", "in": "query", "type": "number", "minimum": 0, "exclusiveMinimum": True, "default": 3, "description": "d"}]
    api = read({"/a/{id}": {"get": {"parameters": listed, "responses": OK}}}, parameters={"id": {"name": "id", "in": "path", "required": True, "type": "string", "format": "uuid"}})
    got = {p.name: (p.location, p.style, p.explode, p.schema) for p in api.operations[0].parameters}
    assert got == {
        "ids": ("query", "form", True, {"type": "array", "items": {"type": "integer"}}), "csv": ("query", "form", False, {"type": "array", "items": {"type": "string"}}),
        "ssv": ("query", "spaceDelimited", False, {"type": "array", "items": {}}), "pipes": ("query", "pipeDelimited", False, {"type": "array", "items": {}}),
        "tsv": ("query", "form", False, {"type": "array", "items": {}}), "H": ("header", "simple", False, {"type": ["string", "null"]}),
        "id": ("path", "simple", False, {"type": "string", "format": "uuid"}), "n": ("query", "form", False, {"type": "number", "exclusiveMinimum": 0, "default": 3})}
    assert list(warnings(api)) == ["#/paths/~1a~1{id}/get/parameters/4/collectionFormat"]


def test_a_body_for_each_media_type_that_is_consumed(read):
    body = {"name": "pet", "in": "body", "required": True, "description": "d", "schema": {"$ref": "#/definitions/Pet"}}
    paths = {"/a": {"parameters": [{"$ref": "#/parameters/pet"}], "post": {"responses": OK}, "put": {"consumes": ["text/xml; charset=utf-8", "application/json"], "responses": OK}}}
    api = read(paths, parameters={"pet": body}, definitions={"Pet": {"type": "object", "x-nullable": True}}, consumes=["application/merge-patch+json"])
    post, put = (operation.body for operation in api.operations)
    assert (post.required, post.description, [media.content_type for media in post.media]) == (True, "d", ["application/merge-patch+json"])
    assert [(media.content_type, media.schema) for media in put.media] == [("text/xml", {"$ref": "Pet"}), ("application/json", {"$ref": "Pet"})]
    assert api.schemas["Pet"] == {"type": ["object", "null"]} and not api.operations[0].parameters


def test_form_fields_become_an_object(read):
    fields = [{"name": "name", "in": "formData", "type": "string", "required": True, "description": "d"}, {"name": "tags", "in": "formData", "type": "array", "items": {"type": "string"}, "collectionFormat": "multi"}]
    file = {"name": "file", "in": "formData", "type": "file"}
    api = read({"/a": {"post": {"parameters": fields, "responses": OK}, "put": {"parameters": [*fields, file], "responses": OK}}})
    post, put = (operation.body for operation in api.operations)
    [form], [multipart] = post.media, put.media
    assert (form.content_type, multipart.content_type, post.required) == ("application/x-www-form-urlencoded", "multipart/form-data", True)
    assert form.schema == {"type": "object", "properties": {"name": {"type": "string", "description": "d"}, "tags": {"type": "array", "items": {"type": "string"}}}, "required": ["name"]}
    assert multipart.schema["properties"]["file"] == {"type": "string", "format": "binary"}
    assert (form.encoding["tags"].style, form.encoding["tags"].explode) == ("form", True)


def test_responses_for_each_media_type_that_is_produced(read):
    schema = {"type": "array", "items": {"$ref": "#/definitions/Pet"}}
    headers = {"X-Rate": {"type": "integer", "description": "r"}}
    paths = {"/a": {"get": {"produces": ["application/json", "text/csv"], "responses": {200: {"description": "d", "schema": schema, "headers": headers, "examples": {"application/json": [1]}}, "default": {"$ref": "#/responses/Bad"}}},
                    "post": {"responses": {"201": {"description": "file", "schema": {"type": "file"}}, "204": {"description": "none"}}}}}
    api = read(paths, definitions={"Pet": {"type": "object", "discriminator": "kind"}}, responses={"Bad": {"description": "bad", "schema": {"type": "string"}}})
    good, bad = api.operations[0].responses
    assert [(media.content_type, media.example) for media in good.media] == [("application/json", [1]), ("text/csv", MISSING)]
    assert [(header.name, header.schema) for header in good.headers] == [("X-Rate", {"type": "integer"})] and bad.component == "Bad"
    file, none = api.operations[1].responses
    assert file.media[0].content_type == "application/octet-stream" and file.media[0].schema == {"type": "string", "format": "binary"} and none.media == []
    assert api.schemas["Pet"]["discriminator"] == {"propertyName": "kind", "mapping": {}}


def test_security_definitions_and_servers(read):
    definitions = {"b": {"type": "basic"}, "k": {"type": "apiKey", "in": "query", "name": "key"}, "o": {"type": "oauth2", "flow": "implicit", "authorizationUrl": "https://x", "scopes": {"r": "read"}}}
    api = read({"/a": {"get": {"responses": OK}}}, securityDefinitions=definitions, security=[{"o": ["r"], "b": []}], host="example.com", basePath="/v1", schemes=["https", "http"])
    assert {key: (scheme.kind, scheme.scheme, scheme.location, scheme.parameter) for key, scheme in api.security_schemes.items()} == {
        "b": ("http", "basic", "", ""), "k": ("apiKey", "", "query", "key"), "o": ("oauth2", "", "", "")}
    assert api.operations[0].security == [{"o": ["r"], "b": []}] and api.servers == ["https://example.com/v1", "http://example.com/v1"]


def test_problems_are_placed_at_the_parameters_that_schemas_were_made_of(read):
    listed = [{"name": "q", "in": "query", "type": "strin"}, {"name": "f", "in": "formData", "type": "string", "maxLength": "3"}, {"name": "g", "in": "body!"}]
    with pytest.raises(CommandError) as caught:
        read({"/a": {"post": {"parameters": listed, "responses": OK}}})
    assert [problem["pointer"] for problem in caught.value.data["problems"]] == [f"#/paths/~1a/post/parameters/{place}" for place in ("0/type", "1/maxLength", "2/in")]


def test_body_and_form_together_are_an_error(read):
    listed = [{"name": "f", "in": "formData", "type": "string"}, {"name": "b", "in": "body", "schema": {}}]
    with pytest.raises(CommandError, match="in body and in formData"):
        read({"/a": {"post": {"parameters": listed, "responses": OK}}})
