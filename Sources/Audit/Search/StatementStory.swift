/// A record and what belongs to it: its session, its transaction, what the session was refused.
package struct StatementStory: Sendable, Equatable {
    package struct Session: Sendable, Equatable {
        package var identity: AuditRecord.SessionIdentity
        /// When the trail has it for the first and the last time.
        package var firstSeen: Int64
        package var lastSeen: Int64
        /// Whether the trail has the session's own beginning and end.
        package var start: Int64?
        package var end: Int64?
        package var statementCount: Int
    }

    /// What was asked for; nil where a session was.
    package var row: AuditRow?
    package var session: Session?
    /// The statements of the row's transaction in their order, the row's own among them.
    package var transaction: [AuditRow]
    /// What the session was refused, the row itself left out.
    package var refusals: [AuditRow]
    /// Other statements of the session: those just before and after, or all of a session that was asked for.
    package var others: [AuditRow]
    /// What the server did that concerns the row (``AuditRecord/Finding``), how its prepared transaction was decided, and
    /// other records with its id.
    package var findings: [AuditRow]
    /// How many rows were left out of `others`.
    package var leftOutCount: Int

    /// Of a session's other statements so many are shown at most.
    private static let shownCount = 1000
    /// A transaction's outcomes are written together: as long may writing them take.
    private static let togetherNanoseconds: Int64 = 2_000_000_000

    /// Looks for an id, of a record or of a session.
    ///
    /// - Parameter complain: is told what could not be read.
    /// - Returns: nil if no trail has it.
    package static func find(
        _ id: String, in trails: [Trail], _ complain: ([TrailCursor.Complaint]) -> Void
    ) -> StatementStory? {
        for trail in trails {
            var wanted = AuditFilter()
            wanted.ids = [id]
            let own = rows(wanted, trail, complain)
            let row =
                own.first { $0.record.event == .intent || $0.record.event == .refusal }
                ?? own.first { $0.record.event == .outcome }
                ?? own.first { $0.record.event != .sessionStart && $0.record.event != .sessionEnd }
            // Sessions' own records have the session's id.
            let sessionID = row?.record.session.session ?? id
            var all: [AuditRow] = []
            if !sessionID.isEmpty {
                var ofSession = AuditFilter()
                ofSession.sessions = [sessionID]
                all = rows(ofSession, trail, complain)
            }
            guard row != nil || !all.isEmpty else { continue }
            return StatementStory(row, own: own, session: all, complain, trail)
        }
        return nil
    }

    private init(
        _ row: AuditRow?, own: [AuditRow], session all: [AuditRow], _ complain: ([TrailCursor.Complaint]) -> Void,
        _ trail: Trail
    ) {
        self.row = row
        session = all.first.map { first in
            // The server's process is known after the beginning only.
            let identity = row?.record.session ?? all.last { $0.record.event != .sessionEnd }?.record.session
            return Session(
                identity: identity ?? first.record.session,
                firstSeen: all.reduce(.max) { min($0, $1.record.time) },
                lastSeen: all.reduce(.min) { max($0, $1.endTime ?? $1.record.time) },
                start: all.first { $0.record.event == .sessionStart }.map {
                    $0.record.connection?.since ?? $0.record.time
                },
                end: all.last { $0.record.event == .sessionEnd }?.record.time,
                statementCount: all.count { Self.isStatement($0) })
        }
        let statements = all.filter(Self.isStatement)
        transaction = row.map { Self.transaction(of: $0, in: statements) } ?? []
        let shown = Set(transaction.map(\.record.id) + [row?.record.id ?? ""])
        refusals = statements.filter { $0.record.event == .refusal && !shown.contains($0.record.id) }
        let rest = statements.filter { $0.record.event != .refusal && !shown.contains($0.record.id) }
        if let row {
            let before = rest.filter { $0.record.time <= row.record.time }.suffix(5)
            let after = rest.filter { $0.record.time > row.record.time }.prefix(5)
            others = Array(before + after)
        } else {
            others = Array(rest.prefix(Self.shownCount))
        }
        leftOutCount = rest.count - others.count
        findings = own.filter { $0.record.id != row?.record.id || $0.record.event != row?.record.event }
        findings.removeAll { $0.record.event == .sessionStart || $0.record.event == .sessionEnd }
        guard let row else { return }
        if let gid = row.outcome?.gid {
            var decided = AuditFilter()
            decided.events = [.transactionEnd]
            decided.since = row.record.time
            decided.databases = [row.record.session.database]
            findings += Self.rows(decided, trail, complain).filter { $0.record.outcome?.gid == gid }.prefix(1)
        }
        var found = AuditFilter()
        found.events = [.finding]
        found.since = row.record.time - 3600 * 1_000_000_000
        findings += Self.rows(found, trail, complain).filter { $0.record.finding?.statementID == row.record.id }
    }

    private static func isStatement(_ row: AuditRow) -> Bool {
        row.record.event == .intent || row.record.event == .refusal || row.record.event == .outcome
    }

    /// The statements whose transaction ended with the row's. The trail does not number transactions; but a session's
    /// statements run one after the other, and the outcomes of a transaction are written together, when it has ended. So to
    /// the row's belong those that end when it does, and whatever stands between them.
    private static func transaction(of row: AuditRow, in statements: [AuditRow]) -> [AuditRow] {
        guard row.record.event == .intent else { return [] }
        let executed = statements.filter { $0.record.event == .intent }
        guard let place = executed.firstIndex(where: { $0.record.id == row.record.id }) else { return [row] }
        let row = executed[place]
        func isTogether(_ one: AuditRow, _ other: AuditRow) -> Bool {
            guard let end = one.endTime, let otherEnd = other.endTime else {
                return one.endTime == nil && other.endTime == nil && one.state == other.state
            }
            // One that ended before the later one began was in a transaction of its own, or was rolled back to a savepoint.
            let (earlier, later) = one.record.time <= other.record.time ? (one, other) : (other, one)
            guard let earlierEnd = earlier.endTime, earlierEnd >= later.record.time else { return false }
            let (difference, isTooFar) = end.subtractingReportingOverflow(otherEnd)
            return !isTooFar && difference.magnitude <= togetherNanoseconds.magnitude
        }
        let together = executed.indices.filter { isTogether(executed[$0], row) }
        // What was rolled back to a savepoint between them was in it, too.
        return Array(executed[min(place, together.first ?? place)...max(place, together.last ?? place)])
    }

    private static func rows(
        _ filter: AuditFilter, _ trail: Trail, _ complain: ([TrailCursor.Complaint]) -> Void
    ) -> [AuditRow] {
        var cursor = TrailCursor(TrailSearch(trail, filter))
        var rows: [AuditRow] = []
        while let row = cursor.next() { rows.append(row) }
        complain(cursor.takeComplaints())
        return rows
    }
}
