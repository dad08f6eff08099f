"""Documents written to do harm: text that wants to become code, paths that want out, and inputs made to exhaust the machine."""
import json
import pathlib
import resource
import subprocess
import sys
import time

import pytest

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
