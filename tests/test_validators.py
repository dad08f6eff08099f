"""Validators in Node.js: every keyword, every format, XML and code of the runtime, against what JSON Schema says."""
from __future__ import annotations

import json
import pathlib
import pytest
import shutil
import subprocess
from conftest import compare_golden, decide, document, write

from senior_backend.openapi.reader import read_api
from senior_backend.scaffold.typescript import Names
from senior_backend.scaffold.server.shapes import XmlShapes

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


ROOT = pathlib.Path(__file__).resolve().parents[1]
FORMATS = {
    "date-time": (["2026-01-31T10:20:30Z", "2026-01-31t10:20:30.5+02:00", "1998-12-31T23:59:60Z"], ["2026-01-31 10:20:30Z", "2026-01-31T10:20:30", "1998-12-31T22:59:60Z", "2026-02-30T10:20:30Z"]),
    "date": (["2024-02-29"], ["2026-02-29", "2026-1-31", "1900-02-29", "2026-01-31\n"]),
    "time": (["10:20:30Z", "00:29:60+00:30"], ["10:20:30", "24:00:00Z", "10:20:30+24:00"]),
    "duration": (["P3DT4H", "P4W", "PT1M"], ["P", "P1Y2W", "PT", "P1H", "4W"]),
    "email": (["ada@example.com", '"a b"@example.com', "a@[127.0.0.1]"], ["ada", "a..b@example.com", "a@b@c", "a@-x.com", "\u00e9@example.com"]),
    "idn-email": (["\u00e9@b\u00fccher.example"], ["a b@example.com"]),
    "hostname": (["example.com", "a", "xn--bcher-kva.example"], ["-a.com", "a_b", "a.", "x" * 64, "xn--X"]),
    "idn-hostname": (["b\u00fccher.example", "\u4f8b\u3002\u6d4b\u8bd5"], ["\u3002", "a\u05d0"]),
    "ipv4": (["127.0.0.1"], ["127.0.0.01", "1.2.3", "1.2.3.4.", "256.1.1.1"]),
    "ipv6": (["::", "::1", "1:2:3:4:5:6:7:8", "::ffff:1.2.3.4", "1::8"], [":::", "1:2:3:4:5:6:7", "1::2::3", "::1.2.3.4:5", "::g", "1:2:3:4:5:6:7::8"]),
    "uri": (["https://a.example/b?c=d#e", "urn:isbn:1", "http://[::1]:80/"], ["/a", "http://a b", "http://a/%G0", "http://[::1"]),
    "uri-reference": (["", "/a?b", "#x", "//a/b"], ["\\a", "a b"]),
    "iri": (["https://\u00e4.example/\u00fc"], ["\u00e4"]),
    "iri-reference": (["\u00e4/\u00fc"], ["<\u00e4>"]),
    "uuid": (["2eb8aa08-aa98-11ea-b4aa-73b441d16380"], ["2eb8aa08aa9811eab4aa73b441d16380"]),
    "uri-template": (["/users/{id}{?page,size*}"], ["/users/{id", "}", "{}"]),
    "json-pointer": (["", "/a~1b/0"], ["a", "/~2"]),
    "relative-json-pointer": (["0", "1/a", "0#"], ["/a", "01"]),
    "regex": (["^a+$", r"\p{L}"], ["(", r"\_"]),
    "byte": (["", "YWI=", "YWJj"], ["YWI", "YW J"]),
    "base64url": (["YWI", "_-8="], ["Y", "+w=="]),
}
JUDGE = """
import fs from 'node:fs';
import * as z from 'zod';
import { format, formats } from './formats.ts';
const task = JSON.parse(fs.readFileSync(0, 'utf8'));
const verdicts = task.map(([name, text]) => z.string().check(format(name)).safeParse(text).success);
const texts = ['a', '1', '%41', '/', ':', '{a}', '=', 'a.', '1.', '\\u00e9', '@', '-', '['].map((piece) => piece.repeat(100_000 / piece.length));
for (const text of texts) for (const check of Object.values(formats)) check(text); // they end, since no checker backtracks
console.log(JSON.stringify({ verdicts, names: Object.keys(formats), issue: z.string().check(format('date')).safeParse('x').error.issues[0] }));
"""


