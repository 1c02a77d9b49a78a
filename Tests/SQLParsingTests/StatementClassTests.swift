import Testing

@testable import SQLParsing

@Suite("Statements get the classes of what they can do")
struct StatementClassTests {
    static let drops: [ClassRow] = [
        ClassRow("DROP TABLE t", .dropTable, objects: ["t"]),
        ClassRow("drop table if exists only_t", .dropTable, objects: ["only_t"]),
        ClassRow("DROP TABLE scratch.a, public.\"B c\"", .dropTable, objects: ["scratch.a", "public.B c"]),
        ClassRow("DROP TABLE a CASCADE", .dropTable, .cascade),
        ClassRow("DROP FOREIGN TABLE a", .dropTable),
        ClassRow("DROP TABLE pg_temp.a CASCADE", .dropOther),
        ClassRow("DROP SCHEMA s", .dropSchema, objects: ["s"]),
        ClassRow("DROP SCHEMA s CASCADE", .dropSchema, .cascade),
        ClassRow("DROP DATABASE d", .dropDatabase, objects: ["d"]),
        ClassRow("DROP DATABASE d WITH (FORCE)", .dropDatabase),
        ClassRow("DROP OWNED BY app", .dropOwned, objects: ["app"]),
        ClassRow("DROP OWNED BY CURRENT_USER CASCADE", .dropOwned, .cascade),
        ClassRow("DROP VIEW v", .dropView),
        ClassRow("DROP VIEW v CASCADE", .dropView, .cascade),
        ClassRow("DROP MATERIALIZED VIEW v", .dropMaterializedView),
        ClassRow("DROP SEQUENCE s", .dropSequence),
        ClassRow("DROP INDEX CONCURRENTLY i", .dropIndex),
        ClassRow("DROP INDEX i CASCADE", .dropIndex, .cascadeDependents),
        ClassRow("DROP TYPE a", .dropType),
        ClassRow("DROP TYPE a CASCADE", .dropType, .cascade),
        ClassRow("DROP DOMAIN a CASCADE", .dropType, .cascade),
        ClassRow("DROP FUNCTION f(int)", .dropFunction, objects: ["f"]),
        ClassRow("DROP FUNCTION f(int) CASCADE", .dropFunction, .cascade),
        ClassRow("DROP EXTENSION hstore", .dropExtension),
        ClassRow("DROP ROLE r", .dropRole),
        ClassRow("DROP TRIGGER tg ON s.t", .dropOther, objects: ["s.t.tg"]),
        ClassRow("DROP POLICY p ON t CASCADE", .dropOther),
        ClassRow("DROP ACCESS METHOD m CASCADE", .dropOther, .cascade),
        ClassRow("DROP SERVER s CASCADE", .dropOther, .cascade),
        ClassRow("DROP TABLESPACE x", .dropOther),
        ClassRow("DROP SUBSCRIPTION s", .subscription),
        ClassRow("TRUNCATE a, s.b", .truncate, objects: ["a", "s.b"]),
        ClassRow("TRUNCATE ONLY a RESTART IDENTITY", .truncate),
        ClassRow("TRUNCATE pg_class", .truncate, .catalogWrite),
        ClassRow("REFRESH MATERIALIZED VIEW v WITH NO DATA", .truncate),
        ClassRow("DROP TABLE U&\"\\006Ceads\"", .dropTable, objects: ["leads"]),
    ]

