import Policy

/// `[limits]` and the `[[limit]]` blocks. `max_clients`, `login_timeout` and `max_statement` stand at the top of the file.
package struct LimitSettings: Sendable, Hashable {
    /// Connections that have not logged in yet; 0 means as many as `max_clients`.
    package var maximumLogins: Int
    /// How often one address may connect; nil is as often as it likes.
    package var connectRate: ConnectRate?
    /// What Holdfast itself may hold for one session, in bytes.
    package var sessionMemory: Int
    /// In the order of the file.
    package var blocks: [SessionLimit]

    package init(maximumLogins: Int, connectRate: ConnectRate?, sessionMemory: Int, blocks: [SessionLimit]) {
        self.maximumLogins = maximumLogins
        self.connectRate = connectRate
        self.sessionMemory = sessionMemory
        self.blocks = blocks
    }
}

/// `connect_rate` and `connect_burst`.
package struct ConnectRate: Sendable, Hashable {
    /// The time that one connection takes up, in nanoseconds; more than 0.
    package var interval: Int64
    /// So many at once, at least 1.
    package var burst: Int

    package init(interval: Int64, burst: Int) {
        self.interval = interval
        self.burst = burst
    }
}
