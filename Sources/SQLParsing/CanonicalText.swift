import Glibc

/// A text as libpg_query must be given it to read what the server reads: comments blanked, literals rewritten to
/// standard_conforming_strings = on, multibyte characters free of ASCII bytes, ended by a NUL, every byte still at its
/// offset. Its statements are found on the way, in the same single pass of the lexer.
///
/// Owns one buffer, which the next text reuses. A text that outlives its use is copied only where something in it has to
/// be rewritten, and as far as it is parsed: 100 MB of rows cost no memory.
struct CanonicalText: ~Copyable {
    /// Statements beyond this many are not told apart: ``isTruncated``.
    static let statementLimit = 100_000
    /// A longer run of operator characters costs PostgreSQL's lexer time squared.
    static let operatorRunLimit = 64
    /// A buffer larger than this is given back after use.
    private static let retainedCapacity = 1 << 20

    private var storage: UnsafeMutableRawBufferPointer
    /// The text as it came, while nothing in it had to be rewritten; nil once it has been copied.
    private var source: UnsafeRawBufferPointer?
    /// The text's length in bytes, without the NUL behind it.
    private(set) var count = 0
    /// The statements that hold a token, in order.
    private(set) var statements: [StatementSpan] = []
    /// There were more statements than ``statementLimit``.
    private(set) var isTruncated = false
    /// The text has a byte sequence that is no character of the client's encoding: the server refuses it whole.
    private(set) var hasInvalidCharacter = false
    /// The text has a character that is ASCII to some servers: ``MultibyteCharacters/Findings/hasPossibleASCII``.
    private(set) var hasPossibleASCII = false
    /// A dollar quote's tag holds a character that may be the same as another one to the server, so where the literal
    /// ends is not known.
    private(set) var hasDoubtfulTag = false
    /// Every statement may be given to libpg_query.
    private(set) var isParseable = true
    /// The tokens of all statements.
    private(set) var tokenCount = 0
    /// The bytes of long literals outside routines.
    private(set) var longLiteralBytes = 0

    private var replaced: (at: Int, byte: UInt8)?

    init() {
        storage = UnsafeMutableRawBufferPointer.allocate(byteCount: 16 << 10, alignment: 16)
    }

    deinit { storage.deallocate() }

    /// The canonical bytes, without the NUL.
    var bytes: UnsafeRawBufferPointer { source ?? UnsafeRawBufferPointer(rebasing: storage[0..<count]) }

