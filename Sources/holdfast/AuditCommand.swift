import ArgumentParser

/// `holdfast audit`: what is done with the trail. Without a subcommand it is searched.
struct AuditCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit",
        abstract: "Search and verify the audit trail, report on it, and compare it with the databases.",
        discussion: """
            Without a subcommand the trail is searched: holdfast audit --since 2h. All options for that: \
            holdfast audit search --help.
            """,
        // An option of this command would be taken from its subcommands: it has none.
        subcommands: [
            AuditSearchCommand.self, AuditShowCommand.self, AuditReportCommand.self, AuditIndexCommand.self,
            AuditVerifyCommand.self, UnseenCommand.self,
            AuditNewKeyCommand.self, AuditPublicKeyCommand.self, AuditSinkSQLCommand.self,
        ], defaultSubcommand: AuditSearchCommand.self)
}
