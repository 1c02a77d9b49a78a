import PostgresWire

/// The client's side of a login at the server, with what the real client has proven: from the startup packet that has
/// been sent to the server's AuthenticationOk, which is the real client's to read.
package struct ServerAuthentication: ~Copyable {
    private enum State {
        /// The server has not said yet what it wants.
        case waiting
        case challenged(ScramClient)
        case answered(ScramClient)
        /// The server has proven to know the verifier.
        case proven
    }

    private let subject: Subject
    private var state = State.waiting

    /// Who logs in, and how.
    package struct Subject: Sendable {
        package var user: String
        package var keys: ScramKeys
        /// 24 printable characters or more that never come again.
        package var nonce: String
        package var usesTLS: Bool
        /// `tls-server-end-point` of the server's certificate, if the link is TLS and its hash is known.
        package var endPoint: [UInt8]?

        package init(user: String, keys: ScramKeys, nonce: String, usesTLS: Bool, endPoint: [UInt8]?) {
            self.user = user
            self.keys = keys
            self.nonce = nonce
            self.usesTLS = usesTLS
            self.endPoint = endPoint
        }
    }

    package init(_ subject: Subject) { self.subject = subject }

    package enum Step {
        /// Nothing can be said until so many bytes are there.
        case wait(byteCount: Int)
        /// The message of so many bytes is the client's to read; call again.
        case pass(byteCount: Int)
        /// Take `consumed` bytes, answer the server this (nothing, if empty), call again.
        case reply([UInt8], consumed: Int)
        /// The login is over. What the server says from here on, this message included, goes to the client.
        case over(Outcome)
        /// Tell the client and close.
        case refused(ErrorFields, Reason)
    }

    package enum Outcome: Sendable, Hashable {
        case loggedIn
        /// The server's ErrorResponse; whether it says that the password is wrong.
        case refused(wrongPassword: Bool)
    }

    /// What a refusal of ours is about.
    package enum Reason: Sendable, Hashable {
        /// The server keeps another verifier than the one that the client was checked against.
        case otherVerifier
        /// The server asks for what cannot be given.
        case otherMethod
        /// The server does not keep to the protocol, or is not who it should be.
        case badServer
    }

    /// No authentication request is longer: libpq takes no longer one either (`PQconnectPoll`, fe-connect.c, which allows
    /// 2,000 bytes; error messages may be longer).
    static let longestRequest = 2000
    static let longestError = 1 << 20

    /// Looks at all the bytes that have arrived from the server and were neither consumed nor passed.
    package mutating func step(_ bytes: UnsafeRawBufferPointer) -> Step {
        guard bytes.count >= FrameSplitter.headerByteCount else {
            return .wait(byteCount: FrameSplitter.headerByteCount)
        }
        let type = bytes[0]
        let length = Int(bytes.loadInt32(at: 1))
        let limit = type == BackendType.authentication ? Self.longestRequest : Self.longestError
        guard (4...limit).contains(length) else { return badServer("a message of type \(type) with length \(length)") }
        let byteCount = length + 1
        guard bytes.count >= byteCount else { return .wait(byteCount: byteCount) }
        let message = UnsafeRawBufferPointer(rebasing: bytes[..<byteCount])
        switch type {
        case BackendType.authentication:
            guard let request = AuthenticationRequest(message: message) else {
                return badServer("an authentication request that cannot be read")
            }
            return answer(request, byteCount: byteCount)
        case BackendType.errorResponse:
            return .over(.refused(wrongPassword: ErrorFields(message: message).sqlState == "28P01"))
        case BackendType.noticeResponse, BackendType.negotiateProtocolVersion:
            return .pass(byteCount: byteCount)
        default:
            return badServer("a message of type \(type) during the login")
        }
    }

    private mutating func answer(_ request: AuthenticationRequest, byteCount: Int) -> Step {
        switch request {
        case .ok:
            switch state {
            case .waiting, .proven: return .over(.loggedIn)
            // A server that lets in before it has proven itself may be an impostor.
            case .challenged, .answered: return badServer("AuthenticationOk in the middle of the exchange")
            }
        case .sasl(let mechanisms):
            return begin(mechanisms, byteCount: byteCount)
        case .saslContinue(let data):
            return proceed(data, byteCount: byteCount)
        case .saslFinal(let data):
            return finish(data, byteCount: byteCount)
        case .cleartextPassword:
            return otherMethod("a clear-text password (\"password\", \"ldap\", \"pam\", \"radius\")")
        case .md5Password: return otherMethod("an MD5 password")
        case .gss, .gssContinue: return otherMethod("GSSAPI")
        case .sspi: return otherMethod("SSPI")
        case .kerberosV5: return otherMethod("Kerberos V5")
        case .scmCredentials: return otherMethod("SCM credentials")
        case .unknown(let code): return otherMethod("an unknown authentication method (\(code))")
        }
    }

    private mutating func begin(_ mechanisms: [String], byteCount: Int) -> Step {
        guard case .waiting = state else { return badServer("a second AuthenticationSASL") }
        let offersBinding = mechanisms.contains(ScramClient.bindingMechanism)
        let endPoint = offersBinding && subject.usesTLS ? subject.endPoint : nil
        guard endPoint != nil || mechanisms.contains(ScramClient.mechanism) else {
            return otherMethod("SASL \(mechanisms.joined(separator: ", "))")
        }
        // "y" is a claim that the server has not offered to bind the channel.
        let client = ScramClient(
            keys: subject.keys, nonce: subject.nonce, endPoint: endPoint,
            saysItCouldBind: subject.usesTLS && subject.endPoint != nil && !offersBinding)
        let mechanism = endPoint != nil ? ScramClient.bindingMechanism : ScramClient.mechanism
        let first = client.clientFirst
        state = .challenged(client)
        return .reply(WireWriter.saslInitialResponse(mechanism: mechanism, data: first), consumed: byteCount)
    }

    private mutating func proceed(_ data: [UInt8], byteCount: Int) -> Step {
        guard case .challenged(var client) = state else { return badServer("an AuthenticationSASLContinue too many") }
        do throws(ScramClient.Fault) {
            let answer = try client.answer(data)
            state = .answered(client)
            return .reply(WireWriter.saslResponse(answer), consumed: byteCount)
        } catch {
            return fault(error)
        }
    }

    private mutating func finish(_ data: [UInt8], byteCount: Int) -> Step {
        guard case .answered(var client) = state else { return badServer("an AuthenticationSASLFinal too early") }
        do throws(ScramClient.Fault) {
            try client.finish(data)
            state = .proven
            return .reply([], consumed: byteCount)
        } catch {
            return fault(error)
        }
    }

    private func fault(_ fault: ScramClient.Fault) -> Step {
        switch fault {
        case .malformed: return badServer("a malformed SCRAM message")
        case .wrongSignature: return badServer("a SCRAM signature that proves nothing")
        case .otherVerifier: return .refused(otherVerifier, .otherVerifier)
        }
    }

    // MARK: - Refusals

    private func badServer(_ what: String) -> Step {
        .refused(
            ErrorFields(
                severity: "FATAL", sqlState: "08P01",
                message: "holdfast cannot log in to the server as \"\(subject.user)\": the server sent \(what)"),
            .badServer)
    }

    private func otherMethod(_ what: String) -> Step {
        .refused(
            ErrorFields(
                severity: "FATAL", sqlState: "28000",
                message: "holdfast cannot log in to the server as \"\(subject.user)\": the server asks for \(what)",
                detail: "With auth = \"scram\" holdfast never learns the password; it can log in by SCRAM-SHA-256, or "
                    + "where the server asks for nothing.",
                hint:
                    "Let pg_hba.conf of the server say scram-sha-256 for connections that come from holdfast, and let "
                    + "the role have a SCRAM password (password_encryption = 'scram-sha-256')."),
            .otherMethod)
    }

    private var otherVerifier: ErrorFields {
        ErrorFields(
            severity: "FATAL", sqlState: "28000",
            message: "holdfast cannot log in to the server as \"\(subject.user)\": the server's SCRAM secret for this "
                + "role is not the one that holdfast has",
            detail: "They have another salt or iteration count, so what holdfast has learned from the client proves "
                + "nothing to the server.",
            hint: "Copy pg_authid.rolpassword of the role into the file of [users] in holdfast's proxy.conf anew, or "
                + "let [users] query ask the same server that holdfast connects to.")
    }
}
