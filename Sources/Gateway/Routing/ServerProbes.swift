import CLinux
import Configuration
import Foundation
import Logging
import ServerLink
import Synchronization
import Transport

/// Asks servers again and again which of them is the primary: one thread and one connection for each address of the
/// upstreams for which that matters.
final class ServerProbes: Sendable {
    private struct State {
        var probes: [ServerProbe] = []
        var isRunning = false
    }

    private let state = Mutex(State())
    private let upstreams: [Upstream]
    private let logger: Logger

    init(_ upstreams: Upstreams, logger: Logger) {
        self.upstreams = upstreams.all.filter(\.isProbed)
        self.logger = logger
    }

    func start() {
        state.withLock { $0.isRunning = true }
        follow()
    }

    /// Names may have come to mean other addresses: what is new is asked from now on, what is gone no longer. Any thread.
    func follow() {
        let (new, gone) = state.withLock { state -> ([ServerProbe], [ServerProbe]) in
            guard state.isRunning else { return ([], []) }
            let wanted = upstreams.flatMap { upstream in
                upstream.places.map { ServerProbe(upstream, server: $0.server, address: $0.address, logger: logger) }
            }
            let gone = state.probes.filter { probe in !wanted.contains { $0.isSame(as: probe) } }
            let new = wanted.filter { probe in !state.probes.contains { $0.isSame(as: probe) } }
            state.probes.removeAll { probe in gone.contains { $0 === probe } }
            state.probes += new
            return (new, gone)
        }
        for probe in gone { probe.stop() }
        for probe in new { probe.start() }
    }

    /// Asks the upstream's servers now: a session has found that what was known does not hold. Any thread.
    func askSoon(_ upstream: Upstream) {
        for probe in state.withLock({ $0.probes }) where probe.upstream === upstream { probe.askSoon() }
    }

    func stop() {
        let probes = state.withLock { state in
            defer { state = State() }
            return state.probes
        }
        for probe in probes { probe.stop() }
    }
}
