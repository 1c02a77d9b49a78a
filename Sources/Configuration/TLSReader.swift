/// Reads `[client_tls]` and `[server_tls]`.
enum TLSReader {
    static let clientKeys = [
        "mode", "certificate", "key", "client_ca", "client_crl", "client_certificates", "minimum_version", "ciphers",
        "tls13_ciphers", "ktls",
    ]
    static let serverKeys = [
        "mode", "negotiation", "ca", "crl", "certificate", "key", "sni", "name", "minimum_version", "ktls",
    ]
    private static let versions = ["1.2", "1.3"]

    static func clientSide(_ section: SectionReader) -> ClientTLSSettings {
        section.rejectKeys(besides: clientKeys)
        var settings = ClientTLSSettings()
        settings.mode = word("mode", in: section) ?? .off
        settings.certificatePath = path("certificate", in: section, example: "server.crt")
        settings.keyPath = path("key", in: section, example: "server.key")
        settings.authorityPath = path("client_ca", in: section, example: "clients-ca.crt")
        settings.revocationPath = path("client_crl", in: section, example: "clients.crl")
        settings.clientCertificates = word("client_certificates", in: section) ?? .off
        settings.minimumVersion = section.word("minimum_version", among: versions) ?? "1.2"
        settings.ciphers = section.text("ciphers") ?? ""
        settings.cipherSuites = section.text("tls13_ciphers") ?? ""
        settings.usesKernel = section.boolean("ktls") ?? false
        for key in ["ciphers", "tls13_ciphers"] { _ = section.string(key, example: "") }
        if settings.mode != .off, settings.certificatePath.isEmpty || settings.keyPath.isEmpty {
            section.log.error(
                at: section.path(of: "mode"), "mode = \"\(settings.mode.rawValue)\" needs a certificate and its key",
                "write certificate = \"server.crt\" and key = \"server.key\" in [client_tls]")
        }
        if settings.clientCertificates != .off, settings.authorityPath.isEmpty {
            section.log.error(
                at: section.path(of: "client_certificates"),
                "clients' certificates cannot be checked without their authorities",
                "write client_ca = \"clients-ca.crt\" in [client_tls]")
        }
        if settings.clientCertificates != .off, settings.mode == .off {
            section.log.error(
                at: section.path(of: "client_certificates"), "clients can show a certificate only by TLS, which is off",
                "write mode = \"require\" in [client_tls]")
        }
        if settings.clientCertificates == .off {
            for key in ["client_ca", "client_crl"] where !(section.text(key) ?? "").isEmpty {
                section.log.warning(
                    atKey: section.path(of: key), "\"\(key)\" is not used: clients are not asked for certificates",
                    "write client_certificates = \"verify-ca\"")
            }
        }
        return settings
    }

    static func serverSide(_ section: SectionReader) -> ServerTLSSettings {
        section.rejectKeys(besides: serverKeys)
        var settings = ServerTLSSettings()
        settings.mode = word("mode", in: section) ?? .disable
        settings.negotiation = word("negotiation", in: section) ?? .postgres
        settings.authorityPath = path("ca", in: section, example: "server-ca.crt")
        settings.revocationPath = path("crl", in: section, example: "servers.crl")
        settings.certificatePath = path("certificate", in: section, example: "holdfast.crt")
        settings.keyPath = path("key", in: section, example: "holdfast.key")
        settings.sendsName = section.boolean("sni") ?? true
        settings.name = section.string("name", example: "db.example")?.text ?? ""
        settings.minimumVersion = section.word("minimum_version", among: versions) ?? "1.2"
        settings.usesKernel = section.boolean("ktls") ?? false
        if settings.certificatePath.isEmpty != settings.keyPath.isEmpty {
            section.log.error(
                at: section.path(of: settings.certificatePath.isEmpty ? "key" : "certificate"),
                "a certificate and its key belong together", "give both, or neither")
        }
        if settings.mode == .prefer, settings.negotiation == .direct {
            section.log.error(
                at: section.path(of: "negotiation"), "\"direct\" cannot fall back to a connection without TLS",
                "write mode = \"require\", or \"verify-full\"")
        }
        if !settings.mode.verifiesServer {
            for key in ["ca", "crl"] where !(section.text(key) ?? "").isEmpty {
                section.log.warning(
                    atKey: section.path(of: key),
                    "\"\(key)\" is not used: mode = \"\(settings.mode.rawValue)\" does not check the server",
                    "write mode = \"verify-full\"")
            }
        }
        return settings
    }

    private static func word<Word>(_ key: String, in section: SectionReader) -> Word?
    where Word: RawRepresentable<String> & CaseIterable {
        section.word(key, among: Word.allCases.map(\.rawValue)).flatMap { Word(rawValue: $0) }
    }

    /// "" is none.
    private static func path(_ key: String, in section: SectionReader, example: String) -> String {
        section.filePath(key, example: example)?.text ?? ""
    }
}
