"""database_migration_tool --compare from the command line to the files: live databases and SQL files, on a real server."""
from __future__ import annotations

import contextlib
import json
import pathlib
import re

import pytest
from conftest import migration_tool, run_script
from conftest import compare_golden

from senior_backend import console
from senior_backend.migrate import closure, output, plan
from senior_backend.migrate.steps import Hazard, Step
from senior_backend.postgres import cache, connection, live, scratch
from senior_backend.postgres.model import Id

SHOP = """CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, note text);
CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint REFERENCES users, state text DEFAULT 'new');
CREATE VIEW open_orders AS SELECT id, user_id FROM orders WHERE state = 'open';
"""
KEYS = {"up_sql", "down_sql", "added_tables", "removed_tables", "changes", "hazards", "verified", "proof", "files", "rename_candidates", "notes", "source", "target", "digests"}


@pytest.fixture(autouse=True)
def own_cache(monkeypatch):
    """Nothing that an earlier run has kept, but for the server's data folder."""
    monkeypatch.setattr(cache, "read", lambda path: None)


@pytest.fixture
def new_database(postgres):
    """new_database(sql="") -> URL of a new database, for its owner, who has run sql there; dropped when the test ends."""
    with contextlib.ExitStack() as stack:
        def create(sql: str = "") -> str:
            url = postgres.loader_url(stack.enter_context(postgres.database()))
            run(url, sql)
            return url
        yield create


def tool(*arguments: object) -> tuple[int, dict, str]:
    """Exit code, JSON object, stderr of a run in this process."""
    done = migration_tool(*arguments, "--json")
    return done.code, done.report, done.err


def run(url: str, sql: str) -> None:
    """As psql runs a file: statement by statement outside of what the file itself puts into a transaction."""
    with contextlib.closing(connection.connect(url)) as session:
        for statement in re.split(r";\n", sql):
            session.execute(statement or "SELECT 1")


def facts(url: str) -> dict:
    with contextlib.closing(connection.connect(url)) as session:
        return {identity: fact.attributes for identity, fact in live.read(session).facts.items()}


