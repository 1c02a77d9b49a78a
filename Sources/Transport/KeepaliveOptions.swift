import Glibc

/// How the kernel finds out that the other end of a TCP connection is gone. 0 leaves a setting to the kernel (tcp(7)).
package struct KeepaliveOptions: Sendable, Hashable {
    /// `TCP_KEEPIDLE`, in seconds.
    package var idle: Int32
    /// `TCP_KEEPINTVL`, in seconds.
    package var interval: Int32
    /// `TCP_KEEPCNT`.
    package var count: Int32
    /// `TCP_USER_TIMEOUT`, in milliseconds.
    package var userTimeout: Int32

    package init(idle: Int32 = 0, interval: Int32 = 0, count: Int32 = 0, userTimeout: Int32 = 0) {
        self.idle = idle
        self.interval = interval
        self.count = count
        self.userTimeout = userTimeout
    }

    /// Small messages go out at once, and a peer that has vanished is noticed.
    ///
    /// - Parameter number: a TCP socket; on another kind nothing happens.
    package func apply(to number: Int32) {
        let tcp = Int32(IPPROTO_TCP)
        Self.set(number, tcp, TCP_NODELAY, 1)
        Self.set(number, SOL_SOCKET, SO_KEEPALIVE, 1)
        for (option, value) in [
            (TCP_KEEPIDLE, idle), (TCP_KEEPINTVL, interval), (TCP_KEEPCNT, count), (TCP_USER_TIMEOUT, userTimeout),
        ] where value > 0 {
            Self.set(number, tcp, option, value)
        }
    }

    /// What the kernel has set of itself.
    init(of number: Int32) {
        let tcp = Int32(IPPROTO_TCP)
        self.init(
            idle: Self.value(number, tcp, TCP_KEEPIDLE), interval: Self.value(number, tcp, TCP_KEEPINTVL),
            count: Self.value(number, tcp, TCP_KEEPCNT), userTimeout: Self.value(number, tcp, TCP_USER_TIMEOUT))
    }

    static func clearUserTimeout(of number: Int32) { set(number, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, 0) }

    private static func value(_ number: Int32, _ level: Int32, _ option: Int32) -> Int32 {
        var value: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(number, level, option, &value, &size) == 0 ? value : 0
    }

    private static func set(_ number: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        setsockopt(number, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }
}
