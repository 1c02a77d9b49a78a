/// Reads one JSON object from a line of `holdfast classify --json-lines`, strictly (RFC 8259) and without building a
/// tree: values that nobody asked for are checked and skipped.
struct JSONLine {
    private let bytes: UnsafeRawBufferPointer
    private var offset = 0

    /// Why a line cannot be used.
    struct Fault: Error {
        var message: String
        /// The byte in the line, from 0; nil when the whole line is meant.
        var offset: Int?

        var text: String { offset.map { "\(message) at byte \($0)" } ?? message }
    }

    /// How deeply skipped values may nest.
    private static let maximumDepth = 64

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// Calls `member` for each member of the object that the line holds; it must read or skip the value.
    mutating func readObject(_ member: (String, inout JSONLine) throws(Fault) -> Void) throws(Fault) {
        try readMembers(member)
        skipSpace()
        guard offset == bytes.count else { throw fault("something follows the object") }
    }

    /// Reads an object that is itself a value.
    mutating func readMembers(_ member: (String, inout JSONLine) throws(Fault) -> Void) throws(Fault) {
        try expect("{", or: "a JSON object is expected")
        skipSpace()
        if take("}") { return }
        while true {
            skipSpace()
            var key: [UInt8] = []
            try readString(into: &key)
            skipSpace()
            try expect(":", or: "\":\" is expected")
            try member(String(decoding: key, as: UTF8.self), &self)
            skipSpace()
            if take("}") { return }
            try expect(",", or: "\",\" or \"}\" is expected")
        }
    }

    /// Reads a string value as UTF-8 bytes.
    mutating func readString(into text: inout [UInt8]) throws(Fault) {
        skipSpace()
        let start = offset
        try expect("\"", or: "a text in double quotes is expected")
        let first = text.count
        var isASCII = true
        while offset < bytes.count {
            let byte = bytes[offset]
            switch byte {
            case UInt8(ascii: "\""):
                offset += 1
                if !isASCII, !Self.isUTF8(text[first...]) { throw Fault(message: "a text is not UTF-8", offset: start) }
                return
            case UInt8(ascii: "\\"):
                offset += 1
                try readEscape(into: &text)
            case 0..<0x20:
                throw fault("a control character stands in a text without escape")
            default:
                if byte >= 0x80 { isASCII = false }
                text.append(byte)
                offset += 1
            }
        }
        throw Fault(message: "a text has no end", offset: start)
    }

    /// Reads a string, or `true` and `false` as `on` and `off`.
    mutating func readSetting() throws(Fault) -> String {
        skipSpace()
        if takeWord("true") { return "on" }
        if takeWord("false") { return "off" }
        var text: [UInt8] = []
        try readString(into: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// Whether the value is `null`, which counts as absent.
    mutating func takeNull() -> Bool {
        skipSpace()
        return takeWord("null")
    }

    mutating func skipValue() throws(Fault) {
        try skipValue(depth: 0)
    }

    private mutating func skipValue(depth: Int) throws(Fault) {
        guard depth <= Self.maximumDepth else { throw fault("values nest too deeply") }
        skipSpace()
        guard offset < bytes.count else { throw fault("a value is missing") }
        switch bytes[offset] {
        case UInt8(ascii: "\""):
            var ignored: [UInt8] = []
            try readString(into: &ignored)
        case UInt8(ascii: "{"):
            try readMembers { (_, line) throws(Fault) in try line.skipValue(depth: depth + 1) }
        case UInt8(ascii: "["):
            offset += 1
            skipSpace()
            if take("]") { return }
            while true {
                try skipValue(depth: depth + 1)
                skipSpace()
                if take("]") { return }
                try expect(",", or: "\",\" or \"]\" is expected")
            }
        default:
            if takeWord("true") || takeWord("false") || takeWord("null") { return }
            try skipNumber()
        }
    }

    private mutating func skipNumber() throws(Fault) {
        let start = offset
        _ = take("-")
        let leadsWithZero = offset < bytes.count && bytes[offset] == UInt8(ascii: "0")
        let digits = skipDigits()
        guard digits > 0, !leadsWithZero || digits == 1 else { throw Fault(message: "no JSON value", offset: start) }
        if take(".") {
            guard skipDigits() > 0 else { throw fault("a digit is expected") }
        }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            guard skipDigits() > 0 else { throw fault("a digit is expected") }
        }
    }

    private mutating func skipDigits() -> Int {
        let start = offset
        while offset < bytes.count, bytes[offset] >= 0x30, bytes[offset] <= 0x39 { offset += 1 }
        return offset - start
    }

    /// Reads what follows a backslash.
    private mutating func readEscape(into text: inout [UInt8]) throws(Fault) {
        guard offset < bytes.count else { throw fault("a text has no end") }
        let byte = bytes[offset]
        offset += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            var value = try readHexQuad()
            if value & 0xFC00 == 0xD800 {
                guard take("\\"), take("u") else { throw fault("half a surrogate pair") }
                let low = try readHexQuad()
                guard low & 0xFC00 == 0xDC00 else { throw fault("half a surrogate pair") }
                value = 0x10000 + ((value & 0x3FF) << 10 | (low & 0x3FF))
            }
            guard let scalar = Unicode.Scalar(value) else { throw fault("half a surrogate pair") }
            text.append(contentsOf: UTF8.encode(scalar).map(Array.init) ?? [])
        default:
            throw fault("an unknown escape")
        }
    }

    private mutating func readHexQuad() throws(Fault) -> UInt32 {
        guard bytes.count - offset >= 4 else { throw fault("four hexadecimal digits are expected") }
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = HexDigit.value(bytes[offset]) else { throw fault("four hexadecimal digits are expected") }
            value = value << 4 | UInt32(digit)
            offset += 1
        }
        return value
    }

    private mutating func skipSpace() {
        while offset < bytes.count {
            switch bytes[offset] {
            case 0x20, 0x09, 0x0A, 0x0D: offset += 1
            default: return
            }
        }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard offset < bytes.count, bytes[offset] == UInt8(ascii: character) else { return false }
        offset += 1
        return true
    }

    private mutating func takeWord(_ word: StaticString) -> Bool {
        let length = word.utf8CodeUnitCount
        guard bytes.count - offset >= length else { return false }
        let expected = UnsafeRawBufferPointer(start: word.utf8Start, count: length)
        guard UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length]).elementsEqual(expected) else {
            return false
        }
        offset += length
        return true
    }

    private mutating func expect(_ character: Unicode.Scalar, or message: String) throws(Fault) {
        skipSpace()
        guard take(character) else { throw fault(message) }
    }

    private func fault(_ message: String) -> Fault { Fault(message: message, offset: offset) }

    private static func isUTF8(_ text: ArraySlice<UInt8>) -> Bool { String(validating: text, as: UTF8.self) != nil }
}

/// Hexadecimal digits of either case.
enum HexDigit {
    static func value(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
