import Configuration
import Logging
import PostgresWire
import Session
import TLSEngine
import Transport

/// TLS on either side. A handshake takes the socket over from the first byte: nothing that was read before it is ever
/// looked at after it (CVE-2021-23214, CVE-2021-23222).
extension SessionDriver {
    // MARK: - The client's side

    /// Clients on this machine's Unix-domain sockets have no TLS, as with PostgreSQL.
    var offersTLS: Bool { loop.settings.encryption.clientContext != nil && !peer.isUnix }

    /// The first byte of a TLS record that begins a handshake; no startup packet begins with it.
    private static let handshakeRecord: UInt8 = 0x16

    /// A client that begins with TLS at once (`sslnegotiation=direct`, PostgreSQL 17).
    ///
    /// - Returns: whether the client's first byte is still awaited, or TLS has begun.
    func beganDirectly() -> Bool {
        guard !hasPeeked, offersTLS, toServer.buffer.isEmpty else { return false }
        guard let byte = client.peek() else {
            if client.hasEnded { close("the client went away before it said who it is") }
            return true
        }
        hasPeeked = true
        guard byte == Self.handshakeRecord else { return false }
        isDirectTLS = true
        beginClientTLS()
        return true
    }

    /// What could not be read as a startup packet is TLS where there is none. PostgreSQL closes without a word, and so the
    /// client's TLS library says that the stream ended rather than that it does not understand.
    ///
    /// - Returns: whether it was that, and the session ends.
    func refusedDirectTLS() -> Bool {
        guard toServer.buffer.bytes.first == Self.handshakeRecord else { return false }
        loop.context.logger.notice(
            "a client began with TLS at once, which is off here: [client_tls] mode in proxy.conf",
            metadata: ["session": "\(id)", "client": "\(peer.text)"])
        startLingering()
        return true
    }

    /// The client waits for our part of the handshake.
    func beginClientTLS() {
        guard let context = loop.settings.encryption.clientContext else { return close("TLS is off") }
        do throws(TLSError) {
            client.begin(try TLSConnection(context, descriptor: client.number))
        } catch {
            return close(error.description)
        }
        phase = .securingClient
        secureClient()
    }

    func secureClient() {
        switch client.handshake() {
        case .underWay: return
        case .failed(let reason):
            loop.context.logger.notice(
                "TLS with the client failed: \(reason)", metadata: ["session": "\(id)", "client": "\(peer.text)"])
            // OpenSSL has sent the alert; it must not be lost by a reset.
            return startLingering()
        case .done: break
        }
        // be_tls_open_server (PostgreSQL 17): a client that begins at once must say which protocol it means.
        if isDirectTLS, client.tls?.applicationProtocol != TLSContext.applicationProtocol {
            loop.context.logger.notice(
                "a client began with TLS at once and did not name the protocol \(TLSContext.applicationProtocol) (ALPN)",
                metadata: ["session": "\(id)", "client": "\(peer.text)"])
            return startLingering()
        }
        loop.context.logger.debug(
            "TLS with the client", metadata: ["session": "\(id)", "tls": "\(client.tls?.summary ?? "")"])
        startup.encryptionBegan()
        clientCertificate = client.tls?.peerCertificate
        phase = .startup
        readStartup()
    }

    /// What `[client_tls]` has against the client, in the words that PostgreSQL's pg_hba.conf would use; nil if nothing.
    func encryptionFault(of parameters: StartupParameters) -> ErrorFields? {
        guard !peer.isUnix else { return nil }
        let settings = loop.settings.encryption.client
        let needsCertificate = settings.mode != .off && settings.clientCertificates.isRequired
        // A line with `clientcert` is a hostssl line: who comes without TLS finds none.
        if client.tls == nil, needsCertificate || settings.mode == .require {
            return .unencrypted(host: peer.hostText, user: parameters.user, database: parameters.database)
        }
        guard needsCertificate else { return nil }
        guard let certificate = clientCertificate else { return .certificateMissing }
        if settings.clientCertificates == .verifyRole, certificate.commonName != parameters.user {
            loop.context.logger.notice(
                "the certificate is not the role's",
                metadata: [
                    "session": "\(id)", "user": "\(parameters.user)", "certificate": "\(certificate.subject)",
                ])
            return .certificateOfOther(user: parameters.user)
        }
        return nil
    }

    // MARK: - The server's side

    private var serverEncryption: EncryptionPolicy.ServerSide {
        loop.settings.encryption.server(of: upstream.settings.name)
    }

