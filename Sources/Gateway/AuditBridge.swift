import Audit
import CLinux
import Configuration
import SQLParsing
import Session

/// Turns what a session machine notes into records of the trail: adds the time and whose statement it was.
struct AuditBridge {
    var identity: AuditRecord.SessionIdentity
    /// Longer texts are cut: bytes of UTF-8.
    var maximumTextBytes = 1 << 20
    /// A fingerprint is made of texts up to this size: it takes time on the session's loop.
    private static let fingerprintedBytes = 256 << 10

    func record(_ note: StatementNote) -> AuditRecord {
        var statement = AuditRecord.Statement(
            command: note.command, sql: note.sql, classes: note.classes,
            objects: note.objects.map { AuditRecord.Object(kind: $0.kind.rawValue, name: $0.qualifiedName) },
            verdict: note.action.rawValue, rule: note.rule, remarks: note.remarks)
        if note.sql.utf8.count <= Self.fingerprintedBytes {
            var text = note.sql
            statement.fingerprint = text.withUTF8 { Fingerprint(of: UnsafeRawBufferPointer($0)).description }
        }
        statement.blastRadius = note.losses.map { losses in
            AuditRecord.BlastRadius(
                objectCount: Int64(losses.objectCount), tableCount: Int64(losses.tableCount),
                rowCount: losses.rowCount, byteCount: losses.byteCount, isCut: losses.isCut)
        }
        statement.parameters = note.parameters
        statement.snapshot = note.snapshot
        statement.shorten(to: maximumTextBytes)
        return AuditRecord(
            event: note.event == .intent ? .intent : .refusal, time: linux_clock_realtime(), id: note.id,
            session: identity, statement: statement)
    }

    func record(_ note: OutcomeNote) -> AuditRecord {
        AuditRecord(
            event: .outcome, time: linux_clock_realtime(), id: note.id, session: identity,
            outcome: AuditRecord.Outcome(
                commandTag: note.commandTag, sqlState: note.sqlState, message: note.message, rows: note.rows,
                durationMicroseconds: note.durationNanoseconds.map { $0 / 1000 },
                transaction: Self.end(note.transaction), gid: note.gid))
    }

    /// A prepared transaction with recorded statements was decided.
    func record(_ note: DecidedTransaction) -> AuditRecord {
        AuditRecord(
            event: .transactionEnd, time: linux_clock_realtime(), id: String(linux_random(), radix: 16),
            session: identity,
            outcome: AuditRecord.Outcome(
                commandTag: note.isCommitted ? "COMMIT PREPARED" : "ROLLBACK PREPARED", sqlState: nil, message: nil,
                rows: nil, durationMicroseconds: nil, transaction: note.isCommitted ? .committed : .rolledBack,
                gid: note.gid))
    }

    /// A record about the session itself.
    func record(_ event: AuditRecord.Event, _ connection: AuditRecord.Connection?) -> AuditRecord {
        AuditRecord(
            event: event, time: linux_clock_realtime(), id: identity.session, session: identity, connection: connection)
    }

    /// A record about the proxy itself.
    static func record(_ event: AuditRecord.Event, _ service: AuditRecord.Service? = nil) -> AuditRecord {
        AuditRecord(
            event: event, time: linux_clock_realtime(), id: String(linux_random(), radix: 16),
            session: .nobody, service: service)
    }

    /// The proxy has been given this configuration.
    ///
    /// - Parameter former: the one that it had before; nil at the start.
    static func service(_ configuration: ProxyConfiguration, former: ProxyConfiguration? = nil) -> AuditRecord.Service {
        let hash = configuration.source.isEmpty ? nil : AuditDigest.sha256(configuration.source)
        guard let former else {
            let sessions = configuration.guardSettings.isReachable ? .all : configuration.audit.sessions
            return AuditRecord.Service(
                version: ProgramVersion.text, configurationHash: hash, sessions: sessions.rawValue)
        }
        let changes = ConfigurationDifference.changes(from: former.source, to: configuration.source)
        return AuditRecord.Service(
            version: ProgramVersion.text, configurationHash: hash,
            changes: changes.map { AuditRecord.Change(key: $0.key, old: $0.old, new: $0.new) })
    }

    private static func end(_ end: OutcomeNote.TransactionEnd) -> AuditRecord.TransactionEnd {
        switch end {
        case .committed: .committed
        case .rolledBack: .rolledBack
        case .rolledBackToSavepoint: .rolledBackToSavepoint
        case .prepared: .prepared
        case .lost: .lost
        case .unknown: .unknown
        }
    }
}

extension AuditWriter {
    /// Something that the guard needs has failed, or works again.
    ///
    /// - Parameter database: the one that it is about, if it is about one.
    func report(_ kind: AuditRecord.Fault.Kind, isOver: Bool = false, database: String = "", _ text: String) {
        var session = AuditRecord.SessionIdentity.nobody
        session.database = database
        append(
            [
                AuditRecord(
                    event: .fault, time: linux_clock_realtime(), id: String(linux_random(), radix: 16),
                    session: session,
                    fault: AuditRecord.Fault(kind, isOver: isOver, text: SecretRedaction.redacted(text: text)))
            ], durability: .write)
    }
}
