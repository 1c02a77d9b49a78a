import Foundation
import Testing

@testable import Configuration

/// A text of proxy.conf, and what is wrong in it: the place, and pieces of the message.
struct FaultRow: CustomTestStringConvertible {
    var name: String
    var text: String
    /// `line:column: pieces…`, one for each issue, in order.
    var issues: [(place: String, pieces: [String])]

    init(_ name: String, _ text: String, _ issues: (place: String, pieces: [String])...) {
        self.name = name
        self.text = text
        self.issues = issues
    }

    var testDescription: String { name }
}

private let tables = """
    [[rule]]
    name = "keep tables"
    classes = ["table_loss"]
    action = "block"

    """

@Suite struct `An invalid proxy.conf` {
    static let rows: [FaultRow] = [
        // The file as a whole.
        FaultRow(
            "no TOML", "listen = [\"a:1\"\nserver = 1", ("2:1:", ["error", "not valid TOML", ", or ] is expected"])),
        FaultRow("an unquoted text", "server = localhost", ("1:10:", ["not valid TOML", "double quotes"])),
        FaultRow("a key twice", "loops = 1\nloops = 2", ("2:9:", ["not valid TOML"])),
        FaultRow("no name in brackets", "[=]", ("1:2:", ["not valid TOML", "a key is expected"])),
        FaultRow("an unquoted key outside ASCII", "größe = 1", ("1:3:", ["not valid TOML"])),
        FaultRow("a NUL", "loops = 1\n# \0 hidden\nserver = \"x\"", ("2:3:", ["NUL"])),
        FaultRow("an escaped NUL", "server = \"embedded\\u0000x\"", ("1:19:", ["NUL"])),
        // Keys.
        FaultRow(
            "a misspelt key", "# c\nlistne = [\"127.0.0.1:1\"]", ("2:1:", ["\"listne\"", "did you mean \"listen\"?"])),
        FaultRow("a strange key", "  zzz = 1", ("1:3:", ["unknown key \"zzz\"", "possible are listen"])),
        FaultRow("a quoted key", "'odd key' = 1", ("1:1:", ["unknown key \"odd key\""])),
        FaultRow("a misspelt table", "[audti]\nfile = \"x\"", ("1:1:", ["\"audti\"", "\"audit\""])),
        FaultRow("a misspelt key in a table", "[audit]\n  fiel = \"x\"", ("2:3:", ["\"fiel\"", "\"file\""])),
        FaultRow("a dotted key", "log.levle = \"info\"", ("1:1:", ["\"levle\"", "\"level\""])),
        FaultRow("an inline table", "embedded = { data = \"x\", usr = \"y\" }", ("1:26:", ["\"usr\"", "\"user\""])),
        FaultRow("a list of tables for a table", "[[audit]]\nfile = \"x\"", ("1:1:", ["[audit]", "single brackets"])),
        FaultRow("a table for a list of tables", "[tag]\nname = \"x\"", ("1:1:", ["[[tag]]"])),
        FaultRow("a value for a table", "log = \"info\"", ("1:7:", ["a text", "[log]"])),
        FaultRow(
            "a misspelt key of the guard", "[guard]\nwacht = \"1s\"",
            ("2:1:", ["\"wacht\"", "connection, databases, watch"])),
        FaultRow(
            "databases without a connection", "[guard]\ndatabases = [\"shop\"]",
            ("2:13:", ["no connection", "connection = "])),
        FaultRow(
            "a database without a name", "[guard]\nconnection = \"host=x\"\ndatabases = [\"\"]", ("3:14:", ["empty"])),
        FaultRow("a watch out of range", "[guard]\nwatch = \"1ms\"", ("2:9:", ["out of range", "100ms"])),
        // Numbers, durations, sizes, words.
        FaultRow("a text for a number", "loops = \"2\"", ("1:9:", ["a text", "whole number", "loops = 0"])),
        FaultRow("a fraction", "loops = 1.5", ("1:9:", ["whole number"])),
        FaultRow("a number out of range", "max_clients = 0", ("1:15:", ["out of range", "from 1 to 1000000"])),
        FaultRow("a huge number", "max_clients = 9223372036854775807", ("1:15:", ["out of range"])),
        FaultRow(
            "a duration without unit", "drain_timeout = 30", ("1:17:", ["no duration", "drain_timeout = \"30s\""])),
        FaultRow(
            "a duration with a strange unit", "drain_timeout = \"3d\"", ("1:17:", ["no duration", "(ms, s, m, h)"])),
        FaultRow("a duration out of range", "connect_timeout = \"1h\"", ("1:19:", ["out of range", "100ms", "10m"])),
        FaultRow("a duration past counting", "drain_timeout = \"9999999999999999h\"", ("1:17:", ["no duration"])),
        FaultRow("a negative duration", "drain_timeout = \"-1s\"", ("1:17:", ["no duration"])),
        FaultRow("no size", "max_statement = \"many\"", ("1:17:", ["no size", "max_statement = \"16MB\""])),
        FaultRow("a size out of range", "max_statement = \"1GB\"", ("1:17:", ["out of range", "64kB", "1023MB"])),
        FaultRow("a misspelt level", "[log]\nlevel = \"wraning\"", ("2:9:", ["\"wraning\"", "\"warning\""])),
        FaultRow("a strange durability", "[audit]\ndurability = \"maybe\"", ("2:14:", ["fsync, write"])),
        FaultRow("an empty path", "[audit]\nfile = \"\"", ("2:8:", ["empty", "var/audit.jsonl"])),
        FaultRow("a path with ~", "[embedded]\ndata = \"~/pg\"", ("2:8:", ["\"~\" is not expanded"])),
        // Addresses.
        FaultRow("a port alone", "listen = [\"6543\"]", ("1:11:", ["no host", "127.0.0.1:6543"])),
        FaultRow("a host alone", "server = \"db.example\"", ("1:10:", ["no port", "db.example:5432"])),
        FaultRow("almost embedded", "server = \"embeded\"", ("1:10:", ["did you mean \"embedded\"?"])),
        FaultRow("a star for a host", "listen = [\"*:6543\"]", ("1:11:", ["0.0.0.0:6543", "[::]:6543"])),
        FaultRow("a port out of range", "listen = [\"localhost:65536\"]", ("1:11:", ["\"65536\" is no port"])),
        FaultRow("port 0 of a server", "server = \"localhost:0\"", ("1:10:", ["port 0"])),
        FaultRow("a bare IPv6 address", "listen = [\"::1:6543\"]", ("1:11:", ["square brackets"])),
        FaultRow("a bad IPv4 address", "listen = [\"127.0.0.256:1\"]", ("1:11:", ["no IPv4 address"])),
        FaultRow("a path without unix:", "server = \"/run/pg\"", ("1:10:", ["unix:/run/pg"])),
        FaultRow(
            "a path too long", "listen = [\"unix:/\(String(repeating: "x", count: 107))\"]", ("1:11:", ["at most 107"])),
        FaultRow("an address twice", "listen = [\"a:1\",\n  \"a:1\"]", ("2:3:", ["twice"])),
        FaultRow("no listener", "listen = []", ("1:10:", ["empty"])),
        FaultRow("a number as listener", "listen = [\"a:1\", 7]", ("1:18:", ["a number", "listen = ["])),
        // Tags.
        FaultRow("a tag without name", "[[tag]]\ndatabase = [\"x\"]", ("1:1:", ["no name"])),
        FaultRow(
            "a tag with a bad name", "[[tag]]\nname = \"a b\"\ndatabase = [\"x\"]", ("2:8:", ["no name for a tag"])),
        FaultRow(
            "a tag without condition", "[[tag]]\nname = \"test\"", ("1:1:", ["no condition", "database = [\"*\"]"])),
        FaultRow(
            "a tag with an empty condition", "[[tag]]\nname = \"test\"\ndatabase = []", ("3:12:", ["match nothing"])),
        FaultRow(
            "a tag by application name alone", "[[tag]]\nname = \"test\"\napplication_name = [\"pytest\"]",
            ("3:1:", ["application_name alone", "database, user, client or listener", "trust_application_name = true"])),
        FaultRow(
            "a tag by application name and void conditions",
            "[[tag]]\nname = \"t\"\napplication_name = [\"x\"]\ndatabase = [\"*\"]\nclient = [\"0.0.0.0/0\", \"::/0\"]",
            ("3:1:", ["application_name alone"])),
        FaultRow(
            "an address range with stray bits", "[[tag]]\nname = \"t\"\nclient = [\"10.1.0.0/8\"]",
            ("3:11:", ["10.1.0.0/8", "write \"10.0.0.0/8\""])),
        FaultRow("a prefix too long", "[[tag]]\nname = \"t\"\nclient = [\"10.0.0.0/33\"]", ("3:11:", ["0 to 32"])),
        FaultRow(
            "a client's name", "[[tag]]\nname = \"t\"\nclient = [\"laptop\"]", ("3:11:", ["10.0.0.0/8", "local"])),
        FaultRow(
            "a listener that is none", "[[tag]]\nname = \"t\"\nlistener = [\"127.0.0.1:1\"]",
            ("3:13:", ["no listener", "127.0.0.1:6543"])),
        FaultRow(
            "a key in the second block",
            "[[tag]]\nname = \"a\"\nuser = [\"x\"]\n\n[[tag]]\nname = \"b\"\nusers = [\"y\"]",
            ("5:1:", ["no condition"]), ("7:1:", ["\"users\"", "\"user\""])),
        // Rules.
        FaultRow(
            "an empty rule", "[[rule]]", ("1:1:", ["no name"]), ("1:1:", ["no action"]), ("1:1:", ["no classes"])),
        FaultRow(
            "a misspelt class", "[[rule]]\nname = \"r\"\naction = \"block\"\nclasses = [\"truncate\", \"drop_tabel\"]",
            ("4:24:", ["\"drop_tabel\"", "did you mean \"drop_table\"?"])),
        FaultRow(
            "a misspelt group", "[[rule]]\nname = \"r\"\naction = \"block\"\nclasses = \"tableloss\"",
            ("4:11:", ["did you mean \"table_loss\"?"])),
        FaultRow(
            "a strange class", "[[rule]]\nname = \"r\"\naction = \"block\"\nclasses = [\"everything\"]",
            ("4:12:", ["groups are table_loss, data_loss"])),
        FaultRow(
            "a strange action", "[[rule]]\nname = \"r\"\naction = \"deny\"\nclasses = [\"any\"]",
            ("3:10:", ["\"deny\"", "block, warn, allow"])),
        FaultRow(
            "a rule's name twice", tables + tables, ("6:8:", ["two rules are called \"keep tables\""])),
        FaultRow(
            "a name of our own", "[[rule]]\nname = \"holdfast: x\"\naction = \"block\"\nclasses = [\"any\"]",
            ("2:8:", ["Holdfast's own"])),
        FaultRow(
            "a name of two lines", "[[rule]]\nname = \"a\\nb\"\naction = \"block\"\nclasses = [\"any\"]",
            ("2:8:", ["\"a?b\" is no name"])),
        FaultRow("a strange kind", tables + "objects = [\"tabel:users\"]", ("5:12:", ["\"tabel\"", "\"table\""])),
        FaultRow("an empty pattern", tables + "objects = [\"\"]", ("5:12:", ["no object pattern"])),
        FaultRow("a pattern with a hole", tables + "objects = [\"public..a\"]", ("5:12:", ["public.users"])),
        FaultRow("a pattern too deep", tables + "objects = [\"a.b.c.d\"]", ("5:12:", ["schema.table.column"])),
        FaultRow(
            "a misspelt exception", tables + "except = { user = [\"dba\"] }", ("5:12:", ["\"user\"", "\"users\""])),
        FaultRow(
            "a hint too long", tables + "hint = \"\(String(repeating: "x", count: 1001))\"", ("5:8:", ["1001 bytes"])),
        FaultRow(
            "a strange class to record", "[audit]\nrecord = [\"dll\"]", ("2:11:", ["did you mean \"ddl\"?"])),
        FaultRow(
            "characters before the place", "log = { level = \"é\", unknown = 1 }", ("1:17:", ["no value"]),
            ("1:22:", ["unknown key"])),
    ]

