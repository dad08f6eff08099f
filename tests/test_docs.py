"""Documents from proof: what is found in a project, what is written, and that nothing of a person's is lost."""

from __future__ import annotations

import io
import json
import pathlib
import re
import sys

import pytest
from hypothesis import given, settings, strategies as st

from senior_backend import console
from senior_backend.docs import command, view
from senior_backend.docs.command import detect
from senior_backend.docs.facts import masked
from conftest import compare_golden

GOLDEN = pathlib.Path(__file__).parent / "golden"
SECRETS = ("hunter2", "sk_live", "s3cret", "compose-secret", "do-not-tell", "secret@localhost", "token=abc")


def unpacked(folder: pathlib.Path) -> pathlib.Path:
    for name, text in re.findall(r"^=== (\S+)\n(.*?)(?=^=== |\Z)", (GOLDEN / "docs_projects.txt").read_text(encoding="utf-8"), re.M | re.S):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def project(tmp_path) -> pathlib.Path:
    return unpacked(tmp_path) / "shop"


def run(project: pathlib.Path, *flags: object, code: int = 0) -> dict:
    """The JSON of a run, which ends with this exit code."""
    out, err = io.StringIO(), io.StringIO()
    ended = console.run(command.TOOL, command.parser(), command.run, [str(project), "--json", *map(str, flags)], console.Console(out, err))
    assert ended == code, out.getvalue() + err.getvalue()
    return json.loads(out.getvalue())


def written(project: pathlib.Path) -> dict[str, bytes]:
    return {path.relative_to(project).as_posix(): path.read_bytes() for path in project.rglob("*") if path.is_file()}


def document(project: pathlib.Path, name: str) -> pathlib.Path:
    return project / "docs/backend" / name


def test_facts_and_documents_are_the_golden_ones(project):
    report = run(project)
    facts = json.loads(document(project, "facts.json").read_text())
    lines = []
    for fact in facts["facts"]:
        value = {
            key: one for key, one in fact["value"].items() if one and (isinstance(one, (list, dict)) or str(one) not in fact["id"])
        }  # what the id does not say
        lines.append(f"{fact['id']} {fact['file']}:{fact['line']} {json.dumps(value)}")
    lines += [*facts["unread"], document(project, "data-ownership.md").read_text()]
    for other in sorted(folder for folder in project.parent.iterdir() if folder != project):        # routes and hazards of further frameworks
        found = detect(other, None)
        lines += [f"{one['method']} {one['path']} {','.join(one['guards'])} {one.file}:{one.line}" for one in found.of("route")]
        lines += [f"{one['hazard']} {one['object']} {one.file}:{one.line}" for one in found.of("migration-hazard")]
    compare_golden("docs_facts.txt", "\n".join(lines) + "\n")
    assert (
        report["facts"] == len(facts["facts"]) == sum(facts["totals"].values())
        and report["unknown"] == len(facts["unknown"])
        and set(facts["facts"][0]) == {"id", "kind", "value", "file", "line"}
    )


def test_every_fact_stands_where_it_says_and_no_secret_is_copied(project):
    run(project)
    for name, data in written(project / "docs").items():
        assert not [secret for secret in SECRETS if secret.encode() in data], name
    for fact in json.loads(document(project, "facts.json").read_text())["facts"]:
        assert 1 <= fact["line"] <= len((project / fact["file"]).read_text().splitlines())
        name = str(fact["value"].get("name") or fact["value"].get("setting") or "")
        if fact["kind"] in ("env", "table", "compose-service", "container", "pool", "ci-job"):
            source = "\n".join((project / fact["file"]).read_text().splitlines()[fact["line"] - 1 : fact["line"] + 1])
            assert name.lower().rstrip("s") in source.lower(), fact
    for mark in ("vendored", "VENDORED", "in-a-comment", "ONLY_IN_A_TEST"):
        assert mark.encode() not in b"".join(written(project / "docs").values())


