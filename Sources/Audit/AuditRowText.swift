/// Writes rows for people: a line each, columns as wide as they have had to be so far.
package struct AuditRowText {
    private let showsSQL: Bool
    /// Of the columns verdict, tag, user@database, command.
    private var widths = [5, 10, 14, 12]

    /// `showsSQL`: the statement's text follows on lines of its own.
    package init(showsSQL: Bool) { self.showsSQL = showsSQL }

    /// The row as text, its final line end included. No control character of a statement or name gets through.
    package mutating func text(_ row: AuditRow) -> String {
        let record = row.record
        let identity = record.session
        let isOfSession = !identity.session.isEmpty || !identity.user.isEmpty
        let who = isOfSession ? identity.user + "@" + identity.database : ""
        let verdict = record.statement?.verdict ?? ""
        let command = record.statement?.command ?? record.event.rawValue
        var line = Self.time(record.time)
        for (index, column) in [verdict, identity.tag, who, command].enumerated() {
            let shown = Self.shown(column)
            widths[index] = max(widths[index], min(shown.count, 40))
            line += "  " + shown + String(repeating: " ", count: max(0, widths[index] - shown.count))
        }
        let rest = details(row).filter { !$0.isEmpty }.map(Self.shown)
        line += "  " + rest.joined(separator: "  ")
        while line.last == " " { line.removeLast() }
        line += "\n"
        if showsSQL, let sql = record.statement?.sql {
            for part in sql.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
                line += "    " + Self.shown(String(part)) + "\n"
            }
        }
        return line
    }

    private func details(_ row: AuditRow) -> [String] {
        let record = row.record
        switch record.event {
        case .intent, .outcome:
            return [
                Self.objects(record.statement), Self.end(of: row), Self.measures(row.outcome), Self.remarks(record),
            ]
        case .refusal:
            let rule = record.statement?.rule.map { " by rule \"\($0)\"" } ?? ""
            return [Self.objects(record.statement), "refused\(rule)", Self.remarks(record)]
        case .sessionStart:
            let session = record.session
            return ["from \(session.client)", session.applicationName, "session \(session.session)"]
        case .sessionEnd:
            return ["session \(record.session.session)"]
        case .gap:
            return [record.gap.map { "\($0.recordCount) records are missing here: \($0.reason)" } ?? ""]
        case .finding:
            return [record.finding?.text ?? ""]
        case .watch:
            return [record.watched.map { "\($0.state.rawValue): \($0.text)" } ?? ""]
        case .snapshot:
            return [record.snapshot.map { "\($0.action.rawValue) \($0.snapshot ?? ""): \($0.text)" } ?? ""]
        case .recovery:
            return record.recovery.map(Self.text) ?? []
        case .watermark:
            return [record.watermark.map { "compared up to \(Self.time($0.time))" } ?? ""]
        case .fileStart:
            return ["file \(record.mark?.file ?? 0) of the trail begins"]
        case .fileEnd:
            return ["file \(record.mark?.file ?? 0) of the trail ends: \(record.mark?.reason ?? "")"]
        case .recovered:
            return ["\(record.mark?.tornByteCount ?? 0) bytes before this were torn by a crash"]
        case .checkpoint:
            return ["the trail has come to record \(record.mark?.headSequence ?? 0)"]
        case .retired:
            return ["file \(record.mark?.file ?? 0) of the trail was deleted: \(record.mark?.reason ?? "")"]
        case .transactionEnd:
            return ["prepared transaction \(record.outcome?.gid ?? "")", Self.end(of: row)]
        case .reload:
            return record.service?.changes.map { changes in
                changes.isEmpty ? ["nothing has changed"] : changes.map(Self.text)
            } ?? []
        case .fault:
            guard let fault = record.fault else { return [] }
            return ["\(fault.kind.rawValue)\(fault.isOver ? " works again" : ""): \(fault.text)"]
        case .start, .stop:
            return []
        }
    }

    private static func text(_ change: AuditRecord.Change) -> String {
        switch (change.old, change.new) {
        case (let old?, let new?): "\(change.key): \(old) → \(new)"
        case (nil, let new?): "\(change.key): \(new), new"
        case (let old?, nil): "\(change.key): was \(old)"
        case (nil, nil): change.key
        }
    }

    private static func text(_ step: AuditRecord.RecoveryStep) -> [String] {
        let place = step.step > 0 ? ", step \(step.step)" : ""
        let start = "\(step.action.rawValue): recovery \(step.recovery) of \(step.watch)\(place)"
        return [start, step.text] + (step.statement.map { [$0] } ?? [])
    }

    private static func objects(_ statement: AuditRecord.Statement?) -> String {
        guard let objects = statement?.objects, !objects.isEmpty else { return "-" }
        let shown = objects.prefix(4).map { "\($0.kind) \($0.name)" }.joined(separator: ", ")
        return objects.count > 4 ? "\(shown) and \(objects.count - 4) more" : shown
    }

    static func end(of row: AuditRow) -> String {
        guard let outcome = row.outcome else {
            return row.state == .inDoubt ? "in doubt: the proxy ended first" : "no outcome yet"
        }
        if let sqlState = outcome.sqlState {
            let failed = "failed \(sqlState)" + (outcome.message.map { ": \($0)" } ?? "")
            return outcome.transaction == .unknown ? failed + ", in doubt: it may have committed before" : failed
        }
        switch outcome.transaction {
        case .committed: return "committed"
        case .rolledBack: return "rolled back"
        case .rolledBackToSavepoint: return "rolled back to a savepoint"
        case .prepared: return "prepared" + (outcome.gid.map { " as \($0)" } ?? "")
        case .lost: return "lost with the connection: rolled back"
        case .unknown: return "in doubt: " + (outcome.message ?? "the connection was lost")
        }
    }

    static func measures(_ outcome: AuditRecord.Outcome?) -> String {
        guard let outcome else { return "" }
        var parts: [String] = []
        if let rows = outcome.rows { parts.append(rows == 1 ? "1 row" : "\(rows) rows") }
        if let duration = outcome.durationMicroseconds { parts.append(Self.duration(duration)) }
        return parts.joined(separator: ", ")
    }

    /// Three digits or so: `850 µs`, `1.5 ms`, `12.3 s`.
    private static func duration(_ microseconds: Int64) -> String {
        switch microseconds {
        case ..<1000: return "\(microseconds) µs"
        case ..<1_000_000: return "\(microseconds / 1000).\(microseconds % 1000 / 100) ms"
        default: return "\(microseconds / 1_000_000).\(microseconds % 1_000_000 / 100_000) s"
        }
    }

    private static func remarks(_ record: AuditRecord) -> String {
        guard let statement = record.statement else { return "" }
        var parts: [String] = []
        if statement.verdict == "warn", let rule = statement.rule { parts.append("rule \"\(rule)\"") }
        return (parts + statement.remarks + ["id \(record.id)"]).joined(separator: "; ")
    }

    /// `2026-11-22 10:11:12.123Z`
    package static func time(_ nanoseconds: Int64) -> String {
        AuditTime.text(nanoseconds).replacing("T", with: " ").dropLast(4) + "Z"
    }

    /// Nothing that a terminal would obey or that would turn the reading direction.
    package static func shown(_ text: String) -> String {
        // Nearly every text is: what Unicode knows of each character need not be asked.
        if text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) { return text }
        var shown = ""
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator:
                switch scalar {
                case "\t", "\n", "\r": shown += " "
                case "\u{200D}": shown.unicodeScalars.append(scalar)
                default: shown += "\\u{\(String(scalar.value, radix: 16))}"
                }
            default: shown.unicodeScalars.append(scalar)
            }
        }
        return shown
    }
}
