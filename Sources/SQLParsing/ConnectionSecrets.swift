/// A whole text as libpq reads it (manual, "Connection Strings"): every value of a secret's name, and the password of a URI,
/// whatever characters are in them.
enum ConnectionSecrets {
    private static let mark = Array("***".utf8)

    /// - Parameter text: what a literal means, without its quotes.
    /// - Returns: nil if it is no connection string, or has no secret.
    static func redacted(_ text: [UInt8], _ found: inout SecretRedaction.SecretPass.Found) -> [UInt8]? {
        guard text.count <= 1 << 16 else { return nil }
        let scanner = FoldedScanner(text)
        for scheme: StaticString in ["postgres://", "postgresql://"] where scanner.matches(scheme, at: 0) {
            return uri(text, from: scheme.utf8CodeUnitCount, &found)
        }
        return pairs(text, &found)
    }

    /// `conninfo_uri_parse_options` of fe-connect.c: whatever stands before an @ that comes before a slash is user and
    /// password. Of several the last one counts here: the others were meant to be part of the password.
    private static func uri(
        _ text: [UInt8], from start: Int, _ found: inout SecretRedaction.SecretPass.Found
    ) -> [UInt8]? {
        var secrets: [Range<Int>] = []
        var at = start
        while at < text.count, text[at] != UInt8(ascii: "/") { at += 1 }
        let slash = at
        at = text[start..<slash].lastIndex(of: UInt8(ascii: "@")) ?? slash
        if at < text.count, text[at] == UInt8(ascii: "@"),
            let colon = text[start..<at].firstIndex(of: UInt8(ascii: ":"))
        {
            secrets.append((colon + 1)..<at)
        } else if at == text.count, let colon = text[start...].firstIndex(of: UInt8(ascii: ":")) {
            // No @: the end is missing, unless it is a port.
            let next = text[(colon + 1)...].first { !Lexer.isDigit($0) }
            let isPort = next == nil || next == UInt8(ascii: "?") || next == UInt8(ascii: ",")
            if !isPort || colon + 1 == text.count || !Lexer.isDigit(text[colon + 1]) {
                secrets.append((colon + 1)..<at)
            }
        }
        var rest =
            text[(secrets.last?.upperBound ?? at)...].firstIndex(of: UInt8(ascii: "?")).map { $0 + 1 } ?? text.count
        while rest < text.count {
            let end = text[rest...].firstIndex(of: UInt8(ascii: "&")) ?? text.count
            if let sign = text[rest..<end].firstIndex(of: UInt8(ascii: "=")),
                SecretName.isOne(percentDecoded(text[rest..<sign])[...])
            {
                secrets.append((sign + 1)..<end)
            }
            rest = end + 1
        }
        return replaced(text, secrets, &found)
    }

    /// `conninfo_parse`: name = value, the value in single quotes or up to white space, a backslash before any character; up
    /// to where the text is none.
    private static func pairs(_ text: [UInt8], _ found: inout SecretRedaction.SecretPass.Found) -> [UInt8]? {
        var secrets: [Range<Int>] = []
        var at = 0
        func skipSpace() { while at < text.count, Lexer.isSpace(text[at]) { at += 1 } }
        while true {
            skipSpace()
            guard at < text.count else { break }
            let name = at
            while at < text.count, Lexer.isNamePart(text[at]) { at += 1 }
            let nameEnd = at
            skipSpace()
            guard nameEnd > name, at < text.count, text[at] == UInt8(ascii: "=") else { break }
            at += 1
            skipSpace()
            let isQuoted = at < text.count && text[at] == UInt8(ascii: "'")
            if isQuoted { at += 1 }
            let value = at
            while at < text.count, isQuoted ? text[at] != UInt8(ascii: "'") : !Lexer.isSpace(text[at]) {
                at += text[at] == UInt8(ascii: "\\") ? 2 : 1
            }
            at = min(at, text.count)
            if SecretName.isOne(text[name..<nameEnd]) { secrets.append(value..<at) }
            if isQuoted, at < text.count { at += 1 }
        }
        return replaced(text, secrets, &found)
    }

    private static func replaced(
        _ text: [UInt8], _ secrets: [Range<Int>], _ found: inout SecretRedaction.SecretPass.Found
    ) -> [UInt8]? {
        var result: [UInt8] = []
        var copied = 0
        for secret in secrets where !secret.isEmpty {
            found.add(text[secret])
            result += text[copied..<secret.lowerBound] + mark
            copied = secret.upperBound
        }
        guard copied > 0 else { return nil }
        return result + text[copied...]
    }

    private static func percentDecoded(_ name: ArraySlice<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        var at = name.startIndex
        while at < name.endIndex {
            if name[at] == UInt8(ascii: "%"), at + 2 < name.endIndex,
                let value = UInt8(String(decoding: name[(at + 1)...(at + 2)], as: UTF8.self), radix: 16)
            {
                result.append(value)
                at += 3
            } else {
                result.append(name[at])
                at += 1
            }
        }
        return result
    }
}
