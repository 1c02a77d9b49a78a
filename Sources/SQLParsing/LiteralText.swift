/// What stands in a string literal.
enum LiteralText {
    /// Rewrites a literal that was read with backslash escapes (standard_conforming_strings = off) in place, so that it
    /// reads the same without them. Never longer; what is left over becomes white space behind each segment.
    ///
    /// - Parameter literal: from the first quote to behind the last, comments between segments blanked.
    static func rewriteEscapes(_ literal: UnsafeMutableRawBufferPointer) {
        var source = 0
        let count = literal.count
        while source < count {
            guard literal[source] == UInt8(ascii: "'") else {
                source += 1
                continue
            }
            source = rewriteSegment(literal, from: source)
        }
    }

    /// Rewrites one segment; returns where the text behind it begins.
    private static func rewriteSegment(_ literal: UnsafeMutableRawBufferPointer, from start: Int) -> Int {
        let count = literal.count
        var source = start + 1
        var target = source
        func put(_ byte: UInt8) {
            // The reader is always ahead: what it read is at least as long as what is written.
            guard target < source else { return }
            literal[target] = byte == 0 ? UInt8(ascii: "?") : byte
            target += 1
        }
        while source < count {
            let byte = literal[source]
            if byte == UInt8(ascii: "'") {
                guard source + 1 < count, literal[source + 1] == UInt8(ascii: "'") else { break }
                source += 2
                put(byte)
                put(byte)
            } else if byte == UInt8(ascii: "\\"), source + 1 < count {
                let (value, length) = escape(UnsafeRawBufferPointer(literal), at: source)
                source += length
                for encoded in value {
                    if encoded == UInt8(ascii: "'") { put(encoded) }
                    put(encoded)
                }
            } else {
                source += 1
                put(byte)
            }
        }
        guard source < count else {
            // Unterminated: the server refuses it, and so does libpg_query.
            while target < count {
                literal[target] = UInt8(ascii: "?")
                target += 1
            }
            return count
        }
        literal[target] = UInt8(ascii: "'")
        target += 1
        source += 1
        while target < source {
            literal[target] = 0x20
            target += 1
        }
        return source
    }

    /// The bytes that an escape of an E'' literal stands for, and its length (`xeescape`, `xeoctesc`, `xehexesc`,
    /// `xeunicode` of scan.l).
    static func escape(_ text: UnsafeRawBufferPointer, at start: Int) -> (value: [UInt8], length: Int) {
        guard start + 1 < text.count else { return ([UInt8(ascii: "\\")], 1) }
        let letter = text[start + 1]
        switch letter {
        case UInt8(ascii: "b"): return ([0x08], 2)
        case UInt8(ascii: "f"): return ([0x0C], 2)
        case UInt8(ascii: "n"): return ([0x0A], 2)
        case UInt8(ascii: "r"): return ([0x0D], 2)
        case UInt8(ascii: "t"): return ([0x09], 2)
        case UInt8(ascii: "v"): return ([0x0B], 2)
        case UInt8(ascii: "0")...UInt8(ascii: "7"):
            let (value, digits) = number(text, from: start + 1, base: 8, atMost: 3)
            return ([UInt8(truncatingIfNeeded: value)], 1 + digits)
        case UInt8(ascii: "x"):
            let (value, digits) = number(text, from: start + 2, base: 16, atMost: 2)
            return digits == 0 ? ([letter], 2) : ([UInt8(truncatingIfNeeded: value)], 2 + digits)
        case UInt8(ascii: "u"): return unicodeEscape(text, at: start, digits: 4)
        case UInt8(ascii: "U"): return unicodeEscape(text, at: start, digits: 8)
        default: return ([letter], 2)
        }
    }

    private static func unicodeEscape(
        _ text: UnsafeRawBufferPointer, at start: Int, digits: Int
    ) -> (value: [UInt8], length: Int) {
        var (value, found) = number(text, from: start + 2, base: 16, atMost: digits)
        guard found == digits else { return ([text[start + 1]], 2) }
        var length = 2 + digits
        if value >= 0xD800, value < 0xDC00, start + length + 6 <= text.count, text[start + length] == UInt8(ascii: "\\")
        {
            let isLong = text[start + length + 1] == UInt8(ascii: "U")
            let (low, lowDigits) = number(text, from: start + length + 2, base: 16, atMost: isLong ? 8 : 4)
            if low >= 0xDC00, low < 0xE000 {
                value = 0x10000 + (value - 0xD800) << 10 + (low - 0xDC00)
                length += 2 + lowDigits
            }
        }
        guard let scalar = Unicode.Scalar(value) else { return ([UInt8(ascii: "?")], length) }
        return (Array(Character(scalar).utf8), length)
    }

    private static func number(
        _ text: UnsafeRawBufferPointer, from start: Int, base: UInt32, atMost limit: Int
    ) -> (value: UInt32, digits: Int) {
        var value: UInt32 = 0
        var digits = 0
        while digits < limit, start + digits < text.count {
            let byte = text[start + digits]
            let digit: UInt32
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = UInt32(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = UInt32(byte - UInt8(ascii: "a")) + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = UInt32(byte - UInt8(ascii: "A")) + 10
            default: return (value, digits)
            }
            guard digit < base else { return (value, digits) }
            value = (base == 16 ? value << 4 : value << 3) | digit
            digits += 1
        }
        return (value, digits)
    }
}
