import Configuration
import Foundation
import ServerLink

/// Brings back what a snapshot holds: in one transaction, or not at all. Blocks; any thread.
package struct SnapshotRestorer: Sendable {
    let settings: SnapshotSettings
    let folder: SnapshotFolder
    /// libpq connection string of a role that may make the tables: their owner, or a superuser.
    let connection: String

    package init(_ settings: SnapshotSettings, folder: SnapshotFolder, connection: String) {
        self.settings = settings
        self.folder = folder
        self.connection = connection
    }

    // MARK: - Planning

    /// Compares the snapshot with what is there. Changes nothing.
    ///
    /// - Parameter database: where to; nil: the one that the snapshot is of.
    /// - Throws: it cannot be restored so.
    package func plan(
        _ manifest: SnapshotManifest, _ choices: RestoreChoices, database: String?
    ) throws(SnapshotFault) -> RestorePlan {
        let link = try open(manifest, database)
        let programs = try DumpPrograms(configured: settings.dumpProgram, serverVersion: link.serverVersion)
        let path = folder.path(of: manifest.id)
        let contents = try SnapshotTaker.contents(of: "\(path)/\(SnapshotManifest.definitions)", programs)
        let target: RestoreTarget
        do throws(ServerFault) {
            target = try RestoreTarget(manifest, contents, link)
        } catch {
            throw .server(error.description)
        }
        var plan = RestorePlan(manifest: manifest)
        plan.hasRows = manifest.withoutRows == nil && !choices.definitionsOnly
        plan.hasDefaultPrivileges = target.hasDefaultPrivileges && !choices.keepsDefaultPrivileges
        plan.leavesKeysUnvalidated = choices.leavesKeysUnvalidated
        let chosen = try chosen(manifest, choices.tables, contents)
        let existing = chosen.filter { target.existing[$0.oid] != nil && !$0.isFollower }
        var going = RestoreTarget.Going()
        switch choices.existing {
        case .refuse:
            if let first = existing.first {
                throw .beyondReach(
                    "\(first.kindName) \(first.qualifiedName) is there\(existing.count > 1 ? ", and \(existing.count - 1) more" : "")"
                        + ": choose what becomes of it (--existing keep, fill or replace)")
            }
        case .keep: break
        case .fill:
            plan.filled = existing.filter { $0.kind == "r" }
            if !plan.hasRows { throw .beyondReach("the snapshot has no rows to fill tables with") }
            for table in plan.filled {
                plan.triggerStates += try target.triggerStates(of: table, link)
                guard try target.hasRows(table, link) else { continue }
                throw .beyondReach(
                    "table \(table.qualifiedName) is not empty: nothing is mixed into it (--existing replace)")
            }
        case .replace:
            plan.dropped = existing
            going = try target.going(with: plan.dropped, manifest, link)
        }
        let dropped = Set(plan.dropped.map(\.oid))
        plan.made = chosen.filter { !$0.isFollower && (dropped.contains($0.oid) || target.existing[$0.oid] == nil) }
        choose(into: &plan, manifest, contents, target, going: going)
        if plan.hasRows, !plan.definitions.isEmpty || !plan.filled.isEmpty {
            try chooseRows(into: &plan, path, programs, contents)
        }
        if let blocked = plan.leftOut.first(where: { $0.hasPrefix("!") }) {
            throw .beyondReach(String(blocked.dropFirst()))
        }
        return plan
    }

    /// The tables of these names, and the partitions of them.
    private func chosen(
        _ manifest: SnapshotManifest, _ names: [String], _ contents: ArchiveContents
    ) throws(SnapshotFault) -> [SnapshotManifest.Table] {
        guard !names.isEmpty else { return manifest.tables }
        for name in names where !manifest.tables.contains(where: { $0.isCalled(name) }) {
            let known = manifest.tables.prefix(10).map(\.qualifiedName).joined(separator: ", ")
            throw .beyondReach("snapshot \(manifest.id) holds no table \(name); it holds \(known)")
        }
        let parents = contents.entries.filter { $0.isKind("TABLE ATTACH") }.map(\.dependencies)
        var oids = Set(manifest.tables.filter { table in names.contains { table.isCalled($0) } }.map(\.oid))
        var isGrowing = true
        while isGrowing {
            isGrowing = false
            let numbers = oids.compactMap { contents.number(catalog: 1259, oid: $0) }
            for table in manifest.tables where !oids.contains(table.oid) {
                let number = contents.number(catalog: 1259, oid: table.oid)
                if parents.contains(where: { $0.first == number && $0.dropFirst().contains(where: numbers.contains) }) {
                    oids.insert(table.oid)
                    isGrowing = true
                }
            }
        }
        return manifest.tables.filter { oids.contains($0.oid) }
    }

    /// What is missing and can be made: everything whose own needs are there, or come back with it.
    private func choose(
        into plan: inout RestorePlan, _ manifest: SnapshotManifest, _ contents: ArchiveContents,
        _ target: RestoreTarget, going: RestoreTarget.Going
    ) {
        let relation: UInt32 = 1259
        var wanted: [Int: String] = [:]
        var tables: Set<Int> = []
        var blocked: [Int: String] = [:]
        var kept: Set<Int> = []
        let made = Set(plan.made.map(\.oid))
        for table in manifest.tables {
            guard let number = contents.number(catalog: relation, oid: table.oid) else { continue }
            let text = "\(table.kindName) \(table.qualifiedName)"
            if made.contains(table.oid) {
                wanted[number] = text
                tables.insert(number)
            } else if let here = target.existing[table.oid] {
                if table.isFollower, going.oids.contains(here) { wanted[number] = text } else { kept.insert(number) }
            } else if table.isFollower {
                wanted[number] = text
            } else {
                blocked[number] = text
            }
        }
        for (thing, isNeed) in manifest.dependents.map({ ($0, false) }) + manifest.needs.map({ ($0, true) }) {
            guard let number = contents.number(catalog: thing.catalog, oid: thing.oid) else { continue }
            let isMissing = target.missing.contains(thing.key) || going.keys.contains(thing.key)
            guard isMissing, wanted[number] == nil else { continue }
            // A table without its rows is none.
            let isTable =
                thing.catalog == relation && ["table", "foreign table", "materialized view"].contains(thing.type)
            if isTable && (isNeed || !going.keys.contains(thing.key)) {
                blocked[number] = thing.text
            } else {
                wanted[number] = thing.text
            }
        }
        var isShrinking = true
        while isShrinking {
            isShrinking = false
            for entry in contents.entries where wanted[entry.number] != nil {
                let missing = entry.dependencies.first { blocked[$0] != nil }
                let hangsOnKept =
                    !tables.contains(entry.number) && entry.dependencies.contains(where: kept.contains)
                    && !entry.dependencies.contains { wanted[$0] != nil }
                guard missing != nil || hangsOnKept else { continue }
                let text = wanted.removeValue(forKey: entry.number) ?? ""
                if let missing {
                    blocked[entry.number] = text
                    let reason =
                        "\(text) needs \(blocked[missing] ?? ""), which is missing: restore that first, or with it"
                    plan.leftOut.append(tables.contains(entry.number) ? "!" + reason : reason)
                }
                isShrinking = true
            }
        }
        plan.definitions = contents.withAttached(Set(wanted.keys))
        plan.relations = manifest.tables.filter { table in
            contents.number(catalog: relation, oid: table.oid).map { wanted[$0] != nil } ?? false
        }
        plan.others = contents.entries.compactMap { tables.contains($0.number) ? nil : wanted[$0.number] }
        let absent = Set(contents.entries.filter { blocked[$0.number] != nil }.map(\.oid))
        for thing in manifest.dependents {
            guard let statement = thing.statement,
                target.missing.contains(thing.key) || going.keys.contains(thing.key),
                contents.number(catalog: thing.catalog, oid: thing.oid) == nil
            else { continue }
            if absent.isDisjoint(with: thing.refers ?? []) {
                plan.statements.append(statement)
                plan.others.append(thing.text)
            } else {
                plan.leftOut.append("\(thing.text) needs what is missing")
            }
        }
    }

    private func chooseRows(
        into plan: inout RestorePlan, _ path: String, _ programs: DumpPrograms, _ definitions: ArchiveContents
    ) throws(SnapshotFault) {
        guard plan.manifest.files.contains(where: { $0.name == SnapshotManifest.tables }) else { return }
        let rows = try SnapshotTaker.contents(of: "\(path)/\(SnapshotManifest.tables)", programs)
        let restored = Set(
            definitions.entries.filter { $0.catalog == 1259 && plan.definitions.contains($0.number) }.map(\.oid)
        ).union(plan.filled.map(\.oid))
        let filled = Set(plan.filled.map(\.oid))
        let sequences = Set(
            rows.entries.filter { $0.isKind("SEQUENCE") && $0.catalog == 1259 }.filter { entry in
                restored.contains(entry.oid)
                    || entry.dependencies.contains { number in
                        rows.entries.contains { $0.number == number && $0.catalog == 1259 && filled.contains($0.oid) }
                    }
            }.map(\.number))
        plan.rows = Set(
            rows.entries.filter { entry in
                if entry.isKind("SEQUENCE SET") { return entry.dependencies.contains(where: sequences.contains) }
                let isData = entry.isKind("TABLE DATA") || entry.isKind("MATERIALIZED VIEW DATA")
                return isData && entry.oid != 0 && restored.contains(entry.oid)
            }.map(\.number))
    }

    // MARK: - Doing

    /// Does what was planned.
    ///
    /// - Throws: the first error; nothing has changed then.
    package func run(_ plan: RestorePlan, database: String?) throws(SnapshotFault) {
        let faults = folder.faults(of: plan.manifest)
        if let fault = faults.first { throw .file(fault) }
        let link = try open(plan.manifest, database)
        let programs = try DumpPrograms(configured: settings.dumpProgram, serverVersion: link.serverVersion)
        let environment = DumpPrograms.environment(of: link, application: "holdfast restore \(plan.manifest.id)")
        let script = RestoreScript(
            programs, folder: folder.path(of: plan.manifest.id), environment: environment)
        try script.run(plan)
    }

    /// The statements that ``run(_:database:)`` will have psql run, without those that bring rows.
    package func statements(of plan: RestorePlan, database: String?) throws(SnapshotFault) -> [String] {
        let link = try open(plan.manifest, database)
        let programs = try DumpPrograms(configured: settings.dumpProgram, serverVersion: link.serverVersion)
        return try RestoreScript(programs, folder: folder.path(of: plan.manifest.id), environment: []).statements(plan)
    }

    private func open(_ manifest: SnapshotManifest, _ database: String?) throws(SnapshotFault) -> ServerConnection {
        do throws(ServerFault) {
            let link = try ServerConnection(connection, database: database ?? manifest.database, purpose: "restore")
            try link.query("SET search_path = ''")
            return link
        } catch {
            throw .server(error.description)
        }
    }
}
