import Configuration

/// What a database says of its migrations, held against its tables and the scripts. Pure.
struct MigrationComparison {
    let state: MigrationState
    private(set) var findings: [WatchFinding] = []
    private(set) var summary: MigrationSummary
    /// Whether every script has run; nil where that is not known.
    private var isAtHead: Bool?
    private let headCount: Int

    init(_ state: MigrationState, scripts: MigrationScripts?, headCount: Int) {
        self.state = state
        self.headCount = headCount
        let versions = state.entries.compactMap(\.version)
        let current: [String] =
            switch state.tool {
            case .alembic: versions
            case .django: []
            case .rails, .flyway: versions.last.map { [$0] } ?? []
            case .liquibase: []
            }
        summary = MigrationSummary(tool: state.tool.rawValue, table: state.table.description, current: current)
        for entry in state.entries where entry.hasFailed {
            add(.migrationFailed, entry.detail, "migration \(entry.detail) has failed and was not repaired")
        }
        switch scripts {
        case nil: compareAlone()
        case .alembic(let folder): compare(folder)
        case .named(let migrations): compare(migrations)
        case .liquibase(let changelogs): compare(changelogs)
        }
    }

    /// The state against the tables that are missing.
    ///
    /// - Parameters:
    ///   - missing: expected tables that are not there, without the tool's own.
    ///   - expectedCount: how many are expected, without the tool's own.
    mutating func compare(missing: [String], expectedCount: Int) {
        let table = state.table.description
        if state.entries.isEmpty {
            guard expectedCount > missing.count else { return }
            add(
                .migrationStateMissing, table,
                "\(table) is empty, and \(expectedCount - missing.count) of \(expectedCount) expected tables are there: "
                    + "the state was lost, and the next migration will begin from the first script")
        } else if !missing.isEmpty {
            let names = missing.prefix(5).joined(separator: ", ") + (missing.count > 5 ? ", …" : "")
            let word =
                switch isAtHead {
                case true?: "head (\(state.summary))"
                case false?: "\(state.summary), which is behind head"
                case nil: state.summary
                }
            add(
                .migrationDisagrees, table,
                "\(table) says \(word), and \(missing.count) of \(expectedCount) expected tables "
                    + "\(missing.count == 1 ? "is" : "are") missing (\(names)): the migrations will not bring them back by "
                    + "themselves")
        }
    }

    private mutating func add(_ kind: WatchFinding.Kind, _ subject: String, _ text: String) {
        findings.append(WatchFinding(kind, .migrations, subject, text))
    }

    private mutating func compareAlone() {
        guard state.tool == .alembic else { return }
        if state.entries.count > headCount {
            add(
                .migrationHeads, state.table.description,
                "\(state.table) names \(state.entries.count) revisions at the same time (\(state.summary)); "
                    + "\(headCount) \(headCount == 1 ? "is" : "are") meant to be")
        }
    }

    private mutating func compare(_ folder: AlembicFolder) {
        compareAlone()
        let heads = folder.heads
        summary.heads = heads
        if heads.count > headCount {
            add(
                .migrationHeads, "scripts",
                "the scripts have \(heads.count) heads (\(heads.joined(separator: ", "))), and \"alembic upgrade head\" "
                    + "will refuse to choose: alembic merge heads, or heads = \(heads.count) if that is meant")
        }
        let current = state.entries.compactMap(\.version)
        var isKnown = true
        for revision in current where folder.revisions[revision] == nil {
            isKnown = false
            add(
                .migrationUnknown, revision,
                "\(state.table) names revision \(revision), and no script has it: another version of the application "
                    + "migrated this database, or the script was deleted")
        }
        guard folder.faults.isEmpty, isKnown else { return }
        let applied = folder.applied(current)
        let pending = folder.revisions.count - applied.count
        summary.pendingCount = pending
        isAtHead = pending == 0
        guard pending > 0, !current.isEmpty else { return }
        add(
            .migrationBehind, state.table.description,
            "\(state.table) says \(state.summary), which is \(Self.count(pending, "revision")) behind "
                + (heads.count == 1 ? "the head \(heads[0])" : "the heads \(heads.joined(separator: ", "))"))
    }

    private mutating func compare(_ named: NamedMigrations) {
        switch state.tool {
        case .django: compareDjango(named)
        case .rails: compareRails(named)
        case .alembic, .flyway, .liquibase: compareFlyway(named)
        }
    }

