import Foundation
import Synchronization

/// What waits for the writer's thread, and what the thread tells of itself. Any thread.
final class AuditQueue: Sendable {
    /// Records that are written, or fail, together.
    struct Entry: Sendable {
        var records: [AuditRecord]
        var durability: AuditDurability
        var completion: (@Sendable (Result<Void, AuditFault>) -> Void)?

        /// What the records' long texts take; the rest is counted flat.
        var byteCount: Int {
            records.reduce(0) { sum, record in
                sum + 512 + (record.statement?.sql.utf8.count ?? 0) + (record.outcome?.message?.utf8.count ?? 0)
            }
        }
    }

    /// One visit of the writer's thread.
    struct Work {
        var entries: [Entry]
        /// Records without a completion that found the queue full.
        var lostCount: Int
        var isClosing: Bool
        /// The key file is to be read again.
        var rereadsKeys: Bool
    }

    private struct State {
        var entries: [Entry] = []
        var byteCount = 0
        var lostCount = 0
        var isClosing = false
        var rereadsKeys = false
        /// The thread waits for the semaphore, which then is signalled once.
        var isThreadAsleep = false
    }

    private let path: String
    private let byteLimit: Int
    private let state = Mutex(State())
    private let counters = Mutex(AuditCounters())
    private let wake = DispatchSemaphore(value: 0)

    init(path: String, byteLimit: Int) {
        self.path = path
        self.byteLimit = byteLimit
    }

    /// Queues an entry, or says why not.
    @discardableResult
    func append(_ entry: Entry) -> AuditFault? {
        let byteCount = entry.byteCount
        let (fault, wakes) = state.withLock { state -> (AuditFault?, Bool) in
            if state.isClosing { return (AuditFault(description: "audit trail \(path): closed"), false) }
            // One entry is taken whatever its size.
            guard state.entries.isEmpty || byteCount <= byteLimit - state.byteCount else {
                if entry.completion == nil { state.lostCount += entry.records.count }
                let fault = AuditFault(
                    description: "audit trail \(path): \(state.byteCount) bytes wait for the disk, which is too slow")
                return (fault, false)
            }
            state.entries.append(entry)
            state.byteCount += byteCount
            let wakes = state.isThreadAsleep
            state.isThreadAsleep = false
            return (nil, wakes)
        }
        if wakes { wake.signal() }
        return fault
    }

    /// Lets the thread finish what is queued and end.
    func close() { tell { $0.isClosing = true } }

    /// Lets the thread read the key file again.
    func rereadKeys() { tell { $0.rereadsKeys = true } }

    private func tell(_ change: (inout State) -> Void) {
        let wakes = state.withLock { state in
            change(&state)
            let wakes = state.isThreadAsleep
            state.isThreadAsleep = false
            return wakes
        }
        if wakes { wake.signal() }
    }

    /// Writer's thread only: everything queued. Waits for something to do, no longer than `timeout` if there is one.
    func take(timeout: Duration?) -> Work {
        let deadline = timeout.map { timeout in
            let (seconds, attoseconds) = timeout.components
            return DispatchTime.now() + .seconds(Int(clamping: seconds))
                + .nanoseconds(Int(clamping: attoseconds / 1_000_000_000))
        }
        var isLate = false
        while true {
            let work = state.withLock { state -> Work? in
                guard !state.entries.isEmpty || state.isClosing || state.rereadsKeys || isLate else {
                    state.isThreadAsleep = true
                    return nil
                }
                let work = Work(
                    entries: state.entries, lostCount: state.lostCount, isClosing: state.isClosing,
                    rereadsKeys: state.rereadsKeys)
                state.rereadsKeys = false
                state.entries = []
                state.byteCount = 0
                state.lostCount = 0
                state.isThreadAsleep = false
                return work
            }
            if let work { return work }
            // A signal that comes after the time ran out only makes the next wait return at once.
            if let deadline { isLate = wake.wait(timeout: deadline) == .timedOut } else { wake.wait() }
        }
    }

    var currentCounters: AuditCounters { counters.withLock { $0 } }

    /// Writer's thread only.
    func count(_ change: (inout AuditCounters) -> Void) { counters.withLock { change(&$0) } }
}
