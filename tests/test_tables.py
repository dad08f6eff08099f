"""--from-db: a schema with everything that is hard becomes an API on three frameworks, which answers as the database does."""
from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import json
import os
import pathlib
import urllib.parse

import pytest

from node_server import Server
from senior_backend import dependencies
from senior_backend.postgres import connection
from senior_backend.tables.checks import narrowed
from senior_backend.tables.kinds import PLAIN

SOURCE = pathlib.Path(__file__).parent / "tables.sql"
SCHEMA = SOURCE.read_text(encoding="utf-8")
# a value of each kind, as it is sent and as it must come back; where that differs, a pair
VALUES = {
    "small": -32768, "big": "9223372036854775807", "num": "-123456789012345678901234567890.000100", "price": ("7.5", "7.50"), "cash": "-1234.50", "f4": 0.1, "f8": 1.7976931348623157e308, "flag": True,
    "body": "\u00e4 \U0001f600 ' \" \\ \n */ ${x} {}", "short": "\U0001f600" * 5, "fixed": "ab", "ci": "MiXed", "u": "c0ffee00-0000-4000-8000-00000000beef", "d": "2024-02-29", "ts": "2024-01-02T03:04:05.123456",
    "tz": ("2024-01-02T03:04:05.000001+05:30", "2024-01-01T21:34:05.000001Z"), "t": "24:00:00", "ttz": "03:04:05+05:30", "iv": ("P1Y-2M3DT4H5M6.5S", "P10M3DT4H5M6.5S"), "j": {"a": [1, None, {"b": "\u2028"}]}, "jb": None,
    "raw": "AP+AfyciXA==", "m": "it's \"fine\"", "cashes": ["-1234.50", None], "pct": 100, "sk": "ABC-123", "pl": {"street": "a \"b\", (c)\\", "zip code": None, "marks": [1, None]},
    "texts": ["", "NULL", "a,b", "{x}", "\"q\"", "\\", None], "moods": ["", "sad"], "stamps": ["infinity", "0000-12-31T00:00:00Z", "+012345-01-01T00:00:00Z"], "jsons": [[1], {"a": "x,\"y\""}, "s"],
    "places": [{"street": "x", "zip code": "1,2", "marks": []}], "boxes": ["(2,2),(1,1)", None], "r4": {"lower": 1, "upper": 10, "bounds": "[)"},
    "rn": ({"lower": None, "upper": "1.50", "bounds": "[]"}, {"lower": None, "upper": "1.50", "bounds": "(]"}), "rtz": {"lower": "2024-01-01T00:00:00Z", "upper": "infinity", "bounds": "[]"},
    "mr": [{"lower": "2024-01-01", "upper": "2024-02-01", "bounds": "[)"}], "ip": "10.0.0.1/8", "bits": "101", "h": {"a \"b\"": "1", "c": None},
}
MORE = {"num": "NaN", "f8": "-Infinity", "f4": 3.4028235e38, "d": "-004401-12-31", "ts": "-infinity", "tz": ("9999-12-31T23:59:59-23:59", "+010000-01-01T23:58:59Z"), "iv": "PT-0.000001S", "r4": {"lower": None, "upper": None, "bounds": "empty"},
        "mr": [], "texts": [], "jb": {"a": 1}, "body": "", "raw": "", "rtz": None, "pl": None}


