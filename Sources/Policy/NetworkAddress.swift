import Glibc

/// An IPv4 or IPv6 address: 4 or 16 bytes in network order. IPv4-mapped IPv6 addresses are held as IPv4.
package struct NetworkAddress: Sendable, Hashable {
    package let bytes: [UInt8]

    /// - Parameter bytes: 4 or 16 bytes in network order; nil otherwise.
    package init?(bytes: [UInt8]) {
        switch bytes.count {
        case 4:
            self.bytes = bytes
        case 16:
            let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
            self.bytes = Array(bytes.prefix(12)) == mapped ? Array(bytes.suffix(4)) : bytes
        default:
            return nil
        }
    }

    /// The address written as `192.0.2.1` or `2001:db8::1`, without brackets, port or zone; nil otherwise.
    package init?(_ text: String) {
        guard let bytes = Self.parse(text) else { return nil }
        self.init(bytes: bytes)
    }

    /// The address as text, in the shortest form.
    package var text: String { Self.text(bytes) }

    /// The bytes of a numeric address as written: a mapped address keeps its 16 bytes.
    static func parse(_ text: String) -> [UInt8]? {
        // inet_pton reads a C string: a NUL inside would hide what follows.
        guard !text.utf8.contains(0) else { return nil }
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 {
            return withUnsafeBytes(of: &four) { Array($0) }
        }
        var sixteen = in6_addr()
        if inet_pton(AF_INET6, text, &sixteen) == 1 {
            return withUnsafeBytes(of: &sixteen) { Array($0) }
        }
        return nil
    }

    /// - Parameter bytes: 4 or 16 bytes in network order.
    static func text(_ bytes: [UInt8]) -> String {
        var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let family = bytes.count == 4 ? AF_INET : AF_INET6
        guard inet_ntop(family, bytes, &buffer, socklen_t(buffer.count)) != nil else { return "" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
