/// The shortest way to "ordinary": a query that its tokens alone prove harmless needs no parse tree.
///
/// Proven is one SELECT without a call, a subquery or INTO: no parenthesis but those of an `IN` list of literals and of a
/// join's USING. Such a statement has nowhere to put a data-modifying WITH (it begins with WITH or stands in parentheses), SELECT INTO, or a
/// function that the analysis knows. Where the server finds no sense in it, it runs nothing. Everything else goes
/// the long way; the proof costs what the lexer needs up to the first token that spoils it.
enum PlainQuery {
    /// Whether the text is one such query, comments and a last semicolon aside.
    static func isProven(_ text: UnsafeRawBufferPointer, settings: LexicalSettings) -> Bool {
        // In the other encodings a byte behind a high one is no ASCII: the long way reads them by character.
        guard settings.encoding.isASCIISafe else { return false }
        var lexer = Lexer(text, standardConformingStrings: settings.standardConformingStrings)
        let first = lexer.next()
        guard first.kind == .word, Keyword(first, text) == .select else { return false }
        var followsIn = false
        var followsUsing = false
        while true {
            let token = lexer.next()
            switch token.kind {
            case .word:
                // Most words are names: their length alone tells them from the two that matter.
                let length = token.end - token.start
                if length == 4, Keyword(token, text) == .into { return false }
                followsIn = length == 2 && Keyword(token, text) == .in
                followsUsing = length == 5 && Keyword(token, text) == .using
                continue
            case .openParen:
                guard followsIn && isListOfLiterals(&lexer) || followsUsing && isListOfNames(&lexer) else {
                    return false
                }
            case .number, .parameter, .operator, .comma, .dot, .colon, .quotedName, .openBracket, .closeBracket:
                break
            case .string, .escapeString, .bitString:
                if token.isUnterminated { return false }
            case .semicolon:
                return lexer.next().kind == .end
            case .end:
                return true
            case .unicodeName, .unicodeString, .dollarString, .closeParen, .comment, .stray:
                return false
            }
            followsIn = false
            followsUsing = false
        }
    }

    /// Names with commas between them up to the closing parenthesis, which is taken.
    private static func isListOfNames(_ lexer: inout Lexer) -> Bool {
        while true {
            let name = lexer.next()
            guard name.kind == .word || name.kind == .quotedName else { return false }
            switch lexer.next().kind {
            case .comma: continue
            case .closeParen: return true
            default: return false
            }
        }
    }

    /// Literals and parameters up to the closing parenthesis, which is taken.
    private static func isListOfLiterals(_ lexer: inout Lexer) -> Bool {
        while true {
            let token = lexer.next()
            switch token.kind {
            case .number, .parameter, .comma: continue
            case .string where !token.isUnterminated: continue
            case .closeParen: return true
            default: return false
            }
        }
    }
}

extension Keyword {
    static let select = Keyword("select")
    static let into = Keyword("into")
    static let `in` = Keyword("in")
    static let using = Keyword("using")
}
