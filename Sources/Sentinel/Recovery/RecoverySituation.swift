import Configuration
import Snapshots

/// All that a plan is made from: what the watch found, and what there is to recover from.
package struct RecoverySituation: Sendable {
    /// Where the migrations of a database stand, and what is known of their scripts.
    package struct Migrations: Sendable {
        package var tool: MigrationSettings.Tool
        /// Where the tool keeps its state.
        package var table: TableName
        package var isTableThere: Bool
        /// What it says (Alembic); empty where it is gone or empty.
        package var current: [String]
        /// What it said at the accepted state; nil where that is not known.
        package var accepted: [String]?
        package var scripts: Scripts
        /// The tool's state is the tool's own, and it has lost it.
        package var isStateLost: Bool { !isTableThere || current.isEmpty }

        package init(
            tool: MigrationSettings.Tool, table: TableName, isTableThere: Bool, current: [String],
            accepted: [String]? = nil, scripts: Scripts
        ) {
            self.tool = tool
            self.table = table
            self.isTableThere = isTableThere
            self.current = current
            self.accepted = accepted
            self.scripts = scripts
        }
    }

    package enum Scripts: Sendable, Equatable {
        /// proxy.conf names no folder.
        case absent
        /// They cannot be read, or not whole: why.
        case unreadable(String)
        /// Alembic's revisions, and those that no other builds on.
        case alembic(revisions: Set<String>, heads: [String])
    }

    package var watch: String
    package var database: String
    /// Expected tables that are missing, without the migration tool's own if that is Alembic's.
    package var lost: [RecoveryTable]
    package var expectedCount: Int
    package var migrations: Migrations?
    /// Whole snapshots of this database, the newest first.
    package var snapshots: [SnapshotManifest] = []
    /// What is in the database besides the migration tool's table and stands in the way of running all migrations anew.
    package var leftovers: [String] = []
    /// Why migrations cannot be run here; nil if they can.
    package var programFault: String?
    /// Why no scratch database can be made; nil if it can.
    package var scratchFault: String?
    /// A name for it that nothing else has.
    package var scratchName = ""
    /// When the state was accepted that the tables are expected by; RFC 3339.
    package var acceptedAt: String?
    /// What else the watch found and a recovery does not mend.
    package var others: [WatchFinding] = []

    package init(watch: String, database: String, lost: [RecoveryTable], expectedCount: Int) {
        self.watch = watch
        self.database = database
        self.lost = lost
        self.expectedCount = expectedCount
    }
}