    static let alterations: [ClassRow] = [
        ClassRow("ALTER TABLE t ADD COLUMN c int", .alter, objects: ["t.c"]),
        ClassRow("ALTER TABLE t DROP COLUMN c", .dropColumn, objects: ["t.c"]),
        ClassRow("ALTER TABLE t DROP c CASCADE", .dropColumn, .cascadeDependents),
        ClassRow("ALTER TYPE t DROP ATTRIBUTE c CASCADE", .dropColumn, .cascade),
        ClassRow("ALTER TABLE t DROP CONSTRAINT c", .dropConstraint),
        ClassRow("ALTER TABLE t ALTER c TYPE int", .alterColumnType),
        ClassRow("ALTER TABLE t ALTER c TYPE int USING c::int", .alterColumnType),
        ClassRow("ALTER TABLE t ALTER c TYPE int USING NULL", .alterColumnType, .overwriteColumn),
        ClassRow("ALTER TABLE t ALTER c TYPE varchar(1) USING c::varchar(1)", .alterColumnType, .overwriteColumn),
        ClassRow("ALTER TABLE t RENAME TO u", .rename, objects: ["t"]),
        ClassRow("ALTER TABLE t RENAME COLUMN a TO b", .alter, objects: ["t.a"]),
        ClassRow("ALTER TABLE t RENAME CONSTRAINT a TO b", .alter),
        ClassRow("ALTER TABLE t ALTER a TYPE text USING nullif(a, a)", .alterColumnType, .overwriteColumn),
        ClassRow("ALTER TABLE t ALTER a TYPE int USING nullif(a, '')::int", .alterColumnType),
        ClassRow(
            "ALTER TABLE t ALTER a TYPE text USING CASE WHEN false THEN a END", .alterColumnType, .overwriteColumn),
        ClassRow("ALTER TABLE t ALTER a TYPE int USING CASE WHEN a = 'x' THEN 1 ELSE 2 END", .alterColumnType),
        ClassRow("ALTER TABLE t ALTER a TYPE \"char\"", .alterColumnType, .overwriteColumn),
        ClassRow("ALTER TABLE t ALTER a TYPE char(9)", .alterColumnType),
        // The server renames a table by it, too; whether it is one, the session asks.
        ClassRow("ALTER INDEX leads_idx RENAME TO j", .rename),
        ClassRow("ALTER INDEX leads RENAME TO j", .rename),
        ClassRow("ALTER VIEW v RENAME TO w", .rename),
        ClassRow("ALTER SCHEMA s RENAME TO z", .rename, objects: ["s"]),
        ClassRow("ALTER DATABASE d RENAME TO e", .rename, objects: ["d"]),
        ClassRow("ALTER DATABASE d ALLOW_CONNECTIONS false", .closeDatabase, objects: ["d"]),
        ClassRow("ALTER DATABASE d CONNECTION LIMIT 0", .closeDatabase),
        ClassRow("ALTER DATABASE d CONNECTION LIMIT 5", .alter),
        ClassRow("ALTER TYPE t RENAME TO u", .alter),
        ClassRow("ALTER TABLE t SET SCHEMA s", .moveSchema, objects: ["t"]),
        ClassRow("ALTER EXTENSION e SET SCHEMA s", .moveSchema),
        ClassRow("ALTER FUNCTION f() SET SCHEMA s", .alter),
        ClassRow("ALTER TABLE t OWNER TO r", .alterOwner),
        ClassRow("ALTER TABLE t DISABLE TRIGGER ALL", .disableTrigger),
        ClassRow("ALTER TABLE t DISABLE ROW LEVEL SECURITY", .disableRowSecurity),
        ClassRow("ALTER TABLE p DETACH PARTITION s.q", .detachPartition, objects: ["s.q"]),
        ClassRow("ALTER TABLE p ATTACH PARTITION q FOR VALUES IN (1)", .alter),
        ClassRow("ALTER TABLE c NO INHERIT p", .detachPartition),
        ClassRow("ALTER TABLE t ADD a int, DROP b, ALTER c TYPE int", .dropColumn, .alterColumnType, .alter),
        ClassRow("ALTER SYSTEM SET work_mem = '1GB'", .alter),
        ClassRow("ALTER SYSTEM SET archive_command = 'rm -rf /'", .alter, .copyProgram),
        ClassRow("ALTER ROLE r SET session_preload_libraries = 'x'", .alter, .untrustedLanguage),
        ClassRow("GRANT SELECT ON t TO r", .grant, objects: ["t"]),
        ClassRow("COMMENT ON TABLE t IS 'DROP TABLE t'", .comment, objects: ["t"]),
    ]

