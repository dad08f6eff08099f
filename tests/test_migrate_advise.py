"""--suggest-indexes: the stand-in plans as the database does, the advice is what a careful person would give, holds when measured, and says what it rests on."""
from __future__ import annotations

import contextlib
import json
import pathlib
import re
import subprocess

import psycopg
import pytest
from conftest import execute, migration_tool, special_postgres
from hypothesis import given
from hypothesis import strategies as st

from senior_backend.console import CommandError, ExitCode
from senior_backend.migrate import sources
from senior_backend.migrate.advise import choice, report, statements
from senior_backend.migrate.advise.facts import Facts
from senior_backend.migrate.advise.stage import Stage
from senior_backend.postgres import binaries, cluster, connection, live

TABLES = """
create table people (id bigint generated always as identity primary key, email varchar(80) not null, city text not null, parent_id bigint references people, left_at timestamptz);
create table tickets (id bigint primary key, owner_id bigint not null references people, state text not null, title text not null, tags text[] not null, extra jsonb not null,
  made timestamptz not null, during tstzrange not null, note text);
create table audit (id bigint generated always as identity primary key, what text not null, at timestamptz not null default now());
create table lookup (code text primary key, person_id bigint references people);
create index lookup_again on lookup (code);
insert into people (email, city, parent_id, left_at) select 'P' || g || '@x.org', 'city ' || g % 400, case when g % 20 = 0 then 1 + g % 900 end, case when g % 50 <> 0 then now() end from generate_series(1, 20000) g;
insert into tickets select g, 1 + (g::bigint * 7919) % 20000, case when g % 100 = 0 then 'waiting' else 'closed' end, 'Title ' || md5(g::text), array['t' || g % 500], jsonb_build_object('k', g % 9000, 'z', 'q' || g),
  now() - (60000 - g) * interval '1 min', tstzrange(now() + g * interval '1 min', now() + g * interval '2 min'), repeat('n', 40) from generate_series(1, 60000) g;
insert into audit (what) select 'x' from generate_series(1, 5000); insert into lookup select 'c' || g, g from generate_series(1, 20) g"""
# a statement -> what is chosen for it alone: the indexes by their shape
CASES = {
    "select * from tickets where owner_id = 77": ["(owner_id)"],
    "select title from tickets where owner_id = 77 and made > now() - interval '900 hours'": ["(owner_id)"],
    "select id from tickets order by made desc limit 10": ["(made DESC)"],
    "select id from people where city = 'city 7' order by email limit 3": ["(city, email)"],
    "select id from people where lower(email) = 'p77@x.org'": ["(lower(email::text))"],
    "select id from people where email like 'P77%'": ["(email varchar_pattern_ops)"],
    "select id from tickets where title ilike '%a7b3c%'": ["USING gin (title gin_trgm_ops)"],
    "select id from tickets where tags @> array['t7']": ["USING gin (tags)"],
    "select id from tickets where extra @> '{\"k\": 7}'": ["USING gin (extra jsonb_path_ops)"],
    "select id from tickets where extra ->> 'z' = 'q7'": ["((extra ->> 'z'::text))"],
    "select id from tickets where to_tsvector('english', title) @@ plainto_tsquery('english', 'abc')": ["USING gin (to_tsvector('english'::regconfig, title))"],
    "select count(*) from tickets where during && tstzrange(now() + interval '9 hours', now() + interval '10 hours')": ["USING gist (during)"],
    "select id from people where parent_id = 7": ["(parent_id) WHERE parent_id IS NOT NULL"],
    "select id, email from people where city = 'city 7' and left_at is null": ["(city) WHERE left_at IS NULL"],
    "select id from tickets where state = 'waiting' order by made limit 20": ["(made) WHERE state = 'waiting'::text"],
    "select * from tickets where (made, id) < (now() - interval '10 days', 5) order by made desc, id desc limit 5": ["(made, id)"],
    "select p.email from people p where exists (select 1 from tickets t where t.owner_id = p.id and t.title = 'none')": ["(title)"],
    "select max(made) from tickets where owner_id = 7": ["(owner_id)"],
    "select id from tickets where owner_id = 5 or title = 'x'": ["(owner_id)", "(title)"],
    "update tickets set note = 'x' where title = 'abc'": ["(title)"],
    "delete from tickets where owner_id in (1, 2)": ["(owner_id)"],
    "select * from (select owner_id, count(*) n from tickets group by 1) x where owner_id = 8": ["(owner_id)"],
    "select * from tickets where id = 5": [], "select count(*) from tickets": [], "select * from lookup where person_id = 3": [], "insert into audit (what) values ('y')": [],
    "select id from tickets where state = 'closed'": [],
}
WORKLOAD = [
    (30, "select * from tickets where owner_id = {n} order by made desc limit 5"), (30, "select id from people where lower(email) = 'p{n}@x.org'"), (20, "select id, title from tickets where tags @> array['t{n}']"),
    (9, "select id from tickets where state = 'waiting' order by made limit 20"), (9, "select id from tickets where title ilike '%{n:05x}%'"), (20, "select id from people where parent_id = {n}"),
    (60, "insert into audit (what) values ('{n}')"), (9, "update tickets set note = 'n{n}' where id = {n}"), (9, "select * from lookup where person_id = {n}"),
]
CHOSEN = {
    "CREATE INDEX CONCURRENTLY tickets_owner_id_idx ON public.tickets (owner_id)", "CREATE INDEX CONCURRENTLY people_lower_email_idx ON public.people (lower(email::text))",
    "CREATE INDEX CONCURRENTLY tickets_tags_gin_idx ON public.tickets USING gin (tags)", "CREATE INDEX CONCURRENTLY tickets_made_state_waiting_idx ON public.tickets (made) WHERE state = 'waiting'::text",
    "CREATE EXTENSION IF NOT EXISTS pg_trgm", "CREATE INDEX CONCURRENTLY tickets_title_trgm_idx ON public.tickets USING gin (title gin_trgm_ops)",
    "CREATE INDEX CONCURRENTLY people_parent_id_not_null_idx ON public.people (parent_id) WHERE parent_id IS NOT NULL", "DROP INDEX CONCURRENTLY public.lookup_again",
}


