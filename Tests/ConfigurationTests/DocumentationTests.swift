import Foundation
import Policy
import SQLParsing
import Testing

@testable import Configuration

@Suite struct `docs/configuration.md` {
    private static let text = try? String(
        contentsOf: URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("docs/configuration.md"), encoding: .utf8)

    @Test func `has a row for every class`() throws {
        let text = try #require(Self.text)
        for name in StatementClass.allCases.map(\.name) { #expect(text.contains("| `\(name)` |"), "\(name)") }
    }

    @Test func `has a row for every group, with exactly its classes`() throws {
        let text = try #require(Self.text)
        for group in ClassGroup.allCases where group != .any {
            let row = "| `\(group.rawValue)` | \(group.classes.names.map { "`\($0)`" }.joined(separator: " ")) |"
            #expect(text.contains(row), "\(row)")
        }
    }

    @Test func `names every kind of object`() throws {
        let text = try #require(Self.text)
        for kind in ObjectKind.allCases { #expect(text.contains("`\(kind.rawValue)`"), "\(kind.rawValue)") }
    }

    @Test func `names every key`() throws {
        let text = try #require(Self.text)
        for key in TagReader.keys + RuleReader.keys + LimitReader.sectionKeys + LimitReader.keys
            + AuditSinkReader.keys + AuthenticationReader.keys + TransportReader.proxyKeys + TransportReader.tcpKeys
            + SnapshotReader.keys
            + WatchReader.keys + WatchReader.checkKeys + WatchReader.watchingKeys + MarkerSettings.keys
            + ["auth", "send_proxy", "selector", "busy_poll", "sessions", "max_text", "parameters"]
        {
            #expect(text.contains("`\(key)`"), "\(key)")
        }
    }
}
