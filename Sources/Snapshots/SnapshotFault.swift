/// Why there is no snapshot, or none that could be restored.
package enum SnapshotFault: Error, Sendable, Equatable, CustomStringConvertible {
    /// Holdfast's own connection failed, or the server answered with an error.
    case server(String)
    /// The client's own transaction holds what a dump would wait for.
    case lockedByClient([String])
    /// Somebody else held a lock for longer than `lock_timeout`.
    case lockTimeout(String)
    /// It took longer than `timeout` allows.
    case late(milliseconds: Int)
    /// Its files would be larger than `max_size` allows.
    case large(limit: Int)
    /// It is not known what would go.
    case unknownLoss
    /// What would go cannot be seen from another connection, though the client did not make it.
    case vanished(UInt32)
    /// What would go could not be brought back.
    case beyondReach(String)
    /// A program is missing, of a wrong version, or ended with an error.
    case program(String)
    /// The folder of snapshots, or a file in it.
    case file(String)
    /// Holdfast is shutting down.
    case stopped
    /// Whoever waited for it waits no longer.
    case abandoned

    package var description: String {
        switch self {
        case .server(let reason): "the database cannot be read for it: \(reason)"
        case .lockedByClient(let names):
            "this transaction itself has locked \(names.joined(separator: ", ")) exclusively (LOCK, ALTER, TRUNCATE …), so that "
                + "nobody else can read it; commit that first, or do the loss in a transaction of its own"
        case .lockTimeout(let reason): "it waited too long for a lock ([snapshots] lock_timeout): \(reason)"
        case .late(let milliseconds):
            "it was not done within \(Double(milliseconds) / 1000) s ([snapshots] timeout)"
        case .large(let limit): "it would have more than \(SnapshotManifest.size(limit)) ([snapshots] max_size)"
        case .unknownLoss:
            "it is not known for certain what the statement would take; write the names out, one statement a message "
                + "([snapshots] unknown)"
        case .vanished(let oid):
            "the relation of OID \(oid) is not there for Holdfast's own connection: it was dropped just now (run the "
                + "statement again), or [snapshots] connection leads to another server"
        case .beyondReach(let reason): reason
        case .program(let reason): reason
        case .file(let reason): reason
        case .stopped: "Holdfast is shutting down"
        case .abandoned: "the statement was cancelled, or its client left, before it was done"
        }
    }

    /// Whether proxy.conf may let the statement pass with the definitions alone.
    var isBeyondLimits: Bool {
        switch self {
        case .late, .large: true
        case .server, .lockedByClient, .lockTimeout, .unknownLoss, .vanished, .beyondReach, .program, .file, .stopped,
            .abandoned:
            false
        }
    }

    /// Something that the exported snapshot shows was dropped by another session before it could be read: a snapshot of now
    /// will not show it.
    var isRace: Bool {
        switch self {
        case .server(let reason), .program(let reason):
            ["does not exist", "could not open relation", "cache lookup failed"].contains { reason.contains($0) }
        case .lockedByClient, .lockTimeout, .late, .large, .unknownLoss, .vanished, .beyondReach, .file, .stopped,
            .abandoned:
            false
        }
    }
}
