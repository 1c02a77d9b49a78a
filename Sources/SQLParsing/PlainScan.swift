/// The quickest proof that a query is ordinary: its bytes alone show it, eight at a time, without a token.
///
/// Proven is one SELECT of words, numbers, parameters and operators: no quote, no parenthesis, no comment, no `into`. All
/// of these are plain queries to ``PlainQuery`` too, which asks for less, and needs 1,850 instructions for a pgbench SELECT
/// where this needs 400. What is not proven here may be so there.
enum PlainScan {
    /// How many bytes one step looks at: eight places, and three behind the last for the word that begins there.
    private static let window = 11
    private static let ones: UInt64 = 0x0101_0101_0101_0101

    /// Whether the text is one such query, a last semicolon aside.
    ///
    /// - Parameter text: in an encoding in which every byte below 0x80 is ASCII.
    static func isProven(_ text: UnsafeRawBufferPointer) -> Bool {
        var count = text.count
        while count > window, Lexer.isSpace(text[count - 1]) { count -= 1 }
        // A second semicolon is met below.
        if count > window, text[count - 1] == UInt8(ascii: ";") { count -= 1 }
        guard count >= window, beginsWithSelect(text) else { return false }
        // The last step looks again at some bytes of the one before.
        let last = count - window
        var start = 0
        while start < last {
            if isSpoilt(text, start, count) { return false }
            start += 8
        }
        return !isSpoilt(text, last, count)
    }

    /// `select`, in any case, and a byte that ends the word.
    private static func beginsWithSelect(_ text: UnsafeRawBufferPointer) -> Bool {
        let first = UInt64(bigEndian: text.loadUnaligned(as: UInt64.self))
        return (first >> 16) | 0x2020_2020_2020 == 0x7365_6C65_6374 && !Lexer.isNamePart(UInt8(first >> 8 & 0xFF))
    }

    /// Whether `into` begins in the eight bytes from `start` on, or one of the eight bytes from three places later on spoils
    /// the proof. The three bytes before the first of those are `sel`.
    @inline(__always)
    private static func isSpoilt(_ text: UnsafeRawBufferPointer, _ start: Int, _ count: Int) -> Bool {
        let bytes = word(text, start + 3)
        let into =
            differing(word(text, start), "i") | differing(word(text, start + 1), "n")
            | differing(word(text, start + 2), "t") | differing(bytes, "o")
        let spoilt = spoiling(bytes) | (into &- ones) & ~into & (ones &* 0x80)
        guard spoilt != 0 else { return false }
        // A parameter's dollar sign: a digit follows, so that it begins no dollar quote.
        let dollars = equal(bytes & (ones &* 0x7F), 0x24)
        guard spoilt == dollars else { return true }
        for index in (start + 3)..<(start + window) where text[index] == UInt8(ascii: "$") {
            guard index + 1 < count, Lexer.isDigit(text[index + 1]) else { return true }
        }
        return false
    }

    @inline(__always)
    private static func word(_ text: UnsafeRawBufferPointer, _ offset: Int) -> UInt64 {
        text.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
    }

    /// Zero in each byte that is the letter, in either case.
    @inline(__always)
    private static func differing(_ bytes: UInt64, _ letter: Unicode.Scalar) -> UInt64 {
        (bytes | ones &* 0x20) ^ (ones &* UInt64(letter.value))
    }

    /// The top bit of each byte that is none of: letters, digits, white space, `_ . , : [ ] * + < = > ? @ ^` and the
    /// backtick. So nothing begins a literal, a quoted name or a comment, and no parenthesis and no semicolon is there.
    @inline(__always)
    private static func spoiling(_ bytes: UInt64) -> UInt64 {
        // Sums of seven bits and a constant reach the top bit and not beyond.
        let low = bytes & (ones &* 0x7F)
        let isPastBrace = low &+ ones &* (0x80 - 0x7B)
        // `! " # $ % & ' ( )`.
        let isQuoteOrSo = (low &+ ones &* (0x80 - 0x21)) & ~(low &+ ones &* (0x80 - 0x2A))
        // `-` and `/`, which differ in one bit.
        let isDashOrSlash = equal(low & ~(ones &* 0x02), 0x2D)
        let isSemicolonOrBackslash = equal(low, 0x3B) | equal(low, 0x5C)
        let isSpace = (low &+ ones &* (0x80 - 0x09)) & ~(low &+ ones &* (0x80 - 0x0E))
        let isControl = ~(low &+ ones &* (0x80 - 0x20)) & ~isSpace
        return (bytes | isPastBrace | isQuoteOrSo | isDashOrSlash | isSemicolonOrBackslash | isControl)
            & (ones &* 0x80)
    }

    /// The top bit of each byte of seven bits that is this one; exact.
    @inline(__always)
    private static func equal(_ low: UInt64, _ byte: UInt64) -> UInt64 {
        ~((low ^ ones &* byte) &+ ones &* 0x7F) & (ones &* 0x80)
    }
}
