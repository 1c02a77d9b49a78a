import Audit

/// Holds the server's log against the trail. Pure.
package struct UnseenMatcher {
    /// Where and how exactly the two can be compared. Times are the trail's clock, in nanoseconds.
    package struct Scope: Sendable {
        /// What the server's clock shows when the trail's shows 0.
        package var clockOffset: Int64
        /// How far the two clocks' readings of one moment may lie apart after that.
        package var uncertainty: Int64
        /// Rows and intents from here on …
        package var since: Int64
        /// … to before this moment are judged.
        package var until: Int64
        /// From when on the log holds everything; nil if nobody knows.
        package var logSince: Int64?
        /// When the log was read; the trail was read after that.
        package var logUntil: Int64
        /// The server's processes for this database that lived when the log was read.
        package var liveProcesses: Set<Int32>
        /// Since when transactions wait for COMMIT PREPARED; nil if none does.
        package var oldestPrepared: Int64?
        /// By the OIDs of tables that were emptied or rewritten and still exist: the names of the tables that they are
        /// partitions or children of.
        package var ancestors: [UInt32: [[String]]]

        package init(
            clockOffset: Int64 = 0, uncertainty: Int64 = 0, since: Int64 = .min, until: Int64 = .max, logSince: Int64?,
            logUntil: Int64, liveProcesses: Set<Int32> = [], oldestPrepared: Int64? = nil,
            ancestors: [UInt32: [[String]]] = [:]
        ) {
            self.clockOffset = clockOffset
            self.uncertainty = uncertainty
            self.since = since
            self.until = until
            self.logSince = logSince
            self.logUntil = logUntil
            self.liveProcesses = liveProcesses
            self.oldestPrepared = oldestPrepared
            self.ancestors = ancestors
        }

        /// Clocks of one machine are set while statements run; what lies so close together is told apart by its objects.
        var width: Int64 { 100_000_000 &+ uncertainty }

        /// Whether nothing can come of the statement any more: it ended before the log was read, or is in doubt with nobody
        /// left who could still end it.
        func isOver(_ statement: TrailStatement, process: Int32) -> Bool {
            switch statement.end {
            case .committed, .undone: (statement.endTime ?? .max) < logUntil &- width
            case .prepared: (statement.endTime ?? .max) < min(logUntil, oldestPrepared ?? .max) &- width
            case .inDoubt: statement.time < logUntil &- width && !liveProcesses.contains(process)
            }
        }
    }

    private let trail: TrailIndex
    private let scope: Scope
    private let rows: [ServerDDL]
    /// What the rows that a statement explains stand for, by its id.
    private var executed: Set<String> = []
    private var effects: [String: ShownEffects] = [:]

    /// - Parameters:
    ///   - trail: after `settle()`.
    ///   - rows: in the order of their ids.
    package init(trail: TrailIndex, rows: [ServerDDL], scope: Scope) {
        self.trail = trail
        self.rows = rows
        self.scope = scope
    }

    /// What does not agree, in the order of time.
    ///
    /// - Parameter judgedRows: the ids of the rows to judge; the others only bear witness. Nil leaves it to the scope.
    package mutating func findings(judging judgedRows: Set<Int64>? = nil) -> [UnseenFinding] {
        var gathering = Gathering()
        for row in rows {
            let time = row.time &- scope.clockOffset
            guard let session = session(of: row, at: time) else {
                if !row.isOfNoConcern, judgedRows?.contains(row.id) ?? isInScope(time) {
                    gathering.add(row, .otherRoute, at: time, session: nil, statement: nil)
                }
                continue
            }
            let candidates = session.candidates(at: time, tolerance: scope.uncertainty)
            var explained = explain(row, by: candidates)
            if !explained { explained = explain(row, by: session.candidates(at: time, tolerance: width)) }
            if !explained, let named = named(by: row, in: session) { explained = explain(row, by: [named]) }
            guard !explained, !row.isOfNoConcern, judgedRows?.contains(row.id) ?? isInScope(time) else { continue }
            gathering.add(
                row, .moreThanShown, at: time, session: session.identity,
                statement: named(by: row, in: session) ?? candidates.first { _ in true })
        }
        return (gathering.findings + neverExecuted()).sorted {
            ($0.time, $0.rows.first?.id ?? 0) < ($1.time, $1.rows.first?.id ?? 0)
        }
    }

    private var width: Int64 { scope.width }

    private func isInScope(_ time: Int64) -> Bool { time >= scope.since && time < scope.until }

    private func session(of row: ServerDDL, at time: Int64) -> TrailSession? {
        trail.session(
            process: row.process, began: row.processStart &- scope.clockOffset, time: time, tolerance: width)
    }

    /// The statement whose grant the row used.
    private func named(by row: ServerDDL, in session: TrailSession) -> TrailStatement? {
        row.auditID.flatMap { id in session.statements.last { $0.id == id } }
    }

    private mutating func explain(_ row: ServerDDL, by candidates: some Sequence<TrailStatement>) -> Bool {
        for statement in candidates where explains(statement, row) {
            executed.insert(statement.id)
            return true
        }
        return false
    }

    private mutating func explains(_ statement: TrailStatement, _ row: ServerDDL) -> Bool {
        if let known = effects[statement.id] { return known.explain(row, ancestors: scope.ancestors[row.oid]) }
        let shown = ShownEffects(statement.shown)
        effects[statement.id] = shown
        return shown.explain(row, ancestors: scope.ancestors[row.oid])
    }

    // MARK: - What never happened

    private mutating func neverExecuted() -> [UnseenFinding] {
        guard let logSince = scope.logSince else { return [] }
        var findings: [UnseenFinding] = []
        var rowsByProcess: [Int32: [ServerDDL]] = [:]
        for row in rows { rowsByProcess[row.process, default: []].append(row) }
        for session in trail.sessions.values {
            for (index, statement) in session.statements.enumerated() {
                guard statement.time >= logSince &+ scope.uncertainty, isInScope(statement.time),
                    !executed.contains(statement.id),
                    statement.mayHaveTakenEffect, scope.isOver(statement, process: session.process),
                    ExpectedRow.isCertain(of: statement, in: session)
                else { continue }
                let end = session.latestAnswer(of: index)
                let hasRow = (rowsByProcess[session.process] ?? []).contains { row in
                    let time = row.time &- scope.clockOffset
                    return time >= statement.time &- width && time <= (end == .max ? end : end &+ width)
                        && (row.tag == statement.shown.command || explains(statement, row))
                }
                guard !hasRow else { continue }
                findings.append(
                    UnseenFinding(
                        kind: .neverExecuted, time: statement.time, rows: [], statement: statement,
                        session: session.identity))
            }
        }
        return findings
    }
}

/// Rows that belong together: of one process, in one transaction, by one statement.
private struct Gathering {
    private struct Key: Hashable {
        var kind: UnseenFinding.Kind
        var process: Int32
        var processStart: Int64
        var transaction: UInt64
        var statement: String?
    }

    private(set) var findings: [UnseenFinding] = []
    private var places: [Key: Int] = [:]

    mutating func add(
        _ row: ServerDDL, _ kind: UnseenFinding.Kind, at time: Int64, session: AuditRecord.SessionIdentity?,
        statement: TrailStatement?
    ) {
        let key = Key(
            kind: kind, process: row.process, processStart: row.processStart, transaction: row.transaction,
            statement: statement?.id)
        if let place = places[key] {
            findings[place].rows.append(row)
            return
        }
        places[key] = findings.count
        findings.append(UnseenFinding(kind: kind, time: time, rows: [row], statement: statement, session: session))
    }
}
