/// Tells whether a loop's waits bring so many events at once that io_uring pays.
///
/// With one event a wait epoll is cheaper: the kernel hands the processor on to a waiting loop at once (`wake_up_sync` in
/// `ep_poll_callback`, fs/eventpoll.c), and wakes one that waits by io_uring as any other thread. With several, one call for
/// all reads, writes and the wait is cheaper than one for each. Pure arithmetic.
package struct CrowdMeter: Sendable {
    /// Events a wait, averaged over about 64 waits, times 1024.
    private var average = 0
    private var waitsSinceChange = 0
    /// What pays as far as is known.
    package private(set) var isCrowded = false

    static let crowded = 1792
    static let lonely = 1331
    /// Changing costs a few calls for each session: not more often than that.
    static let fewestWaits = 512

    package init() {}

    /// A wait has brought so many events.
    ///
    /// - Returns: whether `isCrowded` has changed.
    package mutating func note(events: Int) -> Bool {
        guard events > 0 else { return false }
        average += (min(events, 1024) << 10 - average) >> 6
        waitsSinceChange += 1
        guard waitsSinceChange >= Self.fewestWaits else { return false }
        guard isCrowded ? average < Self.lonely : average > Self.crowded else { return false }
        isCrowded.toggle()
        waitsSinceChange = 0
        return true
    }
}
