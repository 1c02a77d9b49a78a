import Foundation
import Synchronization

/// What a worker is told by others, and waits for. Any thread.
final class SinkSignal: Sendable {
    private struct State {
        var isAwake = false
        var isStopping = false
        var reopens = false
        var isWaiting = false
    }

    private let state = Mutex(State())
    private let semaphore = DispatchSemaphore(value: 0)

    var isStopping: Bool { state.withLock { $0.isStopping } }

    /// There is more to read.
    func wake() { tell { $0.isAwake = true } }

    func stop() { tell { $0.isStopping = true } }

    func reopen() { tell { $0.reopens = true } }

    /// Whether files are to be opened anew; asked once.
    func takeReopening() -> Bool {
        state.withLock { state in
            defer { state.reopens = false }
            return state.reopens
        }
    }

    private func tell(_ change: (inout State) -> Void) {
        let signals = state.withLock { state in
            change(&state)
            defer { state.isWaiting = false }
            return state.isWaiting
        }
        if signals { semaphore.signal() }
    }

    /// Waits until there is something to do, or the time is up.
    ///
    /// - Parameter ignoresWake: more to read is nothing to do now (the target is down).
    func wait(_ duration: Duration, ignoresWake: Bool = false) {
        let deadline = DispatchTime.now() + .nanoseconds(Int(clamping: Int64(duration / .nanoseconds(1))))
        while true {
            let mustWait = state.withLock { state in
                if state.isStopping || state.reopens || (state.isAwake && !ignoresWake) {
                    state.isAwake = false
                    return false
                }
                state.isWaiting = true
                return true
            }
            // A signal that comes after the time ran out only makes the next wait look again.
            guard mustWait, semaphore.wait(timeout: deadline) == .success else { return }
        }
    }
}
