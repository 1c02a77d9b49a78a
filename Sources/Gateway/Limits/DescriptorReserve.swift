import CLinux
import Glibc
import PostgresWire
import Transport

/// A descriptor that is kept to be given up when no other is left: so that a client which waits can still be told why it
/// cannot come in. Used by the acceptor's thread.
final class DescriptorReserve {
    private var descriptor = linux_open_reserve()

    /// There is one to give up.
    var isFilled: Bool { descriptor >= 0 }

    /// Tries to have one again.
    func refill() {
        if descriptor < 0 { descriptor = linux_open_reserve() }
    }

    /// Accepts one client with it, tells it why, and closes.
    ///
    /// - Returns: whether a client was there.
    func turnAway(from listener: Listener) -> Bool {
        guard isFilled else { return false }
        _ = Glibc.close(descriptor)
        descriptor = -1
        defer { refill() }
        var failure: Int32 = 0
        guard let (socket, _) = listener.accept(failure: &failure) else { return false }
        defer { _ = Glibc.close(socket) }
        let words = WireWriter.errorResponse(.outOfDescriptors)
        _ = words.withUnsafeBytes { linux_send(socket, $0.baseAddress, $0.count) }
        _ = shutdown(socket, Int32(SHUT_WR))
        // What the client has sent must be read before the socket is closed, or the kernel takes back our words.
        var waited = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        if poll(&waited, 1, 50) == 1 {
            var thrownAway = [UInt8](repeating: 0, count: 16 << 10)
            _ = linux_receive(socket, &thrownAway, thrownAway.count)
        }
        return true
    }

    deinit {
        if descriptor >= 0 { _ = Glibc.close(descriptor) }
    }
}
