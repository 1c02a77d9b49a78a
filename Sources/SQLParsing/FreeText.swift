/// Text that is no SQL, or SQL with quotes doubled: connection strings, URIs, shell commands, literals within literals,
/// comments.
enum FreeText {
    private static let mark = Array("***".utf8)
    /// Names besides those with `passw`; only with a `=` or `:` behind them.
    private static let names: [StaticString] = [
        "pwd", "secret", "token", "apikey", "api_key", "api-key", "secret_key", "access_key", "private_key",
        "passphrase",
        "passcode", "auth_key", "signing_key", "hmac_key",
    ]
    /// The same, where no longer word ends so.
    private static let wholeNames: [StaticString] = ["pass", "pw"]
    /// How far a URI's authority is looked at.
    private static let authorityLimit = 1024

    static func redacted(_ slice: ArraySlice<UInt8>, _ found: inout SecretRedaction.SecretPass.Found) -> [UInt8] {
        let text = Array(slice)
        let scanner = FoldedScanner(text)
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var at = 0
        while at < text.count {
            guard let place = secret(text, scanner, at) else {
                result.append(text[at])
                at += 1
                continue
            }
            result += text[at..<place.value.lowerBound]
            if !place.value.isEmpty {
                found.add(text[place.value])
                result += mark
            }
            at = max(place.value.upperBound, place.next)
        }
        return result
    }

    /// Whether a password would follow right behind: `'ALTER ROLE a PASSWORD '`, `'ALTER ROLE %I PASSWORD %L'`, `'host=a
    /// password='`.
    static func endsOpen(_ literal: ArraySlice<UInt8>) -> Bool {
        guard literal.count <= 1 << 16 else { return false }
        let text = Array(literal)
        let scanner = FoldedScanner(text)
        guard scanner.contains("passw") || scanner.contains("identified") else { return false }
        if scanner.contains("%") { return true }
        // From the end: quotes, spaces and signs of assignment, then the word.
        var end = text.count
        while end > 0, !Lexer.isNamePart(text[end - 1]) { end -= 1 }
        var start = end
        while start > 0, Lexer.isNamePart(text[start - 1]) { start -= 1 }
        let last = FoldedScanner(Array(text[start..<end]))
        return last.contains("passw") || last.isWhole("by") || last.isWhole("to")
    }

    /// What begins here, if it is or names a secret: the secret, empty if there is none, and where to go on.
    private static func secret(
        _ text: [UInt8], _ scanner: FoldedScanner, _ at: Int
    ) -> (value: Range<Int>, next: Int)? {
        switch Keyword.folded(text[at]) {
        case UInt8(ascii: "p") where scanner.matches("passw", at: at):
            return value(text, from: at, nameEnd: at, needsSeparator: false)
        case UInt8(ascii: "a") where scanner.matches("authorization", at: at):
            return header(text, from: at + 13)
        case UInt8(ascii: "p"), UInt8(ascii: "t"), UInt8(ascii: "a"), UInt8(ascii: "h"):
            return named(text, scanner, at)
        case UInt8(ascii: "s"):
            if scanner.matches("scram-sha-256$", at: at) { return word(text, from: at + 14) }
            return named(text, scanner, at)
        case UInt8(ascii: "-"):
            return option(text, scanner, at)
        case UInt8(ascii: "m") where scanner.matches("md5", at: at):
            let end = text[(at + 3)...].prefix(33).prefix { isHexadecimal($0) }.endIndex
            return end - at == 35 ? ((at + 3)..<end, end) : nil
        case UInt8(ascii: "b") where scanner.matches("bearer ", at: at):
            return word(text, from: at + 7)
        case UInt8(ascii: ":") where scanner.matches("://", at: at):
            let secret = secretOfAuthority(text, from: at + 3)
            return (secret, max(secret.upperBound, at + 3))
        default:
            return nil
        }
    }

    private static func named(
        _ text: [UInt8], _ scanner: FoldedScanner, _ at: Int
    ) -> (value: Range<Int>, next: Int)? {
        for name in names where scanner.matches(name, at: at) {
            let end = at + name.utf8CodeUnitCount
            guard end < text.count, !Lexer.isNamePart(text[end]) else { continue }
            return value(text, from: at, nameEnd: end, needsSeparator: true)
        }
        guard at == 0 || !Lexer.isNamePart(text[at - 1]) else { return nil }
        for name in wholeNames where scanner.matches(name, at: at) {
            let end = at + name.utf8CodeUnitCount
            guard end < text.count, !Lexer.isNamePart(text[end]) else { continue }
            return value(text, from: at, nameEnd: end, needsSeparator: true)
        }
        return nil
    }

