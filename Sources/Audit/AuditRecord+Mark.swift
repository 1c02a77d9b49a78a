extension AuditRecord {
    /// What the trail says of itself: where a file begins and ends, what a crash left, how far the chain has come. Each event
    /// has those that apply to it.
    package struct Mark: Sendable, Equatable {
        /// Which trail this is: made at random with its first file, the same in all of them.
        package var instance: String?
        /// The number of the file that this record stands in; in `retired`, of the one that was deleted.
        package var file: Int64?
        /// The id of the key that seals the file.
        package var key: String?
        /// `file_start`: the file that the chain comes from.
        package var previousFile: Int64?
        /// `file_start`: intents without an outcome in the files before, their ids.
        package var openIntents: [String]?
        /// `file_start`: prepared transactions with recorded statements that nobody has decided in the files before
        /// (``PreparedTransactions/key(database:gid:)``).
        package var openPrepared: [String]?
        /// The chain's head: the last record before this one, and its code as 64 hexadecimal digits.
        package var headSequence: Int64?
        package var headCode: String?
        /// `file_end`: why the file ends.
        package var reason: String?
        /// `recovered`: length and SHA-256 of a line that was torn.
        package var tornByteCount: Int64?
        package var tornHash: String?
        /// `checkpoint`: Ed25519 over ``AuditCheckpoint``, in hexadecimal digits.
        package var signature: String?
        package init() {}
    }

    /// A record of the trail's own.
    static func mark(_ event: Event, _ mark: Mark, time: Int64) -> AuditRecord {
        AuditRecord(
            event: event, time: time, id: "\(event.rawValue)-\(String(time, radix: 16))", session: .nobody, mark: mark)
    }
}
