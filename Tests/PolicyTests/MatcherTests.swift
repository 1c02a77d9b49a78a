import SQLParsing
import Testing

@testable import Policy

@Suite struct `A glob` {
    struct Row: CustomTestStringConvertible {
        var pattern: String
        var name: String
        var matches: Bool
        init(_ pattern: String, _ name: String, _ matches: Bool) {
            (self.pattern, self.name, self.matches) = (pattern, name, matches)
        }
        var testDescription: String { "\(pattern) ~ \(name)" }
    }

    @Test(arguments: [
        Row("users", "users", true), Row("users", "user", false), Row("users", "users2", false),
        Row("Users", "users", false), Row("", "", true), Row("", "a", false),
        Row("*", "", true), Row("*", "anything", true), Row("**", "x", true),
        Row("*_test", "shop_test", true), Row("*_test", "_test", true), Row("*_test", "test", false),
        Row("*_test", "shop_test_2", false), Row("test_*", "test_", true), Row("test_*", "latest_x", false),
        Row("a*b*c", "abc", true), Row("a*b*c", "aXbXbXc", true), Row("a*b*c", "aXcXb", false),
        Row("a?c", "abc", true), Row("a?c", "ac", false), Row("a?c", "abbc", false), Row("?", "", false),
        Row("?", "é", true), Row("??", "é", false), Row("*?", "é", true), Row("gr?n", "grün", true),
        Row("*é", "caf\u{E9}", true), Row("e\u{301}", "\u{E9}", false),
        Row("*a*a*b", "aaaaab", true), Row("a.c", "abc", false), Row("[a]", "a", false), Row("\\*", "*", false),
    ])
    func `matches whole names`(row: Row) {
        #expect(Glob(row.pattern).matches(row.name) == row.matches)
    }

    @Test func `takes no more than pattern times name steps`() {
        let name = String(repeating: "a", count: 20_000)
        let pattern = String(repeating: "*a", count: 200) + "b"
        let clock = ContinuousClock()
        var isMatch = true
        let duration = clock.measure { isMatch = Glob(pattern).matches(name) }
        #expect(!isMatch)
        #expect(duration < .seconds(20))
    }

    @Test func `knows whether it matches everything`() {
        #expect(Glob("*").matchesEverything)
        #expect(Glob("***").matchesEverything)
        #expect(!Glob("").matchesEverything)
        #expect(!Glob("?*").matchesEverything)
    }
}

@Suite struct `An address range` {
    struct Row: CustomTestStringConvertible {
        var range: String
        var address: String
        var contains: Bool
        init(_ range: String, _ address: String, _ contains: Bool) {
            (self.range, self.address, self.contains) = (range, address, contains)
        }
        var testDescription: String { "\(range) has \(address)" }
    }

    @Test(arguments: [
        Row("10.0.0.0/8", "10.255.1.2", true), Row("10.0.0.0/8", "11.0.0.1", false),
        Row("192.168.1.5", "192.168.1.5", true), Row("192.168.1.5", "192.168.1.6", false),
        Row("0.0.0.0/0", "8.8.8.8", true), Row("0.0.0.0/0", "::1", false), Row("::/0", "8.8.8.8", false),
        Row("172.16.0.0/12", "172.31.255.255", true), Row("172.16.0.0/12", "172.32.0.0", false),
        Row("10.0.0.128/25", "10.0.0.200", true), Row("10.0.0.128/25", "10.0.0.127", false),
        Row("10.0.0.6/31", "10.0.0.7", true), Row("10.0.0.6/31", "10.0.0.8", false),
        Row("fd00::/8", "fd12:3456::1", true), Row("fd00::/8", "fe80::1", false), Row("::1", "::1", true),
        Row("2001:db8::/33", "2001:db8:7fff::1", true), Row("2001:db8::/33", "2001:db8:8000::1", false),
        Row("10.0.0.0/8", "::ffff:10.1.2.3", true), Row("::ffff:10.0.0.0/104", "10.1.2.3", true),
        Row("::ffff:10.0.0.0/104", "11.1.2.3", false),
    ])
    func `contains addresses`(row: Row) throws {
        let address = try #require(NetworkAddress(row.address))
        #expect(try AddressRange(row.range).contains(address) == row.contains)
    }

    @Test(arguments: [
        "", "/", "10.0.0.0/", "10.0.0/8", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/ 8", "10.0.0.0/8/8", "::/129",
        "localhost", "10.1.0.0/8", "::1/64", "fe80::1%eth0", "[::1]", "10.0.0.0/٣", "::ffff:0:0/95", "1.2.3.4\0/8",
        "10.0.0.0/99999999999999999999",
    ])
    func `is refused when it is none`(text: String) {
        #expect(throws: AddressRange.Fault.self) { try AddressRange(text) }
    }

    @Test func `with stray bits says which range was meant`() {
        #expect(throws: AddressRange.Fault.bitsAfterPrefix(meant: "10.1.0.0/16")) { try AddressRange("10.1.2.3/16") }
        #expect(throws: AddressRange.Fault.bitsAfterPrefix(meant: "2001:db8::/32")) {
            try AddressRange("2001:db8::1/32")
        }
    }

    @Test func `never contains a client on a Unix-domain socket, which is called local`() throws {
        #expect(ClientPattern.local.matches(nil))
        #expect(!ClientPattern.range(try AddressRange("0.0.0.0/0")).matches(nil))
        #expect(!ClientPattern.local.matches(NetworkAddress("127.0.0.1")))
    }
}

