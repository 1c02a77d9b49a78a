import COpenSSL
import Glibc

/// TLS on one connected, non-blocking socket. Used by the thread that owns the socket.
///
/// It reads and writes the descriptor itself (SSL_set_fd(3)) instead of going through buffers in memory: one copy less
/// each way, and the kernel can take over the ciphers.
package final class TLSConnection {
    /// What became of one call.
    package enum Outcome: Sendable, Equatable {
        /// So many bytes; or, for a handshake, done.
        case done(Int)
        /// Again when the socket can be read.
        case wantsRead
        /// Again when the socket can be written.
        case wantsWrite
        /// The peer has said that it sends no more.
        case ended
        /// Nothing works any more; the reason in words.
        case failed(String)
    }

    private let connection: OpaquePointer
    private let context: TLSContext
    private var isBroken = false
    /// The last read of the socket brought less than there was room for (or nothing): the socket is empty.
    private var isSocketDrained = false
    /// After a ``receive(into:)``: whether another may bring something although nothing new has come.
    package private(set) var mayHoldMore = true
    private let expectedHost: String?
    /// The name in the certificate that did not pass: OpenSSL keeps no such certificate.
    private var refusedName: String?

    /// Lays TLS over the socket; call ``handshake()`` until it is done.
    ///
    /// - Parameters:
    ///   - host: of a server: the name that it must show in its certificate; nil checks none.
    ///   - sentName: of a server: the name to tell it in the handshake (SNI).
    package init(
        _ context: TLSContext, descriptor: Int32, host: String? = nil, sentName: String? = nil
    ) throws(TLSError) {
        ERR_clear_error()
        guard let connection = SSL_new(context.context) else { throw .noted("cannot begin TLS") }
        self.connection = connection
        self.context = context
        expectedHost = host
        guard SSL_set_fd(connection, descriptor) == 1 else { throw .noted("cannot begin TLS") }
        if context.isServer {
            SSL_set_accept_state(connection)
        } else {
            SSL_set_connect_state(connection)
        }
        watchReads()
        if let sentName, openssl_set_host_name(connection, sentName) != 1 { throw .noted("cannot send the name") }
        if let host {
            try expect(host)
            watchVerification()
        }
    }

    deinit { SSL_free(connection) }

    /// Has ``isSocketDrained`` kept: without it each message is followed by a read that finds nothing. Not where the kernel
    /// decrypts: it gives one record a read, whatever else there is.
    private func watchReads() {
        guard !context.usesKernel, let socket = SSL_get_rbio(connection) else { return }
        BIO_set_callback_arg(socket, Unmanaged.passUnretained(self).toOpaque().assumingMemoryBound(to: CChar.self))
        // BIO_set_callback_ex(3): called before and after each operation; what it returns is the operation's result.
        BIO_set_callback_ex(socket) { socket, operation, _, wanted, _, _, result, count in
            if operation == BIO_CB_READ | BIO_CB_RETURN, let owner = BIO_get_callback_arg(socket) {
                let connection = Unmanaged<TLSConnection>.fromOpaque(UnsafeRawPointer(owner)).takeUnretainedValue()
                connection.isSocketDrained = result <= 0 || (count?.pointee ?? 0) < wanted
            }
            return Int(result)
        }
    }

    /// The certificate must be made out to the host, as libpq's `verify-full` checks it.
    private func expect(_ host: String) throws(TLSError) {
        let parameters = SSL_get0_param(connection)
        X509_VERIFY_PARAM_set_hostflags(parameters, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
        if X509_VERIFY_PARAM_set1_ip_asc(parameters, host) == 1 { return }
        ERR_clear_error()
        guard X509_VERIFY_PARAM_set1_host(parameters, host, 0) == 1 else { throw .noted("cannot expect \(host)") }
    }

    /// Has ``refusedName`` noted while the handshake runs.
    private func watchVerification() {
        openssl_set_owner(connection, Unmanaged.passUnretained(self).toOpaque())
        SSL_set_verify(connection, SSL_VERIFY_PEER) { isGood, store in
            guard isGood == 0, X509_STORE_CTX_get_error_depth(store) == 0,
                let certificate = X509_STORE_CTX_get_current_cert(store),
                let owner = openssl_owner(store)
            else { return isGood }
            let shown = PeerCertificate(certificate)
            let connection = Unmanaged<TLSConnection>.fromOpaque(owner).takeUnretainedValue()
            connection.refusedName = shown.commonName ?? shown.subject
            return isGood
        }
    }

    // MARK: - Moving on

    /// Takes the handshake as far as the socket lets it.
    package func handshake() -> Outcome {
        guard !isBroken else { return .failed("TLS has failed") }
        ERR_clear_error()
        let result = SSL_do_handshake(connection)
        if result == 1 { return .done(0) }
        return outcome(of: result, whileHandshaking: true)
    }

    /// Reads decrypted bytes, of all records that have been read from the socket: at least one read of it, if need be.
    package func receive(into buffer: UnsafeMutableRawBufferPointer) -> Outcome {
        mayHoldMore = false
        guard !isBroken else { return .ended }
        isSocketDrained = false
        var total = 0
        repeat {
            ERR_clear_error()
            var count = 0
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[total...])
            let result = SSL_read_ex(connection, rest.baseAddress, rest.count, &count)
            guard result == 1 else {
                let outcome = outcome(of: result)
                guard total > 0 else { return outcome }
                // An end, or a fault, is met again by the next call.
                mayHoldMore = outcome != .wantsRead
                return .done(total)
            }
            total += count
        } while total < buffer.count && SSL_has_pending(connection) == 1
        mayHoldMore = total == buffer.count || !isSocketDrained
        return .done(total)
    }

    /// Encrypts and writes as much as the socket takes.
    ///
    /// After less than all: the next call must begin with the byte after those that were taken.
    package func send(_ bytes: UnsafeRawBufferPointer) -> Outcome {
        guard !isBroken else { return .failed("TLS has failed") }
        var total = 0
        while total < bytes.count {
            ERR_clear_error()
            var count = 0
            let rest = UnsafeRawBufferPointer(rebasing: bytes[total...])
            let result = SSL_write_ex(connection, rest.baseAddress, rest.count, &count)
            guard result == 1 else {
                let outcome = outcome(of: result)
                return total > 0 && outcome == .wantsWrite ? .done(total) : outcome
            }
            total += count
        }
        return .done(total)
    }

    /// Tells the peer that nothing more comes. One try: a peer that does not listen misses nothing.
    package func sendEnd() {
        guard !isBroken, SSL_is_init_finished(connection) == 1 else { return }
        ERR_clear_error()
        _ = SSL_shutdown(connection)
        ERR_clear_error()
    }

    private func outcome(of result: Int32, whileHandshaking: Bool = false) -> Outcome {
        let code = errno
        switch SSL_get_error(connection, result) {
        case SSL_ERROR_WANT_READ: return .wantsRead
        case SSL_ERROR_WANT_WRITE: return .wantsWrite
        case SSL_ERROR_ZERO_RETURN:
            return .ended
        case SSL_ERROR_SYSCALL:
            isBroken = true
            let reason = code == 0 ? "the connection was closed" : String(cString: strerror(code))
            return .failed(reason)
        default:
            isBroken = true
            return .failed(whileHandshaking ? handshakeFault() : TLSError.takeReason())
        }
    }

    /// A certificate that did not pass is said in the words for its fault, as libpq does.
    private func handshakeFault() -> String {
        let verification = SSL_get_verify_result(connection)
        let reason = TLSError.takeReason()
        guard !context.isServer, verification != Int(X509_V_OK) else { return reason }
        if verification == Int(X509_V_ERR_HOSTNAME_MISMATCH) || verification == Int(X509_V_ERR_IP_ADDRESS_MISMATCH),
            let expectedHost
        {
            return "server certificate for \"\(refusedName ?? "")\" does not match host name \"\(expectedHost)\""
        }
        return "certificate verify failed: \(String(cString: X509_verify_cert_error_string(verification)))"
    }

    // MARK: - What was agreed

    /// The protocol that ALPN has settled, if any.
    package var applicationProtocol: String? {
        var bytes: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(connection, &bytes, &count)
        guard let bytes, count > 0 else { return nil }
        return String(decoding: UnsafeBufferPointer(start: bytes, count: Int(count)), as: UTF8.self)
    }

    /// `TLSv1.3`
    package var version: String { SSL_get_version(connection).map { String(cString: $0) } ?? "?" }

    /// `TLSv1.3 TLS_AES_256_GCM_SHA384`, and who encrypts.
    package var summary: String {
        let cipher = SSL_CIPHER_get_name(SSL_get_current_cipher(connection)).map { String(cString: $0) } ?? "?"
        let isInKernel = openssl_sends_by_kernel(connection) != 0 || openssl_receives_by_kernel(connection) != 0
        return "\(version) \(cipher)" + (isInKernel ? " (kernel)" : "") + (isResumed ? " (resumed)" : "")
    }

    package var isResumed: Bool { SSL_session_reused(connection) == 1 }

    /// The certificate that the peer has proven to own, if it showed one.
    package var peerCertificate: PeerCertificate? {
        guard let certificate = openssl_peer_certificate(connection) else { return nil }
        defer { X509_free(certificate) }
        return PeerCertificate(certificate)
    }

    /// `tls-server-end-point` (RFC 5929, section 4) of our own certificate; nil if we show none, or its hash is unknown.
    package var localEndPoint: [UInt8]? {
        SSL_get_certificate(connection).flatMap(Self.endPoint)
    }

    /// `tls-server-end-point` of the server's certificate.
    package var peerEndPoint: [UInt8]? {
        guard let certificate = openssl_peer_certificate(connection) else { return nil }
        defer { X509_free(certificate) }
        return Self.endPoint(of: certificate)
    }

    /// The certificate's hash under its signature's own algorithm, SHA-256 for MD5 and SHA-1
    /// (`be_tls_get_certificate_hash` in libpq/be-secure-openssl.c).
    private static func endPoint(of certificate: OpaquePointer) -> [UInt8]? {
        var digest: Int32 = 0
        guard X509_get_signature_info(certificate, &digest, nil, nil, nil) == 1 else { return nil }
        let algorithm =
            switch digest {
            case NID_md5, NID_sha1: EVP_sha256()
            default: EVP_get_digestbyname(OBJ_nid2sn(digest))
            }
        guard let algorithm else { return nil }
        var hash = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        guard X509_digest(certificate, algorithm, &hash, &count) == 1 else { return nil }
        return Array(hash.prefix(Int(count)))
    }
}
