import Glibc

/// One token of an SQL text: its kind and its bytes' place.
package struct Token: Sendable, Hashable {
    /// What PostgreSQL's lexer makes of it.
    package enum Kind: UInt8, Sendable {
        /// The text's end.
        case end
        /// A keyword or an unquoted name.
        case word
        /// `"name"`.
        case quotedName
        /// `U&"name"`.
        case unicodeName
        /// `'text'`, continued segments included.
        case string
        /// `E'text'`; also `'text'` while standard_conforming_strings is off.
        case escapeString
        /// `U&'text'`.
        case unicodeString
        /// `B'01'` and `X'1f'`.
        case bitString
        /// `$tag$text$tag$`.
        case dollarString
        case number
        /// `$1`.
        case parameter
        case `operator`
        case openParen
        case closeParen
        case openBracket
        case closeBracket
        case comma
        case semicolon
        case dot
        case colon
        /// A comment; only ``Lexer/nextIncludingComments()`` returns it.
        case comment
        /// A byte that begins no token: the server's lexer fails on it.
        case stray
    }

    package var kind: Kind
    /// The literal or comment is not closed before the text's end: the server's lexer fails on it.
    package var isUnterminated: Bool
    /// A literal whose segments have a `--` comment between them.
    package var holdsComment: Bool
    package var start: Int
    package var end: Int

    package init(_ kind: Kind, _ start: Int, _ end: Int, isUnterminated: Bool = false, holdsComment: Bool = false) {
        self.kind = kind
        self.start = start
        self.end = end
        self.isUnterminated = isUnterminated
        self.holdsComment = holdsComment
    }

    package var range: Range<Int> { start..<end }

    /// A literal in single quotes, with or without a prefix: what a quote right behind it could continue.
    package var isQuotedLiteral: Bool {
        switch kind {
        case .string, .escapeString, .unicodeString, .bitString: true
        default: false
        }
    }

    /// Any string literal.
    package var isString: Bool { isQuotedLiteral && kind != .bitString || kind == .dollarString }
}

