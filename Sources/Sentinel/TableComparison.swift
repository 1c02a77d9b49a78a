import Configuration

/// The tables that are there, held against those that are expected. Pure.
struct TableComparison: Sendable {
    /// Expected tables, qualified where that is known; patterns count as one.
    private(set) var expected: [String] = []
    private(set) var missing: [String] = []
    private(set) var findings: [WatchFinding] = []

    /// - Parameters:
    ///   - baseline: the accepted state; nil where none is used or there is none.
    ///   - reportsUnexpected: whether tables that neither it nor a name expects are findings.
    init(settings: WatchSettings, baseline: Baseline?, tables: [TableShape]) {
        let watched = tables.filter { table in !settings.ignored.contains { $0.matches(table) } }
        var present: [String: TableShape] = [:]
        for table in watched { present[table.qualifiedName] = table }
        let formerTables = (baseline?.tables ?? []).filter { table in !settings.ignored.contains { $0.matches(table) } }
        var known: Set<String> = []
        for former in formerTables {
            known.insert(former.qualifiedName)
            expected.append(former.qualifiedName)
            guard let now = present[former.qualifiedName] else {
                lose(former.qualifiedName, "table \(former.qualifiedName) is missing", columns: former.columns.count)
                continue
            }
            compare(former, now)
        }
        for pattern in settings.tables where !tables.contains(where: pattern.matches) {
            // What the baseline says already is not said twice.
            guard !formerTables.contains(where: pattern.matches) else { continue }
            lose(pattern.description, "no table \(pattern) is there", columns: nil)
        }
        for pattern in settings.tables where !formerTables.contains(where: pattern.matches) {
            expected.append(pattern.description)
        }
        guard settings.reportsUnexpected, baseline != nil || !settings.usesBaseline else { return }
        for table in watched where !known.contains(table.qualifiedName) {
            guard !settings.tables.contains(where: { $0.matches(table) }) else { continue }
            findings.append(
                WatchFinding(
                    .tableUnexpected, .tables, table.qualifiedName,
                    "\(table.kindText) \(table.qualifiedName) is there and nobody expects it; if it is meant, accept it: "
                        + "holdfast watch --accept"))
        }
    }

    private mutating func lose(_ name: String, _ text: String, columns: Int?) {
        missing.append(name)
        let size = columns.map { " (it had \($0) \($0 == 1 ? "column" : "columns"))" } ?? ""
        findings.append(WatchFinding(.tableMissing, .tables, name, text + size))
    }

    private mutating func compare(_ former: TableShape, _ now: TableShape) {
        guard former != now else { return }
        let name = now.qualifiedName
        if former.kindText != now.kindText {
            findings.append(
                WatchFinding(
                    .tableChanged, .tables, name, "\(name) was a \(former.kindText) and is a \(now.kindText)"))
        }
        var present: [String: TableShape.Column] = [:]
        for column in now.columns { present[column.name] = column }
        var known: Set<String> = []
        for column in former.columns {
            known.insert(column.name)
            let subject = "\(name).\(column.name)"
            guard let other = present[column.name] else {
                findings.append(
                    WatchFinding(
                        .columnMissing, .tables, subject, "column \(subject) (\(column.type)) is missing"))
                continue
            }
            let changes = zip(column.traits, other.traits).compactMap { former, now -> String? in
                guard let was = former.value, let isNow = now.value, was != isNow else { return nil }
                return "\(former.what) was \(was) and is \(isNow)"
            }
            guard !changes.isEmpty else { continue }
            findings.append(
                WatchFinding(
                    .columnChanged, .tables, subject,
                    "column \(subject) changed: \(changes.joined(separator: "; "))"))
        }
        for column in now.columns where !known.contains(column.name) {
            let subject = "\(name).\(column.name)"
            findings.append(
                WatchFinding(
                    .columnUnexpected, .tables, subject, "column \(subject) (\(column.type)) is new"))
        }
    }
}

extension TablePattern {
    func matches(_ table: TableShape) -> Bool { matches(schema: table.schema, name: table.name) }
}
