/// The kind of a database object, named as in the audit trail.
package enum ObjectKind: String, CaseIterable, Sendable {
    case table
    case view
    case materializedView = "materialized_view"
    case foreignTable = "foreign_table"
    case sequence
    case index
    case column
    case constraint
    case schema
    case database
    case type
    case domain
    case function
    case procedure
    case aggregate
    case trigger
    case eventTrigger = "event_trigger"
    case rule
    case policy
    case `extension`
    case role
    case tablespace
    case language
    case server
    case foreignDataWrapper = "foreign_data_wrapper"
    case userMapping = "user_mapping"
    case publication
    case subscription
    case accessMethod = "access_method"
    case `operator`
    case operatorClass = "operator_class"
    case operatorFamily = "operator_family"
    case cast
    case collation
    case conversion
    case statistics
    case textSearch = "text_search"
    case transform
    case largeObject = "large_object"
    case setting
    case file
    case program
    case other
}

/// An object as a statement names it: not resolved, so an unqualified name has no schema.
package struct ObjectName: Sendable, Hashable {
    package var kind: ObjectKind
    /// The schema as written (folded to lower case unless quoted, cut to 63 bytes as the server does); nil if none.
    package var schema: String?
    /// The object's own name; for a column or constraint the table's.
    package var name: String
    /// The column, constraint, trigger, rule or policy of the table `name`; nil for other objects.
    package var part: String?

    package init(_ kind: ObjectKind, schema: String? = nil, name: String, part: String? = nil) {
        self.kind = kind
        self.schema = schema
        self.name = name
        self.part = part
    }

    /// `schema.name.part`, unquoted: what rules' globs are matched against and what the audit trail shows.
    package var qualifiedName: String {
        var text = schema.map { $0 + "." + name } ?? name
        if let part { text += "." + part }
        return text
    }

    /// Whether the name says by itself that the object is temporary (`pg_temp.x`).
    package var isTemporaryByName: Bool { schema == "pg_temp" || schema?.hasPrefix("pg_temp_") == true }

    /// A part of the name was not known when the statement was read: something stands in its place.
    package var holdsPlaceholder: Bool {
        [schema, name, part].contains { $0.map(ConstantText.Piece.isIn) ?? false }
    }
}
