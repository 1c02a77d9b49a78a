import Audit
import CLinux
import Configuration
import Dispatch
import Foundation
import Logging
import Policy
import SQLParsing
import Session
import SQLParsing
import Snapshots
import Synchronization

/// Takes snapshots for statements that wait (``SnapshotTaker``), and keeps the folder as small as proxy.conf says.
///
/// A queue of its own, two snapshots at a time; nothing here runs on a loop.
package final class SnapshotService: Sendable {
    private let taker: SnapshotTaker
    private let audit: AuditWriter
    private let logger: Logger
    private let queue = DispatchQueue(label: "holdfast.snapshots", attributes: .concurrent)
    private let desk = Mutex(Desk())
    private let running = DispatchGroup()
    private let keeping = DispatchQueue(label: "holdfast.snapshots.keeping")
    private let isStopped = Atomic(false)

    /// What is done and what waits for it: nobody waits on a thread.
    private struct Desk {
        var runningCount = 0
        var waiting: [@Sendable () -> Void] = []
    }

    private static let mostAtOnce = 2

    /// Whose statement waits.
    package struct Client: Sendable {
        package var database: String
        package var user: String
        package var tag: String
    }

    /// - Parameters:
    ///   - connection: libpq connection string of Holdfast's own role.
    ///   - folder: absolute.
    package init(
        _ settings: SnapshotSettings, folder: String, connection: String, audit: AuditWriter, logger: Logger
    ) {
        taker = SnapshotTaker(settings, folder: SnapshotFolder(folder), connection: connection)
        self.audit = audit
        self.logger = logger
        keeping.async { self.tidy() }
    }

    private var settings: SnapshotSettings { taker.settings }

    /// The classes of statements that wait for a snapshot, in sessions of this tag on this database; nil if none do.
    func classes(tag: String, database: String) -> ClassSet? {
        guard settings.concern(tag: tag, database: database) else { return nil }
        return settings.classes ?? SessionMachine.standardSnapshotClasses
    }

    /// Who waits for a snapshot holds it, and may give up.
    final class Ticket: Sendable {
        private let isAbandonedNow = Atomic(false)

        var isAbandoned: Bool { isAbandonedNow.load(ordering: .relaxed) }

        /// Any thread.
        func abandon() { isAbandonedNow.store(true, ordering: .relaxed) }
    }

    /// Takes a snapshot.
    ///
    /// - Parameter answer: called on another thread, once.
    func take(
        _ request: SnapshotRequest, for client: Client, ticket: Ticket,
        answer: @escaping @Sendable (SnapshotAnswer) -> Void
    ) {
        begin {
            answer(self.answer(to: request, for: client, ticket: ticket))
            self.keeping.async { self.tidy() }
        }
    }

    private func begin(_ work: @escaping @Sendable () -> Void) {
        let isNext = desk.withLock { desk in
            guard desk.runningCount < Self.mostAtOnce else {
                desk.waiting.append(work)
                return false
            }
            desk.runningCount += 1
            return true
        }
        if isNext { run(work) }
    }

    private func run(_ work: @escaping @Sendable () -> Void) {
        queue.async(group: running) {
            work()
            let next = self.desk.withLock { desk -> (@Sendable () -> Void)? in
                if !desk.waiting.isEmpty { return desk.waiting.removeFirst() }
                desk.runningCount -= 1
                return nil
            }
            if let next { self.run(next) }
        }
    }

    /// Ends what runs; statements that wait are refused. Waits for pg_dump's end, a few seconds at most.
    package func stop() {
        isStopped.store(true, ordering: .relaxed)
        _ = running.wait(timeout: .now() + .seconds(5))
    }

    private func answer(to request: SnapshotRequest, for client: Client, ticket: Ticket) -> SnapshotAnswer {
        do throws(SnapshotFault) {
            if let reason = request.beyondReach { throw .beyondReach(reason) }
            let scope: SnapshotWish.Scope
            if let things = request.things {
                scope = .things(
                    relations: things.filter { $0.catalog == .relation && !$0.stays }.map(\.oid),
                    staying: things.filter { $0.catalog == .relation && $0.stays }.map(\.oid),
                    functions: things.filter { $0.catalog == .function }.map(\.oid),
                    types: things.filter { $0.catalog == .type }.map(\.oid))
            } else if settings.unknown == .database {
                scope = .database
            } else {
                throw .unknownLoss
            }
            let wish = SnapshotWish(
                database: client.database, scope: scope, backend: request.backend,
                cause: SnapshotManifest.Cause(
                    kind: .statement, intent: request.auditID, user: client.user, tag: client.tag,
                    command: request.command))
            let begin = ContinuousClock.now
            let snapshot = try taker.take(wish) {
                ticket.isAbandoned ? .abandoned : self.isStopped.load(ordering: .relaxed) ? .stopped : nil
            }
            guard let snapshot else { return .notNeeded }
            tell(.taken, snapshot: snapshot.id, client, request, Self.words(snapshot))
            logger.notice(
                "snapshot \(snapshot.id): \(Self.words(snapshot))",
                metadata: [
                    "database": "\(client.database)", "audit_id": "\(request.auditID)",
                    "took": "\(ContinuousClock.now - begin)",
                ])
            return .taken(snapshot.id)
        } catch {
            tell(.failed, snapshot: nil, client, request, error.description)
            logger.error(
                "no snapshot, so \(request.command) is refused: \(error.description)",
                metadata: ["database": "\(client.database)", "user": "\(client.user)"])
            return .refused(error.description)
        }
    }

    private static func words(_ snapshot: SnapshotManifest) -> String {
        let tables = snapshot.principals
        let names = tables.prefix(10).map(\.qualifiedName).joined(separator: ", ")
        let more = tables.count > 10 ? " and \(tables.count - 10) more" : ""
        let rows = snapshot.withoutRows.map { ", definitions only: \($0)" } ?? ""
        return "\(names)\(more), \(SnapshotManifest.size(snapshot.byteCount))\(rows)"
    }

    private func tell(
        _ action: AuditRecord.SnapshotEvent.Action, snapshot: String?, _ client: Client, _ request: SnapshotRequest,
        _ text: String
    ) {
        audit.append(
            [
                AuditRecord.snapshot(
                    AuditRecord.SnapshotEvent(
                        action: action, snapshot: snapshot, intent: action == .taken ? request.auditID : nil, text: text
                    ),
                    database: client.database, user: client.user, tag: client.tag, time: linux_clock_realtime(),
                    id: String(linux_random(), radix: 16))
            ], durability: .write)
    }

    /// Removes what proxy.conf does not keep, and takes over what commands have left for the trail.
    private func tidy() {
        for note in SnapshotJournal(taker.folder).take() {
            audit.append(
                [
                    AuditRecord.snapshot(
                        AuditRecord.SnapshotEvent(
                            action: AuditRecord.SnapshotEvent.Action(rawValue: note.action) ?? .failed,
                            snapshot: note.snapshot, intent: nil, text: note.text),
                        database: note.database, user: note.user, tag: "", time: note.time,
                        id: String(linux_random(), radix: 16))
                ], durability: .write)
        }
        do throws(SnapshotFault) {
            for gone in try taker.folder.tidy(settings) {
                audit.append(
                    [
                        AuditRecord.snapshot(
                            AuditRecord.SnapshotEvent(
                                action: .removed, snapshot: gone.id, intent: nil, text: gone.reason),
                            database: gone.database, user: "", tag: "", time: linux_clock_realtime(),
                            id: String(linux_random(), radix: 16))
                    ], durability: .write)
            }
        } catch {
            logger.warning("old snapshots cannot be removed: \(error.description)")
        }
    }
}
