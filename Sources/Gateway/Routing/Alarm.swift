import Foundation
import Synchronization

/// Wakes one thread that works again and again: on an interval, when somebody asks for it, and to end.
final class Alarm: Sendable {
    private let signal = DispatchSemaphore(value: 0)
    private let state = Mutex((isPending: false, isStopped: false))

    /// Any thread. Several calls before the work begins are one.
    func ring() {
        let isFirst = state.withLock { state in
            defer { state.isPending = true }
            return !state.isPending
        }
        if isFirst { signal.signal() }
    }

    /// The thread is to end. Any thread.
    func stop() {
        state.withLock { $0.isStopped = true }
        signal.signal()
    }

    var isStopped: Bool { state.withLock { $0.isStopped } }

    /// Sleeps until there is work.
    ///
    /// - Parameter interval: the longest time; nil to work only when asked.
    /// - Returns: false if the thread is to end.
    func wait(atMost interval: Duration?) -> Bool {
        if let interval {
            _ = signal.wait(timeout: .now() + .nanoseconds(Int(interval.nanoseconds)))
        } else {
            signal.wait()
        }
        return state.withLock { state in
            state.isPending = false
            return !state.isStopped
        }
    }
}