def tool(*arguments: object) -> tuple[int, str, str]:
    done = migration_tool(*arguments)
    return done.code, done.out, done.err


def advice(*arguments: object, code: int = 0) -> dict:
    found, out, err = tool(*arguments, "--suggest-indexes", "--json")
    assert found == code, err
    return json.loads(out)


def use(url: str) -> None:
    execute(url, "vacuum analyze")
    with contextlib.closing(connection.connect(url)) as session:
        for times, sql in WORKLOAD:
            for n in range(1, times + 1):
                session.execute(sql.format(n=n * 37))


@pytest.fixture(scope="module")
def filled(counting):
    """URL of a database with TABLES, for tests that do not change it."""
    with counting.database() as name:
        execute(counting.url(name), TABLES)
        execute(counting.url(name), "vacuum analyze")
        yield counting.url(name)


@pytest.fixture(scope="module")
def stage(filled):
    """A stand-in of it, with pg_trgm as if it could be installed, and a session on the database itself."""
    with contextlib.ExitStack() as stack:
        session, asking = (stack.enter_context(contextlib.closing(connection.connect(filled, max_parallel_workers_per_gather="0"))) for _ in range(2))
        workshop, catalogue, facts = stack.enter_context(sources.Workshop(None)), live.read(asking), Facts.read(asking)
        facts.learn(session, facts.relations)
        yield Stage(workshop.server(), stack, catalogue, facts, set(facts.relations), set()), session


