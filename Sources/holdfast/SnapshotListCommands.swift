import ArgumentParser
import Foundation
import Snapshots

/// `holdfast snapshot list`.
struct SnapshotListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List snapshots, the newest first.",
        discussion: """
            Examples:
              holdfast snapshot list --table orders
              holdfast snapshot list --database shop --json
            """)

    @OptionGroup var options: SnapshotOptions

    @Option(help: "Only of this database.")
    var database: String?

    @Option(help: "Only those that hold this table.")
    var table: String?

    @Flag(help: "Print one JSON object a snapshot and line: its manifest.")
    var json = false

    func run() throws {
        let (_, folder) = try options.load()
        do throws(SnapshotFault) {
            let (all, broken) = try folder.list()
            let snapshots = all.filter { snapshot in
                (database == nil || snapshot.database == database)
                    && (table == nil || snapshot.tables.contains { $0.isCalled(table ?? "") })
            }
            if json {
                for snapshot in snapshots { print(Self.json(snapshot, pretty: false)) }
            } else {
                print(Self.table(snapshots), terminator: "")
            }
            for text in broken { _ = SnapshotOptions.failed("not whole: \(SnapshotOptions.shown(text))") }
        } catch {
            throw SnapshotOptions.failed(SnapshotOptions.shown(error.description), code: 2)
        }
    }

    static func json(_ snapshot: SnapshotManifest, pretty: Bool) -> String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting =
            pretty ? [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted] : [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(snapshot)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    private static func table(_ snapshots: [SnapshotManifest]) -> String {
        let rows = snapshots.map { snapshot in
            let tables = snapshot.principals.map(\.qualifiedName)
            let names =
                tables.prefix(3).joined(separator: ", ") + (tables.count > 3 ? " and \(tables.count - 3) more" : "")
            return [
                snapshot.id, snapshot.database, SnapshotManifest.size(snapshot.byteCount),
                snapshot.withoutRows == nil ? "rows" : "definitions", snapshot.cause.command ?? "by hand", names,
            ]
        }
        let header = ["SNAPSHOT", "DATABASE", "SIZE", "HOLDS", "BEFORE", "TABLES"]
        let shown = rows.map { $0.map(SnapshotOptions.shown) }
        let widths = header.indices.map { index in ([header] + shown).map { $0[index].count }.max() ?? 0 }
        return ([header] + shown).map { cells in
            var line = zip(cells, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }
                .joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            return line + "\n"
        }.joined()
    }
}

/// `holdfast snapshot show`.
struct SnapshotShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Say what a snapshot holds.")

    @OptionGroup var options: SnapshotOptions

    @Argument(help: "Its id, as \"holdfast snapshot list\" and the audit trail show it.")
    var id: String

    @Flag(help: "Print its manifest.")
    var json = false

    func run() throws {
        let (_, folder) = try options.load()
        let snapshot: SnapshotManifest
        do throws(SnapshotFault) {
            snapshot = try folder.manifest(of: id)
        } catch {
            throw SnapshotOptions.failed(SnapshotOptions.shown(error.description))
        }
        if json {
            print(SnapshotListCommand.json(snapshot, pretty: true))
            return
        }
        var lines = [
            "snapshot   \(snapshot.id), taken \(snapshot.takenAt)", "database   \(snapshot.database)",
            "folder     \(folder.path(of: id))",
        ]
        let cause = snapshot.cause
        lines.append(
            cause.kind == .command
                ? "taken by   \(cause.user ?? "")"
                : "before     \(cause.command ?? "") by \(cause.user ?? "") (\(cause.tag ?? "")), audit id \(cause.intent ?? "")"
        )
        for file in snapshot.files { lines.append("file       \(file.name), \(SnapshotManifest.size(file.bytes))") }
        if let reason = snapshot.withoutRows { lines.append("no rows    \(reason)") }
        for table in snapshot.tables where !table.isFollower {
            let rows =
                ["r", "m"].contains(table.kind)
                ? ", about \(table.rows) rows, \(SnapshotManifest.size(Int(table.bytes)))" : ""
            let stays = table.stays ? " (the statement took columns or rows of it)" : ""
            lines.append("holds      \(table.kindName) \(table.qualifiedName)\(rows)\(stays)")
        }
        for table in snapshot.tables where table.isFollower {
            lines.append("with       \(table.kindName) \(table.qualifiedName)")
        }
        for thing in snapshot.dependents where thing.isEntry { lines.append("with       \(thing.text)") }
        for thing in snapshot.needs where thing.isEntry { lines.append("needs      \(thing.text)") }
        for name in snapshot.leftOut { lines.append("without    definition of \(name): it could not be read then") }
        print(lines.map(SnapshotOptions.shown).joined(separator: "\n"))
    }
}

