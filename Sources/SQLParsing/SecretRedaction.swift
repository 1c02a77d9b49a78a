/// Takes passwords and other secrets out of a statement's text before it is written anywhere.
///
/// Works on tokens, so also on statements that no grammar accepts; looks into literals, routine bodies and comments. What
/// counts as a secret stands in ``SecretContext`` (by the tokens before it), ``SecretName`` (by its name) and ``FreeText``
/// (within text that is no SQL). Linear in the text, never fails, and what is redacted twice stays as it is.
package enum SecretRedaction {
    static let mark = "'***'"
    private static let markBytes = Array(mark.utf8)
    private static let depthLimit = 8

    /// A text without its secrets, and what they were.
    package struct Result: Sendable {
        /// Valid UTF-8, whatever the bytes were.
        package var text: String
        /// What was taken out, without quotes. Held in memory only, to find it in the server's error messages.
        package var secrets: [String]
    }

    /// The text with every secret in it replaced by `'***'`: behind PASSWORD and options and settings of such names, in
    /// CREATE and ALTER ROLE, in connection strings and URIs. Valid UTF-8 whatever the bytes; a NUL ends it.
    package static func redacted(_ text: UnsafeRawBufferPointer, settings: LexicalSettings) -> String {
        result(text, settings: settings).text
    }

    /// As ``redacted(_:settings:)``, with the secrets.
    package static func result(_ text: UnsafeRawBufferPointer, settings: LexicalSettings) -> Result {
        let end = text.firstIndex(of: 0) ?? text.count
        let original = Array(text[0..<end])
        guard FoldedScanner(original).mayHoldSecret else {
            return Result(text: String(decoding: original, as: UTF8.self), secrets: [])
        }
        var pass = SecretPass(settings: settings)
        let redacted = pass.redacted(original, depth: 0)
        return Result(text: String(decoding: redacted, as: UTF8.self), secrets: pass.secrets)
    }

    /// The same for text that is no SQL: a connection string, a URI, a value that a statement is bound with.
    package static func redacted(text: String) -> String {
        let original = Array(text.utf8)
        guard FoldedScanner(original).mayHoldSecret else { return text }
        var secrets = SecretPass.Found()
        return String(decoding: FreeText.redacted(original[...], &secrets), as: UTF8.self)
    }

    /// The numbers of the parameters that stand where a secret would: `$1` in `set_config('app.token', $1, false)`.
    package static func secretParameters(_ text: UnsafeRawBufferPointer) -> Set<Int> {
        let original = Array(text)
        guard FoldedScanner(original).mayHoldSecret else { return [] }
        var pass = SecretPass(settings: LexicalSettings())
        _ = pass.redacted(original, depth: 0)
        return pass.parameters
    }

    /// A message of the server's about a statement, which it may quote: the statement's own secrets are taken out, too,
    /// wherever they stand (`syntax error at or near "…"`).
    package static func redacted(message: String, secrets: [String]) -> String {
        var text = message
        for secret in secrets where secret.utf8.count >= 3 && text.utf8.count <= 1 << 16 {
            text = text.replacing(secret, with: "***")
        }
        return text.withUTF8 { redacted(UnsafeRawBufferPointer($0), settings: LexicalSettings()) }
    }

    /// One walk through a text and the texts in it.
    struct SecretPass {
        /// What was taken out, each once and not without end.
        struct Found {
            private(set) var secrets: [String] = []
            private static let countLimit = 64

            mutating func add(_ bytes: some Sequence<UInt8>) {
                guard secrets.count < Self.countLimit else { return }
                let text = String(decoding: Array(bytes), as: UTF8.self)
                if text.utf8.count < 1 << 12, text != "***", !secrets.contains(text) { secrets.append(text) }
            }

            /// Everything up to the text's end, as the server's message may quote it: words, tokens, names in small letters.
            mutating func add(rest: ArraySlice<UInt8>) {
                for piece in rest.split(whereSeparator: Lexer.isSpace) { add(literal: piece) }
                for piece in rest.split(whereSeparator: { !Lexer.isNamePart($0) }) where piece.count >= 3 {
                    add(piece)
                    add(piece.map(Keyword.folded))
                }
            }

            /// A literal with its quotes, as it stands and as the server reads it.
            mutating func add(literal: ArraySlice<UInt8>) {
                let text = String(decoding: literal, as: UTF8.self)
                guard let quote = text.firstIndex(where: { "'\"$".contains($0) }) else { return add(literal) }
                var inside = text[text.index(after: quote)...]
                if text[quote] == "$" {
                    // $tag$…$tag$
                    guard let end = inside.firstIndex(of: "$") else { return add(literal) }
                    let tag = text[quote...end]
                    inside = text[text.index(after: end)...]
                    if inside.hasSuffix(tag) { inside = inside.dropLast(tag.count) }
                } else if inside.last == text[quote] {
                    inside = inside.dropLast()
                }
                add(inside.utf8)
                let doubled = String(repeating: text[quote], count: 2)
                if inside.contains(doubled) { add(inside.replacing(doubled, with: String(text[quote])).utf8) }
            }
        }

        let settings: LexicalSettings
        var found = Found()
        var parameters: Set<Int> = []
        var secrets: [String] { found.secrets }

        /// The routine is in no SQL.
        private var isForeign = false

        init(settings: LexicalSettings) { self.settings = settings }

        mutating func redacted(_ original: [UInt8], depth: Int) -> [UInt8] {
            var lexable = original
            // Lexed in a form whose characters are safe; written from the original, which has the same offsets.
            if settings.encoding != .asciiSafe {
                _ = lexable.withUnsafeMutableBytes { MultibyteCharacters.disarm($0, encoding: settings.encoding) }
            }
            var result: [UInt8] = []
            result.reserveCapacity(original.count)
            if depth == 0 { isForeign = FoldedScanner(original).isForeignRoutine }
            lexable.withUnsafeBytes { bytes in
                var lexer = Lexer(bytes, standardConformingStrings: settings.standardConformingStrings)
                var context = SecretContext(
                    assemblesPasswords: FoldedScanner(original).assemblesPasswords, isBody: depth > 0)
                var copied = 0
                // Where the last literal stands in the result.
                var literal: Range<Int>?
                while true {
                    let token = lexer.nextIncludingComments()
                    if token.kind == .end { break }
                    let slice = original[token.range]
                    if token.kind == .comment {
                        result += original[copied..<token.start]
                        result += FreeText.redacted(slice, &found)
                        copied = token.end
                        continue
                    }
                    let word = token.kind == .word ? Keyword(token, bytes) : .none
                    let isSecret = context.isSecret(
                        token, word, isAssignmentSign: SecretContext.isAssignment(token, slice))
                    if isSecret,
                        context.endsNowhere(token, next: token.end < original.count ? original[token.end] : nil)
                    {
                        result += original[copied..<token.start]
                        found.add(rest: original[token.start...])
                        result += SecretRedaction.markBytes
                        copied = original.count
                        break
                    }
                    if isSecret {
                        if token.kind == .parameter {
                            if let number = Int(String(decoding: slice.dropFirst(), as: UTF8.self)) {
                                parameters.insert(number)
                            }
                        } else if !Self.isEmptyLiteral(slice) {
                            found.add(literal: slice)
                            result += original[copied..<token.start]
                            // N'…' is a name and a literal: one mark for both, or they would read as a quote that was doubled.
                            let mark = SecretRedaction.markBytes
                            if token.start > copied || !result.suffix(mark.count).elementsEqual(mark) { result += mark }
                            copied = token.end
                        }
                    } else if context.namesLiteralBefore(slice, token), let before = literal {
                        // 'secret' AS password
                        found.add(literal: result[before])
                        result.replaceSubrange(before, with: SecretRedaction.markBytes)
                        literal = nil
                    } else if token.isString || token.kind == .quotedName || token.kind == .unicodeName {
                        result += original[copied..<token.start]
                        let start = result.count
                        let shown = inner(slice, token, depth)
                        result += shown
                        // A quote that was not doubled has ended the literal within a secret.
                        let isBroken =
                            token.isQuotedLiteral && token.end < original.count
                            && Lexer.isNamePart(original[token.end]) && !shown.elementsEqual(slice)
                        if isBroken {
                            found.add(rest: original[token.end...])
                            result += Array(" ***".utf8)
                            copied = original.count
                            break
                        }
                        if token.isString { literal = start..<result.count }
                        copied = token.end
                    }
                    context.take(token, word, slice)
                }
                result += original[copied..<original.count]
            }
            return result
        }

        private static func isEmptyLiteral(_ literal: ArraySlice<UInt8>) -> Bool { literal.elementsEqual("''".utf8) }

        /// A literal's inside: a routine's body is SQL again, anything else is free text. A body without its end is one, too.
        private mutating func inner(_ literal: ArraySlice<UInt8>, _ token: Token, _ depth: Int) -> [UInt8] {
            guard token.kind == .dollarString, depth < SecretRedaction.depthLimit,
                let tagEnd = literal.dropFirst().firstIndex(of: UInt8(ascii: "$"))
            else {
                guard token.isQuotedLiteral else { return FreeText.redacted(literal, &found) }
                let reading = ReadLiteral(
                    literal, backslashes: token.kind == .escapeString, unicode: token.kind == .unicodeString)
                if let connection = reading?.redactedConnection(&found) { return connection }
                let shown = FreeText.redacted(literal, &found)
                // A body in quotes is SQL as well as one in dollars.
                if let reading, reading.mayBeBody, depth < SecretRedaction.depthLimit {
                    let body = redacted(reading.meaning, depth: depth + 1)
                    if body != reading.meaning { return ReadLiteral.quoted(FreeText.redacted(body[...], &found)) }
                }
                return reading?.redactedMeaning(of: shown, &found) ?? shown
            }
            let tag = literal[literal.startIndex...tagEnd]
            let closing = token.isUnterminated ? [] : tag
            guard literal.count >= tag.count + closing.count else { return FreeText.redacted(literal, &found) }
            let body = literal[(tagEnd + 1)..<(literal.endIndex - closing.count)]
            var inside = redacted(Array(body), depth: depth + 1)
            // Without a semicolon it may as well be a connection string.
            if isForeign || !body.contains(UInt8(ascii: ";")) {
                inside = FreeText.redacted(inside[...], &found)
                inside = ConnectionSecrets.redacted(inside, &found) ?? inside
            }
            return Array(tag) + inside + Array(closing)
        }
    }
}