@pytest.fixture(scope="module")
def judge(node, node_modules, tmp_path_factory):
    """judge([(format, text), ...]) -> what the checkers say."""
    folder = tmp_path_factory.mktemp("formats")
    shutil.copy(ROOT / "assets" / "scaffold" / "formats.ts", folder)
    (folder / "node_modules").symlink_to(node_modules, target_is_directory=True)
    (folder / "judge.mjs").write_text(JUDGE, encoding="utf-8")

    def run(task: list) -> dict:
        return json.loads(subprocess.run([str(node), "judge.mjs"], cwd=folder, input=json.dumps(task), capture_output=True, text=True, check=True).stdout)
    return run


def test_every_format_takes_what_it_names_and_nothing_else(judge):
    task = [(name, text, valid) for name, (good, bad) in FORMATS.items() for valid, texts in ((True, good), (False, bad)) for text in texts]
    answer = judge([case[:2] for case in task])
    assert [case for case, verdict in zip(task, answer["verdicts"]) if verdict != case[2]] == []
    assert set(answer["names"]) == {*FORMATS, "base64"}
    assert answer["issue"] == {"code": "invalid_format", "format": "date", "message": "must be a date such as 2026-01-31", "path": []}


def test_the_source_is_clean_under_strict_compilers(compile_ts, tmp_path):
    shutil.copy(ROOT / "assets" / "scaffold" / "formats.ts", tmp_path)
    assert compile_ts(tmp_path, "5.9") == [] and compile_ts(tmp_path, "7") == []


# XML bodies

ASSETS = pathlib.Path(__file__).resolve().parents[1] / "assets" / "scaffold"
SCHEMAS = {
    "Tag": {"type": "object", "properties": {"id": {"type": "integer"}}, "xml": {"name": "tag"}},
    "Pet": {
        "type": "object", "required": ["photos", "names"], "xml": {"name": "pet", "namespace": "https://example.com/pet", "prefix": "p"},
        "properties": {
            "id": {"type": "integer", "xml": {"attribute": True}}, "title": {"type": "string"}, "weight": {"type": "number", "nullable": True}, "ok": {"type": "boolean"},
            "photos": {"type": "array", "xml": {"wrapped": True}, "items": {"type": "string", "xml": {"name": "photo"}}}, "names": {"type": "array", "items": {"type": "string"}},
            "tags": {"type": "array", "xml": {"wrapped": True}, "items": {"$ref": "#/components/schemas/Tag"}}, "parent": {"$ref": "#/components/schemas/Pet"},
        },
    },
    "Cat": {"allOf": [{"$ref": "#/components/schemas/Tag"}, {"type": "object", "properties": {"lives": {"type": "integer"}}}]},
}
FULL = {"id": 3, "title": " a<b>&\"'\u00e9\U0001f600 ", "weight": 1.5, "ok": True, "photos": ["x", ""], "names": ["n", "m"], "tags": [{"id": 1}], "parent": {"photos": [], "names": []}}
READ = {
    "<pet id='7'><photos><photo>a</photo></photos></pet>": {"id": 7, "photos": ["a"], "names": []},
    "<?xml version='1.0'?><!-- c --><x:pet xmlns:x='y'><x:title><![CDATA[<&]]>&#65;&amp;</x:title></x:pet>": {"title": "<&A&", "names": []},
    "<pet><title>a</title><title>b</title></pet>": {"title": ["a", "b"], "names": []},
    "<pet><other k='v'>1</other></pet>": {"other": {"k": "v", "#text": "1"}, "names": []},
    "<pet><id>7</id><ok>yes</ok><weight>1e</weight></pet>": {"id": "7", "ok": "yes", "weight": "1e", "names": []},
    "<pet><weight/><photos>0</photos></pet>": {"weight": None, "photos": "0", "names": []},
    "<pet><photos><url>0</url></photos><tags><a>1</a></tags></pet>": {"photos": {"url": "0"}, "tags": {"a": "1"}, "names": []},
    "<pet>text</pet>": "text",
    "<pet><__proto__>1</__proto__></pet>": {"__proto__": "1", "names": []},
}
REFUSED = ["", "a", "<a>", "<a></b>", "<a/><b/>", "<a/>b", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "<a>&b;</a>", "<a>&</a>", "<a>&#0;</a>", "<a>&#xFFFFFFF;</a>", "<a b='1' b='2'/>", "<a b=1/>",
           "<a b='<'/>", "<!-- a", "<a><![CDATA[</a>", "<?xml", "<a>\u0001</a>", "<a>" * 300 + "</a>" * 300, "<1/>"]
