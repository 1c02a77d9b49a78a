import Configuration
import Synchronization
import TLSEngine
import Transport

/// What `[client_tls]` and `[server_tls]` ask for, with the files read: made at start and at each reload.
package struct EncryptionPolicy: Sendable {
    /// For clients; nil if TLS is off.
    var clientContext: TLSContext?
    var client: ClientTLSSettings
    /// The first session with TLS on both sides has been looked at.
    let bindingLook = FirstLook()
    private let server: ServerSide
    /// Upstreams that are met in another way than `[server_tls]` says, by name.
    private let upstreams: [String: ServerSide]

    /// How a server is met.
    struct ServerSide: Sendable {
        /// nil if TLS is off.
        var context: TLSContext?
        var settings: ServerTLSSettings
    }

    /// Reads certificates, keys and lists.
    ///
    /// - Parameter former: what a reload takes the place of. `[[upstream]]` blocks that are gone from the file keep their
    ///   sessions until the restart, and so the way in which their servers are met.
    /// - Throws: ``ProxyError`` that names the section, the file and what is wrong with it.
    package init(_ configuration: ProxyConfiguration, former: EncryptionPolicy? = nil) throws(ProxyError) {
        client = configuration.clientTLS
        do {
            clientContext = try Self.context(configuration.clientTLS, resolve: configuration.resolve)
        } catch {
            throw ProxyError(message: error.description, remedy: "see [client_tls] in proxy.conf")
        }
        server = try Self.serverSide(configuration.serverTLS, "[server_tls]", resolve: configuration.resolve)
        let names = Set(configuration.upstreams.map(\.name))
        var upstreams = former?.upstreams.filter { !names.contains($0.key) } ?? [:]
        for upstream in configuration.upstreams {
            guard let settings = upstream.tls else { continue }
            upstreams[upstream.name] = try Self.serverSide(
                settings, "tls of the [[upstream]] \"\(upstream.name)\"", resolve: configuration.resolve)
        }
        self.upstreams = upstreams
    }

    /// How the servers of an upstream are met.
    func server(of upstream: String) -> ServerSide { upstreams[upstream] ?? server }

    private static func serverSide(
        _ settings: ServerTLSSettings, _ place: String, resolve: (String) -> String
    ) throws(ProxyError) -> ServerSide {
        do {
            return ServerSide(context: try context(settings, resolve: resolve), settings: settings)
        } catch {
            throw ProxyError(message: error.description, remedy: "see \(place) in proxy.conf")
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
