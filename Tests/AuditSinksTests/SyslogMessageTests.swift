import Testing

@testable import Audit
@testable import AuditSinks

@Suite struct `A syslog message` {
    private func message(_ record: AuditFollowed, maximumByteCount: Int = 8192) -> String {
        let bytes = SyslogMessage(Sample.header(maximumByteCount: maximumByteCount))
            .bytes(line: RecordLine(record), text: record.line)
        return String(validating: bytes, as: UTF8.self) ?? "not UTF-8"
    }

    @Test func `has the header of RFC 5424, the record's identity, a byte order mark and the line`() {
        let record = Sample.record("refusal", Sample.statement)
        let expected =
            "<132>1 2026-11-22T10:11:12.123456Z db7 holdfast 4711 refusal [holdfast@32473 instance=\"0123456789abcdef\" "
            + "seq=\"17\" id=\"7f3a-1\" session=\"s1\" user=\"alice\" database=\"shop\" tag=\"production\" verdict=\"block\" "
            + "rule=\"keep tables\"] \u{FEFF}" + String(decoding: record.line, as: UTF8.self)
        #expect(message(record) == expected)
    }

    struct Priority {
        var event: String
        var members: String
        var number: Int
    }

    @Test(arguments: [
        Priority(event: "gap", members: #""lost":3"#, number: 131),
        Priority(event: "refusal", members: "", number: 132), Priority(event: "finding", members: "", number: 132),
        Priority(event: "intent", members: #""verdict":"warn""#, number: 132),
        Priority(event: "intent", members: #""verdict":"allow""#, number: 133),
        Priority(event: "outcome", members: #""transaction":"committed""#, number: 134),
        Priority(event: "outcome", members: #""transaction":"rolled_back""#, number: 133),
        Priority(event: "outcome", members: #""transaction":"committed","sqlstate":"42P01""#, number: 133),
        Priority(event: "watch", members: #""state":"raised""#, number: 132),
        Priority(event: "watch", members: #""state":"cleared""#, number: 133),
        Priority(event: "snapshot", members: #""action":"failed""#, number: 132),
        Priority(event: "recovery", members: #""action":"done""#, number: 133),
        Priority(event: "checkpoint", members: "", number: 134),
        Priority(event: "an_event_of_tomorrow", members: "", number: 134),
    ]) func `has the severity that fits the event`(_ row: Priority) {
        #expect(message(Sample.record(row.event, row.members)).hasPrefix("<\(row.number)>1 "), "\(row)")
    }

    @Test func `escapes what would end a parameter, and control characters`() {
        var bytes: [UInt8] = []
        SyslogMessage.parameter("rule", #"a"b\c]d"# + "\n\u{9B}é", to: &bytes)
        #expect(String(decoding: bytes, as: UTF8.self) == #" rule="a\"b\\c\]d\\u000a\\u009bé""#)
    }

    @Test func `is cut between two characters, and says so`() throws {
        let record = Sample.record(
            "intent", #""verdict":"allow","sql":""# + String(repeating: "é€😀", count: 400) + "\"")
        for limit in 1024..<1060 {
            let text = message(record, maximumByteCount: limit)
            #expect(text != "not UTF-8" && text.utf8.count <= limit && text.utf8.count > limit - 8, "\(limit)")
            #expect(text.contains(#" truncated="\#(record.line.count)""#))
            let parts = text.split(separator: "\u{FEFF}", maxSplits: 1)
            #expect(try String(decoding: record.line, as: UTF8.self).hasPrefix(#require(parts.last)))
        }
        #expect(!message(record).contains("truncated="))
    }

    @Test func `keeps its identity whole where a client's names are endless`() {
        let name = String(repeating: "n", count: 5000)
        let text = message(Sample.record("intent", #""rule":"\#(name)""#), maximumByteCount: 1024)
        #expect(text.contains(#" seq="17""#) && text.contains("]") && text.utf8.count <= 1024)
    }

    @Test func `is framed by its length in bytes`() {
        let framed = SyslogMessage.framed(Array("<1>1 é".utf8))
        #expect(String(decoding: framed, as: UTF8.self) == "7 <1>1 é")
    }

    @Test(arguments: [
        ("", "-"), ("db 7\u{1}é", "db?7??"), (String(repeating: "x", count: 60), String(repeating: "x", count: 48)),
    ])
    func `has only printable ASCII in its header`(_ text: String, _ expected: String) {
        #expect(SyslogMessage.printable(text, 48) == expected)
    }

    @Test func `of a line that is no JSON is sent all the same`() {
        let record = AuditFollowed(instance: "i", sequence: 3, line: Array("{\"v\":2,\"seq\":3,tampered".utf8))
        #expect(
            message(record).hasPrefix(#"<134>1 - db7 holdfast 4711 unreadable [holdfast@32473 instance="i" seq="3"]"#))
    }
}
