import COpenSSL

/// What other targets may ask for of hashes.
package enum AuditDigest {
    /// SHA-256 of a text's UTF-8, in 64 hexadecimal digits.
    package static func sha256(_ text: String) -> String { AuditHash.hex(AuditHash.sha256(Array(text.utf8))) }
}

/// Hashes, random bytes and hexadecimal digits, through OpenSSL.
enum AuditHash {
    static let byteCount = 32

    static func sha256(_ bytes: [UInt8]) -> [UInt8] { bytes.withUnsafeBufferPointer { sha256($0) } }

    static func sha256(_ bytes: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: byteCount)
        SHA256(bytes.baseAddress, bytes.count, &digest)
        return digest
    }

    static func random(_ count: Int) throws(AuditFault) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        guard RAND_bytes(&bytes, Int32(count)) == 1 else {
            throw AuditFault(description: "audit trail: the system has no random bytes")
        }
        return bytes
    }

    static func hex(_ bytes: some Sequence<UInt8>) -> String {
        var digits: [UInt8] = []
        appendHex(bytes, to: &digits)
        return String(decoding: digits, as: UTF8.self)
    }

    static func appendHex(_ bytes: some Sequence<UInt8>, to digits: inout [UInt8]) {
        for byte in bytes {
            digits.append(digit(byte >> 4))
            digits.append(digit(byte & 15))
        }
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") - 10 + value
    }

    /// Nil if these are not pairs of hexadecimal digits (small letters).
    static func bytes(hex text: some StringProtocol) -> [UInt8]? { bytes(hex: text.utf8) }

    static func bytes(hex digits: some Collection<UInt8>) -> [UInt8]? {
        guard digits.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(digits.count / 2)
        var high: UInt8?
        for digit in digits {
            let value: UInt8
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = digit - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = digit - UInt8(ascii: "a") + 10
            default: return nil
            }
            if let first = high {
                bytes.append(first << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        return bytes
    }
}
