import Audit
import CLinux
import Foundation
import Logging
import ServerLink
import Synchronization
import Unseen

/// Compares one database's log of DDL with the trail for as long as the proxy runs, on a thread of its own (libpq and files
/// block). Each finding is a record of the trail and a line of the log.
final class UnseenWatch: Sendable {
    /// What the watch is told.
    struct Settings: Sendable {
        /// libpq's connection string, and the database in place of the one that it names.
        var connection: String
        var database: String?
        var interval: Duration
        /// The trail's file.
        var trailPath: String
    }

    private let wake = DispatchSemaphore(value: 0)
    private let ended = DispatchSemaphore(value: 0)
    private let isStopping = Box(false)
    /// Somebody has been heard since the last round began.
    private let isAwaited = Box(false)

    /// Starts the thread.
    init(_ settings: Settings, audit: AuditWriter, logger: Logger) {
        let (wake, ended, isStopping, isAwaited) = (wake, ended, isStopping, isAwaited)
        let thread = Thread {
            linux_name_thread("unseen")
            var comparison = UnseenComparison(settings, audit: audit, logger: logger)
            while !isStopping.value {
                isAwaited.value = false
                comparison.compare()
                let rest = DispatchTimeInterval.nanoseconds(Int(clamping: settings.interval.nanoseconds))
                if wake.wait(timeout: .now() + rest) == .timedOut || isStopping.value { continue }
                // A row must be a little old before it is judged (``WatchLedger/grace``).
                _ = wake.wait(timeout: .now() + .nanoseconds(Int(WatchLedger.grace) + 100_000_000))
            }
            ended.signal()
        }
        thread.start()
    }

    /// DDL has passed the proxy: look soon. Any thread, never waits.
    func ddlPassed() {
        guard !isAwaited.value else { return }
        isAwaited.value = true
        wake.signal()
    }

    /// Ends the thread; waits for it a moment, unless the server keeps it.
    func stop() {
        isStopping.value = true
        wake.signal()
        _ = ended.wait(timeout: .now() + .seconds(2))
    }
}

/// The rounds of one watch. One thread.
private struct UnseenComparison: ~Copyable {
    private let settings: UnseenWatch.Settings
    private let audit: AuditWriter
    private let logger: Logger
    private var connection: ServerConnection?
    private var trail: WatchedTrail?
    /// Why the last round could not compare; told once.
    private var fault: String?

    init(_ settings: UnseenWatch.Settings, audit: AuditWriter, logger: Logger) {
        self.settings = settings
        self.audit = audit
        self.logger = logger
    }

    /// One round. What cannot be done now is done by a later one.
    mutating func compare() {
        let counters = audit.counters
        // What the trail has not taken yet would look as if it had never been.
        guard counters.fault == nil, counters.recordsInBacklog == 0 else { return }
        do throws(Obstacle) {
            try compareNow()
            if fault != nil {
                logger.notice("unseen DDL is looked for again", metadata: metadata)
                report(isOver: true, "unseen DDL is looked for again")
            }
            fault = nil
        } catch {
            if fault != error.reason {
                logger.warning("unseen DDL cannot be looked for: \(error.reason)", metadata: metadata)
                report("unseen DDL cannot be looked for: \(error.reason)")
            }
            fault = error.reason
        }
    }

    private func report(isOver: Bool = false, _ text: String) {
        audit.report(.unseen, isOver: isOver, database: settings.database ?? connection?.database ?? "", text)
    }

    private static let restoredText =
        "the server's transactions go back before what was compared: it was restored from a backup. Looking for unseen DDL "
        + "begins anew; holdfast audit unseen compares what lies between"

    private struct Obstacle: Error {
        var reason: String
    }

    private var metadata: Logger.Metadata { ["database": "\(settings.database ?? connection?.database ?? "")"] }

