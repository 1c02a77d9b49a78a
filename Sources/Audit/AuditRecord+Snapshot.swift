extension AuditRecord {
    /// What became of a snapshot: snapshot records. The record's session names the database, and user and tag where they are
    /// known.
    package struct SnapshotEvent: Sendable, Equatable {
        package enum Action: String, Sendable, CaseIterable {
            case taken
            /// There is none: a statement that waited for it was refused.
            case failed
            case restored
            /// Deleted, as proxy.conf says or by hand.
            case removed
        }

        package var action: Action
        /// Its id; nil if there is none.
        package var snapshot: String?
        /// The intent of the statement that waited for it.
        package var intent: String?
        /// For people.
        package var text: String

        package init(action: Action, snapshot: String?, intent: String?, text: String) {
            self.action = action
            self.snapshot = snapshot
            self.intent = intent
            self.text = text
        }
    }

    package static func snapshot(
        _ event: SnapshotEvent, database: String, user: String, tag: String, time: Int64, id: String
    ) -> AuditRecord {
        var record = AuditRecord(
            event: .snapshot, time: time, id: id,
            session: SessionIdentity(
                session: "", client: "", user: user, database: database, applicationName: "", tag: tag))
        record.snapshot = event
        return record
    }
}
