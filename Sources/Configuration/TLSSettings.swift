/// TLS between clients and Holdfast: `[client_tls]`. Paths are as in the file: relative ones start in its folder.
package struct ClientTLSSettings: Sendable, Hashable {
    package enum Mode: String, Sendable, CaseIterable {
        /// A client that asks for TLS is told that there is none.
        case off
        /// The client chooses. A server cannot tell `allow` and `prefer` apart: both words are libpq's.
        case allow, prefer
        /// A client that comes by TCP without TLS is refused.
        case require
    }

    /// What clients must show.
    package enum ClientCertificates: String, Sendable, CaseIterable {
        /// They are not asked for a certificate.
        case off
        /// One that is shown must be good; none need be.
        case optional
        /// One must be shown.
        case verifyAuthority = "verify-ca"
        /// One must be shown whose common name is the role that logs in.
        case verifyRole = "verify-full"

        package var isRequired: Bool { self == .verifyAuthority || self == .verifyRole }
    }

    package var mode = Mode.off
    package var certificatePath = ""
    package var keyPath = ""
    /// Authorities of clients' certificates; "" for none.
    package var authorityPath = ""
    package var revocationPath = ""
    package var clientCertificates = ClientCertificates.off
    /// `1.2` or `1.3`.
    package var minimumVersion = "1.2"
    package var ciphers = ""
    package var cipherSuites = ""
    package var usesKernel = false

    package init() {}
}

/// TLS between Holdfast and the server: `[server_tls]`.
package struct ServerTLSSettings: Sendable, Hashable {
    /// As libpq's `sslmode`, without `allow`.
    package enum Mode: String, Sendable, CaseIterable {
        case disable
        /// TLS if the server has it.
        case prefer
        case require
        /// The server's certificate must come from one of the authorities.
        case verifyAuthority = "verify-ca"
        /// And be made out to the name under which Holdfast reaches it.
        case verifyName = "verify-full"

        package var verifiesServer: Bool { self == .verifyAuthority || self == .verifyName }
    }

    /// How TLS begins.
    package enum Negotiation: String, Sendable, CaseIterable {
        /// With an SSLRequest: every server.
        case postgres
        /// At once: PostgreSQL 17 and newer; one round trip less.
        case direct
    }

    package var mode = Mode.disable
    package var negotiation = Negotiation.postgres
    /// Authorities of the server's certificate; "" is the system's.
    package var authorityPath = ""
    package var revocationPath = ""
    /// A certificate of Holdfast's own, for servers that ask for one; "" for none.
    package var certificatePath = ""
    package var keyPath = ""
    /// Whether the server is told the name under which it is reached.
    package var sendsName = true
    /// The name that the server's certificate must have, and that it is told; "" is the one under `server`.
    package var name = ""
    package var minimumVersion = "1.2"
    package var usesKernel = false

    package init() {}
}
