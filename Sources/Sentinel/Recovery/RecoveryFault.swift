import ServerLink
import Snapshots

/// Why a recovery cannot be planned, or a step of it failed.
package enum RecoveryFault: Error, Sendable, Equatable, CustomStringConvertible {
    /// A connection cannot be opened, or broke: which one, and libpq's words.
    case unreachable(connection: String, reason: String)
    /// The server refused a statement: what was to be done, its words, and what to do about it.
    case refused(doing: String, reason: String, remedy: String)
    /// Nobody can say what is missing, or the connections do not fit together.
    case unclear(String)
    /// The program that runs the migrations is missing, failed, or is led elsewhere.
    case migrations(String)
    case snapshot(SnapshotFault)
    /// The journal, or another file of the recovery.
    case file(String)

    package var description: String {
        switch self {
        case .unreachable(let connection, let reason): "the database cannot be reached by \(connection): \(reason)"
        case .refused(let doing, let reason, let remedy):
            "the server refused \(doing): \(reason)" + (remedy.isEmpty ? "" : "; \(remedy)")
        case .unclear(let reason), .migrations(let reason), .file(let reason): reason
        case .snapshot(let fault): fault.description
        }
    }

    /// - Parameters:
    ///   - connection: the key of proxy.conf that it comes from.
    ///   - doing: what was to be done.
    init(_ fault: ServerFault, connection: String, doing: String, user: String = "") {
        switch fault {
        case .unreachable(let reason): self = .unreachable(connection: connection, reason: reason)
        case .refused(let state, _, _, _):
            let remedy =
                switch state {
                case "42501":
                    "let \(connection) in proxy.conf name a role that may\(user.isEmpty ? "" : " (\(user) may not)")"
                case "55P03", "57014": "somebody else holds a lock: see pg_stat_activity"
                default: ""
                }
            self = .refused(doing: doing, reason: fault.description, remedy: remedy)
        }
    }
}
