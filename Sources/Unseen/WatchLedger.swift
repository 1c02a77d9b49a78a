import Audit

/// How far the live watch has come with one database: rounds of reading the log, then the trail, then judging. Pure; all
/// that it has to know after a restart stands in the trail.
package struct WatchLedger: Sendable {
    /// What one round gave.
    package struct Round: Sendable {
        package var findings: [UnseenFinding]
        /// How far everything has been judged with this round.
        package var watermark: AuditRecord.Watermark
        /// Worth writing down: rows were judged, or there was no watermark before.
        package var isProgress: Bool
        /// The server is not where it was: what it did between is not judged.
        package var beginsAnew = false
    }

    package private(set) var trail: TrailIndex
    /// Rows that were judged although others of earlier transactions may still come, with their transactions.
    private var judged: [Int64: UInt64] = [:]

    /// What was written so shortly before the log was read is left to the next round: the records of a session's beginning
    /// wait for nobody, and may come into the trail after the session's first statement.
    package static let grace: Int64 = 1_000_000_000

    package init(database: String) { trail = TrailIndex(database: database) }

    /// Takes the next record of the trail.
    package mutating func take(_ record: AuditRecord, live: Set<Int32>) {
        trail.take(record)
        if record.event == .watermark, record.session.database == trail.database { forget(live: live) }
    }

    /// The first transaction whose rows have to be read.
    package var firstTransaction: UInt64 { trail.watermark?.transaction ?? .max }

    /// Rows from this time on have to be read as well, as witnesses.
    package var evidenceSince: Int64? { trail.watermark.map { $0.time &- Self.grace } }

    /// Judges what is new. The trail must have been read after the log.
    package mutating func judge(_ log: GuardLog) -> Round {
        let start = log.readTime &- Self.grace
        // Transaction numbers that go back are those of a server that was restored from a backup.
        guard let last = trail.watermark, last.transaction <= log.finishedBelow else {
            let first = AuditRecord.Watermark(
                transaction: log.finishedBelow, time: max(start, (trail.watermark?.time ?? .min) &+ 1))
            let beginsAnew = trail.watermark != nil
            judged = [:]
            trail.advance(to: first)
            return Round(findings: [], watermark: first, isProgress: true, beginsAnew: beginsAnew)
        }
        let scope = log.scope(since: last.time)
        let begin = trail.firstTime ?? start
        let candidates = log.rows.filter { $0.transaction >= last.transaction && log.ourTime($0) >= begin }
        let due = candidates.filter { log.ourTime($0) <= start && judged[$0.id] == nil }
        trail.settle()
        var matcher = UnseenMatcher(trail: trail, rows: log.rows, scope: scope)
        let findings = matcher.findings(judging: Set(due.map(\.id).filter { trail.reportedRows[$0] == nil }))
            .filter { !$0.rows.isEmpty || $0.statement.map { trail.reportedStatements[$0.id] == nil } ?? false }
        for row in due { judged[row.id] = row.transaction }

        let waiting = candidates.filter { judged[$0.id] == nil }
        let transaction = max(
            last.transaction, min(log.finishedBelow, waiting.map(\.transaction).min() ?? .max))
        let watermark = AuditRecord.Watermark(
            transaction: transaction, time: max(last.time, settledTime(log, scope, from: transaction)))
        judged = judged.filter { $0.value >= transaction }
        trail.advance(to: watermark)
        forget(live: log.liveProcesses)
        return Round(findings: findings, watermark: watermark, isProgress: !due.isEmpty || !findings.isEmpty)
    }

    /// Nothing before this time is needed to judge what may still come.
    private func settledTime(_ log: GuardLog, _ scope: UnseenMatcher.Scope, from transaction: UInt64) -> Int64 {
        var time = log.readTime &- Self.grace
        for row in log.rows where row.transaction >= transaction { time = min(time, log.ourTime(row) &- scope.width) }
        for session in trail.sessions.values {
            for statement in session.statements where !scope.isOver(statement, process: session.process) {
                time = min(time, statement.time)
            }
        }
        return time
    }

    private mutating func forget(live: Set<Int32>) {
        guard let watermark = trail.watermark else { return }
        trail.forget(before: watermark.time, transaction: watermark.transaction, live: live)
    }
}
