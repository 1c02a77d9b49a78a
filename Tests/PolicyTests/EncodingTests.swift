import SQLParsing
import Testing

@testable import Policy

/// Characters that the server's conversion turns into others. Each text drops a table on PostgreSQL 15.
@Suite struct `Characters that the server converts` {
    struct Row: CustomTestStringConvertible {
        var encoding: String
        var text: [UInt8]
        var standardConformingStrings = true
        var testDescription: String { "\(encoding): \(text.map { String($0, radix: 16) }.joined(separator: " "))" }
    }

    private static func bytes(_ parts: Any...) -> [UInt8] {
        parts.flatMap { part -> [UInt8] in
            if let text = part as? String { return Array(text.utf8) }
            return (part as? [Int] ?? []).map { UInt8($0) }
        }
    }

    private static func twins(_ one: [Int], _ other: [Int]) -> [UInt8] {
        bytes("SELECT $", one, "$ x $", other, "$; DROP TABLE leads; --$", one, "$")
    }

    static let hidden = [
        Row(encoding: "SJIS", text: twins([0x81, 0xCA], [0xFA, 0x54])),
        Row(encoding: "BIG5", text: twins([0xA1, 0x5A], [0xA1, 0xC3])),
        Row(encoding: "EUC_JP", text: twins([0xA2, 0xE2], [0xAD, 0xF0])),
        Row(encoding: "EUC_TW", text: twins([0xA1, 0xA1], [0x8E, 0xA1, 0xA1, 0xA1])),
        Row(encoding: "KOI8R", text: twins([0xAD], [0xCE])),
        Row(encoding: "WIN1251", text: twins([0xB4], [0xED])),
        Row(encoding: "UTF8", text: twins([0xC2, 0xA6], [0xEF, 0xBF, 0xA4])),
        Row(
            encoding: "SHIFT_JIS_2004", text: bytes("SELECT E'", [0x81, 0x5F], "\\' ; DROP TABLE leads; --'")),
        Row(
            encoding: "SHIFT_JIS_2004", text: bytes("SELECT '", [0x81, 0x5F], "\\' ; DROP TABLE leads; --'"),
            standardConformingStrings: false),
        Row(
            encoding: "SHIFT_JIS_2004", text: bytes("SELECT 1 ", [0x81, 0xB0], "$a$'$a$; DROP TABLE leads --'")),
        Row(encoding: "BIG5", text: bytes("SELECT '", [0xA2, 0x27], " '; DROP TABLE leads; --'")),
    ]

    private static let guarded = RuleSet(
        version: 1,
        rules: [
            Rule(
                name: "keep tables", classes: [ClassGroup.tableLoss.classes, ClassGroup.opaque.classes], action: .block)
        ]
    ).rules(
        for: Subject(
            database: "shop", user: "app", applicationName: "", clientAddress: nil, listener: "127.0.0.1:6543"))

    private func verdict(_ text: [UInt8], _ encoding: String, _ standardConformingStrings: Bool = true) -> Verdict {
        var judge = StatementJudge()
        let settings = LexicalSettings(
            standardConformingStrings: standardConformingStrings, encoding: ClientEncoding(serverName: encoding))
        return text.withUnsafeBytes {
            judge.judge($0, readings: LexicalReadings(settings), rules: Self.guarded).verdict
        }
    }

    @Test(arguments: hidden)
    func `hide no statement`(row: Row) {
        #expect(verdict(row.text, row.encoding, row.standardConformingStrings).action == .block)
    }

    @Test(arguments: ["UTF8", "LATIN1", "SQL_ASCII"])
    func `do not make a tag suspect where characters stay apart`(encoding: String) {
        #expect(verdict(Array("SELECT $größe$DROP TABLE leads$größe$".utf8), encoding) == .allow)
    }

    @Test(arguments: ["SJIS", "SHIFT_JIS_2004", "EUC_JP", "BIG5", "WIN1251"])
    func `do not make a literal suspect`(encoding: String) {
        #expect(verdict(Self.bytes("SELECT '", [0xA4, 0xA2], "', $a$DROP TABLE leads$a$"), encoding) == .allow)
    }
}
