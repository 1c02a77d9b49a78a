import Audit
import CLinux
import Configuration
import Foundation
import Glibc
import Logging
import SQLParsing
import ServerLink
import Synchronization

/// Keeps what is known of the code in every database that guarded sessions use: a thread of its own, one connection for
/// each such database as long as sessions are on it.
///
/// A database is read when a session begins, when DDL has passed, and on an interval. A reading begun before a session
/// does not count for it.
package final class CatalogService: Sendable {
    private struct Waiting: Sendable {
        var catalog: DatabaseCatalog
        var answer: @Sendable () -> Void
    }

    private struct State: Sendable {
        var catalogs: [String: DatabaseCatalog] = [:]
        var sessionCounts: [String: Int] = [:]
        var waiting: [Waiting] = []
        var changed: Set<String> = []
        var isStopped = false
    }

    private let state = Mutex(State())
    private let wanted = DispatchSemaphore(value: 0)
    private let settings: CatalogSettings
    private let connection: @Sendable (_ database: String) -> String?
    private let audit: AuditWriter
    private let logger: Logger

    /// - Parameter connection: the libpq connection string of Holdfast's own role for the server that a database's sessions
    ///   go to; nil where there is none, and so nothing can be read.
    init(
        connection: @escaping @Sendable (_ database: String) -> String?, settings: CatalogSettings, audit: AuditWriter,
        logger: Logger
    ) {
        self.audit = audit
        self.connection = connection
        self.settings = settings
        self.logger = logger
    }

    func start() {
        let thread = Thread {
            linux_name_thread("catalog")
            var worker = CatalogWorker(self)
            worker.run()
        }
        // Bodies within bodies are read with a parser each.
        thread.stackSize = 8 << 20
        thread.start()
    }

    /// How long a session's first statement waits for a reading.
    var patience: Duration { settings.patience }

    /// What calls of functions that PostgreSQL does not bring are where there is no catalog.
    var unknownCall: StatementClass {
        switch settings.missing {
        case .opaque: .opaque
        case .mark: .unreadCall
        }
    }

    /// A guarded session begins. `answer` is called on the service's thread once a reading begun after this call has
    /// ended, well or not.
    func sessionBegan(on database: String, answer: @escaping @Sendable () -> Void) -> DatabaseCatalog {
        let catalog = state.withLock { state in
            let catalog = state.catalogs[database] ?? DatabaseCatalog(database: database)
            state.catalogs[database] = catalog
            state.sessionCounts[database, default: 0] += 1
            state.waiting.append(Waiting(catalog: catalog, answer: answer))
            return catalog
        }
        wanted.signal()
        return catalog
    }

    /// With its last session a database's connection is closed: it must not stand in the way of DROP DATABASE.
    func sessionEnded(on database: String) {
        let isLast = state.withLock { state in
            let count = (state.sessionCounts[database] ?? 1) - 1
            state.sessionCounts[database] = count > 0 ? count : nil
            if count <= 0 { state.catalogs[database] = nil }
            return count <= 0
        }
        if isLast { wanted.signal() }
    }

    /// Statements that may have changed the catalog have ended.
    func changed(_ database: String) {
        state.withLock { _ = $0.changed.insert(database) }
        wanted.signal()
    }

    func stop() {
        state.withLock { $0.isStopped = true }
        wanted.signal()
    }

    // MARK: - The worker's side

    /// What there is to do; nil to stop. Waits until the interval ends at most: it ends however much else there is to do.
    private func nextTask(intervalEnd: inout DispatchTime) -> Task? {
        _ = wanted.wait(timeout: intervalEnd)
        let isInterval = DispatchTime.now() >= intervalEnd
        if isInterval { intervalEnd = .now() + .nanoseconds(Int(settings.refresh.nanoseconds)) }
        return state.withLock { state in
            if state.isStopped { return nil }
            defer {
                state.waiting = []
                state.changed = []
            }
            let dueNames = isInterval ? Set(state.catalogs.keys) : state.changed
            return Task(
                waiting: state.waiting, due: dueNames.compactMap { state.catalogs[$0] }, open: Set(state.catalogs.keys))
        }
    }

    private struct Task {
        var waiting: [Waiting]
        var due: [DatabaseCatalog]
        var open: Set<String>
    }

    /// The connections, on the service's thread only.
    private struct CatalogWorker {
        let service: CatalogService
        var readers: [String: CatalogReader] = [:]
        var failed: Set<String> = []

        init(_ service: CatalogService) { self.service = service }

        mutating func run() {
            var intervalEnd = DispatchTime.now()
            while let task = service.nextTask(intervalEnd: &intervalEnd) {
                readers = readers.filter { task.open.contains($0.key) }
                failed.formIntersection(task.open)
                var seen: Set<String> = []
                for catalog in task.waiting.map(\.catalog) + task.due where seen.insert(catalog.database).inserted {
                    refresh(catalog)
                    for waiting in task.waiting where waiting.catalog.database == catalog.database {
                        if waiting.catalog !== catalog { waiting.catalog.publish(catalog.index) }
                        waiting.answer()
                    }
                }
            }
        }

        private mutating func refresh(_ catalog: DatabaseCatalog) {
            let database = catalog.database
            do throws(ServerFault) {
                if readers[database]?.isAlive != true {
                    guard let connection = service.connection(database) else {
                        throw .unreachable("the [[upstream]] of its sessions has no \"catalog\" connection")
                    }
                    readers[database] = try CatalogReader(connection: connection, database: database)
                }
                guard let index = try readers[database]?.read() else { return }
                catalog.publish(index)
                if failed.remove(database) != nil {
                    service.logger.notice("the catalog of database \(database) can be read again")
                    service.audit.report(.catalog, isOver: true, database: database, "the catalog can be read again")
                }
            } catch {
                readers[database] = nil
                catalog.publish(catalog.index.withUnknownCalls(as: service.unknownCall))
                if failed.insert(database).inserted {
                    service.logger.error("the catalog of database \(database) cannot be read: \(error)")
                    service.audit.report(.catalog, database: database, "the catalog cannot be read: \(error)")
                }
            }
        }
    }
}
