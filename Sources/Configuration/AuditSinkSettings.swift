/// A place besides the files that the trail goes to: an `[[audit.sink]]` block.
package struct AuditSinkSettings: Sendable, Hashable {
    package enum Format: String, Sendable, Hashable, CaseIterable {
        /// The trail's own lines.
        case json
        /// Events of the Open Cybersecurity Schema Framework.
        case ocsf
    }

    package enum Kind: Sendable, Hashable {
        /// libpq's connection string or URI; schema and name of the table; whether what is missing is made.
        case postgresql(connection: String, schema: String, table: String, creates: Bool)
        case syslog(Syslog)
        case stdout
        /// The path, absolute or relative to the folder of proxy.conf.
        case file(path: String)

        /// As `type` has it.
        package var name: String {
            switch self {
            case .postgresql: "postgresql"
            case .syslog: "syslog"
            case .stdout: "stdout"
            case .file: "file"
            }
        }
    }

    package struct Syslog: Sendable, Hashable {
        package enum Address: Sendable, Hashable {
            case tcp(host: String, port: UInt16)
            /// A datagram socket's path.
            case unix(path: String)
        }

        package var address: Address
        package var usesTLS = false
        /// Files of certificates, absolute or relative to the folder of proxy.conf; empty: the system's authorities, no
        /// certificate of Holdfast's own.
        package var authorityPath = ""
        package var certificatePath = ""
        package var keyPath = ""
        /// What the server's certificate must be made out to; empty: the host of the address.
        package var serverName = ""
        /// RFC 5424's word for it, as syslog.conf(5) spells it.
        package var facility = "local0"
        /// Empty: this machine's name.
        package var hostName = ""
        package var applicationName = "holdfast"
        package var structuredDataID = "holdfast@32473"
        /// The longest message in bytes.
        package var maximumByteCount = 8192

        package init(address: Address) { self.address = address }
    }

    /// Unique; letters, digits, `_` and `-`.
    package var name: String
    package var kind: Kind
    package var format = Format.json
    /// The longest wait before a target that is down is tried again.
    package var retryMaximum = Duration.seconds(30)

    package init(name: String, kind: Kind) {
        self.name = name
        self.kind = kind
    }
}
