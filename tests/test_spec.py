"""api_scaffolder DIR --generate-spec: the document as text, a document that exists brought up to date, and how the command ends."""
from __future__ import annotations

import json
import pathlib

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from senior_backend.openapi.yaml12 import as_yaml, document_text, parse_yaml, patched_json, patched_yaml

SPECIAL = ["on", "y", "0o17", "1e3", "12:30", "2020-01-01", "~", "<<", "=", "", "a: b", "a #b", " x", "x ", "- a", "? a", "a\nb", "a\n", "\na", " a\nb", "a\n\n", "---", "...", "a:", "|", "&a", "*a", "!a", "%x", "@x", "{", "[",
           "0x1", ".5", "+1", "null", "1_000", "/x/{id}", "#/c", "a\tb", "it's", "\u2028", "\ufeff", "\x85"]
TEXTS = st.text(st.characters(blacklist_categories=("Cs",)), max_size=12) | st.sampled_from(SPECIAL)
VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=12)
DOCUMENTS = st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4)


@settings(deadline=None)
@given(DOCUMENTS)
def test_every_document_is_read_back_by_yaml_11_and_12(document):
    text = as_yaml(document)
    assert parse_yaml(text)[0] == document and yaml.safe_load(text) == document
    assert json.loads(document_text(document, "x.json")) == document


@settings(deadline=None)
@given(DOCUMENTS, DOCUMENTS)
def test_a_patched_document_says_the_new_one(old, new):
    text = as_yaml(old)
    assert parse_yaml(patched_yaml(text, old, new)[0])[0] == new
    assert json.loads(patched_json(json.dumps(old, indent=4), new)) == new


APP = """
const app = require('express')();
app.use(require('express').json());
/** A pet. */
app.get('/pets/:id', (req, res) => (find(req.params.id, req.query.full) ? res.json({ id: 1, name: 'x' }) : res.status(404).end()));
app.post('/pets', (req, res) => {
  if (!req.body.name) return res.status(400).json({ error: 'name' });
  res.status(201).json({ id: 1 });
});
app.listen(1);
"""
KEPT = """# our API
openapi: 3.0.3
info: {title: Pets, version: '7'}   # by hand
servers:
  - url: https://example.org
paths:
  /pets/{petId}:   # one
    parameters:
      - {name: petId, in: path, required: true, description: Its number., schema: {type: integer}}
    get:
      summary: One pet
      x-owner: team a
      parameters:
        - {name: full, in: query, schema: {type: boolean}, example: true}
      responses:
        '200':
          description: There it is.
          content:
            application/json:
              schema: {type: object, properties: {id: {type: integer, description: A number}}}   # short
              example: {id: 3}
        '404': {description: None}
  /gone:
    get: {responses: {'200': {description: old}}}
"""


@pytest.fixture
def app(tmp_path: pathlib.Path) -> pathlib.Path:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "app.js").write_text(APP, encoding="utf-8")
    return folder


def test_a_document_is_written_found_right_and_found_drifting(door, app, tmp_path):
    target = tmp_path / "made" / "openapi.yaml"
    made = door(app, "--generate-spec", "--output", target, "--json")
    assert made.code == 0 and set(made.report) == {"tool", "version", "status", "exit_code", "operations_count", "routes", "unresolved", "drift", "warnings", "output"} and made.report["operations_count"] == 2
    assert made.report["routes"][0] == {"method": "GET", "path": "/pets/{id}", "operation": "", "file": "app.js", "line": 5}
    text = target.read_bytes()
    assert door(app, "--generate-spec", "--output", target, "--check").code == 0 and [path.name for path in target.parent.iterdir()] == ["openapi.yaml"]
    shown = door(app, "--generate-spec")
    assert shown.code == 0 and shown.out.encode() == text and "Found 2 routes" in shown.err
    assert door(app, "--generate-spec", "--json").report["document"] == parse_yaml(text.decode())[0]
    (app / "app.js").write_text(APP.replace("/pets'", "/animals'").replace("!req.body.name", "!req.body.name || !req.body.age"), encoding="utf-8")
    checked = door(app, "--generate-spec", "--output", target, "--check", "--json")
    assert (checked.code, checked.report["status"], checked.report["drift"]) == (1, "findings", ["POST /pets: no route was found", "POST /animals: the operation is missing"]) and target.read_bytes() == text
    assert door(app, "--generate-spec", "--output", target).code == 0 and door(app, "--generate-spec", "--output", target, "--check").code == 0


def test_what_a_person_wrote_stays(door, app, tmp_path):
    target = tmp_path / "openapi.yaml"
    target.write_text(KEPT, encoding="utf-8")
    result = door(app, "--generate-spec", "--output", target, "--json")
    assert result.code == 0 and result.report["drift"] == [
        "GET /pets/{petId}: id of the response 200 is required", "GET /pets/{petId}: name of the response 200 is required", "GET /pets/{petId}: name of the response 200 is missing",
        "GET /gone: no route was found", "POST /pets: the operation is missing"]
    text, kept = target.read_text(encoding="utf-8"), KEPT[:KEPT.index("  /gone:")]
    lines = text.splitlines()
    assert [line for line in kept.splitlines() if line not in lines] == ["              schema: {type: object, properties: {id: {type: integer, description: A number}}}   # short"]
    assert "/gone" not in text and "description: A number" in text and "/pets:" in text
    assert door(app, "--generate-spec", "--output", target, "--check").code == 0


def test_what_cannot_be_done_is_said(door, app, tmp_path):
    plain, other = tmp_path / "plain", tmp_path / "other.yaml"
    plain.mkdir()
    (plain / "main.js").write_text("console.log(1)")
    other.write_text("a: 1")
    for arguments, code, text in [((plain,), "NO_ROUTES", "1 files were read: main.js"), ((app, "-o", other), "INVALID_DOCUMENT", "not an OpenAPI 3 document"), ((app, "-o", "x.txt"), "USAGE", "ends in .yaml"), ((app, "--check"), "USAGE", "--output FILE"),
                                  ((tmp_path / "no",), "USAGE", "there is no folder"), ((app, "--with-app"), "USAGE", "does not go with")]:
        result = door(*arguments, "--generate-spec", "--json", cwd=tmp_path)
        assert (result.code, result.report["error"]["code"]) == (2, code) and text in result.report["error"]["message"]
    assert other.read_text() == "a: 1" and door(app, "--generate-spec", "-o", other, "--force").code == 0 and "openapi: 3.1" in other.read_text()
