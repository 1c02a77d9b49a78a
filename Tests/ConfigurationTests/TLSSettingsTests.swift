import Testing

@testable import Configuration

@Suite struct TLSSettingsTests {
    private func read(_ text: String) throws(ConfigurationError) -> ProxyConfiguration {
        try ConfigurationReader.read(text, file: "proxy.conf", version: 1)
    }

    @Test func bothSidesAreOffUnlessAskedFor() throws {
        let configuration = try read("")
        #expect(configuration.clientTLS == ClientTLSSettings())
        #expect(configuration.clientTLS.mode == .off)
        #expect(configuration.serverTLS == ServerTLSSettings())
        #expect(configuration.serverTLS.mode == .disable)
    }

    @Test func everyKeyIsRead() throws {
        let configuration = try read(
            """
            [client_tls]
            mode = "require"
            certificate = "a.crt"
            key = "a.key"
            client_ca = "ca.crt"
            client_crl = "ca.crl"
            client_certificates = "verify-full"
            minimum_version = "1.3"
            ciphers = "HIGH"
            tls13_ciphers = "TLS_AES_128_GCM_SHA256"
            ktls = true
            [server_tls]
            mode = "verify-full"
            negotiation = "direct"
            ca = "sca.crt"
            crl = "sca.crl"
            certificate = "me.crt"
            key = "me.key"
            name = "db.example"
            sni = false
            minimum_version = "1.3"
            ktls = true
            """)
        var client = ClientTLSSettings()
        client.mode = .require
        client.certificatePath = "a.crt"
        client.keyPath = "a.key"
        client.authorityPath = "ca.crt"
        client.revocationPath = "ca.crl"
        client.clientCertificates = .verifyRole
        client.minimumVersion = "1.3"
        client.ciphers = "HIGH"
        client.cipherSuites = "TLS_AES_128_GCM_SHA256"
        client.usesKernel = true
        #expect(configuration.clientTLS == client)
        var server = ServerTLSSettings()
        server.mode = .verifyName
        server.negotiation = .direct
        server.authorityPath = "sca.crt"
        server.revocationPath = "sca.crl"
        server.certificatePath = "me.crt"
        server.keyPath = "me.key"
        server.name = "db.example"
        server.sendsName = false
        server.minimumVersion = "1.3"
        server.usesKernel = true
        #expect(configuration.serverTLS == server)
    }

    @Test(arguments: [
        Mistake(text: "[client_tls]\nmode = \"on\"", line: 2, says: "is no value of \"mode\""),
        Mistake(text: "[client_tls]\nmode = \"require\"", line: 2, says: "needs a certificate and its key"),
        Mistake(
            text:
                "[client_tls]\nmode = \"allow\"\ncertificate = \"a\"\nkey = \"b\"\nclient_certificates = \"optional\"",
            line: 5, says: "cannot be checked without their authorities"),
        Mistake(
            text: "[client_tls]\nclient_ca = \"a\"\nclient_certificates = \"verify-ca\"", line: 3,
            says: "only by TLS, which is off"),
        Mistake(text: "[client_tls]\nminimum_version = \"1.1\"", line: 2, says: "is no value of \"minimum_version\""),
        Mistake(text: "[client_tls]\ncertificat = \"a\"", line: 2, says: "unknown key"),
        Mistake(text: "[server_tls]\nmode = \"allow\"", line: 2, says: "is no value of \"mode\""),
        Mistake(text: "[server_tls]\nmode = \"require\"\nkey = \"b\"", line: 3, says: "belong together"),
        Mistake(
            text: "[server_tls]\nmode = \"prefer\"\nnegotiation = \"direct\"", line: 3, says: "cannot fall back"),
    ])
    func mistakesAreNamedWithTheirPlace(_ mistake: Mistake) throws { try mistake.isNamed() }
}
