import Foundation
import Testing

@testable import Audit

@Suite struct AuditEncoderTests {
    @Test("a full record keeps its keys and their order, whatever the version of Swift")
    func goldenLine() {
        var record = Sample.intent("7f3a", sql: "DROP TABLE \"a\\b\";\n-- x", time: 1_795_342_272_123_456_789)
        record.statement?.rule = "keep tables"
        record.statement?.remarks = ["looks like a test run"]
        record.outcome = AuditRecord.Outcome(
            commandTag: "DROP TABLE", sqlState: "42P01", message: "no", rows: 3, durationMicroseconds: -1,
            transaction: .rolledBack)
        record.gap = AuditRecord.Gap(recordCount: 7, reason: "full")
        let expected = #"""
            {"v":1,"time":"2026-11-22T10:11:12.123456Z","event":"intent","id":"7f3a","session":"s1",
            "client":"127.0.0.1:40000","user":"alice","database":"shop","application_name":"psql","tag":"production",
            "command":"DROP TABLE","sql":"DROP TABLE \"a\\b\";\n-- x","classes":["drop_table"],
            "objects":[{"kind":"table","name":"public.orders"}],"verdict":"allow","rule":"keep tables",
            "remarks":["looks like a test run"],"command_tag":"DROP TABLE","sqlstate":"42P01","message":"no",
            "rows":3,"duration_us":-1,"transaction":"rolled_back","lost":7,"reason":"full"}
            """#
        #expect(AuditEncoder.line(record) == expected.replacing("\n", with: ""))
    }

    @Test("a finding and a watermark keep their keys and their order")
    func goldenFinding() throws {
        var session = Sample.session
        session.backendProcessID = 4711
        session.osUser = "alice's \"own\""
        var record = AuditRecord(event: .finding, time: 1_795_342_272_123_456_000, id: "f1", session: session)
        record.finding = AuditRecord.Finding(
            kind: "more_than_shown", rows: [3, 4], transaction: .max, executedAt: 1_795_342_272_000_000_000,
            commands: ["DROP TABLE"], objects: [AuditRecord.Object(kind: "table", name: "public.b")],
            statementID: "7f3a-1", text: "dropped \"b\"")
        let expected = #"""
            {"v":1,"time":"2026-11-22T10:11:12.123456Z","event":"finding","id":"f1","session":"s1",
            "client":"127.0.0.1:40000","os_user":"alice's \"own\"","user":"alice","database":"shop",
            "application_name":"psql","tag":"production","backend_pid":4711,"finding":"more_than_shown","executed_at":"2026-11-22T10:11:12.000000Z",
            "xid":"18446744073709551615","ddl":[3,4],"commands":["DROP TABLE"],
            "objects":[{"kind":"table","name":"public.b"}],"intent":"7f3a-1","text":"dropped \"b\""}
            """#
        #expect(AuditEncoder.line(record) == expected.replacing("\n", with: ""))
        #expect(try AuditDecoder.decode(AuditEncoder.line(record)) == record)

        var watermark = AuditRecord(event: .watermark, time: record.time, id: "w1", session: session)
        watermark.watermark = AuditRecord.Watermark(transaction: 812, time: 1_795_342_271_000_000_000)
        #expect(
            AuditEncoder.line(watermark).hasSuffix(#""until_xid":"812","until":"2026-11-22T10:11:11.000000Z"}"#))
        #expect(try AuditDecoder.decode(AuditEncoder.line(watermark)) == watermark)
    }

    @Test("what a watch found keeps its keys and their order")
    func goldenWatch() throws {
        let record = AuditRecord.watched(
            AuditRecord.WatchedThing(
                watch: "shop", check: "table_missing", subject: "public.orders", state: .cleared,
                since: 1_795_342_271_000_000_000, text: "table \"orders\""),
            database: "shop", time: 1_795_342_272_123_456_000, id: "n1-0")
        let expected = #"""
            {"v":1,"time":"2026-11-22T10:11:12.123456Z","event":"watch","id":"n1-0","session":"","client":"","user":"",
            "database":"shop","application_name":"","tag":"","watch":"shop","check":"table_missing",
            "subject":"public.orders","state":"cleared","raised_at":"2026-11-22T10:11:11.000000Z",
            "text":"table \"orders\""}
            """#
        #expect(AuditEncoder.line(record) == expected.replacing("\n", with: ""))
        #expect(try AuditDecoder.decode(AuditEncoder.line(record)) == record)
    }

    static let hostile: [String] = [
        "", "\0", "\u{1}\u{8}\t\n\u{B}\u{C}\r\u{1B}[31m\u{7F}", "\u{80}\u{85}\u{9B}\u{9F}\u{A0}\u{A1}Â",
        "\u{2027}\u{2028}\u{2029}\u{202A}\u{2030}", "\\\"\\\\\"", "\u{FFFD}\u{FFFE}\u{FFFF}\u{10FFFF}",
        "🦀 e\u{301} ﷽ \u{202E}", "\"}\n{\"v\":1,\"event\":\"intent\"}\n", "\r\n",
        String(repeating: "\"", count: 10_000),
        String(decoding: [0xFF, 0xC2, 0xE2, 0x80, 0x41, 0xED, 0xA0, 0x80, 0xC0, 0x80, 0xF5] as [UInt8], as: UTF8.self),
        "ends in a lead \u{C2}", "\u{2028}",
    ]

    @Test("any text in any field comes back unchanged, on one line, and Foundation reads the same", arguments: hostile)
    func hostileStrings(_ text: String) throws {
        let record = AuditRecord(
            event: .refusal, time: 1_700_000_000_000_001_000, id: text,
            session: AuditRecord.SessionIdentity(
                session: text, client: text, user: text, database: text, applicationName: text, tag: text),
            statement: AuditRecord.Statement(
                command: text, sql: text, classes: [text, text], objects: [AuditRecord.Object(kind: text, name: text)],
                verdict: text, rule: text, remarks: [text]),
            outcome: AuditRecord.Outcome(
                commandTag: text, sqlState: text, message: text, rows: .max, durationMicroseconds: .min,
                transaction: .unknown),
            gap: AuditRecord.Gap(recordCount: .max, reason: text))
        let line = AuditEncoder.line(record)
        #expect(line.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) })
        #expect(!line.unicodeScalars.contains { $0 == "\u{2028}" || $0 == "\u{2029}" })
        #expect(try AuditDecoder.decode(line) == record)
        let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        let sql = try #require(object?["sql"] as? String)
        #expect(Array(sql.utf8) == Array(text.utf8))
    }

    /// Every field has a value of its own.
    private static let mark: AuditRecord.Mark = {
        var mark = AuditRecord.Mark()
        mark.instance = "instance"
        mark.file = 1
        mark.key = "key"
        mark.previousFile = 2
        mark.openIntents = ["a", "b"]
        mark.headSequence = 3
        mark.headCode = "code"
        mark.reason = "reason"
        mark.tornByteCount = 4
        mark.tornHash = "hash"
        mark.signature = "signature"
        return mark
    }()

    @Test("every event and every end of a transaction comes back", arguments: AuditRecord.Event.allCases)
    func everyEvent(_ event: AuditRecord.Event) throws {
        for end in AuditRecord.TransactionEnd.allCases {
            var record = Sample.outcome("x")
            record.event = event
            record.outcome?.transaction = end
            record.outcome?.commandTag = nil
            if [.fileStart, .fileEnd, .recovered, .checkpoint, .retired].contains(event) { record.mark = Self.mark }
            #expect(try AuditDecoder.decode(AuditEncoder.line(record)) == record)
        }
    }
}

@Suite struct AuditDecoderTests {
    @Test("keys of later versions are skipped, nested ones too, and null counts as absent")
    func unknownKeys() throws {
        let line = #"""
            { "v" : 2 , "mac":"ab\u00e9\ud83d\ude00","chain":{"a":[1,-2.5e+3,{"b":[]},[]],"c":{}}, "x":true,"y":[null,false],
            "time":"2026-11-22T10:11:12Z","event":"session_end","id":"\/","rule":null,"user":"\ud800x","rows":null}
            """#
        let record = try AuditDecoder.decode(line.replacing("\n", with: ""))
        #expect(record.event == .sessionEnd)
        #expect(record.id == "/")
        #expect(record.session.user == "\u{FFFD}x")
        #expect(record.statement == nil && record.outcome == nil)
    }

    struct Bad {
        var line: String
        var fault: AuditDecodeFault
    }

    @Test("what is no record is named as what it is")
    func badLines() {
        let stem = #"{"v":1,"time":"2026-11-22T10:11:12Z","id":"a","event":"#
        let bad = [
            Bad(line: "", fault: .notJSON(offset: 0)),
            Bad(line: "hello", fault: .notJSON(offset: 0)),
            Bad(line: "[1]", fault: .notJSON(offset: 0)),
            Bad(line: "{}", fault: .missing(key: "v")),
            Bad(line: #"{"v":1}x"#, fault: .notJSON(offset: 7)),
            Bad(line: #"{"v":1e3}"#, fault: .notJSON(offset: 6)),
            Bad(line: #"{"v":99999999999999999999}"#, fault: .notJSON(offset: 23)),
            Bad(line: #"{"v":0}"#, fault: .unknownVersion(0)),
            Bad(line: #"{"v":1}"#, fault: .missing(key: "time")),
            Bad(line: #"{"v":1,"time":"2026-02-30T00:00:00Z"}"#, fault: .missing(key: "time")),
            Bad(line: stem + #""sunrise"}"#, fault: .unknownEvent("sunrise")),
            Bad(line: stem + #""intent","sql":"x"}"#, fault: .missing(key: "command")),
            Bad(line: stem + #""intent","classes":"x"}"#, fault: .notJSON(offset: 73)),
        ]
        for row in bad {
            #expect(throws: row.fault) { try AuditDecoder.decode(row.line) }
        }
    }

    @Test("a record cut at any byte, or with any byte replaced, is refused or read, never worse")
    func mutilated() throws {
        let line = Array(AuditEncoder.line(Sample.intent("a", sql: "DROP TABLE \"ä\u{1F600}\u{1}\"")).utf8)
        for length in 0..<line.count {
            let cut = Array(line[..<length])
            let fault = cut.withUnsafeBufferPointer { buffer -> AuditDecodeFault? in
                do throws(AuditDecodeFault) {
                    _ = try AuditDecoder.decode(buffer)
                    return nil
                } catch { return error }
            }
            #expect(fault != nil, "cut at \(length)")
        }
        for index in line.indices {
            for byte in [0, 0x22, 0x2C, 0x5B, 0x5C, 0x7B, 0x7D, 0x80, 0xFF] as [UInt8] {
                var changed = line
                changed[index] = byte
                _ = changed.withUnsafeBufferPointer { try? AuditDecoder.decode($0) }
            }
        }
        let deep = #"{"x":"# + String(repeating: "[", count: 100_000)
        #expect(throws: AuditDecodeFault.self) { try AuditDecoder.decode(deep) }
    }
}

@Suite struct AuditTimeTests {
    struct Row {
        var text: String
        var nanoseconds: Int64?
    }

    @Test("times are read with and without clock, fraction and zone, and refused when out of range")
    func parse() {
        let midnight: Int64 = 1_795_305_600_000_000_000
        let rows = [
            Row(text: "1970-01-01", nanoseconds: 0),
            Row(text: "2026-11-22", nanoseconds: midnight),
            Row(text: "2026-11-22T00:00", nanoseconds: midnight),
            Row(text: "2026-11-22 00:00:00", nanoseconds: midnight),
            Row(text: "2026-11-22T01:30:00+01:30", nanoseconds: midnight),
            Row(text: "2026-11-21T19:00:00.5-05", nanoseconds: midnight + 500_000_000),
            Row(text: "2026-11-22t00:00:00.0000000019z", nanoseconds: midnight + 1),
            Row(text: "2024-02-29", nanoseconds: 1_709_164_800_000_000_000),
            Row(text: "1969-12-31T23:59:59.999999999Z", nanoseconds: -1),
            Row(text: "2023-02-29", nanoseconds: nil), Row(text: "2026-13-01", nanoseconds: nil),
            Row(text: "2026-11-22T24:00", nanoseconds: nil), Row(text: "2026-11-22T", nanoseconds: nil),
            Row(text: "9999-01-01", nanoseconds: nil), Row(text: "0001-01-01", nanoseconds: nil),
            Row(text: "2026-11-22T00:00:00.Z", nanoseconds: nil), Row(text: "2026-11-22T00:00Zx", nanoseconds: nil),
            Row(text: "", nanoseconds: nil), Row(text: "２０２６-11-22", nanoseconds: nil),
        ]
        for row in rows { #expect(AuditTime.parse(row.text) == row.nanoseconds, "\(row.text)") }
    }

    @Test("what is written is what is read, over the whole range")
    func roundTrip() {
        var time: Int64 = -9_000_000_000_000_000_000
        while time < 9_000_000_000_000_000_000 {
            #expect(AuditTime.parse(AuditTime.text(time)) == time)
            time += 86_400_000_000_000 * 17 + 3_599_999_001_000
        }
        #expect(AuditTime.text(.min).utf8.count == 27)
        #expect(AuditTime.text(.max).utf8.count == 27)
    }
}
