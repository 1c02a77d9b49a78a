/// How a statement uses a relation; each mode runs other code that is attached to it.
package enum AccessMode: String, CaseIterable, Sendable {
    case select = "s"
    case insert = "i"
    case update = "u"
    case delete = "d"
    case truncate = "t"
    /// What computes expressions anew over all rows: ANALYZE, REINDEX, REFRESH, ALTER TABLE.
    case maintain = "m"
    /// Triggers and rules that are switched off are switched on.
    case enable = "e"

    /// The statement's words before a relation's name, for paths.
    var verb: String {
        switch self {
        case .select: "SELECT FROM"
        case .insert: "INSERT INTO"
        case .update: "UPDATE"
        case .delete: "DELETE FROM"
        case .truncate: "TRUNCATE"
        case .maintain: "rewriting or analyzing"
        case .enable: "enabling what is on"
        }
    }
}

/// Something that a text names and that the catalog may have code behind.
struct Mention: Sendable, Hashable {
    enum Use: Sendable, Hashable {
        /// A call with so many arguments; nil where their number is not plain.
        case call(argumentCount: Int?)
        /// `row.name`, which calls a function of a row if no column has that name.
        case field
        /// A function that a definition names.
        case function
        case relation(AccessMode)
        /// Every relation of a schema or of the database.
        case allRelations(AccessMode)
        case type
        case `operator`
    }

    var use: Use
    var schema: String?
    var name: String

    /// The element's type if the name is that of an array type, which has it behind an underscore.
    var elementName: String? { name.hasPrefix("_") ? String(name.dropFirst()) : nil }
}

/// Collects what texts name, while the catalog's own texts are read.
// Made, filled and read by the one thread that builds an index.
final class MentionLog: @unchecked Sendable {
    var mentions: Set<Mention> = []
}
