/// A summary of what a trail holds of some time, for people: counted row by row, in memory that the number of different names
/// decides, which is bounded.
package struct TrailReport: Sendable {
    /// Counts by name; of very many names the rest is one number.
    package struct Counts: Sendable, Equatable {
        package private(set) var counts: [String: Int] = [:]
        package private(set) var otherCount = 0
        private static let mostNames = 10_000

        mutating func add(_ name: String) {
            guard counts[name] != nil || counts.count < Self.mostNames else {
                otherCount += 1
                return
            }
            counts[name, default: 0] += 1
        }

        /// The most frequent first, then by name.
        package func top(_ count: Int) -> [(name: String, count: Int)] {
            counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(count).map { ($0.key, $0.value) }
        }

        package var total: Int { counts.values.reduce(otherCount, +) }
        package var nameCount: Int { counts.count }
    }

    /// Rows that are shown one by one: the latest, and how many there were.
    package struct Shown: Sendable {
        package private(set) var rows: [AuditRow] = []
        package private(set) var count = 0
        private static let most = 100

        mutating func add(_ row: AuditRow) {
            count += 1
            rows.append(row)
            // The latest matter most.
            if rows.count >= 2 * Self.most { rows.removeFirst(rows.count - Self.most) }
        }

        package var latest: ArraySlice<AuditRow> { rows.suffix(Self.most) }
    }

    /// A stretch of time on the chart.
    package struct Bar: Sendable, Equatable {
        /// Its beginning, nanoseconds since 1970.
        package var time: Int64
        package var allowed = 0
        package var warned = 0
        package var blocked = 0
        package var total: Int { allowed + warned + blocked }
    }

    package var since: Int64?
    package var until: Int64?
    package var trails: [String] = []
    package private(set) var firstTime: Int64?
    package private(set) var lastTime: Int64?
    package private(set) var statementCount = 0
    package private(set) var verdicts = Counts()
    package private(set) var classes = Counts()
    package private(set) var users = Counts()
    package private(set) var databases = Counts()
    package private(set) var applications = Counts()
    package private(set) var tags = Counts()
    package private(set) var endings = Counts()
    /// Refusals by their rules.
    package private(set) var rules = Counts()
    package private(set) var refusals = Shown()
    /// Statements that were executed, lose a table, and whose transaction did not roll back.
    package private(set) var losses = Shown()
    /// Objects that executed statements changed, and what was done to them.
    package private(set) var changes = Counts()
    package private(set) var failures = Shown()
    /// Nobody knows how they ended.
    package private(set) var unknown = Shown()
    /// What the server did and the trail does not explain.
    package private(set) var findings = Shown()
    /// Holdfast's own: records that were lost, torn lines, starts without a stop before, what the guard needs and had not.
    package private(set) var faults = Shown()
    package private(set) var startCount = 0
    package private(set) var reloadCount = 0
    /// By the number of the hour since 1970.
    private var hours: [Int64: Bar] = [:]
    private var isRunning = false

    private let lossClasses: Set<String>

    /// - Parameter lossClasses: the classes of statements that lose a table.
    package init(lossClasses: Set<String>) { self.lossClasses = lossClasses }

    /// The rows of another trail follow.
    package mutating func begin() { isRunning = false }

    package mutating func take(_ row: AuditRow) {
        let record = row.record
        firstTime = min(firstTime ?? .max, record.time)
        lastTime = max(lastTime ?? .min, row.endTime ?? record.time)
        if let statement = record.statement { take(statement, row) }
        if record.finding != nil { findings.add(row) }
        if record.gap != nil || record.fault != nil || record.event == .recovered { faults.add(row) }
        if record.event == .start {
            if isRunning { faults.add(row) }
            isRunning = true
            startCount += 1
        }
        if record.event == .stop { isRunning = false }
        if record.event == .reload { reloadCount += 1 }
    }

    private mutating func take(_ statement: AuditRecord.Statement, _ row: AuditRow) {
        let record = row.record
        statementCount += 1
        verdicts.add(statement.verdict)
        for name in statement.classes { classes.add(name) }
        users.add(record.session.user)
        databases.add(record.session.database)
        applications.add(record.session.applicationName)
        tags.add(record.session.tag)
        count(record.time, statement.verdict)
        if record.event == .refusal {
            rules.add(statement.rule ?? "")
            refusals.add(row)
            return
        }
        endings.add(ending(of: row))
        let outcome = row.outcome
        // A procedure that failed may have committed before.
        if outcome?.transaction == .unknown || row.state == .inDoubt {
            unknown.add(row)
        } else if outcome?.sqlState != nil {
            failures.add(row)
        }
        guard outcome?.sqlState == nil || outcome?.transaction == .unknown, outcome?.transaction != .rolledBack,
            outcome?.transaction != .rolledBackToSavepoint, outcome?.transaction != .lost
        else { return }
        if statement.classes.contains(where: lossClasses.contains) { losses.add(row) }
        for object in statement.objects { changes.add("\(statement.command): \(object.kind) \(object.name)") }
    }

    private func ending(of row: AuditRow) -> String {
        guard let outcome = row.outcome else { return row.state == .inDoubt ? "unknown" : "no outcome yet" }
        return outcome.sqlState != nil && outcome.transaction != .unknown
            ? "failed" : outcome.transaction.rawValue.replacing("_", with: " ")
    }

    private static let hour: Int64 = 3600 * 1_000_000_000

    /// Rounded down.
    private static func quotient(_ value: Int64, _ divisor: Int64) -> Int64 {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }

    private mutating func count(_ time: Int64, _ verdict: String) {
        let number = Self.quotient(time, Self.hour)
        // Times far apart are somebody's invention: a chart of them says nothing.
        guard hours[number] != nil || hours.count < 100_000 else { return }
        hours[number, default: Bar(time: 0)].add(verdict)
    }

    /// The chart's bars from the first statement to the last, without a gap: hours, or days where those would be too many, or
    /// longer stretches where those would be, too.
    package var bars: (bars: [Bar], unit: String) {
        guard let first = hours.keys.min(), let last = hours.keys.max() else { return ([], "hour") }
        // Of hours, which any two times are less than six millions apart.
        var step: Int64 = 1
        var unit = "hour"
        if last - first > 72 { (step, unit) = (24, "day") }
        if (last - first) / step > 120 { (step, unit) = (7 * 24, "week") }
        while (last - first) / step > 120 { (step, unit) = (2 * step, "longer stretch") }
        let start = Self.quotient(first, step)
        var bars = (start...Self.quotient(last, step)).map { number in
            let (time, isTooEarly) = (number * step).multipliedReportingOverflow(by: Self.hour)
            return Bar(time: isTooEarly ? .min : time)
        }
        for (number, bar) in hours { bars[Int(Self.quotient(number, step) - start)].add(bar) }
        return (bars, unit)
    }
}

extension TrailReport.Bar {
    mutating func add(_ verdict: String) {
        switch verdict {
        case "block": blocked += 1
        case "warn": warned += 1
        default: allowed += 1
        }
    }

    mutating func add(_ other: Self) {
        allowed += other.allowed
        warned += other.warned
        blocked += other.blocked
    }
}