    /// The connection to the server is open: TLS comes first, if there is to be any.
    func secureServer() {
        let policy = serverEncryption
        guard let context = policy.context, !isWithoutTLS, server?.isUnix == false else { return serverReady() }
        switch policy.settings.negotiation {
        case .postgres:
            phase = .askingServerForTLS
            // Eight bytes into an empty socket buffer: they are taken, or the server is gone.
            _ = WireWriter.sslRequest.withUnsafeBytes { server?.send($0) }
            readServersAnswer()
        case .direct:
            beginServerTLS(context)
        }
    }

    /// One byte, read alone: what follows it belongs to the handshake (CVE-2021-23222).
    func readServersAnswer() {
        var answer: UInt8 = 0
        let count = withUnsafeMutableBytes(of: &answer) { server?.receive(into: $0) ?? 0 }
        guard count == 1 else {
            if server?.hasEnded == true { connectionFailed("it closed the connection when asked for TLS") }
            return
        }
        switch answer {
        case UInt8(ascii: "S"):
            guard let context = serverEncryption.context else { return connectWithoutTLS() }
            beginServerTLS(context)
        case UInt8(ascii: "N"):
            guard serverEncryption.settings.mode == .prefer else {
                return tlsFailed("server does not support SSL, but SSL was required")
            }
            serverReady()
        case UInt8(ascii: "E"):
            // The server cannot even begin (too many processes …): its error is the client's to read, but only where TLS
            // need not be. Anybody on the way could say it, and then ask for a password (CVE-2024-10977).
            guard serverEncryption.settings.mode == .prefer else {
                return tlsFailed("server sent an error response during SSL exchange")
            }
            withUnsafeBytes(of: answer) { toClient.buffer.append($0) }
            toServer.approved = 0
            toServer.next = nil
            toServer.buffer.drop(toServer.buffer.count)
            serverReady()
        default:
            connectionFailed("received invalid response to SSL negotiation: \(Self.shown(answer))")
        }
    }

    private static func shown(_ byte: UInt8) -> String {
        (0x20..<0x7f).contains(byte) ? String(UnicodeScalar(byte)) : "byte \(byte)"
    }

    private func beginServerTLS(_ context: TLSContext) {
        let settings = serverEncryption.settings
        let name = settings.name.isEmpty ? serverAddress?.host : settings.name
        guard let number = server?.number else { return }
        // A name only: an address is never sent (RFC 6066, section 3).
        let sentName = settings.sendsName ? name.flatMap { SocketAddress.isNumeric($0) ? nil : $0 } : nil
        do throws(TLSError) {
            server?.begin(
                try TLSConnection(
                    context, descriptor: number, host: settings.mode == .verifyName ? name : nil, sentName: sentName))
        } catch {
            return tlsFailed(error.description)
        }
        phase = .securingServer
        continueServerHandshake()
    }

    func continueServerHandshake() {
        switch server?.handshake() {
        case nil, .underWay: return
        case .failed(let reason):
            // As libpq's prefer: a server whose TLS does not work is asked again without.
            if serverEncryption.settings.mode == .prefer { return connectWithoutTLS() }
            return tlsFailed("SSL error: \(reason)")
        case .done: break
        }
        if serverEncryption.settings.negotiation == .direct,
            server?.tls?.applicationProtocol != TLSContext.applicationProtocol
        {
            return tlsFailed("direct SSL connection was established without ALPN protocol negotiation extension")
        }
        loop.context.logger.debug(
            "TLS with the server", metadata: ["session": "\(id)", "tls": "\(server?.tls?.summary ?? "")"])
        warnIfBindingBreaks()
        serverReady()
    }

    /// SCRAM binds a login to the certificate that the client has seen. Where the server's is another one, every such login
    /// fails: said once, before anybody wonders.
    private func warnIfBindingBreaks() {
        guard loop.settings.authentication == nil, let shown = client.tls, let met = server?.tls,
            loop.settings.encryption.bindingLook.take(), shown.localEndPoint != met.peerEndPoint
        else { return }
        loop.context.logger.warning(
            """
            clients are shown another certificate than the server's: SCRAM logins that bind the channel, as libpq's do, are \
            refused by the server; show clients the server's certificate, or set auth = "scram" (docs/tls.md)
            """)
    }

    private func tlsFailed(_ reason: String) {
        connectionFailed(reason, hint: "How Holdfast meets the server is [server_tls] in its proxy.conf.")
    }

    private func connectWithoutTLS() {
        guard let address = serverAddress else { return connectionFailed("TLS failed") }
        isWithoutTLS = true
        dropServer()
        phase = .connecting
        remainingAddresses.insert(address, at: 0)
        connectNext(failure: "TLS failed")
    }
}
