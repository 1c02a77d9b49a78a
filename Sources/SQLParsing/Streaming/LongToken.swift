/// A literal, quoted name or comment that is too long to be held, while it goes by.
///
/// Knows how each ends by PostgreSQL's lexical rules (`scan.l`), so that the bytes of a 900 MB literal can be looked at
/// once and forgotten.
enum LongToken {
    /// `'…'`; in escape literals a backslash takes the next byte with it; in bit strings a doubled quote is the end.
    case literal(escapes: Bool, doubles: Bool)
    /// The literal's quote was closed: white space with a newline and another quote continue it.
    case closedLiteral(escapes: Bool, doubles: Bool, sawNewline: Bool)
    /// `$tag$…$tag$`, with its delimiter.
    case dollar([UInt8])
    case quotedName
    case blockComment(depth: Int)
    case lineComment

    /// What begins with this token, and where its inside begins; nil for tokens that cannot be long.
    static func opening(_ token: Token, _ text: UnsafeRawBufferPointer) -> (kind: LongToken, inside: Int)? {
        func after(_ byte: UInt8) -> Int? {
            text[token.start..<token.end].firstIndex(of: byte).map { $0 + 1 }
        }
        switch token.kind {
        case .string, .unicodeString:
            return after(UInt8(ascii: "'")).map { (.literal(escapes: false, doubles: true), $0) }
        case .bitString:
            return after(UInt8(ascii: "'")).map { (.literal(escapes: false, doubles: false), $0) }
        case .escapeString:
            return after(UInt8(ascii: "'")).map { (.literal(escapes: true, doubles: true), $0) }
        case .quotedName, .unicodeName:
            return after(UInt8(ascii: "\"")).map { (.quotedName, $0) }
        case .dollarString:
            guard let first = after(UInt8(ascii: "$")),
                let second = text[first..<token.end].firstIndex(of: UInt8(ascii: "$"))
            else { return nil }
            return (.dollar(Array(text[token.start...second])), second + 1)
        case .comment:
            let isBlock = text[token.start] == UInt8(ascii: "/")
            return (isBlock ? .blockComment(depth: 1) : .lineComment, token.start + 2)
        case .end, .word, .number, .parameter, .operator, .openParen, .closeParen, .openBracket, .closeBracket, .comma,
            .semicolon, .dot, .colon, .stray:
            return nil
        }
    }

    /// Goes on from `start`.
    ///
    /// - Parameter isLast: nothing comes behind `text`.
    /// - Returns: how far the bytes have been taken, and whether the token ended there.
    mutating func advance(_ text: UnsafeRawBufferPointer, from start: Int, isLast: Bool) -> (end: Int, isOver: Bool) {
        switch self {
        case .literal(let escapes, let doubles):
            return advanceLiteral(text, start, isLast, escapes, doubles)
        case .closedLiteral(let escapes, let doubles, let sawNewline):
            return advanceClosed(text, start, isLast, escapes, doubles, sawNewline)
        case .dollar(let delimiter):
            return Self.advanceDollar(text, start, isLast, delimiter)
        case .quotedName:
            var at = start
            while true {
                at = Lexer.find(UInt8(ascii: "\""), or: UInt8(ascii: "\""), in: text, from: at)
                guard at < text.count else { break }
                if at + 1 == text.count && !isLast { return (at, false) }
                if at + 1 < text.count, text[at + 1] == UInt8(ascii: "\"") {
                    at += 2
                } else {
                    return (at + 1, true)
                }
            }
            return (at, isLast)
        case .blockComment(let depth):
            return advanceBlockComment(text, start, isLast, depth)
        case .lineComment:
            let end = Lexer.find(UInt8(ascii: "\n"), or: UInt8(ascii: "\r"), in: text, from: start)
            return (end, end < text.count || isLast)
        }
    }

