import Synchronization
import Transport

/// The connections that have not logged in yet, of all loops. Any thread; touched when a connection comes, says who it is
/// and has logged in or gone.
///
/// There is room for so many. When one more comes, one must go: one that has not even said who it is, before one that has;
/// one of an address that holds an eighth of the room or more, before one of others; and of those the oldest. So whoever
/// holds thousands of silent connections open loses his own, from one address or from many, and a client that comes and
/// speaks is let in.
final class LoginTable: Sendable {
    /// A connection's place in the table.
    struct Ticket: Sendable, Hashable {
        fileprivate var number: UInt64
    }

    /// Where a connection lives.
    struct Place: Sendable {
        var mailbox: Mailbox<LoopLetter>
        var owner: UInt64
    }

    private final class Bucket {
        var silent = 0
        var speaking = 0
    }

    private struct Entry {
        var address: AddressKey
        var bucket: Bucket
        var place: Place
        /// Monotonic nanoseconds.
        var since: Int64
        var isSilent = true
    }

    private struct State {
        var entries: [UInt64: Entry] = [:]
        var buckets: [AddressKey: Bucket] = [:]
        var silentCount = 0
        var lastNumber: UInt64 = 0
        var capacity: Int
    }

    // Buckets are reached under the lock only.
    private let state: Mutex<State>

    /// - Parameter capacity: at least 1.
    init(capacity: Int) { state = Mutex(State(capacity: max(1, capacity))) }

    /// Connections that have not logged in.
    var count: Int { state.withLock { $0.entries.count } }

    var capacity: Int {
        get { state.withLock { $0.capacity } }
        set { state.withLock { $0.capacity = max(1, newValue) } }
    }

    /// A connection has come.
    ///
    /// - Parameter now: a monotonic clock, in nanoseconds.
    /// - Returns: its ticket, and the place of the connection that must go for it, if one must.
    func enter(_ address: AddressKey, place: Place, now: Int64) -> (ticket: Ticket, victim: Place?) {
        state.withLock { state in
            let victim = state.entries.count >= state.capacity ? Self.takeVictim(&state) : nil
            state.lastNumber &+= 1
            let bucket = Self.bucket(&state, address)
            bucket.silent += 1
            state.silentCount += 1
            state.entries[state.lastNumber] = Entry(address: address, bucket: bucket, place: place, since: now)
            return (Ticket(number: state.lastNumber), victim)
        }
    }

    /// A descriptor is needed: the silent connection that must go for it, if one has been silent since before a time.
    func takeSilentVictim(before time: Int64) -> Place? {
        state.withLock { state in
            state.silentCount > 0 ? Self.takeVictim(&state, silentSince: time) : nil
        }
    }

    /// The connection's true address has become known (PROXY protocol).
    func move(_ ticket: Ticket, to address: AddressKey) {
        state.withLock { state in
            guard state.entries[ticket.number]?.address != address,
                var entry = Self.remove(&state, ticket.number)
            else { return }
            entry.address = address
            entry.bucket = Self.bucket(&state, address)
            if entry.isSilent {
                entry.bucket.silent += 1
                state.silentCount += 1
            } else {
                entry.bucket.speaking += 1
            }
            state.entries[ticket.number] = entry
        }
    }

    /// The connection has said who it is.
    func speaks(_ ticket: Ticket) {
        state.withLock { state in
            guard let entry = state.entries[ticket.number], entry.isSilent else { return }
            entry.bucket.silent -= 1
            entry.bucket.speaking += 1
            state.silentCount -= 1
            state.entries[ticket.number]?.isSilent = false
        }
    }

    /// The connection has logged in, or gone.
    func leave(_ ticket: Ticket) { state.withLock { _ = Self.remove(&$0, ticket.number) } }

    private static func bucket(_ state: inout State, _ address: AddressKey) -> Bucket {
        if let bucket = state.buckets[address] { return bucket }
        let bucket = Bucket()
        state.buckets[address] = bucket
        return bucket
    }

    @discardableResult
    private static func remove(_ state: inout State, _ number: UInt64) -> Entry? {
        guard let entry = state.entries.removeValue(forKey: number) else { return nil }
        if entry.isSilent {
            entry.bucket.silent -= 1
            state.silentCount -= 1
        } else {
            entry.bucket.speaking -= 1
        }
        if entry.bucket.silent == 0, entry.bucket.speaking == 0 { state.buckets[entry.address] = nil }
        return entry
    }

    /// One look at every entry: a table of thousands costs some 20 µs, and only while it is full.
    private static func takeVictim(_ state: inout State, silentSince time: Int64 = .max) -> Place? {
        let wantsSilent = state.silentCount > 0
        let heavy = max(2, state.capacity / 8)
        var victim: (number: UInt64, isHeavy: Bool)?
        for (number, entry) in state.entries where entry.isSilent == wantsSilent && entry.since < time {
            let isHeavy = (wantsSilent ? entry.bucket.silent : entry.bucket.speaking) >= heavy
            if let best = victim, best.isHeavy != isHeavy ? best.isHeavy : best.number < number { continue }
            victim = (number, isHeavy)
        }
        guard let victim else { return nil }
        return remove(&state, victim.number)?.place
    }
}
