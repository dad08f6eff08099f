"""Documents of all versions, good, broken and hostile, read into the model."""
from __future__ import annotations

import json
import os
import pathlib
import pytest
import resource
import string
import subprocess
import sys
import time
from hypothesis import given, settings, strategies as st

from senior_backend.console import CommandError, ExitCode
from senior_backend.json_text import json_lines
from senior_backend.openapi import document as documents
from senior_backend.openapi.document import load
from senior_backend.openapi.model import MISSING
from senior_backend.openapi.reader import read_api
from senior_backend.openapi.references import DocumentReport

def loaded(tmp_path, text, name="api.yaml"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(path, name)


def refusal(tmp_path, text, name="api.yaml") -> str:
    with pytest.raises(CommandError) as caught:
        loaded(tmp_path, text, name)
    assert caught.value.code == ExitCode.UNUSABLE
    return caught.value.message


SCALARS = {
    "on": "on", "no": "no", "yes": "yes", "Off": "Off", "2024-01-31": "2024-01-31", "12:30:45": "12:30:45", "1_000": "1_000", "012": 12, "0o17": 15, "0x1F": 31, "-0": 0, "+7": 7,
    "1.": 1.0, ".5": 0.5, "1e3": 1000.0, "-1.5E-2": -0.015, "1.2.3": "1.2.3", "-": "-", "true": True, "False": False, "NULL": None, "~": None, "": None, "'~'": "~", '"12"': "12",
    "!!str 12": "12", "!!int '3'": 3, "!!float 3": 3.0, "!!bool true": True, "tRue": "tRue", "0b11": "0b11", "=": "=",
}


@pytest.mark.parametrize("text", SCALARS)
def test_scalars_follow_the_core_rules_of_yaml_12(tmp_path, text):
    value = loaded(tmp_path, f"a: {text}\n").root["a"] if text != "-" else loaded(tmp_path, "a: '-'\n").root["a"]
    assert value == SCALARS[text] and type(value) is type(SCALARS[text])


VALUES = st.recursive(st.none() | st.booleans() | st.integers(-10**12, 10**12) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12).filter(lambda t: t.isprintable()),
                      lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(string.printable[:90], max_size=8), inner, max_size=4), max_leaves=25)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.text(string.ascii_letters + "~/ %{}", min_size=1, max_size=8), VALUES, max_size=5), st.sampled_from([None, 2]))
def test_json_read_as_yaml_is_the_same_and_its_lines_are_those_of_a_naive_reading(tmp_path_factory, value, indent):
    from senior_backend.openapi.yaml12 import parse_yaml
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    assert parse_yaml(text)[0] == value
    spots = {tuple(tokens): line for tokens, line in naive_lines(value, indent)}
    assert json_lines(text, list(spots)) == spots


def naive_lines(value, indent, tokens=(), line=1):
    """Lines of json.dumps(value, indent=2): an entry per line; all on the first line when there is no indent."""
    yield tokens, line
    entries = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    for key, inner in entries:
        line += 1 if indent else 0
        yield from naive_lines(inner, indent, (*tokens, key), line)
        line += json.dumps(inner, indent=indent).count("\n")


def test_aliases_share_and_merge_keys_fill_in(tmp_path):
    root = loaded(tmp_path, "base: &b {type: object, title: B}\none: *b\ntwo:\n  <<: *b\n  title: T\nmany:\n  <<: [*b, {title: X, more: 1}]\n'quoted': {'<<': 1}\n").root
    assert root["one"] is root["base"]
    assert root["two"] == {"title": "T", "type": "object"}
    assert root["many"] == {"type": "object", "title": "B", "more": 1}
    assert root["quoted"] == {"<<": 1}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom", "utf-32"])
@pytest.mark.parametrize("text", ['{"title": "caf\u00e9 \U0001f600"}', "title: caf\u00e9 \U0001f600\n"])
def test_encodings_are_recognised(tmp_path, encoding, text):
    data = b"\xff\xfe" + text.encode("utf-16-le") if encoding.endswith("bom") else text.encode(encoding)
    assert loaded(tmp_path, data).root == {"title": "caf\u00e9 \U0001f600"}


def test_the_pure_parser_reads_the_same(tmp_path, monkeypatch):
    import yaml
    text = "a: &x [1, {b: on}]\nc: *x\nd: |\n  text\n"
    fast = loaded(tmp_path, text)
    monkeypatch.delattr(yaml, "CLoader")
    slow = loaded(tmp_path, text)
    assert slow.root == fast.root and list(slow.marks.values()) == list(fast.marks.values())


