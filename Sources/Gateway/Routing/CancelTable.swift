import Synchronization
import Transport

/// Which server a cancel key belongs to, for the sessions of this instance: a CancelRequest names no database, and of
/// several servers only one knows the key. Written at a session's begin and end; any thread.
final class CancelTable: Sendable {
    struct Route: Sendable {
        var upstream: Upstream
        var address: SocketAddress
    }

    private let routes = Mutex<[[UInt8]: Route]>([:])
    /// The sessions whose statement waits for a snapshot: the server knows nothing of it yet.
    private let tickets = Mutex<[[UInt8]: SnapshotService.Ticket]>([:])

    /// - Parameter key: BackendKeyData's body: the process and the secret, of any length (protocol 3.2: up to 256 bytes).
    func add(_ key: [UInt8], _ route: Route) { routes.withLock { $0[key] = route } }

    func remove(_ key: [UInt8]) { routes.withLock { $0[key] = nil } }

    /// A statement of the session with the key waits for a snapshot; nil: no longer.
    func hold(_ key: [UInt8], _ ticket: SnapshotService.Ticket?) { tickets.withLock { $0[key] = ticket } }

    /// The statement that waits for a snapshot, if one does, is not to run.
    func abandonSnapshot(_ key: [UInt8]) { tickets.withLock { $0[key]?.abandon() } }

    /// Where the session with the key is; nil if it is none of this instance's.
    func route(of key: [UInt8]) -> Route? { routes.withLock { $0[key] } }
}
