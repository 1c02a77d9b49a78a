import Configuration
import Snapshots

/// A table that is missing, as exactly as that is known.
package struct RecoveryTable: Codable, Sendable, Hashable {
    /// As the watch names it.
    package var text: String
    /// Nil where any schema will do.
    package var schema: String?
    package var name: String
    /// Any table that the text matches will do.
    package var isPattern: Bool

    package init(schema: String?, name: String) {
        self.schema = schema
        self.name = name
        text = schema.map { "\($0).\(name)" } ?? name
        isPattern = false
    }

    /// - Parameters:
    ///   - text: an entry of ``WatchReport/missingTables``: a name of the accepted state, or what stands in proxy.conf.
    ///   - accepted: the tables of the accepted state.
    init(missing text: String, accepted: [TableShape]) {
        if let table = accepted.first(where: { $0.qualifiedName == text }) {
            self.init(schema: table.schema, name: table.name)
        } else if !text.contains(where: { "*?".contains($0) }), let name = TableName(text) {
            self.init(schema: name.schema, name: name.name)
            self.text = text
        } else {
            self.init(schema: nil, name: text)
            isPattern = true
        }
    }

    func matches(schema: String, name: String) -> Bool {
        if isPattern { return TablePattern(text)?.matches(schema: schema, name: name) ?? false }
        return name == self.name && (self.schema ?? schema) == schema
    }

    func matches(_ table: SnapshotManifest.Table) -> Bool {
        !table.isFollower && matches(schema: table.schema, name: table.name)
    }

    func matches(_ table: TableShape) -> Bool { matches(schema: table.schema, name: table.name) }
}
