import Configuration
import Policy

/// All servers behind the proxy: which session goes where.
package struct Upstreams: Sendable {
    /// For sessions that no other claims, and for physical replication, which has no database.
    let standard: Upstream
    private let others: [Upstream]

    package init(standard: Upstream, others: [Upstream] = []) {
        self.standard = standard
        self.others = others
    }

    /// The servers of a database's sessions: the first block that names it.
    ///
    /// - Parameter database: empty for physical replication, which no pattern claims, not even `*`.
    func upstream(for database: String) -> Upstream {
        if database.isEmpty { return standard }
        return others.first { $0.settings.databases.matches(database) } ?? standard
    }

    var all: [Upstream] { [standard] + others }
}