    private mutating func compareDjango(_ named: NamedMigrations) {
        let apps = Set(named.migrations.map(\.group))
        let applied = Set(state.entries.map { "\($0.detail).\($0.version ?? "")" })
        let scripts = Set(named.migrations.map { "\($0.group).\($0.version)" })
        let replaced = Set(named.replaced.values.joined())
        let pending = scripts.filter { script in
            guard !applied.contains(script) else { return false }
            // A squashed migration counts as applied when all that it stands for has been, and the other way round.
            if let parts = named.replaced[script], !parts.isEmpty, parts.allSatisfy(applied.contains) { return false }
            return !named.replaced.contains { applied.contains($0.key) && $0.value.contains(script) }
        }
        let unknown = state.entries.filter { entry in
            let name = "\(entry.detail).\(entry.version ?? "")"
            return apps.contains(entry.detail) && !scripts.contains(name) && !replaced.contains(name)
        }
        settle(pending: pending.sorted(), unknown: unknown.map { "\($0.detail).\($0.version ?? "")" })
    }

    private mutating func compareRails(_ named: NamedMigrations) {
        let applied = Set(state.entries.compactMap(\.version).map { NamedMigrations.trimmed($0) })
        let scripts = Set(named.migrations.map(\.version))
        // Rails' projects delete old scripts once the schema holds them.
        let oldest = scripts.min(by: NamedMigrations.precedes) ?? ""
        let unknown = applied.subtracting(scripts).filter { NamedMigrations.precedes(oldest, $0) }
        settle(pending: scripts.subtracting(applied).sorted(), unknown: unknown.sorted())
    }

    private mutating func compareFlyway(_ named: NamedMigrations) {
        let rows = state.entries.filter { !$0.hasFailed }
        let applied = Set(rows.compactMap { $0.version.flatMap { NamedMigrations.flywayVersion($0) } })
        let baseline = rows.filter { $0.type.hasSuffix("BASELINE") }
            .compactMap { $0.version.flatMap { NamedMigrations.flywayVersion($0) } }.max(by: NamedMigrations.precedes)
        let scripts = named.migrations.filter { !$0.isRepeatable }.map(\.version)
        let ran = rows.filter { $0.version == nil }.map(\.detail)
        var pending = scripts.filter { version in
            guard !applied.contains(version) else { return false }
            return baseline.map { NamedMigrations.precedes($0, version) } ?? true
        }
        pending += named.migrations.filter { migration in
            migration.isRepeatable
                && !ran.contains {
                    $0 == migration.file || migration.file.hasSuffix("/" + $0) || $0.hasSuffix("/" + migration.file)
                }
        }.map(\.file)
        // Migrations in Java stand in no folder.
        let unknown = rows.filter { $0.type == "SQL" }.compactMap(\.version).filter { version in
            NamedMigrations.flywayVersion(version).map { !scripts.contains($0) } ?? true
        }
        settle(pending: pending.sorted(by: NamedMigrations.precedes), unknown: unknown)
    }

    private mutating func compare(_ changelogs: LiquibaseChangelogs) {
        let applied = Set(
            state.entries.map { LiquibaseChangelogs.ChangeSet(id: $0.version ?? "", author: $0.detail) })
        let scripts = Set(changelogs.changeSets.keys)
        func name(_ change: LiquibaseChangelogs.ChangeSet) -> String { "\(change.author):\(change.id)" }
        let unknown = changelogs.faults.isEmpty ? applied.subtracting(scripts).map(name).sorted() : []
        settle(pending: scripts.subtracting(applied).map(name).sorted(), unknown: unknown)
    }

    private mutating func settle(pending: [String], unknown: [String]) {
        for name in unknown {
            add(
                .migrationUnknown, name,
                "\(state.table) says that \(name) has run, and no script has it: another version of the application "
                    + "migrated this database, or the script was deleted")
        }
        summary.pendingCount = pending.count
        isAtHead = pending.isEmpty
        guard let first = pending.first, !state.entries.isEmpty else { return }
        add(
            .migrationBehind, state.table.description,
            "\(Self.count(pending.count, "script")) not run yet according to \(state.table), the first \(first)")
    }

    private static func count(_ count: Int, _ word: String) -> String { "\(count) \(word)\(count == 1 ? "" : "s")" }
}
