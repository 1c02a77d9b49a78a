import Policy
import SQLParsing

/// What the rules let pass is lost only when a snapshot holds it.
extension SessionMachine {
    /// Snapshots are taken of what this session loses.
    var wantsSnapshots: Bool { snapshotClasses != nil && !isReplication }

    /// What a snapshot is taken before, if proxy.conf names no other classes: permanent tables, columns or all of a table's
    /// rows go.
    package static let standardSnapshotClasses = ClassSet([
        .dropTable, .dropSchema, .dropOwned, .dropExtension, .dropMaterializedView, .dropDatabase, .dropColumn,
        .cascade, .truncate,
    ])

    /// Whether the message takes something permanent with it that a snapshot is wanted of.
    func loses(_ judgement: Judgement) -> Bool {
        guard let wanted = snapshotClasses, !judgement.facts.classes.isDisjoint(with: wanted) else { return false }
        var explained: ClassSet = []
        for effect in judgement.facts.statements.flatMap(\.effects) {
            explained.insert(effect.statementClass)
            guard wanted.contains(effect.statementClass) else { continue }
            if effect.object?.isTemporaryByName != true { return true }
        }
        // A class that no effect explains is believed.
        return !judgement.facts.classes.subtracting(explained).isDisjoint(with: wanted)
    }

    /// Leaves what is to be asked for in ``takeSnapshotRequest()``.
    mutating func requestSnapshot(_ judgement: Judgement, intents: [StatementNote]) {
        let wanted = snapshotClasses ?? []
        let statements = judgement.facts.statements.filter { !$0.classes.isDisjoint(with: wanted) }
        var beyondReach: String?
        if judgement.facts.classes.contains(.dropDatabase), wanted.contains(.dropDatabase) {
            beyondReach = "a snapshot holds tables, not a whole database"
        } else if statements.flatMap(\.effects).contains(where: {
            $0.place != .here && wanted.contains($0.statementClass)
        }) {
            beyondReach = "it reaches beyond this database"
        }
        // What code in the database does is not told by the names in the text.
        let isTold = statements.allSatisfy { statement in
            !statement.runsStoredCode && !statement.remarks.contains { $0.contains(" → ") }
        }
        snapshotRequest = SnapshotRequest(
            backend: backendProcessID, things: isTold ? answeredLosses : nil, beyondReach: beyondReach,
            auditID: intents.first?.id ?? "", command: statements.first?.command ?? "")
    }

    /// The snapshot has been taken, or the message at the front is refused. If it was not refused the intents are recorded
    /// next (``trailAnswered(_:)``).
    ///
    /// - Parameter now: a monotonic clock in nanoseconds: the statements' time counts from here.
    package mutating func snapshotAnswered(_ answer: SnapshotAnswer, now: () -> Int64) {
        guard case .awaitingTrail(var decision) = clientState, let note = decision.note else { return }
        switch answer {
        case .taken, .notNeeded:
            let time = now()
            for audited in note.audited { audited.statement.startedAt = time }
        case .refused(let reason):
            grantRequest = nil
            refuseHeld(
                &decision, note, rule: "no snapshot",
                message: "it must not run without a snapshot, and there is none: \(reason)",
                hint: "Nothing was lost. Once the reason is out of the way, run it again; see docs/snapshots.md.")
            clientState = .decided(decision)
        }
    }
}
