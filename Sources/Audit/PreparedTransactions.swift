import Synchronization

/// The prepared transactions (PREPARE TRANSACTION) that have recorded statements and are not decided yet, as far as the trail
/// knows. Any thread.
///
/// COMMIT PREPARED may come in any session, and after Holdfast was started anew; most prepared transactions have nothing
/// that is recorded, and their end is not worth a record.
package final class PreparedTransactions: Sendable {
    private let names = Mutex<Set<String>>([])
    /// A server has 65,536 at most, as a rule none.
    private static let most = 100_000

    package init() {}

    /// What names one in all databases: gids are unique on a server, and a trail may be of several.
    package static func key(database: String, gid: String) -> String { "\(database)/\(gid)" }

    func insert(_ key: String) {
        names.withLock { if $0.count < Self.most { $0.insert(key) } }
    }

    /// - Returns: whether it was one of them.
    package func remove(_ key: String) -> Bool { names.withLock { $0.remove(key) != nil } }

    var all: [String] { names.withLock { $0.sorted() } }

    /// What a record of the trail says of them.
    func note(_ record: AuditRecord) {
        guard let outcome = record.outcome, let gid = outcome.gid else { return }
        let key = Self.key(database: record.session.database, gid: gid)
        switch record.event {
        case .outcome where outcome.transaction == .prepared: insert(key)
        case .transactionEnd: _ = remove(key)
        default: break
        }
    }
}
