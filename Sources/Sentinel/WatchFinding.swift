/// One thing that is not as it should be in a watched database. Findings are told apart by their kind and their
/// subject: as long as both are the same it is the same finding, however its text changes.
package struct WatchFinding: Sendable, Hashable, Codable {
    /// What can be found. The raw value is the name in reports, in the trail and in what is sent; it never changes.
    package enum Kind: String, Sendable, Codable, CaseIterable {
        /// The server cannot be reached, or does not let us in.
        case unreachable
        /// The catalog cannot be read.
        case unreadable
        /// There is no accepted state to compare with, so nobody can say whether something is missing.
        case baselineMissing = "baseline_missing"
        case baselineUnreadable = "baseline_unreadable"
        /// What was remembered of former rounds is lost.
        case stateLost = "state_lost"

        case tableMissing = "table_missing"
        case tableUnexpected = "table_unexpected"
        case tableChanged = "table_changed"
        case columnMissing = "column_missing"
        case columnUnexpected = "column_unexpected"
        case columnChanged = "column_changed"

        /// The migration state says what the tables do not: "head", and tables are missing.
        case migrationDisagrees = "migration_disagrees"
        /// The table of the migration state is gone or empty.
        case migrationStateMissing = "migration_state_missing"
        case migrationUnreadable = "migration_unreadable"
        case migrationHeads = "migration_heads"
        case migrationUnknown = "migration_unknown"
        case migrationBehind = "migration_behind"
        case migrationFailed = "migration_failed"
        /// The folder of the scripts, or one of them, cannot be read.
        case migrationFolder = "migration_folder"

        case rowsTooFew = "rows_too_few"
        case rowsFell = "rows_fell"
        case checkFalse = "check_false"
        case checkFailed = "check_failed"

        case serverRestarted = "server_restarted"
        case serverFailedOver = "server_failed_over"
        case serverRestored = "server_restored"
        case serverReplaced = "server_replaced"
    }

    /// What a round looks at, one after the other. What could not be looked at in a round keeps its findings.
    package enum Part: Sendable, Hashable, Codable {
        case connection, state, server, tables, migrations, folder
        case check(String)

        /// In reports.
        package var text: String {
            switch self {
            case .connection: "connection"
            case .state: "state"
            case .server: "server"
            case .tables: "tables"
            case .migrations: "migrations"
            case .folder: "migration scripts"
            case .check(let name): "check \(name)"
            }
        }
    }

    package var kind: Kind
    package var part: Part
    /// What it is about: a table, a column, a revision, a check; empty for the database as such.
    package var subject: String
    /// For people: what was found and, where it is not plain, what to do.
    package var text: String

    package init(_ kind: Kind, _ part: Part, _ subject: String = "", _ text: String) {
        self.kind = kind
        self.part = part
        self.subject = subject
        self.text = text
    }

    /// What tells findings apart.
    package struct Key: Sendable, Hashable, Codable {
        package var kind: Kind
        package var subject: String
    }

    package var key: Key { Key(kind: kind, subject: subject) }
}
