extension AuditRecord {
    /// What `holdfast recover` did: recovery records. The record's session names the database, and the operating-system user
    /// who ran it.
    package struct RecoveryStep: Sendable, Equatable {
        package enum Action: String, Sendable, CaseIterable {
            case begun
            /// A step begins.
            case step
            /// A statement, or a program, is about to be run.
            case statement
            case done
            case failed
            case finished
            case abandoned
        }

        package var action: Action
        /// The `[[watch]]` block.
        package var watch: String
        /// The recovery's id: the same in all its records.
        package var recovery: String
        /// Counted from 1; 0 for the recovery as such.
        package var step: Int64
        /// SQL, or a program's command line.
        package var statement: String?
        /// For people.
        package var text: String

        package init(
            action: Action, watch: String, recovery: String, step: Int64, statement: String?, text: String
        ) {
            self.action = action
            self.watch = watch
            self.recovery = recovery
            self.step = step
            self.statement = statement
            self.text = text
        }
    }

    package static func recovery(
        _ step: RecoveryStep, database: String, user: String, time: Int64, id: String
    ) -> AuditRecord {
        var record = AuditRecord(
            event: .recovery, time: time, id: id,
            session: SessionIdentity(
                session: "", client: "", user: user, database: database, applicationName: "", tag: ""))
        record.recovery = step
        return record
    }
}
