"""--analyze: what is found and what is not, figures that were measured, and what is said where something could not be asked."""
from __future__ import annotations

import contextlib
import io
import json
import re

import psycopg
import pytest
from conftest import ROOT, execute

from senior_backend import console
from senior_backend.console import CommandError
from senior_backend.migrate.analyze import command, rules
from senior_backend.migrate.analyze.schema import Schema
from senior_backend.migrate.command import answer
from senior_backend.migrate.command import TOOL, parser
from senior_backend.postgres import connection, live, loading, sql_files

SCHEMAS = ROOT.parent / "shared" / "corpora" / "postgres" / "schemas"
# written without a look at the rules: the columns of each key against the first columns of each index, by attribute numbers
FOREIGN_KEYS = """
with usable as (
  select i.indrelid, i.indkey::int2[] as keys, i.indnkeyatts as width, a.amname, coalesce(pg_get_expr(i.indpred, i.indrelid), '') as predicate
  from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam where i.indisvalid and a.amname <> 'brin')
select n.nspname || '.' || t.relname || '.' || f.conname from pg_constraint f join pg_class t on t.oid = f.conrelid join pg_namespace n on n.oid = t.relnamespace
where f.contype = 'f' and f.conparentid = 0 and not exists (select from usable u where u.indrelid = f.conrelid and u.width >= cardinality(f.conkey)
  and (select array_agg(k order by k) from unnest(u.keys[0:cardinality(f.conkey) - 1]) k) = (select array_agg(k order by k) from unnest(f.conkey) k)
  and (u.predicate = '' or exists (select from unnest(f.conkey) k join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k
    where u.predicate = format('(%I IS NOT NULL)', a.attname))))"""
