import Configuration
import Foundation
import ServerLink

/// An empty database for migrations to be run in, as like the watched one as they can tell: encoding, search_path, extensions,
/// schemas.
struct ScratchDatabase {
    /// The watched database, as the migrations may depend on it.
    struct Model {
        var encoding: String
        var collation: String
        var characterType: String
        /// As a SET writes it; nil where the database has none of its own.
        var searchPath: String?
        var extensions: [(name: String, schema: String)]
        var schemas: [String]

        init(_ link: ServerConnection) throws(ServerFault) {
            let row = try link.query(RecoveryQueries.traits).rows.first ?? []
            func value(_ index: Int) -> String? { row.indices.contains(index) ? row[index] : nil }
            encoding = value(0) ?? "UTF8"
            collation = value(1) ?? "C"
            characterType = value(2) ?? "C"
            searchPath = value(3)
            extensions = try link.query(RecoveryQueries.extensions).rows.compactMap { row in
                guard row.count == 2, let name = row[0], let schema = row[1] else { return nil }
                return (name, schema)
            }
            schemas = try link.query(RecoveryQueries.schemas).rows.compactMap { $0.first.flatMap(\.self) }
        }
    }

    /// Leads to the server where it is made.
    let connection: String
    let name: String

    func open(purpose: String = "recover") throws(ServerFault) -> ServerConnection {
        try ServerConnection(connection, database: name, purpose: purpose)
    }

    private var quoted: String { RecoveryQueries.identifier(name) }

    /// Makes it anew.
    ///
    /// - Parameters:
    ///   - scripts: the texts of the migrations: what they make themselves is not made before.
    ///   - run: runs a statement, and tells the trail.
    /// - Returns: what could not be made as it is in the watched database, for people.
    func make(
        like model: Model, scripts: [String], run: (String, ServerConnection) throws(ServerFault) -> Void
    ) throws(ServerFault) -> [String] {
        let link = try ServerConnection(connection, purpose: "recover")
        try drop(link, run)
        try run(
            "CREATE DATABASE \(quoted) TEMPLATE template0 ENCODING \(RecoveryQueries.literal(model.encoding)) LC_COLLATE "
                + "\(RecoveryQueries.literal(model.collation)) LC_CTYPE \(RecoveryQueries.literal(model.characterType))",
            link)
        if let path = model.searchPath { try run("ALTER DATABASE \(quoted) SET search_path TO \(path)", link) }
        let inside = try open()
        var faults: [String] = []
        let texts = scripts.map { $0.lowercased() }
        for schema in model.schemas where !Self.make("schema", schema, texts) {
            try run("CREATE SCHEMA IF NOT EXISTS \(RecoveryQueries.identifier(schema))", inside)
        }
        for (name, schema) in model.extensions where !Self.make("extension", name, texts) {
            do throws(ServerFault) {
                try run(
                    "CREATE EXTENSION IF NOT EXISTS \(RecoveryQueries.identifier(name)) SCHEMA "
                        + RecoveryQueries.identifier(schema), inside)
            } catch {
                guard case .refused = error else { throw error }
                faults.append("extension \(name) could not be made in \(self.name): \(error)")
            }
        }
        return faults
    }

    /// Whether the scripts make such a thing, and would fail if it were there.
    private static func make(_ kind: String, _ name: String, _ texts: [String]) -> Bool {
        texts.contains { text in
            guard text.contains("create \(kind)") || text.contains("create\(kind)"), text.contains(name.lowercased())
            else { return false }
            return !text.contains("create \(kind) if not exists") && !text.contains("if_not_exists=true")
        }
    }

    func drop(
        run: (String, ServerConnection) throws(ServerFault) -> Void
    ) throws(ServerFault) {
        try drop(try ServerConnection(connection, purpose: "recover"), run)
    }

    private func drop(
        _ link: ServerConnection, _ run: (String, ServerConnection) throws(ServerFault) -> Void
    ) throws(ServerFault) {
        guard try link.query(RecoveryQueries.databaseExists, [name]).value == "t" else { return }
        try run("DROP DATABASE \(quoted)", link)
    }
}
