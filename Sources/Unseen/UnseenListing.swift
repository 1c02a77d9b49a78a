import Audit

/// The findings of one database for a person to read.
package struct UnseenListing {
    private let log: GuardLog
    private let trail: TrailIndex
    private let summary: TrailFiles.Summary
    private let from: Int64

    /// - Parameter from: the first moment that was compared, by our clock.
    package init(log: GuardLog, trail: TrailIndex, summary: TrailFiles.Summary, from: Int64) {
        self.log = log
        self.trail = trail
        self.summary = summary
        self.from = from
    }

    /// What was compared, every finding, and what limits the comparison.
    package func text(_ findings: [UnseenFinding]) -> String {
        let statementCount = trail.sessions.values.reduce(0) { $0 + $1.statements.count }
        var lines = [
            "database \(log.database): \(Self.count(log.rows.count, "row")) of holdfast.ddl against "
                + "\(Self.count(statementCount, "statement")) of \(Self.count(trail.sessions.count, "session")) in the trail, "
                + "from \(AuditRowText.time(from)) on"
        ]
        lines += limits.map { "note: " + $0 }
        for finding in findings {
            lines.append("")
            lines.append("\(AuditRowText.time(finding.time))  \(Self.title(finding.kind))")
            lines += details(of: finding).map { "    " + AuditRowText.shown($0) }
        }
        if !findings.isEmpty { lines.append("") }
        let kinds = UnseenFinding.Kind.allCases.compactMap { kind in
            let number = findings.count { $0.kind == kind }
            return number == 0 ? nil : "\(number) \(Self.title(kind).lowercased())"
        }
        lines.append(
            findings.isEmpty
                ? "no finding: the trail accounts for all of it"
                : "\(Self.count(findings.count, "finding")): \(kinds.joined(separator: ", "))")
        return lines.joined(separator: "\n") + "\n"
    }

    /// What keeps the comparison from being whole.
    private var limits: [String] {
        var limits: [String] = []
        if !trail.recordsSessions {
            limits.append(
                "the trail does not say when sessions began ([guard] connection is not set in proxy.conf): a session "
                    + "without a recorded statement looks like another route")
        }
        if trail.missingCount > 0 {
            limits.append("\(Self.count(trail.missingCount, "record")) of the trail could not be written (event gap)")
        }
        if summary.tornCount > 0 {
            limits.append("\(Self.count(summary.tornCount, "line")) of the trail was cut off by a crash")
        }
        if log.clockOffset != 0 {
            limits.append(
                "the server's clock differs from ours by \(log.clockOffset / 1_000_000) ms; times below are ours")
        }
        return limits
    }

    private func details(of finding: UnseenFinding) -> [String] {
        var lines = [finding.text]
        if finding.kind != .otherRoute, let session = finding.session {
            lines.append(
                "session \(session.session) of \(session.user)@\(session.database) from \(session.client), application "
                    + "\"\(session.applicationName)\", tag \(session.tag), server process \(session.backendProcessID ?? 0)"
            )
        }
        if let statement = finding.statement {
            let sql = statement.shown.sql
            lines.append("statement \(statement.id): " + (sql.count > 300 ? sql.prefix(300) + " …" : sql))
        }
        if let first = finding.rows.first, let last = finding.rows.last {
            let rows = first.id == last.id ? "row \(first.id)" : "rows \(first.id) to \(last.id)"
            lines.append("\(rows) of holdfast.ddl, transaction \(first.transaction)")
        }
        return lines
    }

    private static func title(_ kind: UnseenFinding.Kind) -> String {
        switch kind {
        case .otherRoute: "OTHER ROUTE"
        case .moreThanShown: "MORE THAN SHOWN"
        case .neverExecuted: "NEVER EXECUTED"
        }
    }

    private static func count(_ number: Int, _ noun: String) -> String {
        number == 1 ? "1 \(noun)" : "\(number) \(noun)s"
    }
}
