/// Bytes to look for in the text of a trail, many times faster than its lines can be read.
struct SearchNeedle: Sendable, Equatable {
    let bytes: [UInt8]
    /// ASCII letters match in both sizes; `bytes` has small ones.
    let isCaseless: Bool
    /// Two of its bytes that are rare in a trail: they are compared first.
    private let probes: (Int, Int)

    static func == (one: SearchNeedle, other: SearchNeedle) -> Bool {
        one.bytes == other.bytes && one.isCaseless == other.isCaseless
    }

    /// Nil if there is nothing to look for.
    init?(_ bytes: [UInt8], isCaseless: Bool = false) {
        guard !bytes.isEmpty else { return nil }
        self.bytes = isCaseless ? bytes.map(FoldedText.fold) : bytes
        self.isCaseless = isCaseless
        let order = self.bytes.indices.sorted { Self.commonness(bytes[$0]) < Self.commonness(bytes[$1]) }
        probes = (order[0], order.count > 1 ? order[1] : order[0])
    }

    /// How common a byte is in the lines of a trail, roughly.
    private static func commonness(_ byte: UInt8) -> Int {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: ":"), UInt8(ascii: ","): 9
        // The digits of codes and times.
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): 8
        case UInt8(ascii: "e"), UInt8(ascii: "t"), UInt8(ascii: "i"), UInt8(ascii: "o"), UInt8(ascii: "n"),
            UInt8(ascii: "s"), UInt8(ascii: "r"), UInt8(ascii: "l"), UInt8(ascii: "u"), UInt8(ascii: "_"), 0x20:
            7
        case UInt8(ascii: "A")...UInt8(ascii: "F"): 6
        case UInt8(ascii: "g")...UInt8(ascii: "z"): 4
        case UInt8(ascii: "G")...UInt8(ascii: "Z"): 3
        default: 1
        }
    }

    /// The first place from `start` on; nil if there is none. Reads nothing outside the text.
    func first(in text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
        guard let base = text.baseAddress else { return nil }
        let last = text.count - bytes.count
        guard start <= last else { return nil }
        let (one, other) = probes
        let oneFold = fold(of: one)
        let otherFold = fold(of: other)
        let oneWanted = SIMD32<UInt8>(repeating: bytes[one])
        let otherWanted = SIMD32<UInt8>(repeating: bytes[other])
        let oneFolds = SIMD32<UInt8>(repeating: oneFold)
        let otherFolds = SIMD32<UInt8>(repeating: otherFold)
        var place = start
        // 32 candidates at once; the loads end within the text because a candidate's bytes do.
        while place + 31 <= last {
            let oneBytes = UnsafeRawPointer(base + place + one).loadUnaligned(as: SIMD32<UInt8>.self) | oneFolds
            let otherBytes = UnsafeRawPointer(base + place + other).loadUnaligned(as: SIMD32<UInt8>.self) | otherFolds
            let differences = (oneBytes ^ oneWanted) | (otherBytes ^ otherWanted)
            if Self.hasZero(differences) {
                for candidate in place..<(place + 32) where isAt(candidate, base) { return candidate }
            }
            place += 32
        }
        while place <= last {
            if isAt(place, base) { return place }
            place += 1
        }
        return nil
    }

    /// Whether one of the bytes is 0; may say yes wrongly, never no.
    private static func hasZero(_ bytes: SIMD32<UInt8>) -> Bool {
        let words = unsafeBitCast(bytes, to: SIMD4<UInt64>.self)
        let ones = SIMD4<UInt64>(repeating: 0x0101_0101_0101_0101)
        let tops = SIMD4<UInt64>(repeating: 0x8080_8080_8080_8080)
        let zeros = (words &- ones) & ~words & tops
        return (zeros[0] | zeros[1] | zeros[2] | zeros[3]) != 0
    }

    private func fold(of index: Int) -> UInt8 {
        isCaseless && bytes[index] >= UInt8(ascii: "a") && bytes[index] <= UInt8(ascii: "z") ? 0x20 : 0
    }

    private func isAt(_ place: Int, _ base: UnsafePointer<UInt8>) -> Bool {
        bytes.withUnsafeBufferPointer { wanted in
            for index in 0..<wanted.count {
                let byte = base[place + index]
                if byte != wanted[index], !isCaseless || FoldedText.fold(byte) != wanted[index] { return false }
            }
            return true
        }
    }
}

extension SearchNeedle {
    /// What certainly stands in a line that has this pair of key and text.
    static func field(_ key: StaticString, _ value: String) -> SearchNeedle? {
        var bytes: [UInt8] = [UInt8(ascii: "\"")]
        key.withUTF8Buffer { bytes += $0 }
        bytes += "\":".utf8
        return SearchNeedle(bytes + AuditEncoder.quoted(value))
    }

    /// What certainly stands in a line with a text that holds these folded bytes: the longest run of ASCII that is written as
    /// it is. Nil if that is too short to tell lines apart.
    static func caseless(_ folded: [UInt8]) -> SearchNeedle? {
        let runs = folded.split { byte in
            byte < 0x20 || byte > 0x7E || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
                || byte == UInt8(ascii: "/")
        }
        guard let longest = runs.max(by: { $0.count < $1.count }), longest.count >= 2 else { return nil }
        return SearchNeedle(Array(longest), isCaseless: true)
    }
}
