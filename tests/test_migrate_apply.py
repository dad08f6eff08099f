"""--migrate, --rollback, --status on a real server: killed anywhere it is taken up again, and it says no where it must."""
from __future__ import annotations

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

import psycopg
import pytest
from conftest import ROOT, migration_tool

from senior_backend.migrate.apply import executor, session
from senior_backend.postgres import connection, live, scratch


class World:
    """One database and the files that are run on it."""

    def __init__(self, url: str, folder: pathlib.Path):
        self.url, self.folder = url, folder

    def file(self, name: str, text: str) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return str(path)

    def run(self, *arguments: str) -> tuple[int, dict, str]:
        """(exit code, JSON, stderr) of the tool."""
        done = migration_tool("--connection", self.url, *arguments, "--json")
        return done.code, done.report, done.err

    def run_and_die(self, file: str, calls: int) -> int:
        """Run in a process of its own that ends by SIGKILL behind its n-th statement; the signal that ended it."""
        child = os.fork()
        if child:
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        real, left = psycopg.Connection.execute, [calls]

        def execute(connection: psycopg.Connection, *arguments: object, **options: object) -> object:
            result = real(connection, *arguments, **options)
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        psycopg.Connection.execute = execute
        self.run("--migrate", file)
        os._exit(99)

    def start(self, *arguments: str) -> subprocess.Popen:
        return subprocess.Popen([sys.executable, str(ROOT / "scripts/database_migration_tool.py"), "--connection", self.url, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def connect(self) -> contextlib.closing:
        return contextlib.closing(connection.connect(self.url))

    def value(self, query: str, *parameters: object) -> object:
        with self.connect() as opened:
            return (opened.execute(query, parameters or None).fetchone() or [None])[0]

    def wait_for(self, query: str, *parameters: object, seconds: float = 10) -> object:
        """The first true value of a query."""
        deadline = time.monotonic() + seconds
        while not (found := self.value(query, *parameters)):
            assert time.monotonic() < deadline, query
            time.sleep(0.02)
        return found


@pytest.fixture
def world(new_database, tmp_path) -> World:
    return World(new_database(), tmp_path)


STEPS = """
create table ledger (id bigint generated always as identity primary key, v int);
insert into ledger (v) select generate_series(1, 30);
begin;
alter table ledger add column w int;
insert into ledger (v) values (0);
commit;
create index concurrently on ledger (v);
set search_path = pg_catalog, public;
drop index concurrently ledger_v_idx;
create unique index concurrently ledger_u on public.ledger (id, v);
insert into public.ledger (v) values (-1);
"""
STATE = """
select (select count(*) from public.ledger) || ' ' || (select count(*) from pg_index where not indisvalid) || ' ' ||
       (select string_agg(relname, ',' order by relname) from pg_class where relkind = 'i' and relnamespace = 'public'::regnamespace) || ' ' ||
       (select count(*) || '/' || count(*) filter (where state = 'done') from senior_backend_history.statements)"""
WHOLE = "32 0 ledger_pkey,ledger_u 9/9"
IN_BUILD = "select pid from pg_stat_activity where query ilike 'create%index concurrently%%' and wait_event_type = 'Lock' and datname = current_database()"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_killed_after_any_statement_it_converges(world, monkeypatch):
    """At every boundary between two statements, those of the file and the tool's own alike."""
    calls, real = [], psycopg.Connection.execute
    with monkeypatch.context() as patched:
        patched.setattr(psycopg.Connection, "execute", lambda self, *arguments, **options: (calls.append(str(arguments[0])), real(self, *arguments, **options))[1])
        file = world.file("steps.sql", STEPS)
        code, _, err = world.run("--migrate", file)
    assert code == 0 and world.value(STATE) == WHOLE, err
    first = next(number for number, text in enumerate(calls, 1) if "create table if not exists" in text)
    last = max(number for number, text in enumerate(calls, 1) if "senior_backend_history" in text)
    assert last - first > 20
    wrong = []
    for point in range(first, last + 1):
        with world.connect() as opened:
            opened.execute("drop schema public, senior_backend_history cascade; create schema public")
        ended = world.run_and_die(file, point)
        code, report, err = world.run("--migrate", file)
        if (ended, code) != (-signal.SIGKILL, 0) or world.value(STATE) != WHOLE:
            wrong.append((point, calls[point - 1], ended, code, err))
    assert wrong == []


@contextlib.contextmanager
def held_up_build(world: World):
    """(process, pid of its server process): a migration in the middle of CREATE INDEX CONCURRENTLY, kept there by an open transaction until the block ends."""
    with world.connect() as opened:
        opened.execute("create table orders (id int, note text); insert into orders select g, 'x' from generate_series(1, 100) g")
        opened.execute("begin; insert into orders values (0, 'open')")
        file = world.file("build.sql", "select 1;\ncreate unique index concurrently orders_id on orders (id);")
        process = world.start("--migrate", file)
        yield process, world.wait_for(IN_BUILD), file
        opened.execute("rollback")


def test_a_build_that_goes_on_without_its_client_is_reported_with_its_pid(world, monkeypatch):
    monkeypatch.setattr(session, "WAIT_SECONDS", 0.6)
    with held_up_build(world) as (process, pid, file):
        process.kill()
        process.communicate()
        code, report, err = world.run("--migrate", file)
        assert code == 4 and report["error"]["code"] == "LOCKED" and str(pid) in report["error"]["message"] and "building an index on orders" in err
    monkeypatch.setattr(session, "WAIT_SECONDS", 20)
    code, report, err = world.run("--migrate", file)
    assert code == 0 and world.value("select indisvalid from pg_index where indexrelid = 'orders_id'::regclass"), err
    assert world.value("select count(*) from pg_index where indrelid = 'orders'::regclass") == 1


def test_a_terminated_server_process_leaves_nothing_behind(world):
    with held_up_build(world) as (process, pid, file):
        world.value("select pg_terminate_backend(%s)", pid)
        _, err = process.communicate(timeout=10)
        assert process.returncode == 4 and "run the same command again" in err
        assert world.value("select count(*) from pg_index where not indisvalid") == 1
    assert world.run("--status")[1]["migrations"][0]["state"] == "interrupted"
    code, report, err = world.run("--migrate", file)
    assert code == 0 and report["skipped"] == 1 and "dropping the invalid index" in err
    assert world.value("select count(*) filter (where indisvalid) || '/' || count(*) from pg_index where indrelid = 'orders'::regclass") == "1/1"


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_after_a_crash_of_the_server_it_converges(tmp_path):
    with scratch.server() as server:
        server.admin.execute("create database crashing")
        world = World(server.url("crashing"), tmp_path)
        with contextlib.suppress(psycopg.OperationalError), held_up_build(world) as (process, pid, file):
            os.kill(pid, signal.SIGKILL)            # the server ends all its processes and recovers from its log
            assert process.wait(timeout=10) == 4
        deadline = time.monotonic() + 10
        while (code := world.run("--migrate", file)[0]) == 4 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert code == 0 and world.value("select count(*) filter (where indisvalid) || '/' || count(*) from pg_index where indrelid = 'orders'::regclass") == "1/1"
        server.admin.close()


def test_two_at_once_run_one_after_the_other(world):
    file = world.file("slow.sql", "create table t (id int);\nselect pg_sleep(0.5);\ninsert into t values (1);")
    processes = [world.start("--migrate", file) for _ in range(3)]
    assert [process.wait(timeout=30) for process in processes] == [0, 0, 0]
    assert world.value("select count(*) from t") == 1 and sum("nothing to do" in process.communicate()[0] for process in processes) == 2


def test_a_lock_is_asked_for_again_until_it_is_given(world, monkeypatch):
    monkeypatch.setattr(executor, "FIRST_PAUSE", 0.05)
    file = world.file("locked.sql", "set lock_timeout = '150ms';\nalter table t add column b int;")
    with world.connect() as opened:
        opened.execute("create table t (a int)")
        opened.execute("begin; select * from t")
        threading.Timer(0.6, opened.rollback).start()
        code, report, err = world.run("--migrate", file)
        assert code == 0 and "attempt 2 of 8" in err
        opened.execute("begin; select * from t")
        monkeypatch.setattr(executor, "ATTEMPTS", 2)
        code, report, err = world.run("--migrate", world.file("locked2.sql", "set lock_timeout = '50ms';\ndrop table t"), "--allow-hazards", "data-loss")
        assert code == 4 and report["error"]["code"] == "LOCK_TIMEOUT" and report["done"] == 1


def test_a_failing_statement_says_where_and_what_is_left(world):
    text = "create table t (id int primary key);\n\ninsert into t values (7);\nbegin;\nalter table t add column b int;\ninsert into t\nvalues (7);\ncommit;\nselect 1;"
    code, report, err = world.run("--migrate", world.file("f.sql", text))
    message = report["error"]["message"]
    assert code == 2 and "f.sql:6: statement 4 of 5 failed: duplicate key" in message and "statements 1 to 2 are applied" in message and "(7)" not in err.replace("values (7)", "")
    assert world.value("select count(*) from information_schema.columns where table_name = 't'") == 1
    assert world.run("--status")[1]["migrations"][0]["error"]["statement"] == 4
    corrected = world.file("f.sql", text.replace("values (7);\ncommit", "values (8);\ncommit"))
    code, report, _ = world.run("--migrate", corrected)
    assert code == 0 and (report["applied"], report["skipped"]) == (3, 2)
    assert world.run("--migrate", corrected)[1]["applied"] == 0
    code, report, _ = world.run("--migrate", world.file("f.sql", text + "\nselect 2;"))
    assert code == 3 and report["error"]["code"] == "CHANGED"


def test_a_unique_index_that_cannot_be_built_is_not_left_invalid(world):
    code, report, err = world.run("--migrate", world.file("u.sql", "create table t (a int);\ninsert into t values (1), (1);\ncreate unique index concurrently t_a on t (a);"))
    assert code == 2 and world.value("select count(*) from pg_index where indrelid = 't'::regclass") == 0


@pytest.mark.parametrize("statement", ["drop table kept", "alter table kept drop column a", "truncate kept", "delete from kept where a = 1", "drop schema s cascade", "with x as (delete from kept returning a) select * from x",
                                       "do $$ begin execute 'drop table ' || quote_ident('kept'); end $$", "alter table kept alter a type int using 0", "alter table kept alter a type int", "alter table kept alter b type varchar(3) using b::varchar(3)", "alter table kept alter c type date",
                                       "merge into kept using s.t on true when matched then delete"])
def test_what_loses_data_must_be_allowed(world, statement):
    with world.connect() as opened:
        opened.execute("create schema s; create table s.t (); create table kept (a numeric, b text, c timestamp); insert into kept values (1)")
    file = world.file("loss.sql", f"create table made (a int);\ninsert into made values (1);\ndelete from made;\ndrop table made;\ndrop table if exists never_there;\n{statement};")
    code, report, err = world.run("--migrate", file)
    assert code == 3 and report["error"]["code"] == "DATA_LOSS" and [one["kind"] for one in report["hazards"]] == ["data-loss"] and "loss.sql:6" in err
    assert world.value("select count(*) from kept") == 1 and world.value("select to_regclass('made')") is None
    assert world.run("--migrate", file, "--allow-hazards", "data-loss")[0] == 0


def test_what_code_destroys_is_undone_unless_allowed(world):
    with world.connect() as opened:
        opened.execute("create table kept (a int); insert into kept values (1); create function f() returns void language plpgsql as $$ begin execute chr(116) || 'runcate kept'; end $$")
        opened.execute("create function g() returns void language sql as 'delete from kept'; create function h() returns void language plpgsql as $$ begin execute 'alter table kept ' || 'drop a'; end $$")
    for name in "fgh":
        file = world.file(f"{name}.sql", f"create table {name}_t (a int);\nselect {name}();")
        code, report, err = world.run("--migrate", file)
        assert code == 3 and report["error"]["code"] == "DATA_LOSS" and f"{name}.sql:2" in err and world.value("select a from kept") == 1
    assert world.run("--migrate", file, "--allow-hazards", "data-loss")[1]["skipped"] == 1
    marked = world.file("marked.sql", "-- hazard data-loss: labels are lost (3 rows)\nselect 1;")
    assert world.run("--migrate", marked)[1]["hazards"][0]["message"] == "labels are lost (3 rows)"


def test_rollback_and_forward_again(world):
    pair = "create table t (a int);", "drop table t;"
    for up, down in (("1_x_migration.sql", "1_x_migration_rollback.sql"), ("2.up.sql", "2.down.sql"), ("3/up.sql", "3/down.sql"), ("V4__x.sql", "U4__x.sql")):
        forward, back = world.file(up, pair[0]), world.file(down, pair[1])
        assert world.run("--rollback", forward)[1]["error"]["code"] == "NOT_APPLIED"
        assert world.run("--migrate", forward)[0] == 0
        assert world.run("--rollback", forward)[0] == 3                 # a table is lost
        assert world.run("--rollback", back, "--allow-hazards", "data-loss")[1]["state"] == "rolled back"
        assert world.run("--rollback", forward)[1]["applied"] == 0
        assert world.run("--migrate", forward)[1]["applied"] == 1
        assert world.run("--rollback", forward, "--allow-hazards", "data-loss")[0] == 0
    with world.connect() as opened:
        assert [identity for identity in live.read(opened).facts if "senior_backend_history" in str(identity)] == []
    assert [(one["file"], one["state"]) for one in world.run("--status")[1]["migrations"]][2] == ("3/up.sql", "rolled back")
    assert world.run("--rollback", world.file("alone.sql", "select 1"))[1]["error"]["code"] == "NO_ROLLBACK"


def test_a_role_without_rights_on_the_history_is_told_which_it_needs(world):
    file = world.file("m.sql", "create table t ();")
    assert world.run("--migrate", file)[0] == 0
    with world.connect() as opened:
        opened.execute("create role passer_by login password 'hidden-word'")
        try:
            poor = World(re.sub(r"user=\S+", "user=passer_by", world.url).replace(opened.info.password, "hidden-word"), world.folder)
            for arguments in (["--status"], ["--migrate", file], ["--migrate", file, "--dry-run"]):
                code, report, err = poor.run(*arguments)
                assert code == 4 and report["error"]["code"] == "PRIVILEGES" and "GRANT USAGE ON SCHEMA senior_backend_history TO passer_by" in err
        finally:
            opened.execute("drop role passer_by")


FORMATS = {
    "goose": ("-- +goose Up\n-- +goose StatementBegin\ncreate function f() returns int language plpgsql as $$ begin return 1; end; $$;\n-- +goose StatementEnd\ncreate table t (a int);\n"
              "-- +goose Down\ndrop function f();\ndrop table t;", 2),
    "goose apart": ("-- +goose NO TRANSACTION\n-- +goose Up\ncreate table t (a int);\ncreate index concurrently on t (a);\n-- +goose Down\ndrop table t;", 2),
    "dbmate": ("-- migrate:up transaction:false\ncreate table t (a int);\ncreate index concurrently i on t (a);\n-- migrate:down\ndrop table t;", 2),
    "sql-migrate": ("-- +migrate Up\ncreate table t (a int);\n-- +migrate Down\ndrop table t;", 1),
    "pg_dump": ("\\restrict abc\nset client_encoding = 'UTF8';\nselect pg_catalog.set_config('search_path', '', false);\ncreate table public.t (a int);\ncopy public.t (a) from stdin;\n1\n2\n\\.\n"
                "create function public.g() returns int language sql begin atomic select 1; select 2; end;\n\\unrestrict abc", 5),
    "temporary": ("create temp table ids as select 1 as id;\ncreate table t (a int);\ninsert into t select id from ids;\nset role postgres;\ncreate table u (a int)", 5),
    "include": ("create table t (a int);\n\\ir parts/more.sql", 2),
}


@pytest.mark.parametrize("name", FORMATS)
def test_files_of_other_tools(world, name):
    text, statements = FORMATS[name]
    world.file("parts/more.sql", "insert into t values (1)")
    file = world.file("m.sql", text)
    code, report, err = world.run("--migrate", file)
    assert code == 0 and report["total"] == statements, err
    assert world.value("select to_regclass('public.t') is not null")
    if "own" in text:
        assert world.run("--rollback", file, "--allow-hazards", "data-loss")[0] == 0 and world.value("select to_regclass('public.t')") is None


REFUSED = [
    ("copy t from program 'cat /etc/passwd'", 3, "STATEMENT_REFUSED"), ("\\! ls", 3, "PSQL_COMMAND"), ("\\copy t from 'x'", 3, "PSQL_COMMAND"), ("\\i ../outside.sql", 3, "OUTSIDE_FOLDER"), ("create database x", 3, "STATEMENT_REFUSED"),
    ("alter system set work_mem = 1", 3, "STATEMENT_REFUSED"), ("discard all", 3, "STATEMENT_REFUSED"), ("select pg_advisory_unlock_all()", 3, "STATEMENT_REFUSED"), ("prepare transaction 'x'", 3, "STATEMENT_REFUSED"),
    ("do $$ begin execute 'copy t to program ''ls'''; end $$", 3, "STATEMENT_REFUSED"),
    ("-- nothing", 2, "NO_STATEMENTS"), ("begin; commit;", 2, "NO_STATEMENTS"), ("selec 1", 2, "SQL_SYNTAX"), ("select 'abc", 2, "SQL_SYNTAX"), ("create table {{ .Namespace }}.t ()", 2, "SQL_SYNTAX"),
    ("begin; create table t ()", 2, "TRANSACTIONS"), ("select 1; commit", 2, "TRANSACTIONS"), ("begin; create index concurrently i on t (a); commit", 2, "TRANSACTIONS"),
]


@pytest.mark.parametrize("text, code, identifier", REFUSED)
def test_what_is_never_run(world, text, code, identifier):
    found, report, err = world.run("--migrate", world.file("m/x.sql", "create table before (a int);\n" * (identifier != "NO_STATEMENTS") + text))
    assert (found, report["error"]["code"]) == (code, identifier) and "x.sql" in err
    assert world.value("select to_regclass('before') is null and to_regnamespace('senior_backend_history') is null")


def test_a_server_that_only_reads_and_a_pooler_are_refused(world, monkeypatch):
    file = world.file("m.sql", "create table t ();")
    with world.connect() as opened:
        opened.execute(f"alter database {opened.info.dbname} set default_transaction_read_only = on")
    assert world.run("--migrate", file)[1]["error"]["code"] == "READ_ONLY"
    with world.connect() as opened:
        opened.execute("set default_transaction_read_only = off")
        opened.execute(f"alter database {opened.info.dbname} reset default_transaction_read_only")
    monkeypatch.setattr(session, "server_process", lambda connection: 4711)         # two connections, one process
    assert world.run("--migrate", file)[1]["error"]["code"] == "POOLER"