PARENT = "create table p (id bigint primary key, b bigint not null, unique (id, b));"
CHILD = PARENT + "create table c (id bigint primary key, a bigint {of}, b bigint, x text, d tsrange);"
KEY, PAIR = CHILD.format(of="references p"), CHILD.format(of="") + "alter table c add foreign key (a, b) references p (id, b);"
# statements -> the codes that are found, each as often as it is named
CASES = {
    KEY: "fk-without-index",
    KEY + "create index on c (a)": "",
    KEY + "create index on c (x, a)": "fk-without-index",
    KEY + "create index on c using hash (a)": "",
    KEY + "create index on c using brin (a)": "fk-without-index",
    KEY + "create index on c (a) where a is not null": "",
    KEY + "create index on c (a) where x is not null": "fk-without-index",
    KEY + "create index on c (a) where a is not null and x is not null": "fk-without-index",
    KEY + "create index on c ((a + 1))": "fk-without-index",
    KEY + "create index on c (x) include (a)": "fk-without-index",
    PAIR + "create index on c (b desc, a, x)": "",
    PAIR + "create index on c (a, x, b)": "fk-without-index",
    PAIR + "create index on c (a)": "fk-without-index",
    PAIR + "create index on c (a, b) where b is not null": "",
    PARENT + 'create table "C d" ("A ""x" bigint references p, id int primary key); create index on "C d" ("A ""x")': "",
    PARENT + "create table c (id int, a bigint references p, primary key (id)) partition by hash (id); create table c0 partition of c for values with (modulus 2, remainder 0);"
             "create table c1 partition of c for values with (modulus 2, remainder 1); create index on c0 (a)": "fk-without-index",
    PARENT + "create table c (id int, a bigint references p, primary key (id)) partition by hash (id); create table c0 partition of c for values with (modulus 1, remainder 0); "
             "create index on c0 (a)": "",
    'create table "p (q)" ("(k)," bigint primary key); create table c (id bigint primary key, "a (b" bigint references "p (q)")': "fk-without-index",
    "create table t (a int)": "no-primary-key",
    "create table t (a int primary key, b int, c int); create index one on t (b); create index two on t (b)": "duplicate-index",
    "create table t (a int primary key, b int, c int); create index one on t (b); create index two on t (b, c)": "redundant-index",
    "create table t (a int primary key, b int, c int); create index one on t (b); create index two on t (c, b); create unique index three on t (a, b)": "nullable-unique",
    "create table t (a int primary key, b int, c int); create index one on t (b) where c > 0; create index two on t (b, c)": "",
    "create table t (a int primary key, b int, c int); create index one on t (b) include (c); create index two on t (b)": "duplicate-index",
    "create table t (a int primary key, b text, c int); create index one on t (b); create index two on t (b text_pattern_ops)": "",
    "create table t (a int primary key, b int not null); create unique index u on t (b); create index i on t (b)": "duplicate-index",
    "create table t (a int primary key); alter table t add unique (a)": "duplicate-index",
    "create table t (a int primary key); alter table t add constraint c check (a > 0) not valid": "invalid-constraint",
    "create table t (a timestamp primary key, b timestamptz, c timestamp(3))": "timestamp-without-time-zone",
    "create table t (a int primary key, price real, m money, ch char(3), flag char(1), height float, j json, born_date text, uuid varchar(36), x timetz)":
        "float-money money-type char-type json-type text-for-date text-for-uuid time-with-time-zone",
    "create table t (a bigserial primary key)": "serial-column",
    "create table t (a int generated always as identity primary key)": "small-key",
    "create table p (a bigint primary key); create table t (a int primary key references p)": "fk-type-mismatch",
    "create table p (a text primary key); create table t (a varchar(9) primary key references p)": "",
    "create table t (a int primary key, b int, c int not null, unique (b, c))": "nullable-unique",
    "create table t (a int primary key, b int, c int not null, unique nulls not distinct (b, c))": "",
    "".join(f"create table t{n} (a int primary key {f'references t{n - 1} on delete cascade' if n else ''});" for n in range(4)): "cascade-chain",
    "".join(f"create table t{n} (a int primary key {f'references t{n - 1} on delete cascade' if n else ''});" for n in range(3)): "",
    "create table a (id int primary key); create table b (id int primary key references a on delete cascade); "
    "alter table a add foreign key (id) references b on delete cascade": "cascade-cycle",
    "create table t (a int primary key); alter table t enable row level security": "rls-without-policy",
    "create table t (a int primary key); create policy p on t using (true)": "policy-without-rls",
    "create table t (a int primary key); create policy p on t using (true); alter table t enable row level security": "",
    "create table t (a int primary key); grant select on t to public": "public-grant",
    "create table t (a int primary key); create function f() returns int language sql security definer as 'select 1 -- SET search_path '": "definer-without-search-path",
    "create table t (a int primary key); create function f() returns int language sql security definer set search_path = pg_catalog as 'select 1'": "",
    "create table t (a int primary key); create function f() returns text language sql as $$select '\n SECURITY DEFINER'$$": "",
    "create unlogged table t (a int primary key) with (autovacuum_enabled = off)": "unlogged-table autovacuum-off",
}


