/// One thing that a statement would do: a class, and the object it would do it to where one is named.
///
/// Rules judge effect by effect, so that `DROP TABLE scratch.a, public.users` cannot hide behind its first name.
package struct Effect: Sendable, Hashable {
    package var statementClass: StatementClass
    package var object: ObjectName?
    /// Where it would happen.
    package var place: EffectPlace

    package init(_ statementClass: StatementClass, _ object: ObjectName? = nil, in place: EffectPlace = .here) {
        self.statementClass = statementClass
        self.object = object
        self.place = place
    }
}

/// The database that an effect is on.
package enum EffectPlace: Sendable, Hashable {
    /// The session's own.
    case here
    /// The session's own, but later, and in another session: a scheduled job.
    case later
    /// Also another one, by its name: through dblink, a foreign server, a subscription.
    case database(String)
    /// Perhaps another one, nobody knows which.
    case unknown
}

/// What a statement does to the transaction it runs in.
package enum TransactionControl: Sendable, Hashable {
    case none
    case begin
    case commit(chain: Bool)
    case rollback(chain: Bool)
    case savepoint(String)
    case release(String)
    case rollbackTo(String)
    /// PREPARE TRANSACTION, with its name.
    case prepareTransaction(String)
    /// COMMIT PREPARED and ROLLBACK PREPARED: another transaction's end, by its name.
    case endPrepared(String)

    /// The server's command tag tells all that there is to know of it.
    package var isToldByTag: Bool {
        switch self {
        case .none, .begin, .commit, .rollback: true
        case .savepoint, .release, .rollbackTo, .prepareTransaction, .endPrepared: false
        }
    }
}

/// What a statement does to the session's prepared statements.
package enum PreparedStatementUse: Sendable, Hashable {
    case none
    /// PREPARE name AS …; the facts hold the inner statement's effects.
    case prepare(String)
    case execute(String)
    case deallocate(String)
    /// DEALLOCATE ALL and DISCARD ALL.
    case deallocateAll
}

/// What is known about one statement from its text alone.
package struct StatementFacts: Sendable, Hashable {
    /// The statement's bytes in the analyzed text, without the semicolon.
    package var range: Range<Int>
    /// The command, as PostgreSQL's own command tag names it where there is one (`DROP TABLE`, `ALTER TABLE`, `DO`).
    package var command: String
    /// The classes of all effects.
    package var classes: ClassSet
    /// Each class with each object that it concerns; never empty when `classes` is not.
    package var effects: [Effect]
    package var transaction: TransactionControl
    package var prepared: PreparedStatementUse
    /// IF EXISTS or IF NOT EXISTS was written.
    package var isConditional: Bool
    /// The server runs it in no transaction block (`PreventInTransactionBlock`, xact.c): DROP DATABASE, CONCURRENTLY.
    package var mustRunAlone = false
    /// It may commit on its way, and go on: a procedure, or a DO block with COMMIT in it. Not within a transaction block.
    package var mayCommit = false
    /// Some of it is done by code that is in the database already: where names lead there, the session cannot tell.
    package var runsStoredCode = false
    /// What it would take along, once the server was asked.
    package var losses: LossFigures?
    /// What the analysis wants a reader to know (`in a DO body: DROP TABLE users`); empty for most.
    package var remarks: [String]

    package init(
        range: Range<Int>, command: String, classes: ClassSet = [], effects: [Effect] = [],
        transaction: TransactionControl = .none, prepared: PreparedStatementUse = .none, isConditional: Bool = false,
        remarks: [String] = []
    ) {
        self.range = range
        self.command = command
        self.classes = classes
        self.effects = effects
        self.transaction = transaction
        self.prepared = prepared
        self.isConditional = isConditional
        self.remarks = remarks
    }

    /// Nothing to judge, to record or to remember.
    package var isOrdinary: Bool { classes.isEmpty && transaction == .none && prepared == .none }
}

/// How much a statement would take along.
package struct LossFigures: Sendable, Hashable {
    /// Relations, columns, and whatever else.
    package var objectCount: Int
    package var tableCount: Int
    /// By the server's statistics; nil where it has none.
    package var rowCount: Int64?
    package var byteCount: Int64?
    /// There is more than the server was asked to list.
    package var isCut: Bool

    package init(objectCount: Int, tableCount: Int, rowCount: Int64?, byteCount: Int64?, isCut: Bool) {
        self.objectCount = objectCount
        self.tableCount = tableCount
        self.rowCount = rowCount
        self.byteCount = byteCount
        self.isCut = isCut
    }

    /// Of several statements together.
    package static func sum(_ all: [LossFigures]) -> LossFigures? {
        guard var sum = all.first else { return nil }
        for other in all.dropFirst() {
            sum.objectCount += other.objectCount
            sum.tableCount += other.tableCount
            if let rows = other.rowCount { sum.rowCount = (sum.rowCount ?? 0) &+ rows }
            if let bytes = other.byteCount { sum.byteCount = (sum.byteCount ?? 0) &+ bytes }
            sum.isCut = sum.isCut || other.isCut
        }
        return sum
    }
}

/// What is known about one text: a Query message's statements, or a Parse message's one.
package struct TextFacts: Sendable, Hashable {
    /// The classes of all statements.
    package var classes: ClassSet
    /// Every statement in order; empty when all are ordinary (the common case allocates nothing).
    package var statements: [StatementFacts]
    /// A DELETE or UPDATE chooses its rows, and the text has parameters: with their values it may choose them all.
    package var choosesByParameter: Bool

    package init(classes: ClassSet = [], statements: [StatementFacts] = [], choosesByParameter: Bool = false) {
        self.classes = classes
        self.statements = statements
        self.choosesByParameter = choosesByParameter
    }

    /// All statements are ordinary.
    package var isOrdinary: Bool { statements.isEmpty }

    /// Nothing to judge, to record or to remember: all statements are ordinary, or begin or end a transaction.
    package var leavesNothing: Bool {
        statements.allSatisfy { $0.classes.isEmpty && $0.prepared == .none && $0.transaction.isToldByTag }
    }
}