    static let creations: [ClassRow] = [
        ClassRow("CREATE TABLE t (a int)", .create, objects: ["t"]),
        ClassRow("CREATE TEMP TABLE t (a int)", .create, objects: ["pg_temp.t"]),
        ClassRow("CREATE TABLE t AS SELECT 1", .create),
        ClassRow("CREATE TABLE t AS WITH d AS (DELETE FROM x RETURNING 1) SELECT 1", .create, .deleteAll),
        ClassRow("SELECT 1 INTO t", .selectInto, objects: ["t"]),
        ClassRow("CREATE OR REPLACE VIEW v AS SELECT 1", .create),
        ClassRow(
            "CREATE SCHEMA s CREATE TABLE a (b int) CREATE VIEW v AS SELECT 1", .create, objects: ["s", "a", "v"]),
        ClassRow("CREATE RULE r AS ON INSERT TO t DO ALSO DELETE FROM u", .create, .deleteAll),
        ClassRow(
            "CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM u; UPDATE u SET a = 1)", .create, .deleteAll,
            .updateAll),
        ClassRow("CREATE INDEX ON t (a)", .create, objects: ["t"]),
        ClassRow("CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p", .subscription),
        ClassRow("CREATE SERVER s FOREIGN DATA WRAPPER f", .foreignServer),
        ClassRow("CREATE EXTENSION plpython3u", .create, .untrustedLanguage),
        ClassRow("CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'a', 'b'", .create, .untrustedLanguage),
        ClassRow("CREATE FUNCTION f() RETURNS int LANGUAGE plperl AS 'x'", .create, .opaque),
    ]

