import SQLParsing

/// Properties of ``Lexer``, ``LexicalSurvey`` and what they rest on.
enum LexerProperties {
    /// Longer texts are not compared with PostgreSQL's own lexer, whose cost grows with the square of some of them.
    private static let comparedLimit = 4096

    /// The input: a byte for the settings, the text.
    static func violation(_ input: inout FuzzInput) -> String? {
        let settings = input.settings()
        let text = input.text()
        if settings.encoding.isASCIISafe {
            let found = text.withExactBytes { cover($0, settings) }
            if let found { return found }
        }
        let survey = text.withExactBytes { LexicalSurvey($0, settings: settings) }
        return order(survey, count: text.count) ?? canonical(survey, count: text.count)
    }

    /// The tokens are in order, not empty, and only white space is between them.
    private static func cover(_ text: UnsafeRawBufferPointer, _ settings: LexicalSettings) -> String? {
        var lexer = Lexer(text, standardConformingStrings: settings.standardConformingStrings)
        var end = 0
        while true {
            let token = lexer.nextIncludingComments()
            guard token.start >= end, token.end <= text.count else { return "\(token) behind \(end)" }
            if let gap = (end..<token.start).first(where: { !isSpace(text[$0]) }) { return "no token at \(gap)" }
            if token.kind == .end { return token.start == text.count ? nil : "the end is at \(token.start)" }
            guard token.end > token.start else { return "empty: \(token)" }
            guard token.end == lexer.position else { return "\(token), but the lexer is at \(lexer.position)" }
            if token.isUnterminated, token.end != text.count {
                return "not terminated, yet something follows: \(token)"
            }
            end = token.end
        }
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    /// Statements are in order, within the text, and hold every token but semicolons.
    private static func order(_ survey: LexicalSurvey, count: Int) -> String? {
        var end = 0
        for statement in survey.statements {
            guard statement.lowerBound >= end, statement.upperBound <= count, !statement.isEmpty else {
                return "statement \(statement) behind \(end)"
            }
            end = statement.upperBound
        }
        var at = 0
        for token in survey.tokens where token.kind != .comment && token.kind != .end {
            while at < survey.statements.count, survey.statements[at].upperBound <= token.start { at += 1 }
            let isInside = at < survey.statements.count && survey.statements[at].contains(token.start)
            if !isInside, token.kind != .semicolon { return "in no statement: \(token)" }
        }
        return nil
    }

    /// The canonical text has the same tokens at the same places, and PostgreSQL's own lexer sees them there.
    private static func canonical(_ survey: LexicalSurvey, count: Int) -> String? {
        let text = survey.canonicalText
        if text.count != count { return "\(count) bytes became \(text.count)" }
        let again = text.withExactBytes { LexicalSurvey($0, settings: LexicalSettings()) }
        let before = survey.tokens.filter { $0.kind != .comment }
        if again.tokens.contains(where: { $0.kind == .comment }) { return "a comment is left: \(shown(text))" }
        if before.map(\.start) != again.tokens.map(\.start) {
            return "tokens \(before.map(\.start)) became \(again.tokens.map(\.start)): \(shown(text))"
        }
        for (one, other) in zip(before, again.tokens) where one.isUnterminated != other.isUnterminated {
            return "\(one) became \(other): \(shown(text))"
        }
        if survey.statements.map(\.lowerBound) != again.statements.map(\.lowerBound) {
            return "statements \(survey.statements) became \(again.statements): \(shown(text))"
        }
        if again.canonicalText != text { return "\(shown(text)) became \(shown(again.canonicalText))" }
        return comparison(text, again)
    }

    private static func comparison(_ text: [UInt8], _ survey: LexicalSurvey) -> String? {
        // PostgreSQL 15 takes no vertical tab for white space; 16 does.
        guard text.count <= comparedLimit, !text.contains(0x0B) else { return nil }
        let ours = survey.tokens.filter { $0.kind != .end }
        if let theirs = GrammarText.tokenStarts(of: text), theirs != ours.map(\.start) {
            return "PostgreSQL's tokens are \(theirs), ours \(ours.map(\.start)): \(shown(text))"
        }
        if let theirs = GrammarText.statementCount(of: text), theirs != survey.statements.count {
            return "PostgreSQL sees \(theirs) statements, we \(survey.statements.count): \(shown(text))"
        }
        return nil
    }
}
