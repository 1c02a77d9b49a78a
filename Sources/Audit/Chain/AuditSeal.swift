import COpenSSL

/// Computes the chain's codes: HMAC-SHA-256 under one key, over the code of the record before and the bytes of this one.
///
/// Belongs to one thread.
final class AuditSeal {
    let key: AuditKey
    private let context: OpaquePointer

    /// - Throws: ``AuditFault`` if OpenSSL cannot (no memory, no HMAC in it).
    init(_ key: AuditKey) throws(AuditFault) {
        self.key = key
        let fault = AuditFault(description: "audit trail: OpenSSL has no HMAC-SHA-256")
        guard let algorithm = EVP_MAC_fetch(nil, "HMAC", nil) else { throw fault }
        defer { EVP_MAC_free(algorithm) }
        guard let context = EVP_MAC_CTX_new(algorithm) else { throw fault }
        self.context = context
        guard openssl_hmac_sha256_begin(context, key.bytes, key.bytes.count) == 1 else { throw fault }
    }

    deinit { EVP_MAC_CTX_free(context) }

    /// The code of a record: 32 bytes.
    ///
    /// - Parameters:
    ///   - previous: the code of the record before, 32 bytes; zeros for a trail's first.
    ///   - bytes: the line up to the comma before its `mac`.
    func code(after previous: [UInt8], of bytes: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var code = [UInt8](repeating: 0, count: AuditHash.byteCount)
        var count = 0
        // Without a key: the same one again (EVP_MAC_init(3)).
        guard EVP_MAC_init(context, nil, 0, nil) == 1,
            EVP_MAC_update(context, previous, previous.count) == 1,
            EVP_MAC_update(context, bytes.baseAddress, bytes.count) == 1,
            EVP_MAC_final(context, &code, &count, code.count) == 1
        else { return [] }
        return code
    }
}

/// A sealed line, taken apart. Pure.
///
///     {"v":2,"seq":17,"time":…,"event":…, … ,"mac":"64 hexadecimal digits"}
struct SealedLine {
    static let prefix = Array(#"{"v":2,"seq":"#.utf8)
    static let tail = Array(#","mac":""#.utf8)
    private static let ending = Array(#""}"#.utf8)

    var sequence: Int64
    var code: [UInt8]
    /// What the code is over.
    var bytes: UnsafeBufferPointer<UInt8>

    /// Nil if the line is not sealed.
    init?(_ line: UnsafeBufferPointer<UInt8>) {
        let tailStart = line.count - Self.ending.count - 2 * AuditHash.byteCount - Self.tail.count
        guard tailStart > Self.prefix.count, line.starts(with: Self.prefix), line[tailStart...].starts(with: Self.tail),
            line[(line.count - 2)...].elementsEqual(Self.ending)
        else { return nil }
        var index = Self.prefix.count
        var number: Int64 = 0
        while index < tailStart, case UInt8(ascii: "0")...UInt8(ascii: "9") = line[index], number < .max / 100 {
            number = number * 10 + Int64(line[index] - UInt8(ascii: "0"))
            index += 1
        }
        guard line[index] == UInt8(ascii: ","),
            let code = AuditHash.bytes(hex: line[(tailStart + Self.tail.count)..<(line.count - 2)])
        else { return nil }
        sequence = number
        self.code = code
        bytes = UnsafeBufferPointer(rebasing: line[..<tailStart])
    }
}
