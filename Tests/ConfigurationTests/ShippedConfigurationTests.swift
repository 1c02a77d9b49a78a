import Foundation
import Policy
import SQLParsing
import Testing

@testable import Configuration

@Suite struct `The shipped proxy.conf` {
    private static let file = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("proxy.conf")

    @Test func `is valid and gives no warning`() throws {
        let configuration = try ConfigurationFile.load(path: Self.file.path, version: 7)
        #expect(configuration.warnings.isEmpty)
        #expect(configuration.rules.version == 7)
        #expect(configuration.folder == Self.file.deletingLastPathComponent().path)
    }

    @Test func `is the text that is built into the program`() throws {
        let text = try String(contentsOf: Self.file, encoding: .utf8)
        #expect(ShippedConfiguration.text == text, "copy proxy.conf into ShippedConfiguration.swift")
    }

    @Test func `listens on loopback only, in front of the embedded server`() throws {
        let configuration = try ConfigurationReader.read(ShippedConfiguration.text, file: "proxy.conf", version: 1)
        #expect(configuration.listeners == [.tcp(host: "127.0.0.1", port: 6543)])
        #expect(configuration.upstream.servers == [.embedded])
        #expect(configuration.embedded.dataDirectory == "var/embedded")
        #expect(configuration.audit.path == "var/audit.jsonl")
        #expect(configuration.audit.durability == .fsync)
    }

    @Test func `writes the defaults, so that leaving a key out changes nothing`() throws {
        let shipped = try ConfigurationReader.read(ShippedConfiguration.text, file: "proxy.conf", version: 1)
        let empty = try ConfigurationReader.read("", file: "proxy.conf", version: 1)
        #expect(shipped.listeners == empty.listeners)
        #expect(shipped.upstream == empty.upstream)
        #expect(shipped.embedded == empty.embedded)
        #expect(shipped.loopCount == empty.loopCount)
        #expect(shipped.maximumClients == empty.maximumClients)
        #expect(shipped.drainTimeout == empty.drainTimeout)
        #expect(shipped.connectTimeout == empty.connectTimeout)
        #expect(shipped.loginTimeout == empty.loginTimeout)
        #expect(shipped.maximumStatementBytes == empty.maximumStatementBytes)
        #expect(shipped.log == empty.log)
        #expect(shipped.limits == empty.limits)
        #expect(shipped.proxyProtocol == empty.proxyProtocol)
        #expect(shipped.tcp == empty.tcp)
        #expect(shipped.audit == empty.audit)
        #expect(shipped.guardSettings == empty.guardSettings)
        #expect(shipped.rules.auditedClasses == empty.rules.auditedClasses)
    }

    struct DatabaseRow: CustomTestStringConvertible {
        var database: String
        var tag: String
        var testDescription: String { database }
    }

    @Test(arguments: [
        DatabaseRow(database: "test", tag: "test"), DatabaseRow(database: "test_shop", tag: "test"),
        DatabaseRow(database: "shop_test", tag: "test"), DatabaseRow(database: "shop", tag: "production"),
        DatabaseRow(database: "latest", tag: "production"), DatabaseRow(database: "testing", tag: "production"),
        DatabaseRow(database: "Test", tag: "production"), DatabaseRow(database: "", tag: "production"),
    ])
    func `tags databases by their names`(row: DatabaseRow) throws {
        let configuration = try ConfigurationReader.read(ShippedConfiguration.text, file: "proxy.conf", version: 1)
        let subject = Subject(
            database: row.database, user: "app", applicationName: "test", clientAddress: nil,
            listener: "127.0.0.1:6543")
        #expect(configuration.rules.tag(of: subject) == row.tag)
        #expect(configuration.rules.rules(for: subject).isGuarded == (row.tag == "production"))
    }
}
