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
}

/// Joins intents and outcomes of a trail into rows. Holds a bounded number of rows: where more wait, the oldest is handed
/// out as it is, and its outcome, when it comes, as a row of its own.
package struct AuditJoiner {
    private let filter: AuditFilter
    private let keepsOrder: Bool
    private var selector: AuditSelector
    /// Rows that wait for an outcome, or (in order) behind one that does, by their numbers from `first` to `next` - 1.
    private var rows: [Int: AuditRow] = [:]
    private var first = 0
    private var next = 0
    /// The rows' numbers by the ids of their intents.
    private var numbers: [String: Int] = [:]

    /// `keepsOrder`: rows come in the order of their intents, so one that waits holds up the others (for reading a
    /// file to its end); else as soon as they are complete (for following).
    package init(_ filter: AuditFilter, keepsOrder: Bool) {
        self.filter = filter
        self.keepsOrder = keepsOrder
        selector = AuditSelector(filter)
    }

    /// Takes the next record of the trail, and hands out the rows that are ready.
    package mutating func take(_ record: AuditRecord, _ body: (AuditRow) -> Void) {
        if record.event == .start { doubtPending(body) }
        guard selector.selectsWhateverEvent(record) else { return }
        switch record.event {
        case .intent:
            numbers[record.id] = next
            append(AuditRow(record: record, outcome: nil, state: .pending), body)
        case .outcome:
            guard let number = numbers.removeValue(forKey: record.id), var row = rows[number] else {
                return add(AuditRow(record: record, outcome: record.outcome, state: .complete), body)
            }
            row.outcome = record.outcome
            row.state = .complete
            if keepsOrder {
                rows[number] = row
                handOutSettled(body)
            } else {
                rows[number] = nil
                handOut(row, body)
            }
        case .refusal, .sessionStart, .sessionEnd, .transactionEnd, .reload, .fault, .start, .stop, .gap, .finding,
            .watermark, .watch, .snapshot, .recovery, .fileStart, .fileEnd, .recovered, .checkpoint, .retired:
            add(AuditRow(record: record, outcome: nil, state: .complete), body)
        }
    }

    /// Hands out the rows that still wait, at the end of the trail.
    package mutating func finish(_ body: (AuditRow) -> Void) {
        while !rows.isEmpty { handOutOldest(body) }
    }

    private mutating func add(_ row: AuditRow, _ body: (AuditRow) -> Void) {
        // Where there is no room the order gives way, not the intents that wait.
        let waits = keepsOrder && !rows.isEmpty && rows.count < AuditSelector.maximumPendingCount
        if waits { append(row, body) } else { handOut(row, body) }
    }

    private mutating func append(_ row: AuditRow, _ body: (AuditRow) -> Void) {
        rows[next] = row
        next += 1
        guard rows.count > AuditSelector.maximumPendingCount else { return }
        handOutOldest(body)
        if keepsOrder { handOutSettled(body) }
    }

    /// The rows from the first to before one that still waits.
    private mutating func handOutSettled(_ body: (AuditRow) -> Void) {
        while let row = rows[first], row.state != .pending {
            rows[first] = nil
            first += 1
            handOut(row, body)
        }
    }

    private mutating func handOutOldest(_ body: (AuditRow) -> Void) {
        while first < next {
            let row = rows.removeValue(forKey: first)
            first += 1
            guard let row else { continue }
            if row.state == .pending { numbers[row.record.id] = nil }
            return handOut(row, body)
        }
    }

    /// The proxy was started: what still waits waits in vain.
    private mutating func doubtPending(_ body: (AuditRow) -> Void) {
        for (number, row) in rows where row.state == .pending { rows[number]?.state = .inDoubt }
        numbers = [:]
        finish(body)
    }

    private func handOut(_ row: AuditRow, _ body: (AuditRow) -> Void) {
        let isWanted = filter.accepts(row.record.event) || (row.outcome != nil && filter.accepts(.outcome))
        if isWanted { body(row) }
    }
}
