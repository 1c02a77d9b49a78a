import Policy

/// When a session has been too long in one state, found out without asking a clock for any message.
///
/// The session is looked at now and then (a sixteenth of its shortest timeout), and only while something happens on it: a
/// session in which nothing has changed between two looks is looked at again when its time is up, or when something
/// happens. So no timeout comes early, and none comes later than a sixteenth. Pure: times are nanoseconds of any monotonic
/// clock.
final class SessionWatch {
    enum State: Hashable {
        /// Not logged in, or a message of the client's is held back: nothing is timed.
        case untimed
        case idle
        case idleInTransaction
        /// The server works on a statement.
        case running
    }

    enum Verdict: Hashable {
        /// Nothing to do; look again at the deadline, if there is one.
        case fine
        case idleTooLong
        case idleInTransactionTooLong
        /// The statement is to be cancelled.
        case runsTooLong
        /// It was, and runs on.
        case ignoresCancel
    }

    /// How long a cancelled statement may take to end.
    static let grace: Int64 = 10_000_000_000

    private(set) var timeouts: SessionTimeouts
    /// When to look again; nil is never by itself.
    private(set) var deadline: Int64?
    /// Nothing changed between the last two looks: tell `wake` when something happens.
    private(set) var wantsWake: Bool

    private struct Sighting: Hashable {
        var state: State
        var epoch: UInt64
    }

    private var seen: Sighting?
    private var seenAt: Int64 = 0
    private var cancelledAt: Int64?

    init(_ timeouts: SessionTimeouts) {
        self.timeouts = timeouts
        wantsWake = timeouts != .none
    }

    /// Whether anything is timed at all.
    var isNeeded: Bool { timeouts != .none }

    /// Other timeouts hold from now on; what has passed counts.
    func change(_ timeouts: SessionTimeouts, now: Int64) {
        self.timeouts = timeouts
        deadline = nil
        wake(now: now)
    }

    /// Something happens on a session that slept.
    func wake(now: Int64) {
        wantsWake = false
        guard isNeeded else { return }
        deadline = min(deadline ?? .max, now &+ interval)
    }

    /// Looks at the session.
    ///
    /// - Parameter epoch: another number whenever the state has ended in between, or another statement runs.
    func look(now: Int64, state: State, epoch: UInt64) -> Verdict {
        deadline = nil
        let sighting = Sighting(state: state, epoch: epoch)
        guard seen == sighting else {
            seen = sighting
            seenAt = now
            cancelledAt = nil
            wantsWake = false
            if isNeeded { deadline = now &+ interval }
            return .fine
        }
        wantsWake = isNeeded
        if let cancelledAt {
            guard now < cancelledAt &+ Self.grace else { return .ignoresCancel }
            deadline = cancelledAt &+ Self.grace
            return .fine
        }
        let (limit, verdict): (Int64, Verdict) =
            switch state {
            case .untimed: (0, .fine)
            case .idle: (timeouts.idle, .idleTooLong)
            case .idleInTransaction: (timeouts.idleInTransaction, .idleInTransactionTooLong)
            case .running: (timeouts.query, .runsTooLong)
            }
        guard limit > 0 else { return .fine }
        guard now >= seenAt &+ limit else {
            deadline = seenAt &+ limit
            return .fine
        }
        if verdict == .runsTooLong {
            cancelledAt = now
            deadline = now &+ Self.grace
        }
        return verdict
    }

    /// 10 ms at least.
    private var interval: Int64 {
        let shortest: Int64 = [timeouts.idle, timeouts.idleInTransaction, timeouts.query].filter { $0 > 0 }.min() ?? 0
        return max(shortest / 16, 10_000_000)
    }
}
