import Transport

/// What connections are counted by where they are counted by address: an IPv4 address, an IPv6 network of 64 bits (one
/// machine has as many addresses of it as it likes), or this machine's Unix-domain sockets together.
struct AddressKey: Hashable, Sendable {
    private let family: UInt8
    private let bits: UInt64

    init(_ address: SocketAddress) {
        let bytes = address.ipBytes ?? []
        let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
        switch bytes.count {
        case 4:
            (family, bits) = (4, Self.number(bytes[...]))
        case 16 where Array(bytes.prefix(12)) == mapped:
            (family, bits) = (4, Self.number(bytes[12...]))
        case 16:
            (family, bits) = (6, Self.number(bytes.prefix(8)))
        default:
            (family, bits) = (0, 0)
        }
    }

    /// A client on a Unix-domain socket.
    var isLocal: Bool { family == 0 }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
}
