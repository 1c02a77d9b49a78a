import Audit
import Foundation

/// Writes a trail as Holdfast would in months of work: sealed, closed, compressed, indexed. For Benchmarks/trail-search.
///
///     holdfast-trailmaker FOLDER RECORDS     FOLDER/audit.jsonl and its closed files, of about so many records
@main
enum TrailMaker {
    static func main() throws {
        guard CommandLine.arguments.count == 3, let wanted = Int(CommandLine.arguments[2]), wanted > 0 else {
            say("usage: holdfast-trailmaker FOLDER RECORDS")
            exit(64)
        }
        let path = CommandLine.arguments[1] + "/audit.jsonl"
        var story = Story()
        let writer = try AuditWriter(
            path: path, durability: .write, chain: AuditChainSettings(beside: path),
            warn: { say($0) })
        var written = 0
        while written < wanted {
            var batch: [AuditRecord] = []
            while batch.count < 2000 { batch += story.statement() }
            written += batch.count
            // One batch at a time waits: the queue is bounded.
            let isWritten = DispatchSemaphore(value: 0)
            writer.append(batch) { result in
                if case .failure(let fault) = result {
                    say(fault.description)
                    exit(1)
                }
                isWritten.signal()
            }
            isWritten.wait()
        }
        writer.close()
        print("\(written) records, \(story.sessionNumber) sessions")
    }

    private static func say(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
}

/// The same numbers in every run (SplitMix64).
struct Dice {
    var state: UInt64 = 1
    mutating func roll(_ sides: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((value ^ (value >> 31)) % UInt64(sides))
    }
}

struct Kind {
    var command: String
    var classes: [String]
    var sql: @Sendable (String) -> String
}

let kinds = [
    Kind(command: "CREATE TABLE", classes: ["create"]) {
        "CREATE TABLE \($0) (id bigint PRIMARY KEY, note text, made timestamptz DEFAULT now())"
    },
    Kind(command: "ALTER TABLE", classes: ["alter"]) { "ALTER TABLE \($0) ADD COLUMN extra jsonb DEFAULT '{}'" },
    Kind(command: "CREATE INDEX", classes: ["create"]) { "CREATE INDEX CONCURRENTLY ON \($0) (made, note)" },
    Kind(command: "COMMENT", classes: ["comment"]) { "COMMENT ON TABLE \($0) IS 'what the billing job needs'" },
    Kind(command: "DROP INDEX", classes: ["drop_index"]) { "DROP INDEX \($0)_made_note_idx" },
    Kind(command: "GRANT", classes: ["grant"]) { "GRANT SELECT, INSERT ON \($0) TO reporting" },
]

/// Who did what, when: the same in every run.
struct Story {
    private var dice = Dice()
    private var time: Int64 = 1_760_000_000_000_000_000
    private(set) var sessionNumber = 0
    private var session = AuditRecord.SessionIdentity.nobody
    private var left = 0
    private var statementNumber = 0

    /// A statement with its outcome, or a refusal.
    mutating func statement() -> [AuditRecord] {
        if left == 0 {
            sessionNumber += 1
            statementNumber = 0
            left = 1 + dice.roll(40)
            let user = dice.roll(50)
            session = AuditRecord.SessionIdentity(
                session: String(UInt64(sessionNumber) &* 0x9E37_79B9_7F4A_7C15, radix: 16),
                client: "10.\(dice.roll(4)).\(dice.roll(250)).\(dice.roll(250)):\(40_000 + dice.roll(20_000))",
                user: "service_\(user)", database: "shop_\(user % 20)", applicationName: "deployer \(user % 7)",
                tag: user % 3 == 0 ? "production" : "test", backendProcessID: Int32(1000 + dice.roll(30_000)))
        }
        left -= 1
        statementNumber += 1
        time += Int64(200_000_000 + dice.roll(1_000_000_000))
        let id = "\(session.session)-\(statementNumber)"
        let table = "public.table_\(dice.roll(20_000))"
        if dice.roll(2000) == 0 {
            return [
                AuditRecord(
                    event: .refusal, time: time, id: id, session: session,
                    statement: AuditRecord.Statement(
                        command: "DROP TABLE", sql: "DROP TABLE \(table)", classes: ["drop_table"],
                        objects: [AuditRecord.Object(kind: "table", name: table)], verdict: "block",
                        rule: "keep tables", remarks: []))
            ]
        }
        let kind = kinds[dice.roll(kinds.count)]
        let intent = AuditRecord(
            event: .intent, time: time, id: id, session: session,
            statement: AuditRecord.Statement(
                command: kind.command, sql: kind.sql(table), classes: kind.classes,
                objects: [AuditRecord.Object(kind: "table", name: table)], verdict: "allow", rule: nil, remarks: []))
        let failed = dice.roll(5000) == 0
        let outcome = AuditRecord(
            event: .outcome, time: time + 3_000_000, id: id, session: session,
            outcome: AuditRecord.Outcome(
                commandTag: failed ? nil : kind.command, sqlState: failed ? "42P01" : nil,
                message: failed ? "relation \"\(table)\" does not exist" : nil, rows: nil,
                durationMicroseconds: Int64(300 + dice.roll(5000)), transaction: failed ? .rolledBack : .committed))
        return [intent, outcome]
    }
}
