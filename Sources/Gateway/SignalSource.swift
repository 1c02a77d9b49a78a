import CLinux
import Glibc
import Transport

/// The signals that a running proxy answers, as events. Made before any other thread, so that none of them gets one.
package final class SignalSource {
    private let descriptor: Int32

    package enum Event: Sendable, Hashable {
        /// SIGTERM or SIGINT.
        case stop
        /// SIGHUP.
        case reload
        /// SIGUSR1.
        case report
        /// The other descriptor that was waited for is readable.
        case other
        /// The time is up.
        case timeout
    }

    package init() throws(TransportError) {
        let signals = [SIGTERM, SIGINT, SIGHUP, SIGUSR1]
        descriptor = linux_signal_descriptor(signals, Int32(signals.count))
        guard descriptor >= 0 else {
            throw TransportError(operation: "create", address: "signalfd", code: -descriptor)
        }
        // A client that is gone is told by send(2), not by a signal.
        signal(SIGPIPE, SIG_IGN)
    }

    deinit { _ = Glibc.close(descriptor) }

    /// Waits for the next event.
    ///
    /// - Parameters:
    ///   - other: a descriptor to watch as well.
    ///   - milliseconds: how long at most; -1 for ever.
    package func next(orReadable other: Int32? = nil, milliseconds: Int32 = -1) -> Event {
        while true {
            let signalNumber = linux_signal_read(descriptor)
            if signalNumber == SIGHUP { return .reload }
            if signalNumber == SIGUSR1 { return .report }
            if signalNumber == SIGTERM || signalNumber == SIGINT { return .stop }
            var polled = [pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)]
            if let other { polled.append(pollfd(fd: other, events: Int16(POLLIN), revents: 0)) }
            let count = poll(&polled, nfds_t(polled.count), milliseconds)
            if count == 0 { return .timeout }
            if polled.count == 2, polled[1].revents != 0, polled[0].revents == 0 { return .other }
        }
    }
}