    static let changes: [ClassRow] = [
        ClassRow("DELETE FROM s.t", .deleteAll, objects: ["s.t"]),
        ClassRow("DELETE FROM t WHERE true", .deleteAll),
        ClassRow("DELETE FROM t WHERE 1=1", .deleteAll),
        ClassRow("DELETE FROM t WHERE NOT (id = 1 AND false)", .deleteAll),
        ClassRow("DELETE FROM t WHERE NOT (id <> id)", .deleteAll),
        ClassRow("DELETE FROM t WHERE NOT NOT true", .deleteAll),
        ClassRow("DELETE FROM t WHERE coalesce(NULL, true, id = 1)", .deleteAll),
        ClassRow("DELETE FROM t WHERE coalesce(gone, true)"),
        ClassRow("DELETE FROM t WHERE NOT (id = 1 AND live)"),
        ClassRow("DELETE FROM t WHERE NOT (id = 1 OR false)"),
        ClassRow("DELETE FROM t WHERE NOT NULL"),
        ClassRow("DELETE FROM t WHERE greatest(true, id = 1)", .deleteAll),
        ClassRow("DELETE FROM t WHERE least(true, id = 1)"),
        ClassRow("DELETE FROM t WHERE (id = 1 AND false) IS FALSE", .deleteAll),
        ClassRow("DELETE FROM t WHERE (id = 1) IS FALSE"),
        ClassRow("DELETE FROM t WHERE gone IS TRUE"),
        ClassRow("DELETE FROM t WHERE lower(a) = lower(a)", .deleteAll),
        ClassRow("DELETE FROM t WHERE lower(a) = lower(b)"),
        ClassRow("DELETE FROM t WHERE id IN (7, id)", .deleteAll),
        ClassRow("DELETE FROM t WHERE id NOT IN (id)"),
        ClassRow("DELETE FROM t WHERE id BETWEEN id AND id", .deleteAll),
        ClassRow("DELETE FROM t WHERE id BETWEEN id AND 7"),
        ClassRow("DELETE FROM t WHERE id <> 1 OR id = 1", .deleteAll),
        ClassRow("DELETE FROM t WHERE id <> 1 OR id = 2"),
        ClassRow("DELETE FROM t WHERE ctid IS NOT NULL", .deleteAll),
        ClassRow("DELETE FROM t WHERE ctid = '(0,1)'"),
        ClassRow("DELETE FROM t WHERE ctid = ANY (ARRAY(SELECT ctid FROM t))", .deleteAll),
        ClassRow("DELETE FROM t WHERE ctid = ANY (ARRAY(SELECT ctid FROM t WHERE old LIMIT 9))"),
        ClassRow("DELETE FROM t WHERE tableoid = 't'::regclass", .deleteAll),
        ClassRow("DELETE FROM t WHERE EXISTS (SELECT FROM t u WHERE u.id = t.id)", .deleteAll),
        ClassRow("DELETE FROM t WHERE EXISTS (SELECT FROM t u WHERE u.mail = t.mail AND u.id < t.id)"),
        ClassRow("DELETE FROM t a USING t b WHERE a.ctid < b.ctid AND a.mail = b.mail"),
        ClassRow("DELETE FROM t WHERE random() >= 0", .deleteAll),
        ClassRow("DELETE FROM t WHERE t.a = t.a", .deleteAll),
        ClassRow("DELETE FROM t WHERE a = 1 OR true", .deleteAll),
        ClassRow("DELETE FROM t WHERE a IS NULL OR a IS NOT NULL", .deleteAll),
        ClassRow("DELETE FROM t USING u WHERE u.a = 1", .deleteAll),
        ClassRow("DELETE FROM t WHERE NOT false", .deleteAll),
        ClassRow("DELETE FROM t WHERE EXISTS (SELECT 1)", .deleteAll),
        ClassRow("DELETE FROM t WHERE $1", .deleteAll),
        ClassRow("DELETE FROM t WHERE a LIKE '%'", .deleteAll),
        ClassRow("DELETE FROM t WHERE id IN (SELECT id FROM t)", .deleteAll),
        ClassRow("DELETE FROM leads WHERE leads.id = id", .deleteAll),
        ClassRow("DELETE FROM leads WHERE id > -1", .deleteAll),
        ClassRow("DELETE FROM leads WHERE id > 0", .deleteAll),
        ClassRow("DELETE FROM leads WHERE id >= 1", .deleteAll),
        ClassRow("DELETE FROM leads WHERE 0 < leads.id", .deleteAll),
        ClassRow("DELETE FROM s.leads x WHERE x.id <> 0", .deleteAll),
        ClassRow("DELETE FROM leads WHERE id != -1::bigint", .deleteAll),
        ClassRow("DELETE FROM leads WHERE id > '-1'", .deleteAll),
        ClassRow("DELETE FROM leads WHERE id > '-1'::int", .deleteAll),
        ClassRow("DELETE FROM leads WHERE id::bigint > CAST(-1 AS bigint)", .deleteAll),
        ClassRow("DELETE FROM leads WHERE id > -99999999999", .deleteAll),
        ClassRow("DELETE FROM leads WHERE id <= 2147483647", .deleteAll),
        ClassRow("DELETE FROM leads WHERE id BETWEEN 0 AND 2147483647", .deleteAll),
        ClassRow("DELETE FROM leads WHERE id NOT IN (0, -1)", .deleteAll),
        ClassRow("DELETE FROM leads WHERE id IS DISTINCT FROM 0", .deleteAll),
        ClassRow("DELETE FROM leads WHERE NOT (id < 1 OR id IS NULL)", .deleteAll),
        ClassRow("DELETE FROM leads WHERE NOT id IN (0)", .deleteAll),
        ClassRow("DELETE FROM leads WHERE lead_id > 0", .deleteAll),
        ClassRow("DELETE FROM leads WHERE leads_id > 0", .deleteAll),
        ClassRow("DELETE FROM leads WHERE id IS NOT NULL", .deleteAll),
        ClassRow("DELETE FROM leads WHERE id > 0 AND id IS NOT NULL", .deleteAll),
        ClassRow("DELETE FROM leads WHERE name = coalesce(NULL, NULL::text, name)", .deleteAll),
        ClassRow("DELETE FROM leads WHERE name LIKE '%' || '' || '%'", .deleteAll),
        ClassRow("DELETE FROM leads WHERE id <> ALL ('{}')", .deleteAll),
        ClassRow("UPDATE leads SET name = '' WHERE id > 0", .updateAll),
        ClassRow("UPDATE t SET a = 1", .updateAll),
        ClassRow("UPDATE t SET a = 1 WHERE 'a' = 'a'", .updateAll),
        ClassRow("WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d", .deleteAll),
        ClassRow("EXPLAIN ANALYZE DELETE FROM t", .deleteAll),
        ClassRow("EXPLAIN (COSTS off, ANALYZE 'true') DELETE FROM t", .deleteAll),
        ClassRow("COPY (DELETE FROM t RETURNING *) TO STDOUT", .deleteAll),
        ClassRow("MERGE INTO t USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE", .deleteAll),
        ClassRow("PREPARE p AS DELETE FROM t", .deleteAll),
        ClassRow("DELETE FROM pg_class WHERE relname = 't'", .catalogWrite, objects: ["pg_class"]),
        ClassRow("UPDATE pg_catalog.pg_attribute SET attisdropped = true WHERE attnum = 1", .catalogWrite),
        ClassRow("UPDATE pg_settings SET setting = 'off' WHERE name = 'x'", .sessionSetting),
        ClassRow("COPY pg_class FROM STDIN", .catalogWrite),
        ClassRow("COPY t FROM PROGRAM 'x'", .copyProgram, objects: ["x"]),
        ClassRow("COPY t TO '/tmp/x'", .serverFile, objects: ["/tmp/x"]),
    ]

