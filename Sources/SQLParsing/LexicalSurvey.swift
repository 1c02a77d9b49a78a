/// What the lexer and the splitter make of one text, spelled out: for tools that compare it with a real server.
package struct LexicalSurvey {
    /// The tokens of the canonical text, which stand at the same offsets in the text itself; comments among them.
    package private(set) var tokens: [Token] = []
    /// The statements that hold a token, without the semicolons between them.
    package private(set) var statements: [Range<Int>] = []
    /// What the grammar is given: comments blanked, literals rewritten, no multibyte character with an ASCII byte.
    package private(set) var canonicalText: [UInt8]
    /// The text is not one of its encoding: the server refuses it, and the judge reads it a second time byte by byte.
    package private(set) var hasInvalidCharacter: Bool
    /// Where a dollar quote ends is not known: the text is judged `unparsable`.
    package private(set) var hasDoubtfulTag: Bool
    /// The text is judged a second time because some of its characters are ASCII to some servers.
    package private(set) var hasPossibleASCII: Bool
    /// The tokens alone prove the text a plain query, which is not parsed.
    package private(set) var isPlainQuery: Bool

    /// - Parameter text: as in ``StatementAnalyzer/facts(of:settings:)``.
    package init(_ text: UnsafeRawBufferPointer, settings: LexicalSettings) {
        var canonical = CanonicalText()
        canonical.load(text, settings: settings)
        isPlainQuery = PlainQuery.isProven(text, settings: settings)
        hasDoubtfulTag = canonical.hasDoubtfulTag
        hasPossibleASCII = canonical.hasPossibleASCII
        hasInvalidCharacter = canonical.hasInvalidCharacter
        statements = canonical.statements.map(\.range)
        canonicalText = Array(canonical.bytes)

        // The tokens are those of the text before its comments and literals are rewritten.
        var characters = Array(text.prefix { $0 != 0 })
        tokens = characters.withUnsafeMutableBytes { bytes in
            if !settings.encoding.isASCIISafe { _ = MultibyteCharacters.disarm(bytes, encoding: settings.encoding) }
            var lexer = Lexer(
                UnsafeRawBufferPointer(bytes), standardConformingStrings: settings.standardConformingStrings)
            var tokens: [Token] = []
            repeat { tokens.append(lexer.nextIncludingComments()) } while tokens.last?.kind != .end
            return tokens
        }
    }
}
