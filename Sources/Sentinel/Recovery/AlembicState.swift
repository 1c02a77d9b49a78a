import Configuration

/// Alembic's table, and its command line.
enum AlembicState {
    /// Statements that let the table say these revisions, whether or not it is there: one transaction.
    static func stamping(_ table: TableName, _ revisions: [String]) -> [String] {
        [
            making(table), "DELETE FROM \(table.quoted);",
            "INSERT INTO \(table.quoted) (version_num) VALUES "
                + revisions.map { "(\(RecoveryQueries.literal($0)))" }.joined(separator: ", ") + ";",
        ]
    }

    /// As Alembic makes it.
    static func making(_ table: TableName) -> String {
        "CREATE TABLE IF NOT EXISTS \(table.quoted) (version_num varchar(32) NOT NULL, CONSTRAINT "
            + "\(RecoveryQueries.identifier(table.name + "_pkc")) PRIMARY KEY (version_num));"
    }

    /// The arguments of each run of Alembic.
    static func runs(_ targets: [String], _ areHeads: Bool) -> [[String]] {
        areHeads ? [["upgrade", targets.count == 1 ? "head" : "heads"]] : targets.map { ["upgrade", $0] }
    }
}
