/// The session settings that change how PostgreSQL reads a text.
package struct LexicalSettings: Sendable, Hashable {
    /// `standard_conforming_strings`: off makes backslash an escape in ordinary literals.
    package var standardConformingStrings: Bool
    /// `client_encoding`.
    package var encoding: ClientEncoding

    /// Whether a text is another one under the other `standard_conforming_strings`: a plain literal holds a backslash.
    ///
    /// Up to the first such literal both readings have the same tokens. E'', dollar quotes, names and comments never differ.
    static func standardConformingStringsMatter(to text: [UInt8]) -> Bool {
        let backslash = UInt8(ascii: "\\")
        guard text.contains(backslash) else { return false }
        return text.withUnsafeBytes { bytes in
            var lexer = Lexer(bytes)
            while true {
                let token = lexer.next()
                if token.kind == .end { return false }
                if token.kind == .string, bytes[token.range].contains(backslash) { return true }
            }
        }
    }

    package init(standardConformingStrings: Bool = true, encoding: ClientEncoding = .asciiSafe) {
        self.standardConformingStrings = standardConformingStrings
        self.encoding = encoding
    }
}

/// The client encodings, grouped by how one steps over a character.
///
/// In most encodings every byte of a multibyte character has its high bit set, so ASCII bytes mean themselves.
/// The named ones can have trail bytes that look like ASCII (quotes, backslashes).
package enum ClientEncoding: UInt8, CaseIterable, Sendable {
    /// UTF8, LATIN1…, SQL_ASCII: no byte of a multibyte character is below 0x80.
    case asciiSafe
    /// EUC_*, MULE_INTERNAL, KOI8R, WIN1251: the same, but two characters can become one and the same on the server.
    case asciiSafeWithTwins
    case sjis
    case shiftJIS2004
    case big5
    case gbk
    case uhc
    case gb18030
    case johab

    /// The encoding that the server reports or a client asks for by that name (any case, punctuation ignored, as
    /// PostgreSQL's `pg_char_to_encoding` does). Unknown names are `asciiSafe`: the server refuses them.
    package init(serverName: some StringProtocol) {
        let folded = serverName.lowercased().filter { $0.isLetter || $0.isNumber }
        switch folded {
        case "sjis", "shiftjis", "mskanji", "win932", "windows932", "cp932": self = .sjis
        case "shiftjis2004": self = .shiftJIS2004
        case "big5", "win950", "windows950", "cp950": self = .big5
        case "gbk", "win936", "windows936", "cp936": self = .gbk
        case "uhc", "win949", "windows949", "cp949": self = .uhc
        case "gb18030": self = .gb18030
        case "johab": self = .johab
        case "eucjp", "euckr", "euccn", "euctw", "eucjis2004", "muleinternal", "koi8", "koi8r", "win1251", "win",
            "windows1251":
            self = .asciiSafeWithTwins
        default: self = .asciiSafe
        }
    }

    /// Every byte below 0x80 is an ASCII character.
    package var isASCIISafe: Bool { self == .asciiSafe || self == .asciiSafeWithTwins }

    /// The encoding of a text that stands inside one of this encoding, already free of ASCII trail bytes.
    var ofInnerText: ClientEncoding { self == .asciiSafe ? .asciiSafe : .asciiSafeWithTwins }
}

/// The readings under which a text must be judged: one when the settings are known, several while something
/// unanswered could have changed them. The worst verdict counts.
package struct LexicalReadings: Sendable, Hashable {
    /// nil if nobody knows how the server reads.
    package private(set) var first: LexicalSettings?
    /// Empty for most texts: nothing is allocated for a text that can be read in one way only.
    package private(set) var others: [LexicalSettings] = []

    package init(_ settings: [LexicalSettings]) {
        first = settings.first
        others = Array(settings.dropFirst())
    }

    package init(_ known: LexicalSettings) { first = known }

    package var settings: [LexicalSettings] { (first.map { [$0] } ?? []) + others }

    /// Where nobody knows how the server reads, both ways of reading a backslash.
    package var orBoth: LexicalReadings {
        first == nil
            ? LexicalReadings([true, false].map { LexicalSettings(standardConformingStrings: $0) }) : self
    }

    /// The text can be read in one way only.
    package var isOne: Bool { first != nil && others.isEmpty }
}
