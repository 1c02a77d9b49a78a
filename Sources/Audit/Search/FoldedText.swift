/// A text without its difference of large and small letters, to look for in others.
///
/// ASCII letters are folded, and other letters by Unicode's simple mapping, but never to ASCII (the Kelvin sign stays one): so
/// that a byte search for the text's ASCII letters finds every place where it could stand.
package struct FoldedText: Sendable, Equatable, Hashable {
    package let text: String
    let bytes: [UInt8]

    package init(_ text: String) {
        self.text = text
        bytes = Self.fold(text)
    }

    /// Whether it stands anywhere in that text. An empty one stands in every text.
    func isIn(_ other: String) -> Bool { isIn(folded: Self.fold(other)) }

    func isIn(folded other: [UInt8]) -> Bool {
        guard let first = bytes.first else { return true }
        guard other.count >= bytes.count else { return false }
        for start in 0...(other.count - bytes.count) where other[start] == first {
            if other[start..<start + bytes.count].elementsEqual(bytes) { return true }
        }
        return false
    }

    /// UTF-8 of the text, folded.
    static func fold(_ text: some StringProtocol) -> [UInt8] {
        var folded: [UInt8] = []
        folded.reserveCapacity(text.utf8.count)
        if text.utf8.allSatisfy({ $0 < 0x80 }) {
            for byte in text.utf8 { folded.append(fold(byte)) }
            return folded
        }
        for scalar in text.unicodeScalars {
            if scalar.isASCII {
                folded.append(fold(UInt8(truncatingIfNeeded: scalar.value)))
                continue
            }
            let mapped = scalar.properties.lowercaseMapping
            if mapped.unicodeScalars.contains(where: \.isASCII) {
                folded += String(scalar).utf8
            } else {
                folded += mapped.utf8
            }
        }
        return folded
    }

    static func fold(_ byte: UInt8) -> UInt8 {
        byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
    }
}
