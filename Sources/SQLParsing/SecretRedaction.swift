/// Takes passwords out of a statement's text before it is written anywhere.
///
/// Works on tokens, so also on statements that no grammar accepts; looks into literals, routine bodies and comments.
package enum SecretRedaction {
    static let mark = "'***'"
    private static let depthLimit = 8

    /// The text with every password in it replaced by `'***'`: behind PASSWORD and options of that name, in CREATE and
    /// ALTER ROLE, in connection strings and URIs. Valid UTF-8 whatever the bytes; a NUL ends it.
    package static func redacted(_ text: UnsafeRawBufferPointer, settings: LexicalSettings) -> String {
        let end = text.firstIndex(of: 0) ?? text.count
        let original = Array(text[0..<end])
        guard mayHoldSecret(original) else { return String(decoding: original, as: UTF8.self) }
        return String(decoding: redacted(original, settings: settings, depth: 0), as: UTF8.self)
    }

    /// The same for text that is no SQL: a connection string, a URI.
    package static func redacted(text: String) -> String {
        String(decoding: FreeText.redacted(Array(text.utf8)[...]), as: UTF8.self)
    }

    /// A cheap test that most statements fail: `passw`, `://`, or a word that begins a role's definition.
    private static func mayHoldSecret(_ text: [UInt8]) -> Bool {
        var lexer = FoldedScanner(text)
        return lexer.contains("passw") || lexer.contains("://") || lexer.contains("role") || lexer.contains("user")
            || lexer.contains("group")
    }

    private static func redacted(_ original: [UInt8], settings: LexicalSettings, depth: Int) -> [UInt8] {
        var lexable = original
        // Lexed in a form whose characters are safe; written from the original, which has the same offsets.
        if settings.encoding != .asciiSafe {
            _ = lexable.withUnsafeMutableBytes { MultibyteCharacters.disarm($0, encoding: settings.encoding) }
        }
        var result: [UInt8] = []
        result.reserveCapacity(original.count)
        lexable.withUnsafeBytes { bytes in
            var lexer = Lexer(bytes, standardConformingStrings: settings.standardConformingStrings)
            var context = RedactionContext()
            var copied = 0
            while true {
                let token = lexer.nextIncludingComments()
                if token.kind == .end { break }
                if token.kind == .comment {
                    result += original[copied..<token.start]
                    result += FreeText.redacted(original[token.range])
                    copied = token.end
                    continue
                }
                let word = token.kind == .word ? Keyword(token, bytes) : .none
                if context.isSecret(token, word) {
                    result += original[copied..<token.start]
                    result += Array(mark.utf8)
                    copied = token.end
                } else if token.isString || token.kind == .quotedName || token.kind == .unicodeName {
                    result += original[copied..<token.start]
                    result += inner(original[token.range], token, settings, depth)
                    copied = token.end
                }
                context.take(token, word, isPasswordName: isPasswordName(original[token.range]))
            }
            result += original[copied..<original.count]
        }
        return result
    }

    /// A literal's inside: a routine's body is SQL again, anything else is free text.
    private static func inner(
        _ literal: ArraySlice<UInt8>, _ token: Token, _ settings: LexicalSettings, _ depth: Int
    ) -> [UInt8] {
        guard token.kind == .dollarString, !token.isUnterminated, depth < depthLimit,
            let tagEnd = literal.dropFirst().firstIndex(of: UInt8(ascii: "$"))
        else { return FreeText.redacted(literal) }
        let tag = literal[literal.startIndex...tagEnd]
        guard literal.count >= 2 * tag.count else { return FreeText.redacted(literal) }
        let body = Array(literal[(tagEnd + 1)..<(literal.endIndex - tag.count)])
        return Array(tag) + redacted(body, settings: settings, depth: depth + 1) + Array(tag)
    }

    private static func isPasswordName(_ token: ArraySlice<UInt8>) -> Bool {
        guard token.count <= 24 else { return false }
        var scanner = FoldedScanner(Array(token))
        return scanner.contains("passw")
    }
}

/// What of a statement has been read, as far as it tells whether the next token is a secret.
private struct RedactionContext {
    private var wordsSeen = 0
    private var first = Keyword.none
    private var isRole = false
    private var followsPassword = false
    private var followsUntil = false

    func isSecret(_ token: Token, _ word: Keyword) -> Bool {
        let isLiteral = token.isString || token.kind == .bitString
        if followsPassword {
            if isLiteral { return true }
            // Forgotten or wrong quotes: still what somebody meant to be the password.
            return isRole && word != "null" && word != "password"
                && [.word, .quotedName, .unicodeName, .number].contains(token.kind)
        }
        return isRole && isLiteral && !followsUntil
    }

    mutating func take(_ token: Token, _ word: Keyword, isPasswordName: Bool) {
        if token.kind == .semicolon {
            self = RedactionContext()
            return
        }
        // password = 'x', password => 'x' keep what came before.
        if token.kind == .operator, followsPassword { return }
        followsPassword = isPasswordName && (token.kind == .word || token.kind == .quotedName)
        followsUntil = word == "until"
        guard token.kind == .word, wordsSeen < 3 else { return }
        if wordsSeen == 0 { first = word }
        if wordsSeen == 1, first == "create" || first == "alter" {
            isRole = word == "role" || word == "user" || word == "group"
        }
        if wordsSeen == 2, word == "mapping" { isRole = false }
        wordsSeen += 1
    }
}