    private mutating func compareNow() throws(Obstacle) {
        let connection = try connected()
        if trail == nil {
            let live = try asked { () throws(ServerFault) in try GuardLog.liveProcesses(connection) }
            trail = try followed { () throws(AuditFault) in
                try WatchedTrail(path: settings.trailPath, database: connection.database, live: live)
            }
        }
        guard let watched = trail else { return }
        let log: GuardLog
        do throws(GuardLogFault) {
            log = try GuardLog.read(
                connection, transaction: watched.ledger.firstTransaction, evidenceSince: watched.ledger.evidenceSince)
        } catch {
            throw Obstacle(reason: error.description)
        }
        do throws(AuditFault) {
            try watched.readOn(live: log.liveProcesses)
        } catch {
            throw Obstacle(reason: error.description)
        }
        let round = watched.ledger.judge(log)
        if round.beginsAnew {
            logger.warning("\(Self.restoredText)", metadata: metadata)
        }
        guard round.isProgress || watched.wasRotated else { return }
        watched.wasRotated = false
        tell(round, of: log)
    }

    private mutating func connected() throws(Obstacle) -> ServerConnection {
        if let connection, connection.isAlive { return connection }
        let opened = try asked { () throws(ServerFault) in
            try ServerConnection(settings.connection, database: settings.database, purpose: "watch")
        }
        connection = opened
        return opened
    }

    private func asked<Answer>(_ question: () throws(ServerFault) -> Answer) throws(Obstacle) -> Answer {
        do throws(ServerFault) { return try question() } catch { throw Obstacle(reason: error.description) }
    }

    private func followed(_ opening: () throws(AuditFault) -> WatchedTrail) throws(Obstacle) -> WatchedTrail {
        do throws(AuditFault) { return try opening() } catch { throw Obstacle(reason: error.description) }
    }

    /// Findings and watermark go into the trail together, or not at all.
    private func tell(_ round: WatchLedger.Round, of log: GuardLog) {
        let now = linux_clock_realtime()
        var records = round.findings.map { finding in
            finding.record(time: now, id: String(linux_random(), radix: 16), database: log.database)
        }
        for record in records {
            logger.warning(
                "unseen DDL: \(record.finding?.text ?? "")",
                metadata: [
                    "audit_id": "\(record.id)", "finding": "\(record.finding?.kind ?? "")",
                    "database": "\(log.database)",
                ])
        }
        records.append(
            AuditRecord(
                event: .watermark, time: now, id: String(linux_random(), radix: 16),
                session: AuditRecord.SessionIdentity(
                    session: "", client: "", user: "", database: log.database, applicationName: "", tag: ""),
                watermark: round.watermark))
        audit.append(records)
    }
}

/// The proxy's own trail, read while it grows. One thread.
private final class WatchedTrail {
    var ledger: WatchLedger
    /// The file is a new one since the last watermark: it has to begin with one.
    var wasRotated = false
    private var reader: AuditReader

    init(path: String, database: String, live: Set<Int32>) throws(AuditFault) {
        var ledger = WatchLedger(database: database)
        var information = stat()
        guard stat(path, &information) == 0, information.st_mode & S_IFMT == S_IFREG else {
            throw AuditFault(description: "audit trail \(path): only a file can be read back")
        }
        // The last watermark may stand in the file before: the newest closed one, or what logrotate calls ".1".
        let closed = AuditFiles(livePath: path).members().last { $0.number != nil }
        let earlier = closed?.path ?? path + ".1"
        if access(earlier, R_OK) == 0 {
            var old = try AuditReader(path: earlier)
            try old.read { ledger.take($0, live: live) }
        }
        reader = try AuditReader(path: path)
        self.ledger = ledger
        try readOn(live: live)
    }

    /// Reads what was appended.
    func readOn(live: Set<Int32>) throws(AuditFault) {
        try reader.read { ledger.take($0, live: live) }
        if try reader.followRotation({ ledger.take($0, live: live) }) {
            wasRotated = true
            try reader.read { ledger.take($0, live: live) }
        }
    }
}

extension WatchLedger {
    /// Lines that a crash cut off say nothing; `holdfast audit unseen` reports them.
    fileprivate mutating func take(_ line: AuditLine, live: Set<Int32>) {
        if case .success(let record) = line.content { take(record, live: live) }
    }
}
