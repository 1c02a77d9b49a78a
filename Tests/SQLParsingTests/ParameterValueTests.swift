import Testing

@testable import SQLParsing

@Suite("Parameters' values are put into a statement's text")
struct ParameterValueTests {
    struct BindRow: Sendable, CustomTestStringConvertible {
        var sql: String
        var values: [ParameterValue]
        var expected: String
        var settings = LexicalSettings()
        var testDescription: String { sql }
    }

    static func text(_ value: String, type: UInt32 = 0) -> ParameterValue {
        Array(value.utf8).withUnsafeBytes { ParameterValue($0, isBinary: false, type: type) }
    }

    static func binary(_ bytes: [UInt8], type: UInt32 = 0) -> ParameterValue {
        bytes.withUnsafeBytes { ParameterValue($0, isBinary: true, type: type) }
    }

    static let null = ParameterValue(nil, isBinary: false, type: 0)

    static let rows: [BindRow] = [
        BindRow(sql: "a > $1", values: [text("-1")], expected: "a >  (-1) "),
        BindRow(sql: "a = $1", values: [text("x'; DROP")], expected: "a =  (E'x''; DROP') "),
        BindRow(sql: "a = $2 OR $1", values: [null, text("\\")], expected: "a =  (E'\\\\')  OR  (NULL) "),
        BindRow(
            sql: "'$1' || \"$1\" || $$ $1 $$ || $1", values: [text("1")],
            expected: "'$1' || \"$1\" || $$ $1 $$ ||  (1) "),
        BindRow(sql: "$1 -- $1", values: [text("1")], expected: " (1)       "),
        BindRow(sql: "a$1 /* $1 */ -$1", values: [text("-1")], expected: "a$1          - (-1) "),
        BindRow(
            sql: "$0 $3 $99999999999999999999999", values: [null, null], expected: "$0 $3 $99999999999999999999999"),
        BindRow(sql: "a = $1", values: [.unknown], expected: "a = $1"),
        BindRow(
            sql: "a = 'x\\' $1' OR b = $1", values: [text("1")], expected: "a = 'x'' $1' OR b =  (1) ",
            settings: LexicalSettings(standardConformingStrings: false)),
        BindRow(sql: "", values: [text("1")], expected: ""),
    ]

    @Test("as tokens only, in a form that reads the same under all settings", arguments: rows)
    func substitution(row: BindRow) {
        var analyzer = StatementAnalyzer()
        let bytes = Array(row.sql.utf8).withUnsafeBytes {
            analyzer.boundText(of: $0, settings: row.settings, values: row.values)
        }
        #expect(bytes.map { String(decoding: $0, as: UTF8.self) } == row.expected)
    }

    @Test("Each value has its SQL form")
    func forms() {
        func sql(_ value: ParameterValue) -> String? {
            guard case .expression(let bytes) = value else { return nil }
            return String(decoding: bytes, as: UTF8.self)
        }
        #expect(sql(Self.binary([0xFF, 0xFF], type: 21)) == "-1")
        #expect(sql(Self.binary([0xFF, 0xFF])) == "-1")
        #expect(sql(Self.binary([0, 0, 0, 5])) == "5")
        #expect(sql(Self.binary([0x80, 0, 0, 0, 0, 0, 0, 0], type: 20)) == "-9223372036854775808")
        #expect(sql(Self.binary([0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], type: 20)) == "9223372036854775807")
        #expect(sql(Self.binary([1], type: 16)) == "true")
        #expect(sql(Self.binary([0xBF, 0xF0, 0, 0, 0, 0, 0, 0], type: 701)) == "'-1.0'")
        #expect(sql(Self.binary([37], type: 25)) == "E'%'")
        #expect(sql(Self.binary([37])) == "E'%'")
        #expect(sql(Self.binary([37, 37])) == "E'%%'")
        #expect(sql(Self.binary([0xFF, 0xFF], type: 23)) == nil)
        #expect(sql(Self.binary([1, 2, 3], type: 1700)) == nil)
        #expect(sql(Self.binary([], type: 0)) == "E''")
        #expect(sql(Self.text("")) == "E''")
        #expect(sql(Self.text("-")) == "E'-'")
        #expect(sql(Self.text("t\u{1}é")) == "E't???'")
        #expect(sql(Self.text(String(repeating: "%", count: 300))) == "'%'")
        #expect(sql(Self.text(String(repeating: "x", count: 300))) == nil)
        #expect(sql(Self.text(String(repeating: "9", count: 30))) == "E'\(String(repeating: "9", count: 30))'")
    }

    struct ClassesRow: Sendable, CustomTestStringConvertible {
        var sql: String
        var values: [ParameterValue]
        var classes: [StatementClass]
        var testDescription: String { "\(sql) \(values)" }
    }