@pytest.mark.parametrize("sql", CASES)
def test_each_statement_gets_its_index(sql, stage):
    """And the stand-in's cost of today is the database's own, though it has no rows."""
    stand_in, session = stage
    stand_in.show({table for table in stand_in.facts.relations}, ())
    own = session.execute(f"explain (format json) {sql}").fetchone()[0][0]["Plan"]["Total Cost"]
    assert stand_in.plan(sql)["Total Cost"] == pytest.approx(own, rel=0.02, abs=1)
    planning = choice.Planning(stand_in, stand_in.facts, float("inf"))
    one = statements.statement(sql, strict=True)
    one.calls, one.literals = 100, [sql]
    queries = planning.queries([one])
    choice.propose(planning, queries)
    picked = choice.Choice(planning, queries, choice.Writes([one], stand_in.facts)).run()
    assert sorted(each.shape for each in picked) == sorted(CASES[sql])
    for each in picked:         # the estimated size, against the index itself
        if not each.extension:
            with contextlib.closing(connection.connect(session.info.dsn)) as builder, builder.transaction(force_rollback=True):
                builder.execute(each.sql("really"))
                real = builder.execute("select pg_relation_size('really')").fetchone()[0]
            times = 2 if each.method == "btree" else 4
            assert real / times <= stand_in.bytes[each] + 32768 and stand_in.bytes[each] <= times * real + 32768


def test_advice_for_a_workload_is_applied_taken_back_and_then_enough(counted, tmp_path):
    url = counted(TABLES)
    use(url)
    with contextlib.closing(connection.connect(url)) as session:
        before = live.read(session).digest()
        told = advice("--connection", url, "--output", tmp_path, "--verify")
        assert live.read(session).digest() == before
    made = told["suggestions"]
    assert {one["sql"] for one in made} == CHOSEN and told["suggestions_count"] == len(made) and told["workload"] == "pg_stat_statements"
    assert [one["action"] for one in made].index("extension") < next(place for place, one in enumerate(made) if "gin_trgm" in one["sql"]) and made[-1]["action"] == "drop"
    for one in made:
        assert {"table", "columns", "reason", "sql", "evidence"} <= set(one) and not one["guess"]
        if one["action"] == "create":
            assert one["queries"] and one["size_bytes"] and one["writers"] and one["queries"][0]["cost_after"] < one["queries"][0]["cost_before"]
            assert one["measured"]["used"] and one["measured"]["after_ms"] < one["measured"]["before_ms"] and one["measured"]["rows"] == "all"
    assert not re.search(r"p37@|n37|'x'", json.dumps(told)) and told["estimated_total_ms"] < told["total_ms"] / 5
    up, down = map(pathlib.Path, told["files"])
    assert tool("--connection", url, "--migrate", up)[0] == 0
    use(url)
    again = advice("--connection", url)
    assert [one["sql"] for one in again["suggestions"]] == []
    with contextlib.closing(connection.connect(url)) as session:
        used = session.execute("select count(*) from pg_stat_user_indexes where idx_scan > 0 and indexrelname = any(%s)", [[one["index"] for one in made]]).fetchone()[0]
    assert used == 6 and tool("--connection", url, "--rollback", up)[0] == 0 and down.is_file()


def test_a_file_of_statements_instead_of_counted_ones(filled, tmp_path):
    work = tmp_path / "work.sql"
    work.write_text("\\timing on\nselect * from tickets where owner_id = 5;\nselect * from tickets where owner_id = 6;\nselect from from;\ncreate table no (a int);\nselect id from tickets where title = ?;\n")
    told = advice("--connection", filled, "--workload", work)
    assert [one["sql"].partition(" ON ")[2] for one in told["suggestions"] if one["action"] == "create"] == ["public.tickets (owner_id)", "public.tickets (title)"]
    assert [note.partition("work.sql:")[2].partition(":")[0] for note in told["notes"]] == ["4", "5"] and told["total_ms"] > 0
    work.write_text("select * from elsewhere;")
    assert advice("--connection", filled, "--workload", work, code=2)["error"]["code"] == "NO_STATEMENTS"
    work.write_text("create table t (a int);")
    assert "neither reads nor changes rows" in advice("--connection", filled, "--workload", work, code=2)["error"]["message"]
    work.write_text("select 'open")
    assert f"{work}:1: this string never ends" in advice("--connection", filled, "--workload", work, code=2)["error"]["message"]


