/// One place besides the files that the trail goes to: an `[[audit.sink]]` block of `proxy.conf`.
package struct SinkSettings: Sendable, Hashable {
    /// What a record is turned into.
    package enum Format: String, Sendable, Hashable, CaseIterable {
        /// The trail's own line.
        case json
        /// An event of the Open Cybersecurity Schema Framework (``OCSFEvent``).
        case ocsf
    }

    package enum Kind: Sendable, Hashable {
        case postgresql(PostgresSinkSettings)
        case syslog(SyslogSinkSettings)
        case stdout
        /// A file that is appended to, by its absolute path.
        case file(path: String)
    }

    /// Unique; the position's file, counters and log lines are named after it.
    package var name: String
    package var kind: Kind
    package var format: Format
    /// The longest wait before a target that is down is tried again.
    package var retryMaximum: Duration

    package init(name: String, kind: Kind, format: Format = .json, retryMaximum: Duration = .seconds(30)) {
        self.name = name
        self.kind = kind
        self.format = format
        self.retryMaximum = retryMaximum
    }
}

/// `type = "postgresql"`.
package struct PostgresSinkSettings: Sendable, Hashable {
    /// libpq's connection string or URI. Never logged.
    package var connection: String
    package var table: PostgresTrailTable
    /// What is missing of the table is made.
    package var creates: Bool

    package init(connection: String, table: PostgresTrailTable, creates: Bool) {
        self.connection = connection
        self.table = table
        self.creates = creates
    }
}

/// `type = "syslog"`.
package struct SyslogSinkSettings: Sendable, Hashable {
    package enum Address: Sendable, Hashable {
        case tcp(host: String, port: UInt16)
        /// A datagram socket, such as /dev/log.
        case unix(path: String)

        package var text: String {
            switch self {
            case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
            case .unix(let path): "unix:\(path)"
            }
        }
    }

    /// RFC 5425.
    package struct Encryption: Sendable, Hashable {
        /// PEM; nil is the system's own authorities.
        package var authorityPath: String?
        package var certificatePath: String?
        package var keyPath: String?
        /// The name that the server's certificate must have.
        package var serverName: String

        package init(authorityPath: String?, certificatePath: String?, keyPath: String?, serverName: String) {
            self.authorityPath = authorityPath
            self.certificatePath = certificatePath
            self.keyPath = keyPath
            self.serverName = serverName
        }
    }

    package var address: Address
    package var encryption: Encryption?
    package var header: SyslogHeader

    package init(address: Address, encryption: Encryption?, header: SyslogHeader) {
        self.address = address
        self.encryption = encryption
        self.header = header
    }
}
