import Configuration
import Policy
import SQLParsing
import Testing

@Suite struct `A database's own mark` {
    private func rules(_ marks: DatabaseMarks) throws -> RuleSet {
        var rules = try ConfigurationReader.read(
            """
            [[tag]]
            name = "test"
            database = "*_test"

            [[rule]]
            name = "keep tables"
            tags = ["production"]
            classes = ["table_loss"]
            action = "block"
            """, file: "proxy.conf", version: 1
        ).rules
        rules.marks = marks
        return rules
    }

    private func subject(_ database: String) -> Subject {
        Subject(database: database, user: "app", applicationName: "", clientAddress: nil, listener: "127.0.0.1:6543")
    }

    @Test func `makes its sessions production and leaves others as they are`() throws {
        let rules = try rules(DatabaseMarks(production: ["shop_test"]))
        let marked = rules.rules(for: subject("shop_test"))
        #expect(marked.tag == "production" && marked.configuredTag == "test" && marked.isGuarded)
        let other = rules.rules(for: subject("other_test"))
        #expect(other.tag == "test" && other.configuredTag == nil && !other.isGuarded)
        #expect(rules.tag(of: subject("shop_test")) == "production")
    }

    @Test func `is no mismatch where proxy.conf says production, too`() throws {
        let marked = try rules(DatabaseMarks(production: ["shop"])).rules(for: subject("shop"))
        #expect(marked.tag == "production" && marked.configuredTag == nil)
    }

    @Test func `that is not known counts as production only where that is wanted`() throws {
        let strict = try rules(DatabaseMarks(others: ["known_test"], unknownIsProduction: true))
        #expect(strict.rules(for: subject("known_test")).tag == "test")
        #expect(strict.rules(for: subject("new_test")).tag == "production")
    }
}
