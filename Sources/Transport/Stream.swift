import CLinux
import Glibc
import TLSEngine

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
    /// The socket has failed (a reset, a peer that has vanished), whatever is still to be read from it.
    package private(set) var isBroken = false
    /// A read found the end, or failed.
    package private(set) var hasEnded = false
    package private(set) var hasShutDown = false
    /// TLS cannot read on before it has written.
    private var readsOnceWritable = false
    /// TLS over the socket, from the first byte of its handshake on.
    package private(set) var tls: TLSConnection?

    package var number: Int32 { descriptor.number }

    /// Whether the socket is a Unix-domain one.
    package let isUnix: Bool

    /// The selector reports that the socket can be written to.
    ///
    /// Of a TCP socket always: the kernel says so only after a write was refused (`sk_stream_write_space`). Of a Unix-domain
    /// socket only from a refused write on, until that has cost a wake-up for nothing: the kernel says it whenever the peer
    /// has read something (`unix_write_space`), a wake-up for every message.
    package private(set) var watchesWrites: Bool
    private var wokeForNothing = false

    /// What the stream has to do with a ``RingSelector`` that reads and writes for it.
    package struct RingUse {
        /// Reads that wait are asked for (`RingSelector.receive`).
        package fileprivate(set) var isReceiving = false
        /// One has been: until it is there, nobody else may read.
        package fileprivate(set) var isAwaited = false
        /// The ring's turn in which `sending` was given to it; 0 for none.
        package fileprivate(set) var sendTurn: UInt64 = 0
        package fileprivate(set) var sending = UnsafeRawBufferPointer(start: nil, count: 0)
    }
    package private(set) var ring = RingUse()

    /// Takes over a connected or connecting socket.
    package init(_ descriptor: consuming OwnedDescriptor, isUnix: Bool) {
        self.descriptor = descriptor
        self.isUnix = isUnix
        watchesWrites = !isUnix
    }

    /// Begins to connect. The socket becomes writable when that has succeeded or failed; a Unix-domain one is so already.
    package static func connecting(
        to address: SocketAddress, keepalive: KeepaliveOptions
    ) throws(TransportError) -> Stream {
        let flags = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let number = socket(address.family, flags, 0)
        guard number >= 0 else {
            throw TransportError(operation: "open a socket for", address: address.text, code: errno)
        }
        var stream = Stream(OwnedDescriptor(number), isUnix: address.isUnix)
        if !address.isUnix { keepalive.apply(to: number) }
        if address.withSockaddr({ connect(number, $0, $1) }) != 0, errno != EINPROGRESS {
            throw TransportError(operation: "connect to", address: address.text, code: errno)
        }
        // unix(7): connected at once, or not at all.
        stream.isWritable = address.isUnix
        return stream
    }

    /// What became of `connecting(to:)`: 0, or an errno.
    package func connectionError() -> Int32 {
        // A socket that failed to connect says so with its first event.
        if !isBroken && !isHungUp { return 0 }
        var code: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(number, SOL_SOCKET, SO_ERROR, &code, &size) == 0 ? code : errno
    }

    /// The selector reported these events.
    package mutating func note(events: UInt32) {
        if events & (LINUX_EPOLL_IN | LINUX_EPOLL_HUP | LINUX_EPOLL_ERR | LINUX_EPOLL_RDHUP) != 0 {
            isReadable = !ring.isAwaited
        }
        if events & (LINUX_EPOLL_OUT | LINUX_EPOLL_HUP | LINUX_EPOLL_ERR) != 0 {
            if isWritable, isUnix, events == LINUX_EPOLL_OUT { wokeForNothing = true }
            if ring.isReceiving { watchesWrites = false }
            isWritable = true
            if readsOnceWritable {
                isReadable = true
                readsOnceWritable = false
            }
        }
        if events & (LINUX_EPOLL_HUP | LINUX_EPOLL_ERR | LINUX_EPOLL_RDHUP) != 0 { isHungUp = true }
        if events & LINUX_EPOLL_ERR != 0 { isBroken = true }
    }

    /// Whether the selector is to watch writes from now on, or no longer; nil if that need not change.
    package mutating func takeWriteWatch() -> Bool? {
        if !isWritable, !watchesWrites {
            watchesWrites = true
            return true
        }
        guard wokeForNothing else { return nil }
        wokeForNothing = false
        guard isWritable, watchesWrites else { return nil }
        watchesWrites = false
        return false
    }

    /// Reads once. 0: nothing now, or the end (`hasEnded`).
    package mutating func receive(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        guard isReadable, !hasEnded, buffer.count > 0 else { return 0 }
        if let tls { return receive(into: buffer, tls) }
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

    /// Reads once what nobody wants any more, as it comes from the socket: with TLS that has failed, too. 0: nothing now, or
    /// the end (`hasEnded`).
    package mutating func discard(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let count = linux_receive(number, buffer.baseAddress, buffer.count)
        if count > 0 { return count }
        isReadable = false
        if count != -Int(EAGAIN) { hasEnded = true }
        return 0
    }

    /// Writes once; how much the socket took. A failed socket takes everything: the read side tells of the failure.
    package mutating func send(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard isWritable, bytes.count > 0 else { return 0 }
        if let tls { return send(bytes, tls) }
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
        tls?.sendEnd()
        _ = shutdown(number, Int32(SHUT_WR))
    }

    /// Tells a peer behind TLS that nothing more comes, before the socket is closed: else it takes the end for a cut.
    package func sayEnd() {
        if !hasShutDown, !hasFailed { tls?.sendEnd() }
    }

    /// The next byte without taking it; nil if none is there yet.
    package mutating func peek() -> UInt8? {
        var byte: UInt8 = 0
        return withUnsafeMutableBytes(of: &byte) { peek(into: $0) } == 1 ? byte : nil
    }

    /// The next bytes without taking them. 0: none are there yet, or the end (`hasEnded`).
    package mutating func peek(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        guard isReadable, !hasEnded, buffer.count > 0 else { return 0 }
        let count = recv(number, buffer.baseAddress, buffer.count, Int32(MSG_PEEK))
        if count > 0 { return count }
        if count < 0, errno == EAGAIN || errno == EINTR {
            isReadable = errno == EINTR
            return 0
        }
        isReadable = false
        hasEnded = true
        return 0
    }

    // MARK: - Through a ring

    /// From here on reads that wait are asked for, and the selector tells of writes only when asked.
    package mutating func beginReceiving() {
        ring.isReceiving = true
        watchesWrites = false
    }

    /// From here on the selector is to report the stream again as it does others.
    package mutating func endReceiving() {
        guard ring.isReceiving else { return }
        ring.isReceiving = false
        ring.isAwaited = false
        isReadable = true
        watchesWrites = !isUnix || !isWritable
    }

    /// Whether a read is to be asked for now; it counts as asked for then.
    package mutating func takeReceive() -> Bool {
        guard ring.isReceiving, !ring.isAwaited, !hasEnded else { return false }
        ring.isAwaited = true
        return true
    }

    /// What was asked for has been read.
    ///
    /// - Parameter mayBeMore: there was no more room for it; reading goes on without waiting.
    package mutating func received(isEnd: Bool, mayBeMore: Bool) {
        ring.isAwaited = false
        isReadable = mayBeMore
        if isEnd { hasEnded = true }
    }

    /// The ring has been given the bytes in its turn.
    package mutating func sent(_ bytes: UnsafeRawBufferPointer, turn: UInt64) {
        ring.sending = bytes
        ring.sendTurn = turn
    }

    /// What was given to the ring has been settled.
    ///
    /// - Parameter refusal: nil if all was taken, else how much was, or a negative errno.
    /// - Returns: what was not taken and has to be sent again. A failed socket takes everything.
    package mutating func settled(refusal: Int32?) -> UnsafeRawBufferPointer {
        defer {
            ring.sendTurn = 0
            ring.sending = UnsafeRawBufferPointer(start: nil, count: 0)
        }
        guard let refusal else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        guard refusal >= 0 || refusal == -EAGAIN || refusal == -EINTR else {
            hasFailed = true
            return UnsafeRawBufferPointer(start: nil, count: 0)
        }
        isWritable = false
        let taken = min(max(0, Int(refusal)), ring.sending.count)
        return UnsafeRawBufferPointer(rebasing: ring.sending[taken...])
    }

    // MARK: - TLS

    /// Lays TLS over the socket. Nothing that belongs to TLS may have been read.
    package mutating func begin(_ connection: TLSConnection) { tls = connection }

    /// How far a handshake is.
    package enum Handshake: Sendable, Hashable {
        case done
        /// Call again after the next event.
        case underWay
        case failed(String)
    }

    /// Takes the handshake on.
    package mutating func handshake() -> Handshake {
        guard let tls else { return .failed("TLS has not begun") }
        switch tls.handshake() {
        case .done:
            // OpenSSL may have read on past the handshake, before the selector told of those bytes; then no event comes.
            isReadable = true
            return .done
        case .wantsRead:
            isReadable = false
            return .underWay
        case .wantsWrite:
            isWritable = false
            return .underWay
        case .ended: return .failed("the connection was closed")
        case .failed(let reason): return .failed(reason)
        }
    }

    /// A short read says nothing here: OpenSSL may hold more than it gave, and knows whether it has emptied the socket.
    private mutating func receive(into buffer: UnsafeMutableRawBufferPointer, _ tls: TLSConnection) -> Int {
        switch tls.receive(into: buffer) {
        case .done(let count):
            if !tls.mayHoldMore && !isHungUp { isReadable = false }
            return count
        case .wantsRead: isReadable = false
        case .wantsWrite:
            // A key update wants its answer, and the peer reads nothing.
            isWritable = false
            isReadable = false
            readsOnceWritable = true
        case .ended, .failed:
            isReadable = false
            hasEnded = true
        }
        return 0
    }

    private mutating func send(_ bytes: UnsafeRawBufferPointer, _ tls: TLSConnection) -> Int {
        switch tls.send(bytes) {
        case .done(let count):
            if count < bytes.count { isWritable = false }
            return count
        case .wantsWrite, .wantsRead:
            isWritable = false
            return 0
        case .ended, .failed:
            hasFailed = true
            return bytes.count
        }
    }
}
