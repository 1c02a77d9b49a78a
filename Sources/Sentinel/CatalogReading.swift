import Foundation
import ServerLink

/// What one catalog query told.
struct CatalogReading: Sendable {
    var database: String
    var server: ServerIdentity
    /// Changes with every table or column that comes, goes or changes.
    var digest: String
    /// Nil if nothing has changed since the digest that was asked with. By name.
    var tables: [TableShape]?
    /// Some defaults are not known, for their tables are locked.
    var isPartial = false

    /// Asks.
    ///
    /// - Parameter known: the digest of the last reading; empty to get everything.
    /// - Throws: the server's error, that it does not answer, or that its answer makes no sense.
    static func read(
        _ connection: ServerConnection, known: String, leavesOutLocked: Bool = false, within patience: Duration
    ) throws(ServerFault) -> CatalogReading {
        let answer = try connection.query(
            WatchQueries.catalog(leavesOutLocked: leavesOutLocked), [known], within: patience)
        guard let first = answer.rows.first, first.count >= 8, let database = first[1], let start = first[2],
            let identifier = first[3], let timeline = first[4], let next = first[5].flatMap(UInt64.init),
            let digest = first[7]
        else { throw .unreachable("its answer to the catalog query makes no sense") }
        var reading = CatalogReading(
            database: database,
            server: ServerIdentity(
                systemIdentifier: identifier, timeline: Int(timeline) ?? 0, startTime: start,
                nextTransaction: next, isStandby: first[6] == "true"),
            digest: digest)
        if digest != known {
            var tables: [TableShape] = []
            tables.reserveCapacity(answer.rows.count - 1)
            for row in answer.rows.dropFirst() { tables.append(try table(row)) }
            reading.tables = tables.sorted { ($0.schema, $0.name) < ($1.schema, $1.name) }
            reading.isPartial = leavesOutLocked
        }
        return reading
    }

    private static func table(_ row: [String?]) throws(ServerFault) -> TableShape {
        guard row.count >= 7, let schema = row[1], let name = row[2], let kind = row[3], let persistence = row[4],
            let columns = row[6].flatMap(columns)
        else { throw .unreachable("its answer to the catalog query makes no sense") }
        return TableShape(
            schema: schema, name: name, kind: kind, persistence: persistence, isPartition: row[5] == "true",
            columns: columns)
    }

    private static func columns(_ text: String) -> [TableShape.Column]? {
        guard let rows = try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[Any]] else { return nil }
        return rows.compactMap { row in
            guard row.count >= 5, let name = row[0] as? String, let type = row[1] as? String,
                let isRequired = row[2] as? Bool, let generation = row[3] as? String
            else { return nil }
            return TableShape.Column(
                name: name, type: type, isRequired: isRequired, generation: generation,
                expression: row[4] as? String)
        }
    }
}
