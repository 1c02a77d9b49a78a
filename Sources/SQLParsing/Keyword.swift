/// An ASCII word of at most 16 letters, folded to lower case, as two machine words: compared without a String.
struct Keyword: Hashable, Sendable {
    private let first: UInt64
    private let second: UInt64

    /// No word, or one too long to be a keyword of interest.
    static let none = Keyword("")

    /// The word of a token of kind ``Token/Kind/word``.
    init(_ token: Token, _ text: UnsafeRawBufferPointer) {
        let length = token.end - token.start
        guard length <= 16, token.start >= 0, token.end <= text.count else {
            self = .none
            return
        }
        if length <= 8, length > 0, token.start + 8 <= text.count {
            // Eight bytes at once, those behind the word shifted out.
            let bytes = text.loadUnaligned(fromByteOffset: token.start, as: UInt64.self)
            first = Self.folded(UInt64(bigEndian: bytes) >> UInt64(64 - 8 * length))
            second = 0
            return
        }
        var first: UInt64 = 0
        var second: UInt64 = 0
        for offset in 0..<length {
            let byte = Self.folded(text[token.start + offset])
            if offset < 8 {
                first = first << 8 | UInt64(byte)
            } else {
                second = second << 8 | UInt64(byte)
            }
        }
        self.first = first
        self.second = second
    }

    /// A word known at compile time.
    init(_ word: StaticString) {
        var first: UInt64 = 0
        var second: UInt64 = 0
        word.withUTF8Buffer { bytes in
            for (offset, byte) in bytes.enumerated() where offset < 16 {
                if offset < 8 {
                    first = first << 8 | UInt64(Self.folded(byte))
                } else {
                    second = second << 8 | UInt64(Self.folded(byte))
                }
            }
        }
        self.first = first
        self.second = second
    }

    /// Eight bytes at once.
    private static func folded(_ bytes: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let low = bytes & (ones &* 0x7F)
        let isPastA = low &+ ones &* UInt64(0x80 - UInt8(ascii: "A"))
        let isPastZ = low &+ ones &* UInt64(0x7F - UInt8(ascii: "Z"))
        // The top bit of each byte: an upper-case letter that is ASCII.
        let isUpper = (isPastA ^ isPastZ) & ~bytes & (ones &* 0x80)
        return bytes | isUpper >> 2
    }

    /// A letter of ASCII in lower case, as PostgreSQL folds names that are not quoted; other bytes as they are.
    static func folded(_ byte: UInt8) -> UInt8 {
        byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
    }
}

extension Keyword {
    static let atomic = Keyword("atomic")
    static let begin = Keyword("begin")
    static let `case` = Keyword("case")
    static let create = Keyword("create")
    static let `do` = Keyword("do")
    static let end = Keyword("end")
    static let function = Keyword("function")
    static let or = Keyword("or")
    static let procedure = Keyword("procedure")
    static let replace = Keyword("replace")
    static let rule = Keyword("rule")
}
