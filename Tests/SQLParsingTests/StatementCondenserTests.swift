import Testing

@testable import SQLParsing

@Suite struct StatementCondenserTests {
    /// What becomes of a text that arrives in pieces.
    private func condensed(_ text: [UInt8], piece: Int, settings: LexicalSettings, longToken: Int) -> [UInt8]? {
        let condenser = StatementCondenser(settings: settings, longToken: longToken)
        text.withUnsafeBytes { bytes in
            for start in stride(from: 0, to: bytes.count, by: piece) {
                condenser.feed(UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + piece, bytes.count)]))
            }
        }
        return condenser.finish()
    }

    private func classes(_ text: [UInt8], _ settings: LexicalSettings) -> [ClassSet] {
        var analyzer = StatementAnalyzer()
        let facts = text.withUnsafeBytes { analyzer.facts(of: $0, settings: settings) }
        return [facts.classes] + facts.statements.map(\.classes)
    }

    static let texts = [
        "SELECT 1",
        "DROP TABLE a",
        "INSERT INTO t VALUES (1, 'x'), (2, 'y''y'); DROP TABLE a",
        "INSERT INTO t VALUES ('" + String(repeating: "long text ", count: 40) + "'); DROP TABLE a;",
        "INSERT INTO t VALUES ('" + String(repeating: "; DROP TABLE a; ", count: 40) + "')",
        "INSERT INTO t VALUES ('" + String(repeating: "a''; DROP TABLE b; --", count: 20) + "')",
        "INSERT INTO t VALUES (E'" + String(repeating: "it\\'s; DROP TABLE b; --", count: 20) + "')",
        "INSERT INTO t VALUES ('" + String(repeating: "it\\'; DROP TABLE b; --", count: 20) + "')",
        "SELECT 'a' \n 'b; DROP TABLE a' -- c\n 'd', 'e' -- f\n; TRUNCATE x",
        "SELECT E'" + String(repeating: "x", count: 100) + "'\n  '\\'; DROP TABLE a; --'",
        "SELECT E'" + String(repeating: "x", count: 100) + "'  '\\'; DROP TABLE a; --'",
        "SELECT $tag$" + String(repeating: "$ta$; DROP TABLE a;", count: 20) + "$tag$; DELETE FROM b",
        "SELECT a$tag$, 1; DROP TABLE c; SELECT $tag$ x $tag$",
        "/* " + String(repeating: "/* ; DROP TABLE a */ ", count: 20) + " */ SELECT 1; DROP SCHEMA s",
        "-- " + String(repeating: "DROP TABLE a; ", count: 20) + "\rDROP TABLE b",
        "SELECT \"a\"\"; DROP TABLE b\" FROM t; DROP VIEW v",
        "DO $$ BEGIN DROP TABLE a; END $$",
        "DO $$ BEGIN " + String(repeating: "PERFORM 1; ", count: 30) + " DROP TABLE a; END $$",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DROP TABLE a'",
        "INSERT INTO t VALUES " + (0..<50).map { "(\($0), -\($0), 'v', NULL, $1, '1'::text)" }.joined(separator: ","),
        "INSERT INTO t VALUES " + (0..<50).map { "(\($0), now())" }.joined(separator: ", ")
            + " RETURNING pg_read_file('x')",
        "INSERT INTO t VALUES " + (0..<50).map { "(\($0), (SELECT lo_unlink(\($0))))" }.joined(separator: ", "),
        "DELETE FROM t WHERE id IN (" + (0..<300).map(String.init).joined(separator: ", ") + ")",
        "DELETE FROM t WHERE 1 IN (" + (0..<300).map(String.init).joined(separator: ", ") + ")",
        "UPDATE t SET a = 1e5, b = 0x1f, c = .5, d = 1.e+3",
        "UPDATE t SET a = 'x' WHERE id = 1; UPDATE u SET a = 'y'",
        "WITH d AS (DELETE FROM t RETURNING *) INSERT INTO u SELECT * FROM d",
        "INSERT INTO t (a) VALUES (1), (2) ON CONFLICT DO UPDATE SET a = 3; ALTER TABLE t DROP COLUMN a",
        "SELECT U&'d\\0061t' UESCAPE '!', B'01', X'1f', N'n'; DROP TABLE z",
        "SELECT 1 -- 'x\n; DROP TABLE q -- '",
        "VALUES (1), (2), (DEFAULT); DROP TABLE v",
    ]

    @Test("A text that arrives in pieces has the classes of the whole text", arguments: texts)
    func sameClasses(text: String) {
        for conforming in [true, false] {
            let settings = LexicalSettings(standardConformingStrings: conforming)
            let bytes = Array(text.utf8)
            let expected = classes(bytes, settings)
            for piece in [1, 2, 3, 7, 16, 33, 64, 1000] {
                for longToken in [64, 1 << 14] {
                    let short = condensed(bytes, piece: piece, settings: settings, longToken: longToken)
                    guard let short else {
                        Issue.record("no short text in pieces of \(piece)")
                        continue
                    }
                    #expect(
                        classes(short, settings) == expected,
                        "pieces of \(piece), long from \(longToken), conforming \(conforming): \(String(decoding: short, as: UTF8.self))"
                    )
                }
            }
        }
    }

    @Test("A long text becomes short: memory does not grow with it")
    func short() {
        let condenser = StatementCondenser(settings: LexicalSettings())
        let piece = Array(repeating: "(1, 'some text', NULL, -2.5),", count: 2000).joined()
        for part in ["INSERT INTO t VALUES "] + Array(repeating: piece, count: 100) + ["(1); DROP TABLE a"] {
            Array(part.utf8).withUnsafeBytes { condenser.feed($0) }
        }
        let short = condenser.finish()
        #expect((short?.count ?? .max) < 1000)
        #expect(classes(short ?? [], LexicalSettings()).first == ClassSet(.dropTable))
    }

    @Test("What cannot be made short is given up, not guessed")
    func givenUp() {
        let condenser = StatementCondenser(settings: LexicalSettings())
        let piece = Array(repeating: "(lower('A')),", count: 5000).joined()
        for part in ["INSERT INTO t VALUES "] + Array(repeating: piece, count: 20) + ["(1)"] {
            Array(part.utf8).withUnsafeBytes { condenser.feed($0) }
        }
        #expect(condenser.finish() == nil)
        let inSJIS = StatementCondenser(settings: LexicalSettings(encoding: .sjis))
        Array("SELECT 1".utf8).withUnsafeBytes { inSJIS.feed($0) }
        #expect(inSJIS.finish() == nil)
    }
}

