"""Ordinary SQL with the words of DROP in it, and syntax of newer servers: all of it has to pass."""

from .case import Case, Topic, counted

WORDS = Topic("words", "H10")
ORDINARY = Topic("ordinary-sql", "H10")
NEWER = Topic("newer-syntax", "H10")
NEWER_DDL = Topic("newer-ddl", "H10")
TEMPORARY = Topic("temporary", "H10")

# DROP, TRUNCATE and their like as text, name, alias, or part of another statement.
WITH_WORDS = [
    ("alias", 'SELECT 1 AS drop, 2 AS truncate, 3 AS delete, 4 AS "DROP TABLE leads"'),
    ("table-alias", "SELECT drop.name FROM leads AS drop JOIN contacts truncate ON truncate.id = drop.id"),
    ("function-name", "SELECT lower('DROP TABLE leads'), position('DROP' IN 'DROP TABLE')"),
    ("json", "SELECT '{\"sql\": \"DROP TABLE leads\", \"n\": [1, {\"x\": \"; --\"}]}'::jsonb -> 'sql'"),
    ("array", "SELECT ARRAY['DROP TABLE leads', 'TRUNCATE'], '{DROP TABLE leads,\"; --\"}'::text[]"),
    ("like", "SELECT name FROM leads WHERE note ILIKE '%drop table%' OR note ~ '^(DROP|TRUNCATE)' OR note SIMILAR TO"
     " 'DROP%'"),
    ("interval", "SELECT now() - interval '1 day' AS \"delete\", extract(epoch FROM now()) AS \"alter\""),
    ("comment-hint", "/*+ DROP TABLE leads */ SELECT /* ; DROP TABLE leads; */ 1 -- DROP TABLE leads"),
    ("comment-trace", "SELECT 1 /*application='drop',action='DROP TABLE leads;',traceparent='00-0-0'*/"),
    ("full-text", "SELECT to_tsvector('english', 'Please drop the table') @@ to_tsquery('drop & table')"),
    ("privilege", "SELECT has_table_privilege('leads', 'TRUNCATE'), has_table_privilege('rt_app', 'leads', 'DELETE')"),
    ("catalog-text", "SELECT pg_get_viewdef('v_customers'::regclass), 'DROP VIEW ' || 'v_customers'"),
    ("generated-sql", "SELECT format('DROP TABLE %I.%I CASCADE;', schemaname, tablename) FROM pg_tables WHERE"
     " tablename = 'leads'"),
    ("case", "SELECT CASE name WHEN 'DROP TABLE leads' THEN 'drop' ELSE 'keep' END FROM leads"),
    ("dollar", "SELECT $sql$DROP TABLE leads; DELETE FROM leads;$sql$ AS script, $$TRUNCATE leads$$"),
    ("unicode", r"SELECT U&'\0044ROP TABLE leads', E'\x44ROP TABLE leads'"),
    ("values", "VALUES ('DROP TABLE leads'), ('; DROP TABLE leads; --'), ($$'; DROP TABLE leads; --$$)"),
    ("show", "SHOW search_path; SELECT current_setting('DateStyle') AS drop"),
    ("setting", "SET app.last_statement = 'DROP TABLE leads; --'; SHOW app.last_statement"),
    ("application", "SET application_name = 'drop table leads'; RESET application_name"),
    ("channel", "NOTIFY truncate_cache, 'DROP TABLE leads'; LISTEN drop_events"),
    ("savepoint", "BEGIN; SAVEPOINT drop_table; ROLLBACK TO drop_table; RELEASE drop_table; COMMIT"),
    ("cursor", "BEGIN; DECLARE truncate CURSOR FOR SELECT 'DROP TABLE leads'; FETCH ALL FROM truncate; CLOSE"
     " truncate; COMMIT"),
    ("prepared", "PREPARE drop_it (text) AS SELECT $1 || ' TABLE'; EXECUTE drop_it('DROP'); DEALLOCATE drop_it"),
    ("column", 'SELECT "drop", "Id" FROM "Weird Schema"."Order Table" WHERE "drop" <> \'DROP TABLE leads\''),
    ("window", "SELECT id, sum(id) OVER drop FROM leads WINDOW drop AS (ORDER BY id)"),
    ("cte", "WITH drop AS (SELECT 1 AS a), truncate AS (SELECT a FROM drop) SELECT * FROM truncate"),
    ("xml", "SELECT xmlelement(name drop, xmlattributes('leads' AS \"table\"), 'DROP TABLE leads')"),
    ("cast", "SELECT 'leads'::regclass, 'drop'::name, CAST('DROP TABLE leads' AS varchar(20))"),
    ("position", "SELECT overlay('DROP TABLE leads' PLACING 'SHOW' FROM 1 FOR 4), trim(both 'D' from 'DROP')"),
    ("explain", "EXPLAIN (COSTS off) SELECT * FROM leads WHERE note = 'DROP TABLE leads'"),
]  # fmt: skip

