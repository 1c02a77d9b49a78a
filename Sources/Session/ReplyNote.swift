import Policy
import SQLParsing

/// What has to be done when the reply to a forwarded message comes. Ordinary messages have none.
///
/// Belongs to the one session machine that made it; never shared.
package final class ReplyNote {
    /// The message was replaced; its error has to be put into words.
    var refusal: Refusal?
    /// Sent to the client in front of the first reply.
    var notice: [UInt8]?
    /// A Query's statements, or an Execute's one, for transactions and prepared names; empty if all are ordinary.
    var statements: [StatementFacts] = []
    /// The audited statements, by their index in the text.
    var audited: [(index: Int, statement: AuditedStatement)] = []
    /// How many of the Query's statements the server has completed.
    var completedCount = 0
    /// What a Parse, Bind or Close does to the names once the server has done it.
    var naming: Naming = .none
    /// Holdfast's own question, put instead of forwarding the client's message.
    var question: OpenQuestion?
    /// The text that SQL-level PREPARE statements in it stem from.
    var remembered: RememberedStatement?

    enum Naming {
        case none
        case parsed([UInt8], RememberedStatement?)
        case bound([UInt8], RememberedStatement?)
        case closedStatement([UInt8])
        case closedPortal([UInt8])
    }
}

/// An audited statement on its way through the server.
final class AuditedStatement {
    let id: String
    var startedAt: Int64
    var finishedAt: Int64?
    var commandTag: String?
    var sqlState: String?
    var message: String?
    /// It may have committed before it ended or failed (``StatementFacts/mayCommit``).
    var mayCommit = false
    /// What was taken out of its text; never written anywhere, but looked for in the server's error.
    let secrets: [String]

    init(id: String, startedAt: Int64, secrets: [String] = []) {
        self.secrets = secrets
        self.id = id
        self.startedAt = startedAt
    }
}

/// A Parse's statement, kept until its name is free again: what an Execute of it would do.
final class RememberedStatement {
    let facts: TextFacts
    /// The text, secrets redacted.
    let sql: String
    /// What was taken out of it.
    let secrets: [String]
    /// The text as it came, where what it does depends on its parameters' values; several where it is not known which of
    /// several statements is meant.
    let parameterized: [ParameterizedText]
    /// What the parameters of the portal were bound to, if that is to be recorded.
    private(set) var parameters: [String?]?
    /// There was one way only in which the server could read the text.
    let hasOneReading: Bool
    /// The server reads the names as they stand in the facts, whatever bytes are in them.
    let readsCertainly: Bool
    /// About how much memory it takes.
    let byteCount: Int

    init(
        facts: TextFacts, sql: String, secrets: [String] = [], parameterized: [ParameterizedText] = [],
        hasOneReading: Bool = false, readsCertainly: Bool = false
    ) {
        self.secrets = secrets
        self.hasOneReading = hasOneReading
        self.readsCertainly = readsCertainly
        self.facts = facts
        self.sql = sql
        self.parameterized = parameterized
        byteCount =
            sql.utf8.count + secrets.reduce(0) { $0 + 16 + $1.utf8.count }
            + parameterized.reduce(256) { $0 + $1.text.count + 96 }
            + facts.statements.reduce(0) { $0 + 256 + $1.effects.count * 224 }
    }

    /// The same statement in a portal.
    func bound(to parameters: [String?]) -> RememberedStatement {
        let bound = RememberedStatement(
            facts: facts, sql: sql, secrets: secrets, parameterized: parameterized, hasOneReading: hasOneReading,
            readsCertainly: readsCertainly)
        bound.parameters = parameters
        return bound
    }

    /// Several statements of which one is meant and nobody knows which: all that any of them does.
    static func merged(_ records: [RememberedStatement]) -> RememberedStatement {
        var statements: [StatementFacts] = []
        var classes = ClassSet()
        for record in records {
            classes.formUnion(record.facts.classes)
            statements += record.facts.statements
        }
        return RememberedStatement(
            facts: TextFacts(classes: classes, statements: statements),
            sql: records.map(\.sql).joined(separator: "\n-- or --\n"), secrets: records.flatMap(\.secrets),
            parameterized: records.flatMap(\.parameterized), hasOneReading: records.allSatisfy(\.hasOneReading),
            readsCertainly: records.allSatisfy(\.readsCertainly))
    }
}
