import CLinux
import Configuration
import Logging
import Policy
import Telemetry

/// What the limits of `proxy.conf` count over all loops. Any thread.
package final class Limits: Sendable {
    package let counters = Counters()
    let throttle = LogThrottle()
    let sessions: SessionTable
    let logins: LoginTable
    let rates = ConnectRates()
    private let descriptorLimit: UInt64

    /// - Parameters:
    ///   - descriptorLimit: how many descriptors the process may have open.
    package init(
        maximumClients: Int, maximumLogins: Int = 0, limits: [SessionLimit] = [], descriptorLimit: UInt64 = .max
    ) {
        self.descriptorLimit = descriptorLimit
        sessions = SessionTable(maximumClients: maximumClients, limits: limits)
        logins = LoginTable(capacity: Self.loginCapacity(maximumLogins, maximumClients, descriptorLimit))
    }

    package convenience init(_ configuration: ProxyConfiguration, descriptorLimit: UInt64) {
        self.init(
            maximumClients: configuration.maximumClients, maximumLogins: configuration.limits.maximumLogins,
            limits: configuration.limits.blocks, descriptorLimit: descriptorLimit)
    }

    /// The limits of a new `proxy.conf`.
    func apply(_ changed: ProxyConfiguration) {
        sessions.apply(
            maximumClients: changed.maximumClients, limits: changed.limits.blocks, rules: changed.rules)
        logins.capacity = Self.loginCapacity(
            changed.limits.maximumLogins, changed.maximumClients, descriptorLimit)
    }

    /// Counts an event and, unless there were too many like it lately, writes a line about it.
    func note(
        _ counter: Counter, _ message: @autoclosure () -> String, _ metadata: @autoclosure () -> Logger.Metadata,
        logger: Logger
    ) {
        counters.add(counter)
        guard let leftOut = throttle.pass(counter, now: linux_clock_monotonic()) else { return }
        var metadata = metadata()
        if leftOut > 0 { metadata["more_like_it"] = "\(leftOut)" }
        logger.notice("\(message())", metadata: metadata)
    }

    /// Silent connections must never take the descriptors that real sessions need.
    private static func loginCapacity(_ wanted: Int, _ maximumClients: Int, _ descriptors: UInt64) -> Int {
        let capacity = wanted > 0 ? wanted : maximumClients
        return min(capacity, max(16, Int(clamping: descriptors) / 4))
    }
}