@Suite struct `An object pattern` {
    struct Row: CustomTestStringConvertible {
        var pattern: String
        var effect: Effect
        /// Whether a block rule's pattern matches, and an allow rule's.
        var couldMatch: Bool
        var asWritten: Bool
        init(_ pattern: String, _ effect: Effect, could: Bool, asWritten: Bool) {
            (self.pattern, self.effect, couldMatch, self.asWritten) = (pattern, effect, could, asWritten)
        }
        var testDescription: String {
            "\(pattern) ~ \(effect.statementClass.name) \(effect.object.map { "\($0.kind) \($0.qualifiedName)" } ?? "-")"
        }
    }

    static func drop(_ schema: String?, _ name: String, _ kind: ObjectKind = .table, part: String? = nil) -> Effect {
        Effect(.dropTable, ObjectName(kind, schema: schema, name: name, part: part))
    }

    @Test(arguments: [
        // The schema is not known.
        Row("users", drop(nil, "users"), could: true, asWritten: true),
        Row("users", drop("public", "users"), could: true, asWritten: false),
        Row("public.users", drop(nil, "users"), could: true, asWritten: false),
        Row("public.users", drop("public", "users"), could: true, asWritten: true),
        Row("public.users", drop("other", "users"), could: false, asWritten: false),
        Row("public.*", drop(nil, "orders"), could: true, asWritten: false),
        Row("*.users", drop(nil, "users"), could: true, asWritten: true),
        Row("*.users", drop("any", "users"), could: true, asWritten: true),
        Row("*", drop("any", "users"), could: true, asWritten: true),
        Row("us*", drop("us", "orders"), could: false, asWritten: false),
        // Dots within names are no separators.
        Row("scratch.*", drop(nil, "scratch.users"), could: true, asWritten: false),
        Row("public.a?b", drop("public", "a.b"), could: true, asWritten: true),
        // Kinds.
        Row("table:public.*", drop("public", "users"), could: true, asWritten: true),
        Row("view:public.*", drop("public", "users"), could: true, asWritten: false),
        Row("table:public.*", drop("public", "v", .view), could: false, asWritten: false),
        Row("function:public.*", drop("public", "users"), could: false, asWritten: false),
        Row("*:users", drop(nil, "users"), could: true, asWritten: true),
        Row(
            "role:app", Effect(.dropRole, ObjectName(.role, name: "app")), could: true, asWritten: true),
        Row("app", Effect(.dropRole, ObjectName(.role, name: "app")), could: true, asWritten: true),
        Row("public.app", Effect(.dropRole, ObjectName(.role, name: "app")), could: false, asWritten: false),
        Row(
            "file:/srv/*.csv", Effect(.serverFile, ObjectName(.file, name: "/srv/a.b.csv")), could: true,
            asWritten: true),
        Row(
            "/srv/a.b/c.d/*.csv", Effect(.serverFile, ObjectName(.file, name: "/srv/a.b/c.d/x.csv")), could: true,
            asWritten: true),
        // Columns.
        Row(
            "public.users", Effect(.dropColumn, ObjectName(.column, schema: "public", name: "users", part: "email")),
            could: true, asWritten: true),
        Row(
            "table:public.users",
            Effect(.dropColumn, ObjectName(.column, schema: "public", name: "users", part: "email")), could: true,
            asWritten: false),
        Row(
            "public.users.email",
            Effect(.dropColumn, ObjectName(.column, schema: "public", name: "users", part: "email")), could: true,
            asWritten: true),
        Row(
            "public.users.email",
            Effect(.dropColumn, ObjectName(.column, schema: "public", name: "users", part: "name")), could: false,
            asWritten: false),
        Row("public.users.email", drop("public", "users"), could: true, asWritten: false),
        // What holds the object.
        Row(
            "public.users", Effect(.dropSchema, ObjectName(.schema, name: "public")), could: true, asWritten: false),
        Row("users", Effect(.dropSchema, ObjectName(.schema, name: "public")), could: true, asWritten: false),
        Row(
            "public.users", Effect(.dropSchema, ObjectName(.schema, name: "other")), could: false, asWritten: false),
        Row("role:app", Effect(.dropSchema, ObjectName(.schema, name: "public")), could: false, asWritten: false),
        Row("public.*", Effect(.create, ObjectName(.schema, name: "public")), could: false, asWritten: false),
        Row(
            "public.users", Effect(.dropDatabase, ObjectName(.database, name: "shop")), could: true,
            asWritten: false),
        Row("role:app", Effect(.dropDatabase, ObjectName(.database, name: "shop")), could: false, asWritten: false),
        // What reaches beyond the object, and what names none.
        Row(
            "public.users", Effect(.cascade, ObjectName(.table, schema: "x", name: "y")), could: true, asWritten: false),
        Row("x.y", Effect(.cascade, ObjectName(.table, schema: "x", name: "y")), could: true, asWritten: true),
        Row("public.users", Effect(.dropOwned, ObjectName(.role, name: "app")), could: true, asWritten: false),
        Row("public.users", Effect(.opaque), could: true, asWritten: false),
        Row("*", Effect(.opaque), could: true, asWritten: false),
        Row("public.users", Effect(.doBlock), could: false, asWritten: false),
    ])
    func `leans to the stricter side in every doubt`(row: Row) throws {
        let pattern = try ObjectPattern(row.pattern)
        #expect(pattern.couldMatch(row.effect) == row.couldMatch)
        #expect(pattern.matchesAsWritten(row.effect) == row.asWritten)
    }

    @Test(arguments: ["", "a.", ".a", "a..b", "a.b.c.d", "tabel:a", "table:", "table:a.", ":a"])
    func `is refused when it is none`(text: String) {
        #expect(throws: ObjectPattern.Fault.self) { try ObjectPattern(text) }
    }
}
