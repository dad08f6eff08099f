"""Types, schemas, extensions, operators, aggregates, text search and statistics are migrated forward and back on a real server; values in columns survive."""
from __future__ import annotations

import contextlib
import subprocess

import pytest

from senior_backend.migrate import diff, plan
from senior_backend.postgres import connection, live
from senior_backend.postgres.model import Catalogue

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
F = S + ("CREATE FUNCTION s.lt(int, int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 < $2'; CREATE FUNCTION s.cmp(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 - $2'; ")
O = F + "CREATE OPERATOR s.<@< (function = s.lt, leftarg = int, rightarg = int, restrict = scalarltsel); "
OC = O + "CREATE OPERATOR CLASS s.oc FOR TYPE int USING btree AS OPERATOR 1 s.<@<, FUNCTION 1 s.cmp(int, int); "
OF = O + "CREATE OPERATOR FAMILY s.of USING btree; ALTER OPERATOR FAMILY s.of USING btree ADD OPERATOR 1 s.<@< (int, int); "
AGG = S + "CREATE AGGREGATE s.a(int) (sfunc = int4pl, stype = int); COMMENT ON AGGREGATE s.a(int) IS 'sum'; CREATE VIEW s.v AS SELECT s.a(1); "
TS = S + ("CREATE TEXT SEARCH DICTIONARY s.d (template = simple, accept = false, stopwords = english); CREATE TEXT SEARCH CONFIGURATION s.c (parser = \"default\"); "
          "ALTER TEXT SEARCH CONFIGURATION s.c ADD MAPPING FOR word, asciiword WITH s.d, english_stem; ")
R = S + "CREATE TYPE s.r AS RANGE (subtype = text, multirange_type_name = s.mr); CREATE TABLE s.t (r s.r, m s.mr); "
ST = S + "CREATE TABLE s.t (a int, b text, c int); CREATE STATISTICS s.st (mcv, ndistinct) ON a, b FROM s.t; "


def swapped(more: str = "", fill: str = FILL, rows: tuple = ROWS, base: str = T) -> tuple:
    """An enum that loses one value, moves another and gets a third, under what uses it."""
    return base + more, (base + more).replace("('a', 'b', 'c')", "('c', 'a', 'd')"), fill, rows


