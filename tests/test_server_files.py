"""Route tables, error bodies, security hooks and index: what they say, and that both compilers take them."""
from __future__ import annotations

import json

import pytest

TEXT = {"type": "string"}
BODIES = {
    "Plain": {"type": "object", "required": ["message", "code"], "properties": {"message": TEXT, "code": {"type": "integer"}, "hint": TEXT}},
    "Nested": {"type": "object", "required": ["error"], "properties": {"error": {"type": "object", "required": ["type", "message", "status"], "properties": {
        "type": {"type": "string", "enum": ["invalid", "other"]}, "message": TEXT, "status": TEXT, "request_id": TEXT, "at": {"type": "string", "format": "date-time"}}}}},
    "Fields": {"allOf": [{"$ref": "#/components/schemas/Plain"}, {"type": "object", "required": ["errors"], "properties": {"errors": {"type": "array", "items": {
        "type": "object", "required": ["field", "reason"], "properties": {"field": TEXT, "reason": TEXT}}}}}]},
    "Texts": {"type": "object", "required": ["errors"], "properties": {"errors": {"type": "array", "items": TEXT}}},
    "Short": {"type": "object", "required": ["message"], "properties": {"message": {"type": "string", "maxLength": 5}}},
    "Either": {"oneOf": [{"type": "object", "required": ["detail"], "properties": {"detail": TEXT}}, {"type": "array", "items": TEXT}]},
}
FILLED = {
    "asPlain: ErrorShape<Plain> = ({ status, message }) => ({ message, code: status });",
    "asNested: ErrorShape<Nested> = ({ status, message, requestId }) => ({ error: { type: 'invalid', message, status: String(status), request_id: requestId } });",
    "  errors: details.map((problem) => ({ field: problem.field, reason: problem.message })),",
    "asTexts: ErrorShape<Texts> = ({ details }) => ({ errors: details.map((problem) => `${problem.field}: ${problem.message}`) });",
    "asShort: ErrorShape<Short> = () => ({ message: 'text' });",
    "asEither: ErrorShape<Either> = ({ message }) => ({ detail: message });",
    "asFail4XX: ErrorShape<string> = ({ message }) => message;",
    "asFailDefaultBody: ErrorShape<FailDefaultBody> = ({ message }) => ({ reason: message });",
}


def answer(schema: dict | None, media: str = "application/json") -> dict:
    return {"description": "no", "content": {media: {"schema": schema} if schema else {}}}


def document() -> dict:
    replies = {"200": answer(TEXT), **{str(400 + number): answer({"$ref": f"#/components/schemas/{name}"}) for number, name in enumerate(BODIES)},
               "4XX": answer(TEXT, "text/plain"), "default": answer({"type": "object", "required": ["reason"], "properties": {"reason": TEXT}})}
    fail = {"operationId": "fail", "tags": ["a"], "responses": replies, "security": [{"token": ["read", "it's"], "odd-name": []}, {}]}
    again = {"operationId": "again", "tags": ["b"], "responses": {"200": {"description": "ok"}, "409": answer({"$ref": "#/components/schemas/Plain"})}}
    schemes = {"token": {"type": "oauth2", "flows": {}}, "odd-name": {"type": "apiKey", "in": "header", "name": "X-Key"}, "unused": {"type": "http", "scheme": "basic"},
               "digest": {"type": "http", "scheme": "digest"}, "tls": {"type": "mutualTLS"}}
    other = {"operationId": "other", "tags": ["b"], "responses": {"204": {"description": "ok"}}, "security": [{"digest": []}, {"tls": []}]}
    return {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/fail": {"get": fail, "post": other}, "/again/{x}": {"get": again, "parameters": [
        {"name": "x", "in": "path", "required": True, "schema": TEXT}]}}, "components": {"schemas": BODIES, "securitySchemes": schemes}}


@pytest.fixture
def made(scaffold):
    result, folder = scaffold(document())
    assert result.code == 0, result.err
    return folder


def test_error_bodies_are_filled_by_the_names_of_their_fields(made):
    lines = [line.removeprefix("export const ") for line in (made / "errors.handlers.ts").read_text(encoding="utf-8").splitlines()]
    assert FILLED - set(lines) == set()


def test_tables_name_the_shapes_and_requirements(made):
    table = (made / "a.routes.ts").read_text(encoding="utf-8")
    assert "security: [{ token: ['read', 'it\\'s'], 'odd-name': [] }, {}]," in table
    assert "route<FailRequest, FailReply, Principal | undefined>({" in table
    assert "400: errors.asPlain, 401: errors.asNested, 402: errors.asFields" in table.replace("\n      ", " ").replace(",\n", ", ")


def test_hooks_exist_for_the_schemes_in_use_and_refuse(made):
    hooks = (made / "security.handlers.ts").read_text(encoding="utf-8")
    assert "export const token: BearerHook<{ subject: string }> = () => undefined;" in hooks
    assert [f"const {name}:" in hooks for name in ("oddName", "digest", "tls", "unused")] == [True, True, True, False]
    schemes = (made / "security.ts").read_text(encoding="utf-8")
    assert "'odd-name': apiKey('header', 'X-Key', hooks.oddName)," in schemes and "digest: authorizationScheme('digest', hooks.digest)," in schemes


@pytest.mark.parametrize("framework, compiler, flags", [("express", "5.9", ["--with-app"]), ("fastify", "7", ["--errors", "problem"]), ("koa", "7", ["--with-app", "--errors", "problem"])])
def test_the_compilers_take_all_files(scaffold, compile_ts, framework, compiler, flags):
    _, folder = scaffold(document(), "--framework", framework, *flags)
    assert compile_ts(folder, compiler) == []


def test_the_package_says_what_it_needs(scaffold):
    _, folder = scaffold({**document(), "info": {"title": "Pets & Co. (Ü)", "version": "2.0.1"}}, "--with-app", "--framework", "koa")
    package = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    assert (package["name"], package["version"], package["type"]) == ("pets-co-u", "2.0.1", "module")
    assert sorted(package["dependencies"]) == ["@koa/router", "koa", "zod"]
