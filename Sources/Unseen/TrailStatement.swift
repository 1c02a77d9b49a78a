import Audit

/// A statement that the trail holds: its intent, and what became of it.
package struct TrailStatement: Sendable, Equatable {
    package enum End: Sendable, Equatable {
        /// No outcome, or one that says nobody knows.
        case inDoubt
        case committed
        /// PREPARE TRANSACTION: decided later, perhaps.
        case prepared
        /// Rolled back, failed, or not run at all.
        case undone
    }

    package var id: String
    package var session: AuditRecord.SessionIdentity
    /// When the intent was written, by the proxy's clock: nanoseconds since 1970.
    package var time: Int64
    package var shown: AuditRecord.Statement
    package private(set) var end = End.inDoubt
    package private(set) var commandTag: String?
    /// When the server answered; nil if no answer is known.
    package private(set) var answerTime: Int64?
    /// When its end was recorded.
    package private(set) var endTime: Int64?

    package init?(_ record: AuditRecord) {
        guard record.event == .intent, let statement = record.statement else { return nil }
        id = record.id
        session = record.session
        time = record.time
        shown = statement
    }

    /// It was said to have taken effect, or nobody knows.
    var mayHaveTakenEffect: Bool {
        switch end {
        case .committed, .inDoubt: true
        case .undone, .prepared: false
        }
    }

    package mutating func ended(_ outcome: AuditRecord.Outcome, at time: Int64) {
        commandTag = outcome.commandTag
        answerTime = outcome.durationMicroseconds.map { self.time &+ $0 &* 1000 }
        endTime = time
        switch outcome.transaction {
        case .committed: end = .committed
        case .prepared: end = .prepared
        case .rolledBack, .rolledBackToSavepoint, .lost: end = .undone
        case .unknown: end = .inDoubt
        }
    }
}