def test_a_second_run_changes_nothing_and_a_new_route_is_drift(project):
    run(project)
    before = written(project)
    assert run(project)["written"] == [] and written(project) == before
    assert run(project, "--check")["drift"] == []
    source = project / "api/src/app.ts"
    source.write_text("// a line more\n" + source.read_text())
    assert run(project, "--check")["drift"] == [] and run(project)["written"]  # lines moved: no drift, but written again
    source.write_text(source.read_text() + "app.put('/v1/new', (_request, response) => response.end());\n")
    before = written(project)
    drift = run(project, "--check", code=1)["drift"]
    assert {"route:PUT /v1/new", "drift:not-in-document:PUT /v1/new"} <= {one.get("fact") for one in drift} and {
        "file": "api-contract.md", "problem": "the block routes is out of date"
    } in drift
    assert written(project) == before and run(project, "--dry-run")["written"] and written(project) == before
    run(project)
    assert run(project, "--check")["drift"] == []


def test_what_people_write_stays_and_edited_blocks_are_kept(project):
    run(project)
    path = document(project, "api-contract.md")
    text = path.read_text().replace("\n", "\r\n").replace("## Answers", "## Answers\r\n\r\n- api.errors: problem details | of `ours`")
    path.write_bytes(b"\xef\xbb\xbf\xff human\r\n" + text.encode())
    with (project / "Makefile").open("a") as file:
        file.write("new:\n")
    (project / "api/src/db.ts").write_text("export const pool = 1;\n")
    before = path.read_bytes()
    run(project)
    after = path.read_bytes()
    assert (
        view.people(after) == view.people(before)
        and b"Answered by people in this document (`api.errors`)" in after
        and b"\n" not in after.replace(b"\r\n", b"")
    )
    path.write_bytes(after.replace(b"GET | `/healthz`", b"GET | `/my-own-words`", 1).replace(b"| ---", b"|   ----------"))
    kept = run(project, code=1)["kept"]
    assert (
        [(one["file"], one["block"]) for one in kept] == [("api-contract.md", "routes")]
        and b"/my-own-words" in path.read_bytes()
        and b"`/healthz`" in document(project, "api-contract.md.new").read_bytes()
    )
    run(project, "--force")
    assert (
        b"/my-own-words" not in path.read_bytes()
        and not document(project, "api-contract.md.new").exists()
        and view.people(path.read_bytes()) == view.people(before)
    )


def test_files_that_are_not_ours_are_kept(project):
    document(project, "").mkdir(parents=True)
    document(project, "slo.md").write_text("# Ours\n")
    document(project, "facts.json").write_text("{}")
    document(project, "runbook.md").write_text("<!-- senior-backend:begin commands 0123456789ab -->\nhalf\n")
    kept = run(project, code=1)["kept"]
    assert (
        [one["file"] for one in kept] == ["slo.md", "runbook.md", "facts.json"]
        and "line 1" in kept[1]["problem"]
        and document(project, "slo.md").read_text() == "# Ours\n"
    )
    run(project, "--force", code=1)
    assert (
        "managed" not in document(project, "slo.md").read_text()
        and "senior-backend:begin targets" in document(project, "slo.md").read_text()
        and document(project, "runbook.md").read_text().endswith("half\n")
    )


def test_only_writes_one_document(project):
    assert run(project, "--only", "SLO", "--only", "decisions")["written"] == ["slo.md", "decisions/0001-backend-architecture.md", "facts.json"]
    assert "one of: README" in run(project, "--only", "nothing", code=2)["error"]["hint"]


LOAD = {
    "tool": "api_load_tester",
    "run": {"recorded_at": "2026-05-01T10:00:00+00:00"},
    "results": [
        {
            "target_url": "https://u:p@shop.example.com/v1/orders?token=abc", "method": "GET", "requests_per_second": 100.0, "latency_avg": 20.0,
            "latency_p50": 15.0, "latency_p95": 60.0, "latency_p99": 700.0, "total_requests": 1000, "failed_requests": 20, "successful_requests": 980,
            "concurrency": 2, "duration_seconds": 10
        }
    ],
}
MIGRATION = {
    "tool": "database_migration_tool",
    "source": "/home/me/a.sql",
    "up_sql": "",
    "verified": True,
    "changes": [{"action": "add", "kind": "column", "name": "public.users.age"}],
    "hazards": [{"kind": "data-loss", "object": "users.note", "message": "gone <b>", "evidence": "7 rows"}],
}


