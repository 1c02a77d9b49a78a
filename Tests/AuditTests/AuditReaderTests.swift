import Foundation
import Testing

@testable import Audit

@Suite struct AuditReaderTests {
    /// Collects what a reader hands out.
    private final class Seen {
        var ids: [String] = []
        var faults: [Int] = []
        func take(_ line: AuditLine) {
            switch line.content {
            case .success(let record): ids.append(record.id)
            case .failure: faults.append(line.number)
            }
        }
    }

    private func write(_ text: String, to path: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    }

    private func append(_ text: String, to path: String) throws {
        let handle = try #require(FileHandle(forWritingAtPath: path))
        try handle.seekToEnd()
        try handle.write(contentsOf: Data(text.utf8))
        try handle.close()
    }

    private func line(_ id: String, sql: String = "DROP TABLE x") -> String {
        AuditEncoder.line(Sample.intent(id, sql: sql)) + "\n"
    }

    @Test("torn and foreign lines are reported by number and the rest is read, the longest lines too")
    func torn() throws {
        let folder = try TemporaryFolder()
        let long = String(repeating: "é\n", count: 400_000)
        let text =
            line("a") + "{\"v\":1,\"ti\n" + "\n" + "hello\n" + line("b", sql: long) + "\0\0\0\n" + line("c") + "{\"v\":"
        try write(text, to: folder.file("a"))
        var reader = try AuditReader(path: folder.file("a"))
        let seen = Seen()
        try reader.read(seen.take)
        #expect(seen.ids == ["a", "b", "c"])
        #expect(seen.faults == [2, 4, 6])
        reader.readRest(seen.take)
        #expect(seen.faults == [2, 4, 6, 8])
    }

    @Test("a file that grows is read on, byte by byte too, and a whole last line without its end counts")
    func growing() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("a")
        try write("", to: path)
        var reader = try AuditReader(path: path)
        let seen = Seen()
        for byte in (line("a") + line("b")).utf8 {
            try append(String(Unicode.Scalar(byte)), to: path)
            try reader.read(seen.take)
        }
        #expect(seen.ids == ["a", "b"])
        try append(String(line("c").dropLast()), to: path)
        try reader.read(seen.take)
        #expect(seen.ids == ["a", "b"])
        reader.readRest(seen.take)
        #expect(seen.ids == ["a", "b", "c"] && seen.faults.isEmpty)
    }

    @Test("after a rotation the rest of the old file comes first, then the new one")
    func rotation() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("a")
        try write(line("a"), to: path)
        var reader = try AuditReader(path: path)
        let seen = Seen()
        try reader.read(seen.take)
        #expect(try reader.followRotation(seen.take) == false)
        #expect(rename(path, folder.file("old")) == 0)
        try append(line("b"), to: folder.file("old"))
        #expect(try reader.followRotation(seen.take) == false)
        try write(line("c"), to: path)
        #expect(try reader.followRotation(seen.take))
        try reader.read(seen.take)
        #expect(seen.ids == ["a", "b", "c"])
        #expect(truncate(path, 0) == 0)
        #expect(try reader.followRotation(seen.take))
        try append(line("d"), to: path)
        try reader.read(seen.take)
        #expect(seen.ids == ["a", "b", "c", "d"] && seen.faults.isEmpty)
    }

    @Test("a missing file says path and remedy")
    func missing() throws {
        let folder = try TemporaryFolder()
        let fault = #expect(throws: AuditFault.self) { _ = try AuditReader(path: folder.file("none")) }
        #expect(fault?.description.contains(folder.file("none")) == true)
        #expect(fault?.description.contains("--file") == true)
    }
}

@Suite struct AuditFilterTests {
    struct Row {
        var name: String
        var change: @Sendable (inout AuditFilter) -> Void
        var ids: [String]
    }

    /// Three statements and a refusal, of two users, a second apart.
    private static let trail: [AuditRecord] = {
        var mine = Sample.intent("mine", time: 1_000_000_000)
        mine.statement?.verdict = "warn"
        var others = Sample.intent("others", time: 2_000_000_000)
        others.session.user = "bob"
        others.session.database = "shop_test"
        others.session.tag = "test"
        others.session.session = "s2"
        others.statement?.classes = ["create"]
        var othersOutcome = Sample.outcome("others", time: 4_000_000_000)
        othersOutcome.session = others.session
        var refused = Sample.intent("refused", time: 3_000_000_000)
        refused.event = .refusal
        refused.statement?.verdict = "block"
        refused.statement?.classes = ["drop_table", "cascade"]
        refused.statement?.rule = "keep"
        return [mine, others, refused, Sample.outcome("mine", time: 4_000_000_000), othersOutcome]
    }()

    private static let all = ["mine", "others", "refused"]

