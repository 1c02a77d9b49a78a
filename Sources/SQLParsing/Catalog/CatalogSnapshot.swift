/// What a database's catalog holds that runs code: enough to know what calling a function, or touching a table, a type or an
/// operator, can do. Read by `CatalogQueries`, turned into a ``HazardIndex``.
///
/// Objects of PostgreSQL itself (OIDs under 16384) are left out wherever they can only be what the server ships.
package struct CatalogSnapshot: Sendable, Hashable {
    package var routines: [Routine] = []
    package var operators: [Operator] = []
    package var types: [TypeEntry] = []
    package var relations: [Relation] = []
    package var hooks: [Hook] = []
    package var eventTriggers: [EventTrigger] = []

    package init() {}

    /// A row of pg_proc.
    package struct Routine: Sendable, Hashable {
        package var oid: UInt32
        package var schema: String
        package var name: String
        /// How many arguments a call can have; `maximumArguments` is nil for VARIADIC.
        package var minimumArguments: Int
        package var maximumArguments: Int?
        /// The names of its parameters, those that have one.
        package var parameters: [String]
        /// `pg_language.lanname`: sql, plpgsql, c, internal …
        package var language: String
        /// `prosrc`; for LANGUAGE sql with a body (BEGIN ATOMIC, RETURN) the text of `pg_get_function_sqlbody`.
        package var body: String
        /// `probin`, for C: the library's path without directory and suffix, `plpgsql` of `$libdir/plpgsql`.
        package var library: String?
        /// `provolatile` is `v`: planning never runs it.
        package var isVolatile: Bool
        /// The extension that it belongs to.
        package var `extension`: String?
        /// Routines that run with it: an aggregate's transition, final, combine … functions, a planner support function.
        package var uses: [UInt32]
    }

    /// A row of pg_operator.
    package struct Operator: Sendable, Hashable {
        package var oid: UInt32
        package var schema: String
        package var name: String
        /// `oprcode`, `oprrest`, `oprjoin`.
        package var routines: [UInt32]
    }

    /// A row of pg_type: a base type, a domain, a range, an enum or a composite type of its own.
    package struct TypeEntry: Sendable, Hashable {
        package var oid: UInt32
        package var schema: String
        package var name: String
        /// Its input, output, receive, send, modifier, analyze and subscript functions, those of its casts (from it and to
        /// it), those of its operator classes, a range's canonical and difference functions.
        package var routines: [UInt32]
        /// What its domain constraints and default use, its base type, its attributes' types.
        package var uses: [Reference]
    }

    /// A row of pg_class: a table, partitioned table, view, materialized view or foreign table.
    package struct Relation: Sendable, Hashable {
        package var oid: UInt32
        package var schema: String
        package var name: String
        /// `relkind`.
        package var kind: String
        /// What it is a partition or child of.
        package var parents: [UInt32]
        /// The types of its columns, those that are not PostgreSQL's own.
        package var types: [UInt32]
        /// Tables whose rows change with its rows: foreign keys with ON DELETE or ON UPDATE CASCADE, SET NULL or SET DEFAULT.
        package var cascades: [Cascade]
    }

    package struct Cascade: Sendable, Hashable {
        /// What happens to this relation's rows.
        package var on: Access
        package var relation: UInt32
        /// What then happens to that one's.
        package var does: Access
    }

    /// Code that runs when a relation is touched: a trigger, a rule, a policy, a default, a check, a generated column, an
    /// index's expression or predicate, extended statistics, a view's query.
    package struct Hook: Sendable, Hashable {
        package var relation: UInt32
        package var access: Access
        /// For people: `trigger audit_leads`, `rule notify`, `default of column id`, `view`.
        package var label: String
        package var uses: [Reference]
        /// A rule's whole definition (`pg_get_ruledef`), for rules that are no view's.
        package var text: String?
    }

    /// A row of pg_event_trigger that is not disabled.
    package struct EventTrigger: Sendable, Hashable {
        package var name: String
        /// `evtevent`: ddl_command_start, ddl_command_end, table_rewrite, sql_drop, login.
        package var event: String
        /// `evttags`; empty for all.
        package var tags: [String]
        package var routine: UInt32
    }

    /// One thing that another uses (pg_depend).
    package enum Reference: Sendable, Hashable {
        case routine(UInt32)
        case `operator`(UInt32)
        case type(UInt32)
        /// Read by it.
        case relation(UInt32)
    }

    /// How a relation is touched, as a set.
    package struct Access: OptionSet, Sendable, Hashable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        package static let select = Access(rawValue: 1)
        package static let insert = Access(rawValue: 2)
        package static let update = Access(rawValue: 4)
        package static let delete = Access(rawValue: 8)
        package static let truncate = Access(rawValue: 16)
        /// ANALYZE, VACUUM, REINDEX, CLUSTER, CREATE INDEX, REFRESH, ALTER TABLE.
        package static let maintenance = Access(rawValue: 32)
        package static let all: Access = [.select, .insert, .update, .delete, .truncate, .maintenance]
    }
}

extension CatalogSnapshot.Routine {
    package init(
        oid: UInt32, schema: String, name: String, arguments: ClosedRange<Int>?, language: String, body: String,
        parameters: [String] = [], library: String? = nil, isVolatile: Bool = true, extension: String? = nil,
        uses: [UInt32] = []
    ) {
        self.init(
            oid: oid, schema: schema, name: name, minimumArguments: arguments?.lowerBound ?? 0,
            maximumArguments: arguments?.upperBound, parameters: parameters, language: language, body: body,
            library: library, isVolatile: isVolatile, extension: `extension`, uses: uses)
    }
}
