import CLinux
import Foundation
import Glibc
import Logging
import Transport

/// Accepts clients on all listeners and gives each to a loop. One thread.
package final class Acceptor: Sendable {
    private let wake: Int32
    private let ended = DispatchGroup()
    private let applyKeepalive: [@Sendable (KeepaliveOptions) -> Void]

    /// Starts to accept.
    ///
    /// - Parameter listeners: with the name of each in `proxy.conf`; closed when the acceptor stops.
    init(
        listeners: sending [(name: String, listener: Listener)], group: LoopGroup, limits: Limits, logger: Logger
    ) throws(TransportError) {
        wake = linux_eventfd()
        guard wake >= 0 else { throw TransportError(operation: "create", address: "eventfd", code: -wake) }
        applyKeepalive = listeners.map(\.listener.applyKeepalive)
        let (wake, ended) = (wake, ended)
        ended.enter()
        let run = AcceptorRun(listeners: listeners, wake: wake)
        let thread = Thread {
            linux_name_thread("acceptor")
            run.accept(into: group, limits: limits, logger: logger)
            ended.leave()
        }
        thread.start()
    }

    deinit { _ = Glibc.close(wake) }

    /// What clients' sockets are to have from here on. Not after ``stop()``.
    func apply(_ keepalive: KeepaliveOptions) {
        for apply in applyKeepalive { apply(keepalive) }
    }

    /// Stops accepting and closes the listeners.
    package func stop() {
        _ = linux_eventfd_signal(wake)
        ended.wait()
    }
}

/// What the acceptor's thread works with.
// Handed to one thread before it starts, and touched by nobody else.
private final class AcceptorRun: @unchecked Sendable {
    private var listeners: [(name: String, listener: Listener)]
    private let wake: Int32
    private static let acceptedPerTurn = 16
    /// Made before any client comes, while there are descriptors.
    private var shortage = DescriptorShortage()

    init(listeners: [(name: String, listener: Listener)], wake: Int32) {
        self.listeners = listeners
        self.wake = wake
    }

    func accept(into group: LoopGroup, limits: Limits, logger: Logger) {
        defer { listeners = [] }
        var users = PeerUsers()
        while true {
            // While nothing can be accepted, a listener stays readable: look away for a moment, then try again.
            let watched = shortage.delay > 0 ? [] : listeners
            var polled = watched.map { pollfd(fd: $0.listener.descriptor, events: Int16(POLLIN), revents: 0) }
            polled.append(pollfd(fd: wake, events: Int16(POLLIN), revents: 0))
            let count = poll(&polled, nfds_t(polled.count), shortage.delay > 0 ? shortage.delay : -1)
            shortage.delay = 0
            if count < 0 && errno != EINTR { return logger.critical("accepting ended: \(TransportError.text(errno))") }
            if polled.last.map({ $0.revents != 0 }) == true { return }
            for (entry, result) in zip(watched, polled) where result.revents != 0 {
                var failure: Int32 = 0
                // Several at a time: after a server's restart all clients come back at once.
                for _ in 0..<Self.acceptedPerTurn {
                    guard let (socket, peer) = entry.listener.accept(failure: &failure) else { break }
                    let user = entry.listener.address.isUnix ? users.name(for: socket) : nil
                    group.adopt(socket: socket, peer: peer, listener: entry.name, osUser: user)
                    shortage.accepted(logger: logger)
                }
                if [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(failure) {
                    shortage.failed(failure, at: entry.listener, limits: limits, logger: logger)
                }
            }
        }
    }
}