    private static let rows = [
        Row(name: "nothing", change: { _ in }, ids: all),
        Row(name: "user", change: { $0.users = ["bob"] }, ids: ["others"]),
        Row(name: "users", change: { $0.users = ["bob", "alice"] }, ids: all),
        Row(name: "database", change: { $0.databases = ["shop"] }, ids: ["mine", "refused"]),
        Row(name: "tag", change: { $0.tags = ["test"] }, ids: ["others"]),
        Row(name: "session", change: { $0.sessions = ["s2"] }, ids: ["others"]),
        Row(name: "class", change: { $0.classes = ["cascade", "x"] }, ids: ["refused"]),
        Row(name: "class of the intent", change: { $0.classes = ["create"] }, ids: ["others"]),
        Row(name: "verdict", change: { $0.verdicts = ["warn"] }, ids: ["mine"]),
        Row(name: "event", change: { $0.events = [.refusal] }, ids: ["refused"]),
        Row(
            name: "outcomes of a class",
            change: {
                $0.events = [.outcome]
                $0.classes = ["create"]
            }, ids: ["others"]),
        // Outcomes of intents before that time stand for themselves: who follows does not know those.
        Row(name: "since", change: { $0.since = 3_000_000_000 }, ids: all),
        Row(name: "until", change: { $0.until = 2_000_000_000 }, ids: ["mine"]),
        Row(name: "object", change: { $0.objects = ["ORD*", "x"].compactMap { ObjectGlob($0) } }, ids: all),
        Row(name: "no object", change: { $0.objects = ["customers"].compactMap { ObjectGlob($0) } }, ids: []),
        Row(name: "rule", change: { $0.rules = ["keep"] }, ids: ["refused"]),
        Row(name: "application", change: { $0.applications = ["psql"] }, ids: all),
        Row(name: "client", change: { $0.clients = [.local] }, ids: []),
        Row(name: "id", change: { $0.ids = ["others"] }, ids: ["others"]),
        Row(name: "ok", change: { $0.ends = [.ok] }, ids: ["mine", "others"]),
        Row(name: "committed", change: { $0.ends = [.transaction(.committed)] }, ids: ["mine", "others"]),
        Row(name: "failed", change: { $0.ends = [.error, .sqlState("42"), .none] }, ids: []),
        Row(
            name: "all must agree",
            change: {
                $0.users = ["alice"]
                $0.tags = ["test"]
            }, ids: []),
    ]

    @Test("each filter picks its statements")
    func filters() {
        for row in Self.rows {
            var filter = AuditFilter()
            row.change(&filter)
            var joiner = AuditJoiner(filter)
            var ids: [String] = []
            for record in Self.trail { joiner.take(record) { ids.append($0.record.id) } }
            joiner.finish { ids.append($0.record.id) }
            #expect(ids.sorted() == row.ids, "\(row.name)")
        }
    }

    @Test(
        "an address is taken out of a client",
        arguments: [("10.0.0.1:4711", "10.0.0.1"), ("[fd00::1]:4711", "fd00::1"), ("unix", "unix"), ("", "")])
    func host(_ client: String, _ host: String) { #expect(AuditFilter.host(of: client) == host) }
}

@Suite struct AuditJoinerTests {
    private func rows(_ records: [AuditRecord], filter: AuditFilter = AuditFilter()) -> [AuditRow] {
        var joiner = AuditJoiner(filter)
        var rows: [AuditRow] = []
        for record in records { joiner.take(record) { rows.append($0) } }
        joiner.finish { rows.append($0) }
        return rows
    }

    private func event(_ event: AuditRecord.Event, _ id: String) -> AuditRecord {
        AuditRecord(event: event, time: 0, id: id, session: Sample.session)
    }

    @Test("intents and outcomes become one row, as they are complete")
    func joins() {
        let records = [
            Sample.intent("a"), Sample.intent("b"), event(.sessionStart, "s"), Sample.outcome("b"), Sample.outcome("x"),
            Sample.outcome("a"), Sample.intent("c"),
        ]
        let followed = rows(records)
        #expect(followed.map(\.record.id) == ["s", "b", "x", "a", "c"])
        #expect(followed.map { $0.outcome != nil } == [false, true, true, true, false])
        #expect(followed.map(\.state) == [.complete, .complete, .complete, .complete, .pending])
    }

    @Test("what waited when the proxy was started again is in doubt")
    func doubt() {
        let result = rows([Sample.intent("a"), event(.start, "p"), Sample.intent("b")])
        #expect(result.map(\.record.id) == ["a", "p", "b"])
        #expect(result.map(\.state) == [.inDoubt, .complete, .pending])
    }

