import Foundation
import Policy
import SQLParsing
import Testing

@testable import Configuration

@Suite struct `A valid proxy.conf` {
    private func read(_ text: String, version: Int = 1) throws -> ProxyConfiguration {
        try ConfigurationReader.read(text, file: "proxy.conf", folder: "/etc/holdfast", version: version)
    }

    @Test func `gives every setting`() throws {
        let configuration = try read(
            """
            listen = ["127.0.0.1:6543", "[::1]:6543", "unix:/run/holdfast/socket", "db.example:0"]
            server = "unix:/var/run/postgresql/.s.PGSQL.5432"
            loops = 4
            max_clients = 50
            drain_timeout = "0s"
            connect_timeout = "500ms"
            login_timeout = "5m"
            max_statement = "64MiB"
            [embedded]
            data = "/srv/pg"
            user = "pg"
            bin = "/opt/pg/bin"
            [log]
            level = "debug"
            [audit]
            file = "trail/audit.jsonl"
            durability = "write"
            record = ["truncate"]
            [guard]
            connection = "host=db.example user=holdfast"
            databases = ["shop", "billing"]
            watch = "1m"
            """)
        #expect(
            configuration.guardSettings
                == GuardSettings(
                    connection: "host=db.example user=holdfast", databases: ["shop", "billing"],
                    watchInterval: .seconds(60)))
        #expect(try read("[guard]\nwatch = \"off\"").guardSettings.watchInterval == nil)
        #expect(try !read("").guardSettings.isReachable)
        #expect(
            configuration.listeners == [
                .tcp(host: "127.0.0.1", port: 6543), .tcp(host: "::1", port: 6543), .unix(path: "/run/holdfast/socket"),
                .tcp(host: "db.example", port: 0),
            ])
        #expect(configuration.upstream.servers == [.unix(path: "/var/run/postgresql/.s.PGSQL.5432")])
        #expect(configuration.loopCount == 4)
        #expect(configuration.maximumClients == 50)
        #expect(configuration.drainTimeout == .zero)
        #expect(configuration.connectTimeout == .milliseconds(500))
        #expect(configuration.loginTimeout == .seconds(300))
        #expect(configuration.maximumStatementBytes == 64 << 20)
        #expect(configuration.embedded.dataDirectory == "/srv/pg")
        #expect(configuration.embedded.user == "pg")
        #expect(configuration.embedded.binaryDirectory == "/opt/pg/bin")
        #expect(configuration.log.level == "debug")
        #expect(configuration.audit.path == "trail/audit.jsonl")
        #expect(configuration.audit.durability == .write)
        #expect(configuration.rules.auditedClasses.contains(.truncate))
        #expect(configuration.rules.auditedClasses.contains(.create), "ddl is always recorded")
        #expect(!configuration.rules.auditedClasses.contains(.deleteAll))
    }

    @Test func `resolves relative paths against its own folder`() throws {
        let configuration = try read("")
        #expect(configuration.resolve("var/audit.jsonl") == "/etc/holdfast/var/audit.jsonl")
        #expect(configuration.resolve("/var/log/audit.jsonl") == "/var/log/audit.jsonl")
    }

    @Test func `takes the server as host and port`() throws {
        #expect(try read("server = \"[fd00::5]:5433\"").upstream.servers == [.tcp(host: "fd00::5", port: 5433)])
        #expect(try read("server = \"localhost:5432\"").upstream.servers == [.tcp(host: "localhost", port: 5432)])
        #expect(try read("server = \"embedded\"").upstream.servers == [.embedded])
    }

    @Test func `reads tags and rules in their order`() throws {
        let configuration = try read(
            """
            [[tag]]
            name = "staging"
            database = "shop_staging"
            client = ["10.0.0.0/8", "local"]
            listener = ["127.0.0.1:*"]
            [[tag]]
            name = "ci"
            application_name = ["pytest*"]
            trust_application_name = true
            [[tag]]
            name = "production"
            application_name = ["backend"]

            [[rule]]
            name = "first"
            classes = ["table_loss", "truncate"]
            objects = ["table:public.*"]
            except = { users = ["dba"], databases = ["x*"], objects = ["tmp_*"] }
            action = "warn"
            message = "m"
            hint = '''h'''
            [[rule]]
            name = "second"
            tags = ["production", "staging"]
            classes = "any"
            action = "block"
            """, version: 3)
        #expect(configuration.warnings.isEmpty)
        let rules = configuration.rules
        #expect(rules.version == 3)
        #expect(rules.tagRules.map(\.tag) == ["staging", "ci", "production"])
        #expect(rules.rules.map(\.name) == ["first", "second"])
        #expect(rules.rules[0].classes == ClassGroup.tableLoss.classes.union(ClassSet(.truncate)))
        #expect(rules.rules[0].objects.map(\.text) == ["table:public.*"])
        #expect(rules.rules[0].exceptions.users.map(\.text) == ["dba"])
        #expect(rules.rules[0].exceptions.databases.map(\.text) == ["x*"])
        #expect(rules.rules[0].exceptions.objects.map(\.text) == ["tmp_*"])
        #expect(rules.rules[0].action == .warn)
        #expect(rules.rules[0].message == "m")
        #expect(rules.rules[0].hint == "h")
        #expect(rules.rules[1].classes == ClassGroup.any.classes)
    }

    @Test func `warns where a rule can do nothing`() throws {
        let configuration = try read(
            """
            [[rule]]
            name = "all"
            classes = ["any"]
            action = "block"
            [[rule]]
            name = "late"
            classes = ["truncate"]
            objects = ["scratch.*"]
            action = "allow"
            [[rule]]
            name = "typo"
            tags = ["prodution"]
            classes = ["truncate"]
            action = "block"
            """)
        let lines = configuration.warnings.map(\.description)
        #expect(lines.count == 3)
        #expect(lines[0].hasPrefix("proxy.conf:5:1: warning: the rule \"late\" never applies"))
        #expect(lines[1].contains("\"typo\" never applies"))
        #expect(lines[2].hasPrefix("proxy.conf:12:9: warning: no [[tag]] block gives"))
        #expect(lines[2].contains("did you mean \"production\"?"))
    }

    @Test func `warns when nothing is guarded`() throws {
        #expect(try read("").warnings.map(\.message).contains { $0.contains("refuse nothing") })
    }
}

