/// Which statements cannot succeed without leaving a row in the server's log.
enum ExpectedRow {
    /// Whether the statement, had it been executed and committed, must have a row. Where that hangs on what was there before
    /// (IF EXISTS), on a temporary table, or on an object that event triggers do not see, nothing is certain.
    static func isCertain(of statement: TrailStatement, in session: TrailSession) -> Bool {
        let shown = statement.shown
        guard commands.contains(shown.command), !shown.objects.isEmpty else { return false }
        let words = shown.sql.lowercased()
        guard !words.contains("exists"), !words.contains("temp") else { return false }
        return !shown.objects.contains { object in
            object.name.hasPrefix("pg_temp") || session.temporaryNames.contains(object.name)
                || session.temporaryNames.contains { object.name.hasPrefix($0 + ".") }
        }
    }

    private static let commands: Set<String> = [
        "CREATE TABLE", "CREATE TABLE AS", "CREATE VIEW", "CREATE MATERIALIZED VIEW", "CREATE INDEX", "CREATE SEQUENCE",
        "CREATE SCHEMA", "CREATE TYPE", "CREATE DOMAIN", "CREATE FUNCTION", "CREATE PROCEDURE", "CREATE TRIGGER",
        "CREATE EXTENSION", "CREATE FOREIGN TABLE", "CREATE POLICY", "CREATE RULE", "ALTER TABLE", "ALTER VIEW",
        "ALTER SEQUENCE", "ALTER FUNCTION", "DROP TABLE", "DROP VIEW", "DROP MATERIALIZED VIEW", "DROP SEQUENCE",
        "DROP SCHEMA", "DROP TYPE", "DROP DOMAIN", "DROP FUNCTION", "DROP PROCEDURE", "DROP INDEX", "DROP TRIGGER",
        "DROP EXTENSION", "DROP FOREIGN TABLE", "DROP POLICY", "DROP RULE",
    ]
}
