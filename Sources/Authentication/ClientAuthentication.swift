import PostgresWire

/// The server's side of a client's login: which mechanisms it is offered, and what is answered to its messages
/// (`CheckSASLAuth`, libpq/auth-sasl.c).
///
/// Send ``request``, then give ``step(_:)`` what the client answers.
package struct ClientAuthentication: ~Copyable {
    private enum State {
        /// The client must choose a mechanism.
        case choosing
        case running(ScramServer)
    }

    private var state: State
    private let subject: Subject

    /// Who wants in, and what is known of it.
    package struct Subject: Sendable {
        package var user: String
        /// nil if there is no such user, or none with a password that counts: the exchange is the same, and fails.
        package var verifier: ScramVerifier?
        /// 32 bytes that nobody else knows, the same for as long as possible.
        package var mockSecret: [UInt8]
        /// 24 printable characters or more that never come again.
        package var nonce: String
        /// `tls-server-end-point` of the certificate that the client has been shown; nil without TLS.
        package var endPoint: [UInt8]?

        package init(
            user: String, verifier: ScramVerifier?, mockSecret: [UInt8], nonce: String, endPoint: [UInt8]?
        ) {
            self.user = user
            self.verifier = verifier
            self.mockSecret = mockSecret
            self.nonce = nonce
            self.endPoint = endPoint
        }
    }

    package init(_ subject: Subject) {
        self.subject = subject
        state = .choosing
    }

    /// The AuthenticationSASL message.
    package var request: [UInt8] {
        WireWriter.saslOffer(
            mechanisms: subject.endPoint == nil
                ? [ScramClient.mechanism] : [ScramClient.bindingMechanism, ScramClient.mechanism])
    }

    package enum Step {
        /// Nothing can be said until so many bytes are there.
        case wait(byteCount: Int)
        /// Take `consumed` bytes, answer this, call again.
        case reply([UInt8], consumed: Int)
        /// The client is who it says; take `consumed` bytes, answer this, and log in at the server with the keys.
        case accepted([UInt8], consumed: Int, ScramKeys)
        /// Tell the client and close.
        case refused(ScramFault)
    }

    /// `PG_MAX_SASL_MESSAGE_LENGTH` (libpq/auth-sasl.c), the length field included.
    static let longestMessage = 1024

    /// Looks at all the bytes that have arrived and were not consumed.
    package mutating func step(_ bytes: UnsafeRawBufferPointer) -> Step {
        guard let type = bytes.first else { return .wait(byteCount: 1) }
        guard type == FrontendType.authentication.rawValue else {
            return .refused(.protocolViolation("expected SASL response, got message type \(type)"))
        }
        guard bytes.count >= FrameSplitter.headerByteCount else {
            return .wait(byteCount: FrameSplitter.headerByteCount)
        }
        let length = Int(bytes.loadInt32(at: 1))
        // PostgreSQL logs the length and tells the client that its password is wrong.
        guard (4...Self.longestMessage).contains(length) else { return .refused(.passwordFailed(user: subject.user)) }
        let byteCount = length + 1
        guard bytes.count >= byteCount else { return .wait(byteCount: byteCount) }
        do throws(ScramFault) {
            return try answer(UnsafeRawBufferPointer(rebasing: bytes[..<byteCount]))
        } catch {
            return .refused(error)
        }
    }

    private mutating func answer(_ message: UnsafeRawBufferPointer) throws(ScramFault) -> Step {
        switch state {
        case .choosing:
            let data: [UInt8]?
            do throws(SASLInitialResponse.Fault) {
                var response = try SASLInitialResponse(message: message)
                guard let server = server(for: response.mechanism) else {
                    return .refused(.protocolViolation("client selected an invalid SASL authentication mechanism"))
                }
                state = .running(server)
                data = try response.data()
            } catch {
                throw .protocolViolation(error.rawValue)
            }
            // A client that has nothing to say yet is asked for it.
            guard let data else {
                return .reply(WireWriter.authenticationSASLContinue([]), consumed: message.count)
            }
            return try run(data, consumed: message.count)
        case .running:
            return try run(Array(message[FrameSplitter.headerByteCount...]), consumed: message.count)
        }
    }

    /// - Returns: nil for a mechanism that was not offered.
    private func server(for mechanism: String) -> ScramServer? {
        let bindsChannel = mechanism == ScramClient.bindingMechanism && subject.endPoint != nil
        guard bindsChannel || mechanism == ScramClient.mechanism else { return nil }
        return ScramServer(
            user: subject.user, verifier: subject.verifier, mockSecret: subject.mockSecret,
            serverNonce: subject.nonce, bindsChannel: bindsChannel, endPoint: subject.endPoint)
    }

    private mutating func run(_ data: [UInt8], consumed: Int) throws(ScramFault) -> Step {
        guard case .running(var server) = state else { throw .protocolViolation("invalid SCRAM exchange state") }
        defer { state = .running(server) }
        switch try server.step(data) {
        case .challenge(let challenge):
            return .reply(WireWriter.authenticationSASLContinue(challenge), consumed: consumed)
        case .accepted(let final, let keys):
            return .accepted(WireWriter.authenticationSASLFinal(final), consumed: consumed, keys)
        }
    }
}
