import CLinux
import Foundation
import Logging
import Synchronization
import Transport

/// Looks the servers' names up again, on an interval and after connections have failed: on a thread of its own, since that
/// can block.
final class Resolver: Sendable {
    private let wanted = DispatchSemaphore(value: 0)
    private let state = Mutex((isPending: false, isStopped: false))
    private let upstreams: [Upstream]
    private let logger: Logger

    init(_ upstreams: Upstreams, interval: Duration, logger: Logger) {
        self.upstreams = upstreams.all
        self.logger = logger
        let hasNames = self.upstreams.contains(where: \.hasNames)
        let thread = Thread {
            linux_name_thread("resolver")
            while true {
                if hasNames {
                    _ = self.wanted.wait(timeout: .now() + .nanoseconds(Int(interval.nanoseconds)))
                } else {
                    self.wanted.wait()
                }
                let isStopped = self.state.withLock { state in
                    state.isPending = false
                    return state.isStopped
                }
                if isStopped { return }
                self.resolve()
            }
        }
        thread.start()
    }

    /// Now, on the calling thread. What cannot be looked up is logged once, and again when it can.
    func resolve() {
        for upstream in upstreams {
            do throws(TransportError) {
                try upstream.resolve()
            } catch {
                // The server may get its name later; clients are told meanwhile.
                logger.error("cannot resolve the server's address \(error.address): \(error.reason)")
            }
        }
    }

    /// Any thread. Several calls before the look-up begins are one.
    func resolveSoon() {
        let isFirst = state.withLock { state in
            defer { state.isPending = true }
            return !state.isPending
        }
        if isFirst { wanted.signal() }
    }

    func stop() {
        state.withLock { $0.isStopped = true }
        wanted.signal()
    }
}
