"""Rows and values: TRUNCATE, DELETE and UPDATE in every place where the grammar lets them stand."""

from .case import Case, Proof, Topic, counted, emptied, gone, overwritten

TRUNCATES = Topic("truncate", "H3")
DELETES = Topic("delete", "H3")
UPDATES = Topic("update", "H3")
PLACES = Topic("rows-within", "H3")

# Name, statement, table that is empty afterwards.
TRUNCATE_FORMS = [
    ("table-word", "TRUNCATE TABLE public.leads", "leads"),
    ("only-star", "TRUNCATE ONLY leads, audit_log *", "leads"),
    ("restart", "TRUNCATE TABLE leads RESTART IDENTITY RESTRICT", "leads"),
    ("continue-cascade", "TRUNCATE orders CONTINUE IDENTITY CASCADE", "order_items"),
    ("partition", "TRUNCATE events_2023", "events_2023"),
    ("heirs", "TRUNCATE base_doc", "child_doc"),
    ("quoted", 'TRUNCATE "Weird Schema"."Order Table"', '"Weird Schema"."Order Table"'),
    ("extended-list", "TRUNCATE contacts, sales.invoices, cache_u", "sales.invoices"),
]

# Conditions that choose nothing: every row fulfils them whatever it holds.
TAUTOLOGIES = [
    ("one-is-one", "1 = 1"),
    ("not-false", "NOT false"),
    ("is-true", "(2 > 1) IS TRUE"),
    ("or-true", "id = 1 OR true"),
    ("or-true-behind", "true OR id = 1"),
    ("exists", "EXISTS (SELECT 1)"),
    ("same-text", "'x' = 'x'"),
    ("like-all", "'abc' LIKE '%'"),
    ("in-list", "1 IN (1, 2)"),
    ("is-null", "NULL IS NULL"),
    ("between", "5 BETWEEN 1 AND 9"),
    ("case", "CASE WHEN 1 = 1 THEN true ELSE false END"),
    ("cast", "'t'::bool"),
    ("not-and-false", "NOT (id = 1 AND false)"),
    ("distinct", "id IS NOT DISTINCT FROM id"),
    ("coalesce", "coalesce(true, id = 1)"),
    ("now", "now() > '2000-01-01'"),
    ("column-itself", "name = name"),
    ("expression-itself", "lower(name) = lower(name)"),
    ("not-different", "NOT (id <> id)"),
    ("in-itself", "id IN (id)"),
    ("between-itself", "id BETWEEN id AND id"),
    ("complement", "id <> 1 OR id = 1"),
    ("false-is-false", "(id = 1 AND false) IS FALSE"),
    ("row-id", "ctid IS NOT NULL"),
    ("row-id-listed", "ctid = ANY (ARRAY(SELECT ctid FROM leads))"),
    ("table-id", "tableoid = 'leads'::regclass"),
    ("same-row-exists", "EXISTS (SELECT FROM leads l WHERE l.id = leads.id)"),
    ("greatest", "greatest(true, id = 1)"),
]


def truncates() -> list[Case]:
    return [
        TRUNCATES.destructive(name, statement, statement, proof=emptied(table), tier=2, loss="rows")
        for name, statement, table in TRUNCATE_FORMS
    ]


def deletes() -> list[Case]:
    forms = [
        ("star", "DELETE FROM leads *", "leads"),
        ("only-parent", "DELETE FROM ONLY base_doc", "ONLY base_doc"),
        ("heirs", "DELETE FROM base_doc AS d", "base_doc"),
        ("using", "DELETE FROM leads l USING generate_series(1, 2) g", "leads"),
        ("by-view", "DELETE FROM v_contacts", "contacts"),
        ("partitioned", "DELETE FROM public.events RETURNING ts", "events"),
        ("with-before", "WITH x AS (SELECT 1) DELETE FROM leads USING x", "leads"),
    ]
    plain = [
        DELETES.destructive(name, statement, statement, proof=emptied(table), tier=2, loss="rows")
        for name, statement, table in forms
    ]
    true_for_all = [
        DELETES.destructive(
            f"where-{name}", f"a condition that chooses nothing: {condition}", f"DELETE FROM leads WHERE {condition}",
            proof=emptied("leads"), tier=2, loss="rows",
        )
        for name, condition in TAUTOLOGIES
    ]  # fmt: skip
    return plain + true_for_all


