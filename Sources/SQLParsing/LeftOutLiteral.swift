/// What stands for a literal that is too long to be parsed (``ElidedText``) or held (``StatementCondenser``).
///
/// Wherever a statement's effect depends on the literal's text, the mark is found and the effect counts as unknown.
enum LeftOutLiteral {
    /// Its text, which no server's code can hold outside a literal.
    private static let mark = Array("\u{1}literals are left out here\u{1}".utf8)
    /// The literal.
    static let token = Array("'".utf8) + mark + Array("'".utf8)
    private static let unicodeToken = Array("U&".utf8) + token
    private static let dollarToken = Array("$$".utf8) + mark + Array("$$".utf8)

    /// The literal of the same kind: UESCAPE may follow one, and a query is taken for a plain one without the others.
    static func token(for kind: Token.Kind) -> [UInt8] {
        switch kind {
        case .unicodeString: unicodeToken
        case .dollarString: dollarToken
        case .string, .escapeString, .bitString, .end, .word, .quotedName, .unicodeName, .number, .parameter,
            .operator, .openParen, .closeParen, .openBracket, .closeBracket, .comma, .semicolon, .dot, .colon,
            .comment, .stray:
            token
        }
    }

    /// Whether a text is one that was left out, or made with one.
    static func isIn(_ text: [UInt8]) -> Bool {
        var rest = text[...]
        while let start = rest.firstIndex(of: 1) {
            if text[start...].starts(with: mark) { return true }
            rest = text[(start + 1)...]
        }
        return false
    }
}

extension InnerText {
    /// The text, or a part of it, was left out.
    var isLeftOut: Bool {
        switch language {
        case .sql, .plpgsql: return LeftOutLiteral.isIn(text)
        case .pieces(let pieces):
            return pieces.contains { piece in
                if case .text(let bytes) = piece { return LeftOutLiteral.isIn(bytes) }
                return false
            }
        }
    }
}
