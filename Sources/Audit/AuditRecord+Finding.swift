extension AuditRecord {
    /// What the server's own log of DDL and the trail do not agree on: finding records. The record's session tells whose
    /// the server's process was.
    package struct Finding: Sendable, Equatable {
        /// `other_route`, `more_than_shown` or `never_executed`.
        package var kind: String
        /// The ids of the rows of `holdfast.ddl`.
        package var rows: [Int64]
        /// The server's transaction.
        package var transaction: UInt64?
        /// When the server did it, by the trail's clock.
        package var executedAt: Int64
        /// The command tags, each once.
        package var commands: [String]
        package var objects: [Object]
        /// The id of the intent that is concerned, if one is.
        package var statementID: String?
        /// For people.
        package var text: String

        package init(
            kind: String, rows: [Int64], transaction: UInt64?, executedAt: Int64, commands: [String], objects: [Object],
            statementID: String?, text: String
        ) {
            self.kind = kind
            self.rows = rows
            self.transaction = transaction
            self.executedAt = executedAt
            self.commands = commands
            self.objects = objects
            self.statementID = statementID
            self.text = text
        }
    }

    /// How far the server's log has been compared with the trail: watermark records.
    package struct Watermark: Sendable, Equatable {
        /// Rows of transactions below this number have been judged.
        package var transaction: UInt64
        /// Intents before this time have been judged: nanoseconds since 1970.
        package var time: Int64

        package init(transaction: UInt64, time: Int64) {
            self.transaction = transaction
            self.time = time
        }
    }
}
