import Configuration

/// What one round found in one database: what `holdfast watch --json` prints, and what a recovery starts from.
package struct WatchReport: Sendable, Codable, Equatable {
    package enum Status: String, Sendable, Codable {
        /// Everything that was looked at is as expected.
        case ok
        case findings
        /// Something could not be looked at: that there are no other findings proves nothing.
        case unknown
    }

    /// What a data check counted or was answered.
    package struct Check: Sendable, Codable, Equatable {
        package var name: String
        package var passed: Bool?
        package var rows: Int64?
        /// The rows when it last passed.
        package var formerRows: Int64?
    }

    package var watch: String
    /// Empty if it was not reached.
    package var database = ""
    /// When the round began, RFC 3339.
    package var time: String
    package var status = Status.ok
    /// Tables that must be there: qualified names, and patterns as they stand in proxy.conf.
    package var expectedTables: [String] = []
    /// Those of them that are not there.
    package var missingTables: [String] = []
    /// How many tables there are.
    package var tableCount = 0
    package var migrations: MigrationSummary?
    package var checks: [Check] = []
    package var server: ServerIdentity?
    package var findings: [WatchFinding] = []
    /// Parts that could not be looked at: what was found in them before still stands.
    package var unseen: [WatchFinding.Part] = []

    package init(watch: String, time: String) {
        self.watch = watch
        self.time = time
    }

    mutating func settle() {
        findings.sort { ($0.kind.order, $0.subject) < ($1.kind.order, $1.subject) }
        status = !unseen.isEmpty ? .unknown : findings.isEmpty ? .ok : .findings
    }
}

/// Migrations in a report.
package struct MigrationSummary: Sendable, Codable, Equatable {
    package var tool: String
    /// Where its state stands.
    package var table: String
    /// Alembic's revisions; for the others the newest version, if it has an order.
    package var current: [String]
    /// Alembic's heads in the folder; nil where no folder is given.
    package var heads: [String]?
    /// Scripts that have not run; nil where that is not known.
    package var pendingCount: Int?
}

extension WatchFinding.Kind {
    /// In reports, the gravest first: as they are declared.
    var order: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}