    @Test("an intent that was read before is joined with the outcome that comes")
    func waits() {
        var joiner = AuditJoiner(AuditFilter())
        var rows: [AuditRow] = []
        joiner.wait(for: AuditRow(record: Sample.intent("a"), state: .pending)) { rows.append($0) }
        joiner.take(Sample.outcome("a")) { rows.append($0) }
        #expect(rows.map(\.record.event) == [.intent] && rows.first?.outcome != nil)
    }

    @Test("a row is shown for its intent's event or its outcome's")
    func events() {
        var filter = AuditFilter()
        filter.events = [.outcome]
        let records = [Sample.intent("a"), Sample.intent("b"), Sample.outcome("a"), event(.stop, "p")]
        #expect(rows(records, filter: filter).map(\.record.id) == ["a"])
    }

    @Test("memory is bounded: of very many open intents the oldest are shown without their outcome")
    func bounded() {
        let count = AuditJoiner.maximumPendingCount + 5
        var joiner = AuditJoiner(AuditFilter())
        var states: [AuditRow.State] = []
        for number in 0..<count { joiner.take(Sample.intent("\(number)")) { states.append($0.state) } }
        #expect(states == Array(repeating: .pending, count: 5))
        for number in 0..<count { joiner.take(Sample.outcome("\(number)")) { states.append($0.state) } }
        joiner.finish { states.append($0.state) }
        #expect(states.filter { $0 == .pending }.count == 5)
        #expect(states.filter { $0 == .complete }.count == count)
    }
}

@Suite struct AuditRowTextTests {
    @Test("a row tells time, verdict, tag, who, what, on what, and how it ended")
    func row() {
        var text = AuditRowText(showsSQL: true)
        var record = Sample.intent("7f3a", sql: "DROP TABLE\norders", time: 1_795_342_272_123_456_789)
        record.statement?.verdict = "warn"
        record.statement?.rule = "watch"
        let row = AuditRow(record: record, outcome: Sample.outcome("7f3a").outcome, state: .complete)
        #expect(
            text.text(row) == """
                2026-11-22 10:11:12.123Z  warn   production  alice@shop      DROP TABLE    table public.orders  \
                committed  1.5 ms  rule "watch"; id 7f3a
                    DROP TABLE
                    orders

                """)
    }

    struct End {
        var outcome: AuditRecord.Outcome?
        var state: AuditRow.State
        var text: String
    }

    @Test("every way to end has its words")
    func ends() {
        func outcome(_ end: AuditRecord.TransactionEnd, sqlState: String? = nil) -> AuditRecord.Outcome {
            AuditRecord.Outcome(
                commandTag: nil, sqlState: sqlState, message: sqlState.map { _ in "no" }, rows: 1,
                durationMicroseconds: 12_345_678, transaction: end)
        }
        let ends = [
            End(outcome: nil, state: .pending, text: "no outcome yet"),
            End(outcome: nil, state: .inDoubt, text: "in doubt: the proxy ended first"),
            End(outcome: outcome(.committed), state: .complete, text: "committed  1 row, 12.3 s"),
            End(outcome: outcome(.rolledBack), state: .complete, text: "rolled back"),
            End(outcome: outcome(.prepared), state: .complete, text: "prepared"),
            End(outcome: outcome(.unknown), state: .complete, text: "in doubt: the connection was lost"),
            End(outcome: outcome(.rolledBack, sqlState: "42P01"), state: .complete, text: "failed 42P01: no"),
        ]
        for end in ends {
            var text = AuditRowText(showsSQL: false)
            let shown = text.text(AuditRow(record: Sample.intent("a"), outcome: end.outcome, state: end.state))
            #expect(shown.contains("table public.orders  " + end.text), "\(end.text)")
        }
    }

    @Test("nothing in a record can command a terminal or forge a line", arguments: AuditRecord.Event.allCases)
    func hostile(_ event: AuditRecord.Event) {
        let bad = "\u{1B}]0;x\u{7}\u{9B}2J\u{202E}\n2026 forged\r\u{2028}"
        var record = Sample.intent(bad, sql: bad)
        record.event = event
        record.session = AuditRecord.SessionIdentity(
            session: bad, client: bad, user: bad, database: bad, applicationName: bad, tag: bad)
        record.statement?.objects = [AuditRecord.Object(kind: bad, name: bad)]
        record.statement?.command = bad
        record.statement?.rule = bad
        record.statement?.remarks = [bad]
        record.gap = AuditRecord.Gap(recordCount: 1, reason: bad)
        var text = AuditRowText(showsSQL: false)
        let shown = text.text(AuditRow(record: record, outcome: nil, state: .complete))
        #expect(shown.unicodeScalars.filter { $0 == "\n" }.count == 1 && shown.hasSuffix("\n"))
        let allowed = shown.dropLast().unicodeScalars.allSatisfy {
            ![.control, .format, .lineSeparator, .paragraphSeparator].contains($0.properties.generalCategory)
        }
        #expect(allowed)
    }
}
