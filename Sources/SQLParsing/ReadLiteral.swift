/// A literal in single quotes as the server reads it: escapes resolved, segments joined. What its text hides, its meaning
/// shows.
struct ReadLiteral {
    private let backslashes: Bool
    private let unicode: Bool
    private let meaning: [UInt8]
    /// Nothing but its quotes stands between the literal and its meaning.
    private let isPlain: Bool

    /// - Parameter literal: with its prefix and quotes; nil if it has none, or is too long to be looked at twice.
    init?(_ literal: ArraySlice<UInt8>, backslashes: Bool, unicode: Bool) {
        guard literal.count <= 1 << 20,
            let (meaning, isPlain) = Self.meaning(of: Array(literal), backslashes: backslashes, unicode: unicode)
        else { return nil }
        self.backslashes = backslashes
        self.unicode = unicode
        self.meaning = meaning
        self.isPlain = isPlain
    }

    /// The literal without its secrets, in plain quotes, if it is a connection string that has some.
    func redactedConnection(_ found: inout SecretRedaction.SecretPass.Found) -> [UInt8]? {
        guard let redacted = ConnectionSecrets.redacted(meaning, &found) else { return nil }
        return Self.quoted(FreeText.redacted(redacted[...], &found))
    }

    /// Another literal, if its meaning has secrets that its text did not show; else nil.
    ///
    /// - Parameter shown: the literal, those replaced that its text shows.
    func redactedMeaning(of shown: [UInt8], _ found: inout SecretRedaction.SecretPass.Found) -> [UInt8]? {
        guard !isPlain,
            let (meaning, _) = Self.meaning(of: shown, backslashes: backslashes, unicode: unicode)
        else { return nil }
        let redacted = FreeText.redacted(meaning[...], &found)
        return redacted == meaning ? nil : Self.quoted(redacted)
    }

    private static func quoted(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = [UInt8(ascii: "'")]
        for byte in text {
            if byte == UInt8(ascii: "'") { result.append(byte) }
            result.append(byte)
        }
        return result + [UInt8(ascii: "'")]
    }

    /// - Returns: isPlain: nothing but its quotes stands between the literal and its meaning.
    private static func meaning(
        of literal: [UInt8], backslashes: Bool, unicode: Bool
    ) -> (bytes: [UInt8], isPlain: Bool)? {
        let quote = UInt8(ascii: "'")
        guard var at = literal.firstIndex(of: quote) else { return nil }
        at += 1
        var result: [UInt8] = []
        result.reserveCapacity(literal.count)
        var isPlain = true
        literal.withUnsafeBytes { bytes in
            while at < bytes.count {
                let byte = bytes[at]
                if byte == quote {
                    if at + 1 < bytes.count, bytes[at + 1] == quote {
                        result.append(quote)
                        at += 2
                        continue
                    }
                    // The end, or up to the next segment.
                    var next = at + 1
                    while next < bytes.count, bytes[next] != quote {
                        let isComment =
                            bytes[next] == UInt8(ascii: "-") && next + 1 < bytes.count
                            && bytes[next + 1] == UInt8(ascii: "-")
                        if isComment {
                            while next < bytes.count, !Lexer.isNewline(bytes[next]) { next += 1 }
                        } else {
                            next += 1
                        }
                    }
                    if next < bytes.count { isPlain = false }
                    at = next + 1
                } else if byte == UInt8(ascii: "\\"), backslashes {
                    isPlain = false
                    let (value, length) = LiteralText.escape(bytes, at: at)
                    result += value
                    at += max(1, length)
                } else if byte == UInt8(ascii: "\\"), unicode, let (value, length) = codePoint(bytes, at: at) {
                    isPlain = false
                    result += value
                    at += length
                } else {
                    result.append(byte)
                    at += 1
                }
            }
        }
        return (result, isPlain)
    }

    /// `\0061` and `\+000061` of a U&'' literal. Another UESCAPE hides its escapes from us; its text is looked at as it is.
    private static func codePoint(_ text: UnsafeRawBufferPointer, at start: Int) -> (value: [UInt8], length: Int)? {
        let isLong = start + 1 < text.count && text[start + 1] == UInt8(ascii: "+")
        let first = start + (isLong ? 2 : 1)
        let end = first + (isLong ? 6 : 4)
        guard end <= text.count,
            let number = UInt32(String(decoding: text[first..<end], as: UTF8.self), radix: 16),
            let scalar = Unicode.Scalar(number)
        else { return nil }
        return (Array(Character(scalar).utf8), end - start)
    }
}
