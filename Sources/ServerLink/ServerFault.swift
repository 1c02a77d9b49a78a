/// Why something that Holdfast asked of a server for itself failed.
package enum ServerFault: Error, Sendable, Hashable, CustomStringConvertible {
    /// The connection could not be opened, or broke: libpq's words.
    case unreachable(String)
    /// The server answered with an error.
    case refused(sqlState: String, message: String, detail: String?, hint: String?)

    package var description: String {
        switch self {
        case .unreachable(let reason): reason
        case .refused(let sqlState, let message, let detail, let hint):
            ["\(message) (SQLSTATE \(sqlState))", detail, hint].compactMap(\.self).joined(separator: "; ")
        }
    }

    /// The server's SQLSTATE, if it answered.
    package var sqlState: String? {
        switch self {
        case .unreachable: nil
        case .refused(let sqlState, _, _, _): sqlState
        }
    }
}