# name: (before, after[, rows in before, (query on what came of them, its answer)])
CASES: dict[str, tuple] = {
    "schemas": (S, 'CREATE SCHEMA "S 2"; CREATE SCHEMA s; ALTER SCHEMA s OWNER TO pg_monitor; COMMENT ON SCHEMA s IS \'x\''),
    "extension with members in use": (S, S + "CREATE EXTENSION hstore SCHEMA s; CREATE TABLE s.t (h s.hstore); CREATE INDEX i ON s.t USING gin (h)"),
    "extension moves": (S + "CREATE EXTENSION hstore", S + "CREATE EXTENSION hstore SCHEMA s"),
    "extension updated, and made again on the way back": ("CREATE EXTENSION pg_trgm VERSION '1.4'; CREATE TABLE t (a text); CREATE INDEX i ON t USING gin (a gin_trgm_ops)",
                                                          "CREATE EXTENSION pg_trgm; CREATE TABLE t (a text); CREATE INDEX i ON t USING gin (a gin_trgm_ops)"),
    "type of an extension that goes": (S + "CREATE EXTENSION hstore; CREATE TABLE s.t (h hstore)", S + "CREATE TABLE s.t (h text)", "INSERT INTO s.t VALUES ('a=>1')", ("SELECT h FROM s.t", '"a"=>"1"')),
    "language": (S, S + "CREATE LANGUAGE l HANDLER plpgsql_call_handler INLINE plpgsql_inline_handler VALIDATOR plpgsql_validator; ALTER LANGUAGE l OWNER TO pg_monitor"),
    "access method": (S, S + "CREATE ACCESS METHOD m TYPE TABLE HANDLER heap_tableam_handler; CREATE TABLE s.t (a int) USING m"),
    "transform": (E, E + "CREATE FUNCTION s.f(internal) RETURNS internal LANGUAGE internal IMMUTABLE AS 'dsimple_init'; CREATE TRANSFORM FOR s.e LANGUAGE plpgsql (FROM SQL WITH FUNCTION s.f(internal))"),
    "collations": (S, S + "CREATE COLLATION s.a (LC_COLLATE = 'C', LC_CTYPE = 'POSIX'); CREATE COLLATION s.b (locale = 'C'); COMMENT ON COLLATION s.b IS 'x'"),
    "collation made anew under a column": (S + "CREATE COLLATION s.a (locale = 'C'); CREATE TABLE s.t (c text COLLATE s.a, d text); CREATE INDEX i ON s.t (c); CREATE INDEX j ON s.t (d COLLATE s.a); CREATE DOMAIN s.d AS text COLLATE s.a",
                                           S + "CREATE COLLATION s.a (locale = 'POSIX'); CREATE TABLE s.t (c text COLLATE s.a, d text); CREATE INDEX i ON s.t (c); CREATE INDEX j ON s.t (d COLLATE s.a); CREATE DOMAIN s.d AS text COLLATE s.a",
                                           "INSERT INTO s.t VALUES ('x')", ("SELECT c FROM s.t", "x")),
    "conversion": (S + "CREATE CONVERSION s.c FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1", S + "CREATE DEFAULT CONVERSION s.c FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1"),
    "enum values come everywhere": (T, T.replace("('a', 'b', 'c')", "('0', 'a', 'a1', 'a2', 'b', 'c', 'it''s')")),
    "enum value used at once": (T, T.replace("('a', 'b', 'c')", "('a', 'b', 'c', 'z')").replace("DEFAULT 'a'", "DEFAULT 'z'") + "CREATE VIEW s.v AS SELECT id FROM s.t WHERE e = 'z'; CREATE TABLE s.q (x s.e CHECK (x <> 'z'))"),
    "enum without values": (S, S + "CREATE TYPE s.e AS ENUM ()"),
    "enum made anew": swapped(),
    "enum made anew, nowhere used": (E, E.replace("'a', 'b'", "'b'")),
    "enum with comment, grant and owner": swapped("COMMENT ON TYPE s.e IS 'x'; COMMENT ON COLUMN s.t.e IS 'y'; REVOKE ALL ON TYPE s.e FROM public; GRANT USAGE ON TYPE s.e TO pg_monitor; ALTER TYPE s.e OWNER TO pg_monitor"),
    "enum under views": swapped("CREATE VIEW s.v AS SELECT id, e FROM s.t WHERE e = 'a'; CREATE VIEW s.w AS SELECT e FROM s.v; CREATE MATERIALIZED VIEW s.m AS SELECT * FROM s.w; CREATE INDEX mi ON s.m (e); GRANT SELECT ON s.v TO pg_monitor"),
    "enum under indexes and statistics": swapped("CREATE INDEX i ON s.t (e) WHERE e = 'a'; CREATE INDEX j ON s.t (e, l); CREATE INDEX k ON s.t ((e = 'c')); CREATE STATISTICS s.st ON e, l FROM s.t; CREATE STATISTICS s.su ON (e = 'a'), id FROM s.t"),
    "enum under constraints": swapped("ALTER TABLE s.t ADD CONSTRAINT x CHECK (e <> 'c' OR id > 1), ADD CONSTRAINT y CHECK (l IS NOT NULL), ADD UNIQUE (e)"),
    "enum in a foreign key": swapped("CREATE TABLE s.k (e s.e PRIMARY KEY); CREATE TABLE s.t (id int, e s.e REFERENCES s.k)", "INSERT INTO s.k VALUES ('a'); INSERT INTO s.t VALUES (1, 'a')",
                                     ("SELECT e::text FROM s.t", "a"), E),
    "enum under policy, trigger and rule": swapped(
        "ALTER TABLE s.t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON s.t USING (e = 'a'); CREATE FUNCTION s.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; "
        "CREATE TRIGGER tr BEFORE UPDATE OF e ON s.t FOR EACH ROW WHEN (NEW.e = 'c') EXECUTE FUNCTION s.f(); CREATE RULE r AS ON UPDATE TO s.t WHERE NEW.e = 'a' DO ALSO NOTHING"),
    "enum in functions": swapped(
        "CREATE FUNCTION s.f(x s.e, y s.e DEFAULT 'a') RETURNS s.e[] LANGUAGE sql IMMUTABLE AS 'SELECT ARRAY[x, y]'; COMMENT ON FUNCTION s.f(s.e, s.e) IS 'q'; CREATE VIEW s.v AS SELECT s.f(e) FROM s.t; "
        "CREATE FUNCTION s.g(x s.e[]) RETURNS TABLE (z s.e) LANGUAGE plpgsql AS 'BEGIN END'; CREATE FUNCTION s.i(s.e) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'; CREATE CAST (s.e AS int) WITH FUNCTION s.i(s.e); "
        "CREATE FUNCTION s.o(s.e, s.e) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true'; CREATE OPERATOR s.=== (function = s.o, leftarg = s.e, rightarg = s.e); CREATE AGGREGATE s.ag(s.e) (sfunc = array_append, stype = s.e[])"),
    "enum in a generated column": swapped("CREATE TABLE s.t (e s.e, g bool GENERATED ALWAYS AS (e = 'c') STORED)", "INSERT INTO s.t VALUES ('c')", ("SELECT e::text || g FROM s.t", "ctrue"), E),
    "enum in a domain": swapped("CREATE DOMAIN s.d AS s.e DEFAULT 'a' CHECK (VALUE <> 'c'::s.e); COMMENT ON DOMAIN s.d IS 'q'; CREATE TABLE s.t (d s.d, l s.d[])", "INSERT INTO s.t VALUES ('a', '{a}')",
                                ("SELECT d::text || l::text FROM s.t", "a{a}"), E),
    "enum in a composite type": swapped("CREATE TYPE s.k AS (x int, e s.e); COMMENT ON COLUMN s.k.e IS 'q'; CREATE TABLE s.t (k s.k, l s.k[])", "INSERT INTO s.t VALUES (ROW(1, 'c'), ARRAY[ROW(2, 'a')]::s.k[])",
                                        ("SELECT k::text || l::text FROM s.t", '(1,c){"(2,a)"}'), E),
    "enum in a range type": swapped("CREATE TYPE s.r AS RANGE (subtype = s.e); CREATE TABLE s.t (r s.r, l s.r[])", "INSERT INTO s.t VALUES ('[a,a]', NULL)", ("SELECT r::text FROM s.t", "[a,a]"), E),
    "enum in partitions": swapped("CREATE TABLE s.t (id int, e s.e DEFAULT 'a') PARTITION BY RANGE (id); CREATE TABLE s.t1 PARTITION OF s.t FOR VALUES FROM (0) TO (10); CREATE TABLE s.t2 PARTITION OF s.t DEFAULT; "
                                  "CREATE VIEW s.v AS SELECT e FROM s.t1; CREATE INDEX i ON s.t (e)", "INSERT INTO s.t VALUES (1, 'c'), (20, 'a')", ("SELECT string_agg(e::text, ',' ORDER BY id) FROM s.t", "c,a"), E),
    "enum in an heir": swapped("CREATE TABLE s.t (e s.e DEFAULT 'a'); CREATE TABLE s.u (x int) INHERITS (s.t)", "INSERT INTO s.u VALUES ('c', 3)", ("SELECT e::text FROM s.t", "c"), E),
    "enum made anew while a column leaves it": (T, T.replace("'a', 'b', 'c'", "'c', 'a'").replace("e s.e DEFAULT", "e text DEFAULT"), FILL, ROWS),
    "enum made anew while a column goes": (T, T.replace("'a', 'b', 'c'", "'c', 'a'").replace("e s.e DEFAULT 'a' NOT NULL, ", "")),
    "column turns from text to enum": (T.replace("e s.e DEFAULT", "e text DEFAULT"), T, FILL, ROWS),
    "enum moves to another schema": (T + "CREATE SCHEMA r", T.replace("s.e", "r.e").replace(S, S + "CREATE SCHEMA r; "), FILL, ROWS),
    "enum becomes a domain": (E + "CREATE TABLE s.t (e s.e)", S + "CREATE DOMAIN s.e AS text CHECK (VALUE IN ('a', 'c')); CREATE TABLE s.t (e s.e)", "INSERT INTO s.t VALUES ('a')", ("SELECT e FROM s.t", "a")),
    "domain with everything": (S, S + "CREATE DOMAIN s.d AS varchar(20) COLLATE \"C\" DEFAULT 'q' NOT NULL CONSTRAINT dd CHECK (VALUE <> ''); COMMENT ON CONSTRAINT dd ON DOMAIN s.d IS 'x'"),
    "domain default, not null and check": (D, D.replace("int CHECK (VALUE > 0)", "int DEFAULT 4 NOT NULL CONSTRAINT x CHECK (VALUE > 1)"), "INSERT INTO s.t VALUES (5)", ("SELECT d FROM s.t", 5)),
    "domain check left unchecked": (D, D + "ALTER DOMAIN s.d ADD CONSTRAINT q CHECK (VALUE > 3) NOT VALID"),
    "domain check validated": (D + "ALTER DOMAIN s.d ADD CONSTRAINT q CHECK (VALUE > 3) NOT VALID", D.replace("CHECK (VALUE > 0)", "CHECK (VALUE > 0) CONSTRAINT q CHECK (VALUE > 3)")),
    "domain over another type": (D, D.replace("AS int", "AS bigint DEFAULT 7"), FILL_D, ("SELECT d || l::text FROM s.t", "5{6,7}")),
    "domain check whose function goes": (F + "CREATE DOMAIN s.d AS int CHECK (s.lt(0, VALUE)); CREATE TABLE s.t (d s.d)", S + "CREATE DOMAIN s.d AS bigint CHECK (VALUE > 0); CREATE TABLE s.t (d s.d)",
                                         "INSERT INTO s.t VALUES (5)", ("SELECT d FROM s.t", 5)),
    "domain over a domain": (S + "CREATE DOMAIN s.a AS int; CREATE DOMAIN s.d AS s.a CHECK (VALUE > 0); CREATE TABLE s.t (d s.d)",
                             S + "CREATE DOMAIN s.a AS numeric(5,2); CREATE DOMAIN s.d AS s.a CHECK (VALUE > 0); CREATE TABLE s.t (d s.d)", "INSERT INTO s.t VALUES (7)", ("SELECT d::text FROM s.t", "7.00")),
    "domain dissolved": (D, S + "CREATE TABLE s.t (d int DEFAULT 3, l int[]); CREATE VIEW s.v AS SELECT d FROM s.t; ", FILL_D, ("SELECT d || l::text FROM s.t", "5{6,7}")),
    "composite type with everything": (S, S + "CREATE TYPE s.c AS (x int, \"Y y\" text COLLATE \"C\", z numeric(4,2)[]); COMMENT ON COLUMN s.c.x IS 'foo'; COMMENT ON TYPE s.c IS 'bar'; CREATE TYPE s.n AS ()"),
    "attributes come last": (K, K.replace("y text)", "y text, z int[], w s.n)").replace(S, S + "CREATE TYPE s.n AS (q int); "), FILL_K, (ROWS_K, '(1,q,,){"(2,z,,)"} -- (,,,){}')),
    "attribute goes": (K + "CREATE VIEW s.v AS SELECT (c).x FROM s.t", K.replace(", y text", "") + "CREATE VIEW s.v AS SELECT (c).x FROM s.t", FILL_K, (ROWS_K, '(1){(2)} -- (){}')),
    "attribute of another type": (K, K.replace("x int", "x bigint"), FILL_K, (ROWS_K, '(1,q){"(2,z)"} -- (,){}')),
    "attribute in the middle": (K, K.replace("x int", "x int, m int"), FILL_K, (ROWS_K, '(1,,q){"(2,,z)"} -- (,,){}')),
    "attributes in another order": (K, K.replace("(x int, y text)", "(y text, x int)"), FILL_K, (ROWS_K, '(q,1){"(z,2)"} -- (,){}')),
    "attributes change, nowhere stored": (C + "CREATE FUNCTION s.f(s.c) RETURNS SETOF s.c LANGUAGE sql AS $$ SELECT 1, 'a'::text $$", C.replace("x int", "x bigint, w text")
                                          + "CREATE FUNCTION s.f(s.c) RETURNS SETOF s.c LANGUAGE sql AS $$ SELECT 1::bigint, 'w'::text, 'a'::text $$"),
    "attribute of a typed table": (C + "CREATE TABLE s.t OF s.c", C.replace("y text", "y text, z int") + "CREATE TABLE s.t OF s.c", "INSERT INTO s.t VALUES (1, 'q')", ("SELECT t::text FROM s.t", "(1,q,)")),
    "composite type in another": (S + "CREATE TYPE s.a AS (x int); CREATE TYPE s.c AS (a s.a); CREATE TABLE s.t (c s.c)", S + "CREATE TYPE s.a AS (x bigint); CREATE TYPE s.c AS (a s.a); CREATE TABLE s.t (c s.c)",
                                  "INSERT INTO s.t VALUES (ROW(ROW(1)))", ("SELECT c::text FROM s.t", '("(1)")')),
    "range types": (S, S + "CREATE TYPE s.r AS RANGE (subtype = float8, subtype_diff = float8mi, multirange_type_name = s.fmr)"),
    "range made anew": (R, R.replace("= text,", '= text, collation = "C", subtype_opclass = text_pattern_ops,'), "INSERT INTO s.t VALUES ('[a,b)', '{[c,d)}')", ("SELECT r::text || m::text FROM s.t", "[a,b){[c,d)}")),
    "shell type": (S, S + "CREATE TYPE s.x"),
    "operators, each the other's commutator": (F, O.replace("restrict", "commutator = OPERATOR(s.>@>), restrict") + "CREATE OPERATOR s.>@> (function = s.lt, leftarg = int, rightarg = int, commutator = OPERATOR(s.<@<)); "
                                               "CREATE FUNCTION s.n(int) RETURNS int LANGUAGE sql AS 'SELECT -$1'; CREATE OPERATOR s.!- (function = s.n, rightarg = int); COMMENT ON OPERATOR s.<@< (int, int) IS 'less'"),
    "operator estimators": (O, O.replace("restrict = scalarltsel", "join = scalarltjoinsel")),
    "operator made anew": (O + "CREATE VIEW s.v AS SELECT 1 OPERATOR(s.<@<) 2 AS x", O.replace("restrict = scalarltsel", "hashes, merges") + "CREATE VIEW s.v AS SELECT 1 OPERATOR(s.<@<) 2 AS x"),
    "operator class made anew under an index": (OC + "CREATE TABLE s.t (a int); CREATE INDEX i ON s.t (a s.oc)", OC.replace("OPERATOR 1", "OPERATOR 2") + "CREATE TABLE s.t (a int); CREATE INDEX i ON s.t (a s.oc)"),
    "operator class in another family": (OC, OC.replace("CREATE OPERATOR CLASS", "CREATE OPERATOR FAMILY s.g USING btree; CREATE OPERATOR CLASS").replace("btree AS", "btree FAMILY s.g AS")),
    "operator class with storage": (S, S + "CREATE OPERATOR CLASS s.g FOR TYPE int[] USING gin AS OPERATOR 1 && (anyarray, anyarray), FUNCTION 1 btint4cmp(int, int), FUNCTION 2 ginarrayextract(anyarray, internal, internal), "
                                           "FUNCTION 3 ginqueryarrayextract(anyarray, internal, smallint, internal, internal, internal, internal), "
                                           "FUNCTION 4 ginarrayconsistent(internal, smallint, anyarray, integer, internal, internal, internal, internal), STORAGE int"),
    "loose members of a family": (OF, OF.replace("OPERATOR 1", "FUNCTION 1 (int, int) s.cmp(int, int), OPERATOR 2")),
    "casts": (E, E + "CREATE FUNCTION s.f(s.e) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'; CREATE CAST (s.e AS int) WITH FUNCTION s.f(s.e) AS ASSIGNMENT; CREATE CAST (int AS s.e) WITH INOUT AS IMPLICIT; COMMENT ON CAST (int AS s.e) IS 'x'"),
    "cast in another context": (E + "CREATE CAST (int AS s.e) WITH INOUT AS IMPLICIT", E + "CREATE CAST (int AS s.e) WITH INOUT"),
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
    "statistics": (S + "CREATE TABLE s.t (a int, b text)", S + "CREATE TABLE s.t (a int, b text); CREATE STATISTICS s.st (mcv) ON a, b, (a + 1) FROM s.t; ALTER STATISTICS s.st SET STATISTICS 500; CREATE STATISTICS s.su ON (lower(b)) FROM s.t"),
    "statistics change": (ST, ST.replace("mcv, ndistinct", "mcv") + "ALTER STATISTICS s.st SET STATISTICS 9"),
    "statistics target": (ST, ST + "ALTER STATISTICS s.st SET STATISTICS 9; ALTER STATISTICS s.st OWNER TO pg_monitor"),
    "statistics of a column that goes": (ST.replace("ON a, b", "ON a, b, c"), ST.replace(", c int", "")),
}


