import Policy
import Testing

@testable import Configuration

@Suite struct `Where clients come from, in proxy.conf` {
    private func read(_ text: String) throws(ConfigurationError) -> ProxyConfiguration {
        try ConfigurationReader.read(text, file: "proxy.conf", version: 1)
    }

    @Test func `is whom the socket names, and dead connections are noticed, where nothing is said`() throws {
        let configuration = try read("")
        #expect(configuration.proxyProtocol == ProxyProtocolSettings())
        #expect(!configuration.sendsProxy)
        #expect(
            configuration.tcp
                == TCPSettings(keepaliveIdle: 60, keepaliveInterval: 10, keepaliveCount: 6, userTimeout: 0))
    }

    @Test func `is read as it is written`() throws {
        let configuration = try read(
            """
            server = "db.example:5432"
            send_proxy = true
            [proxy_protocol]
            from = ["10.0.0.0/8", "fd00::1", "local"]
            [tcp]
            keepalive_idle = "5m"
            keepalive_interval = "0s"
            keepalive_count = 3
            user_timeout = "1500ms"
            """)
        #expect(
            configuration.proxyProtocol.sources == [
                .range(try AddressRange("10.0.0.0/8")), .range(try AddressRange("fd00::1")), .local,
            ])
        #expect(configuration.sendsProxy)
        #expect(
            configuration.tcp
                == TCPSettings(keepaliveIdle: 300, keepaliveInterval: 0, keepaliveCount: 3, userTimeout: 1500))
        #expect(configuration.warnings.allSatisfy { !$0.description.contains("every client") })
    }

    @Test func `may be nobody at all`() throws {
        #expect(try read("[proxy_protocol]\nfrom = []").proxyProtocol.sources.isEmpty)
        #expect(try read("[proxy_protocol]\nfrom = \"local\"").proxyProtocol.sources == [.local])
    }

    @Test func `warns of a list that trusts everybody`() throws {
        let configuration = try read("[proxy_protocol]\nfrom = [\"0.0.0.0/0\"]")
        #expect(configuration.warnings.contains { $0.description.contains("lets every client say") })
    }

    struct FaultRow: CustomTestStringConvertible {
        var text: String
        var message: String
        var testDescription: String { message }
    }

    @Test(arguments: [
        FaultRow(
            text: "[proxy_protocol]\nfrom = [\"lb.example\"]",
            message: "proxy.conf:2:9: error: \"lb.example\" is no address range"),
        FaultRow(text: "[proxy_protocol]\nfrom = [\"10.0.0.1/8\"]", message: "write \"10.0.0.0/8\""),
        FaultRow(text: "[proxy_protocol]\nform = []", message: "did you mean \"from\"?"),
        FaultRow(text: "send_proxy = \"yes\"", message: "\"send_proxy\" is a text"),
        FaultRow(text: "send_proxy = true", message: "the embedded server does not understand the PROXY protocol"),
        FaultRow(text: "[tcp]\nkeepalive_idle = 60", message: "\"keepalive_idle\" is no duration"),
        FaultRow(text: "[tcp]\nkeepalive_idle = \"1500ms\"", message: "\"keepalive_idle\" is not in whole seconds"),
        FaultRow(text: "[tcp]\nkeepalive_interval = \"10h\"", message: "keepalive_interval = \"10h\" is out of range"),
        FaultRow(text: "[tcp]\nkeepalive_count = 128", message: "write a number from 0 to 127"),
        FaultRow(text: "[tcp]\nuser_timeout = \"25h\"", message: "write from 0ms to 24h"),
        FaultRow(text: "[tcp]\nkeepalive = \"1s\"", message: "unknown key \"keepalive\""),
    ])
    func `is an error with place and remedy where it is wrong`(row: FaultRow) {
        let error = #expect(throws: ConfigurationError.self) { try read(row.text) }
        #expect(error?.description.contains(row.message) == true, "\(error?.description ?? "")")
    }

    @Test func `can be asked for by the operating-system user`() throws {
        let rules = try read(
            """
            [[tag]]
            name = "maintenance"
            os_user = ["dba_*", "1001"]
            """
        ).rules
        func tag(_ user: String?) -> String {
            rules.tag(
                of: Subject(
                    database: "shop", user: "app", applicationName: "", clientAddress: nil, listener: "", osUser: user))
        }
        #expect(tag("dba_ann") == "maintenance")
        #expect(tag("1001") == "maintenance")
        #expect(tag("10010") == "production")
        #expect(tag(nil) == "production")
    }

    @Test func `is never a user for a client that has none`() throws {
        let rules = try read("[[tag]]\nname = \"local\"\nos_user = \"*\"").rules
        let distant = Subject(
            database: "shop", user: "app", applicationName: "", clientAddress: NetworkAddress("10.0.0.1"), listener: "")
        #expect(rules.tag(of: distant) == "production")
    }

    @Test func `lets an application_name count beside the operating-system user`() throws {
        let text = "[[tag]]\nname = \"test\"\napplication_name = \"pytest*\"\n"
        #expect(throws: ConfigurationError.self) { try read(text) }
        #expect(throws: Never.self) { try read(text + "os_user = \"*\"") }
    }
}
