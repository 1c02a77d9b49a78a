import ArgumentParser
import Sentinel
import ServerLink

/// `holdfast mark`: lets a database itself say that it is production.
struct MarkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mark",
        abstract: "Let a database itself say that it is production, whatever proxy.conf says of it.",
        discussion: """
            Writes one row into a table of its own (holdfast_mark.holdfast_environment). A session in such a database is \
            treated as production, and that proxy.conf tags it otherwise is reported; see docs/marker.md. Needs a role that \
            may create a schema there.

            Examples:
              holdfast mark production --database postgresql://postgres@db.internal/shop
              holdfast mark show --database postgresql://postgres@db.internal/shop
              holdfast mark remove --database postgresql://postgres@db.internal/shop_copy_test
            """)

    enum Action: String, ExpressibleByArgument, CaseIterable {
        case production
        case show
        case remove
    }

    @Argument(
        help: "production: mark it; show: say what its mark says (exit code 1: it has none); remove: take it away.")
    var action: Action

    @Option(
        name: .customLong("database"),
        help: ArgumentHelp(
            "The database, as a libpq URL or connection string: postgresql://postgres@localhost/shop.",
            valueName: "url"))
    var url: String

    func run() throws {
        let text: String
        do throws(ServerFault) {
            let connection = try ServerConnection(url, purpose: "mark")
            text = try act(connection)
        } catch {
            throw Complaint("\(error)")
        }
        print(text)
        if action == .show, text.hasSuffix(Self.absent) { throw ExitCode(1) }
    }

    private static let absent = "has no mark"

    private func act(_ connection: ServerConnection) throws(ServerFault) -> String {
        let database = "database \(connection.database)"
        switch action {
        case .production:
            try EnvironmentMark.write(connection)
            return "\(database) is marked as production"
        case .remove:
            switch try EnvironmentMark.remove(connection) {
            case .absent: return "\(database) \(Self.absent)"
            case .dropped: return "the mark of \(database) is removed"
            case .takenBack:
                return
                    "the mark of \(database) says none now; its table stays, for the guard in the database keeps tables"
            }
        case .show: return try describe(connection, database)
        }
    }

    private func describe(_ connection: ServerConnection, _ database: String) throws(ServerFault) -> String {
        switch try EnvironmentMark.read(connection, within: .seconds(10)) {
        case .absent: return "\(database) \(Self.absent)"
        case .unreadable(let reason): return "\(database) is taken for production: its mark cannot be read (\(reason))"
        case .mark(let mark):
            let identifier = try connection.query("SELECT system_identifier FROM pg_control_system()").value ?? ""
            let isCopy = mark.database != connection.database || mark.systemIdentifier != identifier
            let origin =
                isCopy
                ? "\nit was written in database \(mark.database) of another place: this is a copy, or was renamed. If the "
                    + "copy is not production: holdfast mark remove" : ""
            return "\(database) is marked as \(mark.environment) (by \(mark.markedBy), \(mark.markedAt))\(origin)"
        }
    }
}
