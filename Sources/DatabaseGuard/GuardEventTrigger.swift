/// One event trigger of the guard.
struct GuardEventTrigger {
    var name: String
    var event: String
    var function: String
    /// The command tags that it is for; empty: all.
    var tags: [String] = []

    /// ALWAYS: `session_replication_role = replica` does not get around it.
    var script: String {
        let filter = tags.isEmpty ? "" : " WHEN TAG IN (\(tags.map { "'\($0)'" }.joined(separator: ", ")))"
        return """
            DROP EVENT TRIGGER IF EXISTS \(name);
            CREATE EVENT TRIGGER \(name) ON \(event)\(filter) EXECUTE FUNCTION holdfast.\(function)();
            ALTER EVENT TRIGGER \(name) ENABLE ALWAYS;

            """
    }

    static let all = [
        GuardEventTrigger(name: "holdfast_start", event: "ddl_command_start", function: "on_start", tags: ["ALTER TABLE"]),
        GuardEventTrigger(name: "holdfast_drop", event: "sql_drop", function: "on_drop"),
        GuardEventTrigger(name: "holdfast_rewrite", event: "table_rewrite", function: "on_rewrite"),
        GuardEventTrigger(name: "holdfast_command", event: "ddl_command_end", function: "on_command"),
    ]
}