@dataclasses.dataclass
class Api:
    """A booted server, and the database behind it."""
    server: Server
    url: str
    folder: pathlib.Path
    report: dict

    def __call__(self, method: str, target: str, body=None, **headers: str):
        sent = {"Authorization": "Bearer x", **({"Content-Type": "application/json"} if body is not None else {}), **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self.server.request(method, target, json.dumps(body).encode() if body is not None else None, sent)

    def sql(self, statement: str, *values: object) -> list:
        with contextlib.closing(connection.connect(self.url)) as session:
            done = session.execute(statement, values or None)
            return done.fetchall() if done.description else []


def new_role() -> str:
    """A name that no other test has: roles are the whole server's, and reading a dump makes those that it names."""
    return f"role_{os.urandom(6).hex()}"


@pytest.fixture(scope="module", params=["express", "fastify", "koa"])
def api(request, postgres, tmp_path_factory, door, node, node_modules):
    """The API over a database of its own, through its file's reader; the role of the server owns the tables but is no superuser."""
    folder = tmp_path_factory.mktemp(request.param)
    made = door("--from-db", SOURCE, "--schema", "public,sales", "-f", request.param, "-o", folder, "--with-app", "--idempotency", "--json")
    assert made.code == 0, made.out
    (folder / "node_modules").symlink_to(node_modules, target_is_directory=True)
    with postgres.database() as name:
        url = postgres.url(name)
        with contextlib.closing(connection.connect(url)) as session:
            session.execute(SCHEMA)
            session.execute((folder / "idempotency.sql").read_text())
            role = new_role()
            session.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'; GRANT USAGE ON SCHEMA sales TO {role}; GRANT ALL ON ALL TABLES IN SCHEMA public, sales TO {role}; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}")
        address = urllib.parse.urlencode({"host": postgres.address["host"], "port": postgres.address["port"]})
        with Server(folder, node, {"DATABASE_URL": f"postgresql://{role}:x@/{name}?{address}"}) as server:
            yield Api(server, url, folder, made.report)


def account(api: Api, **more: object) -> dict:
    made = api("POST", "/accounts", {"email": f"{os.urandom(6).hex()}@x.org", "password_hash": "h", **more})
    assert made.status == 201, made.body
    return made.json()


def test_it_compiles(api, compile_ts):
    assert [compile_ts(api.folder, version) for version in ("5.9", "7")] == [[], []]


def test_every_kind_of_value_comes_back_as_it_was_sent(api):
    (sent, expected), (more, changed) = ([{name: value[side] if isinstance(value, tuple) else value for name, value in values.items()} for side in (0, 1)] for values in (VALUES, MORE))
    made = api("POST", "/kinds", sent)
    assert made.status == 201, made.body
    row, place = made.json(), "/" + made.headers["location"]
    assert {name: row[name] for name in expected} == expected and row["doubled"] == -65536 and api("GET", place).json() == row
    assert api("PATCH", place, more).json() == {**row, **changed}
    replaced = api("PUT", place, {**api("GET", place).json(), "small": 2}).json()
    assert replaced["doubled"] == 4 and replaced["id"] == row["id"]
    assert api("PUT", place, {"small": 1}).json() == {**dict.fromkeys(row), "id": row["id"], "small": 1, "doubled": 2, "pct": 50, "jb": {}, "made": api("GET", place).json()["made"]}
    assert api.sql("SELECT small, jb::text, num FROM kinds WHERE id = %s", row["id"]) == [(1, "{}", None)]
    assert api("DELETE", place).status == 204 and api("DELETE", place).status == api("GET", place).status == 404


def test_what_the_document_can_say_is_refused_before_the_database(api):
    for body in ({"price": "-1"}, {"price": "1.234"}, {"short": "abcdef"}, {"pct": 101}, {"sk": "abc"}, {"m": "glad"}, {"d": "2023-02-29"}, {"doubled": 1}, {"id": "1"}, {"nothing": 1}, {"u": "x"}, {"body": "\0"},
                 {"r4": {"lower": 1}}, {"flag": "true"}, {"small": 32768}, {"ts": "2024-01-01T00:00:00Z"}):
        assert api("POST", "/kinds", body).status == 400, body


def test_what_the_database_refuses_is_told_by_status(api):
    one = account(api)
    taken = api("POST", "/accounts", {"email": one["email"].upper(), "password_hash": "h"})
    assert (taken.status, taken.json()["error"]["details"][0]["field"]) == (409, "email")
    orphan = api("POST", "/posts", {"account_id": "00000000-0000-4000-8000-000000000000", "title": "t"})
    assert (orphan.status, orphan.json()["error"]["details"][0]["field"]) == (409, "account_id")
    post = api("POST", "/posts", {"account_id": one["id"], "title": "t"}).json()
    assert api("DELETE", f"/accounts/{one['id']}").status == 409
    assert api("PATCH", f"/posts/{post['id']}", {"parent_id": 10**9}).status == 409
    assert api("PATCH", f"/posts/{post['id']}", {"starts": "2024-01-02", "ends": "2024-01-01"}).status == 422
    assert [api("POST", "/bookings", {"id": number, "room": 1, "during": {"lower": "2024-01-01", "upper": "2024-02-01", "bounds": "[)"}}).status for number in (1, 2)] == [201, 409]
    assert api("POST", "/bookings", {"id": 3, "room": 1, "during": {"lower": "2024-03-01", "upper": "2024-02-01", "bounds": "[)"}}).status == 422
    assert api("POST", "/kept", {"id": 1}).status == 201 and api("DELETE", "/kept/1").status == 422
    assert [api("GET", f"/kinds/{number}/narrow").status for number in (2**63 - 1, 2**63)] == [404, 400]
    refused = api("POST", "/refusing", {"id": 1})
    assert refused.status == 422 and b"internal detail" not in refused.body
    assert api("POST", "/owned", {"id": 1, "owner": "postgres"}).status == 403
    assert api.server.request("GET", "/accounts").status == 401


def test_secrets_go_in_and_never_out(api):
    one = account(api, api_token="t0k3n")
    assert not {"password_hash", "api_token"} & set(one)
    assert api.sql("SELECT password_hash, api_token FROM accounts WHERE id = %s", one["id"]) == [("h", "t0k3n")]
    assert api("PUT", f"/accounts/{one['id']}", {"email": one["email"], "password_hash": "new"}).status == 200
    assert api.sql("SELECT password_hash, api_token, role FROM accounts WHERE id = %s", one["id"]) == [("new", "t0k3n", "user")]
    assert b"t0k3n" not in api("GET", "/accounts?limit=100&api_token=t0k3n").body and b"token" not in api("GET", "/secret_key").body
    assert any("password_hash, api_token look secret" in warning["message"] and warning["line"] > 1 for warning in api.report["warnings"])
    assert "writeOnly: true" in (api.folder / "openapi.yaml").read_text(encoding="utf-8")


def pages(api: Api, target: str, limit: int) -> list:
    found, cursor = [], ""
    while True:
        answer = api("GET", f"{target}{'&' if '?' in target else '?'}limit={limit}{cursor and '&cursor=' + cursor}")
        assert answer.status == 200, answer.body
        found += answer.json()["items"]
        cursor = answer.json()["nextCursor"]
        if cursor is None:
            return found


def test_pages_hold_every_row_once_in_order(api):
    api.sql("TRUNCATE labels CASCADE; INSERT INTO labels SELECT 'l' || i, nullif(i % 5, 0) FROM generate_series(1, 47) i; TRUNCATE no_key; INSERT INTO no_key SELECT i, 'x' FROM generate_series(1, 30) i")
    for sort, order in (("", "code"), ("?sort=code", "code"), ("?sort=-code", "code DESC"), ("?sort=limit", '"limit", code'), ("?sort=-limit", '"limit" DESC, code DESC')):
        wanted = [{"code": code, "limit": limit} for code, limit in api.sql(f'SELECT code, "limit" FROM labels ORDER BY {order}')]
        assert all(pages(api, "/labels" + sort, limit) == wanted for limit in (7, 11, 100))
    assert [row["code"] for row in pages(api, "/labels?filter[limit]=3&filter[limit]=4&sort=-code", 4)] == [one for one, in api.sql('SELECT code FROM labels WHERE "limit" IN (3, 4) ORDER BY code DESC')]
    assert len(pages(api, "/labels?filter[limit][min]=2&filter[limit][max]=3", 5)) == 19 and len(pages(api, "/labels?filter[limit][null]=true", 5)) == 9
    assert [row["a"] for row in pages(api, "/no_key", 7)] == list(range(1, 31))
    cursor = api("GET", "/labels?limit=5&sort=limit").json()["nextCursor"]
    assert [api("GET", f"/labels?cursor={text}").status for text in (cursor, cursor[:-1] + "A", "abc", cursor + "&sort=-limit")] == [404, 404, 400, 404]
    assert api("GET", "/labels?sort=unknown").status == api("GET", "/labels?limit=101").status == 400
    unknown = api("GET", "/accounts?no_such=1&email=a%40b.example")         # a filter that is not there must not give all rows
    assert (unknown.status, [one["field"] for one in unknown.json()["error"]["details"]]) == (400, ["no_such"])


def test_rows_of_rows(api):
    one = account(api)
    posts = [api("POST", "/posts", {"account_id": one["id"], "editor_id": one["id"], "title": "t"}).json()["id"] for _ in range(3)]
    api.sql("INSERT INTO labels VALUES ('a/b c') ON CONFLICT DO NOTHING")
    assert api("POST", "/post_labels", {"post_id": posts[1], "label_code": "a/b c"}).headers["location"] == f"post_labels/a%2Fb%20c/{posts[1]}"
    assert [row["id"] for row in pages(api, f"/accounts/{one['id']}/posts", 2)] == posts == [row["id"] for row in pages(api, f"/accounts/{one['id']}/posts-by-editor_id", 2)]
    assert [row["id"] for row in pages(api, "/labels/a%2Fb%20c/posts", 2)] == [posts[1]] and [row["code"] for row in pages(api, f"/posts/{posts[1]}/labels", 2)] == ["a/b c"]
    assert api("GET", "/labels/none/posts").status == 404 and api("GET", f"/posts/{posts[0]}/labels").json() == {"items": [], "nextCursor": None}
    assert api("DELETE", f"/post_labels/a%2Fb%20c/{posts[1]}").status == 204
    api("POST", "/visits", {"tenant": "t\u00fc", "day": "2024-01-01", "n": -1}), api.sql("INSERT INTO visit_notes (tenant, day, n) VALUES ('t\u00fc', '2024-01-01', -1)")
    assert len(pages(api, "/visits/t%C3%BC/2024-01-01/-1/visit_notes", 5)) == 1
    api.sql("INSERT INTO by_unique VALUES ('c', 7); INSERT INTO refers_alt VALUES (1, 7)")
    assert pages(api, "/by_unique/c/refers_alt", 5) == [{"id": 1, "alt": 7}]
    api.sql("REFRESH MATERIALIZED VIEW counts")
    assert {"id": posts[0], "title": "t", "email": one["email"]} in pages(api, "/titles", 50) and {"account_id": one["id"], "n": "3"} in pages(api, "/counts?sort=-account_id", 50)
    assert api("POST", "/titles", {}).status == 405
    api.sql("INSERT INTO capitals VALUES (1, 'c'); INSERT INTO cities VALUES (1, 'd'), (2, 'e')")
    assert len(pages(api, "/cities", 9)) == 3 and api("DELETE", "/cities/1").status == 409 and api("PATCH", "/cities/2", {"name": "f"}).status == 200 and api.sql("SELECT count(*) FROM cities") == [(3,)]


def test_names_may_be_anything(api):
    row = {"from": 1, **{name: f"{name} value" for name in ("constructor", "__proto__", "toString", "a b", 'quo"te', "back\\slash", "brace{}", "\u65e5\u672c", "$1", "A", "a", "-a", "a[min]")}}
    assert api("POST", "/select", row).json() == row and api("GET", "/select/1").json() == row
    for name, parameter in (("constructor", "constructor"), ("__proto__", "filter[__proto__]"), ('quo"te', 'quo"te'), ("-a", "-a"), ("a[min]", "filter[a[min]]")):
        quoted = urllib.parse.quote(parameter)
        assert [api("GET", f"/select?{quoted}={urllib.parse.quote(value)}").json()["items"] for value in (row[name], "other")] == [[row], []]
        assert api("GET", f"/select?sort=-{urllib.parse.quote(name)}").json()["items"] == [row]
    assert api("PATCH", "/select/1", {"__proto__": None}).json() == {**row, "__proto__": None}
    assert api("POST", "/Select", {"id": 1, "parent": 1}).status == 201 and api("GET", "/select/1/Select").json()["items"] == [{"id": 1, "parent": 1}]
    made = api("POST", "/constructor", {"k{ey}/?": "/\u00e4%", 'k"2': 1, "v": 1})
    assert api("GET", "/" + made.headers["location"]).status == 200
    for path in ("weird%20%2F%20name%3F%23%2525%20%7Bx%7D%20%22q%22%20%3B%20--", "__proto__", "types", "table", "new_table", "Promise", "table-1", "sales.accounts"):
        assert api("POST", f"/{path}", {"id": 5}).status == 201 and api("GET", f"/{path}/5").status == 200, path
    assert api("POST", "/%E8%A1%A8", {"\u30ad\u30fc": 1, "\u5024": "x"}).status == 201 and api("GET", "/%E8%A1%A8/1").json()["\u5024"] == "x"


def test_no_text_becomes_sql(api):
    before = api.sql("SELECT count(*) FROM accounts")
    for attack in ("' OR '1'='1", "'; DROP TABLE accounts; --", '"; DROP TABLE accounts; --', "1; SELECT pg_sleep(9)", "'||pg_sleep(9)||'", "$1", "\\'; --"):
        text = urllib.parse.quote(attack, safe="")
        targets = [f"/labels/{text}", f"/labels/{text}/posts", f"/visits/{text}/2024-01-01/1", *(f"/labels?{name}={text}" for name in ("code", "filter[limit]", "filter[limit][min]", "sort", "cursor", "limit", text))]
        assert all(api("GET", target).status in (200, 400, 404, 422) for target in targets)
        assert all(not answer.json().get("items") for target in targets[:5] if (answer := api("GET", target)).status == 200 and "code" in target)
        assert api("POST", "/labels", {attack: 1}).status == 400 and api("POST", "/labels", {"code": attack}).status == 201 and api("GET", f"/labels/{text}").json()["code"] == attack
        assert api("DELETE", f"/labels/{text}", If_Match=attack).status == 204
    assert api.sql("SELECT count(*) FROM accounts") == before


def test_a_change_is_for_the_row_as_it_was_seen(api):
    one = account(api)
    place, tag = f"/accounts/{one['id']}", api("GET", f"/accounts/{one['id']}").headers["etag"]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(lambda score: api("PATCH", place, {"score": score}, If_Match=tag).status, range(1, 9)))
    assert statuses == [200] + [412] * 7
    new = api("GET", place).headers["etag"]
    assert new != tag and api("PATCH", place, {"score": 9}, If_Match=f'W/"x", {new}').headers["etag"] != new
    assert api("DELETE", place, If_Match=new).status == 412 and api("PUT", place, {"email": one["email"], "password_hash": "h"}, If_Match="*").status == 200
    post = api("POST", "/posts", {"account_id": one["id"], "title": "t"})
    assert post.headers["etag"] == '"0"' and api("PATCH", f"/posts/{post.json()['id']}", {"title": "u"}, If_Match='"0"').headers["etag"] == '"1"'


