/// How a loop waits for its sockets: by epoll, or by io_uring where the kernel allows it. Events are the same.
package enum LoopSelector {
    case epoll(EpollSelector)
    case ring(RingSelector)

    /// Which of them.
    package enum Kind: Sendable, Hashable {
        case epoll
        /// io_uring for all sessions that relay.
        case ring
        /// io_uring while a loop's waits bring many events at once (``CrowdMeter``), else epoll.
        case whicheverPays
    }

    /// - Throws: what the kernel says against it; ``RingSelector/init(_:)``.
    package init(_ kind: Kind) throws(TransportError) {
        switch kind {
        case .epoll: self = .epoll(try EpollSelector())
        case .ring, .whicheverPays: self = .ring(try RingSelector())
        }
    }

    /// The calling thread is the selector's from here on.
    package func begin() throws(TransportError) {
        switch self {
        case .epoll: break
        case .ring(let ring): try ring.begin()
        }
    }

    /// Reports the socket's events with `value` from now on, until it is closed: what is so already is reported at once.
    ///
    /// - Parameter watchesWrites: the stream's.
    package func add(_ descriptor: Int32, value: UInt64, watchesWrites: Bool) throws(TransportError) {
        switch self {
        case .epoll(let epoll): try epoll.add(descriptor, value: value, watchesWrites: watchesWrites)
        case .ring(let ring): try ring.add(descriptor, value: value, watchesWrites: watchesWrites)
        }
    }

    /// Reports the descriptor whenever something comes that can be read from it.
    package func addReadable(_ descriptor: Int32, value: UInt64) throws(TransportError) {
        switch self {
        case .epoll(let epoll): try epoll.addReadable(descriptor, value: value)
        case .ring(let ring): try ring.addReadable(descriptor, value: value)
        }
    }

    /// Reports from now on that the socket can be written to, at once if it can; or need not any more.
    package func watchWrites(_ descriptor: Int32, value: UInt64, _ isWatched: Bool) {
        switch self {
        case .epoll(let epoll): epoll.watchWrites(descriptor, value: value, isWatched)
        case .ring(let ring): ring.watchWrites(descriptor, value: value, isWatched)
        }
    }

    /// Reports nothing of the socket any more, which stays open. Events that `wait` has in hand may still come.
    package func remove(_ descriptor: Int32) {
        switch self {
        case .epoll(let epoll): epoll.remove(descriptor)
        case .ring(let ring): ring.remove(descriptor)
        }
    }

    /// The socket is about to be closed.
    package func willClose(_ descriptor: Int32) {
        switch self {
        case .epoll: break
        case .ring(let ring): ring.willClose(descriptor)
        }
    }

    /// Waits for events and hands each to `body`.
    ///
    /// - Parameter isPatient: waits until there is one; else looks only.
    package func wait(isPatient: Bool, _ body: (_ value: UInt64, _ event: SelectorEvent) -> Void) {
        switch self {
        case .epoll(let epoll): epoll.wait(milliseconds: isPatient ? -1 : 0) { body($0, .ready($1)) }
        case .ring(let ring): ring.wait(isPatient: isPatient, body)
        }
    }
}
