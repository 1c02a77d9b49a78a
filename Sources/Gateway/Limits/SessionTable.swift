import Configuration
import Policy
import Synchronization

/// Every open session of the proxy, for the limits that count them. Any thread; touched when a session begins and ends, and
/// at a reload.
final class SessionTable: Sendable {
    /// What limits know a session by.
    struct Member: Sendable {
        var subject: Subject
        var tag: String
        var address: AddressKey
    }

    /// A session's place in the table.
    struct Ticket: Sendable, Hashable {
        fileprivate var number: Int
    }

    enum Admission: Sendable {
        case admitted(Ticket)
        /// `max_clients` sessions are open.
        case full
        /// As many as the limit allows are open.
        case limited(by: SessionLimit)
    }

    private struct Key: Hashable {
        var limit: Int
        var part: Part
    }

    private enum Part: Hashable {
        case all
        case name(String)
        case address(AddressKey)
    }

    private struct State {
        var maximumClients: Int
        var limits: [SessionLimit]
        /// By number; nil where a session has ended.
        var members: [Member?] = []
        var freeNumbers: [Int] = []
        var counts: [Key: Int] = [:]

        var count: Int { members.count - freeNumbers.count }
    }

    private let state: Mutex<State>

    init(maximumClients: Int, limits: [SessionLimit]) {
        state = Mutex(State(maximumClients: maximumClients, limits: limits))
    }

    /// Open sessions.
    var count: Int { state.withLock { $0.count } }

    /// Lets a session in, if every limit that concerns it has room. All of them are asked before any is counted.
    func admit(_ member: Member) -> Admission {
        state.withLock { state in
            guard state.count < state.maximumClients else { return .full }
            let keys = Self.keys(of: member, limits: state.limits)
            for key in keys {
                let limit = state.limits[key.limit]
                guard state.counts[key, default: 0] < limit.maximumClients ?? .max else { return .limited(by: limit) }
            }
            for key in keys { state.counts[key, default: 0] += 1 }
            let number = state.freeNumbers.popLast() ?? state.members.count
            if number == state.members.count { state.members.append(nil) }
            state.members[number] = member
            return .admitted(Ticket(number: number))
        }
    }

    /// The session has ended.
    func leave(_ ticket: Ticket) {
        state.withLock { state in
            guard let member = state.members[ticket.number] else { return }
            state.members[ticket.number] = nil
            state.freeNumbers.append(ticket.number)
            for key in Self.keys(of: member, limits: state.limits) {
                guard let count = state.counts[key] else { continue }
                state.counts[key] = count > 1 ? count - 1 : nil
            }
        }
    }

    /// The limits of a new `proxy.conf`: what is open is counted anew. Sessions beyond a lower limit stay.
    ///
    /// - Parameter rules: their tags may be others now.
    func apply(maximumClients: Int, limits: [SessionLimit], rules: RuleSet) {
        state.withLock { state in
            state.maximumClients = maximumClients
            state.limits = limits
            state.counts = [:]
            for number in state.members.indices {
                guard var member = state.members[number] else { continue }
                member.tag = rules.tag(of: member.subject)
                state.members[number] = member
                for key in Self.keys(of: member, limits: limits) { state.counts[key, default: 0] += 1 }
            }
        }
    }

    /// Where a session is counted.
    private static func keys(of member: Member, limits: [SessionLimit]) -> [Key] {
        limits.indices.compactMap { index in
            let limit = limits[index]
            let subject = member.subject
            guard limit.maximumClients != nil,
                limit.matches(tag: member.tag, user: subject.user, database: subject.database)
            else { return nil }
            let part: Part =
                switch limit.each {
                case nil: .all
                case .user: .name(subject.user)
                case .database: .name(subject.database)
                case .tag: .name(member.tag)
                case .address: .address(member.address)
                }
            return Key(limit: index, part: part)
        }
    }
}