def test_a_repeated_request_makes_one_row(api):
    body = {"email": f"{os.urandom(6).hex()}@x.org", "password_hash": "h"}
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: api("POST", "/accounts", body, Idempotency_Key="k1"), range(6)))
    assert {answer.status for answer in answers} == {201} and len({answer.body for answer in answers}) == len({answer.headers["location"] for answer in answers}) == 1
    assert api("POST", "/accounts", {**body, "role": "admin"}, Idempotency_Key="k1").status == 422 and api("POST", "/accounts", body, Idempotency_Key="k2").status == 409
    assert api.sql("SELECT count(*) FROM accounts WHERE email = %s", body["email"]) == [(1,)]


# --- the command
def test_a_database_and_its_schema_file_give_the_same(new_database, door, tmp_path):
    url = new_database(SCHEMA)
    for name, place in (("file", SOURCE), ("server", url)):
        done = door("--from-db", place, "--tables", "accounts,post*", "--exclude", "post_labels", "--show", "accounts.api_token", "--hide", "posts.title", "--big-numbers", "numbers", "--require-if-match", "-o", tmp_path / name)
        assert done.code == 0, done.err
    lines = [line for line in done.out.splitlines() if line.startswith("- ")]
    assert lines[:2] == ["- GET /accounts (listAccounts)", "- POST /accounts (createAccounts)"] and "- GET /accounts/{id}/posts (listPostsOfAccounts)" in lines and len(lines) == 15
    database = dependencies.require("psycopg").conninfo.conninfo_to_dict(url)["dbname"]
    texts = [{path.name: path.read_text(encoding="utf-8").replace(database, "tables") for path in (tmp_path / name).iterdir() if not path.name.startswith(".")} for name in ("file", "server")]
    assert texts[0] == texts[1]
    assert "hidden: ['title']" in texts[0]["tables.ts"] and "api_token" in texts[0]["types.ts"] and "'428'" in texts[0]["openapi.yaml"]


