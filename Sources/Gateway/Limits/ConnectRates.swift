import Configuration
import Synchronization

/// How often each address has connected lately. Any thread.
///
/// One number for an address: the time at which all its connections so far are paid for, each taking up the rate's interval
/// (GCRA, the token bucket without a clock of its own). An address whose time has passed is as good as unknown.
final class ConnectRates: Sendable {
    private struct State {
        var paidAt: [AddressKey: Int64] = [:]
    }

    private let state = Mutex(State())
    private let capacity: Int

    /// - Parameter capacity: how many addresses are known at once at most.
    init(capacity: Int = 65_536) { self.capacity = capacity }

    /// Counts a connection.
    ///
    /// - Parameter now: a monotonic clock, in nanoseconds.
    /// - Returns: whether it is within the rate. One that is not costs the address nothing.
    func allows(_ address: AddressKey, rate: ConnectRate, now: Int64) -> Bool {
        if address.isLocal { return true }
        let (span, overflow) = rate.interval.multipliedReportingOverflow(by: Int64(rate.burst))
        let most = overflow ? Int64.max / 2 : span
        return state.withLock { state in
            let begin = max(state.paidAt[address] ?? now, now)
            guard begin &- now &+ rate.interval <= most else { return false }
            if state.paidAt[address] == nil, state.paidAt.count >= capacity {
                state.paidAt = state.paidAt.filter { $0.value > now }
                // A flood from everywhere: no single address is the one that floods, and max_logins is there for it.
                if state.paidAt.count >= capacity { state.paidAt.removeAll(keepingCapacity: true) }
            }
            state.paidAt[address] = begin &+ rate.interval
            return true
        }
    }

    /// How many addresses are known.
    var count: Int { state.withLock { $0.paidAt.count } }
}
