/// What a snapshot is to hold.
package struct SnapshotWish: Sendable {
    package enum Scope: Sendable {
        /// What may be lost: relations by their OIDs, of the second kind only columns or rows, functions, types.
        case things(relations: [UInt32], staying: [UInt32], functions: [UInt32], types: [UInt32])
        /// Tables by their names, as SQL writes them.
        case named([String])
        /// Every table.
        case database
    }

    /// nil: the one that the connection string names.
    package var database: String?
    package var scope: Scope
    /// The server's process whose transaction will lose it, and waits for the snapshot; nil if none does.
    package var backend: Int32?
    package var cause: SnapshotManifest.Cause

    package init(database: String?, scope: Scope, backend: Int32? = nil, cause: SnapshotManifest.Cause) {
        self.database = database
        self.scope = scope
        self.backend = backend
        self.cause = cause
    }
}
