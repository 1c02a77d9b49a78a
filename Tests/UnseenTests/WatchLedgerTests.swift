import Audit
import Testing

@testable import Unseen

/// Rounds of the live watch, with the trail in which it writes down how far it has come.
@Suite struct WatchLedgerTests {
    /// A watch whose records come back to it, as from the file.
    struct Watch {
        var ledger = WatchLedger(database: "shop")
        /// What stands in the trail.
        var trail: [AuditRecord] = []
        var found: [String] = []
        var live: Set<Int32> = []
        var prepared: Int64?

        mutating func write(_ records: [AuditRecord]) {
            trail += records
            for record in records { ledger.take(record, live: live) }
        }

        /// A round at that time (milliseconds), with what the log shows then.
        mutating func round(_ rows: [ServerDDL], at time: Int64, finishedBelow: UInt64) {
            let log = GuardLog(
                database: "shop", rows: rows, finishedBelow: finishedBelow, readTime: Scene.nanoseconds(time),
                clockOffset: 0, uncertainty: 1_000_000, firstTime: Scene.nanoseconds(-1_000_000), liveProcesses: live,
                oldestPrepared: prepared.map(Scene.nanoseconds), ancestors: [:])
            let round = ledger.judge(log)
            found += round.findings.map { "\($0.kind.rawValue) \($0.rows.map(\.id))" }
            guard round.isProgress else { return }
            var records = round.findings.map { $0.record(time: log.readTime, id: "f", database: "shop") }
            let nobody = AuditRecord.SessionIdentity(
                session: "", client: "", user: "", database: "shop", applicationName: "", tag: "")
            records.append(
                AuditRecord(
                    event: .watermark, time: log.readTime, id: "w", session: nobody, watermark: round.watermark))
            write(records)
        }

        /// The proxy is started anew and reads its trail.
        mutating func restart() {
            ledger = WatchLedger(database: "shop")
            for record in trail { ledger.take(record, live: live) }
        }
    }

    private static func row(_ id: Int64, transaction: UInt64, at time: Int64, process: Int32 = 99) -> ServerDDL {
        var scene = Scene()
        scene.row(.drop, "DROP TABLE", "table", "public.t\(id)", in: process, at: time, transaction: transaction)
        var row = scene.rows[0]
        row.id = id
        return row
    }

    private static func record(
        _ event: AuditRecord.Event, _ id: String, process: Int32, at time: Int64, table: String? = nil,
        end: AuditRecord.TransactionEnd = .committed
    ) -> AuditRecord {
        AuditRecord(
            event: event, time: Scene.nanoseconds(time), id: id, session: Scene.session(process),
            statement: event != .intent
                ? nil
                : AuditRecord.Statement(
                    command: "DROP TABLE", sql: "DROP TABLE \(table ?? "")", classes: ["drop_table"],
                    objects: [AuditRecord.Object(kind: "table", name: table ?? "")], verdict: "allow", rule: nil,
                    remarks: []),
            outcome: event != .outcome
                ? nil
                : AuditRecord.Outcome(
                    commandTag: "DROP TABLE", sqlState: nil, message: nil, rows: nil, durationMicroseconds: 5000,
                    transaction: end))
    }

    @Test func `The first round begins where the log ends`() {
        var watch = Watch()
        watch.round([Self.row(1, transaction: 50, at: -5000)], at: 0, finishedBelow: 60)
        watch.round([Self.row(1, transaction: 50, at: -5000)], at: 5000, finishedBelow: 60)
        #expect(watch.found == [])
        #expect(watch.ledger.firstTransaction == 60)
    }

    @Test func `Each row is found once, over restarts too`() {
        var watch = Watch()
        watch.round([], at: 0, finishedBelow: 60)
        let rows = [Self.row(1, transaction: 60, at: 2000), Self.row(2, transaction: 61, at: 2100)]
        watch.round(rows, at: 5000, finishedBelow: 62)
        watch.restart()
        watch.round(rows, at: 6000, finishedBelow: 62)
        watch.round(rows, at: 7000, finishedBelow: 62)
        #expect(watch.found == ["other_route [1]", "other_route [2]"])
    }

    @Test func `A transaction that ends late is found, and the rows that passed it are not found again`() {
        var watch = Watch()
        watch.round([], at: 0, finishedBelow: 60)
        let early = Self.row(2, transaction: 61, at: 2100)
        let late = Self.row(1, transaction: 60, at: 2000)
        watch.round([early], at: 5000, finishedBelow: 60)
        #expect(watch.ledger.firstTransaction == 60)
        watch.restart()
        watch.round([early], at: 6000, finishedBelow: 60)
        watch.round([late, early], at: 900_000, finishedBelow: 70)
        #expect(watch.found == ["other_route [2]", "other_route [1]"])
        #expect(watch.ledger.firstTransaction == 70)
    }

