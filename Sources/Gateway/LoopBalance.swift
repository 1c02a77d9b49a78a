/// On which loops sessions should run, from how busy each loop was lately.
///
/// A loop that has much to do wakes once for many sockets. The same sessions spread over idle loops wake each of them for
/// one: 11 to 28 % more CPU for a transaction (pgbench -S, 8 and 32 clients, two loops against one). So sessions share
/// the first loop until it has enough to do, move to others before they have to wait for each other (if a core is free for
/// that), and come back.
struct LoopBalance {
    /// One loop over the last interval.
    struct Load {
        /// Share of the interval that its thread ran, 0 to 1.
        var utilization: Double
        /// Share of the interval that its thread could have run and waited for a core, 0 to 1.
        var waiting = 0.0
        var sessions: Int
    }

    /// Give sessions with this share of the work of `from` to `to`; 1 is all of them.
    struct Move: Equatable {
        var from: Int
        var to: Int
        var share: Double
    }

    /// Above this, sessions of one loop wait for each other often enough to matter.
    static let busy = 0.75
    /// Two loops that have less than this to do together can be one. Far enough below `busy` that sessions which have
    /// moved apart do not come back for the same load.
    static let idle = 0.55
    /// A loop that waits longer than this finds every core taken: a second loop would take from the first, or from the
    /// server and the clients, and each wakes for fewer sockets.
    static let crowded = 0.1
    /// A loop has to be busy, or idle, for so many intervals in a row.
    static let patience = 3

    private var busyFor = 0
    private var idleFor = 0

    /// The loop for a new session: the first that has time.
    static func home(for loads: [Load]) -> Int {
        if let first = loads.firstIndex(where: { $0.utilization < busy }) { return first }
        return loads.indices.min { loads[$0].sessions < loads[$1].sessions } ?? 0
    }

    /// What to move after an interval, if anything.
    mutating func next(_ loads: [Load]) -> Move? {
        let spread = Self.spread(loads)
        busyFor = spread == nil ? 0 : busyFor + 1
        let gathered = spread == nil ? Self.gathered(loads) : nil
        idleFor = gathered == nil ? 0 : idleFor + 1
        if busyFor >= Self.patience { return spread }
        // Less urgent.
        if idleFor >= Self.patience * 4 { return gathered }
        return nil
    }

    /// From the busiest to the idlest, so that both have the same.
    private static func spread(_ loads: [Load]) -> Move? {
        guard let from = loads.indices.max(by: { loads[$0].utilization < loads[$1].utilization }),
            let to = loads.indices.min(by: { loads[$0].utilization < loads[$1].utilization })
        else { return nil }
        let difference = loads[from].utilization - loads[to].utilization
        guard loads[from].utilization > busy, loads[from].sessions > 1, difference > 0.25 else { return nil }
        guard loads[from].waiting < crowded else { return nil }
        return Move(from: from, to: to, share: difference / 2 / loads[from].utilization)
    }

    /// The last loop that has sessions gives them to the first that can take them.
    private static func gathered(_ loads: [Load]) -> Move? {
        guard let from = loads.lastIndex(where: { $0.sessions > 0 }),
            let to = loads.indices.first(where: { $0 < from && loads[$0].utilization + loads[from].utilization < idle })
        else { return nil }
        return Move(from: from, to: to, share: 1)
    }
}