    static let calls: [ClassRow] = [
        ClassRow("SELECT lo_unlink(1)", .dangerousFunction, objects: ["lo_unlink"]),
        ClassRow("SELECT pg_catalog.\"lo_unlink\"(1)", .dangerousFunction),
        ClassRow("SELECT pg_read_file('x')", .serverFile),
        ClassRow("SELECT dblink_exec('c', 'DROP TABLE t')", .dropTable, objects: ["t"]),
        ClassRow("SELECT dblink_exec('c', 'DR' || 'OP TABLE t')", .dropTable),
        ClassRow("SELECT dblink_exec('c', q) FROM queries", .dangerousFunction),
        ClassRow("SELECT * FROM xpath_table('a','b','c','d','true') AS t(a int)", .dangerousFunction),
        ClassRow("INSERT INTO t VALUES (lo_unlink(1))", .dangerousFunction),
        ClassRow("CALL lo_unlink(1)", .dangerousFunction),
        ClassRow("SELECT query_to_xml('DROP TABLE t', true, true, '')", .dropTable),
        ClassRow("SELECT set_config('role', 'x', false)", .roleChange),
        ClassRow("SELECT set_config('standard_' || 'conforming_strings', 'off', false)", .sessionSetting),
        ClassRow("SET ROLE x", .roleChange),
        ClassRow("SET SESSION AUTHORIZATION x", .roleChange),
        ClassRow("SET search_path = x", .sessionSetting, objects: ["search_path"]),
        ClassRow("LOAD 'x'", .untrustedLanguage),
        ClassRow("SET allow_system_table_mods = on", .catalogWrite),
        ClassRow("CREATE OPERATOR <!> (FUNCTION = dblink_exec, LEFTARG = text)", .create, .dangerousFunction),
        ClassRow("CREATE CAST (oid AS int) WITH FUNCTION lo_unlink(oid)", .create, .dangerousFunction),
        ClassRow(
            "CREATE TRIGGER g BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION lo_unlink()", .create, .dangerousFunction
        ),
        ClassRow("ALTER FUNCTION dblink_exec(text, text) RENAME TO x", .alter, .dangerousFunction),
    ]