    static let bound: [ClassesRow] = [
        ClassesRow(sql: "DELETE FROM leads WHERE id > $1", values: [text("-1")], classes: [.deleteAll]),
        ClassesRow(sql: "DELETE FROM leads WHERE id > $1", values: [text("5")], classes: []),
        ClassesRow(sql: "DELETE FROM leads WHERE id > $1::bigint", values: [text("-1")], classes: [.deleteAll]),
        ClassesRow(sql: "DELETE FROM leads WHERE id > -$1", values: [text("1")], classes: [.deleteAll]),
        ClassesRow(sql: "DELETE FROM leads WHERE id <> $1", values: [text("0")], classes: [.deleteAll]),
        ClassesRow(sql: "DELETE FROM leads WHERE name LIKE $1", values: [text("%")], classes: [.deleteAll]),
        ClassesRow(sql: "DELETE FROM leads WHERE name LIKE $1", values: [text("a%")], classes: []),
        ClassesRow(
            sql: "DELETE FROM leads WHERE name ILIKE '%' || $1 || '%'", values: [text("")], classes: [.deleteAll]),
        ClassesRow(sql: "DELETE FROM leads WHERE name ILIKE '%' || $1 || '%'", values: [text("x")], classes: []),
        ClassesRow(sql: "DELETE FROM leads WHERE name = coalesce($1, name)", values: [null], classes: [.deleteAll]),
        ClassesRow(sql: "DELETE FROM leads WHERE name = coalesce($1, name)", values: [text("x")], classes: []),
        ClassesRow(
            sql: "DELETE FROM leads WHERE NOT (id = $1 OR id < $2)", values: [text("-1"), text("0")],
            classes: [.deleteAll]),
        ClassesRow(sql: "DELETE FROM leads WHERE id <> ALL ($1)", values: [text("{}")], classes: [.deleteAll]),
        ClassesRow(
            sql: "UPDATE leads SET name = $1 WHERE id >= $2", values: [text("x"), text("1")], classes: [.updateAll]),
        ClassesRow(
            sql: "WITH d AS (DELETE FROM leads WHERE id > $1 RETURNING *) SELECT * FROM d", values: [text("-1")],
            classes: [.deleteAll]),
        ClassesRow(sql: "PREPARE p AS DELETE FROM leads WHERE id > $1", values: [text("-1")], classes: [.deleteAll]),
        ClassesRow(
            sql: "DELETE FROM leads WHERE id = dblink_exec($1)", values: [text("DELETE FROM secret")], classes: []),
    ]

    @Test("A condition that chooses nothing with them is none", arguments: bound)
    func classes(row: ClassesRow) {
        var analyzer = StatementAnalyzer()
        var facts = facts(row.sql)
        #expect(facts.choosesByParameter)
        let before = facts.classes
        let bound = Array(row.sql.utf8).withUnsafeBytes {
            analyzer.facts(of: $0, settings: LexicalSettings(), values: row.values)
        }
        facts.addWholeTables(of: bound)
        #expect(facts.classes.subtracting(before).names == ClassSet(row.classes).names)
        #expect(facts.statements.flatMap(\.remarks).isEmpty)
    }

    static let indifferent = [
        "DELETE FROM leads WHERE id = 5", "DELETE FROM leads WHERE id > 5", "SELECT $1",
        "INSERT INTO leads VALUES ($1)",
        "UPDATE leads SET name = $1",
    ]

    @Test("What has no parameter, or no rows to choose, does not wait for values", arguments: indifferent)
    func indifference(sql: String) {
        #expect(!facts(sql).choosesByParameter)
    }

    @Test("A text that becomes too long is not judged with its values")
    func longText() {
        let sql = String(repeating: "$1,", count: 2_000)
        var analyzer = StatementAnalyzer()
        let value = Self.text(String(repeating: "x", count: 200))
        let bytes = Array(sql.utf8).withUnsafeBytes {
            analyzer.boundText(of: $0, settings: LexicalSettings(), values: [value])
        }
        #expect(bytes == nil)
    }

    @Test("No bytes trap")
    func hostile() {
        var generator = SeededGenerator(seed: 42)
        var analyzer = StatementAnalyzer()
        let pieces = [
            "$1", "$2", "'", "\\", "$$", " WHERE id > ", "DELETE FROM t", "--", "/*", "\n", "$", "E'", "\u{e9}",
        ]
        for _ in 0..<2_000 {
            let sql = (0..<8).map { _ in pieces[Int(generator.next() % UInt64(pieces.count))] }.joined()
            let bytes = (0..<Int(generator.next() % 10)).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
            let types: [UInt32] = [0, 16, 18, 20, 21, 23, 25, 26, 700, 701, 1700]
            let values = types.map { type in
                bytes.withUnsafeBytes { ParameterValue($0, isBinary: generator.next() % 2 == 0, type: type) }
            }
            for encoding in ClientEncoding.allCases {
                let settings = LexicalSettings(standardConformingStrings: generator.next() % 2 == 0, encoding: encoding)
                _ = Array(sql.utf8).withUnsafeBytes { analyzer.facts(of: $0, settings: settings, values: values) }
            }
        }
    }
}
