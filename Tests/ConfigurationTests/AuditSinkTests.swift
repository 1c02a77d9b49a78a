import Testing

@testable import Configuration

@Suite struct `[[audit.sink]]` {
    private static let good = """
        listen = ["127.0.0.1:6543", "unix:/run/holdfast/.s.PGSQL.6543"]
        [[audit.sink]]

        """

    private static func read(_ text: String) throws -> [AuditSinkSettings] {
        try ConfigurationReader.read(text, file: "proxy.conf", version: 1).auditSinks
    }

    @Test func `is read with all its keys`() throws {
        let sinks = try Self.read(
            """
            [[audit.sink]]
            name = "fleet"
            type = "postgresql"
            connection = "service=audit"
            table = "s.t"
            create = true
            retry_max = "5s"
            [[audit.sink]]
            name = "siem"
            type = "syslog"
            format = "ocsf"
            address = "siem.internal:6514"
            tls = true
            ca = "ca.crt"
            certificate = "c.crt"
            key = "c.key"
            server_name = "siem"
            facility = "authpriv"
            hostname = "db7"
            app_name = "guard"
            sd_id = "trail@1.2"
            max_size = "64kB"
            [[audit.sink]]
            name = "out"
            type = "stdout"
            [[audit.sink]]
            name = "copy"
            type = "file"
            path = "var/copy.jsonl"
            """)
        #expect(sinks.map(\.name) == ["fleet", "siem", "out", "copy"])
        #expect(sinks[0].kind == .postgresql(connection: "service=audit", schema: "s", table: "t", creates: true))
        #expect(sinks[0].retryMaximum == .seconds(5) && sinks[1].retryMaximum == .seconds(30))
        var syslog = AuditSinkSettings.Syslog(address: .tcp(host: "siem.internal", port: 6514))
        syslog.usesTLS = true
        syslog.authorityPath = "ca.crt"
        syslog.certificatePath = "c.crt"
        syslog.keyPath = "c.key"
        syslog.serverName = "siem"
        syslog.facility = "authpriv"
        syslog.hostName = "db7"
        syslog.applicationName = "guard"
        syslog.structuredDataID = "trail@1.2"
        syslog.maximumByteCount = 64 << 10
        #expect(sinks[1].kind == .syslog(syslog) && sinks[1].format == .ocsf)
        #expect(sinks[2].kind == .stdout && sinks[3].kind == .file(path: "var/copy.jsonl"))
    }

    @Test func `may be left out`() throws { #expect(try Self.read("").isEmpty) }

    static let mistakes = [
        Mistake(text: good + "type = \"stdout\"", line: 2, says: "no name"),
        Mistake(text: good + "name = \"a b\"\ntype = \"stdout\"", line: 3, says: "no name for a sink"),
        Mistake(text: good + "name = \"a\"", line: 2, says: "no type"),
        Mistake(text: good + "name = \"a\"\ntype = \"kafka\"", line: 4, says: "no value of \"type\""),
        Mistake(text: good + "name = \"a\"\ntype = \"stdout\"\naddres = \"x:1\"", line: 5, says: "unknown key"),
        Mistake(text: good + "name = \"a\"\ntype = \"stdout\"\naddress = \"x:1\"", line: 5, says: "has no \"address\""),
        Mistake(
            text: good + "name = \"a\"\ntype = \"postgresql\"\nconnection = \"host=x\"\nformat = \"ocsf\"", line: 6,
            says: "has no \"format\""),
        Mistake(text: good + "name = \"a\"\ntype = \"postgresql\"", line: 2, says: "no connection"),
        Mistake(
            text: good + "name = \"a\"\ntype = \"postgresql\"\nconnection = \"host=localhost port=6543\"", line: 5,
            says: "Holdfast's own port"),
        Mistake(
            text: good + "name = \"a\"\ntype = \"postgresql\"\nconnection = \"postgres://u:p@127.0.0.1:6543/x\"",
            line: 5,
            says: "Holdfast's own port"),
        Mistake(
            text: good + "name = \"a\"\ntype = \"postgresql\"\nconnection = \"host=/run/holdfast port=6543\"", line: 5,
            says: "Holdfast's own port"),
        Mistake(
            text: good + "name = \"a\"\ntype = \"postgresql\"\nconnection = \"host=x\"\ntable = \"trail\"", line: 6,
            says: "does not name a table"),
        Mistake(text: good + "name = \"a\"\ntype = \"syslog\"", line: 2, says: "no address"),
        Mistake(text: good + "name = \"a\"\ntype = \"syslog\"\naddress = \"siem\"", line: 5, says: "has no port"),
        Mistake(text: good + "name = \"a\"\ntype = \"syslog\"\naddress = \"siem:0\"", line: 5, says: "no port"),
        Mistake(
            text: good + "name = \"a\"\ntype = \"syslog\"\naddress = \"s:1\"\nca = \"x\"", line: 6,
            says: "of no use without TLS"),
        Mistake(
            text: good + "name = \"a\"\ntype = \"syslog\"\naddress = \"s:1\"\ntls = true\nkey = \"x\"", line: 7,
            says: "without a \"certificate\""),
        Mistake(
            text: good + "name = \"a\"\ntype = \"syslog\"\naddress = \"unix:/dev/log\"\ntls = true", line: 6,
            says: "no TLS"),
        Mistake(
            text: good + "name = \"a\"\ntype = \"syslog\"\naddress = \"s:1\"\nsd_id = \"holdfast\"", line: 6,
            says: "no id of structured data"),
        Mistake(
            text: good + "name = \"a\"\ntype = \"syslog\"\naddress = \"s:1\"\nfacility = \"local8\"", line: 6,
            says: "no value of \"facility\""),
        Mistake(
            text: good + "name = \"a\"\ntype = \"syslog\"\naddress = \"s:1\"\napp_name = \"a b\"", line: 6,
            says: "syslog header"),
        Mistake(text: good + "name = \"a\"\ntype = \"file\"", line: 2, says: "no path"),
        Mistake(
            text: good + "name = \"a\"\ntype = \"file\"\npath = \"var/audit.jsonl\"", line: 5, says: "trail's own file"),
        Mistake(
            text: good + "name = \"a\"\ntype = \"stdout\"\n[[audit.sink]]\nname = \"A\"\ntype = \"file\"\npath = \"x\"",
            line: 6, says: "two sinks are called"),
        Mistake(
            text: good + "name = \"a\"\ntype = \"stdout\"\n[[audit.sink]]\nname = \"b\"\ntype = \"stdout\"", line: 7,
            says: "two sinks write to standard output"),
    ]

    @Test(arguments: mistakes) func `with a mistake is refused`(_ mistake: Mistake) throws { try mistake.isNamed() }

    @Test func `to another port of this machine passes`() throws {
        for connection in ["host=localhost port=5432", "postgresql://localhost/x", "service=audit", ""] {
            let text = Self.good + "name = \"a\"\ntype = \"postgresql\"\nconnection = \"\(connection)\""
            if connection.isEmpty {
                #expect(throws: ConfigurationError.self) { try Self.read(text) }
            } else {
                #expect(try Self.read(text).count == 1, "\(connection)")
            }
        }
    }
}