REFUSED = {
    "NaN in JSON": ('{"a":\n NaN}', "NaN"), "infinite JSON": ('{"a": 1e999}', "too large"), "half a surrogate pair in JSON": ('{\n"a": "\\ud800"}', "2: half of a surrogate"), "nul": ("a: 1\nb: \0", "2: the file holds a NUL"),
    "binary": (b"\x89PNG\r\n\x1a\n", "not UTF-8"), "latin-1": (b"a: 1\nb: caf\xe9", "2: the file is not UTF-8"), "empty": (" \n", "empty"), "comments only": ("# nothing\n", "no YAML document"),
    "truncated JSON": ('{"a": {\n"b": [1,', "2: not JSON"), "truncated YAML": ("a: {b: [1,\n", "not YAML"), "two documents": ("a: 1\n---\nb: 2\n", "2: the file holds more than one"),
    "tag": ("a: 1\nb: !!python/name:os.system x\n", "2: the tag"), "unknown tag": ("a: !Ref x\n", "the tag '!Ref'"), "mapping as key": ("? [a]\n: 1\n", "key must be text"),
    "alias of itself": ("a: &a [*a]\n", "within its own anchor"), "unknown alias": ("a: 1\nb: *c\n", "2: the alias '*c'"), "digits": ("a: " + "9" * 5000, "too many digits"), "tab": ("a:\n\t- b\n", "2: not YAML"),
    "deep JSON": ("[" * 5000 + "]" * 5000, "levels deep"), "deep YAML": ("a: " + "{a: " * 5000, "levels deep"), "unended": ("[" * 4_000_000, "more than"), "yaml nan": ("a: .nan\n", "no number of JSON"),
    "bomb": ("\n".join(["a0: &a0 [x, x, x, x, x, x, x, x, x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 40))]), "aliases repeat more"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_document_is_refused_with_its_line(tmp_path, name):
    text, expected = REFUSED[name]
    message = refusal(tmp_path, text, "api.json" if "JSON" in name else "api.yaml")
    assert message.startswith("api.") and expected in message and ":" in message


def test_files_that_are_none_are_refused(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    for name, expected in (("pipe.yaml", "not a regular file"), ("folder.yaml", "a folder"), ("none.yaml", "no file none.yaml")):
        with pytest.raises(CommandError, match=expected):
            load(tmp_path / name, name)
    monkeypatch.setattr(documents, "FILE_LIMIT", 10)
    assert "the limit is" in refusal(tmp_path, "a: 1234567890\n")


YAML = """\
openapi: 3.1.0
paths:
  /users:
    # a comment
    get:
      "tags": [users, {a: 1}]
      parameters:
        - name: id
          in: query
        - {name: page, in: query}
      description: |
        get: this is text
        description: so is this
      'x-last': 1
"""
LINES = {"#": 1, "#/openapi": 1, "#/paths": 2, "#/paths/~1users": 3, "#/paths/~1users/get": 5, "#/paths/~1users/get/tags": 6, "#/paths/~1users/get/tags/1": 6, "#/paths/~1users/get/parameters": 7,
         "#/paths/~1users/get/parameters/0": 8, "#/paths/~1users/get/parameters/0/in": 9, "#/paths/~1users/get/parameters/1": 10, "#/paths/~1users/get/parameters/1/in": 10,
         "#/paths/~1users/get/description": 11, "#/paths/~1users/get/x-last": 14}


def test_places_in_yaml_and_json(tmp_path):
    report = DocumentReport()
    report.documents.append(loaded(tmp_path, YAML))
    root = report.documents[0].root
    for pointer in LINES:
        *above, last = [None, *(token.replace("~1", "/") for token in pointer.split("/")[1:])]
        node = root
        for token in above[1:] if last is not None else ():
            node = node[int(token) if isinstance(node, list) else token]
        report.warn(pointer, node, None if last is None else int(last) if isinstance(node, list) else last)
    places = report.located(report.warnings)
    assert {place.message: (place.pointer, place.line) for place in places} == {pointer: (pointer, line) for pointer, line in LINES.items()}
    written = json.dumps(root, indent=2)
    report = DocumentReport()
    report.documents.append(loaded(tmp_path, written, "api.json"))
    root = report.documents[0].root
    report.warn("name", root["paths"]["/users"]["get"]["parameters"][1], "name")
    [place] = report.located(report.warnings)
    assert written.split("\n")[place.line - 1].strip() == '"name": "page",' and str(place) == f"api.json:{place.line}: name (#/paths/~1users/get/parameters/1/name)"


def test_a_key_given_twice_is_kept_with_its_mapping(tmp_path):
    for name, text in (("a.yaml", "a:\n  b: 1\n  b: 2\n"), ("a.json", '{"a": {"b": 1, "b": 2}}')):
        document = loaded(tmp_path, text, name)
        [(mapping, key)] = document.duplicates
        assert mapping is document.root["a"] and key == "b"


# the model

OK = {"200": {"description": "ok"}}


@pytest.fixture
def read(tmp_path):
    """read(paths, schemas, version, files, lenient, **rest of the document) -> Api; files: name -> data of further files. Swagger 2.0 when rest has swagger="2.0"."""
    def make(paths=None, schemas=None, version="3.1.0", files=None, lenient=False, **rest):
        components = {**rest.pop("components", {}), **({"schemas": schemas} if schemas else {})}
        paths = {"/a": {"get": {"responses": OK}}} if paths is None else paths
        document = {"info": {"title": "t", "version": "1"}, "paths": paths, **({} if "swagger" in rest else {"openapi": version, "components": components}), **rest}
        for name, data in (files or {}).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(json.dumps(data))
        (tmp_path / "api.json").write_text(json.dumps(document, indent=1))
        return read_api(tmp_path / "api.json", lenient=lenient)
    return make


def told(problems, api) -> dict[str, str]:
    return {place.pointer: place.message for place in api.report.located(problems)}


def refused(read, *arguments, **options) -> dict[str, str]:
    with pytest.raises(CommandError) as caught:
        read(*arguments, **options)
    assert all(problem["line"] for problem in caught.value.data["problems"])
    return {problem["pointer"]: problem["message"] for problem in caught.value.data["problems"]}


def answer(schema) -> dict:
    return {"get": {"responses": {"200": {"description": "ok", "content": {"application/json": {"schema": schema}}}}}}


# schemas
LIFTED = [
    ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
    ({"type": "string", "nullable": True, "enum": ["a"]}, {"type": ["string", "null"], "enum": ["a", None]}),
    ({"nullable": True, "enum": ["a"]}, {"enum": ["a", None]}),
    ({"type": "string", "nullable": False}, {"type": "string"}),
    ({"allOf": [{"$ref": "#/components/schemas/B"}], "nullable": True, "description": "d"}, {"description": "d", "anyOf": [{"allOf": [{"$ref": "B"}]}, {"type": "null"}]}),
    ({"oneOf": [{"type": "string"}], "nullable": True}, {"anyOf": [{"oneOf": [{"type": "string"}]}, {"type": "null"}]}),
    ({"$ref": "#/components/schemas/B", "nullable": True}, {"anyOf": [{"$ref": "B"}, {"type": "null"}]}),
    ({"$ref": "#/components/schemas/B", "minLength": 3}, {"$ref": "B"}),
    ({"type": "number", "minimum": 1, "exclusiveMinimum": True, "maximum": 9, "exclusiveMaximum": False}, {"type": "number", "exclusiveMinimum": 1, "maximum": 9}),
    ({"type": "string", "example": "x"}, {"type": "string", "examples": ["x"]}),
    ({"type": "array", "items": {"type": "integer", "nullable": True}}, {"type": "array", "items": {"type": ["integer", "null"]}}),
]


@pytest.mark.parametrize("written, expected", LIFTED)
def test_schemas_of_openapi_30_become_json_schema_2020_12(read, written, expected):
    api = read(schemas={"A": written, "B": {"type": "string"}}, version="3.0.3")
    assert api.schemas["A"] == expected


def test_schemas_of_openapi_31_stay_as_they_are(read):
    written = {"type": ["string", "null"], "exclusiveMinimum": 3, "prefixItems": [True], "if": {"minLength": 1}, "$ref": "#/components/schemas/B", "maxLength": 3, "examples": [1], "const": {"$ref": "#/x"}}
    api = read(schemas={"A": written, "B": {"properties": {"$ref": {"type": "string"}}}})
    assert api.schemas["A"] == {**written, "$ref": "B"} and not api.report.warnings
    assert api.schemas["B"] == {"properties": {"$ref": {"type": "string"}}}


def test_references_become_keys(read):
    schemas = {"A b/c": {"type": "object", "properties": {"id": {"type": "integer"}, "next": {"$ref": "#/components/schemas/A%20b~1c"}}}, "T~": True, "{x}": {"type": "string"},
               "Use": {"prefixItems": [{"$ref": "#/components/schemas/A b~1c/properties/id"}, {"$ref": "#/components/schemas/T~0"}, {"$ref": "#/components/schemas/%7Bx%7D"}, {"$ref": "#spot"}]},
               "Anchored": {"$anchor": "spot", "type": "null"}}
    api = read({"/a/{b}": answer({"$ref": "#/paths/~1a~1{b}/parameters/0/schema"}) | {"parameters": [{"name": "b", "in": "path", "required": True, "schema": {"type": "boolean"}}]}}, schemas)
    keys = [branch["$ref"] for branch in api.schemas["Use"]["prefixItems"]]
    assert keys[1:] == ["T~", "{x}", "Anchored"] and api.schemas[keys[0]] is api.schemas["A b/c"]["properties"]["id"]
    assert api.schemas["A b/c"]["properties"]["next"] == {"$ref": "A b/c"}
    [media] = api.operations[0].responses[0].media
    assert api.schemas[media.schema["$ref"]] == {"type": "boolean"} and len(api.schemas) == len(schemas) + 2


def test_references_lead_to_files_below_the_folder_and_inside_them(read):
    files = {"models/pet.json": {"Pet": {"type": "object", "properties": {"owner": {"$ref": "person.json"}, "self": {"$ref": "#/Pet"}}}},
             "models/person.json": {"type": "object", "properties": {"pets": {"items": {"$ref": "../models/pet.json#/Pet"}}, "root": {"$ref": "../api.json#/components/schemas/Local"}}}}
    api = read({"/p": answer({"$ref": "models/pet.json#/Pet"})}, {"Pet": {"$ref": "models/pet.json#/Pet"}, "Local": {"type": "string"}}, files=files)
    assert set(api.schemas) == {"Pet", "Local", "person"}
    assert api.schemas["Pet"]["properties"] == {"owner": {"$ref": "person"}, "self": {"$ref": "Pet"}}
    assert api.schemas["person"]["properties"] == {"pets": {"items": {"$ref": "Pet"}}, "root": {"$ref": "Local"}}


@pytest.mark.parametrize("target", ["../out.json", "/etc/passwd", "file:///etc/passwd", "https://example.com/x.json", "//host/x", "C:\\x", "%2e%2e/out.json", "in/../../out.json", "link.json", "..\\out.json"])
def test_references_out_of_the_folder_are_refused_and_not_read(tmp_path, target, monkeypatch):
    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "out.json").write_text('{"title": "secret"}')
    (project / "link.json").symlink_to(tmp_path / "out.json")
    (project / "api.json").write_text(json.dumps({"openapi": "3.0.0", "info": {}, "paths": {"/a": answer({"$ref": target})}}))
    with pytest.raises(CommandError) as caught:
        read_api(project / "api.json")
    assert "not followed" in caught.value.message and "secret" not in caught.value.message and "api.json:1" in caught.value.message


def test_a_reference_that_leads_nowhere_is_told_with_the_nearest_name(read):
    api = read({"/a": answer({"$ref": "#/components/schemas/Pett"})}, {"Pet": {"type": "string"}})
    [place] = api.report.located(api.report.warnings)
    assert place.pointer.endswith("/schema/$ref") and "'Pett'" in place.message and "'Pet'" in place.hint
    assert api.operations[0].responses[0].media[0].schema == {}


def test_references_in_a_circle_are_an_error_and_recursion_is_not(read):
    api = read(schemas={"Node": {"properties": {"next": {"$ref": "#/components/schemas/Node"}}}, "A": {"items": {"$ref": "#/components/schemas/B"}}, "B": {"not": {"items": {"$ref": "#/components/schemas/A"}}}})
    assert not api.report.warnings
    problems = refused(read, schemas={"A": {"$ref": "#/components/schemas/B"}, "B": {"$ref": "#/components/schemas/A"}})
    assert list(problems) == ["#/components/schemas/A/$ref"]
    assert "circle" in str(refused(read, {"/a": {"get": {"responses": {"200": {"$ref": "#/components/responses/A"}}}}}, components={"responses": {"A": {"$ref": "#/components/responses/A"}}}))


def test_children_inherit_the_base_without_its_list_of_children(read):
    base = {"type": "object", "properties": {"kind": {"type": "string"}}, "oneOf": [{"$ref": "#/components/schemas/Cat"}], "discriminator": {"propertyName": "kind"}}
    cat = {"allOf": [{"$ref": "#/components/schemas/Base"}, {"properties": {"lives": {"type": "integer"}}}]}
    api = read(schemas={"Base": base, "Cat": cat, "Odd": {"anyOf": [{"$ref": "#/components/schemas/Odd"}, {"type": "string"}]}})
    assert api.schemas["Base"]["discriminator"] == {"propertyName": "kind", "mapping": {"Cat": "Cat"}}
    assert api.schemas["Cat"]["allOf"][0] == {"$ref": "BaseBase"} and set(api.schemas["BaseBase"]) == {"type", "properties"}
    assert api.schemas["Odd"]["anyOf"][0] == {} and "#/components/schemas/Odd/anyOf/0/$ref" in told(api.report.warnings, api)


def test_discriminators_are_completed(read):
    names = ["Cat", "Dog", "Cow"]
    mapping = {"dog": "#/components/schemas/Dog", "meow": "Cat", "gone": "#/components/schemas/Gone", "far": "far.json"}
    union = {"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in names], "discriminator": {"propertyName": "kind", "mapping": mapping}}
    api = read(schemas={"Pet": union, **{name: {"type": "object"} for name in names}}, files={"far.json": {"type": "object"}})
    assert api.schemas["Pet"]["discriminator"] == {"propertyName": "kind", "mapping": {"dog": "Dog", "meow": "Cat", "far": "far", "Cow": "Cow"}}
    assert list(told(api.report.warnings, api)) == ["#/components/schemas/Pet/discriminator/mapping/gone"]


BAD_SCHEMAS = {
    "type": ({"type": "strng"}, "/type", "'strng'"), "minimum": ({"minimum": "3"}, "/minimum", "a number"), "maxLength": ({"maxLength": -1}, "/maxLength", "whole number"),
    "pattern": ({"pattern": 3}, "/pattern", "must be text"), "enum": ({"enum": "a"}, "/enum", "a list"), "required": ({"required": [1]}, "/required", "property names"),
    "properties": ({"properties": ["a"]}, "/properties", "a mapping of schemas"), "inside": ({"properties": {"x": 3}}, "/properties/x", "a schema must be a mapping"), "allOf": ({"allOf": {}}, "/allOf", "a list of schemas"),
    "items": ({"items": "Pet"}, "/items", "a schema must be a mapping"), "uniqueItems": ({"uniqueItems": "yes"}, "/uniqueItems", "true or false"), "$ref": ({"$ref": 3}, "/$ref", "must be text"),
    "discriminator": ({"discriminator": {}}, "/discriminator", "propertyName"), "multipleOf": ({"multipleOf": 0}, "/multipleOf", "more than 0"), "list": ([1], "", "a schema must be a mapping"),
}


@pytest.mark.parametrize("name", BAD_SCHEMAS)
def test_bad_schemas_are_errors_with_their_place_and_are_left_out_when_lenient(read, name):
    written, place, expected = BAD_SCHEMAS[name]
    [(pointer, message)] = refused(read, schemas={"A": written, "B": {"type": "string"}}).items()
    assert pointer == "#/components/schemas/A" + place and expected in message
    api = read(schemas={"A": written, "B": {"type": "string"}}, lenient=True)
    assert api.schemas["B"] == {"type": "string"} and api.schemas["A"] in (True, {}, {"properties": {"x": True}}, {"items": True})
    assert list(told(api.report.errors, api)) == [pointer]


# operations
def test_parameters_are_merged_resolved_and_filled_with_defaults(read):
    shared = [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}, {"name": "q", "in": "query", "schema": {"type": "string"}}]
    own = [{"$ref": "#/components/parameters/Q"}, {"name": "X-A", "in": "header", "schema": {"type": "array"}, "example": None}, {"name": "c", "in": "cookie", "schema": True},
           {"name": "j", "in": "query", "content": {"application/json; v=1": {"schema": {"type": "object"}}}}, {"name": "authorization", "in": "header"}]
    q = {"name": "q", "in": "query", "required": True, "explode": False, "schema": {"type": "array"}, "examples": {"a": {"value": [1]}}, "deprecated": True, "description": "d"}
    api = read({"/a/{id}": {"parameters": shared, "get": {"parameters": own, "responses": OK}}}, components={"parameters": {"Q": q}})
    got = [(p.name, p.location, p.required, p.style, p.explode, p.content_type, p.example) for p in api.operations[0].parameters]
    assert got == [("id", "path", True, "simple", False, None, MISSING), ("q", "query", True, "form", False, None, [1]), ("X-A", "header", False, "simple", False, None, None),
                   ("c", "cookie", False, "form", True, None, MISSING), ("j", "query", False, "form", True, "application/json", MISSING)]
    assert not api.report.warnings


def test_paths_and_parameters_that_do_not_fit_are_told(read):
    api = read({"/a/{id}/{.b*}": {"get": {"parameters": [{"name": "ib", "in": "path", "schema": {}}, {"name": "b", "in": "path", "required": True, "schema": {}}], "responses": OK}}, "/x#y": {"get": {}}})
    [operation] = api.operations
    assert operation.path == "/a/{id}/{b}" and [p.name for p in operation.parameters] == ["b", "id"] and operation.parameters[1].schema == {"type": "string"}
    assert {message.split(" ")[1] for message in told(api.report.warnings, api).values()} >= {"path", "parameter"} and len(api.report.warnings) == 4


@pytest.mark.parametrize("path", ["users", "/open/{a", "/twice/{a}/{a}", "/dup/{a}{b}", "/none/{}", "/close}"])
def test_templates_that_no_router_can_serve_are_errors_that_name_the_path(read, path):
    [message] = refused(read, {path: {"get": {"responses": OK}}}).values()
    assert path in message


def test_the_same_template_and_method_twice_is_an_error(read):
    [(pointer, message)] = refused(read, {"/x/{a}": {"get": {"responses": OK}}, "/x/{b}": {"get": {"responses": OK}, "put": {"responses": OK}}}).items()
    assert pointer == "#/paths/~1x~1{b}/get" and "/x/{a}" in message
    api = read({"/x/{a}": {"get": {"responses": OK}}, "/x/{b}": {"get": {"responses": OK}, "put": {"responses": OK}}}, lenient=True)
    assert [(operation.method, operation.path) for operation in api.operations] == [("get", "/x/{a}"), ("put", "/x/{b}")]


def test_bodies_responses_and_headers(read):
    body = {"required": True, "description": "b", "content": {"Multipart/Form-Data; boundary=x": {"schema": {"type": "object"}, "encoding": {"x-f": {"contentType": "image/PNG", "style": "deepObject"}, "g": {}}, "example": {"g": 1}}}}
    responses = {"2xx": {"$ref": "#/components/responses/Good"}, "default": {"description": "d", "content": {"application/json": {}, "application/json; v=2": {}}}, "x-more": 1}
    good = {"description": "good", "headers": {"X-Count": {"required": True, "schema": {"type": "integer"}, "description": "c"}, "Content-Type": {}}, "content": {"text/plain": {"schema": {"type": "string"}}}}
    api = read({"/a": {"post": {"requestBody": {"$ref": "#/components/requestBodies/B"}, "responses": responses, "operationId": "make", "tags": ["T", "U"]}}}, components={"responses": {"Good": good}, "requestBodies": {"B": body}})
    [operation] = api.operations
    [media] = operation.body.media
    assert (operation.tag, operation.operation_id, operation.body.required, media.content_type, media.example) == ("T", "make", True, "multipart/form-data", {"g": 1})
    assert {field: (e.content_type, e.style, e.explode) for field, e in media.encoding.items()} == {"x-f": ("image/png", "deepObject", False), "g": (None, "form", True)}
    first, second = operation.responses
    assert (first.status, first.component, first.description, [m.content_type for m in first.media]) == ("2XX", "Good", "good", ["text/plain"])
    assert [(h.name, h.required, h.schema) for h in first.headers] == [("X-Count", True, {"type": "integer"})]
    assert (second.status, second.component, second.media[0].schema) == ("default", None, None) and len(second.media) == 1 and len(api.report.warnings) == 1


def test_security_is_per_operation_or_of_the_document(read):
    schemes = {"x-key": {"type": "apiKey", "in": "header", "name": "X-Key"}, "jwt": {"type": "http", "scheme": "Bearer"}}
    paths = {"/a": {"get": {"responses": OK}, "put": {"security": [], "responses": OK}, "post": {"security": [{}, {"jwt": ["a"], "x-key": []}], "responses": OK}}}
    api = read(paths, components={"securitySchemes": schemes}, security=[{"jwt": []}])
    assert [operation.security for operation in api.operations] == [[{"jwt": []}], [], [{}, {"jwt": ["a"], "x-key": []}]]
    assert (api.security_schemes["x-key"].parameter, api.security_schemes["jwt"].scheme) == ("X-Key", "bearer")
    assert list(refused(read, {"/a": {"get": {"security": [{"jwtt": []}], "responses": OK}}}, components={"securitySchemes": schemes})) == ["#/paths/~1a/get/security/0/jwtt"]
    lenient = read({**paths, "/b": {"get": {"security": [{"jwtt": []}], "responses": OK}}}, components={"securitySchemes": schemes}, lenient=True)
    assert "/b" not in [operation.path for operation in lenient.operations], "an operation never loses its lock"


def test_what_is_not_expressed_is_told(read):
    operation = {"requestBody": {"content": {"application/json": {}}}, "callbacks": {"x": {}}, "responses": {"200": {"description": "", "links": {"l": {}}}}, "operationId": "same", "servers": [{"url": "/v2"}]}
    api = read({"/a": {"get": operation, "query": {}, "gte": {}, "X-ok": 1}, "/b": {"post": {"operationId": "same"}}}, webhooks={"w": {}}, version="3.2.0")
    assert set(told(api.report.warnings, api)) == {"#/webhooks", "#/paths/~1a/query", "#/paths/~1a/gte", "#/paths/~1a/get/callbacks", "#/paths/~1a/get", "#/paths/~1a/get/responses/200/links",
                                                   "#/paths/~1b/post", "#/paths/~1b/post/operationId", "#/paths/~1a/get/servers"}
    assert api.operations[0].body is not None


def test_all_problems_are_found_in_one_pass_and_the_rest_is_read_when_lenient(read):
    paths = {"/a": {"get": {"parameters": [{"name": "a", "in": "nowhere"}, {"in": "query"}, 3], "responses": {"20": {"description": ""}, "200": []}}}, "b": {}, "/c": [], "/d": {"get": {"responses": OK, "tags": "x"}}}
    assert set(refused(read, paths, {"S": {"type": 1}})) == {
        "#/components/schemas/S/type", "#/paths/~1a/get/parameters/0/in", "#/paths/~1a/get/parameters/1", "#/paths/~1a/get/parameters/2", "#/paths/~1a/get/responses/20",
        "#/paths/~1a/get/responses/200", "#/paths/b", "#/paths/~1c", "#/paths/~1d/get/tags"}
    api = read(paths, {"S": {"type": 1}}, lenient=True)
    assert [(operation.path, operation.parameters, operation.responses and operation.responses[0].status) for operation in api.operations] == [("/a", [], []), ("/d", [], "200")]
    assert len(api.report.errors) == 9


VERSIONS = {"openapi: 4.0.0": False, "openapi: 3.0": True, "openapi: 3.1.1": True, "swagger: 2.1": False, "swagger: 2.0": True, "swagger: '2.0'": True, "openapi: [3]": False, "title: x": False, "openapi: 3.2.0": True}


@pytest.mark.parametrize("version", VERSIONS)
def test_versions(tmp_path, version):
    (tmp_path / "a.yaml").write_text(f"{version}\ninfo: {{title: t, version: 1}}\npaths: {{/a: {{get: {{responses: {{200: {{description: ok}}}}}}}}}}\n")
    if VERSIONS[version]:
        assert [response.status for response in read_api(tmp_path / "a.yaml").operations[0].responses] == ["200"]
    else:
        with pytest.raises(CommandError, match="a.yaml:1: .*version"):
            read_api(tmp_path / "a.yaml")


def test_empty_documents_are_refused_unless_they_hold_schemas(read):
    assert "no operation" in str(refused(read, {}))
    api = read({}, {"A": {"type": "string"}})
    assert list(api.schemas) == ["A"] and "only types" in str(told(api.report.warnings, api))


# Swagger 2.0 documents give the same model as the OpenAPI 3 documents that say the same
@pytest.fixture
def read_swagger(read):
    return lambda paths, **rest: read(paths, swagger="2.0", **rest)


def test_swagger_parameters(read_swagger):
    listed = [{"name": "ids", "in": "query", "type": "array", "items": {"type": "integer"}, "collectionFormat": "multi"}, {"name": "csv", "in": "query", "type": "array", "items": {"type": "string"}},
              {"name": "ssv", "in": "query", "type": "array", "items": {}, "collectionFormat": "ssv"}, {"name": "pipes", "in": "query", "type": "array", "items": {}, "collectionFormat": "pipes"},
              {"name": "tsv", "in": "query", "type": "array", "items": {}, "collectionFormat": "tsv"}, {"name": "H", "in": "header", "type": "string", "x-nullable": True, "x-example": "e"},
              {"$ref": "#/parameters/id"}, {"name": "n", "in": "query", "type": "number", "minimum": 0, "exclusiveMinimum": True, "default": 3, "description": "d"}]
    api = read_swagger({"/a/{id}": {"get": {"parameters": listed, "responses": OK}}}, parameters={"id": {"name": "id", "in": "path", "required": True, "type": "string", "format": "uuid"}})
    got = {p.name: (p.location, p.style, p.explode, p.schema) for p in api.operations[0].parameters}
    assert got == {
        "ids": ("query", "form", True, {"type": "array", "items": {"type": "integer"}}), "csv": ("query", "form", False, {"type": "array", "items": {"type": "string"}}),
        "ssv": ("query", "spaceDelimited", False, {"type": "array", "items": {}}), "pipes": ("query", "pipeDelimited", False, {"type": "array", "items": {}}),
        "tsv": ("query", "form", False, {"type": "array", "items": {}}), "H": ("header", "simple", False, {"type": ["string", "null"]}),
        "id": ("path", "simple", False, {"type": "string", "format": "uuid"}), "n": ("query", "form", False, {"type": "number", "exclusiveMinimum": 0, "default": 3})}
    assert list(told(api.report.warnings, api)) == ["#/paths/~1a~1{id}/get/parameters/4/collectionFormat"]


def test_a_body_for_each_media_type_that_is_consumed(read_swagger):
    body = {"name": "pet", "in": "body", "required": True, "description": "d", "schema": {"$ref": "#/definitions/Pet"}}
    paths = {"/a": {"parameters": [{"$ref": "#/parameters/pet"}], "post": {"responses": OK}, "put": {"consumes": ["text/xml; charset=utf-8", "application/json"], "responses": OK}}}
    api = read_swagger(paths, parameters={"pet": body}, definitions={"Pet": {"type": "object", "x-nullable": True}}, consumes=["application/merge-patch+json"])
    post, put = (operation.body for operation in api.operations)
    assert (post.required, post.description, [media.content_type for media in post.media]) == (True, "d", ["application/merge-patch+json"])
    assert [(media.content_type, media.schema) for media in put.media] == [("text/xml", {"$ref": "Pet"}), ("application/json", {"$ref": "Pet"})]
    assert api.schemas["Pet"] == {"type": ["object", "null"]} and not api.operations[0].parameters


def test_form_fields_become_an_object(read_swagger):
    fields = [{"name": "name", "in": "formData", "type": "string", "required": True, "description": "d"}, {"name": "tags", "in": "formData", "type": "array", "items": {"type": "string"}, "collectionFormat": "multi"}]
    file = {"name": "file", "in": "formData", "type": "file"}
    api = read_swagger({"/a": {"post": {"parameters": fields, "responses": OK}, "put": {"parameters": [*fields, file], "responses": OK}}})
    post, put = (operation.body for operation in api.operations)
    [form], [multipart] = post.media, put.media
    assert (form.content_type, multipart.content_type, post.required) == ("application/x-www-form-urlencoded", "multipart/form-data", True)
    assert form.schema == {"type": "object", "properties": {"name": {"type": "string", "description": "d"}, "tags": {"type": "array", "items": {"type": "string"}}}, "required": ["name"]}
    assert multipart.schema["properties"]["file"] == {"type": "string", "format": "binary"}
    assert (form.encoding["tags"].style, form.encoding["tags"].explode) == ("form", True)


def test_responses_for_each_media_type_that_is_produced(read_swagger):
    schema = {"type": "array", "items": {"$ref": "#/definitions/Pet"}}
    headers = {"X-Rate": {"type": "integer", "description": "r"}}
    paths = {"/a": {"get": {"produces": ["application/json", "text/csv"], "responses": {200: {"description": "d", "schema": schema, "headers": headers, "examples": {"application/json": [1]}}, "default": {"$ref": "#/responses/Bad"}}},
                    "post": {"responses": {"201": {"description": "file", "schema": {"type": "file"}}, "204": {"description": "none"}}}}}
    api = read_swagger(paths, definitions={"Pet": {"type": "object", "discriminator": "kind"}}, responses={"Bad": {"description": "bad", "schema": {"type": "string"}}})
    good, bad = api.operations[0].responses
    assert [(media.content_type, media.example) for media in good.media] == [("application/json", [1]), ("text/csv", MISSING)]
    assert [(header.name, header.schema) for header in good.headers] == [("X-Rate", {"type": "integer"})] and bad.component == "Bad"
    file, none = api.operations[1].responses
    assert file.media[0].content_type == "application/octet-stream" and file.media[0].schema == {"type": "string", "format": "binary"} and none.media == []
    assert api.schemas["Pet"]["discriminator"] == {"propertyName": "kind", "mapping": {}}


def test_security_definitions_and_servers(read_swagger):
    definitions = {"b": {"type": "basic"}, "k": {"type": "apiKey", "in": "query", "name": "key"}, "o": {"type": "oauth2", "flow": "implicit", "authorizationUrl": "https://x", "scopes": {"r": "read"}}}
    api = read_swagger({"/a": {"get": {"responses": OK}}}, securityDefinitions=definitions, security=[{"o": ["r"], "b": []}], host="example.com", basePath="/v1", schemes=["https", "http"])
    assert {key: (scheme.kind, scheme.scheme, scheme.location, scheme.parameter) for key, scheme in api.security_schemes.items()} == {
        "b": ("http", "basic", "", ""), "k": ("apiKey", "", "query", "key"), "o": ("oauth2", "", "", "")}
    assert api.operations[0].security == [{"o": ["r"], "b": []}] and api.servers == ["https://example.com/v1", "http://example.com/v1"]


DOOR = pathlib.Path(__file__).resolve().parents[1] / "scripts" / "api_scaffolder.py"
ESCAPES = ["*/ globalThis.HARMED = 1; /*", "${globalThis.HARMED = 1}", "`; globalThis.HARMED = 1; `", "'; globalThis.HARMED = 1; '", "\\'; globalThis.HARMED = 1; //",
           "\u2028globalThis.HARMED = 1;\u2029", "\nglobalThis.HARMED = 1;\r\n", "</script><script>globalThis.HARMED = 1", "\u202eevil\u0000", "/ + (globalThis.HARMED = 1) + /", "\ud800"]
NAMES = ["__proto__", "constructor", "toString", "hasOwnProperty", "default", "class", "await", "then", "../../x", "..\\x", "con", "a b", "", "1st", "\u00e9t\u00e9", "\u65e5\u672c"]


def schema(text: str) -> dict:
    return {
        "type": "object", "title": text, "description": text, "required": [text],
        "properties": {
            text: {"type": "string", "description": text, "default": text, "examples": [text]},
            "kind": {"enum": [text, "other"]}, "fixed": {"const": {text: [text]}}, "pattern": {"type": "string", "pattern": text}, "format": {"type": "string", "format": text},
            "union": {"oneOf": [{"type": "string", "const": text}, {"type": "object", "properties": {text: {"type": "integer"}}, "patternProperties": {text: True}}]},
        },
        "patternProperties": {text: {"type": "string"}}, "dependentRequired": {text: [text]},
    }


def document(text: str) -> dict:
    """A document with the text in every place that takes text."""
    key = text or "blank"
    media = {"application/json": {"schema": {"$ref": "#/components/schemas/Model"}, "example": {text: text}}, "text/plain": {"schema": {"type": "string", "example": text}}}
    parameters = [{"name": key, "in": place, "required": False, "description": text, "schema": {"type": "string", "default": text, "pattern": text}} for place in ("query", "cookie")]
    operation = {
        "operationId": text, "tags": [text], "summary": text, "description": text, "deprecated": True, "parameters": parameters,
        "requestBody": {"description": text, "content": media}, "security": [{key: [text]}],
        "responses": {"200": {"description": text, "content": media}, "400": {"description": text, "content": media}, "default": {"description": text}},
    }
    return {
        "openapi": "3.1.0", "info": {"title": text, "version": text, "description": text}, "tags": [{"name": text, "description": text}], "servers": [{"url": "/", "description": text}],
        "paths": {"/plain": {"post": operation}},
        "components": {
            "schemas": {"Model": schema(text), key: schema(text), f"{key}2": {"allOf": [{"$ref": "#/components/schemas/Model"}, {"type": "object", "properties": {"a": {"const": text}}}]}},
            "securitySchemes": {key: {"type": "http", "scheme": "bearer", "description": text}},
        },
    }


@pytest.mark.parametrize("text", ESCAPES + NAMES)
@pytest.mark.parametrize("framework", ["express"])
def test_text_of_a_document_stays_text(text, framework, scaffold, tmp_path, node, compile_ts):
    outside = tmp_path / "outside"
    outside.mkdir()
    result, folder = scaffold(document(text), "--framework", framework, "--with-app", output=outside / "out")
    if result.code == 2:
        assert result.report["error"]["message"], "refused without saying why"
        return
    assert result.code == 0, result.err
    assert [path.name for path in outside.iterdir()] == ["out"]
    assert all(path.parent == folder for path in folder.rglob("*") if path.is_file()), "the output is flat"
    assert not compile_ts(folder)
    modules = sorted(path.name for path in folder.glob("*.ts") if path.name != "server.ts")
    program = "".join(f"await import('./{name}');\n" for name in modules) + "console.log(JSON.stringify([globalThis.HARMED === undefined, ({}).polluted === undefined]));\n"
    (folder / "load.mjs").write_text(program, encoding="utf-8")
    loaded = subprocess.run([str(node), "--no-warnings", "load.mjs"], cwd=folder, capture_output=True, text=True, timeout=60)
    assert loaded.stdout.strip() == "[true,true]", loaded.stderr[-600:]


def bomb() -> str:
    lines = ["openapi: 3.0.3", "x-a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"x-a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    return "\n".join([*lines, "info: {title: *a11, version: '1'}", "paths: {}", ""])


def nested(depth: int) -> dict:
    return {"openapi.json": '{"openapi":"3.1.0","info":{"title":"t","version":"1"},"paths":{"/a":{"get":{"x":' + '{"a":' * depth + "1" + "}" * depth + "}}}}",
            "openapi.yaml": "openapi: 3.1.0\npaths:\n  /a: " + "{a: " * depth + "1" + "}" * depth + "\n"}


def referring(target: str) -> str:
    answer = {"description": "ok", "content": {"application/json": {"schema": {"$ref": target}}}}
    return json.dumps({"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {"/a": {"get": {"responses": {"200": answer}}}}})


INPUTS = {
    "alias bomb": ("a.yaml", bomb), "deep JSON": ("a.json", lambda: nested(5000)["openapi.json"]), "deep YAML": ("a.yaml", lambda: nested(5000)["openapi.yaml"]),
    "100 MB of garbage": ("a.json", lambda: "{" * 100_000_000), "100 MB of YAML garbage": ("a.yaml", lambda: "- [\x7f" * 25_000_000), "empty": ("a.yaml", lambda: ""),
    "half a document": ("a.json", lambda: referring("#/x")[:60]), "not a mapping": ("a.yaml", lambda: "- 1\n"), "tags of another language": ("a.yaml", lambda: "!!python/object/apply:os.system [id]\n"),
    "reference to itself": ("a.json", lambda: referring("#/paths/~1a/get/responses/200/content/application~1json/schema")),
}


@pytest.mark.parametrize("name", INPUTS)
def test_input_that_exhausts_or_escapes_is_refused(name, tmp_path):
    file, make = INPUTS[name]
    (tmp_path / file).write_text(make(), encoding="utf-8")
    start = time.monotonic()
    done = subprocess.run([sys.executable, str(DOOR), file, "--json"], cwd=tmp_path, capture_output=True, text=True, timeout=60,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (500 << 20, 500 << 20)))
    assert done.returncode == 2, done.stderr[-500:]
    report = json.loads(done.stdout)
    assert file in report["error"]["message"] and "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [file], "nothing is written"
    assert "root:" not in done.stdout + done.stderr
    assert time.monotonic() - start < 30
