import Foundation

/// How far a recovery has come: `NAME.recovery.json` beside the watch's state. Written before and after each step.
package struct RecoveryJournal: Codable, Sendable, Equatable {
    /// Of the file's format.
    package var version = 1
    /// Made at random; it stands in the audit trail.
    package var id: String
    /// RFC 3339.
    package var begunAt: String
    package var server: ServerIdentity?
    package var plan: RecoveryPlan
    /// So many steps are done.
    package var doneCount = 0
    /// Why the next one failed; nil if it was not tried, or was broken off.
    package var fault: String?
    /// All steps are done, or it was given up.
    package var isOver = false
    /// The scratch database that was made and has not been dropped.
    package var scratch: String?

    package init(id: String, begunAt: String, server: ServerIdentity?, plan: RecoveryPlan) {
        self.id = id
        self.begunAt = begunAt
        self.server = server
        self.plan = plan
    }

    /// Where it stands, in a sentence.
    package var standing: String {
        let count = plan.steps.count
        if isOver { return "the recovery of \(begunAt) is over" }
        let reason = fault.map { ": \($0)" } ?? ""
        guard plan.steps.indices.contains(doneCount) else { return "all \(count) steps are done" }
        return "the recovery begun at \(begunAt) stands at step \(doneCount + 1) of \(count) "
            + "(\(plan.steps[doneCount].text))\(reason)"
    }
}

extension StateFolder {
    package func recoveryPath(_ watch: String) -> String { "\(path)/\(watch).recovery.json" }
    package func recoveryLogPath(_ watch: String) -> String { "\(path)/\(watch).recovery.log" }

    /// The last recovery of a watch; nil if there was none.
    package func recovery(_ watch: String) throws(Fault) -> RecoveryJournal? {
        guard let journal: RecoveryJournal = try read(recoveryPath(watch)) else { return nil }
        guard journal.version == 1 else {
            throw Fault(description: "\(recoveryPath(watch)) is of a later version of Holdfast")
        }
        return journal
    }

    package func write(_ journal: RecoveryJournal, _ watch: String) throws(Fault) {
        try write(journal, to: recoveryPath(watch))
    }

    /// One recovery of a watch at a time.
    ///
    /// - Returns: nil if another process is at it.
    package func lockRecovery(_ watch: String) throws(Fault) -> Lock? {
        try create()
        return try lock(file: "\(path)/\(watch).recovery.lock")
    }
}
