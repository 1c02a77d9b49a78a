import CLinux
import Configuration
import Foundation
import ServerLink
import Snapshots

/// Looks at all that a recovery starts from: the watch's report, the catalog, the scripts, the snapshots. Changes nothing.
package struct RecoverySurvey {
    package let settings: WatchSettings
    private let store: StateFolder
    private let scripts: String
    private let snapshots: SnapshotFolder?

    /// What it found.
    package struct Result {
        package var situation: RecoverySituation
        package var report: WatchReport
        /// Snapshots that are not as they were written, and so not used.
        package var brokenSnapshots: [String] = []
    }

    /// - Parameters:
    ///   - resolve: makes a path of proxy.conf absolute.
    ///   - snapshots: their folder; nil where none are taken.
    package init(
        _ settings: WatchSettings, store: StateFolder, snapshots: SnapshotFolder?, resolve: (String) -> String
    ) {
        self.settings = settings
        self.store = store
        self.snapshots = snapshots
        scripts = settings.migrations.folder.isEmpty ? "" : resolve(settings.migrations.folder)
    }

    /// The connection of the role that makes tables.
    var connection: String { settings.recovery.connection.isEmpty ? settings.connection : settings.recovery.connection }

    /// Where scratch databases are made.
    var scratchConnection: String {
        settings.recovery.scratchConnection.isEmpty ? connection : settings.recovery.scratchConnection
    }

    var connectionKey: String { settings.recovery.connection.isEmpty ? "connection" : "recover_connection" }
    var scratchKey: String { settings.recovery.scratchConnection.isEmpty ? connectionKey : "scratch_connection" }

    var program: AlembicProgram {
        get throws(RecoveryFault) { try AlembicProgram(settings.recovery, scripts: scripts) }
    }

    /// The texts of the migrations.
    var scriptTexts: [String] { AlembicFolder.texts(folder: scripts) }

    /// What the watch says now. Leaves no trace.
    package func look() -> WatchReport {
        let runner = WatchRunner(settings, store: store) { _ in scripts }
        return runner.look(records: false).report
    }

    /// - Throws: nobody can say what is missing.
    package func survey() throws(RecoveryFault) -> Result {
        let report = look()
        guard !report.unseen.contains(.tables), !report.database.isEmpty else {
            let reasons = report.findings.filter { [.connection, .state, .tables].contains($0.part) }.map(\.text)
            throw .unclear(
                "nobody can say what is missing: " + reasons.joined(separator: "; ")
                    + (settings.usesBaseline
                        ? ". If no state was accepted in time, name the tables: tables = [\"public.orders\", …] in the "
                            + "[[watch]] block" : ""))
        }
        let session: WatchSession
        let reading: CatalogReading
        var maker = settings
        maker.connection = connection
        do throws(ServerFault) {
            session = try WatchSession(maker)
            reading = try session.catalog(known: "")
        } catch {
            throw RecoveryFault(error, connection: connectionKey, doing: "reading the catalog")
        }
        guard reading.database == report.database, reading.server.systemIdentifier == report.server?.systemIdentifier
        else {
            throw .unclear(
                "recover_connection leads to database \(reading.database) of cluster \(reading.server.systemIdentifier), and "
                    + "connection to \(report.database) of \(report.server?.systemIdentifier ?? "another")")
        }
        return try result(report, session, reading.tables ?? [])
    }

    private func result(
        _ report: WatchReport, _ session: WatchSession, _ tables: [TableShape]
    ) throws(RecoveryFault) -> Result {
        let baseline = settings.usesBaseline ? store.baseline(settings.name).baseline : nil
        let migrations = try migrations(session, tables, baseline)
        let own = migrations?.tool == .alembic ? migrations?.table : nil
        let lost = report.missingTables.map { RecoveryTable(missing: $0, accepted: baseline?.tables ?? []) }
            .filter { table in
                own.map { !($0.name == table.name && ($0.schema ?? table.schema) == table.schema) } ?? true
            }
        let expectedCount = report.expectedTables.count
        var situation = RecoverySituation(
            watch: settings.name, database: report.database, lost: lost, expectedCount: expectedCount)
        situation.migrations = migrations
        situation.acceptedAt = baseline?.acceptedAt
        situation.scratchName = "holdfast_scratch_" + String(String(linux_random(), radix: 16).prefix(12))
        // Checks may be about what is missing: verification tells.
        situation.others = report.findings.filter { finding in
            if case .check = finding.part, !lost.isEmpty { return false }
            return !Self.isMended(finding, migrations)
        }
        var result = Result(situation: situation, report: report)
        guard !lost.isEmpty || migrations?.isStateLost == true else { return result }
        try readSnapshots(into: &result)
        if migrations?.tool == .alembic {
            do throws(RecoveryFault) { _ = try program } catch {
                result.situation.programFault = error.description
            }
        }
        do throws(ServerFault) {
            let (schema, name) = (migrations?.table.schema ?? "public", migrations?.table.name ?? "")
            let link = try ServerConnection(
                connection, purpose: "recover", connectPatience: settings.connectTimeout)
            result.situation.leftovers =
                try link.query(RecoveryQueries.leftovers, [schema, name]).rows.compactMap { $0.first.flatMap(\.self) }
        } catch {
            throw RecoveryFault(error, connection: connectionKey, doing: "reading the catalog")
        }
        result.situation.scratchFault = scratchFault()
        return result
    }

    /// Whether a recovery is about it.
    private static func isMended(_ finding: WatchFinding, _ migrations: RecoverySituation.Migrations?) -> Bool {
        switch finding.kind {
        case .tableMissing, .migrationDisagrees: true
        case .migrationStateMissing: migrations?.tool == .alembic
        case .serverRestarted, .serverFailedOver, .stateLost: true
        default: false
        }
    }

    // MARK: - Parts

    private func migrations(
        _ session: WatchSession, _ tables: [TableShape], _ baseline: Baseline?
    ) throws(RecoveryFault) -> RecoverySituation.Migrations? {
        guard settings.migrations.choice != .off else { return nil }
        if let found = MigrationTable.find(settings.migrations, in: tables) {
            let state: MigrationState
            do throws(ServerFault) {
                state = try session.migrations(found)
            } catch {
                throw RecoveryFault(
                    error, connection: connectionKey, doing: "reading \(found.table)", user: session.user)
            }
            return RecoverySituation.Migrations(
                tool: found.tool, table: found.table, isTableThere: true,
                current: state.entries.compactMap(\.version), accepted: baseline?.revisions,
                scripts: scripts(of: found.tool))
        }
        var tool = baseline?.tool
        if case .tool(let named) = settings.migrations.choice { tool = named }
        if tool == nil, !scripts.isEmpty { tool = MigrationScripts.tool(of: scripts) }
        guard let tool else { return nil }
        var table = settings.migrations.table ?? TableName(schema: nil, name: tool.tableName)
        if let own = baseline?.tables.first(where: { $0.qualifiedName == baseline?.toolTable }) {
            table = TableName(schema: own.schema, name: own.name)
        }
        if table.schema == nil { table.schema = "public" }
        return RecoverySituation.Migrations(
            tool: tool, table: table, isTableThere: false, current: [], accepted: baseline?.revisions,
            scripts: scripts(of: tool))
    }

    private func scripts(of tool: MigrationSettings.Tool) -> RecoverySituation.Scripts {
        guard !scripts.isEmpty else { return .absent }
        guard tool == .alembic else { return .absent }
        do throws(ScriptFolder.Fault) {
            let folder = try AlembicFolder(folder: scripts)
            if let fault = folder.faults.first { return .unreadable("\(scripts): \(fault)") }
            return .alembic(revisions: Set(folder.revisions.keys), heads: folder.heads)
        } catch {
            return .unreadable(error.reason)
        }
    }

    /// Whole snapshots that hold something of what is lost.
    private func readSnapshots(into result: inout Result) throws(RecoveryFault) {
        guard let snapshots else { return }
        do throws(SnapshotFault) {
            let (all, broken) = try snapshots.list()
            result.brokenSnapshots = broken
            for snapshot in all where snapshot.database == result.situation.database {
                guard result.situation.lost.contains(where: { snapshot.tables.contains(where: $0.matches) }) else {
                    continue
                }
                let faults = snapshots.faults(of: snapshot)
                if faults.isEmpty {
                    result.situation.snapshots.append(snapshot)
                } else {
                    result.brokenSnapshots += faults
                }
            }
        } catch {
            throw .snapshot(error)
        }
    }

    private func scratchFault() -> String? {
        do throws(ServerFault) {
            let link = try ServerConnection(
                scratchConnection, purpose: "recover", connectPatience: settings.connectTimeout)
            if try link.query(RecoveryQueries.mayMakeDatabases).value == "t" { return nil }
            return
                "role \(link.user) may not make one: ALTER ROLE \(RecoveryQueries.identifier(link.user)) CREATEDB, or let "
                + "scratch_connection in proxy.conf lead to a server where it may"
        } catch {
            return "\(scratchKey) does not lead to a server: \(error)"
        }
    }
}