extension StatementCondenserTests {
    @Test("A dollar quote's tag that the server may take for another is given up, however long the literal")
    func doubtfulTag() {
        for inside in ["x", String(repeating: "x", count: 300)] {
            for piece in [1, 7, 1000] {
                let text = Array("SELECT $\u{A6}$ \(inside) $\u{FFE4}$; DROP TABLE a; SELECT $\u{A6}$ $\u{A6}$".utf8)
                #expect(condensed(text, piece: piece, settings: LexicalSettings(), longToken: 64) == nil)
            }
        }
    }

    @Test("A routine behind a long comment keeps its body")
    func longCommentBeforeRoutine() {
        let long = String(repeating: "x", count: 100)
        let text = Array("/* \(long) */ DO $$ BEGIN /* \(long) */ DROP TABLE a; END $$".utf8)
        for piece in [1, 7, 1000] {
            let short = condensed(text, piece: piece, settings: LexicalSettings(), longToken: 64)
            #expect(classes(short ?? [], LexicalSettings()).first?.contains(.dropTable) == true)
        }
    }

    @Test("A long literal that the server would run as SQL is opaque when it is left out")
    func leftOut() {
        let text = "SELECT dblink_exec('c', '/* \(String(repeating: "x", count: 9000)) */ DROP TABLE a')"
        #expect(facts(text).classes.contains(.opaque))
        let short = condensed(Array(text.utf8), piece: 100, settings: LexicalSettings(), longToken: 64)
        #expect(classes(short ?? [], LexicalSettings()).first?.contains(.opaque) == true)
        #expect(
            facts("SELECT query_to_xml('SELECT \(String(repeating: "1, ", count: 4000)) 1')").classes
                == ClassSet(.opaque))
        for call in ["concat(", "format('\(String(repeating: "%s", count: 81))', "] {
            let arguments = String(repeating: "'', ", count: 80) + "'DROP TABLE t'"
            let made = condensed(
                Array("SELECT dblink_exec('c', \(call)\(arguments)))".utf8), piece: 100, settings: LexicalSettings(),
                longToken: 1000)
            #expect(classes(made ?? [], LexicalSettings()).first?.contains(.opaque) == true)
        }
        #expect(facts("SELECT lower('\(String(repeating: "x", count: 9000))')").isOrdinary)
        let pattern = String(repeating: "%", count: 9000)
        #expect(facts("DELETE FROM t WHERE a LIKE '\(pattern)'").classes.contains(.deleteAll))
    }

    @Test("A token that arrives byte by byte costs what its length costs", .timeLimit(.minutes(1)))
    func byteByByte() {
        let condenser = StatementCondenser(settings: LexicalSettings())
        let text = Array("SELECT \(String(repeating: "x", count: 250_000)), 1".utf8)
        for byte in text { withUnsafeBytes(of: byte) { condenser.feed($0) } }
        #expect(condenser.finish() == text)
    }
}
