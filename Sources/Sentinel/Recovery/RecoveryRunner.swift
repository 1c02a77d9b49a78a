import CLinux
import Configuration
import Foundation
import ServerLink
import Snapshots

/// Runs a plan step by step, with a journal beside the watch's state and a note for the trail before each statement. Blocks.
package final class RecoveryRunner {
    private let survey: RecoverySurvey
    private let store: StateFolder
    private let snapshots: SnapshotFolder?
    private let snapshotSettings: SnapshotSettings
    private let notes: RecoveryNotes
    /// What happens, for whoever looks on.
    private let say: (String) -> Void
    private let isStopped: @Sendable () -> Bool
    package private(set) var journal: RecoveryJournal
    /// What the last step, verification, saw.
    package private(set) var verification: WatchReport?
    private var hasWarnedOfTrail = false

    private var settings: WatchSettings { survey.settings }
    private var database: String { journal.plan.database }

    /// - Parameters:
    ///   - snapshots: the folder of snapshots; nil where none are taken.
    ///   - isStopped: asked often; true ends the recovery where it stands, once that can be.
    ///   - say: takes lines for people.
    package init(
        _ journal: RecoveryJournal, survey: RecoverySurvey, store: StateFolder, snapshots: SnapshotFolder?,
        _ snapshotSettings: SnapshotSettings, isStopped: @escaping @Sendable () -> Bool = { false },
        say: @escaping (String) -> Void
    ) {
        self.journal = journal
        self.survey = survey
        self.store = store
        self.snapshots = snapshots
        var settings = snapshotSettings
        // What is brought over from a scratch database is not limited as what statements wait for is.
        settings.timeout = survey.settings.recovery.timeout
        settings.maximumByteCount = Int.max
        self.snapshotSettings = settings
        notes = RecoveryNotes(store)
        self.say = say
        self.isStopped = isStopped
    }

    // MARK: - All steps

    /// Runs what is left to be done.
    ///
    /// - Throws: the first step that fails. The journal says where it stands; running again goes on there.
    package func run() throws(RecoveryFault) {
        if journal.doneCount == 0, journal.fault == nil {
            try keep()
            tell(.begun, journal.plan.summary)
        }
        journal.fault = nil
        while journal.doneCount < journal.plan.steps.count {
            let step = journal.plan.steps[journal.doneCount]
            say("\(journal.doneCount + 1)/\(journal.plan.steps.count) \(step.text)")
            tell(.step, step.text)
            do throws(RecoveryFault) {
                if isStopped() { throw .unclear("it was interrupted") }
                try run(step)
            } catch {
                journal.fault = error.description
                tell(.failed, error.description)
                try keep()
                throw error
            }
            tell(.done, step.text)
            journal.doneCount += 1
            try keep()
        }
        journal.isOver = true
        try keep()
        tell(.finished, verification.map { Self.words($0) } ?? "")
    }

    /// Gives it up: what is done stays done, and what it made for itself is removed.
    package func abandon() throws(RecoveryFault) {
        if let scratch = journal.scratch { try dropScratch(scratch) }
        journal.isOver = true
        try keep()
        tell(.abandoned, "given up at step \(journal.doneCount + 1) of \(journal.plan.steps.count)")
    }

    private func keep() throws(RecoveryFault) {
        do throws(StateFolder.Fault) {
            try store.write(journal, settings.name)
        } catch {
            throw .file("the journal of the recovery cannot be kept: \(error.description)")
        }
    }

    /// Leaves a note for the trail. What is done is done even if that fails; it is said once.
    private func tell(_ action: RecoveryEvent.Action, _ text: String, statements: [String] = []) {
        let isOfStep = ![.begun, .finished, .abandoned].contains(action)
        func event(_ statement: String?) -> RecoveryEvent {
            RecoveryEvent(
                action: action, watch: settings.name, recovery: journal.id, database: database, user: NSUserName(),
                step: isOfStep ? journal.doneCount + 1 : 0, statement: statement, text: text,
                time: linux_clock_realtime())
        }
        do throws(StateFolder.Fault) {
            try notes.leave(statements.isEmpty ? [event(nil)] : statements.map(event))
        } catch {
            if !hasWarnedOfTrail { say("the audit trail will not tell of all of this: \(error.description)") }
            hasWarnedOfTrail = true
        }
    }

    static func words(_ report: WatchReport) -> String {
        let count = report.expectedTables.count
        let tables = "\(count - report.missingTables.count) of \(count) expected tables are there"
        guard !report.findings.isEmpty else { return tables }
        return tables + "; " + report.findings.map(\.text).joined(separator: "; ")
    }

    // MARK: - One step

    private func run(_ step: RecoveryStep) throws(RecoveryFault) {
        switch step {
        case .makeScratch(let name): try makeScratch(name)
        case .migrateScratch(let name, let targets, let areHeads): try migrateScratch(name, targets, areHeads)
        case .compare(let name, let isStrict): try compare(name, isStrict: isStrict)
        case .restore(let id, let tables, _): try restore(id, tables)
        case .copy(let name, let tables): try copy(name, tables)
        case .dropScratch(let name): try dropScratch(name)
        case .reset(let table): try execute(["DELETE FROM \(table.quoted);"], "resetting \(table)")
        case .migrate(let table, let targets, let areHeads): try migrate(table, targets, areHeads)
        case .stamp(let table, let revisions):
            try execute(AlembicState.stamping(table, revisions), "writing \(table)")
        case .validate(let tables): try validate(tables)
        case .verify: verify()
        }
    }

    /// A connection of the role that makes tables.
    private func open() throws(RecoveryFault) -> ServerConnection {
        do throws(ServerFault) {
            return try ServerConnection(
                survey.connection, database: database, purpose: "recover", connectPatience: settings.connectTimeout)
        } catch {
            throw RecoveryFault(error, connection: survey.connectionKey, doing: "the connection")
        }
    }

    /// Statements in the watched database: all, or none.
    private func execute(_ statements: [String], _ doing: String) throws(RecoveryFault) {
        let link = try open()
        tell(.statement, doing, statements: statements)
        do throws(ServerFault) {
            try link.query("SET lock_timeout = '30s'")
            try link.query("BEGIN")
            for statement in statements { try link.query(statement) }
            try link.query("COMMIT")
        } catch {
            throw RecoveryFault(error, connection: survey.connectionKey, doing: doing, user: link.user)
        }
    }

    // MARK: - The scratch database

    private func scratch(_ name: String) -> ScratchDatabase {
        ScratchDatabase(connection: survey.scratchConnection, name: name)
    }

    private func note(_ statement: String, _ link: ServerConnection) throws(ServerFault) {
        tell(.statement, "in database \(link.database)", statements: [statement])
        try link.query(statement)
    }

    private func makeScratch(_ name: String) throws(RecoveryFault) {
        let link = try open()
        journal.scratch = name
        try keep()
        do throws(ServerFault) {
            var model = try ScratchDatabase.Model(link)
            let wanted = journal.plan.losses.compactMap(\.table.schema)
            model.schemas = Set(model.schemas + wanted).subtracting(["public"]).sorted()
            for fault in try scratch(name).make(like: model, scripts: survey.scriptTexts, run: note) {
                say("  \(fault)")
            }
        } catch {
            throw RecoveryFault(
                error, connection: survey.scratchKey, doing: "making the scratch database", user: link.user)
        }
    }

    private func dropScratch(_ name: String) throws(RecoveryFault) {
        do throws(ServerFault) {
            try scratch(name).drop(run: note)
        } catch {
            throw RecoveryFault(error, connection: survey.scratchKey, doing: "dropping the scratch database \(name)")
        }
        try? FileManager.default.removeItem(atPath: copies.path)
        journal.scratch = nil
        try keep()
    }

    private func openScratch(_ name: String) throws(RecoveryFault) -> ServerConnection {
        do throws(ServerFault) {
            return try scratch(name).open()
        } catch {
            throw RecoveryFault(error, connection: survey.scratchKey, doing: "the connection")
        }
    }

    private func stateTable() -> TableName {
        for step in journal.plan.steps {
            if case .stamp(let table, _) = step { return table }
        }
        return settings.migrations.table ?? TableName(schema: nil, name: MigrationSettings.Tool.alembic.tableName)
    }

    private func migrateScratch(_ name: String, _ targets: [String], _ areHeads: Bool) throws(RecoveryFault) {
        let link = try openScratch(name)
        try requireLed(link, table: stateTable(), doing: "preparing the scratch database")
        try upgrade(link, targets, areHeads)
    }

    /// Has Alembic say a word that only this database knows, unless its table there already says something.
    private func requireLed(
        _ link: ServerConnection, table: TableName, doing: String
    ) throws(RecoveryFault) {
        let token = "holdfast_" + String(linux_random(), radix: 16)
        let program = try survey.program
        var fault: RecoveryFault?
        do throws(ServerFault) {
            let isThere = try link.query("SELECT pg_catalog.to_regclass($1) IS NOT NULL", [table.quoted]).value == "t"
            if isThere {
                let said = try link.query("SELECT version_num FROM \(table.quoted)").rows.compactMap { $0.first ?? nil }
                // A run that failed halfway goes on from there.
                guard said.allSatisfy({ $0.hasPrefix("holdfast_") }) else { return }
            }
            if let schema = table.schema, schema != "public", !isThere {
                try link.query("CREATE SCHEMA IF NOT EXISTS \(RecoveryQueries.identifier(schema))")
            }
            for statement in AlembicState.stamping(table, [token]) { try note(statement, link) }
            do throws(RecoveryFault) {
                try program.requireLed(to: link, token: token, table: table, isStopped: isStopped)
            } catch {
                fault = error
            }
            try note("DELETE FROM \(table.quoted);", link)
        } catch {
            throw RecoveryFault(error, connection: survey.connectionKey, doing: doing, user: link.user)
        }
        if let fault { throw fault }
    }

    private func upgrade(
        _ link: ServerConnection, _ targets: [String], _ areHeads: Bool
    ) throws(RecoveryFault) {
        let program = try survey.program
        for arguments in AlembicState.runs(targets, areHeads) {
            let line = AlembicProgram.shown(program.words + arguments)
            tell(.statement, "program, in \(program.folder), on database \(link.database)", statements: [line])
            let end = try program.run(arguments, at: link, isStopped: isStopped)
            log("$ \(line)\n\(end.output)\(end.complaint)")
            guard end.code == 0 else {
                throw .migrations(
                    "\(line) failed in \(program.folder): \(AlembicProgram.reason(end)). All that it said: "
                        + store.recoveryLogPath(settings.name))
            }
        }
        let table = stateTable()
        let said: Set<String>
        do throws(ServerFault) {
            let rows = try link.query("SELECT version_num FROM \(table.quoted)").rows
            said = Set(rows.compactMap { $0.first ?? nil })
        } catch {
            throw RecoveryFault(error, connection: survey.connectionKey, doing: "reading \(table)", user: link.user)
        }
        guard said == Set(targets) else {
            throw .migrations(
                "after the migrations \(table) of database \(link.database) says \(said.sorted().joined(separator: ", ")), "
                    + "not \(targets.joined(separator: ", ")): run them by hand")
        }
    }

    private func log(_ text: String) {
        let path = store.recoveryLogPath(settings.name)
        let descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return }
        let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        try? handle.write(contentsOf: Data((text + "\n").utf8))
    }

    // MARK: - Comparing

    /// Tables, as a role sees them.
    private func shapes(_ connection: String, database: String, key: String) throws(RecoveryFault) -> [TableShape] {
        do throws(ServerFault) {
            let link = try ServerConnection(
                connection, database: database, purpose: "recover", connectPatience: settings.connectTimeout)
            try link.query("SET search_path = pg_catalog")
            return try CatalogReading.read(link, known: "", within: .seconds(60)).tables ?? []
        } catch {
            throw RecoveryFault(error, connection: key, doing: "reading the catalog of \(database)")
        }
    }

    private func compare(_ name: String, isStrict: Bool) throws(RecoveryFault) {
        let made = try shapes(survey.scratchConnection, database: name, key: survey.scratchKey)
        let present = try shapes(survey.connection, database: database, key: survey.connectionKey)
        let differences = Self.differences(made: made, present: present, settings: settings)
        for text in differences.prefix(20) { say("  not as the migrations make it: \(text)") }
        if isStrict, !differences.isEmpty {
            throw .unclear(
                "the tables that are there are not as the newest migrations make them (\(differences.prefix(3).joined(separator: "; "))"
                    + "\(differences.count > 3 ? "; and \(differences.count - 3) more" : "")), so what \(stateTable()) said is not "
                    + "known: find the revision that fits, run \"alembic stamp REVISION\" in the project's folder, then "
                    + "holdfast recover \(settings.name) --abandon, and begin anew")
        }
        let lost = journal.plan.losses.filter { $0.source == .migrations }.map(\.table)
        for table in lost where !made.contains(where: table.matches) {
            say("  the migrations do not make \(table.text): it will be missing")
        }
    }

    /// What of tables that are in both is not alike.
    static func differences(made: [TableShape], present: [TableShape], settings: WatchSettings) -> [String] {
        let names = Set(present.map(\.qualifiedName))
        var plain = WatchSettings(name: settings.name, connection: "")
        plain.ignored = settings.ignored
        plain.reportsUnexpected = false
        let common = made.filter { names.contains($0.qualifiedName) }
        let baseline = Baseline(
            id: "", acceptedAt: "", database: "",
            server: ServerIdentity(
                systemIdentifier: "", timeline: 0, startTime: "", nextTransaction: 0, isStandby: false),
            tables: common, tool: nil, toolTable: nil, counts: [:])
        return TableComparison(settings: plain, baseline: baseline, tables: present).findings.map(\.text)
    }

    // MARK: - Tables

    /// Where what is brought over from a scratch database stands meanwhile.
    private var copies: SnapshotFolder { SnapshotFolder("\(store.path)/\(settings.name).recovery.d") }

    private func restore(_ id: String, _ tables: [RecoveryTable]) throws(RecoveryFault) {
        guard let snapshots else {
            throw .unclear("[snapshots] in proxy.conf names no folder any more, and snapshot \(id) is in one")
        }
        do throws(SnapshotFault) {
            let manifest = try snapshots.manifest(of: id)
            let names = manifest.tables.filter { table in tables.contains { $0.matches(table) } }.map(\.qualifiedName)
            let choices = RestoreChoices(tables: names, existing: .keep, leavesKeysUnvalidated: true)
            let restored = try restore(manifest, from: snapshots, choices)
            guard !restored.isEmpty else { return }
            try SnapshotJournal(snapshots).leave(
                SnapshotJournal.Note(
                    action: "restored", snapshot: id, database: database, text: restored.joined(separator: ", ")))
        } catch {
            throw .snapshot(error)
        }
    }

    /// Tables of later steps: what hangs on them comes with them. As SQL and as people write them.
    private func tablesToCome() -> [String] {
        journal.plan.steps.dropFirst(journal.doneCount + 1).flatMap { step -> [String] in
            switch step {
            case .restore(_, let tables, _), .copy(_, let tables):
                tables.flatMap { table in
                    let quoted = RecoveryQueries.identifier(table.name)
                    return [table.name, quoted].flatMap { name in
                        [table.schema ?? "public", RecoveryQueries.identifier(table.schema ?? "public")].map {
                            "\($0).\(name)"
                        }
                    }
                }
            case .makeScratch, .migrateScratch, .compare, .dropScratch, .reset, .migrate, .stamp, .validate, .verify: []
            }
        }
    }

    private func restore(
        _ manifest: SnapshotManifest, from folder: SnapshotFolder, _ choices: RestoreChoices
    ) throws(SnapshotFault) -> [String] {
        let restorer = SnapshotRestorer(snapshotSettings, folder: folder, connection: survey.connection)
        let plan = try restorer.plan(manifest, choices, database: database)
        let later = tablesToCome()
        for text in plan.leftOut where !later.contains(where: { text.contains(" needs table \($0),") }) {
            say("  does not come back: \(text)")
        }
        guard !plan.isEmpty else {
            say("  nothing of it is missing any more")
            return []
        }
        tell(
            .statement, "restoring definitions, then rows",
            statements: try restorer.statements(of: plan, database: database))
        try restorer.run(plan, database: database)
        for table in plan.made { say("  \(table.kindName) \(table.qualifiedName) is back") }
        return plan.made.map(\.qualifiedName)
    }

    private func copy(_ name: String, _ tables: [RecoveryTable]) throws(RecoveryFault) {
        let made = try shapes(survey.scratchConnection, database: name, key: survey.scratchKey)
        let wanted = made.filter { shape in tables.contains { $0.matches(shape) } }
        guard !wanted.isEmpty else {
            say("  the migrations make none of them")
            return
        }
        do throws(SnapshotFault) {
            let taker = SnapshotTaker(snapshotSettings, folder: copies, connection: survey.scratchConnection)
            let wish = SnapshotWish(
                database: name, scope: .named(wanted.map(\.qualifiedName)),
                cause: SnapshotManifest.Cause(kind: .command, user: NSUserName(), command: "recover \(settings.name)"))
            let interruption: @Sendable () -> SnapshotFault? = { [isStopped] in
                isStopped() ? .beyondReach("it was interrupted") : nil
            }
            guard let manifest = try taker.take(wish, interruption: interruption) else { return }
            let choices = RestoreChoices(
                tables: manifest.tables.filter { !$0.isFollower }.map(\.qualifiedName), existing: .keep,
                leavesKeysUnvalidated: true, keepsDefaultPrivileges: true)
            _ = try restore(manifest, from: copies, choices)
            try copies.remove(manifest.id)
        } catch {
            throw .snapshot(error)
        }
    }

    private func migrate(_ table: TableName, _ targets: [String], _ areHeads: Bool) throws(RecoveryFault) {
        let link = try open()
        try requireLed(link, table: table, doing: "preparing \(table)")
        try upgrade(link, targets, areHeads)
    }

    /// A key whose rows point to what is lost stays as it is: that is said, and stops nothing.
    private func validate(_ tables: [RecoveryTable]) throws(RecoveryFault) {
        let link = try open()
        do throws(ServerFault) {
            let names = try link.query(RecoveryQueries.relations).rows.compactMap { row -> String? in
                guard row.count == 2, let schema = row[0], let name = row[1] else { return nil }
                return tables.contains { $0.matches(schema: schema, name: name) } ? "\(schema).\(name)" : nil
            }
            let keys = try link.query(RecoveryQueries.unchecked, [RecoveryQueries.array(names)]).rows
            for key in keys {
                guard key.count == 2, let statement = key[0], let name = key[1] else { continue }
                do throws(ServerFault) {
                    try note(statement, link)
                } catch {
                    guard error.sqlState == "23503" else { throw error }
                    say("  foreign key \(name) stays NOT VALID: \(error)")
                }
            }
        } catch {
            throw RecoveryFault(
                error, connection: survey.connectionKey, doing: "checking foreign keys", user: link.user)
        }
    }

    private func verify() {
        let report = survey.look()
        verification = report
        say("  " + Self.words(report))
    }
}
