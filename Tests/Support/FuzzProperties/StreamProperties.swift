import SQLParsing

/// Properties of ``StatementCondenser``.
enum StreamProperties {
    /// The input: a byte for the settings, one for the size of pieces, one for what counts as long, the text.
    static func violation(_ input: inout FuzzInput) -> String? {
        let settings = input.settings()
        let pieceSize = 1 + input.choice(below: 40)
        let longToken = [16, 64, 16 << 10][input.choice(below: 3)]
        let text = input.text()
        let condenser = StatementCondenser(settings: settings, longToken: longToken)
        for start in stride(from: 0, to: text.count, by: pieceSize) {
            Array(text[start..<min(start + pieceSize, text.count)]).withExactBytes { condenser.feed($0) }
        }
        guard let short = condenser.finish() else { return nil }
        if settings.encoding != .asciiSafe { return "read piece by piece in \(settings.encoding)" }
        var analyzer = StatementAnalyzer()
        let whole = text.withExactBytes { analyzer.facts(of: $0, settings: settings) }
        let condensed = short.withExactBytes { analyzer.facts(of: $0, settings: settings) }
        // What cannot be read is refused wherever something is.
        if !condensed.classes.isDisjoint(with: ClassGroup.opaque.classes) { return nil }
        let survey = text.withExactBytes { LexicalSurvey($0, settings: settings) }
        // A text whose last literal has no end is refused by the server's lexer; the short one has an end.
        if survey.tokens.contains(where: \.isUnterminated) { return nil }
        let lost = whole.classes.subtracting(condensed.classes).subtracting(ClassSet([.unparsable, .oversized]))
        if !lost.isEmpty { return "\(lost.names) lost: \(shown(short))" }
        if survey.hasDoubtfulTag { return "a dollar quote whose end is in doubt was left out: \(shown(short))" }
        return nil
    }
}
