import Audit
import Foundation
import Logging
import Synchronization

/// All sinks of a running Holdfast. Changed by the main thread; its status may be asked for by any.
///
/// Each sink reads the trail's files after the writer, on a thread of its own: nothing waits for it, and what it could not
/// deliver it reads there later.
package final class SinkSet: Sendable {
    private let surroundings: SinkWorker.Surroundings
    private let workers = Mutex<[SinkWorker]>([])
    /// The sinks that have run since the start.
    private let known = Mutex<Set<String>>([])
    /// What sinks get at the end to deliver the rest.
    private static let patience = DispatchTimeInterval.seconds(5)

    /// - Parameters:
    ///   - livePath: the trail's file, absolute.
    ///   - following: where the trail's writer tells how far it has come.
    ///   - ownAddresses: where clients connect to this Holdfast, as ``Listener`` tells them.
    package init(livePath: String, following: AuditFollowing, ownAddresses: [String], logger: Logger) {
        surroundings = SinkWorker.Surroundings(
            livePath: livePath, following: following, ownAddresses: ownAddresses, logger: logger)
    }

    /// Starts what is new, ends what is gone, restarts what has changed; the others open their files anew.
    ///
    /// A sink that was taken out keeps its position's file: put back, it goes on from there if the trail's files still do.
    package func apply(_ settings: [SinkSettings]) {
        var information = stat()
        if !settings.isEmpty, stat(surroundings.livePath, &information) == 0, information.st_mode & S_IFMT != S_IFREG {
            surroundings.logger.error(
                "the audit trail \(surroundings.livePath) is no file that can be read back: its sinks get nothing; set 'file' under [audit] in proxy.conf to a file"
            )
        }
        let running = workers.withLock { $0 }
        let (kept, gone) = (
            running.filter { settings.contains($0.settings) }, running.filter { !settings.contains($0.settings) }
        )
        for worker in gone { worker.beginToStop() }
        let deadline = DispatchTime.now() + .seconds(2)
        var stuck: Set<String> = []
        for worker in gone {
            if !worker.awaitEnd(until: deadline) { stuck.insert(worker.settings.name) }
            if !settings.contains(where: { $0.name == worker.settings.name }) {
                surroundings.following.remove(worker.settings.name)
            }
        }
        for worker in kept { worker.reopen() }
        let started = settings.filter { wanted in !kept.contains { $0.settings == wanted } }
        for name in stuck {
            surroundings.logger.warning(
                "the sink \"\(name)\" is still held by its target as it was; it ends when that lets go")
        }
        let fresh = started.map { settings in
            var surroundings = surroundings
            surroundings.isFirst = known.withLock { $0.insert(settings.name).inserted }
            return SinkWorker(settings, surroundings)
        }
        workers.withLock { $0 = kept + fresh }
    }

    /// How each stands.
    package var status: [SinkStatus] { workers.withLock { $0 }.map(\.status) }

    /// What has been counted, all sinks together, without what is zero.
    package var counters: [(name: String, value: Int64)] {
        var counters = status.flatMap(\.counters)
        let held = Int64(surroundings.following.heldFileCount)
        if held > 0 { counters.append((name: "audit_files_held_for_sinks", value: held)) }
        return counters
    }

    /// Lets each deliver what the trail has, for a few seconds at most, and ends them. After the trail was closed.
    package func stop() {
        let running = workers.withLock { workers in
            defer { workers = [] }
            return workers
        }
        for worker in running { worker.beginToStop() }
        let deadline = DispatchTime.now() + Self.patience
        for worker in running where !worker.awaitEnd(until: deadline) {
            let behind = worker.status.behind
            surroundings.logger.warning(
                "the sink \"\(worker.settings.name)\" takes no more; the \(behind) records that it is behind are delivered by the next run"
            )
        }
    }
}
