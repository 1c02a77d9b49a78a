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
        let oneWanted = Self.eightfold(bytes[one])
        let otherWanted = Self.eightfold(bytes[other])
        let oneFold = Self.eightfold(fold(of: one))
        let otherFold = Self.eightfold(fold(of: other))
        // Words of eight candidates: vector types of bytes were a loop over their elements, 300 times slower. The loads end
        // within the text because a candidate's bytes do.
        func differences(_ place: Int) -> UInt64 {
            let here = UnsafeRawPointer(base + place)
            let oneBytes = here.loadUnaligned(fromByteOffset: one, as: UInt64.self) | oneFold
            let otherBytes = here.loadUnaligned(fromByteOffset: other, as: UInt64.self) | otherFold
            return (oneBytes ^ oneWanted) | (otherBytes ^ otherWanted)
        }
        var place = start
        while place + 31 <= last {
            let zeros =
                Self.zeros(differences(place)) | Self.zeros(differences(place + 8))
                | Self.zeros(differences(place + 16)) | Self.zeros(differences(place + 24))
            if zeros != 0 {
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

    /// Not 0 if one of the bytes is 0; may be so wrongly, never the other way.
    private static func zeros(_ word: UInt64) -> UInt64 {
        (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080
    }

    private static func eightfold(_ byte: UInt8) -> UInt64 { UInt64(byte) &* 0x0101_0101_0101_0101 }

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
