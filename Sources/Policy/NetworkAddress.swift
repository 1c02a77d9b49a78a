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
}
