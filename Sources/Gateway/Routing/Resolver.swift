import CLinux
import Foundation
import Logging
import Synchronization
import Transport

/// Looks the servers' names up again, on an interval and after connections have failed: on a thread of its own, since that
/// can block.
final class Resolver: Sendable {
    private let alarm = Alarm()
    /// The servers whose names could not be looked up the last time.
    private let failed = Mutex<Set<String>>([])
    private let upstreams: [Upstream]
    private let logger: Logger
    private let changed: @Sendable () -> Void

    /// - Parameter changed: called after every look-up, on its thread.
    init(_ upstreams: Upstreams, interval: Duration, logger: Logger, changed: @escaping @Sendable () -> Void = {}) {
        self.upstreams = upstreams.all
        self.logger = logger
        self.changed = changed
        let hasNames = self.upstreams.contains(where: \.hasNames)
        let thread = Thread {
            linux_name_thread("resolver")
            while self.alarm.wait(atMost: hasNames ? interval : nil) { self.resolve() }
        }
        thread.start()
    }

    /// Now, on the calling thread. What cannot be looked up is logged once, and again when it can.
    func resolve() {
        // A server may get its name later; clients are told meanwhile.
        let failures = upstreams.flatMap { $0.resolve() }
        let names = Set(failures.map(\.address))
        let former = failed.withLock { failed in
            defer { failed = names }
            return failed
        }
        for failure in failures where !former.contains(failure.address) {
            logger.error("cannot resolve the server's address \(failure.address): \(failure.reason)")
        }
        for name in former.subtracting(names).sorted() {
            logger.notice("the server's address \(name) can be resolved again")
        }
        changed()
    }

    /// Any thread.
    func resolveSoon() { alarm.ring() }

    func stop() { alarm.stop() }
}
