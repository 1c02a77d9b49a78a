import Foundation
import Policy
import Testing

@testable import Audit

/// Searches against the plain way: read every line, join, filter.
@Suite struct TrailSearchTests {
    /// A trail of several pieces: statements whose outcomes come soon, late, in another piece, or never.
    private struct Story {
        var records: [AuditRecord] = []

        init(seed: UInt64, count: Int) {
            var dice = Dice(state: seed)
            var open: [AuditRecord] = []
            for number in 0..<count {
                let time = Int64(number) * 1_000_000_000
                let user = Int.random(in: 0..<5, using: &dice)
                let session = AuditRecord.SessionIdentity(
                    session: "s\(number / 20)", client: "10.0.\(user).1:\(4000 + number)", user: "user\(user)",
                    database: "db\(user % 2)", applicationName: user == 3 ? "a \"b\"\n" : "app", tag: "test")
                let table = "public.t\(Int.random(in: 0..<200, using: &dice))"
                var record = Sample.intent(
                    "s\(number / 20)-\(number)",
                    sql: "DROP TABLE \(table)" + String(repeating: " filler", count: number % 20), time: time)
                record.session = session
                record.statement?.objects = [AuditRecord.Object(kind: "table", name: table)]
                record.statement?.classes = number % 50 == 0 ? ["truncate"] : ["create"]
                switch Int.random(in: 0..<200, using: &dice) {
                case 0:
                    // What was open then has no outcome any more.
                    open.removeAll()
                    records.append(AuditRecord(event: .start, time: time, id: "start\(number)", session: .nobody))
                case 1...10:
                    record.event = .refusal
                    record.statement?.verdict = "block"
                    record.statement?.rule = "keep"
                    records.append(record)
                    continue
                default: break
                }
                records.append(record)
                if Int.random(in: 0..<60, using: &dice) > 0 { open.append(record) }
                // Some wait long, in the end over pieces.
                while !open.isEmpty, Int.random(in: 0..<(open.count > 60 ? 20 : 3), using: &dice) > 0 {
                    let index = Int.random(in: 0..<open.count, using: &dice)
                    let intent = open.remove(at: open.count > 10 ? 0 : index)
                    var outcome = Sample.outcome(intent.id, time: time + 1000)
                    outcome.session = Int.random(in: 0..<100, using: &dice) == 0 ? .nobody : intent.session
                    if Int.random(in: 0..<40, using: &dice) == 0 {
                        outcome.outcome?.sqlState = "42P01"
                        outcome.outcome?.commandTag = nil
                        outcome.outcome?.message = "relation is missing"
                        outcome.outcome?.transaction = .rolledBack
                    }
                    records.append(outcome)
                }
            }
            // An outcome whose intent was in a file that is no longer there.
            records.insert(Sample.outcome("gone", time: 5), at: 7)
        }

        var bytes: [UInt8] {
            var bytes: [UInt8] = []
            for record in records { AuditEncoder.append(record, to: &bytes) }
            return bytes
        }

        /// The rows that a filter wants, by ids, the plain way.
        func ids(_ filter: AuditFilter) -> [String] {
            var rows: [AuditRow] = []
            var places: [String: Int] = [:]
            for record in records {
                let line = Array(AuditEncoder.line(record).utf8)
                if record.event == .start {
                    for index in rows.indices where rows[index].state == .pending { rows[index].state = .inDoubt }
                }
                if record.event == .outcome, let place = places[record.id], rows[place].state == .pending {
                    rows[place].take(outcome: record, line: line)
                    continue
                }
                var row = AuditRow(record: record)
                row.line = line
                if record.event == .outcome {
                    row.outcome = record.outcome
                } else if record.event == .intent {
                    row.state = .pending
                    places[record.id] = rows.count
                }
                rows.append(row)
            }
            let wanted = rows.filter {
                filter.accepts($0.record) && filter.acceptsShape(of: $0) && filter.acceptsTexts(of: $0)
            }
            return wanted.map {
                $0.record.id + ($0.outcome == nil ? "" : " ended") + ($0.state == .inDoubt ? " in doubt" : "")
            }
        }
    }

    /// So that there are many pieces of few records.
    private static let pieceByteCount = 32 << 10

