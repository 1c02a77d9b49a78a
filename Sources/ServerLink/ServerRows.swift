/// A query's answer: rows of texts, NULL as nil.
package struct ServerRows: Sendable {
    package var columns: [String]
    package var rows: [[String?]]
    /// The command tag (`SELECT 3`, `CREATE TABLE`).
    package var commandTag: String

    /// The first row's first value; nil if there is no row, or it is NULL.
    package var value: String? { rows.first?.first ?? nil }
}
