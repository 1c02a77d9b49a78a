import Audit

/// What a trail says about one database: the sessions in it by the server's process, and their statements.
package struct TrailIndex: Sendable {
    package let database: String
    /// By the session's id.
    package private(set) var sessions: [String: TrailSession] = [:]
    /// Ids of the sessions that had a process, in the order of their first records.
    private var sessionsByProcess: [Int32: [String]] = [:]
    private var places: [String: (session: String, index: Int)] = [:]
    /// When the proxy was started; what had not ended by then never will.
    package private(set) var starts: [Int64] = []
    /// The first record of a session whose server process is known, or of the watch: from there on the trail can be
    /// compared.
    package private(set) var firstTime: Int64?
    package private(set) var latestTime: Int64 = .min
    /// Whether sessions are recorded, so that one without a recorded statement is known as well.
    package private(set) var recordsSessions = false
    /// Whether the proxy's start says that each session has records; nil in trails of versions that do not say it: there a
    /// session's records tell so.
    private var tellsOfSessions: Bool?
    /// How many records the trail itself says are missing.
    package private(set) var missingCount = 0
    /// The rows that were found before, with their transactions.
    package private(set) var reportedRows: [Int64: UInt64] = [:]
    /// The statements that were found never to have been executed, with their times.
    package private(set) var reportedStatements: [String: Int64] = [:]
    /// How far the live watch has come.
    package private(set) var watermark: AuditRecord.Watermark?

    package init(database: String) { self.database = database }

    /// Takes the next record of the trail.
    package mutating func take(_ record: AuditRecord) {
        latestTime = max(latestTime, record.time)
        switch record.event {
        case .start:
            starts.append(record.time)
            if let sessions = record.service?.sessions { tellsOfSessions = sessions == "all" }
            for id in sessions.keys where sessions[id]?.endTime == nil { sessions[id]?.endTime = record.time }
            return
        case .gap:
            missingCount += record.gap?.recordCount ?? 0
            return
        case .stop, .reload, .fault, .transactionEnd, .watch, .snapshot, .recovery, .fileStart, .fileEnd, .recovered,
            .checkpoint,
            .retired:
            return
        case .intent, .outcome, .refusal, .sessionStart, .sessionEnd, .finding, .watermark: break
        }
        if firstTime == nil, record.session.backendProcessID != nil || record.event == .watermark {
            firstTime = record.time
        }
        guard record.session.database == database else { return }
        switch record.event {
        case .finding:
            guard let finding = record.finding else { return }
            for row in finding.rows { reportedRows[row] = finding.transaction ?? 0 }
            if finding.kind == UnseenFinding.Kind.neverExecuted.rawValue, let id = finding.statementID {
                reportedStatements[id] = finding.executedAt
            }
        case .watermark:
            if let reached = record.watermark { advance(to: reached) }
        case .outcome:
            guard let place = places[record.id], let outcome = record.outcome else { return }
            sessions[place.session]?.statements[place.index].ended(outcome, at: record.time)
        case .intent, .refusal, .sessionStart, .sessionEnd:
            takeOfSession(record)
        case .start, .stop, .reload, .fault, .transactionEnd, .gap, .watch, .snapshot, .recovery, .fileStart, .fileEnd,
            .recovered, .checkpoint, .retired:
            break
        }
    }

    private mutating func takeOfSession(_ record: AuditRecord) {
        guard let process = record.session.backendProcessID else { return }
        let id = record.session.session
        if sessions[id] == nil {
            sessions[id] = TrailSession(record, process: process)
            sessionsByProcess[process, default: []].append(id)
        }
        if record.event == .sessionStart, tellsOfSessions ?? true { recordsSessions = true }
        if record.event == .sessionEnd { sessions[id]?.endTime = record.time }
        guard let statement = TrailStatement(record) else { return }
        places[record.id] = (id, sessions[id]?.statements.count ?? 0)
        sessions[id]?.add(statement)
    }

    /// Everything up to there has been judged. The later watermark counts; its transaction can be lower, on a server that was
    /// restored from a backup.
    package mutating func advance(to reached: AuditRecord.Watermark) {
        guard let watermark, reached.time <= watermark.time else {
            watermark = reached
            return
        }
        guard reached.time == watermark.time else { return }
        self.watermark?.transaction = max(reached.transaction, watermark.transaction)
    }

    /// Call when all records so far were taken, before matching.
    package mutating func settle() {
        for id in sessions.keys { sessions[id]?.settle() }
    }

    /// The session that a process of the server belonged to, if it was one of the proxy's.
    ///
    /// A session's first record is written after its process began, and a process that took the number later began after
    /// that: so it is the first session with that number whose first record is not older than the process.
    ///
    /// - Parameters:
    ///   - began: when the process began, and `time`: when it did something, both by the trail's clock.
    package func session(process: Int32, began: Int64, time: Int64, tolerance: Int64) -> TrailSession? {
        for id in sessionsByProcess[process] ?? [] {
            guard let session = sessions[id], session.firstTime >= began &- tolerance else { continue }
            // A whole session did nothing before its first record: this is a process that had ended by then.
            return session.isWhole && time < session.firstTime &- tolerance ? nil : session
        }
        return nil
    }

    /// Forgets what is settled: findings and statements that ended before that time, and sessions that did, unless the
    /// server's process still lives.
    ///
    /// - Parameter transaction: nothing below it is judged again.
    package mutating func forget(before time: Int64, transaction: UInt64, live: Set<Int32>) {
        reportedRows = reportedRows.filter { $0.value >= transaction }
        reportedStatements = reportedStatements.filter { $0.value >= time }
        for (id, session) in sessions {
            if let end = session.endTime, end < time, !live.contains(session.process) {
                sessions[id] = nil
                sessionsByProcess[session.process]?.removeAll { $0 == id }
                if sessionsByProcess[session.process]?.isEmpty == true { sessionsByProcess[session.process] = nil }
                for statement in session.statements { places[statement.id] = nil }
                continue
            }
            let first = session.statements.firstIndex { ($0.endTime ?? .max) >= time }
            dropStatements(of: id, before: first ?? session.statements.count)
        }
    }

    private mutating func dropStatements(of id: String, before count: Int) {
        guard count > 0, var session = sessions[id] else { return }
        for statement in session.statements[..<count] { places[statement.id] = nil }
        session.statements.removeFirst(count)
        for (index, statement) in session.statements.enumerated() { places[statement.id] = (id, index) }
        sessions[id] = session
    }
}
