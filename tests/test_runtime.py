"""Generated servers over real HTTP: what they decode, what they refuse and how, the same on Express, Fastify and Koa."""
from __future__ import annotations

import contextlib
import http.client
import json
import socket

import pytest
from node_server import Server

FRAMEWORKS = ("express", "fastify", "koa")
JSON_TYPE = {"Content-Type": "application/json"}
TEXT, WHOLE, NUMBERS = {"type": "string"}, {"type": "integer"}, {"type": "array", "items": {"type": "integer"}}
POINT = {"type": "object", "properties": {"x": WHOLE, "y": WHOLE}}


def parameter(name: str, location: str, schema: dict, **more) -> dict:
    return {"name": name, "in": location, "schema": schema, **({"required": True} if location == "path" else {}), **more}


def operation(name: str, *parameters: dict, body: dict | None = None, security: list | None = None, replies: dict | None = None) -> dict:
    made = {"operationId": name, "tags": ["echo"], "parameters": list(parameters), "responses": replies or {"200": {"description": "ok", "content": {"application/json": {}}}}}
    return {**made, **({"requestBody": body} if body else {}), **({"security": security} if security is not None else {})}


FILTER = {"type": "object", "properties": {"name": TEXT, "size": {"type": "object", "properties": {"min": {"type": "number"}}}, "tags": {"type": "array", "items": TEXT},
                                           "parts": {"type": "array", "items": POINT}, "deep": {"type": "object", "additionalProperties": TEXT}}}
