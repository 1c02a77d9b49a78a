import CLinux
import Glibc

/// An address to bind or connect to, in the kernel's form.
package struct SocketAddress: Sendable, Hashable {
    /// The sockaddr's bytes.
    package let bytes: [UInt8]
    /// As a person writes it: `127.0.0.1:5432`, `[::1]:5432`, `unix:/path`.
    package var text: String { Self.describe(bytes) }
    /// The name that it was looked up by, for whoever has to check it against a certificate; nil if there was none.
    package private(set) var host: String?

    package var family: Int32 {
        bytes.withUnsafeBytes {
            $0.count >= 2 ? Int32($0.loadUnaligned(as: sa_family_t.self)) : AF_UNSPEC
        }
    }

    package var isUnix: Bool { family == AF_UNIX }

    /// A Unix-domain socket.
    ///
    /// - Throws: when the path is longer than the kernel takes (107 bytes).
    package init(unixPath path: String) throws(TransportError) {
        var address = sockaddr_un()
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        guard !path.isEmpty, path.utf8.count < capacity, !path.utf8.contains(0) else {
            throw TransportError(
                operation: "use", address: "unix:\(path)",
                reason: "a socket's path must have 1 to \(capacity - 1) bytes; choose a shorter folder")
        }
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        bytes = withUnsafeBytes(of: address) { Array($0) }
    }

    /// The address that the kernel filled in (accept, getsockname).
    package init(_ storage: sockaddr_storage, length: socklen_t) {
        bytes = withUnsafeBytes(of: storage) { Array($0.prefix(Int(length))) }
    }

    /// What a socket is bound to: for a client's, the address that it connected to.
    package init?(boundTo number: Int32) {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(number, $0, &length) }
        }
        guard result == 0 else { return nil }
        self.init(storage, length: length)
    }

    /// An IP address and a port.
    ///
    /// - Parameter ip: 4 or 16 bytes in network order; nil otherwise. An IPv4-mapped IPv6 address is the IPv4 address.
    package init?(ip: [UInt8], port: UInt16) {
        let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
        let ip = ip.count == 16 && ip.starts(with: mapped) ? Array(ip.suffix(4)) : ip
        let family: Int32
        switch ip.count {
        case 4: family = AF_INET
        case 16: family = AF_INET6
        default: return nil
        }
        let number = withUnsafeBytes(of: sa_family_t(family)) { Array($0) }
        let ends: [UInt8] = [UInt8(port >> 8), UInt8(truncatingIfNeeded: port)]
        // sockaddr_in ends with eight bytes of nothing; sockaddr_in6 has a flow before the address and a scope behind it.
        let padding = [UInt8](repeating: 0, count: 4)
        self.init(bytes: number + ends + (ip.count == 4 ? ip + padding + padding : padding + ip + padding))
    }

    /// The addresses of a host name or numeric address. Blocks: never on an event loop.
    package static func resolve(host: String, port: UInt16, passive: Bool) throws(TransportError) -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_ADDRCONFIG | (passive ? AI_PASSIVE : 0)
        let name = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        var result: UnsafeMutablePointer<addrinfo>?
        var code = getaddrinfo(host, String(port), &hints, &result)
        if code == EAI_NONAME {
            // A loopback-only machine has no "configured" address of the family.
            hints.ai_flags &= ~AI_ADDRCONFIG
            code = getaddrinfo(host, String(port), &hints, &result)
        }
        defer { if let result { freeaddrinfo(result) } }
        guard code == 0 else {
            throw TransportError(operation: "resolve", address: name, reason: String(cString: gai_strerror(code)))
        }
        var found: [SocketAddress] = []
        var next = result
        while let info = next {
            if let address = info.pointee.ai_addr {
                let raw = UnsafeRawBufferPointer(start: address, count: Int(info.pointee.ai_addrlen))
                var address = SocketAddress(bytes: Array(raw))
                address.host = host
                found.append(address)
            }
            next = info.pointee.ai_next
        }
        return found
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    /// The IP address: 4 or 16 bytes in network order; nil for a Unix-domain socket.
    package var ipBytes: [UInt8]? {
        switch family {
        case AF_INET where bytes.count >= 8: Array(bytes[4..<8])
        case AF_INET6 where bytes.count >= 24: Array(bytes[8..<24])
        default: nil
        }
    }

    /// Whether a host is written as an IP address.
    package static func isNumeric(_ host: String) -> Bool {
        var space = in6_addr()
        return inet_pton(AF_INET, host, &space) == 1 || inet_pton(AF_INET6, host, &space) == 1
    }

    package var port: UInt16? {
        guard family == AF_INET || family == AF_INET6, bytes.count >= 4 else { return nil }
        return UInt16(bytes[2]) << 8 | UInt16(bytes[3])
    }

    /// The address without its port, as PostgreSQL writes it in messages; `[local]` for a Unix-domain socket.
    package var hostText: String {
        guard !isUnix, let colon = text.lastIndex(of: ":") else { return "[local]" }
        return String(text[..<colon]).filter { $0 != "[" && $0 != "]" }
    }

    /// Hands the address to a system call.
    package func withSockaddr<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        var storage = sockaddr_storage()
        let count = min(bytes.count, MemoryLayout<sockaddr_storage>.size)
        withUnsafeMutableBytes(of: &storage) { $0.copyBytes(from: bytes.prefix(count)) }
        return withUnsafePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(count)) }
        }
    }

    private static func describe(_ bytes: [UInt8]) -> String {
        guard bytes.count >= 2 else { return "unknown" }
        let family = Int32(bytes.withUnsafeBytes { $0.loadUnaligned(as: sa_family_t.self) })
        var buffer = [CChar](repeating: 0, count: 64)
        func numeric(_ address: ArraySlice<UInt8>) -> String {
            var address = Array(address)
            guard inet_ntop(family, &address, &buffer, socklen_t(buffer.count)) != nil else { return "?" }
            return buffer.withUnsafeBufferPointer { pointer in
                String(decoding: pointer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            }
        }
        switch family {
        case AF_INET where bytes.count >= 8:
            return "\(numeric(bytes[4..<8])):\(UInt16(bytes[2]) << 8 | UInt16(bytes[3]))"
        case AF_INET6 where bytes.count >= 24:
            return "[\(numeric(bytes[8..<24]))]:\(UInt16(bytes[2]) << 8 | UInt16(bytes[3]))"
        case AF_UNIX:
            return "unix:" + String(decoding: bytes.dropFirst(2).prefix { $0 != 0 }, as: UTF8.self)
        default:
            return "unknown"
        }
    }
}