    @Test("by category", arguments: [drops, alterations, creations, changes, calls].flatMap { $0 })
    func classes(row: ClassRow) {
        let found = facts(row.sql)
        #expect(found.classes.names == ClassSet(row.classes).names)
        if let objects = row.objects {
            let named = found.statements.flatMap { $0.effects.compactMap { $0.object?.qualifiedName } }
            #expect(named == objects)
        }
    }

    static let harmless = [
        "SELECT 1", "VALUES (1)", "TABLE t", "INSERT INTO t VALUES (1)", "UPDATE t SET a = 1 WHERE id = 2",
        "DELETE FROM t WHERE id = 2", "DELETE FROM t WHERE id IN (SELECT id FROM u)",
        "DELETE FROM t USING u WHERE t.id = u.id", "DELETE FROM a t WHERE t.id = 1", "DELETE FROM t WHERE false",
        "DELETE FROM t WHERE 1 = 0", "DELETE FROM t WHERE id IN (SELECT id FROM t LIMIT 5)",
        "DELETE FROM t WHERE a LIKE 'x%'", "DELETE FROM t WHERE t.id = 5", "DELETE FROM s.t x WHERE x.id = 5",
        "DELETE FROM t WHERE CURRENT OF c", "DELETE FROM leads WHERE id > 5", "DELETE FROM leads WHERE id >= 2",
        "DELETE FROM leads WHERE id <> 5", "DELETE FROM leads WHERE id < 5", "DELETE FROM leads WHERE 5 < id",
        "DELETE FROM leads WHERE parent_id > 0", "DELETE FROM leads WHERE stock > 0",
        "DELETE FROM leads WHERE id > 0.5 + 7",
        "DELETE FROM leads USING u WHERE u.id > 0 AND u.lead = leads.id",
        "DELETE FROM leads WHERE parent_id IS NOT NULL",
        "DELETE FROM leads WHERE id IS NULL", "DELETE FROM leads WHERE id = 0", "DELETE FROM leads WHERE id IN (0, 1)",
        "DELETE FROM leads WHERE id BETWEEN 2 AND 5", "DELETE FROM leads WHERE id NOT IN (0, 1)",
        "DELETE FROM leads WHERE NOT id > 0", "DELETE FROM leads WHERE id > 0 AND stock > 0",
        "DELETE FROM leads WHERE name = coalesce('x', name)", "DELETE FROM leads WHERE id > 'x'",
        "DELETE FROM leads WHERE id > $1", "UPDATE leads SET a = $1 WHERE name LIKE $2",
        "INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 2",
        "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE", "EXPLAIN DELETE FROM t",
        "EXPLAIN (ANALYZE off) DELETE FROM t", "SELECT 'DROP TABLE t'", "SELECT 1 AS drop, 2 AS \"delete\"",
        "/* DROP TABLE t */ SELECT 1 -- DROP TABLE t", "COPY t TO STDOUT", "COPY t FROM STDIN", "VACUUM FULL t",
        "ANALYZE",
        "REINDEX TABLE t", "CLUSTER t", "REFRESH MATERIALIZED VIEW v", "LOCK TABLE t", "LISTEN a",
        "NOTIFY a, 'DROP TABLE t'",
        "SHOW all", "FETCH 1 FROM c", "CLOSE c", "DECLARE c CURSOR FOR SELECT 1", "SET TRANSACTION READ ONLY",
        "SELECT * FROM t FOR UPDATE", "SELECT delete, truncate FROM t", "CHECKPOINT",
        "SELECT * FROM dblink('dbname=' || current_database(), 'SELECT 1') AS t(a int)",
        "SELECT query_to_xml(format('select count(*) from %I', t), true, true, '') FROM x",
        "SELECT format('DROP TABLE %I', t) FROM x", "SELECT a.b.c.d FROM t", "", ";;", "-- nothing",
    ]

    @Test("what reads, inserts or changes chosen rows is ordinary", arguments: harmless)
    func ordinary(sql: String) {
        #expect(facts(sql).isOrdinary)
    }

