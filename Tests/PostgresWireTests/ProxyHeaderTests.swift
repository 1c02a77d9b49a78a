import Testing

@testable import PostgresWire

@Suite struct `A PROXY header` {
    private static let signature: [UInt8] = Array("\r\n\r\n\0\r\nQUIT\n".utf8)

    private static func binary(_ command: UInt8, _ family: UInt8, _ rest: [UInt8], length: Int? = nil) -> [UInt8] {
        let length = length ?? rest.count
        return signature + [command, family, UInt8(length >> 8), UInt8(length & 0xff)] + rest
    }

    private static let four = ProxyHeader.Route(
        client: .init(address: [192, 0, 2, 7], port: 50_000), destination: .init(address: [10, 0, 0, 1], port: 5432))
    private static let six = ProxyHeader.Route(
        client: .init(address: [0x20, 1, 0xd, 0xb8] + [UInt8](repeating: 0, count: 11) + [7], port: 1),
        destination: .init(address: [UInt8](repeating: 0, count: 15) + [1], port: 65_535))
    private static let fourBytes: [UInt8] = [192, 0, 2, 7, 10, 0, 0, 1, 0xc3, 0x50, 0x15, 0x38]
    private static let sixBytes = six.client.address + six.destination.address + [0, 1, 0xff, 0xff]
    private static let extensions: [UInt8] = [0x02, 0, 3, 97, 46, 98, 0x20, 0, 5, 1, 0, 0, 0, 0]

    struct Row: Sendable, CustomTestStringConvertible {
        var name: String
        var bytes: [UInt8]
        var route: ProxyHeader.Route?
        var testDescription: String { name }
    }

    private static let rows = [
        Row(name: "v1 TCP4", bytes: Array("PROXY TCP4 192.0.2.7 10.0.0.1 50000 5432\r\n".utf8), route: four),
        Row(name: "v1 TCP6", bytes: Array("PROXY TCP6 2001:db8::7 ::1 1 65535\r\n".utf8), route: six),
        Row(name: "v1 UNKNOWN", bytes: Array("PROXY UNKNOWN\r\n".utf8)),
        Row(
            name: "v1 UNKNOWN with addresses, which do not count",
            bytes: Array("PROXY UNKNOWN ffff::1 anything 1 x\r\n".utf8)),
        Row(
            name: "v1, the longest line",
            bytes: Array("PROXY UNKNOWN \(String(repeating: "f", count: 107 - 16))\r\n".utf8)),
        Row(name: "v2 TCP4", bytes: binary(0x21, 0x11, fourBytes), route: four),
        Row(name: "v2 TCP6", bytes: binary(0x21, 0x21, sixBytes), route: six),
        Row(name: "v2 TCP4 with extensions", bytes: binary(0x21, 0x11, fourBytes + extensions), route: four),
        Row(name: "v2 UNIX", bytes: binary(0x21, 0x31, [UInt8](repeating: 0x61, count: 216))),
        Row(name: "v2 UNSPEC", bytes: binary(0x21, 0x00, extensions)),
        Row(name: "v2 LOCAL", bytes: binary(0x20, 0x00, [])),
        Row(name: "v2 LOCAL with addresses, which do not count", bytes: binary(0x20, 0x11, fourBytes)),
        Row(
            name: "v2, the longest that is accepted",
            bytes: binary(0x21, 0x11, fourBytes + [UInt8](repeating: 0x20, count: 4084)), route: four),
    ]

    @Test(arguments: rows)
    func `is read, and not one byte behind it`(row: Row) throws {
        let followed = row.bytes + Array("PROXY TCP4 and more".utf8)
        let header = try followed.withUnsafeBytes { bytes throws(ProxyHeader.Fault) in try ProxyHeader.read(bytes) }
        #expect(header == ProxyHeader(route: row.route, byteCount: row.bytes.count))
    }

