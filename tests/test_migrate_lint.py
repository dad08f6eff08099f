"""--dry-run: what is measured, what is found dangerous, and what is not."""
from __future__ import annotations

import contextlib
import json

import pytest
from conftest import migration_tool

from senior_backend.postgres import connection

SCHEMA = """
create table users (id bigint primary key, email text, name varchar(20), nick varchar(20), age int, score numeric(8,2), constraint named check (name is not null));
create table orders (id bigint primary key, user_id bigint, note text, total numeric);
create index orders_note on orders (note);
create table parts (id int, at date) partition by range (id);
create table parts_rest partition of parts default;
create table part_1 (id int, at date);
create domain positive as int;
create table prices (amount positive);
create materialized view totals as select user_id, sum(total) from orders group by user_id;
create unique index totals_id on totals (user_id);
create type mood as enum ('good', 'bad');
alter table orders add constraint unproven check (total > 0) not valid;
create function wipe() returns void language plpgsql as $$ begin delete from orders; end $$;
insert into users select g, 'e' || g, 'n', 'm', 1, 1 from generate_series(1, 20000) g;
insert into orders select g, g, 'x', 1 from generate_series(1, 20000) g;
analyze;
"""
# statements -> categories of the findings at warning or above; none: silence
CASES = {
    "alter table users add column a int": "",
    "alter table users add column a int default 5 not null": "",
    "alter table users add column a timestamptz default now()": "",
    "alter table users add column a float default random()": "rewrite",
    "alter table users add column a bigserial": "rewrite",
    "alter table users add column a int generated always as (age + 1) stored": "rewrite",
    "alter table users add column a int generated always as identity": "rewrite",
    "alter table users add column a int not null": "fails-on-data",
    "alter table prices add column a int not null": "",
    "alter table users add column a int; alter table users alter a set not null": "fails-on-data setnotnull",
    "alter table users add column a int; update users set a = 1 where id < 10; alter table users alter a set not null": "setnotnull",
    "alter table users add column a json": "json",
    "alter table users add column a bigint references orders": "",
    "alter table users alter email set not null": "setnotnull",
    "alter table users alter name set not null": "",                                  # the check proves it
    "alter table users alter email drop not null": "nullable",
    "alter table users alter email type varchar(80)": "rewrite",
    "alter table users alter name type varchar(40)": "altercolumntype",            # its check is tried again
    "alter table users alter age type bigint": "rewrite",
    "alter table users alter nick type varchar(40)": "",
    "alter table users alter nick type text": "",
    "alter table users alter score type numeric(8,1)": "rewrite data-loss",
    "alter table users alter id type int": "rewrite",
    "alter table users add constraint c check (age > 0)": "check",
    "alter table users add constraint c check (age > 0) not valid": "",
    "alter table users add constraint c check (age > 0) not valid; alter table users validate constraint c": "",
    "begin; alter table users add constraint c check (age > 0) not valid; alter table users validate constraint c; commit": "validateconstraint",
    "alter table orders validate constraint unproven": "",
    "alter table orders add foreign key (user_id) references users": "foreign",
    "alter table orders add foreign key (user_id) references users not valid": "",
    "begin; create table t (id int primary key, u bigint references users); create index on t (u); alter table t add unique (u); insert into t values (1, 1); update t set u = 2; drop table t; commit": "",
    "alter table users add unique (email)": "unique",
    "create unique index concurrently u on users (email)": "",
    "create unique index concurrently u on users (id, age); alter table users add unique using index u": "mixed-transaction",
    "begin; alter table users add column x int; commit; create index concurrently u on users (x)": "",
    "alter table users drop constraint users_pkey, add primary key (id)": "primary",
    "alter table orders add exclude (id with =)": "exclusion",
    "create index i on orders (user_id)": "index",
    "create index concurrently i on orders (user_id)": "",
    "drop index orders_note": "drop-index",
    "drop index concurrently orders_note": "",
    "reindex table orders": "reindex",
    "reindex table concurrently orders": "",
    "cluster orders using orders_pkey": "rewrite",
    "vacuum full orders": "rewrite",
    "vacuum (analyze) orders": "",
    "refresh materialized view totals": "rewrite",
    "refresh materialized view concurrently totals": "",
    "alter table parts attach partition part_1 for values from (0) to (10)": "attachpartition attachpartition",
    "alter table parts detach partition parts_rest": "lock lock",
    "begin; lock table users in share mode; commit": "lock",
    "alter domain positive add constraint c check (value > 0)": "alterdomain",
    "alter table users rename to people": "renaming",
    "alter table users rename column age to years": "renaming",
    "alter index orders_note rename to orders_note_1": "",
    "alter type mood rename value 'bad' to 'worse'": "renaming",
    "alter type mood add value 'fine' after 'good'": "",
    "create type status as enum ('a', 'b')": "enum",
    "drop table users": "data-loss",
    "drop table if exists nothing": "",
    "alter table users drop column age": "data-loss",
    "truncate orders": "data-loss",
    "delete from orders where id = 1": "data-loss",
    "select wipe()": "",                    # no rows on the scratch copy; --migrate undoes it
    "update users set age = 2": "backfill",
    "update users set age = 2 where id between 1 and 1000": "",
    "begin; alter table users add column a int; update users set a = 1; commit": "update backfill",
    "begin; create table t (u bigint references users); insert into t values (1); create table u (a int); alter table u rename to v; commit": "",
    "begin; alter table users add column a int; select count(*) from users; commit": "select",
    "begin; alter table users add column a int; select count(*) from prices; commit": "",
    "begin; lock table users; create index i on orders (user_id); commit": "index lock",
    "create table t (a int); create table t (a int)": "fails",
    "do $$ begin raise exception 'no rows'; end $$": "",
    f"create table {'x' * 70} (a int)": "server-warning",
    "begin; begin; select 1; commit": "transaction",
    "select 1; commit": "transaction",
    "begin; create table t (a int)": "transaction",
    "begin; create table t (a int); rollback": "",
    "set local lock_timeout = '2s'; alter table users add column a int": "",
    "create trigger t before update on users for each row execute function suppress_redundant_updates_trigger()": "",
    "alter table users enable row level security; create policy p on users using (true); grant select on users to public": "",
    "alter table users set unlogged": "rewrite",
    "comment on table users is 'x'; create view v as select * from users; drop view v": "",
}


