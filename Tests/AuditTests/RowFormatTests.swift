import Foundation
import Testing

@testable import Audit

@Suite struct RowFormatTests {
    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test("a field of CSV is quoted where it must be, and comes back as it was")
    func csv() {
        let fields = ["", "plain", "a,b", "say \"no\"", "two\r\nlines", " blank ", "=1+1", "ü"]
        let expected = ",plain,\"a,b\",\"say \"\"no\"\"\",\"two\r\nlines\",\" blank \",=1+1,ü\r\n"
        #expect(text(RowCSV.line(fields)) == expected)
        var row = AuditRow(record: Sample.intent("a", sql: "DROP TABLE \"x,\"\"y\"\n"))
        row.take(outcome: Sample.outcome("a"), line: [])
        let line = text(RowCSV.line(row))
        #expect(line.hasSuffix(",\"DROP TABLE \"\"x,\"\"\"\"y\"\"\n\"\r\n"))
        #expect(line.contains(",committed,DROP TABLE,"))
        #expect(text(RowCSV.header).split(separator: ",").count == RowCSV.columns.count)
    }

    @Test("on a terminal CSV has nothing that it would obey")
    func csvOnTerminal() {
        let row = AuditRow(record: Sample.intent("a", sql: "DROP TABLE \"\u{1B}[2J\u{202E}\""))
        var writer = RowWriter(.csv, isTerminal: true)
        let shown = text(writer.bytes(row))
        #expect(shown.contains(#"DROP TABLE ""\u{1b}[2J\u{202e}"""#) && !shown.contains("\u{1B}"))
        writer = RowWriter(.csv)
        #expect(text(writer.bytes(row)).contains("\u{1B}[2J"))
    }

    private func row(_ intent: String, _ outcome: String?) -> AuditRow {
        var row = AuditRow(record: Sample.intent("a"), state: .pending)
        row.line = Array(intent.utf8)
        if let outcome { row.take(outcome: Sample.outcome("a"), line: Array(outcome.utf8)) }
        return row
    }

    @Test("a row as JSON has the keys of both lines once, later versions' too, and none that say where it stood")
    func json() throws {
        let intent =
            #"{"v":2,"seq":7,"time":"t1","event":"intent","id":"a","user":"u","sql":"\"x\"","#
            + #""new":{"a":[1,null]},"mac":"00"}"#
        let outcome =
            #"{"v":2,"seq":8,"time":"t2","event":"outcome","id":"a","user":"u","transaction":"committed","#
            + #""newer":true,"mac":"01"}"#
        #expect(
            text(RowJSON.line(row(intent, outcome)))
                == #"{"time":"t1","event":"intent","id":"a","user":"u","sql":"\"x\"","new":{"a":[1,null]},"#
                + #""transaction":"committed","newer":true,"ended":"2023-11-14T22:13:20.001000Z"}"# + "\n")
        #expect(text(RowJSON.line(row(intent, nil))).hasSuffix(#""new":{"a":[1,null]},"state":"pending"}"# + "\n"))
        let real = AuditEncoder.line(Sample.intent("a", sql: "\u{2028}\u{7}\"\\ü"))
        let line = RowJSON.line(row(real, AuditEncoder.line(Sample.outcome("a"))))
        let object = try #require(try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
        #expect(object["sql"] as? String == "\u{2028}\u{7}\"\\ü")
        #expect(object["command_tag"] as? String == "DROP TABLE")
    }

    @Test("the trail's own lines come out as they are, those of the wanted kinds")
    func records() {
        var writer = RowWriter(.records)
        #expect(text(writer.bytes(row("one", "two"))) == "one\ntwo\n")
        writer = RowWriter(.records, events: [.outcome])
        #expect(text(writer.bytes(row("one", "two"))) == "two\n")
        writer = RowWriter(.csv)
        #expect(text(writer.bytes(row("one", nil))).hasPrefix("time,event,"))
        #expect(!text(writer.bytes(row("one", nil))).hasPrefix("time,event,"))
    }
}

@Suite struct TrailReportTests {
    private let hostile = "<b>&\"'|`*_[x](http://y)\u{1B}[2J\n# @x"

