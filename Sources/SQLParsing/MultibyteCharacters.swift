/// Makes a text in an encoding whose characters can hold ASCII bytes lexable byte by byte.
///
/// The server converts a text to its own encoding before it lexes it (`pg_client_to_server`), and refuses it whole where
/// a byte sequence is no character. The lengths are those of `pg_sjis_mblen`, `pg_big5_mblen`, `pg_gbk_mblen`,
/// `pg_uhc_mblen`, `pg_gb18030_mblen` and `pg_johab_mblen` in `src/common/wchar.c`.
enum MultibyteCharacters {
    /// Rewrites every character so that none of its bytes is ASCII punctuation. Different characters stay different
    /// (dollar-quote tags are compared), every byte keeps its place.
    ///
    /// - Returns: what was found that calls for other readings.
    static func disarm(_ text: UnsafeMutableRawBufferPointer, encoding: ClientEncoding) -> Findings {
        var findings = Findings()
        var at = 0
        let count = text.count
        while at < count {
            let lead = text[at]
            if lead < 0x80 {
                at += 1
                continue
            }
            let length = length(lead, at + 1 < count ? text[at + 1] : 0, encoding)
            guard at + length <= count else {
                findings.hasInvalidCharacter = true
                break
            }
            if length == 4 {
                if disarmFourBytes(text, at) { findings.hasInvalidCharacter = true }
            } else if encoding == .shiftJIS2004, lead == 0x81, let ascii = asciiOfShiftJIS2004(text[at + 1]) {
                text[at] = 0x20
                text[at + 1] = ascii
                findings.hasPossibleASCII = true
            } else {
                for offset in 1..<max(1, length) {
                    let byte = disarmed(text[at + offset], encoding)
                    if byte == nil { findings.hasInvalidCharacter = true }
                    text[at + offset] = byte ?? Self.substitute(for: text[at + offset], encoding)
                }
            }
            at += length
        }
        return findings
    }

    /// What calls for a second reading of the text.
    struct Findings {
        /// A sequence that is no character of the encoding: the server refuses the text, if the encoding is this one.
        var hasInvalidCharacter = false
        /// A character that is ASCII on a server with UTF8 and none on one with EUC_JIS_2004.
        var hasPossibleASCII = false
    }

    /// `shift_jis_2004_to_utf8` makes U+005C of 0x815F and U+007E of 0x81B0.
    private static func asciiOfShiftJIS2004(_ trail: UInt8) -> UInt8? {
        switch trail {
        case 0x5F: UInt8(ascii: "\\")
        case 0xB0: UInt8(ascii: "~")
        default: nil
        }
    }

    /// What a trail byte becomes that no character has. BIG5's, GBK's and UHC's verifiers take any trail byte, and
    /// `big5_to_euc_tw` and `big5_to_mic` make characters of them; the other encodings' texts are refused.
    private static func substitute(for trail: UInt8, _ encoding: ClientEncoding) -> UInt8 {
        switch encoding {
        case .big5, .gbk, .uhc: trail | 0x80
        case .asciiSafe, .asciiSafeWithTwins, .sjis, .shiftJIS2004, .gb18030, .johab: trail
        }
    }

    private static func length(_ lead: UInt8, _ second: UInt8, _ encoding: ClientEncoding) -> Int {
        switch encoding {
        case .asciiSafe, .asciiSafeWithTwins: 1
        case .sjis, .shiftJIS2004: lead >= 0xA1 && lead <= 0xDF ? 1 : 2
        case .big5, .gbk, .uhc: 2
        case .gb18030: Lexer.isDigit(second) ? 4 : 2
        case .johab: lead == 0x8F ? 3 : 2
        }
    }

    /// A trail byte that is a name's byte wherever it stands; nil for one that no character has.
    private static func disarmed(_ trail: UInt8, _ encoding: ClientEncoding) -> UInt8? {
        if trail >= 0x80 { return trail }
        // JOHAB as PostgreSQL verifies it (pg_johab_verifychar) has no ASCII trail bytes.
        guard trail >= 0x40, trail < 0x7F, encoding != .johab else { return nil }
        switch trail {
        case UInt8(ascii: "@"): return UInt8(ascii: "0")
        case UInt8(ascii: "["): return UInt8(ascii: "1")
        case UInt8(ascii: "\\"): return UInt8(ascii: "2")
        case UInt8(ascii: "]"): return UInt8(ascii: "3")
        case UInt8(ascii: "^"): return UInt8(ascii: "4")
        case UInt8(ascii: "`"): return UInt8(ascii: "5")
        case UInt8(ascii: "{"): return UInt8(ascii: "6")
        case UInt8(ascii: "|"): return UInt8(ascii: "7")
        case UInt8(ascii: "}"): return UInt8(ascii: "8")
        case UInt8(ascii: "~"): return UInt8(ascii: "9")
        default: return trail
        }
    }

    /// GB18030's four-byte form: lead, digit, lead, digit. 0xFF, a trail byte of no character, marks it.
    private static func disarmFourBytes(_ text: UnsafeMutableRawBufferPointer, _ at: Int) -> Bool {
        let second = text[at + 1]
        let third = text[at + 2]
        let fourth = text[at + 3]
        guard Lexer.isDigit(second), third >= 0x81, third < 0xFF, Lexer.isDigit(fourth) else { return true }
        text[at + 1] = 0xFF
        text[at + 3] = 0x80 + (second - UInt8(ascii: "0")) * 10 + (fourth - UInt8(ascii: "0"))
        return false
    }
}
