import ServerLink

/// What a database says of itself: that it is production. One row of one table, in a schema of its own.
package struct EnvironmentMark: Sendable, Equatable {
    /// The word that has an effect; any other has none.
    package static let production = "production"
    /// Says that a mark was taken back where its table could not be dropped.
    static let none = "none"

    package var environment: String
    /// Where it was written: a copy of the database tells so by itself.
    package var database: String
    package var systemIdentifier: String
    package var markedAt: String
    package var markedBy: String

    /// What a look at a database told.
    package enum Reading: Sendable, Equatable {
        /// Its table is not there.
        case absent
        case mark(EnvironmentMark)
        /// Its table is there and does not say anything that makes sense, or may not be read: why. Somebody meddled
        /// with it.
        case unreadable(String)

        /// Whether the database is production. A mark that cannot be read is taken for one.
        package var isProduction: Bool {
            switch self {
            case .absent: false
            case .mark(let mark): mark.environment == EnvironmentMark.production
            case .unreadable: true
            }
        }
    }

    // The names are also in SystemCatalogs of SQLParsing: changing the table is a guarded statement.
    private static let schema = "holdfast_mark"
    private static let table = "holdfast_mark.holdfast_environment"

    private static let find = """
        SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = '\(schema)' AND c.relname = 'holdfast_environment'
        """
    private static let query = """
        SELECT environment, database, system_identifier, marked_at::text, marked_by FROM \(table)
        """

    /// Reads a database's mark: a query on the catalog, and where there is one another.
    ///
    /// - Throws: the server cannot be reached or does not answer; that says nothing about the mark.
    package static func read(
        _ connection: ServerConnection, within patience: Duration
    ) throws(ServerFault) -> Reading {
        guard try connection.query(find, [], within: patience).value != "0" else { return .absent }
        let rows: [[String?]]
        do throws(ServerFault) {
            rows = try connection.query(query, [], within: patience).rows
        } catch {
            // The server's own trouble (classes 53, 57, 08) is none of the mark's.
            guard let state = error.sqlState, !["53", "57", "08", "58", "XX", "40"].contains(String(state.prefix(2)))
            else {
                throw error
            }
            return .unreadable("\(error)")
        }
        let marks = rows.map { row in
            func value(_ index: Int) -> String { row.indices.contains(index) ? row[index] ?? "" : "" }
            return EnvironmentMark(
                environment: value(0), database: value(1), systemIdentifier: value(2), markedAt: value(3),
                markedBy: value(4))
        }
        // One row is all that the table admits; whoever got more in does not talk a production mark away.
        guard let mark = marks.first(where: { $0.environment == production }) ?? marks.first else {
            return .unreadable("the table \(table) is empty")
        }
        return .mark(mark)
    }

    private static let create = """
        BEGIN;
        SET LOCAL lock_timeout = '5s';
        CREATE SCHEMA IF NOT EXISTS \(schema);
        COMMENT ON SCHEMA \(schema) IS 'Holdfast: which environment this database is. See holdfast mark.';
        GRANT USAGE ON SCHEMA \(schema) TO PUBLIC;
        CREATE TABLE IF NOT EXISTS \(table) (
            only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
            environment text NOT NULL, database text NOT NULL, system_identifier text NOT NULL,
            marked_at timestamptz NOT NULL DEFAULT now(), marked_by text NOT NULL DEFAULT session_user);
        GRANT SELECT ON \(table) TO PUBLIC;
        INSERT INTO \(table) (environment, database, system_identifier)
        SELECT '\(production)', current_database(), system_identifier::text FROM pg_control_system()
            ON CONFLICT (only_row) DO UPDATE
           SET environment = EXCLUDED.environment, database = EXCLUDED.database,
               system_identifier = EXCLUDED.system_identifier, marked_at = now(), marked_by = session_user;
        COMMIT
        """

    /// Marks the database as production; whatever mark it had is replaced. One transaction.
    package static func write(_ connection: ServerConnection) throws(ServerFault) {
        try connection.run(script: create)
    }

    package enum Removal: Sendable, Equatable {
        case absent
        case dropped
        /// The guard in the database refuses the drop: the row now says `none`.
        case takenBack
    }

    /// Takes the mark away.
    ///
    /// - Throws: the server's error; the mark is as it was.
    package static func remove(_ connection: ServerConnection) throws(ServerFault) -> Removal {
        guard try connection.query(find).value != "0" else { return .absent }
        do throws(ServerFault) {
            try connection.run(
                script: "BEGIN; SET LOCAL lock_timeout = '5s'; DROP TABLE \(table); DROP SCHEMA \(schema); COMMIT")
            return .dropped
        } catch {
            _ = try? connection.run(script: "ROLLBACK")
            // holdfast guard install: the loss of a table is refused on every route.
            guard error.description.contains("holdfast"), error.sqlState == "42501" else { throw error }
        }
        try connection.query("UPDATE \(table) SET environment = '\(none)', marked_at = now(), marked_by = session_user")
        return .takenBack
    }
}