    private mutating func advanceLiteral(
        _ text: UnsafeRawBufferPointer, _ start: Int, _ isLast: Bool, _ escapes: Bool, _ doubles: Bool
    ) -> (end: Int, isOver: Bool) {
        let (quote, backslash) = (UInt8(ascii: "'"), UInt8(ascii: "\\"))
        var at = start
        while true {
            at = Lexer.find(quote, or: escapes ? backslash : quote, in: text, from: at)
            guard at < text.count else { break }
            if text[at] == backslash {
                if at + 1 >= text.count && !isLast { return (at, false) }
                at = min(at + 2, text.count)
            } else {
                if at + 1 >= text.count && !isLast { return (at, false) }
                if doubles, at + 1 < text.count, text[at + 1] == UInt8(ascii: "'") {
                    at += 2
                } else {
                    self = .closedLiteral(escapes: escapes, doubles: doubles, sawNewline: false)
                    return advance(text, from: at + 1, isLast: isLast)
                }
            }
        }
        return (at, isLast)
    }

    /// `quotecontinue` of scan.l: white space and `--` comments with a newline among them, then a quote.
    private mutating func advanceClosed(
        _ text: UnsafeRawBufferPointer, _ start: Int, _ isLast: Bool, _ escapes: Bool, _ doubles: Bool,
        _ newlineBefore: Bool
    ) -> (end: Int, isOver: Bool) {
        var at = start
        var sawNewline = newlineBefore
        while at < text.count {
            let byte = text[at]
            if Lexer.isSpace(byte) {
                sawNewline = sawNewline || Lexer.isNewline(byte)
                at += 1
            } else if byte == UInt8(ascii: "'"), sawNewline {
                self = .literal(escapes: escapes, doubles: doubles)
                return advance(text, from: at + 1, isLast: isLast)
            } else if byte == UInt8(ascii: "-"), at + 1 < text.count || !isLast {
                // A comment is passed over only when its end is in sight: more of it is waited for.
                guard at + 1 < text.count else { return remember(at) }
                guard text[at + 1] == UInt8(ascii: "-") else { return (at, true) }
                guard let end = text[at...].firstIndex(where: { Lexer.isNewline($0) }) else {
                    return isLast ? (text.count, true) : remember(at)
                }
                at = end
            } else {
                return (at, true)
            }
        }
        if isLast { return (at, true) }
        return remember(at)

        func remember(_ end: Int) -> (end: Int, isOver: Bool) {
            self = .closedLiteral(escapes: escapes, doubles: doubles, sawNewline: sawNewline)
            return (end, false)
        }
    }

    private static func advanceDollar(
        _ text: UnsafeRawBufferPointer, _ start: Int, _ isLast: Bool, _ delimiter: [UInt8]
    ) -> (end: Int, isOver: Bool) {
        var at = start
        while true {
            at = Lexer.find(UInt8(ascii: "$"), or: UInt8(ascii: "$"), in: text, from: at)
            guard at + delimiter.count <= text.count else { break }
            if text[at..<(at + delimiter.count)].elementsEqual(delimiter) {
                return (at + delimiter.count, true)
            }
            at += 1
        }
        return isLast ? (text.count, true) : (at, false)
    }

    private mutating func advanceBlockComment(
        _ text: UnsafeRawBufferPointer, _ start: Int, _ isLast: Bool, _ open: Int
    ) -> (end: Int, isOver: Bool) {
        var at = start
        var depth = open
        while true {
            at = Lexer.find(UInt8(ascii: "*"), or: UInt8(ascii: "/"), in: text, from: at)
            guard at + 1 < text.count else { break }
            switch (text[at], text[at + 1]) {
            case (UInt8(ascii: "/"), UInt8(ascii: "*")):
                depth += 1
                at += 2
            case (UInt8(ascii: "*"), UInt8(ascii: "/")):
                depth -= 1
                at += 2
                if depth == 0 { return (at, true) }
            default:
                at += 1
            }
        }
        self = .blockComment(depth: depth)
        return isLast ? (text.count, true) : (at, false)
    }
}