    /// `Authorization: Basic …`: all of it, whatever the scheme.
    private static func header(_ text: [UInt8], from start: Int) -> (value: Range<Int>, next: Int)? {
        var at = start
        while at < text.count, Lexer.isSpace(text[at]) { at += 1 }
        guard at < text.count, text[at] == UInt8(ascii: ":") else { return nil }
        at += 1
        while at < text.count, Lexer.isSpace(text[at]) { at += 1 }
        let begin = at
        while at < text.count, !Lexer.isNewline(text[at]), !quotes.contains(text[at]) { at += 1 }
        return (begin..<at, at)
    }

    /// Options of programs (`curl -u user:password`, `--user`, `sshpass -p`), and the inside of a private key.
    private static func option(
        _ text: [UInt8], _ scanner: FoldedScanner, _ at: Int
    ) -> (value: Range<Int>, next: Int)? {
        if scanner.matches("-----begin ", at: at) {
            let label = FoldedScanner(text[at..<min(text.count, at + 64)])
            guard label.contains("private key-----") else { return nil }
            var begin = at + 11
            while begin < text.count, text[begin] != UInt8(ascii: "-") { begin += 1 }
            while begin < text.count, text[begin] == UInt8(ascii: "-") { begin += 1 }
            var end = begin
            while end < text.count, text[end] != UInt8(ascii: "-") { end += 1 }
            return (begin..<end, end)
        }
        let isFirst = at == 0 || Lexer.isSpace(text[at - 1]) || quotes.contains(text[at - 1])
        guard isFirst else { return nil }
        if scanner.matches("-p", at: at), scanner.matches("sshpass ", at: at - 8) {
            var begin = at + 2
            while begin < text.count, Lexer.isSpace(text[begin]) { begin += 1 }
            return word(text, from: begin)
        }
        for name: StaticString in ["-u", "--user", "--proxy-user"] where scanner.matches(name, at: at) {
            var begin = at + name.utf8CodeUnitCount
            guard begin < text.count, Lexer.isSpace(text[begin]) || text[begin] == UInt8(ascii: "=") else { continue }
            begin += 1
            while begin < text.count, Lexer.isSpace(text[begin]) || quotes.contains(text[begin]) { begin += 1 }
            let whole = word(text, from: begin).value
            guard let colon = text[whole].firstIndex(of: UInt8(ascii: ":")) else { return nil }
            return ((colon + 1)..<whole.upperBound, whole.upperBound)
        }
        return nil
    }

    private static let quotes: Set<UInt8> = Set("'\"`".utf8)

    /// Up to what cannot be part of a verifier or token.
    private static func word(_ text: [UInt8], from start: Int) -> (value: Range<Int>, next: Int) {
        var end = min(start, text.count)
        let begin = end
        while end < text.count, !Lexer.isSpace(text[end]), !quotes.contains(text[end]) { end += 1 }
        return (begin..<end, end)
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        let folded = Keyword.folded(byte)
        return Lexer.isDigit(byte) || folded >= UInt8(ascii: "a") && folded <= UInt8(ascii: "f")
    }

    /// The value behind `password`, `password =`, `"password": `…; empty where none is.
    private static func value(
        _ text: [UInt8], from start: Int, nameEnd known: Int, needsSeparator: Bool
    ) -> (value: Range<Int>, next: Int)? {
        var at = known
        while at < text.count, Lexer.isNamePart(text[at]) { at += 1 }
        let nameEnd = at
        if !needsSeparator, !SecretName.isOne(text[start..<nameEnd]), nameEnd - start <= 64 {
            return (nameEnd..<nameEnd, nameEnd)
        }
        at = endOfNameQuotes(text, at)
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
        let nothing = (value: nameEnd..<nameEnd, next: nameEnd)
        guard at < text.count, hasSeparator || !needsSeparator else { return needsSeparator ? nil : nothing }
        if let quoted = quotedValue(text, from: at, hasSeparator: hasSeparator) { return (quoted, nameEnd) }
        // "passwords": ["a", "b"]
        if hasSeparator, text[at] == UInt8(ascii: "[") {
            let end = text[at...].firstIndex(of: UInt8(ascii: "]")) ?? text.count
            return ((at + 1)..<end, end)
        }
        // psql --password secret
        let isOption = start >= 2 && text[start - 1] == UInt8(ascii: "-") && text[start - 2] == UInt8(ascii: "-")
        guard hasSeparator || isOption else { return nothing }
        let valueStart = at
        while at < text.count, !Lexer.isSpace(text[at]), !endsValue(text, at) {
            // A connection string's backslash takes the next character along.
            at += text[at] == UInt8(ascii: "\\") && at + 1 < text.count ? 2 : 1
        }
        return (valueStart..<at, nameEnd)
    }

    /// Behind the closing quotes of a name, where a sign of assignment follows them: "password":, 'password' =>, \"password\":.
    private static func endOfNameQuotes(_ text: [UInt8], _ start: Int) -> Int {
        var at = start
        while at < text.count, quotes.contains(text[at]) || text[at] == UInt8(ascii: "\\") { at += 1 }
        guard at > start else { return start }
        var next = at
        while next < text.count, Lexer.isSpace(text[next]) { next += 1 }
        guard next < text.count else { return start }
        return text[next] == UInt8(ascii: ":") || text[next] == UInt8(ascii: "=") ? at : start
    }