def analyze(*arguments: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    code = console.run(TOOL, parser(), answer, [*arguments, "--analyze"], console.Console(out, err))
    return code, out.getvalue(), err.getvalue()


def as_json(*arguments: str) -> dict:
    return json.loads(analyze(*arguments, "--json")[1])


def codes(report: dict) -> list[str]:
    return sorted(one["code"] for one in report["issues_detail"])


def test_each_case_gives_its_findings_and_no_other(postgres):
    wrong = {}
    for sql, expected in CASES.items():
        if "nulls not distinct" in sql and postgres.version < 150000:
            continue
        with postgres.database() as name, contextlib.closing(connection.connect(postgres.url(name))) as session:
            session.execute(sql)
            found = [one.rule.code for one in rules.check(Schema(live.read(session)))]
        if sorted(found) != sorted(expected.split()):
            wrong[sql] = found
    assert not wrong


def test_what_is_suggested_mends_it(new_database):
    url = new_database(KEY + "create table t (a int primary key, b int); create index one on t (b); create index two on t (b); alter table c add check (b > 0) not valid; "
                             "create policy p on t using (true);"
                       "grant insert (b), update on t to public; create function f(int, text) returns int language sql security definer as 'select 1'; "
                       "create unlogged table u (a int primary key); create table d (a int primary key, b int); insert into d values (1, 1), (2, 1)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        execute(url, "create unique index concurrently broken on d (b)")
    statements = [one["sql"] for one in as_json("--connection", url)["issues_detail"] if "sql" in one]
    assert len(statements) == 9
    for sql in statements:
        execute(url, sql)
    assert {one["code"] for one in as_json("--connection", url)["issues_detail"] if one["category"] != "settings"} == set()


@pytest.mark.skipif(not SCHEMAS.is_dir(), reason="the public schemas are not here")
@pytest.mark.parametrize("path", sorted(SCHEMAS.glob("*.sql")) if SCHEMAS.is_dir() else [], ids=lambda path: path.stem)
def test_foreign_keys_without_index_are_exact_on_public_schemas(path, postgres):
    with postgres.database() as name:
        try:
            loading.load(postgres, sql_files.read(path), name)
        except CommandError as error:
            pytest.skip(error.message)
        with contextlib.closing(connection.connect(postgres.url(name))) as session:
            expected = sorted(row[0] for row in session.execute(FOREIGN_KEYS))
            schema = Schema(live.read(session))
    found = [one for one in rules.check(schema) if one.rule.code == "fk-without-index"]
    assert sorted(".".join((*one.values["key"][0].name, one.object)) for one in found) == expected and schema.foreign_keys


def test_every_code_is_explained():
    text = (ROOT / rules.REFERENCE).read_text("utf-8")
    assert set(re.findall(r"^### ([a-z0-9-]+)$", text, re.M)) == set(command.rules.RULES)


def test_a_file_is_reported_in_three_groups(tmp_path):
    file = tmp_path / "v1.sql"
    file.write_text("create table bad (a timestamp); create table good (id bigint generated always as identity primary key);")
    code, out, _ = analyze(str(file))
    assert code == 0 and "Tables: 2" in out and "Total rows" not in out and "ERRORS (1):\n  [bad] no primary key\n    Suggestion: " in out
    assert "WARNINGS (1):\n  [bad] timestamp without time zone: a" in out
    report = as_json(str(file))
    assert (report["status"], report["tables"], report["total_rows"], report["errors"], report["warnings"], report["suggestions"]) == ("success", 2, None, 1, 1, 0)
    assert set(report["issues_detail"][0]) >= {"severity", "category", "table", "message", "suggestion", "code", "evidence", "reference"}
    assert analyze(str(file), "--fail-on", "error")[0] == analyze(str(file), "--fail-on", "warning")[0] == 1
    file.write_text("create table good (id bigint generated always as identity primary key);")
    assert analyze(str(file), "--fail-on", "warning")[0] == 0


def test_nothing_to_look_at_is_no_success(new_database, tmp_path):
    (tmp_path / "none.sql").write_text("create function f() returns int language sql as 'select 1';")
    for source in (["--connection", new_database()], [str(tmp_path / "none.sql")]):
        code, out, err = analyze(*source)
        assert code == 2 and out == "" and "no table was found" in err


def test_rows_sequences_and_neglect_are_measured(new_database):
    url = new_database("""create table t (id int generated always as identity primary key, note text); create table gone (id bigint primary key);
        create table wide (id bigint primary key, doc text);
        insert into t (note) select 'secret-' || g from generate_series(1, 120000) g; create index notes on t (note); analyze t; update t set note = note || 'x';
        select setval('t_id_seq', 1900000000);
        insert into wide select g, repeat(md5(g::text), 40) from generate_series(1, 12000) g; alter table wide alter doc set storage plain; analyze wide;
        delete from t where id > 60000""")
    execute(url, "select pg_sleep(1.1)")
    code, out, _ = analyze("--connection", url)
    assert code == 0 and "Total rows: 72,000" in out and "secret-" not in out and "t.id has used 88.5 % of 2,147,483,647" in out
    report = as_json("--connection", url)
    assert {"unused-index", "sequence-exhaustion", "stale-statistics", "autovacuum-behind", "wide-column", "setting"} <= set(codes(report)) and report["total_rows"] == 72000
    assert next(one for one in report["issues_detail"] if one["code"] == "unused-index")["object"] == "notes"
    assert any("not assessable" in one and "CREATE EXTENSION" in one for one in report["not_assessed"]) and "N+1 QUERY RISKS: not assessable" in out


def test_slow_statements_name_the_column_and_their_measured_time(counted):
    url = counted("""create table users (id bigint primary key, name text); create table orders (id bigint primary key, user_id bigint not null references users, code text);
        insert into users select g, 'n' from generate_series(1, 3000) g; insert into orders select g, 1 + g % 3000, md5(g::text) from generate_series(1, 150000) g; analyze""")
    with contextlib.closing(connection.connect(url)) as session:
        for place in range(5):
            for (user,) in session.execute("select id from users order by id limit 20 offset %s", [place * 20]).fetchall():
                session.execute("select * from orders where user_id = %s", [user]).fetchall()
        session.execute("select count(*), pg_sleep(0.2) from orders where code = 'secret'")
        mean = session.execute("select mean_exec_time from pg_stat_statements where query like '%user_id%'").fetchone()[0]
    _, out, _ = analyze("--connection", url)
    assert f"orders.user_id - {mean:.0f}ms avg query time, ADD INDEX recommended" in out and "orders.code - 2" in out and "secret" not in out
    assert "N+1 QUERY RISKS (1 found):\n  orders: sent 20 times for each call of another query: SELECT * FROM orders WHERE user_id = $1" in out
    assert "CREATE INDEX CONCURRENTLY ON public.orders (user_id)" in out
    slow = [one for one in as_json("--connection", url)["issues_detail"] if one["code"] == "slow-query" and "code" in one["message"]]
    assert slow and slow[0]["severity"] == "warning" and "orders (code)" in slow[0]["suggestion"]


def test_a_role_without_privileges_learns_what_is_missing(counted):
    url = counted("create table t (id int generated always as identity primary key); insert into t default values")
    execute(url, "revoke select on pg_stat_user_tables, pg_sequences from public; create role poor login password 'hidden-word'; grant usage on schema public to poor")
    try:
        poor = re.sub(r"user=\S+", "user=poor", url).replace(re.search(r"password=(\S+)", url)[1], "hidden-word")
        code, out, err = analyze("--connection", poor)
    finally:
        execute(url, "drop owned by poor; drop role poor")
    assert code == 0 and "seq-scan-big-table" in out and "not assessed, the server says: permission denied for view pg_stat_user_tables" in out
    assert "sequence-exhaustion: not assessed" in out
    assert "hidden-word" not in out + err and "[t] primary key id ends at" in out


def test_the_page_is_whole_and_escaped(new_database, tmp_path):
    url = new_database('create table "<script>alert(1)</script>" (id bigint primary key, "a&b" int); '
                       'create table c (id bigint primary key, p bigint references "<script>alert(1)</script>", up bigint references c)')
    page = tmp_path / "report.html"
    report = as_json("--connection", url, "--html", str(page))
    text = page.read_text("utf-8")
    assert report["files"] == [str(page)] and "<script" not in text and "&lt;script&gt;" in text and "http" not in re.sub(r"http-equiv", "", text)
    assert text.count("class='box'") == 2 and text.count("class='edge bare'") == 2 and "Table sizes" in text and all(one["code"] in text for one in report["issues_detail"])
    code, _, err = analyze("--connection", url, "--html", str(tmp_path / "no" / "report.html"))
    assert code == 4 and "CANNOT" not in err and "--html" in err