def test_every_version_plans_alike(every_postgres, tmp_path):
    (tmp_path / "work.sql").write_text("select * from tickets where owner_id = 5; select id from people where lower(email) = $1; select id from tickets where state = 'waiting' order by made limit 20;")
    with every_postgres.database() as name:
        execute(every_postgres.url(name), TABLES)
        execute(every_postgres.url(name), "vacuum analyze")
        told = advice("--connection", every_postgres.url(name), "--workload", tmp_path / "work.sql")
    assert {one["sql"] for one in told["suggestions"]} < CHOSEN and len(told["suggestions"]) == 4 and f"PostgreSQL {every_postgres.text}" in told["planner"]


def test_of_a_schema_file_there_are_guesses_alone(tmp_path):
    schema, work = tmp_path / "schema.sql", tmp_path / "work.sql"
    schema.write_text("create table a (id int primary key); create table b (id int primary key, a_id int references a, x text); create index twice on b (id);")
    work.write_text("select id from b where x = 'y';")
    told = advice(schema)["suggestions"]
    assert [(one["sql"], one["guess"]) for one in told] == [("DROP INDEX public.twice", False), ("CREATE INDEX b_a_id_idx ON public.b (a_id)", True)] and "no evidence" in told[1]["evidence"]
    told = advice(schema, "--workload", work)["suggestions"]
    assert [(one["sql"], one["guess"]) for one in told] == [("DROP INDEX public.twice", False), ("CREATE INDEX b_x_idx ON public.b (x)", True)] and "no figure was measured" in told[1]["evidence"]
    assert advice(schema, "--verify", code=2)["error"]["code"] == "USAGE"
    schema.write_text("create function f() returns int language sql as 'select 1';")
    assert advice(schema, code=2)["error"]["code"] == "NOTHING_TO_ANALYZE"


def test_deletes_that_look_through_another_table_are_evidence(counted):
    url = counted("create table p (id int primary key); create table c (id int primary key, p_id int references p, x text); insert into p select generate_series(1, 500); "
                  "insert into c select g, 1 + g % 100, repeat('x', 60) from generate_series(1, 50000) g; analyze")
    execute(url, "delete from p where id > 300")
    one, = advice("--connection", url)["suggestions"]
    assert one["sql"].endswith("ON public.c (p_id)") and one["queries"][0]["calls"] == 200 and "deleting a row of p" in one["queries"][0]["note"]


def test_without_a_server_here_hypopg_is_asked_on_the_database(counted, monkeypatch):
    url = counted(TABLES)
    try:
        execute(url, "create extension hypopg")
    except psycopg.Error as error:
        pytest.skip(f"no hypopg: {error}")
    use(url)
    assert "asked with hypopg" in json.dumps(advice("--connection", url))

    def nothing(like: int = 0) -> None:
        raise CommandError("no PostgreSQL here", "", ExitCode.ENVIRONMENT)

    monkeypatch.setattr(binaries, "find", nothing)
    told = advice("--connection", url)
    assert {"CREATE INDEX CONCURRENTLY tickets_owner_id_idx ON public.tickets (owner_id)"} < {one["sql"] for one in told["suggestions"]} < CHOSEN and "hypopg" in told["planner"]
    execute(url, "drop extension hypopg")
    told = advice("--connection", url)
    assert told["planner"] is None and any("no stand-in" in one for one in told["not_assessed"]) and all(one["guess"] for one in told["suggestions"] if one["action"] == "create")