def updates() -> list[Case]:
    forms = [
        ("several-columns", "UPDATE leads SET (email, note) = (NULL, NULL)", "leads"),
        ("from-select", "UPDATE leads SET (email, note) = (SELECT NULL, NULL)", "leads"),
        ("from", "UPDATE leads l SET note = NULL FROM (VALUES (1)) v(a)", "leads"),
        ("default", "UPDATE ONLY leads SET note = DEFAULT", "leads"),
        ("where-true", "UPDATE leads SET note = NULL WHERE 1 < 2", "leads"),
        ("by-view", "UPDATE v_contacts SET note = NULL", "contacts"),
        ("merge", "MERGE INTO contacts t USING contacts s ON t.id = s.id WHEN MATCHED THEN UPDATE SET note = NULL",
         "contacts"),
        ("merge-true", "MERGE INTO contacts t USING (SELECT 1) s ON true WHEN MATCHED THEN UPDATE SET note = NULL",
         "contacts"),
        ("upsert", "INSERT INTO contacts SELECT * FROM contacts ON CONFLICT (id) DO UPDATE SET note = NULL",
         "contacts"),
    ]  # fmt: skip
    return [
        UPDATES.destructive(
            name, statement, statement, proof=overwritten(table, "note"), tier=2, loss="values",
            vis="dynamic" if name in ("merge", "upsert") else "plain",  # that the source has every key is in the data
        )
        for name, statement, table in forms
    ]  # fmt: skip


# Where a DELETE can stand within another statement; the steps of one session.
WITHIN = [
    ("cte-of-insert", "plain", ["WITH d AS (DELETE FROM leads RETURNING name) INSERT INTO audit_log (what) SELECT"
                                " name FROM d"]),
    ("cte-of-update", "plain", ["WITH d AS (DELETE FROM leads) UPDATE contacts SET note = note WHERE id = 1"]),
    ("cte-second", "plain", ["WITH a AS (SELECT 1), b AS MATERIALIZED (DELETE FROM leads RETURNING 1) TABLE a"]),
    ("cte-of-values", "plain", ["WITH d AS (DELETE FROM leads) VALUES (1)"]),
    ("cte-of-merge", "plain",
     ["WITH x AS (SELECT 1) MERGE INTO leads t USING x ON true WHEN MATCHED AND true THEN DELETE"]),
    ("merge-first-when", "plain", ["MERGE INTO leads t USING (VALUES (-1)) v(i) ON true WHEN MATCHED AND t.id = 0"
                                   " THEN DO NOTHING WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN DO NOTHING"]),
    ("copy-cte", "plain", ["COPY (WITH d AS (DELETE FROM leads RETURNING id) SELECT * FROM d) TO STDOUT (FORMAT csv)"]),
    ("explain-wal", "plain", ["EXPLAIN (ANALYZE TRUE, WAL, BUFFERS) WITH d AS (DELETE FROM leads) SELECT 1"]),
    ("explain-prepared", "split", ["PREPARE q AS DELETE FROM leads", "EXPLAIN ANALYZE EXECUTE q"]),
    ("prepared-cte", "split", ["PREPARE q (int) AS WITH d AS (DELETE FROM leads RETURNING $1) SELECT count(*) FROM d",
                               "EXECUTE q(1)"]),
    ("rule-also", "split", ["CREATE RULE r AS ON INSERT TO audit_log DO ALSO DELETE FROM leads",
                            "INSERT INTO audit_log (what) VALUES ('x')"]),
    ("rule-several", "split", ["CREATE RULE r AS ON UPDATE TO contacts DO INSTEAD (SELECT 1; DELETE FROM leads)",
                               "UPDATE contacts SET note = note WHERE id = 1"]),
    ("rule-cte", "split", ["CREATE OR REPLACE RULE r AS ON UPDATE TO contacts WHERE old.id > 0 DO ALSO WITH d AS"
                           " (DELETE FROM leads) SELECT 1",
                           "UPDATE contacts SET note = note WHERE id = 1"]),
    ("rule-of-view", "split", ["CREATE RULE r AS ON INSERT TO v_customer_totals DO INSTEAD DELETE FROM leads",
                               "INSERT INTO v_customer_totals VALUES (1, 'x', 1)"]),
    ("sql-function", "split", ["CREATE FUNCTION f() RETURNS bigint LANGUAGE sql AS"
                               " $$ WITH d AS (DELETE FROM leads RETURNING 1) SELECT count(*) FROM d $$",
                               "SELECT f()"]),
    ("atomic-function", "split", ["CREATE FUNCTION f() RETURNS void BEGIN ATOMIC SELECT 1; DELETE FROM leads; END",
                                  "SELECT f()"]),
    ("atomic-procedure", "split", ["CREATE PROCEDURE f(INOUT a int) LANGUAGE sql BEGIN ATOMIC"
                                   " DELETE FROM leads; SELECT CASE WHEN true THEN a END; END", "CALL f(1)"]),
    ("return-function", "split", ["CREATE FUNCTION f() RETURNS SETOF leads LANGUAGE sql AS 'DELETE FROM leads"
                                  " RETURNING *'",
                                  "SELECT * FROM f()"]),
    ("do-perform", "embedded", ["DO $$ BEGIN WITH d AS (DELETE FROM leads) INSERT INTO audit_log (what) VALUES ('x');"
                                " END $$"]),
    ("do-loop", "embedded", ["DO $$ DECLARE r record; BEGIN FOR r IN DELETE FROM leads RETURNING * LOOP NULL; END"
                             " LOOP; END $$"]),
    ("do-into", "embedded", ["DO $$ DECLARE n int; BEGIN WITH d AS (DELETE FROM leads RETURNING 1)"
                             " SELECT count(*) INTO n FROM d; END $$"]),
    ("create-as", "plain", ["CREATE TEMP TABLE t AS WITH d AS (DELETE FROM leads RETURNING id) SELECT * FROM d"]),
    ("cursor", "plain", ["BEGIN; DECLARE c CURSOR FOR SELECT 1; DELETE FROM leads; FETCH c; COMMIT"]),
]  # fmt: skip