    /// The bytes of a range as a C string: valid until ``restore()`` is called, which must happen before anything else.
    mutating func terminated(_ range: Range<Int>) -> UnsafePointer<CChar>? {
        guard range.lowerBound >= 0, range.upperBound <= count else { return nil }
        var start = range.lowerBound
        if let source {
            // Of a text that is as it came only what is parsed is copied.
            reserve(range.count + 1)
            storage.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[range]))
            storage[range.count] = 0
            start = 0
        } else {
            // Room for the NUL is always there: the buffer is one longer than the text.
            replaced = (range.upperBound, storage[range.upperBound])
            storage[range.upperBound] = 0
        }
        guard let base = storage.baseAddress else { return nil }
        return UnsafePointer((base + start).assumingMemoryBound(to: CChar.self))
    }

    /// Puts back the byte that ``terminated(_:)`` replaced.
    mutating func restore() {
        guard let replaced else { return }
        storage[replaced.at] = replaced.byte
        self.replaced = nil
    }

    /// Takes a text in. A NUL inside ends it, as it does for the server.
    ///
    /// - Parameters:
    ///   - outlivesUse: the text is there and stays as it is until ``release()`` or the next text; it is then not copied
    ///     unless something in it has to be rewritten.
    ///   - proof: of this text, read under the same settings: what it has seen is not looked at again.
    mutating func load(
        _ text: UnsafeRawBufferPointer, settings: LexicalSettings, outlivesUse: Bool = false,
        after proof: PlainProof? = nil
    ) {
        statements.removeAll(keepingCapacity: true)
        isTruncated = false
        hasInvalidCharacter = false
        hasPossibleASCII = false
        hasDoubtfulTag = false
        isParseable = true
        tokenCount = 0
        longLiteralBytes = 0
        count = 0
        source = nil
        replaced = nil
        guard let start = text.baseAddress, text.count > 0 else { return }
        var length = text.count
        if let end = memchr(start, 0, length) { length = UnsafeRawPointer(end) - start }
        count = length
        source = UnsafeRawBufferPointer(start: start, count: length)
        if !outlivesUse || !settings.encoding.isASCIISafe { copy() }
        if !settings.encoding.isASCIISafe {
            let findings = MultibyteCharacters.disarm(
                UnsafeMutableRawBufferPointer(rebasing: storage[0..<length]), encoding: settings.encoding)
            hasInvalidCharacter = findings.hasInvalidCharacter
            hasPossibleASCII = findings.hasPossibleASCII
        }
        survey(settings, after: proof)
    }

    /// Something is to be rewritten: from here on the buffer has the text.
    private mutating func copy() {
        guard let text = source else { return }
        reserve(count + 1)
        storage.copyMemory(from: text)
        storage[count] = 0
        source = nil
    }

    /// Lets the text go, and gives a large buffer back.
    mutating func release() {
        source = nil
        count = 0
        guard storage.count > Self.retainedCapacity else { return }
        storage.deallocate()
        storage = UnsafeMutableRawBufferPointer.allocate(byteCount: 16 << 10, alignment: 16)
        statements = []
    }

    private mutating func reserve(_ capacity: Int) {
        guard capacity > storage.count else { return }
        storage.deallocate()
        storage = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity + capacity / 4, alignment: 16)
    }

    /// One pass: blanks and rewrites behind the lexer's back, cuts statements at its front.
    private mutating func survey(_ settings: LexicalSettings, after proof: PlainProof?) {
        // The text as it came, even when it is copied on the way: what is rewritten is behind the lexer.
        let text = bytes
        var splitter = StatementSplitter()
        var start = 0
        // What the proof has seen ends before a NUL if it does not go beyond the text.
        if let proof, proof.isResumable, proof.position <= count, source != nil {
            start = proof.position
            splitter.resume(from: proof.seen)
        }
        var lexer = Lexer(
            text, standardConformingStrings: settings.standardConformingStrings, from: start)
        var literalEnd = -1
        var operatorEnd = -1
        var operatorRun = 0
        while true {
            let token = lexer.nextIncludingComments()
            switch token.kind {
            case .comment:
                blank(token.range)
                continue
            case .operator:
                literalEnd = -1
                operatorRun = (token.start == operatorEnd ? operatorRun : 0) + (token.end - token.start)
                operatorEnd = token.end
                if operatorRun > Self.operatorRunLimit { splitter.current.isParseable = false }
            case .string, .escapeString, .unicodeString, .bitString:
                if literalEnd >= 0, text[token.start] == UInt8(ascii: "'") {
                    // Two literals, not a continued one: without the comment between them they must stay two.
                    flattenNewlines(literalEnd..<token.start)
                }
                if token.holdsComment { blankComments(in: token) }
                if token.kind == .escapeString, text[token.start] == UInt8(ascii: "'") { rewriteEscapes(token.range) }
                literalEnd = token.end
                if token.end - token.start > ElidedText.literalLimit, token.kind != .bitString {
                    splitter.current.longLiteralBytes += token.end - token.start
                }
            case .dollarString:
                literalEnd = -1
                if isTagDoubtful(token, settings.encoding) { hasDoubtfulTag = true }
                if token.end - token.start > ElidedText.literalLimit {
                    splitter.current.longLiteralBytes += token.end - token.start
                }
            case .end, .word, .quotedName, .unicodeName, .number, .parameter, .openParen, .closeParen, .openBracket,
                .closeBracket, .comma, .semicolon, .dot, .colon, .stray:
                literalEnd = -1
            }
            if let span = splitter.take(token, text) { append(span) }
            if token.kind == .end { break }
        }
    }

    /// Whether another tag may be the same to the server, which compares them after it has converted the text.
    ///
    /// ASCII tags never are. Of UTF-8's characters U+00A6 and U+FFE4 are the same in EUC_JP.
    private func isTagDoubtful(_ token: Token, _ encoding: ClientEncoding) -> Bool {
        let text = bytes
        var at = token.start + 1
        while at < token.end, text[at] != UInt8(ascii: "$") {
            if text[at] >= 0x80 {
                let isBrokenBar = at + 1 < token.end && (text[at], text[at + 1]) == (0xC2, 0xA6)
                let isFullwidth = at + 2 < token.end && (text[at], text[at + 1], text[at + 2]) == (0xEF, 0xBF, 0xA4)
                if encoding != .asciiSafe || isBrokenBar || isFullwidth { return true }
            }
            at += 1
        }
        return false
    }

    private mutating func append(_ span: StatementSpan) {
        isParseable = isParseable && span.isParseable
        tokenCount += span.tokenCount
        longLiteralBytes += span.isRoutine ? 0 : span.longLiteralBytes
        guard statements.count < Self.statementLimit else {
            isTruncated = true
            return
        }
        statements.append(span)
    }

    private mutating func blank(_ range: Range<Int>) {
        copy()
        let blanked = UnsafeMutableRawBufferPointer(rebasing: storage[range])
        _ = blanked.initializeMemory(as: UInt8.self, repeating: 0x20)
    }

    private mutating func flattenNewlines(_ range: Range<Int>) {
        for at in range where Lexer.isNewline(bytes[at]) {
            copy()
            storage[at] = 0x20
        }
    }

    private mutating func rewriteEscapes(_ range: Range<Int>) {
        // Without a backslash both readings are the same.
        guard let start = bytes.baseAddress,
            memchr(start + range.lowerBound, Int32(UInt8(ascii: "\\")), range.count) != nil
        else { return }
        copy()
        LiteralText.rewriteEscapes(UnsafeMutableRawBufferPointer(rebasing: storage[range]))
    }

    /// Blanks the comments between the segments of a continued literal.
    private mutating func blankComments(in token: Token) {
        copy()
        let escapes = token.kind == .escapeString
        var at = token.start
        while at < token.end, storage[at] != UInt8(ascii: "'") { at += 1 }
        var isInside = false
        while at < token.end {
            switch storage[at] {
            case UInt8(ascii: "'"): isInside.toggle()
            case UInt8(ascii: "\\") where isInside && escapes: at += 1
            case UInt8(ascii: "-") where !isInside:
                while at < token.end, !Lexer.isNewline(storage[at]) {
                    storage[at] = 0x20
                    at += 1
                }
            default: break
            }
            at += 1
        }
    }
}

/// Where one statement stands in its text.
struct StatementSpan {
    /// The first token's first byte.
    var start = 0
    /// Behind the last token, before the semicolon.
    var end = 0
    /// libpg_query may see it: no run of operator characters beyond ``CanonicalText/operatorRunLimit``.
    var isParseable = true
    var tokenCount = 0
    /// DO, CREATE FUNCTION, CREATE PROCEDURE: its body is a literal.
    var isRoutine = false
    /// Bytes of literals longer than ``ElidedText/literalLimit``.
    var longLiteralBytes = 0

    var range: Range<Int> { start..<max(start, end) }
}
