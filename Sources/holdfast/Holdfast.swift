import ArgumentParser
import Configuration

/// The command line: a file a command.
@main
struct Holdfast: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "holdfast",
        abstract: "A PostgreSQL proxy that will not let a table vanish.",
        version: ProgramVersion.text,
        subcommands: [
            ServeCommand.self, CheckCommand.self, ClassifyCommand.self, AuditCommand.self, GuardCommand.self,
            WatchCommand.self, RecoverCommand.self, MarkCommand.self, SnapshotCommand.self,
        ])
}
