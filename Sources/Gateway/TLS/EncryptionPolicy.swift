import Configuration
import Synchronization
import TLSEngine
import Transport

/// What `[client_tls]` and `[server_tls]` ask for, with the files read: made at start and at each reload.
package struct EncryptionPolicy: Sendable {
    /// For clients; nil if TLS is off.
    var clientContext: TLSContext?
    var client: ClientTLSSettings
    /// For servers; nil if TLS is off.
    var serverContext: TLSContext?
    var server: ServerTLSSettings
    /// The first session with TLS on both sides has been looked at.
    let bindingLook = FirstLook()

    /// Reads certificates, keys and lists.
    ///
    /// - Throws: ``ProxyError`` that names the section, the file and what is wrong with it.
    package init(_ configuration: ProxyConfiguration) throws(ProxyError) {
        client = configuration.clientTLS
        server = configuration.serverTLS
        do {
            clientContext = try Self.context(configuration.clientTLS, resolve: configuration.resolve)
        } catch {
            throw ProxyError(message: error.description, remedy: "see [client_tls] in proxy.conf")
        }
        do {
            serverContext = try Self.context(configuration.serverTLS, resolve: configuration.resolve)
        } catch {
            throw ProxyError(message: error.description, remedy: "see [server_tls] in proxy.conf")
        }
    }

    private static func context(
        _ settings: ClientTLSSettings, resolve: (String) -> String
    ) throws(TLSError) -> TLSContext? {
        if settings.mode == .off { return nil }
        let asks = settings.clientCertificates != .off
        return try TLSContext(
            TLSContext.ServerSettings(
                certificatePath: resolve(settings.certificatePath), keyPath: resolve(settings.keyPath),
                clientAuthorityPath: asks ? resolve(settings.authorityPath) : nil,
                revocationPath: asks ? path(settings.revocationPath, resolve) : nil,
                minimumVersion: TLSVersion(rawValue: settings.minimumVersion) ?? .tls12, ciphers: settings.ciphers,
                cipherSuites: settings.cipherSuites, usesKernel: settings.usesKernel))
    }

    private static func context(
        _ settings: ServerTLSSettings, resolve: (String) -> String
    ) throws(TLSError) -> TLSContext? {
        if settings.mode == .disable { return nil }
        return try TLSContext(
            TLSContext.ClientSettings(
                verifiesServer: settings.mode.verifiesServer, authorityPath: path(settings.authorityPath, resolve),
                revocationPath: path(settings.revocationPath, resolve),
                certificatePath: path(settings.certificatePath, resolve), keyPath: path(settings.keyPath, resolve),
                minimumVersion: TLSVersion(rawValue: settings.minimumVersion) ?? .tls12,
                usesKernel: settings.usesKernel))
    }

    private static func path(_ path: String, _ resolve: (String) -> String) -> String? {
        path.isEmpty ? nil : resolve(path)
    }
}

/// Something that is done once. Any thread.
final class FirstLook: Sendable {
    private let isTaken = Atomic(false)

    /// True for the first call.
    func take() -> Bool { !isTaken.exchange(true, ordering: .relaxed) }
}