def test_generating_again_keeps_handlers_and_follows_the_tables(new_database, door, tmp_path):
    url = new_database("CREATE TABLE a (id integer PRIMARY KEY, x text)")
    assert door("--from-db", url, "-o", tmp_path).code == 0 and door("--from-db", url, "-o", tmp_path, "--check").code == 0
    handlers = tmp_path / "a.handlers.ts"
    handlers.write_text(handlers.read_text().replace("status: 204", "status: 204 /* mine */"))
    with contextlib.closing(connection.connect(url)) as session:
        session.execute("ALTER TABLE a ADD y integer; CREATE TABLE b (id integer PRIMARY KEY, a integer REFERENCES a)")
    assert door("--from-db", url, "-o", tmp_path, "--check").code == 1 and door("--from-db", url, "-o", tmp_path).code == 0
    assert "/* mine */" in handlers.read_text() and "y: integer" in (tmp_path / "tables.ts").read_text() and "listBOfA" in (tmp_path / "b.handlers.ts").read_text()
    assert door(tmp_path / "openapi.yaml", "-o", tmp_path).code == 0 and (tmp_path / "tables.ts").exists() and (tmp_path / "database.ts").exists()


def test_the_document_is_what_the_code_says(door, tmp_path):
    assert door("--from-db", SOURCE, "-o", tmp_path, "--framework", "koa").code == 0
    done = door(tmp_path, "--generate-spec", "--check", "-o", tmp_path / "openapi.yaml", "--json")
    assert (done.code, done.report["drift"], done.report["unresolved"]) == (0, [], [])


