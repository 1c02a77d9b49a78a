import Foundation
import Testing

@testable import Audit
@testable import AuditSinks

@Suite struct `A sink's position` {
    @Test func `stands beside the trail and is no file of it`() throws {
        let path = SinkPosition.path(livePath: "/var/lib/a.b/audit.jsonl", sink: "siem")
        #expect(path == "/var/lib/a.b/audit.sink-siem")
        let folder = try TemporaryFolder()
        let live = folder.file("audit.jsonl")
        let place = SinkPosition.path(livePath: live, sink: "000001")
        try SinkPosition(instance: "i", sequence: 7, file: 2).store(place)
        #expect(AuditFiles(livePath: live).members().isEmpty)
    }

    @Test func `is read back as it was stored, and replaced whole`() throws {
        let path = try TemporaryFolder().file("audit.sink-a")
        _ = FileManager.default.createFile(atPath: path, contents: nil)
        let folder = try TemporaryFolder()
        let place = folder.file("audit.sink-a")
        #expect(try SinkPosition.load(place) == nil)
        for sequence in [Int64(1), .max] {
            let position = SinkPosition(instance: "0123", sequence: sequence, file: 3)
            try position.store(place)
            #expect(try SinkPosition.load(place) == position)
        }
    }

    @Test(arguments: [
        "", "{", "[]", #"{"v":2,"instance":"i","seq":1,"file":1}"#, #"{"v":1,"instance":"i","seq":-1,"file":1}"#,
    ])
    func `that is damaged is told`(_ text: String) throws {
        let folder = try TemporaryFolder()
        let path = folder.file("audit.sink-a")
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        #expect(throws: SinkFault.self) { try SinkPosition.load(path) }
    }
}

@Suite struct `A connection of a sink` {
    struct Row {
        var listener: String
        var peer: String
        var own: String?
        var isOwn: Bool
    }

    @Test(arguments: [
        Row(listener: "127.0.0.1:6543", peer: "127.0.0.1:6543", own: "127.0.0.1:50000", isOwn: true),
        Row(listener: "127.0.0.1:6543", peer: "127.0.0.1:5432", own: "127.0.0.1:50000", isOwn: false),
        Row(listener: "0.0.0.0:6543", peer: "127.0.0.1:6543", own: "127.0.0.1:50000", isOwn: true),
        Row(listener: "0.0.0.0:6543", peer: "10.0.0.7:6543", own: "10.0.0.7:50000", isOwn: true),
        Row(listener: "0.0.0.0:6543", peer: "10.0.0.8:6543", own: "10.0.0.7:50000", isOwn: false),
        Row(listener: "[::]:6543", peer: "[::1]:6543", own: "[::1]:50000", isOwn: true),
        Row(listener: "unix:/run/h/.s.PGSQL.6543", peer: "unix:/run/h/.s.PGSQL.6543", own: nil, isOwn: true),
        Row(listener: "unix:/run/h/.s.PGSQL.6543", peer: "unix:/run/p/.s.PGSQL.5432", own: nil, isOwn: false),
    ]) func `to Holdfast itself is seen`(_ row: Row) {
        #expect(OwnAddress.isSame(row.listener, peer: row.peer, own: row.own) == row.isOwn, "\(row)")
    }
}

@Suite struct `A sink in PostgreSQL` {
    @Test func `finds the month of a record and the next`() {
        #expect(PostgresTarget.month(of: Sample.record("intent").line) == "2026-11")
        #expect(PostgresTarget.month(of: Array(#"{"v":2,"seq":1,"time":"2026-13-01T00:00:00Z"}"#.utf8)) == nil)
        #expect(PostgresTarget.month(of: []) == nil)
        #expect(
            PostgresTarget.month(after: "2026-11") == "2026-12" && PostgresTarget.month(after: "2026-12") == "2027-01")
    }

    @Test(arguments: [
        (#"{"a":"\u0000"}"#, #"{"a":"\ufffd"}"#), (#"{"a":"\\u0000"}"#, #"{"a":"\\u0000"}"#),
        (#"{"a":"\\\u0000\u0001"}"#, #"{"a":"\\\ufffd\u0001"}"#), (#"{"a":"\"#, #"{"a":"\"#),
    ]) func `replaces what PostgreSQL does not hold`(_ text: String, _ expected: String) {
        #expect(String(decoding: PostgresTarget.withoutNUL(Array(text.utf8)), as: UTF8.self) == expected)
    }

    @Test func `quotes names`() {
        let script = PostgresTrailTable(schema: #"a"b"#, name: "it's").script(for: #"r"1"#)
        #expect(script.contains(#"CREATE TABLE IF NOT EXISTS "a""b"."it's" ("#))
        #expect(script.contains(#"partition CONSTANT text := 'it''s_'"#))
        #expect(script.contains(#"GRANT INSERT ON "a""b"."it's" TO "r""1";"#))
    }
}
