import SQLParsing
import ServerLink

/// Reads one database's catalog through a connection of Holdfast's own, again and again: only when something in it has
/// changed is more read than a signature. Calls block; one thread at a time.
package final class CatalogReader {
    private let connection: ServerConnection
    private var builder = HazardBuilder()
    private var signature = ""
    private var index = HazardIndex()

    /// - Parameters:
    ///   - connection: a libpq connection string of any role that may connect.
    ///   - database: in place of the string's own; nil keeps that.
    package init(connection: String, database: String?) throws(ServerFault) {
        self.connection = try ServerConnection(connection, database: database, purpose: "catalog")
    }

    package var isAlive: Bool { connection.isAlive }

    /// What code in the database may do now.
    package func read() throws(ServerFault) -> HazardIndex {
        do throws(ServerFault) {
            try connection.run(script: CatalogQueries.begin)
            let now = try connection.query(CatalogQueries.signature).value ?? ""
            if now != signature {
                let contents = try contents()
                index = builder.index(of: contents)
                signature = now
            }
            try connection.run(script: CatalogQueries.end)
        } catch {
            // Whatever failed, the next reading begins anew.
            _ = try? connection.run(script: "ROLLBACK")
            throw error
        }
        return index
    }

    private func contents() throws(ServerFault) -> CatalogContents {
        var contents = CatalogContents()
        contents.routines = try connection.query(CatalogQueries.routines).rows.map(Self.routine)
        contents.relations = try named(CatalogQueries.relations)
        contents.types = try named(CatalogQueries.types)
        contents.operators = try named(CatalogQueries.operators)
        contents.rules = try connection.query(CatalogQueries.rules).rows.map {
            CatalogContents.RuleText(key: Self.text($0, 0), sql: Self.text($0, 1))
        }
        contents.edges = try connection.query(CatalogQueries.edges).rows.map {
            CatalogContents.Edge(from: Self.text($0, 0), to: Self.text($0, 1), label: Self.text($0, 2))
        }
        contents.eventTriggers = try connection.query(CatalogQueries.eventTriggers).rows.map {
            CatalogContents.EventTrigger(
                name: Self.text($0, 0), function: Self.text($0, 1), tags: Self.list($0, 2).filter { !$0.isEmpty })
        }
        return contents
    }

    private func named(_ query: String) throws(ServerFault) -> [CatalogContents.Named] {
        try connection.query(query).rows.map {
            CatalogContents.Named(key: Self.text($0, 0), schema: Self.text($0, 1), name: Self.text($0, 2))
        }
    }

    private static func text(_ row: [String?], _ column: Int) -> String {
        row.indices.contains(column) ? row[column] ?? "" : ""
    }

    private static func list(_ row: [String?], _ column: Int) -> [String] {
        text(row, column).split(separator: "\u{1}", omittingEmptySubsequences: false).map(String.init)
    }

    private static func routine(_ row: [String?]) -> CatalogContents.Routine {
        let language: CatalogContents.Language =
            switch text(row, 4) {
            case "sql": .sql
            case "internal": .internal
            case "c": .c
            case "plpgsql_call_handler": .plpgsql
            default: .other(text(row, 5))
            }
        var routine = CatalogContents.Routine(
            key: text(row, 0), schema: text(row, 1), name: text(row, 2), language: language)
        routine.isProcedure = text(row, 3) == "p"
        routine.source = text(row, 6)
        routine.sqlBody = row.indices.contains(7) ? row[7] : nil
        routine.library = text(row, 8)
        routine.parameters = list(row, 9).filter { !$0.isEmpty }
        routine.minimumArguments = Int(text(row, 10)) ?? 0
        routine.maximumArguments = row.indices.contains(11) ? row[11].flatMap { Int($0) } ?? Int.max : Int.max
        routine.takesRow = text(row, 12) == "t"
        return routine
    }
}
