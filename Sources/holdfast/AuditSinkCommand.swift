import ArgumentParser
import AuditSinks
import Configuration

/// `holdfast audit sink-sql`: what makes the table of a sink in PostgreSQL.
struct AuditSinkSQLCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sink-sql",
        abstract: "Print the SQL that makes the table of a postgresql sink.",
        discussion: """
            Run it as the table's owner; it may be run again. The role that the sink connects as then needs nothing but \
            what --role grants: to insert, and to remember how far it has come.

            Examples:
              holdfast audit sink-sql --role holdfast_sink | psql "host=audit.internal dbname=audit"
              holdfast audit sink-sql --sink fleet --config /etc/holdfast/proxy.conf
            """)

    @Option(
        help: ArgumentHelp(
            "The [[audit.sink]] block of proxy.conf; default: the first of type \"postgresql\", else the default table.",
            valueName: "name"))
    var sink: String?

    @Option(
        help: ArgumentHelp("The role that the sink connects as: what it needs is granted to it.", valueName: "role"))
    var role: String?

    @Option(
        help: ArgumentHelp(
            "The proxy.conf that names the sink; default: proxy.conf here, then in /etc/holdfast.", valueName: "file"))
    var config: String?

    func run() throws {
        var table = PostgresTrailTable(schema: "holdfast_audit", name: "trail")
        if sink != nil || ConfigurationFile.locate(config) != nil {
            let sinks = try ConfigurationOption.load(config).auditSinks
            let found = sinks.first { candidate in
                guard case .postgresql = candidate.kind else { return false }
                return sink == nil || candidate.name == sink
            }
            if let sink, found == nil {
                throw Complaint("proxy.conf has no [[audit.sink]] of type \"postgresql\" called \"\(sink)\"")
            }
            if case .postgresql(_, let schema, let name, _) = found?.kind {
                table = PostgresTrailTable(schema: schema, name: name)
            }
        }
        print(table.script(for: role), terminator: "")
    }
}
