import Testing

@testable import Configuration

@Suite struct `The difference of two configurations` {
    struct Case: CustomTestStringConvertible {
        var testDescription: String
        var old = ""
        var new = ""
        /// `key: old -> new`, with `-` for nothing.
        var changes: [String]
    }

    static let cases = [
        Case(testDescription: "nothing", old: "loops = 1", new: "# a comment\nloops   =  1\n", changes: []),
        Case(testDescription: "a value", old: "loops = 1", new: "loops = 2", changes: ["loops: 1 -> 2"]),
        Case(
            testDescription: "a key that comes, one that goes", old: "[audit]\nfile = \"a\"",
            new: "[audit]\ndurability = \"write\"",
            changes: ["audit.durability: - -> \"write\"", "audit.file: \"a\" -> -"]),
        Case(
            testDescription: "a rule by its name, wherever it stands",
            old: "[[rule]]\nname = \"keep\"\naction = \"block\"\nclasses = [\"drop_table\"]",
            new: "[[rule]]\nname = \"keep\"\naction = \"warn\"\nclasses = [\"drop_table\", \"truncate\"]",
            changes: [
                "rule \"keep\".action: \"block\" -> \"warn\"",
                "rule \"keep\".classes: [\"drop_table\"] -> [\"drop_table\", \"truncate\"]",
            ]),
        Case(
            testDescription: "a rule that comes", old: "",
            new: "[[rule]]\nname = \"a b\"\naction = \"allow\"",
            changes: [
                "rule \"a b\": - -> [[rule]]", "rule \"a b\".action: - -> \"allow\"", "rule \"a b\".name: - -> \"a b\"",
            ]),
        Case(
            testDescription: "the order of rules",
            old: "[[rule]]\nname = \"a\"\n[[rule]]\nname = \"b\"",
            new: "[[rule]]\nname = \"b\"\n[[rule]]\nname = \"a\"",
            changes: ["rule order: \"a\", \"b\" -> \"b\", \"a\""]),
        Case(
            testDescription: "blocks without names, by number", old: "[[limit]]\nclients = 5",
            new: "[[limit]]\nclients = 5\n[[limit]]\nclients = 7",
            changes: ["limit 2: - -> [[limit]]", "limit 2.clients: - -> 7"]),
        Case(
            testDescription: "passwords, in keys and in connection strings",
            old: "[catalog]\nconnection = \"host=a password=old\"\npassword = \"x\"",
            new: "[catalog]\nconnection = \"host=b password=new\"\npassword = \"y\"",
            changes: ["catalog.connection: \"host=a password=***\" -> \"host=b password=***\""]),
        Case(testDescription: "what is no TOML", old: "loops = 1", new: "loops = ", changes: ["loops: 1 -> -"]),
    ]

    @Test(arguments: cases) func `is told setting by setting`(_ row: Case) {
        let changes = ConfigurationDifference.changes(from: row.old, to: row.new)
        #expect(changes.map { "\($0.key): \($0.old ?? "-") -> \($0.new ?? "-")" } == row.changes)
    }

    @Test func `of the shipped file with itself is nothing`() {
        #expect(ConfigurationDifference.changes(from: ShippedConfiguration.text, to: ShippedConfiguration.text).isEmpty)
    }
}
