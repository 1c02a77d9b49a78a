import CLinux

/// Waits for sockets of one loop. Every socket is registered once, edge-triggered.
package final class EpollSelector {
    private let epoll: OwnedDescriptor
    /// Can itself be watched: readable while there are events.
    var number: Int32 { epoll.number }
    private let events: UnsafeMutableBufferPointer<epoll_event>

    package init() throws(TransportError) {
        let number = linux_epoll_create()
        guard number >= 0 else { throw TransportError(operation: "create", address: "epoll", code: -number) }
        epoll = OwnedDescriptor(number)
        events = .allocate(capacity: 256)
    }

    deinit { events.deallocate() }

    /// Reports the socket's events with `value` from now on, until it is closed: what is so already is reported at once.
    ///
    /// - Parameter watchesWrites: also that it can be written to (``watchWrites(_:value:_:)``).
    package func add(_ descriptor: Int32, value: UInt64, watchesWrites: Bool) throws(TransportError) {
        let result = linux_epoll_add(epoll.number, descriptor, Self.bits(watchesWrites: watchesWrites), value)
        guard result >= 0 else { throw TransportError(operation: "register", address: "a socket", code: -result) }
    }

    /// Reports from now on that the socket can be written to, at once if it can; or does not any more.
    package func watchWrites(_ descriptor: Int32, value: UInt64, _ isWatched: Bool) {
        _ = linux_epoll_modify(epoll.number, descriptor, Self.bits(watchesWrites: isWatched), value)
    }

    private static func bits(watchesWrites: Bool) -> UInt32 {
        LINUX_EPOLL_IN | LINUX_EPOLL_RDHUP | LINUX_EPOLL_EDGE | (watchesWrites ? LINUX_EPOLL_OUT : 0)
    }

    /// Reports the descriptor, level-triggered, whenever it can be read.
    package func addReadable(_ descriptor: Int32, value: UInt64) throws(TransportError) {
        let result = linux_epoll_add(epoll.number, descriptor, LINUX_EPOLL_IN, value)
        guard result >= 0 else { throw TransportError(operation: "register", address: "a descriptor", code: -result) }
    }

    /// Reports nothing of the socket any more. Events that `wait` has in hand still come.
    package func remove(_ descriptor: Int32) { _ = linux_epoll_remove(epoll.number, descriptor) }

    /// Waits for events and hands each to `body`.
    ///
    /// - Parameter milliseconds: how long at most; 0 looks only, -1 waits for ever.
    /// - Returns: how many.
    @discardableResult
    package func wait(milliseconds: Int32, _ body: (_ value: UInt64, _ events: UInt32) -> Void) -> Int {
        guard let base = events.baseAddress else { return 0 }
        let count = max(0, Int(linux_epoll_wait(epoll.number, base, Int32(events.count), milliseconds)))
        for index in 0..<count {
            body(linux_epoll_value(base + index), linux_epoll_bits(base + index))
        }
        return count
    }

    /// Hands all events that there are now to `body`.
    func waitForAll(_ body: (_ value: UInt64, _ event: SelectorEvent) -> Void) {
        // Descriptors that stay readable come with every call: they alone never fill one.
        while wait(milliseconds: 0, { body($0, .ready($1)) }) == events.count {}
    }
}
