import CLinux
import Glibc
import Logging
import PostgresWire
import Telemetry
import Transport

/// What the acceptor does while no descriptor is left for a client: silent connections go first, then the client is told
/// why it cannot come in, and if not even that can be done, it waits. Ends by itself. Used by the acceptor's thread.
struct DescriptorShortage: ~Copyable {
    /// Look away from the listeners for so many milliseconds.
    var delay: Int32 = 0

    private var reserve = DescriptorReserve()
    private var patience: Int32 = 0
    private var failedAt: Int64?
    private var turnedAway = 0

    /// How old a connection must be to count as silent rather than as just come, in nanoseconds.
    private static let silentAge: Int64 = 1_000_000_000
    /// A shortage is over when clients have been accepted for so long, in nanoseconds.
    private static let recovery: Int64 = 1_000_000_000
    private static let longestDelay: Int32 = 1000

    /// A client was accepted.
    mutating func accepted(logger: Logger) {
        guard let failedAt else { return }
        patience = 0
        reserve.refill()
        guard linux_clock_monotonic() - failedAt > Self.recovery else { return }
        logger.notice("clients are accepted again", metadata: ["turned_away": "\(turnedAway)"])
        self.failedAt = nil
        turnedAway = 0
    }

    /// A client waits at the listener, and the kernel has no descriptor or no memory for it.
    mutating func failed(_ code: Int32, at listener: Listener, limits: Limits, logger: Logger) {
        let now = linux_clock_monotonic()
        if failedAt == nil {
            logger.error(
                "cannot accept a client: \(TransportError.text(code))",
                metadata: ["remedy": "raise the limit of open files (ulimit -n, LimitNOFILE), or lower max_clients"])
        }
        failedAt = now
        if code == EMFILE || code == ENFILE {
            if let victim = limits.logins.takeSilentVictim(before: now - Self.silentAge) {
                victim.mailbox.post(.endLogin(owner: victim.owner))
                // Its loop needs a moment to close it.
                delay = 5
                return
            }
            reserve.refill()
            if reserve.turnAway(from: listener) {
                turnedAway += 1
                limits.counters.add(.refusedDescriptors)
                return
            }
        }
        patience = min(max(patience * 2, 50), Self.longestDelay)
        delay = patience
    }
}
