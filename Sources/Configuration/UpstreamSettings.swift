import Policy

/// A server, or several that stand for each other: the top-level `server`, or a `[[upstream]]` block.
package struct UpstreamSettings: Sendable, Hashable {
    /// Which of several servers is wanted.
    package enum Target: String, Sendable, CaseIterable {
        /// The first that can be reached.
        case any
        /// The one that takes writes.
        case primary
        /// One that follows another.
        case standby
        /// One that follows another; without any, the primary.
        case preferStandby = "prefer-standby"
    }

    /// For messages and logs; `server` for the top-level one.
    package var name: String
    /// Which databases' sessions it gets; empty for the top-level one, which gets the rest.
    package var databases: [Glob]
    /// In the order in which they are tried; at least one.
    package var servers: [ServerAddress]
    package var target: Target
    /// libpq connection string of the role that asks the servers which of them is the primary; "" where nobody asks.
    package var probe: String
    package var probeInterval: Duration
    /// How Holdfast meets these servers; nil is `[server_tls]`.
    package var tls: ServerTLSSettings?
    /// libpq connection string for reading these servers' catalogs; nil is none.
    package var catalogConnection: String?
    /// Whether connections to these servers begin with a PROXY header; nil is what the top-level `send_proxy` says.
    package var sendsProxy: Bool?

    package init(
        name: String, databases: [Glob] = [], servers: [ServerAddress], target: Target = .any, probe: String = "",
        probeInterval: Duration = .seconds(2), tls: ServerTLSSettings? = nil, catalogConnection: String? = nil
    ) {
        self.name = name
        self.databases = databases
        self.servers = servers
        self.target = target
        self.probe = probe
        self.probeInterval = probeInterval
        self.tls = tls
        self.catalogConnection = catalogConnection
    }

    /// The servers as `proxy.conf` writes them.
    package var text: String { servers.map(\.text).joined(separator: ", ") }
}
