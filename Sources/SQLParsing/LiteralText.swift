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
        let (quote, backslash) = (UInt8(ascii: "'"), UInt8(ascii: "\\"))
        let text = UnsafeRawBufferPointer(literal)
        let count = literal.count
        var source = start + 1
        var target = source
        func put(_ byte: UInt8) {
            // The reader is always ahead: what it read is at least as long as what is written.
            guard target < source else { return }
            literal[target] = byte == 0 ? UInt8(ascii: "?") : byte
            target += 1
        }
        while true {
            let special = Lexer.find(quote, or: backslash, in: text, from: source)
            if special > source {
                // Texts hold no NUL: what stands between two of these bytes needs no look.
                if target < source {
                    let run = UnsafeRawBufferPointer(rebasing: text[source..<special])
                    UnsafeMutableRawBufferPointer(rebasing: literal[target..<count]).copyMemory(from: run)
                }
                target += special - source
                source = special
            }
            guard source < count else { break }
            if literal[source] == quote {
                guard source + 1 < count, literal[source + 1] == quote else { break }
                source += 2
                put(quote)
                put(quote)
            } else if source + 1 < count {
                if let plain = simpleEscape(literal[source + 1]) {
                    source += 2
                    if plain == quote { put(quote) }
                    put(plain)
                    continue
                }
                let (value, length) = escape(text, at: source)
                source += length
                for encoded in value {
                    if encoded == quote { put(encoded) }
                    put(encoded)
                }
            } else {
                source += 1
                put(backslash)
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
        if let plain = simpleEscape(letter) { return ([plain], 2) }
        switch letter {
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

    /// The byte that a backslash and this byte stand for, if no digits belong to them.
    private static func simpleEscape(_ letter: UInt8) -> UInt8? {
        switch letter {
        case UInt8(ascii: "b"): 0x08
        case UInt8(ascii: "f"): 0x0C
        case UInt8(ascii: "n"): 0x0A
        case UInt8(ascii: "r"): 0x0D
        case UInt8(ascii: "t"): 0x09
        case UInt8(ascii: "v"): 0x0B
        case UInt8(ascii: "0")...UInt8(ascii: "7"), UInt8(ascii: "x"), UInt8(ascii: "u"), UInt8(ascii: "U"): nil
        default: letter
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
