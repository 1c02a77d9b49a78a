import Synchronization

/// Keeps a flood of alike events from becoming a flood of log lines: of each counter's events, so many lines in a while.
///
/// Any thread. What was left out is told with the next line that passes.
package final class LogThrottle: Sendable {
    private struct Window {
        var endsAt: Int64
        var lines: Int
        var leftOut: Int
    }

    private let windows = Mutex<[Counter: Window]>([:])
    private let lines: Int
    private let nanoseconds: Int64

    /// - Parameters:
    ///   - lines: how many pass in one while, at least 1.
    ///   - nanoseconds: how long a while is.
    package init(lines: Int = 5, nanoseconds: Int64 = 10_000_000_000) {
        self.lines = max(1, lines)
        self.nanoseconds = nanoseconds
    }

    /// Asks to write a line about an event.
    ///
    /// - Parameter now: a monotonic clock, in nanoseconds.
    /// - Returns: how many lines were left out since the last one that passed; nil if this one is left out too.
    package func pass(_ counter: Counter, now: Int64) -> Int? {
        windows.withLock { windows in
            var window = windows[counter] ?? Window(endsAt: now &+ nanoseconds, lines: 0, leftOut: 0)
            defer { windows[counter] = window }
            if now >= window.endsAt {
                window.endsAt = now &+ nanoseconds
                window.lines = 0
            }
            guard window.lines < lines else {
                window.leftOut += 1
                return nil
            }
            window.lines += 1
            defer { window.leftOut = 0 }
            return window.leftOut
        }
    }
}
