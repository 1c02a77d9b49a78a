/// The shortest way to "ordinary": a query that its tokens alone prove harmless needs no parse tree.
///
/// Proven is one SELECT without a call, a subquery or INTO: no parenthesis but those of an `IN` list of literals and of a
/// join's USING. Such a statement has nowhere to put a data-modifying WITH (it begins with WITH or stands in parentheses), SELECT INTO, or a
/// function that the analysis knows. Where the server finds no sense in it, it runs nothing. Everything else goes
/// the long way; the proof costs what the lexer needs up to the first token that spoils it.
enum PlainQuery {
    /// Tries to prove that the text is one such query, comments and a last semicolon aside.
    static func proof(of text: UnsafeRawBufferPointer, settings: LexicalSettings) -> PlainProof {
        // In the other encodings a byte behind a high one is no ASCII: the long way reads them by character.
        guard settings.encoding.isASCIISafe else { return PlainProof() }
        var proof = PlainProof()
        var lexer = Lexer(text, standardConformingStrings: settings.standardConformingStrings)
        let first = lexer.next()
        guard first.kind == .word, Keyword(first, text) == .select else { return proof }
        proof.isResumable = lexer.hasPassedNoComment
        proof.note(first)
        var followsIn = false
        var followsUsing = false
        var previous = first.kind
        while true {
            let position = lexer.position
            let token = lexer.next()
            switch token.kind {
            case .word:
                // Most words are names: their length alone tells them from the two that matter.
                let length = token.end - token.start
                if length == 4, Keyword(token, text) == .into { return proof.ended(at: position, lexer) }
                followsIn = length == 2 && Keyword(token, text) == .in
                followsUsing = length == 5 && Keyword(token, text) == .using
                proof.note(token)
                previous = .word
                continue
            case .openParen:
                let seen = proof.seen
                proof.note(token)
                guard
                    followsIn && isListOfLiterals(&lexer, &proof) || followsUsing && isListOfNames(&lexer, &proof)
                else {
                    proof.seen = seen
                    return proof.ended(at: position, lexer)
                }
            case .number, .parameter, .comma, .dot, .colon, .quotedName, .openBracket, .closeBracket:
                proof.note(token)
            case .operator:
                // Runs of operators are counted by who reads them all.
                if previous == .operator || token.end - token.start > CanonicalText.operatorRunLimit {
                    proof.isResumable = false
                }
                proof.note(token)
            case .string, .escapeString, .bitString:
                if token.isUnterminated { return proof.ended(at: position, lexer) }
                proof.noteLiteral(token, text, follows: previous)
            case .semicolon:
                proof.isProven = lexer.next().kind == .end
                return proof.ended(at: position, lexer)
            case .end:
                proof.isProven = true
                return proof.ended(at: position, lexer)
            case .unicodeName, .unicodeString, .dollarString, .closeParen, .comment, .stray:
                return proof.ended(at: position, lexer)
            }
            previous = token.kind
            followsIn = false
            followsUsing = false
        }
    }

    /// Whether the text is one such query, comments and a last semicolon aside.
    static func isProven(_ text: UnsafeRawBufferPointer, settings: LexicalSettings) -> Bool {
        proof(of: text, settings: settings).isProven
    }

    /// Names with commas between them up to the closing parenthesis, which is taken.
    private static func isListOfNames(_ lexer: inout Lexer, _ proof: inout PlainProof) -> Bool {
        while true {
            let name = lexer.next()
            guard name.kind == .word || name.kind == .quotedName else { return false }
            proof.note(name)
            let next = lexer.next()
            proof.note(next)
            switch next.kind {
            case .comma: continue
            case .closeParen: return true
            default: return false
            }
        }
    }

    /// Literals and parameters up to the closing parenthesis, which is taken.
    private static func isListOfLiterals(_ lexer: inout Lexer, _ proof: inout PlainProof) -> Bool {
        var previous = Token.Kind.openParen
        while true {
            let token = lexer.next()
            switch token.kind {
            case .number, .parameter, .comma: proof.note(token)
            case .string where !token.isUnterminated: proof.noteLiteral(token, lexer.text, follows: previous)
            case .closeParen:
                proof.note(token)
                return true
            default: return false
            }
            previous = token.kind
        }
    }
}

/// What ``PlainQuery`` found out about a text, so that who must read on need not begin anew.
package struct PlainProof {
    /// The text is a plain query: it has no facts.
    package fileprivate(set) var isProven = false
    /// Up to ``position`` there is nothing that has to be rewritten, and nothing but what ``seen`` says.
    fileprivate(set) var isResumable = false
    /// The first token that spoils the proof, or ends the statement, begins at or behind it.
    fileprivate(set) var position = 0
    /// The statement up to there.
    fileprivate(set) var seen = StatementSpan()

    fileprivate mutating func note(_ token: Token) {
        if seen.tokenCount == 0 { seen.start = token.start }
        seen.end = token.end
        seen.tokenCount += 1
    }

    /// Literals that are continued, next to each other, long, or read with backslashes are for who rewrites them.
    fileprivate mutating func noteLiteral(
        _ token: Token, _ text: UnsafeRawBufferPointer, follows previous: Token.Kind
    ) {
        note(token)
        let isPlain = token.kind == .string || token.kind == .escapeString && text[token.start] != UInt8(ascii: "'")
        if !isPlain || token.holdsComment || token.end - token.start > ElidedText.literalLimit
            || Token(previous, 0, 0).isQuotedLiteral
        {
            isResumable = false
        }
    }

    fileprivate func ended(at position: Int, _ lexer: Lexer) -> PlainProof {
        var proof = self
        proof.position = position
        proof.isResumable = isResumable && lexer.hasPassedNoComment
        return proof
    }
}

extension Keyword {
    static let select = Keyword("select")
    static let into = Keyword("into")
    static let `in` = Keyword("in")
    static let using = Keyword("using")
}
