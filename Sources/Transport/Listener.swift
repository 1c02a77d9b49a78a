import CLinux
import Glibc

/// A socket that clients connect to. Used by the acceptor's thread.
package final class Listener {
    package let descriptor: Int32
    /// What it is really bound to (the port that the kernel chose, if it was asked to).
    package let address: SocketAddress
    /// Has the sockets that are accepted from here on come with these options. They inherit the listener's
    /// (`tcp_create_openreq_child` in the kernel), so no client costs a system call for them. Any thread, while the listener
    /// is open.
    package let applyKeepalive: @Sendable (KeepaliveOptions) -> Void
    private let ownedPath: String?

    /// Binds and listens. A whole fleet that comes back at once waits in the backlog: the kernel cuts it to
    /// `net.core.somaxconn`.
    ///
    /// A Unix-domain path that a dead process left behind is taken over; one that somebody listens on is not.
    ///
    /// - Parameter keepalive: what the sockets of clients have from the first on.
    package init(
        _ wanted: SocketAddress, backlog: Int32 = 65_535, keepalive: KeepaliveOptions = KeepaliveOptions()
    ) throws(TransportError) {
        let flags = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let number = socket(wanted.family, flags, 0)
        guard number >= 0 else {
            throw TransportError(operation: "open a socket for", address: wanted.text, code: errno)
        }
        var isDone = false
        defer { if !isDone { _ = Glibc.close(number) } }
        var on: Int32 = 1
        if wanted.isUnix {
            try Self.clearStalePath(wanted)
        } else {
            setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
            if wanted.family == AF_INET6 {
                setsockopt(number, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &on, socklen_t(MemoryLayout<Int32>.size))
            }
        }
        guard wanted.withSockaddr({ bind(number, $0, $1) }) == 0 else {
            throw TransportError(operation: "listen on", address: wanted.text, code: errno)
        }
        let path = wanted.isUnix ? String(wanted.text.dropFirst("unix:".count)) : nil
        // As PostgreSQL's own unix_socket_permissions: who may log in is the server's to say.
        if let path { chmod(path, 0o777) }
        let applyKeepalive = Self.keepalive(of: number, isUnix: wanted.isUnix)
        applyKeepalive(keepalive)
        guard listen(number, backlog) == 0 else {
            throw TransportError(operation: "listen on", address: wanted.text, code: errno)
        }
        address = wanted.isUnix ? wanted : SocketAddress(boundTo: number) ?? wanted
        descriptor = number
        self.applyKeepalive = applyKeepalive
        ownedPath = path
        isDone = true
    }

    /// An option that is left to the kernel is put back as the kernel had it.
    private static func keepalive(of number: Int32, isUnix: Bool) -> @Sendable (KeepaliveOptions) -> Void {
        if isUnix { return { _ in } }
        let kernel = KeepaliveOptions(of: number)
        return { wanted in
            kernel.apply(to: number)
            wanted.apply(to: number)
            if wanted.userTimeout == 0 { KeepaliveOptions.clearUserTimeout(of: number) }
        }
    }

    deinit {
        _ = Glibc.close(descriptor)
        if let ownedPath { unlink(ownedPath) }
    }

    /// Takes the next client that waits, if one does (EAGAIN).
    ///
    /// - Returns: its non-blocking socket, which the caller owns, and its address; nil with the errno in `failure`.
    package func accept(failure: inout Int32) -> (socket: Int32, peer: SocketAddress)? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { linux_accept(descriptor, $0, &length) }
        }
        guard result >= 0 else {
            failure = -result
            return nil
        }
        return (result, SocketAddress(storage, length: length))
    }

    private static func clearStalePath(_ address: SocketAddress) throws(TransportError) {
        let path = String(address.text.dropFirst("unix:".count))
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw TransportError(
                operation: "listen on", address: address.text, reason: "the path exists and is no socket")
        }
        let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard probe >= 0 else { throw TransportError(operation: "listen on", address: address.text, code: errno) }
        defer { _ = Glibc.close(probe) }
        if address.withSockaddr({ connect(probe, $0, $1) }) == 0 {
            throw TransportError(operation: "listen on", address: address.text, code: EADDRINUSE)
        }
        if errno == ECONNREFUSED { unlink(path) }
    }
}
