import Testing

@testable import PostgresWire

/// A startup packet with these parameters.
func startupPacket(_ pairs: [(String, String)], version: UInt32 = 196_608, tail: [UInt8] = [0]) -> [UInt8] {
    var body: [UInt8] = []
    for (name, value) in pairs { body += Array(name.utf8) + [0] + Array(value.utf8) + [0] }
    body += tail
    let length = UInt32(body.count + 8)
    return [length, version].flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(24 - 8 * $0)) } }
        + body
}

@Suite struct StartupTests {
    private func parameters(_ packet: [UInt8]) throws -> StartupParameters? {
        guard case .session(let found) = try packet.withUnsafeBytes({ try StartupRequest(packet: $0) }) else {
            return nil
        }
        return found
    }

    @Test("The last of a repeated parameter counts, as in the server")
    func repeated() throws {
        let found = try parameters(startupPacket([("user", "a"), ("database", "x_test"), ("database", "prod")]))
        #expect(found?.database == "prod")
    }

    @Test("The database is the user's name when none, or an empty one, is given")
    func defaultDatabase() throws {
        #expect(try parameters(startupPacket([("user", "ann")]))?.database == "ann")
        #expect(try parameters(startupPacket([("user", "ann"), ("database", "")]))?.database == "ann")
    }

    @Test("Names are cut to 63 bytes, so that a long name is the same name to the server and to the rules")
    func cut() throws {
        let long = String(repeating: "d", count: 63) + "_test"
        let found = try parameters(startupPacket([("user", "u"), ("database", long)]))
        #expect(found?.database == String(repeating: "d", count: 63))
    }

    @Test("Physical replication has no database, logical replication has one")
    func replication() throws {
        let physical = try parameters(startupPacket([("user", "u"), ("database", "x_test"), ("replication", "true")]))
        #expect(physical?.database == "")
        #expect(physical?.replication == .physical)
        let logical = try parameters(startupPacket([("user", "u"), ("database", "x"), ("replication", "database")]))
        #expect(logical?.database == "x")
        #expect(logical?.replication == .logical)
        let none = try parameters(startupPacket([("user", "u"), ("replication", "off")]))
        #expect(none?.replication == StartupParameters.Replication.none)
    }

    struct Fault: Sendable, CustomTestStringConvertible {
        var name: String
        var packet: [UInt8]
        var expected: WireFault
        var testDescription: String { name }
    }

    static let faults = [
        Fault(
            name: "protocol 2", packet: startupPacket([], version: 131_072),
            expected: .protocolVersion(major: 2, minor: 0)),
        Fault(name: "no last terminator", packet: startupPacket([("user", "u")], tail: []), expected: .startupLayout),
        Fault(
            name: "bytes behind the terminator", packet: startupPacket([("user", "u")], tail: [0, 0]),
            expected: .startupLayout),
        Fault(
            name: "a name without a value", packet: startupPacket([], tail: Array("user".utf8) + [0]),
            expected: .startupLayout),
    ]

    @Test("A malformed startup packet is a fault", arguments: faults)
    func malformed(row: Fault) {
        #expect(throws: row.expected) { try row.packet.withUnsafeBytes { _ = try StartupRequest(packet: $0) } }
    }

    @Test("A length is refused before anything is stored", arguments: [0, 4, 7, 10_001, -1, Int32.max])
    func lengths(length: Int32) {
        let bytes = withUnsafeBytes(of: length.bigEndian) { Array($0) }
        #expect(throws: WireFault.startupLength(Int(length))) {
            try bytes.withUnsafeBytes { _ = try StartupRequest.byteCount(in: $0) }
        }
    }

    @Test("A cancel key may have 4 to 256 bytes")
    func cancel() throws {
        for keyLength in [4, 32, 256] {
            let packet =
                [UInt32(12 + keyLength), 80_877_102, 7].flatMap { word in
                    (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(24 - 8 * $0)) }
                } + [UInt8](repeating: 9, count: keyLength)
            guard case .cancel = try packet.withUnsafeBytes({ try StartupRequest(packet: $0) }) else {
                Issue.record("a key of \(keyLength) bytes")
                continue
            }
        }
    }
}
