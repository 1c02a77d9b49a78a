import ArgumentParser

/// The command line: a file a command.
@main
struct Holdfast: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "holdfast",
        abstract: "A PostgreSQL proxy that will not let a table vanish.",
        version: "0.1.0",
        subcommands: [
            ServeCommand.self, CheckCommand.self, ClassifyCommand.self, AuditCommand.self, GuardCommand.self,
            WatchCommand.self,
        ])
}
