import Configuration
import Foundation

/// The state of a database that somebody accepted: what is expected from then on.
package struct Baseline: Sendable, Codable, Equatable {
    /// Of the file's format.
    package var version = 1
    /// Made at random with each acceptance.
    package var id: String
    /// RFC 3339.
    package var acceptedAt: String
    package var database: String
    package var server: ServerIdentity
    package var tables: [TableShape]
    /// The migration tool whose state was there, and the table that it was in.
    package var tool: MigrationSettings.Tool?
    package var toolTable: String?
    /// What Alembic's table said; nil for other tools, and where it was not read.
    package var revisions: [String]?
    /// Rows of the tables that checks count, by the check's name.
    package var counts: [String: Int64]

    package init(
        id: String, acceptedAt: String, database: String, server: ServerIdentity, tables: [TableShape],
        tool: MigrationSettings.Tool?, toolTable: String?, revisions: [String]? = nil, counts: [String: Int64]
    ) {
        self.id = id
        self.acceptedAt = acceptedAt
        self.database = database
        self.server = server
        self.tables = tables
        self.tool = tool
        self.toolTable = toolTable
        self.revisions = revisions
        self.counts = counts
    }
}

/// Where a baseline comes from in a round.
package enum ExpectedState: Sendable {
    /// None is wanted: tables are named.
    case notUsed
    /// Nobody has accepted one.
    case missing
    /// Its file cannot be read: why.
    case unreadable(String)
    case baseline(Baseline)

    var baseline: Baseline? {
        if case .baseline(let baseline) = self { baseline } else { nil }
    }
}
