import Audit

@testable import Unseen

/// A trail and a log of one database, written side by side. Times are milliseconds.
struct Scene {
    var trail = TrailIndex(database: "shop")
    var rows: [ServerDDL] = []
    var live: Set<Int32> = []
    var ancestors: [UInt32: [[String]]] = [:]
    private var lastID = 0

    static func nanoseconds(_ milliseconds: Int64) -> Int64 { 1_700_000_000_000_000_000 + milliseconds * 1_000_000 }

    static func session(_ process: Int32, _ name: String = "s1") -> AuditRecord.SessionIdentity {
        AuditRecord.SessionIdentity(
            session: name, client: "10.0.0.1:4000", user: "alice", database: "shop", applicationName: "app",
            tag: "production", backendProcessID: process)
    }

    mutating func begin(_ process: Int32, _ name: String = "s1", at time: Int64 = 0) {
        take(.sessionStart, name, Self.session(process, name), time)
    }

    mutating func end(_ process: Int32, _ name: String = "s1", at time: Int64) {
        take(.sessionEnd, name, Self.session(process, name), time)
    }

    mutating func take(_ event: AuditRecord.Event, _ id: String, _ session: AuditRecord.SessionIdentity, _ time: Int64)
    {
        trail.take(AuditRecord(event: event, time: Self.nanoseconds(time), id: id, session: session))
    }

    /// An intent, and unless `end` is nil its outcome.
    mutating func statement(
        _ sql: String, _ command: String, classes: [String], _ objects: [(String, String)] = [], remarks: [String] = [],
        in process: Int32 = 7, _ name: String = "s1", at time: Int64 = 1000, answeredAfter duration: Int64 = 10,
        end: AuditRecord.TransactionEnd? = .committed, failed: Bool = false
    ) {
        lastID += 1
        let id = "i\(lastID)"
        trail.take(
            AuditRecord(
                event: .intent, time: Self.nanoseconds(time), id: id, session: Self.session(process, name),
                statement: AuditRecord.Statement(
                    command: command, sql: sql, classes: classes,
                    objects: objects.map { AuditRecord.Object(kind: $0.0, name: $0.1) }, verdict: "allow", rule: nil,
                    remarks: remarks)))
        guard let end else { return }
        trail.take(
            AuditRecord(
                event: .outcome, time: Self.nanoseconds(time + duration + 1), id: id,
                session: Self.session(process, name),
                outcome: AuditRecord.Outcome(
                    commandTag: failed ? nil : command, sqlState: failed ? "42P01" : nil, message: nil, rows: nil,
                    durationMicroseconds: duration * 1000, transaction: end)))
    }

    mutating func row(
        _ phase: ServerDDL.Phase, _ tag: String, _ type: String, _ identity: String?, in process: Int32 = 7,
        began: Int64 = -5, at time: Int64 = 1005, transaction: UInt64 = 100, original: Bool = true,
        inExtension: Bool = false, oid: UInt32 = 0, auditID: String? = nil
    ) {
        rows.append(
            ServerDDL(
                id: Int64(rows.count + 1), time: Self.nanoseconds(time), user: "alice", applicationName: "psql",
                client: "10.0.0.9:5000", process: process, processStart: Self.nanoseconds(began),
                transaction: transaction, phase: phase, tag: tag, objectType: type,
                schema: identity?.split(separator: ".").first.map(String.init), identity: identity, oid: oid,
                isOriginal: original, isInExtension: inExtension, auditID: auditID))
    }

    func findings(
        offset: Int64 = 0, since: Int64? = nil, until: Int64? = nil, logSince: Int64? = -1_000_000
    ) -> [UnseenFinding] {
        var trail = trail
        trail.settle()
        var matcher = UnseenMatcher(
            trail: trail, rows: rows,
            scope: UnseenMatcher.Scope(
                clockOffset: offset * 1_000_000, uncertainty: 1_000_000, since: since.map(Self.nanoseconds) ?? .min,
                until: until.map(Self.nanoseconds) ?? .max, logSince: logSince.map(Self.nanoseconds),
                logUntil: Self.nanoseconds(1_000_000), liveProcesses: live, ancestors: ancestors))
        return matcher.findings()
    }

    /// Each finding's kind, and how many rows it has.
    func summary() -> [String] { findings().map { "\($0.kind.rawValue) \($0.rows.count)" } }
}
