/// Reads a text that is too large to be held, piece by piece, and keeps a short text that does the same.
///
/// What is left out can have no effect of its own: the contents of long literals, rows of literals in VALUES beyond the
/// first few, literals in long lists. So a 900 MB INSERT becomes a few lines that ``StatementAnalyzer`` reads
/// like any other text, and a DROP behind it stays where it is. Where that does not make the text short (code, long rows
/// of expressions), there is no short text, and the statement counts as `oversized`.
///
/// Memory: at most `limit` for the short text and twice `carryLimit` for a token cut by a piece's end.
package final class StatementCondenser {
    /// Of a text that is too large to be held.
    static let shortLimit = 512 << 10
    /// How many bytes behind a token decide where it ends (`1e+5`, `::`, `U&"`).
    private static let lookahead = 16

    package let settings: LexicalSettings
    /// A literal of more bytes is left out; a shorter one may be code that matters.
    private let longToken: Int
    /// A longer result is none.
    private let limit: Int
    /// A token that is not a literal or a comment may be so long, blanks behind it included.
    private let carryLimit: Int
    private var carry: [UInt8] = []
    /// What was cut is read again when it has doubled: a token that arrives byte by byte costs what its length costs.
    private var wanted = 0
    private var long: LongToken?
    private var collapser = RowCollapser()
    /// No short text can be given.
    private var isGivenUp = false
    private var hasGap = false
    private var isStatementStart = true
    /// DO and CREATE hold code in literals, which must not be left out.
    private var holdsCode = false

    /// - Parameters:
    ///   - settings: one reading of the text; its encoding must be `asciiSafe`.
    ///   - wholeLimit: the text has no more bytes than this, and what cannot be left out of it may be held whole; nil for a
    ///     text that is too large for that.
    package init(settings: LexicalSettings, longToken: Int = 16 << 10, wholeLimit: Int? = nil) {
        self.settings = settings
        self.longToken = longToken
        limit = wholeLimit ?? Self.shortLimit
        carryLimit = wholeLimit ?? Self.shortLimit / 2
        isGivenUp = settings.encoding != .asciiSafe
    }

    /// How many bytes of the text are kept.
    package var heldByteCount: Int { carry.count + collapser.output.count }

    /// Takes the next piece: any bytes but NUL.
    package func feed(_ piece: UnsafeRawBufferPointer) {
        guard !isGivenUp else { return }
        carry.append(contentsOf: piece)
        if carry.count >= wanted { read(isLast: false) }
    }

    /// The short text, or nil if there is none. Called once, last.
    package func finish() -> [UInt8]? {
        guard !isGivenUp else { return nil }
        read(isLast: true)
        collapser.flush()
        return isGivenUp || collapser.output.count > limit ? nil : collapser.output
    }

    private func read(isLast: Bool) {
        let bytes = carry
        let taken = bytes.withUnsafeBytes { read($0, isLast: isLast) }
        carry.removeFirst(taken)
        wanted = 2 * carry.count
        if carry.count > carryLimit || collapser.output.count > limit {
            isGivenUp = true
            carry = []
        }
    }

    /// - Returns: how many bytes are done with.
    private func read(_ text: UnsafeRawBufferPointer, isLast: Bool) -> Int {
        var lexer = Lexer(text, standardConformingStrings: settings.standardConformingStrings)
        while true {
            if long != nil {
                guard let (end, isOver) = long?.advance(text, from: lexer.position, isLast: isLast) else {
                    return lexer.position
                }
                guard isOver else { return end }
                long = nil
                lexer = Lexer(text, standardConformingStrings: settings.standardConformingStrings, from: end)
            }
            let position = lexer.position
            let token = lexer.nextIncludingComments()
            hasGap = hasGap || token.start > position
            if token.kind == .end { return text.count }
            if token.kind == .dollarString, isTagDoubtful(token, text) {
                isGivenUp = true
                return text.count
            }
            if !isLast, isCut(token, text) {
                guard token.end == text.count, token.end - token.start > longToken, !holdsCode,
                    let opening = LongToken.opening(token, text)
                else { return token.start }
                begin(opening.kind, token, text)
                lexer = Lexer(
                    text, standardConformingStrings: settings.standardConformingStrings, from: opening.inside)
            } else {
                take(token, text)
            }
        }
    }

    /// Two characters of a dollar quote's tag can be one and the same to the server, so where the literal ends is not
    /// known (``CanonicalText`` knows which; here every one that is not ASCII is taken for such).
    private func isTagDoubtful(_ token: Token, _ text: UnsafeRawBufferPointer) -> Bool {
        text[(token.start + 1)..<token.end].prefix { $0 != UInt8(ascii: "$") }.contains { $0 >= 0x80 }
    }

    /// Whether what follows `text` could change where the token ends.
    private func isCut(_ token: Token, _ text: UnsafeRawBufferPointer) -> Bool {
        if token.end + Self.lookahead > text.count { return true }
        if token.isQuotedLiteral { return !isFollowed(token.end, text) }
        if token.kind == .stray, text[token.start] == UInt8(ascii: "$") {
            // The beginning of a dollar quote whose tag is cut.
            return text[(token.start + 1)...].allSatisfy { Lexer.isTagPart($0) }
        }
        return false
    }

    /// Whether something is in sight, blanks and comments aside, that is no further segment of the literal before it.
    private func isFollowed(_ start: Int, _ text: UnsafeRawBufferPointer) -> Bool {
        var at = start
        while at < text.count {
            if Lexer.isSpace(text[at]) {
                at += 1
            } else if text[at] == UInt8(ascii: "-"), at + 1 < text.count, text[at + 1] == UInt8(ascii: "-") {
                guard let end = text[at...].firstIndex(where: { Lexer.isNewline($0) }) else { return false }
                at = end
            } else {
                return text[at] != UInt8(ascii: "-") || at + 1 < text.count
            }
        }
        return false
    }

    /// A long token begins: something that stands for it is kept.
    private func begin(_ kind: LongToken, _ token: Token, _ text: UnsafeRawBufferPointer) {
        switch kind {
        case .literal, .closedLiteral, .dollar:
            takeLeftOut(token, RowCollapser.Kind(token, text))
            isStatementStart = false
        case .quotedName:
            isGivenUp = true
        case .blockComment, .lineComment:
            break
        }
        hasGap = true
        long = kind
    }

    private func take(_ token: Token, _ text: UnsafeRawBufferPointer) {
        if token.kind == .comment {
            hasGap = true
            return
        }
        let isStart = isStatementStart
        isStatementStart = token.kind == .semicolon
        if isStart {
            holdsCode = token.kind == .word && (Keyword(token, text) == .do || Keyword(token, text) == .create)
        }
        let kind = RowCollapser.Kind(token, text)
        if token.isString && token.end - token.start > longToken && !holdsCode {
            takeLeftOut(token, kind)
        } else {
            collapser.take(kind, UnsafeRawBufferPointer(rebasing: text[token.range]), hasGap: hasGap)
        }
        hasGap = false
    }

    private func takeLeftOut(_ token: Token, _ kind: RowCollapser.Kind) {
        LeftOutLiteral.token(for: token.kind).withUnsafeBytes { collapser.take(kind, $0, hasGap: true) }
    }
}
