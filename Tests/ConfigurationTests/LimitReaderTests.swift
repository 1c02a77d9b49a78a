import Foundation
import Policy
import Testing

@testable import Configuration

@Suite struct `Limits in proxy.conf` {
    private func read(_ text: String) throws -> LimitSettings {
        try ConfigurationReader.read(text, file: "proxy.conf", version: 1).limits
    }

    @Test func `are read as they are written`() throws {
        let limits = try read(
            """
            [limits]
            max_logins = 300
            connect_rate = "600/m"
            connect_burst = 50
            session_memory = "1GB"

            [[tag]]
            name = "test"
            database = "*_test"

            [[limit]]
            name = "reports"
            tags = ["production"]
            users = ["report_*", "bi"]
            databases = "shop"
            clients = 20
            each = "user"
            idle_timeout = "10m"
            idle_in_transaction_timeout = "500ms"
            query_timeout = "off"

            [[limit]]
            name = "all"
            query_timeout = "1h"
            """)
        #expect(limits.maximumLogins == 300)
        #expect(limits.connectRate == ConnectRate(interval: 100_000_000, burst: 50))
        #expect(limits.sessionMemory == 1 << 30)
        #expect(
            limits.blocks == [
                SessionLimit(
                    name: "reports", tags: [Glob("production")], users: [Glob("report_*"), Glob("bi")],
                    databases: [Glob("shop")], maximumClients: 20, each: .user, idleTimeout: 600_000_000_000,
                    idleInTransactionTimeout: 500_000_000, queryTimeout: 0),
                SessionLimit(name: "all", queryTimeout: 3_600_000_000_000),
            ])
    }

    @Test func `limit nothing but memory where none are given`() throws {
        let limits = try read("")
        #expect(limits == LimitSettings(maximumLogins: 0, connectRate: nil, sessionMemory: 256 << 20, blocks: []))
        #expect(try read("[limits]\nconnect_rate = \"off\"").connectRate == nil)
        #expect(try read("max_statement = \"512MB\"").sessionMemory == 2 << 30, "the longest statement has room")
    }

    @Test func `take a burst from the rate where none is given`() throws {
        #expect(
            try read("[limits]\nconnect_rate = \"50/s\"").connectRate == ConnectRate(interval: 20_000_000, burst: 50))
    }

    @Test func `of several blocks that match, the first that gives a timeout decides`() throws {
        let blocks = try read(
            """
            [[limit]]
            name = "dba"
            users = ["dba"]
            query_timeout = "off"
            [[limit]]
            name = "all"
            query_timeout = "30s"
            idle_timeout = "1h"
            """
        ).blocks
        let hour: Int64 = 3_600_000_000_000
        #expect(
            blocks.timeouts(tag: "production", user: "dba", database: "d") == SessionTimeouts(idle: hour, query: 0))
        #expect(
            blocks.timeouts(tag: "production", user: "app", database: "d")
                == SessionTimeouts(idle: hour, query: 30_000_000_000))
    }

    struct FaultRow: CustomTestStringConvertible {
        var text: String
        var message: String
        var testDescription: String { message }
    }

    @Test(arguments: [
        FaultRow(text: "[limits]\nmax_logins = -1", message: "proxy.conf:2:14: error: max_logins = -1 is out of range"),
        FaultRow(text: "[limits]\nconnect_rate = \"50\"", message: "proxy.conf:2:16: error: \"50\" is no rate"),
        FaultRow(text: "[limits]\nconnect_rate = \"0/s\"", message: "\"0/s\" is no rate"),
        FaultRow(text: "[limits]\nconnect_burst = 5", message: "\"connect_burst\" is given without a connect_rate"),
        FaultRow(
            text: "[limits]\nsession_memory = \"32MB\"",
            message:
                "proxy.conf:2:18: error: session_memory is less than a statement of max_statement needs: write at least four"
        ),
        FaultRow(text: "[limits]\nmax_login = 1", message: "unknown key \"max_login\": did you mean \"max_logins\"?"),
        FaultRow(text: "[[limit]]\nclients = 1", message: "proxy.conf:1:1: error: a [[limit]] block has no name"),
        FaultRow(text: "[[limit]]\nname = \"\"\nclients = 1", message: "\"\" is no name for a limit"),
        FaultRow(text: "[[limit]]\nname = \"a\"", message: "a [[limit]] block limits nothing"),
        FaultRow(
            text: "[[limit]]\nname = \"a\"\nidle_timeout = \"1s\"\neach = \"user\"",
            message: "\"each\" says what clients are counted by, and no number is given"),
        FaultRow(
            text: "[[limit]]\nname = \"a\"\nclients = 1\neach = \"users\"",
            message: "\"users\" is no value of \"each\": did you mean \"user\"?"),
        FaultRow(
            text: "[[limit]]\nname = \"a\"\nclients = 1\n[[limit]]\nname = \"a\"\nclients = 2",
            message: "two limits are called \"a\""),
        FaultRow(
            text: "[[limit]]\nname = \"a\"\nquery_timeout = \"1ms\"", message: "query_timeout = \"1ms\" is out of range"
        ),
        FaultRow(text: "[[limit]]\nname = \"a\"\nquery_timeout = 5", message: "\"query_timeout\" is no duration"),
    ])
    func `are errors with place and remedy where they are wrong`(row: FaultRow) {
        let error = #expect(throws: ConfigurationError.self) { try read(row.text) }
        #expect(error?.description.contains(row.message) == true, "\(error?.description ?? "")")
    }

    @Test func `warn of a tag that no block gives`() throws {
        let configuration = try ConfigurationReader.read(
            "[[limit]]\nname = \"a\"\ntags = [\"prodution\"]\nclients = 1", file: "proxy.conf", version: 1)
        #expect(configuration.warnings.contains { $0.description.contains("did you mean \"production\"?") })
    }
}
