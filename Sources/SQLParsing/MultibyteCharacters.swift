/// Makes a text in an encoding whose characters can hold ASCII bytes lexable byte by byte.
///
/// The server converts a text to its own encoding before it lexes it (`pg_client_to_server`), and refuses it whole where
/// a byte sequence is no character. The lengths are those of `pg_sjis_mblen`, `pg_big5_mblen`, `pg_gbk_mblen`,
/// `pg_uhc_mblen`, `pg_gb18030_mblen` and `pg_johab_mblen` in `src/common/wchar.c`.
enum MultibyteCharacters {
    /// Rewrites every character so that none of its bytes is ASCII punctuation. Different characters stay different
    /// (dollar-quote tags are compared), every byte keeps its place.
    ///
    /// - Returns: whether a sequence was found that is no character of the encoding.
    static func disarm(_ text: UnsafeMutableRawBufferPointer, encoding: ClientEncoding) -> Bool {
        var isInvalid = false
        var at = 0
        let count = text.count
        while at < count {
            let lead = text[at]
            if lead < 0x80 {
                at += 1
                continue
            }
            let length = length(lead, at + 1 < count ? text[at + 1] : 0, encoding)
            guard at + length <= count else { return true }
            if length == 4 {
                isInvalid = disarmFourBytes(text, at) || isInvalid
            } else {
                for offset in 1..<max(1, length) {
                    guard let byte = disarmed(text[at + offset], encoding) else {
                        isInvalid = true
                        continue
                    }
                    text[at + offset] = byte
                }
            }
            at += length
        }
        return isInvalid
    }

    private static func length(_ lead: UInt8, _ second: UInt8, _ encoding: ClientEncoding) -> Int {
        switch encoding {
        case .asciiSafe: 1
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