def dumped(server, url: str) -> list[str]:
    """What pg_dump says, whatever the order: a witness that knows nothing of our queries."""
    done = subprocess.run([server.program.program("pg_dump"), "-s", "-d", url], capture_output=True, text=True, check=True)
    return sorted(line.rstrip(",") for line in done.stdout.splitlines() if line and not line.startswith(("--", "\\")))


def become(url: str, wanted: Catalogue, online: bool) -> list[str]:
    with contextlib.closing(connection.connect(url)) as session:
        steps = [step.sql for step in plan.migration(live.read(session), wanted, online)]
        for sql in steps:
            session.execute(sql)
        left = diff.compare(live.read(session), wanted)
    assert not left, left
    return steps


@pytest.mark.parametrize("name", CASES)
def test_forward_and_back(name, postgres, new_database):
    before, after, fill, asked = (*CASES[name], "", None)[:4] if len(CASES[name]) == 2 else CASES[name]
    url, goal = new_database(before), new_database(after)
    with contextlib.closing(connection.connect(url)) as session, contextlib.closing(connection.connect(goal)) as other:
        old, new, was = live.read(session), live.read(other), dumped(postgres, url)
        session.execute(fill or "SELECT 1")
    assert diff.compare(old, new)
    steps = become(url, new, online=True)
    assert dumped(postgres, url) == dumped(postgres, goal)
    if asked:
        with contextlib.closing(connection.connect(url)) as session:
            assert session.execute(asked[0]).fetchone()[0] == asked[1]
        assert not [sql for sql in steps if "DROP TABLE" in sql or "DROP COLUMN" in sql and not sql.endswith(" g")]
    become(url, old, online=False)
    assert dumped(postgres, url) == was


@pytest.mark.parametrize("name, kind, words", [
    ("enum made anew", "fails-on-data", "e::text IN ('b')"), ("enum made anew", "rewrite", "reltuples"), ("attribute goes", "data-loss", ""),
    ("domain default, not null and check", "fails-on-data", ""), ("domain over another type", "rewrite", "reltuples"),
])
def test_hazards_are_named(name, kind, words, new_database):
    with contextlib.closing(connection.connect(new_database(CASES[name][0]))) as one, contextlib.closing(connection.connect(new_database(CASES[name][1]))) as other:
        steps = plan.migration(live.read(one), live.read(other))
    assert any(hazard.kind == kind and words in hazard.probe for step in steps for hazard in step.hazards)
