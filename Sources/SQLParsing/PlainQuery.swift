/// The shortest way to "ordinary": a statement that its tokens alone prove harmless needs no parse tree.
///
/// Proven is one SELECT, or one INSERT into no table of the catalog or of the mark, in which no word is WITH or INTO (but for INSERT's own),
/// and no name before a parenthesis is that of a function that the analysis knows. Such a statement has nowhere to put a
/// data-modifying WITH, SELECT INTO, or a call of a known function; a subquery or a call of another function is ordinary
/// to the analysis too. Where the server finds no sense in it, it runs nothing. What hides its name from this look (U&"",
/// a doubled quote) or its end (dollar quotes) goes the long way, as does everything else; the proof costs what the lexer needs up to the first
/// token that spoils it. What code in the database may do is asked apart (``HazardIndex/mayConcern(_:settings:)``).
enum PlainQuery {
    /// Tries to prove that the text is one such statement, comments and a last semicolon aside.
    static func proof(
        of text: UnsafeRawBufferPointer, settings: LexicalSettings, functions: borrowing KnownFunctionIndex
    ) -> PlainProof {
        // In the other encodings a byte behind a high one is no ASCII: the long way reads them by character.
        guard settings.encoding.isASCIISafe else { return PlainProof() }
        var proof = PlainProof()
        var lexer = Lexer(text, standardConformingStrings: settings.standardConformingStrings)
        let first = lexer.next()
        guard first.kind == .word else { return proof }
        let verb = Keyword(first, text)
        guard verb == .select || verb == .insert else { return proof }
        proof.isResumable = lexer.hasPassedNoComment
        proof.note(first)
        if verb == .insert {
            let position = lexer.position
            guard takesTarget(&lexer, text, &proof) else { return proof.ended(at: position, lexer) }
        }
        // A parenthesis behind SELECT or behind the table's name begins no call.
        var previous = Token(.comma, lexer.position, lexer.position)
        while true {
            let position = lexer.position
            let token = lexer.next()
            switch token.kind {
            case .word:
                // Most words are names: their length alone tells them from the two that matter.
                if token.end - token.start == 4 {
                    let word = Keyword(token, text)
                    if word == .into || word == .with { return proof.ended(at: position, lexer) }
                }
                proof.note(token)
            case .openParen:
                if isKnownFunction(previous, text, functions) { return proof.ended(at: position, lexer) }
                proof.mayCall = proof.mayCall || mayBeCalled(previous, text)
                proof.note(token)
            case .number, .parameter, .comma, .dot, .colon, .openBracket, .closeBracket, .closeParen, .quotedName:
                proof.note(token)
            case .operator:
                // Runs of operators are counted by who reads them all.
                if previous.kind == .operator || token.end - token.start > CanonicalText.operatorRunLimit {
                    proof.isResumable = false
                }
                proof.note(token)
            case .string, .escapeString, .bitString:
                if token.isUnterminated { return proof.ended(at: position, lexer) }
                proof.noteLiteral(token, text, follows: previous.kind)
            case .semicolon:
                proof.isProven = lexer.next().kind == .end
                return proof.ended(at: position, lexer)
            case .end:
                proof.isProven = true
                return proof.ended(at: position, lexer)
            case .unicodeName, .unicodeString, .dollarString, .comment, .stray:
                return proof.ended(at: position, lexer)
            }
            previous = token
        }
    }

    /// Whether the text is one such query, comments and a last semicolon aside.
    static func isProven(_ text: UnsafeRawBufferPointer, settings: LexicalSettings) -> Bool {
        proof(of: text, settings: settings, functions: KnownFunctionIndex()).isProven
    }

    /// Takes INTO and the name of a table that is not the catalog's; what has been taken of anything else counts for
    /// nothing.
    private static func takesTarget(
        _ lexer: inout Lexer, _ text: UnsafeRawBufferPointer, _ proof: inout PlainProof
    ) -> Bool {
        let before = proof
        proof.isResumable = false
        defer { if !proof.isResumable { proof = before } }
        let into = lexer.next()
        guard into.kind == .word, Keyword(into, text) == .into else { return false }
        proof.note(into)
        while true {
            let name = lexer.next()
            guard name.kind == .word || name.kind == .quotedName, !mayBeCatalog(name, text) else { return false }
            proof.note(name)
            // One token too far: it is looked at again.
            let behind = lexer
            let next = lexer.next()
            guard next.kind == .dot else {
                lexer = behind
                break
            }
            proof.note(next)
        }
        proof.isResumable = before.isResumable
        return true
    }

    /// Whether a name may be that of a table or schema of PostgreSQL's own, which all begin with `pg_`, or of the mark
    /// (``SystemCatalogs/markSchema``).
    private static func mayBeCatalog(_ name: Token, _ text: UnsafeRawBufferPointer) -> Bool {
        let start = name.kind == .quotedName ? name.start + 1 : name.start
        guard start + 3 <= name.end else { return false }
        switch text[start] | 0x20 {
        case UInt8(ascii: "p"):
            return text[start + 1] | 0x20 == UInt8(ascii: "g") && text[start + 2] == UInt8(ascii: "_")
        case UInt8(ascii: "h"):
            return text[start + 1] | 0x20 == UInt8(ascii: "o") && text[start + 2] | 0x20 == UInt8(ascii: "l")
        default: return false
        }
    }

    /// Whether the token before a parenthesis may be a function's name.
    private static func mayBeCalled(_ name: Token, _ text: UnsafeRawBufferPointer) -> Bool {
        switch name.kind {
        case .quotedName: return true
        case .word:
            let word = Keyword(name, text)
            return word != .in && word != .values && word != .and && word != .or && word != .where && word != .using
        default: return false
        }
    }

    /// Whether the token before a parenthesis is the name of a function that the analysis knows, or cannot be told.
    private static func isKnownFunction(
        _ name: Token, _ text: UnsafeRawBufferPointer, _ functions: borrowing KnownFunctionIndex
    ) -> Bool {
        switch name.kind {
        case .word:
            return functions.mayKnow(text[name.range].lazy.map(Keyword.folded))
        case .quotedName:
            let bytes = text[(name.start + 1)..<max(name.start + 1, name.end - 1)]
            return name.isUnterminated || bytes.contains(UInt8(ascii: "\"")) || functions.mayKnow(bytes)
        default: return false
        }
    }
}

/// What ``PlainQuery`` found out about a text, so that who must read on need not begin anew.
package struct PlainProof: Sendable {
    /// The text is a plain statement: it has no facts.
    package fileprivate(set) var isProven = false
    /// Some function may be called.
    package fileprivate(set) var mayCall = false
    /// Up to ``position`` there is nothing that has to be rewritten, and nothing but what ``seen`` says.
    fileprivate(set) var isResumable = false
    /// The first token that spoils the proof, or ends the statement, begins at or behind it.
    fileprivate(set) var position = 0
    /// The statement up to there.
    fileprivate(set) var seen = StatementSpan()

    /// Nothing is known.
    init() {}

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
    static let with = Keyword("with")
    static let `in` = Keyword("in")
    static let using = Keyword("using")
    static let and = Keyword("and")
    static let `where` = Keyword("where")
}
