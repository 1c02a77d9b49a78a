/// A pattern of tables that are not guarded: `schema.name` with `*` for any characters and `?` for one.
///
/// The first dot parts schema and name; upper and lower case differ.
package struct GuardPattern: Sendable, Hashable {
    package let text: String
    /// Regular expressions as PostgreSQL reads them.
    let schemaExpression: String
    let nameExpression: String

    /// Nil if the text is not of the form `schema.name`.
    package init?(_ text: String) {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else { return nil }
        self.text = text
        schemaExpression = Self.expression(parts[0])
        nameExpression = Self.expression(parts[1])
    }

    private static func expression(_ glob: Substring) -> String {
        let parts = glob.map { character in
            switch character {
            case "*": ".*"
            case "?": "."
            case _ where character.isLetter || character.isNumber || character == "_": String(character)
            case "^", "\\": "\\\(character)"
            default: "[\(character)]"
            }
        }
        return "^\(parts.joined())$"
    }
}
