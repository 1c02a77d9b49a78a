import CLinux
import Glibc

/// The names of the operating-system users at the other ends of Unix-domain sockets. One thread's: it may block, where
/// users come from a directory server.
package struct PeerUsers {
    private struct Known {
        var name: String
        /// Monotonic nanoseconds.
        var until: Int64
    }

    private var known: [UInt32: Known] = [:]
    /// How long a name is believed, in nanoseconds.
    private static let validity: Int64 = 60_000_000_000
    private static let mostKnown = 1024

    package init() {}

    /// Who connected the socket (`SO_PEERCRED`): the user's name, or its number where it has none.
    ///
    /// - Returns: nil if the kernel does not say.
    package mutating func name(for socket: Int32) -> String? {
        var number: UInt32 = 0
        guard linux_peer_user(socket, &number) == 0 else { return nil }
        let now = linux_clock_monotonic()
        if let entry = known[number], now < entry.until { return entry.name }
        let name = Self.lookUp(number) ?? String(number)
        if known.count >= Self.mostKnown { known.removeAll() }
        known[number] = Known(name: name, until: now &+ Self.validity)
        return name
    }

    private static func lookUp(_ number: UInt32) -> String? {
        var size = 1024
        var code: Int32 = 0
        while size <= 1 << 20 {
            var entry = passwd()
            var found: UnsafeMutablePointer<passwd>?
            var texts = [CChar](repeating: 0, count: size)
            let name: String? = texts.withUnsafeMutableBufferPointer { texts in
                guard let space = texts.baseAddress else { return nil }
                code = getpwuid_r(number, &entry, space, texts.count, &found)
                // The name lies among the texts.
                return found?.pointee.pw_name.map { String(cString: $0) }
            }
            if code != ERANGE { return name }
            size *= 4
        }
        return nil
    }
}