    private func statement(_ id: String, _ change: (inout AuditRecord) -> Void = { _ in }, end: AuditRecord.Outcome?)
        -> AuditRow
    {
        var record = Sample.intent(id)
        change(&record)
        return AuditRow(record: record, outcome: end, state: end == nil ? .inDoubt : .complete)
    }

    private func outcome(_ end: AuditRecord.TransactionEnd, sqlState: String? = nil) -> AuditRecord.Outcome {
        AuditRecord.Outcome(
            commandTag: sqlState == nil ? "DROP TABLE" : nil, sqlState: sqlState, message: nil, rows: nil,
            durationMicroseconds: nil, transaction: end)
    }

    private func report() -> TrailReport {
        var report = TrailReport(lossClasses: ["drop_table"])
        report.take(statement("held", end: outcome(.committed)))
        report.take(statement("undone", end: outcome(.rolledBack)))
        report.take(statement("partly undone", end: outcome(.rolledBackToSavepoint)))
        report.take(statement("failed", end: outcome(.rolledBack, sqlState: "42P01")))
        report.take(statement("lost", end: nil))
        report.take(statement("other", { $0.statement?.classes = ["create"] }, end: outcome(.committed)))
        report.take(
            statement(
                "refused",
                {
                    $0.event = .refusal
                    $0.statement?.verdict = "block"
                    $0.statement?.rule = hostile
                    $0.session.user = hostile
                }, end: nil))
        report.take(
            AuditRow(
                record: AuditRecord(
                    event: .gap, time: 1, id: "g", session: .nobody,
                    gap: AuditRecord.Gap(recordCount: 3, reason: "the disk was slow"))))
        for id in ["one", "two"] {
            report.take(AuditRow(record: AuditRecord(event: .start, time: 2, id: id, session: .nobody)))
        }
        return report
    }

    @Test("each statement is counted once where it belongs")
    func counts() {
        let report = report()
        #expect(report.statementCount == 7)
        #expect(report.verdicts.counts == ["allow": 6, "block": 1])
        #expect(report.losses.rows.map(\.record.id) == ["held", "lost"])
        #expect(report.failures.rows.map(\.record.id) == ["failed"])
        #expect(report.unknown.rows.map(\.record.id) == ["lost"])
        #expect(report.refusals.rows.map(\.record.id) == ["refused"])
        #expect(report.rules.counts == [hostile: 1])
        // The gap, and the second start, which no stop came before.
        #expect(report.faults.rows.map(\.record.id) == ["g", "two"])
        #expect(report.endings.counts["failed"] == 1 && report.endings.counts["unknown"] == 1)
    }

    @Test("names of whoever connected stay names, in HTML and in Markdown")
    func escapes() {
        let page = ReportPage.html(report())
        #expect(!page.contains("<b>") && page.contains("&lt;b&gt;&amp;&quot;&#39;"))
        #expect(!page.unicodeScalars.contains { $0.value < 32 && $0 != "\n" })
        let text = ReportMarkdown.text(report())
        #expect(!text.contains("<b>") && !text.contains("[x](") && !text.contains("http:") && !text.contains("\u{1B}"))
        // A line end in a name ends no row of a table.
        let headings = text.split(separator: "\n").filter { $0.hasPrefix("#") }
        #expect(headings.allSatisfy { $0.hasPrefix("# What") || $0.hasPrefix("## ") })
    }

    @Test("bars are hours, days, weeks, and never too many")
    func bars() {
        let hour: Int64 = 3600 * 1_000_000_000
        let rows: [(Int64, String)] = [(1, "hour"), (72, "hour"), (73, "day"), (2880, "day"), (2905, "week")]
        for (hours, unit) in rows {
            var report = TrailReport(lossClasses: [])
            report.take(statement("a", { $0.time = 0 }, end: nil))
            report.take(statement("b", { $0.time = hours * hour }, end: nil))
            #expect(report.bars.unit == unit)
            #expect(report.bars.bars.map(\.total).reduce(0, +) == 2)
        }
        var report = TrailReport(lossClasses: [])
        for time in [Int64.min, 0, Int64.max] { report.take(statement("x", { $0.time = time }, end: nil)) }
        #expect(report.bars.bars.count <= 125)
        #expect(report.bars.bars.map(\.total).reduce(0, +) == 3)
        #expect(ReportPage.html(TrailReport(lossClasses: [])).contains("No statement is on the trail"))
    }
}
