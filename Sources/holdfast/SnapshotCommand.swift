import ArgumentParser
import Configuration
import Foundation
import Snapshots

/// `holdfast snapshot`: what was kept before a loss, and how it comes back.
struct SnapshotCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot",
        abstract: "Take, list, verify and restore snapshots of tables.",
        discussion: """
            holdfast serve takes a snapshot before each loss that the rules let pass on a guarded session, if [snapshots] in \
            proxy.conf names a folder. docs/snapshots.md tells the rest.

            Exits with 0 when all went well, with 1 when a snapshot is not whole or nothing was taken or restored, with 2 when \
            proxy.conf or the folder cannot be used.
            """,
        subcommands: [
            SnapshotListCommand.self, SnapshotShowCommand.self, SnapshotTakeCommand.self, SnapshotVerifyCommand.self,
            SnapshotRestoreCommand.self, SnapshotRemoveCommand.self,
        ])
}

/// What the snapshot commands do alike.
struct SnapshotOptions: ParsableArguments {
    @Option(help: "proxy.conf to use; without it, proxy.conf here, then /etc/holdfast/proxy.conf.")
    var config: String?

    @Option(help: "The folder of snapshots, in place of proxy.conf's.")
    var folder: String?

    /// proxy.conf, and the folder that it or the command line names.
    func load() throws -> (configuration: ProxyConfiguration, folder: SnapshotFolder) {
        let configuration: ProxyConfiguration
        do throws(ConfigurationError) {
            configuration = try ConfigurationFile.load(path: config, version: 1)
            for warning in configuration.warnings { ConfigurationOption.printError(warning.description) }
        } catch {
            throw Self.failed("\(error)", code: 2)
        }
        if let folder { return (configuration, SnapshotFolder(folder)) }
        guard configuration.snapshots.areOn else {
            throw Self.failed(
                "proxy.conf names no folder of snapshots: write folder = \"var/snapshots\" in [snapshots]", code: 2)
        }
        return (configuration, SnapshotFolder(configuration.resolve(configuration.snapshots.folder)))
    }

    static func failed(_ text: String, code: Int32 = 1) -> ExitCode {
        ConfigurationOption.printError("holdfast: \(text)")
        return ExitCode(code)
    }

    static func connection(_ given: String?, _ configuration: ProxyConfiguration) throws -> String {
        let connection = given ?? configuration.snapshotConnection
        guard !connection.isEmpty else {
            throw failed("no connection leads to the server: give --connection, or write one into [snapshots]", code: 2)
        }
        return connection
    }

    /// Leaves a note for the trail; what was done is done even if that fails.
    static func note(_ note: SnapshotJournal.Note, _ folder: SnapshotFolder) {
        do throws(SnapshotFault) {
            try SnapshotJournal(folder).leave(note)
        } catch {
            ConfigurationOption.printError("holdfast: the audit trail will not tell of this: \(error.description)")
        }
    }

    /// Nothing that a terminal would obey.
    static func shown(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { scalar in
                    switch scalar.properties.generalCategory {
                    case .control, .format, .lineSeparator, .paragraphSeparator: "?"
                    default: scalar
                    }
                }))
    }
}

/// `holdfast snapshot take`.
struct SnapshotTakeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "take", abstract: "Take a snapshot of tables now.",
        discussion: """
            Examples:
              holdfast snapshot take --database shop orders public.order_lines
              holdfast snapshot take --database shop                 # every table
            """)

    @OptionGroup var options: SnapshotOptions

    @Option(help: "The database; without it, the one that the connection string names.")
    var database: String?

    @Option(help: "libpq connection string, in place of proxy.conf's.")
    var connection: String?

    @Argument(help: "Tables, with or without the schema; none: all.")
    var tables: [String] = []

    func run() throws {
        let (configuration, folder) = try options.load()
        let connection = try SnapshotOptions.connection(connection, configuration)
        let taker = SnapshotTaker(configuration.snapshots, folder: folder, connection: connection)
        let wish = SnapshotWish(
            database: database, scope: tables.isEmpty ? .database : .named(tables),
            cause: SnapshotManifest.Cause(kind: .command, user: NSUserName()))
        do throws(SnapshotFault) {
            guard let snapshot = try taker.take(wish) else { throw .beyondReach("the database has no tables") }
            let names = snapshot.tables.map(\.qualifiedName).prefix(10).joined(separator: ", ")
            SnapshotOptions.note(
                SnapshotJournal.Note(action: "taken", snapshot: snapshot.id, database: snapshot.database, text: names),
                folder)
            if let reason = snapshot.withoutRows {
                ConfigurationOption.printError("holdfast: the snapshot has no rows: \(reason)")
            }
            print(snapshot.id)
        } catch {
            throw SnapshotOptions.failed("no snapshot was taken: \(SnapshotOptions.shown(error.description))")
        }
    }
}

/// `holdfast snapshot remove`.
struct SnapshotRemoveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "remove", abstract: "Delete snapshots.")

    @OptionGroup var options: SnapshotOptions

    @Argument(help: "Ids, as \"holdfast snapshot list\" shows them.")
    var ids: [String]

    func run() throws {
        let (_, folder) = try options.load()
        for id in ids {
            do throws(SnapshotFault) {
                let database = (try? folder.manifest(of: id))?.database ?? ""
                try folder.remove(id)
                SnapshotOptions.note(
                    SnapshotJournal.Note(action: "removed", snapshot: id, database: database, text: "by hand"), folder)
            } catch {
                throw SnapshotOptions.failed(SnapshotOptions.shown(error.description))
            }
        }
    }
}
