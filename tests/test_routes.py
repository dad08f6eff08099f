"""--generate-spec: apps as people write them, generated servers there and back, patterns of paths, sources made to do harm; the document as text, one that exists brought up to date, and how the command ends."""
from __future__ import annotations

import json
import os
import pathlib
import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from test_openapi import ESCAPES, NAMES, document as hostile

from senior_backend.openapi.reader import read_api
from senior_backend.openapi.yaml12 import as_yaml, document_text, parse_yaml, patched_json, patched_yaml
from senior_backend.routes.document import Found, document, unmarked
from senior_backend.routes.notation import templates
from senior_backend.routes.reader import read
from senior_backend.scaffold.generate import Options, generate
from senior_backend.scaffold.writing.writer import Manifest

ROOT = pathlib.Path(__file__).resolve().parents[1]
CORPUS = ROOT.parent / "shared" / "corpora" / "openapi"
GOLDEN = ROOT / "tests" / "golden" / "apps.txt"
APPS = dict(re.findall(r"(?ms)^=== (\S+)\n(.*?)(?=^=== |\Z)", GOLDEN.read_text(encoding="utf-8")))        # name: sources, and what is read of them
READ = "== what is read\n"
LAW = ["museum.yaml", "petstore_swagger.yaml", "oapi_bodies_content_types_spec.yaml", "readme_3.0_parameters-style.json", "readme_3.0_polymorphism.json", "readme_3.0_security.json", "readme_3.1_schema-types.json"]


def write(folder: pathlib.Path, files: dict[str, str]) -> pathlib.Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode("utf-8", "surrogatepass"))
    return folder


def terse(schema: object) -> str:
    """A schema in a line: {member!: of an object}, [items], and its other keywords in parentheses."""
    if not isinstance(schema, dict):
        return json.dumps(schema)
    rest = dict(schema)
    kind, required, members, items = rest.pop("type", "any"), rest.pop("required", ()), rest.pop("properties", None), rest.pop("items", None)
    text = rest.pop("$ref").rpartition("/")[2] if "$ref" in rest else "|".join(kind) if isinstance(kind, list) else kind
    text = "{" + ", ".join(f"{name}{'!' * (name in required)}: {terse(member)}" for name, member in members.items()) + "}" if members else f"[{terse(items)}]" if items else text
    told = [f"{name} {'|'.join(map(terse, value)) if isinstance(value, list) else terse(value)}" for name, value in rest.items()]
    return text + (f"({', '.join(told)})" if told else "")


def contents(value: dict) -> str:
    return " or ".join(("" if name == "application/json" else f"{name} ") + terse(media.get("schema", {})) for name, media in value.get("content", {}).items())


def summary(found: Found) -> str:
    """What was read, operation by operation: parameters and body (! required), answers; the components; what could not be read."""
    made, lines = unmarked(document(found)), []
    for path, item in made["paths"].items():
        for method, operation in item.items():
            lines.append(f"{method.upper()} {path} " + " ".join(f"{name}={value}" for name, value in operation.items() if name not in ("parameters", "requestBody", "responses")))
            lines += [f"  {one['in']} {one['name']}{'!' * one.get('required', False)}: {terse(one['schema'])}" for one in operation.get("parameters", [])]
            lines += [f"  body{'!' * body.get('required', False)}: {contents(body)}" for body in [operation.get("requestBody")] if body]
            lines += [f"  {status}: {contents(answer)}" for status, answer in operation["responses"].items()]
    lines += [f"{name} = {terse(schema)}" for kind in made.get("components", {}).values() for name, schema in kind.items()]
    return "\n".join(line.rstrip() for line in [*lines, *map(str, found.unresolved), ""])


@pytest.mark.parametrize("name", APPS)
def test_apps_as_people_write_them(name, tmp_path):
    sources, _, wanted = APPS[name].partition(READ)
    parts = re.split(r"^== (.+)\n", sources, flags=re.MULTILINE)
    read_out = read(write(tmp_path / "app", dict(zip(parts[1::2], parts[2::2]))))
    (tmp_path / "openapi.yaml").write_text(document_text(unmarked(document(read_out)), "openapi.yaml"), encoding="utf-8")
    assert not read_api(tmp_path / "openapi.yaml").report.warnings
    found = summary(read_out)
    if os.environ.get("UPDATE_GOLDEN"):         # look at the difference before committing it
        GOLDEN.write_text(GOLDEN.read_text(encoding="utf-8").replace(APPS[name], sources + READ + found), encoding="utf-8")
    assert found == wanted


def code(path: pathlib.Path, framework: str) -> dict[str, str]:
    made = generate(read_api(path, need_operations=False), Options(framework, False, "envelope"))
    return {**made.files, **{name: "\n".join([owned.header, *(block.text for block in owned.blocks)]) for name, owned in made.owned.items()}}


def there_and_back(path: pathlib.Path, framework: str, folder: pathlib.Path) -> tuple[dict, pathlib.Path]:
    """(the code of a document, the document of that code)."""
    first = code(path, framework)
    server = write(folder / f"{path.stem}-{framework}", {**first, ".senior-backend.json": Manifest().text().decode()})
    back = folder / f"back-{path.stem}.yaml"
    found = read(server)
    assert [str(place) for place in found.unresolved] == []
    back.write_bytes(document_text(unmarked(document(found)), back.name).encode())
    return first, back