/// `holdfast snapshot verify`.
struct SnapshotVerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Compare the files of snapshots with their checksums.")

    @OptionGroup var options: SnapshotOptions

    @Argument(help: "Ids; none: all.")
    var ids: [String] = []

    func run() throws {
        let (_, folder) = try options.load()
        var faults: [String] = []
        var count = 0
        do throws(SnapshotFault) {
            var snapshots: [SnapshotManifest] = []
            if ids.isEmpty {
                let (all, broken) = try folder.list()
                snapshots = all
                faults = broken
            } else {
                for id in ids { snapshots.append(try folder.manifest(of: id)) }
            }
            count = snapshots.count
            for snapshot in snapshots { faults += folder.faults(of: snapshot) }
        } catch {
            throw SnapshotOptions.failed(SnapshotOptions.shown(error.description))
        }
        for fault in faults { print(SnapshotOptions.shown(fault)) }
        guard faults.isEmpty else { throw SnapshotOptions.failed("\(faults.count) faults in \(count) snapshots") }
        print("\(count) snapshots are as they were written")
    }
}

/// `holdfast snapshot restore`.
struct SnapshotRestoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Bring back what a snapshot holds: in one transaction, or not at all.",
        discussion: """
            Tables that are there already are not touched unless --existing says what becomes of them:
              keep      they stay as they are; what is missing comes back
              fill      they are empty (after TRUNCATE) and get their rows; as superuser, since triggers are off meanwhile
              replace   they are dropped and restored. A snapshot of them is taken first.

            Examples:
              holdfast snapshot restore 20261126-141210-5d3b0f6f --dry-run
              holdfast snapshot restore 20261126-141210-5d3b0f6f --table orders
            """)

    @OptionGroup var options: SnapshotOptions

    @Argument(help: "Its id, as \"holdfast snapshot list\" and the audit trail show it.")
    var id: String

    @Option(name: .customLong("table"), help: "Only this table, with what hangs on it. May be given several times.")
    var tables: [String] = []

    @Option(help: "Where to; without it, the database that the snapshot is of.")
    var database: String?

    @Option(help: "libpq connection string of the tables' owner or a superuser, in place of proxy.conf's.")
    var connection: String?

    @Option(
        help:
            "What becomes of tables that are there: \(RestoreChoices.Existing.allCases.map(\.rawValue).joined(separator: ", "))."
    )
    var existing = "refuse"

    @Flag(help: "Without rows.")
    var definitionsOnly = false

    @Flag(help: "Say what would be done, and do nothing.")
    var dryRun = false

    func validate() throws {
        guard RestoreChoices.Existing(rawValue: existing) != nil else {
            throw ValidationError("--existing is one of refuse, keep, fill and replace")
        }
    }

    func run() throws {
        let (configuration, folder) = try options.load()
        let connection = try SnapshotOptions.connection(connection, configuration)
        let restorer = SnapshotRestorer(configuration.snapshots, folder: folder, connection: connection)
        let choices = RestoreChoices(
            tables: tables, existing: RestoreChoices.Existing(rawValue: existing) ?? .refuse,
            definitionsOnly: definitionsOnly)
        do throws(SnapshotFault) {
            let manifest = try folder.manifest(of: id)
            let plan = try restorer.plan(manifest, choices, database: database)
            for line in plan.lines { print(SnapshotOptions.shown(line)) }
            if plan.isEmpty {
                print("nothing to restore")
                return
            }
            if dryRun { return }
            if !plan.dropped.isEmpty {
                let taker = SnapshotTaker(configuration.snapshots, folder: folder, connection: connection)
                let wish = SnapshotWish(
                    database: database ?? manifest.database, scope: .named(plan.dropped.map(\.qualifiedName)),
                    cause: SnapshotManifest.Cause(kind: .command, user: NSUserName(), command: "restore of \(id)"))
                if let taken = try taker.take(wish) { print("what is dropped is in snapshot \(taken.id)") }
            }
            try restorer.run(plan, database: database)
            let names = (plan.made + plan.filled).map(\.qualifiedName)
            SnapshotOptions.note(
                SnapshotJournal.Note(
                    action: "restored", snapshot: id, database: database ?? manifest.database,
                    text: names.prefix(20).joined(separator: ", ")
                        + (names.count > 20 ? " and \(names.count - 20) more" : "")),
                folder)
            print("restored from snapshot \(id)")
        } catch {
            throw SnapshotOptions.failed("nothing was restored: \(SnapshotOptions.shown(error.description))")
        }
    }
}
