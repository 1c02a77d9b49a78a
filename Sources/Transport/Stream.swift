import CLinux
import Glibc

/// A connected, non-blocking stream socket, and what the selector last said of it.
///
/// Registered once, edge-triggered: the flags say what may be tried; a call that would block clears its flag.
package struct Stream: ~Copyable {
    private let descriptor: OwnedDescriptor
    /// A read may bring something.
    package var isReadable = false
    /// A write may take something.
    package var isWritable = false
    /// The other side has said that it will send no more (or the socket failed): a short read is not the last.
    package var isHungUp = false
    /// A read found the end, or failed.
    package private(set) var hasEnded = false
    package private(set) var hasShutDown = false

    package var number: Int32 { descriptor.number }

    /// Takes over a connected or connecting socket.
    package init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }

    /// Small messages go out at once, and a peer that has vanished is noticed.
    package static func tune(_ number: Int32) {
        var on: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        setsockopt(number, Int32(IPPROTO_TCP), TCP_NODELAY, &on, size)
        setsockopt(number, SOL_SOCKET, SO_KEEPALIVE, &on, size)
    }

    /// Begins to connect. The socket becomes writable when that has succeeded or failed.
    package static func connecting(to address: SocketAddress) throws(TransportError) -> Stream {
        let flags = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let number = socket(address.family, flags, 0)
        guard number >= 0 else {
            throw TransportError(operation: "open a socket for", address: address.text, code: errno)
        }
        let stream = Stream(OwnedDescriptor(number))
        if !address.isUnix { tune(number) }
        if address.withSockaddr({ connect(number, $0, $1) }) != 0, errno != EINPROGRESS {
            throw TransportError(operation: "connect to", address: address.text, code: errno)
        }
        return stream
    }

    /// What became of `connecting(to:)`: 0, or an errno.
    package func connectionError() -> Int32 {
        var code: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(number, SOL_SOCKET, SO_ERROR, &code, &size) == 0 ? code : errno
    }

    /// The selector reported these events.
    package mutating func note(events: UInt32) {
        if events & (LINUX_EPOLL_IN | LINUX_EPOLL_HUP | LINUX_EPOLL_ERR | LINUX_EPOLL_RDHUP) != 0 { isReadable = true }
        if events & (LINUX_EPOLL_OUT | LINUX_EPOLL_HUP | LINUX_EPOLL_ERR) != 0 { isWritable = true }
        if events & (LINUX_EPOLL_HUP | LINUX_EPOLL_ERR | LINUX_EPOLL_RDHUP) != 0 { isHungUp = true }
    }

    /// Reads once. 0: nothing now, or the end (`hasEnded`).
    package mutating func receive(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        guard isReadable, !hasEnded, buffer.count > 0 else { return 0 }
        let count = linux_receive(number, buffer.baseAddress, buffer.count)
        if count > 0 {
            // A short read has emptied the socket, and more to come is a new edge (epoll(7)), unless the end is there.
            if count < buffer.count && !isHungUp { isReadable = false }
            return count
        }
        isReadable = false
        if count == -Int(EAGAIN) { return 0 }
        hasEnded = true
        return 0
    }

    /// Writes once; how much the socket took. A failed socket takes everything: the read side tells of the failure.
    package mutating func send(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard isWritable, bytes.count > 0 else { return 0 }
        let count = linux_send(number, bytes.baseAddress, bytes.count)
        if count >= 0 {
            if count < bytes.count { isWritable = false }
            return count
        }
        if count == -Int(EAGAIN) {
            isWritable = false
            return 0
        }
        hasFailed = true
        return bytes.count
    }

    /// A write failed: the peer is gone.
    package private(set) var hasFailed = false

    /// No more will be written.
    package mutating func shutDownWriting() {
        guard !hasShutDown else { return }
        hasShutDown = true
        _ = shutdown(number, Int32(SHUT_WR))
    }
}
