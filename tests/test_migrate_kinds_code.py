"""Views, routines, triggers, rules, policies, privileges, comments, publications and foreign data are migrated forward and back on a real server."""
from __future__ import annotations

import contextlib

import psycopg
import pytest

from senior_backend.console import CommandError, ExitCode
from senior_backend.migrate import diff, plan
from senior_backend.postgres import connection, live, scratch
from senior_backend.postgres.model import Catalogue

ROLES = ("ann", "bob", "carol", "Dora")
A = "CREATE TABLE a (id int PRIMARY KEY, n text, m int DEFAULT 5); CREATE TABLE b (id int PRIMARY KEY, a_id int REFERENCES a); "
V = A + "CREATE VIEW v AS SELECT id, n FROM a; "
W = V + "CREATE VIEW w AS SELECT id FROM v; GRANT SELECT ON w TO ann; COMMENT ON VIEW w IS 'on v'; COMMENT ON COLUMN w.id IS 'key'; "
MV = A + "CREATE MATERIALIZED VIEW mv AS SELECT id, n FROM a; CREATE UNIQUE INDEX mvi ON mv (id); GRANT SELECT ON mv TO ann; COMMENT ON INDEX mvi IS 'i'; "
F = "CREATE FUNCTION f(x int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT x + 1'; "
USES_F = F + "CREATE VIEW v AS SELECT f(1) AS c; GRANT SELECT ON v TO bob; CREATE TABLE t (x int, CHECK (f(x) > 0)); CREATE INDEX ti ON t (f(x)); COMMENT ON FUNCTION f IS 'adds'; GRANT EXECUTE ON FUNCTION f TO ann; "
TOUCH = A + "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; "
PARTS = TOUCH + "CREATE TABLE p (id int, k int) PARTITION BY LIST (k); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); "
TP = PARTS + "CREATE TRIGGER tp AFTER INSERT ON p FOR EACH ROW EXECUTE FUNCTION touch(); "
RLS = A + "ALTER TABLE a ENABLE ROW LEVEL SECURITY; "
ET = "CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; "
FDW = "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER sv FOREIGN DATA WRAPPER w OPTIONS (host 'a'); "
FT = FDW + "CREATE FOREIGN TABLE ft (id int OPTIONS (column_name 'x') NOT NULL, q text DEFAULT 'a') SERVER sv OPTIONS (table_name 'x', schema_name 's'); "

ALL = (TP + RLS.removeprefix(A) + F + FT + ET + "CREATE TYPE ct AS (x int); CREATE DOMAIN d AS int CONSTRAINT dc CHECK (VALUE > 0); CREATE SEQUENCE s; CREATE POLICY po ON a USING (true); CREATE PUBLICATION pu; "
       "CREATE STATISTICS st ON id, n FROM a; CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq); CREATE AGGREGATE ag(*) (SFUNC = int8inc, STYPE = int8, INITCOND = '0'); "
       "CREATE TEXT SEARCH CONFIGURATION tc (COPY = simple); CREATE CAST (text AS ct) WITH INOUT; CREATE COLLATION co FROM \"C\"; CREATE OPERATOR CLASS oc FOR TYPE int USING btree AS OPERATOR 1 <; "
       "CREATE PROCEDURE pr() LANGUAGE sql AS ''; CREATE SCHEMA s1; ")
SUB = "CREATE SUBSCRIPTION su CONNECTION 'host=localhost dbname=x' PUBLICATION p1, p2 WITH (connect = false, slot_name = NONE, enabled = false); "


def added(before: str, more: str) -> tuple[str, str]:
    return before, before + more


def turned(before: str, old: str, new: str) -> tuple[str, str]:
    return before, before.replace(old, new)


