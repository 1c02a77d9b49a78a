/// A Bloom filter: whether a token may be among those that were put in. Says yes wrongly about once in a hundred times, and
/// never wrongly no.
struct SearchBloom: Sendable, Equatable {
    /// Bits for each token, and probes: 1 % wrong answers.
    private static let bitsPerToken = 10
    private static let probeCount = 7

    private(set) var bits: [UInt8]

    init(_ tokens: some Collection<UInt64>) {
        bits = [UInt8](repeating: 0, count: max(64, (tokens.count * Self.bitsPerToken + 7) / 8))
        for token in tokens {
            for probe in 0..<Self.probeCount {
                let bit = Self.bit(token, probe, bits.count)
                bits[bit >> 3] |= 1 << UInt8(bit & 7)
            }
        }
    }

    /// As it stands in an index. Nil if there is nothing.
    init?(bits: some Collection<UInt8>) {
        guard !bits.isEmpty else { return nil }
        self.bits = Array(bits)
    }

    func mayHold(_ token: UInt64) -> Bool {
        for probe in 0..<Self.probeCount {
            let bit = Self.bit(token, probe, bits.count)
            if bits[bit >> 3] & 1 << UInt8(bit & 7) == 0 { return false }
        }
        return true
    }

    /// One of `byteCount` × 8 bits, each as likely.
    private static func bit(_ token: UInt64, _ probe: Int, _ byteCount: Int) -> Int {
        // An odd step, so that the probes of a token differ; the product spreads what is near.
        let step = token << 32 | token >> 32 | 1
        let hash = (token &+ UInt64(probe) &* step) &* 0x9E37_79B9_7F4A_7C15
        return Int(truncatingIfNeeded: hash.multipliedFullWidth(by: UInt64(byteCount) * 8).high)
    }
}