@Suite struct `The file on the disk` {
    private func temporaryFile(_ content: [UInt8]) throws -> String {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("holdfast-\(UUID().uuidString).conf")
        try Data(content).write(to: url)
        return url.path
    }

    @Test func `that does not exist is a clear error`() {
        do {
            _ = try ConfigurationFile.load(path: "/nowhere/proxy.conf", version: 1)
            Issue.record("accepted")
        } catch {
            #expect("\(error)".contains("/nowhere/proxy.conf:1:1: error: the file does not exist"))
            #expect("\(error)".contains("--config FILE"))
        }
    }

    @Test func `that is a folder is a clear error`() {
        do {
            _ = try ConfigurationFile.load(path: "/tmp", version: 1)
            Issue.record("accepted")
        } catch {
            #expect("\(error)".contains("folder"))
        }
    }

    @Test func `that is not UTF-8 is refused at the first wrong byte`() throws {
        let path = try temporaryFile(Array("loops = 1\n# é ".utf8) + [0xFF])
        defer { try? FileManager.default.removeItem(atPath: path) }
        do {
            _ = try ConfigurationFile.load(path: path, version: 1)
            Issue.record("accepted")
        } catch {
            #expect("\(error)".contains(":2:5: error: this is not UTF-8"), "\(error)")
        }
    }

    @Test func `that is far too large is not read`() throws {
        let path = try temporaryFile(Array(repeating: UInt8(ascii: "#"), count: (1 << 20) + 1))
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(throws: ConfigurationError.self) { try ConfigurationFile.load(path: path, version: 1) }
    }
}

@Suite struct `Quantities` {
    @Test func `of time have a number and a unit`() {
        #expect(Quantity.milliseconds("30s") == 30_000)
        #expect(Quantity.milliseconds("500 ms") == 500)
        #expect(Quantity.milliseconds("2h") == 7_200_000)
        #expect(Quantity.milliseconds("") == nil)
        #expect(Quantity.milliseconds("s") == nil)
        #expect(Quantity.milliseconds("1.5s") == nil)
        #expect(Quantity.milliseconds("99999999999999999999s") == nil)
        #expect(Quantity.milliseconds("9223372036854775807h") == nil)
    }

    @Test func `of memory count by 1024 in every spelling`() {
        #expect(Quantity.bytes("64MB") == 64 << 20)
        #expect(Quantity.bytes("64MiB") == 64 << 20)
        #expect(Quantity.bytes("1GiB") == 1 << 30)
        #expect(Quantity.bytes("512kB") == 512 << 10)
        #expect(Quantity.bytes("17B") == 17)
        #expect(Quantity.bytes("64") == nil)
    }
}
