import Policy

/// `[tcp]`: how dead connections are noticed, on both sides. 0 leaves a setting to the kernel.
package struct TCPSettings: Sendable, Hashable {
    /// How long a connection is silent before the kernel asks whether the other end still lives, in seconds.
    package var keepaliveIdle: Int
    /// Between one such question without an answer and the next, in seconds.
    package var keepaliveInterval: Int
    /// So many questions without an answer end the connection.
    package var keepaliveCount: Int
    /// How long what was sent may stay unacknowledged, or a window closed, in milliseconds.
    package var userTimeout: Int

    package init(
        keepaliveIdle: Int = 60, keepaliveInterval: Int = 10, keepaliveCount: Int = 6, userTimeout: Int = 0
    ) {
        self.keepaliveIdle = keepaliveIdle
        self.keepaliveInterval = keepaliveInterval
        self.keepaliveCount = keepaliveCount
        self.userTimeout = userTimeout
    }
}

/// `[proxy_protocol]`.
package struct ProxyProtocolSettings: Sendable, Hashable {
    /// Whose connections begin with a PROXY header; from anybody else it is none.
    package var sources: [ClientPattern]

    package init(sources: [ClientPattern] = []) { self.sources = sources }
}