def test_who_may_not_look_learns_it_and_no_password_is_told(counted):
    url = counted(TABLES)
    use(url)
    execute(url, "create role poor login password 'hidden-word'; grant usage on schema public to poor; revoke select on pg_stat_user_tables, pg_stats, pg_settings from public")
    try:
        poor = re.sub(r"user=\S+", "user=poor", url).replace(re.search(r"password=(\S+)", url)[1], "hidden-word")
        code, out, err = tool("--connection", poor, "--suggest-indexes")
    finally:
        execute(url, "grant select on pg_stat_user_tables, pg_stats, pg_settings to public; drop owned by poor; drop role poor")
    assert code == 0 and "statements of other roles are not assessed (GRANT pg_read_all_stats)" in out and "planner settings: not assessed" in out and "hidden-word" not in out + err


def test_an_index_that_older_transactions_keep_from_use_is_named(counted):
    url = counted("create table t (id int primary key, x int) with (fillfactor = 40); insert into t select g, g from generate_series(1, 2000) g")
    with contextlib.closing(connection.connect(url)) as old:
        old.execute("begin; select pg_current_xact_id()")
        execute(url, "update t set x = x + 1")
        execute(url, "create index late on t (x)")
        waiting, = advice("--connection", url)["unusable"]
        assert waiting["index"].endswith("late") and f"pid {old.info.backend_pid}" in waiting["reason"]
        old.execute("commit")
    assert advice("--connection", url)["unusable"] == []


def test_a_standby_is_analyzed_and_advised_on_but_not_migrated(tmp_path, tmp_path_factory):
    with special_postgres(max_wal_senders="4", shared_preload_libraries="pg_stat_statements", hot_standby="on") as primary, primary.database() as name:
        execute(primary.url(name), TABLES + "; create extension pg_stat_statements; analyze")
        folder = pathlib.Path(primary.admin.execute("show data_directory").fetchone()[0])
        with open(folder / "pg_hba.conf", "a", encoding="ascii") as rules:
            rules.write("local replication all trust\nhost replication all 127.0.0.1/32 scram-sha-256\n")
        primary.admin.execute("select pg_reload_conf()")
        copy = folder.with_name("standby")
        copy.mkdir(0o700)
        cluster.give_away(copy)

        def run(program: str, *arguments: object) -> None:
            done = subprocess.run([primary.program.program(program), *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd="/", timeout=120, **cluster.identity())
            assert done.returncode == 0, done.stderr

        primary.admin.execute("checkpoint")
        if not pathlib.Path(primary.program.program("pg_basebackup")).is_file():
            pytest.skip("no pg_basebackup")
        run("pg_basebackup", "-d", primary.url("template1"), "-D", copy, "-R", "-X", "stream", "-c", "fast")
        port = "54331"
        run("pg_ctl", "-D", copy, "-w", "-l", copy / "log", "-o", f"-p {port} -c unix_socket_directories={copy}", "start")
        try:
            url = psycopg.conninfo.make_conninfo(primary.url(name), host=str(copy), port=port)
            use_ = "select * from tickets where owner_id = 7 order by made desc limit 5"
            with contextlib.closing(connection.connect(url)) as session:
                assert session.execute("select pg_is_in_recovery()").fetchone()[0]
                for _ in range(9):
                    session.execute(use_)
            assert tool("--connection", url, "--analyze", "--json")[0] == 0
            assert "CREATE INDEX CONCURRENTLY tickets_owner_id_idx ON public.tickets (owner_id)" in [one["sql"] for one in advice("--connection", url)["suggestions"]]
            (tmp_path / "m.sql").write_text("create index i on tickets (state);")
            code, _, err = tool("--connection", url, "--migrate", tmp_path / "m.sql")
            assert code == 3 and "is a standby" in err
        finally:
            run("pg_ctl", "-D", copy, "-m", "immediate", "stop")


@given(st.text(min_size=1, max_size=90), st.lists(st.text(max_size=70), max_size=5))
def test_names_fit_and_never_meet(schema, wanted):
    names = report.Names(live.Catalogue(""))
    made = [names.free(schema, one) for one in [*wanted, *wanted]]
    assert len(set(made)) == len(made) and all(len(one.encode()) <= 63 for one in made)
