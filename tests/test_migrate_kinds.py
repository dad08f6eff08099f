"""Every kind of object is migrated forward and back on real servers: tables plainly and online, types, schemas, code, privileges and more. Values and rows survive."""
from __future__ import annotations

import contextlib
import subprocess

import psycopg
import pytest

from senior_backend.console import CommandError, ExitCode
from senior_backend.migrate import agree, diff, plan
from senior_backend.postgres import connection, live, scratch
from senior_backend.postgres.model import Catalogue

ROLES = ("ann", "bob", "carol", "Dora")
S = "CREATE SCHEMA s; "
E = S + "CREATE TYPE s.e AS ENUM ('a', 'b', 'c'); "
T = E + "CREATE TABLE s.t (id int PRIMARY KEY, e s.e DEFAULT 'a' NOT NULL, l s.e[] DEFAULT '{a,c}'); "
FILL = "INSERT INTO s.t (id) VALUES (1); INSERT INTO s.t VALUES (2, 'c', '{c,a}')"
ROWS = ("SELECT string_agg(concat_ws(':', id, e, l), ' ' ORDER BY id) FROM s.t", "1:a:{a,c} 2:c:{c,a}")
C = S + "CREATE TYPE s.c AS (x int, y text); COMMENT ON COLUMN s.c.x IS 'first'; "
K = C + "CREATE TABLE s.t (id int, c s.c, l s.c[]); "
FILL_K = "INSERT INTO s.t VALUES (1, ROW(1, 'q'), ARRAY[ROW(2, 'z')]::s.c[]), (2, NULL, NULL), (3, ROW(NULL, NULL), '{}')"
ROWS_K = "SELECT string_agg(coalesce(c::text, '-') || coalesce(l::text, '-'), ' ' ORDER BY id) FROM s.t"
D = S + "CREATE DOMAIN s.d AS int CHECK (VALUE > 0); CREATE TABLE s.t (d s.d DEFAULT 3, l s.d[]); CREATE VIEW s.v AS SELECT d FROM s.t; "
FILL_D = "INSERT INTO s.t VALUES (5, '{6,7}')"
LT = S + ("CREATE FUNCTION s.lt(int, int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 < $2'; CREATE FUNCTION s.cmp(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 - $2'; ")
O = LT + "CREATE OPERATOR s.<@< (function = s.lt, leftarg = int, rightarg = int, restrict = scalarltsel); "
OC = O + "CREATE OPERATOR CLASS s.oc FOR TYPE int USING btree AS OPERATOR 1 s.<@<, FUNCTION 1 s.cmp(int, int); "
OF = O + "CREATE OPERATOR FAMILY s.of USING btree; ALTER OPERATOR FAMILY s.of USING btree ADD OPERATOR 1 s.<@< (int, int); "
AGG = S + "CREATE AGGREGATE s.a(int) (sfunc = int4pl, stype = int); COMMENT ON AGGREGATE s.a(int) IS 'sum'; CREATE VIEW s.v AS SELECT s.a(1); "
TS = S + ("CREATE TEXT SEARCH DICTIONARY s.d (template = simple, accept = false, stopwords = english); CREATE TEXT SEARCH CONFIGURATION s.c (parser = \"default\"); "
          "ALTER TEXT SEARCH CONFIGURATION s.c ADD MAPPING FOR word, asciiword WITH s.d, english_stem; ")
R = S + "CREATE TYPE s.r AS RANGE (subtype = text, multirange_type_name = s.mr); CREATE TABLE s.t (r s.r, m s.mr); "
ST = S + "CREATE TABLE s.t (a int, b text, c int); CREATE STATISTICS s.st (mcv, ndistinct) ON a, b FROM s.t; "
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


def swapped(more: str = "", fill: str = FILL, rows: tuple = ROWS, base: str = T) -> tuple:
    """An enum that loses one value, moves another and gets a third, under what uses it."""
    return base + more, (base + more).replace("('a', 'b', 'c')", "('c', 'a', 'd')"), fill, rows