    private static let filters: [(name: String, change: @Sendable (inout AuditFilter) -> Void)] = [
        ("everything", { _ in }),
        ("a user", { $0.users = ["user3"] }),
        ("a database", { $0.databases = ["db1"] }),
        ("an application with quotes", { $0.applications = ["a \"b\"\n"] }),
        ("a client", { $0.clients = [try? AddressRange("10.0.3.1")].compactMap { $0.map(ClientPattern.range) } }),
        ("clients", { $0.clients = [try? AddressRange("10.0.0.0/23")].compactMap { $0.map(ClientPattern.range) } }),
        ("a session", { $0.sessions = ["s20"] }),
        ("an id", { $0.ids = ["s20-401"] }),
        ("an id that is gone", { $0.ids = ["gone"] }),
        ("a class", { $0.classes = ["truncate"] }),
        ("a verdict", { $0.verdicts = ["block"] }),
        ("a rule", { $0.rules = ["keep"] }),
        ("an object", { $0.objects = [ObjectGlob("T17")].compactMap { $0 } }),
        ("a pattern", { $0.objects = [ObjectGlob("public.t1?")].compactMap { $0 } }),
        ("errors", { $0.ends = [.error] }),
        ("a state", { $0.ends = [.sqlState("42P01"), .sqlState("57")] }),
        ("rolled back", { $0.ends = [.transaction(.rolledBack)] }),
        ("unknown", { $0.ends = [.transaction(.unknown)] }),
        ("no outcome", { $0.ends = [.none] }),
        ("ok", { $0.ends = [.ok] }),
        ("errors or none", { $0.ends = [.error, .none] }),
        ("text", { $0.texts = [FoldedText("table PUBLIC.t17")] }),
        ("text of outcomes", { $0.texts = [FoldedText("IS MISSING")] }),
        ("text of either", { $0.texts = [FoldedText("is missing"), FoldedText("public.t3 ")] }),
        ("short text", { $0.texts = [FoldedText("\"")] }),
        ("events", { $0.events = [.refusal, .start] }),
        ("outcomes", { $0.events = [.outcome] }),
        ("since", { $0.since = 400 * 1_000_000_000 }),
        ("until", { $0.until = 300 * 1_000_000_000 }),
        (
            "errors of a user",
            {
                $0.ends = [.error]
                $0.users = ["user1"]
            }
        ),
        (
            "a text of a user since",
            {
                $0.texts = [FoldedText("t1")]
                $0.users = ["user2"]
                $0.since = 250 * 1_000_000_000
            }
        ),
    ]

    private func found(_ trail: Trail, _ filter: AuditFilter, newestFirst: Bool = false) -> [String] {
        var cursor = TrailCursor(TrailSearch(trail, filter), newestFirst: newestFirst)
        var rows: [AuditRow] = []
        while let row = cursor.next() { rows.append(row) }
        #expect(cursor.takeComplaints().isEmpty)
        return rows.map {
            $0.record.id + ($0.outcome == nil ? "" : " ended") + ($0.state == .inDoubt ? " in doubt" : "")
        }
    }

    /// Compresses a file and makes its index, as the writer does.
    private func close(_ path: String) throws {
        var builder = SearchIndexBuilder()
        try AuditCompressor.compress(path, frameByteCount: Self.pieceByteCount) {
            builder.take(offset: $0, byteCount: $1, lines: $2)
        }
        try builder.finish(path: path + ".zst").write(for: path + ".zst")
    }

    private func trail(_ name: String, _ path: String, usesIndex: Bool = true) throws -> Trail {
        try Trail(name: name, paths: [path], usesIndex: usesIndex, pieceByteCount: Self.pieceByteCount)
    }

    @Test("a search finds what reading every line finds: plain, compressed, with an index, piped, backward")
    func differential() throws {
        for seed in 1...3 as ClosedRange<UInt64> {
            let story = Story(seed: seed, count: 700)
            let folder = try TemporaryFolder()
            let plain = folder.file("audit-000001.jsonl")
            try Data(story.bytes).write(to: URL(fileURLWithPath: plain))
            let copy = folder.file("copy.jsonl")
            try Data(story.bytes).write(to: URL(fileURLWithPath: copy))
            #expect(run("/usr/bin/env", ["gzip", "-k", copy]))
            try close(plain)
            let trails = try [
                trail("plain", copy), trail("gzip", copy + ".gz"),
                trail("compressed", plain + ".zst", usesIndex: false), trail("indexed", plain + ".zst"),
            ]
            #expect(trails.allSatisfy { $0.places.count >= 8 })
            #expect(trails[3].remarks.isEmpty && trails[3].places.allSatisfy { $0.piece.known != nil })
            for (name, change) in Self.filters {
                var filter = AuditFilter()
                change(&filter)
                let expected = story.ids(filter).sorted()
                for trail in trails {
                    let rows = found(trail, filter)
                    let backward = found(trail, filter, newestFirst: true)
                    for (way, ids) in [("forward", rows), ("backward", backward)] {
                        let place = "\(name), \(trail.name), \(way), seed \(seed)"
                        let missing = Set(expected).subtracting(ids)
                        let wrong = Set(ids).subtracting(expected)
                        #expect(missing.isEmpty && wrong.isEmpty, "\(place): missing \(missing), wrong \(wrong)")
                        #expect(ids.count == expected.count, "\(place)")
                    }
                }
            }
        }
    }

