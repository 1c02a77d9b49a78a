import Authentication
import PostgresWire

/// A session's login where Holdfast checks the password itself: made with the startup packet, gone with the server's
/// AuthenticationOk.
final class SessionAuthentication {
    let policy: AuthenticationPolicy
    let parameters: StartupParameters
    /// The startup packet, held back until the client is known.
    let packet: [UInt8]

    var exchange: ClientAuthentication?
    /// Why the exchange cannot succeed, for the log.
    var reason: String?
    var isCached = false
    /// What the client has proven.
    var keys: ScramKeys?
    var login: ServerAuthentication?

    init(policy: AuthenticationPolicy, parameters: StartupParameters, packet: [UInt8]) {
        self.policy = policy
        self.parameters = parameters
        self.packet = packet
    }
}