/// Finds ASCII words in bytes whatever their case.
private struct FoldedScanner {
    private let bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func contains(_ word: StaticString) -> Bool {
        word.withUTF8Buffer { word in
            guard let first = word.first, bytes.count >= word.count else { return false }
            for start in 0...(bytes.count - word.count) where Keyword.folded(bytes[start]) == first {
                if matches(word, at: start) { return true }
            }
            return false
        }
    }

    func matches(_ word: UnsafeBufferPointer<UInt8>, at start: Int) -> Bool {
        guard start >= 0, start + word.count <= bytes.count else { return false }
        for offset in word.indices where Keyword.folded(bytes[start + offset]) != word[offset] { return false }
        return true
    }
}

/// Text that is no SQL, or SQL with quotes doubled: connection strings, URIs, literals within literals, comments.
private enum FreeText {
    private static let mark = Array("***".utf8)

    static func redacted(_ slice: ArraySlice<UInt8>) -> [UInt8] {
        let text = Array(slice)
        let scanner = FoldedScanner(text)
        var result: [UInt8] = []
        var at = 0
        while at < text.count {
            if startsPassword(scanner, at) {
                let (value, end) = value(text, from: at)
                result += text[at..<value.lowerBound]
                if !value.isEmpty { result += mark }
                at = max(value.upperBound, end)
            } else if text[at] == UInt8(ascii: ":"), startsAuthority(text, at) {
                let secret = secretOfAuthority(text, from: at + 3)
                result += text[at..<secret.lowerBound]
                if !secret.isEmpty { result += mark }
                at = secret.upperBound
            } else {
                result.append(text[at])
                at += 1
            }
        }
        return result
    }

    private static func startsPassword(_ scanner: FoldedScanner, _ at: Int) -> Bool {
        let word: StaticString = "passw"
        return word.withUTF8Buffer { scanner.matches($0, at: at) }
    }

    /// The value behind `password`, `password =`, `"password": `…; empty where none is.
    private static func value(_ text: [UInt8], from start: Int) -> (value: Range<Int>, end: Int) {
        var at = start
        while at < text.count, Lexer.isNamePart(text[at]) { at += 1 }
        // The closing quote of a name: "password", ''password''.
        let nameEnd = at
        if at < text.count, text[at] == UInt8(ascii: "\"") { at += 1 }
        var hasSeparator = false
        while at < text.count {
            let byte = text[at]
            if byte == UInt8(ascii: "=") || byte == UInt8(ascii: ":") || byte == UInt8(ascii: ">") {
                hasSeparator = true
            } else if !Lexer.isSpace(byte) {
                break
            }
            at += 1
        }
        guard at < text.count else { return (nameEnd..<nameEnd, nameEnd) }
        let first = text[at]
        if first == UInt8(ascii: "\\"), at + 1 < text.count { at += 1 }
        let quote = text[at]
        if quote == UInt8(ascii: "'") || (quote == UInt8(ascii: "\"") && hasSeparator) {
            var opening = 0
            while at < text.count, text[at] == quote {
                opening += 1
                at += 1
            }
            return (at..<endOfQuoted(text, from: at, quote: quote, length: opening), nameEnd)
        }
        guard hasSeparator else { return (nameEnd..<nameEnd, nameEnd) }
        let valueStart = at
        while at < text.count, !Lexer.isSpace(text[at]), !stops.contains(text[at]) { at += 1 }
        return (valueStart..<at, nameEnd)
    }

    private static let stops: Set<UInt8> = Set("'\"&;,)".utf8)

    /// Where a value in quotes ends: at a run of quotes that is not twice the opening one.
    private static func endOfQuoted(_ text: [UInt8], from start: Int, quote: UInt8, length: Int) -> Int {
        var at = start
        while at < text.count {
            guard text[at] == quote else {
                at += 1
                continue
            }
            var run = 0
            while at + run < text.count, text[at + run] == quote { run += 1 }
            guard run % (2 * length) == 0 else { return at }
            at += run
        }
        return at
    }

    private static func startsAuthority(_ text: [UInt8], _ at: Int) -> Bool {
        at + 2 < text.count && text[at + 1] == UInt8(ascii: "/") && text[at + 2] == UInt8(ascii: "/")
    }

    /// What stands between `user:` and `@` in a URI.
    private static func secretOfAuthority(_ text: [UInt8], from start: Int) -> Range<Int> {
        var colon: Int?
        var host: Int?
        var at = start
        while at < text.count, !Lexer.isSpace(text[at]), text[at] != UInt8(ascii: "/"), text[at] != UInt8(ascii: "'"),
            text[at] != UInt8(ascii: "\"")
        {
            if text[at] == UInt8(ascii: ":"), colon == nil { colon = at }
            if text[at] == UInt8(ascii: "@") { host = at }
            at += 1
        }
        guard let colon, let host, colon < host else { return start..<start }
        return (colon + 1)..<host
    }
}
