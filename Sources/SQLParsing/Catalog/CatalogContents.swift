/// What a database's catalog says about code in it, as read from the server: the raw material of a ``HazardIndex``.
///
/// Objects are nodes of a graph with short keys: `f` and the OID for a routine, `t` for a type, `o` for an operator, `u`
/// for a rule, `r`, the OID and an ``AccessMode`` for a use of a relation.
package struct CatalogContents: Sendable {
    package var routines: [Routine] = []
    package var relations: [Named] = []
    package var types: [Named] = []
    package var operators: [Named] = []
    package var rules: [RuleText] = []
    package var edges: [Edge] = []
    package var eventTriggers: [EventTrigger] = []

    package init() {}

    package struct Routine: Sendable {
        package var key: String
        package var schema: String
        package var name: String
        package var isProcedure = false
        package var language: Language
        /// `prosrc`: the text, or the symbol in the library.
        package var source = ""
        /// The body in BEGIN ATOMIC or RETURN form, which has no text of its own.
        package var sqlBody: String?
        /// `probin`: a C function's library.
        package var library = ""
        package var parameters: [String] = []
        package var minimumArguments = 0
        /// `Int.max` for VARIADIC.
        package var maximumArguments = 0
        /// The first parameter is a row or of any type, so `row.name` calls the routine.
        package var takesRow = false

        package init(key: String, schema: String, name: String, language: Language) {
            self.key = key
            self.schema = schema
            self.name = name
            self.language = language
        }
    }

    /// A routine's language, known by its handler and not by its name.
    package enum Language: Sendable, Hashable {
        case sql
        case plpgsql
        case `internal`
        case c
        /// One that Holdfast cannot read.
        case other(String)
    }

    package struct Named: Sendable {
        package var key: String
        package var schema: String
        package var name: String

        package init(key: String, schema: String, name: String) {
            self.key = key
            self.schema = schema
            self.name = name
        }
    }

    /// A rule's or view's definition as SQL.
    package struct RuleText: Sendable {
        package var key: String
        package var sql: String

        package init(key: String, sql: String) {
            self.key = key
            self.sql = sql
        }
    }

    /// Using `from` may run or use `to`; the label says by what (`trigger t`).
    package struct Edge: Sendable {
        package var from: String
        package var to: String
        package var label: String

        package init(from: String, to: String, label: String) {
            self.from = from
            self.to = to
            self.label = label
        }
    }

    package struct EventTrigger: Sendable {
        package var name: String
        /// Its function's key.
        package var function: String
        /// The command tags it fires for; empty for all.
        package var tags: [String]

        package init(name: String, function: String, tags: [String]) {
            self.name = name
            self.function = function
            self.tags = tags
        }
    }
}
