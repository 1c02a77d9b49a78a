import Testing

@testable import Audit

@Suite struct `A checkpoint in a line of somebody else's` {
    private static let sealed =
        #"{"v":2,"seq":9,"time":"2026-11-22T10:11:12.123456Z","event":"checkpoint","id":"c","instance":"i","mac":""#
        + String(repeating: "ab", count: 32) + #""}"#
    private static let unsealed = #"{"v":1,"time":"2026-11-22T10:11:12.123456Z","event":"checkpoint","signature":"00"}"#

    struct Row {
        var line: String
        var found: String?
    }

    static let rows = [
        Row(line: sealed, found: sealed), Row(line: unsealed, found: unsealed),
        Row(line: unsealed + "  ", found: unsealed),
        Row(line: "<134>1 - db7 holdfast 1 checkpoint [x@1 seq=\"9\"] \u{FEFF}" + sealed, found: sealed),
        Row(line: " \(sealed) | 2026-11-22 ", found: sealed),
        Row(line: "7,\"" + sealed.replacing("\"", with: "\"\"") + "\",x}", found: sealed),
        Row(line: #"{"line": ""# + sealed.replacing("\"", with: "\\\"") + #"", "n": {"a": 1}}"#, found: sealed),
        Row(line: sealed.replacing(#""event":"checkpoint""#, with: #""event":"intent""#), found: nil),
        // A statement that speaks of one.
        Row(line: #"{"v":2,"seq":9,"event":"intent","sql":"SELECT '{\"v\":2,\"event\":\"checkpoint\"}'"}"#, found: nil),
        Row(
            line: #"{"line":"{\"v\":2,\"event\":\"intent\",\"sql\":\"SELECT '{\\\"event\\\":\\\"checkpoint\\\"}'\"}"}"#,
            found: nil),
        Row(line: String(sealed.dropLast(20)), found: nil), Row(line: "", found: nil),
        Row(line: "no record", found: nil),
    ]

    @Test(arguments: rows) func `is found, and nothing else is`(_ row: Row) {
        let found = Array(row.line.utf8).withUnsafeBufferPointer { AuditLineExtract.checkpoint(in: $0) }
        #expect(found.map { String(decoding: $0, as: UTF8.self) } == row.found)
    }
}
