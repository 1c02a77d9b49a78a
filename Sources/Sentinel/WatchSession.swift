import Configuration
import ServerLink

/// One round's connection: every query stands in a transaction of its own that cannot write, and nothing is waited for
/// without end.
final class WatchSession {
    private let connection: ServerConnection
    private let settings: WatchSettings

    /// - Throws: ``ServerFault/unreachable(_:)`` with libpq's words.
    init(_ settings: WatchSettings) throws(ServerFault) {
        self.settings = settings
        connection = try ServerConnection(
            settings.connection, purpose: "watch", connectPatience: settings.connectTimeout)
    }

    var user: String { connection.user }
    var database: String { connection.database }

    /// The server's own timeout, and a little for the way.
    private var patience: Duration { settings.statementTimeout + .seconds(5) }

    private func begin(catalogAlone: Bool) throws(ServerFault) {
        let text = WatchQueries.begin(
            statement: settings.statementTimeout.milliseconds, lock: settings.lockTimeout.milliseconds,
            catalogAlone: catalogAlone)
        try connection.run(script: text, within: patience)
    }

    private func inTransaction<Result>(
        catalogAlone: Bool, _ body: () throws(ServerFault) -> Result
    ) throws(ServerFault) -> Result {
        try begin(catalogAlone: catalogAlone)
        let result: Result
        do throws(ServerFault) {
            result = try body()
        } catch {
            if case .refused = error { try connection.run(script: WatchQueries.end, within: patience) }
            throw error
        }
        try connection.run(script: WatchQueries.end, within: patience)
        return result
    }

    /// Reads the catalog; where somebody keeps a table locked, without that one's defaults.
    func catalog(known: String) throws(ServerFault) -> CatalogReading {
        do throws(ServerFault) {
            return try catalog(known: known, leavesOutLocked: false)
        } catch {
            guard error.sqlState == "55P03" else { throw error }
            return try catalog(known: "", leavesOutLocked: true)
        }
    }

    private func catalog(known: String, leavesOutLocked: Bool) throws(ServerFault) -> CatalogReading {
        try inTransaction(catalogAlone: true) { () throws(ServerFault) in
            try CatalogReading.read(connection, known: known, leavesOutLocked: leavesOutLocked, within: patience)
        }
    }

    func migrations(_ table: MigrationTable) throws(ServerFault) -> MigrationState {
        try inTransaction(catalogAlone: false) { () throws(ServerFault) in
            try MigrationState.read(table, connection, within: patience)
        }
    }

    /// A query of the operator's.
    func ask(_ sql: String) throws(ServerFault) -> ServerRows {
        try inTransaction(catalogAlone: false) { () throws(ServerFault) in
            try connection.query(sql, [], within: patience)
        }
    }
}

extension Duration {
    var milliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }
}