def test_a_role_gets_what_it_may_do(new_database, postgres, door, tmp_path):
    role = new_role()
    url = new_database(f"""CREATE TABLE seen (id integer PRIMARY KEY, a text, b text); CREATE TABLE unseen (id integer PRIMARY KEY); CREATE TABLE added (id serial PRIMARY KEY, a text); CREATE TABLE rows (a integer, b integer);
        CREATE ROLE {role} LOGIN PASSWORD 'x'; GRANT SELECT (id, a) ON seen TO {role}; GRANT SELECT, INSERT ON added TO {role}; GRANT SELECT (a) ON rows TO {role}""")
    done = door("--from-db", dependencies.require("psycopg").conninfo.make_conninfo(url, user=role, password="x"), "-o", tmp_path, "--json")
    assert done.code == 0, done.out
    routes = {(route["method"], route["path"]) for route in done.report["routes"]}
    assert routes == {("GET", "/seen"), ("GET", "/seen/{id}"), ("GET", "/added"), ("GET", "/added/{id}"), ("POST", "/added"), ("GET", "/rows")}
    messages = " ".join(warning["message"] for warning in done.report["warnings"])
    assert "public.unseen: left out: the role may not read it" in messages and "may not read b" in messages and "may not use the sequence that numbers id" in messages
    tables = (tmp_path / "tables.ts").read_text()
    assert "b:" not in tables and "pages: ['a']" in tables and "required:\n        - id" in (tmp_path / "openapi.yaml").read_text().split("NewAdded:")[1]