    static let migrations = [
        "DELETE FROM alembic_version",
        "UPDATE alembic_version SET version_num='b' WHERE alembic_version.version_num = 'a'",
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT pk PRIMARY KEY (version_num))",
        "ALTER TABLE t ADD COLUMN a int DEFAULT 0 NOT NULL", "ALTER TABLE t DROP COLUMN a",
        "ALTER TABLE \"t\" DROP COLUMN \"a\" CASCADE", "ALTER TABLE t RENAME COLUMN a TO b",
        "ALTER TABLE t RENAME a TO b",
        "DROP INDEX IF EXISTS a", "CREATE INDEX CONCURRENTLY a ON t (b)",
        "ALTER TABLE t DROP CONSTRAINT c", "ALTER TABLE t ALTER COLUMN a TYPE bigint USING a::bigint",
        "ALTER TABLE t ALTER COLUMN a SET NOT NULL", "DROP TYPE mood", "DROP FUNCTION f()",
        "CREATE TYPE mood AS ENUM ('a')",
        "ALTER TYPE mood ADD VALUE 'b'", "SET CONSTRAINTS ALL IMMEDIATE", "COMMENT ON COLUMN t.a IS 'x'",
        "CREATE EXTENSION IF NOT EXISTS pgcrypto", "ALTER SEQUENCE s OWNED BY t.a",
        "SELECT pg_catalog.set_config('search_path', '', false)",
        "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_type WHERE typname = 'mood') THEN CREATE TYPE mood AS ENUM ('a'); END IF; END $$",
        "DO $$ BEGIN CREATE TYPE mood AS ENUM ('a'); EXCEPTION WHEN duplicate_object THEN null; END $$",
        "DO $$ DECLARE i int; BEGIN FOR i IN 1..3 LOOP EXECUTE format('CREATE INDEX ON %I (a)', 't' || i); END LOOP; END $$",
        "DO $$ BEGIN RAISE NOTICE 'DROP TABLE %', 1; RAISE EXCEPTION 'e' USING HINT = 'DROP TABLE t'; END $$",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated := now(); INSERT INTO log VALUES (OLD.id) RETURNING id INTO NEW.log; RETURN NEW; END $$",
        "CREATE TRIGGER tg AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()", "GRANT TRUNCATE, DELETE ON t TO r",
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (2)", "DISCARD ALL", "RESET ALL", "SET ROLE app",
        "PREPARE TRANSACTION 'x'", "SAVEPOINT a",
    ]

    @Test("migrations and sessions' housekeeping have no class that production blocks", arguments: migrations)
    func unguarded(sql: String) {
        let found = facts(sql)
        #expect(found.classes.intersection(guarded).names == [])
    }

    @Test("transactions and prepared statements are noted")
    func control() {
        let found = facts(
            "BEGIN; SAVEPOINT a; ROLLBACK TO a; COMMIT AND CHAIN; PREPARE p AS SELECT 1; EXECUTE p; DEALLOCATE ALL")
        #expect(found.classes.isEmpty)
        #expect(
            found.statements.map(\.transaction) == [
                .begin, .savepoint("a"), .rollbackTo("a"), .commit(chain: true), .none, .none, .none,
            ])
        #expect(
            found.statements.map(\.prepared) == [
                .none, .none, .none, .none, .prepare("p"), .execute("p"), .deallocateAll,
            ])
    }

    @Test("each statement keeps its place in the text")
    func ranges() {
        let sql = " /* a */ SELECT 1 ; -- b\n DROP TABLE t /* c */ ; "
        let found = facts(sql).statements.map { statement in
            String(decoding: Array(sql.utf8)[statement.range], as: UTF8.self)
        }
        #expect(found == ["SELECT 1", "DROP TABLE t"])
    }

    @Test("libpg_query's structs are where the headers say")
    func layout() {
        #expect(StatementAnalyzer.layoutFault() == nil)
    }
}
