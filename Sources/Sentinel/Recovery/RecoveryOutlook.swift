import Configuration
import Snapshots

/// What the steps of a plan will send, as far as that is known before: for the runbook.
package struct RecoveryOutlook {
    private let survey: RecoverySurvey
    private let snapshots: SnapshotFolder?
    private let settings: SnapshotSettings

    package init(_ survey: RecoverySurvey, snapshots: SnapshotFolder?, _ settings: SnapshotSettings) {
        self.survey = survey
        self.snapshots = snapshots
        self.settings = settings
    }

    /// Statements by the place of the step. What depends on an earlier step is as it would be without that.
    package func statements(of plan: RecoveryPlan) throws(RecoveryFault) -> [Int: [String]] {
        var found: [Int: [String]] = [:]
        for (index, step) in plan.steps.enumerated() {
            guard case .restore(let id, let tables, _) = step, let snapshots else { continue }
            do throws(SnapshotFault) {
                let manifest = try snapshots.manifest(of: id)
                let names = manifest.tables.filter { table in tables.contains { $0.matches(table) } }
                    .map(\.qualifiedName)
                let restorer = SnapshotRestorer(settings, folder: snapshots, connection: survey.connection)
                let choices = RestoreChoices(tables: names, existing: .keep, leavesKeysUnvalidated: true)
                let restore = try restorer.plan(manifest, choices, database: plan.database)
                found[index] = try restorer.statements(of: restore, database: plan.database)
            } catch {
                throw .snapshot(error)
            }
        }
        return found
    }
}