# name: (before, after)
CASES: dict[str, tuple[str, str]] = {
    "view columns added at the end": turned(W, "SELECT id, n FROM a", "SELECT id, n, m FROM a"),
    "view column taken away": turned(W, "SELECT id, n FROM a", "SELECT id FROM a"),
    "view column renamed": turned(W, "SELECT id, n FROM a", "SELECT id, n AS name FROM a"),
    "view column of another type": turned(W, "SELECT id, n FROM a", "SELECT id, n::varchar(5) AS n FROM a"),
    "view column of another collation": turned(W, "SELECT id, n FROM a", 'SELECT id, n COLLATE "C" AS n FROM a'),
    "view options": turned(V, "CREATE VIEW v AS", "CREATE VIEW v WITH (security_barrier, check_option = local) AS"),
    "view options with the query": (V.replace("VIEW v AS", "VIEW v WITH (security_barrier) AS"), V.replace("SELECT id, n FROM a", "SELECT id, n FROM a WHERE m > 1")),
    "view column default": added(V, "ALTER VIEW v ALTER n SET DEFAULT 'x'"),
    "view column default kept in a rebuild": (V + "ALTER VIEW v ALTER n SET DEFAULT 'x'", A + "CREATE VIEW v AS SELECT n FROM a; ALTER VIEW v ALTER n SET DEFAULT 'x'"),
    "view becomes materialized": turned(V, "CREATE VIEW", "CREATE MATERIALIZED VIEW"),
    "view becomes table": (V, A + "CREATE TABLE v (id int, n text)"),
    "view loses a dropped column": (V, "CREATE TABLE a (id int PRIMARY KEY, m int DEFAULT 5); CREATE TABLE b (id int PRIMARY KEY, a_id int REFERENCES a); CREATE VIEW v AS SELECT id FROM a"),
    "view no longer needs a table": (V + "CREATE VIEW z AS SELECT a_id AS q FROM b", "CREATE TABLE a (id int PRIMARY KEY, n text, m int DEFAULT 5); CREATE VIEW v AS SELECT id, n FROM a; CREATE VIEW z AS SELECT m AS q FROM a"),
    "views on views with triggers and rules": (
        W + "CREATE FUNCTION i() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER ti INSTEAD OF INSERT ON w FOR EACH ROW EXECUTE FUNCTION i(); COMMENT ON TRIGGER ti ON w IS 'x'; "
        "CREATE RULE r AS ON DELETE TO w DO INSTEAD NOTHING",
        W.replace("m int DEFAULT 5", "m int").replace("SELECT id, n FROM a", "SELECT id::bigint AS id, n FROM a")
        + "CREATE FUNCTION i() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER ti INSTEAD OF INSERT ON w FOR EACH ROW EXECUTE FUNCTION i(); COMMENT ON TRIGGER ti ON w IS 'x'; "
        "CREATE RULE r AS ON DELETE TO w DO INSTEAD NOTHING"),
    "recursive view": ("SELECT 1", "CREATE RECURSIVE VIEW r (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM r WHERE n < 5"),
    "materialized view query": turned(MV, "SELECT id, n FROM a", "SELECT id, n, m FROM a"),
    "materialized view options and columns": added(MV, "ALTER MATERIALIZED VIEW mv SET (fillfactor = 70); ALTER MATERIALIZED VIEW mv ALTER n SET STORAGE external; ALTER MATERIALIZED VIEW mv ALTER n SET STATISTICS 7; "
                                                       "ALTER MATERIALIZED VIEW mv ALTER id SET (n_distinct = 5); ALTER MATERIALIZED VIEW mv CLUSTER ON mvi"),
    "column type under views": (W + "CREATE MATERIALIZED VIEW mv AS SELECT * FROM w; CREATE INDEX mvi ON mv (id); COMMENT ON MATERIALIZED VIEW mv IS 'm'",
                                W.replace("a (id int", "a (id bigint") + "CREATE MATERIALIZED VIEW mv AS SELECT * FROM w; CREATE INDEX mvi ON mv (id); COMMENT ON MATERIALIZED VIEW mv IS 'm'"),
    "function body and properties": turned(USES_F, "IMMUTABLE AS 'SELECT x + 1'", "IMMUTABLE STRICT PARALLEL SAFE COST 7 SECURITY DEFINER SET search_path = pg_temp AS 'SELECT x + 2'"),
    "function result": turned(USES_F, "RETURNS int", "RETURNS bigint"),
    "function argument named otherwise": (USES_F, USES_F.replace("f(x int)", "f(y int)").replace("SELECT x + 1", "SELECT y + 1")),
    "function argument gets a name": (USES_F.replace("f(x int)", "f(int)").replace("SELECT x + 1", "SELECT $1"), USES_F),
    "function default comes": turned(USES_F, "f(x int)", "f(x int DEFAULT 3)"),
    "function outputs": ("CREATE FUNCTION g(OUT a int, OUT b text) LANGUAGE sql AS $$SELECT 1, 'x'$$; CREATE VIEW gv AS SELECT (g()).*",
                         "CREATE FUNCTION g(OUT a int, OUT b text, OUT c date) LANGUAGE sql AS $$SELECT 1, 'x', '2020-01-01'::date$$; CREATE VIEW gv AS SELECT (g()).*"),
    "function returns table": ("CREATE FUNCTION g() RETURNS TABLE (a int) LANGUAGE sql AS 'SELECT 1'", "CREATE FUNCTION g() RETURNS TABLE (a int, \"B c\" text) LANGUAGE sql AS $$SELECT 1, 'x'$$"),
    "function becomes procedure": ("CREATE FUNCTION g(x int) RETURNS void LANGUAGE sql AS 'SELECT 1'", "CREATE PROCEDURE g(x int) LANGUAGE sql AS 'SELECT 1'; GRANT EXECUTE ON PROCEDURE g TO ann"),
    "function becomes aggregate": ("CREATE FUNCTION g(int) RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE AGGREGATE g(int) (SFUNC = int4pl, STYPE = int)"),
    "function with parsed body": added(A, "CREATE FUNCTION g(x int) RETURNS SETOF a BEGIN ATOMIC SELECT * FROM a WHERE id = x; END"),
    "column type under a parsed body": (A + "CREATE FUNCTION g() RETURNS bigint BEGIN ATOMIC SELECT sum(m) FROM a; END",
                                        A.replace("m int", "m bigint") + "CREATE FUNCTION g() RETURNS bigint BEGIN ATOMIC SELECT sum(m) FROM a; END"),
    "function of a row type": added(A, "ALTER TABLE a ADD extra text; CREATE FUNCTION label(a) RETURNS text LANGUAGE sql STABLE AS $$SELECT $1.extra$$; CREATE VIEW av AS SELECT label(a) FROM a"),
    "function and table need each other": ("SELECT 1", "CREATE FUNCTION nid() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM t); END'; CREATE TABLE t (id int DEFAULT nid()); "
                                                       "CREATE FUNCTION first(t) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1.id'; ALTER TABLE t ADD CHECK (first(t) > 0)"),
    "variadic, quotes and dollars": ("SELECT 1", "CREATE FUNCTION \"Odd Name\"(\"a b\" text DEFAULT 'it''s', VARIADIC rest int[] DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $x$BEGIN RETURN $y$ ' \\ $y$; END$x$"),
    "procedure outputs": ("CREATE PROCEDURE pr(a int, INOUT b int) LANGUAGE plpgsql AS 'BEGIN END'", "CREATE PROCEDURE pr(a int, INOUT b int, INOUT c int DEFAULT 1) LANGUAGE plpgsql AS 'BEGIN b := 2; END'"),
    "trigger timing and condition": (TOUCH + "CREATE TRIGGER t BEFORE UPDATE ON a FOR EACH ROW EXECUTE FUNCTION touch(); COMMENT ON TRIGGER t ON a IS 'c'",
                                     TOUCH + "CREATE TRIGGER t AFTER INSERT OR UPDATE OF n ON a FOR EACH ROW WHEN (NEW.m > 1) EXECUTE FUNCTION touch('x', 'y'); COMMENT ON TRIGGER t ON a IS 'c'"),
    "trigger states": (TOUCH + "CREATE TRIGGER t BEFORE UPDATE ON a FOR EACH ROW EXECUTE FUNCTION touch(); ALTER TABLE a DISABLE TRIGGER t",
                       TOUCH + "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION touch(); ALTER TABLE a ENABLE ALWAYS TRIGGER t"),
    "constraint trigger": (TOUCH + "CREATE CONSTRAINT TRIGGER t AFTER UPDATE ON a DEFERRABLE FOR EACH ROW EXECUTE FUNCTION touch()",
                           TOUCH + "CREATE CONSTRAINT TRIGGER t AFTER UPDATE ON a FROM b DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION touch()"),
    "trigger with transition tables": added(TOUCH, "CREATE TRIGGER t AFTER UPDATE ON a REFERENCING OLD TABLE AS o NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION touch()"),
    "trigger of a partitioned table": (PARTS, TP + "CREATE TABLE p2 PARTITION OF p DEFAULT"),
    "trigger off on one partition": added(TP, "ALTER TABLE p1 DISABLE TRIGGER tp"),
    "trigger changed, off on one partition": (TP + "ALTER TABLE p1 DISABLE TRIGGER tp", TP.replace("AFTER INSERT", "AFTER UPDATE") + "ALTER TABLE p1 DISABLE TRIGGER tp"),
    "trigger function replaced": (TOUCH + "CREATE TRIGGER t BEFORE UPDATE OF m ON a FOR EACH ROW WHEN (OLD.m <> NEW.m) EXECUTE FUNCTION touch()",
                                  TOUCH.replace("m int DEFAULT 5", "m bigint DEFAULT 5") + "CREATE TRIGGER t BEFORE UPDATE OF m ON a FOR EACH ROW WHEN (OLD.m <> NEW.m) EXECUTE FUNCTION touch()"),
    "rule and its state": (A + "CREATE RULE r AS ON INSERT TO a WHERE NEW.m < 0 DO INSTEAD NOTHING; COMMENT ON RULE r ON a IS 'x'",
                           A + "CREATE RULE r AS ON INSERT TO a DO ALSO (INSERT INTO b VALUES (1); DELETE FROM b WHERE id = 2;); COMMENT ON RULE r ON a IS 'x'; ALTER TABLE a DISABLE RULE r"),
    "policy roles and conditions": (RLS + "CREATE POLICY po ON a USING (m > 1); COMMENT ON POLICY po ON a IS 'x'",
                                    RLS + "ALTER TABLE a FORCE ROW LEVEL SECURITY; CREATE POLICY po ON a TO ann, \"Dora\" USING (m > 2) WITH CHECK (EXISTS (SELECT FROM b WHERE b.id = a.m)); COMMENT ON POLICY po ON a IS 'x'"),
    "policy command": (RLS + "CREATE POLICY po ON a FOR SELECT USING (m > 1)", RLS + "CREATE POLICY po ON a AS RESTRICTIVE FOR UPDATE USING (m > 1)"),
    "policy loses a condition": (RLS + "CREATE POLICY po ON a USING (m > 1) WITH CHECK (m > 2)", RLS + "CREATE POLICY po ON a USING (m > 1)"),
    "policy that uses a function": (RLS + F + "CREATE POLICY po ON a USING (f(m) > 1)", RLS + F.replace("RETURNS int", "RETURNS bigint") + "CREATE POLICY po ON a USING (f(m) > 1)"),
    "column type under a policy": (RLS + "CREATE POLICY po ON a USING (m > 1)", RLS.replace("m int DEFAULT 5", "m bigint DEFAULT 5") + "CREATE POLICY po ON a USING (m > 1)"),
    "column type under rule and trigger": (TOUCH + "CREATE RULE r AS ON INSERT TO a WHERE NEW.m < 0 DO INSTEAD NOTHING; CREATE TRIGGER t BEFORE UPDATE OF m ON a FOR EACH ROW EXECUTE FUNCTION touch()",
                                           TOUCH.replace("m int", "m bigint") + "CREATE RULE r AS ON INSERT TO a WHERE NEW.m < 0 DO INSTEAD NOTHING; CREATE TRIGGER t BEFORE UPDATE OF m ON a FOR EACH ROW EXECUTE FUNCTION touch()"),
    "event trigger": added(ET, "CREATE EVENT TRIGGER et ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'DROP TABLE') EXECUTE FUNCTION e(); ALTER EVENT TRIGGER et ENABLE REPLICA; COMMENT ON EVENT TRIGGER et IS 'x'"),
    "event trigger changed": (ET + "CREATE EVENT TRIGGER et ON sql_drop EXECUTE FUNCTION e()", ET + "CREATE EVENT TRIGGER et ON ddl_command_start EXECUTE FUNCTION e(); ALTER EVENT TRIGGER et DISABLE"),
    # privileges
    "grants of every kind": (
        ALL, ALL +
        "GRANT ALL ON a TO ann; GRANT SELECT, INSERT ON b TO PUBLIC; GRANT USAGE ON SEQUENCE s TO ann; REVOKE EXECUTE ON FUNCTION f FROM PUBLIC; GRANT EXECUTE ON FUNCTION f TO ann WITH GRANT OPTION; "
        "GRANT USAGE ON TYPE ct TO ann; REVOKE USAGE ON TYPE ct FROM PUBLIC; GRANT CREATE ON SCHEMA s1 TO \"Dora\"; REVOKE ALL ON SCHEMA public FROM PUBLIC; REVOKE EXECUTE ON PROCEDURE pr FROM PUBLIC; "
        "GRANT EXECUTE ON FUNCTION ag() TO ann; GRANT USAGE ON FOREIGN DATA WRAPPER w TO ann; GRANT USAGE ON FOREIGN SERVER sv TO ann; GRANT SELECT ON ft TO bob; REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC"),
    "grant option comes": (A + "GRANT SELECT, UPDATE ON a TO ann", A + "GRANT SELECT ON a TO ann WITH GRANT OPTION; GRANT DELETE ON a TO ann"),
    "grants on columns": (A + "GRANT SELECT ON a TO ann; GRANT UPDATE (n) ON a TO ann", A + "GRANT SELECT (n, m), UPDATE (n) ON a TO ann; GRANT SELECT (id) ON a TO bob WITH GRANT OPTION"),
    "column grant survives a revoke on the table": (A + "GRANT SELECT, INSERT ON a TO ann; GRANT SELECT (n), INSERT (m) ON a TO ann", A + "GRANT SELECT (n), INSERT (m) ON a TO ann"),
    "grants on a new column": (A + "GRANT SELECT ON a TO ann", A + "ALTER TABLE a ADD z int; GRANT SELECT (z), INSERT (z) ON a TO ann"),
    "grants handed on": added(A, "GRANT SELECT ON a TO ann WITH GRANT OPTION; GRANT USAGE ON SCHEMA public TO ann; SET ROLE ann; GRANT SELECT ON a TO bob WITH GRANT OPTION; SET ROLE bob; GRANT SELECT ON a TO carol; RESET ROLE"),
    "owner's own privileges": added(A, "REVOKE ALL ON a FROM CURRENT_USER; REVOKE INSERT, DELETE ON b FROM CURRENT_USER; GRANT INSERT ON b TO ann"),
    "default privileges for what is new": (
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO ann, bob; ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC; ALTER DEFAULT PRIVILEGES GRANT USAGE ON TYPES TO ann; ",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO ann, bob; ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC; ALTER DEFAULT PRIVILEGES GRANT USAGE ON TYPES TO ann; " + USES_F +
        "REVOKE ALL ON t FROM ann; REVOKE DELETE ON t FROM bob; GRANT EXECUTE ON FUNCTION f TO PUBLIC; CREATE DOMAIN d AS int; REVOKE USAGE ON DOMAIN d FROM ann"),
    "default privileges change": ("ALTER DEFAULT PRIVILEGES FOR ROLE ann GRANT SELECT, INSERT ON TABLES TO bob WITH GRANT OPTION; ALTER DEFAULT PRIVILEGES FOR ROLE ann GRANT USAGE ON SCHEMAS TO bob",
                                  "CREATE SCHEMA s1; ALTER DEFAULT PRIVILEGES FOR ROLE ann GRANT SELECT, DELETE ON TABLES TO bob; ALTER DEFAULT PRIVILEGES FOR ROLE bob IN SCHEMA s1 GRANT ALL ON SEQUENCES TO PUBLIC"),
    "default privileges go as tables come": ("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO ann", "ALTER DEFAULT PRIVILEGES GRANT INSERT ON TABLES TO bob; CREATE TABLE t (x int); GRANT SELECT ON t TO carol; REVOKE INSERT ON t FROM bob"),
    "owners": (A + "CREATE VIEW v AS SELECT 1 AS x; CREATE TYPE e AS ENUM ('x'); CREATE SCHEMA s1; " + F,
               A + "CREATE VIEW v AS SELECT 1 AS x; CREATE TYPE e AS ENUM ('x'); CREATE SCHEMA s1; " + F + "ALTER TABLE a OWNER TO ann; ALTER VIEW v OWNER TO \"Dora\"; ALTER TYPE e OWNER TO ann; ALTER SCHEMA s1 OWNER TO ann; "
               "ALTER FUNCTION f OWNER TO bob"),
    "owner who had privileges": (A + "GRANT SELECT ON a TO ann; GRANT UPDATE ON a TO bob; GRANT INSERT (n) ON a TO ann; REVOKE DELETE ON a FROM CURRENT_USER",
                                 A + "ALTER TABLE a OWNER TO ann; GRANT UPDATE ON a TO carol; GRANT SELECT ON a TO bob"),
    "owners of new things": ("SELECT 1", "CREATE TABLE t (id serial PRIMARY KEY); ALTER TABLE t OWNER TO ann; GRANT SELECT ON t TO bob; REVOKE TRUNCATE ON t FROM ann; CREATE DOMAIN d AS int; ALTER DOMAIN d OWNER TO bob"),
    "owner of a table with a serial": ("CREATE TABLE t (id serial, j int GENERATED ALWAYS AS IDENTITY)", "CREATE TABLE t (id serial, j int GENERATED ALWAYS AS IDENTITY); ALTER TABLE t OWNER TO ann"),
    "privileges of what an extension holds": ("CREATE EXTENSION pg_trgm", "CREATE EXTENSION pg_trgm; REVOKE EXECUTE ON FUNCTION show_trgm FROM PUBLIC; GRANT EXECUTE ON FUNCTION similarity(text, text) TO ann; GRANT EXECUTE ON FUNCTION pg_ls_dir(text) TO bob"),
    "privileges of sequences of columns": (
        "CREATE TABLE i (id int GENERATED ALWAYS AS IDENTITY)",
        "CREATE TABLE i (id int GENERATED ALWAYS AS IDENTITY); CREATE TABLE j (id int GENERATED ALWAYS AS IDENTITY, k serial); ALTER TABLE j OWNER TO bob; GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ann; "
        "REVOKE SELECT ON SEQUENCE j_k_seq FROM bob; COMMENT ON SEQUENCE j_id_seq IS 'x'; COMMENT ON SEQUENCE j_k_seq IS 'y'"),
    "default privileges of sequences of columns": (
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO ann; ",
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO ann; CREATE TABLE j (id int GENERATED ALWAYS AS IDENTITY, k serial, l serial); REVOKE ALL ON SEQUENCE j_id_seq, j_k_seq FROM ann; GRANT USAGE ON SEQUENCE j_k_seq TO bob"),
    "identity comes to a table with default privileges": (
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO ann; CREATE TABLE j (k int)",
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO ann; CREATE TABLE j (k int); ALTER TABLE j ADD id int GENERATED ALWAYS AS IDENTITY"),
    "privileges of a view that is made anew": (
        W + "GRANT SELECT (id) ON w TO bob; GRANT UPDATE (n), SELECT (id) ON v TO ann WITH GRANT OPTION; GRANT ALL ON v TO bob",
        W.replace("SELECT id, n FROM a", "SELECT n, id FROM a") + "GRANT SELECT (id) ON w TO bob; GRANT UPDATE (n), SELECT (id) ON v TO ann WITH GRANT OPTION; GRANT ALL ON v TO bob"),
    "privileges of a function that is made anew": (F + "REVOKE ALL ON FUNCTION f FROM PUBLIC; GRANT EXECUTE ON FUNCTION f TO ann, bob; ALTER FUNCTION f OWNER TO carol",
                                                   F.replace("RETURNS int", "RETURNS bigint") + "REVOKE ALL ON FUNCTION f FROM PUBLIC; GRANT EXECUTE ON FUNCTION f TO bob; ALTER FUNCTION f OWNER TO carol"),
    "enum under functions and views": (
        "CREATE TYPE e AS ENUM ('a', 'b'); CREATE TABLE t (x e DEFAULT 'a'); CREATE FUNCTION g(x e DEFAULT 'b') RETURNS e LANGUAGE sql AS 'SELECT x'; COMMENT ON FUNCTION g IS 'x'; CREATE VIEW v AS SELECT g(x) AS y FROM t WHERE x = 'a'; GRANT SELECT ON v TO ann",
        "CREATE TYPE e AS ENUM ('b', 'c'); CREATE TABLE t (x e DEFAULT 'b'); CREATE FUNCTION g(x e DEFAULT 'b') RETURNS e LANGUAGE sql AS 'SELECT x'; COMMENT ON FUNCTION g IS 'x'; CREATE VIEW v AS SELECT g(x) AS y FROM t WHERE x = 'b'; GRANT SELECT ON v TO ann"),
    "policy and view need each other": (
        RLS, RLS + "CREATE VIEW av AS SELECT id FROM a WHERE m > 1; CREATE POLICY po ON a USING (id IN (SELECT id FROM av)); COMMENT ON POLICY po ON a IS 'x'; CREATE RULE ru AS ON INSERT TO b WHERE EXISTS (SELECT FROM av) DO INSTEAD NOTHING; DROP TABLE b CASCADE"),
    # comments
    "comments on everything": (
        ALL + "COMMENT ON SCHEMA public IS 'ours'; COMMENT ON EXTENSION plpgsql IS 'old'",
        ALL + "COMMENT ON SCHEMA public IS NULL; COMMENT ON EXTENSION plpgsql IS 'x'; "
        "COMMENT ON TABLE a IS E'it''s \\\\ \\n two'; COMMENT ON COLUMN a.n IS 'x'; COMMENT ON CONSTRAINT a_pkey ON a IS 'x'; COMMENT ON INDEX a_pkey IS 'y'; COMMENT ON TRIGGER tp ON p IS 'x'; COMMENT ON FUNCTION f IS 'x'; "
        "COMMENT ON TYPE ct IS 'x'; COMMENT ON COLUMN ct.x IS 'x'; COMMENT ON DOMAIN d IS 'x'; COMMENT ON CONSTRAINT dc ON DOMAIN d IS 'x'; COMMENT ON SEQUENCE s IS 'x'; COMMENT ON POLICY po ON a IS 'x'; "
        "COMMENT ON PUBLICATION pu IS 'x'; COMMENT ON STATISTICS st IS 'x'; COMMENT ON OPERATOR === (int, int) IS 'x'; COMMENT ON AGGREGATE ag(*) IS 'x'; COMMENT ON TEXT SEARCH CONFIGURATION tc IS 'x'; "
        "COMMENT ON CAST (text AS ct) IS 'x'; COMMENT ON COLLATION co IS 'x'; COMMENT ON OPERATOR CLASS oc USING btree IS 'x'; COMMENT ON OPERATOR FAMILY oc USING btree IS 'x'; COMMENT ON FOREIGN DATA WRAPPER w IS 'x'; "
        "COMMENT ON SERVER sv IS 'x'; COMMENT ON FOREIGN TABLE ft IS 'x'; COMMENT ON COLUMN ft.id IS 'x'"),
    "comments on what is new": ("SELECT 1", W + "COMMENT ON TABLE a IS 'x'; COMMENT ON COLUMN a.id IS 'x'; COMMENT ON CONSTRAINT a_pkey ON a IS 'x'; CREATE EXTENSION pg_trgm; COMMENT ON EXTENSION pg_trgm IS NULL"),
    # publications, foreign data
    "publication members": (A + "CREATE PUBLICATION pu FOR TABLE a, b",
                            A + "CREATE TABLE c (x int); CREATE PUBLICATION pu FOR TABLE a (id, n) WHERE (id > 3), c WITH (publish = 'insert', publish_via_partition_root)"),
    "publication of schemas": added(A, "CREATE SCHEMA s1; CREATE PUBLICATION pu FOR TABLES IN SCHEMA s1, public; COMMENT ON PUBLICATION pu IS 'x'; ALTER PUBLICATION pu OWNER TO ann"),
    "publication of all tables": (A + "CREATE PUBLICATION pu FOR TABLE a", A + "CREATE PUBLICATION pu FOR ALL TABLES"),
    "column type under a publication": (A + "CREATE PUBLICATION pu FOR TABLE a (id, m) WHERE (m > 3)", A.replace("m int", "m bigint").replace("id int PRIMARY KEY, n", "id bigint PRIMARY KEY, n") + "CREATE PUBLICATION pu FOR TABLE a (id, m) WHERE (m > 3)"),
    "table leaves a publication and goes": (A + "CREATE TABLE c (x int); CREATE PUBLICATION pu FOR TABLE a, c", A + "CREATE PUBLICATION pu FOR TABLE a"),
    "subscription": ("SELECT 1", SUB + "COMMENT ON SUBSCRIPTION su IS 'x'"),
    "subscription changed": (SUB, SUB.replace("dbname=x", "dbname=y").replace("PUBLICATION p1, p2", "PUBLICATION p2, p3").replace("slot_name = NONE", "slot_name = 's', binary = true, streaming = on, synchronous_commit = 'local'")),
    "foreign data from nothing": ("SELECT 1", FT + "CREATE USER MAPPING FOR ann SERVER sv OPTIONS (\"user\" 'x'); CREATE USER MAPPING FOR PUBLIC SERVER sv; ALTER SERVER sv OWNER TO ann; ALTER FOREIGN TABLE ft OWNER TO bob; GRANT SELECT (id) ON ft TO ann"),
    "foreign data options": (FT + "CREATE USER MAPPING FOR ann SERVER sv OPTIONS (\"user\" 'x')",
                             FT.replace("host 'a'", "port '1', \"Odd name\" 'it''s'").replace("DATA WRAPPER w;", "DATA WRAPPER w OPTIONS (debug 'on');").replace("table_name 'x'", "table_name 'y'")
                             .replace("column_name 'x'", "column_name 'z', other '1'") + "CREATE USER MAPPING FOR ann SERVER sv OPTIONS (\"user\" 'y', extra '1')"),
    "server version and type": turned(FDW, "SERVER sv", "SERVER sv TYPE 't' VERSION '2'"),
    "foreign table columns": turned(FT, "q text DEFAULT 'a'", "q varchar(5), z int CHECK (z > 0)"),
    "foreign table moves to another server": (FT + "CREATE SERVER s2 FOREIGN DATA WRAPPER w", FT.replace("FOREIGN TABLE", "SERVER s2 FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE").replace("SERVER sv OPTIONS (table", "SERVER s2 OPTIONS (table")),
    "foreign table as a partition": added(FT, "CREATE TABLE p (id int NOT NULL, q text) PARTITION BY LIST (id); CREATE FOREIGN TABLE fp PARTITION OF p FOR VALUES IN (1) SERVER sv; CREATE TABLE base (id int NOT NULL, q text); "
                                         "CREATE FOREIGN TABLE fi () INHERITS (base) SERVER sv"),
    "a schema with everything goes": (USES_F.replace(" f", " s.f").replace("FUNCTION f", "FUNCTION s.f").replace("CHECK (f", "CHECK (s.f").replace("(f(x))", "(s.f(x))").replace("VIEW v", "VIEW s.v").replace("ON v", "ON s.v")
                                      .replace("TABLE t", "TABLE s.t").replace("ON t", "ON s.t").replace("CREATE FUNCTION", "CREATE SCHEMA s; CREATE FUNCTION", 1), "SELECT 1"),
}


@pytest.fixture(scope="module")
def server():
    with scratch.server() as running:
        for role in ROLES:
            running.admin.execute(f'CREATE ROLE "{role}"')
        yield running


@pytest.fixture
def sides(server):
    """sides(before, after) -> (connection to a database made by before, catalogue of before, catalogue of after)."""
    with contextlib.ExitStack() as stack:
        def make(sql: str) -> psycopg.Connection:
            opened = stack.enter_context(contextlib.closing(connection.connect(server.url(stack.enter_context(server.database())), check_function_bodies="off")))
            opened.execute(sql)
            return opened

        def both(before: str, after: str) -> tuple[psycopg.Connection, Catalogue, Catalogue]:
            work, wanted = make(before), make(after)
            return work, live.read(work), live.read(wanted)
        yield both


def apply(database: psycopg.Connection, old: Catalogue, new: Catalogue) -> None:
    for step in plan.migration(old, new):
        try:
            database.execute(step.sql)
        except psycopg.Error as error:
            pytest.fail(f"{error} in: {step.sql}")


def difference(have: Catalogue, want: Catalogue) -> list[str]:
    found = diff.compare(have, want)
    return [*(f"surplus {one}" for one in found.removed), *(f"missing {one}" for one in found.added), *(f"{one} instead of {two}" for one, two in found.changed)]


@pytest.mark.parametrize("name", CASES)
def test_forward_and_back(name, sides):
    database, old, new = sides(*CASES[name])
    diff.agree(old, new)
    assert diff.compare(old, new)
    apply(database, old, new)
    reached = live.read(database)
    assert not difference(reached, new)
    apply(database, reached, old)
    assert not difference(live.read(database), old)


def test_secrets_are_never_written(sides):
    mapping = FDW + "CREATE USER MAPPING FOR ann SERVER sv OPTIONS (\"user\" 'x', password '{}')"
    _, old, new = sides(mapping.format("s3cret"), mapping.format("0ther"))
    assert "s3cret" not in str(list(old.facts.values()))
    with pytest.raises(CommandError, match="password of user mapping sv.ann is a secret") as refused:
        plan.migration(old, new)
    assert refused.value.code == ExitCode.REFUSED
    _, old, new = sides(mapping.format("s3cret"), mapping.format("s3cret").replace("host 'a'", "host 'b'"))
    assert [step.sql for step in plan.migration(old, new)] == ["ALTER SERVER sv OPTIONS (SET host 'b')"]
