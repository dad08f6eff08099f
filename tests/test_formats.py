"""What generated code is given to check formats and to read and write XML, run in Node as generated code runs it."""
from __future__ import annotations

import json
import pathlib
import shutil
import subprocess

import pytest

from senior_backend.openapi.reader import read_api
from senior_backend.scaffold.names import Names
from senior_backend.scaffold.server.xml_shapes import XmlShapes

ROOT = pathlib.Path(__file__).resolve().parents[1]
CASES = {
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
    task = [(name, text, valid) for name, (good, bad) in CASES.items() for valid, texts in ((True, good), (False, bad)) for text in texts]
    answer = judge([case[:2] for case in task])
    assert [case for case, verdict in zip(task, answer["verdicts"]) if verdict != case[2]] == []
    assert set(answer["names"]) == {*CASES, "base64"}
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
