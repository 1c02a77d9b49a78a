import Policy
import Testing

@testable import Configuration

@Suite struct UpstreamTests {
    private func read(_ text: String) throws(ConfigurationError) -> ProxyConfiguration {
        try ConfigurationReader.read(text, file: "proxy.conf", version: 1)
    }

    @Test func oneServerIsAListOfOne() throws {
        #expect(try read("").upstream.servers == [.embedded])
        #expect(try read("server = \"db:5432\"").upstream.servers == [.tcp(host: "db", port: 5432)])
        let several = try read("server = [\"db1:5432\", \"unix:/run/s\"]").upstream
        #expect(several.servers == [.tcp(host: "db1", port: 5432), .unix(path: "/run/s")])
        #expect(several.target == .any)
    }

    @Test func aBlockHasItsOwnServersAndItsOwnTLS() throws {
        let configuration = try read(
            """
            server = "db:5432"
            [catalog]
            connection = "host=db"
            [[upstream]]
            name = "billing"
            databases = ["billing", "b_*"]
            server = ["b1:5432", "b2:5432"]
            target = "prefer-standby"
            probe = "user=holdfast"
            probe_interval = "5s"
            tls = { mode = "verify-full", ca = "b.crt" }
            catalog = "host=b1"
            send_proxy = true
            """)
        let block = try #require(configuration.upstreams.first)
        #expect(block.name == "billing")
        #expect(block.databases.matches("b_1") && !block.databases.matches("shop"))
        #expect(block.servers.count == 2)
        #expect(block.target == .preferStandby)
        #expect(block.probe == "user=holdfast")
        #expect(block.probeInterval == .seconds(5))
        #expect(block.tls?.mode == .verifyName)
        #expect(block.tls?.authorityPath == "b.crt")
        #expect(block.catalogConnection == "host=b1")
        #expect(block.sendsProxy == true)
        #expect(configuration.upstream.sendsProxy == nil)
    }

    @Test(arguments: [
        Mistake(text: "server = [\"embedded\", \"db:1\"]", line: 1, says: "cannot be one of several"),
        Mistake(text: "server = [\"db:1\", \"db:1\"]", line: 1, says: "twice"),
        Mistake(text: "server = \"db:1\"\ntarget = \"primary\"", line: 2, says: "needs a role that asks"),
        Mistake(text: "target = \"primary\"\nprobe = \"user=a\"", line: 1, says: "the embedded server is alone"),
        Mistake(text: "server = \"db:1\"\ntarget = \"leader\"", line: 2, says: "is no value of \"target\""),
        Mistake(
            text: "server = \"db:1\"\ntarget = \"primary\"\nprobe = \"user=a hostaddr = 10.1.1.1\"", line: 3,
            says: "says where a server is"),
        Mistake(
            text: "server = \"db:1\"\ntarget = \"primary\"\nprobe = \"postgresql://a@db/postgres\"", line: 3,
            says: "says where a server is"),
        Mistake(text: "[[upstream]]\ndatabases = \"a\"\nserver = \"b:1\"", line: 1, says: "has no name"),
        Mistake(text: "[[upstream]]\nname = \"x\"\nserver = \"b:1\"", line: 1, says: "whose sessions it gets"),
        Mistake(text: "[[upstream]]\nname = \"x\"\ndatabases = \"a\"", line: 1, says: "has no server"),
        Mistake(
            text: "[[upstream]]\nname = \"server\"\ndatabases = \"a\"\nserver = \"b:1\"", line: 2,
            says: "cannot be the name"),
        Mistake(
            text: "[[upstream]]\nname = \"x\"\ndatabases = \"a\"\nserver = \"embedded\"", line: 4,
            says: "cannot be one of several"),
        Mistake(
            text: "[[upstream]]\nname = \"x\"\ndatabases = \"a\"\nserver = \"b:1\"\ncatalog = \"host=b\"", line: 5,
            says: "[catalog] has no connection"),
        Mistake(
            text: "[[upstream]]\nname = \"x\"\ndatabases = \"a\"\nserver = \"b:1\"\ntls = { mod = \"require\" }",
            line: 5,
            says: "unknown key"),
    ])
    func mistakesAreNamedWithTheirPlace(_ mistake: Mistake) throws { try mistake.isNamed() }
}