/// PostgreSQL's lexical rules (`src/backend/parser/scan.l`) over bytes in which no byte of a multibyte character looks
/// like ASCII (``CanonicalText`` makes other encodings so first, as the server converts before it lexes).
///
/// Linear in the text, allocates nothing, never traps. Where releases differ the newest reading is taken if the older
/// one is an error there (`1_000`, `0x1f`, vertical tab as white space).
package struct Lexer {
    let text: UnsafeRawBufferPointer
    /// ``next()`` has not stepped over a comment so far.
    private(set) var hasPassedNoComment = true
    /// Where the next token is looked for.
    package private(set) var position: Int
    private let backslashEscapes: Bool
    /// The end of a run of signs that an operator gave back: each is a token of its own. Without it a run of n signs
    /// would be scanned n times, as PostgreSQL's own lexer does.
    private var endOfSigns = 0

    /// - Parameter text: no NUL within; must outlive the lexer.
    package init(_ text: UnsafeRawBufferPointer, standardConformingStrings: Bool = true, from position: Int = 0) {
        self.text = text
        self.position = position
        backslashEscapes = !standardConformingStrings
    }

    /// The next token that is no comment.
    package mutating func next() -> Token {
        while true {
            let token = nextIncludingComments()
            if token.kind != .comment { return token }
            hasPassedNoComment = false
        }
    }

    /// The next token or comment.
    package mutating func nextIncludingComments() -> Token {
        var at = position
        let count = text.count
        while at < count, Self.isSpace(text[at]) { at += 1 }
        guard at < count else {
            position = count
            return Token(.end, count, count)
        }
        let token = scan(at)
        position = token.end
        return token
    }

    // MARK: - Rules

    private mutating func scan(_ start: Int) -> Token {
        let byte = text[start]
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"),
            0x80...0xFF:
            return scanWord(start, byte)
        case UInt8(ascii: "'"):
            return backslashEscapes
                ? scanEscapeLiteral(start, quote: start) : scanLiteral(.string, start, quote: start)
        case UInt8(ascii: "\""):
            return scanQuotedName(.quotedName, start, quote: start)
        case UInt8(ascii: "0")...UInt8(ascii: "9"):
            return scanNumber(start)
        case UInt8(ascii: "$"):
            return scanDollar(start)
        case UInt8(ascii: "."):
            if Self.isDigit(peek(start + 1)) { return scanNumber(start) }
            return Token(.dot, start, start + (peek(start + 1) == UInt8(ascii: ".") ? 2 : 1))
        case UInt8(ascii: "("): return Token(.openParen, start, start + 1)
        case UInt8(ascii: ")"): return Token(.closeParen, start, start + 1)
        case UInt8(ascii: "["): return Token(.openBracket, start, start + 1)
        case UInt8(ascii: "]"): return Token(.closeBracket, start, start + 1)
        case UInt8(ascii: ","): return Token(.comma, start, start + 1)
        case UInt8(ascii: ";"): return Token(.semicolon, start, start + 1)
        case UInt8(ascii: ":"):
            let following = peek(start + 1)
            let isPair = following == UInt8(ascii: ":") || following == UInt8(ascii: "=")
            return isPair ? Token(.operator, start, start + 2) : Token(.colon, start, start + 1)
        case UInt8(ascii: "-"):
            return peek(start + 1) == UInt8(ascii: "-") ? scanLineComment(start) : scanOperator(start)
        case UInt8(ascii: "/"):
            return peek(start + 1) == UInt8(ascii: "*") ? scanBlockComment(start) : scanOperator(start)
        default:
            return Self.isOperator(byte) ? scanOperator(start) : Token(.stray, start, start + 1)
        }
    }

    /// An identifier, or the literal that its one letter announces (`xestart`, `xbstart`, `xhstart`, `xusstart`,
    /// `xuistart`). `N'…'` is the word `N` and a plain literal (`xnstart` gives back the quote).
    private func scanWord(_ start: Int, _ first: UInt8) -> Token {
        switch (first | 0x20, peek(start + 1)) {
        case (UInt8(ascii: "e"), UInt8(ascii: "'")):
            return scanEscapeLiteral(start, quote: start + 1)
        case (UInt8(ascii: "b"), UInt8(ascii: "'")), (UInt8(ascii: "x"), UInt8(ascii: "'")):
            return scanLiteral(.bitString, start, quote: start + 1)
        case (UInt8(ascii: "u"), UInt8(ascii: "&")):
            if peek(start + 2) == UInt8(ascii: "'") { return scanLiteral(.unicodeString, start, quote: start + 2) }
            if peek(start + 2) == UInt8(ascii: "\"") { return scanQuotedName(.unicodeName, start, quote: start + 2) }
        default: break
        }
        return Token(.word, start, endOfName(start + 1))
    }

    private func endOfName(_ start: Int) -> Int {
        var at = start
        while at + 8 <= text.count {
            let others = Self.outsideName(UInt64(littleEndian: text.loadUnaligned(fromByteOffset: at, as: UInt64.self)))
            if others != 0 { return at + others.trailingZeroBitCount / 8 }
            at += 8
        }
        while at < text.count, Self.isNamePart(text[at]) { at += 1 }
        return at
    }

    /// `xq`, `xus` (a doubled quote is a quote) and `xb`, `xh` (it is the end, and a new literal's beginning).
    private func scanLiteral(_ kind: Token.Kind, _ start: Int, quote: Int) -> Token {
        var at = quote + 1
        var holdsComment = false
        while true {
            guard let closing = find(UInt8(ascii: "'"), from: at) else {
                return Token(kind, start, text.count, isUnterminated: true, holdsComment: holdsComment)
            }
            at = closing + 1
            if kind != .bitString, peek(at) == UInt8(ascii: "'") {
                at += 1
                continue
            }
            guard let segment = continuation(from: at) else {
                return Token(kind, start, at, holdsComment: holdsComment)
            }
            holdsComment = holdsComment || segment.holdsComment
            at = segment.quote + 1
        }
    }

    /// `xe`: a backslash takes the next byte with it. All segments of a continued literal are read this way.
    private func scanEscapeLiteral(_ start: Int, quote: Int) -> Token {
        var at = quote + 1
        var holdsComment = false
        let count = text.count
        while true {
            while true {
                at = Self.find(UInt8(ascii: "'"), or: UInt8(ascii: "\\"), in: text, from: at)
                guard at < count, text[at] != UInt8(ascii: "'") else { break }
                at += 2
            }
            guard at < count else {
                return Token(.escapeString, start, count, isUnterminated: true, holdsComment: holdsComment)
            }
            at += 1
            if peek(at) == UInt8(ascii: "'") {
                at += 1
                continue
            }
            guard let segment = continuation(from: at) else {
                return Token(.escapeString, start, at, holdsComment: holdsComment)
            }
            holdsComment = holdsComment || segment.holdsComment
            at = segment.quote + 1
        }
    }

    /// `quotecontinue`: white space and `--` comments with a newline among them, then a quote.
    private func continuation(from start: Int) -> (quote: Int, holdsComment: Bool)? {
        var at = start
        var sawNewline = false
        var holdsComment = false
        while at < text.count {
            let byte = text[at]
            if Self.isSpace(byte) {
                if Self.isNewline(byte) { sawNewline = true }
                at += 1
            } else if byte == UInt8(ascii: "-"), peek(at + 1) == UInt8(ascii: "-") {
                holdsComment = true
                at = scanLineComment(at).end
            } else {
                return sawNewline && byte == UInt8(ascii: "'") ? (at, holdsComment) : nil
            }
        }
        return nil
    }

    /// `xd` and `xui`.
    private func scanQuotedName(_ kind: Token.Kind, _ start: Int, quote: Int) -> Token {
        var at = quote + 1
        while let closing = find(UInt8(ascii: "\""), from: at) {
            at = closing + 1
            if peek(at) != UInt8(ascii: "\"") { return Token(kind, start, at) }
            at += 1
        }
        return Token(kind, start, text.count, isUnterminated: true)
    }

    /// `dolqdelim`, `param`, or a lone dollar sign (`dolqfailed`).
    private func scanDollar(_ start: Int) -> Token {
        var at = start + 1
        if Self.isDigit(peek(at)) {
            while Self.isDigit(peek(at)) { at += 1 }
            return Token(.parameter, start, at)
        }
        if Self.isNameStart(peek(at)) {
            while at < text.count, Self.isTagPart(text[at]) { at += 1 }
        }
        guard peek(at) == UInt8(ascii: "$") else { return Token(.stray, start, start + 1) }
        let tag = start...at
        at += 1
        while let dollar = find(UInt8(ascii: "$"), from: at) {
            if matches(tag, at: dollar) { return Token(.dollarString, start, dollar + tag.count) }
            at = dollar + 1
        }
        return Token(.dollarString, start, text.count, isUnterminated: true)
    }

    private func matches(_ tag: ClosedRange<Int>, at start: Int) -> Bool {
        guard tag.count <= text.count - start else { return false }
        for offset in 0..<tag.count where text[tag.lowerBound + offset] != text[start + offset] { return false }
        return true
    }

    /// `decinteger`, `hexinteger`, `octinteger`, `bininteger`, `numeric`, `real`; trailing junk is left to the next token.
    private func scanNumber(_ start: Int) -> Token {
        var at = start
        if text[at] == UInt8(ascii: "0") {
            let digits: (UInt8) -> Bool
            switch peek(at + 1) | 0x20 {
            case UInt8(ascii: "x"): digits = Self.isHexDigit
            case UInt8(ascii: "o"): digits = { (UInt8(ascii: "0")...UInt8(ascii: "7")).contains($0) }
            case UInt8(ascii: "b"): digits = { (UInt8(ascii: "0")...UInt8(ascii: "1")).contains($0) }
            default: digits = { _ in false }
            }
            let end = endOfDigits(at + 2, digits, mayBeginWithUnderscore: true)
            if end > at + 2 { return Token(.number, start, end) }
        }
        at = endOfDigits(at, Self.isDigit, mayBeginWithUnderscore: false)
        if peek(at) == UInt8(ascii: "."), peek(at + 1) != UInt8(ascii: ".") {
            at = endOfDigits(at + 1, Self.isDigit, mayBeginWithUnderscore: false)
        }
        if peek(at) | 0x20 == UInt8(ascii: "e") {
            var exponent = at + 1
            if peek(exponent) == UInt8(ascii: "+") || peek(exponent) == UInt8(ascii: "-") { exponent += 1 }
            if Self.isDigit(peek(exponent)) {
                at = endOfDigits(exponent, Self.isDigit, mayBeginWithUnderscore: false)
            }
        }
        return Token(.number, start, at)
    }

    /// Digits with single underscores between them (PostgreSQL 16).
    private func endOfDigits(_ start: Int, _ isDigit: (UInt8) -> Bool, mayBeginWithUnderscore: Bool) -> Int {
        var at = start
        while true {
            if isDigit(peek(at)) {
                at += 1
            } else if peek(at) == UInt8(ascii: "_"), isDigit(peek(at + 1)), at > start || mayBeginWithUnderscore {
                at += 2
            } else {
                return at
            }
        }
    }

    private func scanLineComment(_ start: Int) -> Token {
        Token(.comment, start, Self.find(UInt8(ascii: "\n"), or: UInt8(ascii: "\r"), in: text, from: start))
    }

    /// `xc`: nested; whatever else stands inside is no token.
    private func scanBlockComment(_ start: Int) -> Token {
        var at = start + 2
        var depth = 1
        let count = text.count
        while true {
            at = Self.find(UInt8(ascii: "*"), or: UInt8(ascii: "/"), in: text, from: at)
            guard at < count else { break }
            let byte = text[at]
            if byte == UInt8(ascii: "*"), peek(at + 1) == UInt8(ascii: "/") {
                at += 2
                depth -= 1
                if depth == 0 { return Token(.comment, start, at) }
            } else if byte == UInt8(ascii: "/"), peek(at + 1) == UInt8(ascii: "*") {
                at += 2
                depth += 1
            } else {
                at += 1
            }
        }
        return Token(.comment, start, count, isUnterminated: true)
    }

    /// `operator`: cut before a comment; a trailing `+` or `-` belongs to it only in the company of certain others.
    private mutating func scanOperator(_ start: Int) -> Token {
        if start < endOfSigns { return Token(.operator, start, start + 1) }
        var at = start
        var keepsSign = false
        scanning: while at < text.count {
            let byte = text[at]
            switch byte {
            case UInt8(ascii: "/") where peek(at + 1) == UInt8(ascii: "*"): break scanning
            case UInt8(ascii: "-") where peek(at + 1) == UInt8(ascii: "-"): break scanning
            case UInt8(ascii: "~"), UInt8(ascii: "!"), UInt8(ascii: "@"), UInt8(ascii: "#"), UInt8(ascii: "^"),
                UInt8(ascii: "&"), UInt8(ascii: "|"), UInt8(ascii: "`"), UInt8(ascii: "?"), UInt8(ascii: "%"):
                keepsSign = true
            default: if !Self.isOperator(byte) { break scanning }
            }
            at += 1
        }
        if !keepsSign {
            endOfSigns = at
            while at > start + 1, text[at - 1] == UInt8(ascii: "+") || text[at - 1] == UInt8(ascii: "-") { at -= 1 }
        }
        return Token(.operator, start, at)
    }

    // MARK: - Bytes

    /// The byte there, or 0 behind the end (no text holds a NUL).
    private func peek(_ at: Int) -> UInt8 { at < text.count ? text[at] : 0 }

    /// The first such byte at or behind `start`.
    private func find(_ byte: UInt8, from start: Int) -> Int? {
        guard start < text.count, let base = text.baseAddress else { return nil }
        // memchr looks at no byte outside the range it is given, which lies within the buffer.
        guard let found = memchr(base + start, Int32(byte), text.count - start) else { return nil }
        return UnsafeRawPointer(found) - base
    }

    /// The place of the first byte at or behind `start` that is one of two, or the text's end: eight bytes at a time,
    /// since runs between two escapes or two stars are short. memchr(3) for each of the two would look at some bytes
    /// again and again.
    static func find(_ one: UInt8, or other: UInt8, in text: UnsafeRawBufferPointer, from start: Int) -> Int {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let (first, second) = (ones &* UInt64(one), ones &* UInt64(other))
        var at = start
        while at + 8 <= text.count {
            let bytes = UInt64(littleEndian: text.loadUnaligned(fromByteOffset: at, as: UInt64.self))
            let (left, right) = (bytes ^ first, bytes ^ second)
            // The lowest top bit that is set is that of the first byte that is zero; higher ones may be others' carries.
            let zeros = ((left &- ones) & ~left | (right &- ones) & ~right) & (ones &* 0x80)
            if zeros != 0 { return at + zeros.trailingZeroBitCount / 8 }
            at += 8
        }
        while at < text.count, text[at] != one, text[at] != other { at += 1 }
        return min(at, text.count)
    }

    static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 0x09 && byte <= 0x0D) }

    static func isNewline(_ byte: UInt8) -> Bool { byte == 0x0A || byte == 0x0D }

    static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

    static func isHexDigit(_ byte: UInt8) -> Bool {
        isDigit(byte) || (byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "f"))
    }

    static func isNameStart(_ byte: UInt8) -> Bool {
        (byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z")) || byte == UInt8(ascii: "_")
            || byte >= 0x80
    }

    /// `dolq_cont`.
    static func isTagPart(_ byte: UInt8) -> Bool { isNameStart(byte) || isDigit(byte) }

    /// `ident_cont`, asked for nearly every byte of an ordinary text: two masks of 64 bits, one bit a character.
    static func isNamePart(_ byte: UInt8) -> Bool {
        if byte >= 0x80 { return true }
        let mask: UInt64 = byte < 64 ? 0x03FF_0010_0000_0000 : 0x07FF_FFFE_87FF_FFFE
        return mask >> UInt64(byte & 63) & 1 != 0
    }

    /// The top bit of each of eight bytes that is no `ident_cont`. A byte at a time, names took 606 instructions of a
    /// pgbench SELECT (callgrind).
    private static func outsideName(_ bytes: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        // Sums of seven bits and a constant reach the top bit and not beyond.
        let low = bytes & (ones &* 0x7F)
        let lower = low | ones &* 0x20
        let isLetter = (lower &+ ones &* (0x80 - 0x61)) & ~(lower &+ ones &* (0x7F - 0x7A))
        let isDigit = (low &+ ones &* (0x80 - 0x30)) & ~(low &+ ones &* (0x7F - 0x39))
        let isUnderscore = ~((low ^ ones &* 0x5F) &+ ones &* 0x7F)
        let isDollar = ~((low ^ ones &* 0x24) &+ ones &* 0x7F)
        return ~(bytes | isLetter | isDigit | isUnderscore | isDollar) & (ones &* 0x80)
    }

    /// `op_chars`.
    static func isOperator(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "~"), UInt8(ascii: "!"), UInt8(ascii: "@"), UInt8(ascii: "#"), UInt8(ascii: "^"),
            UInt8(ascii: "&"), UInt8(ascii: "|"), UInt8(ascii: "`"), UInt8(ascii: "?"), UInt8(ascii: "+"),
            UInt8(ascii: "-"), UInt8(ascii: "*"), UInt8(ascii: "/"), UInt8(ascii: "%"), UInt8(ascii: "<"),
            UInt8(ascii: ">"), UInt8(ascii: "="):
            true
        default: false
        }
    }
}
