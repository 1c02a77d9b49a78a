import Authentication
import Logging
import PostgresWire
import SQLParsing
import Session
import Transport

/// `auth = "scram"`: Holdfast checks the client, then logs in at the server with what the client has proven.
///
/// The server hears nothing of a client that is not known. What the client sends on after its last proof waits, as it would
/// in the server.
extension SessionDriver {
    // MARK: - The client

    /// The startup packet is there.
    ///
    /// - Returns: false if the server is to check the password.
    func beganAuthentication(_ parameters: StartupParameters, packet byteCount: Int) -> Bool {
        guard let policy = loop.settings.authentication else { return false }
        if let fault = encryptionFault(of: parameters) {
            sayLastWords(fault)
            return true
        }
        guard !parameters.user.isEmpty else {
            sayLastWords(.userMissing)
            return true
        }
        let packet = Array(toServer.buffer.bytes[..<byteCount])
        toServer.buffer.drop(byteCount)
        toServer.needed = 1
        authentication = SessionAuthentication(
            policy: policy, parameters: parameters, packet: packet)
        phase = .authenticating
        let (mailbox, owner) = (loop.mailbox, owner)
        policy.find(parameters.user) { mailbox.post(.userFound(owner: owner, $0)) }
        return true
    }

    /// What can be known of the client's user is known.
    func userFound(_ lookup: UserLookup) {
        guard phase == .authenticating, let authentication, authentication.exchange == nil else { return }
        var verifier: ScramVerifier?
        switch lookup.answer {
        case .found(let found): verifier = found
        case .none(let reason): authentication.reason = reason
        case .unavailable(let reason):
            logLogin(.error, "a user cannot be looked up: \(reason)", authentication)
            return sayLastWords(.usersUnavailable)
        }
        authentication.isCached = lookup.isCached
        let exchange = ClientAuthentication(
            ClientAuthentication.Subject(
                user: authentication.parameters.user, verifier: verifier, mockSecret: lookup.mockSecret,
                nonce: AuthenticationPolicy.nonce(), endPoint: client.tls?.localEndPoint))
        toClient.injection = exchange.request
        authentication.exchange = consume exchange
        advance()
    }

    /// Goes on with the client as far as its bytes reach.
    func authenticate() {
        while phase == .authenticating, let authentication, authentication.exchange != nil {
            guard flushToClient() else { return endIfClientFailed() }
            guard toServer.buffer.count >= toServer.needed else {
                let missing = toServer.needed - toServer.buffer.count
                if toServer.buffer.fill(minimum: missing, { client.receive(into: $0) }) == 0 {
                    if client.hasEnded { close("the client went away before it was known") }
                    return
                }
                continue
            }
            switch authentication.exchange?.step(toServer.buffer.bytes) {
            case nil: return
            case .wait(let byteCount):
                toServer.needed = byteCount
            case .reply(let answer, let consumed):
                toServer.buffer.drop(consumed)
                toServer.needed = 1
                toClient.injection = answer
            case .accepted(let answer, let consumed, let keys):
                toServer.buffer.drop(consumed)
                toServer.needed = 1
                toClient.injection = answer
                authentication.keys = keys
                authentication.exchange = nil
                _ = flushToClient()
                openSession(authentication.parameters)
            case .refused(let fault):
                loginRefused(fault, authentication)
            }
        }
    }

    private func loginRefused(_ fault: ScramFault, _ authentication: SessionAuthentication) {
        authentication.policy.forget(authentication.parameters.user)
        let limits = loop.context.limits
        if fault.isPasswordFailure {
            limits.counters.add(.refusedPassword)
            // Each of them, as PostgreSQL does: who watches for guessed passwords counts these lines.
            logLogin(.notice, "login refused: \(authentication.reason ?? fault.message)", authentication)
        } else {
            limits.note(
                .clientViolations, "login refused: \(fault.message)", loginMetadata(authentication),
                logger: loop.context.logger)
        }
        sayLastWords(fault.fields)
    }

    private func endIfClientFailed() {
        if client.hasFailed { close("the client is gone") }
    }

    // MARK: - The server

    /// The server can be spoken to.
    func beginServerLogin(_ authentication: SessionAuthentication) {
        guard let keys = authentication.keys else { return close("the client is not known") }
        authentication.login = ServerAuthentication(
            ServerAuthentication.Subject(
                user: authentication.parameters.user, keys: keys, nonce: AuthenticationPolicy.nonce(),
                usesTLS: server?.tls != nil, endPoint: server?.tls?.peerEndPoint))
        toServer.injection = authentication.packet
        toClient.needed = 1
        phase = .loggingIn
        logIn()
    }

    /// Goes on with the server as far as its bytes reach.
    func logIn() {
        while phase == .loggingIn, let authentication {
            guard flushToServer(), flushToClient() else { return endIfClientFailed() }
            guard toClient.buffer.count >= toClient.needed else {
                let missing = toClient.needed - toClient.buffer.count
                if toClient.buffer.fill(minimum: max(missing, 512), { server?.receive(into: $0) ?? 0 }) == 0 {
                    if server?.hasEnded == true { serverLeft(authentication) }
                    return
                }
                continue
            }
            switch authentication.login?.step(toClient.buffer.bytes) {
            case nil: return
            case .wait(let byteCount):
                toClient.needed = byteCount
            case .pass(let byteCount):
                toClient.approved = byteCount
                toClient.needed = 1
            case .reply(let answer, let consumed):
                toClient.buffer.drop(consumed)
                toClient.needed = 1
                toServer.injection = answer
            case .over(let outcome):
                if outcome == .refused(wrongPassword: true) {
                    authentication.policy.forget(authentication.parameters.user)
                }
                endLogin()
            case .refused(let fields, let reason):
                if reason == .otherVerifier { authentication.policy.forget(authentication.parameters.user) }
                if reason == .badServer { loop.context.limits.counters.add(.serverViolations) }
                logLogin(.error, fields.message, authentication)
                sayLastWords(fields)
            }
        }
    }

    /// From here on everything is the session's.
    private func endLogin() {
        authentication = nil
        toClient.needed = 1
        phase = .relaying
        beginReceiving()
        relay()
    }

    private func serverLeft(_ authentication: SessionAuthentication) {
        logLogin(.error, "the server closed the connection during the login", authentication)
        sayLastWords(.serverLeft)
    }

    /// Nothing of a secret: names, places and reasons only.
    private func logLogin(_ level: Logger.Level, _ message: String, _ authentication: SessionAuthentication) {
        loop.context.logger.log(level: level, "\(message)", metadata: loginMetadata(authentication))
    }

    private func loginMetadata(_ authentication: SessionAuthentication) -> Logger.Metadata {
        [
            "session": "\(id)", "client": "\(peer.text)", "user": "\(authentication.parameters.user)",
            "database": "\(SecretRedaction.redacted(text: authentication.parameters.database))",
        ]
    }
}

extension ErrorFields {
    /// `ProcessStartupPacket` (postmaster/postmaster.c).
    fileprivate static let userMissing = ErrorFields(
        severity: "FATAL", sqlState: "28000", message: "no PostgreSQL user name specified in startup packet")

    fileprivate static let usersUnavailable = ErrorFields(
        severity: "FATAL", sqlState: "08006", message: "holdfast cannot look up users at the moment",
        hint: "Its log says why; the connection is [users] connection in its proxy.conf.")

    /// libpq's words for it.
    fileprivate static let serverLeft = ErrorFields(
        severity: "FATAL", sqlState: "08006", message: "server closed the connection unexpectedly",
        hint: "It did so while Holdfast logged in; its log may say why.")
}
