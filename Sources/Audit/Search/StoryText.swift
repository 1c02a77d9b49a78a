/// Tells a ``StatementStory`` to people.
package enum StoryText {
    package static func text(_ story: StatementStory) -> String {
        var text = ""
        if let row = story.row { text += own(row) }
        if let session = story.session { text += about(session, isAskedFor: story.row == nil) }
        if story.row?.record.event == .intent { text += transaction(story) }
        text += section(
            "Refused in the same session", story.refusals, emptyText: story.row == nil ? nil : "Nothing else.")
        if !story.others.isEmpty {
            text += section(story.row == nil ? "Its statements" : "Just before and after", story.others)
            if story.leftOutCount > 0, let session = story.session {
                text += "  \(story.leftOutCount) more: holdfast audit search --session \(session.identity.session)\n"
            }
        }
        text += section("What the server, or the trail, has to say of it", story.findings)
        return text
    }

    private static func own(_ row: AuditRow) -> String {
        let record = row.record
        var text = "\(record.event == .intent ? "statement" : record.event.rawValue) \(AuditRowText.shown(record.id))\n"
        line("time", AuditRowText.time(record.time), &text)
        if let statement = record.statement {
            line("command", statement.command, &text)
            line("objects", statement.objects.map { "\($0.kind) \($0.name)" }.joined(separator: ", "), &text)
            line("classes", statement.classes.joined(separator: ", "), &text)
            line("verdict", statement.verdict + (statement.rule.map { " by rule \"\($0)\"" } ?? ""), &text)
            if let radius = statement.blastRadius { line("would take", words(radius), &text) }
            line("fingerprint", statement.fingerprint ?? "", &text)
            for remark in statement.remarks { line("remark", remark, &text) }
        }
        if let gap = record.gap { line("gap", "\(gap.recordCount) records are missing: \(gap.reason)", &text) }
        if let finding = record.finding { line("finding", finding.text, &text) }
        if record.event == .intent || record.event == .outcome {
            line("outcome", AuditRowText.end(of: row), &text)
            line("answer", row.outcome?.commandTag ?? "", &text)
            line("measured", AuditRowText.measures(row.outcome), &text)
            if let time = row.endTime { line("ended", AuditRowText.time(time), &text) }
        }
        if let sql = record.statement?.sql, !sql.isEmpty {
            text += "  sql\n"
            for part in sql.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
                text += "    " + AuditRowText.shown(String(part)) + "\n"
            }
            if let excerpt = record.statement?.excerpt {
                let hash = AuditRowText.shown(excerpt.hash)
                text += "    … \(excerpt.byteCount) bytes in all, SHA-256 \(hash); it ends with\n"
                text += "    " + AuditRowText.shown(excerpt.tail) + "\n"
            }
        }
        if let values = record.statement?.parameters, !values.isEmpty {
            text += "  parameters\n"
            for (index, value) in values.enumerated() {
                text += "    $\(index + 1) = \(AuditRowText.shown(value ?? "null"))\n"
            }
        }
        return text
    }

    private static func words(_ radius: AuditRecord.BlastRadius) -> String {
        var parts = ["\(radius.objectCount) objects, \(radius.tableCount) of them tables"]
        if let rows = radius.rowCount { parts.append("about \(rows) rows") }
        if let count = radius.byteCount { parts.append("\(count) bytes") }
        if radius.isCut { parts.append("and more") }
        return parts.joined(separator: ", ")
    }

    private static func about(_ session: StatementStory.Session, isAskedFor: Bool) -> String {
        let identity = session.identity
        var text = "\(isAskedFor ? "" : "\n")session \(AuditRowText.shown(identity.session))\n"
        line("who", "\(identity.user)@\(identity.database)", &text)
        line("from", identity.client + (identity.osUser.map { ", operating-system user \($0)" } ?? ""), &text)
        line("application", identity.applicationName, &text)
        line("tag", identity.tag, &text)
        if let process = identity.backendProcessID { line("server", "process \(process)", &text) }
        if let start = session.start { line("began", AuditRowText.time(start), &text) }
        if let end = session.end { line("ended", AuditRowText.time(end), &text) }
        line("seen", "from \(AuditRowText.time(session.firstSeen)) to \(AuditRowText.time(session.lastSeen))", &text)
        line("statements", "\(session.statementCount) on the trail", &text)
        return text
    }

    private static func transaction(_ story: StatementStory) -> String {
        guard let own = story.row else { return "" }
        let end =
            switch own.outcome?.transaction {
            case .committed: "committed"
            case .rolledBack: "rolled back"
            case .rolledBackToSavepoint: "this statement was rolled back to a savepoint"
            case .prepared: "prepared"
            case .lost: "lost with the connection: rolled back"
            case .unknown: "nobody knows how it ended"
            case nil: own.state == .inDoubt ? "nobody knows how it ended" : "still open when the trail ends"
            }
        let others = story.transaction.count - 1
        let count = others == 0 ? "nothing else on the trail" : "\(story.transaction.count) statements on the trail"
        return others == 0
            ? "\ntransaction: \(end), \(count)\n" : section("transaction: \(end), \(count)", story.transaction)
    }

    private static func section(_ title: String, _ rows: [AuditRow], emptyText: String? = nil) -> String {
        guard !rows.isEmpty else { return emptyText.map { "\n\(title): \($0)\n" } ?? "" }
        var text = "\n\(title)\n"
        var rowText = AuditRowText(showsSQL: false)
        for row in rows { text += "  " + rowText.text(row) }
        return text
    }

    private static func line(_ name: String, _ value: String, _ text: inout String) {
        guard !value.isEmpty else { return }
        text += "  " + name + String(repeating: " ", count: max(1, 12 - name.count)) + AuditRowText.shown(value) + "\n"
    }
}
