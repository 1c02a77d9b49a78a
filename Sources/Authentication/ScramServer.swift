/// The server's side of one SCRAM-SHA-256 exchange (RFC 5802, RFC 7677), as PostgreSQL runs it (libpq/auth-scram.c).
///
/// Messages in, messages out; the nonce is an argument. Whoever has no password runs the same exchange, with the same
/// work, up to the same refusal.
struct ScramServer {
    private enum State {
        case initial
        case challenged(Exchange)
        case over
    }

    private struct Exchange {
        var flag: UInt8
        var clientFirstBare: [UInt8]
        var serverFirst: [UInt8]
        var nonce: [UInt8]
    }

    private var state = State.initial
    private let user: String
    private let verifier: ScramVerifier
    /// Nothing that the client can say makes the exchange succeed.
    private let isDoomed: Bool
    private let serverNonce: String
    /// The client chose SCRAM-SHA-256-PLUS.
    private let bindsChannel: Bool
    /// `tls-server-end-point` of the certificate that the client has been shown; nil without TLS.
    private let endPoint: [UInt8]?

    /// - Parameters:
    ///   - user: who wants in, as the startup packet says; the name in the exchange counts for nothing.
    ///   - verifier: nil if the user does not exist or has no password that counts.
    ///   - mockSecret: makes the salt for a user without a verifier.
    ///   - serverNonce: 24 printable characters or more that never come again.
    ///   - endPoint: of the certificate that the client has been shown; nil if it came without TLS.
    init(
        user: String, verifier: ScramVerifier?, mockSecret: [UInt8], serverNonce: String, bindsChannel: Bool,
        endPoint: [UInt8]?
    ) {
        self.user = user
        // Made for everyone: the work must not tell who exists.
        let mock = ScramVerifier.mock(user: user, secret: mockSecret)
        self.verifier = verifier ?? mock
        isDoomed = verifier == nil
        self.serverNonce = serverNonce
        self.bindsChannel = bindsChannel
        self.endPoint = endPoint
    }

    enum Step {
        /// Send this in an AuthenticationSASLContinue.
        case challenge([UInt8])
        /// The client knows the password: send this in an AuthenticationSASLFinal.
        case accepted([UInt8], ScramKeys)
    }

    /// - Throws: what the client is told; the exchange is over.
    mutating func step(_ message: [UInt8]) throws(ScramFault) -> Step {
        guard !message.isEmpty else { throw .malformed("The message is empty.") }
        guard !message.contains(0) else { throw .malformed("Message length does not match input length.") }
        switch state {
        case .initial:
            let exchange = try clientFirst(message)
            state = .challenged(exchange)
            return .challenge(exchange.serverFirst)
        case .challenged(let exchange):
            state = .over
            return try clientFinal(message, exchange)
        case .over:
            throw .protocolViolation("invalid SCRAM exchange state")
        }
    }

    /// `read_client_first_message`, `build_server_first_message`.
    private func clientFirst(_ message: [UInt8]) throws(ScramFault) -> Exchange {
        var attributes = ScramAttributes(message)
        let flag = attributes.next
        try channelBindingFlag(&attributes)
        guard attributes.next != UInt8(ascii: "a") else {
            throw .unsupported("client uses authorization identity, but it is not supported")
        }
        guard attributes.next == UInt8(ascii: ",") else {
            throw .malformed(
                "Unexpected attribute \"\(ScramAttributes.shown(attributes.next))\" in client-first-message.")
        }
        attributes.skip()
        let bare = Array(message[attributes.position...])
        guard attributes.next != UInt8(ascii: "m") else {
            throw .unsupported("client requires an unsupported SCRAM extension")
        }
        _ = try attributes.value(of: "n")
        let clientNonce = try attributes.value(of: "r")
        guard ScramAttributes.isPrintable(clientNonce) else {
            throw .protocolViolation("non-printable characters in SCRAM nonce")
        }
        while !attributes.isAtEnd { _ = try attributes.any() }
        let nonce = clientNonce + Array(serverNonce.utf8)
        let serverFirst = Array("r=".utf8) + nonce + Array(",s=\(verifier.salt),i=\(verifier.iterationCount)".utf8)
        return Exchange(flag: flag, clientFirstBare: bare, serverFirst: serverFirst, nonce: nonce)
    }

