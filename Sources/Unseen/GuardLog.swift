import Audit
import CLinux
import ServerLink

/// What one reading of a database's `holdfast.ddl` gave, with what it takes to hold it against the trail.
package struct GuardLog: Sendable {
    package var database: String
    /// In the order of their ids.
    package var rows: [ServerDDL]
    /// Transactions below this number had ended: nothing of theirs is still to come.
    package var finishedBelow: UInt64
    /// When the log was read, by this machine's clock.
    package var readTime: Int64
    /// What the server's clock shows when ours shows 0, and how exactly that is known (half the way there and back).
    package var clockOffset: Int64
    package var uncertainty: Int64
    /// The oldest row's time, by the server's clock; nil if the log is empty.
    package var firstTime: Int64?
    package var liveProcesses: Set<Int32>
    /// Since when transactions wait for COMMIT PREPARED, by the server's clock; nil if none does.
    package var oldestPrepared: Int64?
    package var ancestors: [UInt32: [[String]]]

    /// From when on the log holds everything, by our clock; nil if nobody knows.
    package var since: Int64? { firstTime.map { $0 &- clockOffset } }

    /// What it takes to judge, by our clock.
    ///
    /// - Parameters: the first moment to judge, and the first not to judge any more.
    package func scope(since: Int64, until: Int64 = .max) -> UnseenMatcher.Scope {
        UnseenMatcher.Scope(
            clockOffset: clockOffset, uncertainty: uncertainty, since: since, until: until, logSince: self.since,
            logUntil: readTime, liveProcesses: liveProcesses,
            oldestPrepared: oldestPrepared.map { $0 &- clockOffset }, ancestors: ancestors)
    }

    /// When the server did it, by our clock.
    package func ourTime(_ row: ServerDDL) -> Int64 { row.time &- clockOffset }

    /// The processes of the server that serve this database now.
    package static func liveProcesses(_ connection: ServerConnection) throws(ServerFault) -> Set<Int32> {
        let rows = try connection.query(GuardLogQueries.liveProcesses).rows
        return Set(rows.compactMap { $0.first?.flatMap { Int32($0) } })
    }

    /// Reads the log.
    ///
    /// - Parameters:
    ///   - transaction: only rows of this and later transactions, …
    ///   - evidenceSince: … and those since this time, by our clock.
    /// - Throws: ``GuardLogFault``: there is no log, or it cannot be read.
    package static func read(
        _ connection: ServerConnection, transaction: UInt64 = 0, evidenceSince: Int64? = nil
    ) throws(GuardLogFault) -> GuardLog {
        let database = connection.database
        do throws(ServerFault) {
            guard try connection.query(GuardLogQueries.exists).value == "t" else {
                throw ServerFault.refused(sqlState: "42P01", message: "", detail: nil, hint: nil)
            }
            let (offset, uncertainty) = try measureClock(connection)
            try connection.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            defer { _ = try? connection.query("COMMIT") }
            // The snapshot is taken by the first query: what was committed by now is in it.
            let readTime = linux_clock_realtime()
            let finishedBelow = try connection.query(GuardLogQueries.finishedBelow).value.flatMap { UInt64($0) } ?? 0
            let since = evidenceSince.map { String(($0 &+ offset) / 1000) }
            let rows = try connection.query(GuardLogQueries.rows, [String(transaction), since]).rows
                .compactMap { ServerDDL(row: $0) }
            let live = try liveProcesses(connection)
            return GuardLog(
                database: database, rows: rows, finishedBelow: finishedBelow, readTime: readTime, clockOffset: offset,
                uncertainty: uncertainty,
                firstTime: try time(GuardLogQueries.firstTime, connection), liveProcesses: live,
                oldestPrepared: try time(GuardLogQueries.oldestPrepared, connection),
                ancestors: try ancestors(of: rows, connection))
        } catch {
            switch error.sqlState {
            case "42P01", "3F000": throw .missing(database: database)
            case "42501": throw .forbidden(database: database, role: connection.user, reason: error.description)
            default: throw .server(database: database, reason: error.description)
            }
        }
    }

    private static func time(_ query: String, _ connection: ServerConnection) throws(ServerFault) -> Int64? {
        try connection.query(query).value.flatMap { Int64($0) }.map { $0 &* 1000 }
    }

    /// The shortest of a few exchanges tells most.
    private static func measureClock(
        _ connection: ServerConnection
    ) throws(ServerFault) -> (offset: Int64, uncertainty: Int64) {
        var best: (offset: Int64, uncertainty: Int64) = (0, .max)
        for _ in 0..<3 {
            let before = linux_clock_realtime()
            let answer = try connection.query(GuardLogQueries.clock).value
            let after = linux_clock_realtime()
            let half = max(0, after &- before) / 2
            guard half < best.uncertainty, let server = answer.flatMap({ Int64($0) }) else { continue }
            // The server's answer ends at a microsecond, and clocks of one machine need no correction that they get from
            // an answer that came a little late.
            let offset = server &* 1000 &- (before &+ half)
            best = (abs(offset) <= half &+ 1000 ? 0 : offset, half)
        }
        return best.uncertainty == .max ? (0, 0) : (best.offset, best.uncertainty &+ 2_000_000)
    }

    private static func ancestors(
        of rows: [ServerDDL], _ connection: ServerConnection
    ) throws(ServerFault) -> [UInt32: [[String]]] {
        let tables = Set(rows.filter { $0.phase == .rewrite || $0.phase == .truncate }.map(\.oid))
        guard !tables.isEmpty else { return [:] }
        let list = "{" + tables.map { String($0) }.joined(separator: ",") + "}"
        var ancestors: [UInt32: [[String]]] = [:]
        for row in try connection.query(GuardLogQueries.ancestors, [list]).rows {
            guard row.count == 3, let child = row[0].flatMap({ UInt32($0) }) else { continue }
            ancestors[child, default: []] += row[2] == nil ? [] : [row[1...].compactMap(\.self)]
        }
        return ancestors
    }
}

/// Why a database's log cannot be read.
package enum GuardLogFault: Error, Sendable, Equatable {
    /// The guard is not installed there.
    case missing(database: String)
    /// Our role may not read it.
    case forbidden(database: String, role: String, reason: String)
    case server(database: String, reason: String)

    /// For people: what is wrong, and what to do.
    package var description: String {
        switch self {
        case .missing(let database):
            "database \(database) has no table holdfast.ddl: the guard is not installed there "
                + "(holdfast guard install --database …)"
        case .forbidden(let database, let role, let reason):
            "role \(role) may not read holdfast.ddl of database \(database): \(reason)"
        case .server(let database, let reason):
            "the log of database \(database) cannot be read: \(reason)"
        }
    }
}
