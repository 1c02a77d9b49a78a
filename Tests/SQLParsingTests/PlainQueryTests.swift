import Testing

@testable import SQLParsing

@Suite struct `A statement that its tokens prove plain` {
    private static func isProven(_ sql: String, _ settings: LexicalSettings = LexicalSettings()) -> Bool {
        Array(sql.utf8).withUnsafeBytes { PlainQuery.isProven($0, settings: settings) }
    }

    @Test(arguments: [
        "SELECT abalance FROM pgbench_accounts WHERE aid = 1;",
        "SELECT * FROM a JOIN b USING (id) WHERE a.x IN (1, 2, 'three')",
        "SELECT count(*), lower(name) FROM people WHERE (age > 3 AND (city = 'x' OR city IS NULL))",
        "SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.id = t.id) LIMIT (50)",
        "SELECT \"t\".\"id\", COALESCE(\"t\".\"n\", 0) FROM \"t\" FOR UPDATE",
        "SELECT x.n FROM (VALUES (1, 2)) AS x(n, m)",
        "/* app */ SELECT now() -- the time",
        "INSERT INTO t VALUES (1, 'x', $1)",
        "INSERT INTO s.\"T\" (a, b) VALUES (1, 2), (3, 4) ON CONFLICT (a) DO UPDATE SET b = excluded.b RETURNING id",
        "INSERT INTO t SELECT f(x) FROM u",
        "INSERT INTO lo_unlink (a) VALUES (1)",
        "INSERT INTO pages DEFAULT VALUES",
    ])
    func `has no facts to the grammar either`(_ sql: String) {
        #expect(Self.isProven(sql))
        // Behind another statement it is not looked at as a whole, but parsed.
        var analyzer = StatementAnalyzer()
        let facts = Array(("VALUES (1); " + sql).utf8).withUnsafeBytes {
            analyzer.facts(of: $0, settings: LexicalSettings())
        }
        #expect(facts == TextFacts())
    }

    @Test(arguments: [
        "SELECT * INTO copy FROM t", "SELECT 1; DROP TABLE t", "SELECT 1; SELECT 2",
        "SELECT * FROM (WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone) x",
        "INSERT INTO t WITH gone AS (DELETE FROM u RETURNING *) SELECT * FROM gone",
        "INSERT INTO t SELECT 1 INTO u",
        "SELECT lo_unlink(1)", "SELECT LO_UNLINK (1)", "SELECT \"lo_unlink\"(1)", "SELECT pg_catalog.lo_unlink(1)",
        "SELECT lo_unlink /* so */ (1)", "SELECT U&\"lo_unlin\\006b\"(1)", "SELECT \"lo_\"\"unlink\"(1)",
        "SELECT f((SELECT set_config('role', 'x', false)))", "SELECT dblink_exec('c', 'DROP TABLE t')",
        "INSERT INTO t VALUES (dblink_exec('c', 'DROP TABLE t'))",
        "INSERT INTO t VALUES (1) RETURNING pg_read_file('x')",
        "INSERT INTO pg_class VALUES (1)", "INSERT INTO pg_catalog.x VALUES (1)", "INSERT INTO \"pg_class\" VALUES (1)",
        "insert into PG_CLASS values (1)", "INSERT INTO U&\"pg_clas\\0073\" VALUES (1)", "INSERT t VALUES (1)",
        "SELECT $$a$$", "SELECT U&'a'", "SELECT 'a", "UPDATE t SET a = 1 WHERE id = 2", "DELETE FROM t", "TABLE t",
        "WITH x AS (SELECT 1) SELECT * FROM x", "VALUES (1)", "DROP TABLE t", "",
    ])
    func `is not one that could have some`(_ sql: String) {
        #expect(!Self.isProven(sql))
    }

    /// Whoever reads on behind the proof must come to the same as who reads from the beginning.
    @Test func `is read on from where the proof ended`() {
        let texts = [
            "SELECT a FROM t WHERE x = 'y' AND lo_unlink(1) = 1; DROP TABLE t",
            "SELECT 1 + + 2, 'a' 'b', lo_unlink(1)", "SELECT 'a'\n'b', lo_unlink(1); SELECT 2",
            "SELECT /* c */ 1, lo_unlink(1)", "SELECT E'a\\'b', lo_unlink(1); DROP TABLE t",
            "INSERT INTO t (a) VALUES (1), (lo_unlink(2)); TRUNCATE t", "INSERT INTO t -- c\n VALUES (lo_unlink(2))",
            "SELECT '\(String(repeating: "x", count: 300))', lo_unlink(1); DROP TABLE t",
            "SELECT 'a\0b', lo_unlink(1)", "SELECT 1\0, lo_unlink(1)",
        ]
        for text in texts.map({ Array($0.utf8) }) {
            for conforming in [true, false] {
                let settings = LexicalSettings(standardConformingStrings: conforming)
                var analyzer = StatementAnalyzer()
                let resumed = text.withUnsafeBytes { analyzer.facts(of: $0, settings: settings) }
                let afresh = text.withUnsafeBytes { analyzer.facts(of: $0, settings: settings, after: PlainProof()) }
                #expect(resumed == afresh, "\(String(decoding: text, as: UTF8.self))")
            }
        }
    }
}
