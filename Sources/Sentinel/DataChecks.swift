import Configuration
import ServerLink

/// Data checks: each a query of its own in a transaction that cannot write.
struct DataChecks {
    private(set) var results: [WatchReport.Check] = []
    private(set) var findings: [WatchFinding] = []
    private(set) var unseen: [WatchFinding.Part] = []
    /// Rows that the next round compares with: a check that fails keeps what it had.
    private(set) var counts: [String: Int64]

    /// - Parameter counts: rows when each check last passed.
    init(counts: [String: Int64]) { self.counts = counts }

    /// Runs one check.
    ///
    /// - Throws: the connection is of no more use.
    mutating func run(_ check: DataCheck, by session: WatchSession) throws(ServerFault) {
        do throws(ServerFault) {
            switch check.test {
            case .query(let text): take(check, answer: try session.ask(text).value)
            case .rows(let table, let minimum, let fall):
                let rows = try session.ask(WatchQueries.count(table.quoted)).value.flatMap { Int64($0) } ?? 0
                take(check, table: table, rows: rows, minimum: minimum, fall: fall)
            }
        } catch {
            guard case .refused = error else { throw error }
            fail(check, error, user: session.user)
        }
    }

    /// The connection broke before this check.
    mutating func skip(_ check: DataCheck) { unseen.append(.check(check.name)) }

    private mutating func take(_ check: DataCheck, answer: String?) {
        let passed = answer == "t" || answer == "true" || answer == "1"
        results.append(WatchReport.Check(name: check.name, passed: passed))
        guard !passed else { return }
        let shown = answer.map { "\"" + $0.prefix(100) + "\"" } ?? "nothing"
        findings.append(
            WatchFinding(
                .checkFalse, .check(check.name), check.name,
                "check \"\(check.name)\": the query answered \(shown), not true"))
    }

    private mutating func take(_ check: DataCheck, table: TableName, rows: Int64, minimum: Int?, fall: Int?) {
        let former = counts[check.name]
        var passed = true
        if let minimum, rows < Int64(minimum) {
            passed = false
            findings.append(
                WatchFinding(
                    .rowsTooFew, .check(check.name), check.name,
                    "check \"\(check.name)\": \(table) has \(rows) \(rows == 1 ? "row" : "rows"), expected are at least "
                        + "\(minimum)"))
        }
        if let fall, let former, former > 0, rows < former {
            let lost = Double(former - rows) * 100 / Double(former)
            if lost > Double(fall) {
                passed = false
                findings.append(
                    WatchFinding(
                        .rowsFell, .check(check.name), check.name,
                        "check \"\(check.name)\": \(table) fell from \(former) to \(rows) rows, by "
                            + "\(Self.percent(lost)) %; \(fall) % are allowed. If that is meant, accept it: "
                            + "holdfast watch --accept"))
            }
        }
        results.append(WatchReport.Check(name: check.name, passed: passed, rows: rows, formerRows: former))
        if passed { counts[check.name] = rows }
    }

    private static func percent(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded(.down))
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }

    private mutating func fail(_ check: DataCheck, _ fault: ServerFault, user: String) {
        let remedy =
            switch fault.sqlState {
            case "42501": "; GRANT what it needs to the role \(user)"
            case "57014": "; it takes longer than statement_timeout"
            case "55P03": "; something holds a lock for longer than lock_timeout"
            case "25006": "; a check must not write"
            default: ""
            }
        results.append(WatchReport.Check(name: check.name))
        unseen.append(.check(check.name))
        findings.append(
            WatchFinding(
                .checkFailed, .check(check.name), check.name,
                "check \"\(check.name)\" cannot be made: \(fault)\(remedy)"))
    }
}
