/// Cuts a stream of tokens into statements, as `stmtmulti` of gram.y does: at semicolons, except those inside the
/// parentheses of CREATE RULE and inside a BEGIN ATOMIC body.
///
/// Parentheses protect a semicolon nowhere else: a text with an unbalanced one is refused by the server, and must not
/// hide statements from the judge.
struct StatementSplitter {
    /// What the statement's first words have shown so far.
    private enum Opening {
        case none
        case create
        case createOr
        case createOrReplace
        /// CREATE RULE: semicolons inside parentheses belong to it.
        case rule
        /// CREATE FUNCTION or PROCEDURE: BEGIN ATOMIC may follow.
        case routine
        case other
    }

    /// The statement under way.
    var current = StatementSpan()
    private var isEmpty = true
    private var opening = Opening.none
    private var parenthesisDepth = 0
    /// Open BEGIN ATOMIC and CASE in a routine's body.
    private var bodyDepth = 0
    private var followsBegin = false

    /// Goes on behind tokens that begin a statement which is neither CREATE nor DO.
    mutating func resume(from seen: StatementSpan) {
        current = seen
        isEmpty = false
        opening = .other
    }

    /// Takes one token (never a comment); returns the statement that it ends, if that holds a token.
    mutating func take(_ token: Token, _ text: UnsafeRawBufferPointer) -> StatementSpan? {
        // Nearly every token of nearly every statement.
        if case .other = opening, token.kind != .semicolon, token.kind != .end {
            current.end = token.end
            current.tokenCount += 1
            return nil
        }
        return takeAtBoundary(token, text)
    }

    private mutating func takeAtBoundary(_ token: Token, _ text: UnsafeRawBufferPointer) -> StatementSpan? {
        if token.kind == .end { return finish() }
        if token.kind == .semicolon, !isInsideBody { return finish() }
        if isEmpty {
            isEmpty = false
            current.start = token.start
        }
        current.end = token.end
        current.tokenCount += 1
        switch opening {
        case .other: break
        case .rule:
            if token.kind == .openParen { parenthesisDepth += 1 }
            if token.kind == .closeParen { parenthesisDepth = max(0, parenthesisDepth - 1) }
        case .routine: followBody(token, text)
        case .none, .create, .createOr, .createOrReplace: open(token, text)
        }
        return nil
    }

    private var isInsideBody: Bool {
        switch opening {
        case .rule: parenthesisDepth > 0
        case .routine: bodyDepth > 0
        case .none, .create, .createOr, .createOrReplace, .other: false
        }
    }

    private mutating func open(_ token: Token, _ text: UnsafeRawBufferPointer) {
        if case .none = opening, token.kind != .word || !Self.mayBeginRoutine(text[token.start]) {
            opening = .other
            return
        }
        let word = token.kind == .word ? Keyword(token, text) : Keyword.none
        switch (opening, word) {
        case (.none, .create): opening = .create
        case (.create, .or): opening = .createOr
        case (.createOr, .replace): opening = .createOrReplace
        case (.create, .rule), (.createOrReplace, .rule): opening = .rule
        case (.create, .function), (.createOrReplace, .function), (.create, .procedure), (.createOrReplace, .procedure):
            opening = .routine
            current.isRoutine = true
        case (.none, .do):
            opening = .other
            current.isRoutine = true
        default: opening = .other
        }
    }

    /// CREATE and DO.
    private static func mayBeginRoutine(_ byte: UInt8) -> Bool {
        byte | 0x20 == UInt8(ascii: "c") || byte | 0x20 == UInt8(ascii: "d")
    }

    private mutating func followBody(_ token: Token, _ text: UnsafeRawBufferPointer) {
        guard token.kind == .word else {
            followsBegin = false
            return
        }
        let word = Keyword(token, text)
        if bodyDepth == 0 {
            if followsBegin, word == .atomic { bodyDepth = 1 }
        } else if word == .case {
            bodyDepth += 1
        } else if word == .end {
            bodyDepth -= 1
        }
        followsBegin = word == .begin
    }

    private mutating func finish() -> StatementSpan? {
        defer {
            current = StatementSpan()
            isEmpty = true
            opening = .none
            parenthesisDepth = 0
            bodyDepth = 0
            followsBegin = false
        }
        return isEmpty ? nil : current
    }
}
