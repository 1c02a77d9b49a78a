/// What stands for a literal that is too long to be parsed (``ElidedText``) or held (``StatementCondenser``).
///
/// Wherever a statement's effect depends on the literal's text, the mark is found and the effect counts as unknown.
enum LeftOutLiteral {
    /// The literal.
    static let token = Array("'\u{1}a long literal is left out here\u{1}'".utf8)
    /// Its text.
    private static let mark = Array(token.dropFirst().dropLast())

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