@pytest.mark.parametrize("framework", ["express", "fastify", "koa"])
def test_the_code_of_a_document_says_the_document(framework, tmp_path):
    first, back = there_and_back(ROOT / "examples" / "bookshop.yaml", framework, tmp_path)
    assert code(back, framework) == first


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the public documents are not here")
@pytest.mark.parametrize("name", LAW)
def test_the_code_of_public_documents_says_them(name, tmp_path):
    first, back = there_and_back(CORPUS / name, "express", tmp_path)
    assert code(back, "express") == first


@pytest.mark.parametrize("text", ESCAPES[:-1] + NAMES)
def test_hostile_texts_come_back_as_they_were_written(text, tmp_path):
    source = tmp_path / "hostile.json"
    source.write_text(json.dumps(hostile(text)), encoding="utf-8")
    first, back = there_and_back(source, "express", tmp_path)
    second, again = there_and_back(back, "express", tmp_path)
    assert code(again, "express") == second
    # patterns that no engine takes are not in the code: an error body may be filled without them
    kept = [name for name in first if name != "errors.handlers.ts" and not name.endswith(".routes.ts")]
    assert [name for name in kept if second[name] != first[name]] == []


PATTERNS = {
    ("/a/:id", "express"): [("/a/{id}", {"id": ""})], ("/:id(\\d+)", "express"): [("/{id}", {"id": "^\\d+$"})], ("/:from-:to.:ext", "express"): [("/{from}-{to}.{ext}", {"from": "", "to": "", "ext": ""})],
    ("/a{/:b}", "express"): [("/a/{b}", {"b": ""}), ("/a", {})], ("/a/:b?", "express"): [("/a/{b}", {"b": ""}), ("/a", {})], ("/files/*path", "express"): [("/files/{path}", {"path": ""})],
    ("/:id(^[0-9]+$)", "fastify"): [("/{id}", {"id": "^[0-9]+$"})], ("/at/:h(^\\d{2})h:m(^\\d{2})m", "fastify"): [("/at/{h}h{m}m", {"h": "^\\d{2}$", "m": "^\\d{2}$"})], ("/x/*", "fastify"): [("/x/{wildcard}", {"wildcard": ""})],
    ("/::verb", "fastify"): [("/:verb", {})], ("/(.*)", "koa"): [("/{wildcard}", {"wildcard": ""})], ("/:id([0-9a-f]{24})", "koa"): [("/{id}", {"id": "^[0-9a-f]{24}$"})],
}


@pytest.mark.parametrize("pattern, framework", PATTERNS)
def test_patterns_of_paths(pattern, framework):
    assert templates(pattern, framework) == PATTERNS[pattern, framework]


HARM = {
    "cycle.js": "const b = require('./cycle2'); exports.a = b.b; module.exports.f = () => b.f();", "cycle2.js": "const a = require('./cycle'); exports.b = a.a; exports.f = () => a.f(); exports.f();",
    "loop.js": "let x = 0; while (true) { x = x + 1; } for (;;) { x += 1 }", "deep.js": "const x = " + "[" * 3000 + "]" * 3000 + ";",
    "recursive.js": "const f = (n) => f(f(n + 1)) + f(n - 1); f(1); class A extends A {} const o = {}; o.o = o; const s = JSON.stringify(o); module.exports = new A();",
    "types.ts": "type A = B; type B = A; interface C extends C { c: C } export type D<T> = D<D<T>>; export const x: D<C> = 1 as any; export * from './types';",
    "writes.js": "require('fs').writeFileSync('HARMED', ''); require('child_process').execSync('touch HARMED'); process.exit(1);", "eval.js": "eval('process.exit(1)'); new Function('while(1);')();",
    "broken.js": "const app = require('express')(; app.get('/half'", "binary.js": "\0\1\2", "min.js": "a" * 9000, "page.min.js": "x", "empty.ts": "", "latin.js": "const caf\udce9 = { \udce9: 1 }; // caf\udce9",
    "node_modules/express/index.js": "app.get('/never')", "app.test.js": "app.get('/never')", "package.json": "{\"name\": [", "tsconfig.json": "[" * 100_000,
    "app.js": "const app = require('express')(); require('./cycle'); require('./recursive'); app.get('/', (req, res) => res.json(JSON.parse(req.query.q))); app.get('/' + process.argv[2], (q, s) => s.end());",
}


def test_sources_made_to_do_harm_are_only_read(tmp_path):
    for name, text in HARM.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    before = sorted(tmp_path.rglob("*"))
    found = read(tmp_path)
    assert [(route.method, route.path, route.file, route.line) for route in found.operations] == [("get", "/", "app.js", 1)] and sorted(tmp_path.rglob("*")) == before
    told = {place.file: place.message for place in found.unresolved}
    assert "syntax errors" in told["broken.js"] and "not text" in told["binary.js"] and "minified" in told["min.js"] and "run time" in told["app.js"]
    assert not {"node_modules/express/index.js", "app.test.js", "page.min.js"} & set(found.files)


def test_nothing_out_of_the_folder_is_read(tmp_path):
    outside, inside = tmp_path / "outside.js", tmp_path / "app"
    outside.write_text("module.exports = (app) => app.get('/outside', (q, s) => s.end());")
    write(inside, {"app.js": "const app = require('express')(); require('../outside')(app); require('./link')(app); app.get('/inside', (q, s) => s.end());"})
    (inside / "link.js").symlink_to(outside)
    assert [route.path for route in read(inside).operations] == ["/inside"]


# --- the document as text
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
