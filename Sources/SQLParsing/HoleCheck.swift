/// Whether the pieces of a text that are not known can be nothing but the names and values that they are quoted for.
///
/// Quotes protect only in ordinary code: not in a comment, a literal or a quoted name, not beside a letter or a quote
/// that they merge with, not where the literal is itself run, and an unreserved keyword, which `quote_ident` leaves
/// as it is, only where the grammar takes a name.
enum HoleCheck {
    private struct Hole {
        var range: Range<Int>
        var piece: ConstantText.Piece
    }

    /// - Complexity: linear in the text: one pass of the lexer, one parse.
    static func isTrusted(
        _ pieces: [ConstantText.Piece], standardConformingStrings: Bool, functions: KnownFunctionIndex
    ) -> Bool {
        guard DynamicText.isKnown(pieces) else { return false }
        var text: [UInt8] = []
        var holes: [Hole] = []
        var optionalCount = 0
        for piece in pieces {
            let start = text.count
            switch piece {
            case .text(let bytes):
                text += bytes
                continue
            case .optional:
                optionalCount += 1
                continue
            case .unknown: return false
            case .name: text += Array(ConstantText.Piece.placeholder.utf8)
            case .literal: text += Array("'\(ConstantText.Piece.placeholder)'".utf8)
            case .number: text += Array(ConstantText.Piece.numberPlaceholder.utf8)
            }
            holes.append(Hole(range: start..<text.count, piece: piece))
        }
        if holes.isEmpty { return true }
        guard optionalCount <= DynamicText.optionalLimit, text.count <= StatementAnalyzer.wholeTextLimit,
            !text.contains(0)
        else { return false }
        let settings = LexicalSettings(standardConformingStrings: standardConformingStrings)
        switch areTokens(holes, text, settings) {
        case .no: return false
        case .unfinished: return true
        case .yes: return parses(text, settings, functions)
        }
    }

    private enum Answer {
        case yes
        case no
        /// They are, and a literal or comment behind them never ends: no server runs that.
        case unfinished
    }

    // MARK: - Tokens

    private static func areTokens(_ holes: [Hole], _ text: [UInt8], _ settings: LexicalSettings) -> Answer {
        text.withUnsafeBytes { bytes in
            var lexer = Lexer(bytes, standardConformingStrings: settings.standardConformingStrings)
            var next = 0
            while true {
                let token = lexer.nextIncludingComments()
                if token.kind == .end { return next == holes.count ? .yes : .no }
                while next < holes.count, holes[next].range.lowerBound < token.end {
                    let hole = holes[next]
                    guard token.start <= hole.range.lowerBound, hole.range.upperBound <= token.end,
                        !token.isUnterminated, fits(hole, token, bytes)
                    else { return .no }
                    next += 1
                }
                if token.isUnterminated { return next == holes.count ? .unfinished : .no }
            }
        }
    }

    private static func fits(_ hole: Hole, _ token: Token, _ text: UnsafeRawBufferPointer) -> Bool {
        let before = hole.range.lowerBound > 0 ? text[hole.range.lowerBound - 1] : 0
        let after = hole.range.upperBound < text.count ? text[hole.range.upperBound] : 0
        let isWhole = token.range == hole.range && !merges(before) && !merges(after)
        switch hole.piece {
        case .name:
            // regclass writes a missing object as -.
            return isWhole && token.kind == .word && before != UInt8(ascii: "-") && after != UInt8(ascii: "-")
        case .literal: return isWhole && (token.kind == .string || token.kind == .escapeString)
        case .number: return fitsNumber(hole, token, text, isWhole: isWhole, before: before, after: after)
        case .text, .optional, .unknown: return false
        }
    }

    /// A letter, digit, dollar sign, quote or the ampersand of `U&`.
    private static func merges(_ byte: UInt8) -> Bool {
        Lexer.isNamePart(byte) || byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"")
            || byte == UInt8(ascii: "&") || byte == UInt8(ascii: "$") || byte == UInt8(ascii: "\\")
    }

    /// A number or date may also be a part of a name, a literal or a comment: it has no quote or dollar sign.
    private static func fitsNumber(
        _ hole: Hole, _ token: Token, _ text: UnsafeRawBufferPointer, isWhole: Bool, before: UInt8, after: UInt8
    ) -> Bool {
        let slash = UInt8(ascii: "/")
        let star = UInt8(ascii: "*")
        switch token.kind {
        case .number:
            // A sign before it could make it a comment: - and -1.
            let isOperand = before == UInt8(ascii: "=") || before == UInt8(ascii: "<") || before == UInt8(ascii: ">")
            return isWhole && before != UInt8(ascii: ".") && after != UInt8(ascii: ".")
                && (isOperand || !Lexer.isOperator(before))
        case .word:
            let behind = token.end < text.count ? text[token.end] : 0
            return hole.range.lowerBound > token.start && before != UInt8(ascii: "$") && after != UInt8(ascii: "$")
                && !merges(behind)
        case .string, .quotedName: return true
        case .escapeString: return !text[token.range].contains(UInt8(ascii: "\\"))
        case .dollarString:
            // Inside, and no part of what could be the closing tag.
            var at = hole.range.lowerBound
            while at > token.start, Lexer.isTagPart(text[at - 1]) { at -= 1 }
            var end = hole.range.upperBound
            while end < token.end, Lexer.isTagPart(text[end]) { end += 1 }
            return at > token.start && text[at - 1] != UInt8(ascii: "$") && text[end] != UInt8(ascii: "$")
        case .comment: return before != slash && before != star && after != slash && after != star
        case .end, .unicodeName, .unicodeString, .bitString, .parameter, .operator, .openParen, .closeParen,
            .openBracket, .closeBracket, .comma, .semicolon, .dot, .colon, .stray:
            return false
        }
    }

    // MARK: - Grammar

    /// Whether the text with ordinary names and values in its holes is of the grammar, and none of them is run or
    /// decides what a statement does.
    private static func parses(_ text: [UInt8], _ settings: LexicalSettings, _ functions: KnownFunctionIndex) -> Bool {
        var canonical = CanonicalText()
        text.withUnsafeBytes { canonical.load($0, settings: settings) }
        guard canonical.isParseable, canonical.tokenCount <= StatementAnalyzer.tokenLimit,
            let start = canonical.terminated(0..<canonical.count)
        else { return false }
        var reader = StatementReader(functions: functions)
        reader.holdsPlaceholders = true
        var isTrusted = true
        let isParsed = StatementParser.parse(start) { node, _ in
            reader.reset()
            reader.read(node)
            if reader.draft.classes.contains(.dynamicSQL) || reader.innerTexts.contains(where: { $0.holdsPlaceholder })
            {
                isTrusted = false
            }
        }
        return isParsed && isTrusted
    }
}

extension InnerText {
    /// A text to be run that has a placeholder in it.
    fileprivate var holdsPlaceholder: Bool {
        switch language {
        case .sql, .plpgsql: return ConstantText.Piece.isIn(String(decoding: text, as: UTF8.self))
        case .pieces(let pieces):
            return pieces.contains { piece in
                guard case .text(let bytes) = piece else { return false }
                return ConstantText.Piece.isIn(String(decoding: bytes, as: UTF8.self))
            }
        }
    }
}