@pytest.fixture(scope="module")
def decision() -> dict:
    from senior_backend.decide import command as deciding

    out = io.StringIO()
    console.run(deciding.TOOL, deciding.parser(), deciding.run, ["--sample", "--json"], console.Console(out, io.StringIO()))
    return json.loads(out.getvalue())


def test_results_of_other_tools_flow_in_and_stay(project, decision):
    for name, data in (("decision", decision), ("load", LOAD), ("migration", MIGRATION)):
        (project / f"{name}.json").write_text(json.dumps(data))
    run(project, *(part for name in ("decision", "load", "migration") for part in (f"--{name}", project / f"{name}.json")))
    slo, capacity, plan, record = (
        document(project, name).read_text() for name in ("slo.md", "capacity.md", "migration-plan.md", "decisions/0001-backend-architecture.md")
    )
    assert (
        "| p99 latency | 600 ms | profile node-express" in slo
        and "700 ms: **missed**" in slo
        and "98 % of requests in the load test: **missed**" in slo
        and "`load.json` (dated 2026-05-01" in slo
    )
    assert (
        "`100/s x 20 ms` | 2 of 2 connections" in capacity
        and "`50 / (0.6 x 100) + 1` | 2 |" in capacity
        and "`12 x 3 = 36` connections" in capacity
        and "token=abc" not in capacity
    )
    assert "compare of `a.sql`, proven forward and back" in plan and "gone \\<b\\>" in plan and 'Chosen option: "node-express"' in record
    before = written(project)
    assert run(project)["written"] == [] and run(project, "--check")["drift"] == [] and written(project) == before  # kept in facts.json
    (project / "load.json").write_text(json.dumps(LOAD).replace("700.0", "500.0"))
    assert {one["file"] for one in run(project, "--check", code=1)["drift"]} >= {"slo.md", "capacity.md"}
    run(project)
    assert "500 ms: holds" in document(project, "slo.md").read_text()


@pytest.mark.parametrize(
    "flag, text, said",
    [
        ("--load", json.dumps(MIGRATION), "expected a result of api_load_tester.py"),
        ("--decision", json.dumps({"tool": "backend_decision_engine"}), "is missing"),
        ("--migration", '{"tool": "database_migration_tool"}', "--migrate --dry-run"),
        ("--load", '{"tool": "api_load_tester", "results": []}', "no URL in it was answered"),
        ("--load", json.dumps(LOAD).replace("700.0", '"x"'), "no number"), ("--decision", "[", "not JSON"),
        ("--migration", '{"tool": "database_migration_tool", "error": {"code": "X"}}', "the error X")
    ]
)
def test_a_file_of_another_kind_is_refused(project, tmp_path, flag, text, said):
    (tmp_path / "given.json").write_text(text)
    error = run(project, flag, tmp_path / "given.json", code=2)["error"]
    assert said in error["message"] and not (project / "docs").exists()


def test_nothing_leaves_the_target(project, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    for out in ("../outside", outside, "."):
        assert run(project, "--out", out, code=2)["error"]["code"] == "OUTSIDE_TARGET"
    (project / "docs").symlink_to(outside, target_is_directory=True)
    assert run(project, code=3)["error"]["code"] == "OUTSIDE_TARGET" and not list(outside.iterdir())
    (project / "docs").unlink()
    document(project, "").mkdir(parents=True)
    (outside / "slo.md").write_text("theirs")
    document(project, "slo.md").symlink_to(outside / "slo.md")
    (project / "secret.py").symlink_to(outside / "slo.md")
    assert run(project, "--check", code=3)["status"] == "refused" and (outside / "slo.md").read_text() == "theirs"


@pytest.mark.parametrize("name, code", [("empty", 2), ("missing", 2), ("file", 2)])
def test_what_is_no_project(tmp_path, name, code):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/notes.md").write_text("# Notes\n")
    (tmp_path / "file").write_text("x")
    report = run(tmp_path / name, code=code)
    assert report["status"] == "error" and not (tmp_path / "empty/docs").exists()
    assert name != "empty" or "looked for package.json" in report["error"]["hint"]


@pytest.mark.parametrize(
    "module, file, said",
    [
        ("tree_sitter", "routes of shop-api were not read: tree-sitter is not installed", "tree-sitter"),
        ("postgast", "SQL was not read: the package postgast is not installed", "postgast"),
    ],
)
def test_a_missing_package_is_told_and_is_no_drift(project, monkeypatch, module, file, said):
    run(project)
    real = command.dependencies.importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *rest: None if name == module else real(name, *rest))
    monkeypatch.setitem(sys.modules, module, None)
    assert said in run(project, "--check", code=4)["error"]["hint"]
    assert any(one.startswith(file) for one in run(project)["warnings"]) and said in document(project, "README.md").read_text()


