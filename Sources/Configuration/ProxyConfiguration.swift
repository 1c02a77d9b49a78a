import Policy

/// A valid `proxy.conf`, typed. Every setting's meaning, default and range stands in `docs/configuration.md` and in
/// the shipped file.
package struct ProxyConfiguration: Sendable {
    /// Where clients connect; at least one.
    package var listeners: [ListenAddress]
    /// The servers of sessions that no other upstream claims.
    package var upstream: UpstreamSettings
    /// Servers of certain databases, the first that matches.
    package var upstreams: [UpstreamSettings] = []
    /// How often names of servers are looked up again.
    package var dnsRefresh = Duration.seconds(30)
    package var embedded: EmbeddedServerSettings
    /// Event loops; 0 means one per core.
    package var loopCount: Int
    package var selector = SelectorChoice.auto
    /// How long a loop looks for more to do before it sleeps; 0 for not at all.
    package var busyPoll = Duration.zero
    package var maximumClients: Int
    /// How long SIGTERM waits for running transactions.
    package var drainTimeout: Duration
    /// How long a connection to the server may take to open.
    package var connectTimeout: Duration
    /// How long it may take from a client's connection until the server has let it in.
    package var loginTimeout: Duration
    /// The longest statement that is held whole to be judged, in bytes; longer ones have the class `oversized`.
    package var maximumStatementBytes: Int
    package var authentication = AuthenticationSettings()
    package var clientTLS = ClientTLSSettings()
    package var serverTLS = ServerTLSSettings()
    package var proxyProtocol = ProxyProtocolSettings()
    /// Whether the server is told by a PROXY header whose connection it is.
    package var sendsProxy = false
    package var tcp = TCPSettings()
    package var catalog: CatalogSettings
    package var log: LogSettings
    package var audit: AuditSettings
    /// Where the trail goes besides its files.
    package var auditSinks: [AuditSinkSettings] = []
    package var guardSettings: GuardSettings
    package var rules: RuleSet
    package var limits: LimitSettings
    /// Databases whose tables, migrations and data are looked at.
    package var watches: [WatchSettings] = []
    package var watching = WatchingSettings()
    /// What a statement that passes would lose is kept.
    package var snapshots = SnapshotSettings()
    /// Nil: no database is asked whether it is production.
    package var marker: MarkerSettings?
    /// What works but looks like a mistake; `holdfast check` and `serve` show it.
    package var warnings: [ConfigurationIssue] = []
    /// The folder of the file, absolute; empty when the text came from no file.
    package var folder = ""
    /// The text that it was read from.
    package var source = ""

    package init(
        listeners: [ListenAddress], upstream: UpstreamSettings, embedded: EmbeddedServerSettings, loopCount: Int,
        maximumClients: Int, drainTimeout: Duration, connectTimeout: Duration, loginTimeout: Duration,
        maximumStatementBytes: Int, catalog: CatalogSettings, log: LogSettings, audit: AuditSettings,
        guardSettings: GuardSettings, rules: RuleSet, limits: LimitSettings
    ) {
        self.listeners = listeners
        self.upstream = upstream
        self.embedded = embedded
        self.loopCount = loopCount
        self.maximumClients = maximumClients
        self.drainTimeout = drainTimeout
        self.connectTimeout = connectTimeout
        self.loginTimeout = loginTimeout
        self.maximumStatementBytes = maximumStatementBytes
        self.catalog = catalog
        self.log = log
        self.audit = audit
        self.guardSettings = guardSettings
        self.rules = rules
        self.limits = limits
    }

    /// Whether the server is Holdfast's own.
    package var isEmbedded: Bool { upstream.servers == [.embedded] }

    /// A path of the file made absolute: relative ones start in the file's folder.
    package func resolve(_ path: String) -> String {
        if path.hasPrefix("/") || folder.isEmpty { return path }
        return folder.hasSuffix("/") ? folder + path : folder + "/" + path
    }
}

/// An address to listen on.
package enum ListenAddress: Sendable, Hashable {
    /// A numeric IPv4 or IPv6 address or a host name, and a port (0 lets the kernel choose).
    case tcp(host: String, port: UInt16)
    /// A socket's path.
    case unix(path: String)

    /// As written in `proxy.conf` and in logs: `127.0.0.1:6543`, `[::1]:6543`, `unix:/run/holdfast/.s.PGSQL.6543`.
    package var text: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }
}

