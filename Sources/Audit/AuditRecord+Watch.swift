extension AuditRecord {
    /// What `holdfast serve` found in a watched database, or no longer finds: watch records. The record's session names
    /// the database.
    package struct WatchedThing: Sendable, Equatable {
        package enum State: String, Sendable, CaseIterable {
            case raised, cleared
        }

        /// The `[[watch]]` block.
        package var watch: String
        /// What was found: `table_missing` …
        package var check: String
        /// What it is about: a table, a revision; empty for the database as such.
        package var subject: String
        package var state: State
        /// When it was raised: nanoseconds since 1970.
        package var since: Int64
        /// For people.
        package var text: String

        package init(watch: String, check: String, subject: String, state: State, since: Int64, text: String) {
            self.watch = watch
            self.check = check
            self.subject = subject
            self.state = state
            self.since = since
            self.text = text
        }
    }

    /// A watch record, with an id made from its parts.
    package static func watched(_ thing: WatchedThing, database: String, time: Int64, id: String) -> AuditRecord {
        var record = AuditRecord(
            event: .watch, time: time, id: id,
            session: SessionIdentity(
                session: "", client: "", user: "", database: database, applicationName: "", tag: ""))
        record.watched = thing
        return record
    }
}
