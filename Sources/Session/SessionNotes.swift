import Policy
import SQLParsing

/// An audited statement before it is forwarded, or a refused one: what the trail is told. Time and the session's
/// identity are added by whoever writes it.
package struct StatementNote: Sendable, Equatable {
    package enum Event: Sendable { case intent, refusal }
    package var event: Event
    package var id: String
    package var command: String
    /// The text, secrets redacted.
    package var sql: String
    package var classes: [String]
    package var objects: [ObjectName]
    package var action: RuleAction
    package var rule: String?
    package var remarks: [String]
    package var losses: LossFigures?
    /// What the statement's parameters were bound to; nil unless that is wanted and known.
    package var parameters: [String?]?
}

/// A loss that the rules let pass, for the guard inside the database.
package struct GrantRequest: Sendable, Equatable {
    /// The process that will run it.
    package var backend: Int32
    /// The OIDs of what may be lost; nil for any relation.
    package var relations: [UInt32]?
    /// The intent in the trail.
    package var auditID: String
}

/// What became of an audited statement.
package struct OutcomeNote: Sendable, Equatable {
    /// `lost`: open and idle when the connection ended, so the server rolls it back. `unknown`: an answer was owed.
    package enum TransactionEnd: Sendable {
        case committed, rolledBack, rolledBackToSavepoint, prepared, lost, unknown
    }
    package var id: String
    package var commandTag: String?
    package var sqlState: String?
    package var message: String?
    package var rows: Int64?
    package var durationNanoseconds: Int64?
    package var transaction: TransactionEnd
    /// The name of the prepared transaction.
    package var gid: String?
}

/// A prepared transaction was decided: COMMIT PREPARED, ROLLBACK PREPARED.
package struct DecidedTransaction: Sendable, Equatable {
    package var gid: String
    package var isCommitted: Bool
}
