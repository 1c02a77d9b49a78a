import Foundation
import Synchronization
import Testing

@testable import Audit

/// A folder of the test's own, removed with it.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        var template = Array((NSTemporaryDirectory() + "/holdfast-audit-XXXXXX").utf8CString)
        let made = try #require(mkdtemp(&template))
        path = String(cString: made)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { path + "/" + name }
}

enum Sample {
    static let session = AuditRecord.SessionIdentity(
        session: "s1", client: "127.0.0.1:40000", user: "alice", database: "shop", applicationName: "psql",
        tag: "production")

    static func intent(_ id: String, sql: String = "DROP TABLE orders", time: Int64 = 1_700_000_000_000_000_000)
        -> AuditRecord
    {
        AuditRecord(
            event: .intent, time: time, id: id, session: session,
            statement: AuditRecord.Statement(
                command: "DROP TABLE", sql: sql, classes: ["drop_table"],
                objects: [AuditRecord.Object(kind: "table", name: "public.orders")], verdict: "allow", rule: nil,
                remarks: []))
    }

    static func outcome(_ id: String, time: Int64 = 1_700_000_000_001_000_000) -> AuditRecord {
        AuditRecord(
            event: .outcome, time: time, id: id, session: session,
            outcome: AuditRecord.Outcome(
                commandTag: "DROP TABLE", sqlState: nil, message: nil, rows: nil, durationMicroseconds: 1500,
                transaction: .committed))
    }
}

extension AuditWriter {
    /// Appends and waits for the completion.
    func commit(_ records: [AuditRecord], durability: AuditDurability? = nil) async -> Result<Void, AuditFault> {
        await withCheckedContinuation { continuation in
            append(records, durability: durability) { continuation.resume(returning: $0) }
        }
    }
}

/// The records of a file, and the numbers of the lines that are none.
func contents(of path: String) throws -> (records: [AuditRecord], torn: [Int]) {
    var records: [AuditRecord] = []
    var torn: [Int] = []
    let text = String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() where !line.isEmpty
    {
        do { records.append(try AuditDecoder.decode(String(line))) } catch { torn.append(index + 1) }
    }
    return (records, torn)
}

/// Values that another thread hands over one by one.
final class Inbox<Value: Sendable>: Sendable {
    private let continuation: AsyncStream<Value>.Continuation
    let values: AsyncStream<Value>

    init() { (values, continuation) = AsyncStream.makeStream() }

    func post(_ value: Value) { continuation.yield(value) }

    func next() async -> Value? { await values.first { _ in true } }
}

/// Runs a program and tells whether it ended well.
func run(_ program: String, _ arguments: [String]) -> Bool {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.standardError = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return false }
    process.waitUntilExit()
    return process.terminationStatus == 0
}
