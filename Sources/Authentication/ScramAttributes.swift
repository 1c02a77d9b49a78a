/// Reads the attributes of a SCRAM message (RFC 5802, section 5.1) with the errors that PostgreSQL has for them
/// (`read_attr_value`, `read_any_attr`, libpq/auth-scram.c). Holds no NUL: that has been checked.
struct ScramAttributes {
    let bytes: [UInt8]
    private(set) var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The byte to be read; 0 at the end, as in C.
    var next: UInt8 { position < bytes.count ? bytes[position] : 0 }
    var isAtEnd: Bool { position >= bytes.count }

    mutating func skip() { position += 1 }

    mutating func comma() throws(ScramFault) {
        guard next == UInt8(ascii: ",") else {
            throw .malformed("Comma expected, but found character \"\(Self.shown(next))\".")
        }
        position += 1
    }

    /// The value of the attribute that must come now, and the comma behind it.
    mutating func value(of name: Unicode.Scalar) throws(ScramFault) -> [UInt8] {
        guard next == UInt8(ascii: name) else {
            throw .malformed("Expected attribute \"\(name)\" but found \"\(Self.shown(next))\".")
        }
        return try value(of: next)
    }

    /// Any attribute, and the comma behind it.
    mutating func any() throws(ScramFault) -> (name: UInt8, value: [UInt8]) {
        guard !isAtEnd else { throw .malformed("Attribute expected, but found end of string.") }
        let name = next
        guard (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(name | 0x20), name < 0x80 else {
            throw .malformed("Attribute expected, but found invalid character \"\(Self.shown(name))\".")
        }
        return (name, try value(of: name))
    }

    private mutating func value(of name: UInt8) throws(ScramFault) -> [UInt8] {
        position += 1
        guard next == UInt8(ascii: "=") else {
            throw .malformed("Expected character \"=\" for attribute \"\(Unicode.Scalar(name))\".")
        }
        position += 1
        let value = Array(bytes[position...].prefix { $0 != UInt8(ascii: ",") })
        position += value.count
        if !isAtEnd { position += 1 }
        return value
    }

    /// A byte fit for an error message (`sanitize_char`).
    static func shown(_ byte: UInt8) -> String {
        if (0x21...0x7e).contains(byte) { return "'\(Unicode.Scalar(byte))'" }
        let digits = String(byte, radix: 16)
        return "0x" + (digits.count == 1 ? "0" : "") + digits
    }

    /// A text fit for an error message: 30 bytes at most, others than printable ASCII as "?" (`sanitize_str`).
    static func shown(_ text: [UInt8]) -> String {
        String(decoding: text.prefix(30).map { (0x21...0x7e).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    }

    /// Printable ASCII without a comma (RFC 5802, "printable").
    static func isPrintable(_ text: [UInt8]) -> Bool {
        text.allSatisfy { (0x21...0x7e).contains($0) && $0 != UInt8(ascii: ",") }
    }
}
