import Foundation
import Synchronization

/// How far a record must have got before its statement may go on.
package enum AuditDurability: String, Sendable, CaseIterable {
    /// On the disk (`fdatasync`): survives a power cut.
    case fsync
    /// With the kernel (`write`): survives the proxy's end, not the machine's.
    case write
    /// In the writer's queue: survives neither. Nobody waits.
    case async
}

/// How much the writer holds in memory when the disk is slower than the records, or takes none at all.
package struct AuditLimits: Sendable, Equatable {
    /// Texts of records that wait for their turn. Default 64 MiB. Beyond it records that somebody waits for are
    /// refused at once; others are counted as lost.
    package var queueByteCount = 64 << 20
    /// Lines that failed and that nobody waits for; they are written once the disk takes writes again. Default 16 MiB.
    /// Beyond it lines are counted as lost.
    package var backlogByteCount = 16 << 20
    /// How long to wait before the backlog is tried again, and how long a record that nobody waits for may stay with
    /// the kernel before it is brought to the disk. Default one second.
    package var retryInterval: Duration = .seconds(1)
    package init() {}
}

/// What the writer did since it was opened.
package struct AuditCounters: Sendable, Equatable {
    /// Records in the file.
    package var recordsWritten = 0
    /// Attempts to write or flush that failed.
    package var failures = 0
    /// Records that nobody waited for, held in memory until the disk takes them.
    package var recordsInBacklog = 0
    /// Records that are in no file and no backlog any more. The trail says so in a `gap` record.
    package var recordsLost = 0
    /// Calls of fdatasync.
    package var syncs = 0
    /// Writes that succeeded, each of one or more records.
    package var batches = 0
    /// Why the latest attempt failed; nil once one succeeded.
    package var fault: AuditFault?
}

/// Writes the audit trail: one thread, one file, group commit. Any thread may append.
///
/// Everything that waits in the queue is written with one write and, if somebody waits for the disk, flushed with one
/// fdatasync. While that runs the next batch gathers, so the number of flushes does not grow with the number of
/// waiting statements.
package final class AuditWriter: Sendable {
    private let queue: AuditQueue
    /// Those that the trail has statements of.
    package let prepared = PreparedTransactions()
    private let durability: AuditDurability
    /// The thread, until it was joined.
    private let thread: Mutex<pthread_t?>

    /// Opens the file, making it (mode 0600) and its folder (0700) if missing, locks it against a second process, ends
    /// a torn last line, and starts the thread.
    ///
    /// With `chain` every record is sealed, and files are closed and compressed (``AuditChainSettings``); `warn` is told what
    /// went wrong with that and does not concern any record, on any thread.
    ///
    /// `following` is where those meet the writer who read the trail's files after it.
    ///
    /// `healthChanged` runs on the writer's thread when writing begins to fail (with the reason) and when it works
    /// again (nil). It must only post or log.
    ///
    /// - Throws: ``AuditFault`` with path, reason and remedy: the file cannot be opened or is in use.
    package convenience init(
        path: String, durability: AuditDurability, limits: AuditLimits = AuditLimits(),
        chain: AuditChainSettings? = nil, following: AuditFollowing? = nil,
        warn: @escaping @Sendable (String) -> Void = { _ in },
        healthChanged: (@Sendable (AuditFault?) -> Void)? = nil
    ) throws(AuditFault) {
        try self.init(
            path: path, durability: durability, limits: limits, chain: chain, following: following, warn: warn,
            flush: { fdatasync($0) }, healthChanged: healthChanged)
    }

    /// As above, with a flush of the caller's own: for tests of disks that fail.
    init(
        path: String, durability: AuditDurability, limits: AuditLimits, chain: AuditChainSettings? = nil,
        following: AuditFollowing? = nil, warn: @escaping @Sendable (String) -> Void = { _ in },
        flush: @escaping AuditFile.Flush,
        healthChanged: (@Sendable (AuditFault?) -> Void)?
    ) throws(AuditFault) {
        self.durability = durability
        queue = AuditQueue(path: path, byteLimit: limits.queueByteCount)
        // The file first: its lock keeps others away from what the chain looks at.
        let file = try AuditFile(path: path, flush: flush)
        var sealing: AuditChain?
        if let chain, file.isRegular {
            sealing = try AuditChain(
                livePath: path, goesOn: file.found.start != nil, chain, prepared: prepared, warn: warn)
            sealing?.following = following
        }
        let loop = AuditWriterLoop(
            file: file, chain: sealing, queue: queue, durability: durability, limits: limits,
            healthChanged: healthChanged)
        thread = Mutex(try Self.start(loop, path: path))
    }

    deinit { close() }

    /// Queues records, in order; never waits. `completion` runs on the writer's thread once all of them are as durable
    /// as `durability` (nil: as configured) asks, or could not be written; it must only post somewhere. If the queue is
    /// full or the writer closed it runs at once, on the caller's thread, with that failure.
    ///
    /// Records with a completion are in the trail or reported as failed, never both and never later. Records without
    /// one are kept and tried again, and reach the disk a second later at most if `durability` is `fsync`.
    package func append(
        _ records: [AuditRecord], durability: AuditDurability? = nil,
        completion: (@Sendable (Result<Void, AuditFault>) -> Void)? = nil
    ) {
        for record in records where record.outcome?.gid != nil { prepared.note(record) }
        let level = self.durability == .async ? .async : durability ?? self.durability
        guard level == .async else {
            let entry = AuditQueue.Entry(records: records, durability: level, completion: completion)
            if let fault = queue.append(entry) { completion?(.failure(fault)) }
            return
        }
        // Nobody waits; but while the trail cannot be written nothing counts as recorded. An entry of no records has the
        // writer try.
        if let fault = queue.currentCounters.fault {
            queue.append(
                AuditQueue.Entry(records: completion == nil ? records : [], durability: .write, completion: nil))
            completion?(.failure(fault))
            return
        }
        let fault = queue.append(AuditQueue.Entry(records: records, durability: .write, completion: nil))
        completion?(fault.map { .failure($0) } ?? .success(()))
    }

    /// Reads the key file again: if it has a new key, the file is closed and the next one sealed with that. Any thread.
    package func rereadKeys() { queue.rereadKeys() }

    /// What happened so far; any thread.
    package var counters: AuditCounters { queue.currentCounters }

    /// Writes what is queued, brings it to the disk and ends the thread; returns when that is done. Called once, last,
    /// and not from a completion. Records that cannot be written even now are lost; ``counters`` tells how many.
    package func close() {
        let running = thread.withLock { thread in
            let running = thread
            thread = nil
            return running
        }
        guard let running else { return }
        queue.close()
        pthread_join(running, nil)
    }

    private static func start(_ loop: AuditWriterLoop, path: String) throws(AuditFault) -> pthread_t {
        var thread = pthread_t()
        // The thread becomes the loop's only owner.
        let argument = Unmanaged.passRetained(loop)
        let result = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Thread.current.name = "holdfast-audit"
                // Signals are for other threads; SIGXFSZ (a file size limit) would end the process instead of failing
                // the write.
                var signals = sigset_t()
                sigfillset(&signals)
                pthread_sigmask(SIG_BLOCK, &signals, nil)
                Unmanaged<AuditWriterLoop>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, argument.toOpaque())
        guard result == 0 else {
            argument.release()
            throw AuditFault(path: path, call: "pthread_create", errorNumber: result)
        }
        return thread
    }
}
