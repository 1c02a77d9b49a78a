import CLinux

/// How a loop waits for its sockets: by epoll, or by io_uring where the kernel allows it. Events are the same.
package struct LoopSelector {
    private let epoll: EpollSelector
    /// For so many nanoseconds it is looked for the next event before the thread sleeps until there is one; 0 for not at all.
    private let busyPoll: Int64
    /// The ring that sessions may be received from by; nil where epoll is all there is.
    package let ring: RingSelector?

    /// Which of them.
    package enum Kind: Sendable, Hashable {
        case epoll
        /// io_uring for all sessions that relay.
        case ring
        /// io_uring while a loop's waits bring many events at once (``CrowdMeter``), else epoll.
        case whicheverPays
    }

    /// - Parameter busyPoll: how long to look for the next event before sleeping, where that is by epoll. Whoever works sees
    ///   its answer sooner, at the price of a processor meanwhile; a loop without work sleeps as ever.
    /// - Throws: what the kernel says against it; ``RingSelector/init(_:_:)``.
    package init(_ kind: Kind, busyPoll: Duration = .zero) throws(TransportError) {
        self.busyPoll = busyPoll.nanoseconds
        epoll = try EpollSelector()
        ring = kind == .epoll ? nil : try RingSelector(epoll)
    }

    /// The calling thread is the selector's from here on.
    package func begin() throws(TransportError) { try ring?.begin() }

    /// Reports the socket's events with `value` from now on, until it is closed: what is so already is reported at once.
    ///
    /// - Parameter watchesWrites: the stream's.
    package func add(_ descriptor: Int32, value: UInt64, watchesWrites: Bool) throws(TransportError) {
        try epoll.add(descriptor, value: value, watchesWrites: watchesWrites)
    }

    /// Reports the descriptor whenever something comes that can be read from it.
    package func addReadable(_ descriptor: Int32, value: UInt64) throws(TransportError) {
        try epoll.addReadable(descriptor, value: value)
    }

    /// Reports from now on that the socket can be written to, at once if it can; or need not any more.
    package func watchWrites(_ descriptor: Int32, value: UInt64, _ isWatched: Bool) {
        if let ring {
            ring.watchWrites(descriptor, value: value, isWatched)
        } else {
            epoll.watchWrites(descriptor, value: value, isWatched)
        }
    }

    /// Reports nothing of the socket any more, which stays open. Events that `wait` has in hand may still come.
    package func remove(_ descriptor: Int32) {
        if let ring { ring.remove(descriptor) } else { epoll.remove(descriptor) }
    }

    /// The socket is about to be closed.
    package func willClose(_ descriptor: Int32) { ring?.willClose(descriptor) }

    /// Waits for events and hands each to `body`.
    ///
    /// - Parameter isPatient: waits until there is one; else looks only.
    package func wait(isPatient: Bool, _ body: (_ value: UInt64, _ event: SelectorEvent) -> Void) {
        if let ring, ring.isInUse { return ring.wait(isPatient: isPatient, body) }
        if isPatient, busyPoll > 0, look(body) { return }
        epoll.wait(milliseconds: isPatient ? -1 : 0) { body($0, .ready($1)) }
    }

    /// - Returns: whether an event came before the time was up.
    private func look(_ body: (_ value: UInt64, _ event: SelectorEvent) -> Void) -> Bool {
        let deadline = linux_clock_monotonic() &+ busyPoll
        repeat {
            if epoll.wait(milliseconds: 0, { body($0, .ready($1)) }) > 0 { return true }
        } while linux_clock_monotonic() < deadline
        return false
    }
}