/// The PostgreSQL server behind the proxy.
package enum ServerAddress: Sendable, Hashable {
    /// A private server that Holdfast starts and stops itself.
    case embedded
    case tcp(host: String, port: UInt16)
    case unix(path: String)

    package var text: String {
        switch self {
        case .embedded: "embedded"
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }
}

/// The private server of `server = "embedded"`.
package struct EmbeddedServerSettings: Sendable, Hashable {
    /// Its data folder, absolute or relative to the folder of proxy.conf.
    package var dataDirectory: String
    /// The operating-system user it runs as when Holdfast is started by root.
    package var user: String
    /// PostgreSQL's programs (`/usr/lib/postgresql/15/bin`); empty means the newest found.
    package var binaryDirectory: String
    package init(dataDirectory: String, user: String, binaryDirectory: String) {
        self.dataDirectory = dataDirectory
        self.user = user
        self.binaryDirectory = binaryDirectory
    }
}

/// Reading which code is in the database.
package struct CatalogSettings: Sendable, Hashable {
    /// What of a routine is believed when the catalog cannot be read.
    package enum Missing: String, Sendable, CaseIterable {
        /// Calls of functions that PostgreSQL does not bring are `opaque`.
        case opaque
        /// They pass; the log says that the catalog cannot be read.
        case mark
    }

    /// libpq connection string of Holdfast's own role; nil where none is given, or it is "off".
    package var connection: String?
    /// No catalog is read, not even the embedded server's.
    package var isOff: Bool
    package var refresh: Duration
    /// How long a session's first statement waits for the catalog.
    package var patience: Duration
    package var missing: Missing

    package init(connection: String?, isOff: Bool, refresh: Duration, patience: Duration, missing: Missing) {
        self.connection = connection
        self.isOff = isOff
        self.refresh = refresh
        self.patience = patience
        self.missing = missing
    }
}

package struct LogSettings: Sendable, Hashable {
    /// swift-log's level name: trace debug info notice warning error critical.
    package var level: String
    package init(level: String) { self.level = level }
}

package struct AuditSettings: Sendable, Hashable {
    /// The trail's file, absolute or relative to the folder of proxy.conf.
    package var path: String
    /// What a statement that must be recorded waits for.
    package enum Durability: String, Sendable, Hashable, CaseIterable {
        /// The disk, the kernel, nothing.
        case fsync, write, async
    }

    package var durability: Durability
    /// The files of the keys that seal the trail and sign its checkpoints; empty: beside the trail.
    package var keyPath = ""
    package var signingKeyPath = ""
    /// A file is closed when it has so many bytes; 0 for never.
    package var rotateByteCount = 256 << 20
    /// A file is closed when it is so old; nil for never.
    package var rotateInterval: Duration?
    /// So many closed files are kept; 0 for all.
    package var keptFileCount = 0
    /// Files besides the trail that checkpoints go to.
    package var checkpointPaths: [String] = []
    package var checkpointInterval: Duration = .seconds(60)
    /// Which sessions have a record of their beginning and one of their end.
    package enum Sessions: String, Sendable, Hashable, CaseIterable {
        case none
        /// Those that something else is recorded of; written with the first such record.
        case active
        /// Those in which a rule can refuse something.
        case guarded
        case all
    }

    package var sessions = Sessions.active
    /// Of a longer text the trail holds beginning, end, length and hash.
    package var maximumTextBytes = 1 << 20

    package init(path: String, durability: Durability) {
        self.path = path
        self.durability = durability
    }
}

/// The wall inside the databases, and how Holdfast reaches it.
package struct GuardSettings: Sendable, Hashable {
    /// libpq's connection string of Holdfast's own role; empty when there is no guard to reach. Sessions are recorded in
    /// the trail when there is one: without them nobody can tell whose a process of the server was.
    package var connection: String
    /// The databases whose DDL log is watched; empty means the one that `connection` names.
    package var databases: [String]
    /// How often the log is compared with the trail; nil when it is not.
    package var watchInterval: Duration?

    package init(connection: String, databases: [String], watchInterval: Duration?) {
        self.connection = connection
        self.databases = databases
        self.watchInterval = watchInterval
    }

    package var isReachable: Bool { !connection.isEmpty }
}
