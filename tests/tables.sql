CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION btree_gist;
CREATE TYPE mood AS ENUM ('sad', 'it''s "fine"', '');
CREATE DOMAIN percent AS integer NOT NULL DEFAULT 50 CHECK (VALUE BETWEEN 0 AND 100);
CREATE DOMAIN sku AS varchar(12) CHECK (VALUE ~ '^[A-Z]{3}-\d{2,4}$');
CREATE TYPE place AS (street text, "zip code" varchar(5), marks integer[]);
CREATE TABLE kinds (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, small smallint, big bigint, num numeric, price numeric(12,2) CHECK (price >= 0), cash money, f4 real, f8 double precision, flag boolean,
  body text, short varchar(5), fixed char(4), ci citext, u uuid, d date, ts timestamp, tz timestamptz, t time, ttz timetz, iv interval, j json, jb jsonb NOT NULL DEFAULT '{}', raw bytea, m mood, cashes money[],
  pct percent, sk sku, pl place, texts text[], moods mood[], stamps timestamptz[], jsons jsonb[], places place[], boxes box[], r4 int4range, rn numrange, rtz tstzrange, mr datemultirange,
  ip inet, bits bit(3), h hstore, doubled integer GENERATED ALWAYS AS (small * 2) STORED, made timestamptz NOT NULL DEFAULT now());
COMMENT ON COLUMN kinds.body IS 'Free text: "quotes", */ and ${templates}';
CREATE TABLE narrow (id integer PRIMARY KEY, kind integer REFERENCES kinds);
CREATE TABLE accounts (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email citext NOT NULL UNIQUE, password_hash text NOT NULL, api_token text, role text NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'admin')),
  score integer CHECK (score > 0), updated_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX ON accounts (score); CREATE INDEX ON accounts (lower(role));
CREATE TABLE posts (
  id serial PRIMARY KEY, account_id uuid NOT NULL REFERENCES accounts, editor_id uuid REFERENCES accounts, title text NOT NULL CHECK (length(btrim(title)) > 0), parent_id integer REFERENCES posts,
  starts date, ends date, lock_version integer NOT NULL DEFAULT 0, CHECK (starts < ends));
CREATE INDEX ON posts (account_id);
CREATE TABLE labels (code text PRIMARY KEY, "limit" integer);
CREATE INDEX ON labels ("limit");
CREATE TABLE post_labels (post_id integer REFERENCES posts ON DELETE CASCADE, label_code text REFERENCES labels, PRIMARY KEY (label_code, post_id));
CREATE TABLE visits (tenant text, day date, n integer, note text, PRIMARY KEY (tenant, day, n)) PARTITION BY LIST (tenant);
CREATE TABLE visits_rest PARTITION OF visits DEFAULT;
CREATE TABLE visit_notes (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant text, day date, n integer, FOREIGN KEY (tenant, day, n) REFERENCES visits);
CREATE TABLE by_unique (code varchar(10) NOT NULL UNIQUE, alt integer UNIQUE);
CREATE TABLE refers_alt (id integer PRIMARY KEY, alt integer REFERENCES by_unique (alt));
CREATE TABLE no_key (a integer, b text);
CREATE TABLE secret_key (token text PRIMARY KEY, note text);
CREATE TABLE cities (id integer PRIMARY KEY, name text); CREATE TABLE capitals (PRIMARY KEY (id)) INHERITS (cities);
CREATE TABLE "select" ("from" integer PRIMARY KEY, "constructor" text, "__proto__" text, "toString" text, "a b" text, "quo""te" text, "back\slash" text, "brace{}" text, "日本" text, "$1" text, "A" text, a text,
  "-a" text, "a[min]" text);
CREATE INDEX ON "select" ("__proto__"); CREATE INDEX ON "select" ("constructor"); CREATE INDEX ON "select" ("quo""te"); CREATE INDEX ON "select" ("-a"); CREATE INDEX ON "select" ("a[min]");
CREATE TABLE "Select" (id integer PRIMARY KEY, parent integer REFERENCES "select");
CREATE TABLE "__proto__" (id integer PRIMARY KEY); CREATE TABLE "constructor" ("k{ey}/?" text, "k""2" integer, v integer, PRIMARY KEY ("k{ey}/?", "k""2"));
CREATE TABLE "weird / name?#%25 {x} ""q"" ; --" (id integer PRIMARY KEY); CREATE TABLE "表" ("キー" integer PRIMARY KEY, "値" text); CREATE TABLE "." (id integer PRIMARY KEY);
CREATE TABLE "types" (id integer PRIMARY KEY); CREATE TABLE "table" (id integer PRIMARY KEY); CREATE TABLE new_table (id integer PRIMARY KEY); CREATE TABLE "Promise" (id integer PRIMARY KEY);
CREATE TABLE bookings (id integer PRIMARY KEY, room integer NOT NULL, during daterange NOT NULL, EXCLUDE USING gist (room WITH =, during WITH &&));
CREATE TABLE owned (id integer PRIMARY KEY, owner text NOT NULL DEFAULT current_user);
ALTER TABLE owned ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON owned USING (owner = current_user);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'internal detail'; END$$;
CREATE TABLE refusing (id integer PRIMARY KEY); CREATE TRIGGER refuse BEFORE INSERT ON refusing FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE TABLE kept (id integer PRIMARY KEY); CREATE RULE keep AS ON DELETE TO kept DO INSTEAD NOTHING;
CREATE VIEW titles AS SELECT p.id, p.title, a.email FROM posts p JOIN accounts a ON a.id = p.account_id;
CREATE MATERIALIZED VIEW counts AS SELECT account_id, count(*) AS n FROM posts GROUP BY 1; CREATE UNIQUE INDEX ON counts (account_id);
CREATE SCHEMA sales; CREATE TABLE sales.accounts (id integer PRIMARY KEY, pub uuid REFERENCES public.accounts);