@pytest.mark.parametrize("flags, code, said", [
    (["--tables", "acounts"], 2, "did you mean accounts"), (["--exclude", "nothing"], 2, "--exclude nothing: there is no such table"), (["--schema", "nowhere"], 2, "schemas with tables: public, sales"),
    (["--exclude", "*"], 2, "no table"), (["--hide", "accounts.nothing"], 2, "--hide accounts.nothing"), (["--lenient"], 2, "--lenient and --from-db"), (["openapi.yaml"], 2, "a document and --from-db")])
def test_what_cannot_be_done_is_told(door, tmp_path, flags, code, said):
    done = door("--from-db", SOURCE, "-o", tmp_path / "out", *flags)
    assert done.code == code and said in done.err and not (tmp_path / "out").exists()


def test_a_server_out_of_reach_and_an_empty_database(door, new_database, tmp_path):
    done = door("--from-db", "postgresql://u:s3cr3t@127.0.0.1:1/x", "-o", tmp_path / "out", "--json")
    assert done.code == 4 and done.report["error"]["code"] == "CONNECTION" and "s3cr3t" not in done.out + done.err
    assert door("--from-db", new_database(), "-o", tmp_path / "out").code == 2 and door("--tables", "x").code == 2 and not (tmp_path / "out").exists()


