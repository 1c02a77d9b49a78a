import Testing

@testable import Audit

@Suite struct `Details of a record` {
    private static func statement(_ sql: String) -> AuditRecord.Statement {
        AuditRecord.Statement(
            command: "DO", sql: sql, classes: [], objects: [], verdict: "allow", rule: nil, remarks: [])
    }

    @Test func `come back from a line as they went into it`() throws {
        var full = Self.statement("DELETE FROM t WHERE id = $1")
        full.fingerprint = "0123456789abcdef"
        full.parameters = ["1", nil, "\\x00ff", "a \"b\"\n"]
        full.blastRadius = AuditRecord.BlastRadius(
            objectCount: 3, tableCount: 2, rowCount: 0, byteCount: nil, isCut: true)
        full.excerpt = AuditRecord.Excerpt(byteCount: 9, hash: String(repeating: "a", count: 64), tail: "é")
        let records = [
            AuditRecord(event: .intent, time: 1_000, id: "1", session: .nobody, statement: full),
            AuditRecord(
                event: .outcome, time: 1_000, id: "1", session: .nobody,
                outcome: AuditRecord.Outcome(
                    commandTag: "DROP TABLE", sqlState: nil, message: nil, rows: nil, durationMicroseconds: 5,
                    transaction: .prepared, gid: "g 1")),
            AuditRecord(
                event: .sessionStart, time: 1_000, id: "s", session: .nobody,
                connection: AuditRecord.Connection(listener: "l", server: "s", tlsVersion: "TLSv1.3", since: 2_000)),
            AuditRecord(
                event: .start, time: 1_000, id: "x", session: .nobody,
                service: AuditRecord.Service(version: "1", configurationHash: "h", sessions: "all")),
            AuditRecord(
                event: .reload, time: 1_000, id: "x", session: .nobody,
                service: AuditRecord.Service(
                    version: "1", configurationHash: nil,
                    changes: [.init(key: "a", old: nil, new: "1"), .init(key: "b", old: "2", new: nil)])),
            AuditRecord(
                event: .fault, time: 1_000, id: "x", session: .nobody,
                fault: AuditRecord.Fault(.catalog, isOver: true, text: "again")),
            AuditRecord.recovery(
                AuditRecord.RecoveryStep(
                    action: .statement, watch: "shop", recovery: "1f", step: 2, statement: "CREATE TABLE \"a\" ()",
                    text: "x"),
                database: "shop", user: "root", time: 1_000, id: "y"),
            AuditRecord.recovery(
                AuditRecord.RecoveryStep(
                    action: .begun, watch: "shop", recovery: "1f", step: 0, statement: nil, text: "plan"),
                database: "shop", user: "root", time: 1_000, id: "z"),
        ]
        for record in records { #expect(try AuditDecoder.decode(AuditEncoder.line(record)) == record) }
    }

    @Test func `a text that fits is not cut`() {
        var statement = Self.statement(String(repeating: "x", count: 1024))
        statement.shorten(to: 1024)
        #expect(statement.excerpt == nil && statement.sql.count == 1024)
    }

    @Test(arguments: ["x", "é", "€", "😀", "e\u{301}"]) func `a longer text keeps its ends, whole characters of them`(
        _ character: String
    ) throws {
        let text = "BEGIN" + String(repeating: character, count: 2000) + "END"
        for limit in 1024..<1040 {
            var statement = Self.statement(text)
            statement.shorten(to: limit)
            let excerpt = try #require(statement.excerpt)
            #expect(text.unicodeScalars.starts(with: statement.sql.unicodeScalars))
            #expect(text.utf8.reversed().starts(with: excerpt.tail.utf8.reversed()))
            #expect(!statement.sql.contains("\u{FFFD}") && !excerpt.tail.contains("\u{FFFD}"))
            let kept = statement.sql.utf8.count + excerpt.tail.utf8.count
            #expect(kept <= limit && kept > limit - 8)
            #expect(excerpt.byteCount == text.utf8.count && excerpt.hash == AuditDigest.sha256(text))
        }
    }

    @Test func `a prepared transaction is remembered until it is decided, and carried over a restart`() {
        let prepared = PreparedTransactions()
        func record(_ event: AuditRecord.Event, _ end: AuditRecord.TransactionEnd, gid: String?) -> AuditRecord {
            var session = AuditRecord.SessionIdentity.nobody
            session.database = "shop"
            return AuditRecord(
                event: event, time: 0, id: "1", session: session,
                outcome: AuditRecord.Outcome(
                    commandTag: nil, sqlState: nil, message: nil, rows: nil, durationMicroseconds: nil,
                    transaction: end, gid: gid))
        }
        prepared.note(record(.outcome, .committed, gid: nil))
        prepared.note(record(.outcome, .prepared, gid: "a"))
        prepared.note(record(.outcome, .prepared, gid: "b"))
        prepared.note(record(.transactionEnd, .committed, gid: "b"))
        #expect(prepared.all == ["shop/a"])
        #expect(!prepared.remove(PreparedTransactions.key(database: "other", gid: "a")))
        #expect(prepared.remove(PreparedTransactions.key(database: "shop", gid: "a")))
        #expect(prepared.all.isEmpty)
    }
}