# Everyday statements of applications.
DAILY = [
    ("lateral", "SELECT c.name, o.amount FROM customers c CROSS JOIN LATERAL (SELECT amount FROM orders WHERE"
     " customer_id = c.id ORDER BY amount DESC LIMIT 1) o"),
    ("grouping-sets", "SELECT customer_id, status, sum(amount) FROM orders GROUP BY GROUPING SETS ((customer_id),"
     " (status), ())"),
    ("recursive", "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT * FROM n"),
    ("filter", "SELECT count(*) FILTER (WHERE amount > 20), percentile_cont(0.5) WITHIN GROUP (ORDER BY amount) FROM"
     " orders"),
    ("distinct-on", "SELECT DISTINCT ON (customer_id) * FROM orders ORDER BY customer_id, created_at DESC NULLS LAST"),
    ("lock", "BEGIN; SELECT * FROM leads WHERE id = 1 FOR NO KEY UPDATE NOWAIT; LOCK TABLE contacts IN SHARE MODE;"
     " COMMIT"),
    ("advisory", "SELECT pg_advisory_lock(42), pg_advisory_unlock(42), pg_try_advisory_xact_lock(hashtext('drop'))"),
    ("tablesample", "SELECT count(*) >= 0 FROM leads TABLESAMPLE SYSTEM (50) REPEATABLE (1)"),
    ("fetch-first", "SELECT name FROM leads ORDER BY id OFFSET 1 ROWS FETCH FIRST 2 ROWS WITH TIES"),
    ("intersect", "(SELECT id FROM leads EXCEPT SELECT id FROM contacts) UNION ALL (SELECT 1 INTERSECT SELECT 2)"
     " ORDER BY 1"),
    ("jsonb", "SELECT jsonb_path_query('{\"a\": [1, 2]}', '$.a[*] ? (@ > 1)'), '{\"a\": 1}'::jsonb @? '$.a',"
     " '[1]'::jsonb - 0"),
    ("range",
     "SELECT int4range(1, 5) && int4range(4, 9), '{[1,3)}'::int4multirange @> 2, daterange('2024-01-01', NULL)"),
    ("collate", 'SELECT name COLLATE "C" FROM leads ORDER BY name COLLATE "C" USING ~<~'),
    ("row-compare", "SELECT (id, name) >= (2, 'B'), ROW(1, NULL) IS DISTINCT FROM ROW(1, 2) FROM leads"),
    ("insert-returning", "INSERT INTO audit_log (what) VALUES ('a'), (DEFAULT) RETURNING id * 0, what"),
    ("insert-overriding", "INSERT INTO audit_log (id, what) OVERRIDING USER VALUE SELECT 100 + g, 'x' FROM"
     " generate_series(1, 2) g"),
    ("update-keyed", "UPDATE contacts SET note = contacts.note FROM leads WHERE leads.id = contacts.id AND leads.name"
     " = 'Ann'"),
    ("delete-keyed", "DELETE FROM contacts USING leads WHERE leads.id = contacts.id AND leads.name = 'Nobody'"
     " RETURNING contacts.*"),
    ("analyze", "ANALYZE (SKIP_LOCKED) leads (name, email), contacts"),
    ("timezone", "SET TIME ZONE 'Europe/Zurich'; SET LOCAL statement_timeout = '5s'; SET TRANSACTION ISOLATION LEVEL"
     " SERIALIZABLE"),
    ("characteristics", "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE,"
     " DEFERRABLE"),
    ("sequence", "SELECT nextval('invoice_seq') > 0, setval('invoice_seq', 2000), lastval() > 0"),
    ("refresh", "REFRESH MATERIALIZED VIEW mv_sales WITH DATA"),
    ("rewritten", "REINDEX (VERBOSE false) TABLE leads; CLUSTER leads USING leads_pkey"),
    ("snapshot", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT pg_export_snapshot() IS NOT NULL; COMMIT"),
    ("grant", "GRANT SELECT, INSERT ON leads TO rt_ro; REVOKE INSERT ON leads FROM rt_ro GRANTED BY CURRENT_USER"),
    ("comment-on", "COMMENT ON COLUMN leads.note IS 'never DROP TABLE this'; COMMENT ON SCHEMA sales IS NULL"),
]

# Syntax that PostgreSQL 16, 17 and 18 brought; 15 answers with its own error. Name, statement, the error.
NEWER_QUERIES = [
    ("hex-integer", "SELECT 0x1F, 0o17, 0b101", "42601"),
    ("underscores", "SELECT 1_000_000", "42601"),
    ("json-object", "SELECT JSON_OBJECT('a': 1, 'b': 2)", "42601"),
    ("json-array", "SELECT JSON_ARRAY(1, 2 NULL ON NULL)", "42601"),
    ("json-exists", "SELECT JSON_EXISTS(jsonb '{}', '$.a')", "42883"),
    ("json-value", "SELECT JSON_VALUE(jsonb '{}', '$.a' RETURNING int DEFAULT 1 ON ERROR)", "42601"),
    ("json-table", "SELECT * FROM JSON_TABLE(jsonb '[]', '$[*]' COLUMNS (a int PATH '$.a')) t", "42601"),
    ("is-json", "SELECT '{}' IS JSON OBJECT WITH UNIQUE KEYS", "42601"),
    ("any-value", "SELECT any_value(name) FROM leads", "42883"),
    ("no-alias", "SELECT * FROM (SELECT 1 AS a)", "42601"),
    ("at-local", "SELECT now() AT LOCAL", "42601"),
    ("xml-indent", "SELECT xmlserialize(DOCUMENT '<a/>' AS text INDENT)", "42601"),
    ("returning-old", "UPDATE leads SET note = 'x' WHERE id = -1 RETURNING WITH (OLD AS o) o.note", "42601"),
    ("merge-returning", "MERGE INTO contacts t USING (SELECT 1 AS i) s ON t.id = s.i WHEN MATCHED THEN DO NOTHING"
     " RETURNING *", "42601"),
    ("generic-plan", "EXPLAIN (GENERIC_PLAN) SELECT * FROM leads WHERE id = $1", "42P02"),
    ("explain-memory", "EXPLAIN (ANALYZE, MEMORY, SERIALIZE text) SELECT 1", "42601"),
    ("copy-on-error", "COPY contacts TO STDOUT (FORMAT csv, FORCE_QUOTE *, LOG_VERBOSITY verbose)", "42601"),
    ("like-any-array", "SELECT array_sample(ARRAY[1, 2], 1), random(1, 10), uuidv7()", "42883"),
]


def temporary() -> list[Case]:
    """Temporary tables are named in a way that nobody can mistake."""
    return [
        TEMPORARY.benign("qualified", "dropped with pg_temp in front", "CREATE TEMP TABLE w (a int)",
                         "INSERT INTO pg_temp.w VALUES (1)",
                         "DROP TABLE pg_temp.w"),
        TEMPORARY.benign("truncated", "emptied with pg_temp in front", "CREATE TEMP TABLE w AS SELECT 1 AS a",
                         "TRUNCATE pg_temp.w",
                         "TRUNCATE TABLE pg_temp.w RESTART IDENTITY"),
        TEMPORARY.benign("on-commit", "gone at COMMIT", "BEGIN; CREATE TEMP TABLE w ON COMMIT DROP AS TABLE leads;"
                         " SELECT * FROM w", "COMMIT"),
        TEMPORARY.benign("staging", "loaded by COPY, merged, left to the session's end",
                         "CREATE TEMP TABLE s (LIKE contacts) ON COMMIT"
                         " PRESERVE ROWS", {"op": "send", "msgs": [{"t": "Query",
                             "sql": "COPY s FROM STDIN (FORMAT csv)"},
                                            {"t": "CopyData", "data": "9,DROP TABLE leads,x\n"}, {"t": "CopyDone"}]},
                                            {"op": "read"},
                         "INSERT INTO cache_u SELECT id, name FROM s ON CONFLICT (k) DO NOTHING",
                         proof=counted("cache_u", 3)),
        TEMPORARY.benign("view-and-sequence", "other temporary things",
                         "CREATE TEMP VIEW v AS SELECT 1; CREATE TEMP SEQUENCE q",
                         "DROP VIEW v; DROP SEQUENCE q"),
        TEMPORARY.benign("altered", "changed by ALTER", "CREATE TEMP TABLE w (a int, b int)",
                         "ALTER TABLE pg_temp.w DROP COLUMN b",
                         "ALTER TABLE pg_temp.w ADD c text DEFAULT 'x'"),
    ]  # fmt: skip


def newer_ddl() -> list[Case]:
    """Syntax of newer servers that changes tables: any clean error will do."""
    statements = [
        ("virtual-column", "ALTER TABLE leads ADD v int GENERATED ALWAYS AS (id * 2) VIRTUAL"),
        ("set-expression", "ALTER TABLE leads ALTER COLUMN note SET EXPRESSION AS ('x')"),
        ("merge-by-source",
         "MERGE INTO leads t USING contacts s ON t.id = s.id WHEN NOT MATCHED BY SOURCE THEN DELETE"),
        ("merge-partitions", "ALTER TABLE events MERGE PARTITIONS (events_2023, events_2024) INTO events_2324"),
        ("split-partition", "ALTER TABLE events SPLIT PARTITION events_2023 INTO (PARTITION a FOR VALUES FROM"
         " ('2023-01-01') TO ('2024-01-01'))"),
        ("without-overlaps", "ALTER TABLE leads ADD PRIMARY KEY (id, name WITHOUT OVERLAPS)"),
        ("not-enforced", "ALTER TABLE leads ADD CHECK (id > 0) NOT ENFORCED"),
        ("unnamed-statistics", "CREATE STATISTICS ON name, email FROM leads"),
        ("event-login", "CREATE EVENT TRIGGER e ON login EXECUTE FUNCTION f()"),
        ("drop-next", "DROP TABLE leads NEXT"),
    ]
    return [NEWER_DDL.robust(name, f"syntax of newer servers: {name}", text) for name, text in statements]


def cases() -> list[Case]:
    grown = {"insert-returning": 4, "insert-overriding": 4}
    return [
        *(WORDS.benign(name, f"words of DROP: {name}", text) for name, text in WITH_WORDS),
        *(ORDINARY.benign(name, f"everyday SQL: {name}", text,
                          **({"proof": counted("audit_log", grown[name])} if name in grown else {})) for name,
                          text in DAILY),
        *(NEWER.benign(name, f"syntax of newer servers: {name}", text, allow_errors=[error])
          for name, text, error in NEWER_QUERIES),
        *temporary(), *newer_ddl(),
    ]  # fmt: skip