    @Test(arguments: rows)
    func `is awaited byte by byte`(row: Row) throws {
        for count in 0..<row.bytes.count {
            let header = try row.bytes.withUnsafeBytes { bytes throws(ProxyHeader.Fault) in
                try ProxyHeader.read(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
            }
            #expect(header == nil, "after \(count) bytes")
        }
    }

    struct FaultRow: Sendable, CustomTestStringConvertible {
        var name: String
        var bytes: [UInt8]
        var fault: ProxyHeader.Fault
        var testDescription: String { name }

        init(_ name: String, _ bytes: [UInt8], _ fault: ProxyHeader.Fault) {
            (self.name, self.bytes, self.fault) = (name, bytes, fault)
        }

        init(line: String) {
            self.init(line.debugDescription, Array(line.utf8), .line)
        }
    }

    @Test(arguments: [
        FaultRow("a startup packet", [0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f], .noHeader),
        FaultRow("its first byte alone", [0], .noHeader),
        FaultRow("a ClientHello", [0x16, 3, 1], .noHeader),
        FaultRow("lower case", Array("proxy TCP4".utf8), .noHeader),
        FaultRow("no space", Array("PROXYTCP4".utf8), .noHeader),
        FaultRow("a signature that ends otherwise", Array("\r\n\r\n\0\r\nQUIT\r".utf8), .noHeader),
        FaultRow(line: "PROXY \r\n"),
        FaultRow(line: "PROXY TCP4\r\n"),
        FaultRow(line: "PROXY TCP4 192.0.2.7 10.0.0.1 50000 5432\n"),
        FaultRow(line: "PROXY TCP4 192.0.2.7 10.0.0.1 50000 5432 \r\n"),
        FaultRow(line: "PROXY TCP4  192.0.2.7 10.0.0.1 50000 5432\r\n"),
        FaultRow(line: "PROXY TCP4 192.0.2.7 10.0.0.1 50000\r\n"),
        FaultRow(line: "PROXY TCP4 192.0.2.7 10.0.0.1 50000 65536\r\n"),
        FaultRow(line: "PROXY TCP4 192.0.2.7 10.0.0.1 -1 5432\r\n"),
        FaultRow(line: "PROXY TCP4 192.0.2.7 10.0.0.1 +1 5432\r\n"),
        FaultRow(line: "PROXY TCP4 192.0.2.7 10.0.0.1 01 5432\r\n"),
        FaultRow(line: "PROXY TCP4 192.0.2.7 10.0.0.1  5432\r\n"),
        FaultRow(line: "PROXY TCP4 192.0.2.256 10.0.0.1 1 5432\r\n"),
        FaultRow(line: "PROXY TCP4 192.0.2.07 10.0.0.1 1 5432\r\n"),
        FaultRow(line: "PROXY TCP4 ::1 ::1 1 5432\r\n"),
        FaultRow(line: "PROXY TCP6 192.0.2.7 10.0.0.1 1 5432\r\n"),
        FaultRow(line: "PROXY TCP6 fe80::1%eth0 ::1 1 5432\r\n"),
        FaultRow(line: "PROXY UDP4 192.0.2.7 10.0.0.1 1 5432\r\n"),
        FaultRow(line: "PROXY UNKNOWN\0\r\n"),
        FaultRow(line: "PROXY UNKNOWN é\r\n"),
        FaultRow(line: "PROXY UNKNOWN " + String(repeating: "f", count: 93)),
        FaultRow(line: "PROXY UNKNOWN " + String(repeating: "f", count: 92) + "\r\n"),
        FaultRow("version 3", binary(0x31, 0x11, fourBytes), .kind(command: 0x31, family: 0x11)),
        FaultRow("a command that is not defined", binary(0x22, 0x11, fourBytes), .kind(command: 0x22, family: 0x11)),
        FaultRow("UDP", binary(0x21, 0x12, fourBytes), .kind(command: 0x21, family: 0x12)),
        FaultRow("a family that is not defined", binary(0x21, 0x41, fourBytes), .kind(command: 0x21, family: 0x41)),
        FaultRow("too short for IPv4", binary(0x21, 0x11, fourBytes, length: 11), .length(11)),
        FaultRow("too short for IPv6", binary(0x21, 0x21, sixBytes, length: 35), .length(35)),
        FaultRow("too short for paths", binary(0x21, 0x31, fourBytes, length: 215), .length(215)),
        FaultRow("too long", binary(0x21, 0x11, [], length: 4097), .length(4097)),
        FaultRow("far too long", binary(0x20, 0x00, [], length: 65_535), .length(65_535)),
    ])
    func `that is malformed is a fault`(row: FaultRow) {
        #expect(throws: row.fault) {
            try row.bytes.withUnsafeBytes { bytes throws(ProxyHeader.Fault) in try ProxyHeader.read(bytes) }
        }
    }

    @Test func `that is sent on is read as what it was made of`() throws {
        for route in [Self.four, Self.six, nil] {
            let bytes = ProxyHeader.bytes(for: route)
            let header = try bytes.withUnsafeBytes { bytes throws(ProxyHeader.Fault) in try ProxyHeader.read(bytes) }
            #expect(header == ProxyHeader(route: route, byteCount: bytes.count))
        }
        #expect(ProxyHeader.bytes(for: Self.four) == Self.binary(0x21, 0x11, Self.fourBytes))
    }

    @Test func `between two address families names nobody`() throws {
        let mixed = ProxyHeader.Route(client: Self.four.client, destination: Self.six.destination)
        #expect(ProxyHeader.bytes(for: mixed) == Self.binary(0x20, 0, []))
    }
}
