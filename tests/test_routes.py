"""Routes read from sources: apps as people write them, generated servers there and back, patterns of paths, and sources made to do harm."""
from __future__ import annotations

import json
import os
import pathlib
import re

import pytest
from test_openapi import ESCAPES, NAMES, document as hostile

from senior_backend.openapi.reader import read_api
from senior_backend.openapi.yaml12 import document_text
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
