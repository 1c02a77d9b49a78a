/// Who a session is: what tags and rules look at. Fixed when the session starts; nothing that the client does later
/// changes it.
package struct Subject: Sendable, Hashable {
    /// The database as the server will see it: the user's name when none was given, cut to 63 bytes.
    package var database: String
    /// The role that logs in, cut to 63 bytes.
    package var user: String
    /// `application_name` of the startup packet; empty when absent.
    package var applicationName: String
    /// The client's address, or nil for a Unix-domain socket.
    package var clientAddress: NetworkAddress?
    /// The listener as written in `proxy.conf` (`127.0.0.1:6543`, `unix:/run/holdfast/.s.PGSQL.6543`).
    package var listener: String
    /// The subject of the certificate that the client has proven to own, as RFC 2253 writes it (`CN=alice,O=Example`);
    /// nil without one.
    package var certificate: String?
    /// The operating-system user whose process is at the other end of a Unix-domain socket, as the kernel vouches for it: by
    /// name, or by number where it has none; nil for a client that came by TCP.
    package var osUser: String?

    package init(
        database: String, user: String, applicationName: String, clientAddress: NetworkAddress?, listener: String,
        certificate: String? = nil, osUser: String? = nil
    ) {
        self.database = database
        self.user = user
        self.applicationName = applicationName
        self.clientAddress = clientAddress
        self.listener = listener
        self.certificate = certificate
        self.osUser = osUser
    }
}
