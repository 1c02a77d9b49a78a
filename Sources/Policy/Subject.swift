/// Who a session is: what tags and rules look at. Fixed when the session starts; nothing that the client does later
/// changes it.
///
/// One reference: a session, its rules and its place in the tables of the limits hold the same one.
package struct Subject: Sendable {
    private struct Traits: Hashable {
        var database: String
        var user: String
        var applicationName: String
        var clientAddress: NetworkAddress?
        var listener: String
        var certificate: String?
        var osUser: String?
    }

    private final class Box: Sendable {
        let traits: Traits

        init(_ traits: Traits) { self.traits = traits }
    }

    private var box: Box

    package init(
        database: String, user: String, applicationName: String, clientAddress: NetworkAddress?, listener: String,
        certificate: String? = nil, osUser: String? = nil
    ) {
        box = Box(
            Traits(
                database: database, user: user, applicationName: applicationName, clientAddress: clientAddress,
                listener: listener, certificate: certificate, osUser: osUser))
    }

    /// The database as the server will see it: the user's name when none was given, cut to 63 bytes.
    package var database: String {
        get { box.traits.database }
        set { change { $0.database = newValue } }
    }

    /// The role that logs in, cut to 63 bytes.
    package var user: String {
        get { box.traits.user }
        set { change { $0.user = newValue } }
    }

    /// Whoever else holds the traits keeps them as they are.
    private mutating func change(_ body: (inout Traits) -> Void) {
        var traits = box.traits
        body(&traits)
        box = Box(traits)
    }

    /// `application_name` of the startup packet; empty when absent.
    package var applicationName: String { box.traits.applicationName }

    /// The client's address, or nil for a Unix-domain socket.
    package var clientAddress: NetworkAddress? { box.traits.clientAddress }

    /// The listener as written in `proxy.conf` (`127.0.0.1:6543`, `unix:/run/holdfast/.s.PGSQL.6543`).
    package var listener: String { box.traits.listener }

    /// The subject of the certificate that the client has proven to own, as RFC 2253 writes it (`CN=alice,O=Example`);
    /// nil without one.
    package var certificate: String? { box.traits.certificate }

    /// The operating-system user whose process is at the other end of a Unix-domain socket, as the kernel vouches for it: by
    /// name, or by number where it has none; nil for a client that came by TCP.
    package var osUser: String? { box.traits.osUser }
}

extension Subject: Hashable {
    package static func == (left: Subject, right: Subject) -> Bool {
        left.box === right.box || left.box.traits == right.box.traits
    }

    package func hash(into hasher: inout Hasher) { box.traits.hash(into: &hasher) }
}
