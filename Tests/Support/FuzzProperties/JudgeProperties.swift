import SQLParsing

/// Properties of ``StatementAnalyzer``.
enum JudgeProperties {
    /// What an analysis may end in where the text cannot be read.
    private static let unread = ClassSet([.unparsable, .oversized])
    private static let drop = Array("DROP TABLE fuzzed".utf8)

    /// The input: a byte for the settings, two for the place and kind of a change, the text.
    static func violation(_ input: inout FuzzInput) -> String? {
        let settings = input.settings()
        let place = Int(input.byte())
        let change = input.choice(below: 6)
        let text = input.text()
        var analyzer = StatementAnalyzer()
        let facts = text.withExactBytes { analyzer.facts(of: $0, settings: settings) }
        let again = text.withExactBytes { analyzer.facts(of: $0, settings: settings) }
        if facts != again { return "first \(facts), then \(again)" }
        if let found = consistency(facts, count: text.count) { return found }
        let survey = text.withExactBytes { LexicalSurvey($0, settings: settings) }
        // Read a second time as something else, a text has no one list of tokens.
        guard !survey.hasInvalidCharacter, !survey.hasPossibleASCII else { return nil }
        if survey.isPlainQuery, let found = parsed(text, settings, survey) { return found }
        switch change {
        case 0: return dropBefore(text, settings)
        case 1: return dropBehind(text, settings, survey)
        case 2: return otherCase(text, settings, survey, facts)
        case 3: return blank(text, settings, survey, facts, at: place, " ")
        case 4: return blank(text, settings, survey, facts, at: place, " /* ; /* ' */ $$ */ ")
        default: return blank(text, settings, survey, facts, at: place, "\n-- ; ' /*\n")
        }
    }

    private static func consistency(_ facts: TextFacts, count: Int) -> String? {
        var classes = ClassSet()
        for statement in facts.statements {
            guard statement.range.lowerBound >= 0, statement.range.upperBound <= count else {
                return "beyond the text: \(statement)"
            }
            if ClassSet(statement.effects.map(\.statementClass)) != statement.classes {
                return "effects and classes differ: \(statement)"
            }
            classes.formUnion(statement.classes)
        }
        return classes == facts.classes ? nil : "the text's classes are \(facts.classes.names): \(facts)"
    }

    private static func facts(_ text: [UInt8], _ settings: LexicalSettings) -> TextFacts {
        var analyzer = StatementAnalyzer()
        return text.withExactBytes { analyzer.facts(of: $0, settings: settings) }
    }

    /// A query that is not parsed because its tokens prove it plain is plain to the grammar as well.
    private static func parsed(_ text: [UInt8], _ settings: LexicalSettings, _ survey: LexicalSurvey) -> String? {
        guard text.count < 4096, GrammarText.statementCount(of: survey.canonicalText) != nil else { return nil }
        let facts = facts(Array("VALUES (1);".utf8) + text, settings)
        return facts.classes.isEmpty ? nil : "taken for a plain query: \(facts.classes.names)"
    }

    /// Nothing that follows can hide a DROP.
    private static func dropBefore(_ text: [UInt8], _ settings: LexicalSettings) -> String? {
        let facts = facts(drop + [UInt8(ascii: ";")] + text, settings)
        return isSeen(facts) ? nil : "a DROP before the text is not seen: \(facts)"
    }

    /// Nothing that ends can hide a DROP behind it.
    private static func dropBehind(
        _ text: [UInt8], _ settings: LexicalSettings, _ survey: LexicalSurvey
    ) -> String? {
        let longer = text + Array("\n;".utf8) + drop
        let longSurvey = longer.withExactBytes { LexicalSurvey($0, settings: settings) }
        // The text's last literal or comment, or the body of a routine or rule, has taken the DROP in.
        guard longSurvey.statements.last?.lowerBound == text.count + 2 else {
            let isOpen = survey.tokens.contains { $0.isUnterminated }
            return isOpen || mayTakeIn(survey, text) ? nil : "a DROP behind the text is no statement"
        }
        let facts = facts(longer, settings)
        return isSeen(facts) ? nil : "a DROP behind the text is not seen: \(facts)"
    }

    private static func isSeen(_ facts: TextFacts) -> Bool {
        facts.classes.contains(.dropTable) || !facts.classes.isDisjoint(with: unread)
    }

    /// CREATE RULE and BEGIN ATOMIC hold semicolons.
    private static func mayTakeIn(_ survey: LexicalSurvey, _ text: [UInt8]) -> Bool {
        guard let last = survey.statements.last else { return false }
        return text[last.lowerBound] | 0x20 == UInt8(ascii: "c")
    }

    /// Keywords and unquoted names are the same in either case.
    private static func otherCase(
        _ text: [UInt8], _ settings: LexicalSettings, _ survey: LexicalSurvey, _ facts: TextFacts
    ) -> String? {
        var other = text
        for token in survey.tokens where token.kind == .word {
            // Another encoding's trail bytes look like letters.
            if !settings.encoding.isASCIISafe, text[token.range].contains(where: { $0 >= 0x80 }) { continue }
            for at in token.range where isLetter(other[at]) { other[at] ^= 0x20 }
        }
        let found = Self.facts(other, settings)
        return found.classes == facts.classes
            ? nil : "\(facts.classes.names) became \(found.classes.names) in the other case: \(shown(other))"
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }

    /// White space and comments between two tokens change nothing.
    private static func blank(
        _ text: [UInt8], _ settings: LexicalSettings, _ survey: LexicalSurvey, _ facts: TextFacts, at place: Int,
        _ inserted: String
    ) -> String? {
        let tokens = survey.tokens.filter { $0.kind != .comment && $0.kind != .end }
        guard !tokens.isEmpty else { return nil }
        let index = place % tokens.count
        let token = tokens[index]
        guard !token.isUnterminated else { return nil }
        // A line break between two literals makes one of them; a comment without one keeps them two.
        if token.isQuotedLiteral, inserted.contains("\n"), index + 1 < tokens.count, tokens[index + 1].isQuotedLiteral {
            return nil
        }
        let changed = Array(text[..<token.end]) + Array(inserted.utf8) + Array(text[token.end...])
        let found = Self.facts(changed, settings)
        if found.classes == facts.classes { return nil }
        // What divides a run of operator characters may make it short enough to be read: then it is refused for what it is.
        let isUnread = [facts, found].allSatisfy { !$0.classes.isDisjoint(with: unread) }
        if isUnread, found.classes.subtracting(unread) == facts.classes.subtracting(unread) { return nil }
        return "\(facts.classes.names) became \(found.classes.names): \(shown(changed))"
    }
}
