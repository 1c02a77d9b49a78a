import Configuration
import Snapshots

/// Findings, snapshots and scripts in, plan out. Pure.
///
/// Each missing table comes from the newest snapshot that holds it with its rows. Tables that no snapshot holds are made by
/// the migrations: in the database itself where nothing else is in it, else in a scratch database from which only they are
/// taken, since CREATE TABLE fails on every table that is there.
package struct RecoveryPlanner {
    private let situation: RecoverySituation
    private var plan: RecoveryPlan

    package static func plan(_ situation: RecoverySituation) -> RecoveryPlan {
        var planner = RecoveryPlanner(situation)
        planner.fill()
        return planner.plan
    }

    private init(_ situation: RecoverySituation) {
        self.situation = situation
        plan = RecoveryPlan(
            watch: situation.watch, database: situation.database, expectedCount: situation.expectedCount)
    }

    /// Up to where migrations are run.
    private enum Target {
        /// Nobody says how; why.
        case unknown(String)
        /// - Parameter isGuess: neither the database nor the accepted state names it.
        case revisions([String], areHeads: Bool, isGuess: Bool)
    }

    private mutating func fill() {
        var restored: [(snapshot: SnapshotManifest, tables: [RecoveryTable])] = []
        var rest: [RecoveryTable] = []
        for table in situation.lost {
            guard let snapshot = newest(table) else {
                rest.append(table)
                continue
            }
            if let index = restored.firstIndex(where: { $0.snapshot.id == snapshot.id }) {
                restored[index].tables.append(table)
            } else {
                restored.append((snapshot, [table]))
            }
        }
        // What was lost last comes back first: what was lost before it may have hung on it.
        restored.sort { $0.snapshot.id > $1.snapshot.id }
        var sources: [RecoveryTable: RecoveryPlan.Source] = [:]
        for (snapshot, tables) in restored {
            for table in tables { sources[table] = Self.source(table, snapshot) }
        }
        let stamp = revisionsToStamp()
        let remaking = remaking(rest, stamp: stamp, restoresSome: !restored.isEmpty)
        for table in rest { sources[table] = remaking.source }
        plan.losses = situation.lost.map { table in
            RecoveryPlan.Loss(table: table, source: sources[table] ?? .none("nothing holds it"))
        }
        plan.steps += remaking.before
        for (snapshot, tables) in restored {
            plan.steps.append(
                .restore(snapshot: snapshot.id, tables: tables, hasRows: snapshot.withoutRows == nil))
        }
        plan.steps += remaking.after
        if !remaking.leavesState, let stamp, let migrations = situation.migrations {
            plan.steps.append(.stamp(table: migrations.table, revisions: stamp.revisions))
        }
        guard !plan.steps.isEmpty else { return }
        if plan.steps.contains(where: \.makesTables) {
            plan.steps.append(.validate(tables: plan.losses.filter { $0.source.isSome }.map(\.table)))
        }
        plan.steps.append(.verify)
        addNotes()
    }

    // MARK: - Snapshots

    /// The newest snapshot that holds the table with rows, else the newest that holds it.
    private func newest(_ table: RecoveryTable) -> SnapshotManifest? {
        let holding = situation.snapshots.filter { $0.tables.contains(where: table.matches) }
        return holding.first { $0.withoutRows == nil } ?? holding.first
    }

    private static func source(_ table: RecoveryTable, _ snapshot: SnapshotManifest) -> RecoveryPlan.Source {
        let rows = snapshot.tables.filter(table.matches).reduce(0) { $0 + $1.rows }
        return .snapshot(
            id: snapshot.id, takenAt: snapshot.takenAt, cause: snapshot.cause.command ?? "",
            rows: snapshot.withoutRows == nil ? rows : nil)
    }

    // MARK: - Migrations

    /// What makes tables that no snapshot holds.
    private struct Remaking {
        var source: RecoveryPlan.Source = .migrations
        /// Before snapshots are restored, and after: a project that cannot be run is known before anything has changed.
        var before: [RecoveryStep] = []
        var after: [RecoveryStep] = []
        /// The migrations themselves write the state.
        var leavesState = false
    }

    private mutating func remaking(
        _ tables: [RecoveryTable], stamp: (revisions: [String], isGuess: Bool)?, restoresSome: Bool
    ) -> Remaking {
        let mustCompare = stamp?.isGuess == true
        guard !tables.isEmpty || mustCompare else { return Remaking() }
        let target = target()
        if let reason = obstacle(to: target) {
            if !tables.isEmpty {
                plan.obstacles.append(
                    "\(RecoveryStep.names(tables)): no snapshot holds \(tables.count == 1 ? "it" : "them"), and \(reason)"
                )
            }
            if mustCompare {
                plan.obstacles.append(
                    "the migration state is lost, and \(reason). If the tables are those of the newest revision: alembic stamp "
                        + "head, in the project's folder")
            }
            return Remaking(source: .none("no snapshot holds it, and \(reason)"), leavesState: mustCompare)
        }
        guard case .revisions(let targets, let areHeads, let isGuess) = target, let migrations = situation.migrations
        else { return Remaking() }
        if situation.leftovers.isEmpty, !restoresSome, !tables.isEmpty {
            var steps: [RecoveryStep] = []
            if migrations.isTableThere, !migrations.current.isEmpty { steps.append(.reset(table: migrations.table)) }
            steps.append(.migrate(table: migrations.table, targets: targets, areHeads: areHeads))
            if isGuess {
                plan.notes.append(
                    "the migration state is lost and was not accepted either: the migrations are run to "
                        + "\(targets.joined(separator: ", ")), the newest that the scripts have")
            }
            return Remaking(after: steps, leavesState: true)
        }
        if let reason = situation.scratchFault {
            plan.obstacles.append(
                "\(tables.isEmpty ? "the migration state" : RecoveryStep.names(tables)): a scratch database is needed, and "
                    + reason)
            return Remaking(source: .none("a scratch database is needed, and \(reason)"), leavesState: mustCompare)
        }
        let scratch = situation.scratchName
        var remaking = Remaking()
        remaking.before = [
            .makeScratch(database: scratch),
            .migrateScratch(database: scratch, targets: targets, areHeads: areHeads),
            .compare(database: scratch, isStrict: isGuess),
        ]
        if !tables.isEmpty { remaking.after.append(.copy(database: scratch, tables: tables)) }
        remaking.after.append(.dropScratch(database: scratch))
        if isGuess {
            plan.notes.append(
                "the migration state is lost and was not accepted either: \(targets.joined(separator: ", ")), the newest that "
                    + "the scripts have, is taken for it if the tables that are there are as the scripts make them")
        }
        return remaking
    }

    private func target() -> Target {
        guard let migrations = situation.migrations else {
            return .unknown(
                "no migration tool is known that makes \(situation.lost.count == 1 ? "it" : "them"): write "
                    + "migrations = \"alembic\" and migrations_folder into the [[watch]] block")
        }
        guard migrations.tool == .alembic else { return .unknown(Self.byHand(migrations.tool)) }
        let heads: [String]
        let known: Set<String>
        switch migrations.scripts {
        case .absent:
            return .unknown(
                "the migrations are not at hand: write migrations_folder into the [[watch]] block, or run them by hand")
        case .unreadable(let reason): return .unknown("the migrations cannot be used: \(reason)")
        case .alembic(let revisions, let newest): (known, heads) = (revisions, newest)
        }
        let wanted = !migrations.isStateLost ? migrations.current : migrations.accepted ?? []
        if wanted.isEmpty {
            return heads.isEmpty
                ? .unknown("the scripts have no head") : .revisions(heads, areHeads: true, isGuess: true)
        }
        if let unknown = wanted.first(where: { !known.contains($0) }) {
            let who = !migrations.isStateLost ? "\(migrations.table) names" : "the accepted state names"
            return .unknown(
                "\(who) revision \(unknown), which no script in migrations_folder has: check out the version of the "
                    + "application that has it, then run recover again")
        }
        return .revisions(wanted, areHeads: wanted.sorted() == heads.sorted(), isGuess: false)
    }

    private func obstacle(to target: Target) -> String? {
        switch target {
        case .unknown(let reason): reason
        case .revisions: situation.programFault
        }
    }

    private static func byHand(_ tool: MigrationSettings.Tool) -> String {
        let command =
            switch tool {
            case .alembic: "alembic upgrade head"
            case .django: "python manage.py migrate"
            case .rails: "bin/rails db:migrate"
            case .flyway: "flyway migrate"
            case .liquibase: "liquibase update"
            }
        return
            "Holdfast runs only Alembic's migrations: run \"\(command)\" against an empty database, and bring the tables over "
            + "from there (pg_dump --schema-only --table=NAME, psql)"
    }

    /// What Alembic's table has to say in the end; nil if it says it.
    private mutating func revisionsToStamp() -> (revisions: [String], isGuess: Bool)? {
        guard let migrations = situation.migrations, migrations.tool == .alembic, migrations.isStateLost else {
            return nil
        }
        if let accepted = migrations.accepted, !accepted.isEmpty {
            if case .alembic(let known, _) = migrations.scripts,
                let unknown = accepted.first(where: { !known.contains($0) })
            {
                plan.notes.append("revision \(unknown) of the accepted state is in no script of migrations_folder")
            }
            return (accepted, false)
        }
        if case .alembic(_, let heads) = migrations.scripts, !heads.isEmpty { return (heads, true) }
        plan.obstacles.append(
            "\(migrations.table) is lost, and neither the accepted state nor scripts tell what it said: alembic stamp REVISION, "
                + "in the project's folder")
        return nil
    }

    // MARK: - Notes

    private mutating func addNotes() {
        let made = plan.losses.filter { $0.source == .migrations }
        if !made.isEmpty {
            plan.notes.append(
                "no rows come back of \(RecoveryStep.names(made.map(\.table))), but those that the migrations themselves "
                    + "insert; a backup may have them")
            plan.notes.append(
                "what was made without a migration (privileges, indexes, comments) does not come back on "
                    + (made.count == 1 ? "it" : "them"))
        }
        for loss in plan.losses {
            guard case .snapshot(let id, let takenAt, _, let rows) = loss.source else { continue }
            if rows == nil { plan.notes.append("no rows come back of \(loss.table.text): snapshot \(id) has none") }
            if let accepted = situation.acceptedAt, takenAt < accepted.prefix(19) + "Z" {
                plan.notes.append(
                    "snapshot \(id) (\(takenAt)) is older than the accepted state (\(accepted)): \(loss.table.text) may have "
                        + "changed in between")
            }
        }
        if plan.losses.contains(where: { $0.source.isSnapshot }) {
            plan.notes.append("rows that were written after a snapshot was taken do not come back")
        }
        if plan.steps.contains(where: \.makesTables) {
            plan.notes.append(
                "foreign keys check rows only after everything is back: one whose rows point to what is lost for good stays, "
                    + "NOT VALID")
        }
        for step in plan.steps {
            if case .makeScratch(let database) = step {
                plan.notes.append(
                    "tables that are there stay untouched: the missing ones are made in \(database), a database of their own, "
                        + "and brought over in one transaction")
            }
        }
    }
}

extension RecoveryStep {
    fileprivate var makesTables: Bool {
        switch self {
        case .restore, .copy: true
        default: false
        }
    }
}

extension RecoveryPlan.Source {
    fileprivate var isSome: Bool {
        if case .none = self { return false }
        return true
    }

    fileprivate var isSnapshot: Bool {
        if case .snapshot = self { return true }
        return false
    }
}
