/// How far a record must have got before its statement may go on.
package enum AuditDurability: String, Sendable, CaseIterable {
    /// On the disk (`fdatasync`): survives a power cut.
    case fsync
    /// With the kernel (`write`): survives the proxy's end, not the machine's.
    case write
}

/// Why the trail could not take a record.
package struct AuditFault: Error, Sendable, Equatable {
    /// For the log: path, call and errno's text.
    package var description: String
    package init(description: String) { self.description = description }
}

/// Writes the audit trail: one thread, one file, group commit. Any thread may append.
package final class AuditWriter: Sendable {
    package init(path: String, durability: AuditDurability) throws(AuditFault) {}

    /// Queues records, in order. `completion` runs on the writer's thread once all of them are as durable as
    /// `durability` (nil: as configured) asks, or could not be written; it must only post somewhere.
    package func append(
        _ records: [AuditRecord], durability: AuditDurability? = nil,
        completion: (@Sendable (Result<Void, AuditFault>) -> Void)? = nil
    ) {
        completion?(.success(()))
    }

    /// Writes what is queued and ends the thread. Called once, last.
    package func close() {}
}
