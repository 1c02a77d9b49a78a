import ArgumentParser

/// `holdfast audit`: what is done with the trail. Without a subcommand it is listed.
struct AuditCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit",
        abstract: "List, filter and verify the audit trail, and compare it with the databases.",
        discussion: """
            Without a subcommand the trail is listed: holdfast audit --since 2h. All options for that: \
            holdfast audit list --help.
            """,
        // An option of this command would be taken from its subcommands: it has none.
        subcommands: [
            AuditListCommand.self, AuditVerifyCommand.self, UnseenCommand.self, AuditNewKeyCommand.self,
            AuditPublicKeyCommand.self, AuditSinkSQLCommand.self,
        ], defaultSubcommand: AuditListCommand.self)
}
