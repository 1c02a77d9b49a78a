import Audit
import Configuration
import Dispatch
import Logging
import ServerLink
import Synchronization

/// Opens and closes grants at the guards inside the databases (`holdfast.open_grant`): what the rules let pass must pass the
/// second wall, too.
///
/// A queue for each database, with a connection of Holdfast's own; nothing here runs on a loop. A grant lives no longer
/// than its connection, so a crash of the proxy or of the server leaves none behind.
package final class GrantService: Sendable {
    private let settings: GuardSettings
    private let audit: AuditWriter
    private let logger: Logger
    private let desks: Mutex<[String: GrantDesk]>

    /// - Parameter audit: is told when grants cannot be given, and when they can again.
    package init(_ settings: GuardSettings, audit: AuditWriter, logger: Logger) {
        self.settings = settings
        self.audit = audit
        self.logger = logger
        desks = Mutex([:])
    }

    /// Opens a grant, if the database has a guard.
    ///
    /// - Parameters:
    ///   - backend: the server process that will lose the tables.
    ///   - relations: their OIDs; nil for any.
    ///   - auditID: the intent in the trail that allows it.
    ///   - answer: called on another thread when the statement may go on: with or without a grant, since without one it is
    ///     the guard that refuses it.
    package func open(
        database: String, backend: Int32, relations: [UInt32]?, auditID: String, answer: @escaping @Sendable () -> Void
    ) {
        let desk = desk(database)
        desk.queue.async {
            desk.open(backend: backend, relations: relations, auditID: auditID)
            answer()
        }
    }

    /// Closes grants: their statements have ended.
    package func close(database: String, auditIDs: [String]) {
        let desk = desk(database)
        desk.queue.async { desk.close(auditIDs) }
    }

    /// Ends every connection, and with it what is still open.
    package func stop() {
        let all = desks.withLock { desks in
            defer { desks = [:] }
            return Array(desks.values)
        }
        for desk in all { desk.queue.async { desk.end() } }
    }

    private func desk(_ database: String) -> GrantDesk {
        desks.withLock { desks in
            if let desk = desks[database] { return desk }
            let desk = GrantDesk(database: database, connection: settings.connection, audit: audit, logger: logger)
            desks[database] = desk
            return desk
        }
    }
}

/// The grants of one database.
// Everything but the queue is touched on the queue only.
private final class GrantDesk: @unchecked Sendable {
    let queue: DispatchQueue
    private let database: String
    private let text: String
    private let audit: AuditWriter
    private let logger: Logger
    private var connection: ServerConnection?
    /// Until when the database is believed to have no guard.
    private var bareUntil: DispatchTime?
    private var fault: String?
    private var openCount = 0
    /// Counts what was asked of the desk: a rest that was interrupted is none.
    private var turn = 0

    /// So long an unused connection is kept; it stands in the way of DROP DATABASE.
    private static let rest = DispatchTimeInterval.seconds(3)

    init(database: String, connection: String, audit: AuditWriter, logger: Logger) {
        self.database = database
        self.audit = audit
        text = connection
        self.logger = logger
        queue = DispatchQueue(label: "holdfast.grants.\(database)")
    }

    func open(backend: Int32, relations: [UInt32]?, auditID: String) {
        if let bareUntil, DispatchTime.now() < bareUntil { return }
        turn += 1
        do throws(ServerFault) {
            let connection = try connected()
            guard try connection.query("SELECT pg_catalog.to_regprocedure('holdfast.guard_version()')").value != nil
            else {
                bareUntil = .now() + .seconds(2)
                if openCount == 0 { self.connection = nil }
                return
            }
            let oids = relations.map { "{" + $0.map(String.init).joined(separator: ",") + "}" }
            try connection.query(
                "SELECT holdfast.open_grant($1::pg_catalog.int4, $2::pg_catalog.oid[], $3)",
                [String(backend), oids, auditID])
            openCount += 1
            tell(nil)
        } catch {
            tell(error.description)
        }
    }

    func close(_ auditIDs: [String]) {
        guard let connection else { return }
        for auditID in auditIDs {
            do throws(ServerFault) {
                let closed = try connection.query("SELECT holdfast.close_grant($1)", [auditID]).value
                openCount -= closed.flatMap { Int($0) } ?? 0
            } catch {
                // Without its connection no grant is left; a guard that is gone needs none.
                self.connection = nil
                openCount = 0
                return
            }
        }
        guard openCount <= 0 else { return }
        openCount = 0
        turn += 1
        let now = turn
        queue.asyncAfter(deadline: .now() + Self.rest) {
            if self.turn == now, self.openCount == 0 { self.connection = nil }
        }
    }

    func end() { connection = nil }

    private func connected() throws(ServerFault) -> ServerConnection {
        if let connection, connection.isAlive { return connection }
        openCount = 0
        let opened = try ServerConnection(text, database: database, purpose: "grants")
        connection = opened
        return opened
    }

    /// Told once each time that it changes.
    private func tell(_ fault: String?) {
        defer { self.fault = fault }
        guard fault != self.fault else { return }
        audit.report(.grant, isOver: fault == nil, database: database, fault ?? "grants are given to the guard again")
        if let fault {
            logger.warning(
                "the guard cannot be given a grant: what it protects it will refuse (\(fault))",
                metadata: ["database": "\(database)"])
        } else {
            logger.notice("grants are given to the guard again", metadata: ["database": "\(database)"])
        }
    }
}
