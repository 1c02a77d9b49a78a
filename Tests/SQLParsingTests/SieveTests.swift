import Testing

@testable import SQLParsing

@Suite("What libpg_query cannot read is judged by its tokens")
struct SieveTests {
    static let newer: [ClassRow] = [
        // PostgreSQL 16 to 18, harmless.
        ClassRow("SELECT 1_000, 0x1F"),
        ClassRow("SELECT * FROM JSON_TABLE('[]', '$[*]' COLUMNS (a int PATH '$'))"),
        ClassRow("SELECT JSON_OBJECT('a' VALUE 1 ABSENT ON NULL), a IS JSON FROM t"),
        ClassRow("INSERT INTO t VALUES (1) RETURNING WITH (OLD AS o, NEW AS n) o.a, n.a"),
        ClassRow("MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN UPDATE SET a = 1 RETURNING merge_action(), t.*"),
        ClassRow("VACUUM ONLY t"),
        ClassRow("UPDATE t SET a = 1_0 WHERE id IN (1_000, 2)"),
        ClassRow("DELETE FROM t WHERE id = ANY (0x1F) RETURNING 1_0"),
        // …and not.
        ClassRow(
            "CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a) VIRTUAL, UNIQUE (a, b WITHOUT OVERLAPS))", .create),
        ClassRow("MERGE INTO t USING s ON t.a = s.a WHEN NOT MATCHED BY SOURCE THEN DELETE", .deleteAll),
        ClassRow("DELETE FROM t WHERE 1_0 = 1_0", .deleteAll),
        ClassRow("UPDATE t SET a = 1_0", .updateAll),
        ClassRow("WITH d AS (DELETE FROM t RETURNING WITH (OLD AS o) o.*) SELECT 1_0", .deleteAll),
        ClassRow("SELECT lo_unlink(1_0)", .dangerousFunction),
        ClassRow("SELECT U&\"lo_unlin!006B\" UESCAPE '!' (1_0)", .dangerousFunction),
        ClassRow("DELETE FROM pg_class WHERE oid IN (1_0)", .catalogWrite),
        ClassRow("DROP TABLE t, s.u CASCADE NEWLY", .dropTable, .cascade, objects: ["t", "s.u"]),
        ClassRow("DROP TABLE IF EXISTS t 1_0", .dropTable),
        ClassRow("TRUNCATE t NEWLY 1_0", .truncate),
        ClassRow("ALTER TABLE t ALTER c SET EXPRESSION AS (1), DROP d", .alter, .dropColumn),
        ClassRow("ALTER TABLE p MERGE PARTITIONS (a, b) INTO c", .alter, .dropPartition),
        ClassRow("ALTER TABLE t NEWLY, RENAME TO u", .alter, .rename),
        ClassRow("ALTER TABLE t NEWLY, SET SCHEMA u", .alter, .moveSchema),
        ClassRow("DO 'x' NEWLY", .doBlock, .unparsable),
        ClassRow("CREATE FUNCTION f() NEWLY AS 'x'", .create, .unparsable),
        ClassRow("COPY t FROM PROGRAM 'x' NEWLY 1_0", .copyProgram),
        ClassRow("COMMIT NEWLY", .unparsable),
    ]

    @Test("newer statements", arguments: newer)
    func classes(row: ClassRow) {
        let found = facts(row.sql)
        #expect(found.classes.names == ClassSet(row.classes).names)
        if let objects = row.objects {
            #expect(found.statements.flatMap { $0.effects.compactMap { $0.object?.qualifiedName } } == objects)
        }
    }

    static let slips = [
        "SELEC 1", "FOO BAR", "INSER INTO t VALUES (1)", "DORP TABLE t", "SELECT * FORM t", "DROP TABEL t", "'a'", "1;",
        "}",
    ]

    @Test("a slip of the keyboard is the server's to answer", arguments: slips)
    func slip(sql: String) {
        #expect(facts(sql).isOrdinary)
    }

    @Test("one broken statement does not hide another")
    func broken() {
        #expect(facts("SELEC 1; DROP TABLE t").classes.contains(.dropTable))
        #expect(facts("SELECT (1; DROP TABLE t").classes.contains(.dropTable))
        #expect(facts("SELECT 'x; DROP TABLE t").isOrdinary)
        #expect(!facts("CREATE RULE r AS ON INSERT TO t DO (SELECT 1; DROP TABLE t").classes.isDisjoint(with: guarded))
    }
}
