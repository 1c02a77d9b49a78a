import Policy
import SQLParsing

/// Snapshots of what a statement that the rules let pass would lose: `[snapshots]`.
package struct SnapshotSettings: Sendable, Hashable {
    /// What becomes of a statement whose snapshot would be larger, or take longer, than proxy.conf allows.
    package enum Beyond: String, Sendable, CaseIterable {
        /// It is refused.
        case refuse
        /// It passes with a snapshot of the definitions alone.
        case schemaOnly = "schema-only"
    }

    /// What becomes of a statement of which it is not known what it loses.
    package enum Unknown: String, Sendable, CaseIterable {
        case refuse
        /// The snapshot holds every table of the database.
        case database
    }

    /// Where snapshots are kept, absolute or relative to the folder of proxy.conf; empty: none are taken.
    package var folder = ""
    /// libpq connection string; empty: that of `[guard]`, else of `[catalog]`.
    package var connection = ""
    /// Patterns of the databases that it is about; empty for all.
    package var databases: [Glob] = []
    /// Patterns of the tags that it is about; empty for production alone.
    package var tags: [Glob] = []
    /// Statements of these classes wait for a snapshot.
    package var classes: ClassSet?
    /// The most that a snapshot's files may have, in bytes.
    package var maximumByteCount = 1 << 30
    /// How long a snapshot may take.
    package var timeout = Duration.seconds(60)
    /// How long it may wait for locks of others.
    package var lockTimeout = Duration.seconds(5)
    package var beyond = Beyond.refuse
    package var unknown = Unknown.refuse
    /// So many snapshots are kept, 0 for all; none that is older (nil for however old); and no more bytes than these, 0 for
    /// all. What was taken within the last hour stays.
    package var keptCount = 0
    package var keptAge: Duration?
    package var keptByteCount = 0
    /// pg_dump's path; pg_restore and psql are taken from beside it. Empty: looked for.
    package var dumpProgram = ""

    package init() {}

    package var areOn: Bool { !folder.isEmpty }

    /// Whether snapshots are taken of what sessions of this tag lose in this database.
    package func concern(tag: String, database: String) -> Bool {
        areOn && (tags.isEmpty ? tag == Tag.production : tags.contains { $0.matches(tag) })
            && (databases.isEmpty || databases.contains { $0.matches(database) })
    }
}

extension ProxyConfiguration {
    /// How Holdfast reaches the server for snapshots; empty if it cannot.
    package var snapshotConnection: String {
        if !snapshots.connection.isEmpty { return snapshots.connection }
        if guardSettings.isReachable { return guardSettings.connection }
        return catalog.connection ?? ""
    }
}
