/// What a recovery will do: made by ``RecoveryPlanner``, shown, asked about, then run step by step.
package struct RecoveryPlan: Codable, Sendable, Equatable {
    /// Where a missing table comes from.
    package enum Source: Codable, Sendable, Equatable {
        /// - Parameters:
        ///   - cause: before what it was taken: `DROP TABLE`; empty: by hand.
        ///   - rows: the server's estimate then; nil if the snapshot has no rows.
        case snapshot(id: String, takenAt: String, cause: String, rows: Int64?)
        case migrations
        /// It does not come back: why, and what to do by hand.
        case none(String)
    }

    package struct Loss: Codable, Sendable, Equatable {
        package var table: RecoveryTable
        package var source: Source
    }

    package var watch: String
    package var database: String
    package var expectedCount: Int
    package var losses: [Loss] = []
    package var steps: [RecoveryStep] = []
    /// What does not come back, or has to be known: sentences.
    package var notes: [String] = []
    /// What Holdfast cannot do, and how it is done by hand: sentences.
    package var obstacles: [String] = []

    package init(watch: String, database: String, expectedCount: Int) {
        self.watch = watch
        self.database = database
        self.expectedCount = expectedCount
    }

    /// There is nothing to be done, and nothing that cannot be done.
    package var isEmpty: Bool { steps.isEmpty && obstacles.isEmpty }

    /// - Parameter doneCount: so many steps are done.
    package func lines(doneCount: Int = 0) -> [String] {
        var lines = [summary]
        if !losses.isEmpty { lines.append("") }
        let width = losses.map(\.table.text.count).max() ?? 0
        for loss in losses {
            lines.append("  " + loss.table.text.padded(to: width) + "  " + loss.source.text)
        }
        if !steps.isEmpty { lines.append("") }
        for (index, step) in steps.enumerated() {
            let mark = index < doneCount ? "done  " : ""
            lines.append("  \(index + 1). \(mark)\(step.text)")
        }
        if !notes.isEmpty { lines += ["", "To be known:"] + notes.map { "  - \($0)" } }
        if !obstacles.isEmpty { lines += ["", "What has to be done by hand:"] + obstacles.map { "  - \($0)" } }
        return lines
    }

    package var summary: String {
        let start = "watch \(watch), database \(database): "
        if losses.isEmpty {
            return start + "no expected table is missing" + (isEmpty ? "" : "; the migration state is lost")
        }
        return start + "\(losses.count) of \(expectedCount) expected tables \(losses.count == 1 ? "is" : "are") missing"
    }
}

extension RecoveryPlan.Source {
    package var text: String {
        switch self {
        case .snapshot(let id, let takenAt, let cause, let rows):
            let holding =
                rows.map { $0 > 0 ? "with its rows (about \($0))" : "with its rows" }
                ?? "without rows: the snapshot holds none"
            return "from snapshot \(id), \(holding), as of \(takenAt)"
                + (cause.isEmpty ? "" : ", before \(cause)")
        case .migrations: return "made anew by the migrations; its rows do not come back: no snapshot holds them"
        case .none(let reason): return "NOT: \(reason)"
        }
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