# name: (before, after[, rows in before, (query on what came of them, its answer)])
CASES: dict[str, tuple] = {
    "extension moves": (S + "CREATE EXTENSION hstore", S + "CREATE EXTENSION hstore SCHEMA s"),
    "extension updated, and made again on the way back": ("CREATE EXTENSION pg_trgm VERSION '1.4'; CREATE TABLE t (a text); CREATE INDEX i ON t USING gin (a gin_trgm_ops)",
                                                          "CREATE EXTENSION pg_trgm; CREATE TABLE t (a text); CREATE INDEX i ON t USING gin (a gin_trgm_ops)"),
    "language": (S, S + "CREATE LANGUAGE l HANDLER plpgsql_call_handler INLINE plpgsql_inline_handler VALIDATOR plpgsql_validator; ALTER LANGUAGE l OWNER TO pg_monitor"),
    "access method": (S, S + "CREATE ACCESS METHOD m TYPE TABLE HANDLER heap_tableam_handler; CREATE TABLE s.t (a int) USING m"),
    "transform": (E, E + "CREATE FUNCTION s.f(internal) RETURNS internal LANGUAGE internal IMMUTABLE AS 'dsimple_init'; CREATE TRANSFORM FOR s.e LANGUAGE plpgsql (FROM SQL WITH FUNCTION s.f(internal))"),
    "collation made anew under a column": (S + "CREATE COLLATION s.a (locale = 'C'); CREATE TABLE s.t (c text COLLATE s.a, d text); CREATE INDEX i ON s.t (c); CREATE INDEX j ON s.t (d COLLATE s.a); CREATE DOMAIN s.d AS text COLLATE s.a",
                                           S + "CREATE COLLATION s.a (locale = 'POSIX'); CREATE TABLE s.t (c text COLLATE s.a, d text); CREATE INDEX i ON s.t (c); CREATE INDEX j ON s.t (d COLLATE s.a); CREATE DOMAIN s.d AS text COLLATE s.a",
                                           "INSERT INTO s.t VALUES ('x')", ("SELECT c FROM s.t", "x")),
    "conversion": (S + "CREATE CONVERSION s.c FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1", S + "CREATE DEFAULT CONVERSION s.c FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1"),
    "enum values come everywhere": (T, T.replace("('a', 'b', 'c')", "('0', 'a', 'a1', 'a2', 'b', 'c', 'it''s')")),
    "enum value used at once": (T, T.replace("('a', 'b', 'c')", "('a', 'b', 'c', 'z')").replace("DEFAULT 'a'", "DEFAULT 'z'") + "CREATE VIEW s.v AS SELECT id FROM s.t WHERE e = 'z'; CREATE TABLE s.q (x s.e CHECK (x <> 'z'))"),
    "enum made anew": swapped(),
    "enum under views": swapped("CREATE VIEW s.v AS SELECT id, e FROM s.t WHERE e = 'a'; CREATE VIEW s.w AS SELECT e FROM s.v; CREATE MATERIALIZED VIEW s.m AS SELECT * FROM s.w; CREATE INDEX mi ON s.m (e); GRANT SELECT ON s.v TO pg_monitor"),
    "enum under indexes and statistics": swapped("CREATE INDEX i ON s.t (e) WHERE e = 'a'; CREATE INDEX j ON s.t (e, l); CREATE INDEX k ON s.t ((e = 'c')); CREATE STATISTICS s.st ON e, l FROM s.t; CREATE STATISTICS s.su ON (e = 'a'), id FROM s.t"),
    "enum in a foreign key": swapped("CREATE TABLE s.k (e s.e PRIMARY KEY); CREATE TABLE s.t (id int, e s.e REFERENCES s.k)", "INSERT INTO s.k VALUES ('a'); INSERT INTO s.t VALUES (1, 'a')",
                                     ("SELECT e::text FROM s.t", "a"), E),
    "enum under policy, trigger and rule": swapped(
        "ALTER TABLE s.t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON s.t USING (e = 'a'); CREATE FUNCTION s.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; "
        "CREATE TRIGGER tr BEFORE UPDATE OF e ON s.t FOR EACH ROW WHEN (NEW.e = 'c') EXECUTE FUNCTION s.f(); CREATE RULE r AS ON UPDATE TO s.t WHERE NEW.e = 'a' DO ALSO NOTHING"),
    "enum in functions": swapped(
        "CREATE FUNCTION s.f(x s.e, y s.e DEFAULT 'a') RETURNS s.e[] LANGUAGE sql IMMUTABLE AS 'SELECT ARRAY[x, y]'; COMMENT ON FUNCTION s.f(s.e, s.e) IS 'q'; CREATE VIEW s.v AS SELECT s.f(e) FROM s.t; "
        "CREATE FUNCTION s.g(x s.e[]) RETURNS TABLE (z s.e) LANGUAGE plpgsql AS 'BEGIN END'; CREATE FUNCTION s.i(s.e) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'; CREATE CAST (s.e AS int) WITH FUNCTION s.i(s.e); "
        "CREATE FUNCTION s.o(s.e, s.e) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true'; CREATE OPERATOR s.=== (function = s.o, leftarg = s.e, rightarg = s.e); CREATE AGGREGATE s.ag(s.e) (sfunc = array_append, stype = s.e[])"),
    "enum in a range type": swapped("CREATE TYPE s.r AS RANGE (subtype = s.e); CREATE TABLE s.t (r s.r, l s.r[])", "INSERT INTO s.t VALUES ('[a,a]', NULL)", ("SELECT r::text FROM s.t", "[a,a]"), E),
    "enum in partitions": swapped("CREATE TABLE s.t (id int, e s.e DEFAULT 'a') PARTITION BY RANGE (id); CREATE TABLE s.t1 PARTITION OF s.t FOR VALUES FROM (0) TO (10); CREATE TABLE s.t2 PARTITION OF s.t DEFAULT; "
                                  "CREATE VIEW s.v AS SELECT e FROM s.t1; CREATE INDEX i ON s.t (e)", "INSERT INTO s.t VALUES (1, 'c'), (20, 'a')", ("SELECT string_agg(e::text, ',' ORDER BY id) FROM s.t", "c,a"), E),
    "enum becomes a domain": (E + "CREATE TABLE s.t (e s.e)", S + "CREATE DOMAIN s.e AS text CHECK (VALUE IN ('a', 'c')); CREATE TABLE s.t (e s.e)", "INSERT INTO s.t VALUES ('a')", ("SELECT e FROM s.t", "a")),
    "domain default, not null and check": (D, D.replace("int CHECK (VALUE > 0)", "int DEFAULT 4 NOT NULL CONSTRAINT x CHECK (VALUE > 1)"), "INSERT INTO s.t VALUES (5)", ("SELECT d FROM s.t", 5)),
    "domain check validated": (D + "ALTER DOMAIN s.d ADD CONSTRAINT q CHECK (VALUE > 3) NOT VALID", D.replace("CHECK (VALUE > 0)", "CHECK (VALUE > 0) CONSTRAINT q CHECK (VALUE > 3)")),
    "domain over another type": (D, D.replace("AS int", "AS bigint DEFAULT 7"), FILL_D, ("SELECT d || l::text FROM s.t", "5{6,7}")),
    "domain dissolved": (D, S + "CREATE TABLE s.t (d int DEFAULT 3, l int[]); CREATE VIEW s.v AS SELECT d FROM s.t; ", FILL_D, ("SELECT d || l::text FROM s.t", "5{6,7}")),
    "attribute goes": (K + "CREATE VIEW s.v AS SELECT (c).x FROM s.t", K.replace(", y text", "") + "CREATE VIEW s.v AS SELECT (c).x FROM s.t", FILL_K, (ROWS_K, '(1){(2)} -- (){}')),
    "attribute of another type, nowhere stored": (C, C.replace("x int", "x bigint")),
    "attribute in the middle": (K, K.replace("x int", "x int, m int"), FILL_K, (ROWS_K, '(1,,q){"(2,,z)"} -- (,,){}')),
    "attribute of a typed table": (C + "CREATE TABLE s.t OF s.c", C.replace("y text", "y text, z int") + "CREATE TABLE s.t OF s.c", "INSERT INTO s.t VALUES (1, 'q')", ("SELECT t::text FROM s.t", "(1,q,)")),
    "range made anew": (R, R.replace("= text,", '= text, collation = "C", subtype_opclass = text_pattern_ops,'), "INSERT INTO s.t VALUES ('[a,b)', '{[c,d)}')", ("SELECT r::text || m::text FROM s.t", "[a,b){[c,d)}")),
    "shell type": (S, S + "CREATE TYPE s.x"),
    "operator estimators": (O, O.replace("restrict = scalarltsel", "join = scalarltjoinsel")),
    "operator made anew": (O + "CREATE VIEW s.v AS SELECT 1 OPERATOR(s.<@<) 2 AS x", O.replace("restrict = scalarltsel", "hashes, merges") + "CREATE VIEW s.v AS SELECT 1 OPERATOR(s.<@<) 2 AS x"),
    "operator class made anew under an index": (OC + "CREATE TABLE s.t (a int); CREATE INDEX i ON s.t (a s.oc)", OC.replace("OPERATOR 1", "OPERATOR 2") + "CREATE TABLE s.t (a int); CREATE INDEX i ON s.t (a s.oc)"),
    "operator class in another family": (OC, OC.replace("CREATE OPERATOR CLASS", "CREATE OPERATOR FAMILY s.g USING btree; CREATE OPERATOR CLASS").replace("btree AS", "btree FAMILY s.g AS")),
    "operator class with storage": (S, S + "CREATE OPERATOR CLASS s.g FOR TYPE int[] USING gin AS OPERATOR 1 && (anyarray, anyarray), FUNCTION 1 btint4cmp(int, int), FUNCTION 2 ginarrayextract(anyarray, internal, internal), "
                                           "FUNCTION 3 ginqueryarrayextract(anyarray, internal, smallint, internal, internal, internal, internal), "
                                           "FUNCTION 4 ginarrayconsistent(internal, smallint, anyarray, integer, internal, internal, internal, internal), STORAGE int"),
    "loose members of a family": (OF, OF.replace("OPERATOR 1", "FUNCTION 1 (int, int) s.cmp(int, int), OPERATOR 2")),
    "casts": (E, E + "CREATE FUNCTION s.f(s.e) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'; CREATE CAST (s.e AS int) WITH FUNCTION s.f(s.e) AS ASSIGNMENT; CREATE CAST (int AS s.e) WITH INOUT AS IMPLICIT; COMMENT ON CAST (int AS s.e) IS 'x'"),
    "aggregates of every form": (S, S + """
        CREATE AGGREGATE s.sum(int) (sfunc = int4pl, stype = int, sspace = 8, initcond = '0', msfunc = int4pl, minvfunc = int4mi, mstype = int, minitcond = '0', parallel = safe, combinefunc = int4pl);
        CREATE AGGREGATE s.cnt(*) (sfunc = int8inc, stype = int8, initcond = '0'); COMMENT ON AGGREGATE s.cnt(*) IS 'all'; CREATE AGGREGATE s.mx(int) (sfunc = int4larger, stype = int, sortop = >);
        CREATE AGGREGATE s.pct(float8 ORDER BY anyelement) (sfunc = ordered_set_transition, stype = internal, finalfunc = percentile_disc_final, finalfunc_extra); ALTER AGGREGATE s.pct(float8 ORDER BY anyelement) OWNER TO pg_monitor;
        CREATE AGGREGATE s.rnk(VARIADIC "any" ORDER BY VARIADIC "any") (sfunc = ordered_set_transition_multi, stype = internal, finalfunc = rank_final, finalfunc_extra, hypothetical); COMMENT ON AGGREGATE s.rnk("any") IS 'r'"""),
    "aggregate replaced in place": (AGG, AGG.replace("stype = int)", "stype = int, initcond = '0', parallel = safe)")),
    "aggregate with another result": (AGG, AGG.replace("sfunc = int4pl, stype = int", "sfunc = int4_avg_accum, stype = _int8, finalfunc = int8_avg, initcond = '{0,0}'")),
    "text search from the parser up": (S, S + """CREATE TEXT SEARCH PARSER s.p (start = prsd_start, gettoken = prsd_nexttoken, end = prsd_end, lextypes = prsd_lextype, headline = prsd_headline);
        CREATE TEXT SEARCH TEMPLATE s.t (init = dsimple_init, lexize = dsimple_lexize); CREATE TEXT SEARCH DICTIONARY s.d (template = s.t, accept = false, stopwords = english);
        CREATE TEXT SEARCH CONFIGURATION s.c (parser = s.p); ALTER TEXT SEARCH CONFIGURATION s.c ADD MAPPING FOR word, asciiword WITH s.d, english_stem; COMMENT ON TEXT SEARCH CONFIGURATION s.c IS 'x'"""),
    "text search options and mappings": (TS, TS.replace("accept = false, stopwords = english", "accept = true").replace("word, asciiword WITH s.d, english_stem", "asciiword WITH english_stem, s.d")
                                         + "ALTER TEXT SEARCH CONFIGURATION s.c ADD MAPPING FOR uint, url WITH simple; CREATE TABLE s.t (x tsvector GENERATED ALWAYS AS (to_tsvector('s.c'::regconfig, 'a')) STORED)"),
    "text search dictionary of another template": (TS, TS.replace("template = simple, accept = false", "template = snowball, language = english")),
    "statistics of a column that goes": (ST.replace("ON a, b", "ON a, b, c"), ST.replace(", c int", "")),
    "view columns added at the end": turned(W, "SELECT id, n FROM a", "SELECT id, n, m FROM a"),
    "view options": turned(V, "CREATE VIEW v AS", "CREATE VIEW v WITH (security_barrier, check_option = local) AS"),
    "view options with the query": (V.replace("VIEW v AS", "VIEW v WITH (security_barrier) AS"), V.replace("SELECT id, n FROM a", "SELECT id, n FROM a WHERE m > 1")),
    "views on views with triggers and rules": (
        W + "CREATE FUNCTION i() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER ti INSTEAD OF INSERT ON w FOR EACH ROW EXECUTE FUNCTION i(); COMMENT ON TRIGGER ti ON w IS 'x'; "
        "CREATE RULE r AS ON DELETE TO w DO INSTEAD NOTHING",
        W.replace("m int DEFAULT 5", "m int").replace("SELECT id, n FROM a", "SELECT id::bigint AS id, n FROM a")
        + "CREATE FUNCTION i() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER ti INSTEAD OF INSERT ON w FOR EACH ROW EXECUTE FUNCTION i(); COMMENT ON TRIGGER ti ON w IS 'x'; "
        "CREATE RULE r AS ON DELETE TO w DO INSTEAD NOTHING"),
    "materialized view query": turned(MV, "SELECT id, n FROM a", "SELECT id, n, m FROM a"),
    "materialized view options and columns": added(MV, "ALTER MATERIALIZED VIEW mv SET (fillfactor = 70); ALTER MATERIALIZED VIEW mv ALTER n SET STORAGE external; ALTER MATERIALIZED VIEW mv ALTER n SET STATISTICS 7; "
                                                       "ALTER MATERIALIZED VIEW mv ALTER id SET (n_distinct = 5); ALTER MATERIALIZED VIEW mv CLUSTER ON mvi"),
    "column type under views": (W + "CREATE MATERIALIZED VIEW mv AS SELECT * FROM w; CREATE INDEX mvi ON mv (id); COMMENT ON MATERIALIZED VIEW mv IS 'm'",
                                W.replace("a (id int", "a (id bigint") + "CREATE MATERIALIZED VIEW mv AS SELECT * FROM w; CREATE INDEX mvi ON mv (id); COMMENT ON MATERIALIZED VIEW mv IS 'm'"),
    "function body and properties": turned(USES_F, "IMMUTABLE AS 'SELECT x + 1'", "IMMUTABLE STRICT PARALLEL SAFE COST 7 SECURITY DEFINER SET search_path = pg_temp AS 'SELECT x + 2'"),
    "function default comes": turned(USES_F, "f(x int)", "f(x int DEFAULT 3)"),
    "column type under a parsed body": (A + "CREATE FUNCTION g() RETURNS bigint BEGIN ATOMIC SELECT sum(m) FROM a; END",
                                        A.replace("m int", "m bigint") + "CREATE FUNCTION g() RETURNS bigint BEGIN ATOMIC SELECT sum(m) FROM a; END"),
    "function and table need each other": ("SELECT 1", "CREATE FUNCTION nid() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM t); END'; CREATE TABLE t (id int DEFAULT nid()); "
                                                       "CREATE FUNCTION first(t) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1.id'; ALTER TABLE t ADD CHECK (first(t) > 0)"),
    "variadic, quotes and dollars": ("SELECT 1", "CREATE FUNCTION \"Odd Name\"(\"a b\" text DEFAULT 'it''s', VARIADIC rest int[] DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $x$BEGIN RETURN $y$ ' \\ $y$; END$x$"),
    "constraint trigger": (TOUCH + "CREATE CONSTRAINT TRIGGER t AFTER UPDATE ON a DEFERRABLE FOR EACH ROW EXECUTE FUNCTION touch()",
                           TOUCH + "CREATE CONSTRAINT TRIGGER t AFTER UPDATE ON a FROM b DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION touch()"),
    "trigger changed, off on one partition": (TP + "ALTER TABLE p1 DISABLE TRIGGER tp", TP.replace("AFTER INSERT", "AFTER UPDATE") + "ALTER TABLE p1 DISABLE TRIGGER tp"),
    "rule and its state": (A + "CREATE RULE r AS ON INSERT TO a WHERE NEW.m < 0 DO INSTEAD NOTHING; COMMENT ON RULE r ON a IS 'x'",
                           A + "CREATE RULE r AS ON INSERT TO a DO ALSO (INSERT INTO b VALUES (1); DELETE FROM b WHERE id = 2;); COMMENT ON RULE r ON a IS 'x'; ALTER TABLE a DISABLE RULE r"),
    "policy roles and conditions": (RLS + "CREATE POLICY po ON a USING (m > 1); COMMENT ON POLICY po ON a IS 'x'",
                                    RLS + "ALTER TABLE a FORCE ROW LEVEL SECURITY; CREATE POLICY po ON a TO ann, \"Dora\" USING (m > 2) WITH CHECK (EXISTS (SELECT FROM b WHERE b.id = a.m)); COMMENT ON POLICY po ON a IS 'x'"),
    "policy that uses a function": (RLS + F + "CREATE POLICY po ON a USING (f(m) > 1)", RLS + F.replace("RETURNS int", "RETURNS bigint") + "CREATE POLICY po ON a USING (f(m) > 1)"),
    "column type under rule and trigger": (TOUCH + "CREATE RULE r AS ON INSERT TO a WHERE NEW.m < 0 DO INSTEAD NOTHING; CREATE TRIGGER t BEFORE UPDATE OF m ON a FOR EACH ROW EXECUTE FUNCTION touch()",
                                           TOUCH.replace("m int", "m bigint") + "CREATE RULE r AS ON INSERT TO a WHERE NEW.m < 0 DO INSTEAD NOTHING; CREATE TRIGGER t BEFORE UPDATE OF m ON a FOR EACH ROW EXECUTE FUNCTION touch()"),
    "event trigger changed": (ET + "CREATE EVENT TRIGGER et ON sql_drop EXECUTE FUNCTION e()", ET + "CREATE EVENT TRIGGER et ON ddl_command_start EXECUTE FUNCTION e(); ALTER EVENT TRIGGER et DISABLE"),
    # privileges
    "grants of every kind": (
        ALL, ALL +
        "GRANT ALL ON a TO ann; GRANT SELECT, INSERT ON b TO PUBLIC; GRANT USAGE ON SEQUENCE s TO ann; REVOKE EXECUTE ON FUNCTION f FROM PUBLIC; GRANT EXECUTE ON FUNCTION f TO ann WITH GRANT OPTION; "
        "GRANT USAGE ON TYPE ct TO ann; REVOKE USAGE ON TYPE ct FROM PUBLIC; GRANT CREATE ON SCHEMA s1 TO \"Dora\"; REVOKE ALL ON SCHEMA public FROM PUBLIC; REVOKE EXECUTE ON PROCEDURE pr FROM PUBLIC; "
        "GRANT EXECUTE ON FUNCTION ag() TO ann; GRANT USAGE ON FOREIGN DATA WRAPPER w TO ann; GRANT USAGE ON FOREIGN SERVER sv TO ann; GRANT SELECT ON ft TO bob; REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC"),
    "grants on columns": (A + "GRANT SELECT ON a TO ann; GRANT UPDATE (n) ON a TO ann", A + "GRANT SELECT (n, m), UPDATE (n) ON a TO ann; GRANT SELECT (id) ON a TO bob WITH GRANT OPTION"),
    "column grant survives a revoke on the table": (A + "GRANT SELECT, INSERT ON a TO ann; GRANT SELECT (n), INSERT (m) ON a TO ann", A + "GRANT SELECT (n), INSERT (m) ON a TO ann"),
    "grants handed on": added(A, "GRANT SELECT ON a TO ann WITH GRANT OPTION; GRANT USAGE ON SCHEMA public TO ann; SET ROLE ann; GRANT SELECT ON a TO bob WITH GRANT OPTION; SET ROLE bob; GRANT SELECT ON a TO carol; RESET ROLE"),
    "default privileges for what is new": (
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO ann, bob; ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC; ALTER DEFAULT PRIVILEGES GRANT USAGE ON TYPES TO ann; ",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO ann, bob; ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC; ALTER DEFAULT PRIVILEGES GRANT USAGE ON TYPES TO ann; " + USES_F +
        "REVOKE ALL ON t FROM ann; REVOKE DELETE ON t FROM bob; GRANT EXECUTE ON FUNCTION f TO PUBLIC; CREATE DOMAIN d AS int; REVOKE USAGE ON DOMAIN d FROM ann"),
    "default privileges change": ("ALTER DEFAULT PRIVILEGES FOR ROLE ann GRANT SELECT, INSERT ON TABLES TO bob WITH GRANT OPTION; ALTER DEFAULT PRIVILEGES FOR ROLE ann GRANT USAGE ON SCHEMAS TO bob",
                                  "CREATE SCHEMA s1; ALTER DEFAULT PRIVILEGES FOR ROLE ann GRANT SELECT, DELETE ON TABLES TO bob; ALTER DEFAULT PRIVILEGES FOR ROLE bob IN SCHEMA s1 GRANT ALL ON SEQUENCES TO PUBLIC"),
    "owner who had privileges": (A + "GRANT SELECT ON a TO ann; GRANT UPDATE ON a TO bob; GRANT INSERT (n) ON a TO ann; REVOKE DELETE ON a FROM CURRENT_USER",
                                 A + "ALTER TABLE a OWNER TO ann; GRANT UPDATE ON a TO carol; GRANT SELECT ON a TO bob"),
    "privileges of sequences of columns": (
        "CREATE TABLE i (id int GENERATED ALWAYS AS IDENTITY)",
        "CREATE TABLE i (id int GENERATED ALWAYS AS IDENTITY); CREATE TABLE j (id int GENERATED ALWAYS AS IDENTITY, k serial); ALTER TABLE j OWNER TO bob; GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ann; "
        "REVOKE SELECT ON SEQUENCE j_k_seq FROM bob; COMMENT ON SEQUENCE j_id_seq IS 'x'; COMMENT ON SEQUENCE j_k_seq IS 'y'"),
    "privileges of a view that is made anew": (
        W + "GRANT SELECT (id) ON w TO bob; GRANT UPDATE (n), SELECT (id) ON v TO ann WITH GRANT OPTION; GRANT ALL ON v TO bob",
        W.replace("SELECT id, n FROM a", "SELECT n, id FROM a") + "GRANT SELECT (id) ON w TO bob; GRANT UPDATE (n), SELECT (id) ON v TO ann WITH GRANT OPTION; GRANT ALL ON v TO bob"),
    "privileges of a function that is made anew": (F + "REVOKE ALL ON FUNCTION f FROM PUBLIC; GRANT EXECUTE ON FUNCTION f TO ann, bob; ALTER FUNCTION f OWNER TO carol",
                                                   F.replace("RETURNS int", "RETURNS bigint") + "REVOKE ALL ON FUNCTION f FROM PUBLIC; GRANT EXECUTE ON FUNCTION f TO bob; ALTER FUNCTION f OWNER TO carol"),
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
    # publications, foreign data
    "publication members": (A + "CREATE PUBLICATION pu FOR TABLE a, b",
                            A + "CREATE TABLE c (x int); CREATE PUBLICATION pu FOR TABLE a (id, n) WHERE (id > 3), c WITH (publish = 'insert', publish_via_partition_root)"),
    "publication of schemas": added(A, "CREATE SCHEMA s1; CREATE PUBLICATION pu FOR TABLES IN SCHEMA s1, public; COMMENT ON PUBLICATION pu IS 'x'; ALTER PUBLICATION pu OWNER TO ann"),
    "publication of all tables": (A + "CREATE PUBLICATION pu FOR TABLE a", A + "CREATE PUBLICATION pu FOR ALL TABLES"),
    "column type under a publication": (A + "CREATE PUBLICATION pu FOR TABLE a (id, m) WHERE (m > 3)", A.replace("m int", "m bigint").replace("id int PRIMARY KEY, n", "id bigint PRIMARY KEY, n") + "CREATE PUBLICATION pu FOR TABLE a (id, m) WHERE (m > 3)"),
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
def made(server):
    """made(sql) -> (connection to a new database in which sql was run, its catalogue, what pg_dump says of it)."""
    with contextlib.ExitStack() as stack:
        def make(sql: str) -> tuple[psycopg.Connection, Catalogue, list[str]]:
            url = server.url(stack.enter_context(server.database()))
            opened = stack.enter_context(contextlib.closing(connection.connect(url, check_function_bodies="off")))
            opened.execute(sql)
            return opened, live.read(opened), dumped(server, url)
        yield make


def dumped(server, url: str) -> list[str]:
    """What pg_dump says, whatever the order: a witness that knows nothing of our queries."""
    done = subprocess.run([server.program.program("pg_dump"), "-s", "-d", url], capture_output=True, text=True, check=True)
    return sorted(line.rstrip(",") for line in done.stdout.splitlines() if line and not line.startswith(("--", "\\")))


def become(database: psycopg.Connection, wanted: Catalogue, online: bool) -> list[str]:
    steps = [step.sql for step in plan.migration(live.read(database), wanted, online)]
    for sql in steps:
        try:
            database.execute(sql)
        except psycopg.Error as error:
            pytest.fail(f"{error} in: {sql}")
    left = diff.compare(live.read(database), wanted)
    assert not left, left
    return steps


@pytest.mark.parametrize("name", CASES)
def test_forward_and_back(name, server, made):
    before, after, fill, asked = (*CASES[name], "SELECT 1", None)[:4] if len(CASES[name]) == 2 else CASES[name]
    (database, old, was), (_, new, goal) = made(before), made(after)
    agree.agree(old, new)
    assert diff.compare(old, new)
    database.execute(fill)
    steps = become(database, new, online=True)
    url = server.url(database.info.dbname)
    assert dumped(server, url) == goal
    if asked:
        assert database.execute(asked[0]).fetchone()[0] == asked[1]
        assert not [sql for sql in steps if "DROP TABLE" in sql or "DROP COLUMN" in sql and not sql.endswith(" g")]
    become(database, old, online=False)
    assert dumped(server, url) == was


def test_secrets_are_never_written(made):
    mapping = FDW + "CREATE USER MAPPING FOR ann SERVER sv OPTIONS (\"user\" 'x', password '{}')"
    old, new = made(mapping.format("s3cret"))[1], made(mapping.format("0ther"))[1]
    assert "s3cret" not in str(list(old.facts.values()))
    with pytest.raises(CommandError, match="password of user mapping sv.ann is a secret") as refused:
        plan.migration(old, new)
    assert refused.value.code == ExitCode.REFUSED
    new = made(mapping.format("s3cret").replace("host 'a'", "host 'b'"))[1]
    assert [step.sql for step in plan.migration(old, new)] == ["ALTER SERVER sv OPTIONS (SET host 'b')"]


@pytest.mark.parametrize("name, kind, words", [
    ("enum made anew", "fails-on-data", "e::text IN ('b')"), ("enum made anew", "rewrite", "reltuples"), ("attribute goes", "data-loss", ""),
    ("domain default, not null and check", "fails-on-data", ""), ("domain over another type", "rewrite", "reltuples"),
])
def test_hazards_are_named(name, kind, words, made):
    steps = plan.migration(*(made(sql)[1] for sql in CASES[name][:2]))
    assert any(hazard.kind == kind and words in hazard.probe for step in steps for hazard in step.hazards)


# tables, columns, constraints, indexes, sequences, partitions and heirs, on each version at hand

TABLE = "CREATE TABLE t (id serial PRIMARY KEY, n text DEFAULT 'a', m int DEFAULT 5 CHECK (m > 0), at timestamp); INSERT INTO t (n) VALUES ('7'), ('8'); "
SEEN = TABLE + "CREATE VIEW v AS SELECT n, m FROM t; COMMENT ON VIEW v IS 'seen'; CREATE INDEX ON t (n); COMMENT ON INDEX t_n_idx IS 'by n'; "
REF = TABLE + "CREATE TABLE r (id int, t_id int REFERENCES t); INSERT INTO r VALUES (1, 1); "
P = """CREATE TABLE p (a int, b text DEFAULT 'q', c int NOT NULL, CHECK (a > 0)) PARTITION BY LIST (a); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
CREATE TABLE p2 PARTITION OF p (b DEFAULT 'z') FOR VALUES IN (2) PARTITION BY RANGE (c); CREATE TABLE p21 PARTITION OF p2 FOR VALUES FROM (0) TO (10); INSERT INTO p VALUES (1, 'x', 1), (2, 'y', 2); """
PI = P + "CREATE INDEX pi ON p (b); ALTER TABLE p ADD CONSTRAINT pu UNIQUE (a, c); "
H = "CREATE TABLE h (a int DEFAULT 3, b text, CHECK (a > 0)); CREATE TABLE h1 (x int) INHERITS (h); CREATE TABLE h2 (a int, z int) INHERITS (h); INSERT INTO h1 VALUES (1, 'r', 2); "

# name: (before, after, rows of table that must be there after both ways)
TABLES: dict[str, tuple[str, str, str]] = {
    "columns come and go": (TABLE, TABLE + "ALTER TABLE t DROP at; ALTER TABLE t ADD k int NOT NULL DEFAULT 1, ADD \"Order By\" text[] DEFAULT '{}', ADD u uuid DEFAULT gen_random_uuid()", "t"),
    "types with views, defaults and indexes": (SEEN, SEEN.replace("n text DEFAULT 'a'", "n int DEFAULT 3").replace("m int", "m bigint").replace("at timestamp", "at timestamptz"), "t"),
    "not null": (TABLE, TABLE + "UPDATE t SET at = now(); ALTER TABLE t ALTER n SET NOT NULL, ALTER m DROP DEFAULT", "t"),
    "how columns are stored": (TABLE, TABLE + "ALTER TABLE t ALTER n SET STORAGE external, ALTER n SET STATISTICS 7, ALTER n SET (n_distinct = 9), ALTER n TYPE text COLLATE \"C\"", "t"),
    "serial to identity": (TABLE, TABLE.replace("id serial", "id int GENERATED BY DEFAULT AS IDENTITY"), "t"),
    "identity options": ("CREATE TABLE i (id int GENERATED ALWAYS AS IDENTITY); ", "CREATE TABLE i (id bigint GENERATED BY DEFAULT AS IDENTITY (INCREMENT 5 START 10 CACHE 3))", ""),
    "generated": ("CREATE TABLE g (x int, y int GENERATED ALWAYS AS (x * 2) STORED); INSERT INTO g VALUES (1); ", "CREATE TABLE g (x bigint, y int GENERATED ALWAYS AS (x * 3) STORED, z int)", "g"),
    "sequences": ("CREATE SEQUENCE s; CREATE TABLE d (id int DEFAULT nextval('s'))", "CREATE SEQUENCE s AS int INCREMENT 5 MAXVALUE 100 CYCLE OWNED BY NONE; CREATE TABLE d (id bigserial NOT NULL); ", ""),
    "constraints": (REF, REF + "ALTER TABLE r DROP CONSTRAINT r_t_id_fkey, ADD CONSTRAINT f FOREIGN KEY (t_id) REFERENCES t ON DELETE CASCADE DEFERRABLE, ADD PRIMARY KEY (id), "
                    "ADD CONSTRAINT u UNIQUE (t_id, id) INCLUDE (id), ADD CONSTRAINT c CHECK (id > 0) NOT VALID, ADD EXCLUDE (id WITH =)", "r"),
    "constraint timing": (REF, REF + "ALTER TABLE r ALTER CONSTRAINT r_t_id_fkey DEFERRABLE INITIALLY DEFERRED", "r"),
    "key that others refer to": (REF, REF.replace("id serial PRIMARY KEY", "id bigserial, PRIMARY KEY (id) INCLUDE (n)").replace("t_id int", "t_id bigint"), "r"),
    "two keys of the same columns": ("SELECT 1", "CREATE TABLE k (a int, b int, PRIMARY KEY (a, b), UNIQUE (a, b)); ", ""),
    "indexes": (SEEN, SEEN + "DROP INDEX t_n_idx; CREATE UNIQUE INDEX t_n_idx ON t (lower(n) DESC) INCLUDE (m) WITH (fillfactor = 70) WHERE m > 1; CREATE INDEX ON t USING brin (m); ALTER TABLE t CLUSTER ON t_pkey", "t"),
    "index settings": (SEEN, SEEN + "ALTER INDEX t_n_idx SET (fillfactor = 60); ALTER TABLE t ALTER n SET NOT NULL; CREATE UNIQUE INDEX q ON t (n); ALTER TABLE t REPLICA IDENTITY USING INDEX q", "t"),
    "table settings": (TABLE, TABLE + "ALTER TABLE t SET (fillfactor = 50, toast.autovacuum_enabled = false), SET UNLOGGED, ENABLE ROW LEVEL SECURITY, REPLICA IDENTITY FULL", "t"),
    "foreign keys in a circle": ("SELECT 1", "CREATE TABLE x (id int PRIMARY KEY, y int); CREATE TABLE y (id int PRIMARY KEY, x int REFERENCES x); ALTER TABLE x ADD FOREIGN KEY (y) REFERENCES y", ""),
    "check through a function on the row": ("SELECT 1", "CREATE TABLE c (x int); CREATE FUNCTION ok(c) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true'; ALTER TABLE c ADD CHECK (ok(c.*))", ""),
    "table becomes view": (TABLE, "CREATE VIEW t AS SELECT 1 AS id", ""),
    "partitions": (PI, PI + "ALTER TABLE p DETACH PARTITION p1; ALTER TABLE p ATTACH PARTITION p1 FOR VALUES IN (1, 3); CREATE TABLE pd PARTITION OF p DEFAULT; DROP INDEX pi; CREATE INDEX pj ON p (c)", "p"),
    "columns of partitions": (PI, PI.replace("b text DEFAULT 'q', c int NOT NULL", "b varchar(20) DEFAULT 'q', c int NOT NULL, d int NOT NULL DEFAULT 5"), "p"),
    "partition detached": (PI, PI + "ALTER TABLE p DETACH PARTITION p1; DROP INDEX p1_b_idx", "p1"),
    "partitioned and back": (TABLE + "CREATE VIEW v AS SELECT n FROM t; ", "CREATE TABLE t (id serial, n text DEFAULT 'a', m int DEFAULT 5 CHECK (m > 0), at timestamp, PRIMARY KEY (id)) PARTITION BY RANGE (id); "
                             "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (1) TO (2); CREATE TABLE td PARTITION OF t DEFAULT; CREATE VIEW v AS SELECT n FROM t; ", "t"),
    "heirs": (H, H.replace("a int", "a bigint").replace("b text", "b varchar(9), n int DEFAULT 1 CHECK (n > 0)").replace("VALUES (1, 'r', 2)", "(a, b, x) VALUES (1, 'r', 2)")
              + "CREATE TABLE h3 () INHERITS (h, h1); ALTER TABLE h3 ALTER n SET DEFAULT 4, ALTER x SET NOT NULL", "h1"),
    "heir on its own": (H, H + "ALTER TABLE h1 NO INHERIT h; ALTER TABLE h1 DROP CONSTRAINT h_a_check", "h1"),
}


@pytest.fixture
def make(every_postgres):
    """make(sql) -> connection to a new database in which sql was run."""
    with contextlib.ExitStack() as stack:
        def create(sql: str) -> psycopg.Connection:
            opened = stack.enter_context(contextlib.closing(connection.connect(every_postgres.url(stack.enter_context(every_postgres.database())), check_function_bodies="off")))
            opened.execute(sql)
            return opened
        yield create


def migrate(database: psycopg.Connection, old: Catalogue, new: Catalogue, online: bool) -> None:
    """Run a plan the way its files do: statements in transactions but for those that cannot be."""
    inside = False
    for step in plan.migration(old, new, online):
        for needed, word in ((step.transactional and not inside, "BEGIN"), (not step.transactional and inside, "COMMIT")):
            if needed:
                database.execute(word)
        database.execute(step.sql)
        inside = step.transactional and not step.commit_after
        if step.commit_after:
            database.execute("COMMIT")
    database.execute("COMMIT" if inside else "SELECT 1")


def difference(have: Catalogue, want: Catalogue) -> str:
    found = diff.compare(have, want)
    return "; ".join([*(f"surplus {one}" for one in found.removed), *(f"missing {one}" for one in found.added), *(f"{one} instead of {two}" for one, two in found.changed)])


@pytest.mark.parametrize("online", [False, True], ids=["plain", "online"])
@pytest.mark.parametrize("name", TABLES)
def test_tables_forward_and_back(name, online, make):
    before, after, table = TABLES[name]
    database = make(before)
    old, new = live.read(database), live.read(make(after))
    rows = f"SELECT count(*) FROM public.{table}" if table else "SELECT 0"
    counted = database.execute(rows).fetchone()
    assert difference(old, new)
    migrate(database, old, new, online)
    reached = live.read(database)
    assert difference(reached, new) == ""
    assert not plan.migration(reached, new, online)
    migrate(database, reached, old, online)
    assert difference(live.read(database), old) == ""
    assert database.execute(rows).fetchone() == counted


def test_new_sequences_go_on_after_the_rows(make):
    database = make("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (41, 1)")
    old = live.read(database)
    migrate(database, old, live.read(make("CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n serial)")), online=False)
    assert database.execute("INSERT INTO t DEFAULT VALUES RETURNING id, n").fetchone() == (42, 2)


def test_hazards_say_what_is_at_stake(make):
    old = live.read(make("CREATE TABLE t (id int, a text, b varchar(5), c int); CREATE TABLE gone (x int)"))
    new = live.read(make("CREATE TABLE t (id bigint NOT NULL, b varchar(9), c int CHECK (c > 0)); CREATE INDEX ON t (c)"))
    for online, expected in ((False, {"blocks-reads", "blocks-writes"}), (True, {"blocks-reads"})):
        hazards = [hazard for step in plan.migration(old, new, online) for hazard in step.hazards]
        found = {(hazard.kind, str(hazard.object)) for hazard in hazards}
        assert {("data-loss", "column public.t.a"), ("data-loss", "table public.gone"), ("rewrite", "table public.t"), ("fails-on-data", "column public.t.id"),
                ("fails-on-data", "constraint public.t.t_c_check")} <= found
        assert {kind for kind, _ in found if kind.startswith("blocks")} == expected
        assert not any("public.t.b" in message for message in (hazard.message for hazard in hazards)), "a longer varchar costs nothing"
        assert all(hazard.probe for hazard in hazards if hazard.kind == "data-loss")


def test_a_new_table_is_one_statement(make):
    old, new = live.read(make("SELECT 1")), live.read(make("CREATE TABLE t (id bigserial PRIMARY KEY, n text NOT NULL DEFAULT 'x', m int CHECK (m > 0))"))
    assert [step.sql for step in plan.migration(old, new, online=True)] == [
        "CREATE TABLE public.t (\n  id bigserial,\n  n text DEFAULT 'x'::text NOT NULL,\n  m integer,\n  CONSTRAINT t_m_check CHECK ((m > 0)),\n  CONSTRAINT t_pkey PRIMARY KEY (id)\n)"]