CHANGES = {
    "a column": ("ALTER TABLE users ADD email text", {"add column public.users.email"}, set()),
    "a dropped column": ("ALTER TABLE users DROP note", {"remove column public.users.note"}, {"data-loss"}),
    "an index": ("CREATE INDEX by_user ON orders (user_id)", {"add index public.by_user"}, set()),
    "a type under a view": ("DROP VIEW open_orders; ALTER TABLE orders DROP CONSTRAINT orders_user_id_fkey; ALTER TABLE orders ALTER user_id TYPE numeric; "
                            "CREATE VIEW open_orders AS SELECT id, user_id FROM orders WHERE state = 'open'", {"change column public.orders.user_id"}, {"rewrite"}),
    "strange names": ('CREATE TABLE "Or;der\n-- x" ("a""b" int); COMMENT ON TABLE "Or;der\n-- x" IS $$; DROP TABLE users; -- \'$$', {"add table public.Or;der\n-- x"}, set()),
    "not null": ("ALTER TABLE orders ALTER user_id SET NOT NULL", {"change column public.orders.user_id"}, {"fails-on-data"}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_a_live_database_is_proven_applied_and_taken_back(name, new_database, tmp_path):
    change, expected, hazards = CHANGES[name]
    old, new = new_database(SHOP), new_database(SHOP + change)
    before, after = facts(old), facts(new)
    code, said, _ = tool("--connection", old, "--compare", new)
    assert code == 0 and said["status"] == "success" and said["verified"] and said["proof"]["forward"] == said["proof"]["rollback"] == "equal" and KEYS <= set(said)
    assert expected <= {f"{one['action']} {one['kind']} {one['name']}" for one in said["changes"]}
    assert hazards <= {one["kind"] for one in said["hazards"]} and all(set(one) == {"kind", "statement", "object", "evidence", "message"} for one in said["hazards"])
    run(old, said["up_sql"])
    assert facts(old) == after
    code, none, _ = tool("--connection", old, "--compare", new, "--output", tmp_path / "m")
    assert code == 0 and none["up_sql"] == none["down_sql"] == "" and none["changes"] == none["files"] == [] and not (tmp_path / "m").exists() and none["digests"]["source"] == none["digests"]["target"]
    run(old, said["down_sql"])
    assert facts(old) == before


def test_files_get_the_same_answer_as_databases_without_the_online_forms(new_database, tmp_path):
    (tmp_path / "v1.sql").write_text(SHOP)
    (tmp_path / "v2").mkdir()
    (tmp_path / "v2" / "01_shop.sql").write_text(SHOP)
    (tmp_path / "v2" / "02_index.sql").write_text("CREATE INDEX by_user ON orders (user_id);\nCREATE TABLE extra (id int);\n")
    code, said, _ = tool(tmp_path / "v1.sql", "--compare", tmp_path / "v2")
    assert code == 0 and said["verified"] and said["added_tables"] == ["extra"] and "CONCURRENTLY" not in said["up_sql"]
    url = new_database(SHOP)
    _, on_live, _ = tool("--connection", url, "--compare", tmp_path / "v2")
    _, offline, _ = tool("--connection", url, "--compare", tmp_path / "v2", "--offline")
    assert on_live["changes"] == offline["changes"] == said["changes"] and "CREATE INDEX CONCURRENTLY" in on_live["up_sql"] and "CONCURRENTLY" not in offline["up_sql"]
    assert any("owners were not compared" in note for note in on_live["notes"])


def test_evidence_is_counted_on_the_live_database(new_database):
    url = new_database(SHOP + "INSERT INTO users (name, note) SELECT 'x', CASE WHEN n % 2 = 0 THEN 'y' END FROM generate_series(1, 4000) n; ANALYZE users")
    comparison = ["--connection", url, "--compare", new_database(SHOP + "ALTER TABLE users DROP note"), "--no-verify"]
    assert [tool(*comparison, "--fail-on", least)[0] for least in ("error", "warning")] == [1, 1]
    code, said, _ = tool(*comparison)
    assert code == 0
    assert [one["evidence"] for one in said["hazards"] if one["kind"] == "data-loss"] == ["2,000 non-null values"]
    assert "-- hazard data-loss: column public.users.note: " in said["up_sql"] and "(2,000 non-null values)" in said["up_sql"]
    assert "-- What cannot come back:" in said["down_sql"] and said["verified"] is False and "-- NOT PROVEN: --no-verify" in said["up_sql"]


def test_files_are_named_after_the_change_and_never_overwritten(new_database, tmp_path):
    old, new = new_database(SHOP), new_database(SHOP + "ALTER TABLE users ADD email text")
    written = [tool("--connection", old, "--compare", new, "--output", tmp_path / "migrations", "--no-verify")[1]["files"] for _ in range(3)]
    names = sorted(path.name for path in (tmp_path / "migrations").iterdir())
    assert len(names) == 6 and sorted(pathlib.Path(name).name for pair in written for name in pair) == names
    assert all(re.fullmatch(r"\d{14}_add_users_email_migration(_rollback)?\.sql", name) for name in names)
    for up, down in written:
        assert "ADD COLUMN email" in pathlib.Path(up).read_text() and "DROP COLUMN email" in pathlib.Path(down).read_text()


def test_of_two_files_one_is_never_left_alone(tmp_path, monkeypatch):
    def full(path: pathlib.Path, *arguments, **more):
        if "rollback" in path.name:
            raise OSError(28, "No space left on device")
        return opened(path, *arguments, **more)

    opened = pathlib.Path.open
    monkeypatch.setattr(pathlib.Path, "open", full)
    with pytest.raises(console.CommandError, match="No space left"):
        output.write_pair(str(tmp_path), "x", "up", "down")
    assert list(tmp_path.iterdir()) == []


def test_nothing_in_a_name_ends_its_comment():
    step = Step("SELECT 1", hazards=(Hazard("data-loss", Id("table", ("public", "a\r\nDROP TABLE users;\u2028x")), "rows\nSELECT 2;"),))
    text = output.script(["from a\nDROP TABLE users"], [step], lambda hazard: f"{hazard.object}: {hazard.message}")
    assert [line for line in text.splitlines() if "users" in line or "SELECT" in line] == [
        "-- from a DROP TABLE users", "-- hazard data-loss: table public.a DROP TABLE users; x: rows SELECT 2;", "SELECT 1;"]


def test_a_confirmed_rename_keeps_the_rows(new_database):
    url = new_database(SHOP + "CREATE INDEX users_name ON users (name); INSERT INTO users (name) VALUES ('Ada')")
    renamed = SHOP.replace("users", "people").replace("name text", "full_name text") + "CREATE INDEX people_name ON people (full_name)"
    new = new_database(renamed)
    assert {"kind": "table", "from": "users", "to": "people"}.items() <= tool("--connection", url, "--compare", new, "--no-verify")[1]["rename_candidates"][0].items()
    code, said, _ = tool("--connection", url, "--compare", new, "--rename", "users=people", "--rename", "users.name=people.full_name")
    assert code == 0 and said["verified"] and said["hazards"] == [] and said["rename_candidates"] == []
    run(url, said["up_sql"])
    with contextlib.closing(connection.connect(url)) as session:
        assert session.execute("SELECT full_name FROM people").fetchone() == ("Ada",)
    assert facts(url) == facts(new)


@pytest.mark.parametrize("rename, words", [("users", "expected OLD=NEW"), ("users=users", "not in the target alone"), ("users.name=users.nickname", "not in the target alone"), ("users=extra.people", "schemas differ")])
def test_a_rename_that_does_not_fit_is_explained(rename, words, new_database):
    new = new_database("CREATE SCHEMA extra; CREATE TABLE extra.people (id int); CREATE TABLE orders (id int)")
    code, said, _ = tool("--connection", new_database(SHOP), "--compare", new, "--rename", rename)
    assert code == 2 and words in said["error"]["message"] and said["error"]["code"] == "RENAME"


def test_a_wrong_plan_is_not_called_proven(new_database, monkeypatch):
    right = plan.migration
    monkeypatch.setattr(plan, "migration", lambda *asked: [step for step in right(*asked) if "email" not in step.sql])
    code, said, _ = tool("--connection", new_database(SHOP), "--compare", new_database(SHOP + "ALTER TABLE users ADD email text; ALTER TABLE orders ADD x int"))
    assert code == 1 and said["status"] == "findings" and said["verified"] is False and said["proof"]["forward"] == "different"
    assert any("column public.users.email" in line for line in said["proof"]["differences"]) and "NOT PROVEN" in said["up_sql"]


def test_what_a_trial_shows_to_be_missing_is_added(new_database, monkeypatch):
    right, calls = plan.migration, []

    def forgetful(old, new, *asked):
        calls.append(1)
        steps = right(old, new, *asked)
        return [step for step in steps if "email" not in step.sql] if len(calls) <= 2 else steps

    monkeypatch.setattr(plan, "migration", forgetful)
    new = new_database(SHOP + "ALTER TABLE users ADD email text; ALTER TABLE orders ADD x int")
    url = new_database(SHOP)
    code, said, _ = tool("--connection", url, "--compare", new)
    assert code == 0 and said["verified"]
    run(url, said["up_sql"])
    assert facts(url) == facts(new)


def test_of_a_big_schema_the_proof_makes_what_the_change_needs(new_database, monkeypatch):
    tables = "".join(f"CREATE TABLE t{n} (id int PRIMARY KEY, parent int REFERENCES t{n - 1});" for n in range(1, 30))
    big = f"{SHOP} CREATE TABLE t0 (id int PRIMARY KEY); {tables}"
    monkeypatch.setattr(closure, "WHOLE", 20)
    _, said, _ = tool("--connection", new_database(big), "--compare", new_database(big + "ALTER TABLE orders ALTER user_id SET NOT NULL"))
    assert said["verified"] and said["proof"]["scope"]["objects"] < said["proof"]["scope"]["of"] / 2


def test_code_of_a_schema_does_not_run_with_a_superusers_rights(new_database):
    """A materialized view's query runs while the migration is tried out."""
    spy = """CREATE FUNCTION spy() RETURNS text LANGUAGE plpgsql AS $$ BEGIN IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN RAISE 'a superuser'; END IF; RETURN 'x'; END $$;
    CREATE MATERIALIZED VIEW seen AS SELECT spy() AS it;"""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(scratch.server())
        url = server.loader_url(stack.enter_context(server.database()))
        run(url, spy)
        code, said, _ = tool("--connection", url, "--compare", new_database())
    assert code == 0 and said["verified"], said["proof"]


@pytest.mark.parametrize("sql, line, words", [("CREATE TABLE a (id int);\nCREATE TABEL b (id int);", 2, "syntax error"), ("CREATE TABLE a (id int);\n\nCREATE TABLE a (id int);", 3, "already exists"),
                                              ("CREATE VIEW v AS\nSELECT missing FROM pg_class;", 2, "does not exist"), ("CREATE TABLE a (name text DEFAULT 'x", 1, "never ends")])
def test_a_file_that_is_no_schema_names_the_line(sql, line, words, tmp_path):
    (tmp_path / "old.sql").write_text(SHOP)
    (tmp_path / "new.sql").write_text(sql)
    code, said, err = tool(tmp_path / "old.sql", "--compare", tmp_path / "new.sql", "--output", tmp_path / "m")
    assert code == 2 and f"new.sql:{line}: " in said["error"]["message"] and words in said["error"]["message"] and said["error"]["message"] in err and not (tmp_path / "m").exists()


def test_two_files_that_say_nothing_are_an_error(tmp_path):
    for name in ("a.sql", "b.sql"):
        (tmp_path / name).write_text("-- nothing\n")
    code, said, _ = tool(tmp_path / "a.sql", "--compare", tmp_path / "b.sql")
    assert code == 2 and said["error"]["code"] == "NOTHING_UNDERSTOOD"
    (tmp_path / "b.sql").write_text(SHOP)
    assert tool(tmp_path / "a.sql", "--compare", tmp_path / "b.sql")[1]["added_tables"] == ["orders", "users"]


def test_an_unreachable_server_is_named_without_its_password():
    code, said, err = tool("--connection", "postgres://ada:s3cret@127.0.0.1:1/shop", "--compare", "x.sql")
    assert code == 4 and "127.0.0.1" in said["error"]["message"] and "s3cret" not in err + json.dumps(said)


def test_without_a_server_to_try_on_files_are_compared_by_parser(tmp_path, monkeypatch):
    def none(*_: object):
        raise console.CommandError("no PostgreSQL server programs", "install them", console.ExitCode.ENVIRONMENT, "NO_SCRATCH_SERVER")

    monkeypatch.setattr("senior_backend.postgres.binaries.find", none)
    (tmp_path / "old.sql").write_text(SHOP)
    (tmp_path / "new.sql").write_text(SHOP.replace("note text", "note text, email text"))
    code, said, _ = tool(tmp_path / "old.sql", "--compare", tmp_path / "new.sql")
    assert code == 0 and said["verified"] is False and "ALTER TABLE public.users ADD COLUMN email text;" in said["up_sql"] and any("by parser alone" in note for note in said["notes"])
    assert "NOT PROVEN: no PostgreSQL server programs" in said["up_sql"]


@pytest.mark.parametrize("arguments, words", [
    ([], "no source"), (["a.sql", "--connection", "postgres://h/d", "--compare", "b.sql"], "two sources"), (["a.sql", "--compare", "b.sql", "--migrate", "c.sql"], "exclude each other"),
    (["a.sql", "--compare", "b.sql", "--dry-run"], "--dry-run does not go with --compare"), (["postgres://bob:pw@h/d", "--compare", "b.sql"], "stands after --connection"),
    (["a.sql", "--compare", "b.sql", "--surprise"], "unrecognized"), (["no_such.sql", "--compare", "b.sql"], "no such file"),
])
def test_arguments_that_make_no_sense_are_explained(arguments, words):
    code, said, err = tool(*arguments)
    assert code == 2 and words in said["error"]["message"] and said["error"]["hint"] and "pw" not in err


def test_the_whole_output_reads_well(new_database):
    old, new = new_database(SHOP), new_database(SHOP + "ALTER TABLE users DROP note, ADD email text; CREATE UNIQUE INDEX users_email ON users (email); CREATE TABLE tags (id int PRIMARY KEY, label text NOT NULL)")
    done = run_script("database_migration_tool", "--connection", old, "--compare", new)
    text = re.sub(r"schema [0-9a-f]{16}", "schema DIGEST", re.sub(r"PostgreSQL \d+\.\d+", "PostgreSQL VERSION", done.out.replace(connection.masked(old), "OLD").replace(connection.masked(new), "NEW")))
    assert done.code == 0
    compare_golden("migration.txt", text)
