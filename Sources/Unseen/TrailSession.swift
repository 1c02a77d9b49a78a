import Audit

/// A session as the trail tells of it, with its statements in the order in which the server ran them.
package struct TrailSession: Sendable {
    package var identity: AuditRecord.SessionIdentity
    package let process: Int32
    /// When its first record was written.
    package let firstTime: Int64
    /// The first record is its beginning: nothing ran in it before.
    package let isWhole: Bool
    package internal(set) var statements: [TrailStatement] = []
    /// When it was recorded as ended.
    package internal(set) var endTime: Int64?
    /// Names of tables that it made for itself.
    private(set) var temporaryNames: Set<String> = []
    /// By index: no earlier statement was answered later than this.
    private var answeredBy: [Int64] = []

    init(_ record: AuditRecord, process: Int32) {
        identity = record.session
        self.process = process
        firstTime = record.time
        isWhole = record.event == .sessionStart
    }

    mutating func add(_ statement: TrailStatement) {
        for object in statement.shown.objects where object.name.hasPrefix("pg_temp.") {
            temporaryNames.insert(String(object.name.dropFirst("pg_temp.".count)))
        }
        statements.append(statement)
    }

    /// Call once when all statements and their outcomes are there, before ``candidates(at:tolerance:)``.
    mutating func settle() {
        answeredBy = []
        answeredBy.reserveCapacity(statements.count)
        var latest = Int64.min
        // A statement without a known answer was answered before the next one that has one.
        var known = Int64.max
        var bounds: [Int64] = []
        for statement in statements.reversed() {
            if let answer = statement.answerTime { known = answer }
            bounds.append(known)
        }
        for bound in bounds.reversed() {
            latest = max(latest, bound)
            answeredBy.append(latest)
        }
    }

    /// The statements that the server may have been at, the likeliest first: a server runs a session's statements one
    /// after the other, so the first that was answered after that moment.
    ///
    /// - Parameter time: by the trail's clock.
    func candidates(at time: Int64, tolerance: Int64) -> some Sequence<TrailStatement> {
        var low = 0
        var high = answeredBy.count
        while low < high {
            let middle = (low + high) / 2
            if answeredBy[middle] < time &- tolerance { low = middle + 1 } else { high = middle }
        }
        return statements[low...].lazy.prefix { $0.time <= time &+ tolerance }.filter {
            // What failed or was skipped can leave nothing; what a savepoint took back neither.
            $0.end != .undone
        }
    }

    /// When the statement at this index can at the latest have been answered.
    func latestAnswer(of index: Int) -> Int64 { answeredBy[index] }
}