LONG = ["<a" + " " * 200_000, "<a " + "b='' " * 1000, "<a>" + "<b/>" * 50_000 + "</a>", "<!--" * 50_000, "<a>" + "&amp;" * 40_000 + "</a>", "<" * 200_000, "<a " + "b" * 200_000]
XML_JUDGE = """
import fs from 'node:fs';
import { XmlError, parseXml, xmlCodec } from './xml.ts';
import * as shapes from './xml-shapes.ts';
const task = JSON.parse(fs.readFileSync(0, 'utf8'));
const pet = xmlCodec(shapes.PetXml, 'Pet');
const refused = task.refused.map((text) => { try { parseXml(text); return ''; } catch (error) { return error instanceof XmlError && error.line > 0 ? error.message : String(error.stack); } });
const start = performance.now();
for (const text of task.long) { try { pet.parse(text); } catch (error) { if (!(error instanceof XmlError)) throw error; } }
const rows = xmlCodec({ type: 'array', items: () => shapes.TagXml }, 'Tag');
console.log(JSON.stringify({
  written: pet.write(task.full), again: pet.parse(pet.write(task.full)), read: task.read.map(pet.parse), refused, milliseconds: performance.now() - start,
  rows: [rows.write([{ id: 1 }]), rows.parse('<tag><id>1</id></tag><tag><id>2</id></tag>'), rows.parse('<data><tag><id>1</id></tag></data>'), rows.parse('<Tag/>')],
  cat: xmlCodec(shapes.CatXml).parse('<tag><id>1</id><lives>9</lives></tag>'),
}));
"""


@pytest.fixture
def api(tmp_path):
    document = {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "components": {"schemas": SCHEMAS},
                "paths": {"/pets": {"post": {"requestBody": {"content": {"application/xml": {"schema": {"$ref": "#/components/schemas/Pet"}}}}, "responses": {"204": {"description": "done"}}}}}}
    (tmp_path / "openapi.json").write_text(json.dumps(document), encoding="utf-8")
    return read_api(tmp_path / "openapi.json")


@pytest.fixture
def folder(api, tmp_path, link_modules):
    made = tmp_path / "made"
    made.mkdir()
    for name in ("xml.ts", "numbers.ts"):
        shutil.copy(ASSETS / name, made)
    shapes = XmlShapes(api, Names(api))
    for key in ("Pet", "Cat", "Tag"):
        shapes.constant(key)
    (made / "xml-shapes.ts").write_text(shapes.text(), encoding="utf-8")
    link_modules(made)
    return made


def test_values_go_both_ways_and_what_is_not_xml_is_refused(folder, node):
    (folder / "judge.mjs").write_text(XML_JUDGE, encoding="utf-8")
    task = json.dumps({"full": FULL, "read": list(READ), "refused": REFUSED, "long": LONG})
    done = subprocess.run([str(node), "judge.mjs"], cwd=folder, input=task, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["again"] == FULL
    assert answer["written"].startswith('<?xml version="1.0" encoding="UTF-8"?>\n<p:pet xmlns:p="https://example.com/pet" id="3"><title>')
    assert dict(zip(READ, answer["read"])) == READ
    assert [text for text, message in zip(REFUSED, answer["refused"]) if "(line 1, column " not in message] == []
    assert answer["rows"] == ['<?xml version="1.0" encoding="UTF-8"?>\n<Tag><tag><id>1</id></tag></Tag>', [{"id": 1}, {"id": 2}], [{"id": 1}], []]
    assert answer["cat"] == {"id": 1, "lives": 9}
    assert answer["milliseconds"] < 2000


def test_shapes_refer_to_each_other_by_name(api):
    shapes = XmlShapes(api, Names(api))
    assert shapes.codec({"$ref": "Pet"}) == "xmlCodec(PetXml, 'Pet')"
    assert shapes.codec({"type": "array", "items": {"$ref": "Tag"}}) == "xmlCodec({ type: 'array', items: () => TagXml }, 'Tag')"
    assert shapes.constants({"type": "array", "items": {"$ref": "Tag"}}) == ["TagXml"]
    text = shapes.text()
    assert "parent: () => PetXml," in text and "photos: { type: 'array', wrapped: true, items: { type: 'string', name: 'photo' } }," in text


def test_the_sources_are_clean_under_strict_compilers(folder, compile_ts):
    assert compile_ts(folder, "5.9") == [] and compile_ts(folder, "7") == []