    /// Whether a value without quotes ends before this byte: at a quote, and at what separates it from another `name=`. A
    /// password may have such a character within.
    private static func endsValue(_ text: [UInt8], _ at: Int) -> Bool {
        guard stops.contains(text[at]) else { return false }
        if quotes.contains(text[at]) { return true }
        var next = at + 1
        guard next < text.count, !Lexer.isSpace(text[next]), !stops.contains(text[next]) else { return true }
        while next < text.count, next - at <= 64, Lexer.isNamePart(text[next]) || text[next] == UInt8(ascii: "-") {
            next += 1
        }
        return next < text.count && (text[next] == UInt8(ascii: "=") || text[next] == UInt8(ascii: ":"))
    }

    /// A value in quotes: `'x'`, `''x''`, `\'x\'`, `E'x'`, `$tag$x$tag$`.
    private static func quotedValue(_ text: [UInt8], from start: Int, hasSeparator: Bool) -> Range<Int>? {
        var at = start
        if text[at] == UInt8(ascii: "$") {
            var end = at + 1
            while end < text.count, Lexer.isTagPart(text[end]) { end += 1 }
            guard end < text.count, text[end] == UInt8(ascii: "$") else { return nil }
            let tag = Array(text[at...end])
            let inside = end + 1
            var close = inside
            while close < text.count {
                if text[close] == UInt8(ascii: "$"), text[close...].starts(with: tag) { break }
                close += 1
            }
            return inside..<close
        }
        // E'…', N'…', U&'…'
        let prefix = Keyword.folded(text[at])
        if at + 1 < text.count, "enbx".utf8.contains(prefix), text[at + 1] == UInt8(ascii: "'") {
            at += 1
        } else if at + 2 < text.count, prefix == UInt8(ascii: "u"), text[at + 1] == UInt8(ascii: "&"),
            text[at + 2] == UInt8(ascii: "'")
        {
            at += 2
        }
        if text[at] == UInt8(ascii: "\\"), at + 1 < text.count { at += 1 }
        let quote = text[at]
        guard quote == UInt8(ascii: "'") || (quotes.contains(quote) && hasSeparator) else { return nil }
        var opening = 0
        while at < text.count, text[at] == quote {
            opening += 1
            at += 1
        }
        return at..<endOfQuoted(text, from: at, quote: quote, length: opening)
    }

    private static let stops: Set<UInt8> = Set("'\"`&;,)}".utf8)

    /// Where a value in quotes ends: at a run of quotes that is not twice the opening one.
    private static func endOfQuoted(_ text: [UInt8], from start: Int, quote: UInt8, length: Int) -> Int {
        var at = start
        while at < text.count {
            guard text[at] == quote else {
                // JSON's \", unless the quotes themselves are written so.
                let isEscape =
                    quote != UInt8(ascii: "'") && text[at] == UInt8(ascii: "\\") && start > 1
                    && text[start - 2] != UInt8(ascii: "\\")
                at += isEscape ? 2 : 1
                continue
            }
            var run = 0
            while at + run < text.count, text[at + run] == quote { run += 1 }
            guard run % (2 * length) == 0 else { return at }
            at += run
        }
        return min(at, text.count)
    }

    /// What stands between `user:` and `@` in a URI.
    private static func secretOfAuthority(_ text: [UInt8], from start: Int) -> Range<Int> {
        var colon: Int?
        var host: Int?
        var isPath = false
        var at = start
        let limit = min(text.count, start + authorityLimit)
        // An IPv6 address has colons of its own.
        if at < limit, text[at] == UInt8(ascii: "[") {
            at = text[at..<limit].firstIndex(of: UInt8(ascii: "]")) ?? limit
        }
        scan: while at < limit {
            switch text[at] {
            case UInt8(ascii: "'"), UInt8(ascii: "\""), UInt8(ascii: "?"): break scan
            case UInt8(ascii: "/"):
                // A slash that somebody has forgotten to encode, if an @ follows.
                if host != nil || colon == nil { break scan }
                isPath = true
            case UInt8(ascii: ":"): if colon == nil, !isPath { colon = at }
            case UInt8(ascii: "@"): host = at
            default: if Lexer.isSpace(text[at]) { break scan }
            }
            at += 1
        }
        guard let colon else { return start..<start }
        if let host { return colon < host ? (colon + 1)..<host : start..<start }
        // No @: it was cut off or forgotten, unless it is a port.
        let rest = text[(colon + 1)..<at]
        let behindDigits = rest.drop(while: Lexer.isDigit).first
        let isPort =
            !rest.isEmpty && (behindDigits.map { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "/") } ?? true)
            && Lexer.isDigit(rest[rest.startIndex])
        guard !isPort else { return start..<start }
        return (colon + 1)..<at
    }
}