@pytest.fixture(scope="module")
def target(postgres):
    """(URL of a database with tables that hold rows, URL of the scratch server)"""
    with postgres.database() as name:
        with contextlib.closing(connection.connect(postgres.url(name))) as session:
            session.execute(SCHEMA)
        yield postgres.url(name), postgres.url("template1")


def dry_run(target, tmp_path, sql: str, *arguments: str) -> tuple[int, dict, str]:
    (tmp_path / "m.sql").write_text(sql, encoding="utf-8")
    done = migration_tool("--connection", target[0], "--shadow", target[1], "--migrate", tmp_path / "m.sql", "--dry-run", *arguments, "--json")
    return done.code, done.report, done.err


@pytest.mark.parametrize("sql", CASES)
def test_findings(target, tmp_path, sql):
    _, report, err = dry_run(target, tmp_path, sql)
    found = [one for one in report.get("issues_detail", [{"category": report.get("error")}]) if one.get("severity") != "info"]
    assert sorted(one["category"] for one in found) == sorted(CASES[sql].split()), [one for one in found]
    assert report["unchanged"]["equal"] and report["errors"] + report["warnings"] == len(found)
    assert all(one["suggestion"] for one in found if one["category"] not in ("fails", "server-warning"))


def test_what_is_measured(target, tmp_path):
    sql = "begin;\nalter table users alter age type bigint;\ncommit;\ncreate index concurrently i on orders (user_id);"
    code, report, _ = dry_run(target, tmp_path, sql, "--fail-on", "error")
    first, second = report["statements"]
    assert code == 0 and first["transactional"] and first["rewrites"] == ["users"] and first["seconds"] >= 0 and not second["transactional"] and not second["rewrites"]
    assert {"relation": "users", "mode": "ACCESS EXCLUSIVE", "blocks": "reads and writes"} in first["locks"]
    assert second["locks"] == [{"relation": "orders", "mode": "SHARE UPDATE EXCLUSIVE", "blocks": None}]
    assert [(one["kind"], one["object"]) for one in report["hazards"]] == [("rewrite", "users")] and "about 20,000 rows" in report["hazards"][0]["evidence"]
    assert report["total_rows"] == 40000 and report["tables"] == 2 and report["status"] == "success"
    assert dry_run(target, tmp_path, sql, "--fail-on", "warning")[0] == 1


def test_live_runs_on_the_target_and_undoes_it(target, tmp_path):
    sql = "alter table users add column a int;\nupdate users set a = 1;\nalter table users add constraint u unique (name);\ncreate index concurrently i on users (a);"
    code, report, _ = dry_run(target, tmp_path, sql, "live")
    assert code == 1 and [one["ran_on"] for one in report["statements"]] == ["target", "target", "target", "scratch"] and report["unchanged"]["equal"]
    failure = next(one for one in report["issues_detail"] if one["category"] == "fails")
    assert failure["line"] == 3 and "could not create unique index" in failure["message"] and "(n)" not in json.dumps(report)
    with contextlib.closing(connection.connect(target[0])) as session:
        assert session.execute("select count(*) from information_schema.columns where table_name = 'users' and column_name = 'a'").fetchone() == (0,)


def test_what_is_applied_is_not_tried_again(new_database, target, tmp_path):
    url = new_database("create table t (a int)")
    (tmp_path / "m.sql").write_text("create table one (a int);\ninsert into missing values (1);")
    assert migration_tool("--connection", url, "--migrate", tmp_path / "m.sql").code == 2
    code, report, _ = dry_run((url, target[1]), tmp_path, "create table one (a int);\ninsert into one values (1);")
    assert code == 0 and [one["number"] for one in report["statements"]] == [2]
