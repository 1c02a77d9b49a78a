/// An intent with what became of it, or a record that stands for itself.
package struct AuditRow: Sendable, Equatable {
    package enum State: Sendable, Equatable {
        /// Nothing more is to come.
        case complete
        /// An intent without an outcome: it runs, its transaction is open, or the proxy died.
        case pending
        /// An intent without an outcome, and the proxy has been started since: nobody will tell.
        case inDoubt
    }

    package var record: AuditRecord
    /// For an intent: how the statement and its transaction ended.
    package var outcome: AuditRecord.Outcome?
    package var state: State
    /// When the outcome was written; nil without one.
    package var endTime: Int64?
    /// The lines of the trail that say so, without their ends; empty where nobody asked for them.
    package var line: [UInt8] = []
    package var outcomeLine: [UInt8] = []

    package init(record: AuditRecord, outcome: AuditRecord.Outcome? = nil, state: State = .complete) {
        self.record = record
        // The end of a prepared transaction says it itself.
        self.outcome = outcome ?? (record.event == .intent ? nil : record.outcome)
        self.state = state
    }

    mutating func take(outcome record: AuditRecord, line: [UInt8]) {
        outcome = record.outcome
        endTime = record.time
        outcomeLine = line
        state = .complete
    }
}

/// Joins intents and outcomes of a trail into rows as they are written: for following one. Rows come as soon as they are
/// complete. Holds a bounded number of intents: where more wait, the oldest is handed out as it is, and its outcome, when it
/// comes, as a row of its own.
package struct AuditJoiner {
    /// How many intents wait for their outcomes at most.
    static let maximumPendingCount = 10_000

    private let filter: AuditFilter
    /// Rows that wait for an outcome, by their numbers from `first` to `next` - 1.
    private var rows: [Int: AuditRow] = [:]
    private var first = 0
    private var next = 0
    /// The rows' numbers by the ids of their intents.
    private var numbers: [String: Int] = [:]

    package init(_ filter: AuditFilter) { self.filter = filter }

    /// An intent that was read before and waits for its outcome.
    package mutating func wait(for row: AuditRow, _ body: (AuditRow) -> Void) {
        numbers[row.record.id] = next
        rows[next] = row
        next += 1
        if rows.count > Self.maximumPendingCount { handOutOldest(body) }
    }

    /// Takes the next record of the trail with its line, and hands out the rows that are ready.
    package mutating func take(_ record: AuditRecord, line: [UInt8] = [], _ body: (AuditRow) -> Void) {
        if record.event == .start { doubtPending(body) }
        if record.event == .outcome, let number = numbers.removeValue(forKey: record.id),
            var row = rows.removeValue(forKey: number)
        {
            row.take(outcome: record, line: line)
            return handOut(row, body)
        }
        guard filter.accepts(record) else { return }
        var row = AuditRow(record: record)
        row.line = line
        if record.event == .intent {
            row.state = .pending
            return wait(for: row, body)
        }
        if record.event == .outcome { row.endTime = record.time }
        handOut(row, body)
    }

    /// Hands out the rows that still wait, at the end of the trail.
    package mutating func finish(_ body: (AuditRow) -> Void) {
        while !rows.isEmpty { handOutOldest(body) }
    }

    private mutating func handOutOldest(_ body: (AuditRow) -> Void) {
        while first < next {
            let row = rows.removeValue(forKey: first)
            first += 1
            guard let row else { continue }
            numbers[row.record.id] = nil
            return handOut(row, body)
        }
    }

    /// The proxy was started: what still waits waits in vain.
    private mutating func doubtPending(_ body: (AuditRow) -> Void) {
        for number in rows.keys { rows[number]?.state = .inDoubt }
        finish(body)
    }

    private func handOut(_ row: AuditRow, _ body: (AuditRow) -> Void) {
        if filter.acceptsShape(of: row), filter.acceptsTexts(of: row) { body(row) }
    }
}