def within() -> list[Case]:
    return [
        PLACES.destructive(name, f"DELETE of all rows: {name.replace('-', ' ')}", *steps, proof=emptied("leads"),
                           vis=vis, tier=2, loss="rows")
        for name, vis, steps in WITHIN
    ]  # fmt: skip


def others() -> list[Case]:
    unfilled: Proof = ("select relispopulated from pg_class where relname = 'mv_sales'", "f")
    refresh = "REFRESH MATERIALIZED VIEW public.mv_sales WITH NO DATA"
    return [
        PLACES.destructive("refresh-no-data", "a materialized view is emptied", refresh, proof=unfilled, tier=2,
                           loss="rows"),
        PLACES.destructive("key-cascade", "one keyed DELETE, after the foreign key was made to cascade",
                           "ALTER TABLE orders DROP CONSTRAINT orders_customer_id_fkey, ADD FOREIGN KEY (customer_id)"
                           " REFERENCES customers ON DELETE CASCADE", "DELETE FROM customers", vis="split",
                           proof=emptied("orders"), tier=2, loss="rows"),
        PLACES.destructive("identity-then-drop", "TRUNCATE and DROP in one message", "TRUNCATE leads; DROP TABLE leads",
                           proof=gone("leads")),
        PLACES.benign("keyed", "DELETE and UPDATE of chosen rows", "DELETE FROM contacts WHERE id = 0",
                      "UPDATE leads SET note = 'n1' WHERE id = 1 RETURNING id",
                      "DELETE FROM leads WHERE name LIKE 'Zed%' AND email IS NOT NULL OR id IN (98, 99)"),
        PLACES.benign("explained-only", "EXPLAIN without ANALYZE of what would lose rows", "EXPLAIN DELETE FROM leads",
                      "EXPLAIN (COSTS off, ANALYZE false) UPDATE leads SET note = NULL", loose_rows=True),
        PLACES.benign("upsert-one", "an upsert of one row", "INSERT INTO cache_u VALUES ('k1', 'v1') ON CONFLICT (k)"
                      " DO UPDATE SET v = EXCLUDED.v, k = cache_u.k", proof=counted("cache_u", 2)),
        PLACES.benign("upsert-nothing", "an upsert that does nothing",
                      "INSERT INTO contacts SELECT * FROM contacts ON CONFLICT DO NOTHING"),
        PLACES.benign("queue", "a job queue takes rows", "WITH n AS (SELECT id FROM contacts ORDER BY id FOR UPDATE"
                      " SKIP LOCKED LIMIT 1) DELETE FROM contacts c USING n WHERE c.id = n.id AND c.note = 'none'"),
        PLACES.benign("merge-update", "MERGE that inserts and updates by key",
                      "MERGE INTO contacts t USING (VALUES (1, 'x')) s(id, name) ON t.id = s.id"
                      " WHEN MATCHED THEN UPDATE SET name = s.name WHEN NOT MATCHED THEN INSERT (id, name) VALUES"
                      " (s.id, s.name)"),
    ]  # fmt: skip


def cases() -> list[Case]:
    return [*truncates(), *deletes(), *updates(), *within(), *others()]
