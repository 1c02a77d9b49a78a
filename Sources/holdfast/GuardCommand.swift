import ArgumentParser
import DatabaseGuard
import ServerLink

/// `holdfast guard`: the second wall, inside the database.
struct GuardCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "guard",
        abstract: "Put a second wall into a database: what would lose tables is refused by the server itself.",
        discussion: """
            The guard is one schema, holdfast, with event triggers and TRUNCATE triggers. It refuses the loss of tables, \
            columns and rows on every route, also on those that bypass the proxy, unless Holdfast opened a grant for \
            that statement; and it writes down every DDL that the server executes. See docs/guard.md.
            """,
        subcommands: [
            GuardInstallCommand.self, GuardStatusCommand.self, GuardUpgradeCommand.self, GuardPruneCommand.self,
            GuardRemoveCommand.self,
        ])
}

/// The database that a guard command is for.
struct GuardTarget: ParsableArguments {
    @Option(
        name: .customLong("database"),
        help: ArgumentHelp(
            "The database, as a libpq URL or connection string: postgresql://postgres@localhost/shop.",
            valueName: "url"))
    var url: String

    /// Runs the body with the guard of the database; what goes wrong becomes the command's complaint.
    func withGuard<Result>(_ body: (DatabaseGuard) throws(GuardFault) -> Result) throws -> Result {
        do throws(GuardFault) {
            let connection: ServerConnection
            do throws(ServerFault) {
                connection = try ServerConnection(url, purpose: "guard")
            } catch {
                throw .server(error)
            }
            return try body(DatabaseGuard(connection))
        } catch {
            throw Complaint(error.description)
        }
    }
}

/// What can be chosen at installation and later.
struct GuardChoiceOptions: ParsableArguments {
    enum Switch: String, ExpressibleByArgument, CaseIterable {
        case on
        case off
    }

    @Option(
        name: .customLong("role"),
        help: ArgumentHelp(
            "A role that Holdfast logs in as: it may open grants and read the log. May be given several times.",
            valueName: "name"))
    var roles: [String] = []

    @Option(
        name: .customLong("exempt"),
        help: ArgumentHelp(
            "Tables that are not guarded: scratch.*, public.tmp_*. May be given several times.", valueName: "pattern"))
    var exempt: [String] = []

    @Option(help: "Whether the loss of a column is refused (default: on).")
    var columns: Switch?

    @Option(help: "Whether a change of a column's type that can lose values is refused (default: on).")
    var rewrites: Switch?

    func validate() throws {
        for pattern in exempt where GuardPattern(pattern) == nil {
            throw ValidationError("--exempt wants schema.name, with * and ?: \"\(pattern)\" is not of that form")
        }
    }

    /// Options that were not given leave what is installed.
    var choices: GuardChoices {
        GuardChoices(
            roles: roles.isEmpty ? nil : roles, exempt: exempt.isEmpty ? nil : exempt.compactMap { GuardPattern($0) },
            keepsColumns: columns.map { $0 == .on }, keepsValues: rewrites.map { $0 == .on })
    }
}