    @Test("an index lets a search open few pieces")
    func opensFew() throws {
        let story = Story(seed: 9, count: 1000)
        let folder = try TemporaryFolder()
        let plain = folder.file("audit-000001.jsonl")
        try Data(story.bytes).write(to: URL(fileURLWithPath: plain))
        try close(plain)
        let trail = try self.trail("indexed", plain + ".zst")
        var filter = AuditFilter()
        filter.sessions = ["s20"]
        let search = TrailSearch(trail, filter)
        #expect(search.pieceCounts.all >= 10)
        #expect(search.pieceCounts.opened <= 2)
        filter.sessions = ["none"]
        #expect(TrailSearch(trail, filter).pieceCounts.opened <= 1)
    }

    @Test("lines longer than a piece, empty lines and a torn end are read; faults have their line's number")
    func odd() throws {
        let folder = try TemporaryFolder()
        let long = AuditEncoder.line(Sample.intent("long", sql: String(repeating: "é", count: 1_500_000)))
        let (a, b) = (AuditEncoder.line(Sample.intent("a")), AuditEncoder.line(Sample.intent("b")))
        let lines = ["", "hello", a, long, "", b, "{\"v\":1"]
        let path = folder.file("a.jsonl")
        try Data(lines.joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: path))
        let trail = try Trail(name: "odd", paths: [path], usesIndex: true)
        var cursor = TrailCursor(TrailSearch(trail, AuditFilter()))
        var ids: [String] = []
        while let row = cursor.next() { ids.append(row.record.id) }
        #expect(ids == ["a", "long", "b"])
        let numbers = cursor.takeComplaints().compactMap { complaint -> Int? in
            guard case .line(_, let number, _) = complaint else { return nil }
            return number
        }
        #expect(numbers == [2, 7])
    }

    @Test("lines that another program has written anew are read, too")
    func rewritten() throws {
        let folder = try TemporaryFolder()
        let lines = [Sample.intent("a"), Sample.outcome("a")].map {
            AuditEncoder.line($0).replacing(",\"", with: ", \"").replacing("\":", with: "\": ")
                .replacing("{\"v", with: "{ \"v")
        }
        let path = folder.file("a.jsonl")
        try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: path))
        let trail = try Trail(name: "rewritten", paths: [path], usesIndex: true)
        var filter = AuditFilter()
        filter.users = ["alice"]
        #expect(found(trail, filter) == ["a ended"])
        filter.ends = [.transaction(.committed)]
        filter.texts = [FoldedText("drop table ORDERS")]
        #expect(found(trail, filter) == ["a ended"])
    }

    @Test("a file that is cut off, damaged or no trail says so, and nothing is read outside it")
    func damaged() throws {
        let folder = try TemporaryFolder()
        let plain = folder.file("audit-000001.jsonl")
        try Data(Story(seed: 4, count: 1500).bytes).write(to: URL(fileURLWithPath: plain))
        try AuditCompressor.compress(plain)
        let whole = Array(try Data(contentsOf: URL(fileURLWithPath: plain + ".zst")))
        var dice = Dice(state: 8)
        for round in 0..<120 {
            var bytes = whole
            if round.isMultiple(of: 2) {
                bytes.removeLast(Int.random(in: 1..<bytes.count, using: &dice))
            } else {
                bytes[Int.random(in: bytes.indices, using: &dice)] ^= UInt8.random(in: 1...255, using: &dice)
            }
            let path = folder.file("d\(round).zst")
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            guard let trail = try? Trail(name: "x", paths: [path], usesIndex: true) else { continue }
            var cursor = TrailCursor(TrailSearch(trail, AuditFilter()))
            while cursor.next() != nil {}
            // Either what was changed is in a checksummed part, or the file was cut between two parts.
            if !round.isMultiple(of: 2) { #expect(!cursor.takeComplaints().isEmpty, "\(round)") }
        }
    }
}
