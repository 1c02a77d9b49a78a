import Foundation

/// Tells whether a connection of ours leads back to ourselves.
enum OwnAddress {
    /// - Parameters:
    ///   - listeners: addresses that are really bound: `127.0.0.1:6543`, `[::]:6543`, `unix:/path`.
    ///   - descriptor: a connected socket.
    static func isListener(_ listeners: [String], peerOf descriptor: Int32) -> Bool {
        guard let peer = name(descriptor, getpeername) else { return false }
        let own = name(descriptor, getsockname)
        return listeners.contains { isSame($0, peer: peer, own: own) }
    }

    /// Whether the socket is connected with itself.
    static func isItself(_ descriptor: Int32) -> Bool {
        guard let peer = name(descriptor, getpeername) else { return false }
        return peer == name(descriptor, getsockname)
    }

    /// - Parameters:
    ///   - peer: where the connection leads.
    ///   - own: where it comes from.
    static func isSame(_ listener: String, peer: String, own: String?) -> Bool {
        if listener == peer { return true }
        guard !listener.hasPrefix("unix:"), !peer.hasPrefix("unix:"), let bound = split(listener),
            let led = split(peer),
            bound.port == led.port
        else { return false }
        // Bound to every address of this machine: a peer of ours is one that has our own address, or the loopback's.
        let isAny = bound.host == "0.0.0.0" || bound.host == "[::]"
        let isLoopback = led.host.hasPrefix("127.") || led.host == "[::1]"
        return isAny && (isLoopback || led.host == own.flatMap(split)?.host)
    }

    private static func split(_ text: String) -> (host: Substring, port: Substring)? {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        return (text[..<colon], text[text.index(after: colon)...])
    }

    private static func name(
        _ descriptor: Int32,
        _ call: (Int32, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
    ) -> String? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { pointer -> String? in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address -> String? in
                guard call(descriptor, address, &length) == 0 else { return nil }
                if Int32(address.pointee.sa_family) == AF_UNIX {
                    let offset = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2
                    let bytes = UnsafeRawBufferPointer(start: address, count: Int(length)).dropFirst(offset)
                    return "unix:" + String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                }
                var host = [CChar](repeating: 0, count: 64)
                var port = [CChar](repeating: 0, count: 16)
                let flags = Int32(NI_NUMERICHOST) | Int32(NI_NUMERICSERV)
                guard getnameinfo(address, length, &host, 64, &port, 16, flags) == 0 else { return nil }
                let (name, number) = (text(host), text(port))
                if name.hasPrefix("::ffff:"), name.contains(".") { return "\(name.dropFirst(7)):\(number)" }
                return name.contains(":") ? "[\(name)]:\(number)" : "\(name):\(number)"
            }
        }
    }

    private static func text(_ characters: [CChar]) -> String {
        String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