LINE = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=("Cs",)), max_size=20).filter(lambda line: "senior-backend:" not in line)
BODY = st.lists(LINE.map(lambda line: line.rstrip() or "x"), min_size=1, max_size=4).map(lambda lines: "\n".join(lines) + "\n")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(LINE, BODY), min_size=1, max_size=3), st.lists(BODY, min_size=3, max_size=3), LINE, st.sampled_from([b"\n", b"\r\n"]))
def test_merging_keeps_every_byte_around_blocks(parts, new, tail, newline):
    texts = {f"b{number}": body for number, (_, body) in enumerate(parts)}
    data = b"".join(human.encode() + newline + view.written(name, body, newline) for (human, _), (name, body) in zip(parts, texts.items())) + tail.encode()
    fresh = {name: text for name, text in zip(texts, new)}
    merged = view.merge(data, fresh, False)
    assert not merged.kept and view.people(merged.data) == view.people(data) and view.merge(merged.data, fresh, False).data == merged.data
    name, begin, end = view.parse(data)[0]
    edited = data[: begin.end()] + b"mine" + data[begin.end() :]
    again = view.merge(edited, fresh, False)
    assert (again.kept == ["b0"]) == (view.even(view.spaced(fresh["b0"])) != view.even(edited[begin.end() : end.start() + 4])) and b"mine" in again.data


def test_what_looks_like_a_secret_is_masked():
    for text in (
        "sk_test_51Habcdefghijklmnop", "ghp_0123456789abcdefABCDEF0123", "postgres://a:b@c/d", "eyJhbGciOi.eyJzdWIi.sig", "Bearer abc.def", "x?token=abc&y",
        "0123456789abcdef0123456789abcdef", "-----BEGIN RSA PRIVATE KEY-----\nx"
    ):
        assert "***" in masked(text) and masked({"a": [text]}) == {"a": [masked(text)]}
    assert (
        masked("/users/{id} postgres:17-alpine") == "/users/{id} postgres:17-alpine"
        and masked("helpdesk_ticketchange_of_1712345678901") == "helpdesk_ticketchange_of_1712345678901"
    )


