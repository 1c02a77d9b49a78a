import COpenSSL
import Glibc

/// Certificates and policy of one side of the proxy: made at start and at each reload, shared by all loops.
///
/// Connections keep the context that they began with, so a reload touches none that is open.
// OpenSSL counts references to an SSL_CTX with atomics and locks what its connections share (openssl-threads(7)); nothing
// here changes it after init.
package final class TLSContext: @unchecked Sendable {
    let context: OpaquePointer
    /// Whether the context is for connections that we accept.
    let isServer: Bool
    /// The kernel may encrypt and decrypt.
    let usesKernel: Bool

    /// The name that PostgreSQL's protocol has in ALPN (manual, "SSL Session Encryption").
    package static let applicationProtocol = "postgresql"

    /// How many tickets a client of TLS 1.3 is given. OpenSSL's two are for clients that open several connections at once;
    /// each costs a write, and every resumption brings a new one.
    private static let ticketCount = 1

    /// What Holdfast shows to its clients.
    package struct ServerSettings: Sendable, Hashable {
        /// PEM: the certificate, then its intermediates.
        package var certificatePath: String
        /// PEM, without a passphrase.
        package var keyPath: String
        /// The authorities that clients' certificates must come from; nil asks clients for none.
        package var clientAuthorityPath: String?
        /// Revoked client certificates (PEM); nil for none.
        package var revocationPath: String?
        package var minimumVersion: TLSVersion
        /// OpenSSL's cipher list for TLS 1.2; "" is OpenSSL's default.
        package var ciphers: String
        /// OpenSSL's list for TLS 1.3; "" is OpenSSL's default.
        package var cipherSuites: String
        /// Lets the kernel encrypt, where it can.
        package var usesKernel: Bool

        package init(
            certificatePath: String, keyPath: String, clientAuthorityPath: String? = nil, revocationPath: String? = nil,
            minimumVersion: TLSVersion = .tls12, ciphers: String = "", cipherSuites: String = "",
            usesKernel: Bool = false
        ) {
            self.certificatePath = certificatePath
            self.keyPath = keyPath
            self.clientAuthorityPath = clientAuthorityPath
            self.revocationPath = revocationPath
            self.minimumVersion = minimumVersion
            self.ciphers = ciphers
            self.cipherSuites = cipherSuites
            self.usesKernel = usesKernel
        }
    }

    /// How Holdfast meets a server.
    package struct ClientSettings: Sendable, Hashable {
        /// Whether the server's certificate must come from one of the authorities.
        package var verifiesServer: Bool
        /// PEM; nil is the system's own authorities.
        package var authorityPath: String?
        package var revocationPath: String?
        /// A certificate of Holdfast's own, for servers that ask for one; both or neither.
        package var certificatePath: String?
        package var keyPath: String?
        package var minimumVersion: TLSVersion
        package var usesKernel: Bool
        /// Whether ALPN names PostgreSQL's protocol; false for servers of others.
        package var namesProtocol: Bool

        package init(
            verifiesServer: Bool, authorityPath: String? = nil, revocationPath: String? = nil,
            certificatePath: String? = nil, keyPath: String? = nil, minimumVersion: TLSVersion = .tls12,
            usesKernel: Bool = false, namesProtocol: Bool = true
        ) {
            self.namesProtocol = namesProtocol
            self.verifiesServer = verifiesServer
            self.authorityPath = authorityPath
            self.revocationPath = revocationPath
            self.certificatePath = certificatePath
            self.keyPath = keyPath
            self.minimumVersion = minimumVersion
            self.usesKernel = usesKernel
        }
    }

    /// For connections that we accept. Reads the files.
    ///
    /// - Throws: ``TLSError`` that names the file and what is wrong with it.
    package init(_ settings: ServerSettings) throws(TLSError) {
        isServer = true
        usesKernel = settings.usesKernel
        context = try Self.make(TLS_server_method(), settings.minimumVersion, usesKernel: settings.usesKernel)
        // From here on deinit frees the context, also when init throws: every stored property has its value.
        try useCertificate(settings.certificatePath, key: settings.keyPath)
        if !settings.ciphers.isEmpty, SSL_CTX_set_cipher_list(context, settings.ciphers) != 1 {
            throw .noted("no cipher of the list can be used: \"\(settings.ciphers)\"")
        }
        if !settings.cipherSuites.isEmpty, SSL_CTX_set_ciphersuites(context, settings.cipherSuites) != 1 {
            throw .noted("no TLS 1.3 cipher suite of the list can be used: \"\(settings.cipherSuites)\"")
        }
        openssl_prefer_own_ciphers(context)
        openssl_use_tickets(context, Self.ticketCount)
        // Sessions that a client resumes must have been made by this context (SSL_CTX_set_session_id_context(3)).
        _ = "holdfast".utf8.withContiguousStorageIfAvailable {
            SSL_CTX_set_session_id_context(context, $0.baseAddress, UInt32($0.count))
        }
        SSL_CTX_set_alpn_select_cb(context, selectApplicationProtocol, nil)
        if let path = settings.clientAuthorityPath {
            try trust(path)
            guard let names = SSL_load_client_CA_file(path) else {
                throw .noted("cannot read the authorities of clients \(path)")
            }
            SSL_CTX_set_client_CA_list(context, names)
            // As PostgreSQL does: a client without a certificate may finish the handshake and is told afterwards.
            SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE, nil)
        }
        if let path = settings.revocationPath { try checkRevocation(path) }
    }

    /// For connections that we open. Reads the files.
    ///
    /// - Throws: ``TLSError`` that names the file and what is wrong with it.
    package init(_ settings: ClientSettings) throws(TLSError) {
        isServer = false
        usesKernel = settings.usesKernel
        context = try Self.make(TLS_client_method(), settings.minimumVersion, usesKernel: settings.usesKernel)
        if let certificate = settings.certificatePath, let key = settings.keyPath {
            try useCertificate(certificate, key: key)
        }
        if settings.verifiesServer {
            if let path = settings.authorityPath {
                try trust(path)
            } else if SSL_CTX_set_default_verify_paths(context) != 1 {
                throw .noted("cannot read the system's authorities")
            }
            SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
            if let path = settings.revocationPath { try checkRevocation(path) }
        }
        guard settings.namesProtocol else { return }
        let wanted = [UInt8(Self.applicationProtocol.utf8.count)] + Array(Self.applicationProtocol.utf8)
        // 0 is success here, unlike everywhere else (SSL_CTX_set_alpn_protos(3)).
        guard SSL_CTX_set_alpn_protos(context, wanted, UInt32(wanted.count)) == 0 else {
            throw .noted("cannot offer ALPN")
        }
    }

    deinit { SSL_CTX_free(context) }

    private static func make(
        _ method: OpaquePointer?, _ minimum: TLSVersion, usesKernel: Bool
    ) throws(TLSError) -> OpaquePointer {
        ERR_clear_error()
        guard let context = SSL_CTX_new(method) else { throw .noted("cannot make a TLS context") }
        openssl_harden(context)
        if usesKernel { _ = openssl_enable_ktls(context) }
        guard openssl_set_minimum_version(context, minimum.number) == 1 else {
            SSL_CTX_free(context)
            throw .noted("TLS \(minimum.rawValue) cannot be the minimum version here")
        }
        // A key with a passphrase would ask the terminal.
        SSL_CTX_set_default_passwd_cb(context) { _, _, _, _ in 0 }
        return context
    }

    private func useCertificate(_ path: String, key: String) throws(TLSError) {
        guard SSL_CTX_use_certificate_chain_file(context, path) == 1 else {
            throw .noted("cannot read the certificate \(path)")
        }
        try Self.checkPermissions(ofKey: key)
        guard SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1 else {
            throw .noted("cannot read the private key \(key) (it must be PEM without a passphrase)")
        }
        guard SSL_CTX_check_private_key(context) == 1 else {
            throw .noted("the private key \(key) does not belong to the certificate \(path)")
        }
    }

    /// As `check_ssl_key_file_permissions` (libpq/be-secure-common.c): ours and not for others, or root's and for a group.
    private static func checkPermissions(ofKey path: String) throws(TLSError) {
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw TLSError("cannot read the private key \(path): \(String(cString: strerror(errno)))")
        }
        guard status.st_mode & S_IFMT == S_IFREG else { throw TLSError("the private key \(path) is no file") }
        guard status.st_uid == geteuid() || status.st_uid == 0 else {
            throw TLSError("the private key \(path) must belong to the user that runs Holdfast, or to root")
        }
        let forbidden: mode_t = status.st_uid == geteuid() ? 0o077 : 0o027
        guard status.st_mode & forbidden == 0 || (status.st_uid == 0 && status.st_mode & 0o027 == 0) else {
            throw TLSError(
                "the private key \(path) can be read by others: chmod 600, or 640 if it belongs to root")
        }
    }

    private func trust(_ path: String) throws(TLSError) {
        guard SSL_CTX_load_verify_locations(context, path, nil) == 1 else {
            throw .noted("cannot read the authorities \(path)")
        }
    }

    private func checkRevocation(_ path: String) throws(TLSError) {
        guard let store = SSL_CTX_get_cert_store(context), X509_STORE_load_locations(store, path, nil) == 1 else {
            throw .noted("cannot read the revocation list \(path)")
        }
        X509_STORE_set_flags(store, UInt(X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL))
    }
}

/// A client that names protocols must name ours (`alpn_cb` in libpq/be-secure-openssl.c of PostgreSQL 17).
private func selectApplicationProtocol(
    _ connection: OpaquePointer?, _ chosen: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
    _ chosenCount: UnsafeMutablePointer<UInt8>?, _ offered: UnsafePointer<UInt8>?, _ offeredCount: UInt32,
    _ argument: UnsafeMutableRawPointer?
) -> Int32 {
    let wanted = Array(TLSContext.applicationProtocol.utf8)
    var rest = UnsafeBufferPointer(start: offered, count: Int(offeredCount))[...]
    while let length = rest.popFirst() {
        let name = rest.prefix(Int(length))
        if name.elementsEqual(wanted), let base = offered {
            chosen?.pointee = base + name.startIndex
            chosenCount?.pointee = length
            return SSL_TLSEXT_ERR_OK
        }
        rest = rest.dropFirst(Int(length))
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL
}
