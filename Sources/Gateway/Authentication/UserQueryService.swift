import Authentication
import CLinux
import Dispatch
import Logging
import ServerLink
import Synchronization

/// Asks a server for users' SCRAM secrets (`[users] connection` and `query`), on threads that may block; a loop only asks and
/// is answered.
///
/// A few connections, opened when they are first needed. Who asks meanwhile waits in line; a session that has waited too
/// long ends by its login timeout.
package final class UserQueryService: Sendable {
    struct Settings: Sendable, Hashable {
        var connection: String
        var query: String
        var cacheTime: Duration
    }

    let settings: Settings
    private let logger: Logger
    private let state: Mutex<State>

    private struct State {
        var waiting: [Request] = []
        var idleDesks: [Desk] = []
        var deskCount = 0
        var isStopped = false
        var cache: [String: Cached] = [:]
        /// The fault that the log has been told.
        var fault: String?
    }

    private struct Request {
        var user: String
        var answer: @Sendable (UserLookup) -> Void
    }

    private struct Cached {
        var lookup: UserLookup
        /// Monotonic nanoseconds.
        var until: Int64
    }

    /// More connections would take what the sessions themselves need from the server.
    private static let mostDesks = 4
    /// Names that somebody makes up must not fill the memory.
    private static let mostCached = 10_000

    init(_ settings: Settings, logger: Logger) {
        self.settings = settings
        self.logger = logger
        state = Mutex(State())
    }

    /// - Parameter answer: called once: at once for what is cached, else on another thread.
    func find(_ user: String, answer: @escaping @Sendable (UserLookup) -> Void) {
        if let cached = cached(user) { return answer(cached) }
        let desk: Desk? = state.withLock { state in
            state.waiting.append(Request(user: user, answer: answer))
            if let idle = state.idleDesks.popLast() { return idle }
            guard state.deskCount < Self.mostDesks else { return nil }
            state.deskCount += 1
            return Desk(settings, number: state.deskCount)
        }
        guard let desk else { return }
        desk.queue.async { self.work(desk) }
    }

    func forget(_ user: String) { _ = state.withLock { $0.cache.removeValue(forKey: user) } }

    /// Ends the connections; who still waits is told that nobody can be asked.
    func stop() {
        let (desks, waiting) = state.withLock { state in
            state.isStopped = true
            defer { (state.idleDesks, state.waiting, state.cache) = ([], [], [:]) }
            return (state.idleDesks, state.waiting)
        }
        for desk in desks { desk.queue.async { desk.end() } }
        for request in waiting {
            request.answer(
                UserLookup(answer: .unavailable("the lookup ends"), mockSecret: AuthenticationPolicy.processSecret))
        }
    }

    private func cached(_ user: String) -> UserLookup? {
        guard settings.cacheTime > .zero else { return nil }
        let now = linux_clock_monotonic()
        return state.withLock { state in
            guard let cached = state.cache[user], cached.until > now else { return nil }
            return cached.lookup
        }
    }

    private func keep(_ lookup: UserLookup, of user: String) {
        if case .unavailable = lookup.answer { return }
        guard settings.cacheTime > .zero else { return }
        var kept = lookup
        kept.isCached = true
        let cached = Cached(lookup: kept, until: linux_clock_monotonic() &+ settings.cacheTime.nanoseconds)
        state.withLock { state in
            if state.cache.count >= Self.mostCached { state.cache.removeAll(keepingCapacity: true) }
            state.cache[user] = cached
        }
    }

    /// Answers whoever waits, until nobody does. On the desk's queue.
    private func work(_ desk: Desk) {
        while true {
            let request: Request? = state.withLock { state in
                if !state.waiting.isEmpty { return state.waiting.removeFirst() }
                if !state.isStopped { state.idleDesks.append(desk) }
                return nil
            }
            guard let request else {
                if state.withLock(\.isStopped) { desk.end() }
                return
            }
            let lookup: UserLookup
            do throws(ServerFault) {
                lookup = try desk.find(request.user)
                tell(nil)
            } catch {
                lookup = UserLookup(
                    answer: .unavailable(error.description), mockSecret: AuthenticationPolicy.processSecret)
                tell(error.description)
            }
            keep(lookup, of: request.user)
            request.answer(lookup)
        }
    }

    /// Told once each time that it changes.
    private func tell(_ fault: String?) {
        let hasChanged = state.withLock { state in
            defer { state.fault = fault }
            return state.fault != fault
        }
        guard hasChanged else { return }
        if let fault {
            logger.error("users cannot be looked up, and nobody new gets in: \(fault) ([users] in proxy.conf)")
        } else {
            logger.notice("users can be looked up again")
        }
    }
}

/// One connection for lookups.
// Everything but the queue is touched on the queue only.
private final class Desk: @unchecked Sendable {
    let queue: DispatchQueue
    private let settings: UserQueryService.Settings
    private var connection: ServerConnection?
    private var mockSecret = AuthenticationPolicy.processSecret

    /// A server that does not answer must not hold the desk for ever.
    private static let patience = "SET statement_timeout = '10s'"

    init(_ settings: UserQueryService.Settings, number: Int) {
        self.settings = settings
        queue = DispatchQueue(label: "holdfast.users.\(number)")
    }

    func end() { connection = nil }

    /// Asks once more on a new connection if the old one turns out to be broken.
    func find(_ user: String) throws(ServerFault) -> UserLookup {
        if let connection, connection.isAlive {
            do throws(ServerFault) {
                return try ask(connection, user)
            } catch {
                guard case .unreachable = error else { throw error }
            }
        }
        connection = nil
        let opened = try ServerConnection(settings.connection, purpose: "users")
        try opened.run(script: Self.patience)
        // Holdfast's own secret is as good as a password nobody knows, and the same for all instances.
        let own = try opened.query(settings.query, [opened.user]).rows.first?.last ?? nil
        mockSecret = own.flatMap { ScramVerifier($0) }?.commonSecret ?? AuthenticationPolicy.processSecret
        connection = opened
        return try ask(opened, user)
    }

    private func ask(_ connection: ServerConnection, _ user: String) throws(ServerFault) -> UserLookup {
        let row = try connection.query(settings.query, [user]).rows.first
        return UserLookup(answer: Self.answer(row), mockSecret: mockSecret)
    }

    private static func answer(_ row: [String?]?) -> UserLookup.Answer {
        guard let row else { return .none("there is no such role") }
        guard let secret = row.last ?? nil else { return .none("the role has no password, or it has expired") }
        if let verifier = ScramVerifier(secret) { return .found(verifier) }
        return .none(
            secret.hasPrefix("md5")
                ? "the role's password is stored as MD5, which is of no use for SCRAM"
                : "the role's password is not stored for SCRAM-SHA-256")
    }
}
