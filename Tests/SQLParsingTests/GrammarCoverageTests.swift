import Testing

@testable import SQLParsing

@Suite("Every statement of the grammar has a decision")
struct GrammarCoverageTests {
    /// One statement for each node type that gram.y makes a RawStmt of.
    static let samples = [
        "INSERT INTO t VALUES (1)", "DELETE FROM t WHERE a = 1", "UPDATE t SET a = 1 WHERE a = 2",
        "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE", "SELECT 1", "ALTER TABLE t ADD a int",
        "ALTER DOMAIN d SET NOT NULL", "GRANT SELECT ON t TO r", "GRANT a TO b",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO r", "CLOSE c", "CLUSTER t", "COPY t TO STDOUT",
        "CREATE TABLE t (a int)", "CREATE AGGREGATE a (int) (SFUNC = f, STYPE = int)", "DROP TABLE t", "TRUNCATE t",
        "COMMENT ON TABLE t IS 'a'", "FETCH 1 FROM c", "CREATE INDEX i ON t (a)",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "ALTER FUNCTION f() STABLE", "DO 'BEGIN END'",
        "ALTER TABLE t RENAME TO u", "CREATE RULE r AS ON INSERT TO t DO NOTHING", "NOTIFY a", "LISTEN a", "UNLISTEN a",
        "BEGIN", "CREATE VIEW v AS SELECT 1", "LOAD 'a'", "CREATE DOMAIN d AS int", "CREATE DATABASE d",
        "DROP DATABASE d",
        "VACUUM", "EXPLAIN SELECT 1", "CREATE TABLE t AS SELECT 1", "CREATE SEQUENCE s", "ALTER SEQUENCE s RESTART",
        "SET a = 1", "SHOW a", "DISCARD ALL", "CREATE TRIGGER g AFTER INSERT ON t EXECUTE FUNCTION f()",
        "CREATE LANGUAGE l HANDLER h", "CREATE ROLE r", "ALTER ROLE r LOGIN", "DROP ROLE r", "LOCK t",
        "SET CONSTRAINTS ALL DEFERRED", "REINDEX TABLE t", "CHECKPOINT", "CREATE SCHEMA s",
        "ALTER DATABASE d CONNECTION LIMIT 1",
        "ALTER DATABASE d REFRESH COLLATION VERSION", "ALTER DATABASE d SET a = 1", "ALTER ROLE r SET a = 1",
        "CREATE CONVERSION c FOR 'a' TO 'b' FROM f", "CREATE CAST (a AS b) WITHOUT FUNCTION",
        "CREATE OPERATOR CLASS c FOR TYPE int USING btree AS OPERATOR 1 <", "CREATE OPERATOR FAMILY f USING btree",
        "ALTER OPERATOR FAMILY f USING btree ADD OPERATOR 1 < (int, int)", "PREPARE p AS SELECT 1", "EXECUTE p",
        "DEALLOCATE p", "DECLARE c CURSOR FOR SELECT 1", "CREATE TABLESPACE s LOCATION '/a'", "DROP TABLESPACE s",
        "ALTER FUNCTION f() DEPENDS ON EXTENSION e", "ALTER TABLE t SET SCHEMA s", "ALTER SCHEMA s OWNER TO r",
        "ALTER OPERATOR + (int, int) SET (RESTRICT = NONE)", "ALTER TYPE t SET (STORAGE = plain)", "DROP OWNED BY r",
        "REASSIGN OWNED BY a TO b", "CREATE TYPE t AS (a int)", "CREATE TYPE t AS ENUM ('a')",
        "CREATE TYPE t AS RANGE (SUBTYPE = int)", "ALTER TYPE t ADD VALUE 'b'",
        "ALTER TEXT SEARCH DICTIONARY d (a = b)", "ALTER TEXT SEARCH CONFIGURATION c DROP MAPPING FOR a",
        "CREATE FOREIGN DATA WRAPPER w", "ALTER FOREIGN DATA WRAPPER w NO HANDLER",
        "CREATE SERVER s FOREIGN DATA WRAPPER w",
        "ALTER SERVER s VERSION '1'", "CREATE USER MAPPING FOR r SERVER s",
        "ALTER USER MAPPING FOR r SERVER s OPTIONS (DROP a)",
        "DROP USER MAPPING FOR r SERVER s", "ALTER TABLESPACE s SET (seq_page_cost = 1)",
        "ALTER TABLE ALL IN TABLESPACE a SET TABLESPACE b", "SECURITY LABEL ON TABLE t IS 'a'",
        "CREATE FOREIGN TABLE t (a int) SERVER s", "IMPORT FOREIGN SCHEMA a FROM SERVER s INTO b", "CREATE EXTENSION e",
        "ALTER EXTENSION e UPDATE", "ALTER EXTENSION e ADD TABLE t",
        "CREATE EVENT TRIGGER g ON sql_drop EXECUTE FUNCTION f()",
        "ALTER EVENT TRIGGER g DISABLE", "REFRESH MATERIALIZED VIEW v", "ALTER SYSTEM SET a = 1",
        "CREATE POLICY p ON t", "ALTER POLICY p ON t USING (true)",
        "CREATE TRANSFORM FOR int LANGUAGE l (FROM SQL WITH FUNCTION f(internal))",
        "CREATE ACCESS METHOD m TYPE TABLE HANDLER h",
        "CREATE PUBLICATION p", "ALTER PUBLICATION p ADD TABLE t", "CREATE SUBSCRIPTION s CONNECTION 'a' PUBLICATION p",
        "ALTER SUBSCRIPTION s DISABLE", "DROP SUBSCRIPTION s", "CREATE STATISTICS s ON a, b FROM t",
        "ALTER COLLATION c REFRESH VERSION", "CALL p()", "ALTER STATISTICS s SET STATISTICS 1",
    ]

    @Test("the list of node types is covered, and none is opaque")
    func coverage() {
        var missing = Set(StatementParser.statementTags)
        missing.subtract(StatementParser.partTags)
        for sql in Self.samples {
            guard let tag = StatementParser.firstTag(of: Array(sql.utf8)) else {
                Issue.record("does not parse: \(sql)")
                continue
            }
            missing.remove(tag)
            let found = facts(sql)
            #expect(found.classes.intersection(ClassGroup.opaque.classes).isEmpty, "\(sql)")
            let isNamed = found.isOrdinary || found.statements.allSatisfy { !$0.command.isEmpty }
            #expect(isNamed, "\(sql)")
        }
        #expect(missing.sorted() == [], "node types (NodeTag numbers) without a sample")
    }

    @Test("a class has a bit, a name that leads back to it, and an effect wherever it is set")
    func classes() {
        #expect(StatementClass.allCases.count <= 64)
        for member in StatementClass.allCases { #expect(StatementClass(name: member.name) == member) }
        for sql in Self.samples {
            for statement in facts(sql).statements {
                #expect(ClassSet(statement.effects.map(\.statementClass)) == statement.classes, "\(sql)")
            }
        }
    }
}