    private func channelBindingFlag(_ attributes: inout ScramAttributes) throws(ScramFault) {
        switch attributes.next {
        case UInt8(ascii: "n"), UInt8(ascii: "y"):
            let thinksWeCannot = attributes.next == UInt8(ascii: "y")
            guard !bindsChannel else {
                throw .malformed(
                    "The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding data."
                )
            }
            // Somebody between us and the client has taken SCRAM-SHA-256-PLUS out of our list.
            guard !thinksWeCannot || endPoint == nil else {
                throw ScramFault(
                    sqlState: "28000", message: "SCRAM channel binding negotiation error",
                    detail: "The client supports SCRAM channel binding but thinks the server does not.  "
                        + "However, this server does support channel binding.")
            }
            attributes.skip()
            try attributes.comma()
        case UInt8(ascii: "p"):
            guard bindsChannel else {
                throw .malformed(
                    "The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel binding data."
                )
            }
            let type = try attributes.value(of: "p")
            guard type == Array(ScramClient.bindingType.utf8) else {
                throw .protocolViolation("unsupported SCRAM channel-binding type \"\(ScramAttributes.shown(type))\"")
            }
        default:
            throw .malformed("Unexpected channel-binding flag \"\(ScramAttributes.shown(attributes.next))\".")
        }
    }

    /// `read_client_final_message`, `verify_final_nonce`, `verify_client_proof`, `build_server_final_message`.
    private func clientFinal(_ message: [UInt8], _ exchange: Exchange) throws(ScramFault) -> Step {
        var attributes = ScramAttributes(message)
        try checkBinding(try attributes.value(of: "c"), flag: exchange.flag)
        let nonce = try attributes.value(of: "r")
        var proofStart = attributes.position
        var attribute = try attributes.any()
        while attribute.name != UInt8(ascii: "p") {
            proofStart = attributes.position
            attribute = try attributes.any()
        }
        guard let proof = Base64.decode(attribute.value), proof.count == Digest.byteCount else {
            throw .malformed("Malformed proof in client-final-message.")
        }
        guard attributes.isAtEnd else { throw .malformed("Garbage found at the end of client-final-message.") }
        guard nonce == exchange.nonce else {
            throw ScramFault(sqlState: "08P01", message: "invalid SCRAM response", detail: "Nonce does not match.")
        }
        let comma = [UInt8(ascii: ",")]
        let transcript =
            exchange.clientFirstBare + comma + exchange.serverFirst + comma + message[..<(proofStart - 1)]
        var clientKey = Digest.xor(proof, Digest.hmac(key: verifier.storedKey, transcript))
        let isProven = Digest.areEqual(Digest.sha256(clientKey), verifier.storedKey)
        // The proof is computed in a doomed exchange, too, to take the same time.
        guard isProven, !isDoomed else {
            Digest.wipe(&clientKey)
            throw .passwordFailed(user: user)
        }
        let signature = Digest.hmac(key: verifier.serverKey, transcript)
        return .accepted(
            Array("v=\(Base64.encode(signature))".utf8), ScramKeys(clientKey: clientKey, verifier: verifier))
    }

    private func checkBinding(_ value: [UInt8], flag: UInt8) throws(ScramFault) {
        if bindsChannel, let endPoint {
            let expected = Base64.encode(Array("p=\(ScramClient.bindingType),,".utf8) + endPoint)
            guard Digest.areEqual(value, Array(expected.utf8)) else {
                throw ScramFault(sqlState: "28000", message: "SCRAM channel binding check failed")
            }
            return
        }
        let expected = flag == UInt8(ascii: "y") ? "eSws" : "biws"
        guard value == Array(expected.utf8) else {
            throw .protocolViolation("unexpected SCRAM channel-binding attribute in client-final-message")
        }
    }
}