    @Test func `What is too new waits for the next round`() {
        var watch = Watch()
        watch.round([], at: 0, finishedBelow: 60)
        let row = Self.row(1, transaction: 60, at: 4900)
        watch.round([row], at: 5000, finishedBelow: 61)
        #expect(watch.found == [])
        #expect(watch.ledger.firstTransaction == 60)
        watch.round([row], at: 6000, finishedBelow: 61)
        #expect(watch.found == ["other_route [1]"])
    }

    @Test func `A statement that waits for its transaction keeps its rows explained, however late they come`() {
        var watch = Watch()
        watch.live = [7]
        watch.round([], at: 0, finishedBelow: 60)
        watch.write([
            Self.record(.sessionStart, "s1", process: 7, at: 500),
            Self.record(.intent, "i1", process: 7, at: 1000, table: "t1"),
        ])
        // Others go on meanwhile.
        watch.round([Self.row(2, transaction: 61, at: 2000)], at: 100_000, finishedBelow: 60)
        watch.restart()
        watch.write([Self.record(.outcome, "i1", process: 7, at: 200_000)])
        let rows = [
            Self.row(1, transaction: 60, at: 1003, process: 7), Self.row(2, transaction: 61, at: 2000),
        ]
        watch.round(rows, at: 205_000, finishedBelow: 70)
        watch.restart()
        watch.round(rows, at: 300_000, finishedBelow: 70)
        #expect(watch.found == ["other_route [2]"])
    }

    @Test func `A session that has ended still owns the rows of its process while that lives`() {
        var watch = Watch()
        watch.live = [7]
        watch.round([], at: 0, finishedBelow: 60)
        watch.write([
            Self.record(.sessionStart, "s1", process: 7, at: 500), Self.record(.sessionEnd, "s1", process: 7, at: 600),
        ])
        watch.round([Self.row(2, transaction: 61, at: 2000)], at: 100_000, finishedBelow: 60)
        watch.round([Self.row(1, transaction: 60, at: 90_000, process: 7)], at: 200_000, finishedBelow: 70)
        #expect(watch.found == ["other_route [2]", "more_than_shown [1]"])
    }

    @Test func `A statement that left no row is found once`() {
        var watch = Watch()
        watch.round([], at: 0, finishedBelow: 60)
        watch.write([
            Self.record(.sessionStart, "s1", process: 7, at: 500),
            Self.record(.intent, "i1", process: 7, at: 1000, table: "t1"),
            Self.record(.outcome, "i1", process: 7, at: 1010),
        ])
        watch.round([], at: 5000, finishedBelow: 60)
        watch.restart()
        watch.round([], at: 6000, finishedBelow: 60)
        #expect(watch.found == ["never_executed []"])
    }

    @Test func `What is settled is forgotten`() {
        var watch = Watch()
        watch.round([], at: 0, finishedBelow: 60)
        for number in 0..<50 {
            let time = Int64(1000 + number * 100)
            watch.write([
                Self.record(.intent, "i\(number)", process: 7, at: time, table: "t\(number)"),
                Self.record(.outcome, "i\(number)", process: 7, at: time + 10),
            ])
        }
        let rows = (0..<50).map {
            Self.row(Int64($0), transaction: 60 + UInt64($0), at: Int64(1003 + $0 * 100), process: 7)
        }
        watch.round(rows, at: 100_000, finishedBelow: 200)
        #expect(watch.found == [])
        #expect(watch.ledger.trail.sessions.values.allSatisfy { $0.statements.isEmpty })
    }

    @Test func `A prepared transaction's rows are explained whenever they come`() {
        var watch = Watch()
        watch.round([], at: 0, finishedBelow: 60)
        watch.write([
            Self.record(.sessionStart, "s1", process: 7, at: 500),
            Self.record(.intent, "i1", process: 7, at: 1000, table: "t1"),
            Self.record(.outcome, "i1", process: 7, at: 1010, end: .prepared),
        ])
        watch.prepared = 1009
        watch.live = [7]
        watch.round([Self.row(2, transaction: 61, at: 2000)], at: 100_000, finishedBelow: 60)
        watch.restart()
        watch.prepared = nil
        watch.round([Self.row(1, transaction: 60, at: 1003, process: 7)], at: 200_000, finishedBelow: 70)
        #expect(watch.found == ["other_route [2]"])
    }

    @Test func `On a server that was restored from a backup it begins anew`() {
        var watch = Watch()
        watch.round([], at: 0, finishedBelow: 60)
        watch.round([Self.row(1, transaction: 70, at: 2000)], at: 5000, finishedBelow: 80)
        watch.round([], at: 10_000, finishedBelow: 40)
        watch.restart()
        #expect(watch.ledger.firstTransaction == 40)
        watch.round([Self.row(2, transaction: 41, at: 12_000)], at: 20_000, finishedBelow: 50)
        #expect(watch.found == ["other_route [1]", "other_route [2]"])
    }
}