DECLARED = {
    "drizzle": ("""import { pgTable, uuid, text, serial, integer, primaryKey } from 'drizzle-orm/pg-core';
        // const gone = pgTable('gone', { id: uuid() });
        export const orgs = pgTable('orgs', { id: uuid('id').primaryKey().defaultRandom(), name: text().notNull() });
        export const users = pgTable("users", { id: serial().primaryKey(), orgId: uuid('org_id').notNull().references(() => orgs.id, { onDelete: 'cascade' }), boss: integer('boss_id').references((): Any => users.id) });
        export const members = pgTable('members', { userId: integer('user_id').references(() => users.id), orgId: uuid('org_id') }, (t) => [primaryKey({ columns: [t.userId, t.orgId] })]);""",
        {"orgs": "id PK, name", "users": "id PK, org_id FK -> orgs.id, boss_id? FK -> users.id", "members": "user_id PK, FK -> users.id, org_id PK"}),
    "typeorm": ("""import { Entity, Column, PrimaryGeneratedColumn, ManyToOne, JoinColumn, OneToMany } from 'typeorm';
        @Entity({ name: 'customers' }) export class Customer extends Base { @PrimaryGeneratedColumn('uuid') id!: string;
          @Index({ unique: true }) @Column({ type: 'varchar', nullable: true, name: 'e_mail' }) email?: string; @OneToMany(() => OrderLine, (l) => l.customer) lines: OrderLine[]; }
        @Entity() export class OrderLine { @PrimaryGeneratedColumn() id: number; @ManyToOne(() => Customer, { nullable: false }) @JoinColumn({ name: 'customer_id' }) customer: Customer;
          @ManyToOne(() => OrderLine) parent: OrderLine; total(): number { return this.id; } }""",
        {"customers": "id PK, e_mail?", "order_line": "id PK, customer_id FK -> customers.id, parentId? FK -> order_line.id"}),
    "knex": ("""exports.up = (knex) => knex.schema.createTable('a', (t) => { t.increments(); t.string('x').notNullable(); t.integer('gone'); }).createTable('b', function (t) { t.uuid('k').primary();
          t.integer('a_id').notNullable().references('id').inTable('a'); t.timestamps(true, true); })
          .alterTable('a', (t) => { t.dropColumn('gone'); t.renameColumn('x', 'y'); t.text('z'); }).createTable('c', (t) => { t.integer('i'); }).dropTable('c');
        exports.down = (knex) => knex.schema.dropTable('b').dropTable('a').createTable('never', (t) => { t.increments(); });""",
        {"a": "id PK, y, z?", "b": "k PK, a_id FK -> a.id, created_at, updated_at"}),
}


@pytest.mark.parametrize("library", DECLARED)
def test_tables_that_typescript_declares(library, tmp_path):
    text, wanted = DECLARED[library]
    (tmp_path / "migrations").mkdir()
    (tmp_path / "package.json").write_text(json.dumps({"name": "x", "dependencies": {"express": "5.1.0", library: "1.0.0"}}))
    (tmp_path / "migrations" / "001.ts").write_text(text)
    facts = detect(tmp_path, None)
    links = {(one["from"], one["columns"][0]): f" -> {one['to']}.{one['to_columns'][0]}" for one in facts.of("relation")}
    told = {
        table["name"]: ", ".join(f"{one['name']}{'?' * one['null']} {one['key']}".rstrip() + links.get((table["name"], one["name"]), "") for one in table["columns"])
        for table in facts.of("table")
    }
    assert told == wanted and {table["source"] for table in facts.of("table")} == {library}


GO = {
    "go.mod": "module example.com/shop\ngo 1.23\nrequire github.com/gin-gonic/gin v1.10.0\n",
    "main.go": 'package main\nimport "github.com/gin-gonic/gin"\nfunc main() {\n\tr := gin.Default()\n\tv1 := r.Group("/v1", AuthRequired())\n\tapi.Orders(v1)\n\th.Mount(v1.Group("/users"))\n\tx.Twice(v1)\n}\n',
    "api/orders.go": 'package api\nimport "github.com/gin-gonic/gin"\nfunc Orders(rg *gin.RouterGroup) {\n\torders := rg.Group("/orders")\n\torders.GET("", list)\n\titems(orders)\n}\n'
                     'func items(rg *gin.RouterGroup) {\n\trg.GET("/:id/items", listItems)\n}\nfunc Twice(rg *gin.RouterGroup) {\n\trg.GET("/one", one)\n}\n',
    "users/users.go": 'package users\nimport "github.com/gin-gonic/gin"\nfunc (h *Handler) Mount(g *gin.RouterGroup) {\n\tg.GET("/:id", h.get)\n}\nfunc Twice(rg *gin.RouterGroup) {\n\trg.GET("/two", two)\n}\n',
}


def test_go_functions_stand_below_the_routers_that_they_are_given(tmp_path):
    for name, text in GO.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    told = {f"{one['method']} {one['path']} {','.join(one['guards'])}".rstrip() for one in detect(tmp_path, None).of("route")}
    assert told == {"GET /v1/orders AuthRequired", "GET /v1/orders/{id}/items AuthRequired", "GET /v1/users/{id} AuthRequired", "GET /one", "GET /two"}     # two functions of a name: nobody knows which
