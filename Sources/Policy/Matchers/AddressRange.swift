/// A range of client addresses in CIDR notation (`10.0.0.0/8`, `fd00::/8`), or a single address.
///
/// IPv4 clients match IPv4 ranges only, also when they reach an IPv6 socket (`::ffff:10.0.0.1`).
package struct AddressRange: Sendable, Hashable {
    /// The first address of the range; bits after the prefix are zero.
    package let base: NetworkAddress
    /// How many leading bits count: 0…32 or 0…128.
    package let prefixLength: Int

    /// Why a text is no address range.
    package enum Fault: Error, Hashable {
        case notAnAddress
        /// The prefix is not a number from 0 to `maximum`.
        case prefixOutOfRange(maximum: Int)
        /// Bits after the prefix are set; `meant` is the range that contains the address.
        case bitsAfterPrefix(meant: String)
    }

    /// Reads `address` or `address/prefix`.
    package init(_ text: String) throws(Fault) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let raw = NetworkAddress.parse(String(first)) else { throw .notAnAddress }
        let writtenBits = raw.count * 8
        var prefix = writtenBits
        if parts.count == 2 {
            let digits = parts[1]
            guard !digits.isEmpty, digits.utf8.count <= 3, digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
                let number = Int(digits), number <= writtenBits
            else { throw .prefixOutOfRange(maximum: writtenBits) }
            prefix = number
        }
        let masked = Self.masked(raw, to: prefix)
        guard masked == raw else {
            throw .bitsAfterPrefix(meant: NetworkAddress.text(masked) + "/\(prefix)")
        }
        guard let base = NetworkAddress(bytes: raw) else { throw .notAnAddress }
        // A mapped range (::ffff:10.0.0.0/104) is held like the addresses that it is compared with.
        let unmapped = writtenBits - base.bytes.count * 8
        guard prefix >= unmapped else {
            // Wider than the mapped block: as an IPv6 range it could match no address that we hold.
            throw .prefixOutOfRange(maximum: writtenBits)
        }
        self.base = base
        prefixLength = prefix - unmapped
    }

    package func contains(_ address: NetworkAddress) -> Bool {
        guard address.bytes.count == base.bytes.count else { return false }
        return Self.masked(address.bytes, to: prefixLength) == base.bytes
    }

    private static func masked(_ bytes: [UInt8], to prefixLength: Int) -> [UInt8] {
        bytes.indices.map { index in
            let keptBits = min(max(prefixLength - index * 8, 0), 8)
            return keptBits == 0 ? 0 : bytes[index] & (0xFF << UInt8(8 - keptBits))
        }
    }
}

/// One entry of a tag's `client` list.
package enum ClientPattern: Sendable, Hashable {
    /// `local`: a client on a Unix-domain socket.
    case local
    case range(AddressRange)

    package func matches(_ address: NetworkAddress?) -> Bool {
        switch (self, address) {
        case (.local, nil): true
        case (.range(let range), .some(let address)): range.contains(address)
        case (.local, .some), (.range, nil): false
        }
    }

    /// Whether the entry says nothing about who the client is: all of IPv4 or all of IPv6.
    package var matchesEverything: Bool {
        switch self {
        case .local: false
        case .range(let range): range.prefixLength == 0
        }
    }
}
