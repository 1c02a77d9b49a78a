import SQLParsing
import Synchronization

/// What sessions of one database go by: the newest index, swapped whole. Any thread.
package final class DatabaseCatalog: Sendable {
    let database: String
    /// Counts up with every new index: cheap to ask before every message.
    let version = Atomic<Int>(0)
    private let current = Mutex(HazardIndex())

    init(database: String) { self.database = database }

    var index: HazardIndex { current.withLock { $0 } }

    func publish(_ index: HazardIndex) {
        let isNew = current.withLock { current in
            if current.isSame(as: index) { return false }
            current = index
            return true
        }
        if isNew { version.add(1, ordering: .releasing) }
    }
}
