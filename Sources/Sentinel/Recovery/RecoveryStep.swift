import Configuration

/// One step of a recovery. Each can be run again after it was broken off.
package enum RecoveryStep: Codable, Sendable, Equatable {
    /// An empty database, for the migrations to make everything in.
    case makeScratch(database: String)
    case migrateScratch(database: String, targets: [String], areHeads: Bool)
    /// Whether the tables that are there are as the migrations make them. Where the revision was only guessed a difference
    /// ends the recovery.
    case compare(database: String, isStrict: Bool)
    case restore(snapshot: String, tables: [RecoveryTable], hasRows: Bool)
    /// From the scratch database, with what hangs on them.
    case copy(database: String, tables: [RecoveryTable])
    case dropScratch(database: String)
    /// Alembic's table says nothing any more.
    case reset(table: TableName)
    /// All migrations, in the database itself.
    case migrate(table: TableName, targets: [String], areHeads: Bool)
    /// Alembic's table says these revisions.
    case stamp(table: TableName, revisions: [String])
    /// Foreign keys that were made without looking at the rows.
    case validate(tables: [RecoveryTable])
    case verify

    /// In a list, for people.
    package var text: String {
        switch self {
        case .makeScratch(let database): "make the empty scratch database \(database)"
        case .migrateScratch(let database, let targets, let areHeads):
            "run the migrations in \(database), up to \(Self.words(targets, areHeads))"
        case .compare(let database, let isStrict):
            "compare the tables that are there with those in \(database)"
                + (isStrict ? "; stop if they differ" : "")
        case .restore(let snapshot, let tables, let hasRows):
            "restore \(Self.names(tables)) from snapshot \(snapshot)" + (hasRows ? ", with rows" : ", without rows")
        case .copy(let database, let tables):
            "copy \(Self.names(tables)) from \(database), with what hangs on \(tables.count == 1 ? "it" : "them")"
        case .dropScratch(let database): "drop the scratch database \(database)"
        case .reset(let table): "reset the migration state: empty \(table)"
        case .migrate(_, let targets, let areHeads):
            "run the migrations in the database itself, up to \(Self.words(targets, areHeads))"
        case .stamp(let table, let revisions): "let \(table) say \(revisions.joined(separator: ", "))"
        case .validate: "check the rows behind the foreign keys that came back"
        case .verify: "verify: expected tables, migration state and data checks, as the watch does"
        }
    }

    private static func words(_ targets: [String], _ areHeads: Bool) -> String {
        let list = targets.joined(separator: ", ")
        return areHeads ? "\(targets.count == 1 ? "head" : "heads") (\(list))" : list
    }

    static func names(_ tables: [RecoveryTable]) -> String {
        guard tables.count > 4 else { return tables.map(\.text).joined(separator: ", ") }
        return "\(tables.count) tables (\(tables.prefix(3).map(\.text).joined(separator: ", ")), …)"
    }

    /// Whether it changes the watched database.
    package var changesDatabase: Bool {
        switch self {
        case .restore, .copy, .reset, .migrate, .stamp, .validate: true
        case .makeScratch, .migrateScratch, .compare, .dropScratch, .verify: false
        }
    }
}