QUERY = [
    parameter("whole", "query", WHOLE), parameter("number", "query", {"type": "number"}), parameter("flag", "query", {"type": "boolean"}), parameter("text", "query", TEXT),
    parameter("either", "query", {"anyOf": [WHOLE, {"type": "string", "enum": ["all"]}]}), parameter("maybe", "query", {"type": ["integer", "null"]}),
    parameter("big", "query", {"type": "integer", "format": "int64"}), parameter("limit", "query", {"type": "integer", "default": 20, "maximum": 100}), parameter("level", "query", {"type": "integer", "enum": [1, 2]}),
    parameter("many", "query", NUMBERS), parameter("commas", "query", NUMBERS, explode=False), parameter("names", "query", {"type": "array", "items": TEXT}, explode=False),
    parameter("spaces", "query", NUMBERS, style="spaceDelimited", explode=False), parameter("pipes", "query", NUMBERS, style="pipeDelimited", explode=False),
    parameter("filter", "query", FILTER, style="deepObject"), parameter("point", "query", POINT, explode=False), {"name": "json", "in": "query", "content": {"application/json": {"schema": POINT}}},
]
PERSON = {"type": "object", "required": ["name"], "properties": {"name": TEXT, "age": WHOLE, "id": {**WHOLE, "readOnly": True}}}
JSON_BODY = {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Person"}}}}
BODIES = {"content": {
    "application/json": {"schema": {**POINT, "properties": {**POINT["properties"], "big": {"type": "integer", "format": "int64"}, "text": TEXT}}}, "text/plain": {"schema": TEXT}, "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
    "application/x-www-form-urlencoded": {"schema": {"type": "object", "required": ["list"], "properties": {"a": WHOLE, "list": NUMBERS, "point": POINT, "csv": NUMBERS}}, "encoding": {"csv": {"explode": False}}},
    "multipart/form-data": {"schema": {"type": "object", "required": ["file"], "properties": {
        "file": {"type": "string", "format": "binary"}, "count": WHOLE, "point": POINT, "notes": {"type": "array", "items": TEXT}}}},
}}
PROBLEM = {"type": "object", "required": ["title", "status"], "properties": {
    "title": TEXT, "status": WHOLE, "errors": {"type": "array", "items": {"type": "object", "required": ["path"], "properties": {"path": TEXT, "message": TEXT}}}}}
REPLIES = {"200": {"description": "ok", "content": {"application/json": {"schema": POINT}, "text/plain": {"schema": TEXT}}},
           "400": {"description": "no", "content": {"application/problem+json": {"schema": PROBLEM}}}}
DOCUMENT = {
    "openapi": "3.1.0", "info": {"title": "echo", "version": "1.0.0"},
    "paths": {
        "/query": {"get": operation("query", *QUERY)},
        "/exploded": {"get": operation("exploded", parameter("point", "query", POINT), parameter("other", "query", WHOLE))},
        "/simple/{id}": {"get": operation("simple", parameter("id", "path", NUMBERS)), "post": operation("simplePost", parameter("id", "path", TEXT))},
        "/label/{id}": {"get": operation("label", parameter("id", "path", NUMBERS, style="label", explode=True))},
        "/matrix/{id}": {"get": operation("matrix", parameter("id", "path", POINT, style="matrix", explode=True))},
        "/text/{id}": {"get": operation("textPath", parameter("id", "path", TEXT))}, "/text/me": {"put": operation("me")},
        "/headers": {"get": operation("headers", parameter("X-Ids", "header", NUMBERS), parameter("X-Flag", "header", {"type": "boolean"}), parameter("session", "cookie", WHOLE))},
        "/json": {"post": operation("json", body=JSON_BODY)}, "/bodies": {"post": operation("bodies", body=BODIES)},
        "/loose": {"post": operation("loose", body={"content": {"application/x-www-form-urlencoded": {}, "multipart/form-data": {}}})},
        "/bearer": {"get": operation("secured", security=[{"token": []}]), "post": operation("securedBody", body=JSON_BODY, security=[{"token": []}])},
        "/either": {"get": operation("eitherKey", security=[{"key": [], "login": []}, {"token": []}])}, "/open": {"get": operation("open", security=[{"token": []}, {}])},
        "/replies": {"get": operation("replies", parameter("mode", "query", TEXT), parameter("n", "query", WHOLE), replies=REPLIES)},
        "/empty": {"delete": operation("empty", replies={"204": {"description": "gone"}})},
    },
    "components": {"schemas": {"Person": PERSON}, "securitySchemes": {
        "token": {"type": "http", "scheme": "bearer"}, "login": {"type": "http", "scheme": "basic"}, "key": {"type": "apiKey", "in": "query", "name": "api key"}}},
}
HANDLERS = """
import { HttpError, forbidden, rateLimited, type Context } from './runtime.ts';
import type { Principal } from './security.ts';
import type { RepliesReply, RepliesRequest } from './types.ts';

type Echo = { status: 200; body: unknown };
const plain = (value: unknown): unknown => (value instanceof Uint8Array ? { bytes: [...value] } : value instanceof File ? { file: value.name, type: value.type, size: value.size } : value);
const echo = async (request: object): Promise<Echo> => ({ status: 200, body: JSON.parse(JSON.stringify(request, (_key, value: unknown) => plain(value))) });
const who = async (_request: object, { principal }: Context<Principal | undefined>): Promise<Echo> => ({ status: 200, body: principal ?? null });

export { echo as query, echo as exploded, echo as simple, echo as simplePost, echo as label, echo as matrix, echo as textPath, echo as me, echo as headers, echo as json, echo as bodies, echo as loose };
export { who as secured, who as securedBody, who as eitherKey, who as open };

export async function empty(): Promise<{ status: 204 }> {
  return { status: 204 };
}

export async function replies({ query }: RepliesRequest, context: Context): Promise<RepliesReply> {
  if (query.mode === 'bug') throw new Error('the secret of the database');
  if (query.mode === 'teapot') throw new HttpError(418, 'TEAPOT', 'short and stout', { headers: { 'X-Pot': 'tea' } });
  if (query.mode === 'busy') throw rateLimited(3);
  if (query.mode === 'refused') throw forbidden();
  if (query.mode === 'wrong') return { status: 200, contentType: 'application/json', body: JSON.parse('{"x": "text"}') };
  const contentType = context.preferred('application/json', 'text/plain');
  return contentType === 'text/plain' ? { status: 200, contentType, body: 'caf\\u00e9' } : { status: 200, contentType, body: { x: query.n ?? 1 } };
}
"""
SECURITY = """
import { forbidden, type ApiKeyHook, type BasicHook, type BearerHook } from './runtime.ts';

export const token: BearerHook<{ subject: string }> = ({ token }) => {
  if (token === 'weak') throw forbidden();
  return token === 'wrong' ? undefined : { subject: token };
};
export const login: BasicHook<{ subject: string }> = ({ user, password }) => ({ subject: `${user}:${password}` });
export const key: ApiKeyHook<{ subject: string }> = ({ key }) => ({ subject: key });
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory, node_modules, door):
    """Per framework the folder of a server whose handlers answer what they got."""
    base = tmp_path_factory.mktemp("servers")
    (base / "openapi.json").write_text(json.dumps(DOCUMENT), encoding="utf-8")
    made = {}
    for framework in FRAMEWORKS:
        made[framework] = folder = base / framework
        done = door(base / "openapi.json", "--framework", framework, "--output", folder, "--with-app", "--json")
        assert done.code == 0, done.err
        (folder / "echo.handlers.ts").write_text(HANDLERS, encoding="utf-8")
        (folder / "security.handlers.ts").write_text(SECURITY, encoding="utf-8")
        (folder / "node_modules").symlink_to(node_modules, target_is_directory=True)
    return made


@pytest.fixture(scope="module")
def servers(folders, node):
    with contextlib.ExitStack() as running:
        yield {framework: running.enter_context(Server(folder, node)) for framework, folder in folders.items()}


class Answer:
    def __init__(self, status: int, headers: dict[str, str], body: bytes):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def essence(self) -> tuple:
        """All that must not differ between the frameworks: not the request's id, the date and what only concerns the connection."""
        passing = ("date", "connection", "keep-alive", "x-request-id", "content-length", "transfer-encoding")
        body = self.body.replace(self.headers.get("x-request-id", "-").encode(), b"ID")
        return self.status, {name: value for name, value in self.headers.items() if name not in passing}, body


def ask(port: int, method: str, target: str, headers: dict | None = None, body: bytes | None = None) -> Answer:
    """One request, its target sent as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        if body:
            connection.send(body)
        response = connection.getresponse()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


@pytest.fixture(scope="module")
def same(servers):
    """same(method, target, ...): the one answer that all three servers give."""
    def send(*request) -> Answer:
        answers = {name: ask(server.port, *request) for name, server in servers.items()}
        first = answers["express"]
        for name, answer in answers.items():
            assert answer.essence() == first.essence(), name
        return first
    return send


def expect_error(answer: Answer, status: int, code: str, fields: list[str] | None = None) -> None:
    assert (answer.status, answer.json["error"]["code"]) == (status, code), answer.body
    assert answer.json["meta"]["requestId"] == answer.headers["x-request-id"]
    assert [detail["field"] for detail in answer.json["error"].get("details", [])] == (fields or [])
    assert answer.headers["content-type"] == "application/json"


DECODED = [
    ("whole=-12", {"whole": -12}), ("number=1e3", {"number": 1000}), ("flag=true", {"flag": True}), ("text=true", {"text": "true"}), ("text=", {"text": ""}),
    ("text=a+b%2Bc%20d", {"text": "a b+c d"}), ("text=%C3%A9&unknown=1", {"text": "\u00e9"}), ("either=5", {"either": 5}), ("either=all", {"either": "all"}), ("maybe=null", {"maybe": None}), ("maybe=3", {"maybe": 3}),
    ("limit=7", {"limit": 7}), ("level=2", {"level": 2}), ("many=1&many=2", {"many": [1, 2]}), ("many=1", {"many": [1]}), ("commas=1,2,3", {"commas": [1, 2, 3]}), ("commas=1%2C2", {"commas": [1, 2]}),
    ("names=a%2Cb,c", {"names": ["a,b", "c"]}), ("spaces=1%202+3", {"spaces": [1, 2, 3]}), ("pipes=1%7C2", {"pipes": [1, 2]}), ("pipes=1|2", {"pipes": [1, 2]}), ("point=x,1,y,2", {"point": {"x": 1, "y": 2}}),
    ("filter[name]=a&filter[size][min]=1.5", {"filter": {"name": "a", "size": {"min": 1.5}}}), ("filter[tags][]=a&filter[tags][]=b", {"filter": {"tags": ["a", "b"]}}),
    ("filter%5Btags%5D%5B1%5D=b&filter[tags][0]=a", {"filter": {"tags": ["a", "b"]}}), ("filter[parts][0][x]=1&filter[parts][1][x]=2&filter[parts][0][y]=3", {"filter": {"parts": [{"x": 1, "y": 3}, {"x": 2}]}}),
    ("filter[deep][constructor]=c&filter[deep][toString]=t", {"filter": {"deep": {"constructor": "c", "toString": "t"}}}), ("json=%7B%22x%22%3A1%7D", {"json": {"x": 1}}),
]


@pytest.mark.parametrize("query, value", DECODED)
def test_query_is_decoded(same, query, value):
    answer = same("GET", f"/query?{query}")
    assert (answer.status, answer.json) == (200, {"query": {"limit": 20, **value}})


@pytest.mark.parametrize("query, fields", [
    ("whole=abc&number=x&flag=yes", ["whole", "number", "flag"]), ("whole=1.5", ["whole"]), ("whole=", ["whole"]), ("whole=1&whole=1", ["whole"]), ("text=a&text=b", ["text"]), ("whole=9007199254740993", ["whole"]),
    ("whole=0x10", ["whole"]), ("number=Infinity", ["number"]), ("flag=TRUE", ["flag"]), ("limit=101", ["limit"]), ("level=3", ["level"]), ("commas=1,,2", ["commas.1"]), ("filter[parts][0][x]=a", ["filter.parts.0.x"]),
])
def test_query_is_refused_with_all_fields(same, query, fields):
    expect_error(same("GET", f"/query?{query}"), 400, "VALIDATION_ERROR", fields)


LEAST, MOST = -2 ** 63, 2 ** 63 - 1


@pytest.mark.parametrize("number, status", [(MOST, 200), (MOST + 1, 400), (LEAST, 200), (LEAST - 1, 400), (2 ** 53 + 1, 200), (-2 ** 53 - 1, 200)])
def test_integers_of_64_bits(same, number, status):
    """JavaScript rounds them, but none crosses the limit of its range."""
    query = same("GET", f"/query?big={number}")
    body = same("POST", "/bodies", JSON_TYPE, f'{{"text": "\\"{number}", "big": {number}}}'.encode())
    assert (query.status, body.status) == (status, status)
    if status == 200:
        assert query.json["query"]["big"] == body.json["body"]["big"] == pytest.approx(number) and body.json["body"]["text"] == f'"{number}'


def test_prototype_names_do_no_harm(same):
    answer = same("GET", "/query?filter[deep][__proto__]=x&filter[__proto__][y]=1&__proto__[z]=1")
    assert answer.status == 200 and "y" not in answer.json["query"]["filter"]


@pytest.mark.parametrize("target, value", [
    ("/exploded?x=1&y=2&other=3", {"query": {"point": {"x": 1, "y": 2}, "other": 3}}), ("/simple/1,2", {"path": {"id": [1, 2]}}), ("/label/.1.2", {"path": {"id": [1, 2]}}), ("/matrix/;x=1;y=2", {"path": {"id": {"x": 1, "y": 2}}}),
    ("/text/a%2Fb", {"path": {"id": "a/b"}}), ("/text/a+b%20%25", {"path": {"id": "a+b %"}}), ("/text/%E2%98%83", {"path": {"id": "\u2603"}}), ("/text/constructor", {"path": {"id": "constructor"}}),
    ("/text/" + "x" * 3000, {"path": {"id": "x" * 3000}}),
])
def test_paths_are_decoded(same, target, value):
    answer = same("GET", target)
    assert (answer.status, answer.json) == (200, value)


def test_headers_and_cookies_are_decoded(same):
    answer = same("GET", "/headers", {"x-ids": "1, 2", "X-FLAG": "false", "Cookie": 'a=b; session="12"; session=13'})
    assert answer.json == {"headers": {"X-Ids": [1, 2], "X-Flag": False}, "cookies": {"session": 12}}


@pytest.mark.parametrize("method, target, status, code", [
    ("GET", "/nothing", 404, "NOT_FOUND"), ("GET", "/query/", 404, "NOT_FOUND"), ("GET", "/Query", 404, "NOT_FOUND"), ("GET", "/text/", 404, "NOT_FOUND"), ("GET", "//query", 404, "NOT_FOUND"),
    ("GET", "/text/%ZZ", 400, "BAD_REQUEST"), ("GET", "/text/%FF", 400, "BAD_REQUEST"), ("GET", "/query?text=%ZZ", 400, "BAD_REQUEST"), ("GET", "/query?json=%7B", 400, "BAD_REQUEST"),
    ("PUT", "/query", 405, "METHOD_NOT_ALLOWED"), ("OPTIONS", "/query", 405, "METHOD_NOT_ALLOWED"), ("TRACE", "/query", 405, "METHOD_NOT_ALLOWED"), ("QUERY", "/query", 405, "METHOD_NOT_ALLOWED"),
    ("PROPFIND", "/query", 405, "METHOD_NOT_ALLOWED"),
])
def test_unknown_addresses_and_methods(same, method, target, status, code):
    answer = same(method, target)
    expect_error(answer, status, code)
    if status == 405:
        assert answer.headers["allow"] == "GET, HEAD"


def test_a_concrete_path_does_not_fall_back_to_the_template(same):
    answer = same("GET", "/text/me")
    expect_error(answer, 405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "PUT"


def test_head_answers_as_get_without_a_body(same):
    answer = same("HEAD", "/query?whole=1")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"", "application/json")


@pytest.mark.parametrize("headers, body, status, code, fields", [
    (JSON_TYPE, b'{"name": ', 400, "BAD_REQUEST", []), (JSON_TYPE, b'{"name": "\xff"}', 400, "BAD_REQUEST", []), (JSON_TYPE, b"", 400, "VALIDATION_ERROR", ["body"]), ({}, None, 400, "VALIDATION_ERROR", ["body"]),
    (JSON_TYPE, b"null", 400, "VALIDATION_ERROR", ["body"]), (JSON_TYPE, b'{"age": "x"}', 400, "VALIDATION_ERROR", ["name", "age"]), ({}, b"{}", 415, "UNSUPPORTED_MEDIA_TYPE", []),
    ({"Content-Type": "text/csv"}, b"a", 415, "UNSUPPORTED_MEDIA_TYPE", []), ({"Content-Type": "nonsense"}, b"a", 415, "UNSUPPORTED_MEDIA_TYPE", []),
    ({"Content-Type": "application/json; charset=utf-16"}, b"{}", 415, "UNSUPPORTED_MEDIA_TYPE", []), ({**JSON_TYPE, "Content-Encoding": "gzip"}, b"x", 415, "UNSUPPORTED_MEDIA_TYPE", []),
    (JSON_TYPE, b'{"name": "' + b"x" * 2_000_000 + b'"}', 413, "PAYLOAD_TOO_LARGE", []), ({**JSON_TYPE, "Accept": "text/html"}, b'{"name": "x"}', 406, "NOT_ACCEPTABLE", []),
])
def test_bodies_are_refused(same, headers, body, status, code, fields):
    expect_error(same("POST", "/json", headers, body), status, code, fields)


def test_json_bodies_arrive(same):
    assert same("POST", "/json", {"Content-Type": "Application/JSON; charset=UTF-8"}, b'\xef\xbb\xbf{"name": "\xc3\xa9", "id": 7, "more": [1]}').json == {"body": {"name": "\u00e9", "more": [1]}}


def multipart(*parts: tuple[str, str]) -> bytes:
    return "".join(f"--X\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n" for head, value in parts).encode() + b"--X--\r\n"


@pytest.mark.parametrize("content_type, body, value", [
    ("text/plain", "caf\u00e9".encode(), "caf\u00e9"), ("text/plain; charset=latin1", b"caf\xe9", "caf\u00e9"), ("text/plain", b"", ""), ("application/octet-stream", b"\x00\xff", {"bytes": [0, 255]}), ("application/json", b'{"x":1}', {"x": 1}),
    ("application/x-www-form-urlencoded", b"a=1&list=1&list=2&point%5Bx%5D=3&csv=4,5", {"a": 1, "list": [1, 2], "point": {"x": 3}, "csv": [4, 5]}), ("application/x-www-form-urlencoded", b"point=%7B%22x%22%3A1%7D", {"point": {"x": 1}, "list": []}),
    ("multipart/form-data; boundary=X", multipart(('name="file"; filename="a.bin"\r\nContent-Type: image/png', "abc"), ('name="count"', "2"), ('name="notes"', "a"), ('name="notes"', "b"), ('name="point"', '{"y": 1}')),
     {"file": {"file": "a.bin", "type": "image/png", "size": 3}, "count": 2, "notes": ["a", "b"], "point": {"y": 1}}),
])
def test_all_kinds_of_bodies_arrive(same, content_type, body, value):
    answer = same("POST", "/bodies", {"Content-Type": content_type}, body)
    assert (answer.status, answer.json) == (200, {"contentType": content_type.split(";")[0], "body": value})


def test_a_multipart_body_without_its_boundary_is_refused(same):
    expect_error(same("POST", "/bodies", {"Content-Type": "multipart/form-data"}, b"x"), 400, "BAD_REQUEST")


@pytest.mark.parametrize("content_type, body", [
    ("application/x-www-form-urlencoded", b"a=1%202&b[c]=3&b[d][]=4&b[d][]=5&__proto__=6"),
    ("multipart/form-data; boundary=X", multipart(('name="a"', "1 2"), ('name="b[c]"', "3"), ('name="b[d][]"', "4"), ('name="b[d][]"', "5"), ('name="__proto__"', "6"))),
])
def test_forms_without_a_schema_are_text(same, content_type, body):
    answer = same("POST", "/loose", {"Content-Type": content_type}, body)
    assert answer.json["body"] == {"a": "1 2", "b": {"c": "3", "d": ["4", "5"]}, "__proto__": "6"}


def test_an_optional_body_may_be_missing(same):
    assert same("POST", "/bodies").json == {}


@pytest.mark.parametrize("target, headers, status, body", [
    ("/bearer", {}, 401, None), ("/bearer", {"Authorization": "Basic YTpi"}, 401, None), ("/bearer", {"Authorization": "Bearer "}, 401, None), ("/bearer", {"Authorization": "Bearer wrong"}, 401, None),
    ("/bearer", {"Authorization": "Bearer weak"}, 403, None), ("/bearer", {"Authorization": "bearer joe"}, 200, {"subject": "joe"}), ("/open", {}, 200, None), ("/open", {"Authorization": "Bearer joe"}, 200, {"subject": "joe"}),
    ("/either?api+key=k", {}, 401, None), ("/either?api%20key=k", {"Authorization": "Basic YTpi"}, 200, {"subject": "k"}), ("/either", {"Authorization": "Bearer joe"}, 200, {"subject": "joe"}),
])
def test_credentials(same, target, headers, status, body):
    answer = same("GET", target, headers)
    assert answer.status == status
    if status == 200:
        assert answer.json == body
    else:
        expect_error(answer, status, {401: "UNAUTHORIZED", 403: "FORBIDDEN"}[status])
        assert ("bearer" in answer.headers.get("www-authenticate", "").lower()) == (status == 401)


def test_credentials_are_judged_before_the_body(same):
    expect_error(same("POST", "/bearer", {"Content-Type": "nonsense"}, b"x" * 2_000_000), 401, "UNAUTHORIZED")


@pytest.mark.parametrize("accept, content_type, body", [
    ("text/plain", "text/plain; charset=utf-8", "caf\u00e9".encode()), ("*/*", "application/json", b'{"x":1}'), ("text/*;q=0.9, application/json;q=0.1", "text/plain; charset=utf-8", "caf\u00e9".encode()),
    ("application/json;q=0, */*", "text/plain; charset=utf-8", "caf\u00e9".encode()), ("garbage", "application/json", b'{"x":1}'),
])
def test_the_client_chooses_the_content_type(same, accept, content_type, body):
    answer = same("GET", "/replies", {"Accept": accept})
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, content_type, body)


def test_a_declared_error_body_replaces_the_envelope(same):
    answer = same("GET", "/replies?n=x")
    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json["status"] == 400 and answer.json["errors"][0]["path"] == "n"


@pytest.mark.parametrize("mode, status, code", [("bug", 500, "INTERNAL_ERROR"), ("teapot", 418, "TEAPOT"), ("busy", 429, "RATE_LIMITED"), ("refused", 403, "FORBIDDEN"), ("wrong", 500, "INTERNAL_ERROR")])
def test_what_handlers_throw(same, servers, mode, status, code):
    answer = same("GET", f"/replies?mode={mode}")
    expect_error(answer, status, code)
    assert b"secret" not in answer.body and b"    at " not in answer.body
    assert mode != "busy" or answer.headers["retry-after"] == "3"
    said = {"bug": "the secret of the database", "wrong": "breaks the API description: x:"}.get(mode)
    assert all(said in server.output() for server in servers.values()) if said else True


def test_no_content(same):
    answer = same("DELETE", "/empty")
    assert (answer.status, answer.body, "content-length" in answer.headers, "content-type" in answer.headers) == (204, b"", False, False)


@pytest.mark.parametrize("sent, kept", [("abc-1.2:3", True), ("x" * 129, False), ("a b", False), ("<script>", False)])
def test_the_request_id_is_taken_when_it_is_sane(servers, sent, kept):
    for server in servers.values():
        answer = ask(server.port, "GET", "/nothing", {"X-Request-Id": sent})
        assert (answer.headers["x-request-id"] == sent) == kept == (answer.json["meta"]["requestId"] == sent)


def exchange(port: int, text: bytes, then: bytes = b"") -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(text)
        if then:
            line.sendall(then)
        received = b""
        while b"\r\n\r\n" not in received and (more := line.recv(65536)):
            received += more
        return received


def test_chunked_bodies_and_their_limit(servers):
    head = b"POST /json HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    for server in servers.values():
        assert exchange(server.port, head + b"8\r\n{\"name\":\r\n4\r\n\"a\"}\r\n0\r\n\r\n").startswith(b"HTTP/1.1 200")
        assert exchange(server.port, head, b"200000\r\n" + b"x" * 0x200000 + b"\r\n0\r\n\r\n").startswith(b"HTTP/1.1 413")


def test_a_client_that_goes_away_disturbs_nobody(servers):
    for server in servers.values():
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
            line.sendall(b"POST /json HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
        assert ask(server.port, "GET", "/query").status == 200
        assert "aborted" not in server.output()


APPS = {
    "express": """
import express, { type Express } from 'express';
import { registerRoutes } from './index.ts';
export function buildApp(): Express {
  const app = express();
  app.use(express.json());
  app.get('/before', (_request, response) => void response.send('mine'));
  registerRoutes(app, { bodyLimit: 10 });
  app.get('/after', (_request, response) => void response.send('mine'));
  return app;
}
""",
    "fastify": """
import Fastify, { type FastifyInstance } from 'fastify';
import { registerRoutes } from './index.ts';
export function buildApp(): FastifyInstance {
  const app = Fastify();
  app.get('/before', async () => 'mine');
  registerRoutes(app, { bodyLimit: 100 });
  app.get('/after', async () => 'mine');
  return app;
}
""",
    "koa": """
import Koa from 'koa';
import { registerRoutes } from './index.ts';
export function buildApp(): Koa {
  const app = new Koa();
  app.use(async (context, next) => (context.path === '/before' ? void (context.body = 'mine') : await next()));
  registerRoutes(app, { bodyLimit: 100 });
  app.use(async (context, next) => (context.path === '/after' ? void (context.body = 'mine') : await next()));
  return app;
}
""",
}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_an_app_keeps_its_own_paths_and_body_parser(folders, node, framework):
    folder = folders[framework]
    original = (folder / "app.ts").read_text(encoding="utf-8")
    (folder / "app.ts").write_text(APPS[framework], encoding="utf-8")
    try:
        with Server(folder, node, {"NODE_ENV": "production"}) as server:
            assert [ask(server.port, "GET", path).body for path in ("/before", "/after")] == [b"mine", b"mine"]
            assert ask(server.port, "GET", "/nothing").status == 404
            assert ask(server.port, "POST", "/json", JSON_TYPE, b'{"name": "long enough"}').json == {"body": {"name": "long enough"}}
            assert ask(server.port, "GET", "/replies?mode=wrong").json == {"x": "text"}
    finally:
        (folder / "app.ts").write_text(original, encoding="utf-8")


def test_a_stopped_server_answers_what_is_under_way_and_ends(folders, node):
    for folder in folders.values():
        with Server(folder, node) as server:
            server.process.terminate()
            assert server.process.wait(10) in (0, -15)


def test_problem_details(scaffold, serve):
    _, folder = scaffold({"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {"/a": {"get": operation("a", parameter("n", "query", WHOLE))}}}, "--with-app", "--errors", "problem")
    answer = ask(serve(folder).port, "GET", "/a?n=x")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json == {"type": "about:blank", "title": "Bad Request", "status": 400, "detail": "the request does not fit the API description", "code": "VALIDATION_ERROR",
                           "errors": [{"field": "n", "message": "Invalid input: expected number, received string"}], "requestId": answer.headers["x-request-id"]}


@pytest.mark.parametrize("reply", ["{ status: 201, body: {} }", "{ status: 200, contentType: 'text/html', body: {} }", "{ status: 200, contentType: 'application/json', body: { x: 'text' } }", "{ status: 200, contentType: 'application/json' }"])
def test_a_wrong_reply_does_not_compile(scaffold, compile_ts, reply):
    document = {**DOCUMENT, "paths": {"/replies": DOCUMENT["paths"]["/replies"]}}
    _, folder = scaffold(document)
    assert compile_ts(folder) == []
    file = folder / "echo.handlers.ts"
    file.write_text(file.read_text(encoding="utf-8").replace("  throw notImplemented('replies');", f"  return {reply};"), encoding="utf-8")
    assert any("echo.handlers.ts" in error for error in compile_ts(folder))
