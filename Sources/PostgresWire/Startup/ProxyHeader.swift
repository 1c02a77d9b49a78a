import Glibc

/// The header that a load balancer puts in front of a connection, to say whose it is: the PROXY protocol, version 1 (a line
/// of text) or 2 (binary), as HAProxy's `proxy-protocol.txt` describes it.
package struct ProxyHeader: Sendable, Hashable {
    /// One end of the connection that the load balancer was asked for.
    package struct Endpoint: Sendable, Hashable {
        /// 4 or 16 bytes in network order.
        package var address: [UInt8]
        package var port: UInt16

        package init(address: [UInt8], port: UInt16) {
            self.address = address
            self.port = port
        }
    }

    /// A client and where it connected to; both of one address family.
    package struct Route: Sendable, Hashable {
        package var client: Endpoint
        package var destination: Endpoint

        package init(client: Endpoint, destination: Endpoint) {
            self.client = client
            self.destination = destination
        }
    }

    /// Nil where the header names no address (`LOCAL`: the load balancer's own connection; `UNKNOWN`, `UNSPEC`; a client of
    /// a Unix-domain socket there): the socket's own address holds.
    package var route: Route?
    /// The header's length. What follows belongs to the client.
    package var byteCount: Int

    /// Why bytes are no header. The connection is to be closed.
    package enum Fault: Error, Sendable, Hashable {
        /// They begin like neither version.
        case noHeader
        /// A line of version 1 that is none, or is longer than 107 bytes.
        case line
        /// Version 2 with a version, command, family or protocol that is not defined, or not TCP.
        case kind(command: UInt8, family: UInt8)
        /// Version 2 with fewer bytes than the addresses need, or more than anybody sends.
        case length(Int)
    }

    /// The longest line of version 1, with its end: "worst case (optional fields set to 0xff)" in `proxy-protocol.txt`.
    package static let longestLine = 107
    /// Version 2: what is accepted behind the 16 bytes that every header has. The protocol allows 64 KiB; certificates that
    /// load balancers put there have some hundred bytes.
    package static let longestRest = 4096
    /// So many bytes are enough to tell any header.
    package static let longest = fixedByteCount + longestRest

    private static let fixedByteCount = 16
    private static let signature: [UInt8] = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]
    private static let lineStart = Array("PROXY ".utf8)

    /// Reads the header that a connection begins with.
    ///
    /// - Parameter bytes: what has arrived, from the first byte on.
    /// - Returns: nil if the header is not whole yet.
    /// - Throws: ``Fault``, as soon as no further bytes could make a header of these.
    package static func read(_ bytes: UnsafeRawBufferPointer) throws(Fault) -> ProxyHeader? {
        if begins(bytes, with: signature) { return try readBinary(bytes) }
        if begins(bytes, with: lineStart) { return try readLine(bytes) }
        throw .noHeader
    }

    /// Whether the bytes begin with these, as far as there are any.
    private static func begins(_ bytes: UnsafeRawBufferPointer, with start: [UInt8]) -> Bool {
        bytes.prefix(start.count).elementsEqual(start.prefix(bytes.count))
    }

    // MARK: - Version 1

    private static func readLine(_ bytes: UnsafeRawBufferPointer) throws(Fault) -> ProxyHeader? {
        let seen = bytes.prefix(longestLine)
        guard let end = seen.firstIndex(of: UInt8(ascii: "\n")) else {
            if seen.count == longestLine { throw .line }
            return nil
        }
        guard end > 0, bytes[end - 1] == UInt8(ascii: "\r"), bytes[..<end].allSatisfy({ $0 < 0x80 && $0 != 0 }) else {
            throw .line
        }
        let words = String(decoding: bytes[..<(end - 1)], as: UTF8.self)
            .split(separator: " ", omittingEmptySubsequences: false)
        guard words.count >= 2, words[0] == "PROXY" else { throw .line }
        // "The receiver must ignore anything presented before the CRLF."
        if words[1] == "UNKNOWN" { return ProxyHeader(route: nil, byteCount: end + 1) }
        let family: Int32
        switch words[1] {
        case "TCP4": family = AF_INET
        case "TCP6": family = AF_INET6
        default: throw .line
        }
        guard words.count == 6, let client = endpoint(words[2], words[4], family: family),
            let destination = endpoint(words[3], words[5], family: family)
        else { throw .line }
        return ProxyHeader(route: Route(client: client, destination: destination), byteCount: end + 1)
    }

    private static func endpoint(_ address: Substring, _ port: Substring, family: Int32) -> Endpoint? {
        var bytes = [UInt8](repeating: 0, count: family == AF_INET ? 4 : 16)
        guard inet_pton(family, String(address), &bytes) == 1 else { return nil }
        guard port.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), port == "0" || !port.hasPrefix("0"),
            let number = UInt16(port)
        else { return nil }
        return Endpoint(address: bytes, port: number)
    }

    // MARK: - Version 2

    private static func readBinary(_ bytes: UnsafeRawBufferPointer) throws(Fault) -> ProxyHeader? {
        guard bytes.count >= fixedByteCount else { return nil }
        let (command, family) = (bytes[12], bytes[13])
        let length = Int(bytes[14]) << 8 | Int(bytes[15])
        guard length <= longestRest else { throw .length(length) }
        let addressLength: Int? =
            switch (command, family) {
            // LOCAL: whatever stands there is skipped.
            case (0x20, _), (0x21, 0x00): nil
            case (0x21, 0x11): 4
            case (0x21, 0x21): 16
            case (0x21, 0x31): 0
            default: throw .kind(command: command, family: family)
            }
        // A Unix-domain socket's two paths have 108 bytes each.
        if let addressLength, length < (addressLength > 0 ? 2 * addressLength + 4 : 216) { throw .length(length) }
        guard bytes.count >= fixedByteCount + length else { return nil }
        var header = ProxyHeader(route: nil, byteCount: fixedByteCount + length)
        if let addressLength, addressLength > 0 {
            let addresses = bytes[fixedByteCount...].prefix(2 * addressLength)
            let ports = fixedByteCount + 2 * addressLength
            header.route = Route(
                client: Endpoint(
                    address: Array(addresses.prefix(addressLength)),
                    port: UInt16(bytes[ports]) << 8 | UInt16(bytes[ports + 1])),
                destination: Endpoint(
                    address: Array(addresses.suffix(addressLength)),
                    port: UInt16(bytes[ports + 2]) << 8 | UInt16(bytes[ports + 3])))
        }
        return header
    }

    /// A header of version 2.
    ///
    /// - Parameter route: nil for a connection of the sender's own (`LOCAL`), and so are addresses of two families.
    package static func bytes(for route: Route?) -> [UInt8] {
        guard let route, route.client.address.count == route.destination.address.count,
            route.client.address.count == 4 || route.client.address.count == 16
        else { return signature + [0x20, 0, 0, 0] }
        let (client, destination) = (route.client, route.destination)
        let isIPv4 = client.address.count == 4
        return signature + [0x21, isIPv4 ? 0x11 : 0x21, 0, isIPv4 ? 12 : 36] + client.address + destination.address
            + [client.port, destination.port].flatMap { [UInt8($0 >> 8), UInt8(truncatingIfNeeded: $0)] }
    }
}

extension ProxyHeader.Fault {
    /// For the log.
    package var message: String {
        switch self {
        case .noHeader: "it does not begin with a PROXY header"
        case .line: "its PROXY line is malformed"
        case .kind(let command, let family):
            "its PROXY header has the command \(command) and the family \(family), which are not known"
        case .length(let length): "its PROXY header has an impossible length: \(length)"
        }
    }
}
