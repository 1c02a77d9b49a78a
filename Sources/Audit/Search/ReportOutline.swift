/// A report as headings, sentences and tables: what Markdown and HTML have in common.
struct ReportOutline {
    enum Part: Sendable, Equatable {
        case heading(String)
        case text(String)
        case table(columns: [String], rows: [[String]])
        /// The bars of statements over time.
        case chart
    }

    static let title = "What the audit trail holds"
    private(set) var parts: [Part] = []

    init(_ report: TrailReport) {
        overview(report)
        counts(report)
        rows(
            "Tables lost or put at risk", report.losses,
            none: "No executed statement that is known to have held could lose a table.",
            some: "Executed, of a class that loses tables, and not rolled back.")
        rows("Refused", report.refusals, none: "Nothing was refused.")
        if report.rules.total > 0 {
            table(["rule", "refusals"], report.rules.top(50), of: report.rules, empty: "(none: not readable)")
        }
        rows(
            "Nobody knows how it ended", report.unknown,
            none: "The outcome of every statement is known, or still to come.",
            some: "The connection or the proxy ended first, or what failed may have committed before. "
                + "The server's catalog tells.")
        rows("Failed", report.failures, none: "No executed statement failed.")
        rows(
            "DDL that did not come through Holdfast, or did not happen", report.findings,
            none: "No finding on the trail. They are made where [guard] connection and watch are set in proxy.conf.")
        rows(
            "Faults", report.faults, none: "None is on the trail.",
            some: "Records that were lost, lines that a crash tore, starts of a proxy that had not stopped, and "
                + "what the guard needs and could not have.")
        parts.append(.heading("What was changed"))
        table(["change", "statements"], report.changes.top(50), of: report.changes)
        parts.append(.heading("What this report does not say"))
        parts.append(
            .text(
                "Whether the trail is whole: nothing was verified. holdfast audit verify proves that no record was "
                    + "changed or taken out. What never passed Holdfast is here only as findings: holdfast audit unseen "
                    + "looks for more."))
    }

    private mutating func overview(_ report: TrailReport) {
        var time = ""
        if let since = report.since { time += " from \(AuditRowText.time(since))" }
        if let until = report.until { time += " until \(AuditRowText.time(until))" }
        parts.append(.text("Trail: " + report.trails.map(AuditRowText.shown).joined(separator: ", ") + time + "."))
        if let first = report.firstTime, let last = report.lastTime {
            let times = (AuditRowText.time(first), AuditRowText.time(last))
            parts.append(.text("First record \(times.0), last \(times.1); times are UTC."))
        }
        guard report.statementCount > 0 else {
            parts.append(.text("No statement is on the trail in that time."))
            return
        }
        parts.append(
            .table(
                columns: ["statements", "refused", "warned", "lost tables", "failed", "unknown", "findings", "faults"],
                rows: [
                    [
                        report.statementCount, report.refusals.count, report.verdicts.counts["warn"] ?? 0,
                        report.losses.count, report.failures.count, report.unknown.count, report.findings.count,
                        report.faults.count,
                    ].map(String.init)
                ]))
        parts.append(.chart)
    }

    private mutating func counts(_ report: TrailReport) {
        guard report.statementCount > 0 else { return }
        parts.append(.heading("Who, where, what"))
        table(["verdict", "statements"], report.verdicts.top(5), of: report.verdicts)
        table(["how it ended", "statements"], report.endings.top(10), of: report.endings)
        table(["class", "statements"], report.classes.top(20), of: report.classes)
        table(["user", "statements"], report.users.top(20), of: report.users, empty: "(none)")
        table(["database", "statements"], report.databases.top(20), of: report.databases, empty: "(none)")
        table(["tag", "statements"], report.tags.top(20), of: report.tags, empty: "(none)")
        table(["application", "statements"], report.applications.top(20), of: report.applications, empty: "(none)")
    }

    private mutating func table(
        _ columns: [String], _ top: [(name: String, count: Int)], of counts: TrailReport.Counts, empty: String = ""
    ) {
        guard !top.isEmpty else {
            parts.append(.text("Nothing."))
            return
        }
        var rows = top.map { [$0.name.isEmpty ? empty : AuditRowText.shown($0.name), String($0.count)] }
        let shown = top.reduce(0) { $0 + $1.count }
        if counts.total > shown { rows.append(["(others)", String(counts.total - shown)]) }
        parts.append(.table(columns: columns, rows: rows))
    }

    private mutating func rows(_ title: String, _ shown: TrailReport.Shown, none: String, some: String? = nil) {
        parts.append(.heading(title))
        guard shown.count > 0 else {
            parts.append(.text(none))
            return
        }
        if let some { parts.append(.text(some)) }
        let latest = Array(shown.latest)
        if latest.count < shown.count { parts.append(.text("The latest \(latest.count) of \(shown.count):")) }
        parts.append(.table(columns: ["time", "who", "from", "what", "how it ended"], rows: latest.map(Self.cells)))
    }

    private static func cells(_ row: AuditRow) -> [String] {
        let record = row.record
        let who = record.session.user.isEmpty ? "" : "\(record.session.user)@\(record.session.database)"
        var what = record.statement?.command ?? record.event.rawValue
        if let objects = record.statement?.objects, !objects.isEmpty {
            what += " " + objects.prefix(4).map { "\($0.kind) \($0.name)" }.joined(separator: ", ")
            if objects.count > 4 { what += " and \(objects.count - 4) more" }
        }
        if let finding = record.finding { what = finding.text }
        if let gap = record.gap { what = "\(gap.recordCount) records are missing: \(gap.reason)" }
        if let fault = record.fault {
            what = "\(fault.kind.rawValue)\(fault.isOver ? " works again" : ""): \(fault.text)"
        }
        if record.event == .recovered { what = "\(record.mark?.tornByteCount ?? 0) bytes were torn by a crash" }
        if record.event == .start { what = "started; the run before had not stopped" }
        var end = ""
        if record.event == .refusal { end = "refused" + (record.statement?.rule.map { " by rule \"\($0)\"" } ?? "") }
        if record.event == .intent { end = AuditRowText.end(of: row) }
        if record.statement != nil { end += "; id \(record.id)" }
        return [AuditRowText.time(record.time), who, record.session.client, what, end].map(AuditRowText.shown)
    }
}
