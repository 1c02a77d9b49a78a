import Audit
import CLinux
import SQLParsing
import Session

/// Turns what a session machine notes into records of the trail: adds the time and whose statement it was.
struct AuditBridge {
    var identity: AuditRecord.SessionIdentity

    func record(_ note: StatementNote) -> AuditRecord {
        AuditRecord(
            event: note.event == .intent ? .intent : .refusal, time: linux_clock_realtime(), id: note.id,
            session: identity,
            statement: AuditRecord.Statement(
                command: note.command, sql: note.sql, classes: note.classes,
                objects: note.objects.map { AuditRecord.Object(kind: $0.kind.rawValue, name: $0.qualifiedName) },
                verdict: note.action.rawValue, rule: note.rule, remarks: note.remarks))
    }

    func record(_ note: OutcomeNote) -> AuditRecord {
        AuditRecord(
            event: .outcome, time: linux_clock_realtime(), id: note.id, session: identity,
            outcome: AuditRecord.Outcome(
                commandTag: note.commandTag, sqlState: note.sqlState, message: note.message, rows: note.rows,
                durationMicroseconds: note.durationNanoseconds.map { $0 / 1000 },
                transaction: Self.end(note.transaction)))
    }

    /// A record about the session itself.
    func record(_ event: AuditRecord.Event) -> AuditRecord {
        AuditRecord(event: event, time: linux_clock_realtime(), id: identity.session, session: identity)
    }

    /// A record about the proxy itself.
    static func record(_ event: AuditRecord.Event) -> AuditRecord {
        AuditRecord(
            event: event, time: linux_clock_realtime(), id: String(linux_random(), radix: 16),
            session: .nobody)
    }

    private static func end(_ end: OutcomeNote.TransactionEnd) -> AuditRecord.TransactionEnd {
        switch end {
        case .committed: .committed
        case .rolledBack: .rolledBack
        case .prepared: .prepared
        case .unknown: .unknown
        }
    }
}