S, N = {"s": PLAIN["text"], "j": PLAIN["jsonb"]}, {"n": PLAIN["integer"], "f": PLAIN["double precision"]}


@pytest.mark.parametrize("check, expected", [
    ("((n >= (0)::numeric) AND ((s)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])))", [("n", {"minimum": 0}), ("s", {"enum": ["a", "b"]})]),
    ("((n > 0) AND (5 >= n))", [("n", {"exclusiveMinimum": 0}), ("n", {"maximum": 5})]), ("((s IS NULL) OR (char_length(s) <= 5))", [("s", {"maxLength": 5})]), ("((n IS NULL) OR (char_length(s) <= 5))", []),
    ("((s = 'a'::text) OR (s = 'b'::text))", [("s", {"enum": ["a", "b"]})]), ("((s = 'a'::text) OR (n = 1))", []), ("(s ~ '^[A-Z]+.\\d$'::text)", [("s", {"pattern": "^[A-Z]+[\\s\\S][0-9]$"})]), ("(s ~ '^\\w+$'::text)", []),
    ("(s ~* '^a$'::text)", []), ("(s ~~ 'a.%'::text)", [("s", {"pattern": "^a\\."})]), ("(s <> ''::text)", [("s", {"minLength": 1})]), ("(jsonb_typeof(j) = 'object'::text)", [("j", {"type": "object"})]),
    ("((f)::integer >= 0)", []), ("(n > 0)) NOT VALID", []), ("(NOT (n > 0))", []), ("(f < (n)::double precision)", [])])
def test_checks_as_keywords(check, expected):
    assert list(narrowed(f"CHECK {check}", S | N)) == expected
