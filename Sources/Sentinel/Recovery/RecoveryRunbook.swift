/// A plan as a document that somebody could follow by hand: Markdown. `holdfast recover NAME --dry-run`.
package enum RecoveryRunbook {
    /// - Parameters:
    ///   - statements: of a step, by its place; what is not known before (what the migrations will make) is left out.
    ///   - command: the program that runs the migrations, with its first arguments.
    package static func markdown(
        _ plan: RecoveryPlan, statements: [Int: [String]], command: [String], others: [WatchFinding]
    ) -> String {
        var text = "# Recovery of \(plan.watch)\n\n"
        text += sentence(plan.summary) + "\n"
        if plan.isEmpty, others.isEmpty { return text + "\nThere is nothing to be done.\n" }
        if !plan.losses.isEmpty {
            text += "\n| missing | comes back |\n| --- | --- |\n"
            for loss in plan.losses { text += "| `\(cell(loss.table.text))` | \(cell(loss.source.text)) |\n" }
        }
        for (title, lines) in [("To be known", plan.notes), ("To be done by hand", plan.obstacles)] where !lines.isEmpty
        {
            text += "\n## \(title)\n\n"
            for line in lines { text += "- \(line)\n" }
        }
        if !plan.steps.isEmpty {
            text +=
                "\n## Steps\n\n`holdfast recover \(plan.watch)` does these one after the other, and stops at the first that "
            text += "fails.\n"
        }
        for (index, step) in plan.steps.enumerated() {
            text += "\n### \(index + 1). \(sentence(step.text))\n"
            let lines = statements[index] ?? self.statements(step)
            if !lines.isEmpty { text += "\n```sql\n" + lines.joined(separator: "\n\n") + "\n```\n" }
            let words = self.commands(step, command: command, watch: plan.watch, database: plan.database)
            if !words.isEmpty { text += "\n```sh\n" + words.joined(separator: "\n") + "\n```\n" }
        }
        if !others.isEmpty {
            text += "\n## What a recovery does not mend\n\n"
            for finding in others { text += "- \(finding.kind.rawValue): \(finding.text)\n" }
        }
        return text
    }

    /// What a step sends to the watched database, where that is known beforehand.
    package static func statements(_ step: RecoveryStep) -> [String] {
        switch step {
        case .makeScratch(let database): ["CREATE DATABASE \(RecoveryQueries.identifier(database)) TEMPLATE template0;"]
        case .dropScratch(let database): ["DROP DATABASE \(RecoveryQueries.identifier(database));"]
        case .reset(let table): ["DELETE FROM \(table.quoted);"]
        case .stamp(let table, let revisions): AlembicState.stamping(table, revisions)
        case .migrateScratch, .compare, .restore, .copy, .migrate, .validate, .verify: []
        }
    }

    private static func commands(
        _ step: RecoveryStep, command: [String], watch: String, database: String
    ) -> [String] {
        let program = (command.isEmpty ? ["alembic"] : command).map(word).joined(separator: " ")
        switch step {
        case .migrateScratch(let scratch, let targets, let areHeads):
            return [
                "# in the project's folder, with its database URL leading to \(scratch)"
            ] + AlembicState.runs(targets, areHeads).map { program + " " + $0.map(word).joined(separator: " ") }
        case .migrate(_, let targets, let areHeads):
            return ["# in the project's folder, with its database URL leading to \(database)"]
                + AlembicState.runs(targets, areHeads).map { program + " " + $0.map(word).joined(separator: " ") }
        case .restore(let snapshot, let tables, _):
            let options = tables.map { "--table \(word($0.text))" }.joined(separator: " ")
            return ["holdfast snapshot restore \(snapshot) \(options) --existing keep"]
        case .copy(let scratch, let tables):
            let options = tables.map { "--table=\(word($0.text))" }.joined(separator: " ")
            return [
                "# what hangs on them (foreign keys of other tables, views) as well",
                "pg_dump \(options) \(scratch) | psql \(database)",
            ]
        case .verify: return ["holdfast watch --watch \(watch)"]
        case .makeScratch, .compare, .dropScratch, .reset, .stamp, .validate: return []
        }
    }

    private static func sentence(_ text: String) -> String { text.prefix(1).uppercased() + text.dropFirst() }

    private static func cell(_ text: String) -> String { text.replacing("|", with: "\\|") }

    /// As a shell takes it for one word.
    private static func word(_ text: String) -> String {
        let isPlain = !text.isEmpty && text.allSatisfy { $0.isLetter || $0.isNumber || "_-./+=:@".contains($0) }
        return isPlain ? text : "'" + text.replacing("'", with: "'\\''") + "'"
    }
}