    @Test(arguments: rows)
    func `is refused with the place and the remedy`(row: FaultRow) throws {
        do {
            _ = try ConfigurationReader.read(row.text, file: "some.conf", version: 1)
            Issue.record("accepted")
        } catch {
            let errors = error.issues.filter { $0.severity == .error }
            #expect(errors.count == row.issues.count, "\(error)")
            for (issue, expected) in zip(errors, row.issues) {
                let line = issue.description
                #expect(line.hasPrefix("some.conf:" + expected.place), "\(line)")
                for piece in expected.pieces { #expect(line.contains(piece), "\(line)") }
            }
        }
    }

    @Test func `shows all its faults at once, in the order of the file`() {
        let text = """
            listne = 1
            loops = "x"
            [[rule]]
            name = "r"
            action = "blokc"
            classes = ["drop_tabel"]
            [log]
            level = 3
            """
        #expect(throws: ConfigurationError.self) { try ConfigurationReader.read(text, file: "f", version: 1) }
        do {
            _ = try ConfigurationReader.read(text, file: "f", version: 1)
        } catch {
            let places = error.issues.map { "\($0.position.line):\($0.position.column)" }
            #expect(places.filter { $0 != "1:1" } == ["2:9", "5:10", "6:12", "8:9"])
            #expect(places.contains("1:1"))
        }
    }

    @Test func `in random pieces never stops the reader`() {
        let pieces = [
            "[", "]", "[[", "]]", "{", "}", "=", ".", ",", "\"", "'", "\"\"\"", "'''", "#", "\n", "\r\n", " ", "\\",
            "tag", "rule", "name", "classes", "listen", "1", "-", "true", "1979-05-27", "\\u0000", "é", "\u{FEFF}", "*",
        ]
        var random = Random()
        for _ in 0..<fuzzRounds {
            var text = ""
            for _ in 0..<12 { text += pieces[random.next(below: pieces.count)] }
            _ = try? ConfigurationReader.read(text, file: "f", version: 1)
            _ = TOMLPositions(of: text)
        }
    }

    @Test func `that is the shipped file with some bytes changed never stops the reader`() {
        let shipped = Array(ShippedConfiguration.text.utf8.filter { $0 < 0x80 })
        let interesting = Array("[]{}=.,\"'#\n\\ a1-:*".utf8)
        var random = Random()
        for _ in 0..<fuzzRounds / 100 {
            var bytes = shipped
            for _ in 0..<4 {
                bytes[random.next(below: bytes.count)] = interesting[random.next(below: interesting.count)]
            }
            _ = try? ConfigurationReader.read(String(decoding: bytes, as: UTF8.self), file: "f", version: 1)
        }
    }
}

/// How long random texts are tried; more with HOLDFAST_FUZZ_ROUNDS.
private let fuzzRounds = ProcessInfo.processInfo.environment["HOLDFAST_FUZZ_ROUNDS"].flatMap { Int($0) } ?? 20_000

/// The same numbers on every run, unless HOLDFAST_FUZZ_SEED says otherwise.
private struct Random {
    private var state =
        ProcessInfo.processInfo.environment["HOLDFAST_FUZZ_SEED"].flatMap { UInt64($0) } ?? 42

    mutating func next(below bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33) % bound
    }
}
