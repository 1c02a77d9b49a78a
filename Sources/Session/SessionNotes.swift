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
    /// The snapshot that holds what the statement may lose.
    package var snapshot: String?
}

/// Something permanent that a statement may lose.
package struct LostThing: Sendable, Hashable {
    package enum Catalog: Sendable, Hashable { case relation, function, type }
    package var catalog: Catalog
    package var oid: UInt32
    /// The relation stays: columns or rows of it go.
    package var stays: Bool
    package init(_ catalog: Catalog, oid: UInt32, stays: Bool = false) {
        self.catalog = catalog
        self.oid = oid
        self.stays = stays
    }
}

/// A loss that the rules let pass, for whoever takes snapshots.
package struct SnapshotRequest: Sendable, Equatable {
    /// The server's process that will run it; nil if the server has not said.
    package var backend: Int32?
    /// What may be lost; nil if that is not known for certain.
    package var things: [LostThing]?
    /// Something may be lost that no snapshot of this database can hold: why.
    package var beyondReach: String?
    /// The first intent in the trail that is about it; empty where the trail is not told.
    package var auditID: String
    /// What kind of statement.
    package var command: String
}

/// What became of a ``SnapshotRequest``.
package enum SnapshotAnswer: Sendable, Equatable {
    /// The snapshot of this id holds everything.
    case taken(String)
    /// Nothing goes that anybody else could have seen: it was made in this transaction.
    case notNeeded
    /// The statement must not run, for this reason.
    case refused(String)
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
