import Configuration
import ServerLink

/// Looks at one database, round by round. Blocks; one thread at a time.
package struct Watcher {
    package let settings: WatchSettings
    /// The scripts' folder, absolute; empty if none is given.
    private let folder: String

    // What of the last reading of the catalog still holds: an unchanged catalog is not sent again.
    private var digest = ""
    private var baselineID: String?
    private var comparison: TableComparison?
    private var toolTable: MigrationTable?
    private var tableCount = 0
    private var scripts = ScriptCache()

    /// What former rounds have left.
    package struct Memory: Sendable, Equatable {
        package var server: ServerIdentity?
        /// Rows when each check last passed.
        package var counts: [String: Int64] = [:]
        /// What stands open.
        package var open: Set<WatchFinding.Key> = []

        package init() {}
    }

    /// - Parameter folder: that of the migrations' scripts, absolute.
    package init(_ settings: WatchSettings, folder: String) {
        self.settings = settings
        self.folder = folder
    }

    /// One round.
    ///
    /// - Parameters:
    ///   - expected: the accepted state.
    ///   - memory: what former rounds have left; takes what this one leaves.
    ///   - time: now, RFC 3339.
    package mutating func round(expected: ExpectedState, memory: inout Memory, time: String) -> WatchReport {
        var report = WatchReport(watch: settings.name, time: time)
        let session: WatchSession
        do throws(ServerFault) {
            session = try WatchSession(settings)
        } catch {
            lose(&report, "the database cannot be reached: \(error)")
            report.settle()
            return report
        }
        report.database = session.database
        var checks = DataChecks(counts: memory.counts)
        var left = settings.checks[...]
        do throws(ServerFault) {
            if try readCatalog(session, expected: expected, report: &report) {
                try readMigrations(session, expected: expected, report: &report)
            }
            while let check = left.first {
                try checks.run(check, by: session)
                left.removeFirst()
            }
        } catch {
            lose(&report, "the connection broke off: \(error)")
        }
        for check in left { checks.skip(check) }
        report.checks = checks.results
        report.findings += checks.findings
        report.unseen += checks.unseen
        compareServer(&report, memory: &memory)
        memory.counts = checks.counts
        report.settle()
        return report
    }

    /// What is there now, to be accepted.
    ///
    /// - Throws: the server cannot be reached, or does not tell. Nothing is accepted by halves: a check whose table
    ///   cannot be counted is an error, too.
    package mutating func present(id: String, time: String) throws(ServerFault) -> Baseline {
        let session = try WatchSession(settings)
        let reading = try session.catalog(known: "")
        guard !reading.isPartial else {
            throw .unreachable("a table is locked, and its defaults cannot be read; try again when it is not")
        }
        let tables = reading.tables ?? []
        let tool = MigrationTable.find(settings.migrations, in: tables)
        var counts: [String: Int64] = [:]
        for check in settings.checks {
            guard case .rows(let table, _, _) = check.test else { continue }
            counts[check.name] = try session.ask(WatchQueries.count(table.quoted)).value.flatMap { Int64($0) }
        }
        return Baseline(
            id: id, acceptedAt: time, database: reading.database, server: reading.server, tables: tables,
            tool: tool?.tool, toolTable: tool?.table.description, revisions: try revisions(tool, session),
            counts: counts)
    }

    /// What Alembic's table says. A role that may not read it accepts the tables without: rounds say what is amiss.
    private func revisions(_ found: MigrationTable?, _ session: WatchSession) throws(ServerFault) -> [String]? {
        guard let found, found.tool == .alembic else { return nil }
        do throws(ServerFault) {
            return try session.migrations(found).entries.compactMap(\.version)
        } catch {
            guard case .refused = error else { throw error }
            return nil
        }
    }

    /// Nothing more could be looked at; what has been found before stands.
    private func lose(_ report: inout WatchReport, _ text: String) {
        report.findings.append(WatchFinding(.unreachable, .connection, "", text))
        report.unseen += [.server, .tables, .migrations, .folder]
        if report.database.isEmpty { report.unseen += settings.checks.map { .check($0.name) } }
    }

    /// - Returns: whether the catalog could be read.
    private mutating func readCatalog(
        _ session: WatchSession, expected: ExpectedState, report: inout WatchReport
    ) throws(ServerFault) -> Bool {
        let baseline = expected.baseline
        // Other expectations want all tables again.
        if comparison == nil || baselineID != baseline?.id { digest = "" }
        let reading: CatalogReading
        do throws(ServerFault) {
            reading = try session.catalog(known: digest)
        } catch {
            guard case .refused = error else { throw error }
            report.findings.append(
                WatchFinding(.unreadable, .tables, "", "the catalog cannot be read by role \(session.user): \(error)"))
            report.unseen += [.server, .tables, .migrations, .folder]
            return false
        }
        if let tables = reading.tables {
            comparison = TableComparison(settings: settings, baseline: baseline, tables: tables)
            toolTable = MigrationTable.find(settings.migrations, in: tables)
            tableCount = tables.count
            digest = reading.isPartial ? "" : reading.digest
            baselineID = baseline?.id
        }
        report.database = reading.database
        report.server = reading.server
        report.tableCount = tableCount
        if let comparison {
            report.expectedTables = comparison.expected
            report.missingTables = comparison.missing
            report.findings += comparison.findings
        }
        switch expected {
        case .notUsed, .baseline: break
        case .missing:
            report.unseen.append(.tables)
            report.findings.append(
                WatchFinding(
                    .baselineMissing, .state, "",
                    "no state of this database has been accepted, so nobody can say whether a table is missing: look at it, "
                        + "then holdfast watch --accept --watch \(settings.name)"))
        case .unreadable(let reason):
            report.unseen.append(.tables)
            report.findings.append(
                WatchFinding(
                    .baselineUnreadable, .state, "",
                    "the accepted state cannot be read (\(reason)); accept it anew: holdfast watch --accept --watch "
                        + settings.name))
        }
        return true
    }

    private mutating func readMigrations(
        _ session: WatchSession, expected: ExpectedState, report: inout WatchReport
    ) throws(ServerFault) {
        guard settings.migrations.choice != .off else { return }
        guard let found = toolTable else { return readNoMigrations(expected, report: &report) }
        let state: MigrationState
        do throws(ServerFault) {
            state = try session.migrations(found)
        } catch {
            guard case .refused(let sqlState, _, _, _) = error else { throw error }
            let remedy = sqlState == "42501" ? "; GRANT SELECT ON \(found.table.quoted) TO \(session.user)" : ""
            report.unseen += [.migrations, .folder]
            report.findings.append(
                WatchFinding(
                    .migrationUnreadable, .migrations, found.table.description,
                    "the migration state in \(found.table) cannot be read: \(error)\(remedy)"))
            return
        }
        var comparison = MigrationComparison(
            state, scripts: readScripts(found.tool, report: &report), headCount: settings.migrations.headCount)
        let own = found.table.description
        let missing = report.missingTables.filter { $0 != own }
        comparison.compare(missing: missing, expectedCount: report.expectedTables.count { $0 != own })
        report.migrations = comparison.summary
        report.findings += comparison.findings
    }

    private mutating func readScripts(
        _ tool: MigrationSettings.Tool, report: inout WatchReport
    ) -> MigrationScripts? {
        guard !folder.isEmpty else { return nil }
        do throws(ScriptFolder.Fault) {
            let read = try scripts.scripts(tool, folder: folder)
            for fault in read.faults { unreadable(fault, &report) }
            return read
        } catch {
            unreadable(error.reason, &report)
            return nil
        }
    }

    /// What the scripts say is not known whole: the round is no all-clear.
    private func unreadable(_ fault: String, _ report: inout WatchReport) {
        if !report.unseen.contains(.migrations) { report.unseen.append(.migrations) }
        report.findings.append(
            WatchFinding(.migrationFolder, .folder, fault, "migration scripts (\(folder)): \(fault)"))
    }

    /// No tool's table is there: was there one, or should there be?
    private func readNoMigrations(_ expected: ExpectedState, report: inout WatchReport) {
        var tool: MigrationSettings.Tool?
        var table = settings.migrations.table?.description
        if case .tool(let named) = settings.migrations.choice {
            tool = named
        } else if let accepted = expected.baseline?.tool {
            tool = accepted
            table = expected.baseline?.toolTable
        } else if !folder.isEmpty {
            tool = MigrationScripts.tool(of: folder)
            guard tool != nil else {
                return unreadable(
                    "whose they are cannot be told; write migrations = \"alembic\" (or the tool that it is)", &report)
            }
        }
        guard let tool else { return }
        let name = table ?? tool.tableName
        let present = report.expectedTables.count - report.missingTables.count
        report.findings.append(
            WatchFinding(
                .migrationStateMissing, .migrations, name,
                "\(name), the migration state of \(tool.rawValue), is not there; \(present) of "
                    + "\(report.expectedTables.count) expected tables are"))
    }

    private func compareServer(_ report: inout WatchReport, memory: inout Memory) {
        guard let now = report.server else { return }
        guard let former = memory.server else {
            memory.server = now
            return
        }
        let new = report.findings.filter { !memory.open.contains($0.key) && $0.kind != .unreachable }
        let list = new.prefix(3).map(\.text).joined(separator: "; ")
        let more = new.count > 3 ? "; and \(new.count - 3) more" : ""
        let consequences =
            new.isEmpty
            ? (report.unseen.isEmpty ? "Nothing else has changed." : "Not everything could be looked at.")
            : "Since then: \(list)\(more)."
        guard let finding = ServerIdentity.finding(from: former, to: now, consequences: consequences) else {
            memory.server = now
            return
        }
        report.findings.append(finding)
        // Another cluster has to be accepted; all else is told once.
        if finding.kind != .serverReplaced { memory.server = now }
    }
}
