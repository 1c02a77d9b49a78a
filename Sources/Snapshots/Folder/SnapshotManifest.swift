import Foundation

/// What a snapshot is of: `manifest.json` beside its archives. docs/snapshots.md tells every field.
package struct SnapshotManifest: Codable, Sendable, Equatable {
    /// Why it was taken.
    package struct Cause: Codable, Sendable, Equatable {
        package enum Kind: String, Codable, Sendable {
            /// A statement waited for it.
            case statement
            /// `holdfast snapshot take`.
            case command
        }

        package var kind: Kind
        /// The id of the statement's intent in the audit trail.
        package var intent: String?
        package var user: String?
        package var tag: String?
        /// `DROP TABLE`.
        package var command: String?
        package init(kind: Kind, intent: String? = nil, user: String? = nil, tag: String? = nil, command: String? = nil)
        {
            self.kind = kind
            self.intent = intent
            self.user = user
            self.tag = tag
            self.command = command
        }
    }

    /// A relation that the snapshot holds rows of, or a view's definition.
    package struct Table: Codable, Sendable, Equatable {
        package var schema: String
        package var name: String
        /// As SQL writes it.
        package var qualifiedName: String
        /// `pg_class.relkind`.
        package var kind: String
        package var oid: UInt32
        /// The server's estimate.
        package var rows: Int64
        /// On the server, without indexes.
        package var bytes: Int64
        /// The statement takes columns or rows of it; the table itself stays.
        package var stays: Bool

        /// It comes and goes with tables: a view, a materialized view, a sequence.
        package var isFollower: Bool { ["v", "m", "S"].contains(kind) }

        package var kindName: String {
            switch kind {
            case "r": "table"
            case "p": "partitioned table"
            case "m": "materialized view"
            case "v": "view"
            case "f": "foreign table"
            case "S": "sequence"
            default: kind
            }
        }
    }

    /// Something of the catalog, found again by its name (`pg_get_object_address`).
    package struct Thing: Codable, Sendable, Equatable {
        package var catalog: UInt32
        package var oid: UInt32
        package var type: String
        /// Arrays of text as PostgreSQL writes them.
        package var names: String
        package var arguments: String
        /// For people.
        package var text: String
        /// pg_dump has an entry of its own for it.
        package var isEntry: Bool
        /// How it is made where pg_dump has none: part of a table that stays.
        package var statement: String?
        /// OIDs of what the statement refers to.
        package var refers: [UInt32]?
    }

    package struct File: Codable, Sendable, Equatable {
        package var name: String
        package var bytes: Int
        package var sha256: String
    }

    package static let fileName = "manifest.json"
    package static let definitions = "definitions.dump"
    package static let tables = "tables.dump"

    package var version = 1
    package var id: String
    /// RFC 3339, UTC.
    package var takenAt: String
    package var database: String
    /// As libpq counts it.
    package var serverVersion: Int
    package var dumpVersion: String
    package var cause: Cause
    package var tables: [Table]
    /// What goes with the tables, if it is there: indexes, constraints, views, triggers …
    package var dependents: [Thing]
    /// What the tables need: types, functions, schemas.
    package var needs: [Thing]
    /// Tables that the definitions leave out, because somebody held them locked or they may not be read.
    package var leftOut: [String]
    /// Why there are no rows; nil where there are.
    package var withoutRows: String?
    package var files: [File]

    /// The tables; if there are none, what follows them.
    package var principals: [Table] {
        let others = tables.filter { !$0.isFollower }
        return others.isEmpty ? tables : others
    }

    package var byteCount: Int { files.reduce(0) { $0 + $1.bytes } }

    /// `1.5 MB`.
    package static func size(_ bytes: Int) -> String {
        var value = Double(bytes)
        for unit in ["B", "kB", "MB", "GB"] {
            if value < 1024 { return unit == "B" ? "\(bytes) B" : "\((value * 10).rounded() / 10) \(unit)" }
            value /= 1024
        }
        return "\((value * 10).rounded() / 10) TB"
    }
}
