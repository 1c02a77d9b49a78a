import Testing

@testable import SQLParsing

@Suite("Hostile texts cost what their length costs")
struct HostileInputTests {
    struct HostileRow: Sendable, CustomTestStringConvertible {
        var name: String
        var sql: String
        var isLoss = false
        var testDescription: String { name }

        init(_ name: String, _ sql: String, isLoss: Bool = false) {
            self.name = name
            self.sql = sql
            self.isLoss = isLoss
        }
    }

    private static func times(_ text: String, _ count: Int) -> String { String(repeating: text, count: count) }

    static let rows: [HostileRow] = [
        HostileRow("comment openers", times("/*", 500_000)),
        HostileRow(
            "nested comments before a drop", times("/*", 50_000) + times("*/", 50_000) + "DROP TABLE t", isLoss: true),
        HostileRow("parentheses", "SELECT " + times("(", 100_000)),
        HostileRow("closed parentheses", "SELECT " + times("(", 100_000) + "1" + times(")", 100_000)),
        HostileRow("signs", "SELECT " + times("+", 200_000) + "1"),
        HostileRow("a sum", "SELECT 1" + times("+1", 25_000)),
        HostileRow("a deep condition", "DELETE FROM t WHERE " + times("NOT ", 5_000) + "a"),
        HostileRow("a union", "SELECT 1" + times(" UNION SELECT 1", 15_000)),
        HostileRow("dollar signs", times("$a", 200_000)),
        HostileRow("dollar tags", times("$a$", 200_000)),
        HostileRow("quotes", times("'\n", 200_000)),
        HostileRow("statements", times("SELECT 1;", 150_000) + "DROP TABLE t", isLoss: true),
        HostileRow("semicolons", times(";", 1_000_000) + "DROP TABLE t", isLoss: true),
        HostileRow("a padded drop", "DROP TABLE t, " + times("a, ", 100_000) + "b", isLoss: true),
        HostileRow(
            "a drop behind a padded statement", "SELECT " + times("1,", 100_000) + "1; DROP TABLE t", isLoss: true),
        HostileRow(
            "a drop in a padded body", "DO $$ BEGIN " + times("PERFORM 1; ", 20_000) + "DROP TABLE t; END $$",
            isLoss: true),
        HostileRow("blocks in blocks", times("DO $a$ BEGIN ", 20_000)),
        HostileRow(
            "concatenation", "DO $$ BEGIN EXECUTE 'DROP '" + times(" || ''", 20_000) + " || 'TABLE t'; END $$",
            isLoss: true),
        HostileRow("casts", "SELECT 1" + times("::int", 20_000)),
        HostileRow("brackets", "SELECT a" + times("[1]", 20_000)),
        HostileRow("cases", "CREATE FUNCTION f() BEGIN ATOMIC " + times("CASE ", 100_000)),
    ]

    @Test("each is answered, and a loss in it is seen", arguments: rows)
    func answered(row: HostileRow) {
        let found = facts(row.sql)
        if row.isLoss { #expect(!found.classes.intersection(guarded).isEmpty) }
    }

    @Test("a large INSERT is ordinary, a large DELETE by list too, a large body is read or oversized")
    func large() {
        let rows = "INSERT INTO t VALUES " + Self.times("(1, 'a', 2.5), ", 60_000) + "(1, 'a', 2)"
        #expect(facts(rows).isOrdinary)
        #expect(facts("INSERT INTO t VALUES ('" + Self.times("DROP TABLE t; ", 200_000) + "')").isOrdinary)
        #expect(facts("DELETE FROM t WHERE id IN (" + Self.times("1, ", 60_000) + "1)").isOrdinary)
        #expect(
            facts("DELETE FROM t WHERE id = id OR 1 IN (" + Self.times("1, ", 60_000) + "1)").classes.contains(
                .deleteAll))
        let body = "DO $$ BEGIN " + Self.times("-- padding\n", 1_000_000) + "DROP TABLE t; END $$"
        #expect(!facts(body).classes.intersection(guarded).isEmpty)
    }

    @Test("random texts made of SQL's own words are always answered, under every setting")
    func randomTexts() {
        let words = [
            "DROP", "TABLE", "SELECT", "DELETE", "FROM", "WHERE", "CASCADE", "t", "s.t", "(", ")", ",", ";", "'", "''",
            "\"",
            "$$", "$a$", "/*", "*/", "--", "\n", "E'", "U&'", "\\", "1", "1e5", "DO", "BEGIN", "END", "EXECUTE", "||",
            ":=",
            "DECLARE", "LOOP", "IF", "THEN", "FOR", "IN", "INTO", "format", "%I", "ALTER", "COLUMN", "TYPE", "USING",
            "WITH", "AS",
            "CREATE", "FUNCTION", "LANGUAGE", "plpgsql", "sql", "ATOMIC", "CASE", "MERGE", "COPY", "PROGRAM", "SET",
            "\u{81}", ".",
        ]
        var generator = SeededGenerator(seed: 0xC0FFEE)
        for _ in 0..<4_000 {
            var sql = ""
            for _ in 0..<Int.random(in: 1..<25, using: &generator) {
                sql += words.randomElement(using: &generator) ?? ""
                if Bool.random(using: &generator) { sql += " " }
            }
            for settings in [
                LexicalSettings(), LexicalSettings(standardConformingStrings: false),
                LexicalSettings(standardConformingStrings: false, encoding: .gb18030),
            ] {
                for statement in facts(Array(sql.utf8), settings).statements {
                    #expect(statement.range.upperBound <= sql.utf8.count)
                    #expect(ClassSet(statement.effects.map(\.statementClass)) == statement.classes)
                }
            }
        }
    }
}
